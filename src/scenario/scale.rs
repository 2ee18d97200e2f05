//! A scenario in small: what there is many of divided, times as they are.
//!
//! **Invariant.** What is handed out is divided everywhere, without a rest; what would not be the same in small is refused at
//! its place.

use serde_json::Value;

use super::{
    load::{Files, Loaded, Overrides, Rejected, load},
    loads,
    spec::ScenarioSpec,
};
use crate::{
    model::{
        balancer::Policy,
        client::{Arrivals, ClientSpec, KeyLaw, KeysSpec},
        kinds::NodeSpec,
    },
    node_kind::NodeKind,
    problem::Problems,
    units::Name,
};

/// A scenario in small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Small {
    /// What makes it so, as `--set` has it.
    pub sets: Vec<String>,
    /// Nodes whose instances a balancer chooses among.
    pub balanced: Vec<String>,
}

/// Keys of a kind of node that are the same in small.
const SAME: [(NodeKind, &[&str]); 5] = [
    (
        NodeKind::Service,
        &[
            "endpoints",
            "work",
            "calls",
            "discipline",
            "full",
            "patience",
            "price",
            "boot",
            "warm",
            "dependencies_only",
        ],
    ),
    (
        NodeKind::Store,
        &["read", "write", "discipline", "value_size", "boot", "price", "storage", "keys"],
    ),
    (NodeKind::External, &["latency", "errors", "reply", "price", "zones"]),
    (
        NodeKind::LoadBalancer,
        &["to", "policy", "health_check", "timeout", "on_down", "price", "zones"],
    ),
    (NodeKind::Dns, &["to", "policy", "ttl", "health_check", "resolvers"]),
];
/// Keys that belong to one instance, whatever they are: the same where instances are divided and nothing else.
const OF_ONE: [&str; 6] = ["speedup", "batch", "quota", "inbound", "limits", "background"];
/// What there is so much of in one instance.
const DIVIDED: [&str; 3] = ["cores", "workers", "queue"];
/// Policies of calls that know no numbers.
const POLICIES: [&str; 8] =
    ["timeout", "deadline", "hedge", "fallback", "cancel", "guarantees", "idempotent", "retry"];

/// The scenario at `path`, so many times smaller.
///
/// # Errors
///
/// All problems of the scenario, and what of it is not the same in small.
pub fn small(
    path: &str,
    files: &dyn Files,
    overrides: &Overrides,
    by: u64,
) -> Result<Small, Rejected> {
    let loaded = load(path, files, overrides)?;
    scaled(&loaded, by)
}

fn scaled(loaded: &Loaded, by: u64) -> Result<Small, Rejected> {
    let spec = &loaded.spec;
    let mut scaler = Scaler { by, sets: Vec::new(), problems: Problems::default() };
    let skew = spec
        .nodes
        .iter()
        .any(|(_, node)| node.kind().facts().shards && node.kind().facts().instances > 1);
    for (name, client) in &spec.clients {
        scaler.client(name, client, skew);
    }
    for (name, node) in &spec.nodes {
        scaler.node(name, node);
    }
    scaler.whole(spec);
    if scaler.problems.any_error() {
        let found = loaded.found(&scaler.problems.into_vec());
        return Err(Rejected { sources: loaded.sources.clone(), found, rest: None });
    }
    // Who chooses without looking keeps no common line.
    let looks = |node: &&NodeSpec| {
        let NodeSpec::LoadBalancer(balancer) = node else { return false };
        !matches!(
            balancer.policy,
            Some(Policy::Random | Policy::ConsistentHash(_) | Policy::Rendezvous | Policy::Sticky)
        )
    };
    let all = spec.nodes.values().filter(looks).flat_map(|node| node.kind().passes_on());
    let balanced = all.map(|name| name.0.clone()).collect();
    Ok(Small { sets: scaler.sets, balanced })
}

struct Scaler {
    by: u64,
    sets: Vec<String>,
    problems: Problems,
}

impl Scaler {
    fn refuse(&mut self, path: &str, message: impl Into<String>) {
        self.problems.error_help(
            "E-SCALE",
            path,
            message,
            "simulate it in full, or leave this out",
        );
    }

    /// So many are to be divided by that.
    fn divide(&mut self, path: &str, of: u64, by: u64) {
        if of.is_multiple_of(by) {
            self.sets.push(format!("{path}={}", of / by));
        } else {
            self.refuse(path, format!("{of} cannot be divided by {by}"));
        }
    }

