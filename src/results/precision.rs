//! How precisely latency is known, where that decided how many replications were run.

use serde::{Deserialize, Serialize};

/// What became of a precision that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrecisionResults {
    /// How far an end of an interval may be from its value, as a share of that.
    pub wanted: f64,
    /// Replications at most.
    pub most: u64,
    /// Whether both are known so well.
    pub reached: bool,
    /// How far the ends are from the mean latency, as a share of it; null: not known.
    pub mean: Option<f64>,
    /// The same of its 99th percentile.
    pub p99: Option<f64>,
    /// Replications that would probably do.
    pub needed: Option<u64>,
    /// Why there is nothing to wait for, if so.
    pub reason: Option<String>,
}
