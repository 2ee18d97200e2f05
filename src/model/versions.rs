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

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    build::Prepared, check_design, fault::FaultSpec, kinds::NodeSpec, route::Route, sim::Simulation,
};
use crate::{
    model::{design::Design, fault::rollout::Rollout, ids::NodeId, names::Names},
    problem::{Problems, Severity},
    units::Name,
};

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
        let kind = |node: &NodeSpec| node.kind().facts().kind.to_owned();
        let deployed = deploy.into_iter().flat_map(|(deploy, node)| {
            deploy
                .paths(&kind(node))
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

/// The node a path leads to, and the key of its kind.
pub fn node_and_key(path: &str) -> Option<(&str, &str, &str)> {
    let mut parts = path.splitn(4, '.');
    let (nodes, name, kind, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (nodes == "nodes").then_some(())?;
    Some((name, kind, rest.split(['.', '[']).next().unwrap_or(rest)))
}

/// Whether a path is another one or leads further.
fn within(path: &str, start: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

impl Design {
    /// The number of the version that some changes make, in the order in which they began.
    fn version(&self, order: &[usize]) -> usize {
        if order.is_empty() {
            return 0;
        }
        let normal = Orders::new(&self.faults, &self.nodes).normal(order);
        let at = self.versions.iter().position(|version| version.faults == normal);
        1 + at.expect("every combination of changes is a version")
    }

    /// Checks each version like the design itself, up to the first that is wrong; what is wrong is told at
    /// what sets it.
    pub fn check_versions(&mut self, problems: &mut Problems) {
        let mut versions = std::mem::take(&mut self.versions);
        for version in &mut versions {
            let mut sets = paths_set(&self.faults, &self.nodes);
            sets.retain(|set| version.faults.contains(&set.fault));
            self.check_targets(&version.nodes, &sets, problems);
            let nodes = std::mem::take(&mut version.nodes);
            let mut design =
                Self { nodes, alerts: BTreeMap::new(), faults: Vec::new(), ..self.clone() };
            let mut found = Problems::default();
            design.move_in(&mut found);
            let names = Names::new(Arc::new(design));
            check_design::design(&names, &mut found);
            for problem in found.into_vec() {
                if problem.severity != Severity::Error {
                    continue;
                }
                let exact = sets.iter().find(|set| within(&problem.path, &set.path));
                let Some(set) = exact.or(sets.last()) else { continue };
                let id = &self.faults[set.fault].id.0;
                let message = format!("{} (once `{id}` has set it)", problem.message);
                let (at, help) = (set.at.clone(), problem.help.unwrap_or_default());
                problems.error_help(problem.code, at, message, help);
            }
            version.nodes = names.into_design().nodes;
            if problems.any_error() {
                return;
            }
        }
        self.versions = versions;
        self.make_room();
    }

    /// What is wrong with whom balancers choose among in a version.
    fn check_targets(
        &self,
        nodes: &BTreeMap<Name, NodeSpec>,
        sets: &[Set],
        problems: &mut Problems,
    ) {
        for set in sets {
            let Some((name, _, key)) = node_and_key(&set.path) else { continue };
            let name = Name(name.to_owned());
            let (Some(old), Some(new)) = (self.nodes.get(&name), nodes.get(&name)) else {
                continue;
            };
            let at = set.at.clone();
            match (old, new) {
                (NodeSpec::LoadBalancer(a), NodeSpec::LoadBalancer(b))
                    if !a.to.chooses_among(&b.to) =>
                {
                    let message = format!("`{}` has other targets in the file", name.0);
                    let help = "only the weights of targets can change: {blue: 95, green: 5}";
                    problems.error_help("E-FAULT-TARGET", at, message, help);
                }
                (NodeSpec::Service(a), NodeSpec::Service(b))
                    if a.background.len() != b.background.len() =>
                {
                    let message = format!("`{}` does another number of things by itself", name.0);
                    let help = "what is done can change, not how many things are";
                    problems.error_help("E-FAULT-TARGET", at, message, help);
                }
                (NodeSpec::Cache(_), _) if key == "instances" && self.is_chosen(&name) => {
                    let message = format!("a balancer chooses among the instances of `{}`", name.0);
                    let help = "only a cache that is called by itself takes up instances later";
                    problems.error_help("E-FAULT-TARGET", at, message, help);
                }
                _ => {}
            }
        }
    }

    /// Whether a node is a target of a balancer or of a name.
    fn is_chosen(&self, name: &Name) -> bool {
        self.nodes.values().any(|node| {
            let targets = match node {
                NodeSpec::LoadBalancer(balancer) => &balancer.to,
                NodeSpec::Dns(dns) => &dns.to,
                _ => return false,
            };
            targets.nodes().iter().any(|target| target.0 == name)
        })
    }

    /// Caches have all instances from the start that any version gives them.
    fn make_room(&mut self) {
        let mut places: BTreeMap<Name, u64> = BTreeMap::new();
        let later = self.versions.iter().flat_map(|v| &v.nodes);
        for (name, node) in self.nodes.iter().chain(later) {
            let most = places.entry(name.clone()).or_default();
            *most = node.kind().routed().max(*most);
        }
        let later = self.versions.iter_mut().flat_map(|v| v.nodes.iter_mut());
        for (name, node) in self.nodes.iter_mut().chain(later) {
            if let (NodeSpec::Cache(cache), Some(places)) = (node, places.get(name)) {
                cache.places = *places;
            }
        }
    }
}

impl Names {
    /// The ways to nodes whose instances take up other keys later, by version.
    pub fn routes(&self, prepared: &Prepared) -> Vec<(NodeId, Vec<Route>)> {
        let ids = 0..self.nodes().len() as NodeId;
        let versions = ids.map(|id| (id, self.versions(id)));
        let moving = versions.filter(|(_, all)| {
            all.iter().any(|spec| spec.kind().routed() != all[0].kind().routed())
        });
        let ways = |(id, all): (NodeId, Vec<&NodeSpec>)| {
            (id, all.iter().map(|spec| Route::new(spec.kind(), self, prepared)).collect())
        };
        moving.map(ways).collect()
    }

    /// What a node is at first and after each change of the design; once, if nothing changes it.
    pub fn versions(&self, id: NodeId) -> Vec<&NodeSpec> {
        let mut all = vec![self.spec(id)];
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

impl Simulation {
    /// The nodes are what the design says they are from now on.
    pub(super) fn change_version(&mut self, names: &Names) {
        let number = |of: &[(u64, u64, usize)]| {
            let mut changes = of.to_vec();
            changes.sort_unstable();
            names.design.version(&changes.iter().map(|change| change.2).collect::<Vec<usize>>())
        };
        let version = number(&self.planned);
        for node in &mut self.nodes {
            node.set_version(version);
        }
        let rollouts = &self.timeline.rollouts;
        let nodes: BTreeSet<NodeId> = rollouts.iter().map(|rollout| rollout.node).collect();
        for id in nodes {
            let here = || rollouts.iter().filter(|rollout| rollout.node == id);
            let version = |inst: u16| {
                let mut changes = self.planned.clone();
                let brings = |r: &&Rollout| {
                    let deploy = names.fault(r.fault).deploy.as_ref();
                    r.reached.contains_key(&inst) && deploy.is_some_and(|d| !d.set.is_empty())
                };
                for rollout in here().filter(brings) {
                    let began = rollout.began.unwrap_or_default();
                    changes.push((began, u64::MAX, names.order[rollout.fault]));
                }
                number(&changes)
            };
            let instances = names.kind(id).facts().instances as u16;
            let versions: Vec<usize> = (0..instances).map(version).collect();
            self.nodes[usize::from(id)].set_versions(&versions);
        }
        for (node, ways) in &self.routes {
            self.world.routes[usize::from(*node)] = ways[version].clone();
        }
    }
}
