//! `windtunnel compare`: a design against variants and other designs, on the same random numbers.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use clap::{Args, ValueEnum};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::{
    files::write,
    pilot::examine_with_pilot,
    prepare::{Overriding, Said, told},
    progress,
    run::{broken, width, workers},
};
use crate::{
    cli::say::{Exit, Voice, complain, print, refuse},
    report::{
        compared_json, compared_markdown, compared_plots, compared_text, label as metric_label,
        lost_markdown, lost_text,
    },
    results::{Comparison, Status},
    slo::Metric,
    study::{self, Breach, Compared, DEFAULT_MAX_EVENTS, Loss, Margin, Study},
    units::{Fraction, show::Quantity},
};

/// Compare a design with its variants, or with other designs
///
/// All are run on the same random numbers, so that what differs is the design. With one file its variants are compared
/// with the file as it stands; with several, the others and the variants named are compared with the first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windtunnel compare shop.yaml\n  \
    windtunnel compare shop.yaml --variant no-cache,bigger --format markdown > review.md\n  \
    windtunnel compare a.yaml b.yaml --metric 'p99(latency operation=buy)' --margin p99=2ms\n  \
    windtunnel compare shop.yaml --lose each")]
pub(super) struct CompareArguments {
    /// Scenario files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Replications of each design
    #[arg(long, short = 'n', default_value_t = 20, value_name = "N",
          value_parser = clap::value_parser!(u32).range(2..=100_000))]
    replications: u32,
    #[command(flatten)]
    overriding: Overriding,
    /// Compare by this figure, such as `p99(latency operation=buy)`, beside the usual ones. May be repeated
    #[arg(long = "metric", value_name = "FIGURE")]
    metrics: Vec<String>,
    /// Differences of FIGURE up to so much are none: `p99=2ms`, `availability=0.05%` (points), `p99=2%` of the base.
    /// If nothing is said, 1 % of the base's figure (of shares, of what is missing to 0 or 100 %). May be repeated
    #[arg(long = "margin", value_name = "FIGURE=VALUE")]
    margins: Vec<String>,
    /// Compare the design as it is with itself without one thing, for a third of the run: an instance of each node, each
    /// node, each zone and region, the way between each two of these
    #[arg(long, value_enum, value_name = "WHAT")]
    lose: Option<Lose>,
    /// Threads; all cores when absent. No result depends on it
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Stop a replication after so many events (exit 4)
    #[arg(long, default_value_t = DEFAULT_MAX_EVENTS, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..))]
    max_events: u64,
    /// Write compare.json, compare.md, differences.svg and pareto.svg into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text
    Human,
    /// The document compare.json
    Json,
    /// A table and sentences
    Markdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lose {
    /// One thing after the other
    Each,
}

/// What is served while something is lost.
fn during() -> String {
    format!("availability(during={})", Loss::FAULT)
}

/// A design that can be run.
struct Ready {
    path: PathBuf,
    /// What it lost, if that is what is compared.
    lost: Option<String>,
    overriding: Overriding,
    study: Study,
}

pub(super) fn compare(arguments: &CompareArguments, voice: Voice) -> Exit {
    let voice = voice.to_programs(arguments.format == Format::Json);
    let (pool, stop) = match workers(arguments.jobs) {
        Ok(workers) => workers,
        Err(exit) => return exit,
    };
    let found = pool.install(|| match arguments.lose {
        Some(Lose::Each) => without_each(arguments, &stop, voice),
        None => all_ready(arguments, &stop, voice),
    });
    let ready = match found {
        Ok(ready) => ready,
        Err(exit) => return exit,
    };
    let metrics = match metrics(arguments, &ready) {
        Ok(metrics) => metrics,
        Err(line) => return refuse(&line),
    };
    if let Some(line) = arguments.out.as_deref().and_then(unusable) {
        return refuse(&line);
    }
    let figures: Vec<Metric> = metrics.iter().map(|(metric, _)| metric.clone()).collect();
    let simulated: Vec<_> = ready.iter().map(|ready| ready.study.progress()).collect();
    let all = ready.iter().map(|ready| ready.study.info().duration).sum::<u64>();
    let replications = arguments.replications as usize;
    let runs: Vec<Result<Compared, Breach>> =
        progress::during(voice.quiet, (all, replications as u64), &simulated, || {
            let one = |ready: &Ready| ready.study.gather(&figures, replications, &stop);
            pool.install(|| ready.par_iter().map(one).collect())
        });
    let mut designs = Vec::new();
    for (ready, run) in ready.iter().zip(runs) {
        match run {
            Ok(run) => designs.push(run),
            Err(breach) => return broken(&ready.overriding, (&ready.path, &ready.study), &breach),
        }
    }
    if designs.iter().any(|design| design.results.seeds.len() < 2) {
        complain("interrupted before two replications of each design finished");
        return Exit::Interrupted;
    }
    tell(arguments, &study::compare(&designs, &names(&ready), &metrics), voice)
}

