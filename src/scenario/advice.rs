//! What people most likely meant: words of other programs, keys of other places, other files,
//! characters that look alike, and what a YAML parser trips over long after the mistake.
//!
//! **Invariant.** Advice changes no verdict: it only puts better words, or the place where the
//! mistake was made, to what is refused anyway.

use std::{collections::BTreeMap, sync::OnceLock};

use super::{
    problems::{Found, shown},
    reference::title,
    schema,
    tree::{Kind, Node},
};
use crate::expr::percentile;

/// Words of other programs: who uses one, the word here, and what to write.
const FOREIGN: &[(&[&str], &str, &str)] = &[
    (&["replicas", "pods", "copies", "servers", "nodes"], "instances", "`instances: 2`"),
    (&["cpu", "cpus", "vcpu", "vcpus"], "cores", "`cores: 2`"),
    (
        &["threads", "concurrency", "max_concurrency", "max_connections", "max_in_flight"],
        "workers",
        "`workers: 50`",
    ),
    (
        &["limit_conn", "max_concurrency", "max_in_flight", "at_once", "bulkhead"],
        "concurrency",
        "`concurrency: 10 per=client`",
    ),
    (
        &["retries", "max_retries", "attempts", "retry_count"],
        "retry",
        "`retry: {attempts: 3, backoff: exponential(base=50ms max=1s)}`",
    ),
    (
        &["rps", "qps", "rate", "traffic", "throughput", "requests_per_second"],
        "arrivals",
        "`arrivals: poisson(100/s)`",
    ),
    (&["users", "vus", "concurrent_users"], "arrivals", "`arrivals: closed(users=50 think=1s)`"),
    (
        &["target", "targets", "backend", "backends", "upstream", "upstreams", "servers", "call"],
        "to",
        "`to: api`",
    ),
    (
        &[
            "service_time",
            "latency",
            "processing_time",
            "response_time",
            "cpu_time",
            "duration",
            "cpu",
            "compute",
        ],
        "work",
        "`work: exp(mean=5ms)`",
    ),
    (&["depends_on", "downstream", "uses"], "calls", "`calls: [db]`"),
    (&["algorithm", "strategy", "balancing", "lb_policy"], "policy", "`policy: least_requests`"),
    (&["circuit_breaker"], "breaker", "`breaker: {..}`"),
    (&["health", "healthcheck", "probe"], "health_check", "`health_check: {interval: 2s}`"),
    (&["unhealthy_threshold", "failure_threshold", "failures"], "fall", "`fall: 3`"),
    (&["healthy_threshold", "success_threshold", "successes"], "rise", "`rise: 2`"),
    (&["outlier_detection", "outliers"], "eject", "`eject: {errors: 5, for: 30s}`"),
    (&["pool_size", "connections", "connection_pool"], "pool", "`pool: {size: 16}`"),
    (&["operations", "routes", "handlers", "methods"], "endpoints", "`endpoints: {default: [..]}`"),
    (&["sleep", "delay", "pause"], "wait", "`wait: 50ms`"),
    (&["parallel", "fan_out", "concurrently"], "all", "`all: [{call: a}, {call: b}]`"),
    (&["kill", "terminate", "stop", "down", "outage"], "crash", "`crash: {node: api}`"),
    (&["max_queue", "queue_size", "backlog"], "queue", "`queue: 100`"),
    (&["sqs", "rabbitmq", "message_queue", "broker", "mq"], "queue", "`queue: {visibility: 30s}`"),
    (
        &["subscribe", "subscribes", "subscription", "listens", "receives"],
        "consumes",
        "`consumes: orders`",
    ),
    (&["send", "emit", "enqueue", "produce", "push"], "publish", "`publish: orders`"),
    (&["dlq", "dead_letter_queue"], "dead_letter", "`dead_letter: dead`"),
    (&["visibility_timeout", "ack_deadline", "ack_timeout"], "visibility", "`visibility: 30s`"),
    (&["max_receive_count", "max_deliveries", "max_attempts"], "max_receives", "`max_receives: 5`"),
    (
        &["lambda", "faas", "serverless", "cloud_function", "functions"],
        "function",
        "`function: {cold_start: 800ms, work: 50ms}`",
    ),
    (&["max_size", "max_entries", "maxmemory"], "capacity", "`capacity: 10k`"),
    (&["expiry", "expiration", "expires"], "ttl", "`ttl: 1h`"),
    (&["delay", "response_time"], "latency", "`latency: 20ms`"),
    (&["slo", "sla", "objectives", "goals", "thresholds"], "slos", "`slos: [availability >= 99%]`"),
    (&["chaos", "incidents", "failures"], "faults", "`faults: [..]`"),
    (&["length", "runtime", "simulation_time"], "duration", "`duration: 10m`"),
    (&["title"], "name", "`name: shop`"),
    (&["version", "schema"], "windtunnel", "`windtunnel: 1`"),
    (&["services", "components", "servers"], "nodes", "`nodes: {api: {service: {..}}}`"),
    (&["database", "db", "postgres", "mysql", "mongodb", "sql"], "store", "`store: {..}`"),
    (&["redis", "memcached", "memcache"], "cache", "`cache: {..}`"),
    (
        &["lb", "balancer", "proxy", "nginx", "haproxy", "envoy", "router"],
        "load_balancer",
        "`load_balancer: {to: api}`",
    ),
    (
        &["api", "server", "app", "application", "microservice", "backend", "web", "worker"],
        "service",
        "`service: {cores: 2, work: 5ms}`",
    ),
    (&["third_party", "saas", "upstream", "vendor"], "external", "`external: {latency: 50ms}`"),
];

