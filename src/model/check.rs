//! What a scenario must satisfy beyond types: names, bounds, topology, impossible settings.
//!
//! **Invariant.** A design without errors here can be built and run; the builder trusts it.

use std::collections::BTreeSet;

use super::{
    balancer::{HealthCheckSpec, LoadBalancerSpec, Policy, TargetsSpec},
    cache::{CacheSpec, Capacity, OnFailure},
    check_steps::{many_steps, steps},
    kind::{Facts, Kind},
    kinds::NodeSpec,
    network::ZonesSpec,
    resilience::check::edge,
    service::{Discipline, FullRoomSpec, ServiceSpec, StepSpec},
    store::{ShardBy, StoreSpec},
};
pub use crate::problem::closest;
use crate::{
    engine::law::{Dimension, DurationLaw, Formula, Law},
    model::names::Names,
    problem::Problems,
    units::{Count, Name, SimDuration, Size},
};

/// Points on a ring.
const MAX_POINTS: u64 = 10_000_000;
/// Instances of one node, and of all together.
pub(super) const MAX_INSTANCES: u64 = 60_000;

/// A count that must be in `1..=most`.
pub fn positive(count: Option<Count>, most: u64, path: &str, problems: &mut Problems) {
    let Some(Count(n)) = count else { return };
    if n == 0 {
        problems.error("E-RANGE", path, "must be at least 1");
    } else if n > most {
        problems.error("E-BUDGET", path, format!("{n} is above the limit of {most}"));
    }
}

/// A law's warnings.
pub fn law<D: Dimension>(law: &Law<D>, path: &str, problems: &mut Problems) {
    for warning in law.warnings() {
        problems.warn("W-LAW", path, warning, "see the reference on laws");
    }
}

/// A formula's attributes and warnings.
pub fn formula<D: Dimension>(
    formula: &Formula<D>,
    path: &str,
    names: &Names,
    problems: &mut Problems,
) {
    for warning in formula.warnings() {
        problems.warn("W-LAW", path, warning, "see the reference on laws");
    }
    for (_, attribute) in formula.attributes() {
        attribute_known(attribute, path, names, problems);
    }
}

pub(super) fn attribute_known(name: &str, path: &str, names: &Names, problems: &mut Problems) {
    if names.attribute(name).is_none() {
        let known = names.attribute_names();
        let help = closest(name, known.iter().map(String::as_str));
        problems.error_help("E-REF", path, format!("no client has an attribute `{name}`"), help);
    }
}

/// The zones of a node or client.
pub fn zones(spec: Option<&ZonesSpec>, path: &str, names: &Names, problems: &mut Problems) {
    let mut one = |name: &Name, path: String| {
        if names.zones_of(&name.0).is_none() {
            let known = names.zones.keys().chain(names.regions.keys()).map(String::as_str);
            let help = closest(&name.0, known);
            problems.error_help("E-REF", path, format!("unknown zone `{}`", name.0), help);
        }
    };
    match spec {
        None => {}
        Some(ZonesSpec::One(name)) => one(name, path.to_owned()),
        Some(ZonesSpec::List(list)) => {
            list.iter().enumerate().for_each(|(i, z)| one(z, format!("{path}[{i}]")));
            if list.is_empty() {
                problems.error("E-TOPO", path, "the list of zones is empty");
            }
        }
        Some(ZonesSpec::Counts(counts)) => {
            for zone in counts.keys() {
                one(zone, format!("{path}.{}", zone.0));
            }
            let total = counts.values().fold(0u64, |n, c| n.saturating_add(c.0));
            positive(Some(Count(total)), MAX_INSTANCES, path, problems);
        }
    }
}

/// A map of zones says where each instance of a node stands: neither more nor fewer than there are.
pub fn placed(facts: &Facts<'_>, path: &str, names: &Names, problems: &mut Problems) {
    let what = if facts.kind == "store" { "shards" } else { "instances" };
    if facts.zones.is_none() && !facts.floats && facts.instances > 1 && names.regions.len() > 1 {
        let message = format!(
            "its {} {what} stand in all zones of {} regions in turn",
            facts.instances,
            names.regions.len()
        );
        problems.warn("W-ZONES", path, message, "say where: `zones: us-east`");
    }
    let Some(ZonesSpec::Counts(counts)) = facts.zones else { return };
    let total = counts.values().fold(0u64, |n, c| n.saturating_add(c.0));
    if total != facts.instances {
        let message = format!("{total} places for {} {what}", facts.instances);
        let help = match facts.kind {
            "store" => "as many as there are shards (one without `shards`)",
            _ => "as many as there are instances (one without `instances`)",
        };
        problems.error_help("E-REPL", format!("{path}.zones"), message, help);
    }
}

