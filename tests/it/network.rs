//! Links, and where the time between nodes goes.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{number, results, results_of},
    faults::{busy, close},
};

/// Ten requests a second to `api`, which asks `db` and then `cache`.
const CHAIN: &str = "\
windtunnel: 1
name: chain
duration: 30s
network: {same_zone: 1ms, links: []}
clients: {users: {arrivals: constant(10/s), to: api, timeout: 5s}}
nodes:
  api: {service: {workers: 100, endpoints: {default: [{call: db}, {call: cache}]}, dependencies: {db: {timeout: 1s}}}}
  db: {external: {latency: 4ms}}
  cache: {external: {latency: 2ms}}
";

fn latency(found: &Value) -> f64 {
    number(found, "summary.latency.mean")
}

/// Parts of the time of a mean request and what is left over, s.
fn parts(found: &Value) -> [f64; 5] {
    ["network", "backoff", "permits", "waits", "remainder"]
        .map(|part| number(found, &format!("blame.{part}")))
}

fn are(found: &Value, wanted: [f64; 5]) {
    let parts = parts(found);
    let near = parts.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(near, "{parts:?} instead of {wanted:?}");
}

fn linked(links: &str) -> Value {
    results_of(&CHAIN.replace("links: []", &format!("links: [{links}]")), 1)
}

#[test]
fn nodes_have_links_of_their_own() {
    // Without one: two round trips of 2 ms, and 4 + 2 ms at the far ends; clients stand nowhere.
    let found = linked("");
    assert!((latency(&found) - 0.010).abs() < 1e-9, "{}", latency(&found));
    are(&found, [0.004, 0.0, 0.0, 0.0, 0.0]);
    for (links, wanted) in [
        ("{from: api, to: db, latency: 10ms}", 0.028),
        ("{from: api, to: db, latency: 10ms, one_way: true}", 0.019),
        ("{from: db, to: api, latency: 10ms, one_way: true}", 0.019),
        ("{from: users, to: api, latency: 3ms}, {from: api, to: cache, latency: 0s}", 0.014),
        ("{from: internet, to: api, latency: 3ms, one_way: true}", 0.013),
        // The class says what is not said.
        ("{from: api, to: db, ordered: true}", 0.010),
    ] {
        let found = linked(links);
        assert!((latency(&found) - wanted).abs() < 1e-9, "{links}: {}", latency(&found));
        are(&found, [wanted - 0.006, 0.0, 0.0, 0.0, 0.0]);
    }
}

#[test]
fn a_link_of_nodes_stands_for_that_of_their_zones() {
    let topology =
        "topology: {regions: {r: [a, b]}}\nnetwork: {same_region: 1ms, links: [LINKS]}\n";
    let text = CHAIN
        .replace("network: {same_zone: 1ms, links: []}\n", topology)
        .replace("to: api,", "to: api, zones: a,")
        .replace("{service: {", "{service: {zones: a, ")
        .replace("{external: {", "{external: {zones: b, ");
    for (links, wanted) in [
        ("", 0.010),
        ("{from: a, to: b, latency: 5ms}", 0.026),
        ("{from: a, to: b, latency: 5ms}, {from: api, to: db, latency: 2ms}", 0.020),
        ("{from: api, to: db, latency: 2ms}, {from: a, to: b, latency: 5ms}", 0.020),
        ("{from: api, to: b, latency: 2ms}", 0.014),
    ] {
        let found = results_of(&text.replace("LINKS", links), 1);
        assert!((latency(&found) - wanted).abs() < 1e-9, "{links}: {}", latency(&found));
    }
}

