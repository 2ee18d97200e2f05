//! Alerts and the faults that come after them, by figures worked out by hand.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{number, results_of},
};

/// A design with alerts; requests come at 0.1 s, 0.2 s and so on.
fn with_alerts(duration: &str, nodes: &str, alerts: &str, faults: &str) -> String {
    format!(
        "windtunnel: 1\nname: watched\nduration: {duration}\n\
         clients: {{load: {{arrivals: constant(10/s), to: api, timeout: 1s}}}}\n\
         nodes: {{{nodes}}}\nalerts: {{{alerts}}}\nfaults: [{faults}]\n"
    )
}

const API: &str = "api: {service: {cores: 1, work: 10ms}}";
const ERRORS: &str = "{id: bad, at: 20050ms, for: 20s, errors: {node: api, fraction: 100%}}";
const SLOW: &str = "at: 20050ms, for: 20s, slow: {node: api";

/// When the one alert of a design fired first and was over last, and how often.
fn fired(nodes: &str, alert: &str, faults: &str) -> (Option<f64>, Option<f64>, f64) {
    let found = results_of(&with_alerts("60.05s", nodes, &format!("a: {{{alert}}}"), faults), 1);
    let time = |key: &str| found["alerts"][0][key]["value"].as_f64();
    (time("fired"), time("resolved"), number(&found, "alerts.0.count"))
}

#[test]
fn an_alert_fires_when_what_was_measured_was_bad_for_long_enough() {
    // All requests from 20.1 s to 40.0 s fail at once. At 25 s the last ten seconds hold 49 of them among
    // a hundred, at 26 s 59; at 45 s there are 51 left, at 46 s 41.
    for (alert, from, to) in [
        ("when: error_fraction(node=api window=10s) > 50%", 26.0, 46.0),
        ("when: error_fraction(node=api window=10s) > 50%, for: 3s", 29.0, 46.0),
        ("when: error_fraction(node=api window=10s) > 50%, every: 2s", 26.0, 46.0),
        ("when: error_fraction(node=api window=10s) > 50%, every: 5s, for: 5s", 35.0, 50.0),
        ("when: availability(node=api window=10s) <= 50%, for: 2500ms", 29.0, 46.0),
        ("when: error_fraction(client=load window=10s) > 50%", 26.0, 46.0),
        ("when: availability(window=10s) < 50%", 26.0, 46.0),
        // Failures are slower than any limit: more than one in ten.
        ("when: p90(latency client=load window=10s) > 100ms", 22.0, 50.0),
        ("when: error_fraction(node=api window=10s) > 50%, min_calls: 99", 26.0, 46.0),
    ] {
        assert_eq!(fired(API, alert, ERRORS), (Some(from), Some(to), 1.0), "{alert}");
    }
    for alert in [
        "when: error_fraction(node=api window=10s) > 50%, for: 21s",
        "when: error_fraction(node=api window=10s) > 50%, min_calls: 102",
        "when: p90(latency node=api window=10s) > 100ms",
    ] {
        assert_eq!(fired(API, alert, ERRORS), (None, None, 0.0), "{alert}");
    }
}

#[test]
fn the_story_of_a_run_tells_of_it() {
    let alert = "a: {when: error_fraction(node=api window=10s) > 50%}";
    let found = results_of(&with_alerts("60.05s", API, alert, ERRORS), 1);
    let events = found["timeline"]["events"].as_array().unwrap();
    let kinds: Vec<&str> = events.iter().map(|e| e["kind"].as_str().unwrap()).collect();
    let at = |kind: &str| kinds.iter().position(|k| *k == kind).unwrap_or_else(|| panic!("{kind}"));
    assert!(at("fault_started") < at("errors_began") && at("errors_began") < at("alert_fired"));
    assert_eq!(events[at("alert_fired")]["text"], "alert a fires");
    assert_eq!(events[at("alert_fired")]["at"], 26.0);
}

