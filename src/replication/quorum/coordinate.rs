//! What a coordinator does: it asks replicas, counts who answered, and decides.
//!
//! **Invariant.** An operation is answered once, and forgotten when nothing more can come of it, at the latest at its
//! time-out. Replicas count by their places in the shard: copies of an answer change nothing.

use super::config::{Contact, Stamp};
use super::message::{Held, Message, NOBODY, Number, Why};
use super::state::Quorum;
use super::store::send;
use super::table::{Coordination, Round, Set, Stage, ones};
use super::timer;
use crate::replication::contract::{Context, Effect};
use crate::replication::data::Item;
use crate::replication::words::{Act, Answer, Failure, Known, Level, Note, Operation, Peer, group};

/// Whether an operation writes under a lock.
fn is_fenced(operation: &Operation, cx: &Context<'_>) -> bool {
    let version = operation.act.version().unwrap_or_default();
    cx.fences.is_some_and(|fences| fences.has(version))
}

impl Quorum {
    /// An operation has come.
    pub(super) fn begin(&mut self, operation: &Operation, cx: &mut Context<'_>) {
        let stage = match (operation.act, self.config.stamp) {
            (Act::Read, _) => Stage::Get,
            // Whoever compares asks first, and whoever may have been given another stamp.
            (_, Stamp::Clock)
                if operation.expects.is_none()
                    && !is_fenced(operation, cx)
                    && operation.once.is_none_or(|once| !once.further) =>
            {
                Stage::Put
            }
            _ => Stage::Query,
        };
        let version = operation.act.version().unwrap_or_default();
        let left = match operation.act {
            Act::Delete(_) => self.config.tombstones.unwrap_or_default(),
            _ => 0,
        };
        let number = self.table.add(Coordination {
            ticket: operation.ticket,
            key: operation.key,
            shard: operation.shard,
            stage,
            open: true,
            deadline: cx.now + self.config.timeout,
            since: operation.since.item(),
            need: match (operation.level, operation.act) {
                (Level::Count(n), Act::Read) => (n, self.config.write),
                (Level::Count(n), _) => (self.config.read, n),
                _ => (self.config.read, self.config.write),
            },
            expects: operation.expects,
            once: operation.once,
            done: 0,
            held: Held { item: Item { version, order: 0 }, left },
            newest: Held::default(),
            get: Round::default(),
            put: Round::default(),
            holds: 0,
            stood_in: 0,
            replaced: 0,
            tried: 0,
        });
        if !self.table.armed {
            self.table.armed = true;
            cx.act(Effect::Arm(timer::TIMEOUT, self.config.timeout));
        }
        if stage == Stage::Put {
            self.stamp(number, cx.wall, cx);
        } else {
            let need = self.table.get(number).map_or(0, |found| found.need.0);
            let asked = self.choose(self.config.contact_read, need, cx);
            self.ask(number, asked, cx);
        }
    }

    fn all(&self) -> Set {
        Set::MAX >> (64 - self.config.replicas)
    }

    /// Those of all replicas who are asked where so many must answer.
    fn choose(&self, contact: Contact, need: u16, cx: &mut Context<'_>) -> Set {
        let all = self.all();
        match contact {
            Contact::All => all,
            Contact::Quorum => some_of(all, u32::from(need), cx),
        }
    }

    /// Asks these replicas what the stage is about, or whoever stands in for them.
    fn ask(&mut self, number: Number, ranks: Set, cx: &mut Context<'_>) {
        let Some(found) = self.table.get(number) else { return };
        let round = if found.puts() { &mut found.put } else { &mut found.get };
        round.asked |= ranks;
        let first = group(found.shard, self.config.replicas).start;
        if self.stand_ins.silent.is_empty() {
            for rank in ones(ranks) {
                send(first + rank, found.message(number, first + rank), cx);
            }
        } else {
            self.ask_or_replace(number, (first, ranks), cx);
        }
        self.look_later(number, None, cx);
    }

    /// Likewise where it is remembered that some did not answer.
    #[cold]
    fn ask_or_replace(
        &mut self,
        number: Number,
        (first, ranks): (Peer, Set),
        cx: &mut Context<'_>,
    ) {
        let Some(asks) = self.table.get(number).copied() else { return };
        for rank in ones(ranks) {
            let owner = first + rank;
            let peer = self.whom(number, owner, cx.now);
            send(peer, asks.message(number, owner), cx);
            if peer != owner {
                self.stands_in(number, (peer, owner), cx);
            }
        }
    }

