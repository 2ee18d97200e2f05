//! Bulkheads and connection pools: so many calls at once, the others wait in line or are refused.
//!
//! **Invariant.** While anyone waits, every permit is out.

use std::collections::VecDeque;

use crate::model::{books::Area, demand::Demand, ids::Slot, span::Span, world::World};

/// How many permits there are, and what it takes to get one.
#[derive(Clone, Debug)]
pub struct PermitPolicy {
    /// How many.
    pub size: u64,
    /// How long one may wait, ns; `u64::MAX`: for ever.
    pub wait: u64,
    /// Pools: what opening a connection takes.
    pub setup: Option<Demand>,
    /// Pools: the number among all.
    pub number: u32,
    /// Pools: for how long an unused connection stays open, ns; `u64::MAX`: for ever.
    pub idle: u64,
}

/// Permits of a bulkhead or pool.
#[derive(Clone, Debug, Default)]
pub struct Permits {
    /// Permits held.
    held: Area,
    /// Since when each open connection has not been used.
    idle: Vec<u64>,
    /// Who waits.
    line: VecDeque<Slot>,
}

/// A permit that was got.
#[derive(Clone, Copy, Debug)]
pub enum Permit {
    /// Ready.
    Ready,
    /// Its connection is open after this time.
    After(Span),
}

impl Permits {
    /// Integral of the permits held from time 0, permit-ns.
    pub fn until(&self, now: u64) -> u128 {
        self.held.until(now)
    }

    /// The process is gone with all who held or wanted one.
    pub fn clear(&mut self, now: u64) {
        self.held.clear(now);
        self.idle.clear();
        self.line.clear();
    }

    /// A permit for a call, if there is one.
    pub fn get(&mut self, policy: &PermitPolicy, slot: Slot, world: &World) -> Option<Permit> {
        (self.held.count() < policy.size).then(|| self.hand(policy, slot, world))
    }

    /// Whether a call would not have to wait.
    pub fn is_ready(&self, policy: &PermitPolicy, now: u64) -> bool {
        let open = || self.idle.last().is_some_and(|&since| now - since <= policy.idle);
        self.held.count() < policy.size && (policy.setup.is_none() || open())
    }

    /// A call waits.
    pub fn join(&mut self, slot: Slot) {
        self.line.push_back(slot);
    }

    /// A call waits no longer.
    pub fn leave(&mut self, slot: Slot) {
        // They give up in the order in which they came, most of the time.
        let at = self.line.iter().position(|&waiting| waiting == slot);
        self.line.remove(at.expect("it stands in line"));
    }

    /// A permit comes back, its connection usable or not; the first in line gets it.
    pub fn put(
        &mut self,
        policy: &PermitPolicy,
        usable: bool,
        world: &World,
    ) -> Option<(Slot, Permit)> {
        self.held.leave(world.now());
        if usable && policy.setup.is_some() {
            self.idle.push(world.now());
        }
        let next = self.line.pop_front()?;
        Some((next, self.hand(policy, next, world)))
    }

    fn hand(&mut self, policy: &PermitPolicy, slot: Slot, world: &World) -> Permit {
        self.held.enter(world.now());
        let Some(setup) = &policy.setup else { return Permit::Ready };
        // The one used last is taken first; once that is too old, so are all.
        if self.idle.pop().is_some_and(|since| world.now() - since <= policy.idle) {
            return Permit::Ready;
        }
        self.idle.clear();
        Permit::After(setup.work(slot, world).span)
    }
}
