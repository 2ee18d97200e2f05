//! Values with units: durations, sizes, rates, counts, fractions, names; parsing, printing,
//! checked arithmetic.
//!
//! **Invariant.** Numbers are plain decimals; whatever a YAML parser would silently turn into another
//! number is refused, and what is printed parses to the same value.

use std::borrow::Borrow;

mod decimal;
mod error;
mod forms;
pub mod instant;
mod money;
mod parse;
mod print;
mod range;
mod serde_text;
pub mod show;
#[cfg(test)]
mod tests;

pub use decimal::clip;
pub use error::ValueError;
pub(crate) use forms::{KNOWN, schema};
pub use money::{CallPrice, HourPrice, MemoryPrice, Money, StoragePrice, TrafficPrice};
pub(crate) use parse::{coefficient, rate_or_zero, whole};
pub use parse::{number, plain};
pub(crate) use print::coefficient_text;
pub use print::plain_text;
pub use range::{Range, along};
pub use serde_text::Text;
pub(crate) use serde_text::{short_form, text, text_value};

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
/// A fraction in 0..=1 (written `99.9%`, `0.2`, `50ppm`: millionths).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Fraction(pub f64);
/// A non-negative plain number (written `1.6`).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Number(pub f64);
/// A name: `[a-z0-9][a-z0-9_-]*`, at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub String);

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

text_value!(
    SimDuration,
    "Duration",
    "a duration such as `250us`, `5ms`, `2s`, `10m`, `1h` or `7d`",
    ["250us", "5ms", "2s", "10m", "1h", "7d"],
    r"^[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d)$"
);
text_value!(
    Rate,
    "Rate",
    "a rate such as `1200/s`, `90/min` or `5M/day`",
    ["1200/s", "90/min", "5M/day"],
    r"^[0-9]+(\.[0-9]+)?[kMGT]?/(us|ms|s|min|h|day)$"
);
text_value!(
    Size,
    "Size",
    "a size such as `512B`, `2KB` (2000 bytes) or `2KiB` (2048 bytes)",
    ["512B", "2KB", "2KiB", "10GB"],
    r"^[0-9]+(\.[0-9]+)?([KMGTP]i?)?B$"
);
text_value!(
    Bandwidth,
    "Bandwidth",
    "a bandwidth such as `1Gbps` or `100MB/s`",
    ["1Gbps", "100MB/s"],
    r"^[0-9]+(\.[0-9]+)?([kKMGT]?bps|([KMGT]i?)?B/s)$"
);
text_value!(
    Count,
    "Count",
    "a whole number such as `8`, `10k` or `1M`",
    ["8", "10k", "1M"],
    number,
    r"^[0-9]+(\.[0-9]+)?[kMGT]?$"
);
text_value!(
    Fraction,
    "Fraction",
    "a fraction such as `99.9%` or `0.2`",
    ["99.9%", "0.2"],
    number,
    r"^[0-9]+(\.[0-9]+)?(%|ppm)?$"
);
text_value!(
    Number,
    "Number",
    "a number such as `1.6`",
    ["1.6", "3"],
    number,
    r"^[0-9]+(\.[0-9]+)?$"
);
text_value!(
    Name,
    "Name",
    "a name of small letters, digits, `_` and `-`, such as `us-east-a`",
    ["api", "us-east-a"],
    r"^[a-z0-9][a-z0-9_-]*$"
);
