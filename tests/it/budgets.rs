//! Error budgets and the alerts that watch them: the oracles (`tests/oracles/slo.json`), and figures by hand.

use serde_json::Value;

use crate::{
    bad_input::check_in,
    cli::{result_folder, windtunnel},
    design::{number, results_of},
};

/// Good requests and bad ones, evenly spread: those of `bad` fail while the fault is there.
fn mixed(duration: u64, (rate, bad): (f64, f64), budget: &str, fault: &str) -> String {
    let client = |name: &str, rate: f64| match rate {
        0.0 => String::new(),
        rate => format!("  of-{name}: {{arrivals: constant({rate:.6}/s), to: {name}}}\n"),
    };
    let external = |name: &str| format!("{name}: {{external: {{latency: 1ms}}}}");
    format!(
        "windtunnel: 1\nname: burning\nduration: {duration}s\nclients:\n{}{}nodes: {{{}, {}}}\n\
         budgets: {{front: {{{budget}}}}}\nfaults: [{fault}]\n",
        client("good", rate * (1.0 - bad)),
        client("bad", rate * bad),
        external("good"),
        external("bad"),
    )
}

const MONTH: &str = "objective: availability >= 99.9%, window: 30d";

/// All of the bad client fail from `from` on, for so long.
fn fails(from: u64, lasts: u64) -> String {
    format!("{{id: outage, at: {from}s, for: {lasts}s, errors: {{node: bad, fraction: 100%}}}}")
}

fn oracles() -> Vec<Value> {
    serde_json::from_str(include_str!("../oracles/slo.json")).unwrap()
}

#[test]
fn detection_and_what_it_cost_are_those_of_the_oracles() {
    let mut tried = 0;
    for entry in oracles().iter().filter(|e| e["expected"]["detect_s"].is_number()) {
        let [burn, window, errors] =
            ["burn", "window_s", "error_ratio"].map(|p| number(entry, &format!("params.{p}")));
        let [detect, spent] =
            ["detect_s", "budget_used_at_alert"].map(|p| number(entry, &format!("expected.{p}")));
        // The fault begins when a whole long window of steady traffic has been seen.
        let (from, lasts) = (window as u64 + 600, 2 * detect as u64 + 60);
        let budget = format!(
            "{MONTH}, alerts: [{{burn: {burn}, long: {window}s, short: {}s}}]",
            window / 12.0
        );
        // Bad requests come at least once a look.
        let rate = if errors < 0.05 { 5.0 } else { 2.0 };
        let text = mixed(from + lasts + 30, (rate, errors), &budget, &fails(from, lasts));
        let found = results_of(&text, 1);
        let at = |figure: &str| number(&found, &format!("budgets.front.alerts.0.{figure}"));
        let id = &entry["id"];
        assert!((at("detect") - detect).abs() <= 15.0, "{id}: {} for {detect}", at("detect"));
        // What is spent between two looks, and one request, which is whole.
        let look = (15.0 * errors + 1.0 / rate) / (0.001 * 30.0 * 86_400.0);
        assert!(
            (at("spent_at_page") - spent).abs() <= look + 1e-5,
            "{id}: {}",
            at("spent_at_page")
        );
        assert_eq!(
            (at("fired"), at("missed"), at("false_pages_per_month")),
            (1.0, 0.0, 0.0),
            "{id}"
        );
        tried += 1;
    }
    assert_eq!(tried, 11);
}

#[test]
fn alerts_are_over_as_the_oracle_says() {
    let all = oracles();
    let entry = all.iter().find(|e| e["id"] == "slo-reset").unwrap();
    let budget = format!(
        "{MONTH}, alerts: [{{burn: 14.4, long: 1h, short: 5m}}, {{burn: 14.4, long: 1h, short: 1h}}]"
    );
    let text = mixed(3 * 3600, (10.0, 1.0), &budget, &fails(4200, 600));
    let found = results_of(&text, 1);
    for (alert, over) in [(0, "multiwindow_resets_at_s"), (1, "long_only_resets_at_s")] {
        let at = |figure: &str| number(&found, &format!("budgets.front.alerts.{alert}.{figure}"));
        let expected = |name: &str| number(entry, &format!("expected.{name}"));
        assert!((at("detect") - expected("fires_at_s")).abs() <= 15.0, "{over}: {}", at("detect"));
        let reset = 600.0 + at("reset");
        assert!((reset - expected(over)).abs() <= 15.0, "{over}: {reset}");
    }
}

