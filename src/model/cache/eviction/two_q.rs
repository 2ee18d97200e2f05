//! 2Q, full version (T. Johnson, D. Shasha, "2Q: a low overhead high performance buffer management
//! replacement algorithm", VLDB 1994), with a quarter of the cache for new entries and a memory of half
//! its weight.

use super::{
    order::{Entry, Order},
    parts::{Book, Ghosts, Part, share},
};

const NEW: usize = 0;
const KEPT: usize = 1;

/// New entries pass a queue in which hits do not count; a key that is asked for again after it left
/// there is kept among those whose least recently used leaves.
#[derive(Debug)]
pub(super) struct TwoQ {
    held: [Part; 2],
    left: Ghosts,
    book: Book,
    most_new: u64,
    capacity: u64,
    again: bool,
}

impl TwoQ {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            held: Default::default(),
            left: Ghosts::new(capacity / 2),
            book: Book::default(),
            most_new: capacity / 4,
            capacity,
            again: false,
        }
    }
}

impl Order for TwoQ {
    fn arriving(&mut self, key: u64) {
        self.again = self.left.forget(key);
    }

    fn hit(&mut self, entry: Entry) {
        if usize::from(self.book.of(entry).part) == KEPT {
            self.held[KEPT].renew(entry);
        }
    }

    fn admit(&mut self, entry: Entry, key: u64, weight: u64) {
        self.book.note(entry, key, weight);
        let part = if std::mem::take(&mut self.again) { KEPT } else { NEW };
        self.book.put(&mut self.held, entry, part);
    }

    fn evict(&mut self) -> Entry {
        let part = if self.held[NEW].weight > self.most_new { NEW } else { KEPT };
        let oldest = self.held[part].oldest().or_else(|| self.held[1 - part].oldest());
        let oldest = oldest.expect("a full cache has entries");
        let known = *self.book.of(oldest);
        if self.book.take(&mut self.held, oldest) == NEW {
            self.left.remember(known.key, known.weight);
        }
        oldest
    }

    fn remove(&mut self, entry: Entry) {
        self.book.take(&mut self.held, entry);
    }

    fn measure(&mut self, least: u64) {
        self.left.bound(share(self.capacity, least, |n| n / 2));
        self.most_new = share(self.capacity, least, |n| n / 4);
    }
}
