//! Connections that are kept beyond single calls: whose they are.
//!
//! **Invariant.** Whoever keeps one is a frame at work; what was taken was given back, or is kept.

use std::collections::BTreeMap;

use crate::model::ids::Slot;

/// A connection that a frame keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Number of its pool.
    pub pool: u32,
    /// Which it is, if it has a far end.
    pub wire: u32,
    /// No call by it was given up.
    pub usable: bool,
}

/// What frames keep, the latest last.
#[derive(Clone, Debug, Default)]
pub struct KeptConnections {
    held: BTreeMap<Slot, Vec<Kept>>,
    taken: u64,
    given: u64,
}

impl KeptConnections {
    /// A frame keeps one.
    pub fn keep(&mut self, slot: Slot, kept: Kept) {
        self.taken += 1;
        self.held.entry(slot).or_default().push(kept);
    }

    /// It gives the latest back.
    pub fn give(&mut self, slot: Slot) -> Option<Kept> {
        let held = self.held.get_mut(&slot)?;
        let kept = held.pop();
        if held.is_empty() {
            self.held.remove(&slot);
        }
        self.given += u64::from(kept.is_some());
        kept
    }

    /// What a frame keeps is another's from now on.
    pub fn inherit(&mut self, from: Slot, to: Slot) {
        if let Some(held) = self.held.remove(&from) {
            self.held.insert(to, held);
        }
    }

    /// Whether a frame keeps one of a pool.
    pub fn has(&self, slot: Slot, pool: u32) -> bool {
        self.held.get(&slot).into_iter().flatten().any(|kept| kept.pool == pool)
    }

    /// The latest of a pool that a frame keeps.
    pub fn latest(&mut self, slot: Slot, pool: u32) -> Option<&mut Kept> {
        self.held.get_mut(&slot)?.iter_mut().rfind(|kept| kept.pool == pool)
    }

    /// Whether the books are right: everybody who keeps one is at work.
    pub fn is_sound(&self, at_work: impl Fn(Slot) -> bool) -> bool {
        let held: usize = self.held.values().map(Vec::len).sum();
        self.taken == self.given + held as u64 && self.held.keys().all(|&slot| at_work(slot))
    }
}
