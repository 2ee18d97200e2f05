//! A store whose shards become more or fewer: its keys move, by work and messages of their own.
//!
//! **Invariant.** Whoever comes to a shard that does not serve its key is sent on, and what is done there takes no effect.

use super::server::Server;
use crate::{
    cause::Cause,
    model::{
        ids::Slot,
        replication::letters::{Cargo, Envelope, MovingKey, Step},
        route::Route,
        service::replicas::{MOST_SENT_ON, READ, TIMER, WRITE},
        span::Span,
        store::moving::Settled,
        world::World,
    },
    outcome::Outcome,
    replication::data::Item,
};

impl Server {
    /// Another number of shards, which are found that way.
    pub(super) fn begin_moves(&mut self, to: Route, shards: u16, world: &mut World) {
        let written = self.written_keys();
        let (now, way) = (world.now(), &mut world.routes[usize::from(self.node)]);
        let Some(moving) = &mut self.moving else { return };
        if moving.begin((to, shards), way, written.into_iter(), now) {
            self.moves_begun(world);
        }
    }

    /// Keys that are held besides those of the start, by the shard that serves them.
    fn written_keys(&self) -> Vec<u64> {
        let Some(copies) = &self.copies else { return Vec::new() };
        let mut keys: Vec<u64> =
            (0..self.instances.len() as u16).flat_map(|shard| copies.keys(shard)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn moves_begun(&mut self, world: &mut World) {
        let sources = self.moving.as_ref().map(|moving| moving.sources()).unwrap_or_default();
        if sources.is_empty()
            && let Some(moving) = &mut self.moving
        {
            let settled = moving.end(&mut world.routes[usize::from(self.node)], world.agenda.now());
            return self.settled(settled, world);
        }
        for shard in sources {
            self.keep_moving(shard, world);
        }
    }

    fn settled(&mut self, settled: Settled, world: &mut World) {
        let Settled::Next(to) = settled else { return };
        let written = self.written_keys();
        let (now, way) = (world.now(), &mut world.routes[usize::from(self.node)]);
        if let Some(moving) = &mut self.moving {
            moving.go(to, way, written.into_iter(), now);
        }
        self.moves_begun(world);
    }

    /// An instance that is up, and has keys to hand over, goes on with that.
    pub(super) fn keep_moving(&mut self, inst: u16, world: &mut World) {
        let Some(moving) = &mut self.moving else { return };
        let down = world.hosts.disturbed && world.hosts.is_down((self.node, inst));
        if down || moving.armed[usize::from(inst)] || !moving.has_left(inst) {
            return;
        }
        moving.armed[usize::from(inst)] = true;
        let id = moving.next_id();
        let slot = world.own_frame((self.node, inst), (id, 0), Cargo::Timer(0));
        world.begin_own(slot, self.program.own[TIMER]);
        world.arm(slot, Span::of(moving.every));
    }

    /// The time has come for the next key.
    pub(super) fn moves_on(&mut self, slot: Slot, world: &mut World) {
        let (inst, now) = (world.frames[slot].inst, world.now());
        let Some(moving) = &mut self.moving else { return };
        if !moving.has_left(inst) {
            moving.armed[usize::from(inst)] = false;
            return world.release(slot);
        }
        world.arm(slot, Span::of(moving.every));
        let Some(key) = moving.next(inst, now) else { return };
        let id = moving.next_id();
        let (step, item) = (Step::Read, Item::default());
        let cargo = Cargo::Key(MovingKey { key, from: inst, to: inst, item, step });
        let own = world.own_frame((self.node, inst), (id, key), cargo);
        world.begin_own(own, self.program.own[READ]);
        self.run(own, world);
    }

    /// A letter has come about a key that moves.
    pub(super) fn takes_key(&mut self, slot: Slot, world: &mut World) {
        let writes = world.letters.as_ref().is_some_and(|letters| {
            matches!(letters.get(slot), Cargo::Key(MovingKey { step: Step::Write, .. }))
        });
        if !writes {
            return self.told_replica(slot, world);
        }
        world.begin_own(slot, self.program.own[WRITE]);
        self.run(slot, world);
    }

    /// What was to be done with a key that moves is done, or heard of.
    pub(super) fn key_moves(&mut self, moved: MovingKey, world: &mut World) {
        let Some(moving) = &mut self.moving else { return };
        let MovingKey { key, from, to, item, step } = moved;
        let (node, way) = (self.node, &mut world.routes[usize::from(self.node)]);
        let held = |shard| self.copies.as_ref().map(|copies| copies.get(shard, key));
        match step {
            Step::Read => {
                let Route::Shifting(shifting) = way else { return };
                let (to, item) = (shifting.to.shard(key), held(from).unwrap_or_default());
                let size = moving.value.as_ref().map_or(0, |value| value.of_key(key));
                let cargo = MovingKey { to, item, step: Step::Write, ..moved };
                let (from, to, id) = ((node, from), (node, to), moving.next_id());
                return world.post(Envelope { from, to, id, size }, Cargo::Key(cargo));
            }
            Step::Write => {
                if let Some(copies) = &mut self.copies {
                    copies.take(to, key, item);
                }
                let cargo = MovingKey { step: Step::Taken, ..moved };
                let (from, to, id) = ((node, to), (node, from), moving.next_id());
                return world.post(Envelope { from, to, id, size: 0 }, Cargo::Key(cargo));
            }
            Step::Taken => {}
        }
        // Else it was written in the meantime, or this is an answer of an earlier move.
        let is_there = matches!(way, Route::Shifting(way) if way.to.shard(key) == to);
        let same = is_there && held(from).is_none_or(|held| held == item);
        if moving.taken(from, key, same)
            && let Some(copies) = &mut self.copies
        {
            copies.forget(from, key);
            // Nobody tells the old shard that the new one has lost it since.
            if copies.get(to, key) != item
                && let Some(data) = &mut world.data
            {
                data.wiped((node, None), vec![key], world.agenda.now());
            }
        }
        let settled = moving.settle(from, way, world.agenda.now());
        self.settled(settled, world);
    }

    /// Whether somebody has come for a key that is served elsewhere, or may not be written for a moment: then he is sent on,
    /// or asked to try again.
    pub(super) fn is_elsewhere(&mut self, slot: Slot, writes: bool, world: &mut World) -> bool {
        let Some(moving) = &self.moving else { return false };
        let f = &world.frames[slot];
        let home = moving.home(f.key, &world.routes[usize::from(self.node)]);
        if home == f.inst && !(writes && moving.is_closed(home, f.key, world.now())) {
            return false;
        }
        if world.sent_on(slot) < MOST_SENT_ON {
            self.sends_on(slot, home, world);
        } else {
            world.record.node(self.node).cause(Cause::Moving);
            self.finish(slot, Outcome::Unavailable, world);
        }
        true
    }

    /// What an instance held of keys is gone: of which it served.
    pub(super) fn lose_keys(&mut self, inst: u16, world: &mut World) -> Vec<u64> {
        let mut keys = self.copies.as_ref().map_or_else(Vec::new, |copies| copies.keys(inst));
        let Some(moving) = &mut self.moving else { return keys };
        let way = &mut world.routes[usize::from(self.node)];
        keys.retain(|key| moving.home(*key, way) == inst);
        moving.wiped(inst);
        let settled = moving.settle(inst, way, world.agenda.now());
        self.settled(settled, world);
        keys
    }
}
