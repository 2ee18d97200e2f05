//! LRU and LFU as Redis approximates them (`evict.c` of Redis 7): a few entries are looked at, the best to
//! leave go to a pool of sixteen that is kept from one eviction to the next, and the best of the pool leaves.

use super::{
    order::{Entry, Order},
    random::Bag,
};
use crate::engine::random::Stream;

/// Places of the pool.
const POOL: usize = 16;
/// What a counter of uses begins with, so that what is new is not first to leave.
const BEGIN: u8 = 5;
/// `lfu-log-factor`: how soon a counter that stands high grows no more.
const LOG_FACTOR: f64 = 10.0;

/// What is known of an entry.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    key: u64,
    /// When it was used last, or its counter lowered, in units of the clock.
    at: u64,
    /// Uses, on a logarithmic scale.
    uses: u8,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// How long ago an entry was used.
    Idle,
    /// How often.
    Uses,
}

/// Of some entries, the one used longest ago, or least often, leaves.
#[derive(Debug)]
pub(super) struct Sampled {
    bag: Bag,
    known: Vec<Known>,
    /// How much an entry should leave, the entry and its key, least first. What is there may have left or
    /// been used since.
    pool: Vec<(u64, Entry, u64)>,
    counted: Counted,
    samples: u64,
    /// Unit of the clock, ns.
    unit: u64,
    now: u64,
    stream: Stream,
    draws: u64,
}

impl Sampled {
    pub(super) fn new(counted: Counted, samples: u64, unit: u64, stream: Stream) -> Self {
        Self {
            bag: Bag::default(),
            known: Vec::new(),
            pool: Vec::new(),
            counted,
            samples,
            unit,
            now: 0,
            stream,
            draws: 0,
        }
    }

    fn draw(&mut self) -> crate::engine::random::Draw {
        self.draws += 1;
        self.stream.draw(self.draws)
    }

    /// The uses of an entry, less one for each unit of time since they were last looked at.
    fn uses(&self, entry: Entry) -> u8 {
        let known = self.known[entry as usize];
        known.uses.saturating_sub(u8::try_from(self.now - known.at).unwrap_or(u8::MAX))
    }

    fn due(&self, entry: Entry) -> u64 {
        match self.counted {
            Counted::Idle => self.now - self.known[entry as usize].at,
            Counted::Uses => u64::from(u8::MAX - self.uses(entry)),
        }
    }

    /// Puts an entry in the pool if it should leave more than the least of a full one.
    fn consider(&mut self, entry: Entry) {
        let due = self.due(entry);
        let at = self.pool.partition_point(|one| one.0 < due);
        let candidate = (due, entry, self.known[entry as usize].key);
        if self.pool.len() < POOL {
            self.pool.insert(at, candidate);
        } else if at > 0 {
            self.pool.remove(0);
            self.pool.insert(at - 1, candidate);
        }
    }
}

impl Order for Sampled {
    fn hit(&mut self, entry: Entry) {
        let uses = match self.counted {
            Counted::Idle => 0,
            Counted::Uses => {
                let uses = self.uses(entry);
                let above = f64::from(uses.saturating_sub(BEGIN));
                let grows = self.draw().unit() < 1.0 / (above * LOG_FACTOR + 1.0);
                uses.saturating_add(u8::from(grows))
            }
        };
        let known = &mut self.known[entry as usize];
        (known.at, known.uses) = (self.now, uses);
    }

    fn admit(&mut self, entry: Entry, key: u64, _weight: u64) {
        let at = entry as usize;
        if at >= self.known.len() {
            self.known.resize(at + 1, Known::default());
        }
        self.known[at] = Known { key, at: self.now, uses: BEGIN };
        self.bag.add(entry);
    }

    fn evict(&mut self) -> Entry {
        loop {
            for _ in 0..self.samples.min(self.bag.len()) {
                let drawn = self.draw().below(self.bag.len());
                self.consider(self.bag.at(drawn));
            }
            while let Some((_, entry, key)) = self.pool.pop() {
                if self.bag.holds(entry) && self.known[entry as usize].key == key {
                    self.bag.remove(entry);
                    return entry;
                }
            }
        }
    }

    fn remove(&mut self, entry: Entry) {
        self.bag.remove(entry);
    }

    fn clock(&mut self, now: u64) {
        self.now = now / self.unit;
    }

    fn reads_clock(&self) -> bool {
        true
    }
}
