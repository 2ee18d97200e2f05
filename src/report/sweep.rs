//! A sweep in words, as a table for spreadsheets, and as JSON.
//!
//! **Invariant.** A cell is told with its settings, and nothing of it depends on the order in which cells were done.

use std::collections::BTreeMap;

use super::{
    compare::label,
    csv::{Table, number, text},
    grid::{Grid, Lines},
    table::{cell, slo_measured},
    text::{Quantity, clean, count, grouped, plural, value},
};
use crate::{
    results::{Break, ComparedMetric, Scalability, SloResult, Sweep, SweepAxis, SweptCell},
    units::show::decimals_for,
};

/// Of more cells than this there is no table on a terminal.
const TABLE: usize = 40;
/// Of more lines of cells than this the first are told.
const TOLD: usize = 8;
/// What a table shows, where it is known.
const SHOWN: [&str; 5] =
    ["availability", "goodput", "p50(latency)", "p99(latency)", "cost.per_month"];

/// `cells.json`.
#[must_use]
pub fn sweep_json(sweep: &Sweep) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(sweep).expect("maps have text keys");
    bytes.push(b'\n');
    bytes
}

/// `cells.csv`: a row for each cell; `metric`, `metric_lower` and `metric_upper` of each figure; times in seconds.
#[must_use]
pub(super) fn sweep_csv(sweep: &Sweep) -> Vec<u8> {
    let mut table = Table::new();
    let metrics = || sweep.plan.metrics.iter().map(|metric| metric.metric.as_str());
    let objectives = objectives(sweep);
    let mut header = vec!["cell".to_owned()];
    header.extend(sweep.plan.axes.iter().map(|axis| text(&axis.path)));
    for metric in metrics() {
        header.extend(["", "_lower", "_upper"].map(|end| text(&format!("{metric}{end}"))));
    }
    header.extend(objectives.iter().map(|expression| text(expression)));
    header.extend(["replications", "status", "fingerprint"].map(String::from));
    table.row(header);
    for cell in &sweep.done {
        let mut row = vec![cell.cell.to_string()];
        let setting = |axis: &SweepAxis| cell.settings.get(&axis.path).map(|value| text(value));
        row.extend(sweep.plan.axes.iter().map(|axis| setting(axis).unwrap_or_default()));
        for metric in metrics() {
            let figure = cell.figures.get(metric);
            let of = figure.map(|figure| figure.figure.estimate);
            row.push(match figure {
                Some(figure) if figure.beyond => "inf".to_owned(),
                _ => number(of.as_ref().and_then(|of| of.value.as_ref())),
            });
            row.push(number(of.as_ref().and_then(|of| of.lower.as_ref())));
            row.push(number(of.as_ref().and_then(|of| of.upper.as_ref())));
        }
        let verdict = |expression: &String| {
            let slo = cell.slos.iter().find(|slo| slo.expression == *expression);
            slo.map_or_else(String::new, |slo| text(&slo.verdict))
        };
        row.extend(objectives.iter().map(verdict));
        row.extend([cell.replications.to_string(), text(&cell.status), text(&cell.fingerprint)]);
        table.row(row);
    }
    table.bytes()
}

/// Every objective of any cell, in the order they come up.
fn objectives(sweep: &Sweep) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for slo in sweep.done.iter().flat_map(|cell| &cell.slos) {
        if !all.contains(&slo.expression) {
            all.push(slo.expression.clone());
        }
    }
    all
}

/// The sweep for a terminal `width` columns wide.
#[must_use]
pub fn sweep_text(sweep: &Sweep, width: u16) -> String {
    let mut out = Lines { width: usize::from(width), text: String::new() };
    out.wrapped("  ", &headline(sweep));
    out.blank();
    if sweep.done.len() <= TABLE && !sweep.done.is_empty() {
        out.table(|intervals| grid(sweep, &sweep.done.iter().collect::<Vec<_>>(), intervals));
        out.blank();
    }
    for sentence in sentences(sweep, TOLD) {
        out.wrapped("  ", &sentence);
    }
    out.text
}

