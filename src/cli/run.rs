//! `windtunnel run`: simulate scenarios, print a table, leave result folders.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use clap::{Args, ValueEnum};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::{
    designs::{self, Design},
    folder::{self, Place, RealDisk},
    pilot::examine_with_pilot,
    prepare::{Overriding, Said, told},
    progress, scale,
};
use crate::{
    cli::say::{Exit, Voice, complain, print, refuse},
    report::{precision, requests_csv, results_json, summary_text, write_all},
    results::{CapNormal, Results, Status, Watched},
    scenario::scale::divisor,
    study::{self, Breach, Precision, Run, Study},
    units::{Fraction, ValueError},
};

/// Simulate scenarios, print a table for each, write result folders
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windtunnel run shop.yaml\n  \
    windtunnel run shop.yaml --replications 20 --seed 7 --set nodes.api.service.instances=8\n  \
    windtunnel run shop.yaml --precision 2%\n  \
    windtunnel run shop.yaml other.yaml --format json | jq '.[].summary.latency.p99'")]
pub(super) struct RunArguments {
    /// Scenario files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    many: HowMany,
    #[command(flatten)]
    overriding: Overriding,
    /// Run each file as it stands and all its variants; side by side in a table
    ///
    /// Designs under a cut, of whose data somebody writes, are run without their faults as well: what they do is in
    /// DIR/<scenario>/cap/.
    #[arg(long, conflicts_with = "variant")]
    variants: bool,
    /// The design in small: rates, instances and what each has divided by that, times as they are
    ///
    /// For what is too large to simulate. What would not be the same in small is refused at its place; what is known to be
    /// wrong (Erlang C) is said.
    #[arg(long, value_name = "1/N", conflicts_with = "variants", value_parser = divisor)]
    scale: Option<u64>,
    /// Threads; all cores when absent. No result depends on it
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Where result folders go: DIR/<scenario>/<variant>-<run-id>/; `latest` there is a link to the last one
    #[arg(long, default_value = "outputs", value_name = "DIR")]
    out: PathBuf,
    /// Whether one replication is simulated again to see what single requests went through: those that took longest, that
    /// were typical, that failed
    ///
    /// `auto` does so where it has up to 20 million events, `all` always. It is the replication that the timeline is read
    /// from, or the first. No result depends on it.
    #[arg(long, value_enum, default_value_t = Watch::Auto, value_name = "WHICH")]
    watch: Watch,
    /// Write no result folder
    #[arg(long, conflicts_with_all = ["out", "force", "variants", "watch"])]
    no_folder: bool,
    /// Replace what is in the way in DIR even if windtunnel did not write it
    #[arg(long)]
    force: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Stop a replication after so many events (exit 4, status `truncated`)
    #[arg(long, default_value_t = study::DEFAULT_MAX_EVENTS, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..))]
    max_events: u64,
}

/// How many replications there are of each scenario, or of each cell.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct HowMany {
    /// Independent runs of each scenario; with one there are no intervals
    #[arg(long, short = 'n', default_value_t = study::DEFAULT_REPLICATIONS as u32,
          value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) replications: u32,
    /// Instead: as many as it takes until mean and p99 latency are known to within this share of them, such as `2%`
    ///
    /// Of all clients together, each end of both intervals. It is looked at after 10, 20, 40 replications and so on, so
    /// that no result depends on --jobs; who stops where it looks good is a little less sure than the interval says.
    #[arg(long, value_name = "SHARE", conflicts_with = "replications", value_parser = share)]
    precision: Option<f64>,
    /// With --precision: no more than so many
    #[arg(long, value_name = "N", requires = "precision", default_value_t = Precision::USUAL_MOST,
          value_parser = clap::value_parser!(u32).range(i64::from(Precision::LEAST)..=100_000))]
    max_replications: u32,
}

impl HowMany {
    /// Until when replications are added, if it is not their number that is given.
    pub(super) fn precision(&self) -> Option<Precision> {
        self.precision.map(|wanted| Precision { wanted, most: self.max_replications })
    }

