//! What can be wrong with a client.
//!
//! **Invariant.** Nothing is told twice.

use crate::model::{
    check::{closest, formula, inside, law, positive, zones},
    check_size::{MAX_LOAD_STEPS, changes, rounds},
    check_steps::{key_space, many_steps, shares, steps},
    client::{Arrivals, AttributeSpec, ClientSpec, KeysSpec, LoadSpec},
    resilience::{
        DeadlineSpec,
        check::{edge, elsewhere},
    },
    service::StepSpec,
};
use crate::{
    model::{client::operations::Effective, names::Names},
    problem::Problems,
    units::{Count, Name},
};

/// Requests of one replication above which a run is refused (a tenth of the event limit).
pub(crate) const MAX_REQUESTS: f64 = 2e9;

pub struct ClientCheck<'c> {
    /// .
    pub spec: &'c ClientSpec,
    /// .
    pub path: String,
    /// .
    pub names: &'c Names,
}

impl ClientCheck<'_> {
    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    pub fn run(&self, problems: &mut Problems) {
        self.arrivals(problems);
        if let Some(active) = &self.spec.active {
            active.check(self.spec, &self.path, self.names, problems);
        }
        self.load(problems);
        self.of_trace(problems);
        self.operations(problems);
        self.keys(problems);
        self.attributes(problems);
        zones(self.spec.zones.as_ref(), &self.at("zones"), self.names, problems);
        let mut count = 0;
        steps(&self.spec.session, &self.at("session"), (0, &mut count), self.names, problems);
        many_steps(count, &self.at("session"), problems);
        rounds(&self.spec.session, &self.at("session"), 1, problems);
        self.session(&self.spec.session, &self.at("session"), problems);
    }

    fn arrivals(&self, problems: &mut Problems) {
        let path = self.at("arrivals");
        let duration = self.names.design.duration;
        match &self.spec.arrivals {
            Arrivals::Renewal(gap) => {
                law(gap, &path, problems);
                let mean = gap.mean();
                if mean.is_none_or(|m| m <= 0.0 || !m.is_finite()) {
                    problems.error_help(
                        "E-DIST",
                        &path,
                        "the mean gap must be known and above 0",
                        "use a law with a finite mean, or a trace",
                    );
                }
            }
            Arrivals::Closed { users, think, requests } => {
                positive(Some(Count(*users)), 4_000_000, &path, problems);
                positive(requests.map(Count), MAX_REQUESTS as u64, &path, problems);
                law(think, &path, problems);
                if self.spec.load.is_some() {
                    problems.error_help(
                        "E-CONFLICT",
                        self.at("load"),
                        "closed users have no rate to multiply",
                        "change `users` or `think`",
                    );
                }
            }
            Arrivals::Trace(_) if self.spec.load.is_some() => problems.error_help(
                "E-CONFLICT",
                self.at("load"),
                "a trace says itself when requests come",
                "replay it faster with `speed=`",
            ),
            Arrivals::Schedule(schedule) => self.schedule(schedule.at, &path, problems),
            Arrivals::Mmpp(states) => changes(states, duration, &path, problems),
            _ => {}
        }
        let expected = match self.spec.expected_requests(duration) {
            Some(expected) => expected * self.spec.active_share(self.names),
            None if self.spec.mean_rate().is_some() => {
                if self.spec.load_steps() > MAX_LOAD_STEPS {
                    return; // `load` says so.
                }
                return problems.error_help(
                    "E-BUDGET",
                    self.at("load"),
                    "the load changes too often to be followed to the end of the run",
                    "give `every` a longer period, or fewer steps, or simulate a shorter time",
                );
            }
            None => return,
        };
        if expected > MAX_REQUESTS {
            let seconds = duration as f64 / 1e9;
            problems.error_help(
                "E-BUDGET",
                path,
                format!(
                    "about {expected:.1e} requests in {seconds} s of simulated time; the limit is {MAX_REQUESTS:.0e}"
                ),
                "simulate a shorter time, a lower rate or a smaller `load`",
            );
        }
    }

    /// Requests that come by the clock, the first one at this time.
    fn schedule(&self, first: u64, path: &str, problems: &mut Problems) {
        if self.spec.load.is_some() {
            let message = "a schedule says itself when requests come, and how many";
            let help = "change its `batch`, or give what comes besides to a client of its own";
            problems.error_help("E-CONFLICT", self.at("load"), message, help);
        }
        if first >= self.names.design.duration {
            let message =
                "this client sends nothing: its first request comes after the end of the run";
            problems.warn("W-SILENT", path, message, "is `duration` long enough?");
        }
    }

    fn load(&self, problems: &mut Problems) {
        let silent = match &self.spec.load {
            Some(LoadSpec::Factor(factor)) => factor.0 == 0.0,
            // Up to the first step the factor is 1.
            Some(LoadSpec::Steps(list)) => {
                let begins = list.iter().any(|step| step.at.0 == 0 && step.over.is_none());
                begins && list.iter().all(|step| step.every.is_none() && step.factor.0 == 0.0)
            }
            Some(LoadSpec::Curve(_)) | None => false,
        };
        if silent {
            let message = "this client sends nothing: its load is 0 throughout";
            problems.warn("W-SILENT", self.at("load"), message, "1 is its full rate");
        }
        let Some(LoadSpec::Steps(list)) = &self.spec.load else { return };
        if list.is_empty() {
            problems.error("E-RANGE", self.at("load"), "the list of steps is empty");
        } else if self.spec.load_steps() > MAX_LOAD_STEPS {
            let message = format!("{} steps; the limit is {MAX_LOAD_STEPS}", list.len());
            return problems.error("E-LIMIT", self.at("load"), message);
        }
        for (i, step) in list.iter().enumerate() {
            let path =
                if list.len() == 1 { self.at("load") } else { format!("{}[{i}]", self.at("load")) };
            let end = step.at.0.saturating_add(step.over.map_or(0, |d| d.0));
            match step.every {
                Some(period) if period.0 == 0 => {
                    problems.error("E-RANGE", format!("{path}.every"), "must be above 0");
                }
                Some(period) if end > period.0 => {
                    problems.error("E-RANGE", path.clone(), "the ramp ends after its period");
                }
                None if step.at.0 >= self.names.design.duration => problems.warn(
                    "W-LATE",
                    format!("{path}.at"),
                    "this change comes after the end of the run",
                    "is `duration` long enough?",
                ),
                _ => {}
            }
            let overlaps = list.iter().enumerate().any(|(j, other)| {
                j != i
                    && other.every == step.every
                    && (other.at.0 > step.at.0 && other.at.0 < end || j < i && other.at == step.at)
            });
            if overlaps {
                problems.error(
                    "E-CONFLICT",
                    path,
                    "another change begins before this one has ended",
                );
            }
        }
    }

    /// What only rows of a trace can say.
    fn of_trace(&self, problems: &mut Problems) {
        let spec = self.spec;
        let traced = matches!(spec.arrivals, Arrivals::Trace(_));
        let given = [("where", spec.where_.is_some()), ("operation", spec.operation.is_some())];
        for (key, _) in given.into_iter().filter(|given| given.1 && !traced) {
            let message = format!("`{key}` is about rows of a trace, and these arrivals are none");
            let help = "`arrivals: trace(file=.. column=..)`";
            problems.error_help("E-CONFLICT", self.at(key), message, help);
        }
        let Some(rows) = &spec.operation else { return };
        let path = self.at("operation");
        let mut conflict = |message: &str, help: &str| {
            problems.error_help("E-CONFLICT", path.clone(), message, help);
        };
        if spec.operations.is_empty() {
            conflict(
                "there are no operations to tell apart",
                "`operations: {read: {..}, write: {..}}`",
            );
        } else if spec.operations.values().any(|operation| operation.share.is_some()) {
            conflict("the rows say which operation comes how often", "leave the shares out");
        }
        if !spec.session.is_empty() {
            conflict("a session says itself which requests it has", "one of the two");
        }
        for name in
            rows.named.iter().filter_map(|named| named.1.as_ref()).chain(rows.other.operation())
        {
            if !spec.operations.contains_key(name) {
                let help = closest(&name.0, spec.operations.keys().map(|name| name.0.as_str()));
                let message = format!("this client has no operation `{name}`");
                problems.error_help("E-REF", path.clone(), message, help);
            }
        }
    }

    /// A node that requests go to.
    fn target(&self, target: &Name, path: String, problems: &mut Problems) {
        if self.names.node(&target.0).is_none() {
            let help = closest(&target.0, self.names.nodes());
            let message = format!("unknown node `{}`", target.0);
            problems.error_help("E-REF", path, message, help);
        } else {
            inside(self.names, (&target.0, None), &path, problems);
        }
    }

    fn operations(&self, problems: &mut Problems) {
        let operations = self.spec.operations();
        let mut total = 0.0;
        let mut missing = Vec::new();
        for (name, operation) in &operations {
            let path = if self.spec.operations.is_empty() {
                self.path.clone()
            } else {
                format!("{}.operations.{name}", self.path)
            };
            match operation.share() {
                Some(share) => total += share.0,
                None => missing.push(path.clone()),
            }
            let mut found = Problems::default();
            self.operation((name, operation), &path, &mut found);
            for mut problem in found.into_vec() {
                // What it inherits is wrong where it stands, not in each that inherits it.
                if let Some(key) = problem.path.strip_prefix(&format!("{path}.")) {
                    problem.path = operation.place(&self.path, name, key);
                }
                problems.add(problem);
            }
        }
        if operations.len() > 1 && self.spec.operation.is_none() {
            if missing.is_empty() {
                shares(total, &self.at("operations"), problems);
            } else if self.spec.session.is_empty() || missing.len() < operations.len() {
                for path in missing {
                    problems.error_help(
                        "E-MISSING",
                        path,
                        "needs a `share`",
                        "the shares sum to 100 %",
                    );
                }
            }
        }
    }

    fn operation(
        &self,
        (name, operation): (&str, &Effective<'_>),
        path: &str,
        problems: &mut Problems,
    ) {
        match operation.target() {
            None => problems.error_help(
                "E-MISSING",
                path,
                format!("operation `{name}` goes nowhere"),
                "give `to: node`, or `read:`, `write:` ... a store",
            ),
            Some((target, verb)) => {
                let to = if operation.publish().is_some() { "publish" } else { "to" };
                let key = verb.map_or(to, |v| v.name());
                self.target(target, format!("{path}.{key}"), problems);
            }
        }
        self.publish(operation, path, problems);
        for (other, _) in operation.targets().into_iter().skip(1) {
            self.target(other, format!("{path}.fallback.call"), problems);
        }
        let policies = operation.edge();
        let targets = operation.targets();
        let targets: Vec<&str> = targets.iter().map(|(target, _)| target.0.as_str()).collect();
        edge(&policies, (path, &targets), self.names, problems);
        if let Some((target, _)) = operation.target() {
            elsewhere(&policies, &target.0, path, self.names, problems);
        }
        if policies.fallback.is_some_and(|fallback| fallback.cache.is_some()) {
            let message = "a client reads through no cache";
            let help = "the service that does may fall back on it";
            problems.error_help("E-CONFLICT", format!("{path}.fallback"), message, help);
        }
        if policies.deadline == Some(DeadlineSpec::Propagate) {
            problems.error_help(
                "E-CONFLICT",
                format!("{path}.deadline"),
                "a client has no deadline to pass on",
                "give it a duration; services pass it on with `deadline: propagate`",
            );
        }
        if operation.priority() == 0 || operation.priority() > 255 {
            problems.error("E-RANGE", format!("{path}.priority"), "must be in 1..=255");
        }
        if let Some(size) = operation.size() {
            formula(size, &format!("{path}.size"), self.names, problems);
        }
        if let Some(key) = operation.key() {
            let of_message = operation.publish().is_some_and(|publish| publish.key.is_some());
            let at = if of_message { "publish.key" } else { "key" };
            let at = format!("{path}.{at}");
            if matches!(key.0.as_str(), "instance" | "session") {
                let message = format!("`{}` is a key of steps, not one that a client draws", key.0);
                let help = "a key space of `keys`";
                return problems.error_help("E-CONFLICT", at, message, help);
            }
            key_space(key, &at, self.names, problems);
        }
    }

    /// Messages that are published, and what cannot stand beside them.
    fn publish(&self, operation: &Effective<'_>, path: &str, problems: &mut Problems) {
        let Some(publish) = operation.publish() else { return };
        publish.check((&format!("{path}.publish"), "to"), self.names, problems);
        if publish.operation.is_some() {
            let message = "a client's message is of the client's operation";
            let help = "give the operation that name: `operations: {name: {publish: ..}}`";
            let at = format!("{path}.publish.operation");
            problems.error_help("E-CONFLICT", at, message, help);
        }
        for key in operation.beside_publish() {
            let message = format!("`publish` says that already, so `{key}` cannot");
            problems.error_help("E-CONFLICT", format!("{path}.{key}"), message, "one of the two");
        }
        for key in operation.in_vain() {
            let message = "with `ack: none` a request is over when it is sent";
            let help = format!("leave `{key}` or `ack` out");
            problems.error_help("E-CONFLICT", format!("{path}.{key}"), message, help);
        }
    }

    fn keys(&self, problems: &mut Problems) {
        let path = self.at("keys");
        let Some(keys) = &self.spec.keys else { return };
        if let KeysSpec::Named(spaces) = keys {
            for (name, _) in spaces {
                if self.spec.attributes.contains_key(name) {
                    let message = format!("`{}` is an attribute too", name.0);
                    problems.error("E-DUP-NAME", format!("{path}.{}", name.0), message);
                }
            }
            if spaces.is_empty() {
                problems.error("E-RANGE", &path, "names no key space");
            }
        }
        for law in keys.laws() {
            let Some(n) = law.count() else { continue };
            positive(Some(Count(n)), 1_000_000_000_000, &path, problems);
        }
    }

    fn attributes(&self, problems: &mut Problems) {
        for (name, attribute) in &self.spec.attributes {
            let path = format!("{}.attributes.{}", self.path, name.0);
            if ["key", "size", "operation", "client", "session", "zone", "instance"]
                .contains(&name.0.as_str())
            {
                problems.error("E-DUP-NAME", &path, format!("`{}` is built in", name.0));
            }
            match attribute {
                AttributeSpec::Law(l) => law(l, &path, problems),
                AttributeSpec::Column(_) if self.spec.trace_table().is_none() => problems
                    .error_help(
                        "E-CONFLICT",
                        path,
                        "a column belongs to a trace, and these arrivals are none",
                        "`arrivals: trace(file=.. column=..)`",
                    ),
                _ => {}
            }
        }
    }

    fn session(&self, list: &[StepSpec], path: &str, problems: &mut Problems) {
        for (i, step) in list.iter().enumerate() {
            let path = format!("{path}[{i}]");
            let allowed = step.do_.is_some()
                || step.wait.is_some()
                || step.repeat.is_some()
                || step.choose.is_some();
            if !allowed {
                problems.error_help(
                    "E-STEP",
                    &path,
                    "a session knows `do`, `wait`, `repeat` and `choose`",
                    "other verbs belong to a service's endpoint",
                );
            }
            if let Some(operation) = &step.do_ {
                let known = self.spec.operations();
                if !known.iter().any(|o| o.0 == operation.0) {
                    let help = closest(&operation.0, known.iter().map(|o| o.0.as_str()));
                    let message = format!("this client has no operation `{}`", operation.0);
                    problems.error_help("E-REF", format!("{path}.do"), message, help);
                }
            }
            for (inner, list) in step.inner() {
                self.session(list, &format!("{path}{inner}"), problems);
            }
        }
    }
}
