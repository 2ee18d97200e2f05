//! Locks that are kept in stores: who holds one, who believes it, and what is written too late.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
};

/// Workers in two zones that read an account under a lock, work on it, and write it.
fn accounts(lock: &str, inside: &str, store: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: accounts\nduration: 120s\nseed: 9\n\
         topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0.2ms, same_region: 1ms}}\n\
         clients: {{jobs: {{arrivals: poisson(20/s), keys: uniform(n=40), timeout: 60s, operations: {{run: {{to: worker}}}}}}}}\n\
         nodes:\n  worker: {{service: {{zones: {{a: 1, b: 1}}, cores: 50, endpoints: {{run: [{{lock: {{name: account, {lock}, \
         do: [{{read: data}}, {inside}, {{write: data}}]}}}}]}}, dependencies: {{locks: {{timeout: 500ms}}, data: {{timeout: 5s}}}}}}}}\n\
         \x20 locks: {{store: {{read: 0.3ms, write: 0.5ms, {store}}}}}\n\
         \x20 data: {{store: {{zones: [c], read: 1ms, write: 2ms}}}}\n{rest}\n"
    )
}

const ROWS: &str = "in: locks, per: key, ttl: 3s, poll: 100ms";
const OPEN: &str = "in: locks, per: key, ttl: 3s, poll: 100ms, fencing: false";
const WORK: &str = "{wait: exp(mean=200ms)}";
const ONE: &str = "zones: [c]";
const ASYNC: &str = "zones: [a, b, c], replication: {leader_follower: {followers: 2}}";
const RAFT: &str = "zones: [a, b, c], replication: {raft: {replicas: 3}}";
const QUORUM: &str = "zones: [a, b, c], replication: {quorum: {replicas: 3, write_back: true}}";

fn cause(results: &Value, node: &str, name: &str) -> f64 {
    results["nodes"][node]["causes"][name].as_f64().unwrap_or_default()
}

fn overlaps(results: &Value) -> f64 {
    number(results, "consistency.lock_overlaps")
}

fn lost(results: &Value) -> f64 {
    number(results, "consistency.lost_updates")
}

#[test]
fn a_lease_keeps_others_out_in_every_store_that_decides_in_one_place() {
    let without = accounts("per: key", WORK, ONE, "");
    // Locks of each process know nothing of the other one.
    assert!(lost(&results_of(&without, 1)) > 20.0);
    for store in [ONE, ASYNC, RAFT] {
        let found = results_of(&accounts(ROWS, WORK, store, ""), 1);
        assert_eq!((overlaps(&found), lost(&found)), (0.0, 0.0), "{store}");
        assert!(number(&found, "summary.availability") > 0.9999);
        // All keys but those of locks are data, and nobody updates these but by reading and writing.
        assert_eq!(found["consistency"]["linearizable"], true, "{store}");
        assert_eq!(number(&found, "nodes.locks.consistency.keys"), 0.0);
        assert!(cause(&found, "worker", "lock_retry") > 0.0, "somebody was too late");
        assert_eq!(cause(&found, "worker", "lease_lost"), 0.0);
    }
    // Each coordinator compares by itself: two at once both get it.
    let busy = accounts(ROWS, WORK, QUORUM, "").replace("poisson(20/s)", "poisson(60/s)");
    assert!(overlaps(&results_of(&busy, 1)) > 0.0);
}

