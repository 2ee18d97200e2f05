//! Queues: what is handed to whom and when, what comes again, what is lost, what is kept in order.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// 1,500 orders, ten a second for 150 s of 250 s, everything 1 ms from everything.
fn shop(queue: &str, consumer: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 250s\nseed: 7\nnetwork: {{same_zone: 1ms}}\n\
         clients: {{users: {{arrivals: constant(10/s), keys: uniform(n=20), load: [{{at: 0s, factor: 1}}, {{at: 150.05s, factor: 0}}], timeout: 5s, to: orders}}}}\n\
         nodes:\n  orders: {{queue: {{{queue}}}}}\n  billing: {{service: {{consumes: orders, {consumer}}}}}\n{rest}\n"
    )
}

fn of(results: &Value, figure: &str) -> f64 {
    number(results, &format!("nodes.orders.{figure}"))
}

/// Several of them.
fn all<const N: usize>(results: &Value, figures: [&str; N]) -> [f64; N] {
    figures.map(|figure| of(results, figure))
}

fn close(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found}, not {expected}");
}

/// Verdicts on how long messages take, and why.
fn judged(text: &str, slos: &[&str]) -> Vec<(String, String)> {
    let slos = slos.iter().map(|slo| format!("'{slo}'")).collect::<Vec<_>>().join(", ");
    let found = results_of(&format!("{text}slos: [{slos}]\n"), 1);
    let word = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let verdicts = found["slos"].as_array().unwrap();
    verdicts.iter().map(|slo| (word(&slo["verdict"]), word(&slo["reason"]))).collect()
}

#[test]
fn what_is_not_done_is_slower_than_any_limit_unless_it_is_younger() {
    let verdicts = |text: &str, slos: &[&str]| {
        judged(text, slos).into_iter().map(|one| one.0).collect::<Vec<_>>()
    };
    // From 60.05 s on nobody works anything off: 600 of 1,500 were done within 3 ms, the others are 100 s old and more.
    let fault = "faults: [{id: dead, at: 60.05s, crash: {node: billing}}]";
    let text = shop("", "workers: 1, work: 1ms", fault);
    assert_eq!(of(&results_of(&text, 1), "done.p99"), 0.002);
    let found = verdicts(
        &text,
        &[
            "p50(done node=orders) <= 1s",
            "nodes.orders.done.p50 <= 99s",
            "max(done node=orders) <= 1h",
            "min(done node=orders) <= 3ms",
            "p50(done node=orders) >= 1s",
        ],
    );
    // An hour is not over.
    assert_eq!(found, ["missed", "missed", "met", "met", "met"]);
    // What dies is never done: one of ten; it is not that nobody knows yet.
    let dead =
        shop("max_receives: 2", "workers: 1, endpoints: {default: [{fail: 10%}, {work: 1ms}]}", "");
    let dead = dead.replace("seed: 7", "seed: 7\nconfidence: 0.9");
    let dying = number(&results_of(&dead, 1), "nodes.orders.dead_lettered");
    assert!(dying > 5.0, "{dying}");
    let (slow, fast) = (1.0 - 0.5 * dying / 1500.0, 1.0 - 2.0 * dying / 1500.0);
    let of = |share: f64| format!("p{:.1}(done node=orders) <= 1h", 100.0 * share);
    let found = judged(&dead, &[&of(slow), &of(fast)]);
    assert_eq!(found[0].0, "missed");
    assert!(found[0].1.contains("are not done"), "{found:?}");
    assert_eq!(found[1].0, "met");
}

#[test]
fn a_message_takes_the_way_there_the_way_back_and_the_way_on() {
    let text = shop("publish: 2ms, receive: 3ms", "workers: 1, work: 10ms", "");
    let found = results_of(&text, 1);
    // The publisher waits for its broker, not for what is made of the message.
    close(number(&found, "summary.latency.max"), 0.002, 1e-5);
    // Somebody has asked before it came.
    close(of(&found, "age.max"), 0.0, 1e-9);
    // Handed out, a way of 1 ms, and worked off.
    close(of(&found, "done.max"), 0.014, 1e-5);
    assert_eq!(
        all(&found, ["published", "acked", "deliveries", "redelivered", "duplicates"]),
        [1500.0, 1500.0, 1500.0, 0.0, 0.0]
    );
    assert_eq!(number(&found, "nodes.billing.outcomes.ok"), 1500.0);
    // As many as its worker can ask for: work, the ask, the hand-out.
    let fast = text.replace("constant(10/s)", "constant(200/s)").replace("2ms, receive: 3ms", "0s");
    let found = results_of(&fast, 1);
    let waited = of(&found, "depth.max");
    close(waited, 30_000.0 - 150.0 / 0.012, 30.0);
    close(number(&found, "nodes.billing.throughput"), 250.0 / 0.012 / 250.0, 0.1);
    assert_eq!(
        of(&found, "acked") + of(&found, "ready") + of(&found, "unacked"),
        of(&found, "published")
    );
}