#[test]
fn a_budget_is_spent_as_fast_as_the_oracle_says() {
    let all = oracles();
    let entry = all.iter().find(|e| e["id"] == "slo-budget-exhaustion").unwrap();
    let day = 86_400.0;
    for (burn, name, unit, rate) in [
        (1.0, "burn_1_days", day, 0.05),
        (2.0, "burn_2_days", day, 0.1),
        (10.0, "burn_10_days", day, 0.5),
        (1000.0, "burn_1000_minutes", 60.0, 10.0),
    ] {
        let length = (number(entry, &format!("expected.{name}")) * unit) as u64;
        let text = mixed(length, (rate, burn / 1000.0), MONTH, &fails(0, length));
        let spent = number(&results_of(&text, 1), "budgets.front.spent");
        assert!((spent - 1.0).abs() < 0.01, "{name}: {spent}");
    }
    // Of a run that is longer than the window it is the mean of a window.
    let budget =
        "objective: availability >= 99.9%, window: 1h, alerts: [{burn: 2, long: 1h, short: 5m}]";
    let text = mixed(4 * 3600, (1.0, 0.01), budget, &fails(0, 4 * 3600));
    let spent = number(&results_of(&text, 1), "budgets.front.spent");
    assert!((spent - 10.0).abs() < 0.1, "{spent}");
}

#[test]
fn faults_that_burn_too_slowly_are_missed() {
    // Ten times what is allowed, for three hours: 4.2 % of the month.
    let text = mixed(12 * 3600, (2.0, 0.01), MONTH, &fails(7 * 3600, 3 * 3600));
    let found = results_of(&text, 1);
    let at = |path: &str| number(&found, &format!("budgets.front.alerts.{path}"));
    assert_eq!((at("0.fired"), at("0.missed")), (0.0, 1.0));
    // Over six hours it is five times: less than this one is made for.
    assert_eq!((at("1.fired"), at("1.missed")), (0.0, 0.0));
    // The run is too short for the third to be judged.
    let third = &found["budgets"]["front"]["alerts"][2];
    let why = "the run of 12h is not longer than its window of 3d";
    assert_eq!(third["inconclusive"], why);
    let figures = ["fired", "detect", "reset", "spent_at_page", "false_pages_per_month", "missed"];
    assert!(figures.iter().all(|figure| third[figure]["value"].is_null()), "{third}");
    assert!(found["budgets"]["front"]["alerts"][0]["detect"]["value"].is_null());
    assert!(found["budgets"]["front"]["alerts"][0].get("inconclusive").is_none());
}

#[test]
fn pages_without_a_fault_are_false() {
    // One request a minute, and once a day one that fails: more than 1.44 % of an hour. The tenth comes as the run ends.
    let text = "windtunnel: 1\nname: few\nduration: 10d\nclients:\n  \
                many: {arrivals: constant(1/min), to: good}\n  \
                one: {arrivals: constant(1/day), to: bad}\nnodes:\n  \
                good: {external: {latency: 1ms}}\n  bad: {external: {latency: 1ms, errors: 100%}}\n\
                budgets: {front: {objective: availability >= 99.9%, window: 30d}}\n";
    let found = results_of(text, 1);
    let at = |path: &str| number(&found, &format!("budgets.front.alerts.{path}"));
    assert_eq!(at("0.fired"), 9.0);
    let a_month = 9.0 / (240.0 - 1.0) * 730.0;
    assert!((at("0.false_pages_per_month") - a_month).abs() < 1e-6);
    for figure in ["detect", "reset", "spent_at_page", "missed"] {
        let none = &found["budgets"]["front"]["alerts"][0][figure]["value"];
        assert!(none.is_null(), "{figure}: {none}");
    }
}

#[test]
fn slow_answers_spend_the_budget_of_a_latency() {
    // From two hours on all take 100 ms: more than 14.4 % of an hour after 518.4 s.
    let of = |objective: &str| {
        let text = format!(
            "windtunnel: 1\nname: slow\nduration: 3h\n\
             clients: {{web: {{arrivals: constant(5/s), operations: \
             {{look: {{share: 50%, to: api}}, buy: {{share: 50%, to: api}}}}}}}}\n\
             nodes: {{api: {{service: {{workers: 9, work: 10ms}}}}}}\n\
             budgets: {{front: {{objective: {objective}, window: 30d}}}}\n\
             faults: [{{id: slow, at: 2h, for: 20m, slow: {{node: api, factor: 10}}}}]\n"
        );
        let found = results_of(&text, 1);
        found["budgets"]["front"]["alerts"][0]["detect"]["value"].as_f64()
    };
    for objective in ["p99(latency) <= 50ms", "p99(latency client=web operation=buy) <= 50ms"] {
        let detect = of(objective).unwrap();
        assert!((detect - 518.4).abs() <= 15.0, "{objective}: {detect}");
    }
    assert_eq!(of("p99(latency) <= 150ms"), None);
    assert_eq!(of("availability >= 99%"), None);
}

