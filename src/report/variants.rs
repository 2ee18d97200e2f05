//! What the variants of a scenario change, in one sentence each.
//!
//! **Invariant.** Only what differs is told, and both figures of it.

use super::{
    grid::Lines,
    table::LEAST_WIDTH,
    text::{Quantity, about, clean, duration, value},
};
use crate::{
    node_kind::NodeKind,
    results::{Aftermath, FaultResults, Judgement, Results},
};

/// Difference of two shares below which they are the same.
const SAME_SHARE: f64 = 0.005;
/// Ratio of two other figures below which they are the same.
const SAME: f64 = 1.1;

/// The names of the variants, or what each changes.
pub(crate) fn text(names: &[&str], told: &[String], width: u16) -> String {
    let mut out = Lines { width: usize::from(width).max(LEAST_WIDTH), text: String::new() };
    if names.is_empty() {
        return out.text;
    }
    out.blank();
    if told.is_empty() {
        let names: Vec<String> = names.iter().map(|name| clean(name)).collect();
        out.wrapped("  ", &format!("Variants: {} (--variants runs them)", names.join(", ")));
        return out.text;
    }
    out.wrapped("", "What the variants change");
    for line in told {
        out.wrapped("    ", &format!("  {}", clean(line)));
    }
    out.text
}

/// What a variant that sets these paths changes.
pub(crate) fn sentence(results: &Results, variant: &Results, paths: &[String]) -> String {
    let mut changes = Vec::new();
    let mut figure = |name: &str, quantity: Quantity, of: &dyn Fn(&Results) -> Option<f64>| {
        let Some((before, after)) = of(results).zip(of(variant)) else { return };
        let same = match quantity {
            Quantity::Share => (before - after).abs() < SAME_SHARE,
            _ => before.max(after) <= SAME * before.min(after),
        };
        if !same {
            let show = |v: f64| value(quantity, v);
            changes.push(format!("{name} {} instead of {}", show(after), show(before)));
        }
    };
    figure("availability", Quantity::Share, &|r| r.summary.figures.availability.value);
    figure("goodput", Quantity::Rate, &|r| r.summary.figures.goodput.value);
    figure("p99 of what is answered", Quantity::Duration, &|r| r.summary.figures.latency.p99.value);
    figure("attempts per request", Quantity::Number, &|r| {
        r.summary.figures.attempts_per_request.value
    });
    for name in results.clients.keys().filter(|_| results.clients.len() > 1) {
        figure(&format!("p99 of {name}"), Quantity::Duration, &|r| {
            r.clients.get(name)?.figures.latency.p99.value
        });
    }
    for (name, node) in &results.nodes {
        if node.cache.is_some() {
            figure(&format!("hit ratio of {name}"), Quantity::Share, &|r| {
                r.nodes.get(name)?.cache.as_ref()?.hit_ratio.value
            });
        } else if node.kind == NodeKind::Store {
            figure(&format!("load of {name}"), Quantity::Rate, &|r| {
                r.nodes.get(name)?.throughput.value
            });
        }
    }
    for fault in &results.faults {
        let Some(other) = variant.faults.iter().find(|f| f.id == fault.id) else { continue };
        let (before, after) = (became(fault), became(other));
        if before != after {
            changes.push(format!("{}: {after} instead of {before}", fault.id));
        }
    }
    let changes =
        if changes.is_empty() { "nothing that shows".to_owned() } else { changes.join("; ") };
    let name = variant.variant.as_deref().unwrap_or_default();
    format!("{name} (sets {}): {changes}{}.", paths.join(", "), targets(variant))
}

/// What became of a fault, in a few words.
fn became(fault: &FaultResults) -> String {
    let lasted = fault.spans.first().map_or(0.0, |span| span.1 - span.0);
    let back = fault.back_after.value;
    match (fault.aftermath, fault.time_to_recover.value) {
        _ if fault.occurrences.value.unwrap_or_default() == 0.0 => "never came".to_owned(),
        _ if back == Some(0.0) => "not felt".to_owned(),
        _ if back.is_some_and(|back| back < lasted) => {
            format!("back {} after its start", duration(back.unwrap_or_default()))
        }
        (Some(Aftermath::Metastable), _) => "stays down".to_owned(),
        (Some(Aftermath::Draining), _) => {
            format!("empty in {}", fault.empty_in.value.map(about).unwrap_or_default())
        }
        (Some(Aftermath::CauseRemains), _) => "down, its cause remains".to_owned(),
        (_, Some(time)) => format!("recovered {} after its end", duration(time)),
        (Some(_), None) => "recovered for the most part".to_owned(),
        (None, None) => "not recovered as far as it was watched".to_owned(),
    }
}

/// How many of its targets it meets.
fn targets(variant: &Results) -> String {
    let own = || variant.slos.iter().filter(|slo| !slo.is_of_baseline());
    let judged = |verdict| own().filter(|slo| slo.verdict == verdict).count();
    match (judged(Judgement::Met), judged(Judgement::Inconclusive), own().count()) {
        (.., 0) => String::new(),
        (met, _, all) if met == all => "; it meets its targets".to_owned(),
        (met, 0, all) => format!("; it meets {met} of its {all} targets"),
        (met, open, all) => {
            format!("; it meets {met} of its {all} targets, and may or may not meet {open}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Estimate;

    #[test]
    fn a_few_words_for_each_way_a_fault_went() {
        let at = |value: f64| Estimate { value: Some(value), ..Estimate::default() };
        let none = Estimate::default;
        let told = |aftermath, [back, time, empty]: [Estimate; 3]| {
            became(&FaultResults {
                occurrences: at(1.0),
                spans: vec![(10.0, 20.0)],
                aftermath,
                back_after: back,
                time_to_recover: time,
                empty_in: empty,
                ..FaultResults::default()
            })
        };
        assert_eq!(
            became(&FaultResults { occurrences: at(0.0), ..FaultResults::default() }),
            "never came"
        );
        assert_eq!(told(None, [at(0.0), none(), none()]), "not felt");
        assert_eq!(told(None, [at(9.0), at(0.0), none()]), "back 9 s after its start");
        // Back as it ends is back after it.
        assert_eq!(told(None, [at(10.0), at(0.0), none()]), "recovered 0 s after its end");
        assert_eq!(
            told(Some(Aftermath::Recovered), [at(12.0), at(2.0), none()]),
            "recovered 2 s after its end"
        );
        assert_eq!(
            told(Some(Aftermath::Recovered), [none(), none(), none()]),
            "recovered for the most part"
        );
        assert_eq!(told(Some(Aftermath::Metastable), [none(), none(), none()]), "stays down");
        assert_eq!(
            told(Some(Aftermath::Draining), [none(), none(), at(330.0)]),
            "empty in about 6 min"
        );
        assert_eq!(
            told(Some(Aftermath::CauseRemains), [none(), none(), none()]),
            "down, its cause remains"
        );
        assert_eq!(told(None, [none(), none(), none()]), "not recovered as far as it was watched");
    }
}
