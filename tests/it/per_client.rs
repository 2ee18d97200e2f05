//! So many requests of each client, key or value at once.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{number, results, results_of},
};

/// Erlang's formula B: the share that is lost of so many erlangs at so many servers.
fn lost(erlangs: f64, servers: u32) -> f64 {
    (1..=servers).fold(1.0, |b, n| erlangs * b / (f64::from(n) + erlangs * b))
}

/// Two clients of one service, 20 and 200 requests a second, each at work for 100 ms.
fn tenants(limit: &str) -> [f64; 2] {
    let text = format!(
        "windtunnel: 1\nname: tenants\nduration: 3000s\nwarm_up: 10s\n\
         clients:\n  modest: {{arrivals: poisson(20/s), to: app}}\n  \
         greedy: {{arrivals: poisson(200/s), to: app}}\n\
         nodes: {{app: {{service: {{work: exp(mean=100ms), inbound: {{concurrency: {limit}}}}}}}}}\n"
    );
    let found = results_of(&text, 1);
    let refused = |client: &str| {
        number(&found, &format!("clients.{client}.requests.shed"))
            / number(&found, &format!("clients.{client}.requests.issued"))
    };
    assert_eq!(
        number(&found, "nodes.app.causes.shed_concurrency"),
        number(&found, "summary.requests.shed")
    );
    ["modest", "greedy"].map(refused)
}

#[test]
fn each_client_is_refused_as_if_it_were_alone() {
    let close = |found: f64, expected: f64| {
        assert!((found - expected).abs() < 0.005, "{found}, not {expected}");
    };
    let each = tenants("4 per=client");
    close(each[0], lost(2.0, 4));
    close(each[1], lost(20.0, 4));
    // One limit for all is no protection from anybody.
    let all = tenants("8");
    close(all[0], lost(22.0, 8));
    close(all[1], lost(22.0, 8));
}

/// Four requests a second of one client from 250 ms on, for 20 s.
fn every_250ms(service: &str, client: &str, faults: &str) -> Value {
    let client = format!("arrivals: constant(4/s), to: app{client}");
    results("20.01s", &client, &format!("app: {{service: {{{service}}}}}"), faults)
}

const SHED: &str = "nodes.app.causes.shed_concurrency";
const ONE: &str = "inbound: {concurrency: 1 per=client}";

#[test]
fn a_place_is_given_back_once_however_a_request_ends() {
    let counted =
        |found: &Value, outcome: &str| number(found, &format!("summary.requests.{outcome}"));
    let work = format!("work: 900ms, {ONE}");
    // By its reply: one in at 0.25 s, the next at 1.25 s, and so on.
    assert_eq!(number(&every_250ms(&work, "", ""), SHED), 60.0);
    // Not by a caller who gave up and said nothing; by one who called it off, 300 ms after it came (the last of 40 after the end).
    let gone = every_250ms(&work, ", timeout: 300ms", "");
    assert_eq!((counted(&gone, "timeout"), number(&gone, SHED)), (20.0, 60.0));
    let off = every_250ms(&work, ", timeout: 300ms, cancel: true", "");
    assert_eq!((number(&off, "nodes.app.causes.cancelled"), number(&off, SHED)), (39.0, 40.0));
    // By a refusal further in: nobody holds more than the one worker.
    let full = every_250ms(
        "workers: 1, queue: 0, work: 900ms, inbound: {concurrency: 2 per=client}",
        "",
        "",
    );
    assert_eq!(
        (
            number(&full, "nodes.app.causes.queue_full"),
            full["nodes"]["app"]["causes"]["shed_concurrency"].is_null()
        ),
        (60.0, true)
    );
    // By an early reply, whatever goes on after it.
    let early =
        format!("{ONE}, endpoints: {{default: [{{work: 200ms}}, {{reply: 1KB}}, {{work: 5s}}]}}");
    let early = every_250ms(&early, "", "");
    assert!(early["nodes"]["app"]["causes"]["shed_concurrency"].is_null());
    // All but that of 20 s.
    assert_eq!(counted(&early, "ok"), 79.0);
    // By a step that fails.
    let fails = format!("{ONE}, endpoints: {{default: [{{work: 400ms}}, {{fail: 100%}}]}}");
    assert_eq!(number(&every_250ms(&fails, "", ""), SHED), 40.0);
}

#[test]
fn a_place_is_lost_with_the_process() {
    // One is inside from 9.25 s on, and dies at 10.1 s. While the process is away four come, and that of 11.25 s is the next inside.
    for process in ["", ", process: true"] {
        let crash = format!("{{id: c, at: 10.1s, for: 1s, crash: {{node: app{process}}}}}");
        let found = every_250ms(&format!("work: 900ms, {ONE}"), ", timeout: 2s", &crash);
        // Three of each four before it and after it, that at 10 s included.
        assert_eq!(number(&found, SHED), 60.0 - 3.0, "{process}");
        assert_eq!(number(&found, "nodes.app.causes.crashed"), 1.0);
    }
    // Of the two instances of one service one is restarted at a time, with those inside.
    let rolls = "{id: d, at: 5s, deploy: {node: app, drain: 0s, batch: 1, pause: 2s}}";
    let found =
        every_250ms(&format!("instances: 2, boot: 1s, work: 100ms, {ONE}"), ", timeout: 1s", rolls);
    assert!(
        found["nodes"]["app"]["causes"]["shed_concurrency"].is_null(),
        "{}",
        found["nodes"]["app"]["causes"]
    );
}

