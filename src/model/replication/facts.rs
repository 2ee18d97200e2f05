//! How many replicas there are, and what a shard needs of them.
//!
//! **Invariant.** All of it follows from what the file says.

use super::{
    AckSpec, CandidatesSpec, ConflictSpec, CoordinatorSpec, CrdtSpec, FailoverSpec,
    LeaderFollowerSpec, LevelSpec, MultiLeaderSpec, QuorumSpec, RaftSpec, ReplicationSpec,
    StampSpec,
};
use crate::{
    engine::law::DurationLaw,
    model::kind::Replicas,
    units::{Count, Name},
};

impl LevelSpec {
    /// How many of `n` these are.
    pub fn of(self, n: u64) -> u64 {
        match self {
            Self::Majority => n / 2 + 1,
            Self::All => n,
            Self::Number(number) => number.0,
        }
    }
}

impl QuorumSpec {
    /// How many must answer a read.
    pub fn reads(&self) -> u64 {
        self.read.unwrap_or_default().of(self.replicas.0)
    }

    /// Each attempt at a write asks for its stamp: nobody knows that of the one before.
    pub fn queries_anew(&self) -> bool {
        let asks_itself = self.coordinator == Some(CoordinatorSpec::Client);
        self.stamp == Some(StampSpec::Query) && !asks_itself
    }

    /// How many must answer a write.
    pub fn writes(&self) -> u64 {
        self.write.unwrap_or_default().of(self.replicas.0)
    }
}

impl RaftSpec {
    /// So many replicas of each shard, and all else as it is when nothing is said.
    pub fn of(replicas: Count) -> Self {
        Self {
            replicas: Some(replicas),
            election_timeout: None,
            heartbeat: None,
            pre_vote: None,
            check_quorum: None,
            reads: None,
            max_drift: None,
            fsync: None,
            leader: None,
        }
    }

    /// Replicas of each shard.
    pub fn replicas(&self) -> u64 {
        self.replicas.map_or(3, |n| n.0)
    }
}

/// The election time-out where the file does not say it.
const ELECTION: &str = "uniform(150ms 300ms)";

impl RaftSpec {
    /// The law of its election time-outs.
    pub fn election(&self) -> DurationLaw {
        let own = self.election_timeout.clone();
        own.unwrap_or_else(|| ELECTION.parse().expect("it is a law"))
    }

    /// How often its leader says that it is there, ns.
    pub fn heartbeat(&self) -> u64 {
        let third = || (self.election().min_value() / 3.0) as u64;
        self.heartbeat.map_or_else(third, |heartbeat| heartbeat.0)
    }
}

impl LeaderFollowerSpec {
    /// Replicas of each shard, the leader among them.
    pub fn replicas(&self) -> u64 {
        self.followers.0.saturating_add(1)
    }

    /// Observers: one beside each replica of the first shard, if the file does not say where.
    pub fn observers(&self) -> u64 {
        let own = |failover: &FailoverSpec| failover.observers.as_ref().map(|all| all.len() as u64);
        self.failover.as_ref().map_or(0, |one| own(one).unwrap_or(self.replicas()))
    }
}

impl MultiLeaderSpec {
    /// By the stamps of clocks: the later one wins.
    pub fn goes_by_stamps(&self) -> bool {
        let by_stamps = [ConflictSpec::Lww, ConflictSpec::Crdt(CrdtSpec::Register)];
        by_stamps.contains(&self.conflict.unwrap_or_default())
    }
}

impl From<RaftSpec> for ReplicationSpec {
    fn from(raft: RaftSpec) -> Self {
        Self { raft: Some(raft), leader_follower: None, quorum: None, multi_leader: None }
    }
}

impl ReplicationSpec {
    /// Versions that did not know of one another stand beside one another.
    pub fn keeps_siblings(&self) -> bool {
        let own = self.multi_leader.as_ref();
        own.is_some_and(|own| own.conflict == Some(ConflictSpec::VersionVector))
    }

    /// All laws of time in it, each with its path.
    pub fn laws(&self) -> impl Iterator<Item = (&'static str, &DurationLaw)> {
        let leader = self.leader_follower.as_ref();
        let failover = leader.and_then(|leader| leader.failover.as_ref());
        let raft = self.raft.as_ref();
        let laws = [
            ("leader_follower.lag", leader.and_then(|one| one.lag.as_ref())),
            ("leader_follower.failover.promote", failover.and_then(|one| one.promote.as_ref())),
            ("leader_follower.failover.discovery", failover.and_then(|one| one.discovery.as_ref())),
            (
                "leader_follower.failover.rebuild",
                failover.and_then(|one| one.rebuild.as_ref()?.takes()),
            ),
            ("raft.election_timeout", raft.and_then(|raft| raft.election_timeout.as_ref())),
            ("raft.fsync", raft.and_then(|raft| raft.fsync.as_ref())),
            ("multi_leader.lag", self.multi_leader.as_ref().and_then(|own| own.lag.as_ref())),
        ];
        laws.into_iter().filter_map(|(path, law)| Some((path, law?)))
    }

    /// The zones and regions it names, each with its path.
    pub fn places(&self) -> Vec<(String, &Name)> {
        let mut all = Vec::new();
        if let Some(spec) = &self.leader_follower {
            all.extend(spec.leader.iter().map(|name| ("leader_follower.leader".to_owned(), name)));
            let failover = spec.failover.iter();
            for failover in failover {
                let listed = |key: &str, i: usize| format!("leader_follower.failover.{key}[{i}]");
                let observers = failover.observers.iter().flatten().enumerate();
                all.extend(observers.map(|(i, name)| (listed("observers", i), name)));
                if let Some(CandidatesSpec::These(these)) = &failover.candidates {
                    let these = these.iter().enumerate();
                    all.extend(these.map(|(i, name)| (listed("candidates", i), name)));
                }
            }
        }
        let leaders = self.multi_leader.iter().flat_map(|own| &own.leaders).enumerate();
        all.extend(leaders.map(|(i, name)| (format!("multi_leader.leaders[{i}]"), name)));
        let raft = self.raft.iter().flat_map(|raft| &raft.leader);
        all.extend(raft.map(|name| ("raft.leader".to_owned(), name)));
        all
    }

    /// What callers and faults have to know of it.
    pub fn facts(&self) -> Replicas<'_> {
        if let Some(spec) = &self.leader_follower {
            let sync = spec.ack == Some(AckSpec::Sync);
            let each = spec.replicas();
            return Replicas {
                each,
                need: if sync { each } else { 1 },
                led: true,
                takes_over: spec.failover.is_some(),
                leader: spec.leader.as_ref(),
                stand_in: None,
                observers: spec.observers(),
                observe_in: spec.failover.as_ref().and_then(|f| f.observers.as_deref()),
            };
        }
        if let Some(spec) = &self.quorum {
            let (each, need) = (spec.replicas.0, spec.writes());
            return Replicas { each, need, ..Replicas::default() };
        }
        if let Some(spec) = &self.multi_leader {
            let leaders = Some(spec.leaders.as_slice());
            let each = spec.leaders.len() as u64;
            return Replicas { each, need: 1, stand_in: leaders, ..Replicas::default() };
        }
        let raft = self.raft.as_ref();
        let each = raft.map_or(1, RaftSpec::replicas);
        let leader = raft.and_then(|raft| raft.leader.as_ref());
        Replicas {
            each,
            need: each / 2 + 1,
            led: true,
            takes_over: true,
            leader,
            ..Replicas::default()
        }
    }
}
