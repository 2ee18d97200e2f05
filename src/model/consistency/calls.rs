//! Who calls for data, and how: clients, services, and caches on behalf of others.
//!
//! **Invariant.** All of it follows from what the file says.

use crate::model::{
    ids::NodeId, kind::Verb, kinds::NodeSpec, names::Names, replication::AnsweredSpec,
};

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// A request of a client.
    Request,
    /// A visit: the node's number among all nodes and their later versions, and the endpoint.
    Visit(usize, Option<String>),
    /// A visit that asks for a lock or holds it, or puts down how far a saga is.
    Record,
    /// A cache, for somebody who asked it.
    Cache,
}

/// A call for data.
#[derive(Clone, Debug)]
pub struct DataCall {
    /// Where the file says so; of a later version of a node none.
    pub path: Option<String>,
    /// Who calls.
    pub caller: Caller,
    /// Whom.
    pub target: String,
    /// The store that it is about, if one can be told.
    pub store: Option<NodeId>,
    /// What is done there.
    pub verb: Verb,
    /// How it is answered.
    pub answered: AnsweredSpec,
    /// It asks every shard.
    pub to_all: bool,
    /// It is a write of a transaction.
    pub of_transaction: bool,
}

/// All calls for data of a design.
pub fn data_calls(names: &Names) -> Vec<DataCall> {
    let mut all = Vec::new();
    for (name, client) in &names.design.clients {
        let path = format!("clients.{}", name.0);
        for (operation, effective) in client.operations() {
            let mut answered = Some(effective.answered());
            for (target, verb) in effective.targets() {
                let answered = answered.take().unwrap_or_default(); // what it falls back on is not asked for it
                let Some(verb) = verb else { continue };
                all.push(DataCall {
                    path: Some(effective.place(&path, &operation, verb.name())),
                    caller: Caller::Request,
                    target: target.0.clone(),
                    store: names.store_behind(&target.0),
                    verb,
                    answered,
                    to_all: false,
                    of_transaction: false,
                });
            }
        }
    }
    let here = names.design.nodes.iter().map(|(name, node)| (Some(name), node));
    let later = names.design.later().map(|node| (None, node));
    for (number, (name, node)) in here.chain(later).enumerate() {
        let kind = node.kind();
        let at = name.map(|name| format!("nodes.{}.{}", name.0, kind.facts().kind));
        for call in kind.outgoing(at.as_deref().unwrap_or_default()) {
            let Some((_, Some(verb))) = call.operation else { continue };
            let is_cache = matches!(node, NodeSpec::Cache(_));
            all.push(DataCall {
                path: at.as_ref().map(|_| call.path),
                caller: match call.of_record {
                    true => Caller::Record,
                    false if is_cache => Caller::Cache,
                    false => Caller::Visit(number, call.endpoint),
                },
                store: names.store_behind(&call.target),
                target: call.target,
                verb,
                answered: call.answered,
                to_all: call.to_all,
                of_transaction: call.of_transaction,
            });
        }
    }
    all
}
