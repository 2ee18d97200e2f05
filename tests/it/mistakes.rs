//! Mistakes of newcomers: each is told at its line, with its code, once, and with advice that is right.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::Value;

use crate::cli::windtunnel;

/// Code and a phrase of message or advice of the first error of the files in `data/mistakes`, whose
/// lines and numbers of errors stand in `expect.json` there.
const SAID: &[(&str, &str, &str)] = &[
    ("02-typo-top", "E-UNKNOWN-KEY", "did you mean `duration`?"),
    ("04-wrong-unit", "E-UNIT", "`5ms`"),
    ("05-minutes-word", "E-UNIT", "did you mean `1m`?"),
    ("06-rate-no-unit", "E-UNIT", "`100/s`"),
    ("08-tabs", "E-YAML", "there is a tab"),
    ("09-missing-colon", "E-YAML", "write `api:`"),
    ("10-missing-space", "E-YAML", "write `cores: 2`"),
    ("12-kind-lb", "E-UNKNOWN-KEY", "did you mean `load_balancer`?"),
    ("16-negative-dur", "E-RANGE", "negative"),
    ("18-huge-rate", "E-NUM-FORM", "1000000000000/s"),
    ("20-circular2", "E-CYCLE", "api -> b -> api"),
    ("22-missing-ref", "E-REF", "unknown node `database`"),
    ("24-anchor", "E-ALIAS", "not part of the language"),
    ("26-comma-in-braces", "E-COMMA", "range(10 20)"),
    ("28-comma-law-flow", "E-COMMA", "lognormal(median=5ms p99=20ms)"),
    ("30-nodes-list", "E-YAML", "a list and a map are mixed"),
    ("32-indent", "E-YAML", "indent it like its neighbours"),
    ("33-indent-node", "E-INDENT", "nothing below `db`: `store` stands beside it"),
    ("34-unicode-quotes", "E-NAME", "typographic quotes"),
    ("38-empty", "E-EMPTY", "windtunnel new"),
    ("40-two-docs", "E-YAML-MULTIDOC", "one scenario"),
    ("41-k8s", "E-OTHER-FILE", "a Kubernetes manifest"),
    ("42-compose", "E-OTHER-FILE", "a Compose file"),
    ("44-version2", "E-VERSION", "write `windtunnel: 1`"),
    ("46-replicas", "E-UNKNOWN-KEY", "it is called `instances` here"),
    ("50-slo-p99bare", "E-REF", "`p99(latency) <= 250ms`"),
    ("52-fault-at-end", "E-FAULT-TIME", "before `duration`"),
    ("54-fault-two", "E-FAULT", "one effect"),
    ("56-fault-inst", "E-FAULT-TARGET", "2 instances"),
    ("58-share-inf", "E-RANGE", "`7%`"),
    ("62-keys-missing", "E-MISSING", "need keys"),
    ("64-name-space", "E-NAME", "`my-shop`"),
    ("66-seconds-float", "E-NUM-FORM", "1.5.2s"),
    ("70-zero-duration", "E-RANGE", "above 0"),
    ("72-retries", "E-UNKNOWN-KEY", "it is called `retry` here"),
    ("74-null", "E-TYPE", "there is no value here"),
    ("76-missing-nodes", "E-MISSING", "`nodes` is missing"),
    ("78-list-slos", "E-TYPE", "begins with `- `"),
    ("80-quoted-num", "E-TYPE", "without quotes: `2`"),
    ("82-norway", "E-NAME", "such as `node-no`"),
    ("84-mean-noeq", "E-EXPR", "exp(mean=5ms)"),
    ("86-equals", "E-YAML", "write `cores: 2`"),
    ("a4", "E-UNIT", "did you mean `1m`?"),
    ("a8", "E-ENUM", "unknown law `foo`"),
    ("b1", "E-DIST", "above the median"),
    ("b3", "E-ENUM", "unknown law of keys `foo`"),
];

