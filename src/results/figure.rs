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

/// Figures of a sample of durations, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Number of samples, over all replications.
    pub count: u64,
    /// Mean.
    pub mean: Estimate,
    /// Standard deviation.
    pub sd: Estimate,
    /// Median.
    pub p50: Estimate,
    /// 90th percentile.
    pub p90: Estimate,
    /// 95th percentile.
    pub p95: Estimate,
    /// 99th percentile.
    pub p99: Estimate,
    /// 99.9th percentile.
    pub p999: Estimate,
    /// Largest sample, exact.
    pub max: Estimate,
}
