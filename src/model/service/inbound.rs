//! What a service does to requests at its door: leases, rate limits, shedding, a limit on requests at once, and
//! what a process can run out of.
//!
//! A refusal is a reply: it takes the link, no worker and no core (`semantics.md` 21).
//!
//! **Invariant.** What is refused here has touched nothing but the limits.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ServiceSpec,
    limits::{Full, Resources, Usage},
    server::{Instance, Server},
    turns::Turns,
};
use crate::{
    engine::law::DurationFormula,
    model::{
        build::Assembly,
        check::{closest, formula, positive},
        client::AttributeSpec,
        ids::Slot,
        kind::Kind,
        names::Names,
        outcome::Outcome,
        resilience::{
            adaptive::{Adaptive, ConcurrencySpec},
            check::known_attribute,
            policy::rate_limit,
            rate_limit::{Limiter, MeterSpec, RateLimit, RateLimitSpec},
        },
        world::World,
    },
    problem::Problems,
    units::{Count, Fraction, Name, SimDuration, short_form},
};

/// What is done to requests that arrive, before they wait for anything.
///
/// ```yaml
/// inbound: {rate_limit: {gold: token_bucket(rate=50/s burst=100 per=key), default: token_bucket(rate=5/s burst=20 per=key)}, shed: {queue: 200}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InboundSpec {
    /// So many requests in so much time, the others are `rate_limited` or wait at the door for their turn:
    /// `leaky_bucket(rate=20/s queue=10)` lets one in every 50 ms and ten wait (nginx's `limit_req` with
    /// `burst=10`; with `nodelay` it is `token_bucket(rate=20/s burst=11)`), `token_bucket(rate=20/s burst=5
    /// wait=1s)` makes them wait so long for a token. Who waits is inside the node and holds no worker; it
    /// leaves when its `patience` or propagated deadline is over, and its turn passes unused. One limit for
    /// all, or a map from clients or values of an attribute to limits, with `default` for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<LimitsSpec>,
    /// Requests that are refused (`shed`) while there is too much to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shed: Option<ShedSpec>,
    /// So many requests at once, the others are `shed`; the limit finds its value from how requests fare:
    /// `aimd(latency=100ms)`, `gradient(tolerance=1.5)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencySpec>,
    /// Work before anything else a request does: parsing, signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<DurationFormula>,
    /// A node that is asked (for the operation `auth`) whether the request may go on; if it does not say so,
    /// the request is `rejected` (`unauthorized`). `dependencies` says how long to wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Name>,
}

/// Operation an `auth` node is asked for.
pub const AUTH: &str = "auth";

/// Rate limits by client or value of an attribute.
type Limits = BTreeMap<Name, RateLimitSpec>;

/// One rate limit for all requests, or several.
#[derive(Clone, Debug)]
pub struct LimitsSpec(pub Limits);

short_form!(
    LimitsSpec,
    Limits,
    RateLimitSpec,
    "a rate limit, or a map from clients or values of an attribute to rate limits",
    |limit| Limits::from([(Name("default".to_owned()), limit)]),
    |limits| limits.get(&Name("default".to_owned())).filter(|_| limits.len() == 1)
);

/// When requests are refused. Each key is a reason of its own.
///
/// ```yaml
/// shed: {queue: 200, wait: 100ms, reserve: 20%, keep: 1}
/// ```
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShedSpec {
    /// So many wait already (for a worker, or for their first core where there are no workers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Count>,
    /// Some wait, and the one answered last had waited so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<SimDuration>,
    /// All workers but this share are busy: the rest is for requests that are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<Fraction>,
    /// Requests of a `priority` up to this are never shed here. None when absent; 1, the most urgent, for
    /// `reserve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Count>,
}

impl InboundSpec {
    /// Whether anything asks for what frames carry.
    pub fn carries(&self) -> bool {
        self.rate_limit.is_some()
            || self.validate.as_ref().is_some_and(|work| work.attributes().next().is_some())
            || self.shed.is_some_and(|s| s.keep.or(s.reserve.map(|_| Count(1))).is_some())
    }

    /// Whether requests may have to wait at the door.
    pub fn delays(&self) -> bool {
        let limits = self.rate_limit.iter().flat_map(|limits| limits.0.values());
        limits.map(|limit| limit.meter).any(MeterSpec::delays)
    }

