//! Axes: a range and human ticks, each with its unit.
//!
//! **Invariant.** A range is never empty and every tick lies in it.

use crate::report::text::{Quantity, Unit, grouped, unit_for};

/// Tick steps of a clock, in seconds.
const CLOCK_STEPS: [f64; 20] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 604_800.0,
];

/// Name of the axis of time.
pub(super) const SIMULATED_TIME: &str = "simulated time";

/// Changes smaller than this, a thousandth, are next to none.
const LEAST_CHANGE: f64 = 1e-3;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    Linear,
    Logarithmic,
    Changes,
}

/// One axis of a panel.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
    /// What its values measure.
    quantity: Quantity,
    /// Values to mark, with their labels; an empty label is a grid line alone.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Simulated time from 0 to `end` seconds.
    pub(super) fn clock(end: f64) -> Self {
        let end = if end > 0.0 { end } else { 1.0 };
        let wanted = end / 7.0;
        let step = if wanted < 0.5 {
            nice(wanted)
        } else {
            let found = CLOCK_STEPS.into_iter().find(|step| *step >= wanted);
            found.unwrap_or_else(|| 86_400.0 * nice(wanted / 86_400.0))
        };
        let unit = clock_unit(end, step);
        Self::linear(0.0, end, step, |v| number(v, step, unit)).of(Quantity::Duration)
    }

    /// From 0 to at least `most`, in the unit that suits `most`.
    pub(super) fn from_zero(quantity: Quantity, most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let unit = unit_for(quantity, most);
        let step = nice(most * unit.per_base / 5.0) / unit.per_base;
        let high = step * (most / step - 1e-9).ceil();
        Self::linear(0.0, high, step, |v| number(v, step, unit)).of(quantity)
    }

    /// The same ticks with room above them: it ends at `factor` times as much.
    pub(super) fn stretched(self, factor: f64) -> Self {
        Self { high: self.high * factor, ..self }
    }

    /// Fractions from at most `least` up to 1, in per cent.
    pub(super) fn up_to_one(least: f64) -> Self {
        let below = if least < 1.0 { 1.0 - least } else { 0.01 };
        let step = nice(below / 3.0).min(0.25);
        let low = (1.0 - step * (below / step - 1e-9).ceil()).max(0.0);
        let unit = unit_for(Quantity::Share, 1.0);
        Self::linear(low, 1.0, step, |v| number(v, step, unit)).of(Quantity::Share)
    }

    /// Positive durations on a logarithmic scale that holds both ends.
    pub(super) fn log_durations(least: f64, most: f64) -> Self {
        let (low, high) = (round_part(least, false), round_part(most, true));
        let high = if high > low { high } else { low * 10.0 };
        let few = high / low <= 2000.0;
        let mut ticks = Vec::new();
        for power in exponent(low)..=exponent(high) {
            for digit in [1.0, 2.0, 5.0] {
                let v = digit * libm::exp10(f64::from(power));
                if v >= low * 0.999 && v <= high * 1.001 {
                    let label = if few || digit < 2.0 { tick_duration(v) } else { String::new() };
                    ticks.push((v, label));
                }
            }
        }
        let quantity = Quantity::Duration;
        Self { low, high, scale: Scale::Logarithmic, quantity, ticks }
    }

    /// Share of requests slower, from 1 down to at most `least`, with the percentile it makes.
    pub(super) fn log_tail(least: f64) -> Self {
        let decades = -libm::floor(libm::log10(least.clamp(1e-9, 0.1)) + 1e-9);
        let mut ticks = vec![(1.0, "100 %".to_owned()), (0.5, "50 % (p50)".to_owned())];
        for decade in 1..=decades as i32 {
            let share = libm::exp10(f64::from(-decade));
            let digits = (decade - 2).max(0) as usize;
            let percentile = 100.0 * (1.0 - share);
            let name = format!("p{percentile:.digits$}");
            let shown = 100.0 * share;
            let label = if decade <= 4 { format!("{shown:.digits$} % ({name})") } else { name };
            ticks.push((share, label));
        }
        let (low, quantity) = (libm::exp10(-decades), Quantity::Share);
        Self { low, high: 1.0, scale: Scale::Logarithmic, quantity, ticks }
    }

    /// Changes from `-most` to `most` as shares, small ones as visible as large ones: logarithmic on both sides of
    /// zero.
    pub(super) fn changes(most: f64) -> Self {
        let decades = libm::ceil(libm::log10((most / LEAST_CHANGE).max(10.0)) - 1e-9) as i32;
        let size = |decade: i32| LEAST_CHANGE * libm::exp10(f64::from(decade));
        let mut ticks = vec![(0.0, "0".to_owned())];
        for v in (0..=decades).map(size) {
            let shown = grouped(v * 100.0, usize::from(v < 0.01));
            ticks.extend([(-v, format!("-{shown} %")), (v, format!("+{shown} %"))]);
        }
        let high = size(decades);
        Self { low: -high, high, scale: Scale::Changes, quantity: Quantity::Share, ticks }
    }

    /// One place for each name, from the top down; the half steps between are free.
    pub(super) fn names(names: &[String]) -> Self {
        let n = names.len();
        let ticks = names.iter().enumerate().map(|(i, name)| ((n - i) as f64, name.clone()));
        let (high, quantity) = (n as f64 + 0.5, Quantity::Number);
        Self { low: 0.5, high, scale: Scale::Linear, quantity, ticks: ticks.collect() }
    }

    /// Values of an axis of a sweep, with what they are called; logarithmic where they grow by factors.
    pub(super) fn of_values(values: &[f64], names: &[String]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let grows = low > 0.0 && values.len() > 2 && high / low >= 8.0;
        let middle = values[values.len() / 2];
        // Nearer to the middle of factors than to that of steps.
        let by_factors = grows && (middle - low) / (high - low) < 0.35;
        let (low, high, scale) = match (high > low, by_factors) {
            (false, _) => (low - 0.5, low + 0.5, Scale::Linear),
            (true, true) => (low, high, Scale::Logarithmic),
            (true, false) => (low, high, Scale::Linear),
        };
        let axis = Self { low, high, scale, quantity: Quantity::Number, ticks: Vec::new() };
        let mut ticks: Vec<(f64, String)> = Vec::new();
        // As many as do not touch.
        let room = |name: &String| 0.01 * name.chars().count() as f64 + 0.02;
        for (value, name) in values.iter().zip(names) {
            let clear = ticks
                .iter()
                .all(|(other, _)| (axis.place(*value) - axis.place(*other)).abs() >= room(name));
            if clear {
                ticks.push((*value, name.clone()));
            }
        }
        Self { ticks, ..axis }
    }

    fn linear(low: f64, high: f64, step: f64, label: impl Fn(f64) -> String) -> Self {
        let first = (low / step - 1e-6).ceil() as i64;
        let last = (high / step + 1e-6).floor() as i64;
        let ticks = (first..=last).map(|i| (i as f64 * step, label(i as f64 * step))).collect();
        Self { low, high, scale: Scale::Linear, quantity: Quantity::Number, ticks }
    }

    fn of(self, quantity: Quantity) -> Self {
        Self { quantity, ..self }
    }

    /// What its values measure, and whether its scale is logarithmic.
    pub(super) fn measures(&self) -> (Quantity, bool) {
        (self.quantity, self.scale == Scale::Logarithmic)
    }

    /// Its ends.
    pub(super) fn range(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Place of a value: 0 at the low end, 1 at the high end; values outside are put on the edge.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Logarithmic => {
                libm::log(value.max(self.low) / self.low) / libm::log(self.high / self.low)
            }
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Changes => {
                let size = |v: f64| libm::log1p(v / LEAST_CHANGE);
                0.5 + 0.5 * size(value.abs()).copysign(value) / size(self.high)
            }
        };
        place.clamp(0.0, 1.0)
    }
}

