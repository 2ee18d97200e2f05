//! Keys that move between shards whose replicas follow a leader: by entries of both logs, whoever leads by then.

use serde_json::Value;

use crate::{
    bad_input::told,
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
    resharding::{grows, mix, moved},
    transactions::{next, pick},
};

const RAFT: &str = "raft: {replicas: 3}";

/// The same readers and writers, where each shard has such copies in three zones.
fn copied(copies: &str, rest: &str) -> String {
    grows("hash", "500/s", rest)
        .replace("[a, b]}}\nnetwork", "[a, b, c]}}\nnetwork")
        .replace("zones: [a, b], shards", "zones: [a, b, c], shards")
        .replace("cores: 2", &format!("cores: 2, replication: {{{copies}}}"))
}

fn consistent(found: &Value, text: &str) {
    assert_eq!(found["consistency"]["linearizable"], true, "{text}");
    for what in ["lost_acked_writes", "stale_reads"] {
        assert_eq!(number(found, &format!("consistency.{what}")), 0.0, "{what}: {text}");
    }
    // Where something may be attempted twice.
    let again = &found["consistency"]["duplicate_applies"];
    assert_eq!(again["value"].as_f64().unwrap_or(0.0), 0.0, "{text}");
}

#[test]
fn as_many_keys_move_as_with_one_copy_and_each_is_written_to_all() {
    let single = results_of(&grows("hash", "500/s", ""), 1);
    for copies in
        [RAFT, "leader_follower: {followers: 2}", "leader_follower: {followers: 2, ack: sync}"]
    {
        let text = copied(copies, "");
        let found = results_of(&text, 1);
        for what in ["keys", "bytes", "fraction"] {
            assert_eq!(moved(&found, what), moved(&single, what), "{copies}: {what}");
        }
        let (time, alone) = (moved(&found, "time"), moved(&single, "time"));
        assert!((time - alone).abs() < 0.1, "{copies}: {time} {alone}");
        assert_eq!(number(&found, "summary.availability"), 1.0, "{copies}");
        consistent(&found, &text);
    }
    // Each replica of a shard that takes a key works for that.
    let still = |copies: &str| copied(copies, "").replace("count: 5", "count: 4");
    let busy = |found: &Value| {
        let shards = found["nodes"]["db"]["shards"].as_array().unwrap();
        shards.iter().map(|shard| number(shard, "utilisation")).sum::<f64>()
    };
    let more = busy(&results_of(&copied(RAFT, ""), 1)) - busy(&results_of(&still(RAFT), 1));
    // One reads it, three write it; a few are sent twice. A shard's share is that of its three replicas of two cores.
    let expected = moved(&single, "keys") * (0.5e-3 + 3.0 * 1e-3) / (60.0 * 3.0 * 2.0);
    assert!((more / expected - 1.0).abs() < 0.02, "{more} {expected}");
}

#[test]
fn a_log_of_one_is_as_a_shard_of_one_copy() {
    let single = results_of(&grows("hash", "500/s", ""), 1);
    for copies in ["raft: {replicas: 1}", "leader_follower: {followers: 0}"] {
        let text = grows("hash", "500/s", "")
            .replace("cores: 2", &format!("cores: 2, replication: {{{copies}}}"));
        let found = results_of(&text, 1);
        assert_eq!(found["nodes"]["db"]["moved"], single["nodes"]["db"]["moved"], "{copies}");
        assert_eq!(found["summary"]["latency"], single["summary"]["latency"], "{copies}");
        let causes = |found: &Value| found["nodes"]["db"]["causes"].clone();
        assert_eq!(causes(&found), causes(&single), "{copies}");
        consistent(&found, &text);
    }
}

#[test]
fn whoever_leads_next_goes_on_and_is_asked() {
    let crash = |which: &str, process: &str| {
        copied(RAFT, "").replace(
            "}}]",
            &format!(
                "}}}}, {{id: dies, at: 12s, for: 5s, crash: {{node: db, {which}{process}}}}}]"
            ),
        )
    };
    let calm = results_of(&copied(RAFT, ""), 1);
    // The first leader of the shard that takes all, and one that hands over.
    for which in ["instances: [12]", "instances: [0]"] {
        let text = crash(which, ", process: true");
        let found = results_of(&text, 1);
        assert_eq!(moved(&found, "keys"), moved(&calm, "keys"), "{which}");
        assert_eq!(number(&found, "nodes.db.elections.count"), 1.0, "{which}");
        // Nothing moves until somebody leads again, and what was on its way is sent again after 5 s.
        let more = moved(&found, "time") - moved(&calm, "time");
        assert!((0.1..5.0).contains(&more), "{which}: {more}");
        consistent(&found, &text);
    }
}

