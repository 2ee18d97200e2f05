//! Clients that publish messages: whether they wait, how long a message does, and what they never hear of.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// 1,500 orders, ten a second for 150 s of 250 s; the client stands 1 ms from the broker.
fn shop(client: &str, queue: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: shop\nduration: 250s\nseed: 7\ntopology: {{regions: {{eu: [a, b]}}}}\nnetwork: {{same_zone: 1ms, same_region: 1ms}}\n\
         clients: {{users: {{arrivals: constant(10/s), zones: [a], keys: {{user: uniform(n=20), item: uniform(n=500)}}, load: [{{at: 0s, factor: 1}}, {{at: 150.05s, factor: 0}}], {client}}}}}\n\
         nodes:\n  orders: {{queue: {{zones: [b], publish: 2ms{queue}}}}}\n  billing: {{service: {{zones: [b], workers: 4, work: 10ms, consumes: orders}}}}\n{rest}\n"
    )
}

fn all<const N: usize>(results: &Value, figures: [&str; N]) -> [f64; N] {
    figures.map(|figure| number(results, figure))
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-5, "{found}, not {expected}");
}

#[test]
fn a_client_that_publishes_waits_for_the_broker_or_for_nobody() {
    // The same as `to`, to the byte.
    let text = shop("timeout: 5s, publish: orders", "", "");
    let found = results_of(&text, 1);
    let to = results_of(&text.replace("publish: orders", "to: orders"), 1);
    assert_eq!(found["summary"], to["summary"]);
    assert_eq!(found["nodes"], to["nodes"]);
    close(number(&found, "summary.latency.max"), 0.004);
    // The message says how long it waits, whatever the queue says.
    let later = shop("timeout: 5s, publish: {to: orders, delay: 1s}", ", delay: 300ms", "");
    let found = results_of(&later, 1);
    let [latency, age] = all(&found, ["summary.latency.max", "nodes.orders.age.max"]);
    close(latency, 0.004);
    close(age, 1.0);
    // Nobody waits for one without an ack, and no answer that comes later counts.
    let unheard = shop("publish: {to: orders, ack: none, delay: 1s}", "", "");
    let found = results_of(&unheard, 1);
    assert_eq!(
        all(&found, ["summary.requests.ok", "summary.latency.max", "summary.requests.in_flight"]),
        [1500.0, 0.0, 0.0]
    );
    assert_eq!(
        all(
            &found,
            ["summary.attempts_per_request", "nodes.orders.published", "nodes.orders.acked"]
        ),
        [1.0, 1500.0, 1500.0]
    );
    close(number(&found, "nodes.orders.age.max"), 1.0);
    close(number(&found, "summary.throughput"), 1500.0 / 250.0);
}

#[test]
fn an_operation_publishes_what_its_client_does_not() {
    let two = "timeout: 5s, to: api, operations: {\
        look: {share: 50%}, \
        order: {share: 30%, publish: {to: orders, key: item, size: 2KB}}, \
        tell: {share: 20%, publish: {to: orders, ack: none}}}";
    let api = "  api: {service: {workers: 9, work: 1ms, zones: [b]}}";
    let text = shop(two, ", order: key", api)
        .replace("workers: 4, work: 10ms, consumes", "workers: 4, endpoints: {order: [{work: 10ms}, {call: seen}, {write: bought}], tell: [{work: 1ms}]}, consumes")
        .replace("\n  billing", "\n  seen: {cache: {capacity: 1k}}\n  bought: {store: {zones: [b], read: 1ms, write: 1ms, cores: 4}}\n  billing");
    let found = results_of(&text, 1);
    let of = |operation: &str| {
        number(&found, &format!("clients.users.operations.{operation}.requests.ok"))
    };
    assert_eq!(of("look") + of("order") + of("tell"), 1500.0);
    assert_eq!(number(&found, "nodes.orders.acked"), of("order") + of("tell"));
    assert_eq!(number(&found, "nodes.bought.outcomes.ok"), of("order"));
    // By its own key space: of 500 items, not of 20 users.
    let keys = (1.0 - number(&found, "nodes.seen.hit_ratio")) * of("order");
    assert!(keys > 100.0, "{keys}");
    for operation in ["look", "order"] {
        assert!(
            number(&found, &format!("clients.users.operations.{operation}.latency.max")) > 0.002
        );
    }
    assert_eq!(number(&found, "clients.users.operations.tell.latency.max"), 0.0);
}

