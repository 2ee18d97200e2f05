//! Instances that are bought in several ways: who is taken, when, what comes in its place, and what that costs.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{design, number, results, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// A service with one spot instance that is taken 100 s after it was ready, told 30 s before, and boots in 10 s.
fn one(more: &str, client: &str, duration: &str) -> Value {
    let nodes = format!(
        "app: {{service: {{cores: 1, work: 1ms, boot: 10s, {more}\
         purchase: {{spot: {{price: $0.03/h, reclaim: 100s, notice: 30s}}}}}}}}"
    );
    results(duration, &format!("{client}, to: app"), &nodes, "")
}

fn unavailable(found: &Value) -> f64 {
    number(found, "summary.requests.unavailable")
}

fn hours(found: &Value, class: &str) -> f64 {
    number(found, &format!("nodes.app.purchase.{class}.instance_hours"))
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "{found}, not {expected}");
}

#[test]
fn one_is_told_replaced_and_gone() {
    let found = one("", "arrivals: constant(1/s)", "400s");
    // Told at 70 s; the next one is ready at 80 s and told at 150 s, and so on: ten seconds of each 80.
    assert_eq!(unavailable(&found), 50.0);
    assert_eq!(number(&found, "nodes.app.purchase.spot.reclaims"), 5.0);
    // Paid for from the start of the boot until it is gone: 100 s, thrice 110 s, and what is left of two at the end.
    close(hours(&found, "spot") * 3600.0, 100.0 + 3.0 * 110.0 + 90.0 + 10.0);
    let paid = 0.03 * (530.0 / 400.0) * 730.0;
    close(number(&found, "nodes.app.cost.hours"), paid);
    // Up until it is gone, though nobody new comes: 0 to 100, 80 to 180, 160 to 260, 240 to 340 and 320 to 400 s.
    close(number(&found, "nodes.app.instances.mean"), 480.0 / 400.0);
    // What is to be had later comes later.
    let nodes = "app: {service: {cores: 1, work: 1ms, boot: 10s, purchase: {spot: {price: $0.03/h, reclaim: 100s, notice: 30s, refill: 20s}}}}";
    let found = results("400s", "arrivals: constant(1/s), to: app", nodes, "");
    // Told at 70, 170, 270 and 370 s, and 30 s until the next one is ready: in place of the last one at the very end.
    assert_eq!(unavailable(&found), 120.0);
    close(hours(&found, "spot") * 3600.0, 100.0 + 3.0 * 110.0 + 10.0);
}

#[test]
fn what_is_inside_has_as_long_as_the_notice() {
    // Begun just before the notice: 29 s of work are done in time, 31 s are lost without a word.
    let run = |work: &str| {
        let nodes = format!(
            "app: {{service: {{cores: 1, work: {work}, boot: 10s, \
             purchase: {{spot: {{price: $0.03/h, reclaim: 100s, notice: 30s}}}}}}}}"
        );
        results(
            "130s",
            "arrivals: schedule(every=1h at=69900ms), to: app, timeout: 60s",
            &nodes,
            "",
        )
    };
    assert_eq!(number(&run("29s"), "summary.requests.ok"), 1.0);
    let found = run("31s");
    assert_eq!(number(&found, "summary.requests.timeout"), 1.0);
    assert_eq!(number(&found, "summary.requests.error"), 0.0);
}

