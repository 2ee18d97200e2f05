//! What is kept of a write and of a key.
//!
//! **Invariant.** 44 bytes a write and 12 a key, asserted when compiling: with the indexes (7 to 8
//! bytes for each key, and for each version of a key with many) a followed write costs at most 64
//! bytes even where each key is written once.

use super::place::{NotChecked, Place};
use super::slab::{NONE, Slab};

/// No finish yet.
pub const NEVER: u64 = u64::MAX;
/// The acknowledgement of a write that was certainly not applied.
const FAILED: u64 = u64::MAX;

const DELETE: u32 = 1 << 27;
const READ_LAST: u32 = 1 << 28;
const ORDERED: u32 = 1 << 29;
const ONE_READ: u32 = 1 << 30;

/// A write and the reads that returned it.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub struct Row {
    /// What it wrote.
    pub version: u64,
    /// The earliest return of the write, if it was ok, and of its reads: one end of the zone.
    pub finish: u64,
    /// The latest invocation of the write and its reads: the other one.
    pub start: u64,
    /// When the write returned ok; 0 before.
    acked: u64,
    order: u64,
    /// The next row of the key, and flags.
    link: u32,
}

const _: () = assert!(size_of::<Row>() == 44 && size_of::<Key>() == 12);

impl Row {
    /// A write that was just invoked.
    #[must_use]
    pub fn new(version: u64, delete: bool, invoked: u64, next: u32) -> Self {
        let link = next | if delete { DELETE } else { 0 };
        Self { version, finish: NEVER, start: invoked, acked: 0, order: 0, link }
    }

    /// The next row of the key.
    #[inline]
    #[must_use]
    pub fn next(&self) -> u32 {
        self.link & NONE
    }

    /// Links it to another one.
    #[inline]
    pub fn set_next(&mut self, next: u32) {
        self.link = self.link & !NONE | next;
    }

    /// Whether it wrote a tombstone.
    #[must_use]
    pub fn is_delete(&self) -> bool {
        self.link & DELETE != 0
    }

    /// Whether `start` is that of a read.
    #[must_use]
    pub fn read_last(&self) -> bool {
        self.link & READ_LAST != 0
    }

    /// Whether `start` and `finish` are those of one and the same read.
    #[must_use]
    pub fn one_read(&self) -> bool {
        self.link & ONE_READ != 0
    }

    /// When the write returned ok.
    #[inline]
    #[must_use]
    pub fn acked(&self) -> Option<u64> {
        (self.acked != 0 && self.acked != FAILED).then_some(self.acked)
    }

    /// Whether it was certainly not applied.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.acked == FAILED
    }

    /// Its place in the order of the key's versions, if it was given one.
    #[inline]
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        (self.link & ORDERED != 0).then_some(Place { order: self.order, version: self.version })
    }

    /// Its place and its acknowledgement, if it has both.
    #[inline]
    #[must_use]
    pub fn settled(&self) -> Option<(Place, u64)> {
        Some((self.place()?, self.acked()?))
    }

    /// Gives it a place.
    pub fn set_order(&mut self, order: u64) {
        self.order = order;
        self.link |= ORDERED;
    }

    /// The write returned ok.
    #[inline]
    pub fn acknowledge(&mut self, now: u64) {
        self.acked = now;
        self.finish = self.finish.min(now);
    }

    /// The write was certainly not applied.
    pub fn fail(&mut self) {
        self.acked = FAILED;
    }

    /// A read returned it.
    #[inline]
    pub fn fold(&mut self, invoked: u64, now: u64) {
        let first = self.finish == NEVER;
        if first {
            self.finish = now;
        }
        if invoked > self.start {
            self.start = invoked;
            self.link = self.link & !ONE_READ | READ_LAST | if first { ONE_READ } else { 0 };
        }
    }
}

const BIG: u32 = 1 << 27;
const FLAGGED: u32 = 1 << 28;
const CAUSE_BITS: u32 = 29;
/// The cause of a key that is no longer followed.
const GONE: u32 = 7;

/// A key that was written.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub struct Key {
    /// Which one.
    pub key: u64,
    /// Its newest row, or its place among the big ones, and flags.
    head: u32,
}

/// Where the rows of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// In a chain from this row on: first those without acknowledgement or place, the latest invoked
    /// first, then the others, the newest first.
    Small(u32),
    /// In a [`Big`](super::big::Big).
    Big(u32),
}

impl Key {
    /// A key without rows.
    #[must_use]
    pub fn new(key: u64) -> Self {
        Self { key, head: NONE }
    }

    /// Where its rows are.
    #[inline]
    #[must_use]
    pub fn head(&self) -> Head {
        let id = self.head & NONE;
        if self.head & BIG == 0 { Head::Small(id) } else { Head::Big(id) }
    }

    /// Its rows are elsewhere from now on.
    #[inline]
    pub fn set_head(&mut self, head: Head) {
        let (id, big) = match head {
            Head::Small(id) => (id, 0),
            Head::Big(id) => (id, BIG),
        };
        self.head = self.head & !(NONE | BIG) | id | big;
    }

    /// Whether a violation was seen while recording.
    #[must_use]
    pub fn flagged(&self) -> bool {
        self.head & FLAGGED != 0
    }

    /// A violation was seen.
    pub fn flag(&mut self) {
        self.head |= FLAGGED;
    }

    /// Whether it is followed.
    #[inline]
    #[must_use]
    pub fn alive(&self) -> bool {
        self.head >> CAUSE_BITS != GONE
    }

    /// It is no longer followed.
    pub fn bury(&mut self) {
        self.head |= GONE << CAUSE_BITS;
    }

    /// Why it is not checked, if it is not.
    #[must_use]
    pub fn cause(&self) -> Option<NotChecked> {
        let number = self.head >> CAUSE_BITS;
        (number > 0 && self.alive()).then(|| NotChecked::ALL[number as usize - 1])
    }

    /// It will not be checked; the first cause stays.
    pub fn set_cause(&mut self, cause: NotChecked) {
        if self.head >> CAUSE_BITS == 0 {
            self.head |= (cause as u32 + 1) << CAUSE_BITS;
        }
    }
}

/// The rows of a chain.
#[derive(Clone, Debug)]
pub struct Chain<'a> {
    rows: &'a Slab<Row>,
    at: u32,
}

impl<'a> Chain<'a> {
    /// From this row on.
    #[inline]
    #[must_use]
    pub fn new(rows: &'a Slab<Row>, at: u32) -> Self {
        Self { rows, at }
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = (u32, &'a Row);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at == NONE {
            return None;
        }
        let id = self.at;
        let row = self.rows.get(id);
        self.at = row.next();
        Some((id, row))
    }
}

/// Takes a row out of a chain and puts it, settled, where its place is; the new head.
pub fn settle(rows: &mut Slab<Row>, head: u32, id: u32) -> u32 {
    let mine = rows.get(id).place();
    let next = rows.get(id).next();
    let before = Chain::new(rows, head).take_while(|&(other, _)| other != id).last();
    let mut head = head;
    match before.map(|(other, _)| other) {
        Some(other) => rows.get_mut(other).set_next(next),
        None => head = next,
    }
    let newer = |row: &Row| row.settled().is_none_or(|(place, _)| Some(place) > mine);
    let (mut before, mut after) = (None, head);
    for (other, row) in Chain::new(rows, head).take_while(|(_, row)| newer(row)) {
        (before, after) = (Some(other), row.next());
    }
    rows.get_mut(id).set_next(after);
    match before {
        Some(other) => rows.get_mut(other).set_next(id),
        None => head = id,
    }
    head
}
