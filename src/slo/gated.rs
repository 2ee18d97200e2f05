//! What a gate says of objectives.

use serde::{Deserialize, Serialize};

use crate::results::Estimate;

/// What a gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is met, up to the error allowed.
    Pass,
    /// Neither is shown.
    Inconclusive,
    /// It is missed, up to the error allowed.
    Fail,
}

/// What a bound is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The figure itself.
    Figure,
    /// The share of requests that were slower than the limit, or failed.
    Slower,
    /// The share of requests that were faster than the limit.
    Faster,
    /// The share of runs that keep the limit.
    Runs,
}

/// An objective and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gated {
    /// As in the file.
    pub expression: String,
    /// What is shown of it.
    pub verdict: Verdict,
    /// The figure, as `run` gives it.
    pub estimate: Estimate,
    /// What `value` and `bound` are of.
    pub measure: Measure,
    /// What was measured of it; none: nothing was observed.
    pub value: Option<f64>,
    /// One-sided bound: on the side of the limit where it passes or nothing is shown, on the other one where it fails.
    pub bound: Option<f64>,
    /// Whether the truth is at most `bound`; at least, if not.
    pub at_most: bool,
    /// How far the figure is on the right side of its limit.
    pub margin: Option<f64>,
    /// Why, where the figures do not say it.
    pub reason: Option<String>,
    /// Replications that would probably tell.
    pub needed: Option<u64>,
}
