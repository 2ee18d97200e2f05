//! `windtunnel plan`: the numbers before a design, each with its formula, beside what a simulation of the design measured.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{
    files::DiskFiles,
    pilot::examine_with_pilot,
    prepare::{Overriding, Said, told},
    progress,
    run::{broken, interruptible},
};
use crate::{
    cli::say::{Exit, Voice, complain, print, refuse},
    plan::{Measured, plan as estimate},
    report::{plan_json, plan_markdown, plan_text},
    scenario::required::{Required, requirements},
    study::DEFAULT_REPLICATIONS,
};

/// Estimate what `requirements` ask for: requests, bytes, machines, each with its formula
///
/// Of a file that has a design, too, beside what its simulation at the peak measured; without its faults and objectives.
/// What is more than 10 % off is marked (!), with the reason.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windtunnel plan shop.yaml\n  \
    windtunnel plan shop.yaml --set requirements.users=20M --format markdown")]
pub(super) struct PlanArguments {
    /// A scenario file with `requirements`, with or without a design
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Independent runs of the design; 5 when absent
    #[arg(long, short = 'n', value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    replications: Option<u32>,
    #[command(flatten)]
    overriding: Overriding,
    /// Threads; all cores when absent. No result depends on it
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for the terminal
    Human,
    /// A table for a document
    Markdown,
    /// One object with `lines`
    Json,
}

pub(super) fn plan(arguments: &PlanArguments, voice: Voice) -> Exit {
    let voice = voice.to_programs(arguments.format == Format::Json);
    let path = arguments.file.to_string_lossy();
    let required = match requirements(&path, &DiskFiles, &arguments.overriding.overrides()) {
        Ok(required) => required,
        Err(rejected) => {
            voice.wrong(&rejected.sources, &rejected.found);
            return Exit::BadInput;
        }
    };
    let lines = match &required.design {
        None => estimate(&required.requirements, None),
        Some(_) => match simulated(arguments, &required, voice) {
            Ok(lines) => lines,
            Err(exit) => return exit,
        },
    };
    match arguments.format {
        Format::Human => print(plan_text(&lines).as_bytes()),
        Format::Markdown => print(plan_markdown(&lines).as_bytes()),
        Format::Json => print(format!("{:#}\n", plan_json(&lines)).as_bytes()),
    }
    Exit::Done
}

/// The estimate beside what the design does at the peak.
fn simulated(
    arguments: &PlanArguments,
    required: &Required,
    voice: Voice,
) -> Result<Vec<crate::plan::Line>, Exit> {
    let stop = match interruptible() {
        Ok(stop) => stop,
        Err(e) => return Err(refuse(&format!("cannot catch Ctrl-C: {e}"))),
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(usize::from(arguments.jobs.unwrap_or(0)))
        .build()
        .map_err(|e| refuse(&format!("cannot start threads: {e}; try a smaller --jobs")))?;
    let file = &arguments.file;
    // As it stands first: what it says of waits, and whether it is sound.
    let mut said = Said::default();
    let whole = pool.install(|| examine_with_pilot(file, &arguments.overriding, &stop, voice))?;
    let waits = told(whole, &mut said, voice).ok_or(Exit::BadInput)?.waits_asked();
    let mut peak = arguments.overriding.clone();
    for set in at_the_peak(required) {
        peak = peak.with_set(set);
    }
    let examined = pool.install(|| examine_with_pilot(file, &peak, &stop, voice))?;
    let study = told(examined, &mut said, voice).ok_or(Exit::BadInput)?;
    let replications = arguments.replications.map_or(DEFAULT_REPLICATIONS, |n| n as usize);
    let bar = progress::bar(replications, voice.quiet);
    let run = pool.install(|| study.run_watched(replications, &stop, &mut |_| bar.inc(1)));
    bar.finish_and_clear();
    let run = run.map_err(|breach| broken(&peak, (file, &study), &breach))?;
    if run.results.seeds.is_empty() {
        complain(&format!("{}: interrupted before a replication finished", file.display()));
        return Err(Exit::Interrupted);
    }
    let hits = required.requirements.cache.as_ref().map_or(0.0, |cache| cache.hit_ratio.0);
    let missed = 1.0 - hits;
    let measured = Measured {
        offered: study.offered(missed),
        waits,
        results: &run.results,
        following: required.following.clone(),
    };
    Ok(estimate(&required.requirements, Some(&measured)))
}

/// What of a file is changed for that: clients send what they do at the peak, nothing fails, nothing is judged.
fn at_the_peak(required: &Required) -> Vec<String> {
    let Some(design) = &required.design else { return Vec::new() };
    let mut sets = Vec::new();
    for name in &required.following {
        sets.push(format!("clients.{name}.arrivals=requirements(peak)"));
        let client = design.clients.iter().find(|(other, _)| other.0 == *name);
        sets.extend(
            client
                .and_then(|(_, of)| of.load.as_ref())
                .map(|_| format!("clients.{name}.load=none")),
        );
    }
    for (key, there) in [
        ("slos", !design.slos.is_empty()),
        ("expect", !design.expect.is_empty()),
        ("faults", !design.faults.is_empty()),
        ("budgets", !design.budgets.is_empty()),
    ] {
        sets.extend(there.then(|| format!("{key}=none")));
    }
    sets
}