#[test]
fn in_rotation_is_what_renewal_theory_says() {
    // Taken after an exponential time of mean m, told n before: in rotation m e^(-n/m) of m e^(-n/m) + boot; up, and
    // paid for, longer by what is left of the notice.
    let (m, n, boot) = (600.0_f64, 120.0, 60.0);
    let nodes = "app: {service: {cores: 1, work: 1ms, boot: 60s, purchase: {spot: {price: $0.03/h, reclaim: exp(mean=600s)}}}}";
    let found = results("60d", "arrivals: constant(0.2/s), to: app", nodes, "");
    let there = m * f64::exp(-n / m);
    let share = unavailable(&found) / number(&found, "summary.requests.issued");
    let expected = boot / (there + boot);
    assert!((share / expected - 1.0).abs() < 0.03, "{share}, not {expected}");
    let up = number(&found, "nodes.app.instances.mean");
    assert!((up / (m / (there + boot)) - 1.0).abs() < 0.02, "{up}");
    let paid = hours(&found, "spot") / (60.0 * 24.0);
    assert!((paid / ((m + boot) / (there + boot)) - 1.0).abs() < 0.02, "{paid}");
    let taken = number(&found, "nodes.app.purchase.spot.reclaims");
    assert!((taken / (60.0 * 86400.0 / (there + boot)) - 1.0).abs() < 0.02, "{taken}");
}

const MIXED: &str = "purchase: {reserved: {count: 4, price: $0.06/h}, spot: {share: 50%, price: $0.03/h, reclaim: 1000h}, \
                     on_demand: {price: $0.10/h}}";

#[test]
fn the_first_are_reserved_the_rest_is_shared() {
    let nodes = format!("app: {{service: {{instances: 10, cores: 1, work: 1ms, {MIXED}}}}}");
    let found = results("1h", "arrivals: constant(1/s), to: app", &nodes, "");
    for (class, there) in [("reserved", 4.0), ("spot", 3.0), ("on_demand", 3.0)] {
        close(hours(&found, class), there);
    }
    close(number(&found, "nodes.app.cost.hours"), (4.0 * 0.06 + 3.0 * 0.03 + 3.0 * 0.1) * 730.0);
    close(number(&found, "nodes.app.instances.mean"), 10.0);
    assert_eq!(number(&found, "nodes.app.instances.max"), 10.0);
    // Without a market nobody comes or goes, and the bill is the same.
    let nodes = nodes.replace("spot: {share: 50%, price: $0.03/h, reclaim: 1000h}, ", "");
    let found = results("1h", "arrivals: constant(1/s), to: app", &nodes, "");
    close(number(&found, "nodes.app.cost.hours"), (4.0 * 0.06 + 6.0 * 0.1) * 730.0);
    close(hours(&found, "on_demand"), 6.0);
}

#[test]
fn an_autoscaler_buys_what_is_missing() {
    // Two at first, which are reserved; ten from 1,000 s on, two again from 2,000 s on.
    let scaled = "autoscale: {min: 2, max: 10, metric: requests, target: 1000/s, every: 10s, delay: 0s, stabilise: 0s, drain: 0s, \
                  up: limit(count=8 per=1s), down: limit(count=8 per=1s), \
                  schedule: [{at: 1000s, min: 10}, {at: 2000s, min: 2, max: 2}]}";
    let nodes = format!("app: {{service: {{cores: 1, work: 1ms, {scaled}, {MIXED}}}}}");
    let found = results("3000s", "arrivals: constant(1/s), to: app", &nodes, "");
    // Ten for a thousand seconds: two more reserved ones, then the spot market and on demand in turn. The newest go first.
    close(hours(&found, "reserved") * 3600.0, 2.0 * 3000.0 + 2.0 * 1000.0);
    close(hours(&found, "spot") * 3600.0, 3.0 * 1000.0);
    close(hours(&found, "on_demand") * 3600.0, 3.0 * 1000.0);
    // All four reserved ones are paid for all the time.
    let paid = 4.0 * 0.06 + (3.0 * 0.03 + 3.0 * 0.1) / 3.0;
    close(number(&found, "nodes.app.cost.hours"), paid * 730.0);
}

