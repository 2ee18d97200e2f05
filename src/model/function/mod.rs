//! Functions: requests that run in environments, which start for them and end when nobody needs them any more.
//!
//! A function is a service, but for where its requests run (`pool.rs`).

mod build;
mod check;
pub mod environments;
pub mod pool;

mod text;

use std::{collections::BTreeMap, sync::OnceLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, DurationLaw, Table},
    model::{
        fault::Effect,
        kind::{Facts, Kind, Op, Outgoing, Prices, Visit, spares_a_server},
        network::ZonesSpec,
        queue::consumes::ConsumesSpec,
        resilience::{EdgeSpec, rate_limit::RateLimitSpec},
        service::{ServiceSpec, StepSpec, parts::InboundSpec},
    },
    node_kind::NodeKind,
    units::{CallPrice, Count, MemoryPrice, Name, Size, show::plural},
};

/// Environments at once when the file says nothing.
const CONCURRENCY: u64 = 1000;

/// Runs steps for each request in an environment of its own. The environment that was used last is used first; when all are busy
/// another one starts, and the request waits for it: a cold start. One that has been idle for `keep_alive` ends. Its steps,
/// `dependencies` and `inbound` are those of a service; breakers, pools and limits of its edges are those of all environments of a
/// zone together.
///
/// ```yaml
/// thumbs: {function: {memory: 1GB, cold_start: 400ms, consumes: {from: uploads, batch: 5}, work: 300ms}}
/// resize: {function: {memory: 2GB, cold_start: lognormal(median=800ms p99=3s), keep_alive: 10m, concurrency: 200, provisioned: 5, work: 80ms}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionSpec {
    /// Memory of an environment, which is paid for: `2GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// Time an environment takes to start, drawn for each; 0s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold_start: Option<DurationLaw>,
    /// How long an environment stays that nobody uses, from the end of its last visit on; 10m when absent. 0s: it ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<DurationLaw>,
    /// Environments at once in each zone, those that start and those provisioned included; 1000 when absent. A request that would need
    /// one more is turned away (`rate_limited`, cause `throttled`), or waits in the `queue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Count>,
    /// How fast there may be more environments in a zone, a token for each start; `token_bucket(rate=100/s burst=1000)` when absent,
    /// `none`: as fast as requests come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<GrowthSpec>,
    /// Environments in each zone that are there from the start, are used before the others, and never end; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned: Option<Count>,
    /// Requests at once in an environment, each at its full speed; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<Count>,
    /// Requests of a zone that wait in line for whichever environment is free, or has started, first: as many start as wait. When
    /// absent or 0 there is no line: a request waits for the environment that starts for it, and for no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Count>,
    /// Requests that have waited this long in the `queue` give up (`rejected`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<DurationLaw>,
    /// With a `queue`: when fewer wait than environments start, the youngest start is called off. `false` when absent: then it is idle
    /// when it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<bool>,
    /// Zones it runs in, each with environments of its own; the first one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
    /// In how many of these it must be up for it to count as up (`availability_time`); 1 when absent, 0: the design counts as up
    /// without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need: Option<Count>,
    /// What is done to requests that arrive: `rate_limit`, `shed`, `concurrency`, `validate`, `auth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound: Option<Box<InboundSpec>>,
    /// Steps of each operation; `default` serves the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<Name, Vec<StepSpec>>,
    /// Work of every request, instead of `endpoints`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<DurationFormula>,
    /// Nodes called in sequence after `work`, instead of `endpoints`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Name>,
    /// The queues whose messages it works off, as a service does; a batch runs in one environment. In each zone its door asks for
    /// batches as long as it can take more: 5 asks at once for each queue, never more than environments with room and those that may start
    /// now. A batch that finds neither after all comes again, as one that failed does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumes: Option<Box<ConsumesSpec>>,
    /// What is paid for its use: `$0.20/1M` requests that came into an environment, `$0.0000166667/GB-s` of memory while an environment
    /// starts or a request is inside (each to the next millisecond), or a list of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<UsePrice>,
    /// What is paid for provisioned environments, for all their time and whatever runs there: `$0.0000041667/GB-s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_price: Option<MemoryPrice>,
    /// Policy of each outgoing edge.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: BTreeMap<Name, EdgeSpec>,
    /// Calls without an entry in `dependencies` are an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependencies_only: Option<bool>,
    /// What it does as a service.
    #[serde(skip)]
    #[schemars(skip)]
    body: OnceLock<Box<ServiceSpec>>,
}

