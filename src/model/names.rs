//! Names resolved: ids of nodes and clients, numbers of operations, columns and zones.
//!
//! **Invariant.** Ids are given in name order, nodes before clients, so that the order of the file
//! changes nothing (`semantics.md` 12).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    client::{AttributeSpec, ClientSpec, KeysSpec},
    design::Design,
    fault::FaultSpec,
    kind::{Kind, Outgoing, Verb},
    kinds::NodeSpec,
};
use crate::{
    engine::random::text_key,
    model::{
        consistency::followed::Tracked,
        ids::{AttrRef, NodeId, Zone},
        kind::Op,
        service::walk::step_names,
        versions::{node_and_key, paths_set},
    },
    units::Name,
};

/// Names resolved.
#[derive(Clone, Debug)]
pub struct Names {
    /// The design.
    pub design: Arc<Design>,
    /// Node names in id order.
    nodes: Vec<String>,
    /// Client names in order.
    clients: Vec<String>,
    /// Places in the file of the faults, in the order of their ids.
    pub order: Vec<usize>,
    /// Operations by number.
    pub ops: Vec<Op>,
    /// Columns of the attributes' rows: attributes and named key spaces.
    pub columns: BTreeMap<String, u16>,
    /// Columns that hold keys.
    pub key_spaces: Vec<String>,
    /// Numbers of the names choices choose among.
    pub literals: BTreeMap<String, f64>,
    /// Attributes that are columns of traces and that conditions compare with names, with those, or that limits and locks
    /// go by: they may hold texts.
    pub compared: BTreeMap<String, BTreeSet<String>>,
    /// Zones by name.
    pub zones: BTreeMap<String, Zone>,
    /// Zones of each region.
    pub regions: BTreeMap<String, Vec<Zone>>,
    /// Marks by name.
    pub marks: Vec<String>,
    /// Operations that can arrive at each node (by number), by node.
    pub arriving: Vec<Vec<u8>>,
    /// The nodes behind each cache that has several (`cache/spaces.rs`).
    pub sources: BTreeMap<String, Vec<String>>,
    /// What of the data is kept track of (`consistency`).
    pub tracked: Tracked,
    /// The views that the log of a store feeds, by store.
    pub feeds: BTreeMap<NodeId, Vec<NodeId>>,
    /// Some calls are tried elsewhere: at other instances than those that failed.
    pub goes_elsewhere: bool,
    /// Calls must hand on the cold half of frames.
    pub carries: bool,
    /// Something in the design knows of connections.
    pub knows_connections: bool,
    /// Nodes at which connections of pools end, those behind balancers of layer 4 included.
    pub far_ends: Vec<NodeId>,
}

impl Names {
    /// Resolves the names of a design.
    pub fn new(design: Arc<Design>) -> Self {
        let mut names = Self {
            nodes: design.nodes.keys().map(|n| n.0.clone()).collect(),
            clients: design.clients.keys().map(|n| n.0.clone()).collect(),
            order: (0..design.faults.len()).collect(),
            ops: Vec::new(),
            columns: BTreeMap::new(),
            key_spaces: Vec::new(),
            literals: BTreeMap::new(),
            compared: BTreeMap::new(),
            zones: BTreeMap::new(),
            regions: BTreeMap::new(),
            marks: Vec::new(),
            arriving: Vec::new(),
            sources: design.sources(false),
            tracked: Tracked::default(),
            feeds: BTreeMap::new(),
            goes_elsewhere: false,
            carries: false,
            knows_connections: false,
            far_ends: Vec::new(),
            design,
        };
        let faults = &names.design.faults;
        names.order.sort_by(|a, b| faults[*a].id.cmp(&faults[*b].id));
        names.read_zones();
        names.read_columns();
        names.read_operations();
        names.tracked = names.tracked();
        names.feeds = names.find_feeds();
        names.goes_elsewhere = names.any_edge(|edge, _| edge.goes_elsewhere());
        names.carries = names.any_carries();
        names.far_ends = names.find_far_ends();
        names.knows_connections = names.any_connection();
        names
    }

    /// The design, for who changes it.
    pub fn into_design(self) -> Design {
        Arc::unwrap_or_clone(self.design)
    }

