//! Transactions: what they take, who stays in doubt and for how long, and that all of one is written or nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::atomic::AtomicBool,
};

use serde_json::Value;
use windtunnel::{
    results::{Does, HistoryEvent, Phase, StoreHistory},
    scenario::load::Overrides,
    study::Alone,
};

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
    theory::oracles::run::open,
};

/// A bank whose accounts are in two stores, 1 ms from everything. Each request has keys of its own.
pub fn bank(steps: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: bank\nduration: 100s\nseed: 5\nnetwork: {{same_zone: 1ms}}\n\
         clients:\n  users: {{arrivals: constant(10/s), keys: sequential(n=100k), load: [{{at: 0s, factor: 1}}, {{at: 90.05s, factor: 0}}], timeout: 10s, to: bank}}\n\
         nodes:\n  bank: {{service: {{workers: 100, endpoints: {{default: [{steps}]}}}}}}\n\
         \x20 left: {{store: {{read: 1ms, write: 3ms}}}}\n  right: {{store: {{shards: {{count: 2}}, read: 1ms, write: 5ms}}}}\n{rest}\n"
    )
}

/// The same with one request, at 10 s.
pub fn one(steps: &str, rest: &str) -> String {
    bank(steps, rest).replace("constant(10/s)", "constant(0.1/s)").replace("90.05s", "15s")
}

pub const BOTH: &str = "{transaction: {do: [{write: left}, {write: right}]}}";

pub fn close(found: f64, ms: f64) {
    assert!((found - ms / 1e3).abs() < 2e-5 + 1e-3 * ms / 1e3, "{found} s, not {ms} ms");
}

pub fn cause(results: &Value, node: &str, cause: &str) -> f64 {
    results["nodes"][node]["causes"][cause].as_f64().unwrap_or(0.0)
}

pub fn served(results: &Value, node: &str) -> f64 {
    results["nodes"][node]["outcomes"]["ok"].as_f64().unwrap()
}

#[test]
fn a_transaction_takes_a_prepare_and_a_commit_and_four_messages_a_key() {
    let time = |steps: &str, keys: f64| {
        let found = results_of(&bank(steps, ""), 1);
        assert_eq!(number(&found, "summary.requests.ok"), 900.0, "{steps}");
        assert_eq!(served(&found, "left") + served(&found, "right"), keys * 900.0, "{steps}");
        let (mean, max) =
            (number(&found, "summary.latency.mean"), number(&found, "summary.latency.max"));
        assert!((mean - max).abs() < 1e-9 + 1e-3 * max, "{mean} {max}");
        // What passed on the way, of all messages: 1 ms for each.
        (found.clone(), mean, 1e3 * found["blame"]["network"].as_f64().unwrap())
    };
    // There, the work, back with the vote; there with the decision, and back.
    let (_, alone, messages) = time("{transaction: {do: [{write: left}]}}", 1.0);
    close(alone, (1.0 + 3.0 + 1.0) + 2.0);
    assert!((messages - 4.0).abs() < 1e-6, "{messages}");
    // Of two the slower one counts.
    let (found, both, messages) = time(BOTH, 2.0);
    close(both, (1.0 + 5.0 + 1.0) + 2.0);
    assert!((messages - 8.0).abs() < 1e-6, "{messages}");
    // From 4 ms, and from 6 ms, until 8 ms.
    close(number(&found, "nodes.left.in_doubt.max"), 4.0);
    close(number(&found, "nodes.left.in_doubt.mean"), 4.0);
    close(number(&found, "nodes.right.in_doubt.max"), 2.0);
    assert_eq!(found["nodes"]["right"]["in_doubt"]["count"], 900);
    assert_eq!(number(&found, "consistency.torn_transactions"), 0.0);
    // Steps before and within run as ever; what is written twice is written once, and what is not written takes nothing.
    let steps = "{read: left}, {transaction: {do: [{wait: 4ms}, {repeat: {times: 3, do: [{write: left}]}}, {all: [[{write: right}], [{wait: 2ms}]]}, {read: left}]}}";
    let (_, all, messages) = time(steps, 2.0 + 2.0);
    close(all, 3.0 + (4.0 + 2.0 + 3.0) + 9.0);
    assert!((messages - (4.0 + 8.0)).abs() < 1e-6, "{messages}");
    let (_, none, messages) = time(
        "{transaction: {do: [{choose: [{share: 0%, do: [{write: left}]}, {share: 100%, do: []}]}]}}, {wait: 1ms}",
        0.0,
    );
    close(none, 1.0);
    assert_eq!(messages, 0.0);
    // Several keys of one shard.
    let text = bank("{transaction: {do: [{write: {to: left, count: 3}}]}}", "");
    let found = results_of(&text.replace("sequential(n=100k)", "uniform(n=1M)"), 1);
    assert_eq!(served(&found, "left"), 2700.0);
    close(number(&found, "summary.latency.max"), 7.0);
}

