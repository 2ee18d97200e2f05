//! The balancer at work: each request is passed on to the instance its policy chooses; the reply
//! comes back the same way.

use super::{health::Health, policy::Chooser};
use crate::{
    cause::Cause,
    engine::random::{Draw, Stream, descend},
    model::{
        books::InstanceBooks,
        frame::{BRANCH, CALLEE_DONE, CONNECT, FINISHED, IN_ROOM},
        ids::{NONE, NodeId, Slot},
        node::Node,
        span::Span,
        world::World,
    },
    outcome::Outcome,
};

/// A load balancer.
#[allow(clippy::struct_excessive_bools, reason = "what its file says, each by itself")]
#[derive(Debug)]
pub struct Balancer {
    /// Its id.
    pub node: NodeId,
    /// What it knows.
    pub chooser: Chooser,
    /// Node and instance of each index of the pool.
    pub pool: Vec<(NodeId, u16)>,
    /// Cumulative weights of the groups; empty: one group.
    pub weights: Vec<f64>,
    /// The same by version of its spec.
    pub versions: Vec<Vec<f64>>,
    /// Draws of choices.
    pub stream: Stream,
    /// What it knows of its targets; none: it takes all for healthy.
    pub health: Option<Box<Health>>,
    /// How long it waits for a target; none: for ever.
    pub timeout: Option<Span>,
    /// What is outstanding at a target that is taken for down fails at once.
    pub resets: bool,
    /// It chooses by session, not by key.
    pub sticky: bool,
    /// Weights are spread evenly, not by chance.
    pub smooth: bool,
    /// It chooses for connections, not for requests.
    pub by_connection: bool,
    /// Where it begins to take turns.
    pub place: u64,
    /// Hash of its name, added to identities on the way down.
    pub site: u64,
    /// Arrivals so far.
    pub arrivals: u64,
    /// Departures so far.
    pub departures: u64,
}

impl Node for Balancer {
    fn set_version(&mut self, version: usize) {
        if let Some(weights) = self.versions.get(version) {
            self.weights.clone_from(weights);
        }
    }

    fn withdraw(&mut self, host: (NodeId, u16), out: bool, world: &mut World) {
        let now = world.now();
        self.learn(|health| health.withdraw(host, out, now));
    }

    fn joins(&mut self, host: (NodeId, u16), there: bool, world: &mut World) {
        let now = world.now();
        self.learn(|health| health.joins(host, there, now));
    }

    fn on_request(&mut self, slot: Slot, world: &mut World) {
        self.pass_on(slot, world);
    }

    fn on_reply(&mut self, child: Slot, world: &mut World) {
        let frame = world.frames[child].parent;
        if world.frames[frame].op == CONNECT {
            return self.greeted(child, frame, world);
        }
        if self.health.is_some() {
            if world.is_branch(frame) {
                self.learn(|health| health.prober_answered(frame, child, world));
                return self.let_go(world);
            }
            let target = usize::from(world.frames[frame].pc);
            let outcome = world.frames[child].outcome();
            self.learn(|health| health.told_by_request(target, outcome, world));
        }
        if self.timeout.is_some() {
            world.disarm(frame);
        }
        let outcome = world.frames[child].outcome();
        if world.laden {
            pass_back(child, frame, world);
        }
        self.forget(frame, world);
        self.depart(frame, Ok(outcome), world);
        world.reply(frame, outcome);
    }

    fn on_timer(&mut self, slot: Slot, world: &mut World) {
        if world.is_branch(slot) {
            self.learn(|health| health.prober_timed(slot, world));
            return self.let_go(world);
        }
        // The target did not answer in time.
        let f = &mut world.frames[slot];
        f.armed = 0;
        let target = usize::from(f.pc);
        self.learn(|health| health.told_by_request(target, Outcome::Timeout, world));
        self.fail(slot, (Outcome::Timeout, Cause::TargetTimeout), world);
    }

    fn on_tick(&mut self, index: u32, world: &mut World) {
        self.learn(|health| health.ticked(index as usize, world));
        self.let_go(world);
    }

    fn start(&mut self, world: &mut World) {
        self.learn(|health| health.start(world));
    }

    fn recover(&mut self, _inst: u16, world: &mut World) {
        self.learn(|health| health.start(world));
    }

