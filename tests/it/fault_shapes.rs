//! How faults come and go: growing, recovering one by one, in bursts, over one another; and what they
//! do to single messages.

use proptest::prelude::*;

use windtunnel::{
    report::{explain_text, summary_text, write_all},
    results::{Results, Watched},
    scenario::load::Overrides,
    study::Alone,
};

use crate::{
    bad_input::check_in,
    design::{design, number, results, results_of},
    faults::{FAULTY, close},
    theory::oracles::run,
};

#[test]
fn a_fault_grows_in_twenty_steps() {
    // A request every half second from 10.5 s on; each step of the ten seconds has one of them, at its
    // middle, and then there are twenty of full size.
    let sizes: f64 = (0..20).map(|step| (f64::from(step) + 0.5) / 20.0).sum::<f64>() + 20.0;
    let run = |fault: &str| {
        results(
            "50.1s",
            "arrivals: constant(2/s), to: a",
            "a: {service: {cores: 1, work: 10ms}}",
            &format!("{{id: f, at: 10250ms, for: 20s, over: 10s, {fault}}}"),
        )
    };
    for (fault, full) in [
        ("slow: {node: a, factor: 5}", 0.04),
        ("slow: {node: a, factor: 0.5}", -0.005),
        ("latency: {from: [load], to: [a], add: 70ms}", 0.07),
    ] {
        let found = run(fault);
        assert_eq!(number(&found, "summary.requests.ok"), 100.0);
        close(number(&found, "summary.latency.mean"), (100.0 * 0.01 + sizes * full) / 100.0);
        assert_eq!(number(&found, "faults.0.occurrences"), 1.0, "it is one fault");
        close(number(&found, "faults.0.started"), 10.25);
        close(number(&found, "faults.0.ended"), 30.25);
    }
    // Of 40 requests 0.5 and then all fail, of 4,000 the same share.
    for fault in ["errors: {node: a, fraction: 80%}", "loss: {link: [load, a], fraction: 55.2786%}"]
    {
        let found = results(
            "50.1s",
            "arrivals: constant(200/s), to: a, timeout: 300ms",
            "a: {external: {latency: 1ms}}",
            &format!("{{id: f, at: 10s, for: 20s, over: 20s, {fault}}}"),
        );
        // A loss on the way there or back: 1 - (1 - p)^2, whose mean over 0 .. p is p - p^2 / 3.
        let wanted = if fault.starts_with("errors") { 0.4 } else { 0.552_786 - 0.101_857 };
        let failed = 1.0 - number(&found, "faults.0.availability_during");
        assert!((failed - wanted).abs() < 0.02, "{fault}: {failed} instead of {wanted}");
    }
}

#[test]
fn load_grows_without_steps() {
    let found = results(
        "40.05s",
        "arrivals: constant(10/s), to: a",
        "a: {external: {latency: 1ms}}",
        "{id: f, at: 10s, for: 20s, over: 10s, load: {client: load, factor: 3}}",
    );
    // 10 s at 10/s, 10 s at 20/s on average, 10 s at 30/s, 10 s at 10/s.
    assert_eq!(number(&found, "summary.requests.issued"), 700.0);
}

#[test]
fn instances_recover_one_by_one() {
    let run = |more: &str| {
        results(
            "100s",
            "arrivals: constant(1/s), to: a",
            "a: {service: {instances: 4, cores: 1, work: 1ms}}",
            &format!("{{id: f, at: 10s, for: 20s, {more}}}"),
        )
    };
    let found = run("stagger: 6s, crash: {node: a, process: true}");
    close(number(&found, "nodes.a.instances.mean"), 4.0 - (20.0 + 22.0 + 24.0 + 26.0) / 100.0);
    close(number(&found, "nodes.a.availability_time"), 0.8);
    assert_eq!(number(&found, "faults.0.occurrences"), 1.0);
    close(number(&found, "faults.0.ended"), 36.0);
    // Half of them, whichever: the first in time, the other 6 s later.
    let found = run("stagger: 6s, crash: {node: a, instances: 50%, process: true}");
    close(number(&found, "nodes.a.instances.mean"), 4.0 - (20.0 + 26.0) / 100.0);
    // A percentage is rounded, but somebody is hit.
    for (share, hit) in [("1%", 1.0), ("30%", 1.0), ("40%", 2.0), ("100%", 4.0)] {
        let found = run(&format!("crash: {{node: a, instances: {share}, process: true}}"));
        close(number(&found, "nodes.a.instances.mean"), 4.0 - hit * 20.0 / 100.0);
    }
}

