//! What can be wrong with what `set` faults make of a design.
//!
//! **Invariant.** As in `model/check.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    model::{
        check_design,
        design::Design,
        kinds::NodeSpec,
        names::Names,
        versions::{Set, changes_shards, node_and_key, paths_set, within},
    },
    problem::{Problems, Severity},
    units::Name,
};

impl Design {
    /// Checks each version like the design itself, up to the first that is wrong; what is wrong is told at
    /// what sets it.
    pub fn check_versions(&mut self, problems: &mut Problems) {
        let mut versions = std::mem::take(&mut self.versions);
        for version in &mut versions {
            let mut sets = paths_set(&self.faults, &self.nodes);
            sets.retain(|set| version.faults.contains(&set.fault));
            self.check_targets(&version.nodes, &sets, problems);
            let nodes = std::mem::take(&mut version.nodes);
            let mut design = Self {
                nodes,
                alerts: BTreeMap::new(),
                budgets: BTreeMap::new(),
                faults: Vec::new(),
                ..self.clone()
            };
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
                (NodeSpec::Service(a), NodeSpec::Service(b))
                    if a.autoscale.is_none() && b.autoscale.is_some() =>
                {
                    let message = format!("`{}` has no `autoscale` in the file", name.0);
                    let help = "what it goes by can change, and `none` freezes it";
                    problems.error_help("E-FAULT-TARGET", at, message, help);
                }
                (NodeSpec::Service(a), NodeSpec::Service(b)) if a.most() < b.most() => {
                    let message = format!("`{}` has only {} places", name.0, a.most());
                    let help = "the file's `max` is the most that any change can ask for";
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
    pub(super) fn is_chosen(&self, name: &Name) -> bool {
        self.nodes.values().any(|node| node.kind().passes_on().contains(&name))
    }

    /// Caches, stores and services that scale have all instances, or places for them, from the start that any version gives
    /// them.
    pub(super) fn make_room(&mut self) {
        let mut places: BTreeMap<Name, u64> = BTreeMap::new();
        let later = self.versions.iter().flat_map(|v| &v.nodes);
        for (name, node) in self.nodes.iter().chain(later) {
            let most = places.entry(name.clone()).or_default();
            *most = node.kind().routed().max(*most);
        }
        let sets = paths_set(&self.faults, &self.nodes);
        let scales = |node: &NodeSpec| node.kind().autoscale().is_some();
        let scaled = self.nodes.iter().filter(|(_, node)| scales(node));
        let scaled: BTreeSet<Name> = scaled.map(|(name, _)| name.clone()).collect();
        let later = self.versions.iter_mut().flat_map(|v| v.nodes.iter_mut());
        for (name, node) in self.nodes.iter_mut().chain(later) {
            match (node, places.get(name)) {
                (NodeSpec::Cache(cache), Some(places)) => cache.places = *places,
                (NodeSpec::Service(service), Some(places)) if scaled.contains(name) => {
                    service.places = *places;
                }
                (NodeSpec::Store(store), Some(places)) if changes_shards(&name.0, &sets) => {
                    store.places = *places;
                }
                _ => {}
            }
        }
    }
}
