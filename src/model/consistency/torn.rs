//! Transactions of which a part took effect for good and another one did not: who looks on tells by what stores wrote.
//!
//! **Invariant.** Nothing that coordinators or shards believe of a transaction is asked.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::NodeId;

/// Something a transaction is to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The store.
    pub store: NodeId,
    /// The key.
    pub key: u64,
    /// The version.
    pub version: u64,
}

/// What became of a version that a transaction was to write.
#[derive(Clone, Copy, Debug)]
struct Written {
    part: Part,
    /// It was lost with all its shard held.
    lost: bool,
}

/// The transactions of a replication, and what stores wrote of them.
#[derive(Clone, Debug, Default)]
pub struct Torn {
    transactions: BTreeMap<u64, Vec<Part>>,
    /// What was written, by version.
    written: BTreeMap<u64, Written>,
    /// What shards hold may be lost: it matters what became of transactions that were written.
    lossy: bool,
}

impl Torn {
    /// Of a design in which what shards hold may be lost, or not.
    pub fn new(lossy: bool) -> Self {
        Self { lossy, ..Self::default() }
    }

    /// A transaction of the measured span is to write this.
    pub fn begins(&mut self, transaction: u64, parts: Vec<Part>) {
        // Of one part all or nothing is written.
        if parts.len() > 1 {
            self.transactions.insert(transaction, parts);
        }
    }

    /// A store wrote a part of it.
    pub fn writes(&mut self, transaction: u64, part: Part) {
        let Some(parts) = self.transactions.get(&transaction) else { return };
        self.written.insert(part.version, Written { part, lost: false });
        let all = || parts.iter().all(|part| self.written.contains_key(&part.version));
        if !self.lossy && all() {
            let parts = self.transactions.remove(&transaction).unwrap_or_default();
            for part in parts {
                self.written.remove(&part.version);
            }
        }
    }

    /// A store lost all it held of these keys (in order).
    pub fn wiped(&mut self, store: NodeId, keys: &[u64]) {
        for written in self.written.values_mut() {
            let Part { store: of, key, .. } = written.part;
            written.lost |= of == store && keys.binary_search(&key).is_ok();
        }
    }

    /// These versions are lost.
    pub fn lost(&mut self, versions: &[u64]) {
        for version in versions {
            if let Some(written) = self.written.get_mut(version) {
                written.lost = true;
            }
        }
    }

    /// How many are torn as the run ends, by the store of the first part that is missing; `promised` are the versions that
    /// may yet be written.
    pub fn counted(&self, promised: &BTreeSet<u64>) -> BTreeMap<NodeId, u64> {
        let mut all = BTreeMap::new();
        for parts in self.transactions.values() {
            let written = |part: &Part| self.written.get(&part.version);
            let stays = parts.iter().any(|part| written(part).is_some_and(|written| !written.lost));
            let missing = parts.iter().find(|part| match written(part) {
                Some(written) => written.lost,
                None => !promised.contains(&part.version),
            });
            if let Some(missing) = missing.filter(|_| stays) {
                *all.entry(missing.store).or_default() += 1;
            }
        }
        all
    }
}
