//! Objectives of all kinds over designs that meet some of them: what each is found to be, and how that is told.
//!
//! A change here is a change of verdicts or of what users read of them.

use std::{fmt::Write as _, fs};

use serde_json::Value;

use crate::{
    cli::windtunnel,
    design::{COPIES, results_of},
};

/// Two kinds of requests, a fault that some of them feel, prices.
const SHOP: &str = "windtunnel: 1
name: judged
duration: 60s
warm_up: 6s
clients:
  users:
    arrivals: poisson(60/s)
    timeout: 400ms
    retry: {attempts: 2}
    operations: {look: {to: api, share: 80%}, buy: {to: api, share: 20%}}
  robots: {arrivals: poisson(10/s), operations: {look: {to: api}}}
nodes:
  api:
    service:
      instances: 2
      cores: 1
      price: $0.10/h
      endpoints:
        look: [{work: exp(mean=15ms)}, {read: db}]
        buy: [{work: exp(mean=25ms)}, {mark: paid}, {write: db}]
  db: {store: {cores: 4, read: 5ms, write: 8ms, queue: 50}}
faults:
  - {id: gone, at: 25s, for: 6s, crash: {node: api, instances: 1}}
alerts: {bad: {when: error_fraction(client=users window=5s) > 10%, every: 5s}}
slos:
";

const OF_THE_SHOP: &str = "\
availability >= 99%
availability >= 90%
availability(client=users operation=buy) >= 95%
availability(client=robots) >= 50%
p99(latency) <= 250ms
p50(latency) <= 60ms
p99.9(latency client=users) <= 2s
max(latency operation=look) <= 10s
min(latency) >= 1ms
mean(latency outcome=ok) <= 40ms
p95(latency to=paid) <= 1s
fraction(latency <= 100ms) >= 70%
fraction(latency <= 300ms client=robots) >= 95%
min(availability window=5s) >= 95%
fraction(availability >= 95% window=5s) >= 80%
mean(nodes.api.in_queue window=6s) <= 10
max(goodput window=5s) <= 80/s
mean(nodes.db.throughput window=5s) <= 80/s
requests.timeout <= 1% of requests.issued
requests.ok >= 1000
requests.error == 0
max(nodes.api.utilisation window=5s) <= 80%
min(nodes.api.utilisation window=6s) <= 20%
nodes.api.utilisation <= 60%
nodes.api.resources.cores.utilisation <= 80%
nodes.db.response_time.p99 <= 20ms
p99(waiting_time node=api) <= 500ms
mean(waiting_time node=api) <= 50ms
p99(waiting_time node=api) <= 700ms in 60% of runs
availability >= 90% in 90% of runs
availability(during=gone) >= 90%
availability(before=gone) >= 99%
availability(after=gone client=users) >= 95%
p99(latency after=gone) <= 400ms
attempts_per_request(during=gone) <= 1.3
time_to_recover(gone) <= 10s
back_after(gone) <= 20s
back_after(gone client=robots) <= 20s
metastable(gone) == false
goodput >= 60/s
throughput <= 65/s
attempts_per_request <= 1.05
availability_time >= 90%
cost.per_month <= $146
cost.per_million_ok <= $1
alerts.bad.fired <= 40s
alerts.bad.count <= 1
p99(latency) <= baseline + 5%
";

const AGAINST: &str = "\
p50(latency) <= baseline + 20%
availability >= baseline - 1%
nodes.api.utilisation <= baseline + 1%
cost.per_month <= baseline + $50
requests.ok >= baseline - 1
";

/// Copies of data, one behind, and a cut between them and those who ask.
fn copies() -> String {
    let head = "windtunnel: 1\nname: copies\nduration: 60s\nwarm_up: 6s\n";
    [head, COPIES, FOLLOWED].concat()
}

const FOLLOWED: &str = "      replication: {leader_follower: {followers: 2, leader: a, reads: nearest, lag: 20ms, failover: {detect: 2s, promote: 500ms}}}
faults:
  - {id: cut, at: 25s, for: 8s, partition: {between: [[a], [b, c]]}}
slos:
";

const OF_COPIES: &str = "\
availability >= 99.9%
availability(during=cut side=a) >= 90%
availability(during=cut side=b) >= 50%
availability(operation=edit during=cut) >= 90%
p99(latency operation=look) <= 10ms
stale_read_fraction <= 0.1%
nodes.db.staleness_age.p99 <= 50ms
staleness_age.p99 <= 1s
lost_acked_writes <= 0
linearizable == true
read_your_writes_violations <= 10
time_to_recover(cut) <= 30s
back_after(cut) <= 10s
metastable(cut) != true
";

fn with(design: &str, slos: &str) -> String {
    slos.lines().fold(design.to_owned(), |text, slo| format!("{text}  - {slo}\n"))
}

#[test]
fn objectives_of_all_kinds() {
    let mut text = String::new();
    for (design, slos) in [(SHOP, OF_THE_SHOP), (&copies(), OF_COPIES)] {
        for replications in [1, 5] {
            let found = results_of(&with(design, slos), replications);
            for slo in found["slos"].as_array().unwrap() {
                let estimate = &slo["estimate"];
                let figures = ["value", "lower", "upper"].map(|key| six(&estimate[key])).join(" ");
                let [verdict, reason] =
                    ["verdict", "reason"].map(|key| slo[key].as_str().unwrap_or("-"));
                let (of, margin) = (slo["expression"].as_str().unwrap(), six(&slo["margin"]));
                writeln!(
                    text,
                    "{replications}: {of}: {figures}, margin {margin}: {verdict}, {reason}"
                )
                .unwrap();
            }
        }
    }
    insta::with_settings!({prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("objectives", text);
    });
}

fn six(value: &Value) -> String {
    value.as_f64().map_or("none".to_owned(), |x| format!("{x:.5e}"))
}

#[test]
fn verdicts_in_words() {
    let w = tempfile::tempdir().unwrap();
    // What needs a baseline is judged in files of its own.
    let (own, _) = OF_THE_SHOP.trim_end().rsplit_once('\n').unwrap();
    let slower = SHOP.replace("mean=15ms", "mean=16ms");
    for (file, text) in [
        ("shop.yaml", with(SHOP, own)),
        ("copies.yaml", with(&copies(), OF_COPIES)),
        ("main.yaml", with(SHOP, AGAINST)),
        ("slower.yaml", with(&slower, AGAINST)),
    ] {
        fs::write(w.path().join(file), text).unwrap();
    }
    let mut text = String::new();
    for arguments in [
        "check shop.yaml -n 20 --markdown o.md",
        "check copies.yaml -n 2",
        "check slower.yaml --baseline main.yaml -n 20 --markdown o.md",
        "check main.yaml --baseline main.json --update-baseline -n 20",
        "check slower.yaml --baseline main.json -n 20",
        "run shop.yaml --replications 2 --watch none",
    ] {
        let ran = windtunnel(w.path(), arguments);
        let said = ran.stdout.lines().filter(|line| !line.contains("outputs/"));
        writeln!(
            text,
            "$ {arguments}\n{}\nexit code {}\n",
            said.collect::<Vec<_>>().join("\n"),
            ran.code
        )
        .unwrap();
    }
    text += &fs::read_to_string(w.path().join("o.md")).unwrap();
    insta::with_settings!({prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("verdicts", text);
    });
}
