//! What one instance of a cache holds.
//!
//! **Invariant.** hits + misses = lookups, and what is held never exceeds the capacity.

use std::collections::BTreeMap;

use hashbrown::HashTable;

pub use super::books::CacheBooks;
use super::{
    eviction::{Entry, Order},
    leases::Leases,
    lives::Lives,
};
use crate::{
    engine::{
        law::{Sampler, to_nanos},
        random::mix,
    },
    model::{cache::Early, consistency::tokens::Token, ids::Slot},
};

/// What a cache can hold, and for how long.
#[allow(clippy::struct_excessive_bools, reason = "as many words of the file, each by itself")]
#[derive(Clone, Debug)]
pub struct Limits {
    /// Entries, or bytes; `None`: everything.
    pub capacity: Option<u64>,
    /// The capacity is in bytes.
    pub in_bytes: bool,
    /// How long an entry may be served, ns; by `law`, at the most so long.
    pub ttl: Option<u64>,
    /// The law it is drawn from, where it is not the same for all.
    pub law: Option<Box<Sampler>>,
    /// When what can still be served is fetched anew.
    pub early: Option<Early>,
    /// Who asks for a key directly need not fetch what is due himself.
    pub refreshes: bool,
    /// How long after that it may still be served while it is fetched anew, ns.
    pub stale: u64,
    /// How long it is remembered that a key cannot be read, ns; 0: not at all.
    pub negative: u64,
    /// A hit begins the time anew.
    pub renewed: bool,
    /// One fetch at a time per key.
    pub coalesce: bool,
    /// Those who wait do not fail with a fetch that fails: the next of them makes another, as long as it has
    /// not waited for so long, ns.
    pub patience: Option<u64>,
}

/// What a lookup comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A value of so many bytes.
    Value(u64),
    /// Likewise, but its time is over.
    Stale(u64),
    /// Likewise, and it is time to fetch it anew: whoever asked does, or the cache itself.
    Early(u64),
    /// That the key cannot be read.
    Negative,
}

/// In place of a size: the key cannot be read.
const NEGATIVE: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
struct Item {
    key: u64,
    /// Bytes, or [`NEGATIVE`].
    size: u64,
    expires: u64,
}

/// In place of the visit that fetches: whoever asked and was told that the key is missing.
pub const ASIDE: Slot = Slot::MAX;

/// A fetch under way and the visits that wait for it.
#[derive(Debug)]
struct Flight {
    /// The visit that fetches; [`ASIDE`]: its caller does.
    leader: Slot,
    waiting: Vec<Slot>,
}

/// The entries of one instance.
#[derive(Debug)]
pub struct Contents {
    /// What it can hold, and for how long.
    pub limits: Limits,
    /// What is expired stays, for those who fall back on it.
    pub keeps: bool,
    /// Keys beside their entries, so that a lookup reads one line of memory only.
    index: HashTable<(u64, Entry)>,
    items: Vec<Item>,
    free: Vec<Entry>,
    order: Box<dyn Order>,
    used: u64,
    /// The key last looked up in vain, if nothing was admitted since.
    missed: Option<u64>,
    /// The version each entry is, where somebody follows them; 0: from before the run began.
    versions: Vec<u64>,
    /// What each is of, where sessions ask for guarantees.
    tokens: Vec<Option<Token>>,
    /// Some entry has a size.
    sized: bool,
    /// No entry weighed less.
    least: u64,
    flights: BTreeMap<u64, Flight>,
    /// The policy asks what time it is.
    clocked: bool,
    /// Lives that are drawn, or end early.
    pub lives: Option<Box<Lives>>,
    /// Who may fill after a miss; none: whoever comes.
    pub leases: Option<Box<Leases>>,
    /// Identity of the visit that asks, for draws.
    pub visit: u64,
    /// What happened so far.
    pub books: CacheBooks,
}

