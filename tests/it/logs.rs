//! Logs: what each group reads and in which order, who takes over what from whom, what is tried again, what is kept.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// 1,500 events, ten a second for 150 s of 250 s, everything 1 ms from everything.
fn feed(topic: &str, consumes: &str, consumer: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 250s\nseed: 7\nnetwork: {{same_zone: 1ms}}\n\
         clients: {{users: {{arrivals: constant(10/s), keys: uniform(n=20), load: [{{at: 0s, factor: 1}}, {{at: 150.05s, factor: 0}}], timeout: 5s, to: events}}}}\n\
         nodes:\n  events: {{topic: {{{topic}}}}}\n  search: {{service: {{consumes: {{from: events{consumes}}}, {consumer}}}}}\n{rest}\n"
    )
}

pub(crate) fn of(results: &Value, figure: &str) -> f64 {
    number(results, &format!("nodes.events.groups.search.{figure}"))
}

/// Several of them.
pub(crate) fn all<const N: usize>(results: &Value, figures: [&str; N]) -> [f64; N] {
    figures.map(|figure| of(results, figure))
}

pub(crate) fn close(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found}, not {expected}");
}

/// Visits for messages that succeeded: each message's first, and duplicates.
fn each_once(results: &Value) {
    let [published, acked, duplicates] = all(results, ["published", "acked", "duplicates"]);
    assert_eq!(acked, published);
    assert_eq!(number(results, "nodes.search.outcomes.ok"), published + duplicates);
}

#[test]
fn a_message_takes_the_way_there_and_the_way_on_and_a_partition_has_one_worker() {
    let text = feed("publish: 2ms, receive: 3ms", "", "workers: 1, work: 10ms", "");
    let found = results_of(&text, 1);
    // The publisher waits for its broker, not for what is made of the message.
    close(number(&found, "summary.latency.max"), 0.002, 1e-5);
    // Somebody has asked before it came.
    close(of(&found, "age.max"), 0.0, 1e-9);
    close(of(&found, "done.max"), 0.014, 1e-5);
    assert_eq!(
        all(
            &found,
            ["published", "acked", "deliveries", "redelivered", "duplicates", "rebalances"]
        ),
        [1500.0, 1500.0, 1500.0, 0.0, 0.0, 0.0]
    );
    // It is put down as worked off when its commit has come: 3 ms, a way, 10 ms, a way.
    close(of(&found, "lag.mean"), 0.015 * 1500.0 / 250.0, 1e-4);
    // As many as can be worked on one by one: the ask, the way, the work.
    let rate = |topic: &str, consumer: &str| {
        let text = feed(topic, "", consumer, "")
            .replace("constant(10/s), keys: uniform(n=20)", "constant(1000/s)");
        number(&results_of(&text, 1), "nodes.search.throughput")
    };
    close(rate("", "workers: 1, work: 10ms"), 1.0 / 0.012, 0.1);
    // A partition is one worker's at a time, whoever else has nothing to do.
    close(rate("", "instances: 2, workers: 4, work: 10ms"), 1.0 / 0.012, 0.1);
    // The next ask is out while a message of another partition is worked on.
    close(rate("partitions: 4", "workers: 1, work: 10ms"), 1.0 / 0.012, 0.1);
    let four = rate("partitions: 4", "workers: 4, work: 10ms");
    assert!((4.0 * 0.9 / 0.012..=4.0 / 0.012 + 0.1).contains(&four), "{four}");
    close(
        rate("partitions: 4, instances: 2", "instances: 4, workers: 1, work: 10ms"),
        4.0 / 0.012,
        1.0,
    );
}

