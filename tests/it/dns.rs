//! Names that are resolved: what an answer costs, how long it is kept, whom it names, what it is worth
//! when its target or the dns node is gone.

use serde_json::Value;

use crate::{
    bad_input::check_in,
    design::{number, results, results_of},
};

/// Requests at a constant rate to the name `shop`, 10 ms away from it and from its targets.
fn asked(rate: &str, dns: &str) -> Value {
    results_of(
        &format!(
            "windtunnel: 1\nname: asked\nduration: 100s\nnetwork: {{internet: 10ms}}\n\
             clients: {{load: {{arrivals: constant({rate}), to: shop}}}}\n\
             nodes: {{shop: {{dns: {{{dns}}}}}, a: {SERVER}, b: {SERVER}}}\n"
        ),
        1,
    )
}

const SERVER: &str = "{service: {cores: 100, work: 1ms}}";

/// Visits of a node in a run of 100 s from its start.
fn visits(measured: &Value, node: &str) -> f64 {
    (number(measured, &format!("nodes.{node}.throughput")) * 100.0).round()
}

#[test]
fn a_question_costs_a_round_trip_and_an_answer_kept_costs_nothing() {
    // One cache and a request a second: the first answer is kept for a part of 10 s, then one request
    // in eleven asks, as the answer comes 20 ms after its request.
    let measured = asked("1/s", "to: a, ttl: 10s, resolvers: 1");
    let questions = visits(&measured, "shop");
    assert!((9.0..=11.0).contains(&questions), "{questions}");
    assert_eq!(number(&measured, "summary.latency.max"), 0.041);
    let mean = 0.021 + 0.02 * questions / number(&measured, "summary.requests.ok");
    assert!((number(&measured, "summary.latency.mean") - mean).abs() < 1e-9);
    // Nothing is kept: every request asks.
    let measured = asked("10/s", "to: a, ttl: 0s");
    assert_eq!(visits(&measured, "shop"), visits(&measured, "a"));
    assert!((number(&measured, "summary.latency.mean") - 0.041).abs() < 1e-9);
    assert_eq!(number(&measured, "nodes.shop.response_time.max"), 0.0);
}

#[test]
fn each_instance_keeps_an_answer_of_its_own_until_it_dies() {
    let caches = |faults: &str| {
        let measured = results(
            "100s",
            "arrivals: constant(50/s), to: api",
            "api: {service: {instances: 3, cores: 9, work: 1ms, calls: [name]}}, \
             name: {dns: {to: db, ttl: 1h}}, db: {store: {read: 1ms}}",
            faults,
        );
        visits(&measured, "name")
    };
    assert_eq!(caches(""), 3.0);
    let crash = "{id: c, at: 50s, for: 10s, crash: {node: api, instances: 2, process: true}}";
    assert_eq!(caches(crash), 5.0);
}

/// 200 requests a second to two targets, of which the first is gone from 100 s to 200 s.
fn failing_over(duration: &str, client: &str, dns: &str, fault: &str) -> Value {
    let faults = if fault.is_empty() { "a" } else { fault };
    results(
        duration,
        &format!("arrivals: constant(200/s), to: shop{client}"),
        &format!("shop: {{dns: {{to: [a, b], ttl: 20s, {dns}}}}}, a: {SERVER}, b: {SERVER}"),
        &format!("{{id: c, at: 100s, for: 100s, crash: {{node: {faults}, process: true}}}}"),
    )
}

const CHECK: &str = "health_check: {interval: 2s, timeout: 500ms, fall: 3, rise: 2}";

#[test]
fn a_dead_target_is_called_until_its_answers_expire() {
    let failed =
        |duration: &str| number(&failing_over(duration, "", CHECK, ""), "summary.requests.error");
    // Known after 4 to 6 s. Of the answers kept then, the share still used falls evenly over 20 s.
    let all = failed("199s");
    let (least, most) = (200.0 * (4.0 + 9.0), 200.0 * (6.0 + 11.0));
    assert!((least..=most).contains(&all), "{all}");
    // All fail at first, a half or so in the middle of the tail, none when the last has expired.
    assert_eq!(failed("104s"), 800.0);
    let middle = failed("116s") - failed("114s");
    assert!((120.0..=280.0).contains(&middle), "{middle} of 400");
    assert_eq!(failed("126.01s"), all);
    assert!(failed("120s") < all);
}

#[test]
fn a_target_that_is_back_is_called_when_answers_expire() {
    let calls = |duration: &str, node: &str| {
        let measured = failing_over(duration, "", CHECK, "");
        number(&measured, &format!("nodes.{node}.throughput"))
            * duration.trim_end_matches('s').parse::<f64>().unwrap()
    };
    // Back after two probes, at 204 s at the latest; 20 s later nobody calls the other one.
    assert!((calls("300s", "b") - calls("224.1s", "b")).abs() < 1.5);
    assert!(calls("204s", "b") - calls("202s", "b") > 300.0);
    assert!((calls("300s", "a") - calls("250s", "a") - 10_000.0).abs() < 1.5);
}

