//! Retry budgets: how many retries there may be, beside how many one call may have.
//!
//! **Invariant.** A retry that a budget counts is counted until its attempt is over, once.

use std::{fmt, str::FromStr};

use crate::{
    expr::{Expr, Taker, unknown},
    outcome::Outcome,
    units::{Count, Fraction, Number, ValueError, text_value},
};

/// How many retries there may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BudgetSpec {
    /// Earned by first attempts.
    Share(Fraction),
    /// At once: a share of the calls in flight, but so many at any rate (Envoy's `retry_budget`).
    Concurrent {
        /// Share of the attempts in flight.
        share: Fraction,
        /// Retries that may always be under way.
        min: u64,
    },
    /// As many as successes allow: a failure costs a token, a success earns a part of one, and without
    /// enough of them nothing is tried again (gRPC's retry throttling, gRFC A6).
    Earned {
        /// Tokens per success.
        per_success: f64,
        /// Tokens there are at the start, and at most.
        max: f64,
        /// Share of them that must be exceeded.
        above: Fraction,
    },
}

impl FromStr for BudgetSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if !text.contains('(') {
            return text.parse().map(Self::Share);
        }
        let range = |message: &str| ValueError::new("E-RANGE", message);
        let expr = Expr::parse(text)?;
        match expr.name.as_str() {
            "concurrent" => {
                let mut t = Taker::new(&expr, "concurrent(20% min=3)")?;
                let share: Fraction = t.need_plain()?.read()?;
                let min = t.read::<Count>("min")?.map_or(3, |n| n.0);
                t.finish()?;
                Ok(Self::Concurrent { share, min })
            }
            "earned" => {
                let mut t = Taker::new(&expr, "earned(per_success=0.1 max=10 above=50%)")?;
                let per_success = t.read::<Number>("per_success")?.map_or(0.1, |n| n.0);
                let max = t.read::<Number>("max")?.map_or(10.0, |n| n.0);
                let above = t.read::<Fraction>("above")?.unwrap_or(Fraction(0.5));
                t.finish()?;
                if per_success <= 0.0 {
                    return Err(range("`per_success` must be above 0"));
                }
                if !(1.0..=1000.0).contains(&max) {
                    return Err(range("`max` must be in 1..=1000"));
                }
                if above.0 >= 1.0 {
                    return Err(range("`above` must be below 100%: nothing would be tried again"));
                }
                Ok(Self::Earned { per_success, max, above })
            }
            other => {
                let known = ["10%", "concurrent(20% min=3)", "earned(per_success=0.1 max=10)"];
                Err(unknown("retry budget", other, &known))
            }
        }
    }
}

impl fmt::Display for BudgetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::Concurrent { share, min } => write!(f, "concurrent({share} min={})", Count(*min)),
            Self::Earned { per_success, max, above } => {
                let (per_success, max) = (Number(*per_success), Number(*max));
                write!(f, "earned(per_success={per_success} max={max} above={above})")
            }
        }
    }
}

text_value!(
    BudgetSpec,
    "RetryBudget",
    "a share of first attempts (`10%`), `concurrent(20% min=3)` or `earned(per_success=0.1 max=10 above=50%)`",
    ["10%", "concurrent(20% min=3)", "earned(per_success=0.1 max=10 above=50%)"]
);

/// A budget that goes by what is in flight or by how attempts end.
#[derive(Clone, Copy, Debug)]
pub struct BudgetPolicy {
    spec: BudgetSpec,
    /// Outcomes that would be tried again, by `Outcome as usize`.
    on: [bool; 9],
}

impl BudgetPolicy {
    /// Ready to run, unless it is a share of first attempts.
    pub fn new(spec: Option<BudgetSpec>, on: [bool; 9]) -> Option<Self> {
        let spec = spec.filter(|spec| !matches!(spec, BudgetSpec::Share(_)))?;
        Some(Self { spec, on })
    }
}