    /// What is of all of it.
    fn whole(&mut self, spec: &ScenarioSpec) {
        if !spec.faults.is_empty() {
            self.refuse("faults", "what a fault hits is another part of fewer instances");
        }
        let described = spec.description.clone().unwrap_or_default();
        let text = format!("{described} In small: 1/{} of it.", self.by);
        self.sets.push(format!("description={}", Value::String(text.trim().to_owned())));
    }

    fn client(&mut self, name: &Name, client: &ClientSpec, skew: bool) {
        let at = format!("clients.{}", name.0);
        let arrivals = format!("{at}.arrivals");
        match &client.arrivals {
            Arrivals::Closed { users, think, requests }
                if users.is_multiple_of(self.by)
                    && requests.is_none_or(|all| all.is_multiple_of(self.by)) =>
            {
                let requests = requests.map(|all| all / self.by);
                let few =
                    Arrivals::Closed { users: users / self.by, think: think.clone(), requests };
                self.sets.push(format!("{arrivals}={few}"));
            }
            Arrivals::Closed { users, .. } => {
                self.refuse(&arrivals, format!("{users} users cannot be divided by {}", self.by));
            }
            Arrivals::Poisson { rate, batch } if *batch > 1 => {
                if batch.is_multiple_of(self.by) {
                    let few = Arrivals::Poisson { rate: *rate, batch: batch / self.by };
                    self.sets.push(format!("{arrivals}={few}"));
                } else {
                    let message = format!("a batch of {batch} cannot be divided by {}", self.by);
                    self.refuse(&arrivals, message);
                }
            }
            Arrivals::Trace(_) | Arrivals::Schedule(_) => {
                self.refuse(&arrivals, "a trace or schedule says itself how many come");
            }
            _ => {
                let less = loads::times(client, 1.0 / self.by as f64);
                self.sets.extend(less.map(|(key, value)| format!("{at}.{key}={value}")));
            }
        }
        let laws = match &client.keys {
            None => Vec::new(),
            Some(KeysSpec::One(law)) => vec![law],
            Some(KeysSpec::Named(all)) => all.iter().map(|(_, law)| law).collect(),
        };
        if skew && laws.iter().any(|law| !matches!(law, KeyLaw::Uniform { .. })) {
            let message = "of few shards the one with the popular keys has another share";
            self.refuse(&format!("{at}.keys"), message);
        }
        let written = serde_json::to_value(client).unwrap_or_default();
        self.policies(&at, &written, self.by, &CLIENT);
        if let Some(Value::Object(operations)) = written.get("operations") {
            for (operation, policies) in operations {
                self.policies(&format!("{at}.operations.{operation}"), policies, self.by, &CLIENT);
            }
        }
        self.shared(&at, &written);
    }

    fn node(&mut self, name: &Name, node: &NodeSpec) {
        let facts = node.kind().facts();
        let kind = facts.kind;
        let at = format!("nodes.{}.{kind}", name.0);
        let Some((_, same)) = SAME.iter().find(|(known, _)| *known == kind) else {
            let why = match kind {
                NodeKind::Cache => "what a cache has depends on how many ask for a key".to_owned(),
                other => format!("nobody knows what a {other} does in small"),
            };
            return self.refuse(&at, why);
        };
        let written = serde_json::to_value(node).unwrap_or_default();
        let Some(Value::Object(keys)) = written.get(kind.name()) else { return };
        let own = matches!(kind, NodeKind::Service | NodeKind::Store);
        let instances = if own { facts.instances } else { self.by };
        // As many of the instances as there are; the rest of each of them.
        let fewer = gcd(instances, self.by);
        let rest = self.by / fewer;
        if own && fewer > 1 {
            let count = if kind == NodeKind::Store { "shards.count" } else { "instances" };
            self.divide(&format!("{at}.{count}"), instances, fewer);
        }
        for (key, value) in keys {
            let path = format!("{at}.{key}");
            match key.as_str() {
                "instances" | "shards" => {}
                key if DIVIDED.contains(&key) => {
                    if rest > 1 {
                        let Some(of) = number(value) else { continue };
                        self.divide(&path, of, rest);
                    }
                }
                "dependencies" => {
                    for (to, edge) in value.as_object().into_iter().flatten() {
                        self.policies(&format!("{path}.{to}"), edge, rest, &[]);
                    }
                }
                "need" => {
                    if let Some(of) = number(value).filter(|_| fewer > 1) {
                        self.divide(&path, of, fewer);
                    }
                }
                key if same.contains(&key) || rest == 1 && OF_ONE.contains(&key) => {}
                key if OF_ONE.contains(&key) => {
                    let message = format!(
                        "{instances} instances cannot be divided by {}, and this is of each",
                        self.by
                    );
                    self.refuse(&path, message);
                }
                _ => self.refuse(&path, "nobody knows what this does in small"),
            }
        }
        if own && !DIVIDED.iter().any(|key| keys.contains_key(*key)) && rest > 1 {
            let message = format!(
                "{instances} instances cannot be divided by {}, and nothing bounds each",
                self.by
            );
            self.refuse(&at, message);
        }
        if rest > 1 && holds_lock(&written) {
            let message = format!(
                "{instances} instances cannot be divided by {}, and each has one lock",
                self.by
            );
            self.refuse(&format!("{at}.endpoints"), message);
        }
        self.shared(&at, &written[kind.name()]);
    }

