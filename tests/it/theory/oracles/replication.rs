//! Family `replication`: how old what quorums return is, elections, writes lost with a leader, ways to a majority.
//!
//! A write of PBS is sent at once (`coordinator: client`), is so long on its way and at work as its replica's work is
//! here, and its answer travels a link that leads one way; likewise a read. Keys are fresh: each session writes its own and
//! reads it so long after it was answered.

use serde_json::Value;

use super::{Case, Cases, Entry, SEEDS, left_out, nothing, one, time};

/// Sessions per second where nothing queues.
const RATE: f64 = 500.0;

/// Puts the figure by which staleness is seen to fall below 0.1 % at a time in the place of that time: 5 % later at most so
/// many reads are stale, 5 % earlier no more than the others are fresh.
pub(super) fn prepare(entry: &mut Entry) {
    let Some(at) = entry.expected.remove(VISIBLE).and_then(|at| at.as_f64()) else { return };
    entry.expected.insert(LATER.to_owned(), Value::from(0.001));
    entry.tol.insert(LATER.to_owned(), Value::from("abs 0"));
    if at > 0.0 {
        entry.expected.insert(EARLIER.to_owned(), Value::from(0.999));
        entry.tol.insert(EARLIER.to_owned(), Value::from("abs 0"));
    }
    entry.params["t"] = Value::from(at);
}

const VISIBLE: &str = "t_visibility_999";
const LATER: &str = "t_visibility_p999_stale_later_upper_bound";
const EARLIER: &str = "t_visibility_p999_fresh_earlier_upper_bound";

pub(super) fn cases(entry: &Entry) -> Cases {
    let id = entry.id.as_str();
    match id {
        "pbs-exp" => exponential(entry),
        "quorum-strict" => strict(),
        "raft-elect-150-300" => timeouts(),
        "raft-published-lan" => nothing("what their disks and network took is not known"),
        "async-loss" => lost((1, "50ms"), "lost_mean", &["P_no_loss"]),
        // Entries of a log do not overtake one another; those of many do.
        "async-loss-exp" => lost((250, "exp(mean=50ms)"), "lost_mean", &[]),
        "async-loss-exp-ordered" => lost((1, "exp(mean=50ms)"), "lost_mean", &[]),
        "ryw" => read_your_writes(),
        "geo-quorum-dallas5" => regions(&FIVE, &FIVE_TRIPS),
        "geo-quorum-london3" => regions(&THREE, &THREE_TRIPS),
        _ if id.starts_with("pbs-k-") => versions(entry),
        _ if id.starts_with("pbs-wars-") => wars(entry),
        _ if id.starts_with("raft-split-") => split(entry),
        _ if id.starts_with("raft-wan-") => wan(entry),
        _ => panic!("{id}: not known"),
    }
}

/// Writes and reads of one key, one after the other, at random replicas.
fn versions(entry: &Entry) -> Cases {
    let [n, r, w, k] = ["N", "R", "W", "k"].map(|name| entry.number(name));
    let design = format!(
        "clients: {{load: {{arrivals: constant(1/s), keys: uniform(n=1), \
         operations: {{put: {{write: kv, share: 0.5}}, get: {{read: kv, share: 0.5}}}}}}}}\n\
         nodes: {{kv: {{store: {{read: 0s, replication: {{quorum: {{replicas: {n}, read: {r}, write: {w}, \
         contact: quorum, coordinator: client, read_repair: false}}}}}}}}}}\n"
    );
    let behind = |k: f64| {
        let place = [1.0, 2.0, 3.0, 5.0, 10.0].iter().position(|one| *one == k);
        format!("consistency.k_staleness.{}.fraction", place.expect("the results have it"))
    };
    one(Case::new(design, 1.0)
        .requests(4e6)
        .measure("P_stale_1", behind(1.0))
        .measure("P_stale_k", behind(k))
        .measure("P_within_k", format!("1 - {}", behind(k))))
}

fn strict() -> Cases {
    let design = format!(
        "clients: {{load: {{arrivals: poisson({RATE}/s), keys: zipf(n=50 s=0.9), \
         operations: {{put: {{write: kv, share: 0.5}}, get: {{read: kv, share: 0.5}}}}}}}}\n\
         nodes: {{kv: {{store: {{read: exp(mean=3ms), replication: {{quorum: {{replicas: 3, read: 2, write: 2, \
         contact: quorum, coordinator: client}}}}}}}}}}\n"
    );
    one(Case::new(design, RATE).requests(4e5).measure("stale_reads", "consistency.stale_reads"))
}