    /// A write gets its place, and goes to the replicas.
    fn stamp(&mut self, number: Number, at_least: u64, cx: &mut Context<'_>) {
        let Some(found) = self.table.get(number) else { return };
        let above = at_least.max(found.since.order + 1);
        let version = found.held.item.version;
        // Who coordinates what he asks himself knows what he gave an earlier attempt.
        let given = found.once.and_then(|_| self.given.done(version)).unwrap_or_default();
        let order = match found.once {
            // The same for all attempts, whoever coordinates them.
            Some(_) if found.done > 0 => found.done,
            Some(_) if given > 0 => given,
            Some(once) if found.expects.is_none() && self.config.stamp == Stamp::Clock => {
                once.stamp.max(found.since.order + 1)
            }
            _ => above.max(self.stamped + 1),
        };
        self.given.remember(Item { version, order });
        self.stamped = self.stamped.max(order);
        found.enter(Stage::Put);
        found.held.item.order = order;
        let (key, need) = (found.key, found.need.1);
        cx.note(Note::Accepted { key, version, order });
        let asked = self.choose(self.config.contact_write, need, cx);
        self.ask(number, asked, cx);
    }

    /// A read found what not enough replicas are known to hold.
    fn write_back(&mut self, number: Number, cx: &mut Context<'_>) {
        let Some(found) = self.table.get(number) else { return };
        found.enter(Stage::WriteBack);
        let (have, need) = (found.put.yes, found.need.1);
        let others = self.all() & !have;
        let asked = match self.config.contact_write {
            Contact::All => others,
            Contact::Quorum => some_of(others, u32::from(need) - have.count_ones(), cx),
        };
        self.ask(number, asked, cx);
    }

    /// A replica holds this.
    pub(super) fn got(
        &mut self,
        number: Number,
        (from, owner): (Peer, Peer),
        (held, firm): (Held, bool),
        cx: &mut Context<'_>,
    ) {
        let bit = self.bit(owner);
        let Some(found) = self.table.get(number) else { return };
        if found.stage == Stage::Put {
            return; // it has its stamp
        }
        found.hear(bit, held, firm);
        found.stood_in = if from == owner { found.stood_in & !bit } else { found.stood_in | bit };
        let (read, write) = found.need;
        let enough = found.get.has(read);
        match found.stage {
            Stage::Query if enough => self.asked(number, cx),
            Stage::Get if found.open && enough && !found.finds() => self.seek(number, cx),
            Stage::Get if found.open && enough => {
                if self.config.write_back && !found.put.has(write) {
                    self.write_back(number, cx);
                } else {
                    let version = found.held.item.version;
                    self.answer(number, Answer::Read(version), cx);
                }
            }
            _ => self.weigh(number, cx),
        }
    }

    /// Enough have answered what they hold: a write gets its stamp, above all of theirs, if it finds what it expects.
    fn asked(&mut self, number: Number, cx: &mut Context<'_>) {
        let Some(found) = self.table.get(number) else { return };
        let newest = found.newest.item;
        let writes = (found.expects, found.held.item.version);
        let refuses = cx.refuses(writes, || newest.version).filter(|_| found.done == 0);
        if let Some(failure) = refuses {
            return self.answer(number, Answer::Failed(failure), cx);
        }
        self.stamp(number, newest.order + 1, cx);
    }

    /// Enough have answered a read, and none has what it has to find: whoever was not asked yet is asked, too.
    fn seek(&mut self, number: Number, cx: &mut Context<'_>) {
        let all = self.all();
        let Some(found) = self.table.get(number) else { return };
        let rest = all & !found.get.asked;
        if rest != 0 {
            self.ask(number, rest, cx);
        }
        self.weigh(number, cx);
    }

    /// A replica holds what was put, or something newer.
    pub(super) fn stored(&mut self, number: Number, owner: Peer, cx: &mut Context<'_>) {
        let bit = self.bit(owner);
        let Some(found) = self.table.get(number) else { return };
        found.put.yes |= bit;
        self.weigh(number, cx);
    }

    /// A process that was asked for what a replica holds, or to hold something for it, does not run.
    pub(super) fn refused(
        &mut self,
        number: Number,
        (from, owner): (Peer, Peer),
        put: bool,
        cx: &mut Context<'_>,
    ) {
        let bit = self.bit(owner);
        let Some(found) = self.table.get(number) else { return };
        if put == found.puts() && found.awaited() & bit != 0 && found.needs_all() {
            let comes_late = from == owner && found.replaced & bit != 0;
            if comes_late || self.replace_refused(number, (from, owner), cx) {
                return; // another one is asked
            }
        }
        let Some(found) = self.table.get(number) else { return };
        if put {
            found.put.no |= bit;
        } else {
            found.get.no |= bit;
        }
        self.weigh(number, cx);
    }

