//! Bills by hand, to the cent: hours, calls, bytes over each class, storage; and prices that are refused.

use std::fs;

use serde_json::Value;
use windtunnel::{scenario::load::Overrides, study::Alone};

use crate::{
    bad_input::{Case, check_in, told},
    cli::windtunnel,
    design::{number, results_of},
    theory::oracles::run,
};

/// Two zones in one region, a third in another; ten requests a second for 90 s after the warm-up, without any delay,
/// so that all messages of a request are of its instant.
const ZONES: &str = "\
windtunnel: 1
name: bill
duration: 100s
warm_up: 10s
topology: {regions: {near: [a, b], far: [c]}}
network: {prices: {internet: $0.09/GB, cross_zone: $0.01/GB, cross_region: $0.02/GB}}
clients: {users: {arrivals: constant(10/s), to: api, size: 500B, keys: uniform(n=1k), timeout: 1s}}
nodes:
  api:
    service:
      zones: [a]
      endpoints: {default: [{read: db}, {call: other}, {reply: 10KB}]}
      dependencies: {db: {timeout: 100ms}}
  db: {store: {zones: [b], read: 0s, value_size: 2KB}}
  other: {external: {zones: [c], latency: 0s, reply: 3KB}}
";

/// One client and nodes, 90 s of which are measured.
fn design(client: &str, nodes: &str, more: &str) -> String {
    format!(
        "windtunnel: 1\nname: bill\nduration: 100s\nwarm_up: 10s\n\
         clients: {{users: {{arrivals: constant(10/s), {client}}}}}\nnodes: {{{nodes}}}\n{more}"
    )
}

/// A sum of money to the cent.
fn cents(found: &Value, path: &str, wanted: f64) {
    let paid = number(found, path);
    assert!((paid - wanted).abs() < 0.005, "{path}: ${paid} instead of ${wanted}");
}

#[test]
fn an_hour_is_paid_for_whether_the_instance_is_up_boots_or_is_down() {
    let text = design(
        "to: api, timeout: 1s",
        "api: {service: {instances: 3, cores: 1, work: 1ms, boot: 5s, price: $0.17/h}}",
        "faults: [{id: dead, at: 30s, for: 20s, crash: {node: api, instances: 1}}]\n",
    );
    let found = results_of(&text, 3);
    // One of three is away for 25 s of 90 s: it is not up, and it is paid for.
    assert!(number(&found, "nodes.api.instances.mean") < 2.8);
    for path in ["nodes.api.cost.hours", "nodes.api.cost.per_month", "summary.cost.per_month"] {
        cents(&found, path, 3.0 * 0.17 * 730.0);
    }
    cents(&found, "summary.cost.per_hour", 0.51);
    // Instances times price have no width; what is answered has, or has not.
    let month = &found["summary"]["cost"]["per_month"];
    assert_eq!((&month["lower"], &month["upper"]), (&month["value"], &month["value"]));
    let good = number(&found, "summary.goodput") * 3600.0;
    assert!(good < 36_000.0);
    cents(&found, "summary.cost.per_million_ok", 0.51 / good * 1e6);
    let first = &found["replications"][0]["figures"];
    assert!((first["cost.per_hour"].as_f64().unwrap() - 0.51).abs() < 1e-12, "{first}");
}

#[test]
fn each_call_that_arrives_is_paid_for_retries_included() {
    let text = design(
        "to: pay, timeout: 1s, retry: {attempts: 3, backoff: none}",
        "pay: {external: {latency: 1ms, errors: 100%, price: $0.20/1M}}",
        "",
    );
    let found = results_of(&text, 1);
    // 30 calls a second are 78.84 million a month.
    cents(&found, "nodes.pay.cost.calls", 15.768);
    cents(&found, "summary.cost.per_month", 15.768);
    assert_eq!(found["summary"]["cost"]["per_million_ok"]["value"], Value::Null);
}

