//! Sweeps and comparisons of all shapes, made up: what rarely comes is told and drawn as it was.
//!
//! A change here is a change of what users see: look at it before it is accepted.

use std::fmt::Write as _;

use serde_json::{Value, json};
use windtunnel::{
    engine::random::hash_str,
    report::{
        compared_markdown, compared_plots, compared_text, lost_markdown, lost_text, sweep_files,
        sweep_text,
    },
    results::{Comparison, Sweep},
};

/// An estimate in the middle of an interval.
fn around(value: f64, half: f64) -> Value {
    json!({"value": value, "lower": value - half, "upper": value + half, "n": 5})
}

/// What is compared: the expression, its unit and what is better.
const METRICS: [(&str, &str, &str); 4] = [
    ("p99(latency)", "s", "lower"),
    ("availability", "fraction", "higher"),
    ("goodput", "/s", "higher"),
    ("cost.per_month", "$", "lower"),
];

fn metrics() -> Vec<Value> {
    let one =
        |(metric, unit, better): &_| json!({"metric": metric, "unit": unit, "better": better});
    METRICS.iter().map(one).collect()
}

fn held(name: &str, texts: &[(&str, String)], files: Vec<(String, Vec<u8>)>) {
    let mut text = String::new();
    for (width, told) in texts {
        writeln!(text, "{width}\n{told}").unwrap();
    }
    for (file, bytes) in files {
        let drawn = hash_str(0, &String::from_utf8(bytes).expect("files are text"));
        writeln!(text, "{file} {drawn:016x}").unwrap();
    }
    insta::with_settings!({snapshot_suffix => name, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("made-up", text);
    });
}

// ---- sweeps --------------------------------------------------------------------------------------

