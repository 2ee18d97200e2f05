//! What a balancer (or a dns node) knows of the health of its targets: what its own probes and replies
//! told it.
//!
//! **Invariant.** Only messages change it (and, with `detect`, a delay that stands for them): a target
//! that died is chosen until a probe or a request has said so.

use super::policy::Chooser;
use crate::{
    cause::Cause,
    engine::random::{Stream, descend, mix},
    model::{
        frame::{BRANCH, CALLER_DONE, Extra, Frame, PROBE},
        ids::{Host, NONE, NodeId, Slot},
        span::Span,
        world::World,
    },
    outcome::Outcome,
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
    /// So much longer each time, up to this, ns.
    pub longest: Option<u64>,
    /// Comparison with the others.
    pub rate: Option<Rate>,
    /// Share of all targets that may be out at once, one at least.
    pub most: f64,
    /// Tick of the first target; the others follow.
    pub first_tick: u32,
}

/// Ejection of targets that do worse than the others.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// How often they are compared, ns.
    pub every: u64,
    /// Fewest requests of one that is.
    pub requests: u64,
    /// Fewest such targets.
    pub targets: usize,
    /// Standard deviations below the mean.
    pub deviations: f64,
    /// The tick of the next comparison.
    pub tick: u32,
}

/// What is known of one target.
#[allow(clippy::struct_excessive_bools, reason = "why it may be out, each by itself")]
#[derive(Clone, Copy, Debug, Default)]
struct Target {
    down: bool,
    /// Checks in a row that say otherwise.
    streak: u32,
    /// Failed requests in a row.
    errors: u32,
    ejected: bool,
    /// How often it was, less what is forgotten.
    times: u64,
    /// Requests that ended since targets were last compared, and how many well.
    ended: (u64, u64),
    /// It said that it is about to restart.
    withdrawn: bool,
    /// It is not there: none of the targets.
    absent: bool,
    /// Since when it is back; 0: always there.
    back: u64,
    /// How often it was taken for down: what was sent before is not counted after.
    falls: u64,
}

/// Who asks whom.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The node that asks.
    pub node: NodeId,
    /// Hash of its name.
    pub site: u64,
    /// Draws of when each target is first asked.
    pub stream: Stream,
    /// Node and instance of each target.
    pub pool: Vec<Host>,
}

/// The health of all targets. What changes it says whether another choice follows from it.
#[derive(Clone, Debug)]
pub struct Health {
    watch: Watch,
    /// Probes, if it sends any.
    pub checks: Option<Checks>,
    /// Who has just been taken for down, until that is read.
    pub fallen: Option<usize>,
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
    pub fn new(watch: Watch) -> Self {
        Self {
            checks: None,
            fallen: None,
            eject: None,
            slow_start: 0,
            panic: 0.0,
            told: (Vec::new(), 0),
            heard: 0,
            targets: vec![Target::default(); watch.pool.len()],
            watch,
        }
    }

    /// Node and instance of each target.
    pub fn pool(&self) -> &[Host] {
        &self.watch.pool
    }

    /// Whether any of some targets is taken for healthy.
    pub fn any_up(&self, mut targets: std::ops::Range<usize>) -> bool {
        targets.any(|i| !self.targets[i].is_out())
    }

    /// Whether a target is there, well or not.
    pub fn is_there(&self, target: usize) -> bool {
        !self.targets[target].absent
    }

    /// Whether no instance of a node is there.
    pub fn has_none_of(&self, node: NodeId) -> bool {
        let pool = self.watch.pool.iter().zip(&self.targets);
        pool.into_iter().all(|(host, target)| host.0 != node || target.absent)
    }

    /// Tells the chooser whom it may choose.
    pub fn refresh(&self, chooser: &mut Chooser) {
        chooser.restrict(|all| {
            let those = |fits: fn(Target) -> bool| -> Vec<u32> {
                all.clone().filter(|&i| fits(self.targets[i as usize])).collect()
            };
            let (there, live) = (those(|t| !t.absent), those(|t| !t.is_out()));
            let share = live.len() as f64 / there.len() as f64;
            let chosen = if share >= self.panic { live } else { there };
            (chosen.len() < all.len()).then_some(chosen)
        });
    }

