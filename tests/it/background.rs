//! What services do by themselves: runs that nobody asked for, and the leases they renew.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{design, number, results, results_of},
};

/// Ten instances that renew a lease every 10 s, each renewal 100 ms of work and a call of 10 ms.
fn renewing(instances: u64, more: &str, faults: &str) -> Value {
    let nodes = format!(
        "app: {{service: {{instances: {instances}, cores: 1, work: 1ms, \
         background: [{{every: 10s, do: [{{work: 100ms}}, {{call: meta}}]{more}}}], \
         dependencies: {{meta: {{timeout: 1s}}}}}}}}, \
         meta: {{service: {{cores: 1, work: 10ms}}}}"
    );
    results("100s", "arrivals: constant(10/s), to: app, timeout: 5s", &nodes, faults)
}

#[test]
fn a_run_works_and_calls_but_is_no_visit() {
    let found = renewing(5, "", "");
    // Each of five instances begins in the first period and runs ten times in 100 s.
    assert_eq!(number(&found, "nodes.meta.throughput") * 100.0, 50.0);
    let visits = number(&found, "nodes.app.throughput") * 100.0;
    assert_eq!(visits, number(&found, "summary.requests.ok"));
    // 999 requests of 1 ms and 50 runs of 100 ms on five cores.
    let utilisation = number(&found, "nodes.app.utilisation");
    assert!((utilisation - (0.999 + 5.0) / 500.0).abs() < 1e-9, "{utilisation}");
    // Requests wait for the core the runs take, and nothing else happens to them.
    assert_eq!(number(&found, "summary.availability"), 1.0);
    // Who comes as a run begins waits for 100 ms of it, then has 1 ms of work, and so has who came just before.
    let longest = number(&found, "summary.latency.max");
    assert!((0.05..=0.102).contains(&longest), "{longest}");
    assert!(number(&found, "summary.latency.p50") < 0.0011);
}

#[test]
fn without_its_lease_an_instance_refuses() {
    let cut = "{id: cut, at: 30s, for: 40s, partition: {link: [app, meta]}}";
    let found = renewing(50, ", lease: 25s", cut);
    // The last renewal before the cut, at t, was good until t + 25.11 s; the next that succeeds is over at
    // t + 50.11 s: 25 s of every 100 s, at every instance.
    let refused = number(&found, "summary.requests.unavailable");
    assert!((refused - 250.0).abs() < 15.0, "{refused}");
    assert_eq!(number(&found, "nodes.app.causes.no_lease"), refused);
    assert_eq!(number(&found, "nodes.app.causes.background_failed"), 4.0 * 50.0);
    // A cut in which each misses one renewal harms nobody.
    let short = "{id: cut, at: 30s, for: 9s, partition: {link: [app, meta]}}";
    let found = renewing(50, ", lease: 25s", short);
    assert_eq!(number(&found, "summary.availability"), 1.0);
}

#[test]
fn what_is_done_by_itself_can_change() {
    // Whoever operates it makes leases longer while the cut lasts, and the period once it is over.
    let glass = "{id: cut, at: 30s, for: 40s, partition: {link: [app, meta]}}, \
                 {id: glass, at: 30s, for: 45s, set: {\"nodes.app.service.background[0].lease\": 10m}}, \
                 {id: slower, at: 80s, set: {\"nodes.app.service.background[0].every\": 20s}}";
    let found = renewing(50, ", lease: 25s", glass);
    // From 75 s on a half has not renewed its lease yet.
    let refused = number(&found, "summary.requests.unavailable");
    assert!((5.0..25.0).contains(&refused), "{refused}");
    // Three runs of each before the cut, one after it, one that was waited for when the period changed.
    let runs = number(&found, "nodes.meta.throughput") * 100.0;
    assert!((runs - 250.0).abs() < 5.0, "{runs}");
    let more = "{id: more, at: 30s, set: {nodes.app.service.background: [{every: 1s, do: [{work: 1ms}]}, \
                {every: 1s, do: [{work: 1ms}]}]}}";
    let nodes =
        "app: {service: {cores: 1, work: 1ms, background: [{every: 10s, do: [{work: 1ms}]}]}}";
    let told = told(design("100s", "arrivals: constant(10/s), to: app", nodes, more).as_bytes());
    assert!(told[0].contains("E-FAULT-TARGET") && told.len() == 1, "{told:?}");
}

