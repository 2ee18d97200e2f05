//! Replicas that take part in transactions: whoever leads a shard locks its keys, and promises by entries of its log.
//!
//! It votes when the entry is as safe as its protocol makes a write before that is answered, and says that something is
//! written when that entry is. Locks are what whoever leads knows: who begins to lead finds them in its log. Who does not
//! lead says so, and the coordinator looks elsewhere.
//!
//! **Invariant.** Nothing is said by a replica that no entry made in its own reign stands for.

use super::{
    participant::stop,
    replicas::{CONFLICT, FENCED, TIMER},
    server::Server,
};
use crate::{
    cause::Cause,
    model::{
        consistency::{held::Holdings, spec::Access},
        ids::{NONE, Slot},
        replication::letters::{Cargo, Change, PartOf, Said, Vote},
        store::promises::{Promise, Stage, Waiter},
        store::records::Records,
        world::{World, unpack},
    },
    outcome::Outcome,
    replication::{Answer, Note, Phase},
};

/// Places among what such a store does unasked: it is asked to take part; it writes down how that was decided.
const ASKED: usize = TIMER + 1;
const DECIDED: usize = TIMER + 2;

fn part_of(slot: Slot, world: &World) -> Option<PartOf> {
    match world.letters.as_ref()?.get(slot) {
        Cargo::Part(part) => Some(**part),
        _ => None,
    }
}

impl Server {
    /// Something about a transaction has come to a replica.
    #[cold]
    pub(super) fn part_came(&mut self, slot: Slot, world: &mut World) {
        let Some(part) = part_of(slot, world) else { return world.release(slot) };
        match part.said {
            Said::Prepare(change) => self.is_asked_to_promise(slot, (part, change), world),
            Said::Commit | Said::Abort => self.hears_decision(slot, part, world),
            Said::Vote(_) | Said::Done(_) | Said::Ask | Said::Elsewhere(_) => world.release(slot),
        }
    }

    /// It is asked to take part.
    fn is_asked_to_promise(
        &mut self,
        slot: Slot,
        (part, change): (PartOf, Change),
        world: &mut World,
    ) {
        let (inst, from) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        let place = (inst, part.key);
        let (Some(promises), Some(group)) = (&mut self.promises, &self.group) else { return };
        let over = Records::is_over(&part, &change, &group.members[usize::from(inst)].process);
        let lock = promises.lock(place).filter(|lock| lock.by == part.transaction);
        let stage = lock.map(|lock| lock.promise.map(|promise| promise.stage));
        // What is found in a log is promised again, by an entry of its own.
        let again = stage.is_some_and(|stage| stage != Some(Stage::Found));
        if over || again || promises.is_waiting(place, part.transaction) {
            world.release(slot);
            if stage == Some(Some(Stage::Stands)) && !over {
                let yes = PartOf { said: Said::Vote(Vote::Yes), ..part };
                self.says((from, inst), yes, 1, world);
            }
            return;
        }
        if self.enters_part(slot, self.program.own[ASKED], world) {
            self.enters(slot, Phase::Arrived, world);
        }
    }

    /// Whoever leads is to take part, and locks the key, or waits until that is free.
    pub(super) fn locks_key(&mut self, slot: Slot, world: &mut World) {
        let (inst, now) = (world.frames[slot].inst, world.now());
        let Some(part) = part_of(slot, world) else { return };
        let Some(promises) = &mut self.promises else { return };
        let place = (inst, part.key);
        if promises.lock(place).is_some_and(|lock| lock.is_promised_to(&part)) {
            // The work was done for the promise that was found.
            world.frames[slot].pc += 2;
            self.run(slot, world);
        } else if promises.take(place, part.transaction) {
            self.begins_part(slot, world);
        } else {
            promises.wait(place, Waiter::Part(slot, part.transaction), now);
        }
    }

    /// It is told how a transaction was decided.
    fn hears_decision(&mut self, slot: Slot, part: PartOf, world: &mut World) {
        let inst = world.frames[slot].inst;
        let Some(promises) = &mut self.promises else { return };
        let lock = promises.lock((inst, part.key)).filter(|lock| lock.is_promised_to(&part));
        match lock.and_then(|lock| lock.promise.as_mut()) {
            Some(Promise { stage: Stage::Ends, .. }) => return world.release(slot),
            Some(promise) => promise.stage = Stage::Ends,
            None if part.said == Said::Abort => {
                self.drops(inst, part, world);
                return world.release(slot);
            }
            None => {}
        }
        world.begin_own(slot, self.program.own[DECIDED]);
        self.enters(slot, Phase::Worked, world);
    }