#[test]
fn what_is_not_acknowledged_in_time_comes_again_and_an_ack_that_is_late_is_void() {
    // Work takes twice as long as a hand-out lasts, and there is always a worker for the next one.
    let one = |queue: &str| {
        shop(queue, "workers: 50, work: 10s, cores: 50", "").replace("150.05s", "0.15s")
    };
    let found = results_of(&one("visibility: 5s"), 1);
    let [published, acked, deliveries, duplicates, unacked] =
        all(&found, ["published", "acked", "deliveries", "duplicates", "unacked"]);
    // Handed out at 0, 5, 10 .. 245 s; the visits that ended by 250 s but the first are duplicates; no ack counts.
    assert_eq!((published, acked, unacked), (1.0, 0.0, 1.0));
    assert_eq!((deliveries, duplicates), (50.0, 47.0));
    assert_eq!(of(&found, "done.max"), of(&found, "done.p50"));
    // With more time than the work takes: once.
    let found = results_of(&one("visibility: 11s"), 1);
    assert_eq!(all(&found, ["acked", "deliveries", "duplicates"]), [1.0, 1.0, 0.0]);
    // After three it is dead, though all three were worked off.
    let found = results_of(&one("visibility: 5s, max_receives: 3"), 1);
    assert_eq!(
        all(&found, ["acked", "deliveries", "duplicates", "dead_lettered"]),
        [0.0, 3.0, 2.0, 1.0]
    );
}

#[test]
fn a_host_that_dies_keeps_what_its_workers_had_asked_for_until_it_is_given_up() {
    let text = |process: bool| {
        let fault = format!(
            "faults: [{{id: dead, at: 60.05s, crash: {{node: billing, instances: [0], process: {process}}}}}]"
        );
        shop("", "instances: 2, workers: 1, work: 1ms", &fault)
    };
    // Its ask stands at the broker, which hands it one message.
    let found = results_of(&text(false), 1);
    let [acked, redelivered, duplicates, late] =
        all(&found, ["acked", "redelivered", "duplicates", "done.max"]);
    assert_eq!((acked, redelivered, duplicates), (1500.0, 1.0, 0.0));
    close(late, 30.0 + 0.002, 0.001);
    // A process that dies while its host lives takes its ask back.
    let found = results_of(&text(true), 1);
    assert_eq!(all(&found, ["acked", "redelivered"]), [1500.0, 0.0]);
    // With what it was at: that comes again at once.
    let busy = text(true).replace("work: 1ms", "work: 90ms");
    let once = busy.replace("queue: {", "queue: {delivery: at_most_once");
    // The two take turns: one of two instants finds it at work.
    let (mut redelivered, mut lost) = (0.0, 0.0);
    for at in ["60.05s", "60.15s"] {
        let found = results_of(&busy.replace("60.05s", at), 1);
        assert_eq!(all(&found, ["acked", "lost"]), [1500.0, 0.0]);
        assert!(of(&found, "done.max") < 0.3);
        redelivered += of(&found, "redelivered");
        // If it may be handed out once only, it is lost.
        let found = results_of(&once.replace("60.05s", at), 1);
        lost += of(&found, "lost");
        assert_eq!(of(&found, "acked") + of(&found, "lost"), 1500.0);
        assert_eq!(of(&found, "redelivered"), 0.0);
    }
    assert_eq!((redelivered, lost), (1.0, 1.0));
}

