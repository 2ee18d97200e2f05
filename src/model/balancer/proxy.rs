//! A balancer that does more than choose: it sends nobody where a call has been, has so many requests at most at each target
//! while the others wait, and uses some of its targets only.
//!
//! **Invariant.** No target has more requests of this balancer than it may; nobody waits while one who may be used has room.

use std::collections::VecDeque;

use super::{
    Subset,
    policy::Chooser,
    run::{Balancer, session_of},
};
use crate::{
    cause::Cause,
    engine::random::{Draw, mix},
    model::{
        books::{Area, InstanceBooks},
        bounded::Bounded,
        frame::{CALLEE_DONE, CALLER_DONE, CONNECT, FINISHED, IN_ROOM},
        ids::{Host, NodeId, Slot},
        node::Node,
        span::Span,
        world::{World, unpack},
    },
    outcome::Outcome,
};

/// Entries of those who wait that are looked through, at least, before those who left are taken out.
const FEW: usize = 32;

/// How many requests there may be at a target, and who waits.
#[derive(Debug)]
pub struct Line {
    /// Most requests at a target.
    pub most: u32,
    /// How many may wait.
    pub room: u64,
    /// How long each does, ns; none: for ever.
    pub wait: Option<u64>,
    /// How many there may be at all targets together, where that does not change.
    pub all: Option<f64>,
    /// Who waits, in the order of arrival, with those who left among them: a visit, and its identity.
    who: VecDeque<(Slot, u64)>,
    waiting: Area,
    /// Requests at targets.
    held: Area,
}

impl Line {
    /// Nobody is anywhere.
    pub fn new(most: u32, room: u64, wait: Option<u64>, all: Option<f64>) -> Self {
        let (waiting, held) = (Area::default(), Area::default());
        Self { most, room, wait, all, who: VecDeque::new(), waiting, held }
    }
}

/// A balancer that does more than choose.
#[derive(Debug)]
pub struct Proxy {
    /// One who chooses.
    pub inner: Balancer,
    /// How much may be at a target.
    pub line: Option<Line>,
    /// Which of its targets are used.
    pub subset: Option<Subset>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// It goes to this one of the pool.
    Goes(usize),
    /// All it may go to have as many requests as they may.
    Full,
    /// Nobody it may go to is taken for alive.
    Nobody(usize),
}

impl Node for Proxy {
    fn set_version(&mut self, version: usize) {
        self.inner.set_version(version);
    }

    fn withdraw(&mut self, host: Host, out: bool, world: &mut World) {
        self.inner.withdraw(host, out, world);
        self.serve(world);
    }

    fn joins(&mut self, host: Host, there: bool, world: &mut World) {
        self.inner.joins(host, there, world);
        self.serve(world);
    }

    fn on_request(&mut self, slot: Slot, world: &mut World) {
        if world.frames[slot].op >= CONNECT {
            return self.inner.greets(slot, world);
        }
        world.arrive(slot);
        self.inner.arrivals += 1;
        if world.connections.is_some() && self.inner.comes_on_connection(slot, world) {
            return;
        }
        match self.choose(slot, world) {
            Choice::Goes(index) => self.pass_on(slot, index, world),
            Choice::Full => self.stand_in_line(slot, world),
            Choice::Nobody(group) => self.inner.nobody(slot, group, world),
        }
        self.note(world.now());
    }

    fn on_reply(&mut self, child: Slot, world: &mut World) {
        let frame = world.frames[child].parent;
        if !world.is_branch(frame) {
            self.waited(frame, world);
        }
        self.inner.on_reply(child, world);
        self.serve(world);
    }

    fn on_timer(&mut self, slot: Slot, world: &mut World) {
        if world.frames[slot].flags & IN_ROOM != 0 {
            world.frames[slot].armed = 0;
            self.leave(slot, world);
            return self.refuse(slot, Cause::Abandoned, world);
        }
        if !world.is_branch(slot) {
            self.waited(slot, world);
        }
        self.inner.on_timer(slot, world);
        self.serve(world);
    }

    fn on_tick(&mut self, index: u32, world: &mut World) {
        self.inner.on_tick(index, world);
        self.serve(world);
    }

    fn start(&mut self, world: &mut World) {
        self.inner.start(world);
    }

    fn recover(&mut self, inst: u16, world: &mut World) {
        self.inner.recover(inst, world);
    }

    fn on_cancel(&mut self, slot: Slot, world: &mut World) {
        if world.frames[slot].flags & IN_ROOM == 0 {
            self.inner.on_cancel(slot, world);
            return self.serve(world);
        }
        world.disarm(slot);
        self.leave(slot, world);
        self.inner.depart(slot, Err(Cause::Cancelled), world);
        world.record.node(self.inner.node).needless += u64::from(!world.overdue);
        let f = &mut world.frames[slot];
        f.armed = FINISHED;
        f.flags |= CALLEE_DONE;
        world.release_if_done(slot);
    }