/// What messages take: the way to a replica and its work to write and to read, and the way back.
struct Laws {
    write: String,
    read: String,
    back: String,
}

impl Laws {
    fn of(write: &str, others: &str) -> Self {
        Self { write: write.to_owned(), read: others.to_owned(), back: others.to_owned() }
    }
}

const FAST_DISK: &str = "mix(91.22% pareto(min=0.235ms alpha=10); 8.78% exp(mean=602410ns))";
const SLOW_DISK: &str = "mix(38% pareto(min=1.05ms alpha=1.51); 62% exp(mean=5464481ns))";
const FAR_WRITE: &str = "mix(93.9% pareto(min=3ms alpha=3.35); 6.1% exp(mean=357142857ns))";
const FAR: &str = "mix(98.2% pareto(min=1.5ms alpha=3.8); 1.8% exp(mean=46082949ns))";

/// Sessions that write a key of their own, wait and read it.
fn sessions(laws: &Laws, (r, w): (u64, u64), wait: f64) -> String {
    let wait = if wait > 0.0 { format!("{{wait: {}}}, ", time(wait)) } else { String::new() };
    let quorum = format!(
        "quorum: {{replicas: 3, read: {r}, write: {w}, coordinator: client, read_repair: false}}"
    );
    let load = |target: &str| {
        format!(
            "clients: {{load: {{arrivals: poisson({RATE}/s), keys: uniform(n=1000M), operations: {{{target}}}, \
             session: [{{do: put}}, {wait}{{do: get}}]}}}}\n"
        )
    };
    let Laws { write, read, back } = laws;
    let kv = format!("kv: {{store: {{read: {read}, write: {write}, replication: {{{quorum}}}}}}}");
    load("put: {write: kv}, get: {read: kv}")
        + &format!(
            "nodes: {{{kv}}}\nnetwork: {{links: [{{from: kv, to: load, one_way: true, latency: {back}}}]}}\n"
        )
}

/// The same through services in three places, each of which has its replica: put and get come through any.
fn far_apart((r, w): (u64, u64), wait: f64) -> String {
    let text = sessions(&Laws::of(SLOW_DISK, FAST_DISK), (r, w), wait);
    let (clients, rest) = text.split_once("nodes:").expect("it has nodes");
    let (nodes, _) = rest.split_once("\nnetwork:").expect("it has a network");
    let nodes = nodes.replace("replication:", "zones: [a, b, c], replication:").replacen(
        '{',
        "{app: {service: {instances: 3, zones: [a, b, c], endpoints: {put: [{write: kv}], get: [{read: kv}]}}}, ",
        1,
    );
    clients.replace("write: kv", "to: app").replace("read: kv", "to: app")
        + &format!(
            "topology: {{regions: {{r: [a, b, c]}}}}\nnetwork: {{same_zone: 0s, same_region: 75ms, internet: 0s}}\n\
             nodes:{nodes}\nfaults: [{{id: back, at: 0s, latency: {{from: [kv], to: [app], add: {FAST_DISK}}}}}]\n"
        )
}

fn wars(entry: &Entry) -> Cases {
    let (name, sizes) = entry.id.rsplit_once('-').expect("it has sizes");
    let digit = |at: usize| sizes[at..=at].parse().expect("a digit");
    let sizes = (digit(1), digit(3));
    let design = |wait: f64| match name.rsplit('-').next() {
        Some("SSD") => sessions(&Laws::of(FAST_DISK, FAST_DISK), sizes, wait),
        Some("DISK") => sessions(&Laws::of(SLOW_DISK, FAST_DISK), sizes, wait),
        Some("YMMR") => sessions(&Laws::of(FAR_WRITE, FAR), sizes, wait),
        Some("WAN") => far_apart(sizes, wait),
        other => panic!("{other:?}: not known"),
    };
    let (stale, mut cases) = ("consistency.stale_read_fraction", Vec::new());
    let latency = |operation: &str, p: &str| {
        format!("clients.load.operations.{operation}.latency.{p} * 1000")
    };
    for metric in entry.expected.keys() {
        let Some(ms) = metric.strip_prefix("P_consistent.") else { continue };
        let wait: f64 = ms.parse().expect("ms");
        let case = Case::new(design(wait / 1e3), RATE).label(&format!("-{ms}"));
        cases.push(case.requests(4e5).measure(metric, format!("1 - {stale}")));
    }
    let whole =
        |label: &str, wait: f64| Case::new(design(wait / 1e3), RATE).label(label).requests(1e6);
    let at = entry.number("t");
    cases.push(
        whole("-later", at * 1.05)
            .measure(LATER, stale)
            .measure("Lr_p999", latency("get", "p999"))
            .measure("Lw_p999", latency("put", "p999"))
            .measure("published_Lr_Lw_t.0", latency("get", "p999"))
            .measure("published_Lr_Lw_t.1", latency("put", "p999")),
    );
    if at > 0.0 {
        cases.push(whole("-earlier", at * 0.95).measure(EARLIER, format!("1 - {stale}")));
    }
    let reason = "the time itself is no figure of a run: it is enclosed by the bounds above";
    (cases, left_out(&["published_Lr_Lw_t.2"], reason))
}

