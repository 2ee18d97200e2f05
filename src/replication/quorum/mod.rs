//! Copies without a leader: whoever is asked asks the replicas of the key's shard, and goes on when enough of them have
//! answered (`DeCandia` et al., Dynamo, SOSP 2007, 4.5; stamps and last write wins as in Cassandra; write-back and the
//! query for a stamp as in Attiya, Bar-Noy and Dolev, JACM 1995, and Lynch and Shvartsman, FTCS 1997).
//!
//! An operation comes to a coordinator, in [`Phase::Arrived`], and is answered later; it is no work there and never
//! goes on to [`Phase::Worked`]. The work is that of the messages `get` and `put` (and `hand`) at the replicas, of which
//! the coordinator may be one.
//!
//! **Invariant.** What a replica holds of a key only gets newer, by (stamp, version), while its process runs (and no
//! tombstone is forgotten); a `stored` says that this, or something newer, is as safe as the disk's mode promises.

mod anti_entropy;
mod coordinate;
mod handoff;
mod store;

use super::data::{Data, Item};
use super::{
    Act, Answer, Context, Effect, Failure, Note, Operation, Peer, Phase, Protocol, Start, Ticket,
    Timer, Work, disk, group,
};
use anti_entropy::Exchange;
pub use anti_entropy::{AntiEntropy, List};
use coordinate::{Table, send};
pub use handoff::Handoff;
use handoff::{Handing, StandIns};
use store::Store;

/// How many replicas are asked at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contact {
    /// All of the shard.
    #[default]
    All,
    /// As many as must answer, at random; there is no second try.
    Quorum,
}

/// Where the stamp of a write comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamp {
    /// The local clock of the coordinator.
    #[default]
    Clock,
    /// One above the highest stamp of a read quorum, which is asked first.
    Query,
}

/// What all processes of a node are set to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Replicas of a shard, N: 1 to 64.
    pub replicas: u16,
    /// Shards.
    pub shards: u16,
    /// How many answers a read needs, R.
    pub read: u16,
    /// How many answers a write needs, W.
    pub write: u16,
    /// Who is asked to read.
    pub contact_read: Contact,
    /// Who is asked to write.
    pub contact_write: Contact,
    /// How long an operation may take, and how long answers to it are awaited, ns.
    pub timeout: u64,
    /// With what probability a read brings those of its replicas up to date that answered with something older.
    pub read_repair: f64,
    /// A read returns what it found only when W replicas hold it.
    pub write_back: bool,
    /// Where stamps come from.
    pub stamp: Stamp,
    /// Whether others stand in for replicas that do not answer.
    pub sloppy: Option<Handoff>,
    /// Whether replicas compare what they hold.
    pub anti_entropy: Option<AntiEntropy>,
    /// How long a replica holds a tombstone before it forgets the key, ns; for ever if none.
    pub tombstones: Option<u64>,
    /// When writes are certain.
    pub disk: disk::Mode,
}

