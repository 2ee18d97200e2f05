//! Copies of a store's data: what a file says of how they follow one another.
//!
//! The protocols themselves are machines of one replica each (`crate::replication`); `group.rs` is their host in a
//! server, `reach.rs` how callers find a replica.
//!
//! **Invariant.** What is told to a replica came by a message, a timer or a request, all of which faults can hit.

mod bounced;
pub mod build;
pub mod callers;
pub mod check;
pub mod check_levels;
pub mod claims;
pub mod facts;
pub mod group;
pub mod healing;
pub mod letters;
pub mod promise;
pub mod reach;
pub mod tally;
mod text;
pub mod whom;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::DurationLaw,
    units::{Count, Fraction, Name, Rate, SimDuration},
};

/// How the copies of each shard follow one another: by one of four protocols. `cores`, `queue`, `read`, `write` and
/// prices of the store are those of each replica.
///
/// ```yaml
/// orders: {store: {read: 1ms, write: 2ms, zones: [a, b, c], replication: {raft: {replicas: 3}}}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplicationSpec {
    /// One replica takes the writes and sends them on to the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_follower: Option<LeaderFollowerSpec>,
    /// Any replica takes reads and writes and asks so many others (Dynamo, Cassandra).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<QuorumSpec>,
    /// A log that a majority agrees on, with elected leaders (etcd, Consul).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raft: Option<RaftSpec>,
    /// Several replicas that all take reads and writes, and tell one another afterwards (`CouchDB`, Redis across regions).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_leader: Option<MultiLeaderSpec>,
}

/// One replica of each shard leads: it takes all writes, in the order of a log, and sends each entry to its followers, who
/// apply it in that order. A follower shows what it has applied, which may be old.
///
/// ```yaml
/// orders:
///   store:
///     read: 1ms
///     write: 2ms
///     zones: [a, b, c]
///     replication: {leader_follower: {followers: 2, ack: async, reads: nearest, failover: {detect: 10s}}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaderFollowerSpec {
    /// Replicas of each shard besides its leader.
    pub followers: Count,
    /// When a write is answered: `async` (the default; when the leader has it), `sync` (when all followers have it),
    /// `semi_sync(timeout=1s acks=1)` (when so many have it; after the time-out it goes on as `async` until a follower
    /// has caught up).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<AckSpec>,
    /// Who is asked to read: `leader` (the default), `followers` (any of them), `nearest` (by mean latency from the
    /// caller), `any`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<ReadsSpec>,
    /// How long after its commit an entry leaves the leader, in the order of the log; the network and applying it
    /// come on top. 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<DurationLaw>,
    /// A follower that may be further behind sends readers on to the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lag: Option<SimDuration>,
    /// Zone or region where the leaders of all shards stand at first; when absent they are spread over `zones`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Name>,
    /// Who takes over when a leader is gone; when absent nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<FailoverSpec>,
}

/// Who takes over for a leader that is gone: processes that ask it all the time (observers), one in each of some zones,
/// decide by majority and make the candidate with the most entries the leader. What it has not got is lost.
///
/// ```yaml
/// failover: {detect: 10s, promote: 5s, candidates: same_region, fencing: true, discovery: exp(mean=2s)}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailoverSpec {
    /// When most observers have heard nothing of a leader for so long (they ask five times as often), it is gone.
    pub detect: SimDuration,
    /// Zones where an observer stands; those of the replicas when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observers: Option<Vec<Name>>,
    /// Who may take over: `any` (the default), `same_zone` or `same_region` as the first leader, or zones and regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<CandidatesSpec>,
    /// How long it takes to make a follower the leader; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote: Option<DurationLaw>,
    /// A leader that hears of no majority of the observers for `detect` stops serving, and nobody takes over before that.
    /// Without it an old leader goes on serving all who reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing: Option<bool>,
    /// How long after it was told of a new leader a caller goes on with the old one (a name that it keeps); drawn for
    /// each, 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<DurationLaw>,
    /// How all data are copied to a replica that cannot be brought up to date by the log: one that lost them, or whose log went
    /// another way. A law says how long that takes (0 when absent). A speed such as `500/s` copies key by key: each is a read
    /// at the leader, a message, and a write at the replica, at most so many a second, fewer where somebody cannot keep up. It
    /// has as many keys as were written, and as many of those of the start (`keys`) as are its shard's share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<RebuildSpec>,
}

/// How all data are copied.
#[derive(Clone, Debug)]
pub enum RebuildSpec {
    /// It takes so long.
    Takes(DurationLaw),
    /// So many keys a second.
    Keys(Rate),
}

impl RebuildSpec {
    /// How long it takes.
    pub fn takes(&self) -> Option<&DurationLaw> {
        if let Self::Takes(law) = self { Some(law) } else { None }
    }

    /// How many keys a second are copied.
    pub fn keys(&self) -> Option<Rate> {
        if let Self::Keys(rate) = self { Some(*rate) } else { None }
    }
}

