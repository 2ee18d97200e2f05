//! From a typed scenario to something that runs: names to ids, checks of meaning, assembly.
//!
//! `compile` checks everything once and prepares the heavy tables; [`Assembly`] then builds each
//! replication's world from the same spec with that replication's seed.
//!
//! **Invariant.** Ids are given in name order, nodes before clients, so that the order of the file
//! changes nothing (`semantics.md` 12).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    alert::AlertSpec,
    client::{AttributeSpec, ClientSpec, KeyLaw, KeysSpec, TraceUnit},
    fault::{FaultSpec, timeline::Timeline},
    kind::{Facts, Kind, Outgoing, Verb},
    kinds::NodeSpec,
    network::{MatrixSpec, NetworkSpec, TopologySpec, links::Zone},
    node::NodeId,
    traces::{Rows, Stamps, rows},
    versions::Version,
    world::Span,
};
use crate::{
    engine::{
        agenda::Agenda,
        law::{Dimension, Format, Formula, Law, Sampler, Table, Tables, check_column, to_nanos},
        popularity::Popularity,
        random::{Stream, hash_str, text_key},
    },
    model::service::{
        build::step_names,
        cores::Work,
        program::{AttrRef, Demand},
    },
    problem::Problems,
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

/// Files a design refers to.
pub trait Data: Tables {
    /// A column of times, non-decreasing unless it is to be sorted.
    fn times(
        &self,
        table: &Table,
        column: &str,
        reading: (TraceUnit, bool),
    ) -> Result<Stamps, String>;
    /// A column of numbers and texts; each text as the number it stands for.
    fn words(
        &self,
        table: &Table,
        column: &str,
        number: &dyn Fn(&str) -> f64,
    ) -> Result<Vec<f64>, String>;
    /// The keys of a file, in order; a text is the key of that text.
    fn keys(&self, table: &Table, column: Option<&str>) -> Result<Vec<u64>, String>;
    /// One-way latencies (from, to, ns) of a matrix of regions.
    fn matrix(&self, spec: &MatrixSpec) -> Result<Vec<(String, String, f64)>, String>;
}

/// An operation as it travels: its name, and the verb when it goes straight to data.
pub type Op = (String, Option<Verb>);

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
    /// Attributes that are columns of traces and that conditions compare with names, with those.
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
            design,
        };
        let faults = &names.design.faults;
        names.order.sort_by(|a, b| faults[*a].id.cmp(&faults[*b].id));
        names.read_zones();
        names.read_columns();
        names.read_operations();
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
    fn word(&self, text: &str) -> f64 {
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
        clients.clone().for_each(|client| step_names(client.steps(), &mut asked));
        asked.retain(|(attribute, _)| of_column(attribute));
        for (attribute, name) in asked {
            self.compared.entry(attribute).or_default().insert(name);
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
}

/// Heavy tables made once and shared by all replications.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// Key popularity by the law's text.
    pub popularity: BTreeMap<String, Popularity>,
    /// Rows of each client that replays a trace.
    pub rows: BTreeMap<String, Rows>,
    /// Columns of such a trace by (client, attribute), in the order of its rows.
    pub attributes: BTreeMap<(String, String), Arc<Vec<f64>>>,
    /// Columns laws read, by (table, column).
    pub columns: BTreeMap<(Table, String), Arc<Vec<f64>>>,
    /// Keys of a file by the law's text.
    pub keys: BTreeMap<String, Arc<Vec<u64>>>,
    /// Those of a client's own trace whose rows are rearranged, by (client, law).
    pub arranged_keys: BTreeMap<(String, String), Arc<Vec<u64>>>,
    /// Latencies between regions.
    pub matrix: Vec<(String, String, f64)>,
}

impl Tables for Prepared {
    fn column(&self, table: &Table, column: &str) -> Result<Vec<f64>, String> {
        let known = self.columns.get(&(table.clone(), column.to_owned()));
        known
            .map(|c| c.as_ref().clone())
            .ok_or_else(|| format!("column `{column}` of `{}` was not loaded", table.file))
    }
}

