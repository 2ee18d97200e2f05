//! Which key is asked for: Zipf, uniform, hot set.
//!
//! **Invariant.** A key is its rank, 1..=n; a sample takes one or two words (Zipf, rarely: more).

use std::sync::Arc;

use super::random::Draw;

/// Weights that are added up one by one; the sum of the others is an integral.
const TERMS: u64 = 1000;
/// Blocks per octave of ranks, as a power of two.
const BLOCK_BITS: u32 = 7;

/// A law over keys 1..=n.
#[derive(Clone, Debug)]
pub enum Popularity {
    /// P(k) proportional to k^-s.
    Zipf(Arc<Zipf>),
    /// Every key alike.
    Uniform(u64),
    /// The first `hot` keys get the fraction `share`.
    Hot {
        /// Keys.
        n: u64,
        /// Hot keys.
        hot: u64,
        /// Their share.
        share: f64,
    },
}

/// Zipf over any number of keys from a table that stays in the nearest cache.
///
/// Ranks below 256 are blocks of their own; beyond, each octave is cut into 128 blocks. An alias
/// table (Walker 1977, Vose 1991) chooses a block by its number of ranks times the weight of its
/// first one; a rank inside is drawn uniformly and kept with its weight relative to the first one's,
/// which is above `(128 / 129)^s`, so that few draws are repeated and fewer evaluate a power.
#[derive(Clone, Debug)]
pub struct Zipf {
    n: u64,
    s: f64,
    /// The sum of all weights.
    sum: f64,
    /// Below this every rank of a block is kept.
    sure: f64,
    /// Threshold (of 2^32) and alias per block.
    table: Box<[(u32, u32)]>,
}

impl Popularity {
    /// P(k) proportional to k^-s.
    pub fn zipf(n: u64, s: f64) -> Self {
        if s == 0.0 { Self::Uniform(n) } else { Self::Zipf(Arc::new(Zipf::new(n, s))) }
    }

    /// Every key alike.
    pub fn uniform(n: u64) -> Self {
        Self::Uniform(n)
    }

    /// A fraction of the keys gets a fraction of the requests.
    pub fn hot(n: u64, hot: f64, share: f64) -> Self {
        let hot = ((n as f64 * hot).round() as u64).clamp(1, n);
        Self::Hot { n, hot, share }
    }

    /// How many keys there are: the first is the most popular.
    pub fn count(&self) -> u64 {
        match self {
            Self::Zipf(z) => z.n,
            Self::Uniform(n) | Self::Hot { n, .. } => *n,
        }
    }

    /// The chance of a key.
    pub fn chance(&self, key: u64) -> f64 {
        match self {
            Self::Zipf(z) => libm::pow(key as f64, -z.s) / z.sum,
            Self::Uniform(n) => 1.0 / *n as f64,
            Self::Hot { n, hot, .. } if hot == n => 1.0 / *n as f64,
            Self::Hot { hot, share, .. } if key <= *hot => share / *hot as f64,
            Self::Hot { n, hot, share } => (1.0 - share) / (n - hot) as f64,
        }
    }

    /// A key.
    #[inline(always)]
    pub fn sample(&self, draw: &mut Draw) -> u64 {
        match self {
            Self::Zipf(z) => z.sample(draw),
            Self::Uniform(n) => 1 + draw.below(*n),
            Self::Hot { n, hot, share } => {
                if hot == n || draw.unit() < *share {
                    1 + draw.below(*hot)
                } else {
                    1 + hot + draw.below(n - hot)
                }
            }
        }
    }
}

impl Zipf {
    fn new(n: u64, s: f64) -> Self {
        let weights: Vec<f64> = (1..=block_of(n))
            .map(|block| {
                let (low, width) = ranks(block);
                let ranks = width.min(n - low + 1);
                ranks as f64 * libm::exp(-s * libm::log(low as f64))
            })
            .collect();
        let blocks = f64::from(1 << BLOCK_BITS);
        let sure = libm::pow(blocks / (blocks + 1.0), s);
        Self { n, s, sum: sum(n, s), sure, table: alias(weights) }
    }

