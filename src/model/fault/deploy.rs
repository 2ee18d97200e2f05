//! Rolling deployments: the instances of a node take up a new version, batch by batch.
//!
//! All steps of a deployment are known when it begins, so they are part of the time line like the boot after
//! a crash; taking it back strikes out those to come and plans the way back.
//!
//! **Invariant.** An instance runs one version at a time; which one changes only while it takes no requests, or
//! between two of them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use crate::units::{Count, Fraction, Name, SimDuration, ValueError, text_value};

/// A rolling deployment: batch by batch, instances are taken out of the balancers, stop after `drain`, `boot` with
/// the new version and are back, slower while they get `warm`; the next batch begins `pause` later. Versions run side by side
/// until then. A first batch of one is a canary, a `batch` of 100 % without `restart` a push to all at once. Where instances come and
/// go (`autoscale`, `purchase: {spot: ..}`) those that are ready as it begins are replaced, each by one that begins in its place when it has drained, and whoever
/// begins meanwhile or later has the new version from the start.
///
/// ```yaml
/// faults:
///   - {id: roll, at: 10m, deploy: {node: api, set: {work: 9ms}, batch: 25%, pause: 60s}}
///   - {id: canary, at: 20m, deploy: {node: api, set: {work: 12ms}, batch: [1, 25%], pause: 5m, rollback: bad}}
///   - {id: late, at: 25m, deploy: {node: api, notice: 2s, before_stop: 5s}}
///   - {id: push, at: 30m, deploy: {node: api, set: {work: 5ms}, batch: 100%, restart: false}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploySpec {
    /// The service, store or cache whose instances take it up. Of a function all zones do, batch by batch: its environments
    /// end as the requests inside do, and newer ones start.
    pub node: Name,
    /// What is new, by path inside the node's kind, as `set` may change it (not `instances`, `inbound`, `limits` and `background`); nothing:
    /// a rolling restart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, serde_json::Value>,
    /// Instances at once, in the order of their numbers: `2` or `25%` (rounded up); or batch by batch, `[1, 25%]`, the last one again and again.
    /// 25 % when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchesSpec>,
    /// Time from when a batch is up to the next batch; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<SimDuration>,
    /// Time from when balancers stop sending an instance requests to when it stops, and what is still inside
    /// fails; 10 s when absent. Who calls without a balancer hears of nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<SimDuration>,
    /// How much later than the instance balancers hear that it stops. An instance that is told to stop takes nothing new at once (calls are
    /// refused: `connection_refused`), and `drain` counts from there. At the same moment when absent, and then an instance
    /// takes what comes until `drain` is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<SimDuration>,
    /// How long an instance goes on as before when it is told to stop (the sleep of a `preStop` hook).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_stop: Option<SimDuration>,
    /// `false`: instances take it up as they run, like a configuration or a flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<bool>,
    /// When this alert fires once it has begun, it goes no further, and the instances that have the new version
    /// take up the old one again, in batches of the same sizes without pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Name>,
}

/// How many instances at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BatchSpec {
    /// So many.
    Count(Count),
    /// Of all, rounded up.
    Share(Fraction),
}

/// The sizes of batches; the last one again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchesSpec(pub Vec<BatchSpec>);

impl FromStr for BatchSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.contains(['%', '.']) {
            return text.parse().map(Self::Share);
        }
        text.parse().map(Self::Count)
    }
}

impl fmt::Display for BatchSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => n.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

text_value!(BatchSpec, "Batch", "a number of instances or a share of them", ["1", "25%"], number);

impl<'de> Deserialize<'de> for BatchesSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Batches;
        impl<'de> Visitor<'de> for Batches {
            type Value = BatchesSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or share of instances, or a list of them")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<BatchesSpec, E> {
                v.parse().map(|batch| BatchesSpec(vec![batch])).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<BatchesSpec, A::Error> {
                let mut all = Vec::new();
                while let Some(batch) = seq.next_element()? {
                    all.push(batch);
                }
                Ok(BatchesSpec(all))
            }
        }
        deserializer.deserialize_any(Batches)
    }
}

impl Serialize for BatchesSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            all => all.serialize(serializer),
        }
    }
}

impl JsonSchema for BatchesSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Batches".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let one = g.subschema_for::<BatchSpec>();
        json_schema!({"anyOf": [one.clone(), {"type": "array", "items": one}]})
    }
}

impl DeploySpec {
    /// Where the new version differs, as paths from the root of a scenario with the paths as written.
    pub fn paths(&self, kind: &str) -> impl Iterator<Item = (String, &String)> {
        let start = format!("nodes.{}.{kind}", self.node.0);
        self.set.keys().map(move |key| (format!("{start}.{key}"), key))
    }

    /// Sizes of the batches of a node of `n` instances.
    pub fn sizes(&self, n: usize) -> Vec<usize> {
        let size = |batch: &BatchSpec| match batch {
            BatchSpec::Count(count) => (count.0 as usize).max(1),
            // The small term keeps a third of three at one.
            BatchSpec::Share(share) => ((share.0 * n as f64 - 1e-9).ceil() as usize).max(1),
        };
        let quarter = [BatchSpec::Share(Fraction(0.25))];
        self.batch.as_ref().map_or(quarter.as_slice(), |all| &all.0).iter().map(size).collect()
    }
}
