//! What clients saw of the data, over replications.
//!
//! **Invariant.** `linearizable` is true only if it is so in every replication.

use std::collections::BTreeMap;

use super::{costs::CostPool, replicas::add};
use crate::{
    history::{BEHIND, Kind, Visibility, Witness},
    model::probe::{ConsistencyMeasured, DATA_OPERATIONS, all_are},
    results::{
        ConsistencyResults, Estimate, KStaleness, Means, Ratios, Samples, TVisibility,
        WitnessResults, seconds,
    },
};

/// One store, or all that are followed, in many replications.
#[derive(Clone, Debug, Default)]
pub(super) struct ConsistencyPool {
    replications: usize,
    operations: [Means; DATA_OPERATIONS.len()],
    keys: Means,
    checked: Means,
    followed: Means,
    stale_reads: Means,
    stale: Ratios,
    age: Samples,
    /// A version counts as a second, for samples are times.
    versions: Samples,
    behind: [Ratios; BEHIND.len()],
    /// Fresh reads, and all, by how long the newest write was ago, ns.
    visible: BTreeMap<u64, (u64, u64)>,
    linearizable: Option<bool>,
    violations: Means,
    witness: Vec<WitnessResults>,
    /// Reads of own writes, of what was read; writes after own ones, after reads.
    broken: [Means; 4],
    /// What there is a cause for, by cause.
    not_checked: BTreeMap<&'static str, Means>,
    lost: Means,
    costs: CostPool,
    /// Where something may be attempted several times.
    duplicates: Option<Means>,
    /// Of stores with leaders.
    split: Option<Means>,
    /// Where siblings are kept.
    conflicts: Option<Means>,
    /// Where somebody writes over what was read.
    lost_updates: Option<Means>,
    overlaps: Option<Means>,
    /// Where transactions write.
    torn: Option<Means>,
    torn_by_cause: BTreeMap<&'static str, Means>,
    lost_by_cause: BTreeMap<&'static str, Means>,
}

impl ConsistencyPool {
    /// Adds what was seen in the next replication.
    pub(super) fn push(&mut self, one: &ConsistencyMeasured, seed: u64) {
        let count = |n: u64| Some(n as f64);
        for (pool, n) in self.operations.iter_mut().zip(one.operations) {
            pool.push(count(n));
        }
        self.keys.push(count(one.keys));
        self.checked.push(count(one.checked));
        self.followed.push(Some(one.followed));
        let (stale, reads) = (one.staleness.stale_reads(), one.staleness.reads());
        self.stale_reads.push(count(stale));
        self.stale.push(stale, reads);
        self.age.push(&one.age);
        self.versions.push(&one.versions);
        for (pool, (_, n)) in self.behind.iter_mut().zip(one.staleness.behind()) {
            pool.push(n, reads);
        }
        for Visibility { after_ns, fresh, reads } in one.staleness.visibility() {
            let sum = self.visible.entry(after_ns).or_default();
            *sum = (sum.0 + fresh, sum.1 + reads);
        }
        self.linearizable = match self.replications {
            0 => one.linearizable,
            _ => all_are(self.linearizable, one.linearizable),
        };
        self.violations.push(count(one.violations));
        let of = one.broken;
        let broken =
            [of.read_your_writes, of.monotonic_reads, of.monotonic_writes, of.writes_follow_reads];
        self.broken.iter_mut().zip(broken).for_each(|(pool, n)| pool.push(count(n)));
        if self.witness.is_empty() {
            self.witness = one.witness.iter().flat_map(|of| witness(of, seed)).collect();
        }
        let before = self.replications;
        add(&mut self.not_checked, &one.not_checked, before);
        add(&mut self.lost_by_cause, &one.lost, before);
        add(&mut self.torn_by_cause, &one.torn_by_cause, before);
        self.lost.push(count(one.lost.values().sum()));
        self.costs.push(&one.cost);
        if let Some(again) = one.duplicates {
            self.duplicates.get_or_insert_default().push(count(again));
        }
        if let Some(split) = one.split {
            self.split.get_or_insert_default().push(Some(seconds(split)));
        }
        if let Some(conflicts) = one.conflicts {
            self.conflicts.get_or_insert_default().push(count(conflicts));
        }
        if let Some(lost) = one.lost_updates {
            self.lost_updates.get_or_insert_default().push(count(lost));
        }
        if let Some(overlaps) = one.overlaps {
            self.overlaps.get_or_insert_default().push(count(overlaps));
        }
        if let Some(torn) = one.torn {
            self.torn.get_or_insert_default().push(count(torn));
        }
        self.replications += 1;
    }

    /// The figures.
    pub(super) fn results(&self, confidence: f64) -> ConsistencyResults {
        let mean = |means: &Means| means.estimate(confidence);
        let by_cause = |all: &BTreeMap<&'static str, Means>| -> BTreeMap<String, Estimate> {
            all.iter().map(|(cause, means)| ((*cause).to_owned(), mean(means))).collect()
        };
        let operations = DATA_OPERATIONS.iter().zip(&self.operations);
        let done = |means: &Means| means.mean().is_some_and(|mean| mean > 0.0);
        let behind = BEHIND.iter().zip(&self.behind);
        let visible = self.visible.iter();
        ConsistencyResults {
            operations: operations
                .filter(|(_, means)| done(means))
                .map(|(name, means)| ((*name).to_owned(), mean(means)))
                .collect(),
            keys: mean(&self.keys),
            keys_checked: mean(&self.checked),
            followed: mean(&self.followed),
            stale_reads: mean(&self.stale_reads),
            stale_read_fraction: self.stale.share(confidence),
            staleness_age: self.age.distribution(confidence),
            staleness_versions: self.versions.distribution(confidence),
            k_staleness: behind
                .map(|(&versions, of)| KStaleness { versions, fraction: of.share(confidence) })
                .collect(),
            t_visibility: visible
                .map(|(after, &(fresh, reads))| TVisibility {
                    after: seconds(*after),
                    fresh: fresh as f64 / reads as f64,
                    reads,
                })
                .collect(),
            linearizable: self.linearizable,
            not_checked: by_cause(&self.not_checked),
            violations: mean(&self.violations),
            witness: self.witness.clone(),
            read_your_writes_violations: mean(&self.broken[0]),
            monotonic_read_violations: mean(&self.broken[1]),
            monotonic_write_violations: mean(&self.broken[2]),
            writes_follow_reads_violations: mean(&self.broken[3]),
            lost_acked_writes: mean(&self.lost),
            rpo: self.costs.rpo(confidence),
            rto: self.costs.rto(confidence),
            convergence_time: self.costs.converged(confidence),
            duplicate_applies: self.duplicates.as_ref().map(mean),
            split_brain_time: self.split.as_ref().map(mean),
            conflicts: self.conflicts.as_ref().map(mean),
            lost_updates: self.lost_updates.as_ref().map(mean),
            lock_overlaps: self.overlaps.as_ref().map(mean),
            torn_transactions: self.torn.as_ref().map(mean),
            torn_by_cause: by_cause(&self.torn_by_cause),
            lost_by_cause: by_cause(&self.lost_by_cause),
        }
    }
}

fn witness(of: &Witness, seed: u64) -> impl Iterator<Item = WitnessResults> {
    of.operations.iter().map(move |op| WitnessResults {
        seed,
        key: of.key,
        operation: match op.kind {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Delete => "delete",
        }
        .to_owned(),
        version: format!("{:x}", op.version),
        invoked: op.invoked_ns.map(seconds),
        returned: op.returned_ns.map(seconds),
    })
}