#[test]
fn who_is_not_wanted_any_more_is_not_replaced() {
    let run = |max: &str| {
        let scaled = format!(
            "autoscale: {{min: 2, max: 4, metric: requests, target: 1000/s, every: 10s, delay: 0s, stabilise: 1h, \
             schedule: [{{at: 95s, {max}}}]}}"
        );
        let nodes = format!(
            "app: {{service: {{instances: 4, cores: 1, work: 1ms, boot: 5s, {scaled}, \
             purchase: {{spot: {{price: $0.03/h, reclaim: 100s, notice: 30s, refill: 60s}}}}}}}}"
        );
        results("160s", "arrivals: constant(10/s), to: app", &nodes, "")
    };
    // All four are told at 70 s and gone at 100 s; four others come at 130 s and are ready at 135 s.
    let found = run("min: 4");
    close(hours(&found, "spot") * 3600.0, 4.0 * 100.0 + 4.0 * 30.0);
    // Told by then that two are enough, it calls two of those off who have yet to come.
    let found = run("max: 2");
    close(hours(&found, "spot") * 3600.0, 4.0 * 100.0 + 2.0 * 30.0);
    assert_eq!(unavailable(&found), 650.0);
}

/// Four spot instances in two zones, which nobody would take by himself.
fn four(fault: &str) -> Value {
    let text = design(
        "300s",
        "arrivals: constant(10/s), to: app, zones: [a]",
        "app: {service: {instances: 4, zones: [a, b], cores: 1, work: 1ms, boot: 10s, \
         purchase: {spot: {price: $0.03/h, reclaim: 1000h, notice: 30s}}}}",
        fault,
    );
    let text = text.replace("clients:", "topology: {regions: {r: [a, b]}}\nclients:");
    results_of(&text, 1)
}

#[test]
fn a_market_takes_several_at_once_and_has_none_for_a_while() {
    let taken = |found: &Value| number(found, "nodes.app.purchase.spot.reclaims");
    let quiet = four("");
    assert_eq!(taken(&quiet), 0.0);
    // Drawn are those there are to be, not the places of those who leave.
    let drawn = &quiet["design"]["vertices"].as_array().unwrap();
    let app = drawn.iter().find(|vertex| vertex["name"] == "app").unwrap();
    assert_eq!(app["zones"], serde_json::json!([["a", 2], ["b", 2]]));
    // All at 50 s, and none comes for 100 s: nobody is there until 160 s.
    let found = four("{id: crunch, at: 50s, for: 100s, reclaim: {node: app}}");
    assert_eq!((taken(&found), unavailable(&found)), (4.0, 1100.0));
    close(hours(&found, "spot") * 3600.0, 4.0 * 80.0 + 4.0 * 150.0);
    // A mere taking: they are back when they have booted.
    let found = four("{id: crunch, at: 50s, for: 1s, reclaim: {node: app}}");
    assert_eq!((taken(&found), unavailable(&found)), (4.0, 110.0));
    // Half of them; those who come instead have places that nobody was taken from.
    let found = four("{id: crunch, at: 50s, for: 100s, reclaim: {node: app, instances: 50%}}");
    assert_eq!((taken(&found), unavailable(&found)), (2.0, 0.0));
    close(hours(&found, "spot") * 3600.0, 2.0 * 300.0 + 2.0 * 80.0 + 2.0 * 250.0);
    // Those of a zone; others come in the other one.
    let found = four("{id: crunch, at: 50s, for: 100s, reclaim: {zone: a}}");
    assert_eq!((taken(&found), unavailable(&found)), (2.0, 0.0));
    close(hours(&found, "spot") * 3600.0, 2.0 * 300.0 + 2.0 * 80.0 + 2.0 * 250.0);
    // Reserved ones are nobody's to take.
    let mixed = design(
        "300s",
        "arrivals: constant(10/s), to: app",
        &format!("app: {{service: {{instances: 6, cores: 1, work: 1ms, {MIXED}}}}}"),
        "{id: crunch, at: 50s, for: 250s, reclaim: {node: app}}",
    );
    let found = results_of(&mixed, 1);
    assert_eq!((taken(&found), unavailable(&found)), (1.0, 0.0));
    close(hours(&found, "reserved"), 4.0 * 300.0 / 3600.0);
}

