//! Processor time that is rationed: by hand, beside a small twin, and in every order of service.

use std::collections::VecDeque;

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{close, latency, number, results, results_of},
    traces,
};

/// One request each 10 s for 100 s, which asks an instance for so much work, first at 5 s.
fn alone(work: &str, more: &str) -> Value {
    let nodes = format!("app: {{service: {{work: {work}, {more}}}}}");
    results("100s", "arrivals: schedule(every=10s at=5s), to: app", &nodes, "")
}

#[test]
fn work_stops_when_the_quota_is_used_up() {
    let quota = "cores: 1, quota: 20ms per 100ms";
    close(latency(&alone("25ms", quota)), [0.105, 0.105]);
    // What ends with the quota ends; what takes several periods stands still several times.
    close(latency(&alone("20ms", quota)), [0.02, 0.02]);
    let found = alone("65ms", quota);
    close(latency(&found), [0.305, 0.305]);
    close([number(&found, "nodes.app.throttled.wait")], [0.24]);
    close([number(&found, "nodes.app.waiting_time.mean")], [0.24]);
    close([number(&found, "nodes.app.service_time.mean")], [0.065]);
    // Ten requests in 100 s.
    close([number(&found, "nodes.app.throttled.time")], [10.0 * 0.24 / 100.0]);
    close([number(&found, "nodes.app.utilisation")], [10.0 * 0.065 / 100.0]);
    close([number(&found, "nodes.app.resources.quota.utilisation")], [10.0 * 0.065 / 20.0]);
    close([number(&found, "nodes.app.in_queue")], [10.0 * 0.24 / 100.0]);
    assert_eq!(number(&found, "nodes.app.causes.over_quota"), 30.0);
    // Little by little it is enough for half of all time.
    let nodes = "app: {service: {work: 5ms, cores: 1, quota: 20ms per 100ms}}";
    let found = results("100s", "arrivals: constant(10/s), to: app", nodes, "");
    close(latency(&found), [0.005, 0.005]);
    close([number(&found, "nodes.app.throttled.time")], [0.0]);
}

#[test]
fn how_long_it_takes_depends_on_when_in_a_period_it_comes() {
    // At random instants 25 ms take 105 ms less the time since a period began; in its last 20 ms 25 ms, but in its last
    // 5 ms, where two quotas are used up, 105 ms: 61 ms in the mean.
    let nodes = "app: {service: {work: 25ms, cores: 1, quota: 20ms per 100ms}}";
    let found = results("2000000s", "arrivals: poisson(0.005/s), to: app", nodes, "");
    let [mean, most] = latency(&found);
    assert!((mean - 0.061).abs() < 0.001, "{mean}");
    assert!(most > 0.1045, "{most}");
    let p50 = number(&found, "summary.latency.p50");
    assert!((p50 - 0.060).abs() < 0.002, "{p50}");
}

#[test]
fn all_cores_of_an_instance_use_one_quota() {
    // Four at once on four cores use 20 ms in 5 ms.
    let run = |more: &str| {
        let nodes = format!("app: {{service: {{work: 10ms, {more}}}}}");
        results("100s", "arrivals: schedule(every=10s batch=4), to: app", &nodes, "")
    };
    close(latency(&run("cores: 4, quota: 20ms per 100ms")), [0.105, 0.105]);
    // As many as there are, and shared ones.
    close(latency(&run("quota: 20ms per 100ms")), [0.105, 0.105]);
    close(latency(&run("cores: 4, discipline: shared, quota: 20ms per 100ms")), [0.105, 0.105]);
    // Two of the four at 20 ms, the others after 80 ms without any.
    let found = run("cores: 1, quota: 20ms per 100ms");
    close(latency(&found), [(0.01 + 0.02 + 0.11 + 0.12) / 4.0, 0.12]);
    close([number(&found, "nodes.app.throttled.wait")], [0.08 / 4.0]);
    // On one core all four are served at once: a fifth of 40 ms each 100 ms.
    let found = run("cores: 1, discipline: shared, quota: 20ms per 100ms");
    close(latency(&found), [0.12, 0.12]);
    // A store's shard is an instance.
    let nodes = "app: {store: {read: 25ms, cores: 1, quota: 20ms per 100ms}}";
    let found = results(
        "100s",
        "arrivals: schedule(every=10s at=5s), operations: {get: {read: app}}",
        nodes,
        "",
    );
    close(latency(&found), [0.105, 0.105]);
    // Each instance has its own.
    let nodes = "lb: {load_balancer: {to: app}}, \
                 app: {service: {work: 20ms, instances: 2, cores: 1, quota: 20ms per 100ms}}";
    let found = results("100s", "arrivals: schedule(every=10s batch=2), to: lb", nodes, "");
    close(latency(&found), [0.02, 0.02]);
}

