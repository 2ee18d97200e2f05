//! Many cells of one scenario: each checked before any is simulated, then simulated on the same seeds.
//!
//! **Invariant.** What is known of a cell depends on its settings, not on the others, nor on when it was simulated.

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use sha2::{Digest as _, Sha256};

mod findings;
pub mod journal;

pub use findings::swept;

use crate::{
    results::{
        ComparedFigure, ComparedMetric, Estimate, Results, SEMANTICS_VERSION, SloResult, Status,
        SweepAxis, SweepPlan, SweptCell, SweptFigure,
    },
    scenario::{
        cells::Cells,
        load::{Files, Overrides, Rejected},
        scale::small,
    },
    slo::{Gathering, Metric},
    study::{Breach, Examined, Precision, Study, examine, hex, identified, run_id, seeds},
    units::show::{Quantity, plural, value},
};

/// How many replications each cell has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Replications {
    /// So many.
    Number(u32),
    /// As many as it takes.
    Precision(Precision),
}

impl Replications {
    fn most(self) -> usize {
        match self {
            Self::Number(n) => n as usize,
            Self::Precision(precision) => precision.most as usize,
        }
    }

    /// As many as there are at least.
    #[must_use]
    pub const fn least(self) -> u32 {
        match self {
            Self::Number(n) => n,
            Self::Precision(_) => Precision::LEAST,
        }
    }

    fn rule(self) -> String {
        match self {
            Self::Number(n) => plural(u64::from(n), "replication"),
            Self::Precision(Precision { wanted, most }) => {
                format!(
                    "replications until {} precise, {most} at most",
                    value(Quantity::Share, wanted)
                )
            }
        }
    }
}

/// A scenario and its cells.
pub struct Sweeping<'f> {
    /// The scenario's file.
    pub path: String,
    /// Where it and its data are.
    pub files: &'f (dyn Files + Sync),
    /// What is overridden in all cells.
    pub overrides: Overrides,
    /// The cells.
    pub cells: Cells,
    /// What is gathered of each.
    pub metrics: Vec<Metric>,
    /// How often each is simulated.
    pub replications: Replications,
    /// Events of a replication at most.
    pub max_events: u64,
    /// How many times smaller each is simulated; 1: as it is.
    pub scale: u64,
}

impl std::fmt::Debug for Sweeping<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sweeping")
            .field("path", &self.path)
            .field("cells", &self.cells)
            .finish_non_exhaustive()
    }
}

/// What tells a sound cell from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// With what the figures mean.
    pub key: String,
    /// Without it.
    own: String,
}

