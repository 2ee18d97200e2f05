//! What is held of the data as a run ends, wherever that is.
//!
//! **Invariant.** Nothing of a run asks for it.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashTable;

use crate::{engine::random::mix, model::ids::NodeId, replication::Dots};

/// Versions.
#[derive(Clone, Debug, Default)]
pub struct Versions(HashTable<u64>);

impl Versions {
    /// One more; whether it was not among them.
    pub fn insert(&mut self, version: u64) -> bool {
        let new = !self.contains(version);
        if new {
            self.0.insert_unique(mix(version), version, |version| mix(*version));
        }
        new
    }

    /// Whether it is among them.
    pub fn contains(&self, version: u64) -> bool {
        self.0.find(mix(version), |other| *other == version).is_some()
    }

    /// All of them, in any order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }
}

impl Extend<u64> for Versions {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, versions: I) {
        for version in versions {
            self.insert(version);
        }
    }
}

impl FromIterator<u64> for Versions {
    fn from_iter<I: IntoIterator<Item = u64>>(versions: I) -> Self {
        let mut all = Self::default();
        all.extend(versions);
        all
    }
}

/// What is held of the data as the run ends.
#[derive(Debug, Default)]
pub struct Holdings {
    /// Versions, anywhere.
    pub versions: Versions,
    /// What transactions wrote to stores with logs.
    pub written: BTreeSet<u64>,
    /// The writes of a key that some replica of a store knows of, where they are told apart by vectors.
    pub known: BTreeMap<(NodeId, u64), Dots>,
    /// Of shards that have lost all: versions that are kept elsewhere, by key.
    pub kept: BTreeMap<(NodeId, u16), Vec<(u64, u64)>>,
    /// Of shards with a log of which a copy is gone for good: by key, how far those go that are left.
    pub logs: BTreeMap<(NodeId, u16), BTreeMap<u64, u64>>,
}
