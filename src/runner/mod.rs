//! Replications of a scenario, run in parallel, taken in in index order.
//!
//! Threads and panics stop here: below, a replication is a plain function of its seed.
//!
//! **Invariant.** What is taken in is a contiguous prefix of the replications, in index order,
//! whatever finished first and on however many threads (`semantics.md` 14-16).

mod accumulator;
mod aftermath;
mod backups;
mod bill;
mod budgets;
mod closely;
mod connections;
mod consistency;
mod costs;
mod each;
mod environments;
mod faults;
mod histories;
mod links;
mod moved;
mod nodes;
mod picture;
mod pilot;
mod prepared;
mod purchase;
mod queues;
mod replicas;
mod replication;
mod resources;
mod scaling;
mod sides;
mod watched;

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

#[cfg(feature = "cli")]
use rayon::iter::{ParallelBridge, ParallelIterator};

pub use crate::model::design::window_length;
pub use accumulator::{Accumulator, RunInfo};
pub use bill::{Before, before};
pub use histories::histories;
pub use pilot::pilot;
pub use prepared::{Outline, Prepared, doubts, followed, links_with_bandwidth, outline, sides};
pub use replication::{Replication, check};
pub use watched::{Watching, usually, watched};

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

/// Replications that are finished and held until their turn; who finishes one more waits.
const HELD: usize = 32;

/// The seeds of the replications of a run (`semantics.md` 13).
pub fn seeds(seed: u64, replications: usize) -> Vec<u64> {
    (0..replications as u64).map(|r| random::replication_seed(seed, r)).collect()
}

/// Replications that are finished, until their turn comes to be taken in.
struct Turns<'a> {
    accumulator: Accumulator,
    look: &'a mut (dyn FnMut(&Replication<'_>) + Send),
    waiting: BTreeMap<usize, Option<Measured>>,
    next: usize,
    breach: Option<Breach>,
    /// Who took one in panicked: nothing more will be.
    abandoned: bool,
}

impl Turns<'_> {
    /// A replication is finished (none: it was stopped half-way), or broke.
    fn finished(&mut self, index: usize, result: Result<Option<Measured>, Breach>) {
        match result {
            Ok(measured) => _ = self.waiting.insert(index, measured),
            Err(breach) => {
                let first = self.breach.as_ref().is_none_or(|b| breach.replication < b.replication);
                self.breach = if first { Some(breach) } else { self.breach.take() };
            }
        }
        // After one that was stopped nothing more is taken in.
        while let Some(Some(measured)) = self.waiting.get_mut(&self.next).map(Option::take) {
            self.waiting.remove(&self.next);
            self.next += 1;
            self.accumulator.push(measured, self.look);
        }
    }

    /// Too many are held, and the one they wait for is still to come.
    fn is_full(&self) -> bool {
        let comes =
            self.breach.is_none() && !self.abandoned && !self.waiting.contains_key(&self.next);
        comes && self.waiting.len() >= HELD
    }
}

/// Lets nobody wait for a turn that will not come: `look` may panic, and it is its caller who sees that.
struct Wakes<'t, 'a> {
    turns: &'t Mutex<Turns<'a>>,
    waiting: &'t Condvar,
}

impl Drop for Wakes<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.turns.lock().unwrap_or_else(PoisonError::into_inner).abandoned = true;
            self.waiting.notify_all();
        }
    }
}

/// Runs the replications, in parallel on the current thread pool, and takes in those that finished:
/// all, or after `stop` the ones before the first unfinished one. `look` sees each of them, in order.
pub fn simulate(
    world: &dyn Replicate,
    info: &RunInfo,
    seed: u64,
    stop: &AtomicBool,
    look: &mut (dyn FnMut(&Replication<'_>) + Send),
) -> Result<Accumulator, Breach> {
    go_on(world, Accumulator::new(info.clone()), (seed, info.replications), stop, look)
}

/// Goes on to so many replications from those that were taken in.
pub fn go_on(
    world: &dyn Replicate,
    mut accumulator: Accumulator,
    (seed, replications): (u64, usize),
    stop: &AtomicBool,
    look: &mut (dyn FnMut(&Replication<'_>) + Send),
) -> Result<Accumulator, Breach> {
    let next = accumulator.wants(replications);
    let broken = AtomicBool::new(false);
    let info = accumulator.info().clone();
    let turns =
        Turns { accumulator, look, waiting: BTreeMap::new(), next, breach: None, abandoned: false };
    let (turns, taken_in) = (Mutex::new(turns), Condvar::new());
    let one = |(index, seed): (usize, u64)| {
        let goes_on = !stop.load(Ordering::Relaxed) && !broken.load(Ordering::Relaxed);
        let result = if goes_on { guarded(world, (index, seed), &info, stop) } else { Ok(None) };
        if result.is_err() {
            broken.store(true, Ordering::Relaxed);
        }
        let _wakes = Wakes { turns: &turns, waiting: &taken_in };
        let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.finished(index, result);
        taken_in.notify_all();
        // They were handed out in order: who holds the next one is at it, and does not wait here.
        drop(taken_in.wait_while(turns, |turns| turns.is_full()));
    };
    // In order of index, so that few wait for their turn, and what is finished when interrupted is a prefix or nearly
    // so.
    let indexed = seeds(seed, replications).into_iter().enumerate().skip(next);
    #[cfg(feature = "cli")]
    indexed.par_bridge().for_each(one);
    #[cfg(not(feature = "cli"))]
    indexed.for_each(one);
    let turns = turns.into_inner().unwrap_or_else(PoisonError::into_inner);
    turns.breach.map_or(Ok(turns.accumulator), Err)
}

/// One replication, checked; `None` when it was stopped half-way.
pub fn guarded(
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
