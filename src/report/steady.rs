//! What is no picture of a steady state.

use super::text::{Quantity, clean, value};
use crate::results::{NodeResults, Results};

/// Which queues still grow as the run ends, and which caches still fill up.
pub(crate) fn growing(results: &Results) -> Vec<String> {
    let of = |(name, node): (&String, &NodeResults)| {
        let slope = value(Quantity::Rate, node.queue_growth?).replace(" /s", "/s");
        let name = clean(name);
        Some(format!(
            "not in steady state: the queue of {name} grows by {slope}; figures depend on how long it is watched"
        ))
    };
    let cold = |(name, node): (&String, &NodeResults)| {
        let (first, last) = node.cache.as_ref()?.warming?;
        let [first, last] = [first, last].map(|share| value(Quantity::Share, share));
        Some(format!(
            "not in steady state: the hit ratio of {} rises from {first} to {last} while it is measured; a longer \
             `warm_up` (or `auto`), or a `prefill`, measures it warm",
            clean(name)
        ))
    };
    let nodes = &results.nodes;
    nodes.iter().filter_map(of).chain(nodes.iter().filter_map(cold)).collect()
}
