//! Figures of results that are rare or easily mixed up with others, each against arithmetic.

use serde_json::Value;

use crate::{
    design::{design, number, results, results_of},
    faults::close,
    theory::oracles::run::simulate,
};

/// 80 requests a second at a server of 100; for half a minute twice as many.
fn rush(duration: &str, arrivals: &str) -> String {
    design(
        duration,
        &format!("arrivals: {arrivals}(80/s), to: server, timeout: 1s"),
        "server: {service: {cores: 1, work: 10ms}}",
        "{id: rush, at: 60s, for: 30s, load: {client: load, factor: 2}}",
    )
}

/// What is said of the first fault, which is of a server of 100 a second that serves `load`.
fn first_fault(duration: &str, load: &str, server: &str, fault: &str) -> Value {
    let client = format!("to: server, {load}");
    let server = format!("server: {{service: {{cores: 1, work: 10ms{server}}}}}");
    results(duration, &client, &server, fault)["faults"][0].clone()
}

fn numbers(list: &Value) -> Vec<f64> {
    serde_json::from_value(list.clone()).unwrap()
}

// ---- what became of a fault ----------------------------------------------------------------------

#[test]
fn what_is_well_before_the_last_tenth_has_recovered() {
    // Nobody waits for more than 1 s from 85 s after the end of the rush on. Watched for 110 s that is before
    // the last tenth, watched for 90 s it is in it, and may not last.
    for (duration, watched, aftermath) in [("200s", 110.0, "recovered"), ("180s", 90.0, "draining")]
    {
        let found = results_of(&rush(duration, "constant"), 1);
        assert_eq!(found["faults"][0]["aftermath"], aftermath, "{duration}");
        assert!((number(&found, "faults.0.time_to_recover") - 85.0).abs() < 3.0, "{duration}");
        close(number(&found, "faults.0.watched"), watched);
    }
}

#[test]
fn nothing_drains_while_others_are_refused() {
    // The queue of `a` shrinks as in a run of its own, but from 60 s on `b` is asked for 120 a second, serves
    // 100 and refuses a sixth: not all of it is a backlog that goes.
    let aftermath = |load: &str| {
        let text = format!(
            "windtunnel: 1\nname: apart\nduration: 150s\nclients:\n  \
             load: {{arrivals: constant(80/s), to: a, timeout: 1s}}\n  \
             other: {{arrivals: constant(80/s), to: b{load}}}\nnodes:\n  \
             a: {{service: {{cores: 1, work: 10ms}}}}\n  \
             b: {{service: {{cores: 1, work: 10ms, queue: 5}}}}\n\
             faults: [{{id: rush, at: 60s, for: 30s, load: {{client: load, factor: 2}}}}]\n"
        );
        results_of(&text, 1)["faults"][0]["aftermath"].clone()
    };
    assert_eq!(aftermath(""), "draining");
    assert_eq!(aftermath(", load: [{at: 60s, factor: 1.5}]"), "metastable");
}

#[test]
fn it_drains_at_the_pace_of_the_last_third() {
    // 3,000 wait as the rush ends, and go on waiting; from 150 s on, a third of what is watched, 20 a second
    // leave: 2,400 are left at 180 s, for 120 s.
    let fault = first_fault(
        "180s",
        "arrivals: constant(100/s), timeout: 1s, load: [{at: 150s, factor: 0.8}]",
        "",
        "{id: rush, at: 60s, for: 30s, load: {client: load, factor: 2}}",
    );
    assert_eq!(fault["aftermath"], "draining");
    assert!((number(&fault, "empty_in") - 120.0).abs() < 0.1, "{fault}");
}

