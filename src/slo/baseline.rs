//! An objective whose limit is what another design measures in the same replications.
//!
//! The two are held against each other replication by replication: the ratio of the totals for a relative distance, the
//! mean of the differences for an absolute one. What a baseline leaves behind is the same whether it is simulated
//! beside the design or was written down: a few values per replication, at each look.
//!
//! **Invariant.** No figure of survivors: where one of the two falls on what was never answered, that is what is judged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    gather::Sampled,
    metric::{Gathering, Metric},
    objective::{Baseline, Distance, Figure, Sample, Slo, Stat},
    parse::Op,
    shown::{Held, Known, Shown, hardly_came},
};
use crate::{
    results::{Evidence, Results},
    stats::{Bounds, Method, differences, mean},
    units::show::{Quantity, plural, value},
};

/// A figure in the first replications of a design, as far as another's is held against it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerSeed {
    /// None where nothing was observed, or where it is beyond any limit.
    value: Option<f64>,
    /// It falls on requests that were never answered, or on what was not seen to the end.
    endless: bool,
    /// One for each replication: their mean is the figure, their spread its spread.
    each: Vec<Option<f64>>,
    /// The same of the share that was never answered; empty of what is no time of requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    never: Vec<Option<f64>>,
    /// What tells replications apart where buckets of times do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fine: Vec<Option<f64>>,
}

impl From<Sampled> for PerSeed {
    fn from(of: Sampled) -> Self {
        let finite = |values: Vec<Option<f64>>| {
            values.into_iter().map(|v| v.filter(|v| v.is_finite())).collect()
        };
        Self {
            value: of.value.filter(|v| v.is_finite()),
            endless: of.value.is_some_and(f64::is_infinite),
            each: finite(of.each),
            never: finite(of.never),
            fine: finite(of.fine),
        }
    }
}

impl PerSeed {
    fn is_observed(&self) -> bool {
        self.endless || self.value.is_some()
    }
}

fn average(each: &[Option<f64>]) -> Option<f64> {
    mean(&each.iter().flatten().copied().collect::<Vec<_>>())
}

/// A figure with what is in flight at the end left out, and counted bad as far as it is late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InBoth {
    left_out: PerSeed,
    /// Where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    late: Option<PerSeed>,
}

impl InBoth {
    fn of(figure: &Gathering, results: &Results) -> Self {
        let [left_out, late] = [false, true].map(|bad| PerSeed::from(figure.sampled(results, bad)));
        let late = (late != left_out).then_some(late);
        Self { left_out, late }
    }

    fn each(&self) -> [&PerSeed; 2] {
        [&self.left_out, self.late.as_ref().unwrap_or(&self.left_out)]
    }

    /// As `run` gives it.
    pub(super) fn value(&self) -> Option<f64> {
        self.left_out.value
    }
}

/// What is known of a baseline after so many replications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineLook {
    /// The first so many.
    pub replications: usize,
    /// Of a fault that comes by chance and struck too seldom, what is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hardly_came: Option<String>,
    pub(super) figures: BTreeMap<String, InBoth>,
}

impl BaselineLook {
    /// The figures it has.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.figures.keys().map(String::as_str)
    }
}

/// The figures of a baseline, while its replications come in.
#[derive(Clone, Debug)]
pub struct BaselineFigures {
    figures: BTreeMap<String, Gathering>,
    random: Vec<String>,
}

impl BaselineFigures {
    /// Of no replication yet; the design has these faults that come by chance.
    #[must_use]
    pub fn new<'m>(metrics: impl IntoIterator<Item = &'m Metric>, random: Vec<String>) -> Self {
        let held = |metric: &Metric| {
            let [figure, of] = metric.figures();
            let figure = figure.expect("a metric is of something");
            (metric.text().to_owned(), Gathering::held(figure, of))
        };
        Self { figures: metrics.into_iter().map(held).collect(), random }
    }

    /// Takes in the next replication.
    pub fn push(&mut self, one: &dyn Evidence) {
        self.figures.values_mut().for_each(|figure| figure.push(one));
    }

    /// What is known now, the results of all replications being these.
    #[must_use]
    pub fn look(&self, results: &Results) -> BaselineLook {
        let figures = self.figures.iter();
        BaselineLook {
            replications: results.seeds.len(),
            hardly_came: hardly_came(&self.random, results),
            figures: figures.map(|(name, of)| (name.clone(), InBoth::of(of, results))).collect(),
        }
    }
}

