//! Views: stores that show the data of another one, late, in which order, and what is left after cuts and crashes.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// A shop that writes orders and tells an indexer, who writes what is searched; everything 1 ms from everything.
pub(crate) fn shop(rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 300s\nwarm_up: 10s\nseed: 5\nnetwork: {{same_zone: 1ms}}\n\
         clients:\n  \
         buyers: {{arrivals: poisson(20/s), keys: uniform(n=100), timeout: 5s, to: shop}}\n  \
         readers: {{arrivals: poisson(200/s), keys: uniform(n=100), timeout: 5s, operations: {{look: {{read: search}}}}}}\n\
         nodes:\n  \
         shop: {{service: {{endpoints: {{default: [{{write: orders}}, {{publish: placed}}]}}}}}}\n  \
         orders: {{store: {{read: 1ms, write: 2ms, cores: 8}}}}\n  \
         placed: {{queue: {{publish: 3ms}}}}\n  \
         indexer: {{service: {{workers: 50, consumes: placed, endpoints: {{default: [{{wait: 100ms}}, {{write: search}}]}}}}}}\n  \
         search: {{store: {{view_of: orders, read: 1ms, write: 5ms, cores: 8}}}}\n{rest}\n"
    )
}

/// The same, fed by the log of the source in place of an indexer.
pub(crate) fn fed(store: &str, rest: &str) -> String {
    shop(rest)
        .replace("[{write: orders}, {publish: placed}]", "[{write: orders}]")
        .replace("  placed: {queue: {publish: 3ms}}\n", "")
        .replace("view_of: orders", &format!("view_of: {{store: orders, lag: 40ms}}{store}"))
        .lines()
        .filter(|line| !line.starts_with("  indexer"))
        .map(|line| format!("{line}\n"))
        .collect()
}

pub(crate) fn view(found: &Value, what: &str) -> f64 {
    number(found, &format!("nodes.search.view.{what}"))
}

pub(crate) fn at_search(found: &Value, what: &str) -> f64 {
    number(found, &format!("nodes.search.consistency.{what}"))
}

pub(crate) fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 2e-5, "{found}, not {expected}");
}

#[test]
fn what_a_message_carries_comes_to_the_view_as_late_as_all_on_its_way_are() {
    let found = results_of(&shop(""), 1);
    // From when the order is written: the answer, the message, its work at the queue, the hand-out, a wait, the message to
    // the view and its work there.
    let lag = 1.0 + 1.0 + 3.0 + 1.0 + 100.0 + 1.0 + 5.0;
    near(view(&found, "lag.mean") * 1e3, lag);
    near(view(&found, "lag.max") * 1e3, lag);
    let written = number(&found, "nodes.orders.consistency.operations.write");
    assert!((view(&found, "applied") - written).abs() < 10.0, "{written}");
    assert_eq!(view(&found, "inversions"), 0.0);
    // Of a key 0.2 are written a second. A read is old that began after the answer to the shop, which takes 1 ms, and had done its
    // 1 ms of work before the new version came.
    let window = (lag - 1.0 - 1.0) / 1e3;
    let expected = 1.0 - (-0.2 * window).exp();
    let (stale, reads) = (at_search(&found, "stale_reads"), at_search(&found, "operations.read"));
    let sd = (reads * expected).sqrt();
    assert!((stale - reads * expected).abs() < 4.0 * sd, "{stale} of {reads}: {expected}");
    // What they miss was acknowledged that long ago at most.
    assert!(at_search(&found, "staleness_age.max") <= window + 1e-5);
    // The source is as good as ever, and of the view nothing is said that is the source's.
    assert_eq!(found["nodes"]["orders"]["consistency"]["linearizable"], true);
    assert!(found["nodes"]["search"]["consistency"]["linearizable"].is_null());
    assert_eq!(found["consistency"]["linearizable"], true);
    assert_eq!(number(&found, "consistency.stale_reads"), stale);
}

#[test]
fn whoever_looks_too_soon_misses_his_own_order() {
    let session = |wait: &str| {
        shop("")
            .replace("keys: uniform(n=100), timeout: 5s, to: shop}", &format!(
                "keys: uniform(n=100M), timeout: 5s, operations: {{buy: {{to: shop}}, see: {{read: search}}}}, session: [{{do: buy}}, {{wait: {wait}}}, {{do: see}}]}}"
            ))
    };
    // 106 ms after the answer to the buyer the view has the order, and a read is 1 ms of work.
    for (wait, misses) in [("10ms", true), ("100ms", true), ("120ms", false)] {
        let found = results_of(&session(wait), 1);
        let own = number(&found, "nodes.orders.consistency.operations.write");
        let missed = at_search(&found, "read_your_writes_violations");
        if misses {
            assert!((missed - own).abs() < 10.0 && own > 1_000.0, "{wait}: {missed} of {own}");
        } else {
            assert_eq!(missed, 0.0, "{wait}");
        }
        assert_eq!(number(&found, "nodes.orders.consistency.read_your_writes_violations"), 0.0);
    }
}

