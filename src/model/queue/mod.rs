//! A queue: a broker that keeps messages until a consumer has worked one off.

pub mod broker;
pub mod build;
pub mod check;
pub mod consumers;
pub mod consumes;
pub mod counts;
pub mod host;
pub mod line;
pub mod mail;
pub mod oldest;
pub mod post;
pub mod ready;
mod text;

use consumes::RedeliverSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, DurationLaw, Table},
    model::{
        cache::Capacity,
        fault::Effect,
        kind::{Facts, Kind, Op, Outgoing, Prices, Reach, Startup, Visit, spares_a_server},
        network::ZonesSpec,
        service::Discipline,
    },
    node_kind::NodeKind,
    units::{CallPrice, Count, Name, SimDuration},
};

/// Keeps messages until a consumer has worked them off. Whoever calls it, or has a step `publish`, puts a message in and is
/// answered once the broker has accepted it. Services take messages out by `consumes`: an instance with a free worker asks
/// for some, the broker hands them out, and an ack travels back when they have been worked off. What is not acknowledged
/// within `visibility` is handed out again, whatever became of it: at least once, and sometimes twice.
///
/// ```yaml
/// orders: {queue: {visibility: 30s, max_receives: 5, dead_letter: dead}}
/// dead: {queue: {}}
/// billing: {service: {workers: 4, consumes: orders, work: exp(mean=50ms)}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueSpec {
    /// What it holds at most, ready, delayed and handed out ones together: messages (`10k`) or bytes (`64MB`). Unbounded
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// What becomes of a message when it is full: the publisher is `rejected` (`reject`, the default), waits for room in
    /// order of arrival (`block`), is told that all is well while the message is thrown away (`drop`), or the oldest message
    /// that is ready goes instead (`drop_oldest`; if none is ready, the publisher is `rejected`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<FullQueueSpec>,
    /// `at_least_once` (the default): a message stays until it is acknowledged. `at_most_once`: it is off the queue as it is
    /// handed out, so that it is lost with whoever it was handed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliverySpec>,
    /// How long after a hand-out without an ack a message is ready again (Amazon SQS); 30s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<SimDuration>,
    /// How often a message is handed out at most: when the last of them fails or is not acknowledged in time, it is dead.
    /// As often as it takes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_receives: Option<Count>,
    /// The queue that takes in dead messages; when absent they are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<Name>,
    /// When a message that failed is ready again: at once (`none`, the default), when its `visibility` is over (`visibility`), or
    /// after a backoff that grows with the hand-outs (`exponential(base=1s max=1m)`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeliver: Option<RedeliverSpec>,
    /// How long after it was accepted a message that nobody has worked off is thrown away; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<SimDuration>,
    /// How long after it was accepted a message is ready; 0s when absent. The `delay` of a `publish` takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<SimDuration>,
    /// `key`: of the messages of a key one is handed out at a time, in the order in which they were accepted; one that failed
    /// keeps the others waiting. In no order when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderSpec>,
    /// Which of the messages that are ready is handed out next: `fifo` (the default; one that is ready again keeps its place), `lifo`,
    /// `priority` (of the request it stems from, 1 first), `random`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discipline: Option<Discipline>,
    /// A message that was accepted so long ago at most is not accepted a second time: its publisher, who did not hear of it
    /// and tried again, is told that all is well. No message is known again when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<SimDuration>,
    /// Whether what was accepted outlives a crash of the broker (`true`, the default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durable: Option<bool>,
    /// Work of accepting a message; 0s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<DurationFormula>,
    /// Work of handing out a message; 0s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive: Option<DurationFormula>,
    /// Cores of the broker; unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<Count>,
    /// Time a crashed broker takes to start again once the fault is over; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<DurationLaw>,
    /// Where it stands; in the first zone when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
    /// What a publish costs: `$0.40/1M`, retries included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<CallPrice>,
}

/// What becomes of a message when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FullQueueSpec {
    /// Its publisher is turned away.
    #[default]
    Reject,
    /// Its publisher waits.
    Block,
    /// It is thrown away.
    Drop,
    /// The oldest one is.
    DropOldest,
}

/// How often a message is handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliverySpec {
    /// Until it is acknowledged.
    #[default]
    AtLeastOnce,
    /// Once, or never.
    AtMostOnce,
}

/// What is handed out in the order in which it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OrderOfMessages")]
pub enum OrderSpec {
    /// The messages of each key.
    Key,
}

impl QueueSpec {
    /// How long a hand-out has, ns.
    pub fn visible_after(&self) -> u64 {
        self.visibility.map_or(30_000_000_000, |time| time.0)
    }

    fn laws(&self) -> impl Iterator<Item = &DurationFormula> {
        self.publish.iter().chain(&self.receive)
    }
}

impl Kind for QueueSpec {
    fn facts(&self) -> Facts<'_> {
        Facts {
            kind: NodeKind::Queue,
            instances: 1,
            need: 1,
            capacity: self.cores.map(|c| c.0 as f64),
            shards: false,
            zones: self.zones.as_ref(),
            floats: false,
            reach: Reach::Any,
            replicas: None,
        }
    }

    fn detail(&self) -> String {
        let holds = self.capacity.map(|capacity| format!("holds {capacity}"));
        let receives = self.max_receives.map(|n| format!("{} receives", n.0));
        holds.into_iter().chain(receives).collect::<Vec<_>>().join(", ")
    }

    fn files(&self) -> Vec<(Table, String)> {
        let laws = self.laws().flat_map(DurationFormula::tables);
        laws.chain(self.boot.iter().flat_map(DurationLaw::tables)).collect()
    }

    fn carries(&self) -> bool {
        let bytes = matches!(self.capacity, Some(Capacity::Bytes(_)));
        bytes || self.laws().any(|law| law.attributes().next().is_some())
    }

    fn outgoing(&self, path: &str) -> Vec<Outgoing> {
        let dead = self.dead_letter.as_ref();
        let to = |name: &Name| Outgoing {
            label: "dead message".to_owned(),
            times: 0.0,
            ..Outgoing::message(format!("{path}.dead_letter"), &name.0)
        };
        dead.map(to).into_iter().collect()
    }

    fn spares(&self, effect: Effect<'_>) -> Option<&'static str> {
        spares_a_server(effect)
    }

    fn restarts(&self) -> bool {
        false
    }

    fn is_broker(&self) -> bool {
        true
    }

    fn forgets_handouts(&self) -> bool {
        self.delivery == Some(DeliverySpec::AtMostOnce)
    }

    fn needs_keys(&self) -> Option<&'static str> {
        self.order.map(|OrderSpec::Key| "queue")
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
        &["publish", "receive"]
    }
}
