//! A topic: a log that groups read, or one that tells several nodes of each message.

mod build;
mod check;
pub mod coordinator;
pub mod copies;
pub mod groups;
pub mod host;
pub mod letters;
pub mod log;
pub mod member;
pub mod reader;
pub mod replicated;

use std::collections::BTreeMap;

pub use copies::{AckWhenSpec, CopiesSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, DurationLaw, Table},
    model::{
        fault::Effect,
        kind::{Facts, Kind, Op, Outgoing, Prices, Reach, Startup, Visit, spares_a_server},
        network::ZonesSpec,
        replication::ReplicationSpec,
        resilience::EdgeSpec,
        store::ShardBy,
    },
    node_kind::NodeKind,
    units::{CallPrice, Count, Name, SimDuration, show::plural},
};

/// Hands messages on to several who each get all of them. Whoever calls it, or has a step `publish`, is answered once the
/// topic has the message.
///
/// Without `to` it is a log: messages are appended to `partitions`, and stay. Services read it by `consumes`: each group of
/// their instances gets every message once, a partition is read by one instance of a group at a time, in order, and how far
/// the group is is put down now and then (`commit`). Instances that come, go or fall silent make the others share the
/// partitions anew.
///
/// With `to` it keeps nothing: each node named is called with the message, all at the same time and each for itself: one that
/// is slow or down keeps none of the others waiting. `dependencies` say how long to wait for each and how often to try; what is
/// given up then is `dropped` (in `causes`). A queue among them keeps its copy until its consumers have worked it off.
///
/// ```yaml
/// events: {topic: {partitions: 12, instances: 3, retention: 24h}}
/// search: {service: {consumes: {from: events, commit: 5s}, work: exp(mean=2ms)}}
/// order_events: {topic: {to: [billing_jobs, search, mailer], dependencies: {mailer: {timeout: 2s, retry: {attempts: 5}}}}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicSpec {
    /// The nodes that are told; a log when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<Name>>,
    /// Parts of a log, of which each is in order and read by one instance of a group at a time; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<Count>,
    /// Brokers of a log: partition `p` stands on broker `p` modulo so many; 1 when absent. The first of them coordinates
    /// the groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Count>,
    /// How a key finds its partition, as keys of a store find their shard: `hash` (the default), `consistent_hash(vnodes=100)`,
    /// `range`, `directory`. Without keys messages go to the partitions in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ShardBy>,
    /// Copies of each partition of a log; 1 when absent. One of them leads, takes the messages and hands them out; a message is in
    /// the log once most copies have it, and when its leader is gone the others elect another one (Raft, as in the
    /// [`replication`](#raft) of stores, a partition being a shard; what Kafka does with `min.insync.replicas` of a majority).
    /// Each copy is a machine of its own with its own `cores`, so `instances` are not said; copy `r` of partition `p` stands in
    /// place `p + r` of `zones`, going round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<CopiesSpec>,
    /// When who publishes is answered: `all` (the default; when the message is in the log), `leader` (when its leader has it: it is
    /// lost if that one then fails before most copies have it), `none` (when it has come to its leader).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<AckWhenSpec>,
    /// How long a log keeps a message, read or not; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<SimDuration>,
    /// Work of handing out a message of a log; 0s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive: Option<DurationFormula>,
    /// Policy of each outgoing edge.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: BTreeMap<Name, EdgeSpec>,
    /// Work of accepting a message; 0s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<DurationFormula>,
    /// Cores of the broker; unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<Count>,
    /// Time a crashed broker takes to start again once the fault is over; 0 when absent. What a log had accepted is still
    /// there; what was still to be told to others is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<DurationLaw>,
    /// Where it stands; in the first zone when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
    /// What a publish costs: `$0.50/1M`, retries included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<CallPrice>,
}

impl TopicSpec {
    /// Whether it is a log.
    pub fn is_log(&self) -> bool {
        self.to.is_none()
    }

    /// Whom it tells.
    pub fn told(&self) -> &[Name] {
        self.to.as_deref().unwrap_or_default()
    }

