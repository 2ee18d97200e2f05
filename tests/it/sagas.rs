//! Sagas: what is undone, when, how often, and what stays if nobody is left to undo it.

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    design::{number, results_of},
    determinism::{assert_same, bytes_of_run},
};

/// A trip is booked in parts, by instances that stand 1 ms from everything.
fn trips(parts: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: trips\nduration: 200s\nseed: 5\nnetwork: {{same_zone: 1ms}}\n\
         clients: {{users: {{arrivals: constant(10/s), keys: uniform(n=1000), load: [{{at: 0s, factor: 1}}, {{at: 190.05s, factor: 0}}], timeout: 5s, to: trips}}}}\n\
         nodes:\n  trips: {{service: {{workers: 100, endpoints: {{default: [{parts}]}}, \
         dependencies: {{hotel: {{timeout: 100ms}}, unhotel: {{timeout: 100ms}}, flight: {{timeout: 100ms}}, unflight: {{timeout: 100ms}}}}}}}}\n\
         \x20 hotel: {{service: {{cores: 50, work: 5ms}}}}\n  unhotel: {{service: {{cores: 50, work: 3ms}}}}\n\
         \x20 flight: {{service: {{cores: 50, work: 7ms}}}}\n  unflight: {{service: {{cores: 50, work: 2ms}}}}\n{rest}\n"
    )
}

const HOTEL: &str = "{do: [{call: hotel}], undo: [{call: unhotel}]}";
const FLIGHT: &str = "{do: [{call: flight}], undo: [{call: unflight}]}";

fn saga(parts: &[&str]) -> String {
    format!("{{saga: [{}]}}", parts.join(", "))
}

/// Visits that a node served.
fn served(results: &Value, node: &str) -> f64 {
    results["nodes"][node]["outcomes"]["ok"].as_f64().unwrap()
}

/// How sagas ended: done, compensated, unfinished.
fn ends(results: &Value) -> [f64; 3] {
    ["done", "compensated", "unfinished"]
        .map(|end| number(results, &format!("nodes.trips.sagas.{end}")))
}

/// What was served of the parts and of what undoes them: hotel, unhotel, flight, unflight.
fn parts(results: &Value) -> [f64; 4] {
    ["hotel", "unhotel", "flight", "unflight"].map(|node| served(results, node))
}

