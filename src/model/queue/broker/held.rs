//! What a broker holds and has counted, and whether that adds up.

use super::{super::counts::Counts, Broker, Held, State};

impl Broker {
    /// What became of the messages accepted in the measured span.
    pub fn measured(&self) -> Counts {
        self.with_held(self.measured, self.rules.from)
    }

    /// Names the messages of the measured span that are held: when each was accepted, ns, and its identity.
    pub fn each_held(&self, each: &mut dyn FnMut(u64, u64)) {
        let there =
            |held: &&Held| held.state != State::Gone && held.record.accepted >= self.rules.from;
        let held = self.held.iter().filter(there);
        held.for_each(|held| each(held.record.accepted, held.record.identity));
    }

    /// What became of all.
    pub fn counts(&self) -> Counts {
        self.with_held(self.all, 0)
    }

    fn with_held(&self, mut counts: Counts, from: u64) -> Counts {
        for held in self.held.iter().filter(|held| held.record.accepted >= from) {
            match held.state {
                State::Gone => {}
                State::Ready | State::Behind => counts.ready += 1,
                State::Delayed => counts.delayed += 1,
                State::Out | State::Dying => counts.unacked += 1,
            }
        }
        counts
    }

    /// Whether each message is where it should be.
    pub fn is_sound(&self) -> bool {
        let counts = self.counts();
        let waits = |held: &&Held| matches!(held.state, State::Ready | State::Behind);
        let first = self.held.iter().filter(waits).map(|held| held.record.accepted).min();
        counts.balances()
            && self.oldest.as_ref().is_none_or(|oldest| oldest.accepted() == first)
            && counts.ready == self.depth()
            && counts.ready + counts.delayed + counts.unacked == self.messages
    }
}
