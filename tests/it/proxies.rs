//! Balancers that know where a call has been, hold what targets have no room for, or use some targets only.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{close, number, results, results_of},
    traces,
};

/// Balancers and none: how a client reaches two instances of `app`.
const WAYS: [&str; 5] = ["", "random", "round_robin", "least_requests", "power_of_d(d=1)"];

/// A client that calls two instances, through a balancer with this policy or by itself.
fn two(policy: &str, client: &str, app: &str, faults: &str) -> Value {
    let (to, lb) = match policy {
        "" => ("app", String::new()),
        _ => ("lb", format!("lb: {{load_balancer: {{to: app, policy: {policy}}}}}, ")),
    };
    let nodes = format!("{lb}app: {{service: {{instances: 2, {app}}}}}");
    results("200s", &format!("arrivals: poisson(50/s), to: {to}, {client}"), &nodes, faults)
}

#[test]
fn retries_elsewhere_pass_a_dead_instance() {
    let dead = "{id: c, at: 0s, crash: {node: app, instances: [0], process: true}}";
    for policy in WAYS {
        let run = |elsewhere: &str| {
            two(policy, &format!("retry: {{attempts: 4{elsewhere}}}"), "cores: 4, work: 1ms", dead)
        };
        let found = run(", elsewhere: true");
        assert_eq!(number(&found, "summary.availability"), 1.0, "{policy}");
        // Whoever finds nobody goes to the other one: at most two attempts.
        let attempts = number(&found, "summary.attempts_per_request");
        if policy.is_empty() || policy == "random" {
            assert!((attempts - 1.5).abs() < 0.02, "{policy}: {attempts}");
            // Of those that draw anew each time one of sixteen fails.
            let availability = number(&run(""), "summary.availability");
            assert!((availability - 15.0 / 16.0).abs() < 0.006, "{policy}: {availability}");
        }
        assert!(attempts <= 2.0, "{policy}: {attempts}");
    }
}

#[test]
fn services_and_functions_go_elsewhere_too() {
    let dead = "{id: c, at: 0s, crash: {node: app, instances: [1], process: true}}";
    for caller in ["service: {", "function: {"] {
        for lb in [false, true] {
            let to = if lb { "lb" } else { "app" };
            let nodes = format!(
                "web: {{{caller}calls: [{to}], dependencies: {{{to}: {{retry: {{attempts: 2, elsewhere: true}}}}}}}}}}, \
                 lb: {{load_balancer: {{to: app, policy: random}}}}, \
                 app: {{service: {{instances: 3, cores: 4, work: 1ms}}}}"
            );
            let found = results("100s", "arrivals: poisson(50/s), to: web", &nodes, dead);
            assert_eq!(number(&found, "summary.availability"), 1.0, "{caller} {to}");
            assert!(number(&found, "nodes.web.outcomes.ok") > 4000.0);
        }
    }
}

#[test]
fn a_call_that_has_been_everywhere_goes_anywhere_but_where_it_was_last() {
    // Both fail at once: the attempts alternate, and each instance gets half of them.
    let fails = "{id: e, at: 0s, errors: {node: app, fraction: 100%}}";
    for policy in WAYS {
        let client = "retry: {attempts: 6, elsewhere: true}";
        let found = two(policy, client, "cores: 4, work: 1ms", fails);
        assert_eq!(number(&found, "summary.attempts_per_request"), 6.0, "{policy}");
        let share = number(&found, "nodes.app.per_instance.0.keys_share");
        assert_eq!(share, 0.5, "{policy}");
    }
}

#[test]
fn second_copies_elsewhere_pass_a_slow_instance() {
    // Of two instances one takes 500 ms for 5 ms; the copy after 20 ms goes to the other one.
    let slow = "{id: s, at: 0s, slow: {node: app, instances: [0], factor: 100}}";
    for policy in ["", "random"] {
        let run = |elsewhere: &str| {
            two(policy, &format!("hedge: {{after: 20ms{elsewhere}}}"), "work: 5ms", slow)
        };
        close([number(&run(", elsewhere: true"), "summary.latency.max")], [0.025]);
        // One of four copies goes to the slow one again.
        close([number(&run(""), "summary.latency.max")], [0.5]);
    }
}

