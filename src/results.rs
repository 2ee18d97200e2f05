//! The serialisable results of a run: the only type that runner, slo, study and report share.
//!
//! Durations are in **seconds**, rates per second, sizes in bytes, fractions in 0..=1. The names
//! are a contract (`docs/REFERENCE.md`).

use std::collections::BTreeMap;

use crate::{cause::Cause, node_kind::NodeKind};
use serde::{Deserialize, Serialize};

mod backups;
mod cap;
mod closely;
mod comparison;
mod consistency;
mod cost;
mod design;
mod environments;
mod estimate;
mod faults;
mod figure;
mod history;
mod links;
mod moved;
mod objective;
mod pool;
mod precision;
mod purchase;
mod queues;
mod replicas;
mod requests;
mod scaling;
mod series;
mod status;
mod steady;
mod sweep;
mod watched;
mod why;

pub use backups::{BackupsResults, RestoredResults};
pub use cap::{Cap, CapDesign, CapLatency, CapNormal, CapSide};
pub use closely::{CloseSpan, Closely, EdgeCalls, InstanceLooks, RouteMessages};
pub use comparison::{
    ComparedDesign, ComparedFigure, ComparedMetric, Comparison, Difference, Shown,
};
pub use consistency::{
    ConsistencyResults, KStaleness, RtoResults, TVisibility, ViewResults, WitnessResults,
};
pub use cost::{CostResults, CostSummary, NodeCost, TrafficCost};
pub use design::{Design, Edge, Vertex};
pub use environments::{EnvironmentCounts, EnvironmentResults};
pub(crate) use estimate::{Means, Ratios, Samples};
pub use faults::{
    Aftermath, AlertResults, BudgetResults, BurnResults, FaultResults, Hanging, SideOperations,
    SideResults,
};
pub use figure::{Distribution, Estimate};
pub use history::{Does, HistoryEvent, Phase, RunHistory, StoreHistory};
pub use links::{LinkResults, WayResults};
pub use moved::MovedResults;
pub use objective::{Judgement, SloResult};
pub(crate) use pool::{RequestPool, SeriesPool};
pub use precision::PrecisionResults;
pub use purchase::{ClassResults, PurchaseResults};
pub use queues::{DepthResults, GroupResults, OutboxResults, QueueResults};
pub use replicas::{ElectionResults, LeaderResults, ReplicaResults, ReplicasResults};
pub use requests::{
    Evidence, Happened, Requests, RequestsInWindow, SIDES, Selection, UNIT, seconds,
};
pub use scaling::{ScaledResults, ScalingResults};
pub use series::{ClientSeries, InstanceSeries, NodeSeries, SideSeries, TimeSeries};
pub use status::Status;
pub(crate) use steady::{Levels, Lookups};
pub use sweep::{
    Break, Knee, Scalability, Sweep, SweepAxis, SweepFindings, SweepPlan, SweptCell, SweptFigure,
};
pub use watched::{RequestPart, RequestSpan, Watched, WatchedRequest, Waterfall};
pub use why::{Blame, Bottleneck, EventKind, NodeBlame, Timeline, TimelineEvent};

/// Version of the meaning of scenarios: it changes when the same file and seed may give other
/// numbers.
pub const SEMANTICS_VERSION: u32 = 1;

/// Requests of the cohort by outcome; totals over replications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those of `Outcome`")]
pub struct RequestCounts {
    pub issued: u64,
    pub ok: u64,
    pub degraded: u64,
    pub timeout: u64,
    pub error: u64,
    pub rejected: u64,
    pub shed: u64,
    pub rate_limited: u64,
    pub breaker_open: u64,
    pub unavailable: u64,
    pub in_flight: u64,
}

/// The block of figures of requests: of the whole run, a client, or an operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestFigures {
    /// Counts by outcome.
    pub requests: RequestCounts,
    /// (ok + degraded within deadline) / decided requests.
    pub availability: Estimate,
    /// The same with those counted as bad that are in flight at the end and wait for what was lost, or are older
    /// than any that was decided, or more and more; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_at_least: Option<Estimate>,
    /// Requests ok or degraded within their deadline, per second.
    pub goodput: Estimate,
    /// Successful replies reaching the client, per second.
    pub throughput: Estimate,
    /// Attempts sent / requests issued.
    pub attempts_per_request: Estimate,
    /// Response time of ok and degraded requests from the intended send.
    pub latency: Distribution,
    /// The same over every decided request, as long as it took.
    pub latency_all: Distribution,
    /// 99th percentile of every decided request where one without an answer is slower than any other, as SLOs
    /// have it; null where it falls on one of those.
    #[serde(default)]
    pub p99_of_all: Estimate,
    /// Time to each `mark` step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<String, Distribution>,
}

