//! Services: steps run for each request on bounded workers and cores.

mod aside;
pub mod background;
mod blocks;
mod bounds;
mod branches;
mod brokerage;
pub mod build;
pub mod bulk;
mod caching;
mod calls;
mod check;
mod check_holds;
pub mod check_outbox;
pub mod check_parts;
pub mod check_sagas;
mod check_transactions;
pub mod compile;
mod consumer;
mod copies_of_logs;
pub mod cores;
mod edges;
mod environments;
pub mod facts;
mod fed_replicas;
mod feeding;
pub mod greets;
mod handing;
mod holds;
pub mod inbound;
pub mod instr;
pub mod leased;
pub mod limits;
mod lives;
pub mod locks;
mod logs;
mod members;
mod news;
pub mod outbox;
mod participant;
pub mod parts;
mod patience;
mod places;
mod points;
mod preemptive;
pub mod program;
mod promising;
pub mod quota;
mod rationed;
mod relaying;
mod replicas;
mod resharded;
mod restoring;
pub mod room;
mod run;
mod sagalog;
pub mod sagas;
pub mod server;
pub mod shared;
pub mod steps;
pub mod transactions;
pub mod turns;
mod two_phase;
mod undo;
pub mod walk;

mod text;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, DurationLaw, SizeFormula},
    model::{
        autoscale::AutoscaleSpec,
        network::ZonesSpec,
        purchase::PurchaseSpec,
        queue::consumes::{ConsumesSpec, PublishSpec},
        replication::{AnswerSpec, LevelSpec},
        resilience::EdgeSpec,
        service::parts::{
            BackgroundSpec, HoldSpec, InboundSpec, LockSpec, SagaSpec, TransactionSpec,
        },
    },
    units::{Count, Fraction, HourPrice, Name, Number, SimDuration},
};
use limits::ResourcesSpec;
use outbox::OutboxSpec;
use quota::QuotaSpec;

/// Runs steps for each request. `workers` bounds the requests admitted at once to an instance and
/// is held until the reply; `cores` bounds the `work` steps running at once.
///
/// ```yaml
/// api: {service: {instances: 6, workers: 64, cores: 4, queue: 128, work: exp(mean=5ms), calls: [db]}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// Number of instances; 1 when absent. With `autoscale` that at the start; then its `min` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Count>,
    /// How many of them must be up for the service to count as up (`availability_time`); 1 when absent,
    /// 0: the design counts as up without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need: Option<Count>,
    /// Where they stand: in turn over a list (all zones when absent), or so many in each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
    /// Requests admitted at once per instance; held while waiting for calls. Unbounded when absent
    /// (an asynchronous server).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<Count>,
    /// `work` steps running at once per instance. When absent each worker has its own core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<Count>,
    /// Waiting room per instance, for a worker (or for the first core when there are no workers);
    /// beyond it requests are rejected. Unbounded when absent; 0: none. Who is served at once by interrupting
    /// another does not wait; the other waits, whether or not there is room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Count>,
    /// Who is rejected when `queue` is full: the one that comes (`reject`, default), or the least urgent of
    /// all who wait and the one that comes (`push_out`): whoever its `discipline` would serve last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<FullRoomSpec>,
    /// Order of service: `fifo` (default), `lifo`, `random`, `priority`, `shortest_job`, `shared`
    /// (processor sharing), preemptive `lifo_preemptive`, `priority_preemptive`, `srpt`, and
    /// `adaptive_lifo`, `codel(target=5ms interval=100ms)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discipline: Option<Discipline>,
    /// Total speed of a `shared` server with n requests inside: `table(1=1 8=6 32=14)`, linear in
    /// between, constant beyond the last entry. Takes the place of `cores`. With `batch` that of a core with a batch of n.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speedup: Option<Speedup>,
    /// Each core takes several `work` steps at once: `{size: 8, wait: 20ms}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchSpec>,
    /// Processor time of an instance, over all its cores: `20ms per 100ms`. When it is used up work stands still until the
    /// next period. Periods begin at multiples of their length. What is not used is lost, but for `burst`: `20ms per 100ms burst=40ms`
    /// keeps so much of it beyond what a period adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaSpec>,
    /// Requests that have waited this long for a worker or their first core give up (`rejected`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<DurationLaw>,
    /// What is done to requests that arrive: `rate_limit`, `shed`, `concurrency`, `validate`, `auth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound: Option<Box<InboundSpec>>,
    /// What an instance can run out of: memory, threads, descriptors, connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Box<ResourcesSpec>>,
    /// A connection on which nothing has come for this time since the last reply is closed by the instance (Node.js: 5 s); who sends a call into
    /// that meets a reset. Never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<SimDuration>,
    /// Steps of each operation; `default` serves the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<Name, Vec<StepSpec>>,
    /// Work of every request, instead of `endpoints`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<DurationFormula>,
    /// Nodes called in sequence after `work`, instead of `endpoints`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Name>,
    /// Queues whose messages it works off: a name, `{from, batch, linger, per_batch, partial}`, or a list of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumes: Option<Box<ConsumesSpec>>,
    /// What each instance does by itself, such as to renew a lease.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub background: Vec<BackgroundSpec>,
    /// Time a crashed instance takes to start again once the fault is over; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<DurationLaw>,
    /// A fresh instance is slower at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<WarmSpec>,
    /// Instances come and go, by what was measured of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscale: Option<Box<AutoscaleSpec>>,
    /// Places for instances that any version of the design has use for; 0: as many as this one says.
    #[serde(skip)]
    #[schemars(skip)]
    pub places: u64,
    /// What an instance costs: `$0.17/h`, from the start of its boot until it is taken away, down or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<HourPrice>,
    /// How its instances are bought, where that is not all the same; some may be taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase: Option<Box<PurchaseSpec>>,
    /// Policy of each outgoing edge.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: BTreeMap<Name, EdgeSpec>,
    /// Calls without an entry in `dependencies` are an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependencies_only: Option<bool>,
}

