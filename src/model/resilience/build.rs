//! Policies of edges, ready to run.

use crate::{
    engine::law::Formula,
    model::{
        build::Assembly,
        consistency::tokens::Guarantees,
        resilience::{
            DeadlineSpec, EdgeSpec,
            breaker::BreakerSpec,
            budget::BudgetPolicy,
            guard::GuardPolicy,
            permits::PermitPolicy,
            policy::{Asks, EdgePolicy, Elsewhere, Retry},
            rate_limit::{RateLimit, RateLimitSpec},
        },
    },
};

impl EdgePolicy {
    /// An edge's policy, ready to run; `path` of names keys its draws.
    pub fn new(spec: &EdgeSpec, path: &str, assembly: &mut Assembly<'_>) -> Self {
        let retry = spec.retry.as_ref().map(Retry::new);
        let budget = spec.retry.as_ref().and_then(|retry| retry.budget);
        let guard = GuardPolicy {
            budget: retry.as_ref().and_then(|retry| BudgetPolicy::new(budget, retry.on)),
            throttle: spec.throttle,
            breaker: spec.breaker.as_ref().map(BreakerSpec::policy),
            rate_limit: spec.rate_limit.as_ref().map(|limit| rate_limit(limit, assembly)),
            bulkhead: spec.bulkhead.as_ref().map(|b| PermitPolicy {
                size: b.0.size.0,
                wait: b.0.wait.map_or(0, |wait| wait.0),
                setup: None,
                idle: u64::MAX,
            }),
            pool: spec.pool.as_ref().map(|p| PermitPolicy {
                size: p.0.size.0,
                wait: p.0.wait.map_or(u64::MAX, |wait| wait.0),
                setup: p.0.setup.as_ref().map(|law| {
                    let formula = Formula::from(law.clone());
                    assembly.demand(&formula, &format!("{path}/pool/setup"))
                }),
                idle: p.0.idle.map_or(u64::MAX, |idle| idle.0),
            }),
            hedge: spec.hedge.map(|hedge| hedge.after),
        };
        let tracks = guard.is_some()
            || spec.retry.is_some()
            || spec.deadline.is_some()
            || spec.fallback.is_some();
        Self {
            timeout: spec.timeout.map(|t| (t.0, assembly.span(t.0))),
            deadline: match spec.deadline {
                Some(DeadlineSpec::Within(d)) => Some(d.0),
                _ => None,
            },
            propagate: spec.deadline == Some(DeadlineSpec::Propagate),
            retry,
            guard: guard.is_some().then(|| Box::new(guard)),
            cancel: spec.cancel == Some(true),
            tracks,
            elsewhere: Elsewhere {
                retries: spec.retry.as_ref().is_some_and(|retry| retry.elsewhere == Some(true)),
                copies: spec.hedge.is_some_and(|hedge| hedge.elsewhere == Some(true)),
            },
            asks: Asks {
                guarantees: Guarantees::of(spec.guarantees.as_deref()),
                once: spec.idempotent == Some(true),
            },
        }
    }
}

/// A rate limit, ready to run.
pub fn rate_limit(spec: &RateLimitSpec, assembly: &mut Assembly<'_>) -> RateLimit {
    let per = spec.per.as_ref().map(|name| assembly.names.attribute(name).expect("it was checked"));
    let shared = spec.shared.then(|| {
        assembly.limiters += 1;
        assembly.limiters - 1
    });
    RateLimit::new(spec, per, shared)
}
