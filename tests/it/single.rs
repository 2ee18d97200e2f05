//! Single points of failure: what `validate` warns of, and what not.

use std::fs;

use serde_json::Value;

use crate::cli::{windtunnel, workspace};

/// What is said of each single point, in the order of the file: its line and column, and the sentence.
fn told(text: &str) -> Vec<(u64, u64, String)> {
    let folder = workspace();
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    let ran = windtunnel(folder.path(), "validate a.yaml --format json");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let all: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    let single = all.iter().filter(|problem| problem["code"] == "W-SPOF");
    single
        .map(|problem| {
            assert_eq!(problem["severity"], "warning");
            let help = problem["help"].as_str().unwrap();
            assert!(
                help.ends_with("; `compare FILE --lose each` tells what its loss costs"),
                "{help}"
            );
            let number = |key: &str| problem[key].as_u64().unwrap();
            (number("line"), number("column"), problem["message"].as_str().unwrap().to_owned())
        })
        .collect()
}

/// The nodes that are named.
fn named(text: &str) -> Vec<String> {
    let name =
        |message: &str| message.split("needs `").nth(1)?.split('`').next().map(str::to_owned);
    told(text).iter().filter_map(|one| name(&one.2)).collect()
}

/// Who is missed of the replicas of a store depends on how they follow one another.
#[test]
fn of_replicas_it_is_said_which_one_is_missed() {
    let leader = "of which each shard has a leader that nobody takes over for";
    let all = "of which each shard needs all its replicas";
    for (copies, said) in [
        ("leader_follower: {followers: 2}", Some(leader)),
        ("leader_follower: {followers: 2, ack: sync}", Some(leader)),
        ("leader_follower: {followers: 2, ack: sync, failover: {detect: 1s}}", Some(all)),
        ("leader_follower: {followers: 2, failover: {detect: 1s}}", None),
        ("leader_follower: {followers: 0}", Some("of which there is one")),
        ("quorum: {replicas: 3, read: 1, write: 3}", Some(all)),
        ("quorum: {replicas: 3}", None),
        ("raft: {replicas: 3}", None),
        ("raft: {replicas: 1}", Some("of which there is one")),
    ] {
        let text = format!(
            "windtunnel: 1\nname: kv\nduration: 60s\nclients:\n  users: {{arrivals: poisson(20/s), timeout: 1s, operations: {{put: {{write: db}}}}}}\n\
             nodes:\n  db: {{store: {{read: 1ms, replication: {{{copies}}}}}}}\nslos: [availability >= 99%]\n"
        );
        let found = told(&text);
        assert_eq!(found.len(), usize::from(said.is_some()), "{copies}: {found:?}");
        for ((.., sentence), said) in found.iter().zip(said) {
            assert!(sentence.contains(said), "{copies}: {sentence}");
        }
    }
}

/// A shop: whoever buys needs all of it, and a catalogue is asked for extras.
const SHOP: &str = "\
windtunnel: 1
name: shop
duration: 60s
clients:
  users:
    arrivals: poisson(20/s)
    to: edge
    timeout: 1s
    operations: {browse: {share: 80%}, buy: {share: 20%}}
nodes:
  edge: {load_balancer: {to: api}}
  api:
    service:
      instances: 3
      endpoints:
        browse: [{read: catalogue}]
        buy: [{call: orders}, {call: mail, optional: true}]
      dependencies: {catalogue: {timeout: 500ms}, orders: {timeout: 500ms}, mail: {timeout: 200ms}}
  catalogue: {store: {read: 2ms, shards: {count: 4}}}
  orders:
    service:
      instances: 1
      endpoints: {default: [{write: db}]}
      dependencies: {db: {timeout: 300ms}}
  db: {store: {read: 1ms}}
  mail: {service: {cores: 1, work: 1ms}}
slos: [availability >= 99.9%]
";

