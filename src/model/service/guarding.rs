//! What a server asks and tells the guards of its calls: breakers, limits, permits, hedges; and what it
//! falls back on.
//!
//! **Invariant.** A guard hears of each attempt it let through once: how it ended, or that it was
//! called off.

use super::{
    program::Instr,
    server::{ATTEMPT, Server},
};
use crate::model::{
    ids::{NONE, Slot},
    outcome::Outcome,
    resilience::{
        guard::{Due, Guard, GuardPolicy},
        hedge,
    },
    world::World,
};

/// Added to the path of the second copy of an attempt.
const COPY: u64 = 0x6c62_272e_07bb_0142;

impl Server {
    /// The guard of an edge of the instance a frame stands at, with its rules.
    #[inline(always)]
    fn guard(
        &mut self,
        slot: Slot,
        edge: u16,
        world: &World,
    ) -> Option<(&mut Guard, &GuardPolicy)> {
        let (edge, inst) = (usize::from(edge), usize::from(world.frames[slot].inst));
        let policy = self.program.edges[edge].guard.as_deref()?;
        Some((self.instances[inst].edges[edge].guard(), policy))
    }

    /// Whether the guard of an edge lets an attempt go now.
    #[inline(never)]
    pub(super) fn admitted(&mut self, slot: Slot, edge: u16, world: &mut World) -> bool {
        let deadline = self.call_deadline(slot, usize::from(edge), world);
        let Some((guard, policy)) = self.guard(slot, edge, world) else { return true };
        guard.admits(policy, slot, deadline, world)
    }

    /// Whether the guard of an edge lets a call that failed be tried again.
    pub(super) fn may_retry(&mut self, slot: Slot, edge: u16, world: &mut World) -> bool {
        self.guard(slot, edge, world)
            .is_none_or(|(guard, policy)| guard.may_retry(policy, slot, world))
    }

    /// The time of the next attempt of a call has come, or the end of one that was not sent.
    #[inline(never)]
    pub(super) fn next_attempt(&mut self, slot: Slot, call: u16, world: &mut World) {
        let edge = self.program.calls[usize::from(call)].edge;
        let deadline = self.call_deadline(slot, usize::from(edge), world);
        if let Some((guard, policy)) = self.guard(slot, edge, world)
            && let Due::Failed(outcome) = guard.due(policy, slot, deadline, world)
        {
            world.frames.extra_mut(slot).attempt += 1;
            return self.call_failed(slot, call, outcome, world);
        }
        self.send_attempt(slot, call, world);
    }

    /// The first copy of a call ended.
    #[inline(always)]
    pub(super) fn attempt_ended(
        &mut self,
        slot: Slot,
        edge: u16,
        outcome: Outcome,
        world: &mut World,
    ) {
        if let Some((guard, policy)) = self.guard(slot, edge, world) {
            guard.ended(policy, slot, outcome, world);
        }
    }

    /// A call is called off: on its way or waiting to be sent.
    pub(super) fn call_called_off(&mut self, slot: Slot, world: &mut World) {
        let Instr::Call(call) = self.program.code[usize::from(world.frames[slot].pc)] else {
            return;
        };
        let edge = self.program.calls[usize::from(call)].edge;
        let Some((guard, policy)) = self.guard(slot, edge, world) else { return };
        guard.called_off(policy, slot, world);
        let copy = std::mem::replace(&mut world.frames.extra_mut(slot).hedge, NONE);
        if copy != NONE {
            world.call_off(copy);
        }
    }

    /// Nobody waits for a call any more.
    pub(super) fn let_go(&self, child: Slot, edge: u16, world: &mut World) {
        if self.program.edges[usize::from(edge)].cancel {
            world.call_off(child);
        } else {
            world.give_up(child);
        }
    }

    // ---- hedges ----------------------------------------------------------------------------

    /// Arms the timer of an attempt that may get a second copy.
    pub(super) fn arm_hedged(&mut self, slot: Slot, edge: usize, deadline: u64, world: &mut World) {
        let now = world.now();
        let timeout = self.program.edges[edge].timeout;
        let due = timeout.map_or(u64::MAX, |(t, _)| now.saturating_add(t)).min(deadline);
        let Some((guard, policy)) = self.guard(slot, edge as u16, world) else { return };
        let at = guard.hedge_at(policy, now);
        let extra = world.frames.extra_mut(slot);
        (extra.flight.due, extra.hedge_at) = (due, at);
        hedge::arm(slot, world);
    }

