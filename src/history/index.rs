//! A hash index from what lies in a slab to its place: six bytes a slot.
//!
//! A slot holds the place and 21 bits of the hash. So a probe hardly ever looks into the slab in vain,
//! and growing need not look there at all: slots stand in the order of these bits, hence the old ones
//! are read and the new ones written one after the other. 256 parts grow on their own, so that never
//! the whole is there twice.
//!
//! **Invariant.** Once a part has grown, 0.75 to 0.85 of its slots are taken, so an entry costs 7 to 8
//! bytes. Nothing iterates it, so its order is seen nowhere.

use super::slab::NONE;

const PARTS: usize = 256;
const PLACE_BITS: u32 = 27;
/// Bits of the hash in a slot; those above choose the part.
const HASH_BITS: u32 = 21;
/// The least by which a part grows.
const STEP: usize = 8;

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
    slots: Vec<Slot>,
    taken: usize,
}

/// A place and some bits of the hash; no place if it is free.
#[derive(Clone, Copy, Debug)]
struct Slot([u16; 3]);

impl Default for Index {
    fn default() -> Self {
        Self { parts: vec![Part::default(); PARTS] }
    }
}

impl Index {
    /// The place with this hash that `is` the one looked for.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let slots = &self.parts[part(hash)].slots;
        if slots.is_empty() {
            return None;
        }
        let bits = bits(hash);
        let mut at = home(bits, slots.len());
        loop {
            let slot = slots[at];
            if slot.place() == NONE {
                return None;
            }
            if slot.bits() == bits && is(slot.place()) {
                return Some(slot.place());
            }
            at = if at + 1 == slots.len() { 0 } else { at + 1 };
        }
    }

    /// Adds a place.
    pub fn insert(&mut self, hash: u64, place: u32) {
        let part = &mut self.parts[part(hash)];
        if (part.taken + 1) * 20 > part.slots.len() * 17 {
            part.grow();
        }
        part.put(Slot::new(bits(hash), place));
        part.taken += 1;
    }

    #[cfg(test)]
    /// What it has allocated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let slots: usize = self.parts.iter().map(|part| part.slots.capacity()).sum();
        slots * size_of::<Slot>() + PARTS * size_of::<Part>()
    }
}

impl Part {
    fn grow(&mut self) {
        let more = self.slots.len() + (self.slots.len() / 8).max(STEP);
        let old = std::mem::replace(&mut self.slots, vec![Slot::FREE; more]);
        for slot in old.into_iter().filter(|slot| slot.place() != NONE) {
            self.put(slot);
        }
    }

    fn put(&mut self, slot: Slot) {
        let mut at = home(slot.bits(), self.slots.len());
        while self.slots[at].place() != NONE {
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
        self.slots[at] = slot;
    }
}

impl Slot {
    const FREE: Self = Self([u16::MAX; 3]);

    fn new(bits: u32, place: u32) -> Self {
        let word = u64::from(bits) << PLACE_BITS | u64::from(place);
        Self([word as u16, (word >> 16) as u16, (word >> 32) as u16])
    }

    #[inline]
    fn place(self) -> u32 {
        (u32::from(self.0[1]) << 16 | u32::from(self.0[0])) & NONE
    }

    #[inline]
    fn bits(self) -> u32 {
        u32::from(self.0[2]) << 5 | u32::from(self.0[1] >> 11)
    }
}

#[inline]
fn part(hash: u64) -> usize {
    (hash >> 56) as usize
}

#[inline]
fn bits(hash: u64) -> u32 {
    (hash >> 35) as u32 & ((1 << HASH_BITS) - 1)
}

/// Where a slot belongs, in the order of its bits.
#[inline]
fn home(bits: u32, slots: usize) -> usize {
    ((u64::from(bits) * slots as u64) >> HASH_BITS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_its_parts() {
        for bits in [0, 1, 0x15_5555, (1 << 21) - 1] {
            for place in [0, 5, 0x2aa_aaaa, NONE - 1] {
                let slot = Slot::new(bits, place);
                assert_eq!((slot.bits(), slot.place()), (bits, place));
            }
        }
        assert_eq!(Slot::FREE.place(), NONE);
    }

    #[test]
    fn finds_what_was_added_and_nothing_else() {
        let mut index = Index::default();
        let (mut least, mut most) = (f64::MAX, 0.0f64);
        for id in 0..400_000u32 {
            assert_eq!(index.find(mix(u64::from(id)), |other| other == id), None);
            index.insert(mix(u64::from(id)), id);
            if id > 100_000 {
                let each = index.bytes() as f64 / f64::from(id + 1);
                (least, most) = (least.min(each), most.max(each));
            }
        }
        for id in 0..400_000u32 {
            assert_eq!(index.find(mix(u64::from(id)), |other| other == id), Some(id));
        }
        assert!(least > 7.0 && most < 8.1, "{least} {most}");
    }
}
