//! Follows requests through a design before it runs: how many visits and attempts they cause.
//!
//! **Invariant.** As in `check.rs`; the calls have no cycle.

use super::{
    client::ClientSpec,
    kind::{Outgoing, Reach},
    resilience::DeadlineSpec,
};
use crate::{
    model::{design::Limits, ids::NodeId, kind::Op, names::Names},
    problem::Problems,
    units::SimDuration,
};

/// Attempts one request may cause on one path before the design is refused as a retry bomb.
const MAX_ATTEMPTS: u64 = 1000;
/// Offered load over capacity from which it is told of as times, not per cent.
const MANY_TIMES: f64 = 10.0;
/// Events of a visit, at most times: its message, the reply, its work, its timer.
const EVENTS_PER_VISIT: f64 = 4.0;

/// Checks the number of attempts (E-RETRY-BOMB) and of events (E-BUDGET).
///
/// `calls` are all, `caused` those that visits make.
pub(super) fn flow(
    names: &Names,
    calls: &[Vec<Outgoing>],
    caused: &[Vec<Outgoing>],
    problems: &mut Problems,
) {
    let order = callees_first(names, caused);
    attempts(names, caused, &order, problems);
    let active = rates(names, (calls, caused), &order, |client| client.active_share(names));
    events(names, &active, problems);
    let sure = |calls: &[Vec<Outgoing>]| -> Vec<Vec<Outgoing>> {
        let of = |calls: &Vec<Outgoing>| calls.iter().filter(|c| c.sure).cloned().collect();
        calls.iter().map(of).collect()
    };
    let (calls_made, caused) = (sure(calls), sure(caused));
    overload(names, &rates(names, (&calls_made, &caused), &order, |_| 1.0), problems);
    impossible(names, calls, problems);
}

/// Nodes so that each comes after all it calls.
pub(super) fn callees_first(names: &Names, calls: &[Vec<Outgoing>]) -> Vec<usize> {
    let mut order = Vec::new();
    let mut seen = vec![false; calls.len()];
    for start in 0..calls.len() {
        let mut path = vec![(start, 0)];
        while let Some((node, next)) = path.pop() {
            if next == 0 && std::mem::replace(&mut seen[node], true) {
                continue;
            }
            if let Some(call) = calls[node].get(next) {
                path.push((node, next + 1));
                // What comes round again is no callee of itself.
                path.extend(call.bounded.is_none().then(|| (target(names, call), 0)));
            } else {
                order.push(node);
            }
        }
    }
    order
}

fn target(names: &Names, call: &Outgoing) -> usize {
    usize::from(names.node(&call.target).expect("references were checked"))
}

/// Retries at every layer multiply: one request must not become thousands.
fn attempts(names: &Names, calls: &[Vec<Outgoing>], order: &[usize], problems: &mut Problems) {
    // The worst path below each node: attempts, and the first hop of it.
    let mut worst: Vec<(u64, Option<usize>)> = vec![(1, None); calls.len()];
    for &node in order {
        for call in calls[node].iter().filter(|c| !c.by_message && c.bounded.is_none()) {
            let below = target(names, call);
            let product = call.attempts.saturating_mul(worst[below].0);
            if product > worst[node].0 {
                worst[node] = (product, Some(below));
            }
        }
    }
    for (name, client) in &names.design.clients {
        for (_, operation) in client.operations() {
            let Some((first, _)) = operation.target() else { continue };
            let mut at = usize::from(names.node(&first.0).expect("references were checked"));
            let own = operation.edge().retry.map_or(1, |r| r.attempts.0);
            let total = own.saturating_mul(worst[at].0);
            if total <= MAX_ATTEMPTS {
                continue;
            }
            let mut path = vec![name.0.as_str(), names.name(at)];
            while let Some(next) = worst[at].1 {
                path.push(names.name(next));
                at = next;
            }
            problems.error_help(
                "E-RETRY-BOMB",
                format!("clients.{}", name.0),
                format!(
                    "one request can cause {total} attempts at the end of {}; the limit is \
                     {MAX_ATTEMPTS}",
                    path.join(" -> ")
                ),
                "retry at one layer only, or fewer times",
            );
            break;
        }
    }
}

