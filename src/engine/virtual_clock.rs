//! The clock of something that is shared equally: it runs as fast as each of those inside gets on.
//!
//! **Invariant.** Time on it never goes back.

/// A virtual clock (`semantics.md` 40): whoever came at a time on it and asks for so much work is done when it has advanced
/// by that, whoever else comes and goes meanwhile. It counts fractions of a nanosecond of so many bits: the more, the more may share equally
/// without a rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct VirtualClock<const BITS: u32> {
    /// 2^-BITS ns.
    now: u128,
    /// The time it was brought to, ns.
    updated: u64,
    /// 2^-BITS of its ns per ns.
    rate: u64,
}

impl<const BITS: u32> VirtualClock<BITS> {
    /// Brings it to a time, ns: how long that is after the one before, ns.
    pub fn advance(&mut self, now: u64) -> u64 {
        let elapsed = now - self.updated;
        self.now += u128::from(elapsed) * u128::from(self.rate);
        self.updated = now;
        elapsed
    }

    /// The time it was brought to, ns.
    pub fn time(&self) -> u64 {
        self.updated
    }

    /// It stands still from now on.
    pub fn stop(&mut self) {
        self.rate = 0;
    }

    /// It runs so fast from now on, above 0.
    pub fn run(&mut self, rate: f64) {
        self.rate = (rate * (1u64 << BITS) as f64).round().max(1.0) as u64;
    }

    /// It runs so fast since it showed that, which it has run past at the rate before.
    pub fn run_since(&mut self, tag: u128, rate: f64) {
        let (beyond, before) = (self.now.saturating_sub(tag), u128::from(self.rate));
        self.run(rate);
        self.now = tag + beyond * u128::from(self.rate) / before.max(1);
    }

    /// What it shows when this much work, ns, that begins now is done.
    pub fn after(&self, nanos: u64) -> u128 {
        self.now + (u128::from(nanos) << BITS)
    }

    /// Whether it shows that already.
    pub fn has_reached(&self, tag: u128) -> bool {
        tag <= self.now
    }

    /// How long it takes until it shows that, ns, rounded up; none: it stands still.
    pub fn until(&self, tag: u128) -> Option<u64> {
        let left = tag.saturating_sub(self.now);
        (self.rate > 0).then(|| left.div_ceil(u128::from(self.rate)) as u64)
    }
}
