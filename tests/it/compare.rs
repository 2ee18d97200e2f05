//! `windtunnel compare` from outside: paired differences, verdicts, documents and pictures.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::cli::{MM1, Ran, windtunnel, workspace};

/// Compares the designs of a text.
fn compare(text: &str, options: &str) -> Ran {
    let folder = workspace();
    fs::write(folder.path().join("shop.yaml"), text).unwrap();
    windtunnel(folder.path(), &format!("compare shop.yaml {options}"))
}

fn json(text: &str, options: &str) -> Value {
    let ran = compare(text, &format!("{options} --format json"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

const FAST: &str = "  fast: {nodes.server.service.work: exp(mean=50ms)}\n";

/// The queue at half load, and variants of it.
fn with(variants: &str) -> String {
    MM1.replace("poisson(9/s)", "poisson(5/s)").replace(FAST, variants)
}

fn difference<'d>(document: &'d Value, design: &str, metric: &str) -> &'d Value {
    let all = document["differences"].as_array().unwrap();
    all.iter().find(|d| d["design"] == design && d["metric"] == metric).unwrap()
}

const LESS: &str = "  less: {nodes.server.service.work: exp(mean=95ms)}\n";

#[test]
fn five_per_cent_less_work_is_seen_through_the_noise_of_the_load() {
    let document = json(&with(LESS), "");
    // At half load the mean is 1 / (1/E - 5): 200 ms against 181 ms.
    let mean = difference(&document, "less", "mean(latency)");
    assert_eq!(mean["verdict"], "better");
    assert_eq!(mean["better"], "lower");
    let of = |end: &str| mean["difference"][end].as_f64().unwrap();
    let truth = 95.0 / (1.0 - 0.475) / 1e3 - 0.2;
    assert!(of("lower") < of("value") && of("value") < of("upper"), "{mean}");
    // The runs are a minute each and start empty: by less than a hundredth of the difference.
    assert!((of("value") / truth - 1.0).abs() < 0.1, "{} against {truth}", of("value"));
    assert!(of("lower") < truth && of("upper") - of("lower") < 0.005, "{mean}");
    let ratio = mean["ratio"]["value"].as_f64().unwrap();
    assert!((ratio - 0.905).abs() < 0.02, "{ratio}");
    assert!(mean["gain"].as_f64().unwrap() >= 10.0, "{mean}");
    assert!(mean["correlation"].as_f64().unwrap() > 0.9, "{mean}");
    assert_eq!(difference(&document, "less", "p99(latency)")["verdict"], "better");
    assert_eq!(difference(&document, "less", "availability")["verdict"], "identical");
    assert_eq!(document["designs"][0]["issued"], document["designs"][1]["issued"]);
    assert_eq!(document["seeds"].as_array().unwrap().len(), 20);
    assert_eq!(document["pareto"], serde_json::json!(["less"]));
}

#[test]
fn a_change_without_effect_is_identical_and_a_small_one_equivalent() {
    let variants = "  same: {slos: [availability >= 98%]}\n  \
                    hardly: {nodes.server.service.work: exp(mean=100.01ms)}\n";
    let document = json(&with(variants), "-n 20");
    for metric in document["metrics"].as_array().unwrap() {
        let metric = metric["metric"].as_str().unwrap();
        assert_eq!(difference(&document, "same", metric)["verdict"], "identical", "{metric}");
    }
    assert_eq!(difference(&document, "hardly", "mean(latency)")["verdict"], "equivalent");
    assert_eq!(difference(&document, "hardly", "p99(latency)")["verdict"], "equivalent");
    // With a margin of nothing it is what it is.
    let strict = json(&with(variants), "-n 20 --margin mean=1ns");
    assert_eq!(difference(&strict, "hardly", "mean(latency)")["verdict"], "worse");
    let text = compare(&with(variants), "-n 20").stdout;
    assert!(text.contains("same: no difference that matters."), "{text}");
}

#[test]
fn who_leaves_more_unanswered_is_worse_whatever_its_survivors_say() {
    // 50 requests a second for a server of 10: those it takes in are answered quickly.
    let text = "windtunnel: 1\nname: shop\nduration: 60s\nclients:\n  users: {arrivals: poisson(9/s), to: server}\n\
                nodes:\n  server: {service: {workers: 1, queue: 50, work: exp(mean=100ms)}}\n\
                variants:\n  short: {nodes.server.service.queue: 0}\n";
    let document = json(text, "");
    let p99 = difference(&document, "short", "p99(latency)");
    assert_eq!(p99["verdict"], "worse", "{p99}");
    assert_eq!(p99["difference"]["value"], Value::Null);
    let short = &document["designs"][1]["figures"]["p99(latency)"];
    assert_eq!(short["value"], Value::Null);
    // Erlang's loss of one server at 0.9: 0.9 / 1.9.
    assert!((short["never"].as_f64().unwrap() - 0.4737).abs() < 0.03, "{short}");
    let printed = compare(text, "").stdout;
    assert!(printed.contains("% never answered worse"), "{printed}");
    // Of neither there is a mean: what fails is slower than any limit.
    let both = format!("{text}  shorter: {{nodes.server.service.queue: 1}}\n");
    let both = both.replace("queue: 50", "queue: 2");
    let document = json(&both, "");
    let mean = difference(&document, "short", "mean(latency)");
    assert_eq!(mean["verdict"], "not_comparable");
    assert!(mean["reason"].as_str().unwrap().ends_with("never answered"), "{mean}");
}

#[test]
fn files_are_compared_with_the_first_on_its_seeds() {
    let folder = workspace();
    let half = MM1.replace("poisson(9/s)", "poisson(5/s)");
    let (here, less) = (folder.path(), half.replace("mean=100ms", "mean=95ms"));
    fs::write(here.join("a.yaml"), format!("seed: 7\n{half}")).unwrap();
    fs::write(here.join("b.yaml"), format!("seed: 8\n{less}")).unwrap();
    let ran =
        windtunnel(here, "compare a.yaml b.yaml --format json --metric nodes.server.utilisation");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["designs"][0]["name"], "a");
    assert_eq!(document["designs"][1]["name"], "b");
    assert_eq!(document["designs"][0]["issued"], document["designs"][1]["issued"]);
    let used = difference(&document, "b", "nodes.server.utilisation");
    assert_eq!(used["verdict"], "better");
    assert!((used["difference"]["value"].as_f64().unwrap() + 0.025).abs() < 0.003, "{used}");
    fs::write(here.join("c.yaml"), less.replace("duration: 60s", "duration: 90s")).unwrap();
    let ran = windtunnel(here, "compare a.yaml c.yaml");
    assert!(ran.stdout.contains("! c: lasts 90 s instead of 60 s"), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_compared_is_bad_input_and_nothing_is_written() {
    for (text, options, wanted) in [
        (MM1.replace("variants:\n", "").replace(FAST, ""), "", "it has no `variants`"),
        (with(LESS), "--metric p99(latency)x", "is left over after the metric"),
        (with(LESS), "--metric nodes.sever.utilisation", "did you mean `server`"),
        (with(LESS), "--metric baseline", "there is no metric `baseline`"),
        (with(LESS), "--margin p99", "a margin is FIGURE=VALUE"),
        (with(LESS), "--margin p98=2ms", "no figure is called `p98`"),
        (with(LESS), "--margin p99=2", "is not a duration"),
        (with(LESS), "--margin p99=2/s", "is not a duration"),
        (with(LESS), "--variant less,less", "is given twice"),
        (with(LESS), "--variant more", "more"),
        (with("  less: {nodes.server.service.wrok: 1s}\n"), "", "wrok"),
    ] {
        let folder = workspace();
        fs::write(folder.path().join("shop.yaml"), text).unwrap();
        let ran = windtunnel(folder.path(), &format!("compare shop.yaml --out c {options}"));
        assert_eq!(ran.code, 2, "{options}: {}", ran.stderr);
        assert!(ran.stderr.contains(wanted), "{options}: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !folder.path().join("c").exists(), "{options}");
    }
}

#[test]
fn documents_and_pictures_are_the_same_bytes_at_any_number_of_threads() {
    let written = |jobs: u32| {
        let folder = workspace();
        fs::write(folder.path().join("shop.yaml"), with(LESS)).unwrap();
        let ran = windtunnel(
            folder.path(),
            &format!("compare shop.yaml --out c --format markdown --jobs {jobs}"),
        );
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let files: BTreeMap<String, Vec<u8>> = fs::read_dir(folder.path().join("c"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap()))
            .collect();
        (ran.stdout, files)
    };
    let (text, files) = written(1);
    assert!((text.clone(), files.clone()) == written(2));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["compare.json", "compare.md", "differences.svg", "pareto.svg"]);
    assert_eq!(text.as_bytes(), files["compare.md"]);
    assert!(text.contains("|  | base | less |\n|---|---|---|\n| mean |"), "{text}");
    let picture = String::from_utf8(files["differences.svg"].clone()).unwrap();
    assert!(picture.contains("availability") && picture.contains("less"), "{picture}");
    let picture = String::from_utf8(files["pareto.svg"].clone()).unwrap();
    assert!(picture.contains("base (beaten)"), "{picture}");
}

const PARTS: &str = "windtunnel: 1
name: parts
duration: 90s
topology: {regions: {eu: [eu-a, eu-b]}}
network: {same_zone: 0.2ms, same_region: 1ms, internet: 5ms}
clients: {users: {arrivals: poisson(50/s), to: edge, timeout: 500ms}}
nodes:
  edge: {load_balancer: {to: api, health_check: {detect: 1s}}}
  api:
    service:
      zones: {eu-a: 2, eu-b: 2}
      cores: 2
      endpoints: {default: [{work: 5ms}, {read: db}, {call: pay}]}
      dependencies: {pay: {timeout: 50ms, fallback: {reply: 1KB}}}
  db: {store: {zones: eu-a, read: 2ms, cores: 4}}
  pay: {external: {latency: 20ms}}
slos: [availability >= 90%]
";

#[test]
fn what_a_design_cannot_lose_is_found_by_taking_it_away() {
    let document = json(PARTS, "--lose each -n 5");
    let names: Vec<&str> = document["designs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|design| design["name"].as_str().unwrap())
        .collect();
    let wanted = [
        "base",
        "an instance of api",
        "api",
        "db",
        "edge",
        "pay",
        "zone eu-a",
        "zone eu-b",
        "the way eu-a - eu-b",
    ];
    assert_eq!(names, wanted);
    let served = |name: &str| {
        let at = names.iter().position(|known| *known == name).unwrap();
        let figure = &document["designs"][at]["figures"]["availability(during=lose-each)"];
        figure["value"].as_f64().unwrap()
    };
    for all in ["edge", "api", "db", "zone eu-a"] {
        assert!(served(all) < 0.001, "{all}: {}", served(all));
    }
    // A quarter of a second's requests out of thirty seconds' go to one of four that is down.
    let instance = served("an instance of api");
    assert!((instance - (1.0 - 1.0 / 4.0 / 30.0)).abs() < 0.005, "{instance}");
    let zone = served("zone eu-b");
    assert!((zone - (1.0 - 1.0 / 2.0 / 30.0)).abs() < 0.008, "{zone}");
    // Those in the other zone answer nobody, and the balancer, which stands in no zone, does not see why.
    let way = served("the way eu-a - eu-b");
    assert!((way - 0.5).abs() < 0.05, "{way}");
    assert_eq!(served("pay"), 1.0, "there is something in its place");
    let printed = compare(PARTS, "--lose each -n 5").stdout;
    let line = printed.lines().find(|line| line.starts_with("Without one of these nobody"));
    let mut lost: Vec<&str> = line.unwrap().split([':', ',', '.']).skip(1).map(str::trim).collect();
    lost.sort_unstable();
    assert_eq!(lost, ["", "api", "db", "edge", "zone eu-a"], "{printed}");
    assert!(printed.contains("Nobody notices the loss of: pay."), "{printed}");
    assert!(
        printed.contains("Without one of these objectives are missed: the way eu-a - eu-b."),
        "{printed}"
    );
    let refused = compare(PARTS, "--lose each --variant a,b");
    assert_eq!(refused.code, 2, "{}", refused.stderr);
}

#[test]
fn figures_around_a_fault_are_compared_though_no_objective_asks_for_them() {
    let text = format!(
        "{PARTS}faults: [{{id: dark, at: 30s, for: 10s, crash: {{zone: eu-b}}}}]\n\
                        variants:\n  slower: {{nodes.edge.load_balancer.health_check.detect: 5s}}\n"
    );
    let document = json(&text, "-n 20 --metric availability(during=dark)");
    let of = difference(&document, "slower", "availability(during=dark)");
    assert_eq!(of["verdict"], "worse", "{of}");
    // Half of the requests of four more seconds out of ten.
    assert!((of["difference"]["value"].as_f64().unwrap() + 0.2).abs() < 0.03, "{of}");
}