#[test]
fn a_lock_costs_a_read_and_two_writes_and_renewals_while_it_is_held() {
    // Nobody else wants it: one key a request.
    let alone = accounts(ROWS, WORK, ONE, "").replace("uniform(n=40)", "uniform(n=100M)");
    let visits = |text: &str| {
        let found = results_of(text, 1);
        number(&found, "nodes.locks.throughput") / number(&found, "nodes.worker.throughput")
    };
    assert!((visits(&alone) - 3.0).abs() < 0.01);
    // 2.5 s under a lease of 3 s: renewed after 1 s and 2 s.
    let long = alone.replace(WORK, "{wait: 2.5s}");
    assert!((visits(&long) - 5.0).abs() < 0.15, "{}", visits(&long));
    // It is there before the first step, and given back after it: a read, a write, and the ways there and back.
    let latency = |text: &str| number(&results_of(text, 1), "summary.latency.mean");
    let constant = alone.replace(WORK, "{wait: 200ms}");
    let bare = constant
        .replace("{lock: {name: account, in: locks, per: key, ttl: 3s, poll: 100ms, do: [", "");
    let bare = bare
        .replace("{write: data}]}}]", "{write: data}]")
        .replace("locks: {timeout: 500ms}, ", "");
    let apart = latency(&constant) - latency(&bare);
    assert!((apart - (0.3e-3 + 0.5e-3 + 4.0 * 1e-3)).abs() < 2e-5, "{apart}");
}

/// A worker stands still for so long; what is written is kept so.
fn paused(lock: &str, time: &str, data: &str) -> Value {
    let pause = format!(
        "faults: [{{id: gc, at: 60s, for: {time}, pause: {{node: worker, instances: [1]}}}}]"
    );
    let text = accounts(lock, WORK, RAFT, &pause).replace("poisson(20/s)", "poisson(60/s)");
    let text = text
        .replace("zones: [c], read: 1ms, write: 2ms", &format!("{data}, read: 1ms, write: 2ms"));
    results_of(&text.replace("uniform(n=40)", "uniform(n=200)"), 5)
}

#[test]
fn who_stands_still_longer_than_its_lease_is_two() {
    let short = paused(OPEN, "1.9s", ONE);
    assert_eq!((overlaps(&short), lost(&short)), (0.0, 0.0));
    let long = paused(OPEN, "8s", ONE);
    // It held about six, and most of these keys are wanted again within 5 s.
    assert!(overlaps(&long) > 1.0, "{}", overlaps(&long));
    assert!(lost(&long) > 0.5, "{}", lost(&long));
    assert!(cause(&long, "worker", "lease_lost") > 0.0);
    assert_eq!(cause(&long, "data", "fenced"), 0.0);
    // Two are inside as often, and what the earlier one writes after the later one is refused.
    let fenced = paused(ROWS, "8s", ONE);
    assert_eq!(overlaps(&fenced), overlaps(&long));
    assert!(cause(&fenced, "data", "fenced") > 0.0);
    assert!(lost(&fenced) < 0.4 * lost(&long), "{} {}", lost(&fenced), lost(&long));
}

/// One that holds the one lock from 60 s to 90 s and writes then, and another one that wants it each second.
fn long(faults: &str) -> Value {
    results_of(&holders(faults), 1)
}

fn holders(faults: &str) -> String {
    let work = |wait: &str| {
        format!(
            "{{service: {{endpoints: {{default: [{{lock: {{name: one, in: locks, ttl: 3s, poll: 100ms, \
             do: [{{wait: {wait}}}, {{write: data}}]}}}}]}}, dependencies: {{locks: {{timeout: 200ms}}}}}}}}"
        )
    };
    format!(
        "windtunnel: 1\nname: long\nduration: 110s\nnetwork: {{same_zone: 0.5ms}}\n\
         clients:\n  first: {{arrivals: constant(1/min), keys: uniform(n=1), to: old, timeout: 100s}}\n\
         \x20 others: {{arrivals: constant(1/s), keys: uniform(n=1), to: new, timeout: 100s}}\n\
         nodes:\n  old: {}\n  new: {}\n  locks: {{store: {{read: 1ms, write: 1ms}}}}\n\
         \x20 data: {{store: {{read: 1ms, write: 1ms}}}}\nfaults: [{faults}]\n",
        work("30s"),
        work("1ms")
    )
}

fn waited(results: &Value) -> f64 {
    number(results, "clients.others.latency.max")
}