#[test]
fn a_link_of_nodes_loses_and_delays_what_goes_by_it_alone() {
    // Lost on the way there or back: 1 - 0.8^2; the others go by links that lose nothing.
    let text = CHAIN
        .replace("duration: 30s", "duration: 1000s")
        .replace("links: []", "links: [{from: api, to: db, latency: 1ms, loss: 20%}]");
    let found = results_of(&text, 1);
    let lost = 1.0 - number(&found, "summary.availability");
    assert!((lost - 0.36).abs() < 0.015, "{lost}");
    // 10 kB at 1 MB/s: 10 ms more each way it is sent.
    let text = CHAIN
        .replace("links: []", "links: [{from: api, to: db, latency: 1ms, bandwidth: 1MB/s}]")
        .replace("latency: 4ms", "latency: 4ms, reply: 10KB");
    let found = results_of(&text, 1);
    assert!((latency(&found) - 0.020).abs() < 1e-6, "{}", latency(&found));
    are(&found, [0.014, 0.0, 0.0, 0.0, 0.0]);
    // Faults reach them, copies take them; the run's books are checked at its end.
    let fault = "faults: [{id: f, at: 10s, for: 10s, EFFECT}]\nnodes:";
    let text = CHAIN.replace("links: []", "links: [{from: api, to: db, latency: 1ms}]");
    for (effect, wanted) in [
        ("partition: {between: [[api], [db]]}", 2.0 / 3.0),
        ("duplicate: {node: db, fraction: 100%}", 1.0),
        ("latency: {node: db, add: 3ms}", 1.0),
    ] {
        let text = text.replace("nodes:", &fault.replace("EFFECT", effect));
        let found = results_of(&text, 1);
        let availability = number(&found, "summary.availability");
        assert!((availability - wanted).abs() < 0.01, "{effect}: {availability}");
    }
}

#[test]
fn links_lead_from_somewhere_to_somewhere() {
    let link = |link: &'static str| ("links", "links: []", link);
    for ((number, old, new), start, phrase) in [
        (
            link("links: [{from: api, to: bd, latency: 1ms}]"),
            "4:51 E-REF",
            "no zone, region, node or client `bd`",
        ),
        (
            link("links: [{from: users, to: db, latency: 1ms}]"),
            "4:36 W-UNUSED",
            "no message goes from `users` to `db` or back",
        ),
        (
            link("links: [{from: api, to: db, latency: 1ms}, {from: db, to: api, loss: 1%}]"),
            "4:71 E-TOPO",
            "twice",
        ),
    ] {
        check_in(CHAIN, &[(number, old, new, start, phrase)]);
    }
}

#[test]
fn backoff_and_waits_for_connections_have_their_part_of_the_time() {
    // Two at once and one place: one is refused and tries again after 50 ms.
    let two = "clients: {users: {arrivals: constant(10/s), to: api, timeout: 5s}, \
               others: {arrivals: constant(10/s), to: api, timeout: 5s}}\n";
    let alone = "clients: {users: {arrivals: constant(10/s), to: api, timeout: 5s}}\n";
    let head = CHAIN.split("nodes:").next().unwrap().replace(alone, two);
    let head = head.replace("same_zone: 1ms, ", "");
    let retry = "timeout: 5s, retry: {attempts: 2, backoff: constant(50ms)}}";
    let text = format!("{head}nodes: {{api: {{service: {{workers: 1, queue: 0, work: 30ms}}}}}}\n")
        .replace("timeout: 5s}", retry);
    are(&results_of(&text, 1), [0.0, 0.025, 0.0, 0.0, 0.0]);
    // One connection: one waits for 30 ms.
    let text = format!(
        "{head}nodes:\n  api: {{service: {{endpoints: {{default: [{{wait: 7ms}}, {{call: db}}]}}, \
         dependencies: {{db: {{timeout: 1s, pool: {{size: 1, wait: 1s}}}}}}}}}}\n  \
         db: {{external: {{latency: 30ms}}}}\n"
    );
    let found = results_of(&text, 1);
    are(&found, [0.0, 0.0, 0.015, 0.007, 0.0]);
    assert!((latency(&found) - 0.052).abs() < 1e-9, "{}", latency(&found));
}

