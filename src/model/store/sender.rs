//! Who of a shard sends away what is kept elsewhere, and what of its log is not known to be there.
//!
//! Of replicas one of which leads that one sends what is committed; else one that is up sends what it holds, which need not be
//! all. Whoever comes after it goes on where it was, unless it began without something that was sent (or nobody knows, as
//! without leaders): then it begins with a snapshot.
//!
//! **Invariant.** A part of the log is sent only after all that it follows.

use super::committed::Committed;
use crate::replication::data::Item;

/// What a shard has to send.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Who sends, and what it knows to be committed.
    pub log: Committed,
    /// What was written and is not known to be kept, in order.
    pub tail: Vec<(u64, Item)>,
    /// The place of the last of all that was, of one copy.
    last: u64,
    /// Of a log that is agreed on, all up to this place is committed, and all up to that was sent.
    pub upto: u64,
    pub sent: u64,
    /// What is kept is what the tail follows.
    pub based: bool,
}

impl Sender {
    /// At first this one sends, and what there is at the start is kept.
    pub fn new(inst: u16) -> Self {
        let log = Committed::new(inst);
        Self { log, tail: Vec::new(), last: 0, upto: 0, sent: 0, based: true }
    }

    /// The one copy of a shard has written this; what was done before is in the tail, or kept.
    pub fn written(&mut self, key: u64, item: Item) {
        if item.order > self.last {
            self.tail.push((key, item));
            self.last = item.order;
        }
    }

    /// The log is committed up to a place, as an instance says; what of it is to be kept, if that is asked for.
    pub fn committed(&mut self, inst: u16, upto: u64, logs: bool) {
        if self.log.leader.by != Some(inst) {
            return;
        }
        while let Some((order, key, version)) = self.log.next(upto) {
            if logs {
                self.tail.push((key, Item { version, order }));
            }
        }
        self.upto = self.upto.max(upto);
    }

    /// What is kept is void.
    pub fn begins_anew(&mut self) {
        self.tail.clear();
        (self.sent, self.based) = (0, false);
    }

    /// Nothing is left.
    pub fn clear(&mut self) {
        self.log.clear();
        self.tail.clear();
        (self.upto, self.sent) = (0, 0);
    }

    /// What is kept up to a place is what it goes on with.
    pub fn goes_on(&mut self, upto: u64) {
        (self.upto, self.sent, self.based) = (upto, upto, true);
    }
}
