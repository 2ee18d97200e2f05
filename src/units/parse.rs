//! The strict grammar of values, and their canonical text.

use std::{fmt, str::FromStr};

use super::{
    Bandwidth, Count, Fraction, Name, Number, Rate, SimDuration, Size, ValueError,
    text_value,
};
use crate::expr::clip;

/// Units of durations with their ns.
const DURATIONS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
];

/// Units of sizes with their bytes.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

/// Units of bandwidth with their bytes per second.
const BANDWIDTHS: [(&str, f64); 8] = [
    ("Gbps", 125e6),
    ("Mbps", 125e3),
    ("Kbps", 125.0),
    ("bps", 0.125),
    ("GB/s", 1e9),
    ("MB/s", 1e6),
    ("KB/s", 1e3),
    ("B/s", 1.0),
];

/// Suffixes of counts.
const COUNTS: [(&str, u64); 4] = [("G", 1_000_000_000), ("M", 1_000_000), ("k", 1000), ("", 1)];

/// Periods of rates with their seconds.
const PERIODS: [(&str, f64); 6] =
    [("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("min", 60.0), ("h", 3600.0), ("day", 86_400.0)];

fn error(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> ValueError {
    ValueError::new(code, message).help(help)
}

/// Splits a text into its leading number and its unit.
#[must_use]
pub fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// Refuses the forms that a YAML parser or a reader could take for another number.
fn decimal(text: &str) -> Result<(&str, &str), ValueError> {
    let forms = "a plain decimal such as 8 or 0.25";
    let lower = text.trim_start_matches(['-', '+', '.']).to_ascii_lowercase();
    if ["nan", "inf", "infinity"].contains(&lower.as_str()) {
        return Err(error("E-NONFINITE", format!("`{}` is not a finite number", clip(text)), forms));
    }
    if text.starts_with('-') && text[1..].starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(error("E-RANGE", format!("`{}` is negative", clip(text)), "values are never negative"));
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(error("E-NUM-FORM", format!("`{}` is not {forms}", clip(text)), form_help(text)));
    }
    if whole.len() > 1 && whole.starts_with('0') {
        let help = format!("write {}", whole.trim_start_matches('0'));
        return Err(error("E-NUM-FORM", format!("`{}` could be octal", clip(text)), help));
    }
    Ok((whole, fraction))
}

fn form_help(text: &str) -> String {
    let bytes = text.as_bytes();
    if let Some((a, b)) = text.split_once(':') {
        if let (Ok(a), Ok(b)) = (a.parse::<u64>(), b.parse::<u64>()) {
            return format!("write {}s, or with another unit", a.saturating_mul(60).saturating_add(b));
        }
    }
    if text.contains('_') {
        return format!("write {}", text.replace('_', ""));
    }
    if text.starts_with("0x") || text.starts_with("0o") || text.starts_with("0b") {
        return "write it in decimal".to_owned();
    }
    if bytes.iter().any(|b| matches!(b, b'e' | b'E')) && bytes.first().is_some_and(u8::is_ascii_digit) {
        return "write it without an exponent; counts may end in k, M or G".to_owned();
    }
    "digits, at most one point with digits on both sides".to_owned()
}

/// A plain non-negative decimal number.
///
/// # Errors
/// On any other form: exponents, hexadecimal, octal look-alikes, signs, `nan`, `inf`.
pub fn number(text: &str) -> Result<f64, ValueError> {
    decimal(text)?;
    let x: f64 = text.parse().map_err(|_| ValueError::new("E-NUM-FORM", "not a number"))?;
    if x.is_finite() && text.len() <= 40 { Ok(x) } else { Err(overflow(text)) }
}

fn overflow(text: &str) -> ValueError {
    ValueError::new("E-OVERFLOW", format!("`{}` is too large", clip(text)))
}

/// `number` x `scale`, exactly; `None` in the middle: below the resolution of 1.
fn exact(text: &str, scale: u64) -> Result<Option<u64>, ValueError> {
    let (whole, fraction) = decimal(text)?;
    let fraction = fraction.trim_end_matches('0');
    if whole.len() > 19 || fraction.len() > 18 {
        return Err(overflow(text));
    }
    let parse = |s: &str| s.parse::<u128>().unwrap_or(0);
    let denominator = 10u128.pow(fraction.len() as u32);
    let total = (parse(whole) * denominator + parse(fraction)) * u128::from(scale);
    if total % denominator != 0 {
        return Ok(None);
    }
    u64::try_from(total / denominator).map(Some).map_err(|_| overflow(text))
}

/// Finds the number and unit of a value among known units.
fn with_unit<'t, T: Copy>(
    text: &'t str,
    known: &[(&str, T)],
    what: &str,
    example: &str,
) -> Result<(&'t str, T), ValueError> {
    let (value, unit) = split_unit(text);
    let names: Vec<&str> = known.iter().rev().map(|k| k.0).collect();
    if value.is_empty() {
        decimal(text)?;
    }
    if let Some(found) = known.iter().find(|k| k.0 == unit) {
        decimal(value)?;
        return Ok((value, found.1));
    }
    if unit.is_empty() {
        let help = format!("write {example}; units are {}", names.join(" "));
        return Err(error("E-UNIT", format!("`{}` has no unit", clip(text)), help));
    }
    if unit.starts_with([':', '_']) || unit.starts_with(['x', 'o', 'e', 'E']) {
        decimal(text)?;
    }
    let near = known.iter().find(|k| k.0.eq_ignore_ascii_case(unit.trim()));
    let help = near.map_or_else(
        || format!("units are {}", names.join(" ")),
        |k| format!("did you mean `{value}{}`? units are {}", k.0, names.join(" ")),
    );
    Err(error("E-UNIT", format!("`{}` is no unit of {what}", clip(unit)), help))
}

impl FromStr for SimDuration {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.trim() == "0" {
            return Err(error("E-UNIT", "`0` has no unit", "write 0s"));
        }
        let (value, scale) = with_unit(text, &DURATIONS, "time", "5ms or 5s")?;
        let nanos = exact(value, scale)?.ok_or_else(|| {
            error("E-RESOLUTION", format!("`{}` is finer than 1 ns", clip(text)), "the clock ticks in ns")
        })?;
        Ok(Self(nanos))
    }
}

