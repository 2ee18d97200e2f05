//! Faults: what each does to requests, exactly where that can be said; what they may never break.

use proptest::prelude::*;
use serde_json::Value;

use crate::{
    bad_input::check_in,
    cli::windtunnel,
    design::{design, number, results, results_of},
};

pub(crate) fn close(found: f64, wanted: f64) {
    assert!((found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0), "{found} instead of {wanted}");
}

#[test]
fn a_slow_host_takes_longer_for_what_is_left() {
    // Requests come at 1, 2, 3, 4 s and take half a second; the host is half as fast from 2.25 s to
    // 3.25 s: the second has 250 ms left, which take 500; the third does 125 ms in its first 250.
    for server in [
        "cores: 1, work: 500ms",
        "work: 500ms, workers: 1",
        "cores: 1, work: 500ms, discipline: shared",
        "cores: 1, work: 500ms, discipline: lifo_preemptive",
        "cores: 1, work: 500ms, discipline: srpt",
    ] {
        let measured = results(
            "4.9s",
            "arrivals: constant(1/s), to: a",
            &format!("a: {{service: {{{server}}}}}"),
            "{id: s, at: 2250ms, for: 1s, slow: {node: a, factor: 2}}",
        );
        let latency = |figure: &str| number(&measured, &format!("summary.latency.{figure}"));
        assert!((latency("max") - 0.75).abs() < 1e-6, "{server}: {}", latency("max"));
        let mean = (0.5 + 0.75 + 0.625 + 0.5) / 4.0;
        assert!((latency("mean") - mean).abs() < 1e-6, "{server}: {}", latency("mean"));
        if !server.contains("shared") {
            let served = number(&measured, "nodes.a.service_time.mean");
            assert!((served - mean).abs() < 1e-6, "{server}: time on the core {served}");
        }
    }
}

#[test]
fn a_paused_host_goes_on_with_what_is_left_and_what_has_waited() {
    // As above; nothing moves from 2.25 s to 3.15 s. The second request has 250 ms left, the third
    // arrives at 3 s and waits outside.
    for (server, second, third) in [
        ("cores: 1, work: 500ms", 1.4, 0.9),
        ("work: 500ms, workers: 1", 1.4, 0.9),
        ("work: 500ms", 1.4, 0.65),
        ("cores: 1, work: 500ms, discipline: srpt", 1.4, 0.9),
        ("cores: 1, work: 500ms, discipline: shared", 1.65, 0.9),
        ("cores: 1, work: 500ms, discipline: lifo_preemptive", 1.9, 0.65),
    ] {
        let measured = results(
            "4.9s",
            "arrivals: constant(1/s), to: a",
            &format!("a: {{service: {{{server}}}}}"),
            "{id: p, at: 2250ms, for: 900ms, pause: {node: a}}",
        );
        let latency = |figure: &str| number(&measured, &format!("summary.latency.{figure}"));
        assert!((latency("max") - second).abs() < 1e-6, "{server}: {}", latency("max"));
        let mean = (0.5 + second + third + 0.5) / 4.0;
        assert!((latency("mean") - mean).abs() < 1e-6, "{server}: {}", latency("mean"));
        if !server.contains("shared") {
            close(number(&measured, "nodes.a.service_time.mean"), 0.5);
        }
    }
}

#[test]
fn timers_of_a_paused_host_are_late_and_replies_wait() {
    // The store answers after 100 ms; its caller is paused from 50 ms to 1 s after the call and has a
    // timeout of 300 ms, which fires before the reply that came in time is read.
    let run = |client: &str, fault: &str| {
        results(
            "9.9s",
            client,
            "a: {service: {calls: [b], dependencies: {b: {timeout: 300ms}}}}, \
         b: {store: {read: 100ms}}",
            fault,
        )
    };
    let client = "arrivals: constant(0.5/s), to: a, keys: uniform(n=3)";
    let paused = run(client, "{id: p, at: 2050ms, for: 1s, pause: {node: a}}");
    assert!(paused["nodes"]["a"]["causes"]["call_timeout"].is_null(), "the reply came first");
    close(number(&paused, "summary.latency.max"), 1.05);
    // Paused before it could send: nothing is lost either.
    let paused = run(client, "{id: p, at: 1900ms, for: 1s, pause: {node: a}}");
    close(number(&paused, "summary.latency.max"), 1.0);
    // A crash ends the pause for what waited: nobody is there any more.
    let faults = "{id: p, at: 1900ms, for: 1s, pause: {node: a}}, \
                  {id: q, at: 2500ms, for: 100ms, crash: {node: a, process: true}}";
    let crashed = run(client, faults);
    assert_eq!(number(&crashed, "summary.requests.error"), 1.0);
    close(number(&crashed, "summary.latency_all.max"), 0.5);
}

