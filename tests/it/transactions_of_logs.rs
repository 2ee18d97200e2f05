//! Transactions over stores whose shards have leaders: promises are entries of their logs.

use serde_json::Value;

use crate::{
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
    transactions::{
        BOTH, assert_whole, bank, cause, close, end_in_one_order, next, one, pick, schedule,
        served, transfers, written,
    },
};

const RAFT: &str = "raft: {replicas: 3}";

/// One of three leads, until observers have another one lead.
fn followers(ack: &str) -> String {
    format!("leader_follower: {{followers: 2, ack: {ack}, lag: 20ms, failover: {{detect: 500ms}}}}")
}

/// A bank whose accounts are in two stores with such copies, 1 ms from everything; one request, at 10 s.
fn bank_with(copies: &str, rest: &str) -> String {
    one(BOTH, rest)
        .replace("write: 3ms", &format!("write: 3ms, replication: {{{copies}}}"))
        .replace("write: 5ms", &format!("write: 5ms, replication: {{{copies}}}"))
}

/// Whatever can go wrong: leaders, coordinators and others die, places are cut off, messages are lost, come late or twice.
fn harm(state: &mut u64) -> String {
    let node = pick(state, ["left", "right"]);
    let which = pick(
        state,
        ["replica: leader", "replica: 1", "replica: [0, 2]", "replica: leader, process: true"],
    );
    let [zone, others, other] =
        [["a", "b, c", "b"], ["b", "a, c", "c"], ["c", "a, b", "a"]][(next(state) % 3) as usize];
    let between = pick(state, ["between: [[bank], [left, right]]", "between: [[a], [b, c]]"]);
    match next(state) % 10 {
        0 | 1 => format!("crash: {{node: {node}, {which}}}"),
        2 => "crash: {node: bank}".to_owned(),
        3 => "crash: {node: bank, process: true}".to_owned(),
        4 => format!("partition: {{between: [[{zone}], [{others}]]}}"),
        5 => format!("partition: {{from: [{zone}], to: [{other}]}}"),
        6 => format!("loss: {{{between}, fraction: 20%}}"),
        7 => format!("pause: {{node: {node}, {which}}}").replace(", process: true", ""),
        8 => format!("duplicate: {{{between}, fraction: 50%}}"),
        _ => format!("latency: {{{between}, add: exp(mean=100ms)}}"),
    }
}

/// Transfers between such copies in three zones under such faults.
fn under_faults(copies: &str, keys: &str, n: u64, seed: u64) -> String {
    let stores = format!("replication: {{{copies}}}, zones: [a, b, c], read: 1ms, write");
    transfers(BOTH, (keys, n), seed)
        .replace("same_zone: exp(mean=3ms)", "same_zone: exp(mean=1ms), same_region: exp(mean=2ms)")
        .replace("network:", "topology: {regions: {eu: [a, b, c]}}\nnetwork:")
        .replace("constant(500/s)", "constant(500/s), zones: [a], timeout: 1s")
        .replace("poisson(40/s)", "poisson(40/s), zones: [a]")
        .replace("instances: 2", "instances: 2, zones: [a, b]")
        .replace("read: 1ms, write", &stores)
        + &schedule(seed, harm)
        + "\n"
}

/// All that may be wrong in the end: what is torn, what stays locked.
fn torn(found: &Value) -> f64 {
    number(found, "consistency.torn_transactions")
}

#[test]
fn promises_and_what_is_written_take_a_majority_each() {
    let copied = |text: &str, copies: &str| {
        text.replace("write: 3ms", &format!("write: 3ms, replication: {{{copies}}}"))
            .replace("write: 5ms", &format!("write: 5ms, replication: {{{copies}}}"))
    };
    let time = |copies: &str, vote: f64, write: f64| {
        let found = results_of(&copied(&bank(BOTH, ""), copies), 1);
        assert_eq!(number(&found, "summary.requests.ok"), 900.0, "{copies}");
        assert_eq!(served(&found, "left") + served(&found, "right"), 1800.0, "{copies}");
        // There, the work, the promise in the log, back; there with the decision, the log, back.
        close(number(&found, "summary.latency.mean"), 1.0 + 5.0 + vote + 1.0 + 1.0 + write + 1.0);
        close(number(&found, "summary.latency.max"), 1.0 + 5.0 + vote + 1.0 + 1.0 + write + 1.0);
        // From the vote until what was decided is in the log.
        close(number(&found, "nodes.right.in_doubt.max"), 2.0 + write);
        close(number(&found, "nodes.left.in_doubt.max"), 2.0 + 2.0 + write);
        assert_eq!(found["nodes"]["left"]["in_doubt"]["count"], 900, "{copies}");
        assert_eq!(torn(&found), 0.0);
    };
    // An entry goes to the others and is acknowledged: 1 ms there, 1 ms back; with a disk of 4 ms, at both at once.
    time(RAFT, 2.0, 2.0);
    time("raft: {replicas: 5}", 2.0, 2.0);
    time("raft: {replicas: 3, fsync: 4ms}", 6.0, 6.0);
    time("leader_follower: {followers: 2, ack: sync}", 2.0, 2.0);
    time("leader_follower: {followers: 2}", 0.0, 0.0);
    // A log of one is as a store of one copy.
    let single = results_of(&bank(BOTH, ""), 1);
    for alone in ["raft: {replicas: 1}", "leader_follower: {followers: 0}"] {
        time(alone, 0.0, 0.0);
        let found = results_of(&copied(&bank(BOTH, ""), alone), 1);
        for store in ["left", "right"] {
            for what in ["in_doubt", "outcomes", "waiting_time", "throughput"] {
                let of = |results: &Value| results["nodes"][store][what].clone();
                assert_eq!(of(&found), of(&single), "{alone}: {store} {what}");
            }
        }
        assert_eq!(found["summary"]["latency"], single["summary"]["latency"], "{alone}");
    }
}