#[test]
fn those_who_wait_hold_a_place() {
    // One goes in each second, two wait for their turn, and who comes just then is the second of them: two seconds.
    let door = "work: 0s, inbound: {rate_limit: leaky_bucket(rate=1/s queue=10), concurrency: 2 per=client}";
    let found = every_250ms(door, "", "");
    assert_eq!(number(&found, "summary.latency.max"), 2.0);
    assert!(number(&found, SHED) > 50.0);
    assert!(found["nodes"]["app"]["causes"]["rate_limited"].is_null());
    // Who is refused by the rate has taken no place.
    let rate = "work: 900ms, inbound: {rate_limit: 1/s, concurrency: 2 per=client}";
    let found = every_250ms(rate, "", "");
    assert_eq!(number(&found, "nodes.app.causes.rate_limited"), 60.0);
    assert!(found["nodes"]["app"]["causes"]["shed_concurrency"].is_null());
}

#[test]
fn the_limit_is_of_an_instance_or_of_all() {
    // 40 at once at two instances, of two keys.
    let run = |limit: &str| {
        let nodes = format!(
            "app: {{service: {{instances: 2, work: 1s, inbound: {{concurrency: {limit}}}}}}}"
        );
        let client = "arrivals: constant(40/s), to: app, keys: uniform(n=2)";
        let found = results("50.01s", client, &nodes, "");
        number(&found, "nodes.app.in_system")
    };
    let inside = [run("3"), run("3 per=key"), run("3 scope=shared"), run("3 per=key scope=shared")];
    for (found, most) in inside.iter().zip([6.0, 12.0, 3.0, 6.0]) {
        assert!(*found <= most && *found > 0.9 * most, "{inside:?}");
    }
}

#[test]
fn who_is_inside_counts_when_the_limit_changes() {
    // Two places instead of one from 10.1 s on, while one who came at 9.25 s is inside until 10.15 s: 10.25 s and 10.5 s go in.
    let change = "{id: c, at: 10.1s, set: {nodes.app.service.inbound.concurrency: 2 per=client}}";
    let found = every_250ms(&format!("work: 900ms, {ONE}"), "", change);
    // Those of 0.25 s to 10 s, and from then on two of each four.
    assert_eq!(number(&found, SHED), 30.0 + 20.0);
    // And back, while two are inside, the second of which came at 12.5 s: at 13.25 s both places of the first limit are one.
    let back =
        "{id: c, at: 10.1s, for: 3s, set: {nodes.app.service.inbound.concurrency: 2 per=client}}";
    let found = every_250ms(&format!("work: 900ms, {ONE}"), "", back);
    // 10.25 .. 13 s: six of twelve; 13.25 s finds one inside until 13.4 s, so 13.5 s is the next.
    assert_eq!(number(&found, SHED), 30.0 + 6.0 + 1.0 + 20.0);
}

#[test]
fn a_function_gives_places_back_with_its_environments() {
    let app = "app: {function: {cold_start: 50ms, concurrency: 10, work: 900ms, inbound: {concurrency: 1 per=client}}}";
    let crash = "{id: c, at: 9.3s, crash: {node: app, instances: 100%}}";
    let found = results("20.01s", "arrivals: constant(4/s), to: app", app, crash);
    assert_eq!(number(&found, "nodes.app.causes.crashed"), 1.0);
    // The one that was to be inside until 10.15 s is gone at 9.3 s: 9.5 s is the next.
    assert_eq!(number(&found, SHED), 59.0);
}

const DOOR: &str = "\
windtunnel: 1
name: door
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: app}}
nodes:
  app: {service: {work: 1ms, workers: 4, inbound: {concurrency: 10 per=client}}}
";

#[test]
fn limits_on_requests_at_once_are_checked() {
    assert_eq!(told(DOOR.as_bytes()), Vec::<String>::new());
    let at = "concurrency: 10 per=client";
    check_in(
        DOOR,
        &[
            ("B50", at, "concurrency: 0", "6:65 E-RANGE", "1..="),
            (
                "B35",
                at,
                "concurrency: 10 per=tear",
                "6:65 E-REF",
                "no client has an attribute `tear`",
            ),
            ("B33", at, "concurrency: 10 scope=all", "6:65 E-ENUM", "shared"),
            ("B50", at, "concurrency: 10 by=client", "6:65 E-EXPR", "per=client"),
            ("B50", at, "concurrency: 10 per=client per=key", "6:65 E-EXPR", "twice"),
            ("B50", at, "concurrency: 10/s", "6:65 E-TYPE", "rate_limit: 10/s"),
            (
                "B50",
                at,
                "concurrency: aimd(latency=9ms per=client)",
                "6:65 E-UNSUPPORTED",
                "10 per=client",
            ),
            ("B16", at, "limit_conn: 10", "6:52 E-UNKNOWN-KEY", "concurrency: 10 per=client"),
        ],
    );
}
