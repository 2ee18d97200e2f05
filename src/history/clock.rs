//! Instants: the order of the calls and their time in one word.
//!
//! A hybrid logical clock (Kulkarni et al., OPODIS 2014): an instant is the time in ns moved up by a
//! few bits, or one more than the instant before, whichever is larger. So instants are ordered as the
//! calls were, whatever their times, and a zone keeps 8 bytes for an end instead of a sequence number
//! and a time.
//!
//! **Invariant.** A later call has a larger instant. The time of an instant is exact unless more than
//! `2^shift` calls share one nanosecond (2^20 in a run of up to 4 hours, 16 in one of ten years);
//! then it is ahead by one nanosecond for each `2^shift` of them until time goes on.

/// Gives each call its instant.
#[derive(Clone, Debug)]
pub struct Clock {
    last: u64,
    shift: u32,
}

impl Clock {
    /// A clock for times up to `horizon_ns`; later ones are ordered all the same.
    #[must_use]
    pub fn new(horizon_ns: u64) -> Self {
        // One bit is left free, so that no instant is the `NEVER` or `FAILED` of a row.
        Self { last: 0, shift: horizon_ns.leading_zeros().saturating_sub(1).min(20) }
    }

    /// The instant of a call at this time, 1 or more.
    #[inline]
    pub fn tick(&mut self, at_ns: u64) -> u64 {
        let at = at_ns.min(u64::MAX >> (self.shift + 1)) << self.shift;
        self.last = at.max(self.last + 1);
        self.last
    }

    /// The time of an instant.
    #[inline]
    #[must_use]
    pub fn ns(&self, instant: u64) -> u64 {
        instant >> self.shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_ordered_as_the_calls_and_keep_their_time() {
        for horizon in [0, 1_000_000_000, 315_360_000_000_000_000, u64::MAX] {
            let mut clock = Clock::new(horizon);
            let mut last = 0;
            for at in [0, 0, 0, 5, 5, 1_000, horizon, horizon, u64::MAX, u64::MAX, u64::MAX] {
                let instant = clock.tick(at);
                assert!(instant > last && instant < u64::MAX);
                last = instant;
                // Ten years leave 4 bits, more than these ties; the whole of 64 bits leaves none.
                if at <= horizon && horizon < 1 << 60 && horizon > 0 {
                    assert_eq!(clock.ns(instant), at, "{horizon}");
                }
            }
        }
    }

    #[test]
    fn a_crowd_within_a_nanosecond_only_moves_the_time() {
        let mut clock = Clock::new(1 << 58);
        let instants: Vec<u64> = (0..10_000).map(|_| clock.tick(7)).collect();
        assert!(instants.is_sorted_by(|a, b| a < b));
        assert_eq!((clock.ns(instants[15]), clock.ns(instants[9_999])), (7, 7 + 9_999 / 16));
        assert_eq!(clock.tick(100_000), 100_000 << 4, "time goes on");
    }
}
