//! The time series of a run as a monitoring system would have scraped them (`OpenMetrics` 1.0, text).
//!
//! A point is a window, at its end, in seconds after the epoch: the run begins there. Points of several replications are their
//! means, as in `timeseries.csv`.
//!
//! **Invariant.** Points of one label set stand together, in order of time; what was not observed has no point.

use std::fmt::Write as _;

use crate::results::{ClientSeries, NodeSeries, Results};

use super::text::clean;

/// What is read of a series, window by window.
type Read<S> = fn(&S) -> Vec<Option<f64>>;

/// A family: its name without the prefix, its unit, what it is, and where it is found.
type Family<S> = (&'static str, &'static str, &'static str, Read<S>);

fn known(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().map(|value| Some(*value)).collect()
}

const CLIENTS: [Family<ClientSeries>; 10] = [
    ("offered_requests_per_second", "", "Requests issued", |s| known(&s.offered)),
    ("goodput_requests_per_second", "", "Requests answered well in time", |s| known(&s.goodput)),
    ("availability_ratio", "ratio", "Good requests among those decided", |s| {
        s.availability.clone()
    }),
    ("latency_p50_seconds", "seconds", "Median latency of good requests", |s| s.p50.clone()),
    ("latency_p95_seconds", "seconds", "95th percentile of it", |s| s.p95.clone()),
    ("latency_p99_seconds", "seconds", "99th percentile of it", |s| s.p99.clone()),
    ("latency_p999_seconds", "seconds", "99.9th percentile of it", |s| s.p999.clone()),
    ("in_flight_requests", "requests", "Requests undecided as the window ends", |s| {
        known(&s.in_flight)
    }),
    ("resent_attempts_per_second", "", "Attempts after the first", |s| known(&s.resent)),
    ("timed_out_attempts_per_second", "", "Attempts that timed out", |s| known(&s.timed_out)),
];

const NODES: [Family<NodeSeries>; 8] = [
    ("utilisation_ratio", "ratio", "Busy among what is up", |s| s.utilisation.clone()),
    ("inside_visits", "visits", "Visits inside", |s| known(&s.in_system)),
    ("waiting_visits", "visits", "Visits that wait", |s| known(&s.in_queue)),
    ("throughput_visits_per_second", "", "Visits served", |s| known(&s.throughput)),
    ("waiting_messages", "messages", "Messages that wait", |s| known(s.backlog())),
    ("instances", "", "Instances that are there and up", |s| known(&s.instances)),
    ("instances_down", "", "Instances that are down", |s| known(&s.down)),
    ("hit_ratio", "ratio", "Hits among lookups", |s| s.hit_ratio.clone()),
];

/// The whole text.
#[must_use]
pub fn openmetrics(results: &Results) -> Vec<u8> {
    let series = &results.series;
    let ends: Vec<f64> =
        series.start.iter().zip(&series.length).map(|(start, length)| start + length).collect();
    let mut out = String::new();
    for (name, unit, help, read) in CLIENTS {
        let rows = series.clients.iter().map(|(name, of)| (name.as_str(), "", read(of)));
        family(&mut out, ("client", name), (unit, help), (&ends, &rows.collect::<Vec<_>>()));
    }
    let outcomes = series.clients.iter().flat_map(|(name, of)| {
        let of = of.outcomes.iter();
        of.map(move |(outcome, rates)| (name.as_str(), outcome.as_str(), known(rates)))
    });
    let outcomes: Vec<_> = outcomes.collect();
    family(
        &mut out,
        ("client", "decided_requests_per_second"),
        ("", "Requests by outcome"),
        (&ends, &outcomes),
    );
    for (name, unit, help, read) in NODES {
        let rows = series.nodes.iter().map(|(name, of)| (name.as_str(), "", read(of)));
        family(&mut out, ("node", name), (unit, help), (&ends, &rows.collect::<Vec<_>>()));
    }
    out.push_str("# EOF\n");
    out.into_bytes()
}

/// Points by who they are of, and by outcome if there is one.
type Row<'r> = (&'r str, &'r str, Vec<Option<f64>>);

fn family(
    out: &mut String,
    (of, name): (&str, &str),
    (unit, help): (&str, &str),
    (ends, rows): (&[f64], &[Row<'_>]),
) {
    if rows.iter().all(|(.., values)| values.iter().all(Option::is_none)) {
        return;
    }
    let name = format!("windtunnel_{of}_{name}");
    let _ = writeln!(out, "# TYPE {name} gauge");
    if !unit.is_empty() {
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
    let _ = writeln!(out, "# HELP {name} {help}.");
    for (who, outcome, values) in rows {
        let outcome = if outcome.is_empty() {
            String::new()
        } else {
            format!(",outcome=\"{}\"", label(outcome))
        };
        for (end, value) in ends.iter().zip(values) {
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            let _ = writeln!(out, "{name}{{{of}=\"{}\"{outcome}}} {value} {end}", label(who));
        }
    }
}

/// Text within the quotes of a label.
fn label(text: &str) -> String {
    clean(text).replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::fixture;

    fn text(results: &Results) -> String {
        String::from_utf8(openmetrics(results)).unwrap()
    }

    #[test]
    fn families_stand_together_and_time_goes_on_within_labels() {
        let text = text(&fixture::shop());
        assert!(text.ends_with("\n# EOF\n"));
        let mut seen = BTreeSet::new();
        let (mut family, mut labels, mut time) = (String::new(), String::new(), 0.0);
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.strip_suffix(" gauge").unwrap().to_owned();
                assert!(seen.insert(family.clone()), "{family} comes twice");
                continue;
            }
            if let Some(rest) = line.strip_prefix("# UNIT ") {
                let (name, unit) = rest.split_once(' ').unwrap();
                assert!(name == family && name.ends_with(unit), "{line}");
                continue;
            }
            if line.starts_with("# HELP ") {
                continue;
            }
            let (of, rest) = line.split_once(' ').unwrap();
            let (value, at) = rest.split_once(' ').unwrap();
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
            let at: f64 = at.parse().unwrap();
            assert!(of.starts_with(&format!("{family}{{")), "{line} is not of {family}");
            assert!(of != labels || at > time, "{line}");
            (labels, time) = (of.to_owned(), at);
        }
        assert!(text.contains("windtunnel_client_latency_p99_seconds{client=\"all\"} "));
        assert!(text.contains(",outcome=\"ok\"} "));
        assert!(text.contains("windtunnel_node_utilisation_ratio{node=\"api\"} "));
    }

    #[test]
    fn payloads_stay_inside_their_labels() {
        for payload in fixture::PAYLOADS {
            let text = text(&fixture::hostile(payload));
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let quotes = line.replace(r"\\", "").replace("\\\"", "").matches('"').count();
                assert!(quotes == 2 || quotes == 4, "{line}");
                assert!(!line.contains(char::is_control), "{line}");
            }
        }
    }
}
