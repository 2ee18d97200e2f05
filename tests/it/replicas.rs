//! Replicas of stores: what follows from messages, logs and clocks, against theory and against one another.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
};

/// One store with replicas, asked directly.
fn design(duration: &str, client: &str, store: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: replicas\nduration: {duration}\n{rest}\n\
         clients: {{load: {{{client}}}}}\nnodes: {{kv: {{store: {{{store}}}}}}}\n"
    )
}

/// Half of the operations read a key and half write it, one after the other.
const ONE_BY_ONE: &str = "arrivals: constant(1/s), keys: uniform(n=1), \
     operations: {put: {write: kv, share: 0.5}, get: {read: kv, share: 0.5}}";

const MIXED: &str = "arrivals: poisson(200/s), keys: zipf(n=50 s=0.9), timeout: 1s, \
     operations: {put: {write: kv, share: 0.5}, get: {read: kv, share: 0.5}}";

const ZONES: &str =
    "topology: {regions: {r: [a, b, c]}}\nnetwork: {same_zone: 0.2ms, same_region: 1ms}";

fn quorum(n: u64, read: u64, write: u64) -> String {
    format!(
        "read: 0s, write: 0s, replication: {{quorum: {{replicas: {n}, read: {read}, write: {write}, \
         contact: quorum, coordinator: random, read_repair: false}}}}"
    )
}

fn share_behind(results: &Value, versions: u64) -> f64 {
    let all = results["consistency"]["k_staleness"].as_array().unwrap();
    let one = all.iter().find(|k| k["versions"] == versions).unwrap();
    one["fraction"]["value"].as_f64().unwrap()
}

#[test]
fn random_quorums_are_as_stale_as_their_combinations_say() {
    // Oracles `pbs-k-*`: (C(N - W, R) / C(N, R))^k (Bailis and others, VLDB 2012, equations 1 and 2).
    for ((n, r, w), one) in [((3, 1, 1), 2.0 / 3.0), ((3, 2, 1), 1.0 / 3.0), ((5, 2, 2), 0.3)] {
        let found = results_of(&design("40000s", ONE_BY_ONE, &quorum(n, r, w), ""), 4);
        for k in [1, 2, 3, 5] {
            let (share, expected) = (share_behind(&found, k), f64::powi(one, k as i32));
            // 80,000 reads; those that follow one another without a write between are not apart from one another.
            let tolerance = 0.02 * expected + 0.004;
            assert!((share - expected).abs() < tolerance, "{n} {r} {w}, {k}: {share} {expected}");
        }
    }
    let strict = results_of(&design("20000s", ONE_BY_ONE, &quorum(3, 2, 2), ""), 2);
    assert_eq!(number(&strict, "consistency.stale_reads"), 0.0);
    assert_eq!(strict["consistency"]["linearizable"], true);
}

#[test]
fn a_reader_of_any_copy_may_not_see_its_own_write() {
    // Oracle `ryw`: (n - 1) / n x exp(-t / m), where entries do not wait for one another.
    let client = "arrivals: poisson(0.2/s), keys: uniform(n=100M), \
         operations: {put: {write: kv}, get: {read: kv}}, session: [{do: put}, {wait: 50ms}, {do: get}]";
    let store = "read: 0s, replication: {leader_follower: {followers: 2, reads: any, lag: exp(mean=100ms)}}";
    let found = results_of(&design("100000s", client, store, ""), 4);
    let stale = number(&found, "consistency.stale_read_fraction");
    assert!((stale / 0.404_353_773_1 - 1.0).abs() < 0.02, "{stale}");
    let broken = number(&found, "consistency.read_your_writes_violations");
    assert!((broken / number(&found, "consistency.operations.read") - stale).abs() < 1e-9);
}

