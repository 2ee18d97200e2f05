//! Family `tails`: fan-out, order statistics, fork and join, redundancy, hedging.

use std::fmt::Write as _;

use super::{Case, Cases, Entry, exp, left_out, nothing, one, time};

/// Branches up to which they are calls; above, waits, which cost less.
const CALLS: u64 = 16;

/// Requests per second where nothing queues: few, so that a run is long beside a latency (what is in
/// flight at its end is not counted, and the slow ones are the likelier to be).
const RATE: f64 = 1.0;

pub(super) fn cases(entry: &Entry) -> Cases {
    let family = entry.id.split('-').next().expect("ids are not empty");
    match family {
        "fanout" => fan_out(entry),
        "tail" => nothing("published measurements quoted for context; not a model to build"),
        "order" => order_statistics(entry),
        "split" => split_merge(entry),
        "redundancy" => redundancy(entry),
        "hedge" => hedge(entry),
        _ if family.starts_with("fj") => fork_join(entry),
        _ => panic!("{}: not known", entry.id),
    }
}

/// The endpoint of a service `app` and the other nodes.
fn scenario(rate: f64, steps: &str, nodes: &str) -> String {
    format!(
        "clients:\n  users: {{arrivals: poisson({rate}/s), to: app}}\n\
         nodes:\n  app:\n    service:\n      endpoints:\n        default:\n{steps}{nodes}"
    )
}

fn repeated(branch: &str, n: u64) -> String {
    vec![branch; n as usize].join(", ")
}

/// Each leaf takes 2 s with probability p, else 1 s: then P(slow) = mean - 1.
fn fan_out(entry: &Entry) -> Cases {
    let (p, n) = (entry.number("p"), entry.number("n") as u64);
    let leaf = format!("mix({}% 1s; {}% 2s)", 100.0 - 100.0 * p, 100.0 * p);
    let (branch, nodes) = if n <= CALLS {
        ("{call: leaf}".to_owned(), format!("  leaf: {{external: {{latency: {leaf}}}}}\n"))
    } else {
        (format!("{{wait: {leaf}}}"), String::new())
    };
    let steps = format!("          - all: [{}]\n", repeated(&branch, n));
    // The count of slow requests is binomial: enough of them for the tolerance.
    let slow = entry.expected["P_slow"].as_f64().expect("a number");
    let requests = 2.5e4 * (1.0 - slow) / slow;
    one(Case::new(scenario(RATE, &steps, &nodes), RATE)
        .requests(requests.max(3e4))
        .measure("P_slow", "summary.latency.mean - 1"))
}

fn order_statistics(entry: &Entry) -> Cases {
    let (n, k) = (entry.number("n") as u64, entry.number("k") as u64);
    let law = if let Some(sigma) = entry.params["sigma"].as_f64() {
        let mean = entry.number("median") * libm::exp(sigma * sigma / 2.0);
        let cv = (libm::exp(sigma * sigma) - 1.0).sqrt();
        format!("lognormal(mean={} cv={cv})", time(mean))
    } else {
        exp(1.0)
    };
    let (branch, nodes) = if n <= CALLS {
        ("{call: leaf}".to_owned(), format!("  leaf: {{external: {{latency: {law}}}}}\n"))
    } else {
        (format!("{{wait: {law}}}"), String::new())
    };
    let branches = repeated(&branch, n);
    let steps = format!("          - any: {{need: {k}, of: [{branches}]}}\n");
    let mut case = Case::new(scenario(RATE, &steps, &nodes), RATE);
    for metric in entry.expected.keys() {
        case = case.measure(metric, format!("summary.latency.{metric}"));
    }
    one(case)
}

fn servers(n: u64) -> String {
    let mut nodes = String::new();
    for i in 1..=n {
        writeln!(nodes, "  s{i}: {{service: {{cores: 1, work: {}}}}}", exp(1.0)).expect("grows");
    }
    nodes
}

