//! A dependency whose inside is unknown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{engine::law::DurationFormula, model::network::ZonesSpec, units::Fraction};

/// A dependency whose inside is unknown, described by its latency and its fraction of errors. It
/// never saturates.
///
/// ```yaml
/// payments: {external: {latency: lognormal(median=30ms p99=200ms), errors: 0.5%}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalSpec {
    /// Time from the arrival of a request until its reply leaves.
    pub latency: DurationFormula,
    /// Fraction of requests answered with an error, after the latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Fraction>,
    /// Size of a reply, for links with bandwidth; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<crate::engine::law::SizeFormula>,
    /// Where it stands; without it, in its caller's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
}
