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
    // Below the fastest 1 % of the fastest there is nothing to see.
    let begins = |tail: &Vec<(f64, f64)>| {
        let fast = tail.iter().filter(|(_, share)| *share >= 0.99);
        fast.map(|(latency, _)| *latency).reduce(f64::max)
    };
    let fastest = tails.iter().filter_map(|(_, tail)| begins(tail)).reduce(f64::min);
    let fastest = fastest.unwrap_or(slowest / 1000.0).min(slowest);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_begins_where_the_fastest_client_does() {
        let mut results = Results::default();
        let tail = |at: f64| vec![(at, 1.0), (at * 1.1, 0.5), (at * 1.3, 0.01)];
        let near = [tail(0.016), vec![]].concat();
        let far = tail(0.26);
        let all = vec![(0.016, 1.0), (0.26, 0.5), (0.34, 0.005)];
        for (name, tail) in [("all", all), ("far", far), ("near", near)] {
            results.latency_tail.insert(name.to_owned(), tail);
        }
        let panel = &figure(&results).panels[0];
        for line in &panel.lines {
            assert_eq!(line.points[0].1, Some(1.0), "{} begins with all of it", line.name);
        }
        assert!(panel.x.place(0.016) > 0.0 && panel.x.place(0.016) < 0.3);
        assert!(panel.x.place(0.34) > 0.7);
    }
}
