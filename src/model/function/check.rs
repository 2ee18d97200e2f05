//! What can be wrong with a function beyond types.
//!
//! **Invariant.** As in `model/check.rs`.

use super::FunctionSpec;
use crate::{
    model::{
        check::{Checked, MAX_INSTANCES, law, positive, zones},
        kind::Kind,
        kinds::NodeSpec,
        names::Names,
        network::ZonesSpec,
        service::{StepSpec, parts::LockSpec},
    },
    problem::Problems,
    units::Name,
};

/// Requests at once in an environment.
const MAX_WORKERS: u64 = 1 << 16;

impl Checked for FunctionSpec {
    fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        positive(self.concurrency, MAX_INSTANCES, &at("concurrency"), problems);
        positive(self.workers, MAX_WORKERS, &at("workers"), problems);
        if self.memory.is_some_and(|memory| memory.0 == 0) {
            problems.error("E-RANGE", at("memory"), "must be above 0");
        }
        match &self.cold_start {
            Some(time) => law(time, &at("cold_start"), problems),
            None => problems.warn(
                "W-COLD",
                path,
                "without `cold_start` an environment starts in no time",
                "say how long it takes: `cold_start: 800ms`; `0s` if that is meant",
            ),
        }
        if let Some(time) = &self.keep_alive {
            law(time, &at("keep_alive"), problems);
        }
        let provisioned = self.provisioned.map_or(0, |n| n.0);
        if provisioned > self.most() {
            let message = format!("more than the {} there are at most", self.most());
            let help = "provisioned environments count in `concurrency`";
            problems.error_help("E-RANGE", at("provisioned"), message, help);
        }
        self.check_line(path, problems);
        self.check_prices(path, problems);
        self.check_zones(path, names, problems);
        self.check_locks(path, problems);
        self.body().check_body(path, names, problems);
        self.body().check_consumes(path, names, problems);
        for (topic, at) in self.body().consumes(path) {
            if names.node(&topic.0).is_some_and(|id| names.kind(id).partitions().is_some()) {
                let message = "a function that reads a log is not supported yet";
                let help = "a queue in between, or a service that reads it";
                problems.error_help("E-UNSUPPORTED", at, message, help);
            }
        }
        if let Some(inbound) = &self.inbound {
            inbound.check(self.body(), &at("inbound"), names, problems);
        }
    }

    fn check_length(&self, versions: &[&NodeSpec], path: &str, problems: &mut Problems) {
        self.body().check_length(versions, path, problems);
    }
}

impl FunctionSpec {
    /// What only matters where requests wait in line.
    fn check_line(&self, path: &str, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        if let Some(patience) = &self.patience {
            law(patience, &at("patience"), problems);
        }
        if self.line().is_some() {
            return;
        }
        let help = "add `queue: 100`, or leave it out";
        if self.patience.is_some() && !self.inbound.as_ref().is_some_and(|door| door.delays()) {
            let message =
                "nobody waits in line: a request waits for the environment that starts for it";
            problems.error_help("E-CONFLICT", at("patience"), message, help);
        }
        if self.cancel.is_some() {
            let message = "without a line no start is called off: who comes next needs it";
            problems.error_help("E-CONFLICT", at("cancel"), message, help);
        }
    }

    fn check_prices(&self, path: &str, problems: &mut Problems) {
        let memory = self.price.and_then(|price| price.memory);
        let paid =
            [("price", memory.is_some()), ("provisioned_price", self.provisioned_price.is_some())];
        for (key, _) in paid.into_iter().filter(|paid| paid.1 && self.memory.is_none()) {
            let message = "how much memory that is for is not known";
            problems.error_help("E-MISSING", format!("{path}.{key}"), message, "add `memory: 2GB`");
        }
        if self.provisioned_price.is_some() && self.provisioned.is_none_or(|n| n.0 == 0) {
            problems.warn(
                "W-UNUSED",
                format!("{path}.provisioned_price"),
                "nothing is provisioned",
                "add `provisioned: 5`, or leave it out",
            );
        }
    }

    fn check_zones(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = format!("{path}.zones");
        zones(self.zones.as_ref(), &at, names, problems);
        match &self.zones {
            Some(ZonesSpec::Counts(_)) => {
                let message = "environments come and go: nobody says how many there are";
                let help = "list the zones; `concurrency` and `provisioned` hold for each of them";
                problems.error_help("E-CONFLICT", at, message, help);
            }
            Some(ZonesSpec::One(name)) => one_zone(name, at, names, problems),
            Some(ZonesSpec::List(list)) => {
                for (i, name) in list.iter().enumerate() {
                    let at = format!("{at}[{i}]");
                    if list[..i].contains(name) {
                        let message = format!("`{}` is there already", name.0);
                        problems.error("E-DUP-NAME", at, message);
                    } else {
                        one_zone(name, at, names, problems);
                    }
                }
            }
            None => {}
        }
        if self.need.is_some_and(|need| need.0 > self.pools()) {
            let message = format!("it is never up: it runs in {} zones", self.pools());
            let help = "at most as many as `zones` lists";
            problems.error_help("E-RANGE", format!("{path}.need"), message, help);
        }
    }

    /// A lock that no other instance knows of says nothing where each request has an instance of its own.
    fn check_locks(&self, path: &str, problems: &mut Problems) {
        for (name, steps) in &self.endpoints {
            own_blocks(steps, &format!("{path}.endpoints.{}", name.0), problems);
        }
    }
}

/// A zone with environments of its own is one.
fn one_zone(name: &Name, at: String, names: &Names, problems: &mut Problems) {
    if names.zones_of(&name.0).is_some_and(|zones| zones.len() > 1) {
        let message = format!("`{}` has several zones", name.0);
        let help = "list those that have environments of their own";
        problems.error_help("E-TOPO", at, message, help);
    }
}

fn own_blocks(steps: &[StepSpec], path: &str, problems: &mut Problems) {
    for (i, step) in steps.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if step.lock.as_ref().is_some_and(LockSpec::is_of_instance) {
            let message = "each environment has locks of its own, and mostly one request at a time";
            let help = "`scope: shared`, or a lock kept `in` a store";
            problems.error_help("E-CONFLICT", format!("{path}.lock"), message, help);
        }
        if step.logged_saga().is_some() {
            let message =
                "an environment that died does not come back, so that nobody would read the log";
            let help = "let a service run the saga";
            problems.error_help("E-CONFLICT", format!("{path}.saga.log"), message, help);
        }
        for (inner, list) in step.inner() {
            own_blocks(list, &format!("{path}{inner}"), problems);
        }
    }
}
