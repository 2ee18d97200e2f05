//! Balancers that check health: how long they take to notice, what they notice, what they do then.

use serde_json::Value;

use crate::{
    bad_input::check_in,
    design::{number, results},
    theory::oracles::run::simulate,
};

/// 100 requests per second in turn to some instances behind a balancer.
fn checked(duration: &str, balancer: &str, api: &str, faults: &str) -> Value {
    results(
        duration,
        "arrivals: constant(100/s), to: lb",
        &format!(
            "lb: {{load_balancer: {{to: api, policy: round_robin, {balancer}}}}}, \
             api: {{service: {{{api}, endpoints: {{default: [{{work: 1ms}}], health: [{{work: 1ms}}]}}}}}}"
        ),
        faults,
    )
}

const TWO: &str = "instances: 2, cores: 4";
const CHECK: &str = "health_check: {interval: 2s, timeout: 500ms, fall: 3, rise: 2}";

#[test]
fn a_crash_is_noticed_after_so_many_probes() {
    // Refused at once: the third failure comes 4 to 6 s after the crash. Silent: half a second later.
    // Every other request fails until then; back again after two answers, 2 to 4 s after the end.
    for (process, outcome, least, most) in
        [(", process: true", "error", 4.0, 6.0), ("", "timeout", 4.5, 6.5)]
    {
        let fault =
            format!("{{id: c, at: 100s, for: 60s, crash: {{node: api, instances: [0]{process}}}}}");
        let measured = checked("300.005s", &format!("{CHECK}, timeout: 6s"), TWO, &fault);
        let failed = number(&measured, &format!("summary.requests.{outcome}"));
        let noticed = failed / 50.0;
        assert!(noticed >= least && noticed <= most + 0.05, "{process}: {noticed} s");
        assert_eq!(number(&measured, "nodes.lb.causes.marked_down"), 1.0);
        assert_eq!(number(&measured, "nodes.lb.causes.marked_up"), 1.0);
        // 30,000 requests, a half of those outside the outage of 60 s plus 2 to 4 s to notice its end.
        let share = number(&measured, "nodes.api.per_instance.0.throughput") * 300.005;
        let away = (15_000.0 - share) / 50.0;
        assert!((62.0..=64.1).contains(&away), "{process}: {away} s away");
    }
}

#[test]
fn a_balancer_with_a_timeout_gives_up_what_takes_too_long() {
    // Nobody else has a timer: without the balancer's the requests hang for ever, checks or not.
    let fault = "{id: c, at: 50s, crash: {node: api, instances: [0]}}";
    let hang = number(&checked("100s", CHECK, TWO, fault), "summary.requests.in_flight");
    assert!((200.0..=330.0).contains(&hang), "{hang}");
    let measured = checked("100s", &format!("{CHECK}, timeout: 6s"), TWO, fault);
    let timeouts = number(&measured, "summary.requests.timeout");
    assert!((200.0..=330.0).contains(&timeouts), "{timeouts}");
    assert_eq!(number(&measured, "nodes.lb.causes.target_timeout"), timeouts);
    assert!((number(&measured, "summary.latency_all.max") - 6.0).abs() < 1e-9);
}

#[test]
fn a_shallow_check_does_not_see_what_a_deep_one_sees() {
    let slow = "{id: s, at: 50s, slow: {node: api, instances: [0], factor: 800}}";
    let shallow = checked("100s", CHECK, "instances: 2, cores: 400", slow);
    assert!(shallow["nodes"]["lb"]["causes"].get("marked_down").is_none(), "{shallow}");
    let deep = CHECK.replace("rise: 2", "rise: 2, operation: health");
    let deep = checked("100s", &deep, "instances: 2, cores: 400", slow);
    assert_eq!(number(&deep, "nodes.lb.causes.marked_down"), 1.0);
    // Probes are visits like others: one every 2 s to each of two.
    let visits = number(&deep, "nodes.api.throughput") * 100.0
        - number(&deep, "nodes.lb.throughput") * 100.0;
    assert!((visits - 100.0).abs() <= 3.0, "{visits} probes");
}

#[test]
fn failing_targets_are_ejected_for_a_while() {
    // Five failures in a row, one in 20 ms, then 30 s away: about fifty in 300 s.
    let errors = "{id: e, at: 0s, errors: {node: api, instances: [0], fraction: 100%}}";
    let measured = checked("300s", "eject: {errors: 5, for: 30s}", TWO, errors);
    let failed = number(&measured, "summary.requests.error");
    assert!((45.0..=55.0).contains(&failed), "{failed}");
    assert_eq!(number(&measured, "nodes.lb.causes.ejected"), 10.0);
    // Never more than the share allowed: all four fail, two are out at a time.
    let all = "{id: e, at: 0s, errors: {node: api, fraction: 100%}}";
    let measured = checked("20s", "eject: {errors: 5, for: 30s}", "instances: 4, cores: 4", all);
    assert_eq!(number(&measured, "nodes.lb.causes.ejected"), 2.0);
}

