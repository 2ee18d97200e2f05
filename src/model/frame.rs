//! Frames: one for each request, each visit of a node, each parallel branch. Some requests share that of
//! their one attempt (`client/alone.rs`).
//!
//! A frame belongs to the node that works on it and names its caller's frame as `parent`. Two sides
//! hold it: the caller, until it has the reply or has given up, and the callee, until its reply has
//! arrived or is known to be lost. It is freed when both have let go (`semantics.md` 32).
//!
//! **Invariant.** A slot is reused only when nothing - no message, timer, room or caller - can
//! still mean its old frame.

use crate::{
    engine::slots::Slots,
    model::{
        ids::{Host, NONE, Slot},
        resilience::flight::{Flight, Hold},
    },
    outcome::Outcome,
};

/// `client` of what no client asked for.
pub const NOBODY: u16 = u16::MAX;
/// `op` of a health check that asks for nothing but an answer.
pub const PROBE: u8 = u8::MAX;
/// `op` of a message that opens a connection; its `key` is the work it makes.
pub const CONNECT: u8 = u8::MAX - 1;
/// `node` of a free slot.
pub const FREE: u16 = u16::MAX;
/// `node` of a cancellation under way; its `key` is the slot of the visit it is about.
pub const LETTER: u16 = u16::MAX - 1;
/// `armed` of a call that has not arrived yet.
pub const IN_TRANSIT: u64 = u64::MAX - 1;
/// `armed` of a visit that arrived during a pause: it is inside, and its node has not seen it.
pub const UNSEEN: u64 = u64::MAX - 2;
/// `armed` of a visit whose reply has left.
pub const FINISHED: u64 = u64::MAX;

/// Nobody waits for the reply any more.
pub const CALLER_DONE: u8 = 1;
/// The callee will never speak again: its reply arrived or was lost.
pub const CALLEE_DONE: u8 = 2;
/// A waiting room still refers to this frame.
pub const IN_ROOM: u8 = 4;
/// It left the room without service; the room skips it.
pub const ABANDONED: u8 = 8;
/// Holds a worker of its instance.
pub const HAS_WORKER: u8 = 16;
/// Holds a core of its instance.
pub const HAS_CORE: u8 = 32;
/// A cache found the key (told by the reply).
pub const FOUND: u8 = 128;
/// A parallel branch of its parent, or the background rest of a visit (at a client: a session).
pub const BRANCH: u8 = 64;

/// The hot half of a frame: one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Frame {
    /// Identity of the visit for draws: a hash of request, path of call sites and attempt.
    pub id: u64,
    /// The request's key.
    pub key: u64,
    /// Arrival at the node; at a client: the intended send.
    pub arrived: u64,
    /// Waiting so far: the sum of (service start - enqueue), kept by wrapping arithmetic.
    pub waited: u64,
    /// Work so far, ns; at a client: the request's number.
    pub served: u64,
    /// Sequence of the armed timer; 0: none; or [`IN_TRANSIT`], [`FINISHED`].
    pub armed: u64,
    /// Caller's frame; once the caller has given up: its packed address.
    pub parent: Slot,
    /// In a room: the next waiting frame. While calling: the callee's frame.
    pub next: Slot,
    /// The node.
    pub node: u16,
    /// The instance of the node; at a client: the place it was sent from.
    pub inst: u16,
    /// Next instruction; once finished: the outcome.
    pub pc: u16,
    /// Operation.
    pub op: u8,
    /// Bits above.
    pub flags: u8,
}

const _: () = assert!(size_of::<Frame>() == 64, "a frame is one cache line");

impl Frame {
    /// A slot that was never used.
    pub const EMPTY: Self = Self {
        id: 0,
        key: 0,
        arrived: 0,
        waited: 0,
        served: 0,
        armed: 0,
        parent: NONE,
        next: NONE,
        node: FREE,
        inst: 0,
        pc: 0,
        op: 0,
        flags: 0,
    };

    /// How the finished callee answered.
    #[inline(always)]
    pub fn outcome(&self) -> Outcome {
        Outcome::ALL[usize::from(self.pc)]
    }
}