/// A store.
pub fn store(spec: &StoreSpec, path: &str, names: &Names, problems: &mut Problems) {
    if let Some(shards) = &spec.shards {
        positive(Some(shards.count), MAX_INSTANCES, &format!("{path}.shards.count"), problems);
        let at = format!("{path}.shards.by");
        match &shards.by {
            Some(ShardBy::ConsistentHash(points)) => {
                ring(shards.count.0, *points, &at, problems);
            }
            Some(ShardBy::Range(last))
                if !last.is_empty() && last.len() as u64 + 1 != shards.count.0 =>
            {
                let message = format!(
                    "{} shards need {} last keys, all but the last one's; found {}",
                    shards.count.0,
                    shards.count.0.saturating_sub(1),
                    last.len()
                );
                problems.error("E-SHARD", at, message);
            }
            _ => {}
        }
    }
    positive(spec.cores, 1 << 20, &format!("{path}.cores"), problems);
    formula(&spec.read, &format!("{path}.read"), names, problems);
    if let Some(write) = &spec.write {
        formula(write, &format!("{path}.write"), names, problems);
    }
    boot(spec.boot.as_ref(), path, problems);
    if let Some(size) = &spec.value_size {
        formula(size, &format!("{path}.value_size"), names, problems);
    }
    discipline(spec.discipline.as_ref(), spec.cores.is_some(), path, problems);
    zones(spec.zones.as_ref(), &format!("{path}.zones"), names, problems);
}

fn boot(time: Option<&DurationLaw>, path: &str, problems: &mut Problems) {
    if let Some(time) = time {
        law(time, &format!("{path}.boot"), problems);
    }
}

/// A cache.
pub fn cache(spec: &CacheSpec, path: &str, names: &Names, problems: &mut Problems) {
    positive(spec.instances, MAX_INSTANCES, &format!("{path}.instances"), problems);
    positive(spec.cores, 1 << 20, &format!("{path}.cores"), problems);
    boot(spec.boot.as_ref(), path, problems);
    let at = format!("{path}.by");
    match &spec.by {
        Some(_) if spec.in_.is_some() => {
            problems.error("E-CONFLICT", at, "a cache inside a service is found without its keys");
        }
        Some(ShardBy::ConsistentHash(points)) => {
            ring(spec.instances.map_or(1, |n| n.0), *points, &at, problems);
        }
        Some(by @ (ShardBy::Range(_) | ShardBy::Directory)) => {
            let help = "`hash` or `consistent_hash(vnodes=100)`";
            problems.error_help("E-CONFLICT", at, format!("`{by}` is for stores"), help);
        }
        Some(ShardBy::Hash) | None => {}
    }
    if let Some(Capacity::Entries(n) | Capacity::Bytes(n)) = spec.capacity {
        positive(Some(Count(n)), 1 << 50, &format!("{path}.capacity"), problems);
    }
    if let Some(ttl) = &spec.ttl {
        law(ttl, &format!("{path}.ttl"), problems);
        if ttl.constant() == Some(0.0) {
            problems.error("E-RANGE", format!("{path}.ttl"), "must be above 0");
        }
    }
    if spec.early.is_some() && spec.ttl.is_none() {
        let message = "there is no `ttl`, so nothing is fetched before its end";
        problems.error("E-CONFLICT", format!("{path}.early"), message);
    }
    if let Some(Capacity::Bytes(room)) = spec.capacity {
        fits((room, path), names, problems);
    }
    if spec.on_failure.is_some() && spec.coalesce != Some(true) {
        let message = "nobody waits for the fetch of another here";
        let help = "give `coalesce: true`";
        problems.error_help("E-CONFLICT", format!("{path}.on_failure"), message, help);
    }
    if let Some(OnFailure::Next(SimDuration(0))) = spec.on_failure {
        problems.error("E-RANGE", format!("{path}.on_failure"), "`wait` must be above 0");
    }
    if spec.ttl_renew.is_some() && spec.ttl.is_none() {
        let message = "there is no `ttl` to begin anew";
        problems.error("E-CONFLICT", format!("{path}.ttl_renew"), message);
    }
    if spec.stale_while_revalidate.is_some() {
        let at = format!("{path}.stale_while_revalidate");
        if spec.ttl.is_none() {
            problems.error("E-CONFLICT", at, "there is no `ttl`, so nothing becomes stale");
        } else if spec.from.is_none() {
            let message = "there is no `from` to fetch a stale key from";
            let help = "only a cache that is called directly serves stale entries";
            problems.error_help("E-CONFLICT", at, message, help);
        }
    }
    for (key, time) in
        [("stale_while_revalidate", spec.stale_while_revalidate), ("negative", spec.negative)]
    {
        if time.is_some_and(|t| t.0 == 0) {
            problems.error("E-RANGE", format!("{path}.{key}"), "must be above 0");
        }
    }
    if let Some(latency) = &spec.latency {
        formula(latency, &format!("{path}.latency"), names, problems);
    }
    zones(spec.zones.as_ref(), &format!("{path}.zones"), names, problems);
}