    /// Checks it.
    pub fn check(&self, service: &ServiceSpec, path: &str, names: &Names, problems: &mut Problems) {
        for (name, limit) in self.rate_limit.iter().flat_map(|limits| &limits.0) {
            let path = format!("{path}.rate_limit");
            known_attribute(limit, &path, names, problems);
            if name.0 != "default" && class(name, names).is_none() {
                let known = names.clients().chain(names.literals.keys().map(String::as_str));
                let help = closest(&name.0, known.chain(["default"]));
                let message =
                    format!("no client and no value of an attribute is called `{}`", name.0);
                problems.error_help("E-REF", format!("{path}.{}", name.0), message, help);
            }
        }
        if let Some(work) = &self.validate {
            formula(work, &format!("{path}.validate"), names, problems);
        }
        let Some(shed) = &self.shed else { return };
        let at = |key: &str| format!("{path}.shed.{key}");
        let waits = service.workers.is_some() || service.cores.is_some();
        for (key, given) in [("queue", shed.queue.is_some()), ("wait", shed.wait.is_some())] {
            if given && !waits {
                let help = "give `cores` or `workers`";
                problems.error_help("E-CONFLICT", at(key), "nothing ever waits here", help);
            }
        }
        if shed.reserve.is_some() && service.workers.is_none() {
            let help = "give `workers`";
            problems.error_help(
                "E-CONFLICT",
                at("reserve"),
                "there are no workers to reserve",
                help,
            );
        }
        if shed.reserve.is_some_and(|share| share.0 <= 0.0 || share.0 >= 1.0) {
            problems.error("E-RANGE", at("reserve"), "must be between 0 and 100 %");
        }
        positive(shed.keep, 255, &at("keep"), problems);
        if shed.queue.is_none() && shed.wait.is_none() && shed.reserve.is_none() {
            let help = "`queue: 200`, `wait: 100ms` or `reserve: 20%`";
            problems.error_help(
                "E-MISSING",
                format!("{path}.shed"),
                "when is a request shed?",
                help,
            );
        }
    }
}

/// Requests that share a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    /// Those of a client, by its index.
    Client(u16),
    /// Those with a value in a column of the attributes.
    Value(u16, f64),
}

/// What a name in a map of limits stands for.
fn class(name: &Name, names: &Names) -> Option<Class> {
    if let Some(client) = names.client(&name.0) {
        return Some(Class::Client(client as u16));
    }
    let attributes = names.design.clients.values().flat_map(|client| &client.attributes);
    let has = |spec: &AttributeSpec| matches!(spec, AttributeSpec::Choice(options) if options.iter().any(|o| o.0 == *name));
    let (attribute, _) = attributes.into_iter().find(|(_, spec)| has(spec))?;
    Some(Class::Value(*names.columns.get(&attribute.0)?, *names.literals.get(&name.0)?))
}

/// The rules at a door.
#[derive(Clone, Debug)]
struct Rules {
    /// The limits as they were written.
    written: Limits,
    limits: Vec<(Option<Class>, RateLimit)>,
    shed: ShedSpec,
    concurrency: Option<ConcurrencySpec>,
    resources: Resources,
}

impl Rules {
    /// Those of a version of a service; `before` are those of the one before.
    fn new(spec: &ServiceSpec, before: Option<&Self>, assembly: &mut Assembly<'_>) -> Self {
        let inbound = spec.inbound.as_deref().cloned().unwrap_or_default();
        let written = inbound.rate_limit.map(|limits| limits.0).unwrap_or_default();
        // What did not change goes on with what it has counted.
        let limits = match before.filter(|rules| rules.written == written) {
            Some(rules) => rules.limits.clone(),
            None => {
                let one =
                    |(name, limit)| (class(name, assembly.names), rate_limit(limit, assembly));
                let mut limits: Vec<_> = written.iter().map(one).collect();
                // The one for all others is asked last.
                limits.sort_by_key(|limit| limit.0.is_none());
                limits
            }
        };
        Self {
            written,
            limits,
            shed: inbound.shed.unwrap_or_default(),
            concurrency: inbound.concurrency,
            resources: spec.limits.as_deref().map(Resources::new).unwrap_or_default(),
        }
    }

    fn limiters(&self) -> Vec<Limiter> {
        vec![Limiter::default(); self.limits.len()]
    }

    fn adaptive(&self) -> Option<Adaptive> {
        self.concurrency.as_ref().map(Adaptive::new)
    }
}