#[test]
fn a_crashed_instance_boots_and_warms_up() {
    // Ten requests a second, the first at 0.1 s. The host is gone from 10.05 s to 20.05 s, boots for
    // 5 s, in which it says that nobody is there, and is slower for 10 s more.
    for (node, warm) in [
        ("service: {cores: 8, work: 10ms, boot: 5s, warm: {for: 10s, factor: 3}}", 100.0),
        ("store: {read: 10ms, boot: 5s}", 0.0),
        ("cache: {latency: 10ms, boot: 5s}", 0.0),
    ] {
        let measured = results(
            "60.05s",
            "arrivals: constant(10/s), to: a, timeout: 1s, keys: uniform(n=5)",
            &format!("a: {{{node}}}"),
            "{id: f, at: 10050ms, for: 10s, crash: {node: a}}",
        );
        assert_eq!(number(&measured, "summary.requests.timeout"), 100.0, "{node}");
        assert_eq!(number(&measured, "summary.requests.error"), 50.0, "{node}");
        assert_eq!(number(&measured, "nodes.a.causes.connection_refused"), 50.0, "{node}");
        let mean = (350.0 * 0.01 + warm * 0.02 + 100.0 * 0.01) / 450.0;
        close(number(&measured, "summary.latency.mean"), mean);
        close(number(&measured, "faults.0.availability_during"), 0.0);
        close(number(&measured, "faults.0.availability_after"), 350.0 / 400.0);
        let recovered = number(&measured, "faults.0.time_to_recover");
        assert!((5.0..6.0).contains(&recovered), "{node}: {recovered}");
    }
    // A balancer that detects crashes without messages learns of the boot as well.
    let measured = results(
        "60.05s",
        "arrivals: constant(10/s), to: lb, timeout: 1s",
        "lb: {load_balancer: {to: a, health_check: {detect: 1s}}}, \
         a: {service: {instances: 2, work: 1ms, workers: 9, boot: 5s}}",
        "{id: f, at: 10050ms, for: 10s, crash: {node: a, instances: [0]}}",
    );
    // Of the first second every other request is lost, then none.
    let lost = number(&measured, "summary.requests.timeout");
    assert!((4.0..=6.0).contains(&lost), "{lost}");
    assert_eq!(number(&measured, "summary.requests.error"), 0.0);
}

#[test]
fn preempted_work_under_a_slow_host_is_neither_lost_nor_done_twice() {
    // Work of 600 ms every half second on one slowed core, the newest first: every job is preempted.
    // After the fault the core catches up; in all, it was busy for the work and the slowness alone.
    let measured = results(
        "20s",
        "arrivals: constant(2/s), to: a, load: [{at: 3s, factor: 0}]",
        "a: {service: {cores: 1, work: 600ms, discipline: lifo_preemptive}}",
        "{id: s, at: 1s, for: 2s, slow: {node: a, factor: 4}}",
    );
    let issued = number(&measured, "summary.requests.issued");
    assert_eq!(number(&measured, "summary.requests.ok"), issued);
    // From 0.5 s the core is never idle until all is done; in 2 s of the fault it does 0.5 s of work.
    let busy = issued * 0.6 + 1.5;
    assert!((number(&measured, "nodes.a.utilisation") * 20.0 - busy).abs() < 1e-6);
    let served = number(&measured, "nodes.a.service_time.mean") * issued;
    assert!((served - busy).abs() < 1e-6, "{served} on the core instead of {busy}");
}

