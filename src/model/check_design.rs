//! Checks of the whole design: who calls whom, clients, sums of work, budgets.
//!
//! **Invariant.** As in `check.rs`.

use std::collections::BTreeSet;

use super::{
    balancer::Policy,
    check::{closest, formula, law, placed, positive, zones},
    check_flow::flow,
    check_size::{MAX_LOAD_STEPS, changes, rounds, sizes},
    check_steps::{key_space, long_programs, many_steps, shares, steps},
    client::{Arrivals, AttributeSpec, ClientSpec, KeysSpec, LoadSpec},
    fault::unheard,
    kind::Outgoing,
    kinds::NodeSpec,
    network::check::network,
    resilience::{DeadlineSpec, check::edge},
    service::StepSpec,
};
use crate::{
    model::{
        check::Checked, client::operations::Effective, ids::NodeId, kinds::of_kind, names::Names,
    },
    problem::{Problems, near},
    units::{Count, Name},
};

/// Requests of one replication above which a run is refused (a tenth of the event limit).
const MAX_REQUESTS: f64 = 2e9;

/// Checks a design; every problem found is reported.
pub fn design(names: &Names, problems: &mut Problems) {
    let design = &names.design;
    if design.duration == 0 {
        problems.error("E-RANGE", "duration", "must be above 0");
    } else if design.warm_up >= design.duration {
        problems.error_help(
            "E-WINDOW",
            "warm_up",
            "the warm-up leaves nothing to measure",
            "it must be shorter than `duration`, which includes it",
        );
    }
    if design.clients.is_empty() {
        problems.error("E-TOPO", "clients", "there is no client, so nothing would happen");
    }
    if names.ops.len() > 250 {
        problems.error("E-LIMIT", "clients", "more than 250 different operations");
    }
    sizes(names, problems);
    network(&design.network, names, problems);
    for (name, client) in &design.clients {
        if design.nodes.contains_key(name) {
            problems.error_help(
                "E-DUP-NAME",
                format!("clients.{}", name.0),
                format!("a node is called `{}` too", name.0),
                "clients and nodes share one picture and one table: name them apart",
            );
        }
        ClientCheck { spec: client, path: format!("clients.{}", name.0), names }.run(problems);
    }
    let calls: Vec<Vec<Outgoing>> = design
        .nodes
        .iter()
        .enumerate()
        .map(|(id, (name, node))| {
            let path = format!("nodes.{}.{}", name.0, node.kind().facts().kind);
            of_kind!(node, spec => spec.check(&path, names, problems));
            placed(&node.kind().facts(), &path, names, problems);
            if let NodeSpec::Service(service) = node {
                let versions = names.versions(id as NodeId);
                long_programs(&versions, &format!("{path}.endpoints"), problems);
                for (endpoint, list) in &service.endpoints {
                    rounds(list, &format!("{path}.endpoints.{}", endpoint.0), 1, problems);
                }
                for (i, task) in service.background.iter().enumerate() {
                    rounds(&task.do_, &format!("{path}.background[{i}].do"), 1, problems);
                }
            }
            node.kind().outgoing(&path)
        })
        .collect();
    references(names, &calls, problems);
    super::alert::check::alerts(names, problems);
    super::fault::check::faults(names, problems);
    if !problems.any_error() {
        // What a node does by itself leads to visits and follows from none.
        let caused =
            |calls: &Vec<Outgoing>| calls.iter().filter(|c| !c.by_itself).cloned().collect();
        let caused: Vec<Vec<Outgoing>> = calls.iter().map(caused).collect();
        cycles(names, &caused, problems);
        endpoints(names, &calls, problems);
        verbs(names, &calls, problems);
        reachable(names, &calls, problems);
        unheard::timeless_calls(names, &calls, problems);
        needs(names, &caused, problems);
        flow(names, &calls, &caused, problems);
    }
}

fn references(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (i, calls) in calls.iter().enumerate() {
        // One name in the file may stand for several calls.
        for call in calls.iter().filter(|c| seen.insert((c.path.clone(), c.target.clone()))) {
            if names.node(&call.target).is_none() {
                let help = closest(&call.target, names.nodes());
                let message = format!("unknown node `{}`", call.target);
                problems.error_help("E-REF", call.path.clone(), message, help);
            } else if call.target == names.name(i) && !call.by_itself {
                problems.error("E-CYCLE", call.path.clone(), "a node cannot call itself");
            } else {
                inside(names, (&call.target, Some(i as NodeId)), &call.path, problems);
            }
        }
    }
}

