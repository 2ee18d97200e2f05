//! `windtunnel check --baseline` from outside: a design held against another one, or against what was written of it.

use std::{fs, path::Path};

use serde_json::Value;

use crate::cli::{MM1, Ran, windtunnel, workspace};

/// The single server at half load, with these objectives and this work.
fn design(slos: &str, work: &str) -> String {
    MM1.replace("  - availability >= 99%\n", slos)
        .replace("poisson(9/s)", "poisson(5/s)")
        .replace("exp(mean=100ms)", work)
}

const FIVE: &str = "  - mean(latency) <= baseline + 5%\n";

/// A folder with a design and one it is held against.
struct Two(tempfile::TempDir);

impl Two {
    fn new(own: &str, main: &str) -> Self {
        let two = Self(workspace());
        two.write("shop.yaml", own);
        two.write("main.yaml", main);
        two
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn check(&self, options: &str) -> Ran {
        windtunnel(self.path(), &format!("check shop.yaml {options}"))
    }

    fn json(&self, options: &str) -> Value {
        let ran = self.check(&format!("{options} --format json"));
        serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.stderr))
    }

    /// Writes what `main.yaml` measures into `main.json`.
    fn record(&self, options: &str) -> Ran {
        let update = "--baseline main.json --update-baseline";
        windtunnel(self.path(), &format!("check main.yaml {update} {options}"))
    }
}

const BASE: &str = "exp(mean=100ms)";
/// 2 % more work at half load is 4 % more time: 1 / (1/0.102 - 5) against 1 / (1/0.1 - 5).
const SLOWER: &str = "exp(mean=102ms)";

