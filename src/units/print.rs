//! Printing values: the shortest exact text.

use std::fmt::{Display, Formatter, Result};

use super::{
    Bandwidth, Count, Fraction, Name, Number, Rate, SimDuration, Size, Text,
    decimal::Decimal,
    parse::{BANDWIDTHS, DURATIONS, MULTIPLES, PERIODS, SIZES, Unit},
};

/// The shortest of the ways to say a decimal number of base units. Units that are no power of ten
/// are used for whole multiples only, so every text is exact.
fn shortest(base: Decimal, whole: Option<u64>, units: &[Unit], smallest: &str) -> String {
    let candidates = units.iter().filter_map(|unit| {
        let number = match unit.1 {
            1 => base.shift(-unit.2),
            // Eight bits to a byte.
            125 => base.times(8)?.shift(-unit.2 - 3),
            factor => {
                let size = factor.checked_mul(10u64.checked_pow(unit.2 as u32)?)?;
                let whole = whole.filter(|w| *w != 0 && w.is_multiple_of(size))?;
                return Some(format!("{}{}", whole / size, unit.0));
            }
        };
        (unit.0 == smallest || number.at_least_one()).then(|| format!("{number}{}", unit.0))
    });
    candidates.min_by_key(String::len).unwrap_or_default()
}

impl Display for SimDuration {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        f.write_str(&shortest(Decimal::whole(self.0), Some(self.0), DURATIONS, "ns"))
    }
}

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&shortest(Decimal::whole(self.0), Some(self.0), SIZES, "B"))
    }
}

impl Display for Bandwidth {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&shortest(Decimal::of(self.0), None, BANDWIDTHS, "B/s"))
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&shortest(Decimal::whole(self.0), Some(self.0), MULTIPLES, ""))
    }
}

impl Display for Rate {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let decimal = |x: f64| Decimal::of(x).to_string();
        let mut best = format!("{}/s", decimal(self.0));
        for (period, seconds) in PERIODS {
            let text = format!("{}/{period}", decimal(self.0 * seconds));
            let same = super::rate_or_zero(&text).is_ok_and(|r| r.0.to_bits() == self.0.to_bits());
            if same && text.len() < best.len() {
                best = text;
            }
        }
        f.write_str(&best)
    }
}

impl Display for Fraction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}%", Decimal::of(self.0).shift(2))
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", Decimal::of(self.0))
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.0)
    }
}

/// A plain number as [`super::plain`] reads it.
pub fn plain_text(x: f64) -> String {
    shortest(Decimal::of(x), None, MULTIPLES, "")
}

/// A coefficient as [`super::coefficient`] reads it.
pub(crate) fn coefficient_text<T: Text>(x: f64) -> String {
    let (units, smallest) =
        if T::EXPECTED == Size::EXPECTED { (SIZES, "B") } else { (DURATIONS, "ns") };
    shortest(Decimal::of(x), None, units, smallest)
}
