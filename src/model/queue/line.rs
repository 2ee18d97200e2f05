//! Messages in the order in which they were accepted, four bytes each while they come and go at the ends.
//!
//! **Invariant.** Those that stand one behind the other begin and end with one that is there; all others are older.

use std::collections::{BTreeMap, VecDeque};

/// A line of places.
#[derive(Debug, Default)]
pub struct Line {
    /// Of each order from `first` on: its place, and 1; 0 if none is there.
    behind: VecDeque<u32>,
    first: u64,
    /// Those that came back after others had gone.
    older: BTreeMap<u64, u32>,
    /// How many there are.
    count: usize,
}

impl Line {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The place of the first.
    pub fn first(&self) -> Option<u32> {
        let older = self.older.first_key_value().map(|(_, &place)| place);
        older.or_else(|| self.behind.front().map(|place| place - 1))
    }

    /// One of this order is there.
    pub fn put(&mut self, order: u64, place: u32) {
        self.count += 1;
        let last = self.older.last_key_value().map_or(0, |(&last, _)| last);
        let is_older = order < if self.behind.is_empty() { last } else { self.first };
        if is_older {
            self.older.insert(order, place);
            return;
        }
        if self.behind.is_empty() {
            self.first = order;
        }
        let at = (order - self.first) as usize;
        if at >= self.behind.len() {
            self.behind.resize(at + 1, 0);
        }
        self.behind[at] = place + 1;
    }

    /// Takes out one at an end: the newest or the oldest.
    pub fn next(&mut self, newest: bool) -> Option<u32> {
        let place = if newest {
            match self.behind.pop_back() {
                Some(place) => place - 1,
                None => self.older.pop_last()?.1,
            }
        } else if let Some((_, place)) = self.older.pop_first() {
            place
        } else {
            let place = self.behind.pop_front()?;
            self.first += 1;
            place - 1
        };
        self.count -= 1;
        self.trim();
        Some(place)
    }

    /// Takes out the one of this order, if it is there.
    pub fn remove(&mut self, order: u64) {
        let found = if self.behind.is_empty() || order < self.first {
            self.older.remove(&order).is_some()
        } else {
            let there = self.behind.get_mut((order - self.first) as usize);
            there.is_some_and(|place| std::mem::take(place) > 0)
        };
        self.count -= usize::from(found);
        self.trim();
    }

    fn trim(&mut self) {
        while self.behind.front() == Some(&0) {
            self.behind.pop_front();
            self.first += 1;
        }
        while self.behind.back() == Some(&0) {
            self.behind.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Line;
    use crate::engine::random::mix;

    /// Beside a sorted map, whatever comes, comes back, goes and is taken out.
    #[test]
    fn a_line_is_a_sorted_map() {
        for seed in 0..200 {
            let (mut line, mut map) = (Line::default(), BTreeMap::new());
            let (mut next, mut gone) = (1_u64, Vec::new());
            for step in 0..400 {
                let draw = mix(seed * 1000 + step);
                let some = |n: usize| (draw >> 8) as usize % n.max(1);
                match draw % 6 {
                    0 | 1 => {
                        next += draw >> 32 & 3;
                        line.put(next, next as u32 * 7);
                        map.insert(next, next as u32 * 7);
                        next += 1;
                    }
                    2 if !gone.is_empty() => {
                        let order: u64 = gone.swap_remove(some(gone.len()));
                        line.put(order, order as u32 * 7);
                        map.insert(order, order as u32 * 7);
                    }
                    3 => {
                        let taken = map.pop_first();
                        assert_eq!(line.next(false), taken.map(|of| of.1));
                        gone.extend(taken.map(|of| of.0));
                    }
                    4 => {
                        let taken = map.pop_last();
                        assert_eq!(line.next(true), taken.map(|of| of.1));
                        gone.extend(taken.map(|of| of.0));
                    }
                    _ => {
                        let order = map.keys().nth(some(map.len())).copied().unwrap_or(draw >> 40);
                        line.remove(order);
                        gone.extend(map.remove(&order).map(|_| order));
                    }
                }
                assert_eq!((line.len(), line.first()), (map.len(), map.values().next().copied()));
            }
        }
    }
}
