//! Text form of a capacity.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use super::{Capacity, OnFailure};
use crate::{
    expr::{Expr, Taker, unknown},
    units::{Count, Size, ValueError, text_value},
};

impl FromStr for Capacity {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        // `B` ends every unit of size and no count.
        if text.ends_with('B') {
            return text.parse::<Size>().map(|s| Self::Bytes(s.0));
        }
        text.parse::<Count>().map(|n| Self::Entries(n.0))
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries(n) => Count(*n).fmt(f),
            Self::Bytes(n) => Size(*n).fmt(f),
        }
    }
}

text_value!(Capacity, "Capacity", "entries (`200k`) or bytes (`4GB`)", ["200k", "4GB"]);

impl FromStr for OnFailure {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        let mut t = Taker::new(&expr, "next(wait=1s)")?;
        let found = match expr.name.as_str() {
            "together" => Self::Together,
            "next" => Self::Next(t.need_read("wait")?),
            other => return Err(unknown("way to fail", other, &["together", "next(wait=1s)"])),
        };
        t.finish()?;
        Ok(found)
    }
}

impl fmt::Display for OnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Together => f.write_str("together"),
            Self::Next(wait) => write!(f, "next(wait={wait})"),
        }
    }
}

text_value!(
    OnFailure,
    "OnFailure",
    "what becomes of those who wait for a fetch that fails",
    ["together", "next(wait=1s)"]
);
