//! The log of a replica: its last entries, and what each took the place of.
//!
//! **Invariant.** Places rise; taking back the entries after a place, newest first, leaves the data as they were there.

use std::collections::VecDeque;

use super::message::Sent;
use crate::replication::data::{Data, Item};

/// An entry as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub sent: Sent,
    /// Since when a leader has it, or has committed it, ns.
    pub since: u64,
    /// When it leaves a leader, ns.
    pub leaves: u64,
    /// What was held of the key before it was applied.
    pub before: Option<Item>,
}

impl Entry {
    pub fn new(sent: Sent) -> Self {
        Self { sent, since: 0, leaves: 0, before: None }
    }

    /// It is applied.
    pub fn apply(&mut self, data: &mut Data) {
        self.before = Some(data.get(self.sent.key));
        data.put(self.sent.key, Item { version: self.sent.version, order: self.sent.place });
    }

    /// It was never applied.
    fn take_back(&self, data: &mut Data) {
        match self.before {
            Some(Item { order: 0, .. }) => data.forget(self.sent.key),
            Some(before) => data.put(self.sent.key, before),
            None => {}
        }
    }
}

/// The last entries.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The place of the entry before the first that is kept.
    pub base: u64,
    pub entries: VecDeque<Entry>,
}

impl Log {
    /// The place of the last entry.
    pub fn last(&self) -> u64 {
        self.entries.back().map_or(self.base, |entry| entry.sent.place)
    }

    /// Where the first entry after a place is kept.
    pub fn after(&self, place: u64) -> usize {
        self.entries.partition_point(|entry| entry.sent.place <= place)
    }

    /// The newest place up to this one that it knows.
    pub fn floor(&self, place: u64) -> Option<u64> {
        let after = self.after(place);
        match after.checked_sub(1) {
            Some(at) => Some(self.entries[at].sent.place),
            None => (place >= self.base).then_some(self.base),
        }
    }

    /// It knows this place.
    pub fn has(&self, place: u64) -> bool {
        self.floor(place) == Some(place)
    }

    /// The entry in this place.
    pub fn get_mut(&mut self, place: u64) -> Option<&mut Entry> {
        let at = self.after(place).checked_sub(1)?;
        self.entries.get_mut(at).filter(|entry| entry.sent.place == place)
    }

    /// Takes back all entries after a place.
    pub fn cut(&mut self, place: u64, data: &mut Data) {
        while self.entries.back().is_some_and(|entry| entry.sent.place > place) {
            let entry = self.entries.pop_back().expect("there is a last one");
            entry.take_back(data);
        }
    }

    /// Forgets entries that are applied, up to a place: how many.
    pub fn forget(&mut self, place: u64) -> usize {
        let mut count = 0;
        while let Some(first) = self.entries.front()
            && first.sent.place <= place
            && first.before.is_some()
        {
            self.base = first.sent.place;
            self.entries.pop_front();
            count += 1;
        }
        count
    }

    /// At most so many entries after a place, up to another.
    pub fn some(&self, after: u64, upto: u64, most: usize) -> Box<[Sent]> {
        self.entries
            .range(self.after(after)..self.after(upto).max(self.after(after)))
            .take(most)
            .map(|entry| entry.sent)
            .collect()
    }

    /// The data as they are with all entries up to a place and no other.
    pub fn data_at(&self, place: u64, data: &Data) -> Data {
        let mut data = data.clone();
        for entry in self.entries.iter().rev().filter(|entry| entry.sent.place > place) {
            entry.take_back(&mut data);
        }
        for entry in self.entries.iter().filter(|entry| entry.sent.place <= place) {
            let item = Item { version: entry.sent.version, order: entry.sent.place };
            if entry.before.is_none() {
                data.put(entry.sent.key, item);
            }
        }
        data
    }
}