#[test]
fn a_process_begins_without_its_lease() {
    let crash = "{id: crash, at: 50s, for: 1s, crash: {node: app, process: true}}";
    let found = renewing(50, ", lease: 25s", crash);
    // At 51 s fifty ask at once for what takes 10 ms each: 25 ms + 100 ms later in the mean.
    assert!(number(&found, "nodes.app.causes.no_lease") >= 1.0);
    let longest = number(&found, "nodes.meta.response_time.max");
    assert!((longest - 0.5).abs() < 1e-6, "{longest}");
    // From then on they ask together every 10 s, at 51, 61 .. 91 s; before, each at its own time.
    let waited = number(&found, "nodes.meta.waiting_time.mean");
    let herd = 5.0 * 50.0 * (0.01 * 49.0 / 2.0) / (5.0 * 50.0 + 5.0 * 50.0);
    assert!((waited - herd).abs() < 0.01, "{waited} for {herd}");
}

#[test]
fn a_period_with_jitter_parts_a_herd_again() {
    let run = |every: &str| {
        let nodes = format!(
            "app: {{service: {{instances: 50, cores: 1, work: 1ms, \
             background: [{{every: {every}, do: [{{call: meta}}]}}]}}}}, \
             meta: {{service: {{cores: 1, work: 10ms}}}}"
        );
        let crash = "{id: crash, at: 10s, for: 1s, crash: {node: app, process: true}}";
        let text = design("500s", "arrivals: constant(10/s), to: app", &nodes, crash);
        results_of(&text.replace("duration: 500s", "duration: 500s\nwarm_up: 200s"), 1)
    };
    let together = run("10s");
    assert!((number(&together, "nodes.meta.waiting_time.mean") - 0.245).abs() < 1e-6);
    let apart = run("uniform(5s 15s)");
    assert!(number(&apart, "nodes.meta.waiting_time.mean") < 0.02);
}

#[test]
fn a_run_ends_before_the_next_begins() {
    let nodes = "app: {service: {cores: 1, work: 1ms, background: [{every: 1s, do: [{wait: 2500ms}, {call: meta}]}]}}, \
                 meta: {service: {cores: 1, work: 10ms}}";
    let found = results("100s", "arrivals: constant(1/s), to: app", nodes, "");
    // One every 2.51 s, the first within the first second.
    let runs = number(&found, "nodes.meta.throughput") * 100.0;
    assert!((39.0..=40.0).contains(&runs), "{runs}");
    // A paused instance stands still, and goes on with what was due.
    let pause = "{id: p, at: 20s, for: 60s, pause: {node: app}}";
    let paused = results("100s", "arrivals: constant(1/s), to: app", nodes, pause);
    let runs = number(&paused, "nodes.meta.throughput") * 100.0;
    assert!((15.0..=17.0).contains(&runs), "{runs}");
}

#[test]
fn health_checks_see_a_lost_lease() {
    let nodes = "lb: {load_balancer: {to: app, health_check: {interval: 1s, timeout: 500ms, fall: 1, rise: 1}}}, \
                 app: {service: {instances: 2, cores: 1, work: 1ms, \
                 background: [{every: 2s, lease: 5s, do: [{call: meta}]}], dependencies: {meta: {timeout: 1s}}}}, \
                 meta: {service: {cores: 1, work: 10ms}}";
    let down = "{id: down, at: 20s, for: 20s, crash: {node: meta}}";
    let found = results("60s", "arrivals: constant(10/s), to: lb", nodes, down);
    assert_eq!(number(&found, "nodes.lb.causes.marked_down"), 2.0);
    assert_eq!(number(&found, "nodes.lb.causes.marked_up"), 2.0);
    // Within a second the balancer knows and refuses by itself.
    assert!(number(&found, "nodes.app.causes.no_lease") < 15.0);
    assert!(number(&found, "summary.requests.unavailable") > 100.0);
}

