//! Figures of error budgets and their alerts over replications.
//!
//! **Invariant.** An alert that was not judged has no figure, and a reason.

use std::collections::BTreeMap;

use crate::{
    model::{
        budget::{BurnAlertSpec, ErrorBudgetSpec},
        design::Design,
        prices::MONTH,
        probe::{BudgetMeasured, BurnMeasured},
    },
    results::{BudgetResults, BurnResults, Estimate, Means, Ratios, seconds},
    units::SimDuration,
};

/// A month, ns.
const MONTH_NS: f64 = MONTH * 3.6e12;

/// The budgets of a design without any figure yet.
pub(super) fn of(design: &Design) -> BTreeMap<String, BudgetResults> {
    let alert = |alert: &BurnAlertSpec| BurnResults {
        burn: alert.burn.0,
        long: seconds(alert.long.0),
        short: seconds(alert.short.0),
        inconclusive: (alert.long.0 >= design.duration).then(|| {
            let run = SimDuration(design.duration);
            format!("the run of {run} is not longer than its window of {}", alert.long)
        }),
        ..BurnResults::default()
    };
    let one = |spec: &ErrorBudgetSpec| BudgetResults {
        objective: spec.objective.to_string(),
        window: seconds(spec.window.0),
        alerts: spec.burns().iter().map(alert).collect(),
        ..BudgetResults::default()
    };
    design.budgets.iter().map(|(name, spec)| (name.0.clone(), one(spec))).collect()
}

/// One budget in many replications.
#[derive(Clone, Debug)]
pub(super) struct BudgetPool {
    name: String,
    /// What it is, without figures.
    about: BudgetResults,
    spent: Means,
    alerts: Vec<BurnPool>,
}

/// One of its alerts.
#[derive(Clone, Debug, Default)]
struct BurnPool {
    fired: Means,
    detect: Means,
    reset: Means,
    spent_at_page: Means,
    missed: Means,
    /// False pages, and in how long, ns.
    false_pages: Ratios,
}

impl BudgetPool {
    /// Of such a budget, and nothing yet.
    pub(super) fn new((name, about): (&String, &BudgetResults)) -> Self {
        let alerts = vec![BurnPool::default(); about.alerts.len()];
        Self { name: name.clone(), about: about.clone(), spent: Means::default(), alerts }
    }

    /// Adds what came of it in the next replication.
    pub(super) fn push(&mut self, budget: &BudgetMeasured) {
        self.spent.push(budget.spent);
        self.alerts.iter_mut().zip(&budget.alerts).for_each(|(pool, one)| pool.push(one));
    }

    /// Its name and figures.
    pub(super) fn results(&self, confidence: f64) -> (String, BudgetResults) {
        let alerts = self.alerts.iter().zip(&self.about.alerts);
        let results = BudgetResults {
            spent: self.spent.estimate(confidence),
            alerts: alerts.map(|(pool, about)| pool.results(about, confidence)).collect(),
            ..self.about.clone()
        };
        (self.name.clone(), results)
    }
}

impl BurnPool {
    fn push(&mut self, alert: &BurnMeasured) {
        self.fired.push(alert.fired.map(|n| n as f64));
        self.detect.push(alert.detect);
        self.reset.push(alert.reset);
        self.spent_at_page.push(alert.spent_at_page);
        self.missed.push(alert.missed.map(|n| n as f64));
        self.false_pages.push(alert.false_pages, alert.quiet);
    }

    fn results(&self, about: &BurnResults, confidence: f64) -> BurnResults {
        let a_month = |rate: Option<f64>| rate.map(|rate| (rate * MONTH_NS).max(0.0));
        let false_pages = self.false_pages.estimate(confidence);
        BurnResults {
            fired: self.fired.estimate(confidence),
            detect: self.detect.estimate(confidence),
            reset: self.reset.estimate(confidence),
            spent_at_page: self.spent_at_page.estimate(confidence),
            false_pages_per_month: Estimate {
                value: a_month(false_pages.value),
                lower: a_month(false_pages.lower),
                upper: a_month(false_pages.upper),
                n: false_pages.n,
            },
            missed: self.missed.estimate(confidence),
            ..about.clone()
        }
    }
}
