//! A hash index from what lies in a slab to its place: four bytes an entry.
//!
//! Entries are the place and five bits of the hash, so that a probe rarely looks into the slab in
//! vain. 64 parts grow on their own, so that never the whole is there twice.
//!
//! **Invariant.** Between 0.53 and 0.8 of the slots of a part are taken once it has grown, so an entry
//! costs 5 to 7.5 bytes. Nothing iterates it, so its order is seen nowhere.

use super::slab::NONE;

const PARTS: usize = 64;
const EMPTY: u32 = u32::MAX;
const LEAST: usize = 10;

/// The finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014; variant 13 of Stafford).
#[inline]
#[must_use]
pub const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The index. Hashes are given by the caller and have to be well mixed.
#[derive(Clone, Debug)]
pub struct Index {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Default)]
struct Part {
    slots: Vec<u32>,
    taken: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self { parts: vec![Part::default(); PARTS] }
    }
}

impl Index {
    /// The place with this hash that `is` the one looked for.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let slots = &self.parts[(hash >> 58) as usize].slots;
        if slots.is_empty() {
            return None;
        }
        let mut at = slot(hash, slots.len());
        let tag = tag(hash);
        while slots[at] != EMPTY {
            let (found, id) = (slots[at] & !NONE, slots[at] & NONE);
            if found == tag && is(id) {
                return Some(id);
            }
            at = if at + 1 == slots.len() { 0 } else { at + 1 };
        }
        None
    }

    /// Adds a place; `hash_of` tells the hash of those that are there.
    pub fn insert(&mut self, hash: u64, id: u32, hash_of: impl Fn(u32) -> u64) {
        let part = &mut self.parts[(hash >> 58) as usize];
        if (part.taken + 1) * 5 > part.slots.len() * 4 {
            let more = (part.slots.len() * 3 / 2).max(LEAST);
            let old = std::mem::replace(&mut part.slots, vec![EMPTY; more]);
            for entry in old.into_iter().filter(|&entry| entry != EMPTY) {
                part.put(hash_of(entry & NONE), entry);
            }
        }
        part.put(hash, tag(hash) | id);
        part.taken += 1;
    }

    /// What it has allocated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.slots.capacity() * 4 + size_of::<Part>()).sum()
    }
}

impl Part {
    fn put(&mut self, hash: u64, entry: u32) {
        let mut at = slot(hash, self.slots.len());
        while self.slots[at] != EMPTY {
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
        self.slots[at] = entry;
    }
}

/// The bits below those of the part, spread over the slots (Lemire's multiply).
#[inline]
fn slot(hash: u64, slots: usize) -> usize {
    ((u128::from(hash << 6) * slots as u128) >> 64) as usize
}

#[inline]
fn tag(hash: u64) -> u32 {
    (hash as u32) << 27
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_added_and_nothing_else() {
        let mut index = Index::default();
        let (mut least, mut most) = (f64::MAX, 0.0f64);
        for id in 0..200_000u32 {
            assert_eq!(index.find(mix(u64::from(id)), |other| other == id), None);
            index.insert(mix(u64::from(id)), id, |id| mix(u64::from(id)));
            if id > 50_000 {
                let each = index.bytes() as f64 / f64::from(id + 1);
                (least, most) = (least.min(each), most.max(each));
            }
        }
        for id in 0..200_000u32 {
            assert_eq!(index.find(mix(u64::from(id)), |other| other == id), Some(id));
        }
        assert!(least > 4.9 && most < 7.6, "{least} {most}");
    }
}
