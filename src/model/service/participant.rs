//! A store that takes part in transactions: it locks keys, votes, and writes when it is told to.
//!
//! Being asked is a visit that ends with the vote; what is told of how it was decided is no work.
//!
//! **Invariant.** What a shard has promised it writes or drops as its coordinator says, however often it is told.

use super::{
    instr::{Instr, Point},
    replicas::{self, CONFLICT, FENCED},
    server::Server,
};
use crate::{
    cause::Cause,
    engine::random::mix,
    model::{
        consistency::{spec::Access, torn},
        frame::{BRANCH, CALLEE_DONE, FINISHED},
        ids::{Host, NONE, Slot},
        replication::letters::{ABORTED, Cargo, Change, Envelope, PartOf, Said, Vote},
        span::Span,
        store::promises::{Promise, Stage, Waiter},
        world::{World, unpack},
    },
    outcome::Outcome,
};

/// Places among what such a store does unasked (`Program::own`).
const ASKED: usize = 0;
const TIMER: usize = 1;

/// How long until somebody who has not heard how it was decided asks again, ns.
const ASK_AGAIN: u64 = 1_000_000_000;
/// Shifts the identity of what is said by what that is.
const SAID: u64 = 0xc2b2_ae3d_27d4_eb4f;

/// The identity of a message about a part of a transaction: of a kind, and the so manieth of it.
pub(super) fn letter_id(part: &PartOf, kind: u64, number: u64) -> u64 {
    mix(part.transaction ^ mix(part.key ^ mix(SAID.wrapping_mul(kind) ^ number)))
}

impl Server {
    pub(super) fn says(
        &self,
        (to, inst): (Host, u16),
        part: PartOf,
        number: u64,
        world: &mut World,
    ) {
        let kind = match part.said {
            Said::Prepare(_) => 1,
            Said::Vote(_) => 2,
            Said::Commit => 3,
            Said::Abort => 4,
            Said::Done(_) => 5,
            Said::Ask => 6,
            Said::Elsewhere(_) => 9,
        };
        let (from, id) = ((self.node, inst), letter_id(&part, kind, number));
        world.post(Envelope { from, to, id, size: 0 }, Cargo::Part(Box::new(part)));
    }

    /// A coordinator has something to say to a shard.
    pub(super) fn takes_part(&mut self, slot: Slot, world: &mut World) {
        let (inst, from) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        let said = world.letters.as_ref().map(|letters| letters.get(slot));
        let Some(Cargo::Part(part)) = said else { return world.release(slot) };
        let part = **part;
        let answer = |said| PartOf { said, ..part };
        match part.said {
            Said::Prepare(_) => return self.is_asked(slot, part, world),
            Said::Commit => {
                let order = self.writes(inst, part, world);
                self.says((from, inst), answer(Said::Done(order)), 0, world);
                self.frees_key((inst, part.key), part.transaction, world);
            }
            Said::Abort => self.drops(inst, part, world),
            Said::Vote(_) | Said::Done(_) | Said::Ask | Said::Elsewhere(_) => {}
        }
        world.release(slot);
    }

    /// It is asked to take part: now, or when the key is free.
    fn is_asked(&mut self, slot: Slot, part: PartOf, world: &mut World) {
        let (inst, from) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        let (place, now) = ((inst, part.key), world.now());
        let Some(promises) = &mut self.promises else { return };
        let held = promises.lock(place).filter(|lock| lock.by == part.transaction);
        let again = held.map(|lock| lock.promise.is_some());
        if again.is_some()
            || promises.is_over(&part)
            || promises.is_waiting(place, part.transaction)
        {
            world.release(slot);
            if again == Some(true) {
                let yes = PartOf { said: Said::Vote(Vote::Yes), ..part };
                self.says((from, inst), yes, 1, world);
            }
            return;
        }
        if !self.enters_part(slot, self.program.own[ASKED], world) {
            return;
        }
        let Some(promises) = &mut self.promises else { return };
        if promises.take(place, part.transaction) {
            self.begins_part(slot, world);
        } else {
            promises.wait(place, Waiter::Part(slot, part.transaction), now);
        }
    }

