//! Instances that come and go, by figures worked out by hand.

use serde_json::Value;

use crate::{
    bad_input::{GOOD, check_in, told},
    design::{number, results},
};

/// A service behind a balancer that deals in turn, work of 10 ms each: 60 % of a core are 60 requests a second.
fn scaled(client: &str, service: &str, autoscale: &str, faults: &str) -> Value {
    let nodes = format!(
        "lb: {{load_balancer: {{to: api, policy: round_robin}}}}, api: {{service: {{cores: 1, \
         work: 10ms, {service}, autoscale: {{{autoscale}}}}}}}"
    );
    results("240s", &format!("to: lb, {client}"), &nodes, faults)
}

/// From which window (of one second) on there were how many instances.
fn changes(found: &Value) -> Vec<(f64, f64)> {
    let series = &found["series"];
    let instances = series["nodes"]["api"]["instances"].as_array().expect("it scales");
    let starts = series["start"].as_array().unwrap();
    let mut all: Vec<(f64, f64)> = Vec::new();
    for (start, n) in starts.iter().zip(instances) {
        let (start, n) = (start.as_f64().unwrap(), n.as_f64().unwrap());
        if all.last().is_none_or(|last| (last.1 - n).abs() > 1e-9) {
            all.push((start, n));
        }
    }
    all
}

/// What was decided: when, from how many, to how many.
fn decided(found: &Value) -> Vec<(f64, f64, f64)> {
    let all = found["nodes"]["api"]["scaling"]["changes"].as_array();
    let one = |c: &Value| (number(c, "at"), number(c, "from"), number(c, "to"));
    all.into_iter().flatten().map(one).collect()
}

const STEP: &str = "arrivals: constant(100/s), load: [{at: 60s, factor: 3}]";
const CALM: &str = "arrivals: constant(100/s)";

#[test]
fn the_formula_step_by_step() {
    let rules = "min: 1, max: 20, target: 60%, stabilise: 30s";
    let found = scaled(STEP, "instances: 2, boot: 20s, price: $1/h", rules, "");
    // 50 % of each is 83 % of the target: 1.67 are wanted, which are two. Three times the load from 60 s on is read
    // in [60, 75] and looked at at 90: two that are full, 2 x 100 / 60 = 3.3 wanted. The two new ones are ready at 110.
    // Until then nothing more: new ones that boot count as idle, 2 x 100 % / 4 < 60 %. Then all four take 75 a second
    // each, and the first two have to catch up on 2,500 each, 25 a second: at 150 all four were ready in [120, 135],
    // (2 x 100 + 2 x 75) / 4 = 87.5 %, 5.8 wanted. From 170 on each takes 50 a second; the old ones have 1,000 each
    // left, and caught up by 190. With 50 % of six five are wanted, first at 225; at 210 it were six.
    assert_eq!(changes(&found), [(0.0, 2.0), (110.0, 4.0), (170.0, 6.0)]);
    assert_eq!(decided(&found), [(90.0, 2.0, 4.0), (150.0, 4.0, 6.0)]);
    let scaling = &found["nodes"]["api"]["scaling"];
    assert_eq!((number(scaling, "up"), number(scaling, "down")), (2.0, 0.0));
    // Above the target from 60 on, whenever something came of it.
    assert_eq!(number(scaling, "changes.0.ready"), 110.0);
    assert_eq!(number(scaling, "changes.0.waited"), 50.0);
    assert_eq!(number(scaling, "longest_wait"), 110.0);
    assert_eq!(number(&found, "nodes.api.instances.min"), 2.0);
    assert_eq!(number(&found, "nodes.api.instances.max"), 6.0);
    let mean = (2.0 * 110.0 + 4.0 * 60.0 + 6.0 * 70.0) / 240.0;
    assert!((number(&found, "nodes.api.instances.mean") - mean).abs() < 1e-9);
    // Paid for from the start of their boot on.
    let paid = (2.0 * 90.0 + 4.0 * 60.0 + 6.0 * 90.0) / 240.0;
    assert!((number(&found, "summary.cost.per_hour") - paid).abs() < 1e-6);
    // Who was not there neither fell nor rose.
    assert_eq!(number(&found, "nodes.api.availability_time"), 1.0);
    assert!(found["series"]["nodes"]["api"]["down"].is_null());
    // All that was busy, over those who were there.
    let busy = (100.0 * 60.0 + 300.0 * 180.0) * 0.01;
    let utilisation = number(&found, "nodes.api.utilisation");
    assert!((utilisation - busy / (mean * 240.0)).abs() < 1e-4, "{utilisation}");
    let told = found["timeline"]["events"].as_array().unwrap().iter();
    let kinds: Vec<&str> = told.map(|event| event["kind"].as_str().unwrap()).collect();
    for kind in ["scaled_out", "instances_came"] {
        assert_eq!(kinds.iter().filter(|k| **k == kind).count(), 2, "{kinds:?}");
    }
}

