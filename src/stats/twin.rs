//! Worlds whose truth is known, for tests of coverage: small, and the same every time.

use super::histogram::Histogram;

/// Draws of a fixed sequence.
pub(super) struct Draws(pub u64);

impl Draws {
    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        super::resample::splitmix(&mut self.0)
    }

    /// Uniform in (0, 1).
    pub fn unit(&mut self) -> f64 {
        ((self.word() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    /// Of mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(self.unit())
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let angle = 2.0 * std::f64::consts::PI * self.unit();
        (-2.0 * libm::log(self.unit())).sqrt() * libm::cos(angle)
    }

    /// Sojourn times in ns of `n` requests in a stationary M/M/1 at 80 % of 10 requests a second, by Lindley's
    /// recursion: exponential with mean 0.5 s each, and strongly correlated.
    pub fn queue(&mut self, n: usize) -> Histogram {
        let mut sojourns = Histogram::new();
        let mut waiting = if self.unit() < 0.2 { 0.0 } else { 0.5 * self.exponential() };
        for _ in 0..n {
            let sojourn = waiting + 0.1 * self.exponential();
            sojourns.record((sojourn * 1e9) as u64);
            waiting = (sojourn - 0.125 * self.exponential()).max(0.0);
        }
        sojourns
    }

    /// Share of an hour for which a machine was down that fails every 2 h and is repaired in 30 s, seldom in 5 min:
    /// 61 % of the hours see nothing, the mean is [`DOWN`].
    pub fn outage(&mut self) -> f64 {
        let (mut now, mut down) = (0.0, 0.0);
        loop {
            now += 7200.0 * self.exponential();
            if now >= 3600.0 {
                return down / 3600.0;
            }
            let repair = 30.0 * libm::exp(0.989_87 * self.normal());
            down += repair.min(3600.0 - now);
            now += repair;
        }
    }
}

/// Mean of [`Draws::outage`], of 20 million hours.
pub(super) const DOWN: f64 = 0.006_628;
