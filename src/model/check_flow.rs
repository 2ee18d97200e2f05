//! Follows requests through a design before it runs: how many visits and attempts they cause.
//!
//! **Invariant.** As in `check.rs`; the calls have no cycle.

use super::{build::Names, kind::Outgoing, kinds::NodeSpec, sim::Limits};
use crate::problem::Problems;

/// Attempts one request may cause on one path before the design is refused as a retry bomb.
const MAX_ATTEMPTS: u64 = 1000;
/// Events of a visit, at most times: its message, the reply, its work, its timer.
const EVENTS_PER_VISIT: f64 = 4.0;

/// Checks the number of attempts (E-RETRY-BOMB) and of events (E-BUDGET).
pub(super) fn flow(names: &Names<'_>, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    let order = callees_first(names, calls);
    attempts(names, calls, &order, problems);
    events(names, calls, &order, problems);
}

/// Nodes so that each comes after all it calls.
fn callees_first(names: &Names<'_>, calls: &[Vec<Outgoing>]) -> Vec<usize> {
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
                path.push((target(names, call), 0));
            } else {
                order.push(node);
            }
        }
    }
    order
}

fn target(names: &Names<'_>, call: &Outgoing) -> usize {
    usize::from(names.node(&call.target).expect("references were checked"))
}

/// Retries at every layer multiply: one request must not become thousands.
fn attempts(names: &Names<'_>, calls: &[Vec<Outgoing>], order: &[usize], problems: &mut Problems) {
    // The worst path below each node: attempts, and the first hop of it.
    let mut worst: Vec<(u64, Option<usize>)> = vec![(1, None); calls.len()];
    for &node in order {
        for call in &calls[node] {
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
            let own = operation.retry().map_or(1, |r| r.attempts.0);
            let total = own.saturating_mul(worst[at].0);
            if total <= MAX_ATTEMPTS {
                continue;
            }
            let mut path = vec![name.0.as_str(), names.nodes[at]];
            while let Some(next) = worst[at].1 {
                path.push(names.nodes[next]);
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

/// The events a run takes, from the mean rates (closed users and traces are not counted).
fn events(names: &Names<'_>, calls: &[Vec<Outgoing>], order: &[usize], problems: &mut Problems) {
    let seconds = names.design.duration as f64 / 1e9;
    let mut rates = vec![vec![0.0; names.ops.len()]; calls.len()];
    for client in names.design.clients.values() {
        let Some(requests) = client.expected_requests(names.design.duration) else { continue };
        let rate = requests / seconds;
        for (name, operation) in client.operations() {
            let Some((first, verb)) = operation.target() else { continue };
            let node = usize::from(names.node(&first.0).expect("references were checked"));
            let op = usize::from(names.op(&(name, verb)).expect("operations are known"));
            rates[node][op] += rate * operation.share().map_or(1.0, |s| s.0);
        }
    }
    for &node in order.iter().rev() {
        let endpoints: Vec<&str> = match names.design.nodes.values().nth(node) {
            Some(NodeSpec::Service(s)) => s.endpoints.keys().map(|n| n.0.as_str()).collect(),
            _ => Vec::new(),
        };
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
                    rates[target(names, call)][asked] += rate * call.times;
                }
            }
        }
    }
    let visits: f64 = rates.iter().flatten().sum();
    let events = visits * seconds * EVENTS_PER_VISIT;
    let most = Limits::default().events as f64;
    if events > most {
        let busiest = (0..calls.len())
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
                names.nodes[busiest]
            ),
        );
    }
}