#[test]
fn near_the_target_nothing_changes() {
    // 65 % of each: 8 % above.
    let run = |tolerance: &str| {
        let rules = format!("min: 1, max: 20, target: 60%{tolerance}");
        changes(&scaled("arrivals: constant(650/s)", "instances: 10", &rules, ""))
    };
    assert_eq!(run(""), [(0.0, 10.0)]);
    assert_eq!(run(", tolerance: 5%"), [(0.0, 10.0), (30.0, 11.0)]);
}

#[test]
fn the_highest_wish_of_a_while_counts_on_the_way_down() {
    // 17 % of each of six: two are wanted from the first look at 30 on. The number at the start is forgotten at 75.
    let run = |more: &str| {
        let rules = format!("min: 1, max: 6, target: 60%, {more}");
        decided(&scaled(CALM, "instances: 6", &rules, ""))
    };
    assert_eq!(run("stabilise: 60s"), [(75.0, 6.0, 2.0)]);
    // Without a memory: [15, 30] has not seen the change, and is read as if it were of the two that are left.
    assert_eq!(run("stabilise: 0s"), [(30.0, 6.0, 2.0), (45.0, 2.0, 1.0), (75.0, 1.0, 2.0)]);
    assert_eq!(run("stabilise: 4m"), []);
    // One less within 30 s.
    let one_by_one = [(75.0, 6.0, 5.0), (105.0, 5.0, 4.0), (135.0, 4.0, 3.0), (165.0, 3.0, 2.0)];
    assert_eq!(run("stabilise: 60s, down: limit(count=1 per=30s)"), one_by_one);
    // No change for 40 s after one: at the next look of four.
    let cooled = [(30.0, 6.0, 5.0), (75.0, 5.0, 4.0), (120.0, 4.0, 3.0), (165.0, 3.0, 2.0)];
    assert_eq!(run("stabilise: 0s, cooldown: 40s, down: limit(count=1 per=15s)"), cooled);
    // A third of them within 15 s: 3.96 of six may be left, which are three, then 1.98 of these.
    let thirds = run("stabilise: 60s, down: limit(share=34% per=15s)");
    assert_eq!(thirds, [(75.0, 6.0, 3.0), (90.0, 3.0, 2.0)]);
    assert_eq!(run("stabilise: 0s, every: 20s, delay: 0s"), [(20.0, 6.0, 2.0)]);
    // What is bounded is bounded at once.
    let bounds = "stabilise: 4m, schedule: [{at: 40s, max: 4}, {at: 100s, min: 5}]";
    assert_eq!(run(bounds), [(45.0, 6.0, 4.0), (105.0, 4.0, 5.0)]);
}

#[test]
fn no_more_come_at_once_than_may() {
    let rules = "min: 1, max: 20, target: 60%, up: limit(count=1 per=30s)";
    let found = scaled(STEP, "instances: 2", rules, "");
    // 3.3 are wanted at 90, one may come; at 105 the third counts as idle, 2 x 100 / 3 is still too much, but one came
    // within 30 s. At 150 the first two have 750 requests each left that came before 120, and are full until 169; the
    // last window that shows it is looked at at 180.
    let steps = [(90.0, 2.0, 3.0), (120.0, 3.0, 4.0), (150.0, 4.0, 5.0), (180.0, 5.0, 6.0)];
    assert_eq!(decided(&found), steps);
    // Without a limit of the file four more may come, or as many more as there are.
    let many = |service: &str| {
        let client = "arrivals: constant(100/s), load: [{at: 60s, factor: 30}]";
        decided(&scaled(client, service, "min: 1, max: 90, target: 1%, tolerance: 0%", ""))[0]
    };
    assert_eq!(many("instances: 2, queue: 0"), (30.0, 2.0, 6.0));
    assert_eq!(many("instances: 8, queue: 0"), (30.0, 8.0, 16.0));
}

