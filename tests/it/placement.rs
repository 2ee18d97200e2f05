//! Where keys go: shards and balancers that choose by key.

use crate::{
    bad_input::check_in,
    design::{number, results, results_of},
};

/// Share of each instance of `api` in 100,000 different keys.
fn shares(nodes: &str, to: &str, node: &str, list: &str, n: usize) -> Vec<f64> {
    let measured = results(
        "100.0005s",
        &format!("arrivals: constant(1000/s), to: {to}, keys: sequential(n=100k)"),
        nodes,
        "",
    );
    (0..n).map(|i| number(&measured, &format!("nodes.{node}.{list}.{i}.keys_share"))).collect()
}

#[test]
fn shards_by_ring_and_by_hash_split_the_keys() {
    for (by, spread) in [("hash", 0.02), ("consistent_hash(vnodes=100)", 0.4)] {
        let store = format!("db: {{store: {{shards: {{count: 8, by: \"{by}\"}}, read: 1us}}}}");
        let nodes =
            format!("{store}, app: {{service: {{endpoints: {{default: [{{read: db}}]}}}}}}");
        let shares = shares(&nodes, "app", "db", "shards", 8);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let most = shares.iter().copied().fold(0.0, f64::max) * 8.0;
        assert!(most > 1.0 && most < 1.0 + spread, "{by}: {most}");
        // A ring with one point each is far less even.
        if by != "hash" {
            let one = nodes.replace("vnodes=100", "vnodes=1");
            let uneven = super::placement::shares(&one, "app", "db", "shards", 8);
            assert!(uneven.iter().copied().fold(0.0, f64::max) * 8.0 > most);
        }
    }
}

#[test]
fn shards_by_range_and_by_directory_split_the_keys() {
    let nodes = |by: &str| {
        format!(
            "db: {{store: {{shards: {{count: 4, by: {by}}}, read: 1us}}}}, \
             app: {{service: {{endpoints: {{default: [{{read: db}}]}}}}}}"
        )
    };
    let shares = |by: &str| shares(&nodes(by), "app", "db", "shards", 4);
    assert_eq!(shares("range"), [0.25; 4]);
    assert_eq!(shares("range(10k 20k 80k)"), [0.1, 0.1, 0.6, 0.2]);
    assert_eq!(shares("directory"), [0.25; 4]);
    // The popular keys of a Zipf law are neighbours: H(250, 1) of H(1000, 1) = 6.1013 of 7.4855.
    let measured = results(
        "200s",
        "arrivals: poisson(1000/s), to: app, keys: zipf(n=1k s=1)",
        &nodes("range"),
        "",
    );
    let first = number(&measured, "nodes.db.shards.0.keys_share");
    assert!((first - 6.1013 / 7.4855).abs() < 0.005, "{first}");
}

/// 1 + 1/2 + ... + 1/n.
fn harmonic(n: u32) -> f64 {
    (1..=n).map(|k| 1.0 / f64::from(k)).sum()
}

#[test]
fn reads_of_many_keys_or_all_shards_wait_for_the_slowest_needed() {
    // The k-th fastest of n exponential times of mean m takes m (H(n) - H(n - k)) in the mean
    // (A. Renyi, "On the theory of order statistics", 1953).
    for (read, calls, expected) in [
        ("{from: db, count: 5}", 5.0, harmonic(5)),
        ("{from: db, count: 1}", 1.0, 1.0),
        ("{from: db, shards: all}", 20.0, harmonic(20)),
        ("{from: db, shards: all, need: 95%}", 20.0, harmonic(20) - 1.0),
        ("{from: db, count: 8, need: 50%}", 8.0, harmonic(8) - harmonic(4)),
    ] {
        let measured = results(
            "400s",
            "arrivals: poisson(100/s), to: app, keys: {user: uniform(n=1k), item: zipf(n=1k s=1)}",
            &format!(
                "db: {{store: {{shards: {{count: 20}}, read: exp(mean=10ms)}}}}, \
                 app: {{service: {{endpoints: {{default: [{{read: {read}}}]}}}}}}"
            ),
            "",
        );
        let mean = number(&measured, "summary.latency.mean") / 0.01;
        assert!((mean / expected - 1.0).abs() < 0.015, "{read}: {mean}, not {expected}");
        let (asked, requests) =
            (number(&measured, "nodes.db.outcomes.ok"), number(&measured, "summary.requests.ok"));
        assert!((asked / requests / calls - 1.0).abs() < 0.001, "{read}: {asked} / {requests}");
        if read.contains("all") {
            for shard in 0..20 {
                let share = number(&measured, &format!("nodes.db.shards.{shard}.keys_share"));
                assert!((share - 0.05).abs() < 1e-4, "{shard}: {share}");
            }
        }
    }
}

