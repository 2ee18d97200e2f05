//! When faults come, again and again.

use serde_json::Value;

use crate::{
    bad_input::check_in,
    design::{design, number, results, results_of},
    faults::{FAULTY, close},
};

#[test]
fn what_comes_every_so_often_comes_so_often() {
    // Ten requests a second for 60 s; all that come in 5 .. 6 s, 15 .. 16 s, ... fail.
    let run = |when: &str| {
        let fault = format!("{{id: f, {when}, for: 1s, errors: {{node: db, fraction: 100%}}}}");
        results(
            "60.05s",
            "arrivals: constant(10/s), to: db",
            "db: {external: {latency: 1ms}}",
            &fault,
        )
    };
    let found = run("every: 10s, at: 4950ms");
    assert_eq!(number(&found, "summary.requests.error"), 6.0 * 10.0);
    assert_eq!(number(&found, "faults.0.occurrences"), 6.0);
    close(number(&found, "faults.0.started"), 4.95);
    close(number(&found, "faults.0.availability_during"), 0.0);
    close(number(&found, "faults.0.availability_after"), 1.0);
    // Without `at` after one period.
    assert_eq!(number(&run("every: 25s"), "faults.0.occurrences"), 2.0);
}

#[test]
fn periods_are_checked() {
    const WHEN: &str = "at: 1s, for: 1s";
    const C: &str = "for: 1s, crash: {node: a}";
    check_in(
        FAULTY,
        &[
            ("B55", WHEN, "every: 0s, for: 1s", "13:20 E-FAULT-TIME", "above 0"),
            ("B55", WHEN, "every: 1s, for: 1s", "13:20 E-FAULT-TIME", "before it is over"),
            ("B55", WHEN, "every: 1s, at: 1s", "13:20 E-FAULT-TIME", "never ends"),
            ("B55", WHEN, "every: 100s, for: 1s", "13:20 E-FAULT-TIME", "when the run is over"),
            ("B55", "at: 1s", "every: 9s, mtbf: 1s, mttr: 1s", "13:6 E-FAULT-TIME", "again"),
            ("B53", WHEN, "every: 2ns, for: 1ns", "13:20 E-BUDGET", "more than"),
            (
                "B55",
                C,
                "every: 5s, for: 1s, load: {client: load, factor: 2}",
                "13:28 E-FAULT-TIME",
                "comes once",
            ),
        ],
    );
}

/// Three instances that all fail after 10 s and take 4 s to repair, in 40 s; two are needed.
const WORN: &str = "a: {service: {instances: 3, need: 2, cores: 1, work: 1ms}}";

#[test]
fn what_fails_waits_for_a_crew() {
    let run = |crews: &str| {
        let fault = format!("{{id: wear, crash: {{node: a}}, mtbf: 10s, mttr: 4s{crews}}}");
        results("40s", "arrivals: constant(1/s), to: a", WORN, &fault)
    };
    let check = |found: &Value, down: f64, short: f64, outages: f64| {
        close(number(found, "nodes.a.instances.mean"), 3.0 - down / 40.0);
        close(number(found, "nodes.a.availability_time"), 1.0 - short / 40.0);
        close(number(found, "summary.availability_time"), 1.0 - short / 40.0);
        let year = 365.0 * 86_400.0;
        close(number(found, "nodes.a.outages_per_year"), outages * year / 40.0);
        close(number(found, "summary.outages_per_year"), outages * year / 40.0);
        close(number(found, "nodes.a.instances.min"), 0.0);
        close(number(found, "nodes.a.instances.max"), 3.0);
    };
    // All at once: down in 10 .. 14, 24 .. 28, 38 .. 40.
    for enough in ["", ", crews: 3", ", crews: 9"] {
        check(&run(enough), 3.0 * 10.0, 10.0, 3.0);
    }
    // One after the other: the first is up again at 14, the second at 18, the third at 22; each fails
    // 10 s later and is the only one then: down in 24 .. 28, 28 .. 32, 32 .. 36, and 38 .. 40.
    check(&run(", crews: 1"), 4.0 + 8.0 + 12.0 + 3.0 * 4.0 + 2.0, 8.0, 1.0);
    // Two and one: up at 14, 14 and 18; down in 24 .. 28 (two), 28 .. 32 and 38 .. 40 (two).
    check(&run(", crews: 2"), 4.0 + 4.0 + 8.0 + 2.0 * 4.0 + 4.0 + 2.0 * 2.0, 4.0 + 4.0 + 2.0, 3.0);
}