#[test]
fn who_is_refused_by_a_breaker_does_not_wait() {
    let text = CHAIN
        .replace("same_zone: 1ms, ", "")
        .replace("external: {latency: 4ms}", "service: {cores: 1, work: 4ms}")
        .replace("db: {timeout: 1s}", "db: {breaker: {window: 2s, min_calls: 5, open: 5s}}")
        .replace(
            "nodes:",
            "faults: [{id: f, at: 10s, for: 10s, errors: {node: db, fraction: 100%}}]\nnodes:",
        );
    let found = results_of(&text, 1);
    assert!(number(&found, "nodes.api.causes.breaker_open") > 50.0);
    let permits = number(&found, "blame.permits");
    assert!(permits.abs() < 1e-12, "{permits}");
    assert!(number(&found, "blame.remainder").abs() < 1e-6);
}

#[test]
fn probes_are_on_nobodys_way() {
    let text = "\
windtunnel: 1
name: probes
duration: 100s
network: {same_zone: 1ms}
clients: {users: {arrivals: constant(1/s), to: lb, timeout: 5s}}
nodes:
  lb: {load_balancer: {to: api, health_check: {interval: 100ms, timeout: 50ms}}}
  api: {service: {instances: 3, work: 5ms}}
";
    are(&results_of(text, 1), [0.002, 0.0, 0.0, 0.0, 0.0]);
    let drawn = text.replace("same_zone: 1ms", "same_zone: \"uniform(0.5ms, 1.5ms)\"");
    let found = results_of(&drawn, 1);
    assert!((number(&found, "blame.network") - 0.002).abs() < 1e-4);
    assert!(number(&found, "blame.remainder").abs() < 1e-6);
}

#[test]
fn a_time_out_shorter_than_the_way_is_told() {
    let text = "\
windtunnel: 1
name: far
duration: 10s
topology: {regions: {a: [a1], b: [b1]}}
network: {same_zone: 0.2ms, cross_region: 12ms, links: []}
clients: {c: {arrivals: poisson(50/s), to: api, zones: a1}}
nodes:
  api: {service: {zones: a1, cores: 8, calls: [db], dependencies: {db: {timeout: 20ms}}}}
  db: {service: {zones: b1, work: 1ms, cores: 8}}
";
    let warned = |text: &str| told(text.as_bytes());
    let found = warned(text);
    assert!(found.len() == 1 && found[0].starts_with("8:82 W-IMPOSSIBLE"), "{found:?}");
    assert!(found[0].contains("25ms"), "{found:?}");
    // Through a balancer it is as far, and a link of its own is nearer.
    let lb = "  lb: {load_balancer: {to: db, zones: a1}}\n  db:";
    let through = text.replace("[db]", "[lb]").replace("{db: {timeout", "{lb: {timeout");
    let found = warned(&through.replace("  db:", lb));
    assert!(found.len() == 1 && found[0].contains("W-IMPOSSIBLE"), "{found:?}");
    let near = text.replace("links: []", "links: [{from: api, to: db, latency: 2ms}]");
    assert_eq!(warned(&near), Vec::<String>::new());
}

#[test]
fn calls_without_a_timer_that_may_be_lost_are_told() {
    let text = CHAIN
        .replace("external: {latency: 4ms}", "service: {cores: 1, work: 4ms}")
        .replace("timeout: 1s", "retry: {attempts: 2}")
        .replace("nodes:", "faults: [{id: f, at: 1s, for: 1s, EFFECT}]\nnodes:");
    let of = |effect: &str, change: (&str, &str)| -> Vec<String> {
        let text = text.replace("EFFECT", effect).replace(change.0, change.1);
        let all = told(text.as_bytes());
        all.into_iter().filter(|line| line.contains("W-NO-TIMEOUT")).collect()
    };
    let same = ("nodes:", "nodes:");
    // Only where it may happen.
    for (effect, calls) in [
        ("crash: {node: db}", vec!["8:62"]),
        ("crash: {node: db, process: true}", vec![]),
        ("crash: {node: api}", vec![]),
        ("loss: {node: api, fraction: 1%}", vec!["8:62", "8:74"]),
        ("partition: {between: [[api], [cache]]}", vec!["8:74"]),
        ("partition: {from: [cache], to: [api]}", vec!["8:74"]),
        ("partition: {between: [[users], [api]]}", vec![]),
    ] {
        let found = of(effect, same);
        let places: Vec<&str> = found.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(places, calls, "{effect}: {found:?}");
    }
    let found = of("crash: {node: db}", same);
    assert!(found[0].contains("waits for ever"), "{found:?}");
    // With a timer there is nothing to warn of, nor is there of a client's.
    assert!(of("crash: {node: db}", ("retry: {attempts: 2}", "timeout: 1s")).is_empty());
    // Who stands between and waits without a timer does not help.
    let between = |more: &str| {
        let lb = format!("nodes:\n  lb: {{load_balancer: {{to: db{more}}}}}");
        let text = text.replace("EFFECT", "crash: {node: db}").replace("nodes:", &lb);
        let text = text
            .replace("{call: db}", "{call: lb}")
            .replace("dependencies: {db:", "dependencies: {lb:");
        told(text.as_bytes()).iter().filter(|line| line.contains("W-NO-TIMEOUT")).count()
    };
    assert_eq!((between(""), between(", timeout: 1s")), (1, 0));
    // Balancers that pass requests round in a circle.
    let ring = "nodes:\n  lb: {load_balancer: {to: other}}\n  other: {load_balancer: {to: lb}}";
    let text = text.replace("EFFECT", "crash: {node: db}").replace("nodes:", ring);
    let found = told(text.replace("{call: db}", "{call: lb}").as_bytes());
    assert!(found.iter().any(|line| line.contains("E-CYCLE")), "{found:?}");
}

