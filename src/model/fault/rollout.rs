//! Deployments in a replication: batch by batch, and back.
//!
//! **Invariant.** An instance is of one version at a time.

use crate::{
    engine::{
        law::{Tables, to_nanos},
        random::Stream,
    },
    model::{
        fault::{
            FaultSpec,
            deploy::DeploySpec,
            timeline::{Aftermath, Change, Occurrence, Timeline},
        },
        ids::NodeId,
        names::Names,
        sim::Simulation,
    },
    units::Name,
};
use std::collections::BTreeMap;
use std::collections::BTreeSet;
/// How long an instance is out of rotation before it stops, when the file does not say, ns.
const DRAIN: u64 = 10_000_000_000;

/// A deployment in one replication.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// Index of the fault, in order of ids.
    pub fault: usize,
    /// Its node.
    pub node: NodeId,
    /// What is inside each instance.
    guests: Vec<NodeId>,
    sizes: Vec<usize>,
    pause: u64,
    drain: u64,
    restart: bool,
    /// Time to boot with the new version and with the old one again, by instance.
    boots: Vec<[u64; 2]>,
    warm: Option<(u64, f64)>,
    /// When it began.
    pub began: Option<u64>,
    /// It was taken back.
    back: bool,
    /// When an alert had it taken back.
    pub rolled_back: Option<u64>,
    /// Instances that run the new version, with their good answers and failures when they took it up.
    pub reached: BTreeMap<u16, (u64, u64)>,
    /// The same of those that do no more: good answers and failures meanwhile.
    left: (u64, u64),
}

impl Rollout {
    /// Draws a deployment.
    pub fn new(fault: usize, names: &Names, tables: &dyn Tables, seed: u64) -> Option<Self> {
        let spec = names.fault(fault);
        let deploy = spec.deploy.as_ref()?;
        let node = names.node(&deploy.node.0).expect("the node was checked");
        let kind = names.kind(node);
        let (n, startup) = (kind.facts().instances as usize, kind.startup());
        let boot = |inst: usize, again: u64| {
            let Some(law) = startup.boot else { return 0 };
            let entity = format!("node/{}/{inst}", deploy.node.0);
            let stream = Stream::new(seed, &entity, &format!("boot/{}", spec.id.0));
            let sampler = law.compile(tables).expect("the law was checked");
            to_nanos(sampler.sample(&mut stream.draw(again)))
        };
        Some(Self {
            fault,
            node,
            guests: names.guests(node).collect(),
            sizes: deploy.sizes(n),
            pause: deploy.pause.map_or(0, |pause| pause.0),
            drain: deploy.drain.map_or(DRAIN, |drain| drain.0),
            restart: deploy.restart != Some(false),
            // Down for a moment at least, so that it ends after it began.
            boots: (0..n).map(|i| [boot(i, 0).max(1), boot(i, 1).max(1)]).collect(),
            warm: startup.warm,
            began: None,
            back: false,
            rolled_back: None,
            reached: BTreeMap::new(),
            left: (0, 0),
        })
    }

    /// The whole of it from `start` on, and what comes of it.
    pub fn plan(&self, start: u64, spec: &FaultSpec) -> Vec<Occurrence> {
        let all: Vec<u16> = (0..self.boots.len() as u16).collect();
        let (mut steps, end) = self.steps(&all, start, false);
        if let Some(length) = spec.for_ {
            steps.push(self.step(start.saturating_add(length.0), u64::MAX, Aftermath::Back, &[]));
        }
        steps.insert(0, self.whole(start, end));
        steps
    }

    /// It is at work; for a moment at least, so that what comes after it is after it.
    fn whole(&self, start: u64, end: u64) -> Occurrence {
        let end = end.max(start.saturating_add(1));
        Occurrence::new(self.fault, (start, end), Vec::new())
    }

    fn step(
        &self,
        start: u64,
        end: u64,
        aftermath: Aftermath,
        nodes: &[(NodeId, u16)],
    ) -> Occurrence {
        let (fault, hosts) = (self.fault, nodes.to_vec());
        let occurrence = Occurrence::new(fault, (start, end), hosts);
        Occurrence { aftermath: Some(aftermath), ..occurrence }
    }