/// Visits per second of each node by operation, from the mean rates (closed users and traces are
/// not counted); of the requests of each client this share.
fn rates(
    names: &Names,
    (all, calls): (&[Vec<Outgoing>], &[Vec<Outgoing>]),
    order: &[usize],
    share: impl Fn(&ClientSpec) -> f64,
) -> Vec<Vec<f64>> {
    let seconds = names.design.duration as f64 / 1e9;
    let mut rates = vec![vec![0.0; names.ops.len()]; calls.len()];
    for call in all.iter().flatten().filter(|call| call.by_itself) {
        let op = call.operation.as_ref().and_then(|op| names.op(op)).expect("operations are known");
        let target = target(names, call);
        let shards = if call.to_all { names.spec(target).kind().routed() } else { 1 };
        rates[target][usize::from(op)] += call.times * shards as f64;
    }
    for client in names.design.clients.values() {
        let Some(requests) = client.expected_requests(names.design.duration) else { continue };
        let rate = share(client) * requests / seconds;
        for (name, operation) in client.operations() {
            let Some((first, verb)) = operation.target() else { continue };
            let node = usize::from(names.node(&first.0).expect("references were checked"));
            let op = usize::from(names.op(&(name, verb)).expect("operations are known"));
            rates[node][op] += rate * operation.share().map_or(1.0, |s| s.0);
        }
    }
    // What calls within calls make more of it, level by level.
    let (mut all, mut depth) = (vec![vec![0.0; names.ops.len()]; calls.len()], 0);
    while rates.iter().flatten().any(|rate| *rate > 0.0) {
        let deeper = spread(names, calls, order, (&mut rates, depth));
        let sums = all.iter_mut().flatten().zip(rates.iter().flatten());
        sums.for_each(|(sum, rate)| *sum += rate);
        (rates, depth) = (deeper, depth + 1);
    }
    all
}

/// Adds the visits that visits cause, all at one depth of bounded calls: those that are a level deeper.
fn spread(
    names: &Names,
    calls: &[Vec<Outgoing>],
    order: &[usize],
    (rates, depth): (&mut [Vec<f64>], u64),
) -> Vec<Vec<f64>> {
    let mut deeper = vec![vec![0.0; names.ops.len()]; calls.len()];
    for &node in order.iter().rev() {
        let endpoints = names.spec(node).kind().endpoints();
        for op in 0..names.ops.len() {
            let rate = rates[node][op];
            if rate == 0.0 {
                continue;
            }
            let own = &names.ops[op].0;
            let served = if endpoints.contains(&own.as_str()) { own } else { "default" };
            for call in &calls[node] {
                if call.endpoint.as_ref().is_none_or(|e| e == served) {
                    let asked = call.operation.as_ref().and_then(|o| names.op(o));
                    let asked = asked.map_or(op, usize::from);
                    let target = target(names, call);
                    let all = if call.to_all { names.spec(target).kind().routed() } else { 1 };
                    let more = rate * call.times * all as f64;
                    match call.bounded {
                        None => rates[target][asked] += more,
                        Some(most) if depth < most => deeper[target][asked] += more,
                        Some(_) => {}
                    }
                }
            }
        }
    }
    deeper
}

/// The events a run takes.
fn events(names: &Names, rates: &[Vec<f64>], problems: &mut Problems) {
    let seconds = names.design.duration as f64 / 1e9;
    let own: f64 = names.specs().map(|spec| spec.kind().unasked()).sum();
    let visits = rates.iter().flatten().sum::<f64>() + own;
    let events = visits * seconds * EVENTS_PER_VISIT;
    let most = Limits::default().events as f64;
    if events > most {
        let busiest = (0..rates.len())
            .max_by(|&a, &b| rates[a].iter().sum::<f64>().total_cmp(&rates[b].iter().sum::<f64>()))
            .expect("a request visits something");
        problems.error_help(
            "E-BUDGET",
            "duration",
            format!(
                "about {events:.1e} events in {seconds} s of simulated time; the limit is {most:.0e}"
            ),
            format!(
                "simulate a shorter time or a lower rate; most visits are to `{}`",
                names.name(busiest)
            ),
        );
    }
}

/// What is asked of a node, by the mean rates of clients and works of steps: no retries, no queues.
#[derive(Clone, Debug, PartialEq)]
pub struct Offered {
    /// The node.
    pub node: String,
    /// Visits per second.
    pub rate: f64,
    /// How many of its cores (or workers) that keeps busy.
    pub busy: f64,
    /// How many an instance has.
    pub each: f64,
    /// Its instances, or all its shards and replicas, as the run begins.
    pub instances: u64,
    /// What they are.
    pub resource: &'static str,
    /// Some of it comes only where a cache misses.
    pub misses: bool,
}

impl Names {
    /// What is asked of each node that can be full, if caches miss this share of their reads.
    pub fn offered(&self, missed: f64) -> Vec<Offered> {
        let mut calls = self.calls();
        calls.iter_mut().flatten().filter(|call| call.misses).for_each(|call| call.times *= missed);
        let caused = calls.iter().map(|of| of.iter().filter(|c| !c.by_itself).cloned().collect());
        let caused: Vec<Vec<Outgoing>> = caused.collect();
        let order = callees_first(self, &caused);
        let rates = rates(self, (&calls, &caused), &order, |_| 1.0);
        let mut missing = vec![false; calls.len()];
        for call in calls.iter().flatten().filter(|call| call.misses) {
            missing[target(self, call)] = true;
        }
        let one = |(node, rates): (usize, &Vec<f64>)| {
            let kind = self.spec(node).kind();
            let facts = kind.facts();
            let (each, resource) = (facts.capacity?, kind.saturates()?);
            let work = |(rate, op): (&f64, &Op)| rate * kind.visit(op).work / 1e9;
            let busy: f64 = rates.iter().zip(&self.ops).map(work).sum();
            (busy > 0.0).then(|| Offered {
                node: self.name(node).to_owned(),
                rate: rates.iter().sum(),
                busy,
                each,
                instances: facts.serving().min(kind.wanted()),
                resource,
                misses: missing[node],
            })
        };
        rates.iter().enumerate().filter_map(one).collect()
    }
}

