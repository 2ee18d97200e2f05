//! Bounds that designs set themselves, and closed forms of policies that act together.

use std::collections::BTreeMap;

use crate::{
    cli::windtunnel,
    design::{design, number, results, results_of},
    theory::oracles::run::simulate,
};

#[test]
fn a_tied_request_costs_no_more_than_one() {
    // Two copies at once, each of exponential work on cores of its own: the shorter one takes half as
    // long, and if the other is called off then, two halves have been worked in all. Without calling off,
    // two wholes.
    let run = |policies: &str| {
        results(
            "2000s",
            "arrivals: poisson(50/s), to: app",
            &format!(
                "app: {{service: {{calls: [b], dependencies: {{b: {{{policies}}}}}}}}}, \
                 b: {{service: {{cores: 100, work: exp(mean=100ms)}}}}"
            ),
            "",
        )
    };
    for (policies, latency, work) in [
        ("timeout: 60s", 0.1, 5.0),
        ("hedge: {after: 0s}", 0.05, 10.0),
        ("hedge: {after: 0s}, cancel: true", 0.05, 5.0),
    ] {
        let found = run(policies);
        let mean = number(&found, "summary.latency.mean");
        assert!((mean - latency).abs() < 0.02 * latency, "{policies}: {mean}");
        let busy = number(&found, "nodes.b.utilisation") * 100.0;
        assert!((busy - work).abs() < 0.02 * work, "{policies}: {busy} cores at work");
    }
    let cancelled = number(&run("hedge: {after: 0s}, cancel: true"), "nodes.b.causes.cancelled");
    let issued = number(&run("timeout: 60s"), "summary.requests.issued");
    // All but those of the last instants.
    assert!((cancelled - issued).abs() < 20.0, "{cancelled} of {issued} losers are called off");
}

#[test]
fn what_is_bounded_everywhere_pushes_back() {
    // Four times what the last of three can do. Two connections to it, each call waits 50 ms for one at
    // most: at most two are inside, so nobody waits longer than 50 ms there and 20 ms before its work.
    let found = results(
        "500s",
        "arrivals: poisson(200/s), to: front",
        "front: {service: {workers: 20, queue: 10, calls: [middle]}}, \
         middle: {service: {workers: 8, queue: 4, calls: [last], \
         dependencies: {last: {pool: {size: 2, wait: 50ms}}}}}, \
         last: {service: {cores: 1, work: 20ms}}",
        "",
    );
    let goodput = number(&found, "summary.goodput");
    assert!((goodput - 50.0).abs() < 0.1, "all of it goes into what is answered: {goodput}");
    assert!(number(&found, "nodes.last.utilisation") > 0.999);
    assert!(number(&found, "nodes.last.waiting_time.max") <= 0.02 + 1e-9);
    // At most 8 are inside the middle one and 4 wait, each for a worker that is held for 90 ms at most.
    let most = (50.0 + 40.0) * 1e-3 * 2.0;
    assert!(number(&found, "nodes.middle.response_time.max") <= most + 1e-9);
    assert!(number(&found, "nodes.middle.in_system") <= 12.0);
    assert!(number(&found, "nodes.front.in_system") <= 30.0);
    let rejected = number(&found, "nodes.middle.causes.queue_full");
    assert!(rejected > 0.0, "{}", found["nodes"]["middle"]["causes"]);
}

#[test]
fn who_is_turned_away_at_the_door_has_no_times_there() {
    // One served at a time, 95 ms each: of those that come every 50 ms every other one comes too early, or
    // all the time is used where one may wait.
    for (queue, served) in [(0, 100.0), (1, 10.0 / 0.095)] {
        let found = results(
            "10s",
            "arrivals: constant(20/s), to: api",
            &format!("api: {{service: {{workers: 1, queue: {queue}, work: 95ms}}}}"),
            "",
        );
        let api = |figure: &str| number(&found, &format!("nodes.api.{figure}"));
        assert!((api("outcomes.rejected") - (200.0 - served)).abs() < 3.0, "{queue}");
        assert!((api("response_time.count") - served).abs() < 2.0, "{queue}");
        assert_eq!(api("waiting_time.count"), api("response_time.count"), "{queue}");
        let (wait, stay) = (api("waiting_time.mean"), api("response_time.mean"));
        assert!(
            (wait > 0.04) == (queue == 1) && (stay - 0.095 - wait).abs() < 1e-6,
            "{wait} {stay}"
        );
    }
}

#[test]
fn damping_takes_the_flips_out_of_health_checks() {
    // Three probes of ten fail, whatever the health. In the long run k failures in a row take
    // (1 - p^k) / (p^k (1 - p)) probes, and k successes likewise.
    let runs = |p: f64, k: i32| (1.0 - p.powi(k)) / (p.powi(k) * (1.0 - p));
    let mut flips = Vec::new();
    for k in [1, 2, 3] {
        let found = results(
            "20000s",
            "arrivals: constant(0.01/s), to: lb",
            &format!(
                "lb: {{load_balancer: {{to: api, health_check: {{interval: 1s, timeout: 500ms, \
                 fall: {k}, rise: {k}, operation: health}}}}}}, \
                 api: {{service: {{instances: 1, cores: 4, endpoints: {{default: [{{work: 1ms}}], \
                 health: [{{work: 1ms}}]}}}}}}"
            ),
            "{id: f, at: 0s, errors: {node: api, fraction: 30%}}",
        );
        let wanted = 20_000.0 / (runs(0.3, k) + runs(0.7, k));
        let found = number(&found, "nodes.lb.causes.marked_down");
        // About as scattered as a Poisson count, at most.
        assert!((found - wanted).abs() < 4.0 * wanted.sqrt(), "{k}: {found} instead of {wanted}");
        flips.push(found);
    }
    assert!(flips[0] > 10.0 * flips[2], "{flips:?}");
}

