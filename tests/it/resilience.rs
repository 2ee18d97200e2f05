//! Policies around calls, by exact figures of designs without chance.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{number, results},
};

const BREAKER: &str = "{window: 4, min_calls: 4, failure_ratio: 50%, open: 5s, probes: 1}";
/// From 10 s to 20 s the database answers nothing but errors.
const BROKEN: &str = "{id: broken, at: 10s, for: 10s, errors: {node: db, fraction: 100%}}";

#[test]
fn a_breaker_opens_probes_and_closes() {
    // Ten requests a second. Those of 10.0 s and 10.1 s fail, half of the last four; none is sent before
    // 15.1 s, which fails, and none before 20.1 s, which does not.
    let db = "db: {external: {latency: 1ms}}";
    let app =
        format!("app: {{service: {{calls: [db], dependencies: {{db: {{breaker: {BREAKER}}}}}}}}}");
    let within =
        results("30.05s", "arrivals: constant(10/s), to: app", &format!("{app}, {db}"), BROKEN);
    assert_eq!(number(&within, "nodes.db.outcomes.error"), 3.0);
    assert_eq!(number(&within, "nodes.app.causes.breaker_open"), 98.0);
    assert_eq!(number(&within, "nodes.app.causes.breaker_opened"), 2.0);
    // To the client it is an error of the service.
    assert_eq!(number(&within, "summary.requests.error"), 101.0);
    assert_eq!(number(&within, "summary.requests.ok"), 199.0);
    // A client's own: it knows why.
    let client = format!("arrivals: constant(10/s), to: db, breaker: {BREAKER}");
    let own = results("30.05s", &client, db, BROKEN);
    assert_eq!(number(&own, "nodes.db.outcomes.error"), 3.0);
    assert_eq!(number(&own, "summary.requests.error"), 3.0);
    assert_eq!(number(&own, "summary.requests.breaker_open"), 98.0);
    assert_eq!(number(&own, "summary.requests.ok"), 199.0);
    // What a breaker refuses is not tried again, unless that is asked for.
    let retry = format!("{client}, retry: {{attempts: 2}}");
    let tried = results("30.05s", &retry, db, BROKEN);
    assert_eq!(number(&tried, "nodes.db.outcomes.error"), 3.0);
    assert!(number(&tried, "summary.requests.breaker_open") >= 98.0);
    let again = "retry: {attempts: 120, backoff: constant(100ms), if: [error, breaker_open]}";
    let stubborn = results("30.05s", &format!("{client}, {again}"), db, BROKEN);
    assert_eq!(number(&stubborn, "summary.requests.breaker_open"), 0.0);
}

#[test]
fn each_instance_has_a_breaker_of_its_own() {
    let nodes = format!(
        "app: {{service: {{instances: 3, calls: [db], dependencies: {{db: {{breaker: {BREAKER}}}}}}}}}, \
         lb: {{load_balancer: {{to: app}}}}, db: {{external: {{latency: 1ms}}}}"
    );
    let found = results("30.05s", "arrivals: constant(30/s), to: lb", &nodes, BROKEN);
    assert_eq!(number(&found, "nodes.app.causes.breaker_opened"), 6.0);
    assert_eq!(number(&found, "nodes.db.outcomes.error"), 9.0);
}

