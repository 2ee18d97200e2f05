//! What came to a view.

use crate::stats::Histogram;

/// What came to a view in the measured span.
#[derive(Clone, Debug, Default)]
pub struct ViewMeasured {
    /// Versions it took.
    pub applied: u64,
    /// Those that took the place of a newer one.
    pub inversions: u64,
    /// From when a version had its place at the source until it came, ns.
    pub lag: Histogram,
}