#[test]
fn opposite_orders_end_by_a_time_out_and_leave_nothing_locked() {
    // Each is near the shard that is far from the other one, and both come at the same time for the same keys.
    let design = |first: &str, second: &str| {
        format!(
            "windtunnel: 1\nname: bank\nduration: 100s\nseed: 5\ntopology: {{regions: {{eu: [a, b]}}}}\nnetwork: {{same_zone: 1ms, same_region: 10ms}}\n\
             clients:\n  here: {{arrivals: constant(1/s), keys: uniform(n=1), timeout: 5s, to: one}}\n\
             \x20 there: {{arrivals: constant(1/s), keys: uniform(n=1), timeout: 5s, to: two}}\n\
             nodes:\n  one: {{service: {{workers: 9, zones: [a], endpoints: {{default: [{{transaction: {{timeout: {first}, do: [{{write: left}}, {{write: right}}]}}}}]}}}}}}\n\
             \x20 two: {{service: {{workers: 9, zones: [b], endpoints: {{default: [{{transaction: {{timeout: {second}, do: [{{write: left}}, {{write: right}}]}}}}]}}}}}}\n\
             \x20 left: {{store: {{zones: [a], read: 1ms, write: 3ms}}}}\n  right: {{store: {{zones: [b], read: 1ms, write: 3ms}}}}\n"
        )
    };
    let found = results_of(&design("300ms", "300ms"), 1);
    for (client, service) in [("here", "one"), ("there", "two")] {
        assert_eq!(number(&found, &format!("clients.{client}.requests.error")), 99.0, "{client}");
        assert_eq!(cause(&found, service, "aborted"), 99.0);
        close(number(&found, &format!("clients.{client}.latency_all.max")), 300.0);
    }
    // From the vote after 4 ms until the word of the coordinator, which is 1 ms away.
    close(number(&found, "nodes.left.in_doubt.max"), 301.0 - 4.0);
    // Then the other one has it for the 3 ms of work and until 310 ms, when it hears that its own time is over.
    assert_eq!(found["nodes"]["left"]["in_doubt"]["count"], 198);
    close(number(&found, "nodes.left.in_doubt.mean"), f64::midpoint(297.0, 6.0));
    // Who gives up first lets the other one through: after 301 ms it has the key, works, and has the rest of its way.
    let found = results_of(&design("300ms", "500ms"), 1);
    assert_eq!(number(&found, "clients.here.requests.error"), 99.0);
    assert_eq!(number(&found, "clients.there.requests.ok"), 99.0);
    close(number(&found, "clients.there.latency.max"), 301.0 + 3.0 + 10.0 + 20.0);
    // It waited for the key since 10 ms.
    close(number(&found, "nodes.left.waiting_time.max"), 301.0 - 10.0);
}

