//! Machines from the work that is offered to them, beside what a simulation kept busy.
//!
//! **Invariant.** What is worked out knows no retries, queues or failures: what is measured beside it shows what these cost.

use super::{Group, Line, Unit, cache::HIT_RATIO, number, waits};
use crate::{
    model::Offered,
    results::{Estimate, NodeResults, Results},
    scenario::requirements::RequirementsSpec,
    units::show::{Quantity, duration, value},
};

/// An objective on how long visits of a node wait.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitAsked {
    /// The node.
    pub node: String,
    /// The share of the visits that are to wait no longer; none: the mean.
    pub share: Option<f64>,
    /// Limit, s.
    pub limit: f64,
    /// As the file has it.
    pub text: String,
}

/// A design that was simulated.
#[derive(Debug)]
pub struct Measured<'r> {
    /// What is asked of its nodes.
    pub offered: Vec<Offered>,
    /// What its objectives say of waits.
    pub waits: Vec<WaitAsked>,
    /// What was measured.
    pub results: &'r Results,
    /// Clients whose arrivals follow the requirements.
    pub following: Vec<String>,
}

fn scaled(of: &Estimate, by: f64) -> Estimate {
    let times = |value: Option<f64>| value.map(|value| value * by);
    Estimate { value: times(of.value), lower: times(of.lower), upper: times(of.upper), n: of.n }
}

/// How many requests came, beside how many were to come.
pub(super) fn traffic(lines: &mut [Line], measured: &Measured<'_>) {
    let results = measured.results;
    if let Some(line) = lines.iter_mut().find(|line| line.name == HIT_RATIO)
        && let Some(hits) = hit_ratio(results)
    {
        line.simulated = Some(hits);
        if line.is_off() {
            let why = "not so after this warm-up, with this capacity and these keys";
            line.flag = Some(why.to_owned());
        }
    }
    let Some(peak) = lines.iter_mut().find(|line| line.name == "peak") else { return };
    let own = results.clients.iter().filter(|(name, _)| measured.following.contains(name));
    let mut own = own.map(|(_, client)| client.figures.throughput);
    peak.simulated = Some(match (own.next(), own.next()) {
        // Who sends besides is not required.
        (Some(one), None) => one,
        _ => results.summary.figures.throughput,
    });
    if peak.is_off() {
        let own = |name: &String| results.clients.contains_key(name);
        let follow = measured.following.iter().any(own);
        let why = if follow {
            "not all actions are operations of clients"
        } else {
            "clients send what their `arrivals` say; `requirements(peak)` has them send this"
        };
        peak.flag = Some(why.to_owned());
    }
}

/// The share of their reads that caches answered, if there are any; of several that of the one asked most.
fn hit_ratio(results: &Results) -> Option<Estimate> {
    let caches = results.nodes.values().filter_map(|node| node.cache.as_ref());
    Some(caches.max_by_key(|cache| cache.lookups)?.hit_ratio)
}

/// Why a node is busier or less busy than was worked out.
fn why(
    (node, hits_planned): (&NodeResults, Option<f64>),
    (seen, planned): (f64, f64),
    results: &Results,
) -> String {
    let times = seen / planned;
    let much = if times >= 2.0 {
        format!("{} times that work", number(times))
    } else {
        let share = value(Quantity::Share, (times - 1.0).abs());
        format!("{share} {} work", if times > 1.0 { "more" } else { "less" })
    };
    let attempts = results.summary.figures.attempts_per_request.value.unwrap_or(1.0);
    let full = node.utilisation.value.is_some_and(|busy| busy > 0.98);
    let hits = hit_ratio(results).and_then(|seen| seen.value);
    // Only if that goes the same way.
    let hits = hits.zip(hits_planned).filter(|(seen, planned)| (seen < planned) == (times > 1.0));
    let reason = if let Some((seen, planned)) = hits.filter(|_| !full) {
        let [seen, planned] = [seen, planned].map(|share| value(Quantity::Share, share));
        return format!("{much}: caches hit {seen}, not {planned}");
    } else if full {
        "it is full, and turns away or queues the rest"
    } else if seen > planned && attempts > 1.01 {
        "clients retry"
    } else if seen < planned {
        "caches, failures or refusals keep requests away from it"
    } else {
        "retries and work of its own are not in the formula"
    };
    format!("{much}: {reason}")
}

