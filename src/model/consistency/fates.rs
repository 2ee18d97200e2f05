//! What becomes of versions, as whoever looks on is told.
//!
//! **Invariant.** As in `observer.rs`.

use super::{logged::Progress, observer::Observer, tokens::Token, torn::Part, watched::Damaged};
use crate::{
    history::{NotChecked, Place},
    model::ids::{NodeId, Slot},
    replication::{Fence, Known},
};

impl Observer {
    /// A cache answers for what it was given, which is to be written later and takes the place of another version.
    pub fn accepted(&mut self, slot: Slot, (store, key): (NodeId, u64), replaces: u64) {
        let version = self.version(slot);
        if let Some(watched) = self.stores.get_mut(&store) {
            watched.answered_for(key, version, replaces);
        }
    }

    /// A version of a key of a replicated store got its place in the order of versions.
    pub fn placed(
        &mut self,
        (store, log): (NodeId, Option<u16>),
        (key, version): (u64, u64),
        (order, now): (u64, u64),
    ) {
        if self.beside && self.is_view(store) {
            // Its place in the order of versions is that of its source.
            return;
        }
        if let Some(watched) = self.stores.get_mut(&store) {
            watched.placed(log, (key, version), order);
        }
        if self.beside {
            self.is_due_at_views(store, version, now);
        }
    }

    /// A shard has given a place in its log to a key that comes from another one.
    pub fn entered(&mut self, (store, shard): (NodeId, u16), order: u64) {
        if let Some(watched) = self.stores.get_mut(&store) {
            watched.reigns.gave(shard, order);
        }
    }

    /// A key, of which this is the newest version, is served by another shard from now on, in whose log that has this place.
    pub fn moved(
        &mut self,
        store: NodeId,
        of: (u64, u64),
        (from, to, order): (u16, u16, u64),
        now: u64,
    ) {
        if let Some(watched) = self.stores.get_mut(&store) {
            watched.moved(of, (from, to), (order, now));
        }
    }

    /// A write of a key got its number among those of its leader.
    pub fn dotted(&mut self, store: NodeId, (key, version): (u64, u64), dot: (u8, u32)) {
        let Some(watched) = self.stores.get_mut(&store) else { return };
        if let Some(vectors) = &mut watched.vectors {
            vectors.dotted(key, version, dot);
            watched.does((key, version), u64::from(dot.0) << 32 | u64::from(dot.1));
        }
    }

    /// All that the one copy of a shard held, of these keys (in order), is gone; of which shard, if that can be restored.
    pub fn wiped(&mut self, (store, backed_up): (NodeId, Option<u16>), keys: Vec<u64>, now: u64) {
        if let Some(torn) = &mut self.torn {
            torn.wiped(store, &keys, false);
        }
        if let Some(watched) = self.stores.get_mut(&store) {
            watched.wiped(keys, backed_up, now);
        }
    }

    /// No replica of a shard has anything any more, but that can be restored.
    pub fn loses_shard(&mut self, (store, shard): (NodeId, u16), now: u64) {
        if let Some(watched) = self.stores.get_mut(&store) {
            watched.loses_shard(shard, now);
        }
    }

    /// A shard that had lost all holds these versions again, by key.
    pub fn restored(&mut self, (store, shard): (NodeId, u16), versions: &[(u64, u64)]) {
        if let Some(watched) = self.stores.get_mut(&store) {
            watched.restored(shard, versions);
        }
    }

    /// Copies that a store holds are damaged.
    pub fn damaged(&mut self, store: NodeId, what: Damaged, now: u64) {
        match (&mut self.torn, &what) {
            (Some(torn), Damaged::All(keys)) => torn.wiped(store, keys, true),
            (Some(torn), Damaged::Last(versions)) => torn.damaged(versions),
            _ => {}
        }
        if let Some(watched) = self.stores.get_mut(&store) {
            watched.damaged(what, now);
        }
    }

