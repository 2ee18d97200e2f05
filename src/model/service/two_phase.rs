//! Two-phase commit: how a transaction is decided, and all who take part are told.
//!
//! **Invariant.** Nobody is told to write before all have promised to, nor to drop what was decided.

use super::{
    instr::{Instr, Point},
    participant::letter_id,
    program::{Gathered, Program},
    server::Server,
    transactions::{Deciding, Part, Write},
};
use crate::{
    cause::Cause,
    engine::law::to_nanos,
    model::{
        consistency::torn,
        frame::{BRANCH, CALLER_DONE, Frame},
        ids::{Host, NONE, Slot},
        replication::letters::{ABORTED, Cargo, Change, Envelope, PartOf, Said, Vote},
        route::Asked,
        span::Span,
        world::{World, pack, unpack},
    },
    outcome::Outcome,
};

/// How long until those who have not acknowledged what was decided are told again, ns.
const TELL_AGAIN: u64 = 1_000_000_000;

/// How long until replicas that have not voted are asked again, ns, of the time that all have to vote.
fn again(time: u64) -> u64 {
    (time / 4).max(1)
}

impl Server {
    /// A frame stands at a place of a transaction.
    #[cold]
    #[inline(never)]
    pub(super) fn at_transaction(&mut self, slot: Slot, point: Point, world: &mut World) {
        match point {
            Point::Gathers(number) => {
                self.gathers(slot, number, world);
                // By an event of its own: a loop would recurse here.
                world.arm(slot, Span::ZERO);
            }
            Point::Decides(number) => self.prepares(slot, number, world),
            _ => {
                if let Some(all) = &mut self.transactions {
                    all.open.insert(slot, Vec::new());
                }
                self.goes_past(slot, world);
            }
        }
    }

    fn goes_past(&mut self, slot: Slot, world: &mut World) {
        world.frames[slot].pc += 1;
        self.run(slot, world);
    }

    // ---- what is to be written ----------------------------------------------------------------

    /// The branch of the transaction that a frame is within; none if nobody waits for it there any more.
    fn transaction_of(&self, mut slot: Slot, world: &World) -> Option<Slot> {
        let open = &self.transactions.as_ref()?.open;
        while !open.contains_key(&slot) {
            let f = &world.frames[slot];
            if f.flags & (BRANCH | CALLER_DONE) != BRANCH {
                return None;
            }
            slot = f.parent;
        }
        Some(slot)
    }

    /// A frame writes something as part of a transaction: later.
    fn gathers(&mut self, slot: Slot, number: u16, world: &mut World) {
        let Some(owner) = self.transaction_of(slot, world) else { return };
        let Gathered { data: site, call } = self.program.gathered[usize::from(number)];
        let f = world.frames[slot];
        let site_of = &self.program.calls[usize::from(call)];
        let (key, op) = (Program::key(site_of.key, slot, world), site_of.op.unwrap_or(f.op));
        let size = site_of.size.as_ref().map(|size| to_nanos(size.amount(slot, world)));
        let store = site_of.target;
        let frame = world.begin_inside(Frame {
            key,
            op,
            flags: BRANCH | CALLER_DONE,
            parent: pack(f.node, f.inst),
            armed: 0,
            next: NONE,
            ..f
        });
        if world.carries {
            world.hand_on(slot, frame);
            let extra = world.frames.extra_mut(frame);
            extra.size = size.unwrap_or(extra.size);
        }
        if let Some(data) = &mut world.data {
            data.descend(slot, frame);
        }
        if let Some(site) = &site {
            world.data_begins(frame, site, key);
        }
        let mut expects = None;
        if let Some(data) = &mut world.data {
            expects = data.tokens.as_ref().and_then(|tokens| tokens.expects(frame));
            data.is_of_transaction(store, key);
        }
        let Some(all) = &mut self.transactions else { return };
        let writes = all.open.get_mut(&owner).expect("it was found");
        let mut write = Write { frame, store, key, expects, call };
        // What is written twice is written once, as it was last.
        if let Some(at) = writes.iter().position(|old| (old.store, old.key) == (store, key)) {
            let old = writes.remove(at);
            write.expects = old.expects.or(expects);
            drop_write(old.frame, true, world);
        }
        writes.push(write);
    }

