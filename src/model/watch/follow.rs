//! The frames of watched requests before and after each event.
//!
//! Two frames of one request are told by their parents while somebody waits for their answer. What nobody waits for is
//! told by who was at work in the event in which it began.
//!
//! **Invariant.** A span has ended when its frame is finished or is another one by now.

use std::collections::BTreeMap;

use super::{
    Follow,
    at::{clients, node, part_of, waits},
    spans::{Course, Ending, Part, SpanKind, WatchedRequest, WatchedSpan},
};
use crate::{
    engine::{agenda::Popped, random::mix},
    model::{
        any_node::AnyNode,
        client::{alone::asked_by, run::Client},
        event,
        frame::{BRANCH, CALLER_DONE, CONNECT, FINISHED, FREE, Frame, IN_TRANSIT, LETTER},
        ids::{Host, NONE, Slot},
        outcome::Outcome,
        queue::{host::record, post::Post},
        sim::Simulation,
        world::{COPY_SHIFT, pack, unpack},
    },
};

/// A request that has a frame of its own.
#[derive(Debug)]
struct Root {
    slot: Slot,
    id: u64,
    request: usize,
    course: Course,
    /// What it called last.
    called: Slot,
}

/// A frame of a watched request.
#[derive(Debug)]
struct Live {
    slot: Slot,
    id: u64,
    /// Where it is, or is on its way to.
    host: Host,
    request: usize,
    kind: SpanKind,
    /// Who waits for its answer, and the span of that.
    call: Option<(Slot, usize)>,
    /// The request is this frame and has no other.
    alone: bool,
    /// The span that a visit belongs to.
    above: Option<usize>,
    /// The span that is under way here.
    open: Option<(usize, Course)>,
    /// What it called last.
    called: Slot,
    /// Of a message: the batch it is of, and the how manyth of it.
    batch: (Slot, usize),
}

/// A message of a watched request, at a broker.
#[derive(Debug)]
struct Message {
    request: usize,
    above: usize,
    done: bool,
}

/// What is known of an event before it happens.
#[derive(Clone, Copy, Debug)]
struct Before {
    /// None: a stop between two events.
    kind: Option<u8>,
    slot: Slot,
    /// The frame whose turn it is.
    actor: Slot,
    /// How the answer that arrives says it went.
    outcome: Outcome,
    /// The visit that is called off.
    cancels: Slot,
    /// The identity of the message that arrives at a broker.
    message: Option<u64>,
}

const STOP: Before = Before {
    kind: None,
    slot: NONE,
    actor: NONE,
    outcome: Outcome::Ok,
    cancels: NONE,
    message: None,
};

impl Before {
    fn is(&self, kind: u8, slot: Slot) -> bool {
        self.kind == Some(kind) && self.slot == slot
    }

    /// Processes may die in it.
    fn kills(&self) -> bool {
        self.kind.is_none_or(|kind| kind == event::FATE)
    }
}

/// Who follows requests.
#[derive(Debug)]
pub(super) struct Follower {
    /// Those that have not been sent.
    wishes: Vec<Follow>,
    /// How many requests each client had issued.
    issued: Vec<u64>,
    roots: Vec<Root>,
    live: Vec<Live>,
    /// By identity.
    messages: BTreeMap<u64, Message>,
    /// Of these, those that nobody has worked off.
    waiting: usize,
    requests: Vec<WatchedRequest>,
    before: Before,
}

impl Follower {
    pub(super) fn new(wishes: &[Follow]) -> Self {
        Self {
            wishes: wishes.to_vec(),
            issued: Vec::new(),
            roots: Vec::new(),
            live: Vec::new(),
            messages: BTreeMap::new(),
            waiting: 0,
            requests: Vec::new(),
            before: STOP,
        }
    }

    /// Until when there is nothing to be seen, ns; none: there is something.
    pub(super) fn idle_until(&self) -> Option<u64> {
        let idle = self.roots.is_empty() && self.live.is_empty() && self.waiting == 0;
        let next = || self.wishes.iter().map(|wish| wish.at.unwrap_or(0)).min();
        idle.then(|| next().unwrap_or(u64::MAX))
    }