#[test]
fn whoever_leads_next_holds_the_key_and_ends_it_as_was_decided() {
    // The left one votes after 6 ms, the right one works for 2 s.
    let others = "clients:\n  others: {arrivals: constant(20/s), keys: uniform(n=1), timeout: 5s, retry: {attempts: 3, backoff: constant(100ms)}, load: [{at: 0s, factor: 0}, {at: 11s, factor: 1}, {at: 14s, factor: 0}], operations: {put: {write: left}}}";
    let dead =
        "{id: dead, at: 10.5s, for: 30s, crash: {node: left, replica: leader, process: true}}";
    let design = |faults: &str, timeout: &str| {
        bank_with(RAFT, &format!("faults: [{faults}]"))
            .replace("clients:", others)
            .replace("write: 5ms", "write: 2s")
            .replace("{transaction: {do", &format!("{{transaction: {{timeout: {timeout}, do"))
    };
    let found = results_of(&design(dead, "5s"), 1);
    assert_eq!(number(&found, "clients.users.requests.ok"), 1.0);
    assert_eq!(number(&found, "nodes.left.elections.count"), 1.0);
    assert_eq!(torn(&found), 0.0);
    // All have voted after 2 s; the one that led does not run, and the next one of its shard is told.
    let doubt = number(&found, "nodes.left.in_doubt.max");
    assert!((2.0..2.03).contains(&doubt), "{doubt}");
    // Whoever writes the key from 11 s on waits for that.
    let put = "clients.others.operations.put";
    let longest = number(&found, &format!("{put}.latency.max"));
    assert!((longest - (doubt - 1.0)).abs() < 0.05, "{longest} {doubt}");
    let waited = number(&found, "nodes.left.waiting_time.max");
    assert!((0.9..1.0).contains(&waited), "{waited}");
    assert_eq!(number(&found, &format!("{put}.requests.ok")), 59.0);
    // The same if the time is over before all have voted: it asks, and hears that nothing is to be written.
    let found = results_of(&design(dead, "1500ms"), 1);
    assert_eq!(number(&found, "clients.users.requests.error"), 1.0);
    assert_eq!(cause(&found, "bank", "aborted"), 1.0);
    let doubt = number(&found, "nodes.left.in_doubt.max");
    assert!((1.6..1.8).contains(&doubt), "{doubt}");
    assert_eq!(number(&found, &format!("{put}.requests.ok")), 59.0);
    assert_eq!(torn(&found), 0.0);
}

#[test]
fn a_coordinator_that_is_away_leaves_keys_of_logs_in_doubt() {
    // Votes are given after 6 and 8 ms, and known after 9 ms. Leaders die besides, as it is away.
    let dead = "{id: dead, at: 10.0085s, for: 20s, crash: {node: bank}}";
    let led = "{id: led, at: 15s, for: 5s, crash: {node: left, replica: leader}}";
    for (faults, store) in [(dead.to_owned(), "left"), (format!("{dead}, {led}"), "right")] {
        let text =
            bank_with(RAFT, &format!("faults: [{faults}]")).replace("timeout: 10s", "timeout: 60s");
        let found = results_of(&text, 1);
        // It asks each second since its vote: a second and more after the other one is back it hears that nothing was decided, and
        // has an entry say so.
        let since = if store == "left" { 10_006.0 } else { 10_008.0 };
        let asks = if store == "left" { 31_006.0 } else { 31_008.0 - 1000.0 };
        let doubt = 1e3 * number(&found, &format!("nodes.{store}.in_doubt.max"));
        assert!((doubt - (asks + 4.0 - since)).abs() < 1.0, "{doubt} {asks}");
        assert_eq!(torn(&found), 0.0);
        let other = 1e3 * number(&found, "nodes.left.in_doubt.max");
        assert!((20_000.0..21_100.0).contains(&other), "{other}");
    }
}

