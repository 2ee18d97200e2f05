//! What can be wrong with a balancer beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use std::collections::BTreeSet;

use crate::{
    model::{
        balancer::{BalanceSpec, HealthCheckSpec, LoadBalancerSpec, Policy, TargetsSpec},
        check::{Checked, MAX_INSTANCES, positive, ring, zones},
        kind::Reach,
        names::Names,
    },
    problem::Problems,
    units::Name,
};

impl Checked for LoadBalancerSpec {
    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        balancer(self, path, names, problems);
    }
}

/// The targets a balancer or dns node chooses among.
pub fn targets(spec: &TargetsSpec, path: &str, names: &Names, problems: &mut Problems) {
    let targets = spec.nodes();
    if targets.is_empty() {
        problems.error("E-TOPO", format!("{path}.to"), "needs at least one target");
    } else if targets.iter().all(|t| t.1 <= 0.0) {
        problems.error("E-TOPO", format!("{path}.to"), "all weights are zero");
    }
    if let TargetsSpec::Pool(pool) = spec {
        let distinct: BTreeSet<&Name> = pool.iter().collect();
        if distinct.len() < pool.len() {
            problems.error("E-DUP-NAME", format!("{path}.to"), "a target is listed twice");
        }
    }
    for call in spec.calls(path) {
        let facts = names.node(&call.target).map(|id| names.kind(id).facts());
        if facts.as_ref().is_some_and(|facts| facts.replicas.is_some()) {
            let message = format!("`{}` has replicas, among which its callers choose", call.target);
            problems.error_help("E-TOPO", &call.path, message, "call it directly");
        }
        let reach = facts.map(|facts| facts.reach);
        if matches!(reach, Some(Reach::Answer { .. })) {
            problems.error_help(
                "E-TOPO",
                call.path,
                format!(
                    "`{}` is a dns node, which only clients, services and caches ask",
                    call.target
                ),
                "name its targets",
            );
        }
    }
}

/// A balancer.
fn balancer(spec: &LoadBalancerSpec, path: &str, names: &Names, problems: &mut Problems) {
    zones(spec.zones.as_ref(), &format!("{path}.zones"), names, problems);
    targets(&spec.to, path, names, problems);
    health(spec, path, names, problems);
    let pool: u64 = spec
        .to
        .nodes()
        .into_iter()
        .filter_map(|(name, _)| names.node(&name.0))
        .map(|id| names.kind(id).facts().instances)
        .fold(0, u64::saturating_add);
    if let Some(Policy::ConsistentHash(points) | Policy::BoundedHash(points, _)) = spec.policy {
        ring(pool, points, &format!("{path}.policy"), problems);
    }
    line(spec, path, problems);
    if let Some(subset) = spec.subset {
        positive(Some(subset.size), MAX_INSTANCES, &format!("{path}.subset"), problems);
        if subset.size.0 >= pool && pool > 0 {
            let message = format!("there are only {pool} instances: all are used");
            problems.warn("W-UNUSED", format!("{path}.subset"), message, "fewer, or leave it out");
        }
    }
    let path_policy = format!("{path}.policy");
    if let Some(Policy::PowerOfD { d, replace }) = spec.policy {
        if d == 0 || d > 16 {
            problems.error("E-RANGE", path_policy, "d must be in 1..=16");
        } else if u64::from(d) > pool && pool > 0 && !replace {
            problems.warn(
                "W-POLICY",
                path_policy,
                format!("d = {d} but there are only {pool} instances: all are compared"),
                "this is least_requests",
            );
        }
    } else if spec.policy == Some(Policy::RoundRobin(true))
        && !matches!(spec.to, TargetsSpec::Weighted(_))
    {
        problems.warn(
            "W-POLICY",
            path_policy,
            "there are no weights to spread evenly: this is round_robin",
            "give `to` weights, such as `{blue: 95, green: 5}`",
        );
    }
}

/// Most requests at a target.
const MAX_IN_FLIGHT: u64 = 1 << 24;

/// How many requests may be at a target, and who waits.
fn line(spec: &LoadBalancerSpec, path: &str, problems: &mut Problems) {
    let at = |key: &str| format!("{path}.{key}");
    positive(spec.max_in_flight, MAX_IN_FLIGHT, &at("max_in_flight"), problems);
    if spec.wait.is_some_and(|wait| wait.0 == 0) {
        let message = "must be above 0";
        problems.error_help("E-RANGE", at("wait"), message, "where nobody is to wait: `queue: 0`");
    }
    let by_request =
        [("max_in_flight", spec.max_in_flight.is_some()), ("subset", spec.subset.is_some())];
    let by_connection = spec.balance == Some(BalanceSpec::Connection);
    for (key, _) in by_request.into_iter().filter(|(_, given)| *given && by_connection) {
        let message = "a connection is spread once, with all that comes on it";
        problems.error_help("E-CONFLICT", at(key), message, "leave out `balance: connection`");
    }
    for (key, given) in [("queue", spec.queue.is_some()), ("wait", spec.wait.is_some())] {
        if given && spec.max_in_flight.is_none() {
            let message = "nobody waits here: targets take as many as come";
            problems.error_help("E-CONFLICT", at(key), message, "add `max_in_flight: 8`");
        }
    }
    if spec.queue.is_some_and(|room| room.0 == 0) && spec.wait.is_some() {
        problems.error_help("E-CONFLICT", at("wait"), "there is no room to wait in", "a `queue`");
    }
}

