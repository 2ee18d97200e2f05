//! Load profiles and modulated rates: unit-rate points carried to real time through the inverse of
//! the cumulative rate (`semantics.md` 9), so that the mean is exact and the n-th point stays the
//! n-th when the profile changes.
//!
//! **Invariant.** Within a segment the rate is linear in time; segments follow one another.

use std::sync::Arc;

use super::{LoadSpec, LoadStep, curve::Curve};
use crate::engine::random::Stream;

/// Pieces a ramp is cut into where two profiles change at once (their product is not linear).
const PIECES: u64 = 64;
/// Steps looked at, over all segments, before the expected count is given up.
const MAX_EFFORT: u64 = 20_000_000;

/// A factor that changes over time.
#[derive(Clone, Debug)]
enum Factor {
    /// Steps: (start, end of ramp, factor reached), by start.
    Steps(Vec<(u64, u64, f64)>),
    /// Steps within a period.
    Cycle { period: u64, steps: Vec<(u64, u64, f64)> },
    /// Those of a file.
    Curve(Arc<Curve>),
    /// 1 in these spans, in order, 0 outside.
    Windows(Vec<(u64, u64)>),
    /// States visited in turn, each for an exponential time.
    Chain { states: Vec<(f64, f64)>, stream: Stream, visits: u64, from: u64, until: u64 },
}

/// By what a client's rate is multiplied: from when on, over which time it grows to that, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Surge {
    /// It begins, ns.
    pub start: u64,
    /// How long until it has its full size, ns.
    pub over: u64,
    /// It ends, ns.
    pub end: u64,
    /// The full size.
    pub factor: f64,
}

/// A rate over time, per ns, and where the last point stood.
#[derive(Clone, Debug)]
pub struct Profile {
    base: f64,
    gap: f64,
    factors: Vec<Factor>,
    start: u64,
    end: u64,
    rate: (f64, f64),
    offset: f64,
}

impl Profile {
    /// The profile of `load`, curves apart (and of an `mmpp` chain) on a base rate per second.
    pub fn new(
        rate: f64,
        load: Option<&LoadSpec>,
        chain: Option<(Vec<(f64, f64)>, Stream)>,
    ) -> Self {
        let mut base = rate / 1e9;
        let mut factors = Vec::new();
        match load {
            None | Some(LoadSpec::Curve(_)) => {}
            Some(LoadSpec::Factor(f)) => base *= f.0,
            Some(LoadSpec::Steps(steps)) => factors = by_period(steps),
        }
        if let Some((states, stream)) = chain {
            factors.push(Factor::Chain { states, stream, visits: 0, from: 0, until: 0 });
        }
        let mut profile = Self {
            base,
            gap: 1.0 / base,
            factors,
            start: 0,
            end: 0,
            rate: (0.0, 0.0),
            offset: 0.0,
        };
        profile.next_segment();
        profile
    }

    /// The same, multiplied by `factor` between two instants.
    #[must_use]
    pub fn with_surge(mut self, Surge { start, over, end, factor }: Surge) -> Self {
        let full = start.saturating_add(over);
        self.factors.push(Factor::Steps(vec![(start, full, factor), (end, end, 1.0)]));
        self.next_segment();
        self
    }

    /// The same, multiplied by what a file says.
    #[must_use]
    pub fn along(mut self, curve: Arc<Curve>) -> Self {
        self.factors.push(Factor::Curve(curve));
        self.next_segment();
        self
    }

    /// The same, but nothing outside these spans.
    #[must_use]
    pub fn within(mut self, spans: Vec<(u64, u64)>) -> Self {
        self.factors.push(Factor::Windows(spans));
        self.next_segment();
        self
    }

    /// Whether the rate never changes; then it is this many per ns.
    #[inline(always)]
    pub fn constant(&self) -> Option<f64> {
        self.factors.is_empty().then_some(self.base)
    }

    /// The mean gap at factor 1, ns.
    #[inline(always)]
    pub fn gap(&self) -> f64 {
        self.gap
    }

    /// The instant (ns) at which the cumulative rate has grown by `amount` since the last point;
    /// `None` when it never does before `horizon`.
    pub fn advance(&mut self, mut amount: f64, horizon: u64) -> Option<u64> {
        loop {
            let length = (self.end - self.start) as f64;
            let slope = (self.rate.1 - self.rate.0) / length;
            let here = self.rate.0 + slope * self.offset;
            let left = f64::midpoint(here, self.rate.1) * (length - self.offset);
            if amount < left {
                let root = (here * here + 2.0 * slope * amount).max(0.0).sqrt();
                self.offset += 2.0 * amount / (here + root);
                return Some(self.start + self.offset.round_ties_even() as u64);
            }
            amount -= left;
            if self.end >= horizon {
                return None;
            }
            self.start = self.end;
            self.offset = 0.0;
            self.next_segment();
        }
    }

