//! Reads and writes that are not answered as their stores say: each by its own level.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
};

/// Users of a store straight and through a service; how reads and writes are answered, and the store's replication.
fn design(read: &str, write: &str, replication: &str) -> String {
    format!(
        "windtunnel: 1\nname: levels\nduration: 30s\nseed: 8\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 3ms}}\n\
         clients:\n  users:\n    arrivals: poisson(100/s)\n    zones: [a, b, c]\n    keys: uniform(n=20)\n    timeout: 1s\n\
         \x20   operations:\n      put: {{write: {{to: kv{write}}}, share: 30%}}\n      get: {{read: {{from: kv{read}}}, share: 40%}}\n\
         \x20     page: {{to: web, share: 30%}}\n\
         nodes:\n  web: {{service: {{zones: [a, b, c], instances: 3, cores: 8, endpoints: {{page: [{{read: {{from: kv{read}}}}}, \
         {{write: {{to: kv{write}}}}}]}}}}}}\n\
         \x20 kv: {{store: {{zones: [a, b, c], read: exp(mean=1ms), write: exp(mean=1ms), replication: {{{replication}}}}}}}\n\
         faults: [{{id: cut, at: 10s, for: 5s, partition: {{between: [[kv@1], [kv@0]]}}}}]\n"
    )
}

/// What users see: everything but what the design is called by.
fn figures(results: &Value) -> [&Value; 3] {
    [&results["summary"], &results["consistency"], &results["nodes"]["kv"]["messages"]]
}

#[test]
fn what_each_step_asks_for_is_what_a_store_would_do_that_says_so() {
    let follow =
        |reads: &str| format!("leader_follower: {{followers: 2, lag: 20ms, reads: {reads}}}");
    let raft = |reads: &str| format!("raft: {{replicas: 3, reads: {reads}}}");
    let quorum =
        |read: &str, write: &str| format!("quorum: {{replicas: 3, read: {read}, write: {write}}}");
    let level = |reads: &str| format!(", reads: {reads}");
    let mut all: Vec<(String, String)> = Vec::new();
    for (own, usual) in
        [("followers", "leader"), ("nearest", "leader"), ("any", "followers"), ("leader", "any")]
    {
        all.push((design(&level(own), "", &follow(usual)), design("", "", &follow(own))));
    }
    for (own, usual) in [
        ("follower", "read_index"),
        ("leader", "read_index"),
        ("read_index", "follower"),
        ("read_index", "lease"),
    ] {
        all.push((design(&level(own), "", &raft(usual)), design("", "", &raft(own))));
    }
    for (own, usual) in [("1", "majority"), ("all", "1"), ("majority", "all")] {
        let asked = format!(", quorum: {own}");
        all.push((
            design(&asked, &asked, &quorum(usual, usual)),
            design("", "", &quorum(own, own)),
        ));
    }
    for (own, usual) in &all {
        let (own, usual) = (results_of(own, 1), results_of(usual, 1));
        assert_eq!(figures(&own), figures(&usual), "{}", own["scenario"]);
    }
}

#[test]
fn each_pays_for_what_it_asks() {
    // One answer suffices, but who pays asks most of them, both ways; others look.
    let own = "quorum: {replicas: 3, read: 1, write: 1, read_repair: false}";
    let all = |read: &str, write: &str| results_of(&design(read, write, own), 1);
    let (one, most) = (all("", ""), all(", quorum: majority", ", quorum: majority"));
    let old = |results: &Value| number(results, "consistency.stale_reads");
    assert!(old(&one) > 10.0 && old(&most) == 0.0, "{} {}", old(&one), old(&most));
    // The second of three answers comes from another zone: 6 ms there and back.
    let p50 = |results: &Value| number(results, "clients.users.operations.get.latency.p50");
    assert!(p50(&one) < 4e-3 && p50(&most) > 6e-3, "{} {}", p50(&one), p50(&most));
    let mixed = all("", ", quorum: all");
    assert_eq!(old(&mixed), 0.0);
    assert!(p50(&mixed) < 4e-3);
    assert!(
        number(&mixed, "clients.users.operations.put.availability") < 0.9,
        "the cut refuses writes"
    );
}

