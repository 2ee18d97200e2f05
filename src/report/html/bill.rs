//! The bill: a row for each node and class of traffic.
//!
//! **Invariant.** As in `html.rs`; what has no price is named below the sum.

use std::fmt::Write;

use super::table::{Cell, Table};
use crate::{
    report::{
        cost::sums,
        text::{Quantity, escape, estimate, grouped},
    },
    results::{Estimate, Results},
};

/// What everything costs a month.
pub(super) fn bill(out: &mut String, results: &Results) {
    let (Some(sum), Some(cost)) = (&results.summary.cost, &results.cost) else { return };
    let money = |figure: &Estimate| Cell::plain(estimate(Quantity::Money, figure));
    let part =
        |figure: &Option<Estimate>| figure.as_ref().map_or(Cell::plain(String::new()), money);
    let header = ["", "instances", "storage", "calls", "traffic", "a month"];
    let mut table = Table::new("What it costs", &header);
    let nothing = || Cell::plain(String::new());
    for (name, node) in &results.nodes {
        let Some(node) = &node.cost else { continue };
        let (hours, storage, calls) = (part(&node.hours), part(&node.storage), part(&node.calls));
        let name = Cell::plain(name.clone());
        table.row(&[name, hours, storage, calls, nothing(), money(&node.per_month)]);
    }
    let runs = results.replications.len().max(1) as f64;
    for (class, traffic) in &cost.traffic {
        let Some(paid) = &traffic.per_month else { continue };
        let sent = format!("{} GB measured", grouped(traffic.bytes as f64 / runs / 1e9, 3));
        let name = Cell::plain(class.replace('_', " "));
        table.row(&[name, nothing(), nothing(), nothing(), Cell::plain(sent), money(paid)]);
    }
    let all = Cell::plain("all".to_owned());
    table.row(&[all, nothing(), nothing(), nothing(), nothing(), money(&sum.per_month)]);
    out.push_str(&table.finish());
    for line in sums(results) {
        let _ = writeln!(out, "<p>{}.</p>", escape(&line));
    }
    let told: Vec<String> = cost.assumptions.iter().map(|text| escape(text)).collect();
    let _ = writeln!(out, "<p class=\"muted\">{}</p>", told.join(" "));
}
