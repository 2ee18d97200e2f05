//! What is held of each key, with its digests, and when tombstones are forgotten.
//!
//! **Invariant.** A key of which nothing is held is not there.

use std::collections::BTreeSet;

use hashbrown::HashTable;

use super::state::{Seen, State};
use crate::engine::random::mix;
use crate::replication::digests::Digests;

/// What is held of a key.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) state: State,
    /// The number of the last write to the disk that changed it.
    pub(super) last: u64,
}

/// What is held.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    all: HashTable<(u64, Slot)>,
    /// If leaders compare what they hold.
    pub(super) digests: Option<Digests>,
    /// When a tombstone may be forgotten, and its key; some may be gone before.
    deaths: BTreeSet<(u64, u64)>,
    /// If writes that were done are to be known when they are asked for again: their versions.
    pub(super) done: Option<BTreeSet<u64>>,
    /// No key that was forgotten had a greater number of any leader: so no dot is given twice.
    pub(super) floor: u32,
}

impl Table {
    pub(super) fn new(compares: bool) -> Self {
        Self { digests: compares.then(Digests::default), ..Self::default() }
    }

    #[inline]
    pub(super) fn get(&self, key: u64) -> Option<&Slot> {
        self.all.find(mix(key), |(k, _)| *k == key).map(|(_, slot)| slot)
    }

    /// How far what is held of a key is.
    pub(super) fn seen(&self, key: u64) -> Seen {
        self.get(key).map_or_else(Seen::default, |slot| slot.state.seen())
    }

    /// This is held of a key now; nothing, if it is none.
    pub(super) fn put(&mut self, key: u64, slot: Option<Slot>) {
        let slot = slot.filter(|slot| !slot.state.is_none());
        let before = self.digests.is_some().then(|| self.seen(key));
        if let (Some(digests), Some(before)) = (&mut self.digests, before) {
            let after = slot.as_ref().map_or_else(Seen::default, |slot| slot.state.seen());
            digests.change(key, before.digest(key), after.digest(key));
        }
        let Some(slot) = slot else {
            if let Ok(held) = self.all.find_entry(mix(key), |(k, _)| *k == key) {
                held.remove();
            }
            return;
        };
        slot.state.deaths(&mut |dies| {
            self.deaths.insert((dies, key));
        });
        match self.all.find_mut(mix(key), |(k, _)| *k == key) {
            Some((_, held)) => *held = slot,
            None => drop(self.all.insert_unique(mix(key), (key, slot), |(k, _)| mix(*k))),
        }
    }

    /// Whether a write of a key was done.
    pub(super) fn has_done(&self, key: u64, version: u64) -> bool {
        let mut holds = self.done.as_ref().is_some_and(|done| done.contains(&version));
        if let Some(slot) = self.get(key).filter(|_| !holds) {
            slot.state.versions(&mut |held| holds |= held == version);
        }
        holds
    }

    /// When the next tombstone may be forgotten.
    pub(super) fn next_death(&self) -> Option<u64> {
        self.deaths.first().map(|(dies, _)| *dies)
    }

    /// Forgets what is old enough.
    pub(super) fn expire(&mut self, now: u64) {
        while let Some((dies, key)) = self.deaths.first().copied()
            && dies <= now
        {
            self.deaths.pop_first();
            let Some(mut slot) = self.get(key).cloned() else { continue };
            if slot.state.expire(now) {
                if slot.state.is_none() {
                    let highest = slot.state.dots().0.into_iter().max().unwrap_or_default();
                    self.floor = self.floor.max(highest);
                }
                self.put(key, Some(slot));
            }
        }
    }

    /// All keys that are held, in order.
    pub(super) fn keys(&self, of: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut keys: Vec<_> =
            self.all.iter().map(|(key, _)| *key).filter(|key| of(*key)).collect();
        keys.sort_unstable();
        keys
    }

    /// Everything, in any order.
    pub(super) fn each(&self, each: &mut dyn FnMut(u64, &State)) {
        self.all.iter().for_each(|(key, slot)| each(*key, &slot.state));
    }

    /// All is lost.
    pub(super) fn clear(&mut self) {
        let done = self.done.as_ref().map(|_| BTreeSet::new());
        *self = Self { done, ..Self::new(self.digests.is_some()) };
    }
}