fn exponential(entry: &Entry) -> Cases {
    let mut cases = Vec::new();
    let mut errors = vec!["published"];
    for metric in entry.expected.keys() {
        let parts: Vec<&str> = metric.split('.').collect();
        let [mean, ms, "0"] = parts[..] else {
            if parts.len() == 3 {
                errors.push(metric);
            }
            continue;
        };
        let mean = if mean.ends_with("10") { "exp(mean=10ms)" } else { "exp(mean=0.25ms)" };
        let wait: f64 = ms.parse().expect("ms");
        let laws = Laws::of(mean, "exp(mean=1ms)");
        let case = Case::new(sessions(&laws, (1, 1), wait / 1e3), RATE);
        let case = case.label(&format!("-{metric}")).requests(4e5);
        cases.push(case.measure(metric, "1 - consistency.stale_read_fraction"));
    }
    (
        cases,
        left_out(&errors, "what was published is text, the second number of each pair its error"),
    )
}

/// A group whose leader dies every so often, s, and comes back after a while.
fn elections(
    (n, every, back): (u64, f64, f64),
    (latency, timeout, heartbeat): (&str, &str, &str),
    more: &str,
) -> Case {
    let design = format!(
        "clients: {{load: {{arrivals: poisson(0.01/s), to: kv, timeout: 1s}}}}\n\
         network: {{same_zone: {latency}}}\n\
         nodes: {{kv: {{store: {{read: 0s, replication: {{raft: {{replicas: {n}, heartbeat: {heartbeat}, \
         election_timeout: {timeout}, pre_vote: false}}}}}}}}}}\n\
         faults: [{more}{{id: dead, every: {}, for: {}, crash: {{node: kv, replica: leader}}}}]\n",
        time(every),
        time(back)
    );
    Case::new(design, 1.0 / every)
}

const TERMS: &str = "nodes.kv.elections.split_votes / nodes.kv.elections.terms";

fn split(entry: &Entry) -> Cases {
    let [n, alive, latency] = ["n", "alive", "l"].map(|name| entry.number(name));
    let gone =
        if alive + 1.0 < n { "{id: gone, at: 0s, crash: {node: kv, replica: 4}}, " } else { "" };
    let latency = time(latency * 0.15);
    let laws = (latency.as_str(), "uniform(150ms 300ms)", "75ms");
    let (every, back) = if alive + 1.0 < n { (6.0371, 5.5) } else { (3.0371, 2.5) };
    let case = elections((n as u64, every, back), laws, gone);
    let trials = if entry.id.ends_with("0.01") { 1e5 } else { 4e4 };
    one(case.requests(trials).measure("split_vote", TERMS))
}

fn timeouts() -> Cases {
    let case =
        elections((5, 3.0371, 1.5), ("5ms", "uniform(150ms 300ms)", "75ms"), "").requests(1e5);
    let case = case
        .measure("split_vote", TERMS)
        .measure("E_terms", "nodes.kv.elections.terms / nodes.kv.elections.count")
        // The last heartbeat still arrives, 5 ms after it was sent.
        .measure("E_election", "nodes.kv.elections.leaderless.mean * 1000 - 5");
    (vec![case], left_out(&["E_min_timeout"], "it is a part of the mean"))
}

/// Mean time from the death of a leader that sends every 5 ms to the last arrival of what it sent, ms, if a message takes
/// 30 to 40 ms: what is under way still arrives (numerically).
const LAST_ARRIVAL: &str = "32.69";

