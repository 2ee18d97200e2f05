//! Cores: where `work` runs.
//!
//! Four machines: a line (non-preemptive, any order of service), a preemptive one, processor
//! sharing on a virtual clock, and one that works off several at once.
//!
//! **Invariant.** Never more frames at work than cores; no core idles while a frame waits.

use std::cmp::Reverse;

use crate::{
    engine::random::Stream,
    model::{
        books::{Area, BatchesMeasured},
        frame::HAS_CORE,
        ids::{Host, Slot},
        service::{
            Discipline, Speedup,
            bulk::Bulk,
            rationed::Rationed,
            room::{Next, Room},
            shared::Shared,
        },
        span::{Span, Work, scaled},
        world::World,
    },
};

/// The cores of one instance.
#[derive(Debug)]
pub enum Cores {
    /// As many as there is work.
    Unbounded(Area),
    /// Non-preemptive.
    Line(Line),
    /// Preemptive.
    Preemptive(Box<Preemptive>),
    /// Processor sharing.
    Shared(Box<Shared>),
    /// In batches.
    Bulk(Box<Bulk>),
    /// As long as there is processor time.
    Rationed(Box<Rationed>),
}

/// What became of a frame that asked for a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is at work; its timer (or the tick) tells the end.
    Running,
    /// It waits.
    Waiting,
}

/// `capacity` cores and a room. In this order: what every newcomer asks about comes first.
#[derive(Debug)]
#[repr(C)]
pub struct Line {
    by_length: bool,
    /// Cores.
    pub capacity: u32,
    busy: Area,
    /// Who waits.
    pub room: Room,
}

impl Cores {
    /// The cores of an instance; `tick` is its processor-sharing wake.
    pub fn new(
        capacity: Option<u64>,
        discipline: &Discipline,
        speedup: Option<&Speedup>,
        tick: u32,
        stream: Stream,
    ) -> Self {
        if *discipline == Discipline::Shared {
            let speed = speedup.cloned().or_else(|| capacity.map(linear_up_to));
            return speed.map_or_else(
                || Self::Unbounded(Area::default()),
                |s| Self::Shared(Box::new(Shared::new(s, tick))),
            );
        }
        let Some(capacity) = capacity else { return Self::Unbounded(Area::default()) };
        if interrupts(discipline) {
            Self::Preemptive(Box::new(Preemptive::new(capacity, discipline, stream)))
        } else {
            Self::Line(Line::new(capacity, discipline, stream))
        }
    }

    /// A frame asks for a core for this work.
    #[inline(always)]
    pub fn ask(&mut self, slot: Slot, work: Work, world: &mut World) -> Admission {
        if let Self::Line(line) = self {
            return line.ask(slot, work, world);
        }
        match self {
            Self::Unbounded(busy) => {
                busy.enter(world.now());
                begin(slot, work, world);
                Admission::Running
            }
            Self::Line(_) => unreachable!("asked above"),
            Self::Preemptive(p) => p.ask(slot, work.nanos, world),
            Self::Shared(s) => s.enter(slot, work.nanos, world),
            Self::Bulk(b) => b.ask(slot, work, world),
            Self::Rationed(r) => r.ask(slot, work, world),
        }
    }

    /// The frame's work ended (its timer fired); whoever waits starts. Frames that CoDel drops are
    /// returned to be finished.
    #[inline(always)]
    pub fn done(&mut self, slot: Slot, world: &mut World, dropped: &mut Vec<Slot>) {
        world.frames[slot].flags &= !HAS_CORE;
        if let Self::Line(line) = self {
            return line.done(world, dropped);
        }
        match self {
            Self::Unbounded(busy) => busy.leave(world.now()),
            Self::Line(_) => unreachable!("done above"),
            Self::Preemptive(p) => p.done(slot, world, dropped),
            // The tick has taken it out already.
            Self::Shared(_) => {}
            Self::Bulk(b) => b.done(slot, world),
            Self::Rationed(r) => r.done(slot, world, dropped),
        }
    }

