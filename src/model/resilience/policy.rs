//! Policies of an edge at run time: attempt timers, deadlines, retries with backoff and budget.

use super::{
    Backoff, Jitter, RetrySpec,
    budget::BudgetSpec,
    guard::{Guard, GuardPolicy},
};
use crate::{
    engine::{law::to_nanos, random::Draw},
    model::{consistency::tokens::Guarantees, ids::Slot, span::Span, world::World},
    outcome::Outcome,
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
    /// What stands between an attempt and its message.
    pub guard: Option<Box<GuardPolicy>>,
    /// Calls given up are called off.
    pub cancel: bool,
    /// A time-out is not all there is: where a call stands is kept track of in the cold half of its caller's
    /// frame.
    pub tracks: bool,
    /// What is asked of whoever writes or reads data for a call.
    pub asks: Asks,
    /// Which messages go to other instances than those before.
    pub elsewhere: Elsewhere,
    /// What becomes of a connection of its pool beyond single calls.
    pub keeps: Keeps,
}

/// What becomes of a connection beyond single calls; of pools by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeps {
    /// Each call gives back what it took.
    #[default]
    Nothing,
    /// A connection is taken, and nothing is sent.
    Takes(u32),
    /// Calls go by one that was taken.
    Uses(u32),
}

/// Which messages of a call go to other instances than those before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elsewhere {
    /// Further attempts.
    pub retries: bool,
    /// Second copies.
    pub copies: bool,
}

/// What is asked of whoever writes or reads data for a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asks {
    /// What sessions may count on.
    pub guarantees: Guarantees,
    /// All attempts are one.
    pub once: bool,
}

impl Elsewhere {
    /// Whether any do.
    pub fn is_some(self) -> bool {
        self.retries || self.copies
    }
}

impl EdgePolicy {
    /// Whether a call needs no timer, no second attempt, nothing.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.timeout.is_none() && !self.tracks
    }

    /// Whether its connections have two ends.
    #[inline]
    pub fn is_wired(&self) -> bool {
        self.guard.as_ref().is_some_and(|guard| guard.wires.is_some())
    }

    /// The same edge where a connection is taken to be kept; none: it has no pool.
    pub fn taking(&self) -> Option<Self> {
        let guard = self.guard.as_ref()?;
        let pool = guard.pool.clone()?;
        let keeps = Keeps::Takes(pool.number);
        let guard =
            GuardPolicy { pool: Some(pool), wires: guard.wires.clone(), ..GuardPolicy::default() };
        Some(Self { guard: Some(Box::new(guard)), keeps, tracks: true, ..self.clone() })
    }

    /// The same edge for calls by a connection that is kept; none: it has no pool. They have no second copies.
    pub fn using(&self) -> Option<Self> {
        let mut guard = self.guard.as_deref()?.clone();
        let keeps = Keeps::Uses(guard.pool.take()?.number);
        (guard.wires, guard.hedge) = (None, None);
        Some(Self { guard: Some(Box::new(guard)), keeps, tracks: true, ..self.clone() })
    }

    /// Whether calls may have a second copy.
    #[inline]
    pub fn is_hedged(&self) -> bool {
        self.guard.as_ref().is_some_and(|guard| guard.hedge.is_some())
    }

    /// Nobody waits for a message's answer any more.
    pub fn let_go(&self, child: Slot, world: &mut World) {
        if self.cancel {
            world.call_off(child);
        } else {
            world.give_up(child);
        }
    }
}

/// Further attempts after a failed one.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u16,
    /// Wait before each.
    pub backoff: Option<Backoff>,
    /// Retries earned per first attempt; other budgets are the guard's.
    pub budget: Option<f64>,
    /// Outcomes worth another attempt, by `Outcome as usize`.
    pub on: [bool; 9],
}

impl Retry {
    /// Outcomes retried when `if:` says nothing (`semantics.md` 45).
    pub const DEFAULT: [Outcome; 5] =
        [Outcome::Timeout, Outcome::Error, Outcome::Rejected, Outcome::Unavailable, Outcome::Shed];

    /// As the file says.
    pub fn new(spec: &RetrySpec) -> Self {
        let mut on = [false; 9];
        for &outcome in spec.if_.as_deref().unwrap_or(&Self::DEFAULT) {
            on[outcome as usize] = true;
        }
        Self {
            attempts: spec.attempts.0 as u16,
            backoff: spec.backoff.clone(),
            budget: match spec.budget {
                Some(BudgetSpec::Share(share)) => Some(share.0),
                _ => None,
            },
            on,
        }
    }

    /// One that always wants another attempt, after this.
    pub fn waiting(backoff: Backoff) -> Self {
        Self { attempts: u16::MAX, backoff: Some(backoff), budget: None, on: [true; 9] }
    }

    /// Whether the outcome of attempt number `attempt` (from 1) is worth another one.
    #[inline]
    pub fn wants(&self, attempt: u16, outcome: Outcome) -> bool {
        attempt < self.attempts && self.on[outcome as usize]
    }

    /// Wait after attempt number `attempt` (from 1), ns; `draw` is that of this visit and attempt,
    /// `previous` the wait before (decorrelated jitter).
    pub fn wait(&self, attempt: u16, previous: u64, draw: &mut Draw) -> u64 {
        let Some(backoff) = &self.backoff else { return 0 };
        let (wait, jitter) = match *backoff {
            Backoff::Constant { wait, jitter } => (wait.0 as f64, jitter),
            Backoff::Linear { step, max, jitter } => {
                let wait = step.0.saturating_mul(u64::from(attempt));
                (max.map_or(wait, |max| wait.min(max.0)) as f64, jitter)
            }
            Backoff::Exponential { base, factor, max, jitter } => {
                let top = max.map_or(f64::MAX, |m| m.0 as f64);
                if jitter == Jitter::Decorrelated {
                    let low = base.0 as f64;
                    let high = (3.0 * previous.max(base.0) as f64).min(top).max(low);
                    return to_nanos(low + (high - low) * draw.unit());
                }
                let wait = base.0 as f64 * libm::pow(factor, f64::from(attempt) - 1.0);
                (wait.min(top), jitter)
            }
        };
        to_nanos(match jitter {
            Jitter::None | Jitter::Decorrelated => wait,
            Jitter::Full => wait * draw.unit(),
            Jitter::Equal => wait * (0.5 + 0.5 * draw.unit()),
            Jitter::Within(share) => wait * (1.0 - share + 2.0 * share * draw.unit()),
        })
    }
}

/// What one calling instance keeps in mind about an edge.
#[derive(Clone, Debug, Default)]
pub struct EdgeState {
    /// Its retry budget.
    pub budget: Budget,
    guard: Option<Box<Guard>>,
}

impl EdgeState {
    /// The process is gone, with all it knew.
    pub fn restart(&mut self, now: u64) {
        let guard = self.guard.take().map(|mut guard| {
            guard.restart(now);
            guard
        });
        *self = Self { guard, ..Self::default() };
    }

    /// What is held of the bulkhead and of the pool, from time 0.
    pub fn held(&self, now: u64) -> [u128; 2] {
        self.guard.as_ref().map_or([0, 0], |guard| guard.held(now))
    }

    /// What its guards keep in mind.
    pub fn guard(&mut self) -> &mut Guard {
        self.guard.get_or_insert_default()
    }
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
