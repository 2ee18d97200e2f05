//! Text form of a capacity.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use super::{Capacity, OnFailure};
use crate::{
    expr::{Expr, Taker, unknown},
    units::{Count, Fraction, Number, Size, ValueError, text_value},
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

text_value!(Capacity, "Capacity", "entries (`200k`) or bytes (`4GB`)", ["200k", "4GB", "10000"]);

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

/// When a value that can still be served is fetched anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Early {
    /// In the last part of its life.
    Last(f64),
    /// With a chance that grows towards its end, the sooner the longer it took to fetch (A. Vattani,
    /// F. Chierichetti, K. Lowenstein, "Optimal probabilistic cache stampede prevention", VLDB 2015).
    XFetch(f64),
}

impl FromStr for Early {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if !text.starts_with("xfetch") {
            let part = text.parse::<Fraction>()?.0;
            if part <= 0.0 || part >= 1.0 {
                return Err(ValueError::new("E-RANGE", "must be above 0 and below 100%"));
            }
            return Ok(Self::Last(part));
        }
        let expr = Expr::parse(text)?;
        let mut t = Taker::new(&expr, "xfetch(beta=1)")?;
        let beta = t.read::<Number>("beta")?.map_or(1.0, |beta| beta.0);
        t.finish()?;
        if !(0.001..=1000.0).contains(&beta) {
            return Err(ValueError::new("E-RANGE", "`beta` must be in 0.001..=1000"));
        }
        Ok(Self::XFetch(beta))
    }
}

impl fmt::Display for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last(part) => Fraction(*part).fmt(f),
            Self::XFetch(beta) => write!(f, "xfetch(beta={})", Number(*beta)),
        }
    }
}

text_value!(
    Early,
    "Early",
    "the last part of a life (`5%`), or `xfetch(beta=1)`",
    ["5%", "xfetch(beta=1)"]
);
