//! What happens around a call: deadline, retry, breaker, timeout.

pub mod breaker;
pub mod policy;

mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use breaker::BreakerSpec;

use crate::{
    model::probe::Outcome,
    units::{Count, Fraction, SimDuration},
};

/// Policy of one outgoing edge. Order from the caller outwards-in:
/// deadline( retry( breaker( timeout( call ) ) ) ).
///
/// ```yaml
/// dependencies: {products: {timeout: 300ms, retry: {attempts: 2, backoff: constant(20ms)}}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EdgeSpec {
    /// Longest wait for the reply of one attempt, from the moment it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<SimDuration>,
    /// Longest wait for the whole call, retries included; or `propagate`: what is left of the
    /// caller's own deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<DeadlineSpec>,
    /// Further attempts after a failed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySpec>,
    /// Refuses calls while too many of them fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerSpec>,
    /// A call nobody waits for any more is called off by a message along the link; without it the
    /// work goes on to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<bool>,
}

/// A deadline: a span from the call's start, or `propagate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineSpec {
    /// So long after the intended send.
    Within(SimDuration),
    /// The caller's own deadline is passed on.
    Propagate,
}

/// Further attempts after a failed one.
///
/// ```yaml
/// retry: {attempts: 3, backoff: exponential(base=50ms max=1s jitter=full), budget: 10%}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetrySpec {
    /// Attempts in all, the first included.
    pub attempts: Count,
    /// Wait before each further attempt: `none` (default), `constant(20ms)`,
    /// `linear(step=20ms max=1s)`, `exponential(base=50ms factor=2 max=1s jitter=full)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Retries allowed per first attempt, saved up in a bucket that starts at 10 and holds 100;
    /// unlimited when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Fraction>,
    /// Outcomes worth another attempt; `[timeout, error, rejected, unavailable, shed]` when absent.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub if_: Option<Vec<Outcome>>,
}

/// Wait before another attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Backoff {
    /// Always the same.
    Constant(SimDuration),
    /// `step` more each time, up to `max`.
    Linear {
        /// Growth per attempt.
        step: SimDuration,
        /// Upper bound, if any.
        max: Option<SimDuration>,
    },
    /// `base * factor^(attempt - 1)`, up to `max`.
    Exponential {
        /// First wait.
        base: SimDuration,
        /// Growth per attempt (2 when not given).
        factor: f64,
        /// Upper bound, if any.
        max: Option<SimDuration>,
        /// How much of it is random.
        jitter: Jitter,
    },
}

/// How much of an exponential backoff is random (AWS Architecture Blog, "Exponential Backoff And
/// Jitter", 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Nothing.
    None,
    /// Uniform in 0..wait.
    Full,
    /// Half fixed, half uniform.
    Equal,
    /// Uniform in base..3 x previous wait.
    Decorrelated,
}
