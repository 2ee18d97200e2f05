//! What can be wrong with doors, locks, and what instances do by themselves.
//!
//! **Invariant.** As in `model/check.rs`.

use std::collections::BTreeMap;

use crate::{
    engine::law::{DurationFormula, Formula},
    model::{
        check::{attribute_known, closest, formula, law, positive},
        check_steps::{many_steps, steps},
        client::AttributeSpec,
        kinds::NodeSpec,
        names::Names,
        resilience::check::rate_limits,
        service::{
            ServiceSpec, StepSpec,
            parts::{BackgroundSpec, InboundSpec, LockSpec},
            steps::Spread,
        },
    },
    problem::Problems,
    units::Name,
};

impl BackgroundSpec {
    /// Checks it.
    pub fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        law(&self.every, &at("every"), problems);
        let period = self.period();
        if period < 1.0 {
            problems.error("E-RANGE", at("every"), "must be above 0");
        }
        if self.lease.is_some_and(|lease| lease.0 as f64 <= period) {
            let message = "must be longer than `every`, or it is over before it is renewed";
            problems.error("E-RANGE", at("lease"), message);
        }
        self.by_the_clock(&at, problems);
        if self.do_.is_empty() {
            problems.error("E-STEP", at("do"), "needs at least one step");
        }
        let mut count = 0;
        steps(&self.do_, &at("do"), (0, &mut count), names, problems);
        many_steps(count, &at("do"), problems);
        asked_by_nobody(&self.do_, &at("do"), problems);
    }

    /// Checks what is said of its times.
    fn by_the_clock(&self, at: &dyn Fn(&str) -> String, problems: &mut Problems) {
        let fixed = self.every.constant();
        if let Some(key) = [("at", self.at.is_some()), ("scope", self.is_shared())]
            .into_iter()
            .find_map(|(key, given)| given.then_some(key))
            .filter(|_| fixed.is_none())
        {
            let message = format!("with `{key}` the period must be a fixed time");
            problems.error_help("E-CONFLICT", at("every"), message, "such as `every: 24h`");
        }
        if fixed.zip(self.at).is_some_and(|(period, at)| at.0 as f64 >= period) {
            problems.error("E-RANGE", at("at"), "is a time of the period: less than `every`");
        }
        if self.is_shared() && self.lease.is_some() {
            let message = "a lease is of each instance, and one runs for all";
            problems.error_help("E-CONFLICT", at("lease"), message, "leave out one of the two");
        }
    }
}

/// Refuses what belongs to a request, where there is none.
fn asked_by_nobody(list: &[StepSpec], path: &str, problems: &mut Problems) {
    for (i, step) in list.iter().enumerate() {
        let path = format!("{path}[{i}]");
        for (key, given, message) in [
            ("reply", step.reply.is_some(), "nobody waits for a reply"),
            ("mark", step.mark.is_some(), "no request was sent, so no time has passed since"),
        ] {
            if given {
                let help = "it belongs to an endpoint";
                problems.error_help("E-STEP", format!("{path}.{key}"), message, help);
            }
        }
        if let Some(Spread::Keys(_)) = step.spread() {
            problems.error("E-CONFLICT", &path, "there is no client by whose law keys are drawn");
        }
        let own = ["instance", "zone"];
        let formulas = step.work.iter().chain(&step.wait).flat_map(DurationFormula::attributes);
        let size = step.target().and_then(|t| t.3).into_iter().flat_map(Formula::attributes);
        let when = step.when.iter().flat_map(|w| &w.0).map(|c| c.attribute.as_str());
        let used = formulas.chain(size).map(|(_, name)| name).chain(when);
        let key = step.target().and_then(|t| t.2.map(|key| key.0.clone()));
        let key = key.filter(|key| key != "instance");
        if let Some(name) = used.map(str::to_owned).find(|n| !own.contains(&n.as_str())).or(key) {
            let message = format!("there is no request whose `{name}` it could be");
            let help = "`instance` and `zone` are known here";
            problems.error_help("E-CONFLICT", &path, message, help);
        }
        for (inner, list) in step.inner() {
            asked_by_nobody(list, &format!("{path}{inner}"), problems);
        }
    }
}

