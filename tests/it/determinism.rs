//! The same bytes for the same file, seed and version; and what may not matter does not.

use std::{collections::BTreeMap, fs, path::Path};

use crate::cli::{files, result_folder, windtunnel};

/// A bit of everything: balancer and dns with health checks, retries, keys, cache, shards, parallel calls,
/// attributes, faults, alerts, a deployment, instances that come and go.
const SHOP: &str = "\
windtunnel: 1
name: shop
duration: 30s
warm_up: 5s
seed: 7
alerts:
  bad: {when: error_fraction(node=api window=2s) > 2%, every: 500ms}
  late: {when: p90(latency client=users window=2s) > 30ms, for: 1s}
budgets:
  front: {objective: availability >= 99%, window: 30d, alerts: [{burn: 3, long: 5s, short: 1s}], every: 1s}
  fast: {objective: p90(latency client=users) <= 30ms, window: 30d, alerts: [{burn: 2, long: 2s, short: 1s}], every: 500ms}
clients:
  users:
    arrivals: poisson(100/s)
    to: edge
    keys: zipf(n=1k s=0.9)
    attributes: {tier: choice(gold=20% free=80%)}
    timeout: 200ms
    retry: {attempts: 2, backoff: exponential(base=10ms max=1s jitter=full)}
  batch:
    arrivals: constant(5/s)
    to: api
    keys: uniform(n=100)
    timeout: 1s
  crowd:
    arrivals: poisson(40/s)
    load: [{at: 8s, factor: 8, over: 2s}, {at: 14s, factor: 1}]
    to: scaled
    timeout: 500ms
  pictures:
    arrivals: poisson(30/s)
    load: [{at: 10s, factor: 4}, {at: 12s, factor: 1}]
    to: resize
    timeout: 400ms
  visitors:
    arrivals: poisson(20/s)
    to: name
    keys: uniform(n=100)
    timeout: 1s
nodes:
  edge:
    load_balancer:
      to: api
      policy: power_of_d(d=2)
      health_check: {interval: 1s, timeout: 100ms}
      on_down: reset
      timeout: 2s
      eject: {errors: 5, for: 3s}
  api:
    service:
      instances: 3
      cores: 1
      workers: 8
      queue: 20
      endpoints:
        default:
          - work: lognormal(median=8ms p99=80ms)
          - all: [{read: {from: db, cache: redis}}, {call: stock}]
  stock:
    service: {cores: 2, work: exp(mean=6ms)}
  db:
    store: {shards: {count: 4, by: hash}, read: exp(mean=5ms), cores: 1}
  redis:
    cache: {capacity: 50, eviction: s3fifo, instances: 2}
  scaled:
    service: {cores: 1, work: exp(mean=9ms), boot: exp(mean=1s), warm: {for: 1s, factor: 2}, autoscale: {min: 1, max: 6, target: 50%, every: 500ms, delay: 1s, stabilise: 2s, drain: 300ms}}
  resize:
    function: {cold_start: exp(mean=200ms), keep_alive: exp(mean=500ms), concurrency: 8, provisioned: 1, work: exp(mean=20ms)}
  name:
    dns: {to: {edge: 80, api: 20}, ttl: 3s, health_check: {interval: 1s, timeout: 100ms}}
faults:
  - {id: dead, at: 10s, for: 5s, crash: {node: api, instances: 1}}
  - {id: slow, slow: {node: db, shard: 1, factor: 5}, mtbf: exp(mean=8s), mttr: exp(mean=2s)}
  - {id: cold, at: 20s, probability: 50%, clear_cache: {node: redis}}
  - {id: burnt, every: 4s, crash: {node: resize, instances: 50%}}
  - {id: tired, after: late, delay: 1s, for: 3s, slow: {node: stock, factor: 2}}
  - {id: roll, at: 16s, deploy: {node: api, set: {endpoints.default: [{work: 9ms}, {call: stock}]}, batch: [1, 2], drain: 1s, pause: 1s, rollback: bad}}
";

