//! Capacity estimates: figures and formulas by hand, beside what the design does; what cannot be estimated.

use std::{env, fs, process::Command};

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
};

const BIN: &str = env!("CARGO_BIN_EXE_windtunnel");

/// What the program prints, and how it ends.
fn planned(arguments: &[&str]) -> (String, String, i32) {
    let done = Command::new(BIN).arg("plan").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(done.stdout), text(done.stderr), done.status.code().unwrap())
}

fn written(name: &str, text: &str) -> String {
    let folder = env::temp_dir().join("windtunnel-plan");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}-{}.yaml", std::process::id()));
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn lines(text: &str, name: &str) -> Vec<Value> {
    let path = written(name, text);
    let (out, err, code) = planned(&[&path, "--format", "json", "-n", "3"]);
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    json["lines"].as_array().unwrap().clone()
}

fn line<'l>(lines: &'l [Value], name: &str) -> &'l Value {
    lines.iter().find(|line| line["name"] == name).unwrap_or_else(|| panic!("{name}: {lines:#?}"))
}

const REQUIRED: &str = "requirements: {users: 1M, actions: {browse: {rate: 40/day, in: 1KB}, buy: 3.2/day}, peak: 2, target: 50%}\n";

/// 500 requests a second on average, 1,000 at the peak, of which 8/108 buy.
fn shop(arrivals: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 60s\nwarm_up: 5s\n{REQUIRED}\
         clients: {{users: {{arrivals: {arrivals}, operations: {{browse: {{to: api}}, buy: {{to: api}}}}}}}}\n\
         nodes: {{api: {{service: {{instances: 3, cores: 4, price: $0.10/h, endpoints: {{browse: [{{work: exp(mean=4ms)}}], buy: [{{work: exp(mean=8ms)}}]}}}}}}}}\n{rest}"
    )
}

#[test]
fn clients_send_what_is_required() {
    let found = results_of(&shop("requirements(peak)", ""), 1);
    assert!((number(&found, "summary.throughput") - 1000.0).abs() < 15.0);
    let buys = number(&found, "clients.users.operations.buy.throughput");
    assert!((buys - 1000.0 * 3.2 / 43.2).abs() < 6.0, "{buys}");
    let found = results_of(&shop("requirements(average)", ""), 1);
    assert!((number(&found, "summary.throughput") - 500.0).abs() < 10.0);
    // One without operations sends all, one with some of the actions only those.
    let text = shop("requirements(peak)", "")
        .replace("operations: {browse: {to: api}, buy: {to: api}}", "to: api");
    let text = text.replace(
        "endpoints: {browse: [{work: exp(mean=4ms)}], buy: [{work: exp(mean=8ms)}]}",
        "work: 1ms",
    );
    assert!((number(&results_of(&text, 1), "summary.throughput") - 1000.0).abs() < 15.0);
    let some = shop("requirements(peak)", "").replace(", buy: {to: api}", "");
    assert!(
        (number(&results_of(&some, 1), "summary.throughput") - 1000.0 * 40.0 / 43.2).abs() < 15.0
    );
}

#[test]
fn an_estimate_stands_beside_what_the_design_does_at_its_peak() {
    let rest = "slos: [p99(waiting_time node=api) <= 1ms, availability >= 99%]\n\
        faults: [{id: gone, at: 20s, for: 20s, crash: {node: api}}]\n";
    // It sends the average; it is looked at as at its peak, without the fault.
    let lines = lines(&shop("requirements(average)", rest), "beside");
    let close = |name: &str, value: f64, simulated: f64, within: f64| {
        let line = line(&lines, name);
        assert!((line["value"].as_f64().unwrap() - value).abs() < 1e-6 * value, "{line}");
        let seen = line["simulated"]["value"].as_f64().unwrap();
        assert!((seen - simulated).abs() < within, "{line}");
        assert!(line["flag"].is_null(), "{line}");
    };
    close("peak", 1000.0, 1000.0, 20.0);
    // (925.9 x 4 ms + 74.1 x 8 ms) / 4 cores / 50 %.
    let busy: f64 = 1000.0 * (40.0 * 0.004 + 3.2 * 0.008) / 43.2 / 4.0 / 0.5;
    close("api at 50 % busy", busy.ceil(), busy, 0.06);
    // Erlang C at c = 4: with four instances 2.6 % wait, 1.3 % longer than 1 ms; with five 1.1 % and less than 1 %.
    let waits = line(&lines, "api for p99(waiting_time node=api) <= 1ms");
    assert_eq!(waits["value"].as_f64(), Some(5.0), "{waits}");
    let dollars = line(&lines, "api");
    assert_eq!(
        (&dollars["group"], dollars["value"].as_f64()),
        (&Value::from("cost"), Some(3.0 * 73.0))
    );
}