impl Config {
    /// Three replicas of one shard, majorities, and else what is meant where nothing is said.
    pub const DEFAULT: Self = Self {
        replicas: 3,
        shards: 1,
        read: 2,
        write: 2,
        contact_read: Contact::All,
        contact_write: Contact::All,
        timeout: 2_000_000_000,
        read_repair: 1.0,
        write_back: false,
        stamp: Stamp::Clock,
        sloppy: None,
        anti_entropy: None,
        tombstones: None,
        disk: disk::Mode::Each,
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The number of a coordination, by which answers find it; [`NOBODY`] awaits none. Numbers of different lives of a
/// process are apart, so that answers to an earlier life find nothing.
pub type Number = u64;

/// Nobody awaits an answer.
pub const NOBODY: Number = 0;

/// What is held of a key, as it travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The version and its stamp.
    pub item: Item,
    /// Of a tombstone: after so long whoever holds it forgets the key, ns; 0 if that is never.
    pub left: u64,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// What is held of a key?
    Get {
        /// By which replica.
        owner: Peer,
        /// Only the stamp is asked for.
        stamp_only: bool,
        /// By what it is answered.
        number: Number,
        /// The key.
        key: u64,
    },
    /// This is held.
    Got {
        /// By this replica.
        owner: Peer,
        /// Only the stamp was asked for.
        stamp_only: bool,
        /// It is as safe as the disk's mode promises.
        firm: bool,
        /// To which question.
        number: Number,
        /// The key.
        key: u64,
        /// What.
        held: Held,
    },
    /// Hold this, unless something newer is held.
    Put {
        /// For which replica.
        owner: Peer,
        /// By what it is answered.
        number: Number,
        /// The key.
        key: u64,
        /// What.
        held: Held,
    },
    /// It, or something newer, is held for good.
    Stored {
        /// By this replica.
        owner: Peer,
        /// To which request.
        number: Number,
    },
    /// This was kept for you: hold it, unless something newer is held.
    Hand {
        /// The key.
        key: u64,
        /// What.
        held: Held,
    },
    /// It, or something newer, is held for good.
    Handed {
        /// The key.
        key: u64,
        /// What was handed over.
        item: Item,
    },
    /// Digests of what is held, by range of keys.
    Digests(Box<[u64]>),
    /// What is held in some ranges of keys, without values.
    List(Box<List>),
    /// Of these keys something newer is held by who is told: it is to be put.
    Want(Box<[u64]>),
}

impl Message {
    /// Its name in results.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "get",
            Self::Got { .. } => "got",
            Self::Put { .. } => "put",
            Self::Stored { .. } | Self::Handed { .. } => "stored",
            Self::Hand { .. } => "hand",
            Self::Digests(_) => "digests",
            Self::List(_) => "list",
            Self::Want(_) => "want",
        }
    }

    /// What it is to its receiver's cores.
    pub fn work(&self) -> Work {
        match *self {
            Self::Get { key, .. } => Work::Read(key),
            Self::Put { key, .. } | Self::Hand { key, .. } => Work::Write(key),
            _ => Work::None,
        }
    }

    /// The keys whose values it carries.
    pub fn keys(&self, each: &mut dyn FnMut(u64)) {
        match *self {
            Self::Got { key, stamp_only: false, .. }
            | Self::Put { key, .. }
            | Self::Hand { key, .. } => each(key),
            _ => {}
        }
    }
}

/// The timers.
mod timer {
    use super::Timer;
    /// The oldest coordination is out of time.
    pub(super) const TIMEOUT: Timer = 0;
    /// The disk's.
    pub(super) const DISK: Timer = 1;
    /// Somebody may not have answered for too long.
    pub(super) const LOOK: Timer = 2;
    /// Owners of hints are tried.
    pub(super) const TRY: Timer = 3;
    /// The next hint is handed over.
    pub(super) const HAND: Timer = 4;
    /// Another replica is compared with.
    pub(super) const COMPARE: Timer = 5;
    /// The next key is sent to a replica that was compared with.
    pub(super) const EXCHANGE: Timer = 6;
    /// The oldest tombstone is forgotten.
    pub(super) const FORGET: Timer = 7;
}

/// A process: a replica, a coordinator of operations, or both.
#[derive(Clone, Debug)]
pub struct Quorum {
    config: Config,
    me: Peer,
    store: Store,
    table: Table,
    stand_ins: StandIns,
    handing: Handing,
    exchange: Exchange,
    /// The last stamp given here.
    stamped: u64,
}

impl Quorum {
    /// A process that is a replica, or one that only coordinates.
    pub fn new(config: Config, me: Peer, holds: bool) -> Self {
        assert!((1..=64).contains(&config.replicas), "a set of replicas is a word of bits");
        debug_assert_eq!(holds, me < config.shards * config.replicas, "replicas come first");
        Self {
            config,
            me,
            store: Store::new(me, config.disk, config.anti_entropy.is_some() && holds),
            table: Table::default(),
            stand_ins: StandIns::default(),
            handing: Handing::default(),
            exchange: Exchange::default(),
            stamped: 0,
        }
    }

