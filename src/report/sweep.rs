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
    results::{
        Break, ComparedMetric, Judgement, Scalability, SloResult, Sweep, SweepAxis, SweptCell,
        SweptFigure,
    },
    units::show::decimals_for,
};

/// Of more cells than this there is no table on a terminal.
const TABLE: usize = 40;
/// Of more lines of cells than this the first are told.
const TOLD: usize = 8;
/// What a table leaves to the files unless somebody asked for it.
const NOT_SHOWN: [&str; 4] =
    ["mean(latency)", "attempts_per_request", "stale_read_fraction", "lost_acked_writes"];

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
            slo.map_or_else(String::new, |slo| text(slo.verdict.name()))
        };
        row.extend(objectives.iter().map(verdict));
        row.extend([
            cell.replications.to_string(),
            text(cell.status.name()),
            text(&cell.fingerprint),
        ]);
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
        let named = NOT_SHOWN.contains(&metric.metric.as_str());
        !named && cells.iter().any(|cell| cell.figures.contains_key(&metric.metric))
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
    let of = |verdict| cell.slos.iter().filter(|slo| slo.verdict == verdict).count();
    let (met, missed, all) = (of(Judgement::Met), of(Judgement::Missed), cell.slos.len());
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
                "Best: cell {} ({}), {least} that meets all objectives: {} {figure}{}.",
                best.cell,
                settings(sweep, &best.settings),
                label(by),
                as_good(sweep, best, by),
            ));
        }
        _ if judged => lines.push("No cell meets all objectives.".to_owned()),
        _ if !sweep.done.is_empty() => {
            lines.push("The file has no objectives (`slos`), so no cell is best.".to_owned());
        }
        _ => {}
    }
    let breaks = alike(&findings.breaks);
    lines.extend(breaks.iter().take(most).map(|of| broken(sweep, of)));
    let more = breaks.len().saturating_sub(most) as u64;
    if more > 0 {
        lines.push(format!("{} more along the axes: see report.html.", plural(more, "line")));
    }
    // Where objectives say what is too slow, they say it better.
    let knees = if judged { 0 } else { most };
    lines.extend(findings.knees.iter().take(knees).map(|of| {
        format!("{}: p99 takes off after {}.", along(sweep, &of.axis, &of.with), clean(&of.at))
    }));
    lines.extend(findings.scalability.iter().take(most).map(|of| scalability(sweep, of)));
    lines
}

/// How many others meet all objectives with the same figure: the first of them is named, which is no merit of it.
fn as_good(sweep: &Sweep, best: &SweptCell, by: &str) -> String {
    let value = |cell: &SweptCell| cell.figures.get(by).and_then(SweptFigure::value);
    let meets = |cell: &&SweptCell| cell.slos.iter().all(|slo| slo.verdict == Judgement::Met);
    let same = sweep.done.iter().filter(meets).filter(|cell| value(cell) == value(best)).count();
    match same.saturating_sub(1) as u64 {
        0 => String::new(),
        n => format!(", as of {}", plural(n, "other cell")),
    }
}

