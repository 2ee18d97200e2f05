//! Reading values.

use std::str::FromStr;

use crate::problem::near;

use super::{
    Bandwidth, Count, Fraction, Name, Number, Rate, SimDuration, Size, Text, ValueError,
    decimal::{Decimal, clip, split},
};

/// A unit: its name, and its size as `factor * 10^power` base units.
pub(super) struct Unit(pub(super) &'static str, pub(super) u64, pub(super) i32);

/// Units of durations, in ns.
pub(super) const DURATIONS: &[Unit] = &[
    Unit("ns", 1, 0),
    Unit("us", 1, 3),
    Unit("ms", 1, 6),
    Unit("s", 1, 9),
    Unit("m", 6, 10),
    Unit("h", 36, 11),
    Unit("d", 864, 11),
];

/// Units of sizes, in bytes.
pub(super) const SIZES: &[Unit] = &[
    Unit("B", 1, 0),
    Unit("KB", 1, 3),
    Unit("MB", 1, 6),
    Unit("GB", 1, 9),
    Unit("TB", 1, 12),
    Unit("PB", 1, 15),
    Unit("KiB", 1 << 10, 0),
    Unit("MiB", 1 << 20, 0),
    Unit("GiB", 1 << 30, 0),
    Unit("TiB", 1 << 40, 0),
    Unit("PiB", 1 << 50, 0),
];

/// Units of bandwidths, in bytes per second.
pub(super) const BANDWIDTHS: &[Unit] = &[
    Unit("B/s", 1, 0),
    Unit("KB/s", 1, 3),
    Unit("MB/s", 1, 6),
    Unit("GB/s", 1, 9),
    Unit("TB/s", 1, 12),
    Unit("KiB/s", 1 << 10, 0),
    Unit("MiB/s", 1 << 20, 0),
    Unit("GiB/s", 1 << 30, 0),
    Unit("TiB/s", 1 << 40, 0),
    Unit("bps", 125, -3),
    Unit("kbps", 125, 0),
    Unit("Kbps", 125, 0),
    Unit("Mbps", 125, 3),
    Unit("Gbps", 125, 6),
    Unit("Tbps", 125, 9),
];

/// Multiples of plain numbers.
pub(super) const MULTIPLES: &[Unit] =
    &[Unit("", 1, 0), Unit("k", 1, 3), Unit("M", 1, 6), Unit("G", 1, 9), Unit("T", 1, 12)];

/// Periods of rates: name and seconds per period as a double.
pub(super) const PERIODS: &[(&str, f64)] =
    &[("s", 1.0), ("min", 60.0), ("h", 3600.0), ("day", 86400.0), ("ms", 1e-3), ("us", 1e-6)];

/// Longest duration: two of them still add up within the clock.
const LONGEST: u64 = u64::MAX / 2;

fn overflow(text: &str, limit: &str) -> ValueError {
    ValueError::new("E-OVERFLOW", format!("`{}` is too large", clip(text)))
        .help(format!("the largest value is {limit}"))
}

/// An error about a missing or unknown unit.
fn bad_unit(text: &str, number: Decimal, unit: &str, (units, what): (&[&str], &str)) -> ValueError {
    let known = format!("units are {}", units.join(", "));
    if unit.is_empty() {
        let often: Vec<String> = what.split('|').map(|u| format!("`{number}{u}`")).collect();
        return ValueError::new("E-UNIT", format!("`{}` has no unit", clip(text)))
            .help(format!("did you mean {}? {known}", often.join(" or ")));
    }
    let error = ValueError::new("E-UNIT", format!("`{}` is not a unit here", clip(unit)));
    let alias = match unit {
        "µs" | "μs" | "usec" => Some("us"),
        "sec" | "secs" | "second" | "seconds" | "S" => Some("s"),
        "msec" | "millis" => Some("ms"),
        "min" | "mins" | "minute" | "minutes" => Some("m"),
        "/sec" | "rps" | "qps" | "tps" | "req/s" | "hz" | "Hz" => Some("/s"),
        "/m" | "rpm" => Some("/min"),
        "/d" => Some("/day"),
        "hour" | "hours" | "hr" => Some("h"),
        "day" | "days" => Some("d"),
        _ => None,
    };
    let same = alias
        .into_iter()
        .chain(units.iter().copied().filter(|u| u.eq_ignore_ascii_case(unit)))
        .chain(units.iter().copied().filter(|u| u.len() > 1 && u.starts_with(unit)))
        .chain(near(unit, units.iter().copied()))
        .find(|u| units.contains(u));
    match same {
        Some(unit) => error.help(format!("did you mean `{number}{unit}`? {known}")),
        None => error.help(known),
    }
}

/// Refuses a blank before the unit, with the right unit if that is another one: `1 minute` is `1m`.
fn without_blank<T>(
    text: &str,
    read: impl Fn(&str) -> Result<T, ValueError>,
) -> Result<(), ValueError> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let bare = unit.trim_start();
    if number.is_empty() || bare.len() == unit.len() {
        return Ok(());
    }
    let compact = format!("{number}{bare}");
    let error = ValueError::new("E-UNIT", format!("`{}` has a blank before its unit", clip(text)));
    let help = match read(&compact) {
        Ok(_) => Some(format!("write `{}`", clip(&compact))),
        // What it is a number of is said by the key: `16 connections` is `16`.
        Err(_) if read(number).is_ok() => Some(format!("write `{}`", clip(number))),
        Err(other) => other.help,
    };
    Err(ValueError { help, ..error })
}

