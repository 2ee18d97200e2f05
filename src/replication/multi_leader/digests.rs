//! Digests of what a leader holds, by range of keys.
//!
//! **Invariant.** A digest depends on what is held in its range, not on how that came.

use super::state::Seen;
use crate::engine::random::mix;

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
    /// What is held of a key takes the place of something else.
    pub(super) fn change(&mut self, key: u64, before: &Seen, after: &Seen) {
        self.0[usize::from(range(key))] ^= before.digest(key) ^ after.digest(key);
    }
}
