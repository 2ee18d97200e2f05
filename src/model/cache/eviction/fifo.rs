//! First in, first out.

use super::{
    list::List,
    order::{Entry, Order},
};

/// The entry admitted first leaves, however often it was used.
#[derive(Debug, Default)]
pub(super) struct Fifo(List);

impl Order for Fifo {
    fn hit(&mut self, _: Entry) {}

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
