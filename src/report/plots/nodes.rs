//! Per node over time: utilisation, and queue length.

use super::{
    SIMULATED_TIME,
    axis::Axis,
    frame::{Figure, Line},
    most, nothing, over_time, source, timed,
};
use crate::{report::text::Quantity, results::Results};

/// Lines that can be told apart.
const MOST_LINES: usize = 8;

/// Values of one node by window.
type Values = Vec<Option<f64>>;

/// Busy time over capacity of each node; nodes without bound are left out.
pub(super) fn utilisation(results: &Results) -> Figure {
    const TITLE: &str = "Utilisation per node";
    let nodes = results.series.nodes.iter();
    let bounded: Vec<(&str, Values)> = nodes
        .map(|(name, node)| (name.as_str(), node.utilisation.clone()))
        .filter(|(_, values)| values.iter().any(Option::is_some))
        .collect();
    if bounded.is_empty() {
        return nothing(TITLE, "No node has bounded capacity, so there is nothing to show");
    }
    let y = Axis::from_zero(Quantity::Share, 1.0);
    let names = ("utilisation", "busy share of its capacity");
    let mut figure = figure(results, TITLE, names, y, bounded);
    figure.panels[0].limits.push((1.0, "all it has".to_owned()));
    figure
}

/// Number waiting at each node.
pub(super) fn queue_length(results: &Results) -> Figure {
    const TITLE: &str = "Queue length per node";
    let nodes = results.series.nodes.iter();
    let waiting: Vec<(&str, Values)> = nodes
        .map(|(name, node)| (name.as_str(), node.in_queue.iter().copied().map(Some).collect()))
        .filter(|(_, values): &(&str, Values)| most(values.iter().copied()) > 0.0)
        .collect();
    if waiting.is_empty() {
        return nothing(TITLE, "No request ever waited at a node");
    }
    let y = Axis::from_zero(
        Quantity::Number,
        most(waiting.iter().flat_map(|(_, values)| values.iter().copied())),
    );
    let names = ("requests waiting", "requests waiting for a worker or core, all instances");
    figure(results, TITLE, names, y, waiting)
}

/// One line per node, the busiest first; `names` are the axis' name and what it means.
pub(super) fn figure(
    results: &Results,
    title: &str,
    (name, meaning): (&'static str, &str),
    y: Axis,
    mut nodes: Vec<(&str, Values)>,
) -> Figure {
    let total = nodes.len();
    let load = |values: &Values| values.iter().flatten().sum::<f64>();
    // The sort is stable: nodes of equal load stay in name order.
    nodes.sort_by(|(_, a), (_, b)| load(b).total_cmp(&load(a)));
    nodes.truncate(MOST_LINES);
    let of = if total > MOST_LINES {
        format!(" (the {MOST_LINES} busiest of {total})")
    } else {
        String::new()
    };
    let mut panel = timed(results, name, y);
    panel.height = 280;
    for (node, values) in nodes {
        panel.lines.push(Line { name: node.into(), points: over_time(results, values) });
    }
    Figure {
        title: title.into(),
        subtitle: format!("{}: {meaning}{of}", source(results)),
        x_name: SIMULATED_TIME,
        panels: vec![panel],
        nothing: None,
    }
}
