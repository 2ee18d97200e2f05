//! Availability over time, and below it how requests ended.

use super::{
    axis::Axis,
    frame::{Band, Figure, Line},
    limits,
};
use crate::{
    outcome::Outcome,
    report::{
        plots::{
            axis::SIMULATED_TIME,
            parts::{NOTHING_DECIDED, decided, known, most, nothing, over_time, source, timed},
        },
        text::{Quantity, value},
    },
    results::Results,
};

const TITLE: &str = "Availability and outcomes over time";

/// Outcomes from the bottom of the stack up: light is good, dark is bad.
const BANDS: [(Outcome, (u8, u8, u8)); 9] = [
    (Outcome::Ok, (214, 234, 217)),
    (Outcome::Degraded, (164, 205, 222)),
    (Outcome::RateLimited, (250, 214, 140)),
    (Outcome::Shed, (240, 175, 95)),
    (Outcome::Rejected, (224, 130, 60)),
    (Outcome::BreakerOpen, (190, 120, 170)),
    (Outcome::Unavailable, (130, 80, 140)),
    (Outcome::Error, (190, 40, 50)),
    (Outcome::Timeout, (90, 20, 40)),
];

/// Two panels on one clock.
pub(super) fn figure(results: &Results) -> Figure {
    let Some(all) = decided(results) else { return nothing(TITLE, NOTHING_DECIDED) };
    let least = all.availability.iter().flatten().copied().fold(1.0, f64::min);
    let limits = limits::of_availability(results);
    let least = limits.iter().map(|limit| limit.0).fold(least, f64::min);
    let mut availability = timed(results, "availability", Axis::up_to_one(least));
    availability.limits = limits;
    availability.height = 150;
    let points = over_time(results, known(all, all.availability.iter().copied()));
    availability.lines.push(Line { points, ..Line::default() });

    let mut bands = Vec::new();
    let mut totals = vec![0.0; results.series.start.len()];
    for (outcome, colour) in BANDS {
        let Some(rates) = all.outcomes.get(outcome.name()) else { continue };
        if !rates.iter().any(|rate| *rate > 0.0) {
            continue;
        }
        for (total, rate) in totals.iter_mut().zip(rates) {
            *total += rate;
        }
        let points = over_time(results, rates.iter().copied().map(Some));
        let points = points.into_iter().map(|(x, rate)| (x, rate.unwrap_or(0.0))).collect();
        bands.push(Band { name: outcome.words(), colour, points });
    }
    let highest = most(totals.into_iter().map(Some));
    let mut outcomes = timed(results, "requests", Axis::from_zero(Quantity::Rate, highest));
    // Said once, above.
    outcomes.spans.iter_mut().for_each(|span| span.label.clear());
    outcomes.height = 200;
    outcomes.bands = bands;

    let over_all =
        results.summary.figures.availability.value.map_or_else(String::new, |availability| {
            format!("; availability over the run {}", value(Quantity::Share, availability))
        });
    Figure {
        title: TITLE.into(),
        subtitle: format!("{}: all clients, by intended send{over_all}", source(results)),
        x_name: SIMULATED_TIME.into(),
        panels: vec![availability, outcomes],
        nothing: None,
    }
}
