//! Transactions of which a part took effect for good and another one did not: who looks on tells by what stores wrote.
//!
//! **Invariant.** Nothing that coordinators or shards believe of a transaction is asked.

use std::collections::{BTreeMap, BTreeSet};

use super::held::Holdings;
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
    /// It was lost, for this cause.
    lost: Option<&'static str>,
}

/// Why something is lost: nobody holds it; the copy was damaged; a later leader began without it.
const CRASH: &str = "crash";
const CORRUPT: &str = "corrupt";
const FAILOVER: &str = "failover";

/// The transactions of a replication, and what stores wrote of them.
#[derive(Clone, Debug, Default)]
pub struct Torn {
    transactions: BTreeMap<u64, Vec<Part>>,
    /// What was written, by version.
    written: BTreeMap<u64, Written>,
    /// What shards hold may be lost: it matters what became of transactions that were written.
    lossy: bool,
    /// Stores with logs, which say in the end what was written.
    logs: BTreeSet<NodeId>,
}

impl Torn {
    /// Of a design in which what shards hold may be lost, or not.
    pub fn new(lossy: bool, logs: BTreeSet<NodeId>) -> Self {
        Self { lossy, logs, ..Self::default() }
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
        self.written.insert(part.version, Written { part, lost: None });
        let all = || parts.iter().all(|part| self.written.contains_key(&part.version));
        if !self.lossy && all() {
            let parts = self.transactions.remove(&transaction).unwrap_or_default();
            for part in parts {
                self.written.remove(&part.version);
            }
        }
    }

    /// A store lost all it held of these keys (in order), by damage to copies or not.
    pub fn wiped(&mut self, store: NodeId, keys: &[u64], damaged: bool) {
        for written in self.written.values_mut() {
            let Part { store: of, key, .. } = written.part;
            if of == store && keys.binary_search(&key).is_ok() {
                written.lost.get_or_insert(if damaged { CORRUPT } else { CRASH });
            }
        }
    }

    /// These versions were damaged.
    pub fn damaged(&mut self, versions: &[u64]) {
        for version in versions {
            if let Some(written) = self.written.get_mut(version) {
                written.lost.get_or_insert(CORRUPT);
            }
        }
    }

    /// How many are torn as the run ends, by the store of the first part that is missing, and why it is: of what is promised,
    /// `versions` may yet be written. This says the shard of a key.
    pub fn counted(
        &self,
        held: &Holdings,
        mut shard: impl FnMut(NodeId, u64) -> u16,
    ) -> BTreeMap<NodeId, BTreeMap<&'static str, u64>> {
        let mut all: BTreeMap<NodeId, BTreeMap<&'static str, u64>> = BTreeMap::new();
        let is_log = |part: &Part| self.logs.contains(&part.store);
        let stays = |part: &Part| match self.written.get(&part.version) {
            Some(written) => written.lost.is_none(),
            None => is_log(part) && held.written.contains(&part.version),
        };
        for parts in self.transactions.values().filter(|parts| parts.iter().any(stays)) {
            let may_come = |part: &Part| {
                let written = self.written.contains_key(&part.version);
                !written && held.versions.contains(part.version)
            };
            let Some(missing) = parts.iter().find(|part| !stays(part) && !may_come(part)) else {
                continue;
            };
            let &Part { store, key, version } = missing;
            let gone = |shard| held.logs.contains_key(&(store, shard));
            let cause = match self.written.get(&version) {
                None if is_log(missing) && !gone(shard(store, key)) => FAILOVER,
                written => written.and_then(|written| written.lost).unwrap_or(CRASH),
            };
            *all.entry(store).or_default().entry(cause).or_default() += 1;
        }
        all
    }
}