    /// The integral of the rate from 0 to `until` ns (random chains excepted): the expected count;
    /// `None` if the rate changes so often that nobody should follow it.
    pub fn expected(&self, until: u64) -> Option<f64> {
        let factors: Vec<Factor> =
            self.factors.iter().filter(|f| !matches!(f, Factor::Chain { .. })).cloned().collect();
        let mut p = Self { factors, start: 0, end: 0, offset: 0.0, ..self.clone() };
        let steps: u64 = p.factors.iter().map(|f| f.steps() as u64 + 1).sum();
        let rounds = p.factors.iter().map(|f| f.rounds(until)).fold(0, u64::saturating_add);
        if rounds.saturating_mul(steps) > MAX_EFFORT {
            return None;
        }
        let (mut total, mut effort) = (0.0, 0);
        while p.start < until {
            effort += steps;
            if effort > MAX_EFFORT {
                return None;
            }
            p.next_segment();
            let length = (p.end.min(until) - p.start) as f64;
            let whole = (p.end - p.start) as f64;
            let last = p.rate.0 + (p.rate.1 - p.rate.0) * (length / whole);
            total += f64::midpoint(p.rate.0, last) * length;
            p.start = p.end;
        }
        Some(total)
    }

    fn next_segment(&mut self) {
        let t = self.start;
        let mut end = u64::MAX;
        let mut sloped = 0;
        for factor in &mut self.factors {
            factor.reach(t);
            end = end.min(factor.next_break(t));
            sloped += u32::from(factor.is_ramp(t));
        }
        // A profile without a further break still needs segments of a finite length.
        end = end.min(t.saturating_add(1 << 53));
        if sloped > 1 {
            end = end.min(t + ((end - t) / PIECES).max(1));
        }
        let at = |t: u64, before: bool| {
            self.factors.iter().fold(self.base, |r, f| r * f.value(t, before))
        };
        self.rate = (at(t, false), at(end, true));
        self.end = end;
    }
}

/// Groups steps into one-time ones and one cycle per period.
fn by_period(steps: &[LoadStep]) -> Vec<Factor> {
    let mut periods: Vec<Option<u64>> = steps.iter().map(|s| s.every.map(|d| d.0)).collect();
    periods.sort_unstable();
    periods.dedup();
    periods
        .into_iter()
        .map(|period| {
            let mut group: Vec<(u64, u64, f64)> = steps
                .iter()
                .filter(|s| s.every.map(|d| d.0) == period)
                .map(|s| (s.at.0, s.at.0 + s.over.map_or(0, |d| d.0), s.factor.0))
                .collect();
            group.sort_by_key(|s| s.0);
            match period {
                None => Factor::Steps(group),
                Some(period) => Factor::Cycle { period, steps: group },
            }
        })
        .collect()
}

impl Factor {
    /// Steps that are looked through for each segment.
    fn steps(&self) -> usize {
        match self {
            Self::Steps(steps) | Self::Cycle { steps, .. } => steps.len(),
            Self::Windows(_) | Self::Curve(_) | Self::Chain { .. } => 0,
        }
    }

    /// Periods that begin before `until`: each is at least one segment.
    fn rounds(&self, until: u64) -> u64 {
        match self {
            Self::Cycle { period, .. } => until / period,
            Self::Curve(curve) => curve.points_until(until),
            _ => 0,
        }
    }

    /// Draws random states up to the one at `t`.
    fn reach(&mut self, t: u64) {
        if let Self::Chain { states, stream, visits, from, until } = self {
            while *until <= t {
                let mean = states[(*visits % states.len() as u64) as usize].1;
                let u = stream.draw(*visits).unit();
                let stay = (-libm::log(1.0 - u) * mean).round_ties_even().max(1.0);
                *from = *until;
                *until = until.saturating_add(stay as u64);
                *visits += 1;
            }
        }
    }

    /// The value at `t`, or just before it.
    fn value(&self, t: u64, before: bool) -> f64 {
        match self {
            Self::Steps(steps) => along(steps, 1.0, t, before),
            Self::Curve(curve) => curve.value(t, before),
            Self::Windows(spans) => {
                let t = if before { t.saturating_sub(1) } else { t };
                let begun = spans.partition_point(|s| s.0 <= t);
                f64::from(u8::from(spans[..begun].last().is_some_and(|s| t < s.1)))
            }
            Self::Cycle { period, steps } => {
                let mut within = t % period;
                if within == 0 && before && t > 0 {
                    within = *period;
                }
                // One step alone ends with its period; several hand the last value on.
                let first = if steps.len() == 1 || t < *period && within == t {
                    1.0
                } else {
                    steps[steps.len() - 1].2
                };
                along(steps, first, within, before)
            }
            Self::Chain { states, visits, .. } => {
                states[((visits + states.len() as u64 - 1) % states.len() as u64) as usize].0
            }
        }
    }

