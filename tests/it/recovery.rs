//! What became of a fault: when those who ask were well again, and what is said of those who are not.

use serde_json::Value;

use crate::{
    cli::windtunnel,
    design::{design, number, results, results_of},
    faults::close,
};

/// 80 requests a second at a server of 100; for half a minute twice as many.
fn rush(duration: &str, rate: u64) -> Value {
    let client = format!("arrivals: constant({rate}/s), to: server, timeout: 1s");
    let server = "server: {service: {cores: 1, work: 10ms}}";
    results(
        duration,
        &client,
        server,
        "{id: rush, at: 60s, for: 30s, load: {client: load, factor: 2}}",
    )
}

#[test]
fn what_drains_is_not_metastable() {
    // 1,800 wait as it ends, 20 a second leave: after another 60 s 600 are left, for 30 s.
    let found = rush("150s", 80);
    let fault = &found["faults"][0];
    assert_eq!((&fault["aftermath"], &fault["metastable"]), (&"draining".into(), &false.into()));
    assert!((number(fault, "empty_in") - 30.0).abs() < 1.5, "{fault}");
    assert!(fault["time_to_recover"]["value"].is_null(), "{fault}");
    // Watched longer, it is empty after 90 s, and nobody waits for more than 1 s after 85.
    let found = rush("300s", 80);
    let fault = &found["faults"][0];
    assert_eq!((&fault["aftermath"], &fault["metastable"]), (&"recovered".into(), &false.into()));
    assert!((number(fault, "time_to_recover") - 85.0).abs() < 3.0, "{fault}");
    // It hurt from the first second of waiting on.
    assert!((number(fault, "back_after") - 115.0).abs() < 3.0, "{fault}");
    assert!(fault["empty_in"]["value"].is_null());
    // Watched for less than it lasted, nobody knows.
    assert!(rush("110s", 80)["faults"][0]["aftermath"].is_null());
    // As much is asked as can be served: it does not drain.
    assert_eq!(rush("240s", 100)["faults"][0]["aftermath"], "metastable");
}

#[test]
fn what_was_inside_before_has_not_piled_up() {
    // Each request is at another's for half a second first: 40 of them, or 80 in the rush, are nothing that drains.
    let found = results(
        "150s",
        "arrivals: constant(80/s), to: api, timeout: 1s",
        "api: {service: {cores: 1, endpoints: {default: [{call: far}, {work: 10ms}]}}}, \
         far: {external: {latency: 500ms}}",
        "{id: rush, at: 60s, for: 30s, load: {client: load, factor: 2}}",
    );
    let fault = &found["faults"][0];
    assert_eq!(fault["aftermath"], "draining");
    assert!((number(fault, "empty_in") - 30.0).abs() < 1.0, "{fault}");
}

#[test]
fn what_is_refused_is_not_served() {
    // The load is twice what is served for good, from a step that came with the fault; the queue is full. The fault
    // is not what keeps it so: more is served per second than before.
    let client =
        "arrivals: constant(80/s), to: server, timeout: 5s, load: [{at: 60s, factor: 2.5}]";
    let server = "server: {service: {cores: 1, work: 10ms, queue: 50}}";
    let found =
        results("240s", client, server, "{id: stall, at: 60s, for: 30s, pause: {node: server}}");
    let fault = &found["faults"][0];
    assert_eq!((&fault["aftermath"], &fault["metastable"]), (&"recovered".into(), &false.into()));
    assert!(number(fault, "time_to_recover") <= 2.0, "{fault}");
    let told = found["timeline"]["events"].to_string();
    assert!(!told.contains("not recovered"), "{told}");
    // With a step that is taken back it comes back to where it was, and stays there.
    let found = results(
        "240s",
        "arrivals: constant(80/s), to: server, timeout: 5s, load: [{at: 60s, factor: 2.5}, {at: 61s, factor: 1}]",
        server,
        "{id: stall, at: 60s, for: 30s, pause: {node: server}}",
    );
    assert_eq!(found["faults"][0]["aftermath"], "recovered");
}

