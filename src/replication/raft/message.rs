//! What replicas of a Raft group say to one another.
//!
//! **Invariant.** A message says nothing that was not true of its sender when it was sent.

use crate::replication::data::Item;
use crate::replication::words::{Begin, Work};

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A leader's entries, or a heartbeat if there are none (`AppendEntries`: Ongaro and Ousterhout 2014, 5.3).
    Append(Box<Append>),
    /// The answer to it.
    Appended {
        /// The term of who answers.
        term: u64,
        /// Its log agrees with the leader's up to `index`, durably; if not, it may agree up to `index` at most.
        agrees: bool,
        /// See `agrees`; [`TORN`] if only a snapshot helps.
        index: u64,
        /// The round that is answered; 0 if none is.
        round: u64,
    },
    /// A vote is asked for (`RequestVote`: Ongaro and Ousterhout 2014, 5.2).
    Vote {
        /// In this term.
        term: u64,
        /// Index of the candidate's last entry.
        last: u64,
        /// Its term.
        last_term: u64,
        /// Only whether it would be given (Ongaro 2014, 9.6).
        pre: bool,
    },
    /// The answer to it.
    Voted {
        /// The term asked for if granted, else that of who answers.
        term: u64,
        /// Whether it is given.
        granted: bool,
        /// See [`Message::Vote`].
        pre: bool,
    },
    /// All that the leader holds, for who is too far behind its log (Ongaro and Ousterhout 2014, 7).
    Snapshot(Box<Snapshot>),
}

/// The index of an answer by which a replica asks for a snapshot: it has applied what the leader has not.
pub const TORN: u64 = u64::MAX;

/// An entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The term of the leader that made it.
    pub term: u64,
    /// The key.
    pub key: u64,
    /// What is written; 0: nothing, it only marks the beginning of a term.
    pub version: u64,
}

impl Entry {
    /// It writes nothing.
    pub fn is_empty(&self) -> bool {
        self.version == 0
    }
}

/// Entries that follow one that the receiver should have.
#[derive(Clone, Debug, PartialEq)]
pub struct Append {
    /// The leader's term.
    pub term: u64,
    /// Index of the entry before the first one here.
    pub prev: u64,
    /// Its term.
    pub prev_term: u64,
    /// All up to this index are committed.
    pub commit: u64,
    /// All replicas have all up to this index.
    pub all: u64,
    /// Which round of heartbeats this is of; 0 if of none.
    pub round: u64,
    /// The leader does not know how far the receiver is, and wants an answer at once.
    pub probe: bool,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// All that a leader holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The leader's term.
    pub term: u64,
    /// It holds what all entries up to this one made.
    pub index: u64,
    /// The term of that entry.
    pub index_term: u64,
    /// What is held.
    pub items: Vec<(u64, Item)>,
    /// What else is known to have been written.
    pub done: Vec<Item>,
    /// Of a group that was restored: where it begins anew.
    pub begins: Vec<Begin>,
}

impl Message {
    /// Its name in results.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Append(_) => "append",
            Self::Appended { .. } => "appended",
            Self::Vote { pre: false, .. } => "vote",
            Self::Voted { pre: false, .. } => "voted",
            Self::Vote { .. } => "pre_vote",
            Self::Voted { .. } => "pre_voted",
            Self::Snapshot(_) => "snapshot",
        }
    }

    /// What it is to its receiver's cores: storing is the disk's, and applying is work of its own.
    pub fn work(&self) -> Work {
        Work::None
    }

    /// The keys whose values it carries.
    pub fn keys(&self, each: &mut dyn FnMut(u64)) {
        match self {
            Self::Append(append) => {
                for entry in append.entries.iter().filter(|entry| !entry.is_empty()) {
                    each(entry.key);
                }
            }
            Self::Snapshot(snapshot) => {
                for (key, _) in &snapshot.items {
                    each(*key);
                }
            }
            _ => {}
        }
    }
}
