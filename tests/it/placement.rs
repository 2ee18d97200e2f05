//! Where keys go: shards and balancers that choose by key.

use crate::{
    bad_input::check_in,
    faults::{number, results},
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
            ("B42", "by: hash", "by: range", "8:50 E-UNSUPPORTED", "not supported yet"),
            ("B42", "by: hash", "by: hsh", "8:50 E-ENUM", "did you mean `hash`"),
            (
                "B53",
                "count: 3, by: hash",
                "count: 30000, by: consistent_hash(vnodes=1000)",
                "8:54 E-BUDGET",
                "points",
            ),
            ("B41", ", keys: uniform(n=9)", "", "4:11 E-MISSING", "balancer `lb` need keys"),
            ("B41", "rendezvous", "sticky", "6:41 E-UNSUPPORTED", "not supported yet"),
        ],
    );
}
