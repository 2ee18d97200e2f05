//! What a server asks and tells the circuit breakers of its calls.
//!
//! **Invariant.** A breaker hears of each attempt it let through once: how it ended, or that it was
//! called off.

use super::{program::Instr, server::Server};
use crate::model::{
    frame::Slot,
    probe::Outcome,
    resilience::breaker::{Breaker, BreakerPolicy, REFUSED},
    world::World,
};

impl Server {
    /// Whether the breaker of an edge lets an attempt through.
    #[inline(never)]
    pub(super) fn breaker_admits(&mut self, slot: Slot, edge: u16, world: &mut World) -> bool {
        let (edge, inst) = (usize::from(edge), usize::from(world.frames[slot].inst));
        let Some(policy) = &self.program.edges[edge].breaker else { return true };
        let now = world.now();
        let extra = world.frames.extra_mut(slot);
        let admitted = self.instances[inst].edges[edge].breaker.admit(policy, now);
        (extra.epoch, extra.sent) = (admitted.unwrap_or(REFUSED), now);
        if admitted.is_none() {
            extra.attempt += 1;
            world.record.node(self.node).cause("breaker_open");
        }
        admitted.is_some()
    }

    /// The time of the next attempt of a call has come, or that of one that was refused.
    #[inline(never)]
    pub(super) fn next_attempt(&mut self, slot: Slot, call: u16, world: &mut World) {
        if world.carries && world.frames.take_refusal(slot) {
            return self.call_failed(slot, call, Outcome::BreakerOpen, world);
        }
        self.send_attempt(slot, call, world);
    }

    /// The breaker of the call a frame stands at, with its rules.
    fn breaker(&mut self, slot: Slot, world: &World) -> Option<(&mut Breaker, BreakerPolicy)> {
        let f = &world.frames[slot];
        let Instr::Call(call) = self.program.code[usize::from(f.pc)] else { return None };
        let edge = usize::from(self.program.calls[usize::from(call)].edge);
        let policy = self.program.edges[edge].breaker?;
        Some((&mut self.instances[usize::from(f.inst)].edges[edge].breaker, policy))
    }

    /// The attempt a frame waits for ended.
    pub(super) fn breaker_hears(&mut self, slot: Slot, outcome: Outcome, world: &mut World) {
        let Some((breaker, policy)) = self.breaker(slot, world) else { return };
        let (now, extra) = (world.now(), world.frames.extra(slot));
        let sent = (extra.epoch, now - extra.sent);
        if breaker.ended(&policy, sent, outcome.is_success(), now) {
            world.record.node(self.node).cause("breaker_opened");
        }
    }

    /// The attempt a frame waits for is called off.
    pub(super) fn breaker_forgets(&mut self, slot: Slot, world: &World) {
        if let Some((breaker, _)) = self.breaker(slot, world) {
            breaker.withdrawn(world.frames.extra(slot).epoch);
        }
    }
}
