//! Figures as people read them: the unit that suits their size, three significant digits.
//!
//! **Invariant.** What is shown is rounded, never cut, and no share below 1 is shown as 100 %.

/// What a figure measures, hence its unit and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Seconds.
    Duration,
    /// Per second.
    Rate,
    /// A fraction in 0..=1, shown in per cent.
    Share,
    /// A plain number.
    Number,
    /// US dollars.
    Money,
    /// 1 for true, 0 for false.
    Truth,
}

impl Quantity {
    const UNITS: [(Self, &'static str); 6] = [
        (Self::Duration, "s"),
        (Self::Rate, "/s"),
        (Self::Share, "fraction"),
        (Self::Number, "number"),
        (Self::Money, "$"),
        (Self::Truth, "truth"),
    ];

    /// Its unit in documents for machines.
    pub fn unit(self) -> &'static str {
        Self::UNITS.iter().find(|one| one.0 == self).map_or("number", |one| one.1)
    }

    /// The quantity with that unit; a number if there is none.
    pub fn of_unit(unit: &str) -> Self {
        Self::UNITS.iter().find(|one| one.1 == unit).map_or(Self::Number, |one| one.0)
    }
}

/// A unit to show values in: its name and how many of it make one of the base unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// As printed after the number, with its leading space; may be empty.
    pub suffix: &'static str,
    /// Multiplies the base value.
    pub per_base: f64,
}

const DAY: f64 = 86_400.0;
const DURATION_UNITS: [(f64, Unit); 7] = [
    (2.0 * DAY, Unit { suffix: " d", per_base: 1.0 / DAY }),
    (7200.0, Unit { suffix: " h", per_base: 1.0 / 3600.0 }),
    (120.0, Unit { suffix: " min", per_base: 1.0 / 60.0 }),
    (1.0, Unit { suffix: " s", per_base: 1.0 }),
    (1e-3, Unit { suffix: " ms", per_base: 1e3 }),
    (1e-6, Unit { suffix: " µs", per_base: 1e6 }),
    (0.0, Unit { suffix: " ns", per_base: 1e9 }),
];

/// The unit in which a value of about this size reads best.
pub fn unit_for(quantity: Quantity, size: f64) -> Unit {
    match quantity {
        Quantity::Duration if size == 0.0 => Unit { suffix: " s", per_base: 1.0 },
        Quantity::Duration => {
            // Rounded first, so that 0.9996 ms becomes 1 ms and not 1000 µs.
            let size = size.abs() * 1.0005;
            let found = DURATION_UNITS.iter().find(|(least, _)| size >= *least);
            found.map_or(DURATION_UNITS[6].1, |(_, unit)| *unit)
        }
        Quantity::Rate => Unit { suffix: " /s", per_base: 1.0 },
        Quantity::Share => Unit { suffix: " %", per_base: 100.0 },
        Quantity::Number | Quantity::Truth | Quantity::Money => Unit { suffix: "", per_base: 1.0 },
    }
}

/// A value with its unit and three significant digits (`12.3 ms`, `99.9932 %`, `1,190 /s`).
pub fn value(quantity: Quantity, value: f64) -> String {
    if !value.is_finite() {
        return "-".into();
    }
    if quantity == Quantity::Truth {
        return (value >= 0.5).to_string();
    }
    // A sum of nothing is -0.
    let value = value + 0.0;
    let unit = unit_for(quantity, value);
    let decimals = decimals(quantity, value, 0.0, unit);
    format!("{}{}{}", sign(quantity), grouped(value * unit.per_base, decimals), unit.suffix)
}

/// What stands before a figure.
pub(crate) const fn sign(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Money => "$",
        _ => "",
    }
}

/// A duration in seconds, such as `12.3 ms`.
pub fn duration(seconds: f64) -> String {
    value(Quantity::Duration, seconds)
}

/// A difference of two fractions in percentage points, to two significant digits.
pub fn points(difference: f64) -> String {
    let shown = difference * 100.0;
    grouped(shown, decimals_for(shown.abs(), 2).min(6))
}

/// A whole number with thousands separators.
pub fn count(n: u64) -> String {
    grouped(n as f64, 0)
}

