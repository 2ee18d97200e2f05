//! Clients at work: arrivals become sessions or requests, requests become attempts.
//!
//! **Invariant.** Every request that is issued is decided once or in flight at the end.

use std::sync::Arc;

use super::{
    schedule::Schedule,
    source::{Gaps, KeySource, Source, ValueSource, gap_nanos, nth_constant, trace_time},
};
use crate::{
    engine::{
        agenda::SeatId,
        law::to_nanos,
        random::{Stream, descend, mix},
        table::Table,
    },
    model::{
        books::InstanceBooks,
        consistency::operation::Site,
        demand::Demand,
        frame::{BRANCH, CONNECT, Extra, Frame, Frames},
        ids::{Host, NONE, NodeId, Slot},
        node::Node,
        queue::post::Post,
        record::Decided,
        resilience::{
            caller::{self, ATTEMPT, Caller, Edge},
            policy::{EdgePolicy, EdgeState},
        },
        route::Asked,
        service::program::Program,
        span::Span,
        world::World,
    },
    outcome::Outcome,
};

/// Added to the path of the call of a fallback.
const FALLBACK: u64 = 0x27d4_eb2f_1656_67c5;
/// The operation of a `do` that chooses by share.
pub const ANY: u8 = u8::MAX;

/// One operation of a client.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its global number.
    pub op: u8,
    /// Node called.
    pub target: NodeId,
    /// Hash of client and operation, added to the request's identity.
    pub site: u64,
    /// Column of the key space it draws from; `None`: the first.
    pub key: Option<u16>,
    /// Timeout, deadline, retry.
    pub policy: EdgePolicy,
    /// 1 is most urgent.
    pub priority: u8,
    /// Size of the request.
    pub size: Option<Demand>,
    /// It is a message that is ready after so long, ns.
    pub delay: Option<u64>,
    /// Its requests are over as soon as they are sent.
    pub unanswered: bool,
    /// Retry budget and guards.
    pub state: EdgeState,
    /// What takes the place of an answer.
    pub fallback: Option<Fallback>,
    /// The followed store it asks, and what for.
    pub data: Option<Site>,
}

/// What takes the place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// A fixed one.
    Reply,
    /// That of another node.
    Call(NodeId),
}

/// A client.
#[derive(Debug)]
pub struct Client {
    /// Its id.
    pub node: NodeId,
    /// Its number among the clients.
    pub index: u16,
    /// First row of its operations in the record.
    pub first_row: usize,
    /// Its operations in name order.
    pub operations: Table<Operation>,
    /// Row of each global operation.
    pub local_of: Table<u8>,
    /// Cumulative shares; empty: one operation.
    pub shares: Vec<f64>,
    /// The operation of each row of its trace, where rows say that; there are shares then, too.
    pub by_row: Option<Arc<[u8]>>,
    /// Draws of operations.
    pub operation_stream: Stream,
    /// When requests or sessions start.
    pub source: Source,
    /// Draws of backoff jitter.
    pub jitter: Stream,
    /// The request's key.
    pub key: Option<KeySource>,
    /// Column and source of each value requests carry.
    pub values: Vec<(u16, ValueSource)>,
    /// Steps of a session; `None`: one request per arrival.
    pub session: Option<Program>,
    /// Each arrival is a request of its only operation, without key, from one place: nothing to choose.
    pub plain: bool,
    /// A request is its one attempt ([`super::alone`]).
    pub alone: bool,
    /// Number of zones its requests come from in turn.
    pub places: u16,
    /// Salt of identities: a hash of its name.
    pub salt: u64,
    /// What its arrivals are called in the fingerprint.
    pub identity: u64,
    /// Its place in the agenda.
    pub seat: Option<SeatId>,
    /// Requests issued.
    pub issued: u64,
    /// Sessions or single requests per arrival.
    pub batch: u64,
    /// Arrivals (sessions or single requests) so far.
    pub arrived: u64,
    /// Last scheduled constant or trace arrival.
    pub scheduled: u64,
}

/// The operation of the n-th row; from the start again after the last one.
#[cold]
#[inline(never)]
fn of_row(rows: &[u8], n: u64) -> usize {
    usize::from(rows[(n % rows.len() as u64) as usize])
}

#[cold]
#[inline(never)]
fn scheduled(schedule: &Schedule, n: u64) -> u64 {
    schedule.nth(n)
}

impl Node for Client {
    #[inline(always)]
    fn on_reply(&mut self, child: Slot, world: &mut World) {
        self.answered(child, world);
    }

    fn on_timer(&mut self, slot: Slot, world: &mut World) {
        self.timed(slot, world);
    }

