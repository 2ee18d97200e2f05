//! When faults begin and end in one replication, and whom they hit: drawn before it starts.
//!
//! **Invariant.** The list is a function of the seed and the faults' own names: no other part of the
//! design moves it, and it moves no other draw.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use super::{Effect, FaultSpec, InstancesSpec, ReplicaSpec, TargetSpec};
use crate::{
    engine::{
        law::{DurationLaw, Sampler, Tables, to_nanos},
        random::Stream,
    },
    model::{
        client::load::Surge,
        fault::{
            MAX_OCCURRENCES,
            occurrence::{Aftermath, Change, Occurrence},
            rollout::Rollout,
        },
        ids::{Host, NodeId},
        names::Names,
    },
};

/// Steps in which a fault grows.
const STEPS: u64 = 20;

/// All faults of a replication.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// By fault, then by start; those that came after an alert last.
    pub occurrences: Vec<Occurrence>,
    /// Those that are still to come.
    pub changes: BTreeSet<Change>,
    /// What waits for an alert, as if that fired at 0.
    pub waiting: Vec<Occurrence>,
    /// Deployments.
    pub rollouts: Vec<Rollout>,
    /// Something more is to come than before.
    pub grown: bool,
}

impl Timeline {
    /// Draws the faults of one replication.
    pub fn new(names: &Names, tables: &dyn Tables, seed: u64) -> Self {
        let (mut occurrences, mut waiting) = (Vec::new(), Vec::new());
        let mut rollouts = Vec::new();
        for (fault, spec) in names.faults().enumerate() {
            let stream = |purpose| Stream::new(seed, &format!("fault/{}", spec.id.0), purpose);
            let happens = spec.probability.is_none_or(|p| stream("happens").draw(0).unit() < p.0);
            if !happens {
                continue;
            }
            let hosts = spec
                .effect()
                .target()
                .map_or_else(Vec::new, |target| names.hosts_hit(spec, target, stream("which")));
            if let (Some(mtbf), Some(mttr)) = (&spec.mtbf, &spec.mttr) {
                let again = Again { spec, mtbf, mttr, tables, seed, until: names.design.duration };
                again.draw(fault, &hosts, &mut occurrences);
                continue;
            }
            let list = if spec.after.is_some() { &mut waiting } else { &mut occurrences };
            if let Some(rollout) = Rollout::new(fault, names, tables, seed) {
                list.extend(rollout.plan(spec.at.map_or(0, |at| at.0), spec));
                rollouts.push(rollout);
                continue;
            }
            let period = spec.every.map_or(u64::MAX, |every| every.0);
            let first = spec.at.or(spec.every).map_or(0, |at| at.0);
            let next = |start: &u64| start.checked_add(period);
            let starts = std::iter::successors(Some(first), next);
            for start in starts.take_while(|&start| start < names.design.duration) {
                let end = spec.for_.map_or(u64::MAX, |d| start.saturating_add(d.0));
                list.push(Occurrence::new(fault, (start, end), hosts.clone()));
            }
        }
        for list in [&mut occurrences, &mut waiting] {
            *list = shaped(std::mem::take(list), names, seed);
            names.with_guests(list);
            let after: Vec<Occurrence> = list
                .iter()
                .flat_map(|o| aftermaths(o, names, tables, seed))
                .filter(|o| o.start < names.design.duration)
                .collect();
            list.extend(after);
        }
        let mut timeline = Self { waiting, rollouts, ..Self::default() };
        for occurrence in occurrences {
            timeline.expect(occurrence, names.design.duration);
        }
        timeline.grown = false;
        timeline
    }

    /// Something will happen, unless the run is over by then.
    pub fn expect(&mut self, o: Occurrence, duration: u64) {
        let occurrence = self.occurrences.len();
        for (at, begins) in [(o.start, true), (o.end, false)] {
            if at < duration {
                self.changes.insert(Change { at, begins, occurrence });
            }
        }
        self.occurrences.push(o);
        self.grown = true;
    }

    /// When a fault came, in order.
    pub fn starts(&self, fault: usize) -> Vec<u64> {
        let starts = self.faults().filter(|o| o.fault == fault).map(|o| o.start);
        starts.collect::<BTreeSet<u64>>().into_iter().collect()
    }

    /// The spans in which a fault is at work somewhere, disjoint and in order.
    pub fn spans(&self, fault: usize) -> Vec<(u64, u64)> {
        let of = self.faults().filter(|o| o.fault == fault);
        merged(of.map(|o| (o.start, o.end)).collect())
    }
}

impl Timeline {
    /// The faults themselves.
    pub fn faults(&self) -> impl Iterator<Item = &Occurrence> {
        self.occurrences.iter().filter(|o| o.aftermath.is_none())
    }

