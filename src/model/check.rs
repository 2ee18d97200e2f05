//! What a scenario must satisfy beyond types: names, bounds, topology, impossible settings.
//!
//! **Invariant.** A design without errors here can be built and run; the builder trusts it.

use super::{
    kind::{Facts, Kind},
    network::ZonesSpec,
    service::Discipline,
};
pub use crate::problem::closest;
use crate::{
    engine::law::{Dimension, DurationLaw, Formula, Law},
    model::{ids::NodeId, kinds::NodeSpec, names::Names},
    problem::Problems,
    units::{Count, Name},
};

/// Points on a ring.
pub const MAX_POINTS: u64 = 10_000_000;
/// Looks of all alerts in a run, each a stop between two events; of all budgets, each a count kept to its end.
const MAX_LOOKS: u64 = 1_000_000;
/// Instances of one node, and of all together.
pub(super) const MAX_INSTANCES: u64 = 60_000;

/// A count that must be in `1..=most`.
pub fn positive(count: Option<Count>, most: u64, path: &str, problems: &mut Problems) {
    let Some(Count(n)) = count else { return };
    if n == 0 {
        problems.error("E-RANGE", path, "must be at least 1");
    } else if n > most {
        problems.error("E-BUDGET", path, format!("{n} is above the limit of {most}"));
    }
}

/// There are at most so many of what a design has at this key, and all of them, each with the time between two looks
/// (ns), look no more often than a run may. False: there are too many to check each.
pub fn few(
    (what, most): (&str, usize),
    periods: impl ExactSizeIterator<Item = u64>,
    duration: u64,
    problems: &mut Problems,
) -> bool {
    let n = periods.len();
    if n > most {
        problems.error("E-BUDGET", what, format!("{n} {what}; the limit is {most}"));
        return false;
    }
    let looks = periods.map(|period| duration.checked_div(period).unwrap_or(0));
    let looks = looks.fold(0, u64::saturating_add);
    if looks > MAX_LOOKS {
        let message = format!("they look {looks} times in a run; the limit is {MAX_LOOKS}");
        problems.error_help("E-BUDGET", what, message, "a longer `every`");
    }
    true
}

/// A law's warnings.
pub fn law<D: Dimension>(law: &Law<D>, path: &str, problems: &mut Problems) {
    for warning in law.warnings() {
        problems.warn("W-LAW", path, warning, "see the reference on laws");
    }
}

/// A formula's attributes and warnings.
pub fn formula<D: Dimension>(
    formula: &Formula<D>,
    path: &str,
    names: &Names,
    problems: &mut Problems,
) {
    for warning in formula.warnings() {
        problems.warn("W-LAW", path, warning, "see the reference on laws");
    }
    for (_, attribute) in formula.attributes() {
        attribute_known(attribute, path, names, problems);
    }
}

pub(super) fn attribute_known(name: &str, path: &str, names: &Names, problems: &mut Problems) {
    if names.attribute(name).is_none() {
        let known = names.attribute_names();
        let help = closest(name, known.iter().map(String::as_str));
        problems.error_help("E-REF", path, format!("no client has an attribute `{name}`"), help);
    }
}

/// The zones of a node or client.
pub fn zones(spec: Option<&ZonesSpec>, path: &str, names: &Names, problems: &mut Problems) {
    let mut one = |name: &Name, path: String| {
        if names.zones_of(&name.0).is_none() {
            let known = names.zones.keys().chain(names.regions.keys()).map(String::as_str);
            let help = closest(&name.0, known);
            problems.error_help("E-REF", path, format!("unknown zone `{}`", name.0), help);
        }
    };
    match spec {
        None => {}
        Some(ZonesSpec::One(name)) => one(name, path.to_owned()),
        Some(ZonesSpec::List(list)) => {
            list.iter().enumerate().for_each(|(i, z)| one(z, format!("{path}[{i}]")));
            if list.is_empty() {
                problems.error("E-TOPO", path, "the list of zones is empty");
            }
        }
        Some(ZonesSpec::Counts(counts)) => {
            for zone in counts.keys() {
                one(zone, format!("{path}.{}", zone.0));
            }
            let total = counts.values().fold(0u64, |n, c| n.saturating_add(c.0));
            positive(Some(Count(total)), MAX_INSTANCES, path, problems);
        }
    }
}

/// A map of zones says where each instance of a node stands: neither more nor fewer than there are.
pub fn placed(facts: &Facts<'_>, path: &str, names: &Names, problems: &mut Problems) {
    let what = if facts.shards { "shards" } else { "instances" };
    let told = facts.zones.is_some() || facts.replicas.is_some_and(|own| own.stand_in.is_some());
    if !told && !facts.floats && facts.instances > 1 && names.regions.len() > 1 {
        let message = format!(
            "its {} {what} stand in all zones of {} regions in turn",
            facts.instances,
            names.regions.len()
        );
        problems.warn("W-ZONES", path, message, "say where: `zones: us-east`");
    }
    let Some(ZonesSpec::Counts(counts)) = facts.zones.filter(|_| facts.replicas.is_none()) else {
        return; // Of a store with replicas it counts those of a shard: `replication/check.rs`.
    };
    let total = counts.values().fold(0u64, |n, c| n.saturating_add(c.0));
    if total != facts.instances {
        let message = format!("{total} places for {} {what}", facts.instances);
        let help = if facts.shards {
            "as many as there are shards (one without `shards`)"
        } else {
            "as many as there are instances (one without `instances`)"
        };
        problems.error_help("E-REPL", format!("{path}.zones"), message, help);
    }
}

/// How long an instance takes to boot.
pub fn boot(time: Option<&DurationLaw>, path: &str, problems: &mut Problems) {
    if let Some(time) = time {
        law(time, &format!("{path}.boot"), problems);
    }
}

/// An order of service.
pub fn discipline(spec: Option<&Discipline>, bounded: bool, path: &str, problems: &mut Problems) {
    if spec.is_some_and(|d| *d != Discipline::Fifo) && !bounded {
        problems.error_help(
            "E-CONFLICT",
            format!("{path}.discipline"),
            "nothing ever waits here, so no order of service applies",
            "give `cores` (or `workers`)",
        );
    }
}

/// A ring takes memory for every point.
pub fn ring(instances: u64, points: u32, path: &str, problems: &mut Problems) {
    let all = instances.saturating_mul(u64::from(points));
    if all > MAX_POINTS {
        problems.error_help(
            "E-BUDGET",
            path,
            format!("{all} points on the ring; the limit is {MAX_POINTS}"),
            "fewer `vnodes`",
        );
    }
}

/// What can be wrong with a kind of node.
pub trait Checked: Kind {
    /// Reports what is wrong with it beyond types and names.
    fn check(&self, path: &str, names: &Names, problems: &mut Problems);
    /// Reports what all its versions together have too much of.
    fn check_length(&self, versions: &[&NodeSpec], path: &str, problems: &mut Problems) {
        let _ = (versions, path, problems);
    }
}

/// What is inside a service is used by its steps only.
pub fn inside(
    names: &Names,
    (target, caller): (&str, Option<NodeId>),
    path: &str,
    problems: &mut Problems,
) {
    let host = names.node(target).and_then(|node| names.host(node));
    if let Some(host) = host.filter(|&host| Some(host) != caller) {
        let host = names.name(host);
        let message = format!("`{target}` is inside `{host}`, whose steps alone can use it");
        problems.error("E-REF", path, message);
    }
}
