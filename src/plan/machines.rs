//! Machines from the work that is offered to them, beside what a simulation kept busy.
//!
//! **Invariant.** What is worked out knows no retries, queues or failures: what is measured beside it shows what these cost.

use super::{Group, Line, Unit, number, waits};
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
    let Some(peak) = lines.iter_mut().find(|line| line.name == "peak") else { return };
    peak.simulated = Some(results.summary.figures.throughput);
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

/// Why a node is busier or less busy than was worked out.
fn why(node: &NodeResults, seen: f64, planned: f64, results: &Results) -> String {
    let much = format!(
        "{} % {} work than that",
        number((100.0 * (seen / planned - 1.0).abs()).round()),
        if seen > planned { "more" } else { "less" }
    );
    let attempts = results.summary.figures.attempts_per_request.value.unwrap_or(1.0);
    let full = node.utilisation.value.is_some_and(|busy| busy > 0.98);
    let reason = if full {
        "it is full, and turns away or queues the rest"
    } else if seen > planned && attempts > 1.01 {
        "clients retry"
    } else if seen < planned {
        "caches, failures or refusals keep requests away from it"
    } else {
        "hit ratios, retries and background work are not in the formula"
    };
    format!("{much}: {reason}")
}

/// One node.
fn node(of: &Offered, required: &RequirementsSpec, measured: &Measured<'_>) -> Vec<Line> {
    let (target, results) = (required.target(), measured.results);
    let work = of.busy / of.rate;
    let needed = libm::ceil(of.busy / (of.each * target) - 1e-9).max(1.0);
    let each = if of.each == 1.0 {
        String::new()
    } else {
        format!(" / {} {}", number(of.each), of.resource)
    };
    let busy = value(Quantity::Share, target);
    let formula = format!("{} /s x {} / {busy}{each}", number(of.rate), duration(work));
    let name = format!("{} at {busy} busy", of.node);
    let mut line = Line::new((Group::Machines, name), (needed, Unit::Count), formula);
    let seen = results.nodes.get(&of.node);
    if let Some(found) = seen {
        // Those that are there, as busy as they are to be.
        line.simulated = Some(scaled(&found.utilisation, of.instances as f64 / target));
        let planned = of.busy / (of.each * target);
        let measured = line.simulated.as_ref().and_then(|seen| seen.value).unwrap_or(planned);
        if (measured - planned).abs() > super::FAR_OFF * planned {
            line.flag = Some(why(found, measured, planned, results));
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
        let needed = libm::ceil(of.busy / (of.each * required.target()) - 1e-9).max(1.0);
        let formula = format!("{} x {} a month", number(needed), value(Quantity::Money, each));
        let at = (Group::Cost, of.node.clone());
        let mut line = Line::new(at, (needed * each, Unit::Dollars), formula);
        line.simulated = hours.cloned();
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
