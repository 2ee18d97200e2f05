//! Pools of connections, over replications.
//!
//! **Invariant.** A rate is a count over the measured span.

use crate::{
    model::connection::books::PoolBooks,
    results::{Means, PoolResults, Ratios, Samples, seconds},
};

/// One pool, in many replications.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectionsPool {
    waits: Samples,
    waited: Ratios,
    setups: Means,
    resets: Means,
}

impl ConnectionsPool {
    /// Adds what was measured in the next replication, over so many ns.
    pub(super) fn push(&mut self, books: &PoolBooks, span: u64) {
        self.waits.push(&books.waits);
        self.waited.push(books.waited, books.asked);
        let rate = |n: u64| (span > 0).then(|| n as f64 / seconds(span));
        self.setups.push(rate(books.setups));
        self.resets.push(rate(books.resets));
    }

    /// Its figures.
    pub(super) fn results(&self, confidence: f64) -> PoolResults {
        PoolResults {
            waiting_time: self.waits.distribution(confidence),
            wait_probability: self.waited.fraction(confidence),
            setups: self.setups.estimate(confidence),
            resets: self.resets.estimate(confidence),
        }
    }
}
