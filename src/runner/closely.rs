//! What was seen closely of a replication: which spans are looked at, and what is told of them.
//!
//! **Invariant.** Spans lie within the run and apart from each other, and are whole steps long unless the run ends.

use std::collections::BTreeMap;

use super::each::rounded;
use crate::{
    model::{
        books::InstanceWindow,
        ids::NodeId,
        probe::{FaultMeasured, Measured},
        watch::lens::{Closely, Message, SeenClosely},
    },
    results::{self, CloseSpan, EdgeCalls, InstanceLooks, RouteMessages, seconds},
};

/// Of a fault: how long before its beginning and its end one begins to look, and how long after them one goes on, ns; half as
/// long, and again, where it would be more than so large a part of the run, since to look takes time.
const AROUND: (u64, u64) = (2_000_000_000, 8_000_000_000);
const MOST_OF_RUN: f64 = 1.0 / 3.0;
/// Faults that are looked at.
const MOST_FAULTS: usize = 3;
/// How often instances are looked at, ns.
const STEP: u64 = 50_000_000;
/// Looks at single instances, at most: beyond, one looks less often.
const MOST_LOOKS: u64 = 30_000;
/// Messages, at most.
const MOST_MESSAGES: usize = 20_000;
/// Instances of a node that are told of one by one, at most.
const MOST_INSTANCES: usize = 64;
/// Calls are counted in one part of each window in so many.
const COUNTED: u64 = 16;

/// What of a replication is looked at closely: spans that were asked for, s, or else those around its first faults.
pub(super) fn closely(measured: &Measured, asked: &[(f64, f64)]) -> Closely {
    let nanos = |at: f64| (at * 1e9).round() as u64;
    let asked = asked.iter().map(|(from, to)| (nanos(*from), nanos(*to)));
    let mut spans: Vec<(u64, u64)> = asked.collect();
    spans.sort_unstable();
    let mut apart = if spans.is_empty() { around_faults(measured) } else { united(&spans) };
    let told = |node: &usize| if *node > MOST_INSTANCES { 1 } else { *node as u64 };
    let instances: u64 = measured.nodes.iter().map(|n| told(&n.instances.len())).sum();
    let whole = length(&apart);
    let step = STEP * (whole / STEP * instances).div_ceil(MOST_LOOKS).max(1);
    for span in &mut apart {
        span.1 = span.0 + (span.1 - span.0).div_ceil(step) * step;
    }
    // One that grew may have come to the next.
    apart.dedup_by(|next, last| {
        let meets = next.0 < last.1;
        last.1 = if meets { next.1.max(last.1) } else { last.1 };
        meets
    });
    Closely { spans: apart, step, most: MOST_MESSAGES, counted: COUNTED }
}

/// Spans in order -> the same, apart from each other.
fn united(spans: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut apart: Vec<(u64, u64)> = Vec::new();
    for &(from, to) in spans {
        match apart.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => apart.push((from, to)),
        }
    }
    apart
}

fn length(spans: &[(u64, u64)]) -> u64 {
    spans.iter().map(|(from, to)| to - from).sum()
}

/// Before and after the beginnings and ends of the faults that came first; what is over at once, or lasts longer than the
/// run, has no end to look at.
fn around_faults(measured: &Measured) -> Vec<(u64, u64)> {
    let end = measured.ended_at;
    let first = |fault: &FaultMeasured| {
        let &(from, to) = fault.spans.iter().min()?;
        let ends = fault.struck.is_empty() && to < end;
        Some((from, ends.then_some(to)))
    };
    let mut firsts: Vec<(u64, Option<u64>)> = measured.faults.iter().filter_map(first).collect();
    firsts.sort_unstable();
    let firsts = firsts.into_iter().take(MOST_FAULTS);
    let instants: Vec<u64> =
        firsts.flat_map(|(from, to)| std::iter::once(from).chain(to)).collect();
    let mut halved = 0;
    loop {
        let (before, after) = (AROUND.0 >> halved, AROUND.1 >> halved);
        let around = |at: &u64| (at.saturating_sub(before), (at + after).min(end));
        let mut spans: Vec<(u64, u64)> =
            instants.iter().map(around).filter(|(from, to)| from < to).collect();
        spans.sort_unstable();
        let spans = united(&spans);
        if length(&spans) as f64 <= MOST_OF_RUN * end as f64 || after <= STEP {
            return spans;
        }
        halved += 1;
    }
}