#[test]
fn slow_and_unanswered_calls_count_as_they_should() {
    let run = |more: &str, timeout: &str, fault: &str| {
        let breaker = format!("breaker: {{window: 4, min_calls: 4, open: 5s{more}}}{timeout}");
        let nodes = format!(
            "app: {{service: {{calls: [db], dependencies: {{db: {{{breaker}}}}}}}}}, \
             db: {{service: {{workers: 99, work: 10ms}}}}"
        );
        results("30.05s", "arrivals: constant(10/s), to: app, timeout: 9s", &nodes, fault)
    };
    let slow = "{id: f, at: 10s, for: 10s, slow: {node: db, factor: 6}}";
    // Work of 60 ms is not too slow by itself; asked for, two slow calls of four open the breaker.
    let patient = run("", "", slow);
    assert_eq!(number(&patient, "summary.requests.ok"), 300.0);
    let strict = run(", slow: {over: 50ms, ratio: 50%}", "", slow);
    // Told 60 ms after it was sent: open from 10.16 s and, after the probe of 15.2 s, from 15.26 s.
    assert_eq!(number(&strict, "nodes.app.causes.breaker_opened"), 2.0);
    assert_eq!(number(&strict, "nodes.app.causes.breaker_open"), 100.0);
    // Nobody answers: each attempt ends by its timeout, 50 ms after it was sent.
    let gone = "{id: f, at: 10s, for: 10s, crash: {node: db}}";
    let silent = run("", ", timeout: 50ms", gone);
    assert_eq!(number(&silent, "nodes.app.causes.call_timeout"), 3.0);
    // Open from 10.15 s, so the next is sent at 15.2 s and opens it to 20.25 s.
    assert_eq!(number(&silent, "nodes.app.causes.breaker_open"), 100.0);
}

const GUARDED: &str = "\
windtunnel: 1
name: guarded
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: a}}
nodes:
  a: {service: {calls: [db], dependencies: {db: {timeout: 1s, breaker: {window: 10s, open: 5s}}}}}
  db: {external: {latency: 1ms}}
";

#[test]
fn breakers_are_checked() {
    assert_eq!(told(GUARDED.as_bytes()), Vec::<String>::new());
    let breaker = "{window: 10s, open: 5s}";
    check_in(
        GUARDED,
        &[
            (
                "B50",
                breaker,
                "{window: 9, open: exponential(base=5s max=1s)}",
                "6:90 E-RANGE",
                "at least `base`",
            ),
            ("B50", breaker, "{window: 9, open: 5s, if: [ok]}", "6:94 E-RANGE", "not a failure"),
        ],
    );
    check_in(
        GUARDED,
        &[
            ("B50", breaker, "{open: 5s}", "6:63 E-MISSING", "window"),
            ("B50", breaker, "{window: 10s}", "6:63 E-MISSING", "open"),
            ("B50", breaker, "{window: 0, open: 5s}", "6:81 E-RANGE", "at least 1"),
            ("B50", breaker, "{window: 0s, open: 5s}", "6:81 E-RANGE", "above 0"),
            ("B50", breaker, "{window: 10s, open: 0s}", "6:92 E-RANGE", "above 0"),
            (
                "B50",
                breaker,
                "{window: 10, open: 5s, min_calls: 20}",
                "6:106 E-CONFLICT",
                "never open",
            ),
            ("B50", breaker, "{window: 10, open: 5s, probes: 0}", "6:103 E-RANGE", "at least 1"),
            (
                "B50",
                breaker,
                "{window: 10s, open: 5s, failure_ratio: 0%}",
                "6:111 E-RANGE",
                "never close",
            ),
            ("B50", breaker, "{window: ten, open: 5s}", "6:81 E-TYPE", ""),
            (
                "W",
                breaker,
                "{window: 10s, open: 5s, slow: {over: 2s, ratio: 50%}}",
                "6:109 W-BREAKER",
                "its timeout ends it before",
            ),
            ("B16", breaker, "{window: 10s, open: 5s, opne: 1s}", "6:96 E-UNKNOWN-KEY", "open"),
        ],
    );
}

/// A service that calls a database by an edge with policies.
fn edge(policies: &str) -> String {
    format!(
        "app: {{service: {{calls: [db], dependencies: {{db: {{{policies}}}}}}}}}, \
         db: {{external: {{latency: 100ms}}}}"
    )
}