    /// Its wake: whose shared work is done is put down, or a batch begins.
    pub fn ticked(&mut self, done: &mut Vec<Slot>, world: &mut World) {
        match self {
            Self::Shared(shared) => {
                while let Some(slot) = shared.take_done(world) {
                    done.push(slot);
                }
                shared.settle(world);
            }
            Self::Bulk(b) => b.ticked(world),
            Self::Rationed(r) => r.ticked(done, world),
            Self::Unbounded(_) | Self::Line(_) | Self::Preemptive(_) => {}
        }
    }

    /// Batches of the measured span, if it works in any.
    pub fn batches(&self) -> Option<BatchesMeasured> {
        if let Self::Bulk(b) = self { Some(b.measured()) } else { None }
    }

    /// Integrals of (being stopped, frames that stand still) for want of processor time, from time 0.
    pub fn throttled(&self, now: u64) -> Option<(u128, u128)> {
        if let Self::Rationed(r) = self { Some(r.throttled(now)) } else { None }
    }

    /// A frame at work or waiting is called off.
    pub fn call_off(&mut self, slot: Slot, world: &mut World, dropped: &mut Vec<Slot>) {
        let running = world.frames[slot].flags & HAS_CORE != 0;
        match self {
            Self::Shared(s) => {
                world.frames[slot].flags &= !HAS_CORE;
                s.call_off(slot, world);
            }
            Self::Rationed(r) => r.call_off(slot, world, dropped),
            _ if running => {
                world.disarm(slot);
                self.done(slot, world, dropped);
            }
            Self::Line(line) => line.room.abandon(slot, world),
            Self::Preemptive(p) => p.line.room.abandon(slot, world),
            Self::Bulk(b) => b.room.abandon(slot, world),
            Self::Unbounded(_) => {}
        }
    }

    /// Frames waiting for a core.
    #[inline(always)]
    pub fn waiting(&self) -> u64 {
        match self {
            Self::Unbounded(_) | Self::Shared(_) => 0,
            Self::Line(line) => line.room.waiting(),
            Self::Preemptive(p) => p.line.room.waiting(),
            Self::Bulk(b) => b.room.waiting(),
            Self::Rationed(r) => r.waiting(),
        }
    }

    /// The room, if there is one.
    pub fn room_mut(&mut self) -> Option<&mut Room> {
        match self {
            Self::Unbounded(_) | Self::Shared(_) => None,
            Self::Line(line) => Some(&mut line.room),
            Self::Preemptive(p) => Some(&mut p.line.room),
            Self::Bulk(b) => Some(&mut b.room),
            Self::Rationed(r) => r.room_mut(),
        }
    }

    /// Whether a newcomer would start at once.
    #[inline(always)]
    pub fn free(&self) -> bool {
        match self {
            Self::Unbounded(_) | Self::Shared(_) => true,
            Self::Line(line) => line.busy.count() < u64::from(line.capacity),
            Self::Preemptive(p) => p.free(),
            Self::Bulk(b) => b.free(),
            Self::Rationed(r) => r.free(),
        }
    }

    /// Whether a newcomer with this much work would interrupt another's.
    #[cold]
    pub fn would_interrupt(&self, slot: Slot, nanos: u64, world: &World) -> bool {
        match self {
            Self::Preemptive(p) => p.loser_to(slot, nanos, world).is_some(),
            Self::Rationed(r) => r.would_interrupt(slot, nanos, world),
            _ => false,
        }
    }

    /// Everything at work or waiting is gone.
    pub fn clear(&mut self, world: &mut World) {
        let now = world.now();
        match self {
            Self::Unbounded(busy) => busy.clear(now),
            Self::Line(line) => line.clear(world),
            Self::Preemptive(p) => p.clear(world),
            Self::Shared(s) => s.clear(world),
            Self::Bulk(b) => b.clear(world),
            Self::Rationed(r) => r.clear(world),
        }
    }

    /// What is at work on this host takes `after / before` times as long for the rest.
    pub fn set_pace(&mut self, host: Host, before: f64, after: f64, world: &mut World) {
        match self {
            Self::Shared(s) => return s.set_pace(1.0 / after, world),
            Self::Rationed(r) => return r.set_pace(before, after, world),
            _ => {}
        }
        for (slot, end) in world.ends_of_work(host) {
            let end = stretch(slot, end, after / before, world);
            if let Self::Preemptive(p) = self
                && let Some(running) = p.running.iter_mut().find(|r| r.2 == slot)
            {
                running.3 = end;
            }
        }
    }