/// Whether values of the stores behind a cache in bytes have sizes, and fit.
fn fits((room, path): (u64, &str), names: &Names, problems: &mut Problems) {
    let cache = path.split('.').nth(1).unwrap_or_default();
    for source in names.design.sources(true).remove(cache).unwrap_or_default() {
        let Some(NodeSpec::Store(store)) = names.node(&source).map(|id| names.spec(id)) else {
            continue;
        };
        let at = format!("{path}.capacity");
        let capacity = Size(room);
        match &store.value_size {
            None => {
                let message =
                    format!("values of `{source}` have no size, so {capacity} never fill");
                let help =
                    format!("give `nodes.{source}.store.value_size`, or a number of entries");
                problems.error_help("E-MISSING", at, message, help);
            }
            Some(size) if size.min_value() > room as f64 => {
                let message = format!(
                    "nothing fits: a value of `{source}` has at least {}",
                    Size(size.min_value() as u64)
                );
                problems.error("E-RANGE", at, message);
            }
            Some(_) => {}
        }
    }
}

fn discipline(spec: Option<&Discipline>, bounded: bool, path: &str, problems: &mut Problems) {
    if spec.is_some_and(|d| *d != Discipline::Fifo) && !bounded {
        problems.error_help(
            "E-CONFLICT",
            format!("{path}.discipline"),
            "nothing ever waits here, so no order of service applies",
            "give `cores` (or `workers`)",
        );
    }
}

