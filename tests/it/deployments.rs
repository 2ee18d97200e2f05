//! Rolling deployments, by figures worked out by hand.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{number, results_of},
};

/// Four instances behind a balancer; forty requests a second, the first at 25 ms.
fn rolled(api: &str, alerts: &str, faults: &str) -> Value {
    let text = format!(
        "windtunnel: 1\nname: rolled\nduration: 60.024s\n\
         clients: {{load: {{arrivals: constant(40/s), to: lb, timeout: 5s}}}}\n\
         nodes: {{lb: {{load_balancer: {{to: api}}}}, \
         api: {{service: {{instances: 4, workers: 99, boot: 2s, {api}}}}}}}\n\
         alerts: {{{alerts}}}\nfaults: [{faults}]\n"
    );
    results_of(&text, 1)
}

const WORK: &str = "work: 10ms";
const FAILS: &str = "endpoints: {default: [{work: 10ms}]}";
const BROKEN: &str = "{\"endpoints.default\": [{work: 10ms}, {fail: 100%}]}";

#[track_caller]
fn near(found: f64, wanted: f64, by: f64) {
    assert!((found - wanted).abs() <= by, "{found} instead of {wanted}");
}

#[test]
fn versions_run_side_by_side_while_a_deployment_rolls() {
    let found = rolled(
        WORK,
        "",
        "{id: roll, at: 10s, deploy: {node: api, set: {work: 20ms}, batch: 1, drain: 1s, pause: 3s}}",
    );
    // Out at 10, 16, 22 and 28 s, each for three seconds, of which it is down for two.
    assert_eq!(number(&found, "faults.0.started"), 10.0);
    assert_eq!(number(&found, "faults.0.ended"), 31.0);
    assert_eq!(number(&found, "summary.requests.ok"), 2400.0);
    assert_eq!(found["nodes"]["api"]["instances"]["min"], 3);
    near(number(&found, "nodes.api.instances.mean"), 4.0 - 8.0 / 60.024, 1e-6);
    // In each three seconds 120 requests are dealt in turn among those that are in: of the new version a
    // quarter, a third, a half, two thirds, three quarters, all.
    let new = 30.0 + 40.0 + 60.0 + 80.0 + 90.0 + 120.0 + 29.0 * 40.0;
    let mean = (2400.0 * 10.0 + new * 10.0) / 2400.0 / 1e3;
    near(number(&found, "nodes.api.service_time.mean"), mean, 10.0 * 6.0 / 2400.0 / 1e3);
    // Nothing reaches one that is down.
    assert!(found["nodes"]["api"]["causes"].is_null(), "{}", found["nodes"]["api"]["causes"]);
}

#[test]
fn batches_are_numbers_or_shares_in_turn() {
    for (batch, drained, ended) in [
        ("2", 1, 10.0 + 3.0 * 2.0),
        ("25%", 1, 10.0 + 3.0 * 4.0),
        ("100%", 1, 13.0),
        ("30%", 1, 16.0),
        ("[1, 100%]", 1, 16.0),
        ("[1, 2]", 1, 19.0),
        ("4", 5, 17.0),
    ] {
        let roll =
            format!("{{id: r, at: 10s, deploy: {{node: api, batch: {batch}, drain: {drained}s}}}}");
        let found = rolled(WORK, "", &roll);
        assert_eq!(number(&found, "faults.0.ended"), ended, "{batch}");
    }
    // All at once: for three seconds nobody is there.
    let found = rolled(WORK, "", "{id: r, at: 10s, deploy: {node: api, batch: 100%, drain: 1s}}");
    assert_eq!(number(&found, "summary.requests.unavailable"), 120.0);
    // By default a quarter each, out for ten seconds before it stops.
    let found = rolled(WORK, "", "{id: r, at: 5s, deploy: {node: api}}");
    assert_eq!(number(&found, "faults.0.ended"), 5.0 + 4.0 * 12.0);
}

#[test]
fn what_is_inside_when_an_instance_stops_fails() {
    // Requests take one second; ten of each instance are inside.
    let run = |drain: &str| {
        let roll = format!("{{id: r, at: 10s, deploy: {{node: api, batch: 1, drain: {drain}}}}}");
        let found = rolled("work: 1s", "", &roll);
        number(&found, "summary.requests.error")
    };
    let found = run("0s");
    // Each of the last three has a third more than its share.
    near(found, 10.0 + 3.0 * 40.0 / 3.0, 12.0);
    assert_eq!(run("2s"), 0.0);
}

#[test]
fn who_calls_without_a_balancer_finds_nobody() {
    let text = "windtunnel: 1\nname: rolled\nduration: 60.01s\n\
         clients: {load: {arrivals: constant(40/s), to: api}}\n\
         nodes: {api: {service: {workers: 9, work: 1ms, boot: 5s}}}\n\
         faults: [{id: r, at: 10010ms, deploy: {node: api, drain: 1s}}]\n";
    let found = results_of(text, 1);
    assert_eq!(number(&found, "nodes.api.causes.connection_refused"), 5.0 * 40.0);
    assert_eq!(number(&found, "summary.requests.error"), 5.0 * 40.0);
}

