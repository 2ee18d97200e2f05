//! Outboxes: what is written with the data is published, whatever crashes when; and what becomes of the others.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// 1,000 orders, ten a second for 100 s of 200 s, everything 1 ms from everything.
fn shop(steps: &str, events: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 200s\nseed: 7\nnetwork: {{same_zone: 1ms}}\n\
         clients: {{users: {{arrivals: constant(10/s), keys: uniform(n=200), load: [{{at: 0s, factor: 1}}, {{at: 100.05s, factor: 0}}], timeout: 5s, to: api}}}}\n\
         nodes:\n  api: {{service: {{workers: 20, endpoints: {{default: [{steps}]}}, dependencies: {{db: {{timeout: 1s}}, events: {{timeout: 1s}}}}}}}}\n  \
         db: {{store: {{read: 2ms, write: 5ms, cores: 4, shards: {{count: 2}}}}}}\n  events: {{{events}}}\n  \
         mail: {{service: {{workers: 4, work: 1ms, consumes: events}}}}\n{rest}\n"
    )
}

const OUTBOX: &str = "{write: {to: db, outbox: events}}";

fn all<const N: usize>(results: &Value, figures: [&str; N]) -> [f64; N] {
    figures.map(|figure| number(results, figure))
}

#[test]
fn a_row_is_read_published_and_deleted_on_the_cores_of_its_shard() {
    let found = results_of(&shop(OUTBOX, "queue: {publish: 3ms}", ""), 1);
    assert_eq!(
        all(&found, ["nodes.db.outbox.written", "nodes.db.outbox.relayed", "nodes.db.outbox.left"]),
        [1000.0, 1000.0, 0.0]
    );
    assert_eq!(all(&found, ["nodes.events.published", "nodes.mail.outcomes.ok"]), [1000.0, 1000.0]);
    // Nobody waits for any of it.
    assert!(number(&found, "summary.latency.max") < 0.009);
    // Each shard reads its table ten times a second, and deletes once for each time that it found something.
    let busy = number(&found, "nodes.db.utilisation") * 8.0 * 200.0;
    let reads = 2.0 * 200.0 * 10.0 * 0.002;
    let writes = 1000.0 * 0.005;
    let deletes = busy - reads - writes;
    // At most one for each row, and fewer where two came between two looks of their shard.
    assert!((1000.0 * 0.005 * 0.6..=1000.0 * 0.005 + 0.01).contains(&deletes), "{deletes}");
    // A planned change of the work changes that of relays, too.
    let change = "faults: [{id: slower, at: 50.05s, set: {nodes.db.store.write: 20ms}}]";
    let found = results_of(&shop(OUTBOX, "queue: {publish: 3ms}", change), 1);
    let writes = 500.0 * 0.005 + 500.0 * 0.02;
    let deletes = number(&found, "nodes.db.utilisation") * 8.0 * 200.0 - reads - writes;
    assert!((writes * 0.6..=writes + 0.05).contains(&deletes), "{deletes}");
    // The other way the publisher waits, too.
    let dual = results_of(&shop("{write: db}, {publish: events}", "queue: {publish: 3ms}", ""), 1);
    assert!(number(&dual, "summary.latency.mean") > 0.011);
    // A log, which has several brokers.
    let log = shop(OUTBOX, "topic: {partitions: 4, instances: 2}", "");
    let found = results_of(&log, 1);
    assert_eq!(
        all(&found, ["nodes.events.groups.mail.acked", "nodes.events.groups.mail.out_of_order"]),
        [1000.0, 0.0]
    );
}

#[test]
fn what_was_written_is_published_whatever_crashes_when() {
    let faults = "faults:\n  \
        - {id: shard, mtbf: exp(mean=15s), mttr: exp(mean=1s), crash: {node: db, shard: 0}}\n  \
        - {id: process, mtbf: exp(mean=15s), mttr: exp(mean=500ms), crash: {node: db, shard: 1, process: true}}\n  \
        - {id: broker, mtbf: exp(mean=20s), mttr: exp(mean=3s), crash: {node: events}}\n  \
        - {id: api, mtbf: exp(mean=5s), mttr: exp(mean=200ms), crash: {node: api, process: true}}\n  \
        - {id: cut, mtbf: exp(mean=30s), mttr: exp(mean=5s), partition: {from: [db], to: [events]}}";
    let (mut torn, mut again) = (0.0, 0.0);
    for seed in 1..=12 {
        let run = |steps: &str| {
            let text = shop(steps, "queue: {}", faults)
                .replace("seed: 7", &format!("seed: {seed}"))
                .replace("duration: 200s", "duration: 400s")
                .replace(
                    "same_zone: 1ms",
                    "same_zone: 1ms, links: [{from: db, to: events, loss: 2%}]",
                );
            results_of(&text, 1)
        };
        let found = run(OUTBOX);
        let [written, left, published, duplicates, done] = all(
            &found,
            [
                "nodes.db.outbox.written",
                "nodes.db.outbox.left",
                "nodes.events.published",
                "nodes.events.duplicates",
                "nodes.mail.outcomes.ok",
            ],
        );
        assert_eq!(left, 0.0, "seed {seed}");
        assert!(written > 800.0 && published >= written, "seed {seed}: {published} of {written}");
        // Each once at least, and those twice that were published and not deleted.
        assert!(done - duplicates >= written, "seed {seed}");
        again += published - written;
        // The other way some are written and never published.
        let dual = run("{write: db}, {publish: events}");
        torn += number(&dual, "nodes.db.outcomes.ok") - number(&dual, "nodes.events.published");
    }
    assert!(torn > 10.0 && again > 10.0, "{torn} {again}");
}

