//! What a balancer knows of the health of its targets: what its own probes and replies told it.
//!
//! **Invariant.** Only messages change it (and, with `detect`, a delay that stands for them): a target
//! that died is chosen until a probe or a request has said so.

use super::{Balancer, policy::Chooser};
use crate::{
    engine::random::{descend, mix},
    model::{
        frame::{BRANCH, CALLER_DONE, Extra, Frame, NONE, PROBE, Slot},
        probe::Outcome,
        world::{Span, World},
    },
};

/// Least chance of a target that has just come back under slow start (as in Envoy).
const LEAST_WEIGHT: f64 = 0.1;

/// Active checks.
#[derive(Clone, Debug)]
pub struct Checks {
    /// From one probe to the next, ns.
    pub interval: u64,
    /// How long an answer may take, ns, and as a span.
    pub timeout: (u64, Span),
    /// Failures in a row that take a target out.
    pub fall: u32,
    /// Successes in a row that bring it back.
    pub rise: u32,
    /// What is asked: an operation, or [`PROBE`], a connection that is answered by whoever is there.
    pub op: u8,
}

/// Ejection of targets whose requests fail.
#[derive(Clone, Copy, Debug)]
pub struct Eject {
    /// Failures in a row.
    pub errors: u32,
    /// For how long, ns.
    pub span: u64,
    /// Targets of all that may be out at once.
    pub most: usize,
    /// Tick of the first target; the others follow.
    pub first_tick: u32,
}

/// What is known of one target.
#[derive(Clone, Copy, Debug, Default)]
struct Target {
    down: bool,
    /// Checks in a row that say otherwise.
    streak: u32,
    /// Failed requests in a row.
    errors: u32,
    ejected: bool,
    /// Since when it is back; 0: always there.
    back: u64,
}

/// The health of all targets.
#[derive(Clone, Debug)]
pub struct Health {
    /// Probes, if it sends any.
    pub checks: Option<Checks>,
    /// A request that takes longer than this has failed, ns and as a span.
    pub leg: Option<Span>,
    /// Ejection.
    pub eject: Option<Eject>,
    /// Time in which a target that is back gets its full share, ns; 0: at once.
    pub slow_start: u64,
    /// Below this share of healthy targets all are used.
    pub panic: f64,
    /// What it learns without messages: (when, target, up), by time, and the tick for the next.
    pub told: (Vec<(u64, usize, bool)>, u32),
    heard: usize,
    targets: Vec<Target>,
}

impl Health {
    /// All targets are taken for healthy.
    pub fn new(targets: usize) -> Self {
        Self {
            checks: None,
            leg: None,
            eject: None,
            slow_start: 0,
            panic: 0.0,
            told: (Vec::new(), 0),
            heard: 0,
            targets: vec![Target::default(); targets],
        }
    }

    /// Tells the chooser whom it may choose.
    fn refresh(&self, chooser: &mut Chooser) {
        chooser.restrict(|all| {
            let live: Vec<u32> =
                all.clone().filter(|&i| !self.targets[i as usize].is_out()).collect();
            let share = live.len() as f64 / all.len() as f64;
            (live.len() < all.len() && share >= self.panic).then_some(live)
        });
    }

    /// The share of its usual requests a target gets now.
    pub fn share(&self, target: usize, now: u64) -> f64 {
        let back = self.targets[target].back;
        if self.slow_start == 0 || back == 0 || now - back >= self.slow_start {
            return 1.0;
        }
        ((now - back) as f64 / self.slow_start as f64).max(LEAST_WEIGHT)
    }
}

impl Target {
    fn is_out(self) -> bool {
        self.down || self.ejected
    }
}

impl Balancer {
    /// Begins to check, or begins anew.
    pub(super) fn start_checks(&mut self, world: &mut World) {
        let Some(health) = &mut self.health else { return };
        health.targets.fill(Target::default());
        health.refresh(&mut self.chooser);
        let interval = health.checks.as_ref().map(|checks| checks.interval);
        for target in 0..interval.map_or(0, |_| self.pool.len()) {
            let id = mix(self.site ^ target as u64);
            let slot = world.frames.alloc(Frame {
                id,
                key: target as u64,
                node: self.node,
                op: PROBE,
                flags: BRANCH | CALLER_DONE,
                ..Frame::EMPTY
            });
            if world.carries {
                *world.frames.extra_mut(slot) = Extra::EMPTY;
            }
            // Not all at once.
            let phase = self.stream.draw_mixed(id).unit() * interval.unwrap_or(0) as f64;
            world.arm(slot, Span::of(phase as u64));
        }
        self.await_news(world);
    }

