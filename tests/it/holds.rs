//! Connections that are kept through several steps.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{close, latency, number, results_of},
};

/// A service that answers requests by steps, over pools of this kind to a store of one core and to another service.
fn served(arrivals: &str, steps: &str, pool: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: held\nduration: 100s\nclients: {{load: {{arrivals: {arrivals}, to: app, timeout: 50s}}}}\n\
         nodes:\n  app: {{service: {{endpoints: {{default: [{steps}]}}, dependencies: {{db: {{timeout: 20s, pool: {pool}}}, pay: \
         {{timeout: 20s, pool: {{size: 1000}}}}}}}}}}\n\
         \x20 db: {{store: {{read: 10ms, write: 10ms}}}}\n  pay: {{service: {{workers: 1000, work: 100ms}}}}\n{rest}"
    )
}

const ORDER: &str = "{hold: {pool: db, do: [{read: db}, {call: pay}, {write: db}]}}";

fn held(arrivals: &str, pool: &str, rest: &str) -> Value {
    results_of(&served(arrivals, ORDER, pool, rest), 1)
}

#[test]
fn a_connection_is_kept_while_something_else_is_done() {
    // 10 ms, 100 ms, 10 ms: it is held for all of it, and waited for once.
    let once = held("schedule(every=10s)", "{size: 1}", "");
    close(latency(&once), [0.12, 0.12]);
    let used = number(&once, "nodes.app.resources.pool:db.utilisation");
    close([used], [10.0 * 0.12 / 100.0]);
    close([number(&once, "nodes.app.pools.db.waiting_time.mean")], [0.0]);
    // Four at once on two connections: two wait until the others are through.
    let four = "schedule(every=10s batch=4)";
    close(latency(&held(four, "{size: 2}", "")), [0.18, 0.24]);
    // Without it the calls of all four go on meanwhile.
    let steps = "{read: db}, {call: pay}, {write: db}";
    let found = results_of(&served(four, steps, "{size: 2}", ""), 1);
    close(latency(&found), [0.125, 0.13]);
    // Who waits too long is turned away.
    let turned = held(four, "{size: 2, wait: 50ms}", "");
    close(latency(&turned), [0.12, 0.12]);
    assert_eq!(number(&turned, "nodes.app.causes.pool_exhausted"), 20.0);
    assert_eq!(number(&turned, "summary.requests.error"), 20.0);
}

#[test]
fn calls_by_it_open_no_other() {
    // With two ends: it is opened once (a trip, 5 ms of login), and all go by it; the store has one connection.
    let pool = "{size: 1, setup: {round_trips: 1, work: 5ms}, keep: 0}";
    let text = served("schedule(every=10s)", ORDER, pool, "")
        .replace("read: 10ms, write: 10ms", "read: 10ms, write: 10ms, limits: {connections: 1}");
    let found = results_of(&text, 1);
    close(latency(&found), [0.125, 0.125]);
    close([number(&found, "nodes.app.pools.db.setups") * 100.0], [10.0]);
    assert_eq!(number(&found, "summary.availability"), 1.0);
    assert!(number(&found, "nodes.db.outcomes.ok") == 20.0);
}

#[test]
fn it_is_given_back_however_the_steps_end() {
    let ok = |text: &str| {
        let found = results_of(text, 1);
        (number(&found, "summary.requests.ok"), found)
    };
    // Each second step fails: nobody waits in vain for a connection.
    let steps = "{hold: {pool: db, do: [{read: db}, {fail: 50%}, {call: pay}]}}";
    let text = served("constant(1/s)", steps, "{size: 1, wait: 500ms}", "");
    let (answered, found) = ok(&text);
    assert!((30.0..70.0).contains(&answered), "{answered}");
    assert!(found["nodes"]["app"]["causes"].get("pool_exhausted").is_none(), "{found:#}");
    // Called off: the client has given up before the end.
    let text = served("constant(1/s)", ORDER, "{size: 1, wait: 500ms}", "")
        .replace("timeout: 50s", "timeout: 60ms, cancel: true");
    let found = results_of(&text, 1);
    assert!(number(&found, "summary.requests.timeout") >= 99.0);
    assert!(found["nodes"]["app"]["causes"].get("pool_exhausted").is_none());
    // So are those that wait for one, and those that have not answered in time.
    let text = served("constant(20/s)", ORDER, "{size: 1}", "")
        .replace("timeout: 50s", "timeout: 200ms, cancel: true");
    let used = number(&results_of(&text, 1), "nodes.app.resources.pool:db.utilisation");
    assert!(used > 0.99 && used <= 1.0, "{used}");
    // A process that dies has none any more; neither has one whose calls time out.
    for fault in [
        "crash: {node: app, process: true}",
        "crash: {node: pay}",
        "pause: {node: db}",
        "partition: {between: [[app], [db]]}",
    ] {
        let faults = format!("faults: [{{id: f, at: 10.05s, for: 5s, {fault}}}]\n");
        let text = served("constant(5/s)", ORDER, "{size: 2, wait: 2s}", &faults)
            .replace("timeout: 20s", "timeout: 500ms");
        let found = results_of(&text, 1);
        assert!(number(&found, "summary.availability") > 0.9, "{fault}");
        let after = found["series"]["clients"]["all"]["outcomes"].clone();
        assert!(number(&found, "faults.0.availability_after") > 0.99, "{fault} {after}");
    }
    // An answer that is sent early leaves it with what goes on behind.
    let steps = "{hold: {pool: db, do: [{read: db}, {reply: 1KB}, {call: pay}]}}";
    let found = results_of(&served("schedule(every=10s batch=2)", steps, "{size: 1}", ""), 1);
    close(latency(&found), [f64::midpoint(0.01, 0.12), 0.12]);
}