impl InboundSpec {
    /// Checks it.
    pub fn check(&self, service: &ServiceSpec, path: &str, names: &Names, problems: &mut Problems) {
        for (name, limits) in self.rate_limit.iter().flat_map(|limits| &limits.0) {
            let path = format!("{path}.rate_limit");
            rate_limits(limits, &path, names, problems);
            if name.0 != "default" && class(name, names).is_none() {
                let known = names.clients().chain(names.literals.keys().map(String::as_str));
                let help = closest(&name.0, known.chain(["default"]));
                let message =
                    format!("no client and no value of an attribute is called `{}`", name.0);
                problems.error_help("E-REF", format!("{path}.{}", name.0), message, help);
            }
        }
        if let Some(per) = self.per() {
            attribute_known(per, &format!("{path}.concurrency"), names, problems);
        }
        if let Some(work) = &self.validate {
            formula(work, &format!("{path}.validate"), names, problems);
        }
        let Some(shed) = &self.shed else { return };
        let at = |key: &str| format!("{path}.shed.{key}");
        let waits = service.workers.is_some() || service.cores.is_some();
        for (key, given) in [("queue", shed.queue.is_some()), ("wait", shed.wait.is_some())] {
            if given && !waits {
                let help = "give `cores` or `workers`";
                problems.error_help("E-CONFLICT", at(key), "nothing ever waits here", help);
            }
        }
        if shed.reserve.is_some() && service.workers.is_none() {
            let help = "give `workers`";
            problems.error_help(
                "E-CONFLICT",
                at("reserve"),
                "there are no workers to reserve",
                help,
            );
        }
        if shed.reserve.is_some_and(|share| share.0 <= 0.0 || share.0 >= 1.0) {
            problems.error("E-RANGE", at("reserve"), "must be between 0 and 100 %");
        }
        positive(shed.keep, 255, &at("keep"), problems);
        if shed.queue.is_none() && shed.wait.is_none() && shed.reserve.is_none() {
            let help = "`queue: 200`, `wait: 100ms` or `reserve: 20%`";
            problems.error_help(
                "E-MISSING",
                format!("{path}.shed"),
                "when is a request shed?",
                help,
            );
        }
    }
}

/// Requests that share a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Class {
    /// Those of a client, by its index.
    Client(u16),
    /// Those with a value in a column of the attributes.
    Value(u16, f64),
}

/// What a name in a map of limits stands for.
pub fn class(name: &Name, names: &Names) -> Option<Class> {
    if let Some(client) = names.client(&name.0) {
        return Some(Class::Client(client as u16));
    }
    let attributes = names.design.clients.values().flat_map(|client| &client.attributes);
    let has = |spec: &AttributeSpec| matches!(spec, AttributeSpec::Choice(options) if options.iter().any(|o| o.0 == *name));
    let (attribute, _) = attributes.into_iter().find(|(_, spec)| has(spec))?;
    Some(Class::Value(*names.columns.get(&attribute.0)?, *names.literals.get(&name.0)?))
}

impl ServiceSpec {
    /// Checks its locks.
    pub fn check_locks(&self, path: &str, names: &Names, problems: &mut Problems) {
        let mut known: BTreeMap<&Name, &LockSpec> = BTreeMap::new();
        let mut check = LockCheck { names, known: &mut known, held: Vec::new() };
        for (name, list) in &self.endpoints {
            check.list(list, &format!("{path}.endpoints.{}", name.0), problems);
        }
        for (i, task) in self.background.iter().enumerate() {
            check.list(&task.do_, &format!("{path}.background[{i}].do"), problems);
        }
    }
}

const ONE_LOCK: &str = "one name is one lock";

fn leased_locks(spec: &NodeSpec) -> Vec<(&Name, &LockSpec)> {
    spec.steps().map_or_else(Vec::new, ServiceSpec::leased_locks)
}

