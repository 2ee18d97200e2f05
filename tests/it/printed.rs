//! What commands about several designs, or about single requests, print and draw: held word by word and picture by
//! picture.
//!
//! A change here is a change of what users see: read it, or look at it, before it is accepted.

use std::{fmt::Write as _, fs};

use windtunnel::engine::random::hash_str;

use crate::{
    cli::{files, windtunnel},
    design::COPIES,
};

/// Servers that are too few when one fails, for some of what is asked.
const SHOP: &str = "windtunnel: 1
name: shop
duration: 40s
warm_up: 4s
clients:
  users: {arrivals: poisson(50/s), to: api, timeout: 2s, retry: {attempts: 3}, load: 1}
nodes:
  api: {service: {instances: 2, cores: 1, work: exp(mean=20ms), calls: [db], price: $0.10/h}}
  db: {store: {cores: 4, read: 5ms, queue: 50}}
faults:
  - {id: gone, at: 20s, for: 4s, crash: {node: api, instances: 1}}
slos:
  - p99(latency) <= 250ms
  - availability >= 99%
variants:
  three: {nodes.api.service.instances: 3}
  slow: {nodes.api.service.work: exp(mean=30ms)}
";

/// Two copies, one behind, and a cut between them and those who ask.
fn copies() -> String {
    let head = "windtunnel: 1\nname: copies\nduration: 40s\nwarm_up: 4s\n";
    [head, COPIES, FOLLOWED].concat()
}

const FOLLOWED: &str =
    "      replication: {leader_follower: {followers: 2, leader: a, reads: nearest, lag: 20ms}}
faults:
  - {id: cut, at: 20s, for: 8s, partition: {between: [[a], [b, c]]}}
variants:
  failover: {nodes.db.store.replication.leader_follower.failover: {detect: 2s, promote: 500ms}}
  sync: {nodes.db.store.replication.leader_follower.ack: sync}
";

/// Prints of a command, and what it drew, if anything.
fn held(name: &str, scenario: &str, arguments: &str) {
    let w = tempfile::tempdir().unwrap();
    fs::write(w.path().join("it.yaml"), scenario).unwrap();
    let ran = windtunnel(w.path(), arguments);
    let mut text = format!("{}\nexit code {}\n", ran.stdout, ran.code);
    for file in files(w.path()) {
        let drawn = [".svg", ".csv", ".md"].iter().any(|end| file.ends_with(end));
        if drawn {
            let content = fs::read_to_string(w.path().join(&file)).unwrap();
            writeln!(text, "{file} {:016x}", hash_str(0, &content)).unwrap();
        }
    }
    insta::with_settings!({snapshot_suffix => name, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("printed", text);
    });
}

#[test]
fn sweeps() {
    let two = "sweep it.yaml --replications 2 --vary clients.users.load=1..3 \
               --vary nodes.api.service.instances=1..3";
    held("sweep-of-two", SHOP, two);
    let users = "sweep it.yaml --replications 2 --vary clients.users.load=1..8";
    held("sweep-of-one", SHOP, users);
}

#[test]
fn designs_beside_one_another() {
    held("compare", SHOP, "compare it.yaml --replications 4 --out o");
    held("explain-variants", SHOP, "explain it.yaml --variants --replications 2");
    held("variants", &copies(), "run it.yaml --variants --replications 2 --watch none");
}

#[test]
fn single_requests() {
    held("slowest", SHOP, "explain it.yaml --slowest 3");
    held("timeouts", &copies(), "explain it.yaml --outcome timeout");
}

#[test]
fn runs_with_copies() {
    held("copies", &copies(), "explain it.yaml --replications 2");
}

#[test]
fn what_a_folder_is_for_others() {
    let w = tempfile::tempdir().unwrap();
    fs::write(w.path().join("it.yaml"), SHOP.replace("40s", "26s").replace("50/s", "8/s")).unwrap();
    assert_eq!(windtunnel(w.path(), "run it.yaml --replications 1").code, 0);
    let folder = files(w.path()).into_iter().find(|f| f.ends_with("results.json")).unwrap();
    let folder = folder.trim_end_matches("/results.json").to_owned();
    let mut text = String::new();
    for kind in ["otlp", "perfetto", "openmetrics", "mermaid"] {
        let ran = windtunnel(w.path(), &format!("export {folder} --as {kind}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let version = env!("CARGO_PKG_VERSION");
        let lines = ran.stdout.replace(version, "");
        writeln!(text, "{kind} {} bytes {:016x}", lines.len(), hash_str(0, &lines)).unwrap();
    }
    insta::with_settings!({prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("exported", text);
    });
}
