//! The designs of a file side by side: a row for each.
//!
//! **Invariant.** A column stands only where some design has its figure.

use super::{
    grid::{Grid, Lines},
    table::{LEAST_WIDTH, cell, p99_of_all, status},
    text::{Quantity, shorten, value},
};
use crate::results::{ConsistencyResults, Estimate, Judgement, Results};

/// Longest name of a design in a table.
pub(super) const LONGEST: usize = 24;

/// The results of a design, and what it is called.
pub type Named<'r> = (String, &'r Results);

/// A column: its name, and what stands there.
type Column = (&'static str, fn(&Results, bool) -> Option<String>);

const COLUMNS: [Column; 12] = [
    ("availability", |of, intervals| {
        shown(Some(&of.summary.figures.availability), intervals, Quantity::Share)
    }),
    ("goodput", |of, intervals| {
        shown(Some(&of.summary.figures.goodput), intervals, Quantity::Rate)
    }),
    ("p50", |of, intervals| {
        shown(Some(&of.summary.figures.latency.p50), intervals, Quantity::Duration)
    }),
    ("p99 of all", |of, intervals| Some(p99_of_all(&of.summary.figures, intervals))),
    ("stale reads", |of, intervals| {
        shown(data(of).map(|data| &data.stale_read_fraction), intervals, Quantity::Share)
    }),
    ("linearizable", |of, _| {
        let is_one =
            |is_one: Option<bool>| is_one.map_or("not known", |is| if is { "yes" } else { "no" });
        data(of).map(|data| is_one(data.linearizable).to_owned())
    }),
    ("lost writes", |of, intervals| {
        shown(data(of).map(|data| &data.lost_acked_writes), intervals, Quantity::Number)
    }),
    ("lost updates", |of, intervals| {
        shown(data(of).and_then(|data| data.lost_updates.as_ref()), intervals, Quantity::Number)
    }),
    ("done again", |of, intervals| {
        let again = data(of).and_then(|data| data.duplicate_applies.as_ref());
        shown(again, intervals, Quantity::Number)
    }),
    ("lock overlaps", |of, intervals| {
        shown(data(of).and_then(|data| data.lock_overlaps.as_ref()), intervals, Quantity::Number)
    }),
    ("cost a month", |of, intervals| {
        shown(of.summary.cost.as_ref().map(|cost| &cost.per_month), intervals, Quantity::Money)
    }),
    ("objectives met", |of, _| met(of)),
];

fn shown(figure: Option<&Estimate>, intervals: bool, quantity: Quantity) -> Option<String> {
    figure.map(|figure| cell(quantity, figure, intervals))
}

fn data(of: &Results) -> Option<&ConsistencyResults> {
    of.consistency.as_ref()
}

/// How many of its targets a design meets.
fn met(of: &Results) -> Option<String> {
    let own = || of.slos.iter().filter(|slo| !slo.is_of_baseline());
    let judged = |verdict| own().filter(|slo| slo.verdict == verdict).count();
    let (met, missed, all) = (judged(Judgement::Met), judged(Judgement::Missed), own().count());
    let open = match all - met - missed {
        0 => String::new(),
        open => format!(", {open} open"),
    };
    (all > 0).then(|| format!("{met} of {all}{open}"))
}

/// Designs side by side, for a terminal `width` columns wide.
pub fn designs_text(designs: &[Named<'_>], width: u16) -> String {
    let mut out = Lines { width: usize::from(width).max(LEAST_WIDTH), text: String::new() };
    let Some((_, first)) = designs.first() else { return out.text };
    out.wrapped("  ", &status(first));
    out.blank();
    out.table(|intervals| {
        let cells = |of: &Results| COLUMNS.map(|(_, show)| show(of, intervals));
        let rows: Vec<_> = designs.iter().map(|(name, of)| (name, cells(of))).collect();
        let there = |column: &usize| rows.iter().any(|(_, row)| row[*column].is_some());
        let there: Vec<usize> = (0..COLUMNS.len()).filter(there).collect();
        let names = there.iter().map(|&column| COLUMNS[column].0);
        let mut grid = Grid::new(&std::iter::once("Design").chain(names).collect::<Vec<_>>());
        for (name, row) in rows {
            let shown = there.iter().map(|&c| row[c].clone().unwrap_or_else(|| "-".to_owned()));
            grid.rows.push(std::iter::once(shorten(name, LONGEST)).chain(shown).collect());
        }
        grid
    });
    for (name, of) in designs.iter().filter(|(_, of)| of.status != first.status) {
        let share = value(Quantity::Number, of.seeds.len() as f64);
        let name = shorten(name, LONGEST);
        out.wrapped("  ", &format!("{name}: {} after {share} replications", of.status));
    }
    out.text
}
