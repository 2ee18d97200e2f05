//! Client-side throttling: who is turned away too often refuses more and more itself, before it asks ("Handling Overload", in
//! Beyer and others, "Site Reliability Engineering", 2016).
//!
//! **Invariant.** No more is accepted than was asked for.

use std::{fmt, str::FromStr};

use crate::{
    expr::{Expr, Taker, unknown},
    outcome::Outcome,
    units::{Number, SimDuration, ValueError, text_value},
};

/// Parts in which the window moves on.
const PARTS: u64 = 60;

/// `adaptive(k=2 window=2m)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThrottleSpec {
    /// Requests that are let through for each that was accepted.
    pub k: f64,
    /// What is remembered.
    pub window: SimDuration,
}

const USAGE: &str = "adaptive(k=2 window=2m)";

impl FromStr for ThrottleSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        if expr.name != "adaptive" {
            return Err(unknown("throttle", &expr.name, &[USAGE]));
        }
        let mut t = Taker::new(&expr, USAGE)?;
        let k = t.read::<Number>("k")?.map_or(2.0, |k| k.0);
        let window = t.read("window")?.unwrap_or(SimDuration(120_000_000_000));
        t.finish()?;
        if !(1.0..=1000.0).contains(&k) {
            return Err(ValueError::new("E-RANGE", "`k` must be in 1..=1000"));
        }
        if window.0 < PARTS {
            return Err(ValueError::new("E-RANGE", "`window` must be above 0"));
        }
        Ok(Self { k, window })
    }
}

impl fmt::Display for ThrottleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "adaptive(k={} window={})", Number(self.k), self.window)
    }
}

text_value!(ThrottleSpec, "Throttle", "`adaptive(k=2 window=2m)`", ["adaptive(k=2 window=2m)"]);

/// What a calling instance remembers: how much it asked for in each part of the window, and how much of that was accepted.
#[derive(Clone, Debug)]
pub struct Throttle {
    parts: Vec<(u64, u64)>,
    /// The present part, from the start of the run.
    at: u64,
    asked: u64,
    accepted: u64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { parts: vec![(0, 0); PARTS as usize], at: 0, asked: 0, accepted: 0 }
    }
}

impl Throttle {
    /// Whether an attempt is let through, by a uniform draw; it counts as one that was asked for anyway.
    pub fn lets(&mut self, spec: &ThrottleSpec, draw: f64, now: u64) -> bool {
        self.turn(spec, now);
        let beyond = self.asked as f64 - spec.k * self.accepted as f64;
        self.asked += 1;
        self.parts[(self.at % PARTS) as usize].0 += 1;
        draw >= beyond / self.asked as f64
    }

    /// An attempt that was let through ended.
    pub fn heard(&mut self, spec: &ThrottleSpec, outcome: Outcome, now: u64) {
        // Who fails at what it has taken up is not overloaded.
        if outcome.is_success() || outcome == Outcome::Error {
            self.turn(spec, now);
            self.accepted += 1;
            self.parts[(self.at % PARTS) as usize].1 += 1;
        }
    }

    /// Forgets what is older than the window.
    fn turn(&mut self, spec: &ThrottleSpec, now: u64) {
        let at = now / (spec.window.0 / PARTS);
        for gone in 0..(at - self.at).min(PARTS) {
            let part = &mut self.parts[((self.at + gone + 1) % PARTS) as usize];
            self.asked -= part.0;
            self.accepted -= part.1;
            *part = (0, 0);
        }
        self.at = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_print_as_they_parse() {
        assert_eq!("adaptive()".parse::<ThrottleSpec>().unwrap().to_string(), USAGE);
        for text in ["adaptive(k=0.5)", "adaptive(window=0s)", "fixed", "adaptive(x=1)"] {
            assert!(text.parse::<ThrottleSpec>().is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_is_refused_until_more_is_asked_for_than_k_times_what_is_accepted() {
        let spec: ThrottleSpec = "adaptive(k=2 window=60s)".parse().unwrap();
        let mut own = Throttle::default();
        for _ in 0..100 {
            assert!(own.lets(&spec, 0.0, 0));
            own.heard(&spec, Outcome::Ok, 0);
            own.lets(&spec, 1.0, 0);
        }
        // 200 asked for, 100 accepted: one more in 201 is refused, and more as nothing is accepted.
        assert!(own.lets(&spec, 0.0, 0));
        assert!(!own.lets(&spec, 1.0 / 202.0 - 1e-9, 0));
        for _ in 0..198 {
            own.heard(&spec, Outcome::Rejected, 0);
            own.lets(&spec, 1.0, 0);
        }
        assert!(!own.lets(&spec, 0.49, 0) && own.lets(&spec, 0.51, 0));
        // A minute later nothing of it is known.
        assert!(own.lets(&spec, 0.0, 61_000_000_000));
        assert_eq!((own.asked, own.accepted), (1, 0));
    }
}
