//! Keys that moved to other shards, over replications.

use crate::{
    model::books::MovedMeasured,
    results::{Means, MovedResults, Ratios, seconds},
};

/// Keys of a store that moved.
#[derive(Clone, Debug, Default)]
pub(super) struct MovedPool {
    keys: Means,
    bytes: Means,
    fraction: Ratios,
    time: Means,
}

impl MovedPool {
    /// Adds what was measured in the next replication.
    pub(super) fn push(&mut self, one: &MovedMeasured) {
        self.keys.push(Some(one.keys as f64));
        self.bytes.push(Some(one.bytes as f64));
        self.fraction.push(one.keys, one.held);
        self.time.push(one.over.then(|| seconds(one.time)));
    }

    /// What is told of them.
    pub(super) fn results(&self, confidence: f64) -> MovedResults {
        MovedResults {
            keys: self.keys.estimate(confidence),
            bytes: self.bytes.estimate(confidence),
            fraction: self.fraction.fraction(confidence),
            time: self.time.estimate(confidence),
        }
    }
}