    /// Instances take up the new version, or the old one again: the steps, and when all are done.
    fn steps(&self, instances: &[u16], start: u64, back: bool) -> (Vec<Occurrence>, u64) {
        let (mut steps, mut left) = (Vec::new(), instances);
        let (mut at, mut end) = (start, start);
        for batch in 0.. {
            let size = self.sizes[batch.min(self.sizes.len() - 1)].min(left.len());
            let (now, rest) = left.split_at(size);
            for &inst in now {
                end = end.max(self.one(inst, at, back, &mut steps));
            }
            left = rest;
            if left.is_empty() {
                break;
            }
            at = end.saturating_add(if back { 0 } else { self.pause });
        }
        (steps, end)
    }

    /// One instance: when it is up.
    fn one(&self, inst: u16, at: u64, back: bool, steps: &mut Vec<Occurrence>) -> u64 {
        let host = [(self.node, inst)];
        let switch = Aftermath::Switch { back };
        if !self.restart {
            steps.push(self.step(at, u64::MAX, switch, &host));
            return at;
        }
        let stop = at.saturating_add(self.drain);
        let up = stop.saturating_add(self.boots[usize::from(inst)][usize::from(back)]);
        steps.push(self.step(at, up, Aftermath::Out, &host));
        steps.push(self.step(stop, u64::MAX, switch, &host));
        let guests = self.guests.iter().map(|&guest| (guest, inst));
        let all: Vec<_> = host.into_iter().chain(guests).collect();
        steps.push(self.step(stop, up, Aftermath::Boot, &all));
        if let Some((length, factor)) = self.warm {
            steps.push(self.step(up, up.saturating_add(length), Aftermath::Warm(factor), &all));
        }
        up
    }
}

impl Timeline {
    /// How a deployment goes.
    pub(super) fn rollout(&self, fault: usize) -> Option<&Rollout> {
        self.rollouts.iter().find(|rollout| rollout.fault == fault)
    }

    /// Whether what a fault brought stays when it is over: a new version that was not taken back.
    pub(super) fn remains(&self, fault: usize, names: &Names) -> bool {
        let brings = |deploy: &DeploySpec| !deploy.set.is_empty();
        let brings = names.fault(fault).deploy.as_ref().is_some_and(brings);
        let mut rollouts = self.rollouts.iter();
        brings && rollouts.any(|r| r.fault == fault && r.began.is_some() && !r.back)
    }

    /// Whether a fault is a deployment that was taken back.
    pub(super) fn taken_back(&self, fault: usize) -> bool {
        self.rollouts.iter().any(|r| r.fault == fault && r.back)
    }

    /// A deployment goes no further, and what it has reached goes back.
    fn take_back(&mut self, number: usize, now: u64, duration: u64) {
        let rollout = self.rollouts[number].clone();
        self.rollouts[number].back = true;
        let of = |o: &Occurrence| o.fault == rollout.fault && o.aftermath.is_some();
        let mine: Vec<usize> =
            (0..self.occurrences.len()).filter(|&i| of(&self.occurrences[i])).collect();
        // Those that are down start anew, with the old version.
        let mut starting = BTreeSet::new();
        let mut under_way = Vec::new();
        for occurrence in mine {
            let o = &self.occurrences[occurrence];
            let begins = Change { at: o.start, begins: true, occurrence };
            let ends = Change { at: o.end, begins: false, occurrence };
            // What would begin after the run is not among the changes.
            if self.changes.remove(&begins) || o.start > now {
                self.changes.remove(&ends);
            } else if o.end > now && o.end < u64::MAX {
                under_way.push(occurrence);
                if o.aftermath == Some(Aftermath::Boot) {
                    starting.insert(o.hosts[0].1);
                }
            }
        }
        let mut end = now;
        for occurrence in under_way {
            let o = &self.occurrences[occurrence];
            let inst = o.hosts[0].1;
            let until = match o.aftermath {
                Some(Aftermath::Warm(_)) => o.end.min(now.saturating_add(rollout.drain)),
                _ if starting.contains(&inst) => {
                    now.saturating_add(rollout.boots[usize::from(inst)][1])
                }
                // It has not stopped yet, so it need not.
                _ => now,
            };
            end = end.max(until);
            self.ends(occurrence, until, duration);
        }
        for &inst in &starting {
            let host = [(rollout.node, inst)];
            let switch = Aftermath::Switch { back: true };
            self.expect(rollout.step(now, u64::MAX, switch, &host), duration);
        }
        let others = rollout.reached.keys().copied().filter(|inst| !starting.contains(inst));
        let (steps, done) = rollout.steps(&others.collect::<Vec<u16>>(), now, true);
        for step in steps {
            self.expect(step, duration);
        }
        let whole = |o: &Occurrence| o.fault == rollout.fault && o.aftermath.is_none();
        let whole = self.occurrences.iter().position(whole).expect("it has begun");
        if self.occurrences[whole].end > now {
            self.ends(whole, end.max(done), duration);
        } else {
            self.expect(rollout.whole(now, end.max(done)), duration);
        }
    }

