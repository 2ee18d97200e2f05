//! What all attempts at something have in common.
//!
//! **Invariant.** Two attempts at one thing have one identity here, and no two things have the same.

use crate::{
    model::{by_slot::BySlot, ids::Slot},
    replication::Once,
};

/// Whether all attempts of something are one.
#[derive(Clone, Copy, Debug, Default)]
struct Repeated {
    /// They are.
    once: bool,
    /// For something further up.
    further: bool,
    /// What is added to a frame's identity, wrapping, to leave out all attempts on the way to it.
    shift: u64,
    /// When the operation began that it is for, by the clock of who began it, ns.
    stamp: u64,
    /// It is for a message, which may be handed out again.
    message: bool,
}

/// What attempts at what frames are at have in common, if there may be several.
#[derive(Clone, Debug, Default)]
pub struct Repeats(BySlot<Repeated>);

impl Repeats {
    fn of(&self, slot: Slot) -> Repeated {
        self.0.get(slot).copied().unwrap_or_default()
    }

    /// A frame begins for another one, and is about the same.
    pub fn descend(&mut self, parent: Slot, child: Slot) {
        *self.0.at(child) = self.of(parent);
    }

    /// A frame is about nothing any more.
    pub fn forget(&mut self, slot: Slot) {
        self.0.take(slot);
    }

    /// A frame was begun for another one: all attempts at it are one if those at that one are, or `asked` says so; `path`
    /// gives its identity without attempts by that one's.
    pub fn identify(
        &mut self,
        (parent, parent_id): (Slot, u64),
        (child, child_id): (Slot, u64),
        asked: bool,
        path: impl FnOnce(u64) -> u64,
    ) {
        let Repeated { once, shift, message, .. } = self.of(parent);
        let own = self.0.at(child);
        (own.once, own.further) = (once || asked, once || message && asked);
        own.message = message;
        own.shift = path(parent_id.wrapping_add(shift)).wrapping_sub(child_id);
    }

    /// A frame begins for a message that has this identity, whichever hand-out it is.
    pub fn begin(&mut self, (slot, id): (Slot, u64), identity: u64) {
        let shift = identity.wrapping_sub(id);
        *self.0.at(slot) = Repeated { shift, message: true, ..Repeated::default() };
    }

    /// What a frame is about, without attempts.
    pub fn identity(&self, (slot, id): (Slot, u64)) -> u64 {
        id.wrapping_add(self.of(slot).shift)
    }

    /// An operation begins at a frame at an instant of its clock: its identity, and whether what it is for may be attempted
    /// again, and all attempts at it are one; `asked`: it says so itself.
    pub fn stamped(&mut self, (slot, id): (Slot, u64), asked: bool, wall: u64) -> (u64, bool) {
        let own = self.0.at(slot);
        own.stamp = wall.max(1);
        (id.wrapping_add(own.shift), own.once || own.message && asked)
    }

    /// If what a frame asks is to be done once.
    pub fn once(&self, slot: Slot) -> Option<Once> {
        let Repeated { once, further, stamp, .. } = self.of(slot);
        once.then_some(Once { stamp, further })
    }
}
