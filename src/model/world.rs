//! The world: everything a node may touch while it handles an event.
//!
//! Nodes call one another by frames (`frame.rs`) that travel as messages; the world keeps the
//! agenda, the frames, the network and the probe, and is the only way by which a node acts.
//!
//! **Invariant.** Every visit that arrives at a node departs exactly once or is inside at the end.

use super::{
    attributes::Attributes,
    clock::run::{Clocks, Reading},
    connection::{kept::KeptConnections, registry::Connections},
    consistency::observer::Observer,
    fault::hosts::Hosts,
    frame::{
        ABANDONED, BRANCH, CALLEE_DONE, CALLER_DONE, Extra, FINISHED, FREE, Frame, Frames, IN_ROOM,
        IN_TRANSIT, LETTER, UNSEEN,
    },
    network::links::{Message, Network},
    queue::mail::Mail,
    record::Recorder,
    replication::letters::Letters,
    resilience::{elsewhere::Elsewhere, rate_limit::Limiter},
    route::{Asked, Route},
    tick::Tick,
};
use crate::{
    cause::Cause,
    engine::{
        agenda::{Agenda, Popped, SeatId},
        table::Table,
    },
    model::{
        event,
        ids::{AttrRef, Host, NONE, NodeId, Slot},
        network::send::Fate,
        span::Span,
    },
    outcome::Outcome,
};

/// Shifts a visit's identity for the draws of its reply and its cancellation.
const REPLY_SHIFT: u64 = 0x5851_f42d_4c95_7f2d;
const CANCEL_SHIFT: u64 = 0x2545_f491_4f6c_dd1d;
pub(super) const COPY_SHIFT: u64 = 0x1405_7b7e_f767_814f;
/// The same for the answer of a dns node and for the call that follows it.
pub(super) const ANSWER_SHIFT: u64 = 0x8cb9_2ba7_2f3d_8dd7;
pub(super) const QUESTION_SHIFT: u64 = 0xaaaa_9c3f_6d2b_1e05;

/// Everything a node may touch.
#[derive(Debug)]
pub struct World {
    /// Clock and future events.
    pub agenda: Agenda,
    /// Requests, visits, branches.
    pub frames: Frames,
    /// Zones and links.
    pub network: Network,
    /// Instances under faults.
    pub hosts: Hosts,
    /// What is recorded.
    pub record: Recorder,
    /// How each entity is reached.
    pub routes: Table<Route>,
    /// Values of attributes.
    pub attributes: Attributes,
    /// Calls hand on the cold half of frames (deadlines, sizes, attributes, sessions ...).
    pub carries: bool,
    /// What nodes do by themselves.
    pub ticks: Table<Tick>,
    /// Salt of the draws by which calls without a balancer find an instance.
    pub route_salt: u64,
    /// They carry that, or versions of data: asked first, where most designs have neither.
    pub laden: bool,
    /// Versions of data on their way, and who judges what becomes of them; none: no store is followed.
    pub data: Option<Box<Observer>>,
    /// What frames carry between replicas; none: no node has any.
    pub letters: Option<Box<Letters>>,
    /// What is seen of messages from outside; none: there are no queues.
    pub mail: Option<Box<Mail>>,
    /// Where calls have been whose next attempt goes elsewhere; none: no edge says so.
    pub elsewhere: Option<Box<Elsewhere>>,
    /// What time instances think it is; none: all know.
    pub clocks: Option<Box<Clocks>>,
    /// Rate limiters that the instances of a node share.
    pub limiters: Vec<Limiter>,
    /// Connections with two ends; none: nobody knows of any.
    pub connections: Option<Box<Connections>>,
    /// Connections that are kept beyond single calls; none: no step says so.
    pub kept: Option<Box<KeptConnections>>,
    /// What is called off right now has taken too long; otherwise nobody needs it any more.
    pub overdue: bool,
    /// Messages delivered (calls, replies, cancellations that arrived).
    pub delivered: u64,
    /// First client's id.
    pub first_client: NodeId,
}

/// Whether an event still means something.
#[inline(always)]
fn is_live(event: Popped, frames: &Frames, ticks: &Table<Tick>, network: &Network) -> bool {
    match event.kind {
        event::TIMER => frames[event.slot].armed == event.sequence,
        event::TICK => ticks[event.slot as usize].armed == event.sequence,
        event::LINE => network.awaits(event.slot, event.sequence),
        _ => true,
    }
}

