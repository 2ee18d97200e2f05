//! Least recently used.

use super::{
    list::List,
    order::{Entry, Order},
};

/// The entry used longest ago leaves.
#[derive(Debug, Default)]
pub(super) struct Lru(List);

impl Order for Lru {
    fn hit(&mut self, entry: Entry) {
        self.0.renew(entry);
    }

    fn admit(&mut self, entry: Entry, _key: u64, _weight: u64) {
        self.0.push_front(entry);
    }

    fn evict(&mut self) -> Entry {
        let last = self.0.back().expect("a full cache has entries");
        self.0.remove(last);
        last
    }

    fn remove(&mut self, entry: Entry) {
        self.0.remove(entry);
    }
}
