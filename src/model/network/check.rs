//! Checks of the network.
//!
//! **Invariant.** As in `model/check.rs`.

use std::collections::BTreeSet;

use super::{LineDiscipline, LinkSpec, NetworkSpec};
use crate::{
    model::{
        check::{closest, law},
        ids::{End, NodeId},
        names::Names,
    },
    problem::Problems,
};

/// Checks the latencies and links.
pub fn network(spec: &NetworkSpec, names: &Names, problems: &mut Problems) {
    let clients = &names.design.clients;
    let (one_each, one) =
        (names.regions.values().all(|zones| zones.len() < 2), names.regions.len() < 2);
    let inside = !clients.is_empty() && clients.values().all(|c| c.zones().is_some());
    let classes = [
        (&spec.same_zone, "same_zone", None),
        (&spec.same_region, "same_region", one_each.then_some("no region has two zones")),
        (&spec.cross_region, "cross_region", one.then_some("there are no two regions")),
        (&spec.internet, "internet", inside.then_some("all clients stand in zones")),
    ];
    for (latency, key, unused) in classes {
        let (Some(latency), path) = (latency, format!("network.{key}")) else { continue };
        law(latency, &path, problems);
        if let Some(why) = unused {
            let message = format!("no message goes over `{key}`: {why}");
            let help = match key {
                "internet" => "only clients without `zones` send over it: leave out one of the two",
                _ => "leave it out, or give `topology` more zones",
            };
            problems.warn("W-UNUSED", path, message, help);
        }
    }
    let hops = hops(names);
    if let Some((from, to)) = timeless(spec, names, &hops) {
        problems.warn(
            "W-LATENCY",
            "network",
            format!("messages between `{from}` and `{to}` take no time"),
            "give the latency of their class (`same_region`, `cross_region`), or of a link between them",
        );
    }
    links(spec, names, &hops, problems);
}

fn links(spec: &NetworkSpec, names: &Names, hops: &[Vec<NodeId>], problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (i, link) in spec.links.iter().enumerate() {
        let path = format!("network.links[{i}]");
        for (end, key) in [(&link.from, "from"), (&link.to, "to")] {
            if names.zones_of(&end.0).is_none() && names.entity_of(&end.0).is_none() {
                let known = names.zones.keys().chain(names.regions.keys()).map(String::as_str);
                let known = known.chain(["internet"]);
                let help = closest(&end.0, known.chain(names.nodes().chain(names.clients())));
                let message = format!("no zone, region, node or client `{}`", end.0);
                problems.error_help("E-REF", format!("{path}.{key}"), message, help);
            }
        }
        if let Some((from, to)) = silent_pair(link, names, hops) {
            let message = format!("no message goes from `{from}` to `{to}` or back");
            let help = "a link of nodes is for one that calls the other: balancers and caches between them \
                        have links of their own";
            problems.warn("W-UNUSED", &path, message, help);
        }
        if link.bandwidth.is_some_and(|b| b.0 <= 0.0) {
            problems.error("E-RANGE", format!("{path}.bandwidth"), "must be above 0");
        }
        line(link, &path, problems);
        if link.loss.is_some_and(|f| f.0 >= 1.0) {
            problems.warn(
                "W-LOSS",
                format!("{path}.loss"),
                "every message is lost",
                "a partition?",
            );
        }
        let two_way = link.one_way != Some(true);
        let mut ends = vec![(link.from.0.clone(), link.to.0.clone())];
        if two_way && link.from != link.to {
            ends.push((link.to.0.clone(), link.from.0.clone()));
        }
        for pair in ends {
            if !seen.insert(pair) {
                problems.error("E-TOPO", &path, "this link is described twice");
                break;
            }
        }
    }
}