#[test]
fn a_store_that_nobody_writes_is_asked_as_it_is_said() {
    let looks = |read: &str| {
        let text = design(read, "", "quorum: {replicas: 3}")
            .replace("put: {write: {to: kv}", "put: {read: {from: kv}")
            .replace(", {write: {to: kv}}", "");
        assert!(!text.contains("write: {"), "{text}");
        number(&results_of(&text, 1), "clients.users.operations.get.latency.p50")
    };
    let (one, most) = (looks(", quorum: 1"), looks(""));
    assert!(one < 0.7 * most, "{one} {most}");
}

#[test]
fn what_nobody_answers_so_is_refused_where_it_stands() {
    const OWN: &str = ", quorum: 1}, share: 40%";
    // Only the operation asks.
    let one = |own: &str, replication: &str| {
        let text = design(own, "", replication);
        let text = text.replace(&format!("[{{read: {{from: kv{own}}}}}"), "[{read: kv}");
        text[..text.find("faults:").unwrap_or(text.len())].to_owned()
    };
    let good = one(", quorum: 1", "quorum: {replicas: 3}");
    let cases: [Case; 7] = [
        ("none", OWN, ", quorum: 0}, share: 40%", "15:38 E-QUORUM", "from 1 to 3"),
        ("many", OWN, ", quorum: 4}, share: 40%", "15:38 E-QUORUM", "from 1 to 3"),
        ("word", OWN, ", quorum: most}, share: 40%", "15:38 E-TYPE", "majority"),
        ("leader", OWN, ", reads: leader}, share: 40%", "15:37 E-CONFLICT", "have no leader"),
        ("unknown", OWN, ", reads: leder}, share: 40%", "15:37 E-ENUM", "leader"),
        (
            "raft",
            "quorum: {replicas: 3}",
            "raft: {replicas: 3}",
            "15:38 E-CONFLICT",
            "has no quorums",
        ),
        (
            "copy",
            "replication: {quorum: {replicas: 3}}",
            "cores: 4",
            "15:38 E-CONFLICT",
            "has no replicas",
        ),
    ];
    check_in(&good, &cases);
    let log = one(", reads: read_index", "raft: {replicas: 3}");
    let cases: [Case; 2] = [
        (
            "lease",
            "from: kv, reads: read_index}, share",
            "from: kv, reads: lease}, share",
            "15:37 E-CONFLICT",
            "wait for leases to end",
        ),
        (
            "nearest",
            "from: kv, reads: read_index}, share",
            "from: kv, reads: nearest}, share",
            "15:37 E-CONFLICT",
            "no such reads",
        ),
    ];
    check_in(&log, &cases);
    let all = log.replace("[{read: kv}", "[{read: {from: kv, shards: all}}");
    let cases: [Case; 1] =
        [("all", "shards: all", "shards: all, reads: leader", "18:118 E-CONFLICT", "every shard")];
    check_in(&all, &cases);
}

#[test]
fn what_one_step_asks_for_the_next_one_does_not_get() {
    let text = "windtunnel: 1\nname: next\nduration: 20s\ntopology: {regions: {r: [a, b, c]}}\n\
        network: {same_zone: 0.2ms, same_region: 3ms}\n\
        clients: {c: {arrivals: poisson(20/s), zones: [c], keys: uniform(n=9), timeout: 1s, to: web}}\n\
        nodes:\n  web: {service: {zones: [c], cores: 8, endpoints: {default: [{read: {from: kv, reads: nearest}}, \
        {read: {from: kv, shards: all}}]}}}\n\
        \x20 kv: {store: {zones: [a, b, c, a, b, c], shards: {count: 2}, read: 1ms, replication: {leader_follower: {followers: 2}}}}\n";
    // The nearest is here: 0.4 ms there and back; both leaders are elsewhere: 6 ms. Each works for 1 ms.
    let p50 = |text: &str| number(&results_of(text, 1), "nodes.web.response_time.p50");
    let found = p50(text);
    assert!((found - (1.4e-3 + 7e-3)).abs() < 0.2e-3, "{found}");
    let usual = p50(&text.replace(", reads: nearest", ""));
    assert!((usual - 14e-3).abs() < 0.2e-3, "{usual}");
}
