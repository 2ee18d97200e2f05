//! What each instance of a service does by itself, again and again: lease renewals, gossip, scheduled jobs.
//!
//! A run is a branch without a parent: it works and calls like a visit, but nobody asked for it and nobody
//! gets an answer, so it is no visit in the books.
//!
//! **Invariant.** Each instance that is up has one frame for each of them, which waits for its time or runs.

use super::{ServiceSpec, server::Server};
use crate::{
    cause::Cause,
    engine::{
        law::{Sampler, to_nanos},
        random::{Stream, descend, mix},
    },
    model::{
        build::Assembly,
        frame::{BRANCH, CALLEE_DONE, CALLER_DONE, Extra, FINISHED, Frame, NOBODY, PROBE},
        ids::{NONE, Slot},
        service::parts::{BackgroundSpec, OPERATION},
        span::Span,
        world::World,
    },
    outcome::Outcome,
};

/// One of the things instances do by themselves.
#[derive(Clone, Debug)]
struct Task {
    every: Sampler,
    stream: Stream,
    lease: Option<u64>,
    site: u64,
    clock: Option<Clock>,
}

/// Runs begin at the same time of every period, ns.
#[derive(Clone, Copy, Debug)]
struct Clock {
    every: u64,
    at: u64,
}

impl Clock {
    /// The first instant from `from` on.
    fn next(self, from: u64) -> u64 {
        let rounds = from.saturating_sub(self.at).div_ceil(self.every);
        self.at.saturating_add(rounds.saturating_mul(self.every))
    }
}

/// How one instance stands with one of them.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// Runs begun or waited for.
    runs: u64,
    /// When a run last succeeded, from the start of the run; [`NEVER`]: not since the process began.
    renewed: i64,
}

/// Before anything.
const NEVER: i64 = i64::MIN / 2;

/// What the instances of a server do by themselves.
#[derive(Debug)]
pub struct Background {
    tasks: Vec<Task>,
    /// Those of each version of the service: as many in each.
    versions: Vec<Vec<Task>>,
    op: u8,
    /// Of each instance, task by task.
    standing: Vec<Standing>,
    /// Instances that are not there, or about to leave.
    away: Vec<bool>,
}

impl Background {
    /// Ready to run, if there is anything.
    pub fn new(
        specs: &[&ServiceSpec],
        (path, instances): (&str, u64),
        assembly: &mut Assembly<'_>,
    ) -> Option<Self> {
        if specs[0].background.is_empty() {
            return None;
        }
        let task = |(i, spec): (usize, &BackgroundSpec)| {
            let path = format!("{path}/background/{i}");
            let stream = assembly.stream(&path, "every");
            // All go by one clock, wherever in the period it begins.
            let phase = |every: f64| to_nanos(every * stream.draw(0).unit());
            let clock = spec.every.constant().filter(|_| spec.at.is_some() || spec.is_shared());
            let clock = clock.map(|every| Clock {
                every: to_nanos(every).max(1),
                at: spec.at.map_or_else(|| phase(every), |at| at.0),
            });
            let (every, site) = (assembly.sampler(&spec.every), Assembly::site(&path));
            Task { every, stream, lease: spec.lease.map(|lease| lease.0), site, clock }
        };
        let of = |spec: &&ServiceSpec| spec.background.iter().enumerate().map(task).collect();
        let versions: Vec<Vec<Task>> = specs.iter().map(of).collect();
        let tasks = versions[0].clone();
        let standing = vec![Standing::default(); tasks.len() * instances as usize];
        let op = assembly.names.op(&(OPERATION.to_owned(), None)).unwrap_or(PROBE);
        let away = vec![false; instances as usize];
        Some(Self { tasks, versions, op, standing, away })
    }

    /// It is as that version of the service says from now on; a lease counts from the last success.
    pub fn set_version(&mut self, version: usize) {
        if let Some(tasks) = self.versions.get(version) {
            self.tasks.clone_from(tasks);
        }
    }

    /// An instance is not there any more, or about to leave; or it is back.
    pub fn withdraw(&mut self, inst: u16, away: bool) {
        self.away[usize::from(inst)] = away;
    }

    fn standing(&mut self, inst: u16, task: u16) -> &mut Standing {
        &mut self.standing[usize::from(inst) * self.tasks.len() + usize::from(task)]
    }

    /// Whether an instance holds all its leases.
    fn holds(&self, inst: u16, now: u64) -> bool {
        let first = usize::from(inst) * self.tasks.len();
        let holds = |(task, standing): (&Task, &Standing)| {
            task.lease.is_none_or(|lease| standing.holds(lease, now))
        };
        self.tasks.iter().zip(&self.standing[first..]).all(holds)
    }
}

impl Standing {
    fn holds(self, lease: u64, now: u64) -> bool {
        i128::from(now) < i128::from(self.renewed) + i128::from(lease)
    }
}

impl Server {
    /// Whether an instance may serve: not one that has lost a lease.
    pub(super) fn serves(&self, inst: u16, world: &World) -> bool {
        self.background.as_ref().is_none_or(|own| own.holds(inst, world.now()))
    }

