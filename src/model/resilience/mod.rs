//! What happens around a call: fallback, deadline, retry, hedge, throttle, breaker, rate limit, bulkhead, pool,
//! timeout.

pub mod adaptive;
pub mod breaker;
pub mod budget;
pub mod build;
pub mod caller;
pub mod charge;
pub mod check;
pub mod concurrency;
pub mod elsewhere;
pub mod flight;
pub mod guard;
pub mod hedge;
mod limits_text;
pub mod permits;
pub mod policy;
pub mod rate_limit;
pub mod specs;
pub mod throttle;
mod tried;

mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::DurationLaw,
    model::{
        consistency::spec::GuaranteeSpec,
        resilience::specs::{BulkheadSpec, HedgeSpec, PoolSpec},
    },
    outcome::Outcome,
    units::{Count, Name, SimDuration, Size},
};
use breaker::BreakerSpec;
use budget::BudgetSpec;
use rate_limit::RateLimitsSpec;
use throttle::ThrottleSpec;

/// Policy of one outgoing edge. Order from the caller outwards-in:
/// `fallback(deadline(retry and hedge(throttle(breaker(rate_limit(bulkhead(pool(timeout(call)))))))))`.
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
    /// Refuses calls itself (`rate_limited`, cause `self_throttled`) once the callee accepts too few of them: `adaptive(k=2
    /// window=2m)` lets about `k` through for each that was accepted in the window, with a probability of
    /// (asked - k accepted) / (asked + 1) to refuse the next. What is answered, with an error too, counts as accepted; what is
    /// refused, shed or times out does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<ThrottleSpec>,
    /// So many calls in so much time, the others are refused (`rate_limited`, not tried again unless
    /// `if:` says so) or wait: `token_bucket(rate=100/s burst=200)`, which with `wait=1s` lets calls
    /// wait so long for a token (it decides as the generic cell rate algorithm, GCRA, does), `leaky_bucket(rate=100/s queue=50)`, `fixed_window(limit=100
    /// window=1s)` (with `wait=1s` for a window that has room), `sliding_window(limit=100 window=1s)`. `per=key`, `per=client` or an attribute gives
    /// each value of it a limit of its own; `scope=shared` is one for all calling instances instead of
    /// one each (the count is exact and asking it takes no time). `10/s` (`/min`, `/h`, `/d`) is short for so many in any second, a
    /// sliding window. Of a list, `[10/s, 100/min]`, all have to let a call pass, and one that any refuses counts for none of
    /// them; `causes` has how many each refused, `rate_limited_by_1` the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitsSpec>,
    /// So many calls at once, the others are `rejected`: `16`, or `{size: 16, wait: 50ms}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulkhead: Option<BulkheadSpec>,
    /// So many connections, for which calls wait: `32`, or `{size: 32, wait: 1s, setup: 3ms, idle: 60s}`; opened to an instance that
    /// knows of them: `{size: 32, setup: {round_trips: 2, work: 5ms}, keep: 4, max_age: 30m}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolSpec>,
    /// A second copy of a call that takes long: `{after: p95}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedge: Option<HedgeSpec>,
    /// What takes the place of an answer when the call failed for good: `{reply: 2KB}`, `{call: other}` or
    /// `{cache: stale}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackSpec>,
    /// A call nobody waits for any more is called off by a message along the link; without it the
    /// work goes on to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<bool>,
    /// What the sessions of those who call may count on, whatever replica or cache answers: `read_your_writes`, `monotonic_reads`,
    /// `monotonic_writes`, `writes_follow_reads`. Requests take along what a session has seen; who is
    /// behind that is passed over. Nothing when absent: what is broken is counted only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guarantees: Option<Vec<GuaranteeSpec>>,
    /// All attempts, hedges and copies of a call are one: writes carry a key, and who has done one already answers as it did
    /// then instead of doing it again. The key goes along through services. Without it a retry is a write of its own that may
    /// come after newer ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// Calls by this edge may lead to the same node again, which calls again, and so on: at most so many calls with
    /// `max_depth` are one within the other in a request, and where there would be more the step is passed over. Circles of
    /// calls without it are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_depth: Option<Count>,
}

