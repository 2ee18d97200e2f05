//! Cores that take several at once: when a batch begins, how long it takes, and what that does to a queue.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{close, design, latency, number, results, results_of},
};

/// So many requests at once, every 10 s for 100 s, each of 100 ms on one core.
fn together(requests: u64, batch: &str) -> Value {
    let client = format!("arrivals: schedule(every=10s batch={requests}), to: app");
    let nodes = format!("app: {{service: {{cores: 1, work: 100ms, {batch}}}}}");
    results("100s", &client, &nodes, "")
}

#[test]
fn a_batch_begins_when_it_is_full_or_its_first_has_waited() {
    // One alone waits for others.
    let found = together(1, "batch: {size: 3, wait: 20ms}");
    close(latency(&found), [0.12, 0.12]);
    close([number(&found, "nodes.app.waiting_time.max")], [0.02]);
    close([number(&found, "nodes.app.utilisation")], [0.01]);
    // Three do not.
    close(latency(&together(3, "batch: {size: 3, wait: 20ms}")), [0.1, 0.1]);
    // The last two of five have waited for longer when the core is free.
    let found = together(5, "batch: {size: 3, wait: 20ms}");
    close(latency(&found), [0.14, 0.2]);
    close([number(&found, "nodes.app.batch_size")], [2.5]);
    close([number(&found, "nodes.app.utilisation")], [0.02]);
    // Where they may wait for longer the core is idle until they have.
    close(latency(&together(5, "batch: {size: 3, wait: 150ms}")), [(0.3 + 0.5) / 5.0, 0.25]);
    // Where they need not, a free core takes whoever is there: here the first alone.
    let found = together(5, "batch: {size: 3}");
    close(latency(&found), [(0.1 + 3.0 * 0.2 + 0.3) / 5.0, 0.3]);
    close([number(&found, "nodes.app.batch_size")], [5.0 / 3.0]);
    // A core for each batch.
    let two = together(6, "batch: {size: 3, wait: 20ms}");
    close(latency(&two), [0.15, 0.2]);
}

#[test]
fn all_of_a_batch_end_together() {
    // 100 and 300 ms: as long as the longer one, or both at the speed of two.
    let run = |more: &str| {
        let nodes = format!(
            "app: {{service: {{cores: 1, {more}batch: {{size: 2, wait: 1s}}, \
             endpoints: {{a: [{{work: 100ms}}], b: [{{work: 300ms}}]}}}}}}"
        );
        let both = "arrivals: schedule(every=10s), to: app, session: [{do: a}], operations: {a: {}, b: {}}";
        let text = design("100s", both, &nodes, "");
        let other = "\nclients: {other: {arrivals: schedule(every=10s), to: app, session: [{do: b}], operations: {a: {}, b: {}}}, load:";
        let text = text.replacen("\nclients: {load:", other, 1);
        results_of(&text, 1)
    };
    let found = run("");
    close(latency(&found), [0.3, 0.3]);
    close([number(&found, "nodes.app.service_time.max")], [0.3]);
    let found = run("speedup: table(1=1 2=1.6), ");
    close(latency(&found), [0.25, 0.25]);
    close([number(&found, "nodes.app.waiting_time.max")], [0.0]);
    // A speed of one for any number of them is one after the other.
    close(latency(&run("speedup: table(1=1 2=1), ")), [0.4, 0.4]);
}

#[test]
fn who_is_served_first_is_a_question_of_the_discipline() {
    // While the first is at work four others come, one each 10 ms; the next batch takes two of them.
    let last = |discipline: &str| {
        let nodes = format!(
            "app: {{service: {{cores: 1, discipline: {discipline}, batch: {{size: 2}}, work: 100ms}}}}"
        );
        let client = "arrivals: schedule(every=10s batch=5 over=50ms), to: app";
        latency(&results("100s", client, &nodes, ""))
    };
    // At work: 0 to 100 ms; then those of 10 and 20 ms; then those of 30 and 40 ms.
    close(last("fifo"), [(0.1 + 0.19 + 0.18 + 0.27 + 0.26) / 5.0, 0.27]);
    close(last("lifo"), [(0.1 + 0.17 + 0.16 + 0.29 + 0.28) / 5.0, 0.29]);
}

