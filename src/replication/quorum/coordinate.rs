//! What a coordinator does: it asks replicas, counts who answered, and decides.
//!
//! **Invariant.** An operation is answered once, and forgotten when nothing more can come of it, at the latest at its
//! time-out. Replicas count by their places in the shard: copies of an answer change nothing.

use std::collections::VecDeque;

use super::{
    Act, Answer, Config, Contact, Context, Effect, Failure, Held, Item, Message, NOBODY, Note,
    Number, Operation, Peer, Quorum, Stamp, Ticket, group, timer,
};

/// A set of replicas, by their places in the shard.
pub(super) type Set = u64;

/// Who was asked something, and what came of it.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    asked: Set,
    yes: Set,
    no: Set,
}

impl Round {
    /// So many said yes.
    fn has(self, need: u16) -> bool {
        self.yes.count_ones() >= u32::from(need)
    }

    /// So many said yes or may do yet.
    fn can(self, need: u16) -> bool {
        (self.yes | self.asked & !self.no).count_ones() >= u32::from(need)
    }

    /// Nobody is left of whom to hear.
    fn is_over(self) -> bool {
        self.asked & !(self.yes | self.no) == 0
    }
}

/// What a coordination waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A write: for the stamps of a read quorum.
    Query,
    /// A write: for its replicas to store it.
    Put,
    /// A read: for what its replicas hold.
    Get,
    /// A read: for enough replicas to hold what it found.
    WriteBack,
    /// For nothing.
    Over,
}

/// A coordination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coordination {
    ticket: Ticket,
    key: u64,
    pub(super) shard: u16,
    pub(super) stage: Stage,
    /// Not answered yet.
    open: bool,
    /// By the local clock.
    deadline: u64,
    /// What is written, or what is returned.
    held: Held,
    /// The newest that a replica answered.
    newest: Held,
    /// Who was asked what it holds, and answered.
    get: Round,
    /// Who was asked to hold the item, and does for good.
    put: Round,
    /// Who answered that it holds the newest.
    holds: Set,
    /// For whom another process answered what it holds.
    stood_in: Set,
    /// For whom another process was asked, in this stage.
    pub(super) replaced: Set,
    /// How many processes were considered as stand-ins, in this stage.
    pub(super) tried: u16,
}

/// Orders what is held of one key.
pub(super) fn place(item: Item) -> (u64, u64) {
    (item.order, item.version)
}

impl Coordination {
    /// A replica answered what it holds.
    fn hear(&mut self, bit: Set, held: Held, firm: bool) {
        self.get.yes |= bit;
        let at = place(held.item);
        if at > place(self.newest.item) {
            (self.newest, self.holds) = (held, 0);
            if self.stage == Stage::Get && self.open {
                (self.held, self.put.yes) = (held, 0);
            }
        }
        if at == place(self.newest.item) {
            self.holds |= bit;
        }
        if firm && self.stage != Stage::Query && at >= place(self.held.item) {
            self.put.yes |= bit;
        }
    }

    /// The stage is about storing, not about asking.
    fn puts(&self) -> bool {
        matches!(self.stage, Stage::Put | Stage::WriteBack)
    }

    fn round(&self) -> Round {
        if self.puts() { self.put } else { self.get }
    }

    /// Who was asked in this stage and has not answered.
    pub(super) fn awaited(&self) -> Set {
        let Round { asked, yes, no } = self.round();
        asked & !(yes | no)
    }

    /// Whoever does not answer is to be replaced: a write should come to as many as were asked.
    pub(super) fn needs_all(&self) -> bool {
        self.open || self.stage == Stage::Put
    }

    /// What a replica is asked in this stage.
    pub(super) fn message(&self, number: Number, owner: Peer) -> Message {
        let Self { key, held, .. } = *self;
        if self.puts() {
            Message::Put { owner, number, key, held }
        } else {
            Message::Get { owner, stamp_only: self.stage == Stage::Query, number, key }
        }
    }

    /// A stage begins.
    fn enter(&mut self, stage: Stage) {
        (self.stage, self.replaced, self.tried) = (stage, 0, 0);
    }
}

/// The coordinations of a life of the process, by number: as all have the same time to live, the order of their
/// numbers is that of their deadlines.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// The number of the oldest one.
    first: Number,
    all: VecDeque<Coordination>,
    /// The timer is armed.
    armed: bool,
}

impl Table {
    pub(super) fn new(first: Number) -> Self {
        Self { first, ..Self::default() }
    }

    fn add(&mut self, coordination: Coordination) -> Number {
        self.all.push_back(coordination);
        self.first + self.all.len() as u64 - 1
    }