#[test]
fn nothing_is_lost_by_crashes_cuts_pauses_and_lost_messages() {
    let faults = "faults:\n\
        \x20 - {id: died, mtbf: 30s, mttr: 2s, crash: {node: billing}}\n\
        \x20 - {id: killed, mtbf: 20s, mttr: 1s, crash: {node: billing, process: true}}\n\
        \x20 - {id: broker, mtbf: 50s, mttr: 2s, crash: {node: orders}}\n\
        \x20 - {id: broken, mtbf: 50s, mttr: 1s, crash: {node: orders, process: true}}\n\
        \x20 - {id: cut, mtbf: 40s, mttr: 3s, partition: {between: [[orders], [billing]]}}\n\
        \x20 - {id: lossy, at: 20s, for: 100s, loss: {between: [[orders], [billing]], fraction: 5%}}\n\
        \x20 - {id: asleep, mtbf: 40s, mttr: 3s, pause: {node: billing}}\n\
        \x20 - {id: errors, at: 30s, for: 20s, errors: {node: billing, fraction: 20%}}\n";
    for (queue, seed) in [
        ("visibility: 5s", 1),
        ("visibility: 5s, order: key", 2),
        ("visibility: 5s, redeliver: visibility", 3),
    ] {
        let text = shop(queue, "instances: 3, workers: 2, work: exp(mean=50ms)", faults)
            .replace("seed: 7", &format!("seed: {seed}"));
        let found = results_of(&text, 5);
        let [published, acked, lost, expired, redelivered, duplicates, out_of_order] = all(
            &found,
            ["published", "acked", "lost", "expired", "redelivered", "duplicates", "out_of_order"],
        );
        // What the publisher heard of was accepted; more than that may have been.
        assert!(published >= number(&found, "summary.requests.ok") / 5.0, "{queue}");
        assert_eq!((acked, lost, expired), (published, 0.0, 0.0), "{queue}");
        assert!(redelivered > 20.0 && duplicates > 1.0, "{queue}: {redelivered} {duplicates}");
        if queue.contains("order") {
            assert_eq!(out_of_order, 0.0);
        } else {
            assert!(out_of_order > 5.0, "{queue}: {out_of_order}");
        }
        // Memory forgets.
        let found = results_of(&text.replace("queue: {", "queue: {durable: false, "), 5);
        assert!(of(&found, "lost") > 1.0, "{queue}");
        // Whoever is handed something once and dies, or is cut off, takes it along.
        let once = text.replace(queue, "delivery: at_most_once");
        let found = results_of(&once, 5);
        let [lost, duplicates, deliveries] = all(&found, ["lost", "duplicates", "deliveries"]);
        assert!(lost > 20.0 && duplicates == 0.0, "{lost} {duplicates}");
        assert_eq!(deliveries, of(&found, "acked") + lost);
    }
}

#[test]
fn a_message_that_fails_too_often_is_buried() {
    let poison = "workers: 4, endpoints: {default: [{when: poison, fail: 100%}, {work: 1ms}]}";
    let text = shop("max_receives: 4, dead_letter: dead", poison, "  dead: {queue: {}}")
        .replace("timeout: 5s, to", "timeout: 5s, attributes: {poison: 10%}, to");
    let found = results_of(&text, 1);
    let [acked, dead, deliveries, redelivered, lost] =
        all(&found, ["acked", "dead_lettered", "deliveries", "redelivered", "lost"]);
    assert_eq!((acked + dead, lost), (1500.0, 0.0));
    assert!(dead > 100.0 && dead < 200.0, "{dead}");
    assert_eq!((deliveries, redelivered), (acked + 4.0 * dead, 3.0 * dead));
    assert_eq!(number(&found, "nodes.dead.published"), dead);
    assert_eq!(number(&found, "nodes.dead.ready"), dead);
    // Whoever reads the dead knows what they are.
    let reads = "  dead: {queue: {}}\n  morgue: {service: {workers: 1, consumes: dead, endpoints: {default: [{when: not poison, fail: 100%}, {work: 1ms}]}}}";
    let found = results_of(&text.replace("  dead: {queue: {}}", reads), 1);
    assert_eq!(number(&found, "nodes.morgue.outcomes.ok"), dead);
    assert_eq!(number(&found, "nodes.dead.acked"), dead);
    // Where the dead go may be down for a while: they wait for it.
    let fault = "faults: [{id: shut, at: 10s, for: 50s, crash: {node: dead}}]";
    let found = results_of(&format!("{text}{fault}\n"), 1);
    assert_eq!(number(&found, "nodes.dead.published"), dead);
    // Without such a queue they are gone.
    let found = results_of(&text.replace(", dead_letter: dead", ""), 1);
    assert_eq!(all(&found, ["acked", "dead_lettered"]), [acked, dead]);
}

