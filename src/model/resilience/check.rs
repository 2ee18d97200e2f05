//! What can be wrong with the policies of an edge beyond types.
//!
//! **Invariant.** As in `model/check.rs`: everything is reported, nothing is changed.

use super::{
    DeadlineSpec, EdgeSpec, FallbackSpec, RetrySpec,
    breaker::{BreakerSpec, WindowSpec},
    rate_limit::{MOST_LIMITS, RateLimitSpec, RateLimitsSpec},
};
use crate::{
    model::{
        check::{closest, positive},
        connection::check::pool,
        kind::Reach,
        names::Names,
        resilience::specs::AfterSpec,
    },
    problem::Problems,
    units::{Count, SimDuration},
};

/// Calls or connections at once.
pub const MAX_PERMITS: u64 = 1 << 24;

/// Calls that are one within the other, at most: each has a frame at work.
const MOST_DEPTH: u64 = 100;

/// The policy of an edge to these nodes.
pub fn edge(
    spec: &EdgeSpec,
    (path, targets): (&str, &[&str]),
    names: &Names,
    problems: &mut Problems,
) {
    positive(spec.max_depth, MOST_DEPTH, &format!("{path}.max_depth"), problems);
    if spec.timeout.is_some_and(|t| t.0 == 0) {
        problems.error("E-RANGE", format!("{path}.timeout"), "must be above 0");
    }
    if let Some(breaker_) = &spec.breaker {
        breaker(breaker_, spec.timeout, path, problems);
    }
    if let Some(retry_) = &spec.retry {
        retry(retry_, &format!("{path}.retry"), problems);
        if let (Some(timeout), Some(DeadlineSpec::Within(deadline))) = (spec.timeout, spec.deadline)
            && u128::from(timeout.0) * u128::from(retry_.attempts.0) > u128::from(deadline.0)
        {
            problems.warn(
                "W-DEADLINE",
                format!("{path}.retry.attempts"),
                "the deadline ends before all attempts can time out",
                "a longer deadline, a shorter timeout, or fewer attempts",
            );
        }
    }
    if let Some(limits) = &spec.rate_limit {
        rate_limits(limits, &format!("{path}.rate_limit"), names, problems);
    }
    if let Some(bulkhead) = &spec.bulkhead {
        positive(Some(bulkhead.0.size), MAX_PERMITS, &format!("{path}.bulkhead"), problems);
    }
    if let Some(pool_) = &spec.pool {
        pool(&pool_.0, (&format!("{path}.pool"), targets), names, problems);
    }
    if let (Some(hedge), Some(timeout)) = (spec.hedge, spec.timeout)
        && let AfterSpec::Fixed(after) = hedge.after
        && after >= timeout.0
    {
        let message = "no copy is ever sent: the timeout ends the call before";
        problems.warn("W-HEDGE", format!("{path}.hedge.after"), message, "a shorter `after`");
    }
    if let Some(fallback_) = &spec.fallback {
        fallback(fallback_, &format!("{path}.fallback"), problems);
    }
}

/// Whether there is another instance for a call to go to.
pub fn elsewhere(
    spec: &EdgeSpec,
    target: &str,
    path: &str,
    names: &Names,
    problems: &mut Problems,
) {
    let Some(id) = names.node(target).filter(|_| spec.goes_elsewhere()) else { return };
    let retries = spec.retry.as_ref().is_some_and(|retry| retry.elsewhere == Some(true));
    let path = format!("{path}.{}.elsewhere", if retries { "retry" } else { "hedge" });
    let (kind, facts) = (names.kind(id), names.kind(id).facts());
    let mut wrong = |message: String, help: &str| {
        problems.error_help("E-CONFLICT", &path, message, help);
    };
    if facts.replicas.is_some() {
        let message = format!("`{target}` has replicas: who tries again asks the next one anyway");
        return wrong(message, "leave it out");
    }
    let pool = kind.passes_on();
    let wired = spec.pool.as_ref().is_some_and(|pool| names.is_wired(&pool.0, target));
    if wired && (pool.is_empty() || kind.far_end().passes_on) {
        let message = format!("a connection to `{target}` stays with its instance");
        return wrong(
            message,
            "a balancer that chooses for each request, or a pool of a mere `size`",
        );
    }
    match facts.reach {
        Reach::Answer { .. } => {
            let message = format!("`{target}` is a name, whose answer is kept for its `ttl`");
            wrong(message, "say so where a balancer or the instances are called");
        }
        Reach::Any => {
            let nodes = pool.iter().filter_map(|name| names.node(&name.0));
            let all = nodes.map(|node| names.kind(node).facts().instances).sum::<u64>();
            if all.max(facts.instances) < 2 {
                let message = format!("`{target}` has no other instance");
                problems.warn("W-UNUSED", &path, message, "more `instances`, or leave it out");
            }
        }
        _ => {
            let message = format!("the key of a request says which instance of `{target}` has it");
            wrong(message, "leave it out");
        }
    }
}

