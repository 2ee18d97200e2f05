//! How instances were bought.

use serde::{Deserialize, Serialize};

use super::figure::Estimate;

/// Instances by how they were bought, per replication.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PurchaseResults {
    /// Reserved ones that were there; they are paid for in any case.
    pub reserved: ClassResults,
    /// Those of the spot market.
    pub spot: ClassResults,
    /// Those on demand.
    pub on_demand: ClassResults,
}

/// Instances of one class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassResults {
    /// From the start of their boot until they were gone, in the measured time, h.
    pub instance_hours: Estimate,
    /// Spot instances that were told to go in the measured time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaims: Option<Estimate>,
}
