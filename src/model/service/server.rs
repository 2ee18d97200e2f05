//! A server: runs its program for each visit on bounded workers and cores. Services, stores and
//! externals are all servers with different programs.
//!
//! **Invariant.** A frame here waits for exactly one thing: a room, a core, a timer, a call or its
//! branches.

use std::collections::BTreeMap;

use super::{
    background::Background,
    bounds::Part,
    cores::{Admission, Cores},
    inbound::Inbound,
    instr::Instr,
    locks::Locks,
    program::{Program, Stop},
    quota::QuotaSpec,
    room::Room,
    sagas::Sagas,
    transactions::Transactions,
};
use crate::{
    cause::Cause,
    engine::{random::Stream, table::Table},
    model::{
        books::{Area, Unserved},
        bounded::Bounded,
        cache::contents::{Contents, Limits},
        demand::Demand,
        event,
        frame::{BRANCH, CALLEE_DONE, CALLER_DONE, FINISHED, HAS_CORE, HAS_WORKER, IN_ROOM},
        function::environments::Environments,
        ids::{NONE, NodeId, Slot},
        queue::{consumers::Consumers, host::Brokerage},
        replication::group::Group,
        resilience::{caller, policy::EdgeState},
        span::{Work, scaled},
        store::{
            backups::Backups, copies::Copies, feed::Feeding, moving::Moving, promises::Promises,
            relays::Relays,
        },
        topic::host::Logs,
        world::World,
    },
    outcome::Outcome,
};

/// Workers of one instance.
#[derive(Debug)]
pub struct Workers {
    /// How many.
    pub capacity: u64,
    /// Held ones.
    pub busy: Area,
    /// Who waits for one.
    pub room: Room,
}

/// One instance: two cache lines, in the first of which most visits find all they ask for.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Instance {
    /// Workers; none: unbounded. Apart, so that a thousand instances without stay in the cache.
    pub workers: Option<Box<Workers>>,
    /// Arrivals so far.
    pub arrivals: u64,
    /// Departures so far.
    pub departures: u64,
    /// Cores.
    pub cores: Cores,
    /// What it keeps in mind about each edge.
    pub edges: Box<[EdgeState]>,
    /// Caches: what it holds.
    pub contents: Option<Box<Contents>>,
}

const _: () = assert!(size_of::<Instance>() == 128, "an instance is two cache lines");

/// A version of what a server does.
#[derive(Clone, Debug)]
pub struct Version {
    /// Entries of the program.
    pub entries: Vec<Option<u16>>,
    /// First instruction of each thing it does by itself.
    pub own: Vec<u16>,
    /// Caches: what each instance can hold.
    pub limits: Option<Limits>,
}

/// A server.
#[derive(Debug)]
pub struct Server {
    /// Its id.
    pub node: NodeId,
    /// What it does.
    pub program: Program,
    /// What differs by version of its spec; empty: there is one.
    pub versions: Vec<Version>,
    /// The version of each instance while they differ; then the program has no entries of its own.
    pub mixed: Option<Box<[usize]>>,
    /// Departures that are no good answers, by instance.
    pub unserved: Vec<Unserved>,
    /// Its instances.
    pub instances: Table<Instance>,
    /// Waiting room for a worker, or for the first core without workers.
    pub queue: Option<u64>,
    /// Where it is full, the least urgent of all who wait and would wait leaves, not the newcomer.
    pub push_out: bool,
    /// How long a waiter waits.
    pub patience: Option<Demand>,
    /// What is done to requests at the door.
    pub inbound: Option<Box<Inbound>>,
    /// Locks, if any step takes one.
    pub locks: Option<Box<Locks>>,
    /// Sagas, if any step is one.
    pub sagas: Option<Box<Sagas>>,
    /// Transactions, if any step is one.
    pub transactions: Option<Box<Transactions>>,
    /// Stores that transactions write: what shards promised them.
    pub promises: Option<Box<Promises>>,
    /// Stores that are followed: the version each shard holds of each key.
    pub copies: Option<Box<Copies>>,
    /// Something is made of what its replicas agree on.
    pub overheard: bool,
    /// Stores with replicas: what they are.
    pub group: Option<Box<Group>>,
    /// Stores whose shards become more or fewer: which keys move.
    pub moving: Option<Box<Moving>>,
    /// Stores with backups: how far those are.
    pub backups: Option<Box<Backups>>,
    /// What instances do by themselves.
    pub background: Option<Box<Background>>,
    /// Which messages they work off.
    pub consumers: Option<Box<Consumers>>,
    /// Queues: what they keep.
    pub broker: Option<Box<Brokerage>>,
    /// Logs: what they keep.
    pub log: Option<Box<Logs>>,
    /// Stores with outboxes: what is to be published.
    pub relays: Option<Box<Relays>>,
    /// Stores whose log feeds views, and those views.
    pub feeding: Option<Box<Feeding>>,
    /// Functions: what requests run in.
    pub environments: Option<Box<Environments>>,
    /// Draws of backoff jitter.
    pub jitter: Stream,
    /// `utilisation` counts cores, not workers.
    pub counts_cores: bool,
    /// Processor time of each instance, where it is rationed.
    pub quota: Option<QuotaSpec>,
    /// What is bounded besides, and where what is held of it is found.
    pub(super) bounds: Vec<(Bounded, Part)>,
    /// Frames dropped by CoDel during one event.
    pub dropped: Vec<Slot>,
    /// Frames whose shared work ended in one event.
    pub finished: Vec<Slot>,
    /// Paused instances: work at full speed that is left, by frame.
    pub frozen: BTreeMap<u16, Vec<(Slot, u64)>>,
}

