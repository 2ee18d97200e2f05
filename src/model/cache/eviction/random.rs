//! Random replacement.

use super::order::{Entry, Order};
use crate::engine::random::Stream;

/// Entries any of which can be drawn.
#[derive(Debug, Default)]
pub(super) struct Bag {
    entries: Vec<Entry>,
    /// Where each entry stands in `entries`.
    places: Vec<u32>,
}

impl Bag {
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The entry at a place.
    pub(super) fn at(&self, place: u64) -> Entry {
        self.entries[place as usize]
    }

    /// Whether an entry is in it.
    pub(super) fn holds(&self, entry: Entry) -> bool {
        let place = self.places.get(entry as usize);
        place.is_some_and(|&place| self.entries.get(place as usize) == Some(&entry))
    }

    pub(super) fn add(&mut self, entry: Entry) {
        let at = entry as usize;
        if at >= self.places.len() {
            self.places.resize(at + 1, 0);
        }
        self.places[at] = self.entries.len() as u32;
        self.entries.push(entry);
    }

    pub(super) fn remove(&mut self, entry: Entry) {
        let place = self.places[entry as usize] as usize;
        self.entries.swap_remove(place);
        if let Some(&moved) = self.entries.get(place) {
            self.places[moved as usize] = place as u32;
        }
    }
}

/// Any entry leaves, each as likely.
#[derive(Debug)]
pub(super) struct Random {
    bag: Bag,
    stream: Stream,
    evictions: u64,
}

impl Random {
    pub(super) fn new(stream: Stream) -> Self {
        Self { bag: Bag::default(), stream, evictions: 0 }
    }
}

impl Order for Random {
    fn hit(&mut self, _: Entry) {}

    fn admit(&mut self, entry: Entry, _key: u64, _weight: u64) {
        self.bag.add(entry);
    }

    fn evict(&mut self) -> Entry {
        let i = self.stream.draw(self.evictions).below(self.bag.len());
        self.evictions += 1;
        let entry = self.bag.at(i);
        self.bag.remove(entry);
        entry
    }

    fn remove(&mut self, entry: Entry) {
        self.bag.remove(entry);
    }
}
