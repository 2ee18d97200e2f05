//! Views with replicas: how late they are, what is lost when another one leads, and what is left when all is over.

use serde_json::Value;

use crate::{
    design::{number, results_of},
    views::{at_search, near, shop, view},
};

/// A view whose copies follow one another so.
fn copied(text: &str, copies: &str) -> String {
    let alone = "write: 5ms, cores: 8";
    assert!(text.contains(alone), "{text}");
    text.replace(alone, &format!("{alone}, replication: {{{copies}}}"))
}

const ALONE: [&str; 2] = ["raft: {replicas: 1}", "leader_follower: {followers: 0}"];

/// All that is seen of a view from outside.
fn seen(found: &Value) -> Vec<Value> {
    let mut node = found["nodes"]["search"].clone();
    // Only of what has copies.
    node["consistency"].as_object_mut().map(|all| all.remove("split_brain_time"));
    let of = |what: &str| node[what].clone();
    ["view", "consistency", "outcomes", "waiting_time", "throughput"].map(of).to_vec()
}

#[test]
fn a_view_of_one_replica_is_as_one_of_one_copy() {
    // Some messages pass others on their way.
    let text = shop("").replace("wait: 100ms", "wait: exp(mean=100ms)").replace("n=100)", "n=10)");
    let alone = results_of(&text, 1);
    assert!(view(&alone, "inversions") > 50.0);
    let one = seen(&alone);
    for alone in ALONE {
        assert_eq!(seen(&results_of(&copied(&text, alone), 1)), one, "{alone}");
    }
}

#[test]
fn a_version_is_there_when_it_is_committed_or_has_its_stamp() {
    // To the view and its work there, as for one copy; and then to the others and back. A stamp is given before the work.
    let alone = 1.0 + 1.0 + 3.0 + 1.0 + 100.0 + 1.0 + 5.0;
    for (copies, more) in [
        ("leader_follower: {followers: 2}", 0.0),
        ("leader_follower: {followers: 2, ack: sync}", 0.0),
        ("raft: {replicas: 3}", 2.0),
        ("raft: {replicas: 3, fsync: 4ms}", 6.0),
        ("quorum: {replicas: 3}", -5.0),
    ] {
        let text = shop("").replace("poisson(20/s)", "constant(20/s)");
        let found = results_of(&copied(&text, copies), 1);
        near(view(&found, "lag.mean") * 1e3, alone + more);
        near(view(&found, "lag.max") * 1e3, alone + more);
        let written = number(&found, "nodes.orders.consistency.operations.write");
        assert!((view(&found, "applied") - written).abs() < 10.0, "{copies}: {written}");
        assert_eq!(view(&found, "inversions"), 0.0, "{copies}");
        // What is said there of data is said of the source's.
        assert!(found["nodes"]["search"]["consistency"]["linearizable"].is_null(), "{copies}");
        assert_eq!(found["consistency"]["linearizable"], true, "{copies}");
        assert_eq!(at_search(&found, "lost_acked_writes"), 0.0, "{copies}");
    }
}

#[test]
fn a_follower_of_a_view_is_older_than_its_leader_by_what_lies_between_them() {
    // One key is written twice a second and looked at every millisecond.
    let text = |copies: &str| {
        copied(&shop(""), copies)
            .replace("poisson(20/s), keys: uniform(n=100)", "constant(2/s), keys: uniform(n=1)")
            .replace("poisson(200/s), keys: uniform(n=100)", "constant(1000/s), keys: uniform(n=1)")
    };
    let old = |copies: &str| {
        let found = results_of(&text(copies), 1);
        let written = number(&found, "nodes.orders.consistency.operations.write");
        (at_search(&found, "stale_reads") / written, at_search(&found, "staleness_age.max") * 1e3)
    };
    // From the answer to the shop until the version is at the leader, less 1 ms of work of a read that begins before it comes.
    let window = 112.0 - 1.0 - 1.0;
    let (share, age) = old("leader_follower: {followers: 1, lag: 50ms, reads: leader}");
    assert!((share - window).abs() < 1.5 && (age - window).abs() < 1.5, "{share} {age}");
    // It leaves 50 ms later, is 1 ms on its way, and 5 ms of work.
    let (late, oldest) = old("leader_follower: {followers: 1, lag: 50ms, reads: followers}");
    assert!((late - share - 56.0).abs() < 0.5, "{late} {share}");
    assert!((oldest - age - 56.0).abs() < 1.0, "{oldest} {age}");
    // Half of those who ask any ask the leader.
    let (any, _) = old("leader_follower: {followers: 1, lag: 50ms, reads: any}");
    assert!((any - share - 28.0).abs() < 3.0, "{any}");
}

