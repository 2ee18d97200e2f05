//! The oracles: answers computed outside this project (`tests/oracles/*.json`), each turned into
//! scenarios and into expressions over `results.json`.
//!
//! Shared by the tests and by `examples/validate.rs`.
//!
//! **Invariant.** Every metric of every entry is either measured or left out with a reason;
//! forgetting one is a panic.

mod availability;
mod balancing;
mod caches;
mod expression;
mod judge;
mod networks;
mod queues;
mod replication;
mod resilience;
pub(crate) mod run;
mod serverless;
mod tails;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub(crate) use expression::evaluate;
pub(crate) use judge::{Judged, Verdict, judge};

/// Seeds of every oracle run.
pub(crate) const SEEDS: usize = 20;

/// Requests when an entry does not say how many its tolerance needs.
const DEFAULT_REQUESTS: f64 = 4e6;

/// One entry, as it stands in the file.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) family: String,
    pub(crate) system: String,
    pub(crate) params: Value,
    pub(crate) expected: BTreeMap<String, Value>,
    rel_tol: f64,
    #[serde(default)]
    tol: BTreeMap<String, Value>,
    min_requests: Option<f64>,
    pub(crate) source: String,
    pub(crate) kind: String,
}

impl Entry {
    /// A parameter that is a number.
    fn number(&self, name: &str) -> f64 {
        self.params[name].as_f64().unwrap_or_else(|| panic!("{}: no number `{name}`", self.id))
    }

    /// A parameter that is a list of numbers.
    fn numbers(&self, name: &str) -> Vec<f64> {
        let list = self.params[name].as_array();
        let list = list.unwrap_or_else(|| panic!("{}: no list `{name}`", self.id));
        list.iter().map(|v| v.as_f64().expect("a number")).collect()
    }
}

/// A scenario, but for its length, and what to read from its results.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    /// Tells the cases of an entry apart; empty when there is one.
    pub(crate) label: String,
    /// `clients:` and `nodes:` of the scenario.
    pub(crate) design: String,
    /// Requests per second, for the length of the run.
    pub(crate) rate: f64,
    /// Shortest warm-up, s; a tenth of the measured span when that is longer.
    pub(crate) warm_up: f64,
    /// Requests wanted, instead of the entry's own number.
    pub(crate) requests: Option<f64>,
    /// Metric and the expression over `results.json` that measures it.
    pub(crate) measures: Vec<(String, String)>,
}

impl Case {
    fn new(design: impl Into<String>, rate: f64) -> Self {
        Self { design: design.into(), rate, ..Self::default() }
    }

    fn label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.label);
        self
    }

    fn warm_up(mut self, seconds: f64) -> Self {
        self.warm_up = seconds;
        self
    }

    fn requests(mut self, requests: f64) -> Self {
        self.requests = Some(requests);
        self
    }

    /// Adds a metric.
    fn measure(mut self, metric: &str, expression: impl Into<String>) -> Self {
        self.measures.push((metric.to_owned(), expression.into()));
        self
    }

    /// Adds those of the entry's metrics that have a usual place, with `node` as the server.
    fn usual(mut self, entry: &Entry, node: &str) -> Self {
        for metric in entry.expected.keys() {
            if let Some(expression) = usual(metric, node) {
                self = self.measure(metric, expression);
            }
        }
        self
    }

    /// The scenario with room for `requests` measured requests over all seeds.
    pub(crate) fn scenario(&self, id: &str, requests: f64) -> String {
        let span = (requests / (SEEDS as f64 * self.rate)).max(1.0).ceil();
        let warm_up = (span / 10.0).max(self.warm_up).ceil();
        let name = id.to_ascii_lowercase().replace('.', "_");
        format!(
            "windtunnel: 1\nname: {name}\nduration: {}s\nwarm_up: {warm_up}s\nconfidence: 99%\n\
             seed: 20251\n{}",
            span + warm_up,
            self.design
        )
    }
}

/// Where a metric of the oracles usually stands.
fn usual(metric: &str, node: &str) -> Option<String> {
    let at = |path: &str| Some(format!("nodes.{node}.{path}"));
    let client = |path: &str| Some(format!("summary.{path}"));
    match metric {
        "utilization" => return at("utilisation"),
        "L" => return at("in_system"),
        "Lq" => return at("in_queue"),
        // An arrival that must wait finds all servers busy (PASTA); sigma of GI/M/1 is the same.
        "P_wait" | "sigma" | "P_all_busy" => return at("wait_probability"),
        "throughput" | "goodput" => return client(metric),
        "P_block" | "P_abandon" => {
            return Some("summary.requests.rejected / summary.requests.issued".to_owned());
        }
        "Wq_mean_all" => return at("waiting_time.mean"),
        // By Little's law over those let in; refused visits wait 0 and would dilute the mean.
        "Wq_mean_accepted" => {
            return Some(format!("nodes.{node}.in_queue / summary.throughput"));
        }
        _ => {}
    }
    let statistic = |rest: &str| ["mean", "sd", "p50", "p90", "p95", "p99", "p999"].contains(&rest);
    if let Some(rest) = metric.strip_prefix("Wq_").filter(|r| statistic(r)) {
        return at(&format!("waiting_time.{rest}"));
    }
    let rest = metric.strip_prefix("T_")?;
    let rest = rest.strip_suffix("_accepted").unwrap_or(rest);
    statistic(rest).then(|| format!("summary.latency.{rest}"))
}

