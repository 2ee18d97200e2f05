//! Figures in what `explain` tells: each event with the number it names, and the bottleneck in the right words.

use std::fs;

use serde_json::Value;

use crate::{
    cli::windtunnel,
    design::{design, number, results_of},
};

/// The events of a kind.
fn events(found: &Value, kind: &str) -> Vec<Value> {
    let all = found["timeline"]["events"].as_array().unwrap().iter();
    all.filter(|event| event["kind"] == kind).cloned().collect()
}

#[test]
fn of_a_fault_that_comes_again_and_again_the_first_five_are_told() {
    let fault = "{id: f, at: 10s, every: 10s, for: 1s, errors: {node: a, fraction: 100%}}";
    let client = "arrivals: constant(10/s), to: a";
    let found = results_of(&design("100s", client, "a: {external: {latency: 5ms}}", fault), 1);
    let at: Vec<f64> =
        events(&found, "fault_started").iter().map(|event| number(event, "at")).collect();
    assert_eq!(at, [10.0, 20.0, 30.0, 40.0, 50.0]);
}

#[test]
fn what_drains_is_told_with_when_it_is_gone() {
    // 1,800 wait as the rush ends; 20 a second leave, 600 are left after another 60 s, for 30 s.
    let text = design(
        "150s",
        "arrivals: constant(80/s), to: server, timeout: 1s",
        "server: {service: {cores: 1, work: 10ms}}",
        "{id: rush, at: 60s, for: 30s, load: {client: load, factor: 2}}",
    );
    let found = results_of(&text, 1);
    let drains = &events(&found, "draining")[0];
    assert!((number(drains, "value") - 30.0).abs() < 1.5, "{drains}");
}

#[test]
fn the_level_of_a_load_is_that_after_the_warm_up() {
    // Three times as much until 10 s, of which nothing is measured; four times as much from 70 s on.
    let client = "arrivals: constant(50/s), to: a, \
                  load: [{at: 0s, factor: 3}, {at: 10s, factor: 1}, {at: 70s, factor: 4}]";
    let text = design("100s", client, "a: {external: {latency: 1ms}}", "") + "warm_up: 40s\n";
    let rose = events(&results_of(&text, 1), "load_rose");
    let [rose] = rose.as_slice() else { panic!("{rose:?}") };
    assert!((number(rose, "at") - 70.0).abs() < 1.0, "{rose}");
    assert!((number(rose, "baseline") - 50.0).abs() < 0.1, "{rose}");
    assert!((number(rose, "value") - 200.0).abs() < 0.1, "{rose}");
}

#[test]
fn what_was_full_for_a_while_is_not_full_from_then_on() {
    let said = |client: &str| {
        let folder = tempfile::tempdir().unwrap();
        let text =
            design("100s", client, "a: {service: {cores: 1, work: 10ms}}", "") + "warm_up: 60s\n";
        fs::write(folder.path().join("a.yaml"), text).unwrap();
        let ran = windtunnel(folder.path(), "explain a.yaml -n 1");
        ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    // Of the last 20 s all; or 15 of them, three eighths of the 40 s that are measured.
    let good = said("arrivals: constant(50/s), to: a, load: [{at: 80s, factor: 4}]");
    assert!(good.contains("a: cores, full from 1m20s on, in 50 % of all windows"), "{good}");
    let passing = said(
        "arrivals: constant(50/s), to: a, load: [{at: 80s, factor: 2.5}, {at: 90s, factor: 1}]",
    );
    assert!(passing.contains("a: cores, first full at 1m20s, in 3"), "{passing}");
    // Seven tenths are much, half and less are not.
    let much = said("arrivals: constant(70/s), to: a");
    assert!(much.contains("a: cores, 70 % in use; never full for long"), "{much}");
    let little = said("arrivals: constant(40/s), to: a");
    assert!(little.contains("none: nothing is near its limit"), "{little}");
}
