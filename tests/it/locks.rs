//! Steps that one request at a time runs.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{design, number, results, results_of},
};

/// A service whose requests work 100 ms in the mean under a lock.
fn locked(rate: &str, shape: &str, lock: &str) -> Value {
    let app = format!(
        "app: {{service: {{{shape}, endpoints: {{default: [{{lock: {{name: one{lock}, \
         do: [{{work: exp(mean=100ms)}}]}}}}]}}}}}}"
    );
    let client = format!("arrivals: poisson({rate}), to: app, keys: uniform(n=10)");
    let text = design("40000s", &client, &app, "");
    results_of(&text.replace("duration: 40000s", "duration: 40000s\nwarm_up: 1000s"), 1)
}

#[test]
fn a_lock_is_a_single_server() {
    // M/M/1 with rho 0.8: waiting rho / (mu - lambda) = 0.4 s, in line 3.2, whoever many workers.
    let found = locked("8/s", "workers: 1000", "");
    let waiting = number(&found, "nodes.app.waiting_time.mean");
    assert!((waiting - 0.4).abs() < 0.02, "{waiting}");
    assert!((number(&found, "nodes.app.in_queue") - 3.2).abs() < 0.16);
    assert!((number(&found, "nodes.app.wait_probability") - 0.8).abs() < 0.01);
    // Cores change nothing but the capacity work is compared with.
    let cores = locked("8/s", "cores: 64", "");
    assert_eq!(number(&cores, "nodes.app.waiting_time.mean"), waiting);
    assert!((number(&cores, "nodes.app.utilisation") - 0.8 / 64.0).abs() < 0.0005);
    // Beyond 1 / 100 ms nothing helps.
    let over = locked("20/s", "cores: 64", "");
    assert!((number(&over, "nodes.app.throughput") - 10.0).abs() < 0.1);
}

#[test]
fn rows_have_locks_of_their_own() {
    // Ten keys: M/M/1 with rho 0.2 each at 20/s: waiting 0.2 / (10 - 2) = 25 ms.
    let rows = locked("20/s", "workers: 1000", ", per: key");
    let waiting = number(&rows, "nodes.app.waiting_time.mean");
    assert!((waiting - 0.025).abs() < 0.0015, "{waiting}");
    // Two instances with a lock each take a half each; with one for both nothing is won.
    let two = locked("8/s", "instances: 2, workers: 1000", "");
    let waiting = number(&two, "nodes.app.waiting_time.mean");
    assert!((waiting - 0.4 / 6.0).abs() < 0.003, "{waiting}");
    let shared = locked("8/s", "instances: 2, workers: 1000", ", scope: shared");
    let waiting = number(&shared, "nodes.app.waiting_time.mean");
    assert!((waiting - 0.4).abs() < 0.02, "{waiting}");
}

#[test]
fn a_lock_is_held_through_calls_and_given_back_by_those_who_fail() {
    // One at a time holds it for 1 s, until the call times out: 100 of them in 100 s, and all fail.
    let nodes = |more: &str| {
        format!(
            "app: {{service: {{endpoints: {{default: [{{lock: {{name: one, do: [{{call: ext}}{more}]}}}}]}}, \
             dependencies: {{ext: {{timeout: 1s}}}}}}}}, ext: {{external: {{latency: erlang(k=9 mean=1000s)}}}}"
        )
    };
    let found = results("100.5s", "arrivals: constant(10/s), to: app", &nodes(""), "");
    assert_eq!(number(&found, "summary.requests.error"), 100.0);
    assert_eq!(number(&found, "nodes.app.causes.failed_call"), 100.0);
    // Who is called off gives it back, waiting or holding.
    let client = "arrivals: poisson(8/s), to: app, timeout: 300ms, cancel: true";
    let slow = "erlang(k=9 mean=1000s)";
    let found = results("100s", client, &nodes("").replace(slow, "100ms"), "");
    let cancelled = number(&found, "nodes.app.causes.cancelled");
    let done = number(&found, "nodes.app.outcomes.ok");
    assert!(done > 500.0 && cancelled > 50.0, "{done} {cancelled}");
    assert!(number(&found, "summary.requests.in_flight") < 5.0);
    // What is left after the reply holds it on.
    let after = nodes(", {reply: 1KB}, {wait: 500ms}").replace(slow, "10ms");
    let found = results("100s", "arrivals: constant(1/s), to: app", &after, "");
    assert_eq!(number(&found, "nodes.app.waiting_time.mean"), 0.0);
    let found = results("100s", "arrivals: constant(10/s), to: app", &after, "");
    // One every 510 ms.
    assert!((number(&found, "nodes.app.throughput") - 1.0 / 0.51).abs() < 0.02);
}

