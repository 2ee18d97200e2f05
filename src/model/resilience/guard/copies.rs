//! Second copies of calls that take long.
//!
//! **Invariant.** A copy is sent at once or not at all.

use super::{Guard, GuardPolicy, draw};
use crate::model::{
    ids::{NONE, Slot},
    resilience::{
        flight::Flight,
        permits::{PermitPolicy, Permits},
        specs::AfterSpec,
    },
    world::World,
};

impl Guard {
    /// A second copy of a call may be sent at once: its flight.
    pub fn admits_copy(
        &mut self,
        policy: &GuardPolicy,
        slot: Slot,
        world: &mut World,
    ) -> Option<Flight> {
        let now = world.now();
        let ready = |permits: &Permits, policy: &Option<PermitPolicy>| {
            policy.as_ref().is_none_or(|policy| permits.is_ready(policy, now))
        };
        if !ready(&self.bulkhead, &policy.bulkhead) || !ready(&self.pool, &policy.pool) {
            return None;
        }
        if policy.budget.is_some_and(|budget| !self.spent.allows(&budget)) {
            return None;
        }
        if let Some(throttle) = &policy.throttle
            && !self.throttle.get_or_insert_default().lets(throttle, draw(slot, world), now)
        {
            return None;
        }
        let wire = match &policy.wires {
            Some(wires) => world.take_ready(wires, slot)?,
            None => NONE,
        };
        let epoch = match &policy.breaker {
            Some(breaker) => match self.breaker.admit(breaker, now) {
                Some(epoch) => epoch,
                None => {
                    unwires_copy(policy, wire, world);
                    return None;
                }
            },
            None => 0,
        };
        if let Some(limits) = &policy.rate_limit
            && self.token(limits, slot, true, world).is_none()
        {
            self.breaker.withdrawn(epoch);
            unwires_copy(policy, wire, world);
            return None;
        }
        for (permits, policy) in
            [(&mut self.bulkhead, &policy.bulkhead), (&mut self.pool, &policy.pool)]
        {
            if let Some(policy) = policy {
                permits.get(policy, slot, world);
            }
        }
        if policy.budget.is_some() {
            self.spent.sent();
        }
        let first = world.frames.extra(slot).flight.first;
        Some(Flight { epoch, wire, sent: now, first, due: u64::MAX })
    }

    /// When a second copy is to be sent, if ever.
    pub fn hedge_at(&mut self, policy: &GuardPolicy, now: u64) -> u64 {
        let after = match policy.hedge {
            None => None,
            Some(AfterSpec::Fixed(nanos)) => Some(nanos),
            Some(AfterSpec::Quantile(_, q)) => self.latencies.quantile(q, now),
        };
        after.map_or(u64::MAX, |after| now.saturating_add(after))
    }
}

/// A second copy gives back the connection it took: it is not sent.
#[cold]
fn unwires_copy(policy: &GuardPolicy, wire: u32, world: &mut World) {
    if policy.wires.is_some() {
        world.leave_connection(wire, NONE, true);
    }
}
