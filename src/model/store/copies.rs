//! What the shards of a store hold: the version of each key that was written, and when in the order of all that were.
//!
//! **Invariant.** A key that was never written is of version 0.

use crate::{
    model::consistency::watched::Damaged,
    replication::{
        Fences, Strike,
        data::{Data, Item},
    },
};

/// The versions each shard holds.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    shards: Vec<Data>,
    /// Writes so far.
    written: u64,
    /// Under which locks versions were written.
    pub fences: Fences,
}

impl Copies {
    /// What stood before the last write of each key is to be known.
    pub fn look_back(&mut self) {
        self.shards.iter_mut().for_each(Data::look_back);
    }

    /// Of so many shards, nothing of which was written yet; whether writes that were done are to be known when they are asked
    /// for again.
    pub fn new(shards: usize, remembers: bool) -> Self {
        Self {
            shards: vec![Data::remembering(remembers); shards],
            written: 0,
            fences: Fences::default(),
        }
    }

    /// The place of a version that a shard was written, if it is known; what `moves` takes along what was known of it.
    pub fn done(&self, shard: u16, version: u64, moves: bool) -> Option<u64> {
        let elsewhere = || self.shards.iter().find_map(|shard| shard.done(version));
        let here = self.shards[usize::from(shard)].done(version);
        here.or_else(|| moves.then(elsewhere).flatten())
    }

    /// What a shard holds of a key.
    pub fn get(&self, shard: u16, key: u64) -> Item {
        self.shards[usize::from(shard)].get(key)
    }

    /// The keys of which a shard holds something, in order.
    pub fn keys(&self, shard: u16) -> Vec<u64> {
        self.shards[usize::from(shard)].all().into_iter().map(|(key, _)| key).collect()
    }

    /// A shard takes what another one held of a key.
    pub fn take(&mut self, shard: u16, key: u64, item: Item) {
        if item != Item::default() {
            self.shards[usize::from(shard)].put_newer(key, item);
        }
    }

    /// A shard holds nothing of a key any more.
    pub fn forget(&mut self, shard: u16, key: u64) {
        self.shards[usize::from(shard)].forget(key);
    }

    /// Copies that a shard holds are damaged: the versions that nobody holds any more, by key, where what was before them is
    /// there again.
    pub fn strike(&mut self, shard: u16, strike: Strike) -> Damaged {
        let data = &mut self.shards[usize::from(shard)];
        let hit = |key: &u64| strike.hits(*key);
        let all = data.all().into_iter().filter(|(key, _)| hit(key)).collect::<Vec<_>>();
        data.strike(strike);
        if strike.silent {
            Damaged::Last(all.into_iter().map(|(_, item)| item.version).collect())
        } else {
            Damaged::All(all.into_iter().map(|(key, _)| key).collect())
        }
    }

    /// Whether whoever reads the copy of a key finds it damaged: then it is not there any more.
    pub fn is_found_damaged(&mut self, shard: u16, key: u64) -> bool {
        let data = &mut self.shards[usize::from(shard)];
        let damaged = data.is_damaged(key);
        if damaged {
            data.forget(key);
        }
        damaged
    }

    /// All that a shard holds, by key, and the writes that are known to have been done.
    pub fn image(&self, shard: u16) -> (Vec<(u64, Item)>, Vec<Item>) {
        let data = &self.shards[usize::from(shard)];
        (data.all(), data.all_done())
    }

    /// A shard that holds nothing takes up such an image.
    pub fn restore(&mut self, shard: u16, held: &[(u64, Item)], done: &[Item]) {
        self.shards[usize::from(shard)].take_up(held, done);
    }

    /// All that a shard holds is lost.
    pub fn clear(&mut self, shard: u16) {
        self.shards[usize::from(shard)].clear();
    }

    /// A version takes the place of the one before: its place in the order.
    pub fn put(&mut self, shard: u16, key: u64, version: u64) -> u64 {
        self.written += 1;
        self.shards[usize::from(shard)].put(key, Item { version, order: self.written });
        self.written
    }
}
