//! What a run knows about why: events in time, the narrowest place, where a request's time went.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What happened, in order of time, causes before effects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The events.
    pub events: Vec<TimelineEvent>,
    /// The replication they were read from; null: the average of all. Faults that come at other times in
    /// each replication have no average.
    pub replication: Option<u64>,
    /// Length of the windows they were read from, s: no time but that of faults is known better.
    pub resolution: f64,
}

/// One event: something left the level it had while nothing was wrong, or came back to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// When, s: of a fault exactly, else the start of the window it was first seen in.
    pub at: f64,
    /// `fault_started`, `fault_ended`; `rolled_back`; `alert_fired`, `alert_resolved` (the first
    /// time, the last); of clients `load_rose`, `load_fell`, `in_flight_grew`, `latency_rose`,
    /// `timeouts_began`, `amplification`, `errors_began`, `refusals_began`, `fallbacks_began`,
    /// `breaker_opened`, `goodput_fell`, `goodput_returned`; of nodes `load_rose` (more calls than those who
    /// call were asked for), `hit_ratio_fell`, `skew_grew`, `queue_grew`, `queue_drained`, `inside_grew`,
    /// `went_down`, of stores with leaders, in one replication, `leader_lost`, `leader_elected`, `two_leaders`, `one_leader`,
    /// `saturated`, `waits_began`, `timeouts_began`, `refusals_began`, `breaker_opened`,
    /// `target_taken_out`, `amplification`; of faults that came once `back` (while they last), `recovered`,
    /// `partly_recovered`, `draining`, `not_recovered`.
    pub kind: String,
    /// The fault, alert, client or node.
    pub subject: String,
    /// What was reached (of what fell, the lowest), in the unit of the kind.
    pub value: Option<f64>,
    /// The level before.
    pub baseline: Option<f64>,
    /// What it was at first, where `value` was reached later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<f64>,
    /// When `value` was reached, if that was later: the start of its window, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extreme_at: Option<f64>,
    /// What it is of, where the kind does not say: an outcome, a cause.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// The event as a sentence without its time.
    pub text: String,
}

/// The node that is nearest to its limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bottleneck {
    /// Its name.
    pub node: String,
    /// The instance (shard) that was full, or is far busier than the average; null: all are alike.
    #[serde(default)]
    pub instance: Option<u64>,
    /// What was held / what there was, over the run.
    pub utilisation: Option<f64>,
    /// What of it: a name among its `resources`.
    pub resource: String,
    /// Share of the windows in which it was full: held for 95 % or more.
    pub saturated: f64,
    /// When it was full first, s; null: it never was.
    pub saturated_at: Option<f64>,
}

/// Where the time of a mean request went, s per decided request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Blame {
    /// Mean time from the intended send to the decision.
    pub latency: f64,
    /// What each node had of it, all its visits together.
    pub nodes: BTreeMap<String, NodeBlame>,
    /// On the way between nodes and clients; probes are left out.
    #[serde(default)]
    pub network: f64,
    /// From failures until they are tried again.
    #[serde(default)]
    pub backoff: f64,
    /// Waiting for tokens, permits and connections of calls.
    #[serde(default)]
    pub permits: f64,
    /// `wait` steps of those who call others.
    #[serde(default)]
    pub waits: f64,
    /// What is left: waiting for what did not come (lost messages, dead or silent hosts), and pauses of those who
    /// call others. Negative when parts passed at the same time or for requests that were given up: then it is no
    /// split.
    pub remainder: f64,
}

/// A node's part of the time of a mean request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeBlame {
    /// Visits per request.
    pub visits: f64,
    /// Waiting for a worker or core, s per request.
    pub waiting: f64,
    /// Work, s per request.
    pub work: f64,
    /// What else passes inside a node that calls nobody, s per request: the latency of externals, `wait` steps, locks,
    /// pauses.
    #[serde(default)]
    pub inside: f64,
    /// Of the waiting: standing still because a `quota` was used up, s per request.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub throttled: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}
