//! Clients that send around faults and now and then between them.

use crate::{
    bad_input::check_in,
    design::{design, number, results, results_of},
    faults::close,
};

const RATE: &str = "arrivals: constant(10/s), to: db, timeout: 1s";
const ACTIVE: &str = "active: {before: 10s, after: 10s, control: 10, window: 6s, settle: 1s}";

#[test]
fn what_was_sampled_stands_for_what_was_left_out() {
    // Ten requests a second for 1,000 s; all that come in 100 s .. 110 s fail.
    let fault = "{id: f, at: 100s, for: 10s, errors: {node: db, fraction: 100%}}";
    let run = |more: &str| {
        let client = format!("{RATE}{more}");
        results("1000s", &client, "db: {external: {latency: 1ms}}", fault)
    };
    let (all, some) = (run(""), run(&format!(", {ACTIVE}")));
    assert!((number(&all, "summary.availability") - 0.99).abs() < 1e-5);
    // 30 s around the fault and ten windows of 6 s were sent; 29 s and fifty of these count.
    assert!((number(&some, "summary.requests.issued") - 900.0).abs() <= 2.0);
    assert_eq!(number(&some, "summary.requests.error"), 100.0);
    close(number(&some, "clients.load.active"), 0.09);
    for figure in ["availability", "attempts_per_request", "latency.mean", "latency.p99"] {
        let (all, some) = (
            number(&all, &format!("summary.{figure}")),
            number(&some, &format!("summary.{figure}")),
        );
        assert!((some / all - 1.0).abs() < 2e-4, "{figure}: {some}, {all}");
    }
    for figure in ["goodput", "throughput"] {
        let (all, some) = (
            number(&all, &format!("summary.{figure}")),
            number(&some, &format!("summary.{figure}")),
        );
        assert!((some / all - 1.0).abs() < 5e-3, "{figure}: {some}, {all}");
    }
    // Targets see the same as results.
    close(number(&some, "faults.0.availability_during"), 0.0);
}

#[test]
fn latencies_weigh_as_much_as_the_time_they_stand_for() {
    // Two in a hundred seconds are ten times slower.
    let fault = "{id: f, at: 20s, every: 100s, for: 2s, slow: {node: db, factor: 10}}";
    let run = |more: &str| {
        let client = format!("arrivals: poisson(100/s), to: db{more}");
        results("2000s", &client, "db: {service: {cores: 1, work: 1ms}}", fault)
    };
    let some = run(", active: {before: 1s, after: 2s, control: 100, window: 2s, settle: 500ms}");
    let all = run("");
    for (figure, tolerance) in [("mean", 0.2), ("p50", 0.01), ("p90", 0.1), ("p99", 0.25)] {
        let path = format!("summary.latency.{figure}");
        let (some, all) = (number(&some, &path), number(&all, &path));
        assert!((some / all - 1.0).abs() < tolerance, "{figure}: {some}, {all}");
    }
    let share = number(&some, "clients.load.active");
    assert!((share - (20.0 * 5.0 + 100.0 * 2.0) / 2000.0).abs() < 0.01, "{share}");
}

#[test]
fn months_of_failures_come_out_as_theory_says() {
    // Each of two servers is down for a part u of the time, and nobody is told: of the requests, that
    // part fails (semantics 36). What was sent fails far more often.
    let client = "arrivals: poisson(1/s), to: api, timeout: 1s, \
                  active: {before: 1m, after: 1m, control: 40, window: 1m}";
    let fault = "{id: wear, crash: {node: api}, mtbf: exp(mean=10d), mttr: exp(mean=2h)}";
    let found =
        results_of(&design("200d", client, "api: {service: {instances: 2, work: 1ms}}", fault), 3);
    let down = 1.0 - number(&found, "nodes.api.instances.mean") / 2.0;
    let failed = 1.0 - number(&found, "summary.availability");
    assert!((0.004..0.013).contains(&down), "{down}");
    assert!((failed / down - 1.0).abs() < 0.05, "{failed} of requests, {down} of the time");
    let pooled =
        number(&found, "summary.requests.timeout") / number(&found, "summary.requests.issued");
    assert!(pooled > 0.4, "{pooled}");
}

#[test]
fn without_a_fault_in_a_replication_windows_stand_for_all_of_it() {
    let fault = "{id: f, at: 100s, for: 10s, probability: 0%, errors: {node: db, fraction: 100%}}";
    let client = format!("{RATE}, {ACTIVE}");
    let found = results("1000s", &client, "db: {external: {latency: 1ms}}", fault);
    close(number(&found, "summary.availability"), 1.0);
    assert!((number(&found, "summary.goodput") - 10.0).abs() < 0.05);
}

#[test]
fn it_is_checked() {
    const FAULTY: &str = "\
windtunnel: 1
name: faulty
duration: 100s
clients: {load: {arrivals: poisson(9/s), to: a, active: {before: 1s, after: 1s, control: 5, window: 2s}}}
nodes: {a: {service: {cores: 1, work: 1ms}}}
faults: [{id: f, at: 1s, for: 1s, crash: {node: a}}]
";
    const ACTIVE: &str = "active: {before";
    check_in(
        FAULTY,
        &[
            ("B59", "control: 5", "control: 0", "4:90 E-RANGE", "between 1 and 100k"),
            (
                "B59",
                "window: 2s",
                "window: 2s, settle: 2s",
                "4:101 E-CONFLICT",
                "nothing of a window",
            ),
            ("B59", "window: 2s", "window: 200s", "4:101 E-RANGE", "longer than the run"),
            ("B26", "before: 1s", "before: 1", "4:66 E-UNIT", "unit"),
            ("B17", "before: 1s, ", "", "4:49 E-MISSING", "before"),
            ("B16", ACTIVE, "active: {foo: 1s, before", "4:58 E-UNKNOWN-KEY", "foo"),
            (
                "B58",
                "faults: [{id: f, at: 1s, for: 1s, crash: {node: a}}]\n",
                "",
                "4:49 E-CONFLICT",
                "no faults",
            ),
            (
                "B58",
                "arrivals: poisson(9/s)",
                "arrivals: closed(users=9 think=1s)",
                "4:61 E-CONFLICT",
                "sampled in time",
            ),
            (
                "B58",
                "work: 1ms",
                "endpoints: {default: [{mark: x}]}",
                "4:49 E-UNSUPPORTED",
                "not supported yet",
            ),
        ],
    );
}

#[test]
fn centuries_of_all_runs_together_are_counted() {
    // Four runs of 164 years are more than 2^64 ns.
    let client = "arrivals: constant(0.00001/s), to: db";
    let text = design("60000d", client, "db: {service: {cores: 1, work: 1ms}}", "");
    let found = results_of(&text, 4);
    close(number(&found, "summary.availability"), 1.0);
    assert!((number(&found, "nodes.db.throughput") - 1e-5).abs() < 1e-8, "{}", found["nodes"]);
}

#[test]
fn next_to_nothing_is_as_good_as_nothing() {
    for arrivals in ["constant(9/s)", "poisson(9/s)", "renewal(erlang(k=2 mean=1s))"] {
        for load in ["0", "0.0000000000000001"] {
            let client = format!("arrivals: {arrivals}, to: db, load: {load}");
            let found = results("60s", &client, "db: {service: {cores: 1, work: 1ms}}", "");
            assert_eq!(number(&found, "summary.requests.issued"), 0.0, "{arrivals} {load}");
        }
    }
}
