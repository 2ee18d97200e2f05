//! A figure of an expression, gathered while replications come in.
//!
//! **Invariant.** What is in flight at the end is left out and, beside it, counted bad: whether that turns a verdict
//! is known when all is in.

mod read;
mod times;
mod windows;

use read::{alert, at, back_after, cost_unseen, json, metastable, node_value, of_data, recovery};
use times::Times;
use windows::{node_windows, request_windows};

use super::{
    objective::{Figure, Sample, Series, Stat},
    shape::cost,
};
use crate::{
    results::{
        Estimate, Evidence, RequestPool, Requests, RequestsInWindow, Results, Samples, Selection,
    },
    stats::{Outline, mean, quantile_values, ratio_values},
};

/// A figure: its point value (infinite when it falls on a request that never succeeded) and that
/// of each replication.
pub(super) struct Reading {
    pub(super) value: Option<f64>,
    pub(super) each: Vec<Option<f64>>,
    /// Of a quantile, and of a share of requests: what is known of it, which those of each replication do not tell.
    pub(super) estimate: Option<Estimate>,
}

/// What becomes of requests that are in flight at the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum InFlight {
    LeftOut,
    /// They are bad: those that wait for what was lost, and those that are late.
    Bad,
}

/// What is in flight is left out; it is bad as far as it is late; it is all bad, for more and more of it is there.
const CASES: [Option<bool>; 3] = [None, Some(false), Some(true)];

/// One figure in many replications.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    figure: Figure,
    /// Beyond which a time, ns, is bad: younger requests in flight are not.
    late: Option<u64>,
    /// What the figure is compared with.
    limit: Option<f64>,
    /// The requests it is of.
    requests: RequestPool,
    /// By case; figures that are not of requests know only the first.
    each: [Vec<Option<f64>>; CASES.len()],
    times: [Times; CASES.len()],
    /// Of a quantile, the same times.
    samples: [Samples; CASES.len()],
    /// Of a share: what it is of, in each replication.
    shares: [Vec<Option<(f64, f64)>>; CASES.len()],
    /// What pairs with another design need beside these, if it is to be compared.
    pairs: Option<[Pairs; CASES.len()]>,
}

/// Times of each replication, as far as differences to another design's need them.
#[derive(Clone, Debug, Default)]
struct Pairs {
    outlines: Vec<Outline>,
    /// Requests beyond any limit, and all.
    beyond: Vec<(f64, f64)>,
    means: Vec<Option<f64>>,
}

/// A figure as it is compared with another design's.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// Its value; infinite where it falls on a request beyond any limit; none: nothing was observed.
    pub value: Option<f64>,
    /// One for each replication, none where that observed nothing: their mean is the figure, their spread its spread.
    pub each: Vec<Option<f64>>,
    /// The same of the share of requests that were never answered; nothing of what is not a time of requests.
    pub never: Vec<Option<f64>>,
    /// What tells replications apart where buckets of times do not: their means.
    pub fine: Vec<Option<f64>>,
    /// With its interval; none where there is none.
    pub estimate: Estimate,
}

impl Gathered {
    /// Nothing yet.
    pub(super) fn new(figure: &Figure, late: Option<u64>, limit: Option<f64>) -> Self {
        // It is a fraction's own limit that a request can still keep.
        let late = if let Figure::Fraction(.., at) = figure { Some(*at) } else { late };
        Self {
            figure: figure.clone(),
            late,
            limit,
            requests: RequestPool::default(),
            each: Default::default(),
            times: Default::default(),
            samples: Default::default(),
            shares: Default::default(),
            pairs: None,
        }
    }

    /// Nothing yet, to be compared with another design's.
    pub(super) fn paired(figure: &Figure) -> Self {
        Self { pairs: Some(Default::default()), ..Self::new(figure, None, None) }
    }

    /// Nothing yet, to be held against another design's: what was watched and not seen is beyond any limit.
    pub(super) fn held(figure: &Figure) -> Self {
        Self { limit: Some(0.0), ..Self::paired(figure) }
    }