/// What was swept, and how much of it is done.
pub(super) fn headline(sweep: &Sweep) -> String {
    let plan = &sweep.plan;
    let axis = |axis: &SweepAxis| format!("{} {}", axis.values.len(), short(&axis.path));
    let axes: Vec<String> = plan.axes.iter().map(axis).collect();
    let axes = if plan.drawn {
        let names: Vec<String> = plan.axes.iter().map(|axis| short(&axis.path)).collect();
        format!("points over {}", names.join(", "))
    } else {
        axes.join(" x ")
    };
    let done = match sweep.done.len() as u64 {
        n if n == plan.cells => String::new(),
        n => format!(", {} done", count(n)),
    };
    format!(
        "{}: {} ({axes}){done}; {} each, {} intervals",
        clean(&plan.scenario),
        plural(plan.cells, "cell"),
        clean(&plan.rule),
        value(Quantity::Share, plan.confidence),
    )
}

/// A path without what its kind says anyway: `clients.apps.load` is `apps.load`.
pub(super) fn short(path: &str) -> String {
    let one = |path: &str| {
        let parts: Vec<&str> = path.trim().split('.').collect();
        match parts[..] {
            ["nodes", name, _, ref rest @ ..] if !rest.is_empty() => {
                format!("{name}.{}", rest.join("."))
            }
            ["clients" | "nodes", ref rest @ ..] if !rest.is_empty() => rest.join("."),
            _ => path.trim().to_owned(),
        }
    };
    clean(&path.split('+').map(one).collect::<Vec<_>>().join(" + "))
}

