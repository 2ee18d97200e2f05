//! Clocks of machines: what time it is for whom.
//!
//! Nothing but replicas, caches and leases of locks goes by a clock of its own; whatever else waits, waits for simulated time.
//!
//! **Invariant.** A file without `clocks` and `clock` faults has exact ones, and pays one comparison per question.

pub mod check;
mod facts;
pub mod run;
pub mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::DurationLaw,
    units::{Fraction, SimDuration},
};

/// How wrong the clocks of machines are. Exact when absent.
///
/// Each instance of a store with replicas draws how far its clock is off and which way, and which way it drifts; anew at each
/// `resync`. Stamps of writes (`quorum` with `stamp: clock`) and what a follower thinks of its lag go by that clock.
/// Timers, leases (also of services, of locks that a store keeps), `fencing` and the `ttl` of caches go by one that is never set, as a kernel's monotonic clock: it drifts,
/// and knows of no offset.
///
/// ```yaml
/// clocks: {offset: exp(mean=2ms), drift: 50ppm, resync: 64s}
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClocksSpec {
    /// How far off a clock is once it was set, either way; not at all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<DurationLaw>,
    /// How much too fast or too slow it goes, either way; not at all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Fraction>,
    /// How often it is set; only at the start when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resync: Option<SimDuration>,
}

/// How far a clock is put forward, or back (written `-300ms`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset(pub i64);

/// How much faster than time a clock goes, or slower (written `200ppm`, `-5%`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Drift(pub f64);

impl ClocksSpec {
    /// Whether it says that all clocks are right.
    pub fn is_exact(&self) -> bool {
        let offset = self.offset.as_ref().is_none_or(|law| law.mean() == Some(0.0));
        offset && self.drift.is_none_or(|drift| drift.0 == 0.0)
    }
}
