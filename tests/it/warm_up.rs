//! The start from empty: told where it is measured, and left out where a pilot finds how long it is.

use std::fs;

use serde_json::Value;

use crate::cli::{result_folder, windtunnel};

/// A cache of a tenth of the keys; it takes minutes until it is full.
const CACHE: &str = "\
windtunnel: 1
name: cold
duration: 10m
clients: {users: {arrivals: poisson(200/s), to: app, keys: zipf(n=100k s=0.9)}}
nodes:
  app: {service: {workers: 100, endpoints: {default: [{read: {from: db, cache: near}}]}}}
  near: {cache: {capacity: 10k}}
  db: {store: {read: 5ms}}
";

fn run(text: &str, rest: &str) -> (String, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cold.yaml"), text).unwrap();
    let ran = windtunnel(folder.path(), &format!("run cold.yaml {rest}"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let found = result_folder(folder.path(), "cold");
    let results = fs::read(found.join("results.json")).unwrap();
    let scenario = fs::read_to_string(found.join("scenario.yaml")).unwrap();
    (ran.stdout + &ran.stderr, serde_json::from_slice(&results).unwrap(), scenario)
}

fn hit_ratio(results: &Value) -> f64 {
    results["nodes"]["near"]["hit_ratio"]["value"].as_f64().unwrap()
}

#[test]
fn a_cache_that_fills_up_while_it_is_measured_is_told() {
    let told = "the hit ratio of near rises from";
    let (text, cold, _) = run(CACHE, "");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(told), "{text}");
    let warm = CACHE.replace("duration: 10m", "duration: 30m\nwarm_up: 20m");
    let (text, warm, _) = run(&warm, "");
    assert!(!text.split_whitespace().collect::<Vec<_>>().join(" ").contains(told), "{text}");
    assert!(hit_ratio(&warm) > hit_ratio(&cold) + 0.01);
}

#[test]
fn a_pilot_finds_the_warm_up() {
    let text = CACHE.replace("duration: 10m", "duration: 10m\nwarm_up: auto");
    let (told, auto, scenario) = run(&text, "");
    assert!(told.contains("the pilot is steady from"), "{told}");
    let long = CACHE.replace("duration: 10m", "duration: 30m\nwarm_up: 20m");
    let (_, warm, _) = run(&long, "");
    assert!(
        (hit_ratio(&auto) - hit_ratio(&warm)).abs() < 0.01,
        "{} {}",
        hit_ratio(&auto),
        hit_ratio(&warm)
    );
    // What was found stands in the folder, and gives the same there.
    let span = auto["warm_up"].as_f64().unwrap();
    assert!((30.0..=300.0).contains(&span), "{span}");
    assert!(!scenario.contains("auto"), "{scenario}");
    let (_, again, _) = run(&scenario, "");
    assert_eq!(again, auto);
    // The same with any number of threads.
    assert_eq!(run(&text, "--jobs 1").1, auto);
}

#[test]
fn what_never_gets_steady_is_said() {
    let text = "\
windtunnel: 1
name: cold
duration: 200s
warm_up: auto
clients: {users: {arrivals: constant(200/s), to: app}}
nodes: {app: {service: {cores: 1, work: 10ms}}}
";
    let (told, results, _) = run(text, "");
    assert!(told.contains("the pilot does not get steady"), "{told}");
    assert_eq!(results["warm_up"].as_f64(), Some(100.0));
}
