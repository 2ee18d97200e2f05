//! What replicas and observers say to one another.
//!
//! **Invariant.** What speaks for a leader names its epoch.

use crate::replication::data::Item;
use crate::replication::words::{Begin, Peer, Work, place};

/// Who wrote an entry: an epoch, and the life of its leader within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reign(u32);

impl Reign {
    /// The first life of an epoch.
    pub(super) fn of(epoch: u32) -> Self {
        debug_assert!(epoch < 1 << 20, "a run has so many promotions at most");
        Self(epoch << 12)
    }

    /// Whose leader gave a place.
    pub(super) fn that_gave(place: u64) -> Self {
        Self((place >> 28) as u32)
    }

    /// Its leader died and goes on.
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The epoch.
    pub(super) fn epoch(self) -> u32 {
        self.0 >> 12
    }

    /// The epoch as results know it.
    pub(super) fn term(self) -> u64 {
        u64::from(self.epoch())
    }

    /// The place of the entry after one.
    pub(super) fn after(self, last: u64) -> u64 {
        let number = (last & ((1 << 28) - 1)) + 1;
        place(self.term(), u64::from(self.0 & 0xfff) << 28 | number)
    }
}

/// An entry as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its place.
    pub place: u64,
    /// The key.
    pub key: u64,
    /// What is written.
    pub version: u64,
    /// When it was committed, by its leader's clock, ns.
    pub at: u64,
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
    /// Where each reign begins, up to that place.
    pub begins: Vec<Begin>,
    /// What is held of each key.
    pub items: Vec<(u64, Item)>,
    /// What else is known to have been written.
    pub done: Vec<Item>,
    /// It says what there is; each key has to be fetched.
    pub paced: bool,
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
    /// One that is rebuilt key by key: what of this one stood at that place?
    Fetch {
        /// The reign in which it was told what there is.
        reign: Reign,
        /// The place.
        place: u64,
        /// The key.
        key: u64,
    },
    /// The answer to it.
    Fetched {
        /// As it was asked.
        place: u64,
        /// The key.
        key: u64,
    },
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
            Self::Fetch { .. } => "fetch",
            Self::Fetched { .. } => "fetched",
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

    /// What it is to its receiver's cores: nothing, but for keys that are copied one by one; applying is work of its own.
    pub fn work(&self) -> Work {
        match *self {
            Self::Fetch { key, .. } => Work::Read(key),
            Self::Fetched { key, .. } => Work::Write(key),
            _ => Work::None,
        }
    }

    /// The keys whose values it carries.
    pub fn keys(&self, each: &mut dyn FnMut(u64)) {
        match self {
            Self::Append { sent, .. } => each(sent.key),
            Self::Batch { entries, .. } => entries.iter().for_each(|sent| each(sent.key)),
            Self::Snapshot(snapshot) if snapshot.paced => {}
            Self::Snapshot(snapshot) => snapshot.items.iter().for_each(|(key, _)| each(*key)),
            Self::Fetched { key, .. } => each(*key),
            _ => {}
        }
    }
}
