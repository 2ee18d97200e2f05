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

    /// The views that the log of a store feeds.
    pub fn fed_by(&self, store: NodeId) -> Vec<NodeId> {
        let name = self.name(store);
        let is_fed = |id: &NodeId| {
            self.store(*id).is_some_and(|spec| {
                spec.lag_of_view().is_some() && spec.source().is_some_and(|of| of.0 == name)
            })
        };
        (0..self.nodes().len() as NodeId).filter(is_fed).collect()
    }
}
