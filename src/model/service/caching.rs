//! What a server does for caches: lookups, fills, one fetch at a time, messages nobody waits for.
//!
//! **Invariant.** A visit that waits for another's fetch goes on, fails or is called off exactly once.

use super::{
    calls::bring,
    instr::{CacheStep, Instr},
    program::{Instead, Program},
    server::Server,
};
use crate::{
    cause::Cause,
    engine::{law::to_nanos, random::descend},
    model::{
        cache::{
            build::{NEGATIVE, STALE},
            contents::{ASIDE, Contents, Found},
        },
        frame::{CALLER_DONE, FOUND},
        ids::Slot,
        route::Asked,
        span::Span,
        world::World,
    },
    outcome::Outcome,
};

/// Why a fill does not come.
#[derive(Clone, Copy)]
enum Why {
    /// Whoever fetched has left.
    Left,
    /// The fetch failed.
    Failed,
    /// The key cannot be read.
    Denied,
}

impl Server {
    /// One step of a cache's program; `hit` is where a lookup that finds its key goes on. Whether the visit
    /// is to go on from there.
    #[inline(never)]
    #[allow(clippy::too_many_lines, reason = "an arm for each step")]
    pub(super) fn cache_step(
        &mut self,
        slot: Slot,
        (step, hit): (CacheStep, u16),
        world: &mut World,
    ) -> bool {
        let now = world.time_at(slot);
        let key = self.entry_key(slot, world);
        let f = &world.frames[slot];
        let (inst, next) = (usize::from(f.inst), f.pc + 1);
        let contents = self.instances[inst].contents.as_mut().expect("only caches do this");
        contents.visit = f.id;
        let sizes = world.carries.then(|| world.frames.extra(slot)).map(|e| (e.size, e.fetched));
        let (sent, fetched) = sizes.unwrap_or((0, 0));
        let (mut followers, mut failing) = (Vec::new(), Vec::new());
        let (mut on, mut size, mut heir) = (next, fetched, None);
        // Where followers go on, counted back from a hit.
        let mut way = 0;
        if matches!(step, CacheStep::Release | CacheStep::Fail | CacheStep::Deny) {
            contents.end_fetch(key);
        }
        match step {
            CacheStep::Lookup | CacheStep::LookAside => {
                let Some(way) = look_up(contents, (slot, key), (step, hit), world) else {
                    return false;
                };
                on = way;
            }
            CacheStep::Admit | CacheStep::Fill | CacheStep::Keep => {
                size = if step == CacheStep::Keep { fetched } else { sent };
                if may_fill(contents, (slot, key), step, world) {
                    contents.admit(key, size, now);
                    hold_version(contents, (slot, key), world);
                } else {
                    contents.end_fetch(key);
                    world.record.node(self.node).cause(Cause::FillRefused);
                }
                if world.carries && step == CacheStep::Keep {
                    world.frames.extra_mut(slot).reply_size = size;
                }
                followers = contents.land(key, slot);
                if followers.is_empty() {
                    followers = contents.land(key, ASIDE);
                }
            }
            CacheStep::Accept => {
                let plain = world.frames[slot].key;
                if let Some(data) = &mut world.data {
                    data.accepted(slot, (hit, plain), contents.version(key));
                }
            }
            CacheStep::Remember => on = remembered(contents, (slot, key), (next, hit), world),
            CacheStep::Release => heir = contents.hand_over(key, ASIDE),
            CacheStep::Fail if contents.limits.patience.is_some() => {
                heir = contents.hand_over(key, ASIDE);
            }
            CacheStep::Fail => failing = contents.land(key, ASIDE),
            CacheStep::Invalidate => take_out(contents, key),
            CacheStep::Drop => {
                let plain = world.frames[slot].key;
                take_out(contents, plain);
                self.program.spaces.iter().for_each(|space| take_out(contents, plain ^ space));
            }
            CacheStep::Refresh => {
                if !contents.refresh(key, slot) {
                    self.finish(slot, Outcome::Ok, world);
                    return false;
                }
                contents.begin_fetch(key, now);
            }
            CacheStep::Deny => {
                contents.deny(key, now);
                followers = contents.land(key, ASIDE);
                way = NEGATIVE;
            }
            CacheStep::Refuse => {
                world.record.node(self.node).cause(Cause::Negative);
                self.finish(slot, Outcome::Error, world);
                return false;
            }
        }
        world.frames[slot].pc = on;
        if heir.is_none() && followers.is_empty() && failing.is_empty() {
            return true;
        }
        self.run(slot, world);
        if let Some(heir) = heir {
            self.fetch_instead(heir, world);
        }
        for follower in failing {
            self.fail_waiting(follower, Outcome::Unavailable, world);
        }
        for follower in followers {
            // The follower stands at its own lookup; what it waited for is here now.
            let (_, hit) = self.lookup_of(follower, world);
            world.disarm(follower);
            let f = &mut world.frames[follower];
            f.pc = hit - way;
            f.flags |= FOUND;
            if world.carries {
                world.frames.extra_mut(follower).reply_size = size;
            }
            if let Some(data) = &mut world.data {
                data.hand_on(slot, follower);
            }
            self.run(follower, world);
        }
        false
    }