#[test]
fn a_tenth_more_than_before_is_why_not_all_is_served() {
    // 116 a second are asked and 100 served, 86 % of them; but before it were 80, and it is 100 now.
    let fault = first_fault(
        "240s",
        "arrivals: constant(80/s), timeout: 5s, load: [{at: 60s, factor: 1.45}]",
        ", queue: 50",
        "{id: stall, at: 60s, for: 30s, pause: {node: server}}",
    );
    assert_eq!((&fault["aftermath"], &fault["metastable"]), (&"recovered".into(), &false.into()));
    assert!((number(&fault, "goodput_returned") - 100.0 / 116.0).abs() < 0.01, "{fault}");
}

#[test]
fn goodput_around_a_fault_is_by_the_instant_of_the_answer() {
    // Ten a second, each answered after 5 s: by 20 s those of the first 15 s, 149 of them, are. What is sent
    // in the ten seconds of the fault fails. From 45 s to 60 s those sent from 40 s to 55 s are answered,
    // 150, where as many were sent: 149 of 199 of them would have been, had it gone on as before.
    let found = results(
        "60s",
        "arrivals: constant(10/s), to: a",
        "a: {external: {latency: 5s}}",
        "{id: f, at: 20s, for: 10s, errors: {node: a, fraction: 100%}}",
    );
    close(number(&found, "faults.0.goodput_before"), 149.0 / 20.0);
    let returned = number(&found, "faults.0.goodput_returned");
    assert!((returned - 199.0 / 149.0).abs() < 1e-6, "{returned}");
    // By the instant of sending all of them are good, before and after.
    close(number(&found, "faults.0.availability_before"), 1.0);
    close(number(&found, "faults.0.availability_after"), 1.0);
}

#[test]
fn what_comes_again_began_with_the_first_and_ended_with_the_last() {
    // Three times, from 20 s, 120 s and 220 s on, for 20 s; an alert that looks every 5 s at the last 5 s.
    let text = design(
        "300s",
        "arrivals: constant(10/s), to: a",
        "a: {external: {latency: 5ms}}",
        "{id: f, at: 20s, every: 100s, for: 20s, errors: {node: a, fraction: 100%}}",
    ) + "alerts: {bad: {when: error_fraction(client=load window=5s) > 50%, every: 5s}}\n";
    let found = results_of(&text, 1);
    let of = |path: &str| number(&found, path);
    assert_eq!((of("faults.0.started"), of("faults.0.ended")), (20.0, 240.0));
    assert_eq!((of("faults.0.occurrences"), of("alerts.0.count")), (3.0, 3.0));
    assert_eq!((of("alerts.0.fired"), of("alerts.0.resolved")), (25.0, 245.0));
    // It is not watched after the one end there is not.
    assert!(found["faults"][0]["watched"]["value"].is_null());
}

// ---- several replications ------------------------------------------------------------------------

#[test]
fn of_two_replications_that_differ_the_worse_is_told() {
    // In one of them the server is well again after 88 s, in the other after 92 s.
    let run = |duration: &str| {
        let text = rush(duration, "poisson") + "seed: 1\n";
        let measured = simulate(&text, 2);
        let one = |r: usize| measured.each[r]["faults"][0].clone();
        ([one(0), one(1)], measured.merged["faults"][0].clone())
    };
    let (each, merged) = run("190s");
    let said = each.map(|fault| fault["aftermath"].as_str().unwrap().to_owned());
    assert!(said.contains(&"recovered".into()) && said.contains(&"draining".into()), "{said:?}");
    assert_eq!(merged["aftermath"], "draining");
    // A time to recover of those that did, while another did not, would be too short.
    let (each, merged) = run("180s");
    let times = each.map(|fault| fault["time_to_recover"]["value"].as_f64());
    assert_eq!(times.iter().flatten().count(), 1, "{times:?}");
    assert!(merged["time_to_recover"]["value"].is_null());
}

