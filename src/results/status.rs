//! How much of what was asked for was simulated.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a run ended; of several, the worst is the greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All of it was simulated.
    #[default]
    Complete,
    /// A limit of events or memory ended a replication before its time.
    Truncated,
    /// It was told to stop: replications (or cells of a sweep) are missing.
    Interrupted,
}

impl Status {
    /// Its name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Truncated => "truncated",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_by_its_name_and_less_is_worse() {
        let all = [Status::Complete, Status::Truncated, Status::Interrupted];
        assert!(all.is_sorted());
        for status in all {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }
}