#[test]
fn an_election_takes_as_long_as_its_timeouts_say() {
    // Oracle `raft-elect-150-300`: 153.69 ms from the last heartbeat that arrived before the crash; what the leader had
    // sent before it still arrives (`semantics.md` 77), one way of 5 ms later.
    let store = "read: 0s, replication: {raft: {replicas: 5, heartbeat: 75ms, pre_vote: false}}";
    let faults = "network: {same_zone: 5ms}\n\
         faults: [{id: dead, every: 3.0371s, for: 1.5s, crash: {node: kv, replica: leader}}]";
    let client = "arrivals: poisson(0.01/s), to: kv, timeout: 1s";
    let found = results_of(&design("6000s", client, store, faults), 2);
    let elections = |name: &str| number(&found, &format!("nodes.kv.elections.{name}"));
    let mean = elections("leaderless.mean") * 1000.0;
    assert!((mean / (153.686_768_3 + 5.0) - 1.0).abs() < 0.02, "{mean}");
    let terms = elections("terms") / elections("count");
    assert!((terms - 1.006_414_964).abs() < 0.006, "{terms}");
    assert!((elections("terms") - elections("count") - elections("split_votes")).abs() < 1e-9);
    assert!(elections("count") > 1900.0);
}

/// Regions of one zone each, and the round trips between them, ms.
fn regions(names: &[&str], trips: &[(&str, &str, u64)]) -> String {
    let zones: Vec<String> = names.iter().map(|name| format!("{name}: [{name}1]")).collect();
    let link = |(a, b, trip): &(&str, &str, u64)| {
        format!("{{from: {a}1, to: {b}1, latency: {}us}}", trip * 500)
    };
    let links: Vec<String> = trips.iter().map(link).collect();
    format!(
        "topology: {{regions: {{{}}}}}\nnetwork: {{links: [{}]}}",
        zones.join(", "),
        links.join(", ")
    )
}

#[test]
fn a_write_is_committed_by_the_nearest_majority() {
    // Oracles `geo-quorum-*`: the round trip to the (majority - 1)-th nearest follower.
    let all = ["dallas", "washington", "frankfurt", "london", "tokyo"];
    let trips = [
        ("dallas", "washington", 32),
        ("dallas", "frankfurt", 123),
        ("dallas", "london", 113),
        ("dallas", "tokyo", 142),
        ("washington", "frankfurt", 86),
        ("washington", "london", 76),
        ("washington", "tokyo", 145),
        ("frankfurt", "london", 13),
        ("frankfurt", "tokyo", 228),
        ("london", "tokyo", 239),
    ];
    let expected = [113.0, 76.0, 86.0, 76.0, 145.0];
    let zones: Vec<String> = all.iter().map(|name| format!("{name}1")).collect();
    for (leader, expected) in zones.iter().zip(expected) {
        let client = format!(
            "arrivals: poisson(5/s), zones: [{leader}], keys: uniform(n=10), operations: {{put: {{write: kv}}}}"
        );
        let store = format!(
            "read: 0s, zones: [{}], replication: {{raft: {{replicas: 5, leader: {leader}, \
             election_timeout: uniform(1s 2s)}}}}",
            zones.join(", ")
        );
        let found = results_of(&design("60s", &client, &store, &regions(&all, &trips)), 1);
        let p99 = number(&found, "summary.latency.p99") * 1000.0;
        assert!((p99 / expected - 1.0).abs() < 0.001, "{leader}: {p99} {expected}");
        assert_eq!(number(&found, "nodes.kv.elections.count"), 0.0);
    }
}