#[test]
fn instances_talk_among_themselves() {
    let nodes = "app: {service: {instances: 3, cores: 1, endpoints: {default: [{work: 1ms}], \
                 background: [{work: 5ms}]}, background: [{every: 1s, do: [{call: app}]}]}}";
    let found = results("100s", "arrivals: constant(1/s), to: app", nodes, "");
    // 99 requests and 300 calls of one another.
    assert_eq!(number(&found, "nodes.app.throughput") * 100.0, 399.0);
    let again = results("100s", "arrivals: constant(1/s), to: app", nodes, "");
    assert_eq!(found, again);
}

#[test]
fn what_nobody_would_notice_is_told() {
    let text = |check: &str, faults: &str| {
        let nodes = format!(
            "lb: {{load_balancer: {{to: app, health_check: {{{check}}}}}}}, \
             app: {{service: {{cores: 1, work: 1ms, background: [{{every: 1s, lease: 3s, do: [{{call: meta}}]}}]}}}}, \
             meta: {{service: {{cores: 1, work: 1ms}}}}"
        );
        design("100s", "arrivals: poisson(9/s), to: lb, timeout: 1s", &nodes, faults)
    };
    let warned = |text: &str| -> Vec<String> {
        let all = told(text.as_bytes());
        all.iter().map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(warned(&text("interval: 1s", "")), Vec::<String>::new());
    // Only probes see that a lease is lost, and a run that waits for a lost message waits for ever.
    assert_eq!(warned(&text("detect: 1s", "")), ["W-DETECT"]);
    let cut = "{id: cut, at: 5s, for: 5s, partition: {link: [app, meta]}}";
    assert_eq!(warned(&text("interval: 1s", cut)), ["W-NO-TIMEOUT"]);
}

/// Three instances that work a second by themselves and then call, every 10 s at 3 s, for 100 s.
fn nightly_text(more: &str, rest: &str) -> String {
    format!(
        "app: {{service: {{instances: 3, cores: 2, work: 1ms, \
         background: [{{every: 10s, at: 3s, do: [{{work: 1s}}, {{call: meta}}]{more}}}]{rest}}}}}, \
         meta: {{service: {{cores: 1, work: 10ms}}}}"
    )
}

fn nightly(more: &str, rest: &str, faults: &str) -> Value {
    let nodes = nightly_text(more, rest);
    results("100s", "arrivals: constant(10/s), to: app, timeout: 5s", &nodes, faults)
}

/// How often each instance has run, where it was down for so many of the 100 s: what it was busy beyond the 999 requests,
/// which take a second in all.
fn runs(found: &Value, down: [f64; 3]) -> Vec<f64> {
    let busy = |inst: usize| {
        let share = number(found, &format!("nodes.app.per_instance.{inst}.utilisation"));
        (share * 2.0 * (100.0 - down[inst])).floor()
    };
    (0..3).map(busy).collect()
}

#[test]
fn by_the_clock_all_run_at_once_and_together_once() {
    let found = nightly("", "", "");
    assert_eq!(runs(&found, [0.0; 3]), [10.0; 3]);
    // The three call at the same instant and wait for one another: 0, 10 and 20 ms.
    assert_eq!(number(&found, "nodes.meta.throughput") * 100.0, 30.0);
    assert!((number(&found, "nodes.meta.waiting_time.mean") - 0.01).abs() < 1e-9);
    let shared = nightly(", scope: shared", "", "");
    assert_eq!(runs(&shared, [0.0; 3]), [10.0, 0.0, 0.0]);
    assert_eq!(number(&shared, "nodes.meta.throughput") * 100.0, 10.0);
    // Without a time of its own it begins somewhere in the first period, and once in each.
    let nodes = "app: {service: {instances: 3, cores: 2, work: 1ms, background: [{every: 10s, scope: shared, do: [{work: 1s}]}]}}";
    let found = results("100s", "arrivals: constant(10/s), to: app", nodes, "");
    let runs = runs(&found, [0.0; 3]);
    assert_eq!(runs[1..], [0.0, 0.0]);
    assert!((9.0..=10.0).contains(&runs[0]), "{runs:?}");
}

#[test]
fn the_lowest_that_is_ready_runs_for_all() {
    let shared = |faults: &str, down: [f64; 3]| runs(&nightly(", scope: shared", "", faults), down);
    // The first is down at 13 and 23 s, so that the second runs; both at 43 s; all at 63 s: nobody does.
    let crash = |id: &str, at: &str, long: &str, who: &str| {
        format!("{{id: {id}, at: {at}, for: {long}, crash: {{node: app, instances: {who}}}}}")
    };
    let faults = [
        crash("a", "12s", "12s", "[0]"),
        crash("b", "42s", "2s", "[0, 1]"),
        crash("c", "62s", "2s", "[0, 1, 2]"),
    ];
    assert_eq!(shared(&faults.join(", "), [16.0, 4.0, 2.0]), [6.0, 2.0, 1.0]);
    // Down from the very instant on, and back at the very instant.
    assert_eq!(shared(&crash("a", "13s", "10s", "[0]"), [10.0, 0.0, 0.0]), [9.0, 1.0, 0.0]);
    // Who is paused leaves it to the next, and does not come back to it.
    let pause = "{id: p, at: 12s, for: 20s, pause: {node: app, instances: [0]}}";
    assert_eq!(shared(pause, [0.0; 3]), [8.0, 2.0, 0.0]);
    // Who dies at work has done half of it; nobody else begins before the next time.
    let half = shared(&crash("a", "13500ms", "1s", "[0]"), [1.0, 0.0, 0.0]);
    assert_eq!(half, [9.0, 0.0, 0.0]);
    // By the clock a crash changes no time either: each misses the one at 13 s.
    let each = nightly("", "", &crash("a", "12s", "2s", "[0, 1, 2]"));
    assert_eq!(runs(&each, [2.0; 3]), [9.0; 3]);
}

#[test]
fn who_is_about_to_leave_runs_for_nobody() {
    // Each in turn takes nothing new for 6 s and starts again: the first over 53 s, the second not.
    let deploy = "{id: d, at: 51s, deploy: {node: app, batch: 1, drain: 4s, pause: 10s}}";
    let found = nightly(", scope: shared", "", deploy);
    assert_eq!(runs(&found, [0.0; 3]), [9.0, 1.0, 0.0]);
    // Two more come at 45 s and go by the same clock: five times each.
    let scaled = ", autoscale: {min: 1, max: 3, metric: requests, target: 1000/s, every: 5s, delay: 0s, \
                  up: limit(count=2 per=5s), schedule: [{at: 45s, min: 3}]}";
    let grown = |more: &str| {
        let nodes = nightly_text(more, scaled).replace("instances: 3", "instances: 1");
        let found = results("100s", "arrivals: constant(10/s), to: app, timeout: 5s", &nodes, "");
        number(&found, "nodes.meta.throughput") * 100.0
    };
    assert_eq!((grown(""), grown(", scope: shared")), (20.0, 10.0));
}

#[test]
fn a_time_that_comes_while_the_last_run_goes_on_passes() {
    let nodes = "app: {service: {cores: 2, work: 1ms, background: [{every: 10s, at: 3s, do: [{wait: 12s}, {call: meta}]}]}}, \
                 meta: {service: {cores: 1, work: 10ms}}";
    let found = results("100s", "arrivals: constant(1/s), to: app", nodes, "");
    // At 3, 23, 43, 63 and 83 s.
    assert_eq!(number(&found, "nodes.meta.throughput") * 100.0, 5.0);
    // One that ends at the instant of the next goes on with it.
    let exact = nodes.replace("wait: 12s}, {call: meta}", "call: meta}, {wait: 9990ms}");
    let found = results("100s", "arrivals: constant(1/s), to: app", &exact, "");
    assert_eq!(number(&found, "nodes.meta.throughput") * 100.0, 10.0);
}

#[test]
fn the_time_may_be_changed() {
    let nodes = "app: {service: {cores: 2, work: 1ms, background: [{every: 10s, at: 3s, do: [{call: meta}]}]}}, \
                 meta: {service: {cores: 1, work: 10ms}}";
    // At 3, 13, 23 s; then at 37, 57, 77, 97 s: what was waited for at 33 s happens as it was.
    let change = "{id: later, at: 30s, set: {\"nodes.app.service.background[0].every\": 20s, \"nodes.app.service.background[0].at\": 17s}}";
    let found = results("100s", "arrivals: constant(1/s), to: app", nodes, change);
    assert_eq!(number(&found, "nodes.meta.throughput") * 100.0, 8.0);
}

const OWN: &str = "\
windtunnel: 1
name: own
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: app, keys: uniform(n=9), attributes: {tier: choice(a=50% b=50%)}}}
nodes:
  app: {service: {cores: 1, work: 1ms, background: [{every: 10s, lease: 30s, do: [{call: db}]}]}}
  db: {store: {read: 1ms}}
