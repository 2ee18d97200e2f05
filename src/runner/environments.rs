//! Environments of functions, over replications.

use crate::{
    model::{
        books::{EnvironmentBooks, EnvironmentsMeasured},
        prices::GIGABYTE,
        probe::NodeMeasured,
    },
    results::{EnvironmentCounts, EnvironmentResults, Means, Ratios},
};

/// Memory in use: 10^9 bytes for a second, without and with being provisioned.
pub(super) fn gb_seconds(own: &EnvironmentsMeasured) -> Option<[f64; 2]> {
    let memory = own.memory? as f64 / GIGABYTE;
    Some([own.books.billed as f64 / 1e3, own.books.provisioned as f64 / 1e9].map(|s| s * memory))
}

/// The environments of a function.
#[derive(Clone, Debug, Default)]
pub(super) struct EnvironmentPool {
    starts: Means,
    cold: Ratios,
    there: Means,
    most: Means,
    starting: Means,
    busy: Means,
    idle: Means,
    used: [Means; 2],
}

impl EnvironmentPool {
    /// Adds what was measured in the next replication.
    pub(super) fn push(&mut self, node: &NodeMeasured) {
        let Some(own) = &node.environments else { return };
        let EnvironmentBooks { there, starting, busy, starts, visits, cold, .. } = own.books;
        let mean = |integral: u128| (node.span > 0).then(|| integral as f64 / node.span as f64);
        self.starts.push(Some(starts as f64));
        self.cold.push(cold, visits);
        self.there.push(mean(there));
        self.most.push(Some(own.most as f64));
        self.starting.push(mean(starting));
        self.busy.push(mean(busy));
        self.idle.push(mean(there - starting - busy));
        let used = gb_seconds(own);
        for (i, means) in self.used.iter_mut().enumerate() {
            means.push(used.map(|used| used[i]));
        }
    }

    /// What is told of them.
    pub(super) fn results(&self, confidence: f64) -> EnvironmentResults {
        let [gb_seconds, provisioned_gb_seconds] =
            self.used.each_ref().map(|means| means.estimate(confidence));
        EnvironmentResults {
            cold_starts: self.starts.estimate(confidence),
            cold_share: self.cold.fraction(confidence),
            environments: EnvironmentCounts {
                mean: self.there.estimate(confidence),
                max: self.most.estimate(confidence),
            },
            starting: self.starting.estimate(confidence),
            busy: self.busy.estimate(confidence),
            idle: self.idle.estimate(confidence),
            gb_seconds,
            provisioned_gb_seconds,
        }
    }
}
