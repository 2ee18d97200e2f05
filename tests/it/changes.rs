//! Planned changes: `set` faults, by exact figures of designs without chance.

use crate::{
    bad_input::{check_in, told},
    design::{number, results},
};

const CLIENT: &str = "arrivals: constant(10/s), to: api";
const NODES: &str = "api: {service: {workers: 10, endpoints: {default: [{work: 10ms}, {call: db}]}}}, \
                     db: {external: {latency: 1ms}}";

#[test]
fn what_is_set_holds_for_its_time_and_adds_up() {
    let faults = "{id: f1, at: 20s, for: 20s, set: {\"nodes.api.service.endpoints.default[0].work\": 20ms}}, \
                  {id: f2, at: 30s, for: 30s, set: {nodes.db.external.latency: 5ms}}, \
                  {id: f3, at: 70s, set: {nodes.api.service.endpoints.default: [{work: 1ms}]}}";
    let found = results("100.05s", CLIENT, NODES, faults);
    // 0-20 s 11 ms, to 30 s 21, to 40 s 25, to 60 s 15, to 70 s 11, from then on 1 ms.
    let sum = 20.0 * 11.0 + 10.0 * 21.0 + 10.0 * 25.0 + 20.0 * 15.0 + 10.0 * 11.0 + 30.0;
    let mean = number(&found, "summary.latency.mean");
    assert!((mean * 1e3 - sum / 100.0).abs() < 0.05, "{mean}");
    assert_eq!(number(&found, "summary.latency.max"), 0.025);
    // The database is not called any more.
    assert_eq!(number(&found, "nodes.db.outcomes.ok"), 699.0);
    let names: Vec<&str> = (0..3).map(|i| found["faults"][i]["effect"].as_str().unwrap()).collect();
    assert_eq!(names, ["set", "set", "set"]);
}

#[test]
fn of_two_changes_of_one_value_the_later_has_the_last_word() {
    let change = |id: &str, at: &str, ms: u32| {
        format!("{{id: {id}, {at}, set: {{nodes.db.external.latency: {ms}ms}}}}")
    };
    // From 20 s 3 ms, from 40 s 5 ms, from 60 s 3 ms again; whatever the order of the file.
    let (a, b) = (change("a", "at: 20s", 3), change("b", "at: 40s, for: 20s", 5));
    for faults in [format!("{a}, {b}"), format!("{b}, {a}")] {
        let found = results("100.05s", CLIENT, NODES, &faults);
        let mean = number(&found, "summary.latency.mean") * 1e3;
        assert!((mean - (10.0 + 0.2 + 0.6 + 1.0 + 1.2)).abs() < 0.01, "{mean}");
    }
}

#[test]
fn who_is_inside_ends_as_it_began() {
    // A request takes 5 s, in two steps, and the endpoint loses the second of them meanwhile.
    let nodes = "api: {service: {workers: 10, endpoints: {default: [{wait: 1s}, {wait: 4s}]}}}";
    let change = "{id: f, at: 52s, set: {nodes.api.service.endpoints.default: [{wait: 1s}]}}";
    let found = results("100s", "arrivals: constant(1/s), to: api", nodes, change);
    // Sent at 1 s, 2 s and so on: the one of 52 s is the first of the new ones.
    let mean = (51.0 * 5.0 + 47.0) / 98.0;
    assert!((number(&found, "summary.latency.mean") - mean).abs() < 1e-6);
}

#[test]
fn what_is_set_to_what_it_was_changes_no_figure() {
    let run = |faults: &str| {
        let client = "arrivals: poisson(20/s), to: a, keys: zipf(n=100 s=0.9), timeout: 60ms, \
                      retry: {attempts: 3, backoff: constant(5ms)}";
        let nodes = "a: {service: {instances: 2, cores: 1, endpoints: {default: [{work: exp(mean=15ms)}, \
                     {read: b}]}}}, b: {store: {read: exp(mean=5ms), cores: 2}}";
        results("60s", client, nodes, faults)
    };
    let without = run("");
    // The same values, set: the same figures.
    let same = run("{id: f, at: 20s, set: {nodes.a.service.endpoints.default: \
                    [{work: exp(mean=15ms)}, {read: b}], nodes.b.store.read: exp(mean=5ms)}}");
    for part in ["summary", "clients", "nodes"] {
        assert_eq!(without[part], same[part]);
    }
    let other = run("{id: f, at: 20s, set: {nodes.b.store.read: exp(mean=6ms)}}");
    assert_ne!(without["summary"], other["summary"]);
}