/// The files of a run by name, without the wall-clock ones.
pub(crate) fn bytes_of_run(text: &str, arguments: &str) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.yaml"), text).unwrap();
    let ran = windtunnel(folder.path(), &format!("run shop.yaml {arguments}"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let results = result_folder(folder.path(), "shop");
    let run_id = results.file_name().unwrap().to_str().unwrap().to_owned();
    let names = files(&results).into_iter().filter(|name| name != "timing.json");
    let mut all = vec![("run-id".to_owned(), run_id.into_bytes())];
    all.extend(names.map(|name| (name.clone(), fs::read(results.join(name)).unwrap())));
    all
}

#[track_caller]
pub(crate) fn assert_same(one: &[(String, Vec<u8>)], other: &[(String, Vec<u8>)]) {
    let names = |all: &[(String, Vec<u8>)]| -> Vec<String> {
        all.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(one), names(other));
    for ((name, a), (_, b)) in one.iter().zip(other) {
        assert!(a == b, "{name} differs");
    }
}

fn json_of(all: &[(String, Vec<u8>)]) -> serde_json::Value {
    let (_, bytes) = all.iter().find(|(name, _)| name == "results.json").unwrap();
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn same_bytes_on_one_and_two_threads_and_again() {
    let one = bytes_of_run(SHOP, "--jobs 1");
    assert_same(&one, &bytes_of_run(SHOP, "--jobs 2"));
    assert_same(&one, &bytes_of_run(SHOP, "--jobs 2"));
}

#[test]
fn same_bytes_alone_and_beside_other_files() {
    let alone = bytes_of_run(SHOP, "--replications 3");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.yaml"), SHOP).unwrap();
    fs::write(folder.path().join("b.yaml"), SHOP.replace("name: shop", "name: b")).unwrap();
    let ran = windtunnel(folder.path(), "run b.yaml shop.yaml --replications 3 --out elsewhere");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let (_, run_id) = &alone[0];
    let there = Path::new("elsewhere/shop").join(String::from_utf8(run_id.clone()).unwrap());
    for (name, bytes) in &alone[1..] {
        let other = fs::read(folder.path().join(&there).join(name)).unwrap();
        assert!(other == *bytes, "{name} differs");
    }
}

#[test]
fn a_seed_changes_the_numbers() {
    let one = json_of(&bytes_of_run(SHOP, "--replications 1"));
    let other = json_of(&bytes_of_run(SHOP, "--replications 1 --seed 8"));
    assert_ne!(one["fingerprint"], other["fingerprint"]);
    assert_ne!(one["summary"]["latency"]["mean"], other["summary"]["latency"]["mean"]);
}

#[test]
fn fewer_replications_are_a_prefix_of_more() {
    let two = json_of(&bytes_of_run(SHOP, "--replications 2"));
    let three = json_of(&bytes_of_run(SHOP, "--replications 3"));
    for r in 0..2 {
        assert_eq!(two["replications"][r], three["replications"][r]);
    }
}

#[test]
fn the_order_of_entries_changes_nothing() {
    let (users, batch) = (SHOP.find("  users:").unwrap(), SHOP.find("  batch:").unwrap());
    let nodes = SHOP.find("nodes:").unwrap();
    let stock = SHOP.find("  stock:").unwrap();
    let faults = SHOP.find("faults:\n").unwrap();
    let permuted = [
        &SHOP[..users],
        &SHOP[batch..nodes],
        &SHOP[users..batch],
        "nodes:\n",
        &SHOP[stock..faults],
        &SHOP[nodes + "nodes:\n".len()..stock],
        &SHOP[faults..],
    ]
    .concat();
    assert_same(&bytes_of_run(SHOP, ""), &bytes_of_run(&permuted, ""));
}

#[test]
fn the_order_of_faults_changes_no_figure() {
    let (dead, slow) = (SHOP.find("  - {id: dead").unwrap(), SHOP.find("  - {id: slow").unwrap());
    let permuted = [&SHOP[..dead], &SHOP[slow..], &SHOP[dead..slow]].concat();
    let (one, other) = (json_of(&bytes_of_run(SHOP, "")), json_of(&bytes_of_run(&permuted, "")));
    assert_eq!(one["faults"].as_array().unwrap().len(), 6);
    assert_eq!(one, other);
}

#[test]
fn an_unconnected_node_changes_nothing_else() {
    let aloof = "nodes:\n  aloof:\n    service: {cores: 1, work: 1ms}\n";
    let lonely = SHOP.replace("nodes:\n", aloof);
    let one = json_of(&bytes_of_run(SHOP, ""));
    let mut other = json_of(&bytes_of_run(&lonely, ""));
    other["nodes"].as_object_mut().unwrap().remove("aloof");
    for part in ["fingerprint", "seeds", "summary", "clients", "nodes", "replications"] {
        assert_eq!(one[part], other[part], "{part}");
    }
}

#[test]
fn a_servers_law_changes_no_arrival_key_or_other_demand() {
    let slower = SHOP.replace("work: exp(mean=6ms)", "work: exp(mean=7ms)");
    let (base, changed) = (sampled(SHOP), sampled(&slower));
    assert!(base.len() > 100, "{} sampled requests", base.len());
    // Which requests are sampled may differ; what they are must not.
    let common = base.iter().filter(|(id, _)| changed.contains_key(*id)).count();
    assert!(2 * common > base.len(), "{common} of {} in both", base.len());
    for (id, row) in &base {
        assert!(changed.get(id).is_none_or(|other| other == row), "{id}: {row}");
    }
    let issued = |text: &str| {
        let results = json_of(&bytes_of_run(text, "--replications 1"));
        results["clients"]["users"]["requests"]["issued"].clone()
    };
    assert_eq!(issued(SHOP), issued(&slower));
}

/// Of each sampled request, by client and number: operation, intended send and key.
fn sampled(text: &str) -> BTreeMap<String, String> {
    let all = bytes_of_run(text, "--replications 1");
    let csv = all.iter().find(|(name, _)| name == "requests.csv").unwrap().1.clone();
    let csv = String::from_utf8(csv).unwrap();
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = |start: &str| {
        let found = header.iter().position(|name| name.starts_with(start));
        found.unwrap_or_else(|| panic!("no column {start} in {header:?}"))
    };
    let id = [column("client"), column("number")];
    let row = [column("operation"), column("intended"), column("key")];
    let pick = |cells: &[&str], columns: &[usize]| -> String {
        columns.iter().map(|&c| cells[c]).collect::<Vec<_>>().join(" ")
    };
    lines.map(|cells| (pick(&cells, &id), pick(&cells, &row))).collect()
}
