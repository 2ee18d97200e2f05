//! From a scenario to its results.

use std::sync::atomic::AtomicBool;

use serde_json::Value;
use windtunnel::{
    results::{Evidence as _, Results, TimeSeries},
    scenario::load::{Files, Overrides},
    study::{Alone, Replication, Study},
};

/// Results over all seeds, and as if each seed were the only one.
pub(crate) struct Measured {
    pub(crate) merged: Value,
    pub(crate) each: Vec<Value>,
}

/// Opens a scenario that must be sound.
pub(crate) fn open(path: &str, files: &dyn Files, overrides: &Overrides) -> Study {
    Study::open(path, files, overrides)
        .unwrap_or_else(|refused| panic!("{path}: {}", refused.render(false)))
}

/// Runs a scenario that must be sound.
#[allow(dead_code, reason = "the example that shares this file runs texts only")]
pub(crate) fn run(path: &str, files: &dyn Files, overrides: &Overrides, seeds: usize) -> Results {
    run_watched(path, files, overrides, seeds, &mut |_| ())
}

fn run_watched(
    path: &str,
    files: &dyn Files,
    overrides: &Overrides,
    seeds: usize,
    look: &mut (dyn FnMut(&Replication<'_>) + Send),
) -> Results {
    let study = open(path, files, overrides);
    let run = study.run_watched(seeds, &AtomicBool::new(false), look);
    run.unwrap_or_else(|breach| panic!("{path}: {breach:?}\n{}", study.resolved)).results
}

/// Runs a scenario given as text.
pub(crate) fn simulate(text: &str, seeds: usize) -> Measured {
    let mut each = Vec::new();
    let mut look = |one: &Replication<'_>| each.push(json(one.results().clone()));
    let all = run_watched("scenario.yaml", &Alone(text), &Overrides::default(), seeds, &mut look);
    Measured { merged: json(all), each }
}

/// `results.json`, but for what is long and holds no figure asked for here.
fn json(mut results: Results) -> Value {
    results.series = TimeSeries::default();
    results.latency_tail.clear();
    serde_json::to_value(results).expect("results are JSON")
}
