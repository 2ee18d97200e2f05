//! Whose entries a cache holds: an entry is of the node it is filled from and of a key.
//!
//! **Invariant.** Two nodes behind one cache share no entry. The first of them is asked about by the plain
//! operations, so that a cache with one node behind it does what it did alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    engine::random::mix,
    model::{
        cache::CacheSpec,
        client::ClientSpec,
        design::Design,
        kind::{Op, Verb},
        kinds::NodeSpec,
        names::Names,
        service::StepSpec,
    },
};

/// What services ask caches for, about a node of theirs.
pub const ASIDE: [Verb; 7] = [
    Verb::Lookup,
    Verb::Fill,
    Verb::Invalidate,
    Verb::Release,
    Verb::Fail,
    Verb::Deny,
    Verb::LookupStale,
];

impl Design {
    /// The nodes behind each cache (`all`, or only those of caches that have several), in order. What a cache
    /// that is called directly admits as it is, is of the cache itself (an empty name).
    pub fn sources(&self, all: bool) -> BTreeMap<String, Vec<String>> {
        let mut aside: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in self.nodes.values().chain(self.later()) {
            let Some(service) = node.steps() else { continue };
            service.lists().for_each(|steps| {
                cached(steps, &mut |cache, store| {
                    aside.entry(cache.to_owned()).or_default().insert(store.to_owned());
                });
            });
        }
        for (name, node) in &self.nodes {
            if let NodeSpec::Cache(CacheSpec { from: Some(_), .. }) = node {
                aside.entry(name.0.clone()).or_default();
            }
        }
        let mut found = BTreeMap::new();
        for (cache, stores) in aside {
            let spec = self.nodes.iter().find(|(name, _)| name.0 == cache).map(|(_, spec)| spec);
            let Some(NodeSpec::Cache(spec)) = spec else { continue };
            let own = match &spec.from {
                Some(from) => Some(from.0.clone()),
                None => self.is_called(&cache).then(String::new),
            };
            let others = stores.into_iter().filter(|store| own.as_ref() != Some(store));
            let sources: Vec<String> = own.iter().cloned().chain(others).collect();
            if all || sources.len() > 1 {
                found.insert(cache, sources);
            }
        }
        found
    }

    /// Whether anybody asks a cache as if it were a store.
    fn is_called(&self, cache: &str) -> bool {
        let mut clients = self.clients.values().flat_map(ClientSpec::operations);
        let nodes = self.nodes.values().chain(self.later());
        // What is deleted is deleted whoever it is of: nothing is kept for that.
        let aside = |op: &Op| op.1.is_some_and(|v| v == Verb::Delete || ASIDE.contains(&v));
        clients.any(|(_, o)| {
            let mut targets = o.targets().into_iter();
            targets.any(|(target, verb)| target.0 == cache && verb != Some(Verb::Delete))
        }) || nodes
            .flat_map(|node| node.kind().outgoing(""))
            .any(|call| call.target == cache && !call.operation.as_ref().is_some_and(aside))
    }
}

/// Every cache that steps go through, and the node behind it.
fn cached(steps: &[StepSpec], found: &mut dyn FnMut(&str, &str)) {
    for step in steps {
        if let (Some((tiers, _)), Some((store, ..))) = (step.caching(), step.target()) {
            tiers.0.iter().for_each(|tier| found(&tier.0, &store));
        }
        step.inner().iter().for_each(|(_, steps)| cached(steps, found));
    }
}

impl Names {
    /// What a cache is asked for about a key of a node behind it.
    pub fn about(&self, cache: &str, store: &str, verb: Verb) -> Op {
        let sources = self.sources.get(cache);
        let number = sources.and_then(|all| all.iter().position(|source| source == store));
        (
            number.filter(|n| *n > 0).map_or_else(|| verb.name().to_owned(), |n| named(verb, n)),
            Some(verb),
        )
    }

    /// The operations about the further nodes behind caches, and about fetches that failed where somebody
    /// may wait for them.
    pub fn further_operations(&self) -> Vec<Op> {
        let most = self.sources.values().map(Vec::len).max().unwrap_or(0);
        let further = |n| ASIDE.map(|verb| (named(verb, n), Some(verb)));
        let fail = self.specs().any(|spec| match spec {
            NodeSpec::Cache(cache) => cache.coalesce == Some(true) || cache.early.is_some(),
            _ => false,
        });
        let fail = fail.then(|| (Verb::Fail.name().to_owned(), Some(Verb::Fail)));
        (1..most).flat_map(further).chain(fail).collect()
    }

    /// By operation, what tells the keys it is about from those of others; empty: nothing need.
    pub fn spaces(&self, cache: &str) -> Vec<u64> {
        let Some(sources) = self.sources.get(cache) else { return Vec::new() };
        let space = |op: &Op| {
            let number =
                (1..sources.len()).find(|&n| op.1.is_some_and(|verb| op.0 == named(verb, n)));
            number.map_or(0, space_of)
        };
        self.ops.iter().map(space).collect()
    }
}

/// What tells the keys of a node behind a cache from those of the first one.
pub(super) fn space_of(number: usize) -> u64 {
    if number == 0 { 0 } else { mix(number as u64) }
}

fn named(verb: Verb, number: usize) -> String {
    format!("{} {number}", verb.name())
}