    /// The requests it is of, if it is of requests.
    pub(super) fn requests(&self) -> Option<&RequestPool> {
        self.figure.is_of_requests().then_some(&self.requests)
    }

    /// Takes in the next replication.
    pub(super) fn push(&mut self, one: &dyn Evidence) {
        match self.figure.clone() {
            Figure::Requests(selection, path) => {
                let requests = self.selected(&selection, one);
                let alone = RequestPool::of(&requests);
                // Whether more and more are in flight, the block itself knows.
                let bad = of_block(&alone, &path, true);
                let [left_out, late, all] = &mut self.each;
                left_out.push(of_block(&alone, &path, false));
                late.push(bad);
                all.push(bad);
            }
            Figure::Sample(selection, sample, stat) => {
                let requests = self.selected(&selection, one);
                self.push_times(&requests, &sample, |times| times.statistic(stat));
            }
            Figure::Fraction(selection, sample, op, at) => {
                let requests = self.selected(&selection, one);
                self.push_times(&requests, &sample, |times| times.fraction(op, at));
            }
            Figure::Windows(Series::Requests(selection, field), stat, window) => {
                let requests = self.selected(&selection, one);
                for (each, case) in self.each.iter_mut().zip(CASES) {
                    let late =
                        |w: &RequestsInWindow| case.map(|growing| requests.late_in(w, growing));
                    let values = request_windows(&requests, field, (one.warm_up(), window), &late);
                    each.push(over(values, stat));
                }
            }
            Figure::Windows(Series::Node(node, field), stat, window) => {
                self.each[0].push(over(node_windows(one.results(), &node, field, window), stat));
            }
            _ => {
                self.each[0].push(self.of_results(one.results()));
                self.shares[0].push(self.stale_of_reads(one.results()));
            }
        }
    }

    fn selected(&mut self, selection: &Selection, one: &dyn Evidence) -> Requests {
        let requests = one.requests(selection);
        self.requests.push(&requests);
        requests
    }

    fn push_times(
        &mut self,
        requests: &Requests,
        sample: &Sample,
        figure: impl Fn(&Times) -> Option<f64>,
    ) {
        for (i, case) in CASES.into_iter().enumerate() {
            // A message that is not done for longer than the limit is beyond it, whatever becomes of it.
            let certain = self.figure.is_of_messages();
            let case = case.or(certain.then_some(false));
            let late = case.map_or(0, |growing| requests.basis().late(self.late, growing));
            let times = Times::new(requests, sample, late);
            self.each[i].push(figure(&times));
            if matches!(self.figure, Figure::Sample(.., Stat::Quantile(_))) {
                self.samples[i].push_with_endless(&times.measured, times.beyond);
            }
            if let Figure::Fraction(.., op, at) = self.figure {
                let all = (times.measured.count() + times.beyond) as f64;
                self.shares[i].push(times.fraction(op, at).map(|share| (share * all, all)));
            }
            if let Some(pairs) = &mut self.pairs {
                pairs[i].push(&times);
            }
            self.times[i].merge(&times);
        }
    }

    /// What it is, all replications together.
    pub(super) fn reading(&self, results: &Results, open: InFlight) -> Reading {
        let confidence = results.confidence;
        let case = self.case(open);
        let each = &self.each[case];
        let average = || mean(&each.iter().flatten().copied().collect::<Vec<_>>());
        let value = match &self.figure {
            Figure::Requests(_, path) => of_block(&self.requests, path, open == InFlight::Bad),
            Figure::Sample(.., Stat::Mean) | Figure::Windows(..) => average(),
            Figure::Sample(.., stat) => self.times[case].statistic(*stat),
            Figure::Fraction(.., op, at) => self.times[case].fraction(*op, *at),
            _ => self.of_results(results),
        };
        let estimate = match &self.figure {
            Figure::Sample(.., Stat::Quantile(q)) => {
                Some(self.samples[case].quantile(*q, confidence))
            }
            _ => self.parts(case).map(|parts| {
                Estimate::share_of(&parts.into_iter().flatten().collect::<Vec<_>>(), confidence)
            }),
        };
        Reading { value, each: each.clone(), estimate }
    }

