//! Connections with two ends, between an attempt and its message.
//!
//! **Invariant.** Who waits for a connection to open has its timer armed for when it gives up.

use super::{Guard, GuardPolicy, hold_until, note, refuse};
use crate::{
    cause::Cause,
    model::{
        connection::near::{Taken, WirePolicy},
        ids::{Host, NONE, Slot},
        resilience::flight::{Hold, Line},
        world::World,
    },
    outcome::Outcome,
};

impl Guard {
    /// Gets an attempt a connection with two ends; whether there is one that is open. If not, the frame waits, or is refused.
    #[cold]
    #[inline(never)]
    pub(super) fn wires_up(
        &mut self,
        (policy, wires): (&GuardPolicy, &WirePolicy),
        (slot, hold, to): (Slot, Hold, Host),
        deadline: u64,
        world: &mut World,
    ) -> bool {
        let now = world.now();
        let until = now.saturating_add(wires.timeout);
        if hold == Hold::Setup {
            let wire = world.frames.extra(slot).flight.wire;
            world.greet(wires, slot, wire);
            return opens(slot, until, deadline, world);
        }
        let taken = world.take_connection(wires, slot, to);
        if let Taken::Ready(wire) | Taken::Opening(wire, _) = taken {
            world.frames.extra_mut(slot).flight.wire = wire;
        }
        match taken {
            Taken::Ready(_) => true,
            Taken::Opening(_, false) => opens(slot, until, deadline, world),
            Taken::Opening(wire, true) => {
                if let Some(time) = &wires.time {
                    let at = now.saturating_add(time.work(slot, world).nanos);
                    return hold_until(slot, Hold::Setup, at, deadline, world);
                }
                world.greet(wires, slot, wire);
                opens(slot, until, deadline, world)
            }
            Taken::NoPort => {
                self.forget(policy, slot, Hold::Granted(Line::Pool), world);
                refuse(slot, (Outcome::Error, Cause::NoFreePort), world)
            }
        }
    }

    /// A message for a connection was answered; whether that is open now.
    #[cold]
    pub fn greeted(&mut self, policy: &GuardPolicy, slot: Slot, world: &mut World) -> bool {
        let Some(wires) = &policy.wires else { return true };
        let flight = world.frames.extra(slot).flight;
        if world.greeted(flight.wire) {
            world.frames.extra_mut(slot).hold = Hold::Wired;
            return true;
        }
        world.greet(wires, slot, flight.wire);
        opens(slot, flight.due, u64::MAX, world)
    }

    /// A connection that an attempt had opened will not be: the attempt ends as if it had been sent.
    #[cold]
    pub fn opens_no_more(&mut self, policy: &GuardPolicy, slot: Slot, world: &mut World) {
        if policy.budget.is_some() {
            self.spent.sent();
        }
        let extra = world.frames.extra_mut(slot);
        extra.hold = Hold::Start;
        extra.surplus -= 1;
        let since = extra.flight.sent;
        if let Some(pool) = &policy.pool {
            let waited = world.now() - since;
            world.record.pools[pool.number as usize].asked(waited);
        }
    }

    /// An attempt leaves its connection.
    #[cold]
    #[inline(never)]
    pub(super) fn unwires(
        &mut self,
        policy: &GuardPolicy,
        (slot, wire): (Slot, u32),
        outcome: Outcome,
        world: &mut World,
    ) {
        let Some(wires) = &policy.wires else { return };
        world.frames.extra_mut(slot).flight.wire = NONE;
        if world.leave_connection(wire, slot, outcome != Outcome::Timeout)
            && outcome == Outcome::Error
        {
            world.record.pools[wires.number as usize].resets += 1;
            note(slot, Cause::ConnectionReset, world);
        }
    }
}

/// An attempt waits for a connection to be open.
fn opens(slot: Slot, until: u64, deadline: u64, world: &mut World) -> bool {
    let extra = world.frames.extra_mut(slot);
    (extra.flight.due, extra.hedge_at) = (until.min(deadline), u64::MAX);
    hold_until(slot, Hold::Opening, until, deadline, world)
}
