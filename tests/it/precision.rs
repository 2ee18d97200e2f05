//! `run --precision`: replications until latency is known so well.

use std::{fs, sync::atomic::AtomicBool};

use serde_json::Value;
use windtunnel::{
    scenario::load::Overrides,
    study::{Alone, Precision, Study},
};

use crate::cli::{MM1, Ran, files, result_folder, windtunnel, workspace};

/// The single server with these options: 1 request a second of 100 ms.
fn run(text: &str, options: &str) -> Ran {
    let folder = workspace();
    fs::write(folder.path().join("mm1.yaml"), text).unwrap();
    windtunnel(folder.path(), &format!("run mm1.yaml {options}"))
}

fn quick() -> String {
    MM1.replace("poisson(9/s)", "poisson(1/s)")
}

fn json(text: &str, options: &str) -> Value {
    let ran = run(text, &format!("{options} --format json"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The farther end of an interval from its value, as a share of that.
fn half(results: &Value, figure: &str) -> f64 {
    let of = &results["summary"]["latency"][figure];
    let [value, lower, upper] = ["value", "lower", "upper"].map(|key| of[key].as_f64().unwrap());
    (value - lower).max(upper - value) / value
}

#[test]
fn replications_are_added_until_both_are_known_so_well() {
    let text = quick();
    let found = json(&text, "--precision 10%");
    let n = found["seeds"].as_array().unwrap().len();
    assert!([20, 40, 80, 160].contains(&n), "{n}");
    assert_eq!(found["status"], "complete");
    let precision = &found["precision"];
    assert_eq!((&precision["reached"], &precision["wanted"]), (&true.into(), &0.1.into()));
    for figure in ["mean", "p99"] {
        let half = half(&found, figure);
        assert!(half <= 0.1, "{figure}: {half}");
        assert!((precision[figure].as_f64().unwrap() - half).abs() < 1e-12, "{precision}");
    }
    // The look before was not enough, and what is left is a run of so many, said apart.
    let before = json(&text, &format!("-n {}", n / 2));
    assert!(half(&before, "mean").max(half(&before, "p99")) > 0.1);
    assert!(before.get("precision").is_none());
    let mut same = json(&text, &format!("-n {n}"));
    same["precision"] = precision.clone();
    assert_eq!(same, found);
    let said = run(&text, "--precision 0.1");
    let line = format!("precision of 10 % reached after {n} replications: mean ± ");
    assert!(said.stdout.contains(&line), "{}", said.stdout);
    assert!(said.stderr.is_empty(), "{}", said.stderr);
}

#[test]
fn threads_change_no_byte_and_a_variant_is_run_by_itself() {
    let outputs: Vec<_> = ["--jobs 1", "--jobs 2"]
        .map(|jobs| {
            let folder = workspace();
            let ran = windtunnel(
                folder.path(),
                &format!("run mm1.yaml --precision 20% --variants {jobs}"),
            );
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            let names = files(&folder.path().join("outputs"));
            let read = |name: &String| fs::read(folder.path().join("outputs").join(name)).unwrap();
            let lasting = names.into_iter().filter(|name| !name.ends_with("timing.json"));
            lasting.map(|name| (read(&name), name)).collect::<Vec<_>>()
        })
        .into();
    assert!(!outputs[0].is_empty() && outputs[0] == outputs[1]);
    // The variant alone is the same run in the same folder, whatever the file itself needs.
    let folder = workspace();
    windtunnel(folder.path(), "run mm1.yaml --precision 20% --variant fast");
    let alone = result_folder(folder.path(), "mm1");
    let name = format!("mm1/{}/results.json", alone.file_name().unwrap().to_str().unwrap());
    let together = outputs[0].iter().find(|(_, other)| *other == name).expect(&name);
    assert!(together.0 == fs::read(alone.join("results.json")).unwrap());
    let number = |bytes: &[u8]| {
        let results: Value = serde_json::from_slice(bytes).unwrap();
        results["seeds"].as_array().unwrap().len()
    };
    let all: Vec<usize> = outputs[0]
        .iter()
        .filter(|(_, name)| name.ends_with("results.json"))
        .map(|(bytes, _)| number(bytes))
        .collect();
    assert!(all.len() == 2 && all[0] != all[1], "each needs its own number: {all:?}");
}

#[test]
fn what_is_not_reached_is_said_with_how_many_would() {
    let ran = run(MM1, "--precision 0.5% --max-replications 30");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let line = "precision of 0.500 % not reached by 30 replications: mean ± ";
    // Where the terminal ends the line is broken.
    let printed = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(printed.contains(line), "{printed}");
    assert!(ran.stderr.contains(&format!("mm1.yaml: {line}")), "{}", ran.stderr);
    assert!(ran.stderr.trim_end().ends_with(" would do"), "{}", ran.stderr);
    assert!(run(MM1, "--precision 0.5% --max-replications 30 --quiet").stderr.is_empty());
    let found = json(MM1, "--precision 0.5% --max-replications 30");
    assert_eq!(found["precision"]["reached"], false);
    assert_eq!(found["precision"]["most"], 30);
    assert_eq!(found["seeds"].as_array().unwrap().len(), 30);
    let needed = found["precision"]["needed"].as_u64().unwrap();
    let widest = half(&found, "mean").max(half(&found, "p99"));
    let wanted = 30.0 * (widest / 0.005).powi(2);
    assert!((wanted..2.0 * wanted).contains(&(needed as f64)), "{needed} for {wanted}");
}

#[test]
fn where_more_would_not_help_ten_are_enough() {
    let fails = "{endpoints: {default: [{fail: 100%}]}}";
    let nobody = quick().replace("{cores: 1, work: exp(mean=100ms)}", fails);
    let nobody = nobody.split("variants:").next().unwrap();
    let even = quick().replace("poisson(1/s)", "constant(1/s)").replace("exp(mean=100ms)", "100ms");
    let even = even.split("variants:").next().unwrap();
    let same = "every replication has the same latency";
    for (text, reached, reason) in [(nobody, false, "no request was answered"), (even, true, same)]
    {
        let found = json(text, "--precision 1%");
        assert_eq!(found["seeds"].as_array().unwrap().len(), 10, "{reason}");
        assert_eq!(found["precision"]["reached"], reached, "{reason}");
        assert_eq!(found["precision"]["reason"], reason);
        assert!(found["precision"]["needed"].is_null());
    }
}

#[test]
fn a_limit_ends_it_at_the_first_look() {
    let ran = run(MM1, "--precision 2% --max-events 500 --format json");
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["status"], "truncated");
    assert_eq!(found["seeds"].as_array().unwrap().len(), 10);
    assert!(ran.stderr.contains("stopped at a limit"), "{}", ran.stderr);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (options, phrase) in [
        ("--precision 0%", "more than 0% and less than 100%"),
        ("--precision 100%", "more than 0% and less than 100%"),
        ("--precision 2", "did you mean `2%`?"),
        ("--precision 2ms", "is not a unit of fractions"),
        ("--precision much", "much"),
        ("--precision 2% --replications 5", "cannot be used with"),
        ("--max-replications 40", "--precision <SHARE>"),
        ("--precision 2% --max-replications 9", "10..=100000"),
    ] {
        let ran = run(MM1, options);
        assert_eq!(ran.code, 2, "{options}: {}", ran.stderr);
        assert!(ran.stderr.contains(phrase), "{options}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{options}");
    }
}

#[test]
fn the_library_does_it_too_and_keeps_what_was_finished_when_stopped() {
    let text = quick();
    let study = Study::open(Alone::PATH, &Alone(&text), &Overrides::default()).unwrap();
    let precision = Precision { wanted: 0.1, most: Precision::USUAL_MOST };
    let run = study.run_to(precision, &AtomicBool::new(false)).unwrap();
    let reached = run.results.precision.unwrap();
    assert!(reached.reached && reached.p99.unwrap() <= 0.1, "{reached:?}");
    assert!(!run.samples.is_empty() && run.results.slos.len() == 1);
    let stopped = study.run_to(precision, &AtomicBool::new(true)).unwrap().results;
    assert_eq!((stopped.status.name(), stopped.seeds.len()), ("interrupted", 0));
}