#[test]
fn what_is_far_off_says_why() {
    // Three of four calls fail and are tried again.
    let text = shop("poisson(200/s), retry: {attempts: 4}", "")
        .replace("browse: {to", "browse: {share: 50%, to")
        .replace("buy: {to", "buy: {share: 50%, to")
        .replace("browse: [{work: exp(mean=4ms)}]", "browse: [{work: exp(mean=4ms)}, {fail: 75%}]");
    let lines = lines(&text, "far");
    let peak = line(&lines, "peak");
    assert!(peak["flag"].as_str().unwrap().contains("requirements(peak)"), "{peak}");
    let api = line(&lines, "api at 50 % busy");
    assert!(api["flag"].as_str().unwrap().contains("clients retry"), "{api}");
}

#[test]
fn what_makes_no_sense_is_said_at_its_place() {
    let base = shop("requirements(peak)", "");
    let cases: [Case; 8] = [
        ("nobody", "users: 1M", "users: 0", "5:23 E-RANGE", "nobody comes"),
        ("quiet", "peak: 2", "peak: 0.5", "5:91 E-RANGE", "no quieter"),
        ("busy", "target: 50%", "target: 0%", "5:102 E-RANGE", "above 0 %"),
        (
            "unknown",
            "peak: 2",
            "keep: {order: {per: by, size: 1KB, for: 5y}}",
            "5:105 E-REF",
            "`buy`",
        ),
        ("share", "buy: {to: api}}", "by: {to: api}}", "6:81 E-REF", "`buy`"),
        (
            "none",
            "requirements: {users: 1M, actions: {browse: {rate: 40/day, in: 1KB}, buy: 3.2/day}, peak: 2, target: 50%}\n",
            "",
            "5:29 E-MISSING",
            "nothing is required",
        ),
        ("when", "requirements(peak)", "requirements(noon)", "6:29 E-EXPR", "`average`"),
        ("growth", "peak: 2", "growth: 40%", "5:93 E-UNIT", "40%/year"),
    ];
    check_in(&base, &cases);
    // A file that has only requirements, and one that has none.
    let path = written(
        "bad",
        "windtunnel: 1\nrequirements: {users: 1M, actions: {browse: 40/day}, keep: {post: {per: browse, size: 1KB, for: soon}}}\n",
    );
    let (out, err, code) = planned(&[&path]);
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(err.contains(":2:97") && err.contains("5y"), "{err}");
    let done = Command::new(BIN).args(["run", "docs/plan/chat.yaml"]).output().unwrap();
    let err = String::from_utf8(done.stderr).unwrap();
    assert!(
        done.status.code() == Some(2)
            && err.contains("there is no design")
            && err.contains("windtunnel plan"),
        "{err}"
    );
    let path = written("empty", "windtunnel: 1\nname: shop\n");
    let (_, err, code) = planned(&[&path]);
    assert!(
        code == 2 && err.contains("E-MISSING") && err.contains("`requirements` is missing"),
        "{err}"
    );
}

#[test]
fn the_page_shows_what_the_program_prints() {
    let page = fs::read_to_string("docs/PLAN.md").unwrap();
    let mut new = String::new();
    let mut rest = page.as_str();
    while let Some(at) = rest.find("<!-- ") {
        let end = at + rest[at..].find(" -->\n").unwrap();
        let file = &rest[at + 5..end];
        let (out, err, code) = planned(&[file]);
        assert_eq!(code, 0, "{file}: {err}");
        let open = end + rest[end..].find("```text\n").unwrap() + 8;
        let close = open + rest[open..].find("```").unwrap();
        new += &rest[..open];
        new += &out;
        rest = &rest[close..];
    }
    new += rest;
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write("docs/PLAN.md", &new).unwrap();
    } else {
        assert!(
            new == page,
            "docs/PLAN.md is not what the program prints; UPDATE_DOCS=1 writes it anew"
        );
    }
    // In other forms.
    let (markdown, ..) = planned(&["docs/plan/chat.yaml", "--format", "markdown"]);
    assert!(markdown.starts_with("| | | | formula | simulated |\n|---|---|---:|---|---|\n| traffic | average | 92,593 req/s | 50M x (120 + 40) / 86,400 s |  |\n"), "{markdown}");
    let more = planned(&["docs/plan/chat.yaml", "--set", "requirements.users=100M"]).0;
    assert!(more.contains("185,185 req/s"), "{more}");
}
