//! Functions: who waits for a start, which environment is used, when it ends, what is paid for it.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    cli::windtunnel,
    design::{close, number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// A request each second from the first one on, over 100 s, of a function with these fields.
fn each_second(function: &str, rest: &str) -> Value {
    results_of(&text("a: {arrivals: constant(1/s), to: f}", function, rest), 1)
}

/// Clients and a function, over 100 s; everything else takes no time.
fn text(clients: &str, function: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 100s\nseed: 3\nclients: {{{clients}}}\n\
         nodes:\n  f: {{function: {{{function}}}}}\n{rest}\n"
    )
}

/// So many requests at once, at 10, 20 .. 90 s.
fn bursts(n: usize) -> String {
    let one = |i| format!("c{i}: {{arrivals: constant(0.1/s), to: f}}");
    (0..n).map(one).collect::<Vec<_>>().join(", ")
}

fn of(results: &Value, figure: &str) -> f64 {
    number(results, &format!("nodes.f.{figure}"))
}

fn all<const N: usize>(results: &Value, figures: [&str; N]) -> [f64; N] {
    figures.map(|figure| of(results, figure))
}

const COLD: &str = "cold_start: 500ms, keep_alive: 10s, work: 100ms";

#[test]
fn the_first_request_waits_for_the_start_and_the_others_find_it_warm() {
    let found = each_second(COLD, "");
    let latency = |figure: &str| number(&found, &format!("summary.latency.{figure}"));
    close(["max", "mean", "p50"].map(latency), [0.6, (98.0 * 0.1 + 0.6) / 99.0, 0.1]);
    close(all(&found, ["cold_starts", "cold_share"]), [1.0, 1.0 / 99.0]);
    // It is there from 1 s on.
    close(all(&found, ["environments.mean", "environments.max"]), [0.99, 1.0]);
    let (starting, busy) = (0.005, 99.0 * 0.1 / 100.0);
    close(all(&found, ["starting", "busy", "idle"]), [starting, busy, 0.99 - starting - busy]);
    // Waiting for the start is waiting.
    close(all(&found, ["waiting_time.max", "in_queue"]), [0.5, 0.005]);
    close(all(&found, ["utilisation"]), [busy / 1000.0]);
    let series = &found["series"]["nodes"]["f"];
    let shares: Vec<f64> = series["cold_share"].as_array().unwrap().iter().flatten_numbers();
    assert_eq!((shares[0], shares.iter().sum::<f64>()), (1.0, 1.0));
    let lengths = found["series"]["length"].as_array().unwrap().iter().flatten_numbers();
    let there = series["instances"].as_array().unwrap().iter().flatten_numbers();
    let there: f64 = there.iter().zip(&lengths).map(|(n, length)| n * length).sum();
    close([there], [99.0]);
}

/// The numbers of a list.
trait Numbers {
    fn flatten_numbers(self) -> Vec<f64>;
}

impl<'a, I: Iterator<Item = &'a Value>> Numbers for I {
    fn flatten_numbers(self) -> Vec<f64> {
        self.filter_map(Value::as_f64).collect()
    }
}

#[test]
fn keep_alive_counts_from_the_end_of_the_last_visit() {
    // At 20, 40, 60 and 80 s. A cold request is done after 600 ms, a warm one after 100 ms: 19.4 or 19.9 s are between.
    let one = |keep: &str| {
        let function = format!("cold_start: 500ms, keep_alive: {keep}, work: 100ms");
        let found = results_of(&text("a: {arrivals: constant(0.05/s), to: f}", &function, ""), 1);
        all(&found, ["cold_starts", "environments.mean"])
    };
    close(one("19.39s"), [4.0, (3.0 * 19.99 + 19.99) / 100.0]);
    // Warm at 40 and 80, for longer than it is kept after that at 40.
    close(one("19.41s"), [2.0, 2.0 * (20.1 + 19.41) / 100.0]);
    close(one("19.95s"), [1.0, 0.8]);
    // Gone as soon as nobody is inside.
    close(one("0s"), [4.0, 4.0 * 0.6 / 100.0]);
}

