//! A topic that tells several nodes of each message.

mod build;
mod check;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::law::{DurationFormula, DurationLaw, Table},
    model::{
        fault::Effect,
        kind::{Facts, Kind, Op, Outgoing, Prices, Reach, Startup, Visit, spares_a_server},
        network::ZonesSpec,
        resilience::EdgeSpec,
    },
    units::{CallPrice, Count, Name},
};

/// Tells several nodes of each message: whoever calls it, or has a step `publish`, is answered once the topic has the
/// message, and then each node of `to` is called with it, all at the same time and each for itself: one that is slow or
/// down keeps none of the others waiting. `dependencies` say how long to wait for each and how often to try; what is given
/// up then is `dropped` (in `causes`). A queue among them keeps its copy until its consumers have worked it off.
///
/// ```yaml
/// order_events: {topic: {to: [billing_jobs, search, mailer], dependencies: {mailer: {timeout: 2s, retry: {attempts: 5}}}}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicSpec {
    /// The nodes that are told.
    pub to: Vec<Name>,
    /// Policy of each outgoing edge.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: BTreeMap<Name, EdgeSpec>,
    /// Work of accepting a message; 0s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<DurationFormula>,
    /// Cores of the broker; unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<Count>,
    /// Time a crashed broker takes to start again once the fault is over; 0 when absent. What it had still to tell is
    /// lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<DurationLaw>,
    /// Where it stands; in the first zone when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<ZonesSpec>,
    /// What a publish costs: `$0.50/1M`, retries included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<CallPrice>,
}

impl Kind for TopicSpec {
    fn facts(&self) -> Facts<'_> {
        Facts {
            kind: "topic",
            instances: 1,
            need: 1,
            capacity: self.cores.map(|c| c.0 as f64),
            shards: false,
            zones: self.zones.as_ref(),
            floats: false,
            reach: Reach::Any,
            replicas: None,
        }
    }

    fn detail(&self) -> String {
        format!("tells {}", self.to.len())
    }

    fn files(&self) -> Vec<(Table, String)> {
        let laws = self.publish.iter().flat_map(DurationFormula::tables);
        laws.chain(self.boot.iter().flat_map(DurationLaw::tables)).collect()
    }

    fn carries(&self) -> bool {
        let works = self.publish.as_ref().is_some_and(|law| law.attributes().next().is_some());
        works || self.dependencies.values().any(EdgeSpec::carries)
    }

    fn outgoing(&self, path: &str) -> Vec<Outgoing> {
        let told = |(i, to): (usize, &Name)| {
            let retry = self.dependencies.get(to).and_then(|edge| edge.retry.as_ref());
            Outgoing {
                attempts: retry.map_or(1, |retry| retry.attempts.0),
                ..Outgoing::message(format!("{path}.to[{i}]"), &to.0)
            }
        };
        self.to.iter().enumerate().map(told).collect()
    }

    fn spares(&self, effect: Effect<'_>) -> Option<&'static str> {
        spares_a_server(effect)
    }

    fn restarts(&self) -> bool {
        false
    }

    fn takes_messages(&self) -> bool {
        true
    }

    fn edges(&self) -> Option<&BTreeMap<Name, EdgeSpec>> {
        Some(&self.dependencies)
    }

    fn visit(&self, _op: &Op) -> Visit {
        self.publish.as_ref().map_or_else(Visit::default, |work| Visit {
            least: work.min_value(),
            work: work.mean_of_law().unwrap_or(0.0),
        })
    }

    fn startup(&self) -> Startup<'_> {
        Startup { boot: self.boot.as_ref(), warm: None }
    }

    fn prices(&self) -> Option<Prices> {
        Some(Prices { calls: self.price.map(|p| p.0), ..Prices::default() })
    }

    fn changeable(&self) -> &'static [&'static str] {
        &["publish", "dependencies"]
    }
}
