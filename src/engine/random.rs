//! Counter-based draws: a draw is a function of (seed, replication, entity and purpose, index).
//!
//! A [`Stream`] fixes the first three; [`Stream::draw`] with an index gives a [`Draw`], a tiny
//! generator that continues from there when one sample needs several words (ziggurat rejections,
//! gamma). So a change elsewhere shifts no draw (`semantics.md` 7, 8).
//!
//! **Invariant.** No draw depends on how many draws were made before it.

use rand::TryRng;
use std::convert::Infallible;

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Step from one index to the next; the words of a draw are [`GOLDEN`] apart, so that draws do not
/// share words.
const STEP: u64 = 0xd134_2543_de82_ef95;

/// The finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014; variant 13 of Stafford): a
/// bijection on 64 bits whose output bits each depend on all input bits.
#[inline(always)]
#[must_use]
pub const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The identity of what a well mixed identity causes at `site` (a hash): as well mixed, and different
/// for another order of sites.
#[inline(always)]
#[must_use]
pub const fn descend(id: u64, site: u64) -> u64 {
    (id ^ site).rotate_left(29)
}

/// Folds text into a running 64-bit hash; fixed for ever, because draws and fingerprints use it.
#[must_use]
pub fn hash_str(seed: u64, text: &str) -> u64 {
    let mut h = mix(seed ^ GOLDEN);
    for chunk in text.as_bytes().chunks(8) {
        let mut word = [0u8; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        h = mix(h.wrapping_add(GOLDEN) ^ u64::from_le_bytes(word));
    }
    mix(h ^ text.len() as u64)
}

/// The key of a text, below 2^52 so that every number can hold it; equal texts are equal keys.
#[must_use]
pub fn text_key(text: &str) -> u64 {
    hash_str(0x6b65_7973, text) >> 12
}

/// The draws of one purpose of one entity in one replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(u64);

impl Stream {
    /// The stream of `purpose` at `entity` under a replication's seed.
    #[must_use]
    pub fn new(replication_seed: u64, entity: &str, purpose: &str) -> Self {
        Self(hash_str(hash_str(mix(replication_seed), entity), purpose))
    }

    /// The draw with this index.
    #[inline(always)]
    #[must_use]
    pub fn draw(self, index: u64) -> Draw {
        Draw(self.0.wrapping_add(index.wrapping_mul(STEP)))
    }

    /// The draw whose index is already well mixed (a frame's identity).
    #[inline(always)]
    #[must_use]
    pub fn draw_mixed(self, index: u64) -> Draw {
        Draw(self.0.wrapping_add(index))
    }
}

/// The seed of one replication of a run: `hash(seed, replication)` (`semantics.md` 13).
#[must_use]
pub fn replication_seed(seed: u64, replication: u64) -> u64 {
    mix(mix(seed.wrapping_add(GOLDEN)).wrapping_add(replication.wrapping_mul(GOLDEN)))
}

/// A splitmix64 generator started at one draw's place.
#[derive(Clone, Copy, Debug)]
pub struct Draw(u64);

impl Draw {
    /// The next 64 bits.
    #[inline(always)]
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Uniform in [0, 1) with 53 bits.
    #[inline(always)]
    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0..n without modulo bias worth speaking of (Lemire's multiply; the bias is below
    /// n / 2^64).
    #[inline(always)]
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(n)) >> 64) as u64
    }
}

impl TryRng for Draw {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.word() >> 32) as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.word())
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for chunk in dst.chunks_mut(8) {
            let word = self.word().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}
