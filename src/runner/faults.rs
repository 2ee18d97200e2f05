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

/// The results of each fault; `all` are all requests of each replication.
pub(super) fn results(
    replications: &[Measured],
    all: &[Requests],
    confidence: f64,
) -> Vec<FaultResults> {
    let faults = replications.first().map_or(0, |m| m.faults.len());
    (0..faults)
        .map(|fault| {
            let parts: Vec<&FaultMeasured> =
                replications.iter().map(|m| &m.faults[fault]).collect();
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
            FaultResults {
                id: parts[0].id.clone(),
                effect: parts[0].effect.to_owned(),
                occurrences: mean(&|f| Some(f.spans.len() as f64)),
                started: mean(&|f| f.spans.first().map(|s| seconds(s.0))),
                ended: mean(&|f| f.spans.last().map(|s| seconds(s.1))),
                availability_before: ratio(|f| f.before),
                availability_during: ratio(|f| f.during),
                availability_after: ratio(|f| f.after),
                spans: same_spans(&parts),
                time_to_recover: Estimate::mean_of(&times, confidence),
                metastable: most(parts.iter().zip(all).filter_map(|(f, r)| is_metastable(f, r))),
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
    let from = ended + watched / 2;
    let late = requests.windows.iter().filter(|w| w.start >= from && w.start < fault.until);
    let (then, all) = late
        .filter_map(RequestsInWindow::judged)
        .fold((0, 0), |(then, all), (good, decided)| (then + good, all + decided));
    let before = good as f64 / decided as f64;
    (all > 0).then_some((then as f64) < LOST * before * all as f64)
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
        let (start, end) = (window.start, window.start + window.covered);
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