#[test]
fn followers_fall_behind_where_the_link_or_their_core_is_too_slow() {
    let client = "arrivals: poisson(1200/s), zones: [a], keys: uniform(n=10k), operations: {put: {write: kv}}";
    let follower = "replication: {leader_follower: {followers: 1, leader: a}}";
    let lag = |store: &str, link: &str| {
        let rest =
            format!("topology: {{regions: {{r: [a, b]}}}}\nnetwork: {{same_region: 1ms{link}}}");
        let store = format!("read: 0s, zones: [a, b], {store}, {follower}");
        let found = results_of(&design("60s", client, &store, &rest), 1);
        (number(&found, "nodes.kv.replication_lag.max"), number(&found, "summary.availability"))
    };
    // A megabyte a second for 1.2 MB/s of values: a sixth of what is sent waits at the end.
    let (slow, answered) = lag(
        "write: 0s, value_size: 1KB",
        ", links: [{from: a, to: b, bandwidth: 8Mbps, discipline: fifo}]",
    );
    assert!((slow - 60.0 * (1.0 - 1.0 / 1.2)).abs() < 0.7, "{slow}");
    assert_eq!(answered, 1.0, "who writes notices nothing");
    let (fast, _) =
        lag("write: 0s, value_size: 1KB", ", links: [{from: a, to: b, bandwidth: 80Mbps}]");
    assert!(fast < 0.01, "{fast}");
    // 1,200 entries a second, a millisecond each, one after the other; twice as many at once are enough.
    let (slow, _) = lag("write: 0.1ms, apply: 1ms", "");
    assert!((slow - 60.0 * (1.0 - 1.0 / 1.2)).abs() < 0.7, "{slow}");
    let (fast, _) = lag("write: 0.1ms, apply: 1ms, apply_cores: 2", "");
    assert!(fast < 0.2, "{fast}");
}

#[test]
fn protocols_send_the_messages_they_are_known_for() {
    let reads = "arrivals: poisson(100/s), keys: uniform(n=100), operations: {get: {read: kv}}";
    let writes = "arrivals: poisson(100/s), keys: uniform(n=100), operations: {put: {write: kv}}";
    let messages = |client: &str, store: &str, names: &[&str]| {
        let found = results_of(&design("100s", client, store, ""), 1);
        let asked = number(&found, "summary.requests.issued");
        names
            .iter()
            .map(|name| number(&found, &format!("nodes.kv.messages.{name}")) / asked)
            .collect::<Vec<f64>>()
    };
    let near = |found: &[f64], expected: &[f64]| {
        found
            .iter()
            .zip(expected)
            .for_each(|(f, e)| assert!((f - e).abs() < 0.01, "{found:?} {expected:?}"));
    };
    let quorum = "read: 0s, replication: {quorum: {replicas: 3}}";
    near(&messages(reads, quorum, &["get", "got"]), &[3.0, 3.0]);
    near(&messages(writes, quorum, &["put", "stored"]), &[3.0, 3.0]);
    let two = "read: 0s, replication: {quorum: {replicas: 3, contact: quorum}}";
    near(&messages(reads, two, &["get", "got"]), &[2.0, 2.0]);
    let query = "read: 0s, replication: {quorum: {replicas: 3, stamp: query}}";
    near(&messages(writes, query, &["get", "got", "put", "stored"]), &[3.0, 3.0, 3.0, 3.0]);
    let log = "read: 0s, replication: {leader_follower: {followers: 2}}";
    near(&messages(writes, log, &["append", "stored"]), &[2.0, 2.0]);
    // Heartbeats, 20 a second to each follower, are appends too.
    let raft = "read: 0s, replication: {raft: {replicas: 3}}";
    near(&messages(writes, raft, &["append", "appended"]), &[2.4, 2.4]);
}

