//! Replication from one leader to its followers, by shipping its log: asynchronous, semi-synchronous or synchronous, with
//! failover by observers.
//!
//! The leader gives each write its place, makes it certain on its disk, and ships it after its lag: one `append` per entry
//! and follower, in order. A follower stores, answers `stored`, and applies in log order as work. What gets lost is shipped
//! again from what the follower is known to have. Observers ping the leader; a majority that has not heard of it has the
//! most advanced candidate lead the next epoch. There is no consensus: what was acknowledged and not shipped is lost.
//!
//! The order of an entry is its place, which names its writer too: epoch, life of the leader within it, number. So logs
//! with an entry in common are equal up to it (Ongaro, Ousterhout, ATC 2014, section 5.3, with the same argument), and a
//! leader that lost the end of its log to a crash never gives a place twice.
//!
//! A disk that is never certain means that a leader that crashes and comes back leads with nothing, and its followers
//! follow it there, as replicas of a store in memory do.
//!
//! **Invariant.** Within an epoch a follower's stored log is a beginning of its leader's; a place has one entry.

mod follow;
mod lead;
mod log;
mod observer;
mod replica;

pub use log::Sent;
pub use observer::Observer;
pub use replica::Replica;

use super::data::Item;
use super::{Peer, Timer, Work, disk, place};

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ack {
    /// When the leader has it.
    #[default]
    Async,
    /// When all followers have stored it.
    Sync,
    /// When some have. While the oldest write that they lack is older than the timeout, when the leader has it.
    SemiSync {
        /// How long a write waits for them, ns.
        timeout: u64,
        /// How many.
        acks: u16,
    },
}

/// How another replica comes to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failover {
    /// A leader that was not heard of for so long is thought dead, ns.
    pub detect: u64,
    /// Who watches: processes beyond all replicas.
    pub observers: Vec<Peer>,
    /// Numbers of the replicas that may be promoted; the one that led may lead again.
    pub candidates: Vec<u16>,
    /// The leader serves only while a majority of observers has heard it within `detect`.
    pub fencing: bool,
}

/// What all processes of a node know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Copies of a shard: the leader and its followers.
    pub replicas: u16,
    /// When a write is acknowledged.
    pub ack: Ack,
    /// An entry leaves so long after its commit as [`Law::Lag`](super::Law::Lag) says; at once otherwise.
    pub has_lag: bool,
    /// So many entries are applied at a time at a follower, those of a key in order.
    pub apply_lanes: u8,
    /// A follower further behind sends readers to the leader, ns.
    pub max_lag: Option<u64>,
    /// When what is written is certain.
    pub disk: disk::Mode,
    /// How another replica comes to lead; without it the leader stays.
    pub failover: Option<Failover>,
}

impl Config {
    /// How often the leader says that it leads, if there is nothing else to say, ns.
    fn beat(&self) -> Option<u64> {
        let lag = self.max_lag.map(|lag| lag / 4);
        let detect = self.failover.as_ref().map(|failover| failover.detect / 5);
        lag.into_iter().chain(detect).min().map(|beat| beat.max(MILLISECOND))
    }
}

const MILLISECOND: u64 = 1_000_000;
/// What nobody has acknowledged for so long is sent again.
const RESEND: u64 = 200 * MILLISECOND;
/// It is not waited longer than this for an answer, however long answers took.
const PATIENCE: u64 = 2_000 * MILLISECOND;
/// The most entries in a message to a follower that answers.
const BATCH: usize = 4096;
/// And to one that does not.
const PROBE: usize = 64;
/// The leader keeps at most so many entries for followers that lack them.
const KEPT: usize = 1 << 16;
/// A follower keeps at most so many entries that came before their turn.
const EARLY: usize = 1 << 12;

/// Timers of a replica.
const DISK: Timer = 0;
const LEAVE: Timer = 1;
const TICK: Timer = 2;
const SEMI: Timer = 3;
const RETRY: Timer = 4;
const REBUILD: Timer = 5;

/// Who wrote an entry: an epoch, and the life of its leader within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reign(u32);

impl Reign {
    /// The first life of an epoch.
    fn of(epoch: u32) -> Self {
        debug_assert!(epoch < 1 << 20, "a run has so many promotions at most");
        Self(epoch << 12)
    }

    /// Its leader died and goes on.
    fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The epoch.
    fn epoch(self) -> u32 {
        self.0 >> 12
    }

    /// The epoch as results know it.
    fn term(self) -> u64 {
        u64::from(self.epoch())
    }

    /// The place of the entry after one.
    fn after(self, last: u64) -> u64 {
        let number = (last & ((1 << 28) - 1)) + 1;
        place(self.term(), u64::from(self.0 & 0xfff) << 28 | number)
    }
}

/// How a leader is, as it tells observers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It serves.
    Serves,
    /// It applies what it had stored and not applied.
    Drains,
    /// Not enough observers have heard it.
    Fenced,
}

