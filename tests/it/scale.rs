//! `run --scale`: designs in small beside themselves in full, what is known to be wrong with them, and what is refused.

use std::{env, fmt::Write as _, fs};

use serde_json::Value;

use crate::{
    cli::{Ran, windtunnel, workspace},
    design::number,
};

const MARKERS: [&str; 2] = ["<!-- small -->\n", "<!-- /small -->\n"];

/// One line for a hundred cores at 80 %.
const LINE: &str = "windtunnel: 1
name: line
duration: 60s
warm_up: 10s
clients: {people: {arrivals: poisson(8k/s), to: web}}
nodes: {web: {service: {cores: 100, work: exp(mean=10ms)}}}
";

/// A hundred instances, each with a line of its own, and shards.
const TIER: &str = "windtunnel: 1
name: tier
duration: 60s
warm_up: 10s
network: {internet: 20ms, same_zone: 0.5ms}
clients: {people: {arrivals: poisson(6k/s), to: web, timeout: 1s, keys: uniform(n=1M)}}
nodes:
  web:
    service:
      instances: 100
      cores: 1
      workers: 40
      endpoints: {default: [{work: exp(mean=8ms)}, {read: db}]}
      dependencies: {db: {timeout: 500ms, pool: 20}}
  db: {store: {shards: {count: 100}, cores: 1, read: exp(mean=10ms)}}
";

/// Users who wait for their answers, and a balancer that knows who is idle.
const USERS: &str = "windtunnel: 1
name: users
duration: 40s
warm_up: 10s
clients: {people: {arrivals: closed(users=10000 think=exp(mean=2s)), to: lb}}
nodes:
  lb: {load_balancer: {to: web, policy: least_requests}}
  web: {service: {instances: 200, cores: 4, workers: 16, queue: 200, endpoints: {default: [{work: lognormal(median=100ms p99=400ms)}]}}}
";

/// Run in full or in small: the ending, and results in JSON.
fn ran(text: &str, arguments: &str) -> Ran {
    let folder = workspace();
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    windtunnel(folder.path(), &format!("run a.yaml {arguments}"))
}

