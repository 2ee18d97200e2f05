//! What is told of keys that moved to other shards.

use serde::{Deserialize, Serialize};

use super::figure::Estimate;

/// Keys of a store that moved to another shard because a planned change gave it more or fewer of them, over the whole run:
/// means over replications.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MovedResults {
    /// Keys that were handed over.
    pub keys: Estimate,
    /// Bytes of their values (`value_size`).
    pub bytes: Estimate,
    /// Share of the keys that the store held as the change came.
    pub fraction: Estimate,
    /// From the change until the last key was handed over, s, of replications in which that came.
    pub time: Estimate,
}
