//! Segmented LRU (R. Karedla, J. S. Love, B. G. Wherry, "Caching strategies to improve disk system
//! performance", IEEE Computer 1994), with four equal segments as in libCacheSim.

use super::{
    order::{Entry, Order},
    parts::{Book, Part, share},
};

const SEGMENTS: usize = 4;

/// A hit moves an entry to the front of the next segment; what a segment cannot hold falls to the front
/// of the one below; what leaves, leaves from the lowest.
#[derive(Debug)]
pub(super) struct Slru {
    segments: [Part; SEGMENTS],
    book: Book,
    /// What one segment can hold.
    most: u64,
    capacity: u64,
}

impl Slru {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            segments: Default::default(),
            book: Book::default(),
            most: capacity / SEGMENTS as u64,
            capacity,
        }
    }
}

impl Order for Slru {
    fn hit(&mut self, entry: Entry) {
        let segment = usize::from(self.book.of(entry).part);
        if segment == SEGMENTS - 1 {
            return self.segments[segment].renew(entry);
        }
        self.book.take(&mut self.segments, entry);
        self.book.put(&mut self.segments, entry, segment + 1);
        for full in (1..=segment + 1).rev() {
            while self.segments[full].weight > self.most {
                let Some(oldest) = self.segments[full].oldest() else { break };
                self.book.take(&mut self.segments, oldest);
                self.book.put(&mut self.segments, oldest, full - 1);
            }
        }
    }

    fn admit(&mut self, entry: Entry, key: u64, weight: u64) {
        self.book.note(entry, key, weight);
        // While there is room, higher segments are filled too.
        let room = (0..SEGMENTS).find(|&s| self.segments[s].weight + weight <= self.most);
        self.book.put(&mut self.segments, entry, room.unwrap_or(0));
    }

    fn evict(&mut self) -> Entry {
        let oldest = self.segments.iter().find_map(Part::oldest);
        let oldest = oldest.expect("a full cache has entries");
        self.book.take(&mut self.segments, oldest);
        oldest
    }

    fn remove(&mut self, entry: Entry) {
        self.book.take(&mut self.segments, entry);
    }

    fn measure(&mut self, least: u64) {
        self.most = share(self.capacity, least, |n| n / SEGMENTS as u64);
    }
}
