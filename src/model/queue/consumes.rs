//! What a service says of the queues it consumes, and a step of what it publishes.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    engine::law::SizeFormula,
    model::service::StepSpec,
    units::{Count, Name, SimDuration, short_form},
};

/// The queues a service consumes: one, or a list.
#[derive(Clone, Debug)]
pub struct ConsumesSpec(pub Vec<ConsumeSpec>);

/// A queue that is consumed: `consumes: orders` is short for `consumes: {from: orders}`.
#[derive(Clone, Debug)]
pub struct ConsumeSpec(pub ConsumeFields);

/// How messages of a queue are worked off. An instance asks for some when it has a free worker (without `workers` it works
/// on one batch at a time); each message is a visit of the endpoint of its operation, one after the other on one worker. What
/// ends well is acknowledged, all else comes again.
///
/// ```yaml
/// consumes: {from: orders, batch: 10, linger: 100ms}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsumeFields {
    /// The queue.
    pub from: Name,
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
    /// Belongs to the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_receives: Option<Count>,
    /// Belongs to the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<Name>,
}

impl ConsumeFields {
    /// Whether a name says it all.
    pub fn is_short(&self) -> bool {
        self.batch.is_none()
            && self.linger.is_none()
            && self.per_batch.is_empty()
            && self.partial.is_none()
            && self.max_receives.is_none()
            && self.dead_letter.is_none()
    }
}

short_form!(
    ConsumeSpec,
    ConsumeFields,
    Name,
    "a queue's name, or `{from, batch, linger, per_batch, partial}`",
    |name| ConsumeFields {
        from: name,
        batch: None,
        linger: None,
        per_batch: Vec::new(),
        partial: None,
        max_receives: None,
        dead_letter: None,
    },
    |c| c.is_short().then_some(&c.from)
);

/// A publish: `publish: x` is short for `publish: {to: x}`.
#[derive(Clone, Debug)]
pub struct PublishSpec(pub PublishFields);

/// A message that is put in a queue. The step waits until the broker has accepted it.
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
                    "a queue, `{from, batch, linger, per_batch, partial}`, or a list of these",
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