    /// A frame stands where something of a transaction is to be written to the log.
    pub(super) fn enters_promise(&mut self, slot: Slot, world: &mut World) {
        let (inst, from) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        let Some(part) = part_of(slot, world) else { return };
        let Said::Prepare(change) = part.said else { return };
        let place = (inst, part.key);
        let lock = self.promises.as_mut().and_then(|promises| promises.lock(place));
        let lock = lock.filter(|lock| lock.by == part.transaction);
        match lock.map(|lock| lock.promise.as_mut()) {
            Some(Some(promise)) if promise.stage == Stage::Found => promise.stage = Stage::Enters,
            Some(None) => match self.may_promise((inst, part.key), change) {
                Ok(written) => {
                    let (since, timer, asked) = (world.now(), NONE, 0);
                    let (coordinator, stage) = (from, Stage::Enters);
                    let promise =
                        Promise { coordinator, change, written, since, timer, asked, stage };
                    let lock = self.promises.as_mut().and_then(|own| own.lock(place));
                    lock.expect("it has it").promise = Some(promise);
                }
                Err(cause) => {
                    world.record.node(self.node).cause(cause);
                    return self.refuses_part(slot, (part, cause, Outcome::Error), world);
                }
            },
            // It was called off meanwhile, or this one leads no more.
            _ => {
                let elsewhere = PartOf { said: Said::Elsewhere(None), ..part };
                self.says((from, inst), elsewhere, world.frames[slot].id, world);
                return self.leaves_needless(slot, world);
            }
        }
        self.enters(slot, Phase::Worked, world);
    }

    /// Whether what is to be promised was done before; or why it cannot be done.
    fn may_promise(&mut self, (inst, key): (u16, u64), change: Change) -> Result<bool, Cause> {
        let Some(group) = &mut self.group else { return Ok(false) };
        let process = &group.members[usize::from(inst)].process;
        let Change { version, expects, fence, once, .. } = change;
        if once && process.done(version).is_some() {
            return Ok(true);
        }
        let there = process.newest(key);
        if expects.is_some_and(|expected| expected != there) {
            return Err(CONFLICT);
        }
        if let Some(fence) = fence {
            let fences = group.fences.get_or_insert_default();
            fences.note(version, fence);
            if fences.keep_out(version, there) {
                return Err(FENCED);
            }
        }
        Ok(false)
    }

    /// An entry about a transaction is to be written, for a frame that waits for that.
    fn enters(&mut self, slot: Slot, phase: Phase, world: &mut World) {
        let f = &world.frames[slot];
        let (inst, from) = (f.inst, unpack(f.parent));
        let Some(part) = part_of(slot, world) else { return };
        let Some(promises) = &mut self.promises else { return };
        let lock = promises.lock((inst, part.key)).filter(|lock| lock.is_promised_to(&part));
        let promise = lock.and_then(|lock| lock.promise);
        let Some(records) = &mut promises.records else { return };
        let since = if let Said::Prepare(change) = part.said { change.since } else { 0 };
        let (key, version) = match (part.said, promise) {
            // Whether it leads is asked first.
            _ if phase == Phase::Arrived => (part.key, 1),
            (Said::Prepare(change), _) => {
                let written = promise.is_some_and(|promise| promise.written);
                records.promise(&part, from, (change, written))
            }
            (Said::Commit, Some(promise)) if !promise.written => (part.key, promise.change.version),
            (Said::Commit, None) => records.end(&part),
            _ => Records::drop(&part),
        };
        self.proposes(slot, phase, (key, version, since), world);
    }

