//! Caches: keys held near their readers. A cache is a server whose program looks keys up, fetches and
//! admits them; hit ratios emerge from keys, capacity and time.
//!
//! **Invariant.** A lookup counts when it arrives, a fill admits when it arrives (`semantics.md` 54).

pub mod asked;
pub mod books;
pub mod build;
mod check;
pub mod contents;
pub mod eviction;
pub mod leases;
pub mod lives;

mod inside;
pub mod prefill;
pub mod spaces;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, DurationLaw, Table},
    model::{
        fault::Effect,
        kind::{Facts, Kind, NO_COPIES, Outgoing, Prices, Reach, Startup, Verb},
        network::ZonesSpec,
        ring::POINTS,
        store::ShardBy,
    },
    node_kind::NodeKind,
    units::{Count, Fraction, HourPrice, Name, SimDuration},
};
use eviction::Eviction;
pub use text::Early;

/// Holds keys near their readers. With `read: {from: store, cache: this}` a service looks here first
/// and fills it after a miss (cache-aside). Called directly it is read-through: a miss is fetched from
/// the node in `from`, or, without one, admitted as it is.
///
/// ```yaml
/// redis: {cache: {capacity: 200k, eviction: lru, ttl: 5m, latency: 0.3ms, instances: 2}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheSpec {
    /// What each instance holds: entries (`200k`) or bytes (`4GB`); everything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// Which entry leaves a full cache: `lru` (default), `fifo`, `random`, `clock`, `sieve`, `lfu`, `slru`,
    /// `arc`, `two_q`, `s3fifo`, `lirs`, `w_tinylfu`; as Redis approximates them `sampled_lru(samples=5
    /// clock=1s)`, `sampled_lfu(samples=5 decay=1m)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eviction: Option<Eviction>,
    /// How much of what it can hold (of all keys, without a `capacity`) it holds as the run begins: the keys that
    /// are asked for most, as the laws of its clients say (those of several by their rates, or alike
    /// where one's is not known), each as old as at any instant. Empty when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill: Option<Fraction>,
    /// How long an entry is served after it was filled: the same for all, or a law that is drawn at each fill
    /// (`uniform(51m 69m)`), so that what was filled together does not expire together; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<DurationLaw>,
    /// A value is fetched anew before its `ttl` is over, by one caller at a time, while the others are served
    /// what is there: the first to ask in the last part of its life (`5%`), or with a chance that grows
    /// towards its end, the sooner the longer it took to fetch (`xfetch(beta=1)`). For who fetches by himself
    /// it is a miss; with `from` the cache fetches in the background, and it is a hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early: Option<Early>,
    /// Each hit begins the `ttl` anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_renew: Option<bool>,
    /// How long after its `ttl` an entry is still served to those who call this cache directly, while
    /// it is fetched anew in the background, once at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_while_revalidate: Option<SimDuration>,
    /// How long it is remembered that a key cannot be read: after a fetch was answered with an error, its
    /// lookups fail at once and the reads they belong to with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative: Option<SimDuration>,
    /// Work of each request here; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<DurationFormula>,
    /// Number of instances; each key lives on one. 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Count>,
    /// How a key finds its instance: `consistent_hash(vnodes=100)` when absent, or `hash` (modulo), with
    /// which another number of instances moves almost every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ShardBy>,
    /// Instances that are there from the start, for those that take up keys only once `set` says so.
    #[serde(skip)]
    pub places: u64,
    /// The service each instance of which has one of these inside: reached without a network, lost with
    /// its instance, used by its steps only.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub in_: Option<Name>,
    /// Node a direct call fetches a missing key from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Name>,
    /// Misses of a key that is being fetched wait for that fetch instead of fetching too, whether this
    /// cache fetches it (`from`) or a service that found it missing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coalesce: Option<bool>,
    /// A miss is given a lease, which an invalidation or a write of its key voids; a fill without a valid one is refused
    /// (cause `fill_refused`). Without leases what was read before a write may come to the cache after the
    /// invalidation, and stays there. A lease lasts 10 s, as in memcached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<bool>,
    /// What becomes of those who wait when the fetch they wait for fails: they fail with it (`together`, when
    /// absent), or the next of them makes another (`next(wait=1s)`), and who has waited for so long fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Cores of each instance; unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<Count>,
    /// Waiting room of each instance; beyond it requests are rejected. Unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Count>,
    /// Time a crashed instance takes to start again once the fault is over; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<DurationLaw>,
    /// What an instance costs: `$0.25/h`, from the start of its boot until it is taken away, down or not. One that is
    /// `in` a service is paid with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<HourPrice>,
    /// Where the instances stand, in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
}

/// What becomes of those who wait for a fetch that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They fail with it.
    Together,
    /// The next of them makes another; who has waited for so long fails.
    Next(SimDuration),
}

/// Entries or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// So many entries.
    Entries(u64),
    /// So many bytes.
    Bytes(u64),
}

impl Kind for CacheSpec {
    fn facts(&self) -> Facts<'_> {
        Facts {
            kind: NodeKind::Cache,
            instances: self.routed().max(self.places),
            need: 1,
            capacity: self.cores.map(|c| c.0 as f64),
            shards: false,
            zones: self.zones.as_ref(),
            floats: false,
            reach: match &self.by {
                _ if self.in_.is_some() => Reach::Inside,
                Some(by) => by.reach(),
                None => Reach::Ring(POINTS),
            },
            replicas: None,
        }
    }

    fn detail(&self) -> String {
        let eviction = self.eviction.unwrap_or_default();
        let holds = self.capacity.map(|c| format!("{c}, {eviction}"));
        let inside = self.in_.as_ref().map(|host| format!("in {}", host.0));
        inside.into_iter().chain(holds).collect::<Vec<_>>().join(", ")
    }

    fn files(&self) -> Vec<(Table, String)> {
        let boot = self.boot.iter().chain(&self.ttl).flat_map(DurationLaw::tables);
        self.latency.iter().flat_map(DurationFormula::tables).chain(boot).collect()
    }

    fn carries(&self) -> bool {
        let bytes = matches!(self.capacity, Some(Capacity::Bytes(_)));
        bytes
            || self.lease == Some(true)
            || self.latency.iter().any(|l| l.attributes().next().is_some())
    }

    fn outgoing(&self, path: &str) -> Vec<Outgoing> {
        let fetch = |verb: Verb| {
            self.from.iter().map(move |from| Outgoing {
                operation: Some((verb.name().to_owned(), Some(verb))),
                label: verb.name().to_owned(),
                sure: false,
                misses: verb == Verb::Read,
                ..Outgoing::to(format!("{path}.from"), &from.0)
            })
        };
        fetch(Verb::Read).chain(fetch(Verb::Write)).collect()
    }

    fn spares(&self, effect: Effect<'_>) -> Option<&'static str> {
        matches!(effect, Effect::Corrupt(_)).then_some(NO_COPIES)
    }

    fn goes_by_clock(&self) -> bool {
        true
    }

    fn restarts(&self) -> bool {
        true
    }

    fn needs_keys(&self) -> Option<&'static str> {
        Some("cache")
    }

    fn startup(&self) -> Startup<'_> {
        Startup { boot: self.boot.as_ref(), warm: None }
    }

    fn routed(&self) -> u64 {
        self.instances.map_or(1, |n| n.0)
    }

    fn prices(&self) -> Option<Prices> {
        let alone = self.in_.is_none();
        alone.then(|| Prices { hour: self.price.map(|p| p.0), ..Prices::default() })
    }

    fn changeable(&self) -> &'static [&'static str] {
        &["latency", "ttl", "stale_while_revalidate", "instances"]
    }
}
