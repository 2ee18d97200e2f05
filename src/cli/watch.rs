//! What a run sees of single requests.
//!
//! **Invariant.** It is what became of them in the run: a replication that goes otherwise is a breach.

use std::sync::atomic::AtomicBool;

use crate::{
    results::{ReplicationResults, Results, Waterfall},
    study::{Breach, Study, Watching},
};

/// The replication of interest: the one that the timeline is read from, or the first.
pub(super) fn replication(results: &Results) -> Option<(usize, &ReplicationResults)> {
    let index = results.timeline.replication.unwrap_or(0) as usize;
    Some((index, results.replications.get(index)?))
}

/// What a report shows of single requests of the replication of interest; nothing of one that was stopped.
pub(super) fn usual(
    study: &Study,
    results: &Results,
    stop: &AtomicBool,
) -> Result<Vec<Waterfall>, Breach> {
    let Some((index, of)) = replication(results) else { return Ok(Vec::new()) };
    let latency = &results.summary.figures.latency;
    let near = [("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99)];
    let near = near.iter().filter_map(|(name, of)| Some(((*name).to_owned(), of.value?)));
    let watching = Watching::usual(near.collect());
    let watched = study.watch((index, of.seed), &watching, stop)?.unwrap_or_default();
    if !watched.fingerprint.is_empty() && watched.fingerprint != of.fingerprint {
        let message = "simulated again to be watched it went otherwise".to_owned();
        return Err(Breach { replication: index, seed: of.seed, message });
    }
    Ok(watched.waterfalls)
}
