//! Figures estimated over replications, gathered while these come in: a replication leaves a few numbers and is
//! forgotten.
//!
//! Point values: a mean or a rate is the mean over replications of each one's figure; a quantile,
//! `sd` and `max` are those of the merged samples (`semantics.md` 26); a ratio (availability,
//! attempts per request) is that of the totals. Intervals are Student's t over replications; a quantile's is that of
//! the share of samples above it, read back through the merged samples; that of a share of requests which few
//! replications decide is resampled.
//!
//! **Invariant.** Integers are merged, `f64` folds go in index order: the same replications give
//! the same bits whoever finished first.

use super::{Distribution, Estimate, requests::from_ns};
use crate::stats::{self, Bounds, Histogram, QuantileSpread};

/// A figure that is averaged: its value in each replication, none where nothing was observed.
#[derive(Clone, Debug, Default)]
pub struct Means(Vec<Option<f64>>);

impl Means {
    /// Adds that of the next replication.
    pub fn push(&mut self, value: Option<f64>) {
        self.0.push(value);
    }

    /// Their mean.
    #[must_use]
    pub fn estimate(&self, confidence: f64) -> Estimate {
        Estimate::mean_of(&self.0, confidence)
    }

    /// The mean of those that were observed.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        stats::mean(&self.0.iter().flatten().copied().collect::<Vec<_>>())
    }

    /// Each of them.
    #[must_use]
    pub fn each(&self) -> &[Option<f64>] {
        &self.0
    }
}

/// A figure that is the ratio of two counts: both in each replication.
#[derive(Clone, Debug, Default)]
pub struct Ratios(Vec<(u64, u64)>);

impl Ratios {
    /// Adds those of the next replication.
    pub fn push(&mut self, top: u64, bottom: u64) {
        self.0.push((top, bottom));
    }

    /// The ratio of the totals.
    #[must_use]
    pub fn estimate(&self, confidence: f64) -> Estimate {
        Estimate::ratio_of(&self.0, confidence)
    }

    /// The ratio of the totals of parts of a whole.
    #[must_use]
    pub fn fraction(&self, confidence: f64) -> Estimate {
        self.estimate(confidence).fraction()
    }

    /// The same where few replications decide it, see [`Estimate::share_of`].
    #[must_use]
    pub fn share(&self, confidence: f64) -> Estimate {
        let pairs: Vec<_> = self.0.iter().map(|&(a, b)| (a as f64, b as f64)).collect();
        Estimate::share_of(&pairs, confidence)
    }
}

/// Statistics of a [`Distribution`] whose intervals go by those of each replication.
const STATISTICS: usize = 3;

/// The quantile up to which the largest sample may stand for an end that the samples do not reach: measured on
/// queues, that covers as often there as an end that is not known, and of p999 half as often.
const REACHED: f64 = 0.99;

/// From here on, ns, a sample stands for one that is larger than any.
const ENDLESS: f64 = 9e18;

/// Samples in ns: merged, how they spread over replications, and statistics of each replication.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    merged: Histogram,
    spread: QuantileSpread,
    each: Vec<[Option<f64>; STATISTICS]>,
}

impl Samples {
    /// As many replications without a sample.
    #[must_use]
    pub fn none(replications: usize) -> Self {
        Self { each: vec![[None; STATISTICS]; replications], ..Self::default() }
    }

    /// Adds those of the next replication.
    pub fn push(&mut self, samples: &Histogram) {
        self.merged.merge(samples);
        self.spread.push(samples);
        self.each.push(statistics(samples));
    }

    /// Adds those of the next replication, and so many that are larger than any.
    pub fn push_with_endless(&mut self, samples: &Histogram, endless: u64) {
        if endless == 0 {
            return self.push(samples);
        }
        let mut all = samples.clone();
        all.record_n(u64::MAX, endless);
        self.push(&all);
    }

    /// Those of all replications.
    #[must_use]
    pub fn merged(&self) -> &Histogram {
        &self.merged
    }

    /// Their figures, in seconds.
    #[must_use]
    pub fn distribution(&self, confidence: f64) -> Distribution {
        let each = |i: usize| self.each.iter().map(|of| of[i]).collect::<Vec<_>>();
        let [_, sd, max] = statistics(&self.merged);
        let quantile = |q: f64| self.quantile(q, confidence);
        Distribution {
            count: self.merged.count(),
            mean: Estimate::mean_of(&each(0), confidence),
            sd: Estimate::around(sd, &each(1), confidence),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: Estimate::around(max, &each(2), confidence),
        }
    }

    /// A quantile, s, with its interval (Woodruff's: `semantics.md` 26); none where it falls on what is endless.
    #[must_use]
    pub fn quantile(&self, q: f64, confidence: f64) -> Estimate {
        let interval = self.spread.interval(&self.merged, q, confidence);
        let max = || self.merged.max().filter(|_| q <= REACHED).map(|max| max as f64);
        let upper = interval.and_then(|(_, end)| if end.is_finite() { Some(end) } else { max() });
        let known = |ns: Option<f64>| ns.filter(|&ns| ns < ENDLESS).map(from_ns);
        Estimate {
            value: known(self.merged.quantile(q)),
            lower: known(interval.map(|(lower, _)| lower)),
            upper: known(upper),
            n: self.spread.replications(),
        }
    }
}

/// Mean, standard deviation and largest, in seconds.
fn statistics(samples: &Histogram) -> [Option<f64>; STATISTICS] {
    let max = samples.max().map(|v| v as f64);
    [samples.mean(), samples.sd(), max].map(|ns| ns.map(from_ns))
}