";

#[test]
fn what_is_done_by_itself_is_checked() {
    assert_eq!(told(OWN.as_bytes()), Vec::<String>::new());
    check_in(
        OWN,
        &[
            ("B50", "every: 10s", "every: 0s", "6:61 E-RANGE", "above 0"),
            ("B50", "lease: 30s", "lease: 10s", "6:73 E-RANGE", "longer than `every`"),
            ("B17", "every: 10s, ", "", "6:54 E-MISSING", "every"),
            ("B50", "[{call: db}]", "[]", "6:78 E-STEP", "at least one step"),
            ("B50", "{call: db}", "{call: dd}", "6:90 E-REF", "unknown node `dd`"),
            ("B50", "{call: db}", "{reply: 2KB}", "6:91 E-STEP", "nobody waits"),
            ("B50", "{call: db}", "{mark: half}", "6:90 E-STEP", "no request was sent"),
            (
                "B50",
                "{call: db}",
                "{work: 1ms, when: tier == a}",
                "6:84 E-CONFLICT",
                "no request whose `tier`",
            ),
            (
                "B50",
                "{call: db}",
                "{read: {from: db, count: 3}}",
                "6:84 E-CONFLICT",
                "no client by whose law",
            ),
            ("B16", "lease: 30s", "leese: 30s", "6:66 E-UNKNOWN-KEY", "leese"),
            ("B50", "lease: 30s", "at: 10s", "6:70 E-RANGE", "less than `every`"),
            (
                "B50",
                "every: 10s, lease: 30s",
                "every: exp(mean=10s), at: 1s",
                "6:61 E-CONFLICT",
                "with `at` the period",
            ),
            (
                "B50",
                "every: 10s, lease: 30s",
                "every: exp(mean=10s), scope: shared",
                "6:61 E-CONFLICT",
                "with `scope` the period",
            ),
            (
                "B50",
                "lease: 30s",
                "lease: 30s, scope: shared",
                "6:73 E-CONFLICT",
                "one runs for all",
            ),
            ("B50", "lease: 30s", "scope: sharde", "6:73 E-ENUM", "shared"),
        ],
    );
}
