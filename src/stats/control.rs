//! A control: something drawn with a known mean that explains part of a figure's spread.

use super::interval::{mean, student_t};

/// The mean of `values` corrected by what a control drew more or less than its known mean, with its interval at
/// `confidence`: (value, lower, upper). Regression with one control (S. S. Lavenberg and P. D. Welch, "A perspective
/// on the use of control variables", Management Science 27, 1981); the slope costs a degree of freedom. None of fewer
/// than four replications, or of a control without spread.
///
/// Honest only where the two are nearly normal: of a rare figure it needs 50 replications and more.
pub fn controlled(
    values: &[f64],
    control: &[f64],
    known_mean: f64,
    confidence: f64,
) -> Option<(f64, f64, f64)> {
    let n = values.len();
    if n < 4 || n != control.len() {
        return None;
    }
    let (middle, drawn) = (mean(values)?, mean(control)?);
    let both = || values.iter().zip(control).map(|(v, c)| (v - middle, c - drawn));
    let spread: f64 = both().map(|(_, c)| c * c).sum();
    let shared: f64 = both().map(|(v, c)| v * c).sum();
    let slope = Some(shared / spread).filter(|slope| slope.is_finite())?;
    let excess = drawn - known_mean;
    let squares: f64 = both().map(|(v, c)| (v - slope * c) * (v - slope * c)).sum();
    let variance = squares / (n - 2) as f64 * (1.0 / n as f64 + excess * excess / spread);
    let half_width = student_t(confidence, n - 2)? * variance.sqrt();
    let value = middle - slope * excess;
    Some((value, value - half_width, value + half_width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{mean_interval, twin::Draws};

    #[test]
    fn by_hand() {
        // Slope 1.8, residuals of the line 0.1, 0.3, -0.9, 0.5: squares 1.16 / 2 * (1/4 + 0.25/5), t 4.302653.
        let (values, control) = ([1.0, 3.0, 3.6, 6.8], [1.0, 2.0, 3.0, 4.0]);
        let (value, lower, upper) = controlled(&values, &control, 2.0, 0.95).unwrap();
        assert!((value - (3.6 - 1.8 * 0.5)).abs() < 1e-12, "{value}");
        let half = 4.302_652_73 * (0.58f64 * 0.3).sqrt();
        assert!(
            (upper - value - half).abs() < 1e-7 && (value - lower - half).abs() < 1e-7,
            "{upper}"
        );
    }

    #[test]
    fn what_explains_all_leaves_no_width() {
        let control: Vec<f64> = (0..10).map(|i| f64::from(i * i)).collect();
        let values: Vec<f64> = control.iter().map(|c| 7.0 + 2.0 * c).collect();
        let (value, lower, upper) = controlled(&values, &control, 30.0, 0.95).unwrap();
        assert!((value - 67.0).abs() < 1e-9 && upper - lower < 1e-9, "{value}: {lower} {upper}");
    }

    #[test]
    fn nothing_to_go_by() {
        assert_eq!(controlled(&[1.0; 3], &[1.0, 2.0, 3.0], 2.0, 0.95), None);
        assert_eq!(controlled(&[1.0, 2.0, 3.0, 4.0], &[5.0; 4], 5.0, 0.95), None);
        assert_eq!(controlled(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0], 5.0, 0.95), None);
    }

    /// 1,000 experiments of 20 replications, half of whose variance is the control's.
    #[test]
    fn it_covers_and_is_narrower() {
        let mut draws = Draws(1981);
        let (mut covered, mut widths) = (0, [0.0, 0.0]);
        for _ in 0..1000 {
            let control: Vec<f64> = (0..20).map(|_| draws.normal()).collect();
            let values: Vec<f64> = control.iter().map(|c| 5.0 + c + draws.normal()).collect();
            let (_, lower, upper) = controlled(&values, &control, 0.0, 0.95).unwrap();
            covered += u32::from(lower <= 5.0 && 5.0 <= upper);
            let plain = mean_interval(&values, 0.95).unwrap();
            widths = [widths[0] + upper - lower, widths[1] + plain.1 - plain.0];
        }
        assert!((930..=970).contains(&covered), "{covered} of 1000");
        let narrower = widths[0] / widths[1];
        assert!((narrower - 0.5f64.sqrt()).abs() < 0.05, "{narrower}");
    }
}