/// Mean wait and the number waiting of works at instants (ms) in one line before so many servers.
fn twin(arrivals: &[(u64, u64)], servers: usize) -> f64 {
    let mut free = vec![0u64; servers];
    let mut waited = 0;
    for &(at, work) in arrivals {
        let first = free.iter_mut().min().unwrap();
        let begins = at.max(*first);
        waited += begins - at;
        *first = begins + work;
    }
    waited as f64 / 1e3 / arrivals.len() as f64
}

#[test]
fn the_line_of_a_balancer_is_one_for_all_targets() {
    let arrivals: Vec<(u64, u64)> = (0..2000u64)
        .scan(0, |at, i| {
            *at += (i * i * 7919) % 31;
            Some((*at, 1 + (i * 104_729) % 83))
        })
        .collect();
    let first = arrivals[0].0;
    let arrivals: Vec<(u64, u64)> = arrivals.iter().map(|(at, work)| (at - first, *work)).collect();
    let csv = arrivals.iter().fold("t,w\n".to_owned(), |csv, (at, w)| format!("{csv}{at},{w}\n"));
    for policy in
        ["random", "round_robin", "first", "least_requests", "power_of_d(d=2)", "peak_ewma"]
    {
        let text = format!(
            "windtunnel: 1\nname: twin\nduration: 100s\nclients: {{load: {{arrivals: trace(file=t.csv column=t unit=ms), \
             attributes: {{w: column(w)}}, to: lb}}}}\nnodes:\n  \
             lb: {{load_balancer: {{to: app, policy: {policy}, max_in_flight: 1}}}}\n  \
             app: {{service: {{instances: 3, work: 1ms * w}}}}\n"
        );
        let found = traces::results(&text, &[("t.csv", &csv)]);
        assert_eq!(number(&found, "summary.requests.ok"), 2000.0);
        let wait = twin(&arrivals, 3);
        assert!(wait > 0.05, "{wait}");
        close([number(&found, "nodes.lb.waiting_time.mean")], [wait]);
        close([number(&found, "nodes.lb.in_queue")], [wait * 20.0]);
        let work: u64 = arrivals.iter().map(|one| one.1).sum();
        close([number(&found, "nodes.lb.resources.in_flight.utilisation")], [work as f64 / 3e5]);
    }
}

#[test]
fn waits_at_a_balancer_are_those_of_many_servers_with_one_queue() {
    // M/M/5 at 80 %: Erlang's C is 0.5541.
    let text = "windtunnel: 1\nname: mmc\nduration: 600s\nwarm_up: 20s\n\
                clients: {load: {arrivals: poisson(40/s), to: lb}}\nnodes:\n  \
                lb: {load_balancer: {to: app, policy: random, max_in_flight: 1}}\n  \
                app: {service: {instances: 5, cores: 1, work: exp(mean=100ms)}}\n";
    let found = results_of(text, 8);
    let within = |path: &str, expected: f64| {
        let value = number(&found, path);
        let upper = path.split('.').fold(&found, |at, key| &at[key])["upper"].as_f64().unwrap();
        let half = upper - value;
        // Four standard errors: half an interval of 95 % of eight replications is 2.36 of them.
        assert!((value - expected).abs() < 4.0 / 2.36 * half, "{path}: {value} +- {half}");
        assert!(half < 0.12 * expected, "{path}: {half}");
    };
    within("nodes.lb.waiting_time.mean", 0.5541 / 10.0);
    within("nodes.lb.wait_probability", 0.5541);
    within("nodes.lb.in_queue", 0.5541 * 4.0);
    assert_eq!(number(&found, "nodes.app.waiting_time.max"), 0.0);
}

/// Ten requests at once each 100 s for 1000 s, of 100 ms each, for two instances that take one at a time.
fn ten(balancer: &str, client: &str, faults: &str) -> Value {
    let nodes = format!(
        "lb: {{load_balancer: {{to: app, max_in_flight: 1{balancer}}}}}, \
         app: {{service: {{instances: 2, work: 100ms, cores: 1}}}}"
    );
    results(
        "1000s",
        &format!("arrivals: schedule(every=100s batch=10), to: lb{client}"),
        &nodes,
        faults,
    )
}