impl World {
    /// Current simulated time, ns.
    #[inline(always)]
    pub fn now(&self) -> u64 {
        self.agenda.now()
    }

    /// What a clock of an instance shows.
    #[inline(always)]
    pub fn clock(&mut self, host: Host) -> Reading {
        let now = self.now();
        match &mut self.clocks {
            None => Reading { steady: now, wall: now },
            Some(clocks) => clocks.read(host, now),
        }
    }

    /// What time it is where a frame is, by a clock that is never set, ns.
    #[inline(always)]
    pub fn time_at(&mut self, slot: Slot) -> u64 {
        if self.clocks.is_none() {
            return self.now();
        }
        let f = &self.frames[slot];
        self.clock((f.node, f.inst)).steady
    }

    // ---- calls -----------------------------------------------------------------------------

    /// Node and instance a call from the frame `caller` to `target` goes to without a balancer.
    #[inline(always)]
    pub fn destination(&mut self, caller: Slot, target: NodeId, asked: Asked) -> (NodeId, u16) {
        match &mut self.routes[usize::from(target)] {
            // Spared a jump that may go anywhere.
            Route::Single => (target, 0),
            Route::Inside => (target, self.frames[caller].inst),
            Route::Answer(_) => self.resolved(caller, target, asked),
            Route::Replicas(_) | Route::Shifting(_) | Route::Members(_) | Route::Partitions(_) => {
                self.replica(caller, target, None, asked)
            }
            route => (target, route.instance(asked.key, asked.id ^ self.route_salt)),
        }
    }

    /// A new frame for a call from `parent`, not yet sent; `what` is the operation and its key.
    #[inline(always)]
    pub fn new_call(
        &mut self,
        parent: Slot,
        target: (NodeId, u16),
        what: (u8, u64),
        id: u64,
    ) -> Slot {
        let child = self.frames.alloc(Frame {
            id,
            key: what.1,
            arrived: 0,
            waited: 0,
            served: 0,
            armed: IN_TRANSIT,
            parent,
            next: NONE,
            node: target.0,
            inst: target.1,
            pc: 0,
            op: what.0,
            flags: 0,
        });
        if self.laden {
            self.load(parent, child);
        }
        child
    }

    /// Hands on to a child frame what calls carry besides keys.
    #[inline(never)]
    fn load(&mut self, parent: Slot, child: Slot) {
        if self.carries {
            self.hand_on(parent, child);
        }
        if let Some(data) = &mut self.data {
            data.descend(parent, child);
        }
        if self.connections.is_some() {
            let wire = self.frames.extra(parent).flight.wire;
            let extra = self.frames.extra_mut(child);
            (extra.wire, extra.flight.wire) = (wire, NONE);
        }
    }

    /// A frame was begun for another one: if all attempts of it are one, `path` gives its identity without them by that
    /// one's.
    #[inline]
    pub fn identify(
        &mut self,
        (parent, child): (Slot, Slot),
        asked: bool,
        path: impl FnOnce(u64) -> u64,
    ) {
        let ids = (self.frames[parent].id, self.frames[child].id);
        if let Some(data) = self.data.as_mut().filter(|data| data.repeats) {
            data.identify((parent, ids.0), (child, ids.1), asked, path);
        }
    }

    /// Hands the cold half on to a child frame.
    pub fn hand_on(&mut self, parent: Slot, child: Slot) {
        let from = *self.frames.extra(parent);
        self.attributes.share(from.attributes);
        *self.frames.extra_mut(child) = Extra {
            deadline: from.deadline,
            intended: from.intended,
            session: from.session,
            size: from.size,
            attributes: from.attributes,
            client: from.client,
            request_op: from.request_op,
            priority: from.priority,
            depth: from.depth,
            ..Extra::EMPTY
        };
    }

    /// Sends a call of identity `id` on its way between two places. The caller then remembers `child`
    /// in its `next`.
    #[inline(always)]
    pub fn send(&mut self, child: Slot, from: (NodeId, u16), to: (NodeId, u16), id: u64) {
        let size = || if self.carries { self.frames.extra(child).size } else { 0 };
        let message = || Message { id, size: size() };
        match self.network.send(&mut self.agenda, (from, to), (child, event::DELIVER), message) {
            Fate::Sent => {}
            // The callee will never hear of it, so it will never speak.
            Fate::Lost => self.frames[child].flags |= CALLEE_DONE,
            Fate::Refused => self.refused(child, id),
            Fate::Twice(later) => self.send_twice(child, (from, to), id, later),
        }
    }

