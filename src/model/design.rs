//! What a file says, as one thing: the parts the model is made of.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    alert::AlertSpec,
    client::ClientSpec,
    fault::FaultSpec,
    kinds::NodeSpec,
    network::{NetworkSpec, TopologySpec},
    versions::Version,
};
use crate::{
    engine::law::{Law, Table},
    units::Name,
};

/// The parts of a scenario the model is made of.
#[derive(Clone, Debug)]
pub struct Design {
    /// Regions and zones.
    pub topology: TopologySpec,
    /// Latencies and links.
    pub network: NetworkSpec,
    /// Clients by name.
    pub clients: BTreeMap<Name, ClientSpec>,
    /// Nodes by name.
    pub nodes: BTreeMap<Name, NodeSpec>,
    /// What is watched.
    pub alerts: BTreeMap<Name, AlertSpec>,
    /// What hits them.
    pub faults: Vec<FaultSpec>,
    /// What `set` faults make of it.
    pub versions: Vec<Version>,
    /// Ids of faults around which requests are measured operation by operation.
    pub watched: BTreeSet<String>,
    /// Simulated time, ns.
    pub duration: u64,
    /// Start of the measured span, ns.
    pub warm_up: u64,
}

impl Design {
    /// The nodes of all versions but the first.
    pub(super) fn later(&self) -> impl Iterator<Item = &NodeSpec> {
        self.versions.iter().flat_map(|v| v.nodes.values())
    }

    /// The files laws read: (path, table, column).
    pub(super) fn files(&self) -> Vec<(String, Table, String)> {
        let mut all = Vec::new();
        for (name, client) in &self.clients {
            let path = format!("clients.{}", name.0);
            all.extend(client.files().into_iter().map(|(f, c)| (path.clone(), f, c)));
        }
        let later = self.versions.iter().flat_map(|v| &v.nodes);
        for (name, node) in self.nodes.iter().chain(later) {
            let path = format!("nodes.{}", name.0);
            all.extend(node.kind().files().into_iter().map(|(f, c)| (path.clone(), f, c)));
        }
        let latencies = self.network.laws();
        let tables = latencies.into_iter().flat_map(Law::tables);
        all.extend(tables.map(|(f, c)| ("network".to_owned(), f, c)));
        let tables = self.faults.iter().flat_map(FaultSpec::laws).flat_map(Law::tables);
        all.extend(tables.map(|(f, c)| ("faults".to_owned(), f, c)));
        all
    }
}
