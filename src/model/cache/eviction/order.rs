//! What an eviction policy is to a cache.

use std::fmt;

/// Number of an entry of a cache.
pub type Entry = u32;

/// What a cache asks of a policy.
pub trait Order: fmt::Debug + Send {
    /// A lookup found the entry, or a fill renewed it.
    fn hit(&mut self, entry: Entry);
    /// A key that is not held is about to be admitted, before anything leaves for it.
    fn arriving(&mut self, _key: u64) {}
    /// The entry was admitted; its weight is 1, or its bytes.
    fn admit(&mut self, entry: Entry, key: u64, weight: u64);
    /// Chooses an entry to leave and forgets it; there is one.
    fn evict(&mut self) -> Entry;
    /// The entry left by itself: invalidated or expired.
    fn remove(&mut self, entry: Entry);
    /// No entry is known that weighs less: parts are whole multiples of it. Told before the first entry
    /// where weights are bytes, so that a cache told in bytes has the parts of one told in entries.
    fn measure(&mut self, _least: u64) {}
    /// What time it is (ns), told before anything else happens if it `reads_clock`.
    fn clock(&mut self, _now: u64) {}
    /// Whether it asks for the time.
    fn reads_clock(&self) -> bool {
        false
    }
}
