//! `windtunnel size`: the cheapest setting of a scenario's knobs that meets its objectives, or the largest load that does.
//!
//! **Invariant.** Nothing is simulated unless the file, its knobs and all their settings are sound.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use clap::{Args, ValueEnum};

use super::{
    files::DiskFiles,
    pilot::examine_with_pilot,
    prepare::{Overriding, Said, told},
    progress,
    run::{broken, workers},
};
use crate::{
    cli::say::{Exit, Voice, complain, print, refuse},
    report::{
        load_doubled, load_head, load_json, load_step, load_text, size_contradiction, size_head,
        size_json, size_step, size_text,
    },
    results::Status,
    scenario::load::Rejected,
    size::{Loading, Sizing},
    slo::Verdict,
    study::{Checked, DEFAULT_MAX_EVENTS, Looks, Study},
};

/// Find the cheapest setting of the file's knobs (`size`) whose objectives all pass as `check` judges them
///
/// Along each knob by bisection, over settings in order of cost, all on the same seeds: what has no more of anything than
/// one that failed is not simulated. Each step is a line; then the answer, with what one step less of each knob breaks.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windtunnel size shop.yaml\n  \
    windtunnel size shop.yaml --knob nodes.api.service.instances=2..40 --minimise cost.per_month\n  \
    windtunnel size shop.yaml --break\n\n\
Exit code: 0 found, 1 nothing meets the objectives, 2 bad input, 3 none is shown to and some are not decided, \
4 a limit was met, 5 internal error, 130 interrupted")]
pub(super) struct SizeArguments {
    /// A scenario file with objectives, and `size` unless --knob says what may be changed
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What may be changed, and to what: a range such as `2..40` or a list, from the least to the most; instead of the
    /// file's `size`. Paths that change together are joined by ` + `. May be repeated
    #[arg(long = "knob", value_name = "PATH=RANGE")]
    knobs: Vec<String>,
    /// The figure that is to be least, instead of the file's
    #[arg(long, value_name = "METRIC")]
    minimise: Option<String>,
    /// Instead: the largest load, as a factor to 1 %, that meets the objectives, of all clients or of CLIENT; what is
    /// full first then, and the load with twice of that
    #[arg(long = "break", value_name = "CLIENT", num_args = 0..=1, default_missing_value = "",
          conflicts_with_all = ["knobs", "minimise"])]
    breaking: Option<String>,
    #[command(flatten)]
    overriding: Overriding,
    /// Look at each setting once, at so many replications
    #[arg(long, short = 'n', value_name = "N", conflicts_with = "max_replications",
          value_parser = clap::value_parser!(u32).range(2..=100_000))]
    replications: Option<u32>,
    /// The last look at a setting
    #[arg(long, value_name = "N", default_value_t = 320,
          value_parser = clap::value_parser!(u32).range(2..=100_000))]
    max_replications: u32,
    /// Threads; all cores when absent. No verdict depends on it
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Stop a replication after so many events (exit 4)
    #[arg(long, default_value_t = DEFAULT_MAX_EVENTS, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..))]
    max_events: u64,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text
    Human,
    /// One object
    Json,
}

impl SizeArguments {
    fn looks(&self) -> Looks {
        self.replications.map_or(Looks::UpTo(self.max_replications), Looks::One)
    }

    /// What is put in the place of the file's, its knobs included.
    fn overriding(&self) -> Result<Overriding, Exit> {
        let mut with = self.overriding.clone();
        let mut knobs = Vec::new();
        for knob in &self.knobs {
            let Some((path, range)) = knob.split_once('=').filter(|(path, _)| !path.contains('"'))
            else {
                let example = "`--knob nodes.api.service.instances=2..40`";
                return Err(refuse(&format!("--knob wants PATH=RANGE, such as {example}")));
            };
            knobs.push(format!("\"{path}\": {range}"));
        }
        let least = self.minimise.as_ref();
        if !knobs.is_empty() {
            let least = least.map_or(String::new(), |least| format!(", minimise: \"{least}\""));
            with = with.with_set(format!("size={{knobs: {{{}}}{least}}}", knobs.join(", ")));
        } else if let Some(least) = least {
            with = with.with_set(format!("size.minimise={least}"));
        }
        Ok(with)
    }
}

pub(super) fn size(arguments: &SizeArguments, voice: Voice) -> Exit {
    let voice = voice.to_programs(arguments.format == Format::Json);
    let found = match &arguments.breaking {
        None => cheapest(arguments, voice),
        Some(client) => {
            largest(arguments, Some(client.as_str()).filter(|of| !of.is_empty()), voice)
        }
    };
    found.unwrap_or_else(|exit| exit)
}

/// The cheapest setting.
fn cheapest(arguments: &SizeArguments, voice: Voice) -> Result<Exit, Exit> {
    let (pool, stop) = workers(arguments.jobs)?;
    let overriding = arguments.overriding()?;
    let steps = Steps { arguments, pool: &pool, stop: &stop, voice };
    steps.open(&overriding, voice)?;
    let opened = Sizing::open(&steps.path(), &DiskFiles, &overriding.overrides());
    let mut sizing = opened.map_err(|rejected| steps.rejected(&rejected))?;
    steps.say(&size_head(&steps.path(), sizing.sized()));
    let mut contradicted = false;
    let mut interrupted = None;
    while let Some(sets) = sizing.asks() {
        let Some((checked, cost)) = steps.step(&overriding, sets)? else {
            interrupted = Some(Exit::Interrupted);
            break;
        };
        sizing.tell(&checked, cost);
        let sized = sizing.sized();
        steps.say(&size_step(sized, &sized.steps[sized.steps.len() - 1]));
        if let Some(line) = size_contradiction(sized).filter(|_| !contradicted) {
            contradicted = true;
            steps.say(&line);
        }
    }
    let sized = sizing.sized();
    let found = interrupted.unwrap_or_else(|| match sized.best() {
        Some(_) => Exit::Done,
        None if sized.search.undecided().is_empty() => Exit::Failed,
        None => Exit::Inconclusive,
    });
    match arguments.format {
        Format::Human => steps.say(&size_text(sized, interrupted.is_none())),
        Format::Json => print(format!("{:#}\n", size_json(sized, found.code())).as_bytes()),
    }
    Ok(found)
}

