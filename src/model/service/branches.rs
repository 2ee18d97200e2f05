//! Branches of a server's parallel steps, and visits that are called off with all they wait for.
//!
//! **Invariant.** A parent at a fork holds a list of exactly the branches that are still out.

use super::{instr::Instr, server::Server};
use crate::{
    cause::Cause,
    engine::{law::to_nanos, random::mix},
    model::{
        frame::{
            ABANDONED, BRANCH, CALLEE_DONE, CALLER_DONE, FINISHED, Frame, HAS_CORE, HAS_WORKER,
            IN_ROOM,
        },
        ids::{NONE, Slot},
        resilience::caller::{self, ATTEMPT, Caller},
        span::Span,
        world::{World, pack},
    },
    outcome::Outcome,
};

impl Server {
    /// Replies now; the rest of the program goes on in a frame of its own, which takes over the
    /// worker.
    pub(super) fn reply_early(&mut self, slot: Slot, reply: u16, world: &mut World) -> Slot {
        if world.carries
            && let Some(size) = self.program.replies.get(usize::from(reply))
        {
            let size = size.amount(slot, world);
            world.frames.extra_mut(slot).reply_size = to_nanos(size);
        }
        let f = &mut world.frames[slot];
        f.pc += 1;
        if self.program.code[usize::from(f.pc)] == Instr::End || f.flags & BRANCH != 0 {
            return slot;
        }
        let held = f.flags & HAS_WORKER;
        f.flags &= !HAS_WORKER;
        let copy = *f;
        let rest = world.begin_inside(Frame {
            flags: held | BRANCH | CALLER_DONE,
            parent: pack(copy.node, copy.inst),
            id: mix(copy.id),
            armed: 0,
            next: NONE,
            ..copy
        });
        if world.carries {
            world.hand_on(slot, rest);
            // It may stand in the middle of a loop.
            world.frames.extra_mut(rest).loops = world.frames.extra(slot).loops;
        }
        if let Some(data) = &mut world.data {
            data.descend(slot, rest);
        }
        if world.laden {
            world.identify((slot, rest), false, mix);
        }
        self.inherit_locks(slot, rest);
        if let Some(kept) = &mut world.kept {
            kept.inherit(slot, rest);
        }
        if let Some(leases) = world.data.as_mut().and_then(|data| data.leases.as_mut()) {
            leases.hand_over(slot, rest);
        }
        self.stays_in_environment(slot, rest, world);
        self.finish(slot, Outcome::Ok, world);
        rest
    }

    pub(super) fn start_fork(&mut self, slot: Slot, fork: u16, world: &mut World) {
        if world.carries && self.past_deadline(slot, world) {
            return;
        }
        let fork = &self.program.forks[usize::from(fork)];
        let n = fork.branches.len() as u16;
        let parent = world.frames[slot];
        let extra = world.frames.extra_mut(slot);
        (extra.pending, extra.need, extra.spare) = (n, fork.need, n - fork.need);
        extra.branch = NONE;
        for (i, &pc) in fork.branches.iter().enumerate() {
            let id =
                mix(parent.id.wrapping_add(fork.site).wrapping_add(ATTEMPT.wrapping_mul(i as u64)));
            let key = fork.each.as_ref().map_or(parent.key, |e| e.key(slot, i, id, world));
            let branch = world.begin_inside(Frame {
                id,
                key,
                waited: 0,
                served: 0,
                armed: 0,
                parent: slot,
                next: NONE,
                pc,
                flags: BRANCH,
                ..parent
            });
            if world.carries {
                world.hand_on(slot, branch);
                world.frames.extra_mut(branch).enforced = world.frames.extra(slot).enforced;
            }
            if let Some(data) = &mut world.data {
                data.descend(slot, branch);
            }
            if world.laden {
                let path = |id: u64| {
                    mix(id.wrapping_add(fork.common).wrapping_add(ATTEMPT.wrapping_mul(i as u64)))
                };
                world.identify((slot, branch), false, path);
            }
            Self::link((slot, branch), i as u16, world);
            // Started by an event of its own, so that no branch ends before all have begun.
            world.arm(branch, Span::ZERO);
        }
    }

