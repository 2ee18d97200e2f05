//! Connections with two ends: who closes one, what becomes of a call that is sent into that, and what opening one costs.

use serde_json::Value;

use crate::{
    bad_input::{check_in, told},
    design::{number, results_of},
};

/// A gateway that calls a service by a pool; a trip takes so long.
fn proxied(trip: &str, rate: &str, pool: &str, app: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: proxied\nduration: 20000s\nnetwork: {{same_zone: {trip}, internet: 0s}}\n\
         clients: {{load: {{arrivals: {rate}, to: gateway}}}}\n\
         nodes:\n  gateway: {{service: {{endpoints: {{default: [{{call: app}}]}}, \
         dependencies: {{app: {{pool: {pool}, timeout: 10s}}}}}}}}\n\
         \x20 app: {{service: {{{app}}}}}\n{rest}"
    )
}

/// A twin of a pool of one connection: resets per call, and set-ups per call.
fn twin(rate: f64, trip: f64, keep_alive: f64) -> (f64, f64) {
    let (mut seed, mut now, mut free) = (7u64, 0.0f64, 0.0f64);
    let mut unit = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    let (calls, mut resets, mut setups) = (400_000, 0.0, 0.0);
    // When the far end last said something on the connection.
    let mut said: Option<f64> = None;
    for _ in 0..calls {
        now -= unit().ln() / rate;
        let start = now.max(free);
        if said.is_some_and(|said| start >= said + keep_alive + trip) {
            said = None;
        }
        match said {
            None => {
                setups += 1.0;
                said = Some(start + 3.0 * trip);
                free = start + 4.0 * trip;
            }
            Some(last) if start + trip > last + keep_alive => {
                resets += 1.0;
                said = None;
                free = start + 2.0 * trip;
            }
            Some(_) => {
                said = Some(start + trip);
                free = start + 2.0 * trip;
            }
        }
    }
    (resets / f64::from(calls), setups / f64::from(calls))
}

#[test]
fn the_race_of_closing_is_lost_less_often_the_more_there_is_to_do() {
    let mut before = f64::INFINITY;
    for rate in [1.0, 2.0, 4.0, 6.0] {
        let app = "keep_alive: 1s, work: 0s";
        let text = proxied("20ms", &format!("poisson({rate}/s)"), "1", app, "");
        let found = results_of(&text, 4);
        let pool = &found["nodes"]["gateway"]["pools"]["app"];
        let (resets, setups) = (number(pool, "resets"), number(pool, "setups"));
        let twin = twin(rate, 0.02, 1.0);
        let near = |found: f64, twin: f64| {
            // Counts of independent events, of both programs.
            let spread = 4.0 * (twin * rate / 80_000.0 + twin * rate * rate / 400_000.0).sqrt();
            assert!((found - twin * rate).abs() < spread, "{found} {} {spread}", twin * rate);
        };
        near(resets, twin.0);
        near(setups, twin.1);
        let share = resets / rate;
        assert!(share < before, "{share} at {rate}/s");
        before = share;
        let failed = number(&found, "summary.requests.error") / 80_000.0;
        assert!((failed - resets).abs() < 1e-3, "{failed} {resets}");
    }
}

#[test]
fn who_closes_first_meets_no_reset() {
    let app = "keep_alive: 1s, work: 0s";
    let text = proxied("20ms", "poisson(1/s)", "{size: 1, idle: 900ms}", app, "");
    let found = results_of(&text, 1);
    assert_eq!(number(&found, "nodes.gateway.pools.app.resets"), 0.0);
    assert!(number(&found, "nodes.gateway.pools.app.setups") > 0.3);
    assert_eq!(number(&found, "summary.availability"), 1.0);
}

