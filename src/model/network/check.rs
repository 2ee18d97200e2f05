//! Checks of the network.
//!
//! **Invariant.** As in `model/check.rs`.

use std::collections::BTreeSet;

use super::{NetworkSpec, links::Zone};
use crate::{
    model::{
        build::Names,
        check::{closest, law},
        kind::Outgoing,
        node::NodeId,
    },
    problem::Problems,
    units::Name,
};

/// Checks the latencies and links.
pub fn network(spec: &NetworkSpec, names: &Names<'_>, problems: &mut Problems) {
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
    if let Some((from, to)) = timeless(spec, names) {
        problems.warn(
            "W-LATENCY",
            "network",
            format!("messages between `{from}` and `{to}` take no time"),
            "give the latency of their class (`same_region`, `cross_region`), or of a link between them",
        );
    }
    let mut seen = BTreeSet::new();
    for (i, link) in spec.links.iter().enumerate() {
        let path = format!("network.links[{i}]");
        for (end, key) in [(&link.from, "from"), (&link.to, "to")] {
            if names.zones_of(&end.0).is_none() {
                let known = names.zones.keys().chain(names.regions.keys()).map(String::as_str);
                let help = closest(&end.0, known.chain(["internet"]));
                let message = format!("unknown zone `{}`", end.0);
                problems.error_help("E-REF", format!("{path}.{key}"), message, help);
            }
        }
        if link.bandwidth.is_some_and(|b| b.0 <= 0.0) {
            problems.error("E-RANGE", format!("{path}.bandwidth"), "must be above 0");
        }
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

/// Two zones between which messages go that take no time, though others take some.
fn timeless<'n>(spec: &NetworkSpec, names: &'n Names<'_>) -> Option<(&'n str, &'n str)> {
    if spec.laws().is_empty() {
        return None;
    }
    let stands = |name: &Name, zone| names.zones_of(&name.0).is_some_and(|all| all.contains(&zone));
    let linked = |a, b| {
        spec.links.iter().filter(|link| link.latency.is_some()).any(|link| {
            stands(&link.from, a) && stands(&link.to, b)
                || link.one_way != Some(true) && stands(&link.from, b) && stands(&link.to, a)
        })
    };
    let near = |a, b| names.regions.values().any(|all| all.contains(&a) && all.contains(&b));
    let classed = |a, b| {
        let beyond = spec.cross_region.is_some() || spec.regions.is_some();
        if near(a, b) { spec.same_region.is_some() } else { beyond }
    };
    let name = |zone| names.zones.iter().find(|(_, z)| **z == zone).map(|(name, _)| name.as_str());
    let silent = |(a, b): (Zone, Zone)| {
        let pair = name(a).zip(name(b))?;
        (a != b && !classed(a, b) && !linked(a, b)).then_some(pair)
    };
    let targets =
        |calls: &Vec<Outgoing>| calls.iter().filter_map(|call| names.node(&call.target)).collect();
    let calls: Vec<Vec<NodeId>> = names.calls().iter().map(targets).collect();
    let places: Vec<Vec<Zone>> =
        (0..names.nodes.len()).map(|id| names.places(id as NodeId)).collect();
    let of_nodes = (0..names.nodes.len()).map(|id| (places[id].clone(), calls[id].clone()));
    let of_clients = names.design.clients.values().map(|client| {
        let operations = client.operations();
        let targets = operations.iter().flat_map(|(_, o)| o.targets());
        let targets = targets.filter_map(|(target, _)| names.node(&target.0));
        (names.origins(client.zones()), targets.collect())
    });
    for (from, mut open) in of_nodes.chain(of_clients) {
        let from: BTreeSet<Zone> = from.into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(node) = open.pop() {
            let node = usize::from(node);
            if !seen.insert(node) {
                continue;
            }
            let to: BTreeSet<Zone> = places[node].iter().copied().collect();
            // What stands where its caller stands asks in its name.
            if to.iter().all(|zone| name(*zone).is_none()) {
                open.extend(&calls[node]);
            }
            let pairs = from.iter().flat_map(|a| to.iter().map(|b| (*a, *b)));
            if let Some(pair) = pairs.into_iter().find_map(silent) {
                return Some(pair);
            }
        }
    }
    None
}
