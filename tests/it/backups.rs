//! Backups: how much is lost, how long it takes to restore a shard, what that costs the network, and who is turned away meanwhile.

use serde_json::Value;

use crate::{
    bad_input::told,
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
    resharding::mix,
};

/// Fifty writes a second of keys in turn, twice as many reads, and a store whose disks are lost at 150 s for 10 s.
fn lost(backup: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: lost\nduration: 400s\nseed: 3\n\
         topology: {{regions: {{r: [a, b]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 1ms}}\n\
         clients:\n  writers: {{zones: [a], arrivals: constant(50/s), keys: sequential(n=10k), timeout: 1s, operations: {{put: {{write: db}}}}}}\n  \
         readers: {{zones: [a], arrivals: poisson(100/s), keys: uniform(n=10k), timeout: 1s, operations: {{get: {{read: db}}}}}}\n\
         nodes:\n  db: {{store: {{zones: [a], keys: 10k, read: 0.5ms, write: 1ms, cores: 2, {backup}}}}}\n\
         faults: [{{id: gone, at: 150s, for: 10s, crash: {{node: db, lose_data: true}}}}]\n{rest}\n"
    )
}

fn backup(what: &str) -> String {
    format!("backup: {{{what}}}")
}

fn of(found: &Value, what: &str) -> f64 {
    number(found, &format!("nodes.db.backups.{what}"))
}

fn lost_by(found: &Value, cause: &str) -> f64 {
    found["consistency"]["lost_by_cause"]
        .get(cause)
        .map_or(0.0, |all| all["value"].as_f64().unwrap())
}

#[test]
fn what_is_lost_is_the_rate_times_the_age_of_the_snapshot() {
    let none = results_of(&lost("", ""), 1);
    // 150 s of them, but for one that may be under way.
    assert!((lost_by(&none, "crash") - 7_500.0).abs() <= 1.0);
    assert_eq!(none["nodes"]["db"].get("backups"), None);
    for (every, age) in [("60s", 30.0), ("40s", 30.0), ("100s", 50.0), ("1h", 150.0)] {
        let found = results_of(&lost(&backup(&format!("every: {every}, to: b")), ""), 1);
        assert!((lost_by(&found, "restore") - 50.0 * age).abs() <= 1.0, "{every}");
        assert_eq!(lost_by(&found, "crash"), 0.0);
        assert_eq!(of(&found, "restores"), 1.0);
        assert_eq!(of(&found, "age"), age, "{every}");
        assert_eq!(of(&found, "keys"), 10_000.0);
        // What was lost is told at the fault, too.
        assert_eq!(number(&found, "faults.0.lost_acked_writes"), lost_by(&found, "restore"));
        assert!((number(&found, "faults.0.rpo") - age).abs() < 0.03, "{every}");
    }
}

#[test]
fn with_the_log_no_more_is_lost_than_was_written_since_it_was_last_sent() {
    for (log, age) in [("20s", 10.0), ("7s", 3.0), ("1s", 1.0), ("400ms", 0.4)] {
        let what = backup(&format!("every: 100s, to: b, log: {log}"));
        let found = results_of(&lost(&what, ""), 1);
        // What is sent as the disk is lost is not there: nothing of that instant has happened yet.
        assert!((lost_by(&found, "restore") - 50.0 * age).abs() <= 1.0, "{log}");
        assert!((of(&found, "age") - age).abs() < 1e-6, "{log}");
    }
    // The last one was sent just before, and had not come: it is on its way, and comes.
    let what = backup("every: 100s, to: b, log: 15s");
    let late = lost(&what, "").replace("at: 150s", "at: 150.0005s");
    assert!(lost_by(&results_of(&late, 1), "restore") <= 1.0);
}

#[test]
fn what_was_restored_is_read_and_is_old_by_as_much_as_was_lost() {
    let reads = |backup: &str| {
        let found = results_of(&lost(backup, ""), 1);
        number(&found, "consistency.stale_reads")
    };
    // Until it is written again at 200 s and later a key of the 7,500 that were written is read as it was: of the last
    // 1,500 of them as if it were not there, and without a backup of all.
    let (none, some) = (reads(""), reads(&backup("every: 60s, to: b")));
    // Key k is next written k / 50 s after 200 s: reads of key k, one in 100 s, see the old one from 160 s until then.
    let old = |first: u64, last: u64| -> f64 {
        (first..=last).map(|key| (40.0 + key as f64 / 50.0) / 100.0).sum()
    };
    let (all, last) = (old(1, 7_500), old(6_001, 7_500));
    assert!((none / all - 1.0).abs() < 0.05, "{none} {all}");
    assert!((some / last - 1.0).abs() < 0.08, "{some} {last}");
}

#[test]
fn a_shard_is_restored_at_its_pace_and_turns_everybody_away_until_then() {
    let with = |restore: &str| {
        let what = backup(&format!("every: 60s, to: b, restore: {restore}"));
        results_of(&lost(&what, ""), 1)
    };
    // A question, an answer, and the time itself.
    let exact = |found: &Value, time: f64| {
        assert!((of(found, "time") - time - 0.002).abs() < 1e-9, "{time} {}", of(found, "time"));
    };
    exact(&with("30s"), 30.0);
    let found = with("500/s");
    exact(&found, 20.0);
    // For 20 s 150 requests a second.
    let turned = found["nodes"]["db"]["causes"]["restoring"].as_f64().unwrap();
    assert!((turned / 3_000.0 - 1.0).abs() < 0.05, "{turned}");
    for time in ["rto.read", "rto.write"] {
        let time = number(&found, &format!("faults.0.{time}"));
        assert!((30.0..30.2).contains(&time), "{time}");
    }
    // It is down for 30 s of 400.
    let up = number(&found, "nodes.db.availability_time");
    assert!((up - 370.0 / 400.0).abs() < 1e-4, "{up}");
    assert!(number(&found, "nodes.db.outages_per_year") > 0.0);
    // And a boot, before it can ask for anything.
    let booted = lost(&backup("every: 60s, to: b, restore: 30s"), "")
        .replace("cores: 2", "cores: 2, boot: 5s");
    let found = results_of(&booted, 1);
    exact(&found, 30.0);
    assert!((45.0..45.2).contains(&number(&found, "faults.0.rto.write")));
    let slow = "faults: [{id: slow, at: 100s, slow: {node: db, factor: 2}}, ";
    let slowed = lost(&backup("every: 60s, to: b, restore: 30s"), "").replace("faults: [", slow);
    exact(&results_of(&slowed, 1), 60.0);
}

#[test]
fn only_the_shard_that_lost_its_data_is_restored() {
    let text = lost(&backup("every: 60s, to: b, restore: 100/s"), "")
        .replace("keys: 10k, read", "shards: {count: 4}, keys: 10k, read")
        .replace("node: db, lose", "node: db, shard: 2, lose");
    let found = results_of(&text, 1);
    let is_there = |key: &u64| mix(*key) % 4 == 2;
    let keys = (1..=10_000).filter(is_there).count() as f64;
    assert_eq!(of(&found, "keys"), keys);
    assert!((of(&found, "time") - keys / 100.0 - 0.002).abs() < 1e-9);
    // Those of its keys that were written between 120 s and 150 s.
    let lost = (6_001..=7_500).filter(is_there).count() as f64;
    assert!((lost_by(&found, "restore") - lost).abs() <= 1.0);
    // Six snapshots of each, but the one that was due while it was restored.
    assert_eq!(of(&found, "snapshots"), 23.0);
    let restored = found["nodes"]["db"]["backups"]["restored"].as_array().unwrap();
    assert_eq!((restored.len(), restored[0]["shard"].as_u64()), (1, Some(2)));
}

#[test]
fn a_snapshot_goes_over_the_network_and_counts_once_it_is_there() {
    // 10,000 keys of 10 KB are 100 MB: at 8 MB/s 12.5 s, in six parts of which each but the last is 16 MiB.
    let link = "network: {same_zone: 0.2ms, same_region: 1ms, links: [{from: a, to: b, bandwidth: 64Mbps}]}";
    let with = |backup: &str, at: &str| {
        lost(backup, "")
            .replace("keys: 10k, read", "keys: 10k, value_size: 10KB, read")
            .replace("network: {same_zone: 0.2ms, same_region: 1ms}", link)
            .replace("at: 150s", at)
    };
    let found = results_of(&with(&backup("every: 60s, to: b, restore: 1s"), "at: 150s"), 1);
    // 12.5 s, and of each part the way there and back.
    let time = of(&found, "time");
    assert!((time - 13.5 - 6.0 * 0.002).abs() < 1e-3, "{time}");
    assert_eq!(of(&found, "age"), 30.0);
    // One that was on its way as the shard died is no snapshot.
    let torn = results_of(&with(&backup("every: 60s, to: b"), "at: 130s"), 1);
    assert_eq!(of(&torn, "age"), 70.0);
    assert_eq!(of(&torn, "snapshots"), of(&found, "snapshots") - 1.0);
    let whole = results_of(&with(&backup("every: 60s, to: b"), "at: 132.6s"), 1);
    assert!((of(&whole, "age") - 12.6).abs() < 1e-6);
    // A link that is too slow for a snapshot each minute has every other one.
    let slow = with(&backup("every: 60s, to: b"), "at: 150s").replace("64Mbps", "10Mbps");
    assert_eq!(of(&results_of(&slow, 1), "age"), 90.0);
    // Within its zone nothing of that is felt.
    let near = results_of(&with(&backup("every: 60s"), "at: 130s"), 1);
    assert_eq!(of(&near, "age"), 10.0);
}

#[test]
fn what_is_kept_can_be_cut_off_and_is_asked_for_again() {
    let cut = "faults: [{id: cut, at: 100s, for: 70s, partition: {between: [[a], [b]]}}, ";
    let text =
        lost(&backup("every: 60s, to: b, log: 10s, restore: 5s"), "").replace("faults: [", cut);
    let found = results_of(&text, 1);
    // What was put away at 90 s is there, and of what came after nothing: the cut begins before what is due then is sent.
    assert_eq!(of(&found, "age"), 60.0);
    assert!((lost_by(&found, "restore") - 3_000.0).abs() <= 1.0);
    // Back at 160 s, asked at once, and again 60 s later, when nothing is cut any more.
    assert!((of(&found, "time") - 65.002).abs() < 1e-9, "{}", of(&found, "time"));
    // The log goes on as if nothing had been: what was not said to be there is sent again.
    let again = text.replace("at: 150s, for: 10s", "at: 250s, for: 10s");
    let found = results_of(&again, 1);
    assert_eq!(of(&found, "age"), 10.0);
}

#[test]
fn a_shard_that_dies_again_before_it_is_restored_begins_anew() {
    let twice = "faults: [{id: again, at: 170s, for: 5s, crash: {node: db}}, ";
    let what = backup("every: 60s, to: b, restore: 30s");
    let found = results_of(&lost(&what, "").replace("faults: [", twice), 1);
    assert_eq!(of(&found, "restores"), 1.0);
    assert!((lost_by(&found, "restore") - 1_500.0).abs() <= 1.0);
    // Down from 150 s until 205 s.
    let up = number(&found, "nodes.db.availability_time");
    assert!((up - 345.0 / 400.0).abs() < 1e-4, "{up}");
    // What was lost before is not lost again: of the second loss what came after 190 s, when it served, and 180 s.
    let wiped = twice.replace("170s", "330s").replace("node: db", "node: db, lose_data: true");
    let found = results_of(&lost(&what, "").replace("faults: [", &wiped), 1);
    assert_eq!(of(&found, "restores"), 2.0);
    assert!((lost_by(&found, "restore") - 1_500.0 - 1_500.0).abs() <= 2.0);
    // Of a crash that leaves the disk nothing is restored, and nothing lost.
    let crash = lost(&what, "").replace(", lose_data: true", "");
    let found = results_of(&crash, 1);
    assert_eq!(
        (of(&found, "restores"), number(&found, "consistency.lost_acked_writes")),
        (0.0, 0.0)
    );
}

#[test]
fn what_was_lost_and_is_done_again_was_not_done_twice() {
    // The answer to a write is lost, and then that with the data: 20 s later it is sent again.
    let acks = "faults: [{id: acks, at: 149.97s, for: 20ms, loss: {from: [db], to: [writers], fraction: 100%}}, ";
    let text = lost(&backup("every: 60s, to: b"), "")
        .replace(
            "timeout: 1s, operations: {put",
            "timeout: 1s, retry: {attempts: 3, backoff: constant(20s)}, operations: {put",
        )
        .replace("faults: [", acks)
        .replace("at: 150s", "at: 149.995s");
    let twice = |text: &str| number(&results_of(text, 1), "consistency.duplicate_applies");
    assert_eq!(twice(&text), 0.0);
    // If they are not lost it was.
    assert_eq!(twice(&text.replace(", lose_data: true", "")), 1.0);
}

#[test]
fn what_is_kept_is_not_lost_when_the_run_ends_before_it_is_restored() {
    let text = lost(&backup("every: 60s, to: b, restore: 1h"), "");
    let found = results_of(&text, 1);
    assert_eq!(of(&found, "restores"), 0.0);
    assert!((lost_by(&found, "restore") - 1_500.0).abs() <= 1.0);
}

#[test]
fn a_zone_that_is_gone_takes_no_backup_with_it() {
    let text = lost(&backup("every: 60s, to: a, restore: 10s"), "")
        .replace("node: db, lose_data: true", "zone: a, lose_data: true");
    let found = results_of(&text, 1);
    assert_eq!((of(&found, "restores"), of(&found, "age")), (1.0, 30.0));
}

#[test]
fn a_backup_that_nobody_needs_is_felt_by_nobody() {
    let with = |backup: &str| {
        let text =
            lost(backup, "").replace("crash: {node: db, lose_data: true}", "pause: {node: db}");
        results_of(&text, 1)
    };
    let (none, some) = (with(""), with(&backup("every: 20s, to: b, log: 1s")));
    assert_eq!(of(&some, "snapshots"), 19.0);
    assert_eq!(none["summary"], some["summary"]);
    assert_eq!(none["consistency"], some["consistency"]);
}

#[test]
fn the_same_bytes_come_of_one_and_two_threads() {
    let what = backup("every: 40s, to: b, log: 3s, restore: exp(mean=20s)");
    let text = lost(&what, "")
        .replace("name: lost", "name: shop")
        .replace("duration: 400s", "duration: 240s")
        .replace("constant(50/s)", "poisson(20/s)");
    let run = |threads: u32| bytes_of_run(&text, &format!("--replications 4 --jobs {threads}"));
    assert_same(&run(1), &run(2));
}

#[test]
fn restores_are_told_as_events() {
    let text = lost(&backup("every: 60s, to: b, restore: 20s"), "");
    let (found, told) = explained(&text);
    assert!(
        told.contains("db: restored within 20.0 s, 10,000 keys as of 30 s before they were lost"),
        "{told} {found}"
    );
}

/// Results and the sentences of the events.
fn explained(text: &str) -> (Value, String) {
    let found = results_of(text, 1);
    let events = found["timeline"]["events"].as_array().cloned().unwrap_or_default();
    let told: Vec<String> =
        events.iter().filter_map(|event| event["text"].as_str().map(str::to_owned)).collect();
    (found, told.join("\n"))
}

#[test]
fn what_cannot_be_backed_up_is_refused() {
    let bad = |backup: &str, more: &str| {
        let text = lost(&format!("{backup}{more}"), "");
        told(text.as_bytes()).join("\n")
    };
    let every = "backup: {every: 60s, to: b}";
    let cases = [
        (bad("backup: {every: 60s, to: c}", ""), "11:99 E-REF unknown zone `c`"),
        (bad("backup: {every: 1ms}", ""), "11:90 E-RANGE nobody copies so often"),
        (bad("backup: {every: 1h, log: 1ms}", ""), "E-RANGE nobody copies so often"),
        (bad("backup: {to: b}", ""), "11:74 E-MISSING `every` is missing"),
        (bad("backup: {every: 1h, restore: fast}", ""), "11:103 E-TYPE expected a duration"),
        (bad("backup: {every: 1h, keep: 3}", ""), "11:94 E-UNKNOWN-KEY unknown key `keep`"),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let corrupt = lost(every, "")
        .replace("crash: {node: db, lose_data: true}", "corrupt: {node: db, fraction: 5%}");
    let said = told(corrupt.as_bytes()).join("\n");
    assert!(said.contains("damage to a store with a backup is not supported yet"), "{said}");
    let moves = lost(every, "")
        .replace("keys: 10k, read", "shards: {count: 2, move: 10/s}, keys: 10k, read")
        .replace("crash: {node: db, lose_data: true}", "set: {nodes.db.store.shards.count: 3}");
    let said = told(moves.as_bytes()).join("\n");
    assert!(
        said.contains("a backup and shards that become more or fewer do not go together yet"),
        "{said}"
    );
    let many = lost(every, "").replace("keys: 10k, read", "keys: 20M, read");
    let said = told(many.as_bytes()).join("\n");
    assert!(said.contains("11:34 E-BUDGET at most 10000000 keys can be copied"), "{said}");
}
