//! A capacity estimate for the terminal, for documents and for machines.
//!
//! **Invariant.** All three say the same lines in the same order.

use serde_json::{Value, json};

use super::{
    grid::Grid,
    text::{clean, duration},
};
use crate::{
    plan::{Bias, Line, Unit},
    results::Estimate,
};

/// A figure that was measured, with half of its interval.
fn simulated(unit: Unit, estimate: &Estimate) -> String {
    let Some(value) = estimate.value else { return "nothing".to_owned() };
    let half = estimate.upper.zip(estimate.lower).map(|(upper, lower)| (upper - lower) / 2.0);
    let shown = unit.show(value);
    match half.filter(|half| *half > 0.0) {
        Some(half) => format!("{shown} ± {}", unit.show(half)),
        None => shown,
    }
}

/// What stands behind a line: what was simulated, and why it is something else.
fn beside(line: &Line) -> String {
    let seen = line.simulated.as_ref().map(|seen| simulated(line.unit, seen));
    match (seen, &line.flag) {
        (Some(seen), Some(flag)) => format!("simulated {seen} (!) {flag}"),
        (Some(seen), None) => format!("simulated {seen}"),
        (None, _) => String::new(),
    }
}

fn rows(lines: &[Line]) -> Vec<Vec<String>> {
    let mut before = "";
    let mut row = |line: &Line| {
        let group = line.group.name();
        let first = std::mem::replace(&mut before, group) != group;
        let group = if first { group.to_owned() } else { String::new() };
        vec![
            group,
            line.name.clone(),
            line.unit.show(line.value),
            line.formula.clone(),
            beside(line),
        ]
    };
    lines.iter().map(&mut row).collect()
}

/// For the terminal.
#[must_use]
pub fn plan_text(lines: &[Line]) -> String {
    let mut grid = Grid::new(&["", "", "", "", ""]);
    grid.left = true;
    grid.rows = rows(lines);
    let lines = grid.lines();
    lines.into_iter().filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
}

/// For a document: a table in Markdown.
#[must_use]
pub fn plan_markdown(lines: &[Line]) -> String {
    let mut text = "| | | | formula | simulated |\n|---|---|---:|---|---|\n".to_owned();
    for row in rows(lines) {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        text += &format!("| {} |\n", cells.join(" | ").replace("simulated ", ""));
    }
    text
}

/// For machines.
#[must_use]
pub fn plan_json(lines: &[Line]) -> Value {
    let one = |line: &Line| {
        json!({
            "group": line.group.name(),
            "name": line.name,
            "value": line.value,
            "unit": line.unit.name(),
            "formula": line.formula,
            "simulated": line.simulated,
            "flag": line.flag,
        })
    };
    json!({ "lines": lines.iter().map(one).collect::<Vec<_>>() })
}

/// What is known to be wrong with a design in small: a line for each node that can be full.
#[must_use]
pub fn bias_text(name: &str, by: u64, known: &[Bias]) -> String {
    let mut out =
        format!("{}: 1/{by} of it; counts, rates and money are those of that part\n", clean(name));
    for bias in known {
        let [(full, wait), (small, longer)] = bias.lines;
        let node = clean(&bias.node);
        if full == small {
            out += &format!("  {node}: as in full, by {small} a line\n");
            continue;
        }
        let balanced = if bias.balanced { ", if its balancer kept one line" } else { "" };
        let more = duration(longer - wait);
        out += &format!(
            "  {node}: {small} a line instead of {full}: waits are {} instead of {} on average by Erlang C{balanced}, {more} too long\n",
            duration(longer),
            duration(wait)
        );
    }
    out
}