/// So many requests at once, each of which takes so many connections, one in the other, out of so many.
fn nested(at_once: u64, each: u64, pool: u64) -> Value {
    let mut steps = "{read: db}".to_owned();
    for _ in 0..each {
        steps = format!("{{work: 1ms}}, {{hold: {{pool: db, do: [{steps}]}}}}");
    }
    let pool = format!("{{size: {pool}, wait: 2s}}");
    results_of(&served(&format!("schedule(every=10s batch={at_once})"), &steps, &pool, ""), 1)
}

#[test]
fn enough_connections_for_all_but_one_and_one_more_are_enough() {
    // HikariCP's rule: with Tn at once that take Cm each, Tn x (Cm - 1) + 1 suffice, and one less does not.
    for (threads, each) in [(3, 2), (8, 4), (5, 3)] {
        let enough = threads * (each - 1) + 1;
        let well = nested(threads, each, enough);
        assert_eq!(number(&well, "summary.availability"), 1.0, "{threads} {each}");
        assert!(latency(&well)[1] < 0.2, "{:?}", latency(&well));
        let stuck = nested(threads, each, enough - 1);
        // All wait for one another, until the first of them is turned away.
        assert!(number(&stuck, "nodes.app.causes.pool_exhausted") >= 10.0, "{threads} {each}");
        assert!(number(&stuck, "summary.availability") < 1.0);
        assert!(number(&stuck, "nodes.app.response_time.max") >= 2.0);
    }
}

#[test]
fn connections_taken_in_opposite_order_wait_for_one_another() {
    let one = "{hold: {pool: db, do: [{read: db}, {hold: {pool: pay, do: [{call: pay}]}}]}}";
    let other = "{hold: {pool: pay, do: [{work: 10ms}, {hold: {pool: db, do: [{read: db}]}}]}}";
    let text = |second: &str| {
        let steps =
            format!("{{choose: [{{share: 50%, do: [{one}]}}, {{share: 50%, do: [{second}]}}]}}");
        served("schedule(every=10s batch=8)", &steps, "{size: 1, wait: 1s}", "")
            .replace("pool: {size: 1000}", "pool: {size: 1, wait: 1s}")
    };
    let found = results_of(&text(other), 1);
    assert!(number(&found, "nodes.app.causes.pool_exhausted") >= 8.0);
    // In the same order nobody waits for somebody who waits for him.
    let found = results_of(&text(one).replace("wait: 1s", "wait: 5s"), 1);
    assert_eq!(number(&found, "summary.availability"), 1.0);
}

#[test]
fn what_a_hold_cannot_be_is_told() {
    let good = served("constant(1/s)", ORDER, "{size: 1}", "");
    assert_eq!(told(good.as_bytes()), Vec::<String>::new());
    let steps = "[{read: db}, {call: pay}, {write: db}]";
    let inner = "do: [{hold: {pool: db, do: [{read: db}]}}, {call: pay}]";
    let parts = [steps, "[{read: {from: db, shards: all}}, {call: pay}]"];
    check_in(
        &good,
        &[
            ("H1", "{hold: {pool: db,", "{hold: {pool: dc,", "6:55 E-REF", "connections to `dc`"),
            ("H1", "hold: {pool: db, do:", "hold: {do:", "6:42 E-MISSING", "`pool`"),
            (
                "H1",
                ORDER,
                "{hold: {pool: db, do: []}}, {read: db}, {call: pay}",
                "6:59 E-STEP",
                "one step",
            ),
            (
                "H1",
                "{hold: {pool: db,",
                "{optional: true, hold: {pool: db,",
                "6:52 E-CONFLICT",
                "not done",
            ),
            (
                "H1",
                steps,
                "[{all: [{read: db}, {call: pay}]}]",
                "6:72 E-CONFLICT",
                "one call at a time",
            ),
            ("H1", parts[0], parts[1], "6:65 E-CONFLICT", "one call at a time"),
            (
                "H1",
                "do: [{read: db}, {call: pay}, {write: db}]",
                inner,
                "6:78 E-CONFLICT",
                "takes 2 connections at once of 1",
            ),
        ],
    );
}