#[test]
fn who_goes_drains() {
    // Five seconds each; every second one comes to each of four.
    let run = |drain: &str| {
        let nodes = format!(
            "lb: {{load_balancer: {{to: api, policy: round_robin}}}}, api: {{service: {{instances: 4, \
             workers: 99, endpoints: {{default: [{{wait: 5s}}]}}, autoscale: {{min: 1, max: 4, metric: in_system, \
             target: 20, stabilise: 0s, drain: {drain}}}}}}}"
        );
        results("60s", "to: lb, arrivals: constant(4/s)", &nodes, "")
    };
    for (drain, failed, gone) in
        [("10s", 0, 40.0), ("5s", 0, 35.0), ("2s", 9, 32.0), ("0s", 15, 30.0)]
    {
        let found = run(drain);
        assert_eq!(decided(&found), [(30.0, 4.0, 1.0)], "{drain}");
        // Of each of the three those that came within the last 5 s before 30, and at that instant still had to go on.
        assert_eq!(found["summary"]["requests"]["error"], failed, "{drain}");
        let causes = &found["nodes"]["api"]["causes"];
        assert_eq!(causes["crashed"].as_u64().unwrap_or(0), failed, "{drain}");
        // Nobody was sent to one that was not there.
        assert!(causes["connection_refused"].is_null());
        let mean = (4.0 * gone + 60.0 - gone) / 60.0;
        assert!((number(&found, "nodes.api.instances.mean") - mean).abs() < 1e-9);
    }
}

#[test]
fn the_newest_go_first_and_a_boot_is_called_off() {
    let run = |schedule: &str, more: &str| {
        let rules = format!("min: 1, max: 4, target: 99%, schedule: [{schedule}]");
        scaled("arrivals: constant(20/s)", &format!("boot: 40s, price: $1/h{more}"), &rules, "")
    };
    let found = run("{at: 60s, min: 3}, {at: 75s, min: 1, max: 1}", "");
    assert_eq!(changes(&found), [(0.0, 1.0)]);
    assert_eq!(decided(&found), [(60.0, 1.0, 3.0), (75.0, 3.0, 1.0)]);
    assert!(found["nodes"]["api"]["scaling"]["changes"][0]["ready"].is_null());
    let paid = (240.0 + 2.0 * 15.0) / 240.0;
    assert!((number(&found, "summary.cost.per_hour") - paid).abs() < 1e-6);
    // Two come at 100 and 160; of them the later one goes: the first three have served to the end.
    let bounds = "{at: 60s, min: 3}, {at: 120s, min: 4}, {at: 200s, min: 3, max: 3}";
    let found = run(bounds, ", warm: {for: 30s, factor: 5}");
    assert_eq!(changes(&found), [(0.0, 1.0), (100.0, 3.0), (160.0, 4.0), (220.0, 3.0)]);
    let shares = found["nodes"]["api"]["per_instance"].as_array().unwrap();
    let each: Vec<f64> = shares.iter().map(|i| number(i, "throughput") * 240.0).collect();
    // 20 a second, shared by one until 100, by three until 160 and from 210 on, by four between.
    let both = 20.0 * (60.0 / 3.0 + 50.0 / 4.0 + 30.0 / 3.0);
    for (found, wanted) in each.iter().zip([20.0 * 100.0 + both, both, both, 20.0 * 50.0 / 4.0]) {
        assert!((found - wanted).abs() <= 3.0, "{each:?}");
    }
    // Fresh ones take five times as long, for half a minute.
    assert!((number(&found, "summary.latency.max") - 0.05).abs() < 1e-9);
    let slow = 20.0 * 30.0 * (2.0 / 3.0 + 1.0 / 4.0);
    let mean = (0.01 * 4800.0 + 0.04 * slow) / 4800.0;
    let found = number(&found, "summary.latency.mean");
    assert!((found - mean).abs() < 0.04 * 5.0 / 4800.0, "{found} instead of {mean}");
}

