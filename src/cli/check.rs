//! `windtunnel check`: are the objectives of scenarios met? An exit code, and reports for people and machines.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use clap::{Args, ValueEnum};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde_json::json;

use super::{
    baseline::{BaselineArguments, Beside, Own},
    files::{append, unwritable, write},
    pilot::examine_with_pilot,
    prepare::{Overriding, Said, told},
    progress,
    run::{broken, workers},
};
use crate::{
    cli::say::{Exit, Voice, complain, print, refuse},
    problem::{Problem, Severity},
    report::{JudgedBeside, JudgedFile, gated, judged_markdown, judged_text, verdict},
    results::Status,
    scenario::{
        problems::Found,
        render::{self, Source},
    },
    slo::{Gated, Verdict},
    study::{Breach, Checked, DEFAULT_MAX_EVENTS, Looks, Side, Study, Written},
};

/// Judge the objectives of scenarios: exit 0 all pass, 1 one fails, 3 one is not decided
///
/// Replications are run until each objective (`slos`, `expect`) is decided with the confidence of the file, at 20, 40,
/// 80 of them and so on. Same file, version and options: same verdict, whatever the machine.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windtunnel check designs/*.yaml --junit junit.xml\n  \
    windtunnel check shop.yaml --markdown \"$GITHUB_STEP_SUMMARY\" --annotations github\n  \
    windtunnel check shop.yaml --max-replications 80 --inconclusive fail\n  \
    windtunnel check shop.yaml --baseline main.yaml\n  \
    windtunnel check shop.yaml --baseline main.json --update-baseline\n\n\
Exit code: 0 pass, 1 fail, 2 bad input (nothing is simulated then), 3 inconclusive, 4 a limit was met, \
5 internal error, 130 interrupted; of several files 5 > 2 > 130 > 4 > 1 > 3 > 0")]
pub(super) struct CheckArguments {
    /// Scenario files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    overriding: Overriding,
    #[command(flatten)]
    baseline: BaselineArguments,
    /// Look once, at so many replications
    #[arg(long, short = 'n', value_name = "N", conflicts_with = "max_replications",
          value_parser = clap::value_parser!(u32).range(2..=100_000))]
    replications: Option<u32>,
    /// The last look
    #[arg(long, value_name = "N", default_value_t = 320,
          value_parser = clap::value_parser!(u32).range(2..=100_000))]
    max_replications: u32,
    /// What becomes of a file that is not decided, instead of exit 3
    #[arg(long, value_enum, value_name = "AS")]
    inconclusive: Option<As>,
    /// Warnings of a scenario count as errors; W-ROWS does not, for it may be meant so
    #[arg(long)]
    deny_warnings: bool,
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
    /// Write the verdicts as JUnit XML: a suite per file, a case per objective
    #[arg(long, value_name = "F")]
    junit: Option<PathBuf>,
    /// Append the verdicts as Markdown
    #[arg(long, value_name = "F")]
    markdown: Option<PathBuf>,
    /// Write what is not passed as SARIF 2.1.0
    #[arg(long, value_name = "F")]
    sarif: Option<PathBuf>,
    /// Print what is not passed as commands of a CI system
    #[arg(long, value_enum, value_name = "OF")]
    annotations: Option<Annotations>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum As {
    /// Exit 1
    Fail,
    /// Exit 0, with a warning
    Warn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text
    Human,
    /// One document of all files
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Annotations {
    /// Workflow commands of GitHub Actions
    Github,
}

/// A scenario that can be judged.
struct Ready {
    path: PathBuf,
    /// As it was typed, with its variant.
    name: String,
    overriding: Overriding,
    sources: Vec<Source>,
    study: Study,
}

/// A scenario that was judged.
struct Judged<'r> {
    ready: &'r Ready,
    checked: Checked,
    beside: &'r Beside,
    /// The name of what it was judged beside.
    other: String,
    /// Objectives that were recorded instead of being judged.
    recorded: Vec<String>,
    written: Option<Written>,
    /// What becomes of it.
    exit: Exit,
}