#[test]
fn opening_one_takes_its_round_trips_and_its_work() {
    let pool = "{size: 4, setup: {time: 3ms, round_trips: 2, work: 5ms}, keep: 0}";
    let text = proxied("1ms", "constant(10/s)", pool, "cores: 1, work: 2ms", "");
    let found = results_of(&text.replace("20000s", "100.05s"), 1);
    // To the gateway and back nothing; 3 ms, two trips there and back, 5 ms of login; the call itself there and back, 2 ms.
    let latency = number(&found, "summary.latency.mean");
    assert!((latency - 0.016).abs() < 1e-9, "{latency}");
    let waits = number(&found, "nodes.gateway.pools.app.waiting_time.mean");
    assert!((waits - 0.012).abs() < 1e-9, "{waits}");
    assert_eq!(number(&found, "nodes.gateway.pools.app.wait_probability"), 1.0);
    // The login is work of the service, and no visit.
    let busy = number(&found, "nodes.app.utilisation");
    assert!((busy - 0.07).abs() < 1e-3, "{busy}");
    assert_eq!(number(&found, "nodes.app.outcomes.ok"), 1000.0);
    let kept = text.replace(", keep: 0", "").replace("20000s", "100.05s");
    let found = results_of(&kept, 1);
    let latency = number(&found, "summary.latency.mean");
    assert!((latency - 0.004 - 0.012 / 1000.0).abs() < 1e-9, "{latency}");
}

#[test]
fn clients_have_pools_too() {
    let text = "windtunnel: 1\nname: direct\nduration: 100.05s\nnetwork: {internet: 10ms}\n\
                clients: {load: {arrivals: constant(10/s), to: app, pool: {size: 2, keep: 0}}}\n\
                nodes: {app: {service: {instances: 3, work: 1ms}}}\n";
    let found = results_of(text, 1);
    let pool = &found["clients"]["load"]["pools"]["app"];
    assert!((number(pool, "setups") * 100.05 - 1000.0).abs() < 1e-6);
    assert!((number(pool, "waiting_time.mean") - 0.02).abs() < 1e-9);
    // Each goes to an instance of its own, as calls without a pool do.
    let bare = results_of(&text.replace(", pool: {size: 2, keep: 0}", ""), 1);
    let shares = |found: &Value| {
        let share = |i| number(found, &format!("nodes.app.per_instance.{i}.keys_share"));
        [share(0), share(1), share(2)]
    };
    for (wired, bare) in shares(&found).into_iter().zip(shares(&bare)) {
        assert!((wired - 1.0 / 3.0).abs() < 0.06 && (bare - 1.0 / 3.0).abs() < 0.06);
    }
}

#[test]
fn one_carries_as_many_calls_as_it_has_streams() {
    let pool = "{size: 1, streams: 100}";
    let text = proxied("1ms", "constant(1000/s)", pool, "endpoints: {default: [{wait: 50ms}]}", "");
    let found = results_of(&text.replace("20000s", "10s"), 1);
    assert_eq!(number(&found, "nodes.gateway.pools.app.setups") * 10.0, 1.0);
    // Who comes while it is being opened waits for that, nobody else does.
    let waits = number(&found, "nodes.gateway.pools.app.wait_probability");
    assert!((waits - 2.0 / 10_000.0).abs() < 1.5e-4, "{waits}");
    let latency = number(&found, "summary.latency.max");
    assert!((latency - 0.054).abs() < 1e-9, "{latency}");
}

#[test]
fn too_many_connections_are_refused_and_idle_ones_count() {
    // Three gateways with up to five each, at a service that takes twelve.
    let app = "limits: {connections: 12}, endpoints: {default: [{wait: 200ms}]}";
    let text = proxied("1ms", "poisson(60/s)", "{size: 5, wait: 1s}", app, "")
        .replace("gateway: {service: {", "gateway: {service: {instances: 3, ")
        .replace("20000s", "200s");
    let found = results_of(&text, 1);
    let refused = number(&found, "nodes.app.causes.too_many_connections");
    assert!(refused > 100.0, "{refused}");
    let roomy = results_of(&text.replace("connections: 12", "connections: 15"), 1);
    assert!(roomy["nodes"]["app"]["causes"].get("too_many_connections").is_none());
    // The others hold theirs though they do nothing.
    let ok = |found: &Value| number(found, "summary.requests.ok");
    assert!(ok(&found) < ok(&roomy));
    // Without a pool each call has one of its own while it is inside.
    let bare = text.replace("pool: {size: 5, wait: 1s}, ", "").replace("60/s", "40/s");
    let found = results_of(&bare, 1);
    // Erlang's formula: 8 wanted, 12 there.
    let blocked = number(&found, "nodes.app.causes.too_many_connections") / 8000.0;
    assert!((blocked - 0.0514).abs() < 0.012, "{blocked}");
}