/// A balancer.
pub fn balancer(spec: &LoadBalancerSpec, path: &str, names: &Names, problems: &mut Problems) {
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
        let node = names.node(&call.target).map(|id| names.spec(id));
        if matches!(node, Some(NodeSpec::Dns(_))) {
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

/// A ring takes memory for every point.
fn ring(instances: u64, points: u32, path: &str, problems: &mut Problems) {
    let all = instances.saturating_mul(u64::from(points));
    if all > MAX_POINTS {
        problems.error_help(
            "E-BUDGET",
            path,
            format!("{all} points on the ring; the limit is {MAX_POINTS}"),
            "fewer `vnodes`",
        );
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
            let node = names.node(&name.0).map(|id| names.spec(id));
            if let Some(NodeSpec::Service(service)) = node
                && check.detect.is_some()
                && service.stops_by_itself()
            {
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
        positive(Some(eject.errors), 1_000_000, &format!("{path}.eject.errors"), problems);
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

/// A service.
pub fn service(spec: &ServiceSpec, path: &str, names: &Names, problems: &mut Problems) {
    let at = |key: &str| format!("{path}.{key}");
    positive(spec.instances, MAX_INSTANCES, &at("instances"), problems);
    positive(spec.workers, 1 << 24, &at("workers"), problems);
    positive(spec.cores, 1 << 20, &at("cores"), problems);
    zones(spec.zones.as_ref(), &at("zones"), names, problems);
    let instances = spec.facts().instances;
    if spec.need.is_some_and(|need| need.0 > instances) {
        let message = format!("it is never up: there are only {instances} instances");
        problems.error_help("E-RANGE", at("need"), message, "at most as many as `instances`");
    }
    boot(spec.boot.as_ref(), path, problems);
    if let Some(warm) = spec.warm {
        if warm.for_.0 == 0 {
            problems.error("E-RANGE", at("warm.for"), "must be above 0");
        }
        if !(0.001..=1e6).contains(&warm.factor.0) {
            problems.error("E-RANGE", at("warm.factor"), "must be in 0.001..=1000000");
        }
    }
    if matches!(spec.zones, Some(ZonesSpec::Counts(_))) && spec.instances.is_some() {
        problems.error_help(
            "E-CONFLICT",
            at("instances"),
            "`zones` says how many instances there are in each zone",
            "remove `instances`",
        );
    }
    if let Some(inbound) = &spec.inbound {
        inbound.check(spec, &at("inbound"), names, problems);
    }
    if let Some(limits) = &spec.limits {
        limits.check(&at("limits"), problems);
    }
    let shared = spec.discipline == Some(Discipline::Shared);
    if spec.speedup.is_some() && !shared {
        problems.error_help(
            "E-CONFLICT",
            at("speedup"),
            "`speedup` is the speed of a shared server",
            "add `discipline: shared`",
        );
    }
    if spec.speedup.is_some() && spec.cores.is_some() {
        problems.error("E-CONFLICT", at("cores"), "`speedup` takes the place of `cores`");
    }
    let bounded = service_waits(spec, path, problems);
    service_steps(spec, path, names, problems);
    service_edges(spec, path, names, problems);
    let works = spec.work.is_some() || spec.lists().any(has_work);
    if works && !bounded {
        problems.warn(
            "W-UNBOUNDED",
            path,
            "without `workers` and `cores` this service never saturates",
            "bound it by `cores` (CPU) or `workers` (requests at once)",
        );
    }
}

/// Where requests can wait, and settings that only matter there; whether anything bounds it.
fn service_waits(spec: &ServiceSpec, path: &str, problems: &mut Problems) -> bool {
    let at = |key: &str| format!("{path}.{key}");
    let core_bound = spec.cores.is_some() || spec.speedup.is_some();
    let bounded = core_bound || spec.workers.is_some();
    let preemptive = matches!(
        spec.discipline,
        Some(
            Discipline::Shared
                | Discipline::LifoPreemptive
                | Discipline::PriorityPreemptive
                | Discipline::Srpt
        )
    );
    discipline(
        spec.discipline.as_ref(),
        if preemptive { core_bound } else { bounded },
        path,
        problems,
    );
    if let Some(patience) = &spec.patience {
        law(patience, &at("patience"), problems);
        if !bounded && !spec.inbound.as_ref().is_some_and(|inbound| inbound.delays()) {
            problems.warn(
                "W-UNUSED",
                at("patience"),
                "nothing ever waits here",
                "give `cores` or `workers`",
            );
        }
    }
    full(spec, &at("full"), problems);
    if let (Some(queue), false) = (spec.queue, bounded) {
        problems.warn(
            "W-UNUSED",
            at("queue"),
            format!("nothing ever waits here, so a waiting room of {} is never used", queue.0),
            "give `cores` or `workers`",
        );
    }
    bounded
}

/// Who leaves a full waiting room.
fn full(spec: &ServiceSpec, path: &str, problems: &mut Problems) {
    if spec.full != Some(FullRoomSpec::PushOut) {
        return;
    }
    let ranks = matches!(
        spec.discipline,
        Some(
            Discipline::Lifo
                | Discipline::LifoPreemptive
                | Discipline::Priority
                | Discipline::PriorityPreemptive
                | Discipline::ShortestJob
                | Discipline::Srpt
        )
    );
    if !ranks {
        let message = "nobody who waits is less urgent than the one that comes";
        let help = "add `discipline: priority`, `shortest_job`, `lifo` or one that interrupts";
        problems.error_help("E-CONFLICT", path, message, help);
    } else if spec.queue.is_none() {
        let message = "a waiting room without a bound is never full";
        problems.error_help("E-CONFLICT", path, message, "add `queue`");
    }
}

fn has_work(steps: &[StepSpec]) -> bool {
    steps.iter().any(|s| s.work.is_some() || s.inner().iter().any(|(_, inner)| has_work(inner)))
}

fn service_steps(spec: &ServiceSpec, path: &str, names: &Names, problems: &mut Problems) {
    if !spec.endpoints.is_empty() && (spec.work.is_some() || !spec.calls.is_empty()) {
        let key = if spec.work.is_some() { "work" } else { "calls" };
        problems.error_help(
            "E-CONFLICT",
            format!("{path}.{key}"),
            "a service has either `endpoints` or `work` and `calls`",
            "make it a step of an endpoint",
        );
    }
    if let Some(work) = &spec.work {
        formula(work, &format!("{path}.work"), names, problems);
    }
    let mut count = 0;
    for (name, list) in &spec.endpoints {
        count += 1;
        steps(list, &format!("{path}.endpoints.{}", name.0), (0, &mut count), names, problems);
    }
    many_steps(count, &format!("{path}.endpoints"), problems);
    spec.check_locks(path, names, problems);
    for (i, task) in spec.background.iter().enumerate() {
        task.check(&format!("{path}.background[{i}]"), names, problems);
    }
}

fn service_edges(spec: &ServiceSpec, path: &str, names: &Names, problems: &mut Problems) {
    let called: BTreeSet<String> = spec.outgoing(path).into_iter().map(|o| o.target).collect();
    for (name, edge_) in &spec.dependencies {
        let path = format!("{path}.dependencies.{}", name.0);
        if names.node(&name.0).is_none() {
            let help = closest(&name.0, names.nodes());
            problems.error_help("E-REF", &path, format!("unknown node `{}`", name.0), help);
        } else if !called.contains(&name.0) {
            problems.warn(
                "W-UNUSED",
                &path,
                format!("no step calls `{}`", name.0),
                "remove the entry or add the call",
            );
        }
        edge(edge_, &path, names, problems);
        falls_back(spec, name, &path, problems);
    }
    if spec.dependencies_only == Some(true) {
        for call in spec.outgoing(path) {
            if spec.edge(&call.target).is_none() {
                problems.error_help(
                    "E-REF",
                    call.path,
                    format!("`{}` is not among this service's dependencies", call.target),
                    "`dependencies_only: true` allows no other calls",
                );
            }
        }
    }
}

/// Fallbacks that lead back to where they began, or that nothing would use.
fn falls_back(spec: &ServiceSpec, first: &Name, path: &str, problems: &mut Problems) {
    let next = |name: &Name| {
        let fallback = spec.edge(&name.0)?.fallback.as_ref()?;
        fallback.call.as_ref().filter(|_| fallback.reply.is_none())
    };
    let mut chain = vec![first];
    while let Some(name) = next(chain[chain.len() - 1]) {
        if chain.contains(&name) {
            if name == first {
                let chain: Vec<&str> = chain.iter().map(|n| n.0.as_str()).collect();
                let message = format!("{} -> {} falls back on itself", chain.join(" -> "), first.0);
                problems.error("E-CYCLE", format!("{path}.fallback.call"), message);
            }
            break;
        }
        chain.push(name);
    }
    let asked = spec.outgoing("").into_iter().filter(|call| call.target == first.0);
    let mut verbs = asked.map(|call| call.operation.and_then(|op| op.1)).peekable();
    let beside = crate::model::cache::spaces::ASIDE;
    if spec.edge(&first.0).is_some_and(|edge| edge.fallback.is_some())
        && verbs.peek().is_some()
        && verbs.all(|verb| verb.is_some_and(|verb| beside.contains(&verb)))
    {
        let message = format!("a failure of `{}` is a miss: nothing falls back", first.0);
        let help = "give the fallback to the node that is read from";
        problems.error_help("E-CONFLICT", format!("{path}.fallback"), message, help);
    } else if spec
        .edge(&first.0)
        .is_some_and(|e| e.fallback.as_ref().is_some_and(|f| f.cache.is_some()))
        && !spec.stale_reads().iter().any(|read| read.0 == first.0)
    {
        let message = format!("`{}` is not read through a cache", first.0);
        let help = format!("such as `read: {{from: {}, cache: redis}}`", first.0);
        problems.error_help("E-CONFLICT", format!("{path}.fallback.cache"), message, help);
    }
}