#[test]
fn connections_are_opened_anew_after_a_restart() {
    // Opening one takes 50 ms; requests come one by one, so one connection is enough. Its owner dies
    // for an instant: another one is opened.
    let run = |faults: &str| {
        let found = results(
            "20.05s",
            "arrivals: constant(10/s), to: a",
            "a: {service: {calls: [b], dependencies: {b: {pool: {size: 4, setup: 50ms}}}}}, \
             b: {external: {latency: 1ms}}",
            faults,
        );
        let spent = number(&found, "summary.latency.mean") * 200.0 - 200.0 * 0.001;
        (spent / 0.05).round()
    };
    assert_eq!(run(""), 1.0);
    assert_eq!(run("{id: f, at: 5050ms, for: 1ms, crash: {node: a, process: true}}"), 2.0);
    assert_eq!(run("{id: f, at: 5050ms, for: 1ms, pause: {node: a}}"), 1.0);
}

#[test]
fn a_doubled_call_is_served_twice_and_answered_once() {
    let run = |path: &str| {
        results(
            "1000.05s",
            "arrivals: constant(10/s), to: a, keys: uniform(n=9), timeout: 1s",
            "a: {service: {cores: 1, work: 10ms, calls: [b]}}, b: {store: {read: 1ms, cores: 2}}",
            &format!("{{id: f, at: 0s, duplicate: {path}}}"),
        )
    };
    let found = run("{link: [load, a], fraction: 100%}");
    assert_eq!(number(&found, "summary.requests.ok"), 10_000.0);
    close(number(&found, "summary.attempts_per_request"), 1.0);
    assert_eq!(number(&found, "nodes.a.outcomes.ok"), 20_000.0);
    assert_eq!(number(&found, "nodes.b.outcomes.ok"), 20_000.0);
    close(number(&found, "nodes.a.utilisation"), 0.2 * 1000.0 / 1000.05);
    // Both arrive at once and the second waits for the first.
    close(number(&found, "nodes.a.waiting_time.mean"), 0.005);
    close(number(&found, "summary.latency.max"), 0.011);
    // Replies and what is lost are not doubled: only what is asked for is done twice.
    let found = run("{from: [a], to: [load], fraction: 100%}");
    assert_eq!(number(&found, "nodes.a.outcomes.ok"), 10_000.0);
    let found = run("{link: [a, b], fraction: 30%}");
    assert_eq!(number(&found, "nodes.a.outcomes.ok"), 10_000.0);
    let asked = number(&found, "nodes.b.outcomes.ok") / 10_000.0;
    assert!((asked - 1.3).abs() < 0.02, "{asked}");
}

#[test]
fn losses_come_in_bursts() {
    // One way a fifth is lost. In bursts of five on average the next message after a lost one is lost
    // with probability 4/5, after one that came with 1/20. So a request of two attempts fails with
    // 0.64 after one that failed, with 0.04 after one that did not: in the long run with 1/10.
    let run = |burst: &str| {
        let text = design(
            "20000.5s",
            "arrivals: constant(1/s), to: a, timeout: 100ms, retry: {attempts: 2}",
            "a: {external: {latency: 1ms}}",
            &format!("{{id: f, at: 0s, loss: {{from: [load], to: [a], fraction: 20%{burst}}}}}"),
        );
        let found = results_of(&text, 4);
        (
            1.0 - number(&found, "summary.availability"),
            number(&found, "summary.attempts_per_request"),
        )
    };
    for (burst, failed, attempts) in [("", 0.04, 1.2), (", burst: 5", 0.1, 1.125)] {
        let found = run(burst);
        assert!((found.0 - failed).abs() < 0.004, "{burst}: {found:?}");
        assert!((found.1 - attempts).abs() < 0.006, "{burst}: {found:?}");
    }
}