/// The largest load.
fn largest(arguments: &SizeArguments, client: Option<&str>, voice: Voice) -> Result<Exit, Exit> {
    let (pool, stop) = workers(arguments.jobs)?;
    let overriding = &arguments.overriding;
    let steps = Steps { arguments, pool: &pool, stop: &stop, voice };
    if steps.open(overriding, voice)?.objectives().is_empty() {
        let name = arguments.file.display();
        return Err(refuse(&format!(
            "{name} has no objectives: give it `slos`, such as `slos: [availability >= 99.9%]`"
        )));
    }
    let opened = Loading::open(&steps.path(), &DiskFiles, &overriding.overrides(), client);
    let mut loading = opened.map_err(|rejected| steps.rejected(&rejected))?;
    steps.say(&load_head(&steps.path(), loading.loads()));
    let mut complete = steps.all(&mut loading)?;
    steps.say(&load_text(loading.loads(), complete));
    if complete && loading.loads().full().is_some() && loading.loads().met.is_some() {
        steps.say(&load_doubled(loading.double().as_ref()));
        if loading.before().is_some() {
            complete = steps.all(&mut loading)?;
            steps.say(&load_text(loading.loads(), complete));
        }
    }
    let last = loading.loads();
    let (loads, doubled) = match loading.before() {
        Some((first, doubled)) => (first, Some((doubled, last))),
        None => (last, None),
    };
    let failed = loads.missed().is_some_and(|step| step.verdict == Verdict::Fail);
    let found = match loads.met {
        _ if !complete => Exit::Interrupted,
        Some(_) => Exit::Done,
        None if failed => Exit::Failed,
        None => Exit::Inconclusive,
    };
    if arguments.format == Format::Json {
        print(format!("{:#}\n", load_json(loads, doubled, found.code())).as_bytes());
    }
    Ok(found)
}

/// How designs are simulated one after the other.
struct Steps<'a> {
    arguments: &'a SizeArguments,
    pool: &'a rayon::ThreadPool,
    stop: &'a AtomicBool,
    voice: Voice,
}

impl Steps<'_> {
    fn path(&self) -> String {
        self.arguments.file.to_string_lossy().into_owned()
    }

    fn say(&self, text: &str) {
        if self.arguments.format == Format::Human && !self.voice.quiet {
            print(text.as_bytes());
        }
    }

    fn rejected(&self, rejected: &Rejected) -> Exit {
        complain(rejected.render(self.voice.colour).trim_end());
        Exit::BadInput
    }

    /// All steps of a search for a load; whether nothing interrupted it.
    fn all(&self, loading: &mut Loading) -> Result<bool, Exit> {
        while let Some(sets) = loading.asks() {
            let Some((checked, _)) = self.step(&self.arguments.overriding, sets)? else {
                return Ok(false);
            };
            self.say(&load_step(loading.tell(&checked)));
        }
        Ok(true)
    }

    /// A design that has objectives to meet.
    fn open(&self, overriding: &Overriding, voice: Voice) -> Result<Study, Exit> {
        let file = &self.arguments.file;
        let examined =
            self.pool.install(|| examine_with_pilot(file, overriding, self.stop, voice))?;
        let mut study = told(examined, &mut Said::default(), voice).ok_or(Exit::BadInput)?;
        let name = file.display();
        if let Some(held) = study.objectives().iter().find(|one| one.baseline.is_some()) {
            return Err(refuse(&format!(
                "{name}: {} is held against a baseline; here each needs a limit of its own",
                held.path
            )));
        }
        study.limit_events(self.arguments.max_events);
        Ok(study)
    }

    /// Simulates and judges the design with these put in its place; none when it was stopped.
    fn step(
        &self,
        overriding: &Overriding,
        sets: Vec<String>,
    ) -> Result<Option<(Checked, Option<f64>)>, Exit> {
        let with = sets.into_iter().fold(overriding.clone(), |with, set| with.with_set(set));
        // What is to be said of the design was said of it as it stands.
        let study = self.open(&with, Voice { quiet: true, ..self.voice })?;
        let looks = self.arguments.looks();
        let all = (study.info().duration, looks.last());
        let progress = [study.progress()];
        let judged = progress::during(self.voice.quiet, all, &progress, || {
            self.pool.install(|| study.sized(looks, self.stop))
        });
        let file = &self.arguments.file;
        let (checked, cost) = judged.map_err(|breach| broken(&with, (file, &study), &breach))?;
        match checked.results.status {
            Status::Complete => Ok(Some((checked, cost))),
            Status::Truncated => {
                let reason = checked.results.status_reason.as_deref().unwrap_or_default();
                complain(&format!("{}: stopped at a limit: {reason}", file.display()));
                Err(Exit::Limit)
            }
            Status::Interrupted => Ok(None),
        }
    }
}
