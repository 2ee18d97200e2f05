//! Digests of what a replica holds, by range of keys.
//!
//! **Invariant.** A digest depends on what is held in its range, not on how that came.

use crate::engine::random::mix;
use crate::replication::data::Item;

/// Ranges of (hashed) keys.
const RANGES: usize = 1024;

/// The range of a key.
pub(super) fn range(key: u64) -> u16 {
    (mix(key) >> 54) as u16
}

/// Digests of what is held, by range.
#[derive(Clone, Debug)]
pub(super) struct Digests(pub(super) Box<[u64]>);

impl Default for Digests {
    fn default() -> Self {
        Self(vec![0; RANGES].into())
    }
}

impl Digests {
    /// A key's item takes the place of another one.
    pub(super) fn change(&mut self, key: u64, before: Item, after: Item) {
        self.0[usize::from(range(key))] ^= digest(key, before) ^ digest(key, after);
    }
}

/// That of nothing is 0.
fn digest(key: u64, item: Item) -> u64 {
    if item.version == 0 { 0 } else { mix(key ^ mix(item.order ^ mix(item.version))) }
}
