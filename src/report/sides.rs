//! Those who ask on either side of a cut: what stands on the terminal and on the page.
//!
//! **Invariant.** A side of which nothing was decided has no figure.

use super::{
    grid::Lines,
    table::figures,
    text::{Quantity, shorten},
};
use crate::results::{Estimate, Results, SideOperations};

/// What is said of each side.
pub(super) const COLUMNS: [&str; 8] = [
    "Side of a cut",
    "availability before",
    "during",
    "after",
    "reads during",
    "writes during",
    "stale reads during",
    "lost writes",
];

/// A table of the sides of all cuts.
pub(super) fn lines(out: &mut Lines, results: &Results) {
    figures(out, &COLUMNS, |shown| rows(results, shown));
}

/// A row for each side of each cut, its figures as `shown`.
pub(super) fn rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let (of_all, shown) = (&shown, |share: &Estimate| shown(Quantity::Share, share));
    let count = |of: &Estimate| of_all(Quantity::Number, of);
    let cuts: Vec<_> = results.faults.iter().filter(|fault| !fault.sides.is_empty()).collect();
    let mut rows = Vec::new();
    for cut in &cuts {
        for side in &cut.sides {
            let of =
                if cuts.len() > 1 { format!("{}: ", shorten(&cut.id, 16)) } else { String::new() };
            let does = |name: &str| {
                let during = |of: &SideOperations| shown(&of.availability_during);
                side.operations.get(name).map_or_else(|| "-".to_owned(), during)
            };
            rows.push(vec![
                format!("{of}{}", side_name(&side.side, &side.names)),
                shown(&side.availability_before),
                shown(&side.availability_during),
                shown(&side.availability_after),
                does("read"),
                does("write"),
                side.stale_read_fraction.as_ref().map_or_else(|| "-".to_owned(), &shown),
                side.lost_acked_writes.as_ref().map_or_else(|| "-".to_owned(), count),
            ]);
        }
    }
    rows
}

/// A side by all its names, if they are few.
pub(super) fn side_name(side: &str, names: &[String]) -> String {
    let all = names.join(", ");
    shorten(if all.chars().count() <= 16 && !all.is_empty() { &all } else { side }, 24)
}
