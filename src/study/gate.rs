//! A study judged: replications until the objectives are decided.
//!
//! **Invariant.** Verdicts fall at predeclared numbers of replications only, and the results hold exactly those of the
//! deciding look, so neither depends on the number of threads (`semantics.md` 14).

use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    Breach, Replication, RunInfo, Study,
    baseline::{Baseline, Beside, Written},
};
use crate::{
    results::Results,
    runner::{self, Accumulator},
    scenario::{load::Loaded, spec::ScenarioSpec, tree::Span},
    slo::{Gate, Gated, Gathering, Slo, Verdict},
    stats::{self, Look},
};

/// At how many replications a gate looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// Once, at so many.
    One(u32),
    /// At 20, 40, 80 and so on, and at so many.
    UpTo(u32),
}

impl Looks {
    /// At how many the last one is.
    #[must_use]
    pub const fn last(self) -> u64 {
        match self {
            Self::One(n) | Self::UpTo(n) => n as u64,
        }
    }

    /// At how many each is.
    #[must_use]
    pub fn numbers(self) -> Vec<usize> {
        self.all().iter().map(|look| look.n as usize).collect()
    }

    fn all(self) -> Vec<Look> {
        match self {
            Self::One(n) => vec![Look { n: u64::from(n), spends: 1.0 }],
            Self::UpTo(cap) => stats::looks(u64::from(cap)),
        }
    }
}

/// An objective of a scenario, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    /// Path in the file, such as `slos[1]`.
    pub path: String,
    /// Its place in the text.
    pub span: Span,
    /// The figure of a baseline that it is held against.
    pub baseline: Option<String>,
}

/// What a gate says of a study.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Of all of it: it passes when all objectives do, and fails when one does.
    pub verdict: Verdict,
    /// Of each objective, in the order of [`Study::objectives`].
    pub objectives: Vec<Gated>,
    /// The results of the deciding look.
    pub results: Results,
}

impl Study {
    /// Its objectives: `slos`, then `expect`.
    #[must_use]
    pub fn objectives(&self) -> &[Objective] {
        &self.objectives
    }

    /// Runs replications until the objectives are decided, or the last look is over, or `stop` is set. Those that are
    /// held against a baseline are not decided.
    ///
    /// # Errors
    ///
    /// A replication broke an invariant of the program.
    pub fn check(&self, looks: Looks, stop: &AtomicBool) -> Result<Checked, Breach> {
        self.judged(None, looks, stop, &mut |_| ()).map_err(|(_, breach)| breach)
    }

    /// The same, with what is to be least of a design that is to be the cheapest.
    ///
    /// # Errors
    ///
    /// A replication broke an invariant of the program.
    pub fn sized(&self, looks: Looks, stop: &AtomicBool) -> Result<(Checked, Option<f64>), Breach> {
        let mut least = self.minimise.as_ref().map(Gathering::new);
        let mut push = |one: &Replication<'_>| least.iter_mut().for_each(|least| least.push(one));
        let checked = self.judged(None, looks, stop, &mut push).map_err(|(_, breach)| breach)?;
        let least = least.and_then(|least| least.sampled(&checked.results, true).value);
        Ok((checked, least))
    }

    /// The same against a baseline that fits.
    ///
    /// # Errors
    ///
    /// A replication of one of the two broke an invariant of the program.
    pub fn check_against(
        &self,
        baseline: &Baseline,
        looks: Looks,
        stop: &AtomicBool,
    ) -> Result<Checked, (Side, Breach)> {
        self.judged(Beside::new(self, baseline), looks, stop, &mut |_| ())
    }

