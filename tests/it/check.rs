//! `windtunnel check` from outside: verdicts, exit codes and reports.

use std::fs;

use serde_json::Value;

use crate::cli::{MM1, Ran, windtunnel, workspace};

/// The single server with these objectives: time in system is exponential with a mean of 1 s.
fn with(slos: &str) -> String {
    MM1.replace("  - availability >= 99%\n", slos)
}

/// Judges a text with these options.
fn check(text: &str, options: &str) -> Ran {
    let folder = workspace();
    fs::write(folder.path().join("shop.yaml"), text).unwrap();
    windtunnel(folder.path(), &format!("check shop.yaml {options}"))
}

fn json(text: &str, options: &str) -> Value {
    serde_json::from_str(&check(text, &format!("{options} --format json")).stdout).unwrap()
}

/// The work of the server is short enough that the run is steady: a share of exp(-1 / 100 ms) = 4.5e-5 is late.
const QUICK: &str = "  - p99(latency) <= 1s\n  - availability >= 99%\n";

#[test]
fn passes_fails_and_what_is_open_have_exit_codes_of_their_own() {
    let quick = with(QUICK).replace("poisson(9/s)", "poisson(1/s)");
    let passed = check(&quick, "");
    assert_eq!(passed.code, 0, "{}{}", passed.stdout, passed.stderr);
    assert!(
        passed.stdout.starts_with("shop.yaml   PASS after 20 replications\n"),
        "{}",
        passed.stdout
    );
    assert!(passed.stdout.contains("  ✓ PASS          p99(latency) <= 1s  "), "{}", passed.stdout);
    assert!(passed.stdout.contains("0 % slower or failed"), "{}", passed.stdout);
    // 1 % would be slower than 4.6 s.
    let failed = check(&with("  - p99(latency) <= 2s\n  - availability >= 99%\n"), "");
    assert_eq!(failed.code, 1, "{}", failed.stdout);
    assert!(failed.stdout.contains("  ✗ FAIL          p99(latency) <= 2s"), "{}", failed.stdout);
    assert!(failed.stdout.contains("  ✓ PASS          availability >= 99%"), "{}", failed.stdout);
    // The mean is about 0.9 s in a minute that starts empty, and varies by a third.
    let open = with("  - nodes.server.response_time.mean <= 0.85s\n");
    let undecided = check(&open, "--max-replications 20");
    assert_eq!(undecided.code, 3, "{}", undecided.stdout);
    assert!(undecided.stdout.contains("? INCONCLUSIVE"), "{}", undecided.stdout);
    assert!(undecided.stdout.contains("replications would tell"), "{}", undecided.stdout);
    assert_eq!(check(&open, "--max-replications 20 --inconclusive fail").code, 1);
    assert_eq!(check(&open, "--max-replications 20 --inconclusive warn").code, 0);
}

#[test]
fn looks_are_those_declared_and_threads_change_nothing() {
    let text = with("  - nodes.server.response_time.mean <= 1.5s\n  - availability >= 99%\n");
    let one = json(&text, "--jobs 1");
    let n = one["files"][0]["replications"].as_u64().unwrap();
    assert!([20, 40, 80, 160, 320].contains(&n), "{n}");
    assert_eq!(one, json(&text, "--jobs 2"));
    let single = json(&text, "-n 30");
    assert_eq!(single["files"][0]["replications"], 30);
    assert_eq!(single["files"][0]["slos"].as_array().unwrap().len(), 2);
    // Below twenty nothing is resampled, and it is said where it matters.
    let few = check(&with("  - nodes.server.response_time.mean <= 0.85s\n"), "-n 5");
    assert_eq!(few.code, 3, "{}", few.stdout);
    assert!(few.stdout.contains("from 20 replications on"), "{}", few.stdout);
}

#[test]
fn reports_for_machines() {
    let folder = workspace();
    let path = folder.path();
    fs::write(path.join("a|b.yaml"), with("  - p99(latency) <= 2s\n  - availability >= 99%\n"))
        .unwrap();
    let arguments = "check a|b.yaml mm1.yaml -n 20 --junit j.xml --markdown m.md --sarif s.json \
                     --annotations github";
    let ran = windtunnel(path, arguments);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let line =
        "::error file=a|b.yaml,line=8,col=5,endColumn=23,title=E-SLO-MISSED::p99(latency) <= 2s: ";
    assert!(ran.stdout.contains(line), "{}", ran.stdout);
    let junit =
        quick_junit::Report::deserialize_from_str(&fs::read_to_string(path.join("j.xml")).unwrap())
            .unwrap();
    assert_eq!((junit.tests, junit.failures, junit.errors), (3, 1, 0));
    assert_eq!(junit.test_suites.len(), 2);
    let markdown = fs::read_to_string(path.join("m.md")).unwrap();
    assert!(markdown.starts_with("### a\\|b.yaml   FAIL after 20 replications\n"), "{markdown}");
    let sarif: Value =
        serde_json::from_str(&fs::read_to_string(path.join("s.json")).unwrap()).unwrap();
    let found = &sarif["runs"][0];
    assert_eq!(found["results"].as_array().unwrap().len(), 1);
    assert_eq!(found["results"][0]["ruleId"], "E-SLO-MISSED");
    assert_eq!(found["tool"]["driver"]["rules"][0]["id"], "E-SLO-MISSED");
    let region = &found["results"][0]["locations"][0]["physicalLocation"]["region"];
    assert_eq!(region["startLine"], 8);
    // Once more: what is written is the same, what is appended comes behind.
    let before = fs::read(path.join("j.xml")).unwrap();
    windtunnel(path, arguments);
    assert_eq!(before, fs::read(path.join("j.xml")).unwrap());
    let twice = fs::read_to_string(path.join("m.md")).unwrap();
    assert_eq!(twice, markdown.repeat(2));
}