    /// The entry that a frame waited for is as safe as it is to be.
    pub(super) fn has_entered(&mut self, slot: Slot, world: &mut World) {
        let (inst, from, now) =
            (world.frames[slot].inst, unpack(world.frames[slot].parent), world.now());
        let Some(part) = part_of(slot, world) else { return };
        let (Some(promises), Some(group)) = (&mut self.promises, &self.group) else { return };
        let shard = group.shard(inst);
        let lock = promises.lock((inst, part.key)).filter(|lock| lock.is_promised_to(&part));
        let promise = lock.and_then(|lock| lock.promise.as_mut());
        let Said::Prepare(_) = part.said else {
            let process = &group.members[usize::from(inst)].process;
            let order = promises.records.as_ref().and_then(|own| own.order(&part, process));
            if part.said == Said::Commit {
                let done = PartOf { said: Said::Done(order), ..part };
                self.says((from, inst), done, 0, world);
            }
            world.release(slot);
            return self.is_over(inst, part, world);
        };
        match promise.filter(|promise| promise.stage == Stage::Enters) {
            Some(promise) => promise.stage = Stage::Stands,
            None => return self.leaves_needless(slot, world),
        }
        if let Some(records) = &mut promises.records {
            records.doubts(shard, &part, now);
        }
        let yes = PartOf { said: Said::Vote(Vote::Yes), ..part };
        self.says((from, inst), yes, 0, world);
        self.leaves_part(slot, Outcome::Ok, world);
        self.begins_to_ask(inst, part, world);
    }

    /// Who has voted asks, in time, how it was decided, if it does not yet.
    fn begins_to_ask(&mut self, inst: u16, part: PartOf, world: &mut World) {
        let Some(promises) = &mut self.promises else { return };
        let lock = promises.lock((inst, part.key));
        let Some(promise) = lock.and_then(|lock| lock.promise).filter(|one| one.timer == NONE)
        else {
            return;
        };
        let timer = self.waits_to_ask((inst, part), promise.asked, world);
        let lock = self.promises.as_mut().and_then(|own| own.lock((inst, part.key)));
        if let Some(promise) = lock.and_then(|lock| lock.promise.as_mut()) {
            promise.timer = timer;
        }
    }

    /// The log says how a part was decided: the key goes to whoever waits for it.
    fn is_over(&mut self, inst: u16, part: PartOf, world: &mut World) {
        let (Some(promises), Some(group)) = (&mut self.promises, &self.group) else { return };
        let (now, measured) = (world.now(), world.now() >= promises.from);
        if let Some(records) = &mut promises.records {
            records.knows(group.shard(inst), &part, (now, measured));
        }
        let lock = promises.lock((inst, part.key)).filter(|lock| lock.is_promised_to(&part));
        if let Some(promise) = lock.and_then(|lock| lock.promise.take()) {
            stop(promise.timer, world);
            self.frees_key((inst, part.key), part.transaction, world);
        }
    }

    /// A replica does nothing about a transaction: whether that is what it was told.
    #[cold]
    pub(super) fn enters_nothing(&mut self, slot: Slot, how: Answer, world: &mut World) -> bool {
        let Some(part) = part_of(slot, world).filter(|_| self.promises.is_some()) else {
            return false;
        };
        let to = if let Answer::Elsewhere(to) = how { Some(to) } else { None };
        self.looks_elsewhere_for(slot, (part, to), world);
        true
    }

    /// Its coordinator is to look for another replica.
    fn looks_elsewhere_for(
        &mut self,
        slot: Slot,
        (part, to): (PartOf, Option<u16>),
        world: &mut World,
    ) {
        let (inst, from) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        if part.said != Said::Abort {
            let elsewhere = PartOf { said: Said::Elsewhere(to), ..part };
            let number = world.frames[slot].id;
            self.says((from, inst), elsewhere, number, world);
        }
        // Whoever leads no more has no locks, unless it does not know that yet.
        let (own, group) = (self.promises.as_mut(), self.group.as_ref());
        let lock = own.and_then(|own| own.lock((inst, part.key)));
        let asked = matches!(part.said, Said::Prepare(_));
        let mut free = false;
        if let (Some(lock), Some(group)) = (lock.filter(|one| one.by == part.transaction), group) {
            let process = &group.members[usize::from(inst)].process;
            let in_log = |promise: &Promise| Records::is_in_log(&part, promise.written, process);
            let enters = |promise: &Promise| asked && promise.stage == Stage::Enters;
            lock.promise.take_if(|promise| enters(promise) && !in_log(promise));
            match &mut lock.promise {
                Some(promise) if !asked || enters(promise) => promise.stage = Stage::Found,
                Some(_) => {}
                None => free = asked && world.frames[slot].pc > self.program.own[ASKED] + 1,
            }
        }
        match (part.said, to) {
            (Said::Prepare(_), Some(_)) => self.leaves_for(slot, Cause::SentOn, world),
            (Said::Prepare(_), None) => {
                world.record.node(self.node).cause(Cause::NoLeader);
                self.unserved[usize::from(world.frames[slot].inst)].failed += 1;
                self.leaves_part(slot, Outcome::Unavailable, world);
            }
            _ => world.release(slot),
        }
        if free {
            self.frees_key((inst, part.key), part.transaction, world);
        }
    }

