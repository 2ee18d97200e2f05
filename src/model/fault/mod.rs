//! Faults: what hits which part of a design, and when.
//!
//! A replication's faults are drawn before it starts, as a list of changes in time (`timeline.rs`);
//! between two events of the agenda a change is applied to the hosts (`hosts.rs`) or to the network
//! (`network/disturbed.rs`). Nothing of it is in the agenda, and a design without faults pays one
//! comparison per message.
//!
//! **Invariant.** A fault that has ended leaves no trace but what it did.

pub mod after;
mod amounts_check;
pub mod check;
pub mod death;
pub mod deploy;
mod deploy_check;
mod deploying;
mod dying;
mod environments_check;
mod harmed;
pub mod hosts;
pub mod occurrence;
pub mod rollout;
mod set;
pub mod sides;
pub mod timeline;
mod times_check;
pub mod unheard;
pub mod uptime;

mod strike;
mod text;
mod trigger;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use deploy::DeploySpec;

use crate::{
    engine::law::DurationLaw,
    model::clock::{Drift, Offset},
    units::{Bandwidth, Count, Fraction, Name, Number, SimDuration},
};

/// Occurrences of one fault in one replication, at most.
pub const MAX_OCCURRENCES: usize = 100_000;

/// One fault: exactly one effect, and when it comes.
///
/// `at` with `for` is once (without `for` it stays to the end); `after` an alert in place of `at`: when
/// that first fires; with `every` it comes again after each period; `mtbf` with `mttr` is again and again: the time from a repair to the next failure, and the time
/// to repair. Overlapping faults add up:
/// factors (and how fast clocks go) multiply, latencies add, losses combine, a host is up when no fault holds it down, and what is
/// down is not paused. They end in any order.
///
/// ```yaml
/// faults:
///   - {id: az-loss, at: 3m, for: 40s, crash: {zone: us-east-b}}
///   - {id: gray, at: 6m, for: 60s, slow: {node: products, shard: 2, factor: 8}}
///   - {id: backup, every: 24h, at: 2h, for: 30m, slow: {node: products, factor: 3}}
///   - {id: wear, crash: {node: api, instances: 1}, mtbf: exp(mean=30d), mttr: 10m}
///   - {id: leak, every: 6h, for: 1h, over: 1h, slow: {node: api, factor: 5}}
///   - {id: power, at: 5m, for: 1m, stagger: 30s, crash: {node: api, instances: 50%}}
///   - {id: cutover, at: 8m, set: {nodes.api.service.work: 7ms}}
///   - {id: rollback, after: bad-green, delay: 60s, set: {nodes.api.service.work: 9ms}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// Its name in results and SLOs.
    pub id: Name,
    /// What stories and pictures call it, in place of its effect and target: `title: half of the fleet reboots`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When it starts, from the start of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<SimDuration>,
    /// In place of `at`: it starts when this alert first fires, and never if that does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Name>,
    /// With `after`: so much later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<SimDuration>,
    /// How long it lasts; to the end when absent.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub for_: Option<SimDuration>,
    /// `slow`, `errors`, `latency`, `loss`, `load`: it grows from nothing to its full size over this time
    /// from its start on (evenly in twenty steps; `load` without steps).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<SimDuration>,
    /// What it hits recovers one by one, in an order that is drawn: the first instance when it ends, the
    /// last so much later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stagger: Option<SimDuration>,
    /// It comes again after each period: a backup every night. The first time at `at`, or after one
    /// period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<SimDuration>,
    /// Time from the repair (at first: from the start) to the next failure, drawn for each instance (a
    /// zone or region fails as a whole).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtbf: Option<DurationLaw>,
    /// Time to repair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mttr: Option<DurationLaw>,
    /// With `mtbf`: so many repairs at once; those that failed later wait for a free crew, and `mttr` is
    /// the time from then on. Unlimited when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crews: Option<Count>,
    /// It happens in this fraction of the replications only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<Fraction>,
    /// With `mtbf`: all targets fail together, and faults of one group fail together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Name>,
    /// Hosts are gone: what is inside is lost without a word, what arrives too. With `process: true`
    /// the process dies and the host answers in its place: callers get an error after one trip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<TargetSpec>,
    /// Nothing moves: work keeps what is left of it, what arrives waits, and when the pause is over
    /// everything goes on in its order, timers that are overdue included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<TargetSpec>,
    /// Work and waits take `factor` times as long; work under way takes it for the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<TargetSpec>,
    /// A `fraction` of the requests that arrive fails at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<TargetSpec>,
    /// Clocks of replicas or caches go wrong: put by `offset` (`2s`, `-300ms`), too fast or too slow by `drift` (`200ppm`,
    /// `-5%`). Afterwards they show the right time again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<TargetSpec>,
    /// What a cache holds is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_cache: Option<TargetSpec>,
    /// Copies on the disk of a store are damaged, each with probability `fraction`, on each replica by itself. Whoever reads
    /// one finds it out by its checksum: then it is gone, and comes back as the store's protocol brings it back; with
    /// `silent: true` nobody does, and it is as it was before its last write. What is written later is sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrupt: Option<TargetSpec>,
    /// Spot instances are told to go, all those of a service or in a place, or some of them: each has its `notice`, or less if it was
    /// to go sooner. Until the fault ends none comes where it hits; one that lasts a second is a mere taking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaim: Option<TargetSpec>,
    /// Messages between two sides are lost: `{between: [[a, b], [c]]}`, or one way `{from: .., to: ..}`;
    /// with `reject: true` the network says so to callers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<PathSpec>,
    /// Messages take longer by `add`; with a law (jitter) they overtake one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<PathSpec>,
    /// A `fraction` of the messages is lost, each by itself or in bursts; or it is corrupted, which the
    /// receiver sees by the checksum and treats alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<PathSpec>,
    /// A `fraction` of the calls arrives twice: the work is done twice, and the second answer finds
    /// nobody who waits (a client counts it as a late reply).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<PathSpec>,
    /// Messages each way share a `rate`: they wait for those sent before them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<PathSpec>,
    /// A client's rate is multiplied by `factor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<SurgeSpec>,
    /// A planned change: values take the place of those in the file, `path: value`, from `at` on (and back
    /// again after `for`). Paths lead into nodes: of a service to `work`, `calls`, `endpoints`,
    /// `background`, `dependencies`, `inbound` and `limits`, of a store to `read`, `write` and `value_size`, of an external to `latency`, `errors`
    /// and `reply`, of a cache to `latency`, `ttl`, `stale_while_revalidate` and `instances`, of a
    /// balancer to the weights of `to`; of a function to `work`, `calls`, `endpoints`, `dependencies` and `inbound`; one with `[0]` stands in quotes. Visits under way end as they began. Where several changes hold, the
    /// later one has the last word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<BTreeMap<String, serde_json::Value>>,
    /// A rolling deployment of a new version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<DeploySpec>,
}