#[test]
fn further_keys_follow_the_law_of_their_space() {
    // 10 keys at once through a cache that holds all: as many different keys are missed as there
    // are, and the most popular one is asked for as often as its law says.
    let measured = results(
        "100s",
        "arrivals: poisson(100/s), to: app, keys: {user: uniform(n=9), item: hot(n=1k hot=0.1% share=30%)}",
        "db: {store: {shards: {count: 2, by: range(1)}, read: 1us}}, lru: {cache: {}}, \
         app: {service: {endpoints: {default: [{read: {from: db, key: item, count: 10}}, \
         {read: {from: db, key: item, count: 10, cache: lru}}]}}}",
        "",
    );
    let requests = number(&measured, "summary.requests.issued");
    let lookups = number(&measured, "nodes.lru.lookups");
    assert!((lookups - 10.0 * requests).abs() < 11.0, "{lookups}");
    let misses = lookups - number(&measured, "nodes.lru.hits");
    assert!((1000.0..1010.0).contains(&misses), "{misses}");
    // Shard 0 holds key 1 alone: 30 % of the uncached reads, one of the cached ones.
    let hot = number(&measured, "nodes.db.shards.0.keys_share") * (10.0 * requests + misses);
    assert!((hot / (10.0 * requests) - 0.3).abs() < 0.005, "{hot}");
}

#[test]
fn a_read_of_all_shards_fails_with_one_of_them_unless_the_rest_will_do() {
    for (need, availability) in [("", 0.5), (", need: 75%", 1.0), (", need: 76%", 0.5)] {
        let measured = results(
            "100s",
            "arrivals: constant(10/s), to: app, timeout: 1s",
            &format!(
                "db: {{store: {{shards: {{count: 4}}, read: 1ms}}}}, \
                 app: {{service: {{endpoints: {{default: [{{read: {{from: db, shards: all{need}}}}}]}}, \
                 dependencies: {{db: {{timeout: 50ms}}}}}}}}"
            ),
            "{id: f, at: 50s, crash: {node: db, shard: 2}}",
        );
        let found = number(&measured, "summary.availability");
        assert!((found - availability).abs() < 0.002, "{need}: {found}");
    }
}

#[test]
fn a_miss_may_be_fetched_from_any_node() {
    let measured = results(
        "100s",
        "arrivals: poisson(100/s), to: app, keys: uniform(n=100)",
        "app: {service: {endpoints: {default: [{read: {from: pricing, cache: near}}]}}}, \
         near: {cache: {}}, pricing: {service: {cores: 100, work: 5ms}}",
        "",
    );
    // A few keys are missed again while they are being fetched.
    let fetched = number(&measured, "nodes.pricing.outcomes.ok");
    assert!((100.0..160.0).contains(&fetched), "{fetched}");
    assert_eq!(number(&measured, "nodes.near.lookups"), number(&measured, "summary.requests.ok"));
}

