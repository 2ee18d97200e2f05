//! Sessions: the requests of one user one after the other, and closed users that begin anew.
//!
//! **Invariant.** A session has at most one request at a time.

use super::{
    run::{ANY, Client},
    source::Source,
};
use crate::{
    engine::random::mix,
    model::{
        frame::{BRANCH, CALLEE_DONE, CALLER_DONE, Frame},
        ids::{NONE, Slot},
        resilience::caller::ATTEMPT,
        service::{instr::Instr, program::Stop},
        world::World,
    },
    outcome::Outcome,
};

impl Client {
    pub(super) fn start_session(&mut self, id: u64, number: u64, world: &mut World) {
        let slot = self.new_frame(id, self.key_and_place(id), (0, 0, BRANCH), world);
        if world.carries {
            world.frames.extra_mut(slot).session = number;
        }
        self.run_session(slot, world);
    }

    pub(super) fn run_session(&mut self, slot: Slot, world: &mut World) {
        let program = self.session.as_ref().expect("sessions have a program");
        match program.advance(slot, world) {
            Stop::At(&Instr::Wait(demand)) => {
                let work = program.demands[usize::from(demand)].work(slot, world);
                world.arm(slot, work.span);
            }
            Stop::At(&Instr::Do { op, .. }) => self.request_of_session(slot, op, world),
            _ if matches!(self.source, Source::Closed { .. }) => self.next_round(slot, world),
            _ => self.end_session(slot, world),
        }
    }

    fn end_session(&mut self, slot: Slot, world: &mut World) {
        if let Some(data) = &mut world.data {
            data.close((self.index, world.frames.extra(slot).session));
        }
        world.frames[slot].flags |= CALLER_DONE | CALLEE_DONE;
        world.release(slot);
    }

    /// A closed user begins anew, with other draws, in the same session (`semantics.md` 42).
    fn next_round(&mut self, slot: Slot, world: &mut World) {
        let id = mix(world.frames[slot].id.wrapping_add(ATTEMPT));
        let number = world.frames.extra(slot).session;
        world.release(slot);
        self.arrived += 1;
        self.start_session(id, number, world);
    }

    fn request_of_session(&mut self, session: Slot, op: u8, world: &mut World) {
        if matches!(self.source, Source::Closed { requests, .. } if self.issued >= requests) {
            return self.end_session(session, world);
        }
        let s = world.frames[session];
        // Each request of a session has an identity of its own.
        let id = mix(s.id ^ mix(s.served.wrapping_add(1)));
        world.frames[session].served += 1;
        let local = if op == ANY { self.choose(id) } else { usize::from(op) };
        let slot = world.frames.alloc(Frame {
            id,
            arrived: world.agenda.now(),
            served: self.issued,
            armed: 0,
            parent: session,
            next: NONE,
            pc: 0,
            op: local as u8,
            flags: 0,
            ..s
        });
        world.frames[session].next = slot;
        if world.carries {
            world.hand_on(session, slot);
            world.frames.extra_mut(slot).intended = world.agenda.now();
        }
        self.issue(slot, local, world);
    }

    /// A session goes on, or ends with its failed request.
    #[inline(never)]
    pub(super) fn after_request(&mut self, session: Slot, outcome: Outcome, world: &mut World) {
        let program = self.session.as_ref().expect("sessions have a program");
        let f = &mut world.frames[session];
        f.next = NONE;
        let Instr::Do { optional, .. } = program.code[usize::from(f.pc)] else {
            unreachable!("a session waits for a request at its `do`")
        };
        if outcome.is_success() || optional {
            f.pc += 1;
        } else {
            f.pc = program.code.len() as u16 - 1;
        }
        self.run_session(session, world);
    }
}
