//! What is in flight when a run ends, what hangs for ever, and what is asked for more than it can do.

use serde_json::Value;

use crate::cli::{windtunnel, workspace};

/// `results.json` of a scenario given as text, and what is printed of it.
fn run(text: &str) -> (Value, String) {
    let w = workspace();
    std::fs::write(w.path().join("s.yaml"), text).unwrap();
    let ran = windtunnel(w.path(), "run s.yaml");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let folder = std::fs::read_link(w.path().join("outputs/s/latest")).unwrap();
    let json = std::fs::read(w.path().join("outputs/s").join(folder).join("results.json")).unwrap();
    // Lines are broken where the terminal ends.
    let printed = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    (serde_json::from_slice(&json).unwrap(), printed)
}

/// A crash of 10 s loses what arrives, and nobody gives up.
const HUNG: &str = "\
windtunnel: 1
name: s
duration: 60s
clients: {u: {arrivals: poisson(20/s), to: api}}
nodes:
  api: {service: {work: 1ms, calls: [db]}}
  db: {service: {work: 1ms, cores: 2}}
faults: [{id: c, at: 20s, for: 10s, crash: {node: db}}]
slos: [availability >= 99%, p99(latency) <= 1s, min(availability window=1s) >= 50%]
";

#[test]
fn what_hangs_leaves_verdicts_open_and_is_named() {
    let (results, printed) = run(HUNG);
    for i in 0..3 {
        assert_eq!(results["slos"][i]["verdict"], "undecided", "{i}: {}", results["slos"][i]);
        let reason = results["slos"][i]["reason"].as_str().unwrap();
        assert!(reason.contains("in flight at the end: met without them, missed"), "{reason}");
    }
    let [hanging] = results["hanging"].as_array().unwrap().as_slice() else { panic!() };
    for (key, name) in [("from", "api"), ("to", "db"), ("fault", "c")] {
        assert_eq!(hanging[key], name, "{key}");
    }
    // About 20/s for 10 s in each of five runs.
    let n = hanging["requests"].as_f64().unwrap();
    assert!((900.0..1100.0).contains(&n), "{n}");
    let in_flight = results["summary"]["requests"]["in_flight"].as_f64().unwrap();
    assert!(n <= in_flight && in_flight <= n + 5.0, "{n} of {in_flight}");
    let least = results["summary"]["availability_at_least"]["value"].as_f64().unwrap();
    assert!((0.80..0.86).contains(&least), "{least}");
    assert!(printed.contains("at least 82.") && printed.contains("%, at most 100 %"), "{printed}");
    assert!(
        printed.contains(
            "requests a run wait for ever since the crash of db: nobody gives them up, no timeout on api -> db"
        ),
        "{printed}"
    );
}

#[test]
fn with_a_timeout_nothing_hangs_and_the_verdict_is_plain() {
    let (results, _) =
        run(&HUNG.replace("calls: [db]", "calls: [db], dependencies: {db: {timeout: 1s}}"));
    assert_eq!(results["slos"][0]["verdict"], "missed");
    assert_eq!(results["hanging"], Value::Array(Vec::new()));
}

#[test]
fn requests_on_their_way_as_in_any_run_leave_no_verdict_open() {
    // Some 20 of 1,000 are in flight at the end, all of them younger than others were.
    let text = "\
windtunnel: 1
name: s
duration: 10s
clients: {u: {arrivals: poisson(100/s), to: api}}
nodes: {api: {service: {work: uniform(150ms 250ms), cores: 60}}}
slos: [availability >= 99.9%, p99(latency) <= 300ms, min(availability window=1s) >= 99%]
";
    let (results, printed) = run(text);
    let in_flight = results["summary"]["requests"]["in_flight"].as_u64().unwrap();
    assert!((50..200).contains(&in_flight), "{in_flight}");
    for i in 0..3 {
        assert_eq!(results["slos"][i]["verdict"], "met", "{}", results["slos"][i]);
        assert_eq!(results["slos"][i]["reason"], Value::Null);
    }
    assert!(printed.contains("Availability 100 %"), "{printed}");
}

/// 25/s of 50 ms on one core: 5/s too many.
const OVERLOAD: &str = "\
windtunnel: 1
name: s
duration: 120s
clients: {u: {arrivals: poisson(25/s), to: api}}
nodes: {api: {service: {cores: 1, work: exp(mean=50ms)}}}
slos: [availability >= 99%]
";

#[test]
fn more_than_a_node_can_do_is_told_before_and_after() {
    let (results, printed) = run(OVERLOAD);
    assert!(printed.contains("asked for 125 % of what its cores can do"), "{printed}");
    let slope = results["nodes"]["api"]["queue_growth"].as_f64().unwrap();
    assert!((4.0..6.0).contains(&slope), "{slope}");
    assert!(printed.contains("not in steady state: the queue of api grows by"), "{printed}");
    // More and more wait: that they would have been served some day decides nothing.
    assert_eq!(results["slos"][0]["verdict"], "undecided");
    let (results, printed) = run(&OVERLOAD.replace("25/s", "16/s"));
    assert!(!printed.contains("asked for") && !printed.contains("steady"), "{printed}");
    assert_eq!(results["slos"][0]["verdict"], "met");
}

