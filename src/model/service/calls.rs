//! Calls of a server: attempts, their timers, what comes back.
//!
//! **Invariant.** A frame at a call has one attempt under way, or waits for the next one.

use super::{
    program::{Instr, Program},
    server::{ATTEMPT, Server},
};
use crate::{
    engine::{law::to_nanos, random::descend},
    model::{
        frame::{BRANCH, FOUND},
        ids::{NONE, Slot},
        outcome::Outcome,
        span::Span,
        world::World,
    },
};

impl Server {
    #[inline(always)]
    pub(super) fn start_call(&mut self, slot: Slot, call: u16, world: &mut World) {
        if world.carries && self.past_deadline(slot, world) {
            return;
        }
        let edge = usize::from(self.program.calls[usize::from(call)].edge);
        let policy = &self.program.edges[edge];
        if !policy.is_plain() {
            let now = world.now();
            let extra = world.frames.extra_mut(slot);
            extra.begin_call();
            extra.since = now;
            if let Some(share) = policy.retry.as_ref().and_then(|r| r.budget) {
                let inst = usize::from(world.frames[slot].inst);
                self.instances[inst].edges[edge].budget.deposit(share);
            }
        }
        self.send_attempt(slot, call, world);
    }

    /// Instant after which the current call of a frame is worth nothing.
    #[inline(always)]
    pub(super) fn call_deadline(&self, slot: Slot, edge: usize, world: &World) -> u64 {
        let policy = &self.program.edges[edge];
        if policy.deadline.is_none() && !policy.propagate {
            return u64::MAX;
        }
        let extra = world.frames.extra(slot);
        let own = policy.deadline.map_or(u64::MAX, |d| extra.since.saturating_add(d));
        if policy.propagate { own.min(extra.deadline) } else { own }
    }

    #[inline(always)]
    pub(super) fn send_attempt(&mut self, slot: Slot, call: u16, world: &mut World) {
        let site = &self.program.calls[usize::from(call)];
        let policy = &self.program.edges[usize::from(site.edge)];
        let plain = policy.is_plain();
        let mut path = site.site;
        if policy.guard.is_some() && !self.admitted(slot, site.edge, world) {
            return;
        }
        if !plain {
            let extra = world.frames.extra_mut(slot);
            path = path.wrapping_add(ATTEMPT.wrapping_mul(u64::from(extra.attempt)));
            extra.attempt += 1;
        }
        world.frames[slot].next = self.send_copy(slot, call, path, world);
        if !plain {
            self.arm_attempt(slot, call, world);
        }
    }

    /// Sends a call by a path that keys its draws.
    #[inline(always)]
    pub(super) fn send_copy(&self, slot: Slot, call: u16, path: u64, world: &mut World) -> Slot {
        let site = &self.program.calls[usize::from(call)];
        let op = site.op.unwrap_or(world.frames[slot].op);
        let key = Program::key(site.key, slot, world);
        let id = descend(world.frames[slot].id, path);
        let target = site.destination(slot, key, id, world);
        let child = world.new_call(slot, target, (op, key), id);
        if world.carries {
            let size = site.size.as_ref().map(|d| to_nanos(d.amount(slot, world)));
            let deadline = self.call_deadline(slot, usize::from(site.edge), world);
            let extra = world.frames.extra_mut(child);
            extra.size = size.unwrap_or(extra.size);
            extra.enforced = self.program.edges[usize::from(site.edge)].propagate;
            extra.deadline = extra.deadline.min(deadline);
        }
        world.send(child, (self.node, world.frames[slot].inst), target, id);
        child
    }

    /// Arms the timer of an attempt: its timeout or the call's deadline, whichever is first.
    fn arm_attempt(&mut self, slot: Slot, call: u16, world: &mut World) {
        let edge = usize::from(self.program.calls[usize::from(call)].edge);
        let policy = &self.program.edges[edge];
        let deadline = self.call_deadline(slot, edge, world);
        if deadline == u64::MAX && !policy.is_hedged() {
            if let Some((_, span)) = policy.timeout {
                world.arm(slot, span);
            }
            return;
        }
        let left = deadline.saturating_sub(world.now());
        if policy.is_hedged() {
            return self.arm_hedged(slot, edge, deadline, world);
        }
        match policy.timeout {
            Some((timeout, span)) if timeout <= left => world.arm(slot, span),
            _ => world.arm(slot, Span::of(left)),
        }
    }

