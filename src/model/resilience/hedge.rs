//! Hedged calls: a second copy of a call that takes long; the first good answer wins (Dean and Barroso,
//! "The Tail at Scale", Communications of the ACM 56(2), 2013).
//!
//! **Invariant.** A frame with two copies out has both of them in `next` and in `hedge`, the older first.

use crate::{
    model::{
        ids::{NONE, Slot},
        span::Span,
        world::World,
    },
    stats::CoarseHistogram,
};

/// Length of the spans over which an edge remembers its calls, ns.
const SPAN: u64 = 10_000_000_000;
/// Calls below which it knows too little.
const ENOUGH: u64 = 100;

/// What an edge remembers of how long calls took: this span's, and the one's before.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    span: u64,
    now: CoarseHistogram,
    before: CoarseHistogram,
    /// The last answer.
    known: Option<u64>,
    /// Number of calls from which it is worked out anew.
    due: u64,
}

impl Latencies {
    /// A call took so long.
    pub fn saw(&mut self, took: u64, now: u64) {
        self.turn(now);
        self.now.record(took);
    }

    fn turn(&mut self, now: u64) {
        let span = now / SPAN;
        if span == self.span {
            return;
        }
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.clear();
        if span > self.span + 1 {
            self.before.clear();
        }
        (self.span, self.due, self.known) = (span, 0, None);
    }

    /// A quantile of them, ns, once there are enough; it may lag behind by a hundredth of them.
    pub fn quantile(&mut self, q: f64, now: u64) -> Option<u64> {
        self.turn(now);
        let n = self.now.count() + self.before.count();
        if n < ENOUGH {
            return None;
        }
        if n >= self.due {
            let mut all = self.before.clone();
            all.merge(&self.now);
            self.known = all.quantile(q).map(|value| value as u64);
            self.due = n + n / 100 + 1;
        }
        self.known
    }
}

/// When the timer of a call with a hedge fires: what is due first.
pub fn arm(slot: Slot, world: &mut World) {
    let extra = world.frames.extra(slot);
    let due = extra.flight.due.min(extra.hedge_at);
    if due != u64::MAX {
        let left = due.saturating_sub(world.now());
        world.arm(slot, Span::of(left));
    }
}

/// Whether it is time for the second copy, not for the end of the first one.
pub fn is_due(slot: Slot, world: &World) -> bool {
    let (now, extra) = (world.now(), world.frames.extra(slot));
    extra.hedge == NONE && extra.hedge_at <= now && now < extra.flight.due
}

/// The copy that answered stands first from here on.
pub fn put_first(slot: Slot, child: Slot, world: &mut World) {
    let first = world.frames[slot].next;
    if first != child {
        let extra = world.frames.extra_mut(slot);
        std::mem::swap(&mut extra.flight, &mut extra.hedge_flight);
        extra.hedge = first;
        world.frames[slot].next = child;
    }
}

/// The first copy ended; whether another one is still out, which stands first then.
pub fn goes_on(slot: Slot, world: &mut World) -> bool {
    let extra = world.frames.extra_mut(slot);
    let other = std::mem::replace(&mut extra.hedge, NONE);
    extra.hedge_at = u64::MAX;
    if other == NONE {
        return false;
    }
    extra.flight = extra.hedge_flight;
    world.frames[slot].next = other;
    arm(slot, world);
    true
}