    /// These stand in before others for replicas that do not answer: the replicas of all shards in its zone.
    #[must_use]
    pub fn near(mut self, near: Vec<Peer>) -> Self {
        self.stand_ins = StandIns::near(near);
        self
    }

    /// What it holds.
    pub fn data(&self) -> &Data {
        self.store.data()
    }

    /// How many hints it keeps.
    pub fn hints(&self) -> usize {
        self.store.hints.len()
    }

    /// Coordinations kept, and writes that are not certain.
    #[cfg(test)]
    pub fn pending(&self) -> (usize, usize) {
        (self.table.len(), self.store.open_writes())
    }
}

impl Protocol for Quorum {
    fn start(&mut self, how: Start, cx: &mut Context<'_>) {
        if how != Start::First {
            self.store.restart(how == Start::Empty, cx);
        }
        self.stamped = 0;
        self.table = Table::new(1 + cx.laws.below(1 << 62));
        self.stand_ins.restart();
        self.handing = Handing::default();
        self.try_later(cx);
        self.start_comparing(cx);
    }

    fn operation(&mut self, operation: Operation, phase: Phase, cx: &mut Context<'_>) {
        debug_assert_eq!(phase, Phase::Arrived, "no operation goes on to work");
        self.begin(operation, cx);
    }

    fn message(&mut self, from: Peer, message: super::Message, cx: &mut Context<'_>) {
        match message {
            super::Message::Quorum(message) => self.told(from, message, cx),
            super::Message::Refused(message) => match *message {
                super::Message::Quorum(Message::Get { number, owner, .. }) => {
                    self.refused(number, (from, owner), false, cx);
                }
                super::Message::Quorum(Message::Put { number, owner, .. }) => {
                    self.refused(number, (from, owner), true, cx);
                }
                _ => {} // tried again later
            },
            _ => debug_assert!(false, "a message of another protocol"),
        }
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>) {
        match timer {
            timer::TIMEOUT => self.expire(cx),
            timer::DISK => self.store.timed(cx),
            timer::LOOK => self.look(cx),
            timer::TRY => self.try_owners(cx),
            timer::HAND => self.hand(cx),
            timer::COMPARE => self.compare(cx),
            timer::EXCHANGE => self.exchange_next(cx),
            timer::FORGET => self.store.forget(cx),
            _ => debug_assert!(false, "no such timer"),
        }
    }
}

impl Quorum {
    fn told(&mut self, from: Peer, message: Message, cx: &mut Context<'_>) {
        match message {
            Message::Get { owner, stamp_only, number, key } => {
                let (held, firm) = self.store.get(owner, key, cx.now);
                send(from, Message::Got { owner, stamp_only, firm, number, key, held }, cx);
            }
            Message::Put { owner, number, key, held } => {
                let after = self.store.put(owner, key, held, cx);
                if owner != self.me {
                    self.try_later(cx);
                }
                if number != NOBODY {
                    self.store.say(after, from, Message::Stored { owner, number }, cx);
                }
            }
            Message::Got { owner, firm, number, held, .. } => {
                self.got(number, (from, owner), (held, firm), cx);
            }
            Message::Stored { owner, number } => self.stored(number, owner, cx),
            Message::Hand { key, held } => {
                let after = self.store.put(self.me, key, held, cx);
                self.store.say(after, from, Message::Handed { key, item: held.item }, cx);
            }
            Message::Handed { key, item } => self.handed(from, key, item, cx),
            Message::Digests(theirs) => self.list(from, &theirs, cx),
            Message::List(list) => self.differ(from, *list, cx),
            Message::Want(keys) => self.wanted(from, &keys, cx),
        }
    }
}
