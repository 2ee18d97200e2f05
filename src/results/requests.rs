//! Counts and samples of a set of requests, and the figures they give: the one place where a
//! figure of requests is defined, for the whole run, a client, an operation or an SLO's selection.
//!
//! Point values: a mean or a rate is the mean over replications of each one's figure; a quantile,
//! `sd` and `max` are those of the merged samples (`semantics.md` 26); a ratio (availability,
//! attempts per request) is that of the totals. Intervals are Student's t of the replications'
//! own figures, put around the point value.
//!
//! **Invariant.** Integers are merged, `f64` folds go in index order: the same replications give
//! the same bits whoever finished first.

use std::collections::BTreeMap;

use super::{
    ClientSeries, Distribution, Estimate, RequestCounts, RequestFigures, Results, steady::growth,
};
use crate::stats::{self, CoarseHistogram, Histogram};

/// Names of the outcomes in the order of every tally.
pub const OUTCOMES: [&str; 9] = [
    "ok",
    "degraded",
    "timeout",
    "error",
    "rejected",
    "shed",
    "rate_limited",
    "breaker_open",
    "unavailable",
];

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
}

/// What stands behind the results of a run, for figures that `Results` does not list.
pub trait Evidence {
    /// Number of finished replications.
    fn replications(&self) -> usize;
    /// The selected requests of each replication, in index order.
    fn requests(&self, selection: &Selection) -> Vec<Requests>;
    /// The results as if this replication were the only one.
    fn results_of(&self, replication: usize) -> Results;
}

