//! Connections that a visit keeps through several steps.
//!
//! **Invariant.** A frame that ends keeps none.

use super::server::Server;
use crate::{
    model::{
        connection::kept::Kept,
        ids::{NONE, Slot},
        resilience::{flight::Flight, policy::Keeps},
        span::Span,
        world::World,
    },
    outcome::Outcome,
};

impl Server {
    /// A frame got the connection that it asked for and keeps it.
    #[cold]
    #[inline(never)]
    pub(super) fn keeps_connection(&mut self, slot: Slot, pool: u32, world: &mut World) {
        let flight = &mut world.frames.extra_mut(slot).flight;
        let wire = std::mem::replace(&mut flight.wire, NONE);
        if let Some(kept) = &mut world.kept {
            kept.keep(slot, Kept { pool, wire, usable: true });
        }
        // By an event of its own, as for one that waited: a loop would recurse here. It goes on past the jump.
        world.frames[slot].pc += 1;
        world.arm(slot, Span::ZERO);
    }

    /// A frame has come to the end of the steps through which it keeps a connection.
    pub(super) fn gives_connection(&mut self, slot: Slot, world: &mut World) {
        self.give_back(slot, world);
        world.frames[slot].pc += 1;
        self.run(slot, world);
    }

    /// Gives the connection back that a frame took last; whether it kept one.
    fn give_back(&mut self, slot: Slot, world: &mut World) -> bool {
        let Some(kept) = world.kept.as_mut().and_then(|all| all.give(slot)) else { return false };
        let Kept { pool, wire, usable } = kept;
        let calls = self.program.calls.iter();
        let mut taken = calls
            .filter(|call| self.program.edges[usize::from(call.edge)].keeps == Keeps::Takes(pool));
        let site = taken.next().expect("a call took it");
        let inst = usize::from(world.frames[slot].inst);
        let state = &mut self.instances[inst].edges[usize::from(site.state)];
        let rules = self.program.edges[usize::from(site.edge)].guard.as_deref();
        let outcome = if usable { Outcome::Ok } else { Outcome::Timeout };
        world.frames.extra_mut(slot).flight = Flight { wire, ..Flight::NONE };
        state.guard().ended(rules.expect("it has a pool"), slot, outcome, world);
        true
    }

    /// A frame ends in the midst of its steps, with whatever it keeps.
    pub(super) fn free_connections(&mut self, slot: Slot, world: &mut World) {
        if world.kept.is_some() {
            while self.give_back(slot, world) {}
        }
    }

    /// The process of an instance is gone with these frames, and its pools with it.
    pub(super) fn crash_connections(lost: &[Slot], world: &mut World) {
        if let Some(all) = &mut world.kept {
            for &slot in lost {
                while all.give(slot).is_some() {}
            }
        }
    }
}