#[test]
fn a_cache_or_a_condition_may_keep_work_away() {
    let text = "\
windtunnel: 1
name: s
duration: 30s
clients: {u: {arrivals: poisson(100/s), to: c, keys: zipf(n=100 s=1)}}
nodes:
  c: {cache: {capacity: 100, from: db}}
  db: {store: {cores: 1, read: 20ms, queue: 50}}
";
    let (_, printed) = run(text);
    assert!(!printed.contains("asked for"), "nobody knows the misses beforehand: {printed}");
}

#[test]
fn both_percentiles_stand_side_by_side_and_a_dash_has_its_reason() {
    let text = "\
windtunnel: 1
name: s
duration: 60s
clients: {u: {arrivals: poisson(100/s), to: api, timeout: 1s}}
nodes: {api: {service: {cores: 4, endpoints: {default: [{work: 1ms}, {fail: 12%}]}}}}
slos: [p99(latency) <= 300ms]
";
    let (results, printed) = run(text);
    assert_eq!(results["slos"][0]["verdict"], "missed");
    let reason = results["slos"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("% never answered"), "{reason}");
    assert!(printed.contains("Answered") && printed.contains("p99 of all"), "{printed}");
    assert!(printed.contains(reason) && printed.contains("never"), "{printed}");
    for empty in ["faults", "alerts", "hanging"] {
        assert_eq!(results[empty], Value::Array(Vec::new()), "{empty} is always there");
    }
    // What five runs issued stands beside rates of one.
    let issued = results["summary"]["requests"]["issued"].as_f64().unwrap() / 5.0;
    assert!(printed.contains("issued per run"), "{printed}");
    assert!((5_000.0..7_000.0).contains(&issued), "{issued}");
}

/// A mean of about 0.9 s that varies by a third, in a minute that starts empty.
const WIDE: &str = "\
windtunnel: 1
name: s
duration: 60s
clients: {u: {arrivals: poisson(9/s), to: api}}
nodes: {api: {service: {cores: 1, work: exp(mean=100ms)}}}
slos:
  - nodes.api.response_time.mean <= 850ms
  - mean(latency) <= 10s
  - requests.error == 0
  - mean(latency) <= 0.1s
expect: [nodes.api.response_time.mean <= 840ms]
";

#[test]
fn an_interval_that_holds_the_limit_is_said_to() {
    let (results, printed) = run(WIDE);
    let verdict = |i: usize| results["slos"][i]["verdict"].as_str().unwrap();
    assert_eq!([0, 1, 2, 3].map(verdict), ["inconclusive", "met", "met", "missed"]);
    let reason = results["slos"][0]["reason"].as_str().unwrap();
    let told = reason.strip_prefix("the interval holds the limit; about ").unwrap();
    assert!(told.ends_with(" replications would tell"), "{reason}");
    assert_eq!(results["expect"][0]["verdict"], "inconclusive");
    assert!(printed.contains("inconclusive nodes.api.response_time.mean <= 850ms"), "{printed}");
    assert!(printed.contains(reason), "{printed}");
    let note = "note: `check` runs replications until what is inconclusive is decided";
    assert!(printed.contains(note), "{printed}");
    // One replication has no interval: it is judged as it is, which is said.
    let w = workspace();
    std::fs::write(w.path().join("s.yaml"), WIDE).unwrap();
    let one = windtunnel(w.path(), "run s.yaml -n 1");
    assert!(!one.stdout.contains("inconclusive"), "{}", one.stdout);
    assert!(one.stdout.contains("one replication has no intervals"), "{}", one.stdout);
    // On a page, and where results are explained.
    let page = std::fs::read_to_string(w.path().join("outputs/s/latest/report.html")).unwrap();
    assert!(page.contains("inconclusive where its interval holds the limit"));
    let explained = windtunnel(w.path(), "explain s.yaml -n 5").stdout;
    assert!(
        explained.contains("inconclusive: nodes.api.response_time.mean <= 850ms ("),
        "{explained}"
    );
}

#[test]
fn designs_compared_may_or_may_not_meet_a_target() {
    let w = workspace();
    let text = WIDE.to_owned() + "variants: {more: {nodes.api.service.cores: 2}}\n";
    std::fs::write(w.path().join("s.yaml"), text).unwrap();
    let ran = windtunnel(w.path(), "compare s.yaml -n 5");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("2 of 4, 1 open"), "{}", ran.stdout);
    let ran = windtunnel(w.path(), "compare s.yaml -n 5 --format json");
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let base = &found["designs"][0];
    assert_eq!(base["inconclusive"][0][0], "nodes.api.response_time.mean <= 850ms");
    assert_eq!(base["not_met"].as_array().unwrap().len(), 1, "{base}");
    assert!(found["designs"][1].get("inconclusive").is_none(), "{found}");
}