    /// A letter that asks for a part is a visit from now on, at this instruction: whether it goes on.
    pub(super) fn enters_part(&mut self, slot: Slot, entry: u16, world: &mut World) -> bool {
        world.begin_own(slot, entry);
        world.frames[slot].flags &= !BRANCH;
        world.record.node(self.node).arrive(world.agenda.now());
        self.instances[usize::from(world.frames[slot].inst)].arrivals += 1;
        let fails = world.hosts.failing() && world.fails_at_once(slot);
        if fails {
            self.finish(slot, Outcome::Error, world);
        }
        !fails
    }

    pub(super) fn begins_part(&mut self, slot: Slot, world: &mut World) {
        world.frames[slot].pc += 1;
        self.run(slot, world);
    }

    /// The work is done that it was asked to do: it votes.
    pub(super) fn votes(&mut self, slot: Slot, world: &mut World) {
        let (inst, from) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        let said = world.letters.as_ref().map(|letters| letters.get(slot));
        let Some(Cargo::Part(part)) = said else { return };
        let part = **part;
        let Said::Prepare(change) = part.said else { return };
        let (place, now) = ((inst, part.key), world.now());
        let lock = self.promises.as_mut().and_then(|promises| promises.lock(place));
        if lock.is_none_or(|lock| lock.by != part.transaction || lock.promise.is_some()) {
            // It was called off meanwhile.
            return self.leaves_needless(slot, world);
        }
        match self.may_write(place, change) {
            Ok(written) => {
                let timer = self.waits_to_ask((inst, part), 0, world);
                let (asked, stage) = (0, Stage::Stands);
                let promise =
                    Promise { coordinator: from, change, written, since: now, timer, asked, stage };
                let lock = self.promises.as_mut().and_then(|promises| promises.lock(place));
                lock.expect("it holds it").promise = Some(promise);
                let yes = PartOf { said: Said::Vote(Vote::Yes), ..part };
                self.says((from, inst), yes, 0, world);
                self.leaves_part(slot, Outcome::Ok, world);
            }
            Err(cause) => {
                world.record.node(self.node).cause(cause);
                self.refuses_part(slot, (part, cause, Outcome::Error), world);
            }
        }
    }

    /// A visit fails: if it was asked to take part in a transaction, it votes against it.
    #[cold]
    pub(super) fn votes_against(&mut self, slot: Slot, how: Outcome, world: &mut World) -> bool {
        let said = world.letters.as_ref().map(|letters| letters.get(slot));
        let Some(Cargo::Part(part)) = said else { return false };
        let part = **part;
        self.refuses_part(slot, (part, ABORTED, how), world);
        true
    }

    pub(super) fn refuses_part(
        &mut self,
        slot: Slot,
        (part, cause, how): (PartOf, Cause, Outcome),
        world: &mut World,
    ) {
        let (inst, from) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        let no = PartOf { said: Said::Vote(Vote::No(cause)), ..part };
        self.says((from, inst), no, 0, world);
        self.unserved[usize::from(inst)].failed += 1;
        self.leaves_part(slot, how, world);
        self.drops(inst, part, world);
    }

    /// A visit that was asked to take part in a transaction is over.
    pub(super) fn leaves_part(&mut self, slot: Slot, how: Outcome, world: &mut World) {
        self.instances[usize::from(world.frames[slot].inst)].departures += 1;
        world.depart(slot, how);
        let f = &mut world.frames[slot];
        f.armed = FINISHED;
        f.flags |= CALLEE_DONE;
        world.release_if_done(slot);
    }

    /// Likewise, for nothing: it was called off.
    pub(super) fn leaves_needless(&mut self, slot: Slot, world: &mut World) {
        self.leaves_for(slot, Cause::Cancelled, world);
    }