#[test]
fn who_finds_no_room_or_waits_too_long_is_rejected() {
    let found = ten("", "", "");
    close(
        [number(&found, "summary.latency.max"), number(&found, "summary.latency.mean")],
        [0.5, 0.3],
    );
    let found = ten(", queue: 5", "", "");
    assert_eq!(number(&found, "nodes.lb.causes.queue_full"), 30.0);
    assert_eq!(number(&found, "summary.requests.ok"), 70.0);
    let found = ten(", queue: 0", "", "");
    assert_eq!(number(&found, "nodes.lb.causes.queue_full"), 80.0);
    // At 100, 200 ms two each go on; four have waited 250 ms.
    let found = ten(", wait: 250ms", "", "");
    assert_eq!(number(&found, "nodes.lb.causes.abandoned"), 40.0);
    assert_eq!(number(&found, "summary.requests.rejected"), 40.0);
    close([number(&found, "summary.latency.max")], [0.3]);
    // Whoever calls off leaves the line, and the others move up.
    let found = ten("", ", timeout: 250ms, cancel: true", "");
    assert_eq!(number(&found, "summary.requests.timeout"), 60.0);
    // Two each at 0 and 100 ms to the end, two from 200 to 250 ms.
    close([number(&found, "nodes.app.utilisation")], [10.0 * 0.5 / 2000.0]);
}

#[test]
fn a_target_that_dies_frees_its_places() {
    let check =
        ", on_down: reset, health_check: {interval: 100ms, timeout: 50ms, fall: 1, rise: 1}";
    // One of two dies 50 ms after ten have come: what is there is reset, and the other works off the rest.
    let crash = |which: &str, lasts: &str| {
        format!("{{id: c, at: 100050ms, for: {lasts}, crash: {{node: app, instances: [{which}]}}}}")
    };
    let found = ten(check, "", &crash("0", "10s"));
    assert_eq!(number(&found, "summary.requests.error"), 1.0);
    assert_eq!(number(&found, "nodes.lb.causes.target_down"), 1.0);
    assert_eq!(number(&found, "summary.requests.ok"), 99.0);
    // At its host nothing answers; the last of eight others begins 0.7 or 0.8 s after the first.
    let last = number(&found, "summary.latency.max");
    assert!((0.85..=1.0).contains(&last), "{last}");
    // Both die: who waits goes on when one is back, and newcomers are turned away.
    let found = ten(check, "", &crash("0, 1", "2s"));
    assert_eq!(number(&found, "summary.requests.error"), 2.0);
    assert_eq!(number(&found, "summary.requests.ok"), 98.0);
    assert!((2.3..=2.7).contains(&number(&found, "summary.latency.max")));
    let found = ten(check, "", &crash("0, 1", "110s"));
    assert_eq!(number(&found, "summary.requests.unavailable"), 10.0);
    // Unless their time is over.
    let found = ten(&format!(", wait: 1s{check}"), "", &crash("0, 1", "2s"));
    assert_eq!(number(&found, "nodes.lb.causes.abandoned"), 8.0);
    // The balancer itself dies with all who wait.
    let found = ten("", "", "{id: c, at: 100050ms, for: 1s, crash: {node: lb, process: true}}");
    assert_eq!(number(&found, "summary.requests.error"), 10.0);
    assert_eq!(number(&found, "summary.requests.ok"), 90.0);
}

#[test]
fn weights_hold_with_a_line_too() {
    let run = |weights: &str, more: &str, faults: &str| {
        let nodes = format!(
            "lb: {{load_balancer: {{to: {weights}, max_in_flight: 4{more}}}}}, \
             blue: {{service: {{instances: 2, work: 1ms}}}}, green: {{service: {{work: 1ms}}}}"
        );
        results("200s", "arrivals: constant(100/s), to: lb", &nodes, faults)
    };
    let ok = |found: &Value, node: &str| {
        found["nodes"][node]["outcomes"].get("ok").and_then(Value::as_f64).unwrap_or_default()
    };
    let found = run("{blue: 75, green: 25}", ", policy: round_robin(smooth=true)", "");
    assert!((ok(&found, "blue") - 15_000.0).abs() <= 2.0, "{}", ok(&found, "blue"));
    let found = run("{blue: 75, green: 25}", "", "");
    assert!((ok(&found, "blue") - 15_000.0).abs() < 250.0, "{}", ok(&found, "blue"));
    // Nobody with any weight is alive: what comes is turned away, though green is.
    let check = ", health_check: {interval: 1s, fall: 1, rise: 1}";
    let crash = "{id: c, at: 100s, crash: {node: blue, process: true}}";
    let found = run("{blue: 100, green: 0}", check, crash);
    assert!((9_900.0..=10_000.0).contains(&number(&found, "summary.requests.unavailable")));
    assert_eq!(ok(&found, "green"), 0.0);
}

