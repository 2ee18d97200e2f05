//! Keys that go from a shard with a log to another one: whoever leads there enters each in its log.
//!
//! **Invariant.** A key is entered by a shard that does not serve it, and by no other.

use super::{instr::Point, replicas::TIMER, resharded::key_at, server::Server};
use crate::{
    model::{
        consistency::tokens::Token,
        ids::Slot,
        replication::letters::{Cargo, Envelope, MovingKey, Step},
        span::Span,
        world::{World, unpack},
    },
    replication::{Answer, Known, Note, Peer, Phase},
};

/// Place among what such a store does unasked: a key comes.
const ASKED: usize = TIMER + 1;
/// How long until it is asked again whether what is to be sent is safe, ns.
const LOOK_AGAIN: u64 = 1_000_000;

impl Server {
    // ---- whoever takes a key ------------------------------------------------------------------

    /// A key has come to a replica that is to take it.
    pub(super) fn asked_to_enter(&mut self, slot: Slot, world: &mut World) {
        world.begin_own(slot, self.program.own[ASKED]);
        self.enters_key_as(slot, Phase::Arrived, world);
    }

    /// The work of taking it is done.
    pub(super) fn enters_key(&mut self, slot: Slot, world: &mut World) {
        self.enters_key_as(slot, Phase::Worked, world);
    }

    fn enters_key_as(&mut self, slot: Slot, phase: Phase, world: &mut World) {
        let Some(moved) = key_at(slot, world) else { return world.release(slot) };
        let way = world.routes[usize::from(self.node)].shards();
        let Some(moving) = &mut self.moving else { return world.release(slot) };
        // It is served here already, or somewhere else by now.
        let from = moving.home(moved.key, way);
        let Some(logs) = &mut moving.logs else { return world.release(slot) };
        if from != moved.from || !logs.may_enter(moved.key, moved.number) {
            return world.release(slot);
        }
        let (key, version) = if phase == Phase::Arrived {
            (moved.key, 1)
        } else {
            logs.enters(slot, moved.key, (moved.number, moved.item.version))
        };
        self.proposes(slot, phase, (key, version, 0), world);
        if let Some(logs) = self.moving.as_mut().and_then(|moving| moving.logs.as_mut()) {
            logs.has_entered();
        }
    }

    /// A key is in the log, as safe as a write there is.
    pub(super) fn has_taken(&mut self, slot: Slot, world: &mut World) {
        self.answers_for_key(slot, Step::Taken, world);
    }

    /// A replica does not take a key: whether that is what it was told.
    #[cold]
    pub(super) fn enters_no_key(&mut self, slot: Slot, how: Answer, world: &mut World) -> bool {
        if self.moving.is_none() || key_at(slot, world).is_none() {
            return false;
        }
        let leader = if let Answer::Elsewhere(leader) = how { Some(leader) } else { None };
        self.answers_for_key(slot, Step::Refused(leader), world);
        true
    }

    fn answers_for_key(&mut self, slot: Slot, step: Step, world: &mut World) {
        let (inst, to) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        let moved = key_at(slot, world);
        world.release(slot);
        let (Some(moved), Some(moving)) = (moved, &mut self.moving) else { return };
        let envelope = Envelope { from: (self.node, inst), to, id: moving.next_id(), size: 0 };
        world.post(envelope, Cargo::Key(Box::new(MovingKey { step, ..moved })));
    }

    // ---- whoever hands it over ----------------------------------------------------------------

    /// The time has come for the next key, or to look again whether one may be sent.
    pub(super) fn moving_timed(&mut self, slot: Slot, world: &mut World) {
        match key_at(slot, world) {
            None => self.moves_on(slot, world),
            Some(_) => self.told_replica(slot, world),
        }
    }

