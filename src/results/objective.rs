//! An objective as a run judges it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::figure::Estimate;

/// What a run says of an objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Judgement {
    /// The figure keeps its limit.
    #[serde(rename = "met")]
    Met,
    /// It does not.
    #[serde(rename = "missed")]
    Missed,
    /// Its interval holds the limit.
    #[serde(rename = "inconclusive")]
    Inconclusive,
    /// Nothing was observed, the run is not complete, it depends on what is in flight at the end, or on a baseline.
    #[serde(rename = "undecided")]
    Undecided,
    /// Of what is to be seen and no aim (`expect`): it is seen.
    #[serde(rename = "as expected")]
    AsExpected,
    /// It is not seen.
    #[serde(rename = "not as expected")]
    NotAsExpected,
}

impl Judgement {
    /// Its name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Inconclusive => "inconclusive",
            Self::Undecided => "undecided",
            Self::AsExpected => "as expected",
            Self::NotAsExpected => "not as expected",
        }
    }

    /// As it should be.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Met | Self::AsExpected)
    }

    /// As it should not be.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Missed | Self::NotAsExpected)
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One SLO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SloResult {
    /// As written.
    pub expression: String,
    /// The metric's estimate.
    pub estimate: Estimate,
    /// From `run`, on the point estimate.
    pub verdict: Judgement,
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
