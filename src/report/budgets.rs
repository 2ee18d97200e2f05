//! Error budgets and their alerts: what stands on the terminal and on the page.
//!
//! **Invariant.** An alert that was not judged says so and why.

use super::{
    grid::{Grid, Lines},
    table::cell,
    text::{Quantity, clean, duration, estimate, shorten, value},
};
use crate::{
    results::{BudgetResults, BurnResults, Estimate, Results},
    units::SimDuration,
};

/// What is said of each alert.
pub(super) const COLUMNS: [&str; 7] = [
    "Budget alert",
    "fired, times",
    "detected after",
    "reset after",
    "spent by then",
    "missed",
    "false pages a month",
];

/// What was spent, and a table of alerts.
pub(super) fn lines(out: &mut Lines, results: &Results) {
    if results.budgets.is_empty() {
        return;
    }
    out.blank();
    for line in spent(results) {
        out.pair("Budget", &line);
    }
    out.table(|intervals| {
        let mut grid = Grid::new(&COLUMNS);
        grid.rows = rows(results, |quantity, figure| cell(quantity, figure, intervals));
        grid
    });
    for line in not_judged(results) {
        out.wrapped("  ", &line);
    }
}

/// What each budget was spent to.
pub(super) fn spent(results: &Results) -> Vec<String> {
    let one = |(name, budget): (&String, &BudgetResults)| {
        let (name, objective) = (clean(name), clean(&budget.objective));
        let window = duration(budget.window);
        match budget.spent.value {
            None => format!("{name}: no request of `{objective}` was decided"),
            Some(_) => format!(
                "{name}: {} of what `{objective}` allows in {window} was spent",
                estimate(Quantity::Share, &budget.spent)
            ),
        }
    };
    results.budgets.iter().map(one).collect()
}

/// A row for each alert, its figures as `shown`.
pub(super) fn rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let one = |name: &str, alert: &BurnResults| {
        let fired = match alert.inconclusive {
            Some(_) => "not judged".to_owned(),
            None => shown(Quantity::Number, &alert.fired),
        };
        vec![
            format!("{} {}", shorten(name, 16), which(alert)),
            fired,
            shown(Quantity::Duration, &alert.detect),
            shown(Quantity::Duration, &alert.reset),
            shown(Quantity::Share, &alert.spent_at_page),
            shown(Quantity::Number, &alert.missed),
            shown(Quantity::Number, &alert.false_pages_per_month),
        ]
    };
    let budgets = results.budgets.iter();
    budgets.flat_map(|(name, of)| of.alerts.iter().map(|alert| one(name, alert))).collect()
}

/// Which alerts were not judged, and why.
pub(super) fn not_judged(results: &Results) -> Vec<String> {
    let one = |name: &str, alert: &BurnResults| {
        let why = alert.inconclusive.as_ref()?;
        Some(format!("{} {} is not judged: {}.", clean(name), which(alert), clean(why)))
    };
    let budgets = results.budgets.iter();
    budgets.flat_map(|(name, of)| of.alerts.iter().filter_map(|alert| one(name, alert))).collect()
}

/// `14.4x 1h/5m`
fn which(alert: &BurnResults) -> String {
    let burn = value(Quantity::Number, alert.burn);
    let [long, short] =
        [alert.long, alert.short].map(|seconds| SimDuration(libm::round(seconds * 1e9) as u64));
    format!("{burn}x {long}/{short}")
}
