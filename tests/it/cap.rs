//! `run --variants`: designs side by side, and what each does under a cut (`cap.json`).

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use crate::{
    cli::{MM1, files, windtunnel, workspace},
    design::number,
};

const PARTITION: &str = include_str!("../../scenarios/cap/partition.yaml");

fn with(text: &str) -> tempfile::TempDir {
    let w = tempfile::tempdir().unwrap();
    fs::write(w.path().join("a.yaml"), text).unwrap();
    w
}

/// Everything below a folder that is promised to be the same, by name.
fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = files(folder).into_iter().filter(|name| !name.ends_with("timing.json"));
    names.map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

/// What `cap.json` says, by design.
fn cap(out: &Path) -> BTreeMap<String, Value> {
    let text = fs::read(out.join("partition/cap/cap.json")).unwrap();
    let all: Value = serde_json::from_slice(&text).unwrap();
    let designs = all["designs"].as_array().unwrap().clone();
    designs.into_iter().map(|of| (of["name"].as_str().unwrap().to_owned(), of)).collect()
}

#[test]
fn eight_designs_under_one_cut() {
    let w = with(PARTITION);
    let ran = windtunnel(w.path(), "run a.yaml --variants -n 2 --out one --jobs 1");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let all = cap(&w.path().join("one"));
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    assert_eq!(names, ["base", "failover", "fenced", "merge", "one", "raft", "strict", "sync"]);
    for name in names {
        // A row for each in the table of designs, and its folder.
        assert!(ran.stdout.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
        let sides = all[name]["sides"].as_array().unwrap();
        let sides: Vec<_> = sides.iter().map(|side| side["side"].as_str().unwrap()).collect();
        assert_eq!(sides, ["a", "b"], "{name}");
        let label = all[name]["label"].as_str().unwrap();
        assert!(label.starts_with("side a: ") && label.contains(". Side b: "), "{label}");
        // Nobody is told to be consistent and available.
        assert!(!label.contains("CA") && !label.contains("CP") && !label.contains("AP"));
    }
    let of = |name: &str, side: usize, figure: &str| {
        number(&all[name]["sides"][side], &format!("{figure}.value"))
    };
    let (reads, writes) = ("read_availability", "write_availability");
    for name in ["raft", "strict"] {
        assert!(of(name, 0, reads) < 0.01 && of(name, 0, writes) < 0.01, "{name} refuses side a");
        let least = if name == "raft" { 0.95 } else { 0.999 };
        assert!(of(name, 1, reads) > least && of(name, 1, writes) > least, "{name}");
        assert!(all[name]["label"].as_str().unwrap().contains("reads refused; writes refused."));
        assert_eq!(of(name, 1, "stale_read_fraction"), 0.0);
        assert_eq!(all[name]["linearizable"], true);
        assert_eq!(number(&all[name], "lost_acked_writes"), 0.0);
    }
    assert!(of("raft", 1, writes) < 0.995, "an election takes its time");
    // Without a fence and with one copy asked all reads are answered on both sides, many of them old.
    for name in ["base", "failover", "one"] {
        for side in [0, 1] {
            assert!(of(name, side, reads) > 0.999, "{name}");
        }
        assert!(of(name, 1, "stale_read_fraction") > 0.05, "{name}");
        assert_eq!(all[name]["linearizable"], false);
    }
    // Leaders everywhere answer all, on both sides, and keep what both wrote.
    for side in [0, 1] {
        assert!(of("merge", side, reads) > 0.999 && of("merge", side, writes) > 0.999);
        assert!(of("merge", side, "stale_read_fraction") > 0.05);
    }
    assert_eq!(number(&all["merge"], "lost_acked_writes"), 0.0);
    assert!(all["merge"]["linearizable"].is_null());
    assert!(of("base", 0, "stale_read_fraction") < 0.001, "who leads stands there");
    assert!(of("failover", 0, "stale_read_fraction") > 0.3);
    assert_eq!(of("base", 1, writes), 0.0);
    assert!((0.8..0.95).contains(&of("failover", 1, writes)), "but for 4 s of 30");
    assert!(number(&all["failover"], "lost_acked_writes") > 500.0);
    // Who is fenced takes writes for 3 s of 30.
    assert!((0.05..0.15).contains(&of("fenced", 0, writes)));
    assert!(number(&all["fenced"], "lost_acked_writes") > 20.0);
    // The price when nothing is wrong.
    let normal = |name: &str, path: &str| number(&all[name], &format!("normal.{path}.value"));
    assert!(normal("raft", "read.p50") > 3.0 * normal("base", "read.p50"));
    assert!(normal("sync", "write.p50") > 5.0 * normal("base", "write.p50"));
    assert!((0.005..0.05).contains(&normal("base", "stale_read_fraction")));
    assert_eq!(normal("strict", "stale_read_fraction"), 0.0);
    assert!(normal("base", "write.p99") > normal("base", "write.p50"));
    // No file depends on the number of threads.
    let other = windtunnel(w.path(), "run a.yaml --variants -n 2 --out two --jobs 2");
    assert_eq!(other.stdout.replace("two/", "one/"), ran.stdout);
    let [one, two] = ["one", "two"].map(|out| bytes(&w.path().join(out)));
    assert!(one.contains_key("partition/cap/cap_partition.svg"), "{:?}", one.keys());
    assert!(one.contains_key("partition/cap/cap_normal.svg"));
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    assert!(one == two);
    let sides = one.iter().filter(|(name, _)| name.ends_with("plots/sides.svg"));
    assert_eq!(sides.count(), 8);
}

#[test]
fn each_design_is_run_as_by_its_name() {
    let w = workspace();
    let ran = windtunnel(w.path(), "run mm1.yaml --variants -n 2 --out all");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for row in ["Design ", "base ", "fast "] {
        assert!(ran.stdout.lines().any(|line| line.starts_with(row)), "{}", ran.stdout);
    }
    assert!(!w.path().join("all/mm1/cap").exists(), "nothing is cut");
    for arguments in ["", "--variant fast"] {
        assert_eq!(windtunnel(w.path(), &format!("run mm1.yaml -n 2 {arguments}")).code, 0);
    }
    assert!(bytes(&w.path().join("all")) == bytes(&w.path().join("outputs")));
    let ran = windtunnel(w.path(), "run mm1.yaml --variants -n 2 --quiet");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), ("", "", 0));
    let ran = windtunnel(w.path(), "run mm1.yaml --variants -n 1 --format json");
    let documents: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(documents.as_array().unwrap().len(), 2);
}

