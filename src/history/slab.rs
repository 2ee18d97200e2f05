//! Numbered places in chunks: a place keeps its number, and growing copies nothing.
//!
//! **Invariant.** What is allocated is at most one chunk more than the largest number of places that
//! were ever taken at once. Numbers are below [`NONE`].

/// No place: the largest number of 27 bits, so that five bits are left for flags.
pub const NONE: u32 = (1 << 27) - 1;

const CHUNK_BITS: u32 = 12;
const CHUNK: usize = 1 << CHUNK_BITS;

/// The places.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    chunks: Vec<Vec<T>>,
    free: Vec<u32>,
    given: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), given: 0 }
    }
}

impl<T> Slab<T> {
    /// Puts a value into a free place.
    #[inline]
    pub fn insert(&mut self, value: T) -> u32 {
        if let Some(id) = self.free.pop() {
            *self.get_mut(id) = value;
            return id;
        }
        let id = self.given;
        assert!(id < NONE, "fewer than 2^27 places");
        self.given += 1;
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(value),
            // The first one grows, so that a small history is small.
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(value);
                self.chunks.push(chunk);
            }
            None => self.chunks.push(vec![value]),
        }
        id
    }

    /// Gives a place back; what lies there stays until it is taken again.
    #[inline]
    pub fn release(&mut self, id: u32) {
        self.free.push(id);
    }

    /// What lies at a place.
    #[inline]
    #[must_use]
    pub fn get(&self, id: u32) -> &T {
        &self.chunks[(id >> CHUNK_BITS) as usize][id as usize & (CHUNK - 1)]
    }

    /// What lies at a place.
    #[inline]
    pub fn get_mut(&mut self, id: u32) -> &mut T {
        &mut self.chunks[(id >> CHUNK_BITS) as usize][id as usize & (CHUNK - 1)]
    }

    /// How many numbers were ever given, released ones included.
    #[must_use]
    pub fn given(&self) -> u32 {
        self.given
    }

    /// How many places are taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.given as usize - self.free.len()
    }

    #[cfg(test)]
    /// What it has allocated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let places: usize = self.chunks.iter().map(Vec::capacity).sum();
        places * size_of::<T>() + self.free.capacity() * 4 + self.chunks.capacity() * 24
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_keep_their_numbers_and_come_back() {
        let mut slab = Slab::default();
        let ids: Vec<u32> = (0..10_000u64).map(|v| slab.insert(v)).collect();
        assert!(ids.iter().all(|&id| *slab.get(id) == u64::from(id)));
        slab.release(17);
        slab.release(4_711);
        assert_eq!((slab.len(), slab.insert(1), slab.insert(2)), (9_998, 4_711, 17));
        assert_eq!((slab.insert(3), slab.len(), slab.given()), (10_000, 10_001, 10_001));
        assert!(slab.bytes() < 3 * CHUNK * 8 + 1_000);
    }
}