#[test]
fn bytes_are_paid_for_by_class_and_direction() {
    let found = results_of(ZONES, 2);
    // 900 requests in each run: towards clients only what is answered, between zones what is asked as well.
    for (class, bytes, month) in [
        ("internet", 900 * 10_000, 23.652),
        ("cross_zone", 900 * (500 + 2_000), 0.657),
        ("cross_region", 900 * (500 + 3_000), 1.8396),
    ] {
        let of = &found["cost"]["traffic"][class];
        assert_eq!(of["bytes"], 2 * bytes, "{class}: {of}");
        cents(&found, &format!("cost.traffic.{class}.per_month"), month);
    }
    cents(&found, "summary.cost.per_month", 26.1486);
    cents(&found, "summary.cost.per_million_ok", 26.1486 / 730.0 / 36_000.0 * 1e6);
    assert_eq!(found["cost"]["unpriced"], serde_json::json!(["api", "db", "other"]));
}

#[test]
fn what_is_lost_was_sent_and_what_is_answered_twice_is_paid_for_once_each() {
    // For 10 s what the store is asked is lost, and nothing comes back.
    let cut = ZONES.to_owned()
        + "faults: [{id: cut, at: 40s, for: 10s, partition: {from: [a], to: [b]}}]\n";
    let bytes = |text: &str| results_of(text, 1)["cost"]["traffic"]["cross_zone"]["bytes"].clone();
    assert_eq!(bytes(&cut), 900 * 500 + 800 * 2_000);
    // A network that says no lets nothing out.
    let refused = cut.replace("to: [b]}", "to: [b], reject: true}");
    assert_eq!(bytes(&refused), 800 * (500 + 2_000));
    // A call that arrives twice was sent twice, and answered twice.
    let twice = ZONES.to_owned()
        + "faults: [{id: echo, at: 40s, for: 10s, duplicate: {from: [a], to: [b], fraction: 100%}}]\n";
    assert_eq!(bytes(&twice), 1_000 * (500 + 2_000));
}

#[test]
fn prices_change_nothing_but_the_bill() {
    let network = "same_zone: 0.2ms, same_region: 0.7ms, cross_region: 30ms, internet: 20ms";
    let priced = ZONES.replace("network: {", &format!("network: {{{network}, "));
    let prices = "prices: {internet: $0.09/GB, cross_zone: $0.01/GB, cross_region: $0.02/GB}";
    let free = priced.replace(&format!(", {prices}"), "");
    assert_ne!(free, priced);
    let (mut with, mut without) = (results_of(&priced, 2), results_of(&free, 2));
    assert_eq!(with["fingerprint"], without["fingerprint"]);
    assert!(without["cost"].is_null() && without["summary"]["cost"].is_null());
    assert!(!without.to_string().contains("\"cost"), "nothing of it where nothing has a price");
    for results in [&mut with, &mut without] {
        let all = results.as_object_mut().unwrap();
        all.remove("cost");
        all.remove("leaves_out");
        all["summary"].as_object_mut().unwrap().remove("cost");
        for one in all["replications"].as_array_mut().unwrap() {
            one["figures"].as_object_mut().unwrap().retain(|name, _| !name.starts_with("cost."));
        }
    }
    assert_eq!(with, without);
}

