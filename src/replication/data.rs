//! What a replica holds: of each key that was written a version and its place in the order.
//!
//! **Invariant.** A key that was never written is of version 0, in place 0.

use hashbrown::HashTable;

use super::damage::{Damage, Strike};
use super::items::Items;
use crate::engine::random::mix;

/// What is held of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// The version.
    pub version: u64,
    /// Its place in the order: rises with it.
    pub order: u64,
}

/// What a replica holds.
#[derive(Clone, Debug, Default)]
pub struct Data {
    items: Items,
    /// If writes that were done are to be known when they are asked for again: their versions and places.
    done: Option<HashTable<(u64, u64)>>,
    /// If copies may be damaged without a word: what stood before the last write of each key.
    before: Option<HashTable<(u64, Item)>>,
    /// If some were damaged.
    damage: Option<Box<Damage>>,
}

impl Data {
    /// Nothing was written; whether writes that were done are to be known when they are asked for again.
    #[must_use]
    pub fn remembering(remembers: bool) -> Self {
        Self { done: remembers.then(HashTable::default), ..Self::default() }
    }

    /// What stood before the last write of each key is to be known.
    pub fn look_back(&mut self) {
        self.before.get_or_insert_default();
    }

    /// Copies are damaged.
    pub fn strike(&mut self, strike: Strike) {
        if !strike.silent {
            return self.damage.get_or_insert_default().add(strike);
        }
        for (key, item) in self.before(&strike) {
            if item.version == 0 { self.forget(key) } else { self.put(key, item) }
        }
    }

    /// Whether whoever reads the copy of a key finds it damaged.
    #[inline]
    pub fn is_damaged(&self, key: u64) -> bool {
        self.damage.as_ref().is_some_and(|damage| damage.is_at(key))
    }

    /// The copy of a key is sound again.
    pub fn mend(&mut self, key: u64) {
        if let Some(damage) = &mut self.damage {
            damage.mend(key);
        }
    }

    /// What stood before the last write of each key that a strike hits, by key.
    pub fn before(&self, strike: &Strike) -> Vec<(u64, Item)> {
        let all = self.before.iter().flat_map(HashTable::iter);
        let mut hit: Vec<_> = all.filter(|(key, _)| strike.hits(*key)).copied().collect();
        hit.sort_unstable_by_key(|(key, _)| *key);
        hit
    }

    /// The place of a version that was written, if it is known, whatever took its place since.
    pub fn done(&self, version: u64) -> Option<u64> {
        let done = self.done.as_ref()?;
        done.find(mix(version), |(v, _)| *v == version).map(|(_, order)| *order)
    }

    /// This was written, too, whatever took its place since.
    pub fn remember(&mut self, item: Item) {
        let Some(done) = self.done.as_mut().filter(|_| item.version != 0) else { return };
        if done.find(mix(item.version), |(v, _)| *v == item.version).is_none() {
            let new = (item.version, item.order);
            done.insert_unique(mix(item.version), new, |(v, _)| mix(*v));
        }
    }

    /// A version was never written.
    pub fn unlearn(&mut self, version: u64) {
        let done = self.done.as_mut();
        if let Some(Ok(held)) =
            done.map(|done| done.find_entry(mix(version), |(v, _)| *v == version))
        {
            held.remove();
        }
    }

    /// All that are known to have been written, by version.
    pub fn all_done(&self) -> Vec<Item> {
        let done = self.done.iter().flat_map(HashTable::iter);
        let mut all: Vec<Item> =
            done.map(|(version, order)| Item { version: *version, order: *order }).collect();
        all.sort_unstable_by_key(|item| item.version);
        all
    }

    /// Says that what is held of a key will be asked for soon.
    #[inline]
    pub fn expect(&self, key: u64) {
        self.items.expect(key);
    }

    /// What is held of a key.
    #[inline]
    pub fn get(&self, key: u64) -> Item {
        self.items.get(key).unwrap_or_default()
    }

    /// An item takes the place of the one before, whatever that was.
    pub fn put(&mut self, key: u64, item: Item) {
        self.remember(item);
        if self.before.is_some() {
            self.keep_before(key);
        }
        self.mend(key);
        self.items.insert(key, item);
    }

    #[cold]
    fn keep_before(&mut self, key: u64) {
        let held = self.get(key);
        let Some(before) = &mut self.before else { return };
        match before.find_mut(mix(key), |(k, _)| *k == key) {
            Some((_, older)) => *older = held,
            None => drop(before.insert_unique(mix(key), (key, held), |(k, _)| mix(*k))),
        }
    }

    /// An item takes the place of an older one; whether it did. Of two in the same place the larger version is newer.
    pub fn put_newer(&mut self, key: u64, item: Item) -> bool {
        let held = self.get(key);
        let newer = (item.order, item.version) > (held.order, held.version);
        if newer {
            self.put(key, item);
        } else {
            self.remember(item);
        }
        newer
    }

    /// Takes up what was held elsewhere, where it is newer, and the writes that were known to have been done there.
    pub fn take_up(&mut self, held: &[(u64, Item)], done: &[Item]) {
        for item in done {
            self.remember(*item);
        }
        for (key, item) in held {
            self.put_newer(*key, *item);
        }
    }

    /// A key is as if it had never been written.
    pub fn forget(&mut self, key: u64) {
        self.mend(key);
        self.items.remove(key);
    }

    /// Names all versions that are held, in any order; what is damaged is not.
    pub fn each(&self, each: &mut dyn FnMut(u64)) {
        let sound = self.items.iter().filter(|(key, _)| !self.is_damaged(*key));
        sound.for_each(|(_, item)| each(item.version));
    }

    /// Names all that is held, in any order.
    pub fn each_item(&self, each: &mut dyn FnMut(u64, Item)) {
        self.items.iter().for_each(|(key, item)| each(*key, *item));
    }

    /// All that is held, by key.
    pub fn all(&self) -> Vec<(u64, Item)> {
        self.those(|_| true)
    }

    /// What is held of those keys, by key.
    pub fn those(&self, of: impl Fn(u64) -> bool) -> Vec<(u64, Item)> {
        let mut those: Vec<_> = self.items.iter().filter(|(key, _)| of(*key)).copied().collect();
        those.sort_unstable_by_key(|(key, _)| *key);
        those
    }

    /// Keys that were written.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Nothing was written.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.items.len() == 0
    }

    /// All is lost.
    pub fn clear(&mut self) {
        let (remembers, looks_back) = (self.done.is_some(), self.before.is_some());
        *self = Self::remembering(remembers);
        self.before = looks_back.then(HashTable::default);
    }
}