#[test]
fn a_quorum_loads_the_cores_of_all_it_contacts() {
    let client = "arrivals: poisson(300/s), keys: uniform(n=100), operations: {get: {read: kv}}";
    let of = |contact: &str| {
        let store = format!(
            "read: 1ms, cores: 1, replication: {{quorum: {{replicas: 3, contact: {contact}}}}}"
        );
        number(&results_of(&design("200s", client, &store, ""), 1), "nodes.kv.utilisation")
    };
    let (all, some) = (of("all"), of("quorum"));
    assert!((all - 0.3).abs() < 0.01 && (some - 0.2).abs() < 0.01, "{all} {some}");
    // A slow replica is waited for by nobody who needs two of three, and by all who need three.
    let slow = "faults: [{id: gray, at: 0s, slow: {node: kv, replica: 0, factor: 10}}]";
    let p50 = |read: u64| {
        let store = format!(
            "read: 1ms, replication: {{quorum: {{replicas: 3, read: {read}, coordinator: random}}}}"
        );
        number(&results_of(&design("60s", client, &store, slow), 1), "summary.latency.p50")
    };
    assert!((p50(2) - 0.001).abs() < 1e-6 && (p50(3) - 0.010).abs() < 1e-6);
}

#[test]
fn one_replica_is_a_single_copy() {
    let store = "read: exp(mean=1ms), write: exp(mean=2ms), cores: 1";
    let figures = |copies: &str| {
        let found = results_of(&design("200s", MIXED, &format!("{store}{copies}"), ""), 2);
        assert_eq!(found["consistency"]["linearizable"], true, "{copies}");
        ["summary.latency.mean", "summary.latency.p99", "nodes.kv.utilisation"]
            .map(|path| number(&found, path))
    };
    let single = figures("");
    for copies in [
        "leader_follower: {followers: 0}",
        "quorum: {replicas: 1}",
        "quorum: {replicas: 1, coordinator: client}",
        "raft: {replicas: 1, reads: leader}",
    ] {
        let found = figures(&format!(", replication: {{{copies}}}"));
        for (one, other) in found.iter().zip(single) {
            assert!((one / other - 1.0).abs() < 0.03, "{copies}: {found:?} {single:?}");
        }
    }
}

#[test]
fn who_looks_on_changes_nothing_and_neither_does_a_cut_between_nobody() {
    let store = "read: 1ms, write: 1ms, zones: [a, b, c], replication";
    for protocol in [
        "{leader_follower: {followers: 2, lag: exp(mean=10ms), failover: {detect: 1s}}}",
        "{quorum: {replicas: 3, write_back: true}}",
        "{raft: {replicas: 3, fsync: 1ms}}",
    ] {
        let text = |rest: &str| {
            let zones = ZONES.replace("[a, b, c]", "[a, b, c, d, e]");
            design("20s", MIXED, &format!("{store}: {protocol}"), &format!("{zones}\n{rest}"))
        };
        let print = |rest: &str| results_of(&text(rest), 1)["fingerprint"].clone();
        let plain = print("");
        assert_eq!(plain, print("history: none"), "{protocol}");
        let nobody = "faults: [{id: cut, at: 5s, for: 5s, partition: {between: [[d], [e]]}}]";
        assert_eq!(plain, print(nobody), "{protocol}");
        assert_ne!(plain, print(&nobody.replace("[d], [e]", "[a], [b, c]")), "{protocol}");
    }
}

#[test]
fn an_old_leader_that_comes_back_is_no_outage_and_no_election() {
    let of = |fencing: bool, boot: &str| {
        let store = format!(
            "boot: {boot}, read: 1ms, zones: [a, b, c], replication: {{leader_follower: {{followers: 2, \
             failover: {{detect: 1s, fencing: {fencing}}}}}}}"
        );
        let client = "arrivals: constant(100/s), keys: uniform(n=100), timeout: 300ms, \
             operations: {put: {write: kv}}";
        let dead = "faults: [{id: dead, at: 10s, for: 10s, crash: {node: kv, replica: leader}}]";
        results_of(&design("60s", client, &store, &format!("{ZONES}\n{dead}")), 2)
    };
    for (fencing, boot) in [(false, "0s"), (false, "3s"), (true, "0s")] {
        let found = of(fencing, boot);
        let kv = |name: &str| number(&found, &format!("nodes.kv.{name}"));
        assert_eq!((kv("elections.count"), kv("failovers")), (1.0, 1.0));
        // Down while nobody leads, and not from then on.
        let down = 1.0 - kv("availability_time");
        assert!((down * 60.0 / kv("elections.leaderless.mean") - 1.0).abs() < 1e-6, "{down}");
        // Without a fence it serves until it has heard of the other one.
        let both = kv("consistency.split_brain_time");
        assert!(if fencing { both == 0.0 } else { both > 0.0 && both < 0.01 }, "{both}");
    }
}