#[test]
fn each_group_gets_every_message_and_its_members_share_the_partitions() {
    let rest = "  audit: {service: {instances: 2, consumes: {from: events}, workers: 1, work: 300ms}}\n  \
                helper: {service: {instances: 1, consumes: {from: events, group: search}, workers: 1, work: 1ms}}";
    let text = feed("partitions: 6, instances: 3", "", "instances: 2, workers: 1, work: 1ms", rest);
    let found = results_of(&text, 1);
    assert_eq!(all(&found, ["published", "acked", "out_of_order"]), [1500.0, 1500.0, 0.0]);
    let read =
        ["search", "helper"].map(|node| number(&found, &format!("nodes.{node}.outcomes.ok")));
    assert_eq!(read[0] + read[1], 1500.0);
    // Two partitions of six each, by keys.
    assert!((350.0..650.0).contains(&read[1]), "{read:?}");
    // What is slow keeps nobody else waiting: 6.7 a second of 10.
    let audit = |figure: &str| number(&found, &format!("nodes.events.groups.audit.{figure}"));
    assert!(audit("lag.max") > 300.0 && of(&found, "lag.max") < 5.0);
    assert_eq!(audit("acked") + audit("ready") + audit("unacked"), 1500.0);
    // Without keys: in turn, so that all do the same.
    let text = text
        .replace("keys: uniform(n=20), ", "")
        .replace("instances: 2, workers: 1, work: 1ms", "instances: 5, workers: 1, work: 1ms");
    let found = results_of(&text, 1);
    assert_eq!(number(&found, "nodes.helper.outcomes.ok"), 250.0);
    assert_eq!(all(&found, ["acked", "out_of_order"]), [1500.0, 0.0]);
}

#[test]
fn who_is_silent_loses_his_partitions_after_a_session() {
    let text = |consumes: &str, process: bool| {
        let fault = format!(
            "faults: [{{id: dead, at: 60.05s, crash: {{node: search, instances: [0], process: {process}}}}}]"
        );
        feed("partitions: 2", consumes, "instances: 2, workers: 1, work: 1ms", &fault)
    };
    // Heard of last in the 3 s before; the other one hears of it with his next heartbeat.
    let found = results_of(&text("", false), 1);
    let late = of(&found, "done.max");
    assert!((42.0..48.2).contains(&late), "{late}");
    assert_eq!(all(&found, ["acked", "rebalances", "lost"]), [1500.0, 1.0, 0.0]);
    let found = results_of(&text(", session: 10s, heartbeat: 1s", false), 1);
    let late = of(&found, "done.max");
    assert!((9.0..11.2).contains(&late), "{late}");
    // A process that starts again joins at once, and all share anew.
    let back = text("", true).replace("at: 60.05s", "at: 60.05s, for: 10s");
    let found = results_of(&back, 1);
    let late = of(&found, "done.max");
    assert!((10.0..13.2).contains(&late), "{late}");
    assert_eq!(all(&found, ["acked", "rebalances"]), [1500.0, 1.0]);
    // Cut off from the coordinator he is as good as dead.
    let fault =
        "faults: [{id: cut, at: 60.05s, for: 100s, partition: {from: [search], to: [events]}}]";
    let cut = feed("partitions: 2", "", "workers: 1, work: 1ms", fault);
    let found = results_of(&cut, 1);
    assert_eq!(of(&found, "acked"), 1500.0);
    assert_eq!(of(&found, "rebalances"), 2.0);
}

#[test]
fn a_crash_goes_on_from_the_last_commit() {
    let text = |consumes: &str| {
        let fault =
            "faults: [{id: dead, at: 60.99s, for: 1s, crash: {node: search, process: true}}]";
        feed("", consumes, "workers: 1, work: 1ms", fault)
    };
    let found = results_of(&text(""), 1);
    each_once(&found);
    assert_eq!(all(&found, ["duplicates", "redelivered"]), [0.0, 0.0]);
    // Every 5 s: what was done since comes again.
    let found = results_of(&text(", commit: 5s"), 1);
    each_once(&found);
    let [duplicates, redelivered] = all(&found, ["duplicates", "redelivered"]);
    assert!((1.0..=50.0).contains(&duplicates), "{duplicates}");
    assert_eq!(redelivered, duplicates);
    // Up to 5 s of messages are not put down at any time: half of that in the mean, while they come.
    let lag = of(&found, "lag.mean");
    close(lag, 25.0 * 150.0 / 250.0, 3.0);
    // In a batch that is not done nothing is.
    let busy = text(", batch: 100, linger: 10s").replace("work: 1ms", "work: 95ms");
    let found = results_of(&busy, 1);
    each_once(&found);
    assert!(of(&found, "duplicates") > 5.0);
}