    #[inline(always)]
    fn on_late(&mut self, child: Slot, world: &mut World) {
        if self.alone {
            return self.heard(child, world);
        }
        let f = &world.frames[child];
        if f.outcome().is_success() && !self.is_unanswered(f) {
            world.record.late_reply(self.row_of(f));
        }
    }

    fn start(&mut self, world: &mut World) {
        if let Source::Closed { users, .. } = self.source {
            for user in 0..users {
                self.start_session(mix(self.salt.wrapping_add(mix(user))), user, world);
            }
        } else {
            self.schedule(world);
        }
    }

    fn books(&self, _now: u64, _books: &mut Vec<InstanceBooks>) {}
}

impl Caller for Client {
    #[inline(always)]
    fn policy(&self, call: u16) -> &EdgePolicy {
        &self.operations[usize::from(call)].policy
    }

    #[inline(always)]
    fn edge(&mut self, _slot: Slot, call: u16, _world: &World) -> Edge<'_> {
        let Operation { policy, state, .. } = &mut self.operations[usize::from(call)];
        Edge { policy, state, jitter: (&self.jitter, 0) }
    }

    #[cold]
    #[inline(never)]
    fn target(&mut self, slot: Slot, call: u16, shift: u64, world: &mut World) -> Host {
        let operation = &self.operations[usize::from(call)];
        let (f, op) = (&world.frames[slot], operation.op);
        let (key, id) = (f.key, descend(f.id, operation.site.wrapping_add(shift)));
        world.destination(slot, operation.target, Asked { op, key, id })
    }

    #[inline(always)]
    fn send(&mut self, slot: Slot, call: u16, shift: u64, world: &mut World) -> Slot {
        let operation = &self.operations[usize::from(call)];
        self.send_to(slot, (call, operation.target), (operation.site, shift), world)
    }

    /// Its fallback takes the place of an answer, once, or the request is decided.
    fn gave_up(&mut self, slot: Slot, call: u16, outcome: Outcome, world: &mut World) {
        let operation = &self.operations[usize::from(call)];
        let fallback = operation.fallback.filter(|_| !world.frames.extra(slot).fell_back);
        let in_time = world.now() < caller::deadline(self, slot, call, world);
        match fallback {
            Some(Fallback::Reply) => self.decide(slot, Outcome::Degraded, world),
            Some(Fallback::Call(other)) if in_time => {
                let path = operation.site.wrapping_add(FALLBACK);
                let child = self.send_to(slot, (call, other), (path, 0), world);
                world.frames[slot].next = child;
                let extra = world.frames.extra_mut(slot);
                extra.fell_back = true;
                extra.attempt += 1;
                caller::arm(self, slot, call, world);
            }
            _ => self.decide(slot, outcome, world),
        }
    }
}

impl Client {
    /// Attempts of an open request.
    pub fn attempts(&self, slot: Slot, frames: &Frames) -> u16 {
        let policy = self.policy(u16::from(frames[slot].op));
        if policy.tracks { frames.extra(slot).attempt } else { 1 }
    }

    // ---- arrivals --------------------------------------------------------------------------

    /// Schedules the next arrival, if there is one before the end.
    #[inline(always)]
    fn schedule(&mut self, world: &mut World) {
        let now = world.now();
        let end = world.record.end;
        let n = self.scheduled;
        self.scheduled += 1;
        let at = match &mut self.source {
            Source::Poisson(gap, stream) => {
                now.saturating_add(gap_nanos(gap.sample(&mut stream.draw(n))))
            }
            Source::Rate { gaps, profile } => match (gaps, profile.constant()) {
                (Gaps::Law(law, mean, stream), Some(_)) => {
                    let gap = law.sample(&mut stream.draw(n)) / *mean * profile.gap();
                    now.saturating_add(gap_nanos(gap))
                }
                (Gaps::One, Some(rate)) => nth_constant(n + 1, rate * 1e9),
                (gaps, _) => {
                    let amount = gaps.draw(n);
                    profile.advance(amount, end).unwrap_or(u64::MAX)
                }
            },
            Source::Closed { .. } => u64::MAX,
            Source::Trace { times, period } => trace_time(times, *period, n),
            Source::Schedule(schedule) => scheduled(schedule, n),
        };
        if at < end {
            world.arrival(self.node, self.seat, at);
        }
    }

    /// One or several sessions or requests start, and the next arrival is scheduled.
    #[inline(always)]
    pub fn arrive(&mut self, world: &mut World) {
        if self.batch == 1 {
            self.arrive_one(world);
        } else {
            (0..self.batch).for_each(|_| self.arrive_one(world));
        }
        self.schedule(world);
    }