impl Contents {
    /// An empty cache.
    pub fn new(limits: Limits, order: Box<dyn Order>) -> Self {
        Self {
            least: if limits.in_bytes { u64::MAX } else { 1 },
            limits,
            keeps: false,
            index: HashTable::new(),
            items: Vec::new(),
            free: Vec::new(),
            clocked: order.reads_clock(),
            lives: None,
            leases: None,
            visit: 0,
            order,
            used: 0,
            missed: None,
            versions: Vec::new(),
            tokens: Vec::new(),
            sized: false,
            flights: BTreeMap::new(),
            books: CacheBooks::default(),
        }
    }

    fn find(&self, key: u64) -> Option<Entry> {
        self.index.find(mix(key), |&(k, _)| k == key).map(|found| found.1)
    }

    /// The version of a key that is held.
    pub fn version(&self, key: u64) -> u64 {
        let entry = self.find(key).map(|entry| entry as usize);
        entry.and_then(|entry| self.versions.get(entry)).copied().unwrap_or(0)
    }

    /// A key that was admitted is of this version, if it is held.
    pub fn set_version(&mut self, key: u64, version: u64) {
        let Some(entry) = self.find(key).map(|entry| entry as usize) else { return };
        if self.versions.len() <= entry {
            self.versions.resize(self.items.len(), 0);
        }
        self.versions[entry] = version;
    }

    /// What a key that is held is of.
    pub fn token(&self, key: u64) -> Option<Token> {
        let entry = self.find(key).map(|entry| entry as usize);
        entry.and_then(|entry| self.tokens.get(entry)).copied().flatten()
    }

    /// A key that was admitted is of this, if it is held.
    pub fn set_token(&mut self, key: u64, token: Option<Token>) {
        let Some(entry) = self.find(key).map(|entry| entry as usize) else { return };
        if self.tokens.len() <= entry {
            self.tokens.resize(self.items.len(), None);
        }
        self.tokens[entry] = token;
    }

    /// Whether a key is held, in time or not.
    pub fn holds(&self, key: u64) -> bool {
        self.find(key).is_some()
    }

    /// The versions of all that is held.
    pub fn held_versions(&self) -> impl Iterator<Item = u64> {
        let entries = self.index.iter().map(|&(_, entry)| entry as usize);
        entries.filter_map(|entry| self.versions.get(entry)).copied()
    }

    /// Looks a key up for someone who takes a stale value or does not.
    pub fn lookup(&mut self, key: u64, takes_stale: bool, now: u64) -> Found {
        self.books.lookups += 1;
        if self.clocked {
            self.order.clock(now);
        }
        let Some(entry) = self.find(key) else {
            self.missed = Some(key);
            return Found::Nothing;
        };
        let mut found = Found::Value(if self.sized { self.items[entry as usize].size } else { 0 });
        if self.limits.ttl.is_some() || self.limits.negative > 0 {
            let item = &mut self.items[entry as usize];
            let negative = item.size == NEGATIVE;
            if item.expires <= now {
                let until = item.expires.saturating_add(self.limits.stale);
                if negative || !takes_stale || until <= now {
                    if negative || !self.keeps {
                        self.forget(entry);
                    }
                    return Found::Nothing;
                }
                found = Found::Stale(item.size);
                self.books.stale_hits += 1;
            } else if negative {
                found = Found::Negative;
                self.books.negative_hits += 1;
            } else {
                if let Some(early) = self.due_early((entry, key), takes_stale, now) {
                    return early;
                }
                if self.limits.renewed {
                    let life = self.lives.as_ref().map(|lives| lives.of(entry));
                    self.items[entry as usize].expires = expiry(life.or(self.limits.ttl), now);
                }
            }
        }
        self.books.hits += 1;
        self.order.hit(entry);
        found
    }

    /// A fetch of a key begins.
    pub fn begin_fetch(&mut self, key: u64, now: u64) {
        if let Some(lives) = &mut self.lives {
            lives.begin(key, &self.limits, now);
        }
    }

    /// A fetch of a key brought nothing.
    pub fn end_fetch(&mut self, key: u64) {
        if let Some(lives) = &mut self.lives {
            lives.end(key);
        }
    }

