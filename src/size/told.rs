//! What a search found, for who shows it.

use super::{Search, grid::Direction};
use crate::{
    results::Bottleneck,
    scenario::sizing::Knob,
    slo::{Gated, Verdict},
    units::show::Quantity,
};

/// A design that was simulated and judged.
#[derive(Clone, Debug)]
pub struct Step {
    /// The value of each knob; of loads their factor.
    pub setting: Vec<String>,
    /// What is shown of all objectives together.
    pub verdict: Verdict,
    /// Replications of the deciding look.
    pub replications: usize,
    /// What is to be least, as simulated; none: nothing was observed.
    pub cost: Option<f64>,
    /// Successful replies per second.
    pub throughput: Option<f64>,
    /// Each objective.
    pub objectives: Vec<Gated>,
    /// What is nearest to its limit.
    pub bottleneck: Option<Bottleneck>,
}

impl Step {
    /// The objective that says why it does not pass: the first that fails, or that is not decided.
    #[must_use]
    pub fn why(&self) -> Option<&Gated> {
        let first = |verdict| self.objectives.iter().find(|one| one.verdict == verdict);
        first(Verdict::Fail).or_else(|| first(Verdict::Inconclusive))
    }
}

/// A search for the cheapest setting, under way or over.
#[derive(Clone, Debug)]
pub struct Sized {
    /// What may be changed.
    pub knobs: Vec<Knob>,
    /// What is to be least, and what that measures; none: the places of values in their ranges together.
    pub minimise: Option<(String, Quantity)>,
    /// Settings that are asked for more work than they can do.
    pub doubted: usize,
    /// Which settings rule out which.
    pub search: Search,
    /// What was simulated, in that order.
    pub steps: Vec<Step>,
    /// The setting of each.
    pub settings: Vec<usize>,
}

impl Sized {
    /// What was simulated of a setting.
    #[must_use]
    pub fn step(&self, setting: usize) -> Option<&Step> {
        let at = self.settings.iter().position(|other| *other == setting)?;
        self.steps.get(at)
    }

    /// The cheapest that passed.
    #[must_use]
    pub fn best(&self) -> Option<&Step> {
        self.step(self.search.best()?)
    }

    /// Of each knob of which the answer can have less: what came of one step less.
    #[must_use]
    pub fn breaks(&self) -> Vec<(&Knob, &Step)> {
        let less = self.search.best().map_or(Vec::new(), |best| self.search.one_less(best));
        let each = self.knobs.iter().zip(less);
        each.filter_map(|(knob, less)| Some((knob, self.step(less?)?))).collect()
    }

    /// Where nothing passes: what was simulated that has most of everything.
    #[must_use]
    pub fn largest(&self) -> Option<&Step> {
        let grid = self.search.grid();
        let most = |setting: usize| {
            let each = self.search.directions().iter().enumerate();
            let of = |(knob, direction): (usize, &Direction)| {
                grid.step(setting, knob, *direction != Direction::Falling).is_none()
            };
            each.map(of).filter(|most| *most).count()
        };
        // Of several the first.
        let first = self.settings.iter().rev().max_by_key(|setting| most(**setting));
        self.step(*first?)
    }
}

/// A search for the largest load, under way or over.
#[derive(Clone, Debug)]
pub struct Loads {
    /// Clients whose load is multiplied.
    pub clients: Vec<String>,
    /// The largest factor that was shown to meet the objectives, and its step.
    pub met: Option<(f64, usize)>,
    /// The least that was not, and its step.
    pub missed: Option<(f64, usize)>,
    /// What was simulated, in that order.
    pub steps: Vec<Step>,
}

impl Loads {
    /// What was simulated of the largest that is met.
    #[must_use]
    pub fn met(&self) -> Option<&Step> {
        self.steps.get(self.met?.1)
    }

    /// What was simulated of the least that is not.
    #[must_use]
    pub fn missed(&self) -> Option<&Step> {
        self.steps.get(self.missed?.1)
    }

    /// What was full first when it was too much, or is nearest to its limit.
    #[must_use]
    pub fn full(&self) -> Option<&Bottleneck> {
        self.missed()?.bottleneck.as_ref()
    }
}

/// Twice of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubled {
    /// Where the file says how much there is.
    pub path: String,
    /// How much there was.
    pub from: String,
    /// How much there is.
    pub to: String,
}

impl Doubled {
    /// As `--set` has it.
    #[must_use]
    pub fn set(&self) -> String {
        format!("{}={}", self.path, self.to)
    }
}
