//! What all processes of a node know, and what all replicas are made to: times, sizes and timers.
//!
//! **Invariant.** It is the same for all of them, for the whole run.

use crate::replication::disk::Mode;
use crate::replication::words::{Peer, Timer};

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
    /// The replicas, of all shards, that may be promoted; the one that led may lead again.
    pub candidates: Vec<Peer>,
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
    /// An entry leaves so long after its commit as [`Law::Lag`](crate::replication::words::Law::Lag) says; at once
    /// otherwise.
    pub has_lag: bool,
    /// So many entries are applied at a time at a follower, those of a key in order.
    pub apply_lanes: u8,
    /// Only who serves as the leader is read.
    pub reads_at_leader: bool,
    /// A follower further behind sends readers to the leader, ns.
    pub max_lag: Option<u64>,
    /// When what is written is certain.
    pub disk: Mode,
    /// How another replica comes to lead; without it the leader stays.
    pub failover: Option<Failover>,
    /// All data are copied key by key; otherwise at once, after [`Law::Rebuild`](crate::replication::words::Law::Rebuild).
    pub paced: Option<Paced>,
}

/// How data are copied key by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paced {
    /// From one key to the next, ns.
    pub every: u64,
    /// So many keys of a shard were there before anybody wrote, ..
    pub keys: u64,
    /// .. and these of all: 1 to this.
    pub all: u64,
}

impl Config {
    /// How often the leader says that it leads, if there is nothing else to say, ns.
    pub(super) fn beat(&self) -> Option<u64> {
        let lag = self.max_lag.map(|lag| lag / 4);
        let detect = self.failover.as_ref().map(|failover| failover.detect / 5);
        lag.into_iter().chain(detect).min().map(|beat| beat.max(MILLISECOND))
    }
}

const MILLISECOND: u64 = 1_000_000;
/// What nobody has acknowledged for so long is sent again.
pub(super) const RESEND: u64 = 200 * MILLISECOND;
/// It is not waited longer than this for an answer, however long answers took.
pub(super) const PATIENCE: u64 = 2_000 * MILLISECOND;
/// The most entries in a message to a follower that answers.
pub(super) const BATCH: usize = 4096;
/// And to one that does not.
pub(super) const PROBE: usize = 64;
/// The leader keeps at most so many entries for followers that lack them.
pub(super) const KEPT: usize = 1 << 16;
/// A follower keeps at most so many entries that came before their turn.
pub(super) const EARLY: usize = 1 << 12;

/// The disk's timer.
pub(super) const DISK: Timer = 0;
/// The next committed entry leaves.
pub(super) const LEAVE: Timer = 1;
/// A leader looks after its followers; one that lost all asks for data.
pub(super) const TICK: Timer = 2;
/// The oldest write may have waited long enough.
pub(super) const SEMI: Timer = 3;
/// What was asked for may not have come.
pub(super) const RETRY: Timer = 4;
/// The time it takes to copy all data is over, or that of one key.
pub(super) const REBUILD: Timer = 5;
