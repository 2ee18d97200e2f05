//! What a service does to requests at its door.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{number, results, results_of},
};

/// Two clients of one service, 20 requests a second each.
fn two(inbound: &str) -> Value {
    let text = format!(
        "windtunnel: 1\nname: door\nduration: 10.01s\n\
         clients:\n  a: {{arrivals: constant(20/s), to: app, attributes: {{tier: choice(gold=50% free=50%)}}, keys: uniform(n=2)}}\n  \
         b: {{arrivals: constant(20/s), to: app, attributes: {{tier: choice(gold=50% free=50%)}}, keys: uniform(n=2)}}\n\
         nodes:\n  app: {{service: {{workers: 9, work: 1ms, inbound: {inbound}}}}}\n"
    );
    results_of(&text, 1)
}

#[test]
fn limits_are_by_client_or_by_value() {
    let limited = |results: &Value, client: &str| {
        number(results, &format!("clients.{client}.requests.rate_limited"))
    };
    // 400 requests in windows 0 .. 10, the last of which has just begun.
    let all = two("{rate_limit: fixed_window(limit=10 window=1s)}");
    let both = limited(&all, "a") + limited(&all, "b");
    assert_eq!(both, 400.0 - 102.0);
    assert_eq!(number(&all, "nodes.app.causes.rate_limited"), both);
    assert_eq!(number(&all, "nodes.app.outcomes.rate_limited"), both);
    let one = two("{rate_limit: {a: fixed_window(limit=5 window=1s)}}");
    assert_eq!(limited(&one, "a"), 200.0 - 51.0);
    assert_eq!(limited(&one, "b"), 0.0);
    let rest = two("{rate_limit: {a: fixed_window(limit=15 window=1s), \
                    default: fixed_window(limit=5 window=1s)}}");
    assert_eq!(limited(&rest, "a"), 200.0 - 151.0);
    assert_eq!(limited(&rest, "b"), 200.0 - 51.0);
    // Gold is never refused; a half of the others is, whoever sends them.
    let gold = two("{rate_limit: {gold: fixed_window(limit=100 window=1s), \
                    free: fixed_window(limit=10 window=1s)}}");
    let refused = limited(&gold, "a") + limited(&gold, "b");
    assert!((refused - 100.0).abs() < 30.0, "{refused}");
    // Five of each of two keys, of each of two clients together.
    let keys = two("{rate_limit: token_bucket(rate=5/s burst=1 per=key)}");
    let refused = limited(&keys, "a") + limited(&keys, "b");
    // A token comes every 200 ms, and who takes it comes a little later.
    assert!((300.0..330.0).contains(&refused), "{refused}");
}

/// A service that takes 100 ms for each request and gets twice as many as it can do.
fn overloaded(shape: &str, client: &str) -> Value {
    let app = format!("app: {{service: {{{shape}, work: 100ms}}}}");
    results("60.01s", &format!("arrivals: constant(20/s), to: app{client}"), &app, "")
}

#[test]
fn what_is_too_much_is_shed() {
    let queue = overloaded("workers: 1, inbound: {shed: {queue: 3}}", "");
    let issued = number(&queue, "summary.requests.issued");
    let shed = number(&queue, "summary.requests.shed");
    assert!((shed - issued / 2.0).abs() <= 4.0, "{shed} of {issued}");
    assert_eq!(number(&queue, "nodes.app.causes.shed_queue"), shed);
    // One at work, three in line.
    assert!(number(&queue, "summary.latency.max") <= 0.4 + 1e-9);
    // The same for cores without workers.
    let cores = overloaded("cores: 1, inbound: {shed: {queue: 3}}", "");
    assert_eq!(number(&cores, "summary.requests.shed"), shed);
    // By the wait: those who come while it is too long are refused, so it swings around.
    let wait = overloaded("workers: 1, inbound: {shed: {wait: 300ms}}", "");
    assert!(number(&wait, "nodes.app.causes.shed_wait") > 500.0);
    let longest = number(&wait, "summary.latency.max");
    assert!(longest > 0.4 && longest < 1.2, "{longest}");
    // Refusals are told at once and are no work.
    assert!((number(&queue, "nodes.app.utilisation") - 1.0).abs() < 0.01);
    // The urgent are kept.
    let kept = overloaded("workers: 1, inbound: {shed: {queue: 3, keep: 1}}", ", priority: 1");
    assert_eq!(number(&kept, "summary.requests.shed"), 0.0);
}