/// What becomes of an entry.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) entry: Entry,
    pub(crate) cases: Vec<Case>,
    /// Metrics (`*`: all) that the language or the results do not have, and why.
    pub(crate) left_out: Vec<(String, String)>,
}

impl Plan {
    fn of(mut entry: Entry) -> Self {
        entry.expected = flat(entry.expected);
        if entry.family == "replication" {
            replication::prepare(&mut entry);
        }
        let (cases, left_out) = match entry.family.as_str() {
            "queues" => queues::cases(&entry),
            "networks" => networks::cases(&entry),
            "load_balancing" => balancing::cases(&entry),
            "tails" => tails::cases(&entry),
            "caches_irm" => caches::cases(&entry),
            "resilience" => resilience::cases(&entry),
            "availability" => availability::cases(&entry),
            "replication" => replication::cases(&entry),
            "serverless" => serverless::cases(&entry),
            other => panic!("{}: unknown family {other}", entry.id),
        };
        let plan = Self { entry, cases, left_out };
        plan.check_complete();
        plan
    }

    fn check_complete(&self) {
        let id = &self.entry.id;
        let left_out = |metric: &str| self.left_out.iter().any(|l| l.0 == metric || l.0 == "*");
        for metric in self.entry.expected.keys() {
            let measured = self.cases.iter().any(|c| c.measures.iter().any(|m| m.0 == *metric));
            assert!(measured != left_out(metric), "{id}: {metric} must be measured or left out");
        }
        for (metric, _) in self.cases.iter().flat_map(|c| &c.measures) {
            assert!(self.entry.expected.contains_key(metric), "{id}: no answer for {metric}");
        }
    }

    /// Requests that the tolerances of a case need.
    pub(crate) fn requests(&self, case: &Case) -> f64 {
        case.requests.or(self.entry.min_requests).unwrap_or(DEFAULT_REQUESTS)
    }

    /// Runs a case with `scale` times the requests it needs and judges its metrics.
    pub(crate) fn run(&self, case: &Case, scale: f64) -> Vec<Judged> {
        let id = format!("{}{}", self.entry.id, case.label);
        let text = case.scenario(&id, self.requests(case) * scale);
        let measured = run::simulate(&text, SEEDS);
        case.measures.iter().map(|m| judge(&self.entry, case, m, &measured)).collect()
    }
}

type Cases = (Vec<Case>, Vec<(String, String)>);

/// One case, nothing left out.
fn one(case: Case) -> Cases {
    (vec![case], Vec::new())
}

/// The whole entry is left out.
fn nothing(reason: &str) -> Cases {
    (Vec::new(), vec![("*".to_owned(), reason.to_owned())])
}

fn left_out(metrics: &[&str], reason: &str) -> Vec<(String, String)> {
    metrics.iter().map(|m| ((*m).to_owned(), reason.to_owned())).collect()
}

/// All entries of the families that are tested.
pub(crate) fn plans() -> Vec<Plan> {
    let files = [
        include_str!("../../../oracles/queues.json"),
        include_str!("../../../oracles/networks.json"),
        include_str!("../../../oracles/load_balancing.json"),
        include_str!("../../../oracles/tails.json"),
        include_str!("../../../oracles/caches_irm.json"),
        include_str!("../../../oracles/resilience.json"),
        include_str!("../../../oracles/availability.json"),
        include_str!("../../../oracles/replication.json"),
        include_str!("../../../oracles/serverless.json"),
    ];
    let parse = |text| serde_json::from_str::<Vec<Entry>>(text).expect("the oracles are JSON");
    files.into_iter().flat_map(parse).map(Plan::of).collect()
}

/// Answers that are lists or maps, each part by its path.
fn flat(answers: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (name, value) in answers {
        let parts: BTreeMap<String, Value> = match value {
            Value::Object(map) => map.into_iter().collect(),
            Value::Array(list) => {
                list.into_iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect()
            }
            value => {
                all.insert(name, value);
                continue;
            }
        };
        all.extend(flat(parts).into_iter().map(|(part, value)| (format!("{name}.{part}"), value)));
    }
    all
}

/// A duration, in the language: to the nanosecond.
fn time(seconds: f64) -> String {
    let nanos = (seconds * 1e9).round();
    if nanos % 1e9 == 0.0 { format!("{}s", nanos / 1e9) } else { format!("{nanos}ns") }
}

/// An exponential law.
fn exp(mean: f64) -> String {
    format!("exp(mean={})", time(mean))
}