/// Orders of many keys until 100 s, or for all time; the view's leader is gone for good from then on, with what it has not sent.
fn failover(goes_on: bool, keys: &str) -> Value {
    let dead = "faults: [{id: dead, at: 100s, for: 1h, crash: {node: search, replica: leader}}]";
    let copies = "leader_follower: {followers: 2, lag: 2s, failover: {detect: 500ms}}";
    let mut text = copied(&shop(dead), copies)
        .replace("keys: uniform(n=100)", &format!("keys: uniform(n={keys})"))
        .replace("warm_up: 10s", "warm_up: 200s")
        .replace("poisson(200/s)", "poisson(500/s)");
    if !goes_on {
        text = text.replace(
            "poisson(20/s)",
            "poisson(20/s), load: [{at: 0s, factor: 1}, {at: 100s, factor: 1}, {at: 100.001s, factor: 0}]",
        );
    }
    results_of(&text, 1)
}

#[test]
fn what_a_failover_of_a_view_loses_comes_with_the_next_write_only() {
    let found = failover(false, "2k");
    // 40 of the last two seconds before are lost, and asked for at random.
    let (stale, reads) = (at_search(&found, "stale_reads"), at_search(&found, "operations.read"));
    let share = stale / reads;
    assert!((0.008..0.03).contains(&share), "{share}");
    // It shows in no other way, and for ever.
    assert!(at_search(&found, "staleness_age.max") > 198.0);
    assert_eq!(at_search(&found, "lost_acked_writes"), 0.0);
    assert_eq!(number(&found, "consistency.lost_acked_writes"), 0.0);
    // Who writes a key again brings it up to date.
    let found = failover(true, "100");
    assert!(at_search(&found, "staleness_age.max") < 60.0);
}

#[test]
fn a_session_that_asks_for_it_sees_no_view_go_back() {
    let text = |guarantees: &str| {
        let looks = "session: [{do: look}, {do: look}, {wait: 20ms}, {do: look}]";
        shop("")
            .replace("poisson(20/s), keys: uniform(n=100)", "constant(10/s), keys: uniform(n=5)")
            .replace(
                "readers: {arrivals: poisson(200/s), keys: uniform(n=100)",
                &format!(
                    "readers: {{arrivals: poisson(100/s), keys: uniform(n=5), {guarantees}{looks}"
                ),
            )
            // Nobody overtakes anybody.
            .replace("workers: 50", "workers: 1")
            .replace("wait: 100ms", "wait: 1ms")
    };
    for copies in [
        "leader_follower: {followers: 2, lag: exp(mean=100ms), reads: any}",
        "raft: {replicas: 3, reads: follower}",
        "quorum: {replicas: 3, read: 1, write: 1, read_repair: false}",
    ] {
        // A message takes as long as it likes to the one replica or the other.
        let slow = |text: String| {
            copied(&text, copies).replace("same_zone: 1ms", "same_zone: exp(mean=5ms)")
        };
        let free = results_of(&slow(text("")), 1);
        assert!(at_search(&free, "monotonic_read_violations") > 10.0, "{copies}");
        assert_eq!(view(&free, "inversions"), 0.0, "{copies}");
        let asked = results_of(&slow(text("guarantees: [monotonic_reads], ")), 1);
        assert_eq!(at_search(&asked, "monotonic_read_violations"), 0.0, "{copies}");
        assert!(number(&asked, "summary.availability") > 0.95, "{copies}");
    }
}

