//! Environments of functions, on the terminal and on the page.
//!
//! **Invariant.** As in `results.rs`.

use super::text::{Quantity, shorten};
use crate::results::{EnvironmentResults, Estimate, Results};

/// What is said of the environments of each function.
pub(super) const COLUMNS: [&str; 7] =
    ["Function", "cold starts", "cold share", "environments", "most", "idle", "GB-s"];

fn functions(results: &Results) -> impl Iterator<Item = (&String, &EnvironmentResults)> {
    results.nodes.iter().filter_map(|(name, node)| Some((name, node.environments.as_deref()?)))
}

/// A row for each function, its figures as `shown`.
pub(super) fn rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let one = |(name, of): (&String, &EnvironmentResults)| {
        vec![
            shorten(name, 20),
            shown(Quantity::Number, &of.cold_starts),
            shown(Quantity::Share, &of.cold_share),
            shown(Quantity::Number, &of.environments.mean),
            shown(Quantity::Number, &of.environments.max),
            shown(Quantity::Number, &of.idle),
            match of.gb_seconds.value {
                None => "-".to_owned(),
                Some(_) => shown(Quantity::Number, &of.gb_seconds),
            },
        ]
    };
    functions(results).map(one).collect()
}
