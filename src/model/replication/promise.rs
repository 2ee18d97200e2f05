//! What a store with replicas promises, whatever happens to it.
//!
//! **Invariant.** A run that breaks a promise is a bug of the program, and says so (`audit.rs`).

use super::{ModeSpec, QuorumSpec, RaftReadsSpec, RaftSpec, StampSpec};
use crate::model::{
    client::ClientSpec,
    consistency::{calls::data_calls, spec::GuaranteeSpec},
    fault::{FaultSpec, TargetSpec},
    ids::NodeId,
    kinds::NodeSpec,
    names::Names,
    resilience::EdgeSpec,
    store::StoreSpec,
};
use crate::units::Name;

impl RaftSpec {
    /// Reads that cannot be old, given clocks of which none is ever wronger than that.
    fn is_strict(&self, wrong: Option<f64>) -> bool {
        match self.reads.unwrap_or_default() {
            RaftReadsSpec::ReadIndex => true,
            RaftReadsSpec::Lease => wrong.unwrap_or(0.0) <= self.allowed_drift(),
            _ => false,
        }
    }
}

impl QuorumSpec {
    /// What was read or written is seen by all who come after: stamps rise with time, or are asked for.
    fn is_strict(&self, wrong: Option<f64>) -> bool {
        let (n, r, w) = (self.replicas.0, self.reads(), self.writes());
        r + w > n
            && (wrong.is_none() || self.stamp == Some(StampSpec::Query))
            && self.write_back == Some(true)
            && self.sloppy != Some(true)
            && self.tombstones.is_none()
    }
}

/// An edge on which a call may be made again later.
fn repeats(edge: &EdgeSpec) -> bool {
    edge.retry.is_some() || edge.hedge.is_some()
}

impl Names {
    /// Whether a write may be done twice, the second time after others that came later.
    pub(super) fn writes_twice(&self) -> bool {
        // Whoever calls a service again may have it do something else, the first time being under way.
        let is_data = |name: &&Name| self.store_behind(&name.0).is_some();
        let once = |edge: &EdgeSpec, targets: &[&Name]| {
            edge.idempotent == Some(true) && targets.iter().all(is_data)
        };
        let doubled = self.faults().any(|fault| fault.duplicate.is_some());
        // A message may be handed out again.
        self.tracked.messages
            || self.any_edge(|edge, targets| (doubled || repeats(edge)) && !once(edge, targets))
    }

    /// Whether something may be attempted several times.
    pub fn repeats(&self) -> bool {
        self.faults().any(|fault| fault.duplicate.is_some())
            || self.any_edge(|edge, _| repeats(edge))
    }

    /// The guarantees that every client with sessions asks for in all it does, so that no session may miss one.
    pub fn guaranteed(&self) -> Vec<GuaranteeSpec> {
        let clients = self.design.clients.values().filter(|client| client.has_sessions());
        let asked = clients.flat_map(ClientSpec::operations);
        let asked: Vec<Vec<GuaranteeSpec>> =
            asked.map(|(_, operation)| operation.edge().guarantees.unwrap_or_default()).collect();
        let silent =
            |fault: &FaultSpec| fault.corrupt.as_ref().is_some_and(|t| t.silent == Some(true));
        if self.faults().any(silent) {
            return Vec::new();
        }
        let mut all = asked.first().cloned().unwrap_or_default();
        all.retain(|one| asked.iter().all(|list| list.contains(one)));
        if self.writes_twice() { Vec::new() } else { all }
    }

    /// Whether voters of a log may forget whom they voted for and what they had, so that others may lead with less: then places are
    /// given twice. Where there are backups whoever has forgotten does not lead.
    pub fn forgets(&self, store: NodeId) -> bool {
        let kind = self.kind(store);
        let votes = kind.replication().is_some_and(|spec| spec.raft.is_some());
        votes && self.loses_data() && !kind.is_backed_up()
    }

    /// Whether one order explains all answers of a store in every run: a log or strict quorums, disks that keep what was
    /// acknowledged, no caches before it, and no write that may be done twice.
    pub fn promises_order(&self, store: NodeId) -> bool {
        let NodeSpec::Store(spec) = self.spec(store) else { return false };
        let Some(replication) = &spec.replication else { return false };
        let mode = spec.durability.as_ref().and_then(|own| own.mode).unwrap_or_default();
        let wrong = self.wrong_clocks();
        let strict = replication.raft.as_ref().is_some_and(|raft| raft.is_strict(wrong))
            || replication.quorum.as_ref().is_some_and(|quorum| quorum.is_strict(wrong));
        let keeps = matches!(mode, ModeSpec::Each | ModeSpec::Group(_));
        let mut nodes = self.design.nodes.values().chain(self.design.later());
        let cached = nodes.any(|node| matches!(node, NodeSpec::Cache(_)));
        // Who has forgotten whom it voted for, or what it had accepted, may do otherwise.
        let forgets = self.loses_data() || self.corrupts(store, spec);
        // Whoever asks for less is given less.
        let calls = data_calls(self);
        let usual = calls.iter().all(|call| call.store != Some(store) || call.answered.is_usual());
        strict && keeps && !cached && !self.writes_twice() && !forgets && usual
    }

    /// Whether copies are damaged such that answers may be of older ones: without a word, or where a copy that is found damaged
    /// answers as if there had never been one.
    fn corrupts(&self, store: NodeId, spec: &StoreSpec) -> bool {
        let log = spec.replication.as_ref().is_some_and(|own| own.raft.is_some());
        self.damages(store).any(|target| target.silent == Some(true) || !log)
    }

    /// How copies of a store are damaged.
    pub fn damages(&self, store: NodeId) -> impl Iterator<Item = &TargetSpec> {
        let name = self.name(store);
        let all = self.faults().filter_map(|fault| fault.corrupt.as_ref());
        all.filter(move |target| target.node.as_ref().is_some_and(|node| node.0 == name))
    }

    /// Whether copies of a store may be as they were before their last write.
    pub fn rolls_back(&self, store: NodeId) -> bool {
        self.damages(store).any(|target| target.silent == Some(true))
    }

    /// Whether a crash takes what is on disk, too.
    pub fn loses_data(&self) -> bool {
        let loses = |target: &TargetSpec| target.lose_data == Some(true);
        self.faults().any(|fault| fault.crash.as_ref().is_some_and(loses))
    }
}
