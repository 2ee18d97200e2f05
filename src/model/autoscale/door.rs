//! The door of a node that may be without any instance: its last place, where nobody ever is.
//!
//! **Invariant.** Who waits there has come, and no instance has seen him.

use std::collections::VecDeque;

use crate::model::ids::{NodeId, Slot};

/// The door of a node.
#[derive(Clone, Debug)]
pub struct Door {
    /// Whose it is.
    pub node: NodeId,
    /// The tick by which an instance is asked for.
    pub tick: u32,
    /// How many calls may wait there.
    pub most: u64,
    /// Those that do, in the order of their arrival.
    pub line: VecDeque<Slot>,
    /// How many of them were called off, because nobody needed them any more.
    pub needless: u64,
}

impl Door {
    /// Nobody waits; so many may.
    pub fn new(node: NodeId, tick: u32, most: u64) -> Self {
        Self { node, tick, most, line: VecDeque::new(), needless: 0 }
    }

    /// Whether a call waits there, which it then does not any more.
    pub fn leaves(&mut self, slot: Slot) -> bool {
        let at = self.line.iter().position(|waits| *waits == slot);
        at.is_some_and(|at| self.line.remove(at).is_some())
    }
}
