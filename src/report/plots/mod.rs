//! Charts, one file per chart, as SVG.
//!
//! **Invariant.** A run without data gives a picture that says so.

mod axis;
mod canvas;
mod cap;
mod comparison;
mod frame;
mod heat;
mod latency_distribution;
mod latency_over_time;
mod limits;
mod live;
mod load;
mod nodes;
mod outcomes;
mod parts;
mod shares;
mod sides;
mod sweep;
mod visibility;

use std::borrow::Cow;

use crate::results::{Cap, Comparison, Results, Sweep};

/// A finished chart.
#[derive(Debug)]
pub(crate) struct Plot {
    /// File name without `.svg`.
    pub(crate) name: Cow<'static, str>,
    /// What one sees.
    pub(crate) title: String,
    /// The picture.
    pub(crate) svg: String,
    /// What it shows, if that goes by simulated time: then there is a chart of it to zoom, too.
    timed: Option<frame::Figure>,
}

impl Plot {
    /// It goes by simulated time.
    pub(crate) fn is_timed(&self) -> bool {
        self.timed.is_some()
    }
}

pub(crate) use live::charts;

/// Every chart, in the order of the report.
pub(crate) fn all(results: &Results) -> Vec<Plot> {
    let always = [
        ("latency_over_time", latency_over_time::figure(results)),
        ("latency_distribution", latency_distribution::figure(results)),
        ("outcomes", outcomes::figure(results)),
        ("load", load::figure(results)),
        ("utilisation", nodes::utilisation(results)),
        ("queue_length", nodes::queue_length(results)),
    ];
    // Where there is anything to see.
    let sometimes = [
        ("backlog", nodes::backlog(results)),
        ("attempts", shares::attempts(results)),
        ("hit_ratio", shares::hit_ratio(results)),
        ("breakers", shares::breakers(results)),
        ("instances", shares::instances(results)),
        ("t_visibility", visibility::figure(results)),
        ("sides", sides::figure(results)),
    ];
    let sometimes = sometimes.into_iter().filter_map(|(name, figure)| Some((name, figure?)));
    drawn(always.into_iter().chain(sometimes))
}

/// The pictures of a comparison.
pub(crate) fn compared(comparison: &Comparison) -> Vec<Plot> {
    let both = [
        ("differences", comparison::differences(comparison)),
        ("pareto", comparison::pareto(comparison)),
    ];
    drawn(both.into_iter())
}

/// The pictures of designs under a cut.
pub(crate) fn cap(cap: &Cap) -> Vec<Plot> {
    let both = [("cap_partition", cap::partition(cap)), ("cap_normal", cap::normal(cap))];
    drawn(both.into_iter())
}

/// The pictures of a sweep.
pub(crate) fn swept(sweep: &Sweep) -> Vec<Plot> {
    let figures = sweep::figures(sweep).into_iter().map(|(name, figure)| plot(name, figure));
    figures.chain(heat::maps(sweep)).collect()
}

