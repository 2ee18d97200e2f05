//! Who of a group may be chosen, and who has least to do.
//!
//! **Invariant.** Both answer as a scan in order of index would.

/// Who may be chosen, by ascending index.
#[derive(Clone, Copy)]
pub(super) enum Living<'a> {
    /// So many from this one on.
    All(u32, u32),
    /// These.
    These(&'a [u32]),
}

impl Living<'_> {
    pub(super) const fn len(&self) -> u32 {
        match self {
            Self::All(_, n) => *n,
            Self::These(these) => these.len() as u32,
        }
    }

    /// The index of the one at this place.
    pub(super) fn at(&self, place: u32) -> u32 {
        match self {
            Self::All(first, _) => first + place,
            Self::These(these) => these[place as usize],
        }
    }

    /// The place of the one with this index.
    pub(super) fn place(&self, index: u32) -> Option<u32> {
        match self {
            Self::All(first, n) => index.checked_sub(*first).filter(|place| place < n),
            Self::These(these) => these.binary_search(&index).ok().map(|place| place as u32),
        }
    }

    /// The place of the first from this index on, or else of the very first.
    pub(super) fn first_from(&self, index: u32) -> u32 {
        let place = match self {
            Self::All(first, _) => index - first,
            Self::These(these) => these.partition_point(|&i| i < index) as u32,
        };
        if place < self.len() { place } else { 0 }
    }
}

/// A tournament tree: index of the least count, lowest index on ties, in O(log n). Eight words that are
/// compared with one another lie in one cache line: what is written on the way up is what is read.
#[derive(Clone, Debug)]
pub(super) struct MinTree {
    /// Level by level, the leaves first; count (high half) and index of the least leaf below.
    matches: Vec<Match>,
    /// Where each level begins.
    levels: Vec<usize>,
    least: u64,
}

/// Words that are compared with one another.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Match([u64; 8]);

impl Match {
    #[inline(always)]
    fn least(&self) -> u64 {
        let w = &self.0;
        let pairs = [w[0].min(w[1]), w[2].min(w[3]), w[4].min(w[5]), w[6].min(w[7])];
        pairs[0].min(pairs[1]).min(pairs[2].min(pairs[3]))
    }
}

impl MinTree {
    pub(super) fn new(n: usize) -> Self {
        let (mut matches, mut levels) = (Vec::new(), Vec::new());
        let mut words: Vec<u64> = (0..n as u64).collect();
        while words.len() > 1 || levels.is_empty() {
            levels.push(matches.len());
            let filled = words.chunks(8).map(|chunk| {
                let mut full = [u64::MAX; 8];
                full[..chunk.len()].copy_from_slice(chunk);
                Match(full)
            });
            matches.extend(filled);
            let level = levels[levels.len() - 1];
            words = matches[level..].iter().map(Match::least).collect();
        }
        Self { matches, levels, least: 0 }
    }

    /// The first from here on, round the end, of those with the least count.
    #[inline(always)]
    pub(super) fn least_from(&self, start: usize) -> usize {
        let count = self.least >> 32;
        let (mut at, mut from) = (start / 8, start % 8);
        for &level in &self.levels {
            let words = &self.matches[level + at].0;
            // A word names the first of those below that have its count.
            if let Some(word) = words[from..].iter().find(|&&word| word >> 32 == count) {
                return *word as u32 as usize;
            }
            (at, from) = (at / 8, at % 8 + 1);
        }
        self.least as u32 as usize
    }

    #[inline(always)]
    pub(super) fn set(&mut self, index: usize, count: u32) {
        let mut at = index;
        let mut word = u64::from(count) << 32 | index as u64;
        for &level in &self.levels {
            let met = &mut self.matches[level + at / 8];
            if met.0[at % 8] == word {
                return;
            }
            met.0[at % 8] = word;
            word = met.least();
            at /= 8;
        }
        self.least = word;
    }
}