/// What was seen, in the words of results.
pub(super) fn told(
    seen: &SeenClosely,
    (measured, wanted): (&Measured, &Closely),
    replication: u64,
) -> results::Closely {
    let telling = Telling { measured, step: wanted.step };
    results::Closely {
        replication,
        step: seconds(wanted.step),
        one_in: seen.one_in,
        spans: seen.spans.iter().map(|span| telling.span(span)).collect(),
        calls: telling.calls(seen),
    }
}

struct Telling<'t> {
    measured: &'t Measured,
    step: u64,
}

impl Telling<'_> {
    fn name(&self, node: NodeId) -> String {
        let (nodes, node) = (&self.measured.nodes, usize::from(node));
        let client = || &self.measured.clients[node - nodes.len()].name;
        nodes.get(node).map_or_else(client, |node| &node.name).clone()
    }

    fn span(&self, span: &crate::model::watch::lens::CloseSpan) -> CloseSpan {
        let each = span.nodes.iter().zip(&span.instances).enumerate();
        let nodes = each.filter(|(_, (looks, n))| **n > 0 && !looks.is_empty());
        let told = nodes.map(|(node, (looks, n))| {
            (
                self.measured.nodes[node].name.clone(),
                self.instances(node, looks, *n, span.to - span.from),
            )
        });
        CloseSpan {
            from: seconds(span.from),
            to: seconds(span.to),
            nodes: told.collect(),
            messages: self.messages(&span.messages),
        }
    }

    /// The instances of a node, or all of them together.
    fn instances(
        &self,
        node: usize,
        looks: &[InstanceWindow],
        instances: usize,
        span: u64,
    ) -> Vec<InstanceLooks> {
        let capacity = self.measured.nodes[node].capacity;
        let rows: Vec<&[InstanceWindow]> = looks.chunks(instances).collect();
        let length = |row: usize| (span - row as u64 * self.step).min(self.step) as f64;
        let all = instances > MOST_INSTANCES;
        let one = |inst: usize| {
            let of = |row: &[InstanceWindow]| {
                let together =
                    || row.iter().fold(InstanceWindow::default(), |sum, one| sum.plus(*one));
                if all { together() } else { row[inst] }
            };
            let room = if all { instances as f64 } else { 1.0 };
            let each = |f: &dyn Fn(InstanceWindow, f64) -> f64| -> Vec<f64> {
                let rows = rows.iter().enumerate();
                rows.map(|(i, row)| rounded(f(of(row), length(i)))).collect()
            };
            let some = |all: Vec<f64>| if all.iter().any(|v| *v > 0.0) { all } else { Vec::new() };
            let struck = each(&|look, _| look.struck);
            InstanceLooks {
                busy: capacity.map_or_else(Vec::new, |capacity| {
                    each(&|look, length| {
                        let up = (room * length - look.down).max(0.0);
                        if up > 0.0 { (look.busy / (capacity * up)).min(1.0) } else { 0.0 }
                    })
                }),
                waiting: some(each(&|look, length| look.in_queue / length)),
                down: some(each(&|look, length| look.down / (room * length))),
                struck: some(struck).into_iter().map(|v| u8::from(v > 0.0)).collect(),
            }
        };
        (0..if all { 1 } else { instances }).map(one).collect()
    }

    fn messages(&self, messages: &[Message]) -> Vec<RouteMessages> {
        let mut routes: BTreeMap<(NodeId, NodeId, bool), Vec<(f64, f64)>> = BTreeMap::new();
        for Message { from, to, answer, sent, arrived, .. } in messages {
            let times = routes.entry((from.0, to.0, *answer)).or_default();
            times.push((seconds(*sent), seconds(*arrived)));
        }
        let one = |((from, to, answer), times): ((NodeId, NodeId, bool), _)| RouteMessages {
            from: self.name(from),
            to: self.name(to),
            answer,
            times,
        };
        routes.into_iter().map(one).collect()
    }

    fn calls(&self, seen: &SeenClosely) -> Vec<EdgeCalls> {
        let windows = self.measured.window_starts.len() as u64;
        let one = |((from, to), counted): (&(NodeId, NodeId), &BTreeMap<u64, u64>)| EdgeCalls {
            from: self.name(*from),
            to: self.name(*to),
            counted: (0..windows).map(|w| counted.get(&w).copied().unwrap_or_default()).collect(),
        };
        seen.calls.iter().map(one).collect()
    }
}