#[test]
fn every_kind_of_node_is_slowed() {
    for (node, keys) in [
        ("{external: {latency: 100ms}}", ""),
        ("{store: {read: 100ms}}", ", keys: uniform(n=10)"),
        ("{service: {endpoints: {default: [{wait: 100ms}]}}}", ""),
        ("{cache: {capacity: 10, latency: 100ms}}", ", keys: uniform(n=10)"),
        ("{function: {cold_start: 0s, endpoints: {default: [{wait: 100ms}]}}}", ""),
    ] {
        let measured = results(
            "100s",
            &format!("arrivals: constant(1/s), to: a{keys}"),
            &format!("a: {node}"),
            "{id: s, at: 0s, slow: {node: a, factor: 3}}",
        );
        close(number(&measured, "summary.latency.mean"), 0.3);
    }
}

#[test]
fn a_crashed_host_is_silent_and_a_crashed_process_is_not() {
    // Requests at 1, 2, .. 9 s take 600 ms. The crash at 3.3 s takes the one inside; the three of the
    // 3 s it lasts find nobody.
    let run = |process: &str| {
        results(
            "9.9s",
            "arrivals: constant(1/s), to: a, timeout: 900ms",
            "a: {service: {cores: 1, work: 600ms}}",
            &format!("{{id: c, at: 3300ms, for: 3s, crash: {{node: a{process}}}}}"),
        )
    };
    for (process, outcome) in [("", "timeout"), (", process: true", "error")] {
        let measured = run(process);
        assert_eq!(number(&measured, "summary.requests.issued"), 9.0);
        assert_eq!(number(&measured, &format!("summary.requests.{outcome}")), 4.0, "{process}");
        assert_eq!(number(&measured, "summary.requests.ok"), 5.0);
        assert_eq!(number(&measured, "nodes.a.causes.crashed"), 1.0);
        close(number(&measured, "nodes.a.availability_time"), 1.0 - 3.0 / 9.9);
        close(number(&measured, "faults.0.availability_before"), 2.0 / 3.0);
        close(number(&measured, "faults.0.availability_during"), 0.0);
        close(number(&measured, "faults.0.availability_after"), 1.0);
    }
    // A dead process answers at once: nothing waits for its timer.
    close(number(&run(", process: true"), "summary.latency_all.max"), 0.6);
    close(number(&run(""), "summary.latency_all.max"), 0.9);
}

#[test]
fn what_a_dead_caller_had_asked_for_goes_on() {
    // The store takes a second; the service in front of it dies half-way. Both reads are done.
    let measured = results(
        "9.9s",
        "arrivals: constant(0.5/s), to: a, keys: uniform(n=3), timeout: 1500ms",
        "a: {service: {calls: [], endpoints: {default: [{read: b}]}}}, b: {store: {read: 1s}}",
        "{id: c, at: 2500ms, for: 1s, crash: {node: a}}",
    );
    assert_eq!(number(&measured, "summary.requests.timeout"), 1.0);
    assert_eq!(number(&measured, "nodes.b.outcomes.ok"), 4.0, "{}", measured["nodes"]["b"]);
}

#[test]
fn a_cache_is_cold_after_a_crash_and_after_it_was_cleared() {
    // Five keys in turn, a thousand requests: five misses, and five more when it has forgotten all.
    for (fault, misses, failed) in [
        ("clear_cache: {node: c}", 10.0, 0.0),
        ("for: 100ms, crash: {node: c}", 10.0, 100.0),
        ("for: 100ms, slow: {node: c, factor: 2}", 5.0, 0.0),
    ] {
        let measured = results(
            "1001ms",
            "arrivals: constant(1000/s), to: c, keys: sequential(n=5), timeout: 1ms",
            "c: {cache: {capacity: 10}}",
            &format!("{{id: f, at: 500500us, {fault}}}"),
        );
        assert_eq!(number(&measured, "nodes.c.misses"), misses, "{fault}");
        assert_eq!(number(&measured, "summary.requests.timeout"), failed, "{fault}");
    }
}

#[test]
fn a_fraction_of_requests_fails() {
    let measured = results(
        "1000s",
        "arrivals: constant(100/s), to: a",
        "a: {service: {cores: 8, work: 1ms}}",
        "{id: e, at: 0s, for: 500s, errors: {node: a, fraction: 20%}}, {id: f, at: 0s, for: 500s, \
         errors: {node: a, fraction: 50%}}",
    );
    // 1 - 0.8 x 0.5 while both are at work; 50,000 draws.
    let failing = 1.0 - number(&measured, "faults.0.availability_during");
    assert!((failing - 0.6).abs() < 0.01, "{failing}");
    assert_eq!(number(&measured, "faults.0.availability_after"), 1.0);
}

