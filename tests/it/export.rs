//! `export`: histories for other programs, judged here by a slow search as those programs do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::cli::{files, result_folder, windtunnel};

/// A cut between the zones; few operations of a key, so that all orders can be tried.
const CUT: &str = "\
windtunnel: 1
name: cut
duration: 30s
seed: 7
topology: {regions: {eu: [a, b, c]}}
network: {same_zone: 0.2ms, same_region: 2ms}
clients:
  left: {arrivals: poisson(40/s), zones: [a], timeout: 300ms, keys: uniform(n=300), operations: &operations_of_kv}
  right: {arrivals: poisson(40/s), zones: [b], timeout: 300ms, keys: uniform(n=300), operations: &operations_of_kv}
nodes:
  kv: {store: {zones: [a, b, c], read: 1ms, write: 1ms, replication: &replication}}
faults: [{id: cut, at: 10s, for: 10s, partition: {between: [[a], [b, c]]}}]
";

/// The scenario with this replication, these operations.
fn cut(replication: &str) -> tempfile::TempDir {
    let w = tempfile::tempdir().unwrap();
    let operations = "{get: {read: kv, share: 60%}, put: {write: kv, share: 30%}, drop: {delete: kv, share: 10%}}";
    let text = CUT.replace("&operations_of_kv", operations).replace("&replication", replication);
    fs::write(w.path().join("cut.yaml"), text).unwrap();
    w
}