    fn judged(
        &self,
        mut beside: Option<Beside<'_>>,
        looks: Looks,
        stop: &AtomicBool,
        seen: &mut (dyn FnMut(&Replication<'_>) + Send),
    ) -> Result<Checked, (Side, Breach)> {
        let mut gate = Gate::new(self.slos.iter().chain(&self.expect), self.random.clone());
        let error = 1.0 - self.prepared.info.confidence;
        let mut run = self.unrun();
        let mut looks = looks.all().into_iter().peekable();
        loop {
            let Look { n, spends } = looks.next().expect("there is a look");
            let to = (self.seed, n as usize);
            let mut push = |one: &Replication<'_>| {
                gate.push(one);
                seen(one);
            };
            run = runner::go_on(&self.prepared, run, to, stop, &mut push)
                .map_err(|breach| (Side::Own, breach))?;
            let mut results = run.results();
            let mut base = None;
            if let Some(beside) = &mut beside {
                let (look, its) =
                    beside.after(n as usize, stop).map_err(|breach| (Side::Baseline, breach))?;
                base = Some(look);
                if let Some(its) = its.filter(|its| !its.is_complete()) {
                    ended_early(&mut results, &its);
                }
            }
            let objectives = gate.look(&results, error * spends, base.as_ref());
            let verdict = of_all(&objectives);
            let over = verdict != Verdict::Inconclusive || !results.is_complete();
            if over || looks.peek().is_none() || stop.load(Ordering::Relaxed) {
                return Ok(Checked { verdict, objectives, results });
            }
        }
    }

    /// Judges the objectives with a limit of their own, and goes on to the last look for a baseline of the others. What
    /// did not get there leaves none.
    ///
    /// # Errors
    ///
    /// A replication broke an invariant of the program.
    pub fn record(
        &self,
        looks: Looks,
        stop: &AtomicBool,
    ) -> Result<(Checked, Option<Written>), Breach> {
        let own = || self.slos.iter().chain(&self.expect).filter(|slo| slo.baseline().is_none());
        let mut gate = Gate::new(own(), self.random.clone());
        let mut figures = self.recording();
        let error = 1.0 - self.prepared.info.confidence;
        let mut run = self.unrun();
        let (mut decided, mut recorded) = (None, Vec::new());
        let judged = looks.all();
        for Look { n, .. } in stats::looks(looks.last()) {
            let to = (self.seed, n as usize);
            run = runner::go_on(&self.prepared, run, to, stop, &mut |one| {
                gate.push(one);
                figures.push(one);
            })?;
            let results = run.results();
            let complete = results.is_complete();
            recorded.push(figures.look(&results));
            let look = judged.iter().find(|look| look.n == n);
            if look.is_some() && decided.is_none() || !complete {
                let objectives = gate.look(&results, error * look.map_or(0.0, |l| l.spends), None);
                let last = n == looks.last();
                // Where there is nothing to judge, nothing is missed.
                let verdict = match objectives.len() {
                    0 if last => Verdict::Pass,
                    _ => of_all(&objectives),
                };
                if verdict != Verdict::Inconclusive || !complete || last {
                    decided = Some(Checked { verdict, objectives, results });
                }
            }
            if !complete {
                recorded.clear();
                break;
            }
        }
        let checked = decided.expect("the last look decides");
        Ok((checked, self.written(recorded)))
    }

    fn unrun(&self) -> Accumulator {
        Accumulator::new(RunInfo { replications: 0, ..self.prepared.info.clone() })
    }
}

/// Which of two designs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that is judged.
    Own,
    /// What it is held against.
    Baseline,
}

/// What was not simulated of the baseline, nothing can be held against.
fn ended_early(own: &mut Results, baseline: &Results) {
    if own.is_complete() {
        own.status = baseline.status;
        let reason = baseline.status_reason.as_ref();
        own.status_reason = reason.map(|reason| format!("of the baseline: {reason}"));
    }
}

/// One that fails is enough; all must pass.
fn of_all(objectives: &[Gated]) -> Verdict {
    objectives.iter().map(|one| one.verdict).max().unwrap_or(Verdict::Inconclusive)
}

/// Where the objectives of a scenario stand.
pub(super) fn objectives(loaded: &Loaded, slos: &[Slo], expect: &[Slo]) -> Vec<Objective> {
    let of = |key: &str, slos: &[Slo]| {
        let each = slos.iter().enumerate().map(|(i, slo)| {
            let path = format!("{key}[{i}]");
            let baseline = slo.baseline().map(str::to_owned);
            Objective { span: loaded.locate(&path), path, baseline }
        });
        each.collect::<Vec<_>>()
    };
    [of("slos", slos), of("expect", expect)].concat()
}

/// Faults that come by chance.
pub(super) fn random_faults(spec: &ScenarioSpec) -> Vec<String> {
    let faults =
        spec.faults.iter().filter(|fault| fault.mtbf.is_some() || fault.probability.is_some());
    faults.map(|fault| fault.id.0.clone()).collect()
}
