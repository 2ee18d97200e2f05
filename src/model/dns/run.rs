//! A dns node at work: questions come in as calls and are answered at once.
//!
//! **Invariant.** An answer reads only what this node's own probes told it.

use std::ops::Range;

use crate::{
    cause::Cause,
    engine::random::Stream,
    model::{
        balancer::health::Health,
        books::InstanceBooks,
        ids::{Host, NodeId, Slot},
        node::Node,
        world::World,
    },
    outcome::Outcome,
};

/// What may be answered.
#[derive(Clone, Debug)]
pub struct Target {
    /// The node.
    pub node: NodeId,
    /// Its weight; 1 without weights.
    pub weight: f64,
    /// Its instances among those watched.
    pub instances: Range<usize>,
}

/// A dns node.
#[derive(Debug)]
pub struct Dns {
    /// Its id.
    pub node: NodeId,
    /// In the order of the file.
    pub targets: Vec<Target>,
    /// Targets, the preferred first: one order for all, or one for each zone a caller stands in; none:
    /// by weight.
    pub orders: Vec<Vec<usize>>,
    /// Draws of answers.
    pub stream: Stream,
    /// What it knows of the instances of its targets; none: it takes all for healthy.
    pub health: Option<Health>,
    /// Questions so far.
    pub questions: u64,
}

impl Node for Dns {
    fn on_request(&mut self, slot: Slot, world: &mut World) {
        world.arrive(slot);
        self.questions += 1;
        let fails = world.hosts.failing() && world.fails_at_once(slot);
        let outcome = if fails { Outcome::Error } else { Outcome::Ok };
        let (now, from) = (world.now(), world.record.measured_from);
        // Before now, where it was paused.
        let arrived = world.frames[slot].arrived;
        world.record.node(self.node).depart(now, arrived, from, Ok(outcome));
        if fails {
            return world.reply(slot, outcome);
        }
        let target = self.choose(slot, world);
        world.answer(slot, target);
    }

    fn joins(&mut self, host: Host, there: bool, world: &mut World) {
        let now = world.now();
        self.learn(|health| health.joins(host, there, now));
    }

    fn on_reply(&mut self, child: Slot, world: &mut World) {
        let prober = world.frames[child].parent;
        self.learn(|health| health.prober_answered(prober, child, world));
    }

    fn on_timer(&mut self, slot: Slot, world: &mut World) {
        self.learn(|health| health.prober_timed(slot, world));
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

    fn books(&self, _now: u64, books: &mut Vec<InstanceBooks>) {
        let (arrivals, departures) = (self.questions, self.questions);
        books.push(InstanceBooks { arrivals, departures, ..InstanceBooks::default() });
    }
}

impl Dns {
    /// Something was told; the next answer reads it.
    fn learn(&mut self, tell: impl FnOnce(&mut Health) -> bool) {
        if let Some(health) = &mut self.health {
            tell(health);
        }
    }

    /// The answer to a question.
    fn choose(&self, slot: Slot, world: &mut World) -> NodeId {
        let healthy = |t: &Target| {
            t.weight > 0.0 && self.health.as_ref().is_none_or(|h| h.any_up(t.instances.clone()))
        };
        let all_down = !self.targets.iter().any(healthy);
        if all_down {
            world.record.node(self.node).cause(Cause::NoLiveTarget);
        }
        let fits = |t: &Target| healthy(t) || all_down && t.weight > 0.0;
        if self.orders.is_empty() {
            let fit: Vec<&Target> = self.targets.iter().filter(|t| fits(t)).collect();
            let total: f64 = fit.iter().map(|t| t.weight).sum();
            let mut left = self.stream.draw_mixed(world.frames[slot].id).unit() * total;
            let chosen = fit.iter().find(|t| {
                left -= t.weight;
                left < 0.0
            });
            return chosen.unwrap_or(&fit[fit.len() - 1]).node;
        }
        let (node, inst) = world.caller_of(slot);
        let zone = usize::from(world.network.zone_of(node, inst));
        let order = self.orders.get(zone).unwrap_or(&self.orders[0]);
        let first = order.iter().map(|&i| &self.targets[i]).find(|t| fits(t));
        first.expect("without weights every target fits when none is healthy").node
    }
}