    /// What a cache knows the key of a visit by: it is a key of one of the nodes behind it.
    fn entry_key(&self, slot: Slot, world: &World) -> u64 {
        let f = &world.frames[slot];
        f.key ^ self.program.spaces.get(usize::from(f.op)).copied().unwrap_or(0)
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
        world.disarm(slot);
        let key = self.entry_key(slot, world);
        let f = &mut world.frames[slot];
        f.pc += 1;
        let inst = usize::from(f.inst);
        let contents = self.instances[inst].contents.as_mut().expect("only caches do this");
        contents.begin_fetch(key, world.time_at(slot));
        let direct = step == CacheStep::Lookup;
        if !direct {
            contents.led_aside(key);
        }
        lease(contents, (slot, key), direct, world);
        self.run(slot, world);
    }

    /// A visit does not wait any longer for a fetch: it failed, or takes too long.
    fn fail_waiting(&mut self, slot: Slot, outcome: Outcome, world: &mut World) {
        world.disarm(slot);
        // Whoever looked aside does not take this for a miss.
        world.frames[slot].flags |= FOUND;
        world.record.node(self.node).cause(Cause::FailedFetch);
        self.finish(slot, outcome, world);
    }

    /// The timer of a visit that waits for a fetch: it has waited too long, or is to make the fetch.
    #[cold]
    pub(super) fn done_waiting(&mut self, slot: Slot, world: &mut World) {
        let key = self.entry_key(slot, world);
        let inst = usize::from(world.frames[slot].inst);
        let contents = self.instances[inst].contents.as_mut().expect("only caches do this");
        if contents.leave(key, slot) {
            return self.fail_waiting(slot, Outcome::Timeout, world);
        }
        self.fetch_instead(slot, world);
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
        self.send_instead(slot, at, Why::Left, world);
    }

    /// In place of the fills from an instruction on: what the caches are told, and the first instruction
    /// after them.
    fn send_instead(&self, slot: Slot, fills: usize, why: Why, world: &mut World) -> usize {
        let mut at = fills;
        while let Instr::Send(call) = self.program.code[at] {
            let Instead { release, fail, deny } = self.program.calls[usize::from(call)].instead;
            let told = match why {
                Why::Left => release,
                Why::Failed => fail,
                Why::Denied => deny.or(fail),
            };
            if let Some(op) = told {
                self.send_away(slot, (call, Some(op)), world);
            }
            at += 1;
        }
        at
    }

    /// The call a visit stands at failed for good: the caches that wait for what it was to bring are told,
    /// and the visit stands after the fills.
    pub(super) fn nothing_to_fill(&mut self, slot: Slot, outcome: Outcome, world: &mut World) {
        let key = self.entry_key(slot, world);
        let f = &world.frames[slot];
        let next = usize::from(f.pc) + 1;
        // A rejection or silence says nothing about the key.
        let denied = outcome == Outcome::Error;
        if let Some(Instr::Cache(CacheStep::Keep, _)) = self.program.code.get(next) {
            let contents = self.instances[usize::from(f.inst)].contents.as_mut();
            if let Some(contents) = contents {
                contents.end_fetch(key);
                if denied {
                    contents.deny(key, world.time_at(slot));
                }
            }
            return;
        }
        let why = if denied { Why::Denied } else { Why::Failed };
        world.frames[slot].pc = self.send_instead(slot, next, why, world) as u16;
    }