    /// Something ends at another time than was thought.
    fn ends(&mut self, occurrence: usize, end: u64, duration: u64) {
        let o = &mut self.occurrences[occurrence];
        self.changes.remove(&Change { at: o.end, begins: false, occurrence });
        o.end = end;
        if end < duration {
            self.changes.insert(Change { at: end, begins: false, occurrence });
        }
        self.grown = true;
    }
}

impl Simulation {
    /// Deployments that go back when this alert fires do so.
    pub(super) fn roll_back(&mut self, alert: &Name, now: u64, names: &Names) {
        for number in 0..self.timeline.rollouts.len() {
            let rollout = &self.timeline.rollouts[number];
            let deploy = names.fault(rollout.fault).deploy.as_ref();
            let asks = deploy.is_some_and(|deploy| deploy.rollback.as_ref() == Some(alert));
            if asks && rollout.began.is_some() && !rollout.back {
                self.timeline.take_back(number, now, names.design.duration);
                self.timeline.rollouts[number].rolled_back = Some(now);
            }
        }
    }

    /// A step of a deployment; whether an instance has another version now.
    pub(super) fn deploy(
        &mut self,
        (fault, step): (usize, Option<Aftermath>),
        inst: Option<u16>,
        names: &Names,
    ) -> bool {
        let now = self.world.agenda.now();
        let number = self.timeline.rollouts.iter().position(|r| r.fault == fault);
        let number = number.expect("a deployment has a rollout");
        let rollout = &mut self.timeline.rollouts[number];
        match (step, inst) {
            // Once more when it goes back.
            (None, _) => {
                rollout.began.get_or_insert(now);
            }
            (Some(Aftermath::Back), _) if !rollout.back => {
                self.timeline.take_back(number, now, names.design.duration);
                self.timeline.count_by_phase(names, &mut self.world.record);
            }
            (Some(Aftermath::Switch { back }), Some(inst)) => {
                let node = usize::from(rollout.node);
                let books = self.books(node, now)[usize::from(inst)];
                let rollout = &mut self.timeline.rollouts[number];
                let (served, failures) = (books.served(), books.failures);
                if !back {
                    rollout.reached.insert(inst, (served, failures));
                } else if let Some(since) = rollout.reached.remove(&inst) {
                    rollout.left.0 += served - since.0;
                    rollout.left.1 += failures - since.1;
                }
                return true;
            }
            _ => {}
        }
        false
    }

    /// Good visits and all that have left instances with what a deployment brought.
    pub(in crate::model) fn left_deployed(&self, fault: usize) -> (u64, u64) {
        let rollout = self.timeline.rollouts.iter().find(|r| r.fault == fault);
        let Some(rollout) = rollout else { return (0, 0) };
        let books = self.books(usize::from(rollout.node), self.world.now());
        let (mut served, mut failures) = rollout.left;
        for (&inst, since) in &rollout.reached {
            let books = &books[usize::from(inst)];
            served += books.served() - since.0;
            failures += books.failures - since.1;
        }
        (served, served + failures)
    }
}
