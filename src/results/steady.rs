//! Whether a level still grows as runs end: then they are no picture of a steady state.
//!
//! **Invariant.** What could be chance says nothing.

use crate::stats::{mean, mean_interval};

/// Windows that the second half of a run has at least, where anything is said.
const LEAST_WINDOWS: usize = 8;
/// Least growth per second as a share of what arrives.
const LEAST_SHARE: f64 = 0.01;
/// Least growth from the third to the last quarter, in numbers and as a share of the level before.
const LEAST: (f64, f64) = (5.0, 0.1);
/// How sure the replications must make it.
const CONFIDENCE: f64 = 0.99;

/// A level by window in each of many replications: of each what is needed to see whether it grows.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// Mean level in each eighth of the second half; none of a run that is too short.
    eighths: Vec<Option<[f64; 4]>>,
    /// Length of what the first run measured, s.
    length: Option<f64>,
}

impl Levels {
    /// Adds those of the next replication: windows with start and length, s, and their level.
    pub fn push(&mut self, run: &[(f64, f64, f64)]) {
        if self.eighths.is_empty() {
            let ends = run.first().zip(run.last());
            self.length = ends.map(|(first, last)| last.0 + last.1 - first.0);
        }
        self.eighths.push(last_eighths(run));
    }

    /// How fast the level grows over the second half of the runs, per second, if it does in earnest: it is higher in
    /// each eighth than in the one before, in the last quarter by more than the replications differ, and by a
    /// share of what arrives per second that matters.
    #[must_use]
    pub fn growth(&self, arriving: f64) -> Option<f64> {
        let eighths: Vec<[f64; 4]> = self.eighths.iter().copied().collect::<Option<_>>()?;
        let level = |i: usize| mean(&eighths.iter().map(|e| e[i]).collect::<Vec<_>>());
        let levels = (0..4).map(level).collect::<Option<Vec<f64>>>()?;
        let rises = levels.windows(2).all(|pair| pair[1] > pair[0]);
        let before = f64::midpoint(levels[0], levels[1]);
        let grown: Vec<f64> = eighths.iter().map(|e| (e[2] + e[3] - e[0] - e[1]) / 2.0).collect();
        let by = mean(&grown)?;
        // One run has nothing to be compared with: it must be plain in each of its parts.
        let sure = match mean_interval(&grown, CONFIDENCE) {
            Some((lower, _)) => lower > 0.0,
            None => levels.windows(2).all(|p| p[1] - p[0] > 3.0 * p[1].max(1.0).sqrt()),
        };
        let slope = by / (self.length? / 4.0);
        let matters = by >= LEAST.0.max(LEAST.1 * before) && slope >= LEAST_SHARE * arriving;
        (rises && sure && matters).then_some(slope)
    }
}

/// Least rise of a hit ratio that is told.
const LEAST_RISE: f64 = 0.01;
/// And in standard deviations, of a single run.
const SIGMAS: f64 = 5.0;

/// Lookups and hits of a cache by window in each of many replications: of each what is needed to see whether it warms
/// up.
#[derive(Clone, Debug, Default)]
pub struct Lookups(Vec<Option<[(u64, u64); 5]>>);

impl Lookups {
    /// Adds those of the next replication, by window.
    pub fn push(&mut self, run: &[(u64, u64)]) {
        self.0.push(fifths(run));
    }

    /// The hit ratio in the first and in the last fifth of what was measured, if it still rose as that began: it is
    /// higher in the second than in the first, and in the last by more than the replications differ.
    #[must_use]
    pub fn warming(&self) -> Option<(f64, f64)> {
        let fifths: Vec<[(u64, u64); 5]> = self.0.iter().copied().collect::<Option<_>>()?;
        let sum =
            |i: usize| fifths.iter().fold((0, 0), |sum, run| (sum.0 + run[i].0, sum.1 + run[i].1));
        let ratio =
            |(lookups, hits): (u64, u64)| (lookups > 0).then(|| hits as f64 / lookups as f64);
        let levels = (0..5).map(|i| ratio(sum(i))).collect::<Option<Vec<f64>>>()?;
        let (first, last) = (levels[0], levels[4]);
        let rises = levels[1] > first && last - first >= LEAST_RISE;
        let by = fifths.iter().map(|run| Some(ratio(run[4])? - ratio(run[0])?));
        let sure = match mean_interval(&by.collect::<Option<Vec<f64>>>()?, CONFIDENCE) {
            Some((lower, _)) => lower > 0.0,
            None => {
                let variance = |(lookups, hits): (u64, u64)| {
                    let p = hits as f64 / lookups as f64;
                    p * (1.0 - p) / lookups as f64
                };
                last - first > SIGMAS * (variance(sum(0)) + variance(sum(4))).sqrt()
            }
        };
        (rises && sure).then_some((first, last))
    }
}