#[test]
fn one_that_never_scales_is_as_if_it_had_a_number() {
    let run = |how: &str, to: &str, balancer: &str| {
        let nodes = format!(
            "lb: {{load_balancer: {{to: api, {balancer}}}}}, api: {{service: {{{how}, cores: 1, queue: 9, \
             boot: exp(mean=2s), work: exp(mean=30ms)}}}}"
        );
        let client =
            format!("to: {to}, arrivals: poisson(80/s), keys: uniform(n=99), timeout: 200ms");
        // Who will be there nobody can be told of beforehand.
        let hit = if balancer.contains("detect") { "" } else { ", instances: 1" };
        let crash = format!("{{id: f, at: 20s, for: 5s, crash: {{node: api{hit}}}}}");
        results("60s", &client, &nodes, &crash)
    };
    for (to, balancer) in [
        ("api", "policy: random"),
        ("lb", "policy: random"),
        ("lb", "policy: round_robin"),
        ("lb", "policy: least_requests, eject: {errors: 3, for: 2s}, slow_start: 2s"),
        ("lb", "policy: power_of_d(d=2), health_check: {interval: 1s, timeout: 100ms}, panic: 50%"),
        ("lb", "policy: consistent_hash(vnodes=10), health_check: {detect: 1s}"),
    ] {
        let fixed = run("instances: 3", to, balancer);
        let rules = "autoscale: {min: 3, max: 3, target: 60%, delay: 0s, every: 1s}";
        let mut scaled = run(rules, to, balancer);
        assert_eq!(fixed["fingerprint"], scaled["fingerprint"], "{to}, {balancer}");
        assert!(number(&fixed, "nodes.api.instances.min") < 3.0, "the crash hit somebody");
        let api = scaled["nodes"]["api"].as_object_mut().unwrap();
        api.remove("scaling").expect("it has an autoscaler");
        assert_eq!(fixed["nodes"], scaled["nodes"], "{to}, {balancer}");
        assert_eq!(fixed["summary"], scaled["summary"], "{to}, {balancer}");
    }
}

#[test]
fn callers_without_a_balancer_go_to_whoever_is_there() {
    let rules =
        "autoscale: {min: 1, max: 6, target: 50%, delay: 0s, every: 5s, stabilise: 10s, drain: 2s}";
    let nodes = format!(
        "front: {{service: {{workers: 500, calls: [api]}}}}, \
         api: {{service: {{cores: 1, work: exp(mean=10ms), boot: 3s, {rules}}}}}"
    );
    let client =
        "to: front, arrivals: poisson(40/s), load: [{at: 40s, factor: 6}, {at: 120s, factor: 1}]";
    let found = results("240s", client, &nodes, "");
    let (up, down) = ("nodes.api.scaling.up", "nodes.api.scaling.down");
    assert!(number(&found, up) >= 2.0 && number(&found, down) >= 1.0, "{:?}", decided(&found));
    assert!(found["nodes"]["api"]["causes"].is_null(), "{}", found["nodes"]["api"]["causes"]);
    assert_eq!(found["summary"]["requests"]["error"], 0);
    assert!(changes(&found).last().unwrap().1 < 3.0);
}

#[test]
fn blocked_on_another_node_it_scales_in_under_overload() {
    let run = |instances: &str| {
        let nodes = format!(
            "lb: {{load_balancer: {{to: api, policy: round_robin}}}}, db: {{external: {{latency: 20ms}}}}, \
             api: {{service: {{workers: 10, cores: 1, queue: 50, endpoints: {{default: [{{work: 5ms}}, {{call: db}}]}}, \
             {instances}}}}}"
        );
        let slow = "{id: blocked, at: 60s, slow: {node: db, factor: 50}}";
        results("240s", "to: lb, arrivals: constant(400/s), timeout: 10s", &nodes, slow)
    };
    let scaled =
        |rules: &str| run(&format!("instances: 4, autoscale: {{min: 1, max: 8, {rules}}}"));
    // Ten workers that wait 1 s each leave a core nothing to do.
    let wrong = scaled("target: 50%, stabilise: 30s");
    assert_eq!(decided(&wrong).last().unwrap().2, 1.0, "{:?}", decided(&wrong));
    let right = scaled("metric: in_system, target: 2.5, stabilise: 30s");
    assert_eq!(decided(&right).last().unwrap().2, 8.0, "{:?}", decided(&right));
    let good = |found: &Value| number(found, "faults.0.availability_during");
    let fixed = run("instances: 4");
    assert!(good(&wrong) < 0.7 * good(&fixed), "{} of {}", good(&wrong), good(&fixed));
    assert!(good(&right) > 1.4 * good(&fixed), "{} of {}", good(&right), good(&fixed));
}

#[test]
fn it_flaps_if_what_it_sees_is_older_than_what_it_did() {
    let run = |rules: &str| {
        let nodes = format!(
            "lb: {{load_balancer: {{to: api, policy: round_robin}}}}, api: {{service: {{cores: 1, work: 10ms, \
             instances: 30, queue: 20, autoscale: {{min: 1, max: 60, target: 60%, {rules}}}}}}}"
        );
        results("20m", "to: lb, arrivals: constant(1000/s), timeout: 1s", &nodes, "")
    };
    let times = |found: &Value| {
        (number(found, "nodes.api.scaling.up"), number(found, "nodes.api.scaling.down"))
    };
    let calm = run("delay: 15s");
    assert_eq!(decided(&calm), [(315.0, 30.0, 17.0)]);
    assert_eq!(number(&calm, "summary.availability"), 1.0);
    let wild = run("delay: 2m, stabilise: 0s");
    let (up, down) = times(&wild);
    assert!(up >= 4.0 && down >= 4.0, "{:?}", decided(&wild));
    assert!(number(&wild, "summary.availability") < 0.9);
    // Whoever waits until the last change shows does not.
    let (up, down) = times(&run("delay: 2m, stabilise: 0s, cooldown: 150s"));
    assert!(up <= 1.0 && down <= 2.0, "{up}, {down}");
}

