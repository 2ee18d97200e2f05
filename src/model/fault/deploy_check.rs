//! What can be wrong with a deployment beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use crate::{
    model::{
        alert::check::alert_named,
        check::closest,
        fault::deploy::{BatchSpec, DeploySpec},
        names::Names,
    },
    problem::Problems,
};

impl DeploySpec {
    /// Reports what is wrong with it.
    pub fn check(&self, at: &str, names: &Names, problems: &mut Problems) {
        let to = |key: &str| format!("{at}.{key}");
        if let Some(name) = &self.rollback {
            alert_named(name, &to("rollback"), names, problems);
        }
        if let Some(batches) = &self.batch {
            let none = |batch: &BatchSpec| match batch {
                BatchSpec::Count(n) => n.0 == 0,
                BatchSpec::Share(share) => share.0 <= 0.0,
            };
            if batches.0.is_empty() || batches.0.iter().any(none) {
                let help = "such as `1`, `25%`, or `[1, 25%]`";
                problems.error_help("E-RANGE", to("batch"), "nobody would ever take it up", help);
            }
        }
        let stops = [
            ("drain", self.drain.is_some()),
            ("notice", self.notice.is_some()),
            ("before_stop", self.before_stop.is_some()),
        ];
        if self.restart == Some(false) {
            for (key, _) in stops.iter().filter(|(_, given)| *given) {
                let message = "nothing stops, so nothing is drained";
                problems.error("E-CONFLICT", to(key), message);
            }
            if self.set.is_empty() {
                let help = "`set` says what is new; with `restart` it is a rolling restart";
                problems.error_help("E-FAULT", at, "changes nothing", help);
            }
        }
        let Some(node) = names.node(&self.node.0) else {
            let help = closest(&self.node.0, names.nodes());
            let message = format!("unknown node `{}`", self.node.0);
            return problems.error_help("E-REF", to("node"), message, help);
        };
        let kind = names.kind(node);
        if !kind.restarts() || names.host(node).is_some() {
            let message = format!("`{}` has no instances that could be restarted", self.node.0);
            let help = "a service, function, store or cache has; what is inside another is deployed with that";
            return problems.error_help("E-FAULT-TARGET", to("node"), message, help);
        }
        for (key, given) in stops.into_iter().skip(1) {
            if given && kind.comes_and_goes().is_some() {
                let message = "instances that come and go are told to leave when balancers are";
                problems.error_help("E-CONFLICT", to(key), message, "leave it out");
            }
        }
        for (key, given) in stops.into_iter().chain([("restart", self.restart.is_some())]) {
            if given && kind.has_environments() {
                let message =
                    "each environment ends with the request that is inside, and newer ones start";
                problems.error_help("E-CONFLICT", to(key), message, "leave it out");
            }
        }
        for key in self.set.keys() {
            let first = key.split(['.', '[']).next().unwrap_or(key);
            // What instances cannot differ in.
            let shared = ["instances", "shards", "inbound", "limits", "background", "autoscale"];
            let keys: Vec<&str> =
                kind.changeable().iter().copied().filter(|key| !shared.contains(key)).collect();
            if !keys.contains(&first) {
                let message = format!("`{first}` cannot change while the design runs");
                let help = format!("of a {} these can: {}", kind.facts().kind, keys.join(", "));
                let at = format!("{at}.set.\"{key}\"");
                problems.error_help("E-FAULT-TARGET", at, message, help);
            }
        }
    }
}
