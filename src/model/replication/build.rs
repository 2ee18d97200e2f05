//! Replicas made: their processes, what they draw from, the way to them.

use std::collections::BTreeSet;

use super::{
    AckSpec, CandidatesSpec, ContactSpec, Contacted, DurabilitySpec, FailoverSpec,
    LeaderFollowerSpec, ModeSpec, QuorumSpec, RaftReadsSpec, RaftSpec, ReplicationSpec, StampSpec,
    group::{Draws, Group, Parts},
};
use crate::{
    engine::law::DurationLaw,
    model::{
        build::Assembly,
        ids::{Host, NodeId, Zone},
        kind::Kind,
        names::Names,
        store::StoreSpec,
    },
    replication::{Law, Peer, disk, process::Process, quorum},
};

impl DurabilitySpec {
    fn mode(&self) -> disk::Mode {
        match self.mode.unwrap_or_default() {
            ModeSpec::Each => disk::Mode::Each,
            ModeSpec::Group(after) => disk::Mode::Group(after.0),
            ModeSpec::Every(period) => disk::Mode::Every(period.0),
            ModeSpec::Never => disk::Mode::Never,
        }
    }
}

impl StoreSpec {
    /// The replicas of the store, if it has any.
    pub fn group(
        &self,
        id: NodeId,
        path: &str,
        assembly: &mut Assembly<'_>,
    ) -> Option<Group> {
        let spec = self.replication.as_ref()?;
        let facts = self.facts();
        let replicas = facts.replicas?;
        let value = self.value_size.as_ref().map(|size| {
            let mut size = assembly.demand(size, &format!("{path}/value_size"));
            size.per_key = true;
            size
        });
        Some(Group::new(Parts {
            node: (id, Assembly::site(path)),
            shards: self.shard_count() as usize,
            each: replicas.each as u16,
            led: replicas.led,
            processes: self.processes(spec, id, assembly.names),
            draws: self.draws(spec, path, assembly),
            value,
            callers: callers(id, assembly.names),
            measured_from: assembly.names.design.warm_up,
        }))
    }

    fn draws(&self, spec: &ReplicationSpec, path: &str, assembly: &Assembly<'_>) -> Draws {
        let leader = spec.leader_follower.as_ref();
        let failover = leader.and_then(|leader| leader.failover.as_ref());
        let raft = spec.raft.as_ref();
        let fsync = self.durability.as_ref().and_then(|durability| durability.fsync.clone());
        let fsync = fsync.or_else(|| raft.and_then(|raft| raft.fsync.clone()));
        let law = |law: Law| match law {
            Law::Lag => leader.and_then(|leader| leader.lag.clone()),
            Law::Fsync => fsync.clone(),
            Law::Election => raft.map(RaftSpec::election),
            Law::Promote => failover.and_then(|failover| failover.promote.clone()),
            Law::Rebuild => failover.and_then(|failover| failover.rebuild.clone()),
        };
        let all = [Law::Lag, Law::Fsync, Law::Election, Law::Promote, Law::Rebuild];
        let one = |which: Law| {
            let stream = assembly.stream(path, &format!("{which:?}"));
            law(which).map(|law| (assembly.sampler(&law), stream))
        };
        Draws { laws: all.map(one), choices: assembly.stream(path, "choices") }
    }

    fn processes(&self, spec: &ReplicationSpec, id: NodeId, names: &Names) -> Vec<Process> {
        let facts = self.facts();
        let mode = self.durability.as_ref().map_or(disk::Mode::Each, DurabilitySpec::mode);
        let lanes = self.apply_cores.map_or(1, |n| n.0) as u8;
        let serving = 0..facts.serving() as Peer;
        if let Some(spec) = &spec.quorum {
            let config = spec.config(self.shard_count() as u16, mode);
            let replica = |me| Process::Quorum(Box::new(quorum::Quorum::new(config, me, true)));
            return serving.map(replica).collect();
        }
        Vec::new()
    }
}

impl QuorumSpec {
    fn config(&self, shards: u16, disk: disk::Mode) -> quorum::Config {
        let contact = |who: Contacted| match who {
            Contacted::All => quorum::Contact::All,
            Contacted::Quorum => quorum::Contact::Quorum,
        };
        let ContactSpec(who) = self.contact.unwrap_or_default();
        quorum::Config {
            replicas: self.replicas.0 as u16,
            shards,
            read: self.reads() as u16,
            write: self.writes() as u16,
            contact_read: contact(who.read),
            contact_write: contact(who.write),
            timeout: self.timeout.map_or(quorum::Config::DEFAULT.timeout, |timeout| timeout.0),
            read_repair: self.read_repair.map_or(1.0, |share| share.0),
            write_back: self.write_back == Some(true),
            stamp: match self.stamp.unwrap_or_default() {
                StampSpec::Clock => quorum::Stamp::Clock,
                StampSpec::Query => quorum::Stamp::Query,
            },
            disk,
        }
    }
}

/// All instances and places of clients that call a node.
fn callers(id: NodeId, names: &Names) -> Vec<Host> {
    let name = names.name(id);
    let mut all = BTreeSet::new();
    for (node, calls) in names.calls().iter().enumerate() {
        if calls.iter().any(|call| call.target == name) {
            let instances = names.kind(node as NodeId).facts().instances;
            all.extend((0..instances).map(|inst| (node as NodeId, inst as u16)));
        }
    }
    for (index, client) in names.design.clients.values().enumerate() {
        let operations = client.operations();
        let mut targets = operations.iter().flat_map(|(_, operation)| operation.targets());
        if targets.any(|(target, _)| target.0 == name) {
            let places = names.origins(client.zones()).len();
            all.extend((0..places).map(|place| (names.client_id(index), place as u16)));
        }
    }
    all.into_iter().collect()
}
