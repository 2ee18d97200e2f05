//! Services whose instances come and go: how many are wanted, by what was measured.
//!
//! Places of a node are numbered for good, from 0 to one less than `max`; each may be taken again and again, a life
//! each time. `places.rs` holds the lives, `scaler.rs` decides, `look.rs` has both happen at stops between two
//! events, like alerts and faults.
//!
//! **Invariant.** An autoscaler knows what a real one could: sums that were measured a while ago, and how many it has
//! asked for itself.

pub mod check;
pub mod classes;
pub mod door;
pub mod hold;
mod look;
pub mod places;
mod rolling;
pub mod scaler;
pub mod scaling;

mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Count, Fraction, Name, Number, Rate, SimDuration};

/// Instances come and go. Every so often the autoscaler compares a figure with its `target` and wants as many
/// instances as would bring it there, as the Horizontal Pod Autoscaler of Kubernetes does: ready ones x figure /
/// target, rounded up. New ones take their time to `boot`; the newest go first, and drain before they are gone. The
/// service begins with `instances`, or with `min` of them. A `set` fault may change it, or freeze it as it is: `autoscale: none`.
///
/// ```yaml
/// autoscale: {min: 2, max: 20, target: 60%}
/// autoscale: {min: 2, max: 20, metric: requests, target: 100/s, every: 30s, cooldown: 2m}
/// autoscale: {min: 2, max: 20, steps: [{above: 80%, add: 2}, {above: 95%, add: 5}, {below: 30%, remove: 1}]}
/// autoscale: {min: 2, max: 20, target: 60%, schedule: [{every: 24h, at: 8h, min: 8}, {every: 24h, at: 20h}]}
/// autoscale: {min: 0, max: 20, hold: 100, target: 60%}
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoscaleSpec {
    /// Fewest instances that are wanted. With 0 there may be none: then calls are `unavailable`, unless they `hold`; messages of
    /// a queue or log bring the first one by `metric: depth(orders)`, `age` or `lag`. `need` is 0 then, if the file does not say.
    pub min: Count,
    /// Most instances that are wanted, and places for them; whoever drains has one.
    pub max: Count,
    /// With `min: 0`: so many calls wait, in one line of the whole service, while it has no instance. The first that comes has one
    /// boot at once, and all of them go to whoever is ready first. Who stops waiting leaves the line; further calls are
    /// `unavailable`. None wait when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Count>,
    /// What is compared, for each ready instance: `utilisation` (default) of cores, else workers; `requests` that arrive,
    /// requests `in_queue`, `in_system` (with those inside instances that drain); messages that wait in a queue, `depth(orders)`, how long the oldest of
    /// them has waited, `age(orders)`, or that a group
    /// of a log has not worked off, `lag(events group=search)`; or
    /// `response_time`, the mean of all visits that ended, which says little of how many instances would be enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricSpec>,
    /// What it should be: `60%`, `100/s`, a number, or a time. Not with `steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<LevelSpec>,
    /// Over how long it is taken; as long as `every` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<SimDuration>,
    /// Time from one decision to the next; 15 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<SimDuration>,
    /// How old what was measured is when it is looked at; 15 s when absent. Before `delay` and one `window` nothing is
    /// decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<SimDuration>,
    /// Figures that are so near to the target change nothing; 10 % when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Fraction>,
    /// On the way down the highest number that was wanted so long ago or since counts; 5 m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stabilise: Option<SimDuration>,
    /// Nothing changes for so long after a change; not at all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<SimDuration>,
    /// How many more there may be than some time before; `limit(count=4 share=100% per=15s)` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<LimitSpec>,
    /// How many fewer; `limit(share=100% per=15s)` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<LimitSpec>,
    /// How long an instance that goes takes nothing new before what is still inside fails; 10 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<SimDuration>,
    /// So many more or fewer at once, in place of a `target`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepScalingSpec>,
    /// Other bounds by the time of day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<BoundsSpec>,
    /// What was wanted one period ago is wanted ahead of its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predict: Option<PredictSpec>,
    /// The node that does all this: while none of its instances is up, or none can exchange messages with any of the
    /// service, nothing is measured and nothing decided. When absent nothing can keep it from that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Name>,
}

/// What is compared with the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MetricSpec {
    /// Busy / capacity.
    #[default]
    Utilisation,
    /// Arrivals per second.
    Requests,
    /// Requests inside.
    InSystem,
    /// Requests waiting.
    InQueue,
    /// Mean time from arrival to reply.
    ResponseTime,
    /// Messages that wait in a queue to be handed out.
    Depth(Name),
    /// How long the oldest message that waits in a queue has waited.
    Age(Name),
    /// Messages of a log that a group has not worked off.
    Lag(Name, Name),
}

/// What a figure may be held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LevelSpec {
    /// `60%`
    Share(Fraction),
    /// `100/s`
    Rate(Rate),
    /// `200ms`
    Time(SimDuration),
    /// `8`
    Number(Number),
}