#[test]
fn a_burst_keeps_what_was_not_used() {
    let quota = "cores: 1, quota: 20ms per 100ms burst=30ms";
    // Idle for long enough: 50 ms at once, then 20 ms each period.
    let found = alone("75ms", quota);
    close(latency(&found), [0.205, 0.205]);
    close(latency(&alone("50ms", quota)), [0.05, 0.05]);
    // It begins with nothing kept: 20 ms in each of three periods, and 15 ms.
    let nodes = format!("app: {{service: {{work: 75ms, {quota}}}}}");
    let found = results("5s", "arrivals: schedule(every=10s), to: app", &nodes, "");
    close(latency(&found), [0.315, 0.315]);
}

#[test]
fn every_order_of_service_knows_quotas() {
    // Three of 10 ms, 15 ms and 20 ms come at 0, 5 and 15 ms; 20 ms in 100 ms.
    let run = |discipline: &str| {
        let at = |name: &str, at: u64, priority: u64| {
            format!(
                "{name}: {{arrivals: schedule(every=10s at={at}ms), session: [{{do: {name}}}], to: app, \
                 operations: {{{name}: {{priority: {priority}}}}}}}"
            )
        };
        let text = format!(
            "windtunnel: 1\nname: quotas\nduration: 100s\nclients: {{{}, {}, {}}}\nnodes: {{app: {{service: {{cores: 1, \
             discipline: {discipline}, quota: 20ms per 100ms, endpoints: \
             {{a: [{{work: 10ms}}], b: [{{work: 15ms}}], c: [{{work: 20ms}}]}}}}}}}}\n",
            at("a", 0, 3),
            at("b", 5, 2),
            at("c", 15, 1),
        );
        let found = results_of(&text, 1);
        ["a", "b", "c"].map(|c| number(&found, &format!("clients.{c}.latency.max")))
    };
    // a: 0 to 10; b: 10 to 20 and 100 to 105; c: 105 to 120 and 200 to 205.
    close(run("fifo"), [0.01, 0.1, 0.19]);
    close(run("shortest_job"), [0.01, 0.1, 0.19]);
    close(run("adaptive_lifo"), [0.01, 0.1, 0.19]);
    // a: 0 to 5, b: 5 to 15, c: 15 to 20 and 100 to 115, b: 115 to 120; a: 200 to 205.
    close(run("lifo_preemptive"), [0.205, 0.115, 0.1]);
    close(run("priority_preemptive"), [0.205, 0.115, 0.1]);
    // a: 0 to 10, as it has the least left; b: 10 to 20 and 100 to 105; c as before.
    close(run("srpt"), [0.01, 0.1, 0.19]);
}

#[test]
fn faults_and_those_who_leave_meet_quotas() {
    let run = |client: &str, fault: &str| {
        let nodes = "app: {service: {cores: 1, work: 25ms, quota: 20ms per 100ms}}";
        let client = format!("arrivals: schedule(every=10s), to: app{client}");
        results("100s", &client, nodes, fault)
    };
    // Twice as slow: of 50 ms 20 each period.
    let found = run("", "{id: s, at: 9s, for: 3s, slow: {node: app, factor: 2}}");
    close(latency(&found), [(9.0 * 0.105 + 0.21) / 10.0, 0.21]);
    // From the middle of the standstill on: 5 ms take 10.
    let found = run("", "{id: s, at: 10050ms, for: 3s, slow: {node: app, factor: 2}}");
    close([latency(&found)[1]], [0.11]);
    // A pause of 30 ms in the middle of the work; it ends before the quota does.
    let found = run("", "{id: p, at: 10010ms, for: 30ms, pause: {node: app}}");
    close([latency(&found)[1]], [0.105]);
    // One that ends long after the next period has begun.
    let found = run("", "{id: p, at: 10050ms, for: 100ms, pause: {node: app}}");
    close([latency(&found)[1]], [0.155]);
    // A crash in the standstill: what comes later finds a process without a quota left over from another one.
    let found = run("", "{id: c, at: 10050ms, for: 1s, crash: {node: app, process: true}}");
    assert_eq!(number(&found, "summary.requests.error"), 1.0);
    close(latency(&found), [0.105, 0.105]);
    // Who is called off while it stands still leaves nothing to do.
    let found = run(", timeout: 50ms, cancel: true", "");
    assert_eq!(number(&found, "summary.requests.timeout"), 10.0);
    close([number(&found, "nodes.app.resources.quota.utilisation")], [10.0 * 0.02 / 20.0]);
}