/// Rate limits of calls, or of requests at a door.
pub fn rate_limits(spec: &RateLimitsSpec, path: &str, names: &Names, problems: &mut Problems) {
    if spec.0.is_empty() || spec.0.len() > MOST_LIMITS {
        let message = format!("{} limits; there can be 1 to {MOST_LIMITS}", spec.0.len());
        problems.error("E-RANGE", path, message);
    }
    for (i, limit) in spec.0.iter().enumerate() {
        let path = if spec.0.len() == 1 { path.to_owned() } else { format!("{path}[{i}]") };
        known_attribute(limit, &path, names, problems);
        if spec.0[..i].contains(limit) {
            problems.error("E-CONFLICT", path, "the same limit stands before it");
        }
    }
}

/// The attribute that a rate limit tells calls apart by.
fn known_attribute(limit: &RateLimitSpec, path: &str, names: &Names, problems: &mut Problems) {
    let Some(per) = &limit.per else { return };
    if names.attribute(per).is_none() {
        let known = names.attribute_names();
        let help = closest(per, known.iter().map(String::as_str));
        problems.error_help("E-REF", path, format!("unknown attribute `{per}`"), help);
    }
}

fn fallback(spec: &FallbackSpec, path: &str, problems: &mut Problems) {
    let ways = [spec.reply.is_some(), spec.call.is_some(), spec.cache.is_some()];
    match ways.into_iter().filter(|way| *way).count() {
        0 => {
            let help = "`reply: 2KB`, `call: node` or `cache: stale`";
            problems.error_help("E-MISSING", path, "falls back on what?", help);
        }
        1 => {}
        _ => {
            let message = "either a fixed reply, a call or what a cache still has";
            let help = "another node may have a fallback of its own";
            problems.error_help("E-CONFLICT", path, message, help);
        }
    }
}

/// Calls a breaker judges or lets through, at most.
const MAX_WINDOW: u64 = 1_000_000;

fn breaker(spec: &BreakerSpec, timeout: Option<SimDuration>, path: &str, problems: &mut Problems) {
    let at = |key: &str| format!("{path}.breaker.{key}");
    match spec.window {
        WindowSpec::Calls(n) => {
            positive(Some(Count(n)), MAX_WINDOW, &at("window"), problems);
            if let Some(least) = spec.min_calls.filter(|least| least.0 > n) {
                let message = format!("a window of {n} calls never has {}", least.0);
                let help = "it would never open";
                problems.error_help("E-CONFLICT", at("min_calls"), message, help);
            }
        }
        WindowSpec::Span(0) => problems.error("E-RANGE", at("window"), "must be above 0"),
        WindowSpec::Span(_) => {}
    }
    positive(spec.min_calls, MAX_WINDOW, &at("min_calls"), problems);
    positive(spec.probes, MAX_WINDOW, &at("probes"), problems);
    if spec.open.base.0 == 0 {
        problems.error("E-RANGE", at("open"), "must be above 0");
    }
    if spec.if_.as_ref().is_some_and(Vec::is_empty) {
        problems.error("E-RANGE", at("if"), "names no outcome");
    }
    if let Some(fine) = spec.if_.iter().flatten().find(|outcome| outcome.is_success()) {
        let message = format!("`{fine:?}` is an answer, not a failure").to_lowercase();
        problems.error_help("E-RANGE", at("if"), message, "such as `[timeout, error]`");
    }
    let slow = spec.slow.as_ref();
    for (key, ratio) in
        [("failure_ratio", spec.failure_ratio), ("slow.ratio", slow.map(|slow| slow.ratio))]
    {
        if ratio.is_some_and(|ratio| ratio.0 <= 0.0) {
            let message = "must be above 0: it would open at once and never close";
            problems.error("E-RANGE", at(key), message);
        }
    }
    if let (Some(slow), Some(timeout)) = (slow, timeout)
        && slow.over >= timeout
    {
        let message = "no call takes that long: its timeout ends it before";
        problems.warn("W-BREAKER", at("slow.over"), message, "a shorter `over`");
    }
}

fn retry(spec: &RetrySpec, path: &str, problems: &mut Problems) {
    positive(Some(spec.attempts), 1000, &format!("{path}.attempts"), problems);
    if spec.if_.as_ref().is_some_and(Vec::is_empty) {
        problems.error("E-RANGE", format!("{path}.if"), "names no outcome");
    }
}
