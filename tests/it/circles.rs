//! Calls that go round in a circle, so many times at most.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{close, latency, number, results_of},
};

/// A service that asks itself, so deep at most.
fn own(arrivals: &str, service: &str, edge: &str) -> String {
    format!(
        "windtunnel: 1\nname: circle\nduration: 100s\nnetwork: {{same_zone: 1ms, internet: 0s}}\n\
         clients: {{load: {{arrivals: {arrivals}, to: walk, timeout: 50s}}}}\n\
         nodes: {{walk: {{service: {{{service}, dependencies: {{walk: {{timeout: 20s{edge}}}}}}}}}}}\n"
    )
}

fn visits(found: &Value, node: &str) -> f64 {
    number(found, &format!("nodes.{node}.outcomes.ok"))
}

#[test]
fn a_walk_through_a_tree_visits_each_of_its_nodes_once() {
    // Three below each, three levels deep: 1 + 3 + 9 + 27 visits of 1 ms, one after the other, and 39 times there and back.
    let steps = "endpoints: {default: [{work: 1ms}, {repeat: {times: 3, do: [{call: walk}]}}]}";
    let found = results_of(&own("schedule(every=10s)", steps, ", max_depth: 3"), 1);
    assert_eq!(visits(&found, "walk"), 10.0 * 40.0);
    close(latency(&found), [0.040 + 39.0 * 0.002, 0.040 + 39.0 * 0.002]);
    // In parallel each level takes as long as one visit.
    let steps =
        "endpoints: {default: [{work: 1ms}, {all: [{call: walk}, {call: walk}, {call: walk}]}]}";
    let found = results_of(&own("schedule(every=10s)", steps, ", max_depth: 2"), 1);
    assert_eq!(visits(&found, "walk"), 10.0 * 13.0);
    close(latency(&found), [0.003 + 2.0 * 0.002, 0.003 + 2.0 * 0.002]);
    // The short form.
    let found = results_of(
        &own("schedule(every=10s)", "work: 1ms, calls: [walk, walk]", ", max_depth: 1"),
        1,
    );
    assert_eq!(visits(&found, "walk"), 10.0 * 3.0);
    // Attempts are no deeper than the first, and a step that is passed over fails nothing.
    let text = own(
        "schedule(every=10s)",
        "work: 1ms, calls: [walk]",
        ", max_depth: 2, retry: {attempts: 3}",
    );
    let found = results_of(&text, 1);
    assert_eq!(visits(&found, "walk"), 10.0 * 3.0);
    assert_eq!(number(&found, "summary.availability"), 1.0);
}

const ROUND: &str = "\
windtunnel: 1
name: round
duration: 100s
clients: {load: {arrivals: schedule(every=10s), to: a, timeout: 50s}}
nodes:
  a: {service: {workers: 900, work: 1ms, calls: [lb], dependencies: {lb: {timeout: 20s, max_depth: 2}}}}
  lb: {load_balancer: {to: b}}
  b: {service: {instances: 2, workers: 900, work: 1ms, calls: [a], dependencies: {a: {timeout: 20s, retry: {attempts: 2}}}}}
";

#[test]
fn nodes_may_call_one_another_in_turn() {
    let found = results_of(ROUND, 1);
    // a, b, a, b, a: two calls of a are one within the other.
    assert_eq!((visits(&found, "a"), visits(&found, "b")), (30.0, 20.0));
    close(latency(&found), [0.005, 0.005]);
    // What bounds either edge bounds the circle; both count.
    let both = ROUND.replace("dependencies: {a: {", "dependencies: {a: {max_depth: 3, ");
    let found = results_of(&both, 1);
    // a calls b (1), b calls a (2), and a calls no more.
    assert_eq!((visits(&found, "a"), visits(&found, "b")), (20.0, 10.0));
    // What deeper calls make of the load is seen beforehand: 30 visits of 30 ms a second by a core.
    let busy = "arrivals: poisson(10/s)";
    let text = ROUND.replace("arrivals: schedule(every=10s)", busy);
    let of =
        |work: &str| told(text.replace("workers: 900, work: 1ms, calls: [lb]", work).as_bytes());
    assert_eq!(of("cores: 1, work: 30ms, calls: [lb]"), Vec::<String>::new());
    let told = of("cores: 1, work: 40ms, calls: [lb]");
    assert!(
        told.len() == 1 && told[0].contains("W-OVERLOAD") && told[0].contains("120 %"),
        "{told:?}"
    );
}

#[test]
fn workers_that_wait_for_workers_of_their_own_node_are_all_taken() {
    // Each of so many at once needs a worker more while it has one: with Tn x (Cm - 1) workers all wait, with one more none.
    let run = |workers: u64, at_once: u64, depth: u64| {
        let service = format!(
            "workers: {workers}, patience: 5s, endpoints: {{default: [{{work: 10ms}}, {{call: walk}}]}}"
        );
        let text = own(
            &format!("schedule(every=20s batch={at_once})"),
            &service,
            &format!(", max_depth: {depth}"),
        )
        .replace("same_zone: 1ms", "same_zone: 0s");
        results_of(&text, 1)
    };
    for (at_once, depth) in [(4, 1), (3, 2)] {
        let all = at_once * depth;
        assert_eq!(number(&run(all + 1, at_once, depth), "summary.availability"), 1.0);
        let stuck = run(all, at_once, depth);
        assert!(number(&stuck, "summary.availability") < 1.0, "{at_once} {depth}");
        assert!(number(&stuck, "nodes.walk.causes.abandoned") > 0.0);
    }
}

#[test]
fn a_circle_without_an_end_is_told_what_bounds_it() {
    assert_eq!(told(ROUND.as_bytes()), Vec::<String>::new());
    check_in(
        ROUND,
        &[
            ("B38", ", max_depth: 2", "", "8:64 E-CYCLE", "`dependencies: {a: {max_depth: 3}}`"),
            (
                "B39",
                "calls: [lb]",
                "calls: [lb, a]",
                "6:54 E-CYCLE",
                "`dependencies: {a: {max_depth: 3}}`",
            ),
            ("B39", "max_depth: 2", "max_depth: 0", "6:100 E-RANGE", "1"),
            ("B39", "max_depth: 2", "max_depth: 101", "6:100 E-BUDGET", "100"),
        ],
    );
}