    /// How many there are at most.
    fn most(&self) -> u32 {
        self.precision().map_or(self.replications, |precision| precision.most)
    }
}

/// A share that is more than nothing and less than all.
fn share(text: &str) -> Result<f64, String> {
    let Fraction(share) = text.parse().map_err(|e: ValueError| match e.help {
        Some(help) => format!("{}; {help}", e.message),
        None => e.message,
    })?;
    if share > 0.0 && share < 1.0 {
        return Ok(share);
    }
    Err("more than 0% and less than 100% are possible, such as `2%`".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text
    Human,
    /// JSON as in results.json (an array for several files), and nothing else
    Json,
}

/// Which runs have a replication simulated again, to see what single requests went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Watch {
    /// Those where it has up to 20 million events
    Auto,
    /// No run
    None,
    /// Every run
    All,
}

/// A scenario that can be run, and where it stands.
struct Ready {
    path: PathBuf,
    overriding: Overriding,
    study: Study,
    /// The same without its faults, to be told of beside it.
    normal: Option<Study>,
}

/// What became of one file.
enum Outcome {
    Finished {
        results: Box<Results>,
        /// None if none is wanted.
        folder: Option<PathBuf>,
        normal: Option<Box<CapNormal>>,
    },
    /// Interrupted before anything finished.
    Nothing,
    Broken(Breach),
    Unwritten(String),
}

pub(super) fn run(arguments: &RunArguments, voice: Voice) -> Exit {
    let voice = voice.to_programs(arguments.format == Format::Json);
    let (pool, stop) = match workers(arguments.jobs) {
        Ok(workers) => workers,
        Err(exit) => return exit,
    };
    let mut ready = match pool.install(|| all_ready(arguments, &stop, voice)) {
        Ok(ready) => ready,
        Err(exit) => return exit,
    };
    for ready in &mut ready {
        let studies = std::iter::once(&mut ready.study).chain(&mut ready.normal);
        studies.for_each(|study| study.limit_events(arguments.max_events));
    }
    if let Err(line) = check_places(arguments, &ready) {
        return refuse(&line);
    }
    let studies = || ready.iter().flat_map(|of| std::iter::once(&of.study).chain(&of.normal));
    let simulated: Vec<_> = studies().map(Study::progress).collect();
    let replications = u64::from(arguments.many.most());
    let all = studies().map(|study| study.info().duration).sum::<u64>();
    let outcomes: Vec<Outcome> =
        progress::during(voice.quiet, (all, replications), &simulated, || {
            pool.install(|| ready.par_iter().map(|ready| one(ready, arguments, &stop)).collect())
        });
    tell(arguments, &ready, outcomes, voice)
}

/// All files and variants asked for, ready to run; or their problems said.
fn all_ready(
    arguments: &RunArguments,
    stop: &AtomicBool,
    voice: Voice,
) -> Result<Vec<Ready>, Exit> {
    let mut all = Vec::new();
    let mut failed = false;
    for path in &arguments.files {
        let mut said = Said::default();
        let mut wanted = arguments.overriding.each_variant();
        wanted.reverse();
        while let Some(overriding) = wanted.pop() {
            let examined = examine_with_pilot(path, &overriding, stop, voice)?;
            let study = told(examined, &mut said, voice);
            failed |= study.is_none();
            if arguments.variants && overriding.is_of_file() {
                let names = study.iter().flat_map(|study| &study.variants);
                let variants = names.map(|(name, _)| overriding.with_variant(Some(name.clone())));
                wanted.extend(variants.collect::<Vec<_>>().into_iter().rev());
            }
            let Some(study) = study else { continue };
            let (study, overriding) = match arguments.scale {
                None => (study, overriding),
                Some(by) => scale::small((path, &overriding, &study), by, stop, voice)?,
            };
            let normal = if arguments.variants {
                designs::without_faults(&study, (path, &overriding), stop, voice)?
            } else {
                None
            };
            all.push(Ready { path: path.clone(), overriding, study, normal });
        }
    }
    if failed { Err(Exit::BadInput) } else { Ok(all) }
}

