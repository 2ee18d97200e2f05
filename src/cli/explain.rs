//! `windtunnel explain`: why a run went as it did, of a scenario file or of a result folder.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use clap::Args;

use super::{
    folder::read,
    pilot::examine_with_pilot,
    prepare::{Overriding, Said, told},
    progress,
    requests::{self, Asked, is_the_same, replication_of, study_of},
    run::{Format, broken, interruptible, width},
};
use crate::{
    cli::say::{Exit, Voice, complain, print, refuse},
    problem::{CODES, near},
    report::{
        explain_json, explain_text, variant_text, variants_text, waterfalls_json, waterfalls_text,
    },
    results::{Results, Status, Watched},
    study::DEFAULT_REPLICATIONS,
};

/// Say why: what happened and in which order, the bottleneck, where the time went
///
/// Of a scenario file it simulates first and writes nothing; of a folder that `windtunnel run` wrote it
/// reads the results. With --request, --slowest or --outcome it shows what single requests of one replication went
/// through, which is simulated again for that.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windtunnel explain shop.yaml --variant bigger\n  \
    windtunnel explain outputs/shop/0123456789abcdef\n  \
    windtunnel explain outputs/shop/latest --slowest 3\n  \
    windtunnel explain outputs/shop/latest --request users/7870\n  \
    windtunnel explain E-REF\n  \
    windtunnel explain shop.yaml --format json | jq '.timeline.events[].text'")]
pub(super) struct ExplainArguments {
    /// A scenario file, a result folder, or the code of a problem such as `E-REF`
    #[arg(value_name = "FILE|DIR|CODE")]
    what: PathBuf,
    /// Independent runs of the scenario; 5 when absent
    #[arg(long, short = 'n', value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    replications: Option<u32>,
    #[command(flatten)]
    overriding: Overriding,
    /// Run the variants of the file as well, and tell in one sentence each what they change
    #[arg(long, conflicts_with = "variant")]
    variants: bool,
    #[command(flatten)]
    asked: Asked,
    /// Threads; all cores when absent. No result depends on it
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn explain(arguments: &ExplainArguments, voice: Voice) -> Exit {
    let what = arguments.what.to_string_lossy();
    if is_code(&what) && !arguments.what.exists() {
        return meaning(&what);
    }
    let stop = match interruptible() {
        Ok(stop) => stop,
        Err(e) => return refuse(&format!("cannot catch Ctrl-C: {e}")),
    };
    let voice = voice.to_programs(arguments.format == Format::Json);
    if arguments.asked.any() {
        return single_requests(arguments, &stop, voice);
    }
    let mut said = Said::default();
    let found = if arguments.what.is_dir() {
        stored(arguments).map(|results| (results, Vec::new()))
    } else {
        new(arguments, arguments.overriding.variant.clone(), &stop, (&mut said, voice))
    };
    let (results, variants) = match found {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let mut others = Vec::new();
    for (name, paths) in variants.iter().filter(|_| arguments.variants) {
        match new(arguments, Some(name.clone()), &stop, (&mut said, voice)) {
            Ok((other, _)) => others.push(variant_text(&results, &other, paths)),
            Err(exit) => return exit,
        }
    }
    match arguments.format {
        Format::Json => print(&explain_json(&results, &others)),
        Format::Human if voice.quiet => {}
        Format::Human => {
            let names: Vec<&str> = variants.iter().map(|(name, _)| name.as_str()).collect();
            let text = explain_text(&results, width());
            print((text + &variants_text(&names, &others, width())).as_bytes());
        }
    }
    match results.status {
        Status::Complete => Exit::Done,
        status => {
            let reason = results.status_reason.as_deref().unwrap_or_default();
            complain(&format!("{}: {status}: {reason}", arguments.what.display()));
            if status == Status::Truncated { Exit::Limit } else { Exit::Interrupted }
        }
    }
}

/// What single requests went through.
fn single_requests(arguments: &ExplainArguments, stop: &AtomicBool, voice: Voice) -> Exit {
    if arguments.variants || arguments.replications.is_some() {
        return refuse("--variants and --replications are not of single requests");
    }
    let found = if arguments.what.is_dir() {
        stored_requests(arguments, stop, voice)
    } else {
        new_requests(arguments, stop, voice)
    };
    match found {
        Err(exit) => exit,
        Ok(watched) => {
            match arguments.format {
                Format::Json => print(&waterfalls_json(&watched.waterfalls)),
                Format::Human if watched.waterfalls.is_empty() => {
                    print(b"No request of this replication is like that.\n");
                }
                Format::Human => print(waterfalls_text(&watched.waterfalls, width()).as_bytes()),
            }
            Exit::Done
        }
    }
}

/// Of a replication of a result folder.
fn stored_requests(
    arguments: &ExplainArguments,
    stop: &AtomicBool,
    voice: Voice,
) -> Result<Watched, Exit> {
    let (folder, overriding) = (&arguments.what, &arguments.overriding);
    if overriding.any_but_data() {
        return Err(refuse(&format!(
            "{} is a result folder: what was run is not changed by --set, --variant or --seed; give a scenario file instead",
            folder.display()
        )));
    }
    let results = read(folder).map_err(|line| refuse(&line))?;
    let replication = replication_of(folder, &results, arguments.asked.replication());
    let replication = replication.map_err(|line| refuse(&line))?;
    let study = study_of(folder, overriding.data(), &results, voice)?;
    let watched = arguments.asked.watched(&study, (folder, overriding), replication, stop)?;
    let found = (replication.0, watched.fingerprint.as_str());
    is_the_same(folder, &results, found).map_err(|line| refuse(&line))?;
    Ok(watched)
}

/// Of a replication of a scenario file.
fn new_requests(
    arguments: &ExplainArguments,
    stop: &AtomicBool,
    voice: Voice,
) -> Result<Watched, Exit> {
    let (what, overriding) = (&arguments.what, &arguments.overriding);
    let examined = examine_with_pilot(what, overriding, stop, voice)?;
    let study = told(examined, &mut Said::default(), voice).ok_or(Exit::BadInput)?;
    let replication = arguments.asked.replication().unwrap_or(0);
    let replication = (replication, requests::seed(&study, replication));
    arguments.asked.watched(&study, (what, overriding), replication, stop)
}

/// Whether this is how codes of problems look.
fn is_code(what: &str) -> bool {
    let rest = what.strip_prefix("E-").or_else(|| what.strip_prefix("W-"));
    rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_uppercase() || b == b'-'))
}

