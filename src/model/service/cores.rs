//! Cores: where `work` runs.
//!
//! Five machines: a line (non-preemptive, any order of service), a preemptive one, processor
//! sharing on a virtual clock, one that works off several at once, and one whose time is rationed.
//!
//! **Invariant.** Never more frames at work than cores; no core idles while a frame waits.

use crate::{
    engine::random::Stream,
    model::{
        books::{Area, BatchesMeasured},
        frame::HAS_CORE,
        ids::{Host, Slot},
        service::{
            Discipline, Speedup,
            bulk::Bulk,
            preemptive::Preemptive,
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
    pub(super) by_length: bool,
    /// Cores.
    pub capacity: u32,
    pub(super) busy: Area,
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
pub(super) fn interrupts(discipline: &Discipline) -> bool {
    matches!(
        discipline,
        Discipline::LifoPreemptive | Discipline::PriorityPreemptive | Discipline::Srpt
    )
}

/// What ends at `end` takes so many times as long for the rest: when it ends now.
pub(super) fn stretch(slot: Slot, end: u64, times: f64, world: &mut World) -> u64 {
    let now = world.now();
    let left = scaled(end - now, times);
    world.disarm(slot);
    world.arm(slot, Span::of(left));
    let f = &mut world.frames[slot];
    f.served = f.served.wrapping_add(left).wrapping_sub(end - now);
    now + left
}

/// What ends at `end` does not move any more: the work at full speed that is left of it.
pub(super) fn halt(slot: Slot, end: u64, world: &mut World) -> u64 {
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
pub(super) fn resume(slot: Slot, left: u64, world: &mut World) -> u64 {
    let now = world.now();
    let f = &mut world.frames[slot];
    f.waited = f.waited.wrapping_add(now);
    now + begin(slot, Work::of(left), world)
}

/// A frame gets a core for some work, whose end is armed: what it takes on its host, ns.
#[inline(always)]
pub(super) fn begin(slot: Slot, work: Work, world: &mut World) -> u64 {
    world.frames[slot].flags |= HAS_CORE;
    if world.hosts.slowed() {
        return begin_slowed(slot, work.nanos, world);
    }
    world.arm(slot, work.span);
    work.nanos
}

#[cold]
fn begin_slowed(slot: Slot, nanos: u64, world: &mut World) -> u64 {
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
    pub(super) fn new(capacity: u64, discipline: &Discipline, stream: Stream) -> Self {
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
    pub(super) fn start(&mut self, slot: Slot, work: Work, world: &mut World) -> u64 {
        self.busy.enter(world.now());
        begin(slot, work, world)
    }

    pub(super) fn clear(&mut self, world: &mut World) {
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
