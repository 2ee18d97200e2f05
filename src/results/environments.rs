//! What is told of the environments of a function.

use serde::{Deserialize, Serialize};

use super::figure::Estimate;

/// The environments of a function in the measured span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentResults {
    /// How many started, whoever for: those that are there from the beginning did not.
    pub cold_starts: Estimate,
    /// Requests that waited for the start of the environment they came into / all that came into one.
    pub cold_share: Estimate,
    /// How many there were, those that started included.
    pub environments: EnvironmentCounts,
    /// Mean number of those that started.
    pub starting: Estimate,
    /// Mean number of those that a request was inside.
    pub busy: Estimate,
    /// Mean number of those that nobody used.
    pub idle: Estimate,
    /// Memory times the time that environments started and requests were inside, each to the next millisecond, of those that
    /// were not provisioned: 10^9 bytes for a second. Null without `memory`.
    pub gb_seconds: Estimate,
    /// Memory times the time of provisioned environments.
    pub provisioned_gb_seconds: Estimate,
}

/// How many environments there were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentCounts {
    /// Over time.
    pub mean: Estimate,
    /// The most at once.
    pub max: Estimate,
}