impl Server {
    /// Instances that answer requests: not those that only observe, nor whoever keeps backups.
    pub(super) fn serving(&self) -> usize {
        let keeps = usize::from(self.backups.is_some());
        self.group.as_ref().map_or(self.instances.len() - keeps, |group| group.serving)
    }

    #[inline(always)]
    pub(super) fn admit(&mut self, slot: Slot, world: &mut World) {
        let op = usize::from(world.frames[slot].op);
        let Some(&Some(entry)) = self.program.entries.get(op) else {
            return self.admit_apart(slot, world);
        };
        self.enter(slot, entry, world);
    }

    /// A visit of an instance whose version is its own; or of nothing but whoever is there.
    #[cold]
    #[inline(never)]
    fn admit_apart(&mut self, slot: Slot, world: &mut World) {
        let f = &world.frames[slot];
        let version = self.mixed.as_ref().map(|mixed| mixed[usize::from(f.inst)]);
        let entry =
            version.and_then(|version| self.versions[version].entries.get(usize::from(f.op)));
        match entry {
            Some(&Some(entry)) => self.enter(slot, entry, world),
            _ => self.probed(slot, world),
        }
    }

    #[inline(always)]
    fn enter(&mut self, slot: Slot, entry: u16, world: &mut World) {
        world.arrive(slot);
        let f = &mut world.frames[slot];
        let inst = &mut self.instances[usize::from(f.inst)];
        inst.arrivals += 1;
        // Past the `Begin` that a frame admitted later starts at.
        f.pc = entry + 1;
        if world.hosts.failing() && world.fails_at_once(slot) {
            return self.finish(slot, Outcome::Error, world);
        }
        if self.inbound.is_some() && self.stopped_at_door(slot, world) {
            return;
        }
        self.come_in(slot, world);
    }

    /// A visit whose next instruction is its first step has passed the door.
    #[inline(always)]
    pub(super) fn come_in(&mut self, slot: Slot, world: &mut World) {
        let inst = &mut self.instances[usize::from(world.frames[slot].inst)];
        if let Some(workers) = &mut inst.workers {
            let now = world.now();
            if workers.busy.count() >= workers.capacity {
                let full = self.queue.is_some_and(|k| workers.room.waiting() >= k);
                if full && !self.push_out {
                    return self.refuse(slot, Cause::QueueFull, world);
                }
                let rank =
                    if world.carries { u64::from(world.frames.extra(slot).priority) } else { 0 };
                workers.room.enter(slot, rank, world);
                self.arm_patience(slot, world);
                if full {
                    self.push_out(slot, world);
                }
                return;
            }
            workers.busy.enter(now);
            world.frames[slot].flags |= HAS_WORKER;
        }
        // The most common first step, spared the interpreter.
        if let Instr::Work(demand) = self.program.code[usize::from(world.frames[slot].pc)] {
            return self.start_work(slot, demand, world);
        }
        self.proceed(slot, world);
    }