/// How a node checks the health of its targets.
pub fn health_check(check: &HealthCheckSpec, path: &str, problems: &mut Problems) {
    let at = |key: &str| format!("{path}.health_check.{key}");
    match (check.interval, check.detect) {
        (None, None) => problems.error_help(
            "E-MISSING",
            format!("{path}.health_check"),
            "how often?",
            "such as `interval: 2s` (or `detect: 5s`: known after that time, without probes)",
        ),
        (Some(_), Some(_)) => problems.error_help(
            "E-CONFLICT",
            at("detect"),
            "stands for probes that are not sent, but `interval` sends them",
            "leave out one of the two",
        ),
        (Some(interval), None) => {
            if interval.0 == 0 {
                problems.error("E-RANGE", at("interval"), "must be above 0");
            }
            if check.timeout.is_some_and(|t| t.0 > interval.0 || t.0 == 0) {
                let message = "must be above 0 and not longer than `interval`";
                problems.error("E-RANGE", at("timeout"), message);
            }
        }
        (None, Some(_)) => {
            let probed = check.timeout.is_some()
                || check.operation.is_some()
                || check.fall.is_some()
                || check.rise.is_some();
            if probed {
                let message = "sends no probe, so it has no timeout, operation, fall or rise";
                problems.error("E-CONFLICT", at("detect"), message);
            }
        }
    }
    positive(check.fall, 1000, &at("fall"), problems);
    positive(check.rise, 1000, &at("rise"), problems);
}

/// How a balancer learns of the health of its targets.
fn health(spec: &LoadBalancerSpec, path: &str, names: &Names, problems: &mut Problems) {
    if let Some(check) = &spec.health_check {
        health_check(check, path, problems);
        for (name, _) in spec.to.nodes() {
            let stops = names.node(&name.0).is_some_and(|id| names.kind(id).stops_by_itself());
            if check.detect.is_some() && stops {
                problems.warn(
                    "W-DETECT",
                    format!("{path}.health_check.detect"),
                    format!("`{}` can stop serving by itself, which only probes see", name.0),
                    "give `interval` instead",
                );
            }
        }
    }
    if let Some(eject) = &spec.eject {
        positive(eject.errors, 1_000_000, &format!("{path}.eject.errors"), problems);
        if eject.errors.is_none() && eject.success_rate.is_none() {
            let help = "`errors: 5`, or `success_rate: {}`";
            problems.error_help("E-MISSING", format!("{path}.eject"), "for what?", help);
        }
        if eject.longest.is_some_and(|longest| longest <= eject.for_) {
            let message = "must be longer than `for`, or nothing grows";
            problems.error("E-RANGE", format!("{path}.eject.longest"), message);
        }
        if let Some(rate) = &eject.success_rate {
            let at = |key: &str| format!("{path}.eject.success_rate.{key}");
            if rate.every.is_some_and(|every| every.0 == 0) {
                problems.error("E-RANGE", at("every"), "must be above 0");
            }
            positive(rate.requests, 1_000_000, &at("requests"), problems);
            positive(rate.targets, MAX_INSTANCES, &at("targets"), problems);
            if rate.deviations.is_some_and(|n| n.0 <= 0.0) {
                problems.error("E-RANGE", at("deviations"), "must be above 0");
            }
        }
        if eject.for_.0 == 0 {
            problems.error("E-RANGE", format!("{path}.eject.for"), "must be above 0");
        }
    }
    if spec.timeout.is_some_and(|t| t.0 == 0) {
        problems.error("E-RANGE", format!("{path}.timeout"), "must be above 0");
    }
    if spec.on_down.is_some() && spec.health_check.is_none() {
        problems.error_help(
            "E-CONFLICT",
            format!("{path}.on_down"),
            "this balancer never finds a target down",
            "give it a `health_check`",
        );
    }
    let knows = spec.health_check.is_some() || spec.eject.is_some();
    for (key, given) in [("slow_start", spec.slow_start.is_some()), ("panic", spec.panic.is_some())]
    {
        if given && !knows {
            problems.error_help(
                "E-CONFLICT",
                format!("{path}.{key}"),
                "this balancer never learns that a target is gone or back",
                "give it a `health_check` or `eject`",
            );
        }
    }
}
