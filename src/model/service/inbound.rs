//! What a service does to requests at its door: rate limits, shedding, a limit on requests at once.
//!
//! A refusal is a reply: it takes the link, no worker and no core (`semantics.md` 21).
//!
//! **Invariant.** What is refused here has touched nothing but the limits.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ServiceSpec, server::Server};
use crate::{
    model::{
        build::{Assembly, Names},
        check::{closest, positive},
        client::AttributeSpec,
        frame::Slot,
        probe::Outcome,
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
    /// So many requests in so much time, the others are `rate_limited`: one limit for all, or a map from
    /// clients or values of an attribute to limits, with `default` for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<LimitsSpec>,
    /// Requests that are refused (`shed`) while there is too much to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shed: Option<ShedSpec>,
    /// So many requests at once, the others are `shed`; the limit finds its value from how requests fare:
    /// `aimd(latency=100ms)`, `gradient(tolerance=1.5)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencySpec>,
}

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
            || self.shed.is_some_and(|s| s.keep.or(s.reserve.map(|_| Count(1))).is_some())
    }

    /// Checks it.
    pub fn check(
        &self,
        service: &ServiceSpec,
        path: &str,
        names: &Names<'_>,
        problems: &mut Problems,
    ) {
        for (name, limit) in self.rate_limit.iter().flat_map(|limits| &limits.0) {
            let path = format!("{path}.rate_limit");
            known_attribute(limit, &path, names, problems);
            let holds = match limit.meter {
                MeterSpec::TokenBucket { wait, .. } => wait.is_some(),
                MeterSpec::LeakyBucket { queue, .. } => queue > 0,
                _ => false,
            };
            if holds {
                let message =
                    "a request that arrives is let in or refused, it does not wait for a token";
                let help =
                    "without `wait` (or with `queue=0`); callers can wait, in `dependencies`";
                problems.error_help("E-CONFLICT", &path, message, help);
            }
            if name.0 != "default" && class(name, names).is_none() {
                let known =
                    names.clients.iter().copied().chain(names.literals.keys().map(String::as_str));
                let help = closest(&name.0, known.chain(["default"]));
                let message =
                    format!("no client and no value of an attribute is called `{}`", name.0);
                problems.error_help("E-REF", format!("{path}.{}", name.0), message, help);
            }
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
fn class(name: &Name, names: &Names<'_>) -> Option<Class> {
    if let Ok(client) = names.clients.binary_search(&name.0.as_str()) {
        return Some(Class::Client(client as u16));
    }
    let attributes = names.design.clients.values().flat_map(|client| &client.attributes);
    let has = |spec: &AttributeSpec| matches!(spec, AttributeSpec::Choice(options) if options.iter().any(|o| o.0 == *name));
    let (attribute, _) = attributes.into_iter().find(|(_, spec)| has(spec))?;
    Some(Class::Value(*names.columns.get(&attribute.0)?, *names.literals.get(&name.0)?))
}

/// The rules at a door.
#[derive(Clone, Debug)]
pub struct Inbound {
    limits: Vec<(Option<Class>, RateLimit)>,
    shed: ShedSpec,
    concurrency: Option<ConcurrencySpec>,
    doors: Vec<Door>,
}

/// What one instance keeps in mind at its door.
#[derive(Clone, Debug)]
struct Door {
    limiters: Vec<Limiter>,
    /// Waiting time of the request answered last, ns.
    waited: u64,
    adaptive: Option<Adaptive>,
}

impl Inbound {
    /// Ready to run.
    pub fn new(spec: &InboundSpec, instances: u64, assembly: &mut Assembly<'_>) -> Self {
        let mut limits: Vec<_> = Vec::new();
        for (name, limit) in spec.rate_limit.iter().flat_map(|limits| &limits.0) {
            limits.push((class(name, assembly.names), rate_limit(limit, assembly)));
        }
        // The one for all others is asked last.
        limits.sort_by_key(|limit| limit.0.is_none());
        let door = Door {
            limiters: vec![Limiter::default(); limits.len()],
            waited: 0,
            adaptive: spec.concurrency.as_ref().map(Adaptive::new),
        };
        Self {
            limits,
            shed: spec.shed.unwrap_or_default(),
            concurrency: spec.concurrency,
            doors: vec![door; instances as usize],
        }
    }

    /// Forgets what an instance knew.
    pub fn restart(&mut self, inst: u16) {
        let door = &mut self.doors[usize::from(inst)];
        door.limiters.fill(Limiter::default());
        (door.waited, door.adaptive) = (0, self.concurrency.as_ref().map(Adaptive::new));
    }

    /// Takes a token for a request; false: there is none.
    fn token(&mut self, slot: Slot, world: &mut World) -> bool {
        let of = |class: Class| match class {
            Class::Client(client) => world.frames.extra(slot).client == client,
            Class::Value(column, value) => {
                let row = world.frames.extra(slot).attributes;
                world.attributes.get(row, column).to_bits() == value.to_bits()
            }
        };
        let Some(at) = self.limits.iter().position(|l| l.0.is_none_or(of)) else { return true };
        let limit = &self.limits[at].1;
        let id = limit.per.map_or(0, |per| per.value(slot, world).to_bits());
        let (now, inst) = (world.now(), usize::from(world.frames[slot].inst));
        let limiter = match limit.shared {
            Some(shared) => &mut world.limiters[shared],
            None => &mut self.doors[inst].limiters[at],
        };
        limiter.take(limit, id, now, true).is_some()
    }
}

impl Server {
    /// Whether a request is refused at the door; then it has been answered.
    #[inline(never)]
    pub(super) fn turned_away(&mut self, slot: Slot, world: &mut World) -> bool {
        let serves = self.serves(world.frames[slot].inst, world);
        let Some(inbound) = &mut self.inbound else { return false };
        let inst = usize::from(world.frames[slot].inst);
        let instance = &self.instances[inst];
        let (workers, door) = (instance.workers.as_deref(), &inbound.doors[inst]);
        let waiting = workers.map_or_else(|| instance.cores.waiting(), |w| w.room.waiting());
        let shed = &inbound.shed;
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
        let (outcome, cause) = match cause {
            _ if !serves => (Outcome::Unavailable, "no_lease"),
            Some(cause) => (Outcome::Shed, cause),
            None if inbound.token(slot, world) => return false,
            None => (Outcome::RateLimited, "rate_limited"),
        };
        world.record.node(self.node).cause(cause);
        // It holds nothing and has led nothing: there is nothing else to end.
        self.instances[inst].departures += 1;
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
        if let (Some(limit), Some(spec)) = (&mut door.adaptive, &inbound.concurrency) {
            let instance = &self.instances[inst];
            let inside = instance.arrivals - instance.departures;
            let (now, ok) = (world.now(), outcome.is_success());
            limit.ended(spec, (now - f.arrived, now), ok, inside);
        }
    }
}
