//! Deployments of instances that come and go: who is replaced, who begins with what is new, and what is left of it.

use serde_json::Value;

use crate::{
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// Instances behind a balancer that deals in turn; forty requests a second.
fn text(api: &str, nodes: &str, faults: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 100.024s\n\
         clients: {{load: {{arrivals: constant(40/s), to: lb, timeout: 5s, keys: sequential(n=40)}}}}\n\
         nodes: {{lb: {{load_balancer: {{to: api}}}}, {nodes}\
         api: {{service: {{workers: 99, boot: 2s, {api}}}}}}}\nfaults: [{faults}]\n"
    )
}

fn rolled(api: &str, faults: &str) -> Value {
    results_of(&text(api, "", faults), 1)
}

/// From which second on which share of the requests of a second fails, where that changes.
fn failing(found: &Value) -> Vec<(f64, f64)> {
    let series = &found["series"];
    let starts = series["start"].as_array().unwrap();
    let bad = series["clients"]["all"]["availability"].as_array().unwrap();
    let mut all: Vec<(f64, f64)> = Vec::new();
    for (start, good) in starts.iter().zip(bad) {
        let failed = 1.0 - good.as_f64().unwrap_or(1.0);
        if all.last().is_none_or(|last| (last.1 - failed).abs() > 0.06) {
            all.push((start.as_f64().unwrap(), failed));
        }
    }
    all
}

const STEPS: &str = "endpoints: {default: [{work: 10ms}]}";
const BROKEN: &str = "set: {\"endpoints.default\": [{work: 10ms}, {fail: 100%}]}";
const CALM: &str =
    "metric: requests, target: 1000/s, every: 5s, delay: 0s, stabilise: 0s, drain: 1s";

#[test]
fn who_stays_is_rolled_as_if_nobody_ever_came_or_went() {
    // Beside the service: a cache in each instance, a lock of each, and all of them are needed.
    let nodes = "local: {cache: {in: api, capacity: 30}}, db: {external: {latency: 3ms}}, ";
    let steps = "need: 4, endpoints: {default: [{lock: {name: one, scope: instance, do: [{work: 12ms}]}}, \
                 {read: {from: db, cache: local}}]}";
    let roll = "{id: roll, at: 10s, deploy: {node: api, batch: [1, 50%], drain: 1s, pause: 3s, \
                set: {\"endpoints.default\": [{lock: {name: one, scope: instance, do: [{work: 20ms}]}}, {read: {from: db, cache: local}}]}}}";
    let of = |how: &str| results_of(&text(&format!("{how}{steps}"), nodes, roll), 1);
    let plain = of("instances: 4, ");
    let scaled = of(&format!("autoscale: {{min: 4, max: 4, {CALM}}}, "));
    for figure in [
        "faults.0.started",
        "faults.0.ended",
        "summary.requests.ok",
        "summary.latency.mean",
        "summary.latency.max",
        "nodes.api.service_time.mean",
        "nodes.api.availability_time",
        "nodes.api.instances.mean",
        "nodes.local.hit_ratio",
        "nodes.db.outcomes.ok",
    ] {
        assert_eq!(number(&plain, figure), number(&scaled, figure), "{figure}");
    }
    // Out at 10, 16 and 22 s, of which down for two seconds each.
    assert_eq!(number(&scaled, "faults.0.ended"), 25.0);
    let short = 1.0 - number(&scaled, "nodes.api.availability_time");
    assert!((short * 100.024 - 6.0).abs() < 1e-6, "{short}");
    // Who stopped had a cache that is empty now.
    assert!(number(&scaled, "nodes.db.outcomes.ok") > 4.0 * 10.0 + 4.0 * 30.0);
}

#[test]
fn who_comes_while_it_rolls_has_the_new_version() {
    // One of two is replaced at 10 s; then nothing happens for long. Two more come at 40 s.
    let rules = format!("autoscale: {{min: 2, max: 6, {CALM}, schedule: [{{at: 40s, min: 4}}]}}, ");
    let roll = format!(
        "{{id: r, at: 10s, deploy: {{node: api, batch: 1, drain: 1s, pause: 80s, {BROKEN}}}}}"
    );
    let found = rolled(&format!("{rules}{STEPS}"), &roll);
    let seen = failing(&found);
    // Back at 13 s with what is new; those who came are ready at 42 s. At 93 s the last one goes, at 94 s it is gone.
    assert_eq!(seen[0], (0.0, 0.0));
    assert!(
        near(&seen[1], 13.0, 0.5) && near(&seen[2], 42.0, 0.75) && near(&seen[3], 93.0, 1.0),
        "{seen:?}"
    );
    assert_eq!(number(&found, "faults.0.ended"), 96.0);
}

