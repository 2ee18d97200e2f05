//! Figures of alerts and faults over replications: availability before, during and after, time to recover.
//!
//! **Invariant.** A request counts by its intended send, in one phase of each fault at most.

use std::{borrow::Cow, collections::BTreeSet};

use super::aftermath::{Aftermath, aftermath, back_after, is_quiet, late, recovery, watched};
use crate::{
    model::probe::{AlertMeasured, FaultMeasured, Measured},
    results::{AlertResults, Design, Estimate, FaultResults, Requests, seconds},
};

/// The requests of one client in one replication.
#[derive(Debug)]
pub(super) struct OfClient {
    /// Its name.
    pub(super) name: String,
    /// It sends the next request when the last is answered, so that what it sends tells of the answers.
    pub(super) closed: bool,
    /// Its requests.
    pub(super) requests: Requests,
}

/// The results of each fault; `all` are all requests of each replication, `clients` those of each client.
#[allow(clippy::too_many_lines, reason = "a field of the results each")]
pub(super) fn results(
    replications: &[Measured],
    all: &[Requests],
    clients: &[Vec<OfClient>],
    (design, confidence): (&Design, f64),
) -> Vec<FaultResults> {
    let faults = replications.first().map_or(0, |m| m.faults.len());
    (0..faults)
        .map(|fault| {
            let (all, reach) = concerned(replications, fault, (all, clients), design);
            let all = all.as_ref();
            let parts: Vec<FaultMeasured> =
                replications.iter().zip(all).map(|(m, r)| watched(&m.faults[fault], r)).collect();
            let parts: Vec<&FaultMeasured> = parts.iter().collect();
            let lates: Vec<_> = parts.iter().zip(all).map(|(f, r)| late(f, r)).collect();
            let mean = |figure: &dyn Fn(&FaultMeasured) -> Option<f64>| {
                let each: Vec<_> = parts.iter().map(|f| figure(f)).collect();
                Estimate::mean_of(&each, confidence)
            };
            let ratio = |pick: fn(&FaultMeasured) -> (u64, u64)| {
                let each: Vec<_> = parts.iter().map(|f| pick(f)).collect();
                Estimate::ratio_of(&each, confidence).fraction()
            };
            let times = all_or_none(&parts, parts.iter().zip(all).map(|(f, r)| recovery(f, r)));
            let goodput = |wanted: Option<usize>| -> Vec<Option<Goodput>> {
                let of = |((fault, late), clients): ((&&FaultMeasured, &_), &Vec<OfClient>)| {
                    let all = clients.iter().enumerate();
                    let some = all.filter(|(c, _)| wanted.map_or(reach[*c], |w| w == *c));
                    Goodput::sum(some.map(|(_, client)| Goodput::of(fault, client, *late)))
                };
                parts.iter().zip(&lates).zip(clients).map(of).collect()
            };
            let withins: Vec<_> =
                parts.iter().zip(&lates).map(|(fault, late)| within(fault, *late)).collect();
            let returned = |wanted: Option<usize>| {
                let each = withins.iter().zip(goodput(wanted));
                let each: Vec<_> = each.map(|(within, g)| within.and(g?.returned())).collect();
                Estimate::mean_of(&each, confidence)
            };
            let before: Vec<_> = goodput(None).iter().map(|g| g.map(|g| g.before)).collect();
            let names = clients.first().filter(|clients| clients.len() > 1);
            let names: Vec<String> =
                names.into_iter().flatten().map(|client| client.name.clone()).collect();
            let near = names.iter().zip(&reach).filter(|(_, reaches)| **reaches);
            let near: Vec<String> = near.map(|(name, _)| name.clone()).collect();
            let back = all_or_none(&parts, parts.iter().zip(all).map(|(f, r)| back_after(f, r)));
            let back_of = |c: usize| {
                let of = |(f, clients): (&&FaultMeasured, &Vec<OfClient>)| {
                    back_after(f, &clients[c].requests)
                };
                let times = all_or_none(&parts, parts.iter().zip(clients).map(of));
                Estimate::mean_of(&times, confidence)
            };
            let each = parts.iter().zip(all).zip(replications);
            let after: Vec<Aftermath> = each.filter_map(|((f, r), m)| aftermath(f, r, m)).collect();
            let after = most(&after);
            let empty: Vec<_> = after
                .iter()
                .map(|after| match after {
                    Aftermath::Draining(time) => Some(*time),
                    _ => None,
                })
                .collect();
            let after = after.first();
            FaultResults {
                id: parts[0].id.clone(),
                title: parts[0].title.clone(),
                effect: parts[0].effect.to_owned(),
                target: parts[0].target.clone(),
                occurrences: mean(&|f| Some(f.spans.len() as f64)),
                started: mean(&|f| f.spans.first().map(|s| seconds(s.0))),
                ended: mean(&|f| f.spans.last().map(|s| seconds(s.1))),
                rolled_back: mean(&|f| f.rolled_back.map(seconds)),
                availability_before: ratio(|f| f.before),
                availability_during: ratio(|f| f.during),
                availability_after: ratio(|f| f.after),
                spans: same_spans(&parts),
                time_to_recover: Estimate::mean_of(&times, confidence),
                watched: mean(&|f| match f.spans.as_slice() {
                    &[(_, ended)] => Some(seconds(f.until.saturating_sub(ended))),
                    _ => None,
                }),
                back_after: Estimate::mean_of(&back, confidence),
                back_by_client: names
                    .iter()
                    .enumerate()
                    .map(|(c, name)| (name.clone(), back_of(c)))
                    .collect(),
                aftermath: after.map(|after| after.name().to_owned()),
                empty_in: Estimate::mean_of(&empty, confidence),
                metastable: match after {
                    Some(Aftermath::CauseRemains) | None => None,
                    Some(after) => Some(*after == Aftermath::Metastable),
                },
                concerns: if near.len() < names.len() { near } else { Vec::new() },
                goodput_before: Estimate::mean_of(&before, confidence),
                goodput_returned: returned(None),
                returned_by_client: names
                    .into_iter()
                    .enumerate()
                    .map(|(c, n)| (n, returned(Some(c))))
                    .collect(),
                returned_within: Estimate::mean_of(&withins, confidence),
            }
        })
        .collect()
}

