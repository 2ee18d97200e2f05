//! What can be wrong with connections that are kept through steps.
//!
//! **Invariant.** As in `model/check.rs`.

use std::collections::BTreeMap;

use super::{ServiceSpec, StepSpec, parts::HoldSpec, steps::Spread};
use crate::{
    model::{check::closest, resilience::EdgeSpec},
    problem::Problems,
    units::Name,
};

impl ServiceSpec {
    /// Checks the connections its steps keep.
    pub fn check_holds(&self, path: &str, problems: &mut Problems) {
        let mut check = HoldCheck { edges: &self.dependencies, held: Vec::new(), parallel: 0 };
        for (name, list) in &self.endpoints {
            check.list(list, &format!("{path}.endpoints.{}", name.0), problems);
        }
        for (i, task) in self.background.iter().enumerate() {
            check.list(&task.do_, &format!("{path}.background[{i}].do"), problems);
        }
        for (i, consumed) in self.consumed().enumerate() {
            let path = format!("{}.per_batch", self.consume_path(path, i));
            check.list(&consumed.per_batch, &path, problems);
        }
    }
}

struct HoldCheck<'c> {
    edges: &'c BTreeMap<Name, EdgeSpec>,
    /// The nodes of which connections are kept around the steps that are looked at.
    held: Vec<&'c Name>,
    /// So many of these were taken before the steps became parallel.
    parallel: usize,
}

impl<'c> HoldCheck<'c> {
    fn list(&mut self, list: &'c [StepSpec], path: &str, problems: &mut Problems) {
        for (i, step) in list.iter().enumerate() {
            self.step(step, &format!("{path}[{i}]"), problems);
        }
    }

    fn step(&mut self, step: &'c StepSpec, path: &str, problems: &mut Problems) {
        if let Some(hold) = &step.hold {
            self.hold(hold, &format!("{path}.hold"), problems);
            if step.optional.is_some() {
                let message = "what is done with a connection is not done without one";
                let help = "say `optional` of the steps inside";
                problems.error_help("E-CONFLICT", format!("{path}.optional"), message, help);
            }
        }
        if let Some((target, ..)) = step.target() {
            self.call(step, &target, path, problems);
        }
        let before = self.parallel;
        if step.all.is_some() || step.any.is_some() || step.race.is_some() {
            self.parallel = self.held.len();
        }
        self.held.extend(step.hold.as_ref().map(|hold| &hold.pool));
        for (inner, list) in step.inner() {
            self.list(list, &format!("{path}{inner}"), problems);
        }
        if step.hold.is_some() {
            self.held.pop();
        }
        self.parallel = before;
    }

    fn hold(&self, hold: &HoldSpec, path: &str, problems: &mut Problems) {
        if hold.do_.is_empty() {
            problems.error("E-STEP", format!("{path}.do"), "needs at least one step");
        }
        let pool = self.edges.get(&hold.pool).and_then(|edge| edge.pool.as_ref());
        let Some(pool) = pool else {
            let message = format!("there is no pool of connections to `{}`", hold.pool.0);
            let pools = self.edges.iter().filter(|(_, edge)| edge.pool.is_some());
            let mut known = pools.map(|(name, _)| name.0.as_str()).peekable();
            let help = match known.peek() {
                None => "give `dependencies` a `pool`, such as `{pool: {size: 20}}`".to_owned(),
                Some(_) => closest(&hold.pool.0, known),
            };
            return problems.error_help("E-REF", format!("{path}.pool"), message, help);
        };
        let (size, around) = (pool.0.size.0, self.held.iter().filter(|held| ***held == hold.pool));
        let needed = 1 + around.count() as u64;
        if needed > size {
            let message = format!(
                "takes {needed} connections at once of {size}, so nobody would ever get it"
            );
            let help = "give the pool more, or take one of them later";
            problems.error_help("E-CONFLICT", format!("{path}.pool"), message, help);
        }
    }

    /// A connection carries one call after the other.
    fn call(&self, step: &StepSpec, target: &str, path: &str, problems: &mut Problems) {
        let Some(at) = self.held.iter().rposition(|held| held.0 == target) else { return };
        let several = matches!(step.spread(), Some(Spread::Keys(_) | Spread::Shards));
        if several || at < self.parallel {
            let message =
                format!("the connection to `{target}` that is kept carries one call at a time");
            let help = "make its calls one after the other, or `hold` one in each branch";
            problems.error_help("E-CONFLICT", path, message, help);
        }
    }
}
