//! Load balancers: which instance gets the next request. A balancer knows only what its own
//! messages told it.

pub mod build;
pub mod check;
mod facts;
pub mod health;
mod passing;
pub mod policy;
pub mod proxy;
pub mod run;

mod text;
mod tree;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::network::ZonesSpec,
    units::{Count, Fraction, HourPrice, Name, Number, SimDuration},
};

/// Spreads requests over the instances of its targets. It keeps a request's place until the reply
/// comes back or its `timeout` is over, never retries, and without health checks never learns that a
/// target is gone. A health check implies no time-out: what is at a host that dies waits for its caller's
/// timer, unless there is a `timeout` or `on_down: reset` here. Each balancer begins with an instance of
/// its own.
///
/// ```yaml
/// lb: {load_balancer: {to: api, policy: least_requests}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancerSpec {
    /// A node, a list of nodes (one pool of instances), or weights `{blue: 95, green: 5}`: the
    /// weight picks the node, `policy` the instance. What a node without a healthy instance would get
    /// the others share by their weights.
    pub to: TargetsSpec,
    /// How the instance is chosen: `round_robin` (default), `random`, `first` (that is well and has room), `least_requests`,
    /// `power_of_d(d=2)`, `peak_ewma`; by the request's key `consistent_hash(vnodes=100)`,
    /// `bounded_hash(vnodes=100 c=1.25)`, `rendezvous`; by session `sticky`. Ties go to the next after
    /// the one chosen last. `power_of_d(d=2 replace=true)` may draw the same instance again, as `HAProxy`'s
    /// `random(2)` does. `round_robin(smooth=true)` spreads weights evenly instead of drawing by them,
    /// as nginx does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Most requests it has at a target at once; the others wait here, in one line for all targets, and go to the first that has room
    /// (`HAProxy`'s `maxconn`, the container concurrency of Knative). Unbounded when absent. What is at a target that is
    /// found down is not counted any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<Count>,
    /// How many may wait; beyond it requests are `rejected` (cause `queue_full`). Unbounded when absent; 0: none. While
    /// no target is taken for alive newcomers end `unavailable` at once, and who waits already goes on waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Count>,
    /// How long one waits, then it is `rejected` (cause `abandoned`); for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<SimDuration>,
    /// Only so many of the targets are used: for each calling instance some of its own, drawn once (`5`); or for each
    /// key (`2 by=key`: shuffle sharding). Whether they are well or not makes no difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<Subset>,
    /// What is spread: each `request` (when absent; layer 7), or each `connection` (layer 4): an instance is chosen when a caller's `pool` opens
    /// one, and gets all that comes on it. Then `least_requests` counts connections, and a new instance gets nothing before
    /// one is opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<BalanceSpec>,
    /// Probes that travel to every target and decide who is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheckSpec>,
    /// How long it waits for a target before it answers its caller `timeout` (cause `target_timeout`).
    /// For ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<SimDuration>,
    /// What becomes of requests at a target that a `health_check` has just found down: they `wait` for
    /// their callers' timers (when absent), or they are `reset`: they fail at once, with an `error`
    /// (cause `target_down`). Either way they are not counted as outstanding there any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_down: Option<OnDown>,
    /// Takes a target out for a while when its requests fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eject: Option<EjectSpec>,
    /// Time in which a target that is back gets its full share, from a tenth on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<SimDuration>,
    /// With less than this share of healthy targets, all are used; without it, none is used when none
    /// is healthy: requests end `unavailable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<Fraction>,
    /// What it costs: `$0.0225/h`, down or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<HourPrice>,
    /// Where it stands; without it the balancer is in its caller's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
}

/// How a balancer or dns node checks its targets.
///
/// ```yaml
/// health_check: {interval: 2s, timeout: 500ms, fall: 3, rise: 2, operation: health}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheckSpec {
    /// From one probe of a target to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<SimDuration>,
    /// How long an answer may take; `interval` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<SimDuration>,
    /// Failures in a row that take a target out; 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fall: Option<Count>,
    /// Successes in a row that bring it back; 2 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rise: Option<Count>,
    /// The endpoint that is asked: it runs its steps like any request (a deep check). Without it the
    /// probe is answered by whoever is there, however busy or broken (a shallow check).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Name>,
    /// Instead of probes, for runs of years: a crash and its end are known after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<SimDuration>,
}

