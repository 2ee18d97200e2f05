//! Resampling with replacement, the same on every machine.
//!
//! **Invariant.** Draws are integers from a fixed seed and sums go in the order of the draws: the same values give
//! the same bits everywhere and every time.

/// Resamples: with `k / (RESAMPLES + 1)` every level of four digits is one of them.
pub(super) const RESAMPLES: usize = 9_999;

/// Any number will do, and it must never change.
const SEED: u64 = 0x5769_6e64_7475_6e6e;

/// Below this part of its own terms, a sum of squares around the mean is what rounding leaves of nothing.
const NOTHING: f64 = 1e-12;

/// A pair of a ratio: the residual of its top, its bottom, and their products. Bottoms are 1 in the mean.
#[derive(Clone, Copy, Debug, Default)]
struct Terms {
    e: f64,
    b: f64,
    ee: f64,
    eb: f64,
    bb: f64,
}

impl Terms {
    fn of(e: f64, b: f64) -> Self {
        Self { e, b, ee: e * e, eb: e * b, bb: b * b }
    }

    fn add(&mut self, other: &Self) {
        self.e += other.e;
        self.b += other.b;
        self.ee += other.ee;
        self.eb += other.eb;
        self.bb += other.bb;
    }

    /// (estimate - truth) / standard error, `n` pairs being drawn of a whole whose ratio has residual 0.
    fn studentised(&self, n: f64) -> f64 {
        let shift = self.e / self.b;
        let squares = self.ee - 2.0 * shift * self.eb + shift * shift * self.bb;
        if squares <= NOTHING * (self.ee + shift * shift * self.bb) {
            // No spread: it knows nothing of its error, which may be anything in that direction.
            return if self.e == 0.0 { f64::NAN } else { f64::INFINITY.copysign(self.e) };
        }
        self.e * ((n - 1.0) / (n * squares)).sqrt()
    }
}

/// The distribution of (estimate - truth) / standard error as the data themselves have it: bootstrap-t (B. Efron,
/// "Nonparametric standard errors and confidence intervals", Canadian Journal of Statistics 9, 1981).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resampled {
    /// In ascending order.
    sorted: Vec<f64>,
    /// Resamples that have neither spread nor a direction.
    aimless: usize,
}

impl Resampled {
    /// Of residuals around a ratio and their bottoms, which are 1 in the mean.
    pub(super) fn of(pairs: impl Iterator<Item = (f64, f64)>) -> Self {
        let rows: Vec<Terms> = pairs.map(|(e, b)| Terms::of(e, b)).collect();
        let mut state = SEED;
        let mut sorted: Vec<f64> = (0..RESAMPLES)
            .map(|_| resample(&rows, &mut state).studentised(rows.len() as f64))
            .filter(|t| !t.is_nan())
            .collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let aimless = RESAMPLES - sorted.len();
        Self { sorted, aimless }
    }

    /// What all but `alpha` of the resamples exceed, rounded to the safe side.
    pub(super) fn low(&self, alpha: f64) -> f64 {
        let at = self.rank(alpha).and_then(|i| self.sorted.get(i));
        at.copied().unwrap_or(f64::NEG_INFINITY)
    }

    /// What `alpha` of the resamples exceed, rounded to the safe side.
    pub(super) fn high(&self, alpha: f64) -> f64 {
        let at = self.rank(alpha).and_then(|i| self.sorted.iter().nth_back(i));
        at.copied().unwrap_or(f64::INFINITY)
    }

    /// Place from either end that belongs to a level, counted from 0; none where aimless ones are.
    fn rank(&self, alpha: f64) -> Option<usize> {
        // The small term keeps 0.05 * 10,000 at 500.
        let k = (alpha * (RESAMPLES + 1) as f64 + 1e-9).floor() as usize;
        k.checked_sub(self.aimless + 1)
    }

    /// The smallest level at which [`low`](Self::low) is `fine`, which it is from some value on.
    pub(super) fn level_low(&self, fine: impl Fn(f64) -> bool) -> f64 {
        self.level(self.sorted.partition_point(|&t| !fine(t)))
    }

    /// The smallest level at which [`high`](Self::high) is `fine`, which it is up to some value.
    pub(super) fn level_high(&self, fine: impl Fn(f64) -> bool) -> f64 {
        self.level(self.sorted.len() - self.sorted.partition_point(|&t| fine(t)))
    }

    fn level(&self, beyond: usize) -> f64 {
        (self.aimless + beyond + 1) as f64 / (RESAMPLES + 1) as f64
    }
}

/// Sums over as many rows as there are, drawn with replacement.
fn resample(rows: &[Terms], state: &mut u64) -> Terms {
    let n = rows.len() as u64;
    let mut sum = Terms::default();
    let mut left = rows.len();
    while left > 0 {
        let word = splitmix(state);
        // Two draws of 32 bits each; the bias is below n / 2^32.
        for half in [word >> 32, word & 0xffff_ffff].into_iter().take(left) {
            sum.add(&rows[((half * n) >> 32) as usize]);
        }
        left = left.saturating_sub(2);
    }
    sum
}

/// The next 64 bits of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
pub(super) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
