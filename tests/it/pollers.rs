//! Functions that work off messages: who asks, in which environments batches run, and what is left in the queue.

use serde_json::Value;

use crate::{
    bad_input::told,
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// So many messages at 10 s, for a function that takes a second to start and 100 ms for each.
fn text(messages: u64, queue: &str, function: &str, more: &str) -> String {
    let work = if function.contains("work: ") { "" } else { "work: 100ms, " };
    format!(
        "windtunnel: 1\nname: shop\nduration: 100s\n\
         clients: {{load: {{arrivals: schedule(every=1h at=10s batch={messages}), to: jobs}}}}\n\
         nodes: {{jobs: {{queue: {{{queue}}}}}, \
         f: {{function: {{memory: 1GB, cold_start: 1s, {work}{function}}}}}}}\n{more}"
    )
}

fn run(messages: u64, queue: &str, function: &str) -> Value {
    results_of(&text(messages, queue, function, ""), 1)
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 2e-3 * expected.abs().max(1e-3), "{found}, not {expected}");
}

#[test]
fn each_batch_runs_in_an_environment_that_starts_for_it() {
    let found = run(40, "", "consumes: jobs");
    assert_eq!(number(&found, "nodes.jobs.acked"), 40.0);
    assert_eq!(number(&found, "nodes.f.cold_starts"), 40.0);
    // A second to start, and then all of them at once.
    close(number(&found, "nodes.jobs.done.max"), 1.1);
    // Ten messages are a visit of one second.
    let found = run(40, "", "consumes: {from: jobs, batch: 10, linger: 50ms}");
    assert_eq!(number(&found, "nodes.f.cold_starts"), 4.0);
    close(number(&found, "nodes.jobs.done.max"), 2.0);
    close(number(&found, "nodes.f.gb_seconds"), 4.0 * (1.0 + 1.0));
    // Warm ones are used again: the next comes when they are free.
    let found = run(40, "", "concurrency: 8, consumes: jobs");
    assert_eq!(number(&found, "nodes.f.cold_starts"), 8.0);
    close(number(&found, "nodes.jobs.done.max"), 1.5);
    // Never are more in there than there may be, and none is turned away.
    assert_eq!(number(&found, "nodes.f.environments.max"), 8.0);
    assert!(found["nodes"]["f"]["causes"].is_null(), "{}", found["nodes"]["f"]["causes"]);
    let found = run(40, "", "concurrency: 2, workers: 4, consumes: jobs");
    assert_eq!(number(&found, "nodes.jobs.acked"), 40.0);
    assert_eq!(number(&found, "nodes.f.environments.max"), 2.0);
    // Those that are there already.
    let found = run(40, "", "provisioned: 5, concurrency: 5, consumes: jobs");
    assert_eq!(number(&found, "nodes.f.cold_share"), 0.0);
    close(number(&found, "nodes.jobs.done.max"), 0.8);
}

#[test]
fn who_may_not_start_yet_leaves_its_messages_in_the_queue() {
    // Three at once, and then one each two seconds, as long as it helps.
    let found = run(20, "", "work: 20s, growth: token_bucket(rate=0.5/s burst=3), consumes: jobs");
    assert_eq!(number(&found, "nodes.jobs.redelivered"), 0.0);
    assert!(found["nodes"]["f"]["causes"].is_null(), "{}", found["nodes"]["f"]["causes"]);
    // At 31 s there are 3 + 10, and the first three are free for another one. The last four go to who starts at 32 and 34 s and to
    // who is free at 33 and 35 s.
    assert_eq!(number(&found, "nodes.jobs.acked"), 20.0);
    assert_eq!(number(&found, "nodes.f.environments.max"), 15.0);
    // In line, the same.
    let line = run(
        20,
        "",
        "work: 20s, queue: 5, growth: token_bucket(rate=0.5/s burst=3), consumes: jobs",
    );
    assert_eq!(number(&line, "nodes.jobs.acked"), 20.0);
    assert_eq!(number(&line, "nodes.jobs.redelivered"), 0.0);
}