/// One client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientResults {
    /// All its operations together.
    #[serde(flatten)]
    pub figures: RequestFigures,
    /// By operation.
    pub operations: BTreeMap<String, RequestFigures>,
    /// Share of the time in which it sent (`active`); all other figures but counts and series stand for all
    /// of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Estimate>,
    /// Its pools of connections, by the node each leads to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<String, PoolResults>,
}

/// All clients together, and the design itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Requests of all clients.
    #[serde(flatten)]
    pub figures: RequestFigures,
    /// Time in which no node was short of instances.
    #[serde(flatten)]
    pub uptime: UptimeResults,
    /// What the design costs; absent where nothing has a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostSummary>,
}

/// Availability over time, whether anybody asked or not (`semantics.md` 50).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UptimeResults {
    /// Time in which as many instances were up as are needed / time.
    pub availability_time: Estimate,
    /// Times a year (of 365 days) that they became too few.
    pub outages_per_year: Estimate,
}

/// Number of instances that are up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "names say it")]
pub struct InstanceCounts {
    pub mean: f64,
    pub min: u64,
    pub max: u64,
}

/// One shard of a store, or one instance of another node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceResults {
    /// Busy time / capacity while it was up; null when unbounded, or never up.
    pub utilisation: Estimate,
    /// Visits served (`ok`, `degraded`) per second.
    pub throughput: Estimate,
    /// Time-weighted number waiting.
    pub in_queue: Estimate,
    /// Share of the node's requests (for a store: of key accesses).
    pub keys_share: Estimate,
    /// Of a shard that has several: its replicas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaResults>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeResults {
    /// Its kind.
    pub kind: NodeKind,
    /// Busy time / capacity of cores, else workers, of the instances that were up; null when unbounded, or when
    /// none ever was.
    pub utilisation: Estimate,
    /// Visits served (`ok`, `degraded`) per second.
    pub throughput: Estimate,
    /// Time-weighted number of requests inside.
    pub in_system: Estimate,
    /// Time-weighted number waiting for a worker or core.
    pub in_queue: Estimate,
    /// How fast that still grows over the second half of the run, per second: it is in no steady state, and
    /// its figures depend on how long the run is. Absent: it does not, as far as the replications can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_growth: Option<f64>,
    /// Share of visits that waited; visits that were turned away as they came count in no time of a node.
    pub wait_probability: Estimate,
    /// Per visit: all waits for worker and core.
    pub waiting_time: Distribution,
    /// Per visit: sum of work.
    pub service_time: Distribution,
    /// Per visit: arrival until reply, downstream waits included.
    pub response_time: Distribution,
    /// Visits by outcome, totals over replications.
    pub outcomes: BTreeMap<String, u64>,
    /// Finer causes of outcomes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<Cause, u64>,
    /// Time in which it was up, and how often it went down.
    #[serde(flatten)]
    pub uptime: UptimeResults,
    /// Caches only.
    #[serde(flatten)]
    pub cache: Option<CacheResults>,
    /// Stores whose history was followed: what clients saw of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Box<ConsistencyResults>>,
    /// Stores with replicas.
    #[serde(flatten)]
    pub replicas: Option<Box<ReplicasResults>>,
    /// Services with sagas: how those ended that did in the measured time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sagas: Option<Box<SagaResults>>,
    /// Services with `batch`: mean number of `work` steps in a batch, of those that were begun in the measured time; null:
    /// none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<Box<Estimate>>,
    /// Services and stores with `quota`: how long work stood still for want of processor time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled: Option<Box<ThrottledResults>>,
    /// Services with `purchase`: their instances by how they were bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase: Option<Box<PurchaseResults>>,
    /// Stores whose `shards.count` changes: the keys that moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Box<MovedResults>>,
    /// Stores with `backup`: what became of their backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<Box<BackupsResults>>,
    /// Queues: what became of their messages.
    #[serde(flatten)]
    pub queue: Option<Box<QueueResults>>,
    /// Stores that are written to with outboxes: what became of what is to be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<Box<OutboxResults>>,
    /// Logs: what became of their messages for each group that reads them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, GroupResults>,
    /// Stores that transactions write: how long each key stayed locked from its shard's vote until that learned how it was
    /// decided; those it has not by the end count as long as they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_doubt: Option<Box<Distribution>>,
    /// Of a view: what came to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<Box<ViewResults>>,
    /// Services with `autoscale`: what was decided in the measured time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Box<ScalingResults>>,
    /// Functions: the environments that requests ran in.
    #[serde(flatten)]
    pub environments: Option<Box<EnvironmentResults>>,
    /// What it costs; absent where nothing of it has a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<NodeCost>,
    /// Each thing of it that is bounded: `cores`, `workers`, `pool:db`, `bulkhead:db`, `lock:seat`, `quota`, `in_flight`, `memory`,
    /// `threads`, `descriptors`. Locks for each key have no bound.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, ResourceResults>,
    /// Its pools of connections, by the node each leads to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<String, PoolResults>,
    /// Number of instances that were up; with `autoscale`, of those that were there and up.
    pub instances: InstanceCounts,
    /// Stores: one entry per shard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<InstanceResults>,
    /// Other nodes: one entry per instance (at most 64 are listed).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_instance: Vec<InstanceResults>,
    /// How many more instances there are than `per_instance` lists.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub instances_not_listed: u64,
}

