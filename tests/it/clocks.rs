//! Clocks that are wrong: what stamps, leases, fences, elections and times to live make of it.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in, examine},
    design::{number, results_of},
};

const GET: &str = "get: {read: kv}";
const BOTH: &str = "put: {write: kv, share: 0.5}, get: {read: kv, share: 0.5}";

/// Three copies in three zones, a client in `a` that does some of this and one in `b` that reads and writes.
fn design(at_a: &str, duration: &str, replication: &str, rest: &str) -> String {
    let client = |zone: &str, what: &str| {
        format!(
            "  at-{zone}: {{arrivals: poisson(200/s), zones: [{zone}], keys: zipf(n=30 s=0.5), timeout: 60ms, \
             operations: {{{what}}}}}\n"
        )
    };
    format!(
        "windtunnel: 1\nname: clocks\nduration: {duration}\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 1ms}}\n\
         clients:\n{}{}nodes: {{kv: {{store: {{read: 0.2ms, write: 0.2ms, zones: [a, b, c], \
         replication: {{{replication}}}}}}}}}\n{rest}\n",
        client("a", at_a),
        client("b", BOTH),
    )
}

const STRICT: &str = "quorum: {replicas: 3, read: 2, write: 2, write_back: true}";
const AHEAD: &str =
    "faults: [{id: ahead, at: 5s, for: 10s, clock: {node: kv, replica: 1, offset: 2s}}]";

fn is_one_order(results: &Value) -> bool {
    results["consistency"]["linearizable"].as_bool().unwrap()
}

#[test]
fn the_last_writer_by_a_clock_that_is_ahead_wins_over_later_ones() {
    let of = |replication: &str, rest: &str| results_of(&design(BOTH, "30s", replication, rest), 2);
    let lost = |found: &Value| number(found, "consistency.lost_acked_writes");
    let found = of(STRICT, AHEAD);
    let by_clock = number(&found, "consistency.lost_by_cause.lww_clock");
    assert!(by_clock > 100.0, "{by_clock}");
    // Besides, a few at the same time as who was ahead.
    assert!(by_clock > 0.9 * lost(&found), "{by_clock} of {}", lost(&found));
    // Nobody died, whatever was on its way at the end.
    assert!(found["consistency"]["lost_by_cause"]["crash"].is_null());
    assert!(!is_one_order(&found));
    // No read is behind by its stamp (`semantics.md` 85).
    assert_eq!(number(&found, "consistency.stale_reads"), 0.0);
    // Right clocks, or stamps that replicas are asked for, lose nothing: else the run would end as a bug of the program.
    let asked = STRICT.replace("quorum: {", "quorum: {stamp: query, ");
    for (replication, rest) in [(asked.as_str(), AHEAD), (STRICT, "")] {
        let found = of(replication, rest);
        assert_eq!(lost(&found), 0.0);
        assert!(is_one_order(&found));
    }
    // Clocks that are wrong by themselves do the same on a smaller scale.
    let loose = "clocks: {offset: exp(mean=20ms), drift: 50ppm, resync: 10s}";
    assert!(number(&of(STRICT, loose), "consistency.lost_by_cause.lww_clock") > 1.0);
}

#[test]
fn a_lease_by_a_clock_that_is_slow_outlives_the_next_leader() {
    let cut = "partition: {between: [[a], [b, c]]}";
    let slow = "clock: {node: kv, replica: 0, drift: -60%}";
    let of = |reads: &str, fault: &str| {
        let faults = format!(
            "faults: [{{id: cut, every: 3s, for: 1s, {cut}}}, {{id: wrong, at: 1s, {fault}}}]"
        );
        results_of(&design(GET, "60s", &format!("raft: {{reads: {reads}}}"), &faults), 8)
    };
    let late = of("lease", slow);
    assert!(!is_one_order(&late), "an old leader answers");
    assert!(number(&late, "consistency.stale_reads") > 0.0);
    // With no clock beyond `max_drift`, and where leases are not believed in, all is well: asserted in every such run.
    assert!(is_one_order(&of("lease", "clock: {node: kv, replica: 0, drift: -400ppm}")));
    assert!(is_one_order(&of("lease", "clock: {node: kv, replica: 0, offset: 5s}")));
    assert!(is_one_order(&of("read_index", slow)));
}

#[test]
fn a_fence_by_a_clock_that_is_slow_lets_two_lead() {
    let failover = "leader_follower: {followers: 2, failover: {detect: 500ms, fencing: true}}";
    let of = |fault: &str| {
        let faults = format!(
            "faults: [{{id: cut, at: 5s, for: 10s, partition: {{between: [[a], [b, c]]}}}}, {fault}]"
        );
        number(
            &results_of(&design(BOTH, "20s", failover, &faults), 2),
            "nodes.kv.consistency.split_brain_time",
        )
    };
    let slow = "{id: wrong, at: 1s, clock: {node: kv, replica: 0, drift: -60%}}";
    assert_eq!(of("{id: wrong, at: 1s, clock: {node: kv, replica: 0, offset: -9s}}"), 0.0);
    // The leader thinks that 500 ms have passed when it is 1,250; another one leads after about 1,000.
    let both = of(slow);
    assert!(both > 0.05 && both < 0.75, "{both}");
}