    /// What can still be served is fetched anew, if it is time and nobody does: by the caller, for whom it is
    /// a miss, or by the cache, for whose caller it is a hit.
    #[inline]
    fn due_early(&mut self, (entry, key): (Entry, u64), direct: bool, now: u64) -> Option<Found> {
        let lives = self.lives.as_mut()?;
        let Item { size, expires, .. } = self.items[entry as usize];
        let due = lives.is_due(entry, &self.limits, expires - now, self.visit);
        if !due || direct && !self.limits.refreshes || self.flights.contains_key(&key) {
            return None;
        }
        if direct {
            self.books.hits += 1;
            self.order.hit(entry);
        } else {
            lives.begin(key, &self.limits, now);
            self.flights.insert(key, Flight { leader: ASIDE, waiting: Vec::new() });
        }
        Some(Found::Early(size))
    }

    /// Looks a key up for someone who has nothing better: the size of its value, however old.
    pub fn remember(&mut self, key: u64, now: u64) -> Option<u64> {
        self.books.lookups += 1;
        let entry = self.find(key)?;
        let Item { size, expires, .. } = self.items[entry as usize];
        if size == NEGATIVE {
            return None;
        }
        self.books.hits += 1;
        self.books.stale_hits += u64::from(expires <= now);
        self.order.hit(entry);
        Some(size)
    }

    /// Holds a key from now on, if it fits at all; what is in its way leaves.
    pub fn admit(&mut self, key: u64, size: u64, now: u64) {
        self.sized |= size > 0;
        let Some(lives) = &self.lives else {
            return self.put((key, size), expiry(self.limits.ttl, now), now);
        };
        let life = lives.draw(&self.limits, self.visit);
        self.put((key, size), expiry(life, now), now);
        if let (Some(entry), Some(lives)) = (self.find(key), &mut self.lives) {
            lives.fill((entry, key), life, now);
        }
    }

    /// Holds a key as the run begins, a part of whose life is over; `visit` tells its draws from others.
    pub fn prefill(&mut self, (key, size): (u64, u64), age: f64, visit: u64) {
        self.visit = visit;
        self.admit(key, size, 0);
        if let Some(entry) = self.find(key)
            && let item = &mut self.items[entry as usize]
            && item.expires != u64::MAX
        {
            item.expires = to_nanos(item.expires as f64 * (1.0 - age));
        }
    }

    /// A key cannot be read: remembers it for a while, unless something can still be served.
    pub fn deny(&mut self, key: u64, now: u64) {
        if self.limits.negative == 0 {
            return;
        }
        let held = self.find(key).map(|entry| self.items[entry as usize]);
        if self.keeps && held.is_some_and(|item| item.size != NEGATIVE) {
            return;
        }
        let stale = |item: &Item| if item.size == NEGATIVE { 0 } else { self.limits.stale };
        if held.is_some_and(|item| now < item.expires.saturating_add(stale(&item))) {
            return;
        }
        self.put((key, NEGATIVE), expiry(Some(self.limits.negative), now), now);
    }

    fn put(&mut self, (key, size): (u64, u64), expires: u64, now: u64) {
        if self.clocked {
            self.order.clock(now);
        }
        let known = if self.missed.take() == Some(key) { None } else { self.find(key) };
        if let Some(entry) = known {
            if self.weight(size) == self.weight(self.items[entry as usize].size) {
                let item = &mut self.items[entry as usize];
                (item.size, item.expires) = (size, expires);
                return self.order.hit(entry);
            }
            self.forget(entry);
        }
        let weight = self.weight(size);
        if let Some(capacity) = self.limits.capacity {
            if weight > capacity {
                return;
            }
            if weight < self.least && self.least > 1 {
                self.least = weight.max(1);
                self.order.measure(self.least);
            }
            self.order.arriving(key);
            while self.used + weight > capacity {
                let victim = self.order.evict();
                self.books.evictions += 1;
                self.drop_item(victim);
            }
        }
        let item = Item { key, size, expires };
        let entry = if let Some(free) = self.free.pop() {
            self.items[free as usize] = item;
            free
        } else {
            self.items.push(item);
            (self.items.len() - 1) as Entry
        };
        self.used += weight;
        self.index.insert_unique(mix(key), (key, entry), |&(k, _)| mix(k));
        self.order.admit(entry, key, weight);
    }