#[test]
fn the_environment_used_last_is_used_first() {
    // One each second, and two more at 50 s: they start two environments.
    let clients = "a: {arrivals: constant(1/s), to: f}, b: {arrivals: constant(0.02/s), to: f}, \
                   c: {arrivals: constant(0.02/s), to: f}";
    let found = results_of(&text(clients, COLD, ""), 1);
    // From 51 s on one of these two is used. The first one was used until 50.1 s and the other one until 50.6 s, and each
    // was kept for 10 s more. Who used the oldest first, or all in turn, would keep all three.
    let there = (60.1 - 1.0) + 50.0 + 10.6;
    close(
        all(&found, ["cold_starts", "environments.mean", "environments.max"]),
        [3.0, there / 100.0, 3.0],
    );
}

#[test]
fn who_needs_one_more_than_there_may_be_is_turned_away() {
    let found = results_of(&text(&bursts(3), &format!("concurrency: 2, {COLD}"), ""), 1);
    // Warm ones count, and those that start. Idle for 9.4 s and 9.9 s they are kept.
    close(all(&found, ["cold_starts", "environments.max"]), [2.0, 2.0]);
    close(
        all(&found, ["outcomes.rate_limited", "causes.throttled", "outcomes.ok"]),
        [9.0, 9.0, 18.0],
    );
    // It hears of it at once.
    let mean = number(&found, "summary.latency_all.mean");
    close([mean], [(2.0 * 0.6 + 16.0 * 0.1 + 9.0 * 0.0) / 27.0]);
    // Of those it let in.
    close(all(&found, ["cold_share"]), [2.0 / 18.0]);
}

#[test]
fn each_start_takes_a_token() {
    // At 0.25, 0.5 .. 9.75 s, each needs a new environment. Two tokens at first, one more each second.
    let clients = "a: {arrivals: constant(4/s), to: f, load: [{at: 9.8s, factor: 0}]}";
    let function =
        "growth: token_bucket(rate=1/s burst=2), cold_start: 0s, keep_alive: 0s, work: 100ms";
    let found = results_of(&text(clients, function, ""), 1);
    // 0.25 and 0.5 s; 0.25 tokens are left, and 1.25 s is the next with a whole one, then each second: 2 + 9.
    close(all(&found, ["cold_starts", "causes.throttled", "outcomes.ok"]), [11.0, 28.0, 11.0]);
    let found = results_of(
        &text(
            clients,
            &function.replace("growth: token_bucket(rate=1/s burst=2)", "growth: none"),
            "",
        ),
        1,
    );
    close(all(&found, ["cold_starts", "outcomes.ok"]), [39.0, 39.0]);
    // What is usual: a thousand at once, then a hundred each second; of the first 1,500 five hundred find no token.
    let crowd = |growth: &str| {
        let clients = "a: {arrivals: poisson(0.02/s batch=1500), to: f}";
        let function = format!("{growth}concurrency: 2k, cold_start: 1s, keep_alive: 1h, work: 1s");
        results_of(&text(clients, &function, ""), 1)
    };
    close(all(&crowd(""), ["causes.throttled", "environments.max"]), [500.0, 1000.0]);
    let free = crowd("growth: none, ");
    close(all(&free, ["environments.max"]), [1500.0]);
    assert!(free["nodes"]["f"]["causes"].is_null());
    // In a line nobody is turned away: with work of 1.05 s the next one starts as there is a token for it, and takes the first
    // in line, unless one that is done does.
    let function = "queue: 100, growth: token_bucket(rate=1/s burst=2), cold_start: 0s, keep_alive: 0s, work: 100s";
    let found = results_of(&text(clients, function, ""), 1);
    // 2 at first, and at 1.25, 2.25 .. 37.25 s those that are left.
    close(all(&found, ["cold_starts", "environments.max"]), [39.0, 39.0]);
    let there: f64 =
        (100.0 - 0.25) + (100.0 - 0.5) + (0..37).map(|k| 98.75 - f64::from(k)).sum::<f64>();
    close(all(&found, ["environments.mean"]), [there / 100.0]);
}

#[test]
fn an_environment_that_started_for_somebody_who_left_is_there_for_the_next() {
    let clients = "a: {arrivals: constant(1/s), to: f, timeout: 200ms, cancel: true}";
    let found = results_of(&text(clients, COLD, ""), 1);
    // The first one left after 200 ms; it was idle from 1.5 s on.
    close(all(&found, ["cold_starts", "cold_share", "environments.mean"]), [1.0, 0.0, 0.99]);
    assert_eq!(found["summary"]["requests"]["timeout"], 1);
    close([number(&found, "summary.latency.max")], [0.1]);
    close(all(&found, ["in_queue", "starting"]), [0.002, 0.005]);
    // Without a message that calls it off it is worked off, with nobody waiting.
    let found = results_of(&text(&clients.replace(", cancel: true", ""), COLD, ""), 1);
    close(all(&found, ["cold_starts", "cold_share"]), [1.0, 1.0 / 99.0]);
}

