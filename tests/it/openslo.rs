//! OpenSLO files as objectives.

use std::fs;

use serde_json::Value;

use crate::cli::{Ran, windtunnel};

/// A scenario that imports a file.
const SCENARIO: &str = "\
windtunnel: 1
name: shop
duration: 40m
clients:
  users:
    arrivals: constant(10/s)
    timeout: 1s
    operations: {buy: {share: 50%, to: api}, look: {share: 50%, to: api}}
nodes:
  api: {external: {latency: 20ms}}
slos:
  - throughput >= 1/s
  - import: slo/checkout.yaml
    as:
      checkout-ok: availability(operation=buy)
      checkout-fast: latency(operation=buy unit=s)
      minutes: availability
      old: none
faults:
  - {id: bad, at: 10m, for: 2m, errors: {node: api, fraction: 100%}}
";

/// What it imports.
const FILE: &str = "\
# Objectives of the shop
apiVersion: openslo/v1
kind: Service
metadata: {name: checkout}
spec: {description: buys}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-ok, displayName: Checkout, labels: {team: [a, b]}}
spec:
  description: Bücher
  service: checkout
  indicatorRef: checkout-errors
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: fine, target: 0.935}, {targetPercent: 99.99}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: checkout-fast}
spec:
  service: checkout
  indicator: {metadata: {name: x}, spec: {thresholdMetric: {metricSource: {type: Prometheus}}}}
  budgetingMethod: Occurrences
  objectives:
    - {op: lte, value: 0.3, target: 0.95}
    - {op: lt, value: 0.1, target: 0.25}
    - {op: gt, value: 0.3, target: 0.5}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: minutes}
spec:
  service: checkout
  budgetingMethod: Timeslices
  objectives: [{target: 0.95, timeSliceTarget: 0.9, timeSliceWindow: 1m}]
  alertPolicies: []
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: old}
spec: {budgetingMethod: RatioTimeslices, whatever: 1}
";

/// What a command says of the scenario and the file.
fn ran(scenario: &str, file: &str, arguments: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("slo")).unwrap();
    fs::write(folder.path().join("shop.yaml"), scenario).unwrap();
    fs::write(folder.path().join("slo/checkout.yaml"), file).unwrap();
    windtunnel(folder.path(), arguments)
}