    // ---- votes --------------------------------------------------------------------------------

    /// The steps of a transaction are done: all who are to write something are asked to promise it.
    fn prepares(&mut self, slot: Slot, number: u16, world: &mut World) {
        let all = self.transactions.as_mut();
        let writes = all.and_then(|all| all.open.remove(&slot)).unwrap_or_default();
        if writes.is_empty() {
            return self.goes_past(slot, world);
        }
        let (transaction, inst) = (world.frames[slot].id, world.frames[slot].inst);
        let parts: Vec<Part> = writes.iter().map(|write| self.part_of(write, world)).collect();
        for part in &parts {
            self.prepare((transaction, inst), part, 0, world);
        }
        if let Some(data) = &mut world.data {
            let of = |write: &Write| torn::Part {
                store: write.store,
                key: write.key,
                version: data.version(write.frame),
            };
            let all = writes.iter().map(of).collect();
            data.transacts(transaction, all, world.agenda.now());
        }
        let time = self.program.transactions[usize::from(number)].timeout;
        let until = world.now().saturating_add(time);
        let after = if parts.iter().any(|part| part.each.is_some()) { again(time) } else { time };
        let timer = self.coordinates((transaction, number, inst), after, world);
        let (decided, told) = (false, 0);
        let deciding = Deciding { number, inst, slot, timer, until, decided, told, parts };
        if let Some(all) = &mut self.transactions {
            all.deciding.insert(transaction, deciding);
        }
    }

    /// What is to be written, and whom that is asked of first.
    fn part_of(&self, write: &Write, world: &mut World) -> Part {
        let &Write { frame, key, expects, call, store } = write;
        let site = &self.program.calls[usize::from(call)];
        let f = &world.frames[frame];
        let asked = Asked { op: f.op, key, id: f.id.wrapping_add(site.site) };
        let host = world.destination(frame, store, asked);
        let (each, sent) = (world.each_of(store), 1);
        let (voted, done, order) = (false, false, None);
        Part { host, each, sent, key, expects, call, frame, voted, done, order }
    }

    /// A part is asked for, for the so manieth time.
    fn prepare(&self, (transaction, inst): (u64, u16), part: &Part, time: u64, world: &mut World) {
        let &Part { frame, key, expects, host, .. } = part;
        let size = if world.carries { world.frames.extra(frame).size } else { 0 };
        let mut change = Change { version: 0, expects, fence: None, once: false, since: 0 };
        if let Some(data) = &world.data {
            change.version = data.version(frame);
            change.fence = data.leases.as_ref().and_then(|leases| leases.fence(frame));
            change.once = data.once(frame).is_some();
            if let (Some(tokens), Some(_)) = (&data.tokens, part.each) {
                change.since = tokens.since(frame, (host.0, part.unit()), true).order;
            }
        }
        let part = PartOf { transaction, key, said: Said::Prepare(change) };
        let id = letter_id(&part, 1, u64::from(host.0) | time << 32);
        let envelope = Envelope { from: (self.node, inst), to: host, id, size };
        world.post_for(frame, envelope, Cargo::Part(Box::new(part)));
    }

    /// A frame waits for what is to be done next about a transaction.
    fn coordinates(
        &self,
        (transaction, number, inst): (u64, u16, u16),
        after: u64,
        world: &mut World,
    ) -> Slot {
        let part = PartOf { transaction, key: 0, said: Said::Ask };
        let (host, id) = ((self.node, inst), letter_id(&part, 8, 0));
        let slot = world.own_frame(host, (id, 0), Cargo::Due(Box::new(part)));
        world.begin_own(slot, self.program.transactions[usize::from(number)].timer);
        world.arm(slot, Span::of(after));
        slot
    }

    /// Whether a frame that is due, or a letter, is about a transaction that is decided here.
    pub(super) fn is_of_transaction(&self, slot: Slot, world: &World) -> bool {
        let gathers = || {
            let at = self.program.code.get(usize::from(world.frames[slot].pc));
            matches!(at, Some(Instr::Point(Point::Gathers(_))))
        };
        let cargo = world.letters.as_ref().map(|letters| letters.get(slot));
        self.transactions.is_some()
            && (matches!(cargo, Some(Cargo::Part(_) | Cargo::Due(_))) || gathers())
    }