#[test]
fn a_broker_that_is_away_gets_all_when_it_is_back_and_dedupe_knows_what_it_had() {
    let fault = "faults: [{id: away, at: 20.05s, for: 50s, crash: {node: events}}]";
    let found = results_of(&shop(OUTBOX, "queue: {}", fault), 1);
    assert_eq!(all(&found, ["nodes.db.outbox.left", "summary.requests.ok"]), [0.0, 1000.0]);
    // A shard that dies over and over publishes some twice; what has the identity of a write is one message.
    let text = |queue: &str| {
        let fault = "faults: [{id: shard, at: 5.025s, every: 1s, for: 50ms, crash: {node: db, process: true}}]";
        let outbox = "{write: {to: db, outbox: {to: events, every: 10ms}}}";
        shop(outbox, &format!("queue: {{publish: 20ms{queue}}}"), fault)
    };
    let twice = results_of(&text(""), 1);
    assert!(number(&twice, "nodes.events.duplicates") > 0.0);
    let once = results_of(&text(", dedupe: 5m"), 1);
    let [duplicates, known] = all(&once, ["nodes.events.duplicates", "nodes.events.deduplicated"]);
    assert!(duplicates == 0.0 && known > 0.0, "{known}");
}

/// The shop with a store of these replicas, and a broker that takes each message once.
fn copies(replication: &str, rest: &str) -> String {
    let store = format!("shards: {{count: 2}}, replication: {{{replication}}}}}");
    shop(OUTBOX, "queue: {dedupe: 1h, publish: 30ms}", rest)
        .replace("shards: {count: 2}}", &store)
        .replace("duration: 200s", "duration: 300s")
}

const ASYNC: &str = "leader_follower: {followers: 1, ack: async, lag: 300ms, failover: {detect: 2s, promote: 500ms}}";
const SYNC: &str =
    "leader_follower: {followers: 2, ack: sync, failover: {detect: 2s, promote: 500ms}}";
const RAFT: &str = "raft: {replicas: 3}";
const ROWS: [&str; 4] = [
    "nodes.db.outbox.written",
    "nodes.db.outbox.relayed",
    "nodes.db.outbox.left",
    "nodes.db.outbox.lost",
];

#[test]
fn the_leader_of_a_shard_publishes_the_rows_of_its_log() {
    for replication in [ASYNC, SYNC, RAFT] {
        let found = results_of(&copies(replication, ""), 1);
        let [written, relayed, left, lost] = all(&found, ROWS);
        assert_eq!((relayed, left, lost), (written, 0.0, 0.0), "{replication}");
        let [ok, published] = all(&found, ["summary.requests.ok", "nodes.events.published"]);
        assert_eq!((ok, published), (1000.0, 1000.0), "{replication}");
        assert_eq!(number(&found, "nodes.events.deduplicated"), 0.0);
        // Followers are written what the leader deletes, too: one write for each time that something was there to be deleted.
        let text = copies(replication, "")
            .replace(OUTBOX, "{write: db}")
            .replace("dependencies: {db", "dependencies: {events: {timeout: 1s}, db");
        let plain = text
            .replace(", events: {timeout: 1s}}", "}")
            .replace("[{write: db}]", "[{write: db}], other: [{publish: events}]");
        let plain = results_of(&plain, 1);
        let messages = |of: &Value| -> f64 {
            let kinds = of["nodes"]["db"]["messages"].as_object().unwrap();
            kinds.values().map(|kind| kind["value"].as_f64().unwrap_or(0.0)).sum()
        };
        assert!(messages(&found) > messages(&plain) + 600.0, "{replication}");
    }
}