/// What a balancer spreads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BalanceSpec {
    /// Each request by itself.
    Request,
    /// Each connection, with all that comes on it.
    Connection,
}

/// What becomes of requests at a target that was found down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDown {
    /// They wait for an answer or for their callers' timers.
    Wait,
    /// They fail at once.
    Reset,
}

/// When a balancer takes a target out for the failures of its requests: for so many in a row, for doing worse than
/// the others, or either.
///
/// ```yaml
/// eject: {errors: 5, for: 30s, max: 50%}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EjectSpec {
    /// Failed requests in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Count>,
    /// Or a share of good answers that is far below that of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<SuccessRateSpec>,
    /// For how long.
    #[serde(rename = "for")]
    pub for_: SimDuration,
    /// Each further time a target is taken out for `for` longer, up to this. One time is forgotten for each `for` that it has
    /// been back. Always for as long when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<SimDuration>,
    /// Share of the targets that may be out at once, one at least; 50 % when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Fraction>,
}

/// Targets that do worse than the others: a share of good answers more than so many standard deviations below the mean of all
/// targets (as in Envoy).
///
/// ```yaml
/// success_rate: {every: 10s, requests: 100, targets: 5, deviations: 1.9}
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuccessRateSpec {
    /// How often they are compared, by what ended since the last time; 10 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<SimDuration>,
    /// Fewest requests of a target that is compared; 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Count>,
    /// Fewest such targets; 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Count>,
    /// Standard deviations below the mean; 1.9 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviations: Option<Number>,
}

/// A node, a list of nodes, or nodes with weights.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetsSpec {
    /// One node.
    One(Name),
    /// Several nodes whose instances form one pool.
    Pool(Vec<Name>),
    /// Nodes with weights.
    Weighted(BTreeMap<Name, Number>),
}

/// How many of its targets are used, and by what they are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subset {
    /// How many.
    pub size: Count,
    /// Each key has its own, not each calling instance.
    pub by_key: bool,
}

/// How a balancer chooses an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// Each instance in turn; `true`: each target in turn too, as often as its weight says (smooth
    /// weighted round robin).
    RoundRobin(bool),
    /// Uniformly at random.
    Random,
    /// The first that is well and, with `max_in_flight`, has room.
    First,
    /// The instance with the fewest requests this balancer has outstanding there.
    LeastRequests,
    /// `d` instances at random, of these the one with the fewest outstanding requests (Mitzenmacher,
    /// IEEE TPDS 2001).
    PowerOfD {
        /// How many are drawn.
        d: u32,
        /// The same one may be drawn again.
        replace: bool,
    },
    /// The lowest product of outstanding requests and a peak-sensitive moving average of response
    /// time, decaying over 10 s, between two instances drawn at random (Finagle, tower).
    PeakEwma,
    /// By the request's key: the instance of the next of so many points of each on a ring (Karger and
    /// others, STOC 1997).
    ConsistentHash(u32),
    /// The same, passing over instances that have more than `c` times the mean outstanding (Mirrokni,
    /// Thorup, Zadimoghaddam, "Consistent hashing with bounded loads", SODA 2018).
    BoundedHash(u32, f64),
    /// By the request's key: the instance with the highest hash of key and instance (Thaler,
    /// Ravishankar, IEEE/ACM Transactions on Networking, 1998).
    Rendezvous,
    /// In turn for the first request of a session; the others follow it to the same instance, as by a
    /// cookie, until that is taken for dead. Closed users are one session each; requests of an open
    /// client without `session` are one each.
    Sticky,
}

impl Policy {
    /// Whether it chooses by the request's key.
    pub const fn is_by_key(&self) -> bool {
        matches!(self, Self::ConsistentHash(_) | Self::BoundedHash(..) | Self::Rendezvous)
    }
}
