//! What a process keeps of a key, and what it keeps for others.
//!
//! **Invariant.** A hint is of some version: what is of none is not kept.

use std::collections::BTreeMap;

use super::message::Held;
use crate::replication::data::Item;
use crate::replication::words::Peer;

/// What is kept of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) item: Item,
    /// Of a tombstone: when it is forgotten, by the local clock; 0 if never.
    pub(super) dies: u64,
    /// Of a hint: since when it is kept.
    pub(super) since: u64,
}

impl Kept {
    /// As it travels.
    pub(super) fn held(self, now: u64) -> Held {
        let left = if self.dies == 0 { 0 } else { self.dies.saturating_sub(now).max(1) };
        Held { item: self.item, left }
    }
}

/// The hints of a process: what it keeps for others, by owner and key.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    pub(super) all: BTreeMap<(Peer, u64), Kept>,
}

impl Hints {
    /// What is kept.
    pub(super) fn get(&self, owner: Peer, key: u64) -> Kept {
        self.all.get(&(owner, key)).copied().unwrap_or_default()
    }

    /// Keeps this, or nothing.
    pub(super) fn put(&mut self, owner: Peer, key: u64, kept: Kept) {
        if kept.item.version == 0 {
            self.all.remove(&(owner, key));
        } else {
            self.all.insert((owner, key), kept);
        }
    }

    /// It is stored.
    pub(super) fn drop_stored(&mut self, owner: Peer, key: u64, item: Item) {
        if self.get(owner, key).item == item {
            self.all.remove(&(owner, key));
        }
    }

    /// Names all versions that are kept.
    pub(super) fn versions(&self, each: &mut dyn FnMut(u64)) {
        self.all.values().for_each(|kept| each(kept.item.version));
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The first one from here on.
    pub(super) fn next(&self, from: (Peer, u64)) -> Option<((Peer, u64), Kept)> {
        self.all.range(from..).next().map(|(at, kept)| (*at, *kept))
    }
}
