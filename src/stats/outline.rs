//! The samples of one replication, small enough to be kept where pairs of replications are compared.

use super::{
    histogram::Histogram,
    interval::{mean, ratio_values},
};

/// How many samples are above any value: what is needed of a histogram to see how its replication moves a quantile of
/// all. 16 bytes for each occupied bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Buckets from the largest values down: number, and how many samples are in it or above.
    steps: Vec<(usize, u64)>,
}

impl From<&Histogram> for Outline {
    fn from(samples: &Histogram) -> Self {
        let mut sum = 0;
        let steps = samples.occupied().map(|one| {
            sum += one.count;
            (one.bucket, sum)
        });
        Self { steps: steps.collect() }
    }
}

impl Outline {
    /// Number of samples.
    pub fn count(&self) -> u64 {
        self.steps.last().map_or(0, |last| last.1)
    }

    /// How many samples are above `value`, spread evenly over the bucket it is in.
    pub fn above(&self, value: f64) -> f64 {
        let bucket = Histogram::bucket(value as u64);
        let next = self.steps.partition_point(|step| step.0 > bucket);
        let above = next.checked_sub(1).map_or(0, |i| self.steps[i].1);
        let here = self.steps.get(next).filter(|step| step.0 == bucket).map_or(0, |s| s.1 - above);
        let (low, width) = Histogram::bounds(bucket);
        // A bucket of one value has nothing above that value.
        let part = if width == 1 { 0.0 } else { 1.0 - (value - low as f64) / width as f64 };
        above as f64 + here as f64 * part.clamp(0.0, 1.0)
    }
}

/// Values, one per replication, whose mean is the `q`-quantile of the merged samples and whose spread is its spread:
/// the share of a replication's samples above that quantile, turned into a distance by how fast the quantile moves
/// with the share there (C. A. Francisco and W. A. Fuller, "Quantile estimation with a complex survey design",
/// Annals of Statistics 19, 1991). For differences between two designs with the same draws; of one design alone,
/// [`QuantileSpread`](super::QuantileSpread) is better. None without samples in two replications.
pub fn quantile_values(merged: &Histogram, q: f64, each: &[Outline]) -> Option<Vec<f64>> {
    let centre = merged.quantile(q)?;
    if each.iter().filter(|one| one.count() > 0).count() < 2 {
        return None;
    }
    let pairs: Vec<_> = each.iter().map(|one| (one.above(centre), one.count() as f64)).collect();
    let shares = ratio_values(&pairs)?;
    let middle = mean(&shares)?;
    let slope = slope(merged, q, standard_error(&shares, middle))?;
    Some(shares.iter().map(|share| centre + slope * (share - middle)).collect())
}

/// Of the mean.
fn standard_error(values: &[f64], middle: f64) -> f64 {
    let squares: f64 = values.iter().map(|v| (v - middle) * (v - middle)).sum();
    (squares / (values.len() - 1) as f64 / values.len() as f64).sqrt()
}

/// How much a quantile grows per share of samples more above it, where that share has a standard error of `error`.
fn slope(merged: &Histogram, q: f64, error: f64) -> Option<f64> {
    // Over the range in which the share is uncertain, a few samples at least, but no more than half of the way to
    // the nearer end: there, of an exponential tail, it is 10 % too steep, which is on the safe side.
    let few = 2.0 / merged.count() as f64;
    let reach = (2.0 * error).max(few).min(0.5 * q.min(1.0 - q));
    let [low, high] = [q - reach, q + reach].map(|at| merged.quantile(at));
    Some((high? - low?) / (2.0 * reach)).filter(|slope| slope.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{QuantileSpread, paired, twin::Draws};

    /// Replications of exponential samples around means that differ.
    fn sampled(scale: f64) -> (Histogram, Vec<Outline>, QuantileSpread) {
        let mut draws = Draws(8);
        let (mut merged, mut spread) = (Histogram::new(), QuantileSpread::new());
        let each = (0..40).map(|_| {
            let mean = scale * (0.8 + 0.4 * draws.unit());
            let mut own = Histogram::new();
            (0..500).for_each(|_| own.record((mean * draws.exponential()) as u64));
            merged.merge(&own);
            spread.push(&own);
            Outline::from(&own)
        });
        let each = each.collect();
        (merged, each, spread)
    }

    #[test]
    fn it_counts_what_is_above() {
        let mut samples = Histogram::new();
        for v in [0, 0, 1, 1000, 1001, 1001, 1003, 9000] {
            samples.record(v);
        }
        let outline = Outline::from(&samples);
        assert_eq!(outline.count(), 8);
        // The bucket of 1000 ends before 1004.
        let above = [0.0, 1.0, 2.0, 999.0, 1000.0, 1001.0, 1003.0, 1004.0, 1e9];
        assert_eq!(above.map(|v| outline.above(v)), [6.0, 5.0, 5.0, 5.0, 5.0, 4.0, 2.0, 1.0, 0.0]);
        assert_eq!((Outline::default().count(), Outline::default().above(0.0)), (0, 0.0));
    }

    #[test]
    fn the_values_have_the_quantile_for_mean_and_its_spread() {
        let (merged, each, spread) = sampled(1e7);
        for q in [0.5, 0.9, 0.99] {
            let values = quantile_values(&merged, q, &each).unwrap();
            let (low, high) = crate::stats::mean_interval(&values, 0.95).unwrap();
            let centre = merged.quantile(q).unwrap();
            assert!((f64::midpoint(low, high) / centre - 1.0).abs() < 1e-9, "{q}: {low} {high}");
            let (lower, upper) = spread.interval(&merged, q, 0.95).unwrap();
            let wider = (high - low) / (upper - lower);
            assert!((0.95..1.2).contains(&wider), "{q}: {wider}");
        }
    }

    #[test]
    fn pairs_know_of_a_scale_far_more_than_both_designs() {
        let (base, other) = (sampled(1e7), sampled(1.02e7));
        let [a, b] = [&base, &other].map(|of| quantile_values(&of.0, 0.99, &of.1).unwrap());
        let of = paired(&a, &b, 0.95).unwrap();
        let (ratio, gain) = (of.ratio.unwrap(), of.gain.unwrap());
        assert!((ratio - 1.02).abs() < 0.004, "{ratio}");
        assert!(gain > 200.0, "{gain}");
    }

    #[test]
    fn without_samples_in_two_replications_there_are_none() {
        let (merged, mut each, _) = sampled(1e7);
        each.truncate(1);
        each.push(Outline::default());
        assert_eq!(quantile_values(&merged, 0.5, &each), None);
        assert_eq!(quantile_values(&Histogram::new(), 0.5, &[]), None);
    }
}
