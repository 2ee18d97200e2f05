//! How a request, a call or a visit ends.
//!
//! **Invariant.** Everything that was begun ends in one of these ways, or is in flight.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a request, attempt or visit ended. Every request gets exactly one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Outcome {
    /// Answered as asked.
    Ok,
    /// Answered through a fallback.
    Degraded,
    /// Attempt timer or deadline ran out.
    Timeout,
    /// Reset, failed step or failed callee.
    Error,
    /// Full queue, pool or bulkhead, or patience ran out.
    Rejected,
    /// Deliberately refused under load.
    Shed,
    /// Refused by a rate limit.
    RateLimited,
    /// Refused by an open circuit breaker.
    BreakerOpen,
    /// No live target known to the sender.
    Unavailable,
}

/// How many of these are good answers.
#[must_use]
pub fn successes(tally: &Tally) -> u64 {
    let each = Outcome::ALL.iter().filter(|outcome| outcome.is_success());
    each.map(|outcome| tally[*outcome as usize]).sum()
}

impl Outcome {
    /// All outcomes, in the order of their tallies.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Degraded,
        Self::Timeout,
        Self::Error,
        Self::Rejected,
        Self::Shed,
        Self::RateLimited,
        Self::BreakerOpen,
        Self::Unavailable,
    ];

    /// Their names in results, in the order of every tally.
    pub const NAMES: [&str; 9] = [
        "ok",
        "degraded",
        "timeout",
        "error",
        "rejected",
        "shed",
        "rate_limited",
        "breaker_open",
        "unavailable",
    ];

    /// Its name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Its name as words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::RateLimited => "rate limited",
            Self::BreakerOpen => "breaker open",
            other => other.name(),
        }
    }

    /// Whether the client got an answer it can use.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Ok | Self::Degraded)
    }

    /// Whether a node did not take the visit: at the instant it came, or after it waited in vain.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::Rejected | Self::Shed | Self::RateLimited)
    }
}

/// Counts by outcome, indexed by `Outcome as usize`.
pub type Tally = [u64; 9];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_stand_where_tallies_have_them_and_are_read_by_their_names() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
            let text = serde_json::to_value(outcome).unwrap();
            assert_eq!(text, outcome.name());
        }
    }
}
