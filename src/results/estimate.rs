//! Figures estimated over replications, gathered while these come in: a replication leaves a few numbers and is
//! forgotten.
//!
//! Point values: a mean or a rate is the mean over replications of each one's figure; a quantile,
//! `sd` and `max` are those of the merged samples (`semantics.md` 26); a ratio (availability,
//! attempts per request) is that of the totals. Intervals are Student's t of the replications'
//! own figures, put around the point value.
//!
//! **Invariant.** Integers are merged, `f64` folds go in index order: the same replications give
//! the same bits whoever finished first.

use super::{Distribution, Estimate, requests::from_ns};
use crate::stats::{self, Histogram};

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
}

/// Statistics of a [`Distribution`].
const STATISTICS: usize = 8;

/// Samples in ns: merged, and the statistics of each replication.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    merged: Histogram,
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
        self.each.push(statistics(samples));
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
        let all = statistics(&self.merged);
        let around = |i: usize| Estimate::around(all[i], &each(i), confidence);
        Distribution {
            count: self.merged.count(),
            mean: Estimate::mean_of(&each(0), confidence),
            sd: around(1),
            p50: around(2),
            p90: around(3),
            p95: around(4),
            p99: around(5),
            p999: around(6),
            max: around(7),
        }
    }
}

/// In the order of [`Distribution::by_name`], in seconds.
fn statistics(samples: &Histogram) -> [Option<f64>; STATISTICS] {
    let quantile = |q| samples.quantile(q);
    let max = samples.max().map(|v| v as f64);
    let [p50, p90, p95, p99, p999] = [0.5, 0.9, 0.95, 0.99, 0.999].map(quantile);
    [samples.mean(), samples.sd(), p50, p90, p95, p99, p999, max].map(|ns| ns.map(from_ns))
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

    /// The ratio of the totals of `(top, bottom)`; one entry per replication.
    pub fn ratio_of(terms: &[(u64, u64)], confidence: f64) -> Self {
        let ratio = |(top, bottom): (u64, u64)| (bottom > 0).then(|| top as f64 / bottom as f64);
        let sum = terms.iter().fold((0, 0), |sum, term| (sum.0 + term.0, sum.1 + term.1));
        let each: Vec<_> = terms.iter().map(|&term| ratio(term)).collect();
        Self::around(ratio(sum), &each, confidence)
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
