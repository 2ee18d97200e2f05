//! How well a quantile of merged samples is known.
//!
//! The spread of each replication's own quantile is the wrong measure of it: of skewed, correlated samples that
//! quantile is biased, and so is its spread (intervals at 95 % cover 87, at any number of replications). The share of
//! samples above the merged quantile is a ratio of sums over replications and has an honest interval, which is
//! read back through the merged distribution (R. S. Woodruff, "Confidence intervals for medians and other
//! position measures", JASA 47, 1952).
//!
//! **Invariant.** All state is integer and belongs to the merged buckets: replications are taken in in any order and
//! forgotten, and memory does not grow with their number.

use super::{histogram::Histogram, interval::student_t};

/// Buckets of an octave.
const PAGE: usize = 128;

/// What the variance of the share above the lower end of a bucket needs more than that above its upper end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    /// Sum over replications of samples here times samples in all.
    with_all: u128,
    /// Sum over replications of (samples above the lower end)^2 - (samples above the upper end)^2.
    squares: u128,
}

/// The spread, over replications, of the share of samples above any value.
///
/// With `a` samples of `n` above a value in a replication, and a share `p` = sum a / sum n in all of them, the variance
/// of `p` is that of the sum of `(a - p n)`. Its squares add up to `sum a^2 - 2 p sum a n + p^2 sum n^2`: three sums
/// of integers per value, kept as steps from one bucket to the next, so that a replication costs what its
/// occupied buckets are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuantileSpread {
    /// Steps by octave; an octave without samples has none.
    pages: Vec<Vec<Step>>,
    /// Replications with samples.
    replications: u64,
    /// Sum of the squares of how many samples each has.
    squares: u128,
}

impl QuantileSpread {
    /// Of no replication yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the samples of the next replication. One without samples says nothing.
    pub fn push(&mut self, samples: &Histogram) {
        if samples.is_empty() {
            return;
        }
        let all = u128::from(samples.count());
        self.replications += 1;
        self.squares += all * all;
        let mut above = 0;
        for one in samples.occupied() {
            let here = u128::from(one.count);
            let step = self.step(one.bucket);
            step.with_all += here * all;
            step.squares += here * (2 * above + here);
            above += here;
        }
    }

    /// Replications that had samples.
    pub fn replications(&self) -> u64 {
        self.replications
    }

    fn step(&mut self, bucket: usize) -> &mut Step {
        let octave = bucket / PAGE;
        if self.pages.len() <= octave {
            self.pages.resize(octave + 1, Vec::new());
        }
        let page = &mut self.pages[octave];
        if page.is_empty() {
            page.resize(PAGE, Step::default());
        }
        &mut page[bucket % PAGE]
    }

    /// Standard error of the share of samples above the value above which `share` of all are. `merged` are the
    /// samples of all replications taken in. None of fewer than two with samples.
    ///
    /// Between the ends of a bucket, the variance is on the straight line between those at the ends.
    pub fn share_error(&self, merged: &Histogram, share: f64) -> Option<f64> {
        if self.replications < 2 {
            return None;
        }
        let all = u128::from(merged.count());
        let wanted = share * merged.count() as f64;
        let mut upper = Sums::default();
        let mut found = 0.0;
        for one in merged.occupied() {
            let step = self.pages[one.bucket / PAGE][one.bucket % PAGE];
            let lower = Sums {
                above: upper.above + u128::from(one.count),
                with_all: upper.with_all + step.with_all,
                squares: upper.squares + step.squares,
            };
            if lower.above as f64 >= wanted {
                let place = ((wanted - upper.above as f64) / one.count as f64).clamp(0.0, 1.0);
                let [top, bottom] = [upper, lower].map(|at| at.residuals(all, self.squares));
                found = top + place * (bottom - top);
                break;
            }
            upper = lower;
        }
        let r = self.replications as f64;
        Some((found * r / (r - 1.0)).sqrt() / all as f64)
    }

    /// Interval of the `q`-quantile of `merged`, which are the samples of all replications taken in, at `confidence`.
    /// None of fewer than two replications with samples.
    ///
    /// An end that the samples do not reach is not known: the upper one is infinite then, the lower one 0.
    pub fn interval(&self, merged: &Histogram, q: f64, confidence: f64) -> Option<(f64, f64)> {
        let error = self.share_error(merged, 1.0 - q)?;
        let half_width = student_t(confidence, self.replications as usize - 1)? * error;
        let upper = (q + half_width < 1.0).then(|| merged.quantile(q + half_width));
        let lower = (q - half_width > 0.0).then(|| merged.quantile(q - half_width));
        Some((lower.flatten().unwrap_or(0.0), upper.flatten().unwrap_or(f64::INFINITY)))
    }
}

/// What is known of the samples above a value.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    above: u128,
    with_all: u128,
    squares: u128,
}

impl Sums {
    /// Sum of the squares of `a - p n`.
    fn residuals(self, all: u128, n_squares: u128) -> f64 {
        let Self { above, with_all, squares } = self;
        // All of it times the square of `all`: exact up to 2^31 samples, so that replications that agree have no
        // spread at all; beyond that, cancellation leaves 1e-16 of it.
        let exact = || {
            let a = all.checked_mul(all)?.checked_mul(squares)?;
            let n = above.checked_mul(above)?.checked_mul(n_squares)?;
            let both = all.checked_mul(above)?.checked_mul(with_all)?.checked_mul(2)?;
            a.checked_add(n)?.checked_sub(both)
        };
        let [one, p] = [all as f64, above as f64 / all as f64];
        match exact() {
            Some(sum) => sum as f64 / (one * one),
            None => {
                let [a, both, n] = [squares, with_all, n_squares].map(|sum| sum as f64);
                (a - 2.0 * p * both + p * p * n).max(0.0)
            }
        }
    }
}

#[cfg(test)]
mod tests;
