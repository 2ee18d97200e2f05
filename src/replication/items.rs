//! Items by key, which can be expected before they are asked for.
//!
//! Of a store with many keys an item mostly lies far from the processor. Who says early whose item will be asked for does
//! not wait for it (`docs/BENCHMARKS.md`).
//!
//! **Invariant.** From the home of a key up to where its item lies all places are taken.

use super::data::Item;
use crate::engine::{random::mix, slots::Slots};

/// Items by key.
#[derive(Clone, Debug)]
pub(super) struct Items {
    /// As many as a power of two.
    places: Slots<(u64, Item)>,
    taken: usize,
}

/// What lies in a place that is not taken: no order goes so far.
const NOTHING: Item = Item { version: 0, order: u64::MAX };
/// Places at first.
const FEW: usize = 8;

impl Default for Items {
    fn default() -> Self {
        Self::with_places(FEW)
    }
}

impl Items {
    fn with_places(places: usize) -> Self {
        let mut all = Slots::default();
        for _ in 0..places {
            all.push((0, NOTHING));
        }
        Self { places: all, taken: 0 }
    }

    /// Where a key is looked for first. Which shard it is of says the low end of its hash.
    #[inline(always)]
    fn home(&self, key: u64) -> u32 {
        (mix(key) >> 32) as u32 & self.last()
    }

    /// The number of the last place.
    #[inline(always)]
    fn last(&self) -> u32 {
        self.places.len() as u32 - 1
    }

    /// Where the item of a key lies, or would.
    #[inline(always)]
    fn place(&self, key: u64) -> u32 {
        let mut at = self.home(key);
        loop {
            let &(other, item) = self.places.get(at);
            if other == key || item == NOTHING {
                return at;
            }
            at = (at + 1) & self.last();
        }
    }

    /// Says that the item of a key will be asked for soon.
    #[inline(always)]
    pub(super) fn expect(&self, key: u64) {
        let home = self.home(key);
        self.places.expect(home);
        // It may lie across two lines, or in one of the next places.
        self.places.expect((home + 2) & self.last());
    }

    /// The item of a key.
    #[inline(always)]
    pub(super) fn get(&self, key: u64) -> Option<Item> {
        let (_, item) = *self.places.get(self.place(key));
        (item != NOTHING).then_some(item)
    }

    /// A key has this item from now on.
    pub(super) fn insert(&mut self, key: u64, item: Item) {
        debug_assert!(item != NOTHING, "it is an item");
        let place = self.place(key);
        let at = self.places.get_mut(place);
        let new = at.1 == NOTHING;
        *at = (key, item);
        if new {
            self.taken += 1;
            if self.taken * 8 > self.places.len() * 5 {
                self.grow();
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let mut larger = Self::with_places(self.places.len() * 2);
        for &(key, item) in self.iter() {
            let place = larger.place(key);
            *larger.places.get_mut(place) = (key, item);
        }
        self.places = larger.places;
    }

    /// A key has no item any more.
    pub(super) fn remove(&mut self, key: u64) {
        let mut hole = self.place(key);
        if self.places.get(hole).1 == NOTHING {
            return;
        }
        self.taken -= 1;
        let mut at = hole;
        loop {
            at = (at + 1) & self.last();
            let one = *self.places.get(at);
            if one.1 == NOTHING {
                break;
            }
            // It may move back to the hole unless its home lies behind that.
            let (from_home, from_hole) = (at.wrapping_sub(self.home(one.0)), at.wrapping_sub(hole));
            if from_home & self.last() >= from_hole & self.last() {
                *self.places.get_mut(hole) = one;
                hole = at;
            }
        }
        *self.places.get_mut(hole) = (0, NOTHING);
    }

    /// All of them, in any order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(u64, Item)> {
        self.places.as_slice().iter().filter(|(_, item)| *item != NOTHING)
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::engine::random::Stream;

    /// Beside a sorted map, with keys that meet at their homes, zero and the largest among them.
    #[test]
    fn items_are_those_of_a_sorted_map() {
        let stream = Stream::new(1, "items", "keys");
        let (mut items, mut map) = (Items::default(), BTreeMap::new());
        for n in 0..20_000 {
            let mut draw = stream.draw(n);
            let of = [0, u64::MAX, draw.below(300), draw.below(3)];
            let key = of[draw.below(4) as usize];
            let item = Item { version: draw.below(3), order: n };
            if draw.below(3) == 0 {
                items.remove(key);
                map.remove(&key);
            } else {
                items.insert(key, item);
                map.insert(key, item);
            }
            items.expect(key);
            let other = draw.below(400);
            assert_eq!(
                (items.get(other), items.get(key)),
                (map.get(&other).copied(), map.get(&key).copied())
            );
            assert_eq!(items.len(), map.len());
        }
        let mut all: Vec<(u64, Item)> = items.iter().copied().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        assert_eq!(all, map.into_iter().collect::<Vec<_>>());
    }
}