#[test]
fn an_outbox_and_one_who_asks_the_source_carry_versions_too() {
    let outbox = shop("")
        .replace("{write: orders}, {publish: placed}", "{write: {to: orders, outbox: placed}}");
    let asks = shop("").replace(
        "[{wait: 100ms}, {write: search}]",
        "[{wait: 100ms}, {read: orders}, {write: search}]",
    );
    let by_log =
        shop("").replace("{queue: {publish: 3ms}}", "{topic: {publish: 3ms, partitions: 4}}");
    let copies = shop("").replace(
        "write: 2ms, cores: 8",
        "write: 2ms, cores: 8, replication: {raft: {replicas: 3, election_timeout: uniform(150ms 300ms)}}",
    );
    for text in [outbox, asks, by_log, copies] {
        let found = results_of(&text, 1);
        let written = number(&found, "nodes.orders.consistency.operations.write");
        let applied = view(&found, "applied");
        assert!(applied > 0.9 * written && applied < written + 10.0, "{applied} {written}\n{text}");
        assert!(at_search(&found, "stale_reads") > 0.0);
        assert!(number(&found, "nodes.indexer.outcomes.error") == 0.0);
    }
}

#[test]
fn a_view_is_written_whether_its_history_is_followed_or_not() {
    let followed = results_of(&shop(""), 1);
    let not_followed = results_of(&shop("history: none"), 1);
    for node in ["indexer", "search", "orders"] {
        let of = |found: &Value| found["nodes"][node]["outcomes"].clone();
        assert_eq!(of(&followed), of(&not_followed), "{node}");
    }
    assert!(not_followed["nodes"]["search"]["consistency"].is_null());
    let some = results_of(&shop("history: {keys: 10%}"), 1);
    assert_eq!(some["nodes"]["search"]["outcomes"], followed["nodes"]["search"]["outcomes"]);
}

#[test]
fn the_last_to_come_counts_whichever_is_newer() {
    // Two of a key are at work at once, and either may be done first.
    let hot = shop("").replace("wait: 100ms", "wait: exp(mean=100ms)").replace("n=100)", "n=10)");
    let found = results_of(&hot, 1);
    assert!(view(&found, "inversions") > 50.0, "{}", view(&found, "inversions"));
    // Then it is old until the next one comes, longer than anything is on its way.
    assert!(at_search(&found, "staleness_age.max") > 1.0);
    // One by one nothing passes another one.
    let one = hot.replace("workers: 50", "workers: 1").replace("exp(mean=100ms)", "exp(mean=10ms)");
    assert_eq!(view(&results_of(&one, 1), "inversions"), 0.0);
    // And the log of the source has an order.
    let log = results_of(
        &fed(", apply: exp(mean=20ms), apply_cores: 8", "").replace("n=100)", "n=10)"),
        1,
    );
    assert_eq!(view(&log, "inversions"), 0.0);
    assert!(view(&log, "applied") > 5_000.0);
}

#[test]
fn a_view_that_dies_applies_nothing_again_that_it_has() {
    // Eight entries are at work at once, so that some are done before others in front of them.
    let dies = "faults: [{id: dies, every: 2s, for: 50ms, crash: {node: search, process: true}}]";
    let text = fed(", apply: exp(mean=40ms), apply_cores: 8", dies)
        .replace("poisson(20/s), keys: uniform(n=100)", "poisson(40/s), keys: uniform(n=20)");
    let found = results_of(&text, 1);
    assert_eq!(view(&found, "inversions"), 0.0);
    let written = number(&found, "nodes.orders.consistency.operations.write");
    assert!(view(&found, "applied") > 0.9 * written, "{written}");
}

