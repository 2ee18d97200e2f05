//! What is told of a store's replicas.
//!
//! Counts are means over replications, of what happened in the measured time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::{Distribution, Estimate};

/// The replicas of a store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplicasResults {
    /// Messages between its processes that arrived, by name: `append`, `put`, `get`, `vote`, ..
    pub messages: BTreeMap<String, Estimate>,
    /// From the commit of an entry to its being applied at a follower, for each follower and entry. Stores with a log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_lag: Option<Distribution>,
    /// Leaders that were replaced; stores with leaders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elections: Option<ElectionResults>,
    /// Of a `leader_follower`: how often a follower took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failovers: Option<Estimate>,
    /// Writes that a replica outside the shard took in another one's stead, of a quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hints: Option<Estimate>,
    /// Copies that were found damaged, if any were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<Estimate>,
    /// Replicas that a read brought up to date, of a quorum; of others, copies that were found damaged and brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<Estimate>,
    /// Who led from when until when in the first replication, as far as that changed (the first thousand).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaders: Vec<LeaderResults>,
}

/// A time in which a replica led its shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeaderResults {
    /// The shard.
    pub shard: u64,
    /// The replica, a number in the shard.
    pub replica: u64,
    /// Where it stands; empty in a design without zones.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// Since when, s.
    pub from: f64,
    /// Until it died or knew that it led no more, s; null: to the end.
    pub to: Option<f64>,
}

/// How leaders came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ElectionResults {
    /// Leaders that came after another one.
    pub count: Estimate,
    /// Terms that were begun for that.
    pub terms: Estimate,
    /// Terms that nobody won.
    pub split_votes: Estimate,
    /// From the end of a leader (it died, or knew that it led no more) to the election of the next one.
    pub leaderless: Distribution,
}

/// One replica of a shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplicaResults {
    /// Where it stands; empty in a design without zones.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// Busy time / capacity while it was up; null when unbounded, or never up.
    pub utilisation: Estimate,
    /// Visits of callers served (`ok`, `degraded`) per second.
    pub throughput: Estimate,
    /// Share of the time in which it led the shard; null where nobody leads.
    pub leader_time: Estimate,
}