#[test]
fn workers_are_reserved_for_the_urgent() {
    let text = |reserve: &str| {
        format!(
            "windtunnel: 1\nname: reserve\nduration: 2000s\nwarm_up: 5s\n\
             clients:\n  urgent: {{arrivals: poisson(20/s), to: app, priority: 1}}\n  \
             rest: {{arrivals: poisson(200/s), to: app}}\n\
             nodes:\n  app: {{service: {{workers: 10, queue: 0, work: exp(mean=100ms){reserve}}}}}\n"
        )
    };
    let bad = |results: &Value, client: &str| {
        1.0 - number(results, &format!("clients.{client}.availability"))
    };
    // All are alike: Erlang's formula for 22 erlangs and ten workers.
    let shared = results_of(&text(""), 1);
    assert!((bad(&shared, "urgent") - 0.5757).abs() < 0.01, "{}", bad(&shared, "urgent"));
    // A birth-death chain: 22 erlangs below five busy workers, 2 from there on.
    let reserved = results_of(&text(", inbound: {shed: {reserve: 50%}}"), 1);
    assert!((bad(&reserved, "rest") - 0.8415).abs() < 0.005, "{}", bad(&reserved, "rest"));
    let urgent = bad(&reserved, "urgent");
    assert!((urgent - 0.00061).abs() < 0.0004, "{urgent}");
    assert!(number(&reserved, "clients.rest.requests.shed") > 0.0);
    assert_eq!(number(&reserved, "clients.urgent.requests.shed"), 0.0);
}

const LOAD: &str = "arrivals: poisson(800/s), to: app, \
                    load: [{at: 0s, factor: 0.375}, {at: 15s, factor: 1}]";

#[test]
fn a_limit_on_requests_at_once_finds_its_value() {
    // Four cores do 400 a second; 300 come, and then 800.
    let run = |inbound: &str| {
        let app = format!("app: {{service: {{cores: 4, work: exp(mean=10ms){inbound}}}}}");
        let text = crate::design::design("60s", LOAD, &app, "");
        results_of(&text.replace("duration: 60s", "duration: 60s\nwarm_up: 20s"), 1)
    };
    let p99 = |results: &Value| number(results, "summary.latency.p99");
    assert!(p99(&run("")) > 10.0);
    let aimd = run(", inbound: {concurrency: aimd(latency=50ms)}");
    assert!(number(&aimd, "summary.goodput") > 370.0);
    assert!(p99(&aimd) < 0.1, "{}", p99(&aimd));
    assert!(number(&aimd, "nodes.app.causes.shed_concurrency") > 10_000.0);
    let gradient = run(", inbound: {concurrency: gradient(tolerance=1.5)}");
    assert!(number(&gradient, "summary.goodput") > 370.0);
    assert!(p99(&gradient) < 0.5, "{}", p99(&gradient));
    // Where all is well nothing is refused.
    let app = "app: {service: {cores: 40, work: exp(mean=10ms), inbound: {concurrency: aimd(latency=100ms)}}}";
    let well = results("60s", "arrivals: poisson(800/s), to: app", app, "");
    assert!(number(&well, "summary.availability") > 0.999);
}

#[test]
fn the_same_in_any_order_and_on_any_thread() {
    let inbound = "{rate_limit: {a: token_bucket(rate=5/s burst=9), default: token_bucket(rate=9/s burst=3)}, \
                   shed: {queue: 2}, concurrency: gradient()}";
    assert_eq!(two(inbound), two(inbound));
}

const DOOR: &str = "\
windtunnel: 1
name: door
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: app}}
nodes:
  app: {service: {work: 1ms, workers: 4, inbound: {shed: {queue: 200}}}}
";

#[test]
fn doors_are_checked() {
    assert_eq!(told(DOOR.as_bytes()), Vec::<String>::new());
    let shed = "shed: {queue: 200}";
    check_in(
        DOOR,
        &[
            ("B17", shed, "shed: {}", "6:52 E-MISSING", "when is a request shed"),
            ("B50", shed, "shed: {reserve: 0%}", "6:68 E-RANGE", "between"),
            ("B50", shed, "shed: {queue: 5, keep: 0}", "6:75 E-RANGE", "at least 1"),
            ("B16", shed, "shed: {queu: 5}", "6:59 E-UNKNOWN-KEY", "queue"),
            ("B35", shed, "auth: idp", "6:58 E-REF", "unknown node `idp`"),
            (
                "B35",
                shed,
                "rate_limit: {gold: fixed_window(limit=1 window=1s)}",
                "6:71 E-REF",
                "no client and no value",
            ),
            (
                "B50",
                shed,
                "rate_limit: token_bucket(rate=1/s burst=1 wait=1s)",
                "6:64 E-CONFLICT",
                "does not wait",
            ),
            ("B33", shed, "concurrency: vegas()", "6:65 E-ENUM", "aimd"),
        ],
    );
    let cores = DOOR.replace("workers: 4", "cores: 4");
    let reserve = ("B50", shed, "shed: {reserve: 20%}", "6:66 E-CONFLICT", "no workers");
    check_in(&cores, &[reserve]);
}