#[test]
fn a_pause_longer_than_a_session_makes_a_stranger() {
    let fault = "faults: [{id: still, at: 60s, for: 20s, pause: {node: search, instances: [0]}}]";
    let text = feed(
        "partitions: 2",
        ", session: 8s, heartbeat: 1s, batch: 50",
        "instances: 2, workers: 1, work: 120ms",
        fault,
    );
    let found = results_of(&text, 1);
    each_once(&found);
    // What it was at when it fell still counts for nobody: the other one had its partition by then.
    let duplicates = of(&found, "duplicates");
    assert!((1.0..=50.0).contains(&duplicates), "{duplicates}");
    // Out, and in again.
    assert_eq!(of(&found, "rebalances"), 2.0);
    // One as long as nothing.
    let short = text.replace("for: 20s", "for: 5s");
    let found = results_of(&short, 1);
    assert_eq!(all(&found, ["duplicates", "rebalances", "acked"]), [0.0, 0.0, 1500.0]);
}

#[test]
fn only_what_moves_stops_in_a_cooperative_rebalance() {
    // One goes and comes back while each message takes its time.
    let text = |rebalance: &str| {
        let fault = "faults: [{id: away, at: 60.05s, for: 10s, crash: {node: search, instances: [2], process: true}}]";
        let consumes = format!(", session: 30s, heartbeat: 3s, rebalance: {rebalance}");
        feed("partitions: 12", &consumes, "instances: 3, workers: 1, work: 100ms", fault)
    };
    let [eager, cooperative] = ["eager", "cooperative"].map(|how| results_of(&text(how), 1));
    for found in [&eager, &cooperative] {
        each_once(found);
        assert_eq!(of(found, "rebalances"), 1.0);
        // The same one was away for as long.
        assert!((9.5..14.5).contains(&of(found, "age.max")), "{}", of(found, "age.max"));
    }
    // All wait for the last one's heartbeat, or nobody who was there does.
    let waited = [&eager, &cooperative].map(|found| of(found, "depth.mean"));
    assert!(waited[0] > waited[1] + 0.1, "{waited:?}");
}

#[test]
fn what_fails_is_tried_again_in_its_place_and_stops_its_partition() {
    let poison = |consumes: &str, rest: &str| {
        let consumer =
            "workers: 8, endpoints: {default: [{work: 1ms}, {fail: 100%, when: poison}]}";
        feed("partitions: 4", consumes, consumer, rest)
            .replace("timeout: 5s", "attributes: {poison: 0.2%}, timeout: 5s")
    };
    // For ever: what comes after it waits.
    let found = results_of(&poison(", redeliver: exponential(base=1s max=10s)", ""), 1);
    let [acked, lag] = all(&found, ["acked", "lag.max"]);
    assert!(acked < 1400.0 && lag > 100.0, "{acked} {lag}");
    assert_eq!(of(&found, "acked") + of(&found, "ready") + of(&found, "unacked"), 1500.0);
    // Three times, 1 s and 2 s apart: then it is dead.
    let rest = "  dead: {queue: {}}\n  undertaker: {service: {consumes: dead, work: 1ms}}";
    let three =
        ", redeliver: exponential(base=1s max=10s jitter=none), max_receives: 3, dead_letter: dead";
    let found = results_of(&poison(three, rest), 1);
    let [acked, dead, redelivered] = all(&found, ["acked", "dead_lettered", "redelivered"]);
    assert!(dead >= 1.0);
    assert_eq!((acked + dead, redelivered), (1500.0, 2.0 * dead));
    assert_eq!(number(&found, "nodes.dead.acked"), dead);
    // Behind one that takes 3 s; and two may follow one another.
    let late = of(&found, "done.max");
    assert!((2.9..3.1 * 3.0).contains(&late), "{late}");
    // Where they go is away for a minute: they wait for it, and their partitions with them.
    let gone = format!("{rest}\nfaults: [{{id: away, at: 1s, for: 200s, crash: {{node: dead}}}}]");
    let found = results_of(&poison(three, &gone), 1);
    assert_eq!(of(&found, "dead_lettered") + of(&found, "acked"), 1500.0);
    assert!(number(&found, "nodes.dead.published") >= of(&found, "dead_lettered"));
    assert!(of(&found, "done.max") > 50.0);
    // Of a batch all are tried again, or each for itself.
    let whole = results_of(&poison(", batch: 10, max_receives: 2", ""), 1);
    let partly = results_of(&poison(", batch: 10, max_receives: 2, partial: true", ""), 1);
    assert_eq!(of(&partly, "dead_lettered"), dead);
    assert!(of(&whole, "dead_lettered") >= dead);
    assert_eq!(of(&whole, "dead_lettered") + of(&whole, "acked"), 1500.0);
}

