//! Intervals over replications: the unit is the replication, never the request.
//!
//! **Invariant.** Sums are folded in index order, so the same values give the same bits whoever
//! finished first; fewer than two values have no interval.

use std::cell::Cell;

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Mean, folded in index order; none when empty.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Interval of the mean of independent values at `confidence` (0.95): Student's t.
pub fn mean_interval(values: &[f64], confidence: f64) -> Option<(f64, f64)> {
    interval_around(mean(values)?, values, confidence)
}

/// Values, one per pair, whose mean is the ratio of the totals `sum top / sum bottom` and whose spread is its spread:
/// the ratio estimator, linearised (W. G. Cochran, "Sampling Techniques", 1977, 6.4). What can be said of a mean
/// of independent values, differences of two designs included, can be said of them. None without a total to divide by.
pub fn ratio_values(pairs: &[(f64, f64)]) -> Option<Vec<f64>> {
    let (top, bottom) = pairs.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
    let ratio = top / bottom;
    let usual = bottom / pairs.len() as f64;
    let value = |&(a, b): &(f64, f64)| ratio + (a - ratio * b) / usual;
    (bottom > 0.0).then(|| pairs.iter().map(value).collect())
}

/// Interval of the ratio of the totals `sum top / sum bottom` of independent pairs `(top, bottom)` at `confidence`:
/// Student's t on [`ratio_values`]. Pairs of zeros observed nothing and are left out.
pub fn ratio_interval(pairs: &[(f64, f64)], confidence: f64) -> Option<(f64, f64)> {
    mean_interval(&ratio_values(&observed(pairs))?, confidence)
}

/// Pairs that are not both zero.
pub(super) fn observed(pairs: &[(f64, f64)]) -> Vec<(f64, f64)> {
    pairs.iter().copied().filter(|&pair| pair != (0.0, 0.0)).collect()
}

/// `centre` -/+ t * sd(values) / sqrt(n): the interval of a merged quantile around its own value
/// (`semantics.md` 26), or of the mean when `centre` is the mean.
pub fn interval_around(centre: f64, values: &[f64], confidence: f64) -> Option<(f64, f64)> {
    let n = values.len();
    if n < 2 {
        return None;
    }
    let middle = mean(values)?;
    let squares: f64 = values.iter().map(|v| (v - middle) * (v - middle)).sum();
    let sd = (squares / (n - 1) as f64).sqrt();
    let half_width = student_t(confidence, n - 1)? * sd / (n as f64).sqrt();
    Some((centre - half_width, centre + half_width))
}

/// The two-sided quantile of Student's t at `confidence`; none without degrees of freedom or with
/// a confidence outside (0, 1).
pub fn student_t(confidence: f64, degrees_of_freedom: usize) -> Option<f64> {
    if !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let asked = (confidence, degrees_of_freedom);
    if let Some((_, known)) = LAST.get().filter(|(last, _)| *last == asked) {
        return Some(known);
    }
    let law = StudentsT::new(0.0, 1.0, degrees_of_freedom as f64).ok()?;
    let found = law.inverse_cdf(f64::midpoint(1.0, confidence));
    LAST.set(Some((asked, found)));
    Some(found)
}

thread_local! {
    /// What was asked for last, which is what nearly all figures of a run ask for: it is found by bisection.
    static LAST: Cell<Option<((f64, usize), f64)>> = const { Cell::new(None) };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn t_values_of_the_printed_tables() {
        for (confidence, df, table) in [
            (0.95, 1, 12.706_204_736),
            (0.95, 4, 2.776_445_105),
            (0.95, 9, 2.262_157_163),
            (0.95, 29, 2.045_229_642),
            (0.99, 9, 3.249_835_542),
            (0.90, 19, 1.729_132_812),
            (0.95, 1000, 1.962_339_081),
        ] {
            let t = student_t(confidence, df).unwrap();
            assert!((t - table).abs() < 1e-8, "t({confidence}, {df}) = {t}, table {table}");
        }
    }

    #[test]
    fn worked_example() {
        // Mean 3, sd sqrt(2.5), n 5: half-width 2.776445 * 0.707107.
        let (lower, upper) = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        assert!((lower - 1.036_756_838).abs() < 1e-8, "{lower}");
        assert!((upper - 4.963_243_162).abs() < 1e-8, "{upper}");
    }

    #[test]
    fn a_ratio_by_hand() {
        // 6 of 40; residuals -0.5, 1.5 and -1 over a usual bottom of 40/3.
        let pairs = [(1.0, 10.0), (3.0, 10.0), (2.0, 20.0)];
        let values = ratio_values(&pairs).unwrap();
        for (value, by_hand) in values.iter().zip([0.1125, 0.2625, 0.075]) {
            assert!((value - by_hand).abs() < 1e-15, "{values:?}");
        }
        // Standard error sqrt(3.5 * 3/2) / 40, and 4.302653 of them.
        let (lower, upper) = ratio_interval(&pairs, 0.95).unwrap();
        assert!((upper - 0.15 - 0.246_465_40).abs() < 1e-7, "{upper}");
        assert!((0.15 - lower - 0.246_465_40).abs() < 1e-7, "{lower}");
        // Who observed nothing is no witness.
        let with_empty = [pairs[0], (0.0, 0.0), pairs[1], pairs[2]];
        assert_eq!(ratio_interval(&with_empty, 0.95), Some((lower, upper)));
        assert_eq!(ratio_interval(&[(1.0, 10.0), (0.0, 0.0)], 0.95), None);
        assert_eq!(ratio_values(&[(0.0, 0.0), (0.0, 0.0)]), None);
        assert_eq!(ratio_values(&[]), None);
    }

    #[test]
    fn one_value_or_none_has_no_interval() {
        assert_eq!(mean(&[]), None);
        assert_eq!(mean_interval(&[], 0.95), None);
        assert_eq!(mean_interval(&[1.0], 0.95), None);
        assert_eq!(student_t(0.95, 0), None);
        assert_eq!(student_t(1.0, 5), None);
        assert_eq!(student_t(f64::NAN, 5), None);
    }

    proptest! {
        #[test]
        fn of_equal_bottoms_a_ratio_is_a_mean(
            tops in prop::collection::vec(0.0f64..1e6, 2..40),
            bottom in 1.0f64..1e6,
        ) {
            let pairs: Vec<_> = tops.iter().map(|&top| (top, bottom)).collect();
            let ratios: Vec<_> = tops.iter().map(|top| top / bottom).collect();
            let (ratio, plain) = (ratio_values(&pairs).unwrap(), mean_interval(&ratios, 0.9).unwrap());
            let (lower, upper) = mean_interval(&ratio, 0.9).unwrap();
            let rounding = 1e-9 * (1.0 + plain.1.abs());
            prop_assert!((lower - plain.0).abs() < rounding && (upper - plain.1).abs() < rounding);
        }

        #[test]
        fn interval_keeps_its_centre_and_grows_with_confidence(
            values in prop::collection::vec(-1e6f64..1e6, 2..40),
            centre in -1e6f64..1e6,
        ) {
            let (lower, upper) = interval_around(centre, &values, 0.95).unwrap();
            prop_assert!(lower <= centre && centre <= upper);
            prop_assert!(((upper - centre) - (centre - lower)).abs() <= 1e-6);
            let (wider, _) = interval_around(centre, &values, 0.99).unwrap();
            prop_assert!(wider <= lower);
        }
    }
}
