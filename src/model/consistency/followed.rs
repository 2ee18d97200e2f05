//! Which stores are followed, and what else of the data is kept track of.
//!
//! **Invariant.** Whoever reads or writes a store that is followed is followed too.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    calls::{Caller, DataCall, data_calls},
    spec::{Access, Updates},
};
use crate::{
    history::NotChecked,
    model::{
        client::{ClientSpec, operations::Effective},
        ids::NodeId,
        kind::{Op, Reach, Verb},
        kinds::NodeSpec,
        names::Names,
        resilience::EdgeSpec,
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

/// What of the data has to be kept track of.
#[allow(clippy::struct_excessive_bools, reason = "what there is, each by itself")]
#[derive(Clone, Debug, Default)]
pub struct Tracked {
    /// The stores whose history is followed.
    pub followed: BTreeSet<NodeId>,
    /// What requests have seen, as somebody asks for guarantees, or writes are told apart by what their writers knew.
    pub known: bool,
    /// In which stores somebody writes over what was read.
    pub updates: BTreeMap<NodeId, Updates>,
    /// What was done, as somebody asks that all attempts at something be one.
    pub once: bool,
    /// What attempts at something have in common, as there may be several.
    pub repeats: bool,
    /// How something is answered that is not answered as its store says.
    pub levels: bool,
    /// Records of locks and sagas, as some are kept in stores.
    pub leases: bool,
    /// Messages, of which all hand-outs are one.
    pub messages: bool,
    /// The stores that transactions write.
    pub transactions: BTreeSet<NodeId>,
}

impl Tracked {
    /// Whether requests take along what was seen of the data.
    pub fn hands_tokens(&self) -> bool {
        self.known || !self.updates.is_empty()
    }
}

/// The stores in which somebody writes over what was read.
fn updates(calls: &[DataCall]) -> BTreeMap<NodeId, Updates> {
    let (mut all, mut done) = (BTreeMap::new(), BTreeSet::new());
    for call in calls.iter().filter(|call| call.caller != Caller::Cache) {
        let (Some(store), Some(access)) = (call.store, Access::of(call.verb)) else { continue };
        match access {
            // Of a record only who asks for it remembers what it saw; that of a saga is not compared.
            Access::Update(_) if call.caller == Caller::Record => {
                all.entry(store).or_insert(Updates::Visits);
            }
            _ if call.caller == Caller::Record => {}
            Access::Update(NotChecked::Cas) => drop(all.insert(store, Updates::Cas)),
            Access::Update(_) => {}
            // Requests of a client are of one operation each.
            _ if call.caller == Caller::Request => {}
            _ => {
                let read = access == Access::Read;
                if done.contains(&(&call.caller, store, !read)) {
                    all.entry(store).or_insert(Updates::Visits);
                }
                done.insert((&call.caller, store, read));
            }
        }
    }
    all
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

    /// What has to be kept track of.
    pub fn tracked(&self) -> Tracked {
        let calls = data_calls(self);
        let vectors = self.specs().filter_map(|spec| spec.kind().replication());
        let mut vectors = vectors.filter_map(|spec| spec.multi_leader.as_ref());
        let asks = |edge: &EdgeSpec| edge.guarantees.as_ref().is_some_and(|list| !list.is_empty());
        let known =
            vectors.any(|spec| !spec.goes_by_stamps()) || self.any_edge(|edge, _| asks(edge));
        let updates = updates(&calls);
        let once = self.any_edge(|edge, _| edge.idempotent == Some(true));
        let levels = calls.iter().any(|call| !call.answered.is_usual());
        let leases = calls.iter().any(|call| call.caller == Caller::Record);
        let messages = self.specs().any(|spec| spec.kind().is_broker());
        let of_transactions = calls.iter().filter(|call| call.of_transaction);
        let transactions = of_transactions.filter_map(|call| call.store).collect();
        let repeats = messages || self.repeats();
        // Replicas hold versions, whoever looks on, and so do all where something is made of them.
        let history = self.design.history.is_some_and(|history| history.0.none);
        let views = self.views();
        let unwatched =
            history && !known && updates.is_empty() && !once && !leases && views.is_empty();
        let is_held = |store: &NodeId| {
            let kind = self.kind(*store);
            !unwatched || kind.facts().replicas.is_some() || kind.is_backed_up()
        };
        let mut followed: BTreeSet<NodeId> =
            self.written(&calls).into_iter().filter(is_held).collect();
        // What comes to a view is of its source, whoever brings it.
        let unsure = self.unsure();
        let shows =
            |(view, source): &(NodeId, NodeId)| followed.contains(source) && !unsure.contains(view);
        let shown: Vec<_> = views.into_iter().filter(shows).collect();
        followed.extend(shown.into_iter().map(|(view, _)| view));
        Tracked { followed, known, updates, once, repeats, levels, leases, messages, transactions }
    }

    /// The stores that somebody writes, so that there is something to be behind of, and where nobody chooses among shards or
    /// stores, who would have to know where a key is.
    fn written(&self, calls: &[DataCall]) -> BTreeSet<NodeId> {
        let unsure = self.unsure();
        // What a cache asks for, somebody asked it for. Whoever asks for an answer that is not the usual one says so by
        // versions on their way.
        let others = calls.iter().filter(|call| call.caller != Caller::Cache);
        let written = others.filter(|call| {
            Access::of(call.verb).is_some_and(|access| access != Access::Read)
                || !call.answered.is_usual()
        });
        written.filter_map(|call| call.store).filter(|store| !unsure.contains(store)).collect()
    }

    /// The stores among which somebody chooses.
    fn unsure(&self) -> BTreeSet<NodeId> {
        let nodes = self.design.nodes.values().chain(self.design.later());
        nodes
            .filter(|node| one_name(node).is_none())
            .flat_map(|node| node.kind().passes_on())
            .filter_map(|one| self.store_behind(&one.0))
            .collect()
    }

    /// What is done to the data of a store, and where the file says so.
    pub fn data_verbs(&self, store: NodeId) -> Vec<(String, Verb)> {
        let calls = data_calls(self).into_iter().filter(|call| call.store == Some(store));
        calls.filter_map(|call| Some((call.path?, call.verb))).collect()
    }

    /// Whether some edge is so: of a client's operation or a node's dependency, with whom it leads to.
    pub fn any_edge(&self, is: impl Fn(&EdgeSpec, &[&Name]) -> bool) -> bool {
        let mut nodes = self.design.nodes.values().chain(self.design.later());
        let clients = self.design.clients.values().flat_map(ClientSpec::operations);
        let own = |node: &NodeSpec| {
            let mut edges = node.kind().edges().into_iter().flatten();
            edges.any(|(target, edge)| is(edge, &[target]))
        };
        let of_client = |(_, operation): (String, Effective<'_>)| {
            let targets: Vec<&Name> = operation.targets().into_iter().map(|(to, _)| to).collect();
            is(&operation.edge(), &targets)
        };
        nodes.any(own) || clients.into_iter().any(of_client)
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
        let store =
            self.store_behind(target).filter(|store| self.tracked.followed.contains(store))?;
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
