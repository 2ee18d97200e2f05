//! Who calls a store, and processes of a store that run within its callers: those of a quorum whose callers ask the
//! replicas themselves (`coordinator: client`). They are instances of the store behind all others, with no data, cores or
//! place of their own.
//!
//! **Invariant.** All of it follows from what the file says.

use std::collections::BTreeSet;

use super::CoordinatorSpec;
use crate::model::{
    ids::{Host, NodeId, Zone},
    names::Names,
};

impl Names {
    /// All instances and places of clients that call a node, those whose log feeds it, and its own if they hand keys to one another, in
    /// order.
    pub fn callers(&self, id: NodeId) -> Vec<Host> {
        let name = self.name(id);
        // Whoever asks for its address calls it then.
        let passes_on = |node: &usize| {
            let kind = self.kind(*node as NodeId);
            kind.passes_on().iter().any(|target| target.0 == name)
        };
        let asked = (0..self.nodes().len()).filter(passes_on).map(|node| self.name(node as NodeId));
        let asked: Vec<&str> = asked.chain([name]).collect();
        let mut all = BTreeSet::new();
        for node in 0..self.nodes().len() as NodeId {
            let versions = self.versions(node);
            let mut calls = versions.iter().flat_map(|spec| spec.kind().outgoing(""));
            if calls.any(|call| asked.contains(&call.target.as_str())) {
                let instances = self.kind(node).facts().instances;
                all.extend((0..instances).map(|inst| (node, inst as u16)));
            }
        }
        // Who feeds it sends entries to whoever leads.
        let source = self.store(id).filter(|spec| spec.lag_of_view().is_some());
        if let Some(source) = source.and_then(|spec| self.node(&spec.source()?.0)) {
            let instances = self.kind(source).facts().instances;
            all.extend((0..instances).map(|inst| (source, inst as u16)));
        }
        if self.kind(id).moves_keys() {
            all.extend((0..self.kind(id).facts().instances).map(|inst| (id, inst as u16)));
        }
        for (index, client) in self.design.clients.values().enumerate() {
            let operations = client.operations();
            let mut targets = operations.iter().flat_map(|(_, operation)| operation.targets());
            if targets.any(|(target, _)| asked.contains(&target.0.as_str())) {
                let places = self.origins(client.zones()).len();
                all.extend((0..places).map(|place| (self.client_id(index), place as u16)));
            }
        }
        all.into_iter().collect()
    }

    /// The callers of a node within which a process of it asks its replicas, in order.
    pub fn coordinators(&self, id: NodeId) -> Vec<Host> {
        let quorum = self.kind(id).replication().and_then(|spec| spec.quorum.as_ref());
        let own = quorum.and_then(|quorum| quorum.coordinator) == Some(CoordinatorSpec::Client);
        if own { self.callers(id) } else { Vec::new() }
    }

    /// Whether instances of a node ask replicas themselves, and so give stamps by their clocks.
    pub fn coordinates(&self, id: NodeId) -> bool {
        let mut stores = 0..self.nodes().len() as NodeId;
        stores.any(|store| self.coordinators(store).iter().any(|host| host.0 == id))
    }

    /// Instances of a node, with those that run within its callers, and whoever keeps its backups.
    pub fn processes(&self, id: NodeId) -> u64 {
        let kind = self.kind(id);
        let keeps = u64::from(kind.is_backed_up());
        kind.facts().instances + self.coordinators(id).len() as u64 + keeps
    }

    /// The zone of each process of a node.
    pub fn places_of_processes(&self, id: NodeId) -> Vec<Zone> {
        let place = |(node, inst): Host| {
            let clients = &self.design.clients;
            let client = usize::from(node).checked_sub(self.nodes().len());
            let places = match client.and_then(|index| clients.values().nth(index)) {
                Some(client) => self.origins(client.zones()),
                None => self.places(node),
            };
            places[usize::from(inst)]
        };
        let own = self.places(id);
        let zone = |name: &str| self.zones.get(name).copied();
        let kept = self.store(id).and_then(|store| store.kept_in(&own, zone));
        own.into_iter().chain(self.coordinators(id).into_iter().map(place)).chain(kept).collect()
    }
}

/// Processes that run within callers.
#[derive(Clone, Debug, Default)]
pub struct Within {
    /// Of each node the number of the first one, and whose each is.
    nodes: Vec<(u16, Vec<Host>)>,
}

impl Within {
    /// Of a design.
    pub fn of(names: &Names) -> Self {
        let one = |id| (names.kind(id).facts().instances as u16, names.coordinators(id));
        let nodes: Vec<_> = (0..names.nodes().len() as NodeId).map(one).collect();
        let some = nodes.iter().any(|(_, hosts)| !hosts.is_empty());
        Self { nodes: if some { nodes } else { Vec::new() } }
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whom an instance runs within: its caller, or itself.
    #[inline]
    pub fn whose(&self, (node, inst): Host) -> Host {
        if self.nodes.is_empty() {
            return (node, inst);
        }
        match self.nodes.get(usize::from(node)) {
            Some((first, hosts)) if inst >= *first => {
                // Who keeps backups is within nobody.
                hosts.get(usize::from(inst - *first)).copied().unwrap_or((node, inst))
            }
            _ => (node, inst),
        }
    }

    /// What runs within an instance.
    pub fn guests(&self, host: Host) -> Vec<Host> {
        let one = |(node, (first, hosts)): (usize, &(u16, Vec<Host>))| {
            let at = hosts.binary_search(&host).ok()?;
            Some((node as NodeId, *first + at as u16))
        };
        self.nodes.iter().enumerate().filter_map(one).collect()
    }
}
