//! What a sweep leaves behind: `cells.json`, and a line of `journal.jsonl` for each cell.
//!
//! **Invariant.** A cell says all that is written of it; the whole is its cells in order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    comparison::{ComparedFigure, ComparedMetric},
    objective::SloResult,
    status::Status,
};

/// What all cells of a sweep have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepPlan {
    /// Of the program.
    pub windtunnel_version: String,
    /// Of what the figures mean.
    pub semantics_version: u32,
    /// Of the file as it stands.
    pub scenario: String,
    /// Hash of all its cells, their data and seeds: equal ones are the same sweep.
    pub sweep: String,
    /// What varies, the first slowest.
    pub axes: Vec<SweepAxis>,
    /// Points drawn among the axes; else each value meets each of the other axes.
    pub drawn: bool,
    /// How many cells there are.
    pub cells: u64,
    /// Seeds of the replications, the same of each cell.
    pub seed: u64,
    /// How many of them: `5 replications`.
    pub rule: String,
    /// Of every interval.
    pub confidence: f64,
    /// What is gathered, in the order of the columns.
    pub metrics: Vec<ComparedMetric>,
}

/// What varies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepAxis {
    /// A path, `variant`, or several paths joined by `+`.
    pub path: String,
    /// In order; of drawn points one for each.
    pub values: Vec<String>,
}

/// A scenario with settings of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweptCell {
    /// Index in 0..cells.
    pub cell: u64,
    /// Hash of the scenario as it was run, its data, seeds and what the figures mean.
    pub key: String,
    /// By axis.
    pub settings: BTreeMap<String, String>,
    /// `complete` or `truncated`.
    pub status: Status,
    /// How many replications it has.
    pub replications: u64,
    /// By metric; what it does not have is absent.
    pub figures: BTreeMap<String, SweptFigure>,
    /// Its objectives.
    pub slos: Vec<SloResult>,
    /// Of all its events.
    pub fingerprint: String,
}

/// A figure of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweptFigure {
    /// With its interval, and the share of requests that were never answered.
    #[serde(flatten)]
    pub figure: ComparedFigure,
    /// It falls on a request that was never answered: beyond any limit, without a value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beyond: bool,
    /// Of each replication; none where nothing was observed, or beyond any limit.
    pub each: Vec<Option<f64>>,
}

impl SweptFigure {
    /// Its value; infinite beyond any limit.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        if self.beyond { Some(f64::INFINITY) } else { self.figure.estimate.value }
    }
}

/// A sweep, or what is done of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// What its cells have in common.
    #[serde(flatten)]
    pub plan: SweepPlan,
    /// `complete`; `interrupted`: cells are missing.
    pub status: Status,
    /// What its cells say together.
    pub findings: SweepFindings,
    /// Those that are done, in order.
    pub done: Vec<SweptCell>,
}

/// What the cells of a sweep say together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepFindings {
    /// The cell that meets all objectives and costs least; where nothing has a price, whose 99th percentile is least.
    pub best: Option<u64>,
    /// The figure it is best by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_by: Option<String>,
    /// Where objectives stop being met, along each axis of numbers.
    pub breaks: Vec<Break>,
    /// Where the 99th percentile takes off, along each axis of numbers.
    pub knees: Vec<Knee>,
    /// How goodput grows with what an axis counts.
    pub scalability: Vec<Scalability>,
}

/// Cells that differ along one axis only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Break {
    /// The axis that they go along, in its order.
    pub axis: String,
    /// What the others have.
    pub with: BTreeMap<String, String>,
    /// The last value before an objective is missed; none: the first one misses it.
    pub holds: Option<String>,
    /// The first value that misses one; none: all meet them.
    pub breaks: Option<String>,
    /// The cell of that value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<u64>,
    /// The objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<SloResult>,
    /// The first later value that meets them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
}

/// The value of an axis after which the 99th percentile of the latency grows fastest: that farthest below the straight line
/// from its first to its last (Satopää et al., Finding a "Kneedle" in a Haystack, 2011); or the last before it is beyond any limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Knee {
    /// The axis.
    pub axis: String,
    /// What the others have.
    pub with: BTreeMap<String, String>,
    /// The value.
    pub at: String,
}

/// The Universal Scalability Law (Gunther, Guerrilla Capacity Planning, 2007) as it fits cells that differ along one axis:
/// `X(N) = gamma N / (1 + sigma (N - 1) + kappa N (N - 1))`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scalability {
    /// The axis that counts.
    pub axis: String,
    /// What the others have.
    pub with: BTreeMap<String, String>,
    /// What one of them does, per second.
    pub gamma: f64,
    /// Contention.
    pub sigma: f64,
    /// What it takes that each agrees with each.
    pub kappa: f64,
    /// How many do most; none: more always do more.
    pub n_peak: Option<f64>,
    /// Share of the variance that it explains.
    pub r2: f64,
}