/// What a calling instance keeps in mind for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Attempts under way.
    in_flight: u64,
    /// Retries under way, in backoff or in flight.
    retries: u64,
    /// Tokens that failures have cost.
    missing: f64,
}

impl Spent {
    /// An attempt is sent.
    pub fn sent(&mut self) {
        self.in_flight += 1;
    }

    /// An attempt that was sent is over.
    pub fn over(&mut self) {
        debug_assert!(self.in_flight > 0, "what is over was sent");
        self.in_flight -= 1;
    }

    /// A retry is over, sent or not.
    pub fn retried(&mut self) {
        debug_assert!(self.retries > 0, "what is over had begun");
        self.retries -= 1;
    }

    /// An attempt has ended like this.
    pub fn heard(&mut self, policy: &BudgetPolicy, outcome: Outcome) {
        let BudgetSpec::Earned { per_success, max, .. } = policy.spec else { return };
        if outcome.is_success() {
            self.missing = (self.missing - per_success).max(0.0);
        } else if policy.on[outcome as usize] {
            self.missing = (self.missing + 1.0).min(max);
        }
    }

    /// Whether there may be one more.
    pub fn allows(&self, policy: &BudgetPolicy) -> bool {
        match policy.spec {
            BudgetSpec::Share(_) => true,
            BudgetSpec::Concurrent { share, min } => {
                self.retries < min || (self.retries as f64) < share.0 * self.in_flight as f64
            }
            BudgetSpec::Earned { max, above, .. } => max - self.missing > above.0 * max,
        }
    }

    /// A retry begins, if it may.
    pub fn retry(&mut self, policy: &BudgetPolicy) -> bool {
        let may = self.allows(policy);
        self.retries += u64::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_reads_back() {
        for text in ["10%", "concurrent(20% min=3)", "earned(per_success=0.1 max=10 above=50%)"] {
            assert_eq!(text.parse::<BudgetSpec>().unwrap().to_string(), text);
        }
        for (text, message) in [
            ("concurrent(min=3)", "concurrent"),
            ("earned(max=0)", "1..="),
            ("earned(above=100%)", "below 100%"),
            ("earned(per_success=0)", "above 0"),
            ("shared(20%)", "unknown retry budget"),
        ] {
            let error = text.parse::<BudgetSpec>().unwrap_err();
            assert!(error.message.contains(message), "{text}: {}", error.message);
        }
    }

    #[test]
    fn failures_cost_and_successes_earn() {
        let spec = "earned(per_success=0.5 max=10 above=50%)".parse().ok();
        let policy = BudgetPolicy::new(spec, [true; 9]).unwrap();
        let mut spent = Spent::default();
        // Ten tokens; more than five are needed.
        let before: Vec<bool> = (0..6)
            .map(|_| {
                let may = spent.allows(&policy);
                spent.heard(&policy, Outcome::Timeout);
                may
            })
            .collect();
        assert_eq!(before, [true, true, true, true, true, false]);
        // Six are missing: three successes bring 1.5 back.
        for _ in 0..2 {
            spent.heard(&policy, Outcome::Ok);
        }
        assert!(!spent.allows(&policy));
        spent.heard(&policy, Outcome::Ok);
        assert!(spent.allows(&policy));
    }

    #[test]
    fn a_share_of_what_is_in_flight_may_be_retries() {
        let policy = BudgetPolicy::new("concurrent(20% min=1)".parse().ok(), [true; 9]).unwrap();
        let mut spent = Spent::default();
        assert!(spent.retry(&policy));
        assert!(!spent.retry(&policy));
        (0..10).for_each(|_| spent.sent());
        assert!(spent.retry(&policy));
        assert!(!spent.retry(&policy));
        spent.retried();
        assert!(spent.retry(&policy));
        (0..6).for_each(|_| spent.over());
        spent.retried();
        assert!(!spent.retry(&policy));
    }
}
