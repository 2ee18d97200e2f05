//! Callers who ask the replicas of a quorum themselves: their messages are felt by the network, faults and cores like any
//! other, and they end with their callers.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    cli::windtunnel,
    design::{number, results_of},
};

const MIXED: &str = "arrivals: poisson(100/s), keys: uniform(n=50), timeout: 1s, \
     operations: {put: {write: kv, share: 0.5}, get: {read: kv, share: 0.5}}";

const ZONES: &str =
    "topology: {regions: {r: [a, b, c]}}\nnetwork: {same_zone: 0.2ms, same_region: 1ms}";

/// A client of a store with a quorum of three; `rest` stands at the top level.
fn design(client: &str, quorum: &str, rest: &str) -> String {
    let places = if rest.contains("topology") { "zones: [a, b, c], " } else { "" };
    format!(
        "windtunnel: 1\nname: coordinators\nduration: 60s\n{rest}\nclients: {{load: {{{client}}}}}\n\
         nodes: {{kv: {{store: {{read: 1ms, write: 2ms, {places}replication: {{quorum: {{replicas: 3, {quorum}}}}}}}}}}}\n"
    )
}

/// A client who asks a service of three instances, which reads and writes.
fn shop(edge: &str, quorum: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 60s\n{ZONES}\n{rest}\n\
         clients: {{load: {{arrivals: poisson(100/s), keys: uniform(n=50), timeout: 1s, operations: {{buy: {{to: shop}}}}}}}}\n\
         nodes:\n  shop: {{service: {{instances: 3, zones: [a, b, c], endpoints: {{buy: [{{read: kv}}, {{write: kv}}]}}, dependencies: {{kv: {{{edge}}}}}}}}}\n\
         \x20 kv: {{store: {{read: 1ms, write: 1ms, zones: [a, b, c], replication: {{quorum: {{replicas: 3, {quorum}}}}}}}}}\n"
    )
}

fn mean(results: &Value, operation: &str) -> f64 {
    number(results, &format!("clients.load.operations.{operation}.latency.mean"))
}

fn messages(results: &Value, name: &str) -> f64 {
    number(results, &format!("nodes.kv.messages.{name}"))
}

fn during(results: &Value) -> f64 {
    number(results, "faults.0.availability_during")
}

#[test]
fn who_asks_himself_saves_the_way_to_the_coordinator_and_nothing_else() {
    let of = |who: &str, rest: &str, zone: &str| {
        let client = format!("{zone}{MIXED}");
        results_of(&design(&client, &format!("coordinator: {who}"), rest), 1)
    };
    for who in ["nearest", "random", "client"] {
        let found = of(who, "", "");
        assert!((mean(&found, "get") - 1e-3).abs() < 1e-9, "{who}");
        assert!((mean(&found, "put") - 2e-3).abs() < 1e-9, "{who}");
        for (asked, answered, operation) in [("get", "got", "get"), ("put", "stored", "put")] {
            let path = format!("clients.load.operations.{operation}.requests.issued");
            let operations = number(&found, &path);
            // The last of them are on their way at the end; nobody repairs anything.
            assert!((messages(&found, asked) - 3.0 * operations).abs() < 4.0, "{who}");
            assert!((messages(&found, answered) - 3.0 * operations).abs() < 4.0, "{who}");
        }
        assert_eq!(number(&found, "consistency.stale_reads"), 0.0);
    }
    // The second answer is that of the next zone: 1 ms there and back, and 0.2 ms to who coordinates and back.
    let (nearest, client) =
        (of("nearest", ZONES, "zones: [a], "), of("client", ZONES, "zones: [a], "));
    assert!((mean(&nearest, "get") - 3.4e-3).abs() < 1e-9, "{}", mean(&nearest, "get"));
    assert!((mean(&client, "get") - 3e-3).abs() < 1e-9, "{}", mean(&client, "get"));
    assert!((mean(&client, "put") - 4e-3).abs() < 1e-9, "{}", mean(&client, "put"));
    // A read of one is answered by the first.
    let one = results_of(
        &design(&format!("zones: [a], {MIXED}"), "coordinator: client, read: 1, write: 1", ZONES),
        1,
    );
    assert!((mean(&one, "get") - 1.4e-3).abs() < 1e-9, "{}", mean(&one, "get"));
}

#[test]
fn a_level_of_one_operation_counts_for_who_asks_himself() {
    let client = "zones: [a], arrivals: poisson(100/s), keys: uniform(n=50), operations: {\
         put: {write: {to: kv, quorum: all}, share: 0.5}, get: {read: {from: kv, quorum: 1}, share: 0.5}}";
    let found = results_of(&design(client, "coordinator: client", ZONES), 1);
    assert!((mean(&found, "get") - 1.4e-3).abs() < 1e-9);
    assert!((mean(&found, "put") - 4e-3).abs() < 1e-9);
    assert_eq!(number(&found, "consistency.stale_reads"), 0.0);
}