/// Whose calls can reach what a fault hits, and their requests: how others fare it cannot have changed.
fn concerned<'a>(
    replications: &[Measured],
    fault: usize,
    (all, clients): (&'a [Requests], &[Vec<OfClient>]),
    design: &Design,
) -> (Cow<'a, [Requests]>, Vec<bool>) {
    let nodes: BTreeSet<&String> =
        replications.iter().flat_map(|m| &m.faults[fault].nodes).collect();
    let reaches = |client: &OfClient| {
        let below = design.below(&client.name);
        nodes.iter().any(|node| below.contains(&node.as_str()))
    };
    let reach: Vec<bool> = clients.first().map_or(Vec::new(), |c| c.iter().map(reaches).collect());
    if reach.iter().all(|reaches| *reaches) || !reach.contains(&true) {
        return (all.into(), vec![true; reach.len()]);
    }
    let sum = |clients: &Vec<OfClient>| {
        let mut all = Requests::default();
        let near = clients.iter().zip(&reach).filter(|(_, reaches)| **reaches);
        near.for_each(|(client, _)| all.merge(&client.requests));
        all
    };
    (clients.iter().map(sum).collect::<Vec<_>>().into(), reach)
}

/// The results of each alert.
pub(super) fn alerts(replications: &[Measured], confidence: f64) -> Vec<AlertResults> {
    let alerts = replications.first().map_or(0, |m| m.alerts.len());
    (0..alerts)
        .map(|alert| {
            let parts: Vec<_> = replications.iter().map(|m| &m.alerts[alert]).collect();
            let mean = |figure: &dyn Fn(&AlertMeasured) -> Option<f64>| {
                let each: Vec<_> = parts.iter().map(|a| figure(a)).collect();
                Estimate::mean_of(&each, confidence)
            };
            let over = |span: &&(u64, u64)| span.1 < u64::MAX;
            AlertResults {
                id: parts[0].id.clone(),
                count: mean(&|a| Some(a.spans.len() as f64)),
                fired: mean(&|a| a.spans.first().map(|s| seconds(s.0))),
                resolved: mean(&|a| a.spans.last().filter(over).map(|s| seconds(s.1))),
            }
        })
        .collect()
}