/// What is inside a service is used by its steps only.
fn inside(
    names: &Names,
    (target, caller): (&str, Option<NodeId>),
    path: &str,
    problems: &mut Problems,
) {
    let host = names.node(target).and_then(|node| names.host(node));
    if let Some(host) = host.filter(|&host| Some(host) != caller) {
        let host = names.name(host);
        let message = format!("`{target}` is inside `{host}`, whose steps alone can use it");
        problems.error("E-REF", path, message);
    }
}

/// Refuses cycles of calls, with the cycle printed.
fn cycles(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    // 0: not seen, 1: on the path, 2: done. Iterative, as designs may be deep.
    let mut state = vec![0u8; calls.len()];
    for start in 0..calls.len() {
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        if state[start] != 0 {
            continue;
        }
        state[start] = 1;
        while let Some((node, next)) = path.pop() {
            let Some(call) = calls[node].get(next) else {
                state[node] = 2;
                continue;
            };
            path.push((node, next + 1));
            let target = usize::from(names.node(&call.target).expect("references were checked"));
            match state[target] {
                0 => {
                    state[target] = 1;
                    path.push((target, 0));
                }
                1 => {
                    let from = path.iter().position(|p| p.0 == target).unwrap_or(0);
                    let mut ring: Vec<&str> =
                        path[from..].iter().map(|p| names.name(p.0)).collect();
                    ring.push(names.name(target));
                    problems.error(
                        "E-CYCLE",
                        call.path.clone(),
                        format!("calls go round in a circle: {}", ring.join(" -> ")),
                    );
                    return;
                }
                _ => {}
            }
        }
    }
}

/// Every operation that can arrive at a service has an endpoint there.
fn endpoints(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    for (i, (name, node)) in names.design.nodes.iter().enumerate() {
        let NodeSpec::Service(service) = node else { continue };
        let known: Vec<&str> = service.endpoints.keys().map(|n| n.0.as_str()).collect();
        for &op in &names.arriving[i] {
            let asked = &names.ops[usize::from(op)].0;
            if known.is_empty() || known.contains(&asked.as_str()) {
                continue;
            }
            let (path, client) = asking(names, calls, i, op)
                .unwrap_or_else(|| (format!("nodes.{}.service.endpoints", name.0), None));
            if known.contains(&"default") {
                if let Some(word) = near(asked, known.iter().copied()) {
                    let message = format!("`{}` does `default` for `{asked}`", name.0);
                    let help = format!("did you mean `{word}`, which is an endpoint there?");
                    problems.warn("W-OPERATION", path, message, help);
                }
                continue;
            }
            let default = if asked == "default" { "" } else { " and no `default`" };
            let client = client.map_or(String::new(), |c| format!(", which client `{c}` asks for"));
            problems.error_help(
                "E-REF",
                path,
                format!("`{}` has no endpoint `{asked}`{default}{client}", name.0),
                closest(asked, known.iter().copied()),
            );
        }
    }
}

/// What a call asks a store for by the name of a verb is a read all the same.
fn verbs(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    for call in calls.iter().flatten() {
        let Some((operation, None)) = &call.operation else { continue };
        let target = names.node(&call.target).map(|id| names.spec(id));
        let other = ["write", "delete", "cas", "increment"].contains(&operation.as_str());
        if other && matches!(target, Some(NodeSpec::Store(_))) {
            let message =
                format!("a `call` of the store `{}` reads, whatever its operation", call.target);
            let help = format!("`{operation}: {}` is the step for that", call.target);
            problems.warn("W-OPERATION", &call.path, message, help);
        }
    }
}

