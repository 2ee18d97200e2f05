//! Text forms of what is wrong with a clock: the only values with a sign.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use super::{Drift, Offset};
use crate::units::{Fraction, SimDuration, ValueError, text_value};

/// Whether a text begins with a minus, and the rest.
fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

impl FromStr for Offset {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (back, size) = signed(text);
        // A duration is below half of what a number of its kind can be.
        let size = size.parse::<SimDuration>()?.0 as i64;
        Ok(Self(if back { -size } else { size }))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", SimDuration(self.0.unsigned_abs()))
    }
}

impl FromStr for Drift {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (slower, size) = signed(text);
        let size = size.parse::<Fraction>()?.0;
        Ok(Self(if slower { -size } else { size }))
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0.0 { "-" } else { "" };
        write!(f, "{sign}{}", Fraction(self.0.abs()))
    }
}

text_value!(
    Offset,
    "Offset",
    "a duration such as `2s` or `-300ms`",
    ["2s", "-300ms"],
    r"^[+-]?[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d)$"
);
text_value!(
    Drift,
    "Drift",
    "a fraction such as `200ppm` or `-5%`",
    ["200ppm", "-5%"],
    number,
    r"^[+-]?[0-9]+(\.[0-9]+)?(%|ppm)?$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_read_and_printed() {
        for text in ["-300ms", "2s", "0s"] {
            assert_eq!(text.parse::<Offset>().unwrap().to_string(), text);
        }
        for (text, drift) in [("200ppm", 2e-4), ("-5%", -0.05), ("+0.5", 0.5)] {
            let found: Drift = text.parse().unwrap();
            assert_eq!(found, Drift(drift));
            assert_eq!(found.to_string().parse::<Drift>().unwrap(), found);
        }
        assert_eq!("--1s".parse::<Offset>().unwrap_err().code, "E-RANGE");
        assert_eq!("150%".parse::<Drift>().unwrap_err().code, "E-RANGE");
    }
}