/// Two hops of known latency, faults, retries, hedges and deadlines of 300 ms.
const PATHS: &str = "\
windtunnel: 1
name: paths
duration: 60s
topology: {regions: {r: [x], s: [y]}}
network: {same_zone: 1ms, cross_region: 20ms, internet: shift(5ms exp(mean=2ms))}
clients:
  users:
    arrivals: poisson(40/s)
    to: api
    timeout: 140ms
    deadline: 300ms
    retry: {attempts: 4, backoff: constant(5ms)}
    hedge: {after: 60ms}
nodes:
  api: {service: {zones: x, cores: 2, work: exp(mean=5ms), calls: [db]}}
  db: {store: {zones: y, read: exp(mean=5ms), cores: 2}}
faults:
  - {id: a, at: 10s, for: 10s, slow: {node: db, factor: 3}}
  - {id: b, at: 15s, for: 10s, loss: {link: [api, db], fraction: 20%}}
  - {id: c, at: 30s, for: 5s, over: 5s, latency: {node: api, add: 40ms}}
  - {id: d, at: 40s, for: 1s, pause: {node: api}}
  - {id: e, at: 45s, for: 5s, duplicate: {node: api, fraction: 50%}}
";

#[test]
fn nothing_is_faster_than_its_path_or_in_time_after_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), PATHS).unwrap();
    let ran = windtunnel(folder.path(), "run a.yaml --replications 4 --quiet --out o");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let run = std::fs::read_dir(folder.path().join("o/paths")).unwrap().next().unwrap().unwrap();
    let mut csv = csv::Reader::from_path(run.path().join("requests.csv")).unwrap();
    let mut seen: BTreeMap<String, (usize, f64, f64)> = BTreeMap::new();
    for row in csv.deserialize::<BTreeMap<String, String>>() {
        let row = row.unwrap();
        let latency: f64 = row["latency_s"].parse().unwrap();
        let entry = seen.entry(row["outcome"].clone()).or_insert((0, f64::MAX, 0.0));
        *entry = (entry.0 + 1, entry.1.min(latency), entry.2.max(latency));
    }
    let ok = seen["ok"];
    assert!(ok.0 > 1000, "{seen:?}");
    // There and back over both hops.
    assert!(ok.1 >= 2.0 * (5.0 + 20.0) * 1e-3, "{seen:?}");
    assert!(ok.2 <= 0.3 && seen["timeout"].2 <= 0.3 + 1e-9, "{seen:?}");
}

#[test]
fn each_fault_is_told_of_whether_it_came_or_not() {
    let text = design(
        "100s",
        "arrivals: constant(10/s), to: a",
        "a: {service: {instances: 2, cores: 1, work: 1ms}}",
        "{id: never, at: 10s, probability: 0%, crash: {node: a}}, \
         {id: rare, mtbf: 1000s, mttr: 1s, pause: {node: a}}, \
         {id: once, at: 20s, for: 5s, slow: {node: a, factor: 2}}, \
         {id: cut-short, at: 90s, for: 60s, slow: {node: a, factor: 2}}, \
         {id: often, every: 30s, for: 1s, slow: {node: a, factor: 2}}",
    );
    let found = results_of(&text, 2);
    let told: BTreeMap<&str, (f64, Option<f64>, Option<f64>)> = found["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            let (start, end) = (f["started"]["value"].as_f64(), f["ended"]["value"].as_f64());
            (f["id"].as_str().unwrap(), (number(f, "occurrences"), start, end))
        })
        .collect();
    let wanted = BTreeMap::from([
        ("cut-short", (1.0, Some(90.0), Some(100.0))),
        ("never", (0.0, None, None)),
        ("often", (3.0, Some(30.0), Some(91.0))),
        ("once", (1.0, Some(20.0), Some(25.0))),
        ("rare", (0.0, None, None)),
    ]);
    assert_eq!(told, wanted);
}

#[test]
fn books_are_sound_at_every_instant() {
    // The end of a run may be any instant: the books are checked there, in the middle of everything.
    let (design, faults) = PATHS.split_once("faults:\n").unwrap();
    for millis in [1, 17, 333, 10_050, 15_001, 20_000, 32_500, 40_500, 41_000, 47_777] {
        let design = design.replace("duration: 60s", &format!("duration: {millis}ms"));
        let begun = |line: &&str| {
            let at = line.split("at: ").nth(1).and_then(|at| at.split("s,").next()).unwrap();
            at.parse::<u64>().unwrap() * 1000 < millis
        };
        let faults: Vec<&str> = faults.lines().filter(begun).collect();
        let head = if faults.is_empty() { "" } else { "faults:\n" };
        let measured = simulate(&format!("{design}{head}{}\n", faults.join("\n")), 1);
        assert!(measured.merged["summary"].is_object());
    }
}
