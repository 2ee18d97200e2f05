//! Cores that work several things off at once: bulk service.
//!
//! **Invariant.** What is begun together ends together. No core is idle while a batch is full, or one of those who wait
//! has waited as long as they may.

use std::collections::{BTreeMap, VecDeque};

use super::{
    BatchSpec, Discipline, Speedup,
    cores::{Admission, begin, rank},
    room::{Next, Room},
};
use crate::{
    engine::random::Stream,
    model::{
        books::{Area, BatchesMeasured},
        frame::{ABANDONED, HAS_CORE, IN_ROOM},
        ids::Slot,
        span::{Work, scaled},
        world::World,
    },
};

/// Entries of those who came first that are looked through, at least, before those who left are taken out.
const FEW: usize = 32;

/// The cores of one instance, each of which takes a batch at a time.
#[derive(Debug)]
pub struct Bulk {
    capacity: u64,
    /// Most in a batch.
    size: u64,
    /// How long the first of those who wait does, while there are fewer, ns.
    wait: u64,
    /// How many times as fast so many are together as one after the other; none: as slow as the slowest.
    speed: Option<Speedup>,
    by_length: bool,
    busy: Area,
    /// Who waits.
    pub room: Room,
    /// Who came to wait, in order of time: when, which frame, and which visit that was.
    came: VecDeque<(u64, Slot, u64)>,
    /// The batch of each that is at work, and how many of that are.
    running: BTreeMap<Slot, u64>,
    left: BTreeMap<u64, u64>,
    begun: u64,
    tick: u32,
    /// When the tick is due.
    due: Option<u64>,
    /// Nothing moves.
    stands: bool,
    measured: BatchesMeasured,
}

impl Bulk {
    /// So many cores of an instance, all idle; `tick` wakes them.
    pub fn new(
        capacity: u64,
        batch: &BatchSpec,
        (discipline, speed): (&Discipline, Option<&Speedup>),
        tick: u32,
        stream: Stream,
    ) -> Self {
        Self {
            capacity,
            size: batch.size.0,
            wait: batch.wait.map_or(0, |wait| wait.0),
            speed: speed.cloned(),
            by_length: *discipline == Discipline::ShortestJob,
            busy: Area::default(),
            room: Room::new(discipline, stream),
            came: VecDeque::new(),
            running: BTreeMap::new(),
            left: BTreeMap::new(),
            begun: 0,
            tick,
            due: None,
            stands: false,
            measured: BatchesMeasured::default(),
        }
    }

    pub(super) fn ask(&mut self, slot: Slot, work: Work, world: &mut World) -> Admission {
        let (now, id) = (world.now(), world.frames[slot].id);
        let extra = world.frames.extra_mut(slot);
        (extra.remaining, extra.since) = (work.nanos, now);
        let rank = rank(slot, self.by_length, work.nanos, world);
        self.room.enter(slot, rank, world);
        self.came.push_back((now, slot, id));
        self.start(world);
        let runs = world.frames[slot].flags & HAS_CORE != 0;
        if runs { Admission::Running } else { Admission::Waiting }
    }

    pub(super) fn done(&mut self, slot: Slot, world: &mut World) {
        let batch = self.running.remove(&slot).expect("it was at work");
        let left = self.left.get_mut(&batch).expect("its batch is at work");
        *left -= 1;
        if *left == 0 {
            self.left.remove(&batch);
            self.busy.leave(world.now());
            self.start(world);
        }
    }

    /// Somebody has waited long enough.
    pub(super) fn ticked(&mut self, world: &mut World) {
        self.due = None;
        self.start(world);
    }

    /// Nothing begins any more, or goes on.
    pub(super) fn stand(&mut self, stands: bool, world: &mut World) {
        self.stands = stands;
        self.start(world);
    }

    pub(super) fn clear(&mut self, world: &mut World) {
        self.room.clear(world);
        self.busy.clear(world.now());
        self.came.clear();
        self.running.clear();
        self.left.clear();
        self.start(world);
    }

    pub(super) fn free(&self) -> bool {
        self.busy.count() < self.capacity
    }

    /// Integrals of (busy cores, frames waiting) from time 0.
    pub(super) fn books(&self, now: u64) -> (u128, u128) {
        (self.busy.until(now), self.room.until(now))
    }

    /// Batches of the measured span, and what was in them.
    pub(super) fn measured(&self) -> BatchesMeasured {
        self.measured
    }

    /// Begins what can begin, and sees to it that somebody looks again when more can.
    fn start(&mut self, world: &mut World) {
        let mut next = None;
        while !self.stands && self.free() && self.room.waiting() > 0 {
            if self.room.waiting() < self.size {
                let due = self.first(world).saturating_add(self.wait);
                if due > world.now() {
                    next = Some(due);
                    break;
                }
            }
            self.begin(world);
        }
        if next != self.due {
            self.due = next;
            match next {
                Some(due) => world.arm_tick(self.tick, due - world.now()),
                None => world.disarm_tick(self.tick),
            }
        }
    }

    /// When the first of those came who wait.
    fn first(&mut self, world: &World) -> u64 {
        let waits = |&(at, slot, id): &(u64, Slot, u64)| {
            let f = &world.frames[slot];
            let here = f.id == id && f.flags & (IN_ROOM | ABANDONED) == IN_ROOM;
            here && world.frames.extra(slot).since == at
        };
        if self.came.len() as u64 > 2 * self.room.waiting() + FEW as u64 {
            self.came.retain(waits);
        }
        while self.came.front().is_some_and(|first| !waits(first)) {
            self.came.pop_front();
        }
        self.came.front().expect("somebody waits").0
    }

    /// A core takes as many as wait, or as it can.
    fn begin(&mut self, world: &mut World) {
        let mut members = Vec::new();
        while (members.len() as u64) < self.size
            && let Next::Serve(slot) = self.room.next(world)
        {
            world.disarm(slot);
            members.push((slot, world.frames.extra(slot).remaining));
        }
        let works = members.iter().map(|member| member.1);
        let taken = match &self.speed {
            None => works.max().unwrap_or_default(),
            Some(speed) => {
                let all = works.fold(0, u64::saturating_add);
                scaled(all, 1.0 / speed.at(members.len() as u64))
            }
        };
        self.begun += 1;
        self.busy.enter(world.now());
        self.left.insert(self.begun, members.len() as u64);
        if world.now() >= world.record.measured_from {
            self.measured.batches += 1;
            self.measured.works += members.len() as u64;
        }
        for (slot, own) in members {
            self.running.insert(slot, self.begun);
            // It is served as long as the batch is.
            let f = &mut world.frames[slot];
            f.served = f.served.wrapping_add(taken).wrapping_sub(own);
            begin(slot, Work::of(taken), world);
        }
    }
}
