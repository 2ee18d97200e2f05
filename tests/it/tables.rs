//! The tables for spreadsheets, written by the program: each column holds the figure its header names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;

use crate::cli::{result_folder, windtunnel};

/// A busy design: requests wait, fail, are refused and time out, at different rates in each window.
const BUSY: &str = "\
windtunnel: 1
name: columns
duration: 60s
clients:
  users: {arrivals: poisson(300/s), to: app, keys: uniform(n=50), timeout: 30ms, retry: {attempts: 2}}
  batch: {arrivals: poisson(80/s), to: db, keys: sequential(n=5)}
nodes:
  app: {service: {workers: 4, queue: 6, endpoints: {default: [{work: exp(mean=4ms)}, {read: db}, {fail: 5%}]}, dependencies: {db: {timeout: 8ms, fallback: {reply: 1KB}}}}}
  db: {store: {read: exp(mean=2ms), cores: 1}}
";

/// Columns and where their figures stand in the series of a client.
const OF_CLIENTS: [(&str, &str); 17] = [
    ("offered_per_s", "offered"),
    ("goodput_per_s", "goodput"),
    ("availability", "availability"),
    ("ok_per_s", "outcomes.ok"),
    ("degraded_per_s", "outcomes.degraded"),
    ("timeout_per_s", "outcomes.timeout"),
    ("error_per_s", "outcomes.error"),
    ("rejected_per_s", "outcomes.rejected"),
    ("shed_per_s", "outcomes.shed"),
    ("rate_limited_per_s", "outcomes.rate_limited"),
    ("breaker_open_per_s", "outcomes.breaker_open"),
    ("unavailable_per_s", "outcomes.unavailable"),
    ("latency_p50_s", "p50"),
    ("latency_p95_s", "p95"),
    ("latency_p99_s", "p99"),
    ("latency_p999_s", "p999"),
    ("undecided", "undecided"),
];

/// The same of a node.
const OF_NODES: [(&str, &str); 4] = [
    ("utilisation", "utilisation"),
    ("in_system", "in_system"),
    ("in_queue", "in_queue"),
    ("throughput_per_s", "throughput"),
];

/// The results of two replications, and a table.
fn ran(text: &str, table: &str) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("columns.yaml"), text).unwrap();
    let ran = windtunnel(folder.path(), "run columns.yaml -n 2");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let found = result_folder(folder.path(), "columns");
    let results = fs::read(found.join("results.json")).unwrap();
    (serde_json::from_slice(&results).unwrap(), fs::read_to_string(found.join(table)).unwrap())
}

/// The rows of a table, by the names in its header.
fn rows(table: &str) -> Vec<BTreeMap<&str, &str>> {
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let row = |cells: Vec<_>| {
        assert_eq!(cells.len(), header.len());
        header.iter().copied().zip(cells).collect()
    };
    lines.map(row).collect()
}

/// What stands in a cell for window `i` of a list; an outcome that never happened has none.
fn cell(series: &Value, path: &str, i: usize) -> Option<f64> {
    let list = path.split('.').fold(series, |at, key| &at[key]);
    if list.is_null() && (path.starts_with("outcomes.") || path == "undecided") {
        return Some(0.0);
    }
    let figure = &list[i];
    figure.as_bool().map(|b| f64::from(u8::from(b))).or(figure.as_f64())
}

#[test]
fn every_column_of_the_time_series_holds_what_its_header_names() {
    let (results, table) = ran(BUSY, "timeseries.csv");
    let series = &results["series"];
    let (starts, lengths) = (series["start"].as_array().unwrap(), &series["length"]);
    let rows = rows(&table);
    assert_eq!(rows.len(), starts.len() * (3 + 2), "all, users, batch; app, db");
    let known: BTreeSet<&str> = OF_CLIENTS.iter().chain(&OF_NODES).map(|c| c.0).collect();
    let named = ["start_s", "length_s", "kind", "name"];
    assert!(rows[0].keys().all(|name| known.contains(name) || named.contains(name)));
    let mut columns: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in &rows {
        let number = |name: &str| row[name].parse::<f64>().ok();
        let i = starts.iter().position(|s| s.as_f64() == number("start_s")).unwrap();
        assert_eq!(number("length_s"), lengths[i].as_f64());
        let (own, other): (&[_], &[_]) = match row["kind"] {
            "client" => (&OF_CLIENTS, &OF_NODES),
            "node" => (&OF_NODES, &OF_CLIENTS),
            kind => panic!("{kind}"),
        };
        let of = &series[format!("{}s", row["kind"])][row["name"]];
        for (name, path) in own {
            assert_eq!(number(name), cell(of, path, i), "{name} of {row:?}");
            columns.entry(name).or_default().push(row[name].to_owned());
        }
        assert!(other.iter().all(|(name, _)| row[name].is_empty()), "{row:?}");
    }
    // Two columns that are alike would not tell whether they have changed places.
    columns.retain(|_, cells| cells.iter().any(|cell| cell != "0"));
    assert!(columns.len() >= 14, "{:?}", columns.keys());
    let different: BTreeSet<&Vec<String>> = columns.values().collect();
    assert_eq!(different.len(), columns.len());
}

#[test]
fn every_column_of_the_requests_holds_what_its_header_names() {
    // One request every quarter of a second that takes 7 ms, and one every half that fails twice after
    // 20 ms, with 10 ms between; the last one comes before 10 s.
    let (results, table) = ran(
        "windtunnel: 1\nname: columns\nduration: 10s\nclients:\n  \
         fine: {arrivals: constant(4/s), to: a, keys: sequential(n=5)}\n  \
         poor: {arrivals: constant(2/s), to: b, retry: {attempts: 2, backoff: constant(10ms)}}\n\
         nodes:\n  a: {external: {latency: 7ms}}\n  b: {external: {latency: 20ms, errors: 100%}}\n",
        "requests.csv",
    );
    let rows = rows(&table);
    assert_eq!(rows.len(), 2 * (39 + 19));
    for (client, rate, latency, attempts, outcome) in
        [("fine", 4.0, 0.007, "1", "ok"), ("poor", 2.0, 0.05, "2", "error")]
    {
        for replication in ["0", "1"] {
            let of = |row: &&BTreeMap<&str, &str>| {
                row["client"] == client && row["replication"] == replication
            };
            let all: Vec<_> = rows.iter().filter(of).collect();
            let issued = results["clients"][client]["requests"]["issued"].as_u64().unwrap();
            assert_eq!(2 * all.len() as u64, issued);
            for (k, row) in all.iter().enumerate() {
                let number = |name: &str| row[name].parse::<f64>().unwrap();
                assert_eq!(number("number"), k as f64, "{row:?}");
                assert!((number("intended_s") - (k + 1) as f64 / rate).abs() < 1e-9, "{row:?}");
                assert!((number("latency_s") - latency).abs() < 1e-9, "{row:?}");
                assert_eq!((row["attempts"], row["outcome"]), (attempts, outcome), "{row:?}");
                assert_eq!(row["operation"], "default");
                let key = if client == "fine" { (k % 5 + 1).to_string() } else { String::new() };
                assert_eq!(row["key"], key, "{row:?}");
            }
        }
    }
}
