//! What `compare --lose each` found: a line for each thing a design may lose, the worst first, and what that means.
//!
//! **Invariant.** Nothing is called harmless that was not shown to be as good as the base.

use super::{
    compare::{Told, against, figure, met},
    text::{Quantity, clean, count, value},
};
use crate::results::{ComparedDesign, Comparison, Shown};

/// Below this share of answers nobody is served.
const NOBODY: f64 = 0.01;

/// The losses for a terminal `width` columns wide; `during` is the metric of what is served meanwhile.
pub fn lost_text(comparison: &Comparison, during: &str, width: u16) -> String {
    told(comparison, during).text(width)
}

/// The same as Markdown.
pub fn lost_markdown(comparison: &Comparison, during: &str) -> String {
    told(comparison, during).markdown()
}

fn told<'c>(comparison: &'c Comparison, during: &str) -> Told<'c> {
    let header = ["without", "served meanwhile", "availability", "p99", "objectives met"];
    Told {
        comparison,
        headline: headline(comparison),
        header: header.map(str::to_owned).to_vec(),
        rows: rows(comparison, during),
        sentences: sentences(comparison, during),
    }
}

fn headline(comparison: &Comparison) -> String {
    format!(
        "{}: one thing after the other lost for a third of the run, {} paired replications of each; differences to \
         the design as it is, {} intervals",
        clean(&comparison.scenario),
        count(comparison.seeds.len() as u64),
        value(Quantity::Share, comparison.confidence),
    )
}

/// Of the things lost, how much is served meanwhile; those that hurt most first.
fn sorted<'c>(comparison: &'c Comparison, during: &str) -> Vec<(&'c ComparedDesign, Option<f64>)> {
    let served = |design: &ComparedDesign| design.figures.get(during)?.estimate.value;
    let mut all: Vec<_> =
        comparison.designs.iter().skip(1).map(|design| (design, served(design))).collect();
    all.sort_by(|a, b| a.1.unwrap_or(1.0).total_cmp(&b.1.unwrap_or(1.0)));
    all
}

fn rows(comparison: &Comparison, during: &str) -> Vec<Vec<String>> {
    let cell = |design: &ComparedDesign, metric: &str| {
        let Some(of) = comparison.metric(metric) else { return "-".to_owned() };
        match comparison.difference(metric, &design.name) {
            Some(difference) => against(of, design, difference),
            None => figure(of, design),
        }
    };
    let base = comparison.designs.first();
    let own = |metric: &str| {
        let of = base.zip(comparison.metric(metric));
        of.map_or_else(|| "-".to_owned(), |(base, metric)| figure(metric, base))
    };
    let as_it_is = vec![
        "(nothing)".to_owned(),
        String::new(),
        own("availability"),
        own("p99(latency)"),
        base.map(met).unwrap_or_default(),
    ];
    let lost = sorted(comparison, during).into_iter().map(|(design, served)| {
        vec![
            clean(&design.name),
            served.map_or_else(|| "-".to_owned(), |share| value(Quantity::Share, share)),
            cell(design, "availability"),
            cell(design, "p99(latency)"),
            met(design),
        ]
    });
    std::iter::once(as_it_is).chain(lost).collect()
}

fn sentences(comparison: &Comparison, during: &str) -> Vec<String> {
    let all = sorted(comparison, during);
    let names = |wanted: &dyn Fn(&ComparedDesign, Option<f64>) -> bool| -> Vec<String> {
        let wanted = all.iter().filter(|(design, served)| wanted(design, *served));
        wanted.map(|(design, _)| clean(&design.name)).collect()
    };
    let nobody = names(&|_, served| served.is_some_and(|share| share < NOBODY));
    let base_met = comparison.designs.first().map_or(0, |base| base.not_met.len());
    let missed = names(&|design, served| {
        design.not_met.len() > base_met && !served.is_some_and(|share| share < NOBODY)
    });
    let verdict = |design: &ComparedDesign, metric: &str| {
        comparison.difference(metric, &design.name).map(|of| of.verdict)
    };
    let as_good = |shown: Option<Shown>| {
        matches!(shown, Some(Shown::Identical | Shown::Equivalent | Shown::Better))
    };
    let harmless = names(&|design, _| {
        ["availability", "p99(latency)"].iter().all(|metric| as_good(verdict(design, metric)))
    });
    let mut lines = Vec::new();
    if !nobody.is_empty() {
        lines.push(format!("Without one of these nobody is served: {}.", nobody.join(", ")));
    }
    if !missed.is_empty() {
        lines.push(format!("Without one of these objectives are missed: {}.", missed.join(", ")));
    }
    if !harmless.is_empty() {
        lines.push(format!("Nobody notices the loss of: {}.", harmless.join(", ")));
    }
    lines
}
