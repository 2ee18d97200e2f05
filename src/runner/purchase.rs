//! How instances were bought, over replications.
//!
//! **Invariant.** As in `runner/nodes.rs`.

use crate::{
    model::books::PurchaseMeasured,
    results::{ClassResults, Means, PurchaseResults},
};

/// Nanoseconds of an hour.
const HOUR: f64 = 3600e9;

/// The instances of one node in many replications.
#[derive(Clone, Debug, Default)]
pub(super) struct PurchasePool {
    /// Hours by class.
    hours: [Means; 3],
    reclaims: Means,
}

impl PurchasePool {
    /// Adds what was there in the next replication.
    pub(super) fn push(&mut self, one: &PurchaseMeasured) {
        for (pool, time) in self.hours.iter_mut().zip(one.time) {
            pool.push(Some(time as f64 / HOUR));
        }
        self.reclaims.push(Some(one.reclaims as f64));
    }

    /// Its figures.
    pub(super) fn results(&self, confidence: f64) -> PurchaseResults {
        let [reserved, spot, on_demand] = self.hours.each_ref().map(|hours| ClassResults {
            instance_hours: hours.estimate(confidence),
            reclaims: None,
        });
        let reclaims = Some(self.reclaims.estimate(confidence));
        PurchaseResults { reserved, spot: ClassResults { reclaims, ..spot }, on_demand }
    }
}
