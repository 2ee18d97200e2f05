//! Links that cannot carry everything at once.

use serde::{Deserialize, Serialize};

use super::figure::{Distribution, Estimate};

/// A link with `bandwidth`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkResults {
    /// From `from` to `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forth: Option<WayResults>,
    /// The other way; absent with `one_way`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<WayResults>,
}

/// One direction of a link, all pairs of zones that it joins together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WayResults {
    /// Share of what it can carry that was carried.
    pub utilisation: Estimate,
    /// Share of the windows in which it was full: 95 % or more of what it can carry.
    #[serde(default)]
    pub saturated: f64,
    /// When it was full first, s; null: it never was.
    #[serde(default)]
    pub saturated_at: Option<f64>,
    /// Messages with a size that have left, per second.
    pub throughput: Estimate,
    /// Time-weighted number of messages that were leaving; with `fifo`, those that waited included.
    pub in_transfer: Estimate,
    /// Per message with a size: from when it was sent until all of it had left; its latency comes after that.
    pub transfer_time: Distribution,
    /// Per message: how much of that others cost it, by sharing the link with it or by being before it.
    pub waiting_time: Distribution,
}
