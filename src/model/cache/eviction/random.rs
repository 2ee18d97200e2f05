//! Random replacement.

use super::{Entry, Order};
use crate::engine::random::Stream;

/// Any entry leaves, each as likely.
#[derive(Debug)]
pub(super) struct Random {
    entries: Vec<Entry>,
    /// Where each entry stands in `entries`.
    places: Vec<u32>,
    stream: Stream,
    evictions: u64,
}

impl Random {
    pub(super) fn new(stream: Stream) -> Self {
        Self { entries: Vec::new(), places: Vec::new(), stream, evictions: 0 }
    }
}

impl Order for Random {
    fn hit(&mut self, _: Entry) {}

    fn admit(&mut self, entry: Entry, _key: u64, _weight: u64) {
        let at = entry as usize;
        if at >= self.places.len() {
            self.places.resize(at + 1, 0);
        }
        self.places[at] = self.entries.len() as u32;
        self.entries.push(entry);
    }

    fn evict(&mut self) -> Entry {
        let i = self.stream.draw(self.evictions).below(self.entries.len() as u64) as usize;
        self.evictions += 1;
        let entry = self.entries[i];
        self.remove(entry);
        entry
    }

    fn remove(&mut self, entry: Entry) {
        let place = self.places[entry as usize] as usize;
        self.entries.swap_remove(place);
        if let Some(&moved) = self.entries.get(place) {
            self.places[moved as usize] = place as u32;
        }
    }
}