/// Forty keys are written once each by 4 s to the first of two shards, whose followers hear of nothing for ten minutes; from 10 s on
/// half of them move, one each 100 ms, to where it takes a message 300 ms.
fn unheard(faults: &str) -> String {
    format!(
        "windtunnel: 1\nname: heard\nduration: 60s\nseed: 3\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0ms, same_region: 300ms}}\n\
         clients: {{users: {{zones: [a], arrivals: constant(10/s), load: [{{at: 0s, factor: 1}}, {{at: 4.05s, factor: 0}}], \
         keys: sequential(n=40), timeout: 5s, operations: {{put: {{write: db}}}}}}}}\n\
         nodes: {{db: {{store: {{zones: [a, b, c], shards: {{count: 1, move: 10/s}}, read: 0.5ms, write: 1ms, \
         replication: {{leader_follower: {{followers: 2, lag: 10m, failover: {{detect: 3s, fencing: false}}}}}}}}}}}}\n\
         faults: [{{id: grow, at: 10s, set: {{nodes.db.store.shards.count: 2}}}}{faults}]\n"
    )
}

#[test]
fn what_is_lost_with_a_leader_is_what_it_served_and_had_told_nobody() {
    let dies = |at: &str, leader: u32| {
        let text = unheard(&format!(
            ", {{id: dies, at: {at}, for: 40s, crash: {{node: db, instances: [{leader}], process: true}}}}"
        ));
        let found = results_of(&text, 1);
        assert_eq!(number(&found, "consistency.operations.write"), 40.0);
        found
    };
    let lost = |found: &Value| number(found, "consistency.lost_acked_writes");
    let move_to_it = (1..=40).filter(|key| mix(*key) % 2 == 1).count() as f64;
    assert_eq!(lost(&results_of(&unheard(""), 1)), 0.0);
    // After all: what moved is safe from the one, and gone with the other.
    assert_eq!(lost(&dies("15s", 0)), 40.0 - move_to_it);
    assert_eq!(lost(&dies("15s", 3)), move_to_it);
    // Before, all are with the first.
    assert_eq!(lost(&dies("9s", 0)), 40.0);
    assert_eq!(lost(&dies("9s", 3)), 0.0);
    // Of six that had come to it at 11 s the old leader has heard of three, and hears of the others when they are gone; the
    // other ones are sent again to who leads next.
    let found = dies("11s", 3);
    assert_eq!(lost(&found), 6.0);
    assert_eq!(moved(&found, "keys"), move_to_it);
    let causes = found["consistency"]["lost_by_cause"].as_object().unwrap();
    assert_eq!(causes.keys().collect::<Vec<_>>(), ["failover"]);
}

#[test]
fn a_follower_that_has_not_heard_of_a_key_does_not_answer_for_it() {
    // Followers of the new shard have its keys an hour later. Whoever asks them is sent on to who leads.
    let design = |shards: u64| {
        format!(
            "windtunnel: 1\nname: known\nduration: 60s\nseed: 3\n\
             topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.1ms, same_region: 1ms}}\n\
             clients:\n  first: {{zones: [a], arrivals: constant(10/s), load: [{{at: 0s, factor: 1}}, {{at: 4.05s, factor: 0}}], \
             keys: sequential(n=40), timeout: 5s, operations: {{put: {{write: db}}}}}}\n  \
             then: {{zones: [a], arrivals: constant(100/s), load: [{{at: 0s, factor: 0}}, {{at: 20s, factor: 1}}], \
             keys: uniform(n=40), timeout: 5s, operations: {{get: {{read: db}}}}}}\n\
             nodes: {{db: {{store: {{zones: [a, b, c], shards: {{count: 1, move: 10/s}}, read: 0.5ms, write: 1ms, \
             replication: {{leader_follower: {{followers: 2, reads: followers, lag: 5s}}}}}}}}}}\n\
             faults: [{{id: grow, at: 15s, set: {{nodes.db.store.shards.count: {shards}}}}}]\n"
        )
    };
    for shards in [1, 2] {
        let text = design(shards);
        let found = results_of(&text, 1);
        assert!(number(&found, "clients.then.requests.ok") >= 3_999.0);
        consistent(&found, &text);
        let sent_on = found["nodes"]["db"]["causes"]["sent_on"].as_f64().unwrap_or(0.0);
        assert_eq!(sent_on > 0.0, shards == 2, "{sent_on}");
    }
}