#[test]
fn a_failure_comes_again_at_once_after_a_backoff_or_when_its_time_is_over() {
    // The first hand-out of each fails, as billing is out of order until then.
    let text = |redeliver: &str| {
        let faults =
            "faults: [{id: errors, at: 0s, for: 1s, errors: {node: billing, fraction: 100%}}]";
        let queue = format!("visibility: 20s, redeliver: {redeliver}");
        shop(&queue, "workers: 1, work: 1ms", faults).replace("150.05s", "0.15s")
    };
    let done = |redeliver: &str| of(&results_of(&text(redeliver), 1), "done.max");
    // Accepted at 101 ms; handed out, refused, and back: 2 ms; the next ask leaves with the ack.
    close(done("none"), 1.0 - 0.101, 0.005);
    close(done("constant(400ms)"), 3.0 * 0.402 + 0.002, 0.001);
    close(done("exponential(base=300ms)"), 3.0 * 0.002 + 0.3 + 0.6 + 0.002, 0.003);
    close(done("visibility"), 20.002, 0.001);
    let deliveries = |redeliver: &str| of(&results_of(&text(redeliver), 1), "deliveries");
    assert_eq!([deliveries("constant(400ms)"), deliveries("visibility")], [4.0, 2.0]);
    assert!(deliveries("none") > 400.0);
}

#[test]
fn a_full_queue_turns_away_blocks_or_throws_away() {
    // Nobody works for 60 s.
    let text = |full: &str| {
        let faults =
            "faults: [{id: shut, at: 0s, for: 60s, crash: {node: billing, process: true}}]";
        shop(&format!("capacity: 100, full: {full}"), "workers: 10, work: 1ms", faults)
    };
    let outcomes = |found: &Value| {
        ["ok", "rejected", "timeout"].map(|o| number(found, &format!("summary.requests.{o}")))
    };
    let found = results_of(&text("reject"), 1);
    assert_eq!(of(&found, "depth.max"), 100.0);
    let [ok, rejected, _] = outcomes(&found);
    assert_eq!((of(&found, "published"), of(&found, "acked")), (ok, ok));
    close(rejected, 600.0 - 100.0, 15.0);
    // Who publishes waits, and gives up after 5 s; its message is accepted when there is room.
    let found = results_of(&text("block"), 1);
    let [ok, rejected, timeouts] = outcomes(&found);
    assert_eq!((rejected, ok + timeouts), (0.0, 1500.0));
    close(timeouts, 600.0 - 100.0 - 50.0, 15.0);
    assert_eq!(all(&found, ["published", "acked", "depth.max"]), [1500.0, 1500.0, 100.0]);
    // All is well, it is told.
    let found = results_of(&text("drop"), 1);
    let [ok, ..] = outcomes(&found);
    let [published, acked, dropped] = all(&found, ["published", "acked", "dropped"]);
    assert_eq!((ok, published, acked), (1500.0, 1500.0, 1500.0 - dropped));
    close(dropped, 500.0, 15.0);
    close(of(&found, "age.max"), 60.0, 1.5);
    // The same number is lost, and other ones: those left have waited 10 s.
    let found = results_of(&text("drop_oldest"), 1);
    close(of(&found, "dropped"), 500.0, 15.0);
    close(of(&found, "age.max"), 10.0, 1.5);
    // In bytes.
    let bytes = text("reject")
        .replace("capacity: 100", "capacity: 50KB")
        .replace("timeout: 5s, to", "timeout: 5s, size: 1KB, to");
    assert_eq!(of(&results_of(&bytes, 1), "depth.max"), 50.0);
}

#[test]
fn batches_are_handed_out_together_and_fail_together() {
    let text = |consumes: &str| {
        let consumer = "workers: 1, endpoints: {default: [{work: 1ms}]}, dependencies: {}";
        shop("", consumer, "  db: {store: {read: 1ms, cores: 4}}")
            .replace("consumes: orders", &format!("consumes: {{from: orders, {consumes}}}"))
    };
    // Ten at once each second, each after the one before it.
    let found = results_of(&text("batch: 10, linger: 5s"), 1);
    assert_eq!(all(&found, ["acked", "deliveries"]), [1500.0, 1500.0]);
    close(of(&found, "age.max"), 0.9, 0.005);
    close(of(&found, "done.max"), 0.9 + 0.001 + 0.001, 0.005);
    // Or what has come within 250 ms of the first one.
    let found = results_of(&text("batch: 10, linger: 250ms"), 1);
    close(of(&found, "age.max"), 0.25, 0.001);
    // Without a linger what there is.
    let found = results_of(&text("batch: 10"), 1);
    close(of(&found, "age.max"), 0.0, 1e-6);
    // What is to be done once after all of them is done once.
    let found = results_of(&text("batch: 10, linger: 5s, per_batch: [{write: db}]"), 1);
    assert_eq!(number(&found, "nodes.db.outcomes.ok"), 150.0);
    assert_eq!(of(&found, "acked"), 1500.0);
    // One of a batch fails: all come again, those that had gone well too; or it alone.
    let fails = |partial: &str| {
        let text = text(&format!("batch: 10, linger: 5s{partial}"));
        results_of(&text.replace("[{work: 1ms}]", "[{work: 1ms}, {fail: 2%}]"), 1)
    };
    let found = fails("");
    let [acked, duplicates, deliveries] = all(&found, ["acked", "duplicates", "deliveries"]);
    assert_eq!(acked, 1500.0);
    assert!(duplicates > 200.0 && duplicates < 500.0, "{duplicates}");
    close(deliveries, 1500.0 + duplicates, 80.0);
    let found = fails(", partial: true");
    let [acked, duplicates, deliveries] = all(&found, ["acked", "duplicates", "deliveries"]);
    assert_eq!((acked, duplicates), (1500.0, 0.0));
    close(deliveries, 1500.0 / 0.98, 20.0);
    // What is done after all of them stands for all of them.
    let after = text("batch: 10, linger: 5s, partial: true, per_batch: [{fail: 20%}]");
    let found = results_of(&after, 1);
    let [acked, duplicates] = all(&found, ["acked", "duplicates"]);
    assert_eq!(acked, 1500.0);
    close(duplicates, 1500.0 * 0.25, 220.0);
}

