//! How the load of a client is written: a factor, a step, a list of steps, a curve.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{LoadSpec, LoadStep, curve::CurveSpec, text::ARRIVALS};
use crate::{
    expr::clip,
    units::{Number, Rate, ValueError},
};

impl<'de> Deserialize<'de> for LoadSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Load;
        impl<'de> Visitor<'de> for Load {
            type Value = LoadSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a factor, a step, a list of steps or `curve(..)`")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<LoadSpec, E> {
                if let Some(error) = is_of_arrivals(v) {
                    return Err(E::custom(error));
                }
                if v.contains('(') {
                    let curve = v.parse::<CurveSpec>().map_err(E::custom)?;
                    return Ok(LoadSpec::Curve(Box::new(curve)));
                }
                v.parse().map(LoadSpec::Factor).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<LoadSpec, E> {
                self.visit_str(&v.to_string())
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<LoadSpec, E> {
                self.visit_str(&v.to_string())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LoadSpec, A::Error> {
                let step = LoadStep::deserialize(MapAccessDeserializer::new(map))?;
                Ok(LoadSpec::Steps(vec![step]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<LoadSpec, A::Error> {
                let mut steps = Vec::new();
                while let Some(step) = seq.next_element()? {
                    steps.push(step);
                }
                Ok(LoadSpec::Steps(steps))
            }
        }
        deserializer.deserialize_any(Load)
    }
}

/// What is told of arrivals, or a rate, in the place of what they are multiplied by.
fn is_of_arrivals(text: &str) -> Option<ValueError> {
    let name = text.trim().split('(').next().unwrap_or_default();
    let write = if text.contains('(') && ARRIVALS.contains(&name) {
        clip(text)
    } else if text.parse::<Rate>().is_ok() {
        format!("poisson({text})")
    } else {
        return None;
    };
    let message = "`load` is a factor: how requests come is said by `arrivals`";
    Some(ValueError::new("E-EXPR", message).help(format!("write `arrivals: {write}`")))
}

impl Serialize for LoadSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Factor(f) => f.serialize(serializer),
            Self::Steps(steps) => steps.serialize(serializer),
            Self::Curve(curve) => curve.serialize(serializer),
        }
    }
}

impl JsonSchema for LoadSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Load".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let (number, step) = (g.subschema_for::<Number>(), g.subschema_for::<LoadStep>());
        let curve = g.subschema_for::<CurveSpec>();
        json_schema!({"anyOf": [number, step.clone(), {"type": "array", "items": step}, curve]})
    }
}
