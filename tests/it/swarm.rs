//! Random scenarios under all invariants, and what they once broke.

use windtunnel::{
    scenario::swarm::scenario,
    study::swarm::{Swarmed, run},
};

use crate::design::{number, results};

/// Seeds of the test command; `windtunnel fuzz` takes any number.
const SEEDS: u64 = 50;

#[test]
fn random_scenarios_keep_their_books() {
    for seed in 0..SEEDS {
        match run(seed) {
            Swarmed::Clean(events) => assert!(events > 100, "seed {seed}: {events} events"),
            Swarmed::Refused(said) | Swarmed::Broken(said) => {
                panic!("seed {seed}: {said}\n{}", scenario(seed))
            }
        }
    }
    assert_eq!(scenario(7), scenario(7));
    assert_ne!(scenario(7), scenario(8));
}

/// What a request takes that runs these steps, s.
fn takes(steps: &str) -> f64 {
    let app = format!("app: {{service: {{endpoints: {{default: [{steps}]}}}}}}");
    let found = results("10.06s", "arrivals: constant(10/s), to: app", &app, "");
    assert_eq!(number(&found, "summary.requests.in_flight"), 0.0, "{steps}");
    number(&found, "summary.latency.max")
}

/// A branch that had branches of its own lost its neighbours.
#[test]
fn parallel_steps_nest() {
    let waits = "{wait: 10ms}, {wait: 20ms}";
    let all = format!("{{all: [{waits}]}}");
    assert_eq!(takes(&format!("{{all: [{all}, {all}, {{wait: 5ms}}]}}")), 0.020);
    assert_eq!(takes(&format!("{{all: [{{wait: 30ms}}, {{race: [{waits}]}}]}}")), 0.030);
    let any = format!("{{any: {{need: 2, of: [{all}, {{wait: 15ms}}, {{wait: 40ms}}]}}}}");
    assert_eq!(takes(&any), 0.020);
    // The race is over while the inner steps still wait.
    let race = format!("{{race: [{{wait: 5ms}}, {any}, {all}]}}, {{wait: 35ms}}");
    assert_eq!(takes(&race), 0.040);
}

/// What ran on behind a reply in a loop had forgotten the rounds.
#[test]
fn a_loop_goes_on_behind_its_reply() {
    let steps = "{repeat: {times: 3, do: [{wait: 10ms}, {reply: 1KB}, {wait: 5ms}]}}, {wait: 1ms}";
    assert_eq!(takes(steps), 0.010);
}

/// A branch that has ended tells its parent in an event of its own; a process that dies in between (here of
/// the memory of the next request of the same batch) left it with a parent that was gone.
#[test]
fn a_branch_that_ended_as_its_process_died_tells_nobody() {
    let client = "arrivals: poisson(100/s batch=3), attributes: {tier: choice(gold=20% free=80%)}, \
                  to: app";
    let nodes = "app: {service: {limits: {memory: {max: 10MB, per_request: 2MB, full: crash}}, \
                 endpoints: {default: [{race: [{call: db, when: tier == gold}]}]}}}, \
                 db: {store: {read: 30ms}}";
    let found = results("20s", client, nodes, "");
    let of = |outcome: &str| number(&found, &format!("summary.requests.{outcome}"));
    assert!(of("error") > 500.0, "nobody died: {}", of("error"));
    assert!(of("in_flight") <= 5.0, "{}", of("in_flight"));
    assert_eq!(of("issued"), of("ok") + of("error") + of("in_flight"));
}