    /// Events have happened unseen.
    pub(super) fn resume(&mut self, sim: &Simulation) {
        self.issued = clients(sim).map(|client| client.issued).collect();
    }

    /// An event is about to happen, or (none) something between two.
    pub(super) fn before(&mut self, sim: &mut Simulation, event: Option<Popped>) {
        if self.issued.is_empty() {
            self.resume(sim);
        }
        self.before = event.map_or(STOP, |event| of(event, sim));
        sim.world.begun_visit();
        sim.world.frames.note();
    }

    /// It has happened.
    pub(super) fn after(&mut self, sim: &mut Simulation) {
        let mut begun = sim.world.frames.begun();
        // It may have begun in a slot that was freed in the same event.
        begun.extend(sim.world.begun_visit());
        if !self.wishes.is_empty() {
            self.find_requests(sim, &begun);
        }
        let fewer = self.live.len();
        for i in 0..fewer {
            self.arrive(sim, i);
        }
        for slot in begun {
            self.place(sim, slot);
        }
        self.find_calls(sim);
        for i in 0..self.live.len() {
            // Those that began in it are as they are.
            self.look(sim, i, i >= fewer);
        }
        let frames = &sim.world.frames;
        let is_there = |slot: Slot, id: u64| frames[slot].node != FREE && frames[slot].id == id;
        self.live.retain(|live| is_there(live.slot, live.id));
        let now = sim.world.now();
        let requests = &mut self.requests;
        self.roots.retain_mut(|root| {
            let parts = &mut requests[root.request].parts;
            let there = is_there(root.slot, root.id);
            if there {
                root.course.turn(part_of(sim, root.slot), now, parts);
            } else {
                root.course.end(now, parts);
                requests[root.request].decided = Some(now);
            }
            there
        });
    }

    /// What was seen, as the run ends.
    pub(super) fn seen(mut self, sim: &Simulation) -> Vec<WatchedRequest> {
        let now = sim.world.now();
        for live in &self.live {
            if let Some((span, course)) = &live.open {
                course.end(now, &mut self.requests[live.request].spans[*span].parts);
            }
            if let Some((_, call)) = live.call {
                let span = &mut self.requests[live.request].spans[call];
                Course::new(Part::Calling, span.parts.last().map_or(span.start, |of| of.2))
                    .end(now, &mut span.parts);
            }
        }
        for root in &self.roots {
            let request = &mut self.requests[root.request];
            root.course.end(now, &mut request.parts);
            if let AnyNode::Client(client) = node(sim, &sim.world.frames[root.slot]) {
                request.attempts = client.attempts(root.slot, &sim.world.frames);
            }
        }
        self.requests
    }

    // ---- what begins -------------------------------------------------------------------------