#[test]
fn who_had_not_decided_leaves_all_in_doubt_until_it_is_back() {
    // Votes are given after 4 and 6 ms, and known after 7 ms.
    for process in [true, false] {
        let faults = format!(
            "faults: [{{id: dead, at: 10.0065s, for: 20s, crash: {{node: bank, process: {process}}}}}]"
        );
        // Somebody else writes and reads the key all the time.
        let others = "clients:\n  others: {arrivals: constant(10/s), keys: uniform(n=1), timeout: 500ms, operations: {put: {write: left, share: 50%}, get: {read: left, share: 50%}}}";
        let text =
            one(BOTH, &faults).replace("clients:", others).replace("timeout: 10s", "timeout: 60s");
        let found = results_of(&text, 1);
        // It asks each second, at 30.004 s in vain, and hears a second later that nothing was decided.
        close(number(&found, "nodes.left.in_doubt.max"), 31_006.0 - 10_004.0);
        close(number(&found, "nodes.right.in_doubt.max"), 30_008.0 - 10_006.0);
        let ends = if process { "error" } else { "timeout" };
        // A host that dies without a word leaves its callers waiting.
        let undecided = number(&found, "clients.users.requests.in_flight");
        assert_eq!(number(&found, &format!("clients.users.requests.{ends}")) + undecided, 1.0);
        // Writes wait in vain for 21 s, reads do not.
        let put = "clients.others.operations.put.requests";
        let timeouts = number(&found, &format!("{put}.timeout"));
        assert!((80.0..130.0).contains(&timeouts), "{timeouts}");
        assert!(number(&found, &format!("{put}.ok")) > 300.0);
        let get = "clients.others.operations.get";
        assert_eq!(number(&found, &format!("{get}.requests.timeout")), 0.0);
        assert!(number(&found, &format!("{get}.latency.max")) < 0.01);
        assert_eq!(number(&found, "consistency.torn_transactions"), 0.0);
    }
}

#[test]
fn what_was_decided_is_told_until_all_know() {
    let reads = "clients:\n  a: {arrivals: constant(1/s), keys: sequential(n=1), operations: {get: {read: left}}}\n  b: {arrivals: constant(1/s), keys: sequential(n=1), operations: {get: {read: right}}}";
    let design = |faults: &str| one(BOTH, faults).replace("clients:", reads);
    // A cut swallows what is said at 7 ms to one of the two, and it is said again a second later.
    let cut = "{id: cut, at: 10.0065s, for: 1ms, partition: {between: [[bank], [right]]}}";
    let text = design(&format!("faults: [{cut}]"));
    let found = results_of(&text, 1);
    close(number(&found, "nodes.left.in_doubt.max"), 4.0);
    close(number(&found, "nodes.right.in_doubt.max"), 1008.0 - 6.0);
    close(number(&found, "clients.users.latency.max"), 1009.0);
    assert_eq!(written(&text, 1), [(1, true, true)]);
    // The coordinator dies on top of it: it knows what it decided when it is back, whatever its caller heard.
    let dead = "{id: dead, at: 10.0076s, for: 20s, crash: {node: bank, process: true}}";
    let text = design(&format!("faults: [{cut}, {dead}]"));
    let found = results_of(&text, 1);
    close(number(&found, "nodes.right.in_doubt.max"), 30_008.6 - 10_006.0);
    assert_eq!(number(&found, "clients.users.requests.error"), 1.0);
    assert_eq!(written(&text, 1), [(1, true, true)]);
    // One that takes part dies after its vote: what it promised it knows when it is back, and then it is told.
    let dead = "{id: dead, at: 10.0065s, for: 5s, crash: {node: right}}";
    let text = design(&format!("faults: [{dead}]"));
    let found = results_of(&text, 1);
    close(number(&found, "nodes.right.in_doubt.max"), 15_008.0 - 10_006.0);
    close(number(&found, "clients.users.latency.max"), 5009.0);
    assert_eq!(written(&text, 1), [(1, true, true)]);
}

