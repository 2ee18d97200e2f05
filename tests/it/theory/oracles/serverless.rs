//! Family `serverless`: environments that start for requests, and end when nobody needs them.

use super::{Case, Cases, Entry, exp, left_out, one, time};

/// A scenario of one function; `function` are the fields of its map.
fn single(rate: f64, function: &str) -> String {
    format!(
        "clients:\n  users: {{arrivals: poisson({rate}/s), to: f}}\n\
         nodes:\n  f: {{function: {{{function}}}}}\n"
    )
}

pub(super) fn cases(entry: &Entry) -> Cases {
    let family = entry.id.split('-').next().expect("ids are not empty");
    match family {
        "simfaas" => kept(entry),
        "keepalive" => instant(entry),
        "mmk" => setup(entry, entry.number("k"), "f"),
        _ => panic!("{}: not known", entry.id),
    }
}

/// Whoever waits for a start takes as much longer as a cold request takes in the mean.
fn kept(entry: &Entry) -> Cases {
    let [rate, warm, cold, keep] =
        ["lam", "warm_mean", "cold_mean", "keepalive"].map(|name| entry.number(name));
    let function = format!(
        "cold_start: {}, keep_alive: {}, work: {}",
        time(cold - warm),
        time(keep),
        exp(warm)
    );
    let mut case = Case::new(single(rate, &function), rate).warm_up(10.0 * keep);
    for metric in entry.expected.keys() {
        let expression = match metric.rsplit('.').next().expect("it has a name") {
            "P_cold" => "nodes.f.cold_share",
            "instances_mean" => "nodes.f.environments.mean",
            "running_mean" => "nodes.f.busy + nodes.f.starting",
            "idle_mean" => "nodes.f.idle",
            _ => continue,
        };
        case = case.measure(metric, expression);
    }
    let error = left_out(&["measured_aws.se"], "it is the error of what was measured");
    let has_error = entry.expected.contains_key("measured_aws.se");
    (vec![case], if has_error { error } else { Vec::new() })
}

fn instant(entry: &Entry) -> Cases {
    let (rate, keep) = (entry.number("lam"), entry.number("keepalive"));
    let function = format!("cold_start: 0s, keep_alive: {}, work: 0s", time(keep));
    let case = Case::new(single(rate, &function), rate).warm_up(10.0 * keep);
    one(case.measure("P_cold", "nodes.f.cold_share"))
}

/// Servers that are off when nobody is there and take some time to be on again: as many start as wait.
pub(super) fn setup(entry: &Entry, k: f64, node: &str) -> Cases {
    let (rate, mu, start) = (entry.number("lam"), entry.number("mu"), entry.number("setup_rate"));
    let function = format!(
        "concurrency: {k}, growth: none, cold_start: {}, keep_alive: 0s, queue: 1M, cancel: true, work: {}",
        exp(1.0 / start),
        exp(1.0 / mu)
    );
    let mut case =
        Case::new(single(rate, &function), rate).warm_up(100.0 / start).usual(entry, node);
    for (metric, expression) in [
        ("servers_on_mean", "nodes.f.busy"),
        ("servers_setup_mean", "nodes.f.starting"),
        ("P_setup", "nodes.f.starting"),
    ] {
        if entry.expected.contains_key(metric) {
            case = case.measure(metric, expression);
        }
    }
    one(case)
}
