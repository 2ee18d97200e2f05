//! Figures by window of time.

use std::collections::BTreeMap;

use crate::cause::Cause;
use serde::{Deserialize, Serialize};

/// Figures per window of simulated time, averaged or merged over replications; vectors are as long
/// as `start`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeSeries {
    /// Start of each window, s.
    pub start: Vec<f64>,
    /// Length of each window, s.
    pub length: Vec<f64>,
    /// `all` and each client by name.
    pub clients: BTreeMap<String, ClientSeries>,
    /// Each node by name.
    pub nodes: BTreeMap<String, NodeSeries>,
    /// Of each cut, those who ask on either side of it, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sides: BTreeMap<String, BTreeMap<String, SideSeries>>,
}

/// The windows of those who ask on one side of a cut, by intended send.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideSeries {
    /// Good / decided; null when none was decided.
    pub availability: Vec<Option<f64>>,
    /// Stale reads / reads that were answered; null when none was. Empty: no store is followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stale_read_fraction: Vec<Option<f64>>,
}

/// A client's windows, by intended send.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientSeries {
    /// Requests issued per second (offered load).
    pub offered: Vec<f64>,
    /// Requests ok or degraded within deadline, per second.
    pub goodput: Vec<f64>,
    /// Good / decided; null when none was decided, or when most are undecided as the run ends.
    pub availability: Vec<Option<f64>>,
    /// Whether requests of the window are on their way as the run ends, so that what is said of it is of the faster
    /// ones; empty: of none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<bool>,
    /// Requests per second by outcome.
    pub outcomes: BTreeMap<String, Vec<f64>>,
    /// Median latency of successes, s.
    pub p50: Vec<Option<f64>>,
    /// 95th percentile, s.
    pub p95: Vec<Option<f64>>,
    /// 99th percentile, s.
    pub p99: Vec<Option<f64>>,
    /// 99.9th percentile, s.
    pub p999: Vec<Option<f64>>,
    /// Attempts sent / requests issued.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts_per_request: Vec<Option<f64>>,
    /// Good answers per second, by the instant they came: this and what follows is by when it happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<f64>,
    /// Requests per second that ended otherwise than `ok`, by outcome.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended: BTreeMap<String, Vec<f64>>,
    /// Requests undecided at the end of the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_flight: Vec<f64>,
    /// Attempts after the first, and second copies, sent per second; empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resent: Vec<f64>,
    /// Attempts per second that timed out; empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timed_out: Vec<f64>,
    /// Circuit breakers of the client that opened, per second; empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breakers_opened: Vec<f64>,
}

/// A node's windows, by time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeSeries {
    /// Busy / capacity that is up; null when unbounded, or when nothing is up.
    pub utilisation: Vec<Option<f64>>,
    /// Mean number inside.
    pub in_system: Vec<f64>,
    /// Mean number waiting.
    pub in_queue: Vec<f64>,
    /// Queues: mean number of messages that wait to be handed out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depth: Vec<f64>,
    /// Logs: mean number of messages not yet worked off, summed over the groups that read them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lag: Vec<f64>,
    /// Visits served (`ok`, `degraded`) per second.
    pub throughput: Vec<f64>,
    /// Arrivals per second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arrivals: Vec<f64>,
    /// Services with `autoscale`: mean number of instances that are there and up. Functions: of environments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<f64>,
    /// Mean number of instances down; empty: none ever was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub down: Vec<f64>,
    /// Visits per second that ended otherwise than `ok`, by outcome.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended: BTreeMap<String, Vec<f64>>,
    /// Finer causes, per second.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<Cause, Vec<f64>>,
    /// Share of the arrivals that came to the instance that got most of them, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub largest_share: Vec<Option<f64>>,
    /// Caches: hits / lookups; null without lookups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hit_ratio: Vec<Option<f64>>,
    /// Functions: requests that waited for a start / those that came into an environment; null where none did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cold_share: Vec<Option<f64>>,
    /// Nodes of up to 64 instances, of a design up to 256, those with fewest first: each instance; empty: there is nothing
    /// to say of any but what the node's own say. Of stores with replicas, instance `s x replicas + r` is replica `r` of
    /// shard `s`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_instance: Vec<InstanceSeries>,
}

/// An instance's windows, by time, to three significant digits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceSeries {
    /// Busy / capacity while it was up; null when it never was. Empty: unbounded, or it is the only instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub utilisation: Vec<Option<f64>>,
    /// Mean number waiting; empty: nobody ever did, or it is the only instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_queue: Vec<f64>,
    /// Share of the window in which it was down or not there; empty: it never was, or it is the only instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub down: Vec<f64>,
    /// Share of the replications in which something was wrong with it at any time of the window: it was down, slow, paused
    /// or failing; empty: never.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub struck: Vec<f64>,
}

impl NodeSeries {
    /// Messages that wait at it: the `depth` of a queue, the `lag` of a log; of anything else nothing.
    #[must_use]
    pub fn backlog(&self) -> &[f64] {
        if self.depth.is_empty() { &self.lag } else { &self.depth }
    }
}
