//! A scenario that was checked and can be simulated.
//!
//! **Invariant.** Each replication is a function of the scenario and its seed alone.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use super::{check_design, check_single, probe::Measured, sim::Simulation};
use crate::{
    model::{
        design::{Design, Limits},
        names::Names,
        plan::{Plan, Prepared},
        traces::Data,
    },
    problem::Problems,
};

/// A scenario that was checked and can be simulated.
#[derive(Clone, Debug)]
pub struct Scenario {
    plan: Arc<Plan>,
    /// Bounds of each replication.
    pub limits: Limits,
    /// Simulated milliseconds of all replications so far, for who watches.
    pub progress: Arc<AtomicU64>,
}

impl Scenario {
    /// Checks what a design means; loads nothing.
    pub fn check(mut design: Design, problems: &mut Problems) -> Names {
        design.move_in(problems);
        design.make_room();
        let names = Names::new(Arc::new(design));
        check_design::design(&names, problems);
        if problems.any_error() {
            return names;
        }
        let mut design = names.into_design();
        design.check_versions(problems);
        Names::new(Arc::new(design))
    }

    /// Checks a design and loads what it needs; `None` when there are errors.
    pub fn compile(design: Design, data: &dyn Data, problems: &mut Problems) -> Option<Self> {
        let names = Self::check(design, problems);
        if problems.any_error() {
            return None;
        }
        let prepared = Prepared::new(&names, data, problems);
        let plan = Arc::new(Plan { names, prepared });
        let (limits, progress) = (Limits::default(), Arc::default());
        (!problems.any_error()).then_some(Self { plan, limits, progress })
    }

    /// The names of its design.
    pub fn names(&self) -> &Names {
        &self.plan.names
    }

    /// Warnings of what every request of some operation needs and of which there is one; the operations are those of
    /// one client, of one name, or all.
    pub fn single_points(&self, asked: &[(Option<String>, Option<String>)]) -> Problems {
        let mut problems = Problems::default();
        check_single::single_points(self.names(), asked, &mut problems);
        problems
    }

    /// Has requests measured operation by operation around the faults of these ids.
    pub fn watch(&mut self, faults: BTreeSet<String>) {
        let names = &mut Arc::make_mut(&mut self.plan).names;
        Arc::make_mut(&mut names.design).watched = faults;
    }

    /// One replication, at its beginning.
    pub fn replication(&self, seed: u64) -> Simulation {
        Simulation::new(Arc::clone(&self.plan), seed)
    }

    /// Runs one replication; ends early with what it has when `stop` is set.
    pub fn replicate(&self, seed: u64, stop: &AtomicBool) -> Measured {
        self.replication(seed).run(self.limits, (stop, &self.progress))
    }
}