    /// Of each replication what its figure is the ratio of: `(value, 1)` where it is of no totals.
    pub(super) fn terms(&self, results: &Results, open: InFlight) -> Vec<Option<(f64, f64)>> {
        self.parts(self.case(open)).unwrap_or_else(|| {
            let each = self.reading(results, open).each.into_iter();
            each.map(|value| value.map(|value| (value, 1.0))).collect()
        })
    }

    /// Of the share of stale reads: they, and all reads.
    fn stale_of_reads(&self, results: &Results) -> Option<(f64, f64)> {
        let of = match &self.figure {
            Figure::Consistency(_) => results.consistency.as_ref(),
            Figure::Node(node, _) => results.nodes.get(node)?.consistency.as_deref(),
            _ => None,
        };
        let of = of.filter(|_| self.figure.is_share_of_reads())?;
        let reads = of.staleness_age.count;
        (reads > 0).then_some((of.stale_reads.value?, reads as f64))
    }

    /// Of a share of requests or reads: in each replication those that are meant, and all.
    fn parts(&self, case: usize) -> Option<Vec<Option<(f64, f64)>>> {
        match &self.figure {
            Figure::Fraction(..) => Some(self.shares[case].clone()),
            figure if figure.is_share_of_reads() => Some(self.shares[0].clone()),
            Figure::Requests(_, path) if path.len() == 1 && path[0] == "availability" => {
                let terms = self.requests.good_of_decided(case > 0).into_iter();
                Some(terms.map(|(a, b)| (b > 0).then_some((a as f64, b as f64))).collect())
            }
            _ => None,
        }
    }

    /// It, as it is compared with another design's.
    pub(super) fn sampled(&self, results: &Results, open: InFlight) -> Sampled {
        let Reading { value, estimate, .. } = self.reading(results, open);
        let pairs = self.pairs.as_ref().map(|pairs| &pairs[self.case(open)]);
        let (value, each) = match (&self.figure, pairs) {
            (Figure::Sample(.., Stat::Quantile(q)), Some(pairs)) => {
                let merged = self.samples[self.case(open)].merged();
                let values = quantile_values(merged, *q, &pairs.outlines).unwrap_or_default();
                (value, values.into_iter().map(|ns| Some(ns / 1e9)).collect())
            }
            _ => match self.terms(results, open) {
                // The mean of what is once beyond any limit is so too.
                terms if terms.iter().flatten().any(|(top, _)| top.is_infinite()) => {
                    let each = terms.into_iter().map(|term| term.map(|(top, of)| top / of));
                    (Some(f64::INFINITY), each.collect())
                }
                terms => (value, shares(&terms)),
            },
        };
        let beyond = pairs.map_or(&[][..], |pairs| &pairs.beyond);
        let beyond: Vec<_> = beyond.iter().map(|&terms| Some(terms)).collect();
        let estimate =
            estimate.unwrap_or_else(|| Estimate::around(value, &each, results.confidence));
        let fine = pairs.map(|pairs| pairs.means.clone()).unwrap_or_default();
        Sampled { value, each, never: shares(&beyond), fine, estimate }
    }

    fn case(&self, open: InFlight) -> usize {
        match open {
            _ if !self.figure.is_of_requests() => 0,
            InFlight::LeftOut => 0,
            InFlight::Bad => 1 + usize::from(self.requests.is_growing()),
        }
    }

    /// It is counted over all replications, and not of one.
    pub(super) const fn is_total(&self) -> bool {
        matches!(self.figure, Figure::Requests(..))
    }

    /// Of how many decided requests so many got as far as the figure asks, in the same unit.
    pub(super) fn answered(&self) -> Option<(u64, u64)> {
        let mark = match &self.figure {
            Figure::Sample(_, Sample::Mark(mark), _) => Some(mark.as_str()),
            _ => None,
        };
        Some(self.requests()?.answered(mark))
    }

    /// The share that is beyond any limit, what is in flight and certain to be included.
    pub(super) fn beyond(&self) -> f64 {
        let Times { measured, beyond } = &self.times[0];
        *beyond as f64 / (measured.count() + beyond).max(1) as f64
    }