#[test]
fn weights_shift_while_a_balancer_runs() {
    // A canary: 10 % from 20 s to 50 s, then all.
    let nodes = "lb: {load_balancer: {to: {blue: 100, green: 0}}}, \
                 blue: {service: {workers: 9, work: 1ms}}, green: {service: {workers: 9, work: 1ms}}";
    let faults = "{id: canary, at: 20s, set: {nodes.lb.load_balancer.to.green: 10, \
                  nodes.lb.load_balancer.to.blue: 90}}, \
                  {id: cutover, at: 50s, set: {nodes.lb.load_balancer.to: {blue: 0, green: 1}}}";
    let found = results("100s", "arrivals: constant(1000/s), to: lb", nodes, faults);
    let green = number(&found, "nodes.green.outcomes.ok");
    // 3,000 of 30,000 by chance, and 50,000.
    assert!((green - 53_000.0).abs() < 4.0 * 52.0, "{green}");
}

#[test]
fn what_a_cache_may_hold_on_to_changes() {
    // One key, asked for every 10 ms, fetched when it expires: each second, then each 100 ms.
    let nodes = "c: {cache: {from: db, ttl: 1s}}, db: {external: {latency: 0s}}";
    let client = "arrivals: constant(100/s), to: c, keys: sequential(n=1)";
    let change = "{id: f, at: 50s, set: {nodes.c.cache.ttl: 100ms}}";
    let found = results("100.005s", client, nodes, change);
    let fetches = number(&found, "nodes.db.outcomes.ok");
    assert!((fetches - 550.0).abs() <= 2.0, "{fetches}");
}

const CHANGING: &str = "\
windtunnel: 1
name: changing
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: lb, keys: uniform(n=9), timeout: 1s}}
nodes:
  lb: {load_balancer: {to: {a: 1, b: 1}}}
  a: {service: {cores: 1, endpoints: {default: [{read: {from: db, cache: c}}]}}}
  b: {service: {cores: 1, work: 1ms}}
  c: {cache: {instances: 2}}
  db: {store: {read: 1ms}}
faults:
  - {id: f, at: 5s, set: {nodes.b.service.work: 2ms}}
";

const SET: &str = "nodes.b.service.work: 2ms";
const WHEN: &str = "at: 5s";

#[test]
fn changes_are_checked() {
    assert_eq!(told(CHANGING.as_bytes()), Vec::<String>::new());
    check_in(
        CHANGING,
        &[
            ("F35", SET, "nodes.b.service.work: 2", "12:49 E-UNIT", "once `f` has set it"),
            ("F35", SET, "nodes.b.service.wrok: 2ms", "12:27 E-UNKNOWN-KEY", "work"),
            ("F35", SET, "nodes.bb.service.work: 2ms", "12:27 E-REF", "no `bb`"),
            ("F35", SET, "nodes.b.store.read: 2ms", "12:27 E-REF", "`store`"),
            ("F35", SET, "nodes.b: {external: {latency: 1s}}", "12:27 E-FAULT-TARGET", "into"),
            ("F35", SET, "duration: 9s", "12:37 E-FAULT-TARGET", "does not lead into a node"),
            ("F35", SET, "nodes.b.service.cores: 2", "12:50 E-FAULT-TARGET", "endpoints"),
            ("F35", SET, "nodes.lb.load_balancer.policy: random", "12:58 E-FAULT-TARGET", "to"),
            ("F35", SET, "nodes.lb.load_balancer.to: {a: 1}", "12:27 E-FAULT-TARGET", "weights"),
            (
                "F35",
                SET,
                "nodes.lb.load_balancer.to.a: 0, nodes.lb.load_balancer.to.b: 0",
                "12:88 E-TOPO",
                "all weights are zero",
            ),
            ("F35", SET, "nodes.a.service.endpoints.default: [{call: x}]", "12:27 E-REF", "`x`"),
            ("F35", SET, "nodes.c.cache.instances: 0", "12:52 E-RANGE", "at least 1"),
            ("F35", SET, "", "12:21 E-FAULT", "changes nothing"),
            ("F35", WHEN, "at: 500s", "12:17 E-FAULT-TIME", "when the run is over"),
            ("F35", WHEN, "mtbf: 5s, mttr: 1s", "12:6 E-FAULT-TIME", "once and for sure"),
            ("F35", WHEN, "at: 5s, probability: 10%", "12:6 E-FAULT-TIME", "once and for sure"),
        ],
    );
    let chosen =
        CHANGING.replace("{a: 1, b: 1}", "[a, b, c]").replace(SET, "nodes.c.cache.ttl: 2s");
    check_in(
        &chosen,
        &[(
            "F35",
            "ttl: 2s",
            "instances: 3",
            "12:52 E-FAULT-TARGET",
            "chooses among the instances",
        )],
    );
}

