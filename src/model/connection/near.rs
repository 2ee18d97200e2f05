//! The calling ends of connections: who opens one, which a call takes, when one is closed.
//!
//! **Invariant.** A connection takes no more calls than it has streams, and none once it is too old or known to be gone.

use std::collections::VecDeque;

use super::registry::{
    BITS, Connection, Connections, HALFWAY, IDLE, Near, Pool, QUIET, TO_FAR, TO_NEAR,
};
use crate::{
    engine::random::{descend, mix},
    model::{
        demand::Demand,
        event,
        frame::CONNECT,
        ids::{Host, NONE, NodeId, Slot},
        network::links::Message,
        resilience::flight::Hold,
        route::Route,
        span::Span,
        world::World,
    },
};

/// What an edge says of its connections, ready to run.
#[derive(Clone, Debug)]
pub struct WirePolicy {
    /// Number of its pool.
    pub number: u32,
    /// Connections at once.
    pub size: u64,
    /// Calls on one at once.
    pub streams: u64,
    /// What passes at the caller before it opens one.
    pub time: Option<Demand>,
    /// Messages there and back to open one.
    pub round_trips: u64,
    /// Work at the far end with the last of them.
    pub work: Option<Demand>,
    /// Unused ones that are kept.
    pub keep: u64,
    /// For how long, ns.
    pub idle: u64,
    /// How old one may be.
    pub max_age: Option<Demand>,
    /// How long opening may take, ns.
    pub timeout: u64,
    /// How long its port is taken when it was closed here first, ns.
    pub linger: u64,
    /// Ports of a calling instance.
    pub ports: u64,
}

/// What became of the wish for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// One is ready.
    Ready(u32),
    /// One is being opened; whether this call is the first to want it.
    Opening(u32, bool),
    /// There is no port for another one.
    NoPort,
}

impl Pool {
    fn new(policy: &WirePolicy) -> Self {
        let WirePolicy { streams, keep, idle, linger, .. } = *policy;
        let (free, lingering) = (Vec::new(), VecDeque::new());
        Self { streams, keep, idle, linger, all: 0, free, lingering }
    }
}

impl World {
    pub(super) fn wires(&mut self) -> &mut Connections {
        self.connections.as_mut().expect("a design with far ends keeps connections")
    }

    /// Whether one instance of a node is as good as another.
    fn any_will_do(&self, node: NodeId) -> bool {
        matches!(
            self.routes[usize::from(node)],
            Route::Single | Route::Members(_) | Route::Random(_)
        )
    }

    /// A connection for a call from the instance of a frame to another one.
    pub fn take_connection(&mut self, policy: &WirePolicy, slot: Slot, to: Host) -> Taken {
        let (now, f) = (self.now(), &self.frames[slot]);
        let (near, identity) = ((f.node, f.inst), descend(f.id, u64::from(policy.number) + 1));
        let (place, any) = ((near, policy.number), self.any_will_do(to.0));
        let wires = self.wires();
        wires.pools.entry(place).or_insert_with(|| Pool::new(policy));
        if let Some(id) = wires.take_free(place, (to, any), now) {
            let c = wires.all.get_mut(&id).expect("what is free is there");
            if c.state == Near::Opening {
                c.openers.push(slot);
                return Taken::Opening(id, false);
            }
            return Taken::Ready(id);
        }
        let pool = &wires.pools[&place];
        let spare = pool.free.iter().find(|id| wires.all[id].calls == 0).copied();
        if let Some(id) = spare.filter(|_| pool.all >= policy.size) {
            // One that leads elsewhere, or is too old, makes room.
            self.close_near(id);
        }
        let pool = self.wires().pools.get_mut(&place).expect("it was just there");
        while pool.lingering.front().is_some_and(|&until| until <= now) {
            pool.lingering.pop_front();
        }
        if pool.all + pool.lingering.len() as u64 >= policy.ports {
            return Taken::NoPort;
        }
        Taken::Opening(self.new_connection(policy, (slot, identity), (near, to)), true)
    }

    /// A connection for another call of a frame, if one is open that leads where the first one went.
    pub fn take_ready(&mut self, policy: &WirePolicy, slot: Slot) -> Option<u32> {
        let (now, f) = (self.now(), &self.frames[slot]);
        let place = ((f.node, f.inst), policy.number);
        let to = self.connections.as_ref()?.far_of(self.frames.extra(slot).flight.wire)?;
        let any = self.any_will_do(to.0);
        let wires = self.wires();
        let id = wires.take_free(place, (to, any), now)?;
        if wires.all[&id].state == Near::Open {
            return Some(id);
        }
        self.leave_connection(id, NONE, true);
        None
    }

