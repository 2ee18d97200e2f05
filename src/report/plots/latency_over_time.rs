//! Latency percentiles over time.

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
        text::{Quantity, duration},
    },
    results::Results,
};

const TITLE: &str = "Latency over time";
/// The largest is so many times the median: a linear axis would show nothing but the largest.
const WIDE: f64 = 20.0;

/// p50 to p99.9 of every window, all clients together.
pub(super) fn figure(results: &Results) -> Figure {
    let Some(all) = decided(results) else { return nothing(TITLE, NOTHING_DECIDED) };
    let percentiles =
        [("p50", &all.p50), ("p95", &all.p95), ("p99", &all.p99), ("p99.9", &all.p999)];
    let highest = most(percentiles.iter().flat_map(|(_, values)| values.iter().copied()));
    let limits = limits::of_latency(results, &percentiles.map(|(name, _)| name), highest);
    let top = limits.iter().map(|limit| limit.0).fold(highest, f64::max);
    let (name, y) = match spread(percentiles.map(|(_, values)| values), top) {
        Some(least) => ("latency (logarithmic)", Axis::log_durations(least, top)),
        None => ("latency", Axis::from_zero(Quantity::Duration, top)),
    };
    let mut panel = timed(results, name, y);
    panel.limits = limits;
    for (name, values) in percentiles {
        let points = over_time(results, known(all, values.iter().copied()));
        panel.lines.push(Line { name: name.into(), points, ..Line::default() });
    }
    panel.height = 300;
    let latency = &results.summary.figures.latency;
    let over_all = match (latency.p50.value, latency.p99.value) {
        (Some(p50), Some(p99)) => {
            format!("; over the run p50 {}, p99 {}", duration(p50), duration(p99))
        }
        _ => String::new(),
    };
    Figure {
        title: TITLE.into(),
        subtitle: format!(
            "{}: ok and degraded requests by intended send{over_all}",
            source(results)
        ),
        x_name: SIMULATED_TIME.into(),
        panels: vec![panel],
        nothing: None,
    }
}

/// The least value, if they spread so far that it takes a logarithmic axis.
fn spread(percentiles: [&Vec<Option<f64>>; 4], most: f64) -> Option<f64> {
    let all = percentiles.into_iter().flatten().flatten().copied();
    let mut all: Vec<f64> = all.filter(|latency| *latency > 0.0).collect();
    all.sort_by(f64::total_cmp);
    let median = all.get(all.len() / 2)?;
    (most > WIDE * median).then_some(all[0])
}
