//! What happens by the clock: requests that come at the same time of every period.

use crate::{
    bad_input::{check_in, told},
    design::{design, number, results, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// Five requests of a second each from 3 s on in every 10 s, on one core.
fn five(over: &str, duration: &str) -> serde_json::Value {
    let client = format!("arrivals: schedule(every=10s at=3s batch=5{over}), to: app");
    results(duration, &client, "app: {service: {cores: 1, work: 1s}}", "")
}

#[test]
fn a_batch_comes_at_its_time_of_every_period() {
    // At 3, 13 and 23 s; the five of one instant wait for one another: 1, 2, 3, 4 and 5 s.
    let found = five("", "29s");
    assert_eq!(number(&found, "summary.requests.issued"), 15.0);
    assert_eq!(number(&found, "summary.latency.max"), 5.0);
    assert_eq!(number(&found, "summary.latency.mean"), 3.0);
    assert!((number(&found, "nodes.app.utilisation") - 15.0 / 29.0).abs() < 1e-12);
    // None in the first period, and the last instant of a run is no part of it.
    assert_eq!(number(&five("", "3001ms"), "summary.requests.issued"), 5.0);
    let none = design(
        "3s",
        "arrivals: schedule(every=10s at=3s), to: app",
        "app: {service: {cores: 1, work: 1s}}",
        "",
    );
    let told = told(none.as_bytes());
    assert!(told.len() == 1 && told[0].contains("W-SILENT"), "{told:?}");
}

#[test]
fn a_batch_is_spread_evenly() {
    // 0.8 s apart: each waits 0.2 s longer than the one before.
    let found = five(" over=4s", "29s");
    assert_eq!(number(&found, "summary.latency.max"), 1.8);
    assert!((number(&found, "summary.latency.mean") - 1.4).abs() < 1e-9);
    // 3, 3.8, 4.6, 5.4, 6.2 s: four have come when the run ends at 6 s.
    assert_eq!(number(&five(" over=4s", "6s"), "summary.requests.issued"), 4.0);
    // Over a whole period they are a constant rate, which begins at `at`.
    let steady = results(
        "100s",
        "arrivals: schedule(every=10s at=1s batch=50 over=10s), to: app",
        "app: {service: {cores: 1, work: 200ms}}",
        "",
    );
    assert_eq!(number(&steady, "summary.requests.issued"), 495.0);
    assert_eq!(number(&steady, "summary.latency.max"), 0.2);
}

/// A thousand rows at 20 s through a queue that two workers empty, half a second each.
const IMPORT: &str = "\
windtunnel: 1
name: shop
duration: 300s
seed: 3
clients: {supplier: {arrivals: schedule(every=1h at=20s batch=1k over=10s), keys: uniform(n=9), to: rows}}
nodes:
  rows: {queue: {}}
  importer: {service: {consumes: rows, workers: 2, work: 500ms}}
";

#[test]
fn a_backlog_is_worked_off_when_its_work_is_done() {
    let found = results_of(IMPORT, 1);
    // 1,000 rows of half a second on two: 250 s from the first on.
    assert_eq!(number(&found, "nodes.rows.published"), 1000.0);
    assert_eq!(number(&found, "nodes.rows.acked"), 1000.0);
    let last = number(&found, "nodes.rows.done.max");
    assert!((last - (250.0 - 9.99)).abs() < 0.5, "{last}");
    // By 30 s 1,000 have come and twenty seconds of two workers are done: 4/s of 100/s.
    let deepest = number(&found, "nodes.rows.depth.max");
    assert!((deepest - 960.0).abs() <= 3.0, "{deepest}");
    assert_same(&bytes_of_run(IMPORT, "--jobs 1"), &bytes_of_run(IMPORT, "--jobs 2"));
}

#[test]
fn a_session_and_attributes_go_with_it() {
    let client = "arrivals: schedule(every=10s batch=4), to: app, attributes: {tier: choice(a=50% b=50%)}, \
                  session: [{do: default}, {wait: 1s}, {do: default}]";
    let found = results("25s", client, "app: {service: {work: 1ms}}", "");
    assert_eq!(number(&found, "summary.requests.issued"), 24.0);
}

#[test]
fn too_much_is_told_by_the_mean_of_the_run() {
    let with = |arrivals: &str| {
        let text = design(
            "1000s",
            &format!("arrivals: {arrivals}, to: app, timeout: 9s"),
            "app: {service: {cores: 1, work: 1s}}",
            "",
        );
        told(text.as_bytes())
    };
    assert_eq!(with("schedule(every=100s batch=99)"), Vec::<String>::new());
    let found = with("schedule(every=100s batch=150)");
    assert!(found.len() == 1 && found[0].contains("W-OVERLOAD asked for 150 %"), "{found:?}");
    let found = with("schedule(every=100s batch=100G over=10s)");
    assert!(found.iter().any(|line| line.contains("E-")), "{found:?}");
}

#[test]
fn users_with_so_many_requests_are_done_then() {
    // Four users, one core, 10 ms each: the first waits for nobody, from the fourth on each for three others, and after 800 ms
    // there is nobody any more.
    let run = |arrivals: &str, operations: &str| {
        let client = format!("arrivals: {arrivals}, {operations}");
        results("10s", &client, "app: {service: {cores: 1, work: 10ms}}", "")
    };
    let found = run("closed(users=4 requests=80)", "to: app");
    assert_eq!(number(&found, "summary.requests.issued"), 80.0);
    assert_eq!(number(&found, "summary.requests.ok"), 80.0);
    assert_eq!(number(&found, "summary.latency.max"), 0.04);
    assert!((number(&found, "nodes.app.utilisation") - 0.08).abs() < 1e-12);
    let mean = (0.01 + 0.02 + 0.03 + 77.0 * 0.04) / 80.0;
    assert!((number(&found, "summary.latency.mean") - mean).abs() < 1e-9);
    // Fewer requests than users: the others have nothing to send.
    let found = run("closed(users=50 requests=7)", "to: app");
    assert_eq!(number(&found, "summary.requests.issued"), 7.0);
    // Sessions of several requests stop in their midst.
    let session =
        "session: [{do: a}, {wait: 1ms}, {do: b}], operations: {a: {to: app}, b: {to: app}}";
    let found = run("closed(users=3 requests=10)", session);
    assert_eq!(number(&found, "summary.requests.issued"), 10.0);
    // As many as there is time for, if they are more.
    let found = run("closed(users=4 requests=1M)", "to: app");
    let issued = number(&found, "summary.requests.issued");
    assert!((1000.0..=1004.0).contains(&issued), "{issued}");
    check_in(
        &design(
            "10s",
            "arrivals: closed(users=4 requests=80), to: app",
            "app: {service: {cores: 1, work: 1ms}}",
            "",
        ),
        &[
            ("C1", "requests=80", "requests=0", "4:28 E-RANGE", "at least 1"),
            ("C1", "requests=80", "requests=many", "4:28 E-TYPE", "many"),
            ("C1", "requests=80", "request=80", "4:28 E-EXPR", "request"),
        ],
    );
}

#[test]
fn what_is_wrong_with_a_schedule_is_told() {
    check_in(
        IMPORT,
        &[
            ("B1", "every=1h ", "", "5:32 E-EXPR", "every"),
            ("B1", "every=1h", "every=0s", "5:32 E-RANGE", "`every` must be above 0"),
            ("B1", "at=20s", "at=1h", "5:32 E-RANGE", "`at` is a time of the period: less than 1h"),
            ("B1", "over=10s", "over=2h", "5:32 E-RANGE", "longer than the period, 1h"),
            ("B1", "batch=1k", "batch=0", "5:32 E-RANGE", "`batch` must be in 1..="),
            ("B1", "batch=1k over=10s", "batch=2M", "5:32 E-RANGE", "spread them"),
            ("B1", "batch=1k", "batch=5G", "5:32 E-BUDGET", "5.0e9 requests"),
            ("B1", "schedule(", "scheduled(", "5:32 E-ENUM", "schedule"),
            ("B1", "to: rows", "load: 2, to: rows", "5:103 E-CONFLICT", "a schedule says itself"),
        ],
    );
    let fault = "{id: f, at: 1s, for: 1s, load: {client: load, factor: 2}}";
    let text = design(
        "10s",
        "arrivals: schedule(every=1s), to: app, timeout: 1s",
        "app: {service: {cores: 1, work: 1ms}}",
        fault,
    );
    let told = told(text.as_bytes());
    assert!(told.len() == 1 && told[0].contains("E-FAULT-TARGET"), "{told:?}");
}
