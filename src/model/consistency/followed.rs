//! Which stores are followed.
//!
//! **Invariant.** Whoever reads or writes a store that is followed is followed too.

use std::collections::{BTreeMap, BTreeSet};

use super::spec::{Access, Updates};
use crate::{
    history::Cause,
    model::{
        client::{ClientSpec, operations::Effective},
        ids::NodeId,
        kind::{AnsweredCall, Op, Reach, Verb},
        kinds::NodeSpec,
        names::Names,
    },
    units::Name,
};

/// Of a name that stands for one node: that one.
fn one_name(node: &NodeSpec) -> Option<&Name> {
    let is_name = matches!(node.kind().facts().reach, Reach::Answer { .. });
    match node.kind().passes_on().as_slice() {
        [one] if is_name => Some(*one),
        _ => None,
    }
}

impl Names {
    /// The store that what is asked of a node is about: itself, or whatever is behind it if it is a cache or the name
    /// of one node.
    pub fn store_behind(&self, target: &str) -> Option<NodeId> {
        // Caches in a circle are refused by the checks, which need names that can be asked.
        self.behind(target, self.design.nodes.len())
    }

    fn behind(&self, target: &str, left: usize) -> Option<NodeId> {
        let left = left.checked_sub(1)?;
        let id = self.node(target)?;
        let next = match self.spec(id) {
            NodeSpec::Store(_) => return Some(id),
            NodeSpec::Cache(cache) => cache.from.as_ref()?,
            other => one_name(other)?,
        };
        self.behind(&next.0, left)
    }

    /// The stores whose history is followed: somebody writes there, so that there is something to be behind of, and
    /// nobody chooses among shards or stores, who would have to know where a key is.
    pub fn followed_stores(&self) -> BTreeSet<NodeId> {
        // Replicas hold versions, whoever looks on, and so do all where something is made of them.
        let unwatched = self.design.history.is_some_and(|history| history.0.none)
            && !self.hands_tokens()
            && !self.asks_once();
        let nodes = || self.design.nodes.values().chain(self.design.later());
        let unsure: BTreeSet<_> = nodes()
            .filter(|node| one_name(node).is_none())
            .flat_map(|node| node.kind().passes_on())
            .filter_map(|one| self.store_behind(&one.0))
            .collect();
        let clients = self.design.clients.values();
        let asked = clients.flat_map(ClientSpec::operations).flat_map(|(_, operation)| {
            let targets = operation.targets().into_iter();
            targets.map(|(target, verb)| (target.0.clone(), verb)).collect::<Vec<_>>()
        });
        // What a cache asks for, somebody asked it for.
        let others = nodes().filter(|node| !matches!(node, NodeSpec::Cache(_)));
        let calls = others.flat_map(|node| node.kind().outgoing(""));
        let calls =
            calls.map(|call| (call.target, call.operation.and_then(|operation| operation.1)));
        let written = asked.chain(calls).filter_map(|(target, verb)| {
            let access = verb.and_then(Access::of)?;
            (access != Access::Read).then(|| self.store_behind(&target)).flatten()
        });
        // Whoever asks for an answer that is not the usual one says so by versions on their way.
        let levels = self.levels();
        let asked = levels.iter().filter_map(|call| self.store_behind(&call.target));
        let sure = written.chain(asked).filter(|store| !unsure.contains(store));
        sure.filter(|&store| !unwatched || self.kind(store).facts().replicas.is_some()).collect()
    }

    /// What is done to the data of a store, and where the file says so.
    pub fn data_verbs(&self, store: NodeId) -> Vec<(String, Verb)> {
        let mut all = Vec::new();
        for (name, client) in &self.design.clients {
            let path = format!("clients.{}", name.0);
            for (operation, effective) in client.operations() {
                let targets = effective.targets().into_iter();
                let verbs = targets.filter_map(|(target, verb)| Some((&target.0, verb?)));
                let verbs = verbs.filter(|(target, _)| self.store_behind(target) == Some(store));
                all.extend(
                    verbs.map(|(_, verb)| (effective.place(&path, &operation, verb.name()), verb)),
                );
            }
        }
        for (name, node) in &self.design.nodes {
            let path = format!("nodes.{}.{}", name.0, node.kind().facts().kind);
            let calls = node.kind().outgoing(&path).into_iter();
            let calls = calls.filter(|call| self.store_behind(&call.target) == Some(store));
            all.extend(calls.filter_map(|call| Some((call.path, call.operation?.1?))));
        }
        all
    }

    /// Whether requests take along what was seen of the data.
    pub fn hands_tokens(&self) -> bool {
        self.asks_what_is_known() || !self.updates().is_empty()
    }