/// Reads a number with one of `units` and gives the decimal in base units.
fn measure<T: Text>(text: &str, units: &[Unit], often: &str) -> Result<Decimal, ValueError> {
    without_blank(text, |text| measure::<T>(text, units, often))?;
    let (number, unit) = split(text, T::EXPECTED)?;
    let Some(found) = units.iter().find(|u| u.0 == unit) else {
        let names: Vec<&str> = units.iter().map(|u| u.0).collect();
        return Err(bad_unit(text, number, unit, (&names, often)));
    };
    let decimal = number.times(found.1).ok_or_else(|| overflow(text, "below 10^38"))?;
    Ok(decimal.shift(found.2))
}

impl FromStr for SimDuration {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match measure::<Self>(text, DURATIONS, "s|ms")?.to_u64() {
            Ok(ns) if ns <= LONGEST => Ok(Self(ns)),
            Ok(_) | Err(true) => Err(overflow(text, "292 years (`106751d`)")),
            Err(false) => Err(ValueError::new(
                "E-RESOLUTION",
                format!("`{}` is not a whole number of nanoseconds", clip(text)),
            )
            .help("the clock's resolution is 1ns")),
        }
    }
}

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match measure::<Self>(text, SIZES, "B|KB")?.to_u64() {
            Ok(bytes) if i64::try_from(bytes).is_ok() => Ok(Self(bytes)),
            Ok(_) | Err(true) => Err(overflow(text, "below 2^63 bytes")),
            Err(false) => Err(ValueError::new(
                "E-RESOLUTION",
                format!("`{}` is not a whole number of bytes", clip(text)),
            )),
        }
    }
}

impl FromStr for Bandwidth {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let x = measure::<Self>(text, BANDWIDTHS, "Mbps|MB/s")?.to_f64();
        above_zero(text, "a bandwidth", x).map(Self)
    }
}

fn above_zero(text: &str, what: &str, x: f64) -> Result<f64, ValueError> {
    if !x.is_finite() {
        return Err(overflow(text, "below 10^308"));
    }
    if x <= 0.0 {
        return Err(ValueError::new("E-RANGE", format!("{what} is above 0, not `{}`", clip(text))));
    }
    Ok(x)
}

impl FromStr for Rate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        above_zero(text, "a rate", rate_or_zero(text)?.0).map(Self)
    }
}

/// A rate that may be 0 (a silent state of `mmpp`).
pub(crate) fn rate_or_zero(text: &str) -> Result<Rate, ValueError> {
    without_blank(text, rate_or_zero)?;
    let (number, unit) = split(text, Rate::EXPECTED)?;
    let (multiple, period) = unit.split_once('/').unwrap_or((unit, ""));
    let multiple = MULTIPLES.iter().find(|u| u.0 == multiple);
    let period = PERIODS.iter().find(|p| p.0 == period);
    let (Some(multiple), Some(&(_, seconds))) = (multiple, period) else {
        let units = ["/s", "/min", "/h", "/day", "/ms", "/us"];
        return Err(bad_unit(text, number, unit, (&units, "/s")));
    };
    let x = number.shift(multiple.2).to_f64() / seconds;
    if x.is_finite() { Ok(Rate(x)) } else { Err(overflow(text, "below 10^308 per second")) }
}

impl FromStr for Count {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let whole = || {
            ValueError::new("E-TYPE", format!("`{}` is not a whole number", clip(text)))
                .help(format!("expected {}", Self::EXPECTED))
        };
        match multiple::<Self>(text)?.to_u64() {
            Ok(n) if i64::try_from(n).is_ok() => Ok(Self(n)),
            Ok(_) | Err(true) => Err(overflow(text, "below 2^63")),
            Err(false) => Err(whole()),
        }
    }
}

/// A decimal with `k`, `M`, `G` or `T` behind it.
fn multiple<T: Text>(text: &str) -> Result<Decimal, ValueError> {
    without_blank(text, |text| multiple::<T>(text))?;
    let (number, unit) = split(text, T::EXPECTED)?;
    if let Some(found) = MULTIPLES.iter().find(|u| u.0 == unit) {
        return Ok(number.shift(found.2));
    }
    let error = ValueError::new("E-UNIT", format!("`{}` is not a multiple here", clip(unit)));
    Err(match unit {
        "K" => error.help(format!("did you mean `{number}k`? multiples are k, M, G, T")),
        "m" => error.help(format!(
            "did you mean `{}`, so many thousandths, or `{number}M`? multiples are k, M, G, T",
            number.shift(-3)
        )),
        _ => error.help(format!("expected {}; multiples are k, M, G, T", T::EXPECTED)),
    })
}