fn near((at, share): &(f64, f64), time: f64, failed: f64) -> bool {
    (at - time).abs() <= 1.0 && (share - failed).abs() <= 0.06
}

#[test]
fn who_comes_later_has_the_new_version() {
    let rules = format!("autoscale: {{min: 1, max: 6, {CALM}, schedule: [{{at: 40s, min: 4}}]}}, ");
    let roll = "{id: r, at: 10s, deploy: {node: api, batch: 1, drain: 1s, set: {\"endpoints.default\": [{work: 20ms}]}}}";
    let found = rolled(&format!("{rules}{STEPS}"), roll);
    assert_eq!(number(&found, "faults.0.ended"), 13.0);
    // From 10 s to 13 s nobody is there. Before that 10 ms, then 20 ms, whoever serves it.
    assert_eq!(number(&found, "summary.requests.unavailable"), 120.0);
    let (old, new) = (399.0, 4000.0 - 399.0 - 120.0);
    let mean = (old * 0.010 + new * 0.020) / (old + new);
    assert!((number(&found, "nodes.api.service_time.mean") - mean).abs() < 1e-6);
    // Where none is, there is none to replace; and whoever comes has it.
    let zero = format!(
        "autoscale: {{min: 0, max: 6, hold: 9, {CALM}, schedule: [{{at: 40s, min: 4}}]}}, {STEPS}"
    );
    let late = text(&zero, "", roll).replace("constant(40/s)", "schedule(every=1h at=30s)");
    let found = results_of(&late, 1);
    assert!((number(&found, "faults.0.ended") - 10.0).abs() < 1e-6);
    assert!((number(&found, "summary.latency.max") - 2.020).abs() < 1e-6);
}

#[test]
fn who_is_not_wanted_any_more_is_not_replaced() {
    // Six are rolled, one by one, six seconds each. At 30 s only two are wanted: the newest go, which are those that were
    // replaced; the two that are left have yet to be.
    let rules = format!(
        "instances: 6, autoscale: {{min: 2, max: 6, {CALM}, schedule: [{{at: 0s, min: 6}}, {{at: 30s}}]}}, "
    );
    let roll = format!(
        "{{id: r, at: 10s, deploy: {{node: api, batch: 1, drain: 1s, pause: 3s, {BROKEN}}}}}"
    );
    let found = rolled(&format!("{rules}{STEPS}"), &roll);
    // Out at 10, 16, 22 and 28 s: the fourth boots at 30 s, and is called off.
    let seen = failing(&found);
    assert!(number(&found, "faults.0.ended") < 60.0, "{seen:?}");
    assert!((seen.last().unwrap().1 - 1.0).abs() < 1e-9, "{seen:?}");
    assert_eq!(number(&found, "nodes.api.instances.max"), 6.0);
}

#[test]
fn it_goes_back_with_all_who_have_it() {
    // Two more come at 20 s while one of two has it; it goes back at 30 s, one by one: 30 to 33, 33 to 36, 36 to 39 s.
    let rules = format!(
        "autoscale: {{min: 2, max: 6, {CALM}, schedule: [{{at: 20s, min: 4}}, {{at: 60s, min: 6}}]}}, "
    );
    let roll = format!(
        "{{id: r, at: 10s, for: 20s, deploy: {{node: api, batch: 1, drain: 1s, pause: 80s, {BROKEN}}}}}"
    );
    let found = rolled(&format!("{rules}{STEPS}"), &roll);
    let seen = failing(&found);
    assert_eq!(number(&found, "faults.0.ended"), 39.0, "{seen:?}");
    // Those who come at 60 s have the old one.
    assert!(seen.last().unwrap().1 < 1e-9, "{seen:?}");
    assert!(seen.last().unwrap().0 <= 40.0, "{seen:?}");
    // By an alert, the same.
    let roll = format!(
        "{{id: r, at: 10s, deploy: {{node: api, batch: 1, drain: 1s, pause: 80s, rollback: bad, {BROKEN}}}}}"
    );
    let text = text(&format!("{rules}{STEPS}"), "", &roll)
        + "alerts: {bad: {when: \"error_fraction(window=5s) > 5%\", every: 5s}}\n";
    let found = results_of(&text, 1);
    let seen = failing(&found);
    assert!(seen.last().unwrap().1 < 1e-9, "{seen:?}");
    // Half of the requests of 13 to 15 s failed; who had it is out for three seconds more.
    assert_eq!(number(&found, "faults.0.rolled_back"), 15.0);
    assert_eq!(number(&found, "faults.0.ended"), 18.0);
}

