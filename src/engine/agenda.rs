//! The agenda: simulated clock and future events in one total order.
//!
//! Four structures share the order `(time, now-queue before the rest, sequence)`
//! (`semantics.md` 1, 3-5):
//! - a FIFO *now-queue* for what happens at the current instant,
//! - *lanes*, one FIFO per constant delay: pushes come sorted, so both ends cost O(1),
//! - *seats*, each for one event at a time, at any delay: the next arrival of a client,
//! - a 4-ary heap for every drawn delay; beyond [`LARGE`] entries a monotone radix heap (Ahuja,
//!   Mehlhorn, Orlin, Tarjan, JACM 1990) stands behind it and feeds it in slices.
//!
//! **Invariant.** Events leave in strictly increasing `(time, sequence)` outside the now-queue, and
//! time never goes back.

mod heap;
mod ring;

use heap::{Heap, Radix};
use ring::Ring;

use crate::units::SimTime;

/// Bits of an event's kind.
const KIND_BITS: u32 = 4;
/// Bits of an event's slot.
const SLOT_BITS: u32 = 24;
/// Number of slots an event can name.
pub const MAX_SLOTS: u64 = 1 << SLOT_BITS;
/// Schedulings one agenda can make.
pub const MAX_SEQUENCE: u64 = 1 << (64 - SLOT_BITS - KIND_BITS);
/// Lanes that are compared with one another at each pop; further constant delays use the heap.
pub const MAX_LANES: usize = 16;
/// Seats, likewise compared when one is left.
pub const MAX_SEATS: usize = 4;
/// Heap entries above which the radix heap takes the far future.
pub const LARGE: usize = 50_000;

/// A lane: one constant delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneId(u8);

/// A seat: one event at a time, at any delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeatId(u8);

/// What leaves the agenda.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Popped {
    /// Sequence number the event was scheduled under (a cancelled timer no longer matches it).
    pub sequence: u64,
    /// The slot it names.
    pub slot: u32,
    /// Its kind, below 16.
    pub kind: u8,
}

/// No event: sequences begin at 1.
const NOTHING: Popped = Popped { sequence: 0, slot: 0, kind: 0 };

#[inline]
const fn key(time: SimTime, low: u64) -> u128 {
    (time as u128) << 64 | low as u128
}

#[inline]
const fn popped(low: u64) -> Popped {
    Popped {
        sequence: low >> (SLOT_BITS + KIND_BITS),
        slot: ((low >> KIND_BITS) & (MAX_SLOTS - 1)) as u32,
        kind: (low & ((1 << KIND_BITS) - 1)) as u8,
    }
}

/// Where the earliest event waits.
#[derive(Clone, Copy)]
enum Place {
    Heap,
    Lane,
    Seat,
}

/// Clock and future events.
#[derive(Clone, Debug)]
pub struct Agenda {
    now: SimTime,
    sequence: u64,
    /// The first event due now (sequence 0: none); the rest of the now-queue waits behind it.
    next_now: Popped,
    now_queue: Ring<Popped>,
    lanes: Vec<(u64, Ring<u128>)>,
    heads: [u128; MAX_LANES],
    /// The earliest head and its lane, kept so that most pops compare two keys only; the next after it, so
    /// that a lane that stays the first is not compared with all others.
    first_head: u128,
    first_lane: usize,
    second_head: u128,
    /// The lane an event left last.
    left_lane: usize,
    /// Events on seats, of which the first `seats_given` can hold one; the earliest of all is kept
    /// apart, with its seat.
    seats: [u128; MAX_SEATS],
    seats_given: usize,
    first_seated: u128,
    first_seat: usize,
    heap: Heap,
    radix: Radix,
    dead: usize,
}

impl Default for Agenda {
    fn default() -> Self {
        Self::new()
    }
}