    /// Nothing at work on this host moves any more: the work at full speed each frame has left.
    pub fn freeze(&mut self, host: Host, world: &mut World) -> Vec<(Slot, u64)> {
        match self {
            Self::Shared(s) => s.set_pace(0.0, world),
            Self::Rationed(r) => r.pause(true, world),
            Self::Bulk(b) => b.stand(true, world),
            _ => {}
        }
        if matches!(self, Self::Shared(_) | Self::Rationed(_)) {
            return Vec::new();
        }
        let ends = world.ends_of_work(host).into_iter();
        ends.map(|(slot, end)| (slot, halt(slot, end, world))).collect()
    }

    /// What was frozen goes on.
    pub fn thaw(&mut self, host: Host, frozen: &[(Slot, u64)], world: &mut World) {
        match self {
            Self::Shared(s) => return s.set_pace(1.0 / world.hosts.slowdown(host), world),
            Self::Rationed(r) => return r.pause(false, world),
            _ => {}
        }
        for &(slot, left) in frozen {
            let end = resume(slot, left, world);
            if let Self::Preemptive(p) = self
                && let Some(running) = p.running.iter_mut().find(|r| r.2 == slot)
            {
                running.3 = end;
            }
        }
        if let Self::Bulk(b) = self {
            b.stand(false, world);
        }
    }

    /// Integrals of (busy capacity, frames waiting) from time 0.
    pub fn books(&self, now: u64) -> (u128, u128) {
        match self {
            Self::Unbounded(busy) => (busy.until(now), 0),
            Self::Line(line) => (line.busy.until(now), line.room.until(now)),
            Self::Preemptive(p) => (p.line.busy.until(now), p.line.room.until(now)),
            Self::Shared(s) => (s.busy_until(now), 0),
            Self::Bulk(b) => b.books(now),
            Self::Rationed(r) => r.books(now),
        }
    }
}

/// Whether a newcomer may interrupt.
fn interrupts(discipline: &Discipline) -> bool {
    matches!(
        discipline,
        Discipline::LifoPreemptive | Discipline::PriorityPreemptive | Discipline::Srpt
    )
}

/// What ends at `end` takes so many times as long for the rest: when it ends now.
fn stretch(slot: Slot, end: u64, times: f64, world: &mut World) -> u64 {
    let now = world.now();
    let left = scaled(end - now, times);
    world.disarm(slot);
    world.arm(slot, Span::of(left));
    let f = &mut world.frames[slot];
    f.served = f.served.wrapping_add(left).wrapping_sub(end - now);
    now + left
}

/// What ends at `end` does not move any more: the work at full speed that is left of it.
fn halt(slot: Slot, end: u64, world: &mut World) -> u64 {
    let now = world.now();
    let left = world.relaxed(slot, end - now);
    world.disarm(slot);
    let f = &mut world.frames[slot];
    f.served = f.served.wrapping_sub(end - now).wrapping_add(left);
    // It waits until it goes on.
    f.waited = f.waited.wrapping_sub(now);
    left
}

/// What stood still goes on: when it ends.
fn resume(slot: Slot, left: u64, world: &mut World) -> u64 {
    let now = world.now();
    let f = &mut world.frames[slot];
    f.waited = f.waited.wrapping_add(now);
    now + begin(slot, Work::of(left), world)
}

/// A frame gets a core for some work, whose end is armed: what it takes on its host, ns.
#[inline(always)]
pub(super) fn begin(slot: Slot, work: Work, world: &mut World) -> u64 {
    world.frames[slot].flags |= HAS_CORE;
    if world.hosts.disturbed {
        return begin_disturbed(slot, work.nanos, world);
    }
    world.arm(slot, work.span);
    work.nanos
}

#[cold]
fn begin_disturbed(slot: Slot, nanos: u64, world: &mut World) -> u64 {
    let taken = world.stretched(slot, Work::of(nanos));
    let f = &mut world.frames[slot];
    f.served = f.served.wrapping_add(taken.nanos).wrapping_sub(nanos);
    world.arm(slot, taken.span);
    taken.nanos
}

pub(super) fn linear_up_to(cores: u64) -> Speedup {
    Speedup(vec![(1, 1.0), (cores, cores as f64)])
}

