//! The history of one replication: what the clients of a store saw, judged.
//!
//! The model tells [`History`] when an operation on a key is invoked, when a write is given its place in
//! the order of versions, and when the operation returns. Each read is judged as it returns (how far it
//! was [behind](Judged)); at the end [`History::check`] says whether each key was an atomic register.
//! What is counted where (warm-up, sides of a cut, one store or all) is the caller's: it is handed each
//! judgement, and has [`Staleness`] and [`Sessions`] to collect them in.
//!
//! **Invariant.** It is an observer: it draws nothing, tells the model nothing that it did not know,
//! and its answers depend on the order of the calls alone. It keeps at most 64 bytes for each write
//! of a followed key, what is under way, and nothing for reads. A key is followed with all its
//! operations or not at all.

mod big;
mod check;
mod clock;
mod followed;
mod index;
mod journal;
mod limit;
mod place;
mod rows;
mod sessions;
mod slab;
mod staleness;
mod vectors;
mod zones;

use check::check;
pub use check::{Kind, Reason, Verdict, Witness, WitnessOp};
use clock::Clock;
use followed::Followed;
use journal::moment;
pub use journal::{Entry, Journal, Moment, Values};
use limit::Limit;
pub use place::{NotChecked, Place};
use rows::Row;
pub use sessions::{Seen, Sessions, Standing, Violations};
use slab::{NONE, Slab};
pub use staleness::{BEHIND, Judged, Staleness, Visibility};
pub use vectors::{Vector, Vectors};

/// What is followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The share of the keys, by hash: 0 to 1.
    pub keys: f64,
    /// The most writes kept; beyond it keys are left out, those with the largest hash first.
    pub limit: u32,
    /// How long the run is at most, for the resolution of its ties (see [`History::check`]).
    pub horizon_ns: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keys: 1.0, limit: 5_000_000, horizon_ns: 1 << 58 }
    }
}

/// What an operation does. Versions are not 0, and each is written by one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Reads.
    Read,
    /// Writes this version.
    Write(u64),
    /// Writes this tombstone.
    Delete(u64),
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A read returned this version: 0 if the key was never written, a tombstone if it was deleted.
    Read(u64),
    /// A write was acknowledged.
    Written,
    /// A write was certainly not applied; or a read failed.
    Failed,
    /// A write may have been applied, or may yet be.
    Unknown,
}

/// An operation under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpId(u32);

impl OpId {
    /// One of a key that is not followed.
    pub const UNFOLLOWED: Self = Self(NONE);

    /// Whether its key is followed.
    #[must_use]
    pub fn is_followed(self) -> bool {
        self != Self::UNFOLLOWED
    }
}

/// What is known of an operation that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Of a read of a followed key: how far it was behind. `None` if what it returned has no place in
    /// the order of versions.
    pub judged: Option<Judged>,
    /// What to hand to [`Sessions`] with the reply that carries it.
    pub seen: Option<Seen>,
}

/// The history of one replication.
#[derive(Clone, Debug)]
pub struct History {
    clock: Clock,
    limit: Limit,
    followed: Followed,
    under_way: Slab<UnderWay>,
    /// Witnesses of what only the moment shows.
    noticed: Vec<Witness>,
    /// Who asked for each write, by row, where that is told: a byte each.
    askers: Vec<u8>,
    /// All operations, where somebody wants them one by one.
    journal: Option<Box<Journal>>,
}

/// Nobody who is known asked for a write.
pub const NOBODY: u8 = u8::MAX;

/// An acknowledged version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its key.
    pub key: u64,
    /// Its place.
    pub place: Place,
    /// When it was acknowledged, ns.
    pub at: u64,
    /// Who asked for it, as it was [told](History::asked_by).
    pub by: u8,
}

/// So many keys have a witness of what was noticed while recording; the first ones are kept.
const NOTICED: usize = 16;

/// An operation under way.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    key: u64,
    invoked: u64,
    /// Of a write: its row and the number of its key.
    write: Option<(u32, u32)>,
}