/// The cold half: what only some designs carry.
#[allow(clippy::struct_excessive_bools, reason = "marks that travel with a visit, each by itself")]
#[derive(Clone, Copy, Debug)]
pub struct Extra {
    /// Instant after which the answer is worth nothing; `u64::MAX`: none.
    pub deadline: u64,
    /// Intended send of the request it belongs to.
    pub intended: u64,
    /// Session number.
    pub session: u64,
    /// Start of the current call (its first attempt), or of a wait in a CoDel room.
    pub since: u64,
    /// Work of a step that waits or was preempted; the last backoff of a call, ns.
    pub remaining: u64,
    /// Bytes of the message that carries the call.
    pub size: u64,
    /// Bytes of the reply.
    pub reply_size: u64,
    /// Bytes of the last reply to a call.
    pub fetched: u64,
    /// Row of attributes; `NONE`: none.
    pub attributes: u32,
    /// Latest branch of a parallel step.
    pub branch: Slot,
    /// In a branch, which may have branches of its own: the next one in its parent's list.
    pub branch_after: Slot,
    /// In a branch: the one before in its parent's list.
    pub branch_before: Slot,
    /// The deadline is checked at dequeue and before each step.
    pub enforced: bool,
    /// Branches still out.
    pub pending: u16,
    /// Successes still needed.
    pub need: u16,
    /// Failures that can still be borne.
    pub spare: u16,
    /// Attempts of the current call, one that is held up included.
    pub attempt: u16,
    /// Where the current attempt stands as long as it has not been sent.
    pub hold: Hold,
    /// The current attempt once it has been sent; kept where edges have guards.
    pub flight: Flight,
    /// Its second copy.
    pub hedge: Slot,
    /// That copy's flight.
    pub hedge_flight: Flight,
    /// The connection a call came on; `NONE`: one of its own. Kept where a design knows of connections.
    pub wire: u32,
    /// When it is to be sent; `u64::MAX`: never, or it has been.
    pub hedge_at: u64,
    /// Messages of the current call beyond one per attempt (copies), less attempts never sent (refused).
    pub surplus: i16,
    /// At a client: the call under way is that of its fallback, which has no guard and no retry.
    pub fell_back: bool,
    /// Client of the request (index in name order), or [`NOBODY`].
    pub client: u16,
    /// Shard a branch of a read of all shards is about; what a service's own run is a run of.
    pub shard: u16,
    /// Operation of the request at its client.
    pub request_op: u8,
    /// 1 is most urgent.
    pub priority: u8,
    /// Calls with `max_depth` that led here, one within the other.
    pub depth: u8,
    /// A fallback was used below.
    pub degraded: bool,
    /// The attempt under way is one that a retry budget counts.
    pub retries: bool,
    /// Iterations left of nested `repeat` steps.
    pub loops: [u32; MAX_LOOPS],
}

/// Depth of nested `repeat` steps.
pub const MAX_LOOPS: usize = 4;

impl Extra {
    /// Nothing carried.
    pub const EMPTY: Self = Self {
        deadline: u64::MAX,
        intended: 0,
        session: 0,
        since: 0,
        remaining: 0,
        size: 0,
        reply_size: 0,
        fetched: 0,
        attributes: NONE,
        branch: NONE,
        branch_after: NONE,
        branch_before: NONE,
        enforced: false,
        pending: 0,
        need: 0,
        spare: 0,
        attempt: 0,
        hold: Hold::Start,
        flight: Flight::NONE,
        hedge: NONE,
        hedge_flight: Flight::NONE,
        wire: NONE,
        hedge_at: u64::MAX,
        surplus: 0,
        fell_back: false,
        client: 0,
        shard: 0,
        request_op: 0,
        priority: 100,
        depth: 0,
        degraded: false,
        retries: false,
        loops: [0; MAX_LOOPS],
    };
}

impl Extra {
    /// A call begins: none of its attempts has been sent.
    #[inline(always)]
    pub fn begin_call(&mut self, now: u64) {
        (self.since, self.attempt, self.surplus, self.remaining) = (now, 0, 0, 0);
        self.hold = Hold::Start;
        (self.retries, self.fell_back) = (false, false);
    }
}

/// All frames, with a free list.
#[derive(Debug)]
pub struct Frames {
    hot: Slots<Frame>,
    cold: Slots<Extra>,
    /// The first free slot; each free frame names the next one as its `next`.
    free: Slot,
    /// While it is noted which frames begin: those of them that do, and the free ones that none has taken yet.
    noted: Option<(Vec<Slot>, Slot)>,
}

