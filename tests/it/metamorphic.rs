//! What a change of a design must not change, or must change in a way known beforehand.

use serde_json::Value;

use crate::{
    design::{number, results},
    theory::oracles::run::simulate,
};

const CLIENT: &str = "arrivals: poisson(60/s), to: a, keys: zipf(n=100 s=0.9), timeout: 60ms, \
                      retry: {attempts: 3, backoff: constant(5ms)}";
const NODES: &str = "a: {service: {instances: 2, cores: 1, workers: 8, endpoints: {default: \
                     [{work: exp(mean=15ms)}, {read: b}]}}}, b: {store: {read: exp(mean=5ms), cores: 2}}, \
                     idle: {external: {latency: 1ms}}";

/// All figures but those of the faults themselves.
fn figures(results: &Value) -> [&Value; 3] {
    [&results["summary"], &results["clients"], &results["nodes"]]
}

#[test]
fn a_fault_without_effect_changes_nothing() {
    let run = |fault: &str| results("60s", CLIENT, NODES, fault);
    let without = run("");
    assert!(number(&without, "summary.requests.timeout") > 0.0, "an easy life shows no difference");
    for effect in [
        "probability: 0%, crash: {node: a}",
        "slow: {node: a, factor: 1}",
        "errors: {node: a, fraction: 0%}",
        "latency: {link: [a, b], add: 0s}",
        "loss: {link: [a, b], fraction: 0%}",
        "loss: {link: [a, b], fraction: 0%, burst: 4}",
        "duplicate: {link: [a, b], fraction: 0%}",
        "over: 10s, slow: {node: a, factor: 1}",
        "partition: {between: [[b], [load]], reject: true}",
        // Between the sides there is nothing to cut.
        "partition: {between: [[idle], [a, b, load]]}",
        "partition: {between: [[b], [load]]}",
        "partition: {from: [b], to: [load]}",
        "load: {client: load, factor: 1}",
        "set: {nodes.b.store.read: exp(mean=5ms)}",
    ] {
        let with = run(&format!("{{id: f, at: 5s, for: 30s, {effect}}}"));
        assert_eq!(figures(&without), figures(&with), "{effect}");
        // Not one event is another.
        assert_eq!(without["fingerprint"], with["fingerprint"], "{effect}");
    }
}

#[test]
fn a_timeout_that_never_comes_changes_nothing() {
    // Without one a request has no frame of its own; refusals, errors, whoever is open at the end and
    // several operations must come out the same.
    let nodes = "a: {service: {instances: 2, cores: 1, queue: 3, work: exp(mean=25ms)}}, \
                 far: {external: {latency: 400ms, errors: 10%}}, \
                 lb: {load_balancer: {to: [a], policy: round_robin}}";
    let operations =
        "{near: {share: 60%, to: a}, even: {share: 30%, to: lb}, away: {share: 10%, to: far}}";
    let client =
        format!("arrivals: poisson(80/s), keys: zipf(n=50 s=0.9), operations: {operations}");
    for client in [&client, "arrivals: poisson(80/s), to: a", "arrivals: constant(70/s), to: far"] {
        let without = results("30s", client, nodes, "");
        let with = results("30s", &format!("{client}, timeout: 10h"), nodes, "");
        assert_eq!(figures(&without), figures(&with), "{client}");
        assert_eq!(without["fingerprint"], with["fingerprint"], "{client}");
        assert!(number(&without, "summary.requests.ok") > 0.0, "{client}");
    }
}

#[test]
fn a_fault_ends_when_it_ends() {
    // Measured from 30 s; the fault is over at 10 s, and what it left behind soon after.
    let run = |faults: &str| {
        let text = format!(
            "windtunnel: 1\nname: over\nduration: 90s\nwarm_up: 30s\nclients: {{load: {{{CLIENT}}}}}\n\
             nodes: {{{NODES}}}\nfaults: [{faults}]\n"
        );
        let light = text.replace("60/s", "20/s");
        simulate(&light, 1).merged
    };
    let without = run("");
    for effect in [
        "crash: {node: a}",
        "crash: {node: a, instances: 1, process: true}",
        "slow: {node: b, factor: 20}",
        "errors: {node: b, fraction: 50%}",
        "latency: {link: [a, b], add: 70ms}",
        "loss: {link: [load, a], fraction: 40%}",
        "partition: {link: [load, a]}",
        "partition: {link: [a, b], reject: true}",
        "loss: {link: [load, a], fraction: 40%, burst: 3}",
        "duplicate: {link: [load, a], fraction: 40%}",
        "over: 3s, slow: {node: b, factor: 20}",
        "stagger: 4s, crash: {node: a, process: true}",
    ] {
        let with = run(&format!("{{id: f, at: 5s, for: 5s, {effect}}}"));
        assert_eq!(figures(&without), figures(&with), "{effect}");
        assert_ne!(without["fingerprint"], with["fingerprint"], "{effect} did nothing at all");
    }
}