#[test]
fn who_dies_gives_nothing_back() {
    let lives = long("");
    assert!((waited(&lives) - 30.0).abs() < 1.2, "{}", waited(&lives));
    assert_eq!(overlaps(&lives), 0.0);
    // It was renewed last within a second before it died, was seen soon after, and then as long as it lasts.
    let dies = long("{id: dead, at: 70s, for: 1s, crash: {node: old, process: true}}");
    let from = waited(&dies) - 10.0;
    assert!(from > 1.9 && from < 3.3, "{from}");
    assert_eq!(overlaps(&dies), 0.0);
    assert_eq!(number(&dies, "clients.first.requests.ok"), 0.0);
}

#[test]
fn who_does_not_reach_the_store_goes_on_and_is_refused_in_the_end() {
    let cut = long("{id: cut, at: 65s, for: 15s, partition: {between: [[old], [locks]]}}");
    let from = waited(&cut) - 5.0;
    assert!(from > 1.9 && from < 3.3, "{from}");
    // Each that comes in until 90 s finds the first one there.
    assert!(overlaps(&cut) > 20.0, "{}", overlaps(&cut));
    assert_eq!((cause(&cut, "old", "lease_lost"), cause(&cut, "data", "fenced")), (1.0, 1.0));
    assert_eq!(number(&cut, "clients.first.requests.ok"), 0.0);
    // Two thirds of a lease are left at least, and it tries again each 0.35 s.
    let short = long("{id: cut, at: 65s, for: 1500ms, partition: {between: [[old], [locks]]}}");
    assert_eq!((overlaps(&short), cause(&short, "old", "lease_lost")), (0.0, 0.0));
    assert_eq!(number(&short, "clients.first.requests.ok"), 1.0);
}

#[test]
fn clocks_that_differ_threefold_make_two() {
    // It is renewed after a second by the clock of its holder, and free after 3 s by that of who wants it.
    let slow = "{id: slow, at: 20s, for: 80s, clock: {node: old, drift: -60%}}";
    let fast = "{id: fast, at: 20s, for: 80s, clock: {node: new, drift: 100%}}";
    assert_eq!(overlaps(&long(slow)), 0.0);
    assert_eq!(overlaps(&long(fast)), 0.0);
    assert!(overlaps(&long(&format!("{slow}, {fast}"))) > 0.0);
    // A renewal that waits when its clock becomes slow waits longer: 9 s of 10 are left, which take 90 s.
    let slow = "{id: slow, at: 61s, for: 50s, clock: {node: old, drift: -90%}}";
    let text = holders(slow).replace("duration: 110s", "duration: 114s");
    let found = results_of(&text.replace("ttl: 3s", "ttl: 30s").replace("30s},", "54s},"), 1);
    assert!((waited(&found) - 30.0).abs() < 2.0, "{}", waited(&found));
}

#[test]
fn every_store_that_decides_by_what_it_holds_refuses_who_is_late() {
    for data in [ASYNC, RAFT, QUORUM] {
        let (open, fenced) = (paused(OPEN, "8s", data), paused(ROWS, "8s", data));
        assert_eq!(cause(&open, "data", "fenced"), 0.0);
        assert!(cause(&fenced, "data", "fenced") > 0.0, "{data}");
        assert!(lost(&fenced) < 0.5 * lost(&open), "{data}: {} {}", lost(&fenced), lost(&open));
    }
}

#[test]
fn an_attempt_takes_a_lock_for_itself_though_what_it_writes_is_one() {
    // Attempts at one request are one write, and two who want the lock.
    let text = accounts(ROWS, "{wait: 300ms}", RAFT, "").replace(
        "timeout: 60s",
        "timeout: 250ms, retry: {attempts: 3, backoff: constant(10ms)}, idempotent: true",
    );
    let found = results_of(&text, 1);
    assert_eq!((overlaps(&found), number(&found, "consistency.duplicate_applies")), (0.0, 0.0));
    assert!(cause(&found, "worker", "lock_retry") + number(&found, "nodes.locks.throughput") > 0.0);
    let again = results_of(&text.replace(", idempotent: true", ""), 1);
    assert!(number(&again, "consistency.duplicate_applies") > 100.0);
    assert_eq!(overlaps(&again), 0.0);
}