    /// The timer of a call under way fired: for a second copy, or the attempt timed out.
    #[cold]
    pub(super) fn attempt_is_due(&mut self, slot: Slot, call: u16, world: &mut World) {
        let edge = usize::from(self.program.calls[usize::from(call)].edge);
        if !self.program.edges[edge].is_hedged() || !hedge::is_due(slot, world) {
            return self.attempt_timed_out(slot, call, world);
        }
        world.frames.extra_mut(slot).hedge_at = u64::MAX;
        let inst = usize::from(world.frames[slot].inst);
        let retry = self.program.edges[edge].retry.as_ref();
        let paid = retry.is_some_and(|retry| retry.budget.is_some());
        if !paid || self.instances[inst].edges[edge].budget.withdraw() {
            self.send_second(slot, call, world);
        }
        hedge::arm(slot, world);
    }

    fn send_second(&mut self, slot: Slot, call: u16, world: &mut World) {
        let site = &self.program.calls[usize::from(call)];
        let (edge, path) = (site.edge, site.site);
        let Some((guard, policy)) = self.guard(slot, edge, world) else { return };
        let Some(mut flight) = guard.admits_copy(policy, slot, world) else { return };
        let timeout = self.program.edges[usize::from(edge)].timeout;
        let due = timeout.map_or(u64::MAX, |(t, _)| world.now().saturating_add(t));
        flight.due = due.min(self.call_deadline(slot, usize::from(edge), world));
        let attempt = u64::from(world.frames.extra(slot).attempt);
        let path = path.wrapping_add(COPY).wrapping_add(ATTEMPT.wrapping_mul(attempt));
        let copy = self.send_copy(slot, call, path, world);
        let extra = world.frames.extra_mut(slot);
        (extra.hedge, extra.hedge_flight) = (copy, flight);
        world.record.node(self.node).cause("hedged");
    }

    /// One copy of a call answered; whether the call waits for another one.
    pub(super) fn one_copy_answered(
        &mut self,
        slot: Slot,
        call: u16,
        (child, outcome): (Slot, Outcome),
        world: &mut World,
    ) -> bool {
        let site = &self.program.calls[usize::from(call)];
        let (edge, optional) = (site.edge, site.optional);
        if outcome == Outcome::Degraded && !optional {
            world.frames.extra_mut(slot).degraded = true;
        }
        if !self.program.edges[usize::from(edge)].is_hedged() {
            self.attempt_ended(slot, edge, outcome, world);
            return false;
        }
        hedge::put_first(slot, child, world);
        self.attempt_ended(slot, edge, outcome, world);
        if !outcome.is_success() {
            return self.other_copy_is_out(slot, edge, world);
        }
        let extra = world.frames.extra_mut(slot);
        let (slower, flight) = (std::mem::replace(&mut extra.hedge, NONE), extra.hedge_flight);
        if slower != NONE {
            self.let_go(slower, edge, world);
            if let Some((guard, policy)) = self.guard(slot, edge, world) {
                guard.given_up(policy, flight, world);
            }
        }
        false
    }

    /// Whether a call goes on by its other copy.
    pub(super) fn other_copy_is_out(&self, slot: Slot, edge: u16, world: &mut World) -> bool {
        self.program.edges[usize::from(edge)].is_hedged() && hedge::goes_on(slot, world)
    }

    // ---- fallbacks -------------------------------------------------------------------------

    /// A call failed for good, and the visit stands after what it was to fill; whether it goes on.
    pub(super) fn goes_on_without(
        &mut self,
        slot: Slot,
        optional: bool,
        fallback: bool,
        world: &mut World,
    ) -> bool {
        if fallback {
            world.record.node(self.node).cause("fallback");
            // Past the jump over what takes its place.
            world.frames[slot].pc += 1;
        }
        if optional || fallback {
            self.run(slot, world);
        }
        optional || fallback
    }
}