/// The instances a fault hits.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// A node: all its instances, unless `instances`, `shard` or `replica` says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// How many of them, chosen at random in each replication, or which: `2`, `30%` (rounded, at least
    /// one) or `[0, 3]`. `crash` of a function: so many of the environments that are there; who is inside fails, and others start
    /// when they are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<InstancesSpec>,
    /// A shard of a store, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Count>,
    /// Of a store with replicas (of one shard, or of each): `leader` (whoever leads when the fault begins; that instance
    /// until it ends), `followers`, or numbers from 0: `1`, `[0, 2]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<ReplicaSpec>,
    /// Everything that stands in a zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Name>,
    /// Everything that stands in a region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Name>,
    /// `crash`: the process dies, its host answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<bool>,
    /// `crash`: what stores hold there is gone too, in memory and on disk, so that they begin anew with nothing, or with
    /// what a `backup` has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lose_data: Option<bool>,
    /// `corrupt`: no checksum tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<bool>,
    /// `slow`: how many times as long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<Number>,
    /// `errors`: the share of requests that fail; `corrupt`: of copies that are damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<Fraction>,
    /// `clock`: how far the time of day is put forward, or back (`-300ms`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
    /// `clock`: how much faster than time it goes, or slower (`-5%`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
}

/// `2` or `30%`: so many, chosen at random; `[0, 3]`: these, from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum InstancesSpec {
    /// How many.
    Count(Count),
    /// How many of all.
    Share(Fraction),
    /// Which.
    These(Vec<Count>),
}

