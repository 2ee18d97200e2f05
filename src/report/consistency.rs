//! What clients saw of the data: what stands on the terminal and on the page.
//!
//! **Invariant.** What was not checked is never called right.

use super::{
    grid::{Grid, Lines},
    table::cell,
    text::{Quantity, clean, clock, estimate, plural, shorten, value},
};
use crate::results::{ConsistencyResults, Estimate, Results, WitnessResults};

/// What is said of each store.
pub(super) const COLUMNS: [&str; 7] =
    ["Data", "reads", "writes", "stale reads", "oldest", "linearizable", "lost writes"];

/// A table of stores, and what must be said about it.
pub(super) fn lines(out: &mut Lines, results: &Results) {
    if results.consistency.is_none() {
        return;
    }
    out.blank();
    out.table(|intervals| {
        let mut grid = Grid::new(&COLUMNS);
        grid.rows = rows(results, |quantity, figure| cell(quantity, figure, intervals));
        grid
    });
    for line in notes(results) {
        out.wrapped("  ", &line);
    }
}

fn stores(results: &Results) -> impl Iterator<Item = (&String, &ConsistencyResults)> {
    let nodes = results.nodes.iter();
    nodes.filter_map(|(name, node)| Some((name, node.consistency.as_ref()?)))
}

/// A row for each store that is followed, its figures as `shown`.
pub(super) fn rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let one = |(name, of): (&String, &ConsistencyResults)| {
        let count = |kinds: &[&str]| {
            let all = kinds.iter().filter_map(|kind| of.operations.get(*kind)?.value);
            value(Quantity::Number, all.sum())
        };
        vec![
            shorten(name, 20),
            count(&["read"]),
            count(&["write", "delete", "cas", "increment"]),
            shown(Quantity::Share, &of.stale_read_fraction),
            shown(Quantity::Duration, &of.staleness_age.max),
            match of.linearizable {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not known",
            }
            .to_owned(),
            shown(Quantity::Number, &of.lost_acked_writes),
        ]
    };
    stores(results).map(one).collect()
}

/// What else is known: contradictions, with an example, and what was left out.
pub(super) fn notes(results: &Results) -> Vec<String> {
    let mut all = Vec::new();
    for (name, of) in stores(results) {
        let name = clean(name);
        if of.linearizable == Some(false) {
            let found = estimate(Quantity::Number, &of.violations);
            let example = example(&of.witness);
            all.push(format!(
                "{name}: answers contradict each other, {found} times a run: no order of reads and writes explains \
                 them{example}"
            ));
        }
        for (cause, keys) in &of.not_checked {
            let keys = estimate(Quantity::Number, keys);
            all.push(format!(
                "{name}: {keys} keys a run were not checked: what `{}` finds is not followed.",
                clean(cause)
            ));
        }
        if let Some(share) = of.followed.value.filter(|share| *share < 1.0) {
            let share = value(Quantity::Share, share);
            all.push(format!("{name}: of {share} of the keys the history was followed."));
        }
        if of.lost_acked_writes.value.is_some_and(|lost| lost > 0.0) {
            let lost = estimate(Quantity::Number, &of.lost_acked_writes);
            all.push(format!(
                "{name}: {lost} writes a run were acknowledged by a cache, and nobody holds them any more."
            ));
        }
    }
    all
}

/// `. For example key 7: ..`
fn example(witness: &[WitnessResults]) -> String {
    let Some(first) = witness.first() else { return ".".to_owned() };
    let when = |at: Option<f64>, what: &str| at.map(|at| format!("{what} at {}", clock(at)));
    let one = |op: &WitnessResults| {
        let times = [when(op.invoked, "begun"), when(op.returned, "answered")];
        let version = match op.version.as_str() {
            "0" => "what was there before the run".to_owned(),
            version => shorten(version, 6),
        };
        let verb = if op.operation == "read" { "read of" } else { op.operation.as_str() };
        format!("{verb} {version} {}", times.into_iter().flatten().collect::<Vec<_>>().join(", "))
    };
    let all: Vec<String> = witness.iter().map(one).collect();
    let count = plural(all.len() as u64, "operation");
    format!(". The first {count}, of key {}: {}.", first.key, all.join("; "))
}