#[test]
fn each_figure_is_of_those_who_are_ready() {
    let first = |client: &str, service: &str, rules: &str| {
        decided(&scaled(client, service, &format!("min: 1, max: 20, {rules}"), ""))
    };
    // 150 a second each, 60 wanted.
    let rules = "metric: requests, target: 60/s";
    assert_eq!(first(STEP, "instances: 2, queue: 0", rules), [(90.0, 2.0, 5.0)]);
    // Two served at once by each, one of them waits; half as many inside are wanted.
    let twice = "arrivals: constant(100/s), load: 1";
    let rules = "metric: in_system, target: 0.25, stabilise: 0s";
    assert_eq!(first(twice, "instances: 2", rules), [(30.0, 2.0, 4.0)]);
    // Time of a visit does not depend on how many there are: each time they double.
    let doubles = [(30.0, 2.0, 4.0), (60.0, 4.0, 8.0), (90.0, 8.0, 16.0), (120.0, 16.0, 20.0)];
    assert_eq!(first(CALM, "instances: 2", "metric: response_time, target: 5ms"), doubles);
    // In the queue: 100 more each second than two can do, from 60 on; 15 s later 50 x 7.5 s each on average.
    let rules = "metric: in_queue, target: 100";
    assert_eq!(first(STEP, "instances: 2", rules)[0], (90.0, 2.0, 6.0));
    // Steps: the furthest that holds.
    let steps = "steps: [{above: 80%, add: 1}, {above: 95%, add: 3}, {below: 40%, remove: 1}], stabilise: 0s";
    assert_eq!(first(STEP, "instances: 2, queue: 5", steps)[0], (90.0, 2.0, 5.0));
    let down = [(30.0, 6.0, 5.0), (45.0, 5.0, 4.0), (60.0, 4.0, 3.0), (75.0, 3.0, 2.0)];
    assert_eq!(first(CALM, "instances: 6", steps)[..4], down);
}

#[test]
fn what_was_wanted_a_period_ago_is_wanted_ahead_of_its_time() {
    let load = "arrivals: constant(100/s), load: [{at: 60s, factor: 4}, {at: 90s, factor: 1}, \
                {at: 165s, factor: 4}, {at: 195s, factor: 1}]";
    let run = |more: &str| {
        let rules = format!("min: 2, max: 20, target: 60%, stabilise: 0s{more}");
        decided(&scaled(load, "queue: 0", &rules, ""))
    };
    assert_eq!(run("")[..3], [(90.0, 2.0, 4.0), (120.0, 4.0, 2.0), (195.0, 2.0, 4.0)]);
    // At 150 it looks at 90, one period before 195.
    let ahead = run(", predict: {period: 105s, ahead: 45s}");
    assert_eq!(ahead[..3], [(90.0, 2.0, 4.0), (120.0, 4.0, 2.0), (150.0, 2.0, 4.0)]);
}

#[test]
fn faults_hit_whoever_is_there() {
    let run = |target: &str| {
        let fault = format!("{{id: f, at: 100s, for: 30s, crash: {{node: api{target}}}}}");
        let faults = if target.is_empty() { String::new() } else { fault };
        scaled(CALM, "instances: 2", "min: 2, max: 9, target: 99%, tolerance: 50%", &faults)
    };
    let up = |found: &Value| number(found, "nodes.api.instances.min");
    let quiet = run("");
    // All there are, half of them, and one place that nobody is in.
    assert_eq!(up(&run(", instances: 2")), 0.0);
    assert_eq!(up(&run(", instances: 5")), 0.0);
    assert_eq!(up(&run(", instances: 50%")), 1.0);
    assert_eq!(up(&run(", instances: [1, 7]")), 1.0);
    let nobody = run(", instances: [5, 7]");
    assert_eq!(up(&nobody), 2.0);
    assert_eq!(nobody["fingerprint"], quiet["fingerprint"]);
    // A fault of all holds for who comes meanwhile: 2 of 3 s are left of it.
    let rules = "min: 1, max: 3, target: 99%, schedule: [{at: 110s, min: 3}]";
    let fault = "{id: f, at: 100s, for: 30s, slow: {node: api, factor: 3}}";
    let found = scaled("arrivals: constant(20/s)", "instances: 1", rules, fault);
    assert!(
        (number(&found, "nodes.api.service_time.mean") - (0.01 * 240.0 + 0.02 * 30.0) / 240.0)
            .abs()
            < 1e-5
    );
}

