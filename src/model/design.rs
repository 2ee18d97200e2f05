//! What a file says, as one thing: the parts the model is made of.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    alert::AlertSpec,
    budget::ErrorBudgetSpec,
    client::ClientSpec,
    clock::ClocksSpec,
    consistency::spec::HistorySpec,
    fault::FaultSpec,
    kinds::NodeSpec,
    network::{NetworkSpec, TopologySpec},
    versions::Version,
};
use crate::{
    engine::law::{Law, Table},
    model::versions::Orders,
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
    /// What objectives allow to go wrong.
    pub budgets: BTreeMap<Name, ErrorBudgetSpec>,
    /// What hits them.
    pub faults: Vec<FaultSpec>,
    /// How wrong clocks are; exact when absent.
    pub clocks: Option<ClocksSpec>,
    /// How much of the history of the data is followed.
    pub history: Option<HistorySpec>,
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
        let offsets = self.clocks.iter().flat_map(|clocks| &clocks.offset);
        let tables = offsets.flat_map(Law::tables);
        all.extend(tables.map(|(f, c)| ("clocks".to_owned(), f, c)));
        all
    }
}

impl Design {
    /// The number of the version that some changes make, in the order in which they began.
    pub fn version(&self, order: &[usize]) -> usize {
        if order.is_empty() {
            return 0;
        }
        let normal = Orders::new(&self.faults, &self.nodes).normal(order);
        let at = self.versions.iter().position(|version| version.faults == normal);
        1 + at.expect("every combination of changes is a version")
    }
}

/// Windows of a time series, at most.
const WINDOWS: u64 = 240;

/// Length of a window: the smallest 1, 2, 5 x 10^k ns, or handy number of seconds, minutes, hours,
/// of which at most 240 cover the run.
pub fn window_length(duration: u64) -> u64 {
    const S: u64 = 1_000_000_000;
    let least = duration.div_ceil(WINDOWS).max(1);
    let handy =
        [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];
    let small = (0..9).flat_map(|k| [1, 2, 5].map(|m| m * 10u64.pow(k)));
    let long = (1..).map(|days| days * 86_400 * S);
    small
        .chain(handy.into_iter().map(|s| s * S))
        .chain(long)
        .find(|&w| w >= least)
        .expect("there is always a longer window")
}

/// Bounds of one replication.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events.
    pub events: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events: 10_000_000_000 }
    }
}
