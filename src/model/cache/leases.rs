//! Who may fill a cache after a miss (R. Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, 3.2.1).
//!
//! A miss is given a lease; an invalidation voids all that are out of its key, so that what was read before it cannot come
//! back after it.
//!
//! **Invariant.** A lease is good for one fill, and for [`LASTS`] at most.

use std::collections::BTreeMap;

/// How long a lease lasts, ns: 10 s, as in memcached.
const LASTS: u64 = 10_000_000_000;

/// The leases that are out: of each key, who has one, and since when.
#[derive(Clone, Debug, Default)]
pub struct Leases(BTreeMap<u64, Vec<(u64, u64)>>);

impl Leases {
    /// A miss of a key: whoever asked has a lease.
    pub fn give(&mut self, key: u64, holder: u64, now: u64) {
        let out = self.0.entry(key).or_default();
        out.retain(|(_, since)| now - since <= LASTS);
        out.push((holder, now));
    }

    /// A fill of a key comes: whether it may.
    pub fn redeem(&mut self, key: u64, holder: u64, now: u64) -> bool {
        let Some(out) = self.0.get_mut(&key) else { return false };
        let Some(at) = out.iter().position(|(other, _)| *other == holder) else { return false };
        let (_, since) = out.remove(at);
        if out.is_empty() {
            self.0.remove(&key);
        }
        now - since <= LASTS
    }

    /// A key is written or taken out: no fill may come any more.
    pub fn void(&mut self, key: u64) {
        self.0.remove(&key);
    }

    /// The instance died.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
