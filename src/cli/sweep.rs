//! `windtunnel sweep`: many cells of one scenario, kept in a journal, told as tables and pictures.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde_json::json;

use super::{
    compare::add_asked,
    files::{Noted, write},
    journal::Open,
    pilot::examine_with_pilot,
    prepare::{Overriding, Said, told},
    progress,
    run::{HowMany, broken, width, workers},
    scale,
};
use crate::{
    cli::say::{Exit, Voice, complain, print, refuse},
    report::{sweep_files, sweep_json, sweep_text},
    results::{Status, Sweep, SweepPlan, SweptCell},
    scenario::{
        cells::{Cells, cells},
        problems::Found,
        scale::divisor,
        sweep::MOST_CELLS,
    },
    study::{Breach, DEFAULT_MAX_EVENTS, Study},
    sweep::{
        Identity, Replications, Sweeping,
        journal::{Head, line},
        swept,
    },
    units::show::{duration, plural},
};

/// Simulate many settings of one scenario: what is best, where it breaks, how it grows
///
/// All cells have the same random numbers. What is finished is kept in a journal: started again, it goes on there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windtunnel sweep shop.yaml\n  \
    windtunnel sweep shop.yaml --vary 'clients.apps.load=0.5..2 step 0.1' --vary 'variant=[base, no-retries]'\n  \
    windtunnel sweep shop.yaml --vary nodes.api.service.instances=4..64\\ x2 --dry-run\n  \
    windtunnel sweep shop.yaml --shard 2/4   # then: windtunnel merge DIR.. --out DIR\n\n\
Exit code: 0 done whatever the objectives say, 2 bad input (nothing is simulated then), 4 a limit was met, \
5 internal error, 130 interrupted, with what is done")]
pub(super) struct SweepArguments {
    /// A scenario file with `sweep`, or with --vary
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Let PATH take these values, instead of the file's `sweep`; may be repeated
    ///
    /// `4..10`, `0.5..2 step 0.1`, `4..64 x2`, `log(1..1000 n=7)`, `[a, b, c]`; the PATH `variant` takes variants. Paths joined by
    /// `+` move together.
    #[arg(long, value_name = "PATH=VALUES")]
    vary: Vec<String>,
    #[command(flatten)]
    many: HowMany,
    /// Gather this figure too, such as `p99(latency operation=buy)`; may be repeated
    #[arg(long = "metric", value_name = "FIGURE")]
    metrics: Vec<String>,
    #[command(flatten)]
    overriding: Overriding,
    /// Simulate each cell so many times smaller, such as `1/100`, as `run --scale` does
    #[arg(long, value_name = "1/N", value_parser = divisor)]
    scale: Option<u64>,
    /// Say what would be simulated, and about how long that takes
    #[arg(long)]
    dry_run: bool,
    /// Refuse more cells than this
    #[arg(long, value_name = "N", default_value_t = MOST_CELLS,
          value_parser = clap::value_parser!(u64).range(1..=MOST_CELLS))]
    max_cells: u64,
    /// Simulate only the cells of this machine: the I-th of N, counted from 1
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(u64, u64)>,
    /// Simulate only these cells, counted from 0, and print their lines of the journal; nothing is written
    #[arg(long, value_name = "N,..", value_delimiter = ',', conflicts_with_all = ["shard", "dry_run"])]
    cells: Vec<usize>,
    /// Threads; all cores when absent. No result depends on it
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Where folders go: DIR/<scenario>/sweep-<id>/
    #[arg(long, default_value = "outputs", value_name = "DIR")]
    out: PathBuf,
    /// Begin again, whatever the journal says
    #[arg(long)]
    force: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Stop a replication after so many events (exit 4)
    #[arg(long, default_value_t = DEFAULT_MAX_EVENTS, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..))]
    max_events: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text
    Human,
    /// JSON as in cells.json, and nothing else
    Json,
}

/// `2/4`, the second of four.
fn shard(text: &str) -> Result<(u64, u64), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((0, n)) if n > 0 => Err(format!("shards are counted from 1: the first is 1/{n}")),
        Some((i, n)) if i <= n => Ok((i, n)),
        Some((i, n)) => Err(format!("there is no shard {i} of {n}")),
        None => Err("expected I/N, such as 1/4".to_owned()),
    }
}

/// Everything known before a cell is simulated.
struct Ready<'a> {
    arguments: &'a SweepArguments,
    /// The files that cells are made of.
    noted: &'a Noted,
    sweeping: Sweeping<'a>,
    /// The cells to be simulated, and what each is known by.
    wanted: Vec<(usize, Identity)>,
    /// The file as it stands.
    base: Study,
    voice: Voice,
}

