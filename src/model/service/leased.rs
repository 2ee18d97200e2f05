//! Locks that are kept in a store: how a visit takes one, and what renews it and gives it back.
//!
//! The renewal of a lock is a frame beside its holder's, of the same process: a pause stops both, a crash ends both.
//!
//! **Invariant.** Whoever runs the steps of a lock took it once; whoever asks knows what he read, nothing else.

use super::{
    instr::{Hold, Instr},
    locks::value_of,
    program::LeasedLock,
    server::Server,
};
use crate::{
    cause::Cause,
    engine::random::{descend, mix},
    model::{
        consistency::leases::{Leases, Record},
        frame::{BRANCH, CALLER_DONE, Frame},
        ids::{NONE, Slot},
        span::Span,
        world::{World, pack},
    },
    outcome::Outcome,
};

/// Shift of a visit's identity each time it asks again.
const ROUND: u64 = 0x94d0_49bb_1331_11eb;

fn leases(world: &mut World) -> &mut Leases {
    let data = world.data.as_mut().expect("the stores of locks are followed");
    data.leases.as_mut().expect("there are locks in stores")
}

impl Server {
    /// The lock a frame stands at, and which it is.
    fn leased(&self, slot: Slot, world: &World) -> (u16, &LeasedLock) {
        let Instr::Lease(_, number) = self.program.code[usize::from(world.frames[slot].pc)] else {
            unreachable!("it stands at a lock")
        };
        (number, &self.program.leased[usize::from(number)])
    }

    /// A frame stands at a lock that is kept in a store, or renews one.
    #[inline(never)]
    pub(super) fn at_leased(&mut self, slot: Slot, hold: Hold, world: &mut World) {
        let next = match hold {
            Hold::Ask => {
                self.asks(slot, world);
                Some(world.frames[slot].pc + 1)
            }
            Hold::Look => self.looks(slot, world),
            Hold::Missed => self.misses(slot, world),
            Hold::Take => {
                self.takes_lock(slot, world);
                Some(world.frames[slot].pc + 1)
            }
            Hold::Leave => {
                self.leaves_lock(slot, world);
                Some(world.frames[slot].pc + 1)
            }
            Hold::Rest => self.rests(slot, world),
            Hold::Check => self.still_holds(slot, world),
            Hold::End => {
                leases(world).leave(slot);
                return self.finish(slot, Outcome::Ok, world);
            }
        };
        if let Some(next) = next {
            world.frames[slot].pc = next;
            self.run(slot, world);
        }
    }

    fn asks(&self, slot: Slot, world: &mut World) {
        let (number, lock) = self.leased(slot, world);
        let value = value_of(lock.per, slot, world);
        leases(world).ask(slot, (lock.store, mix(lock.name ^ mix(value))), number);
    }

    /// The record was read: if nobody holds the lock, or not for as long as a lease lasts, it is taken.
    fn looks(&self, slot: Slot, world: &mut World) -> Option<u16> {
        let (_, lock) = self.leased(slot, world);
        let (ttl, poll, at) = (lock.ttl, lock.poll, lock.at);
        let (now, host) = (world.time_at(slot), (world.frames[slot].node, world.frames[slot].inst));
        let version = world.data.as_ref().map_or(0, |data| data.version(slot));
        let leases = leases(world);
        let lease = leases.innermost(slot);
        // What was not answered was written after all.
        if let Some(own) = lease.written.iter().position(|(other, _)| *other == version) {
            let own = lease.written.remove(own);
            lease.written.push(own);
            leases.innermost(slot).next = leases.record(version);
            return Some(at.take);
        }
        let place = lease.place;
        let Record { number, held } = leases.record(version);
        let seen = leases.sees((host, place), version, now);
        let left = ttl.saturating_sub(now.saturating_sub(seen));
        if held && left > 0 {
            self.asks_again(slot, left.min(poll), world);
            return None;
        }
        leases.innermost(slot).next = Record { number: number + 1, held: true };
        Some(at.write)
    }

    /// What was asked of the store failed, or was not as it had been: it is asked again.
    fn misses(&mut self, slot: Slot, world: &mut World) -> Option<u16> {
        let (_, lock) = self.leased(slot, world);
        let (ttl, poll, at) = (lock.ttl, lock.poll, lock.at);
        let now = world.time_at(slot);
        let lease = leases(world).innermost(slot);
        if lease.is_renewal {
            if lease.leaves {
                lease.next.held = false;
                return Some(at.give_back);
            }
            if now.saturating_sub(lease.since) >= ttl {
                self.is_lost(slot, world);
                return None;
            }
        }
        self.asks_again(slot, poll, world);
        None
    }

    /// A frame waits for about so long by its clock.
    fn asks_again(&self, slot: Slot, about: u64, world: &mut World) {
        let f = &mut world.frames[slot];
        f.id = f.id.wrapping_add(ROUND);
        let half = about / 2;
        let after = half + ((u128::from(mix(f.id)) * u128::from(about)) >> 64) as u64;
        leases(world).innermost(slot).rounds += 1;
        self.waits(slot, after, world);
    }

    fn waits(&self, slot: Slot, span: u64, world: &mut World) {
        let (f, now) = (&world.frames[slot], world.now());
        let host = (f.node, f.inst);
        let span = world.clocks.as_mut().map_or(span, |clocks| clocks.until(host, span, now));
        leases(world).innermost(slot).due = now.saturating_add(span);
        world.arm(slot, Span::of(span));
    }

