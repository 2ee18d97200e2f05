//! Text forms of the instances a fault hits, and of its target.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use super::{Effect, InstancesSpec, PathSpec, ReplicaSpec, SideName, TargetSpec};
use crate::units::{Count, Fraction, Name, ValueError, text_value};

impl Effect<'_> {
    /// What it hits and how much, in words: `db (shard 2), factor 8`.
    pub fn what(self) -> String {
        match self {
            Self::Load(surge) => format!("{}, factor {}", surge.client, surge.factor),
            Self::Deploy(deploy) => deploy.node.to_string(),
            Self::Set(changes) => changes.keys().cloned().collect::<Vec<_>>().join(", "),
            _ => {
                let target = self.target().map(TargetSpec::what);
                target.or_else(|| self.path().map(PathSpec::what)).unwrap_or_default()
            }
        }
    }
}

impl TargetSpec {
    fn what(&self) -> String {
        let place = [&self.node, &self.zone, &self.region].into_iter().flatten().next();
        let mut text = place.map(Name::to_string).unwrap_or_default();
        match (&self.instances, &self.shard) {
            (Some(InstancesSpec::Count(n)), _) => text += &format!(" ({n} of its instances)"),
            (Some(InstancesSpec::Share(share)), _) => {
                text += &format!(" ({share} of its instances)");
            }
            (Some(InstancesSpec::These(these)), _) => {
                let these: Vec<String> = these.iter().map(Count::to_string).collect();
                text += &format!(" (instance {})", these.join(", "));
            }
            (None, Some(shard)) => text += &format!(" (shard {shard})"),
            (None, None) => {}
        }
        match &self.replica {
            Some(these @ ReplicaSpec::These(_)) => text += &format!(" (replica {these})"),
            Some(role) => text += &format!(" ({role})"),
            None => {}
        }
        if self.lose_data == Some(true) {
            text += ", its data with it";
        }
        if self.silent == Some(true) {
            text += ", without a word";
        }
        if let Some(factor) = self.factor {
            text += &format!(", factor {factor}");
        }
        if let Some(fraction) = self.fraction {
            text += &format!(", {fraction}");
        }
        if let Some(offset) = self.offset {
            text += &format!(", offset {offset}");
        }
        if let Some(drift) = self.drift {
            text += &format!(", drift {drift}");
        }
        text
    }
}

impl PathSpec {
    fn what(&self) -> String {
        let (one, other, directed) = self.sides();
        let listed = |names: Vec<&SideName>| {
            names.into_iter().map(SideName::to_string).collect::<Vec<_>>().join(", ")
        };
        let mut text = match (one.is_empty(), other.is_empty(), directed) {
            (false, true, false) => listed(one),
            (false, false, false) => format!("between {} and {}", listed(one), listed(other)),
            (false, true, true) => format!("from {}", listed(one)),
            (true, _, _) => format!("to {}", listed(other)),
            (false, false, true) => format!("from {} to {}", listed(one), listed(other)),
        };
        if let Some(fraction) = self.fraction {
            text += &format!(", {fraction}");
        }
        text
    }
}

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

impl FromStr for SideName {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let Some((name, part)) = text.split_once('@') else {
            return Ok(Self { name: text.parse()?, zone: None, replica: None });
        };
        let name = name.parse()?;
        let replica: Option<ReplicaSpec> = part.parse().ok();
        let zone = if replica.is_none() { Some(part.parse()?) } else { None };
        Ok(Self { name, zone, replica })
    }
}

impl fmt::Display for SideName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        match (&self.zone, &self.replica) {
            (Some(zone), _) => write!(f, "@{zone}"),
            (None, Some(replica)) => write!(f, "@{replica}"),
            (None, None) => Ok(()),
        }
    }
}

impl FromStr for ReplicaSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "leader" => Ok(Self::Leader),
            "followers" => Ok(Self::Followers),
            number => number.parse().map(|one| Self::These(vec![one])).map_err(|_: ValueError| {
                let message = format!("expected a replica, found `{number}`");
                let help = "leader, followers, a number from 0, or a list of numbers";
                ValueError::new("E-TYPE", message).help(help)
            }),
        }
    }
}

impl fmt::Display for ReplicaSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader => f.write_str("leader"),
            Self::Followers => f.write_str("followers"),
            Self::These(these) => {
                let these: Vec<String> = these.iter().map(Count::to_string).collect();
                f.write_str(&these.join(", "))
            }
        }
    }
}

text_value!(
    SideName,
    "SideName",
    "a node, client, zone or region, or a part of a node",
    ["api", "etcd@zone-a", "etcd@leader"],
    r"^[a-z0-9][a-z0-9_-]*(@[a-z0-9][a-z0-9_-]*)?$"
);

impl<'de> Deserialize<'de> for ReplicaSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Replica;
        impl<'de> Visitor<'de> for Replica {
            type Value = ReplicaSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`leader`, `followers`, or numbers of replicas from 0")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<ReplicaSpec, E> {
                v.parse().map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ReplicaSpec, A::Error> {
                let mut all: Vec<Count> = Vec::new();
                while let Some(number) = seq.next_element()? {
                    all.push(number);
                }
                Ok(ReplicaSpec::These(all))
            }
        }
        deserializer.deserialize_any(Replica)
    }
}

impl Serialize for ReplicaSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::These(these) => match these.as_slice() {
                [one] => one.serialize(serializer),
                all => all.serialize(serializer),
            },
            role => serializer.collect_str(role),
        }
    }
}

impl JsonSchema for ReplicaSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Replica".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let count = g.subschema_for::<Count>();
        json_schema!({"anyOf": [
            {"type": "string", "enum": ["leader", "followers"]},
            count.clone(),
            {"type": "array", "items": count},
        ]})
    }
}
