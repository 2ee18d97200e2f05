//! What sessions may count on: guarantees kept by tokens, whatever replica or cache answers, and what is lost with its data.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
};

/// Users who write, read, read again and write again what they know, and a store in three zones.
fn design(guarantees: &str, store: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: sessions\nduration: 60s\nwarm_up: 1s\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 1ms}}\n\
         clients:\n  users:\n    arrivals: poisson(60/s)\n    zones: [a, b, c]\n    keys: zipf(n=40 s=0.7)\n\
         \x20   timeout: 100ms\n    operations: {{put: {{write: kv}}, get: {{read: kv, retry: {{attempts: 3, backoff: constant(20ms)}}}}}}\n\
         \x20   session: [{{do: put, optional: true}}, {{do: get, optional: true}}, {{wait: 20ms}}, {{do: get, optional: true}}, \
         {{wait: 200ms}}, {{do: get, optional: true}}, {{do: put, optional: true}}, {{do: get, optional: true}}]\n{guarantees}\
         nodes: {{kv: {{store: {{read: exp(mean=0.5ms), write: exp(mean=0.5ms), {store}}}}}}}\n{rest}\n"
    )
}

const ALL: &str =
    "    guarantees: [read_your_writes, monotonic_reads, monotonic_writes, writes_follow_reads]\n";

const BROKEN: [&str; 4] = [
    "read_your_writes_violations",
    "monotonic_read_violations",
    "monotonic_write_violations",
    "writes_follow_reads_violations",
];

fn broken(results: &Value) -> [f64; 4] {
    BROKEN.map(|name| number(results, &format!("consistency.{name}")))
}

/// Ways to keep copies that show sessions what is old, each with what goes wrong besides.
const WAYS: [(&str, &str); 6] = [
    (
        "zones: [a, b, c], replication: {leader_follower: {followers: 2, reads: any, lag: 60ms}}",
        "faults: [{id: cut, at: 20s, for: 5s, partition: {between: [[kv@1], [kv@0]]}}]",
    ),
    (
        "zones: [a, b, c], replication: {leader_follower: {followers: 2, reads: nearest, lag: 60ms, \
         failover: {detect: 500ms}}}",
        "faults: [{id: dead, every: 15s, for: 4s, crash: {node: kv, replica: leader}}]",
    ),
    (
        "zones: [a, b, c], replication: {quorum: {replicas: 3, read: 1, write: 1, coordinator: random, \
         read_repair: false}}",
        "faults: [{id: away, at: 20s, for: 5s, crash: {node: kv, replica: 1}}]",
    ),
    (
        "zones: [a, b, c], apply: exp(mean=8ms), replication: {raft: {replicas: 3, reads: follower}}",
        "faults: [{id: dead, every: 15s, for: 4s, crash: {node: kv, replica: leader}}]",
    ),
    (
        "replication: {multi_leader: {leaders: [a, b, c], conflict: lww, lag: 60ms}}",
        "clocks: {offset: exp(mean=20ms)}\n\
         faults: [{id: away, every: 10s, for: 2s, crash: {node: kv, replica: 1}}]",
    ),
    (
        "replication: {multi_leader: {leaders: [a, b, c], conflict: version_vector, lag: 60ms}}",
        "faults: [{id: away, every: 10s, for: 2s, crash: {node: kv, replica: 1}}]",
    ),
];

#[test]
fn a_session_that_asks_for_guarantees_has_them_whoever_answers() {
    for (store, rest) in WAYS {
        let without = results_of(&design("", store, rest), 2);
        assert!(broken(&without).iter().sum::<f64>() > 5.0, "{store}: {:?}", broken(&without));
        let with = results_of(&design(ALL, store, rest), 2);
        assert_eq!(broken(&with), [0.0; 4], "{store}");
        // Others are still shown what is old: nobody promised them anything.
        assert!(number(&with, "consistency.stale_reads") > 0.0, "{store}");
        let answered = |found: &Value| number(found, "summary.availability");
        assert!(answered(&with) > 0.9 * answered(&without), "{store}: {}", answered(&with));
    }
}