    /// The instruction a frame was blocked at is done.
    #[inline(always)]
    pub(super) fn go_on(&mut self, slot: Slot, world: &mut World) {
        let f = &mut world.frames[slot];
        let next = f.pc + 1;
        // The most common way on, spared the interpreter.
        if self.program.code[usize::from(next)] == Instr::End {
            return self.end(slot, Outcome::Ok, world);
        }
        f.pc = next;
        self.run(slot, world);
    }

    /// Goes on with a frame's program.
    #[inline(never)]
    pub(super) fn run(&mut self, slot: Slot, world: &mut World) {
        // Where messages between replicas stand, spared the interpreter.
        if let Instr::Point(point) = self.program.code[usize::from(world.frames[slot].pc)] {
            return self.at_point(slot, point, world);
        }
        self.interpret(slot, world);
    }

    #[inline(never)]
    fn interpret(&mut self, slot: Slot, world: &mut World) {
        self.proceed(slot, world);
    }

    #[inline(always)]
    fn proceed(&mut self, slot: Slot, world: &mut World) {
        match self.program.advance(slot, world) {
            Stop::At(&Instr::Work(demand)) => self.start_work(slot, demand, world),
            Stop::At(&Instr::Strained(demand)) => self.start_strained(slot, demand, world),
            Stop::At(&Instr::Wait(demand)) => {
                let work = self.program.demands[usize::from(demand)].work(slot, world);
                let span = world.stretched(slot, work).span;
                if !self.program.calls.is_empty() {
                    world.record.between.waits += u128::from(span.nanos());
                }
                world.arm(slot, span);
            }
            Stop::At(&Instr::Call(call)) => self.start_call(slot, call, world),
            Stop::At(&Instr::Fork(fork)) => self.start_fork(slot, fork, world),
            Stop::At(&Instr::Cache(step, hit)) => {
                if self.cache_step(slot, (step, hit), world) {
                    self.run(slot, world);
                }
            }
            Stop::At(&Instr::Send(call)) => {
                self.send_away(slot, (call, None), world);
                world.frames[slot].pc += 1;
                self.run(slot, world);
            }
            Stop::At(&Instr::Reply(reply)) => {
                // What follows runs in the background.
                let rest = self.reply_early(slot, reply, world);
                self.run(rest, world);
            }
            Stop::At(
                &instr @ (Instr::Lock(_) | Instr::Unlock | Instr::Lease(..) | Instr::Saga(..)),
            ) => {
                self.at_lock(slot, instr, world);
            }
            Stop::At(&Instr::Point(point)) => self.at_point(slot, point, world),
            Stop::At(&Instr::Held(access)) => self.touch(slot, access, world),
            Stop::At(_) => self.finish(slot, Outcome::Ok, world),
            Stop::Failed => {
                world.record.node(self.node).cause(Cause::FailedStep);
                self.finish(slot, Outcome::Error, world);
            }
        }
    }

    // ---- work ------------------------------------------------------------------------------

    #[inline(always)]
    fn start_work(&mut self, slot: Slot, demand: u16, world: &mut World) {
        if world.carries && self.past_deadline(slot, world) {
            return;
        }
        let work = self.program.demands[usize::from(demand)].work(slot, world);
        self.take_core(slot, work, world);
    }

    /// Starts work that takes longer while memory is short.
    #[inline(never)]
    fn start_strained(&mut self, slot: Slot, demand: u16, world: &mut World) {
        if world.carries && self.past_deadline(slot, world) {
            return;
        }
        let work = self.program.demands[usize::from(demand)].work(slot, world);
        let inst = usize::from(world.frames[slot].inst);
        let strain = |inbound: &Inbound| inbound.strain(inst, &self.instances[inst]);
        let factor = self.inbound.as_ref().map_or(1.0, |inbound| strain(inbound));
        self.take_core(slot, Work::of(scaled(work.nanos, factor)), world);
    }