impl History {
    /// An empty history.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            clock: Clock::new(settings.horizon_ns),
            limit: Limit::new(settings.keys, settings.limit),
            followed: Followed::default(),
            under_way: Slab::default(),
            noticed: Vec::new(),
            askers: Vec::new(),
            journal: None,
        }
    }

    /// Keeps all operations from now on, not only what judging them takes: some 100 bytes each.
    pub fn keep(&mut self, journal: Journal) {
        self.journal = Some(Box::new(journal));
    }

    /// The operations that were [kept](Self::keep).
    pub fn take_entries(&mut self) -> Option<Vec<Entry>> {
        let journal = self.journal.take()?;
        Some(journal.into_entries(|key| self.limit.follows(key)))
    }

    /// An operation begins.
    #[inline]
    pub fn invoke(&mut self, key: u64, act: Act, at_ns: u64) -> OpId {
        let op = self.begins(key, act, at_ns);
        self.note((key, act), false, op);
        op
    }

    /// An operation that began is noted.
    #[inline]
    fn note(&mut self, what: (u64, Act), again: bool, op: OpId) {
        if let Some(journal) = &mut self.journal
            && op.is_followed()
        {
            let invoked = self.under_way.get(op.0).invoked;
            journal.begins(op, what, again, moment(&self.clock, invoked));
        }
    }

    /// What a compare-and-set that has begun expects to find.
    pub fn expects(&mut self, op: OpId, version: u64) {
        if let Some(journal) = &mut self.journal {
            journal.expects(op, version);
        }
    }

    #[inline]
    fn begins(&mut self, key: u64, act: Act, at_ns: u64) -> OpId {
        if !self.limit.follows(key) {
            return OpId::UNFOLLOWED;
        }
        let invoked = self.clock.tick(at_ns);
        let (version, delete) = match act {
            Act::Read => {
                return OpId(self.under_way.insert(UnderWay { key, invoked, write: None }));
            }
            Act::Write(version) => (version, false),
            Act::Delete(version) => (version, true),
        };
        debug_assert!(version != 0, "version 0 is that of a key never written");
        if self.followed.writes() >= self.limit.writes() {
            self.limit.tighten(&mut self.followed);
            if !self.limit.follows(key) {
                return OpId::UNFOLLOWED;
            }
        }
        let id = self.followed.find_or_add(key);
        let row = self.followed.add(id, |next| Row::new(version, delete, invoked, next));
        OpId(self.under_way.insert(UnderWay { key, invoked, write: Some((row, id)) }))
    }

    /// Another attempt at a write begins, which is one with those before it: together they are one write, from the first
    /// beginning to the first acknowledgement. None of them may be said to have [failed](Outcome::Failed).
    pub fn attempt(&mut self, key: u64, act: Act, at_ns: u64) -> OpId {
        let (Act::Write(version) | Act::Delete(version)) = act else {
            return self.invoke(key, act, at_ns);
        };
        let id = self.followed.find(key).filter(|_| self.limit.follows(key));
        let op = match id.and_then(|id| Some((self.followed.find_row(id, version)?, id))) {
            Some(write) => {
                let invoked = self.clock.tick(at_ns);
                OpId(self.under_way.insert(UnderWay { key, invoked, write: Some(write) }))
            }
            None => self.begins(key, act, at_ns),
        };
        self.note((key, act), true, op);
        op
    }

    /// A write was given its place in the order of versions (when the leader appended it, a replica
    /// stamped it). A retry may be given another one: the last before the acknowledgement counts.
    pub fn accepted(&mut self, key: u64, place: Place) {
        if let Some(id) = self.followed.find(key)
            && let Some(row) = self.followed.find_row(id, place.version)
        {
            self.followed.accept(id, row, place.order);
        }
    }

    /// Who asks for an operation that is about to end well.
    #[inline]
    pub fn asked_by(&mut self, op: OpId, by: u8) {
        if !op.is_followed() || by == NOBODY && self.askers.is_empty() {
            return;
        }
        let UnderWay { key, write, .. } = *self.under_way.get(op.0);
        if let Some((row, id)) = write
            && self.followed.is(id, key)
        {
            let row = row as usize;
            self.askers.resize(self.askers.len().max(row + 1), NOBODY);
            self.askers[row] = by;
        }
    }

    /// An operation ends.
    #[inline]
    pub fn done(&mut self, op: OpId, outcome: Outcome, at_ns: u64) -> Ended {
        if !op.is_followed() {
            return Ended::default();
        }
        let now = self.clock.tick(at_ns);
        let UnderWay { key, invoked, write } = *self.under_way.get(op.0);
        self.under_way.release(op.0);
        if let Some(journal) = &mut self.journal {
            journal.ends(op, outcome, moment(&self.clock, now));
        }
        match (write, outcome) {
            (None, Outcome::Read(version)) => self.read(key, version, (invoked, now)),
            (Some((row, id)), _) if self.followed.is(id, key) => {
                self.written(id, row, outcome, (invoked, now))
            }
            _ => Ended::default(),
        }
    }

    /// An instant in the order of what is told of this history, at which something begins beside it.
    pub fn instant(&mut self, at_ns: u64) -> u64 {
        self.clock.tick(at_ns)
    }

    /// How far a version is behind that somebody who asked elsewhere, at such an instant, was shown now. It is no part of the
    /// history.
    pub fn glance(&mut self, key: u64, version: u64, (invoked, at_ns): (u64, u64)) -> Ended {
        if !self.limit.follows(key) {
            return Ended::default();
        }
        let returned = self.clock.tick(at_ns);
        let id = self.followed.find(key);
        let place = if version == 0 {
            Some(Place::INITIAL)
        } else {
            id.and_then(|id| self.followed.row(self.followed.find_row(id, version)?).place())
        };
        let seen = place.map(|place| Seen { key, wrote: false, place, invoked, returned });
        Ended { judged: place.map(|place| self.judge(id, place, invoked)), seen }
    }

    /// Whether a key is followed.
    pub fn follows(&self, key: u64) -> bool {
        self.limit.follows(key)
    }

    /// The writes of a key depend on what they find: it is not checked.
    pub fn mark_unchecked(&mut self, key: u64, cause: NotChecked) {
        if self.limit.follows(key) {
            let id = self.followed.find_or_add(key);
            self.followed.key_mut(id).set_cause(cause);
        }
    }

    /// The verdict, at the end. Times of its witness are exact unless more operations begin or end in
    /// one nanosecond than the clock has room for (a million in runs of up to four hours, 16 in ten
    /// years); their order always is.
    #[must_use]
    pub fn check(&self) -> Verdict {
        check(&self.followed, &self.clock, &self.noticed)
    }

    /// Whether a version of a followed key was acknowledged.
    #[must_use]
    pub fn is_acknowledged(&self, key: u64, version: u64) -> bool {
        let row = self.followed.find(key).and_then(|id| self.followed.find_row(id, version));
        row.is_some_and(|row| self.followed.row(row).acked().is_some())
    }

    /// The place of a version of a followed key, if it has one.
    #[must_use]
    pub fn place(&self, key: u64, version: u64) -> Option<Place> {
        let row = self.followed.find_row(self.followed.find(key)?, version)?;
        self.followed.row(row).place()
    }

    /// The newest version that had been acknowledged when this one, which nobody has read yet, was invoked.
    #[must_use]
    pub fn newest_before(&self, key: u64, version: u64) -> Option<Place> {
        let id = self.followed.find(key)?;
        let row = self.followed.row(self.followed.find_row(id, version)?);
        self.followed.newest(id, row.start).map(|(place, _)| place)
    }

    /// All versions of followed keys that have a place.
    pub fn placed(&self) -> impl Iterator<Item = (u64, Place)> {
        self.followed.keys().flat_map(|(id, entry)| {
            let rows = self.followed.chain(id).map(|(_, row)| row);
            rows.filter_map(Row::place).map(|place| (entry.key, place))
        })
    }

    /// The acknowledged versions of followed keys that have a place.
    pub fn acknowledged(&self) -> impl Iterator<Item = Acknowledged> {
        self.followed.keys().flat_map(|(id, entry)| {
            self.followed.chain(id).filter_map(|(row, write)| {
                let (place, acked) = write.settled()?;
                let by = self.askers.get(row as usize).copied().unwrap_or(NOBODY);
                Some(Acknowledged { key: entry.key, place, at: self.clock.ns(acked), by })
            })
        })
    }

    #[cfg(test)]
    /// The newest acknowledged version of each followed key that has one with a place.
    pub fn newest_acknowledged(&self) -> impl Iterator<Item = (u64, Place)> {
        self.followed.keys().filter_map(|(id, entry)| {
            self.followed.newest(id, u64::MAX).map(|(place, _)| (entry.key, place))
        })
    }

    /// The share of all keys that is followed.
    #[must_use]
    pub fn followed_share(&self) -> f64 {
        self.limit.share()
    }

    #[cfg(test)]
    /// How many writes are kept.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.followed.writes()
    }

    #[cfg(test)]
    /// What it has allocated, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.followed.bytes() + self.under_way.bytes() + self.askers.capacity()
    }

    fn written(&mut self, id: u32, row: u32, outcome: Outcome, ends: (u64, u64)) -> Ended {
        match outcome {
            Outcome::Written => self.followed.acknowledge(id, row, ends.1),
            Outcome::Failed => self.followed.fail(row),
            Outcome::Read(_) | Outcome::Unknown => {}
        }
        let row = self.followed.row(row);
        let seen = row.acked().and(row.place()).map(|place| Seen {
            key: self.followed.key(id).key,
            wrote: true,
            place,
            invoked: ends.0,
            returned: ends.1,
        });
        Ended { judged: None, seen }
    }

    #[inline]
    fn read(&mut self, key: u64, version: u64, ends: (u64, u64)) -> Ended {
        if !self.limit.follows(key) {
            return Ended::default(); // left out meanwhile
        }
        let id = self.followed.find(key);
        let place = if version == 0 {
            if id.is_some_and(|id| self.followed.first_finish(id) < ends.0) {
                self.notice(key, version, ends);
            }
            Some(Place::INITIAL)
        } else if let Some((id, row)) =
            id.and_then(|id| Some((id, self.followed.find_row(id, version)?)))
        {
            self.followed.fold(id, row, ends);
            self.followed.row(row).place()
        } else {
            self.notice(key, version, ends);
            None
        };
        let seen =
            place.map(|place| Seen { key, wrote: false, place, invoked: ends.0, returned: ends.1 });
        Ended { judged: place.map(|place| self.judge(id, place, ends.0)), seen }
    }

    /// How far behind a read is.
    #[inline]
    fn judge(&self, id: Option<u32>, place: Place, invoked: u64) -> Judged {
        let newest = id.and_then(|id| Some((id, self.followed.newest(id, invoked)?)));
        let Some((id, (newest, acked))) = newest else {
            return Judged { versions: 0, age_ns: 0, after_ns: None };
        };
        let at_ns = self.clock.ns(invoked);
        let after_ns = Some(at_ns - self.clock.ns(acked));
        if newest <= place {
            return Judged { versions: 0, age_ns: 0, after_ns };
        }
        let behind = self.followed.behind(id, place, invoked);
        let age_ns = at_ns - self.clock.ns(behind.acked_first);
        Judged { versions: behind.versions, age_ns, after_ns }
    }

    /// A read returned nothing where something was, or something out of nowhere. A zone would not
    /// show it, because it has no row.
    #[cold]
    fn notice(&mut self, key: u64, version: u64, (invoked, now): (u64, u64)) {
        let id = self.followed.find_or_add(key);
        if self.followed.key(id).flagged() {
            return;
        }
        self.followed.key_mut(id).flag();
        self.noticed.retain(|witness| self.limit.follows(witness.key));
        if self.noticed.len() >= NOTICED {
            return;
        }
        let ns = |instant| Some(self.clock.ns(instant));
        let mut operations = Vec::new();
        if version == 0 {
            let rows = self.followed.chain(id).map(|(_, row)| *row);
            let first = rows.min_by_key(|row| row.finish).expect("somebody wrote it");
            let by_write = first.acked() == Some(first.finish);
            let kind = match (by_write, first.is_delete()) {
                (false, _) => Kind::Read,
                (true, false) => Kind::Write,
                (true, true) => Kind::Delete,
            };
            let invoked_ns = ns(first.start).filter(|_| by_write && !first.read_last());
            let returned_ns = ns(first.finish);
            operations.push(WitnessOp { kind, version: first.version, invoked_ns, returned_ns });
        }
        let (invoked_ns, returned_ns) = (ns(invoked), ns(now));
        operations.push(WitnessOp { kind: Kind::Read, version, invoked_ns, returned_ns });
        let reason = if version == 0 { Reason::Unwritten } else { Reason::Unknown };
        self.noticed.push(Witness { key, reason, operations, proven_ns: self.clock.ns(now) });
    }
}

#[cfg(test)]
mod tests;
