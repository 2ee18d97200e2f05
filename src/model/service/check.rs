//! What can be wrong with a service beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use std::collections::BTreeSet;

use crate::{
    model::{
        autoscale::check::autoscale,
        check::{Checked, MAX_INSTANCES, boot, closest, discipline, formula, law, positive, zones},
        check_size::rounds,
        check_steps::{long_programs, many_steps, steps},
        consistency,
        kind::Kind,
        kinds::NodeSpec,
        names::Names,
        network::ZonesSpec,
        purchase::check::purchase,
        resilience::check::{edge, elsewhere},
        service::{Discipline, FullRoomSpec, ServiceSpec, StepSpec},
    },
    problem::Problems,
    units::Name,
};

impl Checked for ServiceSpec {
    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        service(self, path, names, problems);
    }

    fn check_length(&self, versions: &[&NodeSpec], path: &str, problems: &mut Problems) {
        long_programs(versions, &format!("{path}.endpoints"), problems);
        for (endpoint, list) in &self.endpoints {
            rounds(list, &format!("{path}.endpoints.{}", endpoint.0), 1, problems);
        }
        for (i, task) in self.background.iter().enumerate() {
            rounds(&task.do_, &format!("{path}.background[{i}].do"), 1, problems);
        }
    }
}

/// Most that a core takes at once.
const MAX_BATCH: u64 = 10_000;

/// A service.
fn service(spec: &ServiceSpec, path: &str, names: &Names, problems: &mut Problems) {
    let at = |key: &str| format!("{path}.{key}");
    positive(spec.instances, MAX_INSTANCES, &at("instances"), problems);
    positive(spec.workers, 1 << 24, &at("workers"), problems);
    positive(spec.cores, 1 << 20, &at("cores"), problems);
    zones(spec.zones.as_ref(), &at("zones"), names, problems);
    let instances = spec.wanted();
    if spec.need.is_some_and(|need| need.0 > instances) {
        let message = format!("it is never up: there are only {instances} instances");
        problems.error_help("E-RANGE", at("need"), message, "at most as many as `instances`");
    }
    autoscale(spec, path, names, problems);
    purchase(spec, path, names, problems);
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
    if spec.speedup.is_some() && !shared && spec.batch.is_none() {
        problems.error_help(
            "E-CONFLICT",
            at("speedup"),
            "`speedup` is the speed of a shared server",
            "add `discipline: shared`, or `batch`",
        );
    }
    batch(spec, path, problems);
    quota(spec, path, problems);
    if spec.speedup.is_some() && spec.cores.is_some() && spec.batch.is_none() {
        problems.error("E-CONFLICT", at("cores"), "`speedup` takes the place of `cores`");
    }
    spec.check_consumes(path, names, problems);
    let bounded = service_waits(spec, path, problems);
    spec.check_body(path, names, problems);
    let works = spec.work.is_some() || spec.lists().any(has_work);
    // Without workers one batch of messages at a time is worked off.
    let called =
        spec.consumes.is_none() || names.is_called(path.split('.').nth(1).unwrap_or_default());
    if works && !bounded && called {
        problems.warn(
            "W-UNBOUNDED",
            path,
            "without `workers` and `cores` this service never saturates",
            "bound it by `cores` (CPU) or `workers` (requests at once)",
        );
    }
}

impl ServiceSpec {
    /// What can be wrong with its steps and whom they call.
    pub fn check_body(&self, path: &str, names: &Names, problems: &mut Problems) {
        service_steps(self, path, names, problems);
        service_edges(self, path, names, problems);
    }
}

/// Processor time that is rationed.
fn quota(spec: &ServiceSpec, path: &str, problems: &mut Problems) {
    let Some(quota) = spec.quota else { return };
    let path = format!("{path}.quota");
    quota.check(spec.cores.map(|cores| cores.0), &path, problems);
    let others = [("batch", spec.batch.is_some()), ("speedup", spec.speedup.is_some())];
    if let Some((key, _)) = others.into_iter().find(|other| other.1) {
        let message = format!("how much processor time `{key}` takes is not known");
        problems.error_help("E-CONFLICT", path, message, format!("leave out `{key}`"));
    }
}

/// Cores that take several at once.
fn batch(spec: &ServiceSpec, path: &str, problems: &mut Problems) {
    let Some(batch) = spec.batch else { return };
    let at = |key: &str| format!("{path}.{key}");
    positive(Some(batch.size), MAX_BATCH, &at("batch.size"), problems);
    if spec.cores.is_none() {
        let message = "a core takes a batch, and there are no `cores`";
        problems.error_help("E-MISSING", at("batch"), message, "such as `cores: 1`");
    }
    let other = |discipline: &Discipline| {
        !matches!(
            discipline,
            Discipline::Fifo
                | Discipline::Lifo
                | Discipline::Random
                | Discipline::Priority
                | Discipline::ShortestJob
                | Discipline::AdaptiveLifo
        )
    };
    if spec.discipline.as_ref().is_some_and(other) {
        let message = "what is begun together ends together, whoever else waits";
        let help = "`fifo`, `lifo`, `random`, `priority`, `shortest_job` or `adaptive_lifo`";
        problems.error_help("E-CONFLICT", at("discipline"), message, help);
    }
    if let Some(workers) = spec.workers.filter(|workers| workers.0 < batch.size.0) {
        let message = format!("a batch is never full: {} requests are worked at once", workers.0);
        let help = "as many `workers` as there is room for in the batches of all cores";
        problems.warn("W-BATCH", at("batch.size"), message, help);
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
    spec.check_holds(path, problems);
    spec.check_transactions(path, names, problems);
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
        edge(edge_, (&path, &[&name.0]), names, problems);
        elsewhere(edge_, &name.0, &path, names, problems);
        consistency::check::edge(edge_, &name.0, &path, names, problems);
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
