//! The engine of the playground: what it answers is what the program says and writes.

use std::fs;

use serde_json::Value;
use windtunnel::playground::answer;

use crate::cli::{result_folder, windtunnel, workspace};

const TEXT: &str = "windtunnel: 1
name: shop
duration: 30s
warm_up: 5s
clients:
  users:
    arrivals: poisson(50/s)
    to: api
nodes:
  api: {service: {cores: 2, work: exp(mean=10ms)}}
faults:
  - {id: slow, at: 10s, for: 5s, slow: {node: api, factor: 3}}
slos: [p99(latency) <= 200ms]
";

#[test]
fn its_page_is_the_report_the_program_writes() {
    for text in [TEXT, &TEXT.replace("warm_up: 5s", "warm_up: auto")] {
        let folder = workspace();
        fs::write(folder.path().join("scenario.yaml"), text).unwrap();
        let ran = windtunnel(folder.path(), "run scenario.yaml --quiet --replications 3");
        assert!(ran.code == 0 || ran.code == 4, "{}", ran.stderr);
        let written = result_folder(folder.path(), "shop");
        let results = fs::read_to_string(written.join("results.json")).unwrap();
        let results: Value = serde_json::from_str(&results).unwrap();

        let told = answer(text, 3);
        assert_eq!(told["fingerprint"], results["fingerprint"]);
        let page = fs::read_to_string(written.join("report.html")).unwrap();
        assert!(told["page"] == page, "another page");
        assert!(page.contains("class=\"waterfall\""), "nothing was watched");
        assert_eq!(told["problems"].as_array().map(Vec::len), Some(0));
    }
}

#[test]
fn mistakes_are_told_at_their_places_and_nothing_is_run() {
    let text = TEXT.replace("cores: 2", "coers: 2").replace("to: api\n", "to: apo\n");
    let told = answer(&text, 1);
    let places: Vec<(u64, &str)> = told["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert!(one["column"].as_u64() > Some(1));
            (one["line"].as_u64().unwrap(), one["code"].as_str().unwrap())
        })
        .collect();
    assert_eq!(places, [(10, "E-UNKNOWN-KEY"), (8, "E-REF")]);
    assert!(told.get("page").is_none() && told.get("fingerprint").is_none());
}

#[test]
fn a_sound_text_is_only_looked_at_when_it_is_not_to_be_run() {
    let told = answer(TEXT, 0);
    assert_eq!(told, serde_json::json!({ "problems": [] }));
}

#[test]
fn files_are_refused_by_their_names() {
    let traced =
        TEXT.replace("exp(mean=10ms)", "\"empirical(file=data/work.csv column=t unit=ms)\"");
    let extended = "windtunnel: 1\nextends: shop.yaml\nname: b\n";
    for (text, name) in [(traced.as_str(), "data/work.csv"), (extended, "shop.yaml")] {
        let told = answer(text, 1);
        let message = told["problems"][0]["message"].as_str().unwrap();
        let refused =
            format!("`{name}` is a file, and the playground has none: it takes the program");
        assert_eq!(message, refused);
        assert!(told.get("page").is_none());
    }
}