#[test]
fn each_figure_is_what_was_measured_before_the_look() {
    // 200 ms instead of 10 from the request of 20.1 s on: 21.7 s is the last that has ended at 22 s, the
    // seventeenth of 98, at 21 s there were seven.
    let (two, workers) =
        ("api: {service: {workers: 9, work: 10ms}}", "api: {service: {workers: 1, work: 10ms}}");
    let slow = |factor: u32| format!("{{id: s, {SLOW}, factor: {factor}}}}}");
    for (nodes, alert, fault, at) in [
        (two, "p90(latency client=load window=10s) > 100ms", slow(20), Some(22.0)),
        (two, "p90(latency node=api window=10s) > 100ms", slow(20), Some(22.0)),
        (two, "p90(latency node=api window=10s) > 300ms", slow(20), None),
        // The core is busy for 80 ms of each 100 instead of 10: six seconds of ten make it 52 %.
        (API, "utilisation(node=api window=10s) > 50%", slow(8), Some(26.0)),
        // One request takes ten seconds: the queue grows by ten a second from 20.2 s on.
        (workers, "in_queue(node=api window=1s) > 20", slow(1000), Some(23.0)),
        // Nothing more ends: 41 of the last ten seconds at 26 s.
        (
            API,
            "throughput(node=api window=10s) < 5/s",
            "{id: c, at: 20050ms, crash: {node: api}}".to_owned(),
            Some(26.0),
        ),
        // What nobody saw is not bad.
        (
            API,
            "availability(node=api window=5s) < 99%",
            "{id: c, at: 20050ms, crash: {node: api}}".to_owned(),
            None,
        ),
    ] {
        let found = fired(nodes, &format!("when: {alert}, every: 1s"), &fault);
        assert_eq!(found.0, at, "{alert}");
    }
}

#[test]
fn an_alert_without_consequences_changes_nothing() {
    let run = |alerts: &str| {
        let text = with_alerts("60s", API, alerts, ERRORS).replace("constant", "poisson");
        results_of(&text.replace("duration: 60s", "duration: 60s\nwarm_up: 15s"), 2)
    };
    let (without, with) = (
        run(""),
        run("a: {when: error_fraction(node=api window=10s) > 50%}, \
             b: {when: p99(latency node=api window=10s) > 1ms, every: 500ms}"),
    );
    for part in ["fingerprint", "summary", "clients", "nodes", "faults", "series"] {
        assert_eq!(without[part], with[part], "{part}");
    }
    assert_eq!(number(&with, "alerts.0.count"), 1.0);
    // Those of the warm-up are counted too, though the records of nodes start anew after it.
    assert_eq!(number(&with, "alerts.1.fired"), 10.0);
}

#[test]
fn a_fault_comes_after_its_alert() {
    let alert = "a: {when: error_fraction(node=api window=10s) > 50%}, \
                 never: {when: error_fraction(node=api window=10s) > 50%, for: 30s}";
    let after = "{id: cut, after: a, delay: 4500ms, for: 5s, crash: {node: api}}, \
                 {id: idle, after: never, for: 5s, crash: {node: api}}";
    let faults = format!("{ERRORS}, {after}");
    let found = results_of(&with_alerts("60.05s", API, alert, &faults), 2);
    assert_eq!(found["faults"][1]["id"], "cut");
    assert_eq!(number(&found, "faults.1.started"), 30.5);
    assert_eq!(number(&found, "faults.1.ended"), 35.5);
    assert_eq!(number(&found, "faults.1.occurrences"), 1.0);
    assert_eq!(found["faults"][1]["spans"][0][0], 30.5);
    // The host is dead from 30.5 s to 35.5 s: 51 requests, of 30.5 s maybe, are lost without a word.
    assert_eq!(number(&found, "nodes.api.causes.lost_at_dead_host"), 2.0 * 50.0);
    assert_eq!(number(&found, "faults.2.occurrences"), 0.0);
    assert!(found["faults"][2]["started"]["value"].is_null());
    assert!(found["faults"][2]["availability_before"]["value"].is_null());
}

#[test]
fn what_an_alert_brings_can_be_asked_about() {
    let alert = "a: {when: error_fraction(node=api window=10s) > 50%}";
    let after = "{id: fix, after: a, for: 10s, errors: {node: api, fraction: 0%}}";
    let text = with_alerts("60.05s", API, alert, &format!("{ERRORS}, {after}"));
    let run = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), text).unwrap();
        let ran = crate::cli::windtunnel(
            folder.path(),
            "run a.yaml --replications 2 --format json --quiet",
        );
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let sides = "slos: [requests.issued(before=fix) >= 1, requests.issued(during=fix) >= 1, requests.issued(after=fix) >= 1]\n";
    let found = run(&(text.clone() + sides));
    // It fires at 26 s, before the request of that very instant.
    let of = |i: usize| number(&found, &format!("slos.{i}.estimate"));
    assert_eq!([of(0), of(1), of(2)], [2.0 * 259.0, 2.0 * 100.0, 2.0 * 241.0]);
    // Never fired: nothing was observed around it.
    let sides = "slos: [availability(before=fix) >= 1%, availability(during=fix) >= 1%, availability(after=fix) >= 1%]\n";
    let found = run(&(text.replace("> 50%", "> 99.9%, for: 30s") + sides));
    for i in 0..3 {
        assert_eq!(found["slos"][i]["verdict"], "undecided", "{i}");
    }
}

