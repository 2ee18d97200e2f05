//! A figure with its interval: what all results are made of.
//!
//! **Invariant.** `lower <= value <= upper`, where they are known.

use serde::{Deserialize, Serialize};

/// A figure estimated over replications, with its interval at the run's confidence; `lower` and
/// `upper` are null with one replication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Point estimate (null when nothing was observed).
    pub value: Option<f64>,
    /// Lower end of the interval.
    pub lower: Option<f64>,
    /// Upper end of the interval.
    pub upper: Option<f64>,
    /// Replications it rests on.
    pub n: u64,
}
