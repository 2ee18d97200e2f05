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
    assert!(told.contains("the pilot is not seen to get steady"), "{told}");
    assert_eq!(results["warm_up"].as_f64(), Some(100.0));
}

#[test]
fn a_cache_that_is_filled_before_is_warm_from_the_start() {
    // Zipf keys, the most popular tenth of which is there: at first it gets H(n/10)/H(n) of the requests.
    let text = |n: u32, more: &str| {
        format!(
            "windtunnel: 1\nname: cold\nduration: 60s\n\
             clients: {{users: {{arrivals: poisson(500/s), to: app, keys: zipf(n={n} s=1)}}}}\n\
             nodes:\n  app: {{service: {{workers: 100, endpoints: {{default: [{{read: {{from: db, cache: near}}}}]}}}}}}\n  \
             near: {{cache: {{{more}}}}}\n  db: {{store: {{read: 5ms}}}}\n"
        )
    };
    let harmonic = |n: u32| (1..=n).map(|k| 1.0 / f64::from(k)).sum::<f64>();
    let wanted = harmonic(10_000) / harmonic(100_000);
    let (_, warm, _) =
        run(&text(100_000, "capacity: 10k, prefill: 100%"), "--set duration=1s -n 10");
    assert!((hit_ratio(&warm) - wanted).abs() < 0.02, "{} {wanted}", hit_ratio(&warm));
    let (_, cold, _) = run(&text(100_000, "capacity: 10k"), "--set duration=1s -n 10");
    assert!(hit_ratio(&cold) < hit_ratio(&warm) - 0.05, "{}", hit_ratio(&cold));
    // All keys, dealt to three instances by a ring: nothing is ever missed.
    let (_, all, _) = run(&text(1000, "instances: 3, prefill: 100%"), "");
    assert_eq!(hit_ratio(&all), 1.0);
    // Half of them: what is asked for of the other half is missed once.
    let (_, half, _) = run(&text(1000, "prefill: 50%"), "");
    let misses = half["nodes"]["near"]["misses"].as_u64().unwrap();
    assert!(misses > 1500 && misses <= 5 * 500, "{misses}");
    // Lives end one after the other, not all at once: a tenth of them in each tenth of the first life.
    let (_, lives, _) = run(&text(1000, "prefill: 100%, ttl: 60s"), "");
    let series = lives["series"]["nodes"]["near"]["hit_ratio"].as_array().unwrap();
    let least = series.iter().filter_map(Value::as_f64).fold(1.0, f64::min);
    assert!(least > 0.5, "{least}");
}

#[test]
fn what_cannot_be_filled_is_refused() {
    let near = "near: {cache: {capacity: 10k}}";
    for more in ["prefill: 0%", "prefill: 120%"] {
        let folder = tempfile::tempdir().unwrap();
        let text = CACHE.replace(near, &format!("near: {{cache: {{capacity: 10k, {more}}}}}"));
        fs::write(folder.path().join("cold.yaml"), text).unwrap();
        let ran = windtunnel(folder.path(), "run cold.yaml");
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains("cold.yaml:7:42\n"), "{more}: {}", ran.stderr);
        assert!(ran.stderr.contains("E-RANGE"), "{more}: {}", ran.stderr);
    }
    // Nobody asks it for a key; sizes that hang on who asks.
    for (old, new, told) in [
        ("{read: {from: db, cache: near}}", "{read: db}", "nobody asks for keys here"),
        (
            "db: {store: {read: 5ms}}",
            "db: {store: {read: 5ms, value_size: 1B * big}}",
            "depends on who asks",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let text = CACHE
            .replace(near, "near: {cache: {capacity: 10k, prefill: 100%}}")
            .replace("keys: zipf", "attributes: {big: 5}, keys: zipf")
            .replace(old, new);
        fs::write(folder.path().join("cold.yaml"), text).unwrap();
        let ran = windtunnel(folder.path(), "run cold.yaml");
        assert!(ran.code == 2 && ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
}
