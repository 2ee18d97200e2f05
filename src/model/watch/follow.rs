//! The frames of watched requests before and after each event.
//!
//! Two frames of one request are told by their parents while somebody waits for their answer. What nobody waits for is
//! told by who was at work in the event in which it began.
//!
//! **Invariant.** A span has ended when its frame is finished or is another one by now.

mod begin;

use std::collections::BTreeMap;

use super::{
    Follow,
    at::{clients, node, part_of},
    spans::{Course, Ending, Part, SpanKind, WatchedRequest},
};
use crate::{
    engine::agenda::Popped,
    model::{
        any_node::AnyNode,
        event,
        frame::{CALLER_DONE, CONNECT, FINISHED, FREE, IN_TRANSIT},
        ids::{Host, NONE, Slot},
        queue::{host::record, post::Post},
        sim::Simulation,
    },
    outcome::Outcome,
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