#[test]
fn who_boots_after_a_repair_is_out_once() {
    // Down from 10 to 12 s, booting until 15 s.
    let nodes = "a: {service: {cores: 1, work: 1ms, boot: 3s}}";
    let fault = "{id: f, at: 10s, for: 2s, crash: {node: a}}";
    let found = results("40s", "arrivals: constant(1/s), to: a, timeout: 500ms", nodes, fault);
    close(number(&found, "nodes.a.availability_time"), 35.0 / 40.0);
    let year = 365.0 * 86_400.0;
    close(number(&found, "nodes.a.outages_per_year"), year / 40.0);
    close(number(&found, "summary.outages_per_year"), year / 40.0);
}

#[test]
fn what_a_design_can_do_without_does_not_count() {
    let fault = "{id: f, at: 10s, for: 10s, crash: {node: b}}";
    let run = |need: &str| {
        let nodes = format!("{WORN}, b: {{service: {{{need}cores: 1, work: 1ms}}}}");
        let nodes = nodes.replace("work: 1ms}}, b", "work: 1ms, calls: [b]}}, b");
        results("40s", "arrivals: constant(1/s), to: a, timeout: 500ms", &nodes, fault)
    };
    let found = run("");
    close(number(&found, "summary.availability_time"), 0.75);
    close(number(&found, "nodes.a.availability_time"), 1.0);
    close(number(&found, "summary.availability"), 29.0 / 39.0);
    let found = run("need: 0, ");
    close(number(&found, "summary.availability_time"), 1.0);
    close(number(&found, "nodes.b.instances.mean"), 0.75);
}

#[test]
fn a_zone_fails_as_a_whole() {
    let text = design(
        "20000s",
        "arrivals: constant(1/s), to: a",
        "a: {service: {zones: {x: 3}, cores: 1, work: 1ms}}",
        "{id: z, crash: {zone: x}, mtbf: exp(mean=90s), mttr: exp(mean=10s)}",
    );
    let found = results_of(&(text + "topology: {regions: {east: [x]}}\n"), 2);
    // Were each apart, all three would be down for a thousandth of the time.
    assert!((number(&found, "nodes.a.availability_time") - 0.9).abs() < 0.02);
}

#[test]
fn crews_and_needs_are_checked() {
    const WHEN: &str = "at: 1s, for: 1s";
    check_in(
        FAULTY,
        &[
            ("B55", WHEN, "mtbf: 9s, mttr: 1s, crews: 0", "13:40 E-FAULT", "ever be repaired"),
            ("B55", WHEN, "at: 1s, for: 1s, crews: 1", "13:37 E-FAULT", "nothing to repair"),
            ("B55", WHEN, "mtbf: 9s, mttr: 1s, group: g, crews: 1", "13:50 E-FAULT", "as one"),
            ("B25", "cores: 1", "need: 4, cores: 1", "7:37 E-RANGE", "only 3 instances"),
        ],
    );
}

#[test]
fn what_is_undecided_in_the_end_has_not_recovered() {
    // From 20 s on every request waits for its timeout of 8 s; of those of the last 8 s only the few to
    // `well` are decided.
    let text = "\
windtunnel: 1
name: undecided
duration: 60s
clients:
  load: {arrivals: constant(90/s), to: ill, timeout: 8s}
  few: {arrivals: constant(10/s), to: well}
nodes:
  ill: {external: {latency: 1ms}}
  well: {external: {latency: 1ms}}
faults:
  - {id: f, at: 20s, for: 10s, partition: {between: [[load], [ill]]}}
  - {id: g, at: 30s, partition: {between: [[load], [ill]]}}
";
    let found = results_of(text, 1);
    let series: Vec<Option<f64>> =
        serde_json::from_value(found["series"]["clients"]["all"]["availability"].clone()).unwrap();
    assert_eq!(series.first(), Some(&Some(1.0)));
    assert_eq!(series.last(), Some(&None), "a tenth is decided");
    let worst = series.iter().flatten().copied().fold(1.0, f64::min);
    close(worst, 0.1);
    assert!(found["faults"][1]["time_to_recover"]["value"].is_null());
}

#[test]
fn what_goes_wrong_with_a_later_load_is_not_the_fault_s() {
    // A pause of 2 s is forgotten soon; 40 s later twice as much is asked as can be done.
    let run = |load: &str| {
        let client = format!("arrivals: poisson(50/s), to: api, timeout: 500ms, load: [{load}]");
        let api = "api: {service: {cores: 1, work: exp(mean=10ms)}}";
        results("200s", &client, api, "{id: stall, at: 60s, for: 2s, pause: {node: api}}")
    };
    let later = run("{at: 100s, factor: 4}");
    assert_eq!(later["faults"][0]["metastable"], false, "{}", later["faults"][0]);
    assert!(number(&later, "faults.0.goodput_returned") > 0.95);
    assert!(number(&later, "faults.0.availability_after") < 0.6, "it counts all that came after");
    // If it never came back before, what comes later does not excuse it.
    let at_once = run("{at: 61s, factor: 4}");
    assert_eq!(at_once["faults"][0]["metastable"], true, "{}", at_once["faults"][0]);
}
