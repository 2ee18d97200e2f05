//! Messages of queues, over replications.

use crate::{
    model::probe::NodeMeasured,
    results::{DepthResults, Means, QueueResults, Samples},
};

/// The messages of a queue.
#[derive(Clone, Debug, Default)]
pub(super) struct QueuePool {
    /// In the order of `QueueResults`.
    counts: [Means; 14],
    depth: Means,
    most: Means,
    age: Samples,
    done: Samples,
}

impl QueuePool {
    /// Adds what was measured in the next replication.
    pub(super) fn push(&mut self, node: &NodeMeasured) {
        let Some(one) = &node.queue else { return };
        let c = one.counts;
        let counts = [
            c.published,
            c.acked,
            c.ready,
            c.delayed,
            c.unacked,
            c.dead_lettered,
            c.expired,
            c.dropped,
            c.lost,
            c.deduplicated,
            c.deliveries,
            c.redelivered,
            one.duplicates,
            one.out_of_order,
        ];
        for (pool, count) in self.counts.iter_mut().zip(counts) {
            pool.push(Some(count as f64));
        }
        let depth: u128 = node.instances.iter().map(|instance| instance.depth).sum();
        self.depth.push((node.span > 0).then(|| depth as f64 / node.span as f64));
        self.most.push(Some(one.most as f64));
        self.age.push(&one.age);
        self.done.push(&one.done);
    }

    /// What is told of them.
    pub(super) fn results(&self, confidence: f64) -> QueueResults {
        let [
            published,
            acked,
            ready,
            delayed,
            unacked,
            dead_lettered,
            expired,
            dropped,
            lost,
            deduplicated,
            deliveries,
            redelivered,
            duplicates,
            out_of_order,
        ] = self.counts.each_ref().map(|means| means.estimate(confidence));
        QueueResults {
            published,
            acked,
            ready,
            delayed,
            unacked,
            dead_lettered,
            expired,
            dropped,
            lost,
            deduplicated,
            deliveries,
            redelivered,
            duplicates,
            out_of_order,
            depth: DepthResults {
                mean: self.depth.estimate(confidence),
                max: self.most.estimate(confidence),
            },
            age: self.age.distribution(confidence),
            done: self.done.distribution(confidence),
        }
    }
}
