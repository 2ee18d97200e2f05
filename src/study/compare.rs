//! Designs compared: the same replications of each, and what differs, replication by replication.
//!
//! **Invariant.** A difference is shown only with an error that allows for all the differences looked at, and only if
//! it is there whether what is in flight at the end is left out or counted bad.

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use super::{Breach, Precision, Replication, Run, Study};
use crate::{
    problem::Problem,
    results::{
        ComparedDesign, ComparedFigure, ComparedMetric, Comparison, Difference, Estimate,
        Judgement, NodeResults, Results, SEMANTICS_VERSION, Shown,
    },
    slo::{Gathering, Metric, Sampled, Slo, faults_asked},
    stats::{Bounds, Paired, differences, holm, identical, mean, paired},
    units::show::{Quantity, count, duration, plural, value},
};

/// What designs are compared by if nothing else is asked for; money where something has a price.
const FIGURES: [&str; 6] = [
    "mean(latency)",
    "p50(latency)",
    "p99(latency)",
    "availability",
    "goodput",
    "attempts_per_request",
];

/// And where a store is written.
const DATA: [&str; 2] = ["stale_read_fraction", "lost_acked_writes"];

/// A difference up to which two designs are taken for the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Margin {
    /// Of the base's figure; of a share, of the smaller of it and what is missing to all.
    Relative(f64),
    /// In the figure's unit.
    Absolute(f64),
}

impl Margin {
    /// Unless another is asked for: a hundredth.
    pub const USUAL: Self = Self::Relative(0.01);

    fn around(self, base: f64, quantity: Quantity) -> f64 {
        match self {
            Self::Absolute(margin) => margin,
            Self::Relative(part) if quantity == Quantity::Share => {
                part * base.abs().min((1.0 - base).abs())
            }
            Self::Relative(part) => part * base.abs(),
        }
    }
}

/// A design that was run to be compared.
#[derive(Debug)]
pub struct Compared {
    /// Its results; without any seed where it was stopped before a replication finished.
    pub results: Results,
    gathered: Vec<Option<Gathering>>,
}