#[test]
fn without_all_votes_nothing_is_written() {
    let reads = "clients:\n  a: {arrivals: constant(1/s), keys: sequential(n=1), operations: {get: {read: left}}}\n  b: {arrivals: constant(1/s), keys: sequential(n=1), operations: {get: {read: right}}}";
    let case = |at: &str, harm: &str, ms: f64, doubt: Option<f64>| {
        let fault = format!("faults: [{{id: dead, at: {at}, for: 500ms, {harm}}}]");
        let text = one(BOTH, &fault).replace("clients:", reads);
        let found = results_of(&text, 1);
        assert_eq!(number(&found, "clients.users.requests.error"), 1.0, "{harm}");
        close(number(&found, "clients.users.latency_all.max"), ms);
        assert_eq!(cause(&found, "bank", "aborted"), 1.0, "{harm}");
        match doubt {
            Some(doubt) => close(number(&found, "nodes.left.in_doubt.max"), doubt),
            None => assert_eq!(found["nodes"]["left"]["in_doubt"]["count"], 0, "{harm}"),
        }
        assert_eq!(written(&text, 1), [(1, false, false)], "{harm}");
    };
    // It dies before its vote, or after that, which a cut swallows; or it is not there, and says so or does not.
    case("10.003s", "crash: {node: right}", 1000.0, Some(1001.0 - 4.0));
    case("10.005s", "partition: {from: [right], to: [bank]}", 1000.0, Some(997.0));
    case("9.9s", "crash: {node: right}", 1000.0, Some(997.0));
    case("9.9s", "crash: {node: right, process: true}", 2.0, None);
    case("9.9s", "partition: {between: [[bank], [right]], reject: true}", 0.0, None);
    case("9.9s", "errors: {node: right, fraction: 100%}", 2.0, None);
    // A shard that has no room says so.
    let full = one(BOTH, "").replace("clients:", reads);
    let full = full.replace("read: 1ms, write: 5ms", "read: 1ms, write: 5ms, cores: 1, queue: 0");
    let busy = full.replace("clients:", "clients:\n  noise: {arrivals: constant(1000/s), keys: uniform(n=1000), operations: {get: {write: right}}}");
    let found = results_of(&busy, 1);
    assert_eq!(number(&found, "clients.users.requests.error"), 1.0);
    assert!(number(&found, "clients.users.latency_all.max") < 0.01);
    // Steps that fail write nothing, and nobody was asked.
    let fails = "{transaction: {do: [{write: left}, {write: right}, {fail: 100%}]}}";
    let found = results_of(&bank(fails, ""), 1);
    assert_eq!(number(&found, "summary.requests.error"), 900.0);
    assert_eq!((served(&found, "left"), served(&found, "right")), (0.0, 0.0));
    let found =
        results_of(&bank(&fails.replace("{transaction", "{optional: true, transaction"), ""), 1);
    assert_eq!(number(&found, "summary.requests.ok"), 900.0);
}

#[test]
fn of_two_that_compare_one_loses() {
    let steps = "{read: left}, {wait: 20ms}, {transaction: {do: [{cas: left}, {write: right}]}}";
    let two = "clients:\n  others: {arrivals: constant(10/s), keys: sequential(n=100k), load: [{at: 0s, factor: 1}, {at: 90.05s, factor: 0}], timeout: 5s, to: bank}";
    let found = results_of(&bank(steps, "").replace("clients:", two), 1);
    // Both read the key before either wrote it; whoever comes second finds it locked, and then another version.
    assert_eq!(number(&found, "summary.requests.ok"), 900.0);
    assert_eq!(number(&found, "summary.requests.error"), 900.0);
    assert_eq!(
        (cause(&found, "bank", "conflict"), cause(&found, "left", "conflict")),
        (900.0, 900.0)
    );
    assert_eq!(number(&found, "consistency.lost_updates"), 0.0);
    assert_eq!(number(&found, "consistency.operations.cas"), 900.0);
    // Without a comparison both write, one after the other, and one of the updates is lost.
    let found = results_of(&bank(&steps.replace("cas", "write"), "").replace("clients:", two), 1);
    assert_eq!(number(&found, "summary.requests.ok"), 1800.0);
    assert_eq!(number(&found, "consistency.lost_updates"), 900.0 * 2.0 / 2.0);
    assert_eq!(found["consistency"]["linearizable"], Value::Null);
    assert_eq!(number(&found, "nodes.left.consistency.not_checked.transaction"), 900.0);
}