    #[cold]
    pub(super) fn attempt_timed_out(&mut self, slot: Slot, call: u16, world: &mut World) {
        let child = std::mem::replace(&mut world.frames[slot].next, NONE);
        let edge = self.program.calls[usize::from(call)].edge;
        world.overdue = true;
        self.let_go(child, edge, world);
        world.overdue = false;
        world.record.node(self.node).cause("call_timeout");
        self.attempt_ended(slot, edge, Outcome::Timeout, world);
        if !self.other_copy_is_out(slot, edge, world) {
            self.call_failed(slot, call, Outcome::Timeout, world);
        }
    }

    #[inline(always)]
    pub(super) fn answered(&mut self, child: Slot, world: &mut World) {
        let slot = world.frames[child].parent;
        if world.frames[child].flags & BRANCH != 0 {
            return self.branch_ended(slot, child, world);
        }
        let pc = world.frames[slot].pc;
        world.disarm(slot);
        let (outcome, found) =
            (world.frames[child].outcome(), world.frames[child].flags & FOUND != 0);
        if world.carries {
            let size = world.frames.extra(child).reply_size;
            world.frames.extra_mut(slot).fetched = size;
        }
        if (world.carries || self.program.guarded)
            && let Instr::Call(call) = self.program.code[usize::from(pc)]
            && self.one_copy_answered(slot, call, (child, outcome), world)
        {
            return;
        }
        world.frames[slot].next = NONE;
        if outcome.is_success() {
            if found && let Some(Instr::OnHit(to)) = self.program.code.get(usize::from(pc) + 1) {
                world.frames[slot].pc = *to;
                return self.run(slot, world);
            }
            return self.go_on(slot, world);
        }
        if found && let Some(&Instr::OnHit(fills)) = self.program.code.get(usize::from(pc) + 1) {
            return self.known_to_fail(slot, (fills, outcome), world);
        }
        let Instr::Call(call) = self.program.code[usize::from(pc)] else {
            unreachable!("a reply finds its caller at the call")
        };
        self.call_failed(slot, call, outcome, world);
    }

    /// An attempt failed: another one, or the step fails.
    #[cold]
    pub(super) fn call_failed(
        &mut self,
        slot: Slot,
        call: u16,
        outcome: Outcome,
        world: &mut World,
    ) {
        let site = &self.program.calls[usize::from(call)];
        let edge = usize::from(site.edge);
        let (optional, fallback, (as_what, cause)) = (site.optional, site.fallback, site.failure);
        let (attempt, previous) = {
            let extra = world.frames.extra(slot);
            (extra.attempt, extra.remaining)
        };
        if let Some(retry) = &self.program.edges[edge].retry
            && retry.wants(attempt, outcome)
        {
            let id = world.frames[slot].id.wrapping_add(site.site);
            let index = id.wrapping_add(ATTEMPT.wrapping_mul(u64::from(attempt)));
            let wait = retry.wait(attempt, previous, &mut self.jitter.draw(index));
            let deadline = self.call_deadline(slot, edge, world);
            let in_time = world.now().saturating_add(wait) < deadline;
            let inst = usize::from(world.frames[slot].inst);
            // A retry that comes too late anyway is not paid for.
            let funded = in_time
                && (retry.budget.is_none() || self.instances[inst].edges[edge].budget.withdraw());
            if funded && self.may_retry(slot, edge as u16, world) {
                world.frames.extra_mut(slot).remaining = wait;
                world.record.between.backoff += u128::from(wait);
                return world.arm(slot, Span::of(wait));
            }
        }
        self.nothing_to_fill(slot, outcome, world);
        if self.goes_on_without(slot, optional, fallback, world) {
            return;
        }
        world.record.node(self.node).cause(cause);
        self.finish(slot, as_what, world);
    }
}