impl<'r> Judged<'r> {
    fn new(
        ready: &'r Ready,
        beside: &'r Beside,
        (checked, written): (Checked, Option<Written>),
        inconclusive: Option<As>,
    ) -> Self {
        let (other, recording) = match beside {
            Beside::Nothing => (String::new(), false),
            Beside::Against { path, .. } => (path.display().to_string(), false),
            Beside::Recording(path) => (path.display().to_string(), true),
        };
        let recorded = ready.study.expressions_held().filter(|_| recording);
        let exit = exit_of(&checked, inconclusive);
        Self { ready, beside, other, recorded: recorded.collect(), checked, written, exit }
    }

    fn file(&self) -> JudgedFile<'_> {
        JudgedFile {
            name: &self.ready.name,
            verdict: self.checked.verdict,
            replications: self.checked.results.seeds.len(),
            objectives: &self.checked.objectives,
            beside: match self.beside {
                Beside::Nothing => JudgedBeside::Nothing,
                Beside::Against { changed, .. } => JudgedBeside::Baseline(&self.other, changed),
                Beside::Recording(_) => {
                    let replications = self.written.as_ref().map(Written::replications);
                    JudgedBeside::Recorded(&self.other, &self.recorded, replications)
                }
            },
        }
    }

    /// What is not passed, at its places.
    fn found(&self) -> Vec<Found> {
        let recording = matches!(self.beside, Beside::Recording(_));
        let places = self.ready.study.objectives().iter();
        let places = places.filter(|at| !recording || at.baseline.is_none());
        let objectives = places.zip(&self.checked.objectives);
        let missed = objectives.filter(|(_, one)| one.verdict != Verdict::Pass);
        missed
            .map(|(at, one)| {
                let (code, severity) = match one.verdict {
                    Verdict::Fail => ("E-SLO-MISSED", Severity::Error),
                    _ => ("W-SLO-INCONCLUSIVE", Severity::Warning),
                };
                let message = format!("{}: {}", one.expression, gated(one));
                let path = at.path.clone();
                let problem = Problem::new(severity, code, path, message);
                Found { problem, span: Some(at.span), also: None }
            })
            .collect()
    }
}

pub(super) fn check(arguments: &CheckArguments, voice: Voice) -> Exit {
    let voice = voice.to_programs(arguments.format == Format::Json);
    let (pool, stop) = match workers(arguments.jobs) {
        Ok(workers) => workers,
        Err(exit) => return exit,
    };
    let looks = match arguments.replications {
        Some(n) => Looks::One(n),
        None => Looks::UpTo(arguments.max_replications),
    };
    let prepared = pool.install(|| {
        let mut ready = all_ready(arguments, &stop, voice)?;
        let mut own: Vec<Own<'_>> = ready.iter_mut().map(Ready::own).collect();
        let beside = arguments.baseline.beside(&mut own, looks, &stop, voice)?;
        for ready in &mut ready {
            ready.study.limit_events(arguments.max_events);
        }
        Ok((ready, beside))
    });
    let (ready, mut beside) = match prepared {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    let files = [&arguments.junit, &arguments.markdown, &arguments.sarif];
    if let Some(line) = files.into_iter().flatten().find_map(|file| unwritable(file)) {
        return refuse(&line);
    }
    beside.limit_events(arguments.max_events);
    let looks = beside.looks(looks, voice);
    let studies = || ready.iter().map(|r| &r.study).chain(beside.design().map(|(_, study)| study));
    let simulated: Vec<_> = studies().map(Study::progress).collect();
    let all = studies().map(|study| study.info().duration).sum::<u64>();
    let checked: Vec<Result<_, (Side, Breach)>> =
        progress::during(voice.quiet, (all, looks.last()), &simulated, || {
            let one = |ready: &Ready| beside.judge(&ready.study, looks, &stop);
            pool.install(|| ready.par_iter().map(one).collect())
        });
    let mut exit = Exit::Done;
    let mut judged = Vec::new();
    for (ready, checked) in ready.iter().zip(checked) {
        match checked {
            Ok(checked) => {
                let one = Judged::new(ready, &beside, checked, arguments.inconclusive);
                exit = exit.max(one.exit);
                judged.push(one);
            }
            Err((side, breach)) => {
                let own = (ready.path.as_path(), &ready.study);
                let at = beside.design().filter(|_| side == Side::Baseline).unwrap_or(own);
                exit = exit.max(broken(&arguments.overriding, at, &breach));
            }
        }
    }
    tell(arguments, &judged, exit, voice)
}

impl Ready {
    fn own(&mut self) -> Own<'_> {
        Own {
            path: &self.path,
            name: &self.name,
            overriding: &self.overriding,
            sources: &self.sources,
            study: &mut self.study,
        }
    }
}