#[test]
fn a_rate_limit_lets_its_rate_pass() {
    // 20 a second for 10 s, the first at 50 ms: of a bucket of 5 that gains 10 a second.
    let client = "arrivals: constant(20/s), to: app";
    let run = |limit: &str| results("10.05s", client, &edge(&format!("rate_limit: {limit}")), "");
    let police = run("token_bucket(rate=10/s burst=5)");
    assert_eq!(number(&police, "nodes.db.outcomes.ok"), 104.0 - 1.0);
    assert_eq!(number(&police, "nodes.app.causes.rate_limited"), 96.0);
    // To the client it is an error of the service, told at once.
    assert_eq!(number(&police, "summary.requests.error"), 96.0);
    // Others wait: those the bucket covers go at once, the wait grows by 50 ms each from there on.
    let shape = run("token_bucket(rate=10/s burst=5 wait=1s)");
    assert!((number(&shape, "summary.latency.max") - 1.1).abs() < 1e-6);
    // One in two windows.
    let windows = run("fixed_window(limit=1 window=200ms)");
    assert_eq!(number(&windows, "nodes.app.causes.rate_limited"), 200.0 - 51.0);
    let leaky = run("leaky_bucket(rate=10/s queue=0)");
    assert_eq!(number(&leaky, "nodes.app.causes.rate_limited"), 100.0);
    // A client's own: it knows why, and does not try again unless it is told to.
    let own = "arrivals: constant(20/s), to: db, retry: {attempts: 3}, \
               rate_limit: leaky_bucket(rate=10/s queue=0)";
    let own = results("10.05s", own, "db: {external: {latency: 100ms}}", "");
    assert_eq!(number(&own, "summary.requests.rate_limited"), 100.0);
    assert_eq!(number(&own, "summary.attempts_per_request"), 0.5);
}

#[test]
fn a_limit_may_be_shared_or_one_for_each_key() {
    let client = "arrivals: constant(40/s), to: lb, keys: sequential(n=4)";
    let run = |limit: &str| {
        let nodes = format!(
            "lb: {{load_balancer: {{to: app}}}}, \
             app: {{service: {{instances: 2, calls: [db], dependencies: {{db: {{rate_limit: {limit}}}}}}}}}, \
             db: {{external: {{latency: 1ms}}}}"
        );
        number(&results("10.01s", client, &nodes, ""), "nodes.db.outcomes.ok")
    };
    assert_eq!(run("fixed_window(limit=5 window=1s)"), 100.0 + 1.0);
    assert_eq!(run("fixed_window(limit=5 window=1s scope=shared)"), 50.0 + 1.0);
    // Ten a second of each key, of which five pass at each of two instances: each sees two keys.
    assert_eq!(run("fixed_window(limit=5 window=1s per=key)"), 200.0 + 1.0);
    assert_eq!(run("fixed_window(limit=5 window=1s per=key scope=shared)"), 200.0 + 1.0);
    assert_eq!(run("fixed_window(limit=5 window=1s per=client scope=shared)"), 50.0 + 1.0);
}

#[test]
fn a_bulkhead_bounds_calls_at_once() {
    // 50 a second that take 100 ms each: five at once.
    let client = "arrivals: constant(50/s), to: app";
    let run = |policies: &str| results("10.01s", client, &edge(policies), "");
    assert_eq!(number(&run("bulkhead: 5"), "summary.requests.ok"), 495.0);
    let two = run("bulkhead: 2");
    // Two of five: the calls of 0, 20, 100, 120 ms of each 100 ms.
    assert_eq!(number(&two, "nodes.db.outcomes.ok"), 198.0);
    assert_eq!(number(&two, "nodes.app.causes.bulkhead_full"), 300.0);
    // Waiting helps those who come when room is about to be.
    let patient = run("bulkhead: {size: 2, wait: 100ms}");
    assert_eq!(number(&patient, "nodes.db.outcomes.ok"), 198.0);
    assert!(number(&patient, "summary.latency.max") <= 0.2 + 1e-9);
    assert!(number(&patient, "nodes.app.causes.bulkhead_wait") > 300.0);
}

