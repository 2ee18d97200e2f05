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

#[test]
fn several_limits_must_all_let_a_request_pass() {
    // Ten pass in each of the first five seconds, thirty are refused; then one more, and the minute is full.
    let both = two("{rate_limit: [10/s, 51/min]}");
    assert_eq!(number(&both, "summary.requests.ok"), 51.0);
    assert_eq!(number(&both, "nodes.app.causes.rate_limited"), 349.0);
    assert_eq!(number(&both, "nodes.app.causes.rate_limited_by_1"), 150.0);
    assert_eq!(number(&both, "nodes.app.causes.rate_limited_by_2"), 199.0);
    // Each client by itself: 51 of each, whatever is refused to the other.
    let window = "fixed_window(limit=51 window=1m per=client)";
    let each = two(&format!("{{rate_limit: {{default: [1k/s, {window}]}}}}"));
    for client in ["a", "b"] {
        assert_eq!(number(&each, &format!("clients.{client}.requests.ok")), 51.0);
    }
    // Nothing is counted that was refused: alone each of them would let more pass.
    let one = two("{rate_limit: 10/s}");
    assert_eq!(number(&one, "summary.requests.ok"), 100.0);
    // So it is on an edge, whoever waits longest for one.
    let nodes = "app: {service: {workers: 9, endpoints: {default: [{work: 1ms}, {call: db}]}, \
        dependencies: {db: {rate_limit: [10/s, 51/min]}}}}, db: {service: {workers: 9, work: 1ms}}";
    let edge = results("10.01s", "arrivals: constant(40/s), to: app", nodes, "");
    assert_eq!(number(&edge, "nodes.db.outcomes.ok"), 51.0);
    assert_eq!(number(&edge, "nodes.app.causes.rate_limited_by_1"), 150.0);
    assert_eq!(number(&edge, "nodes.app.causes.rate_limited_by_2"), 199.0);
    let waits = nodes.replace("[10/s, 51/min]", "[leaky_bucket(rate=20/s queue=9), 51/min]");
    let waits = results("10.01s", "arrivals: constant(40/s), to: app", &waits, "");
    assert_eq!(number(&waits, "nodes.db.outcomes.ok"), 51.0);
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
    // With room kept free nobody of the rest meets ten busy workers: all that is refused is shed.
    let shed = number(&reserved, "clients.rest.requests.shed");
    let share = shed / number(&reserved, "clients.rest.requests.issued");
    assert!((share - 0.8415).abs() < 0.005, "{share}");
    assert_eq!(number(&reserved, "clients.rest.requests.rejected"), 0.0);
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
                "rate_limit: leaky_bucket(rate=1/s queue=-1)",
                "6:64 E-RANGE",
                "negative",
            ),
            ("B33", shed, "concurrency: vegas()", "6:65 E-ENUM", "aimd"),
            ("B50", shed, "rate_limit: []", "6:52 E-RANGE", "0 limits; there can be 1 to 8"),
            ("B33", shed, "rate_limit: [10/s, 10/week]", "6:71 E-ENUM", "unknown rate limit"),
            ("B50", shed, "rate_limit: [10/s, 9/min, 10/s]", "6:78 E-CONFLICT", "the same limit"),
            (
                "B35",
                shed,
                "rate_limit: [10/s, fixed_window(limit=1 window=1s per=tear)]",
                "6:71 E-REF",
                "unknown attribute",
            ),
        ],
    );
    let full =
        ("B50", "workers: 4", "workers: 4, full: push_out", "6:48 E-CONFLICT", "less urgent");
    check_in(DOOR, &[full]);
    let cores = DOOR.replace("workers: 4", "cores: 4");
    let reserve = ("B50", shed, "shed: {reserve: 20%}", "6:66 E-CONFLICT", "no workers");
    check_in(&cores, &[reserve]);
}

/// A door of 20 requests a second at which ten wait, and requests every 40 ms.
fn delayed(service: &str, client: &str, faults: &str) -> Value {
    let app = format!(
        "app: {{service: {{{service}, work: 0s, \
         inbound: {{rate_limit: leaky_bucket(rate=20/s queue=10)}}}}}}"
    );
    results("20.01s", &format!("arrivals: constant(25/s), to: app{client}"), &app, faults)
}