impl Default for Frames {
    fn default() -> Self {
        Self { hot: Slots::default(), cold: Slots::default(), free: NONE, noted: None }
    }
}

impl std::ops::Index<Slot> for Frames {
    type Output = Frame;
    #[inline(always)]
    fn index(&self, slot: Slot) -> &Frame {
        self.hot.get(slot)
    }
}

impl std::ops::IndexMut<Slot> for Frames {
    #[inline(always)]
    fn index_mut(&mut self, slot: Slot) -> &mut Frame {
        self.hot.get_mut(slot)
    }
}

impl Frames {
    /// A slot holding `frame`; its cold half is whatever the last user left.
    #[inline(always)]
    pub fn alloc(&mut self, frame: Frame) -> Slot {
        let slot = if self.free == NONE { self.grow() } else { self.free };
        let place = self.hot.get_mut(slot);
        self.free = place.next;
        // One assignment in place: a frame put together on the stack first would be read back in
        // wider pieces than it was written in, which stalls.
        *place = frame;
        slot
    }

    /// Whether there are more than the nearest cache holds: then it pays to say which will be next.
    pub fn are_far(&self) -> bool {
        self.hot.len() > 1024
    }

    /// Says that a frame will be asked for soon.
    #[inline(always)]
    pub fn expect(&self, slot: Slot) {
        self.hot.expect(slot);
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> Slot {
        if let Some((begun, free)) = &mut self.noted {
            let slot = *free;
            if slot != NONE {
                *free = std::mem::replace(&mut self.hot.get_mut(slot).next, NONE);
                begun.push(slot);
                return slot;
            }
            begun.push(self.hot.len() as Slot);
        }
        self.cold.push(Extra::EMPTY);
        self.hot.push(Frame::EMPTY)
    }

    /// From now on it is noted which frames begin, in slots that were free before: where the free ones are put away, all
    /// come through [`Frames::grow`], and whoever allocates has nothing to ask.
    pub fn note(&mut self) {
        self.noted = Some((Vec::new(), std::mem::replace(&mut self.free, NONE)));
    }

    /// Which did since [`Frames::note`]. The free slots are in the order they would have been in.
    pub fn begun(&mut self) -> Vec<Slot> {
        let Some((begun, rest)) = self.noted.take() else { return Vec::new() };
        if self.free == NONE {
            self.free = rest;
            return begun;
        }
        let mut last = self.free;
        while self.hot.get(last).next != NONE {
            last = self.hot.get(last).next;
        }
        self.hot.get_mut(last).next = rest;
        begun
    }

    /// Gives a slot back.
    #[inline(always)]
    pub fn release(&mut self, slot: Slot) {
        let frame = self.hot.get_mut(slot);
        frame.armed = 0;
        frame.flags = CALLER_DONE | CALLEE_DONE;
        frame.node = FREE;
        frame.next = self.free;
        self.free = slot;
    }

    /// The cold half.
    #[inline(always)]
    pub fn extra(&self, slot: Slot) -> &Extra {
        self.cold.get(slot)
    }

    /// The cold half, to change.
    #[inline(always)]
    pub fn extra_mut(&mut self, slot: Slot) -> &mut Extra {
        self.cold.get_mut(slot)
    }

    /// Slots ever made: the largest number of frames alive at once.
    pub fn high_water(&self) -> usize {
        self.hot.len()
    }

    /// Frames at an instance with their slots, on their way to it or not.
    pub fn at(&self, (node, inst): Host) -> impl Iterator<Item = (Slot, &Frame)> {
        let all = self.hot.as_slice().iter().enumerate();
        // All are looked at for one or none: the instance first, which is hardly ever the same, as a branch is foretold.
        let there = all.filter(move |(_, f)| f.inst == inst && f.node == node);
        there.map(|(i, f)| (i as Slot, f))
    }

    /// Frames in use with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &Frame)> {
        self.hot
            .as_slice()
            .iter()
            .enumerate()
            .filter(|(_, f)| f.node != FREE)
            .map(|(i, f)| (i as Slot, f))
    }
}