impl Line {
    fn new(capacity: u64, discipline: &Discipline, stream: Stream) -> Self {
        Self {
            // No more frames than slots can ask for one.
            capacity: u32::try_from(capacity).unwrap_or(u32::MAX),
            busy: Area::default(),
            room: Room::new(discipline, stream),
            by_length: matches!(discipline, Discipline::ShortestJob | Discipline::Srpt),
        }
    }

    #[inline(always)]
    fn ask(&mut self, slot: Slot, work: Work, world: &mut World) -> Admission {
        if self.busy.count() < u64::from(self.capacity) {
            self.start(slot, work, world);
            return Admission::Running;
        }
        // The end cannot be armed yet; the length stays with the frame.
        world.frames.extra_mut(slot).remaining = work.nanos;
        let rank = rank(slot, self.by_length, work.nanos, world);
        self.room.enter(slot, rank, world);
        Admission::Waiting
    }

    #[inline(always)]
    fn start(&mut self, slot: Slot, work: Work, world: &mut World) -> u64 {
        self.busy.enter(world.now());
        begin(slot, work, world)
    }

    fn clear(&mut self, world: &mut World) {
        self.room.clear(world);
        self.busy.clear(world.now());
    }

    #[inline(always)]
    fn done(&mut self, world: &mut World, dropped: &mut Vec<Slot>) {
        loop {
            match self.room.next(world) {
                Next::Empty => return self.busy.leave(world.now()),
                Next::Drop(slot) => dropped.push(slot),
                Next::Serve(slot) => {
                    world.disarm(slot);
                    let nanos = world.frames.extra(slot).remaining;
                    // It takes over the core.
                    begin(slot, Work::of(nanos), world);
                    return;
                }
            }
        }
    }
}

#[inline]
pub(super) fn rank(slot: Slot, by_length: bool, nanos: u64, world: &World) -> u64 {
    if by_length {
        nanos
    } else if world.carries {
        u64::from(world.frames.extra(slot).priority)
    } else {
        0
    }
}

/// `end` of a frame that stands still.
const STANDS: u64 = u64::MAX;

/// Running frames can be interrupted; their work resumes where it stopped.
#[derive(Debug)]
pub struct Preemptive {
    /// Cores and the room of those that wait or were interrupted.
    pub line: Line,
    /// (rank, arrival, slot, end of work) of the frames at work.
    running: Vec<(u64, Reverse<u64>, Slot, u64)>,
    newest_first: bool,
    /// By newcomers.
    interrupts: bool,
    arrivals: u64,
    /// Whoever has a core stands still.
    stands: bool,
}

impl Preemptive {
    pub(super) fn new(capacity: u64, discipline: &Discipline, stream: Stream) -> Self {
        Self {
            line: Line::new(capacity, discipline, stream),
            running: Vec::new(),
            newest_first: *discipline == Discipline::LifoPreemptive,
            interrupts: interrupts(discipline),
            arrivals: 0,
            stands: false,
        }
    }

    /// Frames on cores.
    pub(super) fn inside(&self) -> u64 {
        self.running.len() as u64
    }

    pub(super) fn free(&self) -> bool {
        self.running.len() < self.line.capacity as usize
    }

    pub(super) fn clear(&mut self, world: &mut World) {
        self.line.clear(world);
        self.running.clear();
    }

    /// Whether any work at hand ends later than now.
    pub(super) fn goes_on(&self, now: u64) -> bool {
        self.running.iter().any(|running| running.3 > now)
    }

    /// Work stands still, but for what ends now.
    pub(super) fn stop(&mut self, world: &mut World) {
        self.stands = true;
        for (_, _, slot, end) in &mut self.running {
            if *end > world.now() && *end != STANDS {
                let left = halt(*slot, *end, world);
                world.frames.extra_mut(*slot).remaining = left;
                *end = STANDS;
            }
        }
    }

    /// It goes on.
    pub(super) fn go(&mut self, world: &mut World) {
        self.stands = false;
        for (_, _, slot, end) in &mut self.running {
            if *end == STANDS {
                *end = resume(*slot, world.frames.extra(*slot).remaining, world);
            }
        }
    }

