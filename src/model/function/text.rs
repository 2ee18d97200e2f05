//! Text forms of how fast environments may become more, and of prices of their use.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use super::{GrowthSpec, UsePrice};
use crate::{
    model::resilience::rate_limit::{MeterSpec, RateLimitSpec},
    units::{CallPrice, MemoryPrice, ValueError, text_value},
};

const GROWTH: &str = "token_bucket(rate=100/s burst=1000)";

impl FromStr for GrowthSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.trim() == "none" {
            return Ok(Self::Unbounded);
        }
        let such = |error: ValueError| error.help(format!("`none`, or such as `{GROWTH}`"));
        let limit: RateLimitSpec = text.parse().map_err(such)?;
        let plain = matches!(limit.meter, MeterSpec::TokenBucket { wait: None, .. });
        if !plain || limit.per.is_some() || limit.shared {
            let message = "environments of a zone start by one token bucket, without `wait`, `per` and `scope`";
            return Err(such(ValueError::new("E-EXPR", message)));
        }
        Ok(Self::Limited(limit))
    }
}

impl fmt::Display for GrowthSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unbounded => f.write_str("none"),
            Self::Limited(limit) => limit.fmt(f),
        }
    }
}

text_value!(
    GrowthSpec,
    "Growth",
    "how fast there may be more environments, such as `token_bucket(rate=100/s burst=1000)`",
    ["token_bucket(rate=100/s burst=1000)", "none"]
);

impl UsePrice {
    /// Takes up one of them.
    fn add(&mut self, text: &str) -> Result<(), ValueError> {
        let is_memory = text.contains("GB");
        let twice = if is_memory { self.memory.is_some() } else { self.calls.is_some() };
        if twice {
            return Err(ValueError::new("E-CONFLICT", "the same is paid for twice"));
        }
        if is_memory {
            self.memory = Some(text.parse()?);
        } else {
            self.calls = Some(text.parse().map_err(|error: ValueError| {
                error.help(
                    "`$0.20/1M` for requests, `$0.0000166667/GB-s` for memory, or a list of both",
                )
            })?);
        }
        Ok(())
    }

    fn all(&self) -> Vec<String> {
        let calls = self.calls.map(|price| price.to_string());
        calls.into_iter().chain(self.memory.map(|price| price.to_string())).collect()
    }
}

impl<'de> Deserialize<'de> for UsePrice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Prices;
        impl<'de> Visitor<'de> for Prices {
            type Value = UsePrice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a price such as `$0.20/1M` or `$0.0000166667/GB-s`, or a list of both")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<UsePrice, E> {
                let mut all = UsePrice::default();
                all.add(text).map_err(E::custom)?;
                Ok(all)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<UsePrice, A::Error> {
                let mut all = UsePrice::default();
                while let Some(text) = seq.next_element::<String>()? {
                    all.add(&text).map_err(de::Error::custom)?;
                }
                Ok(all)
            }
        }
        deserializer.deserialize_any(Prices)
    }
}

impl Serialize for UsePrice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.all().as_slice() {
            [one] => one.serialize(serializer),
            all => all.serialize(serializer),
        }
    }
}

impl JsonSchema for UsePrice {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UsePrice".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let (calls, memory) = (g.subschema_for::<CallPrice>(), g.subschema_for::<MemoryPrice>());
        json_schema!({"anyOf": [
            calls.clone(),
            memory.clone(),
            {"type": "array", "items": {"anyOf": [calls, memory]}}
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in ["none", "token_bucket(rate=100/s burst=200)"] {
            assert_eq!(text.parse::<GrowthSpec>().unwrap().to_string(), text);
        }
        for text in [
            "leaky_bucket(rate=1/s queue=0)",
            "token_bucket(rate=1/s burst=1 wait=1s)",
            "token_bucket(rate=1/s burst=1 scope=shared)",
            "many",
        ] {
            let error = text.parse::<GrowthSpec>().unwrap_err();
            assert!(error.help.unwrap().contains("token_bucket"), "{text}");
        }
    }
}
