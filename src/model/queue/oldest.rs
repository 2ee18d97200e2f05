//! How long the oldest message that waits in a queue has waited.
//!
//! **Invariant.** Whoever waits is known here; some who do not any more may be, until they come first.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Those that wait, by order of acceptance.
#[derive(Debug, Default)]
pub struct Oldest {
    waiting: BinaryHeap<Reverse<(u64, u32)>>,
    /// When the oldest was accepted, ns.
    accepted: Option<u64>,
    /// The integral of its age up to an instant, ns x ns.
    sum: (u128, u64),
}

impl Oldest {
    /// The integral of its age from time 0, ns x ns.
    pub fn until(&self, now: u64) -> u128 {
        let (sum, since) = self.sum;
        let square = |age: u64| u128::from(age) * u128::from(age);
        let grown = |accepted: u64| (square(now - accepted) - square(since - accepted)) / 2;
        sum + self.accepted.map_or(0, grown)
    }

    /// When it was accepted, ns.
    pub fn accepted(&self) -> Option<u64> {
        self.accepted
    }

    /// Before it changes.
    pub fn note(&mut self, now: u64) {
        self.sum = (self.until(now), now);
    }

    /// One more waits: its order of acceptance and its place.
    pub fn put(&mut self, order: u64, place: u32) {
        self.waiting.push(Reverse((order, place)));
    }

    /// After it has changed; `waits` says of one that waits when it was accepted.
    pub fn look(&mut self, waits: impl Fn(u64, u32) -> Option<u64>) {
        self.accepted = loop {
            let Some(&Reverse((order, place))) = self.waiting.peek() else { break None };
            match waits(order, place) {
                None => drop(self.waiting.pop()),
                found => break found,
            }
        };
    }
}
