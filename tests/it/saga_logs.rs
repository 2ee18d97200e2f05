//! Sagas with a log: what it costs, and what a restarted orchestrator does with it.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// A trip is booked in parts, by an instance that stands 1 ms from everything; 1,900 trips, ten a second.
fn trips(step: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: trips\nduration: 220s\nseed: 5\nnetwork: {{same_zone: 1ms}}\n\
         clients: {{users: {{arrivals: constant(10/s), keys: uniform(n=1000), load: [{{at: 0s, factor: 1}}, {{at: 190.05s, factor: 0}}], timeout: 5s, to: trips}}}}\n\
         nodes:\n  trips: {{service: {{workers: 1000, endpoints: {{default: [{step}]}}, \
         dependencies: {{hotel: {{timeout: 100ms}}, unhotel: {{timeout: 100ms}}, flight: {{timeout: 100ms}}, unflight: {{timeout: 100ms}}, progress: {{timeout: 100ms}}}}}}}}\n\
         \x20 hotel: {{service: {{cores: 50, work: 5ms}}}}\n  unhotel: {{service: {{cores: 50, work: 3ms}}}}\n\
         \x20 flight: {{service: {{cores: 50, work: 7ms}}}}\n  unflight: {{service: {{cores: 50, work: 2ms}}}}\n\
         \x20 progress: {{store: {{read: 1ms, write: 4ms, cores: 50}}}}\n{rest}\n"
    )
}

const HOTEL: &str = "{do: [{call: hotel}], undo: [{call: unhotel}]}";
const FLIGHT: &str = "{do: [{call: flight}], undo: [{call: unflight}]}";

/// A saga with a log.
fn logged(parts: &[&str]) -> String {
    format!("{{saga: {{log: progress, steps: [{}]}}}}", parts.join(", "))
}

fn all<const N: usize>(results: &Value, figures: [&str; N]) -> [f64; N] {
    figures.map(|figure| number(results, figure))
}

/// How sagas ended: done, compensated, unfinished, and how often one went on.
fn ends(results: &Value) -> [f64; 4] {
    ["done", "compensated", "unfinished", "resumed"]
        .map(|end| number(results, &format!("nodes.trips.sagas.{end}")))
}

/// Visits that nodes served: hotel, unhotel, flight, unflight.
fn parts(results: &Value) -> [f64; 4] {
    ["hotel", "unhotel", "flight", "unflight"]
        .map(|node| results["nodes"][node]["outcomes"]["ok"].as_f64().unwrap())
}

#[test]
fn each_part_waits_until_the_log_has_it() {
    let time = |text: &str| {
        let found = results_of(text, 1);
        // Every request takes the same.
        let [mean, max] = all(&found, ["summary.latency.mean", "summary.latency.max"]);
        assert!((mean - max).abs() < 1e-9 + 1e-3 * max, "{mean} {max}");
        (mean, number(&found, "nodes.progress.outcomes.ok"))
    };
    let close = |(found, writes): (f64, f64), ms: f64, each: f64| {
        assert!((found - ms / 1e3).abs() < 2e-5, "{found} {ms}");
        assert_eq!(writes, each * 1900.0);
    };
    // There and back to each part, and to the log: that it began, and each part.
    let put = 2.0 + 4.0;
    close(time(&trips(&logged(&[HOTEL, FLIGHT]), "")), 7.0 + 9.0 + 3.0 * put, 3.0);
    // The third part fails after 4 ms: that is put down before anything is undone, and so is each part that is undone.
    let bad = logged(&[HOTEL, FLIGHT, "{do: [{wait: 4ms}, {fail: 100%}]}"]);
    let bad = bad.replace("{saga:", "{optional: true, saga:");
    let undone = (2.0 + 2.0) + (2.0 + 3.0);
    close(time(&trips(&bad, "")), 7.0 + 9.0 + 4.0 + undone + 6.0 * put, 6.0);
    // Nothing was done, which is known as soon as it is put down that it failed.
    let none =
        logged(&["{do: [{wait: 4ms}, {fail: 100%}]}"]).replace("{saga:", "{optional: true, saga:");
    close(time(&trips(&none, "")), 4.0 + 2.0 * put, 2.0);
}

/// Whoever is there 50 ms after somebody came is in the wait of this part.
const LONG: &str = "{do: [{wait: 300ms}, {call: flight}], undo: [{call: unflight}]}";

