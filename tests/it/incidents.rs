//! The incidents: each shows its signature, and each variant what one change would have prevented.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;
use windtunnel::scenario::load::{Files, Overrides, load};

use crate::{
    design::{number, results},
    scenarios::{Disk, assert_commented, assert_small},
};

const INCIDENTS: &[&str] = &[
    "aws-2021",
    "cache-flush",
    "cloudflare-2019",
    "discord",
    "dynamodb-2015",
    "dynamodb-2025",
    "facebook-2010",
    "facebook-2021",
    "gc-death-spiral",
    "github-2018",
    "cloudflare-2020",
    "google-cloud-2025",
    "kinesis-2020",
    "knight-2012",
    "metastable-retry-storm",
    "pool-exhaustion",
    "reddit-2023",
    "s3-2017",
    "sinkhole",
    "stale-queue",
    "stampede",
    "timeout-cascade",
];

fn path(name: &str) -> String {
    format!("scenarios/incidents/{name}.yaml")
}

#[test]
fn the_table_lists_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/incidents");
    let files =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = files.map(|f| f.replace(".yaml", "")).collect();
    assert_eq!(names, INCIDENTS.iter().map(|name| (*name).to_owned()).collect());
    for name in INCIDENTS {
        let text = String::from_utf8(Disk.read(&path(name)).unwrap()).unwrap();
        assert_commented(name, &text);
        assert!(text.contains("# Source: ") && text.contains("Scale: "), "{name}");
    }
}

/// What the program says of the targets (`slos`) or expectations (`expect`) of one replication: expression and verdict.
fn verdicts(of: &str, name: &str, more: &[&str]) -> Vec<(String, String)> {
    let out = tempfile::tempdir().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", &path(name), "--replications", "1", "--format", "json", "--quiet", "--out"])
        .arg(out.path())
        .args(more)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{name} {more:?}: {}", String::from_utf8_lossy(&ran.stderr));
    let page = out.path().join(name).join("latest/report.html");
    assert_small(name, fs::metadata(page).unwrap().len());
    let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let slos = found[of].as_array().unwrap();
    slos.iter().map(|slo| (text(&slo["expression"]), text(&slo["verdict"]))).collect()
}

#[test]
fn each_happens_and_each_variant_prevents_it() {
    for name in INCIDENTS {
        let base = load(&path(name), &Disk, &Overrides::default()).unwrap().spec;
        assert!(base.slos.is_empty() && !base.expect.is_empty(), "{name}");
        assert!(!base.variants.is_empty(), "{name}");
        for (expression, verdict) in verdicts("expect", name, &[]) {
            assert_eq!(verdict, "as expected", "{name}: {expression}");
        }
        for variant in base.variants.keys() {
            for (expression, verdict) in verdicts("slos", name, &["--variant", &variant.0]) {
                assert_eq!(verdict, "met", "{name}, variant {}: {expression}", variant.0);
            }
            let overrides = Overrides { variant: Some(variant.0.clone()), ..Overrides::default() };
            let varied = load(&path(name), &Disk, &overrides).unwrap().spec;
            assert!(varied.expect.is_empty(), "{name}: {} is another design", variant.0);
            let wanted = varied.slos;
            assert!(!wanted.is_empty(), "{name}: {} has targets of its own", variant.0);
            let set = format!("slos=[{}]", wanted.join(", "));
            let met = verdicts("slos", name, &["--set", &set]);
            let met = met.iter().filter(|v| v.1 == "met").count();
            assert!(met < wanted.len(), "{name}: {} is met without the change", variant.0);
        }
    }
}

/// A server of 1,000 requests a second that stalls for 10 s, its clients with a timeout of 1 s and `r`
/// retries at once: (availability in the end, attempts per request then).
fn after_a_stall(load: u64, r: u64, server: &str, client: &str) -> (f64, f64) {
    let client = format!(
        "arrivals: poisson({load}/s), to: db, timeout: 1s, retry: {{attempts: {}{client}}}",
        r + 1
    );
    let db = format!("db: {{service: {{cores: 1, work: exp(mean=1ms){server}}}}}");
    let faults = "{id: stall, at: 10s, for: 10s, pause: {node: db}}, \
                  {id: late, at: 190s, for: 1ms, slow: {node: db, factor: 1}}";
    let found = results("220s", &client, &db, faults);
    let after = &found["faults"][0];
    assert_eq!(after["id"], "late");
    let attempts = number(&found, "summary.attempts_per_request");
    (number(&found, "faults.0.availability_after"), attempts)
}

#[test]
fn collapse_lasts_if_and_only_if_load_and_retries_exceed_capacity() {
    // reliability 1.5: retries `r` of load L on a server of 1,000/s: L x (1 + r) > 1,000.
    for (load, r) in [(230, 3), (300, 3), (400, 3), (600, 3), (400, 1), (600, 1), (900, 0)] {
        let (availability, attempts) = after_a_stall(load, r, "", "");
        if load * (1 + r) > 1000 {
            assert!(availability < 0.01, "{load}/s, {r} retries: {availability}");
            assert!(attempts > 0.8 * (1 + r) as f64, "{load}/s, {r} retries: {attempts} attempts");
        } else {
            assert!(availability > 0.99, "{load}/s, {r} retries: {availability}");
        }
    }
}

#[test]
fn each_remedy_moves_the_threshold() {
    // 400/s with three retries collapses; each of these recovers.
    let remedies = [
        ("", ", budget: 10%"),
        (", queue: 500", ""),
        (", discipline: adaptive_lifo", ""),
        (", inbound: {shed: {queue: 500}}", ""),
        (", inbound: {concurrency: aimd(latency=500ms)}", ""),
        ("", "}, breaker: {window: 2s, open: 3s, probes: 10"),
    ];
    for (server, client) in remedies {
        let (availability, _) = after_a_stall(400, 3, server, client);
        assert!(availability > 0.99, "{server}{client}: {availability}");
    }
}