/// Axes, and whether the cells are points among them or all there are.
type Axes<'a> = (&'a [(&'a str, &'a [&'a str])], bool);

/// A cell gets worse with each of its places; every eleventh is not done, and the worst are never answered.
fn cell(axes: &Axes<'_>, index: usize) -> Option<Value> {
    let (axes, drawn) = *axes;
    let mut rest = index;
    let mut places: Vec<usize> = axes
        .iter()
        .rev()
        .map(|(_, values)| {
            let place = if drawn { index } else { rest % values.len() };
            rest /= values.len();
            place
        })
        .collect();
    places.reverse();
    let settings = axes
        .iter()
        .zip(&places)
        .map(|((path, values), place)| ((*path).to_owned(), values[*place].into()));
    let worse = places.iter().map(|place| *place as f64).sum::<f64>();
    let p99 = 0.004 * 2.1f64.powf(worse);
    let beyond = p99 > 5.0;
    let figure = |value: f64, half: f64| {
        let mut figure = around(value, half);
        figure["each"] = json!([value - half, value, value + half]);
        figure
    };
    let never = json!({"value": null, "lower": null, "upper": null, "n": 5, "never": 0.02, "beyond": true, "each": [null]});
    let verdict = if p99 <= 0.25 { "met" } else { "missed" };
    let slo = json!({"expression": "p99(latency) <= 250ms", "estimate": around(p99, 0.1 * p99), "verdict": verdict, "margin": 0.25 - p99});
    (index % 11 != 10).then(|| {
        json!({
            "cell": index, "key": "k", "status": "complete", "replications": 5, "fingerprint": "f",
            "settings": settings.collect::<serde_json::Map<String, Value>>(),
            "slos": [slo],
            "figures": {
                "p99(latency)": if beyond { never } else { figure(p99, 0.1 * p99) },
                "availability": figure(1.0 - 0.011 * worse, 0.004),
                "goodput": figure(100.0 / (1.0 + 0.3 * worse), 2.0),
                "cost.per_month": figure(50.0 + 12.5 * worse, 0.0),
            },
        })
    })
}

fn sweep(axes: Axes<'_>, findings: &Value) -> Sweep {
    let counts = axes.0.iter().map(|(_, values)| values.len());
    let cells = if axes.1 { axes.0[0].1.len() } else { counts.product() };
    let done: Vec<Value> = (0..cells).filter_map(|index| cell(&axes, index)).collect();
    let listed = axes.0.iter().map(|(path, values)| json!({"path": path, "values": values}));
    let of = json!({
        "windtunnel_version": "1", "semantics_version": 1, "scenario": "shop", "sweep": "s",
        "axes": listed.collect::<Vec<_>>(), "drawn": axes.1, "cells": cells, "seed": 1, "rule": "5 replications",
        "confidence": 0.95, "metrics": metrics(), "status": "interrupted", "findings": findings, "done": done,
    });
    serde_json::from_value(of).unwrap()
}

const LOADS: &[&str] = &["0.5", "1", "1.5", "2", "3", "4", "6", "8"];
const COUNTS: &[&str] = &["1", "2", "4", "8", "16"];
/// More values than there is room for names beside a map.
const LIMITS: &[&str] = &[
    "1s", "2s", "3s", "4s", "5s", "6s", "7s", "8s", "9s", "10s", "11s", "12s", "13s", "14s", "15s",
    "16s", "17s", "18s", "19s", "20s", "21s", "22s", "23s", "24s",
];
const WORDS: &[&str] = &["fifo", "lifo", "shortest_job_first", "processor_sharing"];

#[test]
fn sweeps_of_all_shapes() {
    let broken = |with: Value, (holds, breaks, again): (Value, Value, Value)| {
        let objective = json!({"expression": "p99(latency) <= 250ms", "estimate": around(0.31, 0.01), "verdict": "missed", "margin": -0.06});
        json!({"axis": "clients.users.load", "with": with, "holds": holds, "breaks": breaks, "cell": 3, "objective": objective, "again": again})
    };
    let with = |n: &str| json!({"nodes.api.service.instances": n});
    let none = || Value::Null;
    let breaks = [
        broken(with("1"), ("2".into(), "3".into(), none())),
        broken(with("2"), ("2".into(), "3".into(), none())),
        broken(with("4"), ("2".into(), "3".into(), none())),
        broken(with("8"), ("4".into(), "8".into(), none())),
        broken(with("16"), (none(), "0.5".into(), "1".into())),
    ];
    let law = |peak: Value| json!({"axis": "clients.users.load", "with": {}, "gamma": 95.5, "sigma": 0.03, "kappa": 0.004, "n_peak": peak, "r2": 0.987});
    let knee = json!({"axis": "clients.users.load", "with": {}, "at": "3"});
    let all = json!({"best": 12, "best_by": "cost.per_month", "breaks": breaks, "knees": [knee], "scalability": [law(5.0.into()), law(20.0.into()), law(none())]});
    let alone = json!({"best": null, "breaks": [broken(json!({}), (none(), "0.5".into(), none()))], "knees": [knee], "scalability": []});
    let nothing = json!({"best": null, "breaks": [], "knees": [], "scalability": []});
    let (load, count, word) = (
        ("clients.users.load", LOADS),
        ("nodes.api.service.instances", COUNTS),
        ("nodes.api.service.discipline", WORDS),
    );
    let zones: &[&str] = &["a", "b", "c"];
    for (name, axes, findings) in [
        ("curve", (&[load][..], false), &alone),
        ("map", (&[count, load][..], false), &all),
        ("maps", (&[word, load, count][..], false), &all),
        ("many", (&[("nodes.api.service.zones", zones), word, load, count][..], false), &all),
        (
            "fine",
            (&[("clients.users.timeout", LIMITS), ("nodes.db.limit", LIMITS)][..], false),
            &nothing,
        ),
        (
            "rows",
            (
                &[word, ("nodes.db.store.zones", zones), ("nodes.api.service.zones", WORDS)][..],
                false,
            ),
            &nothing,
        ),
        (
            "points",
            (
                &[("clients.users.load", &LOADS[..4]), ("nodes.api.service.discipline", WORDS)][..],
                true,
            ),
            &nothing,
        ),
    ] {
        let sweep = sweep(axes, findings);
        held(
            name,
            &[("80", sweep_text(&sweep, 80)), ("140", sweep_text(&sweep, 140))],
            sweep_files(&sweep),
        );
    }
}

// ---- comparisons ---------------------------------------------------------------------------------

fn comparison(designs: &[(&str, f64)], verdicts: &[&str]) -> Comparison {
    let base = [0.2, 0.99, 80.0, 120.0];
    let figures = |by: f64| {
        let of = |(i, (metric, ..)): (usize, &(&str, &str, &str))| {
            let mut figure = around(base[i] * by, 0.01 * base[i]);
            if i == 0 {
                figure["never"] = json!(if by > 1.5 { 0.03 } else { 0.0 });
            }
            ((*metric).to_owned(), figure)
        };
        METRICS.iter().enumerate().map(of).collect::<serde_json::Map<_, _>>()
    };
    let mut told = verdicts.iter().cycle();
    let differences: Vec<Value> = designs[1..].iter().flat_map(|(name, by)| {
        METRICS.iter().enumerate().map(|(i, (metric, _, better))| {
            let verdict = *told.next().unwrap();
            let known = verdict != "not_comparable";
            let of = |value: f64, half: f64| if known { around(value, half) } else { json!({"value": null, "lower": null, "upper": null, "n": 0}) };
            json!({
                "metric": metric, "base": designs[0].0, "design": name, "difference": of(base[i] * (by - 1.0), 0.02 * base[i]),
                "ratio": of(*by, 0.02), "correlation": 0.83, "gain": 5.2, "margin": 0.01 * base[i], "better": better,
                "verdict": verdict, "reason": if known { Value::Null } else { "nothing was observed".into() },
            })
        }).collect::<Vec<_>>()
    }).collect();
    let listed = designs.iter().enumerate().map(|(i, (name, by))| json!({
        "name": name, "file": "it.yaml", "variant": if i == 0 { Value::Null } else { (*name).into() }, "fingerprint": "f",
        "figures": figures(*by), "objectives": 2, "issued": 4000 - 7 * i, "idle": if i == 2 { vec!["cache"] } else { vec![] },
        "not_met": if *by > 1.5 { json!([["p99(latency) <= 250ms", null], ["availability >= 99%", "nothing was observed"]]) } else { json!([]) },
        "inconclusive": if i == 1 { json!([["availability >= 99%", "40 replications would tell"]]) } else { json!([]) },
    }));
    serde_json::from_value(json!({
        "windtunnel_version": "1", "semantics_version": 1, "scenario": "shop", "seeds": [1, 2, 3, 4, 5], "confidence": 0.95,
        "status": "complete", "warnings": ["their durations differ"], "metrics": metrics(), "designs": listed.collect::<Vec<_>>(),
        "differences": differences, "pareto": [designs[0].0, designs[1].0],
    })).unwrap()
}

#[test]
fn comparisons_of_all_shapes() {
    let all =
        ["better", "worse", "equivalent", "none_shown", "identical", "not_comparable", "worse"];
    let many = [
        ("base", 1.0),
        ("three", 1.04),
        ("without cache", 0.5),
        ("slow", 2.0),
        ("far", 30.0),
        ("a name that is much too long for it", 1.0),
    ];
    for (name, designs, verdicts) in [
        ("two", &many[..2], &all[..]),
        ("two-alike", &[("base", 1.0), ("same", 1.0)][..], &["identical"][..]),
        ("six", &many[..], &all[..]),
        ("unknown", &many[..3], &["not_comparable"][..]),
    ] {
        let of = comparison(designs, verdicts);
        let texts = [
            ("80", compared_text(&of, 80)),
            ("140", compared_text(&of, 140)),
            ("markdown", compared_markdown(&of)),
            ("lost", lost_text(&of, "blip", 100)),
            ("lost, markdown", lost_markdown(&of, "blip")),
        ];
        held(&format!("compared-{name}"), &texts, compared_plots(&of));
    }
}
