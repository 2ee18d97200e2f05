//! A dependency whose inside is unknown.

mod build;
mod check;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, Table},
    model::{
        fault::Effect,
        kind::{Facts, FarEnd, Kind, Op, Outgoing, Prices, Reach, Visit, spares_a_server},
        network::ZonesSpec,
    },
    node_kind::NodeKind,
    units::{CallPrice, Fraction},
};

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
    /// What a call costs that arrives here: `$0.20/1M`, retries included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<CallPrice>,
    /// Where it stands; without it, in its caller's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
}

impl Kind for ExternalSpec {
    fn facts(&self) -> Facts<'_> {
        Facts {
            kind: NodeKind::External,
            instances: 1,
            need: 1,
            capacity: None,
            shards: false,
            zones: self.zones.as_ref(),
            floats: true,
            reach: Reach::Any,
            replicas: None,
        }
    }

    fn detail(&self) -> String {
        self.latency.to_string()
    }

    fn files(&self) -> Vec<(Table, String)> {
        let sizes = self.reply.iter().flat_map(crate::engine::law::SizeFormula::tables);
        self.latency.tables().into_iter().chain(sizes).collect()
    }

    fn carries(&self) -> bool {
        self.reply.is_some() || self.latency.attributes().next().is_some()
    }

    fn outgoing(&self, _path: &str) -> Vec<Outgoing> {
        Vec::new()
    }

    fn spares(&self, effect: Effect<'_>) -> Option<&'static str> {
        match effect {
            Effect::Crash(_) => Some("what stands behind it is unknown: give it `errors: 100%`"),
            _ => spares_a_server(effect),
        }
    }

    fn far_end(&self) -> FarEnd {
        FarEnd { takes: true, ..FarEnd::default() }
    }

    fn restarts(&self) -> bool {
        false
    }

    fn visit(&self, _op: &Op) -> Visit {
        Visit { least: self.latency.min_value(), work: 0.0 }
    }

    fn prices(&self) -> Option<Prices> {
        Some(Prices { calls: self.price.map(|p| p.0), ..Prices::default() })
    }

    fn changeable(&self) -> &'static [&'static str] {
        &["latency", "errors", "reply"]
    }
}
