//! What a write leaves in a store to be published: `write: {to: db, outbox: events}`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Count, Name, SimDuration, short_form};

/// An outbox: `outbox: events` is short for `outbox: {to: events}`.
#[derive(Clone, Debug)]
pub struct OutboxSpec(pub OutboxFields);

/// A message that is written together with the data, both or neither, in a table of the same shard. A relay of the shard reads the
/// table on the shard's cores, publishes what it finds in order, and deletes what has come: at least once, whatever
/// crashes when. A crash between publishing and deleting makes a duplicate, which has the identity of the write.
///
/// Of a store with replicas (`leader_follower`, `raft`) the row is part of the write's entry in the log of its shard, and the leader
/// has the relay: it publishes what is committed, and deletes by a write like others. Who leads next goes on with the rows
/// and deletions it has: what was lost with the last leader is not published any more, and what had been deleted there only is published again.
///
/// ```yaml
/// - write: {to: db, outbox: events}
/// - write: {to: db, outbox: {to: events, every: 50ms, batch: 500}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutboxFields {
    /// The queue or log to which it is published.
    pub to: Name,
    /// How often the relay of a shard reads the table (work of a read each time); 100ms when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<SimDuration>,
    /// How many messages it publishes at once, at most, and then deletes (work of one write); 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Count>,
}

impl OutboxFields {
    /// How often a relay looks, ns.
    pub fn period(&self) -> u64 {
        self.every.map_or(100_000_000, |time| time.0)
    }

    /// How many messages at once.
    pub fn at_once(&self) -> u64 {
        self.batch.map_or(100, |count| count.0)
    }
}

short_form!(
    OutboxSpec,
    OutboxFields,
    Name,
    "a queue's or topic's name, or `{to, every, batch}`",
    |name| OutboxFields { to: name, every: None, batch: None },
    |o| (o.every.is_none() && o.batch.is_none()).then_some(&o.to)
);