fn slos(scenario: &str, arguments: &str) -> Vec<(String, String)> {
    let ran = ran(scenario, FILE, arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let results: Value = serde_json::from_str(&ran.stdout).unwrap();
    let text = |slo: &Value, key: &str| slo[key].as_str().unwrap().to_owned();
    let all = results["slos"].as_array().unwrap().iter();
    all.map(|slo| (text(slo, "expression"), text(slo, "verdict"))).collect()
}

#[test]
fn slos_become_objectives() {
    let found = slos(SCENARIO, "run shop.yaml -n 1 --quiet --format json");
    // Two minutes of forty fail: 95 % are good.
    let expected = [
        ("throughput >= 1/s", "met"),
        ("availability(operation=buy) >= 93.5%", "met"),
        ("availability(operation=buy) >= 99.99%", "missed"),
        ("p95(latency operation=buy) <= 0.3s", "met"),
        ("fraction(latency < 0.1s operation=buy) >= 25%", "met"),
        ("fraction(latency > 0.3s operation=buy) >= 50%", "missed"),
        ("fraction(availability >= 90% window=1m) >= 95%", "met"),
    ];
    let expected = expected.map(|(text, verdict)| (text.to_owned(), verdict.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn slices_of_time_are_counted() {
    let of = |limit: &str| {
        let start = SCENARIO.find("slos:").unwrap();
        let faults = SCENARIO.find("faults:").unwrap();
        let slos = format!("slos: [fraction(availability >= 90% window=1m) >= {limit}]\n");
        let text = format!("{}{slos}{}", &SCENARIO[..start], &SCENARIO[faults..]);
        crate::design::results_of(&text, 1)["slos"][0].clone()
    };
    let slo = of("94%");
    assert_eq!(slo["verdict"], "met", "{slo}");
    // Of the 40 minutes the eleventh and the twelfth are bad.
    assert_eq!(slo["estimate"]["value"], 38.0 / 40.0);
    assert_eq!(of("96%")["verdict"], "missed");
}

#[test]
fn the_result_folder_needs_the_file_no_more() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("slo")).unwrap();
    fs::write(folder.path().join("shop.yaml"), SCENARIO).unwrap();
    fs::write(folder.path().join("slo/checkout.yaml"), FILE).unwrap();
    let ran = windtunnel(folder.path(), "run shop.yaml -n 1 --quiet");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let found = crate::cli::result_folder(folder.path(), "shop");
    let resolved = fs::read_to_string(found.join("scenario.yaml")).unwrap();
    assert!(
        !resolved.contains("import") && resolved.contains("p95(latency operation=buy) <= 0.3s")
    );
    let again = windtunnel(&found, "validate scenario.yaml");
    assert_eq!(again.code, 0, "{}", again.stderr);
}

#[test]
fn variants_import_too() {
    let variant = "variants:\n  loose:\n    slos:\n      - import: slo/checkout.yaml\n        \
                   as: {checkout-ok: availability, checkout-fast: none, minutes: none, old: none}\n";
    let text = format!("{SCENARIO}{variant}");
    let found = slos(&text, "run shop.yaml --variant loose -n 1 --quiet --format json");
    let texts: Vec<&str> = found.iter().map(|slo| slo.0.as_str()).collect();
    assert_eq!(texts, ["availability >= 93.5%", "availability >= 99.99%"]);
}

/// What of the file is replaced by what; place, code and a phrase of what is told.
const IN_FILE: &[[&str; 5]] = &[
    [
        "Occurrences\n  objectives: [{dis",
        "RatioTimeslices\n  objectives: [{dis",
        "15:20",
        "E-UNSUPPORTED",
        "RatioTimeslices",
    ],
    [
        "budgetingMethod: Occurrences\n  objectives: [{dis",
        "objectives: [{dis",
        "11:3",
        "E-MISSING",
        "`budgetingMethod`",
    ],
    ["target: 0.935", "target: 93.5", "16:44", "E-RANGE", "above 0 and below 1"],
    ["target: 0.935", "target: 1", "16:44", "E-RANGE", "above 0 and below 1"],
    ["target: 0.935", "trget: 0.935", "16:36", "E-UNKNOWN-KEY", "trget"],
    ["displayName: fine,", "compositeWeight: 2,", "16:17", "E-UNSUPPORTED", "compositeWeight"],
    ["displayName: fine,", "op: lte,", "16:21", "E-CONFLICT", "mapped to availability"],
    ["displayName: fine,", "timeSliceTarget: 0.9,", "16:34", "E-CONFLICT", "Timeslices"],
    ["op: lte, ", "op: le, ", "26:12", "E-ENUM", "lte, lt, gte, gt"],
    [
        "value: 0.3, target: 0.95",
        "value: fast, target: 0.95",
        "26:24",
        "E-TYPE",
        "expected a number",
    ],
    [", timeSliceWindow: 1m", "", "36:17", "E-MISSING", "timeSliceWindow"],
    ["duration: 4w", "duration: 30m", "14:27", "E-SLO", "judged as a whole"],
    ["duration: 4w", "duration: 4", "14:27", "E-UNIT", "such as `28d`"],
    ["isRolling", "isRoling", "14:31", "E-UNKNOWN-KEY", "isRolling"],
    [
        "service: checkout\n  indicatorRef",
        "team: checkout\n  indicatorRef",
        "12:3",
        "E-UNKNOWN-KEY",
        "team",
    ],
    [
        "openslo/v1\nkind: SLO\nmetadata: {name: checkout-ok",
        "openslo/v2alpha\nkind: SLO\nmetadata: {name: checkout-ok",
        "7:13",
        "E-VERSION",
        "openslo/v1",
    ],
    ["{name: minutes}", "{name: checkout-ok}", "32:18", "E-DUP-NAME", "checkout-ok"],
    ["{name: minutes}", "{name: seconds}", "32:18", "E-MISSING", "no entry in `as`"],
];

/// The same of the scenario.
const IN_SCENARIO: &[[&str; 5]] = &[
    ["      minutes: availability\n", "", "32:18", "E-MISSING", "`minutes` has no entry in `as`"],
    [
        "minutes: availability",
        "minute: availability\n      minutes: availability",
        "17:7",
        "E-REF",
        "did you mean `minutes`",
    ],
    [
        "minutes: availability",
        "minutes: latency(unit=ms)",
        "17:16",
        "E-UNSUPPORTED",
        "of a latency",
    ],
    ["minutes: availability", "minutes: throughput", "17:16", "E-SLO", "cannot be about"],
    ["minutes: availability", "minutes: availability(operation=by)", "17:16", "E-REF", "by"],
    [" unit=s", "", "16:22", "E-SLO", "unit=ms"],
    ["unit=s", "unit=m", "16:22", "E-SLO", "unit=m"],
    [
        "latency(operation=buy unit=s)",
        "availability",
        "26:12",
        "E-CONFLICT",
        "mapped to availability",
    ],
    ["slo/checkout.yaml", "slo/none.yaml", "13:13", "E-INCLUDE", "slo/none.yaml"],
    ["slo/checkout.yaml", "../slo.yaml", "13:13", "E-INCLUDE", "leaves the folder"],
    ["    as:\n", "    of:\n", "14:5", "E-UNKNOWN-KEY", "of"],
];

#[test]
fn what_cannot_be_kept_is_refused_at_its_place() {
    let mut wrong = Vec::new();
    for (text, cases) in [(FILE, IN_FILE), (SCENARIO, IN_SCENARIO)] {
        for [old, new, at, code, phrase] in cases {
            assert!(text.contains(old), "{old}");
            let changed = text.replacen(old, new, 1);
            let (scenario, file) =
                if text == FILE { (SCENARIO, changed.as_str()) } else { (changed.as_str(), FILE) };
            let ran = ran(scenario, file, "check shop.yaml");
            let place = format!(".yaml:{at}\n");
            let told = [place.as_str(), code, phrase].iter().all(|part| ran.stderr.contains(part));
            if ran.code != 2 || !told {
                wrong.push(format!("{new}: {at} {code} {phrase}\n{}", ran.stderr));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
