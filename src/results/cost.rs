//! What a design costs, in US dollars: a month has 730 hours, a GB 10^9 bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::Estimate;

/// The whole design: what is paid for its nodes and traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CostSummary {
    /// US dollars an hour.
    pub per_hour: Estimate,
    /// US dollars a month.
    pub per_month: Estimate,
    /// US dollars for a million requests that end ok or degraded and in time (those of `goodput`); null when there is
    /// none.
    pub per_million_ok: Estimate,
}

/// One node, in US dollars a month; a part without a price is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeCost {
    /// Its instances by the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Estimate>,
    /// The data it keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Estimate>,
    /// The calls that arrive at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Estimate>,
    /// Memory in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Estimate>,
    /// Provisioned memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned: Option<Estimate>,
    /// All of it.
    pub per_month: Estimate,
}

/// One class of traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficCost {
    /// Bytes sent in the measured time, totals over replications.
    pub bytes: u64,
    /// US dollars a month; absent where it has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_month: Option<Estimate>,
}

/// What is said of the bill beside its sums.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CostResults {
    /// By class: `internet` (towards clients), `cross_zone`, `cross_region`; those with a price or with bytes.
    pub traffic: BTreeMap<String, TrafficCost>,
    /// How it was metered, in sentences.
    pub assumptions: Vec<String>,
    /// Nodes and classes of traffic without a price, though others have one: they are not in the sums.
    pub unpriced: Vec<String>,
}