#[test]
fn a_batch_goes_on_without_those_who_left_it() {
    // Two of three are called off after 50 ms: the third, whose patience is longer, is not done sooner.
    let nodes = "app: {service: {cores: 1, work: 100ms, batch: {size: 3, wait: 1s}}}";
    let client = |timeout: &str, batch: &str| {
        format!(
            "arrivals: schedule(every=10s batch={batch}), to: app, timeout: {timeout}, cancel: true"
        )
    };
    let text = design("100s", &client("50ms", "2"), nodes, "");
    let other = format!("\nclients: {{other: {{{}}}, load:", client("1s", "1"));
    let found = results_of(&text.replacen("\nclients: {load:", &other, 1), 1);
    close([number(&found, "clients.other.latency.max")], [0.1]);
    close([number(&found, "nodes.app.utilisation")], [0.01]);
    assert_eq!(number(&found, "summary.requests.timeout"), 20.0);
    // When all have left the core is free for the next.
    let found = results("100s", &client("50ms", "3"), nodes, "");
    close([number(&found, "nodes.app.utilisation")], [0.005]);
    // Who gives up while the batch fills is not in it: the two who remain wait for a third.
    let nodes =
        "app: {service: {cores: 1, work: 100ms, patience: 300ms, batch: {size: 3, wait: 1s}}}";
    let found =
        results("100s", "arrivals: schedule(every=10s batch=4 over=800ms), to: app", nodes, "");
    // At 0, 0.2, 0.4 and 0.6 s; gone at 0.3, 0.5, 0.7 and 0.9 s.
    assert_eq!(number(&found, "nodes.app.causes.abandoned"), 40.0);
    let found =
        results("100s", "arrivals: schedule(every=10s batch=4 over=400ms), to: app", nodes, "");
    // At 0, 0.1, 0.2 and 0.3 s: full at 0.2 s, and the last one waits in vain for others.
    assert_eq!(number(&found, "nodes.app.causes.abandoned"), 10.0);
    close([number(&found, "summary.latency.max")], [0.3]);
}

#[test]
fn faults_hit_batches() {
    let run = |fault: &str| {
        let nodes = "app: {service: {cores: 1, work: 100ms, batch: {size: 4, wait: 1s}}}";
        let client = "arrivals: schedule(every=10s), to: app";
        results("100s", client, nodes, fault)
    };
    close(latency(&run("")), [1.1, 1.1]);
    // The time to begin passes while nothing moves: it begins as soon as something does.
    let found = run("{id: p, at: 10500ms, for: 2s, pause: {node: app}}");
    close([latency(&found)[1]], [2.6]);
    // It stands still in the middle.
    let found = run("{id: p, at: 11050ms, for: 2s, pause: {node: app}}");
    close([latency(&found)[1]], [3.1]);
    // The pause ends before the time to begin.
    let found = run("{id: p, at: 10200ms, for: 300ms, pause: {node: app}}");
    close([latency(&found)[1]], [1.1]);
    // The second half takes three times as long; the wait does not.
    let found = run("{id: s, at: 11050ms, for: 1s, slow: {node: app, factor: 3}}");
    close([latency(&found)[1]], [1.2]);
    // Who waits and who is at work die with the process, and the next batch begins anew.
    for at in ["10500ms", "11050ms"] {
        let found =
            run(&format!("{{id: c, at: {at}, for: 1s, crash: {{node: app, process: true}}}}"));
        assert_eq!(number(&found, "summary.requests.error"), 1.0);
        close([latency(&found)[1]], [1.1]);
    }
}

#[test]
fn a_wait_for_company_is_as_long_as_theory_says() {
    // Without work two meet if the second comes within w of the first: of N = 2 - exp(-lw) in a batch the first waits
    // (1 - exp(-lw)) / l, and the second not at all.
    let nodes = "app: {service: {cores: 1, work: 0ms, batch: {size: 2, wait: 50ms}}}";
    let found = results("20000s", "arrivals: poisson(20/s), to: app", nodes, "");
    let alone = f64::exp(-1.0);
    let (size, waited) =
        (number(&found, "nodes.app.batch_size"), number(&found, "nodes.app.waiting_time.mean"));
    assert!((size / (2.0 - alone) - 1.0).abs() < 0.003, "{size}");
    assert!((waited / ((1.0 - alone) / 20.0 / (2.0 - alone)) - 1.0).abs() < 0.005, "{waited}");
}

/// How fast the stages of so many that are at work end, of which so many are left.
type Rate<'r> = &'r dyn Fn(usize, usize) -> f64;

