//! A leader's own log: its last entries.
//!
//! **Invariant.** Places are numbers that follow one another from `base` on.

use std::collections::VecDeque;

use super::message::Entry;

/// An entry as it is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logged {
    pub(super) entry: Entry,
    /// When it leaves, ns.
    pub(super) leaves: u64,
}

/// The last entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// The place of the entry before the first that is kept.
    pub(super) base: u64,
    pub(super) all: VecDeque<Logged>,
}

impl Log {
    /// The place of the last entry.
    pub(super) fn last(&self) -> u64 {
        self.base + self.all.len() as u64
    }

    /// The entry in a place after the base.
    pub(super) fn at(&mut self, place: u64) -> &mut Logged {
        &mut self.all[(place - self.base) as usize - 1]
    }

    /// The entries after a place, which is no less than the base, up to another.
    pub(super) fn some(&self, after: u64, upto: u64) -> Box<[Entry]> {
        let range = (after - self.base) as usize..(upto.max(after) - self.base) as usize;
        self.all.range(range).map(|logged| logged.entry).collect()
    }

    /// Forgets entries up to a place.
    pub(super) fn forget(&mut self, upto: u64) {
        let count = (upto.saturating_sub(self.base) as usize).min(self.all.len());
        self.all.drain(..count);
        self.base += count as u64;
    }

    /// Loses the entries after a place, which is no less than the base.
    pub(super) fn cut(&mut self, after: u64) {
        self.all.truncate((after - self.base) as usize);
    }
}