/// Goodput of some clients around a fault in one replication, by the instant answers came: what is
/// undecided when the run ends was not answered.
#[derive(Clone, Copy, Debug, Default)]
struct Goodput {
    /// Good answers per second before it began.
    before: f64,
    /// Good answers in the second half of what was watched after its end.
    then: f64,
    /// As many as there would have been as before.
    expected: f64,
}

impl Goodput {
    /// None without any time before the fault.
    fn of(fault: &FaultMeasured, client: &OfClient, (from, until): (u64, u64)) -> Option<Self> {
        let windows = &client.requests.windows;
        let quiet = windows.iter().filter(|w| is_quiet(fault, (w.start, w.end())));
        let (good, issued, time) = quiet.fold((0, 0, 0), |(good, issued, time), w| {
            (good + w.happened.good, issued + w.issued, time + w.covered)
        });
        let before = (time > 0).then(|| good as f64 / seconds(time))?;
        let mut goodput = Self { before, ..Self::default() };
        for window in windows.iter().filter(|w| w.start >= from && w.start < until) {
            goodput.then += window.happened.good as f64;
            goodput.expected += if client.closed || issued == 0 {
                before * seconds(window.covered)
            } else {
                window.issued as f64 * good as f64 / issued as f64
            };
        }
        Some(goodput)
    }

    /// Of several clients together.
    fn sum(each: impl Iterator<Item = Option<Self>>) -> Option<Self> {
        let add = |a: Self, b: Self| Self {
            before: a.before + b.before,
            then: a.then + b.then,
            expected: a.expected + b.expected,
        };
        each.flatten().reduce(add)
    }

    /// Share of what was before that has returned.
    fn returned(self) -> Option<f64> {
        (self.expected > 0.0).then(|| self.then / self.expected)
    }
}

/// From the end of a fault that came once until what tells how it went on, s.
fn within(fault: &FaultMeasured, (from, until): (u64, u64)) -> Option<f64> {
    let &[(_, ended)] = fault.spans.as_slice() else { return None };
    (until > ended).then(|| seconds(from - ended))
}

/// The spans of a fault, when they do not vary.
fn same_spans(parts: &[&FaultMeasured]) -> Vec<(f64, f64)> {
    let mut happened = parts.iter().filter(|f| !f.spans.is_empty());
    let Some(first) = happened.next() else { return Vec::new() };
    if happened.any(|f| f.spans != first.spans) {
        return Vec::new();
    }
    first.spans.iter().map(|s| (seconds(s.0), seconds(s.1))).collect()
}

/// Times of those in which the fault came, if each of them has one.
fn all_or_none(
    parts: &[&FaultMeasured],
    times: impl Iterator<Item = Option<f64>>,
) -> Vec<Option<f64>> {
    let came = parts.iter().zip(times).filter(|(fault, _)| !fault.spans.is_empty());
    let times: Vec<_> = came.map(|(_, time)| time).collect();
    if times.iter().all(Option::is_some) { times } else { Vec::new() }
}

/// Those that say what most of them say; of two things that are said as often, the worse.
fn most(each: &[Aftermath]) -> Vec<Aftermath> {
    let of = |name: &str| -> Vec<Aftermath> {
        each.iter().copied().filter(|one| one.name() == name).collect()
    };
    let names = ["recovered", "draining", "cause_remains", "metastable"];
    names.map(of).into_iter().max_by_key(Vec::len).unwrap_or_default()
}