#[test]
fn a_deployment_makes_all_cold_and_lets_nobody_down() {
    let roll = "faults: [{id: roll, at: 50.05s, deploy: {node: f, set: {work: 200ms}}}]";
    let found = each_second(COLD, roll);
    // Somebody is inside from 50 to 50.1 s: that one ends with him, and with the old version.
    close(all(&found, ["cold_starts", "outcomes.ok", "cold_share"]), [2.0, 99.0, 2.0 / 99.0]);
    close([number(&found, "summary.latency.max")], [0.7]);
    close(all(&found, ["environments.mean"]), [(49.1 + 49.0) / 100.0]);
    close(all(&found, ["service_time.mean"]), [(50.0 * 0.1 + 49.0 * 0.2) / 99.0]);
    // Provisioned ones start again: at 50.1 s, and are there at 50.6 s.
    let found = each_second(&format!("provisioned: 1, {COLD}"), roll);
    close(all(&found, ["cold_starts", "cold_share", "environments.mean"]), [1.0, 0.0, 1.0]);
    // A restart of the same version, taken back or not, does as well; a `set` does not.
    let roll = "faults: [{id: roll, at: 50.05s, for: 20s, deploy: {node: f}}]";
    close(all(&each_second(COLD, roll), ["cold_starts"]), [3.0]);
    let set = "faults: [{id: set, at: 50.05s, set: {nodes.f.function.work: 200ms}}]";
    close(all(&each_second(COLD, set), ["cold_starts", "service_time.max"]), [1.0, 0.2]);
}

#[test]
fn provisioned_environments_are_never_cold() {
    let function = format!("memory: 2GB, provisioned: 3, {COLD}");
    let found = results_of(&text(&bursts(3), &function, ""), 1);
    close(all(&found, ["cold_starts", "cold_share"]), [0.0, 0.0]);
    close(all(&found, ["environments.mean", "environments.max"]), [3.0, 3.0]);
    close(all(&found, ["gb_seconds", "provisioned_gb_seconds"]), [0.0, 600.0]);
    // One more at once starts one that is not; provisioned ones are used before it, whoever was used last.
    let clients = format!("{}, a: {{arrivals: constant(1/s), to: f}}", bursts(3));
    let found = results_of(&text(&clients, &function, ""), 1);
    // At 10 s; idle from 10.6 s on, and again busy from 20 to 20.1 s, ..., the last time at 90 s.
    close(all(&found, ["cold_starts", "environments.mean"]), [1.0, 3.0 + 0.9]);
    close(all(&found, ["gb_seconds"]), [2.0 * (0.5 + 9.0 * 0.1)]);
}

#[test]
fn memory_is_paid_for_by_the_millisecond_from_the_start_on() {
    let function = "memory: 1536MB, cold_start: 500.2ms, keep_alive: 10s, work: 100.3ms, \
                    price: [$0.20/1M, $0.0000166667/GB-s], provisioned: 2, provisioned_price: $0.0000041667/GB-s, \
                    concurrency: 3";
    let found = results_of(&text(&bursts(4), function, ""), 1);
    // One of each four runs in an environment that starts at 10 s, one is turned away.
    let used = 1.536 * (0.501 + 9.0 * 0.101);
    close(all(&found, ["gb_seconds", "provisioned_gb_seconds"]), [used, 2.0 * 100.0 * 1.536]);
    let month = 730.0 * 36.0;
    let cost = |part: &str| of(&found, &format!("cost.{part}"));
    let near = |found: f64, expected: f64| {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    };
    near(cost("memory"), used * 0.000_016_666_7 * month);
    near(cost("provisioned"), 307.2 * 0.000_004_166_7 * month);
    near(cost("calls"), 27.0 * 0.2e-6 * month);
    near(cost("per_month"), cost("memory") + cost("provisioned") + cost("calls"));
    // Without a price for them, those are named.
    let unpriced = results_of(
        &text(&bursts(4), &function.replace(" provisioned_price: $0.0000041667/GB-s,", ""), ""),
        1,
    );
    assert_eq!(unpriced["cost"]["unpriced"], serde_json::json!(["f.provisioned_price"]));
    // Start and visit of what nobody waited for are paid for, too.
    let left = "a: {arrivals: constant(0.1/s), to: f, timeout: 200ms, cancel: true}";
    let found =
        results_of(&text(left, "memory: 1GB, cold_start: 500ms, keep_alive: 0s, work: 1s", ""), 1);
    close(all(&found, ["gb_seconds", "cold_starts"]), [9.0 * 0.5, 9.0]);
}

