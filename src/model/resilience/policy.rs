//! Policies of an edge at run time: attempt timers, deadlines, retries with backoff and budget.

use super::{
    Backoff, Jitter,
    breaker::{Breaker, BreakerPolicy},
};
use crate::{
    engine::{law::to_nanos, random::Draw},
    model::{probe::Outcome, world::Span},
};

/// Policy of one outgoing edge, ready to run.
#[derive(Clone, Debug, Default)]
pub struct EdgePolicy {
    /// Longest wait for one attempt: length and span.
    pub timeout: Option<(u64, Span)>,
    /// Longest wait for the whole call, ns.
    pub deadline: Option<u64>,
    /// The caller's own deadline bounds the call and goes with it.
    pub propagate: bool,
    /// Further attempts.
    pub retry: Option<Retry>,
    /// Refuses attempts while too many fail.
    pub breaker: Option<BreakerPolicy>,
    /// Calls given up are called off.
    pub cancel: bool,
}

impl EdgePolicy {
    /// Whether a call needs no timer, no second attempt, nothing.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.timeout.is_none()
            && self.deadline.is_none()
            && !self.propagate
            && self.retry.is_none()
            && self.breaker.is_none()
    }
}

/// Further attempts after a failed one.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u16,
    /// Wait before each.
    pub backoff: Option<Backoff>,
    /// Retries earned per first attempt.
    pub budget: Option<f64>,
    /// Outcomes worth another attempt, by `Outcome as usize`.
    pub on: [bool; 9],
}

impl Retry {
    /// Outcomes retried when `if:` says nothing (`semantics.md` 45).
    pub const DEFAULT: [Outcome; 5] =
        [Outcome::Timeout, Outcome::Error, Outcome::Rejected, Outcome::Unavailable, Outcome::Shed];

    /// Whether the outcome of attempt number `attempt` (from 1) is worth another one.
    #[inline]
    pub fn wants(&self, attempt: u16, outcome: Outcome) -> bool {
        attempt < self.attempts && self.on[outcome as usize]
    }

    /// Wait after attempt number `attempt` (from 1), ns; `draw` is that of this visit and attempt,
    /// `previous` the wait before (decorrelated jitter).
    pub fn wait(&self, attempt: u16, previous: u64, draw: &mut Draw) -> u64 {
        match &self.backoff {
            None => 0,
            Some(Backoff::Constant(d)) => d.0,
            Some(Backoff::Linear { step, max }) => {
                let d = step.0.saturating_mul(u64::from(attempt));
                max.map_or(d, |m| d.min(m.0))
            }
            Some(Backoff::Exponential { base, factor, max, jitter }) => {
                let top = max.map_or(f64::MAX, |m| m.0 as f64);
                let wait = (base.0 as f64 * libm::pow(*factor, f64::from(attempt) - 1.0)).min(top);
                match jitter {
                    Jitter::None => to_nanos(wait),
                    Jitter::Full => to_nanos(wait * draw.unit()),
                    Jitter::Equal => to_nanos(wait * (0.5 + 0.5 * draw.unit())),
                    Jitter::Decorrelated => {
                        let low = base.0 as f64;
                        let high = (3.0 * previous.max(base.0) as f64).min(top).max(low);
                        to_nanos(low + (high - low) * draw.unit())
                    }
                }
            }
        }
    }
}

/// What one calling instance keeps in mind about an edge.
#[derive(Clone, Debug, Default)]
pub struct EdgeState {
    /// Its retry budget.
    pub budget: Budget,
    /// Its circuit breaker.
    pub breaker: Breaker,
}

/// A retry budget: a bucket that first attempts fill and retries empty (`semantics.md` 45).
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    tokens: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tokens: 10.0 }
    }
}

impl Budget {
    /// A first attempt earns `share` of a retry.
    pub fn deposit(&mut self, share: f64) {
        self.tokens = (self.tokens + share).min(100.0);
    }

    /// A retry spends one; false: there is none.
    pub fn withdraw(&mut self) -> bool {
        let may = self.tokens >= 1.0;
        if may {
            self.tokens -= 1.0;
        }
        may
    }
}
