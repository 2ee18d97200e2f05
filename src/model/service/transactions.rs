//! The transactions of a server: what they are to write, and how far they are decided.
//!
//! **Invariant.** What was decided outlives the process that decided it, until all who take part have acknowledged it;
//! nothing else does.

use std::collections::BTreeMap;

use crate::model::ids::{Host, NodeId, Slot};

/// Something a transaction is to write.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// The frame that stands for it: what it carries goes along.
    pub frame: Slot,
    /// The store.
    pub store: NodeId,
    /// The key.
    pub key: u64,
    /// The version that has to be there still.
    pub expects: Option<u64>,
    /// To whom it is sent, as a call.
    pub call: u16,
}

/// A key of a transaction that is being decided.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The shard; where it has replicas, who is believed to lead it.
    pub host: Host,
    /// Replicas of it, if it has any.
    pub each: Option<u16>,
    /// How often it was sent something since somebody looked who has not answered.
    pub sent: u16,
    /// The key.
    pub key: u64,
    /// The version that has to be there still.
    pub expects: Option<u64>,
    /// To whom it is sent, as a call.
    pub call: u16,
    /// The frame that stands for it; `NONE`: its process is gone.
    pub frame: Slot,
    /// It voted for it.
    pub voted: bool,
    /// It has written it.
    pub done: bool,
    /// The place of that in the order, if it is known.
    pub order: Option<u64>,
}

/// A transaction that is being decided, or was and is not known to all.
#[derive(Clone, Debug)]
pub struct Deciding {
    /// Which of the program.
    pub number: u16,
    /// The instance that decides.
    pub inst: u16,
    /// The branch that waits for it; `NONE`: its process is gone.
    pub slot: Slot,
    /// The frame that waits for the next thing to do.
    pub timer: Slot,
    /// Until when all have to have voted, ns.
    pub until: u64,
    /// It is to be written.
    pub decided: bool,
    /// How often those who have not voted were asked, or those who have not acknowledged what was decided were told.
    pub told: u64,
    /// Its keys.
    pub parts: Vec<Part>,
}

impl Part {
    /// Whether it is that about a key of the shard of somebody.
    pub fn is_about(&self, (node, inst): Host, key: u64) -> bool {
        let each = self.each.unwrap_or(1);
        self.key == key && (self.host.0, self.shard()) == (node, inst / each)
    }

    /// The shard.
    pub fn shard(&self) -> u16 {
        self.host.1 / self.each.unwrap_or(1)
    }

    /// In what the order of what it writes is: the log of its shard, or the key.
    pub fn unit(&self) -> u64 {
        if self.each.is_some() { self.shard().into() } else { self.key }
    }
}

impl Deciding {
    /// The part about a key of the shard of somebody.
    pub fn part(&mut self, host: Host, key: u64) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.is_about(host, key))
    }
}

/// The transactions of a server.
#[derive(Debug, Default)]
pub struct Transactions {
    /// Those whose steps are being done, by branch.
    pub open: BTreeMap<Slot, Vec<Write>>,
    /// Those whose steps are done, by identity.
    pub deciding: BTreeMap<u64, Deciding>,
}
