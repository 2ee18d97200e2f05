//! The oracles about hashing (`tests/oracles/hashing.json`), each through a scenario of its own; the
//! spread of points on a ring (`ring-10-1` and so on) is tested where rings are made.

use std::sync::atomic::AtomicBool;

use serde_json::Value;
use windtunnel::{
    scenario::load::Overrides,
    study::{Alone, Replication},
};

use crate::{
    design::{number, results},
    theory::oracles::run::open,
};

/// The answer with this id.
fn oracle(id: &str) -> Value {
    let all: Vec<Value> =
        serde_json::from_str(include_str!("../oracles/hashing.json")).expect("oracles are JSON");
    all.into_iter().find(|entry| entry["id"] == id).unwrap_or_else(|| panic!("no oracle {id}"))
}

/// Asserts that a figure is the answer to within the entry's own tolerance.
fn agrees(id: &str, metric: &str, found: f64) {
    let entry = oracle(id);
    let (expected, tolerance) =
        (entry["expected"][metric].as_f64().unwrap(), entry["rel_tol"].as_f64().unwrap());
    let error = found / expected - 1.0;
    assert!(error.abs() <= tolerance, "{id} {metric}: {found} instead of {expected}");
}

/// Arrivals at each instance of node `bins`, by replication.
fn arrivals(text: &str, replications: usize) -> Vec<Vec<u64>> {
    let mut each = Vec::new();
    let mut look = |one: &Replication<'_>| each.push(one.arrivals("bins"));
    let study = open("scenario.yaml", &Alone(text), &Overrides::default());
    study.run_watched(replications, &AtomicBool::new(false), &mut look).expect("it is sound");
    each
}

/// `balls` requests that never end, thrown by a balancer into `bins` instances.
fn thrown(balls: u64, bins: u64, policy: &str, replications: usize) -> Vec<Vec<u64>> {
    let text = format!(
        "windtunnel: 1\nname: balls\nduration: 1s\n\
         clients: {{load: {{arrivals: constant({}/s), to: lb}}}}\n\
         nodes:\n  lb: {{load_balancer: {{to: bins, policy: {policy}}}}}\n  \
         bins: {{service: {{instances: {bins}, endpoints: {{default: [{{wait: 1h}}]}}}}}}\n",
        balls + 1
    );
    let all = arrivals(&text, replications);
    assert!(all.iter().all(|loads| loads.iter().sum::<u64>() == balls));
    all
}

/// The mean of a figure over replications.
fn mean(all: &[Vec<u64>], figure: impl Fn(&[u64]) -> u64) -> f64 {
    all.iter().map(|loads| figure(loads)).sum::<u64>() as f64 / all.len() as f64
}

fn fullest(loads: &[u64]) -> u64 {
    loads.iter().copied().max().unwrap_or(0)
}

#[test]
fn balls_thrown_at_random_fill_bins_as_they_must() {
    for (id, balls, bins, replications) in [
        ("balls-100-100", 100, 100, 4000),
        ("balls-1000-1000", 1000, 1000, 700),
        ("balls-10000-100", 10_000, 100, 200),
    ] {
        let all = thrown(balls, bins, "random", replications);
        agrees(id, "E_max", mean(&all, fullest));
        // Of 10,000 balls hardly any bin in the world's age stays empty.
        if balls == bins {
            let empty = |loads: &[u64]| loads.iter().filter(|&&n| n == 0).count() as u64;
            agrees(id, "E_empty_bins", mean(&all, empty));
        }
    }
}

#[test]
fn two_choices_even_out_the_bins() {
    let all = thrown(1000, 1000, "power_of_d(d=2)", 200);
    agrees("balls2-1000", "E_max", mean(&all, fullest));
    let all = thrown(10_000, 100, "power_of_d(d=2)", 30);
    agrees("balls2-100-10k", "E_max", mean(&all, fullest));
}

#[test]
fn the_hottest_keys_have_their_share() {
    // One shard for each key, in their order.
    let text = "windtunnel: 1\nname: hot\nduration: 1000s\n\
                clients: {load: {arrivals: constant(1000/s), to: bins, keys: zipf(n=10000 s=0.99)}}\n\
                nodes:\n  bins: {store: {shards: {count: 10000, by: range}, read: 0s}}\n";
    let loads = &arrivals(text, 1)[0];
    let all: u64 = loads.iter().sum();
    let share = |n: usize| loads[..n].iter().sum::<u64>() as f64 / all as f64;
    agrees("hot-key", "top1", share(1));
    agrees("hot-key", "top1pct", share(100));
}

#[test]
fn one_more_instance_moves_the_keys_it_must() {
    // All keys are asked for once with ten instances and once with eleven: what is not found again has
    // moved.
    for (by, metric) in
        [("hash", "moved_modulo"), ("consistent_hash(vnodes=1000)", "moved_consistent")]
    {
        let client = "arrivals: constant(1000/s), to: c, keys: sequential(n=20000)";
        let nodes = format!("c: {{cache: {{instances: 10, by: {by}}}}}");
        let grow = "{id: grow, at: 20.0005s, set: {nodes.c.cache.instances: 11}}";
        let found = results("40.0005s", client, &nodes, grow);
        assert_eq!(number(&found, "nodes.c.lookups"), 40_000.0);
        let moved = number(&found, "nodes.c.misses") - 20_000.0;
        agrees("ring-resize", metric, moved / 20_000.0);
        // And back again: who left finds what it left behind.
        let shrink = "{id: grow, at: 20.0005s, for: 5s, set: {nodes.c.cache.instances: 11}}";
        let back = results("40.0005s", client, &nodes, shrink);
        let lost = number(&back, "nodes.c.misses") - 20_000.0;
        assert!((lost * 4.0 / moved - 1.0).abs() < 0.1, "{lost} of {moved}");
    }
}