#[test]
fn a_pool_is_waited_for_and_filled_again() {
    // Every 200 ms three calls at once, for two connections.
    let client = "arrivals: poisson(1/s), to: app";
    let batch = |policies: &str| {
        let steps = "all: [{call: db}, {call: db}, {call: db}]";
        let nodes = format!(
            "app: {{service: {{endpoints: {{default: [{{{steps}}}]}}, dependencies: {{db: {{{policies}}}}}}}}}, \
             db: {{external: {{latency: 10ms}}}}"
        );
        let client = client.replace("poisson(1/s)", "constant(1/s)");
        results("10.5s", &client, &nodes, "")
    };
    let latency = |results: &Value| number(results, "summary.latency.max");
    assert!((latency(&batch("pool: 3")) - 0.010).abs() < 1e-9);
    let two = batch("pool: 2");
    assert!((latency(&two) - 0.020).abs() < 1e-9);
    assert_eq!(number(&two, "nodes.app.causes.pool_wait"), 10.0);
    // Connections are made once, and are not made anew for those who wait.
    let setup = batch("pool: {size: 2, setup: 5ms}");
    assert!((latency(&setup) - 0.025).abs() < 1e-9);
    assert!((number(&setup, "summary.latency.mean") - 0.0205).abs() < 1e-9);
    // Closed after half a second without use, they are made each time.
    let idle = batch("pool: {size: 2, setup: 5ms, idle: 500ms}");
    assert!((number(&idle, "summary.latency.mean") - 0.025).abs() < 1e-9);
    // Those who wait too long are rejected, and with them the request.
    let short = batch("pool: {size: 2, wait: 5ms}");
    assert_eq!(number(&short, "nodes.app.causes.pool_exhausted"), 10.0);
    assert_eq!(number(&short, "summary.requests.error"), 10.0);
    // A call that times out takes its connection with it.
    let policies = "pool: {size: 1, setup: 20ms}, timeout: 50ms, retry: {attempts: 2}";
    let late = results("10.05s", "arrivals: constant(1/s), to: app", &sluggish(policies), TREACLE);
    assert!((number(&late, "summary.latency_all.max") - 0.140).abs() < 1e-9);
    assert!((number(&late, "summary.latency_all.mean") - 0.140).abs() < 1e-9);
}

/// A database that takes 100 ms although nobody expects it to.
const SLUGGISH: &str = "db: {service: {work: 1ms}}";
const TREACLE: &str = "{id: treacle, at: 0s, slow: {node: db, factor: 100}}";

fn sluggish(policies: &str) -> String {
    edge(policies).replace("db: {external: {latency: 100ms}}", SLUGGISH)
}

#[test]
fn a_deadline_ends_every_wait() {
    for policies in [
        "pool: 1, deadline: 30ms",
        "bulkhead: {size: 1, wait: 1h}, deadline: 30ms",
        "rate_limit: token_bucket(rate=1/s burst=1 wait=1h), deadline: 30ms",
        "pool: {size: 1, setup: 1s}, deadline: 30ms",
    ] {
        let client = "arrivals: constant(100/s), to: app";
        let found = results("10s", client, &sluggish(policies), TREACLE);
        let latency = number(&found, "summary.latency_all.max");
        assert!((latency - 0.030).abs() < 1e-9, "{policies}: {latency}");
        // A client's own.
        let client = format!("arrivals: constant(100/s), to: db, {policies}");
        let found = results("10s", &client, SLUGGISH, TREACLE);
        let latency = number(&found, "summary.latency_all.max");
        assert!((latency - 0.030).abs() < 1e-9, "{policies}: {latency}");
        assert_eq!(number(&found, "summary.requests.ok"), 0.0);
    }
}