impl Estimate {
    /// The mean over replications; those that observed nothing are left out.
    pub fn mean_of(each: &[Option<f64>], confidence: f64) -> Self {
        let values: Vec<f64> = each.iter().flatten().copied().collect();
        Self::around(stats::mean(&values), each, confidence)
    }

    /// A point value with the interval of the replications' own values around it. A value that is
    /// not finite leaves no interval.
    pub fn around(value: Option<f64>, each: &[Option<f64>], confidence: f64) -> Self {
        let values: Vec<f64> = each.iter().flatten().copied().collect();
        let interval = value
            .filter(|v| v.is_finite() && values.iter().all(|v| v.is_finite()))
            .and_then(|centre| stats::interval_around(centre, &values, confidence));
        Self {
            value: value.filter(|v| v.is_finite()),
            lower: interval.map(|(lower, _)| lower),
            upper: interval.map(|(_, upper)| upper),
            n: values.len() as u64,
        }
    }

    /// An interval cut to what a fraction can be.
    #[must_use]
    pub fn fraction(self) -> Self {
        let cut = |end: Option<f64>| end.map(|v| v.clamp(0.0, 1.0));
        Self { lower: cut(self.lower), upper: cut(self.upper), ..self }
    }

    /// The ratio of the totals of `(part, whole)`, one entry per replication, with the bounds of a gate around it
    /// ([`Bounds`]): of availability under rare or clustered failures, Student's interval holds the truth in 24 to 90 %
    /// of the cases. An end that nothing can be said of is none. It costs 10,000 resamples.
    pub fn share_of(pairs: &[(f64, f64)], confidence: f64) -> Self {
        let (part, whole) = pairs.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
        let each_side = f64::midpoint(1.0, -confidence);
        let bounds = Bounds::of_ratio(pairs);
        let end = |of: fn(&Bounds, f64) -> f64| {
            bounds.as_ref().map(|bounds| of(bounds, each_side)).filter(|end| end.is_finite())
        };
        let estimate = Self {
            value: (whole > 0.0).then(|| part / whole),
            lower: end(Bounds::lower),
            upper: end(Bounds::upper),
            n: pairs.iter().filter(|pair| pair.1 > 0.0).count() as u64,
        };
        estimate.fraction()
    }

    /// The ratio of the totals of `(top, bottom)`; one entry per replication.
    pub fn ratio_of(terms: &[(u64, u64)], confidence: f64) -> Self {
        let sum = terms.iter().fold((0, 0), |sum, term| (sum.0 + term.0, sum.1 + term.1));
        let pairs: Vec<_> = terms.iter().map(|&(a, b)| (a as f64, b as f64)).collect();
        let interval = stats::ratio_interval(&pairs, confidence);
        Self {
            value: (sum.1 > 0).then(|| sum.0 as f64 / sum.1 as f64),
            lower: interval.map(|(lower, _)| lower),
            upper: interval.map(|(_, upper)| upper),
            n: terms.iter().filter(|term| term.1 > 0).count() as u64,
        }
    }
}

impl Distribution {
    /// Each statistic with its name, in the order of `results.json`.
    pub fn by_name(&self) -> [(&'static str, &Estimate); 8] {
        [
            ("mean", &self.mean),
            ("sd", &self.sd),
            ("p50", &self.p50),
            ("p90", &self.p90),
            ("p95", &self.p95),
            ("p99", &self.p99),
            ("p999", &self.p999),
            ("max", &self.max),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In each of ten replications a hundred samples of 1 to 100 ms, those of the first `shifted` 10 ms later.
    fn samples(shifted: u64, endless: u64) -> Samples {
        let mut all = Samples::default();
        for replication in 0..10 {
            let mut one = Histogram::default();
            let later = if replication < shifted { 10 } else { 0 };
            (1..=100).for_each(|ms| one.record((ms + later) * 1_000_000));
            all.push_with_endless(&one, endless);
        }
        all
    }

    #[test]
    fn a_quantile_is_known_as_well_as_the_share_above_it() {
        let same = samples(0, 0).quantile(0.5, 0.95);
        assert!((same.value.unwrap() - 0.05).abs() < 0.001, "{same:?}");
        assert_eq!((same.lower, same.upper, same.n), (same.value, same.value, 10));
        // Half of them 10 ms later: a share of 0.5 -/+ 2.262 x 0.0527 / sqrt(10), read back at one per 100 ms.
        let apart = samples(5, 0).quantile(0.5, 0.95);
        let (lower, upper) = (apart.lower.unwrap(), apart.upper.unwrap());
        assert!((apart.value.unwrap() - 0.055).abs() < 0.001, "{apart:?}");
        assert!((upper - lower - 0.0075).abs() < 0.0005, "{apart:?}");
    }

    #[test]
    fn what_the_samples_do_not_reach_is_not_known() {
        let p999 = samples(5, 0).quantile(0.999, 0.95);
        assert!(p999.value.is_some() && p999.lower.is_some(), "{p999:?}");
        assert_eq!(p999.upper, None);
        // Of p99 the largest sample stands for it.
        assert_eq!(samples(1, 0).quantile(0.99, 0.95).upper, Some(0.11));
        let never = samples(0, 5).quantile(0.99, 0.95);
        assert_eq!((never.value, never.lower, never.upper, never.n), (None, None, None, 10));
        assert!(samples(0, 5).quantile(0.9, 0.95).value.is_some());
    }
}