    /// Requests that were wished for and have been sent.
    fn find_requests(&mut self, sim: &Simulation, begun: &[Slot]) {
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
    fn place(&mut self, sim: &Simulation, slot: Slot) {
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
    fn find_calls(&mut self, sim: &Simulation) {
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
    fn open(&mut self, sim: &Simulation, i: usize) {
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

    // ---- what goes on ------------------------------------------------------------------------

    /// A visit may have come to where it was to go.
    fn arrive(&mut self, sim: &Simulation, i: usize) {
        let Live { slot, id, .. } = self.live[i];
        let f = &sim.world.frames[slot];
        if f.id != id || self.live[i].open.is_some() {
            return;
        }
        let gone = f.node == FREE;
        if !gone {
            self.live[i].host = (f.node, f.inst);
        }
        // It may have come and left in this event.
        let came = self.before.is(event::DELIVER, slot) && f.arrived == sim.world.now();
        if came || !gone && f.armed != FINISHED && f.armed != IN_TRANSIT {
            self.open(sim, i);
        }
    }

    /// What has become of a frame; whether it began in this very event.
    fn look(&mut self, sim: &Simulation, i: usize, new: bool) {
        let now = sim.world.now();
        let Live { slot, id, call, alone, request, .. } = self.live[i];
        let f = &sim.world.frames[slot];
        let reused = f.node != FREE && f.id != id;
        let gone = reused || f.node == FREE;
        if let Some((caller, call)) = call {
            let answered = self.before.is(event::REPLY, slot) && !new;
            if answered {
                self.end_call(i, call, now, Ending::With(self.before.outcome));
            } else if gone || f.flags & CALLER_DONE != 0 && !alone {
                let how = match self.before {
                    before if before.kills() => Ending::Crashed,
                    before if before.is(event::TIMER, caller) => Ending::With(Outcome::Timeout),
                    _ => Ending::Cancelled,
                };
                self.end_call(i, call, now, how);
            }
            if alone && answered {
                self.requests[request].decided = Some(now);
            }
        }
        let finished = gone || f.armed == FINISHED;
        let how = finished.then(|| self.ending(sim, i, reused));
        let Some((span, course)) = &mut self.live[i].open else { return };
        let span = &mut self.requests[request].spans[*span];
        match how {
            None => course.turn(part_of(sim, slot), now, &mut span.parts),
            Some(how) => {
                course.end(now, &mut span.parts);
                (span.end, span.ended) = (Some(now), Some(how));
                self.live[i].open = None;
                self.message_ended(i, how);
            }
        }
    }

    fn end_call(&mut self, i: usize, call: usize, now: u64, how: Ending) {
        let live = &mut self.live[i];
        live.call = None;
        let span = &mut self.requests[live.request].spans[call];
        let from = span.parts.last().map_or(span.start, |of| of.2);
        Course::new(Part::Calling, from).end(now, &mut span.parts);
        (span.end, span.ended) = (Some(now), Some(how));
    }

    /// How a frame that is finished ended.
    fn ending(&self, sim: &Simulation, i: usize, reused: bool) -> Ending {
        let Live { slot, kind, batch: (batch, number), .. } = self.live[i];
        let f = &sim.world.frames[slot];
        if self.before.kills() {
            return Ending::Crashed;
        }
        if kind == SpanKind::Message {
            let fared = match sim.world.post_of(batch) {
                Some(Post::Batch(all)) => all.fared.get(number).copied(),
                _ => None,
            };
            let well = fared == Some(true);
            return Ending::With(if well { Outcome::Ok } else { Outcome::Error });
        }
        let unasked = matches!(kind, SpanKind::Branch | SpanKind::Background);
        let dropped = unasked && f.node == FREE && self.before.actor != slot;
        if reused || dropped || self.before.cancels == slot {
            return Ending::Cancelled;
        }
        Outcome::ALL.get(usize::from(f.pc)).map_or(Ending::Cancelled, |how| Ending::With(*how))
    }

    /// A visit for a message has ended: nobody has to wait for another one if it went well.
    fn message_ended(&mut self, i: usize, how: Ending) {
        let Live { kind, above, .. } = self.live[i];
        if kind != SpanKind::Message || how != Ending::With(Outcome::Ok) {
            return;
        }
        let its = |message: &&mut Message| Some(message.above) == above && !message.done;
        let request = self.live[i].request;
        if let Some(message) =
            self.messages.values_mut().filter(|of| of.request == request).find(its)
        {
            message.done = true;
            self.waiting -= 1;
        }
    }
}

/// What is known of an event before it happens.
fn of(Popped { kind, slot, .. }: Popped, sim: &Simulation) -> Before {
    let frames = &sim.world.frames;
    let mut before = Before { kind: Some(kind), slot, ..STOP };
    match kind {
        event::TIMER => before.actor = slot,
        event::DELIVER => {
            before.actor = slot;
            if let AnyNode::Server(server) = node(sim, &frames[slot])
                && (server.broker.is_some() || server.log.is_some())
                && frames[slot].op < CONNECT
            {
                before.message = Some(record(slot, &sim.world).identity);
            }
        }
        event::REPLY => {
            let f = &frames[slot];
            before.actor = if f.flags & CALLER_DONE == 0 { f.parent } else { slot };
            let how = Outcome::ALL.get(usize::from(f.pc));
            before.outcome = how.copied().unwrap_or(Outcome::Error);
        }
        event::CANCEL => before.cancels = frames[slot].key as Slot,
        _ => {}
    }
    before
}