#[test]
fn bad_input_is_exit_2_and_writes_nothing() {
    let folder = workspace();
    let path = folder.path();
    let ran = windtunnel(path, "check mm1.yaml bad.yaml --junit j.xml");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("bad.yaml:4:46"), "{}", ran.stderr);
    fs::write(path.join("none.yaml"), with("").replace("slos:\n", "")).unwrap();
    let ran = windtunnel(path, "check none.yaml --junit j.xml");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("none.yaml has no objectives"), "{}", ran.stderr);
    let ran = windtunnel(path, "check mm1.yaml --junit missing/j.xml");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("missing/j.xml: its folder does not exist"), "{}", ran.stderr);
    let ran = windtunnel(
        path,
        "check mm1.yaml --deny-warnings --set clients.load.arrivals=poisson(11/s)",
    );
    assert_eq!(ran.code, 2, "{}", ran.stdout);
    assert_eq!(windtunnel(path, "check mm1.yaml -n 1").code, 2);
    assert!(!path.join("j.xml").exists() && !path.join("outputs").exists());
}

#[test]
fn limits_and_variants() {
    let limited = check(MM1, "--max-events 100");
    assert_eq!(limited.code, 4, "{}", limited.stdout);
    assert!(!limited.stdout.contains("PASS"), "{}", limited.stdout);
    let both = json(&with("  - p99(latency) <= 2s\n"), "--variant fast");
    assert_eq!(both["files"][0]["file"], "shop.yaml (fast)");
    assert_eq!((&both["verdict"], &both["exit"]), (&Value::from("pass"), &Value::from(0)));
}

/// An outage an hour, and a minute is looked at: nothing is known of what it does.
#[test]
fn a_fault_that_hardly_comes_passes_nothing() {
    let text = format!(
        "{MM1}faults: [{{id: outage, mtbf: exp(mean=1h), mttr: 1s, crash: {{node: server}}}}]\n"
    )
    .replace("poisson(9/s), to: server", "poisson(1/s), to: server, timeout: 5s");
    let ran = check(&text, "--max-replications 20");
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("`outage` struck"), "{}", ran.stdout);
    let often = text.replace("exp(mean=1h)", "exp(mean=200s)").replace(">= 99%", ">= 90%");
    assert_eq!(check(&often, "-n 80").code, 0, "{}", check(&often, "-n 80").stdout);
}

/// Targets at the truth: at most so many of them are called met, or missed.
#[test]
fn a_gate_errs_as_often_as_it_says() {
    // The share of a minute that exp(mean=100 ms) at 3/s is slower than 0.4 s: about exp(-2.8) = 6 %, from a long run.
    let text = |slo: &str| {
        with(&format!("  - {slo}\n")).replace("poisson(9/s)", "poisson(3/s)").replace("60s", "20s")
    };
    let truth = json(&text("fraction(latency <= 0.4s) >= 50%"), "-n 4000 --seed 999");
    let value = truth["files"][0]["slos"][0]["value"].as_f64().unwrap();
    let at = format!("fraction(latency <= 0.4s) >= {}%", value * 100.0);
    let (mut passed, mut failed) = (0, 0);
    for seed in 1..=60 {
        let found = json(&text(&at), &format!("--max-replications 40 --seed {seed}"));
        passed += u32::from(found["exit"] == 0);
        failed += u32::from(found["exit"] == 1);
    }
    // 5 % each side at most: 3 of 60; 8 would come in one of 300 such tests.
    assert!(passed <= 8 && failed <= 8, "{passed} passed, {failed} failed");
}

/// The lines of `docs/ci`, run by a shell as they stand, in a repository with two designs.
#[cfg(unix)]
#[test]
fn the_lines_of_ci_files_run_as_they_stand() {
    let folder = workspace();
    let path = folder.path();
    fs::create_dir(path.join("designs")).unwrap();
    for name in ["one", "two"] {
        let text = MM1.replace("poisson(9/s)", "poisson(1/s)").replace("60s", "20s");
        fs::write(path.join(format!("designs/{name}.yaml")), text).unwrap();
    }
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_windtunnel")).parent().unwrap();
    let paths = std::env::var("PATH").unwrap();
    let ci = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci");
    let mut lines = Vec::new();
    for file in fs::read_dir(ci).unwrap() {
        let file = file.unwrap().path();
        // The worked example has a test of its own.
        if file.extension().is_some_and(|end| end == "md") {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        let commands = ["run: windtunnel", "- windtunnel", "sh 'windtunnel", "entry: windtunnel"];
        let found = text.lines().find(|line| {
            let line = line.trim_start();
            commands.iter().any(|command| line.starts_with(command))
        });
        let found = found.expect("each file has a line that runs the program");
        let at = found.find("windtunnel").unwrap();
        lines.push(found[at..].trim_end_matches('\'').to_owned());
    }
    assert_eq!(lines.len(), 4);
    for line in lines {
        // pre-commit puts the files behind its line.
        let files =
            if line.contains("validate") { " designs/one.yaml designs/two.yaml" } else { "" };
        let ran = std::process::Command::new("sh")
            .args(["-euc", &format!("{line}{files}")])
            .current_dir(path)
            .env("PATH", format!("{}:{paths}", program.display()))
            .env("GITHUB_STEP_SUMMARY", path.join("summary.md"))
            .output()
            .unwrap();
        assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    let summary = fs::read_to_string(path.join("summary.md")).unwrap();
    assert!(summary.contains("### designs/two.yaml   PASS after 20 replications"), "{summary}");
    assert!(path.join("junit.xml").exists() && path.join("designs.sarif").exists());
}
