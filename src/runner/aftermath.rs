//! What became of a fault in one replication: whether and when those who ask were well again, and what keeps
//! them from it.
//!
//! **Invariant.** Windows whose requests are still on their way as the run ends say nothing; those that
//! hang longer than any request ever took were not answered.

use crate::{
    model::probe::{FaultMeasured, Measured, NodeMeasured, NodeWindow, Outcome},
    results::{Requests, RequestsInWindow, seconds},
};

/// Share of the availability before a fault that counts as recovered.
const RECOVERED: f64 = 0.99;
/// Share of the availability before a fault below which it counts as lost for good.
const LOST: f64 = 0.9;
/// Share of a backlog that must go in the last third of what was watched if it is to be said that it drains.
const SHRINKS: f64 = 0.1;
/// And so many times the scatter around its slope.
const SCATTERS: f64 = 2.0;
/// Share of the arrivals at a node that it refuses, from which on more is asked than is served.
const REFUSED: f64 = 0.05;

/// How it went on after a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Aftermath {
    /// Most of what there was is back.
    Recovered,
    /// Down although the cause is gone, and nothing shows that this ends.
    Metastable,
    /// Down, but what has piled up shrinks: it is gone so many seconds after the end of what was watched.
    Draining(f64),
    /// Down, and the cause is still there: what was deployed, or another fault.
    CauseRemains,
}

impl Aftermath {
    /// Its name in the results.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Metastable => "metastable",
            Self::Draining(_) => "draining",
            Self::CauseRemains => "cause_remains",
        }
    }
}

/// How it went on after a fault that came once; none when it was watched for a shorter time than the fault lasted.
pub(super) fn aftermath(
    fault: &FaultMeasured,
    requests: &Requests,
    measured: &Measured,
) -> Option<Aftermath> {
    let down = stays_down(fault, requests)?;
    let cause_remains = fault.remains || other_at_work(fault, measured);
    Some(match down {
        false => Aftermath::Recovered,
        true if cause_remains => Aftermath::CauseRemains,
        true => drains(fault, measured).map_or(Aftermath::Metastable, Aftermath::Draining),
    })
}

/// Whether availability in the second half of the time after the fault was far below what it was before.
fn stays_down(fault: &FaultMeasured, requests: &Requests) -> Option<bool> {
    let &[(started, ended)] = fault.spans.as_slice() else { return None };
    let (good, decided) = fault.before;
    let watched = fault.until.saturating_sub(ended);
    if decided == 0 || watched == 0 || watched < ended - started {
        return None;
    }
    let (from, until) = late(fault);
    let late = requests.windows.iter().zip(requests.known());
    let late = late.filter(|(w, _)| w.start >= from && w.start < until);
    let (then, all) = late
        .filter_map(|(_, known)| known)
        .fold((0, 0), |(then, all), (good, decided)| (then + good, all + decided));
    let before = good as f64 / decided as f64;
    (all > 0).then_some((then as f64) < LOST * before * all as f64)
}

/// Another fault began after the quiet time and is at work where it is judged whether this one is over.
fn other_at_work(fault: &FaultMeasured, measured: &Measured) -> bool {
    let quiet = fault.length[0];
    let (from, _) = late(fault);
    let began = fault.spans.first().map_or(0, |span| span.0);
    let mut others = measured.faults.iter().filter(|other| other.id != fault.id);
    others.any(|other| {
        let mut spans = other.spans.iter();
        spans.any(|span| span.0 > began.saturating_sub(quiet) && span.0 <= from && span.1 > from)
    })
}

/// The second half of the time that was watched after a fault.
pub(super) fn late(fault: &FaultMeasured) -> (u64, u64) {
    let ended = fault.spans.last().map_or(fault.until, |span| span.1);
    (ended + fault.until.saturating_sub(ended) / 2, fault.until)
}

/// A fault, watched no further than to the next change of load if all was well by then: what went wrong
/// later has another cause.
pub(super) fn watched(fault: &FaultMeasured, requests: &Requests) -> FaultMeasured {
    let steady = FaultMeasured { until: fault.steady, ..fault.clone() };
    if stays_down(&steady, requests) == Some(false) { steady } else { fault.clone() }
}

