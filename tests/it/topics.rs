//! Topics: each message is told to all, and each of them has a fate of its own.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// 1,500 orders, ten a second for 150 s, told to three, everything 1 ms from everything.
fn shop(topic: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 250s\nseed: 7\nnetwork: {{same_zone: 1ms}}\n\
         clients: {{users: {{arrivals: constant(10/s), keys: uniform(n=20), load: [{{at: 0s, factor: 1}}, {{at: 150.05s, factor: 0}}], timeout: 5s, to: events}}}}\n\
         nodes:\n  events: {{topic: {{to: [fast, slow, jobs]{topic}}}}}\n\
         \x20 fast: {{service: {{cores: 1, endpoints: {{default: [{{work: 5ms}}, {{mark: fast}}]}}}}}}\n\
         \x20 slow: {{service: {{cores: 50, endpoints: {{default: [{{work: 90ms}}, {{mark: slow}}]}}}}}}\n\
         \x20 jobs: {{queue: {{visibility: 5s}}}}\n  worker: {{service: {{workers: 1, consumes: jobs, endpoints: {{default: [{{work: 20ms}}, {{mark: worked}}]}}}}}}\n{rest}\n"
    )
}

fn ok(results: &Value, node: &str) -> f64 {
    number(results, &format!("nodes.{node}.outcomes.ok"))
}

#[test]
fn everybody_is_told_and_nobody_waits_for_another() {
    let found = results_of(&shop(", publish: 2ms", ""), 1);
    let max = |figure: &str| number(&found, &format!("summary.{figure}.max"));
    let close = |found: f64, ms: f64| assert!((found - ms / 1e3).abs() < 2e-5, "{found} {ms}");
    // The publisher has its answer before anybody is told.
    close(max("latency"), 2.0);
    close(max("marks.fast"), 2.0 + 1.0 + 5.0);
    close(max("marks.slow"), 2.0 + 1.0 + 90.0);
    close(max("marks.worked"), 2.0 + 1.0 + 1.0 + 20.0);
    for node in ["events", "fast", "slow", "jobs", "worker"] {
        assert_eq!(ok(&found, node), 1500.0, "{node}");
    }
    assert_eq!(number(&found, "nodes.jobs.acked"), 1500.0);
}

#[test]
fn who_is_down_is_told_later_or_not_at_all() {
    let down = "faults: [{id: down, at: 50s, for: 20s, crash: {node: slow, process: true}}, \
        {id: away, at: 50s, for: 20s, crash: {node: worker, process: true}}]";
    // Once; the others hear of all.
    let found = results_of(&shop("", down), 1);
    let dropped = number(&found, "nodes.events.causes.dropped");
    assert!((dropped - 200.0).abs() < 3.0, "{dropped}");
    assert_eq!(ok(&found, "slow"), 1500.0 - dropped);
    assert_eq!((ok(&found, "fast"), ok(&found, "worker")), (1500.0, 1500.0));
    // Again and again until it is back.
    let again =
        ", dependencies: {slow: {timeout: 5s, retry: {attempts: 30, backoff: constant(1s)}}}";
    let found = results_of(&shop(again, down), 1);
    assert_eq!((ok(&found, "slow"), ok(&found, "fast")), (1500.0, 1500.0));
    assert!(found["nodes"]["events"]["causes"]["dropped"].is_null());
    // A topic that dies has told nobody any more what it still had to tell.
    let dies = "faults: [{id: dies, at: 60s, for: 1s, crash: {node: events, process: true}}, \
        {id: down, at: 50s, for: 20s, crash: {node: slow, process: true}}]";
    let found = results_of(&shop(again, dies), 1);
    let untold = number(&found, "summary.requests.ok") - ok(&found, "slow");
    assert!((untold - 100.0).abs() < 3.0, "{untold}");
}

#[test]
fn a_message_is_one_for_each_who_is_told_however_often_it_is_published() {
    let lossy = "faults: [{id: lossy, at: 0s, for: 200s, loss: {between: [[events], [jobs]], fraction: 20%}}]";
    let again = ", dependencies: {jobs: {timeout: 100ms, retry: {attempts: 20}}}";
    let text = shop(again, lossy);
    let found = results_of(&text, 1);
    assert!(number(&found, "nodes.jobs.published") > 1550.0);
    let once = text.replace("queue: {", "queue: {dedupe: 1m, ");
    let found = results_of(&once, 1);
    assert_eq!(number(&found, "nodes.jobs.published"), 1500.0);
    assert!(number(&found, "nodes.jobs.deduplicated") > 50.0);
    assert_eq!(number(&found, "nodes.jobs.duplicates"), 0.0);
}

#[test]
fn topics_are_the_same_on_one_and_two_threads() {
    let faults = "faults: [{id: down, mtbf: 20s, mttr: 2s, crash: {node: slow}}, {id: dies, mtbf: 60s, mttr: 1s, crash: {node: events, process: true}}]";
    let again = ", publish: exp(mean=2ms), dependencies: {slow: {timeout: 500ms, retry: {attempts: 4, backoff: exponential(base=100ms)}}}";
    let text = shop(again, faults);
    let one = bytes_of_run(&text, "--jobs 1 --replications 3");
    assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 3"));
}

#[test]
fn what_is_said_of_topics_is_checked_where_it_stands() {
    let good = shop(", dependencies: {slow: {timeout: 1s}}", "");
    let cases: [Case; 7] = [
        (
            "nobody",
            "to: [fast, slow, jobs], dependencies: {slow: {timeout: 1s}}",
            "to: []",
            "8:20 E-RANGE",
            "nobody is told",
        ),
        ("twice", "[fast, slow, jobs]", "[fast, slow, fast]", "8:37 E-DUP-NAME", "told twice"),
        ("who", "[fast, slow, jobs]", "[fast, slow, job]", "8:37 E-REF", "jobs"),
        ("edge", "{slow: {timeout", "{slwo: {timeout", "8:59 E-REF", "did you mean `slow`"),
        ("fallback", "timeout: 1s", "fallback: {reply: 1KB}", "8:66 E-CONFLICT", "nobody waits"),
        ("log", "to: [fast", "partitions: 3, to: [fast", "8:32 E-CONFLICT", "keeps none"),
        ("calls", "to: [fast, slow, jobs], ", "", "8:20 E-CONFLICT", "a log calls nobody"),
    ];
    check_in(&good, &cases);
}
