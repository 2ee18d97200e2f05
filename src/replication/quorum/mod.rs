//! Copies without a leader: whoever is asked asks the replicas of the key's shard, and goes on when enough of them have
//! answered (`DeCandia` et al., Dynamo, SOSP 2007, 4.5; stamps and last write wins as in Cassandra; write-back and the
//! query for a stamp as in Attiya, Bar-Noy and Dolev, JACM 1995, and Lynch and Shvartsman, FTCS 1997).
//!
//! An operation comes to a coordinator, in [`Phase::Arrived`], and is answered later; it is no work there and never
//! goes on to [`Phase::Worked`]. The work is that of the messages `get` and `put` at the replicas, of which the
//! coordinator may be one.
//!
//! **Invariant.** What a replica holds of a key only gets newer, by (stamp, version), while its process runs (and no
//! tombstone is forgotten); a `stored` says that this, or something newer, is as safe as the disk's mode promises.

mod coordinate;
mod store;

use super::data::{Data, Item};
use super::{
    Act, Answer, Context, Effect, Failure, Note, Operation, Peer, Phase, Protocol, Start, Ticket,
    Timer, Work, disk, group,
};
use coordinate::Table;
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

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// What is held of a key?
    Get {
        /// Of which replica.
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
        item: Item,
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
        item: Item,
    },
    /// It, or something newer, is held for good.
    Stored {
        /// By this replica.
        owner: Peer,
        /// To which request.
        number: Number,
    },
}

impl Message {
    /// Its name in results.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "get",
            Self::Got { .. } => "got",
            Self::Put { .. } => "put",
            Self::Stored { .. } => "stored",
        }
    }

    /// What it is to its receiver's cores.
    pub fn work(&self) -> Work {
        match *self {
            Self::Get { key, .. } => Work::Read(key),
            Self::Put { key, .. } => Work::Write(key),
            Self::Got { .. } | Self::Stored { .. } => Work::None,
        }
    }

    /// The keys whose values it carries.
    pub fn keys(&self, each: &mut dyn FnMut(u64)) {
        match *self {
            Self::Got { key, stamp_only: false, .. } | Self::Put { key, .. } => each(key),
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
}

/// A process: a replica, a coordinator of operations, or both.
#[derive(Clone, Debug)]
pub struct Quorum {
    config: Config,
    me: Peer,
    store: Store,
    table: Table,
    /// The last stamp given here.
    stamped: u64,
}

impl Quorum {
    /// A process that is a replica, or one that only coordinates.
    pub fn new(config: Config, me: Peer, holds: bool) -> Self {
        assert!((1..=64).contains(&config.replicas), "a set of replicas is a word of bits");
        debug_assert_eq!(holds, me < config.shards * config.replicas, "replicas come first");
        Self { config, me, store: Store::new(config.disk), table: Table::default(), stamped: 0 }
    }

    /// What it holds.
    pub fn data(&self) -> &Data {
        self.store.data()
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
            self.store.restart(how == Start::Empty);
        }
        self.stamped = 0;
        self.table = Table::new(1 + cx.laws.below(1 << 62));
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
                    self.refused(number, owner, false, cx);
                }
                super::Message::Quorum(Message::Put { number, owner, .. }) => {
                    self.refused(number, owner, true, cx);
                }
                _ => {}
            },
            _ => debug_assert!(false, "a message of another protocol"),
        }
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>) {
        match timer {
            timer::TIMEOUT => self.expire(cx),
            timer::DISK => self.store.timed(cx),
            _ => debug_assert!(false, "no such timer"),
        }
    }
}

impl Quorum {
    fn told(&mut self, from: Peer, message: Message, cx: &mut Context<'_>) {
        match message {
            Message::Get { owner, stamp_only, number, key } => {
                let (item, firm) = self.store.get(key);
                let got = Message::Got { owner, stamp_only, firm, number, key, item };
                cx.act(Effect::Send(from, super::Message::Quorum(got)));
            }
            Message::Put { owner, number, key, item } => {
                let after = self.store.put(key, item, cx);
                if number != NOBODY {
                    self.store.say_stored(after, (from, owner, number), cx);
                }
            }
            Message::Got { owner, firm, number, item, .. } => {
                self.got((number, owner), item, firm, cx);
            }
            Message::Stored { owner, number } => self.stored(number, owner, cx),
        }
    }
}
