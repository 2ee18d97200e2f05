//! Values with units: durations, sizes, rates, counts, fractions, names; parsing, printing,
//! checked arithmetic.
//!
//! **Invariant.** Numbers are plain decimals; whatever a YAML parser would silently turn into another
//! number is refused, and what is printed parses to the same value.

mod parse;
mod serde_text;

pub use parse::{number, split_unit};
pub(crate) use serde_text::{text, text_value};

/// An instant of simulated time, in nanoseconds from the start of the run.
pub type SimTime = u64;

/// A span of simulated time, in nanoseconds (written `5ms`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimDuration(pub u64);
/// Something per second (written `1200/s`, `5M/day`).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(pub f64);
/// Bytes (written `2KB`, `2KiB`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);
/// Bytes per second (written `1Gbps`, `100MB/s`).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Bandwidth(pub f64);
/// A whole number (written `8`, `10k`, `1M`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);
/// A fraction in 0..=1 (written `99.9%`, `0.2`).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Fraction(pub f64);
/// A non-negative plain number (written `1.6`).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Number(pub f64);
/// A name: `[a-z0-9][a-z0-9_-]*`, at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub String);

/// Why a text is not a value: a stable code, one sentence, and perhaps advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// Such as `E-UNIT`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl ValueError {
    /// An error without advice.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// As serde carries it: `[CODE] message`, then the advice after a unit separator.
impl std::fmt::Display for ValueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}] {}", self.code, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\u{1f}{help}"))
    }
}

impl std::error::Error for ValueError {}