    #[inline(always)]
    fn arrive_one(&mut self, world: &mut World) {
        let id = mix(self.salt.wrapping_add(self.arrived.wrapping_mul(ATTEMPT)));
        if !self.plain && self.session.is_some() {
            self.start_session(id, self.arrived, world);
        } else {
            self.start_request(id, world);
        }
        self.arrived += 1;
    }

    // ---- what a request or session carries ---------------------------------------------------

    /// Key and place of a request or session.
    #[inline(always)]
    pub(super) fn key_and_place(&self, id: u64) -> (u64, u16) {
        let key = match &self.key {
            None => id,
            Some(source) => source.draw(id, self.arrived),
        };
        let inst = if self.places > 1 { (self.arrived % u64::from(self.places)) as u16 } else { 0 };
        (key, inst)
    }

    /// A frame of this client with attributes of its own.
    #[inline(always)]
    pub(super) fn new_frame(
        &mut self,
        id: u64,
        (key, inst): (u64, u16),
        (op, number, flags): (u8, u64, u8),
        world: &mut World,
    ) -> Slot {
        let slot = world.frames.alloc(Frame {
            id,
            key,
            arrived: world.agenda.now(),
            waited: 0,
            served: number,
            armed: 0,
            parent: NONE,
            next: NONE,
            node: self.node,
            inst,
            pc: 0,
            op,
            flags,
        });
        if world.carries {
            self.fill(slot, id, world);
        }
        slot
    }

    /// The cold half of a request or session.
    #[inline(never)]
    fn fill(&mut self, slot: Slot, id: u64, world: &mut World) {
        let mut attributes = NONE;
        if world.attributes.width > 0 {
            attributes = world.attributes.row();
            let row = world.attributes.values_mut(attributes);
            row.fill(0.0);
            for (column, source) in &self.values {
                row[usize::from(*column)] = source.draw(id, self.arrived);
            }
        }
        *world.frames.extra_mut(slot) = Extra {
            intended: world.agenda.now(),
            session: self.arrived,
            attributes,
            client: self.index,
            ..Extra::EMPTY
        };
    }

    // ---- requests --------------------------------------------------------------------------

    #[inline(always)]
    pub(super) fn choose(&self, id: u64) -> usize {
        if self.shares.is_empty() {
            return 0;
        }
        if let Some(rows) = &self.by_row {
            return of_row(rows, self.arrived);
        }
        let u = self.operation_stream.draw_mixed(id).unit();
        self.shares.iter().position(|&s| u < s).unwrap_or(self.shares.len() - 1)
    }

    #[inline(always)]
    fn start_request(&mut self, id: u64, world: &mut World) {
        let (local, drawn) =
            if self.plain { (0, (id, 0)) } else { (self.choose(id), self.key_and_place(id)) };
        if self.alone {
            return self.ask(id, (local, drawn.0, drawn.1), world);
        }
        let slot = self.new_frame(id, drawn, (local as u8, self.issued, 0), world);
        self.issue(slot, local, world);
    }

    /// Issues a request: its intended send is now.
    #[inline(always)]
    pub(super) fn issue(&mut self, slot: Slot, local: usize, world: &mut World) {
        let row = self.first_row + local;
        let now = world.now();
        self.issued += 1;
        if world.carries {
            let operation = &self.operations[local];
            let size = operation.size.as_ref().map_or(0, |d| to_nanos(d.amount(slot, world)));
            let extra = world.frames.extra_mut(slot);
            extra.size = size;
            extra.request_op = local as u8;
            extra.priority = operation.priority;
            extra.deadline = operation.policy.deadline.map_or(u64::MAX, |d| now.saturating_add(d));
            if let Some(column) = operation.key {
                let row = extra.attributes;
                world.frames[slot].key = world.attributes.get(row, column) as u64;
            }
        }
        let (record, frames) = (&mut world.record, &world.frames);
        record.issue(row, now, || frames[slot].inst);
        if world.laden && self.tell_of(slot, local, world) {
            return;
        }
        caller::begin(self, slot, local as u16, world);
    }

    /// Tells who follows the data of a request that begins; whether it is over, as nobody waits for an answer.
    #[cold]
    #[inline(never)]
    fn tell_of(&mut self, slot: Slot, local: usize, world: &mut World) -> bool {
        let operation = &self.operations[local];
        if let Some(tokens) = world.data.as_mut().and_then(|data| data.tokens.as_mut()) {
            let session = self.session.is_some().then(|| world.frames.extra(slot).session);
            let session = session.map(|session| (self.index, session));
            tokens.begin(slot, session, operation.policy.asks.guarantees);
        }
        if let Some(site) = &operation.data {
            world.data_begins(slot, site, world.frames[slot].key);
        }
        let unanswered = operation.unanswered;
        if unanswered {
            let (site, target) = (operation.site, operation.target);
            world.frames.extra_mut(slot).begin_call(world.agenda.now());
            world.frames.extra_mut(slot).attempt = 1;
            let child = self.send_to(slot, (local as u16, target), (site, 0), world);
            world.give_up(child);
            // By an event of its own: a session would recurse here.
            world.arm(slot, Span::ZERO);
        }
        unanswered
    }

