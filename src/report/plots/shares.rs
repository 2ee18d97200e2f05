//! Charts of what only some designs have: attempts, hit ratios, breakers, instances.

use super::{axis::Axis, frame::Figure, nodes};
use crate::{
    cause::Cause,
    report::{plots::parts::most, text::Quantity},
    results::{NodeSeries, Results},
};

/// Values of one line by window.
type Values = Vec<Option<f64>>;

/// Attempts per request of each client, where any took more than one.
pub(super) fn attempts(results: &Results) -> Option<Figure> {
    let clients = results.series.clients.iter().filter(|(name, _)| *name != "all");
    let mut lines: Vec<(&str, Values)> =
        clients.map(|(name, c)| (name.as_str(), c.attempts_per_request.clone())).collect();
    let highest = most(lines.iter().flat_map(|(_, values)| values.iter().copied()));
    lines.retain(|(_, values)| most(values.iter().copied()) > 1.0);
    let y = Axis::from_zero(Quantity::Number, highest);
    let names = ("attempts per request", "by intended send of the request");
    drawn(results, "Attempts per request", names, y, lines)
}

/// Hits over lookups of each cache.
pub(super) fn hit_ratio(results: &Results) -> Option<Figure> {
    let lines = by_node(results, |node| node.hit_ratio.clone());
    let y = Axis::from_zero(Quantity::Share, 1.0);
    let names = ("hit ratio", "hits over lookups");
    drawn(results, "Hit ratio per cache", names, y, lines)
}

/// Breakers that opened, of clients and of nodes.
pub(super) fn breakers(results: &Results) -> Option<Figure> {
    let some = |values: &Vec<f64>| -> Values { values.iter().copied().map(Some).collect() };
    let clients = results.series.clients.iter().filter(|(name, _)| *name != "all");
    let mut lines: Vec<(&str, Values)> =
        clients.map(|(name, c)| (name.as_str(), some(&c.breakers_opened))).collect();
    for (name, node) in &results.series.nodes {
        if let Some(opened) = node.causes.get(&Cause::BreakerOpened) {
            lines.push((name.as_str(), some(opened)));
        }
    }
    lines.retain(|(_, values)| most(values.iter().copied()) > 0.0);
    let highest = most(lines.iter().flat_map(|(_, values)| values.iter().copied()));
    let y = Axis::from_zero(Quantity::Rate, highest);
    let names = ("breakers opened", "circuit breakers that opened, by who calls");
    drawn(results, "Circuit breakers", names, y, lines)
}

/// Instances that are up, of the nodes of which some ever were not, or that come and go.
pub(super) fn instances(results: &Results) -> Option<Figure> {
    let up = |name: &String, node: &NodeSeries| -> Values {
        if !node.instances.is_empty() {
            return node.instances.iter().copied().map(Some).collect();
        }
        let all = results.nodes.get(name).map_or(0.0, |node| node.instances.max as f64);
        let vertex = results.design.vertices.iter().find(|v| v.name == *name);
        let all = vertex.map_or(all, |v| v.instances as f64).max(all);
        node.down.iter().map(|down| Some(all - down)).collect()
    };
    let varies = |node: &NodeSeries| !node.down.is_empty() || !node.instances.is_empty();
    let nodes = results.series.nodes.iter().filter(|(_, node)| varies(node));
    let lines: Vec<(&str, Values)> =
        nodes.map(|(name, node)| (name.as_str(), up(name, node))).collect();
    let highest = most(lines.iter().flat_map(|(_, values)| values.iter().copied()));
    let y = Axis::from_zero(Quantity::Number, highest);
    let names = ("instances up", "instances that are up, mean over replications");
    drawn(results, "Instances up", names, y, lines)
}

fn by_node(results: &Results, values: impl Fn(&NodeSeries) -> Values) -> Vec<(&str, Values)> {
    let nodes = results.series.nodes.iter();
    let lines = nodes.map(|(name, node)| (name.as_str(), values(node)));
    lines.filter(|(_, values)| values.iter().any(Option::is_some)).collect()
}

fn drawn(
    results: &Results,
    title: &str,
    names: (&'static str, &str),
    y: Axis,
    lines: Vec<(&str, Values)>,
) -> Option<Figure> {
    (!lines.is_empty()).then(|| nodes::figure(results, title, names, y, lines))
}
