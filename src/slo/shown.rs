//! What replications show of an objective: the errors of saying that it passes and that it fails.
//!
//! **Invariant.** An error is an upper bound: where nothing is known it is 1.

use crate::{
    results::Results,
    stats::{Bounds, Runs},
    units::show::plural,
};

/// Strikes of a random fault, over all replications, below which nothing is known of what it does.
const STRIKES: f64 = 10.0;

/// What replications show of an objective.
pub(super) struct Shown {
    /// The error of saying that it passes.
    pub(super) pass: f64,
    /// The error of saying that it fails.
    pub(super) fail: f64,
    pub(super) known: Known,
}

/// Where the errors come from.
pub(super) enum Known {
    /// Nothing can be said, for this reason.
    Nothing(String),
    /// It is so in each run, or was not in one.
    Runs(Runs),
    Bounds(Bounds),
    /// In some replication it is beyond any limit.
    Endless,
    /// How it stands to a baseline.
    Held(Held),
    /// It is beyond any limit, or the baseline is: what is told of that.
    Unlike(String),
}

/// A figure held against a baseline.
pub(super) struct Held {
    /// Of the ratio of the two, or of their difference.
    pub(super) bounds: Bounds,
    pub(super) is_ratio: bool,
    /// What the ratio or difference is to keep.
    pub(super) limit: f64,
    /// It is the same in every replication.
    pub(super) same: bool,
}

impl Shown {
    pub(super) fn nothing(why: impl Into<String>) -> Self {
        Self { pass: 1.0, fail: 1.0, known: Known::Nothing(why.into()) }
    }

    /// The surer of neither.
    pub(super) fn and(self, other: Self) -> Self {
        if matches!(self.known, Known::Nothing(_)) {
            return self;
        }
        let known = if other.pass > self.pass { other.known } else { self.known };
        Self { pass: self.pass.max(other.pass), fail: self.fail.max(other.fail), known }
    }
}

/// Of one of these faults that come by chance and that struck too seldom, what to do.
pub(super) fn hardly_came(random: &[String], results: &Results) -> Option<String> {
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
    random.iter().find_map(struck)
}