#[test]
fn the_first_one_is_used_as_long_as_it_has_room() {
    let found = ten(", policy: first", "", "");
    close([number(&found, "summary.latency.max")], [0.5]);
    let run = |more: &str| {
        let nodes = format!(
            "lb: {{load_balancer: {{to: app, policy: first{more}}}}}, \
             app: {{service: {{instances: 3, cores: 1, work: 10ms}}}}"
        );
        let found = results("100s", "arrivals: constant(50/s), to: lb", &nodes, "");
        [0, 1, 2].map(|i| number(&found, &format!("nodes.app.per_instance.{i}.throughput")))
    };
    close([run("")[1], run(", max_in_flight: 1")[1]], [0.0, 0.0]);
    // It dies: the second stands in.
    let nodes = "lb: {load_balancer: {to: app, policy: first, health_check: {interval: 1s, fall: 1, rise: 1}}}, \
                 app: {service: {instances: 2, cores: 1, work: 10ms}}";
    let fault = "{id: c, at: 50s, crash: {node: app, instances: [0], process: true}}";
    let found = results("100s", "arrivals: constant(50/s), to: lb", nodes, fault);
    let second = number(&found, "nodes.app.per_instance.1.throughput");
    assert!((24.0..=25.0).contains(&second), "{second}");
}

#[test]
fn subsets_are_of_callers_or_of_keys() {
    // Eight instances, shards of two: of 28 pairs each is some keys'.
    let nodes = "lb: {load_balancer: {to: app, policy: random, subset: 2 by=key}}, \
                 app: {service: {instances: 8, work: 1ms}}";
    let poison = |instances: &str| {
        let fault = format!(
            "{{id: e, at: 0s, errors: {{node: app, instances: [{instances}], fraction: 100%}}}}"
        );
        let client = "arrivals: poisson(200/s), to: lb, keys: uniform(n=100k), retry: {attempts: 2, elsewhere: true}";
        number(&results("200s", client, nodes, &fault), "summary.availability")
    };
    // Who shares both with two that are broken fails, one of 28.
    let share = 1.0 - poison("2, 5");
    assert!((share - 1.0 / 28.0).abs() < 0.004, "{share}");
    assert_eq!(poison("2"), 1.0);
    // Four callers use three of eight instances each: between them some are left out.
    let nodes = "web: {service: {instances: 4, calls: [lb]}}, front: {load_balancer: {to: web}}, \
                 lb: {load_balancer: {to: app, subset: 3}}, app: {service: {instances: 8, work: 1ms}}";
    let found = results("100s", "arrivals: constant(120/s), to: front", nodes, "");
    let rates = (0..8).map(|i| number(&found, &format!("nodes.app.per_instance.{i}.throughput")));
    let rates: Vec<f64> = rates.collect();
    // 10/s for each caller that has it among its three.
    for rate in &rates {
        let callers = rate / 10.0;
        assert!((callers - callers.round()).abs() < 0.02 && callers < 4.5, "{rates:?}");
    }
    assert!(rates.iter().any(|rate| *rate > 15.0), "{rates:?}");
}

