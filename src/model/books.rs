//! Running sums: integrals and counts from the start of a run, from which every figure of nodes is a difference.
//!
//! **Invariant.** A sum never goes back.

use super::cache::books::CacheBooks;

/// Running sums of one instance from the start of the run.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstanceBooks {
    /// Integral of busy capacity, unit-ns.
    pub busy: u128,
    /// Integral of frames waiting, frame-ns.
    pub in_queue: u128,
    /// Arrivals.
    pub arrivals: u64,
    /// Departures.
    pub departures: u64,
    /// Departures that no good answer came of: turned away, failed, given up as too late, lost in a crash.
    pub failures: u64,
    /// Departures that were called off because nobody needed them any more: neither good nor bad.
    pub needless: u64,
    /// Time it was down, ns.
    pub down: u128,
    /// Queues: integral of messages that wait to be handed out, message-ns.
    pub depth: u128,
    /// Caches: lookups and what became of them.
    pub cache: CacheBooks,
    /// With a quota: time in which work stood still for want of processor time, ns, and the integral of frames that did.
    pub throttled: (u128, u128),
}

/// What one instance did in one window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InstanceWindow {
    /// Integral of busy capacity, unit-ns.
    pub busy: f64,
    /// Integral of frames waiting, frame-ns.
    pub in_queue: f64,
    /// Time it was down or not there, ns.
    pub down: f64,
    /// Whether a fault was at work at it at any time; of several windows, in how many.
    pub struck: f64,
}

impl InstanceWindow {
    /// It and another one together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            busy: self.busy + other.busy,
            in_queue: self.in_queue + other.in_queue,
            down: self.down + other.down,
            struck: self.struck + other.struck,
        }
    }
}

/// Running sums of the environments of a function from the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentBooks {
    /// Integral of those that were there, those that started included, environment-ns.
    pub there: u128,
    /// Integral of those that started.
    pub starting: u128,
    /// Integral of those that somebody was inside.
    pub busy: u128,
    /// Integral of those that were provisioned.
    pub provisioned: u128,
    /// How many were started, those that were there from the beginning included.
    pub started: u64,
    /// How many of these had to start.
    pub starts: u64,
    /// How many ended.
    pub ended: u64,
    /// How many crashed.
    pub crashed: u64,
    /// How many are there.
    pub now: u64,
    /// Visits that came in.
    pub visits: u64,
    /// Those that waited for the start of the one they came into.
    pub cold: u64,
    /// Starts and visits of those that were not provisioned, each rounded up, ms.
    pub billed: u64,
}

impl EnvironmentBooks {
    /// They and others together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            there: self.there + other.there,
            starting: self.starting + other.starting,
            busy: self.busy + other.busy,
            provisioned: self.provisioned + other.provisioned,
            started: self.started + other.started,
            starts: self.starts + other.starts,
            ended: self.ended + other.ended,
            crashed: self.crashed + other.crashed,
            now: self.now + other.now,
            visits: self.visits + other.visits,
            cold: self.cold + other.cold,
            billed: self.billed + other.billed,
        }
    }

    /// What came after `from`.
    #[must_use]
    pub fn since(self, from: Self) -> Self {
        Self {
            there: self.there - from.there,
            starting: self.starting - from.starting,
            busy: self.busy - from.busy,
            provisioned: self.provisioned - from.provisioned,
            started: self.started - from.started,
            starts: self.starts - from.starts,
            ended: self.ended - from.ended,
            crashed: self.crashed - from.crashed,
            now: self.now,
            visits: self.visits - from.visits,
            cold: self.cold - from.cold,
            billed: self.billed - from.billed,
        }
    }
}

/// The environments of a function in the measured span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentsMeasured {
    /// What came of them.
    pub books: EnvironmentBooks,
    /// The most that were there at once.
    pub most: u64,
    /// Memory of each, bytes.
    pub memory: Option<u64>,
}

/// Departures of one instance that are no good answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unserved {
    /// Turned away, failed, given up as too late, lost in a crash.
    pub failed: u64,
    /// Called off because nobody needed them any more.
    pub needless: u64,
}

impl InstanceBooks {
    /// Departures with a good answer.
    #[must_use]
    pub const fn served(&self) -> u64 {
        self.departures - self.failures - self.needless
    }
}