impl TargetSpec {
    /// Whether whom it hits is known only when it begins.
    pub fn is_by_role(&self) -> bool {
        matches!(self.replica, Some(ReplicaSpec::Leader | ReplicaSpec::Followers))
    }
}

/// Some of the replicas of a shard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplicaSpec {
    /// Whoever leads.
    Leader,
    /// The others.
    Followers,
    /// These, from 0.
    These(Vec<Count>),
}

/// A name on a side of a path, and what of it: `etcd`, `etcd@zone-a`, `etcd@leader`, `etcd@followers`, `etcd@2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SideName {
    /// A node, a client, a zone or a region.
    pub name: Name,
    /// Of a node: what stands in this zone or region.
    pub zone: Option<Name>,
    /// Of a store: these replicas.
    pub replica: Option<ReplicaSpec>,
}

/// Where messages are hit. Names are nodes (all their instances), clients, zones, regions or
/// `internet` (clients outside the zones); of a node `db@zone-a` is what stands in that zone, of a store with replicas
/// `db@leader` who leads when the fault begins, `db@followers` the others, `db@2` the replica of that number.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PathSpec {
    /// Two sides; messages both ways are hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Vec<Vec<SideName>>>,
    /// One way: messages from these ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Vec<SideName>>,
    /// ... to these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<SideName>>,
    /// Short for two sides of one name each: `link: [a, b]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Vec<SideName>>,
    /// Everything to and from one node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<SideName>,
    /// `latency`: how much longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<DurationLaw>,
    /// `loss`: the share of messages that is lost; `duplicate`: of calls that arrive twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<Fraction>,
    /// `loss`: each way, so many messages in a row are lost on average (Gilbert's channel); each by itself
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Number>,
    /// `partition`: a call that is cut off fails at once with an error, as if refused by a router (replies
    /// that were under way are lost all the same).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<bool>,
    /// `bandwidth`: how fast messages can go each way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Bandwidth>,
}

/// More (or less) load than usual.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SurgeSpec {
    /// The client.
    pub client: Name,
    /// Its rate is multiplied by this.
    pub factor: Number,
}