#[test]
fn connections_end_at_such_a_balancer_or_lead_through_it() {
    // Because somebody else goes elsewhere, each balancer here does more than choose. 100 calls of 100 s come on few connections.
    let text = |balance: &str| {
        format!(
            "windtunnel: 1\nname: both\nduration: 100s\nclients:\n  \
             wired: {{arrivals: schedule(every=1s at=500ms), to: lb, timeout: 1s, pool: {{size: 2, setup: {{round_trips: 1}}, keep: 2}}}}\n  \
             other: {{arrivals: constant(1/s), to: lb, timeout: 1s, retry: {{attempts: 2, elsewhere: true}}}}\n\
             nodes:\n  lb: {{load_balancer: {{to: app, {balance}}}}}\n  app: {{service: {{instances: 2, cores: 1, work: 10ms}}}}\n"
        )
    };
    for balance in ["policy: random", "max_in_flight: 1", "balance: connection"] {
        let balance = if balance.contains("connection") {
            text(balance).replace(", retry: {attempts: 2, elsewhere: true}", "")
        } else {
            text(balance)
        };
        let found = results_of(&balance, 1);
        assert_eq!(number(&found, "clients.wired.requests.ok"), 100.0, "{balance}");
        // Set-ups are no requests: the balancer has had the calls and nothing else.
        let calls = number(&found, "summary.requests.ok");
        assert!((number(&found, "nodes.lb.throughput") - calls / 100.0).abs() < 1e-9, "{balance}");
        let setups = number(&found, "clients.wired.pools.lb.setups");
        assert!((setups - 0.01).abs() < 1e-9, "one in 100 s: {setups}");
    }
}

const LB: &str = "\
windtunnel: 1
name: lb
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: lb, timeout: 1s, retry: {attempts: 2, elsewhere: true}}}
nodes:
  lb: {load_balancer: {to: app, max_in_flight: 8, queue: 100, wait: 5s, subset: 2, timeout: 2s}}
  app: {service: {instances: 3, cores: 1, work: 1ms, calls: [db], dependencies: {db: {timeout: 1s}}}}
  db: {store: {read: 1ms}}
";

#[test]
fn what_such_a_balancer_cannot_be_is_told() {
    assert_eq!(told(LB.as_bytes()), Vec::<String>::new());
    check_in(
        LB,
        &[
            ("P1", "max_in_flight: 8", "max_in_flight: 0", "6:48 E-RANGE", "at least 1"),
            (
                "P1",
                "max_in_flight: 8, queue: 100, ",
                "",
                "6:39 E-CONFLICT",
                "add `max_in_flight: 8`",
            ),
            ("P1", "wait: 5s", "wait: 0s", "6:69 E-RANGE", "`queue: 0`"),
            ("P1", "queue: 100", "queue: 0", "6:67 E-CONFLICT", "no room to wait in"),
            ("P1", "queue: 100", "queue: -1", "6:58 E-RANGE", "-1"),
            ("P1", "subset: 2", "subset: 0", "6:81 E-RANGE", "at least 1"),
            ("P1", "subset: 2", "subset: 3", "6:81 W-UNUSED", "only 3 instances"),
            ("P1", "subset: 2", "subset: 2 by=zone", "6:81 E-TYPE", "`2 by=key`"),
            ("P1", "elsewhere: true", "elsewhere: maybe", "4:95 E-TYPE", "maybe"),
            ("P1", "to: lb, timeout", "to: db, timeout", "4:95 E-CONFLICT", "the key of a request"),
            (
                "P1",
                "subset: 2, timeout: 2s}}\n  app: {service: {instances: 3",
                "timeout: 2s}}\n  app: {service: {instances: 1",
                "4:95 W-UNUSED",
                "no other instance",
            ),
        ],
    );
    // Nor does a connection go with what tells requests apart.
    let wired = LB
        .replace("retry: {attempts: 2, elsewhere: true}", "pool: {size: 8, keep: 2}")
        .replace("max_in_flight: 8, queue: 100, wait: 5s, subset: 2", "balance: connection");
    check_in(
        &wired,
        &[
            ("P2", "timeout: 2s", "subset: 2", "6:62 E-CONFLICT", "spread once"),
            ("P2", "timeout: 2s", "max_in_flight: 8", "6:69 E-CONFLICT", "spread once"),
            (
                "P2",
                "keep: 2}",
                "keep: 2}, retry: {attempts: 2, elsewhere: true}",
                "4:121 E-CONFLICT",
                "stays with its instance",
            ),
        ],
    );
}
