//! Single requests of one replication: which are asked for, and the replication simulated again for them.
//!
//! **Invariant.** What is shown belongs to the run of the folder: a replication that goes otherwise is refused.

use std::{path::Path, sync::atomic::AtomicBool};

use clap::{Args, builder::PossibleValuesParser};

use super::{
    files::DiskFiles,
    folder::{self, SCENARIO},
    prepare::{Overriding, Said, examine, told},
    run::broken,
};
use crate::{
    cli::say::{Exit, Voice, complain, refuse},
    outcome::Outcome,
    problem::near,
    results::{DataFile, Results, Watched, Waterfall},
    scenario::load::Files as _,
    study::{self, Study, Watching, seeds},
};

/// Requests shown of an outcome that was asked for.
const OF_OUTCOME: usize = 3;

/// Which requests are looked at.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Asked {
    /// Show what this request went through, such as `users/7870` (`requests.csv` has numbers). May be repeated
    #[arg(long = "request", value_name = "CLIENT/NUMBER", value_parser = request)]
    requests: Vec<(String, u64)>,
    /// Show the requests that took longest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    slowest: Option<u16>,
    /// Show the first three requests that ended so; with --slowest the slowest of them
    #[arg(long, value_name = "OUTCOME", value_parser = PossibleValuesParser::new(Outcome::NAMES))]
    outcome: Option<String>,
    /// The replication, from 0; when absent the one that the timeline is read from, or 0
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(0..100_000))]
    replication: Option<u32>,
}

/// A request as it is asked for.
fn request(text: &str) -> Result<(String, u64), String> {
    let parts = text
        .rsplit_once('/')
        .and_then(|(client, number)| Some((client.to_owned(), number.parse().ok()?)));
    parts
        .filter(|(client, _)| !client.is_empty())
        .ok_or_else(|| "a request is a client and a number, such as `users/7870`".to_owned())
}

impl Asked {
    /// Whether anything was asked for.
    pub(super) fn any(&self) -> bool {
        !self.requests.is_empty()
            || self.slowest.is_some()
            || self.outcome.is_some()
            || self.replication.is_some()
    }

    /// The replication.
    pub(super) fn replication(&self) -> Option<usize> {
        self.replication.map(|replication| replication as usize)
    }

    fn watching(&self) -> Watching {
        let of_each = if self.outcome.is_some() && self.slowest.is_none() { OF_OUTCOME } else { 0 };
        Watching {
            slowest: self.slowest.map_or(0, usize::from),
            of_each,
            outcome: self.outcome.clone(),
            requests: self.requests.clone(),
            ..Watching::default()
        }
    }

    /// That they are clients of the scenario.
    fn check(&self, study: &Study) -> Result<(), String> {
        if self.requests.is_empty() && self.slowest.is_none() && self.outcome.is_none() {
            return Err("say which requests: --request, --slowest or --outcome".to_owned());
        }
        for (client, _) in &self.requests {
            if study.clients().any(|known| known == client) {
                continue;
            }
            let close = near(client, study.clients());
            let close = close.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            return Err(format!("there is no client `{client}`{close}"));
        }
        Ok(())
    }

    /// What became of them in a replication of a scenario; the slowest first, if it is those that were asked for.
    pub(super) fn watched(
        &self,
        study: &Study,
        (path, overriding): (&Path, &Overriding),
        replication: (usize, u64),
        stop: &AtomicBool,
    ) -> Result<Watched, Exit> {
        self.check(study).map_err(|line| refuse(&format!("{}: {line}", path.display())))?;
        let watched = watch(study, (path, overriding), replication, &self.watching(), stop)?;
        let mut watched = watched.ok_or_else(|| {
            complain(&format!("{}: interrupted", path.display()));
            Exit::Interrupted
        })?;
        if let Some((client, number)) = watched.missing.first() {
            return Err(refuse(&format!(
                "{}: `{client}` sent no request {number} after the warm-up of replication {}",
                path.display(),
                replication.0
            )));
        }
        if self.slowest.is_some() {
            let took = |of: &Waterfall| of.request.latency.unwrap_or(f64::INFINITY);
            watched.waterfalls.sort_by(|a, b| took(b).total_cmp(&took(a)));
        }
        Ok(watched)
    }
}

