//! The host of a store's replicas: carries out what they want done, and tells them what happens.
//!
//! A message that is work runs as a frame of the receiver's own on its cores; a timer is a frame that waits. So a pause
//! holds both back, a crash ends both, and a slow host is slow at both.
//!
//! **Invariant.** A replica is told of nothing but messages, requests and timers of its own instance.

use super::{
    instr::{Instr, Point},
    server::Server,
};
use crate::{
    cause::Cause,
    model::{
        consistency::{operation::Written, spec::Access, tokens::Token, views::Views},
        frame::BRANCH,
        ids::{NONE, Slot},
        queue::post::Post,
        replication::{group::TELL, letters::Cargo},
        world::World,
    },
    outcome::Outcome,
    replication::{
        APPLIED, Act, Answer, Context, Effect, Failure, Known, Note, Operation, Peer, Phase,
        Protocol, Ticket, Work, process::Process,
    },
};

/// Places among what a server of replicas does unasked (`Program::own`): a message that is the work of a read, one that
/// is that of a write, applying an entry, a timer.
pub(super) const READ: usize = 0;
pub(super) const WRITE: usize = 1;
const APPLY: usize = 2;
pub(super) const TIMER: usize = 3;

/// Why a `cas` failed.
pub(super) const CONFLICT: Cause = Cause::Conflict;
/// Why whoever reads a damaged copy fails.
const CORRUPT: Cause = Cause::Corrupt;
/// Why a view does not take what somebody writes who knows no version of its source.
const NO_VERSION: Cause = Cause::NoVersion;
/// Why one does that is late under a lock.
pub(super) const FENCED: Cause = Cause::Fenced;

/// So often a request is sent on within an attempt, at most.
pub(super) const MOST_SENT_ON: u8 = 8;