#[test]
fn messages_of_a_key_are_kept_in_order_and_the_most_urgent_go_first() {
    let fails = "workers: 20, endpoints: {default: [{work: exp(mean=300ms)}, {fail: 20%}]}";
    let found = results_of(&shop("order: key", fails, ""), 1);
    assert_eq!(all(&found, ["acked", "out_of_order"]), [1500.0, 0.0]);
    let found = results_of(&shop("", fails, ""), 1);
    assert!(of(&found, "out_of_order") > 100.0);
    // A queue that is worked off at half its rate: who waits is up to its order.
    let slow = |discipline: &str| {
        let text = shop(&format!("discipline: {discipline}"), "workers: 1, work: 198ms", "");
        let two = "to: orders, operations: {plain: {share: 80%}, gold: {share: 20%, priority: 1}}";
        let text = text.replace("timeout: 5s, to: orders", &format!("timeout: 5s, {two}"));
        results_of(&text.replace("250s", "150s").replace("150.05s", "149s"), 1)
    };
    let [p50, max] = all(&slow("fifo"), ["age.p50", "age.max"]);
    close(p50, 37.0, 2.0);
    close(max, 75.0, 3.0);
    // The newest first: half of those handed out have hardly waited.
    assert!(of(&slow("lifo"), "age.p50") < 1.0);
    assert!(of(&slow("priority"), "age.p50") < 30.0);
    let [p50, max] = all(&slow("random"), ["age.p50", "age.max"]);
    assert!(p50 < 30.0 && max > 90.0, "{p50} {max}");
}

#[test]
fn what_is_published_twice_is_accepted_once_if_the_broker_knows_it() {
    let lossy = "faults: [{id: lossy, at: 0s, for: 200s, loss: {between: [[users], [orders]], fraction: 10%}}]";
    let text = shop("", "workers: 4, work: 1ms", lossy)
        .replace("timeout: 5s, to", "timeout: 100ms, retry: {attempts: 8}, to");
    let found = results_of(&text, 1);
    let ok = number(&found, "summary.requests.ok");
    let published = of(&found, "published");
    assert!(ok > 1495.0 && published > ok + 100.0, "{ok} {published}");
    assert_eq!(of(&found, "duplicates"), published - 1500.0);
    let found = results_of(&text.replace("queue: {", "queue: {dedupe: 1m"), 1);
    assert_eq!(
        all(&found, ["published", "deduplicated", "duplicates"]),
        [1500.0, published - 1500.0, 0.0]
    );
    // Whoever has forgotten accepts it again.
    let found = results_of(&text.replace("queue: {", "queue: {dedupe: 50ms"), 1);
    assert_eq!(of(&found, "published"), published);
}

#[test]
fn a_message_that_comes_twice_has_its_effect_once_where_calls_are_idempotent() {
    let text = |once: bool| {
        let consumer = format!(
            "workers: 4, endpoints: {{default: [{{write: db}}, {{fail: 20%}}]}}, dependencies: {{db: {{timeout: 1s, idempotent: {once}}}}}"
        );
        shop("", &consumer, "  db: {store: {read: 1ms, cores: 4}}")
    };
    let applied =
        |once: bool| number(&results_of(&text(once), 1), "nodes.db.consistency.duplicate_applies");
    assert_eq!(applied(true), 0.0);
    assert!(applied(false) > 200.0);
}