#[test]
fn a_partition_that_rejects_is_noticed_at_once() {
    let run = |path: &str| {
        results(
            "100.5s",
            "arrivals: constant(10/s), to: a, timeout: 1s",
            "a: {service: {calls: [b]}}, b: {external: {latency: 10ms}}",
            &format!("{{id: f, at: 20050ms, for: 20s, partition: {path}}}"),
        )
    };
    for link in ["link: [load, a]", "link: [a, b]", "from: [a], to: [b]"] {
        let found = run(&format!("{{{link}, reject: true}}"));
        // The call under way in the instant of the cut is answered before it.
        assert_eq!(number(&found, "summary.requests.error"), 200.0, "{link}");
        assert_eq!(number(&found, "summary.requests.timeout"), 0.0, "{link}");
        close(number(&found, "summary.latency_all.max"), 0.01);
    }
    // Nobody is told that a reply was rejected, and none of what a silent cut swallows.
    for path in ["{from: [b], to: [a], reject: true}", "{link: [a, b], reject: false}"] {
        let found = run(path);
        assert_eq!(number(&found, "summary.requests.timeout"), 200.0, "{path}");
    }
    let both = "{id: g, at: 20050ms, for: 20s, loss: {link: [a, b], fraction: 100%}}";
    let found = results(
        "100.5s",
        "arrivals: constant(10/s), to: a, timeout: 1s",
        "a: {service: {calls: [b]}}, b: {external: {latency: 10ms}}",
        &format!(
            "{{id: f, at: 20050ms, for: 20s, partition: {{link: [a, b], reject: true}}}}, {both}"
        ),
    );
    assert_eq!(number(&found, "summary.requests.timeout"), 200.0);
}

#[test]
fn shapes_of_faults_are_checked() {
    const C: &str = "crash: {node: a}";
    const W: &str = "at: 1s, for: 1s, crash: {node: a}";
    check_in(
        FAULTY,
        &[
            (
                "B59",
                W,
                "at: 1s, for: 1s, over: 2s, slow: {node: a, factor: 2}",
                "13:36 E-RANGE",
                "before it has",
            ),
            ("B59", W, "at: 1s, over: 0s, slow: {node: a, factor: 2}", "13:27 E-RANGE", "above 0"),
            ("B59", C, "over: 1s, crash: {node: a}", "13:36 E-FAULT", "no size"),
            ("B59", C, "stagger: 0s, crash: {node: a}", "13:39 E-FAULT", "above 0"),
            ("B59", W, "at: 1s, stagger: 1s, crash: {node: a}", "13:30 E-FAULT", "never ends"),
            ("B59", C, "stagger: 1s, partition: {node: a}", "13:39 E-FAULT", "no instances"),
            (
                "B59",
                W,
                "mtbf: 9s, mttr: 1s, stagger: 1s, crash: {node: a}",
                "13:42 E-FAULT",
                "by itself",
            ),
            (
                "B59",
                W,
                "every: 3s, for: 2s, stagger: 1s, crash: {node: a}",
                "13:20 E-FAULT-TIME",
                "before it is over",
            ),
            ("B56", C, "crash: {node: a, instances: 0%}", "13:58 E-FAULT-TARGET", "nobody"),
            ("B56", C, "crash: {node: a, instances: 200%}", "13:58 E-RANGE", "100%"),
            ("B57", C, "duplicate: {node: b}", "13:30 E-MISSING", "`fraction`"),
            ("B57", C, "loss: {node: b, fraction: 1%, reject: true}", "13:68 E-FAULT", "means"),
            ("B57", C, "partition: {node: b, burst: 3}", "13:58 E-FAULT", "means nothing"),
            (
                "B57",
                C,
                "loss: {node: b, fraction: 80%, burst: 2}",
                "13:68 E-RANGE",
                "at least 4.000",
            ),
        ],
    );
}

