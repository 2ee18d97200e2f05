//! What all processes of a node are set to.
//!
//! **Invariant.** It is the same for all of them, for the whole run.

use crate::replication::disk::Mode;
use crate::replication::words::AntiEntropy;

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
    pub disk: Mode,
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
        disk: Mode::Each,
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How processes stand in for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// Who has not answered for so long is replaced, ns.
    pub after: u64,
    /// How long a hint is kept, ns.
    pub keep: u64,
    /// How many hints a process hands over per second at most.
    pub rate: u64,
}
