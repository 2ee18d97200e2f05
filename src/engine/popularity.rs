//! Which key is asked for: Zipf, uniform, hot set.
//!
//! **Invariant.** A key is its rank, 1..=n; a sample takes one word (Zipf by rejection: a few).

use std::sync::Arc;

use super::random::Draw;

/// Keys up to which Zipf is sampled from a table.
const TABLE: u64 = 1 << 20;

/// A law over keys 1..=n.
#[derive(Clone, Debug)]
pub enum Popularity {
    /// Alias table: threshold and alias per rank (Walker 1977, Vose 1991).
    Table(Arc<[(u32, u32)]>),
    /// Rejection-inversion.
    Zipf(Box<RejectionInversion>),
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

/// Zipf by rejection-inversion (W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates
/// from monotone discrete distributions", ACM TOMACS 6(3), 1996).
#[derive(Clone, Debug)]
pub struct RejectionInversion {
    n: f64,
    s: f64,
    /// H(1.5) - 1 and H(n + 0.5).
    low: f64,
    high: f64,
    /// Below this distance a candidate is taken without evaluating H.
    sure: f64,
}

impl Popularity {
    /// P(k) proportional to k^-s.
    pub fn zipf(n: u64, s: f64) -> Self {
        if s == 0.0 {
            return Self::Uniform(n);
        }
        if n <= TABLE {
            Self::Table(alias(n as usize, s))
        } else {
            Self::Zipf(Box::new(RejectionInversion::new(n, s)))
        }
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

    /// A key.
    #[inline(always)]
    pub fn sample(&self, draw: &mut Draw) -> u64 {
        match self {
            Self::Table(table) => {
                // One multiplication gives the rank and, from the bits below it, the toss.
                let wide = u128::from(draw.word()) * table.len() as u128;
                let i = (wide >> 64) as u64;
                let (threshold, other) = table[i as usize];
                1 + if ((wide >> 32) as u32) < threshold { i } else { u64::from(other) }
            }
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

/// The alias table of k^-s, k = 1..=n.
fn alias(n: usize, s: f64) -> Arc<[(u32, u32)]> {
    let mut p: Vec<f64> = (1..=n).map(|k| libm::exp(-s * libm::log(k as f64))).collect();
    let scale = n as f64 / p.iter().sum::<f64>();
    for x in &mut p {
        *x *= scale;
    }
    // Weights fall, so the large ones are a prefix: two cursors take the place of two stacks.
    let mut table: Vec<(u32, u32)> = (0..n).map(|i| (u32::MAX, i as u32)).collect();
    let first_small = p.partition_point(|&x| x >= 1.0);
    let mut large = 0;
    let fill = |slot: usize, large: &mut usize, p: &mut Vec<f64>, table: &mut Vec<(u32, u32)>| {
        // Fills `slot` from the current large rank; a large rank drained below 1 is filled from the
        // next one in turn.
        let mut slot = slot;
        while *large < first_small {
            table[slot] = ((p[slot] * 4_294_967_296.0) as u32, *large as u32);
            p[*large] -= 1.0 - p[slot];
            if p[*large] >= 1.0 {
                return;
            }
            slot = *large;
            *large += 1;
        }
    };
    for small in first_small..n {
        fill(small, &mut large, &mut p, &mut table);
    }
    table.into()
}

impl RejectionInversion {
    fn new(n: u64, s: f64) -> Self {
        let n = n as f64;
        let mut z = Self { n, s, low: 0.0, high: 0.0, sure: 0.0 };
        z.low = z.integral(1.5) - 1.0;
        z.high = z.integral(n + 0.5);
        z.sure = 2.0 - z.inverse(z.integral(2.5) - z.weight(2.0));
        z
    }

    fn weight(&self, x: f64) -> f64 {
        libm::exp(-self.s * libm::log(x))
    }

    /// H(x): the integral of x^-s, (x^(1-s) - 1) / (1 - s), stable near s = 1.
    fn integral(&self, x: f64) -> f64 {
        let log = libm::log(x);
        let t = (1.0 - self.s) * log;
        let ratio =
            if t.abs() > 1e-8 { libm::expm1(t) / t } else { 1.0 + t / 2.0 * (1.0 + t / 3.0) };
        ratio * log
    }

    fn inverse(&self, y: f64) -> f64 {
        let t = (y * (1.0 - self.s)).max(-1.0);
        let ratio = if t.abs() > 1e-8 { libm::log1p(t) / t } else { 1.0 - t / 2.0 + t * t / 3.0 };
        libm::exp(ratio * y)
    }

    fn sample(&self, draw: &mut Draw) -> u64 {
        loop {
            let u = self.high + draw.unit() * (self.low - self.high);
            let x = self.inverse(u);
            let k = x.round().clamp(1.0, self.n);
            if k - x <= self.sure || u >= self.integral(k + 0.5) - self.weight(k) {
                return k as u64;
            }
        }
    }
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
    fn both_zipf_samplers_have_the_exact_frequencies() {
        for (n, s) in [(10u64, 0.5), (1000, 0.99), (1000, 1.0), (1000, 1.5), (50_000, 0.8)] {
            let total: f64 = (1..=n).map(|k| libm::pow(k as f64, -s)).sum();
            let table = Popularity::zipf(n, s);
            let rejection = Popularity::Zipf(Box::new(RejectionInversion::new(n, s)));
            for p in [table, rejection] {
                let f = frequencies(&p, 10, 1_000_000);
                for k in 1..=10usize.min(n as usize) {
                    let exact = libm::pow(k as f64, -s) / total;
                    let sd = libm::sqrt(exact * (1.0 - exact) / 1e6);
                    assert!((f[k] - exact).abs() < 5.0 * sd, "n={n} s={s} k={k}: {} {exact}", f[k]);
                }
            }
        }
    }

    #[test]
    fn the_alias_table_is_exact() {
        for (n, s) in [(1usize, 1.0), (7, 0.3), (1000, 0.99), (100_000, 1.2)] {
            let table = alias(n, s);
            let total: f64 = (1..=n).map(|k| libm::pow(k as f64, -s)).sum();
            let mut mass = vec![0.0; n];
            for (i, &(threshold, other)) in table.iter().enumerate() {
                let own = f64::from(threshold) / 4_294_967_296.0;
                mass[i] += own / n as f64;
                mass[other as usize] += (1.0 - own) / n as f64;
            }
            for (k, mass) in (1..=n).zip(mass) {
                let exact = libm::pow(k as f64, -s) / total;
                assert!((mass - exact).abs() < 1e-9 * exact.max(1e-3), "n={n} k={k}");
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