    /// Sends a probe, of which the way is told apart: no request waits for it.
    #[cold]
    pub fn send_probe(&mut self, child: Slot, from: (NodeId, u16), to: (NodeId, u16), id: u64) {
        self.apart(from, to, |world| world.send(child, from, to, id));
    }

    /// Answers a probe.
    #[cold]
    pub fn reply_probe(&mut self, slot: Slot, outcome: Outcome) {
        let f = &self.frames[slot];
        let (from, to) = ((f.node, f.inst), self.caller(f.parent, f.flags));
        self.apart(from, to, |world| world.reply(slot, outcome));
    }

    fn apart(&mut self, from: (NodeId, u16), to: (NodeId, u16), send: impl FnOnce(&mut Self)) {
        let link = self.network.link_between(from, to);
        link.tell_apart(true);
        let before = link.travelled();
        send(self);
        let link = self.network.link_between(from, to);
        link.tell_apart(false);
        let more = link.travelled() - before;
        self.network.probes += more;
    }

    /// Where the caller of a visit with this parent and these flags is, or was.
    #[inline(always)]
    pub(super) fn caller(&self, parent: Slot, flags: u8) -> (NodeId, u16) {
        if flags & CALLER_DONE != 0 {
            return unpack(parent);
        }
        let caller = &self.frames[parent];
        (caller.node, caller.inst)
    }

    /// The network refuses a call: its caller hears of it at once.
    #[cold]
    fn refused(&mut self, child: Slot, id: u64) {
        let f = &mut self.frames[child];
        (f.pc, f.armed) = (Outcome::Error as u16, FINISHED);
        let message = || Message { id, size: 0 };
        self.record.node(self.frames[child].node).cause(Cause::Unreachable);
        self.network.inside.send(&mut self.agenda, (child, event::REPLY), message);
    }

    /// A call arrives twice: its copy is a visit nobody waits for.
    #[cold]
    fn send_twice(
        &mut self,
        child: Slot,
        (from, to): ((NodeId, u16), (NodeId, u16)),
        id: u64,
        later: u64,
    ) {
        // Two visits of one identity could be taken for one another when one is called off.
        let copy = self.frames.alloc(Frame {
            id: self.frames[child].id.wrapping_add(COPY_SHIFT),
            parent: pack(from.0, from.1),
            flags: CALLER_DONE,
            ..self.frames[child]
        });
        let mut size = 0;
        if self.carries {
            let extra = *self.frames.extra(child);
            size = extra.size;
            self.attributes.share(extra.attributes);
            *self.frames.extra_mut(copy) = extra;
        }
        let Frame { parent, flags, .. } = self.frames[child];
        if let Some(data) = &mut self.data {
            data.descend(child, copy);
            if flags & CALLER_DONE == 0 {
                data.asked_twice(parent);
            }
        }
        // It is a visit by itself.
        self.frames.extra_mut(copy).wire = NONE;
        self.identify((child, copy), false, |id| id);
        let message = Message { id: id.wrapping_add(COPY_SHIFT), size };
        let link = self.network.link_between(from, to);
        if !link.send_later(&mut self.agenda, (copy, event::DELIVER), message, later) {
            self.release(copy);
        }
    }

    /// Answers a call: the reply leaves for the caller (or for where the caller was).
    #[inline(always)]
    pub fn reply(&mut self, slot: Slot, outcome: Outcome) {
        self.reply_as(slot, outcome, (event::REPLY, REPLY_SHIFT));
    }

    /// Answers a call by a message of a kind whose draw identity is the visit's, shifted.
    #[inline(always)]
    pub(super) fn reply_as(&mut self, slot: Slot, outcome: Outcome, (kind, shift): (u8, u64)) {
        let f = &mut self.frames[slot];
        f.pc = outcome as u16;
        f.armed = FINISHED;
        let (parent, flags) = (f.parent, f.flags);
        let from = (f.node, f.inst);
        let to = self.caller(parent, flags);
        let size = || if self.carries { self.frames.extra(slot).reply_size } else { 0 };
        let id = || self.frames[slot].id.wrapping_add(shift);
        let message = || Message { id: id(), size: size() };
        let fate = self.network.send(&mut self.agenda, (from, to), (slot, kind), message);
        if fate != Fate::Sent {
            self.frames[slot].flags |= CALLEE_DONE;
            self.release_if_done(slot);
        }
    }

