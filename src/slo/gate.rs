//! Verdicts of a gate: what is shown of each objective, with a stated error.
//!
//! An objective passes when the one-sided bound on its figure lies on the right side of the limit, fails when the
//! other bound lies on the wrong one, and is inconclusive in between. A quantile is judged as what it says: "at most
//! 1 % were slower or failed".
//!
//! **Invariant.** What was not seen is not passed: a figure without observation, a fault that hardly came, an end that
//! could turn the verdict.

use super::{
    evaluate::Asked,
    gated::{Gated, Measure, Verdict},
    gather::InFlight,
    objective::{Figure, Slo, Stat},
    parse::Op,
};
use crate::{
    results::{Evidence, Results},
    stats::{Bounds, Method, RESAMPLED_FROM, Runs, holm, needed_to_tell},
    units::show::{count, plural},
};

/// Strikes of a random fault, over all replications, below which nothing is known of what it does.
const STRIKES: f64 = 10.0;

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
        }
    }

    /// The verdicts at a look that may err so often, the results of all replications being these.
    ///
    /// All objectives must pass for a file to pass, so each is judged at that level; one that fails is enough, so
    /// what fails is judged among all of them.
    #[must_use]
    pub fn look(&self, results: &Results, error: f64) -> Vec<Gated> {
        let shown: Vec<Shown> = self.objectives.iter().map(|one| one.shown(results)).collect();
        let wrong = holm(&shown.iter().map(|shown| shown.fail).collect::<Vec<_>>());
        let hardly = self.hardly_came(results);
        let each = self.objectives.iter().zip(shown).zip(wrong);
        each.map(|((one, shown), wrong)| {
            let verdict = match () {
                () if wrong <= error => Verdict::Fail,
                () if shown.pass <= error && results.status == "complete" && hardly.is_none() => {
                    Verdict::Pass
                }
                () => Verdict::Inconclusive,
            };
            one.told(results, (verdict, error), &shown, hardly.as_deref())
        })
        .collect()
    }

    /// Of a random fault that struck too seldom, what to do.
    fn hardly_came(&self, results: &Results) -> Option<String> {
        let n = results.seeds.len() as f64;
        let struck = |fault: &String| {
            let fault = results.faults.iter().find(|f| f.id == *fault)?;
            let strikes = (fault.occurrences.value? * n).round();
            (strikes < STRIKES).then(|| {
                format!(
                    "`{}` struck {} in {}, and what it does is known from {STRIKES} on: a longer `duration`, \
                     `active` windows or more replications would help",
                    fault.id,
                    match strikes as u64 {
                        0 => "never".to_owned(),
                        1 => "once".to_owned(),
                        n => format!("{n} times"),
                    },
                    plural(results.seeds.len() as u64, "run"),
                )
            })
        };
        self.random.iter().find_map(struck)
    }
}

/// An objective: its figure, and of a quantile the share it is judged by.
#[derive(Clone, Debug)]
struct Objective {
    asked: Asked,
    share: Option<Asked>,
}

/// What replications show of an objective: the errors of saying that it passes and that it fails.
struct Shown {
    pass: f64,
    fail: f64,
    known: Known,
}

/// Where the errors come from.
enum Known {
    /// Nothing can be said, for this reason.
    Nothing(String),
    /// It is so in each run, or was not in one.
    Runs(Runs),
    Bounds(Bounds),
    /// In some replication it is beyond any limit.
    Endless,
}

impl Shown {
    fn nothing(why: impl Into<String>) -> Self {
        Self { pass: 1.0, fail: 1.0, known: Known::Nothing(why.into()) }
    }

    /// The surer of neither.
    fn and(self, other: Self) -> Self {
        if matches!(self.known, Known::Nothing(_)) {
            return self;
        }
        let known = if other.pass > self.pass { other.known } else { self.known };
        Self { pass: self.pass.max(other.pass), fail: self.fail.max(other.fail), known }
    }
}

