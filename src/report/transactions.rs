//! Keys in doubt, on the terminal and on the page.
//!
//! **Invariant.** As in `results.rs`.

use super::text::{Quantity, count, shorten};
use crate::results::{Estimate, Results};

/// What is said of the keys of each store that transactions write.
pub(super) const COLUMNS: [&str; 5] = ["Keys in doubt", "promises", "mean", "p99", "max"];

/// A row for each such store, its figures as `shown`.
pub(super) fn rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let stores = results.nodes.iter();
    let stores = stores.filter_map(|(name, node)| Some((name, node.in_doubt.as_deref()?)));
    let stores = stores.filter(|(_, doubt)| doubt.count > 0);
    stores
        .map(|(name, doubt)| {
            let times = [&doubt.mean, &doubt.p99, &doubt.max];
            let times = times.map(|time| shown(Quantity::Duration, time));
            [shorten(name, 20), count(doubt.count)].into_iter().chain(times).collect()
        })
        .collect()
}