#[test]
fn a_guarantee_is_of_what_it_names() {
    let (store, rest) = WAYS[0];
    let of =
        |names: &str| results_of(&design(&format!("    guarantees: [{names}]\n"), store, rest), 2);
    let reads = of("read_your_writes");
    assert_eq!(broken(&reads)[0], 0.0);
    assert!(broken(&of("monotonic_reads"))[0] > 5.0);
    assert_eq!(broken(&of("monotonic_reads"))[1], 0.0);
    // Reads go to the leader only where they have to: all would if all were asked of it.
    let at_leader = |found: &Value| {
        let all = found["nodes"]["kv"]["shards"][0]["replicas"].as_array().unwrap();
        let taken: Vec<f64> =
            all.iter().map(|one| one["throughput"]["value"].as_f64().unwrap()).collect();
        taken[0] / taken.iter().sum::<f64>()
    };
    let without = results_of(&design("", store, rest), 2);
    assert!(at_leader(&reads) > at_leader(&without) + 0.05, "{}", at_leader(&reads));
    assert!(at_leader(&reads) < 0.95, "{}", at_leader(&reads));
}

#[test]
fn what_a_failover_lost_is_lost_and_no_violation() {
    let (store, rest) = WAYS[1];
    let found = results_of(&design(ALL, store, rest), 2);
    assert!(number(&found, "consistency.lost_by_cause.failover") > 0.0);
    // Whoever wrote what is lost cannot be shown it: refused until it writes again.
    assert!(number(&found, "nodes.kv.causes.behind") > 0.0, "{}", found["nodes"]["kv"]["causes"]);
    assert_eq!(broken(&found), [0.0; 4]);
}

#[test]
fn a_log_whose_voters_have_forgotten_it_promises_nothing() {
    // All begin with nothing, and so give the same places again: who is asked for more cannot tell.
    let wiped = "faults: [{id: dead, at: 30s, for: 10ms, crash: {node: kv, lose_data: true}}]";
    let design = design(ALL, "zones: [a, b, c], replication: {raft: {replicas: 3}}", wiped);
    // Without tries that might write twice, for the sake of which nothing would be promised either.
    let found =
        results_of(&design.replace(", retry: {attempts: 3, backoff: constant(20ms)}", ""), 2);
    assert!(broken(&found).iter().sum::<f64>() > 0.0, "{:?}", broken(&found));
}

/// Pages behind a cache in each of three zones, edited and looked at.
fn cached(guarantees: &str) -> String {
    format!(
        "windtunnel: 1\nname: sessions\nduration: 60s\nwarm_up: 1s\n\
         clients:\n  users:\n    arrivals: poisson(100/s)\n    keys: zipf(n=200 s=0.9)\n    timeout: 1s\n\
         \x20   operations: {{edit: {{to: app}}, look: {{to: app}}}}\n\
         \x20   session: [{{do: look}}, {{do: edit}}, {{do: look}}, {{wait: 100ms}}, {{do: look}}]\n{guarantees}\
         nodes:\n  app:\n    service:\n      instances: 3\n      endpoints:\n\
         \x20       edit: [{{write: db}}]\n        look: [{{read: near}}]\n\
         \x20 near: {{cache: {{latency: 0.1ms, ttl: 10s, from: db}}}}\n\
         \x20 db: {{store: {{read: 2ms, write: 2ms}}}}\n"
    )
}

#[test]
fn a_cache_shows_nobody_what_is_older_than_what_he_has_seen() {
    let without = results_of(&cached(""), 2);
    assert!(broken(&without)[0] > 100.0, "{:?}", broken(&without));
    let with = results_of(&cached(ALL), 2);
    assert_eq!(broken(&with), [0.0; 4]);
    let hits = |found: &Value| number(found, "nodes.near.hit_ratio");
    assert!(hits(&with) < hits(&without) - 0.05, "{} {}", hits(&with), hits(&without));
    assert!(hits(&with) > 0.2, "{}", hits(&with));
    // On the way to the cache it is the same.
    let edge = cached("").replace(
        "instances: 3\n",
        "instances: 3\n      dependencies: {near: {guarantees: [read_your_writes, monotonic_reads]}}\n",
    );
    assert_eq!(broken(&results_of(&edge, 2))[..2], [0.0; 2]);
}

