//! Waiting rooms: who waits for a worker or a core, and who is next.
//!
//! A frame that gives up (patience, cancellation, CoDel) is only marked; the room skips it later,
//! and sweeps when most of its frames are marked.
//!
//! **Invariant.** `waiting` counts the frames that still wait; each is in the room exactly once.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use crate::{
    engine::random::Stream,
    model::{
        books::Area,
        frame::{ABANDONED, IN_ROOM},
        ids::{NONE, Slot},
        service::Discipline,
        world::World,
    },
};

/// Queue that counts as an overload for `adaptive_lifo`: not empty for this long (Maurer 2015).
const ADAPTIVE_INTERVAL: u64 = 100_000_000;

/// The order of a room.
#[derive(Debug)]
enum Order {
    /// First come, first served: an intrusive list through `Frame::next`.
    Fifo { head: Slot, tail: Slot },
    /// Any other; apart, so that a thousand instances stay in the cache.
    Other(Box<Other>),
}

/// Orders with a memory of their own.
#[derive(Debug)]
enum Other {
    /// The newest first.
    Lifo(Vec<Slot>),
    /// Anyone.
    Random(Vec<Slot>, Stream, u64),
    /// The least (rank, arrival) first.
    Ranked(BinaryHeap<Reverse<(u64, u64, Slot)>>, u64),
    /// First come first served; the newest first while the room was never empty for a while.
    Adaptive(VecDeque<Slot>, u64),
    /// First come first served with drops at the head.
    Codel(VecDeque<Slot>, Codel),
}

/// State of CoDel (RFC 8289, section 5).
#[derive(Clone, Copy, Debug)]
struct Codel {
    target: u64,
    interval: u64,
    first_above: u64,
    drop_next: u64,
    count: u32,
    last_count: u32,
    dropping: bool,
}

/// Who waits at one station of one instance.
///
/// In this order: what every newcomer asks about comes first.
#[derive(Debug)]
#[repr(C)]
pub struct Room {
    waiting: Area,
    marked: usize,
    order: Order,
}

/// What a room hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nobody waits.
    Empty,
    /// This frame is served.
    Serve(Slot),
    /// This frame is dropped by CoDel; ask again.
    Drop(Slot),
}

impl Room {
    /// An empty room; `stream` is for `random`.
    pub fn new(discipline: &Discipline, stream: Stream) -> Self {
        let other = match discipline {
            Discipline::Fifo | Discipline::Shared => None,
            Discipline::Lifo | Discipline::LifoPreemptive => Some(Other::Lifo(Vec::new())),
            Discipline::Random => Some(Other::Random(Vec::new(), stream, 0)),
            Discipline::Priority
            | Discipline::PriorityPreemptive
            | Discipline::ShortestJob
            | Discipline::Srpt => Some(Other::Ranked(BinaryHeap::new(), 0)),
            Discipline::AdaptiveLifo => Some(Other::Adaptive(VecDeque::new(), 0)),
            Discipline::Codel { target, interval } => {
                let codel = Codel {
                    target: target.0,
                    interval: interval.0,
                    first_above: 0,
                    drop_next: 0,
                    count: 0,
                    last_count: 0,
                    dropping: false,
                };
                Some(Other::Codel(VecDeque::new(), codel))
            }
        };
        let fifo = Order::Fifo { head: NONE, tail: NONE };
        let order = other.map_or(fifo, |other| Order::Other(Box::new(other)));
        Self { waiting: Area::default(), marked: 0, order }
    }

    /// Frames that wait.
    #[inline(always)]
    pub fn waiting(&self) -> u64 {
        self.waiting.count()
    }

    /// Integral of frames waiting from time 0, frame-ns.
    pub fn until(&self, now: u64) -> u128 {
        self.waiting.until(now)
    }

    /// A frame begins to wait; `rank` orders `priority`, `shortest_job` and their kin.
    #[inline(always)]
    pub fn enter(&mut self, slot: Slot, rank: u64, world: &mut World) {
        let now = world.now();
        let f = &mut world.frames[slot];
        f.flags |= IN_ROOM;
        f.waited = f.waited.wrapping_sub(now);
        if let Order::Fifo { head, tail } = &mut self.order {
            f.next = NONE;
            let before = std::mem::replace(tail, slot);
            if before == NONE {
                *head = slot;
            } else {
                world.frames[before].next = slot;
            }
        } else {
            self.enter_other(slot, rank, world);
        }
        self.waiting.enter(now);
    }

    #[inline(never)]
    fn enter_other(&mut self, slot: Slot, rank: u64, world: &mut World) {
        let now = world.now();
        let Order::Other(order) = &mut self.order else { unreachable!("entered in place") };
        match &mut **order {
            Other::Lifo(stack) => stack.push(slot),
            Other::Random(all, ..) => all.push(slot),
            Other::Ranked(heap, arrivals) => {
                *arrivals += 1;
                heap.push(Reverse((rank, *arrivals, slot)));
            }
            Other::Adaptive(queue, empty_at) => {
                if self.waiting.count() == 0 {
                    *empty_at = now;
                }
                queue.push_back(slot);
            }
            Other::Codel(queue, _) => {
                world.frames.extra_mut(slot).since = now;
                queue.push_back(slot);
            }
        }
    }

    /// Takes out the next frame.
    #[inline(always)]
    pub fn next(&mut self, world: &mut World) -> Next {
        if self.waiting.count() == 0 && self.marked == 0 {
            return Next::Empty;
        }
        self.next_waiting(world)
    }

