//! What a server does for caches: lookups, fills, one fetch at a time, messages nobody waits for.
//!
//! **Invariant.** A visit that waits for another's fetch goes on, fails or is called off exactly once.

use super::{
    program::{CacheStep, Instr, Program},
    server::Server,
};
use crate::{
    engine::{law::to_nanos, random::descend},
    model::{
        cache::{
            contents::{ASIDE, Contents, Found},
            {NEGATIVE, STALE},
        },
        frame::{FOUND, Slot},
        probe::Outcome,
        world::World,
    },
};

impl Server {
    /// One step of a cache's program; `hit` is where a lookup that finds its key goes on. Whether the visit
    /// is to go on from there.
    #[inline(never)]
    pub(super) fn cache_step(
        &mut self,
        slot: Slot,
        (step, hit): (CacheStep, u16),
        world: &mut World,
    ) -> bool {
        let now = world.now();
        let f = &world.frames[slot];
        let (key, inst, next) = (f.key, usize::from(f.inst), f.pc + 1);
        let contents = self.instances[inst].contents.as_mut().expect("only caches do this");
        let sizes = world.carries.then(|| world.frames.extra(slot)).map(|e| (e.size, e.fetched));
        let (sent, fetched) = sizes.unwrap_or((0, 0));
        let mut followers = Vec::new();
        let (mut on, mut size, mut heir) = (next, fetched, None);
        // Where followers go on, counted back from a hit.
        let mut way = 0;
        match step {
            CacheStep::Lookup | CacheStep::LookAside => {
                let Some(way) = look_up(contents, slot, (step, hit), world) else { return false };
                on = way;
            }
            CacheStep::Admit | CacheStep::Keep => {
                size = if step == CacheStep::Keep { fetched } else { sent };
                contents.admit(key, size, now);
                if world.carries && step == CacheStep::Keep {
                    world.frames.extra_mut(slot).reply_size = size;
                }
                followers = contents.land(key, slot);
                if followers.is_empty() {
                    followers = contents.land(key, ASIDE);
                }
            }
            CacheStep::Remember => on = remembered(contents, slot, (next, hit), world),
            CacheStep::Release => heir = contents.hand_over(key, ASIDE),
            CacheStep::Invalidate => contents.invalidate(key),
            CacheStep::Refresh => {
                if !contents.refresh(key, slot) {
                    self.finish(slot, Outcome::Ok, world);
                    return false;
                }
            }
            CacheStep::Deny => {
                contents.deny(key, now);
                followers = contents.land(key, ASIDE);
                way = NEGATIVE;
            }
            CacheStep::Refuse => {
                world.record.node(self.node).cause("negative");
                self.finish(slot, Outcome::Error, world);
                return false;
            }
        }
        world.frames[slot].pc = on;
        if heir.is_none() && followers.is_empty() {
            return true;
        }
        self.run(slot, world);
        if let Some(heir) = heir {
            self.fetch_instead(heir, world);
        }
        for follower in followers {
            // The follower stands at its own lookup; what it waited for is here now.
            let (_, hit) = self.lookup_of(follower, world);
            let f = &mut world.frames[follower];
            f.pc = hit - way;
            f.flags |= FOUND;
            if world.carries {
                world.frames.extra_mut(follower).reply_size = size;
            }
            self.run(follower, world);
        }
        false
    }

    /// The lookup a visit waits at, and where it goes on once the key is found.
    fn lookup_of(&self, slot: Slot, world: &World) -> (CacheStep, u16) {
        match self.program.code[usize::from(world.frames[slot].pc)] {
            Instr::Cache(step @ (CacheStep::Lookup | CacheStep::LookAside), hit) => (step, hit),
            _ => unreachable!("a follower waits at its lookup"),
        }
    }

    /// A visit that waited for another's fetch leads it now.
    fn fetch_instead(&mut self, slot: Slot, world: &mut World) {
        let (step, _) = self.lookup_of(slot, world);
        let f = &mut world.frames[slot];
        f.pc += 1;
        let (key, inst) = (f.key, usize::from(f.inst));
        let contents = self.instances[inst].contents.as_mut().expect("only caches do this");
        if step == CacheStep::LookAside {
            contents.led_aside(key);
        }
        self.run(slot, world);
    }

    /// A visit that was told of a miss ends without what it was to fill caches with: those who wait
    /// there are told. One that has not asked any cache yet (it was turned away) keeps silent.
    #[inline(never)]
    pub(super) fn release_fills(&mut self, slot: Slot, world: &mut World) {
        let mut at = usize::from(world.frames[slot].pc);
        let asked = at.checked_sub(1).map(|before| self.program.code[before]);
        let (Some(Instr::OnHit(_)), Some(Instr::Call(_))) = (asked, self.program.code.get(at))
        else {
            return;
        };
        while let Instr::Call(_) | Instr::OnHit(_) = self.program.code[at] {
            at += 1;
        }
        self.send_instead(slot, at, false, world);
    }