#[test]
fn what_may_be_tried_without_end_never_dies() {
    // One message of 1 ms that always fails, for 250 s; in a queue with 1 ms there and back each time.
    let poison = "workers: 1, endpoints: {default: [{work: 1ms}, {fail: 100%}]}";
    let one = |text: String| {
        results_of(&text.replace("150.05s", "0.15s").replace("same_zone: 1ms", "same_zone: 0s"), 1)
    };
    let log = one(feed("", "", poison, ""));
    let [dead, redelivered] = all(&log, ["dead_lettered", "redelivered"]);
    assert_eq!(dead, 0.0);
    assert!(redelivered > 200_000.0, "{redelivered}");
    let queue = one(feed("", "", poison, "").replace("topic: {}", "queue: {}"));
    assert_eq!(number(&queue, "nodes.events.dead_lettered"), 0.0);
    assert!(number(&queue, "nodes.events.redelivered") > 200_000.0);
}

#[test]
fn what_is_older_than_is_kept_is_never_read() {
    let text = |start: &str| {
        let fault =
            "faults: [{id: away, at: 50.05s, for: 50s, crash: {node: search, process: true}}]";
        feed(
            "retention: 20s",
            &format!(", session: 3m, start: {start}"),
            "workers: 1, work: 1ms",
            fault,
        )
    };
    // Away from 50 s to 100 s: at 100 s what came before 80 s is gone.
    let found = results_of(&text("earliest"), 1);
    let [expired, acked] = all(&found, ["expired", "acked"]);
    assert_eq!(expired + acked, 1500.0);
    close(expired, 300.0, 3.0);
    assert!(of(&found, "age.max") < 20.0 && of(&found, "age.max") > 19.5);
    // Or all that came meanwhile.
    let found = results_of(&text("latest"), 1);
    assert_eq!(of(&found, "expired") + of(&found, "acked"), 1500.0);
    close(of(&found, "expired"), 500.0, 3.0);
    assert!(of(&found, "age.max") < 0.2);
}

#[test]
fn a_deployment_leaves_its_group_with_a_word() {
    let fault =
        "faults: [{id: roll, at: 60s, deploy: {node: search, batch: 1, drain: 5s, boot: 2s}}]";
    let text = feed("partitions: 6", "", "instances: 3, workers: 1, work: 50ms, boot: 2s", fault);
    let text = text.replace(", boot: 2s}}]", "}}]");
    let found = results_of(&text, 1);
    each_once(&found);
    // Nobody waits for a session to be over, and what was begun is put down.
    assert_eq!(of(&found, "duplicates"), 0.0);
    assert_eq!(of(&found, "rebalances"), 6.0);
    assert!(of(&found, "age.max") < 12.0, "{}", of(&found, "age.max"));
}

#[test]
fn a_log_that_crashes_keeps_what_it_accepted_and_a_coordinator_forgets_its_members() {
    let fault = "faults: [{id: away, at: 60.05s, for: 20s, crash: {node: events, instances: [0]}}]";
    let text =
        feed("partitions: 4, instances: 2", "", "instances: 2, workers: 1, work: 1ms", fault);
    let found = results_of(&text, 1);
    each_once(&found);
    // Half of the keys had nowhere to go for 20 s.
    let refused = 1500.0 - of(&found, "published");
    assert!((60.0..140.0).contains(&refused), "{refused}");
    assert_eq!(of(&found, "rebalances"), 1.0);
    // The other broker's partitions went on; what was done meanwhile nobody could put down.
    assert!(of(&found, "duplicates") > 50.0);
}

