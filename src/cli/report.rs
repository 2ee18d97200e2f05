//! `windtunnel report`: renders a result folder again, without simulating unless a span of it is to be looked at closely.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use clap::Args;

use super::{
    folder::{
        self, CLOSELY, RealDisk, SCENARIO, TIMING, WATCHED, closely_in, parse, place, read,
        watched_in,
    },
    prepare::Overriding,
    requests::{otherwise, study_of},
    run::{broken, interruptible},
};
use crate::{
    cli::say::{Exit, Voice, complain, print, refuse},
    report::{summary_text, write_all},
    results::{Results, Watched},
    units::SimDuration,
};

/// Render plots and the HTML report of a result folder again
///
/// Nothing is simulated unless --watch names a span to look at closely.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windtunnel report outputs/shop/0123456789abcdef\n  \
    windtunnel report outputs/shop/latest --watch 58s..70s")]
pub(super) struct ReportArguments {
    /// A folder that `windtunnel run` wrote
    directory: PathBuf,
    /// Simulate the replication that the timeline is read from, or the first, again and look closely at this span of it
    /// instead of those around faults: the replay shows messages on their way and instances many times a second. May be
    /// repeated
    #[arg(long, value_name = "FROM..TO", value_parser = span)]
    watch: Vec<(f64, f64)>,
    /// With --watch: look for the files of data the scenario names here
    #[arg(long, value_name = "DIR", requires = "watch")]
    data: Option<String>,
}

/// A span of time, s.
fn span(text: &str) -> Result<(f64, f64), String> {
    let instant = |text: &str| text.trim().parse().map(|SimDuration(at)| at).ok();
    let both = text.split_once("..").and_then(|(from, to)| Some((instant(from)?, instant(to)?)));
    let (from, to) = both.ok_or("a span is two instants, such as `58s..70s`")?;
    if from >= to {
        return Err("a span ends after it begins, such as `58s..70s`".to_owned());
    }
    Ok((from as f64 / 1e9, to as f64 / 1e9))
}

pub(super) fn report(arguments: &ReportArguments, voice: Voice) -> Exit {
    let watched = if arguments.watch.is_empty() {
        None
    } else {
        match watched_again(arguments, voice) {
            Ok(watched) => Some(watched),
            Err(exit) => return exit,
        }
    };
    match render(&arguments.directory, watched) {
        Ok(results) => {
            if !voice.quiet {
                print(summary_text(&results, super::run::width()).as_bytes());
            }
            Exit::Done
        }
        Err(line) => refuse(&line),
    }
}

/// What is seen of the folder's run as it is simulated again.
fn watched_again(arguments: &ReportArguments, voice: Voice) -> Result<Watched, Exit> {
    let directory = &arguments.directory;
    let folder = directory.display();
    let results = read(directory).map_err(|line| refuse(&line))?;
    let Some((index, _)) = results.of_interest() else {
        return Err(refuse(&format!("{folder} has no replication to look at")));
    };
    if let Some((from, to)) = arguments.watch.iter().find(|(_, to)| *to > results.duration) {
        return Err(refuse(&format!(
            "{from} s to {to} s is outside of the run of {folder}, which lasts {} s",
            results.duration
        )));
    }
    let stop = interruptible().map_err(|e| refuse(&format!("cannot catch Ctrl-C: {e}")))?;
    let study = study_of(directory, arguments.data.clone(), &results, voice)?;
    let found = study.usual(&results, &arguments.watch, &stop);
    if stop.load(Ordering::Relaxed) {
        complain(&format!("{folder}: interrupted; nothing was written"));
        return Err(Exit::Interrupted);
    }
    let ours = results.windtunnel_version == env!("CARGO_PKG_VERSION");
    found.map_err(|breach| {
        if !ours || !results.is_complete() {
            return refuse(&otherwise(directory, index));
        }
        broken(&Overriding::default(), (&directory.join(SCENARIO), &study), &breach)
    })
}

fn render(directory: &Path, watched: Option<Watched>) -> Result<Results, String> {
    let manifest = folder::read_manifest(directory)
        .map_err(|e| format!("{} is no result folder: {e}", directory.display()))?;
    let mut files = BTreeMap::new();
    for file in &manifest.files {
        // Pictures and tables are made again below; only what they are made from must be intact.
        if let Ok(bytes) = folder::read_checked(directory, file) {
            files.insert(file.name.clone(), bytes);
        } else if matches!(
            file.name.as_str(),
            "results.json" | "requests.csv" | WATCHED | CLOSELY | SCENARIO
        ) {
            return Err(folder::read_checked(directory, file).expect_err("just failed"));
        }
    }
    let json = files.get("results.json").ok_or("results.json is missing in the manifest")?;
    let results = parse(directory, json)?;
    let watched = match watched {
        Some(watched) => watched,
        None => Watched {
            waterfalls: watched_in(directory)?.unwrap_or_default(),
            closely: closely_in(directory)?,
            ..Watched::default()
        },
    };
    // The results themselves stay as they were written.
    files.extend(
        write_all(&results, &watched).into_iter().filter(|(name, _)| name != "results.json"),
    );
    let timing = std::fs::read(directory.join(TIMING)).ok();
    place(directory)?.write(&RealDisk, manifest.status, &files, timing.as_deref())?;
    Ok(results)
}
