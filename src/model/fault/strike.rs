//! Faults strike: changes are applied between two events, and what was measured around them.
//!
//! **Invariant.** A change is applied when nothing is due before it and nothing of its own instant has
//! happened yet.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Effect, ReplicaSpec, TargetSpec,
    hosts::Harm,
    timeline::{Timeline, merged},
};
use crate::{
    engine::random::{Stream, mix},
    model::{
        client::LoadSpec,
        fault::occurrence::{Aftermath, Change, Occurrence},
        ids::{Host, NodeId},
        names::Names,
        network::disturbed::with_role,
        probe::{FaultMeasured, Side},
        record::Recorder,
        sim::Simulation,
    },
    replication::Strike,
};

impl Simulation {
    /// What begins or ends now does so.
    pub(in crate::model) fn strike(&mut self, now: u64) {
        let plan = Arc::clone(&self.plan);
        let (mut planned, mut touched) = (false, BTreeMap::new());
        while let Some(&change) = self.timeline.changes.first()
            && change.at == now
        {
            self.timeline.changes.pop_first();
            let part = &self.timeline.occurrences[change.occurrence];
            if part.aftermath.is_none() {
                let before = self.begun.note(change, part);
                touched.entry(part.fault).or_insert(before);
            }
            planned |= self.change(change, &plan.names);
        }
        if planned {
            self.change_version(&plan.names);
        }
        self.begun_or_ended(touched, &plan.names);
    }

    /// A fault begins or ends; whether the design has changed.
    fn change(&mut self, Change { begins, occurrence, .. }: Change, names: &Names) -> bool {
        if begins {
            self.find_roles(occurrence, names);
            self.find_there(occurrence, names);
            self.crash_environments(occurrence, names);
            self.damage(occurrence, names);
        }
        let Occurrence { fault, hosts, aftermath, start, end, strength, .. } =
            &self.timeline.occurrences[occurrence];
        let spec = names.fault(*fault);
        let harm = match spec.effect() {
            Effect::Crash(_) if let Some(aftermath) = aftermath => match aftermath {
                Aftermath::Boot => Harm::Down { silent: false },
                Aftermath::Warm(factor) => Harm::Slow(*factor),
                _ => return false,
            },
            Effect::Deploy(_) => match *aftermath {
                Some(Aftermath::Boot) => Harm::Down { silent: false },
                Some(Aftermath::Warm(factor)) => Harm::Slow(factor),
                Some(Aftermath::Closed) => Harm::Closed,
                Some(Aftermath::Out) => {
                    let (host, world) = (hosts[0], &mut self.world);
                    self.nodes.iter_mut().for_each(|node| node.withdraw(host, begins, world));
                    return false;
                }
                step => {
                    let (fault, inst) = (*fault, hosts.first().map(|host| host.1));
                    return begins && self.deploy((fault, step), inst, names);
                }
            },
            Effect::Crash(t) => Harm::Down { silent: t.process != Some(true) },
            Effect::Pause(_) => Harm::Paused,
            Effect::Slow(t) => Harm::Slow(t.factor.map_or(1.0, |f| 1.0 + (f.0 - 1.0) * strength)),
            Effect::Errors(t) => Harm::Errors(t.fraction.map_or(0.0, |f| f.0 * strength)),
            Effect::Clock(t) => {
                self.set_clocks(&hosts.clone(), t, begins);
                return false;
            }
            Effect::ClearCache(_) => {
                let hosts = hosts.iter().filter(|_| begins);
                hosts.for_each(|(node, inst)| self.nodes[usize::from(*node)].clear_cache(*inst));
                return false;
            }
            Effect::Reclaim(_) => return self.reclaim(&hosts.clone(), begins, names),
            // What is done already, and what is part of the client's rate.
            Effect::Corrupt(_) | Effect::Load(_) => return false,
            Effect::Set(_) => {
                let change = (*start, *end, names.order[*fault]);
                self.planned.retain(|other| *other != change);
                self.planned.extend(begins.then_some(change));
                return true;
            }
            Effect::Partition(_)
            | Effect::Latency(_)
            | Effect::Loss(_)
            | Effect::Duplicate(_)
            | Effect::Bandwidth(_) => {
                let (fault, strength) = (*fault, *strength);
                self.disturb(fault, strength, begins);
                return false;
            }
        };
        hosts.clone().into_iter().for_each(|host| self.harm(host, harm, begins));
        false
    }

