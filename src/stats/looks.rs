//! When a gate looks at its replications, and how the allowed error is shared among looks and objectives.

/// Replications of a gate's first look.
const FIRST: u64 = 20;

/// Replications of the first look at a precision: fewer know too little of their own spread.
const FIRST_PRECISE: u64 = 10;

/// A predeclared number of replications at which a verdict may fall (`semantics.md` 14).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Replications 0..n-1 are judged, and no others.
    pub n: u64,
    /// Share of the allowed error that this look spends: as much as the replications it adds are of the last look's.
    /// Those of all looks add up to 1, so all of them together err no more often than allowed.
    pub spends: f64,
}

/// The looks up to `cap` replications: 20, 40, 80 and so on, and the cap itself.
pub fn looks(cap: u64) -> Vec<Look> {
    // Spending in proportion: K. K. G. Lan and D. L. DeMets, "Discrete sequential boundaries for clinical trials",
    // Biometrika 70, 1983. The simplest bound on the sum of errors, which needs no joint law of the looks.
    let mut before = 0;
    let each = doubling(FIRST, cap).map(|n| {
        let spends = (n - before) as f64 / cap as f64;
        before = n;
        Look { n, spends }
    });
    each.collect()
}

/// The looks at a precision up to `cap` replications: 10, 20, 40 and so on, and the cap itself.
///
/// Predeclared, so that no result depends on which replication finished first. Who stops where the spread looks small
/// enough is a little less sure than the interval says: in a twin 95 % intervals cover 93 to 95 % from ten replications
/// on, 90 to 95 from three.
pub fn precision_looks(cap: u64) -> impl Iterator<Item = u64> {
    doubling(FIRST_PRECISE, cap)
}

/// `first`, twice as many and so on below `cap`, and `cap`.
fn doubling(first: u64, cap: u64) -> impl Iterator<Item = u64> {
    let doubling = std::iter::successors(Some(first), |n| n.checked_mul(2));
    doubling.take_while(move |n| *n < cap).chain((cap > 0).then_some(cap))
}

/// Errors of several claims, made so that claiming all with at most `alpha` errs in any of them no more often than
/// `alpha`: Holm's step-down ("A simple sequentially rejective multiple test procedure", Scandinavian Journal of
/// Statistics 6, 1979). The smallest counts as often as there are claims, the next once less, and none less than a
/// smaller one.
pub fn holm(errors: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..errors.len()).collect();
    order.sort_by(|&a, &b| errors[a].total_cmp(&errors[b]));
    let mut adjusted = vec![1.0; errors.len()];
    let mut least = 0.0f64;
    for (rank, &i) in order.iter().enumerate() {
        least = least.max(errors[i] * (errors.len() - rank) as f64).min(1.0);
        adjusted[i] = least;
    }
    adjusted
}

/// How far the farther end of an interval is from its value, as a share of that; none of a value of 0 that is not known
/// exactly.
pub fn relative_half_width(value: f64, (lower, upper): (f64, f64)) -> Option<f64> {
    let half = (value - lower).max(upper - value);
    if half == 0.0 {
        return Some(0.0);
    }
    (value != 0.0).then(|| half / value.abs())
}

/// Replications that nobody runs.
const TOO_MANY: u64 = 100_000;

/// How many replications would tell on which side of `limit` a figure is, whose `value` and `bound` in the direction
/// of the limit are those of `n`: as many as bring the bound to the limit when its distance shrinks with the root of
/// their number, rounded up to a look. None where no number would: a value on its limit, a bound that is not known; or
/// where so many would that nobody runs them.
pub fn needed_to_tell(n: u64, value: f64, bound: f64, limit: f64) -> Option<u64> {
    needed(n, (bound - value).abs() / (limit - value).abs()).filter(|needed| *needed <= TOO_MANY)
}

/// How many replications bring a relative half width down to `wanted`, rounded up to a look.
pub fn needed_for_precision(n: u64, relative: f64, wanted: f64) -> Option<u64> {
    needed(n, relative / wanted)
}