/// Bulk service: a free core takes as many of the `work` steps that wait as it can, by `discipline`, and all of them end
/// together. They take as long as the longest of them; with `speedup` what they take one after the other, divided by
/// the speed of so many: `table(1=1 8=4)` does eight in the time of two. Whose work it is does not matter: each `work` of a
/// request, what is done in the background and messages are batched alike. Not with `discipline: shared`, those that
/// interrupt, and `codel`.
///
/// ```yaml
/// model: {service: {cores: 1, work: 40ms, speedup: table(1=1 8=4 32=8), batch: {size: 32, wait: 10ms}}}
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchSpec {
    /// Most of them in a batch.
    pub size: Count,
    /// A batch that is not full begins when the first of it has waited so long. 0 when absent: a free core never waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<SimDuration>,
}

/// How a fresh instance warms up: caches of its own, compiled code, connections.
///
/// ```yaml
/// {for: 60s, factor: 3}
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WarmSpec {
    /// How long.
    #[serde(rename = "for")]
    pub for_: SimDuration,
    /// Work and waits take so many times as long.
    pub factor: Number,
}

/// Who is rejected when a waiting room is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FullRoomSpec {
    /// The one that comes.
    Reject,
    /// The least urgent of all.
    PushOut,
}

/// Order of service.
#[derive(Clone, Debug, PartialEq)]
pub enum Discipline {
    /// First come, first served.
    Fifo,
    /// Last come, first served, without preemption.
    Lifo,
    /// A waiting request at random.
    Random,
    /// The most urgent `priority` first, without preemption.
    Priority,
    /// The shortest next work step first, without preemption.
    ShortestJob,
    /// Processor sharing: all requests inside at equal speed.
    Shared,
    /// Last come, first served; a newcomer interrupts the work in progress, which resumes later.
    LifoPreemptive,
    /// The most urgent first; a more urgent newcomer interrupts.
    PriorityPreemptive,
    /// Shortest remaining work first.
    Srpt,
    /// First come, first served while the queue is short (empty within the last 100 ms), last come,
    /// first served under overload (Maurer, "Fail at Scale", ACM Queue 2015).
    AdaptiveLifo,
    /// Drops from the head while the wait stays above `target` for an `interval`
    /// (Nichols and Jacobson, RFC 8289).
    Codel {
        /// Acceptable standing wait.
        target: SimDuration,
        /// Time over which it must be seen.
        interval: SimDuration,
    },
}

/// Total speed with n requests inside: points (n, speed), n increasing.
#[derive(Clone, Debug, PartialEq)]
pub struct Speedup(pub Vec<(u64, f64)>);

/// One step: exactly one verb, with optional `id`, `when`, `optional`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepSpec {
    /// A name to reach this step by in `--set` and variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Name>,
    /// Run only when this holds: `tier == gold`, `not poison`, `size > 1000 and tier == free`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// A failure of this step does not fail the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
    /// CPU work on a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<DurationFormula>,
    /// Elapsed time without CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<DurationFormula>,
    /// Calls a node and waits for its reply: a name, or `{to, operation, key, size}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallSpec>,
    /// Reads a key: a store's name, or `{from, key}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadSpec>,
    /// Writes a key: a store's name, or `{to, key}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<WriteSpec>,
    /// Deletes a key: a store's name, or `{to, key}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<WriteSpec>,
    /// Compares and sets a key: a store's name, or `{to, key}`. It is written only if it still has the version that this visit, or
    /// else its session, saw last; otherwise the step fails (`error`, cause `conflict`). Who has seen none takes what
    /// is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cas: Option<WriteSpec>,
    /// Increments a key: a store's name, or `{to, key}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increment: Option<WriteSpec>,
    /// Puts a message in a queue: its name, or `{to, operation, key, size, delay, ack}`. Waits until it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<PublishSpec>,
    /// Branches in parallel; waits for all, fails at the first failed required one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<BranchSpec>>,
    /// Branches in parallel; goes on when `need` of them succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any: Option<AnySpec>,
    /// Branches in parallel; the first to succeed wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub race: Option<Vec<BranchSpec>>,
    /// One of several lists of steps, by share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choose: Option<Vec<ChoiceSpec>>,
    /// Steps several times in sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<RepeatSpec>,
    /// Steps that one request at a time runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockSpec>,
    /// Steps through which one connection to a node is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldSpec>,
    /// Parts in sequence, each with what undoes it: when one fails, those that were done are undone in reverse order, and then
    /// the step fails as that part did. A list of parts, or `{log, steps}` for one that outlives its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saga: Option<SagaSpec>,
    /// Steps whose writes are done all or none, however many shards and stores they go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionSpec>,
    /// Fails the request with this probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<Fraction>,
    /// Notes the time since the request's intended send under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Name>,
    /// Replies with so many bytes; later steps run in the background, the worker still held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<SizeFormula>,
    /// Runs one of the client's operations (in a `session` only).
    #[serde(default, rename = "do", skip_serializing_if = "Option::is_none")]
    pub do_: Option<Name>,
}

