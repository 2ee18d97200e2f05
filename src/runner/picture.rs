//! The design as a graph for the picture: clients, nodes, who calls whom.
//!
//! **Invariant.** It shows what the model was built from, not what the file looks like.

use std::fmt::Display;

use crate::{
    model::{
        client::Arrivals,
        ids::{NodeId, Zone},
        names::Names,
        network::{ZonesSpec, places::zone_name},
    },
    node_kind::NodeKind,
    results::{Design, Edge, Vertex},
    units::{
        Name,
        show::{Quantity, value},
    },
};

/// What a file has in a few characters as it has it; what was worked out in three digits.
fn shorter<T: Display>(what: T, shown: impl Fn(&T) -> String) -> String {
    let text = what.to_string();
    if text.len() > 8 { shown(&what) } else { text }
}

/// When requests come.
fn arrivals(arrivals: &Arrivals) -> String {
    match arrivals {
        Arrivals::Poisson { rate, batch: 1 } => {
            format!("poisson({})", shorter(*rate, |rate| value(Quantity::Rate, rate.0)))
        }
        other => other.to_string(),
    }
}

/// Clients first, then nodes, each in name order; one edge per pair.
pub(super) fn design(names: &Names) -> Design {
    let mut picture = Design::default();
    for (name, client) in &names.design.clients {
        let users = match client.arrivals {
            Arrivals::Closed { users, .. } => users,
            _ => 0,
        };
        picture.vertices.push(Vertex {
            name: name.0.clone(),
            kind: NodeKind::Client,
            instances: users,
            zones: origins(names, client.zones.as_ref()),
            detail: arrivals(&client.arrivals),
        });
        let operations = client.operations();
        let several = operations.len() > 1;
        for (operation, spec) in operations {
            let Some((target, verb)) = spec.target() else { continue };
            let mut label = verb.map_or(String::new(), |verb| verb.name().to_owned());
            if several {
                label.clone_from(&operation);
                if let Some(share) = spec.share() {
                    label = format!(
                        "{operation} {}",
                        shorter(share, |share| value(Quantity::Share, share.0))
                    );
                }
            }
            connect(&mut picture.edges, &name.0, &target.0, &label);
            for (other, _) in spec.targets().into_iter().skip(1) {
                connect(&mut picture.edges, &name.0, &other.0, "fallback");
            }
        }
    }
    for (id, (name, node)) in names.design.nodes.iter().enumerate() {
        let facts = node.kind().facts();
        picture.vertices.push(Vertex {
            name: name.0.clone(),
            kind: facts.kind,
            instances: if facts.shards { node.kind().routed() } else { node.kind().wanted() },
            zones: node_zones(names, name),
            detail: node.kind().detail(),
        });
        // What instances ask of each other stays inside the node.
        let calls = names.outgoing(id as NodeId, "");
        for call in calls.iter().filter(|call| call.target != name.0) {
            connect(&mut picture.edges, &name.0, &call.target, &call.label);
        }
        for &view in names.fed_by(id as NodeId) {
            connect(&mut picture.edges, &name.0, names.name(view), "log message");
        }
    }
    picture
}

/// Adds a label to the edge between two, or the edge.
fn connect(edges: &mut Vec<Edge>, from: &str, to: &str, label: &str) {
    match edges.iter_mut().find(|e| e.from == from && e.to == to) {
        None => {
            let (from, to, label) = (from.to_owned(), to.to_owned(), label.to_owned());
            edges.push(Edge { from, to, label });
        }
        Some(edge) => {
            // A call without a name has one beside others.
            let named = |label: &str| if label.is_empty() { "call" } else { label }.to_owned();
            let label = named(label);
            if edge.label.is_empty() && label == "call" {
                return;
            }
            edge.label = named(&edge.label);
            if !edge.label.split(", ").any(|known| known == label) {
                edge.label = format!("{}, {label}", edge.label);
            }
        }
    }
}

/// Where the instances of a node stand, whether its `zones` say so or not.
fn node_zones(names: &Names, name: &Name) -> Vec<(String, u64)> {
    let Some(node) = names.node(&name.0).filter(|_| !names.zones.is_empty()) else {
        return Vec::new();
    };
    let facts = names.kind(node).facts();
    // Who only observes is not drawn, nor are places for those who leave.
    let drawn = facts.serving().min(names.kind(node).wanted());
    if facts.floats && facts.zones.is_none() {
        return vec![(BESIDE.to_owned(), drawn)];
    }
    let serving = names.places(node).into_iter().take(drawn as usize);
    counted(names, serving.collect())
}

/// Stands for the zone of whoever calls.
const BESIDE: &str = "beside its caller";

/// The zones a client's requests come from in turn.
fn origins(names: &Names, zones: Option<&ZonesSpec>) -> Vec<(String, u64)> {
    zones.map_or_else(Vec::new, |zones| counted(names, names.origins(Some(zones))))
}

/// How many of them are in each zone, in zone order.
fn counted(names: &Names, zones: Vec<Zone>) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = Vec::new();
    for zone in zones {
        let name = zone_name(zone, names);
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts.sort();
    counts
}
