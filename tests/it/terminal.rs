//! How the program speaks with people and with other programs: variants, standard input, links, narrow
//! terminals, full disks.

use std::fs;

use assert_cmd::Command;

use crate::cli::{MM1, windtunnel, workspace};

#[test]
fn variants_run_one_after_the_other_and_latest_leads_to_the_last() {
    let w = workspace();
    let all = windtunnel(w.path(), "run mm1.yaml --variants -n 2 --format json");
    assert_eq!(all.code, 0, "{}", all.stderr);
    let results: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    let variants: Vec<_> = (0..2).map(|i| results[i]["variant"].as_str()).collect();
    assert_eq!(variants, [None, Some("fast")]);
    let runs: Vec<String> = fs::read_dir(w.path().join("outputs/mm1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(runs.iter().any(|name| name.starts_with("fast-")), "{runs:?}");
    let latest = fs::read_link(w.path().join("outputs/mm1/latest")).unwrap();
    assert!(runs.contains(&latest.to_str().unwrap().to_owned()), "{latest:?} {runs:?}");
    let told = windtunnel(w.path(), "run mm1.yaml --variant fast -n 2");
    assert!(told.stdout.contains("/report.html"), "{}", told.stdout);
    let page = told.stdout.lines().find_map(|line| line.strip_prefix("Report:")).unwrap();
    assert!(w.path().join(page.trim()).is_file(), "{page}");
    let twice = windtunnel(w.path(), "run mm1.yaml --variant fast,slow");
    assert_eq!(twice.code, 2, "{}", twice.stdout);
    assert!(twice.stderr.contains("no variant `slow`"), "{}", twice.stderr);
    let explained = windtunnel(w.path(), "explain outputs/mm1/latest");
    assert_eq!(explained.code, 0, "{}", explained.stderr);
}

#[test]
fn a_scenario_comes_from_standard_input() {
    let w = workspace();
    let run = |text: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
        command.current_dir(w.path()).args(["run", "-", "-n", "1", "--format", "json"]);
        command.write_stdin(text.to_owned()).output().unwrap()
    };
    let output = run(MM1);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(results["scenario"], "mm1");
    let output = run(&MM1.replace("to: server", "to: sever"));
    assert_eq!(output.status.code(), Some(2));
    let problems: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        problems[0]["code"], "E-REF",
        "errors are JSON where JSON was asked for: {problems}"
    );
}

#[test]
fn a_full_disk_below_standard_output_is_an_error() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let w = workspace();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_windtunnel"));
    command.current_dir(w.path()).args(["run", "mm1.yaml", "-n", "1"]).stdout(full);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot write to standard output"), "{said}");
}

#[test]
fn what_is_printed_fits_sixty_columns() {
    let w = workspace();
    let text = "\
windtunnel: 1
name: narrow
duration: 30s
clients:
  shoppers-of-the-world: {arrivals: poisson(40/s), to: front, keys: zipf(n=1k s=1), timeout: 300ms}
  batch: {arrivals: poisson(10/s), to: front, keys: zipf(n=1k s=1), timeout: 1s}
nodes:
  front: {service: {cores: 1, endpoints: {default: [{work: exp(mean=15ms)}, {read: {from: store-of-orders, cache: near}}]}}}
  near: {cache: {capacity: 100, ttl: 10s}}
  store-of-orders: {store: {cores: 2, read: exp(mean=20ms)}}
alerts: {bad: {when: error_fraction(node=front) > 1%, every: 1s}}
faults: [{id: loss-of-the-store, at: 10s, for: 5s, crash: {node: store-of-orders}}]
slos: [p99(latency client=shoppers-of-the-world) <= 200ms, availability(client=batch) >= 99.9%]
";
    std::fs::write(w.path().join("narrow.yaml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .current_dir(w.path())
        .env("COLUMNS", "60")
        .args(["run", "narrow.yaml", "-n", "2", "--color", "never"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in text.lines().take_while(|line| !line.starts_with("Results:")) {
        // One word may be longer than the terminal.
        let wide = line.chars().count() > 60 && line.trim().contains(' ');
        assert!(!wide, "{line:?} in\n{text}");
    }
}

#[test]
fn instances_groups_and_batches_are_seen_by_people() {
    let w = tempfile::tempdir().unwrap();
    let text = "windtunnel: 1\nname: seen\nduration: 100s\n\
         clients: {a: {arrivals: schedule(every=1h at=10s batch=3), to: tool}, b: {arrivals: constant(5/s), to: log}, \
         c: {arrivals: constant(20/s), to: gpu}, d: {arrivals: constant(1/s), to: fleet}}\n\
         nodes: {tool: {service: {cores: 1, work: 10ms, boot: 20s, autoscale: {min: 0, max: 2, hold: 9, metric: requests, target: 10/s}}}, \
         log: {topic: {partitions: 2}}, reader: {service: {workers: 1, work: 10ms, consumes: log}}, \
         gpu: {service: {cores: 1, work: 100ms, batch: {size: 4, wait: 1s}, speedup: table(1=1 4=4)}}, \
         fleet: {service: {instances: 2, cores: 1, work: 1ms, purchase: {reserved: {count: 1, price: $1/h}, \
         spot: {price: $0.3/h, reclaim: 60s, notice: 10s}}}}}\n";
    fs::write(w.path().join("a.yaml"), text).unwrap();
    let ran = windtunnel(w.path(), "run a.yaml -n 2");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let after = |header: &str, start: &str| {
        let rest = ran.stdout.split(header).nth(1).unwrap_or_else(|| panic!("{header}"));
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut rows = rest.lines().map(words);
        rows.find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {rest}"))
    };
    assert_eq!(after("Autoscaler", "tool"), "tool 1 0 20 s 3");
    assert!(after("Instances of", "fleet reserved").ends_with("0.0278 -"));
    // 0 to 60 s, from 50 s on another one.
    assert!(after("Instances of", "fleet spot").ends_with("0.0306 1"));
    assert!(after("Group", "log > reader").ends_with(" 0"));
    assert!(ran.stdout.contains("gpu: a core took 4 steps at once in the mean."), "{}", ran.stdout);
    let page = ran.stdout.lines().find_map(|line| line.strip_prefix("Report:")).unwrap();
    let page = fs::read_to_string(w.path().join(page.trim())).unwrap();
    for title in
        ["Instances that come and go", "Instances by how they are bought", "Groups of logs"]
    {
        assert!(page.contains(title), "{title}");
    }
    assert!(page.contains("4 steps at once"));
}
