//! What a client asks and tells the guards of its operations, second copies of its requests, and what
//! it falls back on. As `service/guarding.rs`; a client is one calling instance.
//!
//! **Invariant.** A guard hears of each attempt it let through once: how it ended, or that it was
//! called off.

use super::run::{ATTEMPT, Client, Fallback, Operation};
use crate::model::{
    ids::{NONE, Slot},
    outcome::Outcome,
    resilience::{
        flight::Hold,
        guard::{Due, Guard, GuardPolicy},
        hedge,
    },
    world::World,
};

/// Added to the path of the second copy of an attempt, and of the call of a fallback.
const COPY: u64 = 0x6c62_272e_07bb_0142;
const FALLBACK: u64 = 0x27d4_eb2f_1656_67c5;

impl Client {
    /// The guard of an operation, with its rules.
    fn guard(&mut self, local: usize) -> Option<(&mut Guard, &GuardPolicy)> {
        let Operation { policy, state, .. } = &mut self.operations[local];
        Some((state.guard(), policy.guard.as_deref()?))
    }

    /// Whether the guard of an operation lets a request that failed be tried again.
    pub(super) fn may_retry(&mut self, slot: Slot, local: usize, world: &mut World) -> bool {
        self.guard(local).is_none_or(|(guard, policy)| guard.may_retry(policy, slot, world))
    }

    /// Whether the guard of an operation lets an attempt go now.
    #[inline(never)]
    pub(super) fn admitted(&mut self, slot: Slot, local: usize, world: &mut World) -> bool {
        let deadline = self.deadline(slot, world);
        let Some((guard, policy)) = self.guard(local) else { return true };
        guard.admits(policy, slot, deadline, world)
    }

    /// The time of the next attempt has come, or the end of one that was not sent.
    #[inline(never)]
    pub(super) fn unsent_is_due(&mut self, slot: Slot, world: &mut World) {
        let f = &world.frames[slot];
        let (local, attempts) = (usize::from(f.op), f.pc);
        let (deadline, hold) = (self.deadline(slot, world), world.frames.extra(slot).hold);
        if let Some((guard, policy)) = self.guard(local)
            && let Due::Failed(outcome) = guard.due(policy, slot, deadline, world)
        {
            world.frames.extra_mut(slot).surplus -= 1;
            return self.failed(slot, outcome, world);
        }
        // One that was held up goes on under its own number.
        let before = attempts - u16::from(hold != Hold::Start);
        self.attempt(slot, (local, before), world);
    }

    /// Nobody waits for a message's answer any more.
    pub(super) fn let_go(&self, child: Slot, local: usize, world: &mut World) {
        if self.operations[local].policy.cancel {
            world.call_off(child);
        } else {
            world.give_up(child);
        }
    }

    // ---- hedges ----------------------------------------------------------------------------

    /// Arms the timer of an attempt that may get a second copy; false: it may not.
    #[inline(always)]
    pub(super) fn arms_hedged(&mut self, slot: Slot, local: usize, world: &mut World) -> bool {
        self.operations[local].policy.is_hedged() && self.arm_hedged(slot, local, world)
    }

    fn arm_hedged(&mut self, slot: Slot, local: usize, world: &mut World) -> bool {
        let due = self.due(slot, local, world);
        let now = world.now();
        let Some((guard, policy)) = self.guard(local) else { return false };
        let at = guard.hedge_at(policy, now);
        let extra = world.frames.extra_mut(slot);
        (extra.flight.due, extra.hedge_at) = (due, at);
        hedge::arm(slot, world);
        true
    }

    /// When a copy that is sent now ends at the latest.
    fn due(&self, slot: Slot, local: usize, world: &World) -> u64 {
        let timeout = self.operations[local].policy.timeout;
        let due = timeout.map_or(u64::MAX, |(t, _)| world.now().saturating_add(t));
        due.min(self.deadline(slot, world))
    }