    /// The clock of an instance goes so many times as fast from now on: what waits for it waits accordingly.
    pub(super) fn retime_leased(&self, inst: u16, faster: f64, world: &mut World) {
        let now = world.now();
        let kept = world.data.as_ref().and_then(|data| data.leases.as_ref());
        let all = kept.map(|leases| leases.waiting(now)).unwrap_or_default();
        for (slot, left) in all {
            let f = &world.frames[slot];
            let waits = matches!(self.program.code.get(usize::from(f.pc)), Some(Instr::Lease(..)));
            if (f.node, f.inst) == (self.node, inst) && waits && f.armed != 0 {
                let left = (left as f64 / faster).ceil() as u64;
                world.disarm(slot);
                leases(world).innermost(slot).due = now.saturating_add(left);
                world.arm(slot, Span::of(left));
            }
        }
    }

    /// A frame has the lock; another one beside it renews it from now on.
    fn takes_lock(&mut self, slot: Slot, world: &mut World) {
        let (_, lock) = self.leased(slot, world);
        let (at, site, fenced) = (lock.at, lock.site, lock.fenced);
        let rounds = leases(world).innermost(slot).rounds;
        let f = &mut world.frames[slot];
        // From here on it is as if it had not had to wait.
        f.id = f.id.wrapping_sub(ROUND.wrapping_mul(rounds));
        let copy = *f;
        let renewal = world.begin_inside(Frame {
            flags: BRANCH | CALLER_DONE,
            parent: pack(copy.node, copy.inst),
            id: descend(copy.id, site),
            armed: 0,
            next: NONE,
            waited: 0,
            served: 0,
            pc: at.renew,
            ..copy
        });
        if world.carries {
            world.hand_on(slot, renewal);
            world.frames.extra_mut(renewal).deadline = u64::MAX;
        }
        let measured = world.now() >= world.record.measured_from;
        if let Some(data) = &mut world.data {
            data.descend(slot, renewal);
        }
        leases(world).enter(slot, renewal, (fenced, measured));
        self.run(renewal, world);
    }

    /// A frame leaves the lock it took last, or asks for it no longer. What renews it gives it back.
    fn leaves_lock(&self, slot: Slot, world: &mut World) {
        let Some(renewal) = leases(world).leave(slot) else { return };
        let waits = matches!(
            self.program.code[usize::from(world.frames[renewal].pc)],
            Instr::Lease(Hold::Rest | Hold::Missed, _)
        );
        if waits && world.frames[renewal].armed != 0 {
            // By an event of its own: whoever ends is not to begin something.
            world.disarm(renewal);
            world.arm(renewal, Span::ZERO);
        }
    }

    /// A lock that is held waits for its renewal.
    fn rests(&self, slot: Slot, world: &mut World) -> Option<u16> {
        let (_, lock) = self.leased(slot, world);
        let (ttl, at) = (lock.ttl, lock.at);
        let now = world.time_at(slot);
        let lease = leases(world).innermost(slot);
        if lease.leaves {
            lease.next.held = false;
            return Some(at.give_back);
        }
        let due = lease.since.saturating_add(ttl / 3);
        self.waits(slot, due.saturating_sub(now), world);
        None
    }

    /// The record of a lock that is held was renewed or read: it is held still if what stands there is its holder's.
    fn still_holds(&mut self, slot: Slot, world: &mut World) -> Option<u16> {
        let version = world.data.as_ref().map_or(0, |data| data.version(slot));
        let lease = leases(world).innermost(slot);
        let Some(own) = lease.written.iter().position(|(other, _)| *other == version) else {
            self.is_lost(slot, world);
            return None;
        };
        let own = lease.written[own];
        (lease.written, lease.since) = (vec![own], own.1);
        Some(world.frames[slot].pc + 1)
    }

    /// A lock is no longer held; its holder does not hear of it.
    fn is_lost(&mut self, slot: Slot, world: &mut World) {
        world.record.node(self.node).cause(Cause::LeaseLost);
        self.finish(slot, Outcome::Error, world);
    }

    /// What a frame waited for at a lock is due.
    #[inline(never)]
    pub(super) fn leased_timed(&mut self, slot: Slot, world: &mut World) {
        let give_back = self.leased(slot, world).1.at.give_back;
        let lease = leases(world).innermost(slot);
        let (renews, leaves) = (lease.is_renewal, lease.leaves);
        lease.next.held = !leaves;
        let f = &mut world.frames[slot];
        if renews {
            f.id = f.id.wrapping_add(ROUND);
        }
        f.pc = if leaves { give_back } else { f.pc + 1 };
        self.run(slot, world);
    }

    /// A frame ends in the midst of its steps.
    pub(super) fn free_leased(&mut self, slot: Slot, world: &mut World) {
        if world.data.as_ref().is_some_and(|data| data.leases.is_some()) {
            while leases(world).has(slot) {
                self.leaves_lock(slot, world);
            }
        }
    }

    /// The process of an instance is gone with these frames: what they held nobody gives back.
    pub(super) fn crash_leased(&mut self, inst: u16, lost: &[Slot], world: &mut World) {
        let data = world.data.as_mut();
        let Some(leases) = data.and_then(|data| data.leases.as_mut()) else { return };
        for &slot in lost {
            while leases.has(slot) {
                leases.leave(slot);
            }
        }
        leases.forget((self.node, inst));
    }
}