#[test]
fn what_others_took_comes_again() {
    // Callers take what there is between the ask and the answer: the asks were out before.
    let text = text(40, "", "concurrency: 3, consumes: jobs", "").replace(
        "clients: {",
        "clients: {other: {arrivals: schedule(every=1h at=9999ms batch=2), to: f}, ",
    );
    let found = results_of(&text, 1);
    assert!(number(&found, "nodes.f.causes.throttled") >= 1.0);
    assert!(number(&found, "nodes.jobs.redelivered") >= 1.0);
    assert_eq!(number(&found, "nodes.jobs.acked"), 40.0);
}

#[test]
fn a_crash_of_some_gives_back_what_was_inside() {
    let struck = |fault: &str| {
        let consumes = "work: 1s, consumes: {from: jobs, batch: 4, linger: 50ms}";
        results_of(&text(40, "visibility: 1m", consumes, fault), 1)
    };
    let crash = "faults: [{id: c, at: 12s, crash: {node: f, instances: 50%}}]\n";
    // Ten batches of four, one second each message: two are done with at most one of them.
    let found = struck(crash);
    assert_eq!(number(&found, "nodes.f.causes.crashed"), 5.0);
    assert_eq!(number(&found, "nodes.jobs.acked"), 40.0);
    // Five batches are begun anew as soon as they have failed.
    assert_eq!(number(&found, "nodes.jobs.redelivered"), 20.0);
    // A zone is gone with all of them, and its process tells the queue.
    let crash = "faults: [{id: c, at: 12s, for: 5s, crash: {node: f, process: true}}]\n";
    let found = struck(crash);
    assert_eq!(number(&found, "nodes.jobs.redelivered"), 40.0);
    assert_eq!(number(&found, "nodes.jobs.acked"), 40.0);
    // A deployment takes none of them.
    let roll = "faults: [{id: c, at: 12s, deploy: {node: f, set: {work: 2s}}}]\n";
    let found = struck(roll);
    assert_eq!(number(&found, "nodes.jobs.redelivered"), 0.0);
    assert_eq!(number(&found, "nodes.jobs.acked"), 40.0);
}

#[test]
fn what_fails_comes_again_and_dies() {
    let found = results_of(
        &text(
            10,
            "max_receives: 3, dead_letter: dead",
            "endpoints: {default: [{work: 10ms}, {fail: 100%}]}, consumes: {from: jobs, batch: 2}",
            "",
        )
        .replace("nodes: {", "nodes: {dead: {queue: {}}, "),
        1,
    );
    assert_eq!(number(&found, "nodes.jobs.dead_lettered"), 10.0);
    assert_eq!(number(&found, "nodes.jobs.deliveries"), 30.0);
}

#[test]
fn two_threads_give_the_same_bytes() {
    let text = text(
        30,
        "",
        "concurrency: 9, growth: token_bucket(rate=2/s burst=3), workers: 2, queue: 4, \
         endpoints: {default: [{work: exp(mean=200ms)}, {fail: 5%}]}, consumes: {from: jobs, batch: 3, linger: 200ms, partial: true}",
        "faults: [{id: c, at: 20s, crash: {node: f, instances: 2}}, {id: d, at: 40s, for: 3s, crash: {node: f}}]\n",
    )
    .replace("schedule(every=1h at=10s batch=30)", "poisson(4/s)");
    let of = |jobs: u32| bytes_of_run(&text, &format!("--jobs {jobs} --replications 5"));
    assert_same(&of(1), &of(2));
}

#[test]
fn what_it_cannot_consume_is_told() {
    let of = |text: &str| told(text.as_bytes());
    let log = text(1, "", "consumes: jobs", "").replace("queue: {}", "topic: {}");
    let found = of(&log);
    assert!(
        found.iter().any(|line| line.contains("E-UNSUPPORTED a function that reads a log")),
        "{found:?}"
    );
    let alone = of(&text(1, "", "consumes: {from: jobs, linger: 1s}", ""));
    assert!(
        alone.iter().any(|line| line.contains("E-CONFLICT a batch is one message")),
        "{alone:?}"
    );
    // A queue that a function reads is read, if it has the time.
    assert_eq!(of(&text(1, "", "consumes: jobs", "")), Vec::<String>::new());
    let late = of(&text(1, "visibility: 1s", "consumes: {from: jobs, batch: 20}", ""));
    assert!(late.iter().any(|line| line.contains("W-VISIBILITY")), "{late:?}");
}