/// A call: `call: x` is short for `call: {to: x}`; what is not said is the caller's.
#[derive(Clone, Debug)]
pub struct CallSpec(pub CallFields);

/// The long form of a call.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallFields {
    /// Node called.
    pub to: Name,
    /// Operation asked for there; the caller's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Name>,
    /// Key space, or `instance` or `session`; the caller's key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
    /// Size of the message; the caller's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeFormula>,
}

/// A read: `read: S` is short for `read: {from: S}`. `from` may be any node: a service that is read
/// from runs its endpoint `read`, else `default`.
#[derive(Clone, Debug)]
pub struct ReadSpec(pub ReadFields);

/// The long form of a read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadFields {
    /// Node read from.
    pub from: Name,
    /// Key space, or `instance` or `session`; the caller's key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
    /// Reads so many keys at once, in parallel: the request's own, and further ones drawn from the same
    /// law.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<Count>,
    /// `all`: asks every shard at once instead of the key's (scatter and gather).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<Shards>,
    /// Goes on when this part of the keys or shards has answered; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need: Option<Fraction>,
    /// Cache looked at first and filled after a miss, or a list of tiers, the nearest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Tiers>,
    /// Who answers, where it is not as the store says: `leader`, `followers`, `nearest`, `any`; of a `raft` store `leader`, `lease`,
    /// `read_index`, `follower`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<AnswerSpec>,
    /// How many replicas must answer, where it is not as the store says: a number, `majority`, `all`; of stores with `quorum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<LevelSpec>,
}

/// The shards a read goes to, where not to its key's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ShardsRead")]
pub enum Shards {
    /// Every one.
    All,
}

/// A write: `write: S` is short for `write: {to: S}`.
#[derive(Clone, Debug)]
pub struct WriteSpec(pub WriteFields);

/// The long form of a write.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteFields {
    /// Node written to.
    pub to: Name,
    /// Key space, or `instance` or `session`; the caller's key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
    /// Size of the message; the caller's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeFormula>,
    /// Writes so many keys at once, in parallel: the request's own, and further ones drawn from the
    /// same law.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<Count>,
    /// Cache of the key, or a list of tiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Tiers>,
    /// What a write means for the cache: `invalidate` (default), `update`, `around`, `through`,
    /// `behind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<WriteMode>,
    /// How many replicas must answer, where it is not as the store says: a number, `majority`, `all`; of stores with `quorum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<LevelSpec>,
    /// A queue or log to which a message is published: it is written together with the data, both or neither, and published later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<OutboxSpec>,
}

/// A cache or several tiers of caches, the nearest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiers(pub Vec<Name>);

/// What a write means for the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// The store is written, then the key is taken out of the cache.
    #[default]
    Invalidate,
    /// The store is written, then the cache.
    Update,
    /// The store is written; the cache does not hear of it.
    Around,
    /// The cache is written and writes the store before it answers (its `from` is the store).
    Through,
    /// The cache is written, answers, and writes the store then (its `from` is the store).
    Behind,
}

/// A branch: one step or a list of steps.
#[derive(Clone, Debug)]
pub struct BranchSpec(pub Vec<StepSpec>);

/// Branches of which `need` must succeed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnySpec {
    /// How many must succeed.
    pub need: Count,
    /// The branches.
    pub of: Vec<BranchSpec>,
}

/// Steps taken with a share.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChoiceSpec {
    /// Probability of this choice; together 100 %.
    pub share: Fraction,
    /// Its steps.
    #[serde(rename = "do")]
    pub do_: Vec<StepSpec>,
}

/// Steps several times in sequence.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepeatSpec {
    /// How many times.
    pub times: Count,
    /// The steps.
    #[serde(rename = "do")]
    pub do_: Vec<StepSpec>,
}

/// `when:` comparisons joined by `and`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(pub Vec<Comparison>);

/// One comparison of a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Attribute's name.
    pub attribute: String,
    /// `==` (also a bare name: `!= 0`), ...
    pub operator: Comparator,
    /// A number or a name.
    pub value: Literal,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Right side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A number (sizes and durations in bytes and nanoseconds).
    Number(f64),
    /// A name: a choice, client, operation or zone.
    Name(String),
}
