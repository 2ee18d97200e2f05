//! Text forms of the instances a fault hits.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use super::InstancesSpec;
use crate::units::{Count, Fraction};

impl<'de> Deserialize<'de> for InstancesSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Instances;
        impl<'de> Visitor<'de> for Instances {
            type Value = InstancesSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a number or percentage of instances, or a list of their indices from 0",
                )
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<InstancesSpec, E> {
                if v.ends_with('%') {
                    return v.parse().map(InstancesSpec::Share).map_err(E::custom);
                }
                v.parse().map(InstancesSpec::Count).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<InstancesSpec, A::Error> {
                let mut all: Vec<Count> = Vec::new();
                while let Some(index) = seq.next_element()? {
                    all.push(index);
                }
                Ok(InstancesSpec::These(all))
            }
        }
        deserializer.deserialize_any(Instances)
    }
}

impl Serialize for InstancesSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(n) => n.serialize(serializer),
            Self::Share(share) => share.serialize(serializer),
            Self::These(all) => all.serialize(serializer),
        }
    }
}

impl JsonSchema for InstancesSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Instances".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let (count, share) = (g.subschema_for::<Count>(), g.subschema_for::<Fraction>());
        json_schema!({"anyOf": [count.clone(), share, {"type": "array", "items": count}]})
    }
}
