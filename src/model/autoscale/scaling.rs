//! A node whose instances come and go, in one replication.
//!
//! **Invariant.** What was decided is put down as it is decided, and nothing of the model reads it.

use std::collections::BTreeMap;

use super::{classes::Classes, places::Places, rolling::Roll, scaler::Scaler};
use crate::model::{
    books::{Scaled, ScalingMeasured},
    fault::death::Rebirth,
    ids::NodeId,
    kinds::NodeSpec,
    plan::Plan,
};

/// A node whose instances come and go.
#[derive(Debug)]
pub struct Scaling {
    /// Who is where.
    pub places: Places,
    /// Who decides.
    pub scaler: Scaler,
    /// Whether it ever decides anything.
    pub scales: bool,
    /// Samples the record forgot when the measured span began: visits that had ended, and their time, ns.
    pub forgotten: (u64, u128),
    /// What was decided.
    pub scaled: Vec<Scaled>,
    /// Deployments that go on.
    pub rolls: Vec<Roll>,
}

impl Scaling {
    /// Those of a design.
    pub fn all(plan: &Plan, seed: u64) -> BTreeMap<NodeId, Self> {
        let Plan { names, prepared } = plan;
        let one = |id: NodeId| {
            let kind = names.kind(id);
            let start = kind.comes_and_goes()?;
            let rebirth = Rebirth::of(id, names, prepared, (seed, "life"));
            let facts = kind.facts();
            let capacity = facts.capacity.unwrap_or(f64::INFINITY);
            let mut places = Places::new((id, facts.instances), start, rebirth);
            let scales = |spec: &NodeSpec| {
                spec.kind().autoscale().is_some_and(|(spec, _)| spec.reaches_zero())
            };
            places.reaches_zero = names.versions(id).into_iter().any(scales);
            if let Some((spec, _)) = kind.purchase() {
                let draws = (seed, names.name(id));
                let classes = Classes::new(spec, facts.instances, prepared, draws);
                places.bought(classes, spec.of(start));
            }
            let scales = kind.autoscale().map(|(spec, _)| spec);
            let scaling = Self {
                places,
                scaler: scales
                    .map_or_else(|| Scaler::idle(start), |spec| Scaler::new(spec, capacity, start)),
                scales: scales.is_some(),
                forgotten: (0, 0),
                scaled: Vec::new(),
                rolls: Vec::new(),
            };
            Some((id, scaling))
        };
        (0..names.nodes().len() as NodeId).filter_map(one).collect()
    }

    /// What was decided from an instant on.
    pub fn measured(&self, from: u64) -> ScalingMeasured {
        let since = self.scaled.iter().filter(|one| one.at >= from);
        ScalingMeasured { all: since.copied().collect() }
    }

    /// When there is something to do next.
    pub fn next(&self) -> u64 {
        let roll = self.rolls.iter().filter_map(|roll| roll.next).min();
        let lives = self.places.next().into_iter().chain(roll).min();
        self.scaler.next().min(lives.unwrap_or(u64::MAX))
    }
}