/// All files and variants asked for, ready to be judged; or their problems said.
fn all_ready(
    arguments: &CheckArguments,
    stop: &AtomicBool,
    voice: Voice,
) -> Result<Vec<Ready>, Exit> {
    let mut all = Vec::new();
    let mut failed = false;
    for path in &arguments.files {
        let mut said = Said::default();
        for overriding in arguments.overriding.each_variant() {
            let examined = examine_with_pilot(path, &overriding, stop, voice)?;
            failed |= arguments.deny_warnings
                && examined.found.iter().any(|found| !found.problem.may_be_meant());
            let sources = examined.sources.clone();
            let Some(study) = told(examined, &mut said, voice) else {
                failed = true;
                continue;
            };
            let variant = study.info().variant.as_ref();
            let file = path.display();
            let name =
                variant.map_or_else(|| file.to_string(), |variant| format!("{file} ({variant})"));
            if study.objectives().is_empty() {
                refuse(&format!(
                    "{name} has no objectives: give it `slos`, such as `slos: [availability >= 99.9%]`"
                ));
                failed = true;
            }
            all.push(Ready { path: path.clone(), name, overriding, sources, study });
        }
    }
    if failed { Err(Exit::BadInput) } else { Ok(all) }
}

fn exit_of(checked: &Checked, inconclusive: Option<As>) -> Exit {
    match (checked.results.status, checked.verdict, inconclusive) {
        (Status::Truncated, ..) => Exit::Limit,
        (Status::Complete, Verdict::Pass, _)
        | (Status::Complete, Verdict::Inconclusive, Some(As::Warn)) => Exit::Done,
        (Status::Complete, Verdict::Fail, _)
        | (Status::Complete, Verdict::Inconclusive, Some(As::Fail)) => Exit::Failed,
        (Status::Complete, Verdict::Inconclusive, None) => Exit::Inconclusive,
        (Status::Interrupted, ..) => Exit::Interrupted,
    }
}

