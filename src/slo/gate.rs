//! Verdicts of a gate: what is shown of each objective, with a stated error.
//!
//! An objective passes when the one-sided bound on its figure lies on the right side of the limit, fails when the
//! other bound lies on the wrong one, and is inconclusive in between. A quantile is judged as what it says: "at most
//! 1 % were slower or failed".
//!
//! **Invariant.** What was not seen is not passed: a figure without observation, a fault that hardly came, an end that
//! could turn the verdict.

use super::{
    baseline::{self, BaselineLook},
    evaluate::Asked,
    gated::{Against, Gated, Measure, Verdict},
    gather::InFlight,
    metric::Gathering,
    objective::{Figure, Slo, Stat},
    parse::Op,
    shown::{Held, Known, Shown, hardly_came},
};
use crate::{
    results::{Evidence, Results},
    stats::{Bounds, Method, RESAMPLED_FROM, Runs, holm, needed_to_tell},
    units::show::{count, plural},
};

/// Judges objectives at predeclared numbers of replications.
#[derive(Clone, Debug)]
pub struct Gate {
    objectives: Vec<Objective>,
    random: Vec<String>,
}

impl Gate {
    /// Of these objectives, in a design with these faults that come by chance; no replication yet.
    #[must_use]
    pub fn new<'s>(slos: impl IntoIterator<Item = &'s Slo>, random: Vec<String>) -> Self {
        Self { objectives: slos.into_iter().map(Objective::new).collect(), random }
    }

    /// Takes in the next replication.
    pub fn push(&mut self, one: &dyn Evidence) {
        for objective in &mut self.objectives {
            objective.asked.push(one);
            if let Some(share) = &mut objective.share {
                share.push(one);
            }
            if let Some(own) = &mut objective.own {
                own.push(one);
            }
        }
    }

    /// The verdicts at a look that may err so often, the results of all replications being these; and of objectives
    /// that are held against a baseline, what is known of that after as many.
    ///
    /// All objectives must pass for a file to pass, so each is judged at that level; one that fails is enough, so
    /// what fails is judged among all of them.
    #[must_use]
    pub fn look(&self, results: &Results, error: f64, base: Option<&Base>) -> Vec<Gated> {
        let shown: Vec<Shown> =
            self.objectives.iter().map(|one| one.shown(results, base)).collect();
        let wrong = holm(&shown.iter().map(|shown| shown.fail).collect::<Vec<_>>());
        let hardly = hardly_came(&self.random, results);
        let each = self.objectives.iter().zip(shown).zip(wrong);
        each.map(|((one, shown), wrong)| {
            let hardly = one.hardly_came(hardly.as_deref(), base);
            let verdict = match () {
                () if wrong <= error => Verdict::Fail,
                () if shown.pass <= error && results.is_complete() && hardly.is_none() => {
                    Verdict::Pass
                }
                () => Verdict::Inconclusive,
            };
            let mut gated = one.told(results, (verdict, error), &shown, hardly);
            gated.baseline = one.against(base, &shown);
            gated
        })
        .collect()
    }
}

/// A baseline at a look.
#[derive(Clone, Debug)]
pub struct Base {
    /// What is known of it.
    pub look: BaselineLook,
    /// It is the same design: whatever was not seen is the same in both.
    pub unchanged: bool,
}

/// An objective: its figure, and of a quantile the share it is judged by.
#[derive(Clone, Debug)]
struct Objective {
    asked: Asked,
    share: Option<Asked>,
    /// Of one that is held against a baseline: the figure as it is compared.
    own: Option<Gathering>,
}

impl Objective {
    fn new(slo: &Slo) -> Self {
        let share = match (&slo.figure, &slo.of, slo.runs, slo.op) {
            (
                Figure::Sample(selection, sample, Stat::Quantile(q)),
                None,
                None,
                op @ (Op::AtMost | Op::Below | Op::AtLeast | Op::Above),
            ) if slo.baseline.is_none() => {
                let at = (slo.limit * 1e9).round() as u64;
                // p99 <= L: at least 99 % are within L; p99 >= L: at most 99 % are below it.
                let (within, op) = match op {
                    Op::AtMost => (Op::AtMost, Op::AtLeast),
                    Op::Below => (Op::Below, Op::AtLeast),
                    Op::AtLeast => (Op::Below, Op::AtMost),
                    _ => (Op::AtMost, Op::AtMost),
                };
                let figure = Figure::Fraction(selection.clone(), sample.clone(), within, at);
                Some(Asked::new(&Slo { figure, op, limit: *q, ..slo.clone() }))
            }
            _ => None,
        };
        let held = slo.baseline.is_some();
        let own = held.then(|| Gathering::held(&slo.figure, slo.of.as_ref()));
        Self { asked: Asked::new(slo), share, own }
    }

