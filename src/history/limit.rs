//! Which keys are followed.
//!
//! **Invariant.** A key is followed if its hash is below a bound that only ever falls, so one that was
//! left out never comes back, and the share of the keys that is followed is the bound's.

use std::collections::BTreeMap;

use super::followed::Followed;
use super::index::mix;

/// The bound.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Hashes of 63 bits below it are followed.
    bound: u64,
    writes: usize,
}

const ALL: u64 = 1 << 63;
/// Hashes are first told apart by so many bits.
const COARSE_BITS: u32 = 12;

/// Not the hash by which stores place keys on shards, lest whole shards be left out.
#[inline]
fn hash(key: u64) -> u64 {
    mix(mix(key) ^ 0x666f_6c6c_6f77_6564) >> 1
}

impl Limit {
    /// Follows a share of the keys and at most so many writes.
    #[must_use]
    pub fn new(keys: f64, writes: u32) -> Self {
        Self { bound: (keys.clamp(0.0, 1.0) * ALL as f64) as u64, writes: writes.max(1) as usize }
    }

    /// Whether a key is followed.
    #[inline]
    #[must_use]
    pub fn follows(&self, key: u64) -> bool {
        self.bound == ALL || hash(key) < self.bound
    }

    /// The most writes kept.
    #[inline]
    #[must_use]
    pub fn writes(&self) -> usize {
        self.writes
    }

    /// The share of all keys that is followed.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.bound as f64 / ALL as f64
    }

    /// Leaves out keys, the largest hash first, until an eighth of the room is free: one at a time
    /// would need them sorted.
    #[cold]
    pub fn tighten(&mut self, followed: &mut Followed) {
        let room = self.writes - self.writes.div_ceil(8);
        let rows = |id| followed.chain(id).count();
        let mut coarse = vec![0; 1 << COARSE_BITS];
        let part = |key: u64| (hash(key) >> (63 - COARSE_BITS)) as usize;
        followed.keys().for_each(|(id, entry)| coarse[part(entry.key)] += rows(id));
        let mut kept = 0;
        let fits = |&&rows: &&usize| {
            kept += rows;
            kept <= room
        };
        let whole = coarse.iter().take_while(fits).count();
        kept = coarse[..whole].iter().sum();
        // Then one by one within the part that does not fit as a whole.
        let in_part = followed.keys().filter(|(_, entry)| part(entry.key) == whole);
        let mut fine: BTreeMap<u64, usize> = BTreeMap::new();
        for (id, entry) in in_part {
            *fine.entry(hash(entry.key)).or_default() += rows(id);
        }
        let too_much = fine.iter().find(|&(_, &rows)| {
            kept += rows;
            kept > room
        });
        self.bound = *too_much.expect("more writes than there is room for").0;
        followed.forget(|key| hash(key) >= self.bound);
    }
}
