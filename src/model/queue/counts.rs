//! What became of the messages of a queue.
//!
//! **Invariant.** Published = acked + dead-lettered + expired + dropped + lost + held.

use crate::stats::Histogram;

/// What of the messages that wait somewhere is summed up over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// How many wait to be handed out by a queue, or to be worked off by all groups of a log, message-ns.
    All,
    /// How many wait to be worked off by a group of a log, message-ns.
    Of(String),
    /// How long the oldest that waits in a queue has waited since it was accepted, ns x ns.
    Age,
}

/// What became of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accepted, those thrown away included.
    pub published: u64,
    /// Worked off.
    pub acked: u64,
    /// Handed out too often in vain.
    pub dead_lettered: u64,
    /// Kept too long.
    pub expired: u64,
    /// Thrown away as the queue was full.
    pub dropped: u64,
    /// Gone with the broker, or with whom they were handed to.
    pub lost: u64,
    /// Told that all is well, and not accepted a second time.
    pub deduplicated: u64,
    /// Hand-outs.
    pub deliveries: u64,
    /// Those of messages that had been handed out before.
    pub redelivered: u64,
    /// Held at the end: ready to be handed out, or behind one of the same key.
    pub ready: u64,
    /// Held at the end: not ready yet.
    pub delayed: u64,
    /// Held at the end: handed out, and neither acknowledged nor given up.
    pub unacked: u64,
}

impl Counts {
    /// Whether every message is accounted for.
    pub fn balances(&self) -> bool {
        let gone = self.acked + self.dead_lettered + self.expired + self.dropped + self.lost;
        self.published == gone + self.ready + self.delayed + self.unacked
    }
}

/// What was measured of a queue: of the messages accepted in the measured span.
#[derive(Clone, Debug, Default)]
pub struct QueueMeasured {
    /// What became of them.
    pub counts: Counts,
    /// Visits that succeeded for a message for which one had succeeded before.
    pub duplicates: u64,
    /// Messages worked off after a later one of the same key.
    pub out_of_order: u64,
    /// The most that were ready at once.
    pub most: u64,
    /// From when each was accepted until it was handed out first, ns.
    pub age: Histogram,
    /// From when each was accepted until a visit for it had succeeded, ns; of those for which one had.
    pub done: Histogram,
    /// Of those that are held as the run ends: how long each has waited, ns, unless a visit for it has succeeded.
    pub open: Histogram,
}

impl QueueMeasured {
    /// Messages that no visit will succeed for any more.
    pub fn never(&self) -> u64 {
        let Counts { dead_lettered, expired, dropped, lost, .. } = self.counts;
        dead_lettered + expired + dropped + lost
    }
}

/// What became of the rows of outboxes: of those written in the measured span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxMeasured {
    /// Written with data.
    pub written: u64,
    /// Published and deleted.
    pub relayed: u64,
    /// Neither, at the end.
    pub left: u64,
    /// Where stores have replicas: lost with their writes.
    pub lost: Option<u64>,
}

/// What was measured of a group that reads a log.
#[derive(Clone, Debug, Default)]
pub struct GroupMeasured {
    /// Its name.
    pub name: String,
    /// What became of the messages for it.
    pub messages: QueueMeasured,
    /// Integrals over the measured span of the messages that waited to be handed out, and of those not committed,
    /// message-ns.
    pub depth: u128,
    pub lag: u128,
    /// The most that were not committed at once.
    pub most_lag: u64,
    /// How often partitions were shared anew.
    pub rebalances: u64,
}
