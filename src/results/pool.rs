//! Requests of many replications and the figures they give: the one place where a figure of requests is defined,
//! for the whole run, a client, an operation or an SLO's selection.
//!
//! **Invariant.** Replications come in index order and are forgotten: what is kept of each is a few numbers.

use std::collections::BTreeMap;

use super::{
    ClientSeries, Estimate, Happened, Means, Ratios, RequestCounts, RequestFigures, Requests,
    RequestsInWindow, Samples, requests::from_ns, seconds, steady::Levels,
};
use crate::{outcome::Outcome, stats::Histogram};

/// Good requests, decided ones, and those in flight that count as bad where that counts: in a run that is steady and in
/// one in which more and more are in flight.
#[derive(Clone, Copy, Debug)]
struct Late {
    good: u64,
    decided: u64,
    late: [u64; 2],
}

/// A set of requests in each of many replications.
#[derive(Clone, Debug, Default)]
pub struct RequestPool {
    counts: RequestCounts,
    /// Decided ones, of those that figures are made of.
    decided: u64,
    replications: usize,
    availability: Ratios,
    late: Vec<Late>,
    goodput: Means,
    throughput: Means,
    attempts: Ratios,
    latency: Samples,
    /// Of successes, and failures larger than any.
    of_all: Samples,
    latency_all: Samples,
    marks: BTreeMap<String, Samples>,
    /// Requests in flight by window.
    levels: Levels,
    /// Measured in all replications, s.
    span: f64,
}

impl RequestPool {
    /// That of one replication alone.
    #[must_use]
    pub fn of(requests: &Requests) -> Self {
        let mut pool = Self::default();
        pool.push(requests);
        pool
    }

    /// Adds the requests of the next replication.
    pub fn push(&mut self, requests: &Requests) {
        let basis = requests.basis();
        let decided = basis.decided();
        self.counts.add(&requests.counts());
        self.decided += decided;
        self.availability.push(basis.good, decided);
        let late = [false, true].map(|growing| basis.late(None, growing));
        self.late.push(Late { good: basis.good, decided, late });
        let rate = |count: u64| Some(basis.per_second(count)? / requests.unit());
        self.goodput.push(rate(basis.good));
        self.throughput.push(rate(basis.replies));
        self.attempts.push(basis.attempts, basis.issued);
        self.latency.push(&basis.latency);
        let failed = decided.saturating_sub(basis.latency.count());
        self.of_all.push_with_endless(&basis.latency, failed);
        let mut all = basis.latency.clone();
        all.merge(&basis.latency_failed);
        self.latency_all.push(&all);
        for name in basis.marks.keys() {
            // Nobody got there before.
            let none = || Samples::none(self.replications);
            self.marks.entry(name.clone()).or_insert_with(none);
        }
        let nobody = Histogram::default();
        for (name, times) in &mut self.marks {
            times.push(basis.marks.get(name).unwrap_or(&nobody));
        }
        self.levels.push(&requests.in_flight(0));
        // Centuries, all runs together, are more than a count of nanoseconds holds.
        self.span += seconds(requests.span.max(1));
        self.replications += 1;
    }

    /// Counts of all replications.
    #[must_use]
    pub fn counts(&self) -> &RequestCounts {
        &self.counts
    }

    /// Times of successes, or to a mark, of all replications; and how many requests were decided, in the same unit.
    #[must_use]
    pub fn answered(&self, mark: Option<&str>) -> (u64, u64) {
        let times = mark.map_or(Some(&self.latency), |mark| self.marks.get(mark));
        (times.map_or(0, |times| times.merged().count()), self.decided)
    }

    /// Response times of successes of all replications, ns.
    #[must_use]
    pub fn latency(&self) -> &Histogram {
        self.latency.merged()
    }

    /// Whether more and more of the requests are in flight as the runs end.
    #[must_use]
    pub fn is_growing(&self) -> bool {
        self.levels.growth(self.counts.issued as f64 / self.span).is_some()
    }

    /// Good requests and decided ones of each replication; with what is in flight decided, and bad, if asked.
    #[must_use]
    pub fn good_of_decided(&self, bad: bool) -> Vec<(u64, u64)> {
        let growing = usize::from(self.is_growing());
        let late = |one: &Late| if bad { one.late[growing] } else { 0 };
        self.late.iter().map(|one| (one.good, one.decided + late(one))).collect()
    }

