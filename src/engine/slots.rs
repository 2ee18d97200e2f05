//! A growing array whose elements are reached by slots it handed out itself.
//!
//! Frames are read and written several times per event; checking each time that the slot exists cost
//! 12 to 15 % of all instructions of the reference workloads (`docs/BENCHMARKS.md`). Slots only come
//! from [`Slots::push`] and the array never shrinks, so they always exist.
//!
//! Where there are more than the nearest cache holds, saying early which will be asked for took 8 to 13 % off the time
//! of a large design.
//!
//! **Invariant.** Every slot in use is below `len`, and `len` never falls.

#![allow(unsafe_code, reason = "unchecked access to slots handed out by push; measured, see above")]

/// A growing array reached by its own slots.
#[derive(Clone, Debug)]
pub struct Slots<T> {
    items: Vec<T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Adds an element and returns its slot.
    pub fn push(&mut self, item: T) -> u32 {
        self.items.push(item);
        (self.items.len() - 1) as u32
    }

    /// The element of a slot that `push` returned.
    #[inline(always)]
    pub fn get(&self, slot: u32) -> &T {
        debug_assert!((slot as usize) < self.items.len(), "the slot was handed out");
        // SAFETY: slots come from `push`, and the array never shrinks.
        unsafe { self.items.get_unchecked(slot as usize) }
    }

    /// The element of a slot that `push` returned, to change.
    #[inline(always)]
    pub fn get_mut(&mut self, slot: u32) -> &mut T {
        debug_assert!((slot as usize) < self.items.len(), "the slot was handed out");
        // SAFETY: slots come from `push`, and the array never shrinks.
        unsafe { self.items.get_unchecked_mut(slot as usize) }
    }

    /// Says that the element of a slot will be asked for soon, if there is such a slot.
    #[inline(always)]
    pub fn expect(&self, slot: u32) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let place = self.items.as_ptr().wrapping_add(slot as usize);
            // SAFETY: a hint reads nothing, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = slot;
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All elements in the order of their slots.
    pub fn as_slice(&self) -> &[T] {
        &self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_reach_what_was_pushed() {
        let mut slots = Slots::default();
        let all: Vec<u32> = (0..1000u64).map(|i| slots.push(i * i)).collect();
        for (i, &slot) in all.iter().enumerate() {
            *slots.get_mut(slot) += 1;
            assert_eq!(*slots.get(slot), (i * i) as u64 + 1);
        }
        assert_eq!((slots.len(), slots.is_empty(), slots.as_slice().len()), (1000, false, 1000));
    }
}