#[test]
fn storage_is_keys_times_their_mean_size() {
    let store =
        |more: &str| format!("db: {{store: {{read: 1ms, storage: $0.023/GB/month, {more}}}}}");
    let paid = |keys: &str, more: &str| {
        let text = design(&format!("read: db, timeout: 1s{keys}"), &store(more), "");
        results_of(&text, 1)
    };
    // 2 GB of the keys its clients can ask for, however often they do.
    let found = paid(", keys: zipf(n=1M s=0.9)", "value_size: uniform(1KB 3KB)");
    cents(&found, "nodes.db.cost.storage", 0.046);
    let kept = found["cost"]["assumptions"].to_string();
    assert!(kept.contains("db keeps 1,000,000 keys of 2,000 bytes in the mean"), "{kept}");
    assert_eq!(found["cost"]["unpriced"], serde_json::json!(["db.price", "internet"]));
    // 2 TB as the file says, on four machines.
    let found = paid("", "value_size: 2KB, keys: 1G, shards: {count: 4}, price: $0.38/h");
    cents(&found, "nodes.db.cost.storage", 46.0);
    cents(&found, "nodes.db.cost.hours", 1_109.6);
    cents(&found, "summary.cost.per_month", 1_155.6);
    assert_eq!(found["cost"]["unpriced"], serde_json::json!(["internet"]));
    // Each replica is a machine, and keeps all keys of its shard.
    let found = paid(
        "",
        "value_size: 2KB, keys: 1G, price: $0.38/h, replication: {leader_follower: {followers: 2}}",
    );
    cents(&found, "nodes.db.cost.storage", 138.0);
    cents(&found, "nodes.db.cost.hours", 832.2);
    let kept = found["cost"]["assumptions"].to_string();
    assert!(kept.contains("of 2,000 bytes in the mean, 3 copies of each"), "{kept}");
}

#[test]
fn money_is_an_objective_that_is_met_or_missed() {
    let text = design(
        "to: lb, timeout: 1s",
        "lb: {load_balancer: {to: api, price: $0.03/h}}, \
         api: {service: {instances: 2, work: 1ms, price: $0.17/h}}",
        "slos: [cost.per_month <= $270.10, cost.per_month <= $200, nodes.api.cost.per_month < $248.21, \
         cost.per_million_ok <= $10.28]\nvariants: {cheap: {nodes.api.service.price: $0.10/h}}\n",
    );
    let judged = |sets: &[&str], variant: Option<&str>| {
        let sets = sets.iter().map(|set| (*set).to_owned()).collect();
        let variant = variant.map(str::to_owned);
        let overrides = Overrides { sets, variant, ..Overrides::default() };
        let results = run::run("scenario.yaml", &Alone(&text), &overrides, 2);
        let verdicts: Vec<String> =
            results.slos.iter().map(|slo| slo.verdict.to_string()).collect();
        (results.summary.cost.unwrap().per_month.value.unwrap(), verdicts)
    };
    // (0.03 + 0.34) x 730 = 270.10, $10.28 for a million of 36,000 an hour.
    let (month, verdicts) = judged(&[], None);
    assert!((month - 270.1).abs() < 1e-9, "{month}");
    assert_eq!(verdicts, ["met", "missed", "met", "met"]);
    assert!((judged(&[], Some("cheap")).0 - 167.9).abs() < 1e-9);
    assert!((judged(&["nodes.api.service.price=$0.2/h"], None).0 - 313.9).abs() < 1e-9);
}

#[test]
fn the_bill_is_on_the_terminal_and_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let priced = ZONES.replace("zones: [a]\n", "zones: [a]\n      price: $0.17/h\n")
        + "slos: [cost.per_month <= $100]\n";
    fs::write(folder.path().join("a.yaml"), priced).unwrap();
    let ran = windtunnel(folder.path(), "run a.yaml -n 2");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for shown in [
        "$150 a month, $0.21 an hour, $5.72 per million good answers",
        "without db, other: no price",
        "misses by $50",
    ] {
        assert!(ran.stdout.contains(shown), "{shown}\n{}", ran.stdout);
    }
    let page = crate::cli::result_folder(folder.path(), "bill").join("report.html");
    let page = fs::read_to_string(page).unwrap();
    for shown in ["What it costs", "$124", "0.009\u{a0}GB\u{a0}measured", "Headers and handshakes"]
    {
        assert!(page.contains(shown), "{shown}");
    }
}

const PRICED: &str = "\
windtunnel: 1
name: priced
duration: 100s
warm_up: 10s
clients: {load: {arrivals: poisson(9/s), to: server, keys: uniform(n=10), timeout: 1s, size: 1KB}}
nodes:
  server: {service: {cores: 2, price: $0.17/h, endpoints: {default: [{read: db}, {call: pay}]}}}
  db: {store: {read: 1ms, value_size: 2KB, storage: $0.023/GB/month}}
  pay: {external: {latency: 1ms, price: $0.20/1M}}
