//! Per node over time: utilisation, and queue length.

use super::{
    axis::Axis,
    frame::{Figure, Line},
};
use crate::{
    report::{
        plots::{
            axis::SIMULATED_TIME,
            parts::{most, nothing, over_time, source, timed},
        },
        text::{Quantity, clock, shorten},
    },
    results::Results,
};

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
    // Room above for what the line says.
    let y = Axis::from_zero(Quantity::Share, 1.0).stretched(1.1);
    let meaning = format!("busy share of its capacity, mean over instances{}", alone(results));
    let mut figure = figure(results, TITLE, ("utilisation", &meaning), y, bounded);
    figure.panels[0].limits.push((1.0, "all it has".to_owned()));
    figure
}

/// Which instances were full while others were not: the mean does not show it.
fn alone(results: &Results) -> String {
    let mut all = Vec::new();
    for (name, node) in &results.nodes {
        for (resource, one) in &node.resources {
            if let (Some(instance), Some(at)) = (one.instance, one.saturated_at)
                && matches!(resource.as_str(), "cores" | "workers")
            {
                let part = if node.shards.is_empty() { "instance" } else { "shard" };
                all.push(format!("{part} {instance} of {} from {}", shorten(name, 20), clock(at)));
            }
        }
    }
    all.dedup();
    if all.is_empty() { String::new() } else { format!("; alone full: {}", all.join(", ")) }
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
    let names = (
        "requests waiting",
        "requests waiting for a worker, a core or their turn at the door, all instances",
    );
    figure(results, TITLE, names, y, waiting)
}

/// Messages that wait in each queue or log, if there are any.
pub(super) fn backlog(results: &Results) -> Option<Figure> {
    let queues = results.series.nodes.iter().filter(|(_, node)| !node.backlog().is_empty());
    let waiting: Vec<(&str, Values)> = queues
        .map(|(name, node)| (name.as_str(), node.backlog().iter().copied().map(Some).collect()))
        .collect();
    if waiting.is_empty() {
        return None;
    }
    let all = waiting.iter().flat_map(|(_, values)| values.iter().copied());
    let y = Axis::from_zero(Quantity::Number, most(all).max(1.0));
    let names = (
        "messages waiting",
        "messages waiting to be handed out (of logs: to be worked off by their groups), mean of each window",
    );
    Some(figure(results, "Backlog of each queue and log", names, y, waiting))
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
        panel.lines.push(Line {
            name: node.into(),
            points: over_time(results, values),
            ..Line::default()
        });
    }
    Figure {
        title: title.into(),
        subtitle: format!("{}: {meaning}{of}", source(results)),
        x_name: SIMULATED_TIME.into(),
        panels: vec![panel],
        nothing: None,
    }
}