#[test]
fn replicas_that_have_all_forgotten_publish_again() {
    // Terms are past the first when all is lost, and begin anew.
    let dead = |at: &str| {
        format!("{{id: d{at}, at: {at}s, for: 5s, crash: {{node: db, replica: leader}}}}")
    };
    let faults = format!(
        "faults: [{}, {}, {}, {{id: all, at: 80s, for: 1s, crash: {{node: db, lose_data: true}}}}]",
        dead("40"),
        dead("50"),
        dead("60")
    );
    let found = results_of(&copies(RAFT, &faults), 1);
    let [written, relayed, left, lost] = all(&found, ROWS);
    assert_eq!((left, relayed + lost), (0.0, written));
    let [ok, published] = all(&found, ["summary.requests.ok", "nodes.events.published"]);
    assert!(ok > 900.0 && published >= ok - lost, "{ok} {published} {lost}");
}

#[test]
fn who_leads_next_goes_on_with_the_rows_it_has() {
    let dead = "faults: [{id: dead, at: 20.013s, every: 17.037s, for: 5s, crash: {node: db, replica: leader}}, \
        {id: api, mtbf: exp(mean=20s), mttr: exp(mean=200ms), crash: {node: api, process: true}}]";
    // What was acknowledged was replicated, so that all of it is published in the end; some twice.
    for replication in [SYNC, RAFT] {
        let found = results_of(&copies(replication, dead), 1);
        let [written, relayed, left, lost] = all(&found, ROWS);
        assert_eq!((left, relayed + lost), (0.0, written), "{replication}");
        let [ok, published, again] = all(
            &found,
            ["summary.requests.ok", "nodes.events.published", "nodes.events.deduplicated"],
        );
        assert_eq!(number(&found, "consistency.lost_acked_writes"), 0.0);
        // Each write that anybody heard of, and each that is there, once.
        assert!(published >= ok && published >= relayed && published <= written, "{replication}");
        assert!(ok > 200.0 && again > 0.0, "{replication}: {ok} {again}");
    }
    // Who lags loses writes with the leader, and their messages with them; unless these had been published by then.
    let slow = copies(ASYNC, dead).replace("outbox: events", "outbox: {to: events, every: 1s}");
    let found = results_of(&slow, 1);
    let [written, relayed, left, lost] = all(&found, ROWS);
    assert_eq!((left, relayed + lost), (0.0, written));
    let published = number(&found, "nodes.events.published");
    assert!(lost > 10.0, "{lost}");
    assert!(published >= relayed && published < written, "{published} of {written}");
    // Published, and its write is lost: the outbox does not keep that from happening where writes may be lost.
    assert!(published > relayed, "{published} {relayed}");
    assert!(number(&found, "consistency.lost_acked_writes") > 10.0);
}

#[test]
fn rows_of_replicas_are_the_same_on_one_and_two_threads() {
    let faults = "faults: [{id: dead, mtbf: exp(mean=20s), mttr: exp(mean=4s), crash: {node: db, replica: leader}}, \
        {id: cut, mtbf: exp(mean=30s), mttr: exp(mean=5s), partition: {from: [db], to: [events]}}]";
    for replication in [ASYNC, RAFT] {
        let text = copies(replication, faults);
        let one = bytes_of_run(&text, "--jobs 1 --replications 2");
        assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 2"));
    }
}

#[test]
fn what_is_said_of_outboxes_is_checked_where_it_stands() {
    let rest = "  kv: {store: {read: 1ms, write: 1ms, cores: 1, replication: {quorum: {replicas: 3}}}}\n  \
        told: {topic: {to: [kv]}}";
    let base = shop(
        "{write: {to: db, outbox: events}}, {read: db}, {publish: events}, {call: kv}, {call: told}",
        "queue: {}",
        rest,
    );
    let to = "outbox: events";
    let cases: [Case; 6] = [
        ("who", to, "outbox: event", "8:79 E-REF", "unknown node"),
        ("keeps", to, "outbox: told", "8:79 E-REF", "keeps no messages"),
        ("often", to, "outbox: {to: events, every: 0s}", "8:99 E-RANGE", "above 0"),
        ("many", to, "outbox: {to: events, batch: 0}", "8:99 E-RANGE", "at least 1"),
        (
            "copies",
            "{to: db, outbox",
            "{to: kv, outbox",
            "8:79 E-CONFLICT",
            "no replica of `kv` leads",
        ),
        (
            "two",
            "{call: kv}",
            "{delete: {to: db, outbox: {to: events, every: 1s}}}",
            "8:79 E-CONFLICT",
            "differ from another",
        ),
    ];
    check_in(&base, &cases);
}
