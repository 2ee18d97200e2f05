//! What a fault costs the data: which acknowledged writes are lost and of what time they are, how long nothing could be
//! read or written, how long copies differed after it.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
};

/// Editors in zone `a` and others in `b` who write 100/s each, and readers in `b`, of one store under faults.
fn design(store: &str, faults: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: costs\nduration: 90s\nseed: 7\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 1ms}}\n\
         clients:\n  here: {{zones: [a], arrivals: constant(100/s), keys: uniform(n=50), timeout: 200ms, operations: {{edit: {{write: db}}}}}}\n\
         \x20 there: {{zones: [b], arrivals: constant(100/s), keys: uniform(n=50), timeout: 200ms, operations: {{edit: {{write: db}}}}}}\n\
         \x20 readers: {{zones: [b], arrivals: constant(200/s), keys: uniform(n=50), timeout: 200ms, operations: {{look: {{read: db}}}}}}\n\
         nodes: {{db: {{store: {{read: 0.1ms, write: 0.1ms, {store}}}}}}}\nfaults: [{faults}]\n{rest}\n"
    )
}

const DIES: &str = "{id: f, at: 30s, for: 20s, crash: {node: db, replica: leader}}";
const CUT: &str = "{id: f, at: 30s, for: 20s, partition: {between: [[a], [b, c]]}}";

fn follows(more: &str) -> String {
    format!(
        "zones: [a, b, c], replication: {{leader_follower: {{followers: 2, leader: a, {more}}}}}"
    )
}

const FAILOVER: &str = "failover: {detect: 2s, promote: 1s, discovery: 500ms}";

/// A figure of the fault; none where it is null or not there.
fn cost(found: &Value, path: &str) -> Option<f64> {
    let at = path.split('.').fold(&found["faults"][0], |at, key| &at[key]);
    at.get("value").unwrap_or(at).as_f64()
}

fn lost_from(found: &Value, side: usize) -> f64 {
    number(&found["faults"][0]["sides"][side], "lost_acked_writes")
}

#[test]
fn a_leader_that_dies_takes_with_it_what_had_not_left_it() {
    // 200 writes a second, which leave the leader 100 ms after it has them: 20 of them, and nothing for the way.
    let found = results_of(&design(&follows(&format!("lag: 100ms, {FAILOVER}")), DIES, ""), 4);
    let (lost, rpo) = (cost(&found, "lost_acked_writes").unwrap(), cost(&found, "rpo").unwrap());
    assert!((lost - 20.0).abs() <= 1.0, "{lost}");
    // The first of them was acknowledged so long before, but for the 5 ms or less to the next one.
    assert!((0.09..=0.1).contains(&rpo), "{rpo}");
    for (of_run, path) in [(lost, "lost_acked_writes"), (rpo, "rpo")] {
        assert_eq!(number(&found, &format!("consistency.{path}")), of_run);
        assert_eq!(number(&found, &format!("nodes.db.consistency.{path}")), of_run);
    }
    // Two seconds from the last ping that was answered, up to 400 ms before; one of promotion; half a one until callers go
    // on with the new leader. Messages and the next request come on top.
    for kind in ["read", "write"] {
        let rto = cost(&found, &format!("rto.{kind}")).unwrap();
        assert!((3.1..3.53).contains(&rto), "{kind} {rto}");
        assert_eq!(number(&found, &format!("consistency.rto.{kind}")), rto);
    }
}

#[test]
fn what_burns_with_all_who_held_it_is_lost_though_nobody_goes_on_without_it() {
    // Two of three copies are gone for good, and nobody makes a leader of the one that is left: what had not left the old one is lost.
    let gone = "{id: f, at: 30s, for: 1h, crash: {node: db, replica: [0, 1], lose_data: true}}";
    let store = follows("lag: 100ms");
    let found = results_of(&design(&store, gone, ""), 2);
    assert!((cost(&found, "lost_acked_writes").unwrap() - 20.0).abs() <= 1.0, "{found}");
    let by_cause = &found["consistency"]["lost_by_cause"];
    assert!((number(by_cause, "crash") - 20.0).abs() <= 1.0, "{by_cause}");
    // All three: everything, from the first write on.
    for store in [store.as_str(), "zones: [a, b, c], replication: {raft: {replicas: 3, leader: a}}"]
    {
        let all = gone.replace("[0, 1]", "[0, 1, 2]");
        let found = results_of(&design(store, &all, ""), 2);
        let (lost, rpo) = (cost(&found, "lost_acked_writes"), cost(&found, "rpo"));
        assert!(
            (lost.unwrap() - 6_000.0).abs() <= 5.0 && (29.95..=30.0).contains(&rpo.unwrap()),
            "{lost:?} {rpo:?}"
        );
    }
    // A log of which two of three are left loses nothing.
    let raft = "zones: [a, b, c], replication: {raft: {replicas: 3, leader: a}}";
    let one = gone.replace("[0, 1]", "[0]");
    let found = results_of(&design(raft, &one, ""), 2);
    assert_eq!(cost(&found, "lost_acked_writes"), Some(0.0));
}