fn fork_join(entry: &Entry) -> Cases {
    let (lambda, n) = (entry.number("lam"), entry.number("n") as u64);
    let branches: Vec<String> = (1..=n).map(|i| format!("{{call: s{i}}}")).collect();
    let steps = format!("          - all: [{}]\n", branches.join(", "));
    let mut case = Case::new(scenario(lambda, &steps, &servers(n)), lambda).usual(entry, "app");
    if entry.expected.contains_key("T_mean_nelson_tantawi") {
        case = case.requests(2e6).measure("T_mean_nelson_tantawi", "summary.latency.mean");
    }
    one(case)
}

/// One worker, held until all three tasks end.
fn split_merge(entry: &Entry) -> Cases {
    let (lambda, n) = (entry.number("lam"), entry.number("n") as u64);
    let design = format!(
        "clients:\n  users: {{arrivals: poisson({lambda}/s), to: server}}\n\
         nodes:\n  server:\n    service:\n      workers: 1\n      endpoints:\n        \
         default: [{{all: [{}]}}]\n  task: {{external: {{latency: {}}}}}\n",
        repeated("{call: task}", n),
        exp(1.0)
    );
    one(Case::new(design, lambda).usual(entry, "server"))
}

/// All subsets of `d` of the numbers 1..=n.
fn subsets(n: u64, d: u64) -> Vec<Vec<u64>> {
    if d == 0 {
        return vec![Vec::new()];
    }
    let with_last = |last: u64| {
        subsets(last - 1, d - 1).into_iter().map(move |mut s| {
            s.push(last);
            s
        })
    };
    (d..=n).flat_map(with_last).collect()
}

/// Copies at `d` servers chosen at random; the first to end calls the others off.
fn redundancy(entry: &Entry) -> Cases {
    let (n, d) = (entry.number("n") as u64, entry.number("d") as u64);
    let rate = entry.number("lam_per_server") * n as f64;
    let race = |servers: &[u64]| {
        let calls: Vec<String> = servers.iter().map(|s| format!("{{call: s{s}}}")).collect();
        format!("race: [{}]", calls.join(", "))
    };
    let subsets = subsets(n, d);
    let mut steps = String::new();
    if let [only] = subsets.as_slice() {
        writeln!(steps, "          - {}", race(only)).expect("grows");
    } else {
        steps += "          - choose:\n";
        let share = 1.0 / subsets.len() as f64;
        for subset in &subsets {
            let race = race(subset);
            writeln!(steps, "              - {{share: {share:.12}, do: [{{{race}}}]}}")
                .expect("grows");
        }
    }
    steps += "      dependencies:\n";
    for i in 1..=n {
        writeln!(steps, "        s{i}: {{cancel: true}}").expect("grows");
    }
    one(Case::new(scenario(rate, &steps, &servers(n)), rate).warm_up(200.0).usual(entry, "app"))
}

/// The unit of these entries (1 ms) is written as 1 s.
fn hedge(entry: &Entry) -> Cases {
    assert_eq!(
        (entry.numbers("w"), entry.numbers("means")),
        (vec![0.95, 0.05], vec![5.0, 100.0]),
        "{}",
        entry.id
    );
    let nodes = "  leaf: {external: {latency: mix(95% exp(mean=5s); 5% exp(mean=100s))}}\n";
    let mut steps = "          - call: leaf\n".to_owned();
    if let Some(delay) = entry.params["delay"].as_f64() {
        steps += "      dependencies:\n";
        writeln!(steps, "        leaf: {{hedge: {{after: {}}}}}", time(delay)).expect("grows");
    }
    let mut case = Case::new(scenario(RATE, &steps, nodes), RATE);
    let mut missing = Vec::new();
    for metric in entry.expected.keys() {
        match metric.as_str() {
            "extra_load" => {
                case = case.measure(metric, "nodes.leaf.throughput / nodes.app.throughput - 1");
            }
            "p9999" => missing = left_out(&["p9999"], "results.json ends at p999"),
            _ => case = case.measure(metric, format!("summary.latency.{metric}")),
        }
    }
    (vec![case], missing)
}