    /// What stores hold is damaged, if that is what begins.
    fn damage(&mut self, occurrence: usize, names: &Names) {
        let Occurrence { fault, hosts, aftermath, start, .. } =
            &self.timeline.occurrences[occurrence];
        let share = match names.fault(*fault).effect() {
            Effect::Crash(t) if t.lose_data == Some(true) && aftermath.is_none() => None,
            Effect::Corrupt(t) => Some((t.fraction.map_or(0.0, |f| f.0), t.silent == Some(true))),
            _ => return,
        };
        let entity = format!("fault/{}", names.fault(*fault).id.0);
        let word = Stream::new(self.seed, &entity, &format!("copies/{start}")).draw(0).word();
        for (node, inst) in hosts {
            let word = mix(word ^ u64::from(*inst));
            let strike = share.map(|(share, silent)| Strike { word, share, silent });
            self.nodes[usize::from(*node)].damage(*inst, strike, &mut self.world);
        }
    }

    /// Some of the environments of a function that are there crash, if that is what begins: it hits no instance.
    fn crash_environments(&mut self, occurrence: usize, names: &Names) {
        let o = &self.timeline.occurrences[occurrence];
        let spec = names.fault(o.fault);
        let Effect::Crash(TargetSpec { node: Some(node), instances: Some(some), .. }) =
            spec.effect()
        else {
            return;
        };
        let node = names.node(&node.0).filter(|node| names.kind(*node).has_environments());
        let Some(node) = node else { return };
        let entity = format!("fault/{}", spec.id.0);
        let which = Stream::new(self.seed, &entity, &format!("which/{}", o.start));
        let mut choose = |all: Vec<(u16, u32)>| {
            let numbers = (0..all.len().min(usize::from(u16::MAX)) as u16).collect();
            some.of(numbers, which).into_iter().map(|i| all[usize::from(i)]).collect()
        };
        self.nodes[usize::from(node)].retire(&mut choose, true, &mut self.world);
    }

    /// Messages are disturbed, or no longer.
    fn disturb(&mut self, fault: usize, strength: f64, begins: bool) {
        let network = &mut self.world.network;
        if !begins {
            return network.calm(fault);
        }
        let nodes = &self.nodes;
        let leaders = |node: NodeId| nodes[usize::from(node)].leaders();
        let mut disturbance = self.disturbances[fault].clone();
        if let Some(disturbance) = &mut disturbance {
            disturbance.find_roles(leaders);
        }
        network.disturb(disturbance, strength);
    }

    /// Clocks go wrong, or right again.
    fn set_clocks(&mut self, hosts: &[Host], target: &TargetSpec, begins: bool) {
        let wrong = (target.offset.unwrap_or_default(), target.drift.unwrap_or_default());
        let now = self.world.now();
        for &host in hosts {
            let Some(clocks) = &mut self.world.clocks else { return };
            let faster = clocks.disturb(host, wrong, begins, now);
            let guests = self.world.network.ground.within.guests(host);
            for (node, inst) in guests.into_iter().chain([host]) {
                self.nodes[usize::from(node)].set_clock(inst, faster, &mut self.world);
            }
        }
    }

