//! Counts and samples of a set of requests of one replication.
//!
//! **Invariant.** Requests are merged as integers: no order of merging changes a bit.

use std::collections::BTreeMap;

use super::{RequestCounts, Results};
use crate::{
    outcome::Outcome,
    stats::{CoarseHistogram, Histogram},
};

/// Where a request lies with regard to a fault, by its intended send.
pub const SIDES: [&str; 3] = ["before", "during", "after"];

/// Requests of one replication (or of several, merged).
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// Requests issued.
    pub issued: u64,
    /// Decided ones by outcome.
    pub outcomes: [u64; 9],
    /// Ok and degraded ones within their deadline.
    pub good: u64,
    /// Attempts sent.
    pub attempts: u64,
    /// Successful replies, late ones included.
    pub replies: u64,
    /// Undecided ones that wait for the answer to a call that was lost.
    pub lost: u64,
    /// Age at the end of the run of the other undecided ones, ns.
    pub ages: Histogram,
    /// Measured span, ns.
    pub span: u64,
    /// Response times of successes, ns.
    pub latency: Histogram,
    /// Time to the decision of the others, ns.
    pub latency_failed: Histogram,
    /// Time to each mark, ns.
    pub marks: BTreeMap<String, Histogram>,
    /// By window of the intended send, over the whole run.
    pub windows: Vec<RequestsInWindow>,
    /// What figures are made of where some of the requests stand for more than themselves (`active`): every
    /// count and sample [`UNIT`] times, or as many more times as it stands for others.
    pub weighted: Option<Box<Requests>>,
}

/// How many times a request that stands for itself counts among weighted ones.
pub const UNIT: u64 = 1000;

/// Requests whose intended send lies in one window.
#[derive(Clone, Debug, Default)]
pub struct RequestsInWindow {
    /// Start, ns.
    pub start: u64,
    /// Length that was simulated, ns; summed over what is merged.
    pub covered: u64,
    /// Requests issued.
    pub issued: u64,
    /// Decided ones by outcome.
    pub outcomes: [u64; 9],
    /// Ok and degraded ones within their deadline.
    pub good: u64,
    /// Attempts sent.
    pub attempts: u64,
    /// Undecided ones that wait for the answer to a call that was lost.
    pub lost: u64,
    /// Response times of successes, ns.
    pub latency: CoarseHistogram,
    /// What happened in the window, whenever the requests were sent.
    pub happened: Happened,
}

/// What happened to requests in one window, whenever they were sent.
#[derive(Clone, Debug, Default)]
pub struct Happened {
    /// Requests decided, by outcome.
    pub ended: [u64; 9],
    /// Ok and degraded ones within their deadline.
    pub good: u64,
    /// Attempts after the first that were sent, and second copies.
    pub resent: u64,
    /// Attempts that timed out.
    pub timed_out: u64,
    /// Breakers that opened.
    pub breakers_opened: u64,
}

/// What a selector of an SLO picks out; nothing given: all requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only this client.
    pub client: Option<String>,
    /// Only operations of this name.
    pub operation: Option<String>,
    /// Only those sent on one side of a fault: its id, and an index into [`SIDES`].
    pub around: Option<(String, usize)>,
    /// Only those sent from one side of that fault.
    pub side: Option<String>,
    /// Messages instead of requests: of this node, for this group if it is a log. The latency of one is how long it took from its
    /// acceptance until a visit for it had succeeded.
    pub messages: Option<(String, Option<String>)>,
}

/// What stands behind the results of one replication, for figures that `Results` does not list.
pub trait Evidence {
    /// The selected requests.
    fn requests(&self, selection: &Selection) -> Requests;
    /// The results as if this replication were the only one.
    fn results(&self) -> &Results;
    /// Where the measured span begins, ns.
    fn warm_up(&self) -> u64;
}