/// Where somebody asks a node for an operation, and the client if it is one: balancers and dns nodes
/// only pass it on.
fn asking<'n>(
    names: &'n Names,
    calls: &[Vec<Outgoing>],
    node: usize,
    op: u8,
) -> Option<(String, Option<&'n str>)> {
    let asked = &names.ops[usize::from(op)];
    let (mut open, mut seen) = (vec![node], BTreeSet::new());
    while let Some(node) = open.pop() {
        if !seen.insert(node) {
            continue;
        }
        let here = names.name(node);
        for (client, spec) in &names.design.clients {
            let sends = |o: &Effective<'_>| {
                o.targets().iter().any(|(target, verb)| target.0 == here && *verb == asked.1)
            };
            let operations = spec.operations();
            if let Some((name, o)) = operations.iter().find(|(n, o)| *n == asked.0 && sends(o)) {
                let path = format!("clients.{}", client.0);
                let named = spec.operations.contains_key(&Name(name.clone()));
                let key = asked.1.map_or("to", |verb| verb.name());
                let path = if named {
                    format!("{path}.operations.{name}")
                } else {
                    o.place(&path, name, key)
                };
                return Some((path, Some(&client.0)));
            }
        }
        let all = calls.iter().enumerate().flat_map(|(i, calls)| calls.iter().map(move |c| (i, c)));
        for (i, call) in all.filter(|(_, call)| call.target == here) {
            let passes = call.operation.is_none() && names.arriving[i].contains(&op);
            if passes && matches!(names.spec(i), NodeSpec::LoadBalancer(_) | NodeSpec::Dns(_)) {
                open.push(i);
            } else if passes || call.operation.as_ref() == Some(asked) {
                return Some((call.path.clone(), None));
            }
        }
    }
    None
}

fn reachable(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    for (i, name) in names.nodes().enumerate() {
        if names.arriving[i].is_empty() && !calls[i].iter().any(|call| call.by_itself) {
            problems.warn(
                "W-UNUSED",
                format!("nodes.{name}"),
                format!("no request can reach `{name}`"),
                "call it from a client or node, or remove it",
            );
        }
    }
}

/// What nodes need of the requests that reach them: a cache without keys would hold one entry per
/// request (`semantics.md` 52), and without sessions nothing can be sticky (42).
fn needs(names: &Names, calls: &[Vec<Outgoing>], problems: &mut Problems) {
    for (name, client) in &names.design.clients {
        let reached = names.reached_by(client, calls, |_| true);
        let needs_keys = |spec: &NodeSpec| match spec {
            NodeSpec::Cache(_) => Some("cache"),
            NodeSpec::LoadBalancer(b) if b.policy.as_ref().is_some_and(Policy::is_by_key) => {
                Some("balancer")
            }
            NodeSpec::Store(s) if s.is_by_range() => Some("store"),
            _ => None,
        };
        let of = |&node: &usize| Some((needs_keys(names.spec(node))?, names.name(node)));
        if client.keys.is_none()
            && let Some((kind, node)) =
                names.reached_by(client, calls, |call| !call.keyed).iter().find_map(of)
        {
            problems.error_help(
                "E-MISSING",
                format!("clients.{}", name.0),
                format!("requests that reach the {kind} `{node}` need keys"),
                "such as `keys: zipf(n=1M s=0.99)`",
            );
        }
        let sticky = |spec: &NodeSpec| matches!(spec, NodeSpec::LoadBalancer(b) if b.policy == Some(Policy::Sticky));
        let alone = client.users() == 0 && client.session.is_empty();
        if alone && let Some(node) = reached.iter().find(|&&node| sticky(names.spec(node))) {
            problems.warn(
                "W-STICKY",
                format!("clients.{}", name.0),
                format!(
                    "each request is a session of its own, so `{}` has nothing to be sticky about",
                    names.name(*node)
                ),
                "give the client a `session` or `closed(..)` users",
            );
        }
    }
}

struct ClientCheck<'c> {
    spec: &'c ClientSpec,
    path: String,
    names: &'c Names,
}

impl ClientCheck<'_> {
    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn run(&self, problems: &mut Problems) {
        self.arrivals(problems);
        if let Some(active) = &self.spec.active {
            active.check(self.spec, &self.path, self.names, problems);
        }
        self.load(problems);
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
            Arrivals::Closed { users, think } => {
                positive(Some(Count(*users)), 4_000_000, &path, problems);
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

    fn load(&self, problems: &mut Problems) {
        let silent = match &self.spec.load {
            Some(LoadSpec::Factor(factor)) => factor.0 == 0.0,
            // Up to the first step the factor is 1.
            Some(LoadSpec::Steps(list)) => {
                let begins = list.iter().any(|step| step.at.0 == 0 && step.over.is_none());
                begins && list.iter().all(|step| step.every.is_none() && step.factor.0 == 0.0)
            }
            None => false,
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
        if operations.len() > 1 {
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
                let key = verb.map_or("to", |v| v.name());
                self.target(target, format!("{path}.{key}"), problems);
            }
        }
        for (other, _) in operation.targets().into_iter().skip(1) {
            self.target(other, format!("{path}.fallback.call"), problems);
        }
        let policies = operation.edge();
        edge(&policies, path, self.names, problems);
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
            key_space(key, &format!("{path}.key"), self.names, problems);
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