    /// A cache remembers that the key cannot be read, or the fetch the lookup waited for failed: the tiers
    /// before it, which are filled from `fills` on, are told, and the read fails.
    #[cold]
    pub(super) fn known_to_fail(
        &mut self,
        slot: Slot,
        (fills, outcome): (u16, Outcome),
        world: &mut World,
    ) {
        let mut at = usize::from(world.frames[slot].pc);
        while let Some(Instr::OnHit(_)) = self.program.code.get(at + 1) {
            at += 2;
        }
        let Instr::Call(fetch) = self.program.code[at] else {
            unreachable!("lookups lead to a call")
        };
        let why = if outcome == Outcome::Error { Why::Denied } else { Why::Failed };
        let after = self.send_instead(slot, usize::from(fills), why, world);
        world.frames[slot].pc = after as u16;
        let site = &self.program.calls[usize::from(fetch)];
        let (optional, fallback) = (site.optional, site.fallback);
        if self.goes_on_without(slot, optional, fallback, world) {
            return;
        }
        world.record.node(self.node).cause(Cause::FailedCall);
        self.finish(slot, Outcome::Error, world);
    }

    /// The fetch a visit led failed: those that waited for it fail with it, or the next makes another.
    #[inline(never)]
    pub(super) fn fail_followers(&mut self, slot: Slot, outcome: Outcome, world: &mut World) {
        let key = self.entry_key(slot, world);
        let f = &world.frames[slot];
        let Some(contents) = &mut self.instances[usize::from(f.inst)].contents else { return };
        if contents.limits.patience.is_some() {
            if let Some(heir) = contents.hand_over(key, slot) {
                // By an event of its own: one that ends at once would recurse here.
                world.disarm(heir);
                world.arm(heir, Span::ZERO);
            }
            return;
        }
        for follower in contents.land(key, slot) {
            self.fail_waiting(follower, outcome, world);
        }
    }

