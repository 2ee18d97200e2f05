//! What a node is to the engine: a state machine that handles events and acts through [`World`].

use std::any::Any;

use super::{bounded::Bounded, cache::contents::CacheBooks, frame::Slot, world::World};

/// Index of an entity: nodes in name order, then clients in name order.
pub type NodeId = u16;

/// A simulated entity. Handlers return nothing and act through the world; what cannot happen to a kind
/// of node does nothing.
pub trait Node: Any + Send {
    /// A call arrived; its frame belongs to the node now.
    fn on_request(&mut self, _frame: Slot, _world: &mut World) {}
    /// The reply of this callee's frame arrived at its parent, which is here; the callee's frame is
    /// freed after this event.
    fn on_reply(&mut self, _child: Slot, _world: &mut World) {}
    /// The timer armed for this frame fired.
    fn on_timer(&mut self, _frame: Slot, _world: &mut World) {}
    /// The node's own tick (arrivals, processor sharing) with this index fired.
    fn on_tick(&mut self, _index: u32, _world: &mut World) {}
    /// The caller called this visit off.
    fn on_cancel(&mut self, _frame: Slot, _world: &mut World) {}
    /// A reply nobody waits for reached the client it was for.
    fn on_late(&mut self, _child: Slot, _world: &mut World) {}
    /// An instance dies with all it is at: `lost` are the frames inside, which the world lays to rest.
    fn crash(&mut self, _inst: u16, _lost: &[Slot], _world: &mut World) {}
    /// An instance is up again, with nothing inside.
    fn recover(&mut self, _inst: u16, _world: &mut World) {}
    /// Work at an instance stands still; the world holds back what else is due there.
    fn pause(&mut self, _inst: u16, _world: &mut World) {}
    /// It goes on with what is left.
    fn resume(&mut self, _inst: u16, _world: &mut World) {}
    /// Everything an instance does takes `after / before` times as long from now on.
    fn set_pace(&mut self, _inst: u16, _before: f64, _after: f64, _world: &mut World) {}
    /// What an instance holds in its cache is gone.
    fn clear_cache(&mut self, _inst: u16) {}
    /// The design changed: it is as that version of its spec says from now on.
    fn set_version(&mut self, _version: usize) {}
    /// The same, instance by instance: it is being deployed.
    fn set_versions(&mut self, _by_instance: &[usize]) {}
    /// An instance is about to restart, and says so to who chooses among instances; or it is back.
    fn withdraw(&mut self, _host: (NodeId, u16), _out: bool, _now: u64) {}
    /// Schedules what happens by itself from the start.
    fn start(&mut self, _world: &mut World) {}
    /// Running sums of each instance up to `now`, from the start of the run.
    fn books(&self, now: u64) -> Vec<InstanceBooks>;
    /// What `busy` of the books counts, where that is bounded, and what is bounded besides.
    fn bounded(&self) -> (&'static str, Vec<Bounded>) {
        ("cores", Vec::new())
    }
    /// What is held of each of the latter: instance by instance, the integral up to `now`, unit-ns, or how much it
    /// is where it is sampled.
    fn held(&self, _now: u64) -> Vec<u128> {
        Vec::new()
    }
}

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
    /// Caches: lookups and what became of them.
    pub cache: CacheBooks,
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