impl Prepared {
    /// Loads and builds what the design needs; problems are reported at their paths.
    pub fn new(names: &Names, data: &dyn Data, problems: &mut Problems) -> Self {
        let design = names.design.as_ref();
        let mut prepared = Self { rows: rows(design, data, problems), ..Self::default() };
        for (name, client) in &design.clients {
            prepared.keys(&name.0, client, data, problems);
            prepared.attributes(&name.0, client, (names, data), problems);
        }
        prepared.check_words(names, problems);
        let mut unreadable = BTreeSet::new();
        for (path, table, column) in design.files() {
            let entry = (table.clone(), column.clone());
            if prepared.columns.contains_key(&entry) {
                continue;
            }
            match data.column(&table, &column) {
                Ok(values) => {
                    prepared.columns.insert(entry, Arc::new(values));
                    if let Err(message) = check_column(&table, &column, &prepared) {
                        problems.error("E-TRACE", path, message);
                    }
                }
                // A law that needs two columns of a file says once that it cannot be read.
                Err(_) if table.format == Format::Percentiles && !unreadable.insert(table) => {}
                Err(message) => problems.error("E-TRACE", path, message),
            }
        }
        if let Some(matrix) = &design.network.regions {
            match data.matrix(matrix) {
                Ok(rows) => prepared.matrix = rows,
                Err(message) => problems.error("E-TRACE", "network.regions", message),
            }
        }
        prepared
    }

    /// The keys a law of a client reads from a file.
    pub fn keys_of(&self, client: &str, law: &KeyLaw) -> &Arc<Vec<u64>> {
        let law = law.to_string();
        let shared = &self.keys[&law];
        self.arranged_keys.get(&(client.to_owned(), law)).unwrap_or(shared)
    }

    fn keys(&mut self, name: &str, spec: &ClientSpec, data: &dyn Data, problems: &mut Problems) {
        for law in spec.keys.iter().flat_map(KeysSpec::laws) {
            let text = law.to_string();
            if let Some(popularity) = law.popularity() {
                self.popularity.entry(text.clone()).or_insert_with(popularity);
            }
            let KeyLaw::Trace { table, column } = law else { continue };
            let path = || format!("clients.{name}.keys");
            if !self.keys.contains_key(&text) {
                match data.keys(table, column.as_deref()) {
                    Ok(keys) if keys.is_empty() => {
                        let message = format!("`{}` has no keys", table.file);
                        problems.error("E-TRACE", path(), message);
                    }
                    Ok(keys) => drop(self.keys.insert(text.clone(), Arc::new(keys))),
                    Err(message) => problems.error("E-TRACE", path(), message),
                }
            }
            let rows = self.rows.get(name).filter(|rows| rows.rearranged());
            if let (Some(rows), Some(keys)) = (rows, self.keys.get(&text))
                && spec.trace_table() == Some(table)
            {
                let keys = Arc::new(rows.arranged(keys.as_ref().clone()));
                self.arranged_keys.insert((name.to_owned(), text), keys);
            }
        }
    }

    fn attributes(
        &mut self,
        name: &str,
        spec: &ClientSpec,
        (names, data): (&Names, &dyn Data),
        problems: &mut Problems,
    ) {
        let (Some(table), Some(rows)) = (spec.trace_table(), self.rows.get(name)) else { return };
        for (attribute, source) in &spec.attributes {
            let AttributeSpec::Column(column) = source else { continue };
            let number = |text: &str| names.word(text);
            let values = if names.compared.contains_key(&attribute.0) {
                data.words(table, column, &number)
            } else {
                data.column(table, column)
            };
            match values {
                Ok(values) => {
                    let values = Arc::new(rows.arranged(values));
                    self.attributes.insert((name.to_owned(), attribute.0.clone()), values);
                }
                Err(message) => {
                    let path = format!("clients.{name}.attributes.{}", attribute.0);
                    problems.error("E-TRACE", path, message);
                }
            }
        }
    }

    /// Warns of names that columns are compared with and never hold.
    fn check_words(&self, names: &Names, problems: &mut Problems) {
        for (attribute, words) in &names.compared {
            let columns: Vec<_> = self.attributes.iter().filter(|c| c.0.1 == *attribute).collect();
            let Some(((client, _), _)) = columns.first() else { continue };
            for word in words.iter().filter(|word| !names.literals.contains_key(*word)) {
                let number = names.word(word).to_bits();
                if !columns.iter().any(|(_, c)| c.iter().any(|v| v.to_bits() == number)) {
                    let path = format!("clients.{client}.attributes.{attribute}");
                    let message =
                        format!("`when:` asks for `{word}`, which no row of its column is");
                    problems.warn("W-TRACE", path, message, "capitals count: `GET` is not `get`");
                }
            }
        }
    }
}

impl Names {
    /// Whether a cache is one that someone falls back on.
    pub fn keeps_expired(&self, cache: NodeId) -> bool {
        let asks = |call: Outgoing| {
            let verb = call.operation.and_then(|operation| operation.1);
            verb == Some(Verb::LookupStale) && self.node(&call.target) == Some(cache)
        };
        let nodes = self.design.nodes.values().chain(self.design.later());
        nodes.flat_map(|node| node.kind().outgoing("")).any(asks)
    }
}

