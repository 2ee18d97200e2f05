//! What charts draw as a level: limits of SLOs, and what the fullest node could do.

use crate::{
    explain::{HOTTER, Level, noise, quiet},
    report::text::{Quantity, shorten, value},
    results::{NodeResults, Results},
    units::{Fraction, SimDuration},
};

/// A limit far above what was measured would press the data flat.
const FAR: f64 = 3.0;
/// Below this share of what it has, how busy a node was says little about when it would be full.
const LITTLE: f64 = 0.05;

/// Limits of the percentiles in `plotted`, near `highest`, s.
pub(super) fn of_latency(results: &Results, plotted: &[&str], highest: f64) -> Vec<(f64, String)> {
    let limit = |text: &str| text.parse::<SimDuration>().ok().map(|d| d.0 as f64 / 1e9);
    let figures: Vec<String> = plotted.iter().map(|name| format!("{name}(latency)")).collect();
    let near = |level: &f64| *level > 0.0 && *level <= FAR * highest;
    of(results, &figures, limit).into_iter().filter(|(level, _)| near(level)).collect()
}

/// Limits of availability.
pub(super) fn of_availability(results: &Results) -> Vec<(f64, String)> {
    let limit = |text: &str| text.parse::<Fraction>().ok().map(|f| f.0);
    of(results, &["availability".to_owned()], limit)
}

/// Limits of one of the figures as it is drawn: of all requests, from the warm-up to the end. What selects
/// (`client=`, `during=`, `to=`) is about something else.
fn of(
    results: &Results,
    figures: &[String],
    limit: impl Fn(&str) -> Option<f64>,
) -> Vec<(f64, String)> {
    let mut all: Vec<(f64, String)> = Vec::new();
    for slo in &results.slos {
        let text = &slo.expression;
        let Some(sign) = text.find(['<', '>', '=']) else { continue };
        let (figure, rest) = text.split_at(sign);
        let figure: String = figure.split_whitespace().collect();
        let limited = rest.trim_start_matches(['<', '>', '=']).split(" in ").next();
        let Some(level) = limited.and_then(|text| limit(text.trim())) else { continue };
        if !figures.contains(&figure) {
            continue;
        }
        match all.iter_mut().find(|(known, _)| known.total_cmp(&level).is_eq()) {
            Some((_, names)) => *names = format!("{names}; {text}"),
            None => all.push((level, text.clone())),
        }
    }
    all
}

