//! The latency distribution: which share of requests took longer than each latency.

use super::{
    axis::Axis,
    frame::{Figure, Line, Panel},
};
use crate::{
    report::plots::parts::{NOTHING_DECIDED, nothing, source},
    results::Results,
};

const TITLE: &str = "Latency distribution: share of requests slower than …";
/// More clients than this are left to the tables.
const MOST_LINES: usize = 7;

/// The complementary distribution on two logarithmic scales, of all requests and of each client.
pub(super) fn figure(results: &Results) -> Figure {
    let mut tails: Vec<(&str, Vec<(f64, f64)>)> = Vec::new();
    let several = results.latency_tail.len() > 2;
    for (name, tail) in &results.latency_tail {
        // With one client, `all` says the same.
        if (name == "all" || several) && tails.len() <= MOST_LINES {
            let tail = positive(tail);
            if !tail.is_empty() {
                tails.push((name, tail));
            }
        }
    }
    let points = || tails.iter().flat_map(|(_, tail)| tail.iter().copied());
    let slowest = points().map(|(latency, _)| latency).fold(0.0, f64::max);
    if slowest <= 0.0 {
        return nothing(TITLE, NOTHING_DECIDED);
    }
    // Below the fastest 1 % there is nothing to see.
    let fast = points().filter(|(_, share)| *share >= 0.99).map(|(latency, _)| latency);
    let fastest = fast.fold(0.0, f64::max).min(slowest);
    let fastest = if fastest > 0.0 { fastest } else { slowest / 1000.0 };
    let rarest = points().map(|(_, share)| share).fold(1.0, f64::min);
    let lines = tails
        .iter()
        .map(|(name, tail)| {
            let shown = tail.iter().filter(|(latency, _)| *latency >= fastest * 0.5);
            let points = shown.map(|(latency, share)| (*latency, Some(*share))).collect();
            Line { name: (*name).into(), points, ..Line::default() }
        })
        .collect();
    Figure {
        title: TITLE.into(),
        subtitle: format!(
            "{}: response time of ok and degraded requests from the intended send",
            source(results)
        ),
        x_name: "latency (logarithmic)".into(),
        panels: vec![Panel {
            name: "share slower (logarithmic)".into(),
            height: 320,
            x: Axis::log_durations(fastest, slowest),
            y: Axis::log_tail(rarest),
            spans: Vec::new(),
            lines,
            limits: Vec::new(),
            bands: Vec::new(),
        }],
        nothing: None,
    }
}

/// The points that a logarithmic scale can show; the slowest request ends the line.
fn positive(tail: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let shown = |point: &&(f64, f64)| point.0 > 0.0 && point.0.is_finite() && point.1 > 0.0;
    let mut points: Vec<(f64, f64)> = tail.iter().filter(shown).copied().collect();
    if let (Some((_, share)), Some((slowest, _))) = (points.last().copied(), tail.last())
        && *slowest > 0.0
    {
        points.push((*slowest, share));
    }
    points
}
