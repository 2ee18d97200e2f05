//! Checks of the whole design: who calls whom, clients, sums of work, budgets.
//!
//! **Invariant.** As in `check.rs`.

use std::collections::BTreeSet;

use super::{
    check::inside,
    check::{closest, placed},
    check_flow::flow,
    check_prices::prices,
    check_size::sizes,
    client::check::ClientCheck,
    fault::unheard,
    kind::Outgoing,
    kinds::NodeSpec,
    network::check::network,
};
use crate::{
    model::{
        check::Checked, client::operations::Effective, ids::NodeId, kinds::of_kind, names::Names,
    },
    problem::{Problems, near},
    units::Name,
};

/// Checks a design; every problem found is reported.
pub fn design(names: &Names, problems: &mut Problems) {
    let design = &names.design;
    if design.duration == 0 {
        problems.error("E-RANGE", "duration", "must be above 0");
    } else if design.warm_up >= design.duration {
        problems.error_help(
            "E-WINDOW",
            "warm_up",
            "the warm-up leaves nothing to measure",
            "it must be shorter than `duration`, which includes it",
        );
    }
    if design.clients.is_empty() {
        problems.error("E-TOPO", "clients", "there is no client, so nothing would happen");
    }
    if names.ops.len() > 250 {
        problems.error("E-LIMIT", "clients", "more than 250 different operations");
    }
    sizes(names, problems);
    network(&design.network, names, problems);
    for (name, client) in &design.clients {
        if design.nodes.contains_key(name) {
            problems.error_help(
                "E-DUP-NAME",
                format!("clients.{}", name.0),
                format!("a node is called `{}` too", name.0),
                "clients and nodes share one picture and one table: name them apart",
            );
        }
        ClientCheck { spec: client, path: format!("clients.{}", name.0), names }.run(problems);
    }
    let calls: Vec<Vec<Outgoing>> = design
        .nodes
        .iter()
        .enumerate()
        .map(|(id, (name, node))| {
            let path = format!("nodes.{}.{}", name.0, node.kind().facts().kind);
            of_kind!(node, spec => spec.check(&path, names, problems));
            placed(&node.kind().facts(), &path, names, problems);
            let versions = names.versions(id as NodeId);
            of_kind!(node, spec => spec.check_length(&versions, &path, problems));
            names.outgoing(id as NodeId, &path)
        })
        .collect();
    references(names, &calls, problems);
    super::alert::check::alerts(names, problems);
    super::budget::check::budgets(names, problems);
    super::clock::check::clocks(names, problems);
    super::consistency::check::history(names, problems);
    super::consistency::check::guarantees(names, problems);
    super::consistency::check::updates(names, problems);
    super::replication::check_levels::levels(names, problems);
    super::fault::check::faults(names, problems);
    if !problems.any_error() {
        // What a node does by itself leads to visits and follows from none.
        let caused =
            |calls: &Vec<Outgoing>| calls.iter().filter(|c| !c.by_itself).cloned().collect();
        let caused: Vec<Vec<Outgoing>> = calls.iter().map(caused).collect();
        cycles(names, &waited_for(&caused), problems);
        endpoints(names, &calls, problems);
        verbs(names, &calls, problems);
        super::queue::check::messages(names, &calls, problems);
        reachable(names, &calls, problems);
        unheard::timeless_calls(names, &calls, problems);
        needs(names, &caused, problems);
        flow(names, &calls, &caused, problems);
        prices(names, problems);
    }
}

/// Nothing bounds how many such calls are one within the other.
fn endless(call: &Outgoing) -> bool {
    !call.by_message && call.bounded.is_none()
}

/// What bounds calls to a node.
fn depth_of(target: &str) -> String {
    format!("if that ends: `dependencies: {{{target}: {{max_depth: 3}}}}` says how deep it goes")
}

/// Without messages, and calls that go round in a circle so many times at most: what a visit waits for.
fn waited_for(calls: &[Vec<Outgoing>]) -> Vec<Vec<Outgoing>> {
    let of = |calls: &Vec<Outgoing>| calls.iter().filter(|call| endless(call)).cloned().collect();
    calls.iter().map(of).collect()
}

fn references(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (i, calls) in calls.iter().enumerate() {
        // One name in the file may stand for several calls.
        for call in calls.iter().filter(|c| seen.insert((c.path.clone(), c.target.clone()))) {
            if names.node(&call.target).is_none() {
                let help = closest(&call.target, names.nodes());
                let message = format!("unknown node `{}`", call.target);
                problems.error_help("E-REF", call.path.clone(), message, help);
            } else if call.target == names.name(i) && !call.by_itself && endless(call) {
                let message = "a node cannot call itself without end";
                let help = depth_of(&call.target);
                problems.error_help("E-CYCLE", call.path.clone(), message, help);
            } else {
                inside(names, (&call.target, Some(i as NodeId)), &call.path, problems);
            }
        }
    }
}

/// Refuses cycles of calls, with the cycle printed.
fn cycles(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    // 0: not seen, 1: on the path, 2: done. Iterative, as designs may be deep.
    let mut state = vec![0u8; calls.len()];
    for start in 0..calls.len() {
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        if state[start] != 0 {
            continue;
        }
        state[start] = 1;
        while let Some((node, next)) = path.pop() {
            let Some(call) = calls[node].get(next) else {
                state[node] = 2;
                continue;
            };
            path.push((node, next + 1));
            let target = usize::from(names.node(&call.target).expect("references were checked"));
            match state[target] {
                0 => {
                    state[target] = 1;
                    path.push((target, 0));
                }
                1 => {
                    let from = path.iter().position(|p| p.0 == target).unwrap_or(0);
                    let mut ring: Vec<&str> =
                        path[from..].iter().map(|p| names.name(p.0)).collect();
                    ring.push(names.name(target));
                    problems.error_help(
                        "E-CYCLE",
                        call.path.clone(),
                        format!("calls go round in a circle: {}", ring.join(" -> ")),
                        depth_of(&call.target),
                    );
                    return;
                }
                _ => {}
            }
        }
    }
}

