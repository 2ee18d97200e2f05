//! Links that cannot carry everything at once, over replications.
//!
//! **Invariant.** A share is of what all pairs of places that a link joins can carry.

use super::resources::ResourcePool;
use crate::{
    model::network::books::LinkMeasured,
    results::{LinkResults, Means, Samples, WayResults, seconds},
};

/// One direction of a link, in many replications.
#[derive(Clone, Debug)]
pub(super) struct LinkPool {
    name: String,
    back: bool,
    utilisation: Means,
    full: ResourcePool,
    throughput: Means,
    in_transfer: Means,
    transfer: Samples,
    waiting: Samples,
    /// Over all replications, ns.
    held_up: u128,
}

impl LinkPool {
    /// Of a link like this, and nothing yet.
    pub(super) fn like(link: &LinkMeasured) -> Self {
        Self {
            name: link.name.clone(),
            back: link.back,
            utilisation: Means::default(),
            full: ResourcePool::like(&link.held),
            throughput: Means::default(),
            in_transfer: Means::default(),
            transfer: Samples::default(),
            waiting: Samples::default(),
            held_up: 0,
        }
    }

    /// Adds what was measured in the next replication, over so many ns, whose windows these are.
    pub(super) fn push(
        &mut self,
        link: &LinkMeasured,
        span: u64,
        (windows, warm_up): (&[(u64, u64)], u64),
    ) {
        self.full.push(&link.held, windows, warm_up);
        let share = |integral: u128| (span > 0).then(|| integral as f64 / span as f64);
        self.utilisation.push(share(link.used.0).map(|used| used / link.lines as f64));
        self.in_transfer.push(share(link.used.1));
        let rate = |n: u64| (span > 0).then(|| n as f64 / seconds(span));
        self.throughput.push(rate(link.transfer.count()));
        self.transfer.push(&link.transfer);
        self.waiting.push(&link.waiting);
        self.held_up += link.held_up;
    }

    /// Its name, and how much longer what somebody waited for took on it, in all replications, s.
    pub(super) fn held_up(&self) -> (&str, f64) {
        (&self.name, self.held_up as f64 / 1e9)
    }

    /// Puts its figures to those of its link.
    pub(super) fn write(
        &self,
        links: &mut std::collections::BTreeMap<String, LinkResults>,
        confidence: f64,
    ) {
        let (_, full) = self.full.results(confidence);
        let figures = WayResults {
            saturated: full.saturated,
            saturated_at: full.saturated_at,
            utilisation: self.utilisation.estimate(confidence),
            throughput: self.throughput.estimate(confidence),
            in_transfer: self.in_transfer.estimate(confidence),
            transfer_time: self.transfer.distribution(confidence),
            waiting_time: self.waiting.distribution(confidence),
        };
        let link = links.entry(self.name.clone()).or_default();
        *if self.back { &mut link.back } else { &mut link.forth } = Some(figures);
    }
}