    /// The timer of a prober: time to ask, or nobody answered.
    pub(super) fn prober_timed(&mut self, slot: Slot, world: &mut World) {
        let checks = self.health.as_ref().and_then(|h| h.checks.as_ref()).expect("it checks");
        let f = &mut world.frames[slot];
        f.armed = 0;
        let target = f.key as usize;
        if f.next != NONE {
            let child = std::mem::replace(&mut f.next, NONE);
            world.give_up(child);
            let left = checks.interval - checks.timeout.0;
            self.checked(target, false, world);
            return world.arm(slot, Span::of(left));
        }
        f.served += 1;
        let id = descend(f.id, mix(f.served));
        f.arrived = world.agenda.now();
        let to = self.pool[target];
        let child = world.new_call(slot, to, (checks.op, id), id);
        world.send(child, (self.node, 0), to, id);
        world.frames[slot].next = child;
        world.arm(slot, checks.timeout.1);
    }

    /// A probe was answered.
    pub(super) fn prober_answered(&mut self, slot: Slot, child: Slot, world: &mut World) {
        let ok = world.frames[child].outcome().is_success();
        world.disarm(slot);
        let f = &mut world.frames[slot];
        f.next = NONE;
        let (target, sent) = (f.key as usize, f.arrived);
        let interval = self.health.as_ref().and_then(|h| h.checks.as_ref()).map(|c| c.interval);
        self.checked(target, ok, world);
        let next = sent + interval.expect("it checks");
        world.arm(slot, Span::of(next - world.now()));
    }

    fn checked(&mut self, target: usize, ok: bool, world: &mut World) {
        let health = self.health.as_mut().expect("it checks");
        let checks = health.checks.as_ref().expect("it checks");
        let t = &mut health.targets[target];
        if ok != t.down {
            t.streak = 0;
            return;
        }
        t.streak += 1;
        if t.streak >= if ok { checks.rise } else { checks.fall } {
            self.learn(target, ok, world);
        }
    }

    /// From now on a target is taken for up or down.
    fn learn(&mut self, target: usize, up: bool, world: &mut World) {
        let health = self.health.as_mut().expect("it knows of health");
        let t = &mut health.targets[target];
        (t.down, t.streak) = (!up, 0);
        if up {
            t.back = world.now();
        }
        world.record.node(self.node).cause(if up { "marked_up" } else { "marked_down" });
        health.refresh(&mut self.chooser);
    }

    /// A request to a target ended.
    #[inline(never)]
    pub(super) fn told_by_request(&mut self, target: usize, outcome: Outcome, world: &mut World) {
        let Some(health) = &mut self.health else { return };
        let Some(eject) = health.eject else { return };
        let out = health.targets.iter().filter(|t| t.ejected).count();
        let t = &mut health.targets[target];
        t.errors = if outcome.is_success() { 0 } else { t.errors + 1 };
        if t.errors < eject.errors || t.ejected || out >= eject.most {
            return;
        }
        (t.ejected, t.errors) = (true, 0);
        world.record.node(self.node).cause("ejected");
        health.refresh(&mut self.chooser);
        world.arm_tick(eject.first_tick + target as u32, eject.span);
    }

    /// An ejection is over, or there is news.
    pub(super) fn health_ticked(&mut self, index: usize, world: &mut World) {
        let Some(health) = &mut self.health else { return };
        if index < health.targets.len() {
            let t = &mut health.targets[index];
            (t.ejected, t.back) = (false, world.now());
            return health.refresh(&mut self.chooser);
        }
        let (_, target, up) = health.told.0[health.heard];
        health.heard += 1;
        self.learn(target, up, world);
        self.await_news(world);
    }

    /// Arms the tick of the next thing it is told.
    fn await_news(&mut self, world: &mut World) {
        let Some(health) = &mut self.health else { return };
        if let Some((at, ..)) = health.told.0.get(health.heard) {
            let delay = at.saturating_sub(world.now());
            world.arm_tick(health.told.1, delay);
        }
    }
}
