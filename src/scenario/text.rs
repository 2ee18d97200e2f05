//! Text forms of the version and the seed.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use super::spec::{LanguageVersion, Seed};
use crate::units::{ValueError, text_value, whole};

impl FromStr for LanguageVersion {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "1" {
            return Ok(Self);
        }
        let text = crate::expr::clip(text);
        Err(ValueError::new(
            "E-VERSION",
            format!("`{text}` is not a version of the language this program knows"),
        )
        .help("it knows version 1: write `windtunnel: 1`"))
    }
}

impl fmt::Display for LanguageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("1")
    }
}

impl FromStr for Seed {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        whole(text, "a seed: a whole number below 2^64").map(Self)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

text_value!(LanguageVersion, "Version", "the version of the language: 1", [1], number);
text_value!(Seed, "Seed", "a seed: a whole number below 2^64", [42], number);
