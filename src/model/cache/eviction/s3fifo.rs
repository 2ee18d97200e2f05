//! S3-FIFO (J. Yang and others, "FIFO queues are all you need for cache eviction", SOSP 2023,
//! algorithm 1), with a tenth of the cache for new entries and a memory of nine tenths of its weight.

use super::{
    order::{Entry, Order},
    parts::{Book, Ghosts, Part, share},
};

const SMALL: usize = 0;
const MAIN: usize = 1;
/// Uses in the small queue that move an entry to the main one.
const MOVES: u8 = 2;
/// Uses counted, at most.
const MOST_USES: u8 = 3;

/// New entries pass a small queue; those used there move to the main queue, where each use since gives
/// another round; keys that left the small queue are remembered and come back into the main one.
#[derive(Debug)]
pub(super) struct S3Fifo {
    held: [Part; 2],
    left: Ghosts,
    book: Book,
    /// What the main queue can hold.
    most_main: u64,
    most_small: u64,
    capacity: u64,
    again: bool,
    evicted: bool,
}

impl S3Fifo {
    pub(super) fn new(capacity: u64) -> Self {
        let small = capacity / 10;
        Self {
            held: Default::default(),
            left: Ghosts::new((capacity as f64 * 0.9) as u64),
            book: Book::default(),
            most_main: capacity - small,
            most_small: small,
            capacity,
            again: false,
            evicted: false,
        }
    }
}

impl Order for S3Fifo {
    fn arriving(&mut self, key: u64) {
        self.again = self.left.forget(key);
    }

    fn hit(&mut self, entry: Entry) {
        let known = self.book.of(entry);
        known.uses = (known.uses + 1).min(MOST_USES);
    }

    fn admit(&mut self, entry: Entry, key: u64, weight: u64) {
        self.book.note(entry, key, weight);
        // A cache that was never full fills its main queue with what the small one cannot hold.
        let filling = !self.evicted && self.held[SMALL].weight >= self.most_small;
        let part = if std::mem::take(&mut self.again) || filling { MAIN } else { SMALL };
        self.book.put(&mut self.held, entry, part);
    }

    fn evict(&mut self) -> Entry {
        self.evicted = true;
        loop {
            let from_main = self.held[MAIN].weight > self.most_main;
            let oldest = if from_main { None } else { self.held[SMALL].oldest() };
            if let Some(oldest) = oldest {
                self.book.take(&mut self.held, oldest);
                let known = self.book.of(oldest);
                if known.uses >= MOVES {
                    known.uses = 0;
                    self.book.put(&mut self.held, oldest, MAIN);
                    continue;
                }
                let known = *known;
                self.left.remember(known.key, known.weight);
                return oldest;
            }
            let oldest = self.held[MAIN].oldest().expect("a full cache has entries");
            self.book.take(&mut self.held, oldest);
            let known = self.book.of(oldest);
            if known.uses == 0 {
                return oldest;
            }
            known.uses -= 1;
            self.book.put(&mut self.held, oldest, MAIN);
        }
    }

    fn remove(&mut self, entry: Entry) {
        self.book.take(&mut self.held, entry);
    }

    fn measure(&mut self, least: u64) {
        self.left.bound(share(self.capacity, least, |n| (n as f64 * 0.9) as u64));
        self.most_main = share(self.capacity, least, |n| n - n / 10);
        self.most_small = share(self.capacity, least, |n| n / 10);
    }
}