#[test]
fn who_waits_in_line_takes_whichever_is_free_first() {
    // Three at once at 10 s, 20 s ..: three start. The first to be free takes no other, as all have one.
    let function = "queue: 10, cold_start: 2s, keep_alive: 60s, work: 1s";
    let found = results_of(&text(&bursts(3), function, ""), 1);
    close(all(&found, ["cold_starts", "cold_share"]), [3.0, 3.0 / 27.0]);
    // One is warm, and done before the other two have started: it takes the first in line after 1 s, and the next after 2 s
    // together with those that have started.
    let clients = format!(
        "{}, w: {{arrivals: constant(0.2/s), load: [{{at: 6s, factor: 0}}], to: f}}",
        bursts(3)
    )
    .replace("constant(0.1/s)", "constant(0.1/s), load: [{at: 15s, factor: 0}]");
    let line = results_of(&text(&clients, function, ""), 1);
    let bound = results_of(&text(&clients, &function.replace("queue: 10, ", ""), ""), 1);
    let mean = |found: &Value| number(found, "summary.latency.mean");
    // At 5 s: 3 s. At 10 s: 1 s by the warm one, 2 s by the same, and by one that has started after 2 s: 3 s.
    close([mean(&line)], [(3.0 + 1.0 + 2.0 + 3.0) / 4.0]);
    // Each waits for its own.
    close([mean(&bound)], [(3.0 + 1.0 + 3.0 + 3.0) / 4.0]);
    // The other one that has started finds nobody and is idle; called off it is not even there.
    close(all(&line, ["cold_starts", "environments.max"]), [3.0, 3.0]);
    let cancelled = results_of(&text(&clients, &format!("cancel: true, {function}"), ""), 1);
    // The second to start began at the same instant as the first, one nanosecond of order later: it is called off at 11 s.
    close(all(&cancelled, ["starting"]), [(2.0 + 2.0 + 1.0) / 100.0]);
    close([mean(&cancelled)], [mean(&line)]);
    // No line is longer than it may be, and nobody waits for longer than he likes.
    let one = "queue: 1, concurrency: 1, patience: 400ms, cold_start: 0s, work: 1s";
    let found = results_of(&text(&bursts(3), one, ""), 1);
    close(all(&found, ["causes.queue_full", "causes.abandoned", "outcomes.ok"]), [9.0, 9.0, 9.0]);
    let mean = number(&found, "summary.latency_all.mean");
    close([mean], [(9.0 * 1.0 + 9.0 * 0.4 + 9.0 * 0.0) / 27.0]);
}

#[test]
fn several_requests_may_share_an_environment() {
    let found = results_of(&text(&bursts(4), &format!("workers: 4, {COLD}"), ""), 1);
    // At 10 s each of them starts one; from 20 s on all four fit into the one that was used last. The others end at 20.6 s.
    close(all(&found, ["cold_starts", "environments.max"]), [4.0, 4.0]);
    close(all(&found, ["environments.mean"]), [(90.0 + 3.0 * 10.6) / 100.0]);
    close(all(&found, ["busy"]), [(4.0 * 0.1 + 8.0 * 0.1) / 100.0]);
    // Visits are counted one by one, and so they are paid for.
    close(all(&found, ["utilisation"]), [36.0 * 0.1 / 100.0 / 4000.0]);
}

#[test]
fn what_follows_a_reply_keeps_the_environment_busy() {
    let steps = "memory: 1GB, cold_start: 500ms, keep_alive: 10s, \
                 endpoints: {default: [{work: 100ms}, {reply: 1KB}, {work: 300ms}]}";
    let found = each_second(steps, "");
    close(
        all(&found, ["cold_starts", "busy", "gb_seconds"]),
        [1.0, 99.0 * 0.4 / 100.0, 0.5 + 99.0 * 0.4],
    );
    close([number(&found, "summary.latency.p50")], [0.1]);
    // At four a second each of the first four starts one: that of the first is free at 1.15 s. Then two are used in turn.
    let often = text("a: {arrivals: constant(4/s), to: f}", steps, "");
    close(all(&results_of(&often, 1), ["cold_starts"]), [4.0]);
}

