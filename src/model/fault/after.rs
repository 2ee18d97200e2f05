//! What faults cost the data: what was lost, how long nobody could read or write, how long copies differed after them.
//!
//! A loss belongs to each fault that was at work when it came about, or that was over by then and no other had begun since:
//! a leader begins its term without a write, the last copy dies; where that instant is not known, the write's
//! acknowledgement, or the next crash.
//!
//! **Invariant.** Nothing of the model reads it.

use std::collections::{BTreeMap, BTreeSet};

use super::Effect;
use crate::model::{
    fault::occurrence::{Change, Occurrence},
    ids::{Host, NodeId},
    lasted::Lasted,
    names::Names,
    network::disturbed::{Blow, Disturbance, Side},
    probe::{Cost, FaultMeasured, Loss, NodeMeasured},
    sim::Simulation,
};

/// A fault that is at work.
#[derive(Clone, Debug, Default)]
struct AtWork {
    /// In so many parts.
    parts: u32,
    /// Instances it has hit.
    hosts: BTreeSet<Host>,
    /// Nodes whose replicas it parts.
    parted: BTreeSet<NodeId>,
}

/// All that are at work.
#[derive(Clone, Debug, Default)]
pub struct Begun {
    all: BTreeMap<usize, AtWork>,
}

impl Begun {
    /// A part of a fault begins or ends; whether the fault was at work.
    pub(super) fn note(&mut self, change: Change, occurrence: &Occurrence) -> bool {
        let fault = self.all.entry(occurrence.fault).or_default();
        let before = fault.parts > 0;
        if change.begins {
            fault.parts += 1;
            fault.hosts.extend(&occurrence.hosts);
        } else {
            fault.parts = fault.parts.saturating_sub(1);
        }
        before
    }
}

impl Simulation {
    /// All that changes at an instant has: of these faults, which were at work before or not, some have begun or ended.
    pub(super) fn begun_or_ended(&mut self, touched: BTreeMap<usize, bool>, names: &Names) {
        let now = self.world.now();
        for (fault, before) in touched {
            let mut of = self.begun.all.remove(&fault).unwrap_or_default();
            let after = of.parts > 0;
            if after && !before {
                if let Some(outages) = self.world.data.as_mut().and_then(|d| d.outages.as_mut()) {
                    outages.struck(fault, now);
                }
                of.parted = self.parted(fault, names);
                for node in 0..names.nodes().len() {
                    self.nodes[node].parted(fault);
                }
            }
            if before && !after {
                let back: Vec<Host> = of.hosts.iter().copied().collect();
                let hit = of.hosts.iter().map(|host| host.0);
                for node in hit.chain(of.parted).collect::<BTreeSet<NodeId>>() {
                    self.nodes[usize::from(node)].healed(fault, &back, &self.world);
                }
            } else {
                self.begun.all.insert(fault, of);
            }
        }
    }

    /// Nodes of which some replicas cannot speak to others of their shard as they could.
    fn parted(&self, fault: usize, names: &Names) -> BTreeSet<NodeId> {
        let disturbs =
            |one: &&Disturbance| one.fault == fault && !matches!(one.blow, Blow::Double(..));
        let all: Vec<_> = self.world.network.disturbances.iter().filter(disturbs).collect();
        let parts = |node: &NodeId| {
            let facts = names.kind(*node).facts();
            let Some(replicas) = facts.replicas else { return false };
            let zones = names.places_of_entity(*node);
            let on = |side: &Side, inst: usize| side.holds((*node, inst as u16), zones[inst]);
            let each = replicas.each.max(1) as usize;
            let serving: Vec<usize> = (0..facts.serving() as usize).collect();
            let apart = |(one, shard): (&Disturbance, &[usize])| {
                let to = |a: &usize| shard.iter().any(|b| a != b && on(&one.to, *b));
                shard.iter().any(|a| on(&one.from, *a) && to(a))
            };
            all.iter()
                .flat_map(|one| serving.chunks(each).map(move |shard| (*one, shard)))
                .any(apart)
        };
        (0..names.nodes().len() as NodeId).filter(parts).collect()
    }