/// Cells as rows.
pub(super) fn grid(sweep: &Sweep, cells: &[&SweptCell], intervals: bool) -> Grid {
    let axes = &sweep.plan.axes;
    let known = |metric: &&ComparedMetric| {
        let named = SHOWN.contains(&metric.metric.as_str());
        named && cells.iter().any(|cell| cell.figures.contains_key(&metric.metric))
    };
    let metrics: Vec<&ComparedMetric> = sweep.plan.metrics.iter().filter(known).collect();
    let judged = cells.iter().any(|cell| !cell.slos.is_empty());
    // One column, so that it stands beside every part of a table that is too wide.
    let names: Vec<String> = axes.iter().map(|axis| short(&axis.path)).collect();
    let mut header = vec![names.join(", ")];
    header.extend(metrics.iter().map(|metric| label(&metric.metric)));
    header.extend(judged.then(|| "objectives met".to_owned()));
    let mut grid = Grid::new(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for of in cells {
        let setting = |axis: &SweepAxis| of.settings.get(&axis.path).map(|value| clean(value));
        let own: Vec<String> = axes.iter().filter_map(setting).collect();
        let mut row = vec![own.join(", ")];
        row.extend(metrics.iter().map(|metric| figure(metric, of, intervals)));
        row.extend(judged.then(|| met(of)));
        grid.rows.push(row);
    }
    grid
}

/// A figure of a cell.
fn figure(metric: &ComparedMetric, of: &SweptCell, intervals: bool) -> String {
    let Some(figure) = of.figures.get(&metric.metric) else { return "-".to_owned() };
    match figure.figure.never.filter(|never| figure.beyond && *never > 0.0) {
        Some(never) => format!("{} never answered", value(Quantity::Share, never)),
        None => cell(Quantity::of_unit(&metric.unit), &figure.figure.estimate, intervals),
    }
}

fn met(cell: &SweptCell) -> String {
    let of = |verdict: &str| cell.slos.iter().filter(|slo| slo.verdict == verdict).count();
    let (met, missed, all) = (of("met"), of("missed"), cell.slos.len());
    let open = match all - met - missed {
        0 => String::new(),
        open => format!(", {open} open"),
    };
    if all == 0 { "none".to_owned() } else { format!("{met} of {all}{open}") }
}

/// What the cells say together.
pub(super) fn sentences(sweep: &Sweep, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let findings = &sweep.findings;
    let judged = sweep.done.iter().any(|cell| !cell.slos.is_empty());
    let cell = |number: u64| sweep.done.iter().find(|cell| cell.cell == number);
    match (findings.best.and_then(cell), &findings.best_by) {
        (Some(best), Some(by)) => {
            let metric = sweep.plan.metrics.iter().find(|metric| metric.metric == *by);
            let figure = metric.map_or_else(String::new, |metric| figure(metric, best, true));
            let least = if by == "cost.per_month" { "the cheapest" } else { "the fastest" };
            lines.push(format!(
                "Best: cell {} ({}), {least} that meets all objectives: {} {figure}.",
                best.cell,
                settings(&best.settings),
                label(by),
            ));
        }
        _ if judged => lines.push("No cell meets all objectives.".to_owned()),
        _ if !sweep.done.is_empty() => {
            lines.push("The file has no objectives (`slos`), so no cell is best.".to_owned());
        }
        _ => {}
    }
    let breaks = findings.breaks.iter().take(most).map(|of| broken(sweep, of));
    lines.extend(breaks);
    let more = findings.breaks.len().saturating_sub(most) as u64;
    if more > 0 {
        lines.push(format!("{} more along the axes: see report.html.", plural(more, "line")));
    }
    // Where objectives say what is too slow, they say it better.
    let knees = if judged { 0 } else { most };
    lines.extend(findings.knees.iter().take(knees).map(|of| {
        format!("{}: p99 takes off after {}.", along(&of.axis, &of.with), clean(&of.at))
    }));
    lines.extend(findings.scalability.iter().take(most).map(|of| scalability(sweep, of)));
    lines
}

/// `clients.apps.load=1.5, variant=base`.
pub(super) fn settings(settings: &BTreeMap<String, String>) -> String {
    let one = |(path, value): (&String, &String)| format!("{}={}", short(path), clean(value));
    settings.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn along(axis: &str, with: &BTreeMap<String, String>) -> String {
    let with = if with.is_empty() { String::new() } else { format!(" with {}", settings(with)) };
    format!("Along {}{with}", short(axis))
}

fn broken(sweep: &Sweep, of: &Break) -> String {
    let along = along(&of.axis, &of.with);
    let values = sweep.plan.axes.iter().find(|axis| axis.path == of.axis).map(|axis| &axis.values);
    let last = values.and_then(|values| values.last()).map(|value| clean(value));
    let missed = of.objective.as_ref().map_or_else(String::new, objective);
    let again = of.again.as_ref().map(|value| clean(value));
    match (&of.holds, &of.breaks) {
        (Some(holds), None) if Some(clean(holds)) == last => {
            format!("{along}: no value misses an objective, up to {}.", clean(holds))
        }
        (_, None) => format!("{along}: no value is shown to miss an objective."),
        (Some(holds), Some(breaks)) => {
            let again = again.map_or_else(String::new, |v| format!("; {v} meets them all again"));
            let place =
                |of: &String| values.and_then(|all| all.iter().position(|value| value == of));
            let next = place(breaks) == place(holds).map(|place| place + 1);
            let open = if next { "" } else { ", is not decided in between" };
            format!(
                "{along}: holds to {}{open}, breaks at {} ({missed}){again}.",
                clean(holds),
                clean(breaks)
            )
        }
        (None, Some(breaks)) => match again {
            Some(first) => format!(
                "{along}: {first} is the first to meet all objectives; {} does not ({missed}).",
                clean(breaks)
            ),
            None => {
                format!("{along}: no value meets all objectives; at {} {missed}.", clean(breaks))
            }
        },
    }
}

/// `p99(latency) <= 200ms is 212 ms`.
fn objective(of: &SloResult) -> String {
    format!("{} is {}", clean(&of.expression), slo_measured(of))
}

fn scalability(sweep: &Sweep, of: &Scalability) -> String {
    let axis = sweep.plan.axes.iter().find(|axis| axis.path == of.axis);
    let numbers = axis.and_then(|axis| crate::units::along(&axis.values)).unwrap_or_default();
    let largest = numbers.into_iter().fold(0.0, f64::max);
    let share = |x: f64| value(Quantity::Share, x);
    let peak = match of.n_peak {
        Some(n) if n <= largest => format!("most at {}", grouped(n, 0)),
        Some(n) if n <= 4.0 * largest => {
            format!("most at {}, beyond what was simulated", grouped(n, 0))
        }
        _ => "no end of it is in sight".to_owned(),
    };
    format!(
        "{}: goodput grows as by the Universal Scalability Law: one does {}, {} of it is contention, {} coherence; \
         {peak} (R² {}).",
        along(&of.axis, &of.with),
        value(Quantity::Rate, of.gamma),
        share(of.sigma),
        share(of.kappa),
        grouped(of.r2, decimals_for(of.r2, 3)),
    )
}
