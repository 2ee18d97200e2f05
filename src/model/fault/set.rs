//! The design changes while it runs.
//!
//! **Invariant.** Ids, clients and instances are those of the file in all versions.

use std::collections::BTreeSet;

use crate::model::{fault::rollout::Rollout, ids::NodeId, names::Names, sim::Simulation};

impl Simulation {
    /// The nodes are what the design says they are from now on.
    pub(in crate::model) fn change_version(&mut self, names: &Names) {
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
        self.change_scaling(version, names, self.world.now());
        for (node, ways) in &self.routes {
            let way = ways[version].clone();
            if names.kind(*node).moves_keys() {
                let shards = names.versions(*node)[version].kind().routed() as u16;
                self.nodes[usize::from(*node)].reshard(way, shards, &mut self.world);
            } else {
                self.world.routes[usize::from(*node)] = way;
            }
        }
    }
}