#[test]
fn a_hedge_is_sent_late_and_the_first_answer_wins() {
    // One call in two is slow: 4 ms, else 1 ms; the copy goes out after 2 ms.
    let slow = "db: {external: {latency: \"mix(50% 1ms; 50% 4ms)\"}}";
    let client = "arrivals: constant(1000/s), to: app";
    let run = |policies: &str| {
        let nodes = format!(
            "app: {{service: {{calls: [db], dependencies: {{db: {{{policies}}}}}}}}}, {slow}"
        );
        results("20s", client, &nodes, "")
    };
    let hedged = run("hedge: {after: 2ms}");
    let (n, copies) =
        (number(&hedged, "summary.requests.issued"), number(&hedged, "nodes.app.causes.hedged"));
    assert!((copies / n - 0.5).abs() < 0.02, "{}", copies / n);
    // 1 ms; 3 ms (a copy that is fast); 4 ms: a half, a quarter, a quarter.
    let mean = number(&hedged, "summary.latency.mean");
    assert!((mean - 0.00225).abs() < 0.00003, "{mean}");
    assert!((number(&hedged, "summary.latency.max") - 0.004).abs() < 1e-9);
    // Copies are visits like others; the slower ones run to their end unless they are called off.
    assert!((number(&hedged, "nodes.db.outcomes.ok") - n - copies).abs() < 10.0);
    let cancelled = run("hedge: {after: 2ms}, cancel: true");
    assert!((number(&cancelled, "nodes.db.outcomes.ok") - n).abs() < 10.0);
    assert_eq!(number(&cancelled, "summary.latency.mean"), mean);
    // A live quantile: half of all replies take 1 ms, so p75 is 4 ms and no copy is any use.
    let live = run("hedge: {after: p75}");
    assert!((number(&live, "summary.latency.mean") - 0.0025).abs() < 0.00003);
    // Budget: 10 at first, then a copy for each ten calls.
    let paid = run("hedge: {after: 2ms}, retry: {attempts: 1, budget: 10%}");
    let copies = number(&paid, "nodes.app.causes.hedged");
    assert!((copies - 10.0 - 0.1 * n).abs() < 3.0, "{copies} of {n}");
    // No room for a copy, no copy.
    let full = run("hedge: {after: 2ms}, bulkhead: 1");
    assert!(full["nodes"]["app"]["causes"].get("hedged").is_none());
    // A client's own copies count as attempts.
    let client = format!("{}, hedge: {{after: 2ms}}", client.replace("app", "db"));
    let own = results("20s", &client, slow, "");
    let attempts = number(&own, "summary.attempts_per_request");
    assert!((attempts - 1.5).abs() < 0.02, "{attempts}");
    assert!((number(&own, "summary.latency.mean") - 0.00225).abs() < 0.00003);
}

#[test]
fn copies_fail_one_by_one() {
    // The first copy times out at 5 ms, the second at 7 ms; then the retry, hedged as well.
    let client = "arrivals: constant(10/s), to: app";
    let policies = "timeout: 5ms, hedge: {after: 2ms}, retry: {attempts: 2}";
    for (client, nodes) in [
        (client.to_owned(), sluggish(policies)),
        (format!("arrivals: constant(10/s), to: db, {policies}"), SLUGGISH.to_owned()),
    ] {
        let found = results("10.05s", &client, &nodes, TREACLE);
        assert!((number(&found, "summary.latency_all.max") - 0.014).abs() < 1e-9, "{client}");
        assert!((number(&found, "summary.latency_all.mean") - 0.014).abs() < 1e-9);
        assert_eq!(number(&found, "nodes.db.outcomes.ok"), 4.0 * 100.0 - 4.0);
    }
}