impl fmt::Display for SimDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_exact(self.0, &DURATIONS, "0s", f)
    }
}

/// The largest unit that leaves a whole number.
fn print_exact(x: u64, units: &[(&str, u64)], zero: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if x == 0 {
        return f.write_str(zero);
    }
    let (unit, scale) = units.iter().find(|u| x % u.1 == 0).expect("the last unit is 1");
    write!(f, "{}{unit}", x / scale)
}

impl FromStr for Size {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (value, scale) = with_unit(text, &SIZES, "size", "2KB or 2KiB")?;
        exact(value, scale)?.map(Self).ok_or_else(|| {
            error("E-RESOLUTION", format!("`{}` is no whole number of bytes", clip(text)), "use B")
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_exact(self.0, &SIZES, "0B", f)
    }
}

impl FromStr for Count {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (value, suffix) = split_unit(text);
        if value.is_empty() {
            decimal(text)?;
        }
        let Some((_, scale)) = COUNTS.iter().find(|c| c.0 == suffix) else {
            decimal(text)?;
            return Err(error("E-UNIT", format!("`{}` is no suffix of a count", clip(suffix)), "k, M or G"));
        };
        exact(value, *scale)?.map(Self).ok_or_else(|| {
            error("E-TYPE", format!("`{}` is not a whole number", clip(text)), "a count such as 8 or 10k")
        })
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_exact(self.0, &COUNTS, "0", f)
    }
}