    /// Whom a fault hits of those that come and go is whoever is there as it begins; the same of numbers of them.
    fn find_there(&mut self, occurrence: usize, names: &Names) {
        let o = &mut self.timeline.occurrences[occurrence];
        let spec = names.fault(o.fault);
        let Some(target) = spec.effect().target() else { return };
        let node = target.node.as_ref().and_then(|name| names.node(&name.0));
        let scaling = node.and_then(|node| self.scalings.get(&node));
        let some = target.instances.as_ref();
        let Some(scaling) = scaling.filter(|_| some.is_some() || spec.mtbf.is_some()) else {
            return;
        };
        let node = scaling.places.node;
        let seed = self.seed;
        let struck = self.struck.entry((o.fault, o.root)).or_insert_with(|| {
            let there: Vec<u16> = match spec.effect() {
                Effect::Reclaim(_) => scaling.places.on_spot().collect(),
                _ => scaling.places.there().collect(),
            };
            let which = Stream::new(seed, &format!("fault/{}", spec.id.0), "which");
            let those = match some.filter(|_| spec.mtbf.is_none()) {
                Some(some) => some.of(there, which),
                None => there,
            };
            those.into_iter().map(|place| (node, place)).collect()
        });
        // What is inside one shares its place.
        o.hosts.retain(|host| struck.contains(&(node, host.1)));
    }

    /// Whom a fault hits by a role is whoever has it as the fault begins, in all its parts and after it.
    fn find_roles(&mut self, occurrence: usize, names: &Names) {
        let o = &mut self.timeline.occurrences[occurrence];
        let target = names.fault(o.fault).effect().target();
        let Some(target) = target.filter(|target| target.is_by_role()) else { return };
        let leads = target.replica == Some(ReplicaSpec::Leader);
        let node = target.node.as_ref().and_then(|name| names.node(&name.0));
        let nodes = &self.nodes;
        let struck = self.struck.entry((o.fault, o.root)).or_insert_with(|| {
            let Some(node) = node else { return Vec::new() };
            let all = names.kind(node).facts().serving() as u16;
            with_role(node, all, leads, &nodes[usize::from(node)].leaders())
        });
        o.hosts.retain(|host| struck.contains(host));
    }

    /// Something befalls an instance, or is over.
    pub(in crate::model) fn harm(&mut self, host: Host, harm: Harm, begins: bool) {
        let world = &mut self.world;
        let node = &mut self.nodes[usize::from(host.0)];
        let (was_down, before) = (world.hosts.is_down(host), world.hosts.slowdown(host));
        let was_paused = world.hosts.is_paused(host);
        world.hosts.harm(host, harm, begins, world.agenda.now());
        match harm {
            Harm::Down { .. } | Harm::Off if begins && !was_down => {
                let lost = world.inside(host);
                node.crash(host.1, &lost, world);
                let silent = matches!(harm, Harm::Down { silent: true });
                world.lose(&lost, silent);
                world.end_connections(host, silent);
                // What a pause held back finds nobody.
                world.let_go(host);
                world.forget_answers(host);
            }
            Harm::Closed if begins => world.close_quiet(host),
            Harm::Paused if begins && !was_paused => node.pause(host.1, world),
            Harm::Paused if !world.hosts.is_paused(host) => {
                node.resume(host.1, world);
                world.let_go(host);
            }
            Harm::Slow(_) => node.set_pace(host.1, before, world.hosts.slowdown(host), world),
            Harm::Down { .. } | Harm::Off if !begins && !world.hosts.is_down(host) => {
                // One that has yet to boot is not back for an instant before.
                if !self.timeline.goes_down(host, world.agenda.now()) {
                    node.recover(host.1, world);
                }
            }
            Harm::Down { .. } | Harm::Off | Harm::Errors(_) | Harm::Paused | Harm::Closed => {}
        }
        // What runs within it shares its fate.
        if matches!(harm, Harm::Down { .. } | Harm::Off | Harm::Paused) {
            for guest in self.world.network.ground.within.guests(host) {
                self.harm(guest, harm, begins);
            }
        }
    }

    /// When a fault that is over at once came; never, of others.
    fn struck(&self, fault: usize, names: &Names, ended_at: u64) -> Vec<u64> {
        let mut starts = self.timeline.starts(fault);
        let at_once = names.is_at_once(names.fault(fault).effect());
        starts.retain(|&start| at_once && start < ended_at);
        starts
    }

