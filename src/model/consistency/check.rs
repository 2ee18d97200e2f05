//! What can be wrong with what is followed.
//!
//! **Invariant.** As in `model/check.rs`.

use std::collections::BTreeSet;

use super::spec::HistorySpec;
use crate::{
    model::{
        client::{ClientSpec, operations::Effective},
        consistency::calls::{Caller, DataCall, data_calls},
        ids::NodeId,
        kind::{Outgoing, Verb},
        names::Names,
        replication::QuorumSpec,
        resilience::EdgeSpec,
        service::StepSpec,
    },
    problem::Problems,
    units::Name,
};

/// Most writes that are kept in mind: 64 B each.
const MOST: u64 = 1 << 26;

/// What a file says of the history.
pub fn history(names: &Names, problems: &mut Problems) {
    let Some(HistorySpec(spec)) = names.design.history else { return };
    if spec.keys.is_some_and(|share| !(share.0 > 0.0 && share.0 <= 1.0)) {
        let help = "`history: none` follows nothing";
        let message = "must be above 0 % and at most 100 %";
        problems.error_help("E-RANGE", "history.keys", message, help);
    }
    if spec.limit.is_some_and(|limit| limit.0 == 0 || limit.0 > MOST) {
        let message = "must be from 1 to 67,108,864 writes (4 GB)";
        problems.error("E-RANGE", "history.limit", message);
    }
}

/// The most requests a list of steps makes, as far as one or more matters.
fn requests(steps: &[StepSpec]) -> u64 {
    let of = |step: &StepSpec| {
        let inner: u64 = step.inner().iter().map(|(_, list)| requests(list)).sum();
        let again = if step.repeat.is_some() { 2 } else { 1 };
        u64::from(step.do_.is_some()) + again * inner
    };
    steps.iter().map(of).sum()
}

const NO_STORE: &str = "no store is written that its requests read, so that nothing is ever old";

/// What sessions may count on.
pub fn guarantees(names: &Names, problems: &mut Problems) {
    let calls = names.calls();
    // Whoever writes so: what comes late may take the place of what is newer.
    let behind = |outgoing: &Outgoing| {
        let verb = outgoing.operation.as_ref().and_then(|operation| operation.1);
        let store = names.store_behind(&outgoing.target);
        store.filter(|_| verb == Some(Verb::WriteBehind)).map(usize::from)
    };
    let late: BTreeSet<usize> = calls.iter().flatten().filter_map(behind).collect();
    let of_client = |client: &ClientSpec| {
        let reached = names.reached_by(client, &calls, |_| true);
        let sessions = client.users() > 0 || requests(client.steps()) > 1;
        if !sessions {
            let help = "`session:` with several requests, or `arrivals: closed(..)`";
            return Some(("a guarantee is of a session, and here each is one request", help));
        }
        if !reached.iter().any(|id| names.tracked.followed.contains(&(*id as u16))) {
            return Some((NO_STORE, "leave it out"));
        }
        let late = reached.iter().any(|id| late.contains(id));
        let help = "another `mode` of these writes than `behind`";
        late.then_some(("what a cache has yet to write has no place in the order of writes", help))
    };
    for (name, client) in &names.design.clients {
        let path = format!("clients.{}", name.0);
        for (operation, effective) in client.operations() {
            if effective.edge().guarantees.is_none_or(|list| list.is_empty()) {
                continue;
            }
            let place = effective.place(&path, &operation, "guarantees");
            if let Some((message, help)) = of_client(client) {
                problems.error_help("E-GUARANTEE", place, message, help);
                if client.guarantees.is_some() {
                    break;
                }
            }
        }
    }
}

/// What sessions may count on in what is asked of a node.
pub fn edge(edge: &EdgeSpec, target: &str, path: &str, names: &Names, problems: &mut Problems) {
    let asks = edge.guarantees.as_ref().is_some_and(|list| !list.is_empty());
    if !asks {
        return;
    }
    let first = names.node(target).into_iter().map(usize::from).collect();
    let reached = names.reached_from(first, &names.calls(), |_| true);
    if !reached.iter().any(|id| names.tracked.followed.contains(&(*id as u16))) {
        let place = format!("{path}.guarantees");
        problems.error_help("E-GUARANTEE", place, NO_STORE, "leave it out");
    }
}

