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
    /// How many times the baseline's figure it is.
    Ratio,
    /// How much more than the baseline's figure it is.
    Difference,
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
    /// How far the figure is on the right side of its limit; against a baseline, how far the ratio or difference is.
    pub margin: Option<f64>,
    /// Why, where the figures do not say it.
    pub reason: Option<String>,
    /// Replications that would probably tell.
    pub needed: Option<u64>,
    /// What it is held against, if that is a baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Against>,
}

/// How a figure stands to that of a baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// Unit of the figure: `s`, `/s`, `fraction`, `number`, `$`.
    pub unit: String,
    /// The baseline's figure; none: nothing was observed, or it falls on what was never answered.
    pub value: Option<f64>,
    /// How many times that the figure is, where the distance allowed is relative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// How much more it is, where that is absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<f64>,
    /// The two are the same in every replication.
    pub same: bool,
}
