//! What clients saw of the data, on the page.
//!
//! **Invariant.** As in `report/consistency.rs`.

use std::fmt::Write;

use super::table::{Cell, Table};
use crate::{
    report::{
        consistency::{COLUMNS, notes, rows},
        environments, queues, replicas, sagas,
        text::{escape, estimate},
        tiers,
    },
    results::Results,
};

/// How instances came and went, how environments and messages fared, and sagas ended.
pub(super) fn messages_and_sagas(out: &mut String, results: &Results) {
    let scaled = (tiers::scaled(results, estimate), Vec::new());
    counted(out, ("Instances that come and go", &tiers::SCALED), scaled);
    let bought = (tiers::bought(results, estimate), Vec::new());
    counted(out, ("Instances by how they are bought", &tiers::BOUGHT), bought);
    for line in tiers::notes(results) {
        let _ = writeln!(out, "<p class=\"muted\">{}</p>", escape(&line));
    }
    let of_functions = (environments::rows(results, estimate), Vec::new());
    counted(out, ("Functions", &environments::COLUMNS), of_functions);
    let of_queues = (queues::rows(results, estimate), queues::notes(results));
    counted(out, ("Queues", &queues::COLUMNS), of_queues);
    let of_groups = (tiers::groups(results, estimate), Vec::new());
    counted(out, ("Groups of logs", &tiers::GROUPS), of_groups);
    let of_sagas = (sagas::rows(results, estimate), sagas::notes(results));
    counted(out, ("Sagas", &sagas::COLUMNS), of_sagas);
}

/// A table of figures, and what is to be said of them.
fn counted(
    out: &mut String,
    (title, columns): (&str, &[&str]),
    (rows, notes): (Vec<Vec<String>>, Vec<String>),
) {
    if rows.is_empty() {
        return;
    }
    let mut table = Table::new(title, columns);
    for row in rows {
        let cells: Vec<Cell> = row.into_iter().map(Cell::plain).collect();
        table.row(&cells);
    }
    out.push_str(&table.finish());
    for line in notes {
        let _ = writeln!(out, "<p class=\"warning\">{}</p>", escape(&line));
    }
}

/// How old it was, and whether the answers fit together.
pub(super) fn data(out: &mut String, results: &Results) {
    if results.consistency.is_none() {
        return;
    }
    let mut table = Table::new("What clients saw of the data", &COLUMNS);
    for row in rows(results, estimate) {
        let cells: Vec<Cell> = row.into_iter().map(Cell::plain).collect();
        table.row(&cells);
    }
    out.push_str(&table.finish());
    let of_replicas = replicas::rows(results, estimate);
    if !of_replicas.is_empty() {
        let mut table = Table::new("Replicas", &replicas::COLUMNS);
        for row in of_replicas {
            let cells: Vec<Cell> = row.into_iter().map(Cell::plain).collect();
            table.row(&cells);
        }
        out.push_str(&table.finish());
    }
    for line in notes(results) {
        let _ = writeln!(out, "<p class=\"warning\">{}</p>", escape(&line));
    }
    out.push_str(
        "<p class=\"muted\">A read is stale when a newer version had been acknowledged before it began; oldest: how long \
         ago the first version it missed had been. Linearizable: one order of all operations, each between its call and \
         its answer, explains every answer.</p>\n",
    );
}
