//! A table whose entries are reached by the numbers names were given when a design was compiled.
//!
//! Nodes, instances, instructions, links and their like are looked up some thirty times per request, by
//! numbers that the compiler of a design handed out itself; checking each time that the entry exists cost
//! 7 % of all instructions of the reference workload (`docs/BENCHMARKS.md`).
//!
//! **Invariant.** Every number used is below `len`.

#![allow(unsafe_code, reason = "unchecked access by numbers handed out at load time; see above")]

use std::ops::{Deref, DerefMut, Index, IndexMut};

/// A table reached by numbers handed out for it.
#[derive(Clone, Debug)]
pub struct Table<T> {
    items: Vec<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

impl<T> Table<T> {
    /// Adds an entry behind all others.
    pub fn push(&mut self, item: T) {
        self.items.push(item);
    }

    /// Takes out the last entry, whose number is not handed out any more.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }
}

impl<T> From<Vec<T>> for Table<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items }
    }
}

impl<T> FromIterator<T> for Table<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self { items: items.into_iter().collect() }
    }
}

impl<T> IntoIterator for Table<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'t, T> IntoIterator for &'t mut Table<T> {
    type Item = &'t mut T;
    type IntoIter = std::slice::IterMut<'t, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter_mut()
    }
}

impl<T> Index<usize> for Table<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, number: usize) -> &T {
        debug_assert!(number < self.items.len(), "the number was handed out");
        // SAFETY: numbers are handed out for entries that exist.
        unsafe { self.items.get_unchecked(number) }
    }
}

impl<T> IndexMut<usize> for Table<T> {
    #[inline(always)]
    fn index_mut(&mut self, number: usize) -> &mut T {
        debug_assert!(number < self.items.len(), "the number was handed out");
        // SAFETY: numbers are handed out for entries that exist.
        unsafe { self.items.get_unchecked_mut(number) }
    }
}

/// Everything else is as with any slice.
impl<T> Deref for Table<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> DerefMut for Table<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_reach_what_was_put_there() {
        let mut table: Table<u64> = (0..100).collect();
        table.push(7);
        for number in 0..table.len() {
            table[number] += 1;
        }
        assert_eq!((table[0], table[99], table[100], table.len()), (1, 100, 8, 101));
        assert_eq!(table.into_iter().sum::<u64>(), 100 * 101 / 2 + 8);
    }
}
