//! What a replica holds: of each key that was written a version and its place in the order.
//!
//! **Invariant.** A key that was never written is of version 0, in place 0.

use hashbrown::HashTable;

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
    items: HashTable<(u64, Item)>,
    /// If writes that were done are to be known when they are asked for again: their versions and places.
    done: Option<HashTable<(u64, u64)>>,
}

impl Data {
    /// Nothing was written; whether writes that were done are to be known when they are asked for again.
    #[must_use]
    pub fn remembering(remembers: bool) -> Self {
        Self { items: HashTable::default(), done: remembers.then(HashTable::default) }
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

    /// What is held of a key.
    #[inline]
    pub fn get(&self, key: u64) -> Item {
        self.items.find(mix(key), |(k, _)| *k == key).map_or_else(Item::default, |(_, item)| *item)
    }

    /// An item takes the place of the one before, whatever that was.
    pub fn put(&mut self, key: u64, item: Item) {
        self.remember(item);
        match self.items.find_mut(mix(key), |(k, _)| *k == key) {
            Some((_, held)) => *held = item,
            None => drop(self.items.insert_unique(mix(key), (key, item), |(k, _)| mix(*k))),
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

    /// A key is as if it had never been written.
    pub fn forget(&mut self, key: u64) {
        if let Ok(held) = self.items.find_entry(mix(key), |(k, _)| *k == key) {
            held.remove();
        }
    }

    /// Names all versions that are held, in any order.
    pub fn each(&self, each: &mut dyn FnMut(u64)) {
        self.items.iter().for_each(|(_, item)| each(item.version));
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
        self.items.is_empty()
    }

    /// All is lost.
    pub fn clear(&mut self) {
        *self = Self::remembering(self.done.is_some());
    }
}
