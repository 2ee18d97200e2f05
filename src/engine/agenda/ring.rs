//! A FIFO that costs O(1) at both ends: lanes and the now-queue.

/// A growing ring of `T` with a power-of-two capacity.
#[derive(Clone, Debug)]
pub(super) struct Ring<T> {
    slots: Vec<T>,
    head: usize,
    pub(super) len: usize,
}

impl<T: Copy + Default> Ring<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { slots: vec![T::default(); capacity.next_power_of_two()], head: 0, len: 0 }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, value: T) {
        if self.len == self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        self.slots[(self.head + self.len) & mask] = value;
        self.len += 1;
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let mask = self.slots.len() - 1;
        let value = self.slots[self.head & mask];
        self.head = (self.head + 1) & mask;
        self.len -= 1;
        Some(value)
    }

    pub(super) fn front(&self) -> Option<T> {
        (self.len > 0).then(|| self.slots[self.head & (self.slots.len() - 1)])
    }

    pub(super) fn back(&self) -> Option<T> {
        (self.len > 0).then(|| self.slots[(self.head + self.len - 1) & (self.slots.len() - 1)])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.len).map(|i| self.slots[(self.head + i) & (self.slots.len() - 1)])
    }

    #[cold]
    fn grow(&mut self) {
        let mut bigger: Vec<T> = self.iter().collect();
        bigger.resize(self.slots.len() * 2, T::default());
        self.slots = bigger;
        self.head = 0;
    }
}

impl Ring<u128> {
    /// Drops the first entry and returns the next one; `u128::MAX` when there is none.
    #[inline(always)]
    pub(super) fn advance(&mut self) -> u128 {
        let mask = self.slots.len() - 1;
        self.head = (self.head + 1) & mask;
        self.len -= 1;
        if self.len == 0 { u128::MAX } else { self.slots[self.head & mask] }
    }
}