#[test]
fn balancers_and_consumers_hear_of_it() {
    // Nobody is sent to one that was told to go, with or without a balancer; nothing fails.
    let text = "\
windtunnel: 1
name: shop
duration: 2000s
seed: 5
clients: {users: {arrivals: poisson(20/s), to: lb, timeout: 1s}}
nodes:
  lb: {load_balancer: {to: app, policy: round_robin}}
  app: {service: {instances: 6, workers: 8, cores: 1, work: exp(mean=20ms), boot: 20s, endpoints: {}, \
purchase: {spot: {share: 50%, price: $0.03/h, reclaim: exp(mean=200s), notice: 30s}, on_demand: {price: $0.1/h}}}}
";
    let text = text.replace("endpoints: {}, ", "");
    let found = results_of(&text, 1);
    assert!(number(&found, "nodes.app.purchase.spot.reclaims") > 10.0);
    assert_eq!(number(&found, "summary.availability"), 1.0);
    assert_same(&bytes_of_run(&text, "--jobs 1"), &bytes_of_run(&text, "--jobs 2"));
}

const FLEET: &str = "\
windtunnel: 1
name: fleet
duration: 1000s
clients: {load: {arrivals: poisson(9/s), to: app, timeout: 1s}}
nodes:
  app: {service: {instances: 4, cores: 1, work: 1ms, purchase: {reserved: {count: 2, price: $0.06/h}, spot: {share: 50%, price: $0.03/h, reclaim: exp(mean=1h), notice: 2m}, on_demand: {price: $0.1/h}}}}
faults:
  - {id: crunch, at: 5s, for: 9s, reclaim: {node: app}}
";

#[test]
fn what_is_wrong_with_a_purchase_is_told() {
    assert_eq!(told(FLEET.as_bytes()), Vec::<String>::new());
    check_in(
        FLEET,
        &[
            (
                "B50",
                "work: 1ms,",
                "work: 1ms, price: $0.1/h,",
                "6:61 E-CONFLICT",
                "`purchase` says",
            ),
            ("B50", "count: 2", "count: 5", "6:83 E-RANGE", "5 are reserved of 4"),
            ("B50", "count: 2", "count: 0", "6:83 E-RANGE", "at least 1"),
            ("B50", "share: 50%", "share: 0%", "6:117 E-RANGE", "above 0"),
            ("B50", "share: 50%", "share: 120%", "6:117 E-RANGE", "120"),
            ("B50", "share: 50%", "share: 10%", "6:103 W-UNUSED", "of 4 instances none"),
            ("B50", " reclaim: exp(mean=1h),", "", "6:103 E-MISSING", "reclaim"),
            ("B50", "exp(mean=1h)", "exp(mean=1ms)", "6:147 E-BUDGET", "a longer `reclaim`"),
            ("B50", ", on_demand: {price: $0.1/h}", "", "6:54 E-MISSING", "1 of 4 instances"),
            ("B50", "share: 50%, ", "", "6:162 W-UNUSED", "leave it out"),
            ("B50", "price: $0.03/h, ", "", "6:103 E-MISSING", "price"),
            ("B50", "notice: 2m", "notice: 2", "6:169 E-UNIT", "2"),
            ("B50", "notice: 2m", "notive: 2m", "6:161 E-UNKNOWN-KEY", "notice"),
            ("B50", "reclaim: {node: app}", "reclaim: {node: lb}", "8:51 E-REF", "lb"),
            (
                "B50",
                "reclaim: {node: app}",
                "reclaim: {node: app, factor: 2}",
                "8:64 E-FAULT",
                "factor",
            ),
            (
                "B50",
                "at: 5s, for: 9s",
                "mtbf: 5s, mttr: 9s",
                "8:6 E-FAULT-TIME",
                "taken all the time",
            ),
            ("B50", "for: 9s", "for: 9s, stagger: 1s", "8:44 E-FAULT", "recover one by one"),
        ],
    );
    let plain = FLEET.replace(
        "purchase: {",
        "price: $0.1/h}}\n  other: {service: {cores: 1, work: 1ms, purchase: {",
    );
    assert!(told(plain.as_bytes()).iter().any(|line| line.contains("`app` has no spot instances")));
}
