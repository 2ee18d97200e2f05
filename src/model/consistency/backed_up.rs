//! Shards that lost all but for what is kept elsewhere, and the writes that were lost so.
//!
//! **Invariant.** A write is lost that came before and is newer than what is kept of its key.

use std::collections::BTreeMap;

/// Shards that lost all.
#[derive(Debug, Default)]
pub(super) struct BackedUp(Vec<Gone>);

/// One, once.
#[derive(Clone, Debug)]
struct Gone {
    shard: u16,
    /// What its one copy held, in order; of a shard with replicas none: all its keys.
    keys: Option<Vec<u64>>,
    /// The last place in the order that had been given, and when that was, ns.
    upto: u64,
    at: u64,
    /// By key, how far that goes with which the shard was restored; none: it has not been.
    kept: Option<BTreeMap<u64, u64>>,
}

impl BackedUp {
    /// A shard lost all, of these keys if its one copy did.
    pub(super) fn lost(&mut self, shard: u16, keys: Option<Vec<u64>>, (upto, at): (u64, u64)) {
        self.0.push(Gone { shard, keys, upto, at, kept: None });
    }

    /// A shard holds this again.
    pub(super) fn restored(&mut self, shard: u16, kept: &BTreeMap<u64, u64>) {
        let open = self.0.iter_mut().filter(|one| one.shard == shard && one.kept.is_none());
        open.for_each(|one| one.kept = Some(kept.clone()));
    }

    /// The run ends: what is kept of those that were not restored is held.
    pub(super) fn ends(&mut self, kept: impl Fn(u16) -> BTreeMap<u64, u64>) {
        for one in self.0.iter_mut().filter(|one| one.kept.is_none()) {
            one.kept = Some(kept(one.shard));
        }
    }

    /// Nothing was.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether what had this place was lost, and when.
    pub(super) fn takes(&self, (key, order): (u64, u64), shard: u16) -> Option<u64> {
        let is_lost = |one: &&Gone| {
            let is_of = match &one.keys {
                Some(keys) => keys.binary_search(&key).is_ok(),
                None => one.shard == shard,
            };
            let kept = || one.kept.as_ref().and_then(|kept| kept.get(&key)).copied();
            is_of && order <= one.upto && kept().is_none_or(|kept| order > kept)
        };
        self.0.iter().find(is_lost).map(|one| one.at)
    }
}