    /// Id of a node.
    pub fn node(&self, name: &str) -> Option<NodeId> {
        self.nodes.binary_search_by(|n| n.as_str().cmp(name)).ok().map(|i| i as NodeId)
    }

    /// A node's name.
    pub fn name(&self, node: impl Into<usize>) -> &str {
        &self.nodes[node.into()]
    }

    /// Names of the nodes in id order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.nodes.iter().map(String::as_str)
    }

    /// A node's spec.
    pub fn spec(&self, node: impl Into<usize>) -> &NodeSpec {
        &self.design.nodes[self.name(node)]
    }

    /// Specs of the nodes in id order.
    pub fn specs(&self) -> impl Iterator<Item = &NodeSpec> + Clone {
        self.design.nodes.values()
    }

    /// A node's spec, as a kind.
    pub fn kind(&self, node: NodeId) -> &dyn Kind {
        self.spec(node).kind()
    }

    /// Number of a client, in name order.
    pub fn client(&self, name: &str) -> Option<usize> {
        self.clients.binary_search_by(|n| n.as_str().cmp(name)).ok()
    }

    /// A client's name.
    pub fn client_name(&self, index: usize) -> &str {
        &self.clients[index]
    }

    /// Names of the clients in order.
    pub fn clients(&self) -> impl ExactSizeIterator<Item = &str> {
        self.clients.iter().map(String::as_str)
    }

    /// Id of a client.
    pub fn client_id(&self, index: usize) -> NodeId {
        (self.nodes.len() + index) as NodeId
    }

    /// A fault, counted in the order of their ids.
    pub fn fault(&self, fault: usize) -> &FaultSpec {
        &self.design.faults[self.order[fault]]
    }

    /// The faults in the order of their ids.
    pub fn faults(&self) -> impl ExactSizeIterator<Item = &FaultSpec> + Clone {
        self.order.iter().map(|&place| &self.design.faults[place])
    }

    /// Whether some fault deploys a node.
    pub fn is_deployed(&self, node: NodeId) -> bool {
        let name = self.name(node);
        self.faults().any(|fault| fault.deploy.as_ref().is_some_and(|d| d.node.0 == name))
    }

    /// Number of an operation.
    pub fn op(&self, op: &Op) -> Option<u8> {
        self.ops.binary_search(op).ok().map(|i| i as u8)
    }

    /// What a name in a formula or condition refers to.
    pub fn attribute(&self, name: &str) -> Option<AttrRef> {
        Some(match name {
            "key" => AttrRef::Key,
            "size" => AttrRef::Size,
            "operation" => AttrRef::Operation,
            "client" => AttrRef::Client,
            "session" => AttrRef::Session,
            "zone" => AttrRef::Zone,
            "instance" => AttrRef::Instance,
            _ => AttrRef::Value(*self.columns.get(name)?),
        })
    }

    /// The number a name on the right of a comparison stands for.
    pub fn literal(&self, attribute: &str, name: &str) -> Option<f64> {
        match attribute {
            "client" => self.client(name).map(|i| i as f64),
            "zone" => self.zones.get(name).map(|&z| f64::from(z)),
            // Several operations may share a name with different verbs; the first stands for it.
            "operation" => self.ops.iter().position(|o| o.0 == name).map(|i| i as f64),
            _ if self.compared.contains_key(attribute) => Some(self.word(name)),
            _ => self.literals.get(name).copied(),
        }
    }

    /// The number a text of a trace's column stands for: that of the choice of this name, or one
    /// below 0, where no choice and hardly a measurement is.
    pub(super) fn word(&self, text: &str) -> f64 {
        self.literals.get(text).copied().unwrap_or_else(|| -1.0 - text_key(text) as f64)
    }

    /// Names that formulas and conditions know.
    pub fn attribute_names(&self) -> Vec<String> {
        let builtin = ["key", "size", "operation", "client", "session", "zone", "instance"];
        builtin.iter().map(|s| (*s).to_owned()).chain(self.columns.keys().cloned()).collect()
    }

    fn read_zones(&mut self) {
        let mut all: Vec<&str> =
            self.design.topology.regions.values().flatten().map(|z| z.0.as_str()).collect();
        all.sort_unstable();
        all.dedup();
        for (i, zone) in all.into_iter().enumerate() {
            // Too many zones are refused by the checks, which need names that can be looked up.
            self.zones.insert(zone.to_owned(), i.min(60_000) as Zone + 2);
        }
        for (region, zones) in &self.design.topology.regions {
            let ids = zones.iter().map(|z| self.zones[&z.0]).collect();
            self.regions.insert(region.0.clone(), ids);
        }
    }

    fn read_columns(&mut self) {
        let mut columns: Vec<String> = Vec::new();
        let mut literals: Vec<String> = Vec::new();
        for client in self.design.clients.values() {
            for (name, attribute) in &client.attributes {
                columns.push(name.0.clone());
                if let AttributeSpec::Choice(options) = attribute {
                    literals.extend(options.iter().map(|o| o.0.0.clone()));
                }
            }
            if let Some(KeysSpec::Named(spaces)) = &client.keys {
                self.key_spaces.extend(spaces.iter().map(|s| s.0.0.clone()));
            }
        }
        let clients = self.design.clients.values();
        let of_column = |name: &str| {
            let mut attributes = clients.clone().flat_map(|client| &client.attributes);
            attributes.any(|(n, spec)| n.0 == name && matches!(spec, AttributeSpec::Column(_)))
        };
        let nodes = self.design.nodes.values().chain(self.design.later());
        let mut asked: Vec<_> = nodes.flat_map(|node| node.kind().compared()).collect();
        for client in clients.clone() {
            step_names(client.steps(), &mut asked);
            let edges = client.operations().into_iter().map(|operation| operation.1.edge());
            let limits = edges.filter_map(|edge| edge.rate_limit);
            for limits in limits {
                asked.extend(limits.parts().map(|per| (per.clone(), None)));
            }
        }
        asked.retain(|(attribute, _)| of_column(attribute));
        for (attribute, name) in asked {
            self.compared.entry(attribute).or_default().extend(name);
        }
        columns.extend(self.key_spaces.iter().cloned());
        columns.sort_unstable();
        columns.dedup();
        literals.sort_unstable();
        literals.dedup();
        self.columns = columns.into_iter().enumerate().map(|(i, c)| (c, i as u16)).collect();
        self.literals =
            literals.into_iter().enumerate().map(|(i, l)| (l, (i + 1) as f64)).collect();
    }

    /// All operations, and where each can arrive: what clients send, carried along the calls.
    fn read_operations(&mut self) {
        let mut sent: Vec<(String, Op)> = Vec::new();
        for client in self.design.clients.values() {
            for (name, operation) in client.operations() {
                for (target, verb) in operation.targets() {
                    sent.push((target.0.clone(), (name.clone(), verb)));
                }
            }
        }
        let outgoing = self.calls();
        let mut ops: Vec<Op> = sent.iter().map(|s| s.1.clone()).collect();
        ops.extend(outgoing.iter().flatten().filter_map(|o| o.operation.clone()));
        let later = self.design.later().flat_map(|n| n.kind().outgoing(""));
        ops.extend(later.filter_map(|o| o.operation));
        ops.extend(self.further_operations());
        ops.sort();
        ops.dedup();
        self.ops = ops;
        self.arriving = vec![Vec::new(); self.nodes.len()];
        let mut open: Vec<(NodeId, u8)> = sent
            .into_iter()
            .filter_map(|(target, op)| Some((self.node(&target)?, self.op(&op)?)))
            .collect();
        let own = outgoing.iter().flatten().filter(|call| call.by_itself);
        open.extend(
            own.filter_map(|c| Some((self.node(&c.target)?, self.op(c.operation.as_ref()?)?))),
        );
        while let Some((node, op)) = open.pop() {
            let seen = &mut self.arriving[usize::from(node)];
            if seen.contains(&op) {
                continue;
            }
            seen.push(op);
            seen.sort_unstable();
            for call in outgoing[usize::from(node)].iter().filter(|call| !call.by_itself) {
                let next = call.operation.as_ref().map_or(Some(op), |o| self.op(o));
                if let (Some(target), Some(next)) = (self.node(&call.target), next) {
                    open.push((target, next));
                }
            }
        }
        let mut marks: Vec<String> = self
            .design
            .nodes
            .values()
            .chain(self.design.later())
            .flat_map(|n| n.kind().marks())
            .collect();
        marks.sort_unstable();
        marks.dedup();
        self.marks = marks;
    }

    /// Whether a cache is one that someone falls back on.
    pub fn keeps_expired(&self, cache: NodeId) -> bool {
        let asks = |call: Outgoing| {
            let verb = call.operation.and_then(|operation| operation.1);
            verb == Some(Verb::LookupStale) && self.node(&call.target) == Some(cache)
        };
        let nodes = self.design.nodes.values().chain(self.design.later());
        nodes.flat_map(|node| node.kind().outgoing("")).any(asks)
    }

    /// The calls each node can make.
    pub fn calls(&self) -> Vec<Vec<Outgoing>> {
        (0..self.nodes.len()).map(|id| self.outgoing(id as NodeId, "")).collect()
    }

    /// The calls a node can make, and who takes messages out of it; `path` is that of its map.
    pub fn outgoing(&self, id: NodeId, path: &str) -> Vec<Outgoing> {
        let mut all = self.kind(id).outgoing(path);
        if !self.kind(id).is_broker() {
            return all;
        }
        for (name, spec) in &self.design.nodes {
            let path = format!("nodes.{}.{}", name.0, spec.kind().facts().kind);
            let own = spec.kind().consumes(&path).into_iter();
            let own = own.filter(|(from, _)| from.0 == self.name(id));
            let to = |(_, path)| Outgoing::message(path, &name.0);
            all.extend(own.map(to));
        }
        all
    }

    /// Every node that requests of a client can reach through some of the calls.
    pub fn reached_by(
        &self,
        client: &ClientSpec,
        calls: &[Vec<Outgoing>],
        through: impl Fn(&Outgoing) -> bool,
    ) -> Vec<usize> {
        let operations = client.operations();
        let first = operations.iter().flat_map(|(_, o)| o.targets());
        let first = first.filter_map(|(t, _)| self.node(&t.0)).map(usize::from).collect();
        self.reached_from(first, calls, through)
    }

    /// The nodes that requests at these come to, these among them, where only such calls are gone through.
    pub fn reached_from(
        &self,
        mut open: Vec<usize>,
        calls: &[Vec<Outgoing>],
        through: impl Fn(&Outgoing) -> bool,
    ) -> Vec<usize> {
        let (mut reached, mut seen) = (Vec::new(), BTreeSet::new());
        while let Some(node) = open.pop() {
            if seen.insert(node) {
                reached.push(node);
                let next = calls[node].iter().filter(|call| through(call));
                let next = next.filter_map(|c| self.node(&c.target));
                open.extend(next.map(usize::from));
            }
        }
        reached
    }

    fn any_carries(&self) -> bool {
        let design = &self.design;
        let links = design.network.links.iter().any(|l| l.bandwidth.is_some());
        let clients = design.clients.values().any(|c| {
            !c.session.is_empty()
                || c.operations().iter().any(|(_, o)| {
                    o.edge().carries()
                        || o.priority() != 100
                        || o.size().is_some()
                        || o.key().is_some()
                        || o.is_unanswered()
                })
        });
        let sessions = design.clients.values().any(ClientSpec::has_sessions);
        let clients = clients || sessions && !self.tracked.followed.is_empty();
        let nodes = design.nodes.values().chain(design.later()).any(|n| n.kind().carries());
        let links = links || design.faults.iter().any(|f| f.bandwidth.is_some());
        links || clients || nodes || !self.columns.is_empty() || !self.marks.is_empty()
    }

    /// What a node is at first and after each change of the design; once, if nothing changes it.
    pub fn versions(&self, id: NodeId) -> Vec<&NodeSpec> {
        self.versions_of(id, self.spec(id))
    }

    /// The same of a node whose spec is at hand.
    pub fn versions_of<'n>(&'n self, id: NodeId, spec: &'n NodeSpec) -> Vec<&'n NodeSpec> {
        let mut all = vec![spec];
        if self.design.versions.is_empty() {
            return all;
        }
        let name = self.name(id);
        let changes = |path: &str| node_and_key(path).is_some_and(|found| found.0 == name);
        let sets = paths_set(&self.design.faults, &self.design.nodes);
        if sets.iter().any(|set| changes(&set.path)) {
            let later = self.design.versions.iter();
            all.extend(later.map(|v| &v.nodes[&Name(name.to_owned())]));
        }
        all
    }
}
