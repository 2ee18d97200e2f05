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
        store::moving::{Sending, Settled},
        world::World,
    },
    outcome::Outcome,
    replication::{data::Item, process::Process},
};

/// The key that moves which a frame is about.
pub(super) fn key_at(slot: Slot, world: &World) -> Option<MovingKey> {
    match world.letters.as_ref()?.get(slot) {
        Cargo::Key(moved) => Some(**moved),
        _ => None,
    }
}

/// What whoever leads has of a key: the version alone, which says it.
fn newest(process: &Process, key: u64) -> Item {
    Item { version: process.newest(key), order: 0 }
}

impl Server {
    /// Another number of shards, which are found that way.
    pub(super) fn begin_moves(&mut self, to: Route, shards: u16, world: &mut World) {
        let written = self.written_keys();
        let (now, way) = (world.now(), world.routes[usize::from(self.node)].shards_mut());
        let Some(moving) = &mut self.moving else { return };
        if moving.begin((to.into_shards(), shards), way, written.into_iter(), now) {
            self.moves_begun(world);
        }
    }

    /// Keys that are held besides those of the start, by the shard that serves them.
    fn written_keys(&self) -> Vec<u64> {
        let mut keys: Vec<u64> = match (&self.copies, &self.group) {
            (Some(copies), _) => {
                (0..self.instances.len() as u16).flat_map(|shard| copies.keys(shard)).collect()
            }
            (None, Some(group)) => {
                let logs = self.moving.as_ref().and_then(|moving| moving.logs.as_ref());
                let held = group.members.iter().flat_map(|member| member.process.foreseen());
                let keys = held.map(|(key, _)| key);
                keys.filter(|key| logs.is_none_or(|logs| !logs.is_bare(*key))).collect()
            }
            (None, None) => Vec::new(),
        };
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn moves_begun(&mut self, world: &mut World) {
        let sources = self.moving.as_ref().map(|moving| moving.sources()).unwrap_or_default();
        if sources.is_empty()
            && let Some(moving) = &mut self.moving
        {
            let way = world.routes[usize::from(self.node)].shards_mut();
            let settled = moving.end(way, world.agenda.now());
            return self.settled(settled, world);
        }
        for shard in sources {
            self.keeps_moving(shard, world);
        }
    }

    /// A shard goes on with what it has to hand over, if somebody leads it.
    pub(super) fn keeps_moving(&mut self, shard: u16, world: &mut World) {
        let leader = self.moving.as_ref().and_then(|moving| moving.leader(shard));
        if let Some(leader) = leader {
            self.keep_moving(leader, world);
        }
    }

    fn settled(&mut self, settled: Settled, world: &mut World) {
        let Settled::Next(to) = settled else { return };
        let written = self.written_keys();
        let (now, way) = (world.now(), world.routes[usize::from(self.node)].shards_mut());
        if let Some(moving) = &mut self.moving {
            moving.go(to, way, written.into_iter(), now);
        }
        self.moves_begun(world);
    }

    /// An instance that is up, and has keys to hand over, goes on with that.
    pub(super) fn keep_moving(&mut self, inst: u16, world: &mut World) {
        let Some(moving) = &mut self.moving else { return };
        let down = world.hosts.disturbed && world.hosts.is_down((self.node, inst));
        if down || moving.armed[usize::from(inst)] || !moving.hands_over(inst) {
            return;
        }
        moving.armed[usize::from(inst)] = true;
        let id = moving.next_id();
        let slot = world.own_frame((self.node, inst), (id, 0), Cargo::None);
        world.begin_own(slot, self.program.own[TIMER]);
        world.arm(slot, Span::of(moving.every));
    }

    /// The time has come for the next key.
    pub(super) fn moves_on(&mut self, slot: Slot, world: &mut World) {
        let (inst, now) = (world.frames[slot].inst, world.now());
        let Some(moving) = &mut self.moving else { return };
        if !moving.hands_over(inst) {
            moving.armed[usize::from(inst)] = false;
            return world.release(slot);
        }
        world.arm(slot, Span::of(moving.every));
        let from = moving.shard(inst);
        let Some(Sending { key, number, silent }) = moving.next(from, now) else { return };
        let id = moving.next_id();
        let (step, item) = (Step::Read, Item::default());
        let moved = MovingKey { key, from, to: from, item, number, place: 0, step };
        if let Some(silent) = silent {
            world.believes_no_more((self.node, inst), (self.node, silent));
        }
        let own = world.own_frame((self.node, inst), (id, key), Cargo::Key(Box::new(moved)));
        world.begin_own(own, self.program.own[READ]);
        self.run(own, world);
    }

    /// A letter has come about a key that moves.
    pub(super) fn takes_key(&mut self, slot: Slot, world: &mut World) {
        if key_at(slot, world).is_none_or(|moved| moved.step != Step::Write) {
            return self.told_replica(slot, world);
        }
        if self.group.is_some() {
            return self.asked_to_enter(slot, world);
        }
        world.begin_own(slot, self.program.own[WRITE]);
        self.run(slot, world);
    }

    /// What was to be done with a key that moves is done, or heard of.
    pub(super) fn key_moves(&mut self, inst: u16, moved: MovingKey, world: &mut World) {
        if moved.step == Step::Read && self.waits_for_log(inst, moved, world) {
            return;
        }
        let Some(moving) = &mut self.moving else { return };
        let MovingKey { key, from, to, item, number, step, .. } = moved;
        let (node, way) = (self.node, world.routes[usize::from(self.node)].shards_mut());
        let leads = moving.leader(from) == Some(inst);
        let held = |shard| match &self.group {
            None => self.copies.as_ref().map(|copies| copies.get(shard, key)),
            Some(group) => Some(newest(&group.members[usize::from(inst)].process, key)),
        };
        match step {
            Step::Read if leads => {
                let Route::Shifting(shifting) = way else { return };
                let (to, item) = (shifting.to.shard(key), held(from).unwrap_or_default());
                let size = moving.value.as_ref().map_or(0, |value| value.of_key(key));
                let cargo = MovingKey { to, item, step: Step::Write, ..moved };
                let to = match self.group {
                    None => to,
                    Some(_) => world.believed((node, inst), (node, to)),
                };
                moving.sends(from, key, to);
                let (from, to, id) = ((node, inst), (node, to), moving.next_id());
                return world.post(Envelope { from, to, id, size }, Cargo::Key(Box::new(cargo)));
            }
            Step::Write => {
                if let Some(copies) = &mut self.copies {
                    copies.take(to, key, item);
                }
                let cargo = MovingKey { step: Step::Taken, ..moved };
                let (from, to, id) = ((node, to), (node, from), moving.next_id());
                return world.post(Envelope { from, to, id, size: 0 }, Cargo::Key(Box::new(cargo)));
            }
            Step::Refused(leader) => {
                let asked = moving.refused(from, key, number);
                match (leader, asked) {
                    (Some(leader), _) => world.believes((node, inst), (node, leader)),
                    (None, Some(asked)) => world.believes_no_more((node, inst), (node, asked)),
                    (None, None) => {}
                }
                return;
            }
            // Whoever leads no more hands nothing over.
            Step::Read => return,
            Step::Taken if !leads => return,
            Step::Taken => {}
        }
        // Else it was written in the meantime, or this is an answer of an earlier move.
        let is_there = matches!(way, Route::Shifting(way) if way.to.shard(key) == to);
        let same = is_there && held(from).is_none_or(|held| held == item);
        if moving.taken(from, (key, number), same) {
            self.has_moved(inst, moved, world);
        }
        let Some(moving) = &mut self.moving else { return };
        let way = world.routes[usize::from(self.node)].shards_mut();
        let settled = moving.settle(from, way, world.agenda.now());
        self.settled(settled, world);
    }

    /// A key is served by another shard from now on.
    fn has_moved(&mut self, inst: u16, moved: MovingKey, world: &mut World) {
        if self.group.is_some() {
            return self.has_come(inst, moved, world);
        }
        let MovingKey { key, from, to, item, .. } = moved;
        let Some(copies) = &mut self.copies else { return };
        copies.forget(from, key);
        // Nobody tells the old shard that the new one has lost it since.
        if copies.get(to, key) != item
            && let Some(data) = &mut world.data
        {
            data.wiped((self.node, None), vec![key], world.agenda.now());
        }
        let held = copies.get(to, key).version;
        self.feeds_what_comes(to, (key, held), world);
    }

    /// Whether somebody has come for a key that is served elsewhere, or may not be written for a moment: then he is sent on,
    /// or asked to try again.
    pub(super) fn is_elsewhere(&mut self, slot: Slot, writes: bool, world: &mut World) -> bool {
        let Some(moving) = &self.moving else { return false };
        let f = &world.frames[slot];
        let home = moving.home(f.key, world.routes[usize::from(self.node)].shards());
        let is_here = home == moving.shard(f.inst);
        if is_here && !(writes && moving.is_closed(home, f.key, world.now())) {
            return false;
        }
        let to = match &self.group {
            None => home,
            Some(_) if is_here => f.inst,
            Some(_) => world.believed(world.caller_of(slot), (self.node, home)),
        };
        if world.sent_on(slot) < MOST_SENT_ON {
            self.sends_on(slot, to, world);
        } else {
            world.record.node(self.node).cause(Cause::Moving);
            self.finish(slot, Outcome::Unavailable, world);
        }
        true
    }

    /// What an instance held of keys is gone: of which it served.
    pub(super) fn lose_keys(&mut self, inst: u16, world: &mut World) -> Vec<u64> {
        let mut keys = self.copies.as_ref().map_or_else(Vec::new, |copies| copies.keys(inst));
        let Some(moving) = self.moving.as_mut().filter(|moving| moving.logs.is_none()) else {
            return keys;
        };
        let way = &mut world.routes[usize::from(self.node)];
        keys.retain(|key| moving.home(*key, way) == inst);
        moving.wiped(inst);
        let settled = moving.settle(inst, way, world.agenda.now());
        self.settled(settled, world);
        keys
    }
}
