//! What a service does to requests at its door: leases, rate limits, shedding, a limit on requests at once, and
//! what a process can run out of.
//!
//! A refusal is a reply: it takes the link, no worker and no core (`semantics.md` 21).
//!
//! **Invariant.** What is refused here has touched nothing but the limits.

use std::collections::BTreeMap;

use super::{
    ServiceSpec,
    limits::{Full, Resources, Usage},
    places::{Fixed, Places},
    server::{Instance, Server},
    turns::Turns,
};
use crate::{
    cause::Cause,
    model::{
        build::Assembly,
        ids::Slot,
        kind::Kind,
        resilience::{
            adaptive::Adaptive,
            build::rate_limits,
            charge::charge,
            concurrency::ConcurrencySpec,
            rate_limit::{Limiter, RateLimit},
        },
        service::{
            check_parts::{Class, class},
            parts::{Limits, ShedSpec},
        },
        world::World,
    },
    outcome::Outcome,
    units::Fraction,
};

/// The rules at a door.
#[derive(Clone, Debug, Default)]
struct Rules {
    /// The limits as they were written.
    written: Limits,
    limits: Vec<(Option<Class>, Box<[RateLimit]>)>,
    shed: ShedSpec,
    concurrency: Option<ConcurrencySpec>,
    fixed: Option<Fixed>,
    resources: Resources,
    connections: Option<u64>,
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
                    |(name, limit)| (class(name, assembly.names), rate_limits(limit, assembly));
                let mut limits: Vec<_> = written.iter().map(one).collect();
                // The one for all others is asked last.
                limits.sort_by_key(|limit| limit.0.is_none());
                limits
            }
        };
        let fixed = inbound.concurrency.as_ref().and_then(ConcurrencySpec::fixed);
        Self {
            written,
            limits,
            shed: inbound.shed.unwrap_or_default(),
            fixed: fixed.map(|fixed| Fixed::new(fixed, assembly)),
            concurrency: inbound.concurrency,
            resources: spec.limits.as_deref().map(Resources::new).unwrap_or_default(),
            connections: spec.far_end().most,
        }
    }

    fn limiters(&self) -> Vec<Box<[Limiter]>> {
        let one = |limits: &(_, Box<[RateLimit]>)| vec![Limiter::default(); limits.1.len()].into();
        self.limits.iter().map(one).collect()
    }

    fn adaptive(&self) -> Option<Adaptive> {
        self.concurrency.as_ref().and_then(ConcurrencySpec::adaptive).map(Adaptive::new)
    }
}

/// What a server does with connections.
#[derive(Clone, Copy, Debug)]
pub struct Accepts {
    /// Where a login stands in its program while it works.
    pub login: u16,
    /// How long an idle one is kept open, ns.
    pub keep_alive: u64,
}

/// What guards the instances of a server.
#[derive(Clone, Debug)]
pub struct Inbound {
    rules: Rules,
    /// Those of each version of the service.
    versions: Vec<Rules>,
    doors: Vec<Door>,
    /// Who is inside, where only so many may be at once.
    pub(super) places: Places,
    /// Tick of the first instance; the others follow.
    first_tick: u32,
    /// What it does with connections, where it hears of any.
    pub(super) accepts: Option<Accepts>,
}

/// What one instance keeps in mind at its door.
#[derive(Clone, Debug)]
struct Door {
    limiters: Vec<Box<[Limiter]>>,
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
        (first_tick, accepts): (u32, Option<Accepts>),
        assembly: &mut Assembly<'_>,
    ) -> Option<Self> {
        let guarded = |spec: &&ServiceSpec| {
            let leases = spec.background.iter().any(|task| task.lease.is_some());
            // Who works off messages hears there how each ended.
            spec.inbound.is_some() || spec.limits.is_some() || leases || spec.consumes.is_some()
        };
        if accepts.is_none() && !specs.iter().any(guarded) {
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
        let (doors, places) = (vec![door; instances], Places::default());
        Some(Self { rules, versions, doors, places, first_tick, accepts })
    }

    /// The door of a server that does nothing there but to accept connections.
    pub fn bare(instances: u64, connections: Option<u64>, accepts: Accepts) -> Self {
        let rules = Rules { connections, ..Rules::default() };
        let (limiters, turns) = (Vec::new(), Turns::default());
        let door = Door { limiters, waited: 0, adaptive: None, clean: 0, turns };
        let doors = vec![door; instances as usize];
        let (versions, places) = (Vec::new(), Places::default());
        Self { rules, versions, doors, places, first_tick: 0, accepts: Some(accepts) }
    }

    /// Connections that an instance takes.
    pub(super) fn connections(&self) -> Option<u64> {
        self.rules.connections
    }

    /// Forgets what an instance knew, which this many have left, and who waited at its door.
    pub fn restart(&mut self, inst: u16, departures: u64, now: u64) {
        let (limiters, adaptive) = (self.rules.limiters(), self.rules.adaptive());
        let door = &mut self.doors[usize::from(inst)];
        let mut turns = std::mem::take(&mut door.turns);
        turns.clear(now);
        *door = Door { limiters, waited: 0, adaptive, clean: departures, turns };
        self.places.clear(inst);
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
        let goes_on =
            self.rules.fixed.zip(next.fixed).is_some_and(|(one, other)| one.counts_like(&other));
        if !goes_on {
            self.places = Places::default();
        }
        self.rules = next.clone();
    }

    /// What an instance uses its resources for.
    fn usage(&self, inst: usize, instance: &Instance) -> Usage {
        let Instance { arrivals, departures, .. } = *instance;
        Usage { inside: arrivals - departures, served: departures - self.doors[inst].clean }
    }

    /// What an instance has not got for one more request.
    fn lack(&self, inst: usize, instance: &Instance) -> Option<(Cause, Full)> {
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
        let limits = &rules.limits[at].1;
        let (inst, node) = (usize::from(world.frames[slot].inst), world.frames[slot].node);
        let own = &mut self.doors[inst].limiters[at];
        let refused = |cause, world: &mut World| world.record.node(node).cause(cause);
        charge(limits, own, (slot, false), world, refused)
    }
}