#[test]
fn a_log_feeds_a_view_after_its_lag_as_fast_as_that_applies() {
    let found = results_of(&fed(", apply: 4ms", "").replace("poisson(20/s)", "constant(20/s)"), 1);
    // It leaves after 40 ms, is 1 ms on its way and 4 ms of work.
    near(view(&found, "lag.mean") * 1e3, 45.0);
    near(view(&found, "lag.max") * 1e3, 45.0);
    assert_eq!(
        view(&found, "applied"),
        number(&found, "nodes.orders.consistency.operations.write")
    );
    // One core applies 250 a second, so that of 300 for 290 s some 50 more wait each second.
    let many = fed(", apply: 4ms", "")
        .replace("poisson(20/s)", "constant(300/s)")
        .replace("cores: 8}", "cores: 16}");
    let behind = results_of(&many, 1);
    assert!(
        (view(&behind, "applied") - 250.0 * 290.0).abs() < 300.0,
        "{}",
        view(&behind, "applied")
    );
    let last = 300.0 - 300.0 * 250.0 / 300.0;
    assert!((view(&behind, "lag.max") - last).abs() < 1.0, "{}", view(&behind, "lag.max"));
    // More of them apply several keys at once.
    let cores = results_of(&many.replace("apply: 4ms", "apply: 4ms, apply_cores: 4"), 1);
    assert!(view(&cores, "lag.max") < 0.06, "{}", view(&cores, "lag.max"));
}

#[test]
fn what_a_cut_holds_back_comes_when_it_is_over_and_nothing_is_missed() {
    let cut = "faults: [{id: cut, at: 100s, for: 20s, partition: {between: [[orders], [search]]}}]";
    let found = results_of(&fed(", apply: 4ms", cut), 1);
    let longest = view(&found, "lag.max");
    assert!(longest > 19.0 && longest < 21.5, "{longest}");
    let written = number(&found, "nodes.orders.consistency.operations.write");
    assert!((view(&found, "applied") - written).abs() < 5.0);
    assert_eq!(view(&found, "inversions"), 0.0);
    // Who reads cannot tell: nothing fails.
    assert_eq!(number(&found, "summary.availability"), 1.0);
    let fine = results_of(&fed(", apply: 4ms", ""), 1);
    assert!(at_search(&found, "stale_reads") > 3.0 * at_search(&fine, "stale_reads"));
}

#[test]
fn a_view_that_lost_all_is_built_again_from_what_its_source_holds() {
    // 2,000 keys are written in 60 s, and then nothing; after the crash each has to come again.
    let text = |apply: &str| {
        fed(
            &format!(", {apply}"),
            "faults: [{id: gone, at: 200s, for: 1s, crash: {node: search, lose_data: true}}]",
        )
        .replace("poisson(20/s), keys: uniform(n=100)", "constant(100/s), load: [{at: 0s, factor: 1}, {at: 60s, factor: 1}, {at: 60.001s, factor: 0}], keys: uniform(n=2k)")
        .replace("warm_up: 10s", "warm_up: 190s")
        .replace("readers: {arrivals: poisson(200/s), keys: uniform(n=100)", "readers: {arrivals: constant(200/s), keys: uniform(n=2k)")
    };
    for (apply, each) in [("apply: 10ms", 0.010), ("apply: 10ms, apply_cores: 4", 0.0025)] {
        let found = results_of(&text(apply), 1);
        let keys = number(&found, "nodes.orders.consistency.keys");
        assert_eq!(view(&found, "applied"), keys, "{apply}");
        // A read of a key that is not there yet is old: of half of them while it is built, on average.
        let time = keys * each;
        let expected = 200.0 * time / 2.0;
        let stale = at_search(&found, "stale_reads");
        assert!((stale - expected).abs() < 0.1 * expected + 20.0, "{apply}: {stale} {expected}");
    }
}

#[test]
fn a_view_is_as_its_source_when_all_is_over() {
    let faults = "faults:\n  \
        - {id: leader, mtbf: exp(mean=20s), mttr: exp(mean=3s), crash: {node: orders, shard: 0}}\n  \
        - {id: view, mtbf: exp(mean=15s), mttr: exp(mean=1s), crash: {node: search, shard: 0}}\n  \
        - {id: lost, at: 70s, for: 2s, crash: {node: search, shard: 1, lose_data: true}}\n  \
        - {id: cut, mtbf: exp(mean=20s), mttr: exp(mean=4s), partition: {from: [orders], to: [search]}}\n  \
        - {id: back, mtbf: exp(mean=20s), mttr: exp(mean=4s), partition: {from: [search], to: [orders]}}\n  \
        - {id: twice, at: 20s, for: 100s, duplicate: {between: [[orders], [search]], fraction: 20%}}\n  \
        - {id: some, at: 20s, for: 100s, loss: {between: [[orders], [search]], fraction: 10%}}";
    let sources = [
        "",
        ", replication: {raft: {replicas: 3}}",
        ", replication: {leader_follower: {followers: 2, ack: sync, failover: {detect: 1s, observers: [a, b, c]}}}",
    ];
    for seed in 1..=4 {
        for source in sources {
            // Faults by `mtbf` go on, so the writers stop, and readers are measured in what is left: what has to come has come.
            let text = fed(", apply: 2ms, shards: {count: 2}", faults)
                .replace("seed: 5", &format!("seed: {seed}\ntopology: {{regions: {{r: [a, b, c]}}}}"))
                .replace("same_zone: 1ms", "same_zone: 1ms, same_region: 1ms")
                .replace("write: 2ms, cores: 8", &format!("write: 2ms, cores: 8, shards: {{count: 2}}{}{source}", if source.is_empty() { "" } else { ", zones: [a, b, c]" }))
                .replace("poisson(20/s), keys", "poisson(100/s), load: [{at: 0s, factor: 1}, {at: 150s, factor: 1}, {at: 150.001s, factor: 0}], keys")
                .replace("warm_up: 10s", "warm_up: 240s");
            let found = results_of(&text, 1);
            let (reads, stale) =
                (at_search(&found, "operations.read"), at_search(&found, "stale_reads"));
            assert!(reads > 5_000.0, "{reads}\n{text}");
            assert_eq!(stale, 0.0, "{stale} of {reads}\n{text}");
        }
    }
}

