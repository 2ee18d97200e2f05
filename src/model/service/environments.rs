//! The server of a function: requests come into environments, which start for them and end when nobody needs them.
//!
//! **Invariant.** Nobody waits in line while an environment has room for him.

use std::collections::BTreeSet;

use super::{
    instr::{Instr, Point},
    room::Next,
    server::Server,
};
use crate::{
    cause::Cause,
    engine::random::mix,
    model::{
        frame::{ABANDONED, IN_ROOM},
        function::environments::Hold,
        ids::{NONE, Slot},
        node::Choose,
        queue::post::Post,
        replication::letters::Cargo,
        span::Span,
        world::World,
    },
    outcome::Outcome,
};

impl Server {
    /// A visit comes into an environment, or waits for one, or is turned away.
    pub(super) fn comes_into_environment(&mut self, slot: Slot, world: &mut World) {
        let is_batch = self.is_batch(slot, world);
        if world.carries && !is_batch && self.past_deadline(slot, world) {
            return;
        }
        let (now, inst) = (world.now(), world.frames[slot].inst);
        let pace = self.pace_of(inst, world);
        let Some(own) = &mut self.environments else { return };
        let pool = own.pool(inst);
        if let Some(place) = pool.take(now) {
            own.hold(slot, Hold::Inside(place, now));
            return self.is_inside(slot, world);
        }
        match pool.line() {
            Some(most) if pool.room.waiting() >= most && !is_batch => {
                self.refuse(slot, Cause::QueueFull, world);
            }
            Some(_) => {
                pool.room.enter(slot, 0, world);
                if !is_batch {
                    self.arm_patience(slot, world);
                }
                self.follow_line(inst, world);
            }
            None => match pool.start(pace, now) {
                Some(place) => {
                    pool.bind(place, slot);
                    pool.bound.enter(now);
                    own.hold(slot, Hold::Start(place));
                    own.note(now);
                    let f = &mut world.frames[slot];
                    f.waited = f.waited.wrapping_sub(now);
                    self.set_environment_clock(inst, world);
                }
                None => {
                    world.record.node(self.node).cause(Cause::Throttled);
                    self.finish(slot, Outcome::RateLimited, world);
                }
            },
        }
    }

    /// Whether a frame is not a visit but messages that are worked off one after the other.
    fn is_batch(&self, slot: Slot, world: &World) -> bool {
        self.consumers.is_some() && matches!(world.post_of(slot), Some(Post::Batch(_)))
    }

    /// A visit, or a batch, is inside an environment.
    fn is_inside(&mut self, slot: Slot, world: &mut World) {
        if self.is_batch(slot, world) {
            return self.next_message(slot, world);
        }
        world.frames[slot].pc += 1;
        self.run(slot, world);
    }

    /// How many times as long everything takes at an instance.
    fn pace_of(&self, inst: u16, world: &World) -> f64 {
        world.hosts.slowdown((self.node, inst))
    }

    /// As many start as wait in line.
    fn follow_line(&mut self, inst: u16, world: &mut World) {
        let (now, pace) = (world.now(), self.pace_of(inst, world));
        let Some(own) = &mut self.environments else { return };
        own.note(now);
        if own.pool(inst).line().is_some() {
            own.pool(inst).follow_line(pace, now);
            own.note(now);
        }
        self.set_environment_clock(inst, world);
    }

    /// Whoever is next in line comes into an environment, as long as one has room.
    fn serve_line(&mut self, inst: u16, world: &mut World) {
        let now = world.now();
        let Some(own) = &mut self.environments else { return };
        while own.pool(inst).room.waiting() > 0
            && let Some(place) = own.pool(inst).take(now)
        {
            if let Next::Serve(slot) = own.pool(inst).room.next(world) {
                world.disarm(slot);
                own.hold(slot, Hold::Inside(place, now));
                // By an event of its own: a visit that ends at once would recurse here.
                world.arm(slot, Span::ZERO);
            }
        }
    }

    /// A visit ends: it leaves its environment, or waits for none any more.
    pub(super) fn leaves_environment(&mut self, slot: Slot, world: &mut World) {
        let (now, inst) = (world.now(), world.frames[slot].inst);
        let Some(own) = &mut self.environments else { return };
        match own.take_from(slot) {
            Some(Hold::Start(place)) => {
                let pool = own.pool(inst);
                pool.bind(place, NONE);
                pool.bound.leave(now);
                let f = &mut world.frames[slot];
                f.waited = f.waited.wrapping_add(now);
            }
            Some(Hold::Inside(place, began)) => {
                own.note(now);
                own.pool(inst).leave(place, began, now);
                self.serve_line(inst, world);
                if let Some(own) = &mut self.environments {
                    own.pool(inst).rest(place, now);
                }
                self.follow_line(inst, world);
                self.ask_for_more(inst, world);
            }
            None => {}
        }
    }

    /// What follows a reply stays inside the environment.
    pub(super) fn stays_in_environment(&mut self, from: Slot, rest: Slot, world: &mut World) {
        let Some(own) = &mut self.environments else { return };
        if let Some(hold) = own.take_from(from) {
            own.hold(rest, hold);
            // Its end is told like that of whatever a process does of itself.
            world.frames[rest].parent = NONE;
        }
    }

    /// Whether a frame waits to come into an environment, or is the clock of a zone.
    pub(super) fn is_of_environments(&self, slot: Slot, world: &World) -> bool {
        let Some(own) = &self.environments else { return false };
        let f = &world.frames[slot];
        let waits = self.program.code[usize::from(f.pc)] == Instr::Point(Point::Environment);
        waits || own.pools[usize::from(f.inst)].clock.0 == slot
    }

