//! How much of a run's start is to be deleted.
//!
//! **Invariant.** Never more than half is deleted.

/// Values that make a batch.
const BATCH: usize = 5;

/// From where on a series is steady.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steady {
    /// The first value of the steady part.
    pub from: usize,
    /// Whether it is: else half of the series is left out, and its rest moves all the same.
    pub found: bool,
}

/// MSER-5 (K. P. White, "An effective truncation heuristic for bias reduction in simulation output", Simulation
/// 69(6), 1997; the batches of five: White, Cobb and Spratt, WSC 2000): of all truncations of the means of
/// five values each the one after which the mean is known best, that is, with the least sum of squares
/// over the square of how many are left.
pub fn mser(values: &[f64]) -> Steady {
    let batches: Vec<f64> =
        values.chunks_exact(BATCH).map(|five| five.iter().sum::<f64>() / BATCH as f64).collect();
    let n = batches.len();
    let statistic = |d: usize| {
        let rest = &batches[d..];
        let mean = rest.iter().sum::<f64>() / rest.len() as f64;
        let squares: f64 = rest.iter().map(|v| (v - mean) * (v - mean)).sum();
        squares / (rest.len() * rest.len()) as f64
    };
    // The last few batches agree by chance.
    let last = n.saturating_sub(BATCH);
    let best = (0..=last)
        .map(|d| (d, statistic(d)))
        .fold((0, f64::INFINITY), |best, one| if one.1 < best.1 { one } else { best });
    let half = n / 2;
    Steady { from: best.0.min(half) * BATCH, found: n >= 2 * BATCH && best.0 <= half }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random noise in -0.5..0.5.
    fn noise(i: usize) -> f64 {
        crate::engine::random::mix(i as u64) as f64 / u64::MAX as f64 - 0.5
    }

    #[test]
    fn a_decaying_start_is_deleted() {
        // 10 exp(-t/10) has fallen to 0.5, what the noise of a batch is, after 30 values.
        let values: Vec<f64> =
            (0..200).map(|i| 10.0 * libm::exp(-(i as f64) / 10.0) + noise(i)).collect();
        let Steady { from, found } = mser(&values);
        assert!(found && (25..=45).contains(&from), "{from}");
    }

    #[test]
    fn it_is_where_an_independent_program_has_it() {
        // The truncation with the least squared standard error of the batch means, by `statistics` of Python.
        for (height, time, many, from) in [
            (10.0, 10.0, 200, 45),
            (3.0, 30.0, 300, 100),
            (1.0, 50.0, 500, 135),
            (0.0, 1.0, 200, 5),
            (100.0, 5.0, 120, 35),
        ] {
            let saw = |i: usize| (i * 7919 % 101) as f64 / 101.0 - 0.5;
            let value = |i: usize| height * libm::exp(-(i as f64) / time) + saw(i);
            let values: Vec<f64> = (0..many).map(value).collect();
            assert_eq!(mser(&values), Steady { from, found: true }, "{height} {time} {many}");
        }
    }

    #[test]
    fn what_is_steady_from_the_start_keeps_nearly_all() {
        let values: Vec<f64> = (0..200).map(|i| 7.0 + noise(i)).collect();
        let Steady { from, found } = mser(&values);
        assert!(found && from <= 40, "{from}");
        assert_eq!(mser(&[1.0; 100]), Steady { from: 0, found: true });
    }

    #[test]
    fn what_grows_to_the_end_is_never_steady() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i) + noise(i as usize)).collect();
        assert_eq!(mser(&values), Steady { from: 100, found: false });
        assert!(!mser(&[1.0; 20]).found, "too few to say");
    }
}
