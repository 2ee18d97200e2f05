//! A random scenario (`scenario/swarm.rs`) run under all invariants.
//!
//! **Invariant.** A seed is clean or its scenario is given back whole.

use std::sync::atomic::AtomicBool;

use super::{Alone, Study};
use crate::{
    model::probe::Measured,
    runner::{Prepared, Replicate, guarded},
    scenario::{load::Overrides, swarm::scenario},
};

/// Events of one scenario, at most; one that reaches it is cut, and checked so far.
const MAX_EVENTS: u64 = 5_000_000;

/// What became of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swarmed {
    /// All books balanced, the same bytes twice; events of one run.
    Clean(u64),
    /// The scenario was refused, which is the writer's fault.
    Refused(String),
    /// An invariant broke.
    Broken(String),
}

/// Runs in uneven steps, as somebody does who looks in between.
struct Stepwise<'p>(&'p Prepared);

impl Replicate for Stepwise<'_> {
    fn replicate(&self, seed: u64, stop: &AtomicBool) -> Measured {
        let duration = self.0.info.duration;
        let mut replication = self.0.replication(seed);
        let (mut at, mut step) = (0, duration / 100 + 1);
        while at < duration && replication.advance_to(at, self.0.limits(), stop) {
            (at, step) = (at + step, step + step / 7);
        }
        replication.advance_to(duration, self.0.limits(), stop);
        replication.end()
    }
}

/// Runs the scenario of a seed: twice, the second time in steps, once with a fault that does nothing, and once without
/// following what clients saw of the data.
#[must_use]
pub fn run(seed: u64) -> Swarmed {
    let text = scenario(seed);
    let first = match once(&text, false) {
        Ok(first) => first,
        Err(other) => return other,
    };
    if once(&text, true).as_ref() != Ok(&first) {
        return Swarmed::Broken("a second run gave other results".to_owned());
    }
    if once(&format!("{text}history: none\n"), false).as_ref() != Ok(&first) {
        return Swarmed::Broken("following the data changed the results".to_owned());
    }
    let nothing = "  - {id: nothing, at: 1s, for: 1s, errors: {node: s0, fraction: 0%}}\n";
    let faulty = if text.contains("\nfaults:\n") {
        format!("{text}{nothing}")
    } else {
        format!("{text}faults:\n{nothing}")
    };
    match once(&faulty, false) {
        Ok(same) if (same.fingerprint, &same.outcomes) == (first.fingerprint, &first.outcomes) => {
            Swarmed::Clean(first.events)
        }
        Ok(_) => Swarmed::Broken("a fault that does nothing changed the results".to_owned()),
        Err(other) => other,
    }
}

/// What is compared of runs of one replication.
#[derive(Clone, PartialEq, Eq)]
struct Ran {
    fingerprint: u64,
    events: u64,
    /// How requests and visits ended, and the causes: who gets another answer does not always do something else.
    outcomes: String,
}

impl Ran {
    fn of(measured: &Measured) -> Self {
        let operations = measured.clients.iter().flat_map(|client| &client.operations);
        let requests: Vec<_> = operations.map(|operation| operation.outcomes).collect();
        let visits: Vec<_> =
            measured.nodes.iter().map(|node| (node.outcomes, &node.causes)).collect();
        Self {
            fingerprint: measured.fingerprint,
            events: measured.events,
            outcomes: format!("{requests:?} {visits:?}"),
        }
    }
}

fn once(text: &str, in_steps: bool) -> Result<Ran, Swarmed> {
    let mut study = Study::open(Alone::PATH, &Alone(text), &Overrides::default())
        .map_err(|rejected| Swarmed::Refused(rejected.render(false)))?;
    study.limit_events(MAX_EVENTS);
    let prepared = &study.prepared;
    let world: &dyn Replicate = if in_steps { &Stepwise(prepared) } else { prepared };
    match guarded(world, (0, study.seed), study.info(), &AtomicBool::new(false)) {
        Ok(measured) => Ok(Ran::of(&measured.expect("nothing stops it"))),
        Err(breach) => Err(Swarmed::Broken(breach.message)),
    }
}
