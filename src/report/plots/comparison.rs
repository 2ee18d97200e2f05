//! Designs compared: how far each differs from the base, and which are not beaten.

use super::{
    axis::Axis,
    frame::{Figure, Line, Panel, Span},
    parts::nothing,
};
use crate::{
    report::{
        compare::label,
        text::{Quantity, plural, shorten, value},
    },
    results::{ComparedDesign, Comparison},
};

/// What differs by more, ten times the base's figure, stands at the edge.
const MOST: f64 = 10.0;
/// Height of a row of the picture of differences for each design.
const ROW: i32 = 20;
/// The part of a row that its intervals fill.
const FILLED: f64 = 0.6;

/// Intervals of differences, in parts of the base's figure, a row for each metric.
pub(super) fn differences(comparison: &Comparison) -> Figure {
    let title = "Differences to the base, in per cent of its figure";
    let Some(base) = comparison.designs.first() else {
        return nothing(title, "There is nothing to compare");
    };
    let size = |metric: &str| {
        let size = base.figures.get(metric)?.estimate.value?.abs();
        (size > 0.0).then_some(size)
    };
    let others = &comparison.designs[1..];
    let shown = |metric: &&str| {
        let known = |design: &ComparedDesign| {
            let of = comparison.difference(metric, &design.name);
            of.is_some_and(|of| of.difference.lower.is_some() && of.difference.upper.is_some())
        };
        size(metric).is_some() && others.iter().any(known)
    };
    let metrics: Vec<&str> =
        comparison.metrics.iter().map(|m| m.metric.as_str()).filter(shown).collect();
    if metrics.is_empty() {
        return nothing(title, "No figure of the base can be compared with another design's");
    }
    let mut most = 0.0f64;
    let lines: Vec<Line> = others
        .iter()
        .enumerate()
        .map(|(i, design)| {
            let mut line = Line { name: design.name.clone(), ..Line::default() };
            for (row, metric) in metrics.iter().enumerate() {
                let Some(of) = comparison.difference(metric, &design.name) else { continue };
                let part = |v: Option<f64>| Some(v? / size(metric)?);
                let ends = part(of.difference.lower).zip(part(of.difference.upper));
                let Some((centre, (lower, upper))) = part(of.difference.value).zip(ends) else {
                    continue;
                };
                let place = (i as f64 + 0.5) / others.len() as f64 - 0.5;
                let y = (metrics.len() - row) as f64 - place * FILLED;
                line.points.extend([(lower, Some(y)), (upper, Some(y)), (upper, None)]);
                line.marked.push((centre, y));
                most = most.max(lower.abs()).max(upper.abs());
            }
            line
        })
        .collect();
    let names: Vec<String> = metrics.iter().map(|metric| shorten(&label(metric), 32)).collect();
    let edge = if most > MOST { ", beyond 1,000 % at the edge" } else { "" };
    let zero = Span { from: 0.0, to: 0.0, label: String::new(), fault: false };
    Figure {
        title: title.to_owned(),
        subtitle: format!(
            "{}: {} intervals of paired differences to {}{edge}",
            source(comparison),
            value(Quantity::Share, comparison.confidence),
            shorten(&base.name, 24),
        ),
        x_name: "change (logarithmic)".into(),
        panels: vec![Panel {
            name: "".into(),
            height: (metrics.len() * others.len()) as i32 * ROW + ROW,
            x: Axis::changes(most.min(MOST)),
            y: Axis::names(&names),
            spans: vec![zero],
            lines,
            bands: vec![],
            limits: vec![],
        }],
        nothing: None,
    }
}

fn source(comparison: &Comparison) -> String {
    let replications = plural(comparison.seeds.len() as u64, "replication");
    format!("{}, {replications}", shorten(&comparison.scenario, 40))
}

/// Each design by what it costs and its p99; without prices by its p99 and what it does not serve well.
pub(super) fn pareto(comparison: &Comparison) -> Figure {
    let title = "Which designs are not beaten";
    let known = |metric: &str| {
        let figures = comparison.designs.iter().filter_map(|design| design.figures.get(metric));
        figures.filter(|figure| figure.estimate.value.is_some()).count()
    };
    // Where too many requests are never answered for a p99, the median may still tell.
    let p99 = known("p99(latency)") >= known("p50(latency)");
    let (latency, latency_name) =
        if p99 { ("p99(latency)", "p99 of latency") } else { ("p50(latency)", "median latency") };
    let of = |design: &ComparedDesign, metric: &str| design.figures.get(metric)?.estimate.value;
    let time = |design: &ComparedDesign| of(design, latency);
    let cost = |design: &ComparedDesign| of(design, "cost.per_month");
    let failed = |design: &ComparedDesign| Some(1.0 - of(design, "availability")?);
    let priced = comparison.designs.iter().any(|design| cost(design).is_some());
    let points: Vec<(&ComparedDesign, f64, f64)> = comparison
        .designs
        .iter()
        .filter_map(|design| {
            let (across, up) = if priced {
                (cost(design)?, time(design)?)
            } else {
                (time(design)?, failed(design)?)
            };
            Some((design, across, up))
        })
        .collect();
    if points.is_empty() {
        return nothing(title, "No design answers half of its requests: there is nothing to place");
    }
    let most =
        |of: fn(&(&ComparedDesign, f64, f64)) -> f64| points.iter().map(of).fold(0.0, f64::max);
    let (across, up) = (most(|p| p.1), most(|p| p.2));
    let (x_name, name, x, y) = if priced {
        ("cost a month", latency_name, Quantity::Money, Quantity::Duration)
    } else {
        (latency_name, "not served well", Quantity::Duration, Quantity::Share)
    };
    let line = |&(design, x, y): &(&ComparedDesign, f64, f64)| {
        let beaten = if comparison.pareto.contains(&design.name) { "" } else { " (beaten)" };
        Line {
            name: format!("{}{beaten}", design.name),
            points: vec![(x, Some(y))],
            marked: vec![(x, y)],
        }
    };
    let left_out = comparison.designs.len() - points.len();
    let left_out = if left_out > 0 {
        format!("; {} without such figures not shown", plural(left_out as u64, "design"))
    } else {
        String::new()
    };
    Figure {
        title: title.to_owned(),
        subtitle: format!(
            "{}: further left and down is better; beaten: another is better in something and as good in the rest{left_out}",
            source(comparison)
        ),
        x_name: x_name.into(),
        panels: vec![Panel {
            name: name.into(),
            height: 320,
            x: Axis::from_zero(x, across).stretched(1.02),
            y: Axis::from_zero(y, up).stretched(1.05),
            spans: vec![],
            lines: points.iter().map(line).collect(),
            bands: vec![],
            limits: vec![],
        }],
        nothing: None,
    }
}
