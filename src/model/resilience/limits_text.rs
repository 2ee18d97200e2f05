//! One rate limit or several, as they are written.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use super::rate_limit::{MOST_LIMITS, RateLimitSpec, RateLimitsSpec};

impl<'de> Deserialize<'de> for RateLimitsSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Limits;
        impl<'de> Visitor<'de> for Limits {
            type Value = RateLimitsSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a rate limit such as `10/s` or `token_bucket(rate=100/s burst=200)`, or a list of them",
                )
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<RateLimitsSpec, E> {
                v.parse().map(|limit| RateLimitsSpec(vec![limit])).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RateLimitsSpec, A::Error> {
                let mut limits: Vec<RateLimitSpec> = Vec::new();
                while let Some(limit) = seq.next_element()? {
                    limits.push(limit);
                }
                Ok(RateLimitsSpec(limits))
            }
        }
        deserializer.deserialize_any(Limits)
    }
}

impl Serialize for RateLimitsSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [limit] => limit.serialize(serializer),
            limits => limits.serialize(serializer),
        }
    }
}

impl JsonSchema for RateLimitsSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RateLimits".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let limit = g.subschema_for::<RateLimitSpec>();
        let list = json_schema!({
            "type": "array", "items": limit, "minItems": 1, "maxItems": MOST_LIMITS
        });
        json_schema!({"anyOf": [limit, list]})
    }
}