#[test]
fn requests_wait_at_the_door_for_their_turn() {
    // Measured on nginx, `limit_req` with `rate=20r/s` and `burst=10`: 66.4 % served, mean 447 ms, p99 504 ms.
    let text = "windtunnel: 1\nname: door\nduration: 4000s\n\
                clients: {u: {arrivals: poisson(30/s), to: s}}\n\
                nodes: {s: {service: {workers: 1000, work: 0s, \
                inbound: {rate_limit: leaky_bucket(rate=20/s queue=10)}}}}\n";
    let door = results_of(text, 1);
    let served = number(&door, "summary.availability");
    assert!((served - 0.664).abs() < 0.005, "{served}");
    let mean = number(&door, "summary.latency.mean");
    assert!((mean - 0.447).abs() < 0.005, "{mean}");
    assert!((number(&door, "summary.latency.p99") - 0.5).abs() < 0.005);
    assert!(number(&door, "summary.latency.max") <= 0.5 + 1e-9);
    // Who waits is inside, and in the queue, by Little's law.
    let queue = number(&door, "nodes.s.in_queue");
    assert!((queue - 20.0 * mean).abs() < 0.1, "{queue}");
    assert!((number(&door, "nodes.s.waiting_time.mean") - mean).abs() < 0.01);
    // Every 40 ms one comes and every 50 ms one goes in: each waits 10 ms longer, up to ten turns.
    let ramp = delayed("workers: 1", "", "");
    assert_eq!(number(&ramp, "summary.latency.max"), 0.5);
    assert_eq!(number(&ramp, "nodes.app.causes.rate_limited"), 90.0);
    // The bucket's five go in at once, the others wait a second at most.
    let bucket = two("{rate_limit: {a: token_bucket(rate=10/s burst=5 wait=1s)}}");
    assert!((number(&bucket, "clients.a.latency.max") - 1.001).abs() < 1e-9);
    assert!((number(&bucket, "clients.b.latency.max") - 0.001).abs() < 1e-9);
    // One worker and no waiting room: five at once are too many, in their turns they are not.
    let herd = |inbound: &str| {
        let app = format!("app: {{service: {{workers: 1, queue: 0, work: 40ms{inbound}}}}}");
        let herd = results("500s", "arrivals: poisson(1/s batch=5), to: app", &app, "");
        number(&herd, "summary.requests.rejected") / number(&herd, "summary.requests.issued")
    };
    assert!(herd("") > 0.8);
    assert_eq!(herd(", inbound: {rate_limit: leaky_bucket(rate=20/s queue=1k)}"), 0.0);
}

#[test]
fn each_value_has_a_line_of_its_own() {
    // 20 a second of each client, of which one in two has either key.
    let waits =
        |results: &Value, client: &str| number(results, &format!("clients.{client}.latency.max"));
    let classes = two("{rate_limit: {a: leaky_bucket(rate=10/s queue=2), \
                       default: leaky_bucket(rate=10/s queue=4)}}");
    assert_eq!((waits(&classes, "a"), waits(&classes, "b")), (0.201, 0.401));
    let clients = two("{rate_limit: leaky_bucket(rate=19/s queue=100 per=client)}");
    // Each waits 1/19 - 1/20 s longer than the one before; the last ten have not come in by the end.
    let last = 189.0 * (1.0 / 19.0 - 1.0 / 20.0) + 0.001;
    for client in ["a", "b"] {
        assert!((waits(&clients, client) - last).abs() < 1e-6, "{}", waits(&clients, client));
    }
    let tiers = two("{rate_limit: {gold: leaky_bucket(rate=1k/s queue=9), \
                     free: leaky_bucket(rate=5/s queue=1)}}");
    assert!(number(&tiers, "nodes.app.causes.rate_limited") > 100.0);
    assert!(waits(&tiers, "a") <= 0.201);
}

