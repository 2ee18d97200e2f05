//! Times of requests, as quantiles and shares of them are judged.
//!
//! **Invariant.** A request that never got an answer is slower than any limit.

use super::super::{
    objective::{Sample, Stat},
    parse::Op,
};
use crate::{results::Requests, stats::Histogram};

/// Times of requests, and how many are slower than any limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) measured: Histogram,
    pub(super) beyond: u64,
}

impl Times {
    /// `late` of those in flight are slower than any limit.
    pub(super) fn new(requests: &Requests, sample: &Sample, late: u64) -> Self {
        let requests = requests.basis();
        let beyond =
            |reached: &Histogram| (requests.decided() + late).saturating_sub(reached.count());
        match sample {
            Sample::Latency => {
                Self { beyond: beyond(&requests.latency), measured: requests.latency.clone() }
            }
            Sample::Survivors => Self { measured: requests.latency.clone(), beyond: 0 },
            Sample::All => {
                let mut measured = requests.latency.clone();
                measured.merge(&requests.latency_failed);
                Self { measured, beyond: late }
            }
            Sample::Mark(mark) => {
                let measured = requests.marks.get(mark).cloned().unwrap_or_default();
                Self { beyond: beyond(&measured), measured }
            }
        }
    }

    /// The share that is below, up to, above or from a limit on.
    pub(super) fn fraction(&self, op: Op, limit: u64) -> Option<f64> {
        let all = self.measured.count() + self.beyond;
        let up_to = |limit: u64| {
            let measured = self.measured.count() as f64;
            let above = self.measured.fraction_above(limit).unwrap_or(1.0) * measured;
            // Counts are whole, or within a bucket as fine as this: 18 of 20 are 90 %, not less.
            ((measured - above) * 1e6).round() / 1e6
        };
        let count = match op {
            Op::Below => up_to(limit - 1),
            Op::Above => all as f64 - up_to(limit),
            Op::AtLeast => all as f64 - up_to(limit - 1),
            _ => up_to(limit),
        };
        (all > 0).then(|| count / all as f64)
    }

    /// Adds those of another replication.
    pub(super) fn merge(&mut self, other: &Self) {
        self.measured.merge(&other.measured);
        self.beyond += other.beyond;
    }

    /// In seconds; infinite where it falls on a request beyond any limit.
    pub(super) fn statistic(&self, stat: Stat) -> Option<f64> {
        let measured = self.measured.count();
        let all = measured + self.beyond;
        let quantile = |q: f64| {
            let inside = q * all as f64 / measured as f64;
            if inside <= 1.0 { self.measured.quantile(inside) } else { Some(f64::INFINITY) }
        };
        let ns = match stat {
            _ if all == 0 => None,
            Stat::Min if measured > 0 => self.measured.min().map(|ns| ns as f64),
            _ if measured == 0 => Some(f64::INFINITY),
            Stat::Quantile(q) => quantile(q),
            _ if self.beyond > 0 => Some(f64::INFINITY),
            Stat::Mean | Stat::Share(..) => self.measured.mean(),
            Stat::Max | Stat::Min => self.measured.max().map(|ns| ns as f64),
        };
        ns.map(|ns| ns / 1e9)
    }
}