/// Says what was found, everywhere it was asked for.
fn tell(arguments: &CheckArguments, judged: &[Judged<'_>], exit: Exit, voice: Voice) -> Exit {
    match arguments.format {
        Format::Json => print(&document(judged, exit)),
        Format::Human if voice.quiet => {}
        Format::Human => {
            let texts: Vec<String> = judged.iter().map(|one| judged_text(&one.file())).collect();
            print(painted(&texts.join("\n"), voice.paint).as_bytes());
        }
    }
    for one in judged.iter().filter(|one| one.exit == Exit::Limit) {
        let reason = one.checked.results.status_reason.as_deref().unwrap_or_default();
        complain(&format!("{}: stopped at a limit: {reason}", one.ready.name));
    }
    let found: Vec<Vec<Found>> = judged.iter().map(Judged::found).collect();
    if arguments.annotations == Some(Annotations::Github) {
        let each = judged.iter().zip(&found);
        let lines = each.map(|(one, found)| render::annotations(&one.ready.sources, found));
        print(lines.collect::<String>().as_bytes());
    }
    let mut written = Ok(());
    if let Some(file) = &arguments.junit {
        written = written.and_then(|()| write(file, junit(judged).as_bytes()));
    }
    if let Some(file) = &arguments.sarif {
        let files: Vec<(&[Source], &[Found])> = judged
            .iter()
            .zip(&found)
            .map(|(one, found)| (one.ready.sources.as_slice(), found.as_slice()))
            .collect();
        written =
            written.and_then(|()| write(file, format!("{:#}\n", render::sarif(&files)).as_bytes()));
    }
    if let Some(file) = &arguments.markdown {
        let text: String = judged.iter().map(|one| judged_markdown(&one.file())).collect();
        written = written.and_then(|()| append(file, &text));
    }
    if let Some((Beside::Recording(file), of)) =
        judged.iter().find_map(|one| Some((one.beside, one.written.as_ref()?)))
    {
        written = written.and_then(|()| write(file, &of.bytes()));
    }
    match written {
        Ok(()) => exit,
        Err(line) => exit.max(refuse(&line)),
    }
}

/// `{verdict, exit, files: [{file, verdict, replications, slos}]}`, each with what it was judged beside.
fn document(judged: &[Judged<'_>], exit: Exit) -> Vec<u8> {
    let files: Vec<_> = judged
        .iter()
        .map(|one| {
            let JudgedFile { name, verdict, replications, objectives, beside } = one.file();
            let mut file = json!({
                "file": name,
                "verdict": verdict,
                "status": one.checked.results.status,
                "replications": replications,
                "fingerprint": one.checked.results.fingerprint,
                "slos": objectives,
            });
            match beside {
                JudgedBeside::Nothing => {}
                JudgedBeside::Baseline(name, changed) => {
                    file["baseline"] = json!({"file": name, "changed": changed});
                }
                JudgedBeside::Recorded(name, slos, replications) => {
                    file["recorded"] =
                        json!({"file": name, "replications": replications, "slos": slos});
                }
            }
            file
        })
        .collect();
    let verdict = judged.iter().map(|one| one.checked.verdict).max();
    let document = json!({"verdict": verdict, "exit": exit.code(), "files": files});
    format!("{document:#}\n").into_bytes()
}

/// Verdicts as a test report; nothing in it depends on the clock.
fn junit(judged: &[Judged<'_>]) -> String {
    let mut report = Report::new("windtunnel check");
    for one in judged {
        let mut suite = TestSuite::new(one.ready.name.as_str());
        suite.add_test_cases(one.checked.objectives.iter().map(|of| case(&one.ready.name, of)));
        report.add_test_suite(suite);
    }
    report.to_string().expect("a report is text")
}

fn case(file: &str, one: &Gated) -> TestCase {
    let mut status = match one.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Inconclusive => TestCaseStatus::skipped(),
    };
    let told = gated(one);
    if one.verdict != Verdict::Pass {
        status.set_message(format!("{}: {told}", verdict(one.verdict).0));
    }
    let mut case = TestCase::new(one.expression.as_str(), status);
    case.set_classname(file);
    if one.verdict == Verdict::Pass {
        case.set_system_out(told);
    }
    case
}

/// Verdicts in colour.
fn painted(text: &str, paint: bool) -> String {
    if !paint {
        return text.to_owned();
    }
    let colour = |line: &str| {
        let code = match line.trim_start().chars().next() {
            Some('✗') => "31",
            Some('✓') => "32",
            Some('?') => "33",
            _ => return format!("{line}\n"),
        };
        let (head, rest) = line.split_at(line.char_indices().nth(18).map_or(line.len(), |c| c.0));
        format!("\u{1b}[1;{code}m{head}\u{1b}[0m{rest}\n")
    };
    text.lines().map(colour).collect()
}