struct LockCheck<'c, 'a> {
    names: &'c Names,
    known: &'c mut BTreeMap<&'a Name, &'a LockSpec>,
    /// Locks around the steps that are looked at.
    held: Vec<&'a Name>,
}

impl<'a> LockCheck<'_, 'a> {
    fn list(&mut self, list: &'a [StepSpec], path: &str, problems: &mut Problems) {
        for (i, step) in list.iter().enumerate() {
            let path = format!("{path}[{i}]");
            if let Some(lock) = &step.lock {
                self.lock(lock, &format!("{path}.lock"), problems);
                self.held.push(&lock.name);
            }
            for (inner, list) in step.inner() {
                self.list(list, &format!("{path}{inner}"), problems);
            }
            if step.lock.is_some() {
                self.held.pop();
            }
        }
    }

    fn lock(&mut self, lock: &'a LockSpec, path: &str, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        if lock.do_.is_empty() {
            problems.error("E-STEP", at("do"), "needs at least one step");
        }
        if let Some(per) = &lock.per {
            attribute_known(&per.0, &at("per"), self.names, problems);
        }
        if self.held.contains(&&lock.name) {
            let message = format!("`{}` is held already, so nobody would ever get it", lock.name.0);
            problems.error_help(
                "E-CONFLICT",
                at("name"),
                message,
                "give one of the two another name",
            );
        }
        self.leased(lock, path, problems);
        let first = *self.known.entry(&lock.name).or_insert(lock);
        if first.per != lock.per || first.scope != lock.scope || first.in_ != lock.in_ {
            let message =
                format!("another step locks `{}` with another `per`, `scope` or `in`", lock.name.0);
            problems.error_help("E-CONFLICT", at("name"), message, ONE_LOCK);
        }
    }

    /// What is said of a lock that is kept in a store.
    fn leased(&self, lock: &LockSpec, path: &str, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        let times = [("ttl", lock.ttl), ("poll", lock.poll)];
        let Some(store) = &lock.in_ else {
            let given = times.map(|(key, time)| (key, time.is_some()));
            let given = given.into_iter().chain([("fencing", lock.fencing.is_some())]);
            for (key, _) in given.filter(|(_, given)| *given) {
                let message = format!("`{key}` is of a lock that a store keeps");
                problems.error_help("E-CONFLICT", at(key), message, "`in:` says which store");
            }
            return;
        };
        for (key, _) in times.iter().filter(|(_, time)| time.is_some_and(|time| time.0 == 0)) {
            problems.error("E-RANGE", at(key), "must be above 0");
        }
        if lock.scope.is_some() {
            let message = "what a store keeps is one lock for all";
            problems.error_help("E-CONFLICT", at("scope"), message, "leave it out");
        }
        let mut all = self.names.specs().flat_map(leased_locks);
        let same = |(other, of): &(&Name, &LockSpec)| *other == store && of.name == lock.name;
        let differs = |of: &LockSpec| (&of.per, of.times().0) != (&lock.per, lock.times().0);
        if all.find(same).is_some_and(|(_, of)| differs(of)) {
            let message = format!(
                "another step locks `{}` in `{}` with another `per` or `ttl`",
                lock.name.0, store.0
            );
            problems.error_help("E-CONFLICT", at("name"), message, ONE_LOCK);
        }
        let Some(id) = self.names.node(&store.0) else { return };
        if !matches!(self.names.spec(id), NodeSpec::Store(_)) {
            let kind = self.names.kind(id).facts().kind;
            let message = format!("`{}` is a {kind}, not a store", store.0);
            problems.error("E-REF", at("in"), message);
        } else if !self.names.tracked.followed.contains(&id) {
            let message = format!(
                "whoever calls `{}` chooses among stores, so that nobody knows which one has a key",
                store.0
            );
            problems.error_help("E-CONFLICT", at("in"), message, "a store of its own");
        }
    }
}