    /// An instance begins to do by itself what it does: when the simulation begins, or anew after a crash.
    pub(super) fn begin_background(&mut self, inst: u16, fresh: bool, world: &mut World) {
        self.begin_environments(inst, fresh, world);
        let Some(own) = &mut self.background else { return };
        if world.hosts.disturbed && world.hosts.is_down((self.node, inst)) {
            return;
        }
        for task in 0..own.tasks.len() as u16 {
            let slot = world.begin_inside(Frame {
                node: self.node,
                inst,
                op: own.op,
                flags: BRANCH | CALLER_DONE,
                ..Frame::EMPTY
            });
            let interval = own.next(slot, task, world);
            world.frames[slot].pc = self.program.own[usize::from(task)];
            let now = world.now();
            let first = match own.tasks[usize::from(task)].clock {
                Some(clock) => clock.next(now) - now,
                None if fresh => 0,
                None => own.phase(slot, task, interval, world),
            };
            // At first as if it had been renewed one period before.
            let before = first as i64 - interval as i64;
            own.standing(inst, task).renewed = if fresh { NEVER } else { before };
            world.frames[slot].arrived = now + first;
            world.arm(slot, Span::of(first));
        }
    }

    /// The process of an instance is gone.
    pub(super) fn end_background(&mut self, inst: u16) {
        let Some(own) = &mut self.background else { return };
        for task in 0..own.tasks.len() as u16 {
            own.standing(inst, task).renewed = NEVER;
        }
    }

    /// A run has ended; its frame waits for the next one.
    #[cold]
    pub(super) fn rest(&mut self, slot: Slot, outcome: Outcome, world: &mut World) {
        if self.consumers.is_some() && self.batch_ended(slot, outcome, world) {
            return;
        }
        if self.environments.is_some() {
            self.leaves_environment(slot, world);
            world.frames[slot].flags |= CALLEE_DONE;
            return world.release_if_done(slot);
        }
        let Some(own) = &mut self.background else { return };
        let task = world.frames.extra(slot).shard;
        let (inst, now) = (world.frames[slot].inst, world.now());
        if outcome.is_success() {
            own.standing(inst, task).renewed = now as i64;
        } else {
            world.record.node(self.node).cause(Cause::BackgroundFailed);
        }
        self.waits_for_next(slot, world);
    }

    /// A frame whose run has ended, or is not to be, waits for the next one.
    fn waits_for_next(&mut self, slot: Slot, world: &mut World) {
        let Some(own) = &mut self.background else { return };
        let (task, now) = (world.frames.extra(slot).shard, world.now());
        let interval = own.next(slot, task, world);
        let f = &mut world.frames[slot];
        f.pc = self.program.own[usize::from(task)];
        f.arrived = match own.tasks[usize::from(task)].clock {
            Some(clock) => clock.next(now.max(f.arrived + 1)),
            None => now.max(f.arrived.saturating_add(interval)),
        };
        let wait = f.arrived - now;
        world.arm(slot, Span::of(wait));
    }

    /// A run that one instance does for all is due: the lowest that is ready begins it. One that comes too late,
    /// as it was paused, leaves it.
    #[cold]
    pub(super) fn takes_turn(&mut self, slot: Slot, world: &mut World) {
        let f = &world.frames[slot];
        let (inst, late) = (f.inst, f.arrived < world.now());
        let Some(own) = &self.background else { return };
        let ready = |inst: &u16| !own.away[usize::from(*inst)] && self.is_up(*inst, world);
        if late || (0..=inst).find(ready) != Some(inst) {
            return self.waits_for_next(slot, world);
        }
        world.frames[slot].pc += 1;
        self.run(slot, world);
    }

    /// The process of an instance runs.
    fn is_up(&self, inst: u16, world: &World) -> bool {
        let (hosts, host) = (&world.hosts, (self.node, inst));
        !(hosts.disturbed && hosts.is_down(host) || hosts.paused && hosts.is_paused(host))
    }
}

impl Background {
    /// Makes a frame ready for the next run; the time from the last one's beginning to it, ns.
    fn next(&mut self, slot: Slot, task: u16, world: &mut World) -> u64 {
        let inst = world.frames[slot].inst;
        let standing = self.standing(inst, task);
        standing.runs += 1;
        let runs = standing.runs;
        let Task { every, stream, site, .. } = &self.tasks[usize::from(task)];
        let id = descend(mix(site ^ u64::from(inst)), mix(runs));
        let f = &mut world.frames[slot];
        debug_assert!(f.armed == 0 || f.armed == FINISHED, "it waits for nothing");
        (f.id, f.key, f.waited, f.served, f.armed, f.next) = (id, id, 0, 0, 0, NONE);
        *world.frames.extra_mut(slot) = Extra { client: NOBODY, shard: task, ..Extra::EMPTY };
        // A period of nothing would never let time pass.
        to_nanos(every.sample(&mut stream.draw_mixed(id))).max(1)
    }

    /// When an instance begins, some part of a period after the others, ns.
    fn phase(&self, slot: Slot, task: u16, interval: u64, world: &World) -> u64 {
        let id = world.frames[slot].id.rotate_left(32);
        let unit = self.tasks[usize::from(task)].stream.draw_mixed(id).unit();
        to_nanos(interval as f64 * unit)
    }
}