    /// A figure of the results, whatever they are of.
    fn of_results(&self, results: &Results) -> Option<f64> {
        match &self.figure {
            Figure::Node(node, path) => node_value(results, node, path),
            Figure::Link(link, path) => at(&json(results.links.get(link)?), path),
            Figure::Cost(path) => at(&cost(results), path),
            Figure::Consistency(path) => of_data(results.consistency.as_ref(), path)
                .or_else(|| self.of_no_end(results, path)),
            Figure::CostOf(fault, path) => {
                let fault = results.faults.iter().find(|f| f.id == *fault)?;
                at(&json(fault), path).or_else(|| cost_unseen(fault, path, self.limit))
            }
            Figure::FromSide(cut, side, field) => {
                let cut = results.faults.iter().find(|f| f.id == *cut)?;
                let side = cut.sides.iter().find(|other| other.side == *side)?;
                at(&json(side), &[(*field).to_owned()])
            }
            Figure::Uptime(path) => at(&json(&results.summary.uptime), path),
            Figure::Metastable(fault) => metastable(results, fault),
            Figure::Alert(id, field) => alert(results, id, *field),
            Figure::Recovery(fault) => recovery(results, fault, self.limit),
            Figure::Back(fault, client) => {
                back_after(results, fault, client.as_deref(), self.limit)
            }
            Figure::Requests(..)
            | Figure::Sample(..)
            | Figure::Fraction(..)
            | Figure::Windows(..) => None,
        }
    }
}

impl Gathered {
    /// Of a time that was not over by the end: infinite, if one fault was watched for longer than the limit.
    fn of_no_end(&self, results: &Results, path: &[String]) -> Option<f64> {
        results.faults.iter().find_map(|fault| cost_unseen(fault, path, self.limit))
    }
}

impl Sampled {
    /// The ratio of totals.
    pub(super) fn of_terms(terms: &[Option<(f64, f64)>], confidence: f64) -> Self {
        let each = shares(terms);
        let value = mean(&each.iter().flatten().copied().collect::<Vec<_>>());
        let estimate = Estimate::around(value, &each, confidence);
        Self { value, each, never: Vec::new(), fine: Vec::new(), estimate }
    }
}

impl Pairs {
    fn push(&mut self, times: &Times) {
        let mut all = times.measured.clone();
        all.record_n(u64::MAX, times.beyond);
        self.outlines.push(Outline::from(&all));
        self.beyond.push((times.beyond as f64, all.count() as f64));
        self.means.push(times.measured.mean());
    }
}

/// Values whose mean is the ratio of the totals, none where nothing was observed.
fn shares(terms: &[Option<(f64, f64)>]) -> Vec<Option<f64>> {
    let observed = |term: &Option<(f64, f64)>| term.filter(|(_, bottom)| *bottom > 0.0);
    let pairs: Vec<_> = terms.iter().filter_map(observed).collect();
    let mut values = ratio_values(&pairs).unwrap_or_default().into_iter();
    terms.iter().map(|term| observed(term).and_then(|_| values.next())).collect()
}

/// A figure of a block of requests; availability with what is in flight counted bad if asked.
fn of_block(requests: &RequestPool, path: &[String], bad: bool) -> Option<f64> {
    let figures = requests.figures(0.95);
    let availability = path.len() == 1 && path[0] == "availability";
    match figures.availability_at_least.filter(|_| availability && bad) {
        Some(least) => least.value,
        None => at(&json(&figures), path),
    }
}

/// A statistic over the windows of a replication.
fn over(values: Vec<f64>, stat: Stat) -> Option<f64> {
    match stat {
        Stat::Min => values.into_iter().reduce(f64::min),
        Stat::Max => values.into_iter().reduce(f64::max),
        Stat::Mean | Stat::Quantile(_) => mean(&values),
        Stat::Share(op, limit) => {
            let met: Vec<f64> =
                values.into_iter().map(|v| f64::from(u8::from(op.holds(v, limit)))).collect();
            mean(&met)
        }
    }
}