    /// What is told of a pool's instances a while after they went down and came back: (when, index,
    /// up), by time.
    pub fn news(&self, pool: &[Host], delay: u64, names: &Names) -> Vec<(u64, usize, bool)> {
        let crash = |o: &&Occurrence| {
            let warm = matches!(o.aftermath, Some(Aftermath::Warm(_)));
            matches!(names.fault(o.fault).effect(), Effect::Crash(_)) && !warm
        };
        let mut all = Vec::new();
        for (index, host) in pool.iter().enumerate() {
            let crashes = self.occurrences.iter().filter(crash).filter(|o| o.hosts.contains(host));
            for (start, end) in merged(crashes.map(|o| (o.start, o.end)).collect()) {
                all.push((start.saturating_add(delay), index, false));
                all.push((end.saturating_add(delay), index, true));
            }
        }
        all.retain(|news| news.0 < names.design.duration);
        all.sort_unstable();
        all
    }
}

/// Occurrences in the parts in which they come and go: instances that recover one by one, steps in which
/// a fault grows.
fn shaped(all: Vec<Occurrence>, names: &Names, seed: u64) -> Vec<Occurrence> {
    let parts = |o: Occurrence| {
        let spec = names.fault(o.fault);
        let apart = match spec.stagger {
            Some(stagger) => staggered(&o, stagger.0, &spec.id.0, seed),
            None => vec![o],
        };
        // A client's rate grows without steps.
        let over = spec.over.filter(|_| !matches!(spec.effect(), Effect::Load(_)));
        apart.into_iter().flat_map(move |o| match over {
            Some(over) => grown(&o, over.0),
            None => vec![o],
        })
    };
    all.into_iter().flat_map(parts).collect()
}

/// The first of the instances recovers in time, the last so much later, the others in between.
fn staggered(o: &Occurrence, stagger: u64, id: &str, seed: u64) -> Vec<Occurrence> {
    let mut hosts = o.hosts.clone();
    let order = Stream::new(seed, &format!("fault/{id}"), &format!("stagger/{}", o.start));
    shuffle(&mut hosts, o.hosts.len(), order);
    let gaps = (hosts.len() as u128).saturating_sub(1).max(1);
    let part = |(rank, host): (usize, Host)| {
        let later = (u128::from(stagger) * rank as u128 / gaps) as u64;
        let end = o.end.saturating_add(later);
        Occurrence { end, hosts: vec![host], goes_on: rank > 0, ..o.clone() }
    };
    hosts.into_iter().enumerate().map(part).collect()
}

/// The steps of a fault that grows over some time; each has the size of its middle.
fn grown(o: &Occurrence, over: u64) -> Vec<Occurrence> {
    let at = |step: u64| {
        let after = u128::from(over) * u128::from(step) / u128::from(STEPS);
        o.start.saturating_add(after as u64).min(o.end)
    };
    let part = |step: u64| {
        let end = if step == STEPS { o.end } else { at(step + 1) };
        let strength = (step as f64 + 0.5) / STEPS as f64;
        let goes_on = o.goes_on || step > 0;
        Occurrence { start: at(step), end, strength: strength.min(1.0), goes_on, ..o.clone() }
    };
    (0..=STEPS).map(part).filter(|o| o.start < o.end).collect()
}

/// The first `count` of a shuffle.
fn shuffle<T>(all: &mut [T], count: usize, stream: Stream) {
    for i in 0..count {
        let left = (all.len() - i) as u64;
        all.swap(i, i + stream.draw(i as u64).below(left) as usize);
    }
}

/// How the hosts of a crash start again.
fn aftermaths(o: &Occurrence, names: &Names, tables: &dyn Tables, seed: u64) -> Vec<Occurrence> {
    let spec = names.fault(o.fault);
    if !matches!(spec.effect(), Effect::Crash(_)) || o.end == u64::MAX {
        return Vec::new();
    }
    let mut all = Vec::new();
    for &(node, inst) in &o.hosts {
        let startup = names.kind(node).startup();
        let mut up = o.end;
        let mut next = |length: u64, aftermath| {
            let start = up;
            up = up.saturating_add(length);
            let after = Occurrence::new(o.fault, (start, up), vec![(node, inst)]);
            all.push(Occurrence { aftermath: Some(aftermath), root: o.root, ..after });
        };
        if let Some(law) = startup.boot {
            let entity = format!("node/{}/{inst}", names.name(node));
            let stream = Stream::new(seed, &entity, &format!("boot/{}", spec.id.0));
            let sampler = law.compile(tables).expect("the law was checked");
            next(to_nanos(sampler.sample(&mut stream.draw(o.start))), Aftermath::Boot);
        }
        if let Some((length, factor)) = startup.warm {
            next(length, Aftermath::Warm(factor));
        }
    }
    all.retain(|o| o.start < o.end);
    all
}

