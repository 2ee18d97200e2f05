//! Calls by connections that are kept.
//!
//! **Invariant.** A call goes by a connection of its own frame, or of the frame whose branch that is.

use super::kept::Kept;
use crate::model::{
    frame::{BRANCH, CALLER_DONE},
    ids::{NONE, Slot},
    world::World,
};

impl World {
    /// The connection of a pool that a frame keeps, or that whose branch it is does.
    fn kept(&mut self, mut slot: Slot, pool: u32) -> Option<&mut Kept> {
        let all = self.kept.as_mut()?;
        while !all.has(slot, pool) {
            let f = &self.frames[slot];
            if f.flags & (BRANCH | CALLER_DONE) != BRANCH || f.parent == NONE {
                return None;
            }
            slot = f.parent;
        }
        all.latest(slot, pool)
    }

    /// An attempt goes by the connection that is kept.
    pub fn uses_kept(&mut self, slot: Slot, pool: u32) {
        let wire = self.kept(slot, pool).map_or(NONE, |kept| kept.wire);
        self.frames.extra_mut(slot).flight.wire = wire;
    }

    /// It is over, or was given up before: then the connection is no good any more.
    pub fn used_kept(&mut self, slot: Slot, pool: u32, given_up: bool) {
        self.frames.extra_mut(slot).flight.wire = NONE;
        if given_up && let Some(kept) = self.kept(slot, pool) {
            kept.usable = false;
        }
    }
}