    /// How it stands to the baseline; nothing of an objective with a limit of its own.
    fn against(&self, base: Option<&Base>, shown: &Shown) -> Option<Against> {
        let of = self.asked.slo.baseline.as_ref()?;
        let base = base.and_then(|base| base.look.figures.get(&of.metric));
        let mut against = Against {
            unit: of.dimension.quantity().unit().to_owned(),
            value: base.and_then(baseline::InBoth::value),
            ratio: None,
            difference: None,
            same: false,
        };
        if let Known::Held(held) = &shown.known {
            let value = Some(held.bounds.value());
            let (ratio, difference) = if held.is_ratio { (value, None) } else { (None, value) };
            against = Against { ratio, difference, same: held.same, ..against };
        }
        Some(against)
    }

    /// Of a random fault that struck too seldom to say what it does, in the design or in its baseline, what to do.
    fn hardly_came<'h>(&self, own: Option<&'h str>, base: Option<&'h Base>) -> Option<&'h str> {
        let base = base.filter(|_| self.own.is_some());
        if base.is_some_and(|base| base.unchanged) {
            return None;
        }
        own.or_else(|| base?.look.hardly_came.as_deref())
    }

    fn judged(&self) -> &Asked {
        self.share.as_ref().unwrap_or(&self.asked)
    }

    /// What is shown, with what is in flight left out and counted bad.
    fn shown(&self, results: &Results, base: Option<&Base>) -> Shown {
        let slo = &self.asked.slo;
        if let Some((own, of)) = self.own.as_ref().zip(slo.baseline.as_ref()) {
            let base = base.and_then(|base| base.look.figures.get(&of.metric));
            return match base {
                Some(base) => baseline::shown(slo, own, base, results),
                None => Shown::nothing("needs a baseline"),
            };
        }
        let left_out = self.shown_with(results, InFlight::LeftOut);
        if self.judged().requests().is_none() {
            return left_out;
        }
        left_out.and(self.shown_with(results, InFlight::Bad))
    }

    fn shown_with(&self, results: &Results, open: InFlight) -> Shown {
        let asked = self.judged();
        let slo = &asked.slo;
        let terms: Vec<(f64, f64)> = asked.terms(results, open).into_iter().flatten().collect();
        if terms.is_empty() {
            return Shown::nothing(asked.nothing());
        }
        if self.asked.slo.is_of_each_run() {
            return in_runs(&terms, slo);
        }
        if terms.iter().any(|(top, _)| top.is_infinite()) {
            // The mean of what is once beyond any limit is so too.
            let fails = matches!(slo.op, Op::AtMost | Op::Below);
            let [pass, fail] = if fails { [1.0, 0.0] } else { [1.0, 1.0] };
            return Shown { pass, fail, known: Known::Endless };
        }
        let Some(bounds) = Bounds::of_ratio(&terms) else {
            return Shown::nothing("one run shows no spread");
        };
        let [pass, fail] = match (bounds.method(), slo.op) {
            (Method::Identical, op) => {
                let met = op.holds(bounds.value(), slo.limit);
                if met { [0.0, 1.0] } else { [1.0, 0.0] }
            }
            (_, Op::AtLeast | Op::Above) => {
                [bounds.error_at_least(slo.limit), bounds.error_at_most(slo.limit)]
            }
            _ => [bounds.error_at_most(slo.limit), bounds.error_at_least(slo.limit)],
        };
        Shown { pass, fail, known: Known::Bounds(bounds) }
    }

    /// The verdict, with what it stands on.
    fn told(
        &self,
        results: &Results,
        (verdict, error): (Verdict, f64),
        shown: &Shown,
        hardly: Option<&str>,
    ) -> Gated {
        let run = self.asked.on_point(results);
        let slo = &self.judged().slo;
        let upwards = matches!(slo.op, Op::AtLeast | Op::Above);
        let mut gated = Gated {
            expression: slo.text.clone(),
            verdict,
            estimate: run.estimate,
            measure: Measure::Figure,
            value: run.estimate.value,
            bound: None,
            // Of what fails, the bound on the side of the limit that it is not on.
            at_most: upwards == (verdict == Verdict::Fail),
            margin: run.margin,
            reason: run.reason.filter(|_| self.own.is_none()),
            needed: None,
            baseline: None,
        };
        self.tell_known(&mut gated, error, shown, results.seeds.len() as u64);
        if let Some(hardly) = hardly.filter(|_| verdict == Verdict::Inconclusive) {
            (gated.reason, gated.needed) = (Some(hardly.to_owned()), None);
        } else if verdict == Verdict::Inconclusive && !results.is_complete() {
            gated.reason = Some(format!("the run was {}", results.status));
        }
        gated
    }