#[test]
fn locks_are_given_back_from_branches_loops_and_what_goes_on_after_the_answer() {
    // Within one another, in branches, in loops, after the answer: at the end nobody holds any.
    let steps = "{all: [[{lock: {name: left, in: locks, ttl: 3s, poll: 20ms, do: [{write: data}, {lock: {name: inner, \
        in: locks, per: key, ttl: 3s, poll: 20ms, do: [{repeat: {times: 2, do: [{wait: 5ms}]}}]}}]}}], \
        [{lock: {name: right, in: locks, ttl: 3s, poll: 20ms, do: [{wait: 5ms}, {fail: 20%}]}}]]}, \
        {lock: {name: late, in: locks, ttl: 3s, poll: 20ms, do: [{wait: 1ms}, {reply: 1KB}, {wait: 5ms}, {write: data}]}}";
    let text = accounts(ROWS, WORK, ONE, "");
    let (before, after) = (text.find("{lock").unwrap(), text.find("]}}]}, dependencies").unwrap());
    let text = format!("{}{steps}{}", &text[..before], &text[after + 3..]).replace("20/s", "15/s");
    let found = results_of(&text, 1);
    assert_eq!(overlaps(&found), 0.0);
    // Those who failed gave theirs back at once, or nobody would get one within the 3 s of a lease.
    assert!(number(&found, "summary.requests.error") > 200.0);
    let longest = number(&found, "summary.latency.p99");
    assert!(longest < 2.0, "{longest}");
}

#[test]
fn what_is_said_of_a_lock_in_a_store_is_checked_where_it_stands() {
    let good = accounts("in: locks, per: key, ttl: 3s", "{read: locks}", ONE, "");
    let cases: [Case; 7] = [
        (
            "kind",
            "locks: {store: {read: 0.3ms, write: 0.5ms, zones: [c]}}",
            "locks: {external: {latency: 1ms}}",
            "9:99 E-REF",
            "not a store",
        ),
        ("scope", "in: locks", "in: locks, scope: shared", "9:113 E-CONFLICT", "one lock for all"),
        ("ttl", "ttl: 3s", "ttl: 0s", "9:121 E-RANGE", "above 0"),
        ("poll", "ttl: 3s", "poll: 0s", "9:122 E-RANGE", "above 0"),
        ("alone", "in: locks, per: key, ttl: 3s", "ttl: 3s", "9:100 E-CONFLICT", "a store keeps"),
        (
            "fencing",
            "in: locks, per: key, ttl: 3s",
            "fencing: true",
            "9:104 E-CONFLICT",
            "a store keeps",
        ),
        (
            "crdt",
            "locks: {store: {read: 0.3ms, write: 0.5ms, zones: [c]}}",
            "locks: {store: {read: 0.3ms, write: 0.5ms, replication: {multi_leader: {leaders: [a, b], conflict: crdt(set)}}}}",
            "9:99 E-CONFLICT",
            "compared with nothing",
        ),
    ];
    check_in(&good, &cases);
    let other = good.replace(
        "\n  locks: {store",
        "\n  other: {service: {endpoints: {default: [{lock: {name: account, in: locks, \
        ttl: 9s, do: [{wait: 1s}]}}]}}}\n  locks: {store",
    );
    assert!(other.contains("other:"));
    let told = crate::bad_input::told(other.as_bytes());
    assert!(
        told.iter().any(|one| one.contains("E-CONFLICT") && one.contains("`per` or `ttl`")),
        "{told:?}"
    );
}