impl FromStr for Number {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        number(text).map(Self)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Fraction {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let range = || {
            error("E-RANGE", format!("`{}` is not between 0 and 100 %", clip(text)), "such as 99.9% or 0.2")
        };
        let x = match text.strip_suffix('%') {
            Some(percent) => {
                // Shifting the point keeps 0.1% the same number as 0.001.
                let x = number(percent)?;
                format!("{percent}e-2").parse().unwrap_or(x / 100.0)
            }
            None => number(text)?,
        };
        if (0.0..=1.0).contains(&x) { Ok(Self(x)) } else { Err(range()) }
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = format!("{}", self.0 * 100.0);
        let same = percent.len() <= 12 && format!("{percent}e-2").parse() == Ok(self.0);
        if same { write!(f, "{percent}%") } else { write!(f, "{}", self.0) }
    }
}

impl FromStr for Rate {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let Some((value, period)) = text.split_once('/') else {
            let help = "write 100/s, 90/min or 5M/day";
            return Err(error("E-UNIT", format!("`{}` is not a rate", clip(text)), help));
        };
        let (_, suffix) = split_unit(value);
        let Some((_, scale)) = COUNTS.iter().find(|c| c.0 == suffix) else {
            decimal(value)?;
            return Err(error("E-UNIT", format!("`{}` is no suffix of a count", clip(suffix)), "k, M or G"));
        };
        let value = number(&value[..value.len() - suffix.len()])? * *scale as f64;
        let Some((_, seconds)) = PERIODS.iter().find(|p| p.0 == period) else {
            let help = "periods are s ms us min h day";
            return Err(error("E-UNIT", format!("`{}` is no period", clip(period)), help));
        };
        if value > 0.0 {
            Ok(Self(if *seconds < 1.0 { value * (1.0 / seconds).round() } else { value / seconds }))
        } else {
            Err(error("E-RANGE", "a rate must be above 0", "a `load` factor may be 0"))
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Per second when that is short, else per day, else with all digits.
        for (period, seconds) in [("s", 1.0), ("min", 60.0), ("h", 3600.0), ("day", 86_400.0)] {
            let text = format!("{}", self.0 * seconds);
            if text.len() <= 12 && text.parse::<f64>().is_ok_and(|x| (x / seconds).to_bits() == self.0.to_bits()) {
                return write!(f, "{text}/{period}");
            }
        }
        write!(f, "{}/s", self.0)
    }
}

impl FromStr for Bandwidth {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (value, scale) = with_unit(text, &BANDWIDTHS, "bandwidth", "1Gbps or 100MB/s")?;
        Ok(Self(number(value)? * scale))
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, scale) in BANDWIDTHS.iter().take(3) {
            let text = format!("{}", self.0 / scale);
            if text.len() <= 8 && text.parse::<f64>().is_ok_and(|x| (x * scale).to_bits() == self.0.to_bits()) {
                return write!(f, "{text}{unit}");
            }
        }
        write!(f, "{}B/s", self.0)
    }
}

