//! Text forms of policies and targets.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Policy, Subset, TargetsSpec};
use crate::{
    expr::{Expr, Taker, flag, unknown, vnodes},
    units::{Count, Name, Number, ValueError, text_value},
};

impl FromStr for Policy {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        let usage = match expr.name.as_str() {
            "round_robin" => "round_robin(smooth=true)",
            "consistent_hash" => "consistent_hash(vnodes=100)",
            "bounded_hash" => "bounded_hash(vnodes=100 c=1.25)",
            "power_of_d" => "power_of_d(d=2 replace=true)",
            _ => "least_requests",
        };
        let mut t = Taker::new(&expr, usage)?;
        let policy = match expr.name.as_str() {
            "round_robin" => Self::RoundRobin(flag(&mut t, "smooth")?),
            "random" => Self::Random,
            "first" => Self::First,
            "least_requests" => Self::LeastRequests,
            "power_of_d" => {
                let d = t.read::<Count>("d")?.unwrap_or(Count(2));
                let d = u32::try_from(d.0).unwrap_or(u32::MAX);
                Self::PowerOfD { d, replace: flag(&mut t, "replace")? }
            }
            "peak_ewma" => Self::PeakEwma,
            "consistent_hash" => Self::ConsistentHash(vnodes(&mut t)?),
            "bounded_hash" => {
                let points = vnodes(&mut t)?;
                let c = t.read::<Number>("c")?.map_or(1.25, |c| c.0);
                if !(1.0..=1000.0).contains(&c) {
                    let message = format!("`c` must be in 1..=1000, not {c}");
                    return Err(ValueError::new("E-RANGE", message));
                }
                Self::BoundedHash(points, c)
            }
            "rendezvous" => Self::Rendezvous,
            "sticky" => Self::Sticky,
            other => {
                let known = [
                    "round_robin",
                    "random",
                    "first",
                    "least_requests",
                    "power_of_d(d=2)",
                    "peak_ewma",
                    "consistent_hash(vnodes=100)",
                    "bounded_hash(vnodes=100 c=1.25)",
                    "rendezvous",
                    "sticky",
                ];
                // Other programs count connections.
                let other = if other.starts_with("least") { "least_requests" } else { other };
                let error = unknown("policy", other, &known);
                let message = format!("unknown policy `{}`", crate::expr::clip(&expr.name));
                return Err(ValueError { message, ..error });
            }
        };
        t.finish()?;
        Ok(policy)
    }
}

impl FromStr for Subset {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut words = text.split_whitespace();
        let size: Count = words.next().unwrap_or_default().parse()?;
        let by_key = match (words.next(), words.next()) {
            (None | Some("by=caller"), None) => false,
            (Some("by=key"), None) => true,
            _ => {
                let message = "a subset is of each calling instance, or of each key";
                return Err(ValueError::new("E-TYPE", message).help("write `5` or `2 by=key`"));
            }
        };
        Ok(Self { size, by_key })
    }
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.size, if self.by_key { " by=key" } else { "" })
    }
}

text_value!(
    Subset,
    "Subset",
    "how many targets are used, such as `5` or `2 by=key`",
    ["5", "2 by=key"],
    number,
    r"^[0-9]+(\.[0-9]+)?[kMGT]?(\s+by=key)?$"
);

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundRobin(false) => f.write_str("round_robin"),
            Self::RoundRobin(true) => f.write_str("round_robin(smooth=true)"),
            Self::Random => f.write_str("random"),
            Self::First => f.write_str("first"),
            Self::LeastRequests => f.write_str("least_requests"),
            Self::PowerOfD { d, replace: false } => write!(f, "power_of_d(d={d})"),
            Self::PowerOfD { d, replace: true } => write!(f, "power_of_d(d={d} replace=true)"),
            Self::PeakEwma => f.write_str("peak_ewma"),
            Self::ConsistentHash(points) => write!(f, "consistent_hash(vnodes={points})"),
            Self::BoundedHash(points, c) => write!(f, "bounded_hash(vnodes={points} c={c})"),
            Self::Rendezvous => f.write_str("rendezvous"),
            Self::Sticky => f.write_str("sticky"),
        }
    }
}

text_value!(Policy, "Policy", "how a balancer chooses", ["least_requests", "power_of_d(d=2)"]);

impl<'de> Deserialize<'de> for TargetsSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Targets;
        impl<'de> Visitor<'de> for Targets {
            type Value = TargetsSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a node, a list of nodes, or nodes with weights")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<TargetsSpec, E> {
                v.parse().map(TargetsSpec::One).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<TargetsSpec, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(TargetsSpec::Pool(names))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TargetsSpec, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(TargetsSpec::Weighted)
            }
        }
        deserializer.deserialize_any(Targets)
    }
}

impl Serialize for TargetsSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(name) => name.serialize(serializer),
            Self::Pool(names) => names.serialize(serializer),
            Self::Weighted(weights) => weights.serialize(serializer),
        }
    }
}

impl JsonSchema for TargetsSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BalancerTargets".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let (name, weight) = (g.subschema_for::<Name>(), g.subschema_for::<Number>());
        json_schema!({"anyOf": [
            name.clone(),
            {"type": "array", "items": name},
            {"type": "object", "additionalProperties": weight},
        ]})
    }
}