#[test]
fn a_crash_hits_a_share_of_the_environments_that_are_there() {
    // Ten at once, of 5 s each. At 12 s three of the ten are gone with who was inside.
    let function = "provisioned: 2, cold_start: 500ms, keep_alive: 60s, work: 5s";
    let crash = |some: &str| {
        let fault =
            format!("faults: [{{id: bad, at: 12s, crash: {{node: f, instances: {some}}}}}]");
        results_of(&text(&bursts(10), function, &fault), 1)
    };
    for some in ["30%", "3"] {
        let found = crash(some);
        close(all(&found, ["outcomes.error", "causes.crashed", "outcomes.ok"]), [3.0, 3.0, 87.0]);
        // Those that crashed start when they are needed, at 20 s; provisioned ones at once.
        close(all(&found, ["cold_starts", "environments.max"]), [8.0 + 3.0, 10.0]);
    }
    // In none of these somebody waits in vain, and nobody is lost who waits for a start.
    let found = results_of(
        &text(
            &bursts(10),
            "cold_start: 5s, keep_alive: 60s, work: 1s",
            "faults: [{id: bad, at: 12s, crash: {node: f, instances: 100%}}]",
        ),
        1,
    );
    close(all(&found, ["outcomes.error", "outcomes.ok", "cold_starts"]), [10.0, 80.0, 20.0]);
    // All of them, again and again: a request of each second is not done in 100 ms.
    let again = "faults: [{id: bad, every: 10s, at: 10.05s, crash: {node: f, instances: 100%}}]";
    close(all(&each_second(COLD, again), ["outcomes.error", "cold_starts"]), [9.0, 10.0]);
}

#[test]
fn a_crash_of_the_whole_leaves_nobody_warm() {
    let fault = "faults: [{id: out, at: 50.05s, for: 5s, crash: {node: f, process: true}}]";
    let found = each_second(COLD, fault);
    // Somebody is inside, and five come while it is down.
    assert_eq!(found["summary"]["requests"]["error"], 1 + 5);
    close(all(&found, ["cold_starts", "environments.mean"]), [2.0, (49.05 + 44.0) / 100.0]);
    // Provisioned ones start as it comes back.
    let found = each_second(&format!("provisioned: 2, {COLD}"), fault);
    close(all(&found, ["cold_starts", "cold_share"]), [2.0, 0.0]);
    close(all(&found, ["environments.mean", "starting"]), [2.0 * 0.95, 2.0 * 0.005]);
    // Slow starts take as much longer as everything.
    let slow = "faults: [{id: slow, at: 0s, for: 50s, slow: {node: f, factor: 3}}]";
    close([number(&each_second(COLD, slow), "summary.latency.max")], [1.8]);
}

#[test]
fn each_zone_has_environments_of_its_own() {
    let rest =
        "  lb: {load_balancer: {to: f, policy: round_robin}}\ntopology: {regions: {r: [a, b, c]}}";
    let lb = |function: &str, rest: &str| {
        let text = text("u: {arrivals: constant(1/s), to: lb}", function, rest);
        results_of(&text, 1)
    };
    let found = lb(&format!("zones: [a, b], {COLD}"), rest);
    close(all(&found, ["cold_starts", "environments.mean"]), [2.0, (99.0 + 98.0) / 100.0]);
    // Both have as many as are provisioned, and as there may be.
    let found = lb(&format!("zones: [a, b], provisioned: 2, {COLD}"), rest);
    close(all(&found, ["environments.mean"]), [4.0]);
    // The loss of a zone leaves the other one's as they are.
    let lost = format!(
        "{rest}\nfaults: [{{id: gone, at: 50.5s, for: 9s, crash: {{zone: a, process: true}}}}]"
    );
    close(all(&lb(&format!("zones: [a, b], {COLD}"), &lost), ["cold_starts"]), [3.0]);
    // Without zones it stands in the first one.
    close(all(&lb(COLD, &lost), ["cold_starts"]), [2.0]);
}