/// Mean number inside and mean batch of a core that takes up to `most` at once, by the chain of who waits, how many are at
/// work and how many stages are left: stages end at `rate(n, left)`, and there are as many as are at work.
fn chain(arrivals: f64, most: usize, rate: Rate<'_>) -> (f64, f64) {
    const WAITING: usize = 150;
    let at = |q: usize, n: usize, k: usize| (q * (most + 1) + n) * (most + 1) + k;
    let states: Vec<(usize, usize, usize)> = (0..WAITING)
        .flat_map(|q| (1..=most).flat_map(move |n| (1..=n).map(move |k| (q, n, k))))
        .chain([(0, 0, 0)])
        .collect();
    let out = |(q, n, k): (usize, usize, usize)| {
        let mut to = Vec::new();
        if n == 0 {
            to.push((at(0, 1, 1), arrivals));
            return to;
        }
        if q + 1 < WAITING {
            to.push((at(q + 1, n, k), arrivals));
        }
        let next = match (k, q) {
            (1, 0) => at(0, 0, 0),
            (1, _) => at(q - q.min(most), q.min(most), q.min(most)),
            _ => at(q, n, k - 1),
        };
        to.push((next, rate(n, k)));
        to
    };
    let fastest =
        states.iter().map(|s| out(*s).iter().map(|to| to.1).sum::<f64>()).fold(0.0, f64::max);
    let edges: Vec<(usize, Vec<(usize, f64)>)> =
        states.iter().map(|&(q, n, k)| (at(q, n, k), out((q, n, k)))).collect();
    let mut p = vec![0.0; at(WAITING, 0, 0)];
    p[at(0, 0, 0)] = 1.0;
    for _ in 0..20_000 {
        let mut next = p.clone();
        for (from, to) in &edges {
            for (to, rate) in to {
                let flow = p[*from] * rate / fastest;
                next[*from] -= flow;
                next[*to] += flow;
            }
        }
        p = next;
    }
    let mut inside = 0.0;
    let (mut works, mut begun) = (0.0, 0.0);
    for &(q, n, k) in &states {
        let here = p[at(q, n, k)];
        inside += here * (q + n) as f64;
        if k == 1 {
            begun += here * rate(n, k);
            works += here * rate(n, k) * n as f64;
        }
    }
    (inside, works / begun)
}

#[test]
fn queues_with_bulk_service_are_as_long_as_theory_says() {
    // Exponential works of 100 ms. The longest of n: its stages end at rate n, n - 1, .. 1 times that of one.
    let longest = |_: usize, left: usize| 10.0 * left as f64;
    // Their sum at twice the speed where there are four, and in between: n stages at that rate.
    let speed = |n: usize| 1.0 + (n as f64 - 1.0) / 3.0;
    let sum = |n: usize, _: usize| 10.0 * speed(n);
    let cases: [(&str, f64, Rate<'_>); 3] =
        [("", 12.0, &longest), ("", 14.0, &longest), ("speedup: table(1=1 4=2), ", 15.0, &sum)];
    for (more, arrivals, rate) in cases {
        let (inside, size) = chain(arrivals, 4, rate);
        let nodes = format!(
            "app: {{service: {{cores: 1, work: exp(mean=100ms), {more}batch: {{size: 4}}}}}}"
        );
        let found =
            results("100000s", &format!("arrivals: poisson({arrivals}/s), to: app"), &nodes, "");
        let (is, of) =
            (number(&found, "nodes.app.in_system"), number(&found, "nodes.app.batch_size"));
        assert!((is / inside - 1.0).abs() < 0.015, "{arrivals}{more}: {is}, not {inside}");
        assert!((of / size - 1.0).abs() < 0.005, "{arrivals}{more}: batches of {of}, not {size}");
    }
}

#[test]
fn one_at_a_time_is_a_queue_like_any_other() {
    let run = |batch: &str| {
        let nodes = format!("app: {{service: {{cores: 2, work: exp(mean=100ms){batch}}}}}");
        results("1000s", "arrivals: poisson(15/s), to: app", &nodes, "")
    };
    let (one, plain) = (run(", batch: {size: 1}"), run(""));
    assert_eq!(one["summary"]["latency"], plain["summary"]["latency"]);
    assert_eq!(one["nodes"]["app"]["waiting_time"], plain["nodes"]["app"]["waiting_time"]);
    assert_eq!(number(&one, "nodes.app.batch_size"), 1.0);
}

const MODEL: &str = "\
windtunnel: 1
name: model
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: model, timeout: 1s}}
nodes:
  model: {service: {cores: 1, workers: 9, discipline: fifo, batch: {size: 8, wait: 5ms}, work: 1ms}}
";

#[test]
fn what_is_wrong_with_a_batch_is_told() {
    assert_eq!(told(MODEL.as_bytes()), Vec::<String>::new());
    check_in(
        MODEL,
        &[
            ("B50", "size: 8", "size: 0", "6:75 E-RANGE", "at least 1"),
            (
                "B50",
                "workers: 9, discipline: fifo, batch: {size: 8",
                "discipline: fifo, batch: {size: 20k",
                "6:63 E-BUDGET",
                "above the limit",
            ),
            ("B50", "size: 8, ", "", "6:61 E-MISSING", "size"),
            ("B50", "wait: 5ms", "wait: 5", "6:84 E-UNIT", "5"),
            ("B50", "wait: 5ms", "linger: 5ms", "6:78 E-UNKNOWN-KEY", "linger"),
            ("B50", "cores: 1, ", "", "6:51 E-MISSING", "a core takes a batch"),
            ("B50", "discipline: fifo", "discipline: srpt", "6:55 E-CONFLICT", "ends together"),
            ("B50", "discipline: fifo", "discipline: shared", "6:55 E-CONFLICT", "ends together"),
            (
                "B50",
                "discipline: fifo",
                "discipline: codel(target=5ms interval=100ms)",
                "6:55 E-CONFLICT",
                "ends together",
            ),
            ("B50", "workers: 9", "workers: 7", "6:75 W-BATCH", "7 requests are worked at once"),
        ],
    );
}
