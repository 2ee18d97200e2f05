//! Whom callers of replicas ask, and how they are answered.
//!
//! **Invariant.** All of it follows from what the file says.

use super::{AnswerSpec, AnsweredSpec, CoordinatorSpec, RaftReadsSpec, ReadsSpec, ReplicationSpec};
use crate::replication::Level;

/// Whom a caller asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The leader.
    Leader,
    /// Any of the others.
    Followers,
    /// The nearest.
    Nearest,
    /// Any.
    Any,
}

/// How an operation is answered, and whom its caller asks, where that is not as the store says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// How.
    pub level: Level,
    /// Whom.
    pub whom: Option<Whom>,
}

impl Answered {
    /// As a file says of a store's replicas.
    pub fn of(spec: AnsweredSpec, replication: Option<&ReplicationSpec>) -> Self {
        let Some(replication) = replication else { return Self::default() };
        if let (Some(level), Some(quorum)) = (spec.quorum, &replication.quorum) {
            return Self { level: Level::Count(level.of(quorum.replicas.0) as u16), whom: None };
        }
        let (level, whom) = match spec.reads {
            None => return Self::default(),
            Some(AnswerSpec::Leader) => (Level::Leader, Whom::Leader),
            Some(AnswerSpec::Followers) => (Level::Anybody, Whom::Followers),
            Some(AnswerSpec::Nearest | AnswerSpec::Follower) => (Level::Anybody, Whom::Nearest),
            Some(AnswerSpec::Any) => (Level::Anybody, Whom::Any),
            Some(AnswerSpec::Lease) => (Level::Leased, Whom::Leader),
            Some(AnswerSpec::ReadIndex) => (Level::Confirmed, Whom::Leader),
        };
        Self { level, whom: Some(whom) }
    }
}

impl Whom {
    /// Whom readers and writers ask.
    pub fn of(spec: &ReplicationSpec) -> [Self; 2] {
        if let Some(spec) = &spec.leader_follower {
            let reads = match spec.reads.unwrap_or_default() {
                ReadsSpec::Leader => Self::Leader,
                ReadsSpec::Followers => Self::Followers,
                ReadsSpec::Nearest => Self::Nearest,
                ReadsSpec::Any => Self::Any,
            };
            return [reads, Self::Leader];
        }
        if let Some(spec) = &spec.quorum {
            let whom = match spec.coordinator.unwrap_or_default() {
                // Whoever coordinates himself asks nobody to, but for all shards at once.
                CoordinatorSpec::Nearest | CoordinatorSpec::Client => Self::Nearest,
                CoordinatorSpec::Random => Self::Any,
            };
            return [whom; 2];
        }
        if spec.multi_leader.is_some() {
            return [Self::Nearest; 2];
        }
        let own = spec.raft.as_ref().and_then(|raft| raft.reads) == Some(RaftReadsSpec::Follower);
        [if own { Self::Nearest } else { Self::Leader }, Self::Leader]
    }
}