/// Everything that is to be compared, the base first; or the problems said.
fn all_ready(
    arguments: &CompareArguments,
    stop: &AtomicBool,
    voice: Voice,
) -> Result<Vec<Ready>, Exit> {
    let mut all: Vec<Ready> = Vec::new();
    let mut failed = false;
    for (i, path) in arguments.files.iter().enumerate() {
        let mut said = Said::default();
        let mut wanted = vec![arguments.overriding.with_variant(None)];
        if i == 0 && !arguments.overriding.is_of_file() {
            wanted.extend(arguments.overriding.each_variant());
        }
        let mut next = 0;
        while let Some(overriding) = wanted.get(next).cloned() {
            next += 1;
            let examined = examine_with_pilot(path, &overriding, stop, voice)?;
            let Some(mut study) = told(examined, &mut said, voice) else {
                failed = true;
                continue;
            };
            if arguments.files.len() == 1 && wanted.len() == 1 && arguments.overriding.is_of_file()
            {
                let named = study.variants.iter().map(|(name, _)| Some(name.clone()));
                wanted.extend(named.map(|name| arguments.overriding.with_variant(name)));
            }
            study.limit_events(arguments.max_events);
            if let Some(base) = all.first() {
                study.seed = base.study.seed;
            }
            all.push(Ready { path: path.clone(), lost: None, overriding, study });
        }
    }
    if failed {
        return Err(Exit::BadInput);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = all.iter().find(|r| !seen.insert((&r.path, &r.study.info().variant))) {
        return Err(refuse(&format!("{} is given twice", full_name(twice))));
    }
    if let [alone] = all.as_slice() {
        return Err(refuse(&format!(
            "there is nothing to compare {} with: it has no `variants`; name another file",
            alone.path.display()
        )));
    }
    Ok(all)
}

/// A design, and the same without each thing it may lose.
fn without_each(
    arguments: &CompareArguments,
    stop: &AtomicBool,
    voice: Voice,
) -> Result<Vec<Ready>, Exit> {
    let overridings = arguments.overriding.each_variant();
    let ([path], [overriding]) = (arguments.files.as_slice(), overridings.as_slice()) else {
        return Err(refuse("--lose is of one design: name one file, and one variant at most"));
    };
    let mut said = Said::default();
    let open = |overriding: &Overriding, said: &mut Said, voice: Voice| {
        let examined = examine_with_pilot(path, overriding, stop, voice)?;
        let mut study = told(examined, said, voice).ok_or(Exit::BadInput)?;
        study.limit_events(arguments.max_events);
        let (path, overriding) = (path.clone(), overriding.clone());
        Ok(Ready { path, lost: None, overriding, study })
    };
    let base = open(overriding, &mut said, voice)?;
    let losses = base.study.losses();
    let faults = base.study.faults();
    let mut all = vec![base];
    // What is to be said of the design was said of it as it is.
    let quiet = Voice { quiet: true, ..voice };
    for loss in losses {
        let lost = Some(loss.name.clone());
        let without = open(&overriding.with_set(loss.setting(faults)), &mut said, quiet)?;
        all.push(Ready { lost, ..without });
    }
    if all.len() < 2 {
        return Err(refuse(&format!("{} has no node to lose", path.display())));
    }
    Ok(all)
}

fn full_name(ready: &Ready) -> String {
    let file = ready.path.display();
    match &ready.study.info().variant {
        Some(variant) => format!("{file} ({variant})"),
        None => file.to_string(),
    }
}

/// What each is called, and its file as it was typed.
fn names(ready: &[Ready]) -> Vec<(String, String)> {
    let one_file = ready.iter().all(|r| r.path == ready[0].path);
    let short = |ready: &Ready| match &ready.study.info().variant {
        _ if ready.lost.is_some() => ready.lost.clone().unwrap_or_default(),
        Some(variant) => variant.clone(),
        None if one_file => "base".to_owned(),
        None => {
            let stem = ready.path.file_stem().unwrap_or(ready.path.as_os_str());
            stem.to_string_lossy().into_owned()
        }
    };
    let shorts: Vec<String> = ready.iter().map(short).collect();
    let unique = |name: &String| shorts.iter().filter(|other| *other == name).count() == 1;
    let named = ready.iter().zip(&shorts);
    named
        .map(|(ready, short)| {
            let name = if unique(short) { short.clone() } else { full_name(ready) };
            (name, ready.path.display().to_string())
        })
        .collect()
}

/// Adds the figures that `--metric` asks for.
pub(super) fn add_asked(
    metrics: &mut Vec<Metric>,
    asked: &[String],
    base: &Study,
) -> Result<(), String> {
    for text in asked {
        let metric = base.metric(text).map_err(|problem| match problem.help {
            Some(help) => format!("--metric {text}: {}; {help}", problem.message),
            None => format!("--metric {text}: {}", problem.message),
        })?;
        if metrics.iter().all(|known| known.text() != metric.text()) {
            metrics.push(metric);
        }
    }
    Ok(())
}

/// The figures to compare by, each with its margin.
fn metrics(arguments: &CompareArguments, ready: &[Ready]) -> Result<Vec<(Metric, Margin)>, String> {
    let base = &ready[0].study;
    let mut metrics = base.usual_metrics();
    if let Some(lost) = ready.iter().find(|ready| ready.lost.is_some()) {
        metrics.extend(lost.study.metric(&during()).ok());
    }
    add_asked(&mut metrics, &arguments.metrics, base)?;
    let mut all: Vec<_> = metrics.into_iter().map(|metric| (metric, Margin::USUAL)).collect();
    for text in &arguments.margins {
        let Some((name, value)) = text.rsplit_once('=') else {
            return Err(format!("--margin {text}: a margin is FIGURE=VALUE, such as p99=2ms"));
        };
        let name = name.trim();
        let found = all
            .iter_mut()
            .find(|(metric, _)| metric.text() == name || metric_label(metric.text()) == name);
        let Some((metric, margin)) = found else {
            let known: Vec<String> = all.iter().map(|(m, _)| metric_label(m.text())).collect();
            let known = known.join(", ");
            return Err(format!(
                "--margin {text}: no figure is called `{name}`; there are {known}"
            ));
        };
        *margin =
            self::margin(metric, value.trim()).map_err(|e| format!("--margin {text}: {e}"))?;
    }
    Ok(all)
}

/// `2%` of the base's figure, or a distance in the figure's unit; a share's per cent are points.
fn margin(metric: &Metric, value: &str) -> Result<Margin, String> {
    let is_share = metric.quantity() == Quantity::Share;
    match value.parse::<Fraction>() {
        Ok(part) if value.ends_with('%') && !is_share => Ok(Margin::Relative(part.0)),
        _ => metric.distance(value).map(Margin::Absolute),
    }
}

/// Why results could not be written there.
fn unusable(folder: &Path) -> Option<String> {
    if folder.exists() && !folder.is_dir() {
        return Some(format!("{} is not a folder", folder.display()));
    }
    fs::create_dir_all(folder).err().map(|e| format!("cannot make {}: {e}", folder.display()))
}

fn tell(arguments: &CompareArguments, comparison: &Comparison, voice: Voice) -> Exit {
    let document = compared_json(comparison);
    let markdown = match arguments.lose {
        Some(Lose::Each) => lost_markdown(comparison, &during()),
        None => compared_markdown(comparison),
    };
    match arguments.format {
        Format::Json => print(&document),
        Format::Markdown => print(markdown.as_bytes()),
        Format::Human if voice.quiet => {}
        Format::Human if arguments.lose.is_some() => {
            print(lost_text(comparison, &during(), width()).as_bytes());
        }
        Format::Human => print(compared_text(comparison, width()).as_bytes()),
    }
    let exit = match comparison.status {
        Status::Complete => Exit::Done,
        Status::Truncated => {
            complain("stopped at a limit: not all of the time was simulated");
            Exit::Limit
        }
        Status::Interrupted => Exit::Interrupted,
    };
    let Some(folder) = &arguments.out else { return exit };
    let mut files = vec![
        ("compare.json".to_owned(), document),
        ("compare.md".to_owned(), markdown.into_bytes()),
    ];
    files.extend(compared_plots(comparison));
    for (name, bytes) in files {
        if let Err(line) = write(&folder.join(name), &bytes) {
            return exit.max(refuse(&line));
        }
    }
    exit
}