#[test]
fn the_dead_hold_nothing() {
    let app = |scope: &str| {
        format!(
            "app: {{service: {{instances: 2, endpoints: {{default: [{{lock: {{name: one{scope}, \
             do: [{{wait: 40ms}}]}}}}]}}}}}}"
        )
    };
    for (kind, scope) in [("", ""), (", process: true", ""), ("", ", scope: shared")] {
        let crash =
            format!("{{id: c, at: 20s, for: 10s, crash: {{node: app, instances: [0]{kind}}}}}");
        let found =
            results("60s", "arrivals: poisson(20/s), to: app, timeout: 5s", &app(scope), &crash);
        // All is well again afterwards, at both.
        let after = number(&found, "faults.0.availability_after");
        assert!(after > 0.99, "{kind} {scope}: {after}");
        assert!(number(&found, "nodes.app.outcomes.ok") > 800.0);
        let again =
            results("60s", "arrivals: poisson(20/s), to: app, timeout: 5s", &app(scope), &crash);
        assert_eq!(found, again);
    }
}

#[test]
fn two_locks_in_two_orders_lock_for_ever() {
    let nodes = "app: {service: {endpoints: {\
                 a: [{lock: {name: x, do: [{wait: 1ms}, {lock: {name: y, do: [{wait: 1ms}]}}]}}], \
                 b: [{lock: {name: y, do: [{wait: 1ms}, {lock: {name: x, do: [{wait: 1ms}]}}]}}]}}}";
    let client = "arrivals: poisson(100/s), operations: {a: {share: 50%, to: app}, b: {share: 50%, to: app}}";
    let found = results("100s", client, nodes, "");
    assert!(number(&found, "summary.requests.in_flight") > 9000.0);
    // In one order all is well.
    let swap = "{lock: {name: y, do: [{wait: 1ms}, {lock: {name: x, do: [{wait: 1ms}]}}]}}";
    let same = "{lock: {name: x, do: [{wait: 1ms}, {lock: {name: y, do: [{wait: 1ms}]}}]}}";
    let found = results("100s", client, &nodes.replace(swap, same), "");
    assert!(number(&found, "summary.requests.in_flight") < 10.0);
}

const LOCKED: &str = "\
windtunnel: 1
name: locked
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: app}}
nodes:
  app:
    service:
      cores: 1
      endpoints:
        default:
          - lock: {name: one, scope: shared, do: [{work: 1ms}]}
          - work: 1ms
";

#[test]
fn locks_are_checked() {
    assert_eq!(told(LOCKED.as_bytes()), Vec::<String>::new());
    check_in(
        LOCKED,
        &[
            ("B50", "[{work: 1ms}]", "[]", "11:46 E-STEP", "at least one step"),
            ("B17", "name: one, ", "", "11:13 E-MISSING", "name"),
            ("B33", "shared", "node", "11:38 E-ENUM", "shared"),
            ("B35", "scope: shared", "per: tier", "11:36 E-REF", "no client has an attribute"),
            (
                "B50",
                "{work: 1ms}",
                "{lock: {name: one, scope: shared, do: [{work: 1ms}]}}",
                "11:65 E-CONFLICT",
                "held already",
            ),
            (
                "B50",
                "work: 1ms\n",
                "lock: {name: one, do: [{work: 1ms}]}\n",
                "12:26 E-CONFLICT",
                "another `per`, `scope` or `in`",
            ),
        ],
    );
}