/// Unit of a clock's ticks: the largest in which the step is whole.
fn clock_unit(end: f64, step: f64) -> Unit {
    let units = [(86_400.0, " d"), (3600.0, " h"), (60.0, " min")];
    let whole = |seconds: f64| end > seconds && (step / seconds).fract().abs() < 1e-9;
    let found = units.into_iter().find(|(seconds, _)| whole(*seconds));
    found.map_or_else(
        || unit_for(Quantity::Duration, end.min(60.0)),
        |(seconds, suffix)| Unit { suffix, per_base: 1.0 / seconds },
    )
}

/// 1, 2 or 5 times a power of ten, not below `wanted`.
fn nice(wanted: f64) -> f64 {
    let power = libm::exp10(libm::floor(libm::log10(wanted)));
    let digit = wanted / power;
    let nice = [1.0, 2.0, 5.0].into_iter().find(|n| digit <= n + 1e-9).unwrap_or(10.0);
    nice * power
}

fn exponent(v: f64) -> i32 {
    libm::floor(libm::log10(v) + 1e-9) as i32
}

/// The next of 1, 2, 5 times a power of ten, below (or above) a positive value.
fn round_part(v: f64, up: bool) -> f64 {
    let power = libm::exp10(f64::from(exponent(v)));
    let parts = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
    let found = if up {
        parts.into_iter().find(|part| *part >= v * 0.9999)
    } else {
        parts.into_iter().rev().find(|part| *part <= v * 1.0001)
    };
    found.unwrap_or(v)
}