    pub(super) fn get(&mut self, number: Number) -> Option<&mut Coordination> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.all.get_mut(at).filter(|found| found.stage != Stage::Over)
    }

    fn drop_oldest(&mut self) {
        self.all.pop_front();
        self.first += 1;
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

impl Quorum {
    /// An operation has come.
    pub(super) fn begin(&mut self, operation: Operation, cx: &mut Context<'_>) {
        let stage = match (operation.act, self.config.stamp) {
            (Act::Read, _) => Stage::Get,
            (_, Stamp::Clock) => Stage::Put,
            (_, Stamp::Query) => Stage::Query,
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
            self.stamp(number, cx.now, cx);
        } else {
            let asked = self.choose(self.config.contact_read, self.config.read, cx);
            self.ask(number, asked, cx);
        }
    }

    /// Those of all replicas who are asked where so many must answer.
    fn choose(&self, contact: Contact, need: u16, cx: &mut Context<'_>) -> Set {
        let all = Set::MAX >> (64 - self.config.replicas);
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
        let asks = *found;
        let first = group(asks.shard, self.config.replicas).start;
        for rank in ones(ranks) {
            let owner = first + rank;
            let peer = self.whom(number, owner, cx.now);
            send(peer, asks.message(number, owner), cx);
            if peer != owner {
                self.stands_in(number, (peer, owner), cx);
            }
        }
        self.look_later(number, None, cx);
    }

    /// A write gets its place, and goes to the replicas.
    fn stamp(&mut self, number: Number, at_least: u64, cx: &mut Context<'_>) {
        self.stamped = at_least.max(self.stamped + 1);
        let order = self.stamped;
        let Some(found) = self.table.get(number) else { return };
        found.enter(Stage::Put);
        found.held.item.order = order;
        let (key, version) = (found.key, found.held.item.version);
        cx.note(Note::Accepted { key, version, order });
        let asked = self.choose(self.config.contact_write, self.config.write, cx);
        self.ask(number, asked, cx);
    }

    /// A read found what not enough replicas are known to hold.
    fn write_back(&mut self, number: Number, cx: &mut Context<'_>) {
        let Some(found) = self.table.get(number) else { return };
        found.enter(Stage::WriteBack);
        let have = found.put.yes;
        let others = Set::MAX >> (64 - self.config.replicas) & !have;
        let asked = match self.config.contact_write {
            Contact::All => others,
            Contact::Quorum => {
                some_of(others, u32::from(self.config.write) - have.count_ones(), cx)
            }
        };
        self.ask(number, asked, cx);
    }

    /// A replica's place in its shard.
    pub(super) fn bit(&self, owner: Peer) -> Set {
        1 << (owner % self.config.replicas)
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
        let enough = found.get.has(self.config.read);
        match found.stage {
            Stage::Query if enough => {
                let above = found.newest.item.order + 1;
                self.stamp(number, above, cx);
            }
            Stage::Get if found.open && enough => {
                if self.config.write_back && !found.put.has(self.config.write) {
                    self.write_back(number, cx);
                } else {
                    let version = found.held.item.version;
                    self.answer(number, Answer::Read(version), cx);
                }
            }
            _ => self.weigh(number, cx),
        }
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
        let Config { read, write, sloppy, .. } = self.config;
        let Some(found) = self.table.get(number) else { return };
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
        cx.answer(found.ticket, answer);
        self.weigh(number, cx);
    }

    /// Nothing more is awaited.
    fn finish(&mut self, number: Number, cx: &mut Context<'_>) {
        let Some(found) = self.table.get(number) else { return };
        let known = *found;
        found.stage = Stage::Over;
        if matches!(known.stage, Stage::Get | Stage::WriteBack) {
            self.repair(&known, cx);
        }
        while self.table.all.front().is_some_and(|oldest| oldest.stage == Stage::Over) {
            self.table.drop_oldest();
        }
    }

    /// Those who answered a read with something old are sent the newest.
    fn repair(&self, read: &Coordination, cx: &mut Context<'_>) {
        let mut stale = read.get.yes & !read.holds & !read.stood_in;
        if read.held.item == read.newest.item {
            stale &= !read.put.asked; // they were sent it already
        }
        if stale == 0 || !happens(self.config.read_repair, cx) {
            return;
        }
        let first = group(read.shard, self.config.replicas).start;
        for rank in ones(stale) {
            let owner = first + rank;
            let put = Message::Put { owner, number: NOBODY, key: read.key, held: read.newest };
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

/// Sends a message.
pub(super) fn send(to: Peer, message: Message, cx: &mut Context<'_>) {
    cx.act(Effect::Send(to, crate::replication::Message::Quorum(message)));
}

/// The members of a set.
pub(super) fn ones(mut set: Set) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        let lowest = set.trailing_zeros() as u16;
        set &= set.checked_sub(1)?;
        Some(lowest)
    })
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