    /// What `n` replications show of it.
    fn tell_known(&self, gated: &mut Gated, error: f64, shown: &Shown, n: u64) {
        let slo = &self.judged().slo;
        match &shown.known {
            Known::Nothing(why) | Known::Unlike(why) => gated.reason = Some(why.clone()),
            Known::Endless if gated.verdict == Verdict::Inconclusive => {
                let open = || "what is in flight at the end may never be answered".to_owned();
                gated.reason.get_or_insert_with(open);
            }
            Known::Endless => {}
            Known::Runs(runs) => {
                gated.measure = Measure::Runs;
                gated.value = Some(runs.hits as f64 / runs.of as f64);
                gated.at_most = gated.verdict == Verdict::Fail;
                gated.bound =
                    Some(if gated.at_most { runs.upper(error) } else { runs.lower(error) });
                gated.reason = (gated.verdict == Verdict::Fail && slo.runs.is_none()).then(|| {
                    format!("{} of {} did not", count(runs.of - runs.hits), plural(runs.of, "run"))
                });
            }
            Known::Bounds(bounds) => {
                gated.bounded(bounds, (slo.limit, error), n);
                if self.share.is_some() {
                    gated.as_share(matches!(self.asked.slo.op, Op::AtMost | Op::Below));
                }
            }
            Known::Held(Held { bounds, is_ratio, limit, .. }) => {
                gated.measure = if *is_ratio { Measure::Ratio } else { Measure::Difference };
                gated.bounded(bounds, (*limit, error), n);
                let over = bounds.value() - limit;
                let upwards = matches!(slo.op, Op::AtLeast | Op::Above);
                gated.margin = Some(if upwards { over } else { -over });
            }
        }
    }
}

impl Gated {
    /// A value of `n` replications with its bound, and what else would tell on which side of the limit it is.
    fn bounded(&mut self, bounds: &Bounds, (limit, error): (f64, f64), n: u64) {
        let bound = if self.at_most { bounds.upper(error) } else { bounds.lower(error) };
        self.value = Some(bounds.value());
        self.bound = Some(bound).filter(|b| b.is_finite());
        if self.verdict == Verdict::Inconclusive {
            self.reason = unsaid(bounds, bound);
            self.needed =
                needed_to_tell(n, bounds.value(), bound, limit).filter(|needed| *needed > n);
        }
    }

    /// It is of the share within a time: told as the share beyond it where that is what must be small.
    fn as_share(&mut self, slower: bool) {
        if !slower {
            self.measure = Measure::Faster;
            return;
        }
        self.measure = Measure::Slower;
        self.value = self.value.map(|within| 1.0 - within);
        self.bound = self.bound.map(|within| (1.0 - within).max(0.0));
        self.at_most = !self.at_most;
    }
}

/// Why no more can be said, if it is not the spread.
fn unsaid(bounds: &Bounds, bound: f64) -> Option<String> {
    match bounds.method() {
        Method::Student => Some(format!("from {RESAMPLED_FROM} replications on more can be shown")),
        Method::BootstrapT if bound.is_infinite() => {
            Some("too few of the runs differ to say how much others would".to_owned())
        }
        _ => None,
    }
}

/// How many runs keep to it, and what that shows.
fn in_runs(terms: &[(f64, f64)], slo: &Slo) -> Shown {
    let kept = |(top, bottom): &&(f64, f64)| slo.op.holds(top / bottom, slo.limit);
    let runs = Runs { hits: terms.iter().filter(kept).count() as u64, of: terms.len() as u64 };
    let known = Known::Runs(runs);
    let Some(share) = slo.runs.filter(|share| *share < 1.0) else {
        // What must never be: one case refutes it, and no number of runs shows more than that it is rare.
        let all = runs.hits == runs.of;
        let [pass, fail] = if all { [0.0, 1.0] } else { [1.0, 0.0] };
        return Shown { pass, fail, known };
    };
    Shown { pass: runs.error_at_least(share), fail: runs.error_at_most(share), known }
}

#[cfg(test)]
mod tests;