#[test]
fn messages_are_cut_delayed_and_lost() {
    let run = |fault: &str| {
        results(
            "1000.5s",
            "arrivals: constant(10/s), to: a, timeout: 1s",
            "a: {service: {calls: [b]}}, b: {external: {latency: 10ms}}",
            &format!("{{id: f, at: 100050ms, for: 100s, {fault}}}"),
        )
    };
    for (fault, timeouts) in [
        ("partition: {between: [[load], [a]]}", 1000.0),
        ("partition: {link: [a, b]}", 1000.0),
        ("partition: {from: [b], to: [a]}", 1000.0),
        ("partition: {node: b}", 1000.0),
        ("partition: {from: [b], to: [load]}", 0.0),
        ("loss: {link: [a, b], fraction: 100%}", 1000.0),
    ] {
        assert_eq!(number(&run(fault), "summary.requests.timeout"), timeouts, "{fault}");
    }
    // A reply that set out before the cut arrives; one way is as good as both.
    let delayed = run("latency: {link: [a, b], add: 50ms}");
    close(number(&delayed, "summary.latency.max"), 0.11);
    // The last of a thousand sets out before the end and comes back after it.
    close(number(&delayed, "summary.latency.mean"), 0.01 + (0.1 * 999.0 + 0.05) / 10_004.0);
    let one_way = run("latency: {from: [a], to: [b], add: 50ms}");
    close(number(&one_way, "summary.latency.max"), 0.06);
    // Both ways lose a third: 4/9 of 1000 come back.
    let lossy = run("loss: {link: [a, b], fraction: 0.3333333333}");
    let back = 1000.0 - number(&lossy, "summary.requests.timeout");
    assert!((back - 444.4).abs() < 50.0, "{back}");
}

#[test]
fn load_is_multiplied_exactly() {
    let measured = results(
        "100.05s",
        "arrivals: constant(10/s), to: a",
        "a: {external: {latency: 1ms}}",
        "{id: f, at: 10s, for: 20s, load: {client: load, factor: 3}}, \
         {id: g, at: 20s, for: 20s, load: {client: load, factor: 0}}",
    );
    // 10 s at 10/s, 10 s at 30/s, 20 s at 0, 60 s at 10/s.
    assert_eq!(number(&measured, "summary.requests.issued"), 100.0 + 300.0 + 600.0);
}

#[test]
fn failures_and_repairs_alternate_as_their_laws_say() {
    let faults =
        "{id: wear, crash: {node: a, process: true}, mtbf: exp(mean=90s), mttr: exp(mean=10s)}";
    let nodes = "a: {service: {instances: 2, cores: 1, work: 1us}}";
    let text = design("200000s", "arrivals: poisson(1/s), to: a", nodes, faults);
    let measured = results_of(&text, 4);
    // 8 x 2,000 cycles; the sd of the share of time is about 0.1 x sqrt(2 x 0.9 x 0.1 / 2000).
    assert!((number(&measured, "nodes.a.instances.mean") - 2.0 * 0.9).abs() < 0.01);
    assert!((number(&measured, "nodes.a.availability_time") - 0.99).abs() < 0.002);
    assert!((number(&measured, "summary.availability") - 0.9).abs() < 0.005);
    // In a group they fail together: the time in which both are down is that of one.
    let text = design(
        "200000s",
        "arrivals: poisson(1/s), to: a",
        nodes,
        &faults.replace("id: wear", "id: wear, group: rack"),
    );
    let together = results_of(&text, 4);
    assert_eq!(number(&together, "faults.0.availability_during"), 0.0);
    assert_eq!(number(&together, "faults.0.availability_before"), 1.0);
}