impl Requests {
    /// Adds requests of the same span.
    pub fn merge(&mut self, other: &Self) {
        if self.weighted.is_some() || other.weighted.is_some() {
            let mut both = self.weighed();
            both.merge(&other.weighed());
            self.weighted = Some(Box::new(both));
        }
        self.issued += other.issued;
        add_tally(&mut self.outcomes, &other.outcomes);
        self.good += other.good;
        self.attempts += other.attempts;
        self.replies += other.replies;
        self.lost += other.lost;
        self.ages.merge(&other.ages);
        self.span = self.span.max(other.span);
        self.latency.merge(&other.latency);
        self.latency_failed.merge(&other.latency_failed);
        for (mark, samples) in &other.marks {
            self.marks.entry(mark.clone()).or_default().merge(samples);
        }
        if self.windows.is_empty() {
            self.windows.clone_from(&other.windows);
        } else {
            for (mine, theirs) in self.windows.iter_mut().zip(&other.windows) {
                mine.merge(theirs);
            }
        }
    }

    /// What figures are made of.
    pub fn basis(&self) -> &Self {
        self.weighted.as_deref().unwrap_or(self)
    }

    /// How many times a request that stands for itself counts in the basis.
    pub(super) fn unit(&self) -> f64 {
        if self.weighted.is_some() { UNIT as f64 } else { 1.0 }
    }

    fn weighed(&self) -> Self {
        self.weighted.as_deref().cloned().unwrap_or_else(|| self.times(UNIT))
    }

    /// Counts and samples, each so many times.
    #[must_use]
    pub fn times(&self, n: u64) -> Self {
        Self {
            issued: self.issued * n,
            outcomes: self.outcomes.map(|count| count * n),
            good: self.good * n,
            attempts: self.attempts * n,
            replies: self.replies * n,
            lost: self.lost * n,
            ages: self.ages.times(n),
            span: self.span,
            latency: self.latency.times(n),
            latency_failed: self.latency_failed.times(n),
            marks: self.marks.iter().map(|(name, h)| (name.clone(), h.times(n))).collect(),
            windows: Vec::new(),
            weighted: None,
        }
    }

    /// Of each window, whether requests of it are on their way as the run ends. Those that have taken longer
    /// than any that was decided are not on their way: nobody will answer them.
    pub fn undecided(&self) -> Vec<bool> {
        let slowest = self.latency.max().max(self.latency_failed.max()).unwrap_or_default();
        let end = self.windows.last().map_or(0, |w| w.start + w.covered);
        let open = |w: &RequestsInWindow| w.outcomes.iter().sum::<u64>() < w.issued;
        let late = |w: &RequestsInWindow| w.start + w.covered + slowest > end;
        self.windows.iter().map(|w| open(w) && late(w)).collect()
    }

    /// Of each window good requests and all; nothing of those in which requests are on their way.
    pub fn known(&self) -> Vec<Option<(u64, u64)>> {
        let windows = self.windows.iter().zip(self.undecided());
        windows.map(|(w, open)| (!open && w.issued > 0).then_some((w.good, w.issued))).collect()
    }

    /// Decided requests.
    pub fn decided(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Counts by name; what is not decided is in flight.
    pub fn counts(&self) -> RequestCounts {
        let [ok, degraded, timeout, error, rejected, shed, rate_limited, breaker_open, unavailable] =
            self.outcomes;
        let issued = self.issued;
        let in_flight = issued - self.decided();
        RequestCounts {
            issued,
            ok,
            degraded,
            timeout,
            error,
            rejected,
            shed,
            rate_limited,
            breaker_open,
            unavailable,
            in_flight,
        }
    }

    /// Undecided ones that count as bad where what is in flight does (`semantics.md` 18): those that wait for
    /// what was lost, and those older than `limit`, ns, or else than any that was decided. A younger one is on
    /// its way as in any run, unless more and more are.
    pub fn late(&self, limit: Option<u64>, growing: bool) -> u64 {
        let longest = || self.latency.max().max(self.latency_failed.max()).unwrap_or_default();
        let older = || self.ages.fraction_above(limit.unwrap_or_else(longest)).unwrap_or_default();
        let share = if growing { 1.0 } else { older() };
        self.lost + (share * self.ages.count() as f64).round() as u64
    }

    /// The same of one window, by its age.
    pub fn late_in(&self, window: &RequestsInWindow, growing: bool) -> u64 {
        let open = window.issued - window.decided() - window.lost;
        let end = self.windows.last().map_or(0, |w| w.start + w.covered);
        let longest = self.latency.max().max(self.latency_failed.max()).unwrap_or_default();
        let late = growing || end.saturating_sub(window.start + window.covered) > longest;
        window.lost + if late { open } else { 0 }
    }

    /// Requests in flight at the end of each window after `from`, ns: start, length (s), number.
    pub fn in_flight(&self, from: u64) -> Vec<(f64, f64, f64)> {
        let mut open = 0;
        let mut levels = Vec::new();
        for window in &self.windows {
            open = open + window.issued - window.happened.ended.iter().sum::<u64>();
            if window.covered > 0 && window.start >= from {
                levels.push((seconds(window.start), seconds(window.covered), open as f64));
            }
        }
        levels
    }

    /// Per second of the measured span.
    pub(super) fn per_second(&self, count: u64) -> Option<f64> {
        (self.span > 0).then(|| count as f64 / seconds(self.span))
    }
}

impl RequestsInWindow {
    pub(super) fn merge(&mut self, other: &Self) {
        self.issued += other.issued;
        add_tally(&mut self.outcomes, &other.outcomes);
        self.good += other.good;
        self.attempts += other.attempts;
        self.lost += other.lost;
        self.latency.merge(&other.latency);
        self.happened.merge(&other.happened);
    }