    /// Policies of calls of one caller, of which this is to be one of so many.
    fn policies(&mut self, at: &str, of: &Value, by: u64, other: &[&str]) {
        for (key, value) in of.as_object().into_iter().flatten() {
            let path = format!("{at}.{key}");
            let size = || {
                number(value)
                    .map(|of| (String::new(), of))
                    .or_else(|| Some((".size".to_owned(), number(value.get("size")?)?)))
            };
            match key.as_str() {
                "pool"
                    if by > 1
                        && ["keep", "ports", "streams"]
                            .iter()
                            .any(|key| value.get(key).is_some()) =>
                {
                    self.refuse(&path, "it says how many connections there are of several kinds");
                }
                "pool" | "bulkhead" if by > 1 => match size() {
                    Some((end, of)) => self.divide(&format!("{path}{end}"), of, by),
                    None => self.refuse(&path, "nobody knows what this does in small"),
                },
                "retry" if by > 1 && value.get("budget").is_some() => {
                    self.refuse(&format!("{path}.budget"), "a budget counts calls");
                }
                key if by == 1 || POLICIES.contains(&key) || other.contains(&key) => {}
                _ => self.refuse(&path, "it counts calls, of which there are fewer"),
            }
        }
    }

    /// What all share: one lock is one lock, and a key is a key.
    fn shared(&mut self, at: &str, of: &Value) {
        match of {
            Value::Object(keys) => {
                for (key, value) in keys {
                    let path = format!("{at}.{key}");
                    // Whole, or by the value of an attribute.
                    let says = |what: &str| value.to_string().contains(what);
                    match key.as_str() {
                        "lock" if value.get("per").is_some() => {
                            self.refuse(&path, "a key is not asked for less often by fewer");
                        }
                        "lock"
                            if value.get("scope") == Some(&"shared".into())
                                || value.get("in").is_some() =>
                        {
                            self.refuse(&path, "one lock for all is one lock");
                        }
                        "transaction" | "saga" | "cas" => {
                            self.refuse(&path, "what is held of each key is one");
                        }
                        "rate_limit" | "concurrency" if says("per=") => {
                            self.refuse(&path, "a limit for each key is not divided");
                        }
                        "rate_limit" | "concurrency" if says("scope=shared") => {
                            self.refuse(&path, "one limit for all is not divided here");
                        }
                        _ => self.shared(&path, value),
                    }
                }
            }
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.shared(&format!("{at}[{i}]"), item);
                }
            }
            _ => {}
        }
    }
}

/// Keys of clients and their operations that are the same in small, besides policies.
const CLIENT: [&str; 21] = [
    "arrivals",
    "load",
    "active",
    "operations",
    "session",
    "keys",
    "attributes",
    "zones",
    "to",
    "read",
    "write",
    "delete",
    "cas",
    "increment",
    "publish",
    "priority",
    "size",
    "share",
    "key",
    "price",
    "name",
];

/// Whether something in it is a lock.
fn holds_lock(of: &Value) -> bool {
    match of {
        Value::Object(keys) => keys.contains_key("lock") || keys.values().any(holds_lock),
        Value::Array(items) => items.iter().any(holds_lock),
        _ => false,
    }
}

/// A whole number, as a number or as a text such as `10k`.
fn number(value: &Value) -> Option<u64> {
    let text = value.as_str().map(|text| text.parse::<crate::units::Count>().ok().map(|n| n.0));
    value.as_u64().or(text.flatten())
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What a scenario is to be divided by: `1/100`.
///
/// # Errors
///
/// It is no such share.
pub fn divisor(text: &str) -> Result<u64, String> {
    let by = text.strip_prefix("1/").and_then(|by| by.parse().ok());
    by.filter(|by| (2..=1_000_000).contains(by))
        .ok_or_else(|| format!("`{text}` is no share such as `1/10` or `1/100`"))
}