#[test]
fn a_change_comes_after_an_alert_and_meets_others_in_any_order() {
    // The work is 10 ms, 40 ms from 20.05 s on; five seconds after the alert it is rolled back. At 24 s
    // another step of the same path is set, which the rollback, coming later, takes the place of.
    let nodes = "api: {service: {workers: 10, endpoints: {default: [{work: 10ms}]}}}";
    let path = "nodes.api.service.endpoints.default";
    let alert = "a: {when: p90(latency client=load window=2s) > 30ms, every: 1s}";
    let faults = |delay: u32| {
        format!(
            "{{id: push, at: 20050ms, set: {{{path}: [{{work: 40ms}}]}}}}, \
             {{id: more, at: 24050ms, set: {{\"{path}[0].work\": 50ms}}}}, \
             {{id: back, after: a, delay: {delay}ms, set: {{{path}: [{{work: 10ms}}]}}}}"
        )
    };
    let mean = |delay: u32| {
        let text = with_alerts("60.09s", nodes, alert, &faults(delay));
        let found = results_of(&text, 1);
        // Two of the twenty before 21 s were slow... at 21 s there are 9 of 20, more than one in ten.
        assert_eq!(number(&found, "alerts.0.fired"), 21.0);
        assert_eq!(number(&found, "faults.0.started"), 21.0 + f64::from(delay) / 1e3);
        number(&found, "summary.latency.mean") * 600.0
    };
    let close =
        |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
    // Rolled back at 26.05 s: 40 requests of 40 ms, 20 of 50.
    close(mean(5050), (540.0 * 10.0 + 40.0 * 40.0 + 20.0 * 50.0) / 1e3);
    // Rolled back at 23.05 s: 30 of 40 ms, then 10 ms until the later change sets 50 to the end.
    close(mean(2050), (210.0 * 10.0 + 30.0 * 40.0 + 360.0 * 50.0) / 1e3);
}

#[test]
fn replications_have_their_own_alerts() {
    let alert = "a: {when: error_fraction(node=api window=2s) > 30%, every: 100ms}";
    let fault = "{id: bad, at: 10s, errors: {node: api, fraction: 30%}}, \
                 {id: fix, after: a, delay: 1s, crash: {node: api, process: true}, for: 1s}";
    let text = with_alerts("40s", API, alert, fault).replace("constant", "poisson");
    let found = results_of(&text, 8);
    let (fired, started) = (&found["alerts"][0]["fired"], &found["faults"][1]["started"]);
    assert!(fired["upper"].as_f64() > fired["lower"].as_f64(), "{fired}");
    assert_eq!(fired["n"], started["n"]);
    let (fired, started) = (fired["value"].as_f64().unwrap(), started["value"].as_f64().unwrap());
    assert!((started - fired - 1.0).abs() < 1e-9, "{fired} {started}");
    assert!(found["faults"][1]["spans"].is_null());
}

const WATCHED: &str = "\
windtunnel: 1
name: watched
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: lb, timeout: 1s}}
nodes:
  lb: {load_balancer: {to: api}}
  api: {service: {workers: 9, work: 1ms, calls: [far]}}
  far: {external: {latency: 1ms}}
alerts:
  bad: {when: error_fraction(node=api window=10s) > 1%, for: 5s}
faults:
  - {id: f, after: bad, delay: 9s, slow: {node: api, factor: 2}}
";

const WHEN: &str = "error_fraction(node=api window=10s) > 1%";
const FOR: &str = "for: 5s";
const AFTER: &str = "after: bad, delay: 9s";
const EFFECT: &str = "slow: {node: api, factor: 2}";