/// How long work stood still because a `quota` was used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThrottledResults {
    /// Share of the time that an instance was up in which its work stood still.
    pub time: Estimate,
    /// Mean time a visit stood still, s.
    pub wait: Estimate,
}

/// How sagas ended, per replication.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SagaResults {
    /// All parts were done.
    pub done: Estimate,
    /// A part failed, and what was done was undone.
    pub compensated: Estimate,
    /// Their process died before either; with a log, and what it held of them is lost, or had not been read at the end.
    pub unfinished: Estimate,
    /// Where some have a log: how often one went on after its process had died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Estimate>,
}

/// A pool of connections, of all calling instances together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolResults {
    /// Per attempt: how long it waited until it had a connection that was open, or gave up waiting.
    pub waiting_time: Distribution,
    /// Share of those that did not have one at once.
    pub wait_probability: Estimate,
    /// Connections that were begun to be opened, per second.
    pub setups: Estimate,
    /// Calls that met a connection which the node called had closed, per second.
    pub resets: Estimate,
}

/// Something of a node that is bounded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceResults {
    /// How much of it there is in each instance (of a shared lock: in all), in things or bytes.
    pub capacity: f64,
    /// What was held / what there was in instances that were up. Of memory, threads and descriptors as it was at
    /// the end of each window of the time series.
    pub utilisation: Estimate,
    /// Share of the windows in which it was full: held for 95 % or more, in three windows on end at least.
    pub saturated: f64,
    /// When that began, in most replications and after the warm-up, for at least half as long as it ever lasted: the
    /// start of a window, s.
    pub saturated_at: Option<f64>,
    /// The instance (shard) that was full while others were not; null: all were, or none.
    pub instance: Option<u64>,
    /// The utilisation of each instance (at most 64), where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<Option<f64>>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What only caches have; counts are totals over replications.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CacheResults {
    /// Hits / lookups.
    pub hit_ratio: Estimate,
    /// Lookups.
    pub lookups: u64,
    /// Lookups that found their key.
    pub hits: u64,
    /// Lookups that did not, coalesced ones included.
    pub misses: u64,
    /// Misses that waited for a fetch that was under way.
    pub coalesced: u64,
    /// Hits served though their `ttl` was over, while the key was fetched anew.
    pub stale_hits: u64,
    /// Hits on a remembered failure.
    pub negative_hits: u64,
    /// Entries that left for lack of room.
    pub evictions: u64,
    /// The hit ratio in the first and in the last fifth of the measured time before the first fault, if it still rose
    /// there: figures are of a cache that is filling up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warming: Option<(f64, f64)>,
}