#[test]
fn a_process_that_ends_resets_its_connections_and_a_host_does_not() {
    let gone = |how: &str| {
        let fault =
            format!("faults: [{{id: gone, at: 50.5s, for: 10s, crash: {{node: app{how}}}}}]\n");
        let text = proxied("1ms", "constant(1/s)", "{size: 1, keep: 1}", "work: 1ms", &fault);
        results_of(&text.replace("20000s", "100.2s").replace("timeout: 10s", "timeout: 500ms"), 1)
    };
    let process = gone(", process: true");
    // Refused for ten seconds, then a new connection; the old one was known to be gone.
    assert_eq!(number(&process, "summary.requests.error"), 10.0);
    assert_eq!(number(&process, "nodes.gateway.pools.app.resets"), 0.0);
    let host = gone("");
    // Silence: each call times out, the first on its connection, the others as they open one.
    assert_eq!(number(&host, "summary.requests.error"), 10.0);
    assert_eq!(number(&host, "nodes.gateway.causes.call_timeout"), 1.0);
    assert_eq!(number(&host, "nodes.gateway.causes.connect_timeout"), 9.0);
    // A reboot nobody noticed: who calls on what was open before meets a reset.
    let fault = "faults: [{id: gone, at: 50.2s, for: 100ms, crash: {node: app}}]\n";
    let text = proxied("1ms", "constant(1/s)", "{size: 1, keep: 1}", "work: 1ms", fault);
    let found = results_of(&text.replace("20000s", "100.2s"), 1);
    assert_eq!(number(&found, "nodes.gateway.pools.app.resets") * 100.2, 1.0);
    assert_eq!(number(&found, "summary.requests.error"), 1.0);
}

#[test]
fn a_balancer_of_layer_4_gives_a_new_instance_nothing_until_connections_age() {
    let text = |age: &str, policy: &str| {
        format!(
            "windtunnel: 1\nname: pinned\nduration: 500s\nwarm_up: 150s\nnetwork: {{same_zone: 1ms}}\n\
             clients: {{load: {{arrivals: constant(80/s), to: gateway}}}}\n\
             nodes:\n  gateway: {{service: {{instances: 8, calls: [lb], dependencies: {{lb: {{timeout: 1s, pool: {{size: 1, streams: 100{age}}}}}}}}}}}\n\
             \x20 lb: {{load_balancer: {{to: app, balance: connection, policy: {policy}, health_check: {{detect: 1s}}}}}}\n\
             \x20 app: {{service: {{instances: 2, work: 1ms}}}}\n\
             faults: [{{id: late, at: 0s, for: 100s, crash: {{node: app, instances: [1], process: true}}}}]\n"
        )
    };
    let shares = |text: &str| {
        let found = results_of(text, 1);
        assert_eq!(number(&found, "summary.availability"), 1.0);
        assert_eq!(number(&found, "nodes.lb.outcomes.ok"), number(&found, "nodes.app.outcomes.ok"));
        number(&found, "nodes.app.per_instance.1.throughput") / 80.0
    };
    assert_eq!(shares(&text("", "round_robin")), 0.0);
    let aged = shares(&text(", max_age: uniform(20s 40s)", "least_requests"));
    assert!((aged - 0.5).abs() < 0.05, "{aged}");
    // Each request by itself finds the newcomer at once.
    let each = text("", "round_robin").replace("balance: connection, ", "");
    assert!((shares(&each) - 0.5).abs() < 1e-3);
}