/// What guards the instances of a server.
#[derive(Clone, Debug)]
pub struct Inbound {
    rules: Rules,
    /// Those of each version of the service.
    versions: Vec<Rules>,
    doors: Vec<Door>,
    /// Tick of the first instance; the others follow.
    first_tick: u32,
}

/// What one instance keeps in mind at its door.
#[derive(Clone, Debug)]
struct Door {
    limiters: Vec<Limiter>,
    /// Waiting time of the request answered last, ns.
    waited: u64,
    adaptive: Option<Adaptive>,
    /// Departures that left nothing behind: before the process began, and of those turned away.
    clean: u64,
    /// Who waits there.
    turns: Turns,
}

impl Inbound {
    /// Ready to run, if any version of a service needs it; `first_tick` is that of the first instance.
    pub fn new(
        specs: &[&ServiceSpec],
        first_tick: u32,
        assembly: &mut Assembly<'_>,
    ) -> Option<Self> {
        let guarded = |spec: &&ServiceSpec| {
            let leases = spec.background.iter().any(|task| task.lease.is_some());
            spec.inbound.is_some() || spec.limits.is_some() || leases
        };
        if !specs.iter().any(guarded) {
            return None;
        }
        let mut versions: Vec<Rules> = Vec::new();
        for spec in specs {
            versions.push(Rules::new(spec, versions.last(), assembly));
        }
        let rules = versions[0].clone();
        let (limiters, adaptive) = (rules.limiters(), rules.adaptive());
        let door = Door { limiters, waited: 0, adaptive, clean: 0, turns: Turns::default() };
        let instances = specs[0].facts().instances as usize;
        Some(Self { rules, versions, doors: vec![door; instances], first_tick })
    }

    /// Forgets what an instance knew, which this many have left, and who waited at its door.
    pub fn restart(&mut self, inst: u16, departures: u64, now: u64) {
        let (limiters, adaptive) = (self.rules.limiters(), self.rules.adaptive());
        let door = &mut self.doors[usize::from(inst)];
        let mut turns = std::mem::take(&mut door.turns);
        turns.clear(now);
        *door = Door { limiters, waited: 0, adaptive, clean: departures, turns };
    }

    /// Who waits at the door of an instance.
    pub(super) fn turns(&mut self, inst: u16) -> &mut Turns {
        &mut self.doors[usize::from(inst)].turns
    }

    /// The integral of those who wait at the door of an instance from time 0, request-ns.
    pub fn waited(&self, inst: usize, now: u64) -> u128 {
        self.doors[inst].turns.until(now)
    }

    /// It is as that version of the service says from now on.
    pub fn set_version(&mut self, version: usize) {
        let Some(next) = self.versions.get(version) else { return };
        for door in &mut self.doors {
            if next.written != self.rules.written {
                door.limiters = next.limiters();
            }
            if next.concurrency != self.rules.concurrency {
                door.adaptive = next.adaptive();
            }
        }
        self.rules = next.clone();
    }

    /// What an instance uses its resources for.
    fn usage(&self, inst: usize, instance: &Instance) -> Usage {
        let Instance { arrivals, departures, .. } = *instance;
        Usage { inside: arrivals - departures, served: departures - self.doors[inst].clean }
    }

    /// What an instance has not got for one more request.
    fn lack(&self, inst: usize, instance: &Instance) -> Option<(&'static str, Full)> {
        self.rules.resources.lack(self.usage(inst, instance))
    }

    /// What processes can run out of in any version, and how much there is of it at most.
    pub fn bounds(&self) -> BTreeMap<&'static str, u64> {
        let mut all: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (name, max) in self.versions.iter().flat_map(|rules| rules.resources.bounds()) {
            let most = all.entry(name).or_default();
            *most = max.max(*most);
        }
        all
    }

    /// How much of one of these an instance uses.
    pub(super) fn used(&self, name: &str, inst: usize, instance: &Instance) -> u128 {
        self.rules.resources.used(name, self.usage(inst, instance))
    }

    /// How many times as long work takes at an instance.
    pub fn strain(&self, inst: usize, instance: &Instance) -> f64 {
        self.rules.resources.strain(self.usage(inst, instance))
    }

    /// Takes a token for a request: after so many ns it may go in; none: it may not.
    fn token(&mut self, slot: Slot, world: &mut World) -> Option<u64> {
        let of = |class: Class| match class {
            Class::Client(client) => world.frames.extra(slot).client == client,
            Class::Value(column, value) => {
                let row = world.frames.extra(slot).attributes;
                world.attributes.get(row, column).to_bits() == value.to_bits()
            }
        };
        let rules = &self.rules;
        let Some(at) = rules.limits.iter().position(|l| l.0.is_none_or(of)) else { return Some(0) };
        let limit = &rules.limits[at].1;
        let id = limit.per.map_or(0, |per| world.attribute(per, slot).to_bits());
        let (now, inst) = (world.now(), usize::from(world.frames[slot].inst));
        let limiter = match limit.shared {
            Some(shared) => &mut world.limiters[shared],
            None => &mut self.doors[inst].limiters[at],
        };
        limiter.take(limit, id, now, false)
    }
}

