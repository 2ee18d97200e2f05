//! Which stores show the data of which, and what feeds them.
//!
//! **Invariant.** All of it follows from what the file says.

use std::collections::BTreeMap;

use crate::model::{ids::NodeId, kinds::NodeSpec, names::Names, store::StoreSpec};

impl Names {
    /// A node that is a store.
    pub fn store(&self, id: NodeId) -> Option<&StoreSpec> {
        match self.spec(id) {
            NodeSpec::Store(spec) => Some(spec),
            _ => None,
        }
    }

    /// The views, and the stores in whose order of versions what they hold stands: the source, or that of the source. None of
    /// what the checks refuse.
    pub fn views(&self) -> BTreeMap<NodeId, NodeId> {
        let ids = 0..self.nodes().len() as NodeId;
        ids.filter_map(|id| Some((id, self.root_of(id)?))).collect()
    }

    fn root_of(&self, view: NodeId) -> Option<NodeId> {
        let mut at = self.node(&self.store(view)?.source()?.0)?;
        for _ in 0..self.nodes().len() {
            match self.store(at)?.source() {
                None => return Some(at),
                Some(next) => at = self.node(&next.0)?,
            }
        }
        None // a circle
    }

    /// The views that the logs of stores feed, by store.
    pub fn find_feeds(&self) -> BTreeMap<NodeId, Vec<NodeId>> {
        let mut all: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for (id, spec) in self.specs().enumerate() {
            let NodeSpec::Store(spec) = spec else { continue };
            let source = spec.source().filter(|_| spec.lag_of_view().is_some());
            if let Some(source) = source.and_then(|source| self.node(&source.0)) {
                all.entry(source).or_default().push(id as NodeId);
            }
        }
        all
    }

    /// The views that the log of a store feeds.
    pub fn fed_by(&self, store: NodeId) -> &[NodeId] {
        self.feeds.get(&store).map_or(&[], Vec::as_slice)
    }
}
