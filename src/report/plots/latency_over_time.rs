//! Latency percentiles over time.

use super::{
    NOTHING_DECIDED, SIMULATED_TIME,
    axis::Axis,
    decided,
    frame::{Figure, Line},
    known, limits, most, nothing, over_time, source, timed,
};
use crate::{
    report::text::{Quantity, duration},
    results::Results,
};

const TITLE: &str = "Latency over time";

/// p50 to p99.9 of every window, all clients together.
pub(super) fn figure(results: &Results) -> Figure {
    let Some(all) = decided(results) else { return nothing(TITLE, NOTHING_DECIDED) };
    let percentiles =
        [("p50", &all.p50), ("p95", &all.p95), ("p99", &all.p99), ("p99.9", &all.p999)];
    let highest = most(percentiles.iter().flat_map(|(_, values)| values.iter().copied()));
    let limits = limits::of_latency(results, highest);
    let top = limits.iter().map(|limit| limit.0).fold(highest, f64::max);
    let mut panel = timed(results, "latency", Axis::from_zero(Quantity::Duration, top));
    panel.limits = limits;
    for (name, values) in percentiles {
        let points = over_time(results, known(all, values.iter().copied()));
        panel.lines.push(Line { name: name.into(), points });
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
        x_name: SIMULATED_TIME,
        panels: vec![panel],
        nothing: None,
    }
}