/// What the same replications of a design and of its baseline show of an objective.
pub(super) fn shown(slo: &Slo, own: &Gathering, base: &InBoth, results: &Results) -> Shown {
    let Some(baseline) = &slo.baseline else { return Shown::nothing("it has no baseline") };
    let own = InBoth::of(own, results);
    let [left_out, late] = [0, 1].map(|i| one_way(slo, baseline, own.each()[i], base.each()[i]));
    let counted = |why| format!("with what is in flight at the end, {why}");
    match (&left_out.known, late.known) {
        (Known::Held(_), Known::Nothing(why)) => Shown::nothing(counted(why)),
        (Known::Held(_), Known::Unlike(why)) => {
            left_out.and(Shown { known: Known::Unlike(counted(why)), ..late })
        }
        (_, known) => left_out.and(Shown { known, ..late }),
    }
}

fn one_way(slo: &Slo, baseline: &Baseline, own: &PerSeed, base: &PerSeed) -> Shown {
    if !own.is_observed() {
        return Shown::nothing("nothing was observed");
    }
    if !base.is_observed() {
        return Shown::nothing("nothing was observed in the baseline");
    }
    let same = own == base;
    if own.endless || base.endless {
        return endless(slo, baseline, same, (own, base));
    }
    let alone = own.each.iter().zip(&base.each).filter(|(a, b)| a.is_some() != b.is_some());
    let alone = alone.count() as u64;
    if alone > 0 {
        let runs = plural(own.each.len() as u64, "run");
        return Shown::nothing(format!(
            "in {alone} of {runs} it was observed in one of the two designs only"
        ));
    }
    let both = own.each.iter().zip(&base.each).filter_map(|(a, b)| a.zip(*b));
    let (own, base): (Vec<f64>, Vec<f64>) = both.unzip();
    let apart = || Bounds::of_mean(&differences(&base, &own));
    let (is_ratio, limit, bounds) = match baseline.distance {
        Distance::Times(times) if base.iter().sum::<f64>() > 0.0 => {
            let pairs: Vec<(f64, f64)> = own.into_iter().zip(base).collect();
            (true, times, Bounds::of_ratio(&pairs))
        }
        // A part of nothing is nothing.
        Distance::Times(_) => (false, 0.0, apart()),
        Distance::Absolute(distance) => (false, distance, apart()),
    };
    let Some(bounds) = bounds else { return Shown::nothing("one run shows no spread") };
    let [pass, fail] = match (bounds.method(), slo.op) {
        (Method::Identical, op) => certain(op.holds(bounds.value(), limit)),
        (_, Op::AtLeast | Op::Above) => [bounds.error_at_least(limit), bounds.error_at_most(limit)],
        _ => [bounds.error_at_most(limit), bounds.error_at_least(limit)],
    };
    Shown { pass, fail, known: Known::Held(Held { bounds, is_ratio, limit, same }) }
}

fn certain(met: bool) -> [f64; 2] {
    if met { [0.0, 1.0] } else { [1.0, 0.0] }
}

/// One of the two is beyond any limit, or both are.
fn endless(slo: &Slo, baseline: &Baseline, same: bool, (own, base): (&PerSeed, &PerSeed)) -> Shown {
    let never = |one: &PerSeed| average(&one.never).map(|share| value(Quantity::Share, share));
    let told = match (never(own), never(base)) {
        (Some(own), Some(base)) => format!("{own} never answered, {base} in the baseline"),
        _ if own.endless && base.endless => "not seen to the end in either design".to_owned(),
        _ if own.endless => "not seen to the end".to_owned(),
        _ => "not seen to the end in the baseline".to_owned(),
    };
    if own.endless && base.endless && !same {
        let neither = "neither has a figure to compare";
        return Shown::nothing(match slo.figure {
            Figure::Sample(_, Sample::Latency, Stat::Mean) => {
                format!("{told}: {neither}; a quantile has, or `mean(latency outcome=ok)`")
            }
            _ => format!("{told}: {neither}"),
        });
    }
    let [pass, fail] = if same {
        certain(match baseline.distance {
            Distance::Times(times) => slo.op.holds(1.0, times),
            Distance::Absolute(distance) => slo.op.holds(0.0, distance),
        })
    } else {
        // It is beyond any limit if more than this share was never answered.
        let share = match slo.figure {
            Figure::Sample(_, _, Stat::Quantile(q)) => 1.0 - q,
            _ => 0.0,
        };
        let error = |one: &PerSeed, of: fn(&Bounds, f64) -> f64| {
            let never: Vec<f64> = one.never.iter().flatten().copied().collect();
            // What was not seen to the end in one replication has no mean: that is certain.
            let unknown = if one.never.is_empty() { 0.0 } else { 1.0 };
            Bounds::of_mean(&never).map_or(unknown, |bounds| of(&bounds, share))
        };
        let (more, less) = if own.endless { (own, base) } else { (base, own) };
        let error = error(more, Bounds::error_at_least).max(error(less, Bounds::error_at_most));
        let upwards = matches!(slo.op, Op::AtLeast | Op::Above);
        if own.endless == upwards { [error, 1.0] } else { [1.0, error] }
    };
    Shown { pass, fail, known: Known::Unlike(told) }
}