/// Faults of all sizes and shapes on a design without randomness; all are over after 10 s.
fn any_fault(i: usize) -> impl Strategy<Value = String> {
    let effects = prop::sample::select(vec![
        "crash: {node: a}",
        "crash: {node: b, process: true}",
        "crash: {node: a, instances: 50%}",
        "pause: {node: a}",
        "pause: {node: b}",
        "slow: {node: a, factor: 3}",
        "slow: {node: b, factor: 0.25}",
        "errors: {node: a, fraction: 40%}",
        "partition: {link: [a, b]}",
        "partition: {link: [load, a], reject: true}",
        "latency: {node: b, add: 20ms}",
        "loss: {link: [load, a], fraction: 30%, burst: 3}",
        "duplicate: {link: [a, b], fraction: 50%}",
        "bandwidth: {node: b, rate: 100MB/s}",
        "load: {client: load, factor: 1.2}",
    ]);
    (effects, 0u32..9000, 1u32..5000, any::<bool>()).prop_map(
        move |(effect, at, length, shaped)| {
            let length = length.min(9500 - at);
            let shape = match effect.split(':').next() {
                Some("slow" | "errors" | "latency" | "loss" | "load") if shaped => {
                    format!("over: {}us, ", 500 * length + 1)
                }
                Some("crash" | "pause") if shaped => "stagger: 300ms, ".to_owned(),
                _ => String::new(),
            };
            format!("{{id: f{i}, at: {at}ms, for: {length}ms, {shape}{effect}}}")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Faults that overlap end in any order, and when the last is over nothing is left of any.
    #[test]
    fn what_is_over_leaves_no_trace(
        faults in (1usize..8).prop_flat_map(|n| (0..n).map(any_fault).collect::<Vec<_>>()),
    ) {
        let text = design(
            "20s",
            "arrivals: constant(50/s), to: a, timeout: 400ms, size: 1KB",
            "a: {service: {instances: 2, cores: 2, work: 4ms, calls: [b], \
             dependencies: {b: {timeout: 300ms}}}}, b: {service: {cores: 4, work: 2ms}}",
            &faults.join(", "),
        );
        let found = results_of(&(text + "warm_up: 12s\n"), 1);
        prop_assert_eq!(number(&found, "summary.availability"), 1.0);
        prop_assert!((number(&found, "summary.requests.issued") - 400.0).abs() <= 1.0);
        for figure in ["min", "mean", "max"] {
            if let Some(latency) = found["summary"]["latency"].get(figure) {
                let latency = latency["value"].as_f64().unwrap();
                prop_assert!((latency - 0.006).abs() < 1e-9, "{figure} {latency}");
            }
        }
        prop_assert!((number(&found, "nodes.a.instances.mean") - 2.0).abs() < 1e-12);
    }
}

/// What a run of this text gives, with its page.
fn told(text: &str, replications: usize) -> (Results, String) {
    let results = run::run("scenario.yaml", &Alone(text), &Overrides::default(), replications);
    let files = write_all(&results, &Watched::default());
    let page = files.into_iter().find(|file| file.0 == "report.html").expect("there is a page");
    let page = String::from_utf8(page.1).expect("it is a text");
    (results, page)
}

#[test]
fn what_is_over_at_once_has_no_length() {
    let cache = "c: {cache: {from: db, capacity: 100, latency: 1ms}}, db: {store: {read: 5ms}}";
    let client = "arrivals: constant(50/s), read: c, keys: uniform(n=50)";
    let fault = "{id: flush, at: 20s, every: 15s, clear_cache: {node: c}}";
    let (results, page) = told(&design("60s", client, cache, fault), 2);
    let found = serde_json::to_value(&results).expect("results are JSON");
    assert_eq!(found["faults"][0]["at_once"], true);
    assert_eq!(found["faults"][0]["struck"], serde_json::json!([20.0, 35.0, 50.0]));
    // What follows is its time, as ever.
    assert_eq!(
        (number(&found, "faults.0.started"), number(&found, "faults.0.ended")),
        (20.0, 60.0)
    );
    let events = found["timeline"]["events"].as_array().expect("there are events");
    let struck: Vec<f64> = events
        .iter()
        .filter(|event| {
            event["text"].as_str().is_some_and(|text| text.contains("fault flush strikes"))
        })
        .map(|event| event["at"].as_f64().expect("an instant"))
        .collect();
    assert_eq!(struck, [20.0, 35.0, 50.0]);
    assert!(
        page.contains(r#"[20,20,"flush","clear cache of c"],[35,35,"flush""#),
        "the lane of faults has instants"
    );
    assert!(summary_text(&results, 120).contains("3 times"));
    assert!(explain_text(&results, 120).contains("flush is done at once each of 3 times"));
    // Once, at another time in each replication.
    let once = "{id: flush, after: full, clear_cache: {node: c}}";
    let alert = "alerts: {full: {when: throughput(node=db window=1s) > 1/s, every: 1s}}\n";
    let (results, page) = told(&(design("60s", client, cache, once) + alert), 1);
    let fault = &results.faults[0];
    assert!(fault.at_once);
    let at = fault.started.value.expect("it came");
    assert_eq!(fault.shown(), [(at, at)]);
    assert!(!page.contains(",60,\"flush\""));
    // A crash lasts, and one of environments does not.
    let crash = |target: &str, node: &str| {
        let fault = format!("{{id: c, at: 20s, crash: {{{target}}}}}");
        let (results, _) = told(&design("60s", "arrivals: constant(5/s), to: f", node, &fault), 1);
        results.faults[0].shown()
    };
    let function = "f: {function: {cold_start: 100ms, work: 50ms}}";
    assert_eq!(crash("node: f, instances: 100%", function), [(20.0, 20.0)]);
    assert_eq!(crash("node: f", "f: {service: {work: 1ms, workers: 2}}"), [(20.0, 60.0)]);
}
