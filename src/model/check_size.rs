//! Sizes that would take memory or time without bound, refused before anything is built.
//!
//! **Invariant.** As in `check.rs`.

use super::{check::MAX_INSTANCES, service::StepSpec};
use crate::{
    model::names::Names,
    problem::Problems,
    units::{Rate, SimDuration},
};

/// Instances of all nodes together: each is measured window by window.
const MAX_TOTAL: u64 = 200_000;
/// Steps of a client's load.
pub(super) const MAX_LOAD_STEPS: usize = 2000;
/// Zones: every pair of them has a link.
const MAX_ZONES: usize = 500;
/// Pairs of zones that all links together describe.
const MAX_PAIRS: usize = 1_000_000;
/// Attributes, key spaces, and likewise marks.
const MAX_COLUMNS: usize = 1000;
/// Rounds of nested `repeat` of one visit.
const MAX_ROUNDS: u64 = 1_000_000;
/// Changes of state of a modulated rate.
const MAX_CHANGES: f64 = 1e8;

/// Checks how much of everything there is.
pub(super) fn sizes(names: &Names, problems: &mut Problems) {
    let links = &names.design.network.links;
    let zones = |name: &str| names.zones_of(name).map_or(0, |zones| zones.len());
    let pairs = |link: &super::network::LinkSpec| zones(&link.from.0) * zones(&link.to.0);
    // Counted only while the zones themselves are few.
    let pairs = if names.zones.len() > MAX_ZONES { 0 } else { links.iter().map(pairs).sum() };
    let all = [
        ("clients", "clients", names.design.clients.len(), 1000),
        ("nodes", "nodes", names.design.nodes.len(), 20_000),
        ("topology.regions", "zones", names.zones.len(), MAX_ZONES),
        ("network.links", "links between zones", pairs, MAX_PAIRS),
        ("clients", "attributes and key spaces", names.columns.len(), MAX_COLUMNS),
        ("nodes", "marks", names.marks.len(), MAX_COLUMNS),
    ];
    for (path, what, n, most) in all {
        if n > most {
            problems.error("E-BUDGET", path, format!("{n} {what}; the limit is {most}"));
        }
    }
    // One that is too many by itself is told at its own line.
    let instances = (0..names.nodes().len()).map(|i| names.kind(i as u16).facts().instances);
    let total: u64 = instances.map(|n| n.min(MAX_INSTANCES)).sum();
    if total > MAX_TOTAL {
        problems.error_help(
            "E-BUDGET",
            "nodes",
            format!("{total} instances in all; the limit is {MAX_TOTAL}"),
            "fewer `instances` or shards",
        );
    }
}

/// Rounds of nested loops multiply, and a round may take no event that could be counted.
pub(super) fn rounds(list: &[StepSpec], path: &str, outer: u64, problems: &mut Problems) {
    for (i, step) in list.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let times = step.repeat.as_ref().map_or(1, |repeat| repeat.times.0);
        let all = outer.saturating_mul(times);
        if all > MAX_ROUNDS {
            problems.error_help(
                "E-BUDGET",
                format!("{path}.repeat.times"),
                format!("{all} rounds in one visit; the limit is {MAX_ROUNDS}"),
                "fewer `times`, here or in the loops around it",
            );
            continue;
        }
        for (inner, list) in step.inner() {
            rounds(list, &format!("{path}{inner}"), all, problems);
        }
    }
}

/// A modulated rate must not change all the time.
pub(super) fn changes(
    states: &[(Rate, SimDuration)],
    duration: u64,
    path: &str,
    problems: &mut Problems,
) {
    let cycle: f64 = states.iter().map(|s| s.1.0 as f64).sum();
    let changes = duration as f64 / cycle * states.len() as f64;
    if changes > MAX_CHANGES {
        problems.error_help(
            "E-BUDGET",
            path,
            format!("the rate changes about {changes:.1e} times; the limit is {MAX_CHANGES:.0e}"),
            "longer stays in its states, or a shorter `duration`",
        );
    }
}