#[test]
fn messages_know_their_request_are_delayed_and_expire() {
    // A mark counts from when the client was to send.
    let marked = "workers: 4, endpoints: {default: [{work: 10ms}, {mark: shipped}]}";
    let found = results_of(&shop("publish: 2ms, delay: 300ms", marked, ""), 1);
    close(number(&found, "summary.marks.shipped.max"), 0.002 + 0.3 + 0.001 + 0.01, 1e-4);
    // A step says how long its message waits, whatever the queue says; nobody waits for one without an ack.
    let steps = "  api: {service: {workers: 50, endpoints: {default: [{publish: {to: orders, delay: 1s, ack: none}}]}}}";
    let text = shop("publish: 20ms, delay: 300ms", marked, steps)
        .replace("timeout: 5s, to: orders", "timeout: 5s, to: api");
    let found = results_of(&text, 1);
    close(number(&found, "summary.latency.max"), 0.0, 1e-5);
    close(of(&found, "age.max"), 1.0, 1e-4);
    let waits = text.replace(", ack: none", "");
    close(number(&results_of(&waits, 1), "summary.latency.max"), 0.022, 1e-5);
    // What nobody fetches in time is thrown away.
    let faults = "faults: [{id: shut, at: 0s, for: 60s, crash: {node: billing, process: true}}]";
    let found = results_of(&shop("retention: 20s", "workers: 10, work: 1ms", faults), 1);
    let [expired, acked] = all(&found, ["expired", "acked"]);
    close(expired, 400.0, 15.0);
    assert_eq!(acked, 1500.0 - expired);
    assert!(of(&found, "age.max") <= 20.0);
}

#[test]
fn messages_go_round_in_circles_that_calls_may_not() {
    let circle = "  retry: {service: {workers: 4, consumes: again, endpoints: {default: [{wait: 1s}, {publish: orders}]}}}\n  again: {queue: {}}";
    let billing = "workers: 4, endpoints: {default: [{work: 1ms}, {choose: [{share: 30%, do: [{publish: again}]}, {share: 70%, do: []}]}]}";
    let found = results_of(&shop("", billing, circle), 1);
    let (orders, again) = (of(&found, "published"), number(&found, "nodes.again.published"));
    assert_eq!(orders, 1500.0 + again);
    close(orders, 1500.0 / 0.7, 80.0);
}

#[test]
fn objectives_and_alerts_know_messages() {
    let slos = "slos: ['p99(done node=orders) <= 20ms', 'nodes.orders.depth.max <= 1', 'max(depth node=orders window=10s) <= 0.1', 'nodes.orders.lost == 0', 'nodes.orders.redelivered <= 1% of nodes.orders.deliveries']";
    let found = results_of(&shop("", "workers: 1, work: 10ms", slos), 2);
    for slo in found["slos"].as_array().unwrap() {
        assert_eq!(slo["verdict"], "met", "{slo}");
    }
    // Nobody works from 50 s on; after 10 s a hundred wait.
    let away = "faults: [{id: away, at: 50s, for: 20s, crash: {node: billing, process: true}}]\nalerts: {backlog: {when: depth(node=orders window=1s) > 100, every: 1s}}";
    let text = shop("", "workers: 4, work: 10ms", away);
    let found = results_of(&text, 1);
    let fired = number(&found, "alerts.0.fired");
    assert!((fired - 62.0).abs() <= 1.0, "{fired}");
    let cases: [Case; 1] =
        [("depth", "depth(node=orders", "depth(node=billing", "11:26 E-FAULT-TARGET", "no queue")];
    check_in(&text, &cases);
}

#[test]
fn who_consumes_comes_and_goes_with_the_backlog() {
    let scales = "autoscale: {min: 1, max: 20, metric: depth(orders), target: 10, every: 10s, delay: 0s, stabilise: 0s, drain: 5s}";
    let text = shop("", &format!("workers: 1, work: 100ms, {scales}"), "");
    let text = text.replace("constant(10/s)", "constant(100/s)").replace("250s", "400s");
    let found = results_of(&text, 1);
    // One does 9.8 of the hundred a second: in the first 10 s 451 wait in the mean, which is work for 46, but there may be only
    // four more, or twice as many, as 15 s before.
    let first = &found["series"]["nodes"]["billing"]["instances"];
    let at = |second: usize| {
        let start = found["series"]["start"].as_array().unwrap();
        let window = start.iter().rposition(|s| s.as_f64().unwrap() <= second as f64).unwrap();
        first[window].as_f64().unwrap()
    };
    assert_eq!([at(5), at(15), at(25), at(35)], [1.0, 5.0, 5.0, 10.0]);
    assert_eq!(number(&found, "nodes.billing.instances.max"), 20.0);
    // All is done, and one is left.
    assert_eq!(at(395), 1.0);
    let [published, acked, lost, duplicates] =
        all(&found, ["published", "acked", "lost", "duplicates"]);
    assert_eq!((acked, lost, duplicates), (published, 0.0, 0.0));
    // Of a name that is no queue it says so.
    let cases: [Case; 1] =
        [("depth", "depth(orders)", "depth(billing)", "9:103 E-REF", "there is no queue")];
    check_in(&text.replace("stabilise: 0s", "stabilise: 1m"), &cases);
}