/// A plain number with an optional multiple: `1.6`, `10k`.
pub fn plain(text: &str) -> Result<f64, ValueError> {
    finite(text, multiple::<Number>(text)?)
}

/// A plain decimal number, nothing behind it: `1.6`.
pub fn number(text: &str) -> Result<f64, ValueError> {
    let (number, unit) = split(text, Number::EXPECTED)?;
    if unit.is_empty() {
        return finite(text, number);
    }
    let message = format!("`{}` has a unit where a plain number is expected", clip(text));
    Err(ValueError::new("E-UNIT", message).help(format!("expected {}", Number::EXPECTED)))
}

/// A whole number below 2^64 in plain digits.
pub(crate) fn whole(text: &str, what: &str) -> Result<u64, ValueError> {
    let (number, unit) = split(text, what)?;
    match number.to_u64() {
        Ok(n) if unit.is_empty() => Ok(n),
        Err(true) if unit.is_empty() => Err(overflow(text, "below 2^64")),
        _ => Err(ValueError::new("E-TYPE", format!("expected {what}, found `{}`", clip(text)))),
    }
}

fn finite(text: &str, decimal: Decimal) -> Result<f64, ValueError> {
    let x = decimal.to_f64();
    if x.is_finite() { Ok(x) } else { Err(overflow(text, "below 10^308")) }
}

impl FromStr for Number {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        // What is wrong with something that is not even a multiple, the second one says better.
        plain(text).or_else(|_| number(text)).map(Self)
    }
}

impl FromStr for Fraction {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (number, unit) = split(text, Self::EXPECTED)?;
        let x = match unit {
            "" => number,
            "%" => number.shift(-2),
            "ppm" => number.shift(-6),
            _ => {
                let message = format!("`{}` is not a unit of fractions", clip(unit));
                return Err(ValueError::new("E-UNIT", message)
                    .help(format!("expected {}; units are %, ppm", Self::EXPECTED)));
            }
        };
        let x = x.to_f64();
        if x <= 1.0 {
            return Ok(Self(x));
        }
        let error = ValueError::new("E-RANGE", format!("`{}` is more than 100%", clip(text)));
        Err(if unit.is_empty() && x <= 100.0 {
            error.help(format!("did you mean `{number}%`? a fraction is 0..1 or 0%..100%"))
        } else {
            error.help("a fraction is 0..1 or 0%..100%")
        })
    }
}

impl FromStr for Name {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = |why: &str| ValueError::new("E-NAME", format!("`{}` {why}", clip(text)));
        if text.is_empty() {
            return Err(ValueError::new("E-NAME", "a name is empty"));
        }
        if text.len() > 64 {
            return Err(error("is longer than 64 characters"));
        }
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let first = text.as_bytes()[0];
        if !text.bytes().all(inner) || first == b'_' || first == b'-' {
            let error = error("is not a name");
            let rule = "small letters, digits, `_` and `-`, a letter or digit first";
            let close: String = text
                .to_lowercase()
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
                .collect();
            let close = close.trim_matches(['-', '_']);
            return Err(if close.is_empty() || yaml_reads_otherwise(close) {
                error.help(rule)
            } else {
                error.help(format!("did you mean `{close}`? A name has {rule}"))
            });
        }
        if text == "none" {
            return Err(error("is not a name: it switches a key off")
                .help("another word, such as `nothing`"));
        }
        if yaml_reads_otherwise(text) {
            return Err(error("is not a name: YAML would read it as a number or truth value")
                .help(format!("another word, such as `node-{text}`")));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether a YAML parser (1.1 or 1.2) would read a name as a number, truth value, date or null.
fn yaml_reads_otherwise(name: &str) -> bool {
    if matches!(name, "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "none") {
        return true;
    }
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let radix = |p: &str, ok: fn(u8) -> bool| {
        name.strip_prefix(p).is_some_and(|r| !r.is_empty() && r.bytes().all(|b| ok(b) || b == b'_'))
    };
    let exponent = name
        .split_once('e')
        .is_some_and(|(m, e)| digits(m) && digits(e.strip_prefix('-').unwrap_or(e)));
    let dashed: Vec<&str> = name.split('-').collect();
    let date = dashed.len() == 3 && dashed[0].len() == 4 && dashed.iter().all(|p| digits(p));
    name.starts_with(|c: char| c.is_ascii_digit())
        && (digits(name)
            || exponent
            || date
            || radix("0x", |b| b.is_ascii_hexdigit())
            || radix("0o", |b| (b'0'..b'8').contains(&b))
            || radix("0b", |b| b == b'0' || b == b'1'))
}

/// A coefficient of a formula: like a duration or size, but not bound to whole base units.
pub(crate) fn coefficient<T: Text>(text: &str) -> Result<f64, ValueError> {
    let (units, often) =
        if T::EXPECTED == Size::EXPECTED { (SIZES, "B") } else { (DURATIONS, "ms") };
    finite(text, measure::<T>(text, units, often)?)
}
