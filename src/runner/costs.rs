//! What faults cost the data, over replications.
//!
//! **Invariant.** A time that was not over in one replication is not known.

use crate::{
    model::{
        lasted::Lasted,
        probe::{Cost, FaultMeasured},
    },
    results::{Estimate, FaultResults, Means, RtoResults, seconds},
};

/// Times that may not be over by the end.
#[derive(Clone, Debug, Default)]
struct Times {
    each: Means,
    /// There was one.
    any: bool,
    /// One was not over.
    open: bool,
}

impl Times {
    /// Adds that of the next replication, or what counts where there was none.
    fn push(&mut self, lasted: Lasted, nothing: Option<f64>) {
        self.any |= lasted != Lasted::Nothing;
        self.open |= lasted == Lasted::Open;
        self.each.push(match lasted {
            Lasted::Nothing => nothing,
            Lasted::For(ns) => Some(seconds(ns)),
            Lasted::Open => None,
        });
    }

    fn estimate(&self, confidence: f64) -> Estimate {
        if self.open { Estimate::mean_of(&[], confidence) } else { self.each.estimate(confidence) }
    }
}

/// The worst that faults cost a store, or what one cost all stores, in many replications.
#[derive(Clone, Debug, Default)]
pub(super) struct CostPool {
    rpo: Means,
    rto: [Times; 2],
    converged: Times,
}

impl CostPool {
    /// Adds that of the next replication.
    pub(super) fn push(&mut self, cost: &Cost) {
        self.rpo.push(Some(seconds(cost.rpo)));
        let rto = self.rto.iter_mut().zip(cost.rto);
        rto.for_each(|(pool, lasted)| pool.push(lasted, Some(0.0)));
        self.converged.push(cost.converged, None);
    }

    pub(super) fn rpo(&self, confidence: f64) -> Estimate {
        self.rpo.estimate(confidence)
    }

    pub(super) fn rto(&self, confidence: f64) -> RtoResults {
        let [read, write] = self.rto.each_ref().map(|times| times.estimate(confidence));
        RtoResults { read, write }
    }

    /// None where no fault parted replicas.
    pub(super) fn converged(&self, confidence: f64) -> Option<Estimate> {
        self.converged.any.then(|| self.converged.estimate(confidence))
    }
}

/// What a fault cost.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultCosts {
    /// Some store is followed.
    followed: bool,
    lost: Means,
    all: CostPool,
}

impl FaultCosts {
    /// Adds that of the next replication, if the fault came.
    pub(super) fn push(&mut self, fault: &FaultMeasured) {
        self.followed |= fault.lost.is_some();
        if !fault.spans.is_empty() {
            self.lost.push(fault.lost.map(|lost| lost as f64));
            self.all.push(&fault.cost);
        }
    }

    /// Puts down the figures.
    pub(super) fn tell(&self, fault: FaultResults, confidence: f64) -> FaultResults {
        let known = |estimate: Estimate| self.followed.then_some(estimate);
        FaultResults {
            lost_acked_writes: known(self.lost.estimate(confidence)),
            rpo: known(self.all.rpo(confidence)),
            rto: self.followed.then(|| self.all.rto(confidence)),
            convergence_time: self.all.converged(confidence),
            ..fault
        }
    }
}
