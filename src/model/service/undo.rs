//! How a saga goes: its parts one after the other, and what undoes them when one fails.
//!
//! A saga runs in a branch of its visit. When a part fails, a fresh branch takes its place and undoes; another one each
//! time that this fails in turn. Whoever is called off leaves one behind that nobody waits for.
//!
//! **Invariant.** A branch that was in a saga and ends without its end has left another one behind.

use super::{
    instr::{Instr, Part},
    program::Whole,
    sagas::{Logged, Open, is_over},
    server::Server,
};
use crate::{
    engine::random::mix,
    model::{
        frame::{BRANCH, CALLEE_DONE, CALLER_DONE, FINISHED, Frame},
        ids::{NONE, Slot},
        span::Span,
        world::{World, pack},
    },
    outcome::Outcome,
};

/// Shift of a branch's identity each time a fresh one takes its place.
pub(super) const ROUND: u64 = 0x8a5c_d789_635d_2dff;
/// How long it takes in the mean until what failed to be undone, or put down, is tried again, ns.
const PAUSE: u64 = 1_000_000_000;

/// How long whoever has this identity waits until then, ns.
pub(super) fn pause(id: u64) -> u64 {
    PAUSE / 2 + ((u128::from(mix(id)) * u128::from(PAUSE)) >> 64) as u64
}

impl Server {
    /// A branch stands at a place of a saga.
    #[cold]
    #[inline(never)]
    pub(super) fn at_saga(&mut self, slot: Slot, (part, saga): (Part, u16), world: &mut World) {
        let Some(sagas) = &mut self.sagas else { return };
        let id = world.frames[slot].id;
        match part {
            Part::Begin => {
                let log = self.program.sagas[usize::from(saga)].log;
                let log = log.map(|_| Logged::new(mix(id)));
                sagas.open.insert(slot, Open { saga, parts: 0, id, at: None, failed: None, log });
            }
            Part::Did => sagas.open.get_mut(&slot).expect("it began").parts += 1,
            Part::Done => {
                let open = sagas.open.remove(&slot);
                sagas.count(world, |all| all.done += 1);
                is_over(open, world);
            }
            Part::Undo | Part::Asks => {}
            Part::Undone => sagas.open.get_mut(&slot).expect("it began").parts -= 1,
            Part::Compensated => {
                let open = sagas.open.remove(&slot).expect("it began");
                sagas.count(world, |all| all.compensated += 1);
                is_over(Some(open), world);
                return self.finish(slot, open.failed.unwrap_or(Outcome::Error), world);
            }
            Part::Log | Part::Missed | Part::Logged | Part::Fails | Part::Looks => {
                return self.at_log(slot, part, world);
            }
        }
        world.frames[slot].pc += 1;
        self.run(slot, world);
    }

    /// A branch fails by a call at this place that ended so.
    #[cold]
    #[inline(never)]
    pub(super) fn fails_at(
        &mut self,
        slot: Slot,
        (at, call): (u16, u16),
        how: Outcome,
        world: &World,
    ) {
        let policy = &self.program.edges[usize::from(self.program.calls[usize::from(call)].edge)];
        let first = !policy.tracks || world.frames.extra(slot).attempt <= 1;
        let turned_away = first && (how.is_refusal() || how == Outcome::BreakerOpen);
        if let Some(open) = self.sagas.as_mut().and_then(|sagas| sagas.open.get_mut(&slot)) {
            open.at = Some((at, turned_away));
        }
    }

    /// Whether something of the part that a branch is at may have been done.
    fn may_be_done(&self, open: &Open, pc: u16, called_off: bool) -> bool {
        let parts = &self.program.sagas[usize::from(open.saga)].parts;
        // All are done, and that is being put down.
        let Some(&first) = parts.get(usize::from(open.parts)) else { return false };
        let (last, turned_away) = open.at.unwrap_or((pc, false));
        let does = |at: u16| match self.program.code[usize::from(at)] {
            Instr::Call(_) => at < last || !turned_away,
            Instr::Fork(fork) => {
                at < last
                    || match self.program.forks[usize::from(fork)].whole {
                        None => true,
                        // What is within and failed is undone by now.
                        Some(Whole::Saga) => false,
                        // If nobody waits for it, it may yet be decided.
                        Some(Whole::Transaction) => called_off,
                    }
            }
            Instr::Send(_) | Instr::Cache(..) => true,
            _ => false,
        };
        (first..=last).any(does)
    }

    /// A branch failed, or was called off and is about to be let go of: if it was in a saga, a fresh one undoes what was done.
    #[cold]
    #[inline(never)]
    pub(super) fn undoes(
        &mut self,
        slot: Slot,
        (how, called_off): (Outcome, bool),
        world: &mut World,
    ) -> bool {
        let Some(sagas) = &mut self.sagas else { return false };
        let Some(mut open) = sagas.open.remove(&slot) else { return false };
        if self.ends_at_log(slot, &open, world) {
            return false;
        }
        let old = world.frames[slot];
        let id = mix(open.id.wrapping_add(ROUND));
        let mut after = 0;
        if open.failed.is_some() {
            after = pause(id);
        } else {
            open.parts += u16::from(self.may_be_done(&open, old.pc, called_off));
            open.failed = Some(how);
        }
        let apart = called_off || old.flags & CALLER_DONE != 0;
        let saga = &self.program.sagas[usize::from(open.saga)];
        let fails = saga.log.filter(|_| !open.log.is_some_and(|log| log.fails));
        let pc = fails.map_or(saga.undo[usize::from(open.parts)], |log| log.fails);
        let fresh = self.takes_place(slot, open, (id, pc, apart), world);
        if !apart {
            Self::unlink(old.parent, slot, world);
            Self::link((old.parent, fresh), 0, world);
        }
        world.arm(fresh, Span::of(after));
        if !called_off {
            let f = &mut world.frames[slot];
            f.armed = FINISHED;
            f.flags |= CALLER_DONE | CALLEE_DONE;
            world.release_if_done(slot);
        }
        true
    }

    /// A fresh branch of this identity takes the place of another one in a saga: it stands there, and `apart` if nobody
    /// waits for it.
    pub(super) fn takes_place(
        &mut self,
        slot: Slot,
        open: Open,
        (id, pc, apart): (u64, u16, bool),
        world: &mut World,
    ) -> Slot {
        let old = world.frames[slot];
        let fresh = world.begin_inside(Frame {
            id,
            parent: if apart { pack(old.node, old.inst) } else { old.parent },
            flags: BRANCH | if apart { CALLER_DONE } else { 0 },
            armed: 0,
            next: NONE,
            pc,
            ..old
        });
        if world.carries {
            world.hand_on(slot, fresh);
            world.frames.extra_mut(fresh).deadline = u64::MAX;
        }
        if let Some(data) = &mut world.data {
            data.descend(slot, fresh);
        }
        if world.laden {
            // It is one with the one before, whatever loop that was in.
            let shift = old.id.wrapping_sub(open.id);
            world.identify((slot, fresh), false, |id| id.wrapping_sub(shift));
        }
        if let Some(sagas) = &mut self.sagas {
            let log = open.log.map(|log| Logged { rounds: 0, ..log });
            sagas.open.insert(fresh, Open { id, at: None, log, ..open });
        }
        fresh
    }
}
