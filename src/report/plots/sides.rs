//! Who is answered on each side of a cut, and how old that is, over time.

use super::{
    axis::{Axis, SIMULATED_TIME},
    frame::{Figure, Line, Panel, Span},
    parts::{most, over_time, source, timed},
};
use crate::{
    report::text::{Quantity, shorten},
    results::{EventKind, Results, SideSeries},
};

/// Changes of leaders that are marked, at most.
const MOST_CHANGES: usize = 6;

/// Each side's availability and staleness; none without a cut, or where no store is followed.
pub(super) fn figure(results: &Results) -> Option<Figure> {
    let cuts = &results.series.sides;
    let mut sides: Vec<(String, &SideSeries)> = Vec::new();
    for (cut, of_cut) in cuts {
        for (side, series) in of_cut {
            let of = if cuts.len() > 1 { format!("{cut}: ") } else { String::new() };
            sides.push((format!("{of}side {side}"), series));
        }
    }
    if !sides.iter().any(|(_, series)| series.stale_read_fraction.iter().any(Option::is_some)) {
        return None;
    }
    let panel = |name, y, values: &dyn Fn(&SideSeries) -> Vec<Option<f64>>| {
        let line = |(name, series): &(String, &SideSeries)| Line {
            name: name.clone(),
            points: over_time(results, values(series)),
            ..Line::default()
        };
        let lines = sides.iter().map(line).collect();
        Panel { height: 180, lines, ..timed(results, name, y) }
    };
    let old = most(sides.iter().flat_map(|(_, series)| series.stale_read_fraction.iter().copied()));
    let share = |most: f64| Axis::from_zero(Quantity::Share, most).stretched(1.05);
    let mut answered = panel("answered", share(1.0), &|side| side.availability.clone());
    answered.spans.extend(led(results));
    answered.spans.sort_by(|a, b| a.from.total_cmp(&b.from));
    let stale = panel("old reads", share(old), &|side| side.stale_read_fraction.clone());
    let led =
        if results.replications.len() > 1 { "; leaders as in the first replication" } else { "" };
    Some(Figure {
        title: "Sides of the cut: who is answered, and how much of what is read is old".to_owned(),
        subtitle: format!(
            "{}: by the place of the client and the intended send of the request{led}",
            source(results)
        ),
        x_name: SIMULATED_TIME.into(),
        panels: vec![answered, stale],
        nothing: None,
    })
}

/// Who leads from when on, and when two do at once.
fn led(results: &Results) -> Vec<Span> {
    let mut spans = Vec::new();
    let events = results.timeline.events.iter().filter(|event| {
        [
            EventKind::LeaderLost,
            EventKind::LeaderElected,
            EventKind::TwoLeaders,
            EventKind::OneLeader,
        ]
        .contains(&event.kind)
    });
    for event in events.take(MOST_CHANGES) {
        let name = shorten(&event.subject, 16);
        let label = match event.kind {
            EventKind::LeaderLost => format!("{name}: nobody leads"),
            EventKind::TwoLeaders => format!("{name}: two lead"),
            EventKind::OneLeader => format!("{name}: one leads"),
            _ => format!("{name}: {} leads", event.of),
        };
        let to = event.at + results.duration / 500.0;
        spans.push(Span { from: event.at, to, label, fault: false });
    }
    spans
}
