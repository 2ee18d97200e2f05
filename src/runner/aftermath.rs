//! What became of a fault in one replication: whether and when those who ask were well again, and what keeps
//! them from it.
//!
//! **Invariant.** Windows whose requests are still on their way as the run ends say nothing; those that
//! hang longer than any request ever took were not answered.

use super::replication::window_spans;
use crate::{
    engine::law::to_nanos,
    model::probe::{FaultMeasured, Measured, NodeMeasured, NodeWindow},
    outcome::Outcome,
    results::{Aftermath, Requests, RequestsInWindow, seconds},
};

/// Share of the availability before a fault that counts as recovered.
const RECOVERED: f64 = 0.99;
/// Share of the availability before a fault below which it counts as lost for good.
const LOST: f64 = 0.9;
/// Share of a backlog that must go in the last third of what was watched if it is to be said that it drains.
const SHRINKS: f64 = 0.1;
/// And so many times the scatter around its slope.
const SCATTERS: f64 = 2.0;
/// By how much more must be asked than before, as a share and in standard deviations of a Poisson count, for that
/// to be why not all of it is served.
const MORE: f64 = 0.1;
const SIGMAS: f64 = 3.0;
/// Share of the answers due in a time that must come in it, where so many are due that chance is no excuse.
const ANSWERED: f64 = 0.5;
const FEW: f64 = 20.0;
/// So many bad ones must be due in a time if it is to be no chance that there is none.
const EXPECTED: f64 = 5.0;
/// The last part of what was watched after a fault, one of so many: what is well only then may not last.
const END: u64 = 10;
/// Share of the arrivals at a node that it refuses, from which on more is asked than is served.
const REFUSED: f64 = 0.05;

/// How it went on after a fault, in one replication.
#[derive(Clone, Copy, Debug)]
pub(super) struct After {
    /// What it came to.
    pub(super) what: Aftermath,
    /// When what has piled up is gone, s after the end of what was watched; of what drains only.
    pub(super) empty_in: Option<f64>,
}

/// How it went on after a fault that came once; none when it was watched for a shorter time than the fault lasted.
pub(super) fn aftermath(
    fault: &FaultMeasured,
    requests: &Requests,
    measured: &Measured,
) -> Option<After> {
    let down = stays_down(fault, requests)?;
    let cause_remains = fault.remains || other_at_work(fault, late(fault, requests).0, measured);
    let empty_in = if down && !cause_remains { drains(fault, measured) } else { None };
    let what = match down {
        false => Aftermath::Recovered,
        true if cause_remains => Aftermath::CauseRemains,
        true if empty_in.is_some() => Aftermath::Draining,
        true => Aftermath::Metastable,
    };
    Some(After { what, empty_in })
}

/// Whether in the second half of the time after the fault far less was served than before: of what was asked,
/// and per second, if more was asked.
fn stays_down(fault: &FaultMeasured, requests: &Requests) -> Option<bool> {
    let &[(started, ended)] = fault.spans.as_slice() else { return None };
    let watched = fault.until.saturating_sub(ended);
    if watched == 0 || watched < ended - started {
        return None;
    }
    lately_down(fault, requests)
}

/// The same, however short it was watched.
fn lately_down(fault: &FaultMeasured, requests: &Requests) -> Option<bool> {
    let before = Span::before(fault, requests)?;
    let (from, until) = late(fault, requests);
    let late = Span::of(requests, |w| w.start >= from && w.start < until);
    (late.issued > 0).then(|| !late.as_well(LOST, &before))
}

/// Another fault began after the quiet time and is at work where it is judged whether this one is over.
fn other_at_work(fault: &FaultMeasured, from: u64, measured: &Measured) -> bool {
    let began = fault.quiet.first().map_or(0, |span| span.0);
    let mut others = measured.faults.iter().filter(|other| other.id != fault.id);
    others.any(|other| {
        let mut spans = other.spans.iter();
        spans.any(|span| span.0 > began && span.0 <= from && span.1 > from)
    })
}

/// The second half of the time that was watched after a fault; later from when all was well, unless that was
/// only just before the end.
pub(super) fn late(fault: &FaultMeasured, requests: &Requests) -> (u64, u64) {
    let ended = fault.spans.last().map_or(fault.until, |span| span.1);
    let watched = fault.until.saturating_sub(ended);
    let half = ended + watched / 2;
    let back = recovery(fault, requests).map_or(half, |time| ended + to_nanos(1e9 * time));
    let from = if back <= fault.until - watched / END { half.max(back) } else { half };
    (from, fault.until)
}

