//! Cores that stand still when an instance has used up its processor time, until there is some again.
//!
//! **Invariant.** Processor time is never used that was not given; nobody stands still while some is left.

use super::{
    Discipline, Speedup,
    cores::{Admission, linear_up_to},
    preemptive::Preemptive,
    quota::QuotaSpec,
    room::Room,
    shared::Shared,
};
use crate::{
    cause::Cause,
    engine::random::Stream,
    model::{
        books::Area,
        frame::HAS_CORE,
        ids::{Host, Slot},
        span::Work,
        world::World,
    },
};

/// Who ends within so many ns shares cores whose speed is rounded: it ends before anything stands still.
const ROUNDED: u64 = 1_000;

/// The cores of one instance and what they may still use.
#[derive(Debug)]
pub struct Rationed {
    machine: Machine,
    /// What each period adds, and the most there can be, ns of processor time.
    quota: i128,
    most: i128,
    /// Length of a period, ns. They begin at multiples of it.
    period: u64,
    /// What is left.
    left: i128,
    /// When the present period began, and until when use is taken from what is left.
    began: u64,
    counted: u64,
    /// Cores at work.
    at_work: Area,
    /// Frames that stand still for want of processor time.
    standing: Area,
    /// Whether any do.
    throttled: Area,
    /// Nothing moves anyway.
    paused: bool,
    host: Host,
    tick: u32,
    due: Option<u64>,
}

/// What runs work as long as there is processor time.
#[derive(Debug)]
enum Machine {
    /// A core for each.
    Own(Preemptive),
    /// So many cores for all.
    Shared(Shared, u64),
}

impl Machine {
    /// Frames on cores.
    fn inside(&self) -> u64 {
        match self {
            Self::Own(own) => own.inside(),
            Self::Shared(shared, _) => shared.inside(),
        }
    }

    /// Whether there is more to do than what ends now.
    fn goes_on(&mut self, now: u64) -> bool {
        match self {
            Self::Own(own) => own.goes_on(now),
            Self::Shared(shared, _) => shared.first_end(now).is_some_and(|left| left > ROUNDED),
        }
    }

    fn stop(&mut self, world: &mut World) {
        match self {
            Self::Own(own) => own.stop(world),
            Self::Shared(shared, _) => shared.set_pace(0.0, world),
        }
    }

    fn go(&mut self, host: Host, world: &mut World) {
        match self {
            Self::Own(own) => own.go(world),
            Self::Shared(shared, _) => {
                shared.set_pace(1.0 / world.hosts.slowdown(host), world);
            }
        }
    }
}

impl Rationed {
    /// The cores of an instance, which `ticks` wake: those who share them, and those who have used up theirs.
    pub fn new(
        cores: Option<u64>,
        discipline: &Discipline,
        quota: QuotaSpec,
        (host, ticks): (Host, [u32; 2]),
        stream: Stream,
    ) -> Self {
        let machine = match cores {
            Some(cores) if *discipline == Discipline::Shared => {
                let speed: Speedup = linear_up_to(cores);
                Machine::Shared(Shared::new(speed, ticks[0]), cores)
            }
            _ => Machine::Own(Preemptive::new(cores.unwrap_or(u64::MAX), discipline, stream)),
        };
        let quota_ns = i128::from(quota.time.0);
        Self {
            machine,
            quota: quota_ns,
            most: quota_ns + i128::from(quota.burst.0),
            period: quota.per.0,
            left: quota_ns,
            began: 0,
            counted: 0,
            at_work: Area::default(),
            standing: Area::default(),
            throttled: Area::default(),
            paused: false,
            host,
            tick: ticks[1],
            due: None,
        }
    }

    pub(super) fn ask(&mut self, slot: Slot, work: Work, world: &mut World) -> Admission {
        let admission = match &mut self.machine {
            Machine::Own(own) => own.ask(slot, work.nanos, world),
            Machine::Shared(shared, _) => shared.enter(slot, work.nanos, world),
        };
        if self.throttled.count() > 0 && admission == Admission::Running {
            world.record.node(self.host.0).cause(Cause::OverQuota);
        }
        self.review(world);
        admission
    }

    pub(super) fn done(&mut self, slot: Slot, world: &mut World, dropped: &mut Vec<Slot>) {
        if let Machine::Own(own) = &mut self.machine {
            own.done(slot, world, dropped);
            self.review(world);
        }
    }

    /// Shared work is done, or there is processor time again or no more.
    pub(super) fn ticked(&mut self, done: &mut Vec<Slot>, world: &mut World) {
        if self.due == Some(world.now()) {
            self.due = None;
        }
        if let Machine::Shared(shared, _) = &mut self.machine {
            while let Some(slot) = shared.take_done(world) {
                done.push(slot);
            }
            shared.settle(world);
        }
        self.review(world);
    }

    pub(super) fn call_off(&mut self, slot: Slot, world: &mut World, dropped: &mut Vec<Slot>) {
        let running = world.frames[slot].flags & HAS_CORE != 0;
        world.frames[slot].flags &= !HAS_CORE;
        match &mut self.machine {
            Machine::Shared(shared, _) => shared.call_off(slot, world),
            Machine::Own(own) if running => {
                world.disarm(slot);
                own.done(slot, world, dropped);
            }
            Machine::Own(own) => own.line.room.abandon(slot, world),
        }
        self.review(world);
    }