pub(super) fn sweep(arguments: &SweepArguments, voice: Voice) -> Exit {
    let voice = voice.to_programs(arguments.format == Format::Json);
    let noted = Noted::default();
    let (pool, stop) = match workers(arguments.jobs) {
        Ok(workers) => workers,
        Err(exit) => return exit,
    };
    let done = pool.install(|| {
        let ready = ready(arguments, &noted, &stop, voice)?;
        match arguments {
            SweepArguments { dry_run: true, .. } => ready.estimated(&stop),
            SweepArguments { cells, .. } if !cells.is_empty() => Ok(ready.lines(&pool, &stop)),
            _ => ready.folder(&pool, &stop),
        }
    });
    done.unwrap_or_else(|exit| exit)
}

/// All cells, sound; or what is wrong, said.
fn ready<'a>(
    arguments: &'a SweepArguments,
    noted: &'a Noted,
    stop: &AtomicBool,
    voice: Voice,
) -> Result<Ready<'a>, Exit> {
    let path = arguments.file.to_string_lossy().into_owned();
    let overrides = arguments.overriding.overrides();
    let mut said = Said::default();
    let base = examine_with_pilot(&arguments.file, &arguments.overriding, stop, voice)?;
    let base = told(base, &mut said, voice).ok_or(Exit::BadInput)?;
    let scale = arguments.scale.unwrap_or(1);
    if scale > 1 {
        // What is known to be wrong in small is said of the file as it stands.
        let full = (arguments.file.as_path(), &arguments.overriding, &base);
        scale::small(full, scale, stop, voice)?;
    }
    let cells = cells(&path, noted, &overrides, &arguments.vary).map_err(|rejected| {
        voice.wrong(&rejected.sources, &rejected.found);
        Exit::BadInput
    })?;
    let n = cells.len();
    if n as u64 > arguments.max_cells {
        return Err(refuse(&format!(
            "{n} cells are more than --max-cells {}",
            arguments.max_cells
        )));
    }
    if let Some(cell) = arguments.cells.iter().find(|cell| **cell >= n) {
        return Err(refuse(&format!(
            "--cells: there is no cell {cell}: they go from 0 to {}",
            n - 1
        )));
    }
    let fixed = Replications::Number(arguments.many.replications);
    let replications = arguments.many.precision().map_or(fixed, Replications::Precision);
    let mut metrics = base.usual_metrics();
    add_asked(&mut metrics, &arguments.metrics, &base).map_err(|line| refuse(&line))?;
    let max_events = arguments.max_events;
    let sweeping =
        Sweeping { path, files: noted, overrides, cells, metrics, replications, max_events, scale };
    let wanted: Vec<usize> = match &arguments.cells[..] {
        [] => (0..n).collect(),
        some => some.to_vec(),
    };
    let wanted = checked(&sweeping, &wanted, voice)?;
    Ok(Ready { arguments, noted, sweeping, wanted, base, voice })
}

/// Looks at every cell before any is simulated; of those that are not sound the first is told.
fn checked(
    sweeping: &Sweeping<'_>,
    wanted: &[usize],
    voice: Voice,
) -> Result<Vec<(usize, Identity)>, Exit> {
    let looked: Vec<Result<(usize, Identity), usize>> = wanted
        .to_vec()
        .into_par_iter()
        .map(|cell| match sweeping.examine(cell).study {
            Some(study) => Ok((cell, sweeping.identity(&study))),
            None => Err(cell),
        })
        .collect();
    let bad: Vec<usize> = looked.iter().filter_map(|one| one.as_ref().err().copied()).collect();
    let Some(&first) = bad.first() else {
        return Ok(looked.into_iter().flatten().collect());
    };
    let mut examined = sweeping.examine(first);
    examined.found.retain(Found::is_error);
    voice.wrong(&examined.sources, &examined.found);
    let settings = set(&sweeping.cells, first);
    let more = match bad.len() as u64 - 1 {
        0 => String::new(),
        n => format!("; {} too", plural(n, "other cell")),
    };
    Err(refuse(&format!("cell {first} ({settings}) cannot be run{more}; nothing was simulated")))
}

/// `clients.apps.load=1.5, variant=base`.
fn set(cells: &Cells, cell: usize) -> String {
    let each = cells.settings(cell).into_iter().map(|(path, value)| format!("{path}={value}"));
    each.collect::<Vec<_>>().join(", ")
}

