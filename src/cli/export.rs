//! `windtunnel export`: what was measured or seen, for the programs that read the same of real systems.
//!
//! **Invariant.** What is exported belongs to the run of the folder: the replication is simulated again, and refused if it
//! goes otherwise.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::{Args, ValueEnum};

use super::{
    files::write,
    folder::{self, RealDisk, SCENARIO, TIMING, place, read, watched_in},
    prepare::Overriding,
    requests::{is_the_same, replication_of, study_of},
    run::{broken, interruptible},
};
use crate::{
    cli::say::{Exit, Voice, complain, print, refuse},
    report::{exported, jepsen, mermaid, openmetrics, otlp, perfetto},
    results::{Results, RunHistory, Waterfall},
};

/// Write what a run measured, its design, single requests or the history of one replication, for other programs
///
/// `openmetrics`: the time series, as a monitoring system scrapes them; the run begins at the epoch. `mermaid`: the design as a
/// flowchart for a pull request. `otlp`: single requests as traces (what Jaeger loads); `perfetto`: the same as trace events, with
/// what waited and was busy, faults and alerts. They are those of the report; where it has none, the replication is simulated
/// again. All these go to standard output, or to --output.
///
/// `jepsen`, of one replication that is simulated again: what clients asked of each store that is followed and what they were answered, in `DIR/jepsen/`: `STORE.edn` and
/// `STORE.json` hold all keys as transactions over registers (Elle, model `rw-register`), `STORE-key-K.edn` one key as a
/// register (Knossos, model `cas-register`). A value is the number of the write of its key, and a deletion has one too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windtunnel export outputs/shop/latest --as jepsen\n  \
    windtunnel export outputs/shop/latest --as jepsen --replication 2 --key 17\n  \
    windtunnel export outputs/shop/latest --as openmetrics --output shop.prom\n  \
    windtunnel export outputs/shop/latest --as otlp --output shop.json\n  \
    windtunnel export outputs/shop/latest --as mermaid")]
pub(super) struct ExportArguments {
    /// A folder that `windtunnel run` wrote
    directory: PathBuf,
    /// For whom
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    format: Format,
    /// All but `jepsen`: write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The replication, from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    replication: usize,
    /// Only this key, which gets a file of its own too. May be repeated. When absent all keys, and a file for the key of the
    /// witness, if there is one
    #[arg(long = "key", value_name = "K")]
    keys: Vec<u64>,
    /// Look for the files of data the scenario names here
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
}

/// For whom something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Jepsen, Elle, Knossos
    Jepsen,
    /// Prometheus and its kin
    Openmetrics,
    /// Pull requests, wikis
    Mermaid,
    /// Jaeger and its kin
    Otlp,
    /// Perfetto, Chrome
    Perfetto,
}

pub(super) fn export(arguments: &ExportArguments, voice: Voice) -> Exit {
    let of_jepsen = arguments.format == Format::Jepsen;
    if of_jepsen && arguments.output.is_some() {
        return refuse("--output is not of jepsen: a history goes into its folder");
    }
    if !of_jepsen && (arguments.replication != 0 || !arguments.keys.is_empty()) {
        return refuse("--replication and --key are of jepsen");
    }
    if of_jepsen {
        return jepsen_history(arguments, voice);
    }
    let bytes = match text(arguments, voice) {
        Ok(bytes) => bytes,
        Err(exit) => return exit,
    };
    match &arguments.output {
        None => print(&bytes),
        Some(file) => {
            if let Err(line) = write(file, &bytes) {
                return refuse(&line);
            }
        }
    }
    Exit::Done
}

/// What is written, in one piece.
fn text(arguments: &ExportArguments, voice: Voice) -> Result<Vec<u8>, Exit> {
    let results = read(&arguments.directory).map_err(|line| refuse(&line))?;
    Ok(match arguments.format {
        Format::Openmetrics => openmetrics(&results),
        Format::Mermaid => mermaid(&results),
        Format::Otlp => otlp(&results, &requests(arguments, &results, voice)?),
        Format::Perfetto => perfetto(&results, &requests(arguments, &results, voice)?),
        Format::Jepsen => unreachable!("a history goes into its folder"),
    })
}

