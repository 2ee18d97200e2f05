//! Figures of alerts and faults over replications: availability before, during and after, time to recover.
//!
//! **Invariant.** A request counts by its intended send, in one phase of each fault at most.

use crate::{
    model::probe::{AlertMeasured, FaultMeasured, Measured},
    results::{AlertResults, Estimate, FaultResults, Requests, RequestsInWindow, seconds},
};

/// Share of the availability before a fault that counts as recovered.
const RECOVERED: f64 = 0.99;

/// Share of the availability before a fault below which it counts as lost for good.
const LOST: f64 = 0.9;

/// The requests of one client in one replication.
#[derive(Clone, Debug)]
pub(super) struct OfClient {
    /// Its name.
    pub(super) name: String,
    /// It sends the next request when the last is answered, so that what it sends tells of the answers.
    pub(super) closed: bool,
    /// Its requests.
    pub(super) requests: Requests,
}

/// The results of each fault; `all` are all requests of each replication, `clients` those of each client.
pub(super) fn results(
    replications: &[Measured],
    all: &[Requests],
    clients: &[Vec<OfClient>],
    (warm_up, confidence): (u64, f64),
) -> Vec<FaultResults> {
    let faults = replications.first().map_or(0, |m| m.faults.len());
    (0..faults)
        .map(|fault| {
            let parts: Vec<FaultMeasured> =
                replications.iter().zip(all).map(|(m, r)| watched(&m.faults[fault], r)).collect();
            let parts: Vec<&FaultMeasured> = parts.iter().collect();
            let mean = |figure: &dyn Fn(&FaultMeasured) -> Option<f64>| {
                let each: Vec<_> = parts.iter().map(|f| figure(f)).collect();
                Estimate::mean_of(&each, confidence)
            };
            let ratio = |pick: fn(&FaultMeasured) -> (u64, u64)| {
                let each: Vec<_> = parts.iter().map(|f| pick(f)).collect();
                Estimate::ratio_of(&each, confidence).fraction()
            };
            let recovered: Vec<_> =
                parts.iter().zip(all).map(|(f, requests)| recovery(f, requests)).collect();
            let happened = parts.iter().zip(&recovered).filter(|(f, _)| !f.spans.is_empty());
            let every = happened.clone().all(|(_, time)| time.is_some());
            let times: Vec<_> = happened.filter(|_| every).map(|(_, time)| *time).collect();
            let goodput = |wanted: Option<usize>| -> Vec<Option<Goodput>> {
                let of = |(fault, clients): (&&FaultMeasured, &Vec<OfClient>)| {
                    let all = clients.iter().enumerate();
                    let some = all.filter(|(c, _)| wanted.is_none_or(|wanted| wanted == *c));
                    Goodput::sum(some.map(|(_, client)| Goodput::of(fault, client, warm_up)))
                };
                parts.iter().zip(clients).map(of).collect()
            };
            let returned = |wanted: Option<usize>| {
                let each = parts.iter().zip(goodput(wanted));
                let each: Vec<_> = each.map(|(fault, g)| g?.returned(fault)).collect();
                Estimate::mean_of(&each, confidence)
            };
            let before: Vec<_> = goodput(None).iter().map(|g| g.map(|g| g.before)).collect();
            let names = clients.first().filter(|clients| clients.len() > 1);
            let names = names.into_iter().flatten().map(|client| client.name.clone());
            FaultResults {
                id: parts[0].id.clone(),
                effect: parts[0].effect.to_owned(),
                target: parts[0].target.clone(),
                occurrences: mean(&|f| Some(f.spans.len() as f64)),
                started: mean(&|f| f.spans.first().map(|s| seconds(s.0))),
                ended: mean(&|f| f.spans.last().map(|s| seconds(s.1))),
                availability_before: ratio(|f| f.before),
                availability_during: ratio(|f| f.during),
                availability_after: ratio(|f| f.after),
                spans: same_spans(&parts),
                time_to_recover: Estimate::mean_of(&times, confidence),
                metastable: most(parts.iter().zip(all).filter_map(|(f, r)| is_metastable(f, r))),
                goodput_before: Estimate::mean_of(&before, confidence),
                goodput_returned: returned(None),
                returned_by_client: names
                    .enumerate()
                    .map(|(c, n)| (n, returned(Some(c))))
                    .collect(),
                returned_within: mean(&|f| within(f)),
            }
        })
        .collect()
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
    fn of(fault: &FaultMeasured, client: &OfClient, warm_up: u64) -> Option<Self> {
        let began = fault.spans.first()?.0;
        let (from, until) = late(fault);
        let windows = &client.requests.windows;
        let quiet = windows.iter().filter(|w| w.start >= warm_up && end(w) <= began);
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

    /// Share of what was before that has returned, of a fault that came once and ended.
    fn returned(self, fault: &FaultMeasured) -> Option<f64> {
        within(fault).filter(|_| self.expected > 0.0).map(|_| self.then / self.expected)
    }
}

/// From the end of a fault until the second half of what was watched after it, s.
fn within(fault: &FaultMeasured) -> Option<f64> {
    let &[(_, ended)] = fault.spans.as_slice() else { return None };
    (fault.until > ended).then(|| seconds(late(fault).0 - ended))
}

fn end(window: &RequestsInWindow) -> u64 {
    window.start + window.covered
}

/// The second half of the time that was watched after a fault.
fn late(fault: &FaultMeasured) -> (u64, u64) {
    let ended = fault.spans.last().map_or(fault.until, |span| span.1);
    (ended + fault.until.saturating_sub(ended) / 2, fault.until)
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

/// What most of them say, if there are any.
fn most(each: impl Iterator<Item = bool>) -> Option<bool> {
    let each: Vec<bool> = each.collect();
    let yes = each.iter().filter(|yes| **yes).count();
    (!each.is_empty()).then_some(2 * yes > each.len())
}

/// Whether the design stayed down although what brought it down was over: availability in the second half
/// of the time after the fault was far below what it was before. Nobody knows when that time was shorter
/// than the fault itself.
fn is_metastable(fault: &FaultMeasured, requests: &Requests) -> Option<bool> {
    let &[(started, ended)] = fault.spans.as_slice() else { return None };
    let (good, decided) = fault.before;
    let watched = fault.until.saturating_sub(ended);
    if decided == 0 || watched == 0 || watched < ended - started {
        return None;
    }
    let (from, until) = late(fault);
    let late = requests.windows.iter().filter(|w| w.start >= from && w.start < until);
    let (then, all) = late
        .filter_map(RequestsInWindow::judged)
        .fold((0, 0), |(then, all), (good, decided)| (then + good, all + decided));
    let before = good as f64 / decided as f64;
    (all > 0).then_some((then as f64) < LOST * before * all as f64)
}

/// A fault, watched no further than to the next change of load if all was well by then: what went wrong
/// later has another cause.
fn watched(fault: &FaultMeasured, requests: &Requests) -> FaultMeasured {
    let steady = FaultMeasured { until: fault.steady, ..fault.clone() };
    if is_metastable(&steady, requests) == Some(false) { steady } else { fault.clone() }
}

/// From the end of a fault until the end of the last window that is worse than before it, s.
fn recovery(fault: &FaultMeasured, requests: &Requests) -> Option<f64> {
    let &[(_, ended)] = fault.spans.as_slice() else { return None };
    let (good, decided) = fault.before;
    if decided == 0 {
        return None;
    }
    let before = good as f64 / decided as f64;
    let mut last = ended;
    let mut latest = ended;
    for window in &requests.windows {
        let (start, end) = (window.start, end(window));
        let Some((good, decided)) = window.judged() else { continue };
        if end <= ended || start >= fault.until {
            continue;
        }
        // The window the fault ended in holds requests from before its end.
        if start >= ended && (good as f64) < RECOVERED * before * decided as f64 {
            last = end;
        }
        latest = end;
    }
    // Worse to the very end: nobody knows when it recovers.
    (last < latest || latest == ended && fault.until > ended).then(|| seconds(last - ended))
}
