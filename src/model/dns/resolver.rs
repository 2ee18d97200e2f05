//! What callers keep of the answers of a dns node.
//!
//! A call to a dns node is its question: the frame travels there, comes back with the answer, and goes
//! on from the caller to the node that was named. The caller notices nothing of it.
//!
//! **Invariant.** An answer is used until its `ttl` is over, whatever has become of its target.

use std::collections::BTreeMap;

use crate::model::ids::{Host, NodeId};

/// The answers of one dns node that callers keep.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// How long, ns.
    pub ttl: u64,
    /// Caches of a client in one zone.
    pub caches: u64,
    /// Target, and the instant from which it is not used any more, by caller and cache.
    pub answers: BTreeMap<(Host, u64), (NodeId, u64)>,
}

impl Resolver {
    /// Nothing was answered yet.
    pub fn new(ttl: u64, caches: u64) -> Self {
        Self { ttl, caches, answers: BTreeMap::new() }
    }
}
