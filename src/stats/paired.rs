//! Two designs with the same draws: what differs, seed by seed.
//!
//! All of it works on values, one per replication, whose mean is a figure: the observed ones, or for ratios and
//! quantiles [`ratio_values`](super::ratio_values) and [`quantile_values`](super::quantile_values).

use super::{bounds::Bounds, interval::mean};

/// A figure of a design against that of a base, in the same replications.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// How much more it is than in the base.
    pub difference: f64,
    /// Its interval.
    pub difference_interval: (f64, f64),
    /// How many times that of the base it is; none unless both are positive.
    pub ratio: Option<f64>,
    /// Its interval, from the differences of logarithms.
    pub ratio_interval: Option<(f64, f64)>,
    /// Correlation over replications; none where one of the two has no spread.
    pub correlation: Option<f64>,
    /// How many times fewer replications the pairs need than independent ones would: (var base + var other) /
    /// var(difference). None where the difference has no spread.
    pub gain: Option<f64>,
    /// Number of pairs.
    pub n: usize,
}

/// Compares two figures by their values in the same replications: both [`Bounds`] of their differences, which are more
/// skewed than either. An end that nothing is known of is infinite. None of fewer than two pairs.
pub fn paired(base: &[f64], other: &[f64], confidence: f64) -> Option<Paired> {
    let n = base.len().min(other.len());
    let (base, other) = (&base[..n], &other[..n]);
    let differences = differences(base, other);
    let (from, to) = (mean(base)?, mean(other)?);
    let logs = log_ratios(base, other);
    let ratio_interval = logs.as_deref().and_then(|logs| interval(logs, confidence));
    let [a, b] = [variance(base)?, variance(other)?];
    let between = variance(&differences)?;
    Some(Paired {
        difference: to - from,
        difference_interval: interval(&differences, confidence)?,
        ratio: logs.map(|_| to / from),
        ratio_interval: ratio_interval.map(|(low, high)| (libm::exp(low), libm::exp(high))),
        correlation: (a > 0.0 && b > 0.0)
            .then(|| ((a + b - between) / (2.0 * (a * b).sqrt())).clamp(-1.0, 1.0)),
        gain: (between > 0.0).then(|| (a + b) / between),
        n,
    })
}

fn interval(values: &[f64], confidence: f64) -> Option<(f64, f64)> {
    let bounds = Bounds::of_mean(values)?;
    let each = (1.0 - confidence) / 2.0;
    Some((bounds.lower(each), bounds.upper(each)))
}

/// How much more each replication of `other` has than the same of `base`; [`Bounds`](super::Bounds) of their mean judge
/// a difference.
pub fn differences(base: &[f64], other: &[f64]) -> Vec<f64> {
    base.iter().zip(other).map(|(a, b)| b - a).collect()
}

/// Values, one per replication, whose mean is the logarithm of the ratio of two means and whose spread is its spread
/// (linearised, so that a replication may have a value of 0); none unless both means are positive.
pub fn log_ratios(base: &[f64], other: &[f64]) -> Option<Vec<f64>> {
    let (from, to) = (mean(base)?, mean(other)?);
    if !(from > 0.0 && to > 0.0) {
        return None;
    }
    let centre = libm::log(to / from);
    Some(base.iter().zip(other).map(|(a, b)| centre + b / to - a / from).collect())
}

/// Whether two figures are the same bit by bit in every replication: a change without effect, which is more than a
/// difference of 0.
pub fn identical(base: &[f64], other: &[f64]) -> bool {
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    bits(base) == bits(other)
}

/// Of the values, divided by n - 1.
fn variance(values: &[f64]) -> Option<f64> {
    let middle = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|v| (v - middle) * (v - middle)).sum();
    Some(squares / (values.len() - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{interval::mean_interval, twin::Draws};

    #[test]
    fn by_hand() {
        let (base, other) = ([1.0, 2.0, 3.0], [2.0, 2.0, 5.0]);
        let of = paired(&base, &other, 0.95).unwrap();
        // Differences 1, 0, 2: mean 1, sd 1, t 4.302653; variances 1, 3, 1; covariance 1.5.
        assert_eq!((of.difference, of.n), (1.0, 3));
        let half = 4.302_652_73 / 3f64.sqrt();
        assert!((of.difference_interval.0 - (1.0 - half)).abs() < 1e-7);
        assert!((of.difference_interval.1 - (1.0 + half)).abs() < 1e-7);
        assert!((of.correlation.unwrap() - 1.5 / 3f64.sqrt()).abs() < 1e-12);
        assert!((of.gain.unwrap() - 4.0).abs() < 1e-12);
        // 3 / 2, and of the logarithms 2/3 - 1/2, 2/3 - 1, 5/3 - 3/2.
        assert_eq!(of.ratio, Some(1.5));
        let logs = [1.0 / 6.0, -1.0 / 3.0, 1.0 / 6.0].map(|v| v + libm::log(1.5));
        let ends = mean_interval(&logs, 0.95).unwrap();
        let (low, high) = of.ratio_interval.unwrap();
        assert!((low / libm::exp(ends.0) - 1.0).abs() < 1e-12);
        assert!((high / libm::exp(ends.1) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_said_is_not() {
        let of = paired(&[1.0, 2.0, 3.0], &[3.0, 4.0, 5.0], 0.95).unwrap();
        assert_eq!((of.difference_interval, of.gain), ((2.0, 2.0), None));
        let of = paired(&[0.0, 0.0], &[1.0, 2.0], 0.95).unwrap();
        assert_eq!(
            (of.ratio, of.ratio_interval, of.correlation, of.gain),
            (None, None, None, Some(1.0))
        );
        assert_eq!(paired(&[1.0], &[2.0], 0.95), None);
    }

    #[test]
    fn identical_is_more_than_equal() {
        assert!(identical(&[1.0, 0.5], &[1.0, 0.5]));
        assert!(!identical(&[1.0, 0.5], &[1.0, 0.5 + f64::EPSILON]));
        assert!(!identical(&[0.0], &[-0.0]));
        assert!(!identical(&[1.0], &[1.0, 1.0]));
    }

    /// 400 experiments of 20 pairs that share nine tenths of their variance.
    #[test]
    fn intervals_of_differences_cover_and_the_gain_is_ten() {
        let mut draws = Draws(12);
        let (mut difference, mut ratio, mut gains) = (0, 0, 0.0);
        for _ in 0..400 {
            let (mut base, mut other) = (Vec::new(), Vec::new());
            for _ in 0..20 {
                let [common, a, b] = [draws.normal(), draws.normal(), draws.normal()];
                base.push(10.0 + 0.9f64.sqrt() * common + 0.1f64.sqrt() * a);
                other.push(10.5 + 0.9f64.sqrt() * common + 0.1f64.sqrt() * b);
            }
            let of = paired(&base, &other, 0.95).unwrap();
            let covers = |(low, high): (f64, f64), truth| u32::from(low <= truth && truth <= high);
            difference += covers(of.difference_interval, 0.5);
            ratio += covers(of.ratio_interval.unwrap(), 1.05);
            gains += of.gain.unwrap() / 400.0;
        }
        assert!((367..=393).contains(&difference), "{difference} of 400");
        assert!((367..=393).contains(&ratio), "{ratio} of 400");
        // The mean of 1 / chi square takes 19/17 of it.
        assert!((gains / 11.2 - 1.0).abs() < 0.05, "{gains}");
    }
}