/// Every replica takes reads and writes as a coordinator: it asks all replicas of the shard and answers when so many
/// have. Of two versions the one with the later stamp wins.
///
/// ```yaml
/// carts: {store: {read: 1ms, write: 1ms, zones: [a, b, c], replication: {quorum: {replicas: 3, read: 2, write: 2}}}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuorumSpec {
    /// Replicas of each shard.
    pub replicas: Count,
    /// How many must answer a read: a number, `majority` (the default) or `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<LevelSpec>,
    /// How many must answer a write: a number, `majority` (the default) or `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<LevelSpec>,
    /// Who is asked: `all` (the default), or `quorum`: only as many as must answer, at random; or
    /// `{read: quorum, write: all}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactSpec>,
    /// Who coordinates: the replica `nearest` to the caller (the default), a `random` one, or the `client`: the caller asks
    /// the replicas itself, each instance of a service and each place of a client by its own clock (a client's is exact). A
    /// read of all shards is coordinated by the nearest replica of each all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<CoordinatorSpec>,
    /// How long a coordinator waits for answers; 2s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<SimDuration>,
    /// Whether the next replicas of other shards, first those in the coordinator's zone, take the place of those that do
    /// not answer (a sloppy quorum); false when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sloppy: Option<bool>,
    /// With `sloppy`: how what others took is handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hinted_handoff: Option<HandoffSpec>,
    /// Replicas compare what they hold, each with another one in turn, and bring one another up to date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anti_entropy: Option<AntiEntropySpec>,
    /// How long a replica remembers that a key was deleted: longer than any replica is behind, or what was deleted comes
    /// back. For ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tombstones: Option<SimDuration>,
    /// Whether a read sends what it found to replicas that answered with something older: `true` (the default),
    /// `false`, or a fraction of reads such as `10%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_repair: Option<RepairSpec>,
    /// A read is answered only when so many replicas as a write needs hold what it found; false when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_back: Option<bool>,
    /// Where the stamp of a write comes from: the coordinator's `clock` (the default), or `query`: it first asks as many as
    /// a read needs for their latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<StampSpec>,
}

/// How a stand-in hands over what it took for another replica: it tries each second whether that one is back.
///
/// ```yaml
/// hinted_handoff: {after: 100ms, keep: 3h, rate: 1000/s}
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffSpec {
    /// Who has not answered for so long is replaced, and for the next 10 s at once; 100ms when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<SimDuration>,
    /// How long it keeps what is not its own; 3h when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<SimDuration>,
    /// How many writes it hands over per second at most; 1000/s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// Replicas compare what they hold.
///
/// ```yaml
/// anti_entropy: {every: 10m, rate: 1000/s}
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AntiEntropySpec {
    /// How often each compares with another one of its shard, in turn; 10m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<SimDuration>,
    /// How many keys it sends per second at most; 1000/s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// A log that a majority of replicas agrees on (Ongaro and Ousterhout, "In search of an understandable consensus
/// algorithm", 2014). When followers have not heard of their leader for their election time-out they elect another one.
///
/// ```yaml
/// etcd: {store: {read: 0.1ms, write: 0.2ms, zones: [a, b, c], replication: {raft: {replicas: 3, fsync: 2ms}}}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RaftSpec {
    /// Replicas of each shard; 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Count>,
    /// How long a follower waits to hear of a leader, drawn anew each time; `uniform(150ms 300ms)` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub election_timeout: Option<DurationLaw>,
    /// How often a leader says that it is there; a third of the least election time-out when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<SimDuration>,
    /// Whether a replica asks whether it could win before it stands (Ongaro's thesis, 9.6); true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_vote: Option<bool>,
    /// Whether a leader that hears no majority for an election time-out steps down; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_quorum: Option<bool>,
    /// How reads are answered: `read_index` (the default; the leader first makes sure that it leads), `lease` (it
    /// counts on clocks that run alike), `leader` (it believes that it leads: may be old), `follower` (any replica, as it is).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<RaftReadsSpec>,
    /// With `reads: lease`: how far the speeds of two clocks are apart at most; 0.05% when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_drift: Option<Fraction>,
    /// Short for the store's `durability: {fsync: ..}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsync: Option<DurationLaw>,
    /// Zone or region where the leaders of all shards stand at first; when absent they are spread over `zones`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Name>,
}

/// A leader of each shard in each of some places takes the reads and writes of those who are nearest to it, answers at
/// once, and sends what it wrote to the other leaders afterwards. So all are answered whatever is cut, and two may write the
/// same key without knowing of one another: `conflict` says what becomes of that.
///
/// ```yaml
/// carts:
///   store:
///     read: 1ms
///     write: 1ms
///     replication: {multi_leader: {leaders: [eu, us], conflict: version_vector, anti_entropy: {every: 1m}}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MultiLeaderSpec {
    /// Zones or regions: in each stands one leader of each shard. 2 to 8.
    pub leaders: Vec<Name>,
    /// What becomes of writes of a key that did not know of one another: `lww` (the default; the one with the later stamp
    /// of its leader's clock wins, the other is lost), `version_vector` (both are kept, as siblings, until somebody who
    /// read them writes again), `crdt(counter)` (both count), `crdt(set)` (what was added stays, unless who removed it
    /// knew of it), `crdt(register)` (the same as `lww`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<ConflictSpec>,
    /// How long after it was written an entry leaves its leader, in the order of its log; the network and applying it
    /// come on top. 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<DurationLaw>,
    /// Leaders also compare what they hold, each with another one in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anti_entropy: Option<AntiEntropySpec>,
    /// How long a leader remembers that a key was deleted: longer than any is behind, or what was deleted comes back. For
    /// ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tombstones: Option<SimDuration>,
}

