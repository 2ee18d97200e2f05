//! Numbers that the holders of a lock write with, so that what an earlier one sends late is refused (Kleppmann, "How to do
//! distributed locking", 2016).
//!
//! **Invariant.** A number is part of what is written, like its value: whoever holds the version can tell it.

use std::collections::BTreeMap;

/// Under which lock something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The lock.
    pub lock: u64,
    /// The number of its holder: each holder has a higher one than those before.
    pub number: u64,
}

/// Under which locks versions were written.
#[derive(Clone, Debug, Default)]
pub struct Fences(BTreeMap<u64, Fence>);

impl Fences {
    /// A version is written under a lock.
    pub fn note(&mut self, version: u64, fence: Fence) {
        self.0.insert(version, fence);
    }

    /// Whether a version may not take the place of another one: that is of a later holder of the same lock.
    #[must_use]
    pub fn keep_out(&self, version: u64, there: u64) -> bool {
        match (self.0.get(&version), self.0.get(&there)) {
            (Some(own), Some(there)) => own.lock == there.lock && own.number < there.number,
            _ => false,
        }
    }

    /// Whether a version is written under a lock.
    #[must_use]
    pub fn has(&self, version: u64) -> bool {
        self.0.contains_key(&version)
    }
}
