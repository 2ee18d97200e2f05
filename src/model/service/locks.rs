//! Locks: steps that one visit at a time runs, however many cores there are.
//!
//! **Invariant.** A lock is held by one frame, or nobody waits for it; a frame that ends holds none.

use std::collections::BTreeMap;

use super::{
    Discipline,
    instr::Instr,
    room::{Next, Room},
    server::Server,
};
use crate::{
    engine::random::Stream,
    model::{
        books::Area,
        frame::{ABANDONED, BRANCH, HAS_WORKER, IN_ROOM},
        ids::{AttrRef, Slot},
        span::Span,
        world::World,
    },
};

/// A lock of one instance (or of all) for one value.
type Place = (u16, u16, u64);
/// In place of the instance: all.
const ALL: u16 = u16::MAX;

/// The locks of a server's instances.
#[derive(Debug)]
pub struct Locks {
    /// Who waits for each that is held.
    rooms: BTreeMap<Place, Room>,
    /// What each frame holds, the latest last.
    held: BTreeMap<Slot, Vec<Place>>,
    /// Frames of each instance that wait.
    waiting: Vec<Area>,
    /// How many are held, by number and instance (the first for those of all).
    taken: BTreeMap<(u16, u16), Area>,
    stream: Stream,
}

impl Locks {
    /// All free.
    pub fn new(instances: u64, stream: Stream) -> Self {
        let waiting = vec![Area::default(); instances as usize];
        Self {
            rooms: BTreeMap::new(),
            held: BTreeMap::new(),
            waiting,
            taken: BTreeMap::new(),
            stream,
        }
    }

    /// Integral of an instance's frames that wait from time 0, frame-ns.
    pub fn waited(&self, inst: usize, now: u64) -> u128 {
        self.waiting[inst].until(now)
    }

    /// Integral of how many locks of a number an instance (or, shared, all) holds from time 0, lock-ns.
    pub fn taken(&self, number: u16, inst: usize, now: u64) -> u128 {
        let of = |inst| self.taken.get(&(number, inst)).map_or(0, |area| area.until(now));
        of(inst as u16) + if inst == 0 { of(ALL) } else { 0 }
    }

    /// A held lock goes to the next who waits for it.
    fn pass_on(&mut self, place: Place, world: &mut World) {
        let room = self.rooms.get_mut(&place).expect("it is held");
        match room.next(world) {
            Next::Serve(slot) => {
                self.waiting[usize::from(world.frames[slot].inst)].leave(world.now());
                self.held.entry(slot).or_default().push(place);
                world.arm(slot, Span::ZERO);
            }
            Next::Empty | Next::Drop(_) => {
                self.rooms.remove(&place);
                self.taken.entry((place.0, place.1)).or_default().leave(world.now());
            }
        }
    }

    /// A frame gives back all it holds.
    fn free(&mut self, slot: Slot, world: &mut World) {
        for place in self.held.remove(&slot).into_iter().flatten().rev() {
            self.pass_on(place, world);
        }
    }
}

/// The value a frame locks, where each has a lock of its own.
pub(super) fn value_of(per: Option<AttrRef>, slot: Slot, world: &World) -> u64 {
    match per {
        None => 0,
        Some(AttrRef::Key) => world.frames[slot].key,
        Some(per) => world.attribute(per, slot).to_bits(),
    }
}

impl Server {
    /// The lock a frame stands at.
    fn lock_at(&self, slot: Slot, world: &World) -> Option<Place> {
        let f = &world.frames[slot];
        let Instr::Lock(number) = self.program.code[usize::from(f.pc)] else { return None };
        let lock = &self.program.locks[usize::from(number)];
        let value = value_of(lock.per, slot, world);
        Some((number, if lock.shared { ALL } else { f.inst }, value))
    }

    /// A frame stands at a lock.
    #[cold]
    #[inline(never)]
    pub(super) fn at_lock(&mut self, slot: Slot, instr: Instr, world: &mut World) {
        match instr {
            Instr::Lease(hold, _) => self.at_leased(slot, hold, world),
            Instr::Saga(part, saga) => self.at_saga(slot, (part, saga), world),
            Instr::Lock(_) => self.start_lock(slot, world),
            _ => {
                self.unlock(slot, world);
                world.frames[slot].pc += 1;
                self.run(slot, world);
            }
        }
    }

    /// A frame takes the lock it stands at, or waits for it.
    fn start_lock(&mut self, slot: Slot, world: &mut World) {
        if world.carries && self.past_deadline(slot, world) {
            return;
        }
        let place = self.lock_at(slot, world).expect("it stands at a lock");
        let Some(locks) = &mut self.locks else { return };
        if let Some(room) = locks.rooms.get_mut(&place) {
            room.enter(slot, 0, world);
            return locks.waiting[usize::from(world.frames[slot].inst)].enter(world.now());
        }
        locks.rooms.insert(place, Room::new(&Discipline::Fifo, locks.stream));
        locks.taken.entry((place.0, place.1)).or_default().enter(world.now());
        locks.held.entry(slot).or_default().push(place);
        // By an event of its own, as for one that waited: a loop of locks would recurse here.
        world.arm(slot, Span::ZERO);
    }

    /// A frame gives back the lock it took last.
    fn unlock(&mut self, slot: Slot, world: &mut World) {
        let Some(locks) = &mut self.locks else { return };
        let held = locks.held.get_mut(&slot).expect("it holds a lock");
        let place = held.pop().expect("it holds a lock");
        if held.is_empty() {
            locks.held.remove(&slot);
        }
        locks.pass_on(place, world);
    }

    /// A frame ends in the midst of its steps.
    pub(super) fn free_locks(&mut self, slot: Slot, world: &mut World) {
        if let Some(locks) = &mut self.locks {
            locks.free(slot, world);
        }
    }

    /// What a frame holds is another's from now on.
    pub(super) fn inherit_locks(&mut self, from: Slot, to: Slot) {
        let Some(locks) = &mut self.locks else { return };
        if let Some(places) = locks.held.remove(&from) {
            locks.held.insert(to, places);
        }
    }

    /// Whether a frame waits for a lock, which it then leaves: it was called off, or its process is gone.
    pub(super) fn stops_waiting_for_lock(&mut self, slot: Slot, world: &mut World) -> bool {
        let f = &world.frames[slot];
        let waits = f.flags & (IN_ROOM | ABANDONED) == IN_ROOM;
        let inst = usize::from(f.inst);
        let outside =
            self.instances[inst].workers.is_some() && f.flags & (HAS_WORKER | BRANCH) == 0;
        if self.locks.is_none() || !waits || outside {
            return false;
        }
        let Some(place) = self.lock_at(slot, world) else { return false };
        let Some(locks) = &mut self.locks else { return false };
        locks.waiting[inst].leave(world.now());
        locks.rooms.get_mut(&place).expect("it waits there").abandon(slot, world);
        true
    }

    /// The process of an instance is gone with these frames; no other room holds any of them.
    pub(super) fn crash_locks(&mut self, lost: &[Slot], world: &mut World) {
        if self.locks.is_none() {
            return;
        }
        for &slot in lost {
            self.stops_waiting_for_lock(slot, world);
        }
        let Some(locks) = &mut self.locks else { return };
        // Nothing may refer to them any more.
        locks.rooms.values_mut().for_each(|room| room.sweep(world));
        for &slot in lost {
            locks.free(slot, world);
        }
    }
}