/// What becomes of writes that did not know of one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConflictSpec {
    /// The later stamp wins.
    #[default]
    Lww,
    /// Both are kept.
    VersionVector,
    /// They merge.
    Crdt(CrdtSpec),
}

/// What a key is whose writes merge (Shapiro et al., "Conflict-free replicated data types", 2011).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrdtSpec {
    /// A number that grows.
    Counter,
    /// A set.
    Set,
    /// A value; the later stamp wins.
    Register,
}

/// When what a replica writes to its log outlives its process.
///
/// ```yaml
/// durability: {fsync: 2ms, mode: group(5ms)}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DurabilitySpec {
    /// How long the disk takes; 0 when absent. What comes meanwhile is written together after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsync: Option<DurationLaw>,
    /// When: `each` write before it is answered (the default), `group(5ms)` (so long after the first that waits, before
    /// they are answered), `every(1s)` (they are answered before), `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ModeSpec>,
}

/// When a write is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckSpec {
    /// When the leader has it.
    #[default]
    Async,
    /// When all followers have it.
    Sync,
    /// When so many followers have it, or this time is over.
    SemiSync {
        /// How long, ns.
        timeout: SimDuration,
        /// How many.
        acks: Count,
    },
}

/// When a disk is made to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModeSpec {
    /// At each write.
    #[default]
    Each,
    /// So long after the first that waits.
    Group(SimDuration),
    /// Once in so long.
    Every(SimDuration),
    /// Never.
    Never,
}

/// Who is asked to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadsSpec {
    /// The leader.
    #[default]
    Leader,
    /// Any follower.
    Followers,
    /// The nearest replica.
    Nearest,
    /// Any replica.
    Any,
}

/// Who may take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CandidatesSpec {
    /// Every follower.
    Any,
    /// Those in the zone of the first leader.
    SameZone,
    /// Those in the region of the first leader.
    SameRegion,
    /// Those in these zones and regions.
    These(Vec<Name>),
}

/// How many replicas must answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LevelSpec {
    /// More than half of them.
    #[default]
    Majority,
    /// All.
    All,
    /// So many.
    Number(Count),
}

/// Who is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contacted {
    /// All replicas.
    #[default]
    All,
    /// As many as must answer, at random.
    Quorum,
}

/// Who is asked, by reads and by writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContactSpec(pub ContactFields);

/// The long form of `contact`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactFields {
    /// By a read; `all` when absent.
    #[serde(default)]
    pub read: Contacted,
    /// By a write; `all` when absent.
    #[serde(default)]
    pub write: Contacted,
}

/// Who coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CoordinatorSpec {
    /// The replica nearest to the caller.
    #[default]
    Nearest,
    /// Any.
    Random,
    /// The caller, who asks the replicas itself.
    Client,
}

/// The share of reads that repair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RepairSpec(pub f64);

/// Where stamps come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StampSpec {
    /// The coordinator's clock.
    #[default]
    Clock,
    /// The replicas.
    Query,
}

/// Who answers a read, and when, where it is not as its store says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerSpec {
    /// The leader, as it is (`leader_follower`, `raft`).
    Leader,
    /// Any follower (`leader_follower`).
    Followers,
    /// The nearest replica (`leader_follower`).
    Nearest,
    /// Any replica (`leader_follower`).
    Any,
    /// The leader, as long as nobody else can lead (`raft` with `reads: lease`).
    Lease,
    /// The leader, when a majority has said that it leads (`raft`).
    ReadIndex,
    /// The nearest replica, as it is (`raft`).
    Follower,
}

/// How a read or write is answered, where it is not as its store says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnsweredSpec {
    /// Who answers a read.
    pub reads: Option<AnswerSpec>,
    /// How many replicas must answer.
    pub quorum: Option<LevelSpec>,
}

impl AnsweredSpec {
    /// It is as the store says.
    pub fn is_usual(self) -> bool {
        self == Self::default()
    }
}

/// How a log's reads are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RaftReadsSpec {
    /// By the leader, as it is.
    Leader,
    /// By the leader, as long as nobody else can lead.
    Lease,
    /// By the leader, when a majority has said that it leads.
    #[default]
    ReadIndex,
    /// By any replica, as it is.
    Follower,
}