#[test]
fn nothing_is_lost_whatever_happens_to_brokers_members_and_what_is_between() {
    let faults = "faults:\n  \
        - {id: broker, mtbf: exp(mean=40s), mttr: exp(mean=5s), crash: {node: events, instances: [1]}}\n  \
        - {id: first, mtbf: exp(mean=90s), mttr: exp(mean=5s), crash: {node: events, instances: [0], process: true}}\n  \
        - {id: member, mtbf: exp(mean=30s), mttr: exp(mean=10s), crash: {node: search, instances: 1}}\n  \
        - {id: process, mtbf: exp(mean=30s), mttr: exp(mean=3s), crash: {node: search, instances: 1, process: true}}\n  \
        - {id: still, mtbf: exp(mean=40s), mttr: exp(mean=20s), pause: {node: search, instances: 1}}\n  \
        - {id: cut, mtbf: exp(mean=60s), mttr: exp(mean=15s), partition: {from: [search], to: [events]}}\n";
    for (rebalance, commit) in [("eager", "batch"), ("cooperative", "5s"), ("cooperative", "batch")]
    {
        let consumes = format!(
            ", batch: 5, session: 10s, heartbeat: 2s, rebalance: {rebalance}, commit: {commit}"
        );
        let text = feed(
            "partitions: 5, instances: 2",
            &consumes,
            "instances: 3, workers: 2, work: exp(mean=50ms)",
            faults,
        )
        .replace("same_zone: 1ms", "same_zone: 1ms, links: [{from: search, to: events, loss: 2%}]");
        for seed in 1..=8 {
            let text = text
                .replace("seed: 7", &format!("seed: {seed}"))
                .replace("duration: 250s", "duration: 400s");
            let found = results_of(&text, 1);
            let [published, acked, duplicates] = all(&found, ["published", "acked", "duplicates"]);
            assert_eq!(acked, published, "seed {seed}, {rebalance}");
            // Each was worked off once at least.
            let ok = number(&found, "nodes.search.outcomes.ok");
            assert_eq!(ok, published + duplicates, "seed {seed}, {rebalance}");
            assert!(duplicates > 0.0 && of(&found, "rebalances") > 3.0);
        }
    }
}

#[test]
fn lag_is_watched_alerted_on_and_scaled_by() {
    let fault = "faults: [{id: away, at: 60.05s, for: 20s, crash: {node: search, process: true}}]\n\
        alerts: {behind: {when: lag(node=events group=search window=5s) > 100, every: 5s}}\n\
        slos: [\"max(lag node=events window=10s) <= 250\", \"nodes.events.groups.search.lag.max <= 150\", \"p99(done node=events group=search) <= 30s\"]";
    let found = results_of(&feed("", ", session: 60s", "workers: 1, work: 10ms", fault), 1);
    // 200 came meanwhile; half of them are too many.
    close(of(&found, "lag.max"), 200.0, 3.0);
    let fired = number(&found, "alerts.0.fired");
    assert!((70.0..=80.0).contains(&fired), "{fired}");
    let verdicts = found["slos"].as_array().unwrap();
    let passed: Vec<&str> = verdicts.iter().map(|v| v["verdict"].as_str().unwrap()).collect();
    assert_eq!(passed, ["met", "missed", "met"]);
    // Those who come share the partitions: with one instance all of it would be too late.
    let scaled = |autoscale: &str| {
        let consumer = format!("workers: 1, work: 200ms, boot: 2s{autoscale}");
        let consumes = ", heartbeat: 1s, session: 10s, rebalance: cooperative";
        results_of(&feed("partitions: 8", consumes, &consumer, ""), 1)
    };
    let one = scaled("");
    let many = scaled(
        ", autoscale: {min: 1, max: 4, metric: lag(events group=search), target: 20, every: 5s, delay: 5s}",
    );
    assert!(of(&one, "lag.max") > 700.0 && of(&many, "lag.max") < 300.0);
    each_once(&many);
    assert_eq!(of(&many, "duplicates"), 0.0);
    assert!(of(&many, "rebalances") >= 3.0);
}