/// The requests that the report shows; where none were watched, the replication is simulated again.
fn requests(
    arguments: &ExportArguments,
    results: &Results,
    voice: Voice,
) -> Result<Vec<Waterfall>, Exit> {
    let folder = &arguments.directory;
    if let Some(known) = watched_in(folder).map_err(|line| refuse(&line))? {
        return Ok(known);
    }
    let stop = interruptible().map_err(|e| refuse(&format!("cannot catch Ctrl-C: {e}")))?;
    let study = study_of(folder, arguments.data.clone(), results, voice)?;
    let found = study.usual(results, &[], &stop);
    if stop.load(Ordering::Relaxed) {
        complain(&format!("{}: interrupted; nothing was written", folder.display()));
        return Err(Exit::Interrupted);
    }
    let path = folder.join(SCENARIO);
    let found = found.map_err(|breach| broken(&Overriding::default(), (&path, &study), &breach))?;
    Ok(found.waterfalls)
}

fn jepsen_history(arguments: &ExportArguments, voice: Voice) -> Exit {
    let stop = match interruptible() {
        Ok(stop) => stop,
        Err(e) => return refuse(&format!("cannot catch Ctrl-C: {e}")),
    };
    match history(arguments, &stop, voice) {
        Ok(history) => written(arguments, &history, voice),
        Err(exit) => exit,
    }
}

/// The history of the replication, simulated again.
fn history(
    arguments: &ExportArguments,
    stop: &AtomicBool,
    voice: Voice,
) -> Result<RunHistory, Exit> {
    let folder = arguments.directory.display();
    let results = read(&arguments.directory).map_err(|line| refuse(&line))?;
    let (directory, wanted) = (&arguments.directory, Some(arguments.replication));
    let replication = replication_of(directory, &results, wanted).map_err(|line| refuse(&line))?;
    let study = study_of(directory, arguments.data.clone(), &results, voice)?;
    let keys: BTreeSet<u64> = arguments.keys.iter().copied().collect();
    let found = study.history(replication, &keys, stop);
    let path = arguments.directory.join(SCENARIO);
    let found = found.map_err(|breach| broken(&Overriding::default(), (&path, &study), &breach))?;
    let Some(history) = found else {
        complain(&format!("{folder}: interrupted; nothing was written"));
        return Err(Exit::Interrupted);
    };
    is_the_same(directory, &results, (replication.0, &history.fingerprint))
        .map_err(|line| refuse(&line))?;
    if history.stores.is_empty() {
        let why = if history.without.is_empty() {
            "no store is written, or `history: none` says that nothing is followed".to_owned()
        } else {
            format!("{} keep several values of a key side by side", history.without.join(", "))
        };
        return Err(refuse(&format!("{folder} has no history of a register: {why}")));
    }
    Ok(history)
}

/// Puts the files into the folder.
fn written(arguments: &ExportArguments, history: &RunHistory, voice: Voice) -> Exit {
    let mut new = BTreeMap::new();
    for store in &history.stores {
        let alone =
            if arguments.keys.is_empty() { store.witness.as_slice() } else { &arguments.keys };
        new.extend(jepsen(store, alone));
    }
    match added(arguments, &new) {
        Ok(()) if voice.quiet => Exit::Done,
        Ok(()) => {
            let names: Vec<&str> = new.keys().map(String::as_str).collect();
            print(exported(history, &arguments.directory.to_string_lossy(), &names).as_bytes());
            Exit::Done
        }
        Err(line) => refuse(&line),
    }
}

/// The folder as it is, with these files in place of those of an earlier export.
fn added(arguments: &ExportArguments, new: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    let directory = &arguments.directory;
    let manifest = folder::read_manifest(directory)?;
    let mut files = new.clone();
    for file in manifest.files.iter().filter(|file| !file.name.starts_with("jepsen/")) {
        files.insert(file.name.clone(), folder::read_checked(directory, file)?);
    }
    let timing = std::fs::read(directory.join(TIMING)).ok();
    place(directory)?.write(&RealDisk, manifest.status, &files, timing.as_deref())?;
    Ok(())
}
