//! Views that are fed by the log of a store whose keys move from shard to shard.

use crate::{
    bad_input::told,
    copied_views::{LED, under_faults},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
    views::{at_search, fed, near, view},
};

/// A source of two shards, that are to be five after a minute and three after two, and a view.
fn grows(source: &str, view: &str) -> String {
    let changes = [(60, 5), (120, 3)].map(|(at, shards)| {
        format!("- {{id: at{at}, at: {at}s, set: {{nodes.orders.store.shards.count: {shards}}}}}\n")
    });
    fed(view, &format!("faults:\n{}", changes.concat()))
        .replace("\nnetwork", "\ntopology: {regions: {r: [a, b, c]}}\nnetwork")
        .replace("same_zone: 1ms", "same_zone: 1ms, same_region: 1ms")
        .replace(
            "write: 2ms, cores: 8",
            &format!("write: 2ms, cores: 8, keys: 100, shards: {{count: 2, move: 10/s}}{source}"),
        )
}

const RAFT: &str = ", zones: [a, b, c], replication: {raft: {replicas: 3}}";

#[test]
fn what_moves_is_shown_as_late_as_all_else_and_in_order() {
    let copied = ", replication: {raft: {replicas: 1}}";
    // What a majority has to know first is there 2 ms later.
    for (source, view_of, later) in [("", "", 0.0), (RAFT, "", 2.0), ("", copied, 0.0)] {
        // So long between two writes that none is behind another one on its way.
        let text = grows(source, view_of).replace("poisson(20/s)", "constant(20/s)");
        let found = results_of(&text, 1);
        // It leaves after 40 ms, is 1 ms on its way and 5 ms of work.
        near(view(&found, "lag.mean") * 1e3, 46.0 + later);
        assert_eq!(view(&found, "inversions"), 0.0, "{text}");
        assert!(number(&found, "nodes.orders.moved.keys") > 70.0, "{text}");
        // What came with a key had come to the view before.
        let written = number(&found, "nodes.orders.consistency.operations.write");
        assert!((view(&found, "applied") - written).abs() < 3.0, "{written}");
    }
}

/// The same source as its view is tested with, whose keys move meanwhile.
fn moves(source: &str, copies: &str, seed: u64) -> String {
    let text = under_faults(source, copies, "", seed).replace(
        "write: 1ms, cores: 8, shards: {count: 2}",
        "write: 1ms, cores: 8, keys: 200, shards: {count: 2, move: 40/s}",
    );
    let changes = [(3, 4), (8, 3), (14, 2)].map(|(at, shards)| {
        format!("{{id: at{at}, at: {at}s, set: {{nodes.orders.store.shards.count: {shards}}}}}, ")
    });
    text.replace("faults: [", &format!("faults: [{}", changes.concat()))
}

#[test]
fn a_view_is_as_its_source_when_that_has_moved_its_keys() {
    let sources = [
        "",
        ", replication: {raft: {replicas: 3}}",
        ", replication: {leader_follower: {followers: 2, ack: sync, failover: {detect: 500ms}}}",
    ];
    let mut seed = 400;
    let mut moved = 0.0;
    for copies in ["", LED[0], LED[1]] {
        for source in sources {
            for _ in 0..8 {
                seed += 1;
                let mut text = moves(source, if copies.is_empty() { LED[0] } else { copies }, seed);
                if copies.is_empty() {
                    let (source, view) = text.split_once("  search:").unwrap();
                    let alone = view.replace(&format!(", replication: {{{}}}", LED[0]), "");
                    text = format!("{source}  search:{alone}")
                        .replace("replica: leader", "shard: 0")
                        .replace("replica: 1", "shard: 1");
                }
                let found = results_of(&text, 1);
                let reads = at_search(&found, "operations.read");
                assert!(reads > 790.0, "{reads}\n{text}");
                assert_eq!(at_search(&found, "stale_reads"), 0.0, "of {reads}\n{text}");
                moved += number(&found, "nodes.orders.moved.keys");
            }
        }
    }
    assert!(moved > 100.0 * 72.0, "{moved}");
}

#[test]
fn what_has_moved_is_shown_even_if_its_old_shard_loses_what_it_had_to_say() {
    // The keys of the second shard move to the first one within a second; what it wrote in the last two has not left yet when it
    // loses all.
    let text = fed(
        "",
        "faults:
- {id: shrinks, at: 60s, set: {nodes.orders.store.shards.count: 1}}
- {id: dies, at: 61s, for: 1s, crash: {node: orders, shard: 1, lose_data: true}}",
    )
    .replace("lag: 40ms", "lag: 2s")
    .replace(
        "write: 2ms, cores: 8",
        "write: 2ms, cores: 8, keys: 100, shards: {count: 2, move: 100/s}",
    )
    .replace(
        "poisson(20/s), keys",
        "poisson(100/s), load: [{at: 0s, factor: 1}, {at: 60s, factor: 0}], keys",
    )
    .replace("warm_up: 10s", "warm_up: 70s");
    let found = results_of(&text, 1);
    assert!(number(&found, "nodes.orders.moved.keys") > 30.0);
    assert_eq!(number(&found, "nodes.orders.consistency.lost_acked_writes"), 0.0);
    assert!(at_search(&found, "operations.read") > 40_000.0);
    assert_eq!(at_search(&found, "stale_reads"), 0.0);
}

#[test]
fn they_are_the_same_on_one_and_two_threads() {
    for seed in [7, 8] {
        let text = moves(", replication: {raft: {replicas: 3}}", LED[2], seed);
        let one = bytes_of_run(&text, "--jobs 1 --replications 2");
        assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 2"));
    }
}

#[test]
fn a_view_whose_own_keys_move_is_refused() {
    let own = "write: 5ms, cores: 8, shards: {count: 2, move: 10/s}";
    let text = grows("", "").replace("write: 5ms, cores: 8", own);
    let told = told(text.as_bytes());
    let refused = "14:50 E-UNSUPPORTED a log that feeds a view, and keys of `search` that move";
    assert!(told[0].starts_with(refused), "{told:?}");
}