#[test]
fn ports_that_linger_are_the_end_of_connections_per_second() {
    // 2,800 ports, each taken for a minute: 46.7 a second, of 60 that come.
    let pool = "{size: 100, keep: 0, linger: 60s, ports: 2800}";
    let text = proxied("1ms", "constant(60/s)", pool, "work: 1ms", "").replace("20000s", "360s");
    let found = results_of(&text.replace("name:", "warm_up: 60s\nname:"), 1);
    let ok = number(&found, "summary.goodput");
    assert!((ok - 2800.0 / 60.0).abs() < 0.2, "{ok}");
    let refused = number(&found, "nodes.gateway.causes.no_free_port") / 300.0;
    assert!((refused + ok - 60.0).abs() < 0.1, "{refused}");
    // Those that are kept take one port each, and none linger.
    let kept = results_of(&text.replace("keep: 0, ", ""), 1);
    assert_eq!(number(&kept, "summary.availability"), 1.0);
    // Nor does one that the far end closes first take a port here.
    let far = text.replace("keep: 0, ", "").replace("work: 1ms", "work: 1ms, keep_alive: 5ms");
    let found = results_of(&far, 1);
    assert!(number(&found, "nodes.gateway.pools.app.setups") > 50.0);
    assert!(found["nodes"]["gateway"]["causes"].get("no_free_port").is_none());
}

#[test]
fn logins_nobody_waits_for_feed_on_themselves_unless_few_are_opened_at_once() {
    // Work of 5 ms a hundred times a second; a login takes ten times as much.
    let text = |size: u64| {
        let pool = format!("{{size: {size}, setup: {{work: 50ms}}}}");
        let fault = "faults: [{id: stall, at: 20s, for: 2s, pause: {node: app}}]\n";
        proxied("1ms", "poisson(100/s)", &pool, "cores: 1, work: 5ms", fault)
            .replace("20000s", "120s")
            .replace("timeout: 10s", "timeout: 300ms")
            .replace("name:", "warm_up: 60s\nname:")
    };
    let goodput = |size| number(&results_of(&text(size), 1), "summary.goodput");
    // It does nothing but logins that come too late.
    assert!(goodput(50) < 1.0, "{}", goodput(50));
    assert!(goodput(4) > 95.0, "{}", goodput(4));
}

/// Ten pods of a hundred requests a second each, deployed one by one.
fn rollout(how: &str) -> Value {
    let text = format!(
        "windtunnel: 1\nname: rollout\nduration: 200.005s\n\
         clients: {{load: {{arrivals: constant(1000/s), to: lb}}}}\n\
         nodes:\n  lb: {{load_balancer: {{to: api}}}}\n  api: {{service: {{instances: 10, workers: 50, boot: 5s, work: 10ms}}}}\n\
         faults: [{{id: roll, at: 10s, deploy: {{node: api, batch: 1{how}}}}}]\n"
    );
    results_of(&text, 1)
}

#[test]
fn a_deployment_loses_what_balancers_send_before_they_hear_of_it() {
    let lost = |how: &str| number(&rollout(how), "summary.requests.error");
    assert_eq!(lost(", drain: 3s"), 0.0);
    // Two seconds of a hundred a second at each of ten.
    let found = rollout(", drain: 3s, notice: 2s");
    assert_eq!(number(&found, "summary.requests.error"), 2000.0);
    assert_eq!(number(&found, "nodes.api.causes.connection_refused"), 2000.0);
    assert_eq!(lost(", drain: 3s, notice: 2s, before_stop: 5s"), 0.0);
    // What is missing of it is lost: half a second each.
    assert_eq!(lost(", drain: 3s, notice: 2s, before_stop: 1500ms"), 500.0);
    // Drain counts from the stop: what takes longer than that is lost, too.
    let ended = |how: &str| number(&rollout(how), "faults.0.ended");
    assert_eq!(ended(", drain: 3s") + 50.0, ended(", drain: 3s, notice: 2s, before_stop: 5s"));
    assert_eq!(ended(", drain: 3s"), ended(", drain: 3s, notice: 2s"));
}