    fn crash(&mut self, inst: u16, lost: &[Slot], world: &mut World) {
        if let Some(line) = &mut self.line {
            for &slot in lost {
                world.frames[slot].flags &= !IN_ROOM;
            }
            line.who.clear();
            line.waiting.clear(world.now());
        }
        self.inner.crash(inst, lost, world);
        self.note(world.now());
    }

    fn books(&self, now: u64, books: &mut Vec<InstanceBooks>) {
        let Balancer { arrivals, departures, .. } = self.inner;
        let in_queue = self.line.as_ref().map_or(0, |line| line.waiting.until(now));
        books.push(InstanceBooks { in_queue, arrivals, departures, ..InstanceBooks::default() });
    }

    fn bounded(&self) -> (&'static str, Vec<Bounded>) {
        let all = self.line.as_ref().and_then(|line| line.all).map(|capacity| Bounded {
            name: "in_flight".to_owned(),
            capacity,
            each: false,
            sampled: false,
        });
        ("cores", all.into_iter().collect())
    }

    fn held(&self, now: u64, held: &mut Vec<u128>) {
        let line = self.line.as_ref().filter(|line| line.all.is_some());
        held.extend(line.map(|line| line.held.until(now)));
    }
}

impl Proxy {
    /// Whom a request goes to; that counts as outstanding there.
    fn choose(&mut self, slot: Slot, world: &World) -> Choice {
        let Some(wanted) = self.wanted(slot, world) else { return Choice::Nobody(0) };
        let wanted = |i: usize| wanted[i];
        let (now, f) = (world.now(), &world.frames[slot]);
        let mut draw = self.inner.stream.draw_mixed(f.id);
        let by = if self.inner.sticky { session_of(slot, world) } else { f.key };
        let group = self.group(&mut draw, wanted);
        let chosen = self.inner.chooser.choose_among((group, by), now, &mut draw, wanted);
        let Some(index) = chosen else {
            return if self.line.is_some() { Choice::Full } else { Choice::Nobody(group) };
        };
        if let Some(health) = &self.inner.health
            && draw.unit() >= health.share(index, now)
        {
            // Not yet its turn, as in `Balancer::pass_on`.
            let settled = |i: usize| wanted(i) && health.share(i, now) >= 1.0;
            let by = (self.inner.instead(group, &mut draw, settled), by);
            let chooser = &mut self.inner.chooser;
            if let Some(other) = chooser.choose_instead(by, now, &mut draw, settled) {
                chooser.called_back(index);
                return Choice::Goes(other);
            }
        }
        Choice::Goes(index)
    }

    /// The targets that a request may go to and that have room; none: nobody it may go to is taken for alive.
    fn wanted(&self, slot: Slot, world: &World) -> Option<Vec<bool>> {
        let been = world.been(slot);
        let most = self.line.as_ref().map_or(u32::MAX, |line| line.most);
        let own = self.subset.as_ref().map(|subset| self.own(subset, slot, world));
        let (chooser, pool) = (&self.inner.chooser, &self.inner.pool);
        let own = |i: usize| own.as_ref().is_none_or(|own| own.contains(&i));
        let fresh = |i: usize| own(i) && !been.contains(&pool[i]);
        let not_last = |i: usize| own(i) && been.last() != Some(&pool[i]);
        // Nothing goes to a node without any weight.
        let weights = &self.inner.weights;
        let upto = |g: usize| g.checked_sub(1).map_or(0.0, |before| weights[before]);
        let weighs = |g: &usize| weights.is_empty() || weights[*g] > upto(*g);
        let groups: Vec<usize> = (0..weights.len().max(1)).filter(weighs).collect();
        let ways: [&dyn Fn(usize) -> bool; 3] = [&fresh, &not_last, &own];
        let alive = |way: &&dyn Fn(usize) -> bool| groups.iter().any(|g| chooser.has_any(*g, way));
        let way = ways.into_iter().find(alive)?;
        Some((0..pool.len()).map(|i| way(i) && chooser.outstanding(i) < most).collect())
    }

    /// The group of targets it goes to, by weight, of those that have somebody who is wanted.
    fn group(&mut self, draw: &mut Draw, wanted: impl Fn(usize) -> bool) -> usize {
        let weights = &self.inner.weights;
        if weights.is_empty() {
            return 0;
        }
        if self.inner.smooth {
            let fits = |chooser: &Chooser, g: usize| chooser.has_any(g, &wanted);
            return self.inner.chooser.smooth(weights, fits).unwrap_or(0);
        }
        let u = draw.unit();
        let group = weights.iter().position(|&w| u < w).unwrap_or(weights.len() - 1);
        self.inner.instead(group, draw, wanted)
    }