    /// Whether a frame waits in line, which it then leaves: it was called off, or has lost patience.
    pub(super) fn stops_waiting_for_environment(&mut self, slot: Slot, world: &mut World) -> bool {
        let (flags, inst) = (world.frames[slot].flags, world.frames[slot].inst);
        let in_line = flags & (IN_ROOM | ABANDONED) == IN_ROOM;
        if !in_line || !self.is_of_environments(slot, world) {
            return false;
        }
        let Some(own) = &mut self.environments else { return false };
        own.pool(inst).room.abandon(slot, world);
        self.follow_line(inst, world);
        true
    }

    /// The clock of a zone fires, or somebody who waited comes in.
    pub(super) fn environment_timed(&mut self, slot: Slot, world: &mut World) {
        let (now, inst) = (world.now(), world.frames[slot].inst);
        let Some(own) = &mut self.environments else { return };
        if own.pool(inst).clock.0 != slot {
            world.frames[slot].pc += 1;
            return self.run(slot, world);
        }
        own.pool(inst).clock.1 = None;
        own.note(now);
        while let Some(own) = &mut self.environments
            && let Some((place, waiter)) = own.pool(inst).next_started(now)
        {
            self.has_started((inst, place), waiter, world);
        }
        self.follow_line(inst, world);
    }

    /// An environment has started: who waited for it comes in.
    fn has_started(&mut self, (inst, place): (u16, u32), waiter: Slot, world: &mut World) {
        let now = world.now();
        let Some(own) = &mut self.environments else { return };
        let pool = own.pool(inst);
        if waiter != NONE {
            pool.enter_cold(place, now);
            pool.bound.leave(now);
            own.hold(waiter, Hold::Inside(place, now));
            let f = &mut world.frames[waiter];
            f.waited = f.waited.wrapping_add(now);
            self.is_inside(waiter, world);
        } else if let Next::Serve(slot) = pool.room.next(world) {
            pool.enter_cold(place, now);
            own.hold(slot, Hold::Inside(place, now));
            world.disarm(slot);
            self.is_inside(slot, world);
        }
        // It may have room for more.
        self.serve_line(inst, world);
        if let Some(own) = &mut self.environments {
            own.pool(inst).rest(place, now);
        }
    }

    /// Where its clock stands: the last of what a function does unasked.
    fn clock_entry(&self) -> u16 {
        self.program.own.last().copied().unwrap_or_default()
    }

    fn set_environment_clock(&mut self, inst: u16, world: &mut World) {
        let (node, entry) = (self.node, self.clock_entry());
        let Some(own) = &mut self.environments else { return };
        let pool = own.pool(inst);
        let due = pool.due();
        if due == pool.clock.1 {
            return;
        }
        if pool.clock.0 == NONE {
            let id = mix(u64::from(inst) + 1);
            pool.clock.0 = world.own_frame((node, inst), (id, 0), Cargo::None);
            world.begin_own(pool.clock.0, entry);
        }
        world.disarm(pool.clock.0);
        pool.clock.1 = due;
        if let Some(due) = due {
            world.arm(pool.clock.0, Span::of(due.saturating_sub(world.now())));
        }
    }

    /// Provisioned environments are there from the start of a run; after a crash they start.
    pub(super) fn begin_environments(&mut self, inst: u16, fresh: bool, world: &mut World) {
        let (now, pace) = (world.now(), self.pace_of(inst, world));
        let down = world.hosts.disturbed && world.hosts.is_down((self.node, inst));
        let Some(own) = self.environments.as_mut().filter(|_| !down) else { return };
        own.pool(inst).provision(fresh.then_some(pace), now);
        own.note(now);
        self.set_environment_clock(inst, world);
    }

    /// All environments of a zone are gone with these frames.
    pub(super) fn crash_environments(&mut self, inst: u16, lost: &[Slot], world: &mut World) {
        let now = world.now();
        let Some(own) = &mut self.environments else { return };
        own.note(now);
        own.pool(inst).room.clear(world);
        for &slot in lost {
            match own.take_from(slot) {
                Some(Hold::Start(_)) => {
                    let f = &mut world.frames[slot];
                    f.waited = f.waited.wrapping_add(now);
                }
                Some(Hold::Inside(place, began)) => own.pool(inst).lose(place, began, now),
                None => {}
            }
        }
        own.pool(inst).crash(now);
    }

    /// Some environments crash, those of all that `choose` chooses, and whoever is inside fails; or they are replaced by newer
    /// ones, those that are busy when they are not any more.
    pub(super) fn retire_environments(
        &mut self,
        choose: &mut Choose<'_>,
        crash: bool,
        world: &mut World,
    ) {
        let now = world.now();
        let Some(own) = &mut self.environments else { return };
        own.note(now);
        let pools = own.pools.iter().enumerate();
        let there = pools.flat_map(|(i, pool)| pool.inhabited().map(move |p| (i as u16, p)));
        let struck: BTreeSet<(u16, u32)> = choose(there.collect()).into_iter().collect();
        let holders: Vec<(Slot, u32)> = own.holders().collect();
        for &(inst, place) in &struck {
            own.pool(inst).retire(place, crash, now);
        }
        for (slot, place) in holders {
            if crash && struck.contains(&(world.frames[slot].inst, place)) {
                if self.is_batch(slot, world) {
                    self.stops_message(slot, world);
                }
                self.stop_what_it_does(slot, world);
                world.record.node(self.node).cause(Cause::Crashed);
                self.finish(slot, Outcome::Error, world);
            }
        }
        for inst in 0..self.instances.len() as u16 {
            self.follow_line(inst, world);
        }
    }
}