// ---- what has piled up ---------------------------------------------------------------------------

/// When what has piled up inside the nodes is gone, s after the end of what was watched, if all of it shrinks
/// and nobody is asked for more than is served.
fn drains(fault: &FaultMeasured, measured: &Measured) -> Option<f64> {
    let (started, ended) = fault.spans.first().copied()?;
    let third = fault.until - (fault.until - ended) / 3;
    let span = |from: u64, to: u64| {
        let inside = move |start: &u64| *start >= from && *start < to;
        let starts = &measured.window_starts;
        let first = starts.iter().position(inside)?;
        let last = starts.iter().rposition(inside)?;
        Some(first..last + 1)
    };
    let before = span(started.saturating_sub(fault.length[0]), started);
    let last = span(third, fault.until).filter(|windows| windows.len() >= 3)?;
    let mut excess: Vec<Backlog> = Vec::new();
    for node in &measured.nodes {
        let quiet = before.clone().map(|windows| &node.windows[windows]).unwrap_or_default();
        let windows = node.windows.get(last.clone())?;
        if refused(windows) > (2.0 * refused(quiet)).max(REFUSED) {
            return None;
        }
        let starts = &measured.window_starts[last.clone()];
        excess.push(Backlog::of(node, starts, (last.end, measured), mean_inside(quiet, measured)));
    }
    let most = excess.iter().map(|backlog| backlog.mean).fold(0.0, f64::max);
    // What is small beside the largest moves with it.
    let grown = excess.iter().filter(|backlog| backlog.mean > 0.0 && backlog.mean >= 0.1 * most);
    let each: Option<Vec<f64>> = grown.map(Backlog::gone_in).collect();
    each?.into_iter().reduce(f64::max)
}

/// Share of the arrivals that are refused.
fn refused(windows: &[NodeWindow]) -> f64 {
    let refusals = [Outcome::Rejected, Outcome::Shed, Outcome::RateLimited];
    let count = |w: &NodeWindow| refusals.iter().map(|&o| w.outcomes[o as usize]).sum::<u64>();
    let arrivals: u64 = windows.iter().map(|w| w.arrivals).sum();
    if arrivals == 0 {
        return 0.0;
    }
    windows.iter().map(count).sum::<u64>() as f64 / arrivals as f64
}

/// Mean number inside over whole windows.
fn mean_inside(windows: &[NodeWindow], measured: &Measured) -> f64 {
    let length = measured.window_starts.get(1).copied().unwrap_or(measured.ended_at).max(1);
    let inside: u128 = windows.iter().map(|w| w.in_system).sum();
    inside as f64 / (length as f64 * windows.len().max(1) as f64)
}

/// How many more than before are inside a node, over the last windows that were watched: a straight line.
struct Backlog {
    /// Their mean.
    mean: f64,
    /// Change per second.
    slope: f64,
    /// Length of what was watched, s.
    length: f64,
    /// Standard deviation around the line.
    scatter: f64,
}

impl Backlog {
    fn of(
        node: &NodeMeasured,
        starts: &[u64],
        (next, measured): (usize, &Measured),
        before: f64,
    ) -> Self {
        let first = next - starts.len();
        let end = measured.window_starts.get(next).copied().unwrap_or(measured.ended_at);
        let ends = starts.iter().skip(1).copied().chain([end]);
        let points: Vec<(f64, f64)> = starts
            .iter()
            .zip(ends)
            .zip(&node.windows[first..next])
            .filter(|((start, end), _)| end > start)
            .map(|((&start, end), window)| {
                let inside = window.in_system as f64 / (end - start) as f64;
                (seconds(start + (end - start) / 2), inside - before)
            })
            .collect();
        let n = points.len().max(1) as f64;
        let (at, mean) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
        let spread: f64 = points.iter().map(|p| (p.0 - at) * (p.0 - at)).sum();
        let slope =
            points.iter().map(|p| (p.0 - at) * (p.1 - mean)).sum::<f64>() / spread.max(1e-9);
        let off = |p: &(f64, f64)| p.1 - mean - slope * (p.0 - at);
        let scatter = (points.iter().map(|p| off(p) * off(p)).sum::<f64>() / n).sqrt();
        Self { mean, slope, length: seconds(end - starts[0]), scatter }
    }