/// What a type does without, though others like it have it: the words, and how it goes there.
const WITHOUT: &[(&str, &[&str], &str)] = &[
    (
        "FunctionSpec",
        &["boot", "startup", "startup_time", "init", "init_duration"],
        "`cold_start: 800ms` is the time that an environment takes to start",
    ),
    (
        "FunctionSpec",
        &["idle_timeout", "ttl", "keep_warm"],
        "`keep_alive: 10m` is how long an idle environment stays",
    ),
    (
        "FunctionSpec",
        &["instances", "warm", "min_instances", "provisioned_concurrency"],
        "environments start when requests come; `provisioned: 5` are always there",
    ),
    (
        "FunctionSpec",
        &["autoscale", "max_instances", "max_concurrency", "reserved_concurrency"],
        "environments start when requests come, as many as `concurrency` and as fast as `growth` allows",
    ),
    (
        "FunctionSpec",
        &["cores", "cpu", "cpus", "vcpu"],
        "each request has a core of its own; an environment takes `workers: 4` of them at once",
    ),
    ("FunctionSpec", &["background"], "an environment does nothing unasked: a `service` does"),
];

/// How what a word stands for goes in a type that does without it.
pub(super) fn without(owner: &str, word: &str) -> Option<String> {
    let mut all = WITHOUT.iter().filter(|(of, ..)| *of == owner);
    all.find(|(_, words, _)| words.contains(&word)).map(|(.., how)| (*how).to_owned())
}

/// What a word of another program is called here, among the keys known in this place.
pub(super) fn foreign(word: &str, known: &[&str]) -> Option<String> {
    let word = word.to_lowercase().replace('-', "_");
    let (.., here, write) = FOREIGN
        .iter()
        .find(|(words, here, _)| words.contains(&word.as_str()) && known.contains(here))?;
    Some(format!("it is called `{here}` here: {write}"))
}

/// What `cores: 0.5` or `cores: 500m` wants, by its path.
pub(super) fn part_of_a_core(path: &str, text: &str) -> Option<String> {
    let cores: f64 = match text.strip_suffix('m') {
        Some(thousandths) => thousandths.parse::<f64>().ok()? / 1000.0,
        None => text.parse().ok()?,
    };
    let rationed = path.ends_with(".service.cores") || path.ends_with(".store.cores");
    (rationed && cores > 0.0 && cores < 1e6).then(|| {
        let (whole, time) = (cores.ceil(), cores * 100.0);
        format!("a part of a core is processor time that is rationed: `cores: {whole}` and `quota: {time}ms per 100ms`")
    })
}

/// What was meant by a text or list where the type `owner` is a map, in its words.
pub(super) fn spelled_out(owner: &str, node: &Node) -> Option<String> {
    let one = node.text().map(shown);
    let write = match (owner, &node.kind) {
        ("ResourceSpec", _) => format!("{{max: {}}}", one?),
        ("PathSpec", Kind::List(items)) => {
            let names: Option<Vec<String>> = items.iter().map(|n| n.text().map(shown)).collect();
            format!("{{link: [{}]}}", names.filter(|names| names.len() == 2)?.join(", "))
        }
        ("TargetSpec" | "PathSpec", _) => format!("{{node: {}}}", one?),
        _ => return None,
    };
    Some(format!("write `{write}`"))
}