/// Lookups and hits in each fifth.
fn fifths(run: &[(u64, u64)]) -> Option<[(u64, u64); 5]> {
    if run.len() < LEAST_WINDOWS {
        return None;
    }
    let mut sums = [(0, 0); 5];
    for (w, (lookups, hits)) in run.iter().enumerate() {
        let sum = &mut sums[w * 5 / run.len()];
        *sum = (sum.0 + lookups, sum.1 + hits);
    }
    Some(sums)
}

/// Mean level in each eighth of the second half.
fn last_eighths(run: &[(f64, f64, f64)]) -> Option<[f64; 4]> {
    let half = &run[run.len() / 2..];
    if half.len() < LEAST_WINDOWS {
        return None;
    }
    let mut levels = [0.0; 4];
    for (i, level) in levels.iter_mut().enumerate() {
        let part = &half[i * half.len() / 4..(i + 1) * half.len() / 4];
        let time: f64 = part.iter().map(|w| w.1).sum();
        *level = part.iter().map(|w| w.2 * w.1).sum::<f64>() / time;
    }
    Some(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(level: impl Fn(f64) -> f64) -> Vec<(f64, f64, f64)> {
        (0..40).map(|w| (f64::from(w), 1.0, level(f64::from(w)))).collect()
    }

    fn growth(runs: &[Vec<(f64, f64, f64)>], arriving: f64) -> Option<f64> {
        let mut levels = Levels::default();
        for run in runs {
            levels.push(run);
        }
        levels.growth(arriving)
    }

    fn warming(runs: &[Vec<(u64, u64)>]) -> Option<(f64, f64)> {
        let mut lookups = Lookups::default();
        for run in runs {
            lookups.push(run);
        }
        lookups.warming()
    }

    #[test]
    fn what_grows_to_the_end_is_told_with_its_slope() {
        let grown: Vec<_> = (0..5).map(|r| run(|at| 20.0 * at + f64::from(r))).collect();
        let slope = growth(&grown, 100.0).unwrap();
        assert!((slope - 20.0).abs() < 0.5, "{slope}");
        assert!(growth(&grown[..1], 100.0).is_some(), "one run is enough where it is plain");
        assert_eq!(growth(&grown, 1e5), None, "a hundredth of what arrives at least");
    }

    #[test]
    fn what_could_be_chance_or_matters_little_is_not() {
        // As much more in each of the eighths of five windows.
        let stairs =
            |base: f64, by: f64| run(|at| base + by * ((at - 20.0) / 5.0).floor().max(0.0));
        let one = |base, by, arriving| growth(&[stairs(base, by)], arriving);
        // Alone it must rise by three times what chance does: 3 x sqrt(1000 + 3 x 110) is 109.4.
        assert_eq!(one(1000.0, 110.0, 100.0), Some(22.0));
        assert_eq!(one(1000.0, 108.0, 100.0), None);
        // By a tenth of what was there: 2 x 150 is more than that of 2075, 2 x 100 less than that of 2050.
        let some = |base, by| growth(&[stairs(base, by), stairs(base, by * 1.001)], 10.0).is_some();
        assert!(some(2000.0, 150.0) && !some(2000.0, 100.0));
        // And by five.
        assert!(some(0.5, 2.6) && !some(0.5, 2.4));
        // A hundredth of what arrives.
        assert_eq!(one(1000.0, 110.0, 2200.0), Some(22.0));
        assert_eq!(one(1000.0, 110.0, 2201.0), None);
        // Replications that differ as much as they grow.
        let unlike = [220.0, 10.0, 400.0].map(|by| stairs(1000.0, by));
        assert_eq!(growth(&unlike, 100.0), None);
    }

    #[test]
    fn what_drains_or_swings_or_stands_is_not() {
        for level in [
            (|_| 7.0) as fn(f64) -> f64,
            |at| 1000.0 - 20.0 * at,
            |at| 50.0 + 40.0 * libm::sin(at),
            // It grew for a while and then no more.
            |at| (40.0 * at).min(800.0),
        ] {
            let runs: Vec<_> = (0..5).map(|r| run(|at| level(at) + 0.1 * f64::from(r))).collect();
            assert_eq!(growth(&runs, 100.0), None);
        }
    }

    #[test]
    fn a_hit_ratio_that_rises_to_the_end_is_of_a_cold_cache() {
        let run = |hits: fn(u64) -> u64| (0..40).map(|w| (1000, hits(w))).collect::<Vec<_>>();
        let rising = run(|w| 400 + 10 * w);
        let (first, last) = warming(std::slice::from_ref(&rising)).unwrap();
        assert!((first - 0.435).abs() < 1e-12 && (last - 0.755).abs() < 1e-12, "{first} {last}");
        assert!(warming(&[rising.clone(), rising]).is_some());
        assert_eq!(warming(&[run(|w| 800 + w % 2)]), None);
        assert_eq!(warming(&[run(|w| 900 - 10 * w)]), None);
        assert_eq!(warming(&[run(|w| (400 + 40 * w).min(900))]).map(|w| w.1), Some(0.9));
    }
}