#[test]
fn who_waits_for_its_followers_loses_nothing() {
    let store = follows(&format!("ack: sync, lag: 10ms, {FAILOVER}"));
    let found = results_of(&design(&store, DIES, ""), 2);
    assert_eq!((cost(&found, "lost_acked_writes"), cost(&found, "rpo")), (Some(0.0), Some(0.0)));
    assert!(cost(&found, "rto.write").unwrap() > 3.0);
}

#[test]
fn a_cut_costs_what_the_old_leader_takes_until_it_is_fenced() {
    let fenced = "lag: 100ms, failover: {detect: 2s, promote: 1s, fencing: true}";
    let found = results_of(&design(&follows(fenced), CUT, ""), 4);
    // Its lease runs out 2 s after the last ping that was answered, 0 to 400 ms before the cut.
    let (lost, rpo) = (cost(&found, "lost_acked_writes").unwrap(), cost(&found, "rpo").unwrap());
    assert!((1.69..=2.1).contains(&rpo), "{rpo}");
    // Before the cut it takes 200/s, and then those of its own side.
    let expected = 200.0 * 0.1 + 100.0 * (rpo - 0.1);
    assert!((lost - expected).abs() < 3.0, "{lost} {expected}");
    assert!((lost_from(&found, 1) - 10.0).abs() <= 1.0, "{found:?}");
    assert_eq!(lost_from(&found, 0) + lost_from(&found, 1), lost);
    // Without a fence it goes on to the end of the cut.
    let open = "lag: 100ms, failover: {detect: 2s, promote: 1s}";
    let found = results_of(&design(&follows(open), CUT, ""), 2);
    let rpo = cost(&found, "rpo").unwrap();
    assert!((20.0..20.5).contains(&rpo), "{rpo}");
    assert!((lost_from(&found, 0) - 100.0 * rpo).abs() < 20.0, "{}", lost_from(&found, 0));
}

#[test]
fn a_log_is_away_for_an_election_and_a_quorum_not_at_all() {
    let raft = "zones: [a, b, c], replication: {raft: {replicas: 3, leader: a, election_timeout: uniform(150ms 300ms)}}";
    let found = results_of(&design(raft, DIES, ""), 6);
    // The last heartbeat came up to 50 ms before; the sooner of two patiences ends the wait, and callers have been sent on
    // by time-outs of 200 ms by then.
    let rto = cost(&found, "rto.write").unwrap();
    assert!((0.1..0.45).contains(&rto), "{rto}");
    assert_eq!((cost(&found, "lost_acked_writes"), cost(&found, "rpo")), (Some(0.0), Some(0.0)));
    let quorum = "zones: [a, b, c], replication: {quorum: {replicas: 3, write_back: true}}";
    let third = "{id: f, at: 30s, for: 20s, crash: {node: db, replica: 2}}";
    let found = results_of(&design(quorum, third, ""), 2);
    for path in ["rto.read", "rto.write", "rpo", "lost_acked_writes"] {
        assert_eq!(cost(&found, path), Some(0.0), "{path}");
    }
}

