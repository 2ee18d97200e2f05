//! What the design costs, for the terminal, and in words for the page.
//!
//! **Invariant.** A sum never stands without what it leaves out.

use super::{
    grid::Lines,
    text::{Quantity, clean, estimate},
};
use crate::results::Results;

/// The sums in one line, and what they leave out.
pub(super) fn lines(out: &mut Lines, results: &Results) {
    for (i, line) in sums(results).into_iter().enumerate() {
        out.pair(if i == 0 { "Cost" } else { "" }, &line);
    }
}

/// What it comes to, and what has no price; nothing where nothing has one.
pub(super) fn sums(results: &Results) -> Vec<String> {
    let Some(cost) = &results.summary.cost else { return Vec::new() };
    let of = |figure| estimate(Quantity::Money, figure);
    let mut sums = format!("{} a month, {} an hour", of(&cost.per_month), of(&cost.per_hour));
    if cost.per_million_ok.value.is_some() {
        sums += &format!(", {} per million good answers", of(&cost.per_million_ok));
    }
    let unpriced = results.cost.as_ref().map(|cost| cost.unpriced.as_slice()).unwrap_or_default();
    let without = format!("without {}: no price", clean(&unpriced.join(", ")));
    std::iter::once(sums).chain((!unpriced.is_empty()).then_some(without)).collect()
}
