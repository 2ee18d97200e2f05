//! What is held of the data as a run ends, wherever that is.
//!
//! **Invariant.** Nothing of a run asks for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{model::ids::NodeId, replication::Dots};

/// What is held of the data as the run ends.
#[derive(Debug, Default)]
pub struct Holdings {
    /// Versions, anywhere.
    pub versions: BTreeSet<u64>,
    /// What transactions wrote to stores with logs.
    pub written: BTreeSet<u64>,
    /// The writes of a key that some replica of a store knows of, where they are told apart by vectors.
    pub known: BTreeMap<(NodeId, u64), Dots>,
    /// Of shards that have lost all: versions that are kept elsewhere, by key.
    pub kept: BTreeMap<(NodeId, u16), Vec<(u64, u64)>>,
    /// Of shards with a log of which a copy is gone for good: by key, how far those go that are left.
    pub logs: BTreeMap<(NodeId, u16), BTreeMap<u64, u64>>,
}