#[test]
fn with_its_data_a_crash_takes_what_was_acknowledged() {
    let (dead, wiped) = (
        "faults: [{id: dead, at: 30s, for: 1s, crash: {node: kv}}]",
        "faults: [{id: dead, at: 30s, for: 1s, crash: {node: kv, lose_data: true}}]",
    );
    let of = |store: &str, rest: &str| results_of(&design("", store, rest), 2);
    let lost = |found: &Value| number(found, "consistency.lost_acked_writes");
    assert_eq!(lost(&of("shards: {count: 2}", dead)), 0.0);
    let found = of("shards: {count: 2}", wiped);
    // 60 sessions a second write twice, for 30 s.
    assert!((lost(&found) / 3600.0 - 1.0).abs() < 0.05, "{}", lost(&found));
    assert_eq!(lost(&found), number(&found, "consistency.lost_by_cause.crash"));
    // One shard of two.
    let one = wiped.replace("node: kv", "node: kv, shard: 1");
    let found = of("shards: {count: 2}", &one);
    assert!(lost(&found) > 500.0 && lost(&found) < 2_900.0, "{}", lost(&found));
    // Two others have it, and whoever comes back is told.
    let one = wiped.replace("node: kv", "node: kv, replica: 1");
    for store in [
        "zones: [a, b, c], replication: {raft: {replicas: 3}}",
        "zones: [a, b, c], replication: {quorum: {replicas: 3, read: 2, write: 3}}",
        "zones: [a, b, c], replication: {leader_follower: {followers: 2}}",
        "replication: {multi_leader: {leaders: [a, b, c], conflict: crdt(counter), anti_entropy: {every: 1s}}}",
    ] {
        let found = of(store, &one);
        assert_eq!(lost(&found), 0.0, "{store}");
    }
    // A lone leader that forgot all: nobody else has it.
    let found = of("replication: {raft: {replicas: 1}}", wiped);
    assert!((lost(&found) / 3600.0 - 1.0).abs() < 0.05, "{}", lost(&found));
    // Each of two asked to write: one of them is gone, and nobody read in between.
    let found = of(
        "zones: [a, b, c], replication: {quorum: {replicas: 3, read: 1, write: 1, contact: quorum, read_repair: false}}",
        &one,
    );
    assert!(lost(&found) > 10.0, "{}", lost(&found));
}

/// Two leaders, and users at each, who count or write; the way between them is cut for a while.
fn leaders(conflict: &str, verb: &str, cut: bool) -> Value {
    leaders_and(conflict, verb, if cut { CUT } else { "" })
}

const CUT: &str = "faults: [{id: cut, at: 10s, for: 20s, partition: {between: [[a], [b]]}}]";

fn leaders_and(conflict: &str, verb: &str, faults: &str) -> Value {
    let client = |zone: &str| {
        format!(
            "  at-{zone}: {{arrivals: poisson(100/s), zones: [{zone}], keys: uniform(n=50), timeout: 200ms, \
             operations: {{get: {{read: kv}}, put: {{{verb}: kv}}}}, session: [{{do: get}}, {{do: put}}, {{do: get}}]}}\n"
        )
    };
    results_of(
        &format!(
            "windtunnel: 1\nname: leaders\nduration: 60s\nwarm_up: 1s\nclocks: {{offset: 0ms}}\n\
             topology: {{regions: {{r: [a, b]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 20ms}}\n\
             clients:\n{}{}nodes: {{kv: {{store: {{read: 0.5ms, write: 0.5ms, \
             replication: {{multi_leader: {{leaders: [a, b], conflict: {conflict}}}}}}}}}}}\n{faults}\n",
            client("a"),
            client("b"),
        ),
        2,
    )
}

