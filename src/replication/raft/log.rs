//! The log of a replica, without the beginning that every replica has.
//!
//! **Invariant.** Terms never fall along it.

use std::collections::VecDeque;

use super::message::Entry;

/// A log: entries are numbered from 1.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Index and term of the last entry that was cut off at the beginning.
    base: (u64, u64),
    entries: VecDeque<Entry>,
}

impl Log {
    /// A log that begins behind an entry of this index and term.
    pub fn behind(index: u64, term: u64) -> Self {
        Self { base: (index, term), entries: VecDeque::new() }
    }

    /// Index of the last entry that was cut off at the beginning.
    pub fn base(&self) -> u64 {
        self.base.0
    }

    /// Index of the last entry.
    pub fn last(&self) -> u64 {
        self.base.0 + self.entries.len() as u64
    }

    /// Term of the last entry.
    pub fn last_term(&self) -> u64 {
        self.entries.back().map_or(self.base.1, |entry| entry.term)
    }

    /// An entry, if it is here.
    pub fn get(&self, index: u64) -> Option<Entry> {
        let at = index.checked_sub(self.base.0 + 1)?;
        self.entries.get(at as usize).copied()
    }

    /// The term of an entry, if it is known.
    pub fn term(&self, index: u64) -> Option<u64> {
        if index == self.base.0 { Some(self.base.1) } else { Some(self.get(index)?.term) }
    }

    /// Up to so many entries behind an index.
    pub fn after(&self, index: u64, most: usize) -> Vec<Entry> {
        let from = (index - self.base.0) as usize;
        let to = self.entries.len().min(from + most);
        self.entries.range(from..to).copied().collect()
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: Entry) {
        debug_assert!(entry.term >= self.last_term(), "terms never fall");
        self.entries.push_back(entry);
    }

    /// Cuts off what is behind an index: what that was.
    pub fn cut(&mut self, index: u64) -> Vec<Entry> {
        let left = index.saturating_sub(self.base.0) as usize;
        self.entries.drain(left.min(self.entries.len())..).collect()
    }

    /// Forgets all up to an index.
    pub fn forget(&mut self, index: u64) {
        while self.base.0 < index
            && let Some(entry) = self.entries.pop_front()
        {
            self.base = (self.base.0 + 1, entry.term);
        }
    }

    /// The last index before the entries of the term that the entry here is of, or `floor` if that is later.
    pub fn before_term_of(&self, index: u64, floor: u64) -> u64 {
        let term = self.term(index);
        let mut before = index - 1;
        while before > floor && self.term(before) == term {
            before -= 1;
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Log};

    #[test]
    fn a_log_keeps_its_indices_whatever_is_cut_off() {
        let mut log = Log::default();
        for term in [1, 1, 2, 2, 2, 5] {
            log.push(Entry { term, key: 0, version: 1 });
        }
        assert_eq!((log.last(), log.last_term(), log.term(0), log.term(7)), (6, 5, Some(0), None));
        assert_eq!((log.before_term_of(5, 0), log.before_term_of(5, 3)), (2, 3));
        log.forget(3);
        assert_eq!((log.base(), log.term(3), log.term(2), log.last()), (3, Some(2), None, 6));
        assert_eq!(log.after(4, 9).len(), 2);
        assert_eq!(log.cut(4).len(), 2);
        assert_eq!((log.last(), log.last_term()), (4, 2));
        log.cut(1);
        log.forget(9);
        assert_eq!((log.last(), log.last_term(), log.base()), (3, 2, 3));
    }
}
