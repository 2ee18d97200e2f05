//! What is followed of the data: which stores, and how much of their history.
//!
//! **Invariant.** Following changes no event: what a version is and which one is held is the model's, what to make of it
//! the observer's, which nobody reads before the end.

pub mod observer;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{client::ClientSpec, ids::NodeId, kind::{Reach, Verb}, kinds::NodeSpec, names::Names};
use crate::units::{Count, Fraction, Name, ValueError, short_form, text_value};

/// How much of the history of the data is followed: what `consistency` of the results says. `none`: nothing.
///
/// ```yaml
/// history: {keys: 10%, limit: 5M}
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistorySpec(pub HistoryFields);

/// How much of the history of the data is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryFields {
    /// The share of the keys, chosen by their numbers; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Fraction>,
    /// Writes per replication that are kept in mind, at most 64 B each; beyond it whole keys are left out, and the
    /// results say how many. 5M when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
    /// Nothing is followed.
    #[serde(skip)]
    pub none: bool,
}

/// In place of what is followed: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nothing;

impl std::str::FromStr for Nothing {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::new("E-TYPE", format!("`{text}` is not `none`"));
        if text == "none" { Ok(Self) } else { Err(wrong().help("`none`, or `{keys, limit}`")) }
    }
}

impl std::fmt::Display for Nothing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("none")
    }
}

text_value!(Nothing, "Nothing", "`none`", ["none"]);

short_form!(
    HistorySpec,
    HistoryFields,
    Nothing,
    "`none`, or `{keys, limit}`",
    |nothing| {
        let Nothing = nothing;
        HistoryFields { none: true, ..HistoryFields::default() }
    },
    |fields| fields.none.then_some(Nothing)
);

/// Writes that are kept in mind when a file does not say how many.
const LIMIT: u64 = 5_000_000;

impl HistorySpec {
    /// The share of the keys that is followed.
    pub fn share(self) -> f64 {
        self.0.keys.map_or(1.0, |share| share.0)
    }

    /// Writes that are kept in mind.
    pub fn limit(self) -> u64 {
        self.0.limit.map_or(LIMIT, |limit| limit.0)
    }
}

/// What is done to a key of a store, as its history has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read.
    Read,
    /// A new version takes the place of the one before.
    Write,
    /// Likewise, and there is nothing to read any more.
    Delete,
    /// Likewise, by what was there before: for this reason nobody can say from outside whether the answers fit
    /// together.
    Update(&'static str),
}

impl Access {
    /// What a verb of a client or step does.
    pub const fn of(verb: Verb) -> Option<Self> {
        Some(match verb {
            Verb::Read => Self::Read,
            Verb::Write | Verb::WriteBehind => Self::Write,
            Verb::Delete => Self::Delete,
            Verb::Cas => Self::Update("cas"),
            Verb::Increment => Self::Update("increment"),
            _ => return None,
        })
    }
}

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
    pub(super) fn followed_stores(&self) -> BTreeSet<NodeId> {
        if self.design.history.is_some_and(|history| history.0.none) {
            return BTreeSet::new();
        }
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
        let calls = calls.map(|call| (call.target, call.operation.and_then(|operation| operation.1)));
        let written = asked.chain(calls).filter_map(|(target, verb)| {
            let access = verb.and_then(Access::of)?;
            (access != Access::Read).then(|| self.store_behind(&target)).flatten()
        });
        written.filter(|store| !unsure.contains(store)).collect()
    }

    /// The followed store that what is asked of a node is about, and what is done there.
    pub fn follows(&self, target: &str, verb: Option<Verb>) -> Option<(NodeId, Access)> {
        let store = self.store_behind(target).filter(|store| self.followed.contains(store))?;
        Some((store, Access::of(verb?)?))
    }
}
