//! Copies of the partitions of a log: what a file says of them.
//!
//! **Invariant.** They follow one another as replicas of a store do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::replication::{RaftSpec, ReplicationSpec},
    units::Count,
};

/// How many copies of each partition there are, and so how they follow one another.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Count", into = "Count")]
#[schemars(with = "Count")]
pub struct CopiesSpec(Box<ReplicationSpec>);

impl From<Count> for CopiesSpec {
    fn from(copies: Count) -> Self {
        Self(Box::new(RaftSpec::of(copies).into()))
    }
}

impl From<CopiesSpec> for Count {
    fn from(copies: CopiesSpec) -> Self {
        Self(copies.count())
    }
}

impl CopiesSpec {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.facts().each
    }

    /// How they follow one another.
    pub fn replication(&self) -> &ReplicationSpec {
        &self.0
    }
}

/// When who publishes to a log is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AckWhenSpec {
    /// When the message is in the log.
    #[default]
    All,
    /// When the leader of its partition has it.
    Leader,
    /// When it has come to that one.
    None,
}