#[test]
fn a_load_that_rises_later_is_another_cause() {
    // A crash of a minute heals at once; 40 s later twice as much is asked, and more than can be served.
    let client = "arrivals: constant(60/s), to: api, timeout: 500ms, load: [{at: 160s, factor: 2}]";
    let api = "api: {service: {workers: 1, queue: 20, work: 10ms}}";
    let blip = "{id: blip, at: 60s, for: 60s, crash: {node: api}}";
    let fault = &results("600s", client, api, blip)["faults"][0];
    assert_eq!(fault["metastable"], Value::Null, "{fault}");
    assert!(number(fault, "time_to_recover") <= 1.0, "{fault}");
    close(number(fault, "goodput_returned"), 1.0);
    // A ramp that began as the fault ended does the same.
    let ramp = client.replace("{at: 160s, factor: 2}", "{at: 120s, factor: 2.5, over: 2m}");
    let fault = &results("600s", &ramp, api, blip)["faults"][0];
    assert_eq!((&fault["aftermath"], &fault["metastable"]), (&"recovered".into(), &false.into()));
    assert!(number(fault, "time_to_recover") <= 1.0, "{fault}");
}

#[test]
fn what_was_before_is_what_was_when_nothing_else_was_wrong() {
    let client = "arrivals: constant(60/s), to: api, timeout: 500ms";
    let faults = "{id: one, at: 60s, for: 60s, crash: {node: api}}, \
                  {id: two, at: 240s, for: 30s, slow: {node: api, factor: 1.2}}";
    let found =
        results("400s", client, "api: {service: {workers: 1, queue: 20, work: 10ms}}", faults);
    for fault in found["faults"].as_array().unwrap() {
        close(number(fault, "availability_before"), 1.0);
        assert!((number(fault, "goodput_before") - 60.0).abs() < 0.1, "{fault}");
    }
}

#[test]
fn who_was_not_answered_while_it_lasted_was_not_well() {
    // No time-out: what was sent during the outage is answered all the same, when it is over.
    let client = "arrivals: constant(50/s), to: api";
    let api = "api: {service: {workers: 1, work: 10ms}}";
    let found = results("300s", client, api, "{id: stall, at: 60s, for: 60s, pause: {node: api}}");
    let fault = &found["faults"][0];
    close(number(fault, "availability_during"), 1.0);
    assert!(number(fault, "back_after") >= 59.0, "{fault}");
}

#[test]
fn a_fault_is_judged_by_those_who_can_feel_it() {
    // One region is down for good; the other one's fault heals.
    let text = "\
windtunnel: 1
name: apart
duration: 300s
clients:
  east: {arrivals: constant(50/s), to: a, timeout: 200ms}
  west: {arrivals: constant(50/s), to: b, timeout: 200ms}
nodes:
  a: {service: {workers: 10, work: 1ms}}
  b: {service: {workers: 10, work: 1ms}}
faults:
  - {id: lost, at: 40s, crash: {node: a}}
  - {id: blip, at: 60s, for: 20s, crash: {node: b}}
";
    let found = results_of(text, 1);
    let blip = found["faults"].as_array().unwrap().iter().find(|f| f["id"] == "blip").unwrap();
    assert_eq!(blip["concerns"], serde_json::json!(["west"]));
    assert_eq!((&blip["aftermath"], &blip["metastable"]), (&"recovered".into(), &false.into()));
    close(number(blip, "goodput_returned"), 1.0);
}

#[test]
fn a_release_that_is_still_there_is_no_metastable_state() {
    let run = |more: &str, alerts: &str| {
        let text = design(
            "300s",
            "arrivals: constant(90/s), to: api, timeout: 1s",
            "api: {service: {cores: 1, queue: 20, work: 10ms}}",
            &format!(
                "{{id: push, at: 60s, deploy: {{node: api, set: {{work: 50ms}}, batch: 100%, restart: false{more}}}}}"
            ),
        );
        results_of(&(text + alerts), 1)["faults"][0].clone()
    };
    let there = run("", "");
    assert_eq!(
        (&there["aftermath"], &there["metastable"]),
        (&"cause_remains".into(), &Value::Null)
    );
    let alerts = "alerts: {bad: {when: error_fraction(client=load window=5s) > 10%, every: 5s}}\n";
    let back = run(", rollback: bad", alerts);
    assert_eq!((&back["aftermath"], &back["metastable"]), (&"recovered".into(), &false.into()));
}