#[test]
fn a_key_always_finds_its_instance() {
    // Each instance has a cache of its own inside it in effect: with sticky keys 4 x 25 entries hold
    // 100 keys between them, in turn they do not.
    for (policy, hits) in [
        ("consistent_hash(vnodes=100)", true),
        ("bounded_hash(vnodes=100 c=4)", true),
        ("rendezvous", true),
        ("round_robin", false),
    ] {
        let measured = results(
            "100s",
            "arrivals: constant(100/s), to: lb, keys: uniform(n=100)",
            &format!(
                "lb: {{load_balancer: {{to: [c1, c2, c3, c4], policy: \"{policy}\"}}}}, \
                 c1: {{cache: {{capacity: 50}}}}, c2: {{cache: {{capacity: 50}}}}, \
                 c3: {{cache: {{capacity: 50}}}}, c4: {{cache: {{capacity: 50}}}}"
            ),
            "",
        );
        let found: f64 = (1..=4).map(|i| number(&measured, &format!("nodes.c{i}.hits"))).sum();
        let asked: f64 = (1..=4).map(|i| number(&measured, &format!("nodes.c{i}.lookups"))).sum();
        assert_eq!(asked, 9_999.0, "{policy}");
        // At least one miss for each key; with keys that stay, no more.
        assert!(
            if hits { found == asked - 100.0 } else { found < 0.6 * asked },
            "{policy}: {found}"
        );
    }
}

#[test]
fn sessions_stay_where_they_began_until_that_is_gone() {
    let served = |policy: &str, faults: &str| {
        let measured = results(
            "100s",
            "arrivals: closed(users=30 think=100ms), to: lb, keys: uniform(n=1), timeout: 1s",
            &format!(
                "lb: {{load_balancer: {{to: [c1, c2, c3], policy: {policy}, \
                 health_check: {{detect: 2s}}}}}}, \
                 c1: {{service: {{work: 1ms, workers: 99}}}}, c2: {{service: {{work: 1ms, \
                 workers: 99}}}}, c3: {{service: {{work: 1ms, workers: 99}}}}"
            ),
            faults,
        );
        ["c1", "c2", "c3"].map(|c| number(&measured, &format!("nodes.{c}.outcomes.ok")))
    };
    // Ten users each, as long as nothing fails, and each as often as any other.
    let [a, b, c] = served("sticky", "");
    assert!((a - b).abs() <= 10.0 && (b - c).abs() <= 10.0, "{a} {b} {c}");
    // c1 is gone for the second quarter: its users move on and stay away.
    let crash = "{id: f, at: 25s, for: 25s, crash: {node: c1, process: true}}";
    let [a, b, c] = served("sticky", crash);
    assert!((a / (a + b + c) - 0.25 / 3.0).abs() < 0.005, "{a} {b} {c}");
    assert!((b - c).abs() < 0.01 * b, "{a} {b} {c}");
    // In turn, all but the time it is down is shared alike: 73 s of thirds, 27 s of halves.
    let [a, b, c] = served("round_robin", crash);
    assert!((a / (a + b + c) - 0.73 / 3.0).abs() < 0.01, "{a} {b} {c}");
}

#[test]
fn a_hot_key_spills_over_where_loads_are_bounded() {
    let most = |policy: &str| {
        let measured = results(
            "100s",
            "arrivals: poisson(100/s), to: lb, keys: hot(n=1k hot=0.1% share=80%)",
            &format!(
                "lb: {{load_balancer: {{to: api, policy: \"{policy}\"}}}}, \
                 api: {{service: {{instances: 4, cores: 100, work: 100ms}}}}"
            ),
            "",
        );
        (0..4)
            .map(|i| number(&measured, &format!("nodes.api.per_instance.{i}.keys_share")))
            .fold(0.0, f64::max)
    };
    assert!(most("consistent_hash(vnodes=100)") > 0.8);
    let bounded = most("bounded_hash(vnodes=100 c=1.25)");
    assert!((0.25..0.36).contains(&bounded), "{bounded}");
}

const GOOD: &str = "\
windtunnel: 1
name: placement
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: lb, keys: uniform(n=9)}}
nodes:
  lb: {load_balancer: {to: api, policy: rendezvous}}
  api: {service: {instances: 3, cores: 1, endpoints: {default: [{work: 1ms}, {read: db}]}}}
  db: {store: {read: 1ms, shards: {count: 3, by: hash}}}
";