#[test]
fn whoever_does_not_know_that_he_was_replaced_hands_nothing_over() {
    // The leader stands still while it is confirmed that a key has come to the other shard. Somebody else leads, and the key
    // goes on being written there. It hears of what was confirmed before it hears of that.
    let design = |at: u32| {
        format!(
            "windtunnel: 1\nname: still\nduration: 12s\nseed: 3\n\
             topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.1ms, same_region: 40ms}}\n\
             clients: {{users: {{zones: [b], arrivals: constant(400/s), keys: uniform(n=8), timeout: 1s, \
             operations: {{put: {{write: db}}}}}}}}\n\
             nodes: {{db: {{store: {{zones: [a, b, c], shards: {{count: 1, move: 2/s}}, keys: 8, read: 0.5ms, write: 1ms, \
             replication: {{raft: {{replicas: 3}}}}}}}}}}\n\
             faults: [{{id: grow, at: 3s, set: {{nodes.db.store.shards.count: 2}}}}, \
             {{id: still, at: {at}ms, for: 1500ms, pause: {{node: db, instances: [0]}}}}]\n"
        )
    };
    let mut moves = 0.0;
    for at in (3_500..4_500).step_by(50) {
        let text = design(at);
        let found = results_of(&text, 1);
        assert_eq!(number(&found, "nodes.db.elections.count"), 1.0, "{text}");
        consistent(&found, &text);
        moves += moved(&found, "keys");
    }
    let all = (1..=8).filter(|key| mix(*key) % 2 == 1).count() as f64;
    assert_eq!(moves, 20.0 * all);
}

#[test]
fn replicas_that_have_all_forgotten_hand_over_what_is_written_since() {
    // Terms are past the first when all is lost, and begin anew.
    let more = "}}, {id: one, at: 1s, for: 2s, crash: {node: db, replica: leader}}, \
        {id: other, at: 4s, for: 2s, crash: {node: db, replica: leader}}, \
        {id: all, at: 7s, for: 500ms, crash: {node: db, lose_data: true}}]";
    let calm = results_of(&copied(RAFT, ""), 1);
    let found = results_of(&copied(RAFT, "").replace("}}]", more), 1);
    assert_eq!(moved(&found, "keys"), moved(&calm, "keys"));
    assert!(
        (moved(&found, "time") - moved(&calm, "time")).abs() < 0.5,
        "{}",
        moved(&found, "time")
    );
}

