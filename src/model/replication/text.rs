//! Text forms of what is said of replicas.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use super::{
    AckSpec, CandidatesSpec, ConflictSpec, ContactFields, ContactSpec, Contacted, CrdtSpec,
    LevelSpec, ModeSpec, RebuildSpec, RepairSpec,
};
use crate::{
    expr::{Expr, Taker, unknown},
    units::{Count, Fraction, Name, SimDuration, ValueError, short_form, text_value},
};

impl FromStr for AckSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        let usage = "semi_sync(timeout=1s acks=1)";
        let mut t = Taker::new(&expr, usage)?;
        let ack = match expr.name.as_str() {
            "async" => Self::Async,
            "sync" => Self::Sync,
            "semi_sync" => Self::SemiSync {
                timeout: t.read("timeout")?.unwrap_or(SimDuration(1_000_000_000)),
                acks: t.read("acks")?.unwrap_or(Count(1)),
            },
            other => return Err(unknown("way", other, &["async", "sync", usage])),
        };
        t.finish()?;
        Ok(ack)
    }
}

impl fmt::Display for AckSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Async => f.write_str("async"),
            Self::Sync => f.write_str("sync"),
            Self::SemiSync { timeout, acks } => {
                write!(f, "semi_sync(timeout={timeout} acks={acks})")
            }
        }
    }
}

text_value!(
    AckSpec,
    "Ack",
    "when a write is answered",
    ["async", "sync", "semi_sync(timeout=1s acks=1)"]
);

const CONFLICTS: [(&str, ConflictSpec); 5] = [
    ("lww", ConflictSpec::Lww),
    ("version_vector", ConflictSpec::VersionVector),
    ("crdt(counter)", ConflictSpec::Crdt(CrdtSpec::Counter)),
    ("crdt(set)", ConflictSpec::Crdt(CrdtSpec::Set)),
    ("crdt(register)", ConflictSpec::Crdt(CrdtSpec::Register)),
];

impl FromStr for ConflictSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let found = CONFLICTS.iter().find(|known| known.0 == text);
        found.map(|known| known.1).ok_or_else(|| unknown("way", text, &CONFLICTS.map(|c| c.0)))
    }
}

impl fmt::Display for ConflictSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = CONFLICTS.iter().find(|known| known.1 == *self);
        f.write_str(known.map_or("", |known| known.0))
    }
}

text_value!(
    ConflictSpec,
    "Conflict",
    "what becomes of writes that did not know of one another",
    ["lww", "version_vector", "crdt(counter)"]
);

impl FromStr for ModeSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        let known = ["each", "group(5ms)", "every(1s)", "never"];
        let mut t = Taker::new(&expr, "group(5ms)")?;
        let mode = match expr.name.as_str() {
            "each" => Self::Each,
            "group" => Self::Group(t.need_plain()?.read()?),
            "every" => Self::Every(t.need_plain()?.read()?),
            "never" => Self::Never,
            other => return Err(unknown("mode", other, &known)),
        };
        t.finish()?;
        if matches!(mode, Self::Group(SimDuration(0)) | Self::Every(SimDuration(0))) {
            return Err(
                ValueError::new("E-RANGE", "must be above 0").help("`each` waits for nothing")
            );
        }
        Ok(mode)
    }
}

impl fmt::Display for ModeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Each => f.write_str("each"),
            Self::Group(after) => write!(f, "group({after})"),
            Self::Every(period) => write!(f, "every({period})"),
            Self::Never => f.write_str("never"),
        }
    }
}

text_value!(
    ModeSpec,
    "DiskMode",
    "when a disk is made to write",
    ["each", "group(5ms)", "every(1s)", "never"]
);

impl FromStr for LevelSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "majority" => Ok(Self::Majority),
            "all" => Ok(Self::All),
            number => number.parse().map(Self::Number).map_err(|_: ValueError| {
                ValueError::new(
                    "E-TYPE",
                    format!("expected a number of replicas, found `{number}`"),
                )
                .help("2, majority or all")
            }),
        }
    }
}