impl Sweeping<'_> {
    /// The scenario of a cell, in small if that is wanted.
    ///
    /// # Errors
    ///
    /// It is not sound, or not the same in small.
    pub fn overrides(&self, cell: usize) -> Result<Overrides, Rejected> {
        let mut overrides = self.cells.overrides(cell, &self.overrides);
        if self.scale > 1 {
            let small = small(&self.path, self.files, &overrides, self.scale)?;
            overrides.sets.extend(small.sets);
        }
        Ok(overrides)
    }

    /// A cell looked at as a scenario of its own.
    #[must_use]
    pub fn examine(&self, cell: usize) -> Examined {
        match self.overrides(cell) {
            Ok(overrides) => examine(&self.path, self.files, &overrides, &[]),
            Err(Rejected { sources, found, .. }) => {
                Examined { study: None, sources, found, single_points: Vec::new() }
            }
        }
    }

    /// What a sound cell is known by.
    #[must_use]
    pub fn identity(&self, study: &Study) -> Identity {
        let metrics: Vec<&str> = self.metrics.iter().map(Metric::text).collect();
        let rule = format!("{}, {} events, {metrics:?}", self.replications.rule(), self.max_events);
        let seeds = seeds(study.seed, self.replications.most());
        let data = &study.info().data;
        Identity {
            key: run_id(&study.resolved, data, &seeds, &rule),
            own: identified(&rule, &study.resolved, data, &seeds),
        }
    }

    /// What all cells have in common; `base` is the file as it stands, `identities` are of all cells.
    #[must_use]
    pub fn plan(&self, base: &Study, identities: &[Identity]) -> SweepPlan {
        let mut hash = Sha256::new();
        for identity in identities {
            hash.update(&identity.own);
        }
        let described = |metric: &Metric| ComparedMetric {
            metric: metric.text().to_owned(),
            unit: metric.quantity().unit().to_owned(),
            better: if metric.more_is_better() { "higher" } else { "lower" }.to_owned(),
        };
        let axes = self.cells.axes.iter();
        let axes = axes.map(|of| SweepAxis { path: of.path.clone(), values: of.values.clone() });
        SweepPlan {
            windtunnel_version: env!("CARGO_PKG_VERSION").to_owned(),
            semantics_version: SEMANTICS_VERSION,
            scenario: base.info().scenario.clone(),
            sweep: hex(&hash.finalize())[..16].to_owned(),
            axes: axes.collect(),
            drawn: self.cells.drawn,
            cells: self.cells.len() as u64,
            seed: base.seed,
            rule: match self.scale {
                1 => self.replications.rule(),
                by => format!("{} of 1/{by} of it", self.replications.rule()),
            },
            confidence: base.info().confidence,
            metrics: self.metrics.iter().map(described).collect(),
        }
    }

    /// Simulates a cell; none when it was stopped before all of its replications finished.
    ///
    /// # Errors
    ///
    /// Its scenario is not sound, or a replication broke an invariant of the program.
    pub fn simulate(
        &self,
        (cell, key): (usize, &str),
        replications: Replications,
        stop: &AtomicBool,
    ) -> Result<Result<Option<SweptCell>, Breach>, Rejected> {
        let overrides = self.overrides(cell)?;
        let mut study = Study::open(&self.path, self.files, &overrides)?;
        study.limit_events(self.max_events);
        let gathered = match replications {
            Replications::Number(n) => study.gather(&self.metrics, n as usize, stop),
            Replications::Precision(precision) => study.gather_to(&self.metrics, precision, stop),
        };
        Ok(gathered.map(|gathered| {
            let (results, gathered) = gathered.into_parts();
            if results.seeds.is_empty() || results.status == Status::Interrupted {
                return None;
            }
            let figures = self.metrics.iter().zip(&gathered);
            let figures = figures.filter_map(|(metric, figure)| {
                Some((metric.text().to_owned(), kept(figure.as_ref()?, &results)))
            });
            Some(SweptCell {
                cell: cell as u64,
                key: key.to_owned(),
                settings: self.cells.settings(cell).into_iter().collect::<BTreeMap<_, _>>(),
                status: results.status,
                replications: results.seeds.len() as u64,
                figures: figures.collect(),
                slos: objectives(&results),
                fingerprint: results.fingerprint.clone(),
            })
        }))
    }
}

fn objectives(results: &Results) -> Vec<SloResult> {
    // What is held against a baseline is not judged here.
    let own = results.slos.iter().filter(|slo| !slo.is_of_baseline());
    own.map(|slo| SloResult { estimate: finite(slo.estimate), ..slo.clone() }).collect()
}

/// A figure as it is kept: numbers that are none are absent.
fn kept(figure: &Gathering, results: &Results) -> SweptFigure {
    let sampled = figure.sampled(results, true);
    let known = sampled.value.is_some_and(f64::is_finite);
    let estimate = if known { finite(sampled.estimate) } else { Estimate::default() };
    let never: Vec<f64> = sampled.never.iter().flatten().copied().collect();
    SweptFigure {
        figure: ComparedFigure { estimate, never: crate::stats::mean(&never) },
        beyond: sampled.value.is_some_and(f64::is_infinite),
        each: sampled.each.into_iter().map(|one| one.filter(|x| x.is_finite())).collect(),
    }
}

fn finite(estimate: Estimate) -> Estimate {
    let known = |x: Option<f64>| x.filter(|x| x.is_finite());
    Estimate {
        value: known(estimate.value),
        lower: known(estimate.lower),
        upper: known(estimate.upper),
        ..estimate
    }
}
