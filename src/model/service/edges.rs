//! The edges by which steps call, and what these say of the steps themselves: connections that are kept, how deep calls go.
//!
//! **Invariant.** An edge is built once for each way in which it is used.

use super::{
    Comparator,
    compile::Compiler,
    instr::{Instr, Point},
    parts::HoldSpec,
    program::Test,
};
use crate::model::{ids::AttrRef, resilience::policy::EdgePolicy};

/// How the edge to a node is used with regard to connections that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    No,
    Takes,
    Uses,
}

impl Compiler<'_, '_> {
    /// A call that may not be made where that would be too deep: where it is passed over.
    pub(super) fn bound(&mut self, target: &str) -> Option<usize> {
        let depth = self.max_depth(target)?;
        self.program.tests.push(Test(vec![(AttrRef::Depth, Comparator::Less, depth)]));
        let condition = self.program.tests.len() as u16 - 1;
        Some(self.emit(Instr::Unless { condition, otherwise: 0 }))
    }

    /// What stands behind this condition ends here.
    pub(super) fn passed_over(&mut self, at: usize) {
        let Instr::Unless { condition, .. } = self.program.code[at] else {
            unreachable!("the guard stands there")
        };
        self.program.code[at] = Instr::Unless { condition, otherwise: self.here() };
    }

    pub(super) fn max_depth(&self, target: &str) -> Option<f64> {
        let edge = self.dependencies.iter().find(|edge| edge.0.0 == target);
        edge.and_then(|(_, edge)| edge.max_depth).map(|depth| depth.0 as f64)
    }

    /// Steps through which a connection is kept.
    pub(super) fn hold(&mut self, spec: &HoldSpec, path: &str) {
        let target = spec.pool.0.as_str();
        self.assembly.keeps = true;
        self.call(target, (None, None, None), false, &format!("{path}/hold"));
        let edge = self.edge_of(target, Keeping::Takes);
        self.program.calls.last_mut().expect("just added").edge = edge;
        // Whoever has it goes on past this.
        let next = self.here() + 1;
        self.emit(Instr::Jump(next));
        self.held.push(target.to_owned());
        self.steps(&spec.do_, path);
        self.held.pop();
        self.emit(Instr::Point(Point::Gives));
    }

    /// The edge by which a node is called here.
    pub(super) fn edge(&mut self, target: &str) -> u16 {
        let held = self.held.iter().any(|held| held == target);
        self.edge_of(target, if held { Keeping::Uses } else { Keeping::No })
    }

    fn edge_of(&mut self, target: &str, keeping: Keeping) -> u16 {
        let plain = self.plain_edge(target);
        if keeping == Keeping::No {
            return plain;
        }
        let key = (target.to_owned(), keeping);
        if let Some(found) = self.edges.iter().find(|e| e.0 == key) {
            return found.1;
        }
        let policy = &self.program.edges[usize::from(plain)];
        let policy = if keeping == Keeping::Takes { policy.taking() } else { policy.using() };
        self.add_edge(key, policy.expect("it was checked that there is a pool"))
    }

    pub(super) fn plain_edge(&mut self, target: &str) -> u16 {
        let key = (target.to_owned(), Keeping::No);
        if let Some(found) = self.edges.iter().find(|e| e.0 == key) {
            return found.1;
        }
        let policy = self.dependencies.iter().find(|d| d.0.0 == target).map_or_else(
            EdgePolicy::default,
            |(_, spec)| {
                let path = format!("{}/dependencies/{target}", self.entity);
                EdgePolicy::new(spec, (&path, target), self.assembly)
            },
        );
        self.add_edge(key, policy)
    }

    fn add_edge(&mut self, key: (String, Keeping), policy: EdgePolicy) -> u16 {
        self.program.guarded |= policy.guard.is_some();
        self.program.edges.push(policy);
        self.program.edge_targets.push(key.0.clone());
        let index = self.program.edges.len() as u16 - 1;
        self.edges.push((key, index));
        index
    }
}
