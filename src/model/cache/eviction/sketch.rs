//! How often keys were asked for lately, in little room (G. Cormode, S. Muthukrishnan, "An improved data
//! stream summary: the count-min sketch and its applications", Journal of Algorithms 2005).

use super::order::Entry;
use crate::engine::random::mix;

/// Counters of four bits, sixteen to a word and a word or two for each entry. Each key has four of them and
/// was asked for as often as the least of these says, or less. All are halved from time to time.
#[derive(Debug)]
pub(super) struct Sketch {
    words: Vec<u64>,
    /// Counted since the counters were halved.
    counted: usize,
}

const COUNTERS: usize = 4;
const MOST: u64 = 15;
/// Requests per word after which counters are halved.
const LATELY: usize = 10;

impl Default for Sketch {
    fn default() -> Self {
        Self { words: vec![0], counted: 0 }
    }
}

impl Sketch {
    /// Makes room for an entry of this number.
    pub(super) fn fit(&mut self, entry: Entry) {
        while self.words.len() <= entry as usize {
            // Twice the same, so that every counter is where its key looks for it.
            self.words.extend_from_within(..);
        }
    }

    /// Words and shifts of the counters of a key.
    fn places(&self, key: u64) -> [(usize, u64); COUNTERS] {
        let mut hash = mix(key);
        [(); COUNTERS].map(|()| {
            hash = mix(hash.wrapping_add(1));
            (hash as usize & (self.words.len() - 1), hash >> 60 << 2)
        })
    }

    /// A key is asked for.
    pub(super) fn count(&mut self, key: u64) {
        for (word, shift) in self.places(key) {
            if (self.words[word] >> shift) & MOST < MOST {
                self.words[word] += 1 << shift;
            }
        }
        self.counted += 1;
        if self.counted >= LATELY * self.words.len() {
            self.counted = 0;
            for word in &mut self.words {
                *word = (*word >> 1) & 0x7777_7777_7777_7777;
            }
        }
    }

    /// How often a key was asked for lately.
    pub(super) fn estimate(&self, key: u64) -> u64 {
        let counters = self.places(key).map(|(word, shift)| (self.words[word] >> shift) & MOST);
        counters.into_iter().min().unwrap_or_default()
    }
}
