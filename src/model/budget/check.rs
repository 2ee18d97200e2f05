//! What can be wrong with budgets beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{BurnAlertSpec, ErrorBudgetSpec, SHORTEST};
use crate::{
    model::{
        check::{closest, few},
        names::Names,
    },
    problem::Problems,
    units::{
        SimDuration,
        show::{Quantity, value},
    },
};

/// Budgets of a design, and alerts of a budget.
const MOST: usize = 100;

/// Checks all budgets.
pub fn budgets(names: &Names, problems: &mut Problems) {
    let all = &names.design.budgets;
    let periods = all.values().map(ErrorBudgetSpec::period);
    if few(("budgets", MOST), periods, names.design.duration, problems) {
        for (name, spec) in all {
            Check { spec, path: format!("budgets.{}", name.0), names }.run(problems);
        }
    }
}

struct Check<'a> {
    spec: &'a ErrorBudgetSpec,
    path: String,
    names: &'a Names,
}

impl Check<'_> {
    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn run(&self, problems: &mut Problems) {
        self.whom(problems);
        if self.spec.period() == 0 {
            return problems.error("E-RANGE", self.at("every"), "must be above 0");
        }
        if self.spec.window.0 == 0 {
            return problems.error("E-RANGE", self.at("window"), "must be above 0");
        }
        let Some(alerts) = &self.spec.alerts else { return self.usual(problems) };
        if alerts.is_empty() || alerts.len() > MOST {
            let message = format!("{} alerts; there are 1 to {MOST}", alerts.len());
            let help = "without `alerts` they are those of the SRE workbook";
            return problems.error_help("E-RANGE", self.at("alerts"), message, help);
        }
        for (i, alert) in alerts.iter().enumerate() {
            self.alert(alert, &self.at(&format!("alerts[{i}]")), problems);
        }
    }

    /// Whose requests it is about.
    fn whom(&self, problems: &mut Problems) {
        let (objective, at) = (&self.spec.objective, self.at("objective"));
        let clients = &self.names.design.clients;
        if let Some(name) = objective.client.as_ref().filter(|name| !clients.contains_key(*name)) {
            let help = closest(&name.0, self.names.clients());
            let message = format!("unknown client `{}`", name.0);
            return problems.error_help("E-REF", at, message, help);
        }
        let wanted = |name: &str| objective.client.as_ref().is_none_or(|w| w.0 == name);
        let mut operations = Vec::new();
        for (name, client) in clients.iter().filter(|(name, _)| wanted(&name.0)) {
            let own = client.operations().into_iter().map(|(operation, _)| operation);
            let before = operations.len();
            operations.extend(own);
            let covered = operations[before..].iter().any(|o| objective.covers(&name.0, o));
            if client.active.is_some() && covered {
                let message = format!("`{}` sends now and then (`active`)", name.0);
                let help =
                    "how fast a budget is spent is seen only where requests are sent all the time";
                problems.error_help("E-CONFLICT", at.clone(), message, help);
            }
        }
        let Some(name) = &objective.operation else { return };
        if !operations.contains(&name.0) {
            let help = closest(&name.0, operations.iter().map(String::as_str));
            problems.error_help("E-REF", at, format!("unknown operation `{}`", name.0), help);
        }
    }

    /// The alerts of the workbook are of use for this window, this objective and these looks.
    fn usual(&self, problems: &mut Problems) {
        let window = self.spec.window;
        if window.0 < SHORTEST {
            let message = format!("the alerts of the SRE workbook are not for budgets of {window}");
            let help = "say which: `alerts: [{burn: 3.4, long: 1h, short: 5m}]`";
            return problems.error_help("E-RANGE", self.at("window"), message, help);
        }
        for alert in self.spec.burns() {
            if self.reachable(&alert, &self.at("objective"), problems) {
                self.windows(&alert, &self.at("every"), problems);
            }
        }
    }

    fn alert(&self, alert: &BurnAlertSpec, path: &str, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        if alert.burn.0 <= 0.0 {
            return problems.error("E-RANGE", at("burn"), "must be above 0");
        }
        if alert.short.0 == 0 || alert.short > alert.long {
            let message = "the short window must be above 0 and no longer than `long`";
            return problems.error("E-RANGE", at("short"), message);
        }
        if alert.long > self.spec.window {
            let message = format!("is longer than the window of the budget, {}", self.spec.window);
            return problems.error("E-RANGE", at("long"), message);
        }
        if self.reachable(alert, &at("burn"), problems) {
            self.windows(alert, path, problems);
        }
    }

    /// All requests bad must be enough to fire.
    fn reachable(&self, alert: &BurnAlertSpec, at: &str, problems: &mut Problems) -> bool {
        let allowed = self.spec.objective.allowed();
        let least = alert.burn.0 * allowed;
        if least < 1.0 {
            return true;
        }
        let message = format!(
            "an alert at {} times the {} that `{}` allows would never fire",
            value(Quantity::Number, alert.burn.0),
            value(Quantity::Share, allowed),
            self.spec.objective,
        );
        let help = "`alerts` with lower `burn`: not more than all requests can be bad";
        problems.error_help("E-RANGE", at, message, help);
        false
    }

    /// Windows are whole numbers of looks.
    fn windows(&self, alert: &BurnAlertSpec, at: &str, problems: &mut Problems) {
        let period = self.spec.period();
        for window in [alert.long, alert.short] {
            if !window.0.is_multiple_of(period) {
                let every = SimDuration(period);
                let message = format!("{window} is not a whole number of looks, one each {every}");
                let help = "`every` says how often it looks; 15 s when absent";
                return problems.error_help("E-RANGE", at, message, help);
            }
        }
    }
}
