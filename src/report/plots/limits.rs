//! What charts draw as a level: limits of SLOs, and what the bottleneck can do.

use crate::{
    report::text::{Quantity, value},
    results::Results,
    units::{Fraction, SimDuration},
};

/// A limit far above what was measured would press the data flat.
const FAR: f64 = 3.0;

/// Limits of latency near `highest`, s.
pub(super) fn of_latency(results: &Results, highest: f64) -> Vec<(f64, String)> {
    let limit = |text: &str| text.parse::<SimDuration>().ok().map(|d| d.0 as f64 / 1e9);
    let near = |level: &f64| *level > 0.0 && *level <= FAR * highest;
    of(results, &["latency"], limit).into_iter().filter(|(level, _)| near(level)).collect()
}

/// Limits of availability.
pub(super) fn of_availability(results: &Results) -> Vec<(f64, String)> {
    let limit = |text: &str| text.parse::<Fraction>().ok().map(|f| f.0);
    of(results, &["availability"], limit)
}

fn of(
    results: &Results,
    figures: &[&str],
    limit: impl Fn(&str) -> Option<f64>,
) -> Vec<(f64, String)> {
    let mut all: Vec<(f64, String)> = Vec::new();
    for slo in &results.slos {
        let text = &slo.expression;
        let node = text.contains("node=") || text.contains("mark=") || text.contains(" of ");
        if node || !figures.iter().any(|figure| text.contains(figure)) {
            continue;
        }
        let last = text.rsplit(['<', '>', '=']).next().unwrap_or_default();
        let last = last.split(" in ").next().unwrap_or_default();
        let Some(level) = limit(last.trim()) else { continue };
        match all.iter_mut().find(|(known, _)| known.total_cmp(&level).is_eq()) {
            Some((_, names)) => *names = format!("{names}; {text}"),
            None => all.push((level, text.clone())),
        }
    }
    all
}

/// What the bottleneck could do of this mix, by what it did: its share that was busy says how much of it that is.
pub(super) fn capacity(results: &Results, highest: f64) -> Vec<(f64, String)> {
    let Some(bottleneck) = &results.bottleneck else { return Vec::new() };
    let whole = bottleneck.instance.is_none();
    // What is held while one waits for something else says nothing about how much could be done.
    let works = bottleneck.resource == "cores" || bottleneck.resource.starts_with("lock:");
    let whole = whole && works;
    let busy = bottleneck.utilisation;
    let rate = results.summary.figures.throughput.value;
    let Some((busy, rate)) = busy.zip(rate).filter(|(busy, _)| whole && *busy > 0.05) else {
        return Vec::new();
    };
    let level = rate / busy;
    let name = format!(
        "{} would be full at about {} (it was busy for {})",
        bottleneck.node,
        value(Quantity::Rate, level),
        value(Quantity::Share, busy)
    );
    if level <= FAR * highest { vec![(level, name)] } else { Vec::new() }
}