    /// A visit at a cache is called off: it stops waiting, or hands its fetch to the next who waits.
    pub(super) fn leave_flight(&mut self, slot: Slot, world: &mut World) {
        let key = self.entry_key(slot, world);
        let f = &world.frames[slot];
        let Some(contents) = &mut self.instances[usize::from(f.inst)].contents else { return };
        if contents.leave(key, slot) {
            return world.disarm(slot);
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
        let op = instead.or(site.op).unwrap_or(world.frames[slot].op);
        let target = site.destination(slot, Asked { op, key, id }, world);
        let child = world.new_call(slot, target, (op, key), id);
        if world.laden {
            world.identify((slot, child), false, |id| descend(id, site.common));
        }
        let visit = world.frames[slot].id;
        if world.carries {
            let fetched = world.frames.extra(slot).fetched;
            let size = site.size.as_ref().map(|d| to_nanos(d.amount(slot, world)));
            let extra = world.frames.extra_mut(child);
            // What a message brings is what its publisher was sent.
            extra.size = size.unwrap_or(if site.publishes { extra.size } else { fetched });
            // By it a cache knows whom it gave a lease.
            extra.since = visit;
            // Nobody's deadline: the reply it belongs to may leave before it arrives.
            (extra.enforced, extra.deadline) = (false, u64::MAX);
        }
        if let Some(brings) = site.brings {
            bring(slot, child, brings, world);
        }
        world.send(child, from, target, id);
        world.give_up(child);
    }
}

/// A key is written or taken out: what is held is not served any more, and what was read before cannot come.
fn take_out(contents: &mut Contents, key: u64) {
    contents.invalidate(key);
    if let Some(leases) = &mut contents.leases {
        leases.void(key);
    }
}

/// Whoever fetches after a miss has a lease: the visit itself, or its caller, unless that is gone.
fn lease(contents: &mut Contents, (slot, key): (Slot, u64), direct: bool, world: &mut World) {
    let Some(leases) = &mut contents.leases else { return };
    let f = &world.frames[slot];
    let holder = match direct {
        true => Some(f.id),
        false if f.flags & CALLER_DONE == 0 => Some(world.frames[f.parent].id),
        false => None,
    };
    if let Some(holder) = holder {
        leases.give(key, holder, world.time_at(slot));
    }
}

/// Whether what a visit brought may be held: what was read needs a lease, what is written voids all there are.
fn may_fill(
    contents: &mut Contents,
    (slot, key): (Slot, u64),
    step: CacheStep,
    world: &mut World,
) -> bool {
    let Some(leases) = &mut contents.leases else { return true };
    let holder = match step {
        CacheStep::Keep => world.frames[slot].id,
        // None: the writer itself sends what it wrote.
        CacheStep::Fill => world.frames.extra(slot).since,
        _ => 0,
    };
    if holder != 0 {
        return leases.redeem(key, holder, world.time_at(slot));
    }
    leases.void(key);
    true
}

/// What is held of a key is what a visit brings.
fn hold_version(contents: &mut Contents, (slot, key): (Slot, u64), world: &World) {
    let Some(data) = &world.data else { return };
    contents.set_version(key, data.version(slot));
    if data.tokens.is_some() {
        contents.set_token(key, data.token(slot));
    }
}

/// A visit is about what is held of a key.
fn show_version(contents: &Contents, (slot, key): (Slot, u64), world: &mut World) {
    let Some(data) = &mut world.data else { return };
    data.hold(slot, contents.version(key));
    data.hold_token(slot, contents.token(key));
}

/// Whether the session that asks may be shown what is held of a key.
fn may_see(contents: &Contents, (slot, key): (Slot, u64), world: &World) -> bool {
    let tokens = world.data.as_ref().and_then(|data| data.tokens.as_ref());
    tokens.is_none_or(|tokens| !contents.holds(key) || tokens.may_see(slot, contents.token(key)))
}

/// Whether the session that asks is to find something.
fn needs(slot: Slot, world: &World) -> bool {
    let tokens = world.data.as_ref().and_then(|data| data.tokens.as_ref());
    tokens.is_some_and(|tokens| !tokens.may_see(slot, None))
}

/// Where a visit goes on that takes what is expired too.
fn remembered(
    contents: &mut Contents,
    (slot, key): (Slot, u64),
    (miss, hit): (u16, u16),
    world: &mut World,
) -> u16 {
    if !may_see(contents, (slot, key), world) {
        return miss;
    }
    let Some(size) = contents.remember(key, world.time_at(slot)) else { return miss };
    world.frames[slot].flags |= FOUND;
    if world.carries {
        world.frames.extra_mut(slot).reply_size = size;
    }
    show_version(contents, (slot, key), world);
    hit
}

/// Where a visit goes on after a lookup; `None`: it waits for the fetch of another.
fn look_up(
    contents: &mut Contents,
    (slot, key): (Slot, u64),
    (step, hit): (CacheStep, u16),
    world: &mut World,
) -> Option<u16> {
    let direct = step == CacheStep::Lookup;
    if !may_see(contents, (slot, key), world) {
        // Somebody has seen something newer, so that nobody need see this any more.
        take_out(contents, key);
    }
    let found = contents.lookup(key, direct, world.time_at(slot));
    let way = match found {
        Found::Nothing => {
            if contents.is_fetched(key) && needs(slot, world) {
                // What somebody else has asked for before may be older than what this session has seen.
                return Some(world.frames[slot].pc + 1);
            }
            let waits = contents.join(key, slot, if direct { slot } else { ASIDE });
            if !waits {
                contents.begin_fetch(key, world.time_at(slot));
                lease(contents, (slot, key), direct, world);
            }
            if let Some(patience) = contents.limits.patience.filter(|_| waits) {
                world.arm(slot, Span::of(patience));
            }
            return (!waits).then(|| world.frames[slot].pc + 1);
        }
        Found::Negative => NEGATIVE,
        // Whoever looks aside is to fetch it.
        Found::Early(_) if !direct => {
            lease(contents, (slot, key), direct, world);
            return Some(world.frames[slot].pc + 1);
        }
        Found::Early(_) => STALE,
        Found::Stale(_) if !contents.is_fetched(key) => STALE,
        Found::Value(_) | Found::Stale(_) => 0,
    };
    world.frames[slot].flags |= FOUND;
    if world.carries
        && let Found::Value(size) | Found::Stale(size) | Found::Early(size) = found
    {
        world.frames.extra_mut(slot).reply_size = size;
    }
    show_version(contents, (slot, key), world);
    Some(hit - way)
}