#[test]
fn a_fallback_takes_the_place_of_an_answer() {
    let other = ", other: {external: {latency: 30ms}}";
    let client = "arrivals: constant(10/s), to: app";
    let run =
        |policies: &str| results("30.05s", client, &format!("{}{other}", edge(policies)), BROKEN);
    let reply = run("fallback: {reply: 2KB}");
    assert_eq!(number(&reply, "summary.requests.degraded"), 100.0);
    assert_eq!(number(&reply, "summary.requests.ok"), 199.0);
    assert_eq!(number(&reply, "summary.availability"), 1.0);
    assert_eq!(number(&reply, "nodes.app.causes.fallback"), 100.0);
    let call = run("fallback: {call: other}");
    assert_eq!(number(&call, "summary.requests.degraded"), 100.0);
    assert_eq!(number(&call, "nodes.other.outcomes.ok"), 100.0);
    let mean = |results: &Value| number(results, "summary.latency.mean") * 299.0;
    assert!((mean(&call) - (100.0 * 0.030 + 199.0 * 0.100)).abs() < 1e-6);
    // The breaker refuses, the fallback answers all the same.
    let breaker = run(&format!("breaker: {BREAKER}, fallback: {{call: other}}"));
    assert_eq!(number(&breaker, "nodes.db.outcomes.error"), 3.0);
    // The probe of 20.1 s is still on its way when the next one asks.
    assert_eq!(number(&breaker, "summary.requests.degraded"), 102.0);
    // A fallback of the fallback, on the edge to it.
    let nodes = "app: {service: {calls: [db], dependencies: {db: {fallback: {call: other}}, \
                 other: {timeout: 10ms, fallback: {reply: 0B}}}}}, \
                 db: {external: {latency: 100ms}}, other: {service: {work: 1ms}}";
    let slow = "{id: slow, at: 0s, slow: {node: other, factor: 30}}";
    let chain = results("30.05s", client, nodes, &format!("{BROKEN}, {slow}"));
    assert_eq!(number(&chain, "summary.requests.degraded"), 100.0);
    assert_eq!(number(&chain, "nodes.app.causes.call_timeout"), 100.0);
    assert!((mean(&chain) - (100.0 * 0.010 + 199.0 * 0.100)).abs() < 1e-6);
    // A client's own.
    let own = "arrivals: constant(10/s), to: db, fallback: {call: other}";
    let nodes = format!("db: {{external: {{latency: 100ms}}}}{other}");
    let own = results("30.05s", own, &nodes, BROKEN);
    assert_eq!(number(&own, "summary.requests.degraded"), 100.0);
    assert_eq!(number(&own, "nodes.other.outcomes.ok"), 100.0);
    let own = "arrivals: constant(10/s), to: db, timeout: 50ms, fallback: {reply: 1KB}";
    let own = results("30.06s", own, SLUGGISH, TREACLE);
    assert_eq!(number(&own, "summary.requests.degraded"), 300.0);
}

#[test]
fn a_fallback_answers_for_cached_reads_and_branches() {
    let client = "arrivals: constant(10/s), to: app, keys: uniform(n=1M)";
    let run = |step: &str| {
        let nodes = format!(
            "app: {{service: {{endpoints: {{default: [{step}]}}, dependencies: {{db: {{fallback: {{reply: 1KB}}}}}}}}}}, \
             redis: {{cache: {{capacity: 1k, coalesce: true}}}}, db: {{store: {{read: 1ms}}}}"
        );
        results("30.05s", client, &nodes, BROKEN)
    };
    let read = run("{read: {from: db, cache: redis}}");
    assert_eq!(number(&read, "summary.requests.degraded"), 100.0);
    assert_eq!(number(&read, "summary.requests.ok"), 200.0);
    // What was not read was not put in the cache.
    assert_eq!(number(&read, "nodes.redis.hit_ratio"), 0.0);
    let both = run("{all: [{read: {from: db, cache: redis}}, {work: 1ms}]}, {work: 1ms}");
    assert_eq!(number(&both, "summary.requests.degraded"), 100.0);
    // What is optional degrades nothing.
    let optional = run("{read: {from: db, cache: redis}, optional: true}");
    assert_eq!(number(&optional, "summary.requests.ok"), 300.0);
    let many = run("{read: {from: db, cache: redis, count: 3}}");
    assert_eq!(number(&many, "summary.requests.degraded"), 100.0);
}

