//! What begins: requests, and the frames they lead to.

use super::{Follower, Live, Message, Root};
use crate::{
    engine::random::mix,
    model::{
        client::{alone::asked_by, run::Client},
        event,
        frame::{BRANCH, CALLER_DONE, CONNECT, FINISHED, FREE, Frame, LETTER},
        ids::{Host, NONE, Slot},
        queue::post::Post,
        sim::Simulation,
        watch::{
            Follow,
            at::{clients, part_of, waits},
            spans::{Course, Ending, Part, SpanKind, WatchedRequest, WatchedSpan},
        },
        world::{COPY_SHIFT, pack, unpack},
    },
    outcome::Outcome,
};

impl Follower {
    /// Requests that were wished for and have been sent.
    pub(super) fn find_requests(&mut self, sim: &Simulation, begun: &[Slot]) {
        for (i, client) in clients(sim).enumerate() {
            let before = std::mem::replace(&mut self.issued[i], client.issued);
            if before == client.issued {
                continue;
            }
            let sent = |wish: &Follow| {
                usize::from(wish.client) == i && (before..client.issued).contains(&wish.number)
            };
            let (found, rest) = self.wishes.iter().partition(|wish| sent(wish));
            self.wishes = rest;
            for wish in found {
                self.begin_request(sim, (client, wish), begun);
            }
        }
    }

    fn begin_request(
        &mut self,
        sim: &Simulation,
        (client, Follow { number, .. }): (&Client, Follow),
        begun: &[Slot],
    ) {
        let (frames, now) = (&sim.world.frames, sim.world.now());
        let of_it = |&(slot, f): &(Slot, &Frame)| {
            if client.alone {
                asked_by(f) == Some(client.node) && frames.extra(slot).session == number
            } else {
                f.node == client.node && f.flags & BRANCH == 0 && f.served == number
            }
        };
        let Some((slot, f)) = frames.iter().find(of_it) else { return };
        let operation =
            if client.alone { client.row_of(f) - client.first_row } else { f.op.into() };
        let request = self.requests.len();
        self.requests.push(WatchedRequest {
            client: client.index,
            number,
            operation: operation as u16,
            intended: now,
            key: client.key.is_some().then_some(f.key),
            attempts: 1,
            decided: None,
            parts: Vec::new(),
            spans: Vec::new(),
        });
        if client.alone {
            return self.begin_call(sim, (request, None), (slot, unpack(f.parent), now), NONE);
        }
        let course = Course::new(part_of(sim, slot), now);
        let called = f.next;
        self.roots.push(Root { slot, id: f.id, request, course, called });
        let child = f.next;
        if waits(sim, slot) && !begun.contains(&child) {
            self.begin_call(sim, (request, None), (child, (f.node, f.inst), now), slot);
        }
        if client.operations[usize::from(f.op)].unanswered {
            let here = pack(f.node, f.inst);
            let its = |slot: &&Slot| {
                let f = &frames[**slot];
                f.parent == here && f.flags & (CALLER_DONE | BRANCH) == CALLER_DONE
            };
            if let Some(&sent) = begun.iter().find(its) {
                self.begin_sent(sim, (request, None), sent, SpanKind::Attempt);
            }
        }
    }

    /// What a message is on its way to; none: it is lost already.
    fn to(f: &Frame) -> Option<Host> {
        (f.node != FREE).then_some((f.node, f.inst))
    }

    /// A frame has begun: whether it is one of a watched request.
    pub(super) fn place(&mut self, sim: &Simulation, slot: Slot) {
        let f = &sim.world.frames[slot];
        if f.node == FREE || f.node == LETTER || f.op >= CONNECT || self.is_known(slot, f.id) {
            return;
        }
        if f.flags & CALLER_DONE == 0 {
            self.place_called(sim, slot, f);
        } else {
            self.place_alone(sim, slot, f);
        }
    }

