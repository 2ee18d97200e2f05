//! An objective as a run judges it.

use serde::{Deserialize, Serialize};

use super::figure::Estimate;

/// One SLO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SloResult {
    /// As written.
    pub expression: String,
    /// The metric's estimate.
    pub estimate: Estimate,
    /// From `run`, on the point estimate: `met`, `missed`; `inconclusive`: its interval holds the limit; or `undecided`:
    /// nothing was observed, the run is not complete, it depends on what is in flight at the end, or on a baseline.
    pub verdict: String,
    /// Why it is inconclusive or undecided, or was missed without a figure.
    #[serde(default)]
    pub reason: Option<String>,
    /// Distance to the limit, positive when met, in the metric's unit.
    pub margin: Option<f64>,
    /// Unit of the metric where no limit says it: of a target that is held against a baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

impl SloResult {
    /// It has no limit of its own: only `check --baseline` can judge it.
    #[must_use]
    pub const fn is_of_baseline(&self) -> bool {
        self.unit.is_some()
    }
}