/// Every operation that can arrive at a service has an endpoint there.
fn endpoints(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    for (i, (name, node)) in names.design.nodes.iter().enumerate() {
        let (known, kind) = (node.kind().endpoints(), node.kind().facts().kind);
        for &op in &names.arriving[i] {
            let asked = &names.ops[usize::from(op)].0;
            if known.is_empty() || known.contains(&asked.as_str()) {
                continue;
            }
            let (path, client) = asking(names, calls, i, op)
                .unwrap_or_else(|| (format!("nodes.{}.{kind}.endpoints", name.0), None));
            if known.contains(&"default") {
                if let Some(word) = near(asked, known.iter().copied()) {
                    let message = format!("`{}` does `default` for `{asked}`", name.0);
                    let help = format!("did you mean `{word}`, which is an endpoint there?");
                    problems.warn("W-OPERATION", path, message, help);
                }
                continue;
            }
            let default = if asked == "default" { "" } else { " and no `default`" };
            let client = client.map_or(String::new(), |c| format!(", which client `{c}` asks for"));
            problems.error_help(
                "E-REF",
                path,
                format!("`{}` has no endpoint `{asked}`{default}{client}", name.0),
                closest(asked, known.iter().copied()),
            );
        }
    }
}

/// What a call asks a store for by the name of a verb is a read all the same.
fn verbs(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    for call in calls.iter().flatten() {
        let Some((operation, None)) = &call.operation else { continue };
        let target = names.node(&call.target).map(|id| names.spec(id));
        let other = ["write", "delete", "cas", "increment"].contains(&operation.as_str());
        if other && matches!(target, Some(NodeSpec::Store(_))) {
            let message =
                format!("a `call` of the store `{}` reads, whatever its operation", call.target);
            let help = format!("`{operation}: {}` is the step for that", call.target);
            problems.warn("W-OPERATION", &call.path, message, help);
        }
    }
}

/// Where somebody asks a node for an operation, and the client if it is one: balancers and dns nodes
/// only pass it on.
fn asking<'n>(
    names: &'n Names,
    calls: &[Vec<Outgoing>],
    node: usize,
    op: u8,
) -> Option<(String, Option<&'n str>)> {
    let asked = &names.ops[usize::from(op)];
    let (mut open, mut seen) = (vec![node], BTreeSet::new());
    while let Some(node) = open.pop() {
        if !seen.insert(node) {
            continue;
        }
        let here = names.name(node);
        for (client, spec) in &names.design.clients {
            let sends = |o: &Effective<'_>| {
                o.targets().iter().any(|(target, verb)| target.0 == here && *verb == asked.1)
            };
            let operations = spec.operations();
            if let Some((name, o)) = operations.iter().find(|(n, o)| *n == asked.0 && sends(o)) {
                let path = format!("clients.{}", client.0);
                let named = spec.operations.contains_key(&Name(name.clone()));
                let key = asked.1.map_or("to", |verb| verb.name());
                let path = if named {
                    format!("{path}.operations.{name}")
                } else {
                    o.place(&path, name, key)
                };
                return Some((path, Some(&client.0)));
            }
        }
        let all = calls.iter().enumerate().flat_map(|(i, calls)| calls.iter().map(move |c| (i, c)));
        for (i, call) in all.filter(|(_, call)| call.target == here) {
            let passes = call.operation.is_none() && names.arriving[i].contains(&op);
            if passes && !names.spec(i).kind().passes_on().is_empty() {
                open.push(i);
            } else if passes || call.operation.as_ref() == Some(asked) {
                return Some((call.path.clone(), None));
            }
        }
    }
    None
}

fn reachable(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    for (i, name) in names.nodes().enumerate() {
        if names.arriving[i].is_empty() && !calls[i].iter().any(|call| call.by_itself) {
            problems.warn(
                "W-UNUSED",
                format!("nodes.{name}"),
                format!("no request can reach `{name}`"),
                "call it from a client or node, or remove it",
            );
        }
    }
}

/// What nodes need of the requests that reach them: a cache without keys would hold one entry per
/// request (`semantics.md` 52), and without sessions nothing can be sticky (42).
fn needs(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    for (name, client) in &names.design.clients {
        let reached = names.reached_by(client, calls, |_| true);
        let of = |&node: &usize| Some((names.spec(node).kind().needs_keys()?, names.name(node)));
        if client.keys.is_none()
            && let Some((kind, node)) =
                names.reached_by(client, calls, |call| !call.keyed).iter().find_map(of)
        {
            problems.error_help(
                "E-MISSING",
                format!("clients.{}", name.0),
                format!("requests that reach the {kind} `{node}` need keys"),
                "such as `keys: zipf(n=1M s=0.99)`",
            );
        }
        let sticky = |node: &&usize| names.spec(**node).kind().needs_sessions();
        let alone = client.users() == 0 && client.session.is_empty();
        if alone && let Some(node) = reached.iter().find(sticky) {
            problems.warn(
                "W-STICKY",
                format!("clients.{}", name.0),
                format!(
                    "each request is a session of its own, so `{}` has nothing to be sticky about",
                    names.name(*node)
                ),
                "give the client a `session` or `closed(..)` users",
            );
        }
    }
}