    /// What moves takes so many times as long for the rest.
    pub(super) fn set_pace(&mut self, times: f64, world: &mut World) {
        for (_, _, slot, end) in &mut self.running {
            if *end > world.now() && *end != STANDS {
                *end = stretch(*slot, *end, times, world);
            }
        }
    }

    pub(super) fn ask(&mut self, slot: Slot, nanos: u64, world: &mut World) -> Admission {
        self.arrivals += 1;
        let rank = rank(slot, self.line.by_length, nanos, world);
        world.frames.extra_mut(slot).remaining = nanos;
        if self.free() {
            self.start(slot, rank, nanos, world);
            return Admission::Running;
        }
        let Some((worst, worst_rank, nominal)) = self.loser_to(slot, nanos, world) else {
            self.line.room.enter(slot, rank, world);
            return Admission::Waiting;
        };
        let (now, (_, _, loser, end)) = (world.now(), self.running[worst]);
        self.running.swap_remove(worst);
        self.line.busy.leave(now);
        let f = &mut world.frames[loser];
        f.flags &= !HAS_CORE;
        if end == STANDS {
            f.waited = f.waited.wrapping_add(now);
        } else {
            // The time not taken yet is counted anew when it goes on.
            f.served = f.served.wrapping_sub(end - now).wrapping_add(nominal);
            world.disarm(loser);
        }
        world.frames.extra_mut(loser).remaining = nominal;
        self.line.room.enter(loser, worst_rank, world);
        self.start(slot, rank, nanos, world);
        Admission::Running
    }

    /// Who would have to stop for a newcomer when all cores are busy: its place, its rank and what it has
    /// left at full speed.
    pub(super) fn loser_to(
        &self,
        slot: Slot,
        nanos: u64,
        world: &World,
    ) -> Option<(usize, u64, u64)> {
        if !self.interrupts {
            return None;
        }
        let now = world.now();
        // The least deserving of those at work: the oldest under LIFO, else the worst rank (by what
        // is left, under `srpt`); among equals the latest to start stays out first.
        let by_length = self.line.by_length;
        let rank = rank(slot, by_length, nanos, world);
        let left = |slot: Slot, end: u64| match end {
            STANDS => world.frames.extra(slot).remaining,
            _ => world.relaxed(slot, end - now),
        };
        let worst = (0..self.running.len()).max_by_key(|&i| {
            let (rank, order, slot, end) = self.running[i];
            let rank = if by_length { left(slot, end) } else { rank };
            if self.newest_first { (order.0.wrapping_neg(), 0) } else { (rank, u64::MAX - order.0) }
        })?;
        let (worst_rank, _, loser, end) = self.running[worst];
        let nominal = left(loser, end);
        let worst_rank = if by_length { nominal } else { worst_rank };
        (self.newest_first || rank < worst_rank).then_some((worst, worst_rank, nominal))
    }

    fn start(&mut self, slot: Slot, rank: u64, nanos: u64, world: &mut World) {
        let (now, order) = (world.now(), self.arrivals);
        let end = if self.stands {
            self.line.busy.enter(now);
            let f = &mut world.frames[slot];
            f.flags |= HAS_CORE;
            f.waited = f.waited.wrapping_sub(now);
            world.frames.extra_mut(slot).remaining = nanos;
            STANDS
        } else {
            now + self.line.start(slot, Work::of(nanos), world)
        };
        self.running.push((rank, Reverse(order), slot, end));
    }

    pub(super) fn done(&mut self, slot: Slot, world: &mut World, dropped: &mut Vec<Slot>) {
        let at = self.running.iter().position(|r| r.2 == slot).expect("it was at work");
        let (.., end) = self.running.swap_remove(at);
        let now = world.now();
        if end == STANDS {
            let f = &mut world.frames[slot];
            f.waited = f.waited.wrapping_add(now);
        }
        self.line.busy.leave(now);
        loop {
            match self.line.room.next(world) {
                Next::Empty => return,
                Next::Drop(slot) => dropped.push(slot),
                Next::Serve(next) => {
                    world.disarm(next);
                    let left = world.frames.extra(next).remaining;
                    let rank = rank(next, self.line.by_length, left, world);
                    return self.start(next, rank, left, world);
                }
            }
        }
    }
}
