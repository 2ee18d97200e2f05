//! Operations one by one, for those who judge histories elsewhere.
//!
//! **Invariant.** An entry for each operation of a followed key, in the order in which they began; attempts that are one
//! write are one entry, from the first beginning to the first acknowledgement.

use std::collections::{BTreeMap, BTreeSet};

use super::{Act, OpId, Outcome, clock::Clock};

/// A moment: its place among all moments of the history, and when it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// No two moments of a history have the same; those that are later have more.
    pub order: u64,
    /// ns.
    pub at_ns: u64,
}

/// An operation from its beginning to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: u64,
    /// What it does.
    pub act: Act,
    /// Of a compare-and-set: the version that it expects.
    pub expects: Option<u64>,
    /// When it was invoked.
    pub began: Moment,
    /// How it ended, and when; none: it is under way.
    pub ended: Option<(Moment, Outcome)>,
}

/// All operations of a history.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Only those of these keys; of all when there are none.
    only: BTreeSet<u64>,
    entries: Vec<Entry>,
    under_way: BTreeMap<u32, usize>,
    /// Writes that may be attempted again, by version.
    attempted: BTreeMap<u64, usize>,
    /// Those of them whose attempts expect different versions: nobody knows which of them was done.
    undecided: BTreeSet<usize>,
}

impl Journal {
    /// An empty one, for these keys or, without any, for all.
    #[must_use]
    pub fn new(only: &BTreeSet<u64>) -> Self {
        Self { only: only.clone(), ..Self::default() }
    }

    /// An operation begins; `again`: it is one with others of its version.
    #[cold]
    pub(super) fn begins(
        &mut self,
        OpId(op): OpId,
        (key, act): (u64, Act),
        again: bool,
        began: Moment,
    ) {
        if !self.only.is_empty() && !self.only.contains(&key) {
            return;
        }
        let version = match act {
            Act::Write(version) | Act::Delete(version) if again => Some(version),
            _ => None,
        };
        if let Some(&entry) = version.and_then(|version| self.attempted.get(&version)) {
            self.under_way.insert(op, entry);
            return;
        }
        let entry = self.entries.len();
        self.attempted.extend(version.map(|version| (version, entry)));
        self.entries.push(Entry { key, act, expects: None, began, ended: None });
        self.under_way.insert(op, entry);
    }

    /// It writes only where it finds this version.
    #[cold]
    pub(super) fn expects(&mut self, OpId(op): OpId, version: u64) {
        let Some(&at) = self.under_way.get(&op) else { return };
        let entry = &mut self.entries[at];
        if entry.act == Act::Write(version) {
            return; // what an attempt before it wrote
        }
        if entry.expects.is_some_and(|other| other != version) || self.undecided.contains(&at) {
            self.undecided.insert(at);
            entry.expects = None;
        } else {
            entry.expects = Some(version);
        }
    }

    /// It ends.
    #[cold]
    pub(super) fn ends(&mut self, OpId(op): OpId, outcome: Outcome, at: Moment) {
        let Some(entry) = self.under_way.remove(&op) else { return };
        let entry = &mut self.entries[entry];
        let acknowledged = matches!(entry.ended, Some((_, Outcome::Written)));
        if !acknowledged {
            entry.ended = Some((at, outcome));
        }
    }

    /// All that happened, of keys that are followed to the end.
    #[must_use]
    pub(super) fn into_entries(self, follows: impl Fn(u64) -> bool) -> Vec<Entry> {
        // An attempt that is under way leaves open what those before it did.
        let mut entries = self.entries;
        for entry in self.under_way.into_values() {
            let ended = &mut entries[entry].ended;
            *ended = ended.filter(|(_, outcome)| *outcome == Outcome::Written);
        }
        entries.retain(|entry| follows(entry.key));
        entries
    }
}

/// The moment of an instant.
pub(super) fn moment(clock: &Clock, instant: u64) -> Moment {
    Moment { order: instant, at_ns: clock.ns(instant) }
}

/// The versions of a key as small numbers, in the order in which their writes began: 1 is the first. A value that nobody
/// wrote is 0.
#[derive(Debug, Default)]
pub struct Values(BTreeMap<(u64, u64), u64>, BTreeMap<u64, u64>);

impl Values {
    /// Of these operations.
    #[must_use]
    pub fn of(entries: &[Entry]) -> Self {
        let mut values = Self::default();
        for Entry { key, act, .. } in entries {
            if let Act::Write(version) | Act::Delete(version) = act {
                let written = values.1.entry(*key).or_default();
                values.0.entry((*key, *version)).or_insert_with(|| {
                    *written += 1;
                    *written
                });
            }
        }
        values
    }

    /// The number of a version of a key; none of what was there before all.
    #[must_use]
    pub fn get(&self, key: u64, version: u64) -> Option<u64> {
        (version != 0).then(|| self.0.get(&(key, version)).copied().unwrap_or(0))
    }
}
