//! `windtunnel report`: renders a result folder again, without simulating.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;

use super::folder::{self, Place, RealDisk, TIMING};
use crate::{
    cli::say::{Exit, Voice, print, refuse},
    report::{summary_text, write_all},
    results::{Results, Waterfall},
};

/// What single requests went through, where they were watched.
const WATCHED: &str = "watched.json";

/// Render plots and the HTML report of a result folder again, without simulating
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  windtunnel report outputs/shop/0123456789abcdef")]
pub(super) struct ReportArguments {
    /// A folder that `windtunnel run` wrote
    directory: PathBuf,
}

pub(super) fn report(arguments: &ReportArguments, voice: Voice) -> Exit {
    match render(&arguments.directory) {
        Ok(results) => {
            if !voice.quiet {
                print(summary_text(&results, super::run::width()).as_bytes());
            }
            Exit::Done
        }
        Err(line) => refuse(&line),
    }
}

fn render(directory: &Path) -> Result<Results, String> {
    let manifest = folder::read_manifest(directory)
        .map_err(|e| format!("{} is no result folder: {e}", directory.display()))?;
    let mut files = BTreeMap::new();
    for file in &manifest.files {
        // Pictures and tables are made again below; only what they are made from must be intact.
        if let Ok(bytes) = folder::read_checked(directory, file) {
            files.insert(file.name.clone(), bytes);
        } else if matches!(
            file.name.as_str(),
            "results.json" | "requests.csv" | WATCHED | folder::SCENARIO
        ) {
            return Err(folder::read_checked(directory, file).expect_err("just failed"));
        }
    }
    let json = files.get("results.json").ok_or("results.json is missing in the manifest")?;
    let results = parse(directory, json)?;
    let watched = watched_in(directory)?.unwrap_or_default();
    // The results themselves stay as they were written.
    files.extend(
        write_all(&results, &watched).into_iter().filter(|(name, _)| name != "results.json"),
    );
    let timing = std::fs::read(directory.join(TIMING)).ok();
    place(directory)?.write(&RealDisk, &manifest.status, &files, timing.as_deref())?;
    Ok(results)
}

/// The results in a folder, as they were written.
pub(super) fn read(directory: &Path) -> Result<Results, String> {
    let manifest = folder::read_manifest(directory)
        .map_err(|e| format!("{} is no result folder: {e}", directory.display()))?;
    let file = manifest.files.iter().find(|file| file.name == "results.json");
    let file = file.ok_or("results.json is missing in the manifest")?;
    parse(directory, &folder::read_checked(directory, file)?)
}

/// The requests that were watched, as they were written; none: nobody watched.
pub(super) fn watched_in(directory: &Path) -> Result<Option<Vec<Waterfall>>, String> {
    let manifest = folder::read_manifest(directory)?;
    let Some(file) = manifest.files.iter().find(|file| file.name == WATCHED) else {
        return Ok(None);
    };
    let json = folder::read_checked(directory, file)?;
    let all = serde_json::from_slice(&json);
    all.map(Some).map_err(|e| format!("{}/{WATCHED}: {e}", directory.display()))
}

fn parse(directory: &Path, json: &[u8]) -> Result<Results, String> {
    serde_json::from_slice(json).map_err(|e| format!("{}/results.json: {e}", directory.display()))
}

/// The place that is this folder.
pub(super) fn place(directory: &Path) -> Result<Place, String> {
    let whole = directory.canonicalize().map_err(|e| format!("{}: {e}", directory.display()))?;
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name).and_then(|n| n.to_str()).map(str::to_owned)
    };
    let parent = whole.parent();
    let place = || {
        Some(Place {
            out: parent?.parent()?.to_owned(),
            scenario: name(parent)?,
            run_id: name(Some(&whole))?,
            force: false,
            latest: true,
        })
    };
    place().ok_or_else(|| format!("{} stands too high in the file system", whole.display()))
}
