//! Replicas, backups, and keys that move between shards: what stands of them on the terminal and on the page.
//!
//! **Invariant.** What a protocol does not have is left blank, not 0.

use super::{
    grid::Lines,
    table::figures,
    text::{Quantity, shorten, value},
};
use crate::results::{
    BackupsResults, Distribution, Estimate, MovedResults, ReplicasResults, Results,
};

/// What is said of the replicas of each store.
pub(super) const COLUMNS: [&str; 7] =
    ["Replicas", "of a shard", "messages", "lag p99", "lag max", "new leaders", "leaderless max"];

/// A table of stores with replicas.
pub(super) fn lines(out: &mut Lines, results: &Results) {
    figures(out, &COLUMNS, |shown| rows(results, shown));
}

/// A row for each store with replicas, its figures as `shown`.
pub(super) fn rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (name, node) in &results.nodes {
        let Some(of) = node.replicas.as_deref() else { continue };
        let each = node.shards.first().map_or(0, |shard| shard.replicas.len());
        let time = |of: Option<&Distribution>, pick: fn(&Distribution) -> &Estimate| {
            of.map_or_else(String::new, |of| shown(Quantity::Duration, pick(of)))
        };
        let lag = of.replication_lag.as_ref().filter(|lag| lag.count > 0);
        let elections = of.elections.as_ref();
        let leaderless = elections.map(|of| &of.leaderless).filter(|of| of.count > 0);
        rows.push(vec![
            shorten(name, 20),
            each.to_string(),
            value(Quantity::Number, messages(of)),
            time(lag, |of| &of.p99),
            time(lag, |of| &of.max),
            elections.map_or_else(String::new, |of| shown(Quantity::Number, &of.count)),
            time(leaderless, |of| &of.max),
        ]);
    }
    rows
}

fn messages(of: &ReplicasResults) -> f64 {
    of.messages.values().filter_map(|sent| sent.value).sum()
}

/// What is said of backups.
pub(super) const BACKUPS: [&str; 6] =
    ["Backups", "snapshots", "restores", "keys", "longest", "older by"];

/// A table of stores with backups.
pub(super) fn backup_lines(out: &mut Lines, results: &Results) {
    figures(out, &BACKUPS, |shown| backup_rows(results, shown));
}

/// A row for each of them, its figures as `shown`. What was restored in no replication has no time.
pub(super) fn backup_rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let of = |(name, backups): (&String, &BackupsResults)| {
        let time = |of: &Estimate| match of.value {
            Some(_) => shown(Quantity::Duration, of),
            None => "-".to_owned(),
        };
        vec![
            shorten(name, 20),
            shown(Quantity::Number, &backups.snapshots),
            shown(Quantity::Number, &backups.restores),
            shown(Quantity::Number, &backups.keys),
            time(&backups.time),
            time(&backups.age),
        ]
    };
    let stores = results.nodes.iter();
    stores.filter_map(|(name, node)| Some((name, node.backups.as_deref()?))).map(of).collect()
}

/// What is said of keys that moved to other shards.
pub(super) const MOVED: [&str; 5] =
    ["Moved to other shards", "keys", "of those held", "bytes", "until all had"];

/// A table of stores whose keys moved.
pub(super) fn moved_lines(out: &mut Lines, results: &Results) {
    figures(out, &MOVED, |shown| moved_rows(results, shown));
}

/// A row for each of them, its figures as `shown`. A move that was over in no replication has no time.
pub(super) fn moved_rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let of = |(name, moved): (&String, &MovedResults)| {
        let over = moved.time.value.is_some();
        vec![
            shorten(name, 20),
            shown(Quantity::Number, &moved.keys),
            shown(Quantity::Share, &moved.fraction),
            shown(Quantity::Number, &moved.bytes),
            if over { shown(Quantity::Duration, &moved.time) } else { "not seen".to_owned() },
        ]
    };
    let stores = results.nodes.iter();
    stores.filter_map(|(name, node)| Some((name, node.moved.as_deref()?))).map(of).collect()
}