impl FromStr for Name {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let help = "lower-case letters, digits, `_` and `-`, starting with a letter or digit";
        let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !first || !text.chars().all(ok) {
            return Err(error("E-NAME", format!("`{}` is not a name", clip(text)), help));
        }
        if text.len() > 64 {
            return Err(ValueError::new("E-NAME", "a name has at most 64 characters"));
        }
        let truth = ["no", "yes", "on", "off", "true", "false", "null", "none", "y", "n"];
        if truth.contains(&text) || text.parse::<f64>().is_ok() || text.starts_with("0x") {
            let message = format!("YAML may read `{}` as a number or truth value", clip(text));
            return Err(error("E-NAME", message, "choose another name"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(SimDuration, "Duration", "a duration with its unit: ns us ms s m h d", ["250us", "5ms", "10m"]);
text_value!(Size, "Size", "a size: B KB MB GB TB (powers of 1000), KiB MiB GiB TiB (of 1024)", ["2KB", "10GiB"]);
text_value!(Bandwidth, "Bandwidth", "a bandwidth: bps Kbps Mbps Gbps, B/s KB/s MB/s GB/s", ["1Gbps", "100MB/s"]);
text_value!(Rate, "Rate", "a rate per ms, s, min, h or day, above 0", ["1200/s", "5M/day"]);
text_value!(Count, "Count", "a whole number; k, M and G are thousands, millions, milliards", ["8", "10k"]);
text_value!(Fraction, "Fraction", "a fraction between 0 and 1, or a percentage", ["99.9%", "0.2"]);
text_value!(Number, "Number", "a number, not negative", ["1.6"]);
text_value!(Name, "Name", "a name: [a-z0-9][a-z0-9_-]*, at most 64 characters", ["api"]);

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: FromStr<Err = ValueError> + fmt::Debug>(text: &str) -> &'static str {
        text.parse::<T>().expect_err(text).code
    }

    #[test]
    fn durations_are_exact() {
        for (text, nanos, printed) in [
            ("250us", 250_000, "250us"),
            ("0.25ms", 250_000, "250us"),
            ("1.5s", 1_500_000_000, "1500ms"),
            ("90s", 90_000_000_000, "90s"),
            ("120s", 120_000_000_000, "2m"),
            ("0s", 0, "0s"),
            ("0.000000001s", 1, "1ns"),
            ("7d", 604_800_000_000_000, "7d"),
        ] {
            let d: SimDuration = text.parse().unwrap();
            assert_eq!((d.0, d.to_string().as_str()), (nanos, printed), "{text}");
        }
    }

    #[test]
    fn strange_forms_are_refused_with_their_code() {
        for (text, want) in [
            ("5", "E-UNIT"),
            ("5 ms", "E-UNIT"),
            ("5 m", "E-UNIT"),
            ("5sec", "E-UNIT"),
            ("0.1ns", "E-RESOLUTION"),
            ("1:30", "E-NUM-FORM"),
            ("-5ms", "E-RANGE"),
            ("nan", "E-NONFINITE"),
            (".inf", "E-NONFINITE"),
            ("010ms", "E-NUM-FORM"),
            ("1_000s", "E-NUM-FORM"),
            ("99999999999999d", "E-OVERFLOW"),
            ("", "E-NUM-FORM"),
        ] {
            assert_eq!(code::<SimDuration>(text), want, "{text}");
        }
        for (text, want) in [
            ("0x2A", "E-NUM-FORM"),
            ("1e3", "E-NUM-FORM"),
            ("010", "E-NUM-FORM"),
            ("1_000", "E-NUM-FORM"),
            ("1.5", "E-TYPE"),
            ("-1", "E-RANGE"),
            ("10K", "E-NUM-FORM"),
            ("99999999999999999999", "E-OVERFLOW"),
        ] {
            assert_eq!(code::<Count>(text), want, "{text}");
        }
        assert_eq!(code::<Size>("2kB"), "E-UNIT");
        assert!("2kB".parse::<Size>().unwrap_err().help.unwrap().contains("2KB"));
        assert!("1:30".parse::<SimDuration>().unwrap_err().help.unwrap().contains("90s"));
        assert_eq!(code::<Fraction>("150%"), "E-RANGE");
        assert_eq!(code::<Fraction>("50"), "E-RANGE");
        assert_eq!(code::<Rate>("0/s"), "E-RANGE");
        assert_eq!(code::<Rate>("5"), "E-UNIT");
        for name in ["no", "123", "1e3", "Api", "", "a b", "0x1f", "-a"] {
            assert_eq!(code::<Name>(name), "E-NAME", "{name}");
        }
    }

    #[test]
    fn values_print_as_they_parse() {
        assert_eq!("5M/day".parse::<Rate>().unwrap().to_string().parse::<Rate>().unwrap().0, 5e6 / 86_400.0);
        assert_eq!("10k".parse::<Count>().unwrap().to_string(), "10k");
        assert_eq!("99.9%".parse::<Fraction>().unwrap(), "0.999".parse::<Fraction>().unwrap());
        assert_eq!("99.9%".parse::<Fraction>().unwrap().to_string(), "99.9%");
        assert_eq!("1Gbps".parse::<Bandwidth>().unwrap().0, 125e6);
        assert_eq!("1Gbps".parse::<Bandwidth>().unwrap().to_string(), "1Gbps");
        assert_eq!("2KiB".parse::<Size>().unwrap().0, 2048);
    }
}
