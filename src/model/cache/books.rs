//! What happened in one instance of a cache.
//!
//! **Invariant.** hits + misses = lookups.

/// Counts of one instance from the start of the run.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheBooks {
    /// Lookups, coalesced ones included.
    pub lookups: u64,
    /// Of these: found.
    pub hits: u64,
    /// Of the misses: waited for a fetch that was under way.
    pub coalesced: u64,
    /// Of the hits: served though their time was over.
    pub stale_hits: u64,
    /// Of the hits: found that the key cannot be read.
    pub negative_hits: u64,
    /// Entries that left for lack of room.
    pub evictions: u64,
}

impl CacheBooks {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            lookups: self.lookups + other.lookups,
            hits: self.hits + other.hits,
            coalesced: self.coalesced + other.coalesced,
            stale_hits: self.stale_hits + other.stale_hits,
            negative_hits: self.negative_hits + other.negative_hits,
            evictions: self.evictions + other.evictions,
        }
    }

    /// What happened since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            lookups: self.lookups - earlier.lookups,
            hits: self.hits - earlier.hits,
            coalesced: self.coalesced - earlier.coalesced,
            stale_hits: self.stale_hits - earlier.stale_hits,
            negative_hits: self.negative_hits - earlier.negative_hits,
            evictions: self.evictions - earlier.evictions,
        }
    }
}