impl Objective {
    fn new(slo: &Slo) -> Self {
        let share = match (&slo.figure, &slo.of, slo.runs, slo.op) {
            (
                Figure::Sample(selection, sample, Stat::Quantile(q)),
                None,
                None,
                op @ (Op::AtMost | Op::Below | Op::AtLeast | Op::Above),
            ) => {
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
        Self { asked: Asked::new(slo), share }
    }

    fn judged(&self) -> &Asked {
        self.share.as_ref().unwrap_or(&self.asked)
    }

    /// A figure that is one of each run: a count, an extreme, a yes or no.
    fn is_of_each_run(&self) -> bool {
        let slo = &self.asked.slo;
        let extreme = match (&slo.figure, slo.op) {
            (Figure::Sample(.., Stat::Max), Op::AtMost | Op::Below)
            | (Figure::Sample(.., Stat::Min), Op::AtLeast | Op::Above)
            | (Figure::Metastable(_), _) => true,
            (Figure::Requests(_, path) | Figure::Node(_, path) | Figure::Consistency(path), _) => {
                super::shape::dimension(path) == super::words::Dimension::Count
            }
            _ => false,
        };
        let exact = matches!(slo.op, Op::Equal | Op::NotEqual);
        slo.of.is_none() && (slo.runs.is_some() || extreme || exact)
    }

    /// What is shown, with what is in flight left out and counted bad.
    fn shown(&self, results: &Results) -> Shown {
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
        if self.is_of_each_run() {
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
        let run = self.asked.result(results);
        let slo = &self.judged().slo;
        let n = results.seeds.len() as u64;
        let upwards = matches!(slo.op, Op::AtLeast | Op::Above);
        // Of what fails, the bound on the side of the limit that it is not on.
        let at_most = upwards == (verdict == Verdict::Fail);
        let mut gated = Gated {
            expression: slo.text.clone(),
            verdict,
            estimate: run.estimate,
            measure: Measure::Figure,
            value: run.estimate.value,
            bound: None,
            at_most,
            margin: run.margin,
            reason: run.reason,
            needed: None,
        };
        match &shown.known {
            Known::Nothing(why) => gated.reason = Some(why.clone()),
            Known::Endless if verdict == Verdict::Inconclusive => {
                let open = || "what is in flight at the end may never be answered".to_owned();
                gated.reason.get_or_insert_with(open);
            }
            Known::Endless => {}
            Known::Runs(runs) => {
                gated.measure = Measure::Runs;
                gated.value = Some(runs.hits as f64 / runs.of as f64);
                gated.at_most = verdict == Verdict::Fail;
                gated.bound =
                    Some(if gated.at_most { runs.upper(error) } else { runs.lower(error) });
                gated.reason = (verdict == Verdict::Fail && slo.runs.is_none()).then(|| {
                    format!("{} of {} did not", count(runs.of - runs.hits), plural(runs.of, "run"))
                });
            }
            Known::Bounds(bounds) => {
                let bound = if at_most { bounds.upper(error) } else { bounds.lower(error) };
                gated.value = Some(bounds.value());
                gated.bound = Some(bound).filter(|b| b.is_finite());
                if verdict == Verdict::Inconclusive {
                    gated.reason = unsaid(bounds, bound);
                    gated.needed = needed_to_tell(n, bounds.value(), bound, slo.limit)
                        .filter(|needed| *needed > n);
                }
                if self.share.is_some() {
                    gated.as_share(matches!(self.asked.slo.op, Op::AtMost | Op::Below));
                }
            }
        }
        if let Some(hardly) = hardly.filter(|_| verdict == Verdict::Inconclusive) {
            (gated.reason, gated.needed) = (Some(hardly.to_owned()), None);
        } else if verdict == Verdict::Inconclusive && results.status != "complete" {
            gated.reason = Some(format!("the run was {}", results.status));
        }
        gated
    }
}

impl Gated {
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