/// Spans as disjoint ones in order.
pub fn merged(mut all: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    all.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (start, end) in all {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// A fault that comes again and again.
struct Again<'a> {
    spec: &'a FaultSpec,
    mtbf: &'a DurationLaw,
    mttr: &'a DurationLaw,
    tables: &'a dyn Tables,
    seed: u64,
    until: u64,
}

/// What fails and is repaired as one.
struct Unit {
    hosts: Vec<Host>,
    ups: Stream,
    downs: Stream,
}

impl Again<'_> {
    /// Its occurrences, by the time of failure: a unit that fails waits for a free crew, is repaired, and
    /// is up until it fails again.
    fn draw(&self, fault: usize, hosts: &[Host], all: &mut Vec<Occurrence>) {
        let compile = |law: &DurationLaw| law.compile(self.tables).expect("the law was checked");
        let (up, down) = (compile(self.mtbf), compile(self.mttr));
        let lasts =
            |law: &Sampler, stream: &Stream, n: u64| to_nanos(law.sample(&mut stream.draw(n)));
        let units = self.units(hosts);
        // The next failure of each: when, which, its number.
        let mut failures = BinaryHeap::new();
        let fails = |failures: &mut BinaryHeap<_>, from: u64, unit: usize, n: u64| {
            let at = from.saturating_add(lasts(&up, &units[unit].ups, n).max(1));
            if at < self.until && n < MAX_OCCURRENCES as u64 {
                failures.push(Reverse((at, unit, n)));
            }
        };
        for unit in 0..units.len() {
            fails(&mut failures, 0, unit, 0);
        }
        // When each crew is free again.
        let crews = self.spec.crews.map_or(0, |n| (n.0 as usize).min(units.len()));
        let mut crews: BinaryHeap<_> = (0..crews).map(|_| Reverse(0)).collect();
        while let Some(Reverse((start, unit, n))) = failures.pop() {
            let Unit { hosts, downs, .. } = &units[unit];
            let begins = crews.pop().map_or(start, |Reverse(free)| start.max(free));
            let end = begins.saturating_add(lasts(&down, downs, n).max(1));
            if self.spec.crews.is_some() {
                crews.push(Reverse(end));
            }
            all.push(Occurrence::new(fault, (start, end), hosts.clone()));
            fails(&mut failures, end, unit, n + 1);
        }
    }

    /// Each instance apart; what a group, a place or a path hits as one.
    fn units(&self, hosts: &[Host]) -> Vec<Unit> {
        let unit = |entity: &str, hosts: &[Host]| Unit {
            hosts: hosts.to_vec(),
            ups: Stream::new(self.seed, entity, "mtbf"),
            downs: Stream::new(self.seed, entity, "mttr"),
        };
        let fault = format!("fault/{}", self.spec.id.0);
        let target = self.spec.effect().target();
        let has_role = target.is_some_and(TargetSpec::is_by_role);
        let node = target.and_then(|target| target.node.as_ref()).filter(|_| !has_role);
        match (&self.spec.group, node) {
            (Some(group), _) => vec![unit(&format!("group/{}", group.0), hosts)],
            (None, None) => vec![unit(&fault, hosts)],
            (None, Some(node)) => {
                let one = |host: &Host| unit(&format!("{fault}/{}/{}", node.0, host.1), &[*host]);
                hosts.iter().map(one).collect()
            }
        }
    }
}

impl Names {
    /// What is inside an instance shares its fate.
    fn with_guests(&self, occurrences: &mut [Occurrence]) {
        for o in occurrences {
            if matches!(self.fault(o.fault).effect(), Effect::Errors(_) | Effect::Deploy(_)) {
                continue;
            }
            let guests = o
                .hosts
                .iter()
                .flat_map(|&(node, inst)| self.guests(node).map(move |guest| (guest, inst)));
            o.hosts.extend(guests.collect::<Vec<Host>>());
        }
    }

    /// Whether a fault is over as soon as it has begun; what follows is what comes of it.
    pub(super) fn is_at_once(&self, effect: Effect<'_>) -> bool {
        let node = |t: &TargetSpec| t.node.as_ref().and_then(|name| self.node(&name.0));
        match effect {
            Effect::ClearCache(_) | Effect::Corrupt(_) => true,
            Effect::Crash(t) if t.instances.is_some() => {
                node(t).is_some_and(|node| self.kind(node).has_environments())
            }
            _ => false,
        }
    }

