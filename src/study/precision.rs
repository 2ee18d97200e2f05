//! A study run until latency is known precisely enough.
//!
//! **Invariant.** It stops at predeclared numbers of replications only, and the results hold exactly those of the last
//! look, so neither depends on the number of threads (`semantics.md` 14).

use std::sync::atomic::AtomicBool;

use super::{Breach, Judges, Replication, Run, RunInfo, Study};
use crate::{
    results::{Estimate, PrecisionResults, Results},
    runner::{self, Accumulator},
    stats,
};

/// What rounding leaves of no difference.
const NOTHING: f64 = 1e-12;

/// How precisely latency is to be known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    /// No end of the intervals of mean and p99 is farther from its value than this share of it: 0.02.
    pub wanted: f64,
    /// Replications at most.
    pub most: u32,
}

impl Precision {
    /// Replications at most, unless another number is asked for.
    pub const USUAL_MOST: u32 = 320;
    /// Replications at least.
    pub const LEAST: u32 = 10;
}

impl Study {
    /// Runs replications until mean and 99th percentile of the latency of all clients together are known so precisely,
    /// or there are as many as may be, or `stop` is set; and judges them.
    ///
    /// # Errors
    ///
    /// A replication broke an invariant of the program.
    pub fn run_to(&self, precision: Precision, stop: &AtomicBool) -> Result<Run, Breach> {
        self.run_to_watched(precision, stop, &mut |_| ())
    }

    /// The same; `look` sees each replication, in order of index.
    pub(super) fn run_to_watched(
        &self,
        precision: Precision,
        stop: &AtomicBool,
        look: &mut (dyn FnMut(&Replication<'_>) + Send),
    ) -> Result<Run, Breach> {
        let mut judges = Judges::of(self);
        let info = RunInfo { replications: 0, ..self.prepared.info.clone() };
        let mut run = Accumulator::new(info);
        let mut looks = stats::precision_looks(u64::from(precision.most)).peekable();
        loop {
            let to = (self.seed, looks.next().expect("there is a look") as usize);
            run = runner::go_on(&self.prepared, run, to, stop, &mut |one| {
                judges.push(one);
                look(one);
            })?;
            let results = run.results();
            let found = precision.found(&results);
            // Who stops it between two looks finds that the next one lacks replications.
            let goes_on = results.is_complete() && !found.reached && found.reason.is_none();
            if goes_on && looks.peek().is_some() {
                continue;
            }
            let results = Results { precision: Some(found), ..results };
            return Ok(judges.judged(&run, results));
        }
    }
}

impl Precision {
    /// What results say of it.
    fn found(self, results: &Results) -> PrecisionResults {
        let latency = &results.summary.figures.latency;
        let known = |of: &Estimate| stats::relative_half_width(of.value?, (of.lower?, of.upper?));
        let (mean, p99) = (known(&latency.mean), known(&latency.p99));
        let both = mean.zip(p99).map(|(mean, p99)| mean.max(p99));
        let reached = both.is_some_and(|both| both <= self.wanted);
        let n = results.seeds.len() as u64;
        let needed = both.filter(|_| !reached);
        let reason = match both {
            _ if latency.count == 0 => Some("no request was answered"),
            Some(both) if both < NOTHING => Some("every replication has the same latency"),
            _ => None,
        };
        PrecisionResults {
            wanted: self.wanted,
            most: u64::from(self.most),
            reached,
            mean,
            p99,
            needed: needed.and_then(|both| stats::needed_for_precision(n, both, self.wanted)),
            reason: reason.map(str::to_owned),
        }
    }
}