impl Agenda {
    /// An empty agenda at time 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            now: 0,
            sequence: 0,
            next_now: NOTHING,
            now_queue: Ring::new(64),
            lanes: Vec::new(),
            heads: [u128::MAX; MAX_LANES],
            first_head: u128::MAX,
            first_lane: 0,
            second_head: u128::MAX,
            left_lane: 0,
            seats: [u128::MAX; MAX_SEATS],
            seats_given: 0,
            first_seated: u128::MAX,
            first_seat: 0,
            heap: Heap::new(),
            radix: Radix::new(),
            dead: 0,
        }
    }

    /// The lane of a constant delay above 0 ns, if there is room for it.
    pub fn lane(&mut self, delay: u64) -> Option<LaneId> {
        if delay == 0 {
            return None;
        }
        if let Some(i) = self.lanes.iter().position(|(d, _)| *d == delay) {
            return Some(LaneId(i as u8));
        }
        (self.lanes.len() < MAX_LANES).then(|| {
            self.lanes.push((delay, Ring::new(64)));
            LaneId(self.lanes.len() as u8 - 1)
        })
    }

    /// A seat, if there is one left.
    pub fn seat(&mut self) -> Option<SeatId> {
        let seat = SeatId(self.seats_given as u8);
        (self.seats_given < MAX_SEATS).then(|| {
            self.seats_given += 1;
            seat
        })
    }

    /// Current simulated time, ns.
    #[inline]
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// Schedulings so far.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    #[inline(always)]
    fn low(&mut self, slot: u32, kind: u8) -> u64 {
        self.sequence += 1;
        self.sequence << (SLOT_BITS + KIND_BITS) | u64::from(slot) << KIND_BITS | u64::from(kind)
    }

    /// Schedules an event at the current instant, after those already due now.
    #[inline(always)]
    pub fn push_now(&mut self, slot: u32, kind: u8) -> u64 {
        self.sequence += 1;
        let event = Popped { sequence: self.sequence, slot, kind };
        // Most often there is only one event due now.
        if self.next_now.sequence == 0 {
            self.next_now = event;
        } else {
            self.now_queue.push(event);
        }
        self.sequence
    }

    /// Schedules an event on a lane: its constant delay from now.
    ///
    /// # Panics
    /// If the lane is not sorted any more, which would be an error of the agenda.
    #[inline(always)]
    pub fn push_lane(&mut self, lane: LaneId, slot: u32, kind: u8) -> u64 {
        let low = self.low(slot, kind);
        let (delay, ring) = &mut self.lanes[usize::from(lane.0)];
        let key = key(self.now + *delay, low);
        if ring.len == 0 {
            self.heads[usize::from(lane.0)] = key;
            if key < self.first_head {
                self.second_head = self.first_head;
                self.first_head = key;
                self.first_lane = usize::from(lane.0);
            } else if key < self.second_head {
                self.second_head = key;
            }
        } else {
            debug_assert!(ring.back() < Some(key), "a lane stays sorted");
        }
        ring.push(key);
        self.sequence
    }

    /// Schedules the one event of a seat at an instant; now, if that is past.
    #[inline(always)]
    pub fn push_seat(&mut self, seat: SeatId, at: SimTime, slot: u32, kind: u8) -> u64 {
        if at <= self.now {
            return self.push_now(slot, kind);
        }
        debug_assert!(self.is_free(seat), "a seat holds one event");
        let low = self.low(slot, kind);
        let key = key(at, low);
        let seat = usize::from(seat.0) & (MAX_SEATS - 1);
        if key < self.first_seated {
            if self.seats_given > 1 {
                self.seats[self.first_seat & (MAX_SEATS - 1)] = self.first_seated;
            }
            self.first_seated = key;
            self.first_seat = seat;
        } else {
            self.seats[seat] = key;
        }
        self.sequence
    }

    /// Schedules an event `delay` ns from now.
    ///
    /// # Panics
    /// If the instant is past the end of the 64-bit clock.
    #[inline(always)]
    pub fn push(&mut self, delay: u64, slot: u32, kind: u8) -> u64 {
        if delay == 0 {
            return self.push_now(slot, kind);
        }
        let low = self.low(slot, kind);
        let time = self.now.checked_add(delay).expect("the clock does not overflow");
        let key = key(time, low);
        if key < self.radix.boundary {
            // A key in the open place makes the heap no larger than it was.
            if self.heap.open {
                self.heap.open = false;
                self.heap.sink(key);
            } else {
                self.heap.push(key);
                if self.heap.len() > LARGE {
                    self.spill();
                }
            }
        } else {
            self.radix.push(key);
        }
        self.sequence
    }

    /// Moves the far future out of a heap that has grown large.
    #[cold]
    fn spill(&mut self) {
        let keys = self.heap.drain();
        let least = *keys.iter().min().expect("the heap is large");
        if self.radix.len == 0 {
            self.radix.base = least;
            self.radix.boundary = least + 1;
            for k in keys {
                if k == least { self.heap.push(k) } else { self.radix.push(k) }
            }
            self.radix.refill(&mut self.heap);
        } else {
            // The boundary is far: rebase everything on the earliest key.
            let mut all = keys;
            for bucket in &mut self.radix.buckets {
                all.append(bucket);
            }
            let mut radix = Radix::new();
            radix.base = least;
            radix.boundary = least + 1;
            for k in all {
                if k == least { self.heap.push(k) } else { radix.push(k) }
            }
            self.radix = radix;
            self.radix.refill(&mut self.heap);
        }
    }

    /// The next event not later than `end`, with the clock set to it; `None` when there is none.
    #[inline(always)]
    pub fn pop(&mut self, end: SimTime) -> Option<Popped> {
        debug_assert!(end < SimTime::MAX, "the last instant stands for no event");
        if self.next_now.sequence != 0 {
            let event = self.next_now;
            match self.now_queue.pop() {
                None => self.next_now.sequence = 0,
                Some(next) => self.next_now = next,
            }
            return Some(event);
        }
        if self.heap.open {
            self.heap.close();
            if self.radix.len > 0 && self.heap.len() == 0 {
                self.radix.refill(&mut self.heap);
            }
        }
        let (top, head, seated) = (self.heap.top(), self.first_head, self.first_seated);
        let (best, from) = if top < head {
            if top < seated { (top, Place::Heap) } else { (seated, Place::Seat) }
        } else if head < seated {
            (head, Place::Lane)
        } else {
            (seated, Place::Seat)
        };
        let time = (best >> 64) as u64;
        // No event at all is one at 2^64 - 1.
        if time > end {
            return None;
        }
        match from {
            Place::Heap => self.heap.take(),
            Place::Lane => self.pop_lane(),
            Place::Seat => self.leave_seat(),
        }
        assert!(time >= self.now, "time never goes back");
        self.now = time;
        Some(popped(best as u64))
    }

    /// The event that [`Agenda::pop`] would hand out.
    #[cold]
    pub fn peek(&mut self, end: SimTime) -> Option<Popped> {
        if self.next_now.sequence != 0 {
            return Some(self.next_now);
        }
        if self.heap.open {
            self.heap.close();
            if self.radix.len > 0 && self.heap.len() == 0 {
                self.radix.refill(&mut self.heap);
            }
        }
        let best = self.heap.top().min(self.first_head).min(self.first_seated);
        ((best >> 64) as u64 <= end).then(|| popped(best as u64))
    }

    /// Slots of events that are likely to be next.
    #[inline(always)]
    pub fn upcoming(&self) -> [u32; 2] {
        [popped(self.first_head as u64).slot, popped(self.heap.first() as u64).slot]
    }

    /// Whether no event is on a seat.
    fn is_free(&self, seat: SeatId) -> bool {
        let seat = usize::from(seat.0);
        let first = self.first_seat == seat && self.first_seated != u128::MAX;
        !first && self.seats[seat] == u128::MAX
    }

    /// Removes the earliest event on a seat and finds the next one.
    #[inline(always)]
    fn leave_seat(&mut self) {
        self.first_seated = u128::MAX;
        if self.seats_given > 1 {
            for (seat, &key) in self.seats.iter().enumerate() {
                if key < self.first_seated {
                    (self.first_seated, self.first_seat) = (key, seat);
                }
            }
            self.seats[self.first_seat & (MAX_SEATS - 1)] = u128::MAX;
        }
    }

    /// Removes the earliest head and finds the next one.
    #[inline(always)]
    fn pop_lane(&mut self) {
        let lane = self.first_lane;
        self.left_lane = lane;
        let head = self.lanes[lane].1.advance();
        self.heads[lane & (MAX_LANES - 1)] = head;
        if head < self.second_head {
            self.first_head = head;
        } else {
            self.compare_lanes();
        }
    }

    /// Finds the earliest head and the one after it.
    fn compare_lanes(&mut self) {
        let (mut best, mut at, mut second) = (self.heads[0], 0, u128::MAX);
        let n = self.lanes.len().min(MAX_LANES);
        for (lane, &head) in self.heads[..n].iter().enumerate().skip(1) {
            // Which is first cannot be predicted: choices without a jump.
            let sooner = head < best;
            let later = if sooner { best } else { head };
            second = if later < second { later } else { second };
            best = if sooner { head } else { best };
            at = if sooner { lane } else { at };
        }
        (self.first_head, self.first_lane, self.second_head) = (best, at, second);
    }

    /// Sets the clock to `end` when nothing is due before it.
    pub fn advance_to(&mut self, end: SimTime) {
        assert!(end >= self.now, "time never goes back");
        self.now = end;
    }

    /// Notes that one entry of the heap is dead; says whether over half are, so that
    /// [`Agenda::retain`] is worth its time.
    #[inline]
    pub fn note_dead(&mut self) -> bool {
        self.dead += 1;
        self.dead > 1024 && self.dead * 2 > self.heap.len() + self.radix.len
    }

    /// Drops dead entries at the front of the lane that an event left last. Most timers of a lane are
    /// dead long before they are due, all but the latest of them: one that comes up dead has many
    /// after it.
    #[cold]
    pub fn drop_front(&mut self, live: impl Fn(Popped) -> bool) {
        let Some((_, ring)) = self.lanes.get_mut(self.left_lane) else { return };
        while ring.front().is_some_and(|key| !live(popped(key as u64))) {
            ring.pop();
        }
        self.heads[self.left_lane] = ring.front().unwrap_or(u128::MAX);
        self.compare_lanes();
    }

    /// Drops dead entries of the heap.
    pub fn retain(&mut self, mut live: impl FnMut(Popped) -> bool) {
        let mut keys = self.heap.drain();
        for bucket in &mut self.radix.buckets {
            keys.append(bucket);
        }
        self.radix = Radix::new();
        self.dead = 0;
        for k in keys {
            if live(popped(k as u64)) {
                self.heap.push(k);
            }
        }
        if self.heap.len() > LARGE {
            self.spill();
        }
    }

    /// Everything still pending and when it is due, in no particular order.
    pub fn schedule(&self) -> impl Iterator<Item = (SimTime, Popped)> + '_ {
        let heap = self.heap.keys().iter().copied();
        let radix = self.radix.buckets.iter().flatten().copied();
        let lanes = self.lanes.iter().flat_map(|(_, ring)| ring.iter());
        let later = heap.chain(radix).chain(lanes).chain(self.seated());
        let later = later.map(|k| ((k >> 64) as u64, popped(k as u64)));
        later.chain(self.due_now().map(|event| (self.now, event)))
    }

    fn seated(&self) -> impl Iterator<Item = u128> + '_ {
        let all = self.seats.iter().copied().chain([self.first_seated]);
        all.filter(|&key| key != u128::MAX)
    }

    fn due_now(&self) -> impl Iterator<Item = Popped> + '_ {
        let next = (self.next_now.sequence != 0).then_some(self.next_now);
        next.into_iter().chain(self.now_queue.iter())
    }

    /// Number of pending events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
            + self.radix.len
            + self.due_now().count()
            + self.lanes.iter().map(|(_, r)| r.len).sum::<usize>()
            + self.seated().count()
    }

    /// Whether nothing is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
