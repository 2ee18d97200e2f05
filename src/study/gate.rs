//! A study judged: replications until the objectives are decided.
//!
//! **Invariant.** Verdicts fall at predeclared numbers of replications only, and the results hold exactly those of the
//! deciding look, so neither depends on the number of threads (`semantics.md` 14).

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Breach, RunInfo, Study};
use crate::{
    results::Results,
    runner::{self, Accumulator},
    scenario::{load::Loaded, spec::ScenarioSpec, tree::Span},
    slo::{Gate, Gated, Verdict},
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

    /// Runs replications until the objectives are decided, or the last look is over, or `stop` is set.
    ///
    /// # Errors
    ///
    /// A replication broke an invariant of the program.
    pub fn check(&self, looks: Looks, stop: &AtomicBool) -> Result<Checked, Breach> {
        let mut gate = Gate::new(self.slos.iter().chain(&self.expect), self.random.clone());
        let info = RunInfo { replications: 0, ..self.prepared.info.clone() };
        let error = 1.0 - info.confidence;
        let mut run = Accumulator::new(info);
        let mut looks = looks.all().into_iter().peekable();
        loop {
            let Look { n, spends } = looks.next().expect("there is a look");
            let to = (self.seed, n as usize);
            run = runner::go_on(&self.prepared, run, to, stop, &mut |one| gate.push(one))?;
            let results = run.results();
            let objectives = gate.look(&results, error * spends);
            let verdict = of_all(&objectives);
            let over = verdict != Verdict::Inconclusive || results.status != "complete";
            if over || looks.peek().is_none() || stop.load(Ordering::Relaxed) {
                return Ok(Checked { verdict, objectives, results });
            }
        }
    }
}

/// One that fails is enough; all must pass.
fn of_all(objectives: &[Gated]) -> Verdict {
    objectives.iter().map(|one| one.verdict).max().unwrap_or(Verdict::Inconclusive)
}

/// Where the objectives of a scenario stand.
pub(super) fn objectives(loaded: &Loaded) -> Vec<Objective> {
    let of = |key: &str, n: usize| {
        let paths = (0..n).map(|i| format!("{key}[{i}]"));
        let placed = paths.map(|path| Objective { span: loaded.locate(&path), path });
        placed.collect::<Vec<_>>()
    };
    [of("slos", loaded.spec.slos.len()), of("expect", loaded.spec.expect.len())].concat()
}

/// Faults that come by chance.
pub(super) fn random_faults(spec: &ScenarioSpec) -> Vec<String> {
    let faults =
        spec.faults.iter().filter(|fault| fault.mtbf.is_some() || fault.probability.is_some());
    faults.map(|fault| fault.id.0.clone()).collect()
}
