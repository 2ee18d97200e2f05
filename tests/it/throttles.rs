//! Callers that refuse by themselves what would be refused anyway.

use crate::{
    bad_input::check_in,
    design::{number, results, results_of},
};

/// How many requests per second reach a backend that accepts 100/s, and how many it accepts.
fn reach(offered: u64, throttle: &str) -> [f64; 2] {
    let text = format!(
        "windtunnel: 1\nname: throttle\nduration: 320s\nwarm_up: 120s\n\
         clients: {{load: {{arrivals: poisson({offered}/s), to: app{throttle}}}}}\n\
         nodes: {{app: {{service: {{cores: 4, work: 1ms, inbound: {{rate_limit: token_bucket(rate=100/s burst=20)}}}}}}}}\n"
    );
    let found = results_of(&text, 2);
    let ok = number(&found, "nodes.app.throughput");
    let refused = number(&found, "nodes.app.outcomes.rate_limited") / 400.0;
    [ok + refused, ok]
}

#[test]
fn as_many_reach_the_callee_as_it_accepts_times_k() {
    // All of 400/s; a half of them with K = 2; 110/s with K = 1.1.
    let [all, accepted] = reach(400, "");
    assert!((all - 400.0).abs() < 3.0 && (accepted - 100.0).abs() < 1.0, "{all} {accepted}");
    let [half, accepted] = reach(400, ", throttle: adaptive(k=2 window=30s)");
    assert!((half - 200.0).abs() < 4.0 && (accepted - 100.0).abs() < 1.0, "{half} {accepted}");
    let [few, accepted] = reach(400, ", throttle: adaptive(k=1.1 window=30s)");
    assert!((few - 110.0).abs() < 4.0 && (accepted - 100.0).abs() < 2.0, "{few} {accepted}");
    // Where as much is accepted as is asked for nothing is refused.
    let [all, accepted] = reach(80, ", throttle: adaptive()");
    assert!((all - 80.0).abs() < 2.0 && (all - accepted).abs() < 1.5, "{all} {accepted}");
}

#[test]
fn each_caller_has_its_own_throttle() {
    // Two instances of a service: one calls what answers, the other what refuses all.
    let nodes = "web: {service: {instances: 2, endpoints: {default: [{call: good, when: instance == 0}, \
                 {call: bad, when: instance == 1, optional: true}]}, \
                 dependencies: {good: {throttle: adaptive(window=30s)}, bad: {throttle: adaptive(window=30s), \
                 retry: {attempts: 2}}}}}, \
                 good: {service: {work: 1ms}}, \
                 bad: {service: {work: 1ms, inbound: {rate_limit: token_bucket(rate=0.001/s burst=1)}}}, \
                 lb: {load_balancer: {to: web}}";
    let found = results("300s", "arrivals: constant(40/s), to: lb", nodes, "");
    assert_eq!(number(&found, "summary.availability"), 1.0);
    let [asked, refused] = ["nodes.bad.outcomes.rate_limited", "nodes.web.causes.self_throttled"]
        .map(|path| number(&found, path));
    // Nearly all of 6,000; what it refuses itself is not tried again.
    assert!((asked + refused - 6000.0).abs() < 5.0 && refused > 5900.0, "{asked} {refused}");
    assert_eq!(number(&found, "nodes.good.outcomes.ok"), 6000.0);
}

#[test]
fn what_a_throttle_cannot_be_is_told() {
    let good = "\
windtunnel: 1
name: app
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: app, timeout: 1s, throttle: adaptive(k=2 window=2m)}}
nodes: {app: {service: {cores: 1, work: 1ms}}}
";
    check_in(
        good,
        &[
            ("T1", "k=2", "k=0.5", "4:74 E-RANGE", "`k` must be in 1..=1000"),
            ("T1", "window=2m", "window=2", "4:74 E-UNIT", "2"),
            ("T1", "adaptive(k=2 window=2m)", "fixed", "4:74 E-ENUM", "adaptive(k=2 window=2m)"),
            ("T1", "k=2", "x=2", "4:74 E-EXPR", "x"),
        ],
    );
}