fn drawn(figures: impl Iterator<Item = (&'static str, frame::Figure)>) -> Vec<Plot> {
    figures.map(|(name, figure)| plot(name, figure)).collect()
}

fn plot(name: impl Into<Cow<'static, str>>, figure: frame::Figure) -> Plot {
    let (svg, title) = (frame::draw(&figure), figure.title.clone());
    let timed = figure.x_name == axis::SIMULATED_TIME && figure.nothing.is_none();
    Plot { name: name.into(), svg, title, timed: timed.then_some(figure) }
}

#[cfg(test)]
mod tests {
    use super::{
        parts::{NOTHING_DECIDED, timed},
        *,
    };
    use crate::{report::fixture, results::FaultResults};

    fn check(plot: &Plot) {
        let svg = &plot.svg;
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{}", plot.name);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}: {svg}", plot.name);
        for number in svg.split('"').flat_map(|part| part.split([' ', ','])) {
            if let Ok(v) = number.parse::<f64>() {
                assert!(v >= -1.0, "{}: a coordinate left the picture: {v}", plot.name);
            }
        }
    }

    #[test]
    fn every_chart_of_a_run_has_its_parts() {
        let plots = all(&fixture::shop());
        for plot in &plots {
            check(plot);
            assert!(plot.svg.contains(&crate::report::text::escape(&plot.title)), "{}", plot.name);
            assert!(plot.svg.contains("shop-surge, 10 replications"), "{}", plot.name);
            let timed = plot.name != "latency_distribution";
            assert_eq!(plot.svg.contains("warm-up (60 s)"), timed, "{}", plot.name);
            assert_eq!(plot.svg.contains("10 min"), timed, "{}", plot.name);
        }
        let of = |name| &plots.iter().find(|plot| plot.name == name).unwrap().svg;
        assert!(of("latency_over_time").contains("p99.9"));
        assert!(of("latency_distribution").contains("1 % (p99)"));
        assert!(of("outcomes").contains("timeout") && !of("outcomes").contains("shed"));
        assert!(of("load").contains("offered") && of("load").contains("goodput"));
        assert!(of("utilisation").contains("recommendations"));
        assert!(of("queue_length").contains("orders"));
    }

    #[test]
    fn an_outage_does_not_press_the_latency_of_all_other_time_flat() {
        let name = "latency (logarithmic)";
        let mut results = fixture::shop();
        assert!(!all(&results)[0].svg.contains(name));
        results.series.clients.get_mut("all").unwrap().p999[60] = Some(30.0);
        let plot = &all(&results)[0];
        check(plot);
        assert!(plot.svg.contains(name) && plot.svg.contains("10 s"), "{}", plot.svg);
    }

    #[test]
    fn spans_come_in_the_order_of_time_whatever_their_ids() {
        let mut results = fixture::shop();
        let fault = |id: &str, from| FaultResults {
            id: id.into(),
            spans: vec![(from, from + 10.0)],
            ..FaultResults::default()
        };
        results.faults = vec![fault("a-later", 400.0), fault("b-sooner", 100.0)];
        let panel = timed(&results, "p", axis::Axis::clock(results.duration));
        let faults = panel.spans.iter().filter(|span| span.fault);
        let labels: Vec<&str> = faults.map(|span| span.label.as_str()).collect();
        assert_eq!(labels, ["b-sooner", "a-later"]);
    }

    #[test]
    fn a_run_without_data_says_so() {
        for plot in all(&fixture::nothing_decided()) {
            check(&plot);
            let shows_nothing = plot.svg.contains(NOTHING_DECIDED);
            let of_requests = !["utilisation", "queue_length"].contains(&plot.name.as_ref());
            assert_eq!(shows_nothing, of_requests, "{}", plot.name);
        }
        for plot in all(&Results::default()) {
            check(&plot);
        }
    }

    #[test]
    fn more_than_eight_nodes_show_the_busiest() {
        let mut results = fixture::shop();
        let series = results.series.nodes["api"].clone();
        for i in 0..30 {
            let mut series = series.clone();
            for busy in series.utilisation.iter_mut().flatten() {
                *busy *= 0.01 * f64::from(i);
            }
            results.series.nodes.insert(format!("worker-{i:02}"), series);
        }
        let svg = &all(&results).into_iter().find(|plot| plot.name == "utilisation").unwrap().svg;
        assert!(svg.contains("the 8 busiest of 34"), "{svg}");
        assert!(svg.contains("worker-29") && !svg.contains("worker-01"));
    }

    #[test]
    fn payloads_reach_no_picture() {
        for payload in fixture::PAYLOADS {
            for plot in all(&fixture::hostile(payload)) {
                check(&plot);
                assert!(!plot.svg.contains("<script") && !plot.svg.contains("<img"));
                assert!(!plot.svg.contains(|c: char| c.is_control() && c != '\n'));
            }
        }
    }
}
