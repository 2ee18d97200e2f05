//! Policies of edges, ready to run.

use crate::{
    engine::law::{DurationLaw, Formula},
    model::{
        build::Assembly,
        connection::near::WirePolicy,
        consistency::tokens::Guarantees,
        resilience::{
            DeadlineSpec, EdgeSpec,
            breaker::BreakerSpec,
            budget::BudgetPolicy,
            guard::GuardPolicy,
            permits::PermitPolicy,
            policy::{Asks, EdgePolicy, Elsewhere, Keeps, Retry},
            rate_limit::{RateLimit, RateLimitSpec, RateLimitsSpec},
            specs::PoolFields,
        },
    },
    units::SimDuration,
};

impl EdgePolicy {
    /// An edge's policy, ready to run; `path` of names keys its draws.
    pub fn new(spec: &EdgeSpec, (path, target): (&str, &str), assembly: &mut Assembly<'_>) -> Self {
        let retry = spec.retry.as_ref().map(Retry::new);
        let budget = spec.retry.as_ref().and_then(|retry| retry.budget);
        let (pool, wires) = spec.pool.as_ref().map_or((None, None), |spec_| {
            let (pool, wires) = pool(&spec_.0, (path, target), spec.timeout, assembly);
            (Some(pool), wires)
        });
        let guard = GuardPolicy {
            budget: retry.as_ref().and_then(|retry| BudgetPolicy::new(budget, retry.on)),
            throttle: spec.throttle,
            breaker: spec.breaker.as_ref().map(BreakerSpec::policy),
            rate_limit: spec.rate_limit.as_ref().map(|limits| rate_limits(limits, assembly)),
            bulkhead: spec.bulkhead.as_ref().map(|b| PermitPolicy {
                size: b.0.size.0,
                wait: b.0.wait.map_or(0, |wait| wait.0),
                setup: None,
                number: 0,
                idle: u64::MAX,
            }),
            pool,
            wires,
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
            keeps: Keeps::Nothing,
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

/// A pool, ready to run; with what opens its connections, where they have two ends.
fn pool(
    spec: &PoolFields,
    (path, target): (&str, &str),
    timeout: Option<SimDuration>,
    assembly: &mut Assembly<'_>,
) -> (PermitPolicy, Option<WirePolicy>) {
    let number = assembly.pools.len() as u32;
    // The kind of thing it is and its name.
    let caller = path.split('/').take(2).collect::<Vec<&str>>().join("/");
    assembly.pools.push((caller, target.to_owned()));
    let mut law = |law: &DurationLaw, of: &str| {
        assembly.demand(&Formula::from(law.clone()), &format!("{path}/pool/{of}"))
    };
    let setup = spec.setup.as_ref().map(|setup| &setup.0);
    let time = setup.and_then(|setup| setup.time.as_ref()).map(|time| law(time, "setup"));
    let wait = spec.wait.map_or(u64::MAX, |wait| wait.0);
    let idle = spec.idle.map_or(u64::MAX, |idle| idle.0);
    let work = setup.and_then(|setup| setup.work.as_ref()).map(|work| law(work, "work"));
    let max_age = spec.max_age.as_ref().map(|age| law(age, "max_age"));
    if !assembly.names.is_wired(spec, target) {
        return (PermitPolicy { size: spec.size.0, wait, setup: time, number, idle }, None);
    }
    let streams = spec.streams.map_or(1, |streams| streams.0);
    let wires = WirePolicy {
        number,
        size: spec.size.0,
        streams,
        time,
        round_trips: setup.and_then(|setup| setup.round_trips).map_or(1, |trips| trips.0),
        work,
        keep: spec.keep.map_or(u64::MAX, |keep| keep.0),
        idle,
        max_age,
        timeout: timeout.map_or(u64::MAX, |timeout| timeout.0),
        linger: spec.linger.map_or(0, |linger| linger.0),
        ports: spec.ports.map_or(u64::MAX, |ports| ports.0),
    };
    let size = spec.size.0.saturating_mul(streams);
    (PermitPolicy { size, wait, setup: None, number, idle: u64::MAX }, Some(wires))
}

/// Rate limits, ready to run.
pub fn rate_limits(spec: &RateLimitsSpec, assembly: &mut Assembly<'_>) -> Box<[RateLimit]> {
    spec.0.iter().map(|limit| rate_limit(limit, assembly)).collect()
}

fn rate_limit(spec: &RateLimitSpec, assembly: &mut Assembly<'_>) -> RateLimit {
    let per = spec.per.as_ref().map(|name| assembly.names.attribute(name).expect("it was checked"));
    let shared = spec.shared.then(|| {
        assembly.limiters += 1;
        assembly.limiters - 1
    });
    RateLimit::new(spec, per, shared)
}