impl Ready<'_> {
    /// What would be simulated, and how long that takes here.
    fn estimated(&self, stop: &AtomicBool) -> Result<Exit, Exit> {
        let plan = self.plan();
        let mine = self.mine();
        let seconds = self.seconds(&mine, stop)?;
        let head = self.head(&plan);
        if self.arguments.format == Format::Json {
            let cells: Vec<_> = mine
                .iter()
                .map(|(cell, identity)| {
                    let settings = self.sweeping.cells.settings(*cell);
                    let settings: serde_json::Map<_, _> =
                        settings.into_iter().map(|(path, value)| (path, value.into())).collect();
                    json!({"cell": cell, "key": identity.key, "settings": settings})
                })
                .collect();
            let head = line(&head);
            let document = json!({
                "sweep": plan.sweep, "cells": cells, "seconds": seconds, "head": head.trim_end(),
                "files": self.noted.names(),
            });
            print(format!("{document:#}\n").as_bytes());
            return Ok(Exit::Done);
        }
        let lines = mine
            .iter()
            .map(|(cell, _)| format!("{cell:>6}  {}\n", set(&self.sweeping.cells, *cell)));
        print(lines.collect::<String>().as_bytes());
        print(
            format!(
                "{}, {} each: about {} on {} here\n",
                plural(mine.len() as u64, "cell"),
                plan.rule,
                duration(seconds),
                plural(rayon::current_num_threads() as u64, "thread"),
            )
            .as_bytes(),
        );
        Ok(Exit::Done)
    }

    /// What all of these take: one replication of the first, the middle and the last is timed.
    fn seconds(&self, mine: &[(usize, Identity)], stop: &AtomicBool) -> Result<f64, Exit> {
        let Some(last) = mine.len().checked_sub(1) else { return Ok(0.0) };
        let mut places = vec![0, last / 2, last];
        places.dedup();
        #[allow(clippy::disallowed_methods, reason = "an estimate of the wall clock")]
        let start = Instant::now();
        for place in &places {
            let once = Replications::Number(1);
            self.sweeping
                .simulate((mine[*place].0, ""), once, stop)
                .map_err(|rejected| refuse(&rejected.render(false)))?
                .map_err(|breach| self.breach(mine[*place].0, &breach))?;
        }
        let each = start.elapsed().as_secs_f64() / places.len() as f64;
        let replications = self.sweeping.replications.least();
        let threads = rayon::current_num_threads() as f64;
        Ok(each * f64::from(replications) * mine.len() as f64 / threads)
    }

    /// Only the lines of the journal.
    fn lines(&self, pool: &rayon::ThreadPool, stop: &AtomicBool) -> Exit {
        let done: Mutex<Vec<SweptCell>> = Mutex::default();
        let missing: Vec<&(usize, Identity)> = self.wanted.iter().collect();
        let exit = self.simulated(pool, &missing, stop, &|cell| {
            done.lock().expect("nobody panics with it").push(cell);
            Ok(())
        });
        let mut done = done.into_inner().expect("nobody panics with it");
        done.sort_by_key(|cell| cell.cell);
        print(done.iter().map(line).collect::<String>().as_bytes());
        exit
    }

    /// The folder, with its journal.
    fn folder(&self, pool: &rayon::ThreadPool, stop: &AtomicBool) -> Result<Exit, Exit> {
        let plan = self.plan();
        let head = self.head(&plan);
        let mine = self.mine();
        let part = self.arguments.shard.map_or_else(String::new, |(i, n)| format!("-{i}-of-{n}"));
        let folder =
            self.arguments.out.join(&plan.scenario).join(format!("sweep-{}{part}", plan.sweep));
        let mut journal =
            Open::at(&folder, &head, self.arguments.force).map_err(|line| refuse(&line))?;
        let mut done = std::mem::take(&mut journal.cells);
        let known = |cell: &SweptCell| {
            mine.iter().any(|(number, id)| (*number as u64, &id.key) == (cell.cell, &cell.key))
        };
        if let Some(other) = done.iter().find(|cell| !known(cell)) {
            return Err(refuse(&format!(
                "{}: cell {} there is none of this sweep; --force begins again",
                folder.display(),
                other.cell
            )));
        }
        let missing: Vec<&(usize, Identity)> =
            mine.iter().filter(|(cell, _)| done.iter().all(|of| of.cell != *cell as u64)).collect();
        if missing.len() < mine.len() && !self.voice.quiet {
            complain(&format!(
                "{}: {} of {} cells are done",
                folder.display(),
                done.len(),
                mine.len()
            ));
        }
        let shared = Mutex::new((&mut journal, Vec::new()));
        let exit = self.simulated(pool, &missing, stop, &|cell| {
            let mut shared = shared.lock().expect("nobody panics with it");
            shared.0.append(&cell)?;
            shared.1.push(cell);
            Ok(())
        });
        done.append(&mut shared.into_inner().expect("nobody panics with it").1);
        done.sort_by_key(|cell| cell.cell);
        let whole = done.len() == mine.len();
        if whole {
            journal.sorted(&done).map_err(|line| refuse(&line))?;
        }
        let limit = done.iter().any(|cell| cell.status == Status::Truncated);
        let exit = exit.max(if limit { Exit::Limit } else { Exit::Done });
        if self.arguments.shard.is_some() {
            self.tell_shard(&folder, (done.len(), mine.len()));
            return Ok(exit);
        }
        let sweep = swept(plan, done);
        Ok(exit.max(tell(&sweep, &folder, self.arguments.format, self.voice)))
    }

    fn tell_shard(&self, folder: &Path, (done, all): (usize, usize)) {
        if self.arguments.format == Format::Human && !self.voice.quiet {
            print(format!("Journal: {} ({done} of {all} cells)\n", folder.display()).as_bytes());
        }
    }

    fn plan(&self) -> SweepPlan {
        let identities: Vec<Identity> =
            self.wanted.iter().map(|(_, identity)| identity.clone()).collect();
        self.sweeping.plan(&self.base, &identities)
    }

    fn head(&self, plan: &SweepPlan) -> Head {
        let shard = self.arguments.shard.map(|(i, n)| format!("{i}/{n}"));
        Head { plan: plan.clone(), shard }
    }

    /// The cells of this machine.
    fn mine(&self) -> Vec<(usize, Identity)> {
        let Some((i, n)) = self.arguments.shard else { return self.wanted.clone() };
        self.wanted.iter().filter(|(cell, _)| *cell as u64 % n + 1 == i).cloned().collect()
    }

    /// Simulates cells, the next one on whichever thread is free, and hands each on as it is finished.
    fn simulated(
        &self,
        pool: &rayon::ThreadPool,
        missing: &[&(usize, Identity)],
        stop: &AtomicBool,
        take: &(dyn Fn(SweptCell) -> Result<(), String> + Sync),
    ) -> Exit {
        let bar = progress::cells(missing.len(), self.voice.quiet || missing.is_empty());
        let next = AtomicUsize::new(0);
        let worst = Mutex::new(Exit::Done);
        let fail = |exit: Exit| {
            let mut worst = worst.lock().expect("nobody panics with it");
            *worst = (*worst).max(exit);
            exit
        };
        pool.broadcast(|_| {
            while !stop.load(Ordering::Relaxed) {
                let Some((cell, identity)) = missing.get(next.fetch_add(1, Ordering::Relaxed))
                else {
                    return;
                };
                if self
                    .one((*cell, &identity.key), &bar, (stop, take))
                    .is_err_and(|exit| fail(exit) >= Exit::BadInput)
                {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        });
        bar.finish_and_clear();
        let worst = worst.into_inner().expect("nobody panics with it");
        if worst == Exit::Done && stop.load(Ordering::Relaxed) { Exit::Interrupted } else { worst }
    }

    fn one(
        &self,
        (cell, key): (usize, &str),
        bar: &ProgressBar,
        (stop, take): (&AtomicBool, &(dyn Fn(SweptCell) -> Result<(), String> + Sync)),
    ) -> Result<(), Exit> {
        let simulated = self
            .sweeping
            .simulate((cell, key), self.sweeping.replications, stop)
            .map_err(|rejected| refuse(&rejected.render(false)))?;
        match simulated.map_err(|breach| self.breach(cell, &breach))? {
            // It was stopped: it is simulated again when the sweep goes on.
            None => Ok(()),
            Some(done) => {
                bar.inc(1);
                take(done).map_err(|line| refuse(&line))
            }
        }
    }

    /// An invariant of the program broke in a cell.
    fn breach(&self, cell: usize, breach: &Breach) -> Exit {
        let overrides = self.sweeping.overrides(cell).unwrap_or_default();
        let cell = self.arguments.overriding.of_cell(&overrides);
        broken(&cell, (&self.arguments.file, &self.base), breach)
    }
}

/// Writes what a sweep says, and says it.
pub(super) fn tell(sweep: &Sweep, folder: &Path, format: Format, voice: Voice) -> Exit {
    for (name, bytes) in sweep_files(sweep) {
        if let Err(line) = write(&folder.join(name), &bytes) {
            return refuse(&line);
        }
    }
    match format {
        Format::Json => print(&sweep_json(sweep)),
        Format::Human if voice.quiet => {}
        Format::Human => {
            let (text, place) = (sweep_text(sweep, width()), folder.display());
            let text = text.trim_end();
            print(format!("{text}\n\nResults: {place}\nReport:  {place}/report.html\n").as_bytes());
        }
    }
    Exit::Done
}