#[test]
fn what_every_request_needs_and_of_which_there_is_one_is_named_where_it_stands() {
    let told = told(SHOP);
    let lines: Vec<(u64, u64)> = told.iter().map(|one| (one.0, one.1)).collect();
    // The value where the file says how many, else the node.
    assert_eq!(lines, [(11, 3), (19, 34), (22, 18), (25, 3)], "{told:?}");
    let messages: Vec<&str> = told.iter().map(|one| one.2.as_str()).collect();
    assert_eq!(
        messages,
        [
            "every request needs `edge`, of which there is one: without it nobody is served",
            "every `browse` needs `catalogue`, of which each of 4 shards is one copy: without one of \
             them no `browse` that needs its keys is served",
            "every `buy` needs `orders`, of which there is one: without it no `buy` is served",
            "every `buy` needs `db`, of which there is one: without it no `buy` is served",
        ]
    );
}

#[test]
fn without_what_is_named_who_needs_it_is_not_served() {
    let folder = workspace();
    let served = |node: &str| {
        let fault = format!("faults: [{{id: f, at: 0s, for: 60s, crash: {{node: {node}}}}}]\n");
        fs::write(folder.path().join("a.yaml"), SHOP.to_owned() + &fault).unwrap();
        let ran = windtunnel(folder.path(), "run a.yaml -n 1 --format json");
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let found: Value = serde_json::from_str(&ran.stdout).unwrap();
        ["browse", "buy"].map(|operation| {
            let of = &found["clients"]["users"]["operations"][operation];
            of["availability"]["value"].as_f64().unwrap()
        })
    };
    assert_eq!(served("edge"), [0.0, 0.0]);
    assert_eq!(served("catalogue"), [0.0, 1.0]);
    for node in ["orders", "db"] {
        assert_eq!(served(node), [1.0, 0.0], "{node}");
    }
    assert_eq!(served("mail"), [1.0, 1.0]);
}

#[test]
fn only_operations_with_an_objective_are_asked_about() {
    for (slos, nodes) in [
        ("[]", &[][..]),
        ("[nodes.api.utilisation <= 90%]", &[]),
        ("[availability(operation=browse) >= 99%]", &["edge", "catalogue"]),
        ("[p99(latency operation=buy) <= 1s]", &["edge", "orders", "db"]),
        ("[fraction(latency <= 1s client=users) >= 9%]", &["edge", "catalogue", "orders", "db"]),
        ("[min(availability(operation=buy) window=10s) >= 1%]", &["edge", "orders", "db"]),
    ] {
        let text = SHOP.replace("[availability >= 99.9%]", slos);
        assert_eq!(named(&text), nodes, "{slos}");
    }
    // What is to be seen is no objective.
    assert_eq!(named(&SHOP.replace("slos:", "expect:")), [""; 0]);
}

