//! Logs of sagas: how far each is, put down in a store, and how it goes on after its process has died.
//!
//! What an instance leaves behind when it dies are branches that wait until it is back. Then each reads its record, and
//! goes on from there: what was done after that is done again.
//!
//! **Invariant.** A saga with a log goes on when the store has said that it has what was put down.

use super::{
    instr::{Instr, Part},
    sagas::{LogAt, Logged, Open, is_over},
    server::Server,
    undo::{ROUND, pause},
};
use crate::{
    engine::random::mix,
    model::{consistency::logged::Progress, ids::Slot, span::Span, world::World},
    outcome::Outcome,
};

/// Shift of a branch's identity each time it puts down the same anew.
const AGAIN: u64 = 0xe7a1_5c3b_9d24_f865;
/// Where the number of a record says how often the process of its saga had died.
const DEATHS: u32 = 32;

impl Server {
    /// The saga of a frame, which has a log, and how far that is.
    fn logged(&mut self, slot: Slot) -> (&mut Open, Logged) {
        let open = self.sagas.as_mut().and_then(|sagas| sagas.open.get_mut(&slot));
        let open = open.expect("it began");
        let log = open.log.expect("it has a log");
        (open, log)
    }

    /// A branch stands at a place of a saga that has a log.
    pub(super) fn at_log(&mut self, slot: Slot, part: Part, world: &mut World) {
        let (open, mut log) = self.logged(slot);
        let next =
            Progress { number: log.number + 1, parts: open.parts, failed: open.failed.is_some() };
        let mut to = world.frames[slot].pc + 1;
        match part {
            Part::Log => {
                if let Some(data) = &mut world.data {
                    data.is_at_log(slot, log.key, next);
                }
            }
            Part::Missed => {
                log.rounds += 1;
                open.log = Some(log);
                let f = &mut world.frames[slot];
                f.id = f.id.wrapping_add(AGAIN);
                let after = pause(f.id);
                return world.arm(slot, Span::of(after));
            }
            Part::Logged => {
                let f = &mut world.frames[slot];
                f.id = f.id.wrapping_sub(AGAIN.wrapping_mul(log.rounds));
                (log.number, log.rounds, log.begun) = (next.number, 0, true);
                log.fails = next.failed;
                open.log = Some(log);
                if let Some(data) = &mut world.data {
                    data.leaves_log(slot);
                }
            }
            Part::Fails => {
                let (saga, parts) = (usize::from(open.saga), usize::from(open.parts));
                to = self.program.sagas[saga].undo[parts];
            }
            _ => match self.resumes_from(slot, world) {
                Some(next) => to = next,
                None => return self.finish(slot, Outcome::Ok, world),
            },
        }
        world.frames[slot].pc = to;
        self.run(slot, world);
    }

    /// Where the program of a saga goes on whose record was read; nowhere if it is over, or nothing is known of it.
    fn resumes_from(&mut self, slot: Slot, world: &mut World) -> Option<u16> {
        let (open, mut log) = self.logged(slot);
        let (at, number) = (*open, usize::from(open.saga));
        let f = &mut world.frames[slot];
        f.id = f.id.wrapping_sub(AGAIN.wrapping_mul(log.rounds));
        let data = world.data.as_mut()?;
        data.leaves_log(slot);
        let version = data.version(slot);
        let found = data.logs.as_ref().and_then(|logs| logs.record(log.key, version));
        let sagas = self.sagas.as_mut()?;
        let Some(record) = found else {
            sagas.open.remove(&slot);
            sagas.count(world, |all| all.unfinished += u64::from(log.begun));
            is_over(Some(at), world);
            return None;
        };
        let saga = &self.program.sagas[number];
        let all = if record.failed { 0 } else { saga.parts.len() };
        if usize::from(record.parts) == all {
            sagas.open.remove(&slot);
            sagas.count(world, |all| {
                *if record.failed { &mut all.compensated } else { &mut all.done } += 1;
            });
            is_over(Some(at), world);
            return None;
        }
        (log.rounds, log.number) = (0, log.deaths << DEATHS);
        (log.begun, log.fails, log.lost) = (true, record.failed, false);
        let failed = record.failed.then_some(Outcome::Error);
        let open = Open { parts: record.parts, failed, log: Some(log), ..at };
        sagas.open.insert(slot, open);
        sagas.count(world, |all| *all.resumed.get_or_insert(0) += 1);
        let parts = if record.failed { &saga.undo } else { &saga.parts };
        Some(parts[usize::from(record.parts)])
    }

    /// A branch fails or is called off that is in a saga: whether that is over, as it is certainly not put down that it began.
    pub(super) fn ends_at_log(&self, slot: Slot, open: &Open, world: &mut World) -> bool {
        let Some(log) = open.log else { return false };
        if let Some(data) = &mut world.data {
            data.leaves_log(slot);
        }
        let refused = !log.begun && open.at.is_some_and(|(_, turned_away)| turned_away);
        if refused {
            is_over(Some(*open), world);
        }
        refused
    }

    /// The process of an instance is gone with these frames: what is put down of their sagas stays.
    pub(super) fn crash_sagas(&mut self, lost: &[Slot], world: &mut World) {
        for &slot in lost {
            let Some(sagas) = &mut self.sagas else { return };
            let Some(mut open) = sagas.open.remove(&slot) else { continue };
            let at = self.program.sagas[usize::from(open.saga)].log;
            let (Some(log), Some(LogAt { resumes, .. })) = (&mut open.log, at) else {
                sagas.count(world, |all| all.unfinished += 1);
                continue;
            };
            log.lost = true;
            log.deaths += 1;
            if let Some(data) = &mut world.data {
                data.leaves_log(slot);
            }
            let id = mix(open.id.wrapping_add(ROUND));
            self.takes_place(slot, open, (id, resumes, true), world);
        }
    }

    /// An instance is back: the sagas that its process left behind ask how far they are.
    pub(super) fn resume_sagas(&self, inst: u16, world: &mut World) {
        let Some(sagas) = &self.sagas else { return };
        for &slot in sagas.open.keys() {
            let f = &world.frames[slot];
            let asks = matches!(self.program.code[usize::from(f.pc)], Instr::Saga(Part::Asks, _));
            if f.inst == inst && asks && f.armed == 0 {
                world.arm(slot, Span::ZERO);
            }
        }
    }
}
