//! Family `load_balancing`: one balancer in front of equal servers.

use super::{Case, Cases, Entry, exp, left_out, one};

/// Servers that stand for infinitely many.
const MANY: f64 = 500.0;

/// A scenario of a balancer and `n` servers with one core.
fn balanced(rate: f64, n: f64, policy: &str) -> String {
    format!(
        "clients:\n  users: {{arrivals: poisson({rate}/s), to: lb}}\n\
         nodes:\n  lb: {{load_balancer: {{to: api, policy: {policy}}}}}\n  \
         api: {{service: {{instances: {n}, cores: 1, work: {}}}}}\n",
        exp(1.0)
    )
}

pub(super) fn cases(entry: &Entry) -> Cases {
    match entry.id.split('-').next().expect("ids are not empty") {
        "pod" if entry.params["N"].is_number() => power_of_d(entry),
        "pod" => power_of_d_limit(entry),
        "rr" => split(entry, "round_robin"),
        "random" => split(entry, "random"),
        "jsq" => split(entry, "least_requests"),
        "central" => central(entry),
        other => panic!("{other}: not known"),
    }
}

fn power_of_d(entry: &Entry) -> Cases {
    let (n, rho) = (entry.number("N"), entry.number("rho"));
    let policy = format!("power_of_d(d={})", entry.number("d"));
    one(Case::new(balanced(n * rho, n, &policy), n * rho)
        .warm_up(settling(rho))
        .usual(entry, "api"))
}

/// Time until a system of many servers with a choice has forgotten that it began empty: about
/// ten times 1 / (1 - rho).
fn settling(rho: f64) -> f64 {
    200.0 + 10.0 / (1.0 - rho)
}

fn power_of_d_limit(entry: &Entry) -> Cases {
    let (d, rho) = (entry.number("d"), entry.number("rho"));
    if entry.params["d"] == 1 {
        // Without a choice each server is an M/M/1, whatever their number: 10 do, and a long
        // warm-up, as one server alone forgets slowly.
        let (n, relaxation) = (10.0, 1.0 / ((1.0 - rho) * (1.0 - rho)));
        let case = Case::new(balanced(n * rho, n, "power_of_d(d=1)"), n * rho)
            .warm_up(20.0 * relaxation)
            .requests(if rho > 0.98 { 3e7 } else { 8e6 });
        return one(case.usual(entry, "api"));
    }
    let policy = format!("power_of_d(d={d})");
    let case = Case::new(balanced(MANY * rho, MANY, &policy), MANY * rho)
        .warm_up(settling(rho))
        .requests(6e6)
        .usual(entry, "api")
        .measure("L_per_server", format!("nodes.api.in_system / {MANY}"))
        .measure("frac_servers_with_at_least_1", "nodes.api.utilisation")
        // Rate conservation: what arrives at busy servers = what leaves servers with two or more.
        .measure(
            "frac_servers_with_at_least_2",
            format!("nodes.api.throughput * nodes.api.wait_probability / {MANY}"),
        );
    let rest: Vec<String> = (3..=6).map(|k| format!("frac_servers_with_at_least_{k}")).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let reason = "results.json has mean queue lengths per server, not their distribution";
    (vec![case], left_out(&rest, reason))
}

fn split(entry: &Entry, policy: &str) -> Cases {
    let (lambda, n) = (entry.number("lam_total"), entry.number("n"));
    let mut case = Case::new(balanced(lambda, n, policy), lambda).usual(entry, "api");
    if policy == "random" {
        // The answers are those of one of the servers.
        for (metric, expression) in &mut case.measures {
            if ["L", "Lq"].contains(&metric.as_str()) {
                *expression = format!("{expression} / {n}");
            }
        }
    }
    one(case)
}

fn central(entry: &Entry) -> Cases {
    let (lambda, n) = (entry.number("lam_total"), entry.number("n"));
    let shared = format!(
        "clients:\n  users: {{arrivals: poisson({lambda}/s), to: api}}\n\
         nodes:\n  api: {{service: {{cores: {n}, work: {}}}}}\n",
        exp(1.0)
    );
    let waiting = "nodes.api.waiting_time.mean";
    let cases = vec![
        Case::new(shared, lambda).label("_shared").measure("Wq_shared", waiting),
        Case::new(balanced(lambda, n, "random"), lambda)
            .label("_random")
            .measure("Wq_random", waiting),
        Case::new(balanced(lambda, n, "round_robin"), lambda)
            .label("_rr")
            .measure("Wq_rr", waiting),
    ];
    (cases, Vec::new())
}
