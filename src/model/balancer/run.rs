//! The balancer at work: each request is passed on to the instance its policy chooses; the reply
//! comes back the same way.

use super::{health::Health, policy::Chooser};
use crate::{
    engine::random::{Stream, descend},
    model::{
        frame::{CALLEE_DONE, FINISHED, NONE, PROBE, Slot},
        node::{InstanceBooks, Node, NodeId},
        probe::Outcome,
        world::World,
    },
};

/// A load balancer.
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
    /// It chooses by session, not by key.
    pub sticky: bool,
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

    fn withdraw(&mut self, host: (NodeId, u16), out: bool, now: u64) {
        self.learn(|health| health.withdraw(host, out, now));
    }

    fn on_request(&mut self, slot: Slot, world: &mut World) {
        self.pass_on(slot, world);
    }

    fn on_reply(&mut self, child: Slot, world: &mut World) {
        let frame = world.frames[child].parent;
        if self.health.is_some() {
            if world.is_branch(frame) {
                return self.learn(|health| health.prober_answered(frame, child, world));
            }
            let target = usize::from(world.frames[frame].pc);
            let outcome = world.frames[child].outcome();
            self.learn(|health| health.told_by_request(target, outcome, world));
            world.disarm(frame);
        }
        let outcome = world.frames[child].outcome();
        if world.carries {
            world.frames.extra_mut(frame).reply_size = world.frames.extra(child).reply_size;
        }
        self.forget(frame, world);
        self.depart(frame, Ok(outcome), world);
        world.reply(frame, outcome);
    }

    fn on_timer(&mut self, slot: Slot, world: &mut World) {
        if world.is_branch(slot) {
            return self.learn(|health| health.prober_timed(slot, world));
        }
        // The target did not answer in time.
        let f = &mut world.frames[slot];
        f.armed = 0;
        let target = usize::from(f.pc);
        let child = std::mem::replace(&mut f.next, NONE);
        world.give_up(child);
        self.learn(|health| health.told_by_request(target, Outcome::Timeout, world));
        world.record.node(self.node).cause("target_timeout");
        self.forget(slot, world);
        self.depart(slot, Ok(Outcome::Timeout), world);
        world.reply(slot, Outcome::Timeout);
    }

    fn on_tick(&mut self, index: u32, world: &mut World) {
        self.learn(|health| health.ticked(index as usize, world));
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
        self.depart(slot, Err("cancelled"), world);
        world.record.node(self.node).needless += u64::from(!world.overdue);
        let f = &mut world.frames[slot];
        f.armed = FINISHED;
        f.flags |= CALLEE_DONE;
        world.release_if_done(slot);
    }

    fn crash(&mut self, _inst: u16, lost: &[Slot], world: &mut World) {
        self.departures += lost.iter().filter(|&&slot| !world.is_branch(slot)).count() as u64;
        self.chooser.reset();
    }

    fn books(&self, _now: u64) -> Vec<InstanceBooks> {
        vec![InstanceBooks {
            busy: 0,
            in_queue: 0,
            arrivals: self.arrivals,
            departures: self.departures,
            ..InstanceBooks::default()
        }]
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
        if world.frames[slot].op == PROBE {
            return world.reply(slot, Outcome::Ok);
        }
        world.arrive(slot);
        self.arrivals += 1;
        let f = &world.frames[slot];
        let (what, id) = ((f.op, f.key), f.id);
        let by = if self.sticky { session_of(slot, world) } else { f.key };
        let mut draw = self.stream.draw_mixed(id);
        let group = if self.weights.is_empty() {
            0
        } else {
            let u = draw.unit();
            self.weights.iter().position(|&w| u < w).unwrap_or(self.weights.len() - 1)
        };
        let now = world.now();
        let Some(mut index) = self.chooser.choose((group, by), now, &mut draw) else {
            return self.nobody(slot, world);
        };
        if let Some(health) = &self.health
            && draw.unit() >= health.share(index, now)
        {
            // Not yet its turn: that of one which has its full share, if there is any.
            let settled = |i: usize| health.share(i, now) >= 1.0;
            if let Some(other) = self.chooser.choose_among((group, by), now, &mut draw, settled) {
                self.chooser.called_back(index);
                index = other;
            }
        }
        let (target, id) = (self.pool[index], descend(id, self.site));
        let child = world.new_call(slot, target, what, id);
        if world.carries {
            world.frames.extra_mut(child).enforced = world.frames.extra(slot).enforced;
        }
        world.send(child, (self.node, 0), target, id);
        let f = &mut world.frames[slot];
        f.next = child;
        f.pc = index as u16;
        if let Some(leg) = self.health.as_ref().and_then(|h| h.leg) {
            world.arm(slot, leg);
        }
    }

    /// No target is known to be alive.
    #[cold]
    fn nobody(&mut self, slot: Slot, world: &mut World) {
        world.record.node(self.node).cause("no_live_target");
        self.depart(slot, Ok(Outcome::Unavailable), world);
        world.reply(slot, Outcome::Unavailable);
    }

    /// The request in this frame is not outstanding any more.
    #[inline(always)]
    fn forget(&mut self, slot: Slot, world: &mut World) {
        let f = &mut world.frames[slot];
        f.next = NONE;
        self.chooser.done(usize::from(f.pc), f.arrived, world.agenda.now());
    }

    #[inline(always)]
    fn depart(&mut self, slot: Slot, outcome: Result<Outcome, &'static str>, world: &mut World) {
        self.departures += 1;
        let (now, from) = (world.now(), world.record.measured_from);
        let arrived = world.frames[slot].arrived;
        world.record.node(self.node).depart(now, arrived, from, outcome);
    }
}

/// A number for the session a request belongs to, whichever client's it is.
fn session_of(slot: Slot, world: &World) -> u64 {
    let extra = world.frames.extra(slot);
    u64::from(extra.client) << 48 ^ extra.session
}