    /// Somebody who takes part in a transaction has something to say.
    pub(super) fn hears_of_part(&mut self, slot: Slot, world: &mut World) {
        let (inst, from) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        let cargo = world.letters.as_mut().map(|letters| letters.take(slot));
        world.release(slot);
        let Some(Cargo::Part(part)) = cargo else { return };
        let part = *part;
        let Some(all) = &mut self.transactions else { return };
        let answer = |said| PartOf { said, ..part };
        let deciding = all.deciding.get_mut(&part.transaction);
        match (part.said, deciding) {
            // Nothing is known of it: then it was not decided, or is over.
            (Said::Vote(Vote::Yes) | Said::Ask, None) => {
                self.tells(from, (inst, answer(Said::Abort)), 0, world);
            }
            (Said::Vote(Vote::Yes) | Said::Ask, Some(deciding)) if deciding.decided => {
                if let Some(part) = deciding.part(from, part.key) {
                    part.host = from;
                }
                deciding.told += 1;
                let told = deciding.told;
                self.tells(from, (inst, answer(Said::Commit)), told, world);
            }
            (Said::Vote(Vote::Yes), Some(deciding)) => {
                if let Some(part) = deciding.part(from, part.key) {
                    (part.voted, part.host) = (true, from);
                }
                if deciding.parts.iter().all(|part| part.voted) {
                    self.decides(part.transaction, world);
                }
            }
            (Said::Vote(Vote::No(cause)), Some(deciding)) if !deciding.decided => {
                self.aborts((part.transaction, cause), Some((from, part.key)), world);
            }
            (Said::Done(order), Some(deciding)) => {
                if let Some(part) = deciding.part(from, part.key).filter(|part| !part.done) {
                    (part.done, part.order) = (true, order);
                }
                if deciding.parts.iter().all(|part| part.done) {
                    self.completes(part.transaction, world);
                }
            }
            (Said::Elsewhere(to), Some(_)) => self.looks_elsewhere((from, to), part, world),
            _ => {}
        }
    }

    fn tells(&self, to: Host, (inst, part): (u16, PartOf), number: u64, world: &mut World) {
        let kind = if part.said == Said::Commit { 3 } else { 4 };
        let id = letter_id(&part, kind, mix_host(to) ^ number);
        world.post(
            Envelope { from: (self.node, inst), to, id, size: 0 },
            Cargo::Part(Box::new(part)),
        );
    }

    /// Whether the branch of a transaction still waits for it.
    fn is_awaited(&self, transaction: u64, deciding: &Deciding, world: &World) -> bool {
        if deciding.slot == NONE {
            return false;
        }
        let f = &world.frames[deciding.slot];
        f.id == transaction
            && (f.node, f.inst) == (self.node, deciding.inst)
            && f.armed == 0
            && matches!(
                self.program.code.get(usize::from(f.pc)),
                Some(Instr::Point(Point::Decides(_)))
            )
    }

    // ---- decisions ----------------------------------------------------------------------------

    /// All have voted for a transaction: it is decided, unless nobody wants it any more.
    fn decides(&mut self, transaction: u64, world: &mut World) {
        let deciding = self.transactions.as_ref().and_then(|all| all.deciding.get(&transaction));
        let Some(deciding) = deciding else { return };
        if !self.is_awaited(transaction, deciding, world) {
            return self.aborts((transaction, ABORTED), None, world);
        }
        world.disarm(deciding.timer);
        world.arm(deciding.timer, Span::of(TELL_AGAIN));
        self.tells_all(transaction, world);
    }

    /// All who have not acknowledged that a transaction is decided are told.
    fn tells_all(&mut self, transaction: u64, world: &mut World) {
        let all = self.transactions.as_mut();
        let Some(deciding) = all.and_then(|all| all.deciding.get_mut(&transaction)) else { return };
        deciding.decided = true;
        deciding.told += 1;
        let (inst, told) = (deciding.inst, deciding.told);
        let open = deciding.parts.iter().filter(|part| !part.done);
        let open: Vec<(Host, u64)> = open.map(|part| (part.host, part.key)).collect();
        for (host, key) in open {
            let part = PartOf { transaction, key, said: Said::Commit };
            self.tells(host, (inst, part), told, world);
        }
    }