    #[inline(always)]
    fn sample(&self, draw: &mut Draw) -> u64 {
        loop {
            // One multiplication gives the column and, from the bits below it, the toss.
            let wide = u128::from(draw.word()) * self.table.len() as u128;
            let column = (wide >> 64) as u64;
            let (threshold, other) = self.table[column as usize];
            // The toss is even and cannot be predicted: a choice without a jump.
            let other = u64::from(other);
            let block = 1 + if ((wide >> 32) as u32) < threshold { column } else { other };
            if block < 2 << BLOCK_BITS {
                return block;
            }
            if let Some(rank) = self.inside(block, draw) {
                return rank;
            }
        }
    }

    /// A rank of a block with several, unless it is rejected.
    #[inline(always)]
    fn inside(&self, block: u64, draw: &mut Draw) -> Option<u64> {
        let (low, width) = ranks(block);
        let ranks = width.min(self.n - low + 1);
        let wide = u128::from(draw.word()) * u128::from(ranks);
        let rank = low + (wide >> 64) as u64;
        let toss = (wide as u64 >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
        (toss < self.sure || toss < libm::pow(low as f64 / rank as f64, self.s)).then_some(rank)
    }
}

/// The sum of `k^-s` for k up to n.
fn sum(n: u64, s: f64) -> f64 {
    let few: f64 = (1..=n.min(TERMS)).map(|k| libm::pow(k as f64, -s)).sum();
    if n <= TERMS {
        return few;
    }
    // From half way between two terms on, a sum is nearly its integral.
    let (from, to) = (TERMS as f64 + 0.5, n as f64 + 0.5);
    let rest = if (s - 1.0).abs() < 1e-9 {
        libm::log(to / from)
    } else {
        (libm::pow(to, 1.0 - s) - libm::pow(from, 1.0 - s)) / (1.0 - s)
    };
    few + rest
}

/// The block of a rank: the rank itself below 256, then 128 per octave.
fn block_of(rank: u64) -> u64 {
    let octave = 63 - BLOCK_BITS - (rank | 1 << BLOCK_BITS).leading_zeros();
    (u64::from(octave) << BLOCK_BITS) + (rank >> octave)
}

/// The first rank of a block and their number.
#[inline(always)]
fn ranks(block: u64) -> (u64, u64) {
    let octave = (block >> BLOCK_BITS).saturating_sub(1);
    ((block - (octave << BLOCK_BITS)) << octave, 1 << octave)
}

/// The alias table of weights: which of two indices a column stands for, and how often.
fn alias(mut weights: Vec<f64>) -> Box<[(u32, u32)]> {
    let scale = weights.len() as f64 / weights.iter().sum::<f64>();
    for weight in &mut weights {
        *weight *= scale;
    }
    let mut table: Vec<(u32, u32)> = (0..weights.len()).map(|i| (u32::MAX, i as u32)).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..weights.len()).partition(|&i| weights[i] < 1.0);
    while let (Some(i), Some(&j)) = (small.pop(), large.last()) {
        table[i] = ((weights[i] * 4_294_967_296.0) as u32, j as u32);
        weights[j] -= 1.0 - weights[i];
        if weights[j] < 1.0 {
            large.pop();
            small.push(j);
        }
    }
    table.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::Stream;

    fn frequencies(p: &Popularity, top: usize, draws: u64) -> Vec<f64> {
        let stream = Stream::new(1, "keys", "test");
        let mut counts = vec![0u64; top + 1];
        for i in 0..draws {
            let key = p.sample(&mut stream.draw(i)) as usize;
            assert!(key >= 1);
            if key <= top {
                counts[key] += 1;
            }
        }
        counts.iter().map(|&c| c as f64 / draws as f64).collect()
    }