/// The one effect of a fault.
#[derive(Clone, Copy, Debug)]
pub enum Effect<'a> {
    /// Hosts or processes are gone.
    Crash(&'a TargetSpec),
    /// Nothing moves for a while.
    Pause(&'a TargetSpec),
    /// Everything takes longer.
    Slow(&'a TargetSpec),
    /// Requests fail.
    Errors(&'a TargetSpec),
    /// Clocks go wrong.
    Clock(&'a TargetSpec),
    /// Caches are emptied.
    ClearCache(&'a TargetSpec),
    /// Copies on disk are damaged.
    Corrupt(&'a TargetSpec),
    /// Spot instances are taken.
    Reclaim(&'a TargetSpec),
    /// Messages are lost, all of them.
    Partition(&'a PathSpec),
    /// Messages take longer.
    Latency(&'a PathSpec),
    /// Messages are lost, some of them.
    Loss(&'a PathSpec),
    /// Calls arrive twice, some of them.
    Duplicate(&'a PathSpec),
    /// Messages queue for a slow path.
    Bandwidth(&'a PathSpec),
    /// A client sends more.
    Load(&'a SurgeSpec),
    /// The design changes.
    Set(&'a BTreeMap<String, serde_json::Value>),
    /// Instances take up a new version.
    Deploy(&'a DeploySpec),
}

impl<'a> Effect<'a> {
    /// As in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash(_) => "crash",
            Self::Pause(_) => "pause",
            Self::Slow(_) => "slow",
            Self::Errors(_) => "errors",
            Self::Clock(_) => "clock",
            Self::ClearCache(_) => "clear_cache",
            Self::Corrupt(_) => "corrupt",
            Self::Reclaim(_) => "reclaim",
            Self::Partition(_) => "partition",
            Self::Latency(_) => "latency",
            Self::Loss(_) => "loss",
            Self::Duplicate(_) => "duplicate",
            Self::Bandwidth(_) => "bandwidth",
            Self::Load(_) => "load",
            Self::Set(_) => "set",
            Self::Deploy(_) => "deploy",
        }
    }

    /// The instances it hits, if it hits instances.
    pub const fn target(self) -> Option<&'a TargetSpec> {
        match self {
            Self::Crash(t)
            | Self::Pause(t)
            | Self::Slow(t)
            | Self::Errors(t)
            | Self::Clock(t)
            | Self::ClearCache(t)
            | Self::Corrupt(t)
            | Self::Reclaim(t) => Some(t),
            _ => None,
        }
    }

    /// The messages it hits, if it hits messages.
    pub const fn path(self) -> Option<&'a PathSpec> {
        match self {
            Self::Partition(p)
            | Self::Latency(p)
            | Self::Loss(p)
            | Self::Duplicate(p)
            | Self::Bandwidth(p) => Some(p),
            _ => None,
        }
    }
}

impl FaultSpec {
    /// All effects it names; there must be one.
    pub fn effects(&self) -> Vec<Effect<'_>> {
        let all = [
            self.crash.as_ref().map(Effect::Crash),
            self.pause.as_ref().map(Effect::Pause),
            self.slow.as_ref().map(Effect::Slow),
            self.errors.as_ref().map(Effect::Errors),
            self.clock.as_ref().map(Effect::Clock),
            self.clear_cache.as_ref().map(Effect::ClearCache),
            self.corrupt.as_ref().map(Effect::Corrupt),
            self.reclaim.as_ref().map(Effect::Reclaim),
            self.partition.as_ref().map(Effect::Partition),
            self.latency.as_ref().map(Effect::Latency),
            self.loss.as_ref().map(Effect::Loss),
            self.duplicate.as_ref().map(Effect::Duplicate),
            self.bandwidth.as_ref().map(Effect::Bandwidth),
            self.load.as_ref().map(Effect::Load),
            self.set.as_ref().map(Effect::Set),
            self.deploy.as_ref().map(Effect::Deploy),
        ];
        all.into_iter().flatten().collect()
    }

    /// Its laws.
    pub fn laws(&self) -> Vec<&DurationLaw> {
        let add = self.latency.as_ref().and_then(|path| path.add.as_ref());
        [self.mtbf.as_ref(), self.mttr.as_ref(), add].into_iter().flatten().collect()
    }

    /// Whether it makes messages vanish without a word.
    pub fn is_silent(&self) -> bool {
        self.effects().first().is_some_and(|effect| match effect {
            Effect::Crash(target) => target.process != Some(true),
            Effect::Partition(_) | Effect::Loss(_) => true,
            _ => false,
        })
    }

    /// Its effect.
    ///
    /// # Panics
    /// When it has none, which the checks refuse.
    pub fn effect(&self) -> Effect<'_> {
        self.effects()[0]
    }
}

impl PathSpec {
    /// The two sides and whether only messages from the first to the second are hit; an empty second
    /// side stands for everything. The checks see to it that there are two sides.
    pub fn sides(&self) -> (Vec<&SideName>, Vec<&SideName>, bool) {
        if let Some(sides) = &self.between {
            let side = |i: usize| sides.get(i).into_iter().flatten().collect();
            return (side(0), side(1), false);
        }
        if let Some(ends) = &self.link {
            let end = |i: usize| ends.get(i).into_iter().collect();
            return (end(0), end(1), false);
        }
        if let Some(node) = &self.node {
            return (vec![node], Vec::new(), false);
        }
        (self.from.iter().flatten().collect(), self.to.iter().flatten().collect(), true)
    }
}