    /// Somebody who was asked or told does not lead his shard: another one of it may.
    fn looks_elsewhere(
        &mut self,
        (from, to): (Host, Option<u16>),
        said: PartOf,
        world: &mut World,
    ) {
        let all = self.transactions.as_mut();
        let Some(deciding) = all.and_then(|all| all.deciding.get_mut(&said.transaction)) else {
            return;
        };
        let (decided, inst, caller) = (deciding.decided, deciding.inst, (self.node, deciding.inst));
        deciding.told += 1;
        let told = deciding.told;
        let Some(part) = deciding.part(from, said.key) else { return };
        let is_open = if decided { !part.done } else { !part.voted };
        if !is_open || part.host != from {
            return;
        }
        match to {
            Some(to) => world.believes(caller, (from.0, to)),
            None => world.believes_no_more(caller, from),
        }
        part.host.1 = world.believed(caller, (from.0, part.shard()));
        // Who has been at all of them waits until somebody leads.
        if part.host == from || Some(part.sent) >= part.each {
            return;
        }
        part.sent += 1;
        let part = *part;
        if decided {
            let commit = PartOf { said: Said::Commit, ..said };
            self.tells(part.host, (inst, commit), told, world);
        } else {
            self.prepare((said.transaction, inst), &part, told, world);
        }
    }

    /// Those of replicas that have not answered may not lead any more: from now on those are asked that are believed to.
    fn believes_others(&mut self, transaction: u64, world: &mut World) {
        let all = self.transactions.as_mut();
        let Some(deciding) = all.and_then(|all| all.deciding.get_mut(&transaction)) else { return };
        let (decided, caller) = (deciding.decided, (self.node, deciding.inst));
        for part in deciding.parts.iter_mut().filter(|part| part.each.is_some()) {
            if if decided { !part.done } else { !part.voted } {
                world.believes_no_more(caller, part.host);
                part.host.1 = world.believed(caller, (part.host.0, part.shard()));
                part.sent = 1;
            }
        }
    }

    /// Replicas that have not voted are asked again.
    fn asks_replicas_again(&mut self, transaction: u64, world: &mut World) {
        self.believes_others(transaction, world);
        let all = self.transactions.as_mut();
        let Some(deciding) = all.and_then(|all| all.deciding.get_mut(&transaction)) else { return };
        deciding.told += 1;
        let (inst, told) = (deciding.inst, deciding.told);
        let open = deciding.parts.iter().filter(|part| part.each.is_some() && !part.voted);
        let open: Vec<Part> = open.copied().collect();
        for part in open {
            self.prepare((transaction, inst), &part, told, world);
        }
    }

    /// Nothing of a transaction is written; who voted against it knows.
    fn aborts(
        &mut self,
        (transaction, cause): (u64, Cause),
        knows: Option<(Host, u64)>,
        world: &mut World,
    ) {
        let all = self.transactions.as_mut();
        let Some(deciding) = all.and_then(|all| all.deciding.remove(&transaction)) else { return };
        let awaited = self.is_awaited(transaction, &deciding, world);
        world.disarm(deciding.timer);
        world.release(deciding.timer);
        for part in &deciding.parts {
            drop_write(part.frame, cause != ABORTED, world);
            if knows.is_none_or(|(host, key)| !part.is_about(host, key)) {
                let said = PartOf { transaction, key: part.key, said: Said::Abort };
                self.tells(part.host, (deciding.inst, said), 0, world);
            }
        }
        if awaited {
            world.record.node(self.node).cause(cause);
            self.finish(deciding.slot, Outcome::Error, world);
        }
    }

