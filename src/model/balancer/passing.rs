//! Connections that lead to a balancer: they end there, or it passes them on to one target each, with all that comes on them.
//!
//! **Invariant.** At layer 4 a target has as many outstanding as connections lead to it.

use super::run::Balancer;
use crate::{
    cause::Cause,
    engine::random::descend,
    model::{
        frame::PROBE,
        ids::{NONE, Slot},
        world::World,
    },
    outcome::Outcome,
};

/// Shifts the identity of what it sends on for a connection.
const PASSED: u64 = 0x9e6c_63d0_876a_68ee;

impl Balancer {
    /// Somebody asks whether it is there, or opens a connection.
    #[cold]
    #[inline(never)]
    pub(super) fn greets(&mut self, slot: Slot, world: &mut World) {
        let wire = world.frames.extra(slot).wire;
        if world.frames[slot].op == PROBE || world.connections.is_none() {
            return world.reply(slot, Outcome::Ok);
        }
        if !self.by_connection {
            world.accept(wire, (self.node, 0), u64::MAX);
            world.reply(slot, Outcome::Ok);
            return world.is_established(wire);
        }
        let chosen = world.connections.as_ref().and_then(|all| all.target_of(wire));
        let Some(index) = chosen.or_else(|| self.chooses_for(wire, slot, world)) else {
            world.record.node(self.node).cause(Cause::NoLiveTarget);
            return world.reply(slot, Outcome::Unavailable);
        };
        let (target, f) = (self.pool[index], &world.frames[slot]);
        let (what, last) = ((f.op, f.key), f.served);
        let id = descend(f.id, self.site ^ PASSED);
        world.frames.extra_mut(slot).flight.wire = wire;
        let child = world.new_call(slot, target, what, id);
        world.frames[child].served = last;
        world.frames[slot].next = child;
        world.send(child, (self.node, 0), target, id);
    }

    /// The target of a new connection.
    fn chooses_for(&mut self, wire: u32, slot: Slot, world: &mut World) -> Option<usize> {
        let now = world.now();
        for index in world.connections.as_mut()?.take_over(self.node) {
            self.chooser.has_one_less(index);
        }
        let (id, key) = (world.frames[slot].id, world.frames[slot].id);
        let mut draw = self.stream.draw_mixed(id);
        let group = if self.weights.is_empty() { 0 } else { self.group(&mut draw) };
        let index = self.chooser.choose((group, key), now, &mut draw)?;
        world.connections.as_mut()?.leads_to(wire, index, self.pool[index]);
        Some(index)
    }

    /// What it passed on for a connection was answered.
    #[cold]
    #[inline(never)]
    pub(super) fn greeted(&mut self, child: Slot, frame: Slot, world: &mut World) {
        let outcome = world.frames[child].outcome();
        world.frames[frame].next = NONE;
        world.reply(frame, outcome);
    }

    /// A request that came on a connection goes where that leads; whether it does.
    #[cold]
    #[inline(never)]
    pub(super) fn comes_on_connection(&mut self, slot: Slot, world: &mut World) -> bool {
        let wire = world.frames.extra(slot).wire;
        if wire == NONE {
            return false;
        }
        if !self.by_connection {
            let has = world.comes_in(wire, slot, (self.node, 0));
            world.off_its_wire(slot);
            if !has {
                self.resets(slot, world);
            }
            return !has;
        }
        let Some(index) = world.connections.as_ref().and_then(|all| all.target_of(wire)) else {
            self.resets(slot, world);
            return true;
        };
        world.frames.extra_mut(slot).flight.wire = wire;
        let f = &world.frames[slot];
        let what = ((f.op, f.key), f.id);
        self.send_to(slot, index, what, world);
        true
    }

    /// It does not know the connection a request came on.
    fn resets(&mut self, slot: Slot, world: &mut World) {
        world.record.node(self.node).cause(Cause::ConnectionReset);
        self.depart(slot, Ok(Outcome::Error), world);
        world.reply(slot, Outcome::Error);
    }
}