impl Requests {
    /// Adds requests of the same replication and span.
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
    fn unit(&self) -> f64 {
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
    fn per_second(&self, count: u64) -> Option<f64> {
        (self.span > 0).then(|| count as f64 / seconds(self.span))
    }
}

impl RequestsInWindow {
    fn merge(&mut self, other: &Self) {
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

/// The figures of these requests; one entry per replication.
pub fn figures(parts: &[Requests], confidence: f64) -> RequestFigures {
    let mut all = RequestCounts::default();
    for part in parts {
        all.add(&part.counts());
    }
    let rate = |count: fn(&Requests) -> u64| {
        let per_second = |p: &Requests| Some(p.basis().per_second(count(p.basis()))? / p.unit());
        let values: Vec<_> = parts.iter().map(per_second).collect();
        Estimate::mean_of(&values, confidence)
    };
    let ratio = |top: fn(&Requests) -> u64, bottom: fn(&Requests) -> u64| {
        let terms: Vec<_> = parts.iter().map(|p| (top(p.basis()), bottom(p.basis()))).collect();
        Estimate::ratio_of(&terms, confidence)
    };
    let sample = |pick: fn(&Requests) -> Histogram| {
        let samples: Vec<_> = parts.iter().map(|p| pick(p.basis())).collect();
        distribution(&samples.iter().collect::<Vec<_>>(), confidence)
    };
    let names: std::collections::BTreeSet<&String> =
        parts.iter().flat_map(|p| p.basis().marks.keys()).collect();
    let empty = Histogram::default();
    let marks = names.into_iter().map(|name| {
        let samples: Vec<_> =
            parts.iter().map(|p| p.basis().marks.get(name).unwrap_or(&empty)).collect();
        (name.clone(), distribution(&samples, confidence))
    });
    RequestFigures {
        requests: all,
        availability: ratio(|p| p.good, Requests::decided).fraction(),
        availability_at_least: at_least(parts, confidence),
        goodput: rate(|p| p.good),
        throughput: rate(|p| p.replies),
        attempts_per_request: ratio(|p| p.attempts, |p| p.issued),
        latency: sample(|p| p.latency.clone()),
        p99_of_all: of_all(parts, 0.99, confidence),
        latency_all: sample(|p| {
            let mut all = p.latency.clone();
            all.merge(&p.latency_failed);
            all
        }),
        marks: marks.collect(),
    }
}

/// A quantile of all decided requests, those without an answer being slower than any other.
fn of_all(parts: &[Requests], q: f64, confidence: f64) -> Estimate {
    let statistic = |latency: &Histogram, decided: u64| {
        let inside = q * decided as f64 / latency.count() as f64;
        (inside <= 1.0).then(|| latency.quantile(inside)).flatten().map(from_ns)
    };
    let (mut all, mut decided) = (Histogram::default(), 0);
    for part in parts {
        all.merge(&part.basis().latency);
        decided += part.basis().decided();
    }
    let each = parts.iter().map(|p| statistic(&p.basis().latency, p.basis().decided()));
    Estimate::around(statistic(&all, decided), &each.collect::<Vec<_>>(), confidence)
}

/// Whether more and more of the requests are in flight as the runs end.
pub fn is_growing(parts: &[Requests]) -> bool {
    let issued: u64 = parts.iter().map(|p| p.issued).sum();
    // Centuries, all runs together, are more than a count of nanoseconds holds.
    let span: f64 = parts.iter().map(|p| seconds(p.span.max(1))).sum();
    let levels: Vec<_> = parts.iter().map(|p| p.in_flight(0)).collect();
    growth(&levels, issued as f64 / span).is_some()
}

/// Availability with what is in flight counted bad, where that makes a difference.
fn at_least(parts: &[Requests], confidence: f64) -> Option<Estimate> {
    let growing = is_growing(parts);
    let late = |p: &Requests| p.basis().late(None, growing);
    let terms = parts.iter().map(|p| (p.basis().good, p.basis().decided() + late(p)));
    let ratio = || Estimate::ratio_of(&terms.collect::<Vec<_>>(), confidence).fraction();
    parts.iter().any(|p| late(p) > 0).then(ratio)
}

/// The figures of samples in ns, as seconds; one histogram per replication.
pub fn distribution(parts: &[&Histogram], confidence: f64) -> Distribution {
    let mut merged = Histogram::default();
    for part in parts {
        merged.merge(part);
    }
    let around = |statistic: &dyn Fn(&Histogram) -> Option<f64>| {
        let each: Vec<_> = parts.iter().map(|p| statistic(p).map(from_ns)).collect();
        Estimate::around(statistic(&merged).map(from_ns), &each, confidence)
    };
    let means: Vec<_> = parts.iter().map(|p| p.mean().map(from_ns)).collect();
    Distribution {
        count: merged.count(),
        mean: Estimate::mean_of(&means, confidence),
        sd: around(&Histogram::sd),
        p50: around(&|h| h.quantile(0.5)),
        p90: around(&|h| h.quantile(0.9)),
        p95: around(&|h| h.quantile(0.95)),
        p99: around(&|h| h.quantile(0.99)),
        p999: around(&|h| h.quantile(0.999)),
        max: around(&|h| h.max().map(|v| v as f64)),
    }
}

/// A client's series: rates over the time simulated, percentiles of merged samples.
pub fn client_series(parts: &[Requests]) -> ClientSeries {
    let mut windows: Vec<RequestsInWindow> = Vec::new();
    for part in parts {
        for (i, window) in part.windows.iter().enumerate() {
            match windows.get_mut(i) {
                Some(sum) => {
                    sum.merge(window);
                    sum.covered += window.covered;
                }
                None => windows.push(window.clone()),
            }
        }
    }
    let mut series = ClientSeries::default();
    let used: Vec<usize> = (0..OUTCOMES.len())
        .filter(|&o| o == 0 || windows.iter().any(|w| w.outcomes[o] > 0))
        .collect();
    for window in &windows {
        let rate = |count: u64| count as f64 / seconds(window.covered.max(1));
        series.offered.push(rate(window.issued));
        series.goodput.push(rate(window.good));
        let availability = window.judged().map(|(good, decided)| good as f64 / decided as f64);
        series.availability.push(availability);
        let attempts = (window.issued > 0).then(|| window.attempts as f64 / window.issued as f64);
        series.attempts_per_request.push(attempts);
        for &outcome in &used {
            let rates = series.outcomes.entry(OUTCOMES[outcome].to_owned()).or_default();
            rates.push(rate(window.outcomes[outcome]));
        }
        let quantile = |q| window.latency.quantile(q).map(from_ns);
        series.p50.push(quantile(0.5));
        series.p95.push(quantile(0.95));
        series.p99.push(quantile(0.99));
        series.p999.push(quantile(0.999));
    }
    what_happened(&mut series, &windows);
    series.in_flight = in_flight(parts);
    for part in parts {
        let open = part.undecided();
        series.undecided.resize(open.len().max(series.undecided.len()), false);
        series.undecided.iter_mut().zip(open).for_each(|(any, open)| *any |= open);
    }
    if !series.undecided.contains(&true) {
        series.undecided.clear();
    }
    series
}

/// Requests issued and not decided at the end of each window, mean over the replications that got there.
fn in_flight(parts: &[Requests]) -> Vec<f64> {
    let mut sums: Vec<(f64, f64)> = Vec::new();
    for part in parts {
        for (i, (_, _, open)) in part.in_flight(0).into_iter().enumerate() {
            if sums.len() <= i {
                sums.resize(i + 1, (0.0, 0.0));
            }
            sums[i] = (sums[i].0 + open, sums[i].1 + 1.0);
        }
    }
    sums.into_iter().map(|(open, n)| open / n.max(1.0)).collect()
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
    for (outcome, name) in OUTCOMES.iter().enumerate().skip(1) {
        let rates = some(&|h| h.ended[outcome]);
        if !rates.is_empty() {
            series.ended.insert((*name).to_owned(), rates);
        }
    }
    series.resent = some(&|h| h.resent);
    series.timed_out = some(&|h| h.timed_out);
    series.breakers_opened = some(&|h| h.breakers_opened);
}

impl RequestCounts {
    /// Each count with its name, in the order of `results.json`.
    pub fn by_name(&self) -> [(&'static str, u64); 11] {
        [
            ("issued", self.issued),
            ("ok", self.ok),
            ("degraded", self.degraded),
            ("timeout", self.timeout),
            ("error", self.error),
            ("rejected", self.rejected),
            ("shed", self.shed),
            ("rate_limited", self.rate_limited),
            ("breaker_open", self.breaker_open),
            ("unavailable", self.unavailable),
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

impl Distribution {
    /// Each statistic with its name, in the order of `results.json`.
    pub fn by_name(&self) -> [(&'static str, &Estimate); 8] {
        [
            ("mean", &self.mean),
            ("sd", &self.sd),
            ("p50", &self.p50),
            ("p90", &self.p90),
            ("p95", &self.p95),
            ("p99", &self.p99),
            ("p999", &self.p999),
            ("max", &self.max),
        ]
    }
}

impl Estimate {
    /// The mean over replications; those that observed nothing are left out.
    pub fn mean_of(each: &[Option<f64>], confidence: f64) -> Self {
        let values: Vec<f64> = each.iter().flatten().copied().collect();
        Self::around(stats::mean(&values), each, confidence)
    }

    /// A point value with the interval of the replications' own values around it. A value that is
    /// not finite leaves no interval.
    pub fn around(value: Option<f64>, each: &[Option<f64>], confidence: f64) -> Self {
        let values: Vec<f64> = each.iter().flatten().copied().collect();
        let interval = value
            .filter(|v| v.is_finite() && values.iter().all(|v| v.is_finite()))
            .and_then(|centre| stats::interval_around(centre, &values, confidence));
        Self {
            value: value.filter(|v| v.is_finite()),
            lower: interval.map(|(lower, _)| lower),
            upper: interval.map(|(_, upper)| upper),
            n: values.len() as u64,
        }
    }

    /// An interval cut to what a fraction can be.
    #[must_use]
    pub fn fraction(self) -> Self {
        let cut = |end: Option<f64>| end.map(|v| v.clamp(0.0, 1.0));
        Self { lower: cut(self.lower), upper: cut(self.upper), ..self }
    }

    /// The ratio of the totals of `(top, bottom)`; one entry per replication.
    pub fn ratio_of(terms: &[(u64, u64)], confidence: f64) -> Self {
        let ratio = |(top, bottom): (u64, u64)| (bottom > 0).then(|| top as f64 / bottom as f64);
        let sum = terms.iter().fold((0, 0), |sum, term| (sum.0 + term.0, sum.1 + term.1));
        let each: Vec<_> = terms.iter().map(|&term| ratio(term)).collect();
        Self::around(ratio(sum), &each, confidence)
    }
}

/// Nanoseconds as seconds.
pub fn seconds(ns: u64) -> f64 {
    from_ns(ns as f64)
}

fn from_ns(ns: f64) -> f64 {
    ns / 1e9
}

fn add_tally(mine: &mut [u64; 9], theirs: &[u64; 9]) {
    for (a, b) in mine.iter_mut().zip(theirs) {
        *a += b;
    }
}