    /// Requests before, during and after each fault.
    pub(in crate::model) fn faults_measured(
        &self,
        names: &Names,
        ended_at: u64,
    ) -> Vec<FaultMeasured> {
        let record = &self.world.record;
        // The measured span cuts a window in two: they are one again.
        let cut = !record.measured_from.is_multiple_of(record.window);
        let second = cut.then(|| record.window_at(record.measured_from));
        let ends = record.phases.iter().skip(1).copied().chain([ended_at]);
        let phases: Vec<(u64, u64)> = record.phases.iter().copied().zip(ends).collect();
        let one = |fault: usize| {
            let id = &names.fault(fault).id.0;
            let sides = self.timeline.sides(fault, (record.measured_from, ended_at));
            let mut measured = FaultMeasured {
                id: id.clone(),
                title: names.fault(fault).title.clone(),
                effect: names.fault(fault).effect().name(),
                target: names.fault(fault).effect().what(),
                nodes: names.nodes_hit(fault),
                until: sides.afters.last().map_or(ended_at, |s| s.1),
                steady: sides.afters.last().map_or(ended_at, |s| s.1.min(names.next_load(s.0))),
                remains: self.timeline.remains(fault, names),
                rolled_back: self.timeline.rollout(fault).and_then(|r| r.rolled_back),
                watched: names.design.watched.iter().position(|w| w == id),
                cut: record.cuts.measured(fault, second),
                struck: self.struck(fault, names, ended_at),
                ..FaultMeasured::default()
            };
            for (&(start, end), &(good, decided)) in phases.iter().zip(&record.by_phase) {
                let Some(side) = sides.of(start) else { continue };
                let sum = match side {
                    Side::Before => &mut measured.before,
                    Side::During => &mut measured.during,
                    Side::After => &mut measured.after,
                };
                sum.0 += good;
                sum.1 += decided;
                let from = start.max(record.measured_from);
                if side == Side::Before && end > from {
                    measured.quiet.push((from, end));
                }
                measured.length[side as usize] += end.min(ended_at).saturating_sub(from);
            }
            measured.spans = sides.spans;
            // What was deployed was there until it was taken back.
            if let [first, .., last] = measured.spans[..]
                && self.timeline.taken_back(fault)
            {
                measured.spans = vec![(first.0, last.1)];
            }
            measured
        };
        (0..names.order.len()).map(one).collect()
    }
}

impl Names {
    /// When the load next changes after an instant, beyond what recurs.
    fn next_load(&self, after: u64) -> u64 {
        let loads = self.design.clients.values().filter_map(|client| client.load.as_ref());
        let steps = loads.flat_map(|load| match load {
            LoadSpec::Steps(steps) => steps.as_slice(),
            LoadSpec::Factor(_) | LoadSpec::Curve(_) => &[],
        });
        let changes = steps.filter(|step| step.every.is_none() && step.at.0 > after);
        changes.map(|step| step.at.0).min().unwrap_or(u64::MAX)
    }
}

/// The stretches of time around a fault.
pub(super) struct Sides {
    /// Another one is at work before it first begins: nothing is to be compared with that, unless one always is.
    others: Vec<(u64, u64)>,
    /// It is at work.
    pub(super) spans: Vec<(u64, u64)>,
    /// After each of these, until the next fault begins.
    pub(super) afters: Vec<(u64, u64)>,
}

impl Sides {
    /// Where an instant at which no fault begins or ends later lies.
    fn of(&self, at: u64) -> Option<Side> {
        // Both lists are in order.
        let inside = |all: &[(u64, u64)]| {
            let begun = all.partition_point(|s| s.0 <= at);
            all[..begun].last().is_some_and(|s| at < s.1)
        };
        match self.spans.first() {
            Some(first) if at < first.0 => (!inside(&self.others)).then_some(Side::Before),
            _ if inside(&self.spans) => Some(Side::During),
            _ if inside(&self.afters) => Some(Side::After),
            _ => None,
        }
    }
}

