//! Connections that have two ends: what a file says of them, and who has any.
//!
//! A pool keeps the ends of its connections at the caller ([`near`]); the node called knows of those that were opened to its
//! instances, and a balancer of layer 4 of those that go through it. Each end hears of the other by messages only.

pub mod books;
pub mod check;
pub mod far;
pub mod kept;
pub mod near;
pub mod registry;
pub mod rides;

use super::{
    client::ClientSpec,
    ids::NodeId,
    kind::FarEnd,
    names::Names,
    resilience::{EdgeSpec, specs::PoolFields},
};

impl Names {
    /// What a node does with connections that are opened to it.
    fn far_end(&self, node: &str) -> FarEnd {
        self.node(node).map(|id| self.kind(id).far_end()).unwrap_or_default()
    }

    /// Whether the connections of a pool to a node have a far end.
    pub fn is_wired(&self, pool: &PoolFields, target: &str) -> bool {
        pool.has_far_end() || self.far_end(target).is_told_of()
    }

    /// Pools by the node they lead to, in all versions of the design.
    fn pools(&self) -> impl Iterator<Item = (&str, &PoolFields)> {
        fn of<'d>((name, edge): (&'d str, &'d EdgeSpec)) -> Option<(&'d str, &'d PoolFields)> {
            edge.pool.as_ref().map(|pool| (name, &pool.0))
        }
        let nodes = self.design.nodes.values().chain(self.design.later());
        let edges = nodes.filter_map(|node| node.kind().edges()).flatten();
        edges.filter_map(|(name, edge)| of((name.0.as_str(), edge)))
    }

    /// The nodes to which clients have connections with far ends.
    fn called_by_clients(&self) -> Vec<String> {
        let of = |client: &ClientSpec| {
            let operations = client.operations().into_iter();
            let wired = operations.flat_map(|(_, operation)| {
                let pool = operation.edge().pool;
                let targets = operation.targets().into_iter();
                let targets = targets.map(|(target, _)| target.0.clone());
                let wired = |target: &String| {
                    pool.as_ref().is_some_and(|pool| self.is_wired(&pool.0, target))
                };
                targets.filter(wired).collect::<Vec<_>>()
            });
            wired.collect::<Vec<_>>()
        };
        self.design.clients.values().flat_map(of).collect()
    }

    /// The nodes at which connections of pools end, those behind balancers of layer 4 included.
    pub fn find_far_ends(&self) -> Vec<NodeId> {
        let pools = self.pools().filter(|(target, pool)| self.is_wired(pool, target));
        let called = pools.map(|(target, _)| target.to_owned()).chain(self.called_by_clients());
        let mut open: Vec<NodeId> = called.filter_map(|name| self.node(&name)).collect();
        let mut all = Vec::new();
        while let Some(node) = open.pop() {
            if all.contains(&node) {
                continue;
            }
            all.push(node);
            if self.kind(node).far_end().passes_on {
                let behind = self.kind(node).passes_on();
                open.extend(behind.into_iter().filter_map(|target| self.node(&target.0)));
            }
        }
        all.sort_unstable();
        all
    }

    /// Whether anything in the design knows of connections.
    pub fn any_connection(&self) -> bool {
        let limited = |node: &super::kinds::NodeSpec| node.kind().far_end().is_told_of();
        !self.far_ends.is_empty()
            || self.design.nodes.values().chain(self.design.later()).any(limited)
    }

    /// Whether connections end at the instances of a node, or it counts them.
    pub fn ends_connections(&self, node: NodeId) -> bool {
        let is_told = |spec: &&super::kinds::NodeSpec| spec.kind().far_end().is_told_of();
        self.knows_connections
            && (self.far_ends.contains(&node) || self.versions(node).iter().any(is_told))
    }
}