/// What the code of a problem means.
fn meaning(code: &str) -> Exit {
    let Some((_, meaning)) = CODES.iter().find(|known| known.0 == code) else {
        let close = near(code, CODES.iter().map(|known| known.0));
        let advice = close.map_or_else(
            || "the codes are listed in docs/REFERENCE.md".to_owned(),
            |close| format!("did you mean `{close}`?"),
        );
        return refuse(&format!("no problem has the code `{code}`; {advice}"));
    };
    print(format!("{code}: {meaning}\n").as_bytes());
    Exit::Done
}

/// What is in a result folder.
fn stored(arguments: &ExplainArguments) -> Result<Results, Exit> {
    let folder = arguments.what.display();
    if arguments.overriding.any() || arguments.replications.is_some() || arguments.variants {
        return Err(refuse(&format!(
            "{folder} is a result folder: what was run is not changed by --set, --variant, --variants, --seed, \
             --data or --replications; give a scenario file instead"
        )));
    }
    let results = read(&arguments.what).map_err(|line| refuse(&line))?;
    if results.timeline.resolution <= 0.0 {
        return Err(refuse(&format!(
            "{folder} was written by a version that did not say why; run the scenario again"
        )));
    }
    Ok(results)
}

/// Names of variants, and the paths each sets.
type Variants = Vec<(String, Vec<String>)>;

/// What simulating a scenario file, or a variant of it, gives; and the variants it has.
fn new(
    arguments: &ExplainArguments,
    variant: Option<String>,
    stop: &AtomicBool,
    (said, voice): (&mut Said, Voice),
) -> Result<(Results, Variants), Exit> {
    let overriding = arguments.overriding.with_variant(variant);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(usize::from(arguments.jobs.unwrap_or(0)))
        .build()
        .map_err(|e| refuse(&format!("cannot start threads: {e}; try a smaller --jobs")))?;
    let examined =
        pool.install(|| examine_with_pilot(&arguments.what, &overriding, stop, voice))?;
    let study = told(examined, said, voice).ok_or(Exit::BadInput)?;
    let replications = arguments.replications.map_or(DEFAULT_REPLICATIONS, |n| n as usize);
    let bar = progress::bar(replications, voice.quiet);
    let run = pool.install(|| study.run_watched(replications, stop, &mut |_| bar.inc(1)));
    bar.finish_and_clear();
    let what = &arguments.what;
    let run = run.map_err(|breach| broken(&overriding, (what, &study), &breach))?;
    if run.results.seeds.is_empty() {
        complain(&format!("{}: interrupted before a replication finished", what.display()));
        return Err(Exit::Interrupted);
    }
    Ok((run.results, study.variants))
}
