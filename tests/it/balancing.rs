//! Who gets the next request: turns, ties, weights, slow starts, and what a target that is gone leaves
//! behind.

use serde_json::Value;

use crate::{
    bad_input::check_in,
    design::{number, results, results_of},
};

/// Requests per second each of some instances of `api` answered.
fn rates(measured: &Value, instances: usize) -> Vec<f64> {
    let rate = |i: usize| number(measured, &format!("nodes.api.per_instance.{i}.throughput"));
    (0..instances).map(rate).collect()
}

#[test]
fn ties_go_round() {
    // Four instances at 5 % load: nearly always all are idle, and each gets its quarter.
    for policy in ["least_requests", "power_of_d(d=4)", "power_of_d(d=2)", "peak_ewma"] {
        let nodes = format!(
            "lb: {{load_balancer: {{to: api, policy: \"{policy}\"}}}}, \
             api: {{service: {{instances: 4, cores: 4, work: exp(mean=10ms)}}}}"
        );
        let measured = results("1000s", "arrivals: poisson(20/s), to: lb", &nodes, "");
        for rate in rates(&measured, 4) {
            assert!((rate - 5.0).abs() < 0.4, "{policy}: {:?}", rates(&measured, 4));
        }
    }
    // The same where a tree finds the least.
    let nodes = "lb: {load_balancer: {to: api, policy: least_requests}}, \
                 api: {service: {instances: 40, cores: 4, work: 1ms}}";
    let measured = results("400s", "arrivals: constant(40/s), to: lb", nodes, "");
    for rate in rates(&measured, 40) {
        assert!((rate - 1.0).abs() < 0.02, "{:?}", rates(&measured, 40));
    }
}

#[test]
fn whoever_stands_in_for_a_slow_starter_is_each_of_the_others_in_turn() {
    // Of its third the one that is back keeps a tenth; the others get equal parts of the rest.
    for back in 0..3 {
        let measured = results_of(
            &format!(
                "windtunnel: 1\nname: slow-start\nduration: 1012s\nwarm_up: 12s\n\
                 clients: {{u: {{arrivals: constant(30/s), to: lb}}}}\n\
                 nodes:\n  lb: {{load_balancer: {{to: api, slow_start: 7d, \
                 health_check: {{interval: 1s, fall: 1, rise: 1}}}}}}\n  \
                 api: {{service: {{instances: 3, cores: 4, work: 1ms}}}}\n\
                 faults: [{{id: restart, at: 5s, for: 2s, \
                 crash: {{node: api, instances: [{back}], process: true}}}}]\n"
            ),
            1,
        );
        for (i, rate) in rates(&measured, 3).into_iter().enumerate() {
            let right = if i == back { 1.0 } else { 14.5 };
            assert!((rate - right).abs() < 0.15, "{back}: {:?}", rates(&measured, 3));
        }
    }
}

#[test]
fn the_neighbour_of_an_ejected_instance_gets_no_more_than_the_others() {
    let nodes = "lb: {load_balancer: {to: api, eject: {errors: 3, for: 500ms}}}, \
                 api: {service: {instances: 4, cores: 4, work: 1ms}}";
    let errors = "{id: e, at: 0s, errors: {node: api, instances: [1], fraction: 100%}}";
    let measured = results("200s", "arrivals: constant(400/s), to: lb", nodes, errors);
    let rates = rates(&measured, 4);
    // In and out all the time.
    assert!(rates[1] < 10.0, "{rates:?}");
    for other in [0, 2, 3] {
        assert!((rates[other] - 131.5).abs() < 0.5, "{rates:?}");
    }
}

#[test]
fn who_does_worse_than_the_others_is_ejected() {
    // One of ten fails three of ten requests: too seldom for five in a row, but far from the others.
    let run = |eject: &str, faults: &str| {
        let nodes = format!(
            "lb: {{load_balancer: {{to: api, eject: {{{eject}for: 30s}}}}}}, \
             api: {{service: {{instances: 10, cores: 4, work: 1ms}}}}"
        );
        results("300s", "arrivals: constant(500/s), to: lb", &nodes, faults)
    };
    let errors = "{id: e, at: 0s, errors: {node: api, instances: [4], fraction: 30%}}";
    let rate = |found: &Value| number(found, "nodes.api.per_instance.4.throughput");
    let found = run("success_rate: {}, ", errors);
    // Out after 10 s for 30 s, then in until it has been compared with the others once more: at 10, 50, 90 s, ...
    assert_eq!(number(&found, "nodes.lb.causes.ejected"), 8.0);
    assert!((rate(&found) - 35.0 * 0.25).abs() < 1.5, "{}", rate(&found));
    // Where too few are compared nobody is taken out, nor so far from the others as one of ten cannot be.
    for eject in ["targets: 11", "requests: 1k", "deviations: 3.1"] {
        let found = run(&format!("success_rate: {{{eject}}}, "), errors);
        let ejected = found["nodes"]["lb"]["causes"].get("ejected");
        assert!(ejected.is_none(), "{eject}: {ejected:?}");
    }
}