#[test]
fn a_restarted_cache_is_empty_and_a_fresh_instance_is_slow() {
    let text = "windtunnel: 1\nname: rolled\nduration: 60.01s\n\
         clients: {load: {arrivals: constant(40/s), to: c, keys: sequential(n=10)}}\n\
         nodes: {c: {cache: {from: db}}, db: {external: {latency: 1ms}}}\n\
         faults: [{id: r, at: 10010ms, deploy: {node: c, drain: 1s}}]\n";
    let found = results_of(text, 1);
    assert_eq!(number(&found, "nodes.db.outcomes.ok"), 20.0);
    let found = rolled(
        "work: 10ms, warm: {for: 10s, factor: 3}",
        "",
        "{id: r, at: 10s, deploy: {node: api, batch: 4, drain: 1s}}",
    );
    // From 13 s to 23 s all are slow.
    let mean = (2280.0 * 10.0 + 400.0 * 20.0) / 2280.0 / 1e3;
    near(number(&found, "nodes.api.response_time.mean"), mean, 1e-5);
}

#[test]
fn a_push_without_restart_takes_no_capacity() {
    let found = rolled(
        WORK,
        "",
        "{id: p, at: 20s, deploy: {node: api, set: {work: 20ms}, batch: 50%, pause: 10s, restart: false}}",
    );
    assert_eq!(number(&found, "faults.0.ended"), 30.0);
    assert_eq!(found["nodes"]["api"]["instances"]["min"], 4);
    let new = 10.0 * 20.0 + 30.0 * 40.0;
    near(number(&found, "nodes.api.service_time.mean"), (24.0 + new / 100.0) / 2400.0, 1e-5);
    // The same to all at once is what `set` does.
    let both = |fault: &str| rolled(WORK, "", &format!("{{id: p, at: 20s, {fault}}}"));
    let push = both("deploy: {node: api, set: {work: 20ms}, batch: 100%, restart: false}");
    let set = both("set: {nodes.api.service.work: 20ms}");
    for part in ["summary", "fingerprint"] {
        assert_eq!(push[part], set[part], "{part}");
    }
}

#[test]
fn a_canary_that_fails_goes_back_by_itself() {
    let alert = "bad: {when: error_fraction(deploy=roll window=2s) > 50%, every: 1s}";
    let roll = format!(
        "{{id: roll, at: 10s, deploy: {{node: api, set: {BROKEN}, batch: [1, 100%], drain: 1s, \
         pause: 10s, rollback: bad}}}}"
    );
    let found = rolled(FAILS, alert, &roll);
    // Up at 13 s, with a quarter of the requests; the look of 14 s sees nothing but failures of it. Out at
    // once, it stops at 15 s and is back with the old version at 17 s.
    assert_eq!(number(&found, "alerts.0.fired"), 14.0);
    assert_eq!(number(&found, "faults.0.ended"), 17.0);
    near(number(&found, "summary.requests.error"), 10.0, 1.0);
    near(number(&found, "nodes.api.instances.mean"), 4.0 - 4.0 / 60.024, 1e-6);
    // Of the node as a whole a quarter fails: nobody notices, and all take it up.
    let whole = alert.replace("deploy=roll", "node=api");
    let found = rolled(FAILS, &whole, &roll);
    // From 23 s on the others are out, and only the one that fails serves.
    assert_eq!(number(&found, "alerts.0.fired"), 24.0);
    assert_eq!(number(&found, "faults.0.rolled_back"), 24.0);
    let events = found["timeline"]["events"].as_array().unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    let at = |kind: &str| kinds.iter().position(|known| *known == kind);
    assert!(at("alert_fired") < at("rolled_back"), "{kinds:?}");
    assert!(at("rolled_back") < at("fault_ended"), "{kinds:?}");
    assert!(at("rolled_back") < at("alert_resolved"), "{kinds:?}");
    // At 24 s the others were about to stop; they go on, and the first is out until 27 s.
    assert_eq!(number(&found, "faults.0.ended"), 27.0);
    near(number(&found, "summary.requests.error"), 10.0 * 10.0 + 40.0, 2.0);
    near(number(&found, "nodes.api.instances.mean"), 4.0 - 4.0 / 60.024, 1e-6);
}

#[test]
fn what_is_starting_goes_back_without_having_served() {
    // At 12 s the first is down, since 11 s: it starts anew and is up at 14 s.
    let alert = "bad: {when: error_fraction(node=api window=500ms) > 10%, every: 500ms}";
    let faults = format!(
        "{{id: other, at: 11510ms, for: 1s, errors: {{node: api, instances: [3], fraction: 100%}}}}, \
         {{id: roll, at: 10s, deploy: {{node: api, set: {BROKEN}, batch: 1, drain: 1s, pause: 10s, rollback: bad}}}}"
    );
    let found = rolled(FAILS, alert, &faults);
    assert_eq!(number(&found, "alerts.0.fired"), 12.0);
    assert_eq!(found["faults"][1]["id"], "roll");
    assert_eq!(number(&found, "faults.1.ended"), 14.0);
    near(number(&found, "nodes.api.instances.mean"), 4.0 - 3.0 / 60.024, 1e-6);
    assert!(found["nodes"]["api"]["causes"]["failed_step"].is_null());
}

