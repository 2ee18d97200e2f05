//! Backups, over replications.

use crate::{
    model::books::{BackupsMeasured, Restored},
    results::{BackupsResults, Means, RestoredResults, seconds},
};

/// Restores of the first replication that are told one by one.
const MOST: usize = 100;

/// The backups of a store.
#[derive(Clone, Debug, Default)]
pub(super) struct BackupsPool {
    snapshots: Means,
    restores: Means,
    keys: Means,
    time: Means,
    age: Means,
    /// Those of the first replication.
    first: Option<Vec<RestoredResults>>,
}

impl BackupsPool {
    /// Adds what was measured in the next replication.
    pub(super) fn push(&mut self, one: &BackupsMeasured) {
        let all = &one.restored;
        let longest = |of: fn(&Restored) -> u64| all.iter().map(of).max().map(seconds);
        self.snapshots.push(Some(one.snapshots as f64));
        self.restores.push(Some(all.len() as f64));
        self.keys.push(Some(all.iter().map(|one| one.keys as f64).sum()));
        self.time.push(longest(|one| one.to - one.from));
        self.age.push(longest(|one| one.age));
        self.first.get_or_insert_with(|| {
            let told = |one: &Restored| RestoredResults {
                shard: one.shard.into(),
                from: seconds(one.from),
                to: seconds(one.to),
                age: seconds(one.age),
                keys: one.keys,
            };
            all.iter().take(MOST).map(told).collect()
        });
    }

    /// What is told of them.
    pub(super) fn results(&self, confidence: f64) -> BackupsResults {
        BackupsResults {
            snapshots: self.snapshots.estimate(confidence),
            restores: self.restores.estimate(confidence),
            keys: self.keys.estimate(confidence),
            time: self.time.estimate(confidence),
            age: self.age.estimate(confidence),
            restored: self.first.clone().unwrap_or_default(),
        }
    }
}