#[test]
fn a_majority_goes_on_and_who_is_cut_off_is_refused() {
    let cut = format!(
        "{ZONES}\nfaults: [{{id: cut, at: 10s, for: 20s, partition: {{between: [[a], [b, c]]}}}}]"
    );
    let side = |zone: &str, protocol: &str, expect: &dyn Fn(&Value)| {
        let client = format!("zones: [{zone}], {MIXED}");
        let store =
            format!("read: 0.1ms, write: 0.1ms, zones: [a, b, c], replication: {{{protocol}}}");
        let found = results_of(&design("40s", &client, &store, &cut), 2);
        expect(&found);
        number(&found, "faults.0.availability_during")
    };
    let sound = |found: &Value| {
        assert_eq!(found["consistency"]["linearizable"], true);
        assert_eq!(number(found, "consistency.stale_reads"), 0.0);
        assert_eq!(number(found, "consistency.lost_acked_writes"), 0.0);
    };
    for protocol in ["raft: {replicas: 3}", "quorum: {replicas: 3, write_back: true}"] {
        let [cut_off, others] = ["a", "b"].map(|zone| side(zone, protocol, &sound));
        assert_eq!(cut_off, 0.0, "{protocol}");
        assert!(others > 0.9, "{protocol}: {others}");
    }
    // Whoever asks one replica alone is answered on both sides, with what is there.
    let old = |found: &Value| assert!(number(found, "consistency.stale_reads") > 0.0);
    let alone = "quorum: {replicas: 3, read: 1, write: 1}";
    let both = format!("zones: [a, b], {MIXED}");
    let store = format!("read: 0.1ms, zones: [a, b, c], replication: {{{alone}}}");
    let found = results_of(&design("40s", &both, &store, &cut), 2);
    old(&found);
    assert_eq!(number(&found, "faults.0.availability_during"), 1.0);
}

const GOOD: &str = "windtunnel: 1\nname: kv\nduration: 10s\ntopology: {regions: {r: [a, b, c, d]}}\n\
         clients: {load: {arrivals: poisson(1/s), keys: uniform(n=9), timeout: 1s, operations: {put: {write: kv}}}}\n\
         nodes:\n  kv: {store: {read: 1ms, zones: [a, b, c], replication: {raft: {replicas: 3}}}}\n\
         faults: [{id: dead, at: 1s, for: 1s, crash: {node: kv}}]\n";

const RAFT: &str = "{raft: {replicas: 3}}";

#[test]
fn what_is_wrong_with_replicas_is_told_where_it_stands() {
    let cases: &[Case] = &[
        (
            "two protocols",
            RAFT,
            "{raft: {replicas: 3}, quorum: {replicas: 3}}",
            "7:45 E-REPL",
            "exactly one",
        ),
        ("no protocol", RAFT, "{}", "7:45 E-REPL", "exactly one"),
        ("too many answers", RAFT, "{quorum: {replicas: 3, read: 4}}", "7:87 E-QUORUM", "4 of 3"),
        ("no answer", RAFT, "{quorum: {replicas: 3, write: 0}}", "7:88 E-QUORUM", "0 of 3"),
        ("no replicas", RAFT, "{raft: {replicas: 0}}", "7:76 E-QUORUM", "0 replicas"),
        (
            "even",
            "c], replication: {raft: {replicas: 3}}",
            "c, d], replication: {raft: {replicas: 4}}",
            "7:79 W-EVEN",
            "like 3",
        ),
        ("two", RAFT, "{raft: {replicas: 2}}", "7:76 W-NOHA", "loss of one"),
        ("heartbeat", RAFT, "{raft: {heartbeat: 200ms}}", "7:77 E-TIMING", "election time-out"),
        ("places", "[a, b, c], r", "{a: 2, b: 2}, r", "7:27 E-REPL", "4 places for 3 replicas"),
        ("one place", "[a, b, c], r", "[a, b], r", "7:27 W-SPREAD", "2 of 3"),
        ("leader", RAFT, "{raft: {leader: d}}", "7:74 E-REPL", "no replica stands in `d`"),
        (
            "nobody takes over",
            RAFT,
            "{leader_follower: {followers: 0, failover: {detect: 1s}}}",
            "7:91 E-REPL",
            "no follower",
        ),
        (
            "patience",
            RAFT,
            "{leader_follower: {followers: 1, ack: semi_sync(timeout=2s)}}",
            "7:96 E-TIMING",
            "gives up after 1s",
        ),
    ];
    check_in(GOOD, cases);
}

