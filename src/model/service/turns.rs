//! Requests that wait at the door for their turn, where a rate limit delays instead of refusing.
//!
//! A limiter tells each newcomer after how long its turn is, and gives later turns to whoever comes later:
//! the line is in the timers. Who leaves it leaves its turn unused, as no limiter takes one back.
//!
//! **Invariant.** Who waits here is inside the node and holds no worker, core or lock.

use std::collections::BTreeMap;

use super::server::Server;
use crate::{
    cause::Cause,
    model::{books::Area, ids::Slot, span::Span, world::World},
    outcome::Outcome,
};

/// What ends a wait at the door, if nothing else does before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It goes in.
    Turn,
    /// It has lost patience.
    Patience,
    /// Its deadline.
    Deadline,
}

/// Who waits at the door of an instance.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    waiting: Area,
    /// What the timer of each stands for.
    ends: BTreeMap<Slot, End>,
}

impl Turns {
    /// The integral of those who wait from time 0, request-ns.
    pub fn until(&self, now: u64) -> u128 {
        self.waiting.until(now)
    }

    /// All are gone.
    pub fn clear(&mut self, now: u64) {
        self.waiting.clear(now);
        self.ends.clear();
    }
}

impl Server {
    fn turns(&mut self, inst: u16) -> Option<&mut Turns> {
        self.inbound.as_mut().map(|inbound| inbound.turns(inst))
    }

    /// A request that has just arrived waits so long for its turn, or until it gives up.
    #[cold]
    pub(super) fn wait_at_door(&mut self, slot: Slot, wait: u64, world: &mut World) {
        let (now, inst) = (world.now(), world.frames[slot].inst);
        let extra = world.frames.extra(slot);
        let deadline = if extra.enforced { extra.deadline } else { u64::MAX };
        let patience = self.patience.as_ref().map_or(u64::MAX, |law| law.work(slot, world).nanos);
        let ends = [
            (wait, End::Turn),
            (deadline.saturating_sub(now), End::Deadline),
            (patience, End::Patience),
        ];
        let Some((after, end)) = ends.into_iter().min_by_key(|end| end.0) else { return };
        let Some(turns) = self.turns(inst) else { return };
        turns.waiting.enter(now);
        turns.ends.insert(slot, end);
        let f = &mut world.frames[slot];
        f.waited = f.waited.wrapping_sub(now);
        // Back to its `Begin`.
        f.pc -= 1;
        world.record.node(self.node).cause(Cause::DoorWait);
        world.arm(slot, Span::of(after));
    }

    /// Takes a frame out of the line at the door, if it waits there.
    fn leave_door(&mut self, slot: Slot, world: &mut World) -> Option<End> {
        let now = world.now();
        let turns = self.turns(world.frames[slot].inst)?;
        let end = turns.ends.remove(&slot)?;
        turns.waiting.leave(now);
        let f = &mut world.frames[slot];
        f.waited = f.waited.wrapping_add(now);
        Some(end)
    }

    /// Whether a frame waits at the door, which it then leaves: it was called off.
    pub(super) fn stops_waiting_at_door(&mut self, slot: Slot, world: &mut World) -> bool {
        self.leave_door(slot, world).is_some()
    }

    /// The timer of a frame fired that stands at its `Begin`: it got a worker, or its wait at the door is
    /// over.
    #[inline(never)]
    pub(super) fn begins_late(&mut self, slot: Slot, world: &mut World) {
        let Some(end) = self.leave_door(slot, world) else {
            world.frames[slot].pc += 1;
            return self.run(slot, world);
        };
        // A pause may have kept it beyond its deadline.
        if self.past_deadline(slot, world) {
            return;
        }
        if end == End::Patience {
            self.refuse(slot, Cause::Abandoned, world);
        } else if !self.serves(world.frames[slot].inst, world) {
            world.record.node(self.node).cause(Cause::NoLease);
            self.finish(slot, Outcome::Unavailable, world);
        } else {
            world.frames[slot].pc += 1;
            self.come_in(slot, world);
        }
    }
}