#[test]
fn what_is_inside_when_an_instance_closes_is_answered() {
    let roll =
        "faults: [{id: roll, at: 10.02s, deploy: {node: app, batch: 1, drain: 1s, notice: 0s}}]\n";
    let text = proxied(
        "1ms",
        "constant(10/s)",
        "{size: 9, keep: 9}",
        "boot: 1s, endpoints: {default: [{wait: 500ms}]}",
        roll,
    );
    let found = results_of(&text.replace("20000s", "20.05s"), 1);
    // Two seconds in which nobody is let in; the five inside are answered, as they had a second.
    assert_eq!(number(&found, "nodes.app.causes.connection_refused"), 20.0);
    assert_eq!(number(&found, "summary.requests.error"), 20.0);
    assert_eq!(number(&found, "nodes.gateway.pools.app.resets"), 0.0);
}

const WIRED: &str = "\
windtunnel: 1
name: wired
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: app}}
nodes:
  app: {service: {calls: [db], dependencies: {db: {timeout: 1s, pool: {size: 9, setup: {round_trips: 2, work: 1ms}}}}}}
  db: {service: {instances: 2, keep_alive: 5s, limits: {connections: 20}}}
  lb: {load_balancer: {to: db}}
  memo: {cache: {capacity: 9}}
faults: [{id: roll, at: 9s, deploy: {node: db, drain: 1s, notice: 2s, before_stop: 5s}}]
";

#[test]
fn connections_are_checked() {
    let good =
        WIRED.replace("  lb: {load_balancer: {to: db}}\n  memo: {cache: {capacity: 9}}\n", "");
    assert_eq!(told(good.as_bytes()), Vec::<String>::new());
    check_in(
        &good,
        &[
            ("B50", "round_trips: 2", "round_trips: 0", "6:102 E-RANGE", "at least 1"),
            ("B50", "round_trips: 2", "round_trips: 101", "6:102 E-BUDGET", "limit of 100"),
            ("B16", "round_trips: 2", "round_trip: 2", "6:89 E-UNKNOWN-KEY", "round_trips"),
            ("B50", "work: 1ms", "work: 1", "6:111 E-UNIT", "1"),
            ("B50", "size: 9, ", "size: 9, keep: 10, ", "6:87 E-CONFLICT", "never more than 9"),
            ("B50", "size: 9, ", "size: 9, keep: 1s, ", "6:87 E-UNIT", "multiple"),
            ("B50", "size: 9, ", "size: 9, streams: 0, ", "6:90 E-RANGE", "at least 1"),
            ("B50", "size: 9, ", "size: 9, linger: 60s, ", "6:89 E-CONFLICT", "ports"),
            ("B50", "size: 9, ", "size: 9, ports: 0, ", "6:88 E-RANGE", "at least 1"),
            ("B50", "size: 9, ", "size: 9, max_age: old, ", "6:90 E-TYPE", "old"),
            ("B50", "connections: 20", "connections: 0", "7:70 E-RANGE", "at least 1"),
            ("B50", "keep_alive: 5s", "keep_alive: 5", "7:44 E-UNIT", "5"),
        ],
    );
}

#[test]
fn where_connections_end_is_checked() {
    let whole = WIRED
        .replace("calls: [db]", "calls: [db, lb]")
        .replace("{timeout: 1s, pool", "{timeout: 1s}, lb: {timeout: 1s, pool");
    let of = |old: &str, new: &str| told(whole.replace(old, new).as_bytes());
    let met = |told: Vec<String>, code: &str, phrase: &str| {
        assert!(told.iter().any(|line| line.contains(code) && line.contains(phrase)), "{told:#?}");
    };
    met(of("{to: db}", "{to: db, balance: stream}"), "E-ENUM", "connection");
    met(of("{to: db}", "{to: memo, balance: connection}"), "E-CONFLICT", "where none can end");
    let cached = whole
        .replace("calls: [db, lb]", "calls: [db, memo]")
        .replace(" lb: {timeout", " memo: {timeout");
    met(told(cached.as_bytes()), "E-CONFLICT", "no instances that know of connections");
    let still = whole.replace("drain: 1s", "restart: false, drain: 1s");
    met(told(still.as_bytes()), "10:71 E-CONFLICT", "nothing stops");
    let scaled = whole.replace("{instances: 2,", "{autoscale: {min: 2, max: 4, target: 50%},");
    met(told(scaled.as_bytes()), "E-CONFLICT", "come and go");
}
