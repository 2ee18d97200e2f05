//! Copies that are damaged on disk: who finds it out, what readers get, and what brings them back.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
};

/// Keys are written until half of the run is over, and read after that; the fault strikes in between.
fn design(store: &str, corrupt: &str, keys: u32) -> String {
    format!(
        "windtunnel: 1\nname: rot\nduration: 60s\nseed: 3\nclocks: {{offset: 0ms}}\n\
         network: {{same_zone: 0.1ms}}\n\
         clients:\n  w: {{arrivals: constant(1000/s), keys: uniform(n={keys}), timeout: 1s, \
         load: {{at: 30s, factor: 0}}, operations: {{put: {{write: db}}}}}}\n\
         \x20 r: {{arrivals: constant(1000/s), keys: uniform(n={keys}), timeout: 1s, \
         load: [{{at: 0s, factor: 0}}, {{at: 40s, factor: 1}}], operations: {{get: {{read: db}}}}}}\n\
         nodes: {{db: {{store: {{read: 0.1ms, write: 0.1ms, {store}}}}}}}\n\
         faults: [{{id: rot, at: 35s, corrupt: {{node: db, {corrupt}}}}}]\n"
    )
}

fn found(store: &str, corrupt: &str, keys: u32) -> Value {
    results_of(&design(store, corrupt, keys), 1)
}

fn at(results: &Value, path: &str) -> f64 {
    let at = path.split('/').fold(results, |at, key| &at[key]);
    at.get("value").unwrap_or(at).as_f64().unwrap_or(0.0)
}

fn errors(results: &Value) -> f64 {
    at(results, "nodes/db/causes/corrupt")
}

fn damaged(results: &Value) -> f64 {
    at(results, "nodes/db/damaged")
}

fn repairs(results: &Value) -> f64 {
    at(results, "nodes/db/repairs")
}

const LOG: &str = "replication: {raft: {replicas: 3, reads: leader}}";
const FOLLOWS: &str = "replication: {leader_follower: {followers: 2, reads: leader}}";

#[test]
fn the_one_copy_is_gone_when_somebody_has_read_it() {
    let results = found("shards: {count: 2}", "fraction: 100%", 40);
    // Each of 40 keys is read often: once it is found out, and from then on nothing is there.
    assert_eq!(errors(&results), 40.0);
    assert_eq!(number(&results, "summary.requests.error"), 40.0);
    let lost = at(&results, "consistency/lost_by_cause/corrupt");
    assert_eq!(lost, at(&results, "consistency/lost_acked_writes"));
    assert!((lost - 30_000.0).abs() <= 2.0, "{lost}");
    let stale = at(&results, "consistency/stale_reads");
    assert!((stale - 20_000.0 + 40.0).abs() <= 2.0, "{stale}");
}

#[test]
fn a_share_of_the_copies_is_hit_each_by_itself() {
    let results = found("shards: {count: 2}", "fraction: 30%", 2000);
    // Binomial: 600 of 2,000, standard deviation 20.5; and 20,000 reads miss a key with probability e^-10.
    let all = errors(&results);
    assert!((all - 600.0).abs() < 82.0, "{all}");
    // Replicas are hit apart: both of two are with 9 %.
    let quorum = "replication: {quorum: {replicas: 2, read: 2, write: 2}}";
    let both = found(quorum, "fraction: 30%", 2000);
    let lost = at(&both, "consistency/lost_by_cause/corrupt");
    assert!((2200.0..3200.0).contains(&lost), "9 % of 30,000 writes: {lost}");
    let one = found(
        &format!("shards: {{count: 2}}, {LOG}"),
        "shard: 1, replica: leader, fraction: 100%",
        2000,
    );
    let of_shard = errors(&one);
    assert!((of_shard - 1000.0).abs() < 100.0, "{of_shard}");
}

#[test]
fn a_log_says_so_once_and_brings_the_copy_back() {
    for store in [LOG, FOLLOWS] {
        let results = found(store, "replica: leader, fraction: 100%", 40);
        assert_eq!((errors(&results), repairs(&results)), (40.0, 40.0), "{store}");
        assert_eq!(damaged(&results), 40.0);
        assert_eq!(at(&results, "consistency/stale_reads"), 0.0);
        assert_eq!(results["consistency"]["linearizable"], Value::Bool(true), "{store}");
        assert_eq!(at(&results, "consistency/lost_acked_writes"), 0.0);
        // Bringing back is work, one copy after another: with 100 ms each the last of 40 is there after four seconds, and
        // a read of what is not there yet fails, 20 keys on average over that time.
        let slow = found(&format!("{store}, apply: 100ms"), "replica: leader, fraction: 100%", 40);
        let failed = errors(&slow);
        assert_eq!(repairs(&slow), 40.0);
        assert!((1700.0..2400.0).contains(&failed), "{store}: {failed}");
        // Who is not asked has nothing to find out.
        let others = found(store, "replica: followers, fraction: 100%", 40);
        assert_eq!((errors(&others), repairs(&others)), (0.0, 0.0), "{store}");
    }
    let read = FOLLOWS.replace("reads: leader", "reads: followers");
    let results = found(&read, "replica: followers, fraction: 100%", 40);
    assert_eq!((errors(&results), repairs(&results)), (80.0, 80.0));
}