#[test]
fn a_cut_between_a_client_and_a_replica_is_felt_by_these_messages_alone() {
    let client = format!("zones: [a], {MIXED}");
    let of = |quorum: &str, sides: &str| {
        let cut = format!(
            "{ZONES}\nfaults: [{{id: cut, at: 20s, for: 20s, partition: {{between: [{sides}]}}}}]"
        );
        results_of(&design(&client, quorum, &cut), 1)
    };
    // Nobody else is between the client and its replicas; the nearest replica was the only one he asked.
    let away = "[load], [kv@0]";
    let found = of("coordinator: client", away);
    assert_eq!(during(&found), 1.0);
    assert_eq!(number(&found, "consistency.stale_reads"), 0.0);
    assert_eq!(during(&of("coordinator: nearest", away)), 0.0);
    // Whoever waits for all of them waits in vain.
    let all = of("coordinator: client, read: all, write: all, timeout: 500ms", away);
    assert_eq!(during(&all), 0.0);
    assert!(number(&all, "nodes.kv.causes.quorum_timeout") > 1000.0);
    // What is cut off from other replicas still answers him, and coordinates nothing.
    let apart = "[kv@0], [kv@1, kv@2]";
    assert_eq!(during(&of("coordinator: client", apart)), 1.0);
    assert_eq!(during(&of("coordinator: nearest", apart)), 0.0);
    // A zone that is cut off has its client with it.
    let zone = "[a], [b, c]";
    assert_eq!(during(&of("coordinator: client", zone)), 0.0);
    assert_eq!(during(&of("coordinator: client, read: 1, write: 1", zone)), 1.0);
}

#[test]
fn what_a_service_asks_ends_with_its_process_and_begins_anew() {
    // An instance is gone for 20 s; those whose calls it had under way are told, and later ones go elsewhere or fail.
    let crash = "faults: [{id: dead, at: 20s, for: 20s, crash: {node: shop, instances: [0], process: true}}]";
    let found =
        results_of(&shop("timeout: 500ms", "coordinator: client, write_back: true", crash), 2);
    let third = during(&found);
    assert!((third - 2.0 / 3.0).abs() < 0.03, "{third}");
    assert_eq!(number(&found, "faults.0.availability_after"), 1.0);
    assert_eq!(found["consistency"]["linearizable"], true);
    // It is not of the store: who is down there is a replica.
    assert_eq!(number(&found, "nodes.kv.availability_time"), 1.0);
    let pause = "faults: [{id: still, at: 20s, for: 500ms, pause: {node: shop, instances: [0]}}]";
    let found = results_of(&shop("timeout: 5s", "coordinator: client, write_back: true", pause), 1);
    let longest = number(&found, "clients.load.operations.buy.latency.max");
    assert!((0.4..0.52).contains(&longest), "{longest}");
    assert_eq!(found["consistency"]["linearizable"], true);
}

#[test]
fn a_replica_that_fails_requests_fails_those_of_callers() {
    let errors = |quorum: &str, replica: &str| {
        let faults = format!(
            "faults: [{{id: bad, at: 20s, for: 20s, errors: {{node: kv, {replica}fraction: 100%}}}}]"
        );
        results_of(&design(MIXED, quorum, &faults), 1)
    };
    assert_eq!(during(&errors("coordinator: client", "replica: 0, ")), 1.0);
    let all = errors("coordinator: client", "");
    assert_eq!(during(&all), 0.0);
    assert!(number(&all, "nodes.kv.causes.too_few_replicas") > 1000.0);
}

#[test]
fn stamps_are_those_of_the_callers_clock() {
    // One of three instances is behind by 300 ms: what it writes loses against what was written before.
    let of = |node: &str, who: &str| {
        let wrong = format!(
            "faults: [{{id: clock, at: 0s, for: 60s, clock: {{node: {node}, offset: -300ms}}}}]"
        );
        let quorum = format!("coordinator: {who}");
        results_of(
            &shop(
                "timeout: 1s",
                &quorum,
                &wrong.replace("shop,", "shop, instances: [0],").replace("kv,", "kv, replica: 0,"),
            ),
            1,
        )
    };
    let lost = |found: &Value| {
        found["consistency"]["lost_by_cause"]["lww_clock"]["value"].as_f64().unwrap_or(0.0)
    };
    assert!(lost(&of("shop", "client")) > 50.0);
    assert_eq!(lost(&of("kv", "client")), 0.0);
    assert!(lost(&of("kv", "nearest")) > 50.0);
    let wrong = "faults: [{id: clock, at: 0s, for: 60s, clock: {node: shop, instances: [0], offset: -300ms}}]";
    let cases: &[Case] = &[(
        "no stamps",
        "coordinator: client",
        "coordinator: nearest",
        "6:54 E-FAULT-TARGET",
        "coordinate for themselves",
    )];
    check_in(&shop("timeout: 1s", "coordinator: client", wrong), cases);
}