    /// How often a target was taken for down.
    #[inline(always)]
    pub fn falls(&self, target: usize) -> u64 {
        self.targets[target].falls
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
        self.down || self.ejected || self.withdrawn || self.absent
    }
}

impl Health {
    /// Begins to check, or begins anew.
    pub fn start(&mut self, world: &mut World) -> bool {
        // What probes found is lost; what it is told stands for what they would find.
        let told = !self.told.0.is_empty();
        for t in &mut self.targets {
            *t = Target {
                down: told && t.down,
                withdrawn: t.withdrawn,
                absent: t.absent,
                ..Target::default()
            };
        }
        let interval = self.checks.as_ref().map(|checks| checks.interval);
        for target in 0..interval.map_or(0, |_| self.watch.pool.len()) {
            let id = mix(self.watch.site ^ target as u64);
            let slot = world.begin_inside(Frame {
                id,
                key: target as u64,
                node: self.watch.node,
                op: PROBE,
                flags: BRANCH | CALLER_DONE,
                ..Frame::EMPTY
            });
            if world.carries {
                *world.frames.extra_mut(slot) = Extra::EMPTY;
            }
            // Not all at once.
            let phase = self.watch.stream.draw_mixed(id).unit() * interval.unwrap_or(0) as f64;
            world.arm(slot, Span::of(phase as u64));
        }
        if let Some(rate) = self.eject.as_ref().and_then(|eject| eject.rate) {
            world.arm_tick(rate.tick, rate.every);
        }
        self.await_news(world);
        true
    }

    /// An instance says that it is about to restart, or that it is back.
    pub fn withdraw(&mut self, host: Host, out: bool, now: u64) -> bool {
        let Some(target) = self.watch.pool.iter().position(|at| *at == host) else { return false };
        let t = &mut self.targets[target];
        t.withdrawn = out;
        if !out {
            t.back = now;
        }
        true
    }

    /// An instance has come, of which nothing is known yet, or is none of the targets any more.
    pub fn joins(&mut self, host: Host, there: bool, now: u64) -> bool {
        let Some(target) = self.watch.pool.iter().position(|at| *at == host) else { return false };
        let t = &mut self.targets[target];
        // What it is told beforehand of a place holds for whoever is there.
        let (falls, down) = (t.falls, !self.told.0.is_empty() && t.down);
        *t = Target {
            absent: !there,
            down,
            back: if there { now } else { 0 },
            falls,
            ..Target::default()
        };
        true
    }

    /// The timer of a prober: time to ask, or nobody answered.
    pub fn prober_timed(&mut self, slot: Slot, world: &mut World) -> bool {
        let checks = self.checks.as_ref().expect("it checks");
        let f = &mut world.frames[slot];
        f.armed = 0;
        let target = f.key as usize;
        if f.next != NONE {
            let child = std::mem::replace(&mut f.next, NONE);
            world.give_up(child);
            let left = checks.interval - checks.timeout.0;
            let changed = self.checked(target, false, world);
            world.arm(slot, Span::of(left));
            return changed;
        }
        f.served += 1;
        if self.targets[target].absent {
            // Nobody is asked there.
            world.arm(slot, Span::of(checks.interval));
            return false;
        }
        let id = descend(f.id, mix(f.served));
        f.arrived = world.agenda.now();
        let to = self.watch.pool[target];
        let child = world.new_call(slot, to, (checks.op, id), id);
        world.send_probe(child, (self.watch.node, 0), to, id);
        world.frames[slot].next = child;
        world.arm(slot, checks.timeout.1);
        false
    }

    /// A probe was answered.
    pub fn prober_answered(&mut self, slot: Slot, child: Slot, world: &mut World) -> bool {
        let ok = world.frames[child].outcome().is_success();
        world.disarm(slot);
        let f = &mut world.frames[slot];
        f.next = NONE;
        let (target, sent) = (f.key as usize, f.arrived);
        let interval = self.checks.as_ref().expect("it checks").interval;
        let changed = self.checked(target, ok, world);
        world.arm(slot, Span::of((sent + interval).saturating_sub(world.now())));
        changed
    }

