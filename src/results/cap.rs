//! What designs answer under a cut, and what they cost without it: `cap.json`.
//!
//! **Invariant.** Every figure was measured in a simulation of its design; nothing sums them up to one.

use serde::{Deserialize, Serialize};

use super::{consistency::RtoResults, figure::Estimate, status::Status};

/// Designs under a cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cap {
    /// Of the program.
    pub windtunnel_version: String,
    /// Of what the figures mean.
    pub semantics_version: u32,
    /// The scenario.
    pub scenario: String,
    /// Of every interval.
    pub confidence: f64,
    /// `complete`, `interrupted` or `truncated`: the worst of all designs.
    pub status: Status,
    /// The file as it stands (`base`), then its variants; those with a followed store and sides of a cut.
    pub designs: Vec<CapDesign>,
}

/// One design.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CapDesign {
    /// What it is called.
    pub name: String,
    /// Each side of each cut from which requests are sent.
    pub sides: Vec<CapSide>,
    /// Acknowledged writes that are lost, of all stores and the whole run.
    pub lost_acked_writes: Estimate,
    /// From the first of their acknowledgements to the cut or to the last of them, s.
    #[serde(default)]
    pub rpo: Estimate,
    /// How long reads and writes were not answered where one failed, s.
    #[serde(default)]
    pub rto: RtoResults,
    /// From the end of the cut until the copies were alike, s; absent: it parted none; null: that was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convergence_time: Option<Estimate>,
    /// Whether one order explains every answer of the whole run, in all replications; null: not known.
    pub linearizable: Option<bool>,
    /// The same design without its faults; null: it cannot be run without them.
    pub normal: Option<CapNormal>,
    /// The sides in words, as they were measured.
    pub label: Option<String>,
}

/// Requests sent from one side while a cut held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CapSide {
    /// The fault that cuts.
    pub cut: String,
    /// What the side is called.
    pub side: String,
    /// What of the file is on it.
    pub names: Vec<String>,
    /// Availability of requests that only read followed stores.
    pub read_availability: Estimate,
    /// Of those that may write them.
    pub write_availability: Estimate,
    /// Stale reads / reads that were answered.
    pub stale_read_fraction: Estimate,
    /// Acknowledged writes asked for from there that were lost by the cut.
    #[serde(default)]
    pub lost_acked_writes: Estimate,
}

/// A design when nothing is wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CapNormal {
    /// Response time of requests that only read followed stores.
    pub read: CapLatency,
    /// Of those that may write them.
    pub write: CapLatency,
    /// Stale reads / reads that were answered.
    pub stale_read_fraction: Estimate,
}

/// Response time of requests that succeeded, s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CapLatency {
    /// The median.
    pub p50: Estimate,
    /// The 99th percentile.
    pub p99: Estimate,
}
