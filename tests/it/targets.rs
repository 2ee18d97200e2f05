//! Targets over windows, alerts, faults and replications: which figure each of them reads.

use std::fs;

use serde_json::Value;

use crate::{cli::windtunnel, design::design};

/// Value and verdict of each target of a design.
fn judged(design: &str, targets: &[&str], replications: usize) -> Vec<(Option<f64>, String)> {
    let folder = tempfile::tempdir().unwrap();
    let targets: String = targets.iter().map(|target| format!("  - {target}\n")).collect();
    fs::write(folder.path().join("a.yaml"), format!("{design}slos:\n{targets}")).unwrap();
    let ran = windtunnel(folder.path(), &format!("run a.yaml -n {replications} --format json"));
    let results: Value = serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}{}", ran.stdout, ran.stderr));
    let slos = results["slos"].as_array().unwrap().iter();
    let one = |slo: &Value| {
        (slo["estimate"]["value"].as_f64(), slo["verdict"].as_str().unwrap().to_owned())
    };
    slos.map(one).collect()
}

fn met(value: f64) -> (Option<f64>, String) {
    (Some(value), "met".to_owned())
}

#[test]
fn windows_are_whole_begin_after_the_warm_up_and_are_of_the_figure_named() {
    // For 10 s three times as much as later: 500 wait then, and nobody any more from 20 s on. Of each 20 ms
    // from there on one request is at work for 10 ms. Ten times as much in the last 5 s, which are no window.
    let client = "arrivals: constant(50/s), to: a, \
                  load: [{at: 0s, factor: 3}, {at: 10s, factor: 1}, {at: 100s, factor: 1.8}]";
    let text = design("105s", client, "a: {service: {cores: 1, work: 10ms}}", "");
    let found = judged(
        &(text + "warm_up: 40s\n"),
        &[
            "max(nodes.a.in_queue window=10s) <= 1",
            "max(nodes.a.in_system window=10s) <= 1",
            "max(nodes.a.utilisation window=10s) <= 51%",
            "max(nodes.a.throughput window=10s) <= 51/s",
            "max(goodput window=10s) <= 51/s",
            "min(goodput window=10s) >= 49/s",
        ],
        1,
    );
    for (found, wanted) in found.iter().zip([0.0, 0.5, 0.5, 50.0, 50.0, 50.0]) {
        let value = found.0.unwrap();
        assert!((value - wanted).abs() <= 0.002 * wanted + 1e-9, "{value} instead of {wanted}");
        assert_eq!(found.1, "met");
    }
}

#[test]
fn attempts_are_those_of_all_that_was_sent_answered_or_not() {
    // One attempt each, and nothing of the last 5 s is answered by the end.
    let text = design("60s", "arrivals: constant(10/s), to: a", "a: {external: {latency: 5s}}", "");
    let found = judged(&text, &["max(attempts_per_request window=10s) <= 1.5"], 1);
    assert_eq!(found[0].0, Some(1.0));
}

#[test]
fn an_alert_has_a_first_time_and_a_last() {
    // Looked at every 5 s: of the last 5 s all failed, and later none.
    let text = design(
        "100s",
        "arrivals: constant(10/s), to: a",
        "a: {external: {latency: 5ms}}",
        "{id: f, at: 20s, for: 20s, errors: {node: a, fraction: 100%}}",
    ) + "alerts: {bad: {when: error_fraction(client=load window=5s) > 50%, every: 5s}}\n";
    let targets =
        ["alerts.bad.fired <= 25s", "alerts.bad.resolved <= 45s", "alerts.bad.count == 1"];
    assert_eq!(judged(&text, &targets, 1), [met(25.0), met(45.0), met(1.0)]);
}

#[test]
fn who_never_comes_back_is_seen_from_the_start_of_the_fault_on() {
    // Retries keep it down: 240 s from the start of the fault, 220 s from its end, nobody was well.
    let text = design(
        "6m",
        "arrivals: constant(85/s), to: api, timeout: 500ms, retry: {attempts: 4}",
        "api: {service: {workers: 1, queue: 200, work: 10ms}}",
        "{id: blip, at: 2m, for: 20s, slow: {node: api, factor: 5}}",
    );
    let targets = [
        "back_after(blip) <= 230s",
        "back_after(blip) <= 250s",
        "time_to_recover(blip) <= 210s",
        "time_to_recover(blip) <= 230s",
    ];
    let verdicts: Vec<String> = judged(&text, &targets, 1).into_iter().map(|v| v.1).collect();
    assert_eq!(verdicts, ["missed", "undecided", "missed", "undecided"]);
}

#[test]
fn a_share_of_runs_is_of_those_that_can_tell() {
    // The fault comes in one run of four, which recovers; the other three have nothing to recover from.
    let text = design(
        "60s",
        "arrivals: constant(50/s), to: a, timeout: 100ms",
        "a: {service: {cores: 1, work: 10ms, queue: 50}}",
        "{id: f, at: 20s, for: 10s, probability: 30%, slow: {node: a, factor: 4}}",
    ) + "seed: 1\n";
    let targets =
        ["time_to_recover(f) <= 20s in 25% of runs", "time_to_recover(f) <= 20s in 50% of runs"];
    let found = judged(&text, &targets, 4);
    assert_eq!(found[0], met(1.0));
    assert_eq!(found[1], (Some(1.0), "undecided".to_owned()));
}