/// What the node that was busiest before anything was wrong could do of that mix: it was busy for so much of
/// it. Nothing where that cannot be said, or where the run shows that it is not so.
pub(super) fn capacity(results: &Results, highest: f64) -> Option<(f64, String)> {
    let quiet = quiet(results);
    let answered: Vec<_> =
        results.series.clients.get("all")?.answered.iter().copied().map(Some).collect();
    let rate = Level::of(&answered, &quiet.windows)?.mean;
    let reached = results.design.asked();
    let nodes = results.nodes.iter().filter(|(name, _)| reached.contains(name.as_str()));
    let mut used: Vec<(&String, &NodeResults, f64)> = nodes
        .filter_map(|(name, node)| {
            // What is held while one waits for something else says nothing about how much could be done.
            node.resources.get("cores")?;
            let busy = &results.series.nodes.get(name)?.utilisation;
            Some((name, node, Level::of(busy, &quiet.windows)?.mean))
        })
        .collect();
    // Locks have no windows: theirs is the whole run, if nothing was wrong in it.
    if let Some(lock) = results.bottleneck.as_ref().filter(|b| b.resource.starts_with("lock:")) {
        let (name, node) = results.nodes.get_key_value(&lock.node)?;
        let calm = !quiet.disturbed && lock.instance.is_none();
        used.push((name, node, lock.utilisation.filter(|_| calm)?));
    }
    let (name, node, busy) = used.into_iter().reduce(|a, b| if b.2 > a.2 { b } else { a })?;
    let parts = node.resources.get("cores").map_or(&[][..], |cores| &cores.instances);
    let mean = node.utilisation.value.unwrap_or_default();
    // One so much busier than the others is full before them.
    let skewed = parts.iter().flatten().any(|part| *part > HOTTER * mean);
    if busy < LITTLE || skewed {
        return None;
    }
    let level = rate / busy;
    // More was served: what a request costs is not what it cost then.
    let refuted = answered.iter().flatten().any(|r| *r > level * (1.0 + noise(results, level)));
    let label = format!(
        "{} would be full at about {} (it was {} busy at {})",
        shorten(name, 24),
        value(Quantity::Rate, level),
        value(Quantity::Share, busy),
        value(Quantity::Rate, rate)
    );
    (level <= FAR * highest && !refuted).then_some((level, label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_kind::NodeKind;
    use crate::{
        report::fixture,
        results::{
            ClientSeries, Edge, FaultResults, NodeSeries, ResourceResults, SloResult, Vertex,
        },
    };

    fn known(value: f64) -> crate::results::Estimate {
        crate::results::Estimate { value: Some(value), ..Default::default() }
    }

    /// 150 /s; `db` is 38 % busy until a fault in window 30 makes it full, and answers nobody from then on.
    fn cascade() -> Results {
        let mut results = Results { duration: 120.0, ..Results::default() };
        results.series.start = (0..60).map(|i| f64::from(i) * 2.0).collect();
        results.series.length = vec![2.0; 60];
        let until =
            |sooner: f64, later: f64| (0..60).map(move |i| if i < 30 { sooner } else { later });
        let all = ClientSeries {
            offered: vec![150.0; 60],
            answered: until(150.0, 0.0).collect(),
            ..ClientSeries::default()
        };
        results.series.clients = [("all".into(), all.clone()), ("users".into(), all)].into();
        for (name, busy) in [("db", 0.375), ("maps", 0.7)] {
            let node = NodeResults {
                utilisation: known(0.9),
                resources: [("cores".into(), ResourceResults::default())].into(),
                ..NodeResults::default()
            };
            results.nodes.insert(name.into(), node);
            let utilisation = until(busy, 1.0).map(Some).collect();
            let series = NodeSeries { utilisation, ..NodeSeries::default() };
            results.series.nodes.insert(name.into(), series);
        }
        let users = Vertex { name: "users".into(), kind: NodeKind::Client, ..Vertex::default() };
        results.design.vertices.push(users);
        for (from, to, label) in
            [("users", "db", "read, background"), ("db", "maps", "background, background read")]
        {
            let (from, to, label) = (from.into(), to.into(), label.into());
            results.design.edges.push(Edge { from, to, label });
        }
        let slow = FaultResults { started: known(60.0), ..FaultResults::default() };
        results.faults.push(slow);
        results
    }

    #[test]
    fn what_would_be_full_is_what_requests_reach_as_it_was_before_anything_was_wrong() {
        let mut results = cascade();
        let (level, label) = capacity(&results, 200.0).unwrap();
        assert!((level - 400.0).abs() < 1e-9, "{level}");
        assert_eq!(label, "db would be full at about 400 /s (it was 37.5 % busy at 150 /s)");
        assert_eq!(capacity(&results, 100.0), None, "far above the data");

        let cores = results.nodes.get_mut("db").unwrap().resources.get_mut("cores").unwrap();
        cores.instances = vec![Some(0.8), Some(1.0), Some(1.2)];
        assert_eq!(capacity(&results, 200.0), None, "one instance is full before the others");
    }

    #[test]
    fn nothing_is_said_without_quiet_time_or_against_the_run() {
        let mut results = cascade();
        results.series.clients.get_mut("all").unwrap().answered[50] = 900.0;
        assert_eq!(capacity(&results, 200.0), None, "the run itself refutes it");
        let mut results = cascade();
        results.faults[0].started = known(5.0);
        assert_eq!(capacity(&results, 200.0), None, "two quiet windows");
        let mut results = cascade();
        results.series.nodes.get_mut("db").unwrap().utilisation = vec![Some(0.01); 60];
        assert_eq!(capacity(&results, 1e9), None, "too little to say it of");
    }

    #[test]
    fn limits_of_something_else_are_not_drawn() {
        let mut results = fixture::shop();
        let written = [
            "p99( latency ) <= 400ms",
            "p95(latency) < 300ms in 90% of runs",
            "p90(latency) <= 1ms",
            "p99(latency to=first_token) <= 2ms",
            "p99(latency before=sick) <= 3ms",
            "mean(latency) <= 4ms",
            "p99(latency) <= 2 of p50(latency)",
            "availability >= 99%",
            "availability(during=sick) >= 95%",
            "min(availability window=1m) >= 90%",
        ];
        let slo = results.slos[0].clone();
        results.slos = written
            .iter()
            .map(|text| SloResult { expression: (*text).to_owned(), ..slo.clone() })
            .collect();
        let levels = |limits: Vec<(f64, String)>| limits.iter().map(|l| l.0).collect::<Vec<_>>();
        assert_eq!(levels(of_latency(&results, &["p95", "p99"], 1.0)), [0.4, 0.3]);
        assert_eq!(levels(of_availability(&results)), [0.99]);
    }
}
