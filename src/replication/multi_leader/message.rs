//! What leaders of a shard say to one another.
//!
//! **Invariant.** What speaks of a log names the life of the leader whose log it is.

use super::state::{Seen, State};
use crate::replication::digests::List;
use crate::replication::words::{Dots, Work};

/// A life of a leader: it ends when the leader loses something that others were told of. All begin with [`FIRST`].
pub type Life = u64;

/// The life all leaders begin with.
pub const FIRST: Life = 1;

/// A write, as it is in its leader's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: u64,
    /// What is written.
    pub version: u64,
    /// Its stamp, where the highest one stays; else its number among those of its leader.
    pub number: u64,
    /// What it writes over: what its writer had read, or of a delete of elements what its leader had.
    pub context: Dots,
    /// It is a tombstone.
    pub delete: bool,
}

/// Some of all that a leader holds, for another one. When it has come to the end, the other one has all that is in the log
/// up to a place, and goes on from there.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// The sender's.
    pub life: Life,
    /// The receiver's.
    pub to: Life,
    /// By what it is answered.
    pub number: u64,
    /// It is the last one; all of the log up to this place has been sent then.
    pub last: Option<u64>,
    /// The sender has taken all of the receiver's log up to this place, in whatever life.
    pub yours: u64,
    /// How many lives of the sender, and of the receiver, are over, as far as the sender knows.
    pub over: (u32, u32),
    /// What is held, by key.
    pub items: Vec<(u64, State)>,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The entries of the sender's log after a place.
    Replicate {
        /// The sender's.
        life: Life,
        /// The place of the entry before.
        prev: u64,
        /// The entries; none to ask how far the other one is.
        entries: Box<[Entry]>,
    },
    /// All of the receiver's log up to this place is applied and as safe as the disk's mode promises.
    Replicated {
        /// The receiver's, as far as the sender knows.
        life: Life,
        /// The place; none if the sender has to be told everything first.
        upto: Option<u64>,
    },
    /// The sender began a new life, with what was left to it, and wants all that the receiver holds; or the receiver takes it
    /// for one whose life is over.
    Hello {
        /// The sender's.
        life: Life,
        /// The life that the receiver takes for it; 0 if that is not known.
        over: Life,
    },
    /// Some of all that the sender holds.
    Chunk(Box<Chunk>),
    /// It is held for good.
    Copied {
        /// Which one.
        number: u64,
    },
    /// What is held of a key, where that differed.
    State(Box<(u64, State)>),
    /// Digests of what is held, by range of keys.
    Digests(Box<[u64]>),
    /// What is held in some ranges of keys, without values.
    List(Box<List<Seen>>),
    /// The receiver is to send what it holds of these keys.
    Want(Box<[u64]>),
}

impl Message {
    /// Its name in results.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Replicate { .. } | Self::Chunk(_) | Self::State(_) => "replicate",
            Self::Replicated { .. } | Self::Copied { .. } => "replicated",
            Self::Hello { .. } => "hello",
            Self::Digests(_) => "digests",
            Self::List(_) => "list",
            Self::Want(_) => "want",
        }
    }

    /// What it is to its receiver's cores; applying entries is work of its own.
    pub fn work(&self) -> Work {
        match self {
            Self::State(of) => Work::Write(of.0),
            _ => Work::None,
        }
    }

    /// The keys whose values it carries: that of a state once for each sibling.
    pub fn keys(&self, each: &mut dyn FnMut(u64)) {
        let mut all = |(key, state): &(u64, State)| (0..state.values()).for_each(|_| each(*key));
        match self {
            Self::Replicate { entries, .. } => entries.iter().for_each(|entry| each(entry.key)),
            Self::Chunk(chunk) => chunk.items.iter().for_each(all),
            Self::State(of) => all(of),
            _ => {}
        }
    }
}
