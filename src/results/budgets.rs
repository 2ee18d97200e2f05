//! What error budgets and their alerts came to.

use serde::{Deserialize, Serialize};

use super::Estimate;

/// One error budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BudgetResults {
    /// What must hold, as in the file.
    pub objective: String,
    /// How long the budget has to last, s.
    pub window: f64,
    /// Share of a whole window's budget that was spent in the measured time (of a run that is longer: in a window,
    /// mean).
    pub spent: Estimate,
    /// Its alerts, in their order.
    pub alerts: Vec<BurnResults>,
}

/// One alert of an error budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BurnResults {
    /// It fires when the budget is spent so many times as fast as it may be.
    pub burn: f64,
    /// Over how long, s.
    pub long: f64,
    /// Over how long before the look, s.
    pub short: f64,
    /// Why it was not judged: all figures are null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconclusive: Option<String>,
    /// Times it fired, mean over replications.
    pub fired: Estimate,
    /// From the start of a fault to its first page, s; mean over the replications in which there was one.
    pub detect: Estimate,
    /// From the end of such a fault until the alert was over, s; mean over those in which it was.
    pub reset: Estimate,
    /// Spent from the start of such a fault to its page, as a share of a whole window's budget.
    pub spent_at_page: Estimate,
    /// Pages while no fault was at work in what it looked at, in a month (730 h) of such time; null: there was none.
    pub false_pages_per_month: Estimate,
    /// Faults a run that spent more than it is made for and that no page told of; null: there was no fault.
    pub missed: Estimate,
}
