//! Policies around calls, by exact figures of designs without chance.

use crate::{
    bad_input::{check_in, told},
    design::{number, results},
};

const BREAKER: &str = "{window: 4, min_calls: 4, failure_ratio: 50%, open: 5s, probes: 1}";
/// From 10 s to 20 s the database answers nothing but errors.
const BROKEN: &str = "{id: broken, at: 10s, for: 10s, errors: {node: db, fraction: 100%}}";

#[test]
fn a_breaker_opens_probes_and_closes() {
    // Ten requests a second. Those of 10.0 s and 10.1 s fail, half of the last four; none is sent before
    // 15.1 s, which fails, and none before 20.1 s, which does not.
    let db = "db: {external: {latency: 1ms}}";
    let app =
        format!("app: {{service: {{calls: [db], dependencies: {{db: {{breaker: {BREAKER}}}}}}}}}");
    let within =
        results("30.05s", "arrivals: constant(10/s), to: app", &format!("{app}, {db}"), BROKEN);
    assert_eq!(number(&within, "nodes.db.outcomes.error"), 3.0);
    assert_eq!(number(&within, "nodes.app.causes.breaker_open"), 98.0);
    assert_eq!(number(&within, "nodes.app.causes.breaker_opened"), 2.0);
    // To the client it is an error of the service.
    assert_eq!(number(&within, "summary.requests.error"), 101.0);
    assert_eq!(number(&within, "summary.requests.ok"), 199.0);
    // A client's own: it knows why.
    let client = format!("arrivals: constant(10/s), to: db, breaker: {BREAKER}");
    let own = results("30.05s", &client, db, BROKEN);
    assert_eq!(number(&own, "nodes.db.outcomes.error"), 3.0);
    assert_eq!(number(&own, "summary.requests.error"), 3.0);
    assert_eq!(number(&own, "summary.requests.breaker_open"), 98.0);
    assert_eq!(number(&own, "summary.requests.ok"), 199.0);
    // What a breaker refuses is not tried again, unless that is asked for.
    let retry = format!("{client}, retry: {{attempts: 2}}");
    let tried = results("30.05s", &retry, db, BROKEN);
    assert_eq!(number(&tried, "nodes.db.outcomes.error"), 3.0);
    assert!(number(&tried, "summary.requests.breaker_open") >= 98.0);
    let again = "retry: {attempts: 120, backoff: constant(100ms), if: [error, breaker_open]}";
    let stubborn = results("30.05s", &format!("{client}, {again}"), db, BROKEN);
    assert_eq!(number(&stubborn, "summary.requests.breaker_open"), 0.0);
}

#[test]
fn each_instance_has_a_breaker_of_its_own() {
    let nodes = format!(
        "app: {{service: {{instances: 3, calls: [db], dependencies: {{db: {{breaker: {BREAKER}}}}}}}}}, \
         lb: {{load_balancer: {{to: app}}}}, db: {{external: {{latency: 1ms}}}}"
    );
    let found = results("30.05s", "arrivals: constant(30/s), to: lb", &nodes, BROKEN);
    assert_eq!(number(&found, "nodes.app.causes.breaker_opened"), 6.0);
    assert_eq!(number(&found, "nodes.db.outcomes.error"), 9.0);
}

#[test]
fn slow_and_unanswered_calls_count_as_they_should() {
    let run = |more: &str, timeout: &str, fault: &str| {
        let breaker = format!("breaker: {{window: 4, min_calls: 4, open: 5s{more}}}{timeout}");
        let nodes = format!(
            "app: {{service: {{calls: [db], dependencies: {{db: {{{breaker}}}}}}}}}, \
             db: {{service: {{workers: 99, work: 10ms}}}}"
        );
        results("30.05s", "arrivals: constant(10/s), to: app, timeout: 9s", &nodes, fault)
    };
    let slow = "{id: f, at: 10s, for: 10s, slow: {node: db, factor: 6}}";
    // Work of 60 ms is not too slow by itself; asked for, two slow calls of four open the breaker.
    let patient = run("", "", slow);
    assert_eq!(number(&patient, "summary.requests.ok"), 300.0);
    let strict = run(", slow: {over: 50ms, ratio: 50%}", "", slow);
    // Told 60 ms after it was sent: open from 10.16 s and, after the probe of 15.2 s, from 15.26 s.
    assert_eq!(number(&strict, "nodes.app.causes.breaker_opened"), 2.0);
    assert_eq!(number(&strict, "nodes.app.causes.breaker_open"), 100.0);
    // Nobody answers: each attempt ends by its timeout, 50 ms after it was sent.
    let gone = "{id: f, at: 10s, for: 10s, crash: {node: db}}";
    let silent = run("", ", timeout: 50ms", gone);
    assert_eq!(number(&silent, "nodes.app.causes.call_timeout"), 3.0);
    // Open from 10.15 s, so the next is sent at 15.2 s and opens it to 20.25 s.
    assert_eq!(number(&silent, "nodes.app.causes.breaker_open"), 100.0);
}

const GUARDED: &str = "\
windtunnel: 1
name: guarded
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: a}}
nodes:
  a: {service: {calls: [db], dependencies: {db: {timeout: 1s, breaker: {window: 10s, open: 5s}}}}}
  db: {external: {latency: 1ms}}
";

#[test]
fn breakers_are_checked() {
    assert_eq!(told(GUARDED.as_bytes()), Vec::<String>::new());
    let breaker = "{window: 10s, open: 5s}";
    check_in(
        GUARDED,
        &[
            ("B50", breaker, "{open: 5s}", "6:63 E-MISSING", "window"),
            ("B50", breaker, "{window: 10s}", "6:63 E-MISSING", "open"),
            ("B50", breaker, "{window: 0, open: 5s}", "6:81 E-RANGE", "at least 1"),
            ("B50", breaker, "{window: 0s, open: 5s}", "6:81 E-RANGE", "above 0"),
            ("B50", breaker, "{window: 10s, open: 0s}", "6:92 E-RANGE", "above 0"),
            (
                "B50",
                breaker,
                "{window: 10, open: 5s, min_calls: 20}",
                "6:106 E-CONFLICT",
                "never open",
            ),
            ("B50", breaker, "{window: 10, open: 5s, probes: 0}", "6:103 E-RANGE", "at least 1"),
            (
                "B50",
                breaker,
                "{window: 10s, open: 5s, failure_ratio: 0%}",
                "6:111 E-RANGE",
                "never close",
            ),
            ("B50", breaker, "{window: ten, open: 5s}", "6:81 E-TYPE", ""),
            (
                "W",
                breaker,
                "{window: 10s, open: 5s, slow: {over: 2s, ratio: 50%}}",
                "6:109 W-BREAKER",
                "its timeout ends it before",
            ),
            ("B16", breaker, "{window: 10s, open: 5s, opne: 1s}", "6:96 E-UNKNOWN-KEY", "open"),
        ],
    );
}
