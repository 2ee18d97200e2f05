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
pub struct Data(HashTable<(u64, Item)>);

impl Data {
    /// What is held of a key.
    #[inline]
    pub fn get(&self, key: u64) -> Item {
        self.0.find(mix(key), |(k, _)| *k == key).map_or_else(Item::default, |(_, item)| *item)
    }

    /// An item takes the place of the one before, whatever that was.
    pub fn put(&mut self, key: u64, item: Item) {
        match self.0.find_mut(mix(key), |(k, _)| *k == key) {
            Some((_, held)) => *held = item,
            None => drop(self.0.insert_unique(mix(key), (key, item), |(k, _)| mix(*k))),
        }
    }

    /// An item takes the place of an older one; whether it did. Of two in the same place the larger version is newer.
    pub fn put_newer(&mut self, key: u64, item: Item) -> bool {
        let held = self.get(key);
        let newer = (item.order, item.version) > (held.order, held.version);
        if newer {
            self.put(key, item);
        }
        newer
    }

    /// A key is as if it had never been written.
    pub fn forget(&mut self, key: u64) {
        if let Ok(held) = self.0.find_entry(mix(key), |(k, _)| *k == key) {
            held.remove();
        }
    }

    /// Names all versions that are held, in any order.
    pub fn each(&self, each: &mut dyn FnMut(u64)) {
        self.0.iter().for_each(|(_, item)| each(item.version));
    }

    /// All that is held, by key.
    pub fn all(&self) -> Vec<(u64, Item)> {
        self.those(|_| true)
    }

    /// What is held of those keys, by key.
    pub fn those(&self, of: impl Fn(u64) -> bool) -> Vec<(u64, Item)> {
        let mut those: Vec<_> = self.0.iter().filter(|(key, _)| of(*key)).copied().collect();
        those.sort_unstable_by_key(|(key, _)| *key);
        those
    }

    /// Keys that were written.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing was written.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All is lost.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