/// `apps.load=1.5, variant=base`, in the order of the axes.
pub(super) fn settings(sweep: &Sweep, settings: &BTreeMap<String, String>) -> String {
    let one = |axis: &SweepAxis| {
        let value = settings.get(&axis.path)?;
        Some(format!("{}={}", short(&axis.path), clean(value)))
    };
    sweep.plan.axes.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

fn along(sweep: &Sweep, axis: &str, with: &BTreeMap<String, String>) -> String {
    let with =
        if with.is_empty() { String::new() } else { format!(" with {}", settings(sweep, with)) };
    format!("Along {}{with}", short(axis))
}

/// Lines of cells that break alike, in the order of their first.
fn alike(breaks: &[Break]) -> Vec<Vec<&Break>> {
    let mut groups: Vec<Vec<&Break>> = Vec::new();
    for of in breaks {
        let same = |other: &&mut Vec<&Break>| {
            let key = |of: &Break| {
                (of.axis.clone(), of.holds.clone(), of.breaks.clone(), of.again.clone())
            };
            key(other[0]) == key(of)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(of),
            None => groups.push(vec![of]),
        }
    }
    groups
}

fn broken(sweep: &Sweep, group: &[&Break]) -> String {
    let of = group[0];
    let mut along = along(sweep, &of.axis, &of.with);
    match group {
        [] | [_] => {}
        [_, other] => along += &format!(", and with {}", settings(sweep, &other.with)),
        [_, others @ ..] => along += &format!(", and with {} other settings", others.len()),
    }
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

/// `p99(latency) <= 200ms: 212 ms`.
fn objective(of: &SloResult) -> String {
    format!("{}: {}", clean(&of.expression), slo_measured(of))
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
        along(sweep, &of.axis, &of.with),
        value(Quantity::Rate, of.gamma),
        share(of.sigma),
        share(of.kappa),
        grouped(of.r2, decimals_for(of.r2, 3)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{fixture, sweep_files},
        results::{ComparedFigure, Estimate, Knee, Status, SweepFindings, SweepPlan},
    };

    fn metric(metric: &str, unit: &str, better: &str) -> ComparedMetric {
        ComparedMetric {
            metric: metric.to_owned(),
            unit: unit.to_owned(),
            better: better.to_owned(),
        }
    }

    fn figure(value: f64) -> SweptFigure {
        SweptFigure {
            figure: ComparedFigure {
                estimate: Estimate {
                    value: Some(value),
                    lower: Some(value * 0.9),
                    upper: Some(value * 1.1),
                    ..Estimate::default()
                },
                never: None,
            },
            ..SweptFigure::default()
        }
    }

    /// Availability falls with the part of the way.
    fn objective_at(part: f64) -> SloResult {
        SloResult {
            expression: "availability >= 60%".to_owned(),
            estimate: Estimate { value: Some(1.0 - part / 2.0), ..Estimate::default() },
            verdict: if part > 0.8 { Judgement::Missed } else { Judgement::Met },
            reason: None,
            margin: None,
            unit: None,
        }
    }

    /// A sweep over these axes whose figures grow with the number of the cell; the last is beyond any limit and misses an
    /// objective, one is not done.
    fn sweep(axes: &[(&str, &[&str])], drawn: bool) -> Sweep {
        let axes: Vec<SweepAxis> = axes
            .iter()
            .map(|(path, values)| SweepAxis {
                path: (*path).to_owned(),
                values: values.iter().map(|value| (*value).to_owned()).collect(),
            })
            .collect();
        let lengths = axes.iter().map(|axis| axis.values.len());
        let cells = if drawn { lengths.max().unwrap() } else { lengths.product() };
        let done = (0..cells as u64).filter(|cell| *cell != 1).map(|cell| {
            let mut rest = cell as usize;
            let mut settings = BTreeMap::new();
            for axis in axes.iter().rev() {
                let place = if drawn { cell as usize } else { rest % axis.values.len() };
                rest /= axis.values.len();
                settings.insert(axis.path.clone(), axis.values[place].clone());
            }
            let part = cell as f64 / cells as f64;
            let beyond = SweptFigure { beyond: true, ..SweptFigure::default() };
            let last = cell as usize == cells - 1;
            let figures = [
                ("p99(latency)", if last { beyond } else { figure(0.01 * libm::exp(5.0 * part)) }),
                ("availability", figure(1.0 - part / 2.0)),
            ];
            SweptCell {
                cell,
                settings,
                status: Status::Complete,
                figures: figures.map(|(name, figure)| (name.to_owned(), figure)).into(),
                slos: vec![objective_at(part)],
                ..SweptCell::default()
            }
        });
        let done: Vec<SweptCell> = done.collect();
        Sweep {
            plan: SweepPlan {
                scenario: "shop".to_owned(),
                axes,
                drawn,
                cells: cells as u64,
                rule: "5 replications".to_owned(),
                confidence: 0.95,
                metrics: vec![
                    metric("p99(latency)", "s", "lower"),
                    metric("availability", "fraction", "higher"),
                ],
                ..SweepPlan::default()
            },
            status: Status::Interrupted,
            findings: SweepFindings {
                best: Some(0),
                best_by: Some("p99(latency)".to_owned()),
                ..SweepFindings::default()
            },
            done,
        }
    }

    const LOADS: &[&str] = &["0.5", "1", "1.5", "2", "2.5"];
    const TIMES: &[&str] = &["100ms", "200ms", "400ms"];
    const WORDS: &[&str] = &["base", "no-retries"];
    const LOAD: &str = "clients.apps.load";
    const TIME: &str = "clients.apps.timeout";

    fn pictures(sweep: &Sweep) -> BTreeMap<String, String> {
        let files = sweep_files(sweep).into_iter();
        let text = files.map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap()));
        let all: BTreeMap<_, _> = text.collect();
        for (name, svg) in all.iter().filter(|(name, _)| name.ends_with(".svg")) {
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
            assert!(svg.trim_end().ends_with("</svg>"), "{name}");
        }
        all
    }

    #[test]
    fn axes_say_which_pictures_there_are() {
        let names = |axes: &[(&str, &[&str])], drawn| -> Vec<String> {
            let names = pictures(&sweep(axes, drawn)).into_keys();
            names.filter(|name| name.ends_with(".svg")).collect()
        };
        assert_eq!(names(&[(LOAD, LOADS), ("variant", WORDS)], false), ["curves.svg"]);
        assert_eq!(names(&[("variant", WORDS)], false), ["cells.svg"]);
        assert_eq!(
            names(&[(LOAD, LOADS), (TIME, TIMES), ("variant", WORDS)], false),
            ["curves.svg", "map_availability.svg", "map_p99.svg"]
        );
        // Fifteen lines are too many for one picture.
        assert_eq!(
            names(&[(LOAD, LOADS), (TIME, TIMES), ("a.b", TIMES)], false)[..4],
            ["curves_1.svg", "curves_2.svg", "curves_3.svg", "map_availability.svg"]
        );
        assert_eq!(
            names(&[(LOAD, LOADS), ("variant", &["a", "b", "a", "b", "a"])], true),
            ["points_1.svg", "points_2.svg"]
        );
    }

    #[test]
    fn maps_say_each_figure_and_who_misses_an_objective() {
        let all = pictures(&sweep(&[(LOAD, LOADS), (TIME, TIMES)], false));
        let svg = &all["map_availability.svg"];
        for text in
            ["availability over apps.load and apps.timeout", "93.3 %", "53.3 %", "400ms", "2.5"]
        {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(all["map_p99.svg"].contains("never"));
        assert!(all["report.html"].contains("<svg "));
    }

    #[test]
    fn a_table_stands_beside_its_settings_and_infinity_is_said() {
        let of = sweep(&[(LOAD, LOADS), ("variant", WORDS)], false);
        let text = sweep_text(&of, 100);
        assert!(text.contains("10 cells (5 apps.load x 2 variant), 9 done"), "{text}");
        assert!(text.contains("0.5, base"), "{text}");
        assert!(text.contains("Best: cell 0 (apps.load=0.5, variant=base)"), "{text}");
        assert!(!text.contains("as of"), "{text}");
        // Where others are as good, that is said.
        let mut alike = of.clone();
        let first = alike.done[0].figures.clone();
        alike.done[1].figures.clone_from(&first);
        assert!(
            sweep_text(&alike, 200).contains("p99 10.0 ± 1.0 ms, as of 1 other cell."),
            "{}",
            sweep_text(&alike, 200)
        );
        let csv = String::from_utf8(sweep_csv(&of)).unwrap();
        assert_eq!(csv.lines().count(), 10);
        assert!(csv.lines().last().unwrap().starts_with("9,2.5,no-retries,inf,,,"), "{csv}");
    }

    #[test]
    fn sentences_along_an_axis_are_true() {
        let mut of = sweep(&[(LOAD, LOADS)], false);
        let told = |of: &Sweep, holds: Option<&str>, breaks: Option<&str>, again: Option<&str>| {
            let text = |value: Option<&str>| value.map(str::to_owned);
            let objective = breaks.and_then(|_| of.done.last()?.slos.first().cloned());
            let one = Break {
                axis: LOAD.to_owned(),
                holds: text(holds),
                breaks: text(breaks),
                again: text(again),
                objective,
                ..Break::default()
            };
            broken(of, &[&one])
        };
        assert_eq!(
            told(&of, Some("2.5"), None, None),
            "Along apps.load: no value misses an objective, up to 2.5."
        );
        assert_eq!(
            told(&of, Some("1"), None, None),
            "Along apps.load: no value is shown to miss an objective."
        );
        assert_eq!(
            told(&of, Some("1"), Some("1.5"), None),
            "Along apps.load: holds to 1, breaks at 1.5 (availability >= 60%: 60 %)."
        );
        assert!(
            told(&of, Some("1"), Some("2"), Some("2.5"))
                .contains("holds to 1, is not decided in between, breaks at 2")
        );
        assert!(
            told(&of, Some("1"), Some("2"), Some("2.5")).ends_with("; 2.5 meets them all again.")
        );
        assert!(
            told(&of, None, Some("0.5"), Some("2"))
                .contains("2 is the first to meet all objectives; 0.5 does not")
        );
        assert!(
            told(&of, None, Some("0.5"), None).contains("no value meets all objectives; at 0.5 ")
        );
        // A knee is told where no objective says more.
        of.findings.knees =
            vec![Knee { axis: LOAD.to_owned(), at: "2".to_owned(), ..Knee::default() }];
        assert!(!sentences(&of, 9).concat().contains("takes off"));
        of.done.iter_mut().for_each(|cell| cell.slos.clear());
        of.findings.best = None;
        let all = sentences(&of, 9).join("\n");
        assert!(all.contains("p99 takes off after 2.") && all.contains("no objectives"), "{all}");
    }

    #[test]
    fn payloads_stay_text() {
        for payload in fixture::PAYLOADS {
            let mut of =
                sweep(&[(LOAD, LOADS), (TIME, TIMES), ("variant", &["base", payload])], false);
            of.plan.scenario = payload.to_owned();
            for (name, text) in pictures(&of) {
                if name == "cells.csv" {
                    assert!(!text.contains(",=") && !text.contains(",\"="), "{payload:?}");
                } else if name != "cells.json" {
                    assert!(!text.contains("<script") && !text.contains("<img"), "{name}");
                    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{name}");
                }
            }
            let said = sweep_text(&of, 100);
            assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{payload:?}");
        }
    }
}
