//! Alerts and faults: when they were, and what came of them.

use std::fmt::Write as _;

use super::table::{Cell, Table};
use crate::{
    report::{
        costs, replicas, sides,
        table::{ALERT_COLUMNS, FAULT_COLUMNS, availability_around, recovered, when, words},
        text::{Quantity, estimate},
        transactions,
    },
    results::Results,
};

/// When alerts fired.
pub(super) fn alerts(out: &mut String, results: &Results) {
    if results.alerts.is_empty() {
        return;
    }
    let mut table = Table::new("Alerts", &ALERT_COLUMNS);
    for alert in &results.alerts {
        let time = |figure| Cell::plain(estimate(Quantity::Duration, figure));
        table.row(&[
            Cell::plain(alert.id.clone()),
            Cell::plain(estimate(Quantity::Number, &alert.count)),
            time(&alert.fired),
            time(&alert.resolved),
        ]);
    }
    out.push_str(&table.finish());
}

/// Availability around faults.
pub(super) fn faults(out: &mut String, results: &Results) {
    if results.faults.is_empty() {
        return;
    }
    let mut table = Table::new("Faults", &FAULT_COLUMNS);
    for fault in &results.faults {
        let share = |figure| Cell::plain(availability_around(fault, figure, true));
        table.row(&[
            Cell::plain(format!("{} ({})", fault.id, words(&fault.effect))),
            Cell::plain(when(fault)),
            share(&fault.availability_before),
            share(&fault.availability_during),
            share(&fault.availability_after),
            Cell::plain(recovered(fault, |time| estimate(Quantity::Duration, time))),
        ]);
    }
    out.push_str(&table.finish());
    out.push_str(
        "<p class=\"muted\">By the intended send. Recovered when availability, window by window, stays \
         at 99 % of what it was before; - when that was not seen in every replication. Stays down: in \
         the second half of the time after it, below 90 %.</p>\n",
    );
    figures(
        out,
        ("Data after faults", &costs::COLUMNS),
        costs::rows(results, estimate),
        "Lost: acknowledged, and gone by the fault; the time is from the first such acknowledgement to its beginning, \
         or to the last one. Reads and writes: from its beginning to the first answer in each shard where one failed. \
         Copies: from its end until each holds the newest of each key that any held then. Not seen: in some \
         replication it was not over.",
    );
    figures(
        out,
        ("Transactions", &transactions::COLUMNS),
        transactions::rows(results, estimate),
        "Keys that a shard had promised to a transaction: how often, in all replications, and how long each stayed locked until the shard \
         learned how it was decided.",
    );
    figures(
        out,
        ("Moved to other shards", &replicas::MOVED),
        replicas::moved_rows(results, estimate),
        "Keys of a store that a planned change gave another shard, over the whole run, and the time from the change until \
         the last of them was there.",
    );
    figures(
        out,
        ("Backups", &replicas::BACKUPS),
        replicas::backup_rows(results, estimate),
        "Over the whole run: snapshots of shards that came to where they are kept; shards that were restored, and with how many keys; from          when the process of one was back until it served, and how much older than what was lost that was which it was restored with,          the longest of each.",
    );
    figures(
        out,
        ("Sides of cuts", &sides::COLUMNS),
        sides::rows(results, estimate),
        "By the place of the client at the intended send. Writes: requests that may write data of a store that is \
         followed; reads: those that only read it.",
    );
}

/// A table of figures, if there are any, and what they mean.
fn figures(
    out: &mut String,
    (title, columns): (&str, &[&str]),
    rows: Vec<Vec<String>>,
    meaning: &str,
) {
    if rows.is_empty() {
        return;
    }
    let mut table = Table::new(title, columns);
    for row in rows {
        table.row(&row.into_iter().map(Cell::plain).collect::<Vec<_>>());
    }
    out.push_str(&table.finish());
    writeln!(out, "<p class=\"muted\">{meaning}</p>").expect("a text grows");
}