    #[test]
    fn zipf_has_the_exact_frequencies() {
        for (n, s) in [(1u64, 1.0), (10, 0.5), (1000, 0.99), (1000, 3.0), (50_000, 0.8)] {
            let total: f64 = (1..=n).map(|k| libm::pow(k as f64, -s)).sum();
            let f = frequencies(&Popularity::zipf(n, s), 1000, 1_000_000);
            // Single ranks, and what lies between: blocks of one, two and four ranks.
            for (low, high) in [(1, 1), (2, 2), (10, 10), (11, 200), (255, 256), (257, 600)] {
                let exact: f64 =
                    (low..=high.min(n)).map(|k| libm::pow(k as f64, -s)).sum::<f64>() / total;
                let seen: f64 = (low..=high.min(n)).map(|k| f[k as usize]).sum();
                let sd = libm::sqrt(exact * (1.0 - exact) / 1e6);
                assert!((seen - exact).abs() <= 5.0 * sd, "n={n} s={s} {low}: {seen} {exact}");
            }
        }
    }

    #[test]
    fn chances_add_up_to_one() {
        for popularity in [
            Popularity::zipf(500, 0.9),
            Popularity::zipf(200_000, 0.9),
            Popularity::zipf(200_000, 1.0),
            Popularity::zipf(200_000, 1.3),
            Popularity::zipf(100, 0.0),
            Popularity::hot(1000, 0.01, 0.8),
            Popularity::hot(1000, 1.0, 0.8),
        ] {
            let all: f64 = (1..=popularity.count()).map(|key| popularity.chance(key)).sum();
            assert!((all - 1.0).abs() < 1e-7, "{popularity:?} {all}");
        }
    }

    #[test]
    fn ranks_of_a_large_block_have_their_own_weights() {
        let (n, s) = (1u64 << 21, 4.0);
        let zipf = Zipf::new(n, s);
        let (low, width) = ranks(block_of(1 << 20));
        let stream = Stream::new(1, "keys", "block");
        let kept: Vec<u64> = (0..4_000_000)
            .filter_map(|i| zipf.inside(block_of(low), &mut stream.draw(i)))
            .collect();
        let upper = kept.iter().filter(|&&k| k >= low + width / 2).count() as f64;
        let weight =
            |from: u64| -> f64 { (from..from + width / 2).map(|k| libm::pow(k as f64, -s)).sum() };
        let share = weight(low + width / 2) / (weight(low) + weight(low + width / 2));
        let sd = libm::sqrt(share * (1.0 - share) / kept.len() as f64);
        assert!((upper / kept.len() as f64 - share).abs() < 4.0 * sd);
        // Without the rejection the halves would be even, 6 standard deviations away.
        assert!((share - 0.5).abs() > 6.0 * sd);
    }

    #[test]
    fn blocks_tile_the_ranks() {
        let mut next = 1;
        for block in 1..=block_of(1 << 40) {
            let (low, width) = ranks(block);
            assert_eq!(low, next);
            assert_eq!((block_of(low), block_of(low + width - 1)), (block, block));
            next = low + width;
        }
    }

    #[test]
    fn the_alias_table_is_exact() {
        for (n, s) in [(1usize, 1.0), (7, 0.3), (1000, 0.99), (3000, 1.2)] {
            let weights: Vec<f64> = (1..=n).map(|k| libm::pow(k as f64, -s)).collect();
            let total: f64 = weights.iter().sum();
            let table = alias(weights.clone());
            let mut mass = vec![0.0; n];
            for (i, &(threshold, other)) in table.iter().enumerate() {
                let own = f64::from(threshold) / 4_294_967_296.0;
                mass[i] += own / n as f64;
                mass[other as usize] += (1.0 - own) / n as f64;
            }
            for (weight, mass) in weights.iter().zip(mass) {
                let exact = weight / total;
                assert!((mass - exact).abs() < 1e-9 * exact.max(1e-3), "n={n}");
            }
        }
    }

    #[test]
    fn huge_key_spaces_and_hot_sets_work() {
        let p = Popularity::zipf(1_000_000_000_000, 1.0);
        let f = frequencies(&p, 1, 200_000);
        // 1 / H(10^12), the harmonic number being 28.2082.
        assert!((f[1] - 1.0 / 28.2082).abs() < 0.002, "{}", f[1]);
        let f = frequencies(&Popularity::hot(1000, 0.01, 0.8), 10, 200_000);
        let share: f64 = f.iter().sum();
        assert!((share - 0.8).abs() < 0.005, "{share}");
    }
}