#[test]
fn a_read_falls_back_on_what_its_caches_still_have() {
    // Five keys in turn, ten reads a second for 30 s; a value may be served for 1 s, so that each key is
    // read again every 1.5 s. The store fails from 10 s up to 20 s.
    let client = "arrivals: constant(10/s), to: app, keys: sequential(n=5)";
    let run = |edge: &str, cache: &str, faults: &str| {
        let nodes = format!(
            "app: {{service: {{endpoints: {{default: [{{read: {{from: db, cache: {cache}}}}}]}}, \
             dependencies: {{db: {{{edge}}}}}}}}}, near: {{cache: {{capacity: 2, ttl: 1ms, in: app}}}}, \
             redis: {{cache: {{capacity: 9, ttl: 1s}}}}, db: {{store: {{read: 1ms}}}}"
        );
        results("30.05s", client, &nodes, faults)
    };
    let without = run("timeout: 1s", "redis", BROKEN);
    // Of each key there are twenty reads in these ten seconds. Last fetched at 9.1, 9.2, 9.3, 9.4 and 9.5 s, a
    // value is good for the reads half a second and a second later: one of those is in these ten seconds, of
    // the last key both.
    let failed = number(&without, "summary.requests.error");
    assert_eq!(failed, 100.0 - 4.0 - 2.0);
    let stale = run("fallback: {cache: stale}", "redis", BROKEN);
    assert_eq!(number(&stale, "summary.requests.error"), 0.0);
    assert_eq!(number(&stale, "summary.requests.degraded"), failed);
    assert_eq!(number(&stale, "nodes.redis.stale_hits"), failed);
    assert_eq!(number(&stale, "nodes.app.causes.fallback"), failed);
    // Everything else is as it was: the same fetches, and nothing stale is served while the store works.
    assert_eq!(number(&stale, "nodes.db.throughput"), number(&without, "nodes.db.throughput"));
    assert_eq!(number(&stale, "faults.0.availability_after"), 1.0);
    assert_eq!(number(&stale, "nodes.redis.evictions"), 0.0);
    // The nearest that has one answers; what a small cache has let go is nowhere.
    let tiers = run("fallback: {cache: stale}", "[near, redis]", BROKEN);
    assert_eq!(number(&tiers, "summary.requests.error"), 0.0);
    // The last two that came into the small one are those read at 10.4 and 10.5 s, of which 19 and 18 fail.
    assert_eq!(number(&tiers, "nodes.near.stale_hits"), 37.0);
    assert_eq!(number(&tiers, "nodes.redis.stale_hits"), 3.0 * 19.0);
    let small = run("fallback: {cache: stale}", "near", BROKEN);
    // Of five keys it has those read at 9.8 and 9.9 s.
    assert_eq!(number(&small, "summary.requests.error"), 3.0 * 20.0);
    // A cache that has forgotten all has nothing either: the reads of all ten seconds fail.
    let forgets = format!("{BROKEN}, {{id: g, at: 9950ms, clear_cache: {{node: redis}}}}");
    let cold = run("fallback: {cache: stale}", "redis", &forgets);
    assert_eq!(number(&cold, "summary.requests.error"), 100.0);
}

/// Calls that all fail after a second, for a minute.
fn failing(policies: &str) -> [Value; 2] {
    let nodes = edge(policies).replace("latency: 100ms", "latency: 1s, errors: 100%");
    let client = format!("arrivals: constant(100/s), to: db, {policies}");
    let db = "db: {external: {latency: 1s, errors: 100%}}";
    [
        results("60.005s", "arrivals: constant(100/s), to: app", &nodes, ""),
        results("60.005s", &client, db, ""),
    ]
}

#[test]
fn retries_are_bounded_by_what_is_in_flight_or_by_successes() {
    // A hundred first attempts are in flight, and a quarter as many retries: a fifth of all.
    let share = |found: &Value| {
        number(found, "nodes.db.outcomes.error") / number(found, "summary.requests.issued")
    };
    for found in failing("retry: {attempts: 2, budget: concurrent(20% min=3)}") {
        assert!((1.19..1.25).contains(&share(&found)), "{}", share(&found));
    }
    // At least so many: three at a time, each of a second. A hundred first attempts are not over at the end.
    let retried = |found: &Value| number(found, "nodes.db.outcomes.error") - 5900.0;
    for found in failing("retry: {attempts: 2, budget: concurrent(0% min=3)}") {
        assert!((168.0..178.0).contains(&retried(&found)), "{}", retried(&found));
    }
    // Ten tokens, of which more than five must be left: after four failures the fifth is not tried again.
    for found in failing("retry: {attempts: 2, budget: earned(per_success=0.1 max=10 above=50%)}") {
        assert_eq!(retried(&found), 4.0);
    }
}