fn results(text: &str, scale: &str) -> Value {
    let ran = ran(text, &format!("-n 5 --format json {scale}"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// In full, in a tenth and in a hundredth of it.
fn sizes(text: &str) -> [Value; 3] {
    ["", "--scale 1/10", "--scale 1/100"].map(|scale| results(text, scale))
}

/// The share that waits in M/M/c where so many are kept busy: the recursion of Erlang's loss formula.
fn mean_wait(c: u32, busy: f64, work: f64) -> f64 {
    let lost = (1..=c).fold(1.0, |lost, k| busy * lost / (f64::from(k) + busy * lost));
    let rho = busy / f64::from(c);
    lost / (1.0 - rho + rho * lost) * work / (f64::from(c) - busy)
}

/// A value with half of its interval.
fn interval(found: &Value, path: &str) -> (f64, f64) {
    let of = |end: &str| number(found, &format!("{path}.{end}"));
    (number(found, path), (of("upper") - of("lower")) / 2.0)
}

/// The same figure, times so much, as far as five replications can tell: within twice what they say.
fn same(found: &Value, path: &str, (value, half): (f64, f64), times: f64) {
    let (seen, own) = interval(found, path);
    let allowed = 2.0 * (own + times * half);
    assert!(
        (seen - times * value).abs() <= allowed,
        "{path}: {seen} ± {own}, not {times} x {value} ± {half}"
    );
    // It could tell; of a hundredth the slowest of a hundred are few.
    assert!(own < 0.3 * seen || path.contains("p99"), "{path}: {seen} ± {own}");
}

#[test]
fn in_small_a_design_is_as_busy_and_as_slow_as_in_full_but_for_what_is_told() {
    let mut table =
        "| design | figure | in full | 1/10 | 1/100 | told |\n|---|---|---:|---:|---:|---|\n"
            .to_owned();
    let mut row = |design: &str, path: &str, all: &[Value; 3], told: &str| {
        let shown = |found: &Value| {
            let (value, half) = interval(found, path);
            let (times, unit) = if path.contains("utilisation") { (1.0, "") } else { (1e3, " ms") };
            format!("{:.3} ± {:.3}{unit}", times * value, times * half)
        };
        let [full, tenth, hundredth] = all.each_ref().map(shown);
        writeln!(table, "| {design} | `{path}` | {full} | {tenth} | {hundredth} | {told} |")
            .unwrap();
    };
    let line = sizes(LINE);
    let waits = [100, 10, 1].map(|c| mean_wait(c, 0.8 * f64::from(c), 0.01));
    let told = format!(
        "M/M/100, M/M/10, M/M/1: {:.3}, {:.3}, {:.3} ms",
        1e3 * waits[0],
        1e3 * waits[1],
        1e3 * waits[2]
    );
    row("one line, 100 cores", "nodes.web.waiting_time.mean", &line, &told);
    row("one line, 100 cores", "nodes.web.utilisation", &line, "the same");
    for ((found, wait), share) in line.iter().zip(waits).zip([1.0, 0.1, 0.01]) {
        same(found, "nodes.web.waiting_time.mean", (wait, 0.0), 1.0);
        same(found, "summary.throughput", (8000.0, 0.0), share);
    }
    let tier = sizes(TIER);
    let as_in_full = "as in full";
    for path in [
        "summary.latency.mean",
        "summary.latency.p99",
        "nodes.web.waiting_time.mean",
        "nodes.db.utilisation",
    ] {
        row("100 instances, 100 shards", path, &tier, as_in_full);
    }
    for found in &tier[1..] {
        for path in ["summary.latency.mean", "summary.latency.p99", "nodes.web.waiting_time.mean"] {
            same(found, path, interval(&tier[0], path), 1.0);
        }
    }
    let users = sizes(USERS);
    row(
        "10,000 users, balanced",
        "summary.latency.mean",
        &users,
        "waits if the balancer kept one line",
    );
    row("10,000 users, balanced", "nodes.web.utilisation", &users, "the same");
    for (found, share) in users[1..].iter().zip([0.1, 0.01]) {
        let of = |path: &str| interval(&users[0], path);
        same(found, "summary.throughput", of("summary.throughput"), share);
        same(found, "nodes.web.utilisation", of("nodes.web.utilisation"), 1.0);
    }
    let page = fs::read_to_string("docs/VALIDATION.md").unwrap();
    let (head, rest) = page.split_once(MARKERS[0]).expect("the page has the section");
    let (_, tail) = rest.split_once(MARKERS[1]).expect("the section ends");
    let new = format!("{head}{}{table}{}{tail}", MARKERS[0], MARKERS[1]);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write("docs/VALIDATION.md", &new).unwrap();
    } else {
        assert!(
            new == page,
            "docs/VALIDATION.md is not what was measured; UPDATE_DOCS=1 writes it anew:\n{table}"
        );
    }
}

#[test]
fn what_is_wrong_in_small_is_told() {
    let said = |text: &str, scale: &str| {
        let ran = ran(text, &format!("-n 1 --scale {scale} --set duration=6s --set warm_up=1s"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stderr
    };
    let line = said(LINE, "1/100");
    assert!(
        line.contains("a.yaml: 1/100 of it; counts, rates and money are those of that part"),
        "{line}"
    );
    assert!(line.contains("web: 1 a line instead of 100: waits are 40 ms instead of "), "{line}");
    let tier = said(TIER, "1/100");
    assert!(
        tier.contains("web: as in full, by 1 a line") && tier.contains("db: as in full"),
        "{tier}"
    );
    // The page says that it is not the whole of it, and runs again by itself.
    let small = results(TIER, "--scale 1/100");
    assert_eq!(small["description"], "In small: 1/100 of it.");
}

/// What of the tier is replaced by what, and where that is refused in which words.
const REFUSED: &[(&str, &str, &str, &str, &str)] = &[
    (
        "one lock",
        "{work: exp(mean=8ms)}",
        "{lock: {name: stock, scope: shared, do: [{work: 1ms}]}}",
        "13:30",
        "one lock for all",
    ),
    (
        "the lock of each instance",
        "instances: 100\n      cores: 1\n      workers: 40\n      endpoints: {default: [{work: exp(mean=8ms)}",
        "instances: 10\n      cores: 10\n      endpoints: {default: [{lock: {name: stock, do: [{work: 10us}]}}",
        "12:",
        "each has one lock",
    ),
    (
        "a lock for each key",
        "{work: exp(mean=8ms)}",
        "{lock: {name: row, per: key, do: [{work: 1ms}]}}",
        "13:30",
        "a key is not",
    ),
    (
        "a limit for each key",
        "timeout: 500ms, pool",
        "rate_limit: token_bucket(rate=5/s burst=5 per=key), pool",
        "14:",
        "a limit for each key",
    ),
    ("skewed keys", "uniform(n=1M)", "zipf(n=1M s=1)", "6:", "popular keys"),
    ("instances", "instances: 100", "instances: 90", "11:14", "cannot be divided"),
    ("shards", "count: 100", "count: 30", "15:", "cannot be divided"),
    (
        "users",
        "poisson(6k/s)",
        "closed(users=1010 think=1s)",
        "6:30",
        "1010 users cannot be divided by 20",
    ),
    ("a batch", "poisson(6k/s)", "poisson(600/s batch=10)", "6:30", "a batch of 10"),
    ("a schedule", "poisson(6k/s)", "schedule(every=1s batch=100)", "6:30", "says itself"),
    (
        "a breaker of clients",
        "timeout: 1s,",
        "timeout: 1s, breaker: {window: 10s, failure_ratio: 50%, min_calls: 20, open: 5s},",
        "6:",
        "counts calls",
    ),
    (
        "a retry budget",
        "timeout: 1s,",
        "timeout: 1s, retry: {attempts: 2, budget: 10%},",
        "6:",
        "counts calls",
    ),
    (
        "an autoscaler",
        "endpoints: {default: [{work: exp(mean=8ms)}, {read: db}]}",
        "autoscale: {min: 20, max: 100, metric: utilisation, target: 60%, every: 5s}\n      endpoints: {default: [{work: exp(mean=8ms)}, {read: db}]}",
        "13:",
        "nobody knows what this does",
    ),
    (
        "a fault",
        "network:",
        "faults: [{id: gone, at: 3s, crash: {node: web, instances: 1}}]\nnetwork:",
        "5:",
        "another part",
    ),
    (
        "limits by attribute",
        "cores: 1\n",
        "cores: 1\n      inbound: {rate_limit: {default: token_bucket(rate=5/s burst=20 per=key)}}\n",
        "12:",
        "a limit for each key",
    ),
    (
        "a limit for all",
        "timeout: 500ms, pool",
        "rate_limit: token_bucket(rate=5k/s burst=50 scope=shared), pool",
        "14:",
        "one limit for all",
    ),
    ("a compare-and-set", "{read: db}]}", "{cas: db}]}", "13:", "what is held of each key"),
    (
        "what one instance does unasked",
        "instances: 100\n",
        "instances: 10\n      background: [{every: 1s, do: [{work: 1ms}]}]\n",
        "11:",
        "this is of each",
    ),
    (
        "no bounds",
        "instances: 100\n      cores: 1\n      workers: 40\n",
        "instances: 10\n",
        "9:5",
        "nothing bounds each",
    ),
    (
        "a queue",
        "db: {store",
        "jobs: {queue: {}}\n  db: {store",
        "15:",
        "what a queue does in small",
    ),
    (
        "a pool of clients",
        "timeout: 1s,",
        "timeout: 1s, pool: 30,",
        "6:",
        "30 cannot be divided by 20",
    ),
    (
        "a cache",
        "db: {store",
        "kept: {cache: {from: db, capacity: 1000}}\n  db: {store",
        "15:",
        "how many ask for a key",
    ),
];

#[test]
fn what_would_not_be_the_same_in_small_is_refused_at_its_place() {
    let good = TIER.replace("duration: 60s\nwarm_up: 10s", "duration: 6s\nwarm_up: 5s");
    assert_eq!(ran(&good, "-n 1 --scale 1/20").code, 0);
    for (what, old, new, at, told) in REFUSED {
        assert!(good.contains(old), "{what}");
        let text = good.replacen(old, new, 1);
        let full = ran(&text, "-n 1 --set duration=6s --set warm_up=5.9s");
        assert_eq!(full.code, 0, "{what}: {}", full.stderr);
        let small = ran(&text, "-n 1 --scale 1/20");
        let shown = small.stderr.contains("[E-SCALE]")
            && small.stderr.contains(told)
            && small.stderr.contains(&format!("a.yaml:{at}"));
        assert!(small.code == 2 && shown && small.stdout.is_empty(), "{what}: {}", small.stderr);
    }
    for wrong in ["2", "1/1", "1/0", "half", "1/2000000"] {
        let ran = ran(&good, &format!("--scale {wrong}"));
        assert!(ran.code == 2 && ran.stderr.contains("1/100"), "{wrong}: {}", ran.stderr);
    }
}
