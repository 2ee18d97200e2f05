//! `windtunnel validate`: all problems of scenarios at once, for people, editors and CI.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::prepare::{Overriding, examine};
use crate::{
    cli::say::{Exit, Voice, complain, print},
    scenario::render,
    study::Examined,
};

/// Report all problems of scenarios at once, without running them
///
/// And what every request of an operation with an objective needs and of which there is one (W-SPOF), which no other
/// command warns of.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  windtunnel validate scenarios/*.yaml --deny-warnings\n  \
                        windtunnel validate shop.yaml --format sarif > problems.sarif")]
pub(super) struct ValidateArguments {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    overriding: Overriding,
    /// How problems are shown
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Warnings count as errors; W-SPOF and W-ROWS do not, for they may be meant so
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Frames of the source on standard error
    Human,
    /// A list of problems on standard output
    Json,
    /// SARIF 2.1.0 on standard output, for code hosting and editors
    Sarif,
}

pub(super) fn validate(arguments: &ValidateArguments, voice: Voice) -> Exit {
    let mut exit = Exit::Done;
    let mut all = Vec::new();
    for path in &arguments.files {
        let mut examined = examine(path, &arguments.overriding.overrides());
        let denied = arguments.deny_warnings
            && examined.found.iter().any(|found| !found.problem.may_be_meant());
        let single_points = std::mem::take(&mut examined.single_points);
        examined.found.extend(single_points);
        if examined.study.is_none() || denied {
            exit = Exit::BadInput;
        }
        if arguments.format == Format::Human {
            tell(path, &examined, voice);
        }
        all.push(examined);
    }
    match arguments.format {
        Format::Human => {}
        Format::Json => {
            let lists = all.iter().map(|e| render::json(&e.sources, &e.found));
            let problems: Vec<Value> = lists.flat_map(into_list).collect();
            print(format!("{:#}\n", Value::from(problems)).as_bytes());
        }
        Format::Sarif => {
            let files: Vec<_> =
                all.iter().map(|e| (e.sources.as_slice(), e.found.as_slice())).collect();
            print(format!("{:#}\n", render::sarif(&files)).as_bytes());
        }
    }
    exit
}

fn into_list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        other => vec![other],
    }
}

fn tell(path: &std::path::Path, examined: &Examined, voice: Voice) {
    let sound = examined.study.is_some();
    let told = !sound || !voice.quiet;
    if told && examined.found.iter().any(|found| !found.problem.may_be_meant()) {
        complain(examined.render(voice.colour).trim_end());
    }
    if sound && !voice.quiet {
        let notes = match examined.found.len() {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            n => format!(", {n} warnings"),
        };
        print(format!("{}: can be run{notes}\n", path.display()).as_bytes());
    }
}