/// `limit(count=4 share=100% per=15s)`: the larger of both, in any such time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitSpec {
    /// Instances.
    pub count: Option<Count>,
    /// Share of those that were there before.
    pub share: Option<Fraction>,
    /// How long before, ns.
    pub per: SimDuration,
}

/// A step: so many more above a level, or so many fewer below one. Of several that hold the furthest counts.
///
/// ```yaml
/// [{above: 80%, add: 2}, {above: 95%, add: 5}, {below: 30%, remove: 1}]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepScalingSpec {
    /// It holds while the figure is above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<LevelSpec>,
    /// So many are added then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<Count>,
    /// It holds while the figure is below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<LevelSpec>,
    /// So many are taken away then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<Count>,
}

/// Other bounds from some time on, until the next of the list begins.
///
/// ```yaml
/// [{every: 24h, at: 8h, min: 8}, {every: 24h, at: 20h, min: 2}]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundsSpec {
    /// When, from the start of the run or of each period.
    pub at: SimDuration,
    /// Again and again; once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<SimDuration>,
    /// Fewest instances from then on; the `min` of the autoscaler when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Count>,
    /// Most of them; its `max` when absent, and never more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Count>,
}

/// Load that comes again.
///
/// ```yaml
/// {period: 24h, ahead: 10m}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictSpec {
    /// After how long the same load is expected again.
    pub period: SimDuration,
    /// How long before that instances are wanted.
    pub ahead: SimDuration,
}

/// Time between two decisions when the file does not say, ns, and age of what they go by.
const EVERY: u64 = 15_000_000_000;
/// How long wishes are remembered on the way down, ns.
const STABILISE: u64 = 300_000_000_000;
/// How long an instance takes nothing new before it is gone, ns.
const DRAIN: u64 = 10_000_000_000;
/// How near to the target nothing changes.
const TOLERANCE: f64 = 0.1;

impl AutoscaleSpec {
    /// What is compared.
    pub fn metric(&self) -> MetricSpec {
        self.metric.clone().unwrap_or_default()
    }

    /// Time from one decision to the next, ns.
    pub fn every(&self) -> u64 {
        self.every.map_or(EVERY, |every| every.0)
    }

    /// Over how long a figure is taken, ns.
    pub fn window(&self) -> u64 {
        self.window.map_or(self.every(), |window| window.0)
    }

    /// Age of what is looked at, ns.
    pub fn delay(&self) -> u64 {
        self.delay.map_or(EVERY, |delay| delay.0)
    }

    /// How far a figure may be from the target, as a share of it.
    pub fn tolerance(&self) -> f64 {
        self.tolerance.map_or(TOLERANCE, |tolerance| tolerance.0)
    }

    /// How long wishes are remembered, ns.
    pub fn stabilise(&self) -> u64 {
        self.stabilise.map_or(STABILISE, |stabilise| stabilise.0)
    }

    /// How long an instance drains, ns.
    pub fn drain(&self) -> u64 {
        self.drain.map_or(DRAIN, |drain| drain.0)
    }

    /// How many more there may be.
    pub fn up(&self) -> LimitSpec {
        let count = Some(Count(4));
        self.up.unwrap_or(LimitSpec { count, share: Some(Fraction(1.0)), per: SimDuration(EVERY) })
    }

    /// How many fewer there may be.
    pub fn down(&self) -> LimitSpec {
        let share = Some(Fraction(1.0));
        self.down.unwrap_or(LimitSpec { count: None, share, per: SimDuration(EVERY) })
    }

    /// Whether there may be no instance at all at some time.
    pub fn reaches_zero(&self) -> bool {
        self.min.0 == 0 || self.schedule.iter().any(|bounds| bounds.min == Some(Count(0)))
    }

    /// The bounds at an instant: fewest and most.
    pub fn bounds(&self, now: u64) -> (u64, u64) {
        // When each last began; of those of one instant the last one of the list counts.
        let began = |bounds: &&BoundsSpec| {
            let since = now.checked_sub(bounds.at.0)?;
            let period = bounds.every.map_or(u64::MAX, |every| every.0);
            Some(now - since % period)
        };
        let last = self.schedule.iter().filter(|one| began(one).is_some()).max_by_key(began);
        let (min, max) = (self.min.0, self.max.0);
        let max = last.and_then(|one| one.max).map_or(max, |most| most.0.min(max));
        (last.and_then(|one| one.min).map_or(min, |least| least.0).min(max), max)
    }
}

impl LevelSpec {
    /// As a number: a share, per second, seconds.
    pub fn value(self) -> f64 {
        match self {
            Self::Share(share) => share.0,
            Self::Rate(rate) => rate.0,
            Self::Time(time) => time.0 as f64 / 1e9,
            Self::Number(number) => number.0,
        }
    }
}