#[test]
fn what_requests_take_does_not_depend_on_where_they_run() {
    let one = |function: &str| {
        let client = "a: {arrivals: poisson(20/s), load: [{at: 80s, factor: 0}], to: f}";
        let text = text(client, function, "");
        let found = results_of(&text, 1);
        (of(&found, "service_time.mean"), number(&found, "summary.requests.issued"))
    };
    let kept = one("cold_start: exp(mean=1s), keep_alive: 10m, work: exp(mean=50ms)");
    assert_eq!(kept, one("cold_start: exp(mean=1s), keep_alive: 1ms, work: exp(mean=50ms)"));
    let shared = one("cold_start: 0s, provisioned: 100, workers: 3, work: exp(mean=50ms)");
    assert!((kept.0 - shared.0).abs() < 1e-9 && kept.1 == shared.1, "{kept:?} {shared:?}");
}

/// Faults of all sorts, retries, calls that are called off, replies before the end.
fn storm(function: &str) -> String {
    let clients = "a: {arrivals: poisson(30/s), keys: uniform(n=50), to: lb, timeout: 400ms, cancel: true, \
                   retry: {attempts: 3, backoff: exponential(base=20ms jitter=full)}}, \
                   b: {arrivals: poisson(10/s), to: lb, timeout: 3s}";
    let rest = "  lb: {load_balancer: {to: f, policy: least_requests, health_check: {interval: 1s, timeout: 200ms}}}\n\
        \x20 db: {store: {read: exp(mean=20ms), cores: 4, queue: 20}}\n\
        topology: {regions: {r: [a, b]}}\n\
        network: {same_region: 1ms}\n\
        faults:\n\
        \x20 - {id: some, every: 7s, crash: {node: f, instances: 40%}}\n\
        \x20 - {id: two, every: 11s, crash: {node: f, instances: 2}}\n\
        \x20 - {id: zone, mtbf: 20s, mttr: 2s, crash: {zone: a}}\n\
        \x20 - {id: died, mtbf: 20s, mttr: 1s, crash: {node: f, process: true}}\n\
        \x20 - {id: asleep, mtbf: 20s, mttr: 1s, pause: {node: f}}\n\
        \x20 - {id: slow, mtbf: 20s, mttr: 3s, slow: {node: f, factor: 4}}\n\
        \x20 - {id: errors, at: 30s, for: 20s, errors: {node: f, fraction: 20%}}\n\
        \x20 - {id: roll, at: 40s, for: 20s, deploy: {node: f, set: {\"endpoints.default[0].work\": 20ms}, batch: 1, pause: 1s}}\n";
    let steps = "zones: [a, b], cold_start: exp(mean=300ms), keep_alive: exp(mean=2s), \
                 endpoints: {default: [{work: exp(mean=40ms)}, {read: db}, {all: [{work: 5ms}, {read: db}]}, \
                 {reply: 1KB}, {work: exp(mean=30ms)}]}, \
                 dependencies: {db: {timeout: 300ms, retry: {attempts: 2, backoff: none}, cancel: true}}";
    text(clients, &format!("{function}, {steps}"), rest)
}

#[test]
fn environments_add_up_whatever_happens() {
    for function in [
        "provisioned: 0",
        "provisioned: 2, concurrency: 6",
        "queue: 20, cancel: true, patience: 1s, concurrency: 5",
        "queue: 5, workers: 3, provisioned: 1, growth: token_bucket(rate=2/s burst=3)",
        "workers: 2, growth: token_bucket(rate=2/s burst=3)",
    ] {
        // The books are checked at the end of each run.
        let found = results_of(&storm(function), 3);
        let [starts, most, idle] = all(&found, ["cold_starts", "environments.max", "idle"]);
        assert!(starts > 10.0 && most > 1.0 && idle >= 0.0, "{function}: {starts} {most} {idle}");
        assert!(of(&found, "causes.crashed") > 0.0, "{function}");
    }
}

#[test]
fn threads_change_no_byte() {
    let text =
        storm("memory: 1GB, provisioned: 1, queue: 20, cancel: true, price: $0.0000166667/GB-s");
    assert_same(&bytes_of_run(&text, "-n 4 --jobs 1"), &bytes_of_run(&text, "-n 4 --jobs 2"));
}

#[test]
fn objectives_and_alerts_ask_for_the_share_that_is_cold() {
    let rest = "slos: [cold_share(node=f) <= 1.1%, cold_starts(node=f) <= 1, environments.mean(node=f) < 1]\n\
                alerts: {cold: {when: cold_share(node=f window=10s) > 5%}}\n\
                faults: [{id: mend, after: cold, set: {nodes.f.function.work: 1ms}}]";
    let found = each_second(COLD, rest);
    let verdicts: Vec<&str> = found["slos"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|slo| slo["verdict"].as_str())
        .collect();
    assert_eq!(verdicts, ["met"; 3], "{}", found["slos"]);
    // In the first ten seconds one of nine was cold; the window that begins at 2 s has none.
    let alert = &found["alerts"][0];
    close(["count", "fired", "resolved"].map(|f| number(alert, f)), [1.0, 10.0, 12.0]);
}

