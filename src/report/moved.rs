//! Keys that moved to other shards: what stands on the terminal and on the page.
//!
//! **Invariant.** A move that was over in no replication has no time.

use super::{
    grid::Lines,
    table::figures,
    text::{Quantity, shorten},
};
use crate::results::{Estimate, MovedResults, Results};

/// What is said of them.
pub(super) const COLUMNS: [&str; 5] =
    ["Moved to other shards", "keys", "of those held", "bytes", "until all had"];

/// A table of stores whose keys moved.
pub(super) fn lines(out: &mut Lines, results: &Results) {
    figures(out, &COLUMNS, |shown| rows(results, shown));
}

/// A row for each of them, its figures as `shown`.
pub(super) fn rows(
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
    stores.filter_map(|(name, node)| Some((name, node.moved.as_ref()?))).map(of).collect()
}