impl fmt::Display for LevelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Majority => f.write_str("majority"),
            Self::All => f.write_str("all"),
            Self::Number(n) => n.fmt(f),
        }
    }
}

text_value!(LevelSpec, "Level", "how many replicas", ["2", "majority", "all"], number);

impl FromStr for RebuildSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.contains('/') && !text.contains('(') {
            return text.parse().map(Self::Keys);
        }
        let help = "how long it takes, such as `30s`, or how many keys a second, such as `500/s`";
        text.parse().map(Self::Takes).map_err(|e: ValueError| e.help(help))
    }
}

impl fmt::Display for RebuildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Takes(law) => law.fmt(f),
            Self::Keys(rate) => rate.fmt(f),
        }
    }
}

text_value!(RebuildSpec, "Rebuild", "how all data are copied", ["30s", "exp(mean=30s)", "500/s"]);

impl FromStr for RepairSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "true" => Ok(Self(1.0)),
            "false" => Ok(Self(0.0)),
            share => share.parse().map(|Fraction(share)| Self(share)).map_err(|e: ValueError| {
                e.help("true, false, or the share of reads that repair, such as 10%")
            }),
        }
    }
}

impl fmt::Display for RepairSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1.0 => f.write_str("true"),
            0.0 => f.write_str("false"),
            share => Fraction(share).fmt(f),
        }
    }
}

text_value!(RepairSpec, "Repair", "whether a read repairs", ["true", "false", "10%"]);

const CONTACTED: [(&str, Contacted); 2] = [("all", Contacted::All), ("quorum", Contacted::Quorum)];

impl FromStr for Contacted {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let found = CONTACTED.iter().find(|known| known.0 == text);
        found.map(|known| known.1).ok_or_else(|| unknown("way", text, &["all", "quorum"]))
    }
}

impl fmt::Display for Contacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::All { "all" } else { "quorum" })
    }
}

text_value!(Contacted, "Contacted", "which replicas are asked", ["all", "quorum"]);

short_form!(
    ContactSpec,
    ContactFields,
    Contacted,
    "`all`, `quorum`, or `{read: quorum, write: all}`",
    |who| ContactFields { read: who, write: who },
    |fields| (fields.read == fields.write).then_some(fields.read)
);

const CANDIDATES: [&str; 3] = ["any", "same_zone", "same_region"];

impl<'de> Deserialize<'de> for CandidatesSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Candidates;
        impl<'de> Visitor<'de> for Candidates {
            type Value = CandidatesSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`any`, `same_zone`, `same_region`, or a list of zones and regions")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<CandidatesSpec, E> {
                match v {
                    "any" => Ok(CandidatesSpec::Any),
                    "same_zone" => Ok(CandidatesSpec::SameZone),
                    "same_region" => Ok(CandidatesSpec::SameRegion),
                    other => Err(E::custom(
                        unknown("candidates", other, &CANDIDATES)
                            .help("any, same_zone, same_region, or a list such as [a, b]"),
                    )),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<CandidatesSpec, A::Error> {
                let mut all = Vec::new();
                while let Some(name) = seq.next_element()? {
                    all.push(name);
                }
                Ok(CandidatesSpec::These(all))
            }
        }
        deserializer.deserialize_any(Candidates)
    }
}

impl Serialize for CandidatesSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str(CANDIDATES[0]),
            Self::SameZone => serializer.serialize_str(CANDIDATES[1]),
            Self::SameRegion => serializer.serialize_str(CANDIDATES[2]),
            Self::These(names) => names.serialize(serializer),
        }
    }
}

impl JsonSchema for CandidatesSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Candidates".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let name = g.subschema_for::<Name>();
        json_schema!({"anyOf": [
            {"type": "string", "enum": CANDIDATES},
            {"type": "array", "items": name},
        ]})
    }
}
