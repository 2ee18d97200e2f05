//! Something about frames, by their slots.
//!
//! **Invariant.** What was never written is the default.

use super::ids::Slot;

/// Something about frames.
#[derive(Clone, Debug)]
pub struct BySlot<T>(Vec<T>);

impl<T> Default for BySlot<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> BySlot<T> {
    /// That of a frame, to write.
    #[inline(always)]
    pub fn at(&mut self, slot: Slot) -> &mut T {
        if slot as usize >= self.0.len() {
            self.grow(slot);
        }
        &mut self.0[slot as usize]
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, slot: Slot) {
        self.0.resize_with(slot as usize + 1, T::default);
    }

    /// That of a frame, if it was ever written.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        self.0.get(slot as usize)
    }

    /// Likewise, to write.
    #[inline]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.0.get_mut(slot as usize)
    }

    /// That of a frame, which has none any more.
    #[inline]
    pub fn take(&mut self, slot: Slot) -> T {
        self.get_mut(slot).map(std::mem::take).unwrap_or_default()
    }

    /// All that were ever written.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        self.0.iter().enumerate().map(|(slot, one)| (slot as Slot, one))
    }
}