    /// Whether somebody asks for guarantees, or writes are told apart by what their writers knew.
    pub fn asks_what_is_known(&self) -> bool {
        let asks = |list: &Option<Vec<_>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let nodes = self.design.nodes.values().chain(self.design.later());
        let mut edges = nodes.filter_map(|node| node.kind().edges()).flat_map(BTreeMap::values);
        let clients = self.design.clients.values().flat_map(ClientSpec::operations);
        let vectors = self.specs().filter_map(|spec| spec.kind().replication());
        let mut vectors = vectors.filter_map(|spec| spec.multi_leader.as_ref());
        edges.any(|edge| asks(&edge.guarantees))
            || vectors.any(|spec| !spec.goes_by_stamps())
            || clients.into_iter().any(|(_, operation)| asks(&operation.edge().guarantees))
    }

    /// Reads and writes that are not answered as their stores say.
    pub fn levels(&self) -> Vec<AnsweredCall> {
        let mut all = Vec::new();
        for (name, client) in &self.design.clients {
            let path = format!("clients.{}", name.0);
            for (operation, effective) in client.operations() {
                let answered = effective.answered();
                if let Some((target, Some(verb))) = effective.target()
                    && !answered.is_usual()
                {
                    let path = effective.place(&path, &operation, verb.name());
                    let (target, to_all) = (target.0.clone(), false);
                    all.push(AnsweredCall { path, target, verb, answered, to_all });
                }
            }
        }
        for (name, node) in &self.design.nodes {
            let path = format!("nodes.{}.{}", name.0, node.kind().facts().kind);
            all.extend(node.kind().answered(&path));
        }
        all.extend(self.design.later().flat_map(|node| node.kind().answered("")));
        all
    }

    /// The stores in which somebody writes over what was read.
    pub fn updates(&self) -> BTreeMap<NodeId, Updates> {
        let mut all = BTreeMap::new();
        let clients = self.design.clients.values().flat_map(ClientSpec::operations);
        for (_, operation) in clients {
            for (target, verb) in operation.targets() {
                if verb == Some(Verb::Cas)
                    && let Some(store) = self.store_behind(&target.0)
                {
                    all.insert(store, Updates::Cas);
                }
            }
        }
        let nodes = self.design.nodes.values().chain(self.design.later());
        // What a cache asks for, somebody asked it for.
        for node in nodes.filter(|node| !matches!(node, NodeSpec::Cache(_))) {
            let mut done: BTreeSet<(Option<String>, NodeId, bool)> = BTreeSet::new();
            for call in node.kind().outgoing("") {
                let Some((_, Some(verb))) = call.operation else { continue };
                let Some(store) = self.store_behind(&call.target) else { continue };
                match Access::of(verb) {
                    Some(Access::Update(Cause::Cas)) => drop(all.insert(store, Updates::Cas)),
                    Some(Access::Update(_)) | None => {}
                    Some(access) => {
                        let read = access == Access::Read;
                        if done.contains(&(call.endpoint.clone(), store, !read)) {
                            all.entry(store).or_insert(Updates::Visits);
                        }
                        done.insert((call.endpoint, store, read));
                    }
                }
            }
        }
        all
    }

    /// The followed store that what is asked of a node is about, and what is done there.
    pub fn follows(&self, target: &str, verb: Option<Verb>) -> Option<(NodeId, Access)> {
        // A key is taken out of a cache, not deleted.
        let purges = verb == Some(Verb::Delete);
        let is_cache =
            || matches!(self.node(target).map(|id| self.spec(id)), Some(NodeSpec::Cache(_)));
        if purges && is_cache() {
            return None;
        }
        let store = self.store_behind(target).filter(|store| self.followed.contains(store))?;
        Some((store, Access::of(verb?)?))
    }

    /// Whether requests of a client's operation may write data of some store that is followed, by themselves or through
    /// what they call; or only read it; none: neither.
    pub fn writes(&self, operation: &str, effective: &Effective<'_>) -> Option<bool> {
        let targets = effective.targets().into_iter();
        let mut open: Vec<(String, Op)> = targets
            .map(|(target, verb)| (target.0.clone(), (operation.to_owned(), verb)))
            .collect();
        let mut seen = BTreeSet::new();
        let mut writes = None;
        while let Some((target, op)) = open.pop() {
            if let Some((_, access)) = self.follows(&target, op.1) {
                writes = Some(writes == Some(true) || access != Access::Read);
                continue;
            }
            let Some(node) = self.node(&target) else { continue };
            if !seen.insert((target, op.clone())) {
                continue;
            }
            let kind = self.kind(node);
            let own = op.0.as_str();
            let served = if kind.endpoints().contains(&own) { own } else { "default" };
            let calls = kind.outgoing("").into_iter().filter(|call| {
                !call.by_itself && call.endpoint.as_ref().is_none_or(|of| of == served)
            });
            open.extend(calls.map(|call| (call.target, call.operation.unwrap_or(op.clone()))));
        }
        writes
    }
}