/// The types that have a key, for a key in the wrong place.
pub(super) fn elsewhere(key: &str, known: &[&str]) -> Option<String> {
    static OWNERS: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    let owners = OWNERS.get_or_init(|| {
        let schema = schema::schema();
        let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut add = |name: &str, object: &serde_json::Value| {
            for key in object["properties"].as_object().into_iter().flat_map(|p| p.keys()) {
                owners.entry(key.clone()).or_default().push(title(name));
            }
        };
        add("Scenario", &schema);
        for (name, object) in schema["$defs"].as_object().into_iter().flatten() {
            add(name, object);
        }
        owners
    });
    let owners = owners.get(key)?;
    if owners.iter().any(|owner| owner == "Edge") && known.starts_with(&["to", "operation"]) {
        let key = shown(key);
        return Some(format!(
            "policies stand at the edge, beside the endpoints: `dependencies: {{db: {{{key}: ..}}}}`"
        ));
    }
    // What is a key nearly everywhere says nothing about where it was meant to be.
    (owners.len() <= 7).then(|| format!("`{}` is a key of {}", shown(key), words(owners)))
}

fn words(list: &[String]) -> String {
    match list {
        [] => String::new(),
        [one] => format!("*{one}*"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|w| format!("*{w}*")).collect();
            format!("{} and *{last}*", first.join(", "))
        }
    }
}

/// `cores:2` and `cores = 2`, which YAML reads as one text: as they should be written.
pub(super) fn pair(text: &str, known: &[&str]) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')?;
    let (key, rest) = text.split_at(end);
    let value = rest.trim_start().trim_start_matches([':', '=']).trim_start();
    let parted = rest.trim_start().starts_with([':', '=']);
    (parted && known.contains(&key))
        .then(|| format!("a key ends with a colon and a blank: `{}: {}`", key, shown(value)))
}

/// Characters of word processors that look like those of the language.
const LOOKALIKES: &[(&[char], &str)] = &[
    (&['“', '”', '„', '‘', '’', '«', '»'], "typographic quotes are no quotes: write `\"` or none"),
    (&['\u{a0}', '\u{2007}', '\u{202f}'], "there is a no-break space in it: write a plain blank"),
    (&['–', '—', '−'], "there is a dash of a word processor in it: write `-`"),
    (&['≤', '≥'], "write `<=` and `>=`"),
    (&['：', '，'], "there is a full-width sign in it: write `:` or `,` and a blank"),
    (&['…'], "write two points: `..`"),
];

/// Advice about a character that looks like another one.
pub(super) fn lookalike(text: &str) -> Option<&'static str> {
    LOOKALIKES.iter().find(|(chars, _)| text.contains(*chars)).map(|(_, help)| *help)
}

/// A file of another program, told as such instead of key by key.
pub(super) fn other_file(root: &Node) -> Option<Found> {
    let Kind::Map(entries) = &root.kind else { return None };
    let has = |key: &str| root.get(key).is_some();
    if has("windtunnel") || has("extends") {
        return None;
    }
    let what = if has("apiVersion") && has("kind") {
        "a Kubernetes manifest"
    } else if has("AWSTemplateFormatVersion") || has("Resources") {
        "a CloudFormation template"
    } else if has("openapi") || has("swagger") {
        "an OpenAPI description"
    } else if has("jobs") || has("on") {
        "a workflow of a CI service"
    } else if has("services") && !has("nodes") && !has("clients") {
        "a Compose file"
    } else if !schema::keys().iter().any(|key| has(key)) {
        "something else: none of its keys is one of a scenario"
    } else {
        return None;
    };
    let span = entries.first().map_or(root.span, |e| e.key_span);
    Some(Found::error("E-OTHER-FILE", span, format!("this is no scenario but {what}")).help(
        "a scenario begins with `windtunnel: 1`; `windtunnel new NAME` writes one to start from",
    ))
}