    /// A key is not served any more.
    pub fn invalidate(&mut self, key: u64) {
        if let Some(entry) = self.find(key) {
            self.forget(entry);
        }
    }

    /// Nothing is held any more; fetches under way go on.
    pub fn clear(&mut self) {
        let mut keys: Vec<u64> = self.index.iter().map(|&(key, _)| key).collect();
        // In the order of keys, whatever the table's, so that places are reused in one order.
        keys.sort_unstable();
        for key in keys {
            self.invalidate(key);
        }
    }

    /// Nobody waits for a fetch any more.
    pub fn forget_fetches(&mut self) {
        self.flights.clear();
        self.leases.iter_mut().for_each(|leases| leases.clear());
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.index.len()
    }

    fn weight(&self, size: u64) -> u64 {
        match size {
            // What is known of a key that cannot be read has no size; it takes room all the same.
            NEGATIVE => 1,
            _ if self.limits.in_bytes => size,
            _ => 1,
        }
    }

    fn forget(&mut self, entry: Entry) {
        self.order.remove(entry);
        self.drop_item(entry);
    }

    fn drop_item(&mut self, entry: Entry) {
        let Item { key, size, .. } = self.items[entry as usize];
        self.used -= self.weight(size);
        let found = self.index.find_entry(mix(key), |&(_, e)| e == entry);
        found.expect("every entry is in the index").remove();
        self.free.push(entry);
    }

    // ---- one fetch at a time -----------------------------------------------------------------

    /// A miss joins the fetch of its key that is under way; or `leader` leads one (false).
    pub fn join(&mut self, key: u64, slot: Slot, leader: Slot) -> bool {
        if !self.limits.coalesce {
            return false;
        }
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.waiting.push(slot);
            self.books.coalesced += 1;
            return true;
        }
        self.flights.insert(key, Flight { leader, waiting: Vec::new() });
        false
    }

    /// The fetch that `slot` leads is over, well or not; or what its caller fetched has come: who waited
    /// for it.
    pub fn land(&mut self, key: u64, slot: Slot) -> Vec<Slot> {
        if self.flights.get(&key).is_some_and(|f| f.leader == slot) {
            return self.flights.remove(&key).map_or_else(Vec::new, |f| f.waiting);
        }
        Vec::new()
    }

    /// Whether a fetch of a key is under way.
    pub fn is_fetched(&self, key: u64) -> bool {
        self.flights.contains_key(&key)
    }

    /// `leader` leads a fetch of a key that is held, unless there is one (false).
    pub fn refresh(&mut self, key: u64, leader: Slot) -> bool {
        let first = !self.is_fetched(key);
        if first {
            self.flights.insert(key, Flight { leader, waiting: Vec::new() });
        }
        first
    }

    /// The fetch `leader` leads is given up: the next who waits leads one now, if anyone waits.
    pub fn hand_over(&mut self, key: u64, leader: Slot) -> Option<Slot> {
        let flight = self.flights.get_mut(&key).filter(|f| f.leader == leader)?;
        if flight.waiting.is_empty() {
            self.flights.remove(&key);
            return None;
        }
        flight.leader = flight.waiting.remove(0);
        Some(flight.leader)
    }

    /// The caller of the visit that leads the fetch of a key does the fetching.
    pub fn led_aside(&mut self, key: u64) {
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.leader = ASIDE;
        }
    }

    /// A visit that waited for a fetch is called off; false: it did not wait.
    pub fn leave(&mut self, key: u64, slot: Slot) -> bool {
        let Some(flight) = self.flights.get_mut(&key) else { return false };
        let before = flight.waiting.len();
        flight.waiting.retain(|&s| s != slot);
        flight.waiting.len() < before
    }
}

fn expiry(ttl: Option<u64>, now: u64) -> u64 {
    ttl.map_or(u64::MAX, |ttl| now.saturating_add(ttl))
}

#[cfg(test)]
mod tests;
