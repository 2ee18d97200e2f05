//! How long entries live, where their lives are drawn or end early.
//!
//! **Invariant.** A refresh before the end of a life is begun by one caller at a time.

use std::collections::{BTreeMap, VecDeque};

use super::{contents::Limits, eviction::Entry};
use crate::{
    engine::{
        law::{exponential, to_nanos},
        random::Stream,
    },
    model::cache::Early,
};

/// What is known of an entry.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    key: u64,
    /// From its fill to its end, ns.
    long: u64,
    /// How long it took to fetch, ns.
    fetch: u64,
}

/// The lives of the entries of one instance.
#[derive(Debug)]
pub struct Lives {
    draws: Stream,
    known: Vec<Life>,
    /// When the fetches of each key that are under way began, first come first.
    begun: BTreeMap<u64, VecDeque<u64>>,
}

impl Lives {
    /// Nobody lives yet.
    pub fn new(draws: Stream) -> Self {
        Self { draws, known: Vec::new(), begun: BTreeMap::new() }
    }

    /// The life of what the visit `id` fills.
    pub fn draw(&self, limits: &Limits, id: u64) -> Option<u64> {
        match &limits.law {
            Some(law) => Some(to_nanos(law.sample(&mut self.draws.draw_mixed(id)))),
            None => limits.ttl,
        }
    }

    /// A fetch of a key begins.
    pub fn begin(&mut self, key: u64, limits: &Limits, now: u64) {
        if let Some(Early::XFetch(_)) = limits.early {
            self.begun.entry(key).or_default().push_back(now);
        }
    }

    /// A fetch of a key is over: when the oldest began. A message does not say of which fetch it is.
    pub fn end(&mut self, key: u64) -> Option<u64> {
        let begun = self.begun.get_mut(&key)?;
        let first = begun.pop_front();
        if begun.is_empty() {
            self.begun.remove(&key);
        }
        first
    }

    /// A key was filled.
    pub fn fill(&mut self, (entry, key): (Entry, u64), long: Option<u64>, now: u64) {
        let at = entry as usize;
        if at >= self.known.len() {
            self.known.resize(at + 1, Life::default());
        }
        let before = if self.known[at].key == key { self.known[at].fetch } else { 0 };
        let fetch = self.end(key).map_or(before, |since| now - since);
        self.known[at] = Life { key, long: long.unwrap_or(u64::MAX), fetch };
    }

    /// The life of an entry.
    pub fn of(&self, entry: Entry) -> u64 {
        self.known.get(entry as usize).map_or(u64::MAX, |life| life.long)
    }

    /// Whether the visit `id` should fetch an entry that can be served for `left` ns more.
    pub fn is_due(&self, entry: Entry, limits: &Limits, left: u64, id: u64) -> bool {
        let Some(life) = self.known.get(entry as usize) else { return false };
        match limits.early {
            None => false,
            Some(Early::Last(part)) => left as f64 <= life.long as f64 * part,
            Some(Early::XFetch(beta)) => {
                let mut draw = self.draws.draw_mixed(!id);
                left as f64 <= exponential(beta * life.fetch as f64).sample(&mut draw)
            }
        }
    }
}
