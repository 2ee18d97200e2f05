//! The largest factor that passes, to 1 %.
//!
//! **Invariant.** What lies between is looked for where both ends were simulated.

use super::Outcome;

/// How near the largest that passes and the least that does not are.
const NEAR: f64 = 1.01;
/// Factors beyond these are not asked for.
const ENDS: (f64, f64) = (1.0 / 1024.0, 1024.0);

/// A search for the largest factor that passes: what is more does worse.
#[derive(Clone, Debug)]
pub struct Bisection {
    start: f64,
    met: Option<f64>,
    missed: Option<f64>,
}

impl Bisection {
    /// From a factor on.
    #[must_use]
    pub const fn from(start: f64) -> Self {
        Self { start, met: None, missed: None }
    }

    /// The largest that passed.
    #[must_use]
    pub const fn met(&self) -> Option<f64> {
        self.met
    }

    /// The least that did not.
    #[must_use]
    pub const fn missed(&self) -> Option<f64> {
        self.missed
    }

    /// The next one to simulate; none when the largest is known to 1 %, or lies beyond all that is asked for.
    #[must_use]
    pub fn asks(&self) -> Option<f64> {
        let next = match (self.met, self.missed) {
            (None, None) => self.start,
            (Some(met), None) => met * 2.0,
            (None, Some(missed)) => missed / 2.0,
            (Some(met), Some(missed)) if missed / met > NEAR => (met * missed).sqrt(),
            _ => return None,
        };
        let next = digits(next);
        // Rounding may not make it one of its ends.
        let between =
            self.met.is_none_or(|met| next > met) && self.missed.is_none_or(|missed| next < missed);
        ((ENDS.0..=ENDS.1).contains(&next) && between).then_some(next)
    }

    /// What came of one.
    pub fn tell(&mut self, factor: f64, outcome: Outcome) {
        match outcome {
            Outcome::Pass => self.met = Some(self.met.map_or(factor, |met| met.max(factor))),
            // What is not shown to pass is not counted on.
            Outcome::Fail | Outcome::Undecided => {
                self.missed = Some(self.missed.map_or(factor, |missed| missed.min(factor)));
            }
        }
    }
}

/// To four digits: what is told can be typed again.
fn digits(factor: f64) -> f64 {
    format!("{factor:.3e}").parse().unwrap_or(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(edge: f64) -> (Option<f64>, usize) {
        let mut search = Bisection::from(1.0);
        let mut steps = 0;
        while let Some(factor) = search.asks() {
            steps += 1;
            assert!(steps < 50);
            let outcome = if factor <= edge { Outcome::Pass } else { Outcome::Fail };
            search.tell(factor, outcome);
        }
        (search.met(), steps)
    }

    #[test]
    fn every_edge_is_found_to_one_per_cent() {
        for i in 0..2000 {
            let edge = 0.01 * libm::pow(1.005, f64::from(i));
            let (met, steps) = found(edge);
            let met = met.unwrap();
            assert!(met <= edge && edge < met * NEAR * 1.001, "{edge}: {met}");
            assert!(steps <= 20, "{edge}: {steps}");
        }
    }

    #[test]
    fn what_lies_beyond_is_said_to() {
        assert_eq!(found(1e9).0, Some(1024.0));
        assert_eq!(found(0.0).0, None);
    }
}
