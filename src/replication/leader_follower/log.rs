//! The log of a replica: its last entries, what each took the place of, and where each reign began in all of it.
//!
//! **Invariant.** Places rise; taking back the entries after a place, newest first, leaves the data as they were there.

use std::collections::VecDeque;

use super::message::{Reign, Sent};
use crate::replication::data::{Data, Item};
use crate::replication::words::Begin;

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
        data.unlearn(self.sent.version);
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
    /// Where each reign that wrote any of it began, whether those entries are kept or not: one for each time that a
    /// leader was promoted or came back.
    begins: Vec<Begin>,
}

impl Log {
    /// A log that begins after a place.
    pub fn behind(base: u64, begins: Vec<Begin>) -> Self {
        Self { base, entries: VecDeque::new(), begins }
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: Entry) {
        let (before, first) = (self.last(), entry.sent.place);
        if Reign::that_gave(before) != Reign::that_gave(first) {
            self.begins.push(Begin { first, before });
        }
        self.entries.push_back(entry);
    }

    /// Where each reign begins, up to a place.
    pub fn begins(&self, place: u64) -> Vec<Begin> {
        self.begins.iter().copied().filter(|begin| begin.first <= place).collect()
    }

    /// The entry that somebody was given this place for is in the log, up to `upto`.
    ///
    /// The entries of a reign in a log are the first ones that its leader wrote, as logs with an entry in common are equal
    /// up to it. So this one is there if the log is that long and the next reign in it began no earlier. Where it did, or
    /// where the log ends before though its reign is newer, the write is lost for this log.
    pub fn contains(&self, place: u64, upto: u64) -> bool {
        let later = |begin: &&Begin| Reign::that_gave(begin.first) > Reign::that_gave(place);
        place <= upto
            && self.begins.iter().rev().take_while(later).all(|begin| place <= begin.before)
    }

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
        while self.begins.pop_if(|begin| begin.first > place).is_some() {}
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

#[cfg(test)]
mod tests {
    use super::{Data, Entry, Log, Sent};
    use crate::replication::words::place;

    /// A place: of an epoch, a life of its leader, a number.
    fn at(epoch: u64, life: u64, number: u64) -> u64 {
        place(epoch, life << 28 | number)
    }

    fn write(log: &mut Log, place: u64) {
        log.push(Entry::new(Sent { place, key: place, version: place, at: 0 }));
    }

    fn written(places: &[u64]) -> Log {
        let mut log = Log::default();
        for place in places {
            write(&mut log, *place);
        }
        log
    }

    #[test]
    fn a_log_contains_what_was_written_before_each_later_reign_began() {
        let log = written(&[
            at(1, 0, 1),
            at(1, 0, 2),
            at(1, 1, 3),
            at(1, 1, 4),
            at(4, 0, 5),
            at(4, 0, 6),
        ]);
        for entry in &log.entries {
            assert!(log.contains(entry.sent.place, log.last()));
            assert!(!log.contains(entry.sent.place, entry.sent.place - 1), "not so far");
        }
        // What the first life, the second one, an epoch between, and the last one wrote besides.
        for lost in [at(1, 0, 3), at(1, 0, 9), at(1, 1, 5), at(2, 0, 3), at(2, 0, 6), at(4, 0, 7)] {
            assert!(!log.contains(lost, log.last()), "{lost:x}");
        }
    }

    #[test]
    fn what_is_cut_leaves_no_trace_and_what_is_forgotten_does() {
        let mut log = written(&[at(1, 0, 1), at(2, 0, 2), at(2, 0, 3)]);
        let mut data = Data::default();
        assert!(!log.contains(at(1, 0, 2), log.last()));
        log.cut(at(1, 0, 1), &mut data);
        for place in [at(1, 0, 2), at(3, 0, 3)] {
            write(&mut log, place);
        }
        assert!(log.contains(at(1, 0, 2), log.last()), "a leader of epoch 3 has it after all");
        assert!(!log.contains(at(2, 0, 2), log.last()));
        log.entries.iter_mut().for_each(|entry| entry.apply(&mut data));
        assert_eq!(log.forget(at(3, 0, 3)), 3);
        assert!(log.contains(at(1, 0, 2), log.last()) && !log.contains(at(1, 0, 3), log.last()));
        // A copy up to a place knows of the reigns up to there.
        let mut copy = Log::behind(at(1, 0, 2), log.begins(at(1, 0, 2)));
        write(&mut copy, at(4, 0, 3));
        assert!(
            copy.contains(at(1, 0, 2), copy.last()) && !copy.contains(at(1, 0, 3), copy.last())
        );
        assert_eq!((copy.begins.len(), log.begins.len()), (2, 2));
    }
}