impl Timeline {
    /// Whether an instance goes down at this very instant, by what is still to be applied of it.
    fn goes_down(&self, host: Host, now: u64) -> bool {
        let due = self.changes.iter().take_while(|change| change.at == now);
        due.filter(|change| change.begins).any(|change| {
            let o = &self.occurrences[change.occurrence];
            o.aftermath == Some(Aftermath::Boot) && o.hosts.contains(&host)
        })
    }

    pub(super) fn sides(&self, fault: usize, (measured_from, ended_at): (u64, u64)) -> Sides {
        let mut spans = self.spans(fault);
        spans.retain(|s| s.0 < ended_at);
        for span in &mut spans {
            span.1 = span.1.min(ended_at);
        }
        // The next begin of any fault after an instant.
        let begun = self.faults().filter(|o| !o.goes_on);
        let mut starts: Vec<u64> = begun.map(|o| o.start).collect();
        starts.sort_unstable();
        let next = |at: u64| {
            let later = starts.partition_point(|&start| start < at);
            starts.get(later).map_or(ended_at, |&start| start.min(ended_at))
        };
        let afters = spans.iter().map(|s| (s.1, next(s.1))).collect();
        let began = spans.first().map_or(0, |s| s.0);
        let other = self.faults().filter(|o| o.fault != fault && o.start < began);
        let mut others = merged(other.map(|o| (o.start, o.end)).collect());
        if others.iter().any(|span| span.0 <= measured_from && span.1 >= began) {
            others.clear();
        }
        Sides { others, spans, afters }
    }

    /// Has a recorder count requests by what is at work when they are sent; again when more is to come.
    pub fn count_by_phase(&self, names: &Names, record: &mut Recorder) {
        let windows = record.active.iter().flat_map(|(_, w)| w.bounds(record.measured_from));
        let windows: Vec<u64> = windows.collect();
        if self.changes.is_empty() && self.waiting.is_empty() && windows.is_empty() {
            return;
        }
        let before = std::mem::take(&mut record.phases);
        record.phases = self.changes.iter().map(|c| c.at).chain(windows).chain([0]).collect();
        record.phases.extend(&before);
        record.phases.sort_unstable();
        record.phases.dedup();
        let counted = std::mem::take(&mut record.by_phase);
        record.by_phase = vec![(0, 0); record.phases.len()];
        for (at, counts) in before.iter().zip(counted) {
            let phase = record.phases.partition_point(|start| start < at);
            record.by_phase[phase] = counts;
        }
        let unseen = names.design.watched.is_empty() && record.active.is_empty();
        if unseen && record.cuts.is_empty() {
            return;
        }
        record.sides = vec![Vec::new(); record.phases.len()];
        for (place, id) in names.design.watched.iter().enumerate() {
            let Some(fault) = names.faults().position(|f| f.id.0 == *id) else { continue };
            let sides = self.sides(fault, (record.measured_from, record.end));
            // Whether it will come nobody knows yet.
            let waits = self.waiting.iter().any(|o| o.fault == fault);
            for (at, list) in record.phases.iter().zip(&mut record.sides) {
                let side = sides.of(*at).or(waits.then_some(Side::Before));
                let side = side.map(|side| place * Side::ALL.len() + side as usize);
                list.extend(side.map(|side| side as u16));
            }
        }
        self.count_cuts(record);
        let active = std::mem::take(&mut record.active);
        for (i, (_, windows)) in active.iter().enumerate() {
            record.count_active(windows, names.design.watched.len() * Side::ALL.len() + 2 * i);
        }
        record.active = active;
    }

    /// The same for those on either side of what cuts them apart.
    fn count_cuts(&self, record: &mut Recorder) {
        record.cuts.phases = vec![Vec::new(); record.phases.len()];
        let faults: Vec<usize> = record.cuts.faults().collect();
        for (cut, fault) in faults.into_iter().enumerate() {
            let sides = self.sides(fault, (record.measured_from, record.end));
            let waits = self.waiting.iter().any(|o| o.fault == fault);
            for (at, list) in record.phases.iter().zip(&mut record.cuts.phases) {
                let side = sides.of(*at).or(waits.then_some(Side::Before));
                list.extend(side.map(|side| (cut, side)));
            }
        }
    }
}
