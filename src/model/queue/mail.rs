//! What is seen of messages from outside, whichever broker and consumer they are at.
//!
//! **Invariant.** Nothing in the model asks for it.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::{
    counts::QueueMeasured,
    post::{Handle, Post, Record},
};
use crate::{
    engine::random::mix,
    model::{ids::NodeId, kinds::NodeSpec, names::Names},
};

/// What is seen of the messages of a queue.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// A hand-out is the last: who is handed a message tells nobody what became of it.
    once: bool,
    /// Of a log whose messages have no keys: each partition is in order.
    unkeyed: bool,
    /// Identities of those for which a visit succeeded.
    succeeded: HashTable<u64>,
    /// Of each key: the latest by acceptance for which one did.
    latest: HashTable<(u64, u64)>,
    /// If a hand-out is the last: those that have not ended, and when their messages were accepted, ns.
    open: BTreeMap<u32, u64>,
    measured: QueueMeasured,
}

/// A queue, and 0; or a log and a group that reads it.
pub type Read = (NodeId, u16);

/// What is seen of all messages.
#[derive(Clone, Debug)]
pub struct Mail {
    queues: BTreeMap<Read, Seen>,
    from: u64,
}

impl Mail {
    /// Of a design, if it has queues.
    pub fn of(names: &Names) -> Option<Self> {
        let queues = names.specs().enumerate().filter(|(_, spec)| spec.kind().is_broker());
        let seen = |(id, spec): (usize, &NodeSpec)| {
            let (id, once) = (id as NodeId, spec.kind().forgets_handouts());
            let log = spec.kind().partitions().is_some();
            let groups = if log { names.groups(id).len() as u16 } else { 1 };
            let unkeyed = log && !names.has_keys(id);
            let one = move |group| ((id, group), Seen { once, unkeyed, ..Seen::default() });
            (0..groups).map(one).collect::<Vec<_>>()
        };
        let queues: BTreeMap<Read, Seen> = queues.flat_map(seen).collect();
        let from = names.design.warm_up;
        (!queues.is_empty()).then_some(Self { queues, from })
    }

    /// Messages are handed out.
    pub fn handed(&mut self, queue: NodeId, messages: &[(Handle, Record)]) {
        let Some(seen) = self.queues.get_mut(&(queue, 0)).filter(|seen| seen.once) else { return };
        seen.open.extend(messages.iter().map(|(h, record)| (h.handout, record.accepted)));
    }

    /// A visit for a message has ended.
    pub fn ended(
        &mut self,
        queue: Read,
        (handle, record): &(Handle, Record),
        well: bool,
        now: u64,
    ) {
        let Some(seen) = self.queues.get_mut(&queue) else { return };
        seen.open.remove(&handle.handout);
        if !well {
            return;
        }
        let measured = record.accepted >= self.from;
        let key = if seen.unkeyed { u64::from(handle.place) } else { record.key };
        let (identity, order) = (record.identity, record.order);
        if seen.succeeded.find(mix(identity), |known| *known == identity).is_some() {
            seen.measured.duplicates += u64::from(measured);
            return;
        }
        seen.succeeded.insert_unique(mix(identity), identity, |known| mix(*known));
        let late = match seen.latest.find_mut(mix(key), |(known, _)| *known == key) {
            Some((_, latest)) => std::mem::replace(latest, order.max(*latest)) > order,
            None => {
                seen.latest.insert_unique(mix(key), (key, order), |(known, _)| mix(*known));
                false
            }
        };
        if measured {
            seen.measured.out_of_order += u64::from(late);
            seen.measured.done.record(now - record.accepted);
        }
    }

    /// A message of a log is tried once more, in its place.
    pub fn tried_again(&mut self, log: Read, record: &Record) {
        if let Some(seen) = self.queues.get_mut(&log).filter(|_| record.accepted >= self.from) {
            seen.measured.counts.deliveries += 1;
            seen.measured.counts.redelivered += 1;
        }
    }

    /// Whether a visit has succeeded for a message of a queue.
    pub fn is_done(&self, queue: Read, identity: u64) -> bool {
        let seen = self.queues.get(&queue);
        seen.is_some_and(|seen| seen.succeeded.find(mix(identity), |of| *of == identity).is_some())
    }

    /// What was seen of a queue up to its end; `live` is what frames carry then.
    pub fn measured<'p>(
        &self,
        queue: Read,
        live: impl Iterator<Item = &'p Post>,
        now: u64,
    ) -> QueueMeasured {
        let Some(seen) = self.queues.get(&queue) else { return QueueMeasured::default() };
        let mut measured = seen.measured.clone();
        let mut gone = seen.open.clone();
        for post in live.filter(|_| seen.once) {
            let messages: &[(Handle, Record)] = match post {
                Post::Handed(_, messages) | Post::Leaving(_, messages, _) => messages,
                Post::Batch(batch) => &batch.messages,
                _ => &[],
            };
            for (handle, _) in messages {
                gone.remove(&handle.handout);
            }
        }
        for (handout, accepted) in &seen.open {
            if *accepted < self.from {
            } else if gone.contains_key(handout) {
                measured.counts.lost += 1;
            } else {
                measured.counts.unacked += 1;
                measured.open.record(now - accepted);
            }
        }
        measured
    }
}