#[test]
fn who_restarts_leaves_no_message_behind() {
    let roll = "faults: [{id: roll, at: 60s, deploy: {node: billing, batch: 1, drain: 1s}}]";
    let text = shop("", "instances: 3, workers: 2, boot: 5s, work: 150ms", roll);
    let found = results_of(&text, 1);
    assert_eq!(
        all(&found, ["acked", "lost", "redelivered", "duplicates"]),
        [1500.0, 0.0, 0.0, 0.0]
    );
    assert!(of(&found, "done.max") < 0.5, "{}", of(&found, "done.max"));
    // Without time to finish it is interrupted, and somebody else does it again.
    let found = results_of(&text.replace("drain: 1s", "drain: 0s"), 1);
    let [acked, lost, redelivered] = all(&found, ["acked", "lost", "redelivered"]);
    assert_eq!((acked, lost), (1500.0, 0.0));
    assert!(redelivered >= 1.0, "{redelivered}");
}

#[test]
fn what_nobody_waits_for_takes_no_part_of_the_time_of_a_request() {
    let found = results_of(&shop("publish: 2ms", "workers: 4, work: 100ms", ""), 1);
    let blame = &found["blame"];
    assert!(blame["nodes"]["billing"].is_null() && !blame["nodes"]["orders"].is_null(), "{blame}");
    let edges = found["design"]["edges"].as_array().unwrap();
    let leads = |from: &str, to: &str| edges.iter().any(|e| e["from"] == from && e["to"] == to);
    assert!(leads("users", "orders") && leads("orders", "billing"), "{edges:?}");
}

/// Without a way between them, workers that ask for messages are those of M/M/4: Erlang's formula C.
#[test]
fn who_waits_in_a_queue_waits_as_erlang_says() {
    let text = "windtunnel: 1\nname: mmc\nduration: 2000s\nwarm_up: 100s\n\
        clients: {users: {arrivals: poisson(30/s), timeout: 5s, to: orders}}\n\
        nodes:\n  orders: {queue: {visibility: 1h}}\n\
        \x20 billing: {service: {instances: 2, workers: 2, consumes: orders, work: exp(mean=100ms)}}\n";
    let found = results_of(text, 10);
    // a = 3, c = 4: C = (27 / 2) / (13 + 27 / 2), W = C / (40/s - 30/s), L = 30/s W.
    let wait = 13.5 / 26.5 / 10.0;
    let within = |figure: &str, expected: f64| {
        let of = &found["nodes"]["orders"];
        let found = figure.split('.').fold(of, |at, key| &at[key]);
        let [low, high] = ["lower", "upper"].map(|end| found[end].as_f64().unwrap());
        assert!(
            low <= expected && expected <= high,
            "{figure}: {expected} is not in {low}..{high}"
        );
        assert!(high - low < 0.15 * expected, "{figure}: {low}..{high} could not refute it");
    };
    within("age.mean", wait);
    within("depth.mean", 30.0 * wait);
    within("done.mean", wait + 0.1);
}

#[test]
fn messages_are_the_same_on_one_and_two_threads() {
    let faults = "faults: [{id: died, mtbf: 30s, mttr: 2s, crash: {node: billing}}, {id: broker, mtbf: 50s, mttr: 2s, crash: {node: orders, process: true}}]";
    let queue = "visibility: 5s, discipline: random, redeliver: exponential(base=100ms jitter=full), max_receives: 5, dead_letter: dead";
    let text = shop(
        queue,
        "instances: 3, workers: 2, endpoints: {default: [{work: exp(mean=50ms)}, {fail: 10%}]}",
        &format!("  dead: {{queue: {{}}}}\n{faults}"),
    );
    let one = bytes_of_run(&text, "--jobs 1 --replications 3");
    assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 3"));
}