    /// When it is gone at its slope, s after the last window; none if it does not shrink.
    fn gone_in(&self) -> Option<f64> {
        let change = -self.slope * self.length;
        let left = (self.mean - change / 2.0).max(0.0);
        let shrinks = change > SHRINKS * self.mean && change > SCATTERS * self.scatter;
        shrinks.then(|| left / -self.slope)
    }
}

// ---- being well again ----------------------------------------------------------------------------

/// A window of requests: from, to, and whether it was as well as before.
type Judged = (u64, u64, bool);

/// The windows of which something is known, compared with good and decided requests before.
fn judged(requests: &Requests, (good, decided): (u64, u64)) -> Vec<Judged> {
    let before = good as f64 / decided.max(1) as f64;
    let known = requests.windows.iter().zip(requests.known());
    let known = known.filter_map(|(window, known)| Some((window, known?)));
    let well = |good: u64, decided: u64| good as f64 >= RECOVERED * before * decided as f64;
    known.map(|(w, (good, decided))| (w.start, w.end(), well(good, decided))).collect()
}

/// From the end of a fault until the first return to the availability before it that lasts as long as the
/// fault did, or to the end of what was watched, s.
pub(super) fn recovery(fault: &FaultMeasured, requests: &Requests) -> Option<f64> {
    returned(fault, fault.before, requests)
}

/// The same for requests of which so many were good and decided before.
fn returned(fault: &FaultMeasured, before: (u64, u64), requests: &Requests) -> Option<f64> {
    let &[(started, ended)] = fault.spans.as_slice() else { return None };
    if before.1 == 0 {
        return None;
    }
    let (mut back, mut seen) = (ended, false);
    // The window the fault ended in holds requests from before its end.
    let windows = judged(requests, before);
    for (start, end, well) in windows.into_iter().filter(|w| w.0 >= ended && w.0 < fault.until) {
        if well {
            seen = true;
        } else if seen && start >= back + (ended - started) {
            break;
        } else {
            (back, seen) = (end, false);
        }
    }
    // Worse to the very end: nobody knows when it recovers.
    seen.then(|| seconds(back - ended))
}

/// From the start of a fault until those who ask were as well as before, s: for the rest of the fault and for at
/// least as long as they were not, or else once it was over.
pub(super) fn back_after(fault: &FaultMeasured, requests: &Requests) -> Option<f64> {
    back(fault, fault.before, requests)
}

/// The same of one client.
pub(super) fn client_back_after(
    fault: &FaultMeasured,
    requests: &Requests,
    warm_up: u64,
) -> Option<f64> {
    let began = fault.spans.first()?.0;
    let quiet = requests.windows.iter().zip(requests.known());
    let quiet = quiet.filter(|(w, _)| w.start >= warm_up && w.end() <= began);
    let before = quiet.filter_map(|(_, known)| known).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    back(fault, before, requests)
}

fn back(fault: &FaultMeasured, before: (u64, u64), requests: &Requests) -> Option<f64> {
    let &[(started, ended)] = fault.spans.as_slice() else { return None };
    if before.1 == 0 {
        return None;
    }
    let (mut back, mut seen) = (started, false);
    for (start, end, well) in judged(requests, before) {
        // What was sent before, and the window in which the fault ended, are of both sides.
        if end <= started || start >= fault.until || (start < ended && end > ended) {
            continue;
        }
        if well {
            seen = true;
        } else if seen && start >= ended.max(back + (back - started)) {
            break;
        } else {
            (back, seen) = (end, false);
        }
        if !seen && back >= ended {
            break;
        }
    }
    if seen && back < ended {
        return Some(seconds(back - started));
    }
    returned(fault, before, requests).map(|time| time + seconds(ended - started))
}

impl RequestsInWindow {
    fn end(&self) -> u64 {
        self.start + self.covered
    }
}
