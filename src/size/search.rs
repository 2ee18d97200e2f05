//! The cheapest setting that passes, by simulating few.
//!
//! **Invariant.** `asks` depends on what was told and on nothing else.

use super::grid::{Direction, Grid};

/// What came of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is met.
    Pass,
    /// Something is missed.
    Fail,
    /// Neither is shown.
    Undecided,
}

/// What is known of costs before anything is simulated.
#[derive(Clone, Debug)]
pub enum Costs {
    /// What each setting costs.
    Known(Vec<f64>),
    /// What each costs as far as that is not paid by use; what is, is taken to be the same of all until steps speak against it.
    Without(Vec<f64>),
    /// Only what costs more along which knob: each setting must be simulated to know.
    Simulated(Vec<f64>),
}

/// What steps say against what was taken for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// The first passes, and the second, which has as much or more of everything, fails.
    Larger(usize, usize),
    /// The first was to cost less than the second, and costs more.
    Costs(usize, usize),
}

/// What was told of a setting.
#[derive(Clone, Copy, Debug)]
struct Told {
    outcome: Outcome,
    cost: f64,
}

/// A search under way.
///
/// What costs more is taken to do better: a setting that has no more of anything than one that failed is ruled out, and what
/// is not cheaper than one that passed is not asked for. Of what is left that setting is next that rules out most
/// whatever comes of it: along one knob that is bisection.
#[derive(Clone, Debug)]
pub struct Search {
    grid: Grid,
    directions: Vec<Direction>,
    costs: Costs,
    /// Settings in order of cost; equal ones in order of their numbers.
    order: Vec<usize>,
    /// Place of each in that order.
    rank: Vec<usize>,
    /// Settings that are expected to fail: they are asked for last.
    doubted: Vec<bool>,
    told: Vec<Option<Told>>,
    /// Those that were told of.
    asked: Vec<usize>,
    contradiction: Option<Contradiction>,
}