    /// Puts a branch in its parent's list: the one of this number.
    pub(super) fn link((slot, branch): (Slot, Slot), number: u16, world: &mut World) {
        let first = std::mem::replace(&mut world.frames.extra_mut(slot).branch, branch);
        let extra = world.frames.extra_mut(branch);
        (extra.branch_after, extra.branch_before, extra.shard) = (first, NONE, number);
        if first != NONE {
            world.frames.extra_mut(first).branch_before = branch;
        }
    }

    /// Takes a branch out of its parent's list.
    pub(super) fn unlink(slot: Slot, branch: Slot, world: &mut World) {
        let (next, before) = {
            let e = world.frames.extra(branch);
            (e.branch_after, e.branch_before)
        };
        if before == NONE {
            world.frames.extra_mut(slot).branch = next;
        } else {
            world.frames.extra_mut(before).branch_after = next;
        }
        if next != NONE {
            world.frames.extra_mut(next).branch_before = before;
        }
    }

    pub(super) fn branch_ended(&mut self, slot: Slot, branch: Slot, world: &mut World) {
        Self::unlink(slot, branch, world);
        let (waited, served) = (world.frames[branch].waited, world.frames[branch].served);
        let f = &mut world.frames[slot];
        f.waited += waited;
        f.served += served;
        let pc = f.pc;
        let outcome = world.frames[branch].outcome();
        let success = outcome.is_success();
        if let Some(data) = &mut world.data
            && success
        {
            data.bring(branch, slot);
        }
        let extra = world.frames.extra_mut(slot);
        extra.degraded |= outcome == Outcome::Degraded;
        extra.pending -= 1;
        if success {
            extra.need = extra.need.saturating_sub(1);
            if extra.need > 0 {
                return;
            }
        } else if extra.spare > 0 {
            extra.spare -= 1;
            return;
        }
        let Instr::Fork(fork) = self.program.code[usize::from(pc)] else {
            unreachable!("a branch finds its parent at the fork")
        };
        self.let_go_of_branches(slot, world);
        let fork = &self.program.forks[usize::from(fork)];
        if success || fork.optional {
            world.frames[slot].pc = pc + 1;
            return self.run(slot, world);
        }
        if fork.whole.is_some() {
            return self.finish(slot, outcome, world);
        }
        world.record.node(self.node).cause(Cause::FailedCall);
        self.finish(slot, Outcome::Error, world);
    }

    /// The parent goes on without the branches still out: pending waits are revoked, calls are
    /// called off where their edge says so, the rest runs to its end (`semantics.md` 51).
    fn let_go_of_branches(&mut self, slot: Slot, world: &mut World) {
        let mut branch = std::mem::replace(&mut world.frames.extra_mut(slot).branch, NONE);
        while branch != NONE {
            let next = world.frames.extra(branch).branch_after;
            let f = &mut world.frames[branch];
            f.parent = pack(f.node, f.inst);
            f.flags |= CALLER_DONE;
            let (pc, flags, armed) = (f.pc, f.flags, f.armed);
            let blocked = armed != FINISHED && flags & (IN_ROOM | HAS_CORE) == 0;
            if blocked {
                match self.program.code[usize::from(pc)] {
                    Instr::Begin | Instr::Wait(_) | Instr::Lease(..) => {
                        self.drop_branch(branch, world);
                    }
                    Instr::Call(call) if self.policy(call).cancel => {
                        self.drop_branch(branch, world);
                    }
                    _ => {}
                }
            }
            branch = next;
        }
    }

