//! What can be wrong with alerts beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{AlertSpec, MOST_LOOKS, Signal, Source};
use crate::{
    model::{
        check::{closest, few},
        fault::FaultSpec,
        ids::NodeId,
        names::Names,
    },
    problem::Problems,
    units::{Name, SimDuration},
};

/// Alerts of a design.
const MAX_ALERTS: usize = 100;

/// Checks all alerts.
pub fn alerts(names: &Names, problems: &mut Problems) {
    let all = &names.design.alerts;
    let periods = all.values().map(AlertSpec::period);
    if few(("alerts", MAX_ALERTS), periods, names.design.duration, problems) {
        for (name, spec) in all {
            Check { spec, path: format!("alerts.{}", name.0), names }.run(problems);
        }
    }
}

/// The alert of that name, which is missed where there is none.
pub fn alert_named<'a>(
    name: &Name,
    path: &str,
    names: &'a Names,
    problems: &mut Problems,
) -> Option<&'a AlertSpec> {
    let all = &names.design.alerts;
    let found = all.get(name);
    if found.is_none() {
        let help = closest(&name.0, all.keys().map(|name| name.0.as_str()));
        problems.error_help("E-REF", path, format!("unknown alert `{}`", name.0), help);
    }
    found
}

struct Check<'a> {
    spec: &'a AlertSpec,
    path: String,
    names: &'a Names,
}

impl Check<'_> {
    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn run(&self, problems: &mut Problems) {
        self.whom(problems);
        self.times(problems);
        self.reachable(problems);
        let Some(least) = self.spec.min_calls else { return };
        let counts = matches!(
            self.spec.when.signal,
            Signal::ErrorFraction | Signal::Availability | Signal::Latency(_) | Signal::ColdShare
        );
        if least.0 == 0 {
            problems.error("E-RANGE", self.at("min_calls"), "must be at least 1");
        } else if !counts {
            let message = "`min_calls` means nothing to this figure";
            let help = "it goes with `error_fraction`, `availability` and latencies";
            problems.error_help("E-CONFLICT", self.at("min_calls"), message, help);
        }
    }

    /// A share lies between 0 and 1: a limit beyond is passed always or never.
    fn reachable(&self, problems: &mut Problems) {
        let when = &self.spec.when;
        let share =
            [Signal::ErrorFraction, Signal::Availability, Signal::Utilisation, Signal::ColdShare];
        let (none, all) = (when.holds(0.0), when.holds(1.0));
        if share.contains(&when.signal) && none == all {
            let word = if all { "always" } else { "never" };
            let message = format!("this is {word} so: a share lies between 0 and 100%");
            problems.error_help("E-RANGE", self.at("when"), message, "give a limit in between");
        }
    }

    fn whom(&self, problems: &mut Problems) {
        let names = self.names;
        let mut unknown = |what: &str, name: &Name, help: String| {
            let message = format!("unknown {what} `{}`", name.0);
            problems.error_help("E-REF", self.at("when"), message, help);
        };
        match &self.spec.when.of {
            Source::Clients => {}
            Source::Client(name) => {
                if !names.design.clients.contains_key(name) {
                    unknown("client", name, closest(&name.0, names.clients()));
                }
            }
            Source::Node(name) => match names.node(&name.0) {
                None => unknown("node", name, closest(&name.0, names.nodes())),
                Some(node) => {
                    let bounded = names.kind(node).facts().capacity.is_some();
                    if self.spec.when.signal == Signal::Utilisation && !bounded {
                        let message = format!("`{}` has no capacity to use", name.0);
                        let help = "`cores` or `workers` bound a node";
                        problems.error_help("E-FAULT-TARGET", self.at("when"), message, help);
                    }
                    let function = names.kind(node).has_environments();
                    if self.spec.when.signal == Signal::ColdShare && !function {
                        let message =
                            format!("`{}` is no function: nothing of it starts cold", name.0);
                        let help = "`cold_share` is of a `function`";
                        problems.error_help("E-FAULT-TARGET", self.at("when"), message, help);
                    }
                    let log = names.kind(node).partitions().is_some();
                    if self.spec.when.signal == Signal::Lag {
                        self.group(node, log, problems);
                    }
                    let queue = names.kind(node).is_broker() && !log;
                    if matches!(self.spec.when.signal, Signal::Depth | Signal::Age) && !queue {
                        let message = format!("`{}` is no queue", name.0);
                        let help = "`in_queue` counts requests that wait for a worker or core";
                        problems.error_help("E-FAULT-TARGET", self.at("when"), message, help);
                    }
                }
            },
            Source::Deploy(name) => {
                let deploys = |fault: &&FaultSpec| fault.deploy.is_some();
                let all = names.faults().filter(deploys).map(|f| f.id.0.as_str());
                if !all.clone().any(|id| id == name.0) {
                    unknown("deployment", name, closest(&name.0, all));
                }
            }
        }
    }

    /// A log and a group that reads it.
    fn group(&self, node: NodeId, log: bool, problems: &mut Problems) {
        let name = self.names.name(node);
        if !log {
            let message = format!("`{name}` is no log");
            let help = "of a queue `depth` counts messages that wait";
            return problems.error_help("E-FAULT-TARGET", self.at("when"), message, help);
        }
        let groups = self.names.groups(node);
        let Some(group) = &self.spec.when.group else { return };
        if !groups.contains_key(group.0.as_str()) {
            let help = closest(&group.0, groups.into_keys());
            let message = format!("no group `{}` reads `{name}`", group.0);
            problems.error_help("E-REF", self.at("when"), message, help);
        }
    }

    fn times(&self, problems: &mut Problems) {
        let AlertSpec { when, every, .. } = self.spec;
        let (period, duration) = (self.spec.period(), self.names.design.duration);
        if every.is_some_and(|every| every.0 == 0) {
            return problems.error("E-RANGE", self.at("every"), "must be above 0");
        }
        if when.window.is_some_and(|window| window.0 == 0) {
            return problems.error("E-RANGE", self.at("when"), "`window` must be above 0");
        }
        let first = when.window.map_or(period, |window| window.0);
        let lasts = self.spec.for_.map_or(0, |for_| for_.0);
        if first.saturating_add(lasts) >= duration {
            let message = "the run is over before it could fire";
            let help = "`window` and `for` together must be shorter than `duration`";
            return problems.error_help("E-RANGE", &self.path, message, help);
        }
        if self.spec.looks() > MOST_LOOKS {
            let message = format!("the window is more than {MOST_LOOKS} looks long");
            return problems.error_help("E-BUDGET", &self.path, message, "a longer `every`");
        }
        if !first.is_multiple_of(period) {
            let every = SimDuration(period);
            let message = format!("the window is not a whole number of looks, one each {every}");
            let help = "`every` says how often it looks";
            problems.error_help("E-RANGE", self.at("when"), message, help);
        }
    }
}