    /// Puts down what each fault cost, with the fault and with the stores.
    pub(in crate::model) fn count_costs(
        &self,
        outages: &BTreeMap<(usize, NodeId), [Lasted; 2]>,
        (faults, nodes): (&mut [FaultMeasured], &mut [NodeMeasured]),
        names: &Names,
        ended_at: u64,
    ) {
        let crashes = self.crashes(names);
        let stretches: Vec<_> = (0..faults.len()).map(|f| self.stretches(f, ended_at)).collect();
        for (id, node) in nodes.iter_mut().enumerate() {
            let seen = node.consistency.as_mut();
            let losses = seen.map(|seen| std::mem::take(&mut seen.losses));
            let follows = losses.is_some();
            let losses = Losses::new(losses.unwrap_or_default(), &crashes);
            let mut worst = Cost { rpo: losses.nobody_s(&stretches), ..Cost::default() };
            for (fault, of) in faults.iter_mut().enumerate() {
                let mut cost = Cost {
                    rto: outages.get(&(fault, id as NodeId)).copied().unwrap_or_default(),
                    ..Cost::default()
                };
                if let Some(replicas) = &node.replicas {
                    cost.converged = replicas.healed.get(&fault).copied().unwrap_or_default();
                }
                if follows {
                    of.lost.get_or_insert(0);
                }
                for &stretch in &stretches[fault] {
                    let lost = losses.within(stretch);
                    cost.rpo = cost.rpo.max(rpo(lost, stretch.0));
                    of.lost = of.lost.map(|all| all + lost.len() as u64);
                    for (side, seen) in of.cut.iter_mut().flat_map(|cut| &mut cut.sides).enumerate()
                    {
                        let there = |(_, loss): &&(u64, Loss)| {
                            self.world.record.cuts.are_on(loss.by, fault, side)
                        };
                        seen.lost += lost.iter().filter(there).count() as u64;
                    }
                }
                of.cost.add(cost);
                worst.add(cost);
            }
            if let Some(seen) = &mut node.consistency {
                seen.cost = worst;
            }
        }
    }

    /// When a fault was at work, and after it until the next one began.
    fn stretches(&self, fault: usize, ended_at: u64) -> Vec<(u64, u64)> {
        let sides = self.timeline.sides(fault, (0, ended_at));
        let until = sides.afters.iter().map(|after| after.1);
        sides.spans.iter().map(|span| span.0).zip(until).collect()
    }

    /// When something crashed, or lost what it held in memory, in order.
    fn crashes(&self, names: &Names) -> Vec<u64> {
        let hurts = |o: &&Occurrence| {
            matches!(
                names.fault(o.fault).effect(),
                Effect::Crash(_) | Effect::ClearCache(_) | Effect::Corrupt(_)
            )
        };
        let mut all: Vec<u64> = self.timeline.faults().filter(hurts).map(|o| o.start).collect();
        all.sort_unstable();
        all
    }
}

/// Lost writes of a store, by the instant at which that came about.
struct Losses(Vec<(u64, Loss)>);

impl Losses {
    fn new(losses: Vec<Loss>, crashes: &[u64]) -> Self {
        let instant = |loss: &Loss| {
            let next = || crashes.get(crashes.partition_point(|at| *at < loss.acked)).copied();
            loss.at.or_else(next).unwrap_or(loss.acked)
        };
        let mut all: Vec<(u64, Loss)> = losses.into_iter().map(|l| (instant(&l), l)).collect();
        all.sort_unstable();
        Self(all)
    }

    /// Those that came about in a stretch of time.
    fn within(&self, (from, until): (u64, u64)) -> &[(u64, Loss)] {
        let before = |at: u64| self.0.partition_point(|(other, _)| *other < at);
        &self.0[before(from)..before(until.max(from))]
    }

    /// The time of which those are lost that belong to no fault.
    fn nobody_s(&self, stretches: &[Vec<(u64, u64)>]) -> u64 {
        let mut all: Vec<(u64, u64)> = stretches.iter().flatten().copied().collect();
        all.sort_unstable();
        let (mut from, mut left) = (0, Vec::new());
        for (start, end) in all {
            left.extend_from_slice(self.within((from, start)));
            from = from.max(end);
        }
        left.extend_from_slice(self.within((from, u64::MAX)));
        rpo(&left, 0)
    }
}

/// From the first lost acknowledgement to this instant, or to the last one if that is later, ns; 0 if none is lost.
fn rpo(lost: &[(u64, Loss)], since: u64) -> u64 {
    let acked = || lost.iter().map(|(_, loss)| loss.acked);
    let (first, last) = (acked().min(), acked().max());
    first.zip(last).map_or(0, |(first, last)| last.max(since) - first)
}