fn succeeds(folder: &Path, arguments: &str) -> String {
    let ran = windtunnel(folder, arguments);
    assert_eq!(ran.code, 0, "{arguments}: {}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// Runs the scenario once and exports it; where the results are.
fn exported(w: &Path) -> PathBuf {
    succeeds(w, "run cut.yaml -n 1");
    let folder = result_folder(w, "cut");
    succeeds(w, &format!("export {} --as jepsen", folder.display()));
    folder
}

/// An operation of a key: what it read (or expected), what it wrote, from when until when.
#[derive(Clone, Debug)]
struct Operation {
    reads: Option<Value>,
    writes: Option<Value>,
    began: usize,
    /// None: it may come at any time, or never.
    ended: Option<usize>,
}

/// Operations by key, of a history of transactions; those that certainly did nothing left out.
fn operations(history: &Value) -> BTreeMap<u64, Vec<Operation>> {
    let mut all: BTreeMap<u64, Vec<Operation>> = BTreeMap::new();
    let mut at_it: BTreeMap<u64, (u64, Operation)> = BTreeMap::new();
    let of = |event: &Value, began: usize| {
        let mut operation = Operation { reads: None, writes: None, began, ended: None };
        let parts = event["value"].as_array().unwrap();
        for part in parts {
            let of = if part[0] == "r" { &mut operation.reads } else { &mut operation.writes };
            *of = Some(part[2].clone());
        }
        (parts[0][1].as_u64().unwrap(), operation)
    };
    for (index, event) in history.as_array().unwrap().iter().enumerate() {
        assert_eq!(event["index"], index);
        let process = event["process"].as_u64().unwrap();
        if event["type"] == "invoke" {
            let begun = at_it.insert(process, of(event, index));
            assert!(begun.is_none(), "process {process} is at two operations");
            continue;
        }
        let (key, begun) = at_it.remove(&process).expect("it began");
        let (same, mut operation) = of(event, begun.began);
        assert_eq!(key, same);
        match event["type"].as_str().unwrap() {
            "ok" => operation.ended = Some(index),
            "info" => {}
            "fail" => continue,
            other => panic!("{other}"),
        }
        all.entry(key).or_default().push(operation);
    }
    for (key, operation) in at_it.into_values().filter(|(_, of)| of.writes.is_some()) {
        all.entry(key).or_default().push(operation);
    }
    all
}

/// Whether some order of all operations explains what they read: all are tried.
fn is_linearizable(all: &[Operation]) -> bool {
    fn goes_on(
        all: &[Operation],
        done: u64,
        value: &Value,
        tried: &mut BTreeSet<(u64, String)>,
    ) -> bool {
        let left = || all.iter().enumerate().filter(|(i, _)| done & 1 << i == 0);
        let Some(first_end) = left().filter_map(|(_, of)| of.ended).min() else { return true };
        if !tried.insert((done, value.to_string())) {
            return false;
        }
        left().any(|(i, of)| {
            let fits = of.reads.as_ref().is_none_or(|reads| reads == value);
            let next = of.writes.as_ref().unwrap_or(value);
            of.began < first_end && fits && goes_on(all, done | 1 << i, next, tried)
        })
    }
    assert!(all.len() <= 64, "too many for a word");
    goes_on(all, 0, &Value::Null, &mut BTreeSet::new())
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_slow_search_over_the_exported_history_agrees_with_the_verdict() {
    let designs = [
        ("{raft: {replicas: 3}}", true),
        ("{quorum: {replicas: 3, write_back: true}}", true),
        ("{quorum: {replicas: 3, read: 1, write: 1}}", false),
        ("{leader_follower: {followers: 2, reads: nearest, lag: 50ms}}", false),
    ];
    for (replication, fits) in designs {
        let w = cut(replication);
        let folder = exported(w.path());
        let results = json(&folder.join("results.json"));
        let said = &results["consistency"];
        assert_eq!(said["linearizable"], fits, "{replication}");
        let history = json(&folder.join("jepsen/kv.json"));
        let keys = operations(&history);
        assert!(keys.len() > 250, "{}", keys.len());
        let broken: Vec<u64> =
            keys.iter().filter(|(_, of)| !is_linearizable(of)).map(|(key, _)| *key).collect();
        assert_eq!(broken.is_empty(), fits, "{replication}: {broken:?}");
        // The key of the witness has a file for itself, and is one of them.
        let alone: Vec<String> = files(&folder.join("jepsen"))
            .into_iter()
            .filter_map(|name| Some(name.strip_prefix("kv-key-")?.strip_suffix(".edn")?.to_owned()))
            .collect();
        assert_eq!(alone.len(), usize::from(!fits), "{replication}: {alone:?}");
        assert!(alone.iter().all(|key| broken.contains(&key.parse().unwrap())), "{alone:?}");
        // EDN says the same, line by line.
        let edn = fs::read_to_string(folder.join("jepsen/kv.edn")).unwrap();
        assert_eq!(edn.lines().count(), history.as_array().unwrap().len());
    }
}

#[test]
fn what_is_compared_and_set_says_what_it_found() {
    let w = tempfile::tempdir().unwrap();
    let text = "\
windtunnel: 1
name: cut
duration: 20s
seed: 3
network: {same_zone: 1ms}
clients:
  users: {arrivals: poisson(20/s), keys: uniform(n=40), timeout: 50ms, to: api, retry: {attempts: 2, backoff: constant(5ms)}, idempotent: true}
nodes:
  api: {service: {endpoints: {default: [{read: kv}, {work: exp(mean=5ms)}, {cas: kv}]}}}
  kv: {store: {read: exp(mean=9ms), write: exp(mean=9ms)}}
";
    fs::write(w.path().join("cut.yaml"), text).unwrap();
    let folder = exported(w.path());
    let keys = operations(&json(&folder.join("jepsen/kv.json")));
    let swapped = keys.values().flatten().filter(|of| of.reads.is_some() && of.writes.is_some());
    assert!(swapped.count() > 200);
    // What one copy compares and sets is always explained by one order; results leave such keys out.
    let slow: Vec<_> = keys.iter().filter(|(_, of)| !is_linearizable(of)).collect();
    assert!(slow.is_empty(), "{:?}", slow[0]);
    let results = json(&folder.join("results.json"));
    assert!(results["consistency"]["not_checked"]["cas"]["value"].as_f64().unwrap() > 30.0);
}

#[test]
fn an_export_is_part_of_its_folder_and_always_the_same() {
    let w = cut("{quorum: {replicas: 3, read: 1, write: 1}}");
    let folder = exported(w.path());
    let before: Vec<Vec<u8>> = ["results.json", "report.html", "jepsen/kv.edn", "jepsen/kv.json"]
        .iter()
        .map(|name| fs::read(folder.join(name)).unwrap())
        .collect();
    let place = folder.display();
    let told = succeeds(w.path(), &format!("export {place} --as jepsen --key 5 --key 9"));
    assert!(told.contains("jepsen/kv-key-5.edn") && told.contains("jepsen/kv-key-9.edn"), "{told}");
    let keys = operations(&json(&folder.join("jepsen/kv.json")));
    assert_eq!(keys.keys().copied().collect::<Vec<_>>(), [5, 9]);
    // A file of one key has its events, at their times.
    let events = json(&folder.join("jepsen/kv.json"));
    for key in [5, 9] {
        let text = fs::read_to_string(folder.join(format!("jepsen/kv-key-{key}.edn"))).unwrap();
        let of = events.as_array().unwrap().iter().filter(|event| event["value"][0][1] == key);
        let times: Vec<String> = of.map(|event| format!(":time {},", event["time"])).collect();
        assert_eq!(text.lines().count(), times.len());
        assert!(text.lines().zip(&times).all(|(line, time)| line.contains(time)), "{text}");
    }
    assert_eq!(files(&folder.join("jepsen")).len(), 4, "those of before are gone");
    // The same again, also after the folder was rendered and run again.
    succeeds(w.path(), &format!("report {place}"));
    succeeds(w.path(), "run cut.yaml -n 1");
    assert!(!folder.join("jepsen").exists(), "a new run has no export");
    succeeds(w.path(), &format!("export {place} --as jepsen"));
    for (name, old) in
        ["results.json", "report.html", "jepsen/kv.edn", "jepsen/kv.json"].iter().zip(before)
    {
        assert_eq!(fs::read(folder.join(name)).unwrap(), old, "{name}");
    }
}

#[test]
fn what_cannot_be_exported_is_refused_and_nothing_changes() {
    let w = cut("{multi_leader: {leaders: [a, b], conflict: version_vector}}");
    let text = fs::read_to_string(w.path().join("cut.yaml")).unwrap();
    fs::write(w.path().join("cut.yaml"), text.replace("zones: [a, b, c], read", "read")).unwrap();
    succeeds(w.path(), "run cut.yaml -n 1");
    let folder = result_folder(w.path(), "cut");
    let place = folder.display();
    let refused = |arguments: String, why: &str| {
        let ran = windtunnel(w.path(), &arguments);
        assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert!(!folder.join("jepsen").exists());
    };
    refused(format!("export {place} --as jepsen"), "several values of a key side by side");
    refused(format!("export {place} --as jepsen --replication 1"), "has no replication 1");
    refused("export . --as jepsen".to_owned(), "is no result folder");
    refused(format!("export {place} --as csv"), "invalid value");
    // Another scenario in its place.
    let scenario = folder.join("scenario.yaml");
    let text = fs::read_to_string(&scenario).unwrap();
    fs::write(&scenario, text.replace("seed: 7", "seed: 8")).unwrap();
    refused(format!("export {place} --as jepsen"), "was changed after the run");
}

/// A design with nothing to judge.
const PLAIN: &str = "windtunnel: 1
name: shop
duration: 30s
clients: {users: {arrivals: poisson(50/s), to: api}}
nodes:
  api: {service: {instances: 2, cores: 1, endpoints: {default: [{work: exp(mean=5ms)}, {read: db}]}}}
  db: {store: {cores: 2, read: exp(mean=1ms)}}
";

#[test]
fn what_a_folder_holds_is_written_for_others() {
    let w = tempfile::tempdir().unwrap();
    fs::write(w.path().join("shop.yaml"), PLAIN).unwrap();
    let ran = windtunnel(w.path(), "run shop.yaml -n 2 --quiet");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let before = files(w.path());
    let metrics = windtunnel(w.path(), "export outputs/shop/latest --as openmetrics");
    assert_eq!(metrics.code, 0, "{}", metrics.stderr);
    // Each window of the run is a point at its end.
    let offered: Vec<(f64, f64)> = metrics
        .stdout
        .lines()
        .filter_map(|line| {
            line.strip_prefix("windtunnel_client_offered_requests_per_second{client=\"all\"} ")
        })
        .map(|rest| {
            let (value, at) = rest.split_once(' ').unwrap();
            (value.parse().unwrap(), at.parse().unwrap())
        })
        .collect();
    assert_eq!(offered.last().unwrap().1, 30.0);
    let mean = offered.iter().map(|point| point.0).sum::<f64>() / offered.len() as f64;
    assert!((mean - 50.0).abs() < 4.0, "{mean}");
    let chart = windtunnel(w.path(), "export outputs/shop/latest --as mermaid --output shop.mmd");
    assert_eq!((chart.code, chart.stdout.as_str()), (0, ""), "{}", chart.stderr);
    let chart = fs::read_to_string(w.path().join("shop.mmd")).unwrap();
    for line in [
        "flowchart LR",
        "    n0([\"users<br>client<br>poisson(50/s)\"])",
        "    n0 --> n1",
        "    n1 -->|\"read\"| n2",
    ] {
        assert!(chart.lines().any(|other| other == line), "{line}: {chart}");
    }
    assert_eq!(files(w.path()).len(), before.len() + 1, "the folder is as it was");
    for (arguments, phrase) in [
        ("export outputs/shop/latest --as jepsen --output x", "--output is not of jepsen"),
        (
            "export outputs/shop/latest --as mermaid --key 3",
            "--replication and --key are of jepsen",
        ),
        ("export outputs/shop/latest --as mermaid --output none/x", "cannot write none/x"),
        ("export outputs --as openmetrics", "is no result folder"),
    ] {
        let refused = windtunnel(w.path(), arguments);
        assert_eq!(refused.code, 2, "{arguments}");
        assert!(refused.stderr.contains(phrase), "{arguments}: {}", refused.stderr);
    }
}
