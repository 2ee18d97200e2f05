//! What a client of a [net](super::net) remembers from one operation to the next, and what it names of that.
//!
//! **Invariant.** It knows what it was answered, and nothing else.

use std::collections::BTreeMap;

use crate::replication::{Act, Known, Operation};

/// A client's session.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Its operations name what they have to find: all that it was answered about the key.
    pub since: bool,
    /// Its writes name what they write over: the same.
    pub context: bool,
    /// It asks any replica, at random.
    pub roams: bool,
    /// What it was answered about each key.
    known: BTreeMap<u64, Known>,
}

impl Session {
    /// An operation names what it is to.
    pub fn name(&self, mut operation: Operation) -> Operation {
        let known = self.known.get(&operation.key).copied().unwrap_or_default();
        if self.since {
            operation.since = known;
        }
        if self.context && operation.act != Act::Read {
            operation.context = known.dots;
        }
        operation
    }

    /// It was answered.
    pub fn learn(&mut self, key: u64, known: Known) {
        let knows = self.known.entry(key).or_default();
        let order = knows.order.max(known.order);
        *knows = Known { order, dots: knows.dots.join(&known.dots) };
    }
}
