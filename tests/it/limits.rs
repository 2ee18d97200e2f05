//! What a process can run out of, and what is asked of requests before they go on.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{number, results},
};

/// Requests of 1 s at ten a second, at a service with limits.
fn bounded(limits: &str, faults: &str) -> Value {
    let app = format!(
        "app: {{service: {{boot: 5s, endpoints: {{default: [{{wait: 1s}}]}}, limits: {limits}}}}}"
    );
    results("100.05s", "arrivals: constant(10/s), to: app, timeout: 2s", &app, faults)
}

#[test]
fn what_does_not_fit_is_refused() {
    // Ten are inside at once; four threads of nine are taken by the process itself.
    let found = bounded("{threads: {max: 9, base: 4, per_request: 1}}", "");
    let ok = number(&found, "summary.requests.ok");
    // Five at 0.1 .. 0.5 s of each second, and those of the last second are still at it.
    assert_eq!(ok, 500.0 - 5.0);
    assert_eq!(number(&found, "nodes.app.causes.out_of_threads"), 500.0);
    assert_eq!(number(&found, "summary.requests.rejected"), 500.0);
    let all = bounded("{threads: {max: 14, base: 4, per_request: 1}}", "");
    assert_eq!(number(&all, "summary.availability"), 1.0);
    // The base grows for a while: nobody comes in, those inside stay.
    let grown =
        "{id: grown, at: 20.01s, for: 10s, set: {nodes.app.service.limits.threads.base: 14}}";
    let found = bounded("{threads: {max: 14, base: 4, per_request: 1}}", grown);
    assert_eq!(number(&found, "summary.requests.rejected"), 100.0);
    assert_eq!(number(&found, "summary.requests.timeout"), 0.0);
}

#[test]
fn a_leak_ends_in_a_crash_and_begins_anew() {
    // Ten inside take 10 MB; a request leaves 1 MB; so that of 1,000 MB the 500 of the process and ten inside
    // leave 490: a life ends with the request that finds 491 leaked and is the tenth inside: number 501.
    let limits = "{memory: {max: 1000MB, base: 500MB, per_request: 1MB, leak: 1MB, full: crash}}";
    let found = bounded(limits, "");
    // 50.1 s to the first, 5 s of start in which 49 come, 44.95 s of the second life: too short to die again.
    assert_eq!(number(&found, "nodes.app.causes.out_of_memory"), 1.0);
    assert_eq!(number(&found, "nodes.app.causes.crashed"), 10.0);
    assert_eq!(number(&found, "nodes.app.causes.connection_refused"), 49.0);
    assert_eq!(number(&found, "summary.requests.error"), 59.0);
    let up = number(&found, "nodes.app.availability_time");
    assert!((up - (1.0 - 5.0 / 100.05)).abs() < 1e-9, "{up}");
    // With a half of the memory twice as often.
    let found = bounded(&limits.replace("1000MB", "750MB"), "");
    // The 251st of each life: at 25.1 s, at 55.1 s, at 85.1 s.
    assert_eq!(number(&found, "nodes.app.causes.out_of_memory"), 3.0);
    // A restart in time costs less than a crash, and puts it off.
    let restart = "{id: restart, every: 40s, for: 1s, crash: {node: app, process: true}}";
    let found = bounded(limits, restart);
    assert!(found["nodes"]["app"]["causes"].get("out_of_memory").is_none());
}

#[test]
fn a_fresh_process_is_slow_and_dies_again_if_nothing_has_changed() {
    let app = "app: {service: {cores: 1, work: 1ms, boot: 1s, warm: {for: 2s, factor: 10}, \
               limits: {memory: {max: 10MB, base: 5MB, per_request: 1MB, full: crash}}}}";
    let herd = "arrivals: poisson(10/s batch=6), to: app";
    let found = results("100s", herd, app, "");
    // Six at once are too many each time: a crash loop, with 0.1 s in the mean after each start.
    let crashes = number(&found, "nodes.app.causes.out_of_memory");
    assert!((crashes - 100.0 / 1.1).abs() < 10.0, "{crashes}");
    let same = results("100s", herd, app, "");
    assert_eq!(found, same);
    // One at a time is served, ten times slower for two seconds.
    let calm = results(
        "20s",
        "arrivals: constant(10/s), to: app",
        app,
        "{id: gone, at: 5s, for: 1s, crash: {node: app, process: true}}",
    );
    assert!((number(&calm, "summary.latency.max") - 0.01).abs() < 1e-9);
}

#[test]
fn work_takes_longer_while_memory_is_short() {
    // 5 ms of work; after 100 requests of 1 MB each half of 200 MB is gone, and it takes twice as long.
    let app = "app: {service: {cores: 1, work: 5ms, \
               limits: {memory: {max: 200MB, leak: 1MB, slow: table(0%=1 50%=2)}}}}";
    let found = results("10.05s", "arrivals: constant(10/s), to: app", app, "");
    // The n-th of 100 takes 5 ms x (1 + (n - 1) / 100).
    let mean = 0.005 * (1.0 + 49.5 / 100.0);
    assert!((number(&found, "nodes.app.service_time.mean") - mean).abs() < 1e-9);
    assert!((number(&found, "summary.latency.max") - 0.005 * 1.99).abs() < 1e-9);
}