#[test]
fn all_times_longer_by_a_factor_change_no_count() {
    let run = |times: u64| {
        let ms = |n: u64| format!("{}ms", n * times);
        let text = format!(
            "windtunnel: 1\nname: scaled\nduration: {duration}\ntopology: {{regions: {{r: [x]}}}}\n\
             network: {{internet: {way}}}\n\
             clients: {{load: {{arrivals: constant({rate}/s), to: a, keys: zipf(n=50 s=0.9), \
             timeout: {timeout}, retry: {{attempts: 3, backoff: constant({backoff})}}}}}}\n\
             nodes:\n  a: {{service: {{zones: x, workers: 5, queue: 2, endpoints: {{default: \
             [{{work: {work}}}, {{read: {{from: b, cache: c}}}}]}}}}}}\n  \
             b: {{store: {{zones: x, read: {read}, cores: 1}}}}\n  \
             c: {{cache: {{zones: x, capacity: 10, ttl: {ttl}, latency: {look}}}}}\n",
            duration = ms(60_000),
            way = ms(3),
            rate = 64.0 / times as f64,
            timeout = ms(110),
            backoff = ms(13),
            work = ms(40),
            read = ms(30),
            ttl = ms(700),
            look = ms(2),
        );
        simulate(&text, 1).merged
    };
    let (one, four) = (run(1), run(4));
    for outcome in ["ok", "timeout", "rejected"] {
        assert!(number(&one, &format!("summary.requests.{outcome}")) > 0.0, "no {outcome} at all");
    }
    assert_eq!(one["summary"]["requests"], four["summary"]["requests"]);
    assert_eq!(one["summary"]["attempts_per_request"], four["summary"]["attempts_per_request"]);
    for (node, count) in
        [("a", "outcomes"), ("a", "causes"), ("c", "hits"), ("c", "evictions"), ("b", "outcomes")]
    {
        assert_eq!(one["nodes"][node][count], four["nodes"][node][count], "{count} of {node}");
    }
    let latency = |results| number(results, "summary.latency.mean");
    assert!((4.0 * latency(&one) / latency(&four) - 1.0).abs() < 1e-9);
}

#[test]
fn a_second_cell_doubles_the_counts() {
    let run = |cells: &[&str]| {
        let each = |what: &str| -> String {
            cells.iter().map(|c| what.replace('@', c)).collect::<Vec<_>>().join(", ")
        };
        let clients = "@: {arrivals: constant(40/s), to: api@, keys: sequential(n=30), timeout: 90ms, \
                       retry: {attempts: 2, backoff: constant(10ms)}}";
        let nodes = "api@: {service: {cores: 1, queue: 3, endpoints: {default: [{work: 20ms}, \
                     {read: {from: db@, cache: near@}}]}}}, db@: {store: {read: 30ms, cores: 1}}, \
                     near@: {cache: {capacity: 29}}";
        let text = format!(
            "windtunnel: 1\nname: cells\nduration: 60s\nclients: {{{}}}\nnodes: {{{}}}\n",
            each(clients),
            each(nodes)
        );
        simulate(&text, 1).merged
    };
    let (one, two) = (run(&["x"]), run(&["x", "y"]));
    let counts = one["summary"]["requests"].as_object().unwrap();
    assert!(counts["ok"].as_u64().unwrap() > 0 && counts["ok"] != counts["issued"], "{counts:?}");
    for (outcome, count) in counts {
        let doubled = two["summary"]["requests"][outcome].as_u64();
        assert_eq!(doubled, count.as_u64().map(|n| 2 * n), "{outcome}");
    }
    assert_eq!(one["summary"]["latency"]["mean"], two["summary"]["latency"]["mean"]);
    for node in ["api", "db", "near"] {
        let (alone, x, y) = (format!("{node}x"), format!("{node}x"), format!("{node}y"));
        assert_eq!(one["nodes"][alone], two["nodes"][x], "{node}");
        let counted = |name: &str| two["nodes"][name]["outcomes"].clone();
        assert_eq!(counted(&format!("{node}x")), counted(&y), "{node}");
    }
}

#[test]
fn more_servers_never_serve_less() {
    for room in ["", ", queue: 4"] {
        let mut before = 0.0;
        for cores in 1..=6 {
            let server = format!("a: {{service: {{cores: {cores}, work: exp(mean=1s){room}}}}}");
            let run = results("2000s", "arrivals: poisson(4/s), to: a", &server, "");
            let ok = number(&run, "summary.requests.ok");
            assert!(ok >= before, "{ok} with {cores} cores{room}, {before} with one less");
            before = ok;
        }
        assert!(before > 7500.0, "{before}");
    }
}

#[test]
fn without_limits_there_are_no_timeouts_and_no_retries() {
    // Twice what the server can do: every wait is longer than the one before.
    let run = |limits: &str| {
        let client = format!("arrivals: poisson(20/s), to: a{limits}");
        results("60s", &client, "a: {service: {cores: 1, work: exp(mean=100ms)}}", "")
    };
    let impatient = run(", timeout: 1s, retry: {attempts: 3}");
    assert!(number(&impatient, "summary.requests.timeout") > 500.0);
    let (endless, long) = (run(""), run(", timeout: 1000h, retry: {attempts: 3}"));
    for patient in [&endless, &long] {
        assert_eq!(number(patient, "summary.requests.timeout"), 0.0);
        assert_eq!(number(patient, "summary.attempts_per_request"), 1.0);
    }
    assert_eq!(figures(&endless), figures(&long));
    // One attempt each, whatever becomes of it.
    let once = run(", timeout: 1s, retry: {attempts: 1}");
    assert!(number(&once, "summary.requests.timeout") > 500.0);
    assert_eq!(number(&once, "summary.attempts_per_request"), 1.0);
}
