//! The heap of drawn delays, and the radix heap behind it when it is large.

use crate::engine::table::Table;

/// A 4-ary min-heap. Entry `i` lives at place `i + 2`: large allocations begin 16 bytes past a cache
/// line, so the children `4i + 1 ..= 4i + 4` of an entry share one line.
///
/// The place of a key that was taken stays open until the next push, which mostly follows at once and
/// then sinks from there: one pass instead of two.
#[derive(Clone, Debug)]
pub(super) struct Heap {
    /// Padding, entries, and three keys after all others, so that children can be compared by fours.
    places: Table<u128>,
    /// The first place is open.
    pub(super) open: bool,
}

/// Places before the first entry.
const PAD: usize = 2;
/// Places after the last one.
const FILL: usize = 3;

impl Heap {
    pub(super) fn new() -> Self {
        Self { places: vec![u128::MAX; PAD + FILL].into(), open: false }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.places.len() - PAD - FILL - usize::from(self.open)
    }

    /// The earliest key, `u128::MAX` when empty; the first place is not open.
    #[inline(always)]
    pub(super) fn top(&self) -> u128 {
        debug_assert!(!self.open, "the heap is closed");
        self.places[PAD]
    }

    /// What lies in the first place, open or not.
    #[inline(always)]
    pub(super) fn first(&self) -> u128 {
        self.places[PAD]
    }

    #[inline(always)]
    pub(super) fn push(&mut self, key: u128) {
        if self.open {
            self.open = false;
            return self.sink(key);
        }
        let end = self.places.len();
        self.places.push(u128::MAX);
        let mut i = end - FILL;
        while i > PAD {
            let parent = ((i - PAD - 1) >> 2) + PAD;
            let above = self.places[parent];
            if above <= key {
                break;
            }
            self.places[i] = above;
            i = parent;
        }
        self.places[i] = key;
    }

    /// Takes the earliest key and leaves its place open.
    #[inline(always)]
    pub(super) fn take(&mut self) {
        self.open = true;
    }

    /// Closes the place that was left open.
    #[inline(always)]
    pub(super) fn close(&mut self) {
        self.open = false;
        let end = self.places.len() - FILL - 1;
        let last = std::mem::replace(&mut self.places[end], u128::MAX);
        self.places.pop();
        if end > PAD {
            self.sink(last);
        }
    }

    /// Puts a key in the first place and lets it sink to where it belongs.
    #[inline(always)]
    pub(super) fn sink(&mut self, key: u128) {
        let mut i = PAD;
        loop {
            let first = 4 * (i - PAD) + 1 + PAD;
            let Some(c) = self.places.get(first..first + 4) else { break };
            // Which child is least cannot be predicted: choices without jumps.
            let (a, ka) = if c[1] < c[0] { (1, c[1]) } else { (0, c[0]) };
            let (b, kb) = if c[3] < c[2] { (3, c[3]) } else { (2, c[2]) };
            let (child, least) = if kb < ka { (b, kb) } else { (a, ka) };
            if least >= key {
                break;
            }
            self.places[i] = least;
            i = first + child;
        }
        self.places[i] = key;
    }

    pub(super) fn keys(&self) -> &[u128] {
        let places: &[u128] = &self.places;
        &places[PAD + usize::from(self.open)..places.len() - FILL]
    }

    pub(super) fn drain(&mut self) -> Vec<u128> {
        let keys = self.keys().to_vec();
        *self = Self::new();
        keys
    }
}

/// Keys at or beyond `boundary`, in buckets by their highest bit that differs from `base`.
#[derive(Clone, Debug)]
pub(super) struct Radix {
    pub(super) buckets: Vec<Vec<u128>>,
    occupied: u128,
    pub(super) base: u128,
    pub(super) boundary: u128,
    pub(super) len: usize,
}

impl Radix {
    /// Entries moved to the heap at a time.
    const SLICE: usize = 64;

    pub(super) fn new() -> Self {
        Self { buckets: vec![Vec::new(); 128], occupied: 0, base: 0, boundary: u128::MAX, len: 0 }
    }

    /// `key > base`, so there is a highest differing bit.
    #[inline]
    pub(super) fn push(&mut self, key: u128) {
        let bucket = 127 - (key ^ self.base).leading_zeros() as usize;
        self.buckets[bucket].push(key);
        self.occupied |= 1 << bucket;
        self.len += 1;
    }

    /// Moves the nearest keys into `heap` and raises the boundary past them.
    #[cold]
    pub(super) fn refill(&mut self, heap: &mut Heap) {
        while heap.len() < Self::SLICE && self.len > 0 {
            let lowest = self.occupied.trailing_zeros() as usize;
            let mut keys = std::mem::take(&mut self.buckets[lowest]);
            self.occupied &= !(1 << lowest);
            self.len -= keys.len();
            if keys.len() <= Self::SLICE {
                keys.drain(..).for_each(|k| heap.push(k));
                // Every key left differs from the base in a higher bit.
                self.boundary = ((self.base >> lowest >> 1) + 1)
                    .checked_shl(lowest as u32 + 1)
                    .unwrap_or(u128::MAX);
            } else {
                let least = *keys.iter().min().expect("the bucket is not empty");
                self.base = least;
                self.boundary = least + 1;
                for k in keys.drain(..) {
                    if k == least { heap.push(k) } else { self.push(k) }
                }
            }
            // Keys of one bucket only go to lower ones: its memory is kept for those to come.
            debug_assert!(self.buckets[lowest].is_empty(), "a key moves down");
            self.buckets[lowest] = keys;
        }
        if self.len == 0 {
            self.boundary = u128::MAX;
        }
    }
}