/// More of them: what of the good file is replaced by what, and line, code and a phrase of the only
/// error.
const MORE: &[(&str, &str, usize, &str, &str)] = &[
    ("shards: {count: 2, by", "shards: {count:2, by", 26, "E-UNKNOWN-KEY", "`count: 2`"),
    ("shards: {count: 2, by", "shards: {count = 2, by", 26, "E-UNKNOWN-KEY", "`count: 2`"),
    ("timeout: 1s", "timeout:1s", 10, "E-YAML", "write `timeout: 1s`"),
    ("timeout: 1s", "timeout 1s", 10, "E-YAML", "a colon is missing after `timeout`"),
    ("name: shop", "name= shop", 2, "E-YAML", "write `name: shop`"),
    ("    to: edge", "\tto: edge", 9, "E-YAML", "there is a tab"),
    ("duration: 60s", "duration: 60", 3, "E-UNIT", "`60s`"),
    ("duration: 60s", "duration: 60 seconds", 3, "E-UNIT", "did you mean `60s`?"),
    ("duration: 60s", "duration: 2 hours", 3, "E-UNIT", "did you mean `2h`?"),
    ("duration: 60s", "duration: 60,000ms", 3, "E-NUM-FORM", "`60000ms`"),
    ("poisson(100/s)", "poisson(100 /s)", 8, "E-UNIT", "`100/s`"),
    ("poisson(100/s)", "poisson(100/sec)", 8, "E-UNIT", "`100/s`"),
    ("arrivals: poisson(100/s)", "rps: 100", 8, "E-UNKNOWN-KEY", "`arrivals: poisson(100/s)`"),
    ("policy: least_requests", "algorithm: round_robin", 15, "E-UNKNOWN-KEY", "`policy`"),
    ("policy: least_requests", "policy: round-robin", 15, "E-ENUM", "did you mean `round_robin`?"),
    ("cores: 2", "cpu: 2", 19, "E-UNKNOWN-KEY", "it is called `cores` here"),
    ("cores: 2", "threads: 2", 19, "E-UNKNOWN-KEY", "it is called `workers` here"),
    ("cores: 2", "timeout: 1s", 19, "E-UNKNOWN-KEY", "is a key of"),
    ("load_balancer:", "nginx:", 13, "E-UNKNOWN-KEY", "it is called `load_balancer` here"),
    ("    store:", "    postgres:", 25, "E-UNKNOWN-KEY", "it is called `store` here"),
    ("    store:", "    stoer:", 25, "E-UNKNOWN-KEY", "did you mean `store`?"),
    ("- read: db", "- reads: db", 23, "E-UNKNOWN-KEY", "did you mean `read`?"),
    ("    to: edge", "    call: edge", 9, "E-UNKNOWN-KEY", "it is called `to` here"),
    ("    to: edge", "    to: “edge”", 9, "E-NAME", "typographic quotes"),
    ("p99(latency) <= 250ms", "p99(latency) ≤ 250ms", 31, "E-SLO", "expected one of"),
    ("availability >= 99%", "error_rate <= 1%", 30, "E-REF", "`availability >= 99%`"),
    ("availability >= 99%", "availability = 99%", 30, "E-SLO", "`==`"),
    ("windtunnel: 1", "openapi: 3.0.0", 1, "E-OTHER-FILE", "an OpenAPI description"),
];

struct Told {
    exit: i32,
    errors: Vec<Value>,
}

fn told(folder: &Path, file: &str) -> Told {
    let ran = windtunnel(folder, &format!("validate {file} --format json"));
    let all: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap_or_default();
    let errors = all.into_iter().filter(|p| p["severity"] == "error").collect();
    Told { exit: ran.code, errors }
}

fn says(error: &Value, phrase: &str) -> bool {
    [&error["message"], &error["help"]]
        .iter()
        .any(|t| t.as_str().is_some_and(|t| t.contains(phrase)))
}