#[test]
fn a_deployment_is_taken_back_after_its_time_and_comes_after_alerts() {
    let found = rolled(
        WORK,
        "",
        "{id: r, at: 10s, for: 20s, deploy: {node: api, set: {work: 20ms}, batch: 2, drain: 1s}}",
    );
    // Nobody but the file wanted it taken back.
    assert!(found["faults"][0]["rolled_back"]["value"].is_null());
    // Two at 13 s, two at 16 s; back from 30 s on: 33 s and 36 s.
    assert_eq!(number(&found, "faults.0.ended"), 36.0);
    near(number(&found, "nodes.api.instances.mean"), 4.0 - 16.0 / 60.024, 1e-6);
    let new = 120.0 + 14.0 * 40.0 + 120.0;
    let mean = (2400.0 + new) / 2400.0 / 100.0;
    near(number(&found, "nodes.api.service_time.mean"), mean, 10.0 / 2400.0 / 100.0);
    let found = rolled(
        FAILS,
        "bad: {when: error_fraction(node=api window=1s) > 50%, every: 1s}",
        "{id: bad, at: 20010ms, errors: {node: api, fraction: 90%}}, \
         {id: fix, after: bad, delay: 4s, deploy: {node: api, batch: 100%, drain: 1s}}",
    );
    assert_eq!(number(&found, "faults.1.started") - number(&found, "alerts.0.fired"), 4.0);
    assert_eq!(number(&found, "faults.1.ended") - number(&found, "faults.1.started"), 3.0);
}

const ROLLING: &str = "\
windtunnel: 1
name: rolling
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: lb, timeout: 1s}}
nodes:
  lb: {load_balancer: {to: api}}
  api: {service: {instances: 4, workers: 9, work: 1ms, calls: [far]}}
  far: {external: {latency: 1ms}}
alerts:
  bad: {when: error_fraction(deploy=r window=10s) > 1%}
faults:
  - {id: r, at: 5s, deploy: {node: api, set: {work: 2ms}, batch: 25%, rollback: bad}}
";

const SET: &str = "work: 2ms";
const BATCH: &str = "batch: 25%";
const NODE: &str = "node: api";

#[test]
fn deployments_are_checked() {
    assert_eq!(told(ROLLING.as_bytes()), Vec::<String>::new());
    check_in(
        ROLLING,
        &[
            ("F25", NODE, "node: apu", "12:36 E-REF", "did you mean `api`"),
            ("F25", NODE, "node: far", "12:36 E-FAULT-TARGET", "no instances"),
            ("F25", NODE, "node: lb", "12:36 E-FAULT-TARGET", "no instances"),
            ("F25", SET, "cores: 2", "12:54 E-FAULT-TARGET", "endpoints"),
            ("F25", SET, "wrok: 2ms", "12:47 E-UNKNOWN-KEY", "once `r` has set it"),
            ("F25", SET, "work: 2", "12:53 E-UNIT", "once `r` has set it"),
            ("F25", SET, "calls: [gone]", "12:47 E-REF", "`gone`"),
            ("F25", BATCH, "batch: 0", "12:66 E-RANGE", "nobody would ever"),
            ("F25", BATCH, "batch: 0%", "12:66 E-RANGE", "nobody would ever"),
            ("F25", BATCH, "batch: []", "12:59 E-RANGE", "nobody would ever"),
            ("F25", BATCH, "batch: 125%", "12:66 E-RANGE", "125%"),
            ("F25", BATCH, "restart: false, drain: 1s", "12:82 E-CONFLICT", "drained"),
            ("F25", BATCH, "btach: 25%", "12:59 E-UNKNOWN-KEY", "batch"),
            ("F25", "rollback: bad", "rollback: bed", "12:81 E-REF", "did you mean `bad`"),
            ("F25", "at: 5s", "after: bad", "12:20 E-CYCLE", "looks at what this"),
            ("F25", "at: 5s", "at: 5s, every: 9s", "12:28 E-FAULT-TIME", "comes once"),
            ("F25", "at: 5s", "at: 5s, probability: 9%", "12:6 E-FAULT-TIME", "for sure"),
            ("F25", "deploy=r", "deploy=x", "10:15 E-REF", "unknown deployment"),
        ],
    );
    let nothing = ROLLING.replace("set: {work: 2ms}", "restart: false");
    let found = told(nothing.as_bytes());
    assert!(found.len() == 1 && found[0].contains("E-FAULT changes nothing"), "{found:#?}");
}