    /// Whether it is time for a second copy, which is sent if it may be.
    pub(super) fn sends_second(&mut self, slot: Slot, world: &mut World) -> bool {
        let f = &world.frames[slot];
        let (local, attempt) = (usize::from(f.op), u64::from(f.pc));
        let operation = &mut self.operations[local];
        if !operation.policy.is_hedged() || !hedge::is_due(slot, world) {
            return false;
        }
        world.frames.extra_mut(slot).hedge_at = u64::MAX;
        let paid = operation.policy.retry.as_ref().is_some_and(|retry| retry.budget.is_some());
        let path = operation.site.wrapping_add(COPY).wrapping_add(ATTEMPT.wrapping_mul(attempt));
        let target = (operation.op, operation.target);
        if (!paid || operation.state.budget.withdraw())
            && let Some((guard, policy)) = self.guard(local)
            && let Some(mut flight) = guard.admits_copy(policy, slot, world)
        {
            flight.due = self.due(slot, local, world);
            let copy = self.send_copy(slot, target, path, world);
            let extra = world.frames.extra_mut(slot);
            (extra.hedge, extra.hedge_flight) = (copy, flight);
            extra.surplus += 1;
            world.record.happens(self.first_row + local, |window| window.resent += 1);
        }
        hedge::arm(slot, world);
        true
    }

    /// One copy of a request answered: how, as the client takes it; `None`: it waits for another one.
    #[inline(never)]
    pub(super) fn one_copy_answered(
        &mut self,
        slot: Slot,
        (child, outcome): (Slot, Outcome),
        world: &mut World,
    ) -> Option<Outcome> {
        if world.frames.extra(slot).fell_back {
            return Some(if outcome.is_success() { Outcome::Degraded } else { outcome });
        }
        let local = usize::from(world.frames[slot].op);
        let Some((guard, policy)) = self.guard(local) else { return Some(outcome) };
        if policy.hedge.is_none() {
            guard.ended(policy, slot, outcome, world);
            if !outcome.is_success() {
                world.disarm(slot);
            }
            return Some(outcome);
        }
        hedge::put_first(slot, child, world);
        let (guard, policy) = self.guard(local)?;
        guard.ended(policy, slot, outcome, world);
        if !outcome.is_success() {
            world.disarm(slot);
            return (!hedge::goes_on(slot, world)).then_some(outcome);
        }
        let extra = world.frames.extra_mut(slot);
        let (slower, flight) = (std::mem::replace(&mut extra.hedge, NONE), extra.hedge_flight);
        if slower != NONE {
            self.let_go(slower, local, world);
            let (guard, policy) = self.guard(local)?;
            guard.given_up(policy, flight, world);
        }
        Some(outcome)
    }

    /// The first copy of a request timed out; whether it waits for another one.
    #[inline(never)]
    pub(super) fn one_copy_timed_out(
        &mut self,
        slot: Slot,
        local: usize,
        world: &mut World,
    ) -> bool {
        if world.frames.extra(slot).fell_back {
            return false;
        }
        let Some((guard, policy)) = self.guard(local) else { return false };
        guard.ended(policy, slot, Outcome::Timeout, world);
        hedge::goes_on(slot, world)
    }

    // ---- fallbacks -------------------------------------------------------------------------

    /// A request failed for good; whether its fallback takes its place.
    pub(super) fn falls_back(&mut self, slot: Slot, local: usize, world: &mut World) -> bool {
        let operation = &self.operations[local];
        let in_time = world.now() < self.deadline(slot, world);
        match operation.fallback {
            _ if world.frames.extra(slot).fell_back => false,
            Some(Fallback::Reply) => {
                self.decide(slot, Outcome::Degraded, world);
                true
            }
            Some(Fallback::Call(other)) if in_time => {
                world.frames.extra_mut(slot).fell_back = true;
                let target = (operation.op, other);
                let path = operation.site.wrapping_add(FALLBACK);
                let child = self.send_copy(slot, target, path, world);
                let f = &mut world.frames[slot];
                f.next = child;
                f.pc += 1;
                self.arm_attempt(slot, local, world);
                true
            }
            _ => false,
        }
    }
}
