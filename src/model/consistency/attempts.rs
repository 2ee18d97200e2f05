//! Attempts that failed: whether what they were to write may have been written.
//!
//! **Invariant.** A write is called certainly not done only if no copy of any of its attempts can have been.

use super::{observer::Observer, operation::Written};
use crate::{model::ids::Slot, outcome};

impl Observer {
    /// An attempt of what a frame is at failed; nothing of it was done if it was turned away or not sent.
    pub fn attempt_failed(&mut self, slot: Slot, how: outcome::Outcome) {
        let turned_away = [outcome::Outcome::BreakerOpen, outcome::Outcome::Unavailable];
        let refused = how.is_refusal() || turned_away.contains(&how);
        if let Some(at) = &mut self.at(slot).at {
            let spared = at.spared && how == outcome::Outcome::Error;
            at.doubt |= !refused && !spared;
        }
    }

    /// A call of what a frame is at arrives twice: what is done of the copy nobody says.
    #[cold]
    pub fn asked_twice(&mut self, slot: Slot) {
        let carried = self.at(slot);
        match &mut carried.at {
            Some(at) => at.doubt = true,
            None => carried.known = Some(Written::Maybe),
        }
    }

    /// There is no other attempt.
    pub fn gave_up(&mut self, slot: Slot) {
        if let Some(at) = &mut self.at(slot).at {
            at.certain = !at.doubt;
        }
    }

    /// What a frame stands for is not written: nobody had been told to, or all could say so.
    pub fn is_dropped(&mut self, slot: Slot, answered: bool) {
        if let Some(at) = &mut self.at(slot).at {
            (at.certain, at.spared) = (!at.doubt, answered);
        }
    }

    /// The call failed with which an operation stands or falls.
    pub fn failed(&mut self, slot: Slot) {
        if let Some(tokens) = &mut self.tokens {
            tokens.end(slot, 0, false);
        }
        if let Some(at) = &mut self.at(slot).at {
            at.failed = true;
        }
    }

    /// A cache had it after all.
    pub fn found(&mut self, slot: Slot) {
        if let Some(at) = &mut self.at(slot).at {
            at.failed = false;
        }
    }

    /// More is known of what a visit that fails was to write than its outcome says.
    pub fn is_known(&mut self, slot: Slot, written: Written) {
        self.at(slot).known = Some(written);
    }

    /// A visit failed: whether what it was to write was written may be open.
    pub fn failed_visit(&mut self, child: Slot, caller: Slot) {
        let known = self.at(child).known;
        let carried = self.at(caller);
        if let Some(at) = carried.at.as_mut() {
            at.doubt |= known == Some(Written::Maybe);
            at.spared = known == Some(Written::No);
        } else if carried.known != Some(Written::Maybe) {
            carried.known = known;
        }
    }
}