impl Server {
    /// Tells a replica something, and does what it wants done.
    #[inline(always)]
    pub(super) fn tell_replica(
        &mut self,
        inst: Peer,
        world: &mut World,
        what: impl FnOnce(&mut Process, &mut Context<'_>),
    ) {
        let clock = world.clock((self.node, inst));
        let Some(group) = &mut self.group else { return };
        group.tell(inst, clock, world, what);
        if !group.effects.is_empty() {
            return self.carry_out_all(inst, world);
        }
        group.heals(inst, world.now());
    }

    /// Does what a replica wants done that was told something.
    #[inline(never)]
    fn carry_out_all(&mut self, inst: Peer, world: &mut World) {
        let Some(group) = &mut self.group else { return };
        if group.effects.len() == 1
            && let Some(effect) = group.effects.pop()
        {
            // Mostly it is one answer.
            self.carry_out(inst, effect, world);
            if let Some(group) = &mut self.group {
                group.heals(inst, world.now());
            }
            return;
        }
        let mut effects = std::mem::take(&mut group.effects);
        for effect in effects.drain(..) {
            self.carry_out(inst, effect, world);
        }
        if let Some(group) = &mut self.group {
            group.effects = effects;
            group.heals(inst, world.now());
        }
    }

    /// A store of one copy reads or changes what it holds of a key; or it was not there as the visit expects, which then
    /// fails.
    pub(super) fn touch(&mut self, slot: Slot, access: Access, world: &mut World) {
        if self.moving.is_some() && self.is_elsewhere(slot, access != Access::Read, world) {
            return;
        }
        if self.promises.is_some() && self.waits_for_key(slot, access, world) {
            return;
        }
        self.touch_now(slot, access, world);
    }

    /// It does so whoever has locked the key.
    pub(super) fn touch_now(&mut self, slot: Slot, access: Access, world: &mut World) {
        if let Err(cause) = self.takes(slot, access, world) {
            if let Some(data) = &mut world.data {
                data.is_known(slot, Written::No);
            }
            world.record.node(self.node).cause(cause);
            return self.finish(slot, Outcome::Error, world);
        }
        if access != Access::Read && (self.feeding.is_some() || self.backups.is_some()) {
            self.passes_on_write(slot, world);
        }
        world.frames[slot].pc += 1;
        self.run(slot, world);
    }

    /// Whether it does, or why not.
    fn takes(&mut self, slot: Slot, access: Access, world: &mut World) -> Result<(), Cause> {
        let (Some(copies), Some(data)) = (&mut self.copies, &mut world.data) else { return Ok(()) };
        let (f, moves) = (&world.frames[slot], self.moving.is_some());
        let looks = access == Access::Read || matches!(access, Access::Update(_));
        if looks && copies.is_found_damaged(f.inst, f.key) {
            return Err(CORRUPT);
        }
        let held = copies.get(f.inst, f.key);
        let mut order = held.order;
        if access == Access::Read {
            data.hold(slot, held.version);
        } else if let Some(done) =
            data.once(slot).and_then(|_| copies.done(f.inst, data.version(slot), moves))
        {
            order = done;
        } else {
            let expected = data.tokens.as_ref().and_then(|tokens| tokens.expects(slot));
            if expected.is_some_and(|expected| expected != held.version) {
                return Err(CONFLICT);
            }
            let version = data.version(slot);
            let is_view = |views: &Views| views.source(self.node).is_some();
            if version == 0 && data.views.as_deref().is_some_and(is_view) {
                return Err(NO_VERSION);
            }
            if let Some(fence) = data.leases.as_ref().and_then(|leases| leases.fence(slot)) {
                copies.fences.note(version, fence);
                if copies.fences.keep_out(version, held.version) {
                    return Err(FENCED);
                }
            }
            order = copies.put(f.inst, f.key, version);
            data.applied(slot, self.node, f.key, (held.version, world.agenda.now()));
        }
        let known = Known::upto(order);
        data.hold_token(slot, Some(Token { store: self.node, unit: f.key, known }));
        Ok(())
    }

    /// A request has come to a replica, or its work there is done.
    #[inline(never)]
    pub(super) fn at_replica(&mut self, slot: Slot, point: Point, world: &mut World) {
        if self.log.is_some() {
            return self.at_copy(slot, point, world);
        }
        if self.backups.is_some() && self.is_restoring(slot, world) {
            return;
        }
        if self.moving.is_some() && self.is_moved_at_replica(slot, point, world) {
            return;
        }
        let (phase, write) = match point {
            Point::Arrived { write } => (Phase::Arrived, write),
            Point::Worked { write } => (Phase::Worked, write),
            _ => {
                unreachable!("it is no request that comes to a replica")
            }
        };
        let carried = world.data.as_ref().map_or(0, |data| data.version(slot));
        if carried == 0 && write && self.shows_nothing(slot, phase, world) {
            return;
        }
        let Some(group) = &mut self.group else { return };
        let f = &world.frames[slot];
        let act = if write {
            // Whoever looks on or not: what is written has a name.
            let version = if carried == 0 { f.id.max(1) } else { carried };
            let deletes = group.deletes.get(usize::from(f.op)).copied().unwrap_or(false);
            if deletes { Act::Delete(version) } else { Act::Write(version) }
        } else {
            Act::Read
        };
        let ticket = Ticket { slot, id: f.id };
        if let (Some(_), Some(version)) = (&self.relays, act.version()) {
            self.brings_row(slot, version, world);
        }
        let Some(group) = &mut self.group else { return };
        let f = &world.frames[slot];
        let (inst, key) = (f.inst, f.key);
        let within_caller = usize::from(inst) >= group.serving;
        let shard = if within_caller { world.shard_asked(slot) } else { group.shard(inst) };
        if phase == Phase::Arrived {
            group.expect(inst, key);
        }
        let mut operation = Operation { ticket, act, key, shard, ..Operation::default() };
        if let Some(data) = &world.data {
            operation.level = data.answered(slot).level;
        }
        if let Some(data) = world.data.as_ref().filter(|_| write) {
            operation.once = data.once(slot);
            operation.expects = data.tokens.as_ref().and_then(|tokens| tokens.expects(slot));
            let fence = data.leases.as_ref().and_then(|leases| leases.fence(slot));
            if let Some(fence) = fence {
                let version = act.version().unwrap_or_default();
                group.fences.get_or_insert_default().note(version, fence);
            }
        }
        if let Some(tokens) = world.data.as_ref().and_then(|data| data.tokens.as_ref()) {
            let unit = (self.node, group.unit(inst, key));
            operation.since = tokens.since(slot, unit, write);
            operation.context = tokens.context(slot, unit);
        }
        if self.moving.is_some() && !write {
            operation.since = self.knows_of_key(inst, key, operation.since);
        }
        self.tell_replica(inst, world, |process, cx| process.operation(&operation, phase, cx));
    }

    /// Whether a write fails at a replica of a view, as who writes knows no version of its source: where he would have been
    /// heard, when its work is done.
    #[cold]
    #[inline(never)]
    fn shows_nothing(&mut self, slot: Slot, phase: Phase, world: &mut World) -> bool {
        let views = world.data.as_ref().and_then(|data| data.views.as_deref());
        let is_view = views.is_some_and(|views| views.source(self.node).is_some());
        let led = self.group.as_ref().is_some_and(|group| group.led);
        // Who coordinates among equals does no work of his own.
        if !is_view || led && phase == Phase::Arrived {
            return false;
        }
        if let Some(data) = &mut world.data {
            data.is_known(slot, Written::No);
        }
        world.record.node(self.node).cause(NO_VERSION);
        self.finish(slot, Outcome::Error, world);
        true
    }

    /// What a frame brings is to be an entry of the log of a shard, and has come that far; it comes after all up to a place.
    pub(super) fn proposes(
        &mut self,
        slot: Slot,
        phase: Phase,
        (key, version, since): (u64, u64, u64),
        world: &mut World,
    ) {
        let Some(group) = &self.group else { return };
        let (inst, id) = (world.frames[slot].inst, world.frames[slot].id);
        let operation = Operation {
            ticket: Ticket { slot, id },
            act: Act::Write(version),
            key,
            shard: group.shard(inst),
            since: Known::upto(since),
            ..Operation::default()
        };
        self.tell_replica(inst, world, |process, cx| process.operation(&operation, phase, cx));
    }

    /// A message between replicas has come: its work begins, or the replica is told.
    #[inline(always)]
    pub(in crate::model) fn message_came(&mut self, slot: Slot, world: &mut World) {
        if self.backups.is_some() && self.is_turned_back(slot, world) {
            return;
        }
        let (Some(letters), Some(group)) = (&world.letters, &mut self.group) else { return };
        let Cargo::Message(_, message) = letters.get(slot) else { return };
        group.tally.message(message.name(), world.agenda.now());
        let inst = world.frames[slot].inst;
        let entry = match message.work() {
            Work::None => return self.told_message(slot, world),
            Work::Read(key) => {
                group.expect(inst, key);
                self.program.own[READ]
            }
            Work::Write(key) => {
                group.expect(inst, key);
                self.program.own[WRITE]
            }
        };
        world.begin_own(slot, entry);
        self.run(slot, world);
    }

    /// The work of a message is done, if it was any: the replica is told.
    #[inline(never)]
    fn told_message(&mut self, slot: Slot, world: &mut World) {
        let Some(letters) = &mut world.letters else { return };
        // It is told from where it is taken to: another copy would be read in wider pieces than it was written in.
        let mut cargo = letters.take(slot);
        let inst = world.frames[slot].inst;
        world.release_letter(slot);
        let work = match &cargo {
            Cargo::Message(_, message) if self.backups.is_some() => message.work(),
            _ => Work::None,
        };
        self.tell_replica(inst, world, |process, cx| {
            if let (Process::Quorum(one), Cargo::Message(from, message)) = (&mut *process, &cargo) {
                one.hears(*from, message, cx);
            } else if let Cargo::Message(from, message) = std::mem::take(&mut cargo) {
                process.message(from, message, cx);
            }
        });
        if work != Work::None {
            self.keeps_what_came(inst, work);
        }
    }

    /// A letter that is no message has come.
    pub(super) fn take_letter(&mut self, slot: Slot, world: &mut World) {
        if self.backups.is_some() && self.is_turned_back(slot, world) {
            return;
        }
        match world.letters.as_ref().map(|letters| letters.get(slot)) {
            Some(Cargo::Fed(_)) => self.hears_of_feed(slot, world),
            Some(Cargo::Kept(_)) => self.hears_of_backup(slot, world),
            Some(Cargo::Part(_)) => self.part_came(slot, world),
            Some(Cargo::Key(_)) => self.takes_key(slot, world),
            _ => self.told_other(slot, world),
        }
    }

    /// A frame of the replica's own is done: what it carries is told.
    #[inline(never)]
    pub(super) fn told_replica(&mut self, slot: Slot, world: &mut World) {
        match world.letters.as_ref().map(|letters| letters.get(slot)) {
            Some(Cargo::Message(..)) => self.told_message(slot, world),
            Some(Cargo::Fed(_)) => self.fed_goes_on(slot, world),
            _ => self.told_other(slot, world),
        }
    }

    #[inline(never)]
    fn told_other(&mut self, slot: Slot, world: &mut World) {
        let inst = world.frames[slot].inst;
        let cargo = world.letters.as_mut().map(|letters| letters.take(slot)).unwrap_or_default();
        world.release(slot);
        match cargo {
            Cargo::Timer(timer) => {
                self.tell_replica(inst, world, |process, cx| process.timer(timer, cx));
            }
            Cargo::Known(caller, news) => {
                let Some(group) = &mut self.group else { return };
                let left = &mut group.members[usize::from(inst)].to_tell;
                let shard = news.leader / group.each;
                left.retain(|(other, told)| {
                    *other != caller || told.leader / group.each != shard || told.epoch > news.epoch
                });
            }
            Cargo::Key(moved) => self.key_moves(inst, *moved, world),
            Cargo::Message(..)
            | Cargo::Post(_)
            | Cargo::Part(_)
            | Cargo::Due(_)
            | Cargo::Fed(_)
            | Cargo::Kept(_)
            | Cargo::None
            | Cargo::Turn(_)
            | Cargo::SentOn(_)
            | Cargo::News(_) => {}
        }
    }

    /// A timer of a replica fired.
    pub(super) fn replica_timed(&mut self, slot: Slot, world: &mut World) {
        let inst = world.frames[slot].inst;
        let Some(letters) = &world.letters else { return };
        let &Cargo::Timer(timer) = letters.get(slot) else {
            if self.is_of_feed(slot, world) {
                return self.hears_of_feed(slot, world);
            }
            if self.promises.is_some() {
                return self.asks_again_how(slot, world);
            }
            if self.backups.is_some() {
                return self.backup_due(slot, world);
            }
            if self.moving.is_some() {
                return self.moving_timed(slot, world);
            }
            if let Some(broker) = self.log_clock(slot) {
                self.log_timed(broker, world);
            }
            return;
        };
        if timer == TELL {
            return self.announce_again(inst, world);
        }
        self.tell_replica(inst, world, |process, cx| process.timer(timer, cx));
    }

    #[inline(never)]
    fn carry_out(&mut self, inst: Peer, effect: Effect, world: &mut World) {
        match effect {
            Effect::Answer(ticket, answer, known) => {
                if self.stands_at_replica(ticket, inst, world) {
                    if world.data.as_ref().is_some_and(|data| data.tokens.is_some()) {
                        self.hold_token(ticket.slot, known, world);
                    }
                    self.answer(ticket.slot, answer, world);
                }
            }
            Effect::Note(note) => self.note(inst, note, world),
            other => self.carry_out_other(inst, other, world),
        }
    }

    /// What an answer is of.
    #[inline(never)]
    fn hold_token(&mut self, slot: Slot, known: Known, world: &mut World) {
        let (Some(group), Some(data)) = (&self.group, &mut world.data) else { return };
        let f = &world.frames[slot];
        let unit = group.unit(f.inst, f.key);
        data.hold_token(slot, Some(Token { store: self.node, unit, known }));
    }

    #[inline(never)]
    fn carry_out_other(&mut self, inst: Peer, effect: Effect, world: &mut World) {
        let Some(group) = &mut self.group else { return };
        match effect {
            Effect::Send(to, message) => group.send(inst, (to, message), world),
            Effect::Arm(timer, after) => {
                let entry = self.program.own[TIMER];
                group.arm((inst, timer, entry), after, world);
            }
            Effect::Disarm(timer) => {
                let slot = group.members[usize::from(inst)].timers[usize::from(timer)];
                if slot != NONE {
                    world.disarm(slot);
                }
            }
            Effect::Apply { lane, key } => {
                let (host, id) = ((group.node, inst), group.next_id(inst));
                let entry = self.program.own[APPLY];
                let slot = world.own_frame(host, (id, key), Cargo::Timer(APPLIED + lane));
                world.begin_own(slot, entry);
                self.run(slot, world);
            }
            Effect::GoOn(ticket) => {
                if self.stands_at_replica(ticket, inst, world) {
                    world.frames[ticket.slot].pc += 1;
                    self.run(ticket.slot, world);
                }
            }
            Effect::Announce { leader, epoch } => self.announce((inst, leader, epoch), world),
            Effect::Answer(..) | Effect::Note(_) => {}
        }
    }

    /// Whether the frame of an operation still waits for a replica's word.
    fn stands_at_replica(&self, ticket: Ticket, inst: Peer, world: &World) -> bool {
        let f = &world.frames[ticket.slot];
        f.id == ticket.id
            && (f.node, f.inst) == (self.node, inst)
            && f.armed == 0
            && matches!(
                self.program.code.get(usize::from(f.pc)),
                Some(Instr::Point(Point::Arrived { .. } | Point::Worked { .. } | Point::Entry))
            )
    }

    fn answer(&mut self, slot: Slot, answer: Answer, world: &mut World) {
        match answer {
            Answer::Read(version) => {
                if let Some(data) = &mut world.data {
                    data.hold(slot, version);
                }
            }
            Answer::Written => {}
            _ => return self.answer_badly(slot, answer, world),
        }
        world.frames[slot].pc += 1;
        self.run(slot, world);
    }

    #[cold]
    #[inline(never)]
    fn answer_badly(&mut self, slot: Slot, answer: Answer, world: &mut World) {
        if self.enters_nothing(slot, answer, world) || self.enters_no_key(slot, answer, world) {
            return;
        }
        if self.is_of_feed(slot, world) {
            return self.turns_entry_away(slot, answer, world);
        }
        if matches!(world.post_of(slot), Some(Post::Put(..))) {
            // Who sent it sends it again.
            return world.release(slot);
        }
        let (outcome, cause) = match answer {
            Answer::Read(_) | Answer::Written => return,
            Answer::Elsewhere(to)
                if world.sent_on(slot) < MOST_SENT_ON && world.frames[slot].flags & BRANCH == 0 =>
            {
                return self.sends_on(slot, to, world);
            }
            Answer::Elsewhere(_) | Answer::Failed(Failure::NoLeader) => {
                (Outcome::Unavailable, Cause::NoLeader)
            }
            Answer::Failed(Failure::Conflict) => (Outcome::Error, CONFLICT),
            Answer::Failed(Failure::Fenced) => (Outcome::Error, FENCED),
            Answer::Failed(Failure::Corrupt) => (Outcome::Error, CORRUPT),
            Answer::Failed(Failure::Behind) => (Outcome::Unavailable, Cause::Behind),
            Answer::Failed(Failure::TooFew) => (Outcome::Unavailable, Cause::TooFewReplicas),
            Answer::Failed(Failure::QuorumTimeout) => (Outcome::Error, Cause::QuorumTimeout),
            Answer::Failed(Failure::LeadershipLost) => (Outcome::Error, Cause::LeadershipLost),
        };
        let written = match cause {
            Cause::TooFewReplicas => Some(Written::Maybe),
            CONFLICT | CORRUPT | FENCED => Some(Written::No),
            _ => None,
        };
        if let (Some(written), Some(data)) = (written, &mut world.data) {
            data.is_known(slot, written);
        }
        self.fails_to_delete(slot, world);
        world.record.node(self.node).cause(cause);
        self.finish(slot, outcome, world);
    }

    /// A visit ends here and goes on at another replica.
    pub(super) fn sends_on(&mut self, slot: Slot, to: Peer, world: &mut World) {
        let (now, from) = (world.now(), world.record.measured_from);
        let f = &world.frames[slot];
        let (inst, arrived) = (usize::from(f.inst), f.arrived);
        self.instances[inst].departures += 1;
        self.unserved[inst].needless += 1;
        world.record.node(self.node).depart(now, arrived, from, Err(Cause::SentOn));
        world.send_on(slot, to);
    }

    /// Those who look on are told.
    fn note(&mut self, inst: Peer, note: Note, world: &mut World) {
        if self.log.is_some() {
            return self.note_of_copy(inst, note, world);
        }
        let beside = self.overheard && self.hear_beside(inst, &note, world);
        let Some(group) = &mut self.group else { return };
        let now = world.now();
        match note {
            Note::Accepted { key, version, order } if !beside => {
                if let Some(data) = &mut world.data {
                    let log = group.led.then(|| group.shard(inst));
                    data.placed((group.node, log), (key, version), (order, now));
                }
            }
            Note::Dotted { key, version, leader, number } => {
                if let Some(data) = &mut world.data {
                    data.dotted(group.node, (key, version), (leader, number));
                }
            }
            Note::Follows { key, fresh, version, older } => {
                if let Some(data) = &mut world.data {
                    data.follows(group.node, (key, fresh), version, older);
                }
            }
            Note::Skipped { key, leader, after, upto } => {
                if let Some(data) = &mut world.data {
                    data.skipped(group.node, key, leader, (after, upto));
                }
            }
            Note::Leads { term, began_with } => {
                let shard = group.shard(inst);
                world.hosts.leads((group.node, inst), now);
                if let Some(data) = &mut world.data {
                    data.began((group.node, shard), (term, began_with), now);
                }
            }
            Note::StepsDown { .. } => {
                world.hosts.leads_no_more((group.node, inst), now);
            }
            _ => {}
        }
        group.tally.note((inst, inst / group.each), note, now);
    }

    /// What else the store does with what its replicas agree on: whether this is about nothing that a key holds.
    #[inline(never)]
    fn hear_beside(&mut self, inst: Peer, note: &Note, world: &mut World) -> bool {
        let mut beside = self.moving.is_some() && self.moves_hear(inst, note, world);
        beside |= self.relays.is_some() && self.relays_hear(inst, note, world);
        beside |= self.promises.is_some() && self.promises_hear(inst, note, world);
        if self.feeding.is_some() && !beside {
            self.feeds_hear(inst, note, world);
        }
        if self.backups.is_some() {
            self.backups_hear(inst, note, world);
        }
        beside
    }
}
