//! What is told of the messages of a queue.

use serde::{Deserialize, Serialize};

use super::figure::{Distribution, Estimate};

/// What became of the messages that a queue accepted in the measured span: means over replications. `published` is the sum of
/// `acked`, `ready`, `delayed`, `unacked`, `dead_lettered`, `expired`, `dropped` and `lost`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueResults {
    /// Accepted, those thrown away as the queue was full included.
    pub published: Estimate,
    /// Worked off and acknowledged.
    pub acked: Estimate,
    /// At the end: waiting to be handed out.
    pub ready: Estimate,
    /// At the end: waiting for their `delay` or backoff.
    pub delayed: Estimate,
    /// At the end: handed out and not acknowledged.
    pub unacked: Estimate,
    /// Handed out `max_receives` times in vain.
    pub dead_lettered: Estimate,
    /// Kept for `retention` and thrown away.
    pub expired: Estimate,
    /// Thrown away as the queue was full.
    pub dropped: Estimate,
    /// Gone with the process of the broker (`durable: false`), or with whoever they were handed to (`at_most_once`).
    pub lost: Estimate,
    /// Publishes that were acknowledged and not accepted, as `dedupe` knew the message.
    pub deduplicated: Estimate,
    /// Hand-outs.
    pub deliveries: Estimate,
    /// Those of messages that had been handed out before.
    pub redelivered: Estimate,
    /// Visits that succeeded for a message for which one had succeeded before.
    pub duplicates: Estimate,
    /// Messages worked off after a later one of the same key.
    pub out_of_order: Estimate,
    /// Messages that wait to be handed out.
    pub depth: DepthResults,
    /// From when a message was accepted until it was handed out first, s.
    pub age: Distribution,
    /// From when a message was accepted until a visit for it had succeeded, s; of those for which one had.
    pub done: Distribution,
}

/// What became of the messages of a log for a group that reads it: as of a queue, and how far it is behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupResults {
    /// As of a queue; `acked` is put down as worked off, `expired` was too old when the group came to it.
    #[serde(flatten)]
    pub messages: QueueResults,
    /// Messages that are not put down as worked off.
    pub lag: DepthResults,
    /// How often partitions were shared anew.
    pub rebalances: Estimate,
}

/// What became of the rows of outboxes: of those written in the measured span. `written` is the sum of the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutboxResults {
    /// Written together with data.
    pub written: Estimate,
    /// Published and deleted.
    pub relayed: Estimate,
    /// Neither, as the run ends.
    pub left: Estimate,
    /// Where the store has replicas: lost with their writes, as whoever leads now does not have these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Estimate>,
}

/// How many messages wait to be handed out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DepthResults {
    /// Over time.
    pub mean: Estimate,
    /// The most at once.
    pub max: Estimate,
}