    /// The targets that are used for a request.
    fn own(&self, subset: &Subset, slot: Slot, world: &World) -> Vec<usize> {
        let f = &world.frames[slot];
        let whose = if subset.by_key { f.key } else { u64::from(caller_of(slot, world)) };
        // As of a ring: who leaves or comes changes as little as can be.
        let hash = |i: &usize| mix(mix(*i as u64 + 1) ^ mix(whose ^ self.inner.site));
        let there = |i: &usize| self.inner.health.as_ref().is_none_or(|health| health.is_there(*i));
        let mut all: Vec<usize> = (0..self.inner.pool.len()).filter(there).collect();
        all.sort_unstable_by_key(|i| std::cmp::Reverse(hash(i)));
        all.truncate(subset.size.0 as usize);
        all
    }

    fn pass_on(&mut self, slot: Slot, index: usize, world: &mut World) {
        let f = &world.frames[slot];
        let what = ((f.op, f.key), f.id);
        self.inner.send_to(slot, index, what, world);
        world.passed_on(slot);
    }

    /// It waits, or there is no room for that.
    fn stand_in_line(&mut self, slot: Slot, world: &mut World) {
        let (now, id) = (world.now(), world.frames[slot].id);
        let line = self.line.as_mut().expect("without a limit nobody is full");
        if line.waiting.count() >= line.room {
            return self.refuse(slot, Cause::QueueFull, world);
        }
        let f = &mut world.frames[slot];
        f.flags |= IN_ROOM;
        f.waited = f.waited.wrapping_sub(now);
        if line.who.len() as u64 > 2 * line.waiting.count() + FEW as u64 {
            let frames = &world.frames;
            line.who.retain(|&(slot, id)| waits(&frames[slot], id));
        }
        line.who.push_back((slot, id));
        line.waiting.enter(now);
        if let Some(wait) = line.wait {
            world.arm(slot, Span::of(wait));
        }
    }

    /// It does not wait any more.
    fn leave(&mut self, slot: Slot, world: &mut World) {
        let now = world.now();
        let f = &mut world.frames[slot];
        f.flags &= !IN_ROOM;
        f.waited = f.waited.wrapping_add(now);
        if let Some(line) = &mut self.line {
            line.waiting.leave(now);
        }
    }

    fn refuse(&mut self, slot: Slot, cause: Cause, world: &mut World) {
        world.record.node(self.inner.node).cause(cause);
        if world.now() > world.frames[slot].arrived {
            self.waited(slot, world);
        }
        self.inner.depart(slot, Ok(Outcome::Rejected), world);
        world.reply(slot, Outcome::Rejected);
    }

    /// How long a request waited is known.
    fn waited(&self, slot: Slot, world: &mut World) {
        if self.line.is_some() {
            let waited = world.frames[slot].waited;
            world.record.node(self.inner.node).waiting.record(waited);
        }
    }

    /// Something may have got room: those who wait go on, in the order in which they came.
    fn serve(&mut self, world: &mut World) {
        let mut next = 0;
        while let Some(&(slot, id)) = self.line.as_ref().and_then(|line| line.who.get(next)) {
            let gone = !waits(&world.frames[slot], id);
            let choice = if gone { Choice::Full } else { self.choose(slot, world) };
            let Choice::Goes(index) = choice else {
                // Whoever comes later may go elsewhere than those before.
                let alike = self.subset.is_none() && world.elsewhere.is_none();
                if gone {
                    self.line.as_mut().and_then(|line| line.who.remove(next));
                } else if alike {
                    break;
                } else {
                    next += 1;
                }
                continue;
            };
            self.line.as_mut().and_then(|line| line.who.remove(next));
            world.disarm(slot);
            self.leave(slot, world);
            self.pass_on(slot, index, world);
        }
        self.note(world.now());
    }

    /// How much is at the targets.
    fn note(&mut self, now: u64) {
        if let Some(line) = &mut self.line {
            let all = (0..self.inner.pool.len()).map(|i| self.inner.chooser.outstanding(i));
            line.held.set(now, all.map(u64::from).sum());
        }
    }
}

/// Whether a visit of this identity waits in line.
fn waits(f: &crate::model::frame::Frame, id: u64) -> bool {
    f.id == id && f.flags & IN_ROOM != 0
}

/// The instance that asks, as one number.
fn caller_of(slot: Slot, world: &World) -> u32 {
    let f = &world.frames[slot];
    let (node, inst): (NodeId, u16) = if f.flags & CALLER_DONE != 0 {
        unpack(f.parent)
    } else {
        (world.frames[f.parent].node, world.frames[f.parent].inst)
    };
    u32::from(node) << 16 | u32::from(inst)
}
