//! What a coordinator knows of the operations it coordinates.
//!
//! **Invariant.** The oldest coordination is the first to be out of time.

use std::collections::VecDeque;

use super::message::{Held, Message, Number, What, Why};
use super::store::place;
use crate::replication::data::Item;
use crate::replication::words::{Once, Peer, Ticket};

/// A set of replicas, by their places in the shard.
pub(super) type Set = u64;

/// Who was asked something, and what came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    pub(super) asked: Set,
    pub(super) yes: Set,
    pub(super) no: Set,
}

impl Round {
    /// So many said yes.
    pub(super) fn has(self, need: u16) -> bool {
        self.yes.count_ones() >= u32::from(need)
    }

    /// So many said yes or may do yet.
    pub(super) fn can(self, need: u16) -> bool {
        (self.yes | self.asked & !self.no).count_ones() >= u32::from(need)
    }

    /// Nobody is left of whom to hear.
    pub(super) fn is_over(self) -> bool {
        self.asked & !(self.yes | self.no) == 0
    }
}

/// What a coordination waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A write: for the stamps of a read quorum.
    Query,
    /// A write: for its replicas to store it.
    Put,
    /// A read: for what its replicas hold.
    Get,
    /// A read: for enough replicas to hold what it found.
    WriteBack,
    /// For nothing.
    Over,
}

/// A coordination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coordination {
    pub(super) ticket: Ticket,
    pub(super) key: u64,
    pub(super) shard: u16,
    pub(super) stage: Stage,
    /// Not answered yet.
    pub(super) open: bool,
    /// By the local clock.
    pub(super) deadline: u64,
    /// A read returns nothing older than this, a write gets a newer stamp.
    pub(super) since: Item,
    /// So many have to answer what they hold, and so many to hold what is written.
    pub(super) need: (u16, u16),
    /// A write finds this version, or is not done.
    pub(super) expects: Option<u64>,
    /// A write that is done once.
    pub(super) once: Option<Once>,
    /// The stamp it was done with before, as a replica says; 0 if none says so.
    pub(super) done: u64,
    /// What is written, or what is returned.
    pub(super) held: Held,
    /// The newest that a replica answered.
    pub(super) newest: Held,
    /// Who was asked what it holds, and answered.
    pub(super) get: Round,
    /// Who was asked to hold the item, and does for good.
    pub(super) put: Round,
    /// Who answered that it holds the newest.
    pub(super) holds: Set,
    /// For whom another process answered what it holds.
    pub(super) stood_in: Set,
    /// For whom another process was asked, in this stage.
    pub(super) replaced: Set,
    /// How many processes were considered as stand-ins, in this stage.
    pub(super) tried: u16,
}

impl Coordination {
    /// A replica answered what it holds.
    pub(super) fn hear(&mut self, bit: Set, held: Held, firm: bool) {
        self.get.yes |= bit;
        let own = self.once.is_some() && self.stage == Stage::Query;
        if own && held.item.version == self.held.item.version {
            self.done = held.item.order;
        }
        let at = place(held.item);
        if at > place(self.newest.item) {
            (self.newest, self.holds) = (held, 0);
            if self.stage == Stage::Get && self.open {
                (self.held, self.put.yes) = (held, 0);
            }
        }
        if at == place(self.newest.item) {
            self.holds |= bit;
        }
        if firm && self.stage != Stage::Query && at >= place(self.held.item) {
            self.put.yes |= bit;
        }
    }

    /// Whoever asks may be answered by the newest that was found: nothing he knew is newer.
    ///
    /// Where all replicas have forgotten a tombstone nobody finds the stamp of that delete ever again, and what is held may
    /// be older, brought back: whoever knows of the delete reads nothing until they write the key again.
    pub(super) fn finds(&self) -> bool {
        place(self.newest.item) >= place(self.since)
    }

    /// Those who answered a read with something old, but for those who were sent the newest already.
    pub(super) fn stale(&self) -> Set {
        let stale = self.get.yes & !self.holds & !self.stood_in;
        if self.held.item == self.newest.item { stale & !self.put.asked } else { stale }
    }

    /// The stage is about storing, not about asking.
    pub(super) fn puts(&self) -> bool {
        matches!(self.stage, Stage::Put | Stage::WriteBack)
    }

    pub(super) fn round(&self) -> Round {
        if self.puts() { self.put } else { self.get }
    }

    /// Who was asked in this stage and has not answered.
    pub(super) fn awaited(&self) -> Set {
        let Round { asked, yes, no } = self.round();
        asked & !(yes | no)
    }

    /// Whoever does not answer is to be replaced: a write should come to as many as were asked.
    pub(super) fn needs_all(&self) -> bool {
        self.open || self.stage == Stage::Put
    }

    /// What a replica is asked in this stage.
    pub(super) fn message(&self, number: Number, owner: Peer) -> Message {
        let Self { key, held, .. } = *self;
        if self.puts() {
            let why = match self.stage {
                Stage::Put if self.once.is_some() => Why::Once,
                Stage::Put => Why::Write,
                _ => Why::Repair,
            };
            Message::Put { owner, why, number, key, held }
        } else {
            let what = match self.stage {
                Stage::Query if self.once.is_some() => What::StampOf(held.item.version),
                Stage::Query => What::Stamp,
                _ => What::Value,
            };
            Message::Get { owner, what, number, key }
        }
    }

    /// A stage begins.
    pub(super) fn enter(&mut self, stage: Stage) {
        (self.stage, self.replaced, self.tried) = (stage, 0, 0);
    }
}

/// The coordinations of a life of the process, by number: as all have the same time to live, the order of their
/// numbers is that of their deadlines.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// The number of the oldest one.
    pub(super) first: Number,
    pub(super) all: VecDeque<Coordination>,
    /// The timer is armed.
    pub(super) armed: bool,
}

impl Table {
    pub(super) fn new(first: Number) -> Self {
        Self { first, ..Self::default() }
    }

    pub(super) fn add(&mut self, coordination: Coordination) -> Number {
        self.all.push_back(coordination);
        self.first + self.all.len() as u64 - 1
    }

    pub(super) fn get(&mut self, number: Number) -> Option<&mut Coordination> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.all.get_mut(at).filter(|found| found.stage != Stage::Over)
    }

    pub(super) fn drop_oldest(&mut self) {
        self.all.pop_front();
        self.first += 1;
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

/// The members of a set.
pub(super) fn ones(mut set: Set) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        let lowest = set.trailing_zeros() as u16;
        set &= set.checked_sub(1)?;
        Some(lowest)
    })
}
