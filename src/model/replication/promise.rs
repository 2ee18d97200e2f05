//! What a store with replicas promises, whatever happens to it.
//!
//! **Invariant.** A run that breaks a promise is a bug of the program, and says so (`audit.rs`).

use super::{ModeSpec, QuorumSpec, RaftReadsSpec, RaftSpec};
use crate::model::{
    client::ClientSpec, ids::NodeId, kinds::NodeSpec, names::Names, resilience::EdgeSpec,
};

impl RaftSpec {
    /// Reads that cannot be old, given clocks that run alike.
    fn is_strict(&self) -> bool {
        let reads = self.reads.unwrap_or_default();
        matches!(reads, RaftReadsSpec::ReadIndex | RaftReadsSpec::Lease)
    }
}

impl QuorumSpec {
    /// What was read or written is seen by all who come after; stamps are by clocks that run alike, or asked for.
    fn is_strict(&self) -> bool {
        let (n, r, w) = (self.replicas.0, self.reads(), self.writes());
        // Clocks are exact, so that stamps of either kind rise with time.
        r + w > n
            && self.write_back == Some(true)
            && self.sloppy != Some(true)
            && self.tombstones.is_none()
    }
}

/// An edge on which a write may be done again later.
fn repeats(edge: &EdgeSpec) -> bool {
    edge.retry.is_some() || edge.hedge.is_some()
}

impl Names {
    /// Whether one order explains all answers of a store in every run: a log or strict quorums, disks that keep what was
    /// acknowledged, no caches before it, and no write that may be done twice.
    pub fn promises_order(&self, store: NodeId) -> bool {
        let NodeSpec::Store(spec) = self.spec(store) else { return false };
        let Some(replication) = &spec.replication else { return false };
        let mode = spec.durability.as_ref().and_then(|own| own.mode).unwrap_or_default();
        let strict = replication.raft.as_ref().is_some_and(RaftSpec::is_strict)
            || replication.quorum.as_ref().is_some_and(QuorumSpec::is_strict);
        let keeps = matches!(mode, ModeSpec::Each | ModeSpec::Group(_));
        let nodes = || self.design.nodes.values().chain(self.design.later());
        let cached = nodes().any(|node| matches!(node, NodeSpec::Cache(_)));
        let clients = self.design.clients.values().flat_map(ClientSpec::operations);
        let mut edges = clients.map(|(_, operation)| repeats(&operation.edge()));
        let twice = edges.any(|repeats| repeats)
            || nodes().filter_map(|node| node.kind().edges()).flatten().any(|(_, e)| repeats(e))
            || self.faults().any(|fault| fault.duplicate.is_some());
        strict && keeps && !cached && !twice
    }
}
