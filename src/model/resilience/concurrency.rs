//! Limits on requests at once, as they are written.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use super::adaptive::AdaptiveSpec;
use crate::{
    expr::{clip, unknown},
    units::{Count, Name, ValueError, text_value},
};

/// How many requests may be inside at once.
#[derive(Clone, Debug, PartialEq)]
pub enum ConcurrencySpec {
    /// So many.
    Fixed(FixedSpec),
    /// As many as turn out to be good.
    Adaptive(AdaptiveSpec),
}

/// So many at once, and of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedSpec {
    /// At most so many.
    pub most: u64,
    /// Each value of it has a limit of its own: `key`, `client`, or an attribute; all together when absent.
    pub per: Option<String>,
    /// All instances together instead of each.
    pub shared: bool,
}

impl ConcurrencySpec {
    /// The attribute whose values have limits of their own.
    pub fn per(&self) -> Option<&String> {
        match self {
            Self::Fixed(fixed) => fixed.per.as_ref(),
            Self::Adaptive(_) => None,
        }
    }

    /// The limit that does not move.
    pub fn fixed(&self) -> Option<&FixedSpec> {
        match self {
            Self::Fixed(fixed) => Some(fixed),
            Self::Adaptive(_) => None,
        }
    }

    /// The limit that finds its value.
    pub fn adaptive(&self) -> Option<&AdaptiveSpec> {
        match self {
            Self::Fixed(_) => None,
            Self::Adaptive(adaptive) => Some(adaptive),
        }
    }
}

/// Requests at once, at most.
const MOST: u64 = 1 << 24;

impl FromStr for ConcurrencySpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
            return text.parse().map(Self::Fixed);
        }
        text.parse().map(Self::Adaptive)
    }
}

impl FromStr for FixedSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut words = text.split_whitespace();
        let most = words.next().unwrap_or_default();
        if most.contains('/') {
            let message =
                format!("`{}` is a rate, this is a number of requests at once", clip(most));
            return Err(ValueError::new("E-TYPE", message)
                .help(format!("write `10 per=client`, or `rate_limit: {}`", clip(most))));
        }
        let most = most.parse::<Count>()?.0;
        if most == 0 || most > MOST {
            return Err(ValueError::new("E-RANGE", format!("must be in 1..={MOST}")));
        }
        let (mut per, mut shared) = (None, None);
        for word in words {
            let twice = match word.split_once('=') {
                Some(("per", name)) => per.replace(name.parse::<Name>()?.0).is_some(),
                Some(("scope", "instance")) => shared.replace(false).is_some(),
                Some(("scope", "shared")) => shared.replace(true).is_some(),
                Some(("scope", other)) => {
                    return Err(unknown("scope", other, &["instance", "shared"]));
                }
                _ => {
                    let message = format!("there is no place for `{}`", clip(word));
                    return Err(ValueError::new("E-EXPR", message)
                        .help("write `10`, `10 per=client` or `10 per=client scope=shared`"));
                }
            };
            if twice {
                let message = format!("`{}` is given twice", clip(word));
                return Err(ValueError::new("E-EXPR", message));
            }
        }
        Ok(Self { most, per, shared: shared == Some(true) })
    }
}

impl fmt::Display for ConcurrencySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(fixed) => fixed.fmt(f),
            Self::Adaptive(adaptive) => adaptive.fmt(f),
        }
    }
}

impl fmt::Display for FixedSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Count(self.most).fmt(f)?;
        self.per.as_ref().map_or(Ok(()), |per| write!(f, " per={per}"))?;
        f.write_str(if self.shared { " scope=shared" } else { "" })
    }
}

text_value!(
    ConcurrencySpec,
    "Concurrency",
    "a limit such as `10 per=client`, `aimd(latency=100ms)` or `gradient(tolerance=1.5)`",
    [
        "10",
        "10 per=client",
        "aimd(latency=100ms decrease=90% min=1 max=1000 start=20)",
        "gradient(tolerance=1.5)"
    ],
    number,
    r"^([0-9]+(\.[0-9]+)?[kMGT]?(\s+(per|scope)=\S+)*|\s*(aimd|gradient)\(.*\))\s*$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_reads_back() {
        for text in ["10", "10 per=client", "1k per=tier scope=shared", "3 scope=shared"] {
            assert_eq!(text.parse::<ConcurrencySpec>().unwrap().to_string(), text);
        }
        let adaptive: ConcurrencySpec = "gradient()".parse().unwrap();
        assert!(adaptive.adaptive().is_some() && adaptive.per().is_none());
        let other: ConcurrencySpec = "5  scope=instance per=key".parse().unwrap();
        assert_eq!(other.to_string(), "5 per=key");
        for (text, message) in [
            ("0", "1..="),
            ("-1", "negative"),
            ("10/s", "is a rate"),
            ("10 client", "no place for `client`"),
            ("10 by=client", "no place for `by=client`"),
            ("10 per=client per=key", "twice"),
            ("10 scope=all", "unknown scope"),
            ("ten", "unknown limit"),
        ] {
            let error = text.parse::<ConcurrencySpec>().unwrap_err();
            assert!(error.message.contains(message), "{text}: {}", error.message);
        }
    }
}
