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
