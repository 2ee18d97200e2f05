//! What was seen of a store's data.
//!
//! **Invariant.** As in `probe.rs`.

use std::collections::BTreeMap;

use crate::{
    history::{Acknowledged, Entry, Staleness, Violations, Witness},
    model::{lasted::Lasted, probe::view::ViewMeasured},
    stats::Histogram,
};

/// Kinds of operations on data, as results name them.
pub const DATA_OPERATIONS: [&str; 5] = ["read", "write", "delete", "cas", "increment"];

/// What clients saw of a store's data.
#[derive(Clone, Debug, Default)]
pub struct ConsistencyMeasured {
    /// Operations of the measured span that were answered ([`DATA_OPERATIONS`]).
    pub operations: [u64; DATA_OPERATIONS.len()],
    /// Keys that were written and are followed.
    pub keys: u64,
    /// Those whose history was checked.
    pub checked: u64,
    /// Others, by why not.
    pub not_checked: BTreeMap<&'static str, u64>,
    /// The share of all keys that is followed.
    pub followed: f64,
    /// How far reads of the measured span that were answered were behind.
    pub staleness: Staleness,
    /// How long the oldest version they missed had been acknowledged, ns; 0: they missed none.
    pub age: Histogram,
    /// How many versions they were behind, 10^9 for each.
    pub versions: Histogram,
    /// Whether one order explains all answers; none: not every key was checked.
    pub linearizable: Option<bool>,
    /// Contradictions among answers.
    pub violations: u64,
    /// Operations that contradict each other.
    pub witness: Option<Witness>,
    /// What broke the expectations of sessions, in requests decided in the measured span.
    pub broken: Violations,
    /// Where something may be attempted several times: how often it was done after it had been done before.
    pub duplicates: Option<u64>,
    /// Acknowledged writes that are lost, by why.
    pub lost: BTreeMap<&'static str, u64>,
    /// Where somebody writes over what was read: acknowledged writes whose place the next one took by somebody who had
    /// seen an older version last.
    pub lost_updates: Option<u64>,
    /// Of a store that keeps locks: how often somebody came into one where another one was.
    pub overlaps: Option<u64>,
    /// Of a store that transactions write: those of which it lacks a part for good, while another one took effect.
    pub torn: Option<u64>,
    /// Those, by why.
    pub torn_by_cause: BTreeMap<&'static str, u64>,
    /// Of a store with leaders: time in which two led a shard, ns.
    pub split: Option<u64>,
    /// Where siblings are kept: how often there came to be more of them.
    pub conflicts: Option<u64>,
    /// The lost writes, by when they were acknowledged.
    pub losses: Vec<Loss>,
    /// The worst that a fault cost.
    pub cost: Cost,
    /// All operations, where they were kept.
    pub entries: Option<Vec<Entry>>,
    /// Of a view: what came to it. The order of its versions is that of its source, so that it is not checked by itself.
    pub view: Option<Box<ViewMeasured>>,
}

/// An acknowledged write that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// When it was acknowledged, ns.
    pub acked: u64,
    /// When it was lost, if that is known.
    pub at: Option<u64>,
    /// Who asked for it: on which sides of cuts they stand.
    pub by: u8,
}

impl Loss {
    /// Of a write that is lost since then.
    pub fn of(write: &Acknowledged, at: Option<u64>) -> Self {
        Self { acked: write.at, at, by: write.by }
    }
}

/// What a fault cost the data, or the worst of what several did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// From the first lost acknowledgement to the beginning of the fault, or to the last one if that is later, ns; 0 if
    /// none is lost.
    pub rpo: u64,
    /// From its beginning until reads, and writes, were answered again where one had failed.
    pub rto: [Lasted; 2],
    /// From its end until replicas held what one of them held then.
    pub converged: Lasted,
}

impl Cost {
    /// The worse counts.
    pub fn add(&mut self, other: Self) {
        self.rpo = self.rpo.max(other.rpo);
        self.rto.iter_mut().zip(other.rto).for_each(|(mine, theirs)| mine.add(theirs));
        self.converged.add(other.converged);
    }
}

/// Whether two are so, each of which is, is not, or is not known to be.
pub fn all_are(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        _ => one.and(other),
    }
}

impl ConsistencyMeasured {
    /// Adds what was seen of another store.
    pub fn merge(&mut self, other: &Self) {
        let counts = self.operations.iter_mut().zip(other.operations);
        counts.for_each(|(mine, theirs)| *mine += theirs);
        // Of what nobody wrote there is nothing to say.
        let silent = |of: &Self| of.keys == 0 && of.linearizable.is_none();
        self.linearizable = match (silent(self), silent(other)) {
            (_, true) => self.linearizable,
            (true, _) => other.linearizable,
            _ => all_are(self.linearizable, other.linearizable),
        };
        self.keys += other.keys;
        self.checked += other.checked;
        self.followed = self.followed.min(other.followed);
        self.staleness.merge(&other.staleness);
        self.broken.add(other.broken);
        self.violations += other.violations;
        self.age.merge(&other.age);
        self.versions.merge(&other.versions);
        let sum = |one: Option<u64>, other: Option<u64>| {
            one.max(other).map(|_| one.unwrap_or_default() + other.unwrap_or_default())
        };
        self.split = sum(self.split, other.split);
        self.conflicts = sum(self.conflicts, other.conflicts);
        self.duplicates = sum(self.duplicates, other.duplicates);
        self.lost_updates = sum(self.lost_updates, other.lost_updates);
        self.overlaps = sum(self.overlaps, other.overlaps);
        self.torn = sum(self.torn, other.torn);
        self.cost.add(other.cost);
        if self.witness.is_none() {
            self.witness.clone_from(&other.witness);
        }
        for (mine, theirs) in [
            (&mut self.not_checked, &other.not_checked),
            (&mut self.lost, &other.lost),
            (&mut self.torn_by_cause, &other.torn_by_cause),
        ] {
            for (cause, n) in theirs {
                *mine.entry(cause).or_default() += n;
            }
        }
    }
}
