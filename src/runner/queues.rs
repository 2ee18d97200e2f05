//! Messages of queues, over replications.

use crate::{
    model::queue::counts::{GroupMeasured, QueueMeasured},
    results::{DepthResults, GroupResults, Means, QueueResults, Samples},
};

/// The messages of a log for a group.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupPool {
    messages: QueuePool,
    lag: Means,
    most_lag: Means,
    rebalances: Means,
}

impl GroupPool {
    /// Adds what was measured in the next replication, over so long.
    pub(super) fn push(&mut self, one: &GroupMeasured, span: u64) {
        self.messages.push(&one.messages, one.depth, span);
        self.lag.push((span > 0).then(|| one.lag as f64 / span as f64));
        self.most_lag.push(Some(one.most_lag as f64));
        self.rebalances.push(Some(one.rebalances as f64));
    }

    /// What is told of them.
    pub(super) fn results(&self, confidence: f64) -> GroupResults {
        GroupResults {
            messages: self.messages.results(confidence),
            lag: DepthResults {
                mean: self.lag.estimate(confidence),
                max: self.most_lag.estimate(confidence),
            },
            rebalances: self.rebalances.estimate(confidence),
        }
    }
}

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
    /// Adds what was measured in the next replication; `depth` is the integral over the measured span, message-ns.
    pub(super) fn push(&mut self, one: &QueueMeasured, depth: u128, span: u64) {
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
        self.depth.push((span > 0).then(|| depth as f64 / span as f64));
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