    #[inline(always)]
    pub(super) fn take_core(&mut self, slot: Slot, work: Work, world: &mut World) {
        let f = &mut world.frames[slot];
        let before = f.served;
        f.served += work.nanos;
        let (flags, inst) = (f.flags, &mut self.instances[usize::from(f.inst)]);
        let first = || before == 0 && flags & BRANCH == 0;
        let mut full = false;
        if let Some(k) = self.queue
            && first()
            && inst.workers.is_none()
            && !inst.cores.free()
            && inst.cores.waiting() >= k
        {
            // Who is served at once does not wait.
            let waits = !inst.cores.would_interrupt(slot, work.nanos, world);
            full = self.push_out;
            if waits && !full {
                world.frames[slot].served = 0;
                return self.refuse(slot, Cause::QueueFull, world);
            }
        }
        let admission = inst.cores.ask(slot, work, world);
        if self.patience.is_some() && admission == Admission::Waiting && first() {
            self.arm_patience(slot, world);
        }
        if full {
            self.push_out(slot, world);
        }
    }

    #[inline(always)]
    pub(super) fn timed(&mut self, slot: Slot, world: &mut World) {
        let f = &mut world.frames[slot];
        f.armed = 0;
        if f.flags & HAS_CORE != 0 {
            let inst = usize::from(f.inst);
            self.instances[inst].cores.done(slot, world, &mut self.dropped);
            if !self.dropped.is_empty() {
                self.finish_dropped(world);
            }
            return self.go_on(slot, world);
        }
        if f.flags & IN_ROOM != 0 {
            return self.out_of_patience(slot, world);
        }
        match self.program.code[usize::from(f.pc)] {
            Instr::Call(call) => caller::timed(self, slot, call, world),
            Instr::Begin if self.inbound.is_some() => self.begins_late(slot, world),
            Instr::Cache(..) => self.done_waiting(slot, world),
            Instr::Point(_) => self.point_timed(slot, world),
            Instr::Lease(..) => self.leased_timed(slot, world),
            _ => {
                f.pc += 1;
                self.run(slot, world);
            }
        }
    }

    // ---- ends ------------------------------------------------------------------------------

    /// A visit or branch ends.
    #[inline(never)]
    pub(super) fn finish(&mut self, slot: Slot, outcome: Outcome, world: &mut World) {
        if !outcome.is_success() && self.goes_on_failed(slot, outcome, world) {
            return;
        }
        self.end(slot, outcome, world);
    }

    /// A visit or branch failed: what it holds is given back; whether it ends later.
    #[cold]
    #[inline(never)]
    fn goes_on_failed(&mut self, slot: Slot, outcome: Outcome, world: &mut World) -> bool {
        self.fail_followers(slot, outcome, world);
        self.release_fills(slot, world);
        self.free_locks(slot, world);
        self.free_leased(slot, world);
        self.free_connections(slot, world);
        if self.transactions.is_some() {
            self.drops_transaction(slot, world);
        } else if self.promises.is_some() && self.votes_against(slot, outcome, world) {
            return true;
        }
        if self.sagas.is_some() && self.undoes(slot, (outcome, false), world) {
            return true;
        }
        let f = &world.frames[slot];
        if f.flags & BRANCH == 0 {
            self.unserved[usize::from(f.inst)].failed += 1;
        }
        false
    }

    #[inline(always)]
    fn end(&mut self, slot: Slot, mut outcome: Outcome, world: &mut World) {
        if world.carries && outcome == Outcome::Ok && world.frames.extra(slot).degraded {
            outcome = Outcome::Degraded;
        }
        let flags = world.frames[slot].flags;
        let inst = world.frames[slot].inst;
        if flags & BRANCH != 0 {
            let f = &mut world.frames[slot];
            f.pc = outcome as u16;
            f.armed = FINISHED;
            if flags & CALLER_DONE == 0 {
                world.agenda.push_now(slot, event::REPLY);
            } else if f.parent == NONE {
                self.rest(slot, outcome, world);
            } else {
                f.flags |= CALLEE_DONE;
                world.release_if_done(slot);
            }
        } else {
            if self.inbound.is_some() && self.door_hears(slot, outcome, world) {
                return;
            }
            self.instances[usize::from(inst)].departures += 1;
            world.depart(slot, outcome);
            world.reply(slot, outcome);
        }
        if flags & HAS_WORKER != 0 {
            self.free_worker(usize::from(inst), world);
        }
    }
}
