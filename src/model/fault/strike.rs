//! Faults strike: changes are applied between two events, and what was measured around them.
//!
//! **Invariant.** A change is applied when nothing is due before it and nothing of its own instant has
//! happened yet.

use super::{
    Effect,
    hosts::Harm,
    timeline::{Change, Host, Occurrence, Timeline},
};
use crate::{
    engine::random::hash_str,
    model::{build::Names, probe::FaultMeasured, record::Recorder, sim::Simulation, world::kind},
};

impl Simulation {
    /// A fault begins or ends.
    pub(in crate::model) fn change(
        &mut self,
        Change { begins, occurrence, .. }: Change,
        names: &Names<'_>,
    ) {
        let Occurrence { fault, hosts, .. } = &self.timeline.occurrences[occurrence];
        let spec = names.faults[*fault];
        let identity = hash_str(u64::from(begins), &spec.id.0);
        self.world.record.event(self.world.agenda.now(), kind::FAULT, identity);
        let harm = match spec.effect() {
            Effect::Crash(t) => Harm::Down { silent: t.process != Some(true) },
            Effect::Slow(t) => Harm::Slow(t.factor.map_or(1.0, |f| f.0)),
            Effect::Errors(t) => Harm::Errors(t.fraction.map_or(0.0, |f| f.0)),
            Effect::ClearCache(_) => {
                for &(node, inst) in hosts.iter().filter(|_| begins) {
                    self.nodes[usize::from(node)].clear_cache(inst);
                }
                return;
            }
            Effect::Load(_) => return, // Part of the client's rate.
            Effect::Partition(_) | Effect::Latency(_) | Effect::Loss(_) => {
                let all = &mut self.world.network.disturbances;
                if begins {
                    all.extend(self.disturbances[*fault].clone());
                } else {
                    all.retain(|d| d.fault != *fault);
                }
                return;
            }
        };
        for host in hosts.clone() {
            self.harm(host, harm, begins);
        }
    }

    fn harm(&mut self, host: Host, harm: Harm, begins: bool) {
        let world = &mut self.world;
        let node = &mut self.nodes[usize::from(host.0)];
        let (was_down, before) = (world.hosts.is_down(host), world.hosts.slowdown(host));
        world.hosts.harm(host, harm, begins, world.agenda.now());
        match harm {
            Harm::Down { silent } if begins && !was_down => {
                let lost = world.inside(host);
                node.crash(host.1, &lost, world);
                world.lose(&lost, silent);
            }
            Harm::Slow(_) => node.set_pace(host.1, before, world.hosts.slowdown(host), world),
            Harm::Down { .. } if !begins && !world.hosts.is_down(host) => {
                node.recover(host.1, world);
            }
            Harm::Down { .. } | Harm::Errors(_) => {}
        }
    }

    /// Requests before, during and after each fault.
    pub(in crate::model) fn faults_measured(
        &self,
        names: &Names<'_>,
        ended_at: u64,
    ) -> Vec<FaultMeasured> {
        let record = &self.world.record;
        let begins: Vec<(u64, usize)> =
            self.timeline.occurrences.iter().map(|o| (o.start, o.fault)).collect();
        let one = |fault: usize| {
            let mut spans = self.timeline.spans(fault);
            spans.retain(|s| s.0 < ended_at);
            for span in &mut spans {
                span.1 = span.1.min(ended_at);
            }
            // The next begin of any fault after an instant.
            let next = |at: u64| {
                let later = begins.iter().filter(|b| b.0 >= at).map(|b| b.0);
                later.min().unwrap_or(ended_at).min(ended_at)
            };
            let afters: Vec<(u64, u64)> = spans.iter().map(|s| (s.1, next(s.1))).collect();
            let inside = |all: &[(u64, u64)], at: u64| all.iter().any(|s| s.0 <= at && at < s.1);
            let mut measured = FaultMeasured {
                id: names.faults[fault].id.0.clone(),
                effect: names.faults[fault].effect().name(),
                until: afters.last().map_or(ended_at, |s| s.1),
                ..FaultMeasured::default()
            };
            for (&phase, &(good, decided)) in record.phases.iter().zip(&record.by_phase) {
                let sum = if spans.first().is_some_and(|s| phase < s.0) {
                    &mut measured.before
                } else if inside(&spans, phase) {
                    &mut measured.during
                } else if inside(&afters, phase) {
                    &mut measured.after
                } else {
                    continue;
                };
                sum.0 += good;
                sum.1 += decided;
            }
            measured.spans = spans;
            measured
        };
        (0..names.faults.len()).map(one).collect()
    }
}

impl Timeline {
    /// Has a recorder count requests by what is at work when they are sent.
    pub fn count_by_phase(&self, record: &mut Recorder) {
        if self.changes.is_empty() {
            return;
        }
        record.phases = self.changes.iter().map(|c| c.at).chain([0]).collect();
        record.phases.sort_unstable();
        record.phases.dedup();
        record.by_phase = vec![(0, 0); record.phases.len()];
    }
}
