//! Calls that may never be answered and have no timer.
//!
//! A lost message leaves its caller waiting for ever unless it has one (`semantics.md` 31).

use std::collections::BTreeSet;

use super::{Effect, FaultSpec};
use crate::{
    model::{
        client::operations::Effective,
        ids::{End, NodeId},
        kind::Outgoing,
        names::Names,
        network::LinkSpec,
        resilience::EdgeSpec,
    },
    problem::Problems,
    units::Name,
};

/// What makes messages vanish without a word.
enum Silence<'a> {
    Link(&'a LinkSpec),
    Fault(&'a FaultSpec),
}

/// Warns of clients, services and background work that would wait for ever.
pub fn timeless_calls(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    let lossy = |link: &&LinkSpec| link.loss.is_some_and(|f| f.0 > 0.0);
    let links = names.design.network.links.iter().filter(lossy).map(Silence::Link);
    let faults = names.faults().filter(|f| f.is_silent()).map(Silence::Fault);
    let silences: Vec<Silence<'_>> = links.chain(faults).collect();
    let Some(first) = silences.first() else { return };
    for (name, spec) in &names.design.nodes {
        let Some(edges) = spec.kind().edges() else { continue };
        let Some(caller) = names.node(&name.0) else { continue };
        let mut told = BTreeSet::new();
        // What a transaction or a broker sends is sent again by itself.
        let tells = spec.kind().takes_messages() && !spec.kind().is_broker();
        let waits = |call: &&Outgoing| !call.of_transaction && (tells || !call.by_message);
        for call in calls[usize::from(caller)].iter().filter(waits) {
            let edge = edges.get(&Name(call.target.clone()));
            let timed = edge.is_some_and(|edge| edge.timeout.is_some() || edge.deadline.is_some());
            let Some(callee) = names.node(&call.target).filter(|_| !timed) else { continue };
            let swallows = |silence: &&Silence<'_>| silence.swallows(caller, callee, calls, names);
            let Some(silence) = silences.iter().find(swallows) else { continue };
            if !told.insert((callee, call.by_itself)) {
                continue;
            }
            let why = silence.why();
            let help = format!("give `dependencies` a `timeout` for `{}`", call.target);
            if call.by_itself {
                let kind = spec.kind().facts().kind;
                let path = format!("nodes.{}.{kind}.background", name.0);
                let message = "a run whose message is lost is the last of its instance";
                problems.warn("W-NO-TIMEOUT", path, format!("{why}, and {message}"), help);
            } else {
                let message = "a visit whose call is lost waits for ever, with all it holds";
                problems.warn("W-NO-TIMEOUT", &call.path, format!("{why}, and {message}"), help);
            }
        }
    }
    for (name, client) in &names.design.clients {
        let timeless = |edge: &EdgeSpec| edge.timeout.is_none() && edge.deadline.is_none();
        let waits =
            |operation: &Effective<'_>| !operation.is_unanswered() && timeless(&operation.edge());
        if client.operations().iter().any(|(_, operation)| waits(operation)) {
            problems.warn(
                "W-NO-TIMEOUT",
                format!("clients.{}", name.0),
                format!("{}, and a request whose message is lost is never decided", first.why()),
                "give the client a `timeout`",
            );
        }
    }
}

impl Silence<'_> {
    fn why(&self) -> String {
        match self {
            Self::Link(_) => "a link loses messages".to_owned(),
            Self::Fault(fault) => {
                format!("the fault `{}` loses messages or whole hosts", fault.id.0)
            }
        }
    }

    /// Whether a call, or its answer, may vanish between two nodes or behind those that only pass it on.
    fn swallows(
        &self,
        caller: NodeId,
        callee: NodeId,
        calls: &[Vec<Outgoing>],
        names: &Names,
    ) -> bool {
        // Calls may go round in a circle, which is told elsewhere.
        let (mut open, mut seen) = (vec![(caller, callee)], BTreeSet::new());
        while let Some((from, to)) = open.pop() {
            if !seen.insert((from, to)) {
                continue;
            }
            if self.is_between(from, to, names) {
                return true;
            }
            if names.kind(to).waits_for_ever() {
                let behind = calls[usize::from(to)].iter();
                open.extend(behind.filter_map(|call| Some((to, names.node(&call.target)?))));
            }
        }
        false
    }

    fn is_between(&self, caller: NodeId, callee: NodeId, names: &Names) -> bool {
        let ends = |id: NodeId| names.stands_in(id).into_iter().map(move |zone| (id, zone));
        let joins = |holds: &dyn Fn(End, End) -> bool| {
            ends(caller).any(|a| ends(callee).any(|b| holds(a, b) || holds(b, a)))
        };
        match self {
            Self::Link(link) => joins(&|a, b| names.joins(link, a, b)),
            Self::Fault(fault) => match fault.effect() {
                Effect::Crash(target) => {
                    let place = target.zone.as_ref().or(target.region.as_ref());
                    let name = place.or(target.node.as_ref());
                    let hit = name.map(|name| names.ends_at(&name.0)).unwrap_or_default();
                    ends(callee).any(|end| hit.contains(&end))
                }
                Effect::Partition(path) | Effect::Loss(path) => {
                    let (from, to, _) = path.sides();
                    let (from, to) = (names.side(&from), names.side(&to));
                    joins(&|a, b| from.may_hold(a) && to.may_hold(b))
                }
                _ => false,
            },
        }
    }
}