#[test]
fn a_cancellation_that_overtakes_its_call_before_a_paused_host_finds_nothing() {
    // The pause holds the cancellation, then the call; both are let in when it is over.
    let faults = "{id: f0, at: 1557ms, for: 1013ms, pause: {node: api}}, \
        {id: f1, after: bad, delay: 564ms, for: 2s, latency: {node: api, add: exp(mean=30ms)}}";
    let health = "health_check: {detect: 200ms}, eject: {errors: 5, for: 1s, max: 100%}";
    let text = busy(faults, "codel(target=5ms interval=50ms)", true, ("least_requests", health));
    assert!(number(&results_of(&text, 3), "summary.requests.issued") > 5_000.0);
}

#[test]
fn a_doubled_call_is_not_taken_for_its_copy_when_it_is_called_off() {
    let fault = "{id: f, at: 0s, duplicate: {node: api, fraction: 50%}}";
    let text = busy(fault, "lifo_preemptive", true, ("round_robin", ""));
    assert!(number(&results_of(&text, 4), "summary.requests.issued") > 10_000.0);
}

#[test]
fn messages_queue_for_a_slow_path() {
    // 10 kB each way takes 100 ms at 100 kB/s: one request a second notices nothing else, ten at
    // once wait for one another, on the way there and (their replies leave one by one) not back.
    let run = |duration: &str, arrivals: &str| {
        results(
            duration,
            &format!("arrivals: {arrivals}, to: a, size: 10KB"),
            "a: {service: {endpoints: {default: [{reply: 10KB}]}}}",
            "{id: f, at: 0s, bandwidth: {link: [load, a], rate: 100KB/s}}",
        )
    };
    let latency =
        |measured: &Value, figure: &str| number(measured, &format!("summary.latency.{figure}"));
    let alone = run("100.5s", "constant(1/s)");
    close(latency(&alone, "mean"), 0.2);
    close(latency(&alone, "max"), 0.2);
    // The ten of a batch take 0.2, 0.3, .. 1.1 s. Batches that come at random keep the link busy for 1 s in
    // 5 s, and wait as in M/D/1 for 0.2 x 1 s / (2 x 0.8) = 0.125 s in the mean, with a deviation of 0.31 s:
    // of 4,000 batches the mean is off by no more than 0.03 s.
    let batches = run("20000s", "poisson(0.2/s batch=10)");
    let mean = latency(&batches, "mean");
    assert!((mean - (0.65 + 0.125)).abs() < 0.03, "{mean}");
    // 80 % of the batches meet nobody. Half of their requests take less than 0.7 s, a tenth just that; of the
    // others fewer are as fast, so that less than half of all take less, and more than half about as much.
    let p50 = latency(&batches, "p50");
    assert!((0.69..0.75).contains(&p50), "{p50}");
}