    /// The nodes whose instances a fault may hit, by name: the same in each replication. A deployment concerns whoever
    /// comes across the new version.
    pub(super) fn nodes_hit(&self, fault: usize) -> Vec<String> {
        let effect = self.fault(fault).effect();
        let Some(target) = effect.target() else { return Vec::new() };
        let zones = target.zone.as_ref().or(target.region.as_ref());
        let zones = zones.and_then(|name| self.zones_of(&name.0));
        let named = target.node.as_ref().and_then(|name| self.node(&name.0));
        let is_hit = |node: NodeId| match &zones {
            Some(zones) => self.places(node).iter().any(|zone| zones.contains(zone)),
            None => Some(node) == named,
        };
        let with_guests = !matches!(effect, Effect::Errors(_));
        let hit = (0..self.nodes().len() as NodeId).filter(|&node| match self.host(node) {
            Some(host) => is_hit(host) && with_guests || Some(node) == named,
            None => is_hit(node),
        });
        hit.map(|node| self.name(usize::from(node)).to_owned()).collect()
    }

    /// The instances a target names; `which` draws them where only a number is given.
    fn hosts_hit(&self, spec: &FaultSpec, target: &TargetSpec, which: Stream) -> Vec<Host> {
        let zones = target.zone.as_ref().or(target.region.as_ref());
        if let Some(zones) = zones.and_then(|name| self.zones_of(&name.0)) {
            return (0..self.nodes().len() as NodeId)
                .filter(|&node| self.host(node).is_none())
                .flat_map(|node| {
                    let stands = self.places(node);
                    let inside = (0..stands.len()).filter(|&i| zones.contains(&stands[i]));
                    inside.map(|i| (node, i as u16)).collect::<Vec<_>>()
                })
                .collect();
        }
        let node = target.node.as_ref().and_then(|name| self.node(&name.0));
        let node = node.expect("the target was checked");
        if self.kind(node).has_environments() && target.instances.is_some() {
            return Vec::new(); // It hits environments, which are known when it begins.
        }
        let facts = self.kind(node).facts();
        let n = facts.serving() as u16;
        if let Some(replicas) = facts.replicas {
            let each = replicas.each as u16;
            let shard = target.shard.map(|shard| shard.0 as u16);
            let is_hit = |i: &u16| shard.is_none_or(|shard| i / each == shard);
            // Who has a role is known when the fault begins.
            let is_hit = |i: &u16| {
                is_hit(i)
                    && match &target.replica {
                        Some(ReplicaSpec::These(these)) => {
                            these.iter().any(|r| r.0 == u64::from(i % each))
                        }
                        _ => true,
                    }
            };
            if target.replica.is_some() || shard.is_some() {
                return (0..n).filter(is_hit).map(|i| (node, i)).collect();
            }
        }
        let all = facts.instances as u16;
        let chosen: Vec<u16> = match (&target.instances, target.shard) {
            (_, Some(shard)) => vec![shard.0 as u16],
            (Some(InstancesSpec::These(these)), _) => these.iter().map(|i| i.0 as u16).collect(),
            // Who of those that come and go is known when the fault begins.
            (Some(some), _)
                if spec.mtbf.is_some() || self.kind(node).comes_and_goes().is_none() =>
            {
                some.of((0..n).collect(), which)
            }
            _ => (0..all).collect(),
        };
        chosen.into_iter().map(|i| (node, i)).collect()
    }
}

impl InstancesSpec {
    /// Those of `all` that are hit; `which` draws them where only a number is given.
    pub(super) fn of(&self, mut all: Vec<u16>, which: Stream) -> Vec<u16> {
        let count = match self {
            Self::These(these) => {
                all.retain(|one| these.iter().any(|i| i.0 == u64::from(*one)));
                return all;
            }
            Self::Count(count) => count.0,
            Self::Share(share) => ((share.0 * all.len() as f64).round_ties_even() as u64).max(1),
        };
        let count = (count as usize).min(all.len());
        shuffle(&mut all, count, which);
        all.truncate(count);
        all.sort_unstable();
        all
    }
}

/// `load` faults of a client.
pub fn surges(timeline: &Timeline, names: &Names, client: &str) -> Vec<Surge> {
    let of = |o: &Occurrence| {
        let spec = names.fault(o.fault);
        let Effect::Load(surge) = spec.effect() else { return None };
        let over = spec.over.map_or(0, |over| over.0);
        let Occurrence { start, end, .. } = *o;
        (surge.client.0 == client && surge.factor.0 != 1.0).then_some(Surge {
            start,
            over,
            end,
            factor: surge.factor.0,
        })
    };
    timeline.occurrences.iter().filter_map(of).collect()
}
