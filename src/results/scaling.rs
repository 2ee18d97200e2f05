//! What autoscalers decided.

use serde::{Deserialize, Serialize};

use super::Estimate;

/// What an autoscaler decided in the measured time, per replication.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScalingResults {
    /// Times it had instances come.
    pub up: Estimate,
    /// Times it had instances go.
    pub down: Estimate,
    /// The longest time for which the figure had been above the target (by more than the tolerance) when instances that
    /// were asked for meanwhile were ready, from the start of the first such window on, s; null: there was none.
    pub longest_wait: Estimate,
    /// One by one, of the first replication (at most 1,000).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ScaledResults>,
}

/// Instances come or go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScaledResults {
    /// When that was decided, s.
    pub at: f64,
    /// How many there were, those that boot among them.
    pub from: u64,
    /// How many there are to be.
    pub to: u64,
    /// When the first of those that came was ready, s; null: none came, or none was before the end.
    pub ready: Option<f64>,
    /// How long the figure had been above the target by then, s; null: it was not, as where a schedule asks for more.
    pub waited: Option<f64>,
}
