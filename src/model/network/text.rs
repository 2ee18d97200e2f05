//! Text forms of zones and matrices.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{MatrixSpec, ZonesSpec};
use crate::{
    expr::{Expr, Taker, flag, unknown},
    units::{Count, Name, ValueError, text_value},
};

impl FromStr for MatrixSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        if expr.name != "matrix" {
            return Err(unknown(
                "form",
                &expr.name,
                &["matrix(file=rtt.csv unit=ms round_trip=true)"],
            ));
        }
        let mut t = Taker::new(&expr, "matrix(file=rtt.csv unit=ms round_trip=true)")?;
        let word = |e: &Expr| e.need_word().map(str::to_owned);
        let (file, unit) = (word(t.need("file")?)?, word(t.need("unit")?)?);
        let round_trip = flag(&mut t, "round_trip")?;
        t.finish()?;
        if !["ns", "us", "ms", "s"].contains(&unit.as_str()) {
            return Err(unknown("unit", &unit, &["ns", "us", "ms", "s"]));
        }
        Ok(Self { file, unit, round_trip })
    }
}

impl fmt::Display for MatrixSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = crate::expr::quoted(&self.file);
        write!(f, "matrix(file={file} unit={} round_trip={})", self.unit, self.round_trip)
    }
}

text_value!(
    MatrixSpec,
    "Matrix",
    "latencies between regions from a file",
    ["matrix(file=rtt.csv unit=ms round_trip=true)"]
);

impl<'de> Deserialize<'de> for ZonesSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Zones;
        impl<'de> Visitor<'de> for Zones {
            type Value = ZonesSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a zone, a list of zones, or instances per zone")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<ZonesSpec, E> {
                v.parse().map(ZonesSpec::One).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ZonesSpec, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(ZonesSpec::List(names))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ZonesSpec, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(ZonesSpec::Counts)
            }
        }
        deserializer.deserialize_any(Zones)
    }
}

impl Serialize for ZonesSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(name) => name.serialize(serializer),
            Self::List(names) => names.serialize(serializer),
            Self::Counts(counts) => counts.serialize(serializer),
        }
    }
}

impl JsonSchema for ZonesSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Zones".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let (name, count) = (g.subschema_for::<Name>(), g.subschema_for::<Count>());
        json_schema!({"anyOf": [
            name.clone(),
            {"type": "array", "items": name},
            {"type": "object", "additionalProperties": count},
        ]})
    }
}