    /// A leader that had lost what it held goes on beyond these numbers of a key.
    pub fn skipped(&mut self, store: NodeId, key: u64, leader: u8, numbers: (u32, u32)) {
        let watched = self.stores.get_mut(&store);
        if let Some(vectors) = watched.and_then(|watched| watched.vectors.as_mut()) {
            vectors.skipped(key, leader, numbers);
        }
    }

    /// A leader of a shard began its term with entries up to this place; or goes on with it, after it died, with what it
    /// still has.
    pub fn began(&mut self, (store, shard): (NodeId, u16), how: (u64, u64), now: u64) {
        if self.beside && self.is_view(store) {
            // Nothing is acknowledged there that it could be without.
            return;
        }
        if let Some(watched) = self.stores.get_mut(&store) {
            watched.began(shard, how, now);
        }
    }

    /// Whoever took a version knew of an older one: while it was written, `fresh` or brought back from where it was read.
    pub fn follows(&mut self, store: NodeId, of: (u64, bool), version: u64, older: u64) {
        if self.beside && self.is_view(store) {
            return;
        }
        if let Some(watched) = self.stores.get_mut(&store) {
            watched.follows(of, version, older);
        }
    }

    /// A store holds from now on what a frame brought, in place of another version.
    pub fn applied(&mut self, slot: Slot, store: NodeId, key: u64, (held, now): (u64, u64)) {
        let version = self.version(slot);
        if self.beside && self.comes_to_view(store, key, (held, version), now) {
            return;
        }
        if let Some(watched) = self.stores.get_mut(&store) {
            watched.applied(key, version);
        }
        if self.beside {
            self.is_due_at_views(store, version, now);
        }
    }

    // ---- transactions -------------------------------------------------------------------------

    /// A key is written by transactions: what single keys show does not tell whether all answers fit together.
    pub fn is_of_transaction(&mut self, store: NodeId, key: u64) {
        if let Some(watched) = self.stores.get_mut(&store).filter(|of| of.vectors.is_none()) {
            watched.history.mark_unchecked(key, NotChecked::Transaction);
        }
    }

    /// A transaction is to write this.
    pub fn transacts(&mut self, transaction: u64, parts: Vec<Part>, now: u64) {
        if let Some(torn) = self.torn.as_mut().filter(|_| now >= self.from) {
            torn.begins(transaction, parts);
        }
    }

    /// A store wrote something of a transaction.
    pub fn applied_of_transaction(&mut self, transaction: u64, part: Part, now: u64) {
        if self.beside {
            self.is_due_at_views(part.store, part.version, now);
        }
        if let Some(torn) = &mut self.torn {
            torn.writes(transaction, part);
        }
        if let Some(watched) = self.stores.get_mut(&part.store) {
            watched.applied(part.key, part.version);
        }
    }

    /// What a frame stands for was written, and has this place in the order of its key, if that is known.
    pub fn is_written(&mut self, slot: Slot, (store, unit, order): (NodeId, u64, Option<u64>)) {
        let token = order.map(|order| Token { store, unit, known: Known::upto(order) });
        self.hold_token(slot, token);
    }

    /// What a frame stands for has this place in the log of its store, whatever places it was given besides.
    pub fn stands(&mut self, slot: Slot, (store, key): (NodeId, u64), order: Option<u64>) {
        let version = self.version(slot);
        if let (Some(watched), Some(order)) = (self.stores.get_mut(&store), order) {
            watched.history.accepted(key, Place { order, version });
        }
    }

    /// A frame is about to put down how far its saga is, under this key, or to read it.
    pub fn is_at_log(&mut self, slot: Slot, key: u64, next: Progress) {
        let (Some(logs), Some(leases)) = (&mut self.logs, &mut self.leases) else { return };
        let before = leases.fence(slot);
        logs.enter(slot, key, (next, before));
        leases.set_fence(slot, Some(Fence { lock: key, number: next.number }));
    }

    /// A frame has done that, or does it no longer.
    pub fn leaves_log(&mut self, slot: Slot) {
        let (Some(logs), Some(leases)) = (&mut self.logs, &mut self.leases) else { return };
        if let Some(at) = logs.leave(slot) {
            leases.set_fence(slot, at.before);
            self.at(slot).of_record = false;
        }
    }
}