    /// Calls may begin in slots that were freed in the same event, too.
    pub(super) fn find_calls(&mut self, sim: &Simulation) {
        let frames = &sim.world.frames;
        let mut called = Vec::new();
        let live = self.live.iter_mut().map(|live| (live.slot, live.id, &mut live.called));
        let roots = self.roots.iter_mut().map(|root| (root.slot, root.id, &mut root.called));
        for (slot, id, known) in live.chain(roots) {
            let next = frames[slot].next;
            if next != *known && frames[slot].id == id {
                *known = next;
                called.extend(waits(sim, slot).then_some(next));
            }
        }
        for slot in called {
            self.place(sim, slot);
        }
    }

    fn is_known(&self, slot: Slot, id: u64) -> bool {
        self.live.iter().any(|live| (live.slot, live.id) == (slot, id))
            || self.roots.iter().any(|root| (root.slot, root.id) == (slot, id))
    }

    /// Somebody waits for it.
    fn place_called(&mut self, sim: &Simulation, slot: Slot, f: &Frame) {
        let now = sim.world.now();
        if f.parent == NONE {
            return;
        }
        // The slot may be another frame's by now.
        let calls = |slot: Slot, id: u64| slot == f.parent && sim.world.frames[slot].id == id;
        if let Some(root) = self.roots.iter().find(|root| calls(root.slot, root.id)) {
            let from = &sim.world.frames[root.slot];
            let start = root.course.held_since().unwrap_or(now);
            let (request, at) = (root.request, (from.node, from.inst));
            return self.begin_call(sim, (request, None), (slot, at, start), f.parent);
        }
        let Some(caller) = self.live.iter().find(|live| calls(live.slot, live.id)) else { return };
        let Some((span, course)) = &caller.open else { return };
        let of = (caller.request, Some(*span));
        if f.flags & BRANCH != 0 {
            return self.begin_inside(sim, of, slot, SpanKind::Branch);
        }
        let start = course.held_since().unwrap_or(now);
        self.begin_call(sim, of, (slot, caller.host, start), f.parent);
    }

    /// Nobody does.
    fn place_alone(&mut self, sim: &Simulation, slot: Slot, f: &Frame) {
        if let Some(&Post::Visit(batch)) = sim.world.post_of(slot) {
            return self.place_message(sim, slot, batch);
        }
        let copied = self.live.iter().find(|live| live.id.wrapping_add(COPY_SHIFT) == f.id);
        if let Some(live) = copied {
            let of = (live.request, live.call.map(|(_, call)| call).or(live.above));
            return self.begin_visit(of, (slot, f), SpanKind::Copy);
        }
        let here = unpack(f.parent);
        let at = |live: &&Live| live.open.is_some() && live.host == here;
        if f.flags & BRANCH != 0 {
            let of = self.live.iter().filter(at).find(|live| mix(live.id) == f.id);
            if let Some((live, (span, _))) = of.and_then(|live| Some((live, live.open.as_ref()?))) {
                let of = (live.request, Some(*span));
                self.begin_inside(sim, of, slot, SpanKind::Background);
            }
            return;
        }
        let actor = self.before.actor;
        let mut those = self.live.iter().filter(at);
        // What goes on after an answer began in this event, too.
        let rest = || self.live.iter().rfind(|live| live.kind == SpanKind::Background && at(live));
        let found = match (self.live.iter().find(|live| live.slot == actor), rest()) {
            (Some(live), Some(rest)) if mix(live.id) == rest.id => Some(rest),
            (Some(live), _) => Some(live).filter(at),
            (None, _) if self.before.kind == Some(event::TICK) => {
                those.next().filter(|_| those.next().is_none())
            }
            (None, _) => None,
        };
        if let Some((live, (span, _))) = found.and_then(|live| Some((live, live.open.as_ref()?))) {
            let of = (live.request, Some(*span));
            self.begin_sent(sim, of, slot, SpanKind::Send);
        }
    }

    fn place_message(&mut self, sim: &Simulation, slot: Slot, batch: Slot) {
        let Some(Post::Batch(all)) = sim.world.post_of(batch) else { return };
        let number = all.fared.len();
        let Some((_, message)) = all.messages.get(number) else { return };
        let Some(of) = self.messages.get(&message.identity) else { return };
        let of = (of.request, Some(of.above));
        self.begin_inside(sim, of, slot, SpanKind::Message);
        if let Some(live) = self.live.last_mut() {
            live.batch = (batch, number);
        }
    }