#[test]
fn what_only_some_replicas_have_is_refused_elsewhere() {
    let cases: &[Case] = &[
        (
            "fsync twice",
            RAFT,
            "{raft: {fsync: 1ms}}, durability: {fsync: 2ms}",
            "7:73 E-CONFLICT",
            "says it too",
        ),
        ("apply", RAFT, "{quorum: {replicas: 3}}, apply: 1ms", "7:90 E-CONFLICT", "no log"),
        (
            "alone",
            ", replication: {raft: {replicas: 3}}",
            ", apply_cores: 2",
            "7:58 E-CONFLICT",
            "without `replication`",
        ),
    ];
    check_in(GOOD, cases);
    let led = GOOD.replace("{node: kv}}", "{node: kv, replica: leader}}");
    check_in(
        &led,
        &[
            ("role", RAFT, "{quorum: {replicas: 3}}", "8:65 E-FAULT-TARGET", "nobody leads"),
            ("number", "replica: leader", "replica: 3", "8:65 E-FAULT-TARGET", "0..=2"),
            (
                "no replica",
                ", replication: {raft: {replicas: 3}}",
                "",
                "8:65 E-FAULT-TARGET",
                "has no replicas",
            ),
            (
                "side",
                "crash: {node: kv, replica: leader}",
                "partition: {node: kv@d}",
                "8:38 E-REF",
                "nothing of `kv`",
            ),
        ],
    );
}

#[test]
fn what_is_replicated_elsewhere_shifts_no_draw() {
    let of = |other: &str| {
        let text = format!(
            "windtunnel: 1\nname: two\nduration: 20s\n{ZONES}\nclients:\n  \
             one: {{arrivals: poisson(100/s), keys: uniform(n=50), timeout: 1s, operations: {{put: {{write: kv, share: 0.5}}, get: {{read: kv, share: 0.5}}}}, zones: [a]}}\n  \
             two: {{arrivals: poisson(100/s), keys: uniform(n=50), timeout: 1s, operations: {{put: {{write: other}}}}, zones: [b]}}\n\
             nodes:\n  kv: {{store: {{read: exp(mean=1ms), cores: 1, zones: [a, b, c], replication: {{raft: {{replicas: 3, fsync: exp(mean=1ms)}}}}}}}}\n  \
             other: {{store: {{read: exp(mean=1ms), zones: [a, b, c], replication: {{{other}}}}}}}\n\
             faults: [{{id: dead, at: 8s, for: 2s, crash: {{node: kv, replica: leader}}}}]\n"
        );
        let found = results_of(&text, 1);
        (found["clients"]["one"].clone(), found["nodes"]["kv"].clone())
    };
    let first = of("raft: {replicas: 3}");
    assert_eq!(first, of("quorum: {replicas: 5, read_repair: 30%}"));
    assert_eq!(first, of("leader_follower: {followers: 1, failover: {detect: 1s}}"));
}
