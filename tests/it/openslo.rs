//! OpenSLO files as objectives.

use std::{fs, path::Path};

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

#[test]
fn what_cannot_be_kept_is_refused_at_its_place() {
    let slo = "slo/checkout.yaml";
    for (in_file, old, new, place, phrase) in [
        (
            true,
            "Occurrences\n  objectives: [{dis",
            "RatioTimeslices\n  objectives: [{dis",
            "15:20: error[E-UNSUPPORTED]",
            "RatioTimeslices",
        ),
        (
            true,
            "budgetingMethod: Occurrences\n  objectives: [{dis",
            "objectives: [{dis",
            "10:3: error[E-MISSING]",
            "`budgetingMethod`",
        ),
        (true, "target: 0.935", "target: 93.5", "16:45: error[E-RANGE]", "above 0 and below 1"),
        (true, "target: 0.935", "target: 1", "16:45: error[E-RANGE]", "above 0 and below 1"),
        (true, "target: 0.935", "trget: 0.935", "16:37: error[E-UNKNOWN-KEY]", "trget"),
        (
            true,
            "displayName: fine,",
            "compositeWeight: 2,",
            "16:17: error[E-UNSUPPORTED]",
            "compositeWeight",
        ),
        (
            true,
            "displayName: fine,",
            "op: lte,",
            "16:21: error[E-CONFLICT]",
            "mapped to availability",
        ),
        (
            true,
            "displayName: fine,",
            "timeSliceTarget: 0.9,",
            "16:34: error[E-CONFLICT]",
            "Timeslices",
        ),
        (true, "op: lte, ", "op: le, ", "25:12: error[E-ENUM]", "lte, lt, gte, gt"),
        (
            true,
            "value: 0.3, target: 0.95",
            "value: fast, target: 0.95",
            "25:24: error[E-",
            "`value`",
        ),
        (true, ", timeSliceWindow: 1m", "", "34:17: error[E-MISSING]", "timeSliceWindow"),
        (true, "duration: 4w", "duration: 30m", "14:27: error[E-SLO]", "judged as a whole"),
        (true, "duration: 4w", "duration: 4", "14:27: error[E-UNIT]", "such as `28d`"),
        (true, "isRolling", "isRoling", "14:31: error[E-UNKNOWN-KEY]", "isRolling"),
        (
            true,
            "service: checkout\n  indicatorRef",
            "team: checkout\n  indicatorRef",
            "12:3: error[E-UNKNOWN-KEY]",
            "team",
        ),
        (
            true,
            "openslo/v1\nkind: SLO\nmetadata: {name: checkout-ok",
            "openslo/v2alpha\nkind: SLO\nmetadata: {name: checkout-ok",
            "7:13: error[E-VERSION]",
            "openslo/v1",
        ),
        (true, "{name: minutes}", "{name: checkout-ok}", "30:18: error[E-DUP-NAME]", "checkout-ok"),
        (true, "{name: minutes}", "{name: seconds}", "30:18: error[E-MISSING]", "no entry in `as`"),
        (
            false,
            "      minutes: availability\n",
            "",
            "30:18: error[E-MISSING]",
            "`minutes` has no entry in `as`",
        ),
        (
            false,
            "minutes: availability",
            "minute: availability\n      minutes: availability",
            "17:7: error[E-REF]",
            "did you mean `minutes`",
        ),
        (
            false,
            "minutes: availability",
            "minutes: latency(unit=ms)",
            "17:16: error[E-UNSUPPORTED]",
            "of a latency",
        ),
        (
            false,
            "minutes: availability",
            "minutes: throughput",
            "17:16: error[E-SLO]",
            "cannot be about",
        ),
        (
            false,
            "minutes: availability",
            "minutes: availability(operation=by)",
            "17:16: error[E-REF]",
            "by",
        ),
        (false, " unit=s", "", "16:22: error[E-SLO]", "unit=ms"),
        (false, "unit=s", "unit=m", "16:22: error[E-SLO]", "unit=m"),
        (
            false,
            "latency(operation=buy unit=s)",
            "availability",
            "25:12: error[E-CONFLICT]",
            "mapped to availability",
        ),
        (false, slo, "slo/none.yaml", "13:13: error[E-INCLUDE]", "slo/none.yaml"),
        (false, slo, "../slo.yaml", "13:13: error[E-INCLUDE]", "leaves the folder"),
        (false, "    as:\n", "    of:\n", "14:5: error[E-UNKNOWN-KEY]", "of"),
    ] {
        let replaced = |text: &str, here: bool| {
            assert!(!here || text.contains(old), "{old}");
            if here { text.replacen(old, new, 1) } else { text.to_owned() }
        };
        let (scenario, file) = (replaced(SCENARIO, !in_file), replaced(FILE, in_file));
        let ran = ran(&scenario, &file, "check shop.yaml");
        assert_eq!(ran.code, 2, "{new}: {}", ran.stdout);
        let (at, code) = place.split_once(": ").unwrap();
        let told = ran.stderr.contains(code) && ran.stderr.contains(&format!(".yaml:{at}"));
        assert!(told && ran.stderr.contains(phrase), "{new}\n{place} {phrase}\n{}", ran.stderr);
    }
    assert!(!Path::new("slo").exists());
}