/// So many threads (all cores if not said), and the flag that stops what they do.
pub(super) fn workers(jobs: Option<u16>) -> Result<(rayon::ThreadPool, Arc<AtomicBool>), Exit> {
    let jobs = usize::from(jobs.unwrap_or(0));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
    let pool =
        pool.map_err(|e| refuse(&format!("cannot start threads: {e}; try a smaller --jobs")))?;
    let stop = interruptible().map_err(|e| refuse(&format!("cannot catch Ctrl-C: {e}")))?;
    Ok((pool, stop))
}

/// A flag that Ctrl-C (or SIGTERM) sets; a second one ends the process at once.
pub(super) fn interruptible() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            #[allow(clippy::exit, reason = "the user insists; nothing half-written can be seen")]
            process::exit(i32::from(Exit::Interrupted.code()));
        }
        complain("stopping: finished replications are kept; press again to stop at once");
    })?;
    Ok(stop)
}

/// Every folder must be writable, and a different one, before hours are spent.
fn check_places(arguments: &RunArguments, ready: &[Ready]) -> Result<(), String> {
    if arguments.no_folder {
        return Ok(());
    }
    let mut folders = BTreeSet::new();
    // What is found of designs under a cut, and of which file.
    let mut cuts = BTreeMap::new();
    for ready in ready {
        if arguments.variants && ready.study.is_cut() {
            let scenario = &ready.study.info().scenario;
            let place = designs::place(&arguments.out, scenario, arguments.force);
            place.check()?;
            let folder = place.folder();
            if cuts.insert(folder.clone(), &ready.path).is_some_and(|other| *other != ready.path) {
                return Err(format!("{} would hold what two files say", folder.display()));
            }
        }
        let place = place(arguments, &ready.study, &complete_rule(arguments));
        place.check()?;
        if !folders.insert(place.folder()) {
            return Err(format!("{} is given twice", ready.path.display()));
        }
        if let Some(what) = place.replaced() {
            complain(&format!("--force: {} goes, with {what}", place.folder().display()));
        }
    }
    Ok(())
}

fn complete_rule(arguments: &RunArguments) -> String {
    match arguments.many.precision() {
        Some(Precision { wanted, most }) => format!("precision {wanted}, {most} replications"),
        None => format!("{} replications", arguments.many.replications),
    }
}

fn place(arguments: &RunArguments, study: &Study, rule: &str) -> Place {
    let info = study.info();
    let seeds = study::seeds(study.seed, arguments.many.most() as usize);
    let id = study::run_id(&study.resolved, &info.data, &seeds, rule);
    let variant = info.variant.as_ref();
    Place {
        out: arguments.out.clone(),
        scenario: info.scenario.clone(),
        run_id: variant.map_or_else(|| id.clone(), |name| format!("{name}-{id}")),
        force: arguments.force,
        latest: true,
    }
}

/// Simulates and writes one file's run.
fn one(ready: &Ready, arguments: &RunArguments, stop: &AtomicBool) -> Outcome {
    let study = &ready.study;
    #[allow(clippy::disallowed_methods, reason = "timing.json is about the wall clock")]
    let start = Instant::now();
    let run = match arguments.many.precision() {
        Some(precision) => study.run_to(precision, stop),
        None => study.run(arguments.many.replications as usize, stop),
    };
    let run = match run {
        Ok(run) if run.results.seeds.is_empty() => return Outcome::Nothing,
        Ok(run) => run,
        Err(breach) => return Outcome::Broken(breach),
    };
    let seconds = start.elapsed().as_secs_f64();
    let replications = run.results.seeds.len();
    let normal = match ready.normal.as_ref().map(|study| study.normal(replications, stop)) {
        None => None,
        Some(Ok(normal)) => normal.map(Box::new),
        Some(Err(breach)) => return Outcome::Broken(designs::without(&breach)),
    };
    let written = if arguments.no_folder {
        Ok(None)
    } else {
        let watched = match watched(arguments.watch, study, &run.results, stop) {
            Ok(watched) => watched,
            Err(breach) => return Outcome::Broken(breach),
        };
        write(arguments, study, (&run, &watched), seconds).map(Some)
    };
    match written {
        Ok(folder) => Outcome::Finished { results: Box::new(run.results), folder, normal },
        Err(line) => Outcome::Unwritten(line),
    }
}

