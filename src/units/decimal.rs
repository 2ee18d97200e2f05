//! Decimal numbers read exactly: digits and a power of ten, no binary rounding on the way.

use super::ValueError;

/// `digits * 10^exponent`, without trailing zeros in `digits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: u128,
    exponent: i32,
}

impl Decimal {
    /// Reads `12`, `0.5`; the caller has checked the form with [`split`].
    fn new(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut digits = 0u128;
        let mut exponent = 0i32;
        // Zeros are held back until a digit follows, so that trailing ones cost nothing.
        let mut zeros = 0u32;
        for (is_fraction, byte) in
            whole.bytes().map(|b| (false, b)).chain(fraction.bytes().map(|b| (true, b)))
        {
            exponent -= i32::from(is_fraction);
            if byte == b'0' {
                zeros += 1;
                continue;
            }
            let shift = if digits == 0 { 1 } else { 10u128.checked_pow(zeros + 1)? };
            zeros = 0;
            digits = digits.checked_mul(shift)?.checked_add(u128::from(byte - b'0'))?;
        }
        let zeros = if digits == 0 { 0 } else { zeros as i32 };
        Some(Self { digits, exponent: exponent + zeros })
    }

    /// The shortest decimal that reads back as this (finite, not negative) number.
    pub(super) fn of(x: f64) -> Self {
        let text = format!("{x:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mut decimal = Self::new(mantissa).unwrap_or(Self { digits: 0, exponent: 0 });
        decimal.exponent += exponent.parse::<i32>().unwrap_or(0);
        decimal
    }

    /// A whole number.
    pub(super) fn whole(x: u64) -> Self {
        Self { digits: u128::from(x), exponent: 0 }.normal()
    }

    /// The power of ten its digits count.
    pub(super) const fn exponent(self) -> i32 {
        self.exponent
    }

    /// How often it holds this power of ten, which is none of its parts; none if that is too often.
    pub(super) fn scaled(self, exponent: i32) -> Option<u128> {
        let places = u32::try_from(self.exponent - exponent).ok()?;
        10u128.checked_pow(places).and_then(|p| self.digits.checked_mul(p))
    }

    /// So many of a power of ten.
    pub(super) fn from_scaled(digits: u128, exponent: i32) -> Self {
        Self { digits, exponent }.normal()
    }

    /// Whether it is 0.
    pub(super) const fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// Times a whole number.
    pub(super) fn times(self, factor: u64) -> Option<Self> {
        Some(Self { digits: self.digits.checked_mul(u128::from(factor))?, ..self }.normal())
    }

    /// Times a power of ten.
    pub(super) fn shift(self, places: i32) -> Self {
        Self { exponent: self.exponent + places, ..self }
    }

    fn normal(mut self) -> Self {
        while self.digits != 0 && self.digits.is_multiple_of(10) {
            self.digits /= 10;
            self.exponent += 1;
        }
        self
    }

    /// The nearest double.
    pub(super) fn to_f64(self) -> f64 {
        format!("{}e{}", self.digits, self.exponent).parse().unwrap_or(f64::INFINITY)
    }

    /// The whole number it is: `Err(true)` when too large, `Err(false)` when not whole.
    pub(super) fn to_u64(self) -> Result<u64, bool> {
        if self.digits == 0 {
            return Ok(0);
        }
        let scale = u32::try_from(self.exponent).map_err(|_| false)?;
        10u128
            .checked_pow(scale)
            .and_then(|p| self.digits.checked_mul(p))
            .and_then(|x| u64::try_from(x).ok())
            .ok_or(true)
    }

    /// Whether it is at least 1.
    pub(super) fn at_least_one(self) -> bool {
        self.digits != 0 && self.digits.ilog10() as i32 + self.exponent >= 0
    }
}

/// Plain decimal text, never with an exponent.
impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.digits == 0 {
            return f.write_str("0");
        }
        let digits = self.digits.to_string();
        let point = digits.len() as i32 + self.exponent;
        if self.exponent >= 0 {
            write!(f, "{digits}{}", "0".repeat(self.exponent as usize))
        } else if point > 0 {
            write!(f, "{}.{}", &digits[..point as usize], &digits[point as usize..])
        } else {
            write!(f, "0.{}{digits}", "0".repeat(-point as usize))
        }
    }
}

/// Cuts a text for a message.
pub fn clip(text: &str) -> String {
    let mut out: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        out.push('…');
    }
    out
}

