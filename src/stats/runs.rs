//! Shares of runs: how often something that a run does or does not do is done by all runs.

use statrs::function::beta::beta_reg;

/// Halvings of an interval that leave nothing of 64 bits.
const HALVINGS: usize = 64;

/// Runs that did something, of independent ones: exact bounds of how often it is done (C. J. Clopper and E. S.
/// Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934).
///
/// Of what no run of `n` did, the upper bound at 5 % is `1 - 0.05^(1/n)`, just below the rule of three: at most
/// `3 / n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// Those that did.
    pub hits: u64,
    /// All of them.
    pub of: u64,
}

impl Runs {
    /// What the share is at least, with an error of `alpha`.
    pub fn lower(self, alpha: f64) -> f64 {
        // The error grows with the limit.
        self.last_below(|share| self.error_at_least(share) <= alpha)
    }

    /// What the share is at most, with an error of `alpha`.
    pub fn upper(self, alpha: f64) -> f64 {
        let missed = Self { hits: self.of - self.hits, ..self };
        1.0 - missed.lower(alpha)
    }

    /// The error of saying that the share is at least `limit`: the probability of as many hits or more when it is just
    /// that.
    pub fn error_at_least(self, limit: f64) -> f64 {
        if self.hits == 0 || limit >= 1.0 {
            // A share of 1 is never shown by counting.
            return f64::from(u8::from(limit > 0.0));
        }
        if limit <= 0.0 {
            return 0.0;
        }
        beta_reg(self.hits as f64, (self.of - self.hits + 1) as f64, limit)
    }

    /// The error of saying that the share is at most `limit`.
    pub fn error_at_most(self, limit: f64) -> f64 {
        Self { hits: self.of - self.hits, ..self }.error_at_least(1.0 - limit)
    }

    /// Where in 0..1 something that is so up to a point ceases to be so.
    fn last_below(self, so: impl Fn(f64) -> bool) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if so(middle) { low = middle } else { high = middle }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P(X >= hits) of a binomial, summed.
    fn at_least(hits: u64, of: u64, share: f64) -> f64 {
        let mut term = (0..of).fold(1.0, |p, _| p * (1.0 - share));
        let mut sum = 0.0;
        for k in 0..=of {
            sum += if k >= hits { term } else { 0.0 };
            term *= (of - k) as f64 / (k + 1) as f64 * share / (1.0 - share);
        }
        sum
    }

    #[test]
    fn of_none_it_is_the_rule_of_three() {
        for of in [20u64, 59, 299, 2995] {
            let upper = Runs { hits: 0, of }.upper(0.05);
            let exact = 1.0 - libm::pow(0.05, 1.0 / of as f64);
            assert!((upper - exact).abs() < 1e-12, "0 of {of}: {upper}, not {exact}");
            assert!(upper < 3.0 / of as f64 && upper > 2.7 / of as f64);
            assert_eq!(Runs { hits: 0, of }.lower(0.05), 0.0);
        }
        // The printed one: 59 runs without it show 5 %.
        assert!((Runs { hits: 59, of: 59 }.lower(0.05) - 0.95).abs() < 0.001);
        assert_eq!(Runs { hits: 59, of: 59 }.upper(0.05), 1.0);
        assert_eq!(
            (Runs { hits: 0, of: 0 }.lower(0.05), Runs { hits: 0, of: 0 }.upper(0.05)),
            (0.0, 1.0)
        );
    }

    #[test]
    fn printed_intervals() {
        for (hits, of, low, high) in [
            (95, 100, 0.887_165, 0.983_568),
            (1, 10, 0.002_529, 0.445_016),
            (5, 10, 0.187_086, 0.812_914),
        ] {
            let runs = Runs { hits, of };
            assert!(
                (runs.lower(0.025) - low).abs() < 1e-6,
                "{hits} of {of}: {}",
                runs.lower(0.025)
            );
            assert!(
                (runs.upper(0.025) - high).abs() < 1e-6,
                "{hits} of {of}: {}",
                runs.upper(0.025)
            );
        }
    }

    #[test]
    fn errors_are_sums_of_the_binomial() {
        for (hits, of, limit) in
            [(1, 20, 0.01), (19, 20, 0.9), (78, 80, 0.95), (20, 20, 0.99), (40, 320, 0.1)]
        {
            let runs = Runs { hits, of };
            let (at_least, more) = (at_least(hits, of, limit), at_least(hits + 1, of, limit));
            assert!((runs.error_at_least(limit) - at_least).abs() < 1e-9, "{hits} of {of}");
            assert!((runs.error_at_most(limit) - (1.0 - more)).abs() < 1e-9, "{hits} of {of}");
        }
        let all = Runs { hits: 20, of: 20 };
        assert_eq!((all.error_at_least(1.0), all.error_at_least(0.0)), (1.0, 0.0));
        assert_eq!((all.error_at_most(1.0), all.error_at_most(0.99)), (0.0, 1.0));
    }

    /// Whatever the share, a bound errs no more often than allowed.
    #[test]
    fn bounds_cover_exactly() {
        for share in [0.01, 0.1, 0.5, 0.9, 0.99] {
            let wrong = |hits| Runs { hits, of: 40 }.lower(0.05) > share;
            let errs: f64 = (0..=40)
                .filter(|&hits| wrong(hits))
                .map(|hits| at_least(hits, 40, share) - at_least(hits + 1, 40, share))
                .sum();
            assert!(errs <= 0.05 + 1e-9, "{share}: {errs}");
        }
    }
}
