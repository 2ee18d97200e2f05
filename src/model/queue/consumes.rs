//! What a service says of the queues it consumes, and a step of what it publishes.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    engine::law::SizeFormula,
    model::{resilience::Backoff, service::StepSpec},
    units::{Count, Name, SimDuration, short_form},
};

/// The queues and topics a service consumes: one, or a list.
#[derive(Clone, Debug)]
pub struct ConsumesSpec(pub Vec<ConsumeSpec>);

/// A queue or topic that is consumed: `consumes: orders` is short for `consumes: {from: orders}`.
#[derive(Clone, Debug)]
pub struct ConsumeSpec(pub ConsumeFields);

/// How messages of a queue or a log (a topic without `to`) are worked off. An instance asks for some when it has a free worker
/// (without `workers` it works on one batch at a time); each message is a visit of the endpoint of its operation, one after the
/// other on one worker. What ends well is acknowledged, all else comes again: out of a queue, or of a log in its place, which
/// keeps its partition waiting.
///
/// ```yaml
/// consumes: {from: orders, batch: 10, linger: 100ms}
/// consumes: {from: events, group: search, commit: 5s, session: 45s, rebalance: cooperative}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsumeFields {
    /// The queue or topic.
    pub from: Name,
    /// Topics: the group it belongs to; that of the service's name when absent. Each group gets every message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Name>,
    /// How many messages are handed out at once, at most; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Count>,
    /// How long the broker waits, from the first message on, until there are so many; 0s when absent: it hands out what
    /// there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linger: Option<SimDuration>,
    /// Steps that are run once after the messages of a batch: one transaction for all of them. If they fail, all messages of
    /// the batch have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_batch: Vec<StepSpec>,
    /// Whether the messages of a batch that ended well are acknowledged when others failed; when absent all come again
    /// (`false`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<bool>,
    /// Topics: when it is put down how far a partition is worked off: after each `batch` (the default), or every so long (Apache
    /// Kafka: 5s). Who takes a partition over begins there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSpec>,
    /// Topics: where it goes on if its next message is older than the topic's `retention`: with what comes next (`latest`, the
    /// default), or with the oldest that is kept (`earliest`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartSpec>,
    /// Topics: how long an instance may be silent until its partitions are given to others; 45s when absent (Apache Kafka).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SimDuration>,
    /// Topics: how often an instance says that it is there; 3s when absent (Apache Kafka).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<SimDuration>,
    /// Topics: what stops while partitions are shared anew: everything (`eager`, the default), or what moves (`cooperative`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<RebalanceSpec>,
    /// Topics: how often a message is tried; then it is dead, and the next one's turn. As often as it takes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_receives: Option<Count>,
    /// Topics: the queue that takes in dead messages; when absent they are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<Name>,
    /// Topics: when a message that failed is tried again: at once (`none`, the default), or after a backoff that grows with the
    /// tries (`exponential(base=1s max=1m)`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeliver: Option<RedeliverSpec>,
}

/// When a message that failed is ready again.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RedeliverSpec {
    /// At once.
    #[default]
    AtOnce,
    /// When its time with the consumer is over.
    Visibility,
    /// After a while.
    Backoff(Backoff),
}

/// When it is put down how far a partition is worked off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommitSpec {
    /// After each batch.
    #[default]
    Batch,
    /// Every so long.
    Every(SimDuration),
}

/// How instances of a group come to share partitions anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebalanceSpec {
    /// All stop first.
    #[default]
    Eager,
    /// Only what moves stops.
    Cooperative,
}

/// Where a group goes on whose next message is not kept any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartSpec {
    /// With what comes next.
    #[default]
    Latest,
    /// With the oldest that is kept.
    Earliest,
}

/// Kafka's defaults, ns.
const SESSION: u64 = 45_000_000_000;
const HEARTBEAT: u64 = 3_000_000_000;