/// How fast there may be more environments.
#[derive(Clone, Debug, PartialEq)]
pub enum GrowthSpec {
    /// As fast as requests come.
    Unbounded,
    /// A token for each.
    Limited(RateLimitSpec),
}

/// What is paid for the use of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UsePrice {
    /// A million requests.
    pub calls: Option<CallPrice>,
    /// A gigabyte of memory for a second.
    pub memory: Option<MemoryPrice>,
}

impl FunctionSpec {
    /// Zones with environments of their own.
    pub fn pools(&self) -> u64 {
        match &self.zones {
            None | Some(ZonesSpec::One(_)) => 1,
            Some(ZonesSpec::List(zones)) => zones.len() as u64,
            Some(ZonesSpec::Counts(zones)) => zones.len() as u64,
        }
    }

    /// Environments at once in a zone.
    pub fn most(&self) -> u64 {
        self.concurrency.map_or(CONCURRENCY, |n| n.0)
    }

    /// Requests that wait in line.
    pub fn line(&self) -> Option<u64> {
        self.queue.map(|n| n.0).filter(|n| *n > 0)
    }

    /// What it does as a service that has an instance in each zone.
    pub fn body(&self) -> &ServiceSpec {
        self.body.get_or_init(|| {
            Box::new(ServiceSpec {
                instances: Some(Count(self.pools())),
                need: self.need,
                zones: self.zones.clone(),
                // It is asked at the door whether it has one: there visits are heard of as they end.
                inbound: Some(self.inbound.clone().unwrap_or_default()),
                patience: self.patience.clone(),
                endpoints: self.endpoints.clone(),
                work: self.work.clone(),
                calls: self.calls.clone(),
                consumes: self.consumes.clone(),
                dependencies: self.dependencies.clone(),
                dependencies_only: self.dependencies_only,
                ..ServiceSpec::default()
            })
        })
    }
}

impl Kind for FunctionSpec {
    fn facts(&self) -> Facts<'_> {
        let workers = self.workers.map_or(1, |n| n.0);
        Facts {
            kind: NodeKind::Function,
            capacity: Some(self.most() as f64 * workers as f64),
            ..self.body().facts()
        }
    }

    fn detail(&self) -> String {
        let memory = self.memory.map(|memory| memory.to_string());
        let most = plural(self.most(), "environment");
        memory.into_iter().chain([most]).collect::<Vec<_>>().join(", ")
    }

    fn files(&self) -> Vec<(Table, String)> {
        let laws = self.cold_start.iter().chain(&self.keep_alive).flat_map(DurationLaw::tables);
        laws.chain(self.body().files()).collect()
    }

    fn has_environments(&self) -> bool {
        true
    }

    fn carries(&self) -> bool {
        self.body().carries()
    }

    fn outgoing(&self, path: &str) -> Vec<Outgoing> {
        self.body().outgoing(path)
    }

    fn marks(&self) -> Vec<String> {
        self.body().marks()
    }

    fn key_locks(&self) -> Vec<String> {
        self.body().key_locks()
    }

    fn compared(&self) -> Vec<(String, Option<String>)> {
        self.body().compared()
    }

    fn goes_by_clock(&self) -> bool {
        self.body().goes_by_clock()
    }

    fn spares(&self, effect: Effect<'_>) -> Option<&'static str> {
        let spared = spares_a_server(effect);
        spared.filter(|_| !(matches!(effect, Effect::Clock(_)) && self.goes_by_clock()))
    }

    fn restarts(&self) -> bool {
        true
    }

    fn edges(&self) -> Option<&BTreeMap<Name, EdgeSpec>> {
        Some(&self.dependencies)
    }

    fn endpoints(&self) -> Vec<&str> {
        self.body().endpoints()
    }

    fn saturates(&self) -> Option<&'static str> {
        Some("environments")
    }

    fn prices(&self) -> Option<Prices> {
        let price = self.price.unwrap_or_default();
        Some(Prices {
            calls: price.calls.map(|price| price.0),
            memory: price.memory.map(|price| price.0),
            provisioned: self.provisioned_price.map(|price| price.0),
            provisions: self.provisioned.is_some_and(|n| n.0 > 0),
            ..Prices::default()
        })
    }

    fn visit(&self, op: &Op) -> Visit {
        self.body().visit(op)
    }

    fn consumes(&self, path: &str) -> Vec<(&Name, String)> {
        self.body().consumes(path)
    }

    fn changeable(&self) -> &'static [&'static str] {
        &["work", "calls", "endpoints", "dependencies", "inbound"]
    }
}