#[test]
fn a_stamp_that_is_asked_for_once_belongs_to_all_attempts() {
    // Answers are lost, so that writes are attempted again after others have written the key; clocks are far apart. That
    // all is explained by one order is asserted in each such run.
    let lossy = "clocks: {offset: exp(mean=20ms)}\n\
         faults: [{id: loss, at: 5s, for: 50s, loss: {node: kv, fraction: 20%}}]";
    let client = format!("{MIXED}, retry: {{attempts: 4, budget: none}}, idempotent: true")
        .replace("timeout: 1s", "timeout: 20ms");
    let quorum = "coordinator: client, stamp: query, write_back: true, timeout: 200ms";
    let found = results_of(&design(&client, quorum, lossy), 3);
    assert!(number(&found, "summary.attempts_per_request") > 1.1);
    assert_eq!(found["consistency"]["linearizable"], true);
    assert_eq!(number(&found, "consistency.duplicate_applies"), 0.0);
    let again = results_of(&design(&client.replace(", idempotent: true", ""), quorum, lossy), 3);
    assert!(number(&again, "consistency.duplicate_applies") > 10.0);
    let found = results_of(
        &shop("timeout: 20ms, retry: {attempts: 4, budget: none}, idempotent: true", quorum, lossy),
        2,
    );
    assert_eq!(number(&found, "consistency.duplicate_applies"), 0.0);
    let good = design(&client, quorum, "").replace("duration", "#\nduration");
    let cases: &[Case] = &[(
        "each attempt anew",
        "coordinator: client",
        "coordinator: nearest",
        "6:201 E-CONFLICT",
        "`coordinator: client`",
    )];
    check_in(&good, cases);
}

#[test]
fn sessions_have_what_they_ask_for() {
    let client = "zones: [a, b], arrivals: poisson(50/s), keys: uniform(n=20), timeout: 1s, GUARANTEES\
         operations: {put: {write: kv}, get: {read: kv}}, session: [{do: put}, {do: get}, {do: put}, {do: get}]";
    let of = |asked: &str| {
        let client = client.replace("GUARANTEES", asked);
        results_of(
            &design(
                &client,
                "coordinator: client, read: 1, write: 1, contact: quorum, read_repair: false",
                ZONES,
            ),
            1,
        )
    };
    let broken = |found: &Value| number(found, "consistency.read_your_writes_violations");
    assert!(broken(&of("")) > 10.0);
    let asked = of(
        "guarantees: [read_your_writes, monotonic_reads, monotonic_writes, writes_follow_reads], ",
    );
    assert_eq!(broken(&asked), 0.0);
}

#[test]
fn sloppy_callers_find_stand_ins_and_hints_are_handed_over() {
    let cut = format!(
        "{ZONES}\nfaults: [{{id: cut, at: 20s, for: 10s, partition: {{between: [[load], [kv@1, kv@2]]}}}}]"
    );
    let of = |sloppy: &str| {
        let client = format!("zones: [a], {MIXED}");
        let text = design(&client, &format!("coordinator: client{sloppy}"), &cut);
        results_of(&text.replace("replication:", "shards: {count: 6}, replication:"), 1)
    };
    assert_eq!(during(&of("")), 0.0);
    let found = of(", sloppy: true, hinted_handoff: {after: 50ms}");
    // Those in other shards that are cut off as well cannot stand in; a replica 0 can.
    assert!(during(&found) > 0.9, "{}", during(&found));
    assert!(number(&found, "nodes.kv.hints") > 100.0);
    assert!(messages(&found, "hand") > 100.0);
}

#[test]
fn the_same_bytes_whatever_runs_beside() {
    let cut = "faults: [{id: cut, at: 20s, for: 10s, partition: {between: [[shop], [kv@1]]}}, {id: dead, every: 10s, for: 1s, crash: {node: shop, instances: 1}}]";
    let text = shop(
        "timeout: 100ms, retry: {attempts: 2}",
        "coordinator: client, contact: quorum, read_repair: 50%",
        cut,
    );
    let w = tempfile::tempdir().unwrap();
    std::fs::write(w.path().join("a.yaml"), &text).unwrap();
    let [one, two] = ["1", "2"].map(|jobs| {
        let ran =
            windtunnel(w.path(), &format!("run a.yaml -n 4 --format json --quiet --jobs {jobs}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    });
    assert_eq!(one, two);
    let print =
        |rest: &str| results_of(&text.replace("name: shop", rest), 1)["fingerprint"].clone();
    assert_eq!(print("name: shop"), print("name: shop\nhistory: none"));
}