/// A fault, watched no further than to the next change of load if all was well by then: what went wrong
/// later has another cause.
pub(super) fn watched(fault: &FaultMeasured, requests: &Requests) -> FaultMeasured {
    let steady = FaultMeasured { until: fault.steady, ..fault.clone() };
    if lately_down(&steady, requests) == Some(false) { steady } else { fault.clone() }
}

// ---- what has piled up ---------------------------------------------------------------------------

/// When what has piled up inside the nodes is gone, s after the end of what was watched, if all of it shrinks
/// and nobody is asked for more than is served.
fn drains(fault: &FaultMeasured, measured: &Measured) -> Option<f64> {
    let (_, ended) = fault.spans.first().copied()?;
    let third = fault.until - (fault.until - ended) / 3;
    let span = |from: u64, to: u64| {
        let inside = move |start: &u64| *start >= from && *start < to;
        let starts = &measured.window_starts;
        let first = starts.iter().position(inside)?;
        let last = starts.iter().rposition(inside)?;
        Some(first..last + 1)
    };
    let last = span(third, fault.until).filter(|windows| windows.len() >= 3)?;
    let mut excess: Vec<Backlog> = Vec::new();
    for node in &measured.nodes {
        let each = window_spans(measured).into_iter().zip(&node.windows);
        let quiet: Vec<NodeWindow> =
            each.filter(|(span, _)| is_quiet(fault, *span)).map(|(_, w)| w.clone()).collect();
        let windows = node.windows.get(last.clone())?;
        if refused(windows) > (2.0 * refused(&quiet)).max(REFUSED) {
            return None;
        }
        let starts = &measured.window_starts[last.clone()];
        excess.push(Backlog::of(node, starts, (last.end, measured), mean_inside(&quiet, measured)));
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
        Self::through(&points, seconds(end - starts[0]))
    }

    /// The straight line that is nearest to levels at times, s.
    fn through(points: &[(f64, f64)], length: f64) -> Self {
        let n = points.len().max(1) as f64;
        let (at, mean) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
        let spread: f64 = points.iter().map(|p| (p.0 - at) * (p.0 - at)).sum();
        let slope =
            points.iter().map(|p| (p.0 - at) * (p.1 - mean)).sum::<f64>() / spread.max(1e-9);
        let off = |p: &(f64, f64)| p.1 - mean - slope * (p.0 - at);
        let scatter = (points.iter().map(|p| off(p) * off(p)).sum::<f64>() / n).sqrt();
        Self { mean, slope, length, scatter }
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

/// Requests, and the time they were sent in.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    good: u64,
    issued: u64,
    /// Good answers that came in that time, whenever the requests were sent.
    answered: u64,
    /// ns.
    time: u64,
}

impl Span {
    /// Those of the windows of which something is known.
    fn of(requests: &Requests, wanted: impl Fn(&RequestsInWindow) -> bool) -> Self {
        let wanted = of_windows(requests).filter(|(w, _)| wanted(w));
        wanted.fold(Self::default(), |sum, (_, one)| Self {
            good: sum.good + one.good,
            issued: sum.issued + one.issued,
            answered: sum.answered + one.answered,
            time: sum.time + one.time,
        })
    }

    /// The time before a fault: none without a request.
    fn before(fault: &FaultMeasured, requests: &Requests) -> Option<Self> {
        let quiet = Self::of(requests, |w| is_quiet(fault, (w.start, w.end())));
        Some(quiet).filter(|before| before.issued > 0)
    }

    /// Whether these were served at least at this share of how others were before: of what was asked; or per
    /// second, where more is asked than before.
    fn as_well(&self, share: f64, before: &Self) -> bool {
        let served = self.issued as f64 * before.good as f64 / before.issued as f64;
        // What is answered only when all is over was not served while it lasted.
        if served >= FEW && (self.answered as f64) < ANSWERED * served {
            return false;
        }
        let times = self.time as f64 / before.time.max(1) as f64;
        let usual = times * before.issued as f64;
        let more = self.issued as f64 > (1.0 + MORE) * usual + SIGMAS * usual.sqrt();
        let least = if more { served.min(times * before.good as f64) } else { served };
        self.good as f64 >= share * least
    }
}

/// The windows of which something is known.
fn of_windows(requests: &Requests) -> impl Iterator<Item = (&RequestsInWindow, Span)> {
    let known = requests.windows.iter().zip(requests.known());
    known.filter_map(|(w, known)| {
        let (good, issued) = known?;
        Some((w, Span { good, issued, answered: w.happened.good, time: w.covered }))
    })
}

/// Whether a window lies in the time before a fault.
pub(super) fn is_quiet(fault: &FaultMeasured, (from, to): (u64, u64)) -> bool {
    fault.quiet.iter().any(|span| from >= span.0 && to <= span.1)
}

/// A window of requests: from, to, and whether it was as well as before.
type Judged = (u64, u64, bool);

/// The windows of which something is known, compared with what was before.
fn judged(requests: &Requests, before: &Span) -> Vec<Judged> {
    let judge =
        |(w, span): (&RequestsInWindow, Span)| (w.start, w.end(), span.as_well(RECOVERED, before));
    of_windows(requests).map(judge).collect()
}

/// From the end of a fault until the first return to the availability before it that lasts as long as the
/// fault did, or to the end of what was watched, s.
pub(super) fn recovery(fault: &FaultMeasured, requests: &Requests) -> Option<f64> {
    returned(fault, &Span::before(fault, requests)?, requests)
}

/// The same for requests that were served like this before.
fn returned(fault: &FaultMeasured, before: &Span, requests: &Requests) -> Option<f64> {
    let &[(started, ended)] = fault.spans.as_slice() else { return None };
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

/// Whether so many were sent between the return and the end that not by chance none of them fared as those before.
fn is_shown(requests: &Requests, (started, back, ended): (u64, u64, u64)) -> bool {
    let gone = Span::of(requests, |w| w.end() > started && w.end() <= back);
    let rest = Span::of(requests, |w| w.start >= back && w.end() <= ended);
    let bad = (gone.issued - gone.good) as f64 / gone.issued.max(1) as f64;
    back == started || bad * rest.issued as f64 >= EXPECTED
}

/// From the start of a fault until those who ask were as well as before, s: for the rest of the fault and for at
/// least as long as they were not, or else once it was over.
pub(super) fn back_after(fault: &FaultMeasured, requests: &Requests) -> Option<f64> {
    let &[(started, ended)] = fault.spans.as_slice() else { return None };
    let before = &Span::before(fault, requests)?;
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
    if seen && back < ended && is_shown(requests, (started, back, ended)) {
        return Some(seconds(back - started));
    }
    returned(fault, before, requests).map(|time| time + seconds(ended - started))
}

impl RequestsInWindow {
    /// Where it ends, ns.
    pub(super) fn end(&self) -> u64 {
        self.start + self.covered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_that_of_least_squares() {
        // Distances from the mean: -3, -1, 1, 3 in time and 4, 1, 0, -5 in level.
        let line = Backlog::through(&[(10.0, 10.0), (12.0, 7.0), (14.0, 6.0), (16.0, 1.0)], 8.0);
        assert_eq!((line.mean, line.slope, line.length), (6.0, -28.0 / 20.0, 8.0));
        // Off it by -0.2, -0.4, 1.4 and -0.8.
        assert!((line.scatter - 0.7f64.sqrt()).abs() < 1e-12, "{}", line.scatter);
        let one = Backlog::through(&[(3.0, 5.0)], 1.0);
        assert_eq!((one.mean, one.slope, one.scatter), (5.0, 0.0, 0.0));
    }

    #[test]
    fn what_shrinks_is_gone_where_its_line_meets_nothing() {
        // 15 at the start of 10 s, 5 at their end: gone 5 s later.
        let line = |slope, scatter| Backlog { mean: 10.0, slope, length: 10.0, scatter };
        assert_eq!(line(-1.0, 0.0).gone_in(), Some(5.0));
        assert_eq!(line(-0.5, 0.0).gone_in(), Some(15.0));
        // It was gone before.
        assert_eq!(line(-4.0, 0.0).gone_in(), Some(0.0));
        assert_eq!(line(1.0, 0.0).gone_in(), None, "it grows");
        assert_eq!(line(-0.05, 0.0).gone_in(), None, "it hardly shrinks");
        assert_eq!(line(-1.0, 6.0).gone_in(), None, "it may be chance");
    }
}
