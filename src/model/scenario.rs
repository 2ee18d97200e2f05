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

use super::{
    build::{Data, Design, Names, Prepared},
    check_design,
    probe::Measured,
    sim::{Limits, Simulation},
};
use crate::problem::Problems;

/// A scenario that was checked and can be simulated.
#[derive(Clone, Debug)]
pub struct Scenario {
    design: Design,
    prepared: Prepared,
    /// Bounds of each replication.
    pub limits: Limits,
    /// Simulated milliseconds of all replications so far, for who watches.
    pub progress: Arc<AtomicU64>,
}

impl Scenario {
    /// Checks what a design means; loads nothing.
    pub fn check(design: &mut Design, problems: &mut Problems) {
        design.move_in(problems);
        check_design::design(&Names::new(design), problems);
        if !problems.any_error() {
            design.check_versions(problems);
        }
    }

    /// Checks a design and loads what it needs; `None` when there are errors.
    pub fn compile(mut design: Design, data: &dyn Data, problems: &mut Problems) -> Option<Self> {
        Self::check(&mut design, problems);
        if problems.any_error() {
            return None;
        }
        let prepared = Prepared::new(&Names::new(&design), data, problems);
        let (limits, progress) = (Limits::default(), Arc::default());
        (!problems.any_error()).then_some(Self { design, prepared, limits, progress })
    }

    /// The design it was made of.
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// Has requests measured operation by operation around the faults of these ids.
    pub fn watch(&mut self, faults: BTreeSet<String>) {
        self.design.watched = faults;
    }

    /// Runs one replication; ends early with what it has when `stop` is set.
    pub fn replicate(&self, seed: u64, stop: &AtomicBool) -> Measured {
        let names = Names::new(&self.design);
        Simulation::new(&names, &self.prepared, seed).run(
            &names,
            self.limits,
            (stop, &self.progress),
        )
    }
}