#[test]
fn a_retry_gets_the_same_stale_answer() {
    let failed =
        |client: &str| number(&failing_over("199s", client, CHECK, ""), "summary.requests.error");
    let (once, thrice) = (failed(""), failed(", retry: {attempts: 3, backoff: constant(1ms)}"));
    assert!(thrice > 0.98 * once, "{thrice} of {once}");
}

#[test]
fn without_checks_the_dead_are_named_for_ever() {
    let measured = failing_over("199s", "", "policy: failover", "");
    assert_eq!(number(&measured, "summary.requests.error"), 19_800.0);
    assert_eq!(number(&measured, "nodes.b.throughput"), 0.0);
}

#[test]
fn with_nobody_left_all_are_named() {
    let measured = results(
        "100s",
        "arrivals: constant(100/s), to: shop",
        &format!("shop: {{dns: {{to: [a], ttl: 1s, {CHECK}}}}}, a: {SERVER}"),
        "{id: c, at: 10s, for: 80s, crash: {node: a, process: true}}",
    );
    assert!(number(&measured, "nodes.shop.causes.no_live_target") > 1000.0);
    // So what comes back is called at once.
    assert_eq!(number(&measured, "summary.requests.error"), 8000.0);
}

#[test]
fn answers_kept_outlive_the_dns_node() {
    // At 100 s each answer has up to 20 s left, 10 s in the mean; at 200 s all ask and are answered.
    let gone = |fault: &str| {
        let measured = results(
            "300.5s",
            "arrivals: constant(200/s), to: shop, timeout: 400ms",
            &format!("shop: {{dns: {{to: [a, b], ttl: 20s}}}}, a: {SERVER}, b: {SERVER}"),
            &format!("{{id: c, at: 100s, for: 100s, {fault}}}"),
        );
        assert_eq!(number(&measured, "faults.0.availability_before"), 1.0);
        assert_eq!(number(&measured, "faults.0.availability_after"), 1.0);
        measured
    };
    let refused = gone("crash: {node: shop, process: true}");
    let failed = number(&refused, "summary.requests.error");
    assert!((200.0 * 88.0..200.0 * 92.0).contains(&failed), "{failed}");
    assert_eq!(number(&refused, "nodes.shop.causes.connection_refused"), failed);
    let silent = gone("crash: {node: shop}");
    assert_eq!(number(&silent, "summary.requests.timeout"), failed);
    let cut = gone("partition: {link: [load, shop]}");
    assert_eq!(number(&cut, "summary.requests.timeout"), failed);
    let failing = gone("errors: {node: shop, fraction: 100%}");
    assert_eq!(number(&failing, "summary.requests.error"), failed);
}

#[test]
fn what_it_is_told_survives_the_dns_node() {
    // Told 5 s after the crash; down itself from 20 s to 30 s, it answers as before from then on.
    let crash = |id: char, node: &str, at: u64, length: u64| {
        format!("{{id: {id}, at: {at}s, for: {length}s, crash: {{node: {node}, process: true}}}}")
    };
    let measured = results(
        "60s",
        "arrivals: constant(100/s), to: shop",
        &format!(
            "shop: {{dns: {{to: [a, b], ttl: 0s, health_check: {{detect: 5s}}}}}}, \
             a: {SERVER}, b: {SERVER}"
        ),
        &format!("{}, {}", crash('c', "a", 10, 40), crash('d', "shop", 20, 10)),
    );
    assert_eq!(number(&measured, "summary.requests.error"), 500.0 + 1000.0);
}

#[test]
fn shares_follow_the_weights_of_those_alive() {
    let measured = asked("100/s", "to: {a: 95, b: 5}, ttl: 0s");
    let (n, b) = (visits(&measured, "shop"), visits(&measured, "b"));
    let (mean, sd) = (n * 0.05, (n * 0.05 * 0.95).sqrt());
    assert!((b - mean).abs() < 4.0 * sd, "{b} of {n}");
    // Without weights all alike; who has none is never named, not even last.
    let measured = asked("100/s", "to: [a, b], policy: weighted, ttl: 0s");
    let b = visits(&measured, "b");
    assert!((b - 5000.0).abs() < 4.0 * 50.0, "{b}");
    let crash = |weights: &str| {
        let measured = results(
            "100s",
            "arrivals: constant(100/s), to: shop",
            &format!(
                "shop: {{dns: {{to: {weights}, ttl: 0s, {CHECK}}}}}, a: {SERVER}, b: {SERVER}"
            ),
            "{id: c, at: 0s, crash: {node: a, process: true}}",
        );
        visits(&measured, "b")
    };
    assert!(crash("{a: 95, b: 5}") > 9_400.0);
    assert_eq!(crash("{a: 95, b: 0}"), 0.0);
}