#[test]
fn versions_are_bounded_and_each_mistake_is_told_once() {
    // Two versions of the same mistake: `f` alone, and with `g`.
    let twice = CHANGING.replace(SET, "nodes.c.cache.instances: 0")
        + "  - {id: g, at: 9s, set: {nodes.db.store.read: 2ms}}\n";
    let found = told(twice.as_bytes());
    assert_eq!(found.len(), 1, "{found:#?}");
    // One path may start like another without leading there.
    let alike = CHANGING.replace(SET, "nodes.db.store.read: 2ms, nodes.db.store.read_: 1ms");
    assert!(told(alike.as_bytes())[0].contains("E-UNKNOWN-KEY"));
    let many = |n: u64| -> String {
        let one = |i| format!("  - {{id: m{i}, at: {i}ms, set: {{nodes.db.store.read: {i}ms}}}}\n");
        CHANGING.to_owned() + &(1..=n).map(one).collect::<String>()
    };
    assert_eq!(told(many(99).as_bytes()), Vec::<String>::new());
    let found = told(many(100).as_bytes());
    assert!(found.len() == 1 && found[0].contains("E-LIMIT the planned changes"), "{found:#?}");
}

#[test]
fn programs_that_do_not_fit_are_refused() {
    let read = "{read: {from: db, cache: c}}, ";
    let short = "default: [{read: {from: db, cache: c}}]";
    let long = |n: usize| format!("default: [{}{{wait: 1ms}}]", read.repeat(n));
    // In the file itself, and in two versions together.
    let alone = CHANGING.replace(short, &long(11_000));
    let found = told(alone.as_bytes());
    assert!(found.len() == 1 && found[0].contains("E-LIMIT too many steps"), "{found:#?}");
    // A lock in a store is a program of its own, and so are what undoes a saga and what decides a transaction.
    let blocks = [
        "lock: {name: l, in: db, do: [{wait: 1ms}]}",
        "saga: [{do: [{wait: 1ms}]}]",
        "transaction: {do: [{write: db}]}",
    ];
    for block in blocks {
        let many = long(1000).replace("read: {from: db, cache: c}", block);
        let text = CHANGING.replace(short, &many);
        assert!(!told(text.as_bytes()).iter().any(|one| one.contains("too many steps")), "{block}");
        let text = text.replace(&many, &long(6000).replace("read: {from: db, cache: c}", block));
        assert!(told(text.as_bytes()).iter().any(|one| one.contains("too many steps")), "{block}");
    }
    let set = format!("nodes.a.service.endpoints.{}", long(6000));
    let both = CHANGING.replace(short, &long(6000)).replace(SET, &set);
    let found = told(both.as_bytes());
    assert!(found.len() == 1 && found[0].contains("in 2 versions"), "{found:#?}");
    let fits =
        CHANGING.replace(short, &long(4000)).replace(SET, &set.replace(read, "{wait: 1ms}, "));
    assert_eq!(told(fits.as_bytes()), Vec::<String>::new());
}
