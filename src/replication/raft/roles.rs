//! What a replica knows as one that stands for election, leads, or follows.
//!
//! **Invariant.** It knows this while it is in the role, and dies with its process.

use std::collections::VecDeque;

use crate::replication::words::{Peer, Ticket};

/// What is asked of the others, and who agreed.
#[derive(Clone, Debug)]
pub(super) struct Votes {
    /// Only whether they would.
    pub(super) pre: bool,
    /// By replica of the shard.
    pub(super) given: Vec<bool>,
}

/// What a follower will tell its leader when it is certain.
#[derive(Clone, Debug)]
pub(super) struct Owed {
    pub(super) to: Peer,
    /// It has all up to here.
    pub(super) upto: u64,
    /// It has said so up to here.
    pub(super) told: u64,
}

/// What a leader knows.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    /// Index of the entry that marks the beginning of its term: when it is committed, all before it are known to be.
    pub(super) from: u64,
    pub(super) followers: Vec<Follower>,
    /// Writes that wait for their entries to be applied, in order of these.
    pub(super) pending: VecDeque<(u64, Ticket)>,
    /// The last round of heartbeats.
    pub(super) round: u64,
    /// When the rounds were sent that a majority has not answered yet, and the last one it has.
    pub(super) sent: VecDeque<(u64, u64)>,
    /// The last round that a majority answered.
    pub(super) confirmed: u64,
    /// Reads that wait.
    pub(super) reads: Waiting,
    /// An answer came that may let something be committed.
    pub(super) news: bool,
}

/// What a leader knows of another replica.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    pub(super) peer: Peer,
    /// It has all up to here.
    pub(super) has: u64,
    /// What it is sent next.
    pub(super) next: u64,
    /// It is not known to keep up.
    pub(super) lost: bool,
    /// When it had last got on, or lacked nothing.
    pub(super) since: u64,
    /// When it was last heard.
    pub(super) heard: u64,
    /// The last round it answered.
    pub(super) round: u64,
    /// When it was last sent a snapshot, and how long that has time to arrive.
    pub(super) snapshot: Option<(u64, u64)>,
}

impl Lead {
    /// When the last round was sent that a majority answered.
    pub(super) fn sent(&self) -> Option<u64> {
        self.sent.front().filter(|(round, _)| *round <= self.confirmed).map(|(_, at)| *at)
    }
}

/// Reads that wait, as they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    pub(super) reads: VecDeque<Waits>,
    /// The last round that was begun for reads.
    pub(super) round: u64,
}

/// A read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) ticket: Ticket,
    pub(super) key: u64,
    /// It has to find all up to this place.
    pub(super) finds: u64,
    /// Its work is done.
    pub(super) worked: bool,
}

/// A read that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    pub(super) read: Read,
    /// For this round to be answered.
    pub(super) round: u64,
    /// And for this entry to be applied.
    pub(super) index: u64,
    /// Since when.
    pub(super) since: u64,
}