/// A pause of two seconds, and what a share of requests meets from just before its end on.
fn flawed(share: &str) -> Value {
    let faults = format!(
        "{{id: stall, at: 60s, for: 2s, pause: {{node: api}}}}, \
         {{id: flaw, at: 61s, errors: {{node: api, fraction: {share}}}}}"
    );
    let client = "arrivals: constant(1000/s), to: api, timeout: 500ms";
    let found = results("240s", client, "api: {service: {workers: 2000, work: 1ms}}", &faults);
    found["faults"].as_array().unwrap().iter().find(|f| f["id"] == "stall").unwrap().clone()
}

#[test]
fn recovered_means_99_percent_of_what_was() {
    // Of what was there before, 98 % is not enough, 99.9 % is.
    let most = flawed("2%");
    assert_eq!(most["aftermath"], "recovered");
    assert!(most["time_to_recover"]["value"].is_null(), "{most}");
    assert!(number(&flawed("0.1%"), "time_to_recover") <= 1.0);
}

#[test]
fn it_ends_with_the_first_return_that_lasts() {
    // A stall of 2 s; 80 s later and again and again, more is asked than can be served for ten seconds.
    let client = "arrivals: constant(50/s), to: api, timeout: 500ms, \
                  load: [{every: 400s, at: 140s, factor: 4}, {every: 400s, at: 150s, factor: 1}]";
    let api = "api: {service: {cores: 1, work: 10ms}}";
    let found = results("200s", client, api, "{id: stall, at: 60s, for: 2s, pause: {node: api}}");
    assert!(number(&found, "faults.0.availability_after") < 0.95);
    assert!(number(&found, "faults.0.time_to_recover") < 6.0, "{}", found["faults"][0]);
}

#[test]
fn back_counts_from_the_start_of_a_fault_and_by_client() {
    // Three checks of a second each until nobody is sent to the dead half any more.
    let text = "\
windtunnel: 1
name: failover
duration: 240s
clients:
  far: {arrivals: constant(100/s), to: lb, timeout: 200ms}
  near: {arrivals: constant(100/s), to: alone, timeout: 200ms}
nodes:
  lb: {load_balancer: {to: api, policy: round_robin, health_check: {interval: 1s, timeout: 500ms, fall: 3, rise: 2}}}
  api: {service: {instances: 2, workers: 100, work: 1ms}}
  alone: {service: {workers: 100, work: 1ms}}
faults:
  - {id: half, at: 60s, for: 60s, crash: {node: api, instances: [0]}}
";
    let check = |text: &str, ends: bool| {
        let found = results_of(text, 1);
        let fault = &found["faults"][0];
        let back = number(fault, "back_after");
        assert!((2.0..=5.0).contains(&back), "{fault}");
        assert_eq!(number(fault, "back_by_client.far").to_bits(), back.to_bits());
        close(number(fault, "back_by_client.near"), 0.0);
        assert_eq!(fault["time_to_recover"]["value"].is_null(), !ends, "{fault}");
        let events = found["timeline"]["events"].as_array().unwrap();
        let back = events.iter().find(|e| e["kind"] == "back").unwrap();
        assert!(back["text"].as_str().unwrap().ends_with("after half began, while it lasts"));
        assert!(events.iter().all(|e| e["kind"] != "recovered"), "it was told");
    };
    check(text, true);
    check(&text.replace(", for: 60s", ""), false);
}

#[test]
fn the_last_windows_are_marked_and_those_that_hang_are_not() {
    // Each request takes 3 s.
    let slow =
        results("60s", "arrivals: constant(10/s), to: api", "api: {external: {latency: 3s}}", "");
    let of = |found: &Value| -> Vec<bool> {
        serde_json::from_value(found["series"]["clients"]["all"]["undecided"].clone()).unwrap()
    };
    let open = of(&slow);
    let first = open.iter().position(|open| *open).unwrap();
    assert!(open[first..].iter().all(|open| *open), "{open:?}");
    let starts: Vec<f64> = serde_json::from_value(slow["series"]["start"].clone()).unwrap();
    assert!((starts[first] - 57.0).abs() <= 0.5, "{}", starts[first]);
    // Without a time-out, requests to a host that is gone hang for ever: they are not on their way.
    let hung = results(
        "60s",
        "arrivals: constant(10/s), to: api",
        "api: {service: {workers: 10, work: 10ms}}",
        "{id: gone, at: 20s, for: 20s, crash: {node: api}}",
    );
    assert!(hung["series"]["clients"]["all"].get("undecided").is_none());
    assert!(number(&hung, "faults.0.time_to_recover") < 1.0);
    // Of the whole outage 20 s are counted as bad.
    assert!((number(&hung, "faults.0.back_after") - 20.0).abs() < 1.0, "{}", hung["faults"][0]);
}

