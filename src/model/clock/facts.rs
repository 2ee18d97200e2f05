//! How wrong the clocks of a design are.
//!
//! **Invariant.** What is said here holds for every instance at every instant.

use super::ClocksSpec;
use crate::model::names::Names;

impl Names {
    /// How much too fast or slow a clock of the design goes at most, if any is ever wrong.
    pub fn wrong_clocks(&self) -> Option<f64> {
        let spec = self.design.clocks.as_ref();
        let faults = || self.faults().filter_map(|fault| fault.clock.as_ref());
        // All at once hit one clock.
        let drifts = faults().map(|target| target.drift.unwrap_or_default().0.abs());
        let by_itself = spec.and_then(|spec| spec.drift).unwrap_or_default().0;
        let exact = spec.is_none_or(ClocksSpec::is_exact) && faults().next().is_none();
        (!exact).then(|| by_itself + drifts.sum::<f64>())
    }
}
