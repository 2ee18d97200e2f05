//! The design as a graph: who calls whom.

use std::collections::BTreeSet;

use crate::node_kind::NodeKind;
use serde::{Deserialize, Serialize};

/// The design as a graph, for the picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Clients first, then nodes, in name order.
    pub vertices: Vec<Vertex>,
    /// Who calls whom.
    pub edges: Vec<Edge>,
}

impl Design {
    /// All nodes that a client or node calls, and those they call.
    pub fn below<'a>(&'a self, name: &str) -> Vec<&'a str> {
        self.called(name, |_| true)
    }

    /// The nodes that requests come to: those a client calls and those they call, but not what instances call
    /// unasked.
    pub fn asked(&self) -> BTreeSet<&str> {
        let clients: BTreeSet<&str> = self
            .vertices
            .iter()
            .filter(|vertex| vertex.kind == NodeKind::Client)
            .map(|client| client.name.as_str())
            .collect();
        // Clients name their edges as they like.
        let asks = |edge: &Edge| clients.contains(edge.from.as_str()) || !edge.is_unasked();
        clients.iter().flat_map(|client| self.called(client, asks)).collect()
    }

    /// Those who call a node; who calls it through a dns node only asks that where it is.
    pub fn callers(&self, name: &str) -> Vec<&str> {
        let is_dns =
            |name: &str| self.vertices.iter().any(|v| v.kind == NodeKind::Dns && v.name == name);
        let (mut found, mut open, mut asked) = (Vec::new(), vec![name], BTreeSet::new());
        while let Some(to) = open.pop() {
            for edge in self.edges.iter().filter(|edge| edge.to == to) {
                if !is_dns(&edge.from) {
                    found.push(edge.from.as_str());
                } else if asked.insert(&edge.from) {
                    open.push(&edge.from);
                }
            }
        }
        found
    }

    fn called<'a>(&'a self, name: &str, through: impl Fn(&Edge) -> bool) -> Vec<&'a str> {
        let mut found: Vec<&str> = Vec::new();
        let mut open = vec![name];
        while let Some(from) = open.pop() {
            for edge in self.edges.iter().filter(|e| e.from == from && through(e)) {
                if edge.to != name && !found.contains(&edge.to.as_str()) {
                    found.push(&edge.to);
                    open.push(&edge.to);
                }
            }
        }
        found
    }
}

/// A client or node of the picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vertex {
    /// Name.
    pub name: String,
    /// `client`, or the kind of a node as in the file.
    pub kind: NodeKind,
    /// Instances, or shards, or users of a closed client; 0: not applicable.
    pub instances: u64,
    /// Zones with the number of instances in each, of a client those its requests come from in turn; empty
    /// without topology.
    pub zones: Vec<(String, u64)>,
    /// One line of detail, such as `poisson(1200/s)` or `4 cores, 64 workers`.
    pub detail: String,
}

/// An edge of the picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// Caller's name.
    pub from: String,
    /// Callee's name.
    pub to: String,
    /// Such as `read` or an operation with its share; may be empty.
    pub label: String,
}

impl Edge {
    /// Only what instances do in the `background` comes this way, or messages, which nobody waits for.
    #[must_use]
    pub fn is_unasked(&self) -> bool {
        let unasked = |label: &str| {
            label == "background" || label.starts_with("background ") || label.ends_with(" message")
        };
        self.label.split(", ").all(unasked)
    }
}
