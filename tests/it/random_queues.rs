//! A thousand random schedules of a queue, its publishers and consumers, some of a log: what is lost, what comes twice, what is in order.

use serde_json::Value;

use crate::design::{number, results_of};

/// Draws of one schedule.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: u64) -> u64 {
        // Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len() as u64) as usize]
    }
}

/// What happens to consumers, and between them and the broker; and what happens to publishers alone.
const BEHIND: [&str; 7] = [
    "crash: {node: billing}",
    "crash: {node: billing, process: true}",
    "pause: {node: billing}",
    "partition: {between: [[orders], [billing]]}",
    "partition: {from: [orders], to: [billing]}",
    "partition: {from: [billing], to: [orders]}",
    "loss: {between: [[orders], [billing]], fraction: 30%}",
];
const BROKER: [&str; 2] = ["crash: {node: orders}", "crash: {node: orders, process: true}"];
const BEFORE: [&str; 2] = [
    "loss: {between: [[api], [orders]], fraction: 30%}",
    "partition: {between: [[api], [orders]]}",
];

/// Faults of these kinds at random times of the first 25 s.
fn faults(kinds: &[&str], draws: &mut Draws) -> String {
    let one = |i: u64, draws: &mut Draws| {
        let (at, lasts) = (500 + draws.below(20_000), 100 + draws.below(4_000));
        format!("  - {{id: f{i}, at: {at}ms, for: {lasts}ms, {}}}\n", draws.pick(kinds))
    };
    (0..2 + draws.below(4)).map(|i| one(i, draws)).collect()
}

/// About 100 orders in 20 of 80 s, through a service that publishes, handed to billing as `queue` says.
fn schedule(seed: u64, queue: &str, (consumer, faults): (&str, &str)) -> Value {
    let text = format!(
        "windtunnel: 1\nname: random\nduration: 80s\nseed: {seed}\nnetwork: {{same_zone: 1ms}}\n\
         clients: {{users: {{arrivals: poisson(5/s), keys: uniform(n=8), load: [{{at: 0s, factor: 1}}, {{at: 20s, factor: 0}}], timeout: 1s, to: api}}}}\n\
         nodes:\n  api: {{service: {{workers: 50, endpoints: {{default: [{{publish: orders}}]}}, dependencies: {{orders: {{timeout: 500ms}}}}}}}}\n\
         \x20 orders: {{queue: {{{queue}}}}}\n  billing: {{service: {{{consumer}, consumes: orders}}}}\nfaults:\n{faults}"
    );
    let Some(log) = queue.strip_prefix("log: ") else { return results_of(&text, 1) };
    let (topic, reads) = log.split_once("; ").unwrap();
    let text = text.replace(&format!("queue: {{{queue}}}"), &format!("topic: {{{topic}}}"));
    results_of(
        &text.replace("consumes: orders", &format!("consumes: {{from: orders, {reads}}}")),
        1,
    )
}

fn all<const N: usize>(results: &Value, figures: [&str; N]) -> [f64; N] {
    figures.map(|figure| number(results, &format!("nodes.orders.{figure}")))
}

/// Sums over all schedules: what came twice or not in order, what was lost of what is handed out once.
#[derive(Default)]
struct Seen {
    duplicates: f64,
    out_of_order: f64,
    lost: f64,
    quiet: f64,
}