impl Design {
    /// The nodes of all versions but the first.
    pub(super) fn later(&self) -> impl Iterator<Item = &NodeSpec> {
        self.versions.iter().flat_map(|v| v.nodes.values())
    }

    /// The files laws read: (path, table, column).
    fn files(&self) -> Vec<(String, Table, String)> {
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

impl KeyLaw {
    /// How to build its sampler, if it is drawn.
    fn popularity(&self) -> Option<impl FnOnce() -> Popularity + use<>> {
        let law = self.clone();
        let drawn = !matches!(law, Self::Sequential { .. } | Self::Trace { .. });
        drawn.then_some(move || match law {
            Self::Zipf { n, s } => Popularity::zipf(n, s),
            Self::Uniform { n } => Popularity::uniform(n),
            Self::Hot { n, hot, share } => Popularity::hot(n, hot.0, share.0),
            Self::Sequential { .. } | Self::Trace { .. } => unreachable!("not drawn"),
        })
    }
}

impl Names {
    /// The calls each node can make.
    pub fn calls(&self) -> Vec<Vec<Outgoing>> {
        self.specs().map(|spec| spec.kind().outgoing("")).collect()
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
        let (mut reached, mut seen) = (Vec::new(), BTreeSet::new());
        let mut open: Vec<usize> =
            first.filter_map(|(t, _)| self.node(&t.0)).map(usize::from).collect();
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
}

/// A scenario that was checked: what all its replications share.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Names.
    pub names: Names,
    /// Tables.
    pub prepared: Prepared,
}

/// The parts of a replication's world while nodes are being built.
pub struct Assembly<'a> {
    /// Names.
    pub names: &'a Names,
    /// Tables.
    pub prepared: &'a Prepared,
    /// The replication's seed.
    pub seed: u64,
    /// Its faults.
    pub timeline: &'a Timeline,
    /// Where lanes are made.
    pub agenda: Agenda,
    /// Owner and own index of each tick so far.
    pub ticks: Vec<(NodeId, u32)>,
    /// Number of rate limiters that several instances share.
    pub limiters: usize,
}

impl std::fmt::Debug for Assembly<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembly").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl Assembly<'_> {
    /// A stream of draws: entity (a path of names) and purpose.
    pub fn stream(&self, entity: &str, purpose: &str) -> Stream {
        Stream::new(self.seed, entity, purpose)
    }

    /// A tick of a node.
    pub fn tick(&mut self, node: NodeId, index: u32) -> u32 {
        self.ticks.push((node, index));
        (self.ticks.len() - 1) as u32
    }

    /// The span of a constant delay, on a lane if there is room.
    pub fn span(&mut self, nanos: u64) -> Span {
        Span::constant(nanos, self.agenda.lane(nanos))
    }

    /// A law's sampler.
    pub fn sampler<D: Dimension>(&self, law: &Law<D>) -> Sampler {
        law.compile(self.prepared).expect("the law was checked")
    }

    /// A formula as a demand drawn from the stream of `entity`.
    pub fn demand<D: Dimension>(&mut self, formula: &Formula<D>, entity: &str) -> Demand {
        let terms = formula
            .attributes()
            .map(|(c, name)| (c, self.names.attribute(name).expect("the attribute was checked")))
            .collect();
        let constant = formula.constant().map(|x| {
            let nanos = to_nanos(x);
            Work { nanos, span: self.span(nanos) }
        });
        Demand {
            sampler: formula.compile(self.prepared).expect("the law was checked"),
            stream: self.stream(entity, "draw"),
            terms,
            constant,
            per_key: false,
        }
    }

    /// A fixed number for a path of names, to tell call sites apart.
    pub fn site(path: &str) -> u64 {
        hash_str(0x5174, path)
    }

    /// A node's outside.
    pub fn facts(&self, node: NodeId) -> Facts<'_> {
        self.names.kind(node).facts()
    }
}

impl Names {
    /// Whether calls must hand on the cold half of frames.
    pub fn carries(&self) -> bool {
        let design = &self.design;
        let links = design.network.links.iter().any(|l| l.bandwidth.is_some());
        let clients = design.clients.values().any(|c| {
            !c.session.is_empty()
                || c.operations().iter().any(|(_, o)| {
                    o.edge().carries()
                        || o.priority() != 100
                        || o.size().is_some()
                        || o.key().is_some()
                })
        });
        let nodes = design.nodes.values().chain(design.later()).any(|n| n.kind().carries());
        let links = links || design.faults.iter().any(|f| f.bandwidth.is_some());
        links || clients || nodes || !self.columns.is_empty() || !self.marks.is_empty()
    }
}