    /// All have written what was decided: who waits for it goes on.
    fn completes(&mut self, transaction: u64, world: &mut World) {
        let all = self.transactions.as_mut();
        let Some(deciding) = all.and_then(|all| all.deciding.remove(&transaction)) else { return };
        let awaited = self.is_awaited(transaction, &deciding, world);
        world.disarm(deciding.timer);
        world.release(deciding.timer);
        for part in deciding.parts.iter().filter(|part| part.frame != NONE) {
            if awaited {
                let f = &mut world.frames[part.frame];
                (f.parent, f.flags) = (deciding.slot, f.flags & !CALLER_DONE);
                let token = (part.host.0, part.unit(), part.order);
                if let Some(data) = &mut world.data {
                    data.is_written(part.frame, token);
                    if part.each.is_some() {
                        data.stands(part.frame, (part.host.0, part.key), part.order);
                    }
                }
                world.data_done(part.frame);
                if let Some(data) = &mut world.data {
                    data.bring(part.frame, deciding.slot);
                }
            }
            world.release(part.frame);
        }
        if awaited {
            self.goes_past(deciding.slot, world);
        }
    }

    /// What a frame waited for at a transaction is due.
    pub(super) fn transaction_timed(&mut self, slot: Slot, world: &mut World) {
        let cargo = world.letters.as_ref().map(|letters| letters.get(slot));
        let Some(Cargo::Due(part)) = cargo else { return self.goes_past(slot, world) };
        let part = **part;
        let all = self.transactions.as_ref();
        let Some(deciding) = all.and_then(|all| all.deciding.get(&part.transaction)) else {
            return;
        };
        if !deciding.decided {
            let left = deciding.until.saturating_sub(world.now());
            if left == 0 {
                return self.aborts((part.transaction, ABORTED), None, world);
            }
            let time = self.program.transactions[usize::from(deciding.number)].timeout;
            world.arm(slot, Span::of(again(time).min(left)));
            return self.asks_replicas_again(part.transaction, world);
        }
        world.arm(slot, Span::of(TELL_AGAIN));
        self.believes_others(part.transaction, world);
        self.tells_all(part.transaction, world);
    }

    // ---- ends ---------------------------------------------------------------------------------

    /// A frame ends in the midst of the steps of a transaction: nobody was told of it yet.
    pub(super) fn drops_transaction(&mut self, slot: Slot, world: &mut World) {
        let all = self.transactions.as_mut();
        let writes = all.and_then(|all| all.open.remove(&slot)).unwrap_or_default();
        for write in writes {
            drop_write(write.frame, true, world);
        }
    }

    /// A frame is called off that may be within a transaction, or may wait for one.
    pub(super) fn leaves_transaction(&mut self, slot: Slot, world: &mut World) {
        if self.transactions.is_some() {
            self.drops_transaction(slot, world);
        } else if self.promises.is_some() {
            self.stops_waiting_for_key(slot, world);
        }
    }

    /// The process of an instance is gone, with all it had not decided.
    pub(super) fn forgets_transactions(&mut self, inst: u16, world: &World) {
        let Some(all) = &mut self.transactions else { return };
        all.open.retain(|&slot, _| world.frames[slot].inst != inst);
        all.deciding.retain(|_, deciding| deciding.inst != inst || deciding.decided);
        for deciding in all.deciding.values_mut().filter(|deciding| deciding.inst == inst) {
            (deciding.slot, deciding.timer) = (NONE, NONE);
            deciding.parts.iter_mut().for_each(|part| part.frame = NONE);
        }
    }

    /// An instance is back that had decided something: it says so again.
    pub(super) fn resumes_transactions(&mut self, inst: u16, world: &mut World) {
        let Some(all) = &self.transactions else { return };
        let decided = all.deciding.iter().filter(|(_, deciding)| deciding.inst == inst);
        let decided: Vec<(u64, u16)> = decided.map(|(id, one)| (*id, one.number)).collect();
        for (transaction, number) in decided {
            let timer = self.coordinates((transaction, number, inst), TELL_AGAIN, world);
            let all = self.transactions.as_mut();
            if let Some(deciding) = all.and_then(|all| all.deciding.get_mut(&transaction)) {
                deciding.timer = timer;
            }
            self.tells_all(transaction, world);
        }
    }
}

fn mix_host(host: Host) -> u64 {
    u64::from(pack(host.0, host.1)) << 32
}

/// What a transaction was to write is not written; `answered` if not because somebody could not be reached.
fn drop_write(frame: Slot, answered: bool, world: &mut World) {
    if frame == NONE {
        return;
    }
    if let Some(data) = &mut world.data {
        data.is_dropped(frame, answered);
    }
    world.release(frame);
}
