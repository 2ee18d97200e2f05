//! Sagas: how they ended, on the terminal and on the page.
//!
//! **Invariant.** As in `results.rs`.

use super::text::{Quantity, clean, estimate, shorten};
use crate::results::{Estimate, Results, SagaResults};

/// What is said of the sagas of each service.
pub(super) const COLUMNS: [&str; 4] = ["Sagas", "done", "undone", "unfinished"];

fn services(results: &Results) -> impl Iterator<Item = (&String, &SagaResults)> {
    results.nodes.iter().filter_map(|(name, node)| Some((name, node.sagas.as_deref()?)))
}

/// A row for each service with sagas, its figures as `shown`.
pub(super) fn rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let one = |(name, of): (&String, &SagaResults)| {
        let ends = [&of.done, &of.compensated, &of.unfinished];
        let figures = ends.map(|figure| shown(Quantity::Number, figure));
        std::iter::once(shorten(name, 20)).chain(figures).collect()
    };
    services(results).map(one).collect()
}

/// What went on after a crash, and what nobody finished.
pub(super) fn notes(results: &Results) -> Vec<String> {
    let left = services(results).filter(|(_, of)| of.unfinished.value > Some(0.0));
    let one = |(name, of): (&String, &SagaResults)| {
        let count = estimate(Quantity::Number, &of.unfinished);
        format!(
            "{}: {count} sagas a run died with their process: what was done of them stays, and nobody undoes it.",
            clean(name)
        )
    };
    let resumed = services(results).filter_map(|(name, of)| {
        let resumed = of.resumed.as_ref().filter(|of| of.value > Some(0.0))?;
        let count = estimate(Quantity::Number, resumed);
        Some(format!(
            "{}: {count} sagas a run went on from their log after their process had died.",
            clean(name)
        ))
    });
    resumed.chain(left.map(one)).collect()
}