#[test]
fn chance_decides_by_replication() {
    let text = design(
        "10s",
        "arrivals: constant(10/s), to: a",
        "a: {service: {instances: 4, cores: 1, work: 1ms}}",
        "{id: f, at: 5s, probability: 40%, crash: {node: a, instances: 2, process: true}}",
    );
    let measured = results_of(&text, 100);
    let happened = number(&measured, "faults.0.occurrences");
    assert!((happened - 0.4).abs() < 0.15, "{happened}");
    // Two of four instances, whichever.
    let during = number(&measured, "faults.0.availability_during");
    assert!((during - 0.5).abs() < 0.05, "{during}");
}

#[test]
fn a_fault_elsewhere_changes_nothing_here() {
    let run = |faults: &str| {
        results(
            "200s",
            "arrivals: poisson(50/s), to: a, keys: zipf(n=100 s=0.9), timeout: 200ms, \
             retry: {attempts: 3, backoff: constant(5ms)}",
            "a: {service: {cores: 2, work: exp(mean=30ms), calls: [b]}}, \
             b: {external: {latency: exp(mean=10ms)}}, idle: {service: {need: 0, cores: 1, work: 1ms}}, \
             other: {service: {cores: 1, work: 1ms, calls: [idle]}}",
            faults,
        )
    };
    let (without, with) = (run(""), run("{id: f, at: 50s, for: 50s, crash: {node: idle}}"));
    assert_eq!(without["summary"], with["summary"]);
    assert_eq!(without["nodes"]["a"], with["nodes"]["a"]);
    assert!(number(&with, "nodes.idle.instances.mean") < 0.8);
}

/// A design with everything frames can be at when a host dies.
pub(crate) fn busy(
    faults: &str,
    discipline: &str,
    cancel: bool,
    (policy, health): (&str, &str),
) -> String {
    format!(
        "windtunnel: 1
name: chaos
duration: 20s
warm_up: 3s
topology: {{regions: {{r: [x, y], s: [z]}}}}
network: {{same_zone: 0.2ms, same_region: 1ms, cross_region: 20ms, internet: exp(mean=5ms)}}
clients:
  users:
    arrivals: poisson(150/s)
    to: edge
    keys: zipf(n=500 s=1)
    timeout: 150ms
    cancel: {cancel}
    retry: {{attempts: 3, backoff: exponential(base=5ms max=50ms jitter=full), budget: 20%}}
  visitors:
    arrivals: closed(users=20 think=exp(mean=300ms))
    to: name
    keys: zipf(n=500 s=1)
    deadline: 400ms
nodes:
  edge: {{load_balancer: {{to: api, policy: {policy}, zones: [x], {health}}}}}
  name: {{dns: {{to: {{edge: 3, api: 1}}, ttl: 400ms, zones: [y], health_check: {{interval: 700ms, operation: default}}}}}}
  farther: {{dns: {{to: [far], ttl: 300ms, zones: [z]}}}}
  api:
    service:
      instances: 3
      workers: 20
      cores: 1
      queue: 30
      patience: 80ms
      discipline: {discipline}
      endpoints:
        default:
          - work: exp(mean=8ms)
          - all: [[{{work: 1ms}}, {{call: far}}], {{read: {{from: db, cache: side}}}}, {{wait: 3ms}}]
          - any: {{need: 1, of: [{{call: farther}}, {{call: through}}]}}
          - reply: 1KB
          - work: 1ms
      dependencies:
        far: {{timeout: 40ms, cancel: {cancel}, retry: {{attempts: 2, backoff: constant(5ms)}}}}
        farther: {{timeout: 40ms, cancel: {cancel}}}
        through: {{timeout: 60ms, cancel: {cancel}}}
        db: {{timeout: 60ms}}
        side: {{timeout: 30ms}}
  far: {{service: {{zones: [z], cores: 4, work: exp(mean=5ms), discipline: shared}}}}
  side: {{cache: {{capacity: 100, ttl: 2s, instances: 2, latency: 0.1ms}}}}
  through: {{cache: {{capacity: 50, ttl: 1s, coalesce: true, from: db}}}}
  db: {{store: {{shards: {{count: 3, by: hash}}, read: exp(mean=4ms), cores: 2, queue: 50}}}}
alerts: {{bad: {{when: error_fraction(client=users window=1s) > 5%, every: 200ms}}}}
faults: [{faults}]
"
    )
}

