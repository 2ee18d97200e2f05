//! Caches inside the instances of a service: one in each, reached without a network, gone with it.
//!
//! **Invariant.** Such a cache has as many instances as its service, in the same places.

use super::CacheSpec;
use crate::{
    model::{design::Design, ids::NodeId, kind::Kind, kinds::NodeSpec, names::Names},
    problem::Problems,
    units::{Count, Name},
};

impl Design {
    /// Puts each cache with `in` where its service is.
    pub fn move_in(&mut self, problems: &mut Problems) {
        let caches = self.nodes.iter().filter_map(|(name, node)| match node {
            NodeSpec::Cache(cache) => Some((name.clone(), cache.in_.clone()?)),
            _ => None,
        });
        for (name, host) in caches.collect::<Vec<(Name, Name)>>() {
            let at = |key: &str| format!("nodes.{}.cache.{key}", name.0);
            let Some(NodeSpec::Service(service)) = self.nodes.get(&host) else {
                let message = format!("there is no service `{}`", host.0);
                problems.error_help("E-REF", at("in"), message, "a cache is `in` a service");
                continue;
            };
            let (instances, zones) = (service.facts().instances, service.zones.clone());
            let Some(NodeSpec::Cache(cache)) = self.nodes.get_mut(&name) else { continue };
            if cache.price.is_some() {
                let message = format!("it has no machine of its own: `{}` is paid for", host.0);
                problems.error_help(
                    "E-CONFLICT",
                    at("price"),
                    message,
                    "a `price` there, none here",
                );
            }
            let given =
                [("instances", cache.instances.is_some()), ("zones", cache.zones.is_some())];
            for (key, _) in given.into_iter().filter(|g| g.1) {
                let message = format!("there is one in each instance of `{}`", host.0);
                problems.error("E-CONFLICT", at(key), message);
            }
            (cache.instances, cache.zones) = (Some(Count(instances)), zones);
        }
    }
}

impl Names {
    /// The service a node is inside of.
    pub fn host(&self, node: NodeId) -> Option<NodeId> {
        let NodeSpec::Cache(CacheSpec { in_: Some(host), .. }) = self.spec(node) else {
            return None;
        };
        let service = |&host: &NodeId| matches!(self.spec(host), NodeSpec::Service(_));
        self.node(&host.0).filter(service)
    }

    /// The caches inside a service.
    pub fn guests(&self, host: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        (0..self.nodes().len() as NodeId).filter(move |&node| self.host(node) == Some(host))
    }
}