#[test]
fn who_waits_for_no_ack_never_hears_of_what_is_lost() {
    let dead = "faults: [{id: dead, at: 50.05s, for: 10s, crash: {node: orders, process: true}}]";
    let found = results_of(&shop("publish: {to: orders, ack: none}", "", dead), 1);
    assert_eq!(all(&found, ["summary.requests.ok", "nodes.orders.published"]), [1500.0, 1400.0]);
    // Who waits hears of it, and tries again.
    let waits = shop(
        "timeout: 1s, retry: {attempts: 20, backoff: constant(1s)}, publish: orders",
        "",
        dead,
    );
    let found = results_of(&waits, 1);
    assert_eq!(all(&found, ["summary.requests.ok", "nodes.orders.published"]), [1500.0, 1500.0]);
    assert!(number(&found, "summary.latency.max") > 9.0);
    // A link that loses messages loses these for good; a full queue turns them away unheard.
    let lossy = shop("publish: {to: orders, ack: none}", "", "")
        .replace("same_region: 1ms", "same_region: 1ms, links: [{from: a, to: b, loss: 10%}]");
    let found = results_of(&lossy, 1);
    let published = number(&found, "nodes.orders.published");
    assert_eq!(number(&found, "summary.requests.ok"), 1500.0);
    assert!(published > 1300.0 && published < 1400.0, "{published}");
    let full = shop("publish: {to: orders, ack: none}", ", capacity: 1", "")
        .replace("work: 10ms", "work: 1s");
    let found = results_of(&full, 1);
    let [ok, published, refused] = all(
        &found,
        ["summary.requests.ok", "nodes.orders.published", "nodes.orders.outcomes.rejected"],
    );
    assert_eq!((ok, published + refused), (1500.0, 1500.0));
    assert!(refused > 500.0, "{refused}");
}

#[test]
fn sessions_go_on_at_once_after_what_nobody_answers() {
    // A thousand at one instant, one after the other.
    let session = "operations: {tell: {publish: {to: orders, ack: none}}}, session: [{repeat: {times: 1000, do: [{do: tell}]}}, {wait: 1s}]";
    let text = shop(session, "", "").replace("constant(10/s)", "constant(1/s)");
    let found = results_of(&text, 1);
    let ok = number(&found, "summary.requests.ok");
    assert_eq!((ok, number(&found, "nodes.orders.published")), (150_000.0, 150_000.0));
    assert_eq!(number(&found, "summary.latency.max"), 0.0);
}

#[test]
fn what_clients_publish_is_the_same_on_one_and_two_threads() {
    let text = shop(
        "publish: {to: orders, ack: none}",
        "",
        "faults: [{id: dead, mtbf: 40s, mttr: 5s, crash: {node: orders}}]",
    );
    let one = bytes_of_run(&text, "--jobs 1 --replications 3");
    assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 3"));
}

#[test]
fn what_is_said_of_published_requests_is_checked_where_it_stands() {
    let rest = "  db: {store: {read: 1ms, write: 1ms, cores: 2}}\n  log: {topic: {partitions: 2}}\n  \
        search: {service: {workers: 2, endpoints: {default: [{read: db}]}, consumes: log}}\n  api: {service: {workers: 2, endpoints: {default: [{publish: log}]}, consumes: log}}";
    let base = shop("operations: {order: {publish: orders}}", "", rest);
    let publish = "{publish: orders}";
    let cases: [Case; 11] = [
        ("steps", publish, "{publish: orders, key: session}", "7:206 E-CONFLICT", "a key of steps"),
        ("who", publish, "{publish: order}", "7:193 E-REF", "unknown node"),
        ("kind", publish, "{publish: db}", "7:193 E-REF", "neither a queue nor a topic"),
        ("both", publish, "{publish: orders, to: api}", "7:205 E-CONFLICT", "says that already"),
        ("data", publish, "{publish: orders, write: db}", "7:208 E-CONFLICT", "says that already"),
        (
            "key",
            publish,
            "{publish: {to: orders, key: item}, key: user}",
            "7:223 E-CONFLICT",
            "says that already",
        ),
        (
            "space",
            publish,
            "{publish: {to: orders, key: thing}}",
            "7:211 E-REF",
            "no client has a key space",
        ),
        ("log", publish, "{publish: {to: log, delay: 1s}}", "7:210 E-CONFLICT", "there at once"),
        (
            "name",
            publish,
            "{publish: {to: orders, operation: buy}}",
            "7:217 E-CONFLICT",
            "of the client's operation",
        ),
        (
            "waits",
            publish,
            "{publish: {to: orders, ack: none}, timeout: 1s}",
            "7:227 E-CONFLICT",
            "over when it is sent",
        ),
        ("ack", publish, "{publish: {to: orders, ack: all}}", "7:211 E-ENUM", "none"),
    ];
    check_in(&base, &cases);
}
