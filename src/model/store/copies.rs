//! What the shards of a store hold: the version of each key that was written.
//!
//! **Invariant.** A key that was never written is of version 0.

use hashbrown::HashTable;

use crate::engine::random::mix;

/// The versions each shard holds.
#[derive(Clone, Debug, Default)]
pub struct Copies(Vec<HashTable<(u64, u64)>>);

impl Copies {
    /// Of so many shards, nothing of which was written yet.
    pub fn new(shards: usize) -> Self {
        Self(vec![HashTable::new(); shards])
    }

    /// The version of a key that a shard holds.
    pub fn version(&self, shard: u16, key: u64) -> u64 {
        let found = self.0[usize::from(shard)].find(mix(key), |&(k, _)| k == key);
        found.map_or(0, |&(_, version)| version)
    }

    /// A version takes the place of the one before.
    pub fn put(&mut self, shard: u16, key: u64, version: u64) {
        let copies = &mut self.0[usize::from(shard)];
        match copies.find_mut(mix(key), |&(k, _)| k == key) {
            Some((_, held)) => *held = version,
            None => drop(copies.insert_unique(mix(key), (key, version), |&(k, _)| mix(k))),
        }
    }
}
