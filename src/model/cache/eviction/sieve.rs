//! SIEVE (Y. Zhang and others, "SIEVE is simpler than LRU", NSDI 2024, algorithm 1).

use super::{
    list::List,
    order::{Entry, Order},
};

/// A hand moves from the oldest entry to newer ones, spares those used since it last passed, and
/// evicts the first that was not; spared entries stay where they are.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    queue: List,
    used: Vec<bool>,
    hand: Option<Entry>,
}

impl Order for Sieve {
    fn hit(&mut self, entry: Entry) {
        self.used[entry as usize] = true;
    }

    fn admit(&mut self, entry: Entry, _key: u64, _weight: u64) {
        let at = entry as usize;
        if at >= self.used.len() {
            self.used.resize(at + 1, false);
        }
        self.used[at] = false;
        self.queue.push_front(entry);
    }

    fn evict(&mut self) -> Entry {
        let oldest = self.queue.back().expect("a full cache has entries");
        let mut at = self.hand.unwrap_or(oldest);
        while std::mem::take(&mut self.used[at as usize]) {
            at = self.queue.newer(at).unwrap_or(oldest);
        }
        self.hand = self.queue.newer(at);
        self.queue.remove(at);
        at
    }

    fn remove(&mut self, entry: Entry) {
        if self.hand == Some(entry) {
            self.hand = self.queue.newer(entry);
        }
        self.queue.remove(entry);
    }
}