/// A random schedule of crashes, cuts and whatever else while keys move.
fn schedule(copies: &str, seed: u64) -> String {
    let mut state = seed;
    let mut below = |n: u64| next(&mut state) % n;
    let (from, to) = [(1, 2), (2, 3), (3, 5), (4, 3), (3, 1), (2, 1)][below(6) as usize];
    let by = ["hash", "consistent_hash(vnodes=100)", "range"][below(3) as usize];
    let mut faults =
        vec![format!("{{id: grow, at: 3s, set: {{nodes.db.store.shards.count: {to}}}}}")];
    for i in 0..2 + below(5) {
        let (at, lasts) = (2_000 + below(5_000), 100 + below(3_000));
        let instance = format!("instances: [{}]", below(3 * from.max(to)));
        let which = ["replica: leader", "replica: 1", "replica: [0, 2]", &instance];
        let which = which[below(4) as usize];
        let zones = ["[a], [b, c]", "[b], [a, c]", "[c], [a, b]"][below(3) as usize];
        let what = match below(9) {
            0 => format!("partition: {{between: [{zones}]}}"),
            1 => "partition: {from: [a], to: [b, c]}".to_owned(),
            2 => format!("loss: {{between: [{zones}], fraction: 40%}}"),
            3 => format!("duplicate: {{between: [{zones}], fraction: 50%}}"),
            // What is sent again after a second may come before what was sent first.
            4 => format!("latency: {{between: [{zones}], add: exp(mean=600ms)}}"),
            5 => format!("pause: {{node: db, {which}}}"),
            6 => format!("crash: {{node: db, {which}, process: true}}"),
            _ => format!("crash: {{node: db, {which}}}"),
        };
        faults.push(format!("{{id: f{i}, at: {at}ms, for: {lasts}ms, {what}}}"));
    }
    if below(2) == 0 {
        faults
            .push("{id: again, at: 4s, for: 3s, set: {nodes.db.store.shards.count: 4}}".to_owned());
    }
    let keys = pick(&mut state, ["zipf(n=60 s=0.6)", "uniform(n=20)"]);
    format!(
        "windtunnel: 1\nname: schedule\nduration: 30s\nseed: {seed}\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: exp(mean=3ms)}}\n\
         clients: {{users: {{zones: [a, b, c], arrivals: poisson(150/s), keys: {keys}, timeout: 400ms, \
         retry: {{attempts: 3, backoff: constant(20ms)}}, idempotent: true, \
         operations: {{get: {{read: db, share: 40%}}, put: {{write: db, share: 60%}}}}}}}}\n\
         nodes:\n  db: {{store: {{zones: [a, b, c], shards: {{count: {from}, by: {by}, move: 20/s}}, keys: 20, \
         read: exp(mean=1ms), write: exp(mean=2ms), cores: 2, replication: {{{copies}}}}}}}\nfaults: [{}]\n",
        faults.join(", ")
    )
}

#[test]
fn raft_stays_linearizable_while_keys_move_whoever_dies() {
    let mut refused = 0.0;
    for seed in 0..60 {
        let copies =
            ["raft: {replicas: 3}", "raft: {replicas: 3, reads: lease}"][seed as usize % 2];
        let text = schedule(copies, seed);
        let found = results_of(&text, 1);
        consistent(&found, &text);
        assert!(moved(&found, "time") > 0.0, "{text}");
        refused += 1.0 - number(&found, "summary.availability");
    }
    assert!(refused > 0.5, "faults were felt: {refused}");
}

#[test]
fn what_all_have_is_not_lost_while_keys_move() {
    let copies =
        "leader_follower: {followers: 2, ack: sync, failover: {detect: 500ms, fencing: true}}";
    for seed in 0..40 {
        let text = schedule(copies, seed);
        let found = results_of(&text, 1);
        for what in ["lost_acked_writes", "duplicate_applies"] {
            assert_eq!(number(&found, &format!("consistency.{what}")), 0.0, "{what}: {text}");
        }
        assert!(moved(&found, "time") > 0.0, "{text}");
    }
}

#[test]
fn runs_are_the_same_on_one_and_two_threads() {
    let text = schedule(RAFT, 5).replace("name: schedule", "name: shop");
    let run = |threads: u32| bytes_of_run(&text, &format!("--replications 4 --jobs {threads}"));
    assert_same(&run(1), &run(2));
}

#[test]
fn what_does_not_go_with_moving_keys_is_said_where_it_stands() {
    let quorum = copied("quorum: {replicas: 3}", "");
    let several = copied("multi_leader: {leaders: [a, b]}", "");
    let corrupt = copied(RAFT, "").replace(
        "}}]",
        "}}, {id: rot, at: 20s, corrupt: {node: db, instances: [0], fraction: 1%}}]",
    );
    let view = copied(RAFT, "")
        .replace("store: {zones", "store: {view_of: orders, zones")
        .replace("nodes:\n", "nodes:\n  orders: {store: {read: 1ms}}\n");
    let cases = [
        (view, "E-UNSUPPORTED keys of a view with `replication` cannot move yet"),
        (quorum, "E-CONFLICT no replica of a shard leads, which could hand over its keys"),
        (several, "E-CONFLICT no replica of a shard leads, which could hand over its keys"),
        (corrupt, "damage to replicas and keys that move to other shards do not go together yet"),
    ];
    for (text, expected) in cases {
        let found = told(text.as_bytes());
        assert!(found.iter().any(|one| one.contains(expected)), "{expected}: {found:#?}");
    }
    let good = copied(RAFT, "");
    assert!(told(good.as_bytes()).is_empty(), "{:#?}", told(good.as_bytes()));
}
