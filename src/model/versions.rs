//! Planned changes: `set` faults make versions of a design that follow one another.
//!
//! Each version is a whole design, read and checked like the file's own. Servers compile all versions of
//! their spec into one program, one behind the other, and a change moves the entries only: visits end by
//! what they began with.
//!
//! A change that comes after an alert may come at any time, so every combination and, where it matters, every
//! order of changes is a version.
//!
//! **Invariant.** Versions differ in what `set` may change, so ids, clients and instances are those of the
//! file in all of them.

use std::collections::BTreeMap;

use super::{fault::FaultSpec, kinds::NodeSpec};
use crate::units::Name;

/// What the nodes are while some changes hold.
#[derive(Clone, Debug)]
pub struct Version {
    /// Numbers (in the file) of the faults that make it so, in the order of [`Orders::normal`].
    pub faults: Vec<usize>,
    /// All nodes.
    pub nodes: BTreeMap<Name, NodeSpec>,
}

/// What each fault sets: changes of different things may come in any order.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    /// By number of the fault.
    paths: Vec<Vec<String>>,
}

impl Orders {
    /// Of the faults of a file.
    pub fn new(faults: &[FaultSpec], nodes: &BTreeMap<Name, NodeSpec>) -> Self {
        let mut paths = vec![Vec::new(); faults.len()];
        for set in paths_set(faults, nodes) {
            paths[set.fault].push(set.path);
        }
        Self { paths }
    }

    /// Whether the order of two changes makes a difference.
    fn clash(&self, a: usize, b: usize) -> bool {
        let clash = |x: &String, y: &String| within(x, y) || within(y, x);
        self.paths[a].iter().any(|x| self.paths[b].iter().any(|y| clash(x, y)))
    }

    /// One order for all those in which some changes are the same design: the first in the order of the file
    /// of those that may come first, and so on.
    pub fn normal(&self, order: &[usize]) -> Vec<usize> {
        let mut left = order.to_vec();
        let mut normal = Vec::new();
        while !left.is_empty() {
            let free = |&i: &usize| left[..i].iter().all(|&before| !self.clash(before, left[i]));
            let first = (0..left.len()).filter(free).min_by_key(|&i| left[i]);
            normal.push(left.remove(first.expect("the first one is free")));
        }
        normal
    }

    /// The orders (normal ones) of some changes and one more, which may come at any time among them.
    pub fn with(&self, order: &[usize], one: usize) -> Vec<Vec<usize>> {
        let clashing = (0..order.len()).filter(|&i| self.clash(order[i], one)).map(|i| i + 1);
        let places = std::iter::once(0).chain(clashing);
        places
            .map(|place| {
                let mut order = order.to_vec();
                order.insert(place, one);
                self.normal(&order)
            })
            .collect()
    }
}

/// Something a fault sets.
#[derive(Clone, Debug)]
pub struct Set {
    /// Number of the fault.
    pub fault: usize,
    /// The path that is set, from the root.
    pub path: String,
    /// Where that is written.
    pub at: String,
}

/// All that faults set.
pub fn paths_set(faults: &[FaultSpec], nodes: &BTreeMap<Name, NodeSpec>) -> Vec<Set> {
    let mut all = Vec::new();
    for (fault, spec) in faults.iter().enumerate() {
        let sets = spec.set.iter().flat_map(BTreeMap::keys).map(|path| (path.clone(), path, "set"));
        let deploy = spec.deploy.as_ref().and_then(|d| Some((d, nodes.get(&d.node)?)));
        let kind = |node: &NodeSpec| node.kind().facts().kind.name();
        let deployed = deploy.into_iter().flat_map(|(deploy, node)| {
            deploy
                .paths(kind(node))
                .map(|(path, key)| (path, key, "deploy.set"))
                .collect::<Vec<_>>()
        });
        all.extend(sets.chain(deployed).map(|(path, key, under)| {
            let at = format!("faults[{fault}].{under}.\"{key}\"");
            Set { fault, path, at }
        }));
    }
    all
}

/// Whether some fault gives a store another number of shards.
pub fn changes_shards(name: &str, sets: &[Set]) -> bool {
    sets.iter().any(|set| set.path == format!("nodes.{name}.store.shards.count"))
}

/// The node a path leads to, and the key of its kind.
pub fn node_and_key(path: &str) -> Option<(&str, &str, &str)> {
    let mut parts = path.splitn(4, '.');
    let (nodes, name, kind, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (nodes == "nodes").then_some(())?;
    Some((name, kind, rest.split(['.', '[']).next().unwrap_or(rest)))
}

/// Whether a path is another one or leads further.
pub fn within(path: &str, start: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
