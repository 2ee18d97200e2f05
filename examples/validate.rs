//! Runs every oracle whole and writes `docs/VALIDATION.md`, but for what `validation/real/run` writes there:
//!
//! ```sh
//! cargo run --release --example validate            # all
//! cargo run --release --example validate -- mm1     # entries whose id starts so; writes nothing
//! ```
//!
//! Exits with 1 when an answer is refuted.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::{fmt::Write as _, fs, path::Path, process::ExitCode};

#[path = "../tests/it/theory/oracles/mod.rs"]
mod oracles;

use oracles::{Judged, Plan, SEEDS, Verdict, plans};

fn main() -> ExitCode {
    let prefix = std::env::args().nth(1);
    let plans = plans();
    let mut rows: Vec<(&Plan, Judged)> = Vec::new();
    for plan in &plans {
        if prefix.as_ref().is_some_and(|p| !plan.entry.id.starts_with(p.as_str())) {
            continue;
        }
        for case in &plan.cases {
            for judged in plan.run(case, 1.0) {
                println!("{} {}", row(&judged), judged.expression);
                rows.push((plan, judged));
            }
        }
    }
    let refuted = rows.iter().filter(|(_, j)| j.verdict() == Verdict::Refuted).count();
    println!("{} figures, {refuted} refuted", rows.len());
    if prefix.is_none() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/VALIDATION.md");
        let old = fs::read_to_string(&path).unwrap_or_default();
        let text = document(&plans, &rows) + real_systems(&old);
        if let Err(error) = fs::write(&path, text) {
            eprintln!("cannot write {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if refuted == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn row(j: &Judged) -> String {
    let verdict = match j.verdict() {
        Verdict::Agrees => "agrees",
        Verdict::Reaches => "interval reaches",
        Verdict::Refuted => "**refuted**",
    };
    let sign = if j.bound { "<= " } else { "" };
    format!(
        "| {} | {} | {sign}{} | {} | {} .. {} | {} | {verdict} |",
        j.id,
        j.metric,
        digits(j.expected),
        digits(j.value),
        digits(j.lower),
        digits(j.upper),
        digits(j.tolerance),
    )
}

/// Five significant digits.
fn digits(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    let places = (4 - x.abs().log10().floor() as i32).clamp(0, 9) as usize;
    format!("{x:.places$}")
}

fn document(plans: &[Plan], rows: &[(&Plan, Judged)]) -> String {
    let mut text = introduction(plans, rows);
    let mut family = "";
    for (plan, judged) in rows {
        if plan.entry.family != family {
            family = &plan.entry.family;
            write!(
                text,
                "\n## {family}\n\n| entry | metric | expected | measured | 99 % interval | \
                 tolerance | verdict |\n| --- | --- | ---: | ---: | ---: | ---: | --- |\n"
            )
            .expect("a text grows");
        }
        writeln!(text, "{}", row(judged)).expect("a text grows");
    }
    text += "\n## What is measured how\n\nExpressions over `results.json`.\n\n\
             | entry | system | expressions | source |\n| --- | --- | --- | --- |\n";
    for plan in plans.iter().filter(|p| !p.cases.is_empty()) {
        writeln!(text, "{}", how(plan)).expect("a text grows");
    }
    text += "\n## What cannot be expressed yet\n\n| entry | metric | why |\n| --- | --- | --- |\n";
    for plan in plans {
        for (metric, reason) in &plan.left_out {
            let metric = if metric == "*" { "all" } else { metric };
            writeln!(text, "| {} | {metric} | {reason} |", plan.entry.id).expect("a text grows");
        }
    }
    text
}

/// What real servers did, as it stands there.
fn real_systems(old: &str) -> &str {
    old.find("\n## Against real systems\n").map_or("", |at| &old[at..])
}

fn introduction(plans: &[Plan], rows: &[(&Plan, Judged)]) -> String {
    let count = |verdict| rows.iter().filter(|(_, j)| j.verdict() == verdict).count();
    format!(
        "# Validation\n\n\
         Windtunnel against answers computed outside this project (`tests/oracles/*.json`: closed \
         forms, exact Markov chains, and independent simulations where there is no formula). Every \
         system is written in the scenario language and read back through `results.json`.\n\n\
         Written by `cargo run --release --example validate` at commit {}; `cargo test` runs a \
         selection. {SEEDS} seeds each, intervals at 99 %. **Rule:** a figure is refuted when its \
         interval misses the band `expected -/+ tolerance`. \"Agrees\": the value itself lies in \
         the band; \"interval reaches\": only its interval does. Times are in seconds, the time \
         unit of each entry.\n\n\
         **{} figures of {} entries: {} agree, {} reach, {} refuted.**\n",
        commit(),
        rows.len(),
        plans.iter().filter(|p| !p.cases.is_empty()).count(),
        count(Verdict::Agrees),
        count(Verdict::Reaches),
        count(Verdict::Refuted),
    )
}

fn how(plan: &Plan) -> String {
    let entry = &plan.entry;
    let mut all: Vec<String> = plan
        .cases
        .iter()
        .flat_map(|c| &c.measures)
        .map(|(metric, expression)| format!("{metric} = `{expression}`"))
        .collect();
    all.sort();
    all.dedup();
    let plain = |text: &str| text.replace('|', "\\|");
    let (system, source) = (plain(&entry.system), plain(&entry.source));
    format!("| {} | {system} | {} | {} ({source}) |", entry.id, all.join("; "), entry.kind)
}

/// The commit the program was built from, as git says.
fn commit() -> String {
    let output = std::process::Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let text = output.ok().filter(|o| o.status.success()).map(|o| o.stdout);
    text.map_or("unknown".to_owned(), |t| String::from_utf8_lossy(&t).trim().to_owned())
}