    /// The caller stops waiting for `child`.
    pub fn give_up(&mut self, child: Slot) {
        if self.frames[child].armed == UNSEEN {
            self.leaves_door(child);
        }
        let f = &self.frames[child];
        let caller = &self.frames[f.parent];
        let address = pack(caller.node, caller.inst);
        let f = &mut self.frames[child];
        f.flags |= CALLER_DONE;
        f.parent = address;
        self.release_if_done(child);
    }

    /// The caller stops waiting for `child` and calls it off by a message.
    pub fn call_off(&mut self, child: Slot) {
        let f = &self.frames[child];
        debug_assert!(f.flags & CALLER_DONE == 0, "the caller still holds the call");
        let caller = &self.frames[f.parent];
        let (from, to) = ((caller.node, caller.inst), (f.node, f.inst));
        let id = f.id.wrapping_add(CANCEL_SHIFT);
        // A door sees its caller go.
        let lost_already =
            f.flags & CALLEE_DONE != 0 || f.armed == UNSEEN && self.leaves_door(child);
        self.give_up(child);
        if !lost_already {
            // The message names the visit by slot and identity; the slot may be reused before it
            // arrives, the identity is not.
            let letter = self.frames.alloc(Frame {
                key: u64::from(child),
                node: LETTER,
                op: u8::from(self.overdue),
                flags: CALLER_DONE,
                ..self.frames[child]
            });
            let message = || Message { id, size: 0 };
            let fate =
                self.network.send(&mut self.agenda, (from, to), (letter, event::CANCEL), message);
            if fate != Fate::Sent {
                self.frames.release(letter);
            }
        }
    }

    /// The visit a cancellation that arrived is about, if it is still at work, and whether it took too long.
    pub fn open_letter(&mut self, letter: Slot) -> Option<(Slot, bool)> {
        let Frame { key, id, op, .. } = self.frames[letter];
        self.frames.release(letter);
        let f = &self.frames[key as Slot];
        // What overtook its call finds nothing, also where the call stands before a paused host by now.
        let at_work = f.id == id && f.node != FREE && f.armed < UNSEEN;
        at_work.then_some((key as Slot, op != 0))
    }

    /// Frees a frame that neither side holds any more.
    #[inline(always)]
    pub fn release_if_done(&mut self, slot: Slot) {
        let flags = self.frames[slot].flags;
        if flags & (CALLER_DONE | CALLEE_DONE | IN_ROOM) == CALLER_DONE | CALLEE_DONE {
            self.release(slot);
        }
    }

    /// Frees a frame.
    #[inline(always)]
    pub fn release(&mut self, slot: Slot) {
        if self.laden {
            self.unload(slot);
        }
        self.frames.release(slot);
    }

    /// Frees the frame of a letter whose message was taken out: it is about no data.
    #[inline(always)]
    pub fn release_letter(&mut self, slot: Slot) {
        if self.carries || self.connections.is_some() {
            self.unload(slot);
        }
        self.frames.release(slot);
    }

    #[inline(never)]
    fn unload(&mut self, slot: Slot) {
        if self.carries {
            self.drop_attributes(slot);
        }
        if let Some(data) = &mut self.data {
            data.forget(slot);
        }
        if let Some(letters) = &mut self.letters {
            letters.drop_from(slot);
        }
        if self.connections.is_some() {
            // What was called off, or lost.
            self.off_its_wire(slot);
        }
    }

    #[inline(never)]
    fn drop_attributes(&mut self, slot: Slot) {
        let row = self.frames.extra(slot).attributes;
        self.attributes.drop_row(row);
        self.frames.extra_mut(slot).attributes = NONE;
    }

    // ---- timers ----------------------------------------------------------------------------

    /// Arms the frame's one timer.
    #[inline(always)]
    pub fn arm(&mut self, slot: Slot, span: Span) {
        let sequence = match span.lane {
            Some(lane) => self.agenda.push_lane(lane, slot, event::TIMER),
            None => self.agenda.push(span.nanos(), slot, event::TIMER),
        };
        self.frames[slot].armed = sequence;
    }

    /// Disarms it; a late firing finds nothing.
    #[inline(always)]
    pub fn disarm(&mut self, slot: Slot) {
        if self.frames[slot].armed != 0 {
            self.frames[slot].armed = 0;
            self.note_dead();
        }
    }

