//! What a cache holds, key by key.

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
