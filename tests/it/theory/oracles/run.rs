//! From a scenario to its results: the one place that knows the library's way.

use std::sync::atomic::AtomicBool;

use serde_json::Value;
use windtunnel::{
    problem::Problems,
    results::{Evidence, Results, TimeSeries},
    runner::{self, Merged, Prepared},
    scenario::{
        load::{Files, Overrides, load},
        trace::DataFiles,
    },
};

/// Results over all seeds, and as if each seed were the only one.
pub(crate) struct Measured {
    pub(crate) merged: Value,
    pub(crate) each: Vec<Value>,
}

/// Runs a scenario that must be sound.
pub(crate) fn run(path: &str, files: &dyn Files, overrides: &Overrides, seeds: usize) -> Merged {
    let loaded = load(path, files, overrides)
        .unwrap_or_else(|rejected| panic!("{}", rejected.render(false)));
    let mut problems = Problems::default();
    let data = DataFiles::new(path, files);
    let Some(mut prepared) = Prepared::new(&loaded.spec, &data, &mut problems) else {
        panic!("{}", loaded.render(&problems.into_vec(), false))
    };
    prepared.info.replications = seeds;
    let (info, seed) = (prepared.info.clone(), loaded.spec.seed.map_or(1, |s| s.0));
    runner::simulate(&prepared, info, seed, &AtomicBool::new(false), &|| ())
        .unwrap_or_else(|breach| panic!("{path}: {breach:?}\n{}", loaded.resolved))
}

/// A scenario that reads no other file.
pub(crate) struct Alone<'t>(pub(crate) &'t str);

impl Files for Alone<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let found = (path == "scenario.yaml").then(|| self.0.as_bytes().to_vec());
        found.ok_or_else(|| "does not exist".to_owned())
    }
}

/// Runs a scenario given as text.
pub(crate) fn simulate(text: &str, seeds: usize) -> Measured {
    let merged = run("scenario.yaml", &Alone(text), &Overrides::default(), seeds);
    let each = (0..merged.replications()).map(|r| json(merged.results_of(r))).collect();
    Measured { merged: json(merged.results()), each }
}

/// `results.json`, but for what is long and holds no figure asked for here.
fn json(mut results: Results) -> Value {
    results.series = TimeSeries::default();
    results.latency_tail.clear();
    serde_json::to_value(results).expect("results are JSON")
}
