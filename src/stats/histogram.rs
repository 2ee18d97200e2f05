//! A log-linear histogram: constant relative error, memory independent of the number of samples
//! (`semantics.md` 27).
//!
//! **Invariant.** All state is integer, so merging is exact and free of order; count, sum, sum of
//! squares, smallest and largest sample are exact, only the place *inside* a bucket is estimated.

/// A histogram of `u64` samples (durations in ns) with `2^SUB_BITS` sub-buckets per octave.
///
/// Values below `2^SUB_BITS` have a bucket each, so zeros are counted apart and their quantile is
/// exactly 0; above, a bucket is at most `2^-SUB_BITS` of its value wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHistogram<const SUB_BITS: u32> {
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    /// Modulo 2^128.
    sum_squares: u128,
    min: u64,
    /// Largest minus smallest; with the smallest it is one comparison per sample.
    span: u64,
}

/// A bucket that holds samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occupied {
    /// Its number.
    pub bucket: usize,
    /// How many samples.
    pub count: u64,
}

/// 128 sub-buckets per octave (0.8 %): figures of a whole run.
pub type Histogram = LogHistogram<7>;

/// 16 sub-buckets per octave (6 %): one window of a time series.
pub type CoarseHistogram = LogHistogram<4>;

impl<const SUB_BITS: u32> Default for LogHistogram<SUB_BITS> {
    fn default() -> Self {
        Self { counts: Vec::new(), count: 0, sum: 0, sum_squares: 0, min: u64::MAX, span: 0 }
    }
}

impl<const SUB_BITS: u32> LogHistogram<SUB_BITS> {
    /// An empty histogram; it takes memory when something is recorded.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one sample.
    #[inline(always)]
    pub fn record(&mut self, value: u64) {
        let bucket = Self::bucket(value);
        match self.counts.get_mut(bucket) {
            Some(count) => *count += 1,
            None => self.grow(bucket, 1),
        }
        if value.wrapping_sub(self.min) > self.span {
            self.widen(value, value);
        }
        self.count += 1;
        let wide = u128::from(value);
        self.sum += wide;
        self.sum_squares = self.sum_squares.wrapping_add(wide * wide);
    }

    /// Makes room for samples outside what was seen so far.
    #[cold]
    #[inline(never)]
    fn widen(&mut self, low: u64, high: u64) {
        let max = if self.count == 0 { high } else { (self.min + self.span).max(high) };
        self.min = self.min.min(low);
        self.span = max - self.min;
    }

    /// Counts the same sample `times` times.
    pub fn record_n(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        let bucket = Self::bucket(value);
        match self.counts.get_mut(bucket) {
            Some(count) => *count += times,
            None => self.grow(bucket, times),
        }
        self.widen(value, value);
        self.count += times;
        let wide = u128::from(value);
        self.sum += wide * u128::from(times);
        let squares = (wide * wide).wrapping_mul(u128::from(times));
        self.sum_squares = self.sum_squares.wrapping_add(squares);
    }