/// Whether all attempts of what is asked of these nodes can be one, as is asked for at `place`.
fn once(targets: &[&str], place: String, names: &Names, problems: &mut Problems) {
    let first = targets.iter().filter_map(|name| names.node(name)).map(usize::from).collect();
    let reached = names.reached_from(first, &names.calls(), |_| true);
    let stores =
        || reached.iter().map(|id| *id as NodeId).filter(|id| names.tracked.followed.contains(id));
    if stores().next().is_none() {
        let message = "no store is written by what is asked, so that nothing could be done twice";
        return problems.warn("W-POLICY", place, message, "leave it out");
    }
    if !names.tracked.repeats {
        let message =
            "nothing is asked twice: no `retry` or `hedge` anywhere, no fault `duplicate`";
        problems.warn("W-POLICY", &place, message, "leave it out, or let somebody try again");
    }
    let queries = |id: &NodeId| {
        let spec = names.kind(*id).replication().and_then(|spec| spec.quorum.as_ref());
        spec.is_some_and(QuorumSpec::queries_anew)
    };
    if let Some(store) = stores().find(queries) {
        let message = format!(
            "`{}` asks its replicas for the stamp of a write, each attempt anew: one write would have several",
            names.name(store)
        );
        let help = "`stamp: clock` (it is then taken from the clock of who asks, once) or `coordinator: client`";
        problems.error_help("E-CONFLICT", place, message, help);
    }
}

/// What is compared with what was read; `reads` if whoever asks has read it, maybe.
fn compared(
    (edge, reads): (Option<&EdgeSpec>, bool),
    target: &str,
    place: &str,
    names: &Names,
    problems: &mut Problems,
) {
    let passes_on = names.node(target).is_some_and(|id| !names.kind(id).passes_on().is_empty());
    let serves = names.store_behind(target).is_none() && !passes_on;
    if serves {
        return; // what it does with it is its own affair
    }
    if names.follows(target, Some(Verb::Cas)).is_none() {
        let message = format!(
            "which version `{target}` holds cannot be told: somebody chooses among several stores there"
        );
        let help = "ask the store itself, which shards by key";
        problems.error_help("E-CONFLICT", place, message, help);
    }
    let edge = edge.filter(|edge| edge.retry.is_some() || edge.hedge.is_some());
    if reads && edge.is_some_and(|edge| edge.idempotent != Some(true)) {
        let store = names.store_behind(target);
        let spec = store.and_then(|store| names.kind(store).replication());
        let quorum = spec.and_then(|spec| spec.quorum.as_ref());
        let queries = quorum.is_some_and(QuorumSpec::queries_anew);
        let help = if queries { "leave the retry out" } else { "`idempotent: true`" };
        let message = "a retry or hedge compares with what was read before: if the first attempt was done, it fails";
        problems.warn("W-RETRIED-CAS", place, message, help);
    }
}

/// Writes that compare, and calls whose attempts are one.
pub fn updates(names: &Names, problems: &mut Problems) {
    for (name, client) in &names.design.clients {
        let path = format!("clients.{}", name.0);
        for (operation, effective) in client.operations() {
            let (edge, targets) = (effective.edge(), effective.targets());
            for (target, _) in targets.iter().filter(|(_, verb)| *verb == Some(Verb::Cas)) {
                let place = effective.place(&path, &operation, "cas");
                compared((Some(&edge), client.has_sessions()), &target.0, &place, names, problems);
            }
            if edge.idempotent == Some(true) {
                let place = effective.place(&path, &operation, "idempotent");
                let targets: Vec<&str> =
                    targets.iter().map(|(target, _)| target.0.as_str()).collect();
                once(&targets, place, names, problems);
                if client.idempotent.is_some() {
                    break;
                }
            }
        }
    }
    let sessions = names.design.clients.values().any(ClientSpec::has_sessions);
    let (calls, outgoing) = (data_calls(names), names.calls());
    let compare =
        |call: &&DataCall| call.verb == Verb::Cas && matches!(call.caller, Caller::Visit(..));
    for call in calls.iter().filter(compare) {
        let (Some(path), Caller::Visit(node, _)) = (&call.path, &call.caller) else { continue };
        let edges = names.specs().nth(*node).and_then(|spec| spec.kind().edges());
        let edge = edges.and_then(|edges| edges.get(&Name(call.target.clone())));
        let same =
            |other: &DataCall| (&other.caller, &other.target) == (&call.caller, &call.target);
        let reads = sessions || calls.iter().any(|other| other.verb == Verb::Read && same(other));
        // A key that all bring along is as good as one of its own.
        let keyed = names.design.clients.values().all(|client| {
            let once = |(_, own): &(String, Effective<'_>)| own.edge().idempotent == Some(true);
            client.operations().iter().all(once)
                || !names.reached_by(client, &outgoing, |_| true).contains(node)
        });
        compared((edge, reads && !keyed), &call.target, path, names, problems);
    }
    for (name, node) in &names.design.nodes {
        for (target, edge) in node.kind().edges().into_iter().flatten() {
            if edge.idempotent == Some(true) {
                let kind = node.kind().facts().kind;
                let place = format!("nodes.{}.{kind}.dependencies.{}.idempotent", name.0, target.0);
                once(&[target.0.as_str()], place, names, problems);
            }
        }
    }
}
