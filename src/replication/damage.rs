//! Copies that are damaged on disk, until somebody reads them.
//!
//! Whether a key is hit is decided when it is looked at, by a word of the strike: so what was never written is hit, too,
//! and a strike takes no time.
//!
//! **Invariant.** What was written after a strike is sound.

use hashbrown::HashTable;

use crate::engine::random::mix;

/// Copies are damaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strike {
    /// Tells this strike, on this replica, from others.
    pub word: u64,
    /// Which share of the keys it hits.
    pub share: f64,
    /// No checksum tells: they are as they were before their last write.
    pub silent: bool,
}

impl Strike {
    /// Whether it hits a key.
    pub fn hits(&self, key: u64) -> bool {
        let unit = (mix(self.word ^ mix(key)) >> 11) as f64 / (1_u64 << 53) as f64;
        unit < self.share
    }
}

/// Which copies are damaged.
#[derive(Clone, Debug, Default)]
pub struct Damage {
    strikes: Vec<Strike>,
    /// Keys written since the first strike, and how many strikes there had been.
    sound: HashTable<(u64, usize)>,
}

impl Damage {
    /// Another strike.
    pub fn add(&mut self, strike: Strike) {
        self.strikes.push(strike);
    }

    /// Whether the copy of a key is damaged.
    pub fn is_at(&self, key: u64) -> bool {
        let sound = self.sound.find(mix(key), |(k, _)| *k == key).map_or(0, |(_, upto)| *upto);
        self.strikes[sound..].iter().any(|strike| strike.hits(key))
    }

    /// The copy of a key was written.
    pub fn mend(&mut self, key: u64) {
        let all = self.strikes.len();
        match self.sound.find_mut(mix(key), |(k, _)| *k == key) {
            Some((_, upto)) => *upto = all,
            None => drop(self.sound.insert_unique(mix(key), (key, all), |(k, _)| mix(*k))),
        }
    }
}