    fn on_cancel(&mut self, slot: Slot, world: &mut World) {
        let child = std::mem::replace(&mut world.frames[slot].next, NONE);
        world.call_off(child);
        world.disarm(slot);
        self.forget(slot, world);
        self.depart(slot, Err(Cause::Cancelled), world);
        world.record.node(self.node).needless += u64::from(!world.overdue);
        let f = &mut world.frames[slot];
        f.armed = FINISHED;
        f.flags |= CALLEE_DONE;
        world.release_if_done(slot);
    }

    fn crash(&mut self, _inst: u16, lost: &[Slot], world: &mut World) {
        self.departures += lost.iter().filter(|&&slot| !world.is_branch(slot)).count() as u64;
        self.chooser.reset(self.place);
    }

    fn books(&self, _now: u64, books: &mut Vec<InstanceBooks>) {
        let Self { arrivals, departures, .. } = *self;
        books.push(InstanceBooks { arrivals, departures, ..InstanceBooks::default() });
    }
}

/// What a target's reply brings is what the balancer's brings.
#[inline(never)]
fn pass_back(child: Slot, frame: Slot, world: &mut World) {
    if world.carries {
        world.frames.extra_mut(frame).reply_size = world.frames.extra(child).reply_size;
    }
    if let Some(data) = &mut world.data {
        data.bring(child, frame);
        if !world.frames[child].outcome().is_success() {
            data.failed_visit(child, frame);
        }
    }
}

impl Balancer {
    /// Something was told: if it changes who is healthy, the chooser hears of it.
    #[inline(always)]
    fn learn(&mut self, tell: impl FnOnce(&mut Health) -> bool) {
        if let Some(health) = &mut self.health
            && tell(health)
        {
            health.refresh(&mut self.chooser);
        }
    }

    #[inline(always)]
    fn pass_on(&mut self, slot: Slot, world: &mut World) {
        if world.frames[slot].op >= CONNECT {
            return self.greets(slot, world);
        }
        world.arrive(slot);
        self.arrivals += 1;
        if world.connections.is_some() && self.comes_on_connection(slot, world) {
            return;
        }
        let f = &world.frames[slot];
        let (what, id) = ((f.op, f.key), f.id);
        let by = if self.sticky { session_of(slot, world) } else { f.key };
        let mut draw = self.stream.draw_mixed(id);
        let group = if self.weights.is_empty() { 0 } else { self.group(&mut draw) };
        let now = world.now();
        let Some(mut index) = self.chooser.choose((group, by), now, &mut draw) else {
            return self.nobody(slot, group, world);
        };
        if let Some(health) = &self.health
            && draw.unit() >= health.share(index, now)
        {
            // Not yet its turn: that of one which has its full share, if there is any.
            let settled = |i: usize| health.share(i, now) >= 1.0;
            let group = self.instead(group, &mut draw, settled);
            if let Some(other) = self.chooser.choose_instead((group, by), now, &mut draw, settled) {
                self.chooser.called_back(index);
                index = other;
            }
        }
        self.send_to(slot, index, (what, id), world);
    }

    /// Passes a request on to one of the pool.
    #[inline(always)]
    pub(super) fn send_to(
        &mut self,
        slot: Slot,
        index: usize,
        (what, id): ((u8, u64), u64),
        world: &mut World,
    ) {
        let (target, id) = (self.pool[index], descend(id, self.site));
        let child = world.new_call(slot, target, what, id);
        if world.laden {
            world.identify((slot, child), false, |id| descend(id, self.site));
        }
        if world.carries {
            world.frames.extra_mut(child).enforced = world.frames.extra(slot).enforced;
        }
        world.send(child, (self.node, 0), target, id);
        let f = &mut world.frames[slot];
        f.next = child;
        f.pc = index as u16;
        if let Some(health) = &self.health {
            f.served = health.falls(index);
        }
        if let Some(timeout) = self.timeout {
            world.arm(slot, timeout);
        }
    }

    /// The group of targets a request goes to, by weight.
    #[inline(always)]
    pub(super) fn group(&mut self, draw: &mut Draw) -> usize {
        if self.smooth {
            let fits = |chooser: &Chooser, g: usize| {
                !chooser.is_restricted() || chooser.has_any(g, |_| true)
            };
            return self.chooser.smooth(&self.weights, fits).unwrap_or(0);
        }
        let u = draw.unit();
        let group = self.weights.iter().position(|&w| u < w).unwrap_or(self.weights.len() - 1);
        if self.chooser.is_restricted() {
            return self.instead(group, draw, |_| true);
        }
        group
    }