#[test]
fn a_promise_that_only_its_leader_has_is_lost_with_it() {
    let case = |ack: &str, at: &str| {
        let copies = format!(
            "leader_follower: {{followers: 2, ack: {ack}, lag: 100ms, failover: {{detect: 300ms}}}}"
        );
        let faults = format!(
            "faults: [{{id: dead, at: {at}, for: 40s, crash: {{node: left, replica: leader}}}}]\nslos: ['torn_transactions == 0', 'torn_by_cause.failover == 0']"
        );
        let text = bank_with(&copies, &faults)
            .replace("write: 5ms", "write: 900ms")
            .replace("{transaction: {do", "{transaction: {timeout: 5s, do");
        results_of(&text, 1)
    };
    let verdicts = |found: &Value| [0, 1].map(|i| found["slos"][i]["verdict"] == "met");
    // It votes at once, dies before a follower hears of that, and the other one's vote decides it all the same.
    let found = case("async", "10.05s");
    assert_eq!(number(&found, "clients.users.requests.ok"), 1.0);
    assert_eq!(torn(&found), 1.0);
    assert_eq!(number(&found, "nodes.left.consistency.torn_by_cause.failover"), 1.0);
    assert_eq!(number(&found, "nodes.right.consistency.torn_transactions"), 0.0);
    assert_eq!(verdicts(&found), [false, false]);
    // When all have it, it is there; whoever waits for all has not voted before, and the next one is asked.
    for (ack, at) in [("async", "10.5s"), ("sync", "10.05s"), ("sync", "10.5s")] {
        let found = case(ack, at);
        assert_eq!(torn(&found), 0.0, "{ack} {at}");
        assert_eq!(verdicts(&found), [true, true], "{ack} {at}");
    }
}

#[test]
fn who_lost_all_is_given_promises_with_the_rest() {
    // The coordinator is away as the leader of the left one loses all it has, which the other one gives it.
    let others = "clients:\n  others: {arrivals: constant(10/s), keys: uniform(n=1), timeout: 30s, load: [{at: 0s, factor: 0}, {at: 20s, factor: 1}, {at: 20.55s, factor: 0}], operations: {put: {write: left}}}";
    let faults = "faults: [{id: dead, at: 10.0085s, for: 20s, crash: {node: bank}}, {id: gone, at: 12s, for: 1s, crash: {node: left, replica: leader, lose_data: true, process: true}}]";
    for copies in ["leader_follower: {followers: 1, ack: sync}", RAFT] {
        let text = bank_with(copies, faults)
            .replace("clients:", others)
            .replace("timeout: 10s", "timeout: 60s");
        let found = results_of(&text, 1);
        let doubt = number(&found, "nodes.left.in_doubt.max");
        assert!((20.0..22.0).contains(&doubt), "{copies}: {doubt}");
        // Whoever writes the key at 20 s waits until it is known that nothing was decided.
        let put = "clients.others.operations.put";
        assert_eq!(number(&found, &format!("{put}.requests.ok")), 5.0, "{copies}");
        let waits = number(&found, "nodes.left.waiting_time.max");
        assert!((waits - (doubt - 10.0)).abs() < 0.2, "{copies}: {waits} {doubt}");
        assert_eq!(torn(&found), 0.0, "{copies}");
    }
}

/// A follower has a promise that another one has not: when it leads, that counts only once all have it.
#[test]
fn what_a_leader_finds_in_its_log_counts_once_it_is_as_safe_as_a_write() {
    let copies = "zones: [a, b, c], replication: {leader_follower: {followers: 2, ack: sync, failover: {detect: 500ms}}}";
    let faults = "topology: {regions: {eu: [a, b, c]}}\nfaults:\n  \
         - {id: cut, at: 9s, for: 3s, partition: {between: [[c], [a, b]]}}\n  \
         - {id: first, at: 10.1s, for: 40s, crash: {node: left, replica: 0}}\n  \
         - {id: second, at: 11.8s, for: 40s, crash: {node: left, replica: 1}}";
    let text = one(BOTH, faults)
        .replace("same_zone: 1ms", "same_zone: 1ms, same_region: 1ms")
        .replace("users: {", "users: {zones: [a], ")
        .replace("workers: 100", "workers: 100, zones: [a]")
        .replace("write: 3ms", &format!("write: 3ms, {copies}"))
        .replace("shards: {count: 2}", "zones: [a]")
        .replace("{transaction: {do", "{transaction: {timeout: 2s, do");
    let found = results_of(&text, 1);
    // It leads from 11.1 s on, is asked at 11.5 s, and has put its promise down anew when it dies.
    assert_eq!(number(&found, "nodes.left.failovers"), 2.0);
    assert_eq!(number(&found, "clients.users.requests.error"), 1.0);
    assert_eq!((torn(&found), cause(&found, "bank", "aborted")), (0.0, 1.0));
}

