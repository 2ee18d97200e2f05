//! Intervals over replications: the unit is the replication, never the request.
//!
//! **Invariant.** Sums are folded in index order, so the same values give the same bits whoever
//! finished first; fewer than two values have no interval.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Mean, folded in index order; none when empty.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Interval of the mean of independent values at `confidence` (0.95): Student's t.
pub fn mean_interval(values: &[f64], confidence: f64) -> Option<(f64, f64)> {
    interval_around(mean(values)?, values, confidence)
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
    let law = StudentsT::new(0.0, 1.0, degrees_of_freedom as f64).ok()?;
    Some(law.inverse_cdf(f64::midpoint(1.0, confidence)))
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