    /// A group, or if it has nobody who is wanted, one that has, by the weights of those.
    #[cold]
    pub(super) fn instead(
        &self,
        group: usize,
        draw: &mut Draw,
        wanted: impl Fn(usize) -> bool,
    ) -> usize {
        if self.weights.is_empty() || self.chooser.has_any(group, &wanted) {
            return group;
        }
        let weight = |g: usize| self.weights[g] - if g == 0 { 0.0 } else { self.weights[g - 1] };
        let fit: Vec<(usize, f64)> = (0..self.weights.len())
            .map(|g| (g, weight(g)))
            .filter(|&(g, weight)| weight > 0.0 && self.chooser.has_any(g, &wanted))
            .collect();
        let mut left = draw.unit() * fit.iter().map(|t| t.1).sum::<f64>();
        let chosen = fit.iter().find(|t| {
            left -= t.1;
            left < 0.0
        });
        chosen.or(fit.last()).map_or(group, |t| t.0)
    }

    /// Targets that have just been taken for down are not counted any more, so that nothing leaks at
    /// a dead host.
    fn let_go(&mut self, world: &mut World) {
        let Some(target) = self.health.as_mut().and_then(|health| health.fallen.take()) else {
            return;
        };
        self.chooser.discount(target);
        if self.resets {
            let mut there: Vec<Slot> = world
                .inside((self.node, 0))
                .into_iter()
                .filter(|&slot| world.frames[slot].flags & (BRANCH | IN_ROOM) == 0)
                .filter(|&slot| usize::from(world.frames[slot].pc) == target)
                .collect();
            // In the order of their arrival, whatever the frames.
            there.sort_by_key(|&slot| (world.frames[slot].arrived, world.frames[slot].id));
            for slot in there {
                if self.timeout.is_some() {
                    world.disarm(slot);
                }
                self.fail(slot, (Outcome::Error, Cause::TargetDown), world);
            }
        }
    }

    /// It waits for the target of a request no longer.
    fn fail(&mut self, slot: Slot, (outcome, cause): (Outcome, Cause), world: &mut World) {
        let child = std::mem::replace(&mut world.frames[slot].next, NONE);
        world.give_up(child);
        world.record.node(self.node).cause(cause);
        self.forget(slot, world);
        self.depart(slot, Ok(outcome), world);
        world.reply(slot, outcome);
    }

    /// No target is known to be alive. Where there is none at all, calls may wait at the door of their node.
    #[cold]
    pub(super) fn nobody(&mut self, slot: Slot, group: usize, world: &mut World) {
        let holds = |index: usize| {
            let (node, inst) = self.pool[index];
            let door = world.hosts.door(node).filter(|door| door.most > 0);
            let vacant = door.is_some() && world.hosts.vacant(node) == Some(inst);
            vacant && self.health.as_ref().is_some_and(|health| health.has_none_of(node))
        };
        if let Some(index) =
            self.chooser.all_of(group).chain(0..self.pool.len()).find(|&i| holds(i))
        {
            self.chooser.sent(index);
            let f = &world.frames[slot];
            return self.send_to(slot, index, ((f.op, f.key), f.id), world);
        }
        world.record.node(self.node).cause(Cause::NoLiveTarget);
        self.depart(slot, Ok(Outcome::Unavailable), world);
        world.reply(slot, Outcome::Unavailable);
    }

    /// The request in this frame is not outstanding any more.
    #[inline(always)]
    fn forget(&mut self, slot: Slot, world: &mut World) {
        let f = &mut world.frames[slot];
        f.next = NONE;
        let target = usize::from(f.pc);
        if self.by_connection && world.frames.extra(slot).wire != NONE {
            // What counts is its connection.
            return;
        }
        let f = &world.frames[slot];
        if self.health.as_ref().is_none_or(|health| f.served == health.falls(target)) {
            self.chooser.done(target, f.arrived, world.agenda.now());
        }
    }

    #[inline(always)]
    pub(super) fn depart(
        &mut self,
        slot: Slot,
        outcome: Result<Outcome, Cause>,
        world: &mut World,
    ) {
        self.departures += 1;
        let (now, from) = (world.now(), world.record.measured_from);
        let arrived = world.frames[slot].arrived;
        world.record.node(self.node).depart(now, arrived, from, outcome);
    }
}

/// A number for the session a request belongs to, whichever client's it is.
pub(super) fn session_of(slot: Slot, world: &World) -> u64 {
    let extra = world.frames.extra(slot);
    u64::from(extra.client) << 48 ^ extra.session
}
