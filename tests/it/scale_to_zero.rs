//! Services that may have no instance at all: who waits at the door, who wakes them, and what they cost meanwhile.

use serde_json::Value;

use crate::{
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// What `explain` tells of a kind.
fn told(found: &Value, kind: &str) -> Vec<String> {
    let all = found["timeline"]["events"].as_array().unwrap().iter();
    let text = |event: &Value| event["text"].as_str().unwrap().to_owned();
    all.filter(|event| event["kind"] == kind).map(text).collect()
}

/// A design of these clients and nodes.
fn design(duration: &str, clients: &str, nodes: &str) -> String {
    format!(
        "windtunnel: 1\nname: zero\nduration: {duration}\nclients: {{{clients}}}\nnodes: {{{nodes}}}\n"
    )
}

/// A service that boots in 20 s and works 10 ms.
fn api(service: &str, autoscale: &str) -> String {
    format!(
        "api: {{service: {{cores: 1, work: 10ms, boot: 20s, price: $1/h, {service}\
         autoscale: {{min: 0, max: 4, {autoscale}}}}}}}"
    )
}

/// Clients `c0`, `c1`, .. who each ask once, at these instants.
fn once(at: &[&str], more: &str) -> String {
    let one = |(i, at): (usize, &&str)| {
        format!("c{i}: {{arrivals: schedule(every=100h at={at}), {more}}}")
    };
    at.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

fn asked(at: &[&str], autoscale: &str, duration: &str) -> Value {
    results_of(&design(duration, &once(at, "to: api"), &api("", autoscale)), 1)
}

fn latency(found: &Value, client: usize) -> f64 {
    number(found, &format!("clients.c{client}.latency.mean"))
}

fn requests(found: &Value, outcome: &str) -> f64 {
    number(found, &format!("summary.requests.{outcome}"))
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-3 * expected.abs().max(1e-3), "{found}, not {expected}");
}

const HOLD: &str = "hold: 10, metric: requests, target: 10/s";

#[test]
fn the_first_one_waits_for_the_boot_and_nobody_else() {
    let found = asked(&["10s", "60s", "500s"], HOLD, "600s");
    close(latency(&found, 0), 20.01);
    close(latency(&found, 1), 0.01);
    // The one that came at 60 s was last seen at 90 s, and counts until 390 s: at 405 s it goes, and is gone at 415 s.
    close(latency(&found, 2), 20.01);
    assert_eq!(number(&found, "nodes.api.causes.held"), 2.0);
    let waited = number(&found, "nodes.api.in_queue") * 600.0;
    close(waited, 40.0);
    // Paid for from the start of the boot until it is gone.
    let paid = (405.0 + 100.0) / 600.0;
    close(number(&found, "nodes.api.cost.hours"), paid * 730.0);
    close(number(&found, "nodes.api.instances.mean"), (385.0 + 80.0) / 600.0);
    assert_eq!(number(&found, "nodes.api.instances.min"), 0.0);
    // None is needed.
    assert_eq!(number(&found, "nodes.api.availability_time"), 1.0);
    let changes = found["nodes"]["api"]["scaling"]["changes"].as_array().unwrap();
    let told: Vec<_> =
        changes.iter().map(|c| (number(c, "at"), number(c, "from"), number(c, "to"))).collect();
    assert_eq!(told, [(10.0, 0.0, 1.0), (405.0, 1.0, 0.0), (500.0, 0.0, 1.0)]);
    assert_eq!(number(&changes[0], "waited"), 20.0);
    // One that somebody needs is short while there is none.
    let needed =
        results_of(&design("600s", &once(&["10s"], "to: api"), &api("need: 1, ", HOLD)), 1);
    // Ready at 30 s, it goes at 315 s and is gone ten seconds later.
    close(number(&needed, "nodes.api.availability_time"), 295.0 / 600.0);
}

#[test]
fn nobody_asks_and_nothing_is_paid() {
    let found = asked(&["99h"], HOLD, "600s");
    assert_eq!(number(&found, "nodes.api.cost.hours"), 0.0);
    assert_eq!(number(&found, "nodes.api.instances.max"), 0.0);
}

#[test]
fn they_are_served_in_the_order_of_their_arrival() {
    let found = asked(&["10s", "11s", "12s"], HOLD, "600s");
    for (client, expected) in [(0, 20.01), (1, 19.02), (2, 18.03)] {
        close(latency(&found, client), expected);
    }
    // One boots for all of them.
    assert_eq!(number(&found, "nodes.api.instances.max"), 1.0);
}

#[test]
fn as_many_as_may_wait_do() {
    let many = ["10s", "11s", "12s", "40s"];
    let found = asked(&many, "hold: 2, metric: requests, target: 10/s", "100s");
    assert_eq!((requests(&found, "ok"), requests(&found, "unavailable")), (3.0, 1.0));
    assert_eq!(number(&found, "nodes.api.causes.nobody_there"), 1.0);
    assert_eq!(number(&found, "clients.c2.requests.unavailable"), 1.0);
    // Without a line nobody waits, and nobody comes until somebody is wanted by the clock.
    let day = "metric: requests, target: 10/s, schedule: [{at: 20s, min: 1}]";
    let found = asked(&many, day, "100s");
    // Wanted at 30 s, ready at 50 s.
    assert_eq!(requests(&found, "unavailable"), 4.0);
    assert_eq!(requests(&asked(&["51s"], day, "100s"), "ok"), 1.0);
}

#[test]
fn who_stops_waiting_leaves_the_line() {
    // The second finds the place that the first one left at 15 s.
    for cancel in ["", ", cancel: true"] {
        let clients = once(&["10s", "15001ms", "29s"], &format!("to: api, timeout: 5s{cancel}"));
        let rules = "hold: 1, metric: requests, target: 10/s";
        let found = results_of(&design("100s", &clients, &api("", rules)), 1);
        assert_eq!((requests(&found, "timeout"), requests(&found, "ok")), (2.0, 1.0));
        assert_eq!(number(&found, "nodes.api.causes.held"), 3.0);
        close(latency(&found, 2), 1.01);
        // They were never at work.
        close(number(&found, "nodes.api.utilisation") * 80.0, 0.01 * 80.0 / 70.0);
        // Five, five, and one second.
        close(number(&found, "nodes.api.in_queue") * 100.0, 11.0);
    }
}

#[test]
fn the_line_goes_to_whoever_is_ready_first() {
    // Four are wanted from 15 s on, but for the one that was asked for at 10 s: it is ready at 30 s, the others at 35 s.
    let rules = "hold: 100, metric: requests, target: 10/s, schedule: [{at: 15s, min: 4}]";
    let found = asked(&["10s", "11s", "12s", "13s", "14s", "16s", "17s", "18s"], rules, "100s");
    close(latency(&found, 7), 12.08);
    let each = found["nodes"]["api"]["per_instance"].as_array().unwrap().iter();
    let each: Vec<f64> = each.map(|one| number(one, "throughput") * 100.0).collect();
    assert_eq!(each[0].round(), 8.0, "{each:?}");
    // Ready at once, all of them have their part.
    let rules = "hold: 100, metric: requests, target: 10/s, schedule: [{at: 15s, min: 4}], by: far";
    let far = "far: {service: {boot: 1s}}";
    let nodes = format!("{}, {far}", api("", rules));
    let faults = "faults: [{id: gone, crash: {node: far}, at: 0s, for: 14s}]\n";
    let clients = once(&["10s", "10100ms", "10200ms", "10300ms", "10400ms", "10500ms"], "to: api");
    let found = results_of(&(design("100s", &clients, &nodes) + faults), 1);
    // Nobody could ask for one before 15 s, and whoever may looks again at 30 s.
    close(latency(&found, 0), 40.01);
    let each = found["nodes"]["api"]["per_instance"].as_array().unwrap().iter();
    let used = each.filter(|one| number(one, "throughput") > 0.0).count();
    assert!(used > 1, "{used}");
}

#[test]
fn what_comes_through_a_balancer_waits_as_well() {
    for policy in ["round_robin", "least_requests", "rendezvous", "peak_ewma"] {
        let nodes =
            format!("lb: {{load_balancer: {{to: api, policy: {policy}}}}}, {}", api("", HOLD));
        let clients = once(&["10s", "11s", "60s"], "to: lb, keys: uniform(n=9)");
        let found = results_of(&design("100s", &clients, &nodes), 1);
        for (client, expected) in [(0, 20.01), (1, 19.02), (2, 0.01)] {
            close(latency(&found, client), expected);
        }
    }
    // A share of the requests goes to another tier as long as that is there.
    let nodes = format!(
        "lb: {{load_balancer: {{to: {{api: 90, old: 10}}}}}}, old: {{service: {{cores: 1, work: 1ms}}}}, {}",
        api("", HOLD)
    );
    let found = results_of(&design("100s", &once(&["10s"], "to: lb"), &nodes), 1);
    close(latency(&found, 0), 0.001);
    // Nobody waits where nobody may.
    let nodes = format!(
        "lb: {{load_balancer: {{to: api}}}}, {}",
        api("", "metric: requests, target: 10/s, schedule: [{at: 90s, min: 1}]")
    );
    let found = results_of(&design("100s", &once(&["10s"], "to: lb"), &nodes), 1);
    assert_eq!(number(&found, "nodes.lb.causes.no_live_target"), 1.0);
}

#[test]
fn who_comes_while_the_last_one_drains_waits_for_the_next() {
    // It goes at 315 s and drains until 325 s: the next one boots meanwhile, in another place.
    let found = asked(&["10s", "317s"], HOLD, "600s");
    close(latency(&found, 1), 20.01);
    // With one place it has to wait for that.
    let one = format!("{HOLD}, max: 1");
    let nodes = api("", &one).replace("max: 4, ", "");
    let found = results_of(&design("600s", &once(&["10s", "317s"], "to: api"), &nodes), 1);
    close(latency(&found, 1), 28.01);
}

#[test]
fn who_was_asked_for_comes_whatever_is_measured() {
    // Looks while it boots have nothing to go by, or find no message; and it forgets at once that it was asked.
    let nodes = format!(
        "{}, jobs: {{queue: {{}}}}",
        api("consumes: jobs, ", "hold: 9, metric: depth(jobs), target: 5, stabilise: 0s")
    );
    let found = results_of(&design("200s", &once(&["10s"], "to: api"), &nodes), 1);
    close(latency(&found, 0), 20.01);
    assert_eq!(number(&found, "nodes.api.scaling.up"), 1.0);
}

#[test]
fn messages_wake_those_who_work_them_off() {
    let run = |metric: &str, more: &str| {
        let nodes = format!(
            "jobs: {{queue: {{}}}}, {}",
            api("consumes: jobs, ", &format!("metric: {metric}, stabilise: 30s{more}"))
        );
        // A hundred at once.
        let client = "c0: {arrivals: schedule(every=100h at=20s batch=100), to: jobs}";
        results_of(&design("300s", client, &nodes), 1)
    };
    let at = |found: &Value| {
        let changes = found["nodes"]["api"]["scaling"]["changes"].as_array().unwrap().clone();
        changes.iter().map(|c| (number(c, "at"), number(c, "to"))).collect::<Vec<_>>()
    };
    // From 20 s on a hundred wait: read in [15, 30], 66.7 in the mean, at 45 s: 2.7 x 25.
    let found = run("depth(jobs)", ", target: 25");
    assert_eq!(at(&found)[0], (45.0, 3.0));
    assert_eq!(number(&found, "nodes.jobs.acked"), 100.0);
    // All are gone at 65.4 s: three are wanted until 90 s, since the last of their wishes is of 60 s.
    assert_eq!(at(&found).last().unwrap().1, 0.0);
    assert_eq!(number(&found, "nodes.api.instances.min"), 0.0);
    // One wakes for whatever waits.
    assert_eq!(at(&run("depth(jobs)", ", target: 1k"))[0], (45.0, 1.0));
    assert_eq!(at(&run("age(jobs)", ", target: 10m"))[0], (45.0, 1.0));
    assert_eq!(at(&run("depth(jobs)", ", steps: [{above: 50, add: 2}]"))[0], (45.0, 2.0));
}

#[test]
fn a_log_wakes_its_readers() {
    let nodes = format!(
        "log: {{topic: {{partitions: 4}}}}, {}",
        api("consumes: log, ", "metric: lag(log group=api), target: 25, stabilise: 30s")
    );
    let client = "c0: {arrivals: schedule(every=100h at=20s batch=100), to: log}";
    let found = results_of(&design("300s", client, &nodes), 1);
    assert_eq!(number(&found, "nodes.log.groups.api.acked"), 100.0);
    assert_eq!(number(&found, "nodes.api.scaling.changes.0.at"), 45.0);
    assert_eq!(number(&found, "nodes.api.scaling.changes.0.to"), 3.0);
}

#[test]
fn it_may_begin_to_go_to_zero_later() {
    // Until 100 s one is there; then none has to be.
    let nodes = "api: {service: {cores: 1, work: 10ms, boot: 20s, autoscale: {min: 1, max: 4, metric: requests, \
                 target: 10/s, stabilise: 30s}}}";
    let faults = "faults: [{id: save, set: {nodes.api.service.autoscale: {min: 0, max: 4, metric: requests, \
                  target: 10/s, stabilise: 30s, hold: 9}}, at: 100s}]\n";
    let clients = once(&["10s", "200s"], "to: api");
    let found = results_of(&(design("300s", &clients, nodes) + faults), 1);
    close(latency(&found, 0), 0.01);
    close(latency(&found, 1), 20.01);
}

#[test]
fn they_may_be_bought_on_the_spot_market() {
    let spot = "purchase: {spot: {price: $0.3/h, reclaim: 100s, notice: 30s}}, ";
    let nodes = api(spot, HOLD).replace("price: $1/h, ", "");
    let found = results_of(&design("600s", &once(&["10s", "300s"], "to: api"), &nodes), 1);
    close(latency(&found, 0), 20.01);
    assert_eq!(requests(&found, "ok"), 2.0);
}

#[test]
fn two_threads_give_the_same_bytes() {
    let clients = "c0: {arrivals: poisson(0.02/s), to: lb, timeout: 30s, retry: {attempts: 2}}, \
                   c1: {arrivals: schedule(every=200s at=7s batch=30), to: jobs}";
    let nodes = format!(
        "lb: {{load_balancer: {{to: api}}}}, jobs: {{queue: {{}}}}, {}, work: {{service: {{cores: 1, work: 100ms, boot: \
         exp(mean=10s), consumes: jobs, autoscale: {{min: 0, max: 9, metric: depth(jobs), target: 5, stabilise: 20s}}}}}}",
        api("", "hold: 3, metric: requests, target: 1/s, stabilise: 10s, drain: 1s")
    );
    let text = design("20m", clients, &nodes).replace("name: zero", "name: shop");
    let of = |threads: u32| bytes_of_run(&text, &format!("--jobs {threads} --replications 5"));
    assert_same(&of(1), &of(2));
}

#[test]
fn every_word_of_autoscalers_gives_the_same_bytes_on_two_threads() {
    let scales = "min: 0, max: 8, hold: 20, window: 4s, every: 2s, delay: 1s, tolerance: 5%, stabilise: 12s, cooldown: 3s, \
                  up: limit(count=2 share=50% per=4s), down: limit(count=1 per=2s), drain: 3s, \
                  schedule: [{every: 60s, at: 40s, min: 2}, {every: 60s, at: 50s, min: 0, max: 4}], \
                  predict: {period: 60s, ahead: 5s}, by: far, ";
    let service = |name: &str, more: &str, rest: &str| {
        format!(
            "{name}: {{service: {{cores: 1, work: exp(mean=30ms), boot: exp(mean=3s), {more}autoscale: {{{scales}{rest}}}}}}}"
        )
    };
    let nodes = [
        "far: {service: {boot: 1s}}, jobs: {queue: {}}, lb: {load_balancer: {to: a}}".to_owned(),
        service("a", "warm: {for: 5s, factor: 2}, ", "metric: requests, target: 12/s"),
        service(
            "b",
            "consumes: jobs, ",
            "metric: depth(jobs), steps: [{above: 4, add: 1}, {below: 1, remove: 1}]",
        ),
    ]
    .join(", ");
    let clients = "u: {arrivals: poisson(20/s), load: [{every: 60s, at: 20s, factor: 0.01}, {every: 60s, at: 45s, factor: 1}], \
                   to: lb, timeout: 2s, retry: {attempts: 2}, cancel: true}, \
                   v: {arrivals: poisson(5/s batch=6), load: [{every: 60s, at: 10s, factor: 0.01}, {every: 60s, at: 55s, factor: 1}], to: jobs}";
    let faults = "faults: [{id: away, crash: {node: far}, at: 70s, for: 15s}, {id: roll, at: 100s, deploy: {node: a, batch: 1, drain: 1s}}, \
                  {id: gone, crash: {node: a, instances: 50%}, at: 130s, for: 4s}]\n";
    let text = (design("200s", clients, &nodes) + faults).replace("name: zero", "name: shop");
    let of = |jobs: u32| bytes_of_run(&text, &format!("--jobs {jobs} --replications 6"));
    assert_same(&of(1), &of(2));
    // Whatever word comes new is to be said here.
    let schema = crate::cli::windtunnel(&std::env::temp_dir(), "schema").stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let words =
        schema["$defs"]["AutoscaleSpec"]["properties"].as_object().expect("autoscalers have words");
    let unsaid: Vec<_> = words.keys().filter(|word| !text.contains(&format!("{word}: "))).collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
}

#[test]
fn it_is_told_who_waited_and_for_whom() {
    // One is there until 30 s and then leaves; nobody asks from 20 s to 60 s.
    let clients = "c0: {arrivals: constant(1/s), load: [{at: 20s, factor: 0}, {at: 60s, factor: 1}], to: api}";
    let rules = "hold: 5, metric: requests, target: 10/s, stabilise: 0s, schedule: [{at: 0s, min: 1}, {at: 20s}]";
    let found = results_of(&design("160s", clients, &api("instances: 1, ", rules)), 1);
    let came = told(&found, "instances_came");
    assert_eq!(came, ["api: its first instance is ready, 20 s after there was something to do"]);
    let waits = told(&found, "waits_began");
    assert!(waits.iter().any(|text| text.contains("an instance")), "{waits:?}");
    let refused = told(&found, "refusals_began");
    assert!(refused.iter().any(|text| text.contains("no instance")), "{refused:?}");
    // Twenty come before it is ready, five wait.
    assert_eq!(requests(&found, "unavailable"), 15.0);
}
