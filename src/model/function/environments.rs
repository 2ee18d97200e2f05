//! The environments of a function, zone by zone, and who is inside which.
//!
//! **Invariant.** Who is inside one, or waits for its start, holds it until it ends.

use super::pool::Pool;
use crate::model::{
    books::{EnvironmentBooks, EnvironmentsMeasured},
    by_slot::BySlot,
    ids::Slot,
};

/// What a visit holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It waits for the start of the one at this place.
    Start(u32),
    /// It has been inside the one at this place since then.
    Inside(u32, u64),
}

/// All environments of a function.
#[derive(Debug)]
pub struct Environments {
    /// By zone, one for each instance of its server.
    pub pools: Vec<Pool>,
    held: BySlot<Option<Hold>>,
    /// Memory of each, bytes.
    memory: Option<u64>,
    /// The most that were there at once, since the measured span began.
    most: u64,
    from: u64,
}

impl Environments {
    /// Of these zones, with nobody there; the measured span begins at `from`.
    pub fn new(pools: Vec<Pool>, memory: Option<u64>, from: u64) -> Self {
        Self { pools, held: BySlot::default(), memory, most: 0, from }
    }

    /// The environments of an instance of the server.
    pub fn pool(&mut self, inst: u16) -> &mut Pool {
        &mut self.pools[usize::from(inst)]
    }

    /// A visit holds this from now on.
    pub fn hold(&mut self, slot: Slot, hold: Hold) {
        *self.held.at(slot) = Some(hold);
    }

    /// What a visit holds.
    pub fn held_by(&self, slot: Slot) -> Option<Hold> {
        self.held.get(slot).copied().flatten()
    }

    /// What a visit held, which it does no more.
    pub fn take_from(&mut self, slot: Slot) -> Option<Hold> {
        self.held.take(slot)
    }

    /// Visits that hold something, with the places it is at.
    pub fn holders(&self) -> impl Iterator<Item = (Slot, u32)> {
        self.held.iter().filter_map(|(slot, hold)| match (*hold)? {
            Hold::Start(place) | Hold::Inside(place, _) => Some((slot, place)),
        })
    }

    fn there(&self) -> u64 {
        self.pools.iter().map(Pool::there).sum()
    }

    /// There may be more, or fewer, from now on.
    pub fn note(&mut self, now: u64) {
        if now >= self.from {
            self.most = self.most.max(self.there());
        }
    }

    /// Running sums up to `now`, from the start of the run.
    ///
    /// # Panics
    /// Asked to, when not all are accounted for.
    pub fn measured(&self, now: u64, audit: bool) -> EnvironmentsMeasured {
        assert!(!audit || self.pools.iter().all(Pool::is_sound), "environments add up");
        let books = self.pools.iter().map(|pool| pool.books(now));
        let books = books.reduce(EnvironmentBooks::plus).unwrap_or_default();
        EnvironmentsMeasured { books, most: self.most.max(self.there()), memory: self.memory }
    }
}