#[test]
fn what_was_promised_is_gone_with_the_data() {
    let slos = "slos: ['torn_transactions == 0', 'nodes.right.in_doubt.p99 <= 1s', 'nodes.left.in_doubt.max <= 3ms']";
    let found = |at: &str, lose: &str| {
        let fault = format!(
            "faults: [{{id: dead, at: {at}, for: 2s, crash: {{node: right{lose}}}}}]\n{slos}"
        );
        results_of(&one(BOTH, &fault), 1)
    };
    let verdicts = |found: &Value| -> Vec<String> {
        (0..3).map(|i| found["slos"][i]["verdict"].as_str().unwrap().to_owned()).collect()
    };
    let kept = found("10.0065s", "");
    assert_eq!(number(&kept, "consistency.torn_transactions"), 0.0);
    assert_eq!(verdicts(&kept), ["met", "missed", "missed"]);
    // It is decided, one has written its part, and the other one knows nothing of it any more.
    let lost = found("10.0065s", ", lose_data: true");
    assert_eq!(number(&lost, "consistency.torn_transactions"), 1.0);
    assert_eq!(number(&lost, "nodes.right.consistency.torn_transactions"), 1.0);
    assert_eq!(number(&lost, "nodes.left.consistency.torn_transactions"), 0.0);
    assert_eq!(verdicts(&lost)[0], "missed");
    // The same if it is lost when all is done; not if it was lost before anything was promised.
    assert_eq!(number(&found("20s", ", lose_data: true"), "consistency.torn_transactions"), 1.0);
    assert_eq!(number(&found("5s", ", lose_data: true"), "consistency.torn_transactions"), 0.0);
}

#[test]
fn what_comes_twice_is_done_once() {
    // Every message comes twice, the second time before the first one or long after all is over.
    let twice = "faults: [{id: twice, at: 0s, for: 100s, duplicate: {between: [[bank], [left, right]], fraction: 100%}}]";
    let late = |text: String| text.replace("same_zone: 1ms", "same_zone: exp(mean=40ms)");
    let found = results_of(&late(bank(BOTH, twice)), 1);
    assert_eq!(number(&found, "summary.requests.ok"), 900.0);
    for store in ["left", "right"] {
        assert_eq!(served(&found, store), 900.0, "{store}");
        assert_eq!(found["nodes"][store]["in_doubt"]["count"], 900, "{store}");
        assert_eq!(number(&found, &format!("nodes.{store}.consistency.operations.write")), 900.0);
    }
    assert_eq!(number(&found, "consistency.torn_transactions"), 0.0);
    // All that is asked twice and was is said: it takes no longer than if nothing came twice, or less.
    let once = results_of(&late(bank(BOTH, "")), 1);
    let mean = |found: &Value| number(found, "summary.latency.mean");
    assert!(mean(&found) < mean(&once) && mean(&once) < 0.4, "{} {}", mean(&found), mean(&once));
}

#[test]
fn attempts_that_are_one_write_once() {
    // Whoever asks waits 8 ms for what takes 9 ms, and asks again.
    let design = |idempotent: &str| {
        let edge = format!(
            "timeout: 8ms, retry: {{attempts: 2, backoff: constant(10ms)}}{idempotent}, to: bank"
        );
        let found = results_of(&bank(BOTH, "").replace("timeout: 10s, to: bank", &edge), 1);
        assert_eq!(number(&found, "summary.requests.timeout"), 900.0);
        assert_eq!((served(&found, "left"), served(&found, "right")), (1800.0, 1800.0));
        number(&found, "consistency.duplicate_applies")
    };
    assert_eq!((design(""), design(", idempotent: true")), (1800.0, 0.0));
}

#[test]
fn a_transaction_is_a_part_of_a_saga() {
    let hotel = "  hotel: {service: {cores: 50, work: 5ms}}\n  unhotel: {service: {cores: 50, work: 3ms}}\n  undone: {service: {cores: 50, work: 3ms}}";
    let saga = |inside: &str| {
        format!(
            "{{saga: [{{do: [{{call: hotel}}], undo: [{{call: unhotel}}]}}, {{do: [{inside}], undo: [{{call: undone}}]}}, {{do: [{{wait: 1ms}}]}}]}}, {{choose: [{{share: 0%, do: [{{call: undone}}]}}, {{share: 100%, do: []}}]}}"
        )
    };
    // What was aborted was not done, and is not undone; what is before it is.
    let dead = "faults: [{id: dead, at: 20s, for: 30s, crash: {node: right}}]";
    let found = results_of(&bank(&saga(BOTH), &format!("{hotel}\n{dead}")), 1);
    let aborted = cause(&found, "bank", "aborted");
    assert!((290.0..=310.0).contains(&aborted), "{aborted}");
    assert_eq!((served(&found, "unhotel"), served(&found, "undone")), (aborted, 0.0));
    assert_eq!(number(&found, "nodes.bank.sagas.done"), 900.0 - aborted);
}

// ---- all or nothing ---------------------------------------------------------------------------