#[test]
fn how_old_the_oldest_is_can_be_alerted_on_and_scaled_by() {
    // Nobody is there from 60.05 s to 100.05 s: the oldest gets a second older each second, then younger by what is
    // gained, at 1,000 a second at once.
    let rest = "faults: [{id: away, at: 60.05s, for: 40s, crash: {node: billing, process: true}}]\n\
        alerts: {old: {when: age(node=orders window=5s) > 20s, every: 5s}}";
    let found = results_of(&shop("", "workers: 1, work: 1ms", rest), 1);
    // The oldest is of 60.1 s: the mean over 80 to 85 s is 22.4 s, that over 75 to 80 s was 17.4 s; over 100 to 105 s it is nearly nothing.
    let [fired, over] = ["fired", "resolved"].map(|of| number(&found, &format!("alerts.0.{of}")));
    assert_eq!((fired, over), (85.0, 105.0));
    // The figure itself: of the last alert that is good, and the first that is bad.
    for (limit, fires) in [("17.3s", 80.0), ("17.5s", 85.0), ("22.3s", 85.0), ("22.5s", 90.0)] {
        let text = shop("", "workers: 1, work: 1ms", &rest.replace("> 20s", &format!("> {limit}")));
        close(number(&results_of(&text, 1), "alerts.0.fired"), fires, 1e-9);
    }
    // By order of acceptance, whatever is handed out first.
    let lifo = shop("discipline: lifo", "workers: 1, work: 1ms", rest);
    assert_eq!(number(&results_of(&lifo, 1), "alerts.0.fired"), 85.0);
    // Those who scale by it.
    let scaled = |autoscale: &str| {
        let consumer = format!("workers: 1, work: 200ms, boot: 2s{autoscale}");
        of(&results_of(&shop("", &consumer, ""), 1), "age.max")
    };
    let one = scaled("");
    let many = scaled(
        ", autoscale: {min: 1, max: 6, metric: age(orders), target: 5s, every: 5s, delay: 5s}",
    );
    assert!(one > 60.0 && many < 30.0, "{one} {many}");
}

#[test]
fn what_is_said_of_queues_is_checked_where_it_stands() {
    let rest = "  dead: {queue: {}}\n  oncall: {service: {workers: 1, consumes: dead, work: 1ms}}\n\
        \x20 kv: {store: {read: 1ms, cores: 1}}\n  api: {service: {cores: 1, endpoints: {default: [{publish: orders}, {call: kv}]}}}";
    let queue = "visibility: 30s, max_receives: 3, dead_letter: dead";
    let good = shop(queue, "workers: 4, work: 1ms", rest).replace("5s, to: orders", "5s, to: api");
    let cases: [Case; 17] = [
        ("exactly", "visibility: 30s", "delivery: exactly_once", "8:30 E-EXPR", "idempotent: true"),
        ("delivery", "visibility: 30s", "delivery: at_last_once", "8:30 E-ENUM", "at_least_once"),
        ("itself", "dead_letter: dead", "dead_letter: orders", "8:67 E-CYCLE", "come back"),
        ("undead", ", max_receives: 3", "", "8:50 E-MISSING", "max_receives"),
        ("grave", "dead_letter: dead", "dead_letter: kv", "8:67 E-REF", "a store, not a queue"),
        ("never", "visibility: 30s", "visibility: 0s", "8:32 E-RANGE", "above 0"),
        ("full", "visibility: 30s", "full: block", "8:26 E-CONFLICT", "capacity"),
        ("blocked", "visibility: 30s", "capacity: 0, full: block", "8:30 E-RANGE", "never is"),
        (
            "once",
            queue,
            "delivery: at_most_once, visibility: 1s",
            "8:56 E-CONFLICT",
            "does not come again",
        ),
        ("order", "visibility: 30s", "discipline: srpt", "8:32 E-CONFLICT", "of messages"),
        ("consumes", "consumes: orders", "consumes: order", "9:33 E-REF", "orders"),
        ("store", "consumes: orders", "consumes: kv", "9:33 E-REF", "a store, neither a queue"),
        (
            "twice",
            "consumes: orders",
            "consumes: [orders, orders]",
            "9:42 E-DUP-NAME",
            "consumed twice",
        ),
        (
            "side",
            "consumes: orders",
            "consumes: {from: orders, max_receives: 3}",
            "9:62 E-CONFLICT",
            "nodes.orders.queue.max_receives",
        ),
        ("read", "{call: kv}", "{call: kv}, {read: orders}", "13:89 E-CONFLICT", "publish: orders"),
        ("publish", "{publish: orders}", "{publish: kv}", "13:61 E-REF", "neither a queue"),
        ("unread", "consumes: dead", "consumes: orders", "10:10 W-UNREAD", "nobody consumes"),
    ];
    check_in(&good, &cases);
}
