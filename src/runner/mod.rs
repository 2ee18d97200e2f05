//! Replications of a scenario, run in parallel, merged in index order; the folder they leave.
//!
//! Threads, panics and files stop here: below, a replication is a plain function of its seed.
//!
//! **Invariant.** What is merged is a contiguous prefix of the replications, in index order,
//! whatever finished first and on however many threads (`semantics.md` 14-16).

mod aftermath;
mod faults;
mod merge;
mod nodes;
mod picture;
mod pilot;
mod prepared;
pub mod swarm;

#[cfg(feature = "cli")]
pub mod folder;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
};

#[cfg(feature = "cli")]
use rayon::iter::{ParallelBridge, ParallelIterator};

pub use crate::model::design::window_length;
pub use merge::{Merged, RunInfo, check};
pub use pilot::pilot;
pub use prepared::Prepared;

use crate::{engine::random, model::probe::Measured};

/// Replications when nothing else is asked for: enough for an interval, and quick.
pub const DEFAULT_REPLICATIONS: usize = 5;

/// Events of one replication before it is stopped (`semantics.md` 60).
pub const DEFAULT_MAX_EVENTS: u64 = 10_000_000_000;

/// Something that can be simulated: a compiled scenario. Each call builds its own world.
pub trait Replicate: Sync {
    /// Runs one replication; gives up early, with what it has, when `stop` is set.
    fn replicate(&self, seed: u64, stop: &AtomicBool) -> Measured;
}

/// A replication broke an invariant of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Index of the replication.
    pub replication: usize,
    /// Its seed.
    pub seed: u64,
    /// What did not hold.
    pub message: String,
}

/// The seeds of the replications of a run (`semantics.md` 13).
pub fn seeds(seed: u64, replications: usize) -> Vec<u64> {
    (0..replications as u64).map(|r| random::replication_seed(seed, r)).collect()
}

/// Runs the replications, in parallel on the current thread pool, and merges those that finished:
/// all, or after `stop` the ones before the first unfinished one. `finished` hears of each.
pub fn simulate(
    world: &dyn Replicate,
    info: RunInfo,
    seed: u64,
    stop: &AtomicBool,
    finished: &(dyn Fn() + Sync),
) -> Result<Merged, Breach> {
    let broken = AtomicBool::new(false);
    let one = |(index, seed): (usize, u64)| {
        if stop.load(Ordering::Relaxed) || broken.load(Ordering::Relaxed) {
            return (index, Ok(None));
        }
        let result = guarded(world, (index, seed), &info, stop);
        match &result {
            Ok(Some(_)) => finished(),
            Ok(None) => {}
            Err(_) => broken.store(true, Ordering::Relaxed),
        }
        (index, result)
    };
    // In order of index, so that what is finished when interrupted is a prefix or nearly so.
    let indexed = seeds(seed, info.replications).into_iter().enumerate();
    #[cfg(feature = "cli")]
    let mut results: Vec<_> = indexed.par_bridge().map(one).collect();
    #[cfg(not(feature = "cli"))]
    let mut results: Vec<_> = indexed.map(one).collect();
    results.sort_by_key(|(index, _)| *index);
    let mut prefix = Vec::new();
    let mut whole = true;
    for (_, result) in results {
        match result? {
            Some(measured) if whole => prefix.push(measured),
            Some(_) => {}
            None => whole = false,
        }
    }
    Ok(Merged::new(info, prefix))
}

/// One replication, checked; `None` when it was stopped half-way.
fn guarded(
    world: &dyn Replicate,
    (replication, seed): (usize, u64),
    info: &RunInfo,
    stop: &AtomicBool,
) -> Result<Option<Measured>, Breach> {
    // Nothing of the world survives a panic, so no broken state can be seen.
    let run = AssertUnwindSafe(|| {
        let measured = world.replicate(seed, stop);
        check(&measured, info.warm_up);
        measured
    });
    match catch_unwind(run) {
        Ok(measured) => {
            let stopped = stop.load(Ordering::Relaxed) && measured.ended_at < info.duration;
            Ok((!stopped).then_some(measured))
        }
        Err(panic) => Err(Breach { replication, seed, message: panic_message(panic.as_ref()) }),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests;