#[test]
fn a_wait_at_the_door_ends_when_it_should() {
    // By patience; the turn passes unused, so others wait as long.
    let patient = delayed("workers: 1, patience: 100ms", "", "");
    assert_eq!(number(&patient, "summary.latency_all.max"), 0.1);
    assert!(number(&patient, "nodes.app.causes.abandoned") > 300.0);
    assert_eq!(
        number(&patient, "summary.requests.rejected"),
        number(&patient, "nodes.app.causes.abandoned")
    );
    // By a deadline that came with the call.
    let nodes = "gw: {service: {calls: [app], dependencies: {app: {deadline: propagate}}}}, \
                 app: {service: {work: 0s, workers: 1, inbound: {rate_limit: leaky_bucket(rate=20/s queue=10)}}}";
    let client = "arrivals: constant(25/s), to: gw, deadline: 100ms";
    let late = results("20.01s", client, nodes, "");
    assert!(number(&late, "nodes.app.causes.deadline") > 300.0);
    assert_eq!(number(&late, "nodes.app.outcomes.ok"), number(&late, "summary.requests.ok"));
    // By a caller that calls it off.
    let off = delayed("workers: 1", ", timeout: 100ms, cancel: true", "");
    assert!(number(&off, "nodes.app.causes.cancelled") > 300.0);
    assert!(number(&off, "summary.requests.in_flight") <= 3.0);
    // By a crash, of the process or of its host: nobody waits there any more, and the next are first.
    for (kind, outcome) in [(", process: true", "error"), ("", "timeout")] {
        let crash = format!("{{id: c, at: 10s, for: 1s, crash: {{node: app{kind}}}}}");
        let dead = delayed("workers: 1", ", timeout: 2s", &crash);
        // Those of the second it was down, and nine that waited.
        assert_eq!(number(&dead, &format!("summary.requests.{outcome}")), 25.0 + 9.0, "{kind}");
        assert_eq!(number(&dead, "nodes.app.causes.crashed"), 9.0);
    }
    // A pause holds them; those whose turn has come by its end go in at once.
    let pause = "{id: p, at: 10s, for: 2s, pause: {node: app}}";
    let paused = delayed("workers: 1", "", pause);
    let longest = number(&paused, "summary.latency.max");
    assert!((2.4..=2.5).contains(&longest), "{longest}");
}

/// Twice as much as one core can do, and one in six of it urgent.
fn ranked(shape: &str) -> Value {
    let text = format!(
        "windtunnel: 1\nname: urgent\nduration: 100s\n\
         clients:\n  urgent: {{arrivals: constant(3/s), to: app, priority: 1}}\n  \
         rest: {{arrivals: constant(17/s), to: app, priority: 5}}\n\
         nodes:\n  app: {{service: {{{shape}, work: 100ms}}}}\n"
    );
    results_of(&text, 1)
}

#[test]
fn the_urgent_do_not_wait_for_room() {
    let urgent = |results: &Value| number(results, "clients.urgent.availability");
    // Who interrupts does not wait.
    let interrupts = ranked("cores: 1, queue: 1, discipline: priority_preemptive");
    assert_eq!(urgent(&interrupts), 1.0);
    assert!((number(&interrupts, "clients.urgent.latency.max") - 0.1).abs() < 1e-9);
    assert!(number(&interrupts, "nodes.app.causes.queue_full") > 500.0);
    let strict = ranked("cores: 1, queue: 1, discipline: priority_preemptive, full: push_out");
    assert_eq!(urgent(&strict), 1.0);
    assert!(number(&strict, "nodes.app.in_queue") <= 1.0);
    assert!(number(&strict, "nodes.app.causes.pushed_out") > 50.0);
    // Without interruption the urgent take the place of who waits, for a core or a worker.
    for shape in ["cores", "workers"] {
        let shape = format!("{shape}: 1, queue: 1, discipline: priority");
        assert!(urgent(&ranked(&shape)) < 0.9);
        let pushed = ranked(&format!("{shape}, full: push_out"));
        assert_eq!(urgent(&pushed), 1.0);
        assert!(number(&pushed, "clients.urgent.latency.max") <= 0.2 + 1e-9);
        assert!(number(&pushed, "nodes.app.causes.pushed_out") > 50.0);
        // As much is done in either way.
        assert!((number(&pushed, "nodes.app.utilisation") - 1.0).abs() < 0.01);
    }
    // The oldest makes room where the newest is served first.
    let lifo = ranked("cores: 1, queue: 3, discipline: lifo, full: push_out");
    assert!(lifo["nodes"]["app"]["causes"]["queue_full"].is_null());
    assert!(number(&lifo, "summary.latency.max") < 0.6);
}