    /// The next instant after `t` at which the value or its slope changes.
    fn next_break(&self, t: u64) -> u64 {
        let after = |steps: &[(u64, u64, f64)], t: u64| {
            steps.iter().flat_map(|s| [s.0, s.1]).filter(|&b| b > t).min()
        };
        match self {
            Self::Steps(steps) => after(steps, t).unwrap_or(u64::MAX),
            Self::Curve(curve) => curve.next_break(t),
            Self::Windows(spans) => {
                let next = spans.get(spans.partition_point(|s| s.1 <= t));
                next.map_or(u64::MAX, |s| if t < s.0 { s.0 } else { s.1 })
            }
            Self::Cycle { period, steps } => {
                let base = t - t % period;
                base + after(steps, t % period).unwrap_or(*period).min(*period)
            }
            Self::Chain { until, .. } => *until,
        }
    }

    fn is_ramp(&self, t: u64) -> bool {
        let inside = |steps: &[(u64, u64, f64)], t: u64| steps.iter().any(|s| s.0 <= t && t < s.1);
        match self {
            Self::Steps(steps) => inside(steps, t),
            Self::Cycle { period, steps } => inside(steps, t % period),
            Self::Curve(curve) => curve.is_ramp(t),
            Self::Windows(_) | Self::Chain { .. } => false,
        }
    }
}

/// The value of a list of steps that starts from `first`.
fn along(steps: &[(u64, u64, f64)], first: f64, t: u64, before: bool) -> f64 {
    let mut value = first;
    for &(start, end, to) in steps {
        if t < start || before && t == start {
            break;
        }
        if t >= end {
            value = to;
        } else {
            value += (to - value) * ((t - start) as f64 / (end - start) as f64);
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Number, SimDuration};

    const S: u64 = 1_000_000_000;

    fn step(every: Option<u64>, at: u64, factor: f64, over: u64) -> LoadStep {
        LoadStep {
            every: every.map(|s| SimDuration(s * S)),
            at: SimDuration(at * S),
            factor: Number(factor),
            over: Some(SimDuration(over * S)),
        }
    }

    /// Unit steps through the inverse cumulative rate: exactly as many points as the integral.
    fn points(steps: Vec<LoadStep>, rate: f64, until: u64) -> (usize, f64) {
        let load = LoadSpec::Steps(steps);
        let mut p = Profile::new(rate, Some(&load), None);
        let expected = p.expected(until * S).expect("it changes rarely");
        let mut n = 0;
        let mut last = 0;
        while let Some(t) = p.advance(1.0, until * S).filter(|&t| t <= until * S) {
            assert!(t >= last);
            last = t;
            n += 1;
        }
        (n, expected)
    }

    #[test]
    fn a_step_with_a_ramp_has_the_exact_integral() {
        // 100/s for 10 s, up to 300/s over 10 s, 300/s for 10 s: 1000 + 2000 + 3000.
        let (n, expected) = points(vec![step(None, 10, 3.0, 10)], 100.0, 30);
        assert!((expected - 6000.0).abs() < 1e-6, "{expected}");
        assert!((n as f64 - 6000.0).abs() <= 1.0, "{n}");
    }

    #[test]
    fn zero_stops_arrivals_and_lets_them_start_again() {
        let (n, expected) = points(vec![step(None, 10, 0.0, 0), step(None, 20, 1.0, 0)], 100.0, 30);
        assert!((expected - 2000.0).abs() < 1e-6);
        assert!((n as f64 - 2000.0).abs() <= 1.0, "{n}");
    }

    #[test]
    fn a_cycle_repeats_and_hands_its_last_value_on() {
        // Period 10 s: at 2 s to 2 over 2 s, at 6 s to 1 over 2 s: mean 1 + (2 + 2*2/2)/10 = 1.4.
        let cycle = vec![step(Some(10), 2, 2.0, 2), step(Some(10), 6, 1.0, 2)];
        let (n, expected) = points(cycle, 50.0, 100);
        assert!((expected - 50.0 * 100.0 * 1.4).abs() < 1e-6, "{expected}");
        assert!((n as f64 - 7000.0).abs() <= 1.0, "{n}");
    }

    #[test]
    fn one_recurring_step_falls_back_with_its_period() {
        let (_, expected) = points(vec![step(Some(10), 5, 3.0, 0)], 10.0, 40);
        assert!((expected - 10.0 * 4.0 * (5.0 + 15.0)).abs() < 1e-6, "{expected}");
    }

    #[test]
    fn steps_and_cycles_multiply() {
        let both = vec![step(None, 0, 2.0, 0), step(Some(10), 5, 3.0, 0)];
        let (_, expected) = points(both, 10.0, 40);
        assert!((expected - 2.0 * 10.0 * 4.0 * (5.0 + 15.0)).abs() < 1e-6, "{expected}");
    }

    #[test]
    fn a_chain_has_the_rates_of_its_states() {
        let stream = Stream::new(3, "c", "chain");
        let mut p = Profile::new(1.0, None, Some((vec![(0.2, 100e9), (1.6, 50e9)], stream)));
        let horizon = 3_000_000 * S;
        let mut n = 0u64;
        while p.advance(1.0, horizon).is_some_and(|t| t <= horizon) {
            n += 1;
        }
        let rate = n as f64 / 3e6;
        assert!((rate - 2.0 / 3.0).abs() < 0.02, "{rate}");
    }
}