impl Search {
    /// Of nothing told yet. What is doubted is asked for only when nothing else is left.
    #[must_use]
    pub fn new(grid: Grid, costs: Costs, doubted: Vec<bool>) -> Self {
        let n = grid.len();
        let (Costs::Known(of) | Costs::Without(of) | Costs::Simulated(of)) = &costs;
        let directions = grid.directions(of);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| of[*a].total_cmp(&of[*b]));
        let mut rank = vec![0; n];
        order.iter().enumerate().for_each(|(place, setting)| rank[*setting] = place);
        let told = vec![None; n];
        let asked = Vec::new();
        Self { grid, directions, costs, order, rank, doubted, told, asked, contradiction: None }
    }

    /// The settings.
    #[must_use]
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// What costs more along each knob.
    #[must_use]
    pub fn directions(&self) -> &[Direction] {
        &self.directions
    }

    /// Whether all settings that are left are simulated, whatever is known.
    #[must_use]
    pub fn is_exhaustive(&self) -> bool {
        self.contradiction.is_some() || matches!(self.costs, Costs::Simulated(_))
    }

    /// What was found to be otherwise than taken for granted.
    #[must_use]
    pub fn contradiction(&self) -> Option<Contradiction> {
        self.contradiction
    }

    /// What came of a setting, if it was simulated.
    #[must_use]
    pub fn outcome(&self, setting: usize) -> Option<Outcome> {
        Some(self.told[setting]?.outcome)
    }

    /// How many settings were simulated.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.asked.len()
    }

    /// What came of a setting, and what it costs as simulated.
    pub fn tell(&mut self, setting: usize, outcome: Outcome, cost: f64) {
        self.told[setting] = Some(Told { outcome, cost });
        self.asked.push(setting);
        if self.contradiction.is_none() {
            self.contradiction = self.contradicts(setting);
        }
    }

    fn contradicts(&self, new: usize) -> Option<Contradiction> {
        let is = |of: usize, outcome| self.outcome(of) == Some(outcome);
        let mut others = self.asked.iter().copied().filter(|other| *other != new);
        if is(new, Outcome::Fail) {
            let passed = others.find(|s| is(*s, Outcome::Pass) && self.is_below(*s, new));
            return passed.map(|passed| Contradiction::Larger(passed, new));
        }
        if !is(new, Outcome::Pass) {
            return None;
        }
        if let Some(failed) = others.find(|s| is(*s, Outcome::Fail) && self.is_below(new, *s)) {
            return Some(Contradiction::Larger(new, failed));
        }
        let Costs::Without(of) = &self.costs else { return None };
        let cost = |of: usize| self.told[of].map_or(0.0, |told| told.cost);
        let passed = self.asked.iter().copied().filter(|other| is(*other, Outcome::Pass));
        passed
            .map(|other| if of[other] < of[new] { (other, new) } else { (new, other) })
            .find(|(cheap, dear)| of[*cheap] < of[*dear] && cost(*cheap) > cost(*dear))
            .map(|(cheap, dear)| Contradiction::Costs(cheap, dear))
    }

    fn is_below(&self, a: usize, b: usize) -> bool {
        self.grid.is_below(a, b, &self.directions)
    }

    /// The cheapest setting that passed.
    #[must_use]
    pub fn best(&self) -> Option<usize> {
        let passed = self.order.iter().copied();
        let mut passed = passed.filter(|s| self.outcome(*s) == Some(Outcome::Pass));
        if let Costs::Known(_) = self.costs {
            return passed.next();
        }
        let cost = |of: &usize| self.told[*of].map_or(f64::INFINITY, |told| told.cost);
        // Of equal ones the first.
        passed.reduce(|best, other| if cost(&other) < cost(&best) { other } else { best })
    }

    /// The next setting to simulate; none when the answer is known.
    #[must_use]
    pub fn asks(&self) -> Option<usize> {
        let best = self.best();
        let open = self.open(best);
        if self.is_exhaustive() {
            let mut left = self.order.iter().copied();
            return left.find(|s| open[*s]).or_else(|| self.neighbour(best?));
        }
        let hopeful: Vec<bool> = open.iter().zip(&self.doubted).map(|(o, d)| *o && !d).collect();
        let hopeful = self.telling(&hopeful, usize::min);
        hopeful
            .or_else(|| self.neighbour(best?))
            // What is expected to fail, by how much that rules out.
            .or_else(|| self.telling(&open, |failed, _| failed))
            .or_else(|| self.least(best))
    }

    /// The cheapest where nothing passed: it may be that less does better.
    fn least(&self, best: Option<usize>) -> Option<usize> {
        let least = self.order.first().copied()?;
        (best.is_none() && self.told[least].is_none()).then_some(least)
    }

    /// Settings that may be the answer and were not simulated.
    fn open(&self, best: Option<usize>) -> Vec<bool> {
        let cheaper = |setting: usize| best.is_none_or(|best| self.rank[setting] < self.rank[best]);
        let by_cost = match (&self.costs, self.contradiction) {
            // Costs as they were known order nothing any more.
            (Costs::Simulated(_), _) | (_, Some(Contradiction::Costs(..))) => false,
            _ => true,
        };
        let by_failure = !matches!(self.contradiction, Some(Contradiction::Larger(..)));
        let of = |setting: usize| {
            let left = self.told[setting].is_none() && (!by_cost || cheaper(setting));
            left && !(by_failure && self.is_ruled_out(setting))
        };
        (0..self.grid.len()).map(of).collect()
    }

    /// Whether it has no more of anything than one that failed. One that is undecided says nothing of others.
    fn is_ruled_out(&self, setting: usize) -> bool {
        let failed = self.asked.iter().filter(|of| self.outcome(**of) == Some(Outcome::Fail));
        failed.into_iter().any(|failed| self.is_below(setting, *failed))
    }

    /// The one of these that rules out most of them, by what it does if it fails and if it passes; of equal ones the
    /// cheapest.
    fn telling(&self, open: &[bool], by: fn(usize, usize) -> usize) -> Option<usize> {
        let ones: Vec<usize> = open.iter().map(|open| usize::from(*open)).collect();
        let all: usize = ones.iter().sum();
        let if_failed = self.grid.sums_below(ones, &self.directions);
        let (mut best, mut cheaper) = (None, 0);
        for &setting in self.order.iter().filter(|s| open[**s]) {
            let rules_out = by(if_failed[setting], all - cheaper);
            cheaper += 1;
            if best.is_none_or(|(most, _)| rules_out > most) {
                best = Some((rules_out, setting));
            }
        }
        best.map(|(_, setting)| setting)
    }

    /// One that has one step less of something than the answer, and was not simulated.
    fn neighbour(&self, best: usize) -> Option<usize> {
        self.one_less(best).into_iter().flatten().find(|less| self.told[*less].is_none())
    }

    /// Of each knob, the setting with one step less of it: of what costs less, or where that is unknown what stands before it.
    #[must_use]
    pub fn one_less(&self, of: usize) -> Vec<Option<usize>> {
        let less = |(knob, direction): (usize, &Direction)| {
            self.grid.step(of, knob, *direction == Direction::Falling)
        };
        self.directions.iter().enumerate().map(less).collect()
    }

    /// Cheaper settings than the answer that nobody could decide.
    #[must_use]
    pub fn undecided(&self) -> Vec<usize> {
        let undecided = |s: &usize| self.outcome(*s) == Some(Outcome::Undecided);
        let cheaper = |s: &usize| self.best().is_none_or(|best| self.rank[*s] < self.rank[best]);
        self.order.iter().copied().filter(undecided).filter(cheaper).collect()
    }
}

#[cfg(test)]
mod tests;
