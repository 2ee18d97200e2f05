//! What one instance of a cache holds.
//!
//! **Invariant.** hits + misses = lookups, and what is held never exceeds the capacity.

use std::collections::BTreeMap;

use hashbrown::HashTable;

pub use super::books::CacheBooks;
use super::{
    eviction::{Entry, Order},
    lives::Lives,
};
use crate::{
    engine::{
        law::{Sampler, to_nanos},
        random::mix,
    },
    model::{cache::Early, ids::Slot},
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
    /// Some entry has a size.
    sized: bool,
    /// No entry weighed less.
    least: u64,
    flights: BTreeMap<u64, Flight>,
    /// The policy asks what time it is.
    clocked: bool,
    /// Lives that are drawn, or end early.
    pub lives: Option<Box<Lives>>,
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
            visit: 0,
            order,
            used: 0,
            missed: None,
            sized: false,
            flights: BTreeMap::new(),
            books: CacheBooks::default(),
        }
    }

    fn find(&self, key: u64) -> Option<Entry> {
        self.index.find(mix(key), |&(k, _)| k == key).map(|found| found.1)
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        engine::random::Stream,
        model::cache::eviction::{Eviction, NAMES},
    };

    const LIMITS: Limits = Limits {
        capacity: Some(5),
        in_bytes: false,
        ttl: None,
        law: None,
        early: None,
        refreshes: false,
        stale: 0,
        negative: 0,
        renewed: false,
        coalesce: false,
        patience: None,
    };

    fn cache(eviction: Eviction, limits: Limits) -> Contents {
        let order = eviction.order(limits.capacity, Stream::new(1, "cache", "eviction"));
        Contents::new(limits, order)
    }

    /// The same by plain vectors: front is newest.
    struct Slow {
        eviction: Eviction,
        keys: Vec<(u64, bool)>,
        hand: usize,
    }

    impl Slow {
        fn request(&mut self, key: u64) -> bool {
            if let Some(i) = self.keys.iter().position(|k| k.0 == key) {
                self.keys[i].1 = true;
                if self.eviction == Eviction::Lru {
                    let hit = self.keys.remove(i);
                    self.keys.insert(0, hit);
                }
                return true;
            }
            if self.keys.len() == 5 {
                self.evict();
            }
            self.keys.insert(0, (key, false));
            false
        }

        fn evict(&mut self) {
            match self.eviction {
                Eviction::Clock => {
                    while self.keys[4].1 {
                        let last = self.keys.remove(4);
                        self.keys.insert(0, (last.0, false));
                    }
                    self.keys.pop();
                }
                Eviction::Sieve => {
                    // `hand` counts from the oldest.
                    let mut at = self.hand % 5;
                    while self.keys[4 - at].1 {
                        self.keys[4 - at].1 = false;
                        at = (at + 1) % 5;
                    }
                    self.keys.remove(4 - at);
                    self.hand = if at == 4 { 0 } else { at };
                }
                _ => drop(self.keys.pop()),
            }
        }
    }

    proptest! {
        #[test]
        fn policies_agree_with_slow_twins(keys in prop::collection::vec(0u64..12, 0..400)) {
            for eviction in [Eviction::Lru, Eviction::Fifo, Eviction::Clock, Eviction::Sieve] {
                let mut fast = cache(eviction, LIMITS);
                let mut slow = Slow { eviction, keys: Vec::new(), hand: 0 };
                for &key in &keys {
                    let hit = fast.lookup(key, false, 0) != Found::Nothing;
                    if !hit {
                        fast.admit(key, 0, 0);
                    }
                    prop_assert_eq!(hit, slow.request(key), "{}", eviction);
                    prop_assert!(fast.len() <= 5);
                }
            }
        }

        /// Values of one size: so many of them are so many bytes.
        #[test]
        fn told_in_bytes_is_told_in_entries(
            places in 1u64..260,
            size in prop::sample::select(vec![1u64, 3, 1000, 4096, 10_000]),
            odd in 0u64..1000,
            keys in prop::collection::vec((0u64..400, any::<bool>()), 0..1500),
        ) {
            let sampled = [Eviction::SampledLru(5, 1), Eviction::SampledLfu(5, 1)];
            for eviction in NAMES.iter().map(|n| n.1).chain(sampled) {
                let entries = Limits { capacity: Some(places), ..LIMITS };
                let room = places * size + odd % size;
                let bytes = Limits { capacity: Some(room), in_bytes: true, ..LIMITS };
                let mut told = [cache(eviction, entries), cache(eviction, bytes)];
                for &(key, near) in &keys {
                    let key = if near { key % 40 } else { key };
                    let [a, b] = told.each_mut().map(|cache| {
                        let hit = cache.lookup(key, false, 0) != Found::Nothing;
                        if !hit {
                            cache.admit(key, size, 0);
                        }
                        hit
                    });
                    prop_assert_eq!(a, b, "{}", eviction);
                }
            }
        }

        #[test]
        fn whatever_happens_the_capacity_holds(
            steps in prop::collection::vec((0u8..4, 0u64..20, 0u64..40), 0..300),
        ) {
            let sampled = [Eviction::SampledLru(5, 50), Eviction::SampledLfu(5, 50)];
            for eviction in NAMES.iter().map(|n| n.1).chain(sampled) {
                let limits = Limits {
                    capacity: Some(100),
                    in_bytes: true,
                    ttl: Some(50),
                    stale: 20,
                    negative: 30,
                    ..LIMITS
                };
                let mut cache = cache(eviction, limits);
                let mut held = std::collections::BTreeMap::new();
                for (now, &(what, key, size)) in (0u64..).step_by(3).zip(&steps) {
                    match what {
                        0 => {
                            match cache.lookup(key, true, now) {
                                Found::Nothing => {}
                                Found::Negative => prop_assert_eq!(held[&key], None),
                                Found::Value(size) | Found::Stale(size) | Found::Early(size) => {
                                    prop_assert_eq!(held[&key], Some(size));
                                }
                            }
                        }
                        1 => {
                            cache.admit(key, size, now);
                            held.insert(key, Some(size));
                        }
                        2 => {
                            cache.invalidate(key);
                            held.remove(&key);
                        }
                        _ => {
                            cache.deny(key, now);
                            // What can be served still is (the test below).
                            let negative = |e| cache.items[e as usize].size == NEGATIVE;
                            if cache.find(key).is_some_and(negative) {
                                held.insert(key, None);
                            }
                        }
                    }
                    let size = |e: u32| cache.weight(cache.items[e as usize].size);
                    let total: u64 = cache.index.iter().map(|&(_, e)| size(e)).sum();
                    prop_assert!(total == cache.used && total <= 100);
                }
                prop_assert!(cache.books.hits <= cache.books.lookups);
            }
        }
    }

    #[test]
    fn what_is_expired_is_kept_for_those_who_fall_back_on_it() {
        let mut cache = cache(Eviction::Lru, Limits { ttl: Some(10), negative: 5, ..LIMITS });
        cache.keeps = true;
        cache.admit(1, 7, 0);
        assert_eq!(cache.lookup(1, false, 10), Found::Nothing);
        // A failed fetch is not remembered in its place.
        cache.deny(1, 11);
        assert_eq!((cache.remember(1, 12), cache.remember(2, 12)), (Some(7), None));
        // What was denied is nothing to fall back on, and goes when its time is over.
        cache.deny(2, 12);
        assert_eq!((cache.remember(2, 13), cache.lookup(2, false, 17)), (None, Found::Nothing));
        // A new value takes its place.
        cache.admit(1, 8, 20);
        assert_eq!((cache.lookup(1, false, 21), cache.len()), (Found::Value(8), 1));
        assert_eq!((cache.books.hits, cache.books.stale_hits), (2, 1));
    }

    #[test]
    fn entries_expire_and_may_be_renewed() {
        for renewed in [false, true] {
            let mut cache = cache(Eviction::Lru, Limits { ttl: Some(10), renewed, ..LIMITS });
            cache.admit(1, 7, 0);
            let value = |at| if at { Found::Value(7) } else { Found::Nothing };
            assert_eq!(cache.lookup(1, true, 9), value(true));
            assert_eq!(cache.lookup(1, true, 10), value(renewed));
            assert_eq!(cache.lookup(1, true, 20), value(false));
            assert_eq!(cache.len(), 0);
        }
    }

    #[test]
    fn what_is_stale_is_served_while_it_is_fetched_anew() {
        let mut cache = cache(Eviction::Lru, Limits { ttl: Some(10), stale: 5, ..LIMITS });
        cache.admit(1, 7, 0);
        assert_eq!(cache.lookup(1, true, 9), Found::Value(7));
        assert_eq!(cache.lookup(1, true, 10), Found::Stale(7));
        assert!(cache.refresh(1, 33) && !cache.refresh(1, 34) && cache.is_fetched(1));
        cache.admit(1, 8, 12);
        assert!(cache.land(1, 33).is_empty() && !cache.is_fetched(1));
        assert_eq!(cache.lookup(1, true, 13), Found::Value(8));
        assert_eq!(cache.lookup(1, false, 22), Found::Nothing);
        cache.admit(1, 9, 30);
        assert_eq!(cache.lookup(1, true, 45), Found::Nothing);
        assert_eq!((cache.books.hits, cache.books.stale_hits, cache.len()), (3, 1, 0));
    }

    #[test]
    fn a_failure_is_remembered_for_its_time() {
        let limits = Limits { ttl: Some(10), stale: 5, negative: 4, ..LIMITS };
        let mut cache = cache(Eviction::Lru, limits);
        cache.deny(1, 0);
        cache.deny(1, 3);
        assert_eq!(cache.lookup(1, true, 3), Found::Negative);
        assert_eq!(cache.lookup(1, true, 4), Found::Nothing);
        // What is held is not forgotten over a failure while it can be served, stale or not.
        cache.admit(1, 7, 5);
        cache.deny(1, 19);
        assert_eq!(cache.lookup(1, true, 19), Found::Stale(7));
        cache.deny(1, 20);
        assert_eq!(cache.lookup(1, true, 20), Found::Negative);
        cache.admit(1, 7, 21);
        assert_eq!(cache.lookup(1, true, 21), Found::Value(7));
        assert_eq!((cache.books.lookups, cache.books.hits, cache.books.negative_hits), (5, 4, 2));
    }

    #[test]
    fn misses_of_a_key_share_one_fetch() {
        let mut cache = cache(Eviction::Lru, Limits { coalesce: true, ..LIMITS });
        assert!(!cache.join(1, 10, 10));
        assert!(cache.join(1, 11, 11) && cache.join(1, 12, 12));
        assert!(!cache.join(2, 13, ASIDE));
        assert!(cache.join(2, 15, ASIDE) && cache.join(2, 16, 16));
        assert_eq!(cache.hand_over(2, ASIDE), Some(15));
        cache.led_aside(2);
        assert_eq!(cache.land(2, ASIDE), [16]);
        assert!(cache.leave(1, 11) && !cache.leave(1, 10));
        assert!(cache.land(1, 12).is_empty());
        assert_eq!(cache.land(1, 10), [12]);
        assert!(!cache.join(1, 14, 14));
    }
}