    /// Whether a visit is one whose answer nobody waits for.
    #[cold]
    #[inline(never)]
    fn is_unanswered(&self, visit: &Frame) -> bool {
        // Nor for one that was to open a connection.
        visit.op == CONNECT
            || self.operations[usize::from(self.local_of[usize::from(visit.op)])].unanswered
    }

    /// Sends a message of a request to a node, by a path that keys its draws, with what the attempt adds to it.
    #[inline(always)]
    fn send_to(
        &self,
        slot: Slot,
        (call, target): (u16, NodeId),
        (path, shift): (u64, u64),
        world: &mut World,
    ) -> Slot {
        let operation = &self.operations[usize::from(call)];
        let (f, op) = (&world.frames[slot], operation.op);
        let id = descend(f.id, path.wrapping_add(shift));
        let (key, from) = (f.key, (self.node, f.inst));
        let target = world.destination(slot, target, Asked { op, key, id });
        let child = world.new_call(slot, target, (op, key), id);
        if world.laden {
            let asked = operation.policy.asks.once;
            world.identify((slot, child), asked, |id| descend(id, operation.site));
            if let Some(delay) = operation.delay {
                world.put_post(child, Post::Delay(delay));
            }
        }
        world.send(child, from, target, id);
        child
    }

    #[inline(always)]
    fn answered(&mut self, child: Slot, world: &mut World) {
        let f = &world.frames[child];
        let (slot, mut outcome) = (f.parent, f.outcome());
        let call = u16::from(world.frames[slot].op);
        if self.policy(call).tracks {
            if world.frames.extra(slot).fell_back {
                if outcome.is_success() {
                    outcome = Outcome::Degraded;
                }
            } else if caller::waits_on(self, (slot, call), (child, outcome), world) {
                return;
            }
        }
        if outcome.is_success() {
            if world.laden
                && let Some(data) = &mut world.data
            {
                data.bring(child, slot);
            }
            return self.decide(slot, outcome, world);
        }
        world.failed_visit(child, slot);
        let f = &mut world.frames[slot];
        f.next = NONE;
        // The lane drops dead timers by itself.
        f.armed = 0;
        caller::failed(self, slot, call, outcome, world);
    }

    fn timed(&mut self, slot: Slot, world: &mut World) {
        let f = &mut world.frames[slot];
        f.armed = 0;
        if f.flags & BRANCH != 0 {
            f.pc += 1;
            return self.run_session(slot, world);
        }
        let call = u16::from(f.op);
        if self.operations[usize::from(call)].unanswered {
            return self.decide(slot, Outcome::Ok, world);
        }
        caller::timed(self, slot, call, world);
    }

    #[inline(always)]
    fn decide(&mut self, slot: Slot, outcome: Outcome, world: &mut World) {
        let now = world.now();
        if world.laden && outcome == Outcome::Ok {
            self.told(slot, world);
        }
        let f = &world.frames[slot];
        let session = f.parent;
        let (mut attempts, mut in_time) = (1, true);
        if self.operations[usize::from(f.op)].policy.tracks {
            let extra = world.frames.extra(slot);
            attempts = extra.attempt.wrapping_add_signed(extra.surplus);
            in_time = now <= caller::deadline(self, slot, u16::from(f.op), world);
        }
        let decided = Decided {
            intended: f.arrived,
            operation: self.first_row + usize::from(f.op),
            attempts,
            outcome,
            in_time,
        };
        let (record, frames) = (&mut world.record, &world.frames);
        if record.decide(now, &decided, || frames[slot].inst) {
            let (number, key) = (f.served, self.key.is_some().then_some(f.key));
            record.sample(now, &decided.copy(), number, key);
        }
        world.release(slot);
        if session != NONE {
            self.after_request(session, outcome, world);
        }
    }

    /// Tells who follows the data of a request that ended well.
    #[inline(never)]
    fn told(&self, slot: Slot, world: &mut World) {
        world.data_done(slot);
        let now = world.now();
        let Some(data) = &mut world.data else { return };
        if self.session.is_some() {
            data.decided(slot, (self.index, world.frames.extra(slot).session), now);
        }
    }
}