/// A number of a sequence.
pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One of several, by the next number of a sequence.
pub fn pick<const N: usize>(state: &mut u64, all: [&'static str; N]) -> &'static str {
    all[(next(state) % N as u64) as usize]
}

/// Some faults until 20 s, each of which does something that is drawn.
pub fn schedule(seed: u64, harm: impl Fn(&mut u64) -> String) -> String {
    let mut state = seed;
    let mut text = "faults: [".to_owned();
    for i in 0..2 + next(&mut state) % 5 {
        let at = next(&mut state) % 18_000;
        let length = pick(&mut state, ["20ms", "150ms", "700ms", "1900ms"]);
        let harm = harm(&mut state);
        write!(text, "{{id: f{i}, at: {at}ms, for: {length}, {harm}}}, ").unwrap();
    }
    text + "]"
}

/// Whatever can go wrong: crashes, cuts, losses, pauses, doubled and late messages.
fn harm(state: &mut u64) -> String {
    let node = pick(state, ["bank", "left", "right"]);
    let other = pick(state, ["left", "right"]);
    match next(state) % 8 {
        0 => format!("crash: {{node: {node}}}"),
        1 => format!("crash: {{node: {node}, process: true}}"),
        2 => format!("partition: {{between: [[bank], [{other}]]}}"),
        3 => format!("partition: {{from: [bank], to: [{other}]}}"),
        4 => "loss: {between: [[bank], [left, right]], fraction: 30%}".to_owned(),
        5 => format!("pause: {{node: {node}}}"),
        6 => "duplicate: {between: [[bank], [left, right]], fraction: 50%}".to_owned(),
        _ => format!("latency: {{between: [[bank], [{other}]], add: exp(mean=300ms)}}"),
    }
}

fn under_faults(steps: &str, keys: &str, n: u64, seed: u64) -> String {
    transfers(steps, (keys, n), seed) + &schedule(seed, harm) + "\n"
}

/// Transfers until 20 s, and readers that look at all accounts when all is quiet.
pub fn transfers(steps: &str, (keys, n): (&str, u64), seed: u64) -> String {
    let reader = |store: &str| {
        format!(
            "  read-{store}: {{arrivals: constant(500/s), keys: sequential(n={n}), load: [{{at: 0s, factor: 0}}, {{at: 30s, factor: 1}}], operations: {{get: {{read: {store}}}}}}}\n"
        )
    };
    format!(
        "windtunnel: 1\nname: bank\nduration: 33s\nseed: {seed}\nnetwork: {{same_zone: exp(mean=3ms)}}\n\
         clients:\n{}{}  users: {{arrivals: poisson(40/s), keys: {keys}, load: [{{at: 0s, factor: 1}}, {{at: 20s, factor: 0}}], timeout: 1s, retry: {{attempts: 2}}, to: bank}}\n\
         nodes:\n  bank: {{service: {{instances: 2, workers: 200, endpoints: {{default: [{steps}]}}, dependencies: {{left: {{timeout: 1s}}, right: {{timeout: 1s}}}}}}}}\n\
         \x20 left: {{store: {{read: 1ms, write: exp(mean=2ms), cores: 2}}}}\n  right: {{store: {{shards: {{count: 2}}, read: 1ms, write: exp(mean=2ms), cores: 1}}}}\n",
        reader("left"),
        reader("right"),
    )
}

/// When each write of a store was asked for, by key and value; and what was read of each key last.
fn seen(of: &StoreHistory) -> (BTreeMap<(u64, u64), u64>, BTreeMap<u64, Option<u64>>) {
    let (mut asked, mut last) = (BTreeMap::new(), BTreeMap::new());
    for HistoryEvent { at_ns, phase, does, key, .. } in &of.events {
        match (phase, does) {
            (Phase::Invoke, Does::Write(value) | Does::Cas(_, value)) => {
                asked.insert((*key, *value), *at_ns);
            }
            (Phase::Ok, Does::Read(value)) => drop(last.insert(*key, *value)),
            _ => {}
        }
    }
    (asked, last)
}

/// The histories of both stores, left and right, of a run.
fn histories(text: &str) -> [StoreHistory; 2] {
    let study = open("scenario.yaml", &Alone(text), &Overrides::default());
    let history = study.history((0, 7), &BTreeSet::new(), &AtomicBool::new(false));
    let stores = history.expect("it breaks no invariant").expect("it is not interrupted").stores;
    stores.try_into().expect("two stores")
}

/// Of each key whether its first write was done, left and right, as readers see it in the end.
pub fn written(text: &str, n: u64) -> Vec<(u64, bool, bool)> {
    let [left, right] = histories(text).map(|of| seen(&of).1);
    let is = |of: &BTreeMap<u64, Option<u64>>, key| of[&key].is_some();
    (1..=n).map(|key| (key, is(&left, key), is(&right, key))).collect()
}

#[test]
fn all_of_a_transaction_is_written_or_nothing() {
    let parallel = "{all: [[{write: left}], [{write: right}]]}";
    let (mut done, mut not_done, mut torn) = (0, 0, 0);
    for seed in 1..=120 {
        // Keys of its own for each: what was written is there at the end.
        let text = under_faults(BOTH, "sequential(n=1000)", 1000, seed);
        for (key, left, right) in written(&text, 1000) {
            assert_eq!(left, right, "key {key}, seed {seed}\n{text}");
            *if left { &mut done } else { &mut not_done } += 1;
        }
        let text = under_faults(parallel, "sequential(n=1000)", 1000, seed);
        torn += written(&text, 1000).iter().filter(|(_, left, right)| left != right).count();
    }
    assert!(done > 120 * 500 && not_done > 120 * 100, "{done} {not_done}");
    // Whoever writes without one leaves halves.
    assert!(torn > 200, "{torn}");
}

/// Of a run it holds that no transaction is torn and no key stays locked.
pub fn assert_whole(found: &Value, text: &str) {
    assert_eq!(number(found, "consistency.torn_transactions"), 0.0, "{text}");
    for store in ["left", "right"] {
        let doubt = number(found, &format!("nodes.{store}.in_doubt.max"));
        assert!(doubt < 12.0, "{store}: {doubt}\n{text}");
    }
}

/// Of seven keys it holds that both stores have the write of the same transaction in the end; how many there were.
pub fn end_in_one_order(text: &str) -> usize {
    let [(left, last_left), (right, last_right)] = histories(text).map(|of| seen(&of));
    for key in 1..=7 {
        // Both are asked for at the same instant.
        let by = |all: &BTreeMap<(u64, u64), u64>, last: &BTreeMap<u64, Option<u64>>| {
            last[&key].map(|value| all[&(key, value)])
        };
        assert_eq!(by(&left, &last_left), by(&right, &last_right), "key {key}\n{text}");
    }
    assert_whole(&results_of(text, 1), text);
    left.range((1, 0)..=(7, u64::MAX)).count()
}

#[test]
fn transactions_on_the_same_keys_end_in_one_order() {
    let text = |seed| under_faults(BOTH, "uniform(n=7)", 7, seed);
    let contended: usize = (201..=320).map(|seed| end_in_one_order(&text(seed))).sum();
    assert!(contended > 120 * 700, "{contended}");
}

#[test]
fn transactions_are_the_same_on_one_and_two_threads() {
    let text = under_faults(BOTH, "uniform(n=50)", 50, 11).replace("name: bank", "name: shop");
    let one = bytes_of_run(&text, "--jobs 1 --replications 3");
    assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 3"));
}

const WHOLE: &str = "{transaction";
const FIRST: &str = "{write: left}";

/// A mistake: what of the good file is replaced by what, how far behind which word it is told, with which code and phrase.
type Mistake =
    (&'static str, &'static str, &'static str, (&'static str, usize), &'static str, &'static str);

const MISTAKES: [Mistake; 14] = [
    (
        "empty",
        "do: [{write: left}, {write: right}]",
        "do: []",
        (WHOLE, 15),
        "E-STEP",
        "at least one step",
    ),
    (
        "reads",
        "do: [{write: left}, {write: right}]",
        "do: [{read: left}]",
        (WHOLE, 15),
        "E-STEP",
        "nothing is written",
    ),
    (
        "protocol",
        "{do: [{write: left}",
        "{protocol: three_phase, do: [{write: left}",
        (WHOLE, 25),
        "E-ENUM",
        "two_phase",
    ),
    (
        "timeout",
        "{do: [{write: left}",
        "{timeout: 0s, do: [{write: left}",
        (WHOLE, 24),
        "E-RANGE",
        "above 0",
    ),
    (
        "saga",
        "[{write: left},",
        "[{saga: [{do: [{write: left}]}]},",
        (FIRST, 1),
        "E-CONFLICT",
        "nothing to undo",
    ),
    (
        "lock",
        "[{write: left},",
        "[{lock: {name: a, do: [{write: left}]}},",
        (FIRST, 1),
        "E-CONFLICT",
        "given back before",
    ),
    (
        "reply",
        "[{write: left},",
        "[{reply: 1KB}, {write: left},",
        (FIRST, 8),
        "E-CONFLICT",
        "decided",
    ),
    (
        "within",
        "[{write: left},",
        "[{transaction: {do: [{write: left}]}},",
        (FIRST, 1),
        "E-CONFLICT",
        "within a transaction",
    ),
    (
        "cache",
        "[{write: left},",
        "[{write: {to: left, cache: memory}},",
        (FIRST, 26),
        "E-CONFLICT",
        "cannot promise",
    ),
    (
        "to a cache",
        "[{write: left},",
        "[{write: memory},",
        (FIRST, 8),
        "E-CONFLICT",
        "`memory` is a cache",
    ),
    (
        "service",
        "[{write: left},",
        "[{write: other},",
        (FIRST, 8),
        "E-CONFLICT",
        "`other` is a service",
    ),
    (
        "quorum",
        "[{write: left},",
        "[{write: kv},",
        (FIRST, 8),
        "E-CONFLICT",
        "no replica of `kv` leads and orders what is written to a key",
    ),
    ("leaders", "[{write: left},", "[{write: many},", (FIRST, 8), "E-CONFLICT", "each leader"),
    (
        "optional",
        "[{write: left},",
        "[{write: left, optional: true},",
        (FIRST, 24),
        "E-CONFLICT",
        "all is written, or nothing",
    ),
];

#[test]
fn what_is_said_of_a_transaction_is_checked_where_it_stands() {
    let nodes = "  memory: {cache: {capacity: 10, from: left}}\n  other: {service: {cores: 1, work: 1ms}}\n  kv: {store: {read: 1ms, replication: {quorum: {replicas: 3}}}}\n  many: {store: {read: 1ms, replication: {multi_leader: {leaders: [a, b]}}}}\ntopology: {regions: {eu: [a, b, c]}}\nclocks: {offset: 0ms}";
    let also = "{read: {from: left, cache: memory}}, {call: other}, {write: kv}, {write: many}, ";
    let good = bank(&format!("{also}{BOTH}"), nodes)
        .replace("same_zone: 1ms", "same_zone: 1ms, same_region: 1ms");
    let column = |what: &str| good.lines().nth(8).unwrap().find(what).unwrap() + 1;
    let cases: Vec<Case> = MISTAKES
        .iter()
        .map(|&(name, old, new, (word, more), code, phrase)| {
            let place: &str = format!("9:{} {code}", column(word) + more).leak();
            (name, old, new, place, phrase)
        })
        .collect();
    check_in(&good, &cases);
    let moves =
        bank(BOTH, "faults: [{id: more, at: 10s, set: {nodes.right.store.shards.count: 3}}]")
            .replace("shards: {count: 2}", "shards: {count: 2, move: 500/s}, keys: 1000");
    let text = good
        .replace("quorum: {replicas: 3}", "raft: {replicas: 3}")
        .replace("left}, {write: right}]", "kv}, {write: right}]")
        + "faults: [{id: rot, at: 1s, corrupt: {node: kv, fraction: 1%}}]\n";
    check_in(
        &text.replace("corrupt: {node: kv", "corrupt: {node: right"),
        &[(
            "damage",
            "corrupt: {node: right",
            "corrupt: {node: kv",
            "18:44 E-UNSUPPORTED",
            "do not go together",
        )],
    );
    let told = crate::bad_input::told(moves.as_bytes());
    assert!(
        told.len() == 1
            && told[0]
                .contains("E-CONFLICT keys of a store that transactions write cannot move yet"),
        "{told:?}"
    );
}