#[test]
fn a_saga_takes_what_its_parts_take_and_then_what_undoes_them() {
    let time = |text: &str| {
        let found = results_of(text, 1);
        // Every request takes the same.
        let (mean, max) =
            (number(&found, "summary.latency.mean"), number(&found, "summary.latency.max"));
        assert!((mean - max).abs() < 1e-9 + 1e-3 * max, "{mean} {max}");
        mean
    };
    let close = |found: f64, ms: f64| assert!((found - ms / 1e3).abs() < 2e-5, "{found} {ms}");
    let good = trips(&saga(&[HOTEL, FLIGHT]), "");
    // There and back to each part.
    close(time(&good), (2.0 + 5.0) + (2.0 + 7.0));
    // The third part fails after 4 ms, and the request is answered all the same.
    let bad = saga(&[HOTEL, FLIGHT, "{do: [{wait: 4ms}, {fail: 100%}]}"]);
    let bad = bad.replace("{saga:", "{optional: true, saga:");
    let undone = (2.0 + 2.0) + (2.0 + 3.0);
    close(time(&trips(&bad, "")), 7.0 + 9.0 + 4.0 + undone);
    // Not before all is undone does it fail.
    let slos = "slos: ['nodes.trips.sagas.compensated == 1900', 'nodes.trips.sagas.done >= 1', 'nodes.trips.sagas.unfinished == 0']";
    let found = results_of(&trips(&bad.replace("optional: true, ", ""), slos), 1);
    let verdicts: Vec<_> = (0..3).map(|i| found["slos"][i]["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["met", "missed", "met"]);
    assert_eq!(number(&found, "summary.requests.error"), 1900.0);
    assert_eq!(number(&found, "summary.requests.ok"), 0.0);
    assert_eq!(ends(&found), [0.0, 1900.0, 0.0]);
    assert_eq!(parts(&found), [1900.0; 4]);
}

#[test]
fn what_was_certainly_not_done_is_not_undone() {
    let case = |second: &str, rest: &str| {
        let found = results_of(&trips(&saga(&[HOTEL, second]), rest), 1);
        let [hotel, unhotel, flight, unflight] = parts(&found);
        assert_eq!((hotel, unhotel), (1900.0, 1900.0), "{second}");
        assert_eq!(ends(&found), [0.0, 1900.0, 0.0]);
        (flight, unflight)
    };
    let undo = "undo: [{call: unflight}]";
    // It failed before it called anybody; or after somebody had done something.
    assert_eq!(
        case(&format!("{{do: [{{fail: 100%}}, {{call: flight}}], {undo}}}"), ""),
        (0.0, 0.0)
    );
    let after = format!("{{do: [{{call: flight}}, {{fail: 100%}}], {undo}}}");
    assert_eq!(case(&after, ""), (1900.0, 1900.0));
    // It was turned away at the door; or at the second attempt only, so that the first one may have been done.
    let full = "faults: []";
    let shut = |text: &str| {
        text.replace("cores: 50, work: 7ms", "inbound: {shed: {queue: 0}}, cores: 50, work: 7ms")
    };
    let found = results_of(&shut(&trips(&saga(&[HOTEL, FLIGHT]), full)), 1);
    let refused = number(&found, "nodes.flight.outcomes.shed");
    let [hotel, unhotel, flight, unflight] = parts(&found);
    assert_eq!((hotel, flight + refused), (1900.0, 1900.0));
    assert_eq!((unhotel, unflight), (refused, 0.0));
    // Nobody answers in time though all is done, or nobody has it: it may have been done, and is undone.
    let late = trips(&saga(&[HOTEL, FLIGHT]), "").replace("work: 7ms", "work: 200ms");
    let found = results_of(&late, 1);
    assert_eq!(ends(&found), [0.0, 1900.0, 0.0]);
    assert_eq!((served(&found, "unflight"), served(&found, "unhotel")), (1900.0, 1900.0));
    let dead = "faults: [{id: dead, at: 0s, for: 199s, crash: {node: flight}}]";
    assert_eq!(case(FLIGHT, dead).0, 0.0);
}

#[test]
fn what_cannot_be_undone_is_undone_later_whoever_waits_for_it() {
    // For 30 s nobody undoes hotels, and one of ten flights is not to be had.
    let parts_ = saga(&[HOTEL, FLIGHT, "{do: [{fail: 10%}]}"]);
    let dead = "faults: [{id: dead, at: 60s, for: 30s, crash: {node: unhotel}}]";
    for cancel in [false, true] {
        let text = trips(&parts_, dead);
        let text = text.replace("timeout: 5s, to", &format!("timeout: 5s, cancel: {cancel}, to"));
        let found = results_of(&text, 1);
        let [hotel, unhotel, flight, unflight] = parts(&found);
        let [done, compensated, unfinished] = ends(&found);
        assert_eq!((hotel, flight, unfinished), (1900.0, 1900.0, 0.0));
        // All that was booked is either wanted or undone by the end, once each as long as nobody tells it twice.
        assert_eq!((done + compensated, done + unhotel), (1900.0, 1900.0));
        assert_eq!(unflight, compensated);
        assert!(compensated > 150.0 && compensated < 250.0, "{compensated}");
        // Those who wait 5 s gave up, and that did not keep anything from being undone.
        let timeouts = number(&found, "summary.requests.timeout");
        assert!(timeouts > 15.0, "{timeouts}");
        assert!(number(&found, "nodes.trips.causes.failed_call") > 5.0 * timeouts);
    }
}

#[test]
fn who_dies_leaves_what_was_done() {
    let faults = "faults: [{id: dead, every: 20s, for: 1s, crash: {node: trips, process: true}}]";
    let second = "{do: [{call: flight}, {wait: 300ms}, {fail: 20%}], undo: [{call: unflight}]}";
    let found = results_of(&trips(&saga(&[HOTEL, second]), faults), 1);
    let [hotel, unhotel, _, _] = parts(&found);
    let [done, compensated, unfinished] = ends(&found);
    // A third of a second of ten requests a second, each time.
    assert!(unfinished > 15.0 && unfinished < 45.0, "{unfinished}");
    assert_eq!(unhotel, compensated);
    // Rooms that nobody will ever sleep in.
    let forgotten = hotel - unhotel - done;
    assert!(forgotten > 15.0 && forgotten <= unfinished, "{forgotten} {unfinished}");
    // Where nobody dies there are none.
    let found = results_of(&trips(&saga(&[HOTEL, second]), ""), 1);
    let [hotel, unhotel, ..] = parts(&found);
    assert_eq!(hotel - unhotel - ends(&found)[0], 0.0);
}

#[test]
fn sagas_stand_within_other_steps_and_within_one_another() {
    let inner = saga(&[FLIGHT, "{do: [{fail: 30%}]}"]);
    // What is within and failed has been undone: nothing of it is undone again.
    let text =
        trips(&saga(&[HOTEL, &format!("{{do: [{inner}], undo: [{{call: unflight}}]}}")]), "");
    let found = results_of(&text, 1);
    let [hotel, unhotel, flight, unflight] = parts(&found);
    assert_eq!((hotel, flight), (1900.0, 1900.0));
    assert_eq!(unhotel, unflight);
    assert_eq!(ends(&found)[1], 2.0 * unhotel);
    assert!(unhotel > 500.0 && unhotel < 700.0, "{unhotel}");
    // In loops and branches, under a lock; a loop that fails half-way draws as if it had begun anew when it is undone.
    let third = "{do: [{repeat: {times: 3, do: [{fail: 5%}]}}], undo: [{repeat: {times: 2, do: [{wait: 1ms}]}}]}";
    let one = saga(&[HOTEL, third]);
    let block = format!(
        "{{repeat: {{times: 2, do: [{{lock: {{name: room, per: key, do: [{one}]}}}}]}}}}, \
         {{all: [[{}], [{{wait: 1ms}}]]}}, {{choose: [{{share: 50%, do: [{}]}}, {{share: 50%, do: []}}]}}",
        saga(&[FLIGHT]),
        saga(&[FLIGHT, "{do: [{fail: 100%}]}"]).replace("{saga", "{optional: true, saga"),
    );
    let found = results_of(&trips(&block, ""), 1);
    let [hotel, unhotel, flight, unflight] = parts(&found);
    let [done, compensated, unfinished] = ends(&found);
    assert_eq!((hotel + flight, unfinished), (done + compensated, 0.0));
    assert_eq!(unhotel + unflight, compensated);
    assert!(unhotel > 300.0 && unflight > 500.0, "{unhotel} {unflight}");
    // Who failed gave back its lock.
    assert!(number(&found, "summary.latency.max") < 0.5);
    // A race that is lost is called off, and what was done of it undone.
    let race = format!("{{race: [[{{wait: 40ms}}], [{}]]}}", saga(&[HOTEL, "{do: [{wait: 1s}]}"]));
    let found = results_of(&trips(&race, ""), 1);
    assert_eq!(ends(&found), [1900.0, 0.0, 0.0]);
    let cancelled = trips(&saga(&[HOTEL, "{do: [{wait: 10s}]}"]), "");
    let found =
        results_of(&cancelled.replace("timeout: 5s, to", "timeout: 1s, cancel: true, to"), 1);
    assert_eq!(ends(&found), [0.0, 1900.0, 0.0]);
    assert_eq!(
        (served(&found, "unhotel"), number(&found, "summary.requests.timeout")),
        (1900.0, 1900.0)
    );
}

#[test]
fn sagas_are_the_same_on_one_and_two_threads() {
    let faults = "faults: [{id: dead, mtbf: 20s, mttr: 1s, crash: {node: trips, process: true}}, \
        {id: down, mtbf: 30s, mttr: 5s, crash: {node: unhotel}}]";
    let third = "{do: [{wait: exp(mean=50ms)}, {fail: 20%}]}";
    let text = trips(&saga(&[HOTEL, FLIGHT, third]), faults).replace("name: trips", "name: shop");
    let one = bytes_of_run(&text, "--jobs 1 --replications 3");
    assert_same(&one, &bytes_of_run(&text, "--jobs 2 --replications 3"));
}

#[test]
fn undoing_knows_no_deadline() {
    let parts_ = saga(&[HOTEL, FLIGHT]);
    let text = trips(&parts_, "").replace("timeout: 5s, to", "timeout: 5s, deadline: 20ms, to");
    let text =
        text.replace("flight: {timeout: 100ms}", "flight: {timeout: 100ms, deadline: propagate}");
    let text = text.replace(
        "hotel: {timeout: 100ms}, unhotel: {timeout: 100ms}",
        "hotel: {timeout: 100ms, deadline: propagate}, unhotel: {timeout: 100ms, deadline: propagate}",
    );
    let text = text.replace("work: 7ms", "work: 70ms");
    let found = results_of(&text, 1);
    assert_eq!(number(&found, "summary.requests.timeout"), 1900.0);
    assert_eq!(ends(&found), [0.0, 1900.0, 0.0]);
    assert_eq!((served(&found, "unhotel"), served(&found, "unflight")), (1900.0, 1900.0));
}

#[test]
fn what_is_said_of_a_saga_is_checked_where_it_stands() {
    let all = ["hotel", "unhotel", "flight", "unflight"].map(|node| format!("{{call: {node}}}, "));
    let good = trips(&format!("{}{}", all.concat(), saga(&[HOTEL])), "");
    let cases: [Case; 5] = [
        (
            "empty",
            "{saga: [{do: [{call: hotel}], undo: [{call: unhotel}]}]}",
            "{saga: []}",
            "8:124 E-STEP",
            "at least one part",
        ),
        ("undo", "undo: [{", "redo: [{", "8:153 E-UNKNOWN-KEY", "redo"),
        ("do", "do: [{call: hotel}], ", "", "8:132 E-MISSING", "do"),
        ("two", "{saga: [", "{work: 1ms, saga: [", "8:124 E-STEP", "one verb only"),
        ("steps", "{do: [{call: hotel}]", "{do: [{call: motel}]", "8:144 E-REF", "motel"),
    ];
    check_in(&good, &cases);
}
