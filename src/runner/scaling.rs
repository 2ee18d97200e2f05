//! What autoscalers decided, over replications.
//!
//! **Invariant.** Changes are listed of the first replication: no two change at the same instants.

use crate::{
    model::books::{Scaled, ScalingMeasured},
    results::{Means, ScaledResults, ScalingResults, seconds},
};

/// Changes that are listed; more would drown the reader.
const LISTED: usize = 1000;

/// The autoscaler of one node in many replications.
#[derive(Clone, Debug, Default)]
pub(super) struct ScalingPool {
    up: Means,
    down: Means,
    longest_wait: Means,
    /// Of the first replication.
    changes: Option<Vec<ScaledResults>>,
}

impl ScalingPool {
    /// Adds what was decided in the next replication.
    pub(super) fn push(&mut self, ScalingMeasured { all }: &ScalingMeasured) {
        let count = |rose: bool| all.iter().filter(|one| (one.to > one.from) == rose).count();
        self.up.push(Some(count(true) as f64));
        self.down.push(Some(count(false) as f64));
        self.longest_wait.push(all.iter().filter_map(Scaled::waited).max().map(seconds));
        let told = |one: &Scaled| ScaledResults {
            at: seconds(one.at),
            from: one.from,
            to: one.to,
            ready: one.ready.map(seconds),
            waited: one.waited().map(seconds),
        };
        self.changes.get_or_insert_with(|| all.iter().take(LISTED).map(told).collect());
    }

    /// Its figures.
    pub(super) fn results(&self, confidence: f64) -> ScalingResults {
        ScalingResults {
            up: self.up.estimate(confidence),
            down: self.down.estimate(confidence),
            longest_wait: self.longest_wait.estimate(confidence),
            changes: self.changes.clone().unwrap_or_default(),
        }
    }
}