#[test]
fn one_that_comes_knows_nothing() {
    // One key: whoever has not seen it has to fetch it once.
    let nodes = "lb: {load_balancer: {to: api, policy: round_robin}}, db: {store: {read: 1ms}}, \
                 local: {cache: {capacity: 10, in: api}}, api: {service: {cores: 1, endpoints: \
                 {default: [{work: 1ms}, {read: {from: db, cache: local}}]}, autoscale: {min: 1, max: 3, target: 99%, \
                 drain: 1s, schedule: [{at: 60s, min: 3}, {at: 120s, max: 1}, {at: 180s, min: 3}]}}}";
    let found = results("240s", "to: lb, arrivals: constant(10/s), keys: uniform(n=1)", nodes, "");
    let counts: Vec<f64> = decided(&found).iter().map(|change| change.2).collect();
    assert_eq!(counts, [3.0, 1.0, 3.0]);
    assert_eq!(found["nodes"]["local"]["misses"], 5);
    let there = number(&found, "nodes.api.instances.mean");
    assert_eq!(number(&found, "nodes.local.instances.mean"), there);
    assert!((there - (240.0 + 2.0 * 61.0 + 2.0 * 60.0) / 240.0).abs() < 1e-9);
}

#[test]
fn one_that_goes_takes_no_more_messages() {
    let nodes = "orders: {queue: {visibility: 30s}}, api: {service: {cores: 1, workers: 2, work: 50ms, \
                 consumes: orders, autoscale: {min: 1, max: 4, target: 60%, drain: 5s, \
                 schedule: [{at: 60s, min: 4}, {at: 120s, max: 1}]}}}";
    let found = results("240s", "to: orders, arrivals: constant(10/s)", nodes, "");
    assert_eq!(changes(&found), [(0.0, 1.0), (60.0, 4.0), (125.0, 1.0)]);
    // Those that came took their part, and let go of nothing.
    let each = found["nodes"]["api"]["per_instance"].as_array().unwrap();
    assert!(each[1..].iter().all(|one| number(one, "throughput") > 0.1), "{each:?}");
    assert!(found["nodes"]["api"]["causes"].is_null(), "{}", found["nodes"]["api"]["causes"]);
    let orders = &found["nodes"]["orders"];
    assert_eq!(number(orders, "redelivered"), 0.0);
    assert!(number(orders, "published") - number(orders, "acked") <= 2.0, "{orders}");
}

#[test]
fn alerts_and_objectives_know_how_many_there_are() {
    let nodes = "api: {service: {cores: 1, work: 1ms, autoscale: {min: 1, max: 5, target: 99%, drain: 0s, \
                 schedule: [{at: 60s, min: 5}, {at: 120s, min: 1, max: 1}]}}}";
    let text = format!(
        "windtunnel: 1\nname: many\nduration: 240s\nclients: {{load: {{to: api, arrivals: constant(9/s)}}}}\n\
         nodes: {{{nodes}}}\nalerts: {{many: {{when: instances(node=api window=15s) > 4.9}}}}\n\
         slos: [max(instances node=api window=10s) <= 5, mean(instances node=api window=10s) <= 2.1, \
         nodes.api.instances.max <= 4, nodes.api.scaling.up <= 1]\n"
    );
    let found = crate::design::results_of(&text, 1);
    assert_eq!(number(&found, "alerts.0.fired"), 75.0);
    let slos = found["slos"].as_array().unwrap();
    let values: Vec<f64> = slos.iter().map(|slo| number(slo, "estimate")).collect();
    assert_eq!(values, [5.0, 2.0, 5.0, 1.0]);
}