/// Splits a value into its number and its unit, refusing every number that is not written as plain
/// decimal digits. `what` says what is expected, such as ``a duration such as `5ms` ``.
pub(super) fn split<'t>(text: &'t str, what: &str) -> Result<(Decimal, &'t str), ValueError> {
    let text = text.trim();
    if let Some(error) = misread(text, what) {
        return Err(error);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let trimmed = unit.trim_start();
    if trimmed.len() < unit.len() {
        return Err(ValueError::new(
            "E-UNIT",
            format!("`{}` has a blank before its unit", clip(text)),
        )
        .help(format!("write `{}{}`", clip(number), clip(trimmed))));
    }
    let decimal = Decimal::new(number).ok_or_else(|| {
        ValueError::new("E-OVERFLOW", format!("`{}` has too many digits", clip(text)))
    })?;
    Ok((decimal, unit))
}

/// The error for a text that is not a plain decimal number with something after it.
fn misread(text: &str, what: &str) -> Option<ValueError> {
    let form = |help: String| {
        let message = format!("`{}` is not a number in plain decimal digits", clip(text));
        Some(ValueError::new("E-NUM-FORM", message).help(help))
    };
    let lower = text.to_ascii_lowercase();
    let bare = lower.trim_start_matches(['-', '+', '.']);
    if lower.len() - bare.len() <= 2 && (bare == "nan" || bare == "inf" || bare == "infinity") {
        return Some(
            ValueError::new("E-NONFINITE", format!("`{}` is not a finite number", clip(text)))
                .help(format!("expected {what}")),
        );
    }
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    if let Some(rest) = text.strip_prefix(['-', '\u{2212}'])
        && digit(rest.trim_start_matches('.').chars().next())
    {
        let message = format!("`{}` is negative", clip(text));
        return Some(ValueError::new("E-RANGE", message).help(format!("expected {what}")));
    }
    if let Some(rest) = text.strip_prefix('+').filter(|r| digit(r.chars().next())) {
        return form(format!("write `{}`", clip(rest)));
    }
    if text.starts_with('.') && digit(text[1..].chars().next()) {
        return form(format!("write `0{}`", clip(text)));
    }
    if !digit(text.chars().next()) {
        let found =
            if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", clip(text)) };
        return Some(ValueError::new("E-TYPE", format!("expected {what}, found {found}")));
    }
    digits_misread(text, &lower, form)
}

/// The same for a text that starts with a digit.
fn digits_misread(
    text: &str,
    lower: &str,
    form: impl Fn(String) -> Option<ValueError>,
) -> Option<ValueError> {
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        // `0B` alone is zero bytes.
        let Some(rest) = lower.strip_prefix(prefix).filter(|r| !r.is_empty() && *r != "/s") else {
            continue;
        };
        return form(match u64::from_str_radix(rest, radix) {
            Ok(n) => format!("write `{n}`"),
            Err(_) => "write decimal digits".to_owned(),
        });
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = text.split_at(end);
    if let Some(clock) = rest.strip_prefix(':') {
        return form(sexagesimal(whole, clock));
    }
    if rest.starts_with(['_', ',']) && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
        // Groups have three digits; else a comma is a decimal one.
        let group = rest[1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - 1);
        let decimal = rest.starts_with(',') && (group != 3 || whole == "0");
        let plain = if decimal { text.replace(',', ".") } else { text.replace(['_', ','], "") };
        return form(format!("write `{}`", clip(&plain)));
    }
    if whole.len() > 1 && whole.starts_with('0') {
        let plain = whole.trim_start_matches('0');
        let zero = if plain.is_empty() { "0" } else { "" };
        return form(format!("write `{zero}{}`", clip(&format!("{plain}{rest}"))));
    }
    let mut tail = rest;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        tail = &fraction[end..];
        if end == 0 || tail.starts_with('.') {
            return form("write digits on both sides of one point, as in `2.5`".to_owned());
        }
    }
    let power = tail.strip_prefix(['e', 'E'])?;
    let power = power.strip_prefix(['+', '-']).unwrap_or(power);
    power.starts_with(|c: char| c.is_ascii_digit()).then(|| form(expanded(text))).flatten()
}

/// `1:30` said in seconds.
fn sexagesimal(minutes: &str, rest: &str) -> String {
    let parts: Option<Vec<u64>> =
        std::iter::once(minutes).chain(rest.split(':')).map(|p| p.parse().ok()).collect();
    match parts.as_deref() {
        Some(&[m, s]) if m < 1_000_000 && s < 60 => format!("write `{}s`", m * 60 + s),
        Some(&[h, m, s]) if h < 1_000_000 && m < 60 && s < 60 => {
            format!("write `{}s`", (h * 60 + m) * 60 + s)
        }
        _ => "write one number and a unit, such as `90s`".to_owned(),
    }
}

/// `1e3` written out.
fn expanded(text: &str) -> String {
    let end = text
        .char_indices()
        .find(|&(i, c)| {
            !(c.is_ascii_digit()
                || c == '.'
                || matches!(c, 'e' | 'E')
                || (matches!(c, '+' | '-') && text[..i].ends_with(['e', 'E'])))
        })
        .map_or(text.len(), |(i, _)| i);
    match text[..end].parse::<f64>() {
        Ok(x) if (1e-9..1e18).contains(&x) => {
            format!("write `{}{}`", Decimal::of(x), clip(&text[end..]))
        }
        _ => "write the number out, or use a larger unit".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_print_back() {
        for text in ["0", "7", "120", "0.5", "0.0001", "99.999", "123456789012345678901234"] {
            assert_eq!(Decimal::new(text).unwrap().to_string(), text);
        }
        assert_eq!(Decimal::new("2.50").unwrap().to_string(), "2.5");
        assert_eq!(Decimal::of(0.1).to_string(), "0.1");
        assert_eq!(Decimal::of(1e300).to_f64().to_bits(), 1e300f64.to_bits());
        assert_eq!(Decimal::of(5e-324).to_f64().to_bits(), 5e-324f64.to_bits());
        assert_eq!(Decimal::new("0.3").unwrap().shift(9).to_u64(), Ok(300_000_000));
        assert_eq!(Decimal::new("0.3").unwrap().to_u64(), Err(false));
        assert_eq!(Decimal::new("18446744073709551616").unwrap().to_u64(), Err(true));
    }
}