#[test]
fn a_window_tells_how_many_instances_are_down() {
    let found = results(
        "60s",
        "arrivals: constant(10/s), to: api, timeout: 1s",
        "api: {service: {instances: 2, workers: 10, work: 1ms}}",
        "{id: half, at: 20s, for: 10s, crash: {node: api, instances: [1]}}",
    );
    let list =
        |key: &str| -> Vec<f64> { serde_json::from_value(found["series"][key].clone()).unwrap() };
    let down: Vec<f64> =
        serde_json::from_value(found["series"]["nodes"]["api"]["down"].clone()).unwrap();
    let (starts, lengths) = (list("start"), list("length"));
    for ((start, length), down) in starts.iter().zip(&lengths).zip(&down) {
        let inside = (start + length).min(30.0) - start.max(20.0);
        close(*down, (inside / length).clamp(0.0, 1.0));
    }
}

#[test]
fn the_active_share_is_of_what_is_measured() {
    // The same ten windows of 6 s and 30 s around the fault, of 500 s: the warm-up does not count.
    let client = "arrivals: constant(10/s), to: db, timeout: 1s, \
                  active: {before: 10s, after: 10s, control: 10, window: 6s, settle: 1s}";
    let fault = "{id: f, at: 700s, for: 10s, errors: {node: db, fraction: 100%}}";
    let text = design("1000s", client, "db: {external: {latency: 1ms}}", fault);
    let found = results_of(&(text + "warm_up: 500s\n"), 1);
    close(number(&found, "clients.load.active"), 90.0 / 500.0);
}

#[test]
fn the_work_of_a_visit_that_gave_up_waiting_is_not_counted() {
    // One at a time for 950 ms, one request each 100 ms, nobody waits for more than 50 ms: for a worker, or for
    // a core, with a worker or without. What comes at 0.1 s is done at 1.05 s, and so on: the next is let in
    // by then, if it came in the last 50 ms.
    for room in ["workers: 1", "cores: 1", "workers: 10, cores: 1"] {
        let found = results(
            "101s",
            "arrivals: constant(10/s), to: api",
            &format!("api: {{service: {{{room}, patience: 50ms, work: 950ms}}}}"),
            "",
        );
        let visits = number(&found, "nodes.api.service_time.count");
        let ok = number(&found, "nodes.api.outcomes.ok");
        let work = number(&found, "nodes.api.service_time.mean") * visits;
        assert_eq!(number(&found, "nodes.api.causes.abandoned"), visits - ok, "{room}");
        assert!((100.0..=107.0).contains(&ok), "{room}: {ok} in 101 s");
        assert!((work - 0.95 * ok).abs() < 1e-6, "{room}: {work} s for {ok} visits");
    }
}

#[test]
fn what_never_recovers_misses_its_limit() {
    let text = "\
windtunnel: 1
name: stuck
duration: 6m
warm_up: 10s
clients: {users: {arrivals: constant(85/s), to: api, timeout: 500ms, retry: {attempts: 4}}}
nodes: {api: {service: {workers: 1, queue: 200, work: 10ms}}}
faults: [{id: blip, at: 2m, for: 20s, slow: {node: api, factor: 5}}]
slos: [time_to_recover(blip) <= 10s, back_after(blip) <= 60s, time_to_recover(blip) <= 1h]
expect: [metastable(blip) == true]
";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stuck.yaml"), text).unwrap();
    let ran = windtunnel(folder.path(), "run stuck.yaml -n 2 --format json");
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let verdict = |i: usize| found["slos"][i]["verdict"].as_str().unwrap();
    assert_eq!(["missed", "missed", "undecided"], [verdict(0), verdict(1), verdict(2)]);
    assert_eq!(found["slos"][0]["reason"], "not seen to the end");
    assert_eq!(found["expect"][0]["verdict"], "as expected");
}