#[test]
fn what_never_comes_back_is_not_given_a_time() {
    let slos = "slos: [rto.write(f) <= 30s, rto.write <= 30s, rto.write <= 50s, rto.write <= 2m, rto.read <= 1s, rpo(f) == 0]";
    let stays = "{id: f, at: 30s, crash: {node: db, replica: leader}}";
    let store = follows("reads: nearest");
    let found = results_of(&design(&store, stays, slos), 2);
    assert_eq!(cost(&found, "rto.write"), None);
    assert!(found["consistency"]["rto"]["write"]["value"].is_null());
    // Readers ask a follower beside them.
    assert_eq!(cost(&found, "rto.read"), Some(0.0));
    let verdicts: Vec<&str> =
        found["slos"].as_array().unwrap().iter().map(|s| s["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["missed", "missed", "missed", "undecided", "met", "met"]);
    assert_eq!(found["slos"][0]["reason"], "not seen to the end");
}

// ---- copies --------------------------------------------------------------------------------------

#[test]
fn followers_are_alike_when_they_have_caught_up() {
    // The follower in `c` lacks 200 writes a second of 20 s; applying one is 1 ms of work, one after another, while 200/s
    // more come.
    let cut = "{id: f, at: 30s, for: 20s, partition: {between: [[c], [a, b]]}}";
    let store =
        "write: 1ms, zones: [a, b, c], replication: {leader_follower: {followers: 2, leader: a}}";
    let text = design(store, cut, "").replace("write: 0.1ms, write: 1ms", "write: 1ms");
    let found = results_of(&text, 2);
    let after = cost(&found, "convergence_time").unwrap();
    // What came after the end of the cut need not be there: the backlog alone is 4 s. The leader says how far it is once
    // in a while, and is asked then.
    assert!((4.0..5.1).contains(&after), "{after}");
    assert_eq!(number(&found, "consistency.convergence_time"), after);
    // A follower that was dead has as much to catch up on, and a leader without a successor nothing.
    let dies = "{id: f, at: 30s, for: 20s, crash: {node: db, replica: 2}}";
    let found = results_of(&text.replace(cut, dies), 2);
    assert!((cost(&found, "convergence_time").unwrap() - after).abs() < 1.0, "{found:?}");
}

#[test]
fn a_quorum_without_repair_is_alike_when_all_keys_have_been_written_again() {
    // Nobody asks `a` but who stands there. Each of 50 keys was written meanwhile; the last of them is written again after
    // 50/200 s x (1 + 1/2 + .. + 1/50) on average.
    let store = "zones: [a, b, c], replication: {quorum: {replicas: 3, read_repair: false}}";
    let found = results_of(&design(store, CUT, ""), 24);
    let harmonic: f64 = (1..=50).map(|n| 1.0 / f64::from(n)).sum();
    let expected = 50.0 / 200.0 * harmonic;
    let after = cost(&found, "convergence_time").unwrap();
    // Its standard deviation is 50/200 s x pi / sqrt(6).
    assert!((after - expected).abs() < 3.0 * 0.32 / f64::sqrt(24.0), "{after} {expected}");
    // Where nobody writes any more, it never is.
    let stops = design(store, CUT, "");
    let stops = stops.replace("constant(100/s),", "constant(100/s), load: {at: 45s, factor: 0},");
    let found = results_of(&stops, 2);
    assert_eq!(cost(&found, "convergence_time"), None);
    assert!(found["faults"][0]["convergence_time"].is_object());
    // But with somebody who compares: each replica with the next but one second later.
    let compares = stops.replace(
        "read_repair: false",
        "read_repair: false, anti_entropy: {every: 5s, rate: 1000/s}",
    );
    let after = cost(&results_of(&compares, 4), "convergence_time").unwrap();
    assert!(after > 0.0 && after <= 10.1, "{after}");
}

#[test]
fn hints_are_handed_over_at_their_rate() {
    // Writes of 2,000 keys while the replicas in `c` are dead: what others keep for them is handed over at 100/s each.
    let dies = "{id: f, at: 10s, for: 40s, crash: {node: db, replica: 2}}";
    let store = "zones: [a, b, c], shards: {count: 2}, replication: {quorum: {replicas: 3, read_repair: false, sloppy: true, \
                 hinted_handoff: {after: 20ms, rate: 100/s}}}";
    let text = design(store, dies, "").replace("uniform(n=50)", "uniform(n=1000)");
    let found = results_of(&text, 2);
    let after = cost(&found, "convergence_time").unwrap();
    assert!(after > 1.0, "{after}");
    let faster =
        cost(&results_of(&text.replace("100/s}", "400/s}"), 2), "convergence_time").unwrap();
    assert!(faster < after / 2.0, "{faster} {after}");
}

#[test]
fn leaders_are_alike_when_they_have_taken_what_was_sent_again() {
    for conflict in ["lww", "version_vector", "crdt(counter)"] {
        let store = format!(
            "replication: {{multi_leader: {{leaders: [a, b, c], conflict: {conflict}, lag: 20ms}}}}"
        );
        let text = design(&store, CUT, "clocks: {offset: 0ms}");
        let found = results_of(&text, 2);
        let after = cost(&found, "convergence_time").unwrap();
        // 100/s each way of 20 s, 0.1 ms each; what was lost is sent again once a second.
        assert!((0.1..3.5).contains(&after), "{conflict} {after}");
        let slower = text.replace("write: 0.1ms", "write: 2ms");
        let slower = cost(&results_of(&slower, 2), "convergence_time").unwrap();
        // Whoever was alone has 2,000 writes to apply.
        assert!((slower - after - 4.0).abs() < 2.0, "{conflict} {slower} {after}");
    }
}

// ---- what costs nothing --------------------------------------------------------------------------

#[test]
fn a_fault_that_parts_no_copies_and_fails_nobody_costs_nothing() {
    let store = follows("lag: 20ms");
    for fault in [
        "{id: f, at: 30s, for: 20s, latency: {between: [[readers], [db]], add: 1ms}}",
        "{id: f, at: 30s, for: 20s, load: {client: here, factor: 2}}",
    ] {
        let found = results_of(&design(&store, fault, ""), 1);
        for path in ["rto.read", "rto.write", "rpo", "lost_acked_writes"] {
            assert_eq!(cost(&found, path), Some(0.0), "{path} {fault}");
        }
        assert!(found["faults"][0].get("convergence_time").is_none(), "{fault}");
        assert!(found["consistency"].get("convergence_time").is_none());
    }
    let found = results_of(&design(&store, "", ""), 1);
    assert_eq!(
        (number(&found, "consistency.rpo"), number(&found, "consistency.rto.read")),
        (0.0, 0.0)
    );
    // Readers that are cut off fail, and copies are none the worse.
    let cut = "{id: f, at: 30s, for: 5s, partition: {between: [[readers], [db]]}}";
    let found = results_of(&design(&store, cut, ""), 1);
    let rto = cost(&found, "rto.read").unwrap();
    assert!((5.0..5.02).contains(&rto), "{rto}");
    assert_eq!(cost(&found, "rto.write"), Some(0.0));
    assert!(found["faults"][0].get("convergence_time").is_none());
}

#[test]
fn what_one_of_several_faults_costs_is_its_own() {
    let faults = "{id: first, at: 20s, for: 10s, crash: {node: db, replica: leader}}, \
                  {id: nothing, at: 45s, for: 1s, latency: {between: [[readers], [db]], add: 1ms}}, \
                  {id: second, at: 60s, for: 10s, crash: {node: db, replica: leader}}";
    let found = results_of(&design(&follows(&format!("lag: 100ms, {FAILOVER}")), faults, ""), 2);
    let of = |fault: usize, path: &str| number(&found["faults"][fault], path);
    assert_eq!(found["faults"][1]["id"], "nothing");
    for fault in [0, 2] {
        assert!((of(fault, "lost_acked_writes") - 20.0).abs() <= 2.0, "{}", found["faults"][fault]);
        assert!(of(fault, "rpo") <= 0.1 && of(fault, "rto.write") > 3.0);
    }
    assert_eq!((of(1, "lost_acked_writes"), of(1, "rpo"), of(1, "rto.write")), (0.0, 0.0, 0.0));
    let all = of(0, "lost_acked_writes") + of(2, "lost_acked_writes");
    assert_eq!(number(&found, "consistency.lost_acked_writes"), all);
    assert_eq!(number(&found, "consistency.rpo"), of(0, "rpo").max(of(2, "rpo")));
}

// ---- objectives ----------------------------------------------------------------------------------

#[test]
fn objectives_ask_for_what_a_fault_costs() {
    let slos = "slos:\n  - convergence_time(f) <= 60s\n  - convergence_time >= 1h\n  - rpo <= 5s\n  - rpo(f) <= 1s\n  \
                - rto.write(f) <= 30s\n  - nodes.db.consistency.rto.write <= 30s\n  - lost_acked_writes(f) <= 100\n  \
                - lost_acked_writes(during=f side=a) >= 150";
    let fenced = "lag: 100ms, failover: {detect: 2s, promote: 1s, fencing: true}";
    let found = results_of(&design(&follows(fenced), CUT, slos), 3);
    let verdicts: Vec<&str> =
        found["slos"].as_array().unwrap().iter().map(|s| s["verdict"].as_str().unwrap()).collect();
    assert_eq!(
        verdicts,
        ["met", "missed", "met", "missed", "met", "met", "missed", "met"],
        "{}",
        found["slos"]
    );
}

#[test]
fn what_cannot_be_asked_is_refused_where_it_stands() {
    const CASES: &[Case] = &[
        ("R1", "rpo(f) <= 1s", "rpo(g) <= 1s", "13:8 E-REF", "no fault"),
        ("R2", "rpo(f) <= 1s", "rto(f) <= 1s", "13:8 E-SLO", "say which: read, write"),
        ("R3", "rpo(f) <= 1s", "rto.reads(f) <= 1s", "13:8 E-SLO", ""),
        ("R4", "rpo(f) <= 1s", "p99(rpo(f)) <= 1s", "13:8 E-SLO", ""),
        ("R5", "rpo(f) <= 1s", "rpo(f side=a) <= 1s", "13:8 E-SLO", ""),
        ("R6", "rpo(f) <= 1s", "convergence_time(f) <= 5", "13:8 E-SLO", "`5s`"),
    ];
    let text = design(&follows("lag: 20ms"), CUT, "slos: [rpo(f) <= 1s]");
    check_in(&text, CASES);
    // Nobody writes.
    let reads = text.replace("write: db", "read: db");
    check_in(
        &reads.replace("rpo(f) <= 1s", "availability >= 1%"),
        &[(
            "R7",
            "availability >= 1%",
            "rpo(f) <= 1s",
            "13:8 E-SLO",
            "no store of this scenario is followed",
        )],
    );
}
