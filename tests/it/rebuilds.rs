//! A replica that lost its data is built again key by key: how long that takes, what it asks of the source, and what holds it up.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// A leader and a follower of 5,000 keys; the follower loses all at 20 s and is back at 21 s.
fn loses(rebuild: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 100s\nseed: 3\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 0.5ms}}\n\
         clients: {{users: {{zones: [a], arrivals: constant(20/s), keys: uniform(n=5k), timeout: 5s, \
         operations: {{get: {{read: db, share: 50%}}, put: {{write: db, share: 50%}}}}}}}}\n\
         nodes:\n  db: {{store: {{zones: [a, b], keys: 5k, read: 1ms, write: 2ms, cores: 4, value_size: 2KB, \
         replication: {{leader_follower: {{followers: 1, failover: {{detect: 5s, observers: [a, b], candidates: [a], rebuild: {rebuild}}}}}}}}}}}\n\
         faults:\n  - {{id: gone, at: 20s, for: 1s, crash: {{node: db, replica: 1, lose_data: true}}}}\n{rest}\n"
    )
}

fn sent(found: &Value, what: &str) -> f64 {
    found["nodes"]["db"]["messages"][what]["value"].as_f64().unwrap_or(0.0)
}

/// From when the follower is back until it has what its leader has, s.
fn time(found: &Value) -> f64 {
    let gone = found["faults"].as_array().unwrap().iter().find(|fault| fault["id"] == "gone");
    gone.unwrap()["convergence_time"]["value"].as_f64().unwrap_or(f64::INFINITY)
}

#[test]
fn it_takes_as_long_as_all_keys_at_its_speed_and_each_is_read_sent_and_written() {
    for (rate, takes) in [("500/s", 10.0), ("1k/s", 5.0)] {
        let found = results_of(&loses(rate, ""), 1);
        assert_eq!((sent(&found, "fetch"), sent(&found, "fetched")), (5_000.0, 5_000.0), "{rate}");
        // It asks first, and hears of what was written meanwhile at the end.
        let took = time(&found);
        assert!(took > takes && took < takes + 0.3, "{rate}: {took}");
        assert_eq!(number(&found, "summary.availability"), 1.0);
        // Of the source 5,000 reads, of the replica as many writes.
        let all_at_once = results_of(&loses(&format!("{takes}s"), ""), 1);
        let busy = |found: &Value, replica: usize| {
            let of =
                &found["nodes"]["db"]["shards"][0]["replicas"][replica]["utilisation"]["value"];
            of.as_f64().unwrap() * 4.0 * 100.0
        };
        // What was written while it copied comes by the log, which a copy at the end holds already. The replica was up for 99 s.
        let (reads, writes) = (5_000.0 * 0.001, (5_000.0 + 10.0 * takes) * 0.002 / 0.99);
        for (replica, work) in [(0, reads), (1, writes)] {
            let more = busy(&found, replica) - busy(&all_at_once, replica);
            assert!((more - work).abs() < 0.05, "{rate}, {replica}: {more}, not {work}");
        }
        assert_eq!(sent(&all_at_once, "fetch"), 0.0);
    }
}

/// Whoever did not say how many keys there were from the start had the simulator fail.
#[test]
fn of_a_store_without_keys_at_the_start_what_was_written_is_copied() {
    let found = results_of(&loses("500/s", "").replace("keys: 5k, read", "read"), 1);
    let fetched = sent(&found, "fetched");
    // About ten writes a second for 21 s, few of which are of the same key.
    assert!((180.0..=240.0).contains(&fetched), "{fetched}");
    let took = time(&found);
    assert!(took > 0.38 && took < 0.7, "{took}");
}

#[test]
fn whoever_copies_is_the_slower_for_it_and_copies_the_slower() {
    let slow = |rate: &str| {
        loses(rate, "").replace("read: 1ms", "read: 8ms").replace("cores: 4", "cores: 2")
    };
    let found = results_of(&slow("1k/s"), 1);
    let took = time(&found);
    // Two cores read 250 a second if they do nothing else; of what clients ask for some has to wait until that is over.
    let least = 5_000.0 * 0.008 / 2.0;
    assert!(took > least && took < 1.1 * least, "{took}, not {least}");
    let gentle = results_of(&slow("50/s"), 1);
    let waits = |found: &Value| number(found, "summary.latency.p99");
    assert!(waits(&found) > 3.0 * waits(&gentle), "{} {}", waits(&found), waits(&gentle));
}

#[test]
fn a_cut_holds_it_up_and_another_loss_begins_it_anew() {
    let cut = loses("500/s", "  - {id: cut, at: 25s, for: 10s, partition: {between: [[a], [b]]}}");
    let took = time(&results_of(&cut, 1));
    // What was under way is asked for again after five seconds.
    assert!(took > 19.0 && took < 26.0, "{took}");
    let again = loses(
        "500/s",
        "  - {id: again, at: 25s, for: 1s, crash: {node: db, replica: 1, lose_data: true}}",
    );
    let found = results_of(&again, 1);
    assert!(sent(&found, "fetched") > 6_500.0 && sent(&found, "fetched") < 7_500.0);
    let source = loses(
        "500/s",
        "  - {id: source, at: 25s, for: 2s, crash: {node: db, replica: 0, process: true}}",
    );
    let found = results_of(&source, 1);
    assert!(
        sent(&found, "fetched") > 6_500.0 && sent(&found, "fetched") < 7_600.0,
        "{}",
        sent(&found, "fetched")
    );
    assert_eq!(number(&found, "consistency.lost_acked_writes"), 0.0);
}

#[test]
fn what_is_built_again_is_as_the_source_on_one_and_two_threads() {
    let text = loses(
        "2k/s",
        "  - {id: more, mtbf: exp(mean=15s), mttr: exp(mean=1s), crash: {node: db, lose_data: true, replica: 1}}\n  \
         - {id: cut, mtbf: exp(mean=20s), mttr: exp(mean=2s), partition: {between: [[a], [b]]}}",
    );
    let one = bytes_of_run(&text, "--jobs 1 --replications 2");
    assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 2"));
}

#[test]
fn its_speed_is_checked_where_it_stands() {
    let base = loses("500/s", "")
        .replace("zones: [a, b], keys", "zones: [a, b, c], keys")
        .replace("followers: 1", "followers: 2")
        .replace("observers: [a, b]", "observers: [a, b, c]");
    let cases: [Case; 3] = [
        ("fast", "rebuild: 500/s", "rebuild: 2M/s", "9:211 E-RANGE", "so fast"),
        ("none", "rebuild: 500/s", "rebuild: 0/s", "9:211 E-RANGE", "above 0"),
        ("keys", "keys: 5k, read", "keys: 1G, read", "9:40 E-BUDGET", "one by one"),
    ];
    check_in(&base, &cases);
}