/// Mean latency of the same works at the same instants, by a loop over every millisecond: single file on one core.
fn twin(arrivals: &[(u64, u64)], (quota, period, burst): (u64, u64, u64)) -> f64 {
    let (mut left, mut sum, mut waiting) = (quota, 0, VecDeque::new());
    let mut arrivals = arrivals.iter().copied().peekable();
    for now in 0.. {
        if now > 0 && now % period == 0 {
            left = (left + quota).min(quota + burst);
        }
        while let Some(one) = arrivals.next_if(|one| one.0 == now) {
            waiting.push_back(one);
        }
        let Some((at, work)) = waiting.front_mut().filter(|_| left > 0) else {
            if arrivals.peek().is_none() && waiting.is_empty() {
                break;
            }
            continue;
        };
        (*work, left) = (*work - 1, left - 1);
        if *work == 0 {
            sum += now + 1 - *at;
            waiting.pop_front();
        }
    }
    sum as f64 / 1e3
}

#[test]
fn a_small_twin_finds_the_same_latencies() {
    // Works and gaps of a fixed pattern, in ms, that use nine tenths of the quota.
    let pattern: Vec<(u64, u64)> =
        (0..400u64).map(|i| (5 + (i * i * 7919) % 91, 1 + (i * 104_729) % 17)).collect();
    let (mut at, mut csv, mut arrivals) = (0, "t,w\n".to_owned(), Vec::new());
    for (gap, work) in pattern {
        csv += &format!("{at},{work}\n");
        arrivals.push((at, work));
        at += gap;
    }
    for (quota, burst) in [("20ms per 100ms", 0), ("20ms per 100ms burst=60ms", 60)] {
        let text = format!(
            "windtunnel: 1\nname: twin\nduration: 100s\nclients: {{load: {{arrivals: trace(file=t.csv column=t unit=ms), \
             attributes: {{w: column(w)}}, to: app}}}}\n\
             nodes: {{app: {{service: {{cores: 1, work: 1ms * w, quota: {quota}}}}}}}\n"
        );
        let found = traces::results(&text, &[("t.csv", &csv)]);
        assert_eq!(number(&found, "summary.requests.ok"), 400.0);
        assert!(number(&found, "nodes.app.throttled.wait") > 0.0);
        close([latency(&found)[0]], [twin(&arrivals, (20, 100, burst)) / 400.0]);
    }
}

const APP: &str = "\
windtunnel: 1
name: app
duration: 100s
clients: {load: {arrivals: poisson(9/s), timeout: 1s, operations: {a: {to: app, share: 50%}, b: {read: db, share: 50%}}}}
nodes:
  app: {service: {cores: 1, discipline: fifo, quota: 20ms per 100ms, work: 1ms}}
  db: {store: {cores: 1, quota: 20ms per 100ms, read: 1ms}}
";

#[test]
fn what_a_quota_cannot_be_is_told() {
    assert_eq!(told(APP.as_bytes()), Vec::<String>::new());
    let quota = "quota: 20ms per 100ms";
    check_in(
        APP,
        &[
            ("Q1", "cores: 1", "cores: 0.5", "6:26 E-TYPE", "`quota: 50ms per 100ms`"),
            ("Q1", "cores: 1", "cores: 1500m", "6:26 E-UNIT", "`cores: 2` and `quota: 150ms"),
            ("Q1", "{cores: 1, quota", "{cores: 0.25, quota", "7:23 E-TYPE", "25ms per 100ms"),
            ("Q1", quota, "quota: 20%", "6:54 E-TYPE", "write `20ms per 100ms`"),
            ("Q1", quota, "quota: 20ms per 100", "6:54 E-UNIT", "100"),
            ("Q1", quota, "quota: 0ms per 100ms", "6:54 E-RANGE", "no work is ever done"),
            ("Q1", quota, "quota: 1us per 10us", "6:54 E-RANGE", "1 ms or longer"),
            ("Q1", quota, "quota: 100ms per 100ms", "6:54 W-UNUSED", "more `cores`"),
            ("Q1", quota, "quota: 4ms per 1s", "6:3 W-OVERLOAD", "its quota can do"),
            (
                "Q1",
                "discipline: fifo",
                "batch: {size: 2}",
                "6:54 E-CONFLICT",
                "how much processor time `batch` takes",
            ),
        ],
    );
}