#[test]
fn a_design_passes_fails_or_stays_open_against_another() {
    for (slo, work, code, sign) in [
        ("mean(latency) <= baseline + 5%", SLOWER, 0, "✓ PASS"),
        ("mean(latency) <= baseline + 3%", SLOWER, 1, "✗ FAIL"),
        ("mean(latency) <= baseline + 4.1%", SLOWER, 3, "? INCONCLUSIVE"),
        ("p99(latency) <= baseline + 10%", SLOWER, 0, "✓ PASS"),
        ("p99(latency) <= baseline + 20ms", "exp(mean=105ms)", 1, "✗ FAIL"),
        ("nodes.server.utilisation <= baseline + 2%", SLOWER, 0, "✓ PASS"),
        ("nodes.server.utilisation <= baseline + 0.5%", SLOWER, 1, "✗ FAIL"),
    ] {
        let slos = format!("  - {slo}\n");
        let two = Two::new(&design(&slos, work), &design(&slos, BASE));
        let ran = two.check("--baseline main.yaml --max-replications 40");
        assert_eq!(ran.code, code, "{slo}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(sign), "{slo}: {}", ran.stdout);
        assert!(
            ran.stdout.contains("\n  against main.yaml; changed: nodes.server.service.work\n"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn it_says_what_was_measured_of_both() {
    let slos =
        "  - mean(latency) <= baseline + 5%\n  - nodes.server.utilisation <= baseline + 2%\n";
    let two = Two::new(&design(slos, SLOWER), &design(slos, BASE));
    let ran = two.check("--baseline main.yaml");
    assert!(
        ran.stdout.contains(": +3.9 % against the baseline's 190 ms, at most +4.3 %"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("points against the baseline's 49"), "{}", ran.stdout);
    let found = two.json("--baseline main.yaml");
    let file = &found["files"][0];
    assert_eq!(file["baseline"]["file"], "main.yaml");
    assert_eq!(file["baseline"]["changed"], serde_json::json!(["nodes.server.service.work"]));
    let mean = &file["slos"][0];
    assert_eq!((&mean["measure"], &mean["baseline"]["unit"]), (&"ratio".into(), &"s".into()));
    let number = |value: &Value| value.as_f64().unwrap();
    let ratio = number(&mean["baseline"]["ratio"]);
    assert!((ratio - 1.04).abs() < 0.005, "{mean}");
    assert!(number(&mean["bound"]) > ratio && number(&mean["bound"]) <= 1.05, "{mean}");
    let both = number(&mean["estimate"]["value"]) / number(&mean["baseline"]["value"]);
    assert!((both - ratio).abs() < 1e-9, "{mean}");
    let used = &file["slos"][1];
    assert!((number(&used["baseline"]["difference"]) - 0.01).abs() < 0.001, "{used}");
    for format in ["junit", "sarif", "markdown"] {
        let options = format!("--baseline main.yaml -n 20 --{format} report");
        assert_eq!(two.check(&options).code, 0);
        let report = fs::read_to_string(two.path().join("report")).unwrap();
        let told = report.contains("against the baseline") || format == "sarif";
        assert!(told, "{report}");
        fs::remove_file(two.path().join("report")).unwrap();
    }
}

#[test]
fn what_did_not_change_passes_whatever_it_is_called() {
    let slos = "  - p99(latency) <= baseline + 1%\n  - availability >= baseline\n";
    let main = design("  - availability >= 98%\n", BASE).replace("name: mm1", "name: main");
    let two = Two::new(&design(slos, BASE), &main);
    let ran = two.check("--baseline main.yaml");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("\n  against main.yaml: the same design\n"), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches(": identical to the baseline").count(), 2, "{}", ran.stdout);
    // A variant is held against its own file.
    let own = design("  - p99(latency) <= baseline\n", BASE);
    let two = Two::new(&own, &own);
    let ran = two.check("--variant fast --baseline shop.yaml");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("shop.yaml (fast)   PASS"), "{}", ran.stdout);
    // The seed is of both.
    assert_eq!(two.check("--baseline main.yaml --seed 7").code, 0);
}

#[test]
fn what_was_written_down_says_the_same_as_what_is_simulated_beside() {
    let slos = "  - p99(latency) <= baseline + 10%\n  - availability >= baseline - 0.1%\n  \
                - mean(latency) <= baseline + 4.2%\n  - requests.ok >= baseline - 10\n";
    let two = Two::new(&design(slos, SLOWER), &design(slos, BASE));
    let recorded = two.record("--max-replications 80");
    assert_eq!(recorded.code, 0, "{}{}", recorded.stdout, recorded.stderr);
    assert!(
        recorded.stdout.contains("· RECORDED      p99(latency) <= baseline + 10%"),
        "{}",
        recorded.stdout
    );
    let told = "not judged: main.json holds it, of 80 replications";
    assert_eq!(recorded.stdout.matches(told).count(), 4, "{}", recorded.stdout);
    assert!(
        recorded.stdout.starts_with("main.yaml   RECORDED after 80 rep"),
        "{}",
        recorded.stdout
    );
    for options in ["-n 20", "-n 80", "--max-replications 80", "--max-replications 20 --jobs 1"] {
        let [beside, written] = ["main.yaml", "main.json"].map(|baseline| {
            let mut found = two.json(&format!("--baseline {baseline} {options}"));
            found["files"][0]["baseline"]["file"] = Value::Null;
            found
        });
        assert_eq!(beside, written, "{options}");
    }
    let same = windtunnel(two.path(), "check main.yaml --baseline main.json");
    assert_eq!(same.code, 0, "{}{}", same.stdout, same.stderr);
    assert_eq!(same.stdout.matches(": identical to the baseline").count(), 4, "{}", same.stdout);
    refused(&two, "--baseline main.json -n 30", "after 20, 40, 80 replications, not after 30");
    refused(&two, "--baseline main.json --max-replications 50", "not after 50");
    // It ends where the baseline does.
    let open = design("  - mean(latency) <= baseline + 4.02%\n", SLOWER);
    two.write("shop.yaml", &open);
    two.write("main.yaml", &open.replace(SLOWER, BASE));
    two.record("-n 20");
    let ran = two.check("--baseline main.json");
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("after 20 replications"), "{}", ran.stdout);
    assert!(ran.stderr.contains("main.json holds 20 replications"), "{}", ran.stderr);
}

#[test]
fn a_baseline_is_the_same_bytes_whoever_writes_it() {
    let slos = "  - p99(latency) <= baseline + 10%\n  - availability >= 99%\n";
    let two = Two::new(&design(slos, SLOWER), &design(slos, BASE));
    let written = |options: &str| {
        let ran = two.record(&format!("-n 25 {options}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        // What has a limit of its own is judged as ever.
        assert!(ran.stdout.contains("✓ PASS          availability >= 99%"), "{}", ran.stdout);
        (fs::read(two.path().join("main.json")).unwrap(), ran.stdout)
    };
    let first = written("--jobs 1");
    assert_eq!(first, written("--jobs 2"));
    let [one, other] = ["--jobs 1", "--jobs 2"].map(|jobs| {
        two.check(&format!("--baseline main.yaml -n 25 --junit j.xml --format json {jobs}"));
        fs::read(two.path().join("j.xml")).unwrap()
    });
    assert_eq!(one, other);
    let json: Value = serde_json::from_slice(&first.0).unwrap();
    assert_eq!(json["semantics_version"], 1);
    assert_eq!(json["seeds"].as_array().unwrap().len(), 25);
    assert!(json["resolved"].as_str().unwrap().contains("exp(mean=100ms)"), "{json}");
    // An objective that is missed is exit 1, and what was measured is written all the same.
    two.write("main.yaml", &design(&slos.replace(">= 99%", "<= 99%"), BASE));
    fs::remove_file(two.path().join("main.json")).unwrap();
    let ran = two.record("-n 20");
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(two.path().join("main.json").exists());
    // What is not whole is not written.
    let before = fs::read(two.path().join("main.json")).unwrap();
    let ran = two.record("-n 20 --max-events 100");
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(before, fs::read(two.path().join("main.json")).unwrap());
    assert!(ran.stdout.contains("main.json is left as it was"), "{}", ran.stdout);
}

#[test]
fn money_is_held_against_money() {
    let priced = |slo: &str, price: &str| {
        design(&format!("  - {slo}\n"), BASE)
            .replace("cores: 1,", &format!("cores: 1, price: {price},"))
    };
    for (slo, code) in [
        ("cost.per_month <= baseline + $50", 0),
        ("cost.per_month <= baseline + $7", 1),
        ("cost.per_month <= baseline + 11%", 0),
        ("cost.per_month <= baseline + 9%", 1),
    ] {
        // A cent an hour more on ten: $7.30 a month.
        let two = Two::new(&priced(slo, "$0.11/h"), &priced(slo, "$0.10/h"));
        let ran = two.check("--baseline main.yaml -n 5");
        assert_eq!(ran.code, code, "{slo}: {}{}", ran.stdout, ran.stderr);
        let told = if slo.contains('$') { "+$7.30 against" } else { "+10 % against" };
        assert!(ran.stdout.contains(told), "{}", ran.stdout);
        assert!(ran.stdout.contains("the baseline's $73.00"), "{}", ran.stdout);
    }
}

/// Exit 2, this said, nothing on standard output and nothing written.
#[track_caller]
fn refused(two: &Two, options: &str, wanted: &str) {
    let ran = two.check(&format!("{options} --junit j.xml"));
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{options}: {}", ran.stderr);
    assert!(ran.stderr.contains(wanted), "{options}: {}", ran.stderr);
    assert!(!two.path().join("j.xml").exists(), "{options}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let base = design(FIVE, BASE);
    let two = Two::new(&base, &base);
    let with = |from: &str, to: &str| {
        assert!(base.contains(from), "{from}");
        base.replace(from, to)
    };
    for (name, text, wanted) in [
        ("s.yaml", format!("seed: 7\n{base}"), "s.yaml has seed 7 and shop.yaml has 1"),
        ("d.yaml", with("duration: 60s", "duration: 90s"), "d.yaml lasts 90 s and shop.yaml 60 s"),
        (
            "w.yaml",
            with("warm_up: 5s", "warm_up: 6s"),
            "measured from 6 s on and shop.yaml from 5 s",
        ),
        ("b.yaml", with("to: server", "to: sever"), "did you mean `server`?"),
    ] {
        two.write(name, &text);
        refused(&two, &format!("--baseline {name}"), wanted);
    }
    refused(&two, "--baseline none.yaml", "`none.yaml` does not exist");
    refused(&two, "--baseline none.json", "E-BASELINE");
    refused(&two, "--baseline none.json", "none.json does not exist");
    refused(&two, "--baseline shop.yaml", "is the file that is checked");
    refused(&two, "--baseline ./shop.yaml", "is the file that is checked");
    fs::create_dir(two.path().join("folder.json")).unwrap();
    refused(&two, "--baseline folder.json", "folder.json is a directory");
    refused(&two, "mm1.yaml --baseline main.yaml", "--baseline is of one design");
    refused(&two, "--baseline main.yaml --update-baseline", "main.yaml is none");
    refused(&two, "--baseline no/main.json --update-baseline", "its folder does not exist");
    assert_eq!(two.check("--update-baseline").code, 2);
    // A figure that the other design does not have.
    let slo = "  - nodes.server.utilisation <= baseline\n";
    two.write("shop.yaml", &design(slo, BASE));
    two.write("main.yaml", &design(slo, BASE).replace("server", "servant"));
    refused(&two, "--baseline main.yaml", "shop.yaml:8:5");
    refused(&two, "--baseline main.yaml", "main.yaml has no `nodes.server.utilisation`");
}

#[test]
fn a_file_that_is_no_baseline_is_refused() {
    let base = design(FIVE, BASE);
    let two = Two::new(&base, &base);
    assert_eq!(two.record("-n 5").code, 0);
    let good = fs::read_to_string(two.path().join("main.json")).unwrap();
    let refused_as = |text: &str, wanted: &str| {
        two.write("main.json", text);
        refused(&two, "--baseline main.json", wanted);
        refused(&two, "--baseline main.json", "E-BASELINE");
    };
    refused_as(&good[..good.len() / 2], "ends in the middle");
    refused_as("", "ends in the middle");
    refused_as("{}", "is no baseline: `--update-baseline` writes one");
    refused_as("[1, 2]", "is no baseline: `--update-baseline` writes one");
    refused_as("windtunnel: 1\n", "it is not JSON");
    refused_as(&good.replace("exp(mean=100ms)", "exp(mean=101ms)"), "its checksum does not fit");
    refused_as(&good.replace("baseline\": 1", "baseline\": 2"), "has version 2 of the format");
    // Another version of what scenarios mean, and whole.
    let mut other: Value = serde_json::from_str(&good).unwrap();
    other["semantics_version"] = 99.into();
    let map = other.as_object_mut().unwrap();
    map.remove("checksum");
    let sum = windtunnel::study::sha256(other.to_string().as_bytes());
    other["checksum"] = format!("sha256:{sum}").into();
    refused_as(&other.to_string(), "under version 99 of what a scenario means; this is version 1");
    // However it is laid out, it is the same.
    let laid_out: Value = serde_json::from_str(&good).unwrap();
    two.write("main.json", &laid_out.to_string());
    assert_eq!(two.check("--baseline main.json -n 5").code, 0);
    // A flipped bit is found, or changes nothing.
    let kept = windtunnel::study::Written::read(good.as_bytes()).unwrap();
    let mut bytes = good.clone().into_bytes();
    for at in (0..bytes.len()).step_by(7) {
        bytes[at] ^= 1 << (at % 8);
        let read = windtunnel::study::Written::read(&bytes);
        assert!(read.is_err() || read == Ok(kept.clone()), "byte {at}");
        bytes[at] ^= 1 << (at % 8);
    }
    two.write("main.json", &good);
    refused(&two, "--baseline main.json -n 6", "known after 5 replications, not after 6");
    refused(&two, "--baseline main.json --seed 3", "main.json has seed 1 and shop.yaml has 3");
    two.write("shop.yaml", &design("  - p99(latency) <= baseline + 5%\n", BASE));
    refused(&two, "--baseline main.json", "has no `p99(latency)`: it holds mean(latency)");
}

#[test]
fn without_a_baseline_it_says_where_one_is_needed() {
    let slos = format!("  - availability >= 99%\n{FIVE}");
    let two = Two::new(&design(&slos, BASE), MM1);
    refused(&two, "", "shop.yaml:9:5");
    refused(&two, "", "error[E-BASELINE]: `mean(latency)` is held against a baseline");
    refused(&two, "", "`--baseline main.yaml` names another design");
    assert_eq!(windtunnel(two.path(), "validate shop.yaml").code, 0);
    let ran = windtunnel(two.path(), "run shop.yaml --format json -n 3");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let results: Value = serde_json::from_str(&ran.stdout).unwrap();
    let (own, held) = (&results["slos"][0], &results["slos"][1]);
    assert_eq!((&own["verdict"], &own["unit"]), (&"met".into(), &Value::Null));
    assert_eq!((&held["verdict"], &held["unit"]), (&"undecided".into(), &"s".into()));
    assert_eq!(held["reason"], "needs `check --baseline`");
    let shown = windtunnel(two.path(), "run shop.yaml -n 3 --force").stdout;
    let line = shown.lines().find(|line| line.starts_with("undecided")).unwrap();
    assert!(line.contains(" ms") && line.contains("needs `check --baseline`"), "{line}");
    let explained = windtunnel(two.path(), "explain shop.yaml").stdout;
    assert!(explained.contains("; needs `check --baseline`)"), "{explained}");
    // Two that are compared are told by their difference; objectives with a limit of their own are counted.
    let compared = windtunnel(two.path(), "compare shop.yaml -n 3").stdout;
    assert!(compared.contains("1 of 1"), "{compared}");
    // No objective asks for one: said, and passed over; but nothing can be written.
    let ran = windtunnel(two.path(), "check mm1.yaml -n 20 --baseline main.yaml");
    assert!(ran.stderr.contains("main.yaml is not used"), "{}", ran.stderr);
    let ran = windtunnel(two.path(), "check mm1.yaml --baseline m.json --update-baseline");
    assert_eq!(ran.code, 2, "{}", ran.stdout);
    assert!(ran.stderr.contains("there is nothing to write"), "{}", ran.stderr);
}

#[test]
fn a_warm_up_that_pilots_find_is_the_later_of_the_two() {
    let slo = "  - p99(latency) <= baseline + 5%\n";
    let auto = |work: &str| design(slo, work).replace("warm_up: 5s", "warm_up: auto");
    let two = Two::new(&auto("exp(mean=150ms)"), &auto(BASE));
    let ran = two.check("--baseline main.yaml -n 20");
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let fixed = design(slo, BASE).replace("warm_up: 5s", "warm_up: 30s");
    two.write("main.yaml", &fixed);
    let ran = two.check("--baseline main.yaml -n 20");
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
}

/// The blocks of a document in a language.
#[cfg(unix)]
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let begin = format!("```{language}\n");
    text.split(begin.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Runs lines as they stand; gives their exit code.
#[cfg(unix)]
#[track_caller]
fn sh(folder: &Path, lines: &str) -> i32 {
    let program = Path::new(env!("CARGO_BIN_EXE_windtunnel")).parent().unwrap();
    let paths = std::env::var("PATH").unwrap();
    let author =
        ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
    let ran = std::process::Command::new("sh")
        .args(["-euc", lines])
        .current_dir(folder)
        .env("PATH", format!("{}:{paths}", program.display()))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs(author.map(|name| (name, "somebody")))
        .env("GITHUB_STEP_SUMMARY", folder.join("summary.md"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!([Some(0), Some(1)].contains(&ran.status.code()), "{lines}: {said}");
    ran.status.code().unwrap()
}

/// The worked example: its design, its change and its lines lead to the summary it shows.
#[cfg(unix)]
#[test]
fn the_pull_request_of_the_documents_gets_the_summary_it_shows() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci/pull-request.md");
    let document = fs::read_to_string(&file).unwrap();
    let [pull_request, on_main, by_file] = blocks(&document, "sh").try_into().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("origin");
    fs::create_dir_all(main.join("designs")).unwrap();
    fs::write(main.join("designs/shop.yaml"), blocks(&document, "yaml")[0]).unwrap();
    assert_eq!(sh(&main, "git init -q -b main; git add -A; git commit -qm 'The shop'"), 0);
    assert_eq!(sh(&main, on_main), 0);
    sh(&main, "git add -A; git commit -qm 'Its baseline'");
    sh(folder.path(), "git clone -q \"file://$PWD/origin\" work");
    let work = folder.path().join("work");
    fs::write(folder.path().join("change.diff"), blocks(&document, "diff")[0]).unwrap();
    sh(&work, "git checkout -q -b smaller; git apply ../change.diff; git commit -qam 'One less'");
    assert_eq!(sh(&work, pull_request), 1);
    let summary = fs::read_to_string(work.join("summary.md")).unwrap();
    let (begin, end) = ("<!-- the summary -->\n\n", "<!-- its end -->");
    let at = document.find(begin).unwrap() + begin.len();
    let until = document.find(end).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let new = format!("{}{summary}{}", &document[..at], &document[until..]);
        fs::write(&file, new).unwrap();
    } else {
        assert_eq!(
            &document[at..until],
            summary,
            "run `UPDATE_DOCS=1 cargo test --test it baseline`"
        );
    }
    // What was written down says the same to the last digit.
    fs::remove_file(work.join("summary.md")).unwrap();
    assert_eq!(sh(&work, by_file), 1);
    let again = fs::read_to_string(work.join("summary.md")).unwrap();
    assert_eq!(again.replace("designs/shop.json", "main.yaml"), summary);
}