#[test]
fn leaders_on_both_sides_answer_all_and_lose_or_merge() {
    let lost = |found: &Value| number(found, "consistency.lost_acked_writes");
    let lww = leaders("lww", "write", true);
    assert!(number(&lww, "summary.availability") > 0.9999);
    // In the cut every key is written on both sides, and one side's are lost.
    let (cut, never) = (lost(&lww), lost(&leaders("lww", "write", false)));
    assert!(cut > 1_500.0 && cut < 2_500.0 && never < 0.2 * cut, "{cut} {never}");
    assert!(number(&lww, "consistency.stale_read_fraction") > 0.1);
    let vectors = leaders("version_vector", "write", true);
    assert_eq!(lost(&vectors), 0.0);
    // Once for each of 50 keys on either side, at least, as the cut heals.
    assert!(number(&vectors, "consistency.conflicts") >= 50.0);
    assert!(vectors["consistency"]["linearizable"].is_null());
    assert!(number(&vectors, "consistency.not_checked.siblings") == 50.0);
    let counter = leaders("crdt(counter)", "increment", true);
    assert_eq!(lost(&counter), 0.0);
    assert!(counter["consistency"]["conflicts"].is_null());
    for found in [&lww, &vectors, &counter] {
        assert!(number(found, "consistency.stale_reads") > 100.0);
        // What was written as the cut began arrives when it heals.
        assert!(number(found, "nodes.kv.replication_lag.max") > 19.0);
        assert!(number(found, "nodes.kv.messages.replicate") > 1_000.0);
    }
}

#[test]
fn what_data_counts_is_held_against_requests_of_a_run() {
    let slos = "slos: [stale_reads <= 1% of requests.issued, conflicts <= 1% of requests.issued, \
         nodes.kv.messages.replicate <= 1% of requests.issued, requests.issued <= 99% of writes]";
    let found = leaders_and("version_vector", "write", &format!("{CUT}\n{slos}"));
    let issued = number(&found, "summary.requests.issued") / 2.0;
    let expected = [
        number(&found, "consistency.stale_reads") / issued,
        number(&found, "consistency.conflicts") / issued,
        number(&found, "nodes.kv.messages.replicate") / issued,
        issued / number(&found, "consistency.operations.write"),
    ];
    for (i, expected) in expected.into_iter().enumerate() {
        let told = number(&found, &format!("slos.{i}.estimate"));
        assert!((told / expected - 1.0).abs() < 1e-9, "{i}: {told} {expected}");
    }
}

#[test]
fn a_cut_between_leaders_makes_readers_miss_what_the_other_side_wrote() {
    // Writes of the other side are a Poisson stream of 2/s per key; in a cut of 20 s a read at time t misses all of it.
    // Elsewhere only what is on its way: 20 ms and the work at both ends.
    let found = leaders("crdt(counter)", "increment", true);
    let age = number(&found, "consistency.staleness_age.max");
    assert!(age > 18.0 && age < 22.0, "{age}");
    let none = leaders("crdt(counter)", "increment", false);
    let stale = number(&none, "consistency.stale_read_fraction");
    // 1 - exp(-2/s x 21 ms), 21 ms: the way, and applying it.
    let expected = 1.0 - f64::exp(-2.0 * 0.0210);
    assert!((stale / expected - 1.0).abs() < 0.1, "{stale} {expected}");
}

/// Of two versions with one stamp the larger one is newer, so that a session that has seen it is not shown the other.
#[test]
fn versions_with_one_stamp_are_told_apart() {
    let web = |zone: &str| {
        format!(
            "web-{zone}: {{service: {{zones: [{zone}], endpoints: {{look: [{{read: kv}}], buy: [{{write: kv}}]}}}}}}\n"
        )
    };
    // All clocks are wrong by the same.
    let text = format!(
        "windtunnel: 1\nname: stamps\nduration: 30s\nseed: 5\n\
         topology: {{regions: {{eu: [a], us: [b], as: [c]}}}}\nnetwork: {{same_zone: 0.5ms, cross_region: 50ms}}\n\
         clocks: {{offset: 100ms}}\n\
         clients:\n  buyers:\n    arrivals: poisson(20/s)\n    keys: uniform(n=5)\n    timeout: 800ms\n\
         \x20   guarantees: [read_your_writes, writes_follow_reads]\n    operations: {{look: {{to: edge}}, buy: {{to: edge}}}}\n\
         \x20   session: [{{do: buy}}, {{do: look}}, {{do: buy}}, {{do: look}}]\n\
         nodes:\n  edge: {{load_balancer: {{to: [web-a, web-b, web-c], policy: random}}}}\n  {}  {}  {}\
         \x20 kv: {{store: {{read: 1ms, replication: {{multi_leader: {{leaders: [eu, us, as]}}}}}}}}\n",
        web("a"),
        web("b"),
        web("c")
    );
    let found = results_of(&text, 2);
    let [own, _, _, follow] = broken(&found);
    assert_eq!((own, follow), (0.0, 0.0));
    assert!(number(&found, "consistency.operations.read") > 500.0);
}