    /// Decided requests.
    pub fn decided(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Good ones and decided ones; none while most are undecided: towards the end of a run those that were
    /// decided are the fast ones, and say nothing about the others.
    pub fn judged(&self) -> Option<(u64, u64)> {
        let decided = self.decided();
        (decided > 0 && 2 * decided >= self.issued).then_some((self.good, decided))
    }
}

impl Happened {
    fn merge(&mut self, other: &Self) {
        add_tally(&mut self.ended, &other.ended);
        self.good += other.good;
        self.resent += other.resent;
        self.timed_out += other.timed_out;
        self.breakers_opened += other.breakers_opened;
    }
}

impl RequestCounts {
    /// Each count with its name, in the order of `results.json`.
    pub fn by_name(&self) -> [(&'static str, u64); 11] {
        [
            ("issued", self.issued),
            (Outcome::Ok.name(), self.ok),
            (Outcome::Degraded.name(), self.degraded),
            (Outcome::Timeout.name(), self.timeout),
            (Outcome::Error.name(), self.error),
            (Outcome::Rejected.name(), self.rejected),
            (Outcome::Shed.name(), self.shed),
            (Outcome::RateLimited.name(), self.rate_limited),
            (Outcome::BreakerOpen.name(), self.breaker_open),
            (Outcome::Unavailable.name(), self.unavailable),
            ("in_flight", self.in_flight),
        ]
    }

    /// Adds counts of other requests.
    pub fn add(&mut self, other: &Self) {
        self.issued += other.issued;
        self.ok += other.ok;
        self.degraded += other.degraded;
        self.timeout += other.timeout;
        self.error += other.error;
        self.rejected += other.rejected;
        self.shed += other.shed;
        self.rate_limited += other.rate_limited;
        self.breaker_open += other.breaker_open;
        self.unavailable += other.unavailable;
        self.in_flight += other.in_flight;
    }
}

/// Nanoseconds as seconds.
pub fn seconds(ns: u64) -> f64 {
    from_ns(ns as f64)
}

pub(super) fn from_ns(ns: f64) -> f64 {
    ns / 1e9
}

fn add_tally(mine: &mut [u64; 9], theirs: &[u64; 9]) {
    for (a, b) in mine.iter_mut().zip(theirs) {
        *a += b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_open_longer_than_anybody_took_is_late() {
        let window = |start: u64| {
            let mut window = RequestsInWindow {
                start,
                covered: 10,
                issued: 9,
                lost: 2,
                ..RequestsInWindow::default()
            };
            window.outcomes[0] = 3;
            window
        };
        let mut requests =
            Requests { windows: [0, 10, 20].map(window).to_vec(), ..Requests::default() };
        requests.latency.record(14);
        // It ends at 30: those of the first window have been open for at least 20, those of the second for 10.
        let late = |requests: &Requests, growing| {
            requests.windows.iter().map(|w| requests.late_in(w, growing)).collect::<Vec<_>>()
        };
        assert_eq!(late(&requests, false), [2 + 4, 2, 2]);
        assert_eq!(late(&requests, true), [6, 6, 6]);
        // One that failed took as long.
        requests.latency_failed.record(20);
        assert_eq!(late(&requests, false), [2, 2, 2]);
    }
}
