//! The balancer at work: each request is passed on to the instance its policy chooses; the reply
//! comes back the same way.

use super::policy::Chooser;
use crate::{
    engine::random::{Stream, descend},
    model::{
        frame::{CALLEE_DONE, FINISHED, NONE, Slot},
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
    /// Draws of choices.
    pub stream: Stream,
    /// Hash of its name, added to identities on the way down.
    pub site: u64,
    /// Arrivals so far.
    pub arrivals: u64,
    /// Departures so far.
    pub departures: u64,
}

impl Node for Balancer {
    fn on_request(&mut self, slot: Slot, world: &mut World) {
        self.pass_on(slot, world);
    }

    fn on_reply(&mut self, child: Slot, world: &mut World) {
        let frame = world.frames[child].parent;
        let outcome = world.frames[child].outcome();
        if world.carries {
            world.frames.extra_mut(frame).reply_size = world.frames.extra(child).reply_size;
        }
        self.forget(frame, world);
        self.depart(frame, Ok(outcome), world);
        world.reply(frame, outcome);
    }

    fn on_cancel(&mut self, slot: Slot, world: &mut World) {
        let child = std::mem::replace(&mut world.frames[slot].next, NONE);
        world.call_off(child);
        self.forget(slot, world);
        self.depart(slot, Err("cancelled"), world);
        let f = &mut world.frames[slot];
        f.armed = FINISHED;
        f.flags |= CALLEE_DONE;
        world.release_if_done(slot);
    }

    fn crash(&mut self, _inst: u16, lost: &[Slot], _world: &mut World) {
        self.departures += lost.len() as u64;
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
    #[inline(always)]
    fn pass_on(&mut self, slot: Slot, world: &mut World) {
        world.arrive(slot);
        self.arrivals += 1;
        let f = &world.frames[slot];
        let (what, id) = ((f.op, f.key), f.id);
        let mut draw = self.stream.draw_mixed(id);
        let group = if self.weights.is_empty() {
            0
        } else {
            let u = draw.unit();
            self.weights.iter().position(|&w| u < w).unwrap_or(self.weights.len() - 1)
        };
        let index = self.chooser.choose(group, world.now(), &mut draw);
        let (target, id) = (self.pool[index], descend(id, self.site));
        let child = world.new_call(slot, target, what, id);
        if world.carries {
            world.frames.extra_mut(child).enforced = world.frames.extra(slot).enforced;
        }
        world.send(child, (self.node, 0), target, id);
        let f = &mut world.frames[slot];
        f.next = child;
        f.pc = index as u16;
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