#[test]
fn each_further_ejection_is_longer() {
    // It fails always: out for 10, 20, 30, 40, 40 .. s, and in for as long as one request takes to come.
    let run = |longest: &str, faults: &str| {
        let nodes = format!(
            "lb: {{load_balancer: {{to: api, eject: {{errors: 1, for: 10s{longest}}}}}}}, \
             api: {{service: {{instances: 3, cores: 4, work: 1ms}}}}"
        );
        let found = results("400s", "arrivals: constant(300/s), to: lb", &nodes, faults);
        number(&found, "nodes.lb.causes.ejected")
    };
    let always = "{id: e, at: 0s, errors: {node: api, instances: [1], fraction: 100%}}";
    assert_eq!(run("", always), 40.0);
    // 0, 10, 30, 60, 100, 140, 180, 220, 260, 300, 340, 380 s.
    assert_eq!(run(", longest: 40s", always), 12.0);
    // One that was well for 30 s has three times less behind it: 0, 10, 30, and after 100 s as at first: 100, 110, 130, ..
    let twice = "{id: a, at: 0s, for: 31s, errors: {node: api, instances: [1], fraction: 100%}}, \
                 {id: b, at: 100s, for: 31s, errors: {node: api, instances: [1], fraction: 100%}}";
    assert_eq!(run(", longest: 40s", twice), 6.0);
}

#[test]
fn what_a_dead_node_would_get_is_shared_by_weight() {
    for policy in ["round_robin", "round_robin(smooth=true)", "least_requests"] {
        let measured = results_of(
            &format!(
                "windtunnel: 1\nname: weights\nduration: 300s\nwarm_up: 50s\n\
                 clients: {{u: {{arrivals: poisson(100/s), to: lb, timeout: 1s}}}}\n\
                 nodes:\n  lb: {{load_balancer: {{to: {{blue: 60, red: 10, green: 30}}, \
                 policy: \"{policy}\", health_check: {{interval: 1s, fall: 2, rise: 2}}}}}}\n  \
                 blue: {{service: {{instances: 2, cores: 4, work: 1ms}}}}\n  \
                 green: {{service: {{instances: 2, cores: 4, work: 1ms}}}}\n  \
                 red: {{service: {{instances: 2, cores: 4, work: 1ms}}}}\n\
                 faults: [{{id: c, at: 20s, for: 1000s, crash: {{node: blue, process: true}}}}]\n"
            ),
            1,
        );
        let rate = |node: &str| number(&measured, &format!("nodes.{node}.throughput"));
        let share = rate("green") / (rate("green") + rate("red"));
        assert!((share - 0.75).abs() < 0.012, "{policy}: {share}");
        assert_eq!(number(&measured, "summary.availability"), 1.0, "{policy}");
    }
}

#[test]
fn weights_without_chance() {
    // nginx's own example: of seven in a row five, one and one, and the same in each second.
    let nodes = "lb: {load_balancer: {to: {a: 5, b: 1, c: 1}, policy: round_robin(smooth=true)}}, \
                 a: {service: {cores: 1, work: 120ms}}, b: {service: {cores: 1, work: 120ms}}, \
                 c: {service: {cores: 1, work: 120ms}}";
    let measured = results("700s", "arrivals: constant(7/s), to: lb", nodes, "");
    for (node, right) in [("a", 5.0), ("b", 1.0), ("c", 1.0)] {
        let rate = number(&measured, &format!("nodes.{node}.throughput"));
        assert!((rate - right).abs() < 0.01, "{node}: {rate}");
    }
    // a a b a c a a: twice in a row at most before another, so four of its five in each round come
    // 143 ms after the one before and find it idle, as the first does: nobody ever waits.
    assert!((number(&measured, "summary.latency.max") - 0.12).abs() < 1e-9);
}

#[test]
fn balancers_begin_at_places_of_their_own() {
    // Eight balancers that each get a request in the same instant: with one place for all the eighth
    // would wait for seven others at one instance.
    let lbs: String = (0..8).map(|i| format!("lb{i}: {{load_balancer: {{to: api}}}}, ")).collect();
    let all: Vec<String> = (0..8).map(|i| format!("{{call: lb{i}}}")).collect();
    let nodes = format!(
        "front: {{service: {{endpoints: {{default: [{{all: [{}]}}]}}}}}}, {lbs}\
         api: {{service: {{instances: 4, cores: 1, work: 100ms}}}}",
        all.join(", ")
    );
    let measured = results("100s", "arrivals: constant(1/s), to: front", &nodes, "");
    let most = number(&measured, "summary.latency.max");
    assert!((0.2 - 1e-9..0.61).contains(&most), "{most} s for eight over four instances");
}