/// The look at which what is `factor` times too wide at `n` has shrunk enough.
fn needed(n: u64, factor: f64) -> Option<u64> {
    let wanted = n as f64 * factor * factor;
    // The small term keeps 20 * 2 * 2 at 80. A thousand million is beyond any patience.
    let enough = |n: &u64| *n as f64 >= wanted - 1e-6;
    std::iter::successors(Some(FIRST), |n| Some(n * 2)).take_while(|n| *n < 1 << 30).find(enough)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::{mean, mean_interval, twin::Draws};

    fn ends(cap: u64) -> Vec<u64> {
        looks(cap).iter().map(|look| look.n).collect()
    }

    #[test]
    fn looks_double_up_to_the_cap() {
        assert_eq!(ends(320), [20, 40, 80, 160, 320]);
        assert_eq!(ends(100), [20, 40, 80, 100]);
        assert_eq!(ends(21), [20, 21]);
        assert_eq!((ends(20), ends(7), ends(0)), (vec![20], vec![7], vec![]));
        assert_eq!(precision_looks(100).collect::<Vec<_>>(), [10, 20, 40, 80, 100]);
        assert_eq!(precision_looks(10).collect::<Vec<_>>(), [10]);
        let spends: Vec<f64> = looks(320).iter().map(|look| look.spends).collect();
        assert_eq!(spends, [0.0625, 0.0625, 0.125, 0.25, 0.5]);
    }

    #[test]
    fn a_claim_among_many_must_be_surer() {
        let close = |errors: &[f64], wanted: &[f64]| {
            let got = holm(errors);
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12)
        };
        assert!(close(&[0.01, 0.04, 0.03, 0.005], &[0.03, 0.06, 0.06, 0.02]));
        assert!(close(&[0.03], &[0.03]));
        assert!(close(&[0.9, 0.5, 0.4], &[1.0, 1.0, 1.0]));
        assert!(close(&[], &[]));
    }

    #[test]
    fn how_many_would_tell() {
        // Half of the way to the limit needs four times as many.
        assert_eq!(needed_to_tell(40, 29.1, 31.0, 30.05), Some(160));
        assert_eq!(needed_to_tell(20, 1.0, 1.5, 1.499), Some(40));
        assert_eq!(needed_to_tell(20, 1.0, 0.5, 0.9), Some(640));
        assert_eq!(needed_to_tell(20, 1.0, 1.5, 1.0), None, "on its limit");
        assert_eq!(needed_to_tell(20, 1.0, 1.5, 1.008), Some(81_920));
        assert_eq!(needed_to_tell(20, 1.0, 1.5, 1.007), None, "nobody would run so many");
        assert_eq!(needed_to_tell(20, 1.0, f64::INFINITY, 2.0), None);
        assert_eq!(needed_to_tell(20, 1.0, 1.0, 1.0), None);
        assert_eq!(needed_for_precision(20, 0.04, 0.02), Some(80));
        assert_eq!(needed_for_precision(40, 0.01, 0.02), Some(20));
        assert_eq!(needed_for_precision(40, 0.01, 0.0), None);
    }

    #[test]
    fn precision_is_relative() {
        assert_eq!(relative_half_width(-50.0, (-51.0, -49.0)), Some(0.02));
        assert_eq!(relative_half_width(50.0, (49.5, 52.0)), Some(0.04));
        assert_eq!(relative_half_width(0.0, (0.0, 0.0)), Some(0.0));
        assert_eq!(relative_half_width(0.0, (-1.0, 1.0)), None);
    }

    /// Of experiments that stop at the first look at which a mean of 1 is known to within so much, the share whose
    /// interval holds it.
    fn covered(wanted: f64, draw: impl Fn(&mut Draws) -> f64) -> f64 {
        let mut draws = Draws(1);
        let experiments = 2000;
        let held = (0..experiments).filter(|_| {
            let mut values = Vec::new();
            precision_looks(1280)
                .find_map(|n| {
                    values.resize_with(n as usize, || draw(&mut draws));
                    let value = mean(&values)?;
                    let (lower, upper) = mean_interval(&values, 0.95)?;
                    let known = relative_half_width(value, (lower, upper))? <= wanted;
                    known.then_some(lower <= 1.0 && 1.0 <= upper)
                })
                .expect("a precision is reached")
        });
        held.count() as f64 / f64::from(experiments)
    }

    #[test]
    fn a_run_that_stops_when_precise_enough_is_nearly_as_sure_as_it_says() {
        let normal = |draws: &mut Draws| 1.0 + 0.06 * draws.normal();
        let skewed = |draws: &mut Draws| libm::exp(0.3 * draws.normal() - 0.045);
        for (wanted, share) in [
            (0.06, covered(0.06, normal)),
            (0.03, covered(0.03, normal)),
            (0.01, covered(0.01, normal)),
            (0.2, covered(0.2, skewed)),
            (0.05, covered(0.05, skewed)),
        ] {
            assert!((0.915..0.965).contains(&share), "{wanted}: {share}");
        }
    }

    proptest! {
        #[test]
        fn all_that_may_be_spent_is(cap in 1u64..5000) {
            let spent: f64 = looks(cap).iter().map(|look| look.spends).sum();
            prop_assert!((spent - 1.0).abs() < 1e-12);
            prop_assert!(ends(cap).is_sorted_by(|a, b| a < b) && ends(cap).last() == Some(&cap));
        }

        /// As the paper has it: the smallest claims are granted until one is not.
        #[test]
        fn adjusted_errors_are_holms(errors in prop::collection::vec(0.0f64..0.2, 1..8), alpha in 0.01f64..0.2) {
            let mut order: Vec<usize> = (0..errors.len()).collect();
            order.sort_by(|&a, &b| errors[a].total_cmp(&errors[b]));
            let enough = |rank: usize, i: usize| errors[i] * (errors.len() - rank) as f64 <= alpha;
            let granted: Vec<usize> = order
                .iter()
                .enumerate()
                .take_while(|&(rank, &i)| enough(rank, i))
                .map(|(_, &i)| i)
                .collect();
            for (i, adjusted) in holm(&errors).into_iter().enumerate() {
                prop_assert_eq!(adjusted <= alpha, granted.contains(&i));
            }
        }
    }
}