#[test]
fn what_happened_is_told_of_a_replication_with_the_fault() {
    // One of four has it, and not the first: there the server is full for 10 s and the 5 s it takes to do what
    // has piled up, a quarter of the minute.
    let text = design(
        "60s",
        "arrivals: constant(50/s), to: a",
        "a: {service: {cores: 1, work: 10ms}}",
        "{id: f, at: 20s, for: 10s, probability: 30%, slow: {node: a, factor: 4}}",
    ) + "seed: 1\n";
    let found = results_of(&text, 4);
    close(number(&found, "faults.0.occurrences"), 0.25);
    let told = number(&found, "timeline.replication");
    assert!(told >= 1.0, "{told}");
    let events = found["timeline"]["events"].as_array().unwrap();
    let started = events.iter().find(|e| e["kind"] == "fault_started").unwrap();
    assert_eq!((&started["subject"], number(started, "at")), (&"f".into(), 20.0));
    // Of a quarter of the windows in a quarter of the runs; but not in most runs at once.
    close(number(&found, "nodes.a.resources.cores.saturated"), 0.25 * 0.25);
    assert!(found["nodes"]["a"]["resources"]["cores"]["saturated_at"].is_null());
}

#[test]
fn figures_by_replication_are_those_of_each_alone() {
    let text = design(
        "60s",
        "arrivals: poisson(50/s), to: a, timeout: 100ms, retry: {attempts: 2}",
        "a: {service: {cores: 1, work: exp(mean=15ms), queue: 20}}",
        "",
    );
    let run = simulate(&text, 2);
    let all = run.merged;
    for (r, alone) in run.each.iter().enumerate() {
        let figures = all["replications"][r]["figures"].as_object().unwrap();
        assert!(figures.len() > 25, "{figures:?}");
        for (path, value) in figures {
            assert_eq!(value.as_f64().unwrap(), number(&alone["summary"], path), "{path} of {r}");
        }
    }
    let of = |path: &str| all["replications"][0]["figures"][path].as_f64().unwrap();
    assert!(of("latency_all.mean") > 1.2 * of("latency.mean"), "requests that fail take longer");
}