fn one(seed: u64, seen: &mut Seen) {
    let mut draws = Draws(seed);
    let visible = draws.pick(&["visibility: 1s", "visibility: 3s"]);
    let again = draws.pick(&["", ", redeliver: visibility", ", redeliver: constant(200ms)"]);
    let by_key = draws.below(2) == 0;
    let queue = format!("{visible}{again}{}", if by_key { ", order: key" } else { "" });
    let instances = 1 + draws.below(3);
    let consumer = format!("instances: {instances}, workers: 2, work: exp(mean=60ms)");
    let what = [&BEHIND[..], &BROKER[..], &BEFORE[..]].concat();
    let faults_ = faults(&what, &mut draws);
    // At least once: all that was accepted is worked off and acknowledged.
    let found = schedule(seed, &queue, (&consumer, &faults_));
    let [published, acked, lost, duplicates, out_of_order] =
        all(&found, ["published", "acked", "lost", "duplicates", "out_of_order"]);
    let ok = number(&found, "summary.requests.ok");
    assert!(published >= ok && ok > 0.0, "seed {seed}: {published} of {ok}");
    assert_eq!((acked, lost), (published, 0.0), "seed {seed}\n{queue}\n{faults_}");
    // What is counted twice was: each message's work ended well once, and so often again.
    let worked = number(&found, "nodes.billing.outcomes.ok");
    assert_eq!(worked, published + duplicates, "seed {seed}");
    assert!(!by_key || out_of_order == 0.0, "seed {seed}: {out_of_order}");
    seen.duplicates += duplicates;
    seen.out_of_order += out_of_order;
    // At most once: what was handed to the dead, or lost on its way, is lost, and nothing comes twice.
    let once = "delivery: at_most_once";
    let found = schedule(seed, once, (&consumer, &faults_));
    let [published, acked, lost, duplicates, redelivered] =
        all(&found, ["published", "acked", "lost", "duplicates", "redelivered"]);
    assert_eq!((acked + lost, duplicates, redelivered), (published, 0.0, 0.0), "seed {seed}");
    seen.lost += lost;
    // Where no visibility is over and no ack is lost nothing comes twice, and nothing is lost: whatever befalls publishers.
    let before = faults(&BEFORE, &mut draws);
    for queue in [&queue, once] {
        let found = schedule(seed, queue, (&consumer, &before));
        let [published, acked, duplicates, redelivered] =
            all(&found, ["published", "acked", "duplicates", "redelivered"]);
        assert_eq!((acked, duplicates, redelivered), (published, 0.0, 0.0), "seed {seed}");
        seen.quiet += published - number(&found, "summary.requests.ok");
    }
}

#[test]
fn a_thousand_random_schedules_lose_nothing() {
    let mut seen = Seen::default();
    (1..=1000).for_each(|seed| one(seed, &mut seen));
    // All of it happened: messages came twice and in the wrong order, and were lost where they may be.
    assert!(
        seen.duplicates > 500.0 && seen.out_of_order > 500.0,
        "{} {}",
        seen.duplicates,
        seen.out_of_order
    );
    assert!(seen.lost > 500.0, "{}", seen.lost);
    // Some were accepted although their publishers heard nothing of it.
    assert!(seen.quiet > 100.0, "{}", seen.quiet);
}

#[test]
fn random_schedules_of_a_log_lose_nothing() {
    let (mut duplicates, mut shared_anew) = (0.0, 0.0);
    for seed in 1..=300 {
        let mut draws = Draws(seed);
        let rebalance = draws.pick(&["eager", "cooperative"]);
        let commit = draws.pick(&["batch", "2s"]);
        let batch = 1 + draws.below(4);
        let log = format!(
            "log: partitions: 3, instances: 2; batch: {batch}, session: 3s, heartbeat: 500ms, rebalance: {rebalance}, commit: {commit}"
        );
        let consumer =
            format!("instances: {}, workers: 2, work: exp(mean=40ms)", 1 + draws.below(3));
        let what = [&BEHIND[..], &BROKER[..], &BEFORE[..]].concat();
        let faults_ = faults(&what, &mut draws);
        let found = schedule(seed, &log, (&consumer, &faults_));
        let of = |figure: &str| number(&found, &format!("nodes.orders.groups.billing.{figure}"));
        let [published, acked, again] = ["published", "acked", "duplicates"].map(of);
        assert!(published >= number(&found, "summary.requests.ok"), "seed {seed}");
        assert_eq!(acked, published, "seed {seed}\n{log}\n{faults_}");
        let worked = number(&found, "nodes.billing.outcomes.ok");
        assert_eq!(worked, published + again, "seed {seed}");
        duplicates += again;
        shared_anew += of("rebalances");
        // What befalls publishers alone has no message worked off twice.
        let before = faults(&BEFORE, &mut draws);
        let found = schedule(seed, &log, (&consumer, &before));
        let of = |figure: &str| number(&found, &format!("nodes.orders.groups.billing.{figure}"));
        assert_eq!((of("acked"), of("duplicates")), (of("published"), 0.0), "seed {seed}");
        assert_eq!(of("out_of_order"), 0.0, "seed {seed}");
    }
    assert!(duplicates > 300.0 && shared_anew > 300.0, "{duplicates} {shared_anew}");
}
