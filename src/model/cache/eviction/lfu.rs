//! Least frequently used, without ageing.

use std::collections::BTreeSet;

use super::order::{Entry, Order};

/// The entry used least often since it came leaves; of several, the one used longest ago.
#[derive(Debug, Default)]
pub(super) struct Lfu {
    /// (uses, last use, entry).
    order: BTreeSet<(u64, u64, Entry)>,
    /// Uses and last use of each entry.
    known: Vec<(u64, u64)>,
    clock: u64,
}

impl Order for Lfu {
    fn hit(&mut self, entry: Entry) {
        self.clock += 1;
        let (uses, last) = self.known[entry as usize];
        self.order.remove(&(uses, last, entry));
        self.known[entry as usize] = (uses + 1, self.clock);
        self.order.insert((uses + 1, self.clock, entry));
    }

    fn admit(&mut self, entry: Entry, _key: u64, _weight: u64) {
        self.clock += 1;
        let at = entry as usize;
        if at >= self.known.len() {
            self.known.resize(at + 1, (0, 0));
        }
        self.known[at] = (1, self.clock);
        self.order.insert((1, self.clock, entry));
    }

    fn evict(&mut self) -> Entry {
        self.order.pop_first().expect("a full cache has entries").2
    }

    fn remove(&mut self, entry: Entry) {
        let (uses, last) = self.known[entry as usize];
        self.order.remove(&(uses, last, entry));
    }
}
