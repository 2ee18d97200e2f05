//! What the log of a shard has committed, as whoever sends it on elsewhere hears of it: who leads, what it writes, how far
//! that is committed.
//!
//! **Invariant.** What is written counts once it is committed, and not at all if a later leader began without it.

use std::collections::VecDeque;

use super::leader::Leader;

/// The log of a shard, from what has been committed on.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Who leads.
    pub leader: Leader,
    /// Entries that are not known to be committed, by place: key and version.
    open: VecDeque<(u64, u64, u64)>,
}

impl Committed {
    /// At first this one leads.
    pub fn new(by: u16) -> Self {
        Self { leader: Leader::new(by), open: VecDeque::new() }
    }

    /// Whoever leads has written a key, in this place.
    pub fn written(&mut self, (key, version, place): (u64, u64, u64)) {
        self.open.push_back((place, key, version));
    }

    /// The next entry that is committed if all up to a place are: place, key and version.
    pub fn next(&mut self, upto: u64) -> Option<(u64, u64, u64)> {
        self.open.front().filter(|open| open.0 <= upto)?;
        self.open.pop_front()
    }

    /// An instance leads from now on, with the entries up to this place; whether it does.
    pub fn leads(&mut self, inst: u16, (term, upto): (u64, u64)) -> bool {
        let leads = self.leader.leads(inst, term);
        if leads {
            self.open.retain(|open| open.0 <= upto);
        }
        leads
    }

    /// Nothing is left of it.
    pub fn clear(&mut self) {
        (self.leader.by, self.open) = (None, VecDeque::new());
    }
}