/// What single requests of the replication of interest went through, if it is to be seen.
fn watched(
    which: Watch,
    study: &Study,
    results: &Results,
    stop: &AtomicBool,
) -> Result<Watched, Breach> {
    let most = match which {
        Watch::None => return Ok(Watched::default()),
        Watch::Auto => study::MOST_WATCHED,
        Watch::All => u64::MAX,
    };
    study.usual_of_few(results, most, stop)
}

fn write(
    arguments: &RunArguments,
    study: &Study,
    (Run { results, samples }, watched): (&Run, &Watched),
    seconds: f64,
) -> Result<PathBuf, String> {
    let mut files: BTreeMap<String, Vec<u8>> = write_all(results, watched).into_iter().collect();
    files.insert(folder::SCENARIO.to_owned(), study.resolved.clone().into_bytes());
    files.insert("requests.csv".to_owned(), requests_csv(samples));
    let events: u64 = results.replications.iter().map(|r| r.events).sum();
    let timing = serde_json::json!({
        "seconds": seconds,
        "events": events,
        "events_per_second": events as f64 / seconds,
        "threads": rayon::current_num_threads(),
    });
    // A partial run has a name of its own: it never takes the place of a complete one.
    let rule = match results.status {
        Status::Complete => complete_rule(arguments),
        Status::Truncated => {
            format!("{}, {} events", complete_rule(arguments), arguments.max_events)
        }
        Status::Interrupted => {
            let status = Status::Interrupted;
            format!("{}, {status} after {}", complete_rule(arguments), results.seeds.len())
        }
    };
    let timing = format!("{timing:#}\n");
    place(arguments, study, &rule).write(&RealDisk, results.status, &files, Some(timing.as_bytes()))
}

/// Says what became of each file, in the order given, and how the command ends.
fn tell(arguments: &RunArguments, ready: &[Ready], outcomes: Vec<Outcome>, voice: Voice) -> Exit {
    let mut exit = Exit::Done;
    let mut documents = Vec::new();
    // With --variants those of a file, to be told of side by side.
    let mut designs: Vec<Design> = Vec::new();
    let human = arguments.format == Format::Human && !voice.quiet;
    for (i, (ready_one, outcome)) in ready.iter().zip(outcomes).enumerate() {
        let file = ready_one.path.display();
        let this = match outcome {
            Outcome::Finished { results, folder, normal } => {
                if arguments.format == Format::Json {
                    documents.push(results_json(&results));
                } else if human && !arguments.variants {
                    summary(&results, folder.as_deref(), voice);
                }
                let this = ended(&file.to_string(), &results, voice);
                designs.extend(folder.map(|folder| Design { results, folder, normal }));
                this
            }
            Outcome::Nothing => {
                complain(&format!("{file}: interrupted before a replication finished"));
                Exit::Interrupted
            }
            Outcome::Broken(breach) => {
                broken(&ready_one.overriding, (&ready_one.path, &ready_one.study), &breach)
            }
            Outcome::Unwritten(line) => refuse(&line),
        };
        exit = exit.max(this);
        let last = ready.get(i + 1).is_none_or(|next| next.study.info().variant.is_none());
        if arguments.variants && last {
            let out = (arguments.out.as_path(), arguments.force);
            exit = exit.max(designs::told(&std::mem::take(&mut designs), out, human));
        }
    }
    if arguments.format == Format::Json {
        print(&joined(&documents, ready.len() > 1));
    }
    exit
}

