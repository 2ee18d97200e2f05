//! A store: data in shards, one copy each; reads and writes are work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, SizeFormula},
    model::{network::ZonesSpec, service::Discipline},
    units::Count,
};

/// Keeps data in shards. The key of a request picks its shard; a read or write is work on a core
/// of that shard.
///
/// ```yaml
/// db: {store: {shards: {count: 8, by: hash}, read: exp(mean=10ms), write: exp(mean=15ms), cores: 4}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreSpec {
    /// How the keys are split; one shard when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardsSpec>,
    /// Work of a read.
    pub read: DurationFormula,
    /// Work of a write, delete, compare-and-set or increment; that of a read when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<DurationFormula>,
    /// Cores of each shard; unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<Count>,
    /// Waiting room of each shard; beyond it requests are rejected. Unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Count>,
    /// Order of service at each shard; `fifo` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discipline: Option<Discipline>,
    /// Size of a value, drawn once per key; the size of a read's reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_size: Option<SizeFormula>,
    /// Where the shards stand, in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
}

/// How the keys of a store are split.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShardsSpec {
    /// Number of shards.
    pub count: Count,
    /// How a key finds its shard: `hash` (the default), `splitmix64(key) mod count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ShardBy>,
}

/// How a key finds its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShardBy {
    /// `splitmix64(key) mod count`.
    Hash,
}
