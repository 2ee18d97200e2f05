//! Error budgets: what an objective allows to go wrong, and the alerts that watch how fast it is spent.
//!
//! Requests are counted as they are decided (`counts.rs`), from one look to the next; what the alerts would have
//! done is worked out when a replication is over (`pages.rs`), as nothing follows from them.
//!
//! **Invariant.** A budget changes no event.

pub mod check;
pub mod counts;
pub mod pages;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Name, Number, SimDuration, text_value};

const MINUTE: u64 = 60_000_000_000;
const HOUR: u64 = 60 * MINUTE;
/// Time between two looks when nothing else is said, ns.
const EVERY: u64 = MINUTE / 4;
/// Shortest window for which the alerts of the workbook are of use: half of the 30 days they are made for.
const SHORTEST: u64 = 15 * 24 * HOUR;

/// What an objective allows to go wrong, and the alerts that watch how fast that is spent: those of the SRE
/// workbook (chapter 5) unless `alerts` says others. They are looked at in the run, on the requests that it decided, and
/// nothing follows from them but figures.
///
/// ```yaml
/// budgets:
///   front: {objective: availability >= 99.9%, window: 30d}
///   buying:
///     objective: availability(client=shoppers operation=buy) >= 99.5%
///     window: 28d
///     alerts: [{burn: 14.4, long: 1h, short: 5m}, {burn: 6, long: 6h, short: 30m}]
///   fast: {objective: p99(latency) <= 300ms, window: 30d, every: 1m}
/// ```
///
/// `results.json` has, below `budgets` and the name:
///
/// - `spent`: the share of a whole window's budget that this run spent: the share of bad ones among the requests of
///   the availability figures (those sent after the warm-up and decided), divided by what the objective allows, times the
///   measured time over the `window`. So the traffic of the run stands for that of the whole window; of a run longer than
///   the window it is the mean of a window.
/// - `alerts[]`, each with its `burn`, `long` and `short`: `fired` (times in a run); `detect`, from the start of a fault to its first
///   page, s; `reset`, from the end of the fault until the alert is over, s, 0 if it was over before; `spent_at_page`: what was
///   spent from the start of the fault (from the last look before it) to its first page, as a share of a whole window's budget;
///   `missed`: faults in a run that spent more than the alert is made for (`burn` x `long` / `window`, 2 % for the first of the
///   workbook's) by the time their last traces left the short window, and that no page told of; and `false_pages_per_month`:
///   pages while no fault was at work in anything they looked at, as many as a month (730 h) of such time would have, counted
///   from when a whole `long` window had been seen; null where there was no such time.
///
/// A page is of the last fault that began before it, if that was still at work in the long window. A replication in which
/// something was not seen (no page, no end of it) is left out of its mean. An alert whose `long` window is longer than the run
/// is not judged: all its figures are null, and `inconclusive` says why.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorBudgetSpec {
    /// What must hold: `availability >= 99.9%` (answers within their deadline), or `p99(latency) <= 300ms`, which
    /// allows 1 % of the requests to be slower or to fail; of all requests, of a `client=`, of an `operation=`. A request counts
    /// when it is decided, and one that never is does not count.
    pub objective: Objective,
    /// How long the budget has to last.
    pub window: SimDuration,
    /// Alerts in place of the workbook's. Those spend 2 % of the budget in 1 h, 5 % in 6 h and 10 % in 3 d before they
    /// fire, with short windows of a twelfth: burn 14.4, 6 and 1 of a `window` of 30 d, and of another one as much more as it
    /// is longer (13.44, 5.6 and 0.93 of 28 d). Of windows below 15 d the last would fire at half of what is allowed:
    /// they need alerts of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Vec<BurnAlertSpec>>,
    /// Time from one look to the next; 15 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<SimDuration>,
}

/// An alert on how fast an error budget is spent: it fires when the share of bad requests is more than `burn` times what the
/// objective allows, over the long window and over the short one, and is over when it is not in one of them. At the start of
/// a run the windows hold what there was.
///
/// ```yaml
/// budgets:
///   front:
///     objective: availability >= 99.9%
///     window: 30d
///     alerts: [{burn: 14.4, long: 1h, short: 5m}]
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BurnAlertSpec {
    /// How many times as fast as would spend the budget in just its window.
    pub burn: Number,
    /// Over how long it must be so.
    pub long: SimDuration,
    /// Over how long before the look it must be so too, so that the alert is over soon after its cause; as long as `long`: that
    /// one window alone.
    pub short: SimDuration,
}

/// `availability(operation=buy) >= 99.9%`
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Of one client.
    pub client: Option<Name>,
    /// Of one operation.
    pub operation: Option<Name>,
    /// Who succeeds later is bad, ns; none: who succeeds after its deadline.
    pub limit: Option<u64>,
    /// Share that must be good.
    pub good: f64,
    /// The same as it was written.
    written: String,
}

text_value!(
    Objective,
    "BudgetObjective",
    "an objective such as `availability >= 99.9%` or `p99(latency) <= 300ms`",
    ["availability >= 99.9%", "p99(latency operation=buy) <= 300ms"]
);

impl ErrorBudgetSpec {
    /// Time from one look to the next, ns.
    pub fn period(&self) -> u64 {
        self.every.map_or(EVERY, |every| every.0)
    }

    /// Its alerts, or those of the workbook: share of the budget that is spent when they fire, and windows.
    pub fn burns(&self) -> Vec<BurnAlertSpec> {
        let usual =
            [(0.02, HOUR, 5 * MINUTE), (0.05, 6 * HOUR, HOUR / 2), (0.1, 72 * HOUR, 6 * HOUR)];
        let scaled = |(share, long, short): (f64, u64, u64)| {
            // To nine digits: 14.4 is meant, not 14.399999999999999.
            let burn = share * self.window.0 as f64 / long as f64;
            let burn = Number(libm::round(burn * 1e9) / 1e9);
            BurnAlertSpec { burn, long: SimDuration(long), short: SimDuration(short) }
        };
        self.alerts.clone().unwrap_or_else(|| usual.map(scaled).to_vec())
    }
}

impl Objective {
    /// Share that may be bad.
    pub fn allowed(&self) -> f64 {
        1.0 - self.good
    }

    /// Whether it is about an operation of a client.
    pub fn covers(&self, client: &str, operation: &str) -> bool {
        let is = |wanted: &Option<Name>, name: &str| wanted.as_ref().is_none_or(|w| w.0 == name);
        is(&self.client, client) && is(&self.operation, operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alerts_of_the_workbook_go_by_the_window() {
        for (days, burns) in
            [(30, [14.4, 6.0, 1.0]), (28, [13.44, 5.6, 0.933_333_333]), (90, [43.2, 18.0, 3.0])]
        {
            let spec = ErrorBudgetSpec {
                objective: "availability >= 99.9%".parse().unwrap(),
                window: SimDuration(days * 24 * HOUR),
                alerts: None,
                every: None,
            };
            let found: Vec<f64> = spec.burns().iter().map(|b| b.burn.0).collect();
            assert_eq!(found, burns, "{days} d");
            assert!(spec.burns().iter().all(|b| b.long.0 == 12 * b.short.0));
        }
    }
}