#[test]
fn a_function_is_lost_zone_by_zone() {
    let text = text(
        "u: {arrivals: poisson(20/s), to: lb, timeout: 2s}",
        &format!("zones: [a, b], {COLD}"),
        "  lb: {load_balancer: {to: f, zones: [b]}}\ntopology: {regions: {r: [a, b]}}",
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), text).unwrap();
    let ran = windtunnel(folder.path(), "compare shop.yaml --lose each -n 2");
    assert!(
        ran.stdout.contains("zone a") && ran.stdout.contains("lb"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    assert!(!ran.stdout.contains("an instance of f"), "{}", ran.stdout);
}

/// A function as it should be.
const GOOD: &str = "windtunnel: 1
name: f
duration: 100s
topology: {regions: {r: [a, b]}}
clients: {load: {arrivals: poisson(9/s), to: f}}
nodes: {f: {function: {cold_start: 1s, work: 10ms}}}
";

/// What is wrong with a function.
const OF_FUNCTIONS: &[Case] = &[
    ("memory", "cold_start: 1s", "cold_start: 1s, memory: 0GB", "6:48 E-RANGE", "above 0"),
    (
        "GB-s",
        "cold_start: 1s",
        "cold_start: 1s, price: $0.00002/GB-s",
        "6:47 E-MISSING",
        "how much memory",
    ),
    (
        "provisioned price",
        "cold_start: 1s",
        "cold_start: 1s, provisioned: 1, provisioned_price: $0.00002/GB-s",
        "6:75 E-MISSING",
        "memory: 2GB",
    ),
    ("no start", "cold_start: 1s, ", "", "6:13 W-COLD", "starts in no time"),
    (
        "concurrency",
        "cold_start: 1s",
        "cold_start: 1s, concurrency: 0",
        "6:53 E-RANGE",
        "at least 1",
    ),
    ("concurrency", "cold_start: 1s", "cold_start: 1s, concurrency: 1M", "6:53 E-BUDGET", "60000"),
    (
        "provisioned",
        "cold_start: 1s",
        "cold_start: 1s, provisioned: 9, concurrency: 8",
        "6:53 E-RANGE",
        "more than the 8",
    ),
    ("workers", "cold_start: 1s", "cold_start: 1s, workers: 0", "6:49 E-RANGE", "at least 1"),
    (
        "cancel",
        "cold_start: 1s",
        "cold_start: 1s, cancel: true",
        "6:48 E-CONFLICT",
        "no start is called off",
    ),
    (
        "patience",
        "cold_start: 1s",
        "cold_start: 1s, patience: 1s",
        "6:50 E-CONFLICT",
        "nobody waits in line",
    ),
    (
        "patience",
        "cold_start: 1s",
        "cold_start: 1s, queue: 0, patience: 1s",
        "6:60 E-CONFLICT",
        "nobody waits in line",
    ),
    (
        "growth",
        "cold_start: 1s",
        "cold_start: 1s, growth: leaky_bucket(rate=1/s queue=1)",
        "6:48 E-EXPR",
        "token bucket",
    ),
    ("growth", "cold_start: 1s", "cold_start: 1s, growth: 5/s", "6:48 E-EXPR", "one token bucket"),
    ("zones", "cold_start: 1s", "cold_start: 1s, zones: {a: 2}", "6:40 E-CONFLICT", "come and go"),
    ("zones", "cold_start: 1s", "cold_start: 1s, zones: r", "6:47 E-TOPO", "several zones"),
    (
        "zones",
        "cold_start: 1s",
        "cold_start: 1s, zones: [a, a]",
        "6:51 E-DUP-NAME",
        "there already",
    ),
    ("zones", "cold_start: 1s", "cold_start: 1s, zones: [a, x]", "6:51 E-REF", "unknown zone"),
    ("need", "cold_start: 1s", "cold_start: 1s, need: 2", "6:46 E-RANGE", "never up"),
    (
        "twice",
        "cold_start: 1s",
        "cold_start: 1s, price: [$1/1M, $2/1M]",
        "6:40 E-CONFLICT",
        "twice",
    ),
    ("price", "cold_start: 1s", "cold_start: 1s, price: $1/h", "6:47 E-UNIT", "$0.20/1M"),
    ("price", "cold_start: 1s", "cold_start: 1s, price: $1/GB-h", "6:47 E-UNIT", "GB-s"),
    (
        "steps",
        "work: 10ms",
        "work: 10ms, endpoints: {default: [{work: 1ms}]}",
        "6:46 E-CONFLICT",
        "endpoints",
    ),
    (
        "lock",
        "work: 10ms",
        "endpoints: {default: [{lock: {name: l, do: [{work: 1ms}]}}]}",
        "6:63 E-CONFLICT",
        "scope: shared",
    ),
    ("consumes", "work: 10ms", "work: 10ms, consumes: q", "6:62 E-REF", "unknown node `q`"),
    ("instances", "work: 10ms", "work: 10ms, instances: 3", "6:52 E-UNKNOWN-KEY", "provisioned"),
    ("boot", "work: 10ms", "work: 10ms, boot: 3s", "6:52 E-UNKNOWN-KEY", "cold_start"),
    (
        "autoscale",
        "work: 10ms",
        "work: 10ms, autoscale: {max: 3}",
        "6:52 E-UNKNOWN-KEY",
        "concurrency",
    ),
    (
        "background",
        "work: 10ms",
        "work: 10ms, background: []",
        "6:52 E-UNKNOWN-KEY",
        "nothing unasked",
    ),
    ("cores", "work: 10ms", "work: 10ms, vcpu: 3", "6:52 E-UNKNOWN-KEY", "workers"),
    (
        "warm",
        "work: 10ms",
        "work: 10ms, warm: {for: 1s, factor: 2}",
        "6:52 E-UNKNOWN-KEY",
        "provisioned",
    ),
    (
        "unused",
        "cold_start: 1s",
        "cold_start: 1s, memory: 1GB, provisioned_price: $0.00002/GB-s",
        "6:72 W-UNUSED",
        "nothing is provisioned",
    ),
    ("kind", "function", "lambda", "6:13 E-UNKNOWN-KEY", "function"),
];

/// What is wrong with a fault that hits some of its environments.
const OF_FAULTS: &[Case] = &[
    ("numbers", "30%", "[1]", "7:43 E-FAULT-TARGET", "none has a number"),
    ("none", "30%", "0", "7:54 E-FAULT-TARGET", "nobody is hit"),
    ("for", "at: 9s", "at: 9s, for: 1s", "7:31 E-FAULT-TIME", "gone at once"),
    ("process", "30%", "30%, process: true", "7:54 E-FAULT-TARGET", "nothing is left"),
    ("mtbf", "at: 9s", "mtbf: 9s, mttr: 1s", "7:66 E-FAULT-TARGET", "do not live that long"),
    (
        "slow",
        "crash: {node: f, instances: 30%}",
        "for: 9s, slow: {node: f, factor: 2, instances: 30%}",
        "7:73 E-FAULT-TARGET",
        "all environments",
    ),
    (
        "drain",
        "crash: {node: f, instances: 30%}",
        "deploy: {node: f, drain: 1s}",
        "7:51 E-CONFLICT",
        "environment ends",
    ),
    (
        "cache",
        "crash: {node: f, instances: 30%}",
        "clear_cache: {node: f}",
        "7:46 E-FAULT-TARGET",
        "cache",
    ),
    (
        "set",
        "crash: {node: f, instances: 30%}",
        "set: {nodes.f.function.concurrency: 3}",
        "7:62 E-FAULT-TARGET",
        "concurrency",
    ),
];

#[test]
fn mistakes_about_functions_are_told_where_they_are() {
    check_in(GOOD, OF_FUNCTIONS);
    let faulty = format!("{GOOD}faults: [{{id: x, at: 9s, crash: {{node: f, instances: 30%}}}}]\n");
    check_in(&faulty, OF_FAULTS);
    let alert = format!(
        "{}alerts: {{x: {{when: cold_share(node=s) > 5%}}}}\n",
        GOOD.replace("nodes: {", "nodes: {s: {service: {cores: 1, work: 1ms}}, ")
    );
    check_in(
        &alert,
        &[("alert", "node=s", "node=s window=10s", "7:20 E-FAULT-TARGET", "no function")],
    );
}
