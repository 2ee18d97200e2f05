//! Where arrivals, keys and values of a client's requests come from.
//!
//! **Invariant.** What is drawn depends on the request's number or identity alone.

use std::sync::Arc;

use super::{load::Profile, schedule::Schedule};
use crate::engine::{
    law::{Sampler, to_nanos},
    popularity::Popularity,
    random::Stream,
};

/// When the next arrival comes.
#[derive(Clone, Debug)]
#[repr(u8)] // a tag of its own is read at once, one hidden in a field is not
pub enum Source {
    /// Unit-mean gaps through a rate profile.
    Rate {
        /// Gaps.
        gaps: Gaps,
        /// Rate over time.
        profile: Profile,
    },
    /// Independent arrivals at a constant rate: gaps in ns.
    Poisson(Sampler, Stream),
    /// Users that think.
    Closed {
        /// How many.
        users: u64,
        /// So many requests of all together.
        requests: u64,
    },
    /// Instants from a file, ns.
    Trace {
        /// Instants, non-decreasing.
        times: Arc<[u64]>,
        /// Length of one pass when it repeats, ns.
        period: Option<u64>,
    },
    /// By the clock.
    Schedule(Schedule),
}

/// Gaps of mean 1.
#[derive(Clone, Debug)]
pub enum Gaps {
    /// Exponential.
    Exponential(Stream, Sampler),
    /// Always 1.
    One,
    /// From a law, divided by its mean.
    Law(Sampler, f64, Stream),
}

/// Where a value of a request comes from.
#[derive(Clone, Debug)]
pub enum ValueSource {
    /// A law.
    Law(Sampler, Stream),
    /// One of several numbers by cumulative share.
    Choice(Vec<(f64, f64)>, Stream),
    /// True with a probability.
    Coin(f64, Stream),
    /// A column of the trace.
    Column(Arc<[f64]>),
    /// A key of a named space.
    Key(KeySource),
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Drawn.
    Drawn(Popularity, Stream),
    /// 1, 2, ..., n, 1, ...
    Sequential(u64),
    /// Those of a file in turn.
    Listed(Arc<[u64]>),
}

impl Gaps {
    pub(super) fn draw(&self, n: u64) -> f64 {
        match self {
            Self::Exponential(stream, exp) => exp.sample(&mut stream.draw(n)),
            Self::One => 1.0,
            Self::Law(law, mean, stream) => law.sample(&mut stream.draw(n)) / mean,
        }
    }
}

impl KeySource {
    #[inline(always)]
    pub(super) fn draw(&self, id: u64, number: u64) -> u64 {
        match self {
            Self::Drawn(popularity, stream) => popularity.sample(&mut stream.draw_mixed(id)),
            Self::Sequential(n) => number % n + 1,
            Self::Listed(keys) => keys[(number % keys.len() as u64) as usize],
        }
    }
}

impl ValueSource {
    pub(super) fn draw(&self, id: u64, number: u64) -> f64 {
        match self {
            Self::Law(sampler, stream) => sampler.sample(&mut stream.draw_mixed(id)),
            Self::Choice(options, stream) => {
                let u = stream.draw_mixed(id).unit();
                options.iter().find(|o| u < o.0).unwrap_or(&options[options.len() - 1]).1
            }
            Self::Coin(p, stream) => f64::from(u8::from(stream.draw_mixed(id).unit() < *p)),
            Self::Column(values) => values[(number % values.len() as u64) as usize],
            Self::Key(source) => source.draw(id, number) as f64,
        }
    }
}

/// A time between arrivals as a span: at a rate of next to nothing, or nothing, longer than any run.
#[inline(always)]
pub(super) fn gap_nanos(gap: f64) -> u64 {
    const NEVER: f64 = 1e19;
    to_nanos(gap.min(NEVER))
}

/// The n-th arrival (from 1) at a constant rate: `round(n / rate)`, never accumulated; exact for
/// rates that are whole thousandths (`semantics.md` 6).
pub(super) fn nth_constant(n: u64, rate: f64) -> u64 {
    let milli = rate * 1000.0;
    let den = milli as u64;
    if den as f64 == milli && (1..1_000_000_000_000_000).contains(&den) {
        const UNIT: u64 = 1_000_000_000_000;
        // A division of 64 bits, if that is enough.
        let (q, r) = if let Some(num) = n.checked_mul(UNIT) {
            (num / den, num % den)
        } else {
            let (num, den) = (u128::from(n) * u128::from(UNIT), u128::from(den));
            (u64::try_from(num / den).unwrap_or(u64::MAX), (num % den) as u64)
        };
        let up = r > den - r || r == den - r && q % 2 == 1;
        return q.saturating_add(u64::from(up));
    }
    gap_nanos(n as f64 * (1e9 / rate))
}

/// The instant of row `n`, passes laid end to end when the trace repeats.
pub(super) fn trace_time(times: &[u64], period: Option<u64>, n: u64) -> u64 {
    let rows = times.len() as u64;
    let (pass, row) = (n / rows, (n % rows) as usize);
    match period {
        None if pass > 0 => u64::MAX,
        None => times[row],
        Some(period) => times[row].saturating_add(pass.saturating_mul(period)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_arrivals_are_rounded_not_accumulated() {
        assert_eq!(nth_constant(1, 3.0), 333_333_333);
        assert_eq!(nth_constant(3, 3.0), 1_000_000_000);
        assert_eq!(nth_constant(3_000_000_000, 3.0), 1_000_000_000_000_000_000);
        assert_eq!(nth_constant(2, 1e9), 2);
    }

    #[test]
    fn a_repeating_trace_starts_again_after_its_period() {
        let times = [0, 5, 9];
        assert_eq!(trace_time(&times, None, 3), u64::MAX);
        assert_eq!(trace_time(&times, Some(10), 4), 15);
    }
}