#[test]
fn each_mistake_is_told_once_at_its_line_with_advice() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mistakes");
    let expect = fs::read_to_string(folder.join("expect.json")).unwrap();
    let expect: serde_json::Map<String, Value> = serde_json::from_str(&expect).unwrap();
    let mut failures = String::new();
    for (file, wanted) in &expect {
        let Told { exit, errors } = told(&folder, file);
        let number = errors.len() as u64;
        let line = errors.first().map_or(&Value::Null, |e| &e["line"]);
        let mut met = wanted["exit"] == exit
            && wanted["line"] == *line
            && number <= wanted["errors_at_most"].as_u64().unwrap()
            && number >= wanted["errors_at_least"].as_u64().unwrap_or(0);
        let said = SAID.iter().find(|(name, ..)| format!("{name}.yaml") == *file);
        if let Some((_, code, phrase)) = said {
            met &= errors.first().is_some_and(|e| e["code"] == *code && says(e, phrase));
        }
        if !met {
            writeln!(failures, "{file}: wanted {wanted} {said:?}, told {exit} {errors:#?}")
                .unwrap();
        }
    }
    assert!(expect.len() >= 55 && failures.is_empty(), "{failures}");
}

#[test]
fn more_mistakes_are_told_once_at_their_line_with_advice() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mistakes");
    let good = fs::read_to_string(folder.join("00-good.yaml")).unwrap();
    let w = tempfile::tempdir().unwrap();
    let mut failures = String::new();
    for (old, new, line, code, phrase) in MORE {
        assert!(good.contains(old), "{old}");
        fs::write(w.path().join("a.yaml"), good.replacen(old, new, 1)).unwrap();
        let Told { exit, errors } = told(w.path(), "a.yaml");
        let first = errors.first();
        let coded =
            first.is_some_and(|e| code.is_empty() || (e["code"] == *code && says(e, phrase)));
        let met = exit == 2 && coded && errors.len() == 1 && errors[0]["line"] == *line;
        if !met {
            writeln!(failures, "`{new}`: wanted {line} {code} {phrase}, told {errors:#?}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn shapes_and_meanings_are_told_together() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mistakes");
    let errors = told(&folder, "77-many.yaml").errors;
    let wanted: [(u64, &str); 8] = [
        (9, "unknown node `egde`"),
        (10, "unknown key `timout`"),
        (10, "`1` has no unit"),
        (15, "unknown policy `least_conn`"),
        (18, "unknown key `instnaces`"),
        (18, "`two`"),
        (23, "unknown key `reed`"),
        (31, "there is no metric `latecy`"),
    ];
    for (line, phrase) in wanted {
        let met = errors.iter().any(|e| e["line"] == line && says(e, phrase));
        assert!(met, "{line} {phrase}: {errors:#?}");
    }
    assert_eq!(errors.len(), wanted.len(), "nothing follows from another: {errors:#?}");
}

/// A small design: what is wrong with it stands in none of the places it was told at.
const SMALL: &str = "\
windtunnel: 1
name: small
duration: 10s
clients:
  u:
    arrivals: poisson(10/s)
    to: edge
    timeout: 1s
    operations:
      a: {share: 50%}
      b: {share: 50%, timeout: 2s}
nodes:
  edge: {load_balancer: {to: api, health_check: {interval: 2s}}}
  api:
    service:
      cores: 2
      endpoints:
        a: [{work: 10ms}]
        b: [{work: 10ms}]
variants:
  big: {nodes.api.service.instances: 4}
";

/// What of it is replaced by what, and line, code and a phrase of each problem.
type Wanted = &'static [(u64, &'static str, &'static str)];
const IN_ITS_PLACE: &[(&str, &str, Wanted)] = &[
    // What operations inherit stands at their client.
    ("to: edge", "to: egde", &[(7, "E-REF", "did you mean `edge`?")]),
    ("timeout: 1s", "timeout: 0s", &[(8, "E-RANGE", "above 0")]),
    ("timeout: 1s", "retry: {attempts: 0}", &[(8, "E-RANGE", "at least 1")]),
    ("timeout: 1s", "retry: {attempts: 5000}", &[(8, "E-BUDGET", "limit of 1000")]),
    ("timeout: 1s", "breaker: {window: 0s, open: 1s}", &[(8, "E-RANGE", "above 0")]),
    ("timeout: 1s", "fallback: {call: apy}", &[(8, "E-REF", "did you mean `api`?")]),
    ("timeout: 1s", "priority: 999", &[(8, "E-RANGE", "1..=255")]),
    ("timeout: 1s", "size: 1KB * bold", &[(8, "E-REF", "`bold`")]),
    ("timeout: 1s", "timeout: 5ms", &[(8, "W-IMPOSSIBLE", "10ms")]),
    ("timeout: 2s", "timeout: 0s", &[(11, "E-RANGE", "above 0")]),
    ("timeout: 2s", "timeout: 5ms", &[(11, "W-IMPOSSIBLE", "10ms")]),
    ("timeout: 2s", "to: egde", &[(11, "E-REF", "did you mean `edge`?")]),
    // Who asks for an operation nobody serves.
    ("interval: 2s", "interval: 2s, operation: healthz", &[(13, "E-REF", "no endpoint `healthz`")]),
    ("        b: [{work: 10ms}]\n", "", &[(11, "E-REF", "which client `u` asks for")]),
    // Who asks for what another name was meant for.
    (
        "        a: [{work: 10ms}]\n        b:",
        "        aa: [{work: 10ms}]\n        default:",
        &[(10, "W-OPERATION", "did you mean `aa`")],
    ),
    // What a variant makes of it.
    ("nodes.api.service.instances: 4", "api.instances: 4", &[(21, "E-REF", "`nodes.api.service`")]),
    ("instances: 4", "cores: 0", &[(21, "E-RANGE", "at least 1 (in variant `big`)")]),
    ("nodes.api.service.instances: 4", "clients.u.to: apy", &[(21, "E-REF", "(in variant `big`)")]),
    (
        "nodes.api.service.instances: 4",
        "nodes: {api: {service: {instances: 4}}}",
        &[(21, "E-REPLACED", "`nodes.api.service.instances: 4`")],
    ),
    (
        "nodes.api.service.instances: 4",
        "clients.u.operations: {a: {share: 100%}}",
        &[(21, "W-REPLACED", "`b` are gone")],
    ),
    (
        "instances: 4}",
        "cores: 9}\n  twice: {nodes.api.service.cores: 0, duration: 0s}",
        &[
            (22, "E-RANGE", "at least 1 (in variant `twice`)"),
            (22, "E-RANGE", "above 0 (in variant `twice`)"),
        ],
    ),
    // Latencies between places that are not there.
    (
        "duration: 10s",
        "duration: 10s\nnetwork: {same_region: 1ms}",
        &[(4, "W-UNUSED", "two zones")],
    ),
    ("duration: 10s", "duration: 10s\nnetwork: {cross_region: 1ms}", &[(4, "W-UNUSED", "no two")]),
    (
        "duration: 10s\nclients:\n  u:",
        "duration: 10s\nnetwork: {internet: 9ms}\ntopology: {regions: {r: [z]}}\nclients:\n  u:\n    zones: z",
        &[(4, "W-UNUSED", "all clients stand in zones")],
    ),
    // In the order of the lines.
    (
        "        b: [{work: 10ms}]",
        "        b: [{call: maps}]\n      dependencies: {maps: {timeout: 1s}}",
        &[(19, "E-REF", "`maps`"), (20, "E-REF", "`maps`")],
    ),
    // Words and signs of elsewhere.
    ("poisson(10/s)", "poisson(rate=10/s)", &[(6, "E-EXPR", "not `rate=`")]),
    (
        "timeout: 1s",
        "rate_limit: {rate: 10/s}",
        &[(8, "E-TYPE", "`token_bucket(rate=100/s burst=200)`")],
    ),
    ("share: 50%}", "share: 60%}", &[(9, "E-SHARE", "sum to 110 %")]),
    ("duration: 10s", "duration: 1,5s", &[(3, "E-NUM-FORM", "write `1.5s`")]),
    ("poisson(10/s)", "poisson(10rps)", &[(6, "E-UNIT", "`10/s`")]),
    ("{to: api,", "{to: api, policy: least_connections,", &[(13, "E-ENUM", "`least_requests`")]),
    ("  api:", "  Api:", &[(14, "E-NAME", "did you mean `api`?")]),
    ("{work: 10ms}", "{work: 10ms, reply: 1KB}", &[(18, "E-STEP", "not `work` and `reply`")]),
    ("    timeout: 1s", "    attributes: {m: coin(10%)}", &[(8, "E-ENUM", "a coin is `10%`")]),
    ("    timeout: 1s", "    attributes: {m: choice(1=10% x=90%)}", &[(8, "E-NAME", "conditions")]),
    ("    timeout: 1s", "    attributes: {m: choice(yes=10% no=90%)}", &[]),
    (
        "variants:",
        "slos:\n  - availability: 99%\nvariants:",
        &[(21, "E-TYPE", "`availability >= 99%`")],
    ),
    ("variants:", "slos:\n  - p99: 1s\nvariants:", &[(21, "E-TYPE", "`p99(latency) <= 1s`")]),
    (
        "variants:",
        "faults:\n  -{id: f, at: 1s}\nvariants:",
        &[(21, "E-YAML", "`- {id: f, at: 1s}`")],
    ),
    (
        "{nodes.api.service.instances: 4}",
        "{nodes.api.service.endpoints.a[0].work: 4ms}",
        &[(21, "E-YAML", "stands in quotes: `\"nodes.api.service.endpoints.a[0].work\"`")],
    ),
    (
        "a: [{work: 10ms}]\n        b: [{work: 10ms}]\n",
        "a: [{lock: {name: seat, per: client, do: [{work: 1ms}]}}]\n        b: [{work: 10ms}]\nslos: [\"nodes.api.resources.lock:seat.utilisation <= 80%\"]\n",
        &[(20, "E-SLO", "as many as keys")],
    ),
    (
        "duration: 10s",
        "duration: 10s\nnetwork:\n  same_zone: 0,25ms",
        &[(5, "E-NUM-FORM", "write `0.25ms`")],
    ),
    // What is missing may be in what could not be read.
    (
        "variants:",
        "  db: {store: {write: 2ms}}\nslos: [lost_acked_writes == 0]\nvariants:",
        &[(20, "E-MISSING", "`read`")],
    ),
    (
        "b: [{work: 10ms}]\n",
        "b: [{work: 10ms}]\n      price: 1\nslos: [cost.per_month <= $9]\n",
        &[(20, "E-UNIT", "$1/h")],
    ),
    // Words of other programs, and shapes one takes for granted.
    ("      cores: 2", "      cores: 500m", &[(16, "E-UNIT", "`quota: 50ms per 100ms`")]),
    ("      cores: 2", "      cores: 2 vCPU", &[(16, "E-UNIT", "write `2`")]),
    (
        "      cores: 2",
        "      limits: {memory: {max: 512Mi}}",
        &[(16, "E-UNIT", "did you mean `512MiB`")],
    ),
    ("      cores: 2", "      limits: {memory: 1GB}", &[(16, "E-TYPE", "write `{max: 1GB}`")]),
    ("{to: api, health", "{targets: [api], health", &[(13, "E-UNKNOWN-KEY", "called `to`")]),
    ("health_check: {", "healthcheck: {", &[(13, "E-UNKNOWN-KEY", "`health_check`")]),
    ("interval: 2s", "interval: 2s, unhealthy_threshold: 3", &[(13, "E-UNKNOWN-KEY", "`fall`")]),
    ("{to: api,", "{to: api, outlier_detection: {},", &[(13, "E-UNKNOWN-KEY", "`eject`")]),
    ("      endpoints:", "      operations:", &[(17, "E-UNKNOWN-KEY", "called `endpoints`")]),
    ("a: [{work: 10ms}]", "a: [{sleep: 10ms}]", &[(18, "E-UNKNOWN-KEY", "called `wait`")]),
    ("a: [{work: 10ms}]", "a: [{parallel: []}]", &[(18, "E-UNKNOWN-KEY", "called `all`")]),
    (
        "a: [{work: 10ms}]",
        "a: [{call: {to: api, retry: {}}}]",
        &[(18, "E-UNKNOWN-KEY", "`dependencies: {db: {retry: ..}}`"), (18, "E-CYCLE", "itself")],
    ),
    (
        "variants:",
        "faults:\n  - {id: f, at: 1s, crash: api}\nvariants:",
        &[(21, "E-TYPE", "write `{node: api}`")],
    ),
    (
        "variants:",
        "faults:\n  - {id: f, at: 1s, kill: api}\nvariants:",
        &[(21, "E-UNKNOWN-KEY", "`crash: {node: api}`")],
    ),
    (
        "variants:",
        "faults:\n  - {id: f, at: 1s, partition: [api, edge]}\nvariants:",
        &[(21, "E-TYPE", "write `{link: [api, edge]}`")],
    ),
    (
        "variants:",
        "faults:\n  - {id: f, at: 1s, partition: {between: [api, edge]}}\nvariants:",
        &[(21, "E-TYPE", "`[api]`"), (21, "E-TYPE", "`[edge]`")],
    ),
    // A condition that says nothing.
    (
        "variants:",
        "alerts: {f: {when: error_fraction(client=u window=5s) <= 100%}}\nvariants:",
        &[(20, "E-RANGE", "always so")],
    ),
    (
        "variants:",
        "alerts: {f: {when: availability(client=u window=5s) < 0%}}\nvariants:",
        &[(20, "E-RANGE", "never so")],
    ),
    ("interval: 2s}}}", "interval: 2s, operation: aa}}}", &[(13, "E-REF", "no endpoint `aa`")]),
];

#[test]
fn mistakes_are_told_where_they_stand() {
    let w = tempfile::tempdir().unwrap();
    let mut failures = String::new();
    for (old, new, wanted) in IN_ITS_PLACE {
        assert!(SMALL.contains(old), "{old}");
        fs::write(w.path().join("a.yaml"), SMALL.replacen(old, new, 1)).unwrap();
        let ran = windtunnel(w.path(), "validate a.yaml --format json");
        let all: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap_or_default();
        let met = all.len() == wanted.len()
            && all.iter().zip(*wanted).all(|(problem, (line, code, phrase))| {
                problem["line"] == *line && problem["code"] == *code && says(problem, phrase)
            });
        if !met {
            writeln!(failures, "`{new}`: wanted {wanted:?}, told {all:#?}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn what_is_set_is_wrong_where_it_is_set_and_mends_variants_too() {
    let w = tempfile::tempdir().unwrap();
    let write = |text: &str| fs::write(w.path().join("a.yaml"), text).unwrap();
    write(SMALL);
    let ran = windtunnel(w.path(), "validate a.yaml --set clients.u.to=nope");
    let once = ran.stderr.matches("unknown node `nope`").count() == 1;
    assert!(once && ran.stderr.contains("--set clients.u.to:1:14"), "{}", ran.stderr);
    write(&SMALL.replace("instances: 4", "cores: 0"));
    for (command, code) in [
        ("validate a.yaml", 2),
        ("run a.yaml -n 1", 2),
        ("validate a.yaml --set nodes.api.service.cores=1", 0),
    ] {
        assert_eq!(windtunnel(w.path(), command).code, code, "{command}");
    }
    // Warnings of a variant are told when it is taken.
    write(&SMALL.replace("nodes.api.service.instances: 4", "clients.u.load: 0"));
    for (command, code) in [("validate a.yaml", 0), ("validate a.yaml --variant big", 2)] {
        let command = format!("{command} --deny-warnings");
        assert_eq!(windtunnel(w.path(), &command).code, code, "{command}");
    }
}