#[test]
fn what_comes_twice_to_a_log_is_done_once() {
    let twice = "faults: [{id: twice, at: 0s, for: 100s, duplicate: {between: [[bank], [left, right]], fraction: 100%}}]";
    for copies in [RAFT, "leader_follower: {followers: 2, ack: sync}"] {
        let text = bank_with(copies, twice)
            .replace("constant(0.1/s)", "constant(10/s)")
            .replace("15s", "90.05s")
            .replace("same_zone: 1ms", "same_zone: exp(mean=40ms)");
        let found = results_of(&text, 1);
        assert_eq!(number(&found, "summary.requests.ok"), 900.0);
        for store in ["left", "right"] {
            assert_eq!(served(&found, store), 900.0, "{copies}: {store}");
            assert_eq!(found["nodes"][store]["in_doubt"]["count"], 900, "{copies}: {store}");
        }
        assert_eq!(torn(&found), 0.0);
    }
}

#[test]
fn a_view_of_a_log_is_told_what_was_written_and_nothing_of_promises() {
    let rest = "  shown: {store: {read: 1ms, write: 3ms, view_of: {store: left, lag: 10ms}}}\n\
                faults: [{id: gone, at: 50s, for: 2s, crash: {node: shown, lose_data: true}}]";
    let text = bank(BOTH, rest)
        .replace("write: 3ms}}\n  right", &format!("write: 3ms, replication: {{{RAFT}}}}}}}\n  right"))
        .replace("sequential(n=100k)", "uniform(n=50)")
        .replace("90.05s", "40.05s")
        .replace("clients:", "clients:\n  readers: {arrivals: constant(10/s), keys: uniform(n=50), operations: {get: {read: shown}}}");
    let found = results_of(&text, 1);
    let writes = number(&found, "nodes.left.consistency.operations.write");
    let keys =
        found["nodes"]["left"]["consistency"]["not_checked"]["transaction"]["value"].as_f64();
    // Each write, and when it begins anew, the last one of each key.
    assert_eq!(number(&found, "nodes.shown.view.applied"), writes + keys.unwrap());
    assert_eq!(writes, 400.0);
}

#[test]
fn all_of_a_transaction_over_logs_is_written_or_nothing() {
    let (mut done, mut not_done) = (0, 0);
    for seed in 1..=100 {
        let text = under_faults(RAFT, "sequential(n=1000)", 1000, seed);
        for (key, left, right) in written(&text, 1000) {
            assert_eq!(left, right, "key {key}, seed {seed}\n{text}");
            *if left { &mut done } else { &mut not_done } += 1;
        }
        let found = results_of(&text, 1);
        assert_whole(&found, &text);
        assert_eq!(number(&found, "consistency.lost_acked_writes"), 0.0, "seed {seed}\n{text}");
    }
    assert!(done > 100 * 500 && not_done > 100 * 100, "{done} {not_done}");
}

#[test]
fn transactions_on_the_same_keys_of_logs_end_in_one_order() {
    let text = |seed| under_faults(RAFT, "uniform(n=7)", 7, seed);
    let contended: usize = (201..=300).map(|seed| end_in_one_order(&text(seed))).sum();
    assert!(contended > 100 * 700, "{contended}");
}

#[test]
fn what_all_followers_have_is_not_torn_by_a_failover() {
    let mut aborted = 0.0;
    for seed in 401..=460 {
        let text = under_faults(&followers("sync"), "uniform(n=7)", 7, seed);
        let found = results_of(&text, 1);
        assert_whole(&found, &text);
        aborted += number(&found, "summary.requests.error");
    }
    assert!(aborted > 100.0, "{aborted}");
    let mut torn_by = 0.0;
    for seed in 401..=460 {
        torn_by +=
            torn(&results_of(&under_faults(&followers("async"), "uniform(n=7)", 7, seed), 1));
    }
    assert!(torn_by > 10.0, "{torn_by}");
}

#[test]
fn transactions_over_logs_are_the_same_on_one_and_two_threads() {
    let text = under_faults(RAFT, "uniform(n=50)", 50, 11).replace("name: bank", "name: shop");
    let one = bytes_of_run(&text, "--jobs 1 --replications 3");
    assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 3"));
}