    /// Whether a coordination is decided, and whether it is over.
    fn weigh(&mut self, number: Number, cx: &mut Context<'_>) {
        let sloppy = self.config.sloppy;
        let Some(found) = self.table.get(number) else { return };
        let (read, write) = found.need;
        if found.open {
            let (round, need) = (found.round(), if found.puts() { write } else { read });
            match found.stage {
                Stage::Put if round.has(need) => self.answer(number, Answer::Written, cx),
                Stage::WriteBack if round.has(need) => {
                    let version = found.held.item.version;
                    self.answer(number, Answer::Read(version), cx);
                }
                _ if !round.can(need) => {
                    self.answer(number, Answer::Failed(Failure::TooFew), cx);
                }
                // Were it found, it would have been answered.
                Stage::Get if round.has(need) && round.is_over() => {
                    self.answer(number, Answer::Failed(Failure::Behind), cx);
                }
                _ => {}
            }
            return;
        }
        let waits = match found.stage {
            Stage::Get | Stage::WriteBack => self.config.read_repair > 0.0 && !found.get.is_over(),
            Stage::Put => sloppy.is_some() && !found.put.is_over(),
            Stage::Query | Stage::Over => false,
        };
        if !waits {
            self.finish(number, cx);
        }
    }

    /// The client is answered.
    fn answer(&mut self, number: Number, answer: Answer, cx: &mut Context<'_>) {
        let Some(found) = self.table.get(number) else { return };
        found.open = false;
        match answer {
            Answer::Read(_) | Answer::Written => {
                cx.answer_of(found.ticket, answer, Known::of(found.held.item));
            }
            _ => cx.answer(found.ticket, answer),
        }
        self.weigh(number, cx);
    }

    /// Nothing more is awaited.
    fn finish(&mut self, number: Number, cx: &mut Context<'_>) {
        let Some(found) = self.table.get(number) else { return };
        let stage = std::mem::replace(&mut found.stage, Stage::Over);
        if matches!(stage, Stage::Get | Stage::WriteBack) && found.stale() != 0 {
            let read = *found;
            self.repair(&read, cx);
        }
        while self.table.all.front().is_some_and(|oldest| oldest.stage == Stage::Over) {
            self.table.drop_oldest();
        }
    }

    /// Those who answered a read with something old are sent the newest.
    #[cold]
    fn repair(&self, read: &Coordination, cx: &mut Context<'_>) {
        if !happens(self.config.read_repair, cx) {
            return;
        }
        let first = group(read.shard, self.config.replicas).start;
        for rank in ones(read.stale()) {
            let owner = first + rank;
            let put = Message::Put {
                owner,
                why: Why::Repair,
                number: NOBODY,
                key: read.key,
                held: read.newest,
            };
            cx.note(Note::Counted("repair"));
            send(owner, put, cx);
        }
    }

    /// The oldest coordinations may be out of time.
    pub(super) fn expire(&mut self, cx: &mut Context<'_>) {
        self.table.armed = false;
        while let Some(oldest) = self.table.all.front() {
            if oldest.deadline > cx.now {
                self.table.armed = true;
                cx.act(Effect::Arm(timer::TIMEOUT, oldest.deadline - cx.now));
                return;
            }
            if oldest.open {
                cx.answer(oldest.ticket, Answer::Failed(Failure::QuorumTimeout));
            }
            let number = self.table.first;
            self.finish(number, cx);
        }
    }
}

/// So many of a set at random, each choice as likely as any other.
fn some_of(set: Set, count: u32, cx: &mut Context<'_>) -> Set {
    let (mut left, mut need, mut some) = (set.count_ones(), count, 0);
    for member in ones(set) {
        if need == left || need > 0 && cx.laws.below(u64::from(left)) < u64::from(need) {
            some |= 1 << member;
            need -= 1;
        }
        left -= 1;
    }
    some
}

/// Whether something of this probability happens.
fn happens(probability: f64, cx: &mut Context<'_>) -> bool {
    const ALL: u64 = 1 << 53;
    probability >= 1.0 || cx.laws.below(ALL) < (probability * ALL as f64) as u64
}
