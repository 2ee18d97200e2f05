//! Small designs written on the spot, and the figures they give.

use serde_json::Value;
use windtunnel::{scenario::load::Overrides, study::Alone};

use crate::theory::oracles::run;

/// What some replications of a scenario give, `results.json`.
pub(crate) fn results_of(text: &str, replications: usize) -> Value {
    let merged = run::run("scenario.yaml", &Alone(text), &Overrides::default(), replications);
    serde_json::to_value(merged).expect("results are JSON")
}

/// Mean and largest latency of a run, s.
pub(crate) fn latency(found: &Value) -> [f64; 2] {
    ["mean", "max"].map(|which| number(found, &format!("summary.latency.{which}")))
}

/// Figures are these, to a nanosecond.
#[track_caller]
pub(crate) fn close<const N: usize>(found: [f64; N], expected: [f64; N]) {
    for (one, other) in found.iter().zip(expected) {
        assert!((one - other).abs() < 1e-9, "{found:?}, not {expected:?}");
    }
}

/// A design of one client and a few nodes, under faults or not.
pub(crate) fn design(duration: &str, client: &str, nodes: &str, faults: &str) -> String {
    format!(
        "windtunnel: 1\nname: faults\nduration: {duration}\nclients: {{load: {{{client}}}}}\n\
         nodes: {{{nodes}}}\nfaults: [{faults}]\n"
    )
}

/// What one replication of such a design gives.
pub(crate) fn results(duration: &str, client: &str, nodes: &str, faults: &str) -> Value {
    results_of(&design(duration, client, nodes, faults), 1)
}

/// A figure by its path; the value of an estimate.
pub(crate) fn number(results: &Value, path: &str) -> f64 {
    let found = path.split('.').fold(results, |at, key| match key.parse::<usize>() {
        Ok(index) => &at[index],
        Err(_) => &at[key],
    });
    found.get("value").unwrap_or(found).as_f64().unwrap_or_else(|| panic!("{path}: {found}"))
}

/// Copies of data, those who ask beside each, and half of a store that has them: how they follow comes behind it.
pub(crate) const COPIES: &str = "\
topology: {regions: {east: [a, b, c]}}
network: {same_zone: 0.25ms, same_region: 2ms}
clients:
  cut-off:
    arrivals: poisson(40/s)
    zones: [a]
    keys: zipf(n=200 s=0.9)
    timeout: 500ms
    operations: {look: {read: db, share: 80%}, edit: {write: db, share: 20%}}
  others:
    arrivals: poisson(80/s)
    zones: [b, c]
    keys: zipf(n=200 s=0.9)
    timeout: 500ms
    operations: {look: {read: db, share: 80%}, edit: {write: db, share: 20%}}
nodes:
  db:
    store:
      read: 1ms
      zones: [a, b, c]
";
