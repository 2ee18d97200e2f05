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
    locks::Locks,
    program::{Instr, Program, Stop},
    quota::QuotaSpec,
    room::Room,
    sagas::Sagas,
    transactions::Transactions,
};
use crate::{
    engine::{random::Stream, table::Table},
    model::{
        books::{
            Area, BatchesMeasured, EnvironmentsMeasured, InstanceBooks, MovedMeasured,
            SagasMeasured, Unserved,
        },
        bounded::Bounded,
        cache::contents::{Contents, Limits},
        consistency::watched::Holdings,
        demand::Demand,
        event,
        frame::{BRANCH, CALLEE_DONE, CALLER_DONE, FINISHED, HAS_CORE, HAS_WORKER, IN_ROOM},
        function::environments::Environments,
        ids::{Host, NONE, NodeId, Slot},
        node::{Choose, Node},
        outcome::Outcome,
        queue::{
            consumers::Consumers,
            counts::{Backlog, GroupMeasured, OutboxMeasured, QueueMeasured},
            host::Brokerage,
        },
        replication::{group::Group, tally::ReplicasMeasured},
        resilience::{caller, policy::EdgeState},
        route::Route,
        span::{Work, scaled},
        store::{
            copies::Copies, feed::Feeding, moving::Moving, promises::Promises, relays::Relays,
        },
        topic::host::Logs,
        world::World,
    },
    replication::Strike,
    stats::Histogram,
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
    /// Stores with replicas: what they are.
    pub group: Option<Box<Group>>,
    /// Stores whose shards become more or fewer: which keys move.
    pub moving: Option<Box<Moving>>,
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

impl Node for Server {
    #[inline(always)]
    fn on_request(&mut self, slot: Slot, world: &mut World) {
        self.admit(slot, world);
    }

    #[inline(always)]
    fn on_reply(&mut self, child: Slot, world: &mut World) {
        self.answered(child, world);
    }

    #[inline(always)]
    fn on_timer(&mut self, slot: Slot, world: &mut World) {
        self.timed(slot, world);
    }

    fn on_tick(&mut self, index: u32, world: &mut World) {
        self.share(index as usize, world);
    }

    fn on_cancel(&mut self, slot: Slot, world: &mut World) {
        self.called_off(slot, world);
    }

    fn start(&mut self, world: &mut World) {
        // Now it is whole. Nothing of it was held before.
        self.bounds = self.bounded_parts();
        for inst in 0..self.instances.len() as u16 {
            self.begin_background(inst, false, world);
            self.begin_consuming(inst, world);
        }
        self.start_replicas(world);
    }

    fn recover(&mut self, inst: u16, world: &mut World) {
        self.begin_background(inst, true, world);
        self.begin_consuming(inst, world);
        self.restart_replica(inst, world);
        self.resume_sagas(inst, world);
    }

    fn withdraw(&mut self, host: Host, out: bool, world: &mut World) {
        self.joins(host, !out, world);
    }

    fn joins(&mut self, (node, inst): Host, there: bool, world: &mut World) {
        if node == self.node {
            self.is_withdrawn(inst, !there, world);
        }
    }

    fn damage(&mut self, inst: u16, strike: Option<Strike>, world: &mut World) {
        self.lose_copies(inst, strike, world);
    }

    fn on_letter(&mut self, slot: Slot, world: &mut World) {
        self.letter_came(slot, world);
    }

    fn crash(&mut self, number: u16, lost: &[Slot], world: &mut World) {
        let visits = lost.iter().filter(|&&slot| !world.is_branch(slot)).count();
        let inst = &mut self.instances[usize::from(number)];
        inst.departures += visits as u64;
        self.unserved[usize::from(number)].failed += visits as u64;
        if let Some(workers) = &mut inst.workers {
            workers.room.clear(world);
            workers.busy.clear(world.now());
        }
        inst.cores.clear(world);
        self.orphan_branches(lost, world);
        self.crash_locks(lost, world);
        self.crash_leased(number, lost, world);
        self.crash_sagas(lost, world);
        self.crash_messages(number, lost, world);
        let inst = &mut self.instances[usize::from(number)];
        self.frozen.entry(number).and_modify(Vec::clear);
        if let Some(contents) = &mut inst.contents {
            contents.clear();
            contents.forget_fetches();
        }
        inst.edges.iter_mut().for_each(|edge| edge.restart(world.now()));
        if let Some(inbound) = &mut self.inbound {
            let departures = self.instances[usize::from(number)].departures;
            inbound.restart(number, departures, world.now());
        }
        self.end_background(number);
        self.crash_processes(number, lost, world);
    }

    fn retire(&mut self, choose: &mut Choose<'_>, crash: bool, world: &mut World) {
        self.retire_environments(choose, crash, world);
    }

    fn environments(&self, now: u64, audit: bool) -> Option<EnvironmentsMeasured> {
        self.environments.as_ref().map(|own| own.measured(now, audit))
    }

    fn reshard(&mut self, to: Route, shards: u16, world: &mut World) {
        self.begin_moves(to, shards, world);
    }

    fn moved(&self) -> Option<MovedMeasured> {
        self.moving.as_ref().map(|moving| moving.measured())
    }

    fn pause(&mut self, inst: u16, world: &mut World) {
        let host = (self.node, inst);
        let left = self.instances[usize::from(inst)].cores.freeze(host, world);
        self.frozen.insert(inst, left);
    }

    fn resume(&mut self, inst: u16, world: &mut World) {
        let left = self.frozen.remove(&inst).unwrap_or_default();
        let host = (self.node, inst);
        self.instances[usize::from(inst)].cores.thaw(host, &left, world);
    }

    fn set_pace(&mut self, inst: u16, before: f64, after: f64, world: &mut World) {
        let node = self.node;
        if self.frozen.contains_key(&inst) {
            return; // Taken into account when it goes on.
        }
        self.instances[usize::from(inst)].cores.set_pace((node, inst), before, after, world);
    }

    fn set_clock(&mut self, inst: u16, faster: f64, world: &mut World) {
        if let Some(group) = &mut self.group {
            group.retime(inst, faster, world);
        }
        self.retime_leased(inst, faster, world);
    }

    fn holds(&self, held: &mut Holdings) {
        let contents = self.instances.iter().filter_map(|inst| inst.contents.as_ref());
        held.versions.extend(contents.flat_map(|contents| contents.held_versions()));
        self.replicas_hold(held);
    }

    fn parted(&mut self, fault: usize) {
        if let Some(group) = &mut self.group {
            group.healing.struck(fault);
        }
    }

    fn healed(&mut self, fault: usize, back: &[Host], world: &World) {
        let node = self.node;
        if let Some(group) = &mut self.group {
            let counts = |inst| back.contains(&(node, inst)) || !world.hosts.is_down((node, inst));
            group.healed(fault, counts, world.now());
        }
    }

    fn leaders(&self) -> Vec<u16> {
        self.group.as_ref().map_or_else(Vec::new, |group| group.tally.leaders().collect())
    }

    fn replicas(&self, now: u64) -> Option<ReplicasMeasured> {
        self.group.as_ref().map(|group| group.measured(now))
    }

    fn sagas(&self) -> Option<SagasMeasured> {
        self.sagas.as_ref().map(|sagas| sagas.measured())
    }

    fn batches(&self) -> Option<BatchesMeasured> {
        self.batches_measured()
    }

    fn queue(&self) -> Option<(QueueMeasured, bool)> {
        self.broker.as_ref().map(|own| (own.measured(), own.broker.is_sound()))
    }

    fn each_held(&self, group: u16, now: u64, each: &mut dyn FnMut(u64, u64)) {
        self.broker.iter().for_each(|own| own.broker.each_held(each));
        self.log.iter().for_each(|own| own.log.each_held(usize::from(group), now, each));
    }

    fn groups(&self, now: u64, from: u64) -> (Vec<GroupMeasured>, bool) {
        self.log.as_ref().map_or((Vec::new(), true), |own| own.measured(now, from))
    }

    fn outbox(&self) -> Option<OutboxMeasured> {
        self.relays.as_ref().map(|relays| relays.measured())
    }

    fn backlog(&self, what: &Backlog, now: u64) -> u128 {
        self.waits_at_broker(what, now)
    }

    fn in_doubt(&self, now: u64) -> Option<Histogram> {
        self.promises.as_ref().map(|promises| promises.in_doubt(now))
    }

    fn clear_cache(&mut self, inst: u16) {
        if let Some(contents) = &mut self.instances[usize::from(inst)].contents {
            contents.clear();
        }
    }

    fn set_version(&mut self, version: usize) {
        let Some(Version { entries, own, limits }) = self.versions.get(version) else { return };
        self.mixed = None;
        self.program.entries.clone_from(entries);
        self.program.own.clone_from(own);
        if let Some(inbound) = &mut self.inbound {
            inbound.set_version(version);
        }
        if let Some(own) = &mut self.background {
            own.set_version(version);
        }
        for inst in &mut self.instances {
            if let (Some(contents), Some(limits)) = (&mut inst.contents, limits) {
                contents.limits.clone_from(limits);
            }
        }
    }

    fn set_versions(&mut self, by_instance: &[usize]) {
        if self.versions.is_empty() || by_instance.iter().all(|one| *one == by_instance[0]) {
            return self.set_version(by_instance[0]);
        }
        // Without entries a visit asks for its instance's.
        self.program.entries.clear();
        self.mixed = Some(by_instance.into());
        for (inst, &version) in self.instances.iter_mut().zip(by_instance) {
            if let (Some(contents), Some(limits)) =
                (&mut inst.contents, &self.versions[version].limits)
            {
                contents.limits.clone_from(limits);
            }
        }
    }

    fn bounded(&self) -> (&'static str, Vec<Bounded>) {
        (self.first_bound(), self.bounds.iter().map(|(bounded, _)| bounded.clone()).collect())
    }

    fn held(&self, now: u64, held: &mut Vec<u128>) {
        for inst in 0..self.serving() {
            held.extend(self.bounds.iter().map(|(_, part)| self.part(part, inst, now)));
        }
    }

    fn books(&self, now: u64, books: &mut Vec<InstanceBooks>) {
        books.extend((0..self.serving()).map(|inst| self.books_of(inst, now)));
    }
}

impl Server {
    /// Instances that answer requests: not those that only observe.
    fn serving(&self) -> usize {
        self.group.as_ref().map_or(self.instances.len(), |group| group.serving)
    }

    #[inline(always)]
    fn admit(&mut self, slot: Slot, world: &mut World) {
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
        if world.hosts.disturbed && world.fails_at_once(slot) {
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
                    return self.refuse(slot, "queue_full", world);
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
        self.proceed(slot, world);
    }

    #[inline(always)]
    fn proceed(&mut self, slot: Slot, world: &mut World) {
        match self.program.advance(slot, world) {
            Stop::At(Instr::Work(demand)) => self.start_work(slot, demand, world),
            Stop::At(Instr::Strained(demand)) => self.start_strained(slot, demand, world),
            Stop::At(Instr::Wait(demand)) => {
                let work = self.program.demands[usize::from(demand)].work(slot, world);
                let span = world.stretched(slot, work).span;
                if !self.program.calls.is_empty() {
                    world.record.between.waits += u128::from(span.nanos());
                }
                world.arm(slot, span);
            }
            Stop::At(Instr::Call(call)) => self.start_call(slot, call, world),
            Stop::At(Instr::Fork(fork)) => self.start_fork(slot, fork, world),
            Stop::At(Instr::Cache(step, hit)) => {
                if self.cache_step(slot, (step, hit), world) {
                    self.run(slot, world);
                }
            }
            Stop::At(Instr::Send(call)) => {
                self.send_away(slot, (call, None), world);
                world.frames[slot].pc += 1;
                self.run(slot, world);
            }
            Stop::At(Instr::Reply(reply)) => {
                // What follows runs in the background.
                let rest = self.reply_early(slot, reply, world);
                self.run(rest, world);
            }
            Stop::At(
                instr @ (Instr::Lock(_) | Instr::Unlock | Instr::Lease(..) | Instr::Saga(..)),
            ) => {
                self.at_lock(slot, instr, world);
            }
            Stop::At(Instr::Point(point)) => self.at_point(slot, point, world),
            Stop::At(Instr::Held(access)) => self.touch(slot, access, world),
            Stop::At(_) => self.finish(slot, Outcome::Ok, world),
            Stop::Failed => {
                world.record.node(self.node).cause("failed_step");
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
                return self.refuse(slot, "queue_full", world);
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
    fn timed(&mut self, slot: Slot, world: &mut World) {
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
        if !outcome.is_success() {
            self.fail_followers(slot, outcome, world);
            self.release_fills(slot, world);
            self.free_locks(slot, world);
            self.free_leased(slot, world);
            if self.transactions.is_some() {
                self.drops_transaction(slot, world);
            } else if self.promises.is_some() && self.votes_against(slot, outcome, world) {
                return;
            }
            if self.sagas.is_some() && self.undoes(slot, (outcome, false), world) {
                return;
            }
            let f = &world.frames[slot];
            if f.flags & BRANCH == 0 {
                self.unserved[usize::from(f.inst)].failed += 1;
            }
        }
        self.end(slot, outcome, world);
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