    #[inline(always)]
    fn next_waiting(&mut self, world: &mut World) -> Next {
        loop {
            let taken = if let Order::Fifo { head, tail } = &mut self.order {
                let slot = *head;
                if slot == NONE {
                    return Next::Empty;
                }
                *head = std::mem::replace(&mut world.frames[slot].next, NONE);
                if *head == NONE {
                    *tail = NONE;
                }
                Some(slot)
            } else {
                self.take_other(world)
            };
            let Some(slot) = taken else { return Next::Empty };
            if world.frames[slot].flags & ABANDONED != 0 {
                self.marked -= 1;
                world.leave_room(slot);
                continue;
            }
            let now = world.now();
            self.waiting.leave(now);
            let f = &mut world.frames[slot];
            f.flags &= !IN_ROOM;
            f.waited = f.waited.wrapping_add(now);
            if let Order::Other(order) = &mut self.order
                && let Other::Codel(_, codel) = &mut **order
            {
                let waited = now - world.frames.extra(slot).since;
                if codel.drops(now, waited, self.waiting.count() == 0) {
                    return Next::Drop(slot);
                }
            }
            return Next::Serve(slot);
        }
    }

    #[inline(never)]
    fn take_other(&mut self, world: &World) -> Option<Slot> {
        let Order::Other(order) = &mut self.order else { unreachable!("taken in place") };
        match &mut **order {
            Other::Lifo(stack) => stack.pop(),
            Other::Random(all, stream, picks) => {
                if all.is_empty() {
                    return None;
                }
                *picks += 1;
                let i = stream.draw(*picks).below(all.len() as u64) as usize;
                Some(all.swap_remove(i))
            }
            Other::Ranked(heap, _) => heap.pop().map(|Reverse((.., slot))| slot),
            Other::Adaptive(queue, empty_at) => {
                if world.now() - *empty_at > ADAPTIVE_INTERVAL {
                    queue.pop_back()
                } else {
                    queue.pop_front()
                }
            }
            Other::Codel(queue, _) => queue.pop_front(),
        }
    }

    /// Everyone leaves; what becomes of them is decided elsewhere.
    pub fn clear(&mut self, world: &mut World) {
        while self.next(world) != Next::Empty {}
    }

    /// Who waits and would be served last, in orders that know.
    pub fn last(&self, world: &World) -> Option<Slot> {
        let Order::Other(order) = &self.order else { return None };
        let waits = |slot: Slot| world.frames[slot].flags & ABANDONED == 0;
        match &**order {
            Other::Lifo(stack) => stack.iter().copied().find(|slot| waits(*slot)),
            Other::Ranked(heap, _) => {
                let waiting = heap.iter().map(|entry| entry.0).filter(|entry| waits(entry.2));
                waiting.max().map(|entry| entry.2)
            }
            _ => None,
        }
    }

    /// A waiting frame gives up; it is finished elsewhere.
    pub fn abandon(&mut self, slot: Slot, world: &mut World) {
        let now = world.now();
        self.waiting.leave(now);
        let f = &mut world.frames[slot];
        f.flags |= ABANDONED;
        f.waited = f.waited.wrapping_add(now);
        self.marked += 1;
        if self.marked > 64 && self.marked as u64 > self.waiting.count() {
            self.sweep(world);
        }
    }

    /// Drops all marked frames.
    pub fn sweep(&mut self, world: &mut World) {
        self.marked = 0;
        let mut keep = |slot: &Slot| {
            let waits = world.frames[*slot].flags & ABANDONED == 0;
            if !waits {
                world.leave_room(*slot);
            }
            waits
        };
        match &mut self.order {
            Order::Other(other) => match &mut **other {
                Other::Lifo(v) | Other::Random(v, ..) => v.retain(keep),
                Other::Adaptive(q, _) | Other::Codel(q, _) => q.retain(keep),
                Other::Ranked(heap, _) => heap.retain(|Reverse((.., slot))| keep(slot)),
            },
            Order::Fifo { head, tail } => {
                let mut all = Vec::new();
                let mut at = *head;
                while at != NONE {
                    all.push(at);
                    at = world.frames[at].next;
                }
                all.retain(|slot| {
                    let waits = world.frames[*slot].flags & ABANDONED == 0;
                    if !waits {
                        world.frames[*slot].next = NONE;
                        world.leave_room(*slot);
                    }
                    waits
                });
                for pair in all.windows(2) {
                    world.frames[pair[0]].next = pair[1];
                }
                *head = all.first().copied().unwrap_or(NONE);
                *tail = all.last().copied().unwrap_or(NONE);
                if *tail != NONE {
                    world.frames[*tail].next = NONE;
                }
            }
        }
    }
}

impl Codel {
    /// Whether the frame at the head, which has `waited`, is dropped.
    fn drops(&mut self, now: u64, waited: u64, last: bool) -> bool {
        let good = waited < self.target || last;
        if good {
            self.first_above = 0;
            self.dropping = false;
            return false;
        }
        if self.first_above == 0 {
            self.first_above = now + self.interval;
            return false;
        }
        if self.dropping {
            if now < self.drop_next {
                return false;
            }
            self.count += 1;
            self.drop_next = self.control_law(self.drop_next);
            return true;
        }
        if now < self.first_above {
            return false;
        }
        self.dropping = true;
        // A new dropping state soon after the last one starts from the rate that had worked.
        let delta = self.count - self.last_count;
        let recently = now < self.drop_next.saturating_add(16 * self.interval);
        self.count = if delta > 1 && recently { delta } else { 1 };
        self.last_count = self.count;
        self.drop_next = self.control_law(now);
        true
    }

    fn control_law(&self, from: u64) -> u64 {
        from + (self.interval as f64 / f64::from(self.count).sqrt()) as u64
    }
}