/// Watches a replication; none when it was stopped.
pub(super) fn watch(
    study: &Study,
    (path, overriding): (&Path, &Overriding),
    replication: (usize, u64),
    watching: &Watching,
    stop: &AtomicBool,
) -> Result<Option<Watched>, Exit> {
    let watched = study.watch(replication, watching, stop);
    watched.map_err(|breach| broken(overriding, (path, study), &breach))
}

/// The seed of a replication of a scenario.
pub(super) fn seed(study: &Study, replication: usize) -> u64 {
    *seeds(study.seed, replication + 1).last().expect("there is one more than its number")
}

/// The scenario of a result folder, as it was run; its files of data are below `data`.
pub(super) fn study_of(
    folder: &Path,
    data: Option<String>,
    results: &Results,
    voice: Voice,
) -> Result<Study, Exit> {
    let intact = folder::read_manifest(folder).and_then(|manifest| {
        let file = manifest.files.iter().find(|file| file.name == SCENARIO);
        folder::read_checked(folder, file.ok_or("scenario.yaml is missing in the manifest")?)
    });
    intact.map_err(|line| refuse(&line))?;
    let overrides = Overriding::of_data(data).overrides();
    let scenario = folder.join(SCENARIO);
    let place = overrides.data_folder(&scenario.to_string_lossy());
    results
        .data
        .iter()
        .try_for_each(|file| is_there(folder, &place, file))
        .map_err(|line| refuse(&line))?;
    let examined = examine(&scenario, &overrides);
    // What it warns of was said when it was run.
    told(examined, &mut Said::default(), Voice { quiet: true, ..voice }).ok_or(Exit::BadInput)
}

/// That a file of data which the folder's run read is below `place`, as it was.
fn is_there(folder: &Path, place: &str, file: &DataFile) -> Result<(), String> {
    let DataFile { name, size, sha256 } = file;
    let found = DiskFiles.read(&format!("{place}{name}"));
    let what = match found {
        Ok(bytes) if study::sha256(&bytes) == *sha256 => return Ok(()),
        Ok(_) => format!("`{place}{name}` is another file than the one"),
        Err(why) => format!("`{place}{name}` {why}: it is the one"),
    };
    Err(format!(
        "{}: {what} it was made from, which has {size} bytes and SHA-256 {sha256}; --data DIR names the folder that holds it",
        folder.display()
    ))
}

/// Index and seed of a replication of a folder: the one given, or that of the timeline, or the first.
pub(super) fn replication_of(
    folder: &Path,
    results: &Results,
    wanted: Option<usize>,
) -> Result<(usize, u64), String> {
    let index = wanted.or_else(|| Some(results.of_interest()?.0)).unwrap_or(0);
    let found = results.replications.get(index).map(|of| (index, of.seed));
    found.ok_or_else(|| {
        let last = results.replications.len().saturating_sub(1);
        format!("{} has no replication {index}: they go from 0 to {last}", folder.display())
    })
}

/// That what was simulated again is the replication of the folder.
pub(super) fn is_the_same(
    folder: &Path,
    results: &Results,
    (replication, fingerprint): (usize, &str),
) -> Result<(), String> {
    if results.replications[replication].fingerprint == fingerprint {
        return Ok(());
    }
    Err(otherwise(folder, replication))
}

/// That it is not.
pub(super) fn otherwise(folder: &Path, replication: usize) -> String {
    format!(
        "replication {replication} went otherwise than the one in {}, which another version of windtunnel or a limit of \
         events has made; run the scenario again",
        folder.display()
    )
}
