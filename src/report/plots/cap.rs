//! Designs under a cut and without it: who is answered, how old that is, what is lost; what reads and writes take.
//!
//! **Invariant.** A row of a picture is a design, or a side of one; what was not measured has no mark.

use super::{
    axis::Axis,
    frame::{Figure, Line, Panel},
    parts::{most, nothing},
};
use crate::{
    report::{
        cap::named,
        text::{Quantity, shorten, value},
    },
    results::{Cap, CapDesign, CapLatency, CapNormal, CapSide, Estimate},
};

/// Height of a row.
const ROW: i32 = 26;
/// How far apart the marks of a row stand, in rows.
const APART: f64 = 0.26;
/// Longest name of a row.
const LONGEST: usize = 34;

/// Who is answered on each side while the cut holds, how old what they read is, and what is lost.
pub(super) fn partition(cap: &Cap) -> Figure {
    let title = "Under the cut: who is answered, and what that is worth";
    let sides: Vec<(&CapDesign, &CapSide)> =
        cap.designs.iter().flat_map(|of| of.sides.iter().map(move |side| (of, side))).collect();
    if sides.iter().all(|(_, side)| side.read_availability.value.is_none()) {
        return nothing(title, "No read was decided while the cut held");
    }
    let rows: Vec<String> = sides
        .iter()
        .map(|(of, side)| shorten(&format!("{}, side {}", of.name, named(of, side)), LONGEST))
        .collect();
    let marks = |name: &str, place: f64, of: &dyn Fn(&CapSide) -> Estimate| {
        let values = sides.iter().map(|(_, side)| of(side).value);
        marks(name, place, values, rows.len())
    };
    let lines = vec![
        marks("reads answered", 1.0, &|side| side.read_availability),
        marks("writes answered", 0.0, &|side| side.write_availability),
        marks("of answered: old", -1.0, &|side| side.stale_read_fraction),
    ];
    let lost = || cap.designs.iter().map(|of| of.lost_acked_writes.value);
    let names: Vec<String> = cap.designs.iter().map(|of| shorten(&of.name, LONGEST)).collect();
    let lost_lines = vec![marks_of(lost(), names.len())];
    let all = [
        panel("while it held", &rows, Axis::from_zero(Quantity::Share, 1.0), lines),
        panel("lost writes", &names, Axis::from_zero(Quantity::Number, most(lost())), lost_lines),
    ];
    Figure {
        title: title.to_owned(),
        subtitle: format!(
            "{}: requests sent from each side while it held; writes that were acknowledged and lost, in a whole run",
            shorten(&cap.scenario, 40)
        ),
        x_name: "acknowledged writes lost in a run".into(),
        panels: all.into(),
        nothing: None,
    }
}

/// What reads and writes take without any fault, by how much of what is read is old.
pub(super) fn normal(cap: &Cap) -> Figure {
    let title =
        "When nothing is wrong: what reads and writes take, by how much of what is read is old";
    let mut designs: Vec<(&CapDesign, &CapNormal)> =
        cap.designs.iter().filter_map(|of| Some((of, of.normal.as_ref()?))).collect();
    let old = |normal: &CapNormal| normal.stale_read_fraction.value.unwrap_or_default();
    designs.sort_by(|a, b| old(b.1).total_cmp(&old(a.1)));
    let times = || {
        let ends = |of: &CapLatency| [of.p50.value, of.p99.value];
        designs.iter().flat_map(move |(_, of)| [ends(&of.read), ends(&of.write)]).flatten()
    };
    let least = times().flatten().filter(|s| *s > 0.0).reduce(f64::min);
    let Some(least) = least else {
        return nothing(title, "No design was run without its faults, or none answered anybody");
    };
    let row = |(of, normal): &(&CapDesign, &CapNormal)| {
        let old = normal.stale_read_fraction.value.map(|old| value(Quantity::Share, old));
        let old = old.map_or_else(String::new, |old| format!(", {old} old"));
        format!("{}{old}", shorten(&of.name, LONGEST - 14))
    };
    let rows: Vec<String> = designs.iter().map(row).collect();
    let spread = |name: &str, place: f64, of: &dyn Fn(&CapNormal) -> CapLatency| {
        let mut line = Line { name: name.to_owned(), ..Line::default() };
        for (i, (_, normal)) in designs.iter().enumerate() {
            let y = (rows.len() - i) as f64 + place * APART;
            let latency = of(normal);
            let Some((p50, p99)) = latency.p50.value.zip(latency.p99.value) else { continue };
            line.points.extend([(p50, Some(y)), (p99, Some(y)), (p99, None)]);
            line.marked.extend([(p50, y), (p99, y)]);
        }
        line.points.extend(name_at(rows.len(), place));
        line
    };
    let lines = vec![
        spread("reads p50 to p99", 1.0, &|normal| normal.read.clone()),
        spread("writes p50 to p99", -1.0, &|normal| normal.write.clone()),
    ];
    let x = Axis::log_durations(least, most(times()));
    Figure {
        title: title.to_owned(),
        subtitle: format!(
            "{}: the same designs without their faults; the oldest reads on top",
            shorten(&cap.scenario, 40)
        ),
        x_name: "response time (logarithmic)".into(),
        panels: vec![panel("design", &rows, x, lines)],
        nothing: None,
    }
}

/// A mark in each row that has a value.
fn marks(name: &str, place: f64, values: impl Iterator<Item = Option<f64>>, rows: usize) -> Line {
    let at = |(i, value): (usize, Option<f64>)| Some((value?, (rows - i) as f64 + place * APART));
    let marked: Vec<(f64, f64)> = values.enumerate().filter_map(at).collect();
    // Each stands alone: nothing joins them.
    let points = marked.iter().flat_map(|&(x, y)| [(x, Some(y)), (x, None)]);
    let points = points.chain(name_at(rows, place)).collect();
    Line { name: name.to_owned(), points, marked }
}

/// Where the name of a line that is none stands: beside the first row, with nothing on the way to it.
fn name_at(rows: usize, place: f64) -> [(f64, Option<f64>); 1] {
    // What lies beyond an axis stands at its end.
    [(f64::MAX, Some(rows as f64 + place * APART))]
}

/// Lines from zero to a mark in each row.
fn marks_of(values: impl Iterator<Item = Option<f64>>, rows: usize) -> Line {
    let alone = marks("", 0.0, values, rows);
    let points = alone.marked.iter().flat_map(|&(x, y)| [(0.0, Some(y)), (x, Some(y)), (x, None)]);
    Line { points: points.collect(), ..alone }
}

fn panel(name: &'static str, rows: &[String], x: Axis, lines: Vec<Line>) -> Panel {
    Panel {
        name: name.into(),
        height: rows.len() as i32 * ROW + ROW,
        x,
        y: Axis::names(rows),
        spans: vec![],
        lines,
        bands: vec![],
        limits: vec![],
    }
}
