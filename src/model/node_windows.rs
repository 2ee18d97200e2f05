//! What a node did in each window of the time series: differences of its running books.
//!
//! **Invariant.** The windows add up to the books at the end of the run.

use std::collections::BTreeMap;

use super::{
    probe::NodeWindow,
    record::{NodeSnapshot, Snapshot},
};
use crate::model::{books::InstanceBooks, outcome::Tally};

/// What a node did in each window that ends at one of these bounds.
pub(super) fn node_windows(i: usize, bounds: &[&Snapshot]) -> Vec<NodeWindow> {
    let sum =
        |n: &NodeSnapshot, f: fn(&InstanceBooks) -> u128| n.instances.iter().map(f).sum::<u128>();
    let lookups = |n: &NodeSnapshot| {
        let each = n.instances.iter().map(|b| (b.cache.lookups, b.cache.hits));
        each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    let start = NodeSnapshot::default();
    let mut before = &start;
    bounds
        .iter()
        .map(|snapshot| {
            let after = &snapshot.nodes[i];
            let (then, now) = (lookups(before), lookups(after));
            let window = NodeWindow {
                busy: sum(after, |b| b.busy) - sum(before, |b| b.busy),
                in_system: after.in_system - before.in_system,
                in_queue: sum(after, |b| b.in_queue) - sum(before, |b| b.in_queue),
                arrivals: after.arrivals - before.arrivals,
                departures: after.departures - before.departures,
                down: after.uptime.down - before.uptime.down,
                outcomes: since(&after.outcomes, &before.outcomes),
                causes: causes_since(&after.causes, &before.causes),
                lookups: (now.0 - then.0, now.1 - then.1),
                shares: shares(after, before),
            };
            before = after;
            window
        })
        .collect()
}

/// Arrivals at the instances of a node, and at the one that got most.
fn shares(after: &NodeSnapshot, before: &NodeSnapshot) -> (u64, u64) {
    let earlier = before.instances.iter().map(|b| b.arrivals).chain(std::iter::repeat(0));
    let each = after.instances.iter().zip(earlier).map(|(b, earlier)| b.arrivals - earlier);
    each.fold((0, 0), |(all, most), n| (all + n, most.max(n)))
}

/// What was counted after `earlier`.
pub(super) fn since(later: &Tally, earlier: &Tally) -> Tally {
    std::array::from_fn(|i| later[i] - earlier[i])
}

/// The causes that were noted after `earlier`.
pub(super) fn causes_since(
    later: &BTreeMap<&'static str, u64>,
    earlier: &BTreeMap<&'static str, u64>,
) -> BTreeMap<&'static str, u64> {
    let new = later.iter().map(|(&cause, n)| (cause, n - earlier.get(cause).unwrap_or(&0)));
    new.filter(|(_, n)| *n > 0).collect()
}