/// Decimals for three significant digits; more where the rest to 100 % or the half-width needs it.
pub(crate) fn decimals(quantity: Quantity, value: f64, half_width: f64, unit: Unit) -> usize {
    let shown = (value * unit.per_base).abs();
    let mut decimals = decimals_for(shown, 3);
    if quantity == Quantity::Money {
        return money_decimals(shown, half_width);
    }
    if quantity == Quantity::Share && (0.9..1.0).contains(&value) {
        decimals = decimals.max(decimals_for(100.0 - shown, 2));
    }
    if half_width == 0.0 && (shown - shown.round()).abs() <= shown * 1e-12 {
        return 0;
    }
    decimals.max(decimals_for(half_width * unit.per_base, 1)).min(6)
}

/// Dollars from a hundred on, cents below, more where it is less than a dime or where the half-width needs it.
fn money_decimals(shown: f64, half_width: f64) -> usize {
    let least = match shown {
        s if s >= 99.995 => 0,
        s if s >= 0.1 || s == 0.0 => 2,
        _ => decimals_for(shown, 3).clamp(2, 6),
    };
    match decimals_for(half_width, 1).min(6) {
        // Nobody writes dimes.
        1 => least.max(2),
        needed => least.max(needed),
    }
}

/// Decimals with which `shown` has `digits` significant digits; 0 for 0.
pub(crate) fn decimals_for(shown: f64, digits: i32) -> usize {
    if shown <= 0.0 {
        return 0;
    }
    // What rounds up to the next power of ten has one digit more before the point.
    let rounds_up = 10.0 / (10.0 - 0.5 * libm::exp10(f64::from(1 - digits)));
    (digits - 1 - libm::floor(libm::log10(shown * rounds_up)) as i32).max(0) as usize
}

/// A number with thousands separators.
pub fn grouped(value: f64, decimals: usize) -> String {
    let mut plain = format!("{value:.decimals$}");
    // What rounds to nothing is nothing, not six zeros.
    if decimals > 0 && plain.bytes().all(|b| matches!(b, b'0' | b'.' | b'-')) {
        "0".clone_into(&mut plain);
    }
    let (whole, fraction) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out.push_str(fraction);
    out
}

/// A count with its noun: `1 replication`, `10 replications`.
pub fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// How often, as a number is shown: `once`, `10 times`.
pub fn times(shown: &str) -> String {
    if shown == "1" { "once".to_owned() } else { format!("{shown} times") }
}

/// An instant of the run: `3m02s`.
pub fn clock(at: f64) -> String {
    let whole = libm::floor(at);
    let part = at - whole;
    // Tenths are enough, but for runs of seconds.
    let digits = match at {
        _ if part == 0.0 => 0,
        at if at < 10.0 => 3,
        _ => 1,
    };
    let s = grouped(libm::fmod(whole, 60.0) + part, digits);
    let (minutes, hours) = (libm::floor(whole / 60.0), libm::floor(whole / 3600.0));
    let days = libm::floor(whole / 86_400.0);
    let pad = if s.find('.').unwrap_or(s.len()) < 2 { "0" } else { "" };
    if days > 0.0 {
        format!("{days}d{:02}h{:02}m", hours - 24.0 * days, minutes - 60.0 * hours)
    } else if hours > 0.0 {
        format!("{hours}h{:02}m{pad}{s}s", minutes - 60.0 * hours)
    } else if minutes > 0.0 {
        format!("{minutes}m{pad}{s}s")
    } else {
        format!("{s}s")
    }
}

/// A time that is worked out from a slope: `about 6 min`.
pub fn about(time: f64) -> String {
    let whole = if time < 120.0 { time.round() } else { 60.0 * (time / 60.0).round() };
    format!("about {}", duration(whole.max(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_as_people_do() {
        for (dollars, shown) in [
            (0.0, "$0"),
            (1775.4, "$1,775"),
            (99.5, "$99.50"),
            (12.0, "$12.00"),
            (0.51, "$0.51"),
            (0.0123, "$0.0123"),
        ] {
            assert_eq!(value(Quantity::Money, dollars), shown);
        }
    }

    #[test]
    fn instants_are_read_like_clocks() {
        for (at, shown) in [
            (0.0, "0s"),
            (2.5, "2.500s"),
            (42.0, "42s"),
            (60.0, "1m00s"),
            (249.333, "4m09.3s"),
            (3_725.0, "1h02m05s"),
            (190_980.0, "2d05h03m"),
        ] {
            assert_eq!(clock(at), shown);
        }
    }
}