    /// Likewise, for this cause.
    pub(super) fn leaves_for(&mut self, slot: Slot, cause: Cause, world: &mut World) {
        let (now, from) = (world.now(), world.record.measured_from);
        let (inst, arrived) = (usize::from(world.frames[slot].inst), world.frames[slot].arrived);
        let record = world.record.node(self.node);
        record.depart(now, arrived, from, Err(cause));
        record.needless += 1;
        self.instances[inst].departures += 1;
        self.unserved[inst].needless += 1;
        world.release(slot);
    }

    /// Whether what is asked for was done before; or why it cannot be done.
    fn may_write(&mut self, (inst, key): (u16, u64), change: Change) -> Result<bool, Cause> {
        let Some(copies) = &mut self.copies else { return Ok(false) };
        let Change { version, expects, fence, once, .. } = change;
        if once && copies.done(inst, version, false).is_some() {
            return Ok(true);
        }
        let held = copies.get(inst, key).version;
        if expects.is_some_and(|expected| expected != held) {
            return Err(CONFLICT);
        }
        if let Some(fence) = fence {
            copies.fences.note(version, fence);
            if copies.fences.keep_out(version, held) {
                return Err(FENCED);
            }
        }
        Ok(false)
    }

    /// It was decided: what was promised is written. Its place in the order, if it is written now.
    fn writes(&mut self, inst: u16, part: PartOf, world: &mut World) -> Option<u64> {
        let promise = self.promises.as_mut()?.end(inst, &part, world.now())?;
        let version = promise.change.version;
        stop(promise.timer, world);
        let copies = self.copies.as_mut()?;
        if promise.written {
            return copies.done(inst, version, false);
        }
        let order = copies.put(inst, part.key, version);
        self.feeds_on(inst, (part.key, version, order), world);
        if let Some(data) = &mut world.data {
            let written = torn::Part { store: self.node, key: part.key, version };
            data.applied_of_transaction(part.transaction, written, world.agenda.now());
        }
        Some(order)
    }

    /// Nothing is written.
    pub(super) fn drops(&mut self, inst: u16, part: PartOf, world: &mut World) {
        let (place, now) = ((inst, part.key), world.now());
        let Some(promises) = &mut self.promises else { return };
        let waiting = promises.stop_waiting(place, part.transaction, now);
        // What is in a log is dropped by an entry of it.
        let apart = promises.records.is_some();
        if apart && promises.lock(place).is_some_and(|lock| lock.is_promised_to(&part)) {
            return;
        }
        let promise = if apart { None } else { promises.end(inst, &part, now) };
        if let Some(slot) = waiting {
            self.leaves_needless(slot, world);
        }
        if let Some(promise) = promise {
            stop(promise.timer, world);
        }
        self.frees_key(place, part.transaction, world);
    }

    /// A transaction that has a key gives it back.
    pub(super) fn frees_key(&mut self, place: (u16, u64), by: u64, world: &mut World) {
        let Some(promises) = &mut self.promises else { return };
        if promises.lock(place).is_none_or(|lock| lock.by != by) {
            return;
        }
        let freed = promises.free(place, world.now());
        for (slot, id, access, waited) in freed.visits {
            self.has_key((slot, id, place.0), (access, waited), world);
        }
        if let Some(slot) = freed.next {
            let f = &mut world.frames[slot];
            f.waited = f.waited.wrapping_add(world.agenda.now() - f.arrived);
            self.begins_part(slot, world);
        }
    }

    /// A visit that waited for a key need not any longer.
    pub(super) fn has_key(
        &mut self,
        (slot, id, inst): (Slot, u64, u16),
        (access, waited): (Access, u64),
        world: &mut World,
    ) {
        let f = &mut world.frames[slot];
        if f.id != id || (f.node, f.inst) != (self.node, inst) || f.armed != 0 {
            return;
        }
        let at = self.program.code.get(usize::from(f.pc));
        let Some(&at @ (Instr::Held(_) | Instr::Point(Point::Locked))) = at else { return };
        f.waited = f.waited.wrapping_add(waited);
        if matches!(at, Instr::Held(_)) {
            self.touch_now(slot, access, world);
        } else {
            self.begins_part(slot, world);
        }
    }

