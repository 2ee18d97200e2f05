//! Figures of faults over replications: availability before, during and after, time to recover.
//!
//! **Invariant.** A request counts by its intended send, in one phase of each fault at most.

use crate::{
    model::probe::{FaultMeasured, Measured},
    results::{Estimate, FaultResults, Requests, seconds},
};

/// Share of the availability before a fault that counts as recovered.
const RECOVERED: f64 = 0.99;

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
        let decided: u64 = window.outcomes.iter().sum();
        if end <= ended || start >= fault.until || decided == 0 {
            continue;
        }
        // The window the fault ended in holds requests from before its end.
        if start >= ended && (window.good as f64) < RECOVERED * before * decided as f64 {
            last = end;
        }
        latest = end;
    }
    // Worse to the very end: nobody knows when it recovers.
    (last < latest || latest == ended && fault.until > ended).then(|| seconds(last - ended))
}