/// `100 ms` and not `0.1 s`.
fn tick_duration(seconds: f64) -> String {
    let units = [(1.0, "s", 1.0), (1e-3, "ms", 1e3), (1e-6, "µs", 1e6), (1e-9, "ns", 1e9)];
    let found = units.into_iter().find(|(least, _, _)| seconds >= least * 0.999);
    let (_, suffix, per_base) = found.unwrap_or(units[3]);
    format!("{} {suffix}", grouped(seconds * per_base, 0))
}

/// A tick's label with as many decimals as its step needs; zero goes without unit.
fn number(v: f64, step: f64, unit: Unit) -> String {
    let (shown, step) = (v * unit.per_base, step * unit.per_base);
    if shown.abs() < step * 1e-6 {
        return "0".into();
    }
    let decimals = (-libm::floor(libm::log10(step) + 1e-9)).max(0.0) as usize;
    format!("{}{}", grouped(shown, decimals), unit.suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).filter(|l| !l.is_empty()).collect()
    }

    #[test]
    fn clocks_tick_in_clock_units() {
        let ten_minutes = Axis::clock(600.0);
        assert_eq!(labels(&ten_minutes), ["0", "2 min", "4 min", "6 min", "8 min", "10 min"]);
        assert_eq!(labels(&Axis::clock(30.0))[..3], ["0", "5 s", "10 s"]);
        assert_eq!(labels(&Axis::clock(86_400.0))[..3], ["0", "6 h", "12 h"]);
        assert_eq!(labels(&Axis::clock(7.0 * 86_400.0))[..3], ["0", "1 d", "2 d"]);
        assert_eq!(labels(&Axis::clock(0.003))[..3], ["0", "0.5 ms", "1.0 ms"]);
    }

    #[test]
    fn values_tick_in_their_unit() {
        let latency = Axis::from_zero(Quantity::Duration, 0.43);
        assert_eq!(labels(&latency), ["0", "100 ms", "200 ms", "300 ms", "400 ms", "500 ms"]);
        let rate = Axis::from_zero(Quantity::Rate, 1800.0);
        assert_eq!(labels(&rate), ["0", "500 /s", "1,000 /s", "1,500 /s", "2,000 /s"]);
        let availability = Axis::up_to_one(0.9951);
        assert_eq!(labels(&availability), ["99.4 %", "99.6 %", "99.8 %", "100.0 %"]);
        assert_eq!(labels(&Axis::up_to_one(0.0)).first(), Some(&"0"));
    }

    #[test]
    fn logarithms_tick_in_decades() {
        let axis = Axis::log_durations(0.0013, 0.43);
        assert_eq!(labels(&axis).first(), Some(&"1 ms"));
        assert_eq!(labels(&axis).last(), Some(&"500 ms"));
        assert_eq!(
            labels(&Axis::log_tail(0.0005)),
            ["100 %", "50 % (p50)", "10 % (p90)", "1 % (p99)", "0.1 % (p99.9)", "0.01 % (p99.99)"]
        );
        assert_eq!(labels(&Axis::log_tail(0.00001)).last(), Some(&"p99.999"));
        let point = Axis::log_durations(0.01, 0.01);
        assert!(point.place(0.01) < 1e-9 && point.high > point.low);
    }

    #[test]
    fn small_changes_are_seen_beside_large_ones() {
        let axis = Axis::changes(0.37);
        let wanted =
            ["0", "-0.1 %", "+0.1 %", "-1 %", "+1 %", "-10 %", "+10 %", "-100 %", "+100 %"];
        assert_eq!(labels(&axis), wanted);
        assert!((axis.place(0.0) - 0.5).abs() < 1e-12);
        assert!(axis.place(0.002) > 0.55 && axis.place(-0.002) < 0.45 && axis.place(0.5) < 1.0);
    }

    #[test]
    fn ticks_lie_in_their_range() {
        for axis in [
            Axis::clock(0.0),
            Axis::clock(1e9),
            Axis::from_zero(Quantity::Duration, 0.0),
            Axis::from_zero(Quantity::Share, 0.37),
            Axis::from_zero(Quantity::Number, 1e12),
            Axis::up_to_one(1.0),
            Axis::up_to_one(0.999_999),
            Axis::log_durations(1e-9, 1e6),
            Axis::changes(0.0),
            Axis::changes(0.37),
            Axis::names(&["p99".into(), "availability".into()]),
        ] {
            assert!(axis.high > axis.low && axis.ticks.len() >= 2, "{axis:?}");
            let slack = (axis.high - axis.low) * 1e-6;
            let range = axis.low - slack..=axis.high + slack;
            assert!(axis.ticks.iter().all(|(v, _)| range.contains(v)), "{axis:?}");
        }
    }
}