fn any_fault(i: usize) -> impl Strategy<Value = String> {
    let effects = prop::sample::select(vec![
        "crash: {node: api, instances: 2}",
        "crash: {node: api, process: true}",
        "crash: {node: edge}",
        "crash: {node: name}",
        "crash: {node: farther, process: true}",
        "errors: {node: name, fraction: 40%}",
        "crash: {node: through}",
        "crash: {node: side, instances: 1}",
        "crash: {node: far, process: true}",
        "crash: {node: db, shard: 1}",
        "crash: {zone: y}",
        "crash: {region: r}",
        "pause: {node: api}",
        "pause: {node: api, instances: 2}",
        "pause: {node: db, shard: 2}",
        "pause: {node: through}",
        "pause: {zone: x}",
        "slow: {node: api, factor: 5}",
        "slow: {node: far, factor: 10}",
        "slow: {region: s, factor: 3}",
        "slow: {node: db, shard: 0, factor: 0.5}",
        "errors: {node: api, instances: [0], fraction: 50%}",
        "errors: {node: db, fraction: 20%}",
        "clear_cache: {node: side}",
        "clear_cache: {node: through}",
        "partition: {between: [[x], [y, z]]}",
        "partition: {from: [api], to: [edge]}",
        "latency: {node: api, add: exp(mean=30ms)}",
        "loss: {link: [users, edge], fraction: 30%}",
        "loss: {node: api, fraction: 10%, burst: 4}",
        "duplicate: {node: api, fraction: 50%}",
        "duplicate: {link: [visitors, name], fraction: 100%}",
        "duplicate: {node: through, fraction: 30%}",
        "partition: {link: [api, db], reject: true}",
        "partition: {node: name, reject: true}",
        "partition: {from: [edge], to: [api], reject: true}",
        "stagger: 900ms, crash: {node: api, instances: 70%}",
        "stagger: 900ms, pause: {zone: x}",
        "bandwidth: {node: db, rate: 50KB/s}",
        "loss: {link: [visitors, name], fraction: 30%}",
        "load: {client: users, factor: 4}",
        "deploy: {node: api, batch: 1, drain: 500ms, rollback: bad}",
        "deploy: {node: side, batch: 100%, drain: 0s, set: {ttl: 1s}}",
        "deploy: {node: far, restart: false, set: {work: exp(mean=9ms)}, rollback: bad}",
    ]);
    (effects, 0u32..19_000, 1u32..8000, any::<bool>()).prop_map(
        move |(effect, at, length, again)| {
            let planned = effect.starts_with("deploy");
            let once =
                planned || ["clear", "load", "stagger"].iter().any(|e| effect.starts_with(e));
            let times = match (once, again) {
                (true, _) if effect.starts_with("clear") => format!("at: {at}ms"),
                (false, true) if length % 3 == 0 && !effect.starts_with("crash") => {
                    format!("after: bad, delay: {length}ms, for: 2s")
                }
                (false, true) => format!("mtbf: exp(mean={length}ms), mttr: exp(mean=500ms)"),
                _ if length % 3 == 0
                    && ["slow", "errors", "latency", "loss"]
                        .iter()
                        .any(|e| effect.starts_with(e)) =>
                {
                    format!("at: {at}ms, for: {length}ms, over: {}us", 900 * length)
                }
                _ => format!("at: {at}ms, for: {length}ms"),
            };
            format!("{{id: f{i}, {times}, {effect}}}")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Conservation, Little's law and the books of messages are checked by the run itself.
    #[test]
    fn nothing_is_lost_or_counted_twice_whatever_fails(
        faults in (1usize..6).prop_flat_map(|n| (0..n).map(any_fault).collect::<Vec<_>>()),
        discipline in prop::sample::select(vec![
            "fifo", "lifo", "random", "priority", "shared", "lifo_preemptive", "srpt",
            "adaptive_lifo", "codel(target=5ms interval=50ms)",
        ]),
        cancel in any::<bool>(),
        policy in prop::sample::select(vec![
            "least_requests", "round_robin", "random", "power_of_d(d=2)", "peak_ewma",
        ]),
        health in prop::sample::select(vec![
            "",
            "health_check: {interval: 500ms, timeout: 100ms, fall: 2}, slow_start: 2s",
            "health_check: {interval: 300ms, operation: default}, panic: 60%",
            "eject: {errors: 3, for: 2s}",
            "health_check: {detect: 200ms}, eject: {errors: 5, for: 1s, max: 100%}",
        ]),
    ) {
        let text = busy(&faults.join(", "), discipline, cancel, (policy, health));
        let measured = results_of(&text, 1);
        prop_assert!(number(&measured, "summary.requests.issued") > 500.0);
        let again = results_of(&text, 1);
        prop_assert_eq!(&measured["fingerprint"], &again["fingerprint"]);
    }
}

pub(crate) const FAULTY: &str = "\
windtunnel: 1
name: faulty
duration: 100s
topology: {regions: {r: [x, y]}}
clients: {load: {arrivals: poisson(9/s), to: a, timeout: 9s, keys: uniform(n=9)}}
nodes:
  a: {service: {instances: 3, cores: 1, work: 1ms, calls: [b, c, lb], zones: [x]}}
  b: {store: {read: 1ms, zones: [x]}}
  c: {cache: {capacity: 9, zones: [x]}}
  lb: {load_balancer: {to: d}}
  d: {external: {latency: 1ms}}
faults:
  - {id: f, at: 1s, for: 1s, crash: {node: a}}
";

#[test]
fn faults_are_checked() {
    const F: &str = "{id: f, at: 1s, for: 1s, crash: {node: a}}";
    const C: &str = "crash: {node: a}";
    check_in(
        FAULTY,
        &[
            ("B55", "at: 1s", "at: 100s", "13:17 E-FAULT-TIME", "over"),
            ("B55", "at: 1s, for: 1s, ", "", "13:6 E-FAULT-TIME", "when"),
            ("B55", "for: 1s", "for: 0s", "13:26 E-FAULT-TIME", "above 0"),
            ("B55", "for: 1s", "mtbf: 1s, mttr: 1s", "13:6 E-FAULT-TIME", "again"),
            ("B55", "at: 1s, for: 1s", "mtbf: 1s", "13:6 E-FAULT-TIME", "mttr"),
            ("B53", "at: 1s, for: 1s", "mtbf: 1us, mttr: 1us", "13:19 E-BUDGET", "limit"),
            ("B60", "for: 1s", "probability: 200%", "13:34 E-RANGE", ""),
            (
                "B58",
                C,
                "crash: {node: a}, slow: {node: a, factor: 2}",
                "13:6 E-FAULT",
                "one effect",
            ),
            ("B58", ", crash: {node: a}", "", "13:6 E-FAULT", "needs an effect"),
            ("B56", "node: a}", "node: aa}", "13:44 E-REF", "did you mean `a`"),
            ("B56", "node: a}", "zone: z}", "13:44 E-REF", "unknown zone"),
            ("B56", "node: a}", "zone: y}", "13:44 E-FAULT-TARGET", "nothing stands"),
            ("B56", "node: a}", "node: a, zone: x}", "13:30 E-FAULT-TARGET", "whom"),
            ("B56", "node: a}", "node: d}", "13:44 E-FAULT-TARGET", "external"),
            ("B56", "node: a}", "node: a, shard: 1}", "13:54 E-FAULT-TARGET", "store"),
            ("B56", "node: a}", "node: a, instances: 4}", "13:58 E-FAULT-TARGET", "1..=3"),
            ("B56", "node: a}", "node: a, instances: [3]}", "13:47 E-FAULT-TARGET", "0..=2"),
            ("B56", C, "slow: {node: lb, factor: 2}", "13:43 E-FAULT-TARGET", "balancer"),
            (
                "B56",
                ", for: 1s, crash: {node: a}",
                ", clear_cache: {node: a}",
                "13:41 E-FAULT-TARGET",
                "",
            ),
            ("B56", C, "slow: {node: a}", "13:30 E-MISSING", "factor"),
            ("B56", C, "crash: {node: a, factor: 2}", "13:55 E-FAULT", "means nothing"),
            ("B56", C, "load: {client: loud, factor: 2}", "13:45 E-REF", "did you mean `load`"),
            ("B57", C, "partition: {between: [[a], [a, b]]}", "13:30 E-PARTITION", "both sides"),
            ("B57", C, "partition: {between: [[a], []]}", "13:30 E-PARTITION", "two sides"),
            ("B57", C, "partition: {from: [a]}", "13:30 E-PARTITION", "two sides"),
            ("B57", C, "partition: {link: [a, nowhere]}", "13:30 E-REF", "nowhere"),
            (
                "B7",
                F,
                "{id: f, at: 1s, for: 1s, crash: {node: a}}\n  - {id: f, at: 2s, crash: {node: b}}",
                "14:10 E-DUP-NAME",
                "",
            ),
            (
                "B70",
                C,
                "crash: {node: b, replica: leader}",
                "13:56 E-FAULT-TARGET",
                "has no replicas",
            ),
            ("B70", C, "clock: {node: b, drift: 5%}", "13:44 E-FAULT-TARGET", "go by a clock"),
            ("W", ", timeout: 9s", "", "5:11 W-NO-TIMEOUT", "the fault `f`"),
        ],
    );
}

#[test]
fn pauses_bandwidths_and_starts_are_checked() {
    const C: &str = "crash: {node: a}";
    check_in(
        FAULTY,
        &[
            ("B57", C, "bandwidth: {node: b}", "13:30 E-MISSING", "`rate`"),
            ("B57", C, "bandwidth: {node: b, rate: 0B/s}", "13:57 E-RANGE", "above 0"),
            ("B57", C, "loss: {node: b, fraction: 1%, rate: 1MB/s}", "13:66 E-FAULT", "`rate`"),
            ("B56", C, "pause: {node: lb}", "13:44 E-FAULT-TARGET", "balancer"),
            ("B56", C, "pause: {node: a, factor: 2}", "13:55 E-FAULT", "means nothing"),
            (
                "B57",
                "cores: 1, work: 1ms",
                "cores: 1, work: 1ms, boot: -1s",
                "7:58 E-RANGE",
                "negative",
            ),
            (
                "B57",
                "cores: 1, work: 1ms",
                "cores: 1, work: 1ms, warm: {for: 0s, factor: 2}",
                "7:64 E-RANGE",
                "above 0",
            ),
            (
                "B57",
                "cores: 1, work: 1ms",
                "cores: 1, work: 1ms, warm: {for: 1s, factor: 0}",
                "7:76 E-RANGE",
                "0.001",
            ),
        ],
    );
}

#[test]
fn targets_are_judged_before_during_and_after_a_fault() {
    // 10/s for 100 s, of which the first 10 are warm-up; every request from 40 s to 60 s fails.
    let mut text = design(
        "100s",
        "arrivals: constant(10/s), operations: {a: {share: 50%, to: a}, b: {share: 50%, to: a}}",
        "a: {service: {workers: 10, work: 50ms}}",
        "{id: broken, at: 40s, for: 20s, errors: {node: a, fraction: 100%}}",
    );
    text.push_str("warm_up: 10s\nslos:\n");
    let expected = [
        ("availability(before=broken) >= 99.9%", "met", Some(1.0)),
        ("availability(during=broken) <= 0.1%", "met", Some(0.0)),
        ("availability(operation=a after=broken) >= 99.9%", "met", Some(1.0)),
        ("requests.issued(before=broken) == 300", "met", Some(300.0)),
        ("requests.error(during=broken) == 200", "met", Some(200.0)),
        ("requests.issued(after=broken) == 400", "met", Some(400.0)),
        ("goodput(after=broken) >= 9/s", "met", None),
        ("p99(latency before=broken) <= 51ms", "met", None),
        ("p99(latency during=broken) <= 10s", "missed", None),
        ("time_to_recover(broken) <= 1s", "met", Some(0.0)),
    ];
    for (slo, ..) in expected {
        text.push_str(&format!("  - {slo}\n"));
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), text).unwrap();
    let ran = windtunnel(folder.path(), "run a.yaml --replications 1 --format json");
    let results: Value = serde_json::from_str(&ran.stdout).unwrap();
    for ((slo, verdict, value), found) in expected.iter().zip(results["slos"].as_array().unwrap()) {
        assert_eq!(found["verdict"], *verdict, "{slo}: {found}");
        if let Some(value) = value {
            assert_eq!(number(found, "estimate.value"), *value, "{slo}: {found}");
        }
    }
    let goodput = number(&results["slos"][6], "estimate.value");
    assert!((goodput - 10.0).abs() < 0.1, "{goodput}");
}