#[test]
fn what_leads_round_a_node_frees_it() {
    let buy = "[{call: orders}, {call: mail, optional: true}]";
    let all = ["edge", "catalogue", "orders", "db"];
    let without = |gone: &[&str]| -> Vec<&str> {
        all.into_iter().filter(|node| !gone.contains(node)).collect()
    };
    for (from, to, nodes) in [
        ("instances: 1", "instances: 2", without(&["orders"])),
        (buy, "[{call: orders, optional: true}]", without(&["orders", "db"])),
        (buy, "[{call: orders, when: size > 10}]", without(&["orders", "db"])),
        (buy, "[{reply: 1KB}, {call: orders}]", without(&["orders", "db"])),
        (buy, "[{race: [{call: orders}, {call: mail}]}]", without(&["orders", "db"])),
        (buy, "[{any: {need: 1, of: [{call: orders}, {call: mail}]}}]", without(&["orders", "db"])),
        (
            buy,
            "[{choose: [{share: 50%, do: [{call: orders}]}, {share: 50%, do: [{call: mail}]}]}]",
            without(&["orders", "db"]),
        ),
        // All of a group, and each way of a choice.
        (buy, "[{any: {need: 2, of: [{call: orders}, {call: mail}]}}]", {
            vec!["edge", "catalogue", "orders", "db", "mail"]
        }),
        (
            buy,
            "[{choose: [{share: 50%, do: [{call: orders}]}, {share: 50%, do: [{call: orders}, {call: mail}]}]}]",
            all.to_vec(),
        ),
        ("orders: {timeout: 500ms}", "orders: {timeout: 500ms, fallback: {reply: 1KB}}", {
            without(&["orders", "db"])
        }),
        ("orders: {timeout: 500ms}", "orders: {timeout: 500ms, fallback: {call: mail}}", {
            without(&["orders", "db"])
        }),
        ("    timeout: 1s\n", "    timeout: 1s\n    fallback: {reply: 1KB}\n", vec![]),
        ("{to: api}", "{to: [api, mail]}", vec!["edge"]),
        // A hit needs no store; a write does.
        (
            "browse: [{read: catalogue}]",
            "browse: [{read: {from: catalogue, cache: near}}]",
            without(&["catalogue"]),
        ),
        (
            "browse: [{read: catalogue}]",
            "browse: [{write: {to: catalogue, cache: near}}]",
            all.to_vec(),
        ),
        (
            "browse: [{read: catalogue}]",
            "browse: [{read: {from: catalogue, shards: all, need: 75%}}]",
            without(&["catalogue"]),
        ),
        // What stands behind an external is unknown.
        ("db: {store: {read: 1ms}}", "db: {external: {latency: 1ms}}", without(&["db"])),
    ] {
        let keys = SHOP.replace("    to: edge\n", "    to: edge\n    keys: zipf(n=100 s=1)\n");
        let text = keys.replace(from, to) + "variants: {}\n";
        assert_ne!(text, keys.clone() + "variants: {}\n", "{from}");
        let near = "nodes:\n  near: {cache: {capacity: 10}}\n";
        let text = if to.contains("near") { text.replace("nodes:\n", near) } else { text };
        assert_eq!(named(&text), nodes, "{to}");
    }
}

#[test]
fn a_name_with_two_answers_and_a_cache_in_each_instance_are_no_single_points() {
    let text = "\
windtunnel: 1
name: two
duration: 60s
clients: {users: {arrivals: poisson(20/s), to: shop, read: true}}
nodes:
  shop: {dns: {to: [east, west], policy: failover, ttl: 5s}}
  east: {load_balancer: {to: api}}
  west: {load_balancer: {to: api}}
  api: {service: {instances: 2, work: 1ms}}
slos: [availability >= 99.9%]
";
    let text = text.replace(", read: true", ", timeout: 1s");
    assert_eq!(named(&text), [""; 0]);
    let one =
        text.replace("[east, west]", "[east]").replace("  west: {load_balancer: {to: api}}\n", "");
    assert_eq!(named(&one), ["east"]);
}

#[test]
fn it_is_no_mistake_and_no_other_command_says_it() {
    let folder = workspace();
    fs::write(folder.path().join("a.yaml"), SHOP).unwrap();
    let ran = windtunnel(folder.path(), "validate a.yaml --deny-warnings");
    assert_eq!(
        (ran.code, ran.stdout.trim()),
        (0, "a.yaml: can be run, 4 warnings"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("warning[W-SPOF]"), "{}", ran.stderr);
    assert!(ran.stderr.contains("a.yaml:22:18"), "{}", ran.stderr);
    for command in ["run a.yaml -n 2", "check a.yaml -n 2 --deny-warnings"] {
        let ran = windtunnel(folder.path(), command);
        assert!([0, 3].contains(&ran.code), "{command}: {}", ran.stderr);
        let all = ran.stdout + &ran.stderr;
        assert!(!all.contains("W-SPOF") && !all.contains("needs `"), "{command}: {all}");
    }
    // Where something is wrong that comes first.
    fs::write(folder.path().join("a.yaml"), SHOP.replace("call: mail", "call: male")).unwrap();
    let ran = windtunnel(folder.path(), "validate a.yaml");
    assert_eq!(ran.code, 2);
    assert!(!ran.stderr.contains("W-SPOF"), "{}", ran.stderr);
}
