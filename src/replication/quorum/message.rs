//! What processes say to one another about keys.
//!
//! **Invariant.** What is held travels with its stamp.

use crate::replication::data::Item;
use crate::replication::digests::List;
use crate::replication::words::{Peer, Work};

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

/// What is asked of what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// All of it.
    Value,
    /// Its stamp.
    Stamp,
    /// Its stamp; or that of this version, if it was written here.
    StampOf(u64),
}

/// Why something is to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is brought back from where it was read.
    Repair,
    /// It is written.
    Write,
    /// It is written, unless it was already: with another stamp, maybe.
    Once,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// What is held of a key?
    Get {
        /// By which replica.
        owner: Peer,
        /// What of it.
        what: What,
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
        /// Why.
        why: Why,
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
    List(Box<List<Item>>),
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
