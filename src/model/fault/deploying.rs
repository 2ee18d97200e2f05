//! Deployments go on, are watched, and are taken back.
//!
//! **Invariant.** An instance is of one version at a time.

use std::collections::BTreeSet;

use crate::{
    model::{
        fault::{
            deploy::DeploySpec,
            occurrence::{Aftermath, Change, Occurrence},
            rollout::Rollout,
            timeline::Timeline,
        },
        names::Names,
        sim::Simulation,
    },
    units::Name,
};

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
        let whole = |o: &Occurrence| o.fault == rollout.fault && o.aftermath.is_none();
        let whole = self.occurrences.iter().position(whole).expect("it has begun");
        if rollout.lives {
            if self.occurrences[whole].end <= now {
                self.expect(rollout.whole(now, u64::MAX), duration);
            }
            return;
        }
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
        if self.occurrences[whole].end > now {
            self.ends(whole, end.max(done), duration);
        } else {
            self.expect(rollout.whole(now, end.max(done)), duration);
        }
    }

    /// A deployment of a node whose instances come and go has come to an end.
    pub(in crate::model) fn rolled(&mut self, number: usize, now: u64, names: &Names) {
        let fault = self.rollouts[number].fault;
        let whole = |o: &Occurrence| o.fault == fault && o.aftermath.is_none() && o.end > now;
        if let Some(at) = self.occurrences.iter().position(whole) {
            let after = self.occurrences[at].start.saturating_add(1);
            self.ends(at, now.max(after), names.design.duration);
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
                self.timeline.rollouts[number].rolled_back = Some(now);
                if self.goes_back(number, now, names) {
                    self.change_version(names);
                }
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
                let first = rollout.began.is_none();
                rollout.began.get_or_insert(now);
                return first && rollout.lives && self.begin_roll(number, false, names);
            }
            (Some(Aftermath::Back), _) if !rollout.back => {
                return self.goes_back(number, now, names);
            }
            (Some(Aftermath::Switch { .. }), Some(inst)) => {
                let node = usize::from(rollout.node);
                if names.kind(rollout.node).has_environments() {
                    let mut here =
                        |all: Vec<(u16, u32)>| all.into_iter().filter(|at| at.0 == inst).collect();
                    self.nodes[node].retire(&mut here, false, &mut self.world);
                }
                return self.takes_version(number, inst);
            }
            _ => {}
        }
        false
    }

    /// A deployment is taken back; whether an instance has another version now.
    fn goes_back(&mut self, number: usize, now: u64, names: &Names) -> bool {
        self.timeline.take_back(number, now, names.design.duration);
        self.timeline.count_by_phase(names, &mut self.world.record);
        self.timeline.rollouts[number].lives && self.begin_roll(number, true, names)
    }

    /// An instance is of the version that a deployment brought, or took away; whether it was not before.
    pub(in crate::model) fn takes_version(&mut self, number: usize, inst: u16) -> bool {
        let (node, now) = (usize::from(self.timeline.rollouts[number].node), self.world.now());
        let rollout = &self.timeline.rollouts[number];
        if rollout.reached.contains_key(&inst) != rollout.back {
            return false;
        }
        let mut books = Vec::new();
        self.books(node, now, &mut books);
        let books = books[usize::from(inst)];
        let rollout = &mut self.timeline.rollouts[number];
        let (served, failures) = (books.served(), books.failures);
        if !rollout.back {
            rollout.reached.insert(inst, (served, failures));
        } else if let Some(since) = rollout.reached.remove(&inst) {
            rollout.left.0 += served - since.0;
            rollout.left.1 += failures - since.1;
        }
        true
    }

    /// Good visits and all that have left instances with what a deployment brought.
    pub(in crate::model) fn left_deployed(&self, fault: usize) -> (u64, u64) {
        let rollout = self.timeline.rollouts.iter().find(|r| r.fault == fault);
        let Some(rollout) = rollout else { return (0, 0) };
        let mut books = Vec::new();
        self.books(usize::from(rollout.node), self.world.now(), &mut books);
        let (mut served, mut failures) = rollout.left;
        for (&inst, since) in &rollout.reached {
            let books = &books[usize::from(inst)];
            served += books.served() - since.0;
            failures += books.failures - since.1;
        }
        (served, served + failures)
    }
}