/// One figure by replication.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplicationResults {
    /// Index in 0..n.
    pub replication: u64,
    /// Its seed.
    pub seed: u64,
    /// Hash of its events, hexadecimal.
    pub fingerprint: String,
    /// Events executed.
    pub events: u64,
    /// Every summary figure by name, such as `availability`, `latency.p99`.
    pub figures: BTreeMap<String, Option<f64>>,
}

/// A sampled request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampledRequest {
    /// Replication it belongs to.
    pub replication: u64,
    /// Client.
    pub client: String,
    /// Operation.
    pub operation: String,
    /// Number within the client.
    pub number: u64,
    /// Intended send, s.
    pub intended: f64,
    /// Time to the decision, s.
    pub latency: f64,
    /// Key, if any.
    pub key: Option<u64>,
    /// Attempts sent.
    pub attempts: u32,
    /// Outcome's name.
    pub outcome: String,
}

/// A file of data the scenario read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// As the scenario calls it: its path below the folder of the scenario, or of `--data`.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// Everything one run leaves behind, except `requests.csv`'s rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Version of the program.
    pub windtunnel_version: String,
    /// Version of the meaning of scenarios; results of different ones are not comparable.
    pub semantics_version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// Its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Variant that was run, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Hash over all replications' fingerprints, hexadecimal.
    pub fingerprint: String,
    /// Seed of each replication.
    pub seeds: Vec<u64>,
    /// Confidence of every interval.
    pub confidence: f64,
    /// Simulated time, s.
    pub duration: f64,
    /// Warm-up deleted from all estimates, s.
    pub warm_up: f64,
    /// How it ended.
    pub status: Status,
    /// Why not complete, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// What became of the precision that was asked for; absent: a number of replications was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<PrecisionResults>,
    /// All clients together.
    pub summary: Summary,
    /// Each client.
    pub clients: BTreeMap<String, ClientResults>,
    /// Each node.
    pub nodes: BTreeMap<String, NodeResults>,
    /// Links with `bandwidth`, by id, or by `from-to`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, LinkResults>,
    /// The file's alerts, by name.
    #[serde(default)]
    pub alerts: Vec<AlertResults>,
    /// The file's error budgets, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<String, BudgetResults>,
    /// The file's faults, by id.
    #[serde(default)]
    pub faults: Vec<FaultResults>,
    /// Requests that hang at the end of the runs, by what they wait for.
    #[serde(default)]
    pub hanging: Vec<Hanging>,
    /// What happened, and in which order.
    #[serde(default)]
    pub timeline: Timeline,
    /// The node that is nearest to its limit; null: none has one.
    #[serde(default)]
    pub bottleneck: Option<Bottleneck>,
    /// What clients saw of the data of all stores that are followed; absent where none is: nobody writes to one, or
    /// `history: none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<ConsistencyResults>,
    /// What the sums of money rest on; absent where nothing has a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostResults>,
    /// Where the time of a mean request went; null: none was decided.
    #[serde(default)]
    pub blame: Option<Blame>,
    /// The file's SLOs.
    pub slos: Vec<SloResult>,
    /// What the file expects to be seen (`expect`); their verdicts are `as expected`, `not as expected`,
    /// `inconclusive` or `undecided`.
    #[serde(default)]
    pub expect: Vec<SloResult>,
    /// Each replication's figures.
    pub replications: Vec<ReplicationResults>,
    /// Figures over time.
    pub series: TimeSeries,
    /// Share of requests slower than each latency: `(seconds, fraction)` points, by `all` and client.
    pub latency_tail: BTreeMap<String, Vec<(f64, f64)>>,
    /// The design as a graph.
    pub design: Design,
    /// What this model leaves out.
    pub leaves_out: Vec<String>,
    /// Warnings of the scenario.
    pub warnings: Vec<String>,
    /// What it was fed with: without these files it does not run again.
    #[serde(default)]
    pub data: Vec<DataFile>,
}

impl Results {
    /// All of it was simulated.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.status == Status::Complete
    }

    /// The replication of interest, and its index: the one that the timeline is read from, or the first.
    #[must_use]
    pub fn of_interest(&self) -> Option<(usize, &ReplicationResults)> {
        let index = self.timeline.replication.unwrap_or(0) as usize;
        Some((index, self.replications.get(index)?))
    }
}
