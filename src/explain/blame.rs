//! The narrowest place of a design and where the time of a mean request went.
//!
//! **Invariant.** Only what was measured is divided; what is left over is shown as such.

use super::watch::FULL;
use crate::results::{
    Blame, Bottleneck, Distribution, InstanceResults, NodeBlame, NodeResults, Results,
    TimelineEvent,
};

/// An instance is named when it is busier than the average of all by this much.
const HOTTER: f64 = 1.2;
/// Share of a node's calls that wait for something else than a node before that is the bottleneck.
const MOST: f64 = 0.5;

/// The node that is full first after the quiet time, or, if none ever is, the one that is busiest over the
/// run.
pub fn bottleneck(results: &Results) -> Option<Bottleneck> {
    let waits = |e: &TimelineEvent| e.kind == "waits_began" && e.value >= Some(MOST);
    let mut events = results.timeline.events.iter();
    if let Some(event) = events.find(|event| event.kind == "saturated" || waits(event)) {
        let found = results.nodes.get(&event.subject).and_then(|n| one(results, &event.subject, n));
        let waits_for = waits(event).then(|| event.of.clone());
        return found.map(|of| Bottleneck { saturated_at: Some(event.at), waits_for, ..of });
    }
    let nodes = results.nodes.iter().filter_map(|(name, node)| one(results, name, node));
    let bounded = nodes.filter(|node| node.utilisation.is_some());
    bounded.reduce(|best, other| if other.utilisation > best.utilisation { other } else { best })
}

/// How near a node is to its limit.
fn one(results: &Results, name: &str, node: &NodeResults) -> Option<Bottleneck> {
    let mean = node.utilisation.value;
    let parts: &[InstanceResults] =
        if node.shards.is_empty() { &node.per_instance } else { &node.shards };
    let each = parts.iter().enumerate().filter_map(|(i, part)| Some((i, part.utilisation.value?)));
    let hottest = each.reduce(|a, b| if b.1 > a.1 { b } else { a });
    let above = |busy: f64| mean.is_some_and(|mean| busy > HOTTER * mean);
    let hottest = hottest.filter(|(_, busy)| parts.len() > 1 && above(*busy));
    let series = results.series.nodes.get(name)?;
    let first = results.series.start.iter().position(|&start| start >= results.warm_up)?;
    let windows = series.utilisation.get(first..)?;
    let known = windows.iter().flatten().count();
    let full = windows.iter().flatten().filter(|busy| **busy >= FULL).count();
    Some(Bottleneck {
        node: name.to_owned(),
        instance: hottest.map(|(i, _)| i as u64),
        utilisation: hottest.map(|(_, busy)| busy).or(mean),
        waits_for: None,
        saturated: if known == 0 { 0.0 } else { full as f64 / known as f64 },
        saturated_at: None,
    })
}

/// Where the time of a mean request went.
pub fn blame(results: &Results) -> Option<Blame> {
    let figures = &results.summary.figures;
    let latency = figures.latency_all.mean.value?;
    let decided = figures.requests.issued.checked_sub(figures.requests.in_flight)? as f64;
    if decided == 0.0 {
        return None;
    }
    let mut blame = Blame { latency, remainder: latency, ..Blame::default() };
    let calls = |name: &str| results.design.edges.iter().any(|edge| edge.from == name);
    for (name, node) in &results.nodes {
        let (waiting, work, response) =
            (&node.waiting_time, &node.service_time, &node.response_time);
        let count = waiting.count.max(response.count);
        if count == 0 {
            continue;
        }
        let visits = count as f64 / decided;
        let of = |time: &Distribution| visits * time.mean.value.unwrap_or_default();
        let (waiting, work) = (of(waiting), of(work));
        // Who calls nobody spends all of its time itself: `wait` steps, locks, pauses, the inside of externals.
        let inside = if calls(name) { 0.0 } else { (of(response) - waiting - work).max(0.0) };
        // Sums of many times: what is left of nothing is not quite nothing.
        let inside = if inside < 1e-6 * of(response) { 0.0 } else { inside };
        blame.remainder -= waiting + work + inside;
        blame.nodes.insert(name.clone(), NodeBlame { visits, waiting, work, inside });
    }
    Some(blame)
}