/// How messages have the bandwidth of a link.
fn line(link: &LinkSpec, path: &str, problems: &mut Problems) {
    let ways = [("discipline", link.discipline.is_some()), ("per_flow", link.per_flow.is_some())];
    for (key, _) in ways.into_iter().filter(|way| way.1 && link.bandwidth.is_none()) {
        let message = "without `bandwidth` a link carries everything at once";
        let help = "give the link a `bandwidth`, such as `1Gbps`";
        problems.error_help("E-MISSING", format!("{path}.{key}"), message, help);
    }
    if link.per_flow.is_some_and(|each| each.0 <= 0.0) {
        problems.error("E-RANGE", format!("{path}.per_flow"), "must be above 0");
    }
    if link.bandwidth.is_none() || link.discipline() == LineDiscipline::Shared {
        if link.ordered == Some(true) && link.discipline.is_some() {
            let message = "messages that share a link overtake one another";
            let help = "leave out `ordered`, or say `discipline: fifo`";
            problems.error_help("E-CONFLICT", format!("{path}.ordered"), message, help);
        }
    } else if link.per_flow.is_some() {
        let message = "one after the other, each message has all of the link";
        let help = "leave out `per_flow`, or say `discipline: shared`";
        problems.error_help("E-CONFLICT", format!("{path}.per_flow"), message, help);
    }
}

/// Whom each node and client calls, by id.
fn hops(names: &Names) -> Vec<Vec<NodeId>> {
    let of_nodes = names.calls();
    let of_nodes = of_nodes
        .iter()
        .map(|calls| calls.iter().filter_map(|call| names.node(&call.target)).collect::<Vec<_>>());
    let of_clients = names.design.clients.values().map(|client| {
        let operations = client.operations();
        let targets = operations.iter().flat_map(|(_, o)| o.targets());
        targets.filter_map(|(target, _)| names.node(&target.0)).collect()
    });
    of_nodes.chain(of_clients).collect()
}

/// The ends of a link of nodes between which nothing is sent.
fn silent_pair<'n>(
    link: &'n LinkSpec,
    names: &Names,
    hops: &[Vec<NodeId>],
) -> Option<(&'n str, &'n str)> {
    let (from, to) = (&link.from.0, &link.to.0);
    if names.entity_of(from).is_none() && names.entity_of(to).is_none() {
        return None;
    }
    let ends = |name: &str| -> BTreeSet<NodeId> {
        names.ends_at(name).into_iter().map(|end| end.0).collect()
    };
    let (a, b) = (ends(from), ends(to));
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let calls = |a: &BTreeSet<NodeId>, b: &BTreeSet<NodeId>| {
        a.iter().any(|one| hops[usize::from(*one)].iter().any(|other| b.contains(other)))
    };
    (!calls(&a, &b) && !calls(&b, &a)).then_some((from, to))
}

/// Two zones between which messages go that take no time, though others take some.
fn timeless<'n>(
    spec: &NetworkSpec,
    names: &'n Names,
    hops: &[Vec<NodeId>],
) -> Option<(&'n str, &'n str)> {
    if spec.laws().is_empty() {
        return None;
    }
    let linked = |a: End, b: End| {
        spec.links.iter().any(|link| link.latency.is_some() && names.joins(link, a, b))
    };
    let near = |a, b| names.regions.values().any(|all| all.contains(&a) && all.contains(&b));
    let classed = |a, b| {
        let beyond = spec.cross_region.is_some() || spec.regions.is_some();
        if near(a, b) { spec.same_region.is_some() } else { beyond }
    };
    let name = |zone| names.zones.iter().find(|(_, z)| **z == zone).map(|(name, _)| name.as_str());
    let silent = |(a, b): (End, End)| {
        let pair = name(a.1).zip(name(b.1))?;
        (a.1 != b.1 && !classed(a.1, b.1) && !linked(a, b)).then_some(pair)
    };
    for (id, calls) in hops.iter().enumerate() {
        let (id, mut open) = (id as NodeId, calls.clone());
        let from = names.stands_in(id);
        let mut seen = BTreeSet::new();
        while let Some(node) = open.pop() {
            if !seen.insert(node) {
                continue;
            }
            let to = names.stands_in(node);
            // What stands where its caller stands asks in its name.
            if to.iter().all(|zone| name(*zone).is_none()) {
                open.extend(&hops[usize::from(node)]);
            }
            let pairs = from.iter().flat_map(|a| to.iter().map(|b| ((id, *a), (node, *b))));
            if let Some(pair) = pairs.into_iter().find_map(silent) {
                return Some(pair);
            }
        }
    }
    None
}