/// Requests that are checked and asked about before they go on.
fn asked(auth: &str, more: &str, faults: &str) -> Value {
    let nodes = format!(
        "app: {{service: {{workers: 8, cores: 4, work: 5ms, inbound: {{validate: 2ms, auth: idp{more}}}, \
         dependencies: {{idp: {{timeout: 50ms}}}}}}}}, idp: {{{auth}}}"
    );
    results("100.05s", "arrivals: constant(10/s), to: app", &nodes, faults)
}

#[test]
fn requests_are_checked_before_they_go_on() {
    let well = asked("service: {cores: 1, endpoints: {auth: [{work: 3ms}]}}", "", "");
    assert_eq!(number(&well, "summary.availability"), 1.0);
    assert!((number(&well, "summary.latency.max") - 0.010).abs() < 1e-9);
    assert!((number(&well, "nodes.app.service_time.mean") - 0.007).abs() < 1e-9);
    assert_eq!(number(&well, "nodes.idp.outcomes.ok"), 1000.0);
    // Credentials are over: nobody gets in any more, and no work is done for them.
    let over = "{id: over, at: 50.01s, errors: {node: idp, fraction: 100%}}";
    let found = asked("service: {cores: 1, work: 3ms}", "", over);
    assert_eq!(number(&found, "summary.requests.rejected"), 500.0);
    assert_eq!(number(&found, "nodes.app.causes.unauthorized"), 500.0);
    let mean = (500.0 * 0.007 + 500.0 * 0.002) / 1000.0;
    assert!((number(&found, "nodes.app.service_time.mean") - mean).abs() < 1e-9);
    // One that does not answer in time is no better.
    let slow = asked("external: {latency: erlang(k=9 mean=10s)}", "", "");
    assert_eq!(number(&slow, "summary.requests.rejected"), 999.0);
    assert!((number(&slow, "summary.latency_all.max") - 0.052).abs() < 1e-9);
}

#[test]
fn a_quota_can_be_set_wrong_and_right_again() {
    let quota = |limit: u64| {
        format!(
            "{{id: quota, at: 20.01s, for: 30s, set: \
             {{nodes.app.service.inbound.rate_limit: fixed_window(limit={limit} window=1s)}}}}"
        )
    };
    let rule = ", rate_limit: fixed_window(limit=100 window=1s)";
    let found = asked("service: {cores: 1, work: 3ms}", rule, &quota(1));
    // Of ten each second one passes, from 20.01 to 50.01 s: 300 requests, 31 windows begun.
    let limited = number(&found, "summary.requests.rate_limited");
    assert!((limited - 270.0).abs() <= 1.0, "{limited}");
    // What does not change goes on with what it has counted.
    let idle = "{id: idle, at: 20.01s, for: 30s, set: {nodes.app.service.work: 5ms}}";
    let bucket = ", rate_limit: token_bucket(rate=1/s burst=100)";
    let same = asked("service: {cores: 1, work: 3ms}", bucket, idle);
    let alone = asked("service: {cores: 1, work: 3ms}", bucket, "");
    let limited = |found: &Value| number(found, "summary.requests.rate_limited");
    assert_eq!(limited(&same), limited(&alone));
}

const LIMITED: &str = "\
windtunnel: 1
name: limited
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: app}}
nodes:
  app: {service: {cores: 1, work: 1ms, limits: {threads: {max: 500, per_request: 1}}}}
  idp: {service: {cores: 1, work: 1ms}}
";

#[test]
fn limits_are_checked() {
    let unused = told(LIMITED.as_bytes());
    assert_eq!(unused.len(), 1, "{unused:?}");
    let good = LIMITED.replace("limits:", "inbound: {auth: idp}, limits:");
    assert_eq!(told(good.as_bytes()), Vec::<String>::new());
    check_in(
        &good,
        &[
            ("B50", "max: 500", "max: 0", "6:86 E-RANGE", "above 0"),
            ("B50", "max: 500", "max: 5GB", "6:86 E-UNIT", "no amount of threads"),
            (
                "B50",
                "threads: {max: 500",
                "memory: {max: 500MB",
                "6:105 E-UNIT",
                "no amount of memory",
            ),
            ("B50", ", per_request: 1", "", "6:71 E-MISSING", "nothing uses it"),
            ("B17", "max: 500, ", "", "6:71 E-MISSING", "max"),
            ("B16", "per_request", "per_reqest", "6:91 E-UNKNOWN-KEY", "per_request"),
            ("B33", "per_request: 1", "base: 1, full: drop", "6:106 E-ENUM", "crash"),
            ("B50", "per_request: 1", "base: 1, slow: table(90%=3 70%=1)", "6:106 E-EXPR", "rise"),
            ("B35", "auth: idp", "auth: idq", "6:56 E-REF", "did you mean `idp`"),
            ("B36", "auth: idp", "auth: app", "6:56 E-CYCLE", "cannot call itself"),
            ("B50", "auth: idp", "auth: idp, validate: 2", "6:71 E-UNIT", "2"),
        ],
    );
}