/// Where a mistake was made that the YAML parser met at byte `at`, and what to do about it.
pub(super) fn syntax(text: &str, at: usize, info: &str) -> (usize, String, String) {
    let lines = lines(text);
    let here = lines.iter().rposition(|l| l.start <= at).unwrap_or(0);
    let tabbed = |n: &usize| lines.get(*n).is_some_and(|l| l.indent().contains('\t'));
    // The parser may notice a tab at the end of the line before it.
    if let Some(n) = [here, here + 1].into_iter().find(tabbed).filter(|_| at > 0 || here == 0) {
        let tab = lines[n].start + lines[n].indent().find('\t').unwrap_or(0);
        let message = "there is a tab in the indentation";
        return (tab, message.to_owned(), "indent with blanks, not with tabs".to_owned());
    }
    if let Some((column, write)) = lines.get(here).and_then(dashed) {
        let message = "a blank is missing after the dash".to_owned();
        return (lines[here].start + column, message, format!("write `{}`", shown(&write)));
    }
    let flow = info.contains("flow") || info.contains(", or") || info.contains("','");
    if let Some(path) = lines.get(here).filter(|_| flow).and_then(|line| indexed(line.text)) {
        let line = &lines[here];
        let message = format!("`[` begins a list in the middle of `{}`", shown(path));
        let help =
            format!("inside `{{ }}` a path with `[0]` stands in quotes: `\"{}\"`", shown(path));
        return (line.start + line.text.rfind(path).unwrap_or(0), message, help);
    }
    if info.contains("simple key")
        && let Some(line) = culprit(&lines, here)
    {
        let content = line.text.trim();
        let key = content.strip_prefix("- ").unwrap_or(content);
        let end = key.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
        let (key, rest) = key.split_at(end.unwrap_or(key.len()));
        let value = rest.trim_start().trim_start_matches([':', '=']).trim();
        let at = line.start + line.indent().len();
        let message = match rest.trim_start() {
            r if r.starts_with(':') => format!("a blank is missing after `{key}:`"),
            r if r.starts_with('=') => format!("`=` stands where `{key}` wants a colon"),
            _ => format!("a colon is missing after `{}`", shown(key)),
        };
        let write = if value.is_empty() { format!("{key}:") } else { format!("{key}: {value}") };
        return (at, message, format!("write `{}`", shown(&write)));
    }
    let help = if info.contains("expected '-'") || info.contains("expected <block end>") {
        "a list and a map are mixed: either all lines of this block begin with `- `, or none does"
    } else if info.contains("expected key") || info.contains("block mapping") {
        "it begins in no column that a block above it has: indent it like its neighbours"
    } else if info.contains("mapping values") {
        "a line has one key: begin a new line, or put a text with `: ` in it in quotes"
    } else if info.contains("quote") || info.contains("quoted") {
        "a quote is not closed"
    } else if flow {
        "is a `{` or `[` not closed, or a comma missing?"
    } else if info.contains("cannot start") || info.contains("unexpected character") {
        "a text that begins with a sign such as `%`, `@` or `*` stands in quotes"
    } else {
        "is a quote or bracket not closed, or a line indented too far or too little?"
    };
    (at, format!("this is not YAML: {info}"), help.to_owned())
}

/// `-{id: a}`, a dash without a blank: where it stands, and what to write.
fn dashed(line: &Line<'_>) -> Option<(usize, String)> {
    let item = line.text.trim_start().strip_prefix('-')?;
    let close = item.starts_with(|c: char| c.is_ascii_alphabetic() || "{[\"'".contains(c));
    close.then(|| (line.indent().len(), format!("- {item}")))
}

/// The last path with the number of an item that no quotes stand around: `endpoints.browse[0].work`.
fn indexed(text: &str) -> Option<&str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
    let words = text.split(|c: char| !inside(c) && c != '"' && c != '\'');
    let bare = words.filter(|word| !word.contains(['"', '\'']));
    let mut paths = bare.filter(|word| {
        let number = word.split_once('[').filter(|(name, _)| !name.is_empty());
        number.is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    paths.next_back()
}

/// `availability: 99%`, a target written as a key and a value: as it should be written.
pub(super) fn target(node: &Node) -> Option<String> {
    let Kind::Map(entries) = &node.kind else { return None };
    let [entry] = entries.as_slice() else { return None };
    let value = entry.value.text()?;
    let write = match entry.key.as_str() {
        key if percentile(key).is_some() => format!("{key}(latency) <= {value}"),
        key if value.ends_with('%') => format!("{key} >= {value}"),
        key => format!("{key} <= {value}"),
    };
    Some(format!("write `{}`", shown(&write)))
}

struct Line<'t> {
    start: usize,
    text: &'t str,
}

impl Line<'_> {
    fn indent(&self) -> &str {
        &self.text[..self.text.len() - self.text.trim_start_matches([' ', '\t']).len()]
    }
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let parts = text.split_inclusive('\n').map(|text| {
        let line = Line { start, text: text.trim_end_matches(['\r', '\n']) };
        start += text.len();
        line
    });
    parts.collect()
}

/// The line without a key and a colon that the parser took for the beginning of a long key.
fn culprit<'l, 't>(lines: &'l [Line<'t>], here: usize) -> Option<&'l Line<'t>> {
    let above = lines[..=here.min(lines.len().checked_sub(1)?)].iter().rev().take(8);
    above.into_iter().find(|line| {
        let text = line.text.split(" #").next().unwrap_or_default().trim();
        let text = text.strip_prefix("- ").unwrap_or(text);
        let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        first && !text.contains(": ") && !text.ends_with(':')
    })
}