    fn new_connection(
        &mut self,
        policy: &WirePolicy,
        (slot, identity): (Slot, u64),
        (near, to): (Host, Host),
    ) -> u32 {
        let age = policy.max_age.as_ref().map(|law| law.work(slot, self).nanos);
        let dies = age.map_or(u64::MAX, |age| self.now().saturating_add(age));
        self.record.pools[policy.number as usize].setups += 1;
        let wires = self.wires();
        let id = wires.next;
        wires.next += 1;
        let pool = wires.pools.get_mut(&(near, policy.number)).expect("it was just there");
        pool.all += 1;
        if pool.streams > 1 {
            pool.free.push(id);
        }
        let connection = Connection {
            identity,
            near,
            called: to,
            through: None,
            far: to,
            pool: policy.number,
            state: Near::Opening,
            calls: 1,
            openers: vec![slot],
            trips: policy.round_trips,
            dies,
            idle_since: 0,
            near_due: 0,
            accepted: false,
            inside: Vec::new(),
            left: false,
            greeting: NONE,
            keep_alive: u64::MAX,
            quiet_since: 0,
            far_due: 0,
            reset: false,
        };
        wires.all.insert(id, connection);
        id
    }

    /// The one who has a connection opened sends the next message for it.
    pub fn greet(&mut self, policy: &WirePolicy, slot: Slot, id: u32) {
        let wires = self.wires();
        let Some(c) = wires.all.get(&id) else { return };
        let (called, near, trips) = (c.called, c.near, c.trips);
        let identity = mix(c.identity.wrapping_add(trips));
        let last = trips <= 1;
        let work = policy.work.as_ref().filter(|_| last);
        let work = work.map_or(0, |law| law.work(slot, self).nanos);
        // What it brings is the work it makes.
        let child = self.new_call(slot, called, (CONNECT, work), identity);
        self.frames[slot].next = child;
        self.frames[child].served = u64::from(last);
        self.send(child, near, called, identity);
    }

    /// A greeting was answered; whether the connection is open now.
    pub fn greeted(&mut self, id: u32) -> bool {
        let now = self.now();
        let wires = self.wires();
        let Some(c) = wires.all.get_mut(&id) else { return false };
        c.trips = c.trips.saturating_sub(1);
        if c.trips > 0 {
            return false;
        }
        if c.state == Near::Opening {
            c.state = Near::Open;
        }
        c.idle_since = now;
        let others = c.openers.split_off(1.min(c.openers.len()));
        c.openers.clear();
        for slot in others {
            self.frames.extra_mut(slot).hold = Hold::Wired;
            self.disarm(slot);
            self.arm(slot, Span::ZERO);
        }
        true
    }

    /// A call leaves its connection, which is worth keeping or not; whether it met the end of it.
    pub fn leave_connection(&mut self, id: u32, slot: Slot, usable: bool) -> bool {
        let now = self.now();
        let wires = self.wires();
        let Some(c) = wires.all.get_mut(&id) else { return false };
        c.calls = c.calls.saturating_sub(1);
        let first = c.openers.first() == Some(&slot);
        c.openers.retain(|&opener| opener != slot);
        let Some(pool) = wires.pools.get_mut(&(c.near, c.pool)) else { return false };
        if c.state == Near::Open && (!usable || c.reset || now >= c.dies) {
            c.state = Near::Closing;
            pool.free.retain(|&free| free != id);
        }
        let (reset, idle) = (c.reset, c.calls == 0);
        match c.state {
            Near::Open => {
                if c.calls + 1 == pool.streams {
                    pool.free.push(id);
                }
                if idle {
                    self.is_idle(id);
                }
            }
            // Nobody wants it any more, or the one who had it opened has given up.
            Near::Opening if first || idle => self.fail_opening(id),
            Near::Closing if idle => self.close_near(id),
            _ => {}
        }
        reset
    }

    /// A connection has no call: it is kept for a while, or closed.
    fn is_idle(&mut self, id: u32) {
        let now = self.now();
        let wires = self.wires();
        let Some(c) = wires.all.get_mut(&id) else { return };
        c.idle_since = now;
        let pool = &wires.pools[&(c.near, c.pool)];
        let due = now.saturating_add(pool.idle).min(c.dies);
        let arms = due != u64::MAX && (c.near_due == 0 || due < c.near_due);
        if arms {
            c.near_due = due;
        }
        let idle = pool.free.iter().filter(|id| wires.all[id].calls == 0).count() as u64;
        let first = pool.free.iter().find(|id| wires.all[id].calls == 0).copied();
        let least = first.filter(|_| idle > pool.keep);
        if arms {
            self.agenda.push(due - now, id << BITS | IDLE, event::CONNECTION);
        }
        if let Some(least) = least {
            self.close_near(least);
        }
    }