#[test]
fn a_backoff_may_vary_by_a_share() {
    for backoff in ["constant(1s jitter=20%)", "linear(step=1s jitter=20%)"] {
        let [_, found] = failing(&format!("retry: {{attempts: 2, backoff: {backoff}}}"));
        let of = |figure: &str| number(&found, &format!("summary.latency_all.{figure}"));
        assert!((of("mean") - 3.0).abs() < 0.01, "{}", of("mean"));
        assert!((3.195..=3.2).contains(&of("max")), "{}", of("max"));
        assert!((of("p50") - 3.0).abs() < 0.02, "{}", of("p50"));
    }
}

#[test]
fn a_breaker_hears_what_it_is_told_counts() {
    let open = |more: &str| {
        let [_, found] = failing(&format!("breaker: {{window: 10, open: {more}}}"));
        number(&found, "summary.requests.breaker_open")
    };
    assert!(open("5s") > 3000.0);
    assert_eq!(open("5s, if: [timeout]"), 0.0);
    assert_eq!(open("5s, if: [error]"), open("5s"));
    // Those sent until the tenth has failed, and the probes after 1, 2, 4, 8 and 16 s.
    let sent = 6000.0 - open("exponential(base=1s max=1m)");
    assert!((sent - (110.0 + 5.0)).abs() <= 1.0, "{sent}");
}

#[test]
fn policies_are_checked() {
    let timeout = "timeout: 1s";
    check_in(
        GUARDED,
        &[
            (
                "B22",
                timeout,
                "rate_limit: token_bucket(rate=0/s burst=1)",
                "6:62 E-RANGE",
                "above 0",
            ),
            ("B33", timeout, "rate_limit: bucket(rate=1/s)", "6:62 E-ENUM", "token_bucket"),
            (
                "B34",
                timeout,
                "rate_limit: token_bucket(rate=1/s burst=1 per=usr)",
                "6:62 E-REF",
                "unknown attribute",
            ),
            ("B50", timeout, "bulkhead: 0", "6:60 E-RANGE", "at least 1"),
            ("B18", timeout, "bulkhead: [1]", "6:50 E-TYPE", "a number of calls"),
            ("B16", timeout, "bulkhead: {size: 3, wiat: 1s}", "6:70 E-UNKNOWN-KEY", "wait"),
            ("B17", timeout, "pool: {wait: 1s}", "6:50 E-MISSING", "size"),
            ("B50", timeout, "pool: {size: 4, idle: 1s}", "6:72 E-CONFLICT", "setup"),
            ("B50", timeout, "hedge: {after: p42}", "6:65 E-TYPE", "p95"),
            (
                "W",
                timeout,
                "timeout: 1s, hedge: {after: 2s}",
                "6:78 W-HEDGE",
                "no copy is ever sent",
            ),
            ("B50", timeout, "fallback: {}", "6:50 E-MISSING", "falls back on what"),
            ("B50", timeout, "fallback: {reply: 1KB, call: db}", "6:50 E-CONFLICT", "either"),
            (
                "B50",
                timeout,
                "retry: {attempts: 2, budget: earned(max=0)}",
                "6:79 E-RANGE",
                "1..=1000",
            ),
            (
                "B50",
                timeout,
                "retry: {attempts: 2, backoff: constant(1s jitter=decorrelated)}",
                "6:80 E-CONFLICT",
                "exponential",
            ),
            (
                "B50",
                timeout,
                "retry: {attempts: 2, backoff: constant(1s jitter=0%)}",
                "6:80 E-RANGE",
                "above 0",
            ),
            ("B35", timeout, "fallback: {call: bd}", "6:67 E-REF", "did you mean `db`"),
            ("B37", timeout, "fallback: {call: db}", "6:67 E-CYCLE", "falls back on itself"),
            ("B20", timeout, "fallback: {cache: stale}", "6:68 E-CONFLICT", "not read through"),
            ("B20", timeout, "fallback: {cache: fresh}", "6:68 E-ENUM", "`stale`"),
        ],
    );
}