/// Who acknowledges before the disk has a write loses with it what has not left yet: rate x lag, and nothing otherwise.
#[test]
fn a_leader_that_dies_loses_what_it_acknowledged_and_had_neither_stored_nor_sent() {
    let lost = |mode: &str| {
        let text = format!(
            "windtunnel: 1\nname: disks\nduration: 20s\ntopology: {{regions: {{r: [a, b]}}}}\n\
             network: {{same_zone: 0.2ms, same_region: 1ms}}\n\
             clients: {{load: {{arrivals: poisson(400/s), zones: [a], keys: uniform(n=1000), timeout: 1s, write: kv}}}}\n\
             nodes: {{kv: {{store: {{read: 1ms, write: 1ms, durability: {{fsync: 1ms, mode: {mode}}}, \
             replication: {{multi_leader: {{leaders: [a, b], conflict: version_vector, lag: 50ms}}}}}}}}}}\n\
             faults: [{{id: dead, at: 10s, for: 2s, crash: {{node: kv, replica: 0}}}}]\n"
        );
        number(&results_of(&text, 12), "consistency.lost_acked_writes")
    };
    assert_eq!((lost("each"), lost("group(5ms)")), (0.0, 0.0));
    // Answers to the last few were on their way: 0.2 ms.
    let (found, expected) = (lost("every(1s)"), 400.0 * (0.050 - 0.0002));
    assert!((found / expected - 1.0).abs() < 0.2, "{found} {expected}");
}

const SESSION: &str = "session: [{do: put, optional: true}, {do: get, optional: true}, {wait: 20ms}, \
     {do: get, optional: true}, {wait: 200ms}, {do: get, optional: true}, {do: put, optional: true}, \
     {do: get, optional: true}]";

#[test]
fn what_cannot_be_guaranteed_is_refused_where_it_stands() {
    let good = design(ALL, WAYS[4].0, WAYS[4].1);
    let cases: [Case; 10] = [
        (
            "own",
            "guarantees: [read_your_writes, ",
            "guarantees: [read_your_write, ",
            "15:18 E-ENUM",
            "read_your_writes",
        ),
        ("one", SESSION, "session: [{do: get}]", "15:5 E-GUARANTEE", "each is one request"),
        (
            "unwritten",
            "put: {write: kv}",
            "put: {read: kv}",
            "15:5 E-GUARANTEE",
            "nothing is ever old",
        ),
        ("B48", "clocks: {offset: exp(mean=20ms)}", "", "16:128 E-CLOCK", "how right clocks are"),
        ("twice", "leaders: [a, b, c]", "leaders: [a, b, a]", "16:114 E-REPL", "twice"),
        ("place", "leaders: [a, b, c]", "leaders: [a, b, d]", "16:114 E-REF", "unknown zone `d`"),
        (
            "zones",
            "replication: {multi",
            "zones: [a, b, c], replication: {multi",
            "16:69 E-CONFLICT",
            "where they stand",
        ),
        ("way", "conflict: lww", "conflict: lws", "16:128 E-ENUM", "lww"),
        ("counter", "conflict: lww", "conflict: crdt(list)", "16:128 E-ENUM", "crdt(counter)"),
        (
            "wipe",
            "crash: {node: kv, replica: 1}",
            "pause: {node: kv, replica: 1, lose_data: true}",
            "18:83 E-FAULT",
            "`lose_data` means nothing to `pause`",
        ),
    ];
    check_in(&good, &cases);
}
