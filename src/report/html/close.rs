//! What was looked at closely, and the way calls went, for the script of the page.
//!
//! **Invariant.** Parts go by their place in the design; times within a span are whole tenths of a millisecond after what came
//! before.

use serde_json::{Value, json};

use crate::{
    report::figures::{Together, merged, number, values},
    results::{CloseSpan, Closely, InstanceLooks, Results, RouteMessages},
};

/// In a second.
const TENTHS: f64 = 10_000.0;

/// The spans.
pub(super) fn spans(results: &Results, closely: &Closely) -> Value {
    let spans = closely.spans.iter().map(|span| one(results, span)).collect::<Vec<_>>();
    json!({
        "replication": closely.replication,
        "step": number(closely.step),
        "one": closely.one_in,
        "spans": spans,
    })
}

fn place(results: &Results, name: &str) -> Option<usize> {
    results.design.vertices.iter().position(|vertex| vertex.name == name)
}

fn one(results: &Results, span: &CloseSpan) -> Value {
    let mut nodes = serde_json::Map::new();
    for (name, looks) in &span.nodes {
        if let Some(place) = place(results, name) {
            nodes.insert(place.to_string(), looks.iter().map(cell).collect());
        }
    }
    let routes = span.messages.iter().filter_map(|route| {
        let (from, to) = (place(results, &route.from)?, place(results, &route.to)?);
        Some(json!([from, to, u8::from(route.answer), times(span.from, route)]))
    });
    json!({ "from": span.from, "to": span.to, "nodes": nodes, "routes": routes.collect::<Vec<_>>() })
}

/// When each was sent, after the one before it, and how long it took.
fn times(from: f64, route: &RouteMessages) -> Vec<u64> {
    let tenths = |time: f64| (time * TENTHS).round() as u64;
    let mut all: Vec<(u64, u64)> = route
        .times
        .iter()
        .map(|(sent, arrived)| (tenths(sent - from), tenths(arrived - sent)))
        .collect();
    all.sort_unstable();
    let mut before = 0;
    let after = |(sent, took): (u64, u64)| [sent - std::mem::replace(&mut before, sent), took];
    all.into_iter().flat_map(after).collect()
}

/// An instance, look by look: busy in per cent; what never was is left out.
fn cell(looks: &InstanceLooks) -> Value {
    let mut out = json!({});
    let per_cent = looks.busy.iter().map(|share| (share * 100.0).round()).collect::<Vec<_>>();
    let struck = looks.struck.iter().map(|is| f64::from(*is)).collect();
    for (key, all) in [
        ("busy", per_cent),
        ("waiting", looks.waiting.clone()),
        ("down", looks.down.clone()),
        ("struck", struck),
    ] {
        if !all.is_empty() {
            out[key] = values(all.into_iter().map(Some));
        }
    }
    out
}

/// Calls per second over each edge, of every `windows` windows together: what came to a node, in the shares that were counted
/// in the same window or, where none was, in all.
pub(super) fn calls(results: &Results, closely: &Closely, windows: usize) -> Value {
    let rates = closely.calls.iter().filter_map(|edge| {
        let (from, to) = (place(results, &edge.from)?, place(results, &edge.to)?);
        let arrivals = &results.series.nodes.get(&edge.to)?.arrivals;
        let beside = || closely.calls.iter().filter(|other| other.to == edge.to);
        let (mine, all): (u64, u64) =
            (edge.counted.iter().sum(), beside().flat_map(|other| &other.counted).sum());
        let rate = |(window, arrivals): (usize, &f64)| {
            let of = |counted: &[u64]| counted.get(window).copied().unwrap_or_default();
            let here: u64 = beside().map(|other| of(&other.counted)).sum();
            let (part, whole) = if here > 0 { (of(&edge.counted), here) } else { (mine, all) };
            Some(arrivals * part as f64 / whole.max(1) as f64)
        };
        let rates: Vec<Option<f64>> = arrivals.iter().enumerate().map(rate).collect();
        Some(json!([from, to, values(merged(&rates, windows, Together::Mean))]))
    });
    rates.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::fixture, results::EdgeCalls};

    fn edge(from: &str, to: &str, counted: Vec<u64>) -> EdgeCalls {
        EdgeCalls { from: from.to_owned(), to: to.to_owned(), counted }
    }

    #[test]
    fn what_came_to_a_node_is_split_as_it_was_counted() {
        let mut results = fixture::shop();
        let orders = results.series.nodes.get_mut("orders").unwrap();
        orders.arrivals = vec![8.0, 0.0, 6.0];
        let closely = Closely {
            calls: vec![
                edge("api", "orders", vec![3, 0, 0]),
                edge("batch", "orders", vec![1, 0, 0]),
                edge("gone", "orders", vec![0, 0, 0]),
            ],
            ..Closely::default()
        };
        let [api, batch, orders] =
            ["api", "batch", "orders"].map(|name| place(&results, name).unwrap());
        // Where none was counted, by the share in all windows.
        assert_eq!(
            calls(&results, &closely, 1),
            json!([[api, orders, [6, 0, 4.5]], [batch, orders, [2, 0, 1.5]]])
        );
    }

    #[test]
    fn times_are_in_the_order_of_sending_and_short() {
        let route = RouteMessages {
            times: vec![(10.002, 10.003), (10.0005, 10.0103)],
            ..RouteMessages::default()
        };
        assert_eq!(times(10.0, &route), [5, 98, 15, 10]);
    }
}