    /// Whether what was read of a key may be lost yet: then it is not sent, and nobody may write the key until it has been.
    pub(super) fn waits_for_log(
        &mut self,
        inst: Peer,
        moved: MovingKey,
        world: &mut World,
    ) -> bool {
        let (Some(moving), Some(group)) = (&mut self.moving, &self.group) else { return false };
        let now = world.clock((self.node, inst)).steady;
        if group.members[usize::from(inst)].process.is_settled(moved.key, now) {
            return false;
        }
        if moving.closes(moved.from, moved.key, moved.number) {
            let id = moving.next_id();
            let slot =
                world.own_frame((self.node, inst), (id, moved.key), Cargo::Key(Box::new(moved)));
            world.begin_own(slot, self.program.own[TIMER]);
            world.arm(slot, Span::of(LOOK_AGAIN));
        }
        true
    }

    /// A key is served by another shard from now on, in whose log it has this place.
    pub(super) fn has_come(&mut self, inst: Peer, moved: MovingKey, world: &mut World) {
        let MovingKey { key, from, to, item, place, .. } = moved;
        let (Some(moving), Some(group)) = (&mut self.moving, &self.group) else { return };
        let Some(logs) = &mut moving.logs else { return };
        let process = &group.members[usize::from(inst)].process;
        logs.has_come(key, (to, place), |version| process.done(version).is_some());
        if let Some(data) = &mut world.data {
            data.moved(self.node, (key, item.version), (from, to, place), world.agenda.now());
        }
        self.feeds_what_comes(to, (key, item.version), world);
    }

    /// Those who look on at replicas are told: whether it is about a key that is being taken.
    pub(super) fn moves_hear(&mut self, inst: Peer, note: &Note, world: &mut World) -> bool {
        let Some(moving) = &mut self.moving else { return false };
        let Some(logs) = &mut moving.logs else { return false };
        match *note {
            Note::Accepted { key, version, order } => {
                let Some(slot) = logs.gets_place((key, version)) else {
                    logs.writes(key, version);
                    return false;
                };
                let letter = world.letters.as_mut().map(|letters| letters.take(slot));
                if let (Some(Cargo::Key(mut moved)), Some(letters)) = (letter, &mut world.letters) {
                    moved.place = order;
                    letters.put(slot, Cargo::Key(moved));
                }
                if let Some(data) = &mut world.data {
                    data.entered((self.node, logs.shard(inst)), order);
                }
                return true;
            }
            Note::StepsDown { .. } => moving.leads_no_more(inst),
            Note::Leads { term, .. } if moving.leads(inst, term) => self.keep_moving(inst, world),
            _ => {}
        }
        false
    }

    // ---- whoever comes for a key --------------------------------------------------------------

    /// Whether somebody has come to a replica for a key that is served elsewhere, or may not be written for a moment, or was written
    /// by an earlier attempt before it moved.
    #[cold]
    #[inline(never)]
    pub(super) fn is_moved_at_replica(
        &mut self,
        slot: Slot,
        point: Point,
        world: &mut World,
    ) -> bool {
        let (write, worked) = match point {
            Point::Arrived { write } => (write, false),
            Point::Worked { write } => (write, true),
            _ => return false,
        };
        if self.is_elsewhere(slot, write, world) {
            return true;
        }
        let (Some(moving), Some(data)) = (&self.moving, &mut world.data) else { return false };
        let Some(logs) = moving.logs.as_ref().filter(|_| write && worked) else { return false };
        if data.once(slot).is_none() || !logs.is_done(data.version(slot)) {
            return false;
        }
        let f = &world.frames[slot];
        let unit = u64::from(logs.shard(f.inst));
        let known = Known::upto(logs.place(logs.shard(f.inst), f.key));
        data.hold_token(slot, Some(Token { store: self.node, unit, known }));
        world.frames[slot].pc += 1;
        self.run(slot, world);
        true
    }

    /// What a replica has to know before it answers for a key: that it came to its shard. Whoever leads knows.
    #[cold]
    #[inline(never)]
    pub(super) fn knows_of_key(&self, inst: Peer, key: u64, since: Known) -> Known {
        let Some(moving) = &self.moving else { return since };
        let Some(logs) =
            moving.logs.as_ref().filter(|_| moving.leader(moving.shard(inst)) != Some(inst))
        else {
            return since;
        };
        since.join(Known::upto(logs.place(logs.shard(inst), key)))
    }
}