impl Server {
    /// Whether a request does not go in now: it has been refused and answered, or waits for its turn.
    #[inline(never)]
    pub(super) fn stopped_at_door(&mut self, slot: Slot, world: &mut World) -> bool {
        let serves = self.serves(world.frames[slot].inst, world);
        let cut_off = self.is_cut_off(slot, world);
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
        let share = inbound.rules.fixed.map(|limit| (limit, limit.whose(slot, world)));
        let crowded = door.adaptive.as_ref().is_some_and(|limit| inside > limit.limit())
            || share.is_some_and(|(limit, whose)| inbound.places.are_taken(limit, whose));
        let cause = if shed.queue.is_some_and(|most| waiting >= most.0) && !kept(0) {
            Some(Cause::ShedQueue)
        } else if shed.wait.is_some_and(|most| waiting > 0 && door.waited >= most.0) && !kept(0) {
            Some(Cause::ShedWait)
        } else if shed.reserve.zip(workers).is_some_and(|(share, w)| most(share, w)) && !kept(1) {
            Some(Cause::ShedReserve)
        } else if crowded {
            Some(Cause::ShedConcurrency)
        } else {
            None
        };
        let turn = match cause {
            _ if cut_off.is_some() => cut_off.map_or(Ok(0), Err),
            _ if !serves => Err((Outcome::Unavailable, Cause::NoLease)),
            Some(cause) => Err((Outcome::Shed, cause)),
            None => match (inbound.token(slot, world), inbound.lack(inst, instance)) {
                (None, _) => Err((Outcome::RateLimited, Cause::RateLimited)),
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
        if let (Ok(_), Some((_, whose))) = (turn, share) {
            inbound.places.take(slot, inst as u16, whose);
        }
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
        if world.connections.is_some() {
            world.off_its_wire(slot);
        }
        self.instances[inst].departures += 1;
        self.unserved[inst].failed += 1;
        world.depart(slot, outcome);
        world.reply(slot, outcome);
        true
    }

    /// A visit leaves, answered or not.
    pub(super) fn leaves_place(&mut self, slot: Slot) {
        if let Some(inbound) = &mut self.inbound {
            inbound.places.give_back(slot);
        }
    }

    /// A visit ends: what the limit on requests at once learns from it; whether it was for a message, which nobody answers.
    #[inline(never)]
    pub(super) fn door_hears(&mut self, slot: Slot, outcome: Outcome, world: &mut World) -> bool {
        self.leaves_place(slot);
        if self.consumers.is_some() && self.message_ended(slot, outcome, world) {
            return true;
        }
        if self.environments.is_some() {
            self.leaves_environment(slot, world);
        }
        if world.connections.is_some() {
            world.off_its_wire(slot);
        }
        let Some(inbound) = &mut self.inbound else { return false };
        let f = &world.frames[slot];
        let inst = usize::from(f.inst);
        let door = &mut inbound.doors[inst];
        door.waited = f.waited;
        let spec = inbound.rules.concurrency.as_ref().and_then(ConcurrencySpec::adaptive);
        if let (Some(limit), Some(spec)) = (&mut door.adaptive, spec) {
            let instance = &self.instances[inst];
            let inside = instance.arrivals - instance.departures;
            let (now, ok) = (world.now(), outcome.is_success());
            limit.ended(spec, (now - f.arrived, now), ok, inside);
        }
        false
    }
}