impl ConsumeFields {
    /// What a name says.
    fn of(from: Name) -> Self {
        Self {
            from,
            group: None,
            batch: None,
            linger: None,
            per_batch: Vec::new(),
            partial: None,
            commit: None,
            start: None,
            session: None,
            heartbeat: None,
            rebalance: None,
            max_receives: None,
            dead_letter: None,
            redeliver: None,
        }
    }

    /// Whether a name says it all.
    pub fn is_short(&self) -> bool {
        self.batch.is_none()
            && self.linger.is_none()
            && self.per_batch.is_empty()
            && self.partial.is_none()
            && !self.of_topics().into_iter().any(|(_, given)| given)
            && !self.of_receives().into_iter().any(|(_, given)| given)
    }

    /// Keys that say something of a group, and whether they are given.
    pub fn of_topics(&self) -> [(&'static str, bool); 6] {
        [
            ("group", self.group.is_some()),
            ("commit", self.commit.is_some()),
            ("start", self.start.is_some()),
            ("session", self.session.is_some()),
            ("heartbeat", self.heartbeat.is_some()),
            ("rebalance", self.rebalance.is_some()),
        ]
    }

    /// Keys that of a queue the queue has, and whether they are given.
    pub fn of_receives(&self) -> [(&'static str, bool); 3] {
        [
            ("max_receives", self.max_receives.is_some()),
            ("dead_letter", self.dead_letter.is_some()),
            ("redeliver", self.redeliver.is_some()),
        ]
    }

    /// How long a member may be silent, ns.
    pub fn silent_for(&self) -> u64 {
        self.session.map_or(SESSION, |time| time.0)
    }

    /// How often a member says that it is there, ns.
    pub fn beats_every(&self) -> u64 {
        self.heartbeat.map_or(HEARTBEAT, |time| time.0)
    }
}

short_form!(
    ConsumeSpec,
    ConsumeFields,
    Name,
    "a queue's or topic's name, or `{from, batch, linger, per_batch, partial, ..}`",
    |name| ConsumeFields::of(name),
    |c| c.is_short().then_some(&c.from)
);

/// A publish: `publish: x` is short for `publish: {to: x}`.
#[derive(Clone, Debug)]
pub struct PublishSpec(pub PublishFields);

/// A message that is put in a queue or topic. Who publishes it waits until the broker has accepted it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishFields {
    /// The queue.
    pub to: Name,
    /// Operation of the message, which says by which endpoint it is worked off; the caller's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Name>,
    /// Key space, or `instance` or `session`; the caller's key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
    /// Size of the message; the caller's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeFormula>,
    /// How long after it was accepted it is ready; as the queue says when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<SimDuration>,
    /// `none`: nobody waits until it is accepted, or hears that it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<AckSpec>,
}

/// Whether a publisher waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AckOfPublish")]
pub enum AckSpec {
    /// It does not.
    None,
}

short_form!(
    PublishSpec,
    PublishFields,
    Name,
    "a queue's name, or `{to, operation, key, size, delay, ack}`",
    |name| PublishFields {
        to: name,
        operation: None,
        key: None,
        size: None,
        delay: None,
        ack: None,
    },
    |p| (p.operation.is_none()
        && p.key.is_none()
        && p.size.is_none()
        && p.delay.is_none()
        && p.ack.is_none())
    .then_some(&p.to)
);

impl<'de> Deserialize<'de> for ConsumesSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = ConsumesSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a queue or topic, `{from, batch, linger, per_batch, partial, ..}`, or a list of these",
                )
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<ConsumesSpec, E> {
                let one = ConsumeSpec::deserialize(de::value::StrDeserializer::<E>::new(v))?;
                Ok(ConsumesSpec(vec![one]))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ConsumesSpec, A::Error> {
                let one = ConsumeFields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ConsumesSpec(vec![ConsumeSpec(one)]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ConsumesSpec, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(ConsumesSpec(all))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl Serialize for ConsumesSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            all => all.serialize(serializer),
        }
    }
}

impl JsonSchema for ConsumesSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Consumes".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let one = g.subschema_for::<ConsumeSpec>();
        json_schema!({"anyOf": [one.clone(), {"type": "array", "items": one}]})
    }
}