    /// The calling end closes a connection and says so.
    fn close_near(&mut self, id: u32) {
        let now = self.now();
        let wires = self.wires();
        let Some(c) = wires.all.get_mut(&id) else { return };
        let knows_end = c.reset;
        c.state = Near::Gone;
        if let Some(pool) = wires.pools.get_mut(&(c.near, c.pool)) {
            pool.all -= 1;
            pool.free.retain(|&free| free != id);
            if pool.linger > 0 && !knows_end {
                pool.lingering.push_back(now + pool.linger);
            }
        }
        if knows_end {
            return wires.settle(id);
        }
        self.say_end(id, TO_FAR);
        self.wires().settle(id);
    }

    /// Opening a connection comes to nothing: who else waits for it begins anew.
    fn fail_opening(&mut self, id: u32) {
        let Some(c) = self.wires().all.get_mut(&id) else { return };
        for slot in std::mem::take(&mut c.openers) {
            self.frames.extra_mut(slot).flight.wire = NONE;
            self.frames.extra_mut(slot).hold = Hold::Unwired;
            self.disarm(slot);
            self.arm(slot, Span::ZERO);
        }
        self.close_near(id);
    }

    /// One end tells the other.
    pub(super) fn say_end(&mut self, id: u32, what: u32) {
        let c = &self.wires().all[&id];
        let (from, to) = if what == TO_FAR { (c.near, c.far) } else { (c.far, c.near) };
        let half = c.through.is_some();
        let (called, draw) = (c.called, mix(c.identity ^ u64::from(what)));
        let (to, halfway) = if half { (called, HALFWAY) } else { (to, 0) };
        let what = (id << BITS | what | halfway, event::CONNECTION);
        let message = || Message { id: draw, size: 0 };
        let _ = self.network.send(&mut self.agenda, (from, to), what, message);
    }

    /// Something is due for a connection.
    #[cold]
    pub fn connection_event(&mut self, event: u32) {
        let (id, what) = (event >> BITS, event & ((1 << BITS) - 1));
        self.delivered += u64::from(what >= TO_NEAR);
        let now = self.now();
        let Some(c) = self.wires().all.get(&id) else { return };
        let identity = c.identity ^ u64::from(what);
        let (near, called, far) = (c.near, c.called, c.far);
        self.record.event(now, event::CONNECTION, identity);
        let host = if what & HALFWAY != 0 { called } else { [near, far][(what & 1) as usize] };
        if self.hosts.disturbed && host.0 < self.first_client && self.hosts.is_down(host) {
            return;
        }
        match what {
            IDLE => self.is_it_idle(id),
            QUIET => self.is_it_quiet(id),
            TO_NEAR => self.near_hears(id),
            TO_FAR => self.far_hears(id),
            _ => {
                let what = what & !HALFWAY;
                let to = if what == TO_FAR { far } else { near };
                let message = || Message { id: mix(identity), size: 0 };
                let what = (id << BITS | what, event::CONNECTION);
                let _ = self.network.send(&mut self.agenda, (called, to), what, message);
            }
        }
    }

    /// Whether the calling end has not used one for too long, or it is too old.
    fn is_it_idle(&mut self, id: u32) {
        let now = self.now();
        let wires = self.wires();
        let Some(c) = wires.all.get_mut(&id) else { return };
        if c.near_due != now {
            return;
        }
        c.near_due = 0;
        if c.state != Near::Open || c.calls > 0 {
            return;
        }
        let idle = wires.pools[&(c.near, c.pool)].idle;
        let due = c.idle_since.saturating_add(idle).min(c.dies);
        if due <= now {
            return self.close_near(id);
        }
        c.near_due = due;
        self.agenda.push(due - now, id << BITS | IDLE, event::CONNECTION);
    }

    /// The calling end hears that the other one is gone.
    fn near_hears(&mut self, id: u32) {
        let wires = self.wires();
        let Some(c) = wires.all.get_mut(&id) else { return };
        c.reset = true;
        match c.state {
            Near::Opening => {
                let slot = c.openers.first().copied();
                if let Some(slot) = slot {
                    let child = std::mem::replace(&mut self.frames[slot].next, NONE);
                    if child != NONE {
                        self.give_up(child);
                    }
                }
                self.fail_opening(id);
            }
            Near::Open if c.calls == 0 => self.close_near(id),
            Near::Open => {
                c.state = Near::Closing;
                let key = (c.near, c.pool);
                if let Some(pool) = wires.pools.get_mut(&key) {
                    pool.free.retain(|&free| free != id);
                }
            }
            Near::Closing | Near::Gone => {}
        }
    }
}