#[test]
fn the_same_bytes_at_one_thread_and_two() {
    let fault = "faults: [{id: still, at: 20s, for: 20s, pause: {node: search, instances: [0]}}]";
    let text = feed(
        "partitions: 3, instances: 2, publish: exp(mean=1ms)",
        ", session: 8s, batch: 5, linger: 100ms, commit: 2s",
        "instances: 2, workers: 1, work: exp(mean=20ms)",
        fault,
    );
    let one = bytes_of_run(&text, "--jobs 1 --replications 3");
    assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 3"));
}

/// A design with a log, a queue and what goes between.
fn with_dead_letters() -> String {
    let rest = "  dead: {queue: {}}\n  oncall: {service: {workers: 1, consumes: [dead, more], work: 1ms}}\n\
        \x20 api: {service: {cores: 1, endpoints: {default: [{publish: events}, {publish: more}]}}}\n  more: {topic: {partitions: 4}}";
    let end = ", max_receives: 9, dead_letter: dead";
    feed("partitions: 4", end, "workers: 1, work: 1ms", rest).replace("to: events}}", "to: api}}")
}

#[test]
fn what_makes_no_sense_is_said_at_its_place() {
    let (topic, base) = ("topic: {partitions: 4}", with_dead_letters());
    let cases: [Case; 17] = [
        ("none", topic, "topic: {partitions: 0}", "8:32 E-RANGE", "at least 1"),
        (
            "brokers",
            topic,
            "topic: {partitions: 4, instances: 5}",
            "8:46 E-CONFLICT",
            "more brokers",
        ),
        ("gone", topic, "topic: {partitions: 4, retention: 0s}", "8:46 E-RANGE", "above 0"),
        (
            "both",
            "topic: {partitions: 4}}\n  search: {service: {consumes: {from: events, ",
            "topic: {to: [dead], partitions: 4}}\n  search: {service: {consumes: {from: more, ",
            "8:44 E-CONFLICT",
            "keeps none",
        ),
        (
            "range",
            topic,
            "topic: {partitions: 4, by: range(3 9)}",
            "8:39 E-CONFLICT",
            "2 last keys",
        ),
        ("beats", "events, max", "events, heartbeat: 45s, max", "9:58 E-TIMING", "a third"),
        ("session", "events, max", "events, session: 2s, max", "9:56 E-TIMING", "every 3s"),
        ("commit", "events, max", "events, commit: often, max", "9:55 E-TYPE", "`batch`"),
        ("undead", "max_receives: 9, ", "", "9:60 E-MISSING", "no message ever dies"),
        ("grave", "dead_letter: dead", "dead_letter: search", "9:77 E-REF", "not a queue"),
        (
            "visible",
            "events, max",
            "events, redeliver: visibility, max",
            "9:58 E-CONFLICT",
            "hands nothing out",
        ),
        ("lazy", "events, max", "events, rebalance: lazy, max", "9:58 E-ENUM", "cooperative"),
        (
            "queue",
            "[dead, more]",
            "[{from: dead, group: g}, more]",
            "11:65 E-CONFLICT",
            "a log has groups",
        ),
        (
            "idle",
            "workers: 1, work: 1ms",
            "instances: 5, workers: 1, work: 1ms",
            "9:3 W-IDLE",
            "1 of them",
        ),
        ("unread", "from: events", "from: more", "8:12 W-UNREAD", "nobody consumes"),
        (
            "delay",
            "publish: events",
            "publish: {to: events, delay: 1s}",
            "12:81 E-CONFLICT",
            "at once",
        ),
        (
            "agree",
            "[dead, more]",
            "[dead, more, {from: events, group: search, heartbeat: 4s}]",
            "9:22 E-CONFLICT",
            "all of group `search`",
        ),
    ];
    check_in(&base, &cases);
}

#[test]
fn objectives_of_a_log_say_of_which_group() {
    let base = with_dead_letters();
    let asks = |slo: &str| base.replace("nodes:\n", &format!("slos: [{slo}]\nnodes:\n"));
    let good = "\"p99(done node=events group=search) <= 1s\"";
    let cases: [Case; 3] = [
        ("group", "group=search", "group=serach", "7:8 E-REF", "search"),
        ("which", " group=search", "", "7:8 E-SLO", "group=search"),
        ("window", " group=search", " group=search window=10s", "7:8 E-SLO", "over the whole run"),
    ];
    check_in(&asks(good), &cases);
}