#[test]
fn it_may_be_taken_up_as_they_run() {
    let rules = format!("autoscale: {{min: 2, max: 6, {CALM}, schedule: [{{at: 40s, min: 4}}]}}, ");
    let roll = format!(
        "{{id: r, at: 10s, deploy: {{node: api, batch: 1, restart: false, pause: 10s, {BROKEN}}}}}"
    );
    let found = rolled(&format!("{rules}{STEPS}"), &roll);
    let seen = failing(&found);
    assert!(near(&seen[1], 10.0, 0.5) && near(&seen[2], 20.0, 1.0) && seen.len() == 3, "{seen:?}");
    assert_eq!(number(&found, "faults.0.ended"), 20.0);
}

#[test]
fn spot_instances_are_replaced_by_such() {
    // Told 70 s after it was ready and gone 30 s later, were it not for the deployment, which takes it at 60 s.
    let spot = "purchase: {spot: {price: $0.03/h, reclaim: 100s, notice: 30s}}, ";
    let roll = "{id: r, at: 60s, deploy: {node: api, drain: 20s}}";
    let found = rolled(&format!("{spot}{STEPS}"), roll);
    assert_eq!(number(&found, "nodes.api.purchase.spot.reclaims"), 0.0);
    // From 60 s to 82 s nobody takes anything.
    assert_eq!(number(&found, "summary.requests.unavailable"), 22.0 * 40.0);
    let hours = number(&found, "nodes.api.purchase.spot.instance_hours");
    assert!((hours * 3600.0 - 100.024).abs() < 1e-6, "{hours}");
    // Told at 70 s, with ten seconds of the drain left that nobody asks about: replaced once.
    let roll = "{id: r, at: 72s, deploy: {node: api, drain: 5s}}";
    let found = rolled(&format!("{spot}{STEPS}"), roll);
    assert_eq!(number(&found, "nodes.api.purchase.spot.reclaims"), 1.0);
    // Told at 70 s; the next one is ready at 72 s, is replaced at once, and back at 79 s.
    assert_eq!(number(&found, "summary.requests.unavailable"), 9.0 * 40.0);
}

#[test]
fn two_threads_give_the_same_bytes() {
    let rules = "autoscale: {min: 1, max: 6, metric: requests, target: 15/s, every: 2s, delay: 1s, stabilise: 4s, drain: 1s}, \
                 purchase: {reserved: {count: 1, price: $0.06/h}, spot: {share: 50%, price: $0.03/h, reclaim: exp(mean=30s), notice: 3s}, \
                 on_demand: {price: $0.1/h}}, ";
    let rolls = "{id: a, at: 10s, deploy: {node: api, batch: 1, drain: 500ms, set: {\"endpoints.default\": [{work: 15ms}]}}}, \
                 {id: b, at: 14s, for: 20s, deploy: {node: api, batch: 50%, drain: 2s, pause: 1s}}, \
                 {id: c, at: 30s, for: 10s, reclaim: {node: api}}, {id: d, at: 20s, for: 5s, crash: {node: api, instances: 2}}";
    let text =
        text(&format!("{rules}{STEPS}"), "", rolls).replace("constant(40/s)", "poisson(40/s)");
    let of = |jobs: u32| bytes_of_run(&text, &format!("--jobs {jobs} --replications 6"));
    assert_same(&of(1), &of(2));
}
