//! Backups of stores with replicas: who is restored and when, how much is lost, what becomes of leaders and sessions.

use serde_json::Value;

use crate::{
    bad_input::told,
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

const RAFT: &str = "raft: {replicas: 3}";
const STAYS: &str = "leader_follower: {followers: 2}";
const FAILS_OVER: &str = "leader_follower: {followers: 2, failover: {detect: 2s}}";
const QUORUM: &str = "quorum: {replicas: 3, read: 2, write: 2}";
const ALL: [&str; 4] = [RAFT, STAYS, FAILS_OVER, QUORUM];

/// Fifty writes a second of keys in turn and reads of any, and a store of three replicas, with faults.
fn design(replication: &str, backup: &str, faults: &[&str]) -> String {
    let faults: Vec<String> = faults
        .iter()
        .enumerate()
        .map(|(i, fault)| {
            let (when, what) = fault.split_once(' ').unwrap_or((fault, ""));
            let (at, length) = when.split_once('+').unwrap();
            format!("{{id: f{i}, at: {at}s, for: {length}s, crash: {{node: db{what}}}}}")
        })
        .collect();
    format!(
        "windtunnel: 1\nname: lost\nduration: 300s\nseed: 3\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 1ms}}\n\
         clients:\n  writers: {{zones: [a], arrivals: constant(50/s), keys: sequential(n=10k), timeout: 1s, operations: {{put: {{write: db}}}}}}\n  \
         readers: {{zones: [a], arrivals: poisson(20/s), keys: uniform(n=10k), timeout: 1s, operations: {{get: {{read: db}}}}}}\n\
         nodes:\n  db: {{store: {{zones: [a, b, c], keys: 10k, read: 0.5ms, write: 1ms, cores: 2, backup: {{{backup}}}, replication: {{{replication}}}}}}}\n\
         faults: [{}]\n",
        faults.join(", ")
    )
}

const EVERY: &str = "every: 60s, to: b, restore: 5s";
const LOGGED: &str = "every: 100s, to: b, log: 7s, restore: 5s";
/// All replicas lose what they hold.
const GONE: &str = "150+10 , lose_data: true";

fn of(found: &Value, what: &str) -> f64 {
    number(found, &format!("nodes.db.backups.{what}"))
}

/// What was lost, by cause.
fn lost(found: &Value) -> Vec<(String, f64)> {
    let causes = found["consistency"]["lost_by_cause"].as_object();
    let one = |(cause, all): (&String, &Value)| (cause.clone(), all["value"].as_f64().unwrap());
    causes.into_iter().flatten().map(one).collect()
}

/// So much was lost by restores, but for a write that may be under way, and nothing else.
fn assert_lost(found: &Value, expected: f64, case: &str) {
    let lost = lost(found);
    let is_it = |lost: &[(String, f64)]| match lost {
        [] => expected == 0.0,
        [(cause, n)] => cause == "restore" && (n - expected).abs() <= 1.0,
        _ => false,
    };
    assert!(is_it(&lost), "{case}: {lost:?}, expected {expected}");
}

#[test]
fn what_is_lost_is_the_rate_times_the_age_of_what_was_kept() {
    for replication in ALL {
        for (backup, age) in [(EVERY, 30.0), (LOGGED, 3.0), ("every: 1h, to: c", 150.0)] {
            let found = results_of(&design(replication, backup, &[GONE]), 1);
            assert_lost(&found, 50.0 * age, replication);
            assert_eq!((of(&found, "restores"), of(&found, "age")), (1.0, age), "{replication}");
            assert_eq!(number(&found, "faults.0.lost_acked_writes"), lost(&found)[0].1);
            assert!((number(&found, "faults.0.rpo") - age).abs() < 0.03, "{replication}");
        }
    }
}

#[test]
fn it_serves_again_when_one_is_restored_and_enough_have_been_rebuilt_from_it() {
    for (replication, least, most) in
        [(RAFT, 15.0, 16.0), (STAYS, 15.0, 15.1), (FAILS_OVER, 15.0, 17.5), (QUORUM, 15.0, 15.1)]
    {
        let found = results_of(&design(replication, EVERY, &[GONE]), 1);
        for time in ["rto.read", "rto.write"] {
            let time = number(&found, &format!("faults.0.{time}"));
            assert!((least..most).contains(&time), "{replication}: {time}");
        }
        // A question, an answer, and the time itself; the nearest replica of a quorum is as near as what keeps the backup.
        let way = if replication == QUORUM { 0.0004 } else { 0.002 };
        assert!((of(&found, "time") - 5.0 - way).abs() < 1e-9, "{replication}");
        // Copies are alike when what was restored is everywhere, counted from the end of the fault.
        let alike = number(&found, "faults.0.convergence_time");
        assert!((5.0..8.0).contains(&alike), "{replication}: {alike}");
        let turned = found["nodes"]["db"]["causes"]["restoring"].as_f64().unwrap();
        assert!((turned / 350.0 - 1.0).abs() < 0.1, "{replication}: {turned}");
        // It is down for 15 s of 300, and until somebody leads.
        let up = number(&found, "nodes.db.availability_time");
        assert!((up - 285.0 / 300.0).abs() < 1.0 / 300.0, "{replication}: {up}");
    }
}

#[test]
fn who_loses_data_that_others_have_is_not_restored() {
    let faults =
        ["150+10 , replica: [0], lose_data: true", "200+10 , replica: [2], lose_data: true"];
    for replication in ALL {
        let found = results_of(&design(replication, EVERY, &faults), 1);
        assert_eq!(of(&found, "restores"), 0.0, "{replication}");
        assert_lost(&found, 0.0, replication);
    }
    // Nor do two of three, while the third one is only down: its data are not lost.
    let faults = ["150+60 , replica: [0]", "151+10 , replica: [1, 2], lose_data: true"];
    for replication in [RAFT, STAYS, FAILS_OVER] {
        let found = results_of(&design(replication, EVERY, &faults), 1);
        assert_eq!(of(&found, "restores"), 0.0, "{replication}");
        assert_lost(&found, 0.0, replication);
    }
}

#[test]
fn all_that_lose_their_data_in_turn_are_restored() {
    // The first one is down from 100 s, the second one from 130 s.
    let faults = [
        "100+60 , replica: [0], lose_data: true",
        "130+60 , replica: [1], lose_data: true",
        "150+10 , replica: [2], lose_data: true",
    ];
    // With two of three it goes on until 130 s; without its leader, or whom its callers ask, until 100 s, and the last
    // snapshot is that of 120 s, or of 60 s where nobody leads then.
    for (replication, writes) in [(RAFT, 500.0), (STAYS, 2_000.0), (QUORUM, 0.0)] {
        let found = results_of(&design(replication, EVERY, &faults), 1);
        assert_eq!(of(&found, "restores"), 1.0, "{replication}");
        assert_lost(&found, writes, replication);
    }
    // The first two are up again, but have not been rebuilt: that takes 100 s.
    let slow = FAILS_OVER.replace("2s", "2s, rebuild: 100s");
    let faults = [
        "140+1 , replica: [1], lose_data: true",
        "145+1 , replica: [2], lose_data: true",
        "150+10 , replica: [0], lose_data: true",
    ];
    let found = results_of(&design(&slow, EVERY, &faults), 1);
    assert_lost(&found, 1_500.0, &slow);
    // One of them is restored at once, while the last one is down still.
    let restored = &found["nodes"]["db"]["backups"]["restored"][0];
    assert_eq!(restored["from"].as_f64(), Some(150.0));
    // Where they have been by then nothing is.
    for replication in [RAFT, STAYS, FAILS_OVER] {
        let found = results_of(&design(replication, EVERY, &faults), 1);
        assert_eq!((of(&found, "restores"), lost(&found)), (0.0, Vec::new()), "{replication}");
    }
    // Without leaders those two hold what was written since, and what was read: all else goes back to the snapshot.
    let found = results_of(&design(QUORUM, EVERY, &faults), 1);
    assert_eq!(of(&found, "restores"), 1.0);
    // 1,050 writes between 120 s and 141 s, of which 180 reads of 10,000 keys may have brought back some.
    let [(cause, writes)] = &lost(&found)[..] else { panic!("{:?}", lost(&found)) };
    assert!(cause == "restore" && (1_010.0..1_050.0).contains(writes), "{cause} {writes}");
}

#[test]
fn another_replica_is_restored_if_the_first_one_dies_at_that() {
    let slow = EVERY.replace("5s", "30s");
    let faults = [GONE, "170+5 , replica: [0]", "172+20 , replica: [1]"];
    // Begun at 160 s by the first one, at 170 s by the second one, at 172 s by the third one; only the first one may lead
    // where the leader stays. Without leaders each is restored by itself, the third one from 160 s on.
    for (replication, from) in [(RAFT, 172.0), (STAYS, 175.0), (FAILS_OVER, 172.0), (QUORUM, 160.0)]
    {
        let found = results_of(&design(replication, &slow, &faults), 1);
        let restored = found["nodes"]["db"]["backups"]["restored"].as_array().unwrap();
        assert_eq!(
            (restored.len(), restored[0]["from"].as_f64()),
            (1, Some(from)),
            "{replication}"
        );
        assert_lost(&found, 1_500.0, replication);
    }
}

#[test]
fn what_was_restored_is_kept_again_and_can_be_lost_again() {
    for replication in ALL {
        let faults = [GONE, "250+10 , lose_data: true"];
        let found = results_of(&design(replication, EVERY, &faults), 1);
        assert_eq!(of(&found, "restores"), 2.0, "{replication}");
        // What came after 120 s, and after 240 s.
        assert_lost(&found, 1_500.0 + 500.0, replication);
        // What is kept is not lost if the run ends before.
        let never = EVERY.replace("5s", "1h");
        let found = results_of(&design(replication, &never, &[GONE]), 1);
        assert_eq!(of(&found, "restores"), 0.0, "{replication}");
        assert_lost(&found, 1_500.0, replication);
    }
}

#[test]
fn the_log_goes_on_with_the_next_leader() {
    // The first leader is down for a minute; the parts of the log of those after it are of the same.
    for replication in ALL {
        let faults = ["120+60 , replica: [0]", "250+10 , lose_data: true"];
        let found = results_of(&design(replication, LOGGED, &faults), 1);
        // The last part was that of 245 s.
        assert_lost(&found, 250.0, replication);
        assert_eq!(of(&found, "age"), 5.0, "{replication}");
    }
}

#[test]
fn what_the_next_leader_began_without_is_void_and_it_begins_with_a_snapshot() {
    let late = FAILS_OVER.replace("2,", "2, lag: 5s,");
    let backup = LOGGED.replace("7s", "1s");
    let found = |faults: &[&str]| results_of(&design(&late, &backup, faults), 1);
    // What the leader committed last leaves 5 s later, and it was kept by then.
    let one = found(&["210+5 , replica: [0]"]);
    assert_eq!(lost(&one), [("failover".to_owned(), 250.0)]);
    // At 100 s, at 200 s, and of the new leader at once.
    assert_eq!(of(&one, "snapshots"), 3.0);
    let both = found(&["210+5 , replica: [0]", "250+10 , lose_data: true"]);
    // What was lost in the failover is not lost again, and does not come back: of that the snapshot has nothing.
    let causes = [("failover".to_owned(), 250.0), ("restore".to_owned(), 50.0)];
    assert_eq!(lost(&both), causes);
}

#[test]
fn who_has_seen_what_is_lost_is_told_so() {
    let guaranteed = |replication: &str| {
        let text = design(replication, EVERY, &[GONE, "175+3 , lose_data: true"]);
        let (head, rest) = text.split_once("clients:").unwrap();
        let (_, tail) = rest.split_once("nodes:").unwrap();
        let users = "clients:\n  users:\n    arrivals: poisson(20/s)\n    keys: zipf(n=200 s=0.9)\n    timeout: 1s\n    \
             guarantees: [read_your_writes, monotonic_reads, monotonic_writes, writes_follow_reads]\n    \
             operations: {put: {write: db}, get: {read: db}}\n    \
             session: [{do: put, optional: true}, {do: get, optional: true}, {wait: 40s}, {do: get, optional: true}, {do: put, optional: true}, {wait: 100ms}, {do: get}]\n";
        results_of(&format!("{head}{users}nodes:{tail}"), 1)
    };
    for replication in
        [RAFT, "raft: {replicas: 3, reads: follower}", STAYS, FAILS_OVER, "quorum: {replicas: 3}"]
    {
        // A broken guarantee ends a run.
        let found = guaranteed(replication);
        assert_eq!(of(&found, "restores"), 2.0, "{replication}");
        let behind = found["nodes"]["db"]["causes"]["behind"].as_f64().unwrap();
        assert!(behind > 50.0, "{replication}: {behind}");
    }
}

#[test]
fn shards_are_restored_each_by_itself_over_the_network() {
    for replication in ALL {
        let text = design(replication, EVERY, &["150+10 , shard: 1, lose_data: true"])
            .replace("to: b", "to: c")
            .replace(
                "keys: 10k, read",
                "shards: {count: 3, by: range(2k 8k)}, keys: 10k, value_size: 10KB, read",
            )
            .replace(
                "same_region: 1ms",
                "same_region: 1ms, links: [{from: b, to: c, bandwidth: 800Mbps}]",
            );
        let found = results_of(&text, 1);
        assert_eq!((of(&found, "restores"), of(&found, "keys")), (1.0, 6_000.0), "{replication}");
        // Of keys in turn those written between 120 s and 150 s are 6,001 to 7,500.
        assert_lost(&found, 1_500.0, replication);
        // 60 MB over 100 MB/s, in four parts with a way there and back each; one of three without leaders stands where it is kept.
        let near = replication == QUORUM;
        let way = if near { 4.0 * 0.0004 } else { 0.6 + 4.0 * 0.002 };
        let time = of(&found, "time") - 5.0;
        assert!((time - way).abs() < 0.01, "{replication}: {time}");
    }
}

#[test]
fn the_same_bytes_come_of_one_and_two_threads() {
    for replication in ALL {
        let text = design(replication, "every: 40s, log: 3s, restore: exp(mean=20s)", &[GONE])
            .replace("name: lost", "name: shop")
            .replace("duration: 300s", "duration: 240s")
            .replace("constant(50/s)", "poisson(20/s)");
        let run = |threads: u32| bytes_of_run(&text, &format!("--replications 3 --jobs {threads}"));
        assert_same(&run(1), &run(2));
    }
}

#[test]
fn what_cannot_be_backed_up_is_refused() {
    let bad = |replication: &str, more: &str| {
        let zones = if replication.contains("leaders") { "" } else { "zones: [a, b, c], " };
        let text = design(replication, EVERY, &[GONE])
            .replace("zones: [a, b, c], ", zones)
            .replace("cores: 2", &format!("cores: 2{more}"));
        told(text.as_bytes()).join("\n")
    };
    let several = bad("multi_leader: {leaders: [a, b, c], conflict: crdt(counter)}", "");
    assert!(
        several.contains(
            "11:62 E-UNSUPPORTED a backup and several leaders do not go together yet; \
             one copy, or replicas by `leader_follower`, `raft` or `quorum`"
        ),
        "{several}"
    );
    let forgets = bad(RAFT, ", durability: {mode: never}");
    assert!(
        forgets.contains(
            "E-UNSUPPORTED a backup and replicas that keep nothing do not go together yet; another `durability.mode`"
        ),
        "{forgets}"
    );
    let corrupt = design(RAFT, EVERY, &[GONE])
        .replace("crash: {node: db, lose_data: true}", "corrupt: {node: db, fraction: 5%}");
    let said = told(corrupt.as_bytes()).join("\n");
    assert!(said.contains("damage to a store with a backup is not supported yet"), "{said}");
}