/// How many instances it takes for none to be busier.
fn needed(of: &Offered, target: f64) -> f64 {
    libm::ceil(of.busy / (of.each * target) - 1e-9).max(1.0)
}

/// One node.
fn node(of: &Offered, required: &RequirementsSpec, measured: &Measured<'_>) -> Vec<Line> {
    let (target, results) = (required.target(), measured.results);
    let work = of.busy / of.rate;
    let needed = needed(of, target);
    let each = if (of.each - 1.0).abs() < 1e-9 {
        String::new()
    } else {
        format!(" / {} {}", number(of.each), of.resource)
    };
    let busy = value(Quantity::Share, target);
    let formula = format!("{} /s x {} / {busy}{each}", number(of.rate), duration(work));
    let name = format!("{} at {busy} busy", of.node);
    let mut line = Line::new((Group::Machines, name), (needed, Unit::Count), formula);
    let seen = results.nodes.get(&of.node);
    // Of those that come and go nobody knows here how many there were.
    if let Some(found) = seen.filter(|node| node.scaling.is_none()) {
        // Those that are there, as busy as they are to be.
        line.simulated = Some(scaled(&found.utilisation, of.instances as f64 / target));
        let planned = of.busy / (of.each * target);
        let measured = line.simulated.as_ref().and_then(|seen| seen.value).unwrap_or(planned);
        if (measured - planned).abs() > super::FAR_OFF * planned {
            let hits = required.cache.as_ref().map_or(0.0, |cache| cache.hit_ratio.0);
            let hits = of.misses.then_some(hits);
            line.flag = Some(why((found, hits), (measured, planned), results));
        }
    }
    let mut lines = vec![line];
    for asked in measured.waits.iter().filter(|asked| asked.node == of.node) {
        // Each instance has a line of its own; calls are spread among them at random.
        let c = of.each.max(1.0) as u64;
        let keeps = |n: u64| {
            let offered = of.busy / n as f64;
            if offered >= c as f64 {
                return false;
            }
            match asked.share {
                Some(share) => waits::waits_longer(c, offered, (asked.limit, work)) <= 1.0 - share,
                None => waits::mean_wait(c, offered, work) <= asked.limit,
            }
        };
        let least = (of.busy / c as f64).ceil().max(1.0) as u64;
        let Some(enough) = (least..least.saturating_mul(50) + 50).find(|n| keeps(*n)) else {
            continue;
        };
        let formula =
            format!("M/M/{c}, {} /s x {} shared by {enough}", number(of.rate), duration(work));
        let name = format!("{} for {}", of.node, asked.text);
        lines.push(Line::new((Group::Machines, name), (enough as f64, Unit::Count), formula));
    }
    lines
}

pub(super) fn lines(required: &RequirementsSpec, measured: &Measured<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> =
        measured.offered.iter().flat_map(|of| node(of, required, measured)).collect();
    let results = measured.results;
    let mut dollars = Vec::new();
    for of in &measured.offered {
        let hours = results.nodes.get(&of.node).and_then(|node| node.cost.as_ref()?.hours.as_ref());
        let Some(paid) = hours.and_then(|hours| hours.value).filter(|_| of.instances > 0) else {
            continue;
        };
        let each = paid / of.instances as f64;
        let needed = needed(of, required.target());
        let formula = format!("{} x {} a month", number(needed), value(Quantity::Money, each));
        let at = (Group::Cost, of.node.clone());
        let mut line = Line::new(at, (needed * each, Unit::Dollars), formula);
        line.simulated = hours.copied();
        if line.is_off() {
            line.flag = Some(format!("the design has {} of them", number(of.instances as f64)));
        }
        dollars.push(line.value);
        lines.push(line);
    }
    if dollars.len() > 1 {
        let parts: Vec<String> = dollars.iter().map(|each| value(Quantity::Money, *each)).collect();
        let at = (Group::Cost, "machines");
        lines.push(Line::new(at, (dollars.iter().sum(), Unit::Dollars), parts.join(" + ")));
    }
    lines
}