/// More work than a node can do: its queue grows without end, or it turns requests away, or they time out.
fn overload(names: &Names, rates: &[Vec<f64>], problems: &mut Problems) {
    for (node, rates) in rates.iter().enumerate() {
        let kind = names.spec(node).kind();
        let facts = kind.facts();
        let (Some(capacity), Some(resource)) = (facts.capacity, kind.saturates()) else { continue };
        let (capacity, resource) = match kind.rationed().filter(|cores| *cores < capacity) {
            Some(cores) => (cores, "quota"),
            None => (capacity, resource),
        };
        let work = |(rate, op): (&f64, &Op)| rate * kind.visit(op).work / 1e9;
        let offered: f64 = rates.iter().zip(&names.ops).map(work).sum();
        let times = offered / (capacity * facts.serving().min(kind.wanted()) as f64);
        if times <= 1.0 {
            continue;
        }
        let much = if times >= MANY_TIMES {
            format!("{times:.0} times what")
        } else {
            // Never rounded down to what it can do.
            format!("{} % of what", (times * 100.0 - 1e-6).ceil())
        };
        problems.warn(
            "W-OVERLOAD",
            format!("nodes.{}", names.name(node)),
            format!("asked for {much} its {resource} can do, retries not counted"),
            "more instances or cores, less work or load, or a way to turn requests away in time",
        );
    }
}

/// Timeouts that end before any reply can come.
fn impossible(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    for (number, (name, client)) in names.design.clients.iter().enumerate() {
        for (operation, spec) in client.operations() {
            let Some((first, verb)) = spec.target() else { continue };
            let from = names.client_id(number);
            let least = least_answer(names, from, &first.0, &(operation.clone(), verb));
            let within = match spec.edge().deadline {
                Some(DeadlineSpec::Within(deadline)) => Some(deadline.0),
                _ => None,
            };
            for (key, limit) in
                [("timeout", spec.edge().timeout.map(|t| t.0)), ("deadline", within)]
            {
                let path = spec.place(&format!("clients.{}", name.0), &operation, key);
                too_short(limit, least, (&path, key, &first.0), problems);
            }
        }
    }
    for (node, calls) in calls.iter().enumerate() {
        let kind = names.spec(node).kind();
        for (target, edge) in kind.edges().into_iter().flatten() {
            // The shortest of all that is asked of it.
            let asked = calls.iter().filter(|c| c.target == target.0);
            let ops = asked.flat_map(|call| match &call.operation {
                Some(op) => vec![op],
                None => {
                    names.arriving[node].iter().map(|&op| &names.ops[usize::from(op)]).collect()
                }
            });
            let from = node as NodeId;
            let least = ops.map(|op| least_answer(names, from, &target.0, op)).reduce(f64::min);
            let Some(least) = least else { continue };
            let (name, kind) = (names.name(node), kind.facts().kind);
            let path = format!("nodes.{name}.{kind}.dependencies.{}.timeout", target.0);
            let limit = edge.timeout.map(|t| t.0);
            too_short(limit, least, (&path, "timeout", &target.0), problems);
        }
    }
}

fn too_short(
    limit: Option<u64>,
    least: f64,
    (path, key, target): (&str, &str, &str),
    problems: &mut Problems,
) {
    if limit.is_some_and(|limit| (limit as f64) < least.floor()) {
        problems.warn(
            "W-IMPOSSIBLE",
            path,
            format!(
                "no reply of `{target}` can come in time: none takes less than {}",
                SimDuration(least as u64)
            ),
            format!("a longer `{key}`, unless it is meant to pass every time"),
        );
    }
}

/// No answer to a call comes sooner (ns); that of a balancer or through a dns node is that of its quickest target.
fn least_answer(names: &Names, from: NodeId, target: &str, op: &Op) -> f64 {
    let Some(id) = names.node(target) else { return 0.0 };
    let own =
        |from: NodeId, id: NodeId| 2.0 * names.least_hop(from, id) + names.kind(id).visit(op).least;
    let to = names.kind(id).passes_on();
    let least = |from: NodeId| {
        let least = to.iter().map(|name| names.node(&name.0).map_or(0.0, |to| own(from, to)));
        least.fold(f64::INFINITY, f64::min)
    };
    match names.kind(id).facts().reach {
        _ if to.is_empty() => own(from, id),
        Reach::Answer { .. } => least(from),
        _ => 2.0 * names.least_hop(from, id) + least(id),
    }
}