impl Server {
    /// Whether a request does not go in now: it has been refused and answered, or waits for its turn.
    #[inline(never)]
    pub(super) fn stopped_at_door(&mut self, slot: Slot, world: &mut World) -> bool {
        let serves = self.serves(world.frames[slot].inst, world);
        let Some(inbound) = &mut self.inbound else { return false };
        let inst = usize::from(world.frames[slot].inst);
        let instance = &self.instances[inst];
        let (workers, door) = (instance.workers.as_deref(), &inbound.doors[inst]);
        let waiting = workers.map_or_else(|| instance.cores.waiting(), |w| w.room.waiting());
        let shed = &inbound.rules.shed;
        let most = |share: Fraction, w: &super::server::Workers| {
            w.busy.count() as f64 >= (1.0 - share.0) * w.capacity as f64
        };
        let kept = |absent: u64| {
            let keep = shed.keep.map_or(absent, |keep| keep.0);
            keep > 0 && u64::from(world.frames.extra(slot).priority) <= keep
        };
        let inside = instance.arrivals - instance.departures;
        let cause = if shed.queue.is_some_and(|most| waiting >= most.0) && !kept(0) {
            Some("shed_queue")
        } else if shed.wait.is_some_and(|most| waiting > 0 && door.waited >= most.0) && !kept(0) {
            Some("shed_wait")
        } else if shed.reserve.zip(workers).is_some_and(|(share, w)| most(share, w)) && !kept(1) {
            Some("shed_reserve")
        } else if door.adaptive.as_ref().is_some_and(|limit| inside > limit.limit()) {
            Some("shed_concurrency")
        } else {
            None
        };
        let turn = match cause {
            _ if !serves => Err((Outcome::Unavailable, "no_lease")),
            Some(cause) => Err((Outcome::Shed, cause)),
            None => match (inbound.token(slot, world), inbound.lack(inst, instance)) {
                (None, _) => Err((Outcome::RateLimited, "rate_limited")),
                (Some(wait), None) => Ok(wait),
                (_, Some((cause, Full::Reject))) => Err((Outcome::Rejected, cause)),
                (Some(wait), Some((cause, Full::Crash))) => {
                    // It goes in, and down with the others.
                    if world.kill((self.node, inst as u16), inbound.first_tick + inst as u32) {
                        world.record.node(self.node).cause(cause);
                    }
                    Ok(wait)
                }
            },
        };
        let (outcome, cause) = match turn {
            Ok(0) => return false,
            Ok(wait) => {
                self.wait_at_door(slot, wait, world);
                return true;
            }
            Err(refused) => refused,
        };
        inbound.doors[inst].clean += 1;
        world.record.node(self.node).cause(cause);
        // It holds nothing and has led nothing: there is nothing else to end.
        self.instances[inst].departures += 1;
        self.unserved[inst].failed += 1;
        world.depart(slot, outcome);
        world.reply(slot, outcome);
        true
    }

    /// A visit ends: what the limit on requests at once learns from it.
    #[inline(never)]
    pub(super) fn door_hears(&mut self, slot: Slot, outcome: Outcome, world: &World) {
        let Some(inbound) = &mut self.inbound else { return };
        let f = &world.frames[slot];
        let inst = usize::from(f.inst);
        let door = &mut inbound.doors[inst];
        door.waited = f.waited;
        if let (Some(limit), Some(spec)) = (&mut door.adaptive, &inbound.rules.concurrency) {
            let instance = &self.instances[inst];
            let inside = instance.arrivals - instance.departures;
            let (now, ok) = (world.now(), outcome.is_success());
            limit.ended(spec, (now - f.arrived, now), ok, inside);
        }
    }
}
