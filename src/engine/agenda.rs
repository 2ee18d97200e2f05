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

use super::table::Table;
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

/// A growing ring of `T` with a power-of-two capacity.
#[derive(Clone, Debug)]
struct Ring<T> {
    slots: Vec<T>,
    head: usize,
    len: usize,
}

impl<T: Copy + Default> Ring<T> {
    fn new(capacity: usize) -> Self {
        Self { slots: vec![T::default(); capacity.next_power_of_two()], head: 0, len: 0 }
    }

    #[inline(always)]
    fn push(&mut self, value: T) {
        if self.len == self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        self.slots[(self.head + self.len) & mask] = value;
        self.len += 1;
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let mask = self.slots.len() - 1;
        let value = self.slots[self.head & mask];
        self.head = (self.head + 1) & mask;
        self.len -= 1;
        Some(value)
    }

    fn back(&self) -> Option<T> {
        (self.len > 0).then(|| self.slots[(self.head + self.len - 1) & (self.slots.len() - 1)])
    }

    fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.len).map(|i| self.slots[(self.head + i) & (self.slots.len() - 1)])
    }

    #[cold]
    fn grow(&mut self) {
        let mut bigger: Vec<T> = self.iter().collect();
        bigger.resize(self.slots.len() * 2, T::default());
        self.slots = bigger;
        self.head = 0;
    }
}

impl Ring<u128> {
    /// Drops the first entry and returns the next one; `u128::MAX` when there is none.
    #[inline(always)]
    fn advance(&mut self) -> u128 {
        let mask = self.slots.len() - 1;
        self.head = (self.head + 1) & mask;
        self.len -= 1;
        if self.len == 0 { u128::MAX } else { self.slots[self.head & mask] }
    }
}

/// A 4-ary min-heap. Entry `i` lives at place `i + 2`: large allocations begin 16 bytes past a cache
/// line, so the children `4i + 1 ..= 4i + 4` of an entry share one line.
///
/// The place of a key that was taken stays open until the next push, which mostly follows at once and
/// then sinks from there: one pass instead of two.
#[derive(Clone, Debug)]
struct Heap {
    /// Padding, entries, and three keys after all others, so that children can be compared by fours.
    places: Table<u128>,
    /// The first place is open.
    open: bool,
}

/// Places before the first entry.
const PAD: usize = 2;
/// Places after the last one.
const FILL: usize = 3;

impl Heap {
    fn new() -> Self {
        Self { places: vec![u128::MAX; PAD + FILL].into(), open: false }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.places.len() - PAD - FILL - usize::from(self.open)
    }

    /// The earliest key, `u128::MAX` when empty; the first place is not open.
    #[inline(always)]
    fn top(&self) -> u128 {
        debug_assert!(!self.open, "the heap is closed");
        self.places[PAD]
    }

    #[inline(always)]
    fn push(&mut self, key: u128) {
        if self.open {
            self.open = false;
            return self.sink(key);
        }
        let end = self.places.len();
        self.places.push(u128::MAX);
        let mut i = end - FILL;
        while i > PAD {
            let parent = ((i - PAD - 1) >> 2) + PAD;
            let above = self.places[parent];
            if above <= key {
                break;
            }
            self.places[i] = above;
            i = parent;
        }
        self.places[i] = key;
    }

    /// Takes the earliest key and leaves its place open.
    #[inline(always)]
    fn take(&mut self) {
        self.open = true;
    }

    /// Closes the place that was left open.
    #[inline(always)]
    fn close(&mut self) {
        self.open = false;
        let end = self.places.len() - FILL - 1;
        let last = std::mem::replace(&mut self.places[end], u128::MAX);
        self.places.pop();
        if end > PAD {
            self.sink(last);
        }
    }

    /// Puts a key in the first place and lets it sink to where it belongs.
    #[inline(always)]
    fn sink(&mut self, key: u128) {
        let mut i = PAD;
        loop {
            let first = 4 * (i - PAD) + 1 + PAD;
            let Some(c) = self.places.get(first..first + 4) else { break };
            // Which child is least cannot be predicted: choices without jumps.
            let (a, ka) = if c[1] < c[0] { (1, c[1]) } else { (0, c[0]) };
            let (b, kb) = if c[3] < c[2] { (3, c[3]) } else { (2, c[2]) };
            let (child, least) = if kb < ka { (b, kb) } else { (a, ka) };
            if least >= key {
                break;
            }
            self.places[i] = least;
            i = first + child;
        }
        self.places[i] = key;
    }

    fn keys(&self) -> &[u128] {
        let places: &[u128] = &self.places;
        &places[PAD + usize::from(self.open)..places.len() - FILL]
    }

    fn drain(&mut self) -> Vec<u128> {
        let keys = self.keys().to_vec();
        *self = Self::new();
        keys
    }
}

/// Keys at or beyond `boundary`, in buckets by their highest bit that differs from `base`.
#[derive(Clone, Debug)]
struct Radix {
    buckets: Vec<Vec<u128>>,
    occupied: u128,
    base: u128,
    boundary: u128,
    len: usize,
}

impl Radix {
    /// Entries moved to the heap at a time.
    const SLICE: usize = 64;

    fn new() -> Self {
        Self { buckets: vec![Vec::new(); 128], occupied: 0, base: 0, boundary: u128::MAX, len: 0 }
    }

    /// `key > base`, so there is a highest differing bit.
    #[inline]
    fn push(&mut self, key: u128) {
        let bucket = 127 - (key ^ self.base).leading_zeros() as usize;
        self.buckets[bucket].push(key);
        self.occupied |= 1 << bucket;
        self.len += 1;
    }

    /// Moves the nearest keys into `heap` and raises the boundary past them.
    #[cold]
    fn refill(&mut self, heap: &mut Heap) {
        while heap.len() < Self::SLICE && self.len > 0 {
            let lowest = self.occupied.trailing_zeros() as usize;
            let mut keys = std::mem::take(&mut self.buckets[lowest]);
            self.occupied &= !(1 << lowest);
            self.len -= keys.len();
            if keys.len() <= Self::SLICE {
                keys.drain(..).for_each(|k| heap.push(k));
                // Every key left differs from the base in a higher bit.
                self.boundary = ((self.base >> lowest >> 1) + 1)
                    .checked_shl(lowest as u32 + 1)
                    .unwrap_or(u128::MAX);
            } else {
                let least = *keys.iter().min().expect("the bucket is not empty");
                self.base = least;
                self.boundary = least + 1;
                for k in keys.drain(..) {
                    if k == least { heap.push(k) } else { self.push(k) }
                }
            }
            // Keys of one bucket only go to lower ones: its memory is kept for those to come.
            debug_assert!(self.buckets[lowest].is_empty(), "a key moves down");
            self.buckets[lowest] = keys;
        }
        if self.len == 0 {
            self.boundary = u128::MAX;
        }
    }
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
    /// The earliest head and its lane, kept so that most pops compare two keys only.
    first_head: u128,
    first_lane: usize,
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
                self.first_head = key;
                self.first_lane = usize::from(lane.0);
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
        let n = self.lanes.len();
        let lane = self.first_lane;
        self.heads[lane & (MAX_LANES - 1)] = self.lanes[lane].1.advance();
        let (mut best, mut at) = (self.heads[0], 0);
        for (lane, &head) in self.heads[..n.min(MAX_LANES)].iter().enumerate().skip(1) {
            // Which is first cannot be predicted: a choice without a jump.
            let sooner = head < best;
            best = if sooner { head } else { best };
            at = if sooner { lane } else { at };
        }
        (self.first_head, self.first_lane) = (best, at);
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
