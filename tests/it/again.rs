//! A result folder runs again: what its page promises.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::cli::{files, result_folder, windtunnel};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");

/// Runs a shipped scenario in an empty folder; the result folder.
fn run(workspace: &Path, scenario: &str, rest: &str) -> PathBuf {
    let ran = windtunnel(workspace, &format!("run {SHIPPED}/{scenario}.yaml --quiet {rest}"));
    assert!(ran.code == 0 || ran.code == 4, "{}", ran.stderr);
    result_folder(workspace, scenario)
}

/// What the page of a folder says to type, without the program.
fn typed(folder: &Path) -> String {
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let (_, rest) = page.split_once("<pre>windtunnel ").unwrap();
    rest.split_once("</pre>").unwrap().0.to_owned()
}

#[test]
fn what_the_page_says_gives_the_same_bytes() {
    let short = "--set duration=3s --set warm_up=1s --replications 2";
    for (scenario, rest, data) in [
        ("single-server", "--set duration=60s --set warm_up=10s -n 3 --seed 9", false),
        ("balanced-tier", &format!("{short} --variant round-robin"), false),
        ("two-regions", short, true),
        ("cache-policies", short, true),
        ("llm-serving", &format!("{short} --variant at-random"), true),
    ] {
        let workspace = tempfile::tempdir().unwrap();
        let first = run(workspace.path(), scenario, rest);
        let typed = typed(&first);
        assert_eq!(typed.contains(" --data DIR"), data, "{scenario}: {typed}");
        let ran = windtunnel(&first, &typed.replace(" DIR", &format!(" {SHIPPED}")));
        assert_eq!(ran.code, 0, "{scenario}: {}", ran.stderr);
        let second = result_folder(&first, scenario);
        assert_eq!(first.file_name(), second.file_name(), "{scenario}");
        let content = |folder: &Path, name: &str| fs::read(folder.join(name)).unwrap();
        for name in files(&second).iter().filter(|name| *name != "timing.json") {
            assert_eq!(content(&first, name), content(&second, name), "{scenario}: {name}");
        }
    }
}

#[test]
fn data_that_is_missing_or_another_is_told() {
    let workspace = tempfile::tempdir().unwrap();
    let first = run(workspace.path(), "two-regions", "--set duration=3s --set warm_up=1s -n 1");
    let again = "run scenario.yaml -n 1 --quiet";
    let ran = windtunnel(&first, again);
    assert_eq!(ran.code, 2);
    let told =
        "`data/rtt_ms.csv` does not exist: looked for in this folder, `--data DIR` names another";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let ran = windtunnel(&first, &format!("{again} --data nowhere"));
    assert!(ran.code == 2 && ran.stderr.contains("looked for in nowhere/"), "{}", ran.stderr);

    // Another matrix of the same shape: it runs, into a folder of its own, and says so.
    let data = workspace.path().join("data");
    fs::create_dir(&data).unwrap();
    let matrix = fs::read_to_string(format!("{SHIPPED}/data/rtt_ms.csv")).unwrap();
    fs::write(data.join("rtt_ms.csv"), format!("{matrix}\n")).unwrap();
    let ran = windtunnel(&first, "run scenario.yaml -n 1 --data ../../..");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let told = "`data/rtt_ms.csv` is not the file these results were made from";
    assert!(ran.stderr.contains("W-DATA") && ran.stderr.contains(told), "{}", ran.stderr);
    assert_ne!(result_folder(&first, "two-regions").file_name(), first.file_name());
}
