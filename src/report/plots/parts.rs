//! What charts have in common: the time axis with what happened on it, values of windows, sources.

use super::{
    axis,
    frame::{Figure, Panel, Span},
};
use crate::{
    report::text::{duration, plural, shorten},
    results::{ClientSeries, EventKind, Results},
};

/// The client series `all`, if any request was decided in any window.
pub(super) fn decided(results: &Results) -> Option<&ClientSeries> {
    let all = results.series.clients.get("all")?;
    all.availability.iter().any(Option::is_some).then_some(all)
}

/// A figure that says why it is empty.
pub(super) fn nothing(title: &str, why: &str) -> Figure {
    Figure { title: title.into(), nothing: Some(why.into()), ..Figure::default() }
}

pub(super) const NOTHING_DECIDED: &str = "No request was decided, so there is nothing to show";

/// Where the run comes from, for subtitles: `shop-surge, 10 replications merged`.
pub(super) fn source(results: &Results) -> String {
    let name = shorten(&results.scenario, 40);
    match results.replications.len() as u64 {
        0 | 1 => name,
        n => format!("{name}, {}", plural(n, "replication")),
    }
}

/// Spans of one fault that are shaded, at most.
const SHADED: usize = 40;

/// A panel over simulated time with warm-up and faults shaded, and the first firing of alerts marked.
pub(super) fn timed(results: &Results, name: &'static str, y: axis::Axis) -> Panel {
    let mut spans = Vec::new();
    if results.warm_up > 0.0 {
        let label = format!("warm-up ({}), not counted", duration(results.warm_up));
        spans.push(Span { from: 0.0, to: results.warm_up, label, fault: false });
    }
    for fault in &results.faults {
        for (i, (from, to)) in fault.shown().into_iter().take(SHADED).enumerate() {
            let name = fault.title.as_ref().unwrap_or(&fault.id);
            let label = if i == 0 { shorten(name, 32) } else { String::new() };
            // An instant is drawn as a thin line.
            let to = to.max(from + results.duration / 500.0);
            spans.push(Span { from, to, label, fault: true });
        }
    }
    for alert in &results.alerts {
        if let Some(from) = alert.fired.value {
            let label = format!("! {}", shorten(&alert.id, 22));
            spans.push(Span { from, to: from + results.duration / 500.0, label, fault: false });
        }
    }
    // Steps of the load, as they were seen.
    for event in &results.timeline.events {
        let (rose, client) = (event.kind == EventKind::LoadRose, &event.subject);
        if (rose || event.kind == EventKind::LoadFell) && results.clients.contains_key(client) {
            let label =
                format!("{} load {}", shorten(client, 16), if rose { "up" } else { "down" });
            let to = event.at + results.duration / 500.0;
            spans.push(Span { from: event.at, to, label, fault: false });
        }
    }
    let all = results.series.clients.get("all");
    if let Some(from) = all.and_then(|all| all.undecided.iter().position(|open| *open)) {
        let from = results.series.start.get(from).copied().unwrap_or(results.duration);
        let label = "still on their way".to_owned();
        spans.push(Span { from, to: results.duration, label, fault: false });
    }
    // Labels are placed from left to right; results name faults in the order of their ids.
    spans.sort_by(|a, b| a.from.total_cmp(&b.from));
    let x = axis::Axis::clock(results.duration);
    Panel {
        name: name.into(),
        height: 260,
        x,
        y,
        spans,
        lines: vec![],
        bands: vec![],
        limits: vec![],
    }
}

/// Fewer windows than this are drawn as steps.
const FEW_WINDOWS: usize = 24;

/// The values of windows at their middles; as steps when windows are few and wide.
pub(super) fn over_time(
    results: &Results,
    values: impl IntoIterator<Item = Option<f64>>,
) -> Vec<(f64, Option<f64>)> {
    let steps = results.series.start.len() < FEW_WINDOWS;
    let mut points = Vec::new();
    for ((start, length), value) in
        results.series.start.iter().zip(&results.series.length).zip(values)
    {
        if steps {
            points.extend([(*start, value), (start + length, value)]);
        } else {
            points.push((start + length / 2.0, value));
        }
    }
    points
}

/// The values of windows by intended send, up to those whose requests are on their way as the run ends.
pub(super) fn known(
    client: &ClientSeries,
    values: impl IntoIterator<Item = Option<f64>>,
) -> impl Iterator<Item = Option<f64>> {
    let open = client.undecided.iter().copied().chain(std::iter::repeat(false));
    values.into_iter().zip(open).map(|(value, open)| value.filter(|_| !open))
}

/// The largest finite value.
pub(super) fn most(values: impl IntoIterator<Item = Option<f64>>) -> f64 {
    values.into_iter().flatten().filter(|v| v.is_finite()).fold(0.0, f64::max)
}
