//! Error budgets and their alerts on the page.
//!
//! **Invariant.** As in `report/budgets.rs`.

use std::fmt::Write;

use super::table::{Cell, Table};
use crate::{
    report::{
        budgets::{COLUMNS, not_judged, rows, spent},
        text::{escape, estimate},
    },
    results::Results,
};

/// What was spent, and when alerts would have told of it.
pub(super) fn budgets(out: &mut String, results: &Results) {
    if results.budgets.is_empty() {
        return;
    }
    let mut table = Table::new("Error budgets", &COLUMNS);
    for row in rows(results, estimate) {
        let cells: Vec<Cell> = row.into_iter().map(Cell::plain).collect();
        table.row(&cells);
    }
    out.push_str(&table.finish());
    for line in spent(results) {
        let _ = writeln!(out, "<p>{}.</p>", escape(&line));
    }
    for line in not_judged(results) {
        let _ = writeln!(out, "<p class=\"warning\">{}</p>", escape(&line));
    }
    out.push_str(
        "<p class=\"muted\">Detected after the start of a fault, reset after its end, at looks; of faults with a \
         page. Spent by then: since the fault began, of a whole window's budget. Missed: faults a run that spent what \
         the alert is made for, without a page. A false page looked at no time with a fault.</p>\n",
    );
}
