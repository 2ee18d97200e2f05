//! How much is enough: the cheapest setting of a scenario's knobs whose objectives all pass.
//!
//! **Invariant.** Nothing is simulated unless all settings are sound. Each is judged as `check` judges it, on the same
//! seeds.

use super::{
    grid::{Direction, Grid},
    search::{Costs, Outcome, Search},
    told::{Sized, Step},
};
use crate::{
    problem::Problems,
    scenario::{
        load::{Files, Loaded, Overrides, Rejected, load},
        problems::Found,
        sizing::Knob,
    },
    slo::{Metric, Verdict},
    study::{Checked, MONEY, Outline, meanings, minimised, outline},
};

/// Figures whose order is known before anything is simulated.
const KNOWN: [&str; 2] = [MONEY, "cost.per_hour"];

/// A search under way: simulate what it `asks` for and `tell` what came of it, until it asks for nothing.
#[derive(Clone, Debug)]
pub struct Sizing {
    sized: Sized,
    asked: Option<usize>,
}

impl Sizing {
    /// Over the knobs of the scenario at `path`.
    ///
    /// # Errors
    ///
    /// There are no knobs, or a setting cannot be run.
    pub fn open(path: &str, files: &dyn Files, overrides: &Overrides) -> Result<Self, Rejected> {
        let loaded = load(path, files, overrides)?;
        sizing(&loaded).map_err(|found| Rejected {
            sources: loaded.sources.clone(),
            found,
            rest: None,
        })
    }

    /// The next setting to simulate, as `--set` has it; none when the answer is known.
    pub fn asks(&mut self) -> Option<Vec<String>> {
        self.asked = self.sized.search.asks();
        let setting = self.asked?;
        let each = self.sized.knobs.iter().zip(self.values(setting));
        let sets = each
            .flat_map(|(knob, value)| knob.paths.iter().map(move |path| format!("{path}={value}")));
        Some(sets.collect())
    }

    fn values(&self, setting: usize) -> Vec<String> {
        let positions = self.sized.search.grid().positions(setting);
        let each = self.sized.knobs.iter().zip(positions);
        each.map(|(knob, position)| knob.values[position].clone()).collect()
    }

    /// What came of the setting it asked for.
    pub fn tell(&mut self, checked: &Checked, cost: Option<f64>) -> &Step {
        let setting = self.asked.expect("it asked for one");
        // What nobody observed is not the least.
        let least = cost.unwrap_or(f64::INFINITY);
        self.sized.search.tell(setting, outcome(checked.verdict), least);
        let step = step(self.values(setting), checked, cost);
        self.sized.settings.push(setting);
        self.sized.steps.push(step);
        self.sized.steps.last().expect("it was just told")
    }

    /// What is known by now.
    #[must_use]
    pub const fn sized(&self) -> &Sized {
        &self.sized
    }
}

pub(super) const fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Pass => Outcome::Pass,
        Verdict::Fail => Outcome::Fail,
        Verdict::Inconclusive => Outcome::Undecided,
    }
}

/// What remains of a design that was judged.
pub(super) fn step(setting: Vec<String>, checked: &Checked, cost: Option<f64>) -> Step {
    Step {
        setting,
        verdict: checked.verdict,
        replications: checked.results.seeds.len(),
        cost,
        throughput: checked.results.summary.figures.throughput.value,
        objectives: checked.objectives.clone(),
        bottleneck: checked.results.bottleneck.clone(),
    }
}

fn sizing(loaded: &Loaded) -> Result<Sizing, Vec<Found>> {
    let spec = &loaded.spec;
    let missing = |at: &str, message: &str, help: &str| {
        let mut problems = Problems::default();
        problems.error_help("E-MISSING", at, message, help);
        loaded.found(&problems.into_vec())
    };
    let size = spec.size.as_ref().ok_or_else(|| {
        let help = "size: {knobs: {nodes.api.service.instances: 2..40}}, or `--knob PATH=RANGE`";
        missing("windtunnel", "`size` is missing", help)
    })?;
    if spec.slos.is_empty() && spec.expect.is_empty() {
        let help = "give it `slos`, such as `slos: [availability >= 99.9%]`";
        return Err(missing("size", "there are no objectives to meet", help));
    }
    let knobs = size.knobs().map_err(|problem| loaded.found(&[problem]))?;
    let mut problems = Problems::default();
    let metric = minimised(spec, &mut problems);
    if problems.any_error() {
        return Err(loaded.found(&problems.into_vec()));
    }
    let grid = Grid::new(knobs.iter().map(|knob| knob.values.len()).collect());
    let hits = spec.requirements.as_ref().and_then(|required| required.cache.as_ref());
    let missed = hits.map_or(0.0, |cache| 1.0 - cache.hit_ratio.0);
    let outlines = outlines(loaded, (&grid, &knobs), missed)?;
    let doubted: Vec<bool> = outlines.iter().map(is_doubted).collect();
    let costs = costs(&grid, &outlines, metric.as_ref());
    let sized = Sized {
        knobs,
        minimise: metric.map(|metric| (metric.text().to_owned(), metric.quantity())),
        doubted: doubted.iter().filter(|doubted| **doubted).count(),
        search: Search::new(grid, costs, doubted),
        steps: Vec::new(),
        settings: Vec::new(),
    };
    Ok(Sizing { sized, asked: None })
}

/// What is known of each setting before it is simulated.
fn outlines(
    loaded: &Loaded,
    (grid, knobs): (&Grid, &[Knob]),
    missed: f64,
) -> Result<Vec<Outline>, Vec<Found>> {
    let of = |setting: usize| {
        let positions = grid.positions(setting);
        let each = knobs.iter().zip(positions);
        let values: Vec<_> = each.map(|(knob, at)| (knob, knob.values[at].as_str())).collect();
        loaded.with(&values, &meanings).map(|spec| outline(&spec, missed))
    };
    (0..grid.len()).map(of).collect()
}

/// More is asked of one of its nodes than it can do. Caches, time-outs and limits may have it pass all the same.
fn is_doubted(of: &Outline) -> bool {
    of.offered.iter().any(|node| node.busy > node.each * node.instances as f64)
}

/// What each setting costs, as far as that is known.
fn costs(grid: &Grid, outlines: &[Outline], metric: Option<&Metric>) -> Costs {
    let before: Option<Vec<_>> = outlines.iter().map(|of| of.cost).collect();
    let Some(before) = before else {
        let places = |setting| grid.positions(setting).iter().sum::<usize>() as f64;
        let places = (0..grid.len()).map(places).collect();
        return if metric.is_none() { Costs::Known(places) } else { Costs::Simulated(places) };
    };
    let month: Vec<f64> = before.iter().map(|cost| cost.month).collect();
    let by_use = before.iter().any(|cost| cost.by_use);
    let unknown = grid.directions(&month).contains(&Direction::Unknown);
    match metric {
        Some(metric) if !KNOWN.contains(&metric.text()) => Costs::Simulated(month),
        // Use may decide between settings that cost the same without it.
        _ if by_use && unknown => Costs::Simulated(month),
        _ if by_use => Costs::Without(month),
        _ => Costs::Known(month),
    }
}