    /// Visits are lost in a crash: those of their branches that have ended already, and whose word to them a pause holds
    /// back, find nobody.
    pub(super) fn orphan_branches(&self, lost: &[Slot], world: &mut World) {
        for &slot in lost {
            let pc = usize::from(world.frames[slot].pc);
            if !matches!(self.program.code.get(pc), Some(Instr::Fork(_))) {
                continue;
            }
            let mut branch = world.frames.extra(slot).branch;
            while branch != NONE {
                let f = &mut world.frames[branch];
                if f.armed == FINISHED {
                    f.parent = pack(f.node, f.inst);
                    f.flags |= CALLER_DONE;
                }
                branch = world.frames.extra(branch).branch_after;
            }
        }
    }

    /// Ends a branch nobody waits for, with whatever it was at.
    fn drop_branch(&mut self, branch: Slot, world: &mut World) {
        self.stop_what_it_does(branch, world);
        if self.sagas.is_some() {
            self.undoes(branch, (Outcome::Error, true), world);
        }
        let f = &mut world.frames[branch];
        f.armed = FINISHED;
        f.flags |= CALLER_DONE | CALLEE_DONE;
        world.release_if_done(branch);
    }

    /// Revokes what a frame waits for: a room, a core, a timer, a call, its branches.
    pub(super) fn stop_what_it_does(&mut self, slot: Slot, world: &mut World) {
        self.leave_flight(slot, world);
        self.release_fills(slot, world);
        self.free_locks(slot, world);
        self.free_leased(slot, world);
        self.leaves_transaction(slot, world);
        let f = &world.frames[slot];
        let (flags, inst, pc) = (f.flags, usize::from(f.inst), f.pc);
        if self.stops_waiting_for_lock(slot, world) {
            // It stood in line for nothing else.
        } else if self.stops_waiting_at_door(slot, world) {
            // It has not come in.
        } else if self.stops_waiting_for_environment(slot, world) {
            // Nor has it.
        } else if flags & (IN_ROOM | ABANDONED) == IN_ROOM {
            let instance = &mut self.instances[inst];
            match &mut instance.workers {
                Some(w) if flags & (HAS_WORKER | BRANCH) == 0 => w.room.abandon(slot, world),
                _ => instance.cores.call_off(slot, world, &mut self.dropped),
            }
        } else if flags & HAS_CORE != 0 {
            self.instances[inst].cores.call_off(slot, world, &mut self.dropped);
        } else if let Instr::Call(call) = self.program.code[usize::from(pc)] {
            caller::called_off(self, slot, call, world);
        } else if let Instr::Fork(_) = self.program.code[usize::from(pc)] {
            let mut branch = std::mem::replace(&mut world.frames.extra_mut(slot).branch, NONE);
            while branch != NONE {
                let next = world.frames.extra(branch).branch_after;
                if world.frames[branch].armed == FINISHED {
                    // Its end is on the now-queue: let it find nobody.
                    world.frames[branch].flags |= CALLER_DONE;
                } else {
                    self.drop_branch(branch, world);
                }
                branch = next;
            }
        }
        // What it did by one is given up by now.
        self.free_connections(slot, world);
        world.disarm(slot);
    }

    #[cold]
    pub(super) fn called_off(&mut self, slot: Slot, world: &mut World) {
        self.stop_what_it_does(slot, world);
        self.leaves_environment(slot, world);
        self.leaves_place(slot);
        let now = world.now();
        let from = world.record.measured_from;
        let f = &mut world.frames[slot];
        let (arrived, inst, flags) = (f.arrived, usize::from(f.inst), f.flags);
        f.armed = FINISHED;
        f.flags |= CALLEE_DONE;
        let overdue = world.overdue;
        let record = world.record.node(self.node);
        record.depart(now, arrived, from, Err(Cause::Cancelled));
        record.needless += u64::from(!overdue);
        self.instances[inst].departures += 1;
        let unserved = &mut self.unserved[inst];
        *if overdue { &mut unserved.failed } else { &mut unserved.needless } += 1;
        world.release_if_done(slot);
        if flags & HAS_WORKER != 0 {
            self.free_worker(inst, world);
        }
        self.finish_dropped(world);
    }
}
