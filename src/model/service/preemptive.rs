//! Cores whose work can be interrupted.
//!
//! **Invariant.** Work resumes where it stopped.

use std::cmp::Reverse;

use super::{
    cores::{Admission, Line, halt, interrupts, rank, resume, stretch},
    room::Next,
};
use crate::{
    engine::random::Stream,
    model::{frame::HAS_CORE, ids::Slot, service::Discipline, span::Work, world::World},
};

/// `end` of a frame that stands still.
const STANDS: u64 = u64::MAX;

/// Running frames can be interrupted; their work resumes where it stopped.
#[derive(Debug)]
pub struct Preemptive {
    /// Cores and the room of those that wait or were interrupted.
    pub line: Line,
    /// (rank, arrival, slot, end of work) of the frames at work.
    pub(super) running: Vec<(u64, Reverse<u64>, Slot, u64)>,
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
