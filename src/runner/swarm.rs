//! A random scenario (`scenario/swarm.rs`) run under all invariants.
//!
//! **Invariant.** A seed is clean or its scenario is given back whole.

use std::sync::atomic::AtomicBool;

use super::{Prepared, guarded};
use crate::{
    problem::Problems,
    scenario::{
        load::{Files, Overrides, load},
        swarm::scenario,
        trace::DataFiles,
    },
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

struct Text(String);

impl Files for Text {
    fn read(&self, _path: &str) -> Result<Vec<u8>, String> {
        Ok(self.0.clone().into_bytes())
    }
}

/// Runs the scenario of a seed: twice, and once more with a fault that does nothing.
#[must_use]
pub fn run(seed: u64) -> Swarmed {
    let text = scenario(seed);
    let first = match once(&text) {
        Ok(first) => first,
        Err(other) => return other,
    };
    if once(&text) != Ok(first) {
        return Swarmed::Broken("a second run gave other results".to_owned());
    }
    let nothing = "  - {id: nothing, at: 1s, for: 1s, errors: {node: s0, fraction: 0%}}\n";
    let faulty = if text.contains("\nfaults:\n") {
        format!("{text}{nothing}")
    } else {
        format!("{text}faults:\n{nothing}")
    };
    match once(&faulty) {
        Ok(same) if same.0 == first.0 => Swarmed::Clean(first.1),
        Ok(_) => Swarmed::Broken("a fault that does nothing changed the results".to_owned()),
        Err(other) => other,
    }
}

/// Fingerprint and events of a run of one replication.
fn once(text: &str) -> Result<(u64, u64), Swarmed> {
    let files = Text(text.to_owned());
    let refused = |said: String| Swarmed::Refused(said);
    let loaded = load("swarm.yaml", &files, &Overrides::default())
        .map_err(|rejected| refused(rejected.render(false)))?;
    let mut problems = Problems::default();
    let data = DataFiles::new("swarm.yaml", &files);
    let prepared = Prepared::new(&loaded.spec, &data, &mut problems);
    let Some(mut prepared) = prepared else {
        return Err(refused(loaded.render(&problems.into_vec(), false)));
    };
    prepared.limit_events(MAX_EVENTS);
    let seed = loaded.spec.seed.map_or(1, |seed| seed.0);
    match guarded(&prepared, (0, seed), &prepared.info, &AtomicBool::new(false)) {
        Ok(measured) => {
            let measured = measured.expect("nothing stops it");
            Ok((measured.fingerprint, measured.events))
        }
        Err(breach) => Err(Swarmed::Broken(breach.message)),
    }
}
