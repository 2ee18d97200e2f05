//! What a server does for caches: lookups, fills, one fetch at a time, messages nobody waits for.
//!
//! **Invariant.** A visit that waits for another's fetch goes on, fails or is called off exactly once.

use super::{
    program::{CacheStep, Program},
    server::Server,
};
use crate::{
    engine::{law::to_nanos, random::descend},
    model::{
        frame::{FOUND, Slot},
        probe::Outcome,
        world::World,
    },
};

impl Server {
    /// One step of a cache's program; `hit` is where a lookup that finds its key goes on.
    #[inline(never)]
    pub(super) fn cache_step(
        &mut self,
        slot: Slot,
        (step, hit): (CacheStep, u16),
        world: &mut World,
    ) {
        let now = world.now();
        let f = &world.frames[slot];
        let (key, inst, next) = (f.key, usize::from(f.inst), f.pc + 1);
        let contents = self.instances[inst].contents.as_mut().expect("only caches do this");
        let sizes = world.carries.then(|| world.frames.extra(slot)).map(|e| (e.size, e.fetched));
        let (sent, fetched) = sizes.unwrap_or((0, 0));
        let mut followers = Vec::new();
        let mut on = next;
        match step {
            CacheStep::Lookup => match contents.lookup(key, now) {
                Some(size) => {
                    world.frames[slot].flags |= FOUND;
                    if world.carries {
                        world.frames.extra_mut(slot).reply_size = size;
                    }
                    on = hit;
                }
                None if contents.join(key, slot) => return,
                None => {}
            },
            CacheStep::Admit | CacheStep::Keep => {
                let size = if step == CacheStep::Keep { fetched } else { sent };
                contents.admit(key, size, now);
                if world.carries && step == CacheStep::Keep {
                    world.frames.extra_mut(slot).reply_size = size;
                }
                followers = contents.land(key, slot);
            }
            CacheStep::Invalidate => contents.invalidate(key),
        }
        world.frames[slot].pc = on;
        self.run(slot, world);
        for follower in followers {
            // The follower stands at its own lookup; what it waited for is here now.
            world.frames[follower].pc = self.past_lookup(follower, world);
            if world.carries {
                world.frames.extra_mut(follower).reply_size = fetched;
            }
            self.run(follower, world);
        }
    }

    /// Where a lookup that found its key goes on.
    fn past_lookup(&self, slot: Slot, world: &World) -> u16 {
        let super::program::Instr::Cache(CacheStep::Lookup, hit) =
            self.program.code[usize::from(world.frames[slot].pc)]
        else {
            unreachable!("a follower waits at its lookup")
        };
        hit
    }

    /// The fetch a visit led failed: those that waited for it fail with it.
    #[inline(never)]
    pub(super) fn fail_followers(&mut self, slot: Slot, outcome: Outcome, world: &mut World) {
        let f = &world.frames[slot];
        let key = f.key;
        let Some(contents) = &mut self.instances[usize::from(f.inst)].contents else { return };
        for follower in contents.land(key, slot) {
            world.record.node(self.node).cause("failed_fetch");
            self.finish(follower, outcome, world);
        }
    }

    /// A visit at a cache is called off: it stops waiting, or hands its fetch to the next who waits.
    pub(super) fn leave_flight(&mut self, slot: Slot, world: &mut World) {
        let f = &world.frames[slot];
        let key = f.key;
        let Some(contents) = &mut self.instances[usize::from(f.inst)].contents else { return };
        if contents.leave(key, slot) {
            return;
        }
        if let Some(next) = contents.hand_over(key, slot) {
            world.frames[next].pc += 1;
            self.run(next, world);
        }
    }

    /// Sends a message whose reply nobody waits for.
    #[inline(never)]
    pub(super) fn send_away(&mut self, slot: Slot, call: u16, world: &mut World) {
        let site = &self.program.calls[usize::from(call)];
        let f = &world.frames[slot];
        let (id, from) = (descend(f.id, site.site), (self.node, f.inst));
        let key = Program::key(site.key, slot, world);
        let target = (site.target, site.instance(slot, key, id, world));
        let op = site.op.unwrap_or(world.frames[slot].op);
        let child = world.new_call(slot, target, (op, key), id);
        if world.carries {
            let fetched = world.frames.extra(slot).fetched;
            let size = site.size.as_ref().map(|d| to_nanos(d.amount(slot, world)));
            let extra = world.frames.extra_mut(child);
            extra.size = size.unwrap_or(fetched);
            // Nobody's deadline: the reply it belongs to may leave before it arrives.
            (extra.enforced, extra.deadline) = (false, u64::MAX);
        }
        world.send(child, from, target, id);
        world.give_up(child);
    }
}
