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
        let room = Room::new(discipline, stream);
        let by_length = matches!(discipline, Discipline::ShortestJob | Discipline::Srpt);
        // No more frames than slots can ask for one.
        let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
        let line = Line { capacity, busy: Area::default(), room, by_length };
        match discipline {
            Discipline::LifoPreemptive | Discipline::PriorityPreemptive | Discipline::Srpt => {
                Self::Preemptive(Box::new(Preemptive {
                    line,
                    running: Vec::new(),
                    newest_first: *discipline == Discipline::LifoPreemptive,
                    arrivals: 0,
                }))
            }
            _ => Self::Line(line),
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
            Self::Preemptive(p) => p.done(slot, world),
            // The tick has taken it out already.
            Self::Shared(_) => {}
            Self::Bulk(b) => b.done(slot, world),
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
            Self::Unbounded(_) | Self::Line(_) | Self::Preemptive(_) => {}
        }
    }

    /// Batches of the measured span, if it works in any.
    pub fn batches(&self) -> Option<BatchesMeasured> {
        if let Self::Bulk(b) = self { Some(b.measured()) } else { None }
    }

    /// A frame at work or waiting is called off.
    pub fn call_off(&mut self, slot: Slot, world: &mut World, dropped: &mut Vec<Slot>) {
        let running = world.frames[slot].flags & HAS_CORE != 0;
        match self {
            Self::Shared(s) => {
                world.frames[slot].flags &= !HAS_CORE;
                s.call_off(slot, world);
            }
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
        }
    }

    /// The room, if there is one.
    pub fn room_mut(&mut self) -> Option<&mut Room> {
        match self {
            Self::Unbounded(_) | Self::Shared(_) => None,
            Self::Line(line) => Some(&mut line.room),
            Self::Preemptive(p) => Some(&mut p.line.room),
            Self::Bulk(b) => Some(&mut b.room),
        }
    }

    /// Whether a newcomer would start at once.
    #[inline(always)]
    pub fn free(&self) -> bool {
        match self {
            Self::Unbounded(_) | Self::Shared(_) => true,
            Self::Line(line) => line.busy.count() < u64::from(line.capacity),
            Self::Preemptive(p) => p.running.len() < p.line.capacity as usize,
            Self::Bulk(b) => b.free(),
        }
    }

    /// Whether a newcomer with this much work would interrupt another's.
    #[cold]
    pub fn would_interrupt(&self, slot: Slot, nanos: u64, world: &World) -> bool {
        let Self::Preemptive(p) = self else { return false };
        p.loser_to(slot, nanos, world).is_some()
    }

    /// Everything at work or waiting is gone.
    pub fn clear(&mut self, world: &mut World) {
        let now = world.now();
        match self {
            Self::Unbounded(busy) => busy.clear(now),
            Self::Line(line) => line.clear(world),
            Self::Preemptive(p) => {
                p.line.clear(world);
                p.running.clear();
            }
            Self::Shared(s) => s.clear(world),
            Self::Bulk(b) => b.clear(world),
        }
    }

    /// What is at work on this host takes `after / before` times as long for the rest.
    pub fn set_pace(&mut self, host: Host, before: f64, after: f64, world: &mut World) {
        if let Self::Shared(s) = self {
            return s.set_pace(1.0 / after, world);
        }
        for (slot, end) in world.ends_of_work(host) {
            let now = world.now();
            let left = scaled(end - now, after / before);
            world.disarm(slot);
            world.arm(slot, Span::of(left));
            let f = &mut world.frames[slot];
            f.served = f.served.wrapping_add(left).wrapping_sub(end - now);
            if let Self::Preemptive(p) = self
                && let Some(running) = p.running.iter_mut().find(|r| r.2 == slot)
            {
                running.3 = now + left;
            }
        }
    }

    /// Nothing at work on this host moves any more: the work at full speed each frame has left.
    pub fn freeze(&mut self, host: Host, world: &mut World) -> Vec<(Slot, u64)> {
        if let Self::Shared(s) = self {
            s.set_pace(0.0, world);
            return Vec::new();
        }
        if let Self::Bulk(b) = self {
            b.stand(true, world);
        }
        let now = world.now();
        let ends = world.ends_of_work(host).into_iter();
        ends.map(|(slot, end)| {
            let left = world.relaxed(slot, end - now);
            world.disarm(slot);
            let f = &mut world.frames[slot];
            f.served = f.served.wrapping_sub(end - now).wrapping_add(left);
            // It waits for the end of the pause.
            f.waited = f.waited.wrapping_sub(now);
            (slot, left)
        })
        .collect()
    }

    /// What was frozen goes on.
    pub fn thaw(&mut self, host: Host, frozen: &[(Slot, u64)], world: &mut World) {
        if let Self::Shared(s) = self {
            return s.set_pace(1.0 / world.hosts.slowdown(host), world);
        }
        let now = world.now();
        for &(slot, left) in frozen {
            let f = &mut world.frames[slot];
            f.waited = f.waited.wrapping_add(now);
            let taken = begin(slot, Work::of(left), world);
            if let Self::Preemptive(p) = self
                && let Some(running) = p.running.iter_mut().find(|r| r.2 == slot)
            {
                running.3 = now + taken;
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
        }
    }
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

fn linear_up_to(cores: u64) -> Speedup {
    Speedup(vec![(1, 1.0), (cores, cores as f64)])
}

impl Line {
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

/// Running frames can be interrupted; their work resumes where it stopped.
#[derive(Debug)]
pub struct Preemptive {
    /// Cores and the room of those that wait or were interrupted.
    pub line: Line,
    /// (rank, arrival, slot, end of work) of the frames at work.
    running: Vec<(u64, Reverse<u64>, Slot, u64)>,
    newest_first: bool,
    arrivals: u64,
}

impl Preemptive {
    fn ask(&mut self, slot: Slot, nanos: u64, world: &mut World) -> Admission {
        self.arrivals += 1;
        let rank = rank(slot, self.line.by_length, nanos, world);
        world.frames.extra_mut(slot).remaining = nanos;
        if self.running.len() < self.line.capacity as usize {
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
        world.disarm(loser);
        let f = &mut world.frames[loser];
        f.flags &= !HAS_CORE;
        // The time not taken yet is counted anew when it goes on.
        f.served = f.served.wrapping_sub(end - now).wrapping_add(nominal);
        world.frames.extra_mut(loser).remaining = nominal;
        self.line.room.enter(loser, worst_rank, world);
        self.start(slot, rank, nanos, world);
        Admission::Running
    }

    /// Who would have to stop for a newcomer when all cores are busy: its place, its rank and what it has
    /// left at full speed.
    fn loser_to(&self, slot: Slot, nanos: u64, world: &World) -> Option<(usize, u64, u64)> {
        let now = world.now();
        // The least deserving of those at work: the oldest under LIFO, else the worst rank (by what
        // is left, under `srpt`); among equals the latest to start stays out first.
        let by_length = self.line.by_length;
        let rank = rank(slot, by_length, nanos, world);
        let left = |slot: Slot, end: u64| world.relaxed(slot, end - now);
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
        let order = self.arrivals;
        let taken = self.line.start(slot, Work::of(nanos), world);
        self.running.push((rank, Reverse(order), slot, world.now() + taken));
    }

    fn done(&mut self, slot: Slot, world: &mut World) {
        let at = self.running.iter().position(|r| r.2 == slot).expect("it was at work");
        self.running.swap_remove(at);
        self.line.busy.leave(world.now());
        if let Next::Serve(next) = self.line.room.next(world) {
            world.disarm(next);
            let left = world.frames.extra(next).remaining;
            let rank = rank(next, self.line.by_length, left, world);
            self.start(next, rank, left, world);
        }
    }
}