#[test]
fn who_never_stands_first_keeps_a_split_cluster_without_a_leader() {
    // `semantics.md`, what a correct Raft does in a bridge partition: about 130 changes of leader a minute, no leader for half of
    // the time; 1 to 4 changes if the bridge's timers are right; none with pre-vote.
    let of = |raft: &str, clock: &str| {
        let faults = format!(
            "faults: [{{id: switch, at: 5s, for: 60s, partition: {{between: [[kv@0], [kv@2]]}}}}{clock}]"
        );
        let found = results_of(&design(BOTH, "65s", &format!("raft: {{{raft}}}"), &faults), 4);
        let elections = |name: &str| number(&found, &format!("nodes.kv.elections.{name}"));
        let count = elections("count");
        (count, if count > 0.0 { count * elections("leaderless.mean") } else { 0.0 })
    };
    let slow = ", {id: slow, at: 5s, for: 60s, clock: {node: kv, replica: 1, drift: -60%}}";
    let plain = "pre_vote: false, check_quorum: false";
    let (changes, without) = of(plain, slow);
    assert!((115.0..150.0).contains(&changes), "{changes}");
    assert!((22.0..38.0).contains(&without), "{without}");
    let (changes, _) = of(plain, "");
    assert!((1.0..=4.0).contains(&changes), "{changes}");
    assert_eq!(of("check_quorum: false", slow).0, 0.0);
}

#[test]
fn times_to_live_go_by_the_clock_of_the_cache() {
    let of = |fault: &str| {
        let text = format!(
            "windtunnel: 1\nname: ttl\nduration: 1000s\n\
             clients: {{load: {{arrivals: constant(10/s), keys: uniform(n=1), timeout: 1s, to: api}}}}\n\
             nodes:\n  api: {{service: {{cores: 1, endpoints: {{default: [{{read: {{from: db, cache: c}}}}]}}}}}}\n  c: {{cache: {{capacity: 10, ttl: 9.95s}}}}\n  db: {{store: {{read: 1ms}}}}\n{fault}"
        );
        let found = results_of(&text, 1);
        number(&found, "nodes.db.throughput") * 1000.0
    };
    assert_eq!(of(""), 100.0);
    // A value lives for as long as the clock says: 19.9 s, or 4.975.
    assert_eq!(of("faults: [{id: slow, at: 0s, clock: {node: c, drift: -50%}}]\n"), 50.0);
    assert_eq!(of("faults: [{id: fast, at: 0s, clock: {node: c, drift: 100%}}]\n"), 200.0);
    // Setting the clock changes no span of time.
    assert_eq!(
        of("faults: [{id: set, every: 3s, for: 1s, clock: {node: c, offset: 1h}}]\n"),
        100.0
    );
}

#[test]
fn clocks_that_are_right_change_nothing() {
    let of = |rest: &str| results_of(&design(BOTH, "20s", STRICT, rest), 2)["fingerprint"].clone();
    assert_eq!(of(""), of("clocks: {offset: 0ms}"));
    assert_ne!(of(""), of(AHEAD));
}

#[test]
fn what_is_wrong_with_clocks_is_told_where_it_stands() {
    const GOOD: &str = "\
windtunnel: 1
name: clocks
duration: 100s
clocks: {offset: 1ms, drift: 50ppm, resync: 64s}
clients: {load: {arrivals: poisson(9/s), to: kv, timeout: 1s}}
nodes: {kv: {store: {read: 1ms, replication: {raft: {}}}}, api: {service: {cores: 1, work: 1ms}}}
faults: [{id: f, at: 1s, clock: {node: kv, offset: -300ms}}]
";
    let cases: &[Case] = &[
        ("too fast", "50ppm", "60%", "4:30 E-RANGE", "at most 50 %"),
        ("no unit", "50ppm", "50pmm", "4:30 E-UNIT", "units are %, ppm"),
        ("never set", "64s", "0s", "4:45 E-RANGE", "above 0"),
        ("set all the time", "64s", "1us", "4:45 E-BUDGET", "more than 1000000 times"),
        ("not how", ", offset: -300ms", "", "7:26 E-MISSING", "how wrong"),
        ("no duration", "-300ms", "--300ms", "7:52 E-RANGE", "is negative"),
        ("stands still", "offset: -300ms", "drift: -95%", "7:51 E-RANGE", "at least -90 %"),
        ("more than twice as fast", "offset: -300ms", "drift: 300%", "7:51 E-RANGE", "100%"),
        ("years", "-300ms", "-400d", "7:52 E-RANGE", "within 365d"),
        ("a service", "node: kv", "node: api", "7:40 E-FAULT-TARGET", "go by a clock"),
        ("slow clock", "clock: {", "slow: {factor: 2, ", "7:62 E-FAULT", "means nothing to `slow`"),
    ];
    check_in(GOOD, cases);
    // Nothing is left that goes by a clock: both are told.
    let alone = GOOD.replace(", replication: {raft: {}}", "");
    let (_, found) = examine(alone.as_bytes());
    let codes: Vec<&str> = found.iter().map(|found| found.problem.code).collect();
    assert_eq!(codes, ["E-FAULT-TARGET", "W-UNUSED"]);
}