    /// Adds all samples of `other`.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        if other.count > 0 {
            self.widen(other.min, other.min + other.span);
        }
        self.count += other.count;
        self.sum += other.sum;
        self.sum_squares = self.sum_squares.wrapping_add(other.sum_squares);
    }

    /// The same samples, each so many times.
    #[must_use]
    pub fn times(&self, n: u64) -> Self {
        if n == 0 {
            return Self::default();
        }
        Self {
            counts: self.counts.iter().map(|count| count * n).collect(),
            count: self.count * n,
            sum: self.sum * u128::from(n),
            sum_squares: self.sum_squares.wrapping_mul(u128::from(n)),
            ..*self
        }
    }

    /// Adds all samples of a histogram with finer buckets: what recording them here would have given.
    pub fn merge_finer<const FINER: u32>(&mut self, other: &LogHistogram<FINER>) {
        const { assert!(FINER >= SUB_BITS, "finer buckets lie within coarser ones") };
        if other.count == 0 {
            return;
        }
        for (bucket, &here) in other.counts.iter().enumerate().filter(|(_, here)| **here > 0) {
            let bucket = Self::bucket(LogHistogram::<FINER>::bounds(bucket).0);
            match self.counts.get_mut(bucket) {
                Some(count) => *count += here,
                None => self.grow(bucket, here),
            }
        }
        self.widen(other.min, other.min + other.span);
        self.count += other.count;
        self.sum += other.sum;
        self.sum_squares = self.sum_squares.wrapping_add(other.sum_squares);
    }

    /// What was recorded since a former state of this histogram; of the smallest and the largest sample
    /// only the buckets are known.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        let counts: Vec<u64> =
            self.counts.iter().zip(before).map(|(now, then)| now - then).collect();
        let mut new = Self {
            count: self.count - earlier.count,
            sum: self.sum - earlier.sum,
            sum_squares: self.sum_squares.wrapping_sub(earlier.sum_squares),
            ..Self::default()
        };
        let ends = [counts.iter().position(|n| *n > 0), counts.iter().rposition(|n| *n > 0)];
        if let [Some(first), Some(last)] = ends.map(|bucket| bucket.map(Self::bounds)) {
            new.min = first.0;
            new.span = last.0 + (last.1 - 1) - first.0;
        }
        new.counts = counts;
        new
    }

    /// Forgets all samples and keeps the memory.
    pub fn clear(&mut self) {
        let mut counts = std::mem::take(&mut self.counts);
        counts.fill(0);
        *self = Self { counts, ..Self::default() };
    }

    /// Number of samples.
    #[inline]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing was recorded.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Number of samples that are exactly 0.
    pub fn zeros(&self) -> u64 {
        self.counts.first().copied().unwrap_or(0)
    }

    /// Exact sum of the samples.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// Smallest sample, exact.
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// Largest sample, exact.
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then(|| self.min + self.span)
    }

    /// Mean, from the exact sum.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// Standard deviation of the samples (divided by n), from the exact sums; none when empty, or
    /// when the sum of squares may have left 128 bits (2^28 samples of 13 days do it, nothing
    /// shorter).
    pub fn sd(&self) -> Option<f64> {
        let max = self.max()?;
        (u128::from(max) * u128::from(max)).checked_mul(u128::from(self.count))?;
        // Sum of (v - q)^2 with the whole part q of the mean: no cancellation. It is between 0 and
        // the sum of squares, so arithmetic modulo 2^128 gives it exactly.
        let n = u128::from(self.count);
        let (q, rest) = (self.sum / n, self.sum % n);
        let around = self
            .sum_squares
            .wrapping_sub(q.wrapping_mul(self.sum).wrapping_mul(2))
            .wrapping_add(q.wrapping_mul(q).wrapping_mul(n));
        let offset = rest as f64 / n as f64;
        Some((around as f64 / n as f64 - offset * offset).max(0.0).sqrt())
    }

    /// The value at rank `ceil(q n)`: exact for the first and last rank and below `2^SUB_BITS`,
    /// else interpolated inside its bucket.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let max = self.max()?;
        // The small term keeps 0.07 * 100 = 7.000000000000001 at rank 7.
        let wanted = (q * self.count as f64 - 1e-9).ceil().max(1.0);
        let rank = (wanted as u64).min(self.count);
        if rank == 1 {
            return Some(self.min as f64);
        }
        if rank == self.count {
            return Some(max as f64);
        }
        let mut before = 0;
        for (bucket, &here) in self.counts.iter().enumerate() {
            if before + here >= rank {
                let (low, width) = Self::bounds(bucket);
                if width == 1 {
                    return Some(low as f64);
                }
                let place = ((rank - before) as f64 - 0.5) / here as f64;
                let value = low as f64 + place * width as f64;
                return Some(value.clamp(self.min as f64, max as f64));
            }
            before += here;
        }
        Some(max as f64)
    }

    /// Fraction of the samples above `value`, interpolated inside its bucket; none when empty.
    pub fn fraction_above(&self, value: u64) -> Option<f64> {
        let max = self.max()?;
        if value < self.min {
            return Some(1.0);
        }
        if value >= max {
            return Some(0.0);
        }
        let bucket = Self::bucket(value);
        let (low, width) = Self::bounds(bucket);
        let above: u64 = self.counts.iter().skip(bucket + 1).sum();
        // Of the `width` whole numbers in the bucket those after `value` are above it.
        let inside = (width - 1 - (value - low)) as f64 / width as f64;
        let here = self.counts.get(bucket).copied().unwrap_or(0) as f64;
        Some((above as f64 + here * inside) / self.count as f64)
    }

    /// The complementary distribution as `(value, fraction of samples above it)`, from `(min, 1)`
    /// to `(max, 0)`; in between, exact fractions at bucket ends. At most `max_points` points (at
    /// least 2), evenly thinned; empty when nothing was recorded.
    pub fn tail_points(&self, max_points: usize) -> Vec<(u64, f64)> {
        let Some(max) = self.max() else { return Vec::new() };
        let mut points = vec![(self.min, 1.0)];
        let mut above = self.count;
        for (bucket, &here) in self.counts.iter().enumerate() {
            if here > 0 {
                above -= here;
                let (low, width) = Self::bounds(bucket);
                let top = (low + (width - 1)).min(max);
                points.push((top, above as f64 / self.count as f64));
            }
        }
        let keep = max_points.max(2);
        if points.len() <= keep {
            return points;
        }
        let last = points.len() - 1;
        (0..keep).map(|i| points[i * last / (keep - 1)]).collect()
    }

    /// Buckets that hold samples, from the largest values down.
    pub(super) fn occupied(&self) -> impl Iterator<Item = Occupied> {
        let each = self.counts.iter().enumerate().rev().filter(|(_, here)| **here > 0);
        each.map(|(bucket, &count)| Occupied { bucket, count })
    }

    /// First use of a bucket beyond the present ones; happens a few dozen times in a run.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, bucket: usize, count: u64) {
        // Whole octaves, so that nearby values do not grow it again.
        let octave = 1 << SUB_BITS;
        self.counts.resize((bucket / octave + 1) * octave, 0);
        self.counts[bucket] = count;
    }

    /// The bucket of a value: the value itself below `2^SUB_BITS`, then `2^SUB_BITS` per octave.
    #[inline]
    pub(super) fn bucket(value: u64) -> usize {
        let shift = 63 - SUB_BITS - (value | 1 << SUB_BITS).leading_zeros();
        ((u64::from(shift) << SUB_BITS) + (value >> shift)) as usize
    }

    /// Smallest value of a bucket and the number of whole values in it.
    pub(super) fn bounds(bucket: usize) -> (u64, u64) {
        let octave = (bucket >> SUB_BITS) as u32;
        let shift = octave.saturating_sub(1);
        let low = (bucket as u64 - (u64::from(shift) << SUB_BITS)) << shift;
        (low, 1 << shift)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        for &v in values {
            histogram.record(v);
        }
        histogram
    }

    /// Values of every magnitude, zeros and both ends included.
    fn sample() -> impl Strategy<Value = u64> {
        prop_oneof![
            1 => Just(0),
            1 => Just(u64::MAX),
            8 => (0u32..64, any::<u64>()).prop_map(|(shift, v)| v >> shift),
        ]
    }

    #[test]
    fn buckets_tile_the_whole_range() {
        let mut next = 0u128;
        for bucket in 0..=LogHistogram::<4>::bucket(u64::MAX) {
            let (low, width) = LogHistogram::<4>::bounds(bucket);
            assert_eq!(u128::from(low), next);
            assert_eq!(LogHistogram::<4>::bucket(low), bucket);
            assert_eq!(LogHistogram::<4>::bucket(low + (width - 1)), bucket);
            next = u128::from(low) + u128::from(width);
        }
        assert_eq!(next, 1 << 64);
    }

    #[test]
    fn empty_has_no_figures() {
        let empty = Histogram::new();
        assert!(empty.is_empty());
        assert_eq!((empty.count(), empty.zeros(), empty.sum()), (0, 0, 0));
        assert_eq!((empty.min(), empty.max(), empty.mean(), empty.sd()), (None, None, None, None));
        assert_eq!((empty.quantile(0.5), empty.fraction_above(0)), (None, None));
        assert!(empty.tail_points(10).is_empty());
    }

    #[test]
    fn what_came_since_a_former_state() {
        let former = of(&[3, 1_000_000, 7_000_000]);
        let mut now = former.clone();
        for v in [5_000, 5_000, 90_000] {
            now.record(v);
        }
        let (since, alone) = (now.since(&former), of(&[5_000, 5_000, 90_000]));
        assert_eq!((since.count(), since.sum(), since.sd()), (3, alone.sum(), alone.sd()));
        let (q, p) = (since.quantile(0.5).unwrap(), alone.quantile(0.5).unwrap());
        assert!((q / p - 1.0).abs() < 0.01, "{q} {p}");
        assert!(now.since(&now).is_empty() && now.since(&now).quantile(0.5).is_none());
        assert_eq!(now.since(&Histogram::new()).count(), 6);
    }

    #[test]
    fn zeros_are_exact() {
        let mut histogram = of(&[5_000_000]);
        histogram.record_n(0, 99);
        assert_eq!(histogram.zeros(), 99);
        assert_eq!(histogram.quantile(0.5), Some(0.0));
        assert_eq!(histogram.quantile(0.99), Some(0.0));
        assert_eq!(histogram.quantile(0.995), Some(5e6));
        assert_eq!(histogram.fraction_above(0), Some(0.01));
    }

    #[test]
    fn constant_samples_are_exact_everywhere() {
        let mut histogram = Histogram::new();
        histogram.record_n(123_456_789, 1000);
        for q in [0.0, 0.5, 0.99, 0.999, 1.0] {
            assert_eq!(histogram.quantile(q), Some(123_456_789.0));
        }
        assert_eq!(histogram.sd(), Some(0.0));
        assert_eq!(histogram.tail_points(50), vec![(123_456_789, 1.0), (123_456_789, 0.0)]);
    }

    #[test]
    fn samples_of_a_bucket_lie_in_the_middle_of_equal_parts_of_it() {
        // From 512 on, 128 buckets an octave: one is 4 wide, that of 1000 goes from 1000 to 1004. Its four
        // samples have a part of 1 each, and stand in the middle of theirs.
        let histogram = of(&[1, 1000, 1001, 1001, 1003, 9000]);
        let of_rank = |rank: f64| histogram.quantile(rank / 6.0).unwrap();
        let found = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(of_rank);
        assert_eq!(found.map(|v| v as f32), [1.0, 1000.5, 1001.5, 1002.5, 1003.5, 9000.0]);
        // Between two ranks the higher one: 0.5 x 6 is the third, a little more the fourth.
        assert_eq!(histogram.quantile(0.51), Some(1002.5));
        // No further than the samples: one of two in a bucket of 4 is at 1001, and not below the least.
        let edge = of(&[1002, 1002, 1003, 1003, 1003]);
        assert_eq!(edge.quantile(0.4), Some(1002.0), "at 1001.2 without the least sample");
        assert_eq!(edge.quantile(0.8), Some(1000.0 + 4.0 * 3.5 / 5.0));
        // Of the three whole numbers after 1000 in its bucket nobody knows who is one: 3/4 of four, and one more.
        assert_eq!(histogram.fraction_above(1000), Some((4.0 * 0.75 + 1.0) / 6.0));
    }

    #[test]
    fn sd_of_large_values_does_not_cancel() {
        let day = 86_400_000_000_000u64;
        let sd = of(&[day, day + 2]).sd().unwrap();
        assert!((sd - 1.0).abs() < 1e-12, "{sd}");
    }

    #[test]
    fn sd_is_unknown_when_squares_leave_128_bits() {
        let histogram = of(&[u64::MAX, u64::MAX]);
        assert_eq!(histogram.sd(), None);
        assert_eq!(histogram.mean(), Some(u64::MAX as f64));
    }

    #[test]
    fn tail_is_thinned_but_keeps_its_ends() {
        let values: Vec<u64> = (1..=10_000).map(|i| i * 1000).collect();
        let points = of(&values).tail_points(50);
        assert_eq!(points.len(), 50);
        assert_eq!(points.first(), Some(&(1000, 1.0)));
        assert_eq!(points.last(), Some(&(10_000_000, 0.0)));
        assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 > b.1));
    }

    proptest! {
        #[test]
        fn finer_samples_merge_as_if_recorded(values in prop::collection::vec(sample(), 0..200)) {
            let (mut fine, mut merged, mut recorded) =
                (Histogram::new(), CoarseHistogram::new(), CoarseHistogram::new());
            for half in values.chunks(100) {
                for &v in half {
                    fine.record(v);
                    recorded.record(v);
                }
                merged.merge_finer(&fine);
                fine.clear();
            }
            prop_assert!(fine.is_empty());
            prop_assert_eq!(merged, recorded);
        }

        #[test]
        fn record_n_is_record_repeated(v in sample(), n in 0u64..50) {
            let mut at_once = Histogram::new();
            at_once.record_n(v, n);
            prop_assert_eq!(at_once, of(&vec![v; n as usize]));
        }

        #[test]
        fn merge_is_free_of_order_and_same_as_recording(
            values in prop::collection::vec(sample(), 0..200),
            cuts in prop::collection::vec(0usize..3, 200),
        ) {
            let mut parts = [Histogram::new(), Histogram::new(), Histogram::new()];
            values.iter().zip(&cuts).for_each(|(&v, &part)| parts[part].record(v));
            let [a, b, c] = parts;
            let mut forward = a.clone();
            forward.merge(&b);
            forward.merge(&c);
            let mut backward = c;
            backward.merge(&b);
            backward.merge(&a);
            let whole = of(&values);
            let figures = |h: &Histogram| (
                h.count(), h.sum(), h.sd().map(f64::to_bits), h.min(), h.max(),
                [0.01, 0.5, 0.9, 0.99].map(|q| h.quantile(q).map(f64::to_bits)),
            );
            prop_assert_eq!(figures(&forward), figures(&whole));
            prop_assert_eq!(figures(&backward), figures(&whole));
        }

        /// The slow twin: everything against the sorted samples.
        #[test]
        fn agrees_with_sorted_samples(
            mut values in prop::collection::vec(sample(), 1..300),
            q in 0.0f64..=1.0,
            probe in sample(),
        ) {
            let (fine, mut coarse) = (of(&values), CoarseHistogram::new());
            for &v in &values {
                coarse.record(v);
            }
            values.sort_unstable();
            let n = values.len();
            let rank = ((q * n as f64 - 1e-9).ceil().max(1.0) as usize).min(n);
            let exact = values[rank - 1] as f64;
            prop_assert!((fine.quantile(q).unwrap() - exact).abs() <= exact / 128.0);
            prop_assert!((coarse.quantile(q).unwrap() - exact).abs() <= exact / 16.0);
            prop_assert_eq!(fine.quantile(1.0), Some(values[n - 1] as f64));
            prop_assert_eq!(fine.zeros() as usize, values.iter().filter(|&&v| v == 0).count());
            prop_assert_eq!(fine.sum(), values.iter().map(|&v| u128::from(v)).sum::<u128>());

            // Between the shares above the ends of the probe's bucket.
            let (low, width) = Histogram::bounds(Histogram::bucket(probe));
            let above = |v: u64| values.iter().filter(|&&x| x > v).count() as f64 / n as f64;
            let got = fine.fraction_above(probe).unwrap();
            prop_assert!(got >= above(low + (width - 1)) - 1e-12);
            prop_assert!(low == 0 || got <= above(low - 1) + 1e-12);
            for (value, fraction) in fine.tail_points(1000).into_iter().skip(1) {
                prop_assert_eq!(fraction.to_bits(), above(value).to_bits());
            }
        }

        #[test]
        fn mean_and_sd_agree_with_two_passes(
            values in prop::collection::vec(0u64..1_000_000_000_000, 1..100),
        ) {
            let n = values.len() as f64;
            let mean = values.iter().map(|&v| v as f64).sum::<f64>() / n;
            let sd = (values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n).sqrt();
            let histogram = of(&values);
            prop_assert!((histogram.mean().unwrap() - mean).abs() <= 1e-9 * mean.max(1.0));
            prop_assert!((histogram.sd().unwrap() - sd).abs() <= 1e-6 * sd.max(1.0));
        }
    }
}