    /// The figures of these requests.
    #[must_use]
    pub fn figures(&self, confidence: f64) -> RequestFigures {
        let marks = self.marks.iter();
        RequestFigures {
            requests: self.counts,
            availability: self.availability.share(confidence),
            availability_at_least: self.at_least(confidence),
            goodput: self.goodput.estimate(confidence),
            throughput: self.throughput.estimate(confidence),
            attempts_per_request: self.attempts.estimate(confidence),
            latency: self.latency.distribution(confidence),
            p99_of_all: self.of_all.quantile(0.99, confidence),
            latency_all: self.latency_all.distribution(confidence),
            marks: marks
                .map(|(name, times)| (name.clone(), times.distribution(confidence)))
                .collect(),
        }
    }

    /// Availability with what is in flight counted bad, where that makes a difference.
    fn at_least(&self, confidence: f64) -> Option<Estimate> {
        let growing = usize::from(self.is_growing());
        let mut terms = Ratios::default();
        for (good, decided) in self.good_of_decided(true) {
            terms.push(good, decided);
        }
        let any = self.late.iter().any(|one| one.late[growing] > 0);
        any.then(|| terms.share(confidence))
    }
}

/// A client's requests by window: rates over the time simulated, percentiles of merged samples.
#[derive(Clone, Debug, Default)]
pub struct SeriesPool {
    windows: Vec<RequestsInWindow>,
    /// Issued and not decided at the end of each window, and how many replications got there.
    in_flight: Vec<(f64, f64)>,
    undecided: Vec<bool>,
}

impl SeriesPool {
    /// Adds the windows of the next replication.
    pub fn push(&mut self, requests: &Requests) {
        for (i, window) in requests.windows.iter().enumerate() {
            match self.windows.get_mut(i) {
                Some(sum) => {
                    sum.merge(window);
                    sum.covered += window.covered;
                }
                None => self.windows.push(window.clone()),
            }
        }
        for (i, (_, _, open)) in requests.in_flight(0).into_iter().enumerate() {
            if self.in_flight.len() <= i {
                self.in_flight.resize(i + 1, (0.0, 0.0));
            }
            let sum = &mut self.in_flight[i];
            *sum = (sum.0 + open, sum.1 + 1.0);
        }
        let open = requests.undecided();
        self.undecided.resize(open.len().max(self.undecided.len()), false);
        self.undecided.iter_mut().zip(open).for_each(|(any, open)| *any |= open);
    }

    /// The series.
    #[must_use]
    pub fn series(&self) -> ClientSeries {
        let mut series = ClientSeries::default();
        let used: Vec<usize> = (0..Outcome::NAMES.len())
            .filter(|&o| o == 0 || self.windows.iter().any(|w| w.outcomes[o] > 0))
            .collect();
        for window in &self.windows {
            let rate = |count: u64| count as f64 / seconds(window.covered.max(1));
            series.offered.push(rate(window.issued));
            series.goodput.push(rate(window.good));
            let availability = window.judged().map(|(good, decided)| good as f64 / decided as f64);
            series.availability.push(availability);
            let attempts =
                (window.issued > 0).then(|| window.attempts as f64 / window.issued as f64);
            series.attempts_per_request.push(attempts);
            for &outcome in &used {
                let rates = series.outcomes.entry(Outcome::NAMES[outcome].to_owned()).or_default();
                rates.push(rate(window.outcomes[outcome]));
            }
            let quantile = |q| window.latency.quantile(q).map(from_ns);
            series.p50.push(quantile(0.5));
            series.p95.push(quantile(0.95));
            series.p99.push(quantile(0.99));
            series.p999.push(quantile(0.999));
        }
        what_happened(&mut series, &self.windows);
        series.in_flight = self.in_flight.iter().map(|(open, n)| open / n.max(1.0)).collect();
        if self.undecided.contains(&true) {
            series.undecided.clone_from(&self.undecided);
        }
        series
    }
}

/// The part of a client's series that goes by the instant at which things happen.
fn what_happened(series: &mut ClientSeries, windows: &[RequestsInWindow]) {
    let rates = |count: &dyn Fn(&Happened) -> u64| -> Vec<f64> {
        let each = windows.iter().map(|w| count(&w.happened) as f64 / seconds(w.covered.max(1)));
        each.collect()
    };
    // What never happened has no vector.
    let some = |count: &dyn Fn(&Happened) -> u64| -> Vec<f64> {
        let any = windows.iter().any(|w| count(&w.happened) > 0);
        if any { rates(count) } else { Vec::new() }
    };
    series.answered = rates(&|h| h.good);
    for (outcome, name) in Outcome::NAMES.iter().enumerate().skip(1) {
        let rates = some(&|h| h.ended[outcome]);
        if !rates.is_empty() {
            series.ended.insert((*name).to_owned(), rates);
        }
    }
    series.resent = some(&|h| h.resent);
    series.timed_out = some(&|h| h.timed_out);
    series.breakers_opened = some(&|h| h.breakers_opened);
}