/// Mean response time of two servers of rate 1 under `rate`, where each request compares two draws of
/// the two, that may be the same, and joins the shorter queue: the stationary law of its Markov chain.
fn two_draws_of_two(rate: f64) -> f64 {
    const N: usize = 60;
    let mut p = vec![vec![0.0; N + 1]; N + 1];
    p[0][0] = 1.0;
    let dt = 1.0 / (rate + 2.0);
    for _ in 0..6_000 {
        let mut next = vec![vec![0.0; N + 1]; N + 1];
        for i in 0..=N {
            for j in 0..=N {
                let here = p[i][j];
                // Twice the first, twice the second, or both.
                let shorter = match i.cmp(&j) {
                    std::cmp::Ordering::Less => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Greater => 0.0,
                };
                let first = 0.25 + 0.5 * shorter;
                next[(i + 1).min(N)][j] += here * dt * rate * first;
                next[i][(j + 1).min(N)] += here * dt * rate * (1.0 - first);
                next[i.saturating_sub(1)][j] += here * dt;
                next[i][j.saturating_sub(1)] += here * dt;
            }
        }
        p = next;
    }
    let weight = |i: usize, j: usize| (i + j) as f64 * p[i][j];
    let mean: f64 =
        (0..=N).flat_map(|i| (0..=N).map(move |j| (i, j))).map(|(i, j)| weight(i, j)).sum();
    mean / rate
}

#[test]
fn draws_with_replacement_compare_fewer() {
    let nodes = "lb: {load_balancer: {to: api, policy: power_of_d(d=2 replace=true)}}, \
                 api: {service: {instances: 2, cores: 1, work: exp(mean=1s)}}";
    let measured = results("200000s", "arrivals: poisson(1.4/s), to: lb", nodes, "");
    let (mean, right) = (number(&measured, "summary.latency.mean"), two_draws_of_two(1.4));
    assert!((mean / right - 1.0).abs() < 0.02, "{mean} s, by its chain {right} s");
}

#[test]
fn a_health_check_implies_no_timeout() {
    // Requests that take 5 s and more behind a balancer that checks every other second.
    let measured = results_of(
        "windtunnel: 1\nname: slow-and-checked\nduration: 600s\n\
         clients: {u: {arrivals: poisson(0.5/s), to: lb, timeout: 60s}}\nnodes:\n  \
         lb: {load_balancer: {to: s, policy: least_requests, \
         health_check: {interval: 2s, timeout: 1s, fall: 3, rise: 2}}}\n  \
         s: {service: {instances: 8, workers: 4, work: lognormal(median=5s p99=20s)}}\n",
        5,
    );
    assert!(number(&measured, "summary.availability") > 0.999, "{measured}");
}

/// Two instances; the host of one is dead from 100 s to 160 s.
fn with_a_dead_host(balancer: &str) -> Value {
    let nodes = format!(
        "lb: {{load_balancer: {{to: api, policy: least_requests, \
         health_check: {{interval: 2s, timeout: 500ms, fall: 3, rise: 2}}{balancer}}}}}, \
         api: {{service: {{instances: 2, cores: 4, work: 1ms}}}}"
    );
    let crash = "{id: c, at: 100s, for: 60s, crash: {node: api, instances: [0]}}";
    results("300.005s", "arrivals: constant(100/s), to: lb", &nodes, crash)
}

#[test]
fn what_hangs_at_a_target_that_is_down_is_not_counted() {
    // Requests that nobody has a timer for hang for ever. But the host that is back is as idle as the
    // other: from its return each gets a half. Away for 62 to 64 s, a few requests before it is known:
    // where it has more outstanding than the other it is chosen no more.
    let waits = with_a_dead_host("");
    let hang = number(&waits, "summary.requests.in_flight");
    assert!((1.0..=3.0).contains(&hang), "{hang}");
    let away = (15_000.0 - rates(&waits, 2)[0] * 300.005) / 50.0;
    assert!((61.9..=66.6).contains(&away), "{away} s away");
    // With a timeout of its own it counts them out again and again, and tells its callers.
    let limited = with_a_dead_host(", timeout: 200ms");
    let timeouts = number(&limited, "summary.requests.timeout");
    assert!((20.0..=70.0).contains(&timeouts), "{timeouts}");
    assert_eq!(number(&limited, "nodes.lb.causes.target_timeout"), timeouts);
    assert_eq!(number(&limited, "summary.requests.in_flight"), 0.0);
}