/// Clients in three zones at 1, 10 and 100 requests a second: throughputs of a target in the first
/// zone's region and of one beyond say who calls whom.
fn near(network: &str, faults: &str) -> (f64, f64) {
    let measured = results_of(
        &format!(
            "windtunnel: 1\nname: near\nduration: 100s\nwarm_up: 50s\n\
             topology: {{regions: {{us: [us-a, us-b], eu: [eu-a]}}}}\nnetwork: {{{network}}}\n\
             clients:\n  x: {{zones: us-a, arrivals: constant(1/s), to: shop}}\n  \
             y: {{zones: us-b, arrivals: constant(10/s), to: shop}}\n  \
             z: {{zones: eu-a, arrivals: constant(100/s), to: shop}}\n\
             nodes:\n  shop: {{dns: {{to: [there, here], policy: nearest, ttl: 5s, {CHECK}}}}}\n  \
             here: {{service: {{zones: us-a, cores: 9, work: 1ms}}}}\n  \
             there: {{service: {{zones: eu-a, cores: 9, work: 1ms}}}}\nfaults: [{faults}]\n"
        ),
        1,
    );
    let calls = |node: &str| number(&measured, &format!("nodes.{node}.throughput")).round();
    (calls("here"), calls("there"))
}

#[test]
fn the_nearest_healthy_target_is_named() {
    // By zone and region where the network says nothing, else by latency.
    assert_eq!(near("", ""), (11.0, 100.0));
    assert_eq!(
        near("same_zone: 1ms, same_region: 2ms, cross_region: exp(mean=9ms)", ""),
        (11.0, 100.0)
    );
    let shortcut = "same_region: 9ms, links: [{from: us-b, to: eu-a, latency: 1ms}]";
    assert_eq!(near(shortcut, ""), (1.0, 110.0));
    let crash = "{id: c, at: 0s, crash: {node: here, process: true}}";
    assert_eq!(near("", crash), (0.0, 111.0));
}

const GOOD: &str = "\
windtunnel: 1
name: named
duration: 100s
topology: {regions: {r: [x, y]}}
clients: {load: {arrivals: poisson(9/s), to: shop, timeout: 9s}}
nodes:
  shop: {dns: {to: [a, b], policy: nearest, ttl: 60s, resolvers: 9, health_check: {interval: 2s}}}
  a: {service: {cores: 1, work: 1ms, zones: x}}
  b: {service: {cores: 1, work: 1ms, zones: y}}
";

#[test]
fn dns_nodes_are_checked() {
    const CHECK: &str = "health_check: {interval: 2s}";
    check_in(
        GOOD,
        &[
            ("dns", "[a, b]", "[]", "7:16 E-TOPO", "at least one"),
            ("dns", "[a, b]", "[a, c]", "7:24 E-REF", "unknown node `c`"),
            ("dns", "[a, b]", "[a, b, a]", "7:16 E-DUP-NAME", "listed twice"),
            ("dns", "[a, b]", "{a: 1, b: 2}", "7:42 E-CONFLICT", "weights"),
            ("dns", "[a, b], policy: nearest", "{a: 0, b: 0}", "7:16 E-TOPO", "all weights"),
            ("dns", "nearest", "latency", "7:36 E-ENUM", "`nearest`"),
            ("dns", "timeout: 9s", "timeout: 900us", "5:61 W-IMPOSSIBLE", "less than 1ms"),
            ("dns", "ttl: 60s", "ttl: 60", "7:50 E-UNIT", "60"),
            ("dns", "resolvers: 9", "resolvers: 0", "7:66 E-RANGE", "at least 1"),
            ("dns", "resolvers: 9", "zones: z", "7:62 E-REF", "unknown zone `z`"),
            ("dns", CHECK, "health_check: {timeout: 1s}", "7:69 E-MISSING", "how often"),
            ("dns", CHECK, "health_check: {interval: 0s}", "7:94 E-RANGE", "above 0"),
            ("dns", CHECK, "healthcheck: {interval: 2s}", "7:69 E-UNKNOWN-KEY", "health_check"),
            (
                "dns",
                "b: {service: {cores: 1, work: 1ms, zones: y}}",
                "b: {external: {latency: 1ms}}",
                "7:24 W-POLICY",
                "nothing is nearer",
            ),
            (
                "dns",
                "a: {service",
                "lb: {load_balancer: {to: shop}}\n  a: {service",
                "8:28 E-TOPO",
                "`shop` is a dns node",
            ),
            (
                "dns",
                "nodes:",
                "faults: [{id: s, at: 1s, slow: {node: shop, factor: 2}}]\nnodes:",
                "6:39 E-FAULT-TARGET",
                "`latency`",
            ),
        ],
    );
}