#[test]
fn views_are_the_same_on_one_and_two_threads() {
    let faults = "faults: [{id: dead, mtbf: exp(mean=20s), mttr: exp(mean=4s), crash: {node: search, lose_data: true}}, \
        {id: cut, mtbf: exp(mean=30s), mttr: exp(mean=5s), partition: {between: [[orders], [search]]}}]";
    for text in [shop(faults), fed(", apply: exp(mean=3ms), apply_cores: 2", faults)] {
        let one = bytes_of_run(&text, "--jobs 1 --replications 2");
        assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 2"));
    }
}

#[test]
fn what_is_said_of_views_is_checked_where_it_stands() {
    let base = shop("  other: {store: {read: 1ms}}");
    let of = "view_of: orders";
    let cases: [Case; 9] = [
        ("who", of, "view_of: order", "15:29 E-REF", "unknown store"),
        ("what", of, "view_of: placed", "15:29 E-REF", "is a queue"),
        ("itself", of, "view_of: search", "15:29 E-CYCLE", "its own data"),
        ("law", of, "view_of: {store: orders, lag: 5}", "15:50 E-UNIT", "unit"),
        (
            "client",
            "look: {read: search}",
            "look: {write: search}",
            "9:101 E-CONFLICT",
            "a client knows no version",
        ),
        (
            "nothing",
            "{write: orders}, {publish: placed}",
            "{write: other}, {publish: placed}",
            "14:99 E-CONFLICT",
            "knows no version",
        ),
        (
            "cas",
            "{wait: 100ms}, {write: search}",
            "{wait: 100ms}, {cas: search}",
            "14:97 E-CONFLICT",
            "of which `cas` makes none",
        ),
        ("apply", of, "apply: 3ms, view_of: orders", "15:27 E-CONFLICT", "without `replication`"),
        (
            "cores",
            of,
            "apply_cores: 0, view_of: {store: orders, lag: 1s}",
            "15:33 E-RANGE",
            "at least 1",
        ),
    ];
    check_in(&base, &cases);
    let unfed = (
        "fed",
        "{wait: 100ms}, {write: search}",
        "{wait: 100ms}",
        "15:29 W-UNFED",
        "as `orders` was at the start",
    );
    check_in(&shop(""), &[unfed]);
    let quorum = base.replace(of, "view_of: {store: orders, lag: 1s}").replace(
        "write: 2ms, cores: 8",
        "write: 2ms, cores: 8, replication: {quorum: {replicas: 3}}",
    );
    check_in(&quorum, &[("log", "lag: 1s", "lag: 2s", "15:50 E-CONFLICT", "no log to feed")]);
    let placed = base
        .replace("network:", "topology: {regions: {r: [a, b]}}\nnetwork:")
        .replace("same_zone: 1ms", "same_zone: 1ms, same_region: 1ms");
    let several = "write: 2ms, cores: 8, replication: {multi_leader: {leaders: [a, b], conflict: version_vector}}";
    check_in(
        &placed,
        &[("leaders", "write: 2ms, cores: 8", several, "16:29 E-CONFLICT", "several leaders")],
    );
    let claims =
        base.replace("  other: {store: {read: 1ms}}", "slos: ['stale_read_fraction <= 1%']");
    let fresh = (
        "fresh",
        "stale_read_fraction <= 1%",
        "stale_read_fraction == 0",
        "16:8 W-CLAIM",
        "behind its source",
    );
    check_in(&claims, &[fresh]);
}