    /// Partitions of a log.
    pub fn partitions(&self) -> u64 {
        self.partitions.map_or(1, |count| count.0)
    }

    /// Copies of each partition.
    pub fn copies(&self) -> u64 {
        self.replicas.as_ref().map_or(1, CopiesSpec::count)
    }

    /// Brokers, each of which has partitions; or copies of partitions, each of which is one's.
    pub fn brokers(&self) -> u64 {
        match self.replication() {
            Some(_) => self.partitions().saturating_mul(self.copies()),
            None => self.instances.map_or(1, |count| count.0),
        }
    }

    fn laws(&self) -> impl Iterator<Item = &DurationFormula> {
        self.publish.iter().chain(&self.receive)
    }
}

impl Kind for TopicSpec {
    fn facts(&self) -> Facts<'_> {
        let replicas = self.replication().map(ReplicationSpec::facts);
        Facts {
            kind: NodeKind::Topic,
            instances: self.brokers(),
            need: self.brokers(),
            capacity: self.cores.map(|c| c.0 as f64),
            shards: replicas.is_some(),
            zones: self.zones.as_ref(),
            floats: false,
            reach: Reach::Any,
            replicas,
        }
    }

    fn detail(&self) -> String {
        if self.is_log() {
            let partitions = plural(self.partitions(), "partition");
            let copies = self.replication().map(|_| plural(self.copies(), "replica"));
            return [Some(partitions), copies].into_iter().flatten().collect::<Vec<_>>().join(", ");
        }
        format!("tells {}", self.told().len())
    }

    fn files(&self) -> Vec<(Table, String)> {
        let laws = self.laws().flat_map(DurationFormula::tables);
        laws.chain(self.boot.iter().flat_map(DurationLaw::tables)).collect()
    }

    fn carries(&self) -> bool {
        let works = self.laws().any(|law| law.attributes().next().is_some());
        works || self.dependencies.values().any(EdgeSpec::carries)
    }

    fn outgoing(&self, path: &str) -> Vec<Outgoing> {
        let told = |(i, to): (usize, &Name)| {
            let retry = self.dependencies.get(to).and_then(|edge| edge.retry.as_ref());
            Outgoing {
                attempts: retry.map_or(1, |retry| retry.attempts.0),
                ..Outgoing::message(format!("{path}.to[{i}]"), &to.0)
            }
        };
        self.told().iter().enumerate().map(told).collect()
    }

    fn spares(&self, effect: Effect<'_>) -> Option<&'static str> {
        spares_a_server(effect)
            .filter(|_| !(matches!(effect, Effect::Clock(_)) && self.goes_by_clock()))
    }

    fn goes_by_clock(&self) -> bool {
        self.replication().is_some()
    }

    fn replication(&self) -> Option<&ReplicationSpec> {
        self.replicas.as_ref().filter(|copies| copies.count() > 1).map(CopiesSpec::replication)
    }

    fn routed(&self) -> u64 {
        if self.replication().is_some() { self.partitions() } else { self.facts().instances }
    }

    fn restarts(&self) -> bool {
        false
    }

    fn takes_messages(&self) -> bool {
        true
    }

    fn is_broker(&self) -> bool {
        self.is_log()
    }

    fn partitions(&self) -> Option<(u64, Reach<'_>)> {
        let by = self.by.as_ref().map_or(Reach::Hash, ShardBy::reach);
        self.is_log().then(|| (self.partitions(), by))
    }

    fn edges(&self) -> Option<&BTreeMap<Name, EdgeSpec>> {
        Some(&self.dependencies)
    }

    fn visit(&self, _op: &Op) -> Visit {
        self.publish.as_ref().map_or_else(Visit::default, |work| Visit {
            least: work.min_value(),
            work: work.mean_of_law().unwrap_or(0.0),
        })
    }

    fn startup(&self) -> Startup<'_> {
        Startup { boot: self.boot.as_ref(), warm: None }
    }

    fn prices(&self) -> Option<Prices> {
        Some(Prices { calls: self.price.map(|p| p.0), ..Prices::default() })
    }

    fn changeable(&self) -> &'static [&'static str] {
        &["publish", "receive", "dependencies"]
    }
}
