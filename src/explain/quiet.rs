//! The quiet time of a run: what everything else is compared with.
//!
//! **Invariant.** It ends before the first thing that could be the cause of anything: a fault, a change of
//! load, a fall of goodput.

use std::ops::Range;

use super::signal::{Level, falls, rises};
use crate::{
    node_kind::NodeKind,
    results::{ClientSeries, Results},
};

/// Least change of a load that counts as one: a quarter.
pub(super) const CHANGE: f64 = 0.25;
/// And at least so many standard deviations of a window's count, if arrivals are as random as Poisson's.
const SIGMAS: f64 = 6.0;
/// Share of its level below which goodput has fallen.
pub(super) const FALLEN: f64 = 0.9;

/// How the windows of a run lie to its quiet time.
#[derive(Clone, Debug)]
pub(crate) struct Quiet {
    /// Its windows.
    pub(crate) windows: Range<usize>,
    /// Whether something ended it.
    pub(crate) disturbed: bool,
}

/// The window the first fault falls into, or how many there are.
pub fn first_fault(results: &Results) -> usize {
    let starts = results.faults.iter().filter_map(|f| f.started.value);
    starts.map(|at| window(results, at)).min().unwrap_or(results.series.start.len())
}

/// The quiet time of a run.
pub(crate) fn quiet(results: &Results) -> Quiet {
    let starts = &results.series.start;
    let first = starts.iter().position(|&start| start >= results.warm_up).unwrap_or(starts.len());
    // A window that a fault falls into is disturbed; one that ends as it begins is not.
    let until = first_fault(results).max(first);
    // Changes of the load before the first fault.
    let opening = first..until.min(first + ((starts.len() - first) / 20).max(3));
    let names = results.series.clients.iter().filter(|(name, _)| *name != "all");
    let changed = names.filter_map(|(name, client)| {
        let load = load(results, name, client, &opening);
        let share = answered_share(results, name, client);
        let fell = Level::of(&share, &opening).map(|level| {
            falls(&share, opening.end, level, fallen(level)).first().map(|spell| spell.from)
        });
        load.into_iter().chain(fell.flatten()).filter(|&w| w < until).min()
    });
    let end = changed.min().map_or(until, |w| w.max(first));
    Quiet { windows: first..end, disturbed: end < starts.len() }
}

/// Where the load of a client first leaves its level in the windows given.
fn load(
    results: &Results,
    name: &str,
    client: &ClientSeries,
    windows: &Range<usize>,
) -> Option<usize> {
    if is_closed(results, name) {
        return None;
    }
    let offered = some(&client.offered);
    let level = Level::of(&offered, windows)?;
    let up = rises(&offered, windows.end, level, more(results, level));
    let down = falls(&offered, windows.end, level, less(results, level));
    up.iter().chain(&down).map(|spell| spell.from).min()
}

/// Whether a client sends its next request when the last is answered: then its load tells of the answers.
pub(super) fn is_closed(results: &Results, client: &str) -> bool {
    let mut vertices = results.design.vertices.iter();
    vertices.any(|v| v.kind == NodeKind::Client && v.name == client && v.instances > 0)
}

/// Rate from which on a load counts as risen.
pub(super) fn more(results: &Results, level: Level) -> f64 {
    let change = CHANGE.max(noise(results, level.mean));
    // Of a client that sent nothing several requests are news.
    let some = SIGMAS / counted(results).max(1e-9);
    (level.mean * (1.0 + change)).max(level.most * (1.0 + CHANGE / 2.0)).max(level.mean + some)
}

/// Rate down to which a load counts as fallen.
pub(super) fn less(results: &Results, level: Level) -> f64 {
    if level.mean <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let change = CHANGE.max(noise(results, level.mean));
    (level.mean * (1.0 - change)).min(level.least * (1.0 - CHANGE / 2.0))
}

/// How far the count of a window may be from its mean by chance, as a share of it.
pub(crate) fn noise(results: &Results, rate: f64) -> f64 {
    SIGMAS / (rate * counted(results)).max(1e-9).sqrt()
}

/// Seconds that are counted in a window, over all replications.
pub(super) fn counted(results: &Results) -> f64 {
    let length = results.series.length.first().copied().unwrap_or_default();
    length * results.replications.len().max(1) as f64
}

/// The window an instant lies in.
pub(super) fn window(results: &Results, at: f64) -> usize {
    results.series.start.iter().rposition(|&start| start <= at).unwrap_or_default()
}

/// Good answers of a client over what it asks, by the instant they come. What a closed client asks depends
/// on the answers: there it is good answers alone.
pub(super) fn answered_share(
    results: &Results,
    name: &str,
    client: &ClientSeries,
) -> Vec<Option<f64>> {
    if is_closed(results, name) {
        return some(&client.answered);
    }
    let each = client.answered.iter().zip(&client.offered);
    each.map(|(good, offered)| (*offered > 0.0).then(|| good / offered)).collect()
}

/// Share of answers down to which goodput has fallen.
pub(super) fn fallen(level: Level) -> f64 {
    (FALLEN * level.mean).min(level.least - (level.mean - level.least) / 2.0)
}

/// Every value is known.
pub(super) fn some(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().map(|v| Some(*v)).collect()
}