impl Study {
    /// A figure of this design.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn metric(&self, text: &str) -> Result<Metric, Problem> {
        Metric::parse(text, &self.names)
    }

    /// What it is compared by if nothing else is asked for.
    #[must_use]
    pub fn usual_metrics(&self) -> Vec<Metric> {
        let money = self.names.priced.then_some("cost.per_month");
        let followed = !self.names.followed.is_empty();
        let data = DATA.into_iter().filter(|_| followed);
        let texts = FIGURES.into_iter().chain(data).chain(money);
        texts.filter_map(|text| self.metric(text).ok()).collect()
    }

    /// Runs so many replications and gathers these figures; those it does not have are left out.
    ///
    /// # Errors
    ///
    /// A replication broke an invariant of the program.
    pub fn gather(
        &self,
        metrics: &[Metric],
        replications: usize,
        stop: &AtomicBool,
    ) -> Result<Compared, Breach> {
        self.gathered(metrics, |study, look| study.run_watched(replications, stop, look))
    }

    /// The same of as many replications as it takes.
    ///
    /// # Errors
    ///
    /// A replication broke an invariant of the program.
    pub fn gather_to(
        &self,
        metrics: &[Metric],
        precision: Precision,
        stop: &AtomicBool,
    ) -> Result<Compared, Breach> {
        self.gathered(metrics, |study, look| study.run_to_watched(precision, stop, look))
    }

    fn gathered(
        &self,
        metrics: &[Metric],
        run: impl FnOnce(&Self, &mut (dyn FnMut(&Replication<'_>) + Send)) -> Result<Run, Breach>,
    ) -> Result<Compared, Breach> {
        let own: Vec<Option<Metric>> =
            metrics.iter().map(|metric| self.metric(metric.text()).ok()).collect();
        let mut gathered: Vec<_> =
            own.iter().map(|metric| metric.as_ref().map(Gathering::new)).collect();
        // What happened around a fault is measured only if somebody asks.
        let mut study = self.clone();
        let slos: Vec<Slo> = self.slos.iter().chain(&self.expect).cloned().collect();
        study.prepared.watch(faults_asked(&slos, &own.into_iter().flatten().collect::<Vec<_>>()));
        let run = run(&study, &mut |one| {
            gathered.iter_mut().flatten().for_each(|figure| figure.push(one));
        })?;
        Ok(Compared { results: run.results, gathered })
    }
}

/// Compares designs with the first one. `named` are their names and files; a margin is of the metric in its place.
#[must_use]
pub fn compare(
    designs: &[Compared],
    named: &[(String, String)],
    metrics: &[(Metric, Margin)],
) -> Comparison {
    let Some(base) = designs.first().map(|base| &base.results) else {
        return Comparison::default();
    };
    let error = 1.0 - base.confidence;
    let figures: Vec<Vec<Figure>> = designs.iter().map(Compared::figures).collect();
    let name = |i: usize| named[i].0.clone();
    let cells: Vec<(usize, usize)> = (0..metrics.len())
        .flat_map(|metric| (1..designs.len()).map(move |design| (metric, design)))
        .collect();
    let related: Vec<Related> = cells
        .iter()
        .map(|&(metric, design)| {
            Related::of(&metrics[metric], &figures[0][metric], &figures[design][metric], error)
        })
        .collect();
    let verdicts = verdicts(&related, error);
    let told = cells.iter().zip(related.iter().zip(verdicts));
    let differences = told.map(|(&(metric, design), (related, verdict))| Difference {
        metric: metrics[metric].0.text().to_owned(),
        base: name(0),
        design: name(design),
        difference: related.difference,
        ratio: related.ratio,
        correlation: related.pairs.and_then(|pairs| pairs.correlation),
        gain: related.pairs.and_then(|pairs| pairs.gain),
        margin: related.margin,
        better: better(&metrics[metric].0),
        verdict,
        reason: related.reason(verdict, error, open(&designs[0]) + open(&designs[design])),
    });
    let beaten = |i: usize| {
        (0..designs.len()).any(|j| j != i && beats(metrics, (&figures[i], &figures[j]), error))
    };
    let status = designs.iter().map(|design| design.results.status).max().unwrap_or_default();
    Comparison {
        windtunnel_version: base.windtunnel_version.clone(),
        semantics_version: SEMANTICS_VERSION,
        scenario: base.scenario.clone(),
        seeds: base.seeds.clone(),
        confidence: base.confidence,
        status,
        warnings: warnings(designs, named),
        metrics: metrics.iter().map(|(metric, _)| described(metric)).collect(),
        differences: differences.collect(),
        pareto: (0..designs.len()).filter(|&i| !beaten(i)).map(name).collect(),
        designs: designs
            .iter()
            .zip(named)
            .zip(&figures)
            .map(|((design, named), figures)| design.told(base, named, (metrics, figures)))
            .collect(),
    }
}

fn described(metric: &Metric) -> ComparedMetric {
    ComparedMetric {
        metric: metric.text().to_owned(),
        unit: metric.quantity().unit().to_owned(),
        better: better(metric),
    }
}

fn better(metric: &Metric) -> String {
    if metric.more_is_better() { "higher" } else { "lower" }.to_owned()
}

/// Requests in flight at the end of all its replications.
fn open(design: &Compared) -> u64 {
    design.results.summary.figures.requests.in_flight
}

/// A figure of a design: with what is in flight at the end bad as far as it is late, and left out. None where the
/// design has no such figure.
type Figure = Option<[Sampled; 2]>;

impl Compared {
    /// Its results, and each figure that was asked for.
    #[must_use]
    pub fn into_parts(self) -> (Results, Vec<Option<Gathering>>) {
        (self.results, self.gathered)
    }

    fn figures(&self) -> Vec<Figure> {
        let both = |figure: &Gathering| [true, false].map(|bad| figure.sampled(&self.results, bad));
        self.gathered.iter().map(|figure| figure.as_ref().map(both)).collect()
    }

    fn told(
        &self,
        base: &Results,
        (name, file): &(String, String),
        (metrics, figures): (&[(Metric, Margin)], &[Figure]),
    ) -> ComparedDesign {
        let results = &self.results;
        let each = metrics.iter().zip(figures);
        let figures: BTreeMap<String, ComparedFigure> = each
            .filter_map(|((metric, _), figure)| {
                let [figure, _] = figure.as_ref()?;
                let never = share(&figure.never);
                let known = figure.value.is_some_and(f64::is_finite);
                let estimate = if known { figure.estimate } else { Estimate::default() };
                Some((metric.text().to_owned(), ComparedFigure { estimate, never }))
            })
            .collect();
        let idle = |(name, node): &(&String, &NodeResults)| {
            let used = |results: &Results| {
                let node = results.nodes.get(*name)?;
                node.throughput.value.map(|rate| rate > 0.0)
            };
            node.throughput.value == Some(0.0) && used(base) == Some(true)
        };
        // What is held against a baseline, the difference tells.
        let own = || results.slos.iter().filter(|slo| !slo.is_of_baseline());
        let judged = |wanted: fn(Judgement) -> bool| {
            let all = own().filter(|slo| wanted(slo.verdict));
            all.map(|slo| (slo.expression.clone(), slo.reason.clone())).collect()
        };
        ComparedDesign {
            name: name.clone(),
            file: file.clone(),
            variant: results.variant.clone(),
            fingerprint: results.fingerprint.clone(),
            figures,
            objectives: own().count() as u64,
            not_met: judged(|verdict| !matches!(verdict, Judgement::Met | Judgement::Inconclusive)),
            inconclusive: judged(|verdict| verdict == Judgement::Inconclusive),
            idle: results.nodes.iter().filter(idle).map(|(name, _)| name.clone()).collect(),
            issued: results.summary.figures.requests.issued,
        }
    }
}

fn share(each: &[Option<f64>]) -> Option<f64> {
    mean(&each.iter().flatten().copied().collect::<Vec<_>>())
}

/// What the replications show of a figure of two designs.
struct Related {
    difference: Estimate,
    ratio: Estimate,
    pairs: Option<Paired>,
    margin: f64,
    known: Known,
}

enum Known {
    NotComparable(String),
    Identical,
    /// Errors of saying that it is better and that it is worse; whether it lies within the margin.
    Errors {
        better: f64,
        worse: f64,
        equivalent: bool,
        /// The errors with what is in flight counted bad, where leaving it out gives others.
        open_is_bad: Option<(f64, f64)>,
    },
}

impl Related {
    fn of((metric, margin): &(Metric, Margin), base: &Figure, other: &Figure, error: f64) -> Self {
        let mut related = Self {
            difference: Estimate::default(),
            ratio: Estimate::default(),
            pairs: None,
            margin: 0.0,
            known: Known::NotComparable("one of the two has no such figure".to_owned()),
        };
        let (Some(base), Some(other)) = (base, other) else { return related };
        let more = metric.more_is_better();
        let [bad, left_out] = [0, 1].map(|i| Pair::of(&base[i], &other[i]));
        let bad = match bad {
            Ok(pair) => pair,
            Err(why) => {
                related.known = Known::NotComparable(why);
                return related;
            }
        };
        if let Some(pairs) = paired(&bad.base, &bad.other, 1.0 - error).filter(|_| bad.whole) {
            related.margin = margin.around(base[0].value.unwrap_or_default(), metric.quantity());
            let n = pairs.n as u64;
            related.difference =
                estimate(Some(pairs.difference), Some(pairs.difference_interval), n);
            related.ratio = estimate(pairs.ratio, pairs.ratio_interval, n);
            related.pairs = Some(pairs);
        }
        if bad.identical {
            related.known = Known::Identical;
            return related;
        }
        let Some(errors) = bad.errors(more) else {
            related.known =
                Known::NotComparable("too little was observed to tell its spread".to_owned());
            return related;
        };
        let left_out = left_out.ok().and_then(|pair| pair.errors(more));
        related.known = Known::Errors {
            better: left_out.map_or(errors.0, |other| other.0.max(errors.0)),
            worse: left_out.map_or(errors.1, |other| other.1.max(errors.1)),
            equivalent: bad.whole && related.is_within_margin(&bad),
            open_is_bad: left_out.filter(|other| *other != errors).map(|_| errors),
        };
        related
    }

    /// Where too few replications differ at all for an interval, each of them is held against the margin.
    fn is_within_margin(&self, pair: &Pair) -> bool {
        match self.difference.lower.zip(self.difference.upper) {
            Some((lower, upper)) => lower >= -self.margin && upper <= self.margin,
            None => differences(&pair.base, &pair.other).iter().all(|d| d.abs() <= self.margin),
        }
    }

    /// The error of saying that it differs: in one direction, whichever it is.
    fn differs(&self) -> f64 {
        match &self.known {
            Known::Errors { better, worse, .. } => (2.0 * better.min(*worse)).min(1.0),
            _ => 1.0,
        }
    }

    fn reason(&self, verdict: Shown, error: f64, open: u64) -> Option<String> {
        match &self.known {
            Known::NotComparable(why) => Some(why.clone()),
            Known::Errors { open_is_bad: Some((better, worse)), .. }
                if verdict == Shown::NoneShown && 2.0 * better.min(*worse) <= error && open > 0 =>
            {
                let open = plural(open, "request");
                Some(format!("it depends on the {open} in flight at the end"))
            }
            _ => None,
        }
    }
}

/// The same replications of two designs.
struct Pair {
    base: Vec<f64>,
    other: Vec<f64>,
    /// Of how much more the other has.
    bounds: Option<Bounds>,
    identical: bool,
    /// They are of the figure itself, and not of the share that never got there.
    whole: bool,
}

impl Pair {
    fn of(base: &Sampled, other: &Sampled) -> Result<Self, String> {
        let endless = |one: &Sampled| one.value.map(f64::is_infinite);
        match (endless(base), endless(other)) {
            (None, _) | (_, None) => Err("nothing was observed in one of the two".to_owned()),
            (Some(false), Some(false)) => Ok(Self::new(base.each.iter(), &other.each, true))
                .map(|pair| Self { identical: pair.identical && base.fine == other.fine, ..pair }),
            (Some(true), Some(true)) => {
                let both = share(&base.never).zip(share(&other.never));
                Err(both.map_or("not seen to the end in either".to_owned(), |(a, b)| {
                    let shown = |v| value(Quantity::Share, v);
                    format!("{} and {} never answered", shown(a), shown(b))
                }))
            }
            _ if base.never.is_empty() => Err("not seen to the end in one of the two".to_owned()),
            _ => Ok(Self::new(base.never.iter(), &other.never, false)),
        }
    }

    fn new<'v>(
        base: impl Iterator<Item = &'v Option<f64>>,
        other: &[Option<f64>],
        whole: bool,
    ) -> Self {
        let both = base.zip(other).filter_map(|(a, b)| (*a).zip(*b));
        let (base, other): (Vec<f64>, Vec<f64>) = both.unzip();
        let bounds = Bounds::of_mean(&differences(&base, &other));
        let same = !base.is_empty() && identical(&base, &other);
        Self { base, other, bounds, identical: same, whole }
    }

    /// Errors of saying that the other is better, and worse.
    fn errors(&self, more_is_better: bool) -> Option<(f64, f64)> {
        let bounds = self.bounds.as_ref()?;
        let (more, less) = (bounds.error_at_least(0.0), bounds.error_at_most(0.0));
        // What is never answered is bad, whatever the figure.
        Some(if more_is_better && self.whole { (more, less) } else { (less, more) })
    }
}

/// With the ends that are known.
fn estimate(value: Option<f64>, interval: Option<(f64, f64)>, n: u64) -> Estimate {
    let (lower, upper) = interval.unzip();
    let known = |end: Option<f64>| end.filter(|end| end.is_finite());
    Estimate { value, lower: known(lower), upper: known(upper), n }
}

/// Verdicts on figures that are looked at together.
fn verdicts(related: &[Related], error: f64) -> Vec<Shown> {
    let claimed: Vec<usize> =
        (0..related.len()).filter(|&i| matches!(related[i].known, Known::Errors { .. })).collect();
    let errors: Vec<f64> = claimed.iter().map(|&i| related[i].differs()).collect();
    let adjusted: BTreeMap<usize, f64> = claimed.into_iter().zip(holm(&errors)).collect();
    let verdict = |(i, one): (usize, &Related)| match &one.known {
        Known::NotComparable(_) => Shown::NotComparable,
        Known::Identical => Shown::Identical,
        Known::Errors { equivalent: true, .. } => Shown::Equivalent,
        Known::Errors { better, worse, .. } => match adjusted.get(&i) {
            Some(shown) if *shown <= error && better < worse => Shown::Better,
            Some(shown) if *shown <= error => Shown::Worse,
            _ => Shown::NoneShown,
        },
    };
    related.iter().enumerate().map(verdict).collect()
}

/// Whether the second is better in something and as good in all the rest, as far as that is shown.
fn beats(metrics: &[(Metric, Margin)], (one, other): (&[Figure], &[Figure]), error: f64) -> bool {
    let each = metrics.iter().zip(one.iter().zip(other));
    // What is worse by more than the margin is not as good, whatever the replications show: most pairs end here.
    if each.clone().any(|(metric, (one, other))| is_worse(metric, one, other)) {
        return false;
    }
    let related: Vec<Related> =
        each.map(|(metric, (one, other))| Related::of(metric, one, other, error)).collect();
    let verdicts = verdicts(&related, error);
    let as_good = |v: &Shown| matches!(v, Shown::Better | Shown::Equivalent | Shown::Identical);
    let neither = |(v, i): (&Shown, usize)| {
        *v == Shown::NotComparable
            && one[i].as_ref().map(|f| f[0].value) == other[i].as_ref().map(|f| f[0].value)
    };
    verdicts.contains(&Shown::Better)
        && verdicts.iter().enumerate().all(|(i, v)| as_good(v) || neither((v, i)))
}

/// Whether the second is measured to be worse by more than the margin.
fn is_worse((metric, margin): &(Metric, Margin), one: &Figure, other: &Figure) -> bool {
    let value = |figure: &Figure| figure.as_ref().and_then(|[figure, _]| figure.value);
    let Some((one, other)) = value(one).zip(value(other)) else { return false };
    let worse = if metric.more_is_better() { one - other } else { other - one };
    one.is_finite() && worse > margin.around(one, metric.quantity())
}

/// Why designs might not be comparable.
fn warnings(designs: &[Compared], named: &[(String, String)]) -> Vec<String> {
    let base = &designs[0].results;
    let mut told = Vec::new();
    for (design, (name, _)) in designs.iter().zip(named).skip(1) {
        let other = &design.results;
        let mut differ = |what: &str, differs: bool| {
            if differs {
                told.push(format!("{name}: {what}"));
            }
        };
        differ(
            &format!("lasts {} instead of {}", duration(other.duration), duration(base.duration)),
            other.duration != base.duration,
        );
        differ(
            &format!(
                "is measured from {} on instead of {}",
                duration(other.warm_up),
                duration(base.warm_up)
            ),
            other.warm_up != base.warm_up,
        );
        let clients = |results: &Results| results.clients.keys().cloned().collect::<Vec<_>>();
        differ("has other clients", clients(other) != clients(base));
        let active = |results: &Results| {
            results.clients.values().map(|client| client.active).collect::<Vec<_>>()
        };
        differ("its clients are active at other times", active(other) != active(base));
        let seeds = count(other.seeds.len() as u64);
        differ(
            &format!("has {seeds} replications instead of {}", count(base.seeds.len() as u64)),
            other.seeds.len() != base.seeds.len(),
        );
    }
    told
}
