//! Faults known from other simulators of system designs, by number, and that they are not ours.
//!
//! There is no test of number 4, and never was one: the list that the numbers are of is not kept with the
//! project, so nobody can say what it was. The others keep their numbers.

use crate::design::{number, results};

/// One target of each kind that takes `latency`, and the keys its requests need.
fn kinds(latency: &str) -> [(String, &'static str); 4] {
    [
        (format!("{{external: {{latency: {latency}}}}}"), ""),
        (format!("{{service: {{work: {latency}}}}}"), ""),
        (format!("{{store: {{read: {latency}}}}}"), ", keys: uniform(n=10)"),
        (format!("{{cache: {{latency: {latency}}}}}"), ", keys: uniform(n=10)"),
    ]
}

#[test]
fn peer_1_who_waits_for_a_reply_holds_its_place() {
    // Eight places and calls of 2 s: four requests per second, though nothing is done meanwhile.
    let measured = results(
        "100s",
        "arrivals: constant(50/s), to: api",
        "api: {service: {workers: 8, cores: 8, queue: 10, work: 1ms, calls: [slow]}}, \
         slow: {external: {latency: 2s}}",
        "",
    );
    let goodput = number(&measured, "summary.goodput");
    assert!((3.8..=4.0).contains(&goodput), "{goodput}");
    assert!(number(&measured, "nodes.api.in_queue") > 9.5);
    assert!(number(&measured, "nodes.api.utilisation") < 0.01);
    assert!(number(&measured, "summary.requests.rejected") > 4500.0);
}

#[test]
fn peer_2_least_requests_sees_the_load_of_every_kind() {
    for ((slow, keys), (fast, _)) in kinds("300ms").into_iter().zip(kinds("100ms")) {
        let nodes = format!(
            "lb: {{load_balancer: {{to: [a, b, c], policy: least_requests}}}}, \
             a: {slow}, b: {fast}, c: {fast}"
        );
        let client = format!("arrivals: constant(600/s), to: lb{keys}");
        let measured = results("100s", &client, &nodes, "");
        let rate = |node: &str| number(&measured, &format!("nodes.{node}.throughput"));
        // As many outstanding at each: rates are as 1/3 : 1 : 1.
        let share = rate("a") / (rate("a") + rate("b") + rate("c"));
        assert!((share - 1.0 / 7.0).abs() < 0.01, "{slow}: {share}");
        assert!((rate("b") / rate("c") - 1.0).abs() < 0.05, "{fast}");
    }
}

#[test]
fn peer_3_a_target_of_more_instances_takes_more() {
    let measured = results(
        "200s",
        "arrivals: poisson(250/s), to: lb",
        "lb: {load_balancer: {to: [big, small], policy: least_requests}}, \
         big: {service: {instances: 8, cores: 4, work: exp(mean=100ms)}}, \
         small: {service: {cores: 4, work: exp(mean=100ms)}}",
        "",
    );
    let of = |figure: &str| number(&measured, &format!("nodes.{figure}"));
    // Eight to one, but for ties, which the first instance wins.
    let ratio = of("big.throughput") / of("small.throughput");
    assert!((7.0..=11.0).contains(&ratio), "{ratio}");
    // 25 of 36 cores have work; neither is full while the other idles.
    for node in ["big", "small"] {
        let busy = of(&format!("{node}.utilisation"));
        assert!((busy - 25.0 / 36.0).abs() < 0.15, "{node}: {busy}");
    }
}

#[test]
fn peer_5_calls_side_by_side_are_retried_each_by_itself() {
    // Both always fail: two attempts of the one and three of the other for every request.
    let measured = results(
        "100s",
        "arrivals: constant(10/s), to: api",
        "api: {service: {endpoints: {default: [{all: [{call: a}, {call: b}]}]}, \
         dependencies: {a: {retry: {attempts: 2, backoff: constant(1ms)}}, \
         b: {retry: {attempts: 3, backoff: constant(1ms)}}}}}, \
         a: {external: {latency: 10ms, errors: 100%}}, b: {external: {latency: 10ms, errors: 100%}}",
        "",
    );
    let requests = number(&measured, "summary.requests.error");
    for (node, attempts) in [("a", 2.0), ("b", 3.0)] {
        let calls = number(&measured, &format!("nodes.{node}.outcomes.error"));
        assert_eq!(calls, attempts * requests, "{node}");
    }
}

#[test]
fn peer_6_a_crash_ends_all_that_waits_at_once() {
    // Ten requests came, one is at work, the end is a moment after the crash.
    for (node, keys) in [
        ("{store: {read: 10s, cores: 1}}", ", keys: uniform(n=10)"),
        ("{cache: {latency: 10s, cores: 1}}", ", keys: uniform(n=10)"),
        ("{service: {work: 10s, cores: 1}}", ""),
        ("{service: {workers: 1, endpoints: {default: [{wait: 10s}]}}}", ""),
    ] {
        let client = format!("arrivals: constant(2/s), to: a{keys}");
        let crash = "{id: f, at: 5250ms, for: 100ms, crash: {node: a, process: true}}";
        let measured = results("5400ms", &client, &format!("a: {node}"), crash);
        let of = |outcome: &str| number(&measured, &format!("summary.requests.{outcome}"));
        assert_eq!((of("issued"), of("error"), of("in_flight")), (10.0, 10.0, 0.0), "{node}");
    }
}