    fn checked(&mut self, target: usize, ok: bool, world: &mut World) -> bool {
        let checks = self.checks.as_ref().expect("it checks");
        let t = &mut self.targets[target];
        if ok != t.down {
            t.streak = 0;
            return false;
        }
        t.streak += 1;
        let learns = t.streak >= if ok { checks.rise } else { checks.fall };
        if learns {
            self.learn(target, ok, world);
        }
        learns
    }

    /// From now on a target is taken for up or down.
    fn learn(&mut self, target: usize, up: bool, world: &mut World) {
        let t = &mut self.targets[target];
        (t.down, t.streak) = (!up, 0);
        if up {
            t.back = world.now();
        } else {
            t.falls += 1;
            self.fallen = Some(target);
        }
        world.record.node(self.watch.node).cause(if up {
            Cause::MarkedUp
        } else {
            Cause::MarkedDown
        });
    }

    /// A request to a target ended.
    #[inline(never)]
    pub fn told_by_request(&mut self, target: usize, outcome: Outcome, world: &mut World) -> bool {
        let Some(eject) = self.eject else { return false };
        let t = &mut self.targets[target];
        t.ended = (t.ended.0 + 1, t.ended.1 + u64::from(outcome.is_success()));
        t.errors = if outcome.is_success() { 0 } else { t.errors + 1 };
        t.errors >= eject.errors && self.ejects(target, eject, world)
    }

    /// A target is taken out, if it may be.
    fn ejects(&mut self, target: usize, eject: Eject, world: &mut World) -> bool {
        let out = self.targets.iter().filter(|t| t.ejected).count();
        let there = self.targets.iter().filter(|t| !t.absent).count();
        let most = ((eject.most * there as f64) as usize).max(1);
        let t = &mut self.targets[target];
        if t.ejected || t.absent || out >= most {
            return false;
        }
        (t.ejected, t.errors) = (true, 0);
        t.times = t.times.saturating_sub((world.now() - t.back) / eject.span) + 1;
        let span = match eject.longest {
            Some(longest) => eject.span.saturating_mul(t.times).min(longest),
            None => eject.span,
        };
        world.record.node(self.watch.node).cause(Cause::Ejected);
        world.arm_tick(eject.first_tick + target as u32, span);
        true
    }

    /// The targets are compared by what ended since the last time.
    #[cold]
    fn compare(&mut self, world: &mut World) -> bool {
        let Some((eject, rate)) = self.eject.and_then(|eject| Some((eject, eject.rate?))) else {
            return false;
        };
        world.arm_tick(rate.tick, rate.every);
        let ended = self.targets.iter_mut().map(|t| std::mem::take(&mut t.ended));
        let known: Vec<(usize, f64)> = ended
            .enumerate()
            .filter(|(_, ended)| ended.0 >= rate.requests)
            .map(|(i, (all, good))| (i, good as f64 / all as f64))
            .collect();
        if known.len() < rate.targets {
            return false;
        }
        let n = known.len() as f64;
        let mean = known.iter().map(|one| one.1).sum::<f64>() / n;
        let variance = known.iter().map(|one| (one.1 - mean).powi(2)).sum::<f64>() / n;
        let least = mean - rate.deviations * libm::sqrt(variance);
        let worse: Vec<usize> = known.iter().filter(|one| one.1 < least).map(|one| one.0).collect();
        let mut changed = false;
        for target in worse {
            changed |= self.ejects(target, eject, world);
        }
        changed
    }

    /// An ejection is over, or there is news.
    pub fn ticked(&mut self, index: usize, world: &mut World) -> bool {
        if index < self.targets.len() {
            let t = &mut self.targets[index];
            (t.ejected, t.back) = (false, world.now());
            return true;
        }
        if index > self.targets.len() {
            return self.compare(world);
        }
        let (_, target, up) = self.told.0[self.heard];
        self.heard += 1;
        self.learn(target, up, world);
        self.await_news(world);
        true
    }

    /// Arms the tick of the next thing it is told.
    fn await_news(&mut self, world: &mut World) {
        if let Some((at, ..)) = self.told.0.get(self.heard) {
            let delay = at.saturating_sub(world.now());
            world.arm_tick(self.told.1, delay);
        }
    }
}