#[test]
fn placements_are_checked() {
    check_in(
        GOOD,
        &[
            ("B42", "rendezvous", "consistent_hash(vnodes=0)", "6:41 E-SHARD", "1..=10000"),
            ("B42", "rendezvous", "bounded_hash(c=0.5)", "6:41 E-RANGE", "1..=1000"),
            ("B42", "by: hash", "by: consistent_hash(vnodes=0)", "8:50 E-SHARD", ""),
            ("B42", "by: hash", "by: range(5)", "8:50 E-SHARD", "3 shards need 2 last keys"),
            ("B42", "by: hash", "by: range(5 5)", "8:50 E-SHARD", "must rise"),
            ("B42", "by: hash", "by: range(7 5)", "8:50 E-SHARD", "must rise"),
            ("B42", "by: hash", "by: directory(9)", "8:50 E-EXPR", "no place for `9`"),
            ("B42", "by: hash", "by: hsh", "8:50 E-ENUM", "did you mean `hash`"),
            (
                "B53",
                "count: 3, by: hash",
                "count: 30000, by: consistent_hash(vnodes=1000)",
                "8:54 E-BUDGET",
                "points",
            ),
            ("B41", ", keys: uniform(n=9)", "", "4:11 E-MISSING", "balancer `lb` need keys"),
            ("B1", "read: db", "read: {from: db, count: 0}", "7:103 E-RANGE", "at least 1"),
            ("B1", "read: db", "read: {from: db, count: 20000}", "7:103 E-BUDGET", "10000"),
            ("B1", "read: db", "read: {from: db, count: 2, key: session}", "7:103 E-CONFLICT", ""),
            ("B1", "read: db", "read: {from: db, need: 50%}", "7:102 E-CONFLICT", "all `shards`"),
            ("B1", "read: db", "read: {from: db, count: 2, need: 0%}", "7:112 E-RANGE", "above 0"),
            ("B1", "read: db", "read: {from: db, shards: some}", "7:104 E-ENUM", ""),
            ("B1", "read: db", "read: {from: db, shards: all, count: 2}", "7:116 E-CONFLICT", ""),
            (
                "B1",
                "[{work: 1ms}, {read: db}]}}}",
                "[{read: {from: db2, shards: all}}]}}}\n  db2: {external: {latency: 1ms}}",
                "7:92 E-REF",
                "not a store",
            ),
            ("W", "rendezvous", "sticky", "4:11 W-STICKY", "a session of its own"),
        ],
    );
}

#[test]
fn the_picture_has_all_zones_of_a_client_and_a_word_for_each_of_several_calls() {
    let results = results_of(
        "windtunnel: 1\nname: picture\nduration: 1s\n\
         topology: {regions: {us: [us-a], eu: [eu-a, eu-b]}}\n\
         clients: {u: {arrivals: constant(10/s), to: api, zones: [us-a, eu]}}\n\
         nodes:\n  db: {store: {read: 1ms, cores: 1}}\n  \
         api: {service: {cores: 1, endpoints: {default: [{read: db}, {call: back}]}, zones: [us-a],\n    \
         background: [{every: 1s, do: [{read: db}, {call: back}]}]}}\n  \
         back: {service: {cores: 2, work: 1ms, calls: [db]}}\n",
        1,
    );
    let design = &results["design"];
    let zones = serde_json::json!([["eu-a", 1], ["eu-b", 1], ["us-a", 1]]);
    assert_eq!(design["vertices"][0]["zones"], zones);
    let details: Vec<_> =
        (1..4).map(|i| design["vertices"][i]["detail"].as_str().unwrap()).collect();
    assert_eq!(details, ["1 core", "2 cores", "1 core per shard"]);
    let labels: Vec<_> = (0..3)
        .map(|i| &design["edges"][i])
        .map(|edge| (edge["to"].as_str().unwrap(), edge["label"].as_str().unwrap()))
        .collect();
    assert!(labels.contains(&("db", "read, background read")), "{labels:?}");
    assert!(labels.contains(&("back", "call, background")), "{labels:?}");
}
