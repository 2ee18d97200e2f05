//! Calls of a server: what is sent, what comes back, and how a visit goes on without an answer.
//!
//! **Invariant.** A frame at a call stands at its instruction until the call is over (`resilience/caller.rs`).

use super::{
    instr::Instr,
    program::{Brings, Program},
    server::Server,
};
use crate::{
    cause::Cause,
    engine::{law::to_nanos, random::descend},
    model::{
        frame::{BRANCH, FOUND},
        ids::{Host, NONE, Slot},
        queue::post::Post,
        resilience::{
            caller::{self, Caller, Edge},
            policy::EdgePolicy,
        },
        route::Asked,
        world::World,
    },
    outcome::Outcome,
};

impl Caller for Server {
    #[inline(always)]
    fn policy(&self, call: u16) -> &EdgePolicy {
        &self.program.edges[usize::from(self.program.calls[usize::from(call)].edge)]
    }

    #[inline(always)]
    fn edge(&mut self, slot: Slot, call: u16, world: &World) -> Edge<'_> {
        let site = &self.program.calls[usize::from(call)];
        let inst = usize::from(world.frames[slot].inst);
        Edge {
            policy: &self.program.edges[usize::from(site.edge)],
            state: &mut self.instances[inst].edges[usize::from(site.state)],
            jitter: (&self.jitter, site.site),
        }
    }

    #[cold]
    #[inline(never)]
    fn target(&mut self, slot: Slot, call: u16, shift: u64, world: &mut World) -> Host {
        let site = &self.program.calls[usize::from(call)];
        let op = site.op.unwrap_or(world.frames[slot].op);
        let key = Program::key(site.key, slot, world);
        let id = descend(world.frames[slot].id, site.site.wrapping_add(shift));
        site.destination(slot, Asked { op, key, id }, world)
    }

    #[inline(always)]
    fn send(&mut self, slot: Slot, call: u16, shift: u64, world: &mut World) -> Slot {
        let site = &self.program.calls[usize::from(call)];
        let op = site.op.unwrap_or(world.frames[slot].op);
        let key = Program::key(site.key, slot, world);
        let id = descend(world.frames[slot].id, site.site.wrapping_add(shift));
        let target = site.destination(slot, Asked { op, key, id }, world);
        let child = world.new_call(slot, target, (op, key), id);
        if world.carries {
            let size = site.size.as_ref().map(|d| to_nanos(d.amount(slot, world)));
            let deadline = caller::deadline(self, slot, call, world);
            let extra = world.frames.extra_mut(child);
            extra.size = size.unwrap_or(extra.size);
            extra.enforced = self.policy(call).propagate;
            extra.deadline = extra.deadline.min(deadline);
        }
        if world.laden {
            let common = site.common;
            if let Some(brings) = site.brings {
                bring(slot, child, brings, world);
            }
            ask_for(self.policy(call), (slot, child), |id| descend(id, common), world);
        }
        world.send(child, (self.node, world.frames[slot].inst), target, id);
        child
    }

    fn took(&mut self, slot: Slot, pool: u32, world: &mut World) {
        self.keeps_connection(slot, pool, world);
    }

    /// The step fails, unless the visit goes on without it.
    fn gave_up(&mut self, slot: Slot, call: u16, outcome: Outcome, world: &mut World) {
        let site = &self.program.calls[usize::from(call)];
        let (optional, fallback, (as_what, cause)) = (site.optional, site.fallback, site.failure);
        if let Some(data) = world.data.as_mut().filter(|_| site.decides) {
            data.failed(slot);
        }
        let at = world.frames[slot].pc;
        self.nothing_to_fill(slot, outcome, world);
        if self.goes_on_without(slot, optional, fallback, world) {
            return;
        }
        if self.sagas.is_some() {
            self.fails_at(slot, (at, call), outcome, world);
        }
        world.record.node(self.node).cause(cause);
        self.finish(slot, as_what, world);
    }
}

/// A call takes along what is asked for on its edge: guarantees, and that all attempts are one, whose identity is by `path`.
#[cold]
#[inline(never)]
fn ask_for(
    policy: &EdgePolicy,
    (slot, child): (Slot, Slot),
    path: impl FnOnce(u64) -> u64,
    world: &mut World,
) {
    let Some(data) = &mut world.data else { return };
    if let Some(tokens) = data.tokens.as_mut().filter(|_| !policy.asks.guarantees.is_empty()) {
        tokens.ask(child, policy.asks.guarantees);
    }
    world.identify((slot, child), policy.asks.once, path);
}

/// Takes what a reply brings besides its outcome.
#[inline(never)]
fn unload(slot: Slot, (child, outcome): (Slot, Outcome), world: &mut World) {
    if world.carries {
        let size = world.frames.extra(child).reply_size;
        world.frames.extra_mut(slot).fetched = size;
    }
    if let Some(letters) = world.letters.as_mut().filter(|_| outcome.is_success()) {
        letters.end_turns(slot);
    }
    if !outcome.is_success() {
        world.failed_visit(child, slot);
    } else if let Some(data) = &mut world.data {
        data.bring(child, slot);
    }
}

impl Server {
    #[inline(always)]
    pub(super) fn start_call(&mut self, slot: Slot, call: u16, world: &mut World) {
        if world.carries && self.past_deadline(slot, world) {
            return;
        }
        caller::begin(self, slot, call, world);
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
        if world.laden {
            unload(slot, (child, outcome), world);
        }
        if (world.carries || self.program.guarded)
            && let Instr::Call(call) = self.program.code[usize::from(pc)]
        {
            if outcome == Outcome::Degraded && !self.program.calls[usize::from(call)].optional {
                world.frames.extra_mut(slot).degraded = true;
            }
            if caller::waits_on(self, (slot, call), (child, outcome), world) {
                return;
            }
        }
        world.frames[slot].next = NONE;
        if outcome.is_success() {
            if found && let Some(Instr::OnHit(to)) = self.program.code.get(usize::from(pc) + 1) {
                if let Some(data) = &mut world.data {
                    data.found(slot);
                }
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
        caller::failed(self, slot, call, outcome, world);
    }

    /// A call failed for good, and the visit stands after what it was to fill; whether it goes on.
    pub(super) fn goes_on_without(
        &mut self,
        slot: Slot,
        optional: bool,
        fallback: Option<Cause>,
        world: &mut World,
    ) -> bool {
        if let Some(cause) = fallback {
            world.record.node(self.node).cause(cause);
            // Past the jump over what takes its place.
            world.frames[slot].pc += 1;
        }
        let goes_on = optional || fallback.is_some();
        if goes_on {
            self.run(slot, world);
        }
        goes_on
    }
}

/// A call brings more than others do.
#[cold]
#[inline(never)]
pub(super) fn bring(visit: Slot, call: Slot, brings: Brings, world: &mut World) {
    let post = match brings {
        Brings::Delay(delay) => Post::Delay(delay),
        Brings::Deeper => return world.frames.extra_mut(call).depth += 1,
        Brings::Row(outlet) => Post::Row(outlet, world.frames[visit].op),
    };
    world.put_post(call, post);
}