#[test]
fn with_nobody_left_requests_are_refused_or_all_are_tried() {
    let crash = "{id: c, at: 0s, crash: {node: api, process: true}}";
    let measured = checked("100s", CHECK, TWO, crash);
    let unavailable = number(&measured, "summary.requests.unavailable");
    assert!(unavailable >= 9_400.0, "{unavailable}");
    assert_eq!(number(&measured, "nodes.lb.causes.no_live_target"), unavailable);
    // Three of four gone: below a half, so all four get their quarter again.
    let three = "{id: c, at: 0s, crash: {node: api, instances: [0, 1, 2], process: true}}";
    let panics = checked("100s", &format!("{CHECK}, panic: 50%"), "instances: 4, cores: 4", three);
    let ok = number(&panics, "summary.requests.ok");
    assert!((2_400.0..2_800.0).contains(&ok), "{ok}");
    let trusts = checked("100s", CHECK, "instances: 4, cores: 4", three);
    assert!(number(&trusts, "summary.requests.ok") > 9_400.0);
}

#[test]
fn probes_are_messages() {
    let cut = "{id: p, at: 20s, for: 20s, partition: {link: [lb, api]}}";
    let measured = checked("100s", CHECK, TWO, cut);
    assert_eq!(number(&measured, "nodes.lb.causes.marked_down"), 2.0);
    assert_eq!(number(&measured, "nodes.lb.causes.marked_up"), 2.0);
    assert!(number(&measured, "summary.requests.unavailable") > 1_300.0);
}

#[test]
fn a_paused_balancer_reads_the_answers_of_its_probes_late() {
    // Replies under way when a pause begins are read at its end, long after the next probe was due:
    // they came in time, so nobody is marked down.
    let measured = simulate(
        "windtunnel: 1\nname: paused\nduration: 100s\n\
         topology: {regions: {r: [x, y]}}\nnetwork: {same_region: 50ms}\n\
         clients: {load: {arrivals: constant(10/s), to: lb, zones: y, timeout: 5s}}\n\
         nodes:\n  lb: {load_balancer: {to: api, zones: [x], health_check: {interval: 300ms}}}\n  \
         api: {service: {instances: 6, cores: 4, work: 1ms, zones: [y]}}\n\
         faults: [{id: p, pause: {zone: x}, mtbf: 3s, mttr: 600ms}]\n",
        1,
    )
    .merged;
    assert_eq!(number(&measured, "faults.0.occurrences"), 27.0);
    assert!(measured["nodes"]["lb"]["causes"]["marked_down"].is_null(), "{measured}");
    assert!(number(&measured, "summary.latency.max") > 0.6);
    assert_eq!(number(&measured, "summary.availability"), 1.0);
}

#[test]
fn what_is_back_starts_slowly() {
    let crash = "{id: c, at: 10s, for: 20s, crash: {node: api, instances: [0], process: true}}";
    let share = |slow_start: &str| {
        let measured = checked("100s", &format!("{CHECK}{slow_start}"), TWO, crash);
        number(&measured, "nodes.api.per_instance.0.throughput") * 100.0
    };
    // A half of 40 s at 100/s, ramped from a tenth: 2000 x (1 - 0.505) fewer.
    let missing = share("") - share(", slow_start: 40s");
    assert!((missing - 990.0).abs() < 60.0, "{missing}");
}

#[test]
fn without_probes_it_is_told_after_a_while() {
    let crash = "{id: c, at: 10s, for: 20s, crash: {node: api, instances: [0], process: true}}";
    let measured = checked("100.005s", "health_check: {detect: 3s}", TWO, crash);
    assert_eq!(number(&measured, "summary.requests.error"), 150.0);
    let share = number(&measured, "nodes.api.per_instance.0.throughput") * 100.005;
    // 20 s down, of which 3 s are not known, and 3 s until it is known to be back.
    // One more or less by whose turn it was.
    assert!((share - (5000.0 - 50.0 * 20.0 - 150.0)).abs() < 1.5, "{share}");
}

const GOOD: &str = "\
windtunnel: 1
name: checked
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: lb}}
nodes:
  lb: {load_balancer: {to: api, health_check: {interval: 2s, timeout: 1s}, panic: 50%}}
  api: {service: {instances: 3, cores: 1, endpoints: {default: [{work: 1ms}]}}}
";

#[test]
fn health_checks_are_checked() {
    const CHECK: &str = "health_check: {interval: 2s, timeout: 1s}";
    check_in(
        GOOD,
        &[
            ("B28", CHECK, "health_check: {timeout: 1s}", "6:33 E-MISSING", "how often"),
            (
                "B28",
                CHECK,
                "health_check: {interval: 2s, detect: 1s}",
                "6:70 E-CONFLICT",
                "leave out",
            ),
            ("B28", CHECK, "health_check: {detect: 1s, fall: 3}", "6:56 E-CONFLICT", "no probe"),
            ("B28", "timeout: 1s", "timeout: 3s", "6:71 E-RANGE", "interval"),
            ("B28", "timeout: 1s", "fall: 0", "6:68 E-RANGE", "at least 1"),
            ("B28", "timeout: 1s", "operation: {to: x}", "6:62 E-TYPE", ""),
            ("B28", CHECK, "eject: {errors: 0, for: 1s}", "6:49 E-RANGE", "at least 1"),
            ("B28", CHECK, "eject: {errors: 1, for: 0s}", "6:57 E-RANGE", "above 0"),
            (
                "B28",
                "health_check: {interval: 2s, timeout: 1s}, ",
                "",
                "6:40 E-CONFLICT",
                "never learns",
            ),
            ("B28", CHECK, "health_checks: {interval: 2s}", "6:33 E-UNKNOWN-KEY", "health_check"),
        ],
    );
}