    pub(super) fn waiting(&self) -> u64 {
        self.room().map_or(0, Room::waiting)
    }

    fn room(&self) -> Option<&Room> {
        let Machine::Own(own) = &self.machine else { return None };
        Some(&own.line.room)
    }

    pub(super) fn room_mut(&mut self) -> Option<&mut Room> {
        let Machine::Own(own) = &mut self.machine else { return None };
        Some(&mut own.line.room)
    }

    pub(super) fn free(&self) -> bool {
        let Machine::Own(own) = &self.machine else { return true };
        own.free()
    }

    pub(super) fn would_interrupt(&self, slot: Slot, nanos: u64, world: &World) -> bool {
        let Machine::Own(own) = &self.machine else { return false };
        own.loser_to(slot, nanos, world).is_some()
    }

    pub(super) fn clear(&mut self, world: &mut World) {
        match &mut self.machine {
            Machine::Own(own) => own.clear(world),
            Machine::Shared(shared, _) => shared.clear(world),
        }
        self.count(world.now());
        self.throttled.set(world.now(), 0);
        if !self.paused {
            self.machine.go(self.host, world);
        }
        self.review(world);
    }

    /// Its host is slower or faster than it was: what is at work takes `after / before` times as long for the rest.
    pub(super) fn set_pace(&mut self, before: f64, after: f64, world: &mut World) {
        if self.throttled.count() > 0 {
            return; // Taken into account when it goes on.
        }
        match &mut self.machine {
            Machine::Own(own) => own.set_pace(after / before, world),
            Machine::Shared(shared, _) => shared.set_pace(1.0 / after, world),
        }
        self.review(world);
    }

    /// Its process is paused, or goes on.
    pub(super) fn pause(&mut self, paused: bool, world: &mut World) {
        self.count(world.now());
        if self.throttled.count() == 0 {
            if paused {
                self.machine.stop(world);
            } else {
                self.machine.go(self.host, world);
            }
        }
        self.paused = paused;
        self.review(world);
    }

    /// Integrals of (cores at work, frames that wait or stand still) from time 0.
    pub(super) fn books(&self, now: u64) -> (u128, u128) {
        let room = self.room().map_or(0, |room| room.until(now));
        (self.at_work.until(now), room + self.standing.until(now))
    }

    /// Integrals of (being stopped, frames that stand still) for want of processor time, from time 0.
    pub(super) fn throttled(&self, now: u64) -> (u128, u128) {
        (self.throttled.until(now), self.standing.until(now))
    }

    /// Brings what is left up to `now`.
    fn count(&mut self, now: u64) {
        let at_work = i128::from(self.at_work.count());
        let periods = (now - self.began) / self.period;
        if periods > 0 {
            let end = self.began + self.period;
            let used = at_work * i128::from(end - self.counted);
            self.left = self.most.min(self.left - used + self.quota);
            // Either nothing is at work or less than each period gives: somebody looks at every other end of one.
            let gain = self.quota - at_work * i128::from(self.period);
            self.left = self.most.min(self.left + i128::from(periods - 1) * gain);
            self.began += periods * self.period;
            self.counted = self.began;
        }
        self.left -= at_work * i128::from(now - self.counted);
        self.counted = now;
    }

    /// Something has changed: whether work stands still, and when to look again.
    fn review(&mut self, world: &mut World) {
        let now = world.now();
        self.count(now);
        let throttled = self.throttled.count() > 0;
        let stops = !throttled && self.left <= 0 && self.machine.goes_on(now);
        if throttled && self.left > 0 {
            self.throttled.set(now, 0);
            if !self.paused {
                self.machine.go(self.host, world);
            }
        } else if stops && !self.paused {
            self.throttled.set(now, 1);
            self.machine.stop(world);
            for _ in 0..self.machine.inside() {
                world.record.node(self.host.0).cause(Cause::OverQuota);
            }
        }
        let inside = self.machine.inside();
        let stands = self.throttled.count() > 0;
        self.standing.set(now, if stands { inside } else { 0 });
        let at_work = match &self.machine {
            _ if stands || self.paused => 0,
            Machine::Own(_) => inside,
            Machine::Shared(_, cores) => inside.min(*cores),
        };
        self.at_work.set(now, at_work);
        self.look_again(now, world);
    }

    fn look_again(&mut self, now: u64, world: &mut World) {
        let (end, at_work) = (self.began + self.period, i128::from(self.at_work.count()));
        let next = if self.throttled.count() > 0 {
            Some(end)
        } else if at_work == 0 || self.left <= 0 {
            // What ends now, or as good as now, is heard of.
            None
        } else if at_work * i128::from(end - now) > self.left {
            Some(now + (self.left as u128).div_ceil(at_work as u128) as u64)
        } else {
            (at_work * i128::from(self.period) > self.quota).then_some(end)
        };
        if next != self.due {
            self.due = next;
            match next {
                Some(due) => world.arm_tick(self.tick, due - now),
                None => world.disarm_tick(self.tick),
            }
        }
    }
}