    fn begin_span(&mut self, request: usize, span: WatchedSpan) -> usize {
        let spans = &mut self.requests[request].spans;
        spans.push(span);
        spans.len() - 1
    }

    /// A call leaves `from`, or has waited there to be sent since `start`.
    fn begin_call(
        &mut self,
        sim: &Simulation,
        (request, parent): (usize, Option<usize>),
        (slot, (node, instance), start): (Slot, (u16, u16), u64),
        caller: Slot,
    ) {
        let (f, now) = (&sim.world.frames[slot], sim.world.now());
        let kind = if parent.is_none() { SpanKind::Attempt } else { SpanKind::Call };
        let to = Some((f.node, f.inst));
        let (end, ended, mut parts) = (None, None, Vec::new());
        Course::new(Part::Permit, start).end(now, &mut parts);
        let span = WatchedSpan { parent, node, instance, to, kind, start, end, ended, parts };
        let call = self.begin_span(request, span);
        self.begin_visit((request, Some(call)), (slot, f), SpanKind::Visit);
        if let Some(live) = self.live.last_mut() {
            (live.call, live.alone) = (Some((caller, call)), caller == NONE);
        }
    }

    /// A message leaves that nobody waits for.
    fn begin_sent(
        &mut self,
        sim: &Simulation,
        (request, parent): (usize, Option<usize>),
        slot: Slot,
        kind: SpanKind,
    ) {
        let (f, now) = (&sim.world.frames[slot], sim.world.now());
        let (node, instance) = unpack(f.parent);
        let (to, start, end) = (Self::to(f), now, Some(now));
        let ended = Some(Ending::With(Outcome::Ok));
        let parts = Vec::new();
        let span = WatchedSpan { parent, node, instance, to, kind, start, end, ended, parts };
        let sent = self.begin_span(request, span);
        if to.is_some() {
            self.begin_visit((request, Some(sent)), (slot, f), SpanKind::Visit);
        }
    }

    /// A visit is on its way.
    fn begin_visit(
        &mut self,
        (request, above): (usize, Option<usize>),
        (slot, f): (Slot, &Frame),
        kind: SpanKind,
    ) {
        let (call, alone, open, called, batch) = (None, false, None, NONE, (NONE, 0));
        let (id, host) = (f.id, (f.node, f.inst));
        self.live.push(Live {
            slot,
            id,
            host,
            request,
            kind,
            call,
            alone,
            above,
            open,
            called,
            batch,
        });
    }

    /// Something begins where its parent is, or for it.
    fn begin_inside(
        &mut self,
        sim: &Simulation,
        (request, above): (usize, Option<usize>),
        slot: Slot,
        kind: SpanKind,
    ) {
        self.begin_visit((request, above), (slot, &sim.world.frames[slot]), kind);
        self.open(sim, self.live.len() - 1);
    }

    /// A frame is where it is to be.
    pub(super) fn open(&mut self, sim: &Simulation, i: usize) {
        let now = sim.world.now();
        let Live { slot, host: (node, instance), request, kind, above: parent, .. } = self.live[i];
        let (f, to) = (&sim.world.frames[slot], None);
        let (start, end, ended, parts) = (now, None, None, Vec::new());
        let span = WatchedSpan { parent, node, instance, to, kind, start, end, ended, parts };
        let span = self.begin_span(request, span);
        // One that has left already is at nothing.
        let there = f.node != FREE && f.armed != FINISHED;
        let part = if there { part_of(sim, slot) } else { Part::Pause };
        self.live[i].open = Some((span, Course::new(part, now)));
        if let Some(identity) = self.before.message.filter(|_| self.before.slot == slot) {
            let message = Message { request, above: span, done: false };
            if self.messages.insert(identity, message).is_none_or(|before| before.done) {
                self.waiting += 1;
            }
        }
    }
}
