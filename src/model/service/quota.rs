//! Processor time that is rationed: so much of it in each period.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use crate::{
    problem::Problems,
    units::{SimDuration, ValueError, text_value},
};

/// Shortest period, ns.
const LEAST_PERIOD: u64 = 1_000_000;

/// So much processor time in each period, over all cores of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaSpec {
    /// Processor time that each period adds.
    pub time: SimDuration,
    /// The period.
    pub per: SimDuration,
    /// How much of what was not used is kept beyond that, for later periods.
    pub burst: SimDuration,
}

impl FromStr for QuotaSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (time, per, burst) = match words[..] {
            [time, "per", per] => (time, per, "0s"),
            [time, "per", per, burst] if burst.starts_with("burst=") => {
                (time, per, burst.trim_start_matches("burst="))
            }
            _ => {
                let message = "a quota is processor time in each period";
                let help = "write `20ms per 100ms`, or `20ms per 100ms burst=40ms`";
                return Err(ValueError::new("E-TYPE", message).help(help));
            }
        };
        Ok(Self { time: time.parse()?, per: per.parse()?, burst: burst.parse()? })
    }
}

impl fmt::Display for QuotaSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.time, self.per)?;
        if self.burst.0 > 0 { write!(f, " burst={}", self.burst) } else { Ok(()) }
    }
}

text_value!(
    QuotaSpec,
    "Quota",
    "processor time per period such as `20ms per 100ms`",
    ["20ms per 100ms", "20ms per 100ms burst=40ms"],
    r"^[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d)\s+per\s+[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d)(\s+burst=\S+)?$"
);

impl QuotaSpec {
    /// How many cores that is in the long run.
    pub fn cores(&self) -> f64 {
        self.time.0 as f64 / self.per.0 as f64
    }

    /// Checks it, for an instance with so many cores.
    pub fn check(&self, cores: Option<u64>, path: &str, problems: &mut Problems) {
        if self.time.0 == 0 {
            problems.error("E-RANGE", path, "without processor time no work is ever done");
        }
        if self.per.0 < LEAST_PERIOD {
            let message = "the period must be 1 ms or longer";
            problems.error_help("E-RANGE", path, message, "100ms is the usual one");
        }
        if [self.time, self.per, self.burst].iter().any(|time| time.0 > 1 << 60) {
            problems.error("E-BUDGET", path, "is above the limit of 36 years");
        }
        let most = cores.map(|cores| u128::from(cores) * u128::from(self.per.0));
        if most.is_some_and(|most| u128::from(self.time.0) >= most) {
            let message = "the cores cannot use up so much in a period";
            problems.warn("W-UNUSED", path, message, "leave out `quota`, or give more `cores`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_print_as_they_parse() {
        for text in ["20ms per 100ms", "1m per 1h burst=4h", "200ms per 100ms"] {
            assert_eq!(text.parse::<QuotaSpec>().unwrap().to_string(), text);
        }
        for text in ["20ms", "20ms per", "20ms / 100ms", "20ms per 100ms 5ms", "20 per 100ms"] {
            assert!(text.parse::<QuotaSpec>().is_err(), "{text}");
        }
    }
}