impl EdgeSpec {
    /// Whether frames must hand on more than their calls for it. What concerns one call only is kept by
    /// the caller's frame, and begins anew with each call.
    pub fn carries(&self) -> bool {
        // All of them by name, so that none is forgotten.
        let Self {
            timeout: _,
            cancel: _,
            retry: _,
            breaker: _,
            throttle: _,
            bulkhead: _,
            pool: _,
            deadline,
            rate_limit,
            hedge,
            fallback,
            guarantees: _,
            idempotent: _,
            max_depth,
        } = self;
        deadline.is_some()
            || rate_limit.as_ref().is_some_and(|limits| limits.parts().next().is_some())
            || hedge.is_some()
            || fallback.is_some()
            || max_depth.is_some()
    }

    /// Whether further attempts, or second copies, go to other instances than those before.
    pub fn goes_elsewhere(&self) -> bool {
        self.retry.as_ref().is_some_and(|retry| retry.elsewhere == Some(true))
            || self.hedge.is_some_and(|hedge| hedge.elsewhere == Some(true))
    }

    /// Its laws.
    pub fn laws(&self) -> impl Iterator<Item = &DurationLaw> {
        self.pool.iter().flat_map(|pool| pool.0.laws())
    }
}

/// What takes the place of an answer: one of these. The request then counts as `degraded`, unless the
/// step is `optional`.
///
/// ```yaml
/// recommendations: {timeout: 100ms, fallback: {reply: 2KB}}
/// search: {timeout: 300ms, fallback: {call: old_search}}
/// products: {timeout: 300ms, fallback: {cache: stale}}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FallbackSpec {
    /// A fixed answer of this size, at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Size>,
    /// The same is asked of another node, by the policies of the edge to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Name>,
    /// `stale`: for a read through a cache, the value that the cache still has though its `ttl` is over;
    /// the nearest tier that has one answers. Such a cache keeps what is expired until it is replaced or
    /// evicted. Other calls on the edge have no fallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<StaleSpec>,
}

/// Which values of a cache a read falls back on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StaleSpec {
    /// Any, however old.
    Stale,
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
    /// `linear(step=20ms max=1s)`, `exponential(base=50ms factor=2 max=1s jitter=full)`. With `jitter` it is
    /// random: `full` (uniform from 0 to the wait), `equal` (from half of it), `20%` (plus or minus so much,
    /// beyond `max` too, as in gRPC), and for `exponential` also `decorrelated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// How many retries there may be, for each calling instance; unlimited when absent. `10%`: so many per
    /// first attempt, saved up in a bucket that starts at 10 and holds 100. `concurrent(20% min=3)`: as many
    /// at once as this share of the attempts in flight, or `min` if that is more (Envoy's retry budget).
    /// `earned(per_success=0.1 max=10 above=50%)`: each failure costs a token and each success earns
    /// `per_success`, of at most `max`; without more than `above` of them nothing is tried again (gRPC's
    /// retry throttling). Hedges ask it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetSpec>,
    /// Each further attempt goes to an instance where none has been: to any but the last one once all have been tried. Who
    /// calls through a load balancer tells it where the call has been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<bool>,
    /// Outcomes worth another attempt; `[timeout, error, rejected, unavailable, shed]` when absent.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub if_: Option<Vec<Outcome>>,
}

/// Wait before another attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Backoff {
    /// Always the same.
    Constant {
        /// The wait.
        wait: SimDuration,
        /// How much of it is random.
        jitter: Jitter,
    },
    /// `step` more each time, up to `max`.
    Linear {
        /// Growth per attempt.
        step: SimDuration,
        /// Upper bound, if any.
        max: Option<SimDuration>,
        /// How much of it is random.
        jitter: Jitter,
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

/// How much of a backoff is random (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jitter {
    /// Nothing.
    None,
    /// Uniform in 0..wait.
    Full,
    /// Half fixed, half uniform.
    Equal,
    /// Uniform in base..3 x previous wait.
    Decorrelated,
    /// Plus or minus this share of it.
    Within(f64),
}