    /// In place of the fills from an instruction on: what the caches are told, and the first instruction
    /// after them.
    fn send_instead(&self, slot: Slot, fills: usize, denied: bool, world: &mut World) -> usize {
        let mut at = fills;
        while let Instr::Send(call) = self.program.code[at] {
            let site = &self.program.calls[usize::from(call)];
            if let Some(op) = site.deny.filter(|_| denied).or(site.release) {
                self.send_away(slot, (call, Some(op)), world);
            }
            at += 1;
        }
        at
    }

    /// The call a visit stands at failed for good: the caches that wait for what it was to bring are told,
    /// and the visit stands after the fills.
    pub(super) fn nothing_to_fill(&mut self, slot: Slot, outcome: Outcome, world: &mut World) {
        let f = &world.frames[slot];
        let next = usize::from(f.pc) + 1;
        // A rejection or silence says nothing about the key.
        let denied = outcome == Outcome::Error;
        if let Some(Instr::Cache(CacheStep::Keep, _)) = self.program.code.get(next) {
            let contents = self.instances[usize::from(f.inst)].contents.as_mut();
            if denied && let Some(contents) = contents {
                contents.deny(f.key, world.now());
            }
            return;
        }
        world.frames[slot].pc = self.send_instead(slot, next, denied, world) as u16;
    }

    /// A cache remembers that the key cannot be read: the tiers before it, which are filled from `fills`
    /// on, are told, and the read fails.
    #[cold]
    pub(super) fn known_to_fail(&mut self, slot: Slot, fills: u16, world: &mut World) {
        let mut at = usize::from(world.frames[slot].pc);
        while let Some(Instr::OnHit(_)) = self.program.code.get(at + 1) {
            at += 2;
        }
        let Instr::Call(fetch) = self.program.code[at] else {
            unreachable!("lookups lead to a call")
        };
        let after = self.send_instead(slot, usize::from(fills), true, world);
        world.frames[slot].pc = after as u16;
        let site = &self.program.calls[usize::from(fetch)];
        let (optional, fallback) = (site.optional, site.fallback);
        if self.goes_on_without(slot, optional, fallback, world) {
            return;
        }
        world.record.node(self.node).cause("failed_call");
        self.finish(slot, Outcome::Error, world);
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
            self.fetch_instead(next, world);
        }
    }

    /// Sends a message whose reply nobody waits for.
    #[inline(never)]
    pub(super) fn send_away(
        &self,
        slot: Slot,
        (call, instead): (u16, Option<u8>),
        world: &mut World,
    ) {
        let site = &self.program.calls[usize::from(call)];
        let f = &world.frames[slot];
        let (id, from) = (descend(f.id, site.site), (self.node, f.inst));
        let key = Program::key(site.key, slot, world);
        let target = site.destination(slot, key, id, world);
        let op = instead.or(site.op).unwrap_or(world.frames[slot].op);
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

/// Where a visit goes on that takes what is expired too.
fn remembered(
    contents: &mut Contents,
    slot: Slot,
    (miss, hit): (u16, u16),
    world: &mut World,
) -> u16 {
    let Some(size) = contents.remember(world.frames[slot].key, world.now()) else { return miss };
    world.frames[slot].flags |= FOUND;
    if world.carries {
        world.frames.extra_mut(slot).reply_size = size;
    }
    hit
}

/// Where a visit goes on after a lookup; `None`: it waits for the fetch of another.
fn look_up(
    contents: &mut Contents,
    slot: Slot,
    (step, hit): (CacheStep, u16),
    world: &mut World,
) -> Option<u16> {
    let direct = step == CacheStep::Lookup;
    let (now, key) = (world.now(), world.frames[slot].key);
    let found = contents.lookup(key, direct, now);
    let way = match found {
        Found::Nothing => {
            let waits = contents.join(key, slot, if direct { slot } else { ASIDE });
            return (!waits).then(|| world.frames[slot].pc + 1);
        }
        Found::Negative => NEGATIVE,
        Found::Stale(_) if !contents.is_fetched(key) => STALE,
        Found::Value(_) | Found::Stale(_) => 0,
    };
    world.frames[slot].flags |= FOUND;
    if world.carries
        && let Found::Value(size) | Found::Stale(size) = found
    {
        world.frames.extra_mut(slot).reply_size = size;
    }
    Some(hit - way)
}
