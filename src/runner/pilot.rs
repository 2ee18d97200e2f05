//! `warm_up: auto`: a pilot shows how long the start from empty lasts (`semantics.md` 17).
//!
//! **Invariant.** One value for all replications, found from the first ones without any warm-up.

use std::sync::atomic::AtomicBool;

use super::{Breach, Replicate, RunInfo, simulate};
use crate::{
    explain,
    results::Results,
    stats::{Steady, mser},
};

/// Replications of a pilot.
const REPLICATIONS: usize = 5;

/// The warm-up that the first replications of a run without any call for, ns, and whether they get steady after it;
/// none when it was stopped.
pub fn pilot(
    world: &dyn Replicate,
    info: RunInfo,
    seed: u64,
    stop: &AtomicBool,
) -> Result<Option<(u64, bool)>, Breach> {
    let info = RunInfo { replications: REPLICATIONS, ..info };
    let results = simulate(world, &info, seed, stop, &mut |_| ())?.results();
    if results.seeds.len() < REPLICATIONS {
        return Ok(None);
    }
    let steady = series(&results).into_iter().map(|values| mser(&values));
    let worst =
        |a: Steady, b: Steady| Steady { from: a.from.max(b.from), found: a.found && b.found };
    let steady = steady.reduce(worst).unwrap_or(Steady { from: 0, found: true });
    let at = results.series.start.get(steady.from).copied().unwrap_or_default();
    Ok(Some(((at * 1e9).round() as u64, steady.found)))
}

/// What shows the start from empty, window by window to the first fault: requests on their way, and the hit ratio
/// of each cache.
fn series(results: &Results) -> Vec<Vec<f64>> {
    let end = explain::first_fault(results);
    let open = results.series.clients.get("all").map(|all| all.in_flight.clone());
    let caches = results.series.nodes.values().map(|node| {
        // A window without a lookup is as the one before.
        let filled = node.hit_ratio.iter().scan(0.0, |last, ratio| {
            *last = ratio.unwrap_or(*last);
            Some(*last)
        });
        filled.collect()
    });
    let all = open.into_iter().chain(caches).filter(|values: &Vec<f64>| !values.is_empty());
    all.map(|values| values[..end.min(values.len())].to_vec()).collect()
}
