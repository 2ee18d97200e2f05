//! What policies with several parts are made of: weighed parts of a cache, and memories of keys that
//! have left it.
//!
//! **Invariant.** The weight of a part is the sum of those of its entries.

use hashbrown::HashTable;

use super::{list::List, order::Entry};
use crate::engine::random::mix;

/// What is known of an entry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub(super) key: u64,
    pub(super) weight: u64,
    /// The part it is in.
    pub(super) part: u8,
    /// How often it was used, as far as the policy counts.
    pub(super) uses: u8,
}

/// All entries by number.
#[derive(Debug, Default)]
pub(super) struct Book(Vec<Known>);

impl Book {
    /// Notes an entry that was admitted.
    pub(super) fn note(&mut self, entry: Entry, key: u64, weight: u64) {
        let at = entry as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, Known::default());
        }
        self.0[at] = Known { key, weight, part: 0, uses: 0 };
    }

    pub(super) fn of(&mut self, entry: Entry) -> &mut Known {
        &mut self.0[entry as usize]
    }

    /// Takes an entry out of its part, and says which that was.
    pub(super) fn take(&mut self, held: &mut [Part], entry: Entry) -> usize {
        let known = *self.of(entry);
        held[usize::from(known.part)].remove(entry, known.weight);
        usize::from(known.part)
    }

    /// Puts an entry that is in no part into one.
    pub(super) fn put(&mut self, held: &mut [Part], entry: Entry, part: usize) {
        let known = self.of(entry);
        known.part = part as u8;
        held[part].push(entry, known.weight);
    }
}

/// A part of a cache, newest first.
#[derive(Debug, Default)]
pub(super) struct Part {
    list: List,
    pub(super) weight: u64,
}

impl Part {
    pub(super) fn push(&mut self, entry: Entry, weight: u64) {
        self.list.push_front(entry);
        self.weight += weight;
    }

    pub(super) fn remove(&mut self, entry: Entry, weight: u64) {
        self.list.remove(entry);
        self.weight -= weight;
    }

    pub(super) fn renew(&mut self, entry: Entry) {
        self.list.renew(entry);
    }

    pub(super) fn oldest(&self) -> Option<Entry> {
        self.list.back()
    }
}

/// A part of a whole in multiples of `least`; `of` says how many of the whole's.
pub(super) fn share(whole: u64, least: u64, of: impl Fn(u64) -> u64) -> u64 {
    of(whole / least).saturating_mul(least)
}

/// Keys that have left, latest first; as many as weigh no more than `most`.
#[derive(Debug)]
pub(super) struct Ghosts {
    part: Part,
    keys: Vec<(u64, u64)>,
    free: Vec<Entry>,
    index: HashTable<Entry>,
    most: u64,
}

impl Ghosts {
    pub(super) fn new(most: u64) -> Self {
        Self {
            part: Part::default(),
            keys: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            most,
        }
    }

    pub(super) fn weight(&self) -> u64 {
        self.part.weight
    }

    /// A key has left the cache.
    pub(super) fn remember(&mut self, key: u64, weight: u64) {
        self.forget(key);
        let ghost = self.free.pop().unwrap_or_else(|| {
            self.keys.push((0, 0));
            (self.keys.len() - 1) as Entry
        });
        self.keys[ghost as usize] = (key, weight);
        let keys = &self.keys;
        self.index.insert_unique(mix(key), ghost, |&g| mix(keys[g as usize].0));
        self.part.push(ghost, weight);
        while self.part.weight > self.most {
            self.drop_oldest();
        }
    }

    /// What they may weigh from now on.
    pub(super) fn bound(&mut self, most: u64) {
        self.most = most;
    }

    /// Forgets a key; whether it was remembered.
    pub(super) fn forget(&mut self, key: u64) -> bool {
        self.take(key).is_some()
    }

    /// Forgets a key; what it weighed, if it was remembered.
    pub(super) fn take(&mut self, key: u64) -> Option<u64> {
        let keys = &self.keys;
        let found = self.index.find_entry(mix(key), |&g| keys[g as usize].0 == key).ok()?;
        let (ghost, _) = found.remove();
        let weight = self.keys[ghost as usize].1;
        self.part.remove(ghost, weight);
        self.free.push(ghost);
        Some(weight)
    }

    /// Forgets the key that left longest ago.
    pub(super) fn drop_oldest(&mut self) {
        if let Some(ghost) = self.part.oldest() {
            self.forget(self.keys[ghost as usize].0);
        }
    }
}