#[test]
fn alerts_are_checked() {
    assert_eq!(told(WATCHED.as_bytes()), Vec::<String>::new());
    check_in(
        WATCHED,
        &[
            ("F26", WHEN, "error_faction(node=api) > 1%", "10:15 E-ENUM", "error_fraction"),
            ("F26", WHEN, "error_fraction(node=api)", "10:15 E-EXPR", "nothing to compare"),
            ("F26", WHEN, "error_fraction(node=apu) > 1%", "10:15 E-REF", "did you mean `api`"),
            ("F26", WHEN, "availability(client=lod) < 9%", "10:15 E-REF", "did you mean `load`"),
            ("F26", WHEN, "utilisation(node=far) > 9%", "10:15 E-FAULT-TARGET", "capacity"),
            ("F26", WHEN, "utilisation(client=load) > 9%", "10:15 E-EXPR", "of a node"),
            ("F26", WHEN, "in_queue(node=api) > 1%", "10:15 E-UNIT", "1%"),
            ("F26", WHEN, "availability(window=95s) < 1%", "10:3 E-RANGE", "before it could fire"),
            ("F26", WHEN, "availability(window=0s) < 1%", "10:15 E-RANGE", "above 0"),
            ("F26", FOR, "every: 3s", "10:15 E-RANGE", "whole number of looks"),
            ("F26", FOR, "every: 0s", "10:64 E-RANGE", "above 0"),
            ("F26", FOR, "for: 90s", "10:3 E-RANGE", "before it could fire"),
            (
                "F26",
                " window=10s) > 1%, for: 5s",
                ") > 1%, every: 10ns",
                "9:1 E-BUDGET",
                "they look",
            ),
            ("F26", FOR, "every: 1ms", "10:3 E-BUDGET", "more than 1000 looks"),
            ("F26", FOR, "min_calls: 0", "10:68 E-RANGE", "at least 1"),
            ("F26", FOR, "fro: 5s", "10:57 E-UNKNOWN-KEY", "for"),
            ("F26", AFTER, "after: bed", "12:20 E-REF", "did you mean `bad`"),
            ("F26", AFTER, "after: bad, at: 9s", "12:6 E-FAULT-TIME", "after an alert or"),
            (
                "F26",
                AFTER,
                "after: bad, every: 9s, for: 1s",
                "12:6 E-FAULT-TIME",
                "after an alert or",
            ),
            ("F26", AFTER, "at: 9s, delay: 9s", "12:28 E-FAULT-TIME", "after what"),
            ("F26", AFTER, "after: bad, delay: 900s", "12:32 E-FAULT-TIME", "over by then"),
            (
                "F26",
                EFFECT,
                "load: {client: load, factor: 0.5}",
                "12:20 E-FAULT-TIME",
                "known from the start",
            ),
        ],
    );
    let detect = WATCHED
        .replace("{to: api}", "{to: api, health_check: {detect: 1s}}")
        .replace(EFFECT, "crash: {node: api}");
    let found = told(detect.as_bytes());
    assert!(found.len() == 1 && found[0].contains("E-FAULT-TIME `detect`"), "{found:#?}");
    // Changes after alerts may meet in any order: five are 325 designs.
    let set = |n: u32| -> String {
        let one =
            |i| format!("  - {{id: s{i}, after: bad, set: {{nodes.api.service.work: {i}ms}}}}\n");
        WATCHED.to_owned() + &(1..=n).map(one).collect::<String>()
    };
    assert_eq!(told(set(4).as_bytes()), Vec::<String>::new());
    let found = told(set(5).as_bytes());
    assert!(found.len() == 1 && found[0].contains("E-LIMIT the planned changes"), "{found:#?}");
    // One that is wrong is told where it is written.
    let wrong = WATCHED.replace(EFFECT, "set: {nodes.api.service.wrok: 2ms}");
    let found = told(wrong.as_bytes());
    assert!(found.len() == 1 && found[0].contains("E-UNKNOWN-KEY"), "{found:#?}");
}

#[test]
fn how_often_an_alert_looks_follows_from_its_window() {
    // Half of all fails from the start: bad at the first look, which is when the window is full.
    let fault = "{id: bad, at: 0s, errors: {node: api, fraction: 50%}}";
    for (window, first) in [("window=20s", 20.0), ("window=2m", 120.0), ("", 10.0)] {
        let alert = format!("a: {{when: error_fraction(node=api {window}) > 10%}}");
        let found = results_of(&with_alerts("200s", API, &alert, fault), 1);
        assert_eq!(number(&found, "alerts.0.fired"), first, "{window}");
    }
    let wrong = WATCHED.replace(FOR, "every: 2s") + "variants:\n  v: {alerts.bed.for: 2s}\n";
    let found = told(wrong.as_bytes());
    assert!(found.len() == 1 && found[0].contains("E-REF"), "{found:#?}");
}
