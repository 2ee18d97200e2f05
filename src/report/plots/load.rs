//! Goodput against offered load over time.

use super::{
    axis::Axis,
    frame::{Figure, Line},
    limits,
};
use crate::{
    report::{
        plots::{
            axis::SIMULATED_TIME,
            parts::{NOTHING_DECIDED, decided, known, most, nothing, over_time, source, timed},
        },
        text::{Quantity, value},
    },
    results::Results,
};

const TITLE: &str = "Throughput against offered load";

/// Offered, succeeded (late ones too) and good requests per second.
pub(super) fn figure(results: &Results) -> Figure {
    let Some(all) = decided(results) else { return nothing(TITLE, NOTHING_DECIDED) };
    let success = |i: usize| -> f64 {
        let of = |name| all.outcomes.get(name).and_then(|rates| rates.get(i));
        ["ok", "degraded"].into_iter().filter_map(of).sum()
    };
    let succeeded: Vec<f64> = (0..all.offered.len()).map(success).collect();
    let late = succeeded.iter().zip(&all.goodput).any(|(all, good)| *all > good * 1.001);
    let mut lines = vec![("offered load", &all.offered)];
    if late {
        lines.push(("throughput", &succeeded));
    }
    lines.push(("goodput", &all.goodput));
    let highest = most(lines.iter().flat_map(|(_, rates)| rates.iter().copied().map(Some)));
    let capacity = limits::capacity(results, highest);
    let top = capacity.iter().map(|level| level.0).fold(highest, f64::max);
    let mut panel = timed(results, "requests", Axis::from_zero(Quantity::Rate, top));
    panel.limits.extend(capacity);
    for (name, rates) in lines {
        let rates = rates.iter().copied().map(Some);
        // What is asked is known to the end.
        let points = if name == "offered load" {
            over_time(results, rates)
        } else {
            over_time(results, known(all, rates))
        };
        panel.lines.push(Line { name: name.into(), points, ..Line::default() });
    }
    let over_all = results.summary.figures.goodput.value.map_or_else(String::new, |goodput| {
        format!("; goodput over the run {}", value(Quantity::Rate, goodput))
    });
    Figure {
        title: TITLE.into(),
        subtitle: format!("{}: all clients, by intended send{over_all}", source(results)),
        x_name: SIMULATED_TIME.into(),
        panels: vec![panel],
        nothing: None,
    }
}