#[test]
fn a_quorum_is_answered_by_the_others_and_writes_it_again() {
    let quorum = |read, write, more: &str| {
        format!("replication: {{quorum: {{replicas: 3, read: {read}, write: {write}{more}}}}}")
    };
    let two = found(&quorum(2, 2, ""), "replica: 0, fraction: 100%", 40);
    assert_eq!((errors(&two), at(&two, "consistency/stale_reads")), (0.0, 0.0));
    assert_eq!(damaged(&two), 40.0);
    // Each copy that was gone is written again, by whoever read it first or by several at once.
    assert!((40.0..80.0).contains(&repairs(&two)), "{}", repairs(&two));
    // One answer is enough: the first reads of each key may be of the copy that is gone.
    let one = found(&quorum(1, 3, ""), "replica: 0, fraction: 100%", 40);
    let stale = at(&one, "consistency/stale_reads");
    assert!(stale > 5.0, "{stale}");
    // Nobody brings it back: a third of all reads, whom replica 0 answers, find nothing.
    let never = found(&quorum(1, 3, ", read_repair: false"), "replica: 0, fraction: 100%", 40);
    let stale = at(&never, "consistency/stale_reads");
    assert!((4000.0..9000.0).contains(&stale), "{stale}");
    // All copies: what was acknowledged is gone.
    let all = found(&quorum(2, 2, ""), "fraction: 100%", 40);
    assert!(at(&all, "consistency/lost_by_cause/corrupt") >= 40.0);
}

#[test]
fn without_checksums_readers_get_what_was_there_before() {
    for store in [LOG, FOLLOWS, "cores: 8"] {
        let which = if store == "cores: 8" { "" } else { "replica: leader, " };
        let results = found(store, &format!("{which}fraction: 100%, silent: true"), 40);
        assert_eq!((errors(&results), repairs(&results)), (0.0, 0.0), "{store}");
        // All of 20,000 reads are one version behind, but for keys with a single write.
        let stale = at(&results, "consistency/stale_reads");
        assert!((stale - 20_000.0).abs() <= 2.0, "{store}: {stale}");
        assert_eq!(at(&results, "consistency/staleness_versions/max"), 1.0, "{store}");
        let lost = at(&results, "consistency/lost_acked_writes");
        assert_eq!(lost, if store == "cores: 8" { 40.0 } else { 0.0 }, "{store}");
    }
    let quorum = "replication: {quorum: {replicas: 3, read: 2, write: 3}}";
    let one = found(quorum, "replica: 0, fraction: 100%, silent: true", 40);
    assert_eq!(at(&one, "consistency/stale_reads"), 0.0, "two outvote one");
    let two = found(quorum, "replica: [0, 1], fraction: 100%, silent: true", 40);
    let stale = at(&two, "consistency/stale_reads");
    assert!(stale > 5.0, "two that are wrong may answer first: {stale}");
}

#[test]
fn what_is_written_later_is_sound_and_no_damage_is_none() {
    // Reads begin five seconds after the strike; writes go on until then.
    for store in ["cores: 8", LOG, FOLLOWS] {
        let which = if store == "cores: 8" { "" } else { "replica: leader, " };
        let text = design(store, &format!("{which}fraction: 100%"), 40)
            .replace("at: 30s, factor: 0", "at: 39s, factor: 0");
        let results = results_of(&text, 1);
        assert_eq!(errors(&results), 0.0, "{store}");
        assert_eq!(at(&results, "consistency/lost_acked_writes") > 0.0, store == "cores: 8");
    }
    let text = design(LOG, "fraction: 100%", 40);
    let none = text.replace("fraction: 100%", "fraction: 0%");
    let without = text.split("faults:").next().unwrap().to_owned();
    let fingerprint = |text: &str| results_of(text, 1)["fingerprint"].clone();
    assert_eq!(fingerprint(&none), fingerprint(&without));
    assert_ne!(fingerprint(&text), fingerprint(&without));
}

#[test]
fn damage_that_cannot_be_is_told() {
    let good = "windtunnel: 1
name: bad
duration: 10s
topology: {regions: {r: [a, b]}}
clients: {c: {zones: [a], arrivals: poisson(9/s), keys: uniform(n=9), timeout: 1s, operations: {put: {write: db, share: 50%}, get: {read: db, share: 50%}}}}
nodes:
  db: {store: {read: 1ms, zones: [a, b]}}
  api: {service: {cores: 1, work: 1ms}}
faults:
  - {id: rot, at: 2s, corrupt: {node: db, fraction: 5%}}
";
    let cases: &[Case] = &[
        (
            "b1",
            "{node: db, fraction: 5%}",
            "{node: db}",
            "10:23 E-MISSING",
            "`corrupt` needs `fraction`",
        ),
        ("b2", "fraction: 5%", "fraction: 120%", "10:53 E-RANGE", "more than 100%"),
        (
            "b3",
            "fraction: 5%",
            "fraction: 5%, lose_data: true",
            "10:68 E-FAULT",
            "nothing to `corrupt`",
        ),
        (
            "b4",
            "corrupt: {node: db, fraction: 5%}",
            "pause: {node: db, silent: true}",
            "10:49 E-FAULT",
            "nothing to `pause`",
        ),
        (
            "b5",
            "node: db, fraction",
            "node: api, fraction",
            "10:39 E-FAULT-TARGET",
            "does not fit `api`",
        ),
        ("b6", "at: 2s, corrupt", "at: 2s, for: 1s, corrupt", "10:28 E-FAULT-TIME", "at once"),
        (
            "b7",
            "put: {write: db, share: 50%}, get: {read: db, share: 50%}",
            "get: {read: db}",
            "10:39 E-FAULT-TARGET",
            "has no versions",
        ),
        (
            "b8",
            "zones: [a, b]}}",
            "replication: {multi_leader: {leaders: [a, b], conflict: version_vector}}}}",
            "10:39 E-FAULT-TARGET",
            "several leaders",
        ),
        ("b9", "corrupt: {node: db", "corrupt: {zone: a", "10:23 E-FAULT-TARGET", "which store?"),
    ];
    check_in(good, cases);
}
