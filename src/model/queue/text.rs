//! Text forms of deliveries and of when a message comes again.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use super::{DeliverySpec, RedeliverSpec, consumes::CommitSpec};
use crate::{
    expr::{Expr, unknown},
    model::resilience::Backoff,
    units::{ValueError, text_value},
};

const DELIVERIES: [&str; 2] = ["at_least_once", "at_most_once"];

impl FromStr for DeliverySpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        match Expr::parse(text)?.name.as_str() {
            "at_least_once" => Ok(Self::AtLeastOnce),
            "at_most_once" => Ok(Self::AtMostOnce),
            "exactly_once" => {
                let message = "no queue can deliver exactly once: an ack can be lost";
                let help = "`dedupe: 5m` for what is published twice, and `idempotent: true` on what the consumer calls, so \
                            that a message that comes twice has its effect once";
                Err(ValueError::new("E-EXPR", message).help(help))
            }
            other => Err(unknown("delivery", other, &DELIVERIES)),
        }
    }
}

impl fmt::Display for DeliverySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtLeastOnce => DELIVERIES[0],
            Self::AtMostOnce => DELIVERIES[1],
        })
    }
}

impl FromStr for RedeliverSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.trim() {
            "none" => Ok(Self::AtOnce),
            "visibility" => Ok(Self::Visibility),
            other => other.parse().map(Self::Backoff).map_err(|error: ValueError| {
                error.help(
                    "`none`, `visibility`, or a backoff such as `exponential(base=1s max=1m)`",
                )
            }),
        }
    }
}

impl fmt::Display for RedeliverSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtOnce => f.write_str("none"),
            Self::Visibility => f.write_str("visibility"),
            Self::Backoff(backoff) => Backoff::fmt(backoff, f),
        }
    }
}

impl FromStr for CommitSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.trim() {
            "batch" => Ok(Self::Batch),
            other => other.parse().map(Self::Every).map_err(|error: ValueError| {
                error.help("`batch` (after each), or how often, such as `5s`")
            }),
        }
    }
}

impl fmt::Display for CommitSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch => f.write_str("batch"),
            Self::Every(time) => fmt::Display::fmt(time, f),
        }
    }
}

text_value!(
    CommitSpec,
    "Commit",
    "when it is put down how far a partition is worked off",
    ["batch", "5s"]
);
text_value!(
    DeliverySpec,
    "Delivery",
    "how often a message is handed out",
    ["at_least_once", "at_most_once"]
);
text_value!(
    RedeliverSpec,
    "Redeliver",
    "when a message that failed is ready again",
    ["none", "visibility", "exponential(base=1s max=1m)"]
);
