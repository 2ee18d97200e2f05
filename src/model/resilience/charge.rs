//! Rate limits that a call has to pass, at a caller or at a door.
//!
//! **Invariant.** A call that is refused by one of several limits has been charged by none.

use super::rate_limit::{CAUSES, Limiter, RateLimit, take_all};
use crate::{
    cause::Cause,
    model::{ids::Slot, world::World},
};

/// Time until a call passes all limits, ns; `None`: it does not, and `refused` hears by which causes. Limits that
/// instances do not share are kept in `own`; who has to pass `at_once` takes no waiting for it.
pub fn charge(
    limits: &[RateLimit],
    own: &mut [Limiter],
    (slot, at_once): (Slot, bool),
    world: &mut World,
    mut refused: impl FnMut(Cause, &mut World),
) -> Option<u64> {
    let now = world.now();
    let mut each = |i: usize, takes: bool, world: &mut World| {
        let limit = &limits[i];
        let id = limit.per.map_or(0, |per| world.attribute(per, slot).to_bits());
        let limiter = match limit.shared {
            Some(shared) => &mut world.limiters[shared],
            None => &mut own[i],
        };
        if takes {
            limiter.take(limit, id, now, at_once)
        } else {
            limiter.asks(limit, id, now, at_once)
        }
    };
    if limits.len() == 1 {
        return each(0, true, world);
    }
    let mut by = Vec::new();
    let turn = take_all(limits.len(), |i, takes| each(i, takes, world), |i| by.push(i));
    for i in by {
        refused(CAUSES[i], world);
    }
    turn
}