#[test]
fn requests_at_a_target_that_is_down_are_reset_if_it_says_so() {
    let reset = with_a_dead_host(", on_down: reset");
    let failed = number(&reset, "summary.requests.error");
    assert!((1.0..=3.0).contains(&failed), "{failed}");
    assert_eq!(number(&reset, "nodes.lb.causes.target_down"), failed);
    assert_eq!(number(&reset, "summary.requests.in_flight"), 0.0);
    // When it is marked down: by the third probe.
    let longest = number(&reset, "summary.latency_all.max");
    assert!((4.4..=6.6).contains(&longest), "{longest}");
    // One that was slow, not dead, answers those whose callers were told long ago: to nobody.
    let nodes = "lb: {load_balancer: {to: api, on_down: reset, timeout: 20s, \
                 health_check: {interval: 1s, timeout: 100ms, fall: 2, rise: 1}}}, \
                 api: {service: {instances: 2, cores: 4, work: 1ms}}";
    let pause = "{id: p, at: 10s, for: 5s, pause: {node: api, instances: [1]}}";
    let paused = results("60.005s", "arrivals: constant(100/s), to: lb", nodes, pause);
    let failed = number(&paused, "summary.requests.error");
    assert!((50.0..=115.0).contains(&failed), "{failed}");
    assert_eq!(number(&paused, "nodes.lb.causes.target_down"), failed);
    assert_eq!(number(&paused, "summary.requests.ok") + failed, 6000.0);
}

#[test]
fn whatever_is_inside_is_lost_or_reset_however_many_have_died_before() {
    // Three of four hosts die at once, silently; the balancer learns of one after the other, and resets what waits
    // there. Then its process dies, twice, while others are down: each time its probers begin anew.
    let nodes = "lb: {load_balancer: {to: api, on_down: reset, policy: round_robin, \
                 health_check: {interval: 1s, timeout: 500ms, fall: 2, rise: 1}}}, \
                 api: {service: {instances: 4, endpoints: {default: [{wait: 4s}]}}}";
    let faults = "{id: hosts, at: 10s, for: 60s, crash: {node: api, instances: [1, 2, 3]}}, \
                  {id: lb, at: 20s, for: 1s, crash: {node: lb, process: true}}, \
                  {id: again, at: 30s, for: 1s, crash: {node: lb, process: true}}";
    let arrivals = "arrivals: constant(10/s), to: lb";
    let found = results("60.005s", arrivals, nodes, &faults[..faults.find("}}, ").unwrap() + 2]);
    let failed = number(&found, "summary.requests.error");
    // Those of 4 s, and of the time until the second probe, at three of four.
    assert!((30.0..=60.0).contains(&failed), "{failed}");
    assert_eq!(number(&found, "nodes.lb.causes.target_down"), failed);
    // Those of the last 4 s are on their way, at the one that is left.
    assert_eq!(number(&found, "summary.requests.in_flight"), 40.0);
    let found = results("60.005s", arrivals, nodes, faults);
    assert_eq!(number(&found, "summary.requests.in_flight"), 40.0);
    // A prober for each target, one probe a second, but for the two seconds without a balancer; and what is sent there
    // each time until two of them were not answered. With probers that live on it would be 90 more.
    let lost = number(&found, "nodes.api.causes.lost_at_dead_host");
    assert!((144.0 + 25.0..=144.0 + 75.0).contains(&lost), "{lost}");
}

const GOOD: &str = "\
windtunnel: 1
name: balanced
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: lb}}
nodes:
  lb: {load_balancer: {to: {api: 2}, health_check: {interval: 2s}, on_down: wait, policy: round_robin}}
  api: {service: {instances: 3, cores: 1, work: 1ms}}
";

#[test]
fn balancers_are_checked() {
    const P: &str = "policy: round_robin";
    check_in(
        GOOD,
        &[
            ("LB", P, "timeout: 0s", "6:92 E-RANGE", "above 0"),
            ("LB", P, "timeout: soon", "6:92 E-TYPE", "duration"),
            ("LB", "on_down: wait", "on_down: close", "6:77 E-ENUM", "reset"),
            (
                "LB",
                "health_check: {interval: 2s}, on_down: wait",
                "on_down: reset",
                "6:47 E-CONFLICT",
                "never finds a target down",
            ),
            ("LB", P, "policy: round_robin(even=true)", "6:91 E-EXPR", "smooth=true"),
            ("LB", P, "policy: round_robin(smooth=maybe)", "6:91 E-ENUM", "true"),
            ("LB", P, "policy: power_of_d(replace=maybe)", "6:91 E-ENUM", "true"),
            ("LB", P, "policy: power_of_d(d=20 replace=true)", "6:91 E-RANGE", "1..=16"),
            ("LB", P, "policy: power_of_d(d=4)", "6:91 W-POLICY", "least_requests"),
            (
                "LB",
                "to: {api: 2}, health_check: {interval: 2s}, on_down: wait, policy: round_robin",
                "to: api, policy: round_robin(smooth=true)",
                "6:41 W-POLICY",
                "weights",
            ),
        ],
    );
}
