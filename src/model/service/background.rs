//! What each instance of a service does by itself, again and again: lease renewals, gossip, scheduled jobs.
//!
//! A run is a branch without a parent: it works and calls like a visit, but nobody asked for it and nobody
//! gets an answer, so it is no visit in the books.
//!
//! **Invariant.** Each instance that is up has one frame for each of them, which waits for its time or runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ServiceSpec, StepSpec, compile::Spread, server::Server};
use crate::{
    engine::{
        law::{DurationFormula, DurationLaw, Formula, Sampler, to_nanos},
        random::{Stream, descend, mix},
    },
    model::{
        build::Assembly,
        check::law,
        check_steps::{many_steps, steps},
        frame::{BRANCH, CALLER_DONE, Extra, FINISHED, Frame, NOBODY, PROBE},
        ids::{NONE, Slot},
        names::Names,
        outcome::Outcome,
        span::Span,
        world::World,
    },
    problem::Problems,
    units::SimDuration,
};

/// Operation that calls ask for where they name none.
pub const OPERATION: &str = "background";

/// Steps that each instance runs by itself, whether requests come or not: renewals of a lease, gossip,
/// scheduled jobs.
///
/// The next run begins `every` after the last one began, or when that one has ended if it took longer.
/// Instances begin at times of their own; one that has crashed begins anew as soon as it is back, so that
/// those that come back together run together. A run holds no worker, its `work` takes a core; a call that
/// names no operation asks for `background`, and every run has a key of its own. What fails ends the run,
/// and is tried again when the next one is due.
///
/// ```yaml
/// background: [{every: uniform(50s 70s), lease: 3m, do: [{call: metadata}]}]
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackgroundSpec {
    /// From the beginning of one run to the next; a law such as `uniform(9s 11s)` keeps instances apart.
    pub every: DurationLaw,
    /// An instance none of whose runs has succeeded for so long refuses requests (`unavailable`) and fails
    /// health checks until one does. It has its lease when the simulation begins, but not after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<SimDuration>,
    /// The steps.
    #[serde(rename = "do")]
    pub do_: Vec<StepSpec>,
}

impl BackgroundSpec {
    /// Mean time from one run to the next, ns.
    pub fn period(&self) -> f64 {
        self.every.mean().unwrap_or(f64::INFINITY)
    }

    /// Checks it.
    pub fn check(&self, path: &str, names: &Names, problems: &mut Problems) {
        let at = |key: &str| format!("{path}.{key}");
        law(&self.every, &at("every"), problems);
        let period = self.period();
        if period < 1.0 {
            problems.error("E-RANGE", at("every"), "must be above 0");
        }
        if self.lease.is_some_and(|lease| lease.0 as f64 <= period) {
            let message = "must be longer than `every`, or it is over before it is renewed";
            problems.error("E-RANGE", at("lease"), message);
        }
        if self.do_.is_empty() {
            problems.error("E-STEP", at("do"), "needs at least one step");
        }
        let mut count = 0;
        steps(&self.do_, &at("do"), (0, &mut count), names, problems);
        many_steps(count, &at("do"), problems);
        asked_by_nobody(&self.do_, &at("do"), problems);
    }
}

/// Refuses what belongs to a request, where there is none.
fn asked_by_nobody(list: &[StepSpec], path: &str, problems: &mut Problems) {
    for (i, step) in list.iter().enumerate() {
        let path = format!("{path}[{i}]");
        for (key, given, message) in [
            ("reply", step.reply.is_some(), "nobody waits for a reply"),
            ("mark", step.mark.is_some(), "no request was sent, so no time has passed since"),
        ] {
            if given {
                let help = "it belongs to an endpoint";
                problems.error_help("E-STEP", format!("{path}.{key}"), message, help);
            }
        }
        if let Some(Spread::Keys(_)) = step.spread() {
            problems.error("E-CONFLICT", &path, "there is no client by whose law keys are drawn");
        }
        let own = ["instance", "zone"];
        let formulas = step.work.iter().chain(&step.wait).flat_map(DurationFormula::attributes);
        let size = step.target().and_then(|t| t.3).into_iter().flat_map(Formula::attributes);
        let when = step.when.iter().flat_map(|w| &w.0).map(|c| c.attribute.as_str());
        let used = formulas.chain(size).map(|(_, name)| name).chain(when);
        let key = step.target().and_then(|t| t.2.map(|key| key.0.clone()));
        let key = key.filter(|key| key != "instance");
        if let Some(name) = used.map(str::to_owned).find(|n| !own.contains(&n.as_str())).or(key) {
            let message = format!("there is no request whose `{name}` it could be");
            let help = "`instance` and `zone` are known here";
            problems.error_help("E-CONFLICT", &path, message, help);
        }
        for (inner, list) in step.inner() {
            asked_by_nobody(list, &format!("{path}{inner}"), problems);
        }
    }
}

/// One of the things instances do by themselves.
#[derive(Clone, Debug)]
struct Task {
    every: Sampler,
    stream: Stream,
    lease: Option<u64>,
    site: u64,
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
}

impl Background {
    /// Ready to run, if there is anything.
    pub fn new(
        specs: &[&ServiceSpec],
        (path, instances): (&str, u64),
        assembly: &mut Assembly<'_>,
    ) -> Option<Self> {
        let task = |(i, spec): (usize, &BackgroundSpec)| {
            let path = format!("{path}/background/{i}");
            Task {
                every: assembly.sampler(&spec.every),
                stream: assembly.stream(&path, "every"),
                lease: spec.lease.map(|lease| lease.0),
                site: Assembly::site(&path),
            }
        };
        let of = |spec: &&ServiceSpec| spec.background.iter().enumerate().map(task).collect();
        let versions: Vec<Vec<Task>> = specs.iter().map(of).collect();
        let tasks = versions[0].clone();
        let standing = vec![Standing::default(); tasks.len() * instances as usize];
        let op = assembly.names.op(&(OPERATION.to_owned(), None)).unwrap_or(PROBE);
        (!tasks.is_empty()).then_some(Self { tasks, versions, op, standing })
    }

    /// It is as that version of the service says from now on; a lease counts from the last success.
    pub fn set_version(&mut self, version: usize) {
        if let Some(tasks) = self.versions.get(version) {
            self.tasks.clone_from(tasks);
        }
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
        let Some(own) = &mut self.background else { return };
        if world.hosts.disturbed && world.hosts.is_down((self.node, inst)) {
            return;
        }
        for task in 0..own.tasks.len() as u16 {
            let slot = world.frames.alloc(Frame {
                node: self.node,
                inst,
                op: own.op,
                flags: BRANCH | CALLER_DONE,
                ..Frame::EMPTY
            });
            let interval = own.next(slot, task, world);
            world.frames[slot].pc = self.program.own[usize::from(task)];
            let first = if fresh { 0 } else { own.phase(slot, task, interval, world) };
            // At first as if it had been renewed one period before.
            let before = first as i64 - interval as i64;
            own.standing(inst, task).renewed = if fresh { NEVER } else { before };
            let now = world.now();
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
        let Some(own) = &mut self.background else { return };
        let task = world.frames.extra(slot).shard;
        let (inst, now) = (world.frames[slot].inst, world.now());
        if outcome.is_success() {
            own.standing(inst, task).renewed = now as i64;
        } else {
            world.record.node(self.node).cause("background_failed");
        }
        let interval = own.next(slot, task, world);
        let f = &mut world.frames[slot];
        f.pc = self.program.own[usize::from(task)];
        f.arrived = now.max(f.arrived.saturating_add(interval));
        let wait = f.arrived - now;
        world.arm(slot, Span::of(wait));
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