fn wan(entry: &Entry) -> Cases {
    let alive = entry.number("alive");
    let gone = if alive < 4.0 { "{id: gone, at: 0s, crash: {node: kv, replica: 4}}, " } else { "" };
    let laws = ("uniform(30ms 40ms)", "uniform(300ms 600ms)", "5ms");
    let case = elections((5, 8.0371, 7.0), laws, gone).requests(2e4);
    let of = |p: &str| format!("nodes.kv.elections.leaderless.{p} * 1000 - {LAST_ARRIVAL}");
    let case = ["mean", "p50", "p99", "p999"].iter().fold(case, |case, p| case.measure(p, of(p)));
    let case = case.measure("published_mean", of("mean"));
    (vec![case], left_out(&["published_p999_below"], "no figure, but a bound on `p999`"))
}

fn lost((shards, lag): (u64, &str), metric: &str, rare: &[&str]) -> Cases {
    let design = format!(
        "clients: {{load: {{arrivals: poisson(200/s), keys: uniform(n=1M), timeout: 500ms, \
         operations: {{put: {{write: kv}}}}}}}}\n\
         nodes: {{kv: {{store: {{read: 0s, shards: {{count: {shards}}}, replication: {{leader_follower: \
         {{followers: 1, lag: {lag}, failover: {{detect: 1s}}}}}}}}}}}}\n\
         faults: [{{id: dead, every: 5.0371s, for: 2.5s, crash: {{node: kv, replica: leader}}}}]\n"
    );
    let case = Case::new(design, 1.0 / 5.0371).requests(1000.0);
    let each = "consistency.lost_acked_writes / faults.0.occurrences";
    (vec![case.measure(metric, each)], left_out(rare, "one in 20,000 crashes"))
}

fn read_your_writes() -> Cases {
    // So rare that entries do not wait for one another in the log.
    let design = "clients: {load: {arrivals: poisson(0.2/s), keys: uniform(n=100M), \
         operations: {put: {write: kv}, get: {read: kv}}, session: [{do: put}, {wait: 50ms}, {do: get}]}}\n\
         nodes: {kv: {store: {read: 0s, replication: {leader_follower: {followers: 2, reads: any, lag: exp(mean=100ms)}}}}}\n";
    one(Case::new(design, 0.2).requests(2e5).measure("P_stale", "consistency.stale_read_fraction"))
}

const FIVE: [&str; 5] = ["Dallas", "Washington DC", "Frankfurt", "London", "Tokyo"];
const FIVE_TRIPS: [(usize, usize, u64); 10] = [
    (0, 1, 32),
    (0, 2, 123),
    (0, 3, 113),
    (0, 4, 145),
    (1, 2, 86),
    (1, 3, 76),
    (1, 4, 142),
    (2, 3, 13),
    (2, 4, 228),
    (3, 4, 239),
];
const THREE: [&str; 3] = ["London", "Frankfurt", "Madrid"];
const THREE_TRIPS: [(usize, usize, u64); 3] = [(0, 1, 13), (0, 2, 26), (1, 2, 29)];

/// Writes from where the leader stands, in regions with round trips between them, ms.
fn regions(names: &[&str], trips: &[(usize, usize, u64)]) -> Cases {
    let zones: Vec<String> = (0..names.len()).map(|i| format!("z{i}")).collect();
    let links: Vec<String> = trips
        .iter()
        .map(|(a, b, trip)| format!("{{from: z{a}, to: z{b}, latency: {}us}}", trip * 500))
        .collect();
    let all = zones.join(", ");
    let regions: Vec<String> = zones.iter().map(|zone| format!("r{zone}: [{zone}]")).collect();
    let case = |(name, leader): (&&str, &String)| {
        let design = format!(
            "topology: {{regions: {{{}}}}}\nnetwork: {{links: [{}]}}\n\
             clients: {{load: {{arrivals: poisson(5/s), zones: [{leader}], keys: uniform(n=10), operations: {{put: {{write: kv}}}}}}}}\n\
             nodes: {{kv: {{store: {{read: 0s, zones: [{all}], replication: {{raft: {{replicas: {}, leader: {leader}, \
             election_timeout: uniform(1s 2s)}}}}}}}}}}\n",
            regions.join(", "),
            links.join(", "),
            names.len()
        );
        Case::new(design, 5.0)
            .label(&format!("-{leader}"))
            .requests(5.0 * 20.0 * SEEDS as f64)
            .measure(name, "summary.latency.mean * 1000")
    };
    (names.iter().zip(&zones).map(case).collect(), Vec::new())
}