/// What came of a run, and where it is, if anywhere.
fn summary(results: &Results, folder: Option<&Path>, voice: Voice) {
    let text = summary_text(results, width());
    let text = if voice.paint { painted(&text) } else { text };
    let text = text.trim_end();
    let place = folder.map_or_else(String::new, |folder| {
        let page = folder.join("report.html");
        format!("\nResults: {}\nReport:  {}\n", folder.display(), page.display())
    });
    print(format!("{text}\n{place}").as_bytes());
}

/// What has to be said of how a run ended, and its exit code.
fn ended(file: &str, results: &Results, voice: Voice) -> Exit {
    let missed = results.precision.as_ref().is_some_and(|of| !of.reached);
    if let Some(line) = precision(results).filter(|_| missed && !voice.quiet) {
        complain(&format!("{file}: {line}"));
    }
    match results.status {
        Status::Complete => Exit::Done,
        Status::Truncated => {
            let reason = results.status_reason.as_deref().unwrap_or_default();
            complain(&format!("{file}: stopped at a limit: {reason}"));
            Exit::Limit
        }
        Status::Interrupted => Exit::Interrupted,
    }
}

/// One document, or an array of several.
fn joined(documents: &[Vec<u8>], array: bool) -> Vec<u8> {
    let trimmed = documents.iter().map(|d| d.trim_ascii_end());
    let text = trimmed.collect::<Vec<_>>().join(&b",\n"[..]);
    match (array, text.is_empty()) {
        (false, true) => text,
        (false, false) => [&text[..], b"\n"].concat(),
        (true, _) => [b"[\n", &text[..], b"\n]\n"].concat(),
    }
}

/// An invariant broke: how to see it again.
pub(super) fn broken(
    overriding: &Overriding,
    (path, study): (&Path, &Study),
    breach: &Breach,
) -> Exit {
    let file = path.display();
    let Breach { replication, seed, message } = breach;
    complain(&format!(
        "{file}: internal error in replication {replication}, seed {seed}: {message}"
    ));
    let overrides = overriding.as_typed();
    let needed = replication + 1;
    complain(&format!(
        "this is a bug in windtunnel, not in your scenario; to reproduce it:\n  \
         windtunnel run {file} --seed {} --replications {needed}{overrides}",
        study.seed
    ));
    Exit::Internal
}

/// Columns of the terminal, as the shell or the terminal says; 100 when neither does.
pub(super) fn width() -> u16 {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    columns.or_else(|| comfy_table::Table::new().width()).unwrap_or(100).clamp(60, 160)
}

/// Verdicts in colour.
fn painted(text: &str) -> String {
    let colour = |line: &str| {
        let code = match line.split(' ').next() {
            Some("missed") => "31",
            Some("met") => "32",
            Some("inconclusive" | "undecided" | "Hanging") => "33",
            _ => return format!("{line}\n"),
        };
        let (word, rest) = line.split_at(line.find(' ').unwrap_or(line.len()));
        format!("\u{1b}[1;{code}m{word}\u{1b}[0m{rest}\n")
    };
    text.lines().map(colour).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_painted_and_nothing_else() {
        let text = "shop: complete\nmissed  p99(latency) <= 1s\nmet     availability >= 1%\n";
        let painted = painted(text);
        assert!(
            painted.starts_with("shop: complete\n\u{1b}[1;31mmissed\u{1b}[0m  p99"),
            "{painted}"
        );
        assert!(painted.contains("\u{1b}[1;32mmet\u{1b}[0m     av"), "{painted}");
    }

    #[test]
    fn documents_are_joined_to_valid_json() {
        let document = b"{\"a\": 1}\n".to_vec();
        for (documents, array, expected) in [
            (vec![document.clone()], false, serde_json::json!({"a": 1})),
            (vec![document.clone()], true, serde_json::json!([{"a": 1}])),
            (vec![document.clone(), document], true, serde_json::json!([{"a": 1}, {"a": 1}])),
            (vec![], true, serde_json::json!([])),
        ] {
            let text = joined(&documents, array);
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&text).unwrap(), expected);
        }
        assert!(joined(&[], false).is_empty());
    }
}