/// Sagas of the measured span, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SagasMeasured {
    /// All parts were done.
    pub done: u64,
    /// What was done was undone.
    pub compensated: u64,
    /// Their process died before either.
    pub unfinished: u64,
    /// Where some have a log: how often one went on after its process had died.
    pub resumed: Option<u64>,
}

/// Batches that were begun in the measured span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchesMeasured {
    /// How many.
    pub batches: u64,
    /// What was in them.
    pub works: u64,
}

impl BatchesMeasured {
    /// They and others together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { batches: self.batches + other.batches, works: self.works + other.works }
    }
}

/// Instances of each class that were there, in the measured span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PurchaseMeasured {
    /// How long, reserved ones, those of the spot market, those on demand: instance-ns.
    pub time: [u128; 3],
    /// How many were told to go.
    pub reclaims: u64,
}

/// Keys that moved to another shard, over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MovedMeasured {
    /// How many did.
    pub keys: u64,
    /// What was held of them.
    pub bytes: u64,
    /// Keys the store held as each move began.
    pub held: u64,
    /// Time from when each move began until it was over, ns.
    pub time: u64,
    /// No move is under way, and one was.
    pub over: bool,
}

/// What became of the backups of a store, over the whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupsMeasured {
    /// Snapshots that came to where they are kept.
    pub snapshots: u64,
    /// Shards that were restored, one by one.
    pub restored: Vec<Restored>,
}

/// A shard was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The shard.
    pub shard: u16,
    /// When its process was back and asked for its data, ns.
    pub from: u64,
    /// When it served again, ns.
    pub to: u64,
    /// From the instant that it was restored to until it lost its data, ns.
    pub age: u64,
    /// Keys it was restored with.
    pub keys: u64,
}

/// What an autoscaler decided in the measured span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScalingMeasured {
    /// One by one.
    pub all: Vec<Scaled>,
}

/// An autoscaler has instances come or go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scaled {
    /// When, ns.
    pub at: u64,
    /// How many there were, those that boot among them.
    pub from: u64,
    /// How many there are now.
    pub to: u64,
    /// Start of the first window in a row whose figure was above the target, if one was, ns.
    pub above: Option<u64>,
    /// When the first of those that came was ready, ns.
    pub ready: Option<u64>,
}

impl Scaled {
    /// How long the figure had been above the target as the first of those that came was ready, ns.
    pub fn waited(&self) -> Option<u64> {
        Some(self.ready? - self.above?)
    }
}

/// The integral of a count over time in sum form: entering subtracts the instant, leaving adds it,
/// so that no event multiplies and the result is exact (`semantics.md` 25).
#[derive(Clone, Copy, Debug, Default)]
pub struct Area {
    count: u64,
    /// A signed number in two halves, the lower one first: as one word of 128 bits it would have to lie
    /// at a multiple of 16 bytes, and instances would take more cache lines.
    sum: [u64; 2],
}

impl Area {
    #[inline(always)]
    fn sum(&self) -> i128 {
        (u128::from(self.sum[1]) << 64 | u128::from(self.sum[0])) as i128
    }

    #[inline(always)]
    fn add(&mut self, more: i128) {
        let sum = self.sum() + more;
        self.sum = [sum as u64, (sum >> 64) as u64];
    }

    /// One more from `now` on.
    #[inline(always)]
    pub fn enter(&mut self, now: u64) {
        self.count += 1;
        self.add(-i128::from(now));
    }

    /// One less from `now` on.
    #[inline(always)]
    pub fn leave(&mut self, now: u64) {
        debug_assert!(self.count > 0, "nothing leaves an empty place");
        self.count -= 1;
        self.add(i128::from(now));
    }

    /// So many from `now` on.
    pub fn set(&mut self, now: u64, count: u64) {
        self.clear(now);
        self.count = count;
        self.add(-i128::from(count) * i128::from(now));
    }

    /// All leave.
    pub fn clear(&mut self, now: u64) {
        self.add(i128::from(self.count) * i128::from(now));
        self.count = 0;
    }

    /// How many there are.
    #[inline(always)]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The integral from time 0 to `now`.
    pub fn until(&self, now: u64) -> u128 {
        u128::try_from(self.sum() + i128::from(self.count) * i128::from(now))
            .expect("an integral of a count is not negative")
    }
}