#[test]
fn whoever_knows_no_version_writes_none_to_a_replica() {
    let text = shop("")
        .replace(
            "[{wait: 100ms}, {write: search}]",
            "[{all: [[{read: orders}], [{wait: 100ms}, {write: search}]]}]",
        )
        .replace("[{write: orders}, {publish: placed}]", "[{publish: placed}]")
        .replace("300s", "60s");
    let text = text.replace(
        "operations: {look: {read: search}}",
        "operations: {look: {read: search, share: 90%}, put: {write: orders, share: 10%}}",
    );
    let one = results_of(&text, 1);
    let failed = number(&one, "nodes.search.causes.no_version");
    assert!(failed > 5_000.0, "{failed}");
    for copies in [
        "leader_follower: {followers: 2}",
        "raft: {replicas: 3}",
        "quorum: {replicas: 3}",
        "quorum: {replicas: 3, coordinator: client}",
    ] {
        let found = results_of(&copied(&text, copies), 1);
        let failed = number(&found, "nodes.search.causes.no_version");
        assert!(failed > 5_000.0, "{copies}: {failed}");
        assert_eq!(number(&found, "nodes.search.outcomes.error"), failed, "{copies}");
        assert_eq!(view(&found, "applied"), 0.0, "{copies}");
    }
    for alone in ALONE {
        let found = results_of(&copied(&text, alone), 1);
        assert_eq!(seen(&found), seen(&one), "{alone}");
    }
}

#[test]
fn all_attempts_at_showing_a_version_are_one_if_that_is_asked_for() {
    let text = |asked: &str| {
        shop("")
            .replace("poisson(20/s), keys: uniform(n=100)", "constant(2/s), keys: uniform(n=1)")
            .replace("wait: 100ms", "wait: 1ms")
            .replace("service: {workers: 50", &format!("service: {{dependencies: {{search: {{timeout: 60ms, {asked}retry: {{attempts: 10, backoff: constant(10ms)}}}}}}, workers: 1"))
            .replace("same_zone: 1ms", "same_zone: 1ms, links: [{from: indexer, to: search, latency: lognormal(median=5ms p99=2s)}]")
    };
    for copies in
        ["raft: {replicas: 3}", "leader_follower: {followers: 2}", "quorum: {replicas: 3}"]
    {
        // An attempt that was given up takes the place of a later version.
        let twice = results_of(&copied(&text(""), copies), 1);
        assert!(view(&twice, "inversions") > 5.0, "{copies}: {}", view(&twice, "inversions"));
        let once = results_of(&copied(&text("idempotent: true, "), copies), 1);
        assert_eq!(view(&once, "inversions"), 0.0, "{copies}");
        assert!(view(&once, "applied") > 500.0, "{copies}");
    }
}

#[test]
fn sessions_are_not_promised_what_nobody_brought_to_a_view() {
    // All who ask for anything ask for it, and a run that breaks what is promised says so.
    let text = "windtunnel: 1\nname: shop\nduration: 30s\nnetwork: {same_zone: 1ms}\nclients:\n  \
        users: {arrivals: poisson(50/s), keys: uniform(n=100), timeout: 5s, guarantees: [read_your_writes], \
        operations: {put: {write: orders}, look: {read: search}}, session: [{do: put}, {do: look}]}\n\
        nodes:\n  orders: {store: {read: 1ms}}\n  search: {store: {view_of: {store: orders, lag: 40ms}, read: 1ms}}\n";
    let found = results_of(text, 1);
    let missed = at_search(&found, "read_your_writes_violations");
    assert!(missed > 1_000.0, "{missed}");
}
