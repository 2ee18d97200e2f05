//! Cores that all frames inside share.
//!
//! **Invariant.** Work is conserved: what a frame asked for is what it got when it is done.

use super::cores::Admission;
use crate::{
    engine::virtual_clock::VirtualClock,
    model::{frame::HAS_CORE, ids::Slot, service::Speedup, world::World},
};
use std::{cmp::Reverse, collections::BinaryHeap};

/// Bits of a fraction of a nanosecond on the virtual clock.
const FRACTION: u32 = 32;

/// Processor sharing on a virtual clock (`semantics.md` 40): with n frames inside each gets
/// `speed(n) / n`; the clock runs at that rate, a frame is done when it has advanced by its work.
#[derive(Debug)]
pub struct Shared {
    speed: Speedup,
    /// Speed of its host, 1 when nothing slows it.
    pace: f64,
    tick: u32,
    clock: VirtualClock<FRACTION>,
    /// When `busy` was brought up to date, ns.
    updated: u64,
    jobs: BinaryHeap<Reverse<(u128, u64, Slot)>>,
    arrivals: u64,
    inside: u64,
    /// Frames called off that are still in `jobs`.
    gone: Vec<Slot>,
    /// Integral of used speed in 2^-32 core-ns, and its current value.
    busy: u128,
    speed_now: u64,
}

impl Shared {
    pub(super) fn new(speed: Speedup, tick: u32) -> Self {
        Self {
            speed,
            pace: 1.0,
            tick,
            clock: VirtualClock::default(),
            updated: 0,
            jobs: BinaryHeap::new(),
            arrivals: 0,
            inside: 0,
            gone: Vec::new(),
            busy: 0,
            speed_now: 0,
        }
    }

    /// Brings the virtual clock to `now`.
    pub(super) fn advance(&mut self, now: u64) {
        let elapsed = self.clock.advance(now);
        self.busy += u128::from(elapsed) * u128::from(self.speed_now);
        self.updated = now;
    }

    /// Sets the rate for the frames inside and arms the tick at the earliest end.
    pub(super) fn rearm(&mut self, world: &mut World) {
        while let Some(Reverse((_, _, slot))) = self.jobs.peek() {
            let Some(at) = self.gone.iter().position(|g| g == slot) else { break };
            self.gone.swap_remove(at);
            let slot = *slot;
            self.jobs.pop();
            world.leave_room(slot);
        }
        if self.inside == 0 {
            self.clock.stop();
            self.speed_now = 0;
            world.disarm_tick(self.tick);
            return;
        }
        if self.pace == 0.0 {
            self.clock.stop();
            world.disarm_tick(self.tick);
            return;
        }
        let speed = self.speed.at(self.inside);
        self.speed_now = (speed * (1u64 << FRACTION) as f64).round() as u64;
        self.clock.run(speed * self.pace / self.inside as f64);
        let Reverse((tag, ..)) = self.jobs.peek().expect("someone is inside");
        world.arm_tick(self.tick, self.clock.until(*tag).expect("it runs"));
    }

    pub(super) fn set_pace(&mut self, pace: f64, world: &mut World) {
        self.advance(world.now());
        self.pace = pace;
        self.rearm(world);
    }

    /// Frames inside.
    pub(super) fn inside(&self) -> u64 {
        self.inside
    }

    /// How long it takes until the first of those inside is done, at the present pace; none: nobody is.
    pub(super) fn first_end(&mut self, now: u64) -> Option<u64> {
        self.advance(now);
        let Reverse((tag, ..)) = self.jobs.peek()?;
        Some(self.clock.until(*tag).unwrap_or(u64::MAX))
    }

    pub(super) fn clear(&mut self, world: &mut World) {
        self.advance(world.now());
        for slot in std::mem::take(&mut self.gone) {
            world.leave_room(slot);
        }
        self.jobs.clear();
        self.inside = 0;
        self.rearm(world);
    }

    pub(super) fn enter(&mut self, slot: Slot, nanos: u64, world: &mut World) -> Admission {
        let now = world.now();
        self.advance(now);
        self.arrivals += 1;
        self.inside += 1;
        let tag = self.clock.after(nanos);
        self.jobs.push(Reverse((tag, self.arrivals, slot)));
        let f = &mut world.frames[slot];
        f.flags |= HAS_CORE;
        // Waiting is the sojourn minus the demand.
        f.waited = f.waited.wrapping_sub(now).wrapping_sub(nanos);
        self.rearm(world);
        Admission::Running
    }

    /// The earliest frame whose work is complete, if any: call until `None`, then [`Self::settle`].
    pub fn take_done(&mut self, world: &mut World) -> Option<Slot> {
        self.advance(world.now());
        loop {
            let Reverse((tag, _, slot)) = *self.jobs.peek()?;
            // The armed instant is rounded up, so the tag is at most one rate step away.
            if let Some(at) = self.gone.iter().position(|&g| g == slot) {
                self.gone.swap_remove(at);
                self.jobs.pop();
                world.leave_room(slot);
                continue;
            }
            if !self.clock.has_reached(tag) {
                return None;
            }
            self.jobs.pop();
            self.inside -= 1;
            let now = world.now();
            let f = &mut world.frames[slot];
            // Rounding may complete a job up to one nanosecond early.
            f.waited = f.waited.wrapping_add(now);
            if f.waited > 1 << 63 {
                f.waited = 0;
            }
            return Some(slot);
        }
    }

    /// Arms the next end after the frames that were done have been taken out.
    pub fn settle(&mut self, world: &mut World) {
        self.rearm(world);
    }

    pub(super) fn call_off(&mut self, slot: Slot, world: &mut World) {
        self.advance(world.now());
        self.inside -= 1;
        self.gone.push(slot);
        let now = world.now();
        let f = &mut world.frames[slot];
        f.flags |= crate::model::frame::IN_ROOM | crate::model::frame::ABANDONED;
        f.waited = f.waited.wrapping_add(now);
        if f.waited > 1 << 63 {
            f.waited = 0;
        }
        self.rearm(world);
    }

    pub(super) fn busy_until(&self, now: u64) -> u128 {
        (self.busy + u128::from(now - self.updated) * u128::from(self.speed_now)) >> FRACTION
    }
}

impl Speedup {
    /// Total speed with `n` inside: linear between the points (from (0, 0)), constant beyond.
    #[must_use]
    pub fn at(&self, n: u64) -> f64 {
        let mut before = (0u64, 0.0);
        for &(k, speed) in &self.0 {
            if n <= k {
                if k == before.0 {
                    return speed;
                }
                let part = (n - before.0) as f64 / (k - before.0) as f64;
                return before.1 + (speed - before.1) * part;
            }
            before = (k, speed);
        }
        before.1
    }

    /// The largest total speed.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.0.iter().fold(0.0, |m, &(_, s)| f64::max(m, s))
    }
}