    // ---- who leads ----------------------------------------------------------------------------

    /// Those who look on at replicas are told: whether it is about a record.
    pub(super) fn promises_hear(&mut self, inst: u16, note: &Note, world: &mut World) -> bool {
        let Some(records) = self.promises.as_ref().and_then(|own| own.records.as_ref()) else {
            return false;
        };
        match note {
            Note::Accepted { key, .. } => return records.has(*key),
            Note::StepsDown { .. } => self.loses_locks(inst, world),
            Note::Leads { .. } => self.finds_locks(inst, world),
            _ => {}
        }
        false
    }

    /// A replica leads no more: who waits there for a key hears that from it.
    fn loses_locks(&mut self, inst: u16, world: &mut World) {
        let now = world.now();
        let Some(promises) = &mut self.promises else { return };
        let (waited, timers) = promises.leads_no_more(inst, now);
        for timer in timers {
            stop(timer, world);
        }
        for (_, waiter) in waited {
            match waiter {
                Waiter::Visit(slot, id, access, since) => {
                    self.has_key((slot, id, inst), (access, now - since), world);
                }
                Waiter::Part(slot, _) => {
                    if let Some(part) = part_of(slot, world) {
                        self.looks_elsewhere_for(slot, (part, None), world);
                    }
                }
            }
        }
    }

    /// A replica leads from now on: what its log promises is locked, and it asks what became of that.
    fn finds_locks(&mut self, inst: u16, world: &mut World) {
        self.loses_locks(inst, world);
        let now = world.now();
        let (Some(promises), Some(group)) = (&mut self.promises, &self.group) else { return };
        let (shard, measured) = (group.shard(inst), now >= promises.from);
        let Some(records) = &mut promises.records else { return };
        let open = records.open(&group.members[usize::from(inst)].process.foreseen());
        records.are_left(shard, &open, (now, measured));
        for one in open {
            let promise = Promise {
                coordinator: one.coordinator,
                change: one.change,
                written: one.written,
                since: now,
                timer: NONE,
                asked: 0,
                stage: Stage::Found,
            };
            promises.found((inst, one.key), one.transaction, promise);
        }
        self.asks_how_decided(inst, world);
    }

    /// A visit is about to write a key at whoever leads.
    pub(super) fn comes_to_lock(&mut self, slot: Slot, world: &mut World) {
        if !self.waits_for_key(slot, Access::Write, world) {
            self.begins_part(slot, world);
        }
    }

    // ---- ends ---------------------------------------------------------------------------------

    /// Puts down what the logs of its shards have of transactions: that of whoever leads, or any if nobody does.
    pub(super) fn logs_hold(&self, held: &mut Holdings) {
        let Some(group) = &self.group else { return };
        let Some(records) = self.promises.as_ref().and_then(|own| own.records.as_ref()) else {
            return;
        };
        for shard in 0..(group.serving / usize::from(group.each)) as u16 {
            let all = shard * group.each..(shard + 1) * group.each;
            let leader = group.tally.leaders().find(|inst| all.contains(inst));
            let one = |inst: u16| leader.is_none_or(|leader| leader == inst);
            for inst in all.filter(|inst| one(*inst)) {
                let member = &group.members[usize::from(inst)];
                if member.wiped {
                    continue;
                }
                let open = records.open(&member.process.foreseen());
                held.versions.extend(open.iter().map(|promised| promised.change.version));
                let written = records.versions().filter(|v| member.process.done(*v).is_some());
                held.written.extend(written);
            }
        }
    }
}
