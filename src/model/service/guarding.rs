//! What a server asks and tells the circuit breakers of its calls.
//!
//! **Invariant.** A breaker hears of each attempt it let through once: how it ended, or that it was
//! called off.

use super::{program::Instr, server::Server};
use crate::model::{frame::Slot, probe::Outcome, resilience::breaker::REFUSED, world::World};

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

    /// The edge of the call a frame stands at, if it has a breaker.
    fn guarded(&self, slot: Slot, world: &World) -> Option<usize> {
        let Instr::Call(call) = self.program.code[usize::from(world.frames[slot].pc)] else {
            return None;
        };
        let edge = usize::from(self.program.calls[usize::from(call)].edge);
        self.program.edges[edge].breaker.is_some().then_some(edge)
    }

    /// The attempt a frame waits for ended.
    pub(super) fn breaker_hears(&mut self, slot: Slot, outcome: Outcome, world: &mut World) {
        let Some(edge) = self.guarded(slot, world) else { return };
        let Some(policy) = &self.program.edges[edge].breaker else { return };
        let now = world.now();
        let (inst, extra) = (usize::from(world.frames[slot].inst), world.frames.extra(slot));
        let sent = (extra.epoch, now - extra.sent);
        let breaker = &mut self.instances[inst].edges[edge].breaker;
        if breaker.ended(policy, sent, outcome.is_success(), now) {
            world.record.node(self.node).cause("breaker_opened");
        }
    }

    /// The attempt a frame waits for is called off.
    pub(super) fn breaker_forgets(&mut self, slot: Slot, world: &World) {
        let Some(edge) = self.guarded(slot, world) else { return };
        let inst = usize::from(world.frames[slot].inst);
        self.instances[inst].edges[edge].breaker.withdrawn(world.frames.extra(slot).epoch);
    }
}