#[test]
fn the_worst_design_decides_how_it_ends() {
    // Only one of them has more than so many events.
    let text = MM1.replace("  fast:", "  still: {clients.load.load: 0.001}\n  fast:");
    let w = with(&text);
    let ran = windtunnel(w.path(), "run a.yaml --variants -n 1 --max-events 500");
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(windtunnel(w.path(), "run a.yaml --variant still -n 1 --max-events 500").code, 0);
}

#[test]
fn what_is_in_the_way_and_what_excludes_each_other_is_refused() {
    let w = with(&PARTITION.replace("duration: 120s", "duration: 80s"));
    let before = |line: &str, said: &str| {
        let ran = windtunnel(w.path(), line);
        assert_eq!(ran.code, 2, "{line}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(said), "{line}: {}", ran.stderr);
    };
    before("run a.yaml --variants --variant raft", "cannot be used with");
    let folder = w.path().join("outputs/partition/cap");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("thesis.txt"), "mine").unwrap();
    before("run a.yaml --variants -n 1", "--force");
    assert_eq!(files(&w.path().join("outputs")), ["partition/cap/thesis.txt"]);
    // Of one design there is no such folder.
    assert_eq!(windtunnel(w.path(), "run a.yaml --variant raft -n 1").code, 0);
    fs::copy(w.path().join("a.yaml"), w.path().join("b.yaml")).unwrap();
    before("run a.yaml b.yaml --variants -n 1 --out two", "two files");
}

#[test]
fn a_design_that_cannot_do_without_its_faults_has_no_normal_time() {
    let deploy = "  - {id: roll, at: 50s, deploy: {node: shop, set: {work: 2ms}, batch: 1}}\n";
    let alert = "alerts: {worse: {when: error_fraction(deploy=roll window=5s) > 5%}}\n";
    let text = PARTITION
        .replace("variants:\n", "variants:\n  calm: {faults: none, slos: none, alerts: none}\n")
        .replace("nodes:\n", "nodes:\n  shop: {service: {instances: 2, work: 1ms}}\n")
        .replace("clients:\n", "clients:\n  shops: {arrivals: constant(1/s), to: shop}\n")
        .replace(
            "partition: {between: [[a], [b, c]]}}\n",
            &format!("partition: {{between: [[a], [b, c]]}}}}\n{deploy}"),
        )
        + alert;
    let w = with(&text);
    let ran = windtunnel(w.path(), "run a.yaml --variants -n 1 --set duration=75s");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let all = cap(&w.path().join("outputs"));
    assert!(all["base"]["normal"].is_null() && !all["base"]["sides"].is_null());
    assert!(!all.contains_key("calm"), "it is not cut");
}
