//! What a node holds, serves and lets wait, by figures worked out by hand.

use serde_json::Value;

use crate::design::{number, results, results_of};

#[track_caller]
fn near(found: f64, wanted: f64, by: f64) {
    assert!((found - wanted).abs() <= by, "{found} instead of {wanted}");
}

#[test]
fn utilisation_is_of_what_is_up() {
    // Sixty requests a second of 10 ms, dealt in turn to two instances; one is down from 50 s to 100 s, and the
    // balancer knows it a second or two later.
    let nodes = "lb: {load_balancer: {to: api, health_check: {interval: 100ms, timeout: 50ms, fall: 1, rise: 1}}}, \
                 api: {service: {instances: 2, cores: 1, work: 10ms}}";
    let client = "arrivals: constant(60/s), to: lb, timeout: 1s";
    let down = "{id: c, at: 50s, for: 50s, crash: {node: api, instances: [1]}}";
    let found = results("100s", client, nodes, down);
    near(number(&found, "nodes.api.utilisation"), 60.0 / 150.0, 0.003);
    near(number(&found, "nodes.api.per_instance.0.utilisation"), 0.45, 0.003);
    near(number(&found, "nodes.api.per_instance.1.utilisation"), 0.3, 0.003);
    let series = found["series"]["nodes"]["api"]["utilisation"].as_array().unwrap();
    let last = series.last().unwrap().as_f64().unwrap();
    near(last, 0.6, 0.03);
    // Alerts divide alike; and where nothing is up there is nothing to say.
    let alert = |limit: &str, faults: &str| {
        let text = format!(
            "windtunnel: 1\nname: half\nduration: 100s\nclients: {{load: {{{client}}}}}\nnodes: {{{nodes}}}\n\
             alerts: {{busy: {{when: utilisation(node=api window=10s) > {limit}}}}}\nfaults: [{faults}]\n"
        );
        number(&results_of(&text, 1), "alerts.0.count")
    };
    assert_eq!(alert("55%", down), 1.0);
    assert_eq!(alert("65%", down), 0.0);
    let all = "{id: c, at: 50s, for: 50s, crash: {node: api}}";
    let found = results("100s", client, nodes, all);
    near(number(&found, "nodes.api.utilisation"), 0.3, 0.003);
    assert!(
        found["series"]["nodes"]["api"]["utilisation"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .is_null()
    );
    assert_eq!(alert("50%", all), 0.0);
}

#[test]
fn throughput_is_what_was_served() {
    // M/M/1/25 with two arrivals per service: one is served a second, one is refused.
    let found = results(
        "2000s",
        "arrivals: poisson(2/s), to: s",
        "s: {service: {cores: 1, queue: 24, work: exp(mean=1s)}}",
        "",
    );
    near(number(&found, "nodes.s.throughput"), 1.0, 0.08);
    near(number(&found, "nodes.s.per_instance.0.throughput"), 1.0, 0.08);
    near(number(&found, "nodes.s.outcomes.rejected") / 2000.0, 1.0, 0.1);
    let windows = found["series"]["nodes"]["s"]["throughput"].as_array().unwrap();
    let mean = windows.iter().map(|v| v.as_f64().unwrap()).sum::<f64>() / windows.len() as f64;
    near(mean, 1.0, 0.08);
    // What dies with its process was not served.
    let found = results(
        "100s",
        "arrivals: constant(10/s), to: s",
        "s: {service: {instances: 2, cores: 9, work: 1500ms}}",
        "{id: c, at: 50s, for: 1s, crash: {node: s}}",
    );
    let ok = number(&found, "nodes.s.outcomes.ok");
    near(number(&found, "nodes.s.causes.crashed"), 15.0, 4.0);
    near(number(&found, "nodes.s.throughput") * 100.0, ok, 1e-6);
    let each: f64 =
        (0..2).map(|i| number(&found, &format!("nodes.s.per_instance.{i}.throughput"))).sum();
    near(each * 100.0, ok, 1e-6);
}

#[test]
fn alerts_count_what_is_served_and_what_never_answers() {
    let fired = |nodes: &str, client: &str, alert: &str, faults: &str| {
        let text = format!(
            "windtunnel: 1\nname: told\nduration: 60s\nwarm_up: 20s\nclients: {{load: {{{client}}}}}\n\
             nodes: {{{nodes}}}\nalerts: {{a: {{when: {alert}}}}}\nfaults: [{faults}]\n"
        );
        number(&results_of(&text, 1), "alerts.0.count")
    };
    let steady = "arrivals: constant(10/s), to: s";
    let quick = "s: {service: {cores: 1, work: 10ms}}";
    // The end of the warm-up is no burst.
    assert_eq!(fired(quick, steady, "throughput(node=s window=10s) > 11/s", ""), 0.0);
    assert_eq!(fired(quick, steady, "throughput(node=s window=10s) > 9/s", ""), 1.0);
    // Refused visits are not served.
    let full = "s: {service: {cores: 1, queue: 0, work: 150ms}}";
    assert_eq!(fired(full, steady, "throughput(node=s window=10s) > 6/s", ""), 0.0);
    // What callers give up and call off, and what a crash takes, has failed there.
    let hangs = "s: {service: {cores: 999, work: exp(mean=10s)}}";
    let gives_up = "arrivals: constant(10/s), to: s, timeout: 1s, cancel: true";
    assert_eq!(fired(hangs, gives_up, "error_fraction(node=s window=10s) > 70%", ""), 1.0);
    let crash = "{id: c, at: 40s, for: 2s, crash: {node: s}}";
    assert_eq!(fired(hangs, steady, "error_fraction(node=s window=10s) > 15%", crash), 1.0);
    // A copy that was not needed has not.
    let hedged = "s: {service: {cores: 999, work: 500ms}}";
    let twice = "arrivals: constant(10/s), to: s, cancel: true, hedge: {after: 100ms}";
    assert_eq!(fired(hedged, twice, "error_fraction(node=s window=10s) > 1%", ""), 0.0);
}

/// A canary of a quarter, which goes wrong in the way given, watched by its alert.
fn canary((api, timeout): (&str, &str), set: &str, faults: &str, when: &str) -> Value {
    results_of(
        &format!(
            "windtunnel: 1\nname: canary\nduration: 60s\n\
             clients: {{load: {{arrivals: constant(40/s), to: lb, timeout: {timeout}, cancel: true}}}}\n\
             nodes: {{lb: {{load_balancer: {{to: api}}}}, api: {{service: {{instances: 4, boot: 1s, work: 10ms, {api}}}}}}}\n\
             alerts: {{bad: {{when: {when}(deploy=roll window=5s) {}}}}}\n\
             faults: [{{id: roll, at: 10s, deploy: {{node: api, set: {{{set}}}, batch: [1, 100%], drain: 1s, \
             pause: 20s, rollback: bad}}}}{faults}]\n",
            if when == "availability" { "< 95%" } else { "> 5%" },
        ),
        1,
    )
}

#[test]
fn a_canary_answers_for_all_it_does_not_serve() {
    // Slower by much: what is not served is shed, refused for want of memory, or called off by who waits; then
    // slower by little, and lost in two crashes.
    for (what, timeout, api, set, faults) in [
        ("shed", "5s", "workers: 1, inbound: {shed: {queue: 2}}", "work: 200ms", ""),
        (
            "no memory left",
            "5s",
            "workers: 9, limits: {memory: {max: 10MB, per_request: 4MB}}",
            "work: 500ms",
            "",
        ),
        ("called off", "300ms", "workers: 99", "work: exp(mean=10s)", ""),
        (
            "lost in a crash",
            "5s",
            "workers: 99",
            "work: 250ms",
            ", {id: c, at: 16s, for: 10ms, crash: {node: api, instances: [0]}}, \
             {id: d, at: 17s, for: 10ms, crash: {node: api, instances: [0]}}",
        ),
    ] {
        for when in ["error_fraction", "availability"] {
            let found = canary((api, timeout), set, faults, when);
            let fired = found["alerts"][0]["fired"]["value"].as_f64();
            assert!(fired.is_some_and(|at| at < 25.0), "{what}, {when}: {fired:?}");
        }
        let still = number(&canary((api, timeout), set, "", "error_fraction"), "alerts.0.count");
        assert_eq!(still > 0.0, faults.is_empty(), "{what}");
    }
}

const PAUSED: &str = "\
windtunnel: 1
name: paused
duration: 200s
clients: {u: {arrivals: constant(100/s), to: app}}
nodes:
  app: {service: {workers: 2000, endpoints: {default: [{work: 1ms}, {call: db}]}}}
  db: {service: {cores: 2000, work: 1ms}}
faults: [{id: gc, at: 100.0005s, for: 10s, pause: {node: db}}]
";

#[test]
fn what_comes_during_a_pause_waits_in_its_node() {
    for node in ["db", "app"] {
        let text = PAUSED.replace("pause: {node: db}", &format!("pause: {{node: {node}}}"));
        let found = results_of(&text, 1);
        let figure = |name: &str| number(&found, &format!("nodes.{node}.{name}"));
        // A thousand of twenty thousand come during the pause: the first waits 10 s, the last nothing.
        near(figure("waiting_time.max"), 10.0, 0.02);
        near(figure("waiting_time.p99"), 8.0, 0.05);
        near(figure("waiting_time.mean"), 5.0 / 20.0, 0.002);
        near(figure("in_queue"), 25.0, 0.2);
        near(figure("response_time.p99"), 8.0, 0.05);
        // They are called as ever.
        let arrivals = found["series"]["nodes"][node]["arrivals"].as_array().unwrap();
        for rate in arrivals {
            near(rate.as_f64().unwrap(), 100.0, 2.0);
        }
        let events = found["timeline"]["events"].as_array().unwrap();
        assert!(!events.iter().any(|e| e["kind"] == "load_rose" && e["subject"] == node));
        if node == "db" {
            let waited = number(&found, "blame.nodes.db.waiting");
            near(waited, 0.25, 0.002);
            near(number(&found, "blame.remainder"), 0.0, 0.01);
        }
    }
    // Those at work wait for its end as well.
    let found = results(
        "100s",
        "arrivals: constant(1/s), to: s",
        "s: {service: {cores: 9, work: 700ms}}",
        "{id: p, at: 50100ms, for: 10s, pause: {node: s}}",
    );
    near(number(&found, "nodes.s.waiting_time.max"), 10.0, 1e-3);
    near(number(&found, "nodes.s.service_time.max"), 0.7, 1e-3);
}

#[test]
fn what_waits_for_the_end_of_a_pause_dies_with_the_process() {
    let found = results(
        "100s",
        "arrivals: constant(10/s), to: s, timeout: 20s",
        "s: {service: {instances: 1, cores: 9, work: 10ms}}",
        "{id: p, at: 40050ms, for: 10s, pause: {node: s}}, {id: c, at: 45050ms, for: 1s, crash: {node: s, process: true}}",
    );
    // Fifty came and were inside; ten more find nobody, and those of the rest of the pause wait it out.
    near(number(&found, "nodes.s.causes.crashed"), 50.0, 1.0);
    near(number(&found, "nodes.s.causes.connection_refused"), 10.0, 1.0);
    near(number(&found, "nodes.s.waiting_time.max"), 4.0, 0.11);
}

#[test]
fn a_pause_that_ends_as_something_else_begins_keeps_its_books() {
    // What it held is let go and, at the same instant, held again, or lost.
    let with = |next: &str| {
        results(
            "100s",
            "arrivals: constant(10/s), to: s, timeout: 30s",
            "s: {service: {cores: 9, work: 10ms}}",
            &format!(
                "{{id: a, at: 40050ms, for: 5s, pause: {{node: s}}}}, {{id: b, at: 45050ms, for: 5s, {next}}}"
            ),
        )
    };
    let again = with("pause: {node: s}");
    near(number(&again, "nodes.s.waiting_time.max"), 10.0, 0.11);
    assert_eq!(number(&again, "nodes.s.outcomes.ok"), number(&again, "summary.requests.ok"));
    let lost = with("crash: {node: s, process: true}");
    near(number(&lost, "nodes.s.causes.crashed"), 50.0, 1.0);
    near(number(&lost, "nodes.s.causes.connection_refused"), 50.0, 1.0);
}

/// What was full first of a design.
fn bottleneck(found: &Value) -> (&str, &str, Option<u64>, Option<f64>) {
    let it = &found["bottleneck"];
    let word = |key: &str| it[key].as_str().unwrap();
    (word("node"), word("resource"), it["instance"].as_u64(), it["saturated_at"].as_f64())
}

#[test]
fn workers_that_all_wait_are_full() {
    let nodes = "api: {service: {instances: 2, cores: 4, workers: 50, queue: 20, endpoints: {default: [{work: 1ms}, {call: slow}]}}}, \
                 slow: {external: {latency: 200ms}}";
    let slow = "{id: s, at: 2m, for: 1m, slow: {node: slow, factor: 12}}";
    let found = results("5m", "arrivals: poisson(60/s), to: api", nodes, slow);
    let (node, resource, instance, at) = bottleneck(&found);
    assert_eq!((node, resource, instance), ("api", "workers", None));
    near(at.unwrap(), 122.0, 2.0);
    // Ten of a hundred workers wait before, all of them for a minute.
    near(number(&found, "nodes.api.resources.workers.capacity"), 50.0, 0.0);
    near(number(&found, "nodes.api.resources.workers.utilisation"), 0.3, 0.03);
    near(number(&found, "nodes.api.resources.workers.saturated"), 0.2, 0.03);
    near(number(&found, "nodes.api.resources.cores.utilisation"), 0.006, 0.002);
}

#[test]
fn whatever_is_held_has_its_utilisation() {
    // Twenty a second hold the lock for 10 ms, a connection for 15 ms, one of four places for 15 ms.
    let nodes = "app: {service: {workers: 10, cores: 8, limits: {threads: {max: 20, base: 5, per_request: 1}}, \
                 endpoints: {default: [{lock: {name: seat, do: [{work: 10ms}]}}, {call: db}]}, \
                 dependencies: {db: {pool: 3, bulkhead: 4}}}}, db: {service: {cores: 2, work: 15ms}}";
    let found = results("100s", "arrivals: constant(20/s), to: app", nodes, "");
    let used = |what: &str| number(&found, &format!("nodes.app.resources.{what}.utilisation"));
    near(used("lock:seat"), 0.2, 1e-3);
    near(used("pool:db"), 0.1, 1e-3);
    near(used("bulkhead:db"), 0.075, 1e-3);
    near(used("workers"), 0.05, 1e-3);
    near(used("cores"), 0.025, 1e-3);
    // Five threads of twenty are used anyway, half a request is inside.
    assert!((0.25..=0.3).contains(&used("threads")), "{}", used("threads"));
    near(number(&found, "nodes.db.resources.cores.utilisation"), 0.15, 1e-3);
}

#[test]
fn what_a_dead_process_held_is_free() {
    // The lock is held for ever, until the process dies at 50 s; later nobody comes.
    let nodes = "app: {service: {endpoints: {default: [{lock: {name: seat, do: [{call: gone}]}}], }, \
                 dependencies: {gone: {pool: 1}}}}, gone: {service: {work: 1000s, cores: 1}}";
    let client =
        "arrivals: constant(1/s), to: app, load: [{at: 0s, factor: 1}, {at: 40s, factor: 0}]";
    let crash = "{id: c, at: 50s, for: 1ms, crash: {node: app, process: true}}";
    let found = results("100s", client, &nodes.replace("], }", "]}"), crash);
    for what in ["lock:seat", "pool:db".replace("db", "gone").as_str()] {
        near(number(&found, &format!("nodes.app.resources.{what}.utilisation")), 0.5, 0.02);
    }
}

#[test]
fn the_one_that_is_full_is_named() {
    let shipped = |name: &str| {
        let path = format!("{}/scenarios/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        results_of(&std::fs::read_to_string(path).unwrap(), 1)
    };
    let found = shipped("gray-failure");
    let (node, resource, instance, at) = bottleneck(&found);
    assert_eq!((node, resource, instance), ("api", "cores", Some(0)));
    near(at.unwrap(), 60.0, 4.0);
    let found = shipped("lock-contention");
    let (node, resource, ..) = bottleneck(&found);
    assert_eq!((node, resource), ("orders", "lock:table"));
    near(number(&found, "nodes.orders.resources.lock:table.utilisation"), 0.9, 0.03);
}