#[test]
fn who_hangs_is_told_by_how_many_and_since_when() {
    // Nobody has a time-out: all that is asked in the ten seconds of `f` and the five of `g` hangs.
    let text = "\
windtunnel: 1
name: lost
duration: 60s
seed: 3
clients:
  few: {arrivals: poisson(5/s), to: a}
  many: {arrivals: poisson(30/s), to: b}
nodes: {a: {external: {latency: 5ms}}, b: {external: {latency: 5ms}}}
faults:
  - {id: f, at: 20s, for: 10s, loss: {link: [few, a], fraction: 100%}}
  - {id: g, at: 40s, for: 5s, loss: {link: [many, b], fraction: 100%}}
";
    let measured = simulate(text, 2);
    let hanging = measured.merged["hanging"].as_array().unwrap();
    let first = |key: &str| hanging.iter().map(|h| h[key].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((first("from"), first("fault")), (vec!["many", "few"], vec!["g", "f"]));
    for (place, fault) in hanging.iter().enumerate() {
        let each = measured.each.iter().map(|one| &one["hanging"][place]);
        let each: Vec<(f64, f64)> =
            each.map(|one| (number(one, "requests"), number(one, "since"))).collect();
        assert_eq!(number(fault, "requests"), each[0].0 + each[1].0);
        assert!(each[0].1 != each[1].1, "{each:?}");
        assert_eq!(number(fault, "since"), each[0].1.min(each[1].1));
    }
}

// ---- nodes ---------------------------------------------------------------------------------------

#[test]
fn what_was_full_or_grew_in_the_warm_up_is_not_told() {
    let run = |duration: &str, warm_up: &str, load: &str| {
        let client = format!("arrivals: constant(50/s), to: a, load: [{load}]");
        let text = design(duration, &client, "a: {service: {cores: 1, work: 10ms}}", "");
        results_of(&(text + &format!("warm_up: {warm_up}\n")), 1)["nodes"]["a"].clone()
    };
    // Three times as much for 10 s, and 10 s more until all of it is done: over by 20 s.
    let early = run("100s", "40s", "{at: 0s, factor: 3}, {at: 10s, factor: 1}");
    close(number(&early, "resources.cores.saturated"), 0.0);
    assert!(early["resources"]["cores"]["saturated_at"].is_null());
    // The second half of what is measured begins at 80 s, and from there on a hundred a second are left over.
    let late = run("100s", "60s", "{at: 80s, factor: 4}");
    assert!((number(&late, "queue_growth") - 100.0).abs() < 1.0, "{}", late["queue_growth"]);
    close(number(&late, "resources.cores.saturated"), 0.5);
    close(number(&late, "resources.cores.saturated_at"), 80.0);
}

#[test]
fn a_window_holds_what_happened_in_it() {
    // Two instances take turns, but from 20 s to 30 s one is down. Five keys are missed once each, in the
    // first quarter of a second.
    let text = "\
windtunnel: 1
name: windows
duration: 60s
clients: {load: {arrivals: constant(20/s), to: lb, keys: sequential(n=5)}}
nodes:
  lb: {load_balancer: {to: api, health_check: {detect: 100ms}}}
  api: {service: {instances: 2, workers: 10, endpoints: {default: [{read: {from: db, cache: near}}]}}}
  near: {cache: {capacity: 10}}
  db: {store: {read: 1ms}}
faults: [{id: half, at: 20s, for: 10s, crash: {node: api, instances: [1]}}]
";
    let found = results_of(text, 1);
    let series = &found["series"];
    let shares = numbers(&series["nodes"]["api"]["largest_share"]);
    let hits = numbers(&series["nodes"]["near"]["hit_ratio"]);
    for (i, start) in numbers(&series["start"]).into_iter().enumerate() {
        match start {
            20.5..30.0 => close(shares[i], 1.0),
            2.0..20.0 | 31.0..60.0 => close(shares[i], 0.5),
            _ => {}
        }
        // Requests at 0.05, 0.1 .. 0.45 s: nine in the first window, five of them missed.
        close(hits[i], if i == 0 { 4.0 / 9.0 } else { 1.0 });
    }
    // What ended well is no cause of anything.
    assert!(series["nodes"]["api"]["ended"].get("ok").is_none());
}

#[test]
fn an_answer_from_a_fallback_is_good_and_counts_as_served() {
    // The hundred requests of the ten seconds of the fault, among 900 that were sent around it and between.
    let found = results(
        "1000s",
        "arrivals: constant(10/s), to: app, \
         active: {before: 10s, after: 10s, control: 10, window: 6s, settle: 1s}",
        "app: {service: {workers: 10, endpoints: {default: [{call: db}]}, \
         dependencies: {db: {fallback: {reply: 1KB}}}}}, db: {external: {latency: 1ms}}",
        "{id: f, at: 100s, for: 10s, errors: {node: db, fraction: 100%}}",
    );
    assert_eq!(number(&found, "summary.requests.degraded"), 100.0);
    close(number(&found, "summary.availability"), 1.0);
    let rates = numbers(&found["series"]["nodes"]["app"]["throughput"]);
    let lengths = numbers(&found["series"]["length"]);
    let served: f64 = rates.iter().zip(&lengths).map(|(rate, length)| rate * length).sum();
    assert!((served - number(&found, "summary.requests.issued")).abs() < 1e-6, "{served}");
}

#[test]
fn of_many_instances_the_first_64_are_listed() {
    for (instances, listed, rest) in [(64, 64, 0), (70, 64, 6)] {
        let api = format!("api: {{service: {{instances: {instances}, cores: 1, work: 1ms}}}}");
        let found = results("10s", "arrivals: constant(100/s), to: api", &api, "");
        let api = &found["nodes"]["api"];
        assert_eq!(api["per_instance"].as_array().unwrap().len(), listed);
        let left = api["instances_not_listed"].as_u64().unwrap_or_default();
        assert_eq!(left, rest, "{instances}");
    }
}