#[test]
fn a_restarted_orchestrator_goes_on_where_the_log_says() {
    let dies = "faults: [{id: dead, at: 20.05s, every: 20s, for: 1s, crash: {node: trips, process: true}}]";
    let found = results_of(&trips(&logged(&[HOTEL, LONG]), dies), 1);
    let [done, compensated, unfinished, resumed] = ends(&found);
    // Of each crash the three who wait are at it again when the process is back; ten find nobody.
    assert_eq!((resumed, unfinished, compensated), (27.0, 0.0, 0.0));
    assert_eq!(done, 1900.0 - 90.0);
    // Each hotel once, and each flight.
    assert_eq!(parts(&found), [done, 0.0, done, 0.0]);
    // One read for each that went on.
    assert_eq!(number(&found, "nodes.progress.outcomes.ok"), 3.0 * done + 27.0);
    // Those who asked heard of the crash, not of what became of their trip.
    assert_eq!(number(&found, "summary.requests.ok"), done - 27.0);
    // Without a log what was done stays as it is.
    let plain = format!("{{saga: [{HOTEL}, {LONG}]}}");
    let found = results_of(&trips(&plain, dies), 1);
    assert_eq!(number(&found, "nodes.trips.sagas.unfinished"), 27.0);
    assert_eq!(number(&found, "nodes.trips.sagas.done"), done - 27.0);
    let [hotel, _, flight, _] = parts(&found);
    assert_eq!(hotel - flight, 27.0);
    assert!(found["nodes"]["trips"]["sagas"]["resumed"].is_null());
    // A host that never comes back leaves them for good.
    let gone = "faults: [{id: gone, at: 100.05s, crash: {node: trips}}]";
    let found = results_of(&trips(&logged(&[HOTEL, LONG]), gone), 1);
    let [_, _, unfinished, resumed] = ends(&found);
    assert_eq!((unfinished, resumed), (3.0, 0.0));
}

#[test]
fn undoing_goes_on_too_and_nothing_is_done_that_was_being_undone() {
    // All fail after 310 ms, and undoing the flight takes 300 ms from then on: whoever is there 50 ms after somebody came
    // waits in one of the two.
    let flight = "{do: [{call: flight}], undo: [{wait: 300ms}, {call: unflight}]}";
    let fails = "{do: [{wait: 300ms}, {fail: 100%}]}";
    let dies = "faults: [{id: dead, at: 20.05s, every: 20s, for: 1s, crash: {node: trips, process: true}}]";
    let found = results_of(&trips(&logged(&[HOTEL, flight, fails]), dies), 1);
    let [done, compensated, unfinished, resumed] = ends(&found);
    assert_eq!((done, unfinished, compensated), (0.0, 0.0, 1900.0 - 90.0));
    assert!(resumed >= 9.0 * 6.0, "{resumed}");
    let [hotel, unhotel, flight, unflight] = parts(&found);
    assert_eq!((hotel, flight), (compensated, compensated));
    assert_eq!((unhotel, unflight), (compensated, compensated));
}

/// Money that is moved from one bank to another one, each step told to a queue that knows what it had.
fn money(log: &str, rest: &str) -> String {
    let queue = |name: &str| format!("  {name}: {{queue: {{dedupe: 1h}}}}\n");
    let queues: String = ["moved", "unmoved", "received", "unreceived"].map(queue).concat();
    let steps = "{do: [{publish: moved}], undo: [{publish: unmoved}]}, \
        {do: [{wait: exp(mean=100ms)}, {publish: received}], undo: [{wait: exp(mean=100ms)}, {publish: unreceived}]}, \
        {do: [{wait: exp(mean=50ms)}, {fail: 20%}]}";
    let saga = if log.is_empty() {
        format!("{{saga: [{steps}]}}")
    } else {
        format!("{{saga: {{log: {log}, steps: [{steps}]}}}}")
    };
    trips(&saga, &format!("{queues}{rest}"))
}

fn kept(results: &Value) -> (f64, f64) {
    let [moved, unmoved, received, unreceived] = ["moved", "unmoved", "received", "unreceived"]
        .map(|queue| number(results, &format!("nodes.{queue}.published")));
    (moved - unmoved, received - unreceived)
}

#[test]
fn no_saga_stays_half_done_whatever_dies_when() {
    let faults = "faults:\n  \
        - {id: process, mtbf: exp(mean=7s), mttr: exp(mean=300ms), crash: {node: trips, process: true}}\n  \
        - {id: host, mtbf: exp(mean=40s), mttr: exp(mean=2s), crash: {node: trips}}\n  \
        - {id: log, mtbf: exp(mean=30s), mttr: exp(mean=2s), crash: {node: progress}}\n  \
        - {id: slow, mtbf: exp(mean=40s), mttr: exp(mean=3s), slow: {node: progress, factor: 60}}\n";
    let (mut resumed_all, mut half) = (0.0, 0.0);
    for seed in 1..=8 {
        let run = |log: &str| {
            let text = money(log, faults).replace("seed: 5", &format!("seed: {seed}"));
            // Faults end before the run does.
            results_of(&text.replace("duration: 220s", "duration: 400s"), 1)
        };
        let found = run("progress");
        let [done, compensated, unfinished, resumed] = ends(&found);
        assert_eq!(unfinished, 0.0, "seed {seed}");
        assert!(done > 1000.0 && compensated > 200.0, "seed {seed}: {done} {compensated}");
        assert_eq!(kept(&found), (done, done), "seed {seed}");
        resumed_all += resumed;
        let plain = run("");
        let (moved, received) = kept(&plain);
        half += moved - received;
    }
    assert!(resumed_all > 100.0 && half > 50.0, "{resumed_all} {half}");
}