#[test]
fn a_budget_changes_no_event_and_any_number_of_threads_gives_the_same_bytes() {
    let budgets = "budgets: {front: {objective: availability >= 99.9%, window: 30d, alerts: [{burn: 5, \
                   long: 2m, short: 15s}]}, fast: {objective: p99(latency) <= 1ms, window: 30d}}\n";
    let text = |budgets: &str| {
        format!(
            "windtunnel: 1\nname: watched\nduration: 10m\nwarm_up: 1m\n\
             clients: {{load: {{arrivals: poisson(10/s), to: api}}}}\n\
             nodes: {{api: {{external: {{latency: exp(mean=1ms), errors: 0.5%}}}}}}\n{budgets}\
             faults: [{{id: bad, at: 5m, for: 1m, errors: {{node: api, fraction: 20%}}}}]\n"
        )
    };
    let (without, with) = (results_of(&text(""), 2), results_of(&text(budgets), 2));
    for part in ["fingerprint", "summary", "clients", "nodes", "faults", "series", "timeline"] {
        assert_eq!(without[part], with[part], "{part}");
    }
    assert!(without.get("budgets").is_none());
    // The requests of the figures are those of the budget.
    let (available, spent) =
        (number(&with, "summary.availability"), number(&with, "budgets.front.spent"));
    let by_hand = (1.0 - available) / 0.001 * 540.0 / (30.0 * 86_400.0);
    assert!((spent - by_hand).abs() < 0.01 * by_hand, "{spent} for {by_hand}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), text(budgets)).unwrap();
    let run = |jobs: u32| {
        let line = format!("run a.yaml -n 6 --jobs {jobs} --format json --quiet");
        let ran = windtunnel(folder.path(), &line);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn terminal_and_page_tell_what_was_judged() {
    let folder = tempfile::tempdir().unwrap();
    let text = mixed(12 * 3600, (2.0, 1.0), MONTH, &fails(7 * 3600, 600));
    std::fs::write(folder.path().join("a.yaml"), text).unwrap();
    let ran = windtunnel(folder.path(), "run a.yaml -n 1");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for phrase in [
        "front: 23.1 % of what `availability >= 99.9%` allows in 30 d was spent",
        "Budget alert",
        "front 14.4x 1h/5m",
        "not judged",
        "front 1x 3d/6h is not judged: the run of 12h is not longer than its window of 3d",
    ] {
        assert!(ran.stdout.contains(phrase), "{phrase}\n{}", ran.stdout);
    }
    let page = result_folder(folder.path(), "burning").join("report.html");
    let page = std::fs::read_to_string(page).unwrap();
    for phrase in ["<h2>Error budgets</h2>", "front\u{a0}14.4x", "is not judged: the run of 12h"] {
        let (page, phrase) = (page.replace('\u{a0}', " "), phrase.replace('\u{a0}', " "));
        assert!(page.contains(&phrase), "{phrase}");
    }
}

/// A sound design with a budget.
const GOOD: &str = "\
windtunnel: 1
name: budgeted
duration: 1h
clients:
  web: {arrivals: constant(5/s), to: api, timeout: 1s}
nodes:
  api: {external: {latency: 1ms}}
budgets:
  front:
    objective: availability >= 99.9%
    window: 30d
    alerts: [{burn: 14.4, long: 1h, short: 5m}]
    every: 15s
";

#[test]
fn bad_budgets_are_told_at_their_place() {
    let objective = "availability >= 99.9%";
    let alerts = "    alerts: [{burn: 14.4, long: 1h, short: 5m}]\n";
    check_in(
        GOOD,
        &[
            ("objective", objective, "availabilty >= 99%", "10:16 E-ENUM", "availabilty"),
            ("no budget", objective, "availability >= 100%", "10:16 E-RANGE", "no budget"),
            ("no limit", objective, "availability", "10:16 E-SLO", "limit of its own"),
            ("client", objective, "availability(client=wep) >= 99%", "10:16 E-REF", "wep"),
            ("operation", objective, "availability(operation=by) >= 99%", "10:16 E-REF", "by"),
            ("selector", objective, "availability(node=api) >= 99%", "10:16 E-EXPR", "node"),
            ("window", "window: 30d", "window: 0s", "11:13 E-RANGE", "above 0"),
            ("unit", "window: 30d", "window: 30", "11:13 E-UNIT", "unit"),
            ("every", "every: 15s", "every: 0s", "13:12 E-RANGE", "above 0"),
            ("looks", "every: 15s", "every: 7s", "12:15 E-RANGE", "whole number of looks"),
            ("many", "every: 15s", "every: 1us", "8:1 E-BUDGET", "the limit is 1000000"),
            ("key", "every: 15s", "evry: 15s", "13:5 E-UNKNOWN-KEY", "evry"),
            ("burn", "burn: 14.4", "burn: 0", "12:21 E-RANGE", "above 0"),
            ("never", "burn: 14.4", "burn: 1000", "12:21 E-RANGE", "would never fire"),
            ("missing", "burn: 14.4, ", "", "12:15 E-MISSING", "burn"),
            ("short", "short: 5m", "short: 2h", "12:44 E-RANGE", "no longer than `long`"),
            ("long", "long: 1h", "long: 40d", "12:33 E-RANGE", "longer than the window"),
            ("none", alerts, "    alerts: []\n", "12:5 E-RANGE", "0 alerts"),
            (
                "usual",
                "window: 30d\n    alerts: [{burn: 14.4, long: 1h, short: 5m}]",
                "window: 7d",
                "11:13 E-RANGE",
                "not for budgets of 7d",
            ),
            (
                "reach",
                "99.9%\n    window: 30d\n    alerts: [{burn: 14.4, long: 1h, short: 5m}]",
                "90%\n    window: 30d",
                "10:16 E-RANGE",
                "would never fire",
            ),
        ],
    );
}
