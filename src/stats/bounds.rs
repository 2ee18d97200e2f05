//! One-sided bounds of a mean or a ratio over replications: what a gate stands on.
//!
//! **Invariant.** A bound and its error agree: `upper(alpha) <= limit` just when `error_at_most(limit) <= alpha` (of
//! Student's t, to rounding).

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::interval::observed;
use super::resample::Resampled;

/// From how many replications on bounds are resampled; fewer hold too few different resamples.
pub const RESAMPLED_FROM: usize = 20;

/// Residuals below this part of the values are what rounding leaves of nothing.
const NOTHING: f64 = 1e-12;

/// How bounds were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Every replication has the same value, which is taken as it is.
    Identical,
    /// Student's t: fewer replications than can be resampled. Of skewed values it promises too much.
    Student,
    /// Bootstrap-t, see [`Bounds`].
    BootstrapT,
}

/// What is known of (estimate - truth) / standard error.
#[derive(Clone, Debug, PartialEq)]
enum Law {
    Identical,
    Student(StudentsT),
    Resampled(Resampled),
}

/// Bounds of a mean, or of a ratio of totals, over replications.
///
/// Resampled with a fixed seed, 9,999 times: bootstrap-t (Efron 1981), which knows how skewed the values are and on
/// which side an estimate from few rare events errs. Of a clustered, rare figure (outages that 39 % of the runs see),
/// an upper bound at 5 % holds in 92 % of the cases at 20 and 50 replications and 95 at 800, Student's t in 80, 86 and
/// 93. Of what struck fewer than about ten times in all, no bound is to be trusted (64 % at one strike in 20 runs).
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    value: f64,
    error: f64,
    n: usize,
    law: Law,
}

impl Bounds {
    /// Of the mean of independent values; none of fewer than two.
    pub fn of_mean(values: &[f64]) -> Option<Self> {
        Self::of_pairs(&values.iter().map(|&v| (v, 1.0)).collect::<Vec<_>>())
    }

    /// Of `sum top / sum bottom` of independent pairs `(top, bottom)`; pairs of zeros observed nothing and are left
    /// out. None of fewer than two others, or without a total to divide by.
    pub fn of_ratio(pairs: &[(f64, f64)]) -> Option<Self> {
        Self::of_pairs(&observed(pairs))
    }

    fn of_pairs(pairs: &[(f64, f64)]) -> Option<Self> {
        let n = pairs.len();
        let (top, bottom) = pairs.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
        let value = Some(top / bottom).filter(|v| n > 1 && bottom > 0.0 && v.is_finite())?;
        let usual = bottom / n as f64;
        let residual = |&(a, b): &(f64, f64)| ((a - value * b) / usual, b / usual);
        let squares: f64 = pairs.iter().map(residual).map(|(e, _)| e * e).sum();
        let size: f64 = pairs.iter().map(|(a, _)| (a / usual) * (a / usual)).sum();
        let law = if squares <= NOTHING * NOTHING * size {
            Law::Identical
        } else if n < RESAMPLED_FROM {
            Law::Student(StudentsT::new(0.0, 1.0, (n - 1) as f64).ok()?)
        } else {
            Law::Resampled(Resampled::of(pairs.iter().map(residual)))
        };
        let error = (squares / ((n - 1) * n) as f64).sqrt();
        Some(Self { value, error, n, law })
    }

    /// The mean or ratio itself.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Replications that observed something.
    pub fn replications(&self) -> usize {
        self.n
    }

    /// How the bounds were found.
    pub fn method(&self) -> Method {
        match self.law {
            Law::Identical => Method::Identical,
            Law::Student(_) => Method::Student,
            Law::Resampled(_) => Method::BootstrapT,
        }
    }

    /// What the truth is at least, with an error of `alpha`; minus infinity when nothing can be said.
    pub fn lower(&self, alpha: f64) -> f64 {
        match &self.law {
            Law::Identical => self.value,
            Law::Student(law) => self.at(law.inverse_cdf(1.0 - alpha)),
            Law::Resampled(law) => self.at(law.high(alpha)),
        }
    }

    /// What the truth is at most, with an error of `alpha`; infinite when nothing can be said.
    pub fn upper(&self, alpha: f64) -> f64 {
        match &self.law {
            Law::Identical => self.value,
            Law::Student(law) => self.at(-law.inverse_cdf(1.0 - alpha)),
            Law::Resampled(law) => self.at(law.low(alpha)),
        }
    }

    /// The error of saying that the truth is at least `limit`: the smallest `alpha` with `lower(alpha) >= limit`. Of a
    /// limit below everything seen it is about 0, above it about 1.
    pub fn error_at_least(&self, limit: f64) -> f64 {
        match &self.law {
            Law::Identical => f64::from(u8::from(self.value < limit)),
            Law::Student(law) => law.sf((self.value - limit) / self.error),
            Law::Resampled(law) => law.level_high(|t| self.at(t) >= limit),
        }
    }

    /// The error of saying that the truth is at most `limit`: the smallest `alpha` with `upper(alpha) <= limit`.
    pub fn error_at_most(&self, limit: f64) -> f64 {
        match &self.law {
            Law::Identical => f64::from(u8::from(self.value > limit)),
            Law::Student(law) => law.cdf((self.value - limit) / self.error),
            Law::Resampled(law) => law.level_low(|t| self.at(t) <= limit),
        }
    }

    /// The truth if the estimate is off by `t` standard errors.
    fn at(&self, t: f64) -> f64 {
        self.value - t * self.error
    }
}

#[cfg(test)]
mod tests;