#[test]
fn nobody_decides_while_whoever_does_is_away() {
    let run = |fault: &str| {
        let nodes = "lb: {load_balancer: {to: api, policy: round_robin}}, mon: {service: {cores: 1, work: 1ms}}, \
                     api: {service: {cores: 1, work: 10ms, instances: 6, autoscale: {min: 1, max: 6, target: 60%, \
                     stabilise: 0s, delay: 0s, by: mon}}}";
        let faults = format!("{{id: f, at: 10s, for: 70s, {fault}}}");
        decided(&results("240s", &format!("to: lb, {CALM}"), nodes, &faults))
    };
    // What was to be read from 15 to 75 was not; the first whole window after that is [90, 105].
    for fault in [
        "crash: {node: mon}",
        "pause: {node: mon}",
        "partition: {between: [[mon], [api]]}",
        "partition: {from: [api], to: [mon]}",
    ] {
        assert_eq!(run(fault), [(105.0, 6.0, 2.0)], "{fault}");
    }
    for fault in ["slow: {node: mon, factor: 9}", "partition: {between: [[mon], [lb]]}"] {
        assert_eq!(run(fault), [(15.0, 6.0, 2.0)], "{fault}");
    }
}

#[test]
fn a_planned_change_has_it_go_by_other_rules_or_by_none() {
    let run = |times: &str, set: &str| {
        let fault = format!("{{id: f, {times}, set: {{nodes.api.service.autoscale{set}}}}}");
        let rules = "min: 1, max: 6, target: 60%, stabilise: 0s, delay: 0s";
        decided(&scaled(CALM, "instances: 6", rules, &fault))
    };
    assert_eq!(run("at: 10s, for: 70s", ": none"), [(90.0, 6.0, 2.0)]);
    assert_eq!(run("at: 10s", ": none"), []);
    assert_eq!(run("at: 10s", ".min: 4"), [(15.0, 6.0, 4.0)]);
    assert_eq!(run("at: 100s", ".min: 5"), [(15.0, 6.0, 2.0), (105.0, 2.0, 5.0)]);
    assert_eq!(run("at: 12s", ".every: 40s"), [(40.0, 6.0, 2.0)]);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn what_cannot_be_meant_is_refused() {
    let good = GOOD.replace("cores: 1", "cores: 1, autoscale: {min: 1, max: 9, target: 60%}");
    assert_eq!(told(good.as_bytes()), Vec::<String>::new());
    let rules = "min: 1, max: 9, target: 60%";
    check_in(
        &good,
        &[
            (
                "B80 min",
                rules,
                "min: 10, max: 9, target: 60%",
                "6:55 E-RANGE",
                "at least 10 and at most 9",
            ),
            (
                "zero",
                rules,
                "min: 0, max: 9, target: 60%",
                "6:55 E-CONFLICT",
                "none would ever come",
            ),
            ("max", rules, "min: 1, max: 99k, target: 60%", "6:63 E-BUDGET", "60000"),
            ("no max", rules, "min: 1, target: 60%", "6:38 E-MISSING", "`max`"),
            ("nothing", rules, "min: 1, max: 9", "6:38 E-MISSING", "nothing says when"),
            ("none", rules, "min: 1, max: 9, target: 0%", "6:74 E-RANGE", "above 0"),
            ("no unit", rules, "min: 1, max: 9, target: 60", "6:74 E-UNIT", "a share: `60%`"),
            (
                "rate",
                rules,
                "min: 1, max: 9, target: 60/s",
                "6:74 E-UNIT",
                "`60/s` is not in the unit",
            ),
            (
                "share",
                rules,
                "min: 1, max: 9, metric: requests, target: 60%",
                "6:92 E-UNIT",
                "a rate",
            ),
            (
                "time",
                rules,
                "min: 1, max: 9, metric: in_queue, target: 60ms",
                "6:92 E-UNIT",
                "a number",
            ),
            (
                "count",
                rules,
                "min: 1, max: 9, metric: response_time, target: 8",
                "6:97 E-UNIT",
                "a time",
            ),
            (
                "depth",
                rules,
                "min: 1, max: 9, metric: age(q), target: 8s",
                "6:74 E-REF",
                "there is no queue",
            ),
            (
                "B80 metric",
                rules,
                "min: 1, max: 9, metric: cpu, target: 60%",
                "6:74 E-ENUM",
                "unknown metric",
            ),
            (
                "wide",
                rules,
                "min: 1, max: 9, target: 60%, tolerance: 100%",
                "6:90 E-RANGE",
                "never scale in",
            ),
            ("every", rules, "min: 1, max: 9, target: 60%, every: 0s", "6:86 E-RANGE", "above 0"),
            ("window", rules, "min: 1, max: 9, target: 60%, window: 0s", "6:87 E-RANGE", "above 0"),
            (
                "back",
                rules,
                "min: 1, max: 9, target: 60%, every: 1ms, delay: 9s",
                "6:38 E-BUDGET",
                "looks back",
            ),
            (
                "late",
                rules,
                "min: 1, max: 9, target: 60%, delay: 100s",
                "6:38 W-LATE",
                "before it could decide",
            ),
            (
                "up",
                rules,
                "min: 1, max: 9, target: 60%, up: limit(count=0 per=1s)",
                "6:83 E-RANGE",
                "ever change",
            ),
            (
                "down",
                rules,
                "min: 1, max: 9, target: 60%, down: limit(count=1 per=0s)",
                "6:85 E-RANGE",
                "`per`",
            ),
            (
                "limit",
                rules,
                "min: 1, max: 9, target: 60%, up: 3",
                "6:83 E-ENUM",
                "unknown limit `3`",
            ),
            (
                "both",
                rules,
                "min: 1, max: 9, target: 60%, steps: [{above: 80%, add: 1}]",
                "6:79 E-CONFLICT",
                "`target`",
            ),
            (
                "step",
                rules,
                "min: 1, max: 9, steps: [{above: 80%, remove: 1}]",
                "6:75 E-CONFLICT",
                "`above` and `add`",
            ),
            (
                "step unit",
                rules,
                "min: 1, max: 9, steps: [{above: 80/s, add: 1}]",
                "6:82 E-UNIT",
                "a share",
            ),
            (
                "step none",
                rules,
                "min: 1, max: 9, steps: [{above: 80%, add: 0}]",
                "6:92 E-RANGE",
                "at least 1",
            ),
            (
                "places",
                rules,
                "min: 1, max: 9, target: 60%, schedule: [{at: 9s, max: 10}]",
                "6:104 E-RANGE",
                "9 places",
            ),
            (
                "bounds",
                rules,
                "min: 1, max: 9, target: 60%, schedule: [{at: 9s, min: 5, max: 4}]",
                "6:91 E-RANGE",
                "between",
            ),
            (
                "period",
                rules,
                "min: 1, max: 9, target: 60%, schedule: [{at: 9s, every: 9s}]",
                "6:95 E-RANGE",
                "period is over",
            ),
            (
                "ahead",
                rules,
                "min: 1, max: 9, target: 60%, predict: {period: 9s, ahead: 9s}",
                "6:79 E-RANGE",
                "one period",
            ),
            (
                "long",
                rules,
                "min: 1, max: 9, target: 60%, predict: {period: 100s, ahead: 9s}",
                "6:79 W-LATE",
                "period",
            ),
            (
                "hold",
                rules,
                "min: 1, max: 9, target: 60%, hold: 9",
                "6:85 E-CONFLICT",
                "there is always an instance",
            ),
            (
                "hold of none",
                rules,
                "min: 0, max: 9, target: 60%, hold: 0",
                "6:85 E-RANGE",
                "at least 1",
            ),
            (
                "no places at night",
                rules,
                "min: 0, max: 9, target: 60%, hold: 9, schedule: [{at: 1h, max: 0}]",
                "6:113 E-RANGE",
                "at least 1",
            ),
            (
                "by",
                rules,
                "min: 1, max: 9, target: 60%, by: serve",
                "6:83 E-REF",
                "unknown node `serve`",
            ),
            (
                "B80 flap",
                rules,
                "min: 1, max: 9, target: 60%, stabilise: 0s",
                "6:38 W-FLAP",
                "last change",
            ),
            ("start", "cores: 1,", "cores: 1, instances: 10,", "6:49 E-RANGE", "not in 1..=9"),
        ],
    );
    for (fault, phrase) in [
        ("deploy: {node: server, set: {autoscale.min: 2}}", "`autoscale` cannot change"),
        ("set: {nodes.server.service.autoscale.max: 10}", "only 9 places"),
        ("set: {nodes.server.service.autoscale.min: 10}", "nothing is between"),
        ("crash: {node: server, instances: 10}", "10 is not in 1..=9"),
        ("set: {nodes.server.service.autoscale: {min: 2}}", "`max` is missing"),
    ] {
        let text = format!("{good}faults: [{{id: f, at: 20s, for: 9s, {fault}}}]\n");
        let told = told(text.as_bytes());
        assert!(told.iter().any(|line| line.contains(phrase)), "{fault}: {told:#?}");
    }
    let zones = good.replace("cores: 1,", "cores: 1, zones: {a: 2},");
    let told = told(format!("{zones}topology: {{regions: {{here: [a]}}}}\n").as_bytes());
    assert!(told.iter().any(|line| line.contains("and so does `autoscale`")), "{told:#?}");
}