    /// Arms a node's own tick `delay` ns from now, instead of whatever it was armed with.
    #[inline(always)]
    pub fn arm_tick(&mut self, tick: u32, delay: u64) {
        let tick_at = &mut self.ticks[tick as usize];
        let was_armed = tick_at.armed != 0;
        tick_at.armed = self.agenda.push(delay, tick, event::TICK);
        if was_armed {
            self.note_dead();
        }
    }

    /// Schedules the next arrival of a client (now, if that is past), on its seat if it has one.
    #[inline(always)]
    pub fn arrival(&mut self, client: NodeId, seat: Option<SeatId>, at: u64) {
        let slot = u32::from(client);
        match seat {
            Some(seat) => self.agenda.push_seat(seat, at, slot, event::ARRIVAL),
            None => self.agenda.push(at.saturating_sub(self.now()), slot, event::ARRIVAL),
        };
    }

    /// Disarms a tick.
    pub fn disarm_tick(&mut self, tick: u32) {
        if std::mem::take(&mut self.ticks[tick as usize].armed) != 0 {
            self.note_dead();
        }
    }

    #[inline(always)]
    fn note_dead(&mut self) {
        if self.agenda.note_dead() {
            self.drop_dead();
        }
    }

    #[cold]
    fn drop_dead(&mut self) {
        let (frames, ticks, network) = (&self.frames, &self.ticks, &self.network);
        self.agenda.retain(|event| is_live(event, frames, ticks, network));
    }

    /// A timer was due that is dead: those behind it in its lane mostly are, too.
    #[cold]
    pub fn drop_dead_timers(&mut self) {
        let (frames, ticks, network) = (&self.frames, &self.ticks, &self.network);
        self.agenda.drop_front(|event| is_live(event, frames, ticks, network));
    }

    // ---- visits ----------------------------------------------------------------------------

    /// A visit arrived at its node.
    #[inline(always)]
    pub fn arrive(&mut self, slot: Slot) {
        let now = self.agenda.now();
        let f = &mut self.frames[slot];
        if f.armed == UNSEEN {
            return self.let_in(slot);
        }
        f.arrived = now;
        f.armed = 0;
        self.record.node(f.node).arrive(now);
    }

    /// A visit that runs steps ends: its figures are recorded (the reply is sent apart).
    #[inline(always)]
    pub fn depart(&mut self, slot: Slot, outcome: Outcome) {
        let now = self.agenda.now();
        let from = self.record.measured_from;
        let f = &self.frames[slot];
        let node = self.record.node(f.node);
        if now > f.arrived || !outcome.is_refusal() {
            node.waiting.record(f.waited);
            node.service.record(f.served);
        }
        node.depart(now, f.arrived, from, Ok(outcome));
    }

    /// What a formula or condition refers to, for a frame.
    #[inline]
    pub fn attribute(&self, attribute: AttrRef, slot: Slot) -> f64 {
        let (f, extra) = (&self.frames[slot], self.frames.extra(slot));
        match attribute {
            AttrRef::Value(column) => self.attributes.get(extra.attributes, column),
            AttrRef::Key => f.key as f64,
            AttrRef::Size => extra.size as f64,
            AttrRef::Operation => f64::from(f.op),
            AttrRef::Client => f64::from(extra.client),
            AttrRef::Session => extra.session as f64,
            AttrRef::Zone => f64::from(self.network.zone_of(f.node, f.inst)),
            AttrRef::Instance => f64::from(f.inst),
            AttrRef::Depth => f64::from(extra.depth),
        }
    }

    /// Whether a frame is the branch of another.
    #[inline(always)]
    pub fn is_branch(&self, slot: Slot) -> bool {
        self.frames[slot].flags & BRANCH != 0
    }

    /// A room drops a frame that left it without service.
    pub fn leave_room(&mut self, slot: Slot) {
        self.frames[slot].flags &= !(IN_ROOM | ABANDONED);
        self.release_if_done(slot);
    }
}

/// A caller's address kept in a frame's `parent` once the caller has given up.
#[inline]
pub fn pack(node: u16, inst: u16) -> u32 {
    u32::from(node) << 16 | u32::from(inst)
}

/// The address kept by [`pack`].
#[inline]
pub fn unpack(address: u32) -> (u16, u16) {
    ((address >> 16) as u16, address as u16)
}