/// All data of a replica.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Whose.
    pub reign: Reign,
    /// The place of the last entry that is in it.
    pub place: u64,
    /// When it was taken, by the sender's clock, ns.
    pub at: u64,
    /// What is held of each key.
    pub items: Vec<(u64, Item)>,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Leader to follower: the entry after the one in place `prev`.
    Append {
        /// The leader's.
        reign: Reign,
        /// The place of the entry before.
        prev: u64,
        /// The entry.
        sent: Sent,
    },
    /// Leader to follower: the entries after the one in place `prev`, again or to catch up.
    Batch {
        /// The leader's.
        reign: Reign,
        /// The place of the entry before.
        prev: u64,
        /// The entries.
        entries: Box<[Sent]>,
    },
    /// Leader to follower: it leads, and how far it is.
    Beat {
        /// The leader's.
        reign: Reign,
        /// It has committed all up to this place.
        last: u64,
        /// When it said so, by its clock, ns.
        at: u64,
        /// All replicas have stored all up to this place.
        all: u64,
        /// An answer is wanted.
        ask: bool,
    },
    /// Follower to leader: it has stored all of the leader's log up to this place.
    Stored {
        /// The leader's.
        reign: Reign,
        /// The place.
        place: u64,
    },
    /// Follower to leader: what comes after this place, which it has? Leader to follower: it has lost all, who has most?
    Ask {
        /// The newest it knows.
        reign: Reign,
        /// The place.
        place: u64,
    },
    /// Leader to follower: the log begins only after this place.
    TooOld {
        /// The leader's.
        reign: Reign,
        /// The place.
        base: u64,
    },
    /// One that is rebuilt asks for all data.
    Copy {
        /// The newest it knows.
        reign: Reign,
    },
    /// The answer to it.
    Snapshot(Box<Snapshot>),
    /// Observer to leader: is it alive?
    Ping,
    /// Leader to observer: it leads.
    Pong {
        /// The leader's.
        reign: Reign,
        /// When it said so, by its clock, ns.
        at: u64,
        /// How it is.
        state: State,
    },
    /// Observer to leader: it has heard it, and will hear of no other for `detect`.
    Renewed {
        /// The leader's.
        epoch: u32,
        /// Of the `pong` that was heard.
        at: u64,
    },
    /// Observer to observer: it has not heard of the leader.
    Suspect {
        /// Of which shard.
        shard: u16,
        /// The newest epoch it knows the leader of.
        epoch: u32,
        /// The epoch it promotes a replica for, 0 for none.
        acting: u32,
    },
    /// Observer to whom it may concern: who leads.
    Knows {
        /// Which shard.
        shard: u16,
        /// A replica of it.
        leader: Peer,
        /// Its epoch.
        epoch: u32,
    },
    /// Observer to observer: may it give this epoch to a replica?
    Grant {
        /// Of which shard.
        shard: u16,
        /// The epoch.
        epoch: u32,
    },
    /// Observer to observer: it may, or this epoch is taken.
    Granted {
        /// Of which shard.
        shard: u16,
        /// The epoch that was given, or the newest that is taken.
        epoch: u32,
        /// It may.
        yes: bool,
    },
    /// Observer to candidate: how far is it? It follows nobody older from now on.
    Position {
        /// The epoch that is to begin.
        epoch: u32,
    },
    /// Candidate to observer.
    At {
        /// The epoch that is to begin.
        epoch: u32,
        /// The place of its last entry.
        place: u64,
        /// It has lost all.
        empty: bool,
    },
    /// Observer to candidate: it leads this epoch.
    Lead {
        /// The epoch.
        epoch: u32,
    },
}

impl Message {
    /// Its name in results.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Append { .. } => "append",
            Self::Batch { .. } => "batch",
            Self::Beat { .. } => "beat",
            Self::Stored { .. } => "stored",
            Self::Ask { .. } => "ask",
            Self::TooOld { .. } => "too_old",
            Self::Copy { .. } => "copy",
            Self::Snapshot(_) => "snapshot",
            Self::Ping => "ping",
            Self::Pong { .. } => "pong",
            Self::Renewed { .. } => "renewed",
            Self::Suspect { .. } => "suspect",
            Self::Knows { .. } => "knows",
            Self::Grant { .. } => "grant",
            Self::Granted { .. } => "granted",
            Self::Position { .. } => "position",
            Self::At { .. } => "at",
            Self::Lead { .. } => "lead",
        }
    }

    /// What it is to its receiver's cores: nothing; applying is work of its own.
    pub fn work(&self) -> Work {
        Work::None
    }

    /// The keys whose values it carries.
    pub fn keys(&self, each: &mut dyn FnMut(u64)) {
        match self {
            Self::Append { sent, .. } => each(sent.key),
            Self::Batch { entries, .. } => entries.iter().for_each(|sent| each(sent.key)),
            Self::Snapshot(snapshot) => snapshot.items.iter().for_each(|(key, _)| each(*key)),
            _ => {}
        }
    }
}