#[test]
fn without_its_log_nothing_begins_and_nothing_goes_on() {
    // The log is silent for 30 s: who began waits for it, and who did not ends as if a part had failed.
    let dead = "faults: [{id: dead, at: 60.05s, for: 30s, crash: {node: progress}}]";
    let found = results_of(&trips(&logged(&[HOTEL, LONG]), dead), 1);
    let [done, compensated, unfinished, resumed] = ends(&found);
    assert_eq!((unfinished, resumed), (0.0, 0.0));
    assert_eq!((done + compensated, compensated), (1900.0, 300.0));
    assert_eq!(parts(&found), [done, 0.0, done, 0.0]);
    assert!(number(&found, "nodes.trips.causes.saga_log") > 300.0 * 10.0);
    // It turns some away: those of them that have not begun fail, of the others it hears later.
    let busy = trips(&logged(&[HOTEL, LONG]), "").replace("constant(10/s)", "poisson(20/s)");
    let found =
        results_of(&busy.replace("write: 4ms, cores: 50", "write: 4ms, cores: 1, queue: 0"), 1);
    let [done, compensated, ..] = ends(&found);
    let [all, failed] = all(&found, ["summary.requests.issued", "summary.requests.error"]);
    assert_eq!((done, compensated, parts(&found)), (all - failed, 0.0, [done, 0.0, done, 0.0]));
    let later = number(&found, "nodes.trips.causes.saga_log");
    assert!(failed > 100.0 && later > 100.0, "{failed} {later}");
}

#[test]
fn what_the_log_has_lost_nobody_knows() {
    // The process dies, and before it is back the store has lost what it held.
    let faults = "faults: [{id: dead, at: 60.05s, for: 2s, crash: {node: trips, process: true}}, \
        {id: lost, at: 61s, for: 500ms, crash: {node: progress, lose_data: true}}]";
    let found = results_of(&trips(&logged(&[HOTEL, LONG]), faults), 1);
    let [_, compensated, unfinished, resumed] = ends(&found);
    assert_eq!((compensated, unfinished, resumed), (0.0, 3.0, 0.0));
    let [hotel, _, flight, _] = parts(&found);
    assert_eq!(hotel - flight, 3.0);
}

#[test]
fn sagas_with_a_log_are_the_same_on_one_and_two_threads() {
    let faults = "faults: [{id: dead, mtbf: 20s, mttr: 1s, crash: {node: trips, process: true}}, \
        {id: down, mtbf: 30s, mttr: 5s, crash: {node: progress}}]";
    let third = "{do: [{wait: exp(mean=50ms)}, {fail: 20%}]}";
    let text = trips(&logged(&[HOTEL, FLIGHT, third]), faults).replace("name: trips", "name: shop");
    let one = bytes_of_run(&text, "--jobs 1 --replications 3");
    assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 3"));
}

#[test]
fn what_is_said_of_a_log_is_checked_where_it_stands() {
    let calls =
        ["hotel", "unhotel", "flight", "unflight"].map(|node| format!("{{call: {node}}}, "));
    let good = trips(
        &format!(
            "{}{{read: progress}}, {}",
            calls.concat(),
            logged(&[HOTEL, "{do: [{work: 1ms}]}"])
        ),
        "  cache: {cache: {capacity: 10}}\n",
    );
    let cases: [Case; 6] = [
        ("who", "log: progress", "log: progres", "8:155 E-REF", "unknown node"),
        ("kind", "log: progress", "log: cache", "8:155 E-REF", "is a cache, not a store"),
        ("no log", "{log: progress, steps", "{steps", "8:143 E-MISSING", "log"),
        (
            "no steps",
            ", steps: [{do: [{call: hotel}], undo: [{call: unhotel}]}, {do: [{work: 1ms}]}]",
            "",
            "8:143 E-MISSING",
            "steps",
        ),
        (
            "empty",
            "[{do: [{call: hotel}], undo: [{call: unhotel}]}, {do: [{work: 1ms}]}]",
            "[]",
            "8:165 E-STEP",
            "at least one part",
        ),
        (
            "within",
            "{work: 1ms}",
            "{saga: [{do: [{work: 1ms}]}]}",
            "8:228 E-CONFLICT",
            "begin this saga anew",
        ),
    ];
    check_in(&good, &cases);
}
