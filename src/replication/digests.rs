//! Digests of what a replica holds, by range of keys, whatever it holds of them: by them replicas find out where they differ
//! (Dynamo, SOSP 2007, 4.7; the digests of ranges are the leaves of its Merkle trees, without the tree: they fit into one
//! message).
//!
//! **Invariant.** A digest depends on what is held in its range, not on how that came.

use crate::engine::random::mix;

/// Ranges of (hashed) keys.
const RANGES: usize = 1024;

/// The range of a key.
fn range(key: u64) -> u16 {
    (mix(key) >> 54) as u16
}

/// Digests of what is held, by range.
#[derive(Clone, Debug)]
pub struct Digests(pub Box<[u64]>);

impl Default for Digests {
    fn default() -> Self {
        Self(vec![0; RANGES].into())
    }
}

impl Digests {
    /// What is held of a key takes the place of something else: a word that tells each from others; that of nothing is 0.
    pub fn change(&mut self, key: u64, before: u64, after: u64) {
        self.0[usize::from(range(key))] ^= before ^ after;
    }

    /// The ranges in which somebody with these digests holds something else, in order.
    pub fn differ(&self, theirs: &[u64]) -> Vec<u16> {
        let pairs = (0..).zip(self.0.iter().zip(theirs));
        pairs.filter(|(_, (mine, theirs))| mine != theirs).map(|(range, _)| range).collect()
    }
}

/// What is held in some ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    /// The ranges, in order.
    pub ranges: Vec<u16>,
    /// All that is held in them, by key.
    pub items: Vec<(u64, T)>,
}

impl<T> List<T> {
    /// Of these ranges; this gives what is held of the keys it is asked for, by key.
    pub fn of(ranges: Vec<u16>, held: impl FnOnce(&dyn Fn(u64) -> bool) -> Vec<(u64, T)>) -> Self {
        let items = held(&|key| ranges.binary_search(&range(key)).is_ok());
        Self { ranges, items }
    }

    /// Held against this list: the keys of which who holds the other lacks something, and those of which it holds something
    /// that is not here. What is held of a key may cover what somebody else holds.
    pub fn lacking(&self, other: &Self, covers: impl Fn(&T, &T) -> bool) -> (Vec<u64>, Vec<u64>)
    where
        T: Default,
    {
        let (nothing, mut there, mut here) = (T::default(), Vec::new(), Vec::new());
        let mut others = other.items.iter().peekable();
        for (key, item) in &self.items {
            while let Some((before, _)) = others.next_if(|(other, _)| other < key) {
                here.push(*before);
            }
            let held = others.next_if(|(other, _)| other == key).map_or(&nothing, |(_, held)| held);
            if !covers(held, item) {
                there.push(*key);
            }
            if !covers(item, held) {
                here.push(*key);
            }
        }
        here.extend(others.map(|(key, _)| *key));
        (there, here)
    }
}
