//! What nodes do by themselves.
//!
//! **Invariant.** A tick is armed once at most.

use crate::{
    engine::random::{hash_str, mix},
    model::{ids::NodeId, names::Names},
};

/// Something a node does by itself, such as processor sharing.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// Sequence it is armed with; 0: none.
    pub armed: u64,
    /// The node.
    pub node: NodeId,
    /// The node's own index.
    pub index: u32,
    /// What it is called in the fingerprint.
    pub identity: u64,
}

impl Tick {
    /// The ticks of all nodes, which are these: owner and own index.
    pub fn all(names: &Names, all: &[(NodeId, u32)]) -> Vec<Self> {
        let salts = names.nodes().map(|n| hash_str(1, n));
        let salts: Vec<u64> = salts.chain(names.clients().map(|n| hash_str(2, n))).collect();
        let one = |&(node, index): &(NodeId, u32)| Self {
            armed: 0,
            node,
            index,
            identity: mix(salts[usize::from(node)].wrapping_add(u64::from(index))),
        };
        all.iter().map(one).collect()
    }
}