    /// A visit is about to write a key: whether it has to wait, as a transaction has locked it.
    #[cold]
    #[inline(never)]
    pub(super) fn waits_for_key(&mut self, slot: Slot, access: Access, world: &World) -> bool {
        let (f, now) = (&world.frames[slot], world.now());
        let place = (f.inst, f.key);
        let Some(promises) = self.promises.as_mut().filter(|_| access != Access::Read) else {
            return false;
        };
        let locked = promises.lock(place).is_some();
        promises.wait(place, Waiter::Visit(slot, f.id, access, now), now);
        locked
    }

    /// A visit that may wait for a key is called off.
    pub(super) fn stops_waiting_for_key(&mut self, slot: Slot, world: &World) {
        let f = &world.frames[slot];
        if let Some(promises) = &mut self.promises {
            promises.call_off((f.inst, f.key), slot, world.now());
        }
    }

    // ---- asking how it was decided ----------------------------------------------------------

    /// A frame waits for the time to ask, for the so manieth time.
    pub(super) fn waits_to_ask(
        &self,
        (inst, part): (u16, PartOf),
        asked: u64,
        world: &mut World,
    ) -> Slot {
        let cargo = Cargo::Due(Box::new(PartOf { said: Said::Ask, ..part }));
        let id = letter_id(&part, 7, asked);
        let slot = world.own_frame((self.node, inst), (id, part.key), cargo);
        let timer = if self.group.is_some() { replicas::TIMER } else { TIMER };
        world.begin_own(slot, self.program.own[timer]);
        world.arm(slot, Span::of(ASK_AGAIN));
        slot
    }

    /// It is time to ask.
    pub(super) fn asks_again_how(&mut self, slot: Slot, world: &mut World) {
        let inst = world.frames[slot].inst;
        let cargo = world.letters.as_ref().map(|letters| letters.get(slot));
        if let Some(Cargo::Due(part)) = cargo {
            let part = **part;
            self.asks_once((inst, part), world);
            world.arm(slot, Span::of(ASK_AGAIN));
        }
    }

    fn asks_once(&mut self, (inst, part): (u16, PartOf), world: &mut World) {
        let lock = self.promises.as_mut().and_then(|promises| promises.lock((inst, part.key)));
        let Some(promise) = lock.and_then(|lock| lock.promise.as_mut()) else { return };
        promise.asked += 1;
        let (to, asked) = (promise.coordinator, promise.asked);
        self.says((to, inst), PartOf { said: Said::Ask, ..part }, asked, world);
    }

    /// A shard is back that has promised something: it asks what became of it.
    pub(super) fn asks_how_decided(&mut self, inst: u16, world: &mut World) {
        let Some(promises) = &self.promises else { return };
        for (transaction, key) in promises.of(inst) {
            let part = PartOf { transaction, key, said: Said::Ask };
            self.asks_once((inst, part), world);
            let lock = self.promises.as_mut().and_then(|promises| promises.lock((inst, key)));
            let asked = lock.and_then(|lock| lock.promise).map_or(0, |promise| promise.asked);
            let timer = self.waits_to_ask((inst, part), asked, world);
            let lock = self.promises.as_mut().and_then(|promises| promises.lock((inst, key)));
            if let Some(promise) = lock.and_then(|lock| lock.promise.as_mut()) {
                promise.timer = timer;
            }
        }
    }
}

/// A frame that waits for the time to ask waits no longer.
pub(super) fn stop(timer: Slot, world: &mut World) {
    if timer != NONE {
        world.disarm(timer);
        world.release(timer);
    }
}