network: {prices: {internet: $0.09/GB}}
slos: [cost.per_month <= $900]
";

#[test]
fn prices_that_are_none_are_refused_at_their_place() {
    let cases: &[Case] = &[
        ("unit", "$0.17/h", "$0.17", "7:39 E-UNIT", "write `$0.17/h`"),
        ("bare", "$0.17/h", "0.17", "7:39 E-UNIT", "write `$0.17/h`"),
        ("euro", "$0.17/h", "€0.17/h", "7:39 E-UNIT", "not in US dollars"),
        ("word", "$0.17/h", "0.17 USD/h", "7:39 E-UNIT", "write `$0.17/h`"),
        ("per", "$0.17/h", "$0.17/GB", "7:39 E-UNIT", "such as `$0.17/h`"),
        ("sign", "$0.17/h", "-$0.17/h", "7:39 E-RANGE", "is negative"),
        ("calls", "$0.20/1M", "$0.20/h", "9:41 E-UNIT", "such as `$0.20/1M`"),
        ("storage", "$0.023/GB/month", "$0.023/GB", "8:53 E-UNIT", "`$0.023/GB/month`"),
        ("traffic", "$0.09/GB", "$0.09", "10:30 E-UNIT", "write `$0.09/GB`"),
        ("class", "internet:", "outside:", "10:20 E-UNKNOWN-KEY", "`outside`"),
        ("size", "value_size: 2KB, ", "", "8:36 E-MISSING", "give `value_size: 2KB`"),
        ("keys", "keys: uniform(n=10), ", "", "8:53 E-MISSING", "give `keys: 1M` here"),
        (
            "mean",
            "value_size: 2KB",
            "value_size: 1KB + 2B * size",
            "8:65 E-CONFLICT",
            "not known beforehand",
        ),
        ("no use", "storage: $0.023/GB/month", "keys: 1M", "8:50 W-UNUSED", "by `storage`"),
        ("no zones", "{internet:", "{cross_zone:", "10:32 W-UNUSED", "no region has two zones"),
        ("objective", "$900", "900", "11:8 E-SLO", "write `$900`"),
        ("currency", "$900", "€900", "11:8 E-SLO", "not in US dollars"),
        ("fit", "cost.per_month", "p99(latency)", "11:8 E-SLO", "is not a duration"),
        ("node", "cost.per", "nodes.lb.cost.per", "11:8 E-REF", "no node `lb`"),
    ];
    check_in(PRICED, cases);
}

#[test]
fn money_needs_a_price_a_machine_and_a_month() {
    let free = PRICED
        .replace(", price: $0.17/h", "")
        .replace(", storage: $0.023/GB/month", "")
        .replace(", price: $0.20/1M", "")
        .replace("network: {prices: {internet: $0.09/GB}}\n", "");
    let soundless = free.replace("slos: [cost.per_month <= $900]\n", "");
    check_in(
        &soundless,
        &[(
            "nothing",
            "nodes:",
            "slos: [cost.per_month <= $900]\nnodes:",
            "6:8 E-SLO",
            "nothing in this scenario has a `price`",
        )],
    );
    check_in(
        &soundless,
        &[(
            "guest",
            "  db:",
            "  near: {cache: {in: server, price: $0.10/h}}\n  db:",
            "8:37 E-CONFLICT",
            "a `price` there",
        )],
    );
    // What is counted now and then stands for no month; machines and data do.
    let active = PRICED.replace(
        "size: 1KB}}",
        "size: 1KB, active: {before: 1s, after: 5s, control: 5, window: 2s}}}\n\
         faults: [{id: dead, at: 50s, for: 5s, crash: {node: db}}]",
    );
    let told = told(active.as_bytes());
    let refused: Vec<&String> = told.iter().filter(|line| line.contains("for no month")).collect();
    assert_eq!(refused.len(), 2, "{told:#?}");
    assert!(refused[0].starts_with("10:41 E-CONFLICT"), "{refused:?}");
}
