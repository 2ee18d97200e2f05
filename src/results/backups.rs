//! What is told of backups.

use serde::{Deserialize, Serialize};

use super::figure::Estimate;

/// What became of the backups of a store, over the whole run: means over replications. What was lost for want of newer ones is
/// `consistency.lost_by_cause.restore`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackupsResults {
    /// Snapshots of shards that came to where they are kept.
    pub snapshots: Estimate,
    /// How often a shard was restored.
    pub restores: Estimate,
    /// Keys they were restored with, summed over those.
    pub keys: Estimate,
    /// From when the process of a shard was back until it served again, s, the longest; of replicas that of the first one that was restored.
    pub time: Estimate,
    /// From the instant to which a shard was restored until it had lost its data, s, the longest.
    pub age: Estimate,
    /// Each of the first replication.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<RestoredResults>,
}

/// A shard was restored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RestoredResults {
    /// The shard.
    pub shard: u64,
    /// When its process was back, or that of the replica that was restored first, s.
    pub from: f64,
    /// When it served again, s.
    pub to: f64,
    /// From the instant to which it was restored until it had lost its data, s.
    pub age: f64,
    /// Keys it was restored with.
    pub keys: u64,
}
